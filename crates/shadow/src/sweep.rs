//! The sweep: trades every setting (threshold, stop, take, hold) of a grid over all symbols, with the same trades as
//! [`simulate`](super::simulate) for each.
//!
//! It does not step through the bars for every setting. The bar at which each stop and each take of a signal is reached
//! is computed once (`entries`). A setting's trade then ends at the least of four numbers, and the next trade begins
//! at the next signal (`walk`). The results of the trades are computed once as well, and added up (`tally`).

mod entries;
mod grid;
mod outcome;
mod parts;
mod tally;
mod walk;

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::{Bars, CoinCosts, Exit, Position, Rules, Trade};
use entries::{Active, Entries, REFUSED, bar_of, code_of, reason_of};
pub use grid::{Grid, GridError, MAX_SETTINGS, Setting};
use huracan_bars::{DAY_MS, Panel};
pub use parts::PARTS_PER_BP;
pub use tally::{LEAST_DAYS, SettingMetrics, Tally};
use walk::{LANES, Walker};

/// Most bars of a panel: a bar and a code of three bits share one number of 32 bits.
pub const MAX_BARS: usize = 1 << 28;

/// The inputs of a sweep.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// The candles.
    pub panel: &'a Panel,
    /// Scores at each bar's close, `[symbols × bars]`. A score is a signal for the side of its sign in each setting
    /// whose threshold it reaches; 0 and NaN are no signals.
    pub scores: &'a [f32],
    /// ATR(14) in price units, `[symbols × bars]`.
    pub atr: &'a [f64],
    /// Bar ranges per symbol in which it is traded, as for [`simulate`](super::simulate).
    pub windows: &'a [Vec<Range<usize>>],
    /// Costs and size of every trade. Stop, take and longest hold come from the grid.
    pub rules: &'a Rules,
    /// The settings to trade.
    pub grid: &'a Grid,
}

/// The results of every setting of a grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Surface {
    /// The settings.
    pub grid: Grid,
    /// Number of symbols.
    pub symbols: usize,
    /// Sums over the trades of each symbol and setting, `[symbols × settings]`.
    pub by_symbol: Vec<Tally>,
    /// Calendar days (UTC) from the panel's first bar to its last.
    pub days: usize,
    /// Net result of the trades of all symbols that ended on a day, `[settings × days]`, in units of 1/[`PARTS_PER_BP`]
    /// basis points.
    pub net_of_day: Vec<i64>,
}

impl Surface {
    /// Sums over the trades of one setting, of all symbols.
    ///
    /// # Panics
    /// Where the grid has no such setting.
    pub fn total(&self, setting: usize) -> Tally {
        let settings = self.grid.len();
        (0..self.symbols).fold(Tally::default(), |sum, symbol| sum.plus(&self.by_symbol[symbol * settings + setting]))
    }

    /// Metrics of one setting over all symbols.
    ///
    /// # Panics
    /// Where the grid has no such setting.
    pub fn metrics(&self, setting: usize) -> SettingMetrics {
        let days = &self.net_of_day[setting * self.days..(setting + 1) * self.days];
        SettingMetrics::new(&self.total(setting), days)
    }
}

/// Estimate of the memory that [`sweep`] allocates, bytes.
pub fn memory_bytes(grid: &Grid, symbols: usize, bars: usize, days: usize, threads: usize) -> u64 {
    let settings = grid.len() as u64;
    let tallies = settings * symbols as u64 * size_of::<Tally>() as u64;
    let day_sums = settings * days as u64 * 8 * (threads.min(symbols.max(1)) as u64 + 1);
    let rows = (grid.stop_atr.len() + grid.take_atr.len() + grid.max_hold.len() + 2) as u64;
    tallies + day_sums + threads as u64 * (rows * 20 + 100) * bars as u64
}

/// Calendar days (UTC) from a panel's first bar to its last.
pub fn days(panel: &Panel) -> usize {
    days_of_bars(panel).last().map_or(0, |&day| day as usize + 1)
}

/// Trades every setting of the grid. `progress` is called with the number of finished work items and their total.
///
/// The results do not depend on the number of threads: all sums are sums of integers.
///
/// # Errors
/// A grid that cannot be traded, or a panel of more than [`MAX_BARS`] bars.
///
/// # Panics
/// Where `scores`, `atr` or `windows` do not have the panel's symbols and bars, or a window ends after the last bar.
pub fn sweep(task: Task<'_>, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Surface, GridError> {
    task.grid.check()?;
    if task.panel.bars > MAX_BARS {
        return Err(GridError::TooManyBars { bars: task.panel.bars });
    }
    let (symbols, settings) = (task.panel.symbols.len(), task.grid.len());
    let day_of_bar = days_of_bars(task.panel);
    let days = day_of_bar.last().map_or(0, |&day| day as usize + 1);
    let threads = rayon::current_num_threads();
    // A work item is a symbol and a range of thresholds: with few symbols, the ranges keep many threads busy.
    let thresholds = task.grid.thresholds.len();
    let ranges = (8 * threads).div_ceil(symbols.max(1)).clamp(1, thresholds);
    let items = symbols * ranges;
    let item = |n: usize| (n / ranges, n % ranges * thresholds / ranges..(n % ranges + 1) * thresholds / ranges);

    let settings_per_threshold = task.grid.of_threshold();
    let per_threshold = settings_per_threshold.len();
    let next = AtomicUsize::new(0);
    let finished = AtomicUsize::new(0);
    let workers: Vec<_> = (0..threads.clamp(1, items.max(1)))
        .into_par_iter()
        .map(|_| {
            let (mut net_of_day, mut finished_items) = (vec![0; settings * days], Vec::new());
            let (mut entries, mut active, mut walker) = (Entries::default(), Active::default(), Walker::default());
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= items {
                    return (net_of_day, finished_items);
                }
                let (symbol, range) = item(n);
                let first = range.start * per_threshold;
                let mut tallies = vec![Tally::default(); range.len() * per_threshold];
                let own_days = &mut net_of_day[first * days..(first + tallies.len()) * days];
                for window in &task.windows[symbol] {
                    entries.fill(&task, symbol, window.clone(), task.grid.thresholds[range.start]);
                    let day_of_bar = &day_of_bar[window.clone()];
                    for (i, &threshold) in task.grid.thresholds[range.clone()].iter().enumerate() {
                        active.fill(&entries, &task, symbol, window.clone(), threshold);
                        for group in settings_per_threshold.chunks(LANES) {
                            walker.walk(&entries, &active, group);
                            for (lane, &(setting, levels)) in group.iter().enumerate() {
                                let at = i * per_threshold + setting;
                                let net_of_day = &mut own_days[at * days..(at + 1) * days];
                                let steps = walker.steps(lane);
                                tallies[at].add_all(steps, &entries, &active, levels, day_of_bar, net_of_day);
                            }
                        }
                    }
                }
                finished_items.push((symbol, first, tallies));
                progress(finished.fetch_add(1, Ordering::Relaxed) + 1, items);
            }
        })
        .collect();

    let mut surface = Surface {
        grid: task.grid.clone(),
        symbols,
        by_symbol: vec![Tally::default(); symbols * settings],
        days,
        net_of_day: Vec::new(),
    };
    for (net_of_day, finished_items) in workers {
        if surface.net_of_day.is_empty() {
            surface.net_of_day = net_of_day;
        } else {
            surface.net_of_day.iter_mut().zip(&net_of_day).for_each(|(sum, own)| *sum += own);
        }
        for (symbol, first, tallies) in finished_items {
            let at = symbol * settings + first;
            surface.by_symbol[at..at + tallies.len()].copy_from_slice(&tallies);
        }
    }
    Ok(surface)
}

/// The trades of one setting of a sweep, ordered by entry time, then symbol.
///
/// # Errors
/// A grid that cannot be traded.
///
/// # Panics
/// As [`sweep`], and where the grid has no such setting.
pub fn trades(task: Task<'_>, setting: usize) -> Result<Vec<Trade>, GridError> {
    task.grid.check()?;
    let settings = task.grid.of_threshold();
    let (threshold, index) = (setting / settings.len(), setting % settings.len());
    let own: Vec<_> = settings.into_iter().filter(|&(at, _)| at == index).collect();
    let (chosen, lowest) = (task.grid.setting(setting), task.grid.thresholds[0]);
    let atr = task.panel.view(task.atr);
    let (mut entries, mut active, mut walker) = (Entries::default(), Active::default(), Walker::default());
    let mut trades = Vec::new();
    for symbol in 0..task.panel.symbols.len() {
        let (bars, costs) = (Bars::of(task.panel, symbol), CoinCosts::of(task.panel, symbol, task.rules));
        for window in &task.windows[symbol] {
            entries.fill(&task, symbol, window.clone(), lowest);
            active.fill(&entries, &task, symbol, window.clone(), task.grid.thresholds[threshold]);
            walker.walk(&entries, &active, &own);
            for step in walker.steps(0).filter(|step| code_of(step.end) != REFUSED) {
                let signal = window.start + entries.bar[step.signal as usize] as usize;
                let atr = atr[[symbol, signal]];
                let side = entries.side[step.signal as usize];
                let (stop, take) = (chosen.stop_atr * atr, chosen.take_atr * atr);
                let position = Position::enter(&bars, signal, side, stop, take, task.rules.notional, atr);
                let bar = window.start + bar_of(step.end);
                let price = match code_of(step.end) {
                    entries::STOP_WITHIN => position.stop_fill(&bars, bar, task.rules),
                    entries::TAKE_WITHIN => position.take_price,
                    entries::END_OF_DATA => bars.close[bar],
                    _ => bars.open[bar],
                };
                let exit = Exit { bar, price, reason: reason_of(step.end) };
                trades.push(position.close(symbol, exit, &bars, &costs));
            }
        }
    }
    trades.sort_by_key(|trade| (trade.entry_bar, trade.symbol));
    Ok(trades)
}

/// Calendar day (UTC) of each bar, counted from the first bar's.
fn days_of_bars(panel: &Panel) -> Vec<u32> {
    let day = |bar: usize| panel.time_ms(bar).div_euclid(DAY_MS);
    let first = day(0);
    (0..panel.bars).map(|bar| (day(bar) - first) as u32).collect()
}
