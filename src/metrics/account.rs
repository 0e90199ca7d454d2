//! An account that follows trades: what each was worth in money, and equity by day.

use crate::market::{DAY_MS, Panel};
use crate::settings::Risk;
use crate::shadow::{ExitReason, Trade};

/// How large a trade may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sizing {
    /// Share of equity lost if the stop is hit.
    pub per_trade: f64,
    /// One coin's exposure over equity.
    pub max_coin_share: f64,
    /// Total exposure over equity.
    pub max_leverage: f64,
}

impl From<&Risk> for Sizing {
    fn from(risk: &Risk) -> Self {
        Self { per_trade: risk.per_trade, max_coin_share: risk.max_coin_share, max_leverage: risk.max_leverage }
    }
}

/// Notional of a trade: the risk per trade over the stop's distance, at most one coin's share, at most what
/// is left of the leverage.
pub fn size_of(trade: &Trade, equity: f64, exposure: f64, sizing: &Sizing) -> f64 {
    let distance = (trade.entry_price - trade.stop_price).abs() / trade.entry_price;
    let by_risk = equity * sizing.per_trade / distance;
    let left = equity * sizing.max_leverage - exposure;
    by_risk.min(equity * sizing.max_coin_share).min(left).max(0.0)
}

/// A trade that the account took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    pub trade: Trade,
    /// Account currency.
    pub notional: f64,
    /// Net of costs, account currency.
    pub profit: f64,
}

/// An account's history.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    pub start_equity: f64,
    /// Trades taken, by exit.
    pub entries: Vec<Entry>,
    /// Trades refused because the leverage was used up.
    pub refused: usize,
    /// `(day's end in ms, equity)` for every day traded or not; the first point is the start.
    pub curve: Vec<(i64, f64)>,
}

impl Account {
    /// Follows `trades` in the order of events over `days` (start of each day, ms, ascending): profits are booked at
    /// the exit, sizes follow the equity at the entry.
    pub fn follow(panel: &Panel, trades: &[Trade], days: &[i64], start_equity: f64, sizing: &Sizing) -> Self {
        let mut order: Vec<usize> = (0..trades.len()).collect();
        order.sort_by_key(|&i| (trades[i].entry_bar, trades[i].symbol, trades[i].signal_bar));
        let mut by_exit = order.clone();
        by_exit.sort_by_key(|&i| (trades[i].exit_bar, !at_open(&trades[i]), trades[i].symbol, trades[i].entry_bar));
        let (mut equity, mut exposure, mut refused) = (start_equity, 0.0, 0);
        let mut notional = vec![0.0; trades.len()];
        let mut entries = Vec::new();
        let mut booked: Vec<(i64, f64)> = Vec::new();
        let mut exits = by_exit.into_iter().peekable();
        let mut settle = |until: Option<usize>, equity: &mut f64, exposure: &mut f64, notional: &[f64]| {
            // An exit at the open of a bar frees its money for an entry at the same open; one within the bar comes later.
            while let Some(i) = exits.next_if(|&i| {
                until.is_none_or(|bar| trades[i].exit_bar < bar || (trades[i].exit_bar == bar && at_open(&trades[i])))
            }) {
                if notional[i] > 0.0 {
                    let profit = notional[i] * trades[i].net_bps / 10_000.0;
                    *equity += profit;
                    *exposure -= notional[i];
                    entries.push(Entry { trade: trades[i], notional: notional[i], profit });
                    booked.push((panel.time_ms(trades[i].exit_bar), *equity));
                }
            }
        };
        for i in order {
            settle(Some(trades[i].entry_bar), &mut equity, &mut exposure, &notional);
            notional[i] = size_of(&trades[i], equity, exposure, sizing);
            exposure += notional[i];
            refused += usize::from(notional[i] <= 0.0);
        }
        settle(None, &mut equity, &mut exposure, &notional);

        let mut curve = vec![(days.first().copied().unwrap_or(0), start_equity)];
        let (mut at, mut equity) = (0, start_equity);
        for &day in days {
            while at < booked.len() && booked[at].0 < day + DAY_MS {
                equity = booked[at].1;
                at += 1;
            }
            curve.push((day + DAY_MS, equity));
        }
        Self { start_equity, entries, refused, curve }
    }

    /// Equity at the end of the last day.
    pub fn final_equity(&self) -> f64 {
        self.curve.last().map_or(self.start_equity, |point| point.1)
    }

    /// Return of each day.
    pub fn daily_returns(&self) -> Vec<f64> {
        self.curve.windows(2).map(|w| if w[0].1 > 0.0 { w[1].1 / w[0].1 - 1.0 } else { 0.0 }).collect()
    }
}

/// Whether a trade surely ended at the open of its exit bar.
fn at_open(trade: &Trade) -> bool {
    matches!(trade.exit_reason, ExitReason::SignalReversal | ExitReason::Time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::{Candles, HOUR_MS, Timeframe};
    use crate::shadow::Side;

    fn panel() -> Panel {
        let mut candles = Candles::default();
        (0..72).for_each(|t| candles.push(t * HOUR_MS, [100.0; 4], 1.0));
        let all = vec![("A-X".to_owned(), candles.clone()), ("B-X".to_owned(), candles)];
        Panel::new(all, Timeframe::H1, 1, false).unwrap()
    }

    fn trade(symbol: usize, entry_bar: usize, exit_bar: usize, net_bps: f64, exit_reason: ExitReason) -> Trade {
        Trade {
            symbol,
            side: Side::Long,
            signal_bar: entry_bar - 1,
            entry_bar,
            entry_price: 100.0,
            exit_bar,
            exit_price: 100.0,
            stop_price: 96.0,
            take_price: 110.0,
            size: 1.0,
            exit_reason,
            gross_bps: net_bps,
            fee_bps: 0.0,
            spread_bps: 0.0,
            slippage_bps: 0.0,
            funding_bps: 0.0,
            net_bps,
        }
    }

    #[test]
    fn sizes_follow_risk_share_and_leverage_and_equity_is_the_sum_of_profits() {
        let sizing = Sizing { per_trade: 0.01, max_coin_share: 0.5, max_leverage: 0.3 };
        let trades = [
            // A stop 4 % away at 1 % risk: a quarter of equity.
            trade(0, 1, 5, 200.0, ExitReason::TakeProfit),
            // What leverage leaves: 0.3 − 0.25.
            trade(1, 2, 30, -100.0, ExitReason::StopLoss),
            // Nothing is left.
            trade(0, 5, 6, 500.0, ExitReason::Time),
            trade(0, 31, 40, 100.0, ExitReason::Time),
        ];
        let account = Account::follow(&panel(), &trades, &[0, DAY_MS, 2 * DAY_MS], 1000.0, &sizing);
        let notionals: Vec<f64> = account.entries.iter().map(|e| e.notional).collect();
        let after = 1000.0 + 250.0 * 0.02 - 50.0 * 0.01;
        assert_eq!(notionals.len(), 3);
        assert!((notionals[0] - 250.0).abs() < 1e-9 && (notionals[1] - 50.0).abs() < 1e-9);
        assert!((notionals[2] - after * 0.25).abs() < 1e-9);
        assert_eq!(account.refused, 1);
        let sum: f64 = account.entries.iter().map(|e| e.profit).sum();
        assert!((account.final_equity() - 1000.0 - sum).abs() < 1e-9);
        assert_eq!(account.curve[1], (DAY_MS, 1005.0));
        assert_eq!(account.daily_returns().len(), 3);
    }
}
