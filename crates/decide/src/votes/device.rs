//! Votes on a device, by `kernels/votes*.cu`: the same bits as [`compute`](super::compute).

use std::ops::Range;

use rayon::prelude::*;

use super::across::return_over;
use super::params::VoterParams;
use super::{VOTERS, Voter, Votes};
use huracan_bars::Panel;
use huracan_engine::DevicePanel;
use huracan_engine::memory::Requirement;
use huracan_engine::{
    Compute, DeviceBuffer, Element, ElementKind, EngineError, Items, Kernel, Rows, Shape, Stage, symbol_costs,
};
use huracan_features::{memory, shared::symbol_of};

const BITCOIN: Kernel = kernel("votes", "votes_bitcoin", false);
const RETURNS: Kernel = kernel("votes", "votes_returns", false);
const RANKS: Kernel = kernel("votes", "votes_ranks", false);
const CHAINS: Kernel = kernel("votes_chains", "votes_chains", true);
const CAST: Kernel = kernel("votes_cast", "votes_cast", true);

/// Most threads of a block. Twin of `THREADS` in `kernels/votes.cuh`.
const THREADS: u32 = 128;
/// Threads of a block on the emulated device, which loses time with every switch between threads.
const EMULATED_THREADS: u32 = 32;
/// Threads of a block that computes a symbol's chains, and bars that it computes at a time. Twin of `CHAIN_THREADS` in
/// `kernels/votes_chains.cu`.
const CHAIN_THREADS: u32 = 64;
/// Series from bar to bar of a symbol, which several voters read. Twin of `CHAINS` in `kernels/votes.cuh`.
const CHAIN_COUNT: usize = 14;
/// Series of working memory of a symbol's voters. Twin of `PLANES` in `kernels/votes_cast.cu`.
const PLANES: usize = 13;

const fn kernel(file: &'static str, name: &'static str, barriers: bool) -> Kernel {
    Kernel { file, name, barriers }
}

/// Parameters of one voter, in the layout of `votes::VoterArgs` in `kernels/votes.cuh`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
struct VoterArgs {
    reals: [f64; 3],
    bars: [u32; 3],
    warm_up: u32,
    always_votes: u32,
    on: u32,
    atr_bars: u32,
    padding: u32,
}

const _: () = assert!(size_of::<VoterArgs>() == 3 * 8 + 8 * 4, "no padding");

// SAFETY: numbers only, without padding, as asserted above, in the order of `votes::VoterArgs`.
unsafe impl Element for VoterArgs {
    const KIND: ElementKind = ElementKind::Structure;
}

/// Votes on the device of a run, or on the CPU.
///
/// # Errors
/// Where the device fails and may not be replaced by the CPU.
///
/// # Panics
/// As [`compute`](super::compute).
pub fn compute_on(compute: &Compute, panel: &Panel, params: &VoterParams) -> Result<Votes, EngineError> {
    let (bars, symbols) = (panel.bars, panel.symbols.len());
    if compute.devices_left() == 0 || symbols * bars == 0 {
        return Ok(super::compute(panel, params));
    }
    let mut votes = Votes { bars, values: memory::zeros(symbols * bars * VOTERS) };
    let items = Items { costs: &symbol_costs(panel), memory: memory_needed(bars) };
    let work = Rows { values: &mut votes.values, per_item: bars * VOTERS };
    let on_device = |stage: &Stage<'_>, own: Range<usize>, work: &mut Rows<'_, f32>| {
        compute_into(stage, panel, params, own, work.values)
    };
    compute.share("votes", items, work, on_device, |own, work| {
        // The CPU has no way to compute some symbols of a panel alone.
        let all = super::compute(panel, params).values;
        work.values.copy_from_slice(&all[own.start * bars * VOTERS..own.end * bars * VOTERS]);
    })?;
    Ok(votes)
}

/// [`compute`](super::compute) on a device, with all symbols in one batch, or in as few batches as its memory allows.
///
/// # Errors
/// Where the device fails, or the candles and votes of one symbol do not fit its memory.
///
/// # Panics
/// As [`compute`](super::compute).
pub fn compute(stage: &Stage<'_>, panel: &Panel, params: &VoterParams) -> Result<Votes, EngineError> {
    let (bars, symbols) = (panel.bars, panel.symbols.len());
    let mut votes = Votes { bars, values: memory::zeros(symbols * bars * VOTERS) };
    if votes.values.is_empty() {
        return Ok(votes);
    }
    compute_into(stage, panel, params, 0..symbols, &mut votes.values)?;
    Ok(votes)
}

/// The memory that the votes of symbols need.
fn memory_needed(bars: usize) -> Requirement {
    // Chains and planes, a vote of each voter, the rank, and the return that it is made of.
    let series = (CHAIN_COUNT + PLANES) * size_of::<f64>();
    let bytes_per_bar = series + VOTERS * size_of::<f32>() + size_of::<f32>() + size_of::<f64>();
    Requirement {
        fixed_bytes: (1 << 20) + (bars * size_of::<f64>()) as u64,
        job_bytes: DevicePanel::symbol_bytes(bars) + (bars * bytes_per_bar) as u64,
    }
}

/// The votes of the panel's rows `own`, `[own × bars × VOTERS]`.
fn compute_into(
    stage: &Stage<'_>,
    panel: &Panel,
    params: &VoterParams,
    own: Range<usize>,
    out: &mut [f32],
) -> Result<(), EngineError> {
    let bars = panel.bars;
    let args: Vec<VoterArgs> = Voter::ALL.into_iter().map(|voter| VoterArgs::new(voter, params)).collect();
    let bitcoin = bitcoin(stage, panel, params)?;
    let args = stage.upload(&args)?;
    let threads = if stage.device() == huracan_engine::Device::Emulated { EMULATED_THREADS } else { THREADS };
    let mut batches = stage.batches(memory_needed(bars), own.len())?;
    let ranks = if batches.is_one() && own.len() == panel.symbols.len() {
        let candles = DevicePanel::upload(stage, panel, own.clone())?;
        Ranks::OnDevice(ranks_of_all(stage, candles.close(), candles.ranges(), panel, params)?)
    } else {
        let ranks = Ranks::ahead(stage, panel, params)?;
        // They may have taken some of the memory.
        batches = stage.batches(memory_needed(bars), own.len())?;
        ranks
    };
    for batch in batches {
        let symbols = own.start + batch.start..own.start + batch.end;
        let candles = DevicePanel::upload(stage, panel, symbols.clone())?;
        let part;
        let (ranks, first) = match &ranks {
            Ranks::OnDevice(ranks) => (ranks, symbols.start * bars),
            Ranks::OnHost(ranks) => {
                part = stage.upload(&ranks[symbols.start * bars..symbols.end * bars])?;
                (&part, 0)
            }
        };
        let mut chains = stage.zeros::<f64>(candles.cells() * CHAIN_COUNT)?;
        let shape = Shape { blocks: [batch.len() as u32, 1, 1], threads: CHAIN_THREADS, shared_bytes: 0 };
        // SAFETY: a block per symbol, of as many threads as it computes bars at a time. It reads its symbol's two ranges, own bars
        // in its row of the columns, and the parameters of all voters, and writes its own `CHAIN_COUNT` × bars entries of
        // `chains`. The ranges of a `DevicePanel` lie within its bars.
        unsafe {
            stage
                .launch(&CHAINS, shape)
                .read(candles.high())
                .read(candles.low())
                .read(candles.close())
                .read(candles.volume())
                .read(candles.ranges())
                .read(&args)
                .write(&mut chains)
                .value(bars as u32)
                .run()
        }?;
        let mut planes = stage.zeros::<f64>(candles.cells() * PLANES)?;
        let mut votes = stage.zeros::<f32>(candles.cells() * VOTERS)?;
        let shape = Shape { blocks: [VOTERS as u32, batch.len() as u32, 1], threads, shared_bytes: 0 };
        // SAFETY: a block per voter and symbol. It reads its symbol's two ranges and own bars in its row of the
        // columns, of the ranks from `first` on (`[symbols × bars]`) and of `bitcoin` (`[bars]`), and its voter's entry of `args`,
        // which has one per voter, and the symbol's chains. It writes its voter's column of the symbol's rows in `votes`,
        // `[symbols × bars × VOTERS]`, and works in its voter's planes among the symbol's `PLANES` × bars entries of `planes`. The
        // ranges of a `DevicePanel` lie within its bars, and `VoterArgs::new` ensures that every window has a bar, without which
        // a voter would read the bar before the first.
        unsafe {
            stage
                .launch(&CAST, shape)
                .read(candles.high())
                .read(candles.low())
                .read(candles.close())
                .read(candles.volume())
                .read(candles.ranges())
                .read(&args)
                .read(&chains)
                .read(&bitcoin)
                .read_from(ranks, first)
                .write(&mut planes)
                .write(&mut votes)
                .value(bars as u32)
                .run()
        }?;
        let own = &mut out[batch.start * bars * VOTERS..batch.end * bars * VOTERS];
        stage.download_into(&votes, own)?;
        // The consensus is made of them.
        stage.keep(own, votes);
    }
    Ok(())
}

/// Ranks of all symbols, `[symbols × bars]`.
enum Ranks {
    OnDevice(DeviceBuffer<f32>),
    OnHost(Vec<f32>),
}

impl Ranks {
    /// Makes the ranks before the candles of some symbols are on the device: there, if the closes of all take at most a quarter
    /// of its memory, otherwise for some bars at a time.
    fn ahead(stage: &Stage<'_>, panel: &Panel, params: &VoterParams) -> Result<Self, EngineError> {
        let cells = panel.symbols.len() * panel.bars;
        let bytes = cells * (2 * size_of::<f64>() + size_of::<f32>());
        if bytes as u64 > stage.limits()?.free_bytes / 4 {
            return Ok(Self::OnHost(ranks(stage, panel, params)?));
        }
        let ranges = panel.ranges.iter().flat_map(|range| [range.start as u32, range.end as u32]);
        let (close, ranges) = (stage.upload(&panel.close)?, stage.upload(&ranges.collect::<Vec<u32>>())?);
        Ok(Self::OnDevice(ranks_of_all(stage, &close, &ranges, panel, params)?))
    }
}

/// Bitcoin's latest move in usual moves, `[bars]`; NaN where there is none, or the voter is switched off.
fn bitcoin(stage: &Stage<'_>, panel: &Panel, params: &VoterParams) -> Result<DeviceBuffer<f64>, EngineError> {
    let bars = panel.bars;
    let is_on = Voter::BitcoinLead.is_on(params);
    let Some(row) = symbol_of(panel, "BTC").filter(|_| is_on) else { return stage.upload(&vec![f64::NAN; bars]) };
    let Range { start, end } = panel.ranges[row];
    let close = stage.upload(panel.row(&panel.close, row))?;
    assert!(start <= end && end <= bars, "every symbol's range must be within the panel's bars");
    let mut moves = stage.zeros::<f64>(bars)?;
    // SAFETY: a thread per bar; threads beyond the last bar do nothing. The kernel reads the closes of the bar's window
    // that are not before bar `start`, which lies within the panel, and writes its move: both buffers have `bars`
    // entries.
    unsafe {
        stage
            .launch(&BITCOIN, Shape::one_thread_each(bars, THREADS))
            .read(&close)
            .write(&mut moves)
            .value(start as u32)
            .value(end as u32)
            .value(bars as u32)
            .value(params.bitcoin_lead.bars as u32)
            .value(params.bitcoin_lead.deviation_bars as u32)
            .run()
    }?;
    Ok(moves)
}

/// Rank of each symbol among all by its return, `[symbols × bars]`, from the closes and ranges of all; NaN where a symbol has no
/// return, or the voter is switched off.
///
/// # Panics
/// If the closes or ranges are not those of the panel's symbols.
fn ranks_of_all(
    stage: &Stage<'_>,
    close: &DeviceBuffer<f64>,
    ranges: &DeviceBuffer<u32>,
    panel: &Panel,
    params: &VoterParams,
) -> Result<DeviceBuffer<f32>, EngineError> {
    let cells = panel.symbols.len() * panel.bars;
    assert!(close.len() == cells && ranges.len() == 2 * panel.symbols.len(), "the closes and ranges of all symbols");
    assert!(panel.ranges.iter().all(|range| range.end <= panel.bars), "every range must be within the panel's bars");
    if !Voter::RelativeStrength.is_on(params) {
        return stage.upload(&vec![f32::NAN; cells]);
    }
    let (bars, symbols) = (panel.bars as u32, panel.symbols.len() as u32);
    let (mut returns, mut ranks) = (stage.zeros::<f64>(cells)?, stage.zeros::<f32>(cells)?);
    let mut shape = Shape::one_thread_each(panel.bars, THREADS);
    shape.blocks[1] = symbols;
    // SAFETY: a thread per bar and symbol; threads beyond the last bar do nothing. A thread reads its symbol's two ranges, and
    // in its row of the closes its bar and an earlier one that is not before the first of the symbol, which lies within the
    // panel. It writes its own return. All have `[symbols × bars]` entries.
    unsafe {
        stage
            .launch(&RETURNS, shape)
            .read(close)
            .read(ranges)
            .write(&mut returns)
            .value(params.relative_strength.bars as u32)
            .value(bars)
            .run()
    }?;
    // SAFETY: as above: a thread reads the bar's return of every symbol and writes its own rank.
    unsafe { stage.launch(&RANKS, shape).read(&returns).write(&mut ranks).value(symbols).value(bars).run() }?;
    Ok(ranks)
}

/// Rank of each symbol among all by its return, `[symbols × bars]`; NaN where a symbol has no return, or the voter is
/// switched off. A launch has all symbols, and as many bars as the memory allows.
fn ranks(stage: &Stage<'_>, panel: &Panel, params: &VoterParams) -> Result<Vec<f32>, EngineError> {
    let (bars, symbols) = (panel.bars, panel.symbols.len());
    let mut ranks = vec![f32::NAN; symbols * bars];
    if !Voter::RelativeStrength.is_on(params) {
        return Ok(ranks);
    }
    let bytes_per_bar = (symbols * (size_of::<f64>() + size_of::<f32>())) as u64;
    let batches = stage.batches(Requirement { fixed_bytes: 1 << 16, job_bytes: bytes_per_bar }, bars)?;
    for batch in batches.of_work("votes, ranks") {
        let returns = stage.upload(&returns(panel, &batch, params.relative_strength.bars))?;
        let mut batch_ranks = stage.zeros::<f32>(symbols * batch.len())?;
        let mut shape = Shape::one_thread_each(batch.len(), THREADS);
        shape.blocks[1] = symbols as u32;
        // SAFETY: a thread per bar and symbol; threads beyond the last bar do nothing. The kernel reads the bar's
        // return of every symbol and writes its own rank, in `[symbols × batch]`, which is the length of both buffers.
        unsafe {
            stage
                .launch(&RANKS, shape)
                .read(&returns)
                .write(&mut batch_ranks)
                .value(symbols as u32)
                .value(batch.len() as u32)
                .run()
        }?;
        let batch_ranks = stage.download(&batch_ranks)?;
        for (row, own) in ranks.chunks_exact_mut(bars).zip(batch_ranks.chunks_exact(batch.len())) {
            row[batch.clone()].copy_from_slice(own);
        }
    }
    Ok(ranks)
}

/// Returns over `over` bars at the bars of a batch, `[symbols × batch]`; NaN where a symbol has none.
fn returns(panel: &Panel, batch: &Range<usize>, over: usize) -> Vec<f64> {
    let mut returns = vec![f64::NAN; panel.symbols.len() * batch.len()];
    returns.par_chunks_exact_mut(batch.len()).zip(&panel.ranges).enumerate().for_each(|(symbol, (out, range))| {
        let close = panel.row(&panel.close, symbol);
        for bar in (range.start + over).max(batch.start)..range.end.min(batch.end) {
            out[bar - batch.start] = return_over(close, bar, over);
        }
    });
    returns
}

impl VoterArgs {
    fn new(voter: Voter, params: &VoterParams) -> Self {
        let (bars, reals): ([usize; 3], [f64; 3]) = match voter {
            Voter::EmaCross => {
                ([params.ema_cross.fast_bars, params.ema_cross.slow_bars, 0], [params.ema_cross.full_atr, 0.0, 0.0])
            }
            Voter::SmaCross => {
                ([params.sma_cross.fast_bars, params.sma_cross.slow_bars, 0], [params.sma_cross.full_atr, 0.0, 0.0])
            }
            Voter::MacdCross => {
                let p = &params.macd_cross;
                ([p.fast_bars, p.slow_bars, p.signal_bars], [p.full_atr, 0.0, 0.0])
            }
            Voter::Adx => ([params.adx.bars, 0, 0], [params.adx.weak, params.adx.full, 0.0]),
            Voter::Donchian => ([params.donchian.bars, params.donchian.fade_bars, 0], [0.0; 3]),
            Voter::Supertrend => ([params.supertrend.bars, 0, 0], [params.supertrend.multiplier, 0.0, 0.0]),
            Voter::RegressionSlope => {
                ([params.regression_slope.bars, 0, 0], [params.regression_slope.full_atr, 0.0, 0.0])
            }
            Voter::Rsi => ([params.rsi.bars, 0, 0], [params.rsi.low, params.rsi.high, 0.0]),
            Voter::Bollinger => ([params.bollinger.bars, 0, 0], [params.bollinger.deviations, 0.0, 0.0]),
            Voter::Stochastic => {
                let p = &params.stochastic;
                ([p.bars, p.slow_k_bars, p.slow_d_bars], [p.low, p.high, 0.0])
            }
            Voter::ZScore => ([params.z_score.bars, 0, 0], [params.z_score.full, 0.0, 0.0]),
            Voter::Cci => ([params.cci.bars, 0, 0], [params.cci.full, 0.0, 0.0]),
            Voter::WilliamsR => ([params.williams_r.bars, 0, 0], [params.williams_r.low, params.williams_r.high, 0.0]),
            Voter::RateOfChange => ([params.rate_of_change.bars, 0, 0], [params.rate_of_change.full_atr, 0.0, 0.0]),
            Voter::MoneyFlowIndex => {
                ([params.money_flow_index.bars, 0, 0], [params.money_flow_index.low, params.money_flow_index.high, 0.0])
            }
            Voter::ObvTrend => ([params.obv_trend.bars, 0, 0], [params.obv_trend.full, 0.0, 0.0]),
            Voter::VolumeBreakout => ([params.volume_breakout.bars, 0, 0], [params.volume_breakout.full, 0.0, 0.0]),
            Voter::Vwap => ([params.vwap.bars, 0, 0], [params.vwap.full_atr, 0.0, 0.0]),
            Voter::ChaikinMoneyFlow => {
                ([params.chaikin_money_flow.bars, 0, 0], [params.chaikin_money_flow.full, 0.0, 0.0])
            }
            Voter::KeltnerBreakout => {
                let p = &params.keltner_breakout;
                ([p.bars, p.atr_bars, 0], [p.multiplier, p.full, 0.0])
            }
            Voter::AtrSqueeze => {
                let p = &params.atr_squeeze;
                ([p.bars, p.fade_bars, 0], [p.deviations, p.multiplier, p.full_atr])
            }
            Voter::BitcoinLead => (
                [params.bitcoin_lead.bars, params.bitcoin_lead.deviation_bars, 0],
                [params.bitcoin_lead.full, 0.0, 0.0],
            ),
            Voter::RelativeStrength => ([params.relative_strength.bars, 0, 0], [0.0; 3]),
        };
        let bars = bars.map(|bars| u32::try_from(bars).expect("a window has fewer than 2³² bars"));
        assert!(bars[0] > 0, "the window of {voter} must have at least one bar");
        Self {
            reals,
            bars,
            warm_up: voter.warm_up(params) as u32,
            always_votes: u32::from(voter.always_votes()),
            on: u32::from(voter.is_on(params)),
            atr_bars: params.atr_bars as u32,
            padding: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use huracan_engine::kernel_constant;

    use super::super::indicators::{CCI_SCALE, LINE_SCALE, PRICE_ROUNDING, RETURN_ROUNDING, TYPICAL_ROUNDING};
    use super::super::momentum::FRACTION_OF_PERCENT;
    use super::super::params::VOTER_NAMES;
    use super::super::symbol::DISTANCE_ROUNDING;
    use super::*;

    #[test]
    fn the_kernels_have_the_constants_of_the_cpu() {
        for (file, name, value) in [
            ("votes.cuh", "THREADS", f64::from(THREADS)),
            ("votes_cast.cu", "PLANES", PLANES as f64),
            ("votes_chains.cu", "CHAIN_THREADS", f64::from(CHAIN_THREADS)),
            ("votes.cuh", "DISTANCE_ROUNDING", DISTANCE_ROUNDING),
            ("votes.cuh", "PRICE_ROUNDING", PRICE_ROUNDING),
            ("votes.cuh", "RETURN_ROUNDING", RETURN_ROUNDING),
            ("votes_cast.cu", "LINE_SCALE", LINE_SCALE),
            ("votes_cast.cu", "CCI_SCALE", CCI_SCALE),
            ("votes_cast.cu", "TYPICAL_ROUNDING", TYPICAL_ROUNDING),
            ("votes_cast.cu", "FRACTION_OF_PERCENT", FRACTION_OF_PERCENT),
        ] {
            assert_eq!(kernel_constant(file, name), Some(value), "{name} of kernels/{file}");
        }
    }

    #[test]
    #[should_panic(expected = "the window of donchian must have at least one bar")]
    fn a_window_without_bars_is_refused() {
        let mut params = VoterParams::default();
        params.donchian.bars = 0;
        VoterArgs::new(Voter::Donchian, &params);
    }

    #[test]
    fn the_kernels_have_the_voters_in_the_same_order() {
        let text = include_str!("../../../../kernels/votes.cuh");
        let (_, rest) = text.split_once("enum Voter : u32 {").unwrap();
        let (body, _) = rest.split_once('}').unwrap();
        let found: Vec<String> = body.split(',').map(|name| name.trim().to_lowercase()).collect();
        // The last one is the number of voters.
        let want: Vec<&str> = VOTER_NAMES.into_iter().chain(["voters"]).collect();
        assert_eq!(found, want);
        let (_, rest) = text.split_once("enum Chain : u32 {").unwrap();
        assert_eq!(rest.split_once('}').unwrap().0.split(',').count(), CHAIN_COUNT + 1);
    }
}
