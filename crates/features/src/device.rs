//! The catalogue on a device, by `kernels/features.cu` and `recurrences.cu`: the same bits as
//! [`compute`](super::compute).

use std::ops::Range;

use super::catalogue::{CATALOGUE, COUNT, columns};
use super::series::BARS;
use super::{Features, shared};
use huracan_bars::Panel;
use huracan_engine::DevicePanel;
use huracan_engine::memory::Requirement;
use huracan_engine::{Compute, DeviceBuffer, EngineError, Items, Kernel, Rows, Shape, Stage, symbol_costs};

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

/// Threads of a block of `features_recurrences`. Twin of `WARP` in `kernels/recurrences.cu`.
const WARP: u32 = 32;

/// Series of the recurrences that become features as they are: `Smooth` in `kernels/features.cuh`.
const SMOOTH: usize = 8;
/// Series of the recurrences from which features are computed: `Exact` in `kernels/features.cuh`.
const EXACT: usize = 3;

/// Symbols whose returns are on the device at a time while the market's mean return is summed.
const MARKET_BATCH: usize = 64;

const fn kernel(name: &'static str, barriers: bool) -> Kernel {
    Kernel { file: "features", name, barriers }
}

/// Features on the device of a run, or on the CPU.
///
/// # Errors
/// Where the device fails and may not be replaced by the CPU.
///
/// # Panics
/// As [`compute`](super::compute).
pub fn compute_on(compute: &Compute, panel: &Panel) -> Result<Features, EngineError> {
    let (bars, symbols) = (panel.bars, panel.symbols.len());
    if compute.devices_left() == 0 || symbols * bars == 0 {
        return Ok(super::compute(panel));
    }
    let mut features = Features { symbols, bars, values: super::memory::zeros(symbols * bars * COUNT) };
    let items = Items { costs: &symbol_costs(panel), memory: memory_needed(bars) };
    let work = Rows { values: &mut features.values, per_item: bars * COUNT };
    let on_device =
        |stage: &Stage<'_>, own: Range<usize>, work: &mut Rows<'_, f32>| compute_into(stage, panel, own, work.values);
    compute.share("features", items, work, on_device, |own, work| {
        // The CPU has no way to compute some symbols of a panel alone.
        work.values.copy_from_slice(&super::compute(panel).values[own.start * bars * COUNT..own.end * bars * COUNT]);
    })?;
    Ok(features)
}

/// ATR(14) on the device of a run, or on the CPU, `[symbols × bars]`.
///
/// # Errors
/// As [`compute_on`].
///
/// # Panics
/// As [`compute`](super::compute).
pub fn atr_14_on(compute: &Compute, panel: &Panel) -> Result<Vec<f64>, EngineError> {
    let items = Items { costs: &symbol_costs(panel), memory: atr_memory_needed(panel.bars) };
    let bars = panel.bars;
    let on_device = |stage: &Stage<'_>, own: Range<usize>, (): &mut ()| atr_14_of(stage, panel, own);
    let on_cpu = |own: Range<usize>, (): &mut ()| super::atr_14(panel)[own.start * bars..own.end * bars].to_vec();
    let mut parts = compute.share("atr", items, (), on_device, on_cpu)?;
    Ok(if parts.len() == 1 { parts.remove(0) } else { parts.concat() })
}

/// [`compute`](super::compute) on a device, with all symbols in one batch, or in as few batches as its memory allows.
///
/// # Errors
/// Where the device fails, or the candles and features of one symbol do not fit its memory.
///
/// # Panics
/// As [`compute`](super::compute).
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
    compute_into(stage, panel, 0..panel.symbols.len(), &mut features.values)?;
    Ok(features)
}

/// The memory that the features of symbols need.
fn memory_needed(bars: usize) -> Requirement {
    let scratch = 2 * size_of::<f64>() + SMOOTH * size_of::<f32>() + EXACT * size_of::<f64>();
    let job_bytes = DevicePanel::symbol_bytes(bars) + (bars * (COUNT * size_of::<f32>() + scratch)) as u64;
    // What all symbols share: returns, sums and scales of three references, sums and counts of the market; the calendar.
    let shared = (bars * (11 * size_of::<f64>() + 3 * size_of::<f32>())) as u64;
    Requirement { fixed_bytes: (1 << 20) + shared, job_bytes }
}

/// The features of the panel's rows `own`, `[own × bars × features]`.
fn compute_into(stage: &Stage<'_>, panel: &Panel, own: Range<usize>, out: &mut [f32]) -> Result<(), EngineError> {
    let bars = panel.bars;
    let batches = stage.batches(memory_needed(bars), own.len())?;
    let is_whole = batches.is_one() && own.len() == panel.symbols.len();
    let whole = is_whole.then(|| DevicePanel::upload(stage, panel, own.clone())).transpose()?;
    let shared = Shared::new(stage, panel, whole.as_ref())?;
    for batch in batches {
        let candles = DevicePanel::upload(stage, panel, own.start + batch.start..own.start + batch.end)?;
        let rows = rows(stage, &candles, &shared)?;
        let own = &mut out[batch.start * bars * COUNT..batch.end * bars * COUNT];
        stage.download_into(&rows, own)?;
        // For the view.
        stage.keep(own, rows);
    }
    Ok(())
}

/// [`atr_14`](super::atr_14) on a device.
///
/// # Errors
/// As [`compute`].
///
/// # Panics
/// As [`compute`].
pub fn atr_14(stage: &Stage<'_>, panel: &Panel) -> Result<Vec<f64>, EngineError> {
    atr_14_of(stage, panel, 0..panel.symbols.len())
}

/// The memory that the ATR of symbols needs.
fn atr_memory_needed(bars: usize) -> Requirement {
    let scratch = SMOOTH * size_of::<f32>() + (EXACT + 1) * size_of::<f64>();
    Requirement { fixed_bytes: 1 << 20, job_bytes: DevicePanel::symbol_bytes(bars) + (bars * scratch) as u64 }
}

/// ATR(14) of the panel's rows `own`, `[own × bars]`.
fn atr_14_of(stage: &Stage<'_>, panel: &Panel, own: Range<usize>) -> Result<Vec<f64>, EngineError> {
    let bars = panel.bars;
    let mut out = Vec::with_capacity(own.len() * bars);
    for batch in stage.batches(atr_memory_needed(bars), own.len())? {
        let candles = DevicePanel::upload(stage, panel, own.start + batch.start..own.start + batch.end)?;
        let recurrences = Recurrences::new(stage, &candles)?;
        let mut atr = stage.zeros::<f64>(candles.cells())?;
        // SAFETY: a thread per bar and symbol; threads beyond the last bar do nothing. The kernel reads two ranges per
        // symbol and one of its `EXACT` planes of `bars` entries, and writes its entry of `[symbols × bars]`: the
        // lengths of `ranges`, `exact` and `atr`.
        unsafe {
            stage
                .launch(&ATR, tiles(&candles))
                .read(&recurrences.exact)
                .read(candles.ranges())
                .write(&mut atr)
                .value(bars as u32)
                .value(CATALOGUE[columns::ATR_14].warm_up as u32)
                .run()
        }?;
        let own = stage.download(&atr)?;
        stage.keep(&own, atr);
        out.extend(own);
    }
    Ok(out)
}

/// A block per tile of [`BARS`] bars and symbol, a thread per bar.
fn tiles(candles: &DevicePanel) -> Shape {
    Shape {
        blocks: [candles.bars().div_ceil(BARS) as u32, candles.symbols() as u32, 1],
        threads: BARS as u32,
        shared_bytes: 0,
    }
}

/// Inputs that all symbols share, on the device; `[3 × bars]` each, of Bitcoin, Ethereum and the market.
struct Shared {
    returns: DeviceBuffer<f64>,
    sums: DeviceBuffer<f64>,
    scales: DeviceBuffer<f64>,
    /// Hour, day and weekend, `[3 × bars]`.
    calendar: DeviceBuffer<f32>,
    /// Warm-up of each feature, `[features]`.
    warm_up: DeviceBuffer<u32>,
}

impl Shared {
    /// `whole` is all of the panel on the device, if it has room for it.
    fn new(stage: &Stage<'_>, panel: &Panel, whole: Option<&DevicePanel>) -> Result<Self, EngineError> {
        let bars = panel.bars;
        let mut returns = stage.zeros::<f64>(3 * bars)?;
        for (place, name) in ["BTC", "ETH"].into_iter().enumerate() {
            coin_returns(stage, panel, whole, name, (&mut returns, place * bars))?;
        }
        market_returns(stage, panel, whole, (&mut returns, 2 * bars))?;
        let (mut sums, mut scales) = (stage.zeros::<f64>(3 * bars)?, stage.zeros::<f64>(3 * bars)?);
        let shape = Shape { blocks: [bars.div_ceil(BARS) as u32, 3, 1], threads: BARS as u32, shared_bytes: 0 };
        let launch = stage.launch(&REFERENCE, shape).read(&returns).write(&mut sums).write(&mut scales);
        // SAFETY: a thread per bar and reference; threads beyond the last bar do nothing. From bar 50 on the kernel
        // reads the return of the bar and of the 49 before it, in a row of `[3 × bars]`, and writes its entry of `sums`
        // and `scales`.
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

/// Writes `ret_1` of a coin on the panel's grid to `bars` entries of a buffer; NaN where it has none, or is not in the panel.
fn coin_returns(
    stage: &Stage<'_>,
    panel: &Panel,
    whole: Option<&DevicePanel>,
    name: &str,
    (returns, first): (&mut DeviceBuffer<f64>, usize),
) -> Result<(), EngineError> {
    let symbol = shared::symbol_of(panel, name);
    let Range { start, end } = symbol.map_or(0..0, |symbol| panel.ranges[symbol].clone());
    let own = match (symbol, whole) {
        (Some(symbol), None) => stage.upload(panel.row(&panel.close, symbol))?,
        _ => stage.upload(&[])?,
    };
    let (close, from) = match (symbol, whole) {
        (Some(symbol), Some(candles)) => (candles.close(), symbol * panel.bars),
        _ => (&own, 0),
    };
    let shape = Shape::one_thread_each(panel.bars, BARS as u32);
    let launch = stage.launch(&COIN_RETURNS, shape).read_from(close, from).write_from(returns, first);
    // SAFETY: a thread per bar; threads beyond the last bar do nothing. The kernel reads the closes of the bar and of
    // the one before it, if that is between the bars `start` and `end`, and writes its return: the coin's row of the closes has
    // `panel.bars` entries, without a coin no bar is between them, and the returns have as many entries from `first` on.
    unsafe { launch.value(start as u32).value(end as u32).value(panel.bars as u32).run() }
}

/// Writes the mean `ret_1` of the symbols that have one to `bars` entries of a buffer. It is summed in the panel's order,
/// whatever the number of batches.
fn market_returns(
    stage: &Stage<'_>,
    panel: &Panel,
    whole: Option<&DevicePanel>,
    (out, first): (&mut DeviceBuffer<f64>, usize),
) -> Result<(), EngineError> {
    let bars = panel.bars;
    let (mut sums, mut counts) = (stage.zeros::<f64>(bars)?, stage.zeros::<f64>(bars)?);
    let shape = Shape::one_thread_each(bars, BARS as u32);
    let mut returns = stage.zeros::<f64>(MARKET_BATCH.min(panel.symbols.len()) * bars)?;
    for from in (0..panel.symbols.len()).step_by(MARKET_BATCH) {
        let symbols = from..(from + MARKET_BATCH).min(panel.symbols.len());
        let own = match whole {
            None => stage.upload(&panel.close[symbols.start * bars..symbols.end * bars])?,
            Some(_) => stage.upload(&[])?,
        };
        let (close, first) = whole.map_or((&own, 0), |candles| (candles.close(), from * bars));
        let ranges: Vec<u32> =
            panel.ranges[symbols.clone()].iter().flat_map(|range| [range.start as u32, range.end as u32]).collect();
        let ranges = stage.upload(&ranges)?;
        let each = Shape { blocks: [shape.blocks[0], symbols.len() as u32, 1], ..shape };
        let launch = stage.launch(&RETURNS, each).read_from(close, first).read(&ranges).write(&mut returns);
        // SAFETY: a thread per bar and symbol; threads beyond the last bar do nothing. The kernel reads two ranges per
        // symbol and the closes of the bar and of the one before it in the symbol's row, and writes its entry of
        // `returns`: the closes and the returns have `[symbols × bars]` entries.
        unsafe { launch.value(bars as u32).run() }?;
        let launch = stage.launch(&MARKET, shape).read(&returns).read(&ranges).write(&mut sums).write(&mut counts);
        // SAFETY: a thread per bar; threads beyond the last bar do nothing. The kernel reads the bar's return of each
        // of `symbols.len()` rows and their ranges, and updates its entry of `sums` and `counts`, which have `bars`
        // entries.
        unsafe { launch.value(symbols.len() as u32).value(bars as u32).run() }?;
    }
    let launch = stage.launch(&MARKET_RETURNS, shape).read(&sums).read(&counts).write_from(out, first);
    // SAFETY: a thread per bar; threads beyond the last bar do nothing. All three buffers have `bars` entries, from there on,
    // of which the kernel uses its own.
    unsafe { launch.value(bars as u32).run() }
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
        // SAFETY: a block per symbol. The kernel reads the symbol's own bars in its row of the columns, and writes the
        // same bars of its `SMOOTH` and `EXACT` planes of `bars` entries. A `DevicePanel` has `cells()` = symbols ×
        // bars values per column, and its ranges lie within the bars.
        unsafe {
            stage
                .launch(&RECURRENCES, Shape::one_block_each(candles.symbols(), WARP, 0))
                .read(candles.high())
                .read(candles.low())
                .read(candles.close())
                .read(candles.volume())
                .read(candles.ranges())
                .write(&mut smooth)
                .write(&mut exact)
                .value(candles.bars() as u32)
                .run()
        }?;
        Ok(Self { smooth, exact })
    }
}

/// All rows of the symbols of `candles`, `[symbols × bars × features]`; `shared` belongs to the same panel.
fn rows(stage: &Stage<'_>, candles: &DevicePanel, shared: &Shared) -> Result<DeviceBuffer<f32>, EngineError> {
    let bars = candles.bars() as u32;
    let mut ln_close = stage.zeros::<f64>(candles.cells())?;
    let mut volatility = stage.zeros::<f64>(candles.cells())?;
    // SAFETY: a block per tile and symbol. The kernel reads the symbol's own bars in its row of the closes, and writes
    // the same bars of `ln_close` and `volatility`: `cells()` = symbols × bars entries each. The ranges of a
    // `DevicePanel` lie within its bars.
    unsafe {
        stage
            .launch(&VOLATILITY, tiles(candles))
            .read(candles.close())
            .read(candles.ranges())
            .write(&mut ln_close)
            .write(&mut volatility)
            .value(bars)
            .run()
    }?;
    let recurrences = Recurrences::new(stage, candles)?;
    let mut rows = stage.zeros::<f32>(candles.cells() * COUNT)?;
    // SAFETY: a block per tile and symbol, all of which begin before the last bar. The kernel writes the `COUNT`
    // features of the tile's bars, as far as the panel has them, in the symbol's part of `[symbols × bars × COUNT]`.
    unsafe { stage.launch(&BLANK, tiles(candles)).read(candles.ranges()).write(&mut rows).value(bars).run() }?;
    // SAFETY: a block per tile and symbol. The kernel reads the symbol's own bars in its row of the columns, `ln_close`
    // and `volatility` (`cells()` entries each) and of its `SMOOTH` and `EXACT` planes, the same bars of the three rows
    // of `returns`, `sums`, `scales` and `calendar`, which `Shared::new` made for the same panel, and `COUNT` entries
    // of `warm_up`. It writes the rows of these bars, `[symbols × bars × COUNT]`.
    unsafe {
        candles
            .pass_columns(stage.launch(&ROWS, tiles(candles)))
            .read(candles.ranges())
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
    use huracan_engine::kernel_constant;

    use super::*;
    use crate::regime::*;
    use crate::{cross, formulas, indicators, recurrences, series, symbol, thirds, windows};

    #[track_caller]
    fn assert_twin(file: &str, name: &str, value: f64) {
        assert_eq!(kernel_constant(file, name), Some(value), "{name} of kernels/{file}");
    }

    #[test]
    fn the_kernels_have_the_constants_of_the_cpu() {
        let header = [
            ("SHARE_3", windows::SHARE_3),
            ("SHARE_50", windows::SHARE_50),
            ("SPREAD_ROUNDING", windows::SPREAD_ROUNDING),
            ("PERCENT", indicators::PERCENT),
            ("RSI_WITHOUT_MOVES", indicators::RSI_WITHOUT_MOVES),
            ("LEAST_DIRECTIONAL_SUM", indicators::LEAST_DIRECTIONAL_SUM),
            ("RANGE_ROUNDING", indicators::RANGE_ROUNDING),
        ];
        let features = [
            ("BARS", series::BARS as f64),
            ("PAST", series::PAST as f64),
            ("SHARE_5", windows::SHARE_5),
            ("SHARE_10", windows::SHARE_10),
            ("SHARE_20", windows::SHARE_20),
            // Of the sample deviations of 5 and 20 entries.
            ("SHARE_4", windows::sample_share::<5>()),
            ("SHARE_19", windows::sample_share::<20>()),
            ("CORRELATION_BARS", cross::CORRELATION_BARS as f64),
            ("BAND_DEVIATIONS", symbol::BAND_DEVIATIONS),
            ("BAND_ROUNDING", symbol::BAND_ROUNDING),
            ("PRICE_VS_EQUAL_BANDS", formulas::PRICE_VS_EQUAL_BANDS),
            ("THIRDS_WINDOW", thirds::THIRDS_WINDOW as f64),
            ("THIRDS_MIN_ENTRIES", thirds::THIRDS_MIN_ENTRIES as f64),
            ("THIRDS", thirds::THIRDS as f64),
            ("VOLATILITY_WARM_UP", symbol::VOLATILITY_WARM_UP as f64),
            ("ILLIQUID_VOLUME_RATIO", ILLIQUID_VOLUME_RATIO),
            ("PANIC_RETURN_VOLATILITIES", PANIC_RETURN_VOLATILITIES),
            ("TREND_R_SQUARED", TREND_R_SQUARED),
            ("REGIME_TREND", Regime::Trend.code()),
            ("REGIME_RANGE", Regime::Range.code()),
            ("REGIME_PANIC", Regime::Panic.code()),
            ("REGIME_ILLIQUID", Regime::Illiquid.code()),
            ("VOLATILITY_REGIME_HIGH", VolatilityRegime::High.code()),
        ];
        let recurrences = [
            ("WILDER_BARS", recurrences::WILDER_BARS as f64),
            ("EMA_SHORT_BARS", recurrences::EMA_SHORT_BARS as f64),
            ("EMA_MIDDLE_BARS", recurrences::EMA_MIDDLE_BARS as f64),
            ("EMA_LONG_BARS", recurrences::EMA_LONG_BARS as f64),
            ("MACD_FAST_BARS", recurrences::MACD_FAST_BARS as f64),
            ("MACD_SLOW_BARS", recurrences::MACD_SLOW_BARS as f64),
            ("MACD_SIGNAL_BARS", recurrences::MACD_SIGNAL_BARS as f64),
            ("START_UP_BARS", recurrences::START_UP_BARS as f64),
            ("WARP", f64::from(WARP)),
            ("ATR_THREADS", series::BARS as f64),
        ];
        header.into_iter().for_each(|(name, value)| assert_twin("features.cuh", name, value));
        features.into_iter().for_each(|(name, value)| assert_twin("features.cu", name, value));
        recurrences.into_iter().for_each(|(name, value)| assert_twin("recurrences.cu", name, value));
    }

    #[test]
    fn constants_agree_with_the_catalogue() {
        let warm_up = |column: usize| CATALOGUE[column].warm_up;
        assert_eq!(warm_up(columns::VOLATILITY_20), symbol::VOLATILITY_WARM_UP);
        let first_regime = symbol::VOLATILITY_WARM_UP + thirds::THIRDS_MIN_ENTRIES - 1;
        assert_eq!([columns::VOLATILITY_REGIME, columns::MARKET_REGIME].map(warm_up), [first_regime; 2]);
        let cross_asset = [columns::BTC_CORRELATION, columns::ETH_CORRELATION, columns::MARKET_BETA];
        assert_eq!(cross_asset.map(warm_up), [cross::CORRELATION_BARS; 3]);
        assert_eq!(1.0 / cross::CORRELATION_BARS as f64, windows::SHARE_50);
        assert_eq!(warm_up(columns::ATR_14), recurrences::WILDER_BARS);
        assert_eq!(warm_up(columns::MACD), recurrences::MACD_SLOW_BARS + recurrences::MACD_SIGNAL_BARS - 2);
    }

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
