//! The possible ends of the trade of each signal: the bar at which each stop and each take is reached, and the result
//! of each end. They are computed once for all settings.
//!
//! An end is a number of 32 bits, `bar << 3 | code`, with the bar counted from the window's first. Codes ascend in the
//! order of precedence (docs/contract.md, section 5), so that the least of all possible ends is the one that happens.

use std::ops::Range;

use super::Task;
use super::outcome::{Entered, Market, Outcome};
use crate::costs::root_of_share;
use crate::{Bars, CoinCosts, ExitReason, Position, Side, volatility_bps};

/// Not entered: the stop or the take has no distance, or it is a short where shorts are not traded.
pub(super) const REFUSED: u32 = 0;
/// A signal on the other side, at the open.
pub(super) const REVERSAL: u32 = 1;
/// The longest hold, at the open.
pub(super) const TIME: u32 = 2;
/// An open at or beyond the stop.
pub(super) const STOP_AT_OPEN: u32 = 3;
/// An open at or beyond the take.
pub(super) const TAKE_AT_OPEN: u32 = 4;
/// The stop, within the bar.
pub(super) const STOP_WITHIN: u32 = 5;
/// The take, within the bar.
pub(super) const TAKE_WITHIN: u32 = 6;
/// The close of the window's last bar.
pub(super) const END_OF_DATA: u32 = 7;

/// Never, or not before another end.
const NEVER: u32 = u32::MAX;

pub(super) fn bar_of(end: u32) -> usize {
    (end >> 3) as usize
}

pub(super) fn code_of(end: u32) -> u32 {
    end & 7
}

pub(super) fn reason_of(end: u32) -> ExitReason {
    match code_of(end) {
        STOP_AT_OPEN | STOP_WITHIN => ExitReason::StopLoss,
        TAKE_AT_OPEN | TAKE_WITHIN => ExitReason::TakeProfit,
        TIME => ExitReason::Time,
        REVERSAL => ExitReason::SignalReversal,
        _ => ExitReason::EndOfData,
    }
}

const fn end(bar: usize, code: u32) -> u32 {
    (bar as u32) << 3 | code
}

/// The signals of one symbol's window at the lowest threshold, and the ends of their trades that do not depend on the
/// threshold.
///
/// Rows have `signals + 1` entries: the last one stands for "no more signals", and leads back to itself.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// Bars of the window.
    pub bars: usize,
    /// Bar of each signal, ascending.
    pub bar: Vec<u32>,
    pub side: Vec<Side>,
    strength: Vec<f32>,
    /// Ends at the stop, `[stops × row]`.
    stop: Vec<u32>,
    /// Ends at the take, `[takes × row]`.
    take: Vec<u32>,
    stop_outcome: Vec<Outcome>,
    take_outcome: Vec<Outcome>,
    /// `[holds × row]`; the ends themselves follow from the bar of the signal.
    time_outcome: Vec<Outcome>,
    end_outcome: Vec<Outcome>,
    no_outcome: Vec<Outcome>,
    holds: Vec<usize>,
    /// What each signal's slippage is a multiple of, basis points.
    factor_bps: Vec<f64>,
    /// Root of the notional's share of the value traded, per bar.
    root_of_share: Vec<f64>,
    below: Reach,
    above: Reach,
}

/// How far prices reach to one side, per bar.
#[derive(Debug, Default)]
struct Reach {
    /// The farther of open and extreme; larger means farther.
    far: Vec<f64>,
    /// The first later bar that reaches farther; the length of the window if there is none.
    farther: Vec<u32>,
}

impl Reach {
    /// `sign` is −1 for the side of the lows.
    fn fill(&mut self, sign: f64, open: &[f64], extreme: &[f64]) {
        let bars = open.len();
        self.far.clear();
        // NaN reaches nothing.
        self.far.extend(open.iter().zip(extreme).map(|(open, extreme)| (sign * open).max(sign * extreme)));
        self.far.iter_mut().filter(|far| far.is_nan()).for_each(|far| *far = f64::NEG_INFINITY);
        self.farther.clear();
        self.farther.resize(bars, bars as u32);
        for bar in (0..bars).rev() {
            let mut later = bar + 1;
            while later < bars && self.far[later] <= self.far[bar] {
                later = self.farther[later] as usize;
            }
            self.farther[bar] = later as u32;
        }
    }
}

impl Entries {
    /// Entries of a row.
    pub fn row(&self) -> usize {
        self.bar.len() + 1
    }

    pub fn stop(&self, level: usize) -> &[u32] {
        row(&self.stop, level, self.row())
    }

    pub fn take(&self, level: usize) -> &[u32] {
        row(&self.take, level, self.row())
    }

    pub fn stop_outcome(&self, level: usize) -> &[Outcome] {
        row(&self.stop_outcome, level, self.row())
    }

    pub fn take_outcome(&self, level: usize) -> &[Outcome] {
        row(&self.take_outcome, level, self.row())
    }

    pub fn time_outcome(&self, hold: usize) -> &[Outcome] {
        row(&self.time_outcome, hold, self.row())
    }

    pub fn end_outcome(&self) -> &[Outcome] {
        &self.end_outcome
    }

    /// The results of refused signals: all 0.
    pub fn no_outcome(&self) -> &[Outcome] {
        &self.no_outcome
    }

    /// Computes the ends of one symbol's window; its signals are the scores that reach `lowest`.
    pub fn fill(&mut self, task: &Task<'_>, symbol: usize, window: Range<usize>, lowest: f32) {
        let at = symbol * task.panel.bars;
        let scores = &task.scores[at + window.start..at + window.end];
        let atr = &task.atr[at + window.start..at + window.end];
        let bars = Bars::of(task.panel, symbol).within(window.clone());
        let costs = CoinCosts::of(task.panel, symbol, task.rules).within(window);
        self.bars = scores.len();
        self.signals(scores, lowest);
        self.factor_bps.clear();
        let volatilities = self.bar.iter().map(|&bar| volatility_bps(atr[bar as usize], bars.close[bar as usize]));
        self.factor_bps.extend(volatilities.map(|volatility_bps| costs.slippage_factor_bps(volatility_bps)));
        self.root_of_share.clear();
        let turnover = bars.close.iter().zip(bars.volume);
        self.root_of_share.extend(turnover.map(|(&c, &v)| root_of_share(task.rules.notional, c, v)));
        self.below.fill(-1.0, bars.open, bars.low);
        self.above.fill(1.0, bars.open, bars.high);
        let root_of_share = std::mem::take(&mut self.root_of_share);
        let market = Market { bars, count: scores.len(), root_of_share: &root_of_share, costs };
        self.barriers(&market, atr, task);
        self.times(&market, &task.grid.max_hold);
        self.root_of_share = root_of_share;
    }

    fn signals(&mut self, scores: &[f32], lowest: f32) {
        self.bar.clear();
        self.side.clear();
        self.strength.clear();
        // A signal on the last bar has no open to enter at.
        for (bar, &score) in scores.iter().enumerate().take(scores.len().saturating_sub(1)) {
            if score.abs() >= lowest && score != 0.0 {
                self.bar.push(bar as u32);
                self.side.push(if score > 0.0 { Side::Long } else { Side::Short });
                self.strength.push(score.abs());
            }
        }
    }

    fn barriers(&mut self, market: &Market<'_>, atr: &[f64], task: &Task<'_>) {
        let row = self.row();
        let grid = task.grid;
        let (stops, takes) = (&grid.stop_atr, &grid.take_atr);
        for (ends, outcomes, levels) in [
            (&mut self.stop, &mut self.stop_outcome, stops.len()),
            (&mut self.take, &mut self.take_outcome, takes.len()),
        ] {
            ends.clear();
            ends.resize(levels * row, NEVER);
            outcomes.clear();
            outcomes.resize(levels * row, Outcome::default());
        }
        // A barrier that is reached later than the longest hold does not matter.
        let longest = grid.max_hold.last().copied().unwrap_or(0);
        for signal in 0..self.bar.len() {
            let (at, side) = (self.bar[signal] as usize, self.side[signal]);
            if !task.rules.allows(side) {
                (0..stops.len()).for_each(|level| self.stop[level * row + signal] = end(at + 1, REFUSED));
                continue;
            }
            let until = market.count.min((at + 1).saturating_add(longest));
            let (worse, better) = match side {
                Side::Long => (&self.below, &self.above),
                Side::Short => (&self.above, &self.below),
            };
            let trade = Barrier { market, entered: self.entered(signal), atr: atr[at], until, signal, row };
            trade.record_levels::<true>(stops, worse, &mut self.stop, &mut self.stop_outcome);
            trade.record_levels::<false>(takes, better, &mut self.take, &mut self.take_outcome);
        }
    }

    fn entered(&self, signal: usize) -> Entered {
        Entered { side: self.side[signal], bar: self.bar[signal] as usize + 1, factor_bps: self.factor_bps[signal] }
    }

    fn times(&mut self, market: &Market<'_>, holds: &[usize]) {
        let row = self.row();
        self.holds.clear();
        self.holds.extend_from_slice(holds);
        self.time_outcome.clear();
        self.time_outcome.resize(holds.len() * row, Outcome::default());
        self.no_outcome.resize(row, Outcome::default());
        self.end_outcome.clear();
        self.end_outcome.resize(row, Outcome::default());
        for signal in 0..self.bar.len() {
            let entered = self.entered(signal);
            for (level, &hold) in holds.iter().enumerate() {
                let bar = entered.bar.saturating_add(hold);
                if bar < market.count {
                    self.time_outcome[level * row + signal] = market.outcome(entered, bar, market.bars.open[bar]);
                }
            }
            let last = market.count - 1;
            self.end_outcome[signal] = market.outcome(entered, last, market.bars.close[last]);
        }
    }
}

fn row<T>(rows: &[T], level: usize, length: usize) -> &[T] {
    &rows[level * length..(level + 1) * length]
}

/// The barriers of one signal's trade.
struct Barrier<'a> {
    market: &'a Market<'a>,
    entered: Entered,
    atr: f64,
    /// The first bar that does not matter any more.
    until: usize,
    signal: usize,
    row: usize,
}

impl Barrier<'_> {
    /// Records for each level, in ascending order, where it is first reached. No level is reached before a lower one,
    /// so that a single pass over the bars that reach farther than all before them suffices for all levels.
    fn record_levels<const STOP: bool>(
        &self,
        levels: &[f64],
        reach: &Reach,
        ends: &mut [u32],
        outcomes: &mut [Outcome],
    ) {
        let (bars, rules) = (&self.market.bars, self.market.costs.rules);
        let Entered { side, bar: entry, .. } = self.entered;
        let (at_open, within) = if STOP { (STOP_AT_OPEN, STOP_WITHIN) } else { (TAKE_AT_OPEN, TAKE_WITHIN) };
        let extreme = if STOP == (side == Side::Long) { bars.low } else { bars.high };
        let mut bar = entry;
        for (level, multiple) in levels.iter().enumerate() {
            let place = level * self.row + self.signal;
            let distance = multiple * self.atr;
            if distance.is_nan() || distance <= 0.0 {
                ends[place] = end(entry, REFUSED);
                continue;
            }
            let position = Position::enter(bars, entry - 1, side, distance, distance, 0.0, self.atr);
            let barrier = |bar: usize| if STOP { position.stop_fill(bars, bar, rules) } else { position.take_price };
            let beyond = |price: f64| if STOP { position.beyond_stop(price) } else { position.beyond_take(price) };
            if bar == entry {
                // The open of the entry bar is the entry price, so only the extreme counts.
                if beyond(extreme[bar]) {
                    self.record(place, bar, within, barrier(bar), ends, outcomes);
                    continue;
                }
                bar += 1;
            }
            let (open, high) = (bars.open, extreme);
            while bar < self.until && !(beyond(open[bar]) || beyond(high[bar])) {
                bar = reach.farther[bar] as usize;
            }
            if bar >= self.until {
                return;
            }
            if beyond(open[bar]) {
                self.record(place, bar, at_open, open[bar], ends, outcomes);
            } else {
                self.record(place, bar, within, barrier(bar), ends, outcomes);
            }
        }
    }

    fn record(&self, place: usize, bar: usize, code: u32, price: f64, ends: &mut [u32], outcomes: &mut [Outcome]) {
        ends[place] = end(bar, code);
        outcomes[place] = self.market.outcome(self.entered, bar, price);
    }
}

/// The signals that reach one threshold.
#[derive(Debug, Default)]
pub(super) struct Active {
    /// The earliest of reversal, time and end of data, `[holds × row]`.
    other: Vec<u32>,
    pub reversal_outcome: Vec<Outcome>,
    /// For each bar of the window, and one more, the first signal at or after it.
    pub next: Vec<u32>,
    row: usize,
}

impl Active {
    pub fn other(&self, hold: usize) -> &[u32] {
        row(&self.other, hold, self.row)
    }

    pub fn fill(&mut self, entries: &Entries, task: &Task<'_>, symbol: usize, window: Range<usize>, threshold: f32) {
        self.row = entries.row();
        let (bars, none) = (entries.bars, entries.bar.len() as u32);
        let market = Market {
            bars: Bars::of(task.panel, symbol).within(window.clone()),
            count: bars,
            root_of_share: &entries.root_of_share,
            costs: CoinCosts::of(task.panel, symbol, task.rules).within(window),
        };
        self.next.clear();
        self.next.resize(bars + 1, none);
        self.reversal_outcome.clear();
        self.reversal_outcome.resize(self.row, Outcome::default());
        self.other.clear();
        // The entry after the last signal leads to the bar after the last one, and so back to itself.
        self.other.resize(entries.holds.len() * self.row, end(bars, REFUSED));
        // Bar of the nearest later signal on each side.
        let (mut long, mut short) = (NEVER, NEVER);
        let mut filled = bars;
        for signal in (0..entries.bar.len()).rev().filter(|&signal| entries.strength[signal] >= threshold) {
            let (bar, side) = (entries.bar[signal], entries.side[signal]);
            let later = self.next[filled];
            self.next[bar as usize + 1..filled].fill(later);
            self.next[bar as usize] = signal as u32;
            filled = bar as usize;
            let entry = bar as usize + 1;
            let (opposite, own) = match side {
                Side::Long => (short, &mut long),
                Side::Short => (long, &mut short),
            };
            *own = bar;
            let mut earliest = end(bars - 1, END_OF_DATA);
            if opposite != NEVER {
                let exit = opposite as usize + 1;
                earliest = earliest.min(end(exit, REVERSAL));
                self.reversal_outcome[signal] = market.outcome(entries.entered(signal), exit, market.bars.open[exit]);
            }
            for (level, &hold) in entries.holds.iter().enumerate() {
                let time = if hold < bars - entry { end(entry + hold, TIME) } else { NEVER };
                self.other[level * self.row + signal] = earliest.min(time);
            }
        }
        let first = self.next[filled];
        self.next[..filled].fill(first);
    }
}
