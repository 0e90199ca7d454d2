//! Sums over a setting's trades, and the metrics computed from them.

use super::entries::{Active, Entries, REFUSED, bar_of, code_of};
use super::grid::Levels;
use super::outcome::Outcome;
use super::parts::PARTS_PER_BP;
use super::walk::Step;

/// Sums over the trades of one setting.
///
/// All are sums of integers, so that their order does not matter. Results are in units of 1/[`PARTS_PER_BP`] basis
/// points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Number of trades.
    pub trades: u64,
    /// Trades with a net result of at least one unit.
    pub wins: u64,
    /// Bars held.
    pub hold_bars: u64,
    /// Net results.
    pub net: i64,
    /// Gross results.
    pub gross: i64,
    /// Net results above 0.
    pub profit: i64,
    /// Squares of net results, in units of 1/[`PARTS_PER_BP`] square basis points, each rounded down.
    pub net_squares: u64,
}

impl Tally {
    /// The sum of both.
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            trades: self.trades + other.trades,
            wins: self.wins + other.wins,
            hold_bars: self.hold_bars + other.hold_bars,
            net: self.net + other.net,
            gross: self.gross + other.gross,
            profit: self.profit + other.profit,
            net_squares: self.net_squares + other.net_squares,
        }
    }

    /// Adds a trade.
    #[inline(always)]
    pub fn add(&mut self, net: i32, gross: i32, hold_bars: u64) {
        let wide = i64::from(net);
        self.trades += 1;
        self.wins += u64::from(net > 0);
        self.hold_bars += hold_bars;
        self.net += wide;
        self.gross += i64::from(gross);
        self.profit += wide.max(0);
        self.net_squares += (wide * wide) as u64 >> 10;
    }

    /// Adds the trades among `steps`, and their net results to `net_of_day`, the days of the setting. `day_of_bar` is
    /// the day of each bar of the window.
    pub(super) fn add_all(
        &mut self,
        steps: impl Iterator<Item = Step>,
        entries: &Entries,
        active: &Active,
        levels: Levels,
        day_of_bar: &[u32],
        net_of_day: &mut [i64],
    ) {
        let (stop, take) = (entries.stop_outcome(levels.stop), entries.take_outcome(levels.take));
        let (time, end) = (entries.time_outcome(levels.hold), entries.end_outcome());
        // Indexed by the code of the end.
        let outcomes: [&[Outcome]; 8] =
            [entries.no_outcome(), &active.reversal_outcome, time, stop, take, stop, take, end];
        let mut sum = *self;
        let mut refused = 0;
        for step in steps {
            let signal = step.signal as usize;
            let Outcome { net, gross } = outcomes[code_of(step.end) as usize][signal];
            let exit = bar_of(step.end);
            refused += u64::from(code_of(step.end) == REFUSED);
            // The entry is at the open after the signal's bar.
            sum.add(net, gross, exit as u64 - u64::from(entries.bar[signal]) - 1);
            net_of_day[day_of_bar[exit] as usize] += i64::from(net);
        }
        // A refused signal adds 0 to all other sums: it ends at the open at which it would have been entered.
        sum.trades -= refused;
        *self = sum;
    }
}

/// Fewest days with trades from which a t-statistic is computed: of fewer, its error is mostly luck itself.
pub const LEAST_DAYS: usize = 10;

/// Metrics of one setting. NaN where there is nothing to divide by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SettingMetrics {
    /// Number of trades.
    pub trades: u64,
    /// Share of trades with a net result above 0.
    pub win_rate: f64,
    /// Mean net result of a trade, basis points.
    pub net_bps: f64,
    /// Mean gross result of a trade, basis points.
    pub gross_bps: f64,
    /// Mean fees, spread, slippage and funding of a trade, basis points.
    pub cost_bps: f64,
    /// Mean bars held.
    pub hold_bars: f64,
    /// Sum of the net results of all trades, basis points.
    pub total_net_bps: f64,
    /// Sample standard deviation of the trades' net results, basis points.
    pub deviation_bps: f64,
    /// Sum of profits / sum of losses; infinite without losses.
    pub profit_factor: f64,
    /// Mean of the daily sums of net results over its standard error, days without trades included. Days, because
    /// trades of one day move together: counted one by one, they would look like more evidence than they are. NaN with trades
    /// that ended on fewer than [`LEAST_DAYS`] days.
    pub t_statistic: f64,
    /// Maximum drawdown of the running sum of daily results, which starts at 0, basis points.
    pub worst_fall_bps: f64,
}

impl SettingMetrics {
    /// The metrics of these sums; `net_of_day` is the setting's row of [`Surface`](super::Surface).
    pub fn new(tally: &Tally, net_of_day: &[i64]) -> Self {
        let trades = tally.trades as f64;
        let (net, gross, profit) = (bps(tally.net), bps(tally.gross), bps(tally.profit));
        let mean = net / trades;
        let spread = (tally.net_squares as f64 / PARTS_PER_BP - net * mean) / (trades - 1.0);
        Self {
            trades: tally.trades,
            win_rate: tally.wins as f64 / trades,
            net_bps: mean,
            gross_bps: gross / trades,
            cost_bps: (gross - net) / trades,
            hold_bars: tally.hold_bars as f64 / trades,
            total_net_bps: net,
            deviation_bps: if tally.trades > 1 { if spread > 0.0 { spread.sqrt() } else { 0.0 } } else { f64::NAN },
            profit_factor: profit / (profit - net),
            t_statistic: t_statistic(net_of_day),
            worst_fall_bps: worst_fall(net_of_day),
        }
    }
}

fn bps(parts: i64) -> f64 {
    parts as f64 / PARTS_PER_BP
}

fn t_statistic(net_of_day: &[i64]) -> f64 {
    let days = net_of_day.len() as f64;
    let mean = net_of_day.iter().map(|&net| bps(net)).sum::<f64>() / days;
    let squares: f64 = net_of_day.iter().map(|&net| bps(net) - mean).map(|off| off * off).sum();
    let error = (squares / (days - 1.0) / days).sqrt();
    // A day without a trade has a sum of exactly 0.
    let traded = net_of_day.iter().filter(|net| **net != 0).count();
    if traded >= LEAST_DAYS && error > 0.0 { mean / error } else { f64::NAN }
}

fn worst_fall(net_of_day: &[i64]) -> f64 {
    let (mut sum, mut highest, mut worst) = (0_i64, 0_i64, 0_i64);
    for net in net_of_day {
        sum += net;
        highest = highest.max(sum);
        worst = worst.max(highest - sum);
    }
    bps(worst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_t_statistic_needs_ten_days_with_trades() {
        let days = |traded: usize| -> Vec<i64> {
            let net = |day: usize| if day < traded { (day as i64 % 3 + 1) * PARTS_PER_BP as i64 } else { 0 };
            (0..40).map(net).collect()
        };
        assert!(t_statistic(&days(9)).is_nan());
        let values: Vec<f64> = days(10).into_iter().map(bps).collect();
        let mean = values.iter().sum::<f64>() / 40.0;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 39.0;
        assert!((t_statistic(&days(10)) - mean / (variance / 40.0).sqrt()).abs() < 1e-12);
    }
}
