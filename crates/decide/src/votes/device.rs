//! Votes by `kernels/votes.cu`: the same bits as [`compute`](super::compute).

use std::ops::Range;

use rayon::prelude::*;

use super::across::change;
use super::params::VoterParams;
use super::{Family, VOTERS, Voter, Votes};
use huracan_bars::Panel;
use huracan_engine::DevicePanel;
use huracan_engine::memory::Need;
use huracan_engine::{Compute, DeviceBuffer, Element, ElementKind, EngineError, Kernel, Shape, Stage};
use huracan_features::{memory, shared::symbol_of};

const BITCOIN: Kernel = kernel("votes_bitcoin", false);
const RANKS: Kernel = kernel("votes_ranks", false);
const CAST: Kernel = kernel("votes_cast", true);

/// Threads of a block, `THREADS` of `kernels/votes.cuh`; the emulated device does better with few, whose turns cost it time.
const THREADS: u32 = 128;
const EMULATED_THREADS: u32 = 32;
/// Series that a block works in, `PLANES` of `kernels/votes.cuh`.
const PLANES: usize = 4;

const fn kernel(name: &'static str, barriers: bool) -> Kernel {
    Kernel { file: "votes", name, barriers }
}

/// What the kernel is told of one engine: twin of `votes::Engine`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
struct EngineArgs {
    reals: [f64; 3],
    bars: [u32; 3],
    warm_up: u32,
    voiced: u32,
    on: u32,
    atr_bars: u32,
    padding: u32,
}

const _: () = assert!(size_of::<EngineArgs>() == 3 * 8 + 8 * 4, "no padding");

// SAFETY: numbers alone, without padding, as has just been asserted.
unsafe impl Element for EngineArgs {
    const KIND: ElementKind = ElementKind::Structure;
}

/// Votes on the device of a run, or on the CPU.
///
/// # Errors
/// Where the device fails and the CPU must not take its place.
pub fn compute_on(compute: &Compute, panel: &Panel, engines: &VoterParams) -> Result<Votes, EngineError> {
    compute.run("votes", |stage| self::compute(stage, panel, engines), || super::compute(panel, engines))
}

/// [`compute`](super::compute) on a device, all symbols in one batch, or in as few as its memory allows.
///
/// # Errors
/// Where the device fails, or one symbol's candles and votes do not fit its memory.
pub fn compute(stage: &Stage<'_>, panel: &Panel, engines: &VoterParams) -> Result<Votes, EngineError> {
    let (bars, symbols) = (panel.bars, panel.symbols.len());
    let mut votes = Votes { bars, values: memory::zeros(symbols * bars * VOTERS) };
    if votes.values.is_empty() {
        return Ok(votes);
    }
    let args: Vec<EngineArgs> = Voter::ALL.into_iter().map(|voter| EngineArgs::of(voter, engines)).collect();
    let on = |voter: Voter| args[voter as usize].on != 0;
    let bitcoin = bitcoin(stage, panel, engines, on(Voter::BitcoinLead))?;
    let ranks = ranks(stage, panel, on(Voter::RelativeStrength).then_some(engines.relative_strength.bars))?;
    let args = stage.upload(&args)?;
    let a_bar = VOTERS * (PLANES * size_of::<f64>() + size_of::<f32>()) + size_of::<f32>();
    let need = Need {
        fixed_bytes: (1 << 20) + (bars * size_of::<f64>()) as u64,
        job_bytes: DevicePanel::symbol_bytes(bars) + (bars * a_bar) as u64,
    };
    let threads = if stage.device() == huracan_engine::Device::Emulated { EMULATED_THREADS } else { THREADS };
    for part in stage.parts(need, symbols)? {
        let candles = DevicePanel::upload(stage, panel, part.clone())?;
        let places = stage.upload(&ranks[part.start * bars..part.end * bars])?;
        let mut planes = stage.zeros::<f64>(candles.cells() * VOTERS * PLANES)?;
        let mut out = stage.zeros::<f32>(candles.cells() * VOTERS)?;
        let shape = Shape { blocks: [VOTERS as u32, part.len() as u32, 1], threads, shared_bytes: 0 };
        unsafe {
            stage
                .launch(&CAST, shape)
                .read(&candles.high)
                .read(&candles.low)
                .read(&candles.close)
                .read(&candles.volume)
                .read(&candles.ranges)
                .read(&args)
                .read(&bitcoin)
                .read(&places)
                .write(&mut planes)
                .write(&mut out)
                .value(bars as u32)
                .run()
        }?;
        stage.download_into(&out, &mut votes.values[part.start * bars * VOTERS..part.end * bars * VOTERS])?;
    }
    Ok(votes)
}

/// Bitcoin's latest move in usual moves, `[bars]`; NaN where there is none, or nobody asks.
fn bitcoin(
    stage: &Stage<'_>,
    panel: &Panel,
    engines: &VoterParams,
    asked: bool,
) -> Result<DeviceBuffer<f64>, EngineError> {
    let bars = panel.bars;
    let Some(row) = symbol_of(panel, "BTC").filter(|_| asked) else { return stage.upload(&vec![f64::NAN; bars]) };
    let Range { start, end } = panel.ranges[row];
    let close = stage.upload(panel.row(&panel.close, row))?;
    let mut moves = stage.zeros::<f64>(bars)?;
    unsafe {
        stage
            .launch(&BITCOIN, Shape::one_thread_each(bars, THREADS))
            .read(&close)
            .write(&mut moves)
            .value(start as u32)
            .value(end as u32)
            .value(bars as u32)
            .value(engines.bitcoin_lead.bars as u32)
            .value(engines.bitcoin_lead.deviation_bars as u32)
            .run()
    }?;
    Ok(moves)
}

/// Each symbol's place among all by its return over `over` bars, `[symbols × bars]`: all symbols at once, and as many bars as
/// the memory allows; NaN where a symbol has none, or nobody asks.
fn ranks(stage: &Stage<'_>, panel: &Panel, over: Option<usize>) -> Result<Vec<f32>, EngineError> {
    let (bars, symbols) = (panel.bars, panel.symbols.len());
    let mut ranks = vec![f32::NAN; symbols * bars];
    let Some(over) = over else { return Ok(ranks) };
    let a_bar = (symbols * (size_of::<f64>() + size_of::<f32>())) as u64;
    for part in stage.parts(Need { fixed_bytes: 1 << 16, job_bytes: a_bar }, bars)? {
        let returns = stage.upload(&returns(panel, &part, over))?;
        let mut places = stage.zeros::<f32>(symbols * part.len())?;
        let mut shape = Shape::one_thread_each(part.len(), THREADS);
        shape.blocks[1] = symbols as u32;
        unsafe {
            stage
                .launch(&RANKS, shape)
                .read(&returns)
                .write(&mut places)
                .value(symbols as u32)
                .value(part.len() as u32)
                .run()
        }?;
        let places = stage.download(&places)?;
        for (row, places) in ranks.chunks_exact_mut(bars).zip(places.chunks_exact(part.len())) {
            row[part.clone()].copy_from_slice(places);
        }
    }
    Ok(ranks)
}

/// Returns over `over` bars at the bars of a part, `[symbols × part]`; NaN where a symbol has none.
fn returns(panel: &Panel, part: &Range<usize>, over: usize) -> Vec<f64> {
    let mut returns = vec![f64::NAN; panel.symbols.len() * part.len()];
    returns.par_chunks_exact_mut(part.len()).zip(&panel.ranges).enumerate().for_each(|(symbol, (out, range))| {
        let close = panel.row(&panel.close, symbol);
        for bar in (range.start + over).max(part.start)..range.end.min(part.end) {
            out[bar - part.start] = change(close, bar, over);
        }
    });
    returns
}

impl EngineArgs {
    fn of(voter: Voter, e: &VoterParams) -> Self {
        let (bars, reals): ([usize; 3], [f64; 3]) = match voter {
            Voter::EmaCross => ([e.ema_cross.fast_bars, e.ema_cross.slow_bars, 0], [e.ema_cross.full_atr, 0.0, 0.0]),
            Voter::SmaCross => ([e.sma_cross.fast_bars, e.sma_cross.slow_bars, 0], [e.sma_cross.full_atr, 0.0, 0.0]),
            Voter::MacdCross => {
                let p = &e.macd_cross;
                ([p.fast_bars, p.slow_bars, p.signal_bars], [p.full_atr, 0.0, 0.0])
            }
            Voter::Adx => ([e.adx.bars, 0, 0], [e.adx.weak, e.adx.full, 0.0]),
            Voter::Donchian => ([e.donchian.bars, e.donchian.fade_bars, 0], [0.0; 3]),
            Voter::Supertrend => ([e.supertrend.bars, 0, 0], [e.supertrend.multiplier, 0.0, 0.0]),
            Voter::RegressionSlope => ([e.regression_slope.bars, 0, 0], [e.regression_slope.full_atr, 0.0, 0.0]),
            Voter::Rsi => ([e.rsi.bars, 0, 0], [e.rsi.low, e.rsi.high, 0.0]),
            Voter::Bollinger => ([e.bollinger.bars, 0, 0], [e.bollinger.deviations, 0.0, 0.0]),
            Voter::Stochastic => {
                let p = &e.stochastic;
                ([p.bars, p.slow_k_bars, p.slow_d_bars], [p.low, p.high, 0.0])
            }
            Voter::ZScore => ([e.z_score.bars, 0, 0], [e.z_score.full, 0.0, 0.0]),
            Voter::Cci => ([e.cci.bars, 0, 0], [e.cci.full, 0.0, 0.0]),
            Voter::WilliamsR => ([e.williams_r.bars, 0, 0], [e.williams_r.low, e.williams_r.high, 0.0]),
            Voter::RateOfChange => ([e.rate_of_change.bars, 0, 0], [e.rate_of_change.full_atr, 0.0, 0.0]),
            Voter::MoneyFlowIndex => {
                ([e.money_flow_index.bars, 0, 0], [e.money_flow_index.low, e.money_flow_index.high, 0.0])
            }
            Voter::ObvTrend => ([e.obv_trend.bars, 0, 0], [e.obv_trend.full, 0.0, 0.0]),
            Voter::VolumeBreakout => ([e.volume_breakout.bars, 0, 0], [e.volume_breakout.full, 0.0, 0.0]),
            Voter::Vwap => ([e.vwap.bars, 0, 0], [e.vwap.full_atr, 0.0, 0.0]),
            Voter::ChaikinMoneyFlow => ([e.chaikin_money_flow.bars, 0, 0], [e.chaikin_money_flow.full, 0.0, 0.0]),
            Voter::KeltnerBreakout => {
                let p = &e.keltner_breakout;
                ([p.bars, p.atr_bars, 0], [p.multiplier, p.full, 0.0])
            }
            Voter::AtrSqueeze => {
                let p = &e.atr_squeeze;
                ([p.bars, p.fade_bars, 0], [p.deviations, p.multiplier, p.full_atr])
            }
            Voter::BitcoinLead => {
                ([e.bitcoin_lead.bars, e.bitcoin_lead.deviation_bars, 0], [e.bitcoin_lead.full, 0.0, 0.0])
            }
            Voter::RelativeStrength => ([e.relative_strength.bars, 0, 0], [0.0; 3]),
        };
        Self {
            reals,
            bars: bars.map(|bars| bars as u32),
            warm_up: voter.warm_up(e) as u32,
            voiced: u32::from(voter.family() != Family::CrossAsset),
            on: u32::from(!e.off.iter().any(|name| name == voter.name())),
            atr_bars: e.atr_bars as u32,
            padding: 0,
        }
    }
}
