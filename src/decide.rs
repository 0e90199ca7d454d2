//! From predictions to signals: who would trade, and why the others wait.

pub mod votes;

use std::collections::BTreeMap;

use crate::market::Panel;
use crate::settings::Costs;
use crate::shadow::{Rules, Side, Signals};

/// What the heads of a model say of one bar.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Prediction {
    /// Probability that a long trade makes money.
    pub win_long: f64,
    /// Probability that a short trade makes money.
    pub win_short: f64,
    /// Expected result before costs of being long, basis points; negative favours the short side.
    pub edge_bps: f64,
}

/// Why a bar is not traded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wait {
    /// The expected edge does not beat costs and safety margin.
    EdgeBelowCosts,
    /// The side of the edge is not the likelier winner.
    HeadsDisagree,
}

impl Wait {
    pub fn name(self) -> &'static str {
        match self {
            Self::EdgeBelowCosts => "edge_below_costs",
            Self::HeadsDisagree => "heads_disagree",
        }
    }
}

/// Decides one bar: trade the side of the edge if the edge beats fees, spread, slippage and funding by the
/// safety margin, and that side is also the likelier to win.
///
/// # Errors
/// The reason to wait.
pub fn gate(prediction: &Prediction, cost_bps: f64, safety_margin_bps: f64) -> Result<Side, Wait> {
    let side = if prediction.edge_bps >= 0.0 { Side::Long } else { Side::Short };
    if prediction.edge_bps.abs() <= cost_bps + safety_margin_bps {
        return Err(Wait::EdgeBelowCosts);
    }
    let (own, other) = match side {
        Side::Long => (prediction.win_long, prediction.win_short),
        Side::Short => (prediction.win_short, prediction.win_long),
    };
    if own > other { Ok(side) } else { Err(Wait::HeadsDisagree) }
}

/// Costs that a trade signalled at `bar` must expect: both ways of fee, spread and slippage at this bar's
/// turnover, and funding for the longest hold.
pub fn expected_cost_bps(panel: &Panel, symbol: usize, bar: usize, rules: &Rules) -> f64 {
    let cell = symbol * panel.bars + bar;
    let slippage = rules.slippage_bps(rules.notional, panel.close[cell], panel.volume[cell]);
    2.0 * rules.fee_bps + rules.spread_bps + 2.0 * slippage + rules.funding_bps_per_bar * rules.max_hold as f64
}

/// Turns predictions `(symbol, bar, prediction)` into signals, and counts the reasons to wait.
pub fn signals(
    panel: &Panel,
    predictions: &[(usize, usize, Prediction)],
    rules: &Rules,
    costs: &Costs,
) -> (Signals, BTreeMap<Wait, usize>) {
    let mut signals = Signals::none(panel.symbols.len(), panel.bars);
    let mut waits = BTreeMap::new();
    for (symbol, bar, prediction) in predictions {
        let cost = expected_cost_bps(panel, *symbol, *bar, rules);
        match gate(prediction, cost, costs.safety_margin_bps) {
            Ok(side) => signals.side[symbol * panel.bars + bar] = side.sign() as i8,
            Err(wait) => *waits.entry(wait).or_insert(0) += 1,
        }
    }
    (signals, waits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_wants_an_edge_beyond_costs_and_heads_that_agree() {
        let says = |win_long, win_short, edge_bps| gate(&Prediction { win_long, win_short, edge_bps }, 10.0, 3.0);
        assert_eq!(says(0.6, 0.3, 13.1), Ok(Side::Long));
        assert_eq!(says(0.6, 0.3, 13.0), Err(Wait::EdgeBelowCosts));
        assert_eq!(says(0.2, 0.5, -20.0), Ok(Side::Short));
        assert_eq!(says(0.5, 0.5, -20.0), Err(Wait::HeadsDisagree));
    }
}
