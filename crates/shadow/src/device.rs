//! The trade simulation on a device, by `kernels/shadow.cu`: the same trades as on the CPU, for many configurations at
//! once.

use std::collections::HashMap;
use std::ops::Range;

use super::{CoinCosts, ExitReason, Rules, Side, Signals, SlippageRule, Trade};
use huracan_bars::Panel;
use huracan_engine::DevicePanel;
use huracan_engine::memory::Requirement;
use huracan_engine::{
    Compute, Content, DeviceBuffer, Element, ElementKind, EngineError, Items, Kernel, Launch, Shape, Stage,
    symbol_costs,
};
use rayon::prelude::*;

const SIMULATE: Kernel = Kernel { file: "shadow", name: "shadow_simulate", barriers: false };

/// Threads of a block. Twin of `THREADS` in `kernels/shadow.cu`.
const THREADS: u32 = 64;

/// In a symbol's costs: it has no history of funding. Twin of `NO_FUNDING` in `kernels/trade.cuh`.
const NO_FUNDING: u64 = u32::MAX as u64;

/// [`Rules`] in the layout of `trade::Rules` in `kernels/trade.cuh`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct DeviceRules {
    stop_atr: f64,
    take_atr: f64,
    slippage_k: f64,
    slippage_atr: f64,
    slippage_cap_bps: f64,
    stop_slippage_bps: f64,
    funding_bps_per_bar: f64,
    borrow_bps_per_bar: f64,
    notional: f64,
    max_hold: u64,
    by_volatility: u32,
    shorts: u32,
}

// SAFETY: ten numbers of eight bytes and two of four, without padding, in the order of `trade::Rules`.
unsafe impl Element for DeviceRules {
    const KIND: ElementKind = ElementKind::Structure;
}

impl From<&Rules> for DeviceRules {
    fn from(rules: &Rules) -> Self {
        Self {
            stop_atr: rules.stop_atr,
            take_atr: rules.take_atr,
            slippage_k: rules.slippage_k,
            slippage_atr: rules.slippage_atr,
            slippage_cap_bps: rules.slippage_cap_bps,
            stop_slippage_bps: rules.stop_slippage_bps,
            funding_bps_per_bar: rules.funding_bps_per_bar,
            borrow_bps_per_bar: rules.borrow_bps_per_bar,
            notional: rules.notional,
            max_hold: rules.max_hold as u64,
            by_volatility: u32::from(rules.slippage == SlippageRule::Volatility),
            shorts: u32::from(rules.shorts),
        }
    }
}

/// [`CoinCosts`] in the layout of `trade::Costs` in `kernels/trade.cuh`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct DeviceCosts {
    fee_bps: f64,
    spread_bps: f64,
    tick: f64,
    funding_row: u64,
}

// SAFETY: four numbers of eight bytes, without padding, in the order of `trade::Costs`.
unsafe impl Element for DeviceCosts {
    const KIND: ElementKind = ElementKind::Structure;
}

/// Costs of the symbols of a batch on a device, for each of several rules.
pub struct CostTable {
    /// `[rules × symbols]`.
    costs: DeviceBuffer<DeviceCosts>,
    /// Funding of the symbols that have a history which counts, `[rows × bars]`.
    funding: DeviceBuffer<f64>,
}

impl CostTable {
    /// Most bytes on the device per symbol.
    pub fn symbol_bytes(bars: usize, rules: usize) -> u64 {
        (bars * size_of::<f64>() + rules * size_of::<DeviceCosts>()) as u64
    }

    /// Copies the costs of the panel's rows `symbols` to the device.
    ///
    /// # Errors
    /// [`EngineError::Fault`] if the device fails or is full.
    ///
    /// # Panics
    /// If the panel does not have these rows.
    pub fn upload<'a>(
        stage: &Stage<'_>,
        panel: &Panel,
        symbols: Range<usize>,
        rules: impl Iterator<Item = &'a Rules>,
    ) -> Result<Self, EngineError> {
        let mut funding: Vec<f64> = Vec::new();
        let mut rows: Vec<u64> = Vec::with_capacity(symbols.len());
        for symbol in symbols.clone() {
            let own = &panel.funding_bps[symbol];
            assert!(own.is_empty() || own.len() == panel.bars, "funding must have the panel's bars");
            rows.push(if own.is_empty() { NO_FUNDING } else { (funding.len() / panel.bars) as u64 });
            funding.extend_from_slice(own);
        }
        let costs: Vec<DeviceCosts> = rules
            .flat_map(|rules| symbols.clone().zip(&rows).map(move |(symbol, &row)| (rules, symbol, row)))
            .map(|(rules, symbol, row)| {
                let own = CoinCosts::of(panel, symbol, rules);
                let funding_row = if own.funding_bps.is_empty() { NO_FUNDING } else { row };
                DeviceCosts { fee_bps: own.fee_bps, spread_bps: own.spread_bps, tick: own.tick, funding_row }
            })
            .collect();
        Ok(Self { costs: stage.upload(&costs)?, funding: stage.upload(&funding)? })
    }

    /// Adds the costs, then the funding, to a launch's arguments. A row that the costs name is in the funding.
    pub fn pass<'a>(&'a self, launch: Launch<'a>) -> Launch<'a> {
        launch.read(&self.costs).read(&self.funding)
    }
}

/// [`Trade`] in the layout of `shadow::Trade` in `kernels/shadow.cu`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct DeviceTrade {
    entry_price: f64,
    exit_price: f64,
    stop_price: f64,
    take_price: f64,
    size: f64,
    gross_bps: f64,
    fee_bps: f64,
    spread_bps: f64,
    slippage_bps: f64,
    funding_bps: f64,
    net_bps: f64,
    symbol: u32,
    signal_bar: u32,
    entry_bar: u32,
    exit_bar: u32,
    is_short: u32,
    exit_reason: u32,
}

// SAFETY: eleven numbers of eight bytes and six of four, without padding, in the order of `shadow::Trade`.
unsafe impl Element for DeviceTrade {
    const KIND: ElementKind = ElementKind::Structure;
}

impl DeviceTrade {
    /// The trade, for a batch whose symbols begin at this row; `None` if its exit reason is unknown.
    fn trade(&self, first_symbol: usize) -> Option<Trade> {
        Some(Trade {
            symbol: first_symbol + self.symbol as usize,
            side: if self.is_short != 0 { Side::Short } else { Side::Long },
            signal_bar: self.signal_bar as usize,
            entry_bar: self.entry_bar as usize,
            entry_price: self.entry_price,
            exit_bar: self.exit_bar as usize,
            exit_price: self.exit_price,
            stop_price: self.stop_price,
            take_price: self.take_price,
            size: self.size,
            exit_reason: ExitReason::from_code(u8::try_from(self.exit_reason).ok()?)?,
            gross_bps: self.gross_bps,
            fee_bps: self.fee_bps,
            spread_bps: self.spread_bps,
            slippage_bps: self.slippage_bps,
            funding_bps: self.funding_bps,
            net_bps: self.net_bps,
        })
    }
}

/// The trades of one configuration, on the device of a run or on the CPU: see [`simulate`](super::simulate).
///
/// # Errors
/// Where the device fails and may not be replaced by the CPU.
///
/// # Panics
/// As [`simulate`](super::simulate).
pub fn simulate_on(
    compute: &Compute,
    panel: &Panel,
    signals: &Signals,
    atr: &[f64],
    windows: &[Vec<Range<usize>>],
    rules: &Rules,
) -> Result<Vec<Trade>, EngineError> {
    let mut trades = simulate_all_on(compute, panel, &[(signals, rules)], atr, windows)?;
    Ok(trades.pop().unwrap_or_default())
}

/// [`simulate_on`] for every configuration of signals and rules: the trades of each.
///
/// # Errors
/// As [`simulate_on`].
///
/// # Panics
/// As [`simulate`](super::simulate).
pub fn simulate_all_on(
    compute: &Compute,
    panel: &Panel,
    configurations: &[(&Signals, &Rules)],
    atr: &[f64],
    windows: &[Vec<Range<usize>>],
) -> Result<Vec<Vec<Trade>>, EngineError> {
    let items = Items { costs: &symbol_costs(panel), memory: memory_needed(panel.bars, configurations.len()) };
    let on_device = |stage: &Stage<'_>, own: Range<usize>, (): &mut ()| {
        simulate_symbols(stage, panel, configurations, atr, windows, own)
    };
    let on_cpu = |own: Range<usize>, (): &mut ()| {
        // Trades are in windows, and the others' coins have none here.
        let window = |(symbol, all): (usize, &Vec<Range<usize>>)| {
            if own.contains(&symbol) { all.clone() } else { Vec::new() }
        };
        let windows: Vec<_> = windows.iter().enumerate().map(window).collect();
        let one = |&(signals, rules): &(&Signals, &Rules)| super::simulate(panel, signals, atr, &windows, rules);
        configurations.iter().map(one).collect()
    };
    let mut parts = compute.share("shadow", items, (), on_device, on_cpu)?;
    if parts.len() == 1 {
        return Ok(parts.remove(0));
    }
    let mut trades: Vec<Vec<Trade>> = vec![Vec::new(); configurations.len()];
    for part in parts {
        trades.iter_mut().zip(part).for_each(|(trades, own)| trades.extend(own));
    }
    trades.par_iter_mut().for_each(|trades| sort(trades));
    Ok(trades)
}

/// Sorts trades as the CPU has them.
fn sort(trades: &mut [Trade]) {
    trades.sort_by_key(|trade| (trade.entry_bar, trade.symbol));
}

/// [`simulate`](super::simulate) on a device, for every configuration of signals and rules: the trades of each, in the
/// order of the CPU.
///
/// # Errors
/// Where the device fails, or the candles and signals of one symbol do not fit its memory.
///
/// # Panics
/// As [`simulate`](super::simulate).
pub fn simulate(
    stage: &Stage<'_>,
    panel: &Panel,
    configurations: &[(&Signals, &Rules)],
    atr: &[f64],
    windows: &[Vec<Range<usize>>],
) -> Result<Vec<Vec<Trade>>, EngineError> {
    simulate_symbols(stage, panel, configurations, atr, windows, 0..panel.symbols.len())
}

/// The memory that the trades of symbols need.
fn memory_needed(bars: usize, configurations: usize) -> Requirement {
    // Per symbol: candles, ATR, costs, and the signals and trades of each configuration. There is at most one trade per bar.
    let signals = 1 + 3 * 8 + size_of::<DeviceTrade>() as u64;
    let costs = CostTable::symbol_bytes(bars, configurations);
    let own = DevicePanel::symbol_bytes(bars) + 8 * bars as u64 + costs;
    Requirement { fixed_bytes: 1 << 20, job_bytes: own + configurations as u64 * bars as u64 * signals }
}

/// [`simulate`] for the panel's rows `own`.
fn simulate_symbols(
    stage: &Stage<'_>,
    panel: &Panel,
    configurations: &[(&Signals, &Rules)],
    atr: &[f64],
    windows: &[Vec<Range<usize>>],
    own: Range<usize>,
) -> Result<Vec<Vec<Trade>>, EngineError> {
    let same_bars = configurations.iter().all(|(signals, _)| signals.bars == panel.bars);
    assert!(same_bars, "the signals must have the panel's bars");
    let mut trades: Vec<Vec<Trade>> = vec![Vec::new(); configurations.len()];
    for batch in stage.batches(memory_needed(panel.bars, configurations.len()), own.len())? {
        let symbols = own.start + batch.start..own.start + batch.end;
        simulate_batch(stage, panel, configurations, atr, windows, symbols, &mut trades)?;
    }
    trades.par_iter_mut().for_each(|trades| sort(trades));
    Ok(trades)
}

/// Adds the trades of some symbols to `trades`, one list per configuration.
fn simulate_batch(
    stage: &Stage<'_>,
    panel: &Panel,
    configurations: &[(&Signals, &Rules)],
    atr: &[f64],
    windows: &[Vec<Range<usize>>],
    symbols: Range<usize>,
    trades: &mut [Vec<Trade>],
) -> Result<(), EngineError> {
    assert!(
        windows.iter().flatten().all(|window| window.end <= panel.bars),
        "windows must lie within the panel's bars"
    );
    let rows = symbols.start * panel.bars..symbols.end * panel.bars;
    let mut first_window = vec![0_u32];
    let mut bounds = Vec::new();
    for windows in &windows[symbols.clone()] {
        bounds.extend(windows.iter().flat_map(|window| [window.start as u32, window.end as u32]));
        first_window.push(bounds.len() as u32 / 2);
    }
    let candles = DevicePanel::upload(stage, panel, symbols.clone())?;
    let atr = stage.resident(&atr[rows.clone()])?;
    let sides = DifferentColumns::of(configurations.iter().map(|(signals, _)| &signals.side[rows.clone()]));
    let numbers = DifferentColumns::of(configurations.iter().flat_map(|(signals, _)| {
        [&signals.stop_bps, &signals.take_bps, &signals.size].map(|column| &column[rows.clone()])
    }));
    let side = stage.upload_parts(&sides.parts)?;
    let distances = stage.upload_parts(&numbers.parts)?;
    let columns: Vec<u32> = sides
        .numbers
        .iter()
        .zip(numbers.numbers.chunks_exact(3))
        .flat_map(|(&side, others)| [side, others[0], others[1], others[2]])
        .collect();
    let columns = stage.upload(&columns)?;
    let costs = CostTable::upload(stage, panel, symbols.clone(), configurations.iter().map(|&(_, rules)| rules))?;
    let rules: Vec<DeviceRules> = configurations.iter().map(|&(_, rules)| rules.into()).collect();
    let rules = stage.upload(&rules)?;
    let (first_window, bounds) = (stage.upload(&first_window)?, stage.upload(&bounds)?);

    let jobs = symbols.len() * configurations.len();
    let mut counts = stage.zeros::<u32>(jobs)?;
    // The first launch counts the trades of each job, which gives their offsets; the second one writes them.
    let mut offsets = vec![0_u64; jobs];
    let mut out = stage.zeros::<DeviceTrade>(0)?;
    for writes in [false, true] {
        let starts = stage.upload(&offsets)?;
        // SAFETY: a thread per configuration and symbol (a job); threads beyond the last job do nothing. A job reads
        // its symbol's row of the columns and of `atr`, `[symbols × bars]`, and of the signals' columns that `columns`
        // names, `[columns × symbols × bars]` each, at the bars of its windows only, which end within `panel.bars`.
        // `first_window` has an entry per symbol and one more, which index `bounds`; `rules` has an entry per
        // configuration; `costs`, `counts` and `starts` have one per job, and every row of funding that `costs` names is
        // there. Trades are written by the second launch only, from the job's offset on, as many as the first launch
        // counted: `out` has room for all of them.
        unsafe {
            let launch = candles
                .pass_columns(stage.launch(&SIMULATE, Shape::one_thread_each(jobs, THREADS)))
                .read(&atr)
                .read(&side)
                .read(&distances)
                .read(&distances)
                .read(&distances)
                .read(&columns)
                .read(&first_window)
                .read(&bounds)
                .read(&rules);
            costs
                .pass(launch)
                .read(&starts)
                .write(&mut counts)
                .write(&mut out)
                .value(symbols.len() as u32)
                .value(panel.bars as u32)
                .value(jobs as u32)
                .value(u32::from(writes))
                .run()
        }?;
        if !writes {
            let mut total = 0;
            for (offset, count) in offsets.iter_mut().zip(stage.download(&counts)?) {
                *offset = total;
                total += u64::from(count);
            }
            out = stage.zeros(total as usize)?;
        }
    }
    let out = stage.download(&out)?;
    // A configuration's jobs are neighbours, and so are their trades.
    let ends = offsets.iter().skip(symbols.len()).step_by(symbols.len()).copied().chain([out.len() as u64]);
    let parts: Vec<&[DeviceTrade]> = offsets
        .iter()
        .step_by(symbols.len())
        .zip(ends)
        .map(|(&start, end)| &out[start as usize..end as usize])
        .collect();
    trades.par_iter_mut().zip(parts).try_for_each(|(trades, own)| {
        trades.reserve(own.len());
        for trade in own {
            let unknown = || EngineError::Kernel {
                stage: stage.name(),
                kernel: SIMULATE.name,
                detail: format!(
                    "unknown exit reason {}: there are {} of them",
                    trade.exit_reason,
                    ExitReason::ALL.len()
                ),
            };
            trades.push(trade.trade(symbols.start).ok_or_else(unknown)?);
        }
        Ok(())
    })
}

/// Columns of signals, of which those that are equal are one: configurations often share them, and those without distances of
/// their own are all NaN.
struct DifferentColumns<'a, T> {
    /// The columns that differ, `[symbols × bars]` each.
    parts: Vec<&'a [T]>,
    /// The number among them of each column.
    numbers: Vec<u32>,
}

impl<'a, T: Element> DifferentColumns<'a, T> {
    fn of(columns: impl Iterator<Item = &'a [T]>) -> Self {
        let mut known = HashMap::new();
        let mut parts = Vec::new();
        let numbers = columns
            .map(|column| {
                *known.entry(Content::of(column)).or_insert_with(|| {
                    parts.push(column);
                    parts.len() as u32 - 1
                })
            })
            .collect();
        Self { parts, numbers }
    }
}

#[cfg(test)]
mod tests {
    use huracan_base::units::BPS;
    use huracan_engine::{kernel_constant, kernel_integer};

    use super::*;

    #[test]
    fn the_kernels_have_the_constants_of_the_cpu() {
        assert_eq!(kernel_constant("trade.cuh", "BPS"), Some(BPS));
        assert_eq!(kernel_integer("trade.cuh", "NO_FUNDING"), Some(NO_FUNDING));
        assert_eq!(kernel_constant("shadow.cu", "THREADS"), Some(f64::from(THREADS)));
    }

    #[test]
    fn the_kernels_have_the_exit_reasons_in_the_same_order() {
        let text = include_str!("../../../kernels/trade.cuh");
        let (_, rest) = text.split_once("enum Reason : u32 {").unwrap();
        let (body, _) = rest.split_once('}').unwrap();
        let found: Vec<String> = body.split(',').map(|name| name.trim().to_lowercase()).collect();
        // The last one stands for no exit.
        let want: Vec<&str> = ExitReason::ALL.map(ExitReason::name).into_iter().chain(["none"]).collect();
        assert_eq!(found, want);
    }
}
