//! The sweep: every (threshold, stop, take, hold) setting of a grid traded over all symbols at once, with the trades
//! that [`simulate`](super::simulate) would make of each.
//!
//! Bars are not walked a setting at a time. For each signal of a symbol the bar at which each stop and each take would
//! be reached is found once ([`entries`]); a setting's trade then ends at the least of four numbers, and the next one
//! begins at the next signal ([`walk`]). What the trades were worth is added up from outcomes that are worked out
//! once as well ([`tally`]).

mod entries;
mod grid;
mod tally;
mod walk;

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::{Bars, Exit, Position, Rules, Trade};
use entries::{Active, Entries, REFUSED, bar_of, code_of, reason_of};
pub use grid::{Grid, GridError, MOST_SETTINGS, Setting};
use huracan_bars::{DAY_MS, Panel};
pub use tally::{Judged, PARTS, Tally, parts};
use walk::{LANES, Walker};

/// Most bars of a panel: a bar and what happened in it share one number of 32 bits.
pub const MOST_BARS: usize = 1 << 28;

/// What the signals are read from, and how they are traded.
///
/// `scores` and `atr` are `[symbols × bars]`. A score of 0 or NaN says nothing; any other asks for its own side in each
/// setting whose threshold it reaches. `windows` are those of [`simulate`](super::simulate). Of the rules, the stop,
/// take and hold are left to the grid.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    pub panel: &'a Panel,
    pub scores: &'a [f32],
    pub atr: &'a [f64],
    pub windows: &'a [Vec<Range<usize>>],
    pub rules: &'a Rules,
    pub grid: &'a Grid,
}

/// What every setting of a grid would have earned.
#[derive(Debug, Clone, PartialEq)]
pub struct Surface {
    pub grid: Grid,
    pub symbols: usize,
    /// `[symbols × settings]`.
    pub by_symbol: Vec<Tally>,
    /// Calendar days (UTC) from the panel's first bar to its last.
    pub days: usize,
    /// `[settings × days]`: net result of the trades that ended in a day, all symbols together, in [`parts`].
    pub net_of_day: Vec<i64>,
}

impl Surface {
    /// One setting over all symbols, added up in the panel's order.
    pub fn total(&self, setting: usize) -> Tally {
        let settings = self.grid.len();
        (0..self.symbols).fold(Tally::default(), |sum, symbol| sum.plus(&self.by_symbol[symbol * settings + setting]))
    }

    /// One setting's figures over all symbols.
    pub fn judged(&self, setting: usize) -> Judged {
        let days = &self.net_of_day[setting * self.days..(setting + 1) * self.days];
        Judged::new(&self.total(setting), days)
    }
}

/// Bytes that [`sweep`] asks for, by estimate.
pub fn memory_bytes(grid: &Grid, symbols: usize, bars: usize, days: usize, threads: usize) -> u64 {
    let settings = grid.len() as u64;
    let tallies = settings * symbols as u64 * size_of::<Tally>() as u64;
    let day_sums = settings * days as u64 * 8 * (threads.min(symbols.max(1)) as u64 + 1);
    let rows = (grid.stop_atr.len() + grid.take_atr.len() + grid.max_hold.len() + 2) as u64;
    tallies + day_sums + threads as u64 * (rows * 20 + 100) * bars as u64
}

/// Calendar days (UTC) that a panel's bars touch.
pub fn days(panel: &Panel) -> usize {
    days_of_bars(panel).last().map_or(0, |&day| day as usize + 1)
}

/// Trades every setting of the grid; `done` hears how many shares of the work are finished, and of how many.
///
/// Equal results with any number of threads: a symbol's sums are made in the order of its trades, and sums that
/// symbols share are sums of integers.
///
/// # Errors
/// A grid that cannot be traded, or a panel of more than [`MOST_BARS`] bars.
pub fn sweep(task: Task<'_>, done: &(dyn Fn(usize, usize) + Sync)) -> Result<Surface, GridError> {
    task.grid.check()?;
    if task.panel.bars > MOST_BARS {
        return Err(GridError::TooManyBars { bars: task.panel.bars });
    }
    let (symbols, settings) = (task.panel.symbols.len(), task.grid.len());
    let day_of_bar = days_of_bars(task.panel);
    let days = day_of_bar.last().map_or(0, |&day| day as usize + 1);
    let threads = rayon::current_num_threads();
    // Few symbols on many threads: thresholds are dealt out too.
    let thresholds = task.grid.thresholds.len();
    let parts = (8 * threads).div_ceil(symbols.max(1)).clamp(1, thresholds);
    let shares = symbols * parts;
    let share = |n: usize| (n / parts, n % parts * thresholds / parts..(n % parts + 1) * thresholds / parts);

    let each = task.grid.of_threshold();
    let next = AtomicUsize::new(0);
    let finished = AtomicUsize::new(0);
    let workers: Vec<_> = (0..threads.clamp(1, shares.max(1)))
        .into_par_iter()
        .map(|_| {
            let (mut net_of_day, mut made) = (vec![0; settings * days], Vec::new());
            let (mut entries, mut active, mut walker) = (Entries::default(), Active::default(), Walker::default());
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= shares {
                    return (net_of_day, made);
                }
                let (symbol, range) = share(n);
                let first = range.start * each.len();
                let mut tallies = vec![Tally::default(); range.len() * each.len()];
                let own_days = &mut net_of_day[first * days..(first + tallies.len()) * days];
                for window in &task.windows[symbol] {
                    entries.fill(&task, symbol, window.clone(), task.grid.thresholds[range.start]);
                    let day_of_bar = &day_of_bar[window.clone()];
                    for (place, &threshold) in task.grid.thresholds[range.clone()].iter().enumerate() {
                        active.fill(&entries, &task, symbol, window.clone(), threshold);
                        for group in each.chunks(LANES) {
                            walker.walk(&entries, &active, group);
                            for (lane, &(setting, levels)) in group.iter().enumerate() {
                                let at = place * each.len() + setting;
                                let net_of_day = &mut own_days[at * days..(at + 1) * days];
                                let steps = walker.steps(lane);
                                tallies[at].add_all(steps, &entries, &active, levels, day_of_bar, net_of_day);
                            }
                        }
                    }
                }
                made.push((symbol, first, tallies));
                done(finished.fetch_add(1, Ordering::Relaxed) + 1, shares);
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
    for (net_of_day, made) in workers {
        if surface.net_of_day.is_empty() {
            surface.net_of_day = net_of_day;
        } else {
            surface.net_of_day.iter_mut().zip(&net_of_day).for_each(|(sum, own)| *sum += own);
        }
        for (symbol, first, tallies) in made {
            let at = symbol * settings + first;
            surface.by_symbol[at..at + tallies.len()].copy_from_slice(&tallies);
        }
    }
    Ok(surface)
}

/// The trades that the sweep makes of one setting of the grid, ordered by entry time, then symbol.
///
/// # Errors
/// As [`sweep`].
pub fn trades(task: Task<'_>, setting: usize) -> Result<Vec<Trade>, GridError> {
    task.grid.check()?;
    let each = task.grid.of_threshold();
    let (threshold, place) = (setting / each.len(), setting % each.len());
    let own: Vec<_> = each.into_iter().filter(|&(at, _)| at == place).collect();
    let (chosen, lowest) = (task.grid.setting(setting), task.grid.thresholds[0]);
    let (mut entries, mut active, mut walker) = (Entries::default(), Active::default(), Walker::default());
    let mut trades = Vec::new();
    for symbol in 0..task.panel.symbols.len() {
        let bars = Bars::of(task.panel, symbol);
        for window in &task.windows[symbol] {
            entries.fill(&task, symbol, window.clone(), lowest);
            active.fill(&entries, &task, symbol, window.clone(), task.grid.thresholds[threshold]);
            walker.walk(&entries, &active, &own);
            for made in walker.steps(0).filter(|made| code_of(made.end) != REFUSED) {
                let signal = window.start + entries.bar[made.signal as usize] as usize;
                let atr = task.atr[symbol * task.panel.bars + signal];
                let side = entries.side[made.signal as usize];
                let (stop, take) = (chosen.stop_atr * atr, chosen.take_atr * atr);
                let position = Position::enter(&bars, signal, side, stop, take, task.rules.notional);
                let bar = window.start + bar_of(made.end);
                let price = match code_of(made.end) {
                    entries::STOP_WITHIN => position.stop_price,
                    entries::TAKE_WITHIN => position.take_price,
                    entries::END_OF_DATA => bars.close[bar],
                    _ => bars.open[bar],
                };
                let exit = Exit { bar, price, reason: reason_of(made.end) };
                trades.push(position.close(symbol, exit, &bars, task.rules));
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
