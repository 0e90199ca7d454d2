//! What single trades say: wins, losses, how long they lasted.

use serde::Serialize;

use super::account::Entry;

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct TradeStatistics {
    pub count: usize,
    pub wins: usize,
    /// Wins over trades; 0 without trades.
    pub win_rate: f64,
    /// Money won over money lost; 0 without trades, and the money won where none was lost.
    pub profit_factor: f64,
    /// Mean net result of the winning trades, basis points of notional.
    pub average_win_bps: f64,
    /// Mean net result of the losing trades, basis points of notional, negative.
    pub average_loss_bps: f64,
    /// Mean profit of the winning trades, account currency.
    pub average_win: f64,
    /// Mean profit of the losing trades, account currency, negative.
    pub average_loss: f64,
    /// Mean net result of all, basis points of notional.
    pub average_bps: f64,
    pub average_hold_bars: f64,
}

impl TradeStatistics {
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let (mut all, mut won, mut lost, mut hold) = (Sum::default(), Sum::default(), Sum::default(), 0);
        for entry in entries {
            // A trade that paid its costs exactly has earned nothing.
            let side = if entry.trade.net_bps > 0.0 { &mut won } else { &mut lost };
            side.add(entry);
            all.add(entry);
            hold += entry.trade.hold_bars();
        }
        Self {
            count: all.count,
            wins: won.count,
            win_rate: per(won.count as f64, all.count),
            profit_factor: if lost.money < 0.0 { won.money / -lost.money } else { won.money },
            average_win_bps: per(won.bps, won.count),
            average_loss_bps: per(lost.bps, lost.count),
            average_win: per(won.money, won.count),
            average_loss: per(lost.money, lost.count),
            average_bps: per(all.bps, all.count),
            average_hold_bars: per(hold as f64, all.count),
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

fn per(sum: f64, count: usize) -> f64 {
    if count == 0 { 0.0 } else { sum / count as f64 }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use huracan_shadow::{ExitReason, Side, Trade};

    /// A trade of two bars without costs that earned `net_bps` on `notional`.
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
        Entry { trade, notional, profit: notional * net_bps / 10_000.0 }
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
