//! What single trades say: wins, losses, costs.

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
    /// Mean net result of all, basis points of notional.
    pub average_bps: f64,
    pub average_hold_bars: f64,
}

impl TradeStatistics {
    pub(super) fn of(entries: &[Entry]) -> Self {
        let count = entries.len();
        if count == 0 {
            return Self::default();
        }
        let mean = |values: &[f64]| super::ratios::mean(values);
        let (won, lost): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(|e| e.trade.net_bps > 0.0);
        let bps = |side: &[&Entry]| side.iter().map(|e| e.trade.net_bps).collect::<Vec<_>>();
        let money = |side: &[&Entry]| side.iter().map(|e| e.profit).sum::<f64>();
        let (gain, loss) = (money(&won), -money(&lost));
        Self {
            count,
            wins: won.len(),
            win_rate: won.len() as f64 / count as f64,
            profit_factor: if loss > 0.0 { gain / loss } else { gain },
            average_win_bps: mean(&bps(&won)),
            average_loss_bps: mean(&bps(&lost)),
            average_bps: mean(&entries.iter().map(|e| e.trade.net_bps).collect::<Vec<_>>()),
            average_hold_bars: mean(&entries.iter().map(|e| e.trade.hold_bars() as f64).collect::<Vec<_>>()),
        }
    }
}

/// Money paid, account currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct CostTotals {
    pub fees: f64,
    pub spread: f64,
    pub slippage: f64,
    pub funding: f64,
    /// All costs over the gross profit of the trades that had one; 0 where none had.
    pub cost_share: f64,
}

impl CostTotals {
    pub fn total(&self) -> f64 {
        self.fees + self.spread + self.slippage + self.funding
    }

    pub(super) fn of(entries: &[Entry]) -> Self {
        let money = |bps: fn(&Entry) -> f64| entries.iter().map(|e| e.notional * bps(e) / 10_000.0).sum::<f64>();
        let mut totals = Self {
            fees: money(|e| e.trade.fee_bps),
            spread: money(|e| e.trade.spread_bps),
            slippage: money(|e| e.trade.slippage_bps),
            funding: money(|e| e.trade.funding_bps),
            cost_share: 0.0,
        };
        let gross = money(|e| if e.trade.gross_bps > 0.0 { e.trade.gross_bps } else { 0.0 });
        totals.cost_share = if gross > 0.0 { totals.total() / gross } else { 0.0 };
        totals
    }
}
