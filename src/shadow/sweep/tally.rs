//! What a setting's trades were worth.

use super::entries::{Active, Entries, Outcome, bar_of, code_of};
use super::grid::Levels;
use super::walk::Made;
use crate::arith::round_to_i64;

/// Parts of a basis point that the sums of days count in: integers, so that no order of adding changes them.
const PARTS: f64 = 65_536.0;
/// A single trade counts for at most ±2²⁴ basis points in the sum of its day.
const MOST_PARTS: f64 = 1_099_511_627_776.0;

/// Sums over the trades of one setting.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Tally {
    pub trades: u64,
    /// Trades with a net result above 0.
    pub wins: u64,
    pub hold_bars: u64,
    pub net_bps: f64,
    pub gross_bps: f64,
    /// Net results above 0.
    pub profit_bps: f64,
    /// Net results below 0, as a positive number.
    pub loss_bps: f64,
    /// Squares of net results.
    pub net_squares: f64,
}

impl Tally {
    pub(super) fn plus(&self, other: &Self) -> Self {
        Self {
            trades: self.trades + other.trades,
            wins: self.wins + other.wins,
            hold_bars: self.hold_bars + other.hold_bars,
            net_bps: self.net_bps + other.net_bps,
            gross_bps: self.gross_bps + other.gross_bps,
            profit_bps: self.profit_bps + other.profit_bps,
            loss_bps: self.loss_bps + other.loss_bps,
            net_squares: self.net_squares + other.net_squares,
        }
    }

    /// Adds trades in their order; `day_of_bar` is the window's, `net_of_day` the setting's.
    pub(super) fn add(
        &mut self,
        made: &[Made],
        entries: &Entries,
        active: &Active,
        levels: Levels,
        day_of_bar: &[u32],
        net_of_day: &mut [i64],
    ) {
        let (stop, take) = (entries.stop_outcome(levels.stop), entries.take_outcome(levels.take));
        let (time, end) = (entries.time_outcome(levels.hold), entries.end_outcome());
        // By the code of the end.
        let outcomes: [&[Outcome]; 8] = [end, &active.reversal_outcome, time, stop, take, stop, take, end];
        let mut sum = *self;
        let mut bars = 0;
        for trade in made {
            let signal = trade.signal as usize;
            let Outcome { net_bps, gross_bps } = outcomes[code_of(trade.end) as usize][signal];
            let exit = bar_of(trade.end);
            bars += exit as u64 - u64::from(entries.bar[signal]);
            sum.wins += u64::from(net_bps > 0.0);
            sum.net_bps += net_bps;
            sum.gross_bps += gross_bps;
            sum.profit_bps += if net_bps > 0.0 { net_bps } else { 0.0 };
            sum.loss_bps += if net_bps < 0.0 { -net_bps } else { 0.0 };
            sum.net_squares += net_bps * net_bps;
            net_of_day[day_of_bar[exit] as usize] += parts(net_bps);
        }
        sum.trades += made.len() as u64;
        // Entered at the open after the signal's bar.
        sum.hold_bars += bars - made.len() as u64;
        *self = sum;
    }
}

/// Basis points in [`PARTS`].
#[inline(always)]
fn parts(net_bps: f64) -> i64 {
    let parts = net_bps * PARTS;
    let parts = if parts > MOST_PARTS { MOST_PARTS } else { parts };
    let parts = if parts < -MOST_PARTS { -MOST_PARTS } else { parts };
    round_to_i64(parts)
}

/// What a user chooses a setting by. NaN where there is nothing to divide by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    pub trades: u64,
    pub win_rate: f64,
    /// A trade's mean.
    pub net_bps: f64,
    pub gross_bps: f64,
    /// Fees, spread, slippage and funding of a mean trade.
    pub cost_bps: f64,
    pub hold_bars: f64,
    /// Net results of all trades, added up.
    pub total_net_bps: f64,
    /// Sample standard deviation of a trade's net result.
    pub deviation_bps: f64,
    /// Sum of profits / sum of losses; infinite without losses.
    pub profit_factor: f64,
    /// Mean of the daily sums of net results over its standard error, days without trades included. By the day, since
    /// the trades of a day move together: counted one by one they would seem to say more than they do.
    pub t_statistic: f64,
    /// Largest fall of the running sum of daily results from its highest so far (0 before the first day), basis points.
    pub worst_fall_bps: f64,
}

impl Judged {
    /// `net_of_day` as in [`Surface`](super::Surface).
    pub fn new(tally: &Tally, net_of_day: &[i64]) -> Self {
        let trades = tally.trades as f64;
        let mean = tally.net_bps / trades;
        let spread = (tally.net_squares - tally.net_bps * mean) / (trades - 1.0);
        Self {
            trades: tally.trades,
            win_rate: tally.wins as f64 / trades,
            net_bps: mean,
            gross_bps: tally.gross_bps / trades,
            cost_bps: (tally.gross_bps - tally.net_bps) / trades,
            hold_bars: tally.hold_bars as f64 / trades,
            total_net_bps: tally.net_bps,
            deviation_bps: if tally.trades > 1 { if spread > 0.0 { spread.sqrt() } else { 0.0 } } else { f64::NAN },
            profit_factor: tally.profit_bps / tally.loss_bps,
            t_statistic: t_statistic(net_of_day),
            worst_fall_bps: worst_fall(net_of_day),
        }
    }
}

fn t_statistic(net_of_day: &[i64]) -> f64 {
    let days = net_of_day.len() as f64;
    let mean = net_of_day.iter().map(|&net| net as f64 / PARTS).sum::<f64>() / days;
    let squares: f64 = net_of_day.iter().map(|&net| net as f64 / PARTS - mean).map(|off| off * off).sum();
    let error = (squares / (days - 1.0) / days).sqrt();
    if error > 0.0 { mean / error } else { f64::NAN }
}

fn worst_fall(net_of_day: &[i64]) -> f64 {
    let (mut sum, mut highest, mut worst) = (0_i64, 0_i64, 0_i64);
    for net in net_of_day {
        sum += net;
        highest = highest.max(sum);
        worst = worst.max(highest - sum);
    }
    worst as f64 / PARTS
}
