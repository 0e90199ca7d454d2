//! Statistics of single trades: wins, losses, holding time.

use serde::Serialize;

use super::account::Entry;

/// Statistics over a set of trades; every mean is 0 if there is nothing to average.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct TradeStatistics {
    /// Number of trades.
    pub count: usize,
    /// Number of trades with a net result above 0.
    pub wins: usize,
    /// Wins over trades; 0 without trades.
    pub win_rate: f64,
    /// Money won over money lost; 0 without trades, and the money won if none was lost.
    pub profit_factor: f64,
    /// Mean net result of the winning trades, basis points of notional.
    pub average_win_bps: f64,
    /// Mean net result of the losing trades, basis points of notional, negative.
    pub average_loss_bps: f64,
    /// Mean profit of the winning trades, account currency.
    pub average_win: f64,
    /// Mean profit of the losing trades, account currency, negative.
    pub average_loss: f64,
    /// Mean net result of all trades, basis points of notional.
    pub average_bps: f64,
    /// Mean holding time, bars.
    pub average_hold_bars: f64,
}

impl TradeStatistics {
    /// Computes the statistics of some trades.
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let (mut all, mut won, mut lost, mut hold) = (Sum::default(), Sum::default(), Sum::default(), 0);
        for entry in entries {
            // A net result of exactly 0 is not a win.
            let side = if entry.trade.net_bps > 0.0 { &mut won } else { &mut lost };
            side.add(entry);
            all.add(entry);
            hold += entry.trade.hold_bars();
        }
        Self {
            count: all.count,
            wins: won.count,
            win_rate: mean_of(won.count as f64, all.count),
            profit_factor: if lost.money < 0.0 { won.money / -lost.money } else { won.money },
            average_win_bps: mean_of(won.bps, won.count),
            average_loss_bps: mean_of(lost.bps, lost.count),
            average_win: mean_of(won.money, won.count),
            average_loss: mean_of(lost.money, lost.count),
            average_bps: mean_of(all.bps, all.count),
            average_hold_bars: mean_of(hold as f64, all.count),
        }
    }
}

#[derive(Default)]
struct Sum {
    count: usize,
    bps: f64,
    money: f64,
}

impl Sum {
    fn add(&mut self, entry: &Entry) {
        self.count += 1;
        self.bps += entry.trade.net_bps;
        self.money += entry.profit;
    }
}

fn mean_of(sum: f64, count: usize) -> f64 {
    if count == 0 { 0.0 } else { sum / count as f64 }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use huracan_shadow::{ExitReason, Side, Trade};

    /// A trade over two bars without costs that earned `net_bps` on `notional`.
    pub fn entry(symbol: usize, notional: f64, net_bps: f64) -> Entry {
        let trade = Trade {
            symbol,
            side: Side::Long,
            signal_bar: 0,
            entry_bar: 1,
            entry_price: 100.0,
            exit_bar: 3,
            exit_price: 100.0,
            stop_price: 96.0,
            take_price: 110.0,
            size: 1.0,
            exit_reason: ExitReason::Time,
            gross_bps: net_bps,
            fee_bps: 0.0,
            spread_bps: 0.0,
            slippage_bps: 0.0,
            funding_bps: 0.0,
            net_bps,
        };
        Entry { trade, day: 0, notional, profit: notional * net_bps / 10_000.0 }
    }

    #[test]
    fn wins_and_losses_are_counted_in_trades_basis_points_and_money() {
        let entries = [entry(0, 100.0, 300.0), entry(0, 400.0, 100.0), entry(0, 200.0, -250.0), entry(0, 100.0, 0.0)];
        let t = TradeStatistics::of(&entries);
        assert_eq!((t.count, t.wins, t.win_rate), (4, 2, 0.5));
        assert_eq!((t.average_win_bps, t.average_loss_bps, t.average_bps), (200.0, -125.0, 37.5));
        assert_eq!((t.average_win, t.average_loss, t.average_hold_bars), (3.5, -2.5, 2.0));
        assert!((t.profit_factor - 7.0 / 5.0).abs() < 1e-15);
    }

    #[test]
    fn without_losses_the_profit_factor_is_the_money_won() {
        assert_eq!(TradeStatistics::of(&[entry(0, 100.0, 300.0)]).profit_factor, 3.0);
        assert_eq!(TradeStatistics::of(&[entry(0, 100.0, -300.0)]).profit_factor, 0.0);
        assert_eq!(TradeStatistics::of(&[]), TradeStatistics::default());
    }
}
