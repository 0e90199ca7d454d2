//! What trades paid to the market.

use serde::Serialize;

use super::account::Entry;

/// Money paid, account currency, and what share of the gross profit of the trades that had one it ate; shares are 0
/// where no trade had any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct CostTotals {
    pub fees: f64,
    pub spread: f64,
    pub slippage: f64,
    pub funding: f64,
    pub fee_share: f64,
    pub spread_share: f64,
    pub slippage_share: f64,
    pub funding_share: f64,
    /// Of all costs.
    pub cost_share: f64,
}

impl CostTotals {
    pub fn total(&self) -> f64 {
        self.fees + self.spread + self.slippage + self.funding
    }

    pub fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let (mut totals, mut gross) = (Self::default(), 0.0);
        for Entry { trade, notional, .. } in entries {
            let money = |bps: f64| notional * bps / 10_000.0;
            totals.fees += money(trade.fee_bps);
            totals.spread += money(trade.spread_bps);
            totals.slippage += money(trade.slippage_bps);
            totals.funding += money(trade.funding_bps);
            gross += money(if trade.gross_bps > 0.0 { trade.gross_bps } else { 0.0 });
        }
        let share = |cost: f64| if gross > 0.0 { cost / gross } else { 0.0 };
        Self {
            fee_share: share(totals.fees),
            spread_share: share(totals.spread),
            slippage_share: share(totals.slippage),
            funding_share: share(totals.funding),
            cost_share: share(totals.total()),
            ..totals
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trades::tests::entry;

    #[test]
    fn each_cost_is_money_and_a_share_of_what_winning_trades_grossed() {
        let mut entries = [entry(0, 1000.0, 100.0), entry(0, 2000.0, -50.0)];
        for Entry { trade, .. } in &mut entries {
            (trade.fee_bps, trade.spread_bps, trade.slippage_bps, trade.funding_bps) = (8.0, 4.0, 2.0, 1.0);
        }
        entries[0].trade.gross_bps = 115.0;
        entries[1].trade.gross_bps = -35.0;
        let costs = CostTotals::of(&entries);
        // 3000 of notional; 11.5 gross on the trade that won.
        let money = [costs.fees, costs.spread, costs.slippage, costs.funding, costs.total()];
        for (got, want) in money.into_iter().zip([2.4, 1.2, 0.6, 0.3, 4.5]) {
            assert!((got - want).abs() < 1e-12, "{got} {want}");
        }
        let shares = [costs.fee_share, costs.spread_share, costs.slippage_share, costs.funding_share, costs.cost_share];
        for (got, want) in shares.into_iter().zip([2.4, 1.2, 0.6, 0.3, 4.5]) {
            assert!((got - want / 11.5).abs() < 1e-12, "{got} {want}");
        }
        assert_eq!(CostTotals::of(&entries[1..]).cost_share, 0.0);
        assert_eq!(CostTotals::of(&[]), CostTotals::default());
    }
}
