//! The catalogue by `kernels/features.cu` and `recurrences.cu`: the same bits as [`compute`](super::compute).

use std::ops::Range;

use super::catalogue::{CATALOGUE, COUNT, columns};
use super::{Features, shared};
use huracan_bars::Panel;
use huracan_engine::DevicePanel;
use huracan_engine::memory::Need;
use huracan_engine::{Compute, DeviceBuffer, EngineError, Kernel, Shape, Stage};

const VOLATILITY: Kernel = kernel("features_volatility", true);
const RETURNS: Kernel = kernel("features_returns", false);
const MARKET: Kernel = kernel("features_market", false);
const COIN_RETURNS: Kernel = kernel("features_coin_returns", false);
const MARKET_RETURNS: Kernel = kernel("features_market_returns", false);
const REFERENCE: Kernel = kernel("features_reference", false);
const RECURRENCES: Kernel = Kernel { file: "recurrences", name: "features_recurrences", barriers: true };
const ATR: Kernel = Kernel { file: "recurrences", name: "features_atr", barriers: false };
const BLANK: Kernel = kernel("features_blank", false);
const ROWS: Kernel = kernel("features_rows", true);

/// Threads of a block, and bars of a tile.
const BARS: usize = 128;

/// Series of the recurrences, `Smooth` and `Exact` of `kernels/features.cuh`.
const SMOOTH: usize = 8;
const EXACT: usize = 3;

/// Symbols whose candles lie on the device at a time while the market's mean is summed.
const SUMMED: usize = 64;

const fn kernel(name: &'static str, barriers: bool) -> Kernel {
    Kernel { file: "features", name, barriers }
}

/// Features on the device of a run, or on the CPU.
///
/// # Errors
/// Where the device fails and the CPU must not take its place.
pub fn compute_on(compute: &Compute, panel: &Panel) -> Result<Features, EngineError> {
    compute.run("features", |stage| self::compute(stage, panel), || super::compute(panel))
}

/// ATR(14) on the device of a run, or on the CPU.
///
/// # Errors
/// As [`compute_on`].
pub fn atr_14_on(compute: &Compute, panel: &Panel) -> Result<Vec<f64>, EngineError> {
    compute.run("atr", |stage| atr_14(stage, panel), || super::atr_14(panel))
}

/// [`compute`](super::compute) on a device, all symbols in one batch, or in as few as its memory allows.
///
/// # Errors
/// Where the device fails, or one symbol's candles and features do not fit its memory.
pub fn compute(stage: &Stage<'_>, panel: &Panel) -> Result<Features, EngineError> {
    let bars = panel.bars;
    let mut features = Features {
        symbols: panel.symbols.len(),
        bars,
        values: super::memory::zeros(panel.symbols.len() * bars * COUNT),
    };
    if features.values.is_empty() {
        return Ok(features);
    }
    let shared = Shared::new(stage, panel)?;
    let scratch = 2 * size_of::<f64>() + SMOOTH * size_of::<f32>() + EXACT * size_of::<f64>();
    let job_bytes = DevicePanel::symbol_bytes(bars) + (bars * (COUNT * size_of::<f32>() + scratch)) as u64;
    for symbols in stage.parts(Need { fixed_bytes: 1 << 20, job_bytes }, panel.symbols.len())? {
        let candles = DevicePanel::upload(stage, panel, symbols.clone())?;
        let rows = rows(stage, &candles, &shared)?;
        let out = &mut features.values[symbols.start * bars * COUNT..symbols.end * bars * COUNT];
        stage.download_into(&rows, out)?;
    }
    Ok(features)
}

/// [`atr_14`](super::atr_14) on a device.
///
/// # Errors
/// As [`compute`].
pub fn atr_14(stage: &Stage<'_>, panel: &Panel) -> Result<Vec<f64>, EngineError> {
    let bars = panel.bars;
    let mut out = Vec::with_capacity(panel.symbols.len() * bars);
    let scratch = SMOOTH * size_of::<f32>() + (EXACT + 1) * size_of::<f64>();
    let job_bytes = DevicePanel::symbol_bytes(bars) + (bars * scratch) as u64;
    for symbols in stage.parts(Need { fixed_bytes: 1 << 20, job_bytes }, panel.symbols.len())? {
        let candles = DevicePanel::upload(stage, panel, symbols)?;
        let recurrences = Recurrences::new(stage, &candles)?;
        let mut atr = stage.zeros::<f64>(candles.cells())?;
        unsafe {
            stage
                .launch(&ATR, tiles(&candles))
                .read(&recurrences.exact)
                .read(&candles.ranges)
                .write(&mut atr)
                .value(bars as u32)
                .value(CATALOGUE[columns::ATR_14].warm_up as u32)
                .run()
        }?;
        out.extend(stage.download(&atr)?);
    }
    Ok(out)
}

/// A block a tile and symbol, a thread a bar.
fn tiles(candles: &DevicePanel) -> Shape {
    Shape {
        blocks: [candles.bars.div_ceil(BARS) as u32, candles.symbols.len() as u32, 1],
        threads: BARS as u32,
        shared_bytes: 0,
    }
}

/// What all symbols share, on the device: `[3 × bars]` each, Bitcoin, Ethereum and the market.
struct Shared {
    returns: DeviceBuffer<f64>,
    sums: DeviceBuffer<f64>,
    scales: DeviceBuffer<f64>,
    /// Hour, day and weekend, `[3 × bars]`.
    calendar: DeviceBuffer<f32>,
    warm_up: DeviceBuffer<u32>,
}

impl Shared {
    fn new(stage: &Stage<'_>, panel: &Panel) -> Result<Self, EngineError> {
        let bars = panel.bars;
        let coins = [coin_returns(stage, panel, "BTC")?, coin_returns(stage, panel, "ETH")?];
        let market = market_returns(stage, panel)?;
        let [btc, eth] = coins;
        let returns = stage.upload(&[btc, eth, market].concat())?;
        let (mut sums, mut scales) = (stage.zeros::<f64>(3 * bars)?, stage.zeros::<f64>(3 * bars)?);
        let shape = Shape { blocks: [bars.div_ceil(BARS) as u32, 3, 1], threads: BARS as u32, shared_bytes: 0 };
        let launch = stage.launch(&REFERENCE, shape).read(&returns).write(&mut sums).write(&mut scales);
        unsafe { launch.value(bars as u32).run() }?;
        let warm_up: Vec<u32> = CATALOGUE.iter().map(|feature| feature.warm_up as u32).collect();
        Ok(Self {
            returns,
            sums,
            scales,
            calendar: stage.upload(&shared::calendar(panel).concat())?,
            warm_up: stage.upload(&warm_up)?,
        })
    }
}

/// `ret_1` of a coin on the grid; NaN where it has none, or is not there.
fn coin_returns(stage: &Stage<'_>, panel: &Panel, name: &str) -> Result<Vec<f64>, EngineError> {
    let Some(symbol) = shared::symbol_of(panel, name) else { return Ok(vec![f64::NAN; panel.bars]) };
    let Range { start, end } = panel.ranges[symbol];
    let close = stage.upload(panel.row(&panel.close, symbol))?;
    let mut returns = stage.zeros::<f64>(panel.bars)?;
    let shape = Shape::one_thread_each(panel.bars, BARS as u32);
    let launch = stage.launch(&COIN_RETURNS, shape).read(&close).write(&mut returns);
    unsafe { launch.value(start as u32).value(end as u32).value(panel.bars as u32).run() }?;
    stage.download(&returns)
}

/// Mean `ret_1` of the symbols that have one; summed in the panel's order, whatever the number of parts.
fn market_returns(stage: &Stage<'_>, panel: &Panel) -> Result<Vec<f64>, EngineError> {
    let bars = panel.bars;
    let (mut sums, mut counts) = (stage.zeros::<f64>(bars)?, stage.zeros::<f64>(bars)?);
    let shape = Shape::one_thread_each(bars, BARS as u32);
    for from in (0..panel.symbols.len()).step_by(SUMMED) {
        let symbols = from..(from + SUMMED).min(panel.symbols.len());
        let close = stage.upload(&panel.close[symbols.start * bars..symbols.end * bars])?;
        let ranges: Vec<u32> =
            panel.ranges[symbols.clone()].iter().flat_map(|range| [range.start as u32, range.end as u32]).collect();
        let ranges = stage.upload(&ranges)?;
        let mut returns = stage.zeros::<f64>(close.len())?;
        let each = Shape { blocks: [shape.blocks[0], symbols.len() as u32, 1], ..shape };
        let launch = stage.launch(&RETURNS, each).read(&close).read(&ranges).write(&mut returns);
        unsafe { launch.value(bars as u32).run() }?;
        let launch = stage.launch(&MARKET, shape).read(&returns).read(&ranges).write(&mut sums).write(&mut counts);
        unsafe { launch.value(symbols.len() as u32).value(bars as u32).run() }?;
    }
    let mut returns = stage.zeros::<f64>(bars)?;
    let launch = stage.launch(&MARKET_RETURNS, shape).read(&sums).read(&counts).write(&mut returns);
    unsafe { launch.value(bars as u32).run() }?;
    stage.download(&returns)
}

/// The series of the recurrences on the device.
struct Recurrences {
    /// `[symbols × SMOOTH × bars]`.
    smooth: DeviceBuffer<f32>,
    /// `[symbols × EXACT × bars]`.
    exact: DeviceBuffer<f64>,
}

impl Recurrences {
    fn new(stage: &Stage<'_>, candles: &DevicePanel) -> Result<Self, EngineError> {
        let mut smooth = stage.zeros::<f32>(candles.cells() * SMOOTH)?;
        let mut exact = stage.zeros::<f64>(candles.cells() * EXACT)?;
        unsafe {
            stage
                .launch(&RECURRENCES, Shape::one_block_each(candles.symbols.len(), 32, 0))
                .read(&candles.high)
                .read(&candles.low)
                .read(&candles.close)
                .read(&candles.volume)
                .read(&candles.ranges)
                .write(&mut smooth)
                .write(&mut exact)
                .value(candles.bars as u32)
                .run()
        }?;
        Ok(Self { smooth, exact })
    }
}

/// All rows of the symbols of `candles`, `[symbols × bars × features]`.
fn rows(stage: &Stage<'_>, candles: &DevicePanel, shared: &Shared) -> Result<DeviceBuffer<f32>, EngineError> {
    let bars = candles.bars as u32;
    let mut ln_close = stage.zeros::<f64>(candles.cells())?;
    let mut volatility = stage.zeros::<f64>(candles.cells())?;
    unsafe {
        stage
            .launch(&VOLATILITY, tiles(candles))
            .read(&candles.close)
            .read(&candles.ranges)
            .write(&mut ln_close)
            .write(&mut volatility)
            .value(bars)
            .run()
    }?;
    let recurrences = Recurrences::new(stage, candles)?;
    let mut rows = stage.zeros::<f32>(candles.cells() * COUNT)?;
    unsafe { stage.launch(&BLANK, tiles(candles)).read(&candles.ranges).write(&mut rows).value(bars).run() }?;
    unsafe {
        candles
            .given(stage.launch(&ROWS, tiles(candles)))
            .read(&candles.ranges)
            .read(&ln_close)
            .read(&volatility)
            .read(&recurrences.smooth)
            .read(&recurrences.exact)
            .read(&shared.returns)
            .read(&shared.sums)
            .read(&shared.scales)
            .read(&shared.calendar)
            .read(&shared.warm_up)
            .write(&mut rows)
            .value(bars)
            .run()
    }?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The enumerators of `enum name` in the header, in order.
    fn enumerators(name: &str) -> Vec<String> {
        let text = include_str!("../../../kernels/features.cuh");
        let (_, rest) = text.split_once(&format!("enum {name} : u32 {{")).unwrap();
        let (body, _) = rest.split_once('}').unwrap();
        body.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
    }

    #[test]
    fn the_kernels_have_the_columns_of_the_catalogue() {
        let mut want: Vec<String> = CATALOGUE.iter().map(|feature| feature.name.to_uppercase()).collect();
        want.push("COUNT".into());
        assert_eq!(enumerators("Column"), want);
        assert_eq!((enumerators("Smooth").len(), enumerators("Exact").len()), (SMOOTH + 1, EXACT + 1));
    }
}
