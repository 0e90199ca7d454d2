//! Trading costs: totals in money, and as shares of gross profit.

use huracan_base::units::BPS;
use serde::Serialize;

use super::account::Entry;

/// Costs in account currency, and as shares of the gross profit of the trades that had one.
///
/// Shares are 0 if no trade had a gross profit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct CostTotals {
    /// Exchange fees, account currency.
    pub fees: f64,
    /// Spread, account currency.
    pub spread: f64,
    /// Slippage, account currency.
    pub slippage: f64,
    /// Funding, account currency.
    pub funding: f64,
    /// Fees over gross profit.
    pub fee_share: f64,
    /// Spread over gross profit.
    pub spread_share: f64,
    /// Slippage over gross profit.
    pub slippage_share: f64,
    /// Funding over gross profit.
    pub funding_share: f64,
    /// All costs over gross profit.
    pub cost_share: f64,
}

impl CostTotals {
    /// All costs together, account currency.
    pub fn total(&self) -> f64 {
        self.fees + self.spread + self.slippage + self.funding
    }

    /// Costs of some trades.
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let (mut totals, mut gross) = (Self::default(), 0.0);
        for Entry { trade, notional, .. } in entries {
            let money = |bps: f64| notional * bps / BPS;
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
    fn each_cost_is_a_sum_of_money_and_a_share_of_gross_profit() {
        let mut entries = [entry(0, 1000.0, 100.0), entry(0, 2000.0, -50.0)];
        for Entry { trade, .. } in &mut entries {
            (trade.fee_bps, trade.spread_bps, trade.slippage_bps, trade.funding_bps) = (8.0, 4.0, 2.0, 1.0);
        }
        entries[0].trade.gross_bps = 115.0;
        entries[1].trade.gross_bps = -35.0;
        let costs = CostTotals::of(&entries);
        // Notional 3000; gross profit 11.5 on the winning trade.
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
