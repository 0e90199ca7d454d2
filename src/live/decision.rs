//! The decision on one bar of one coin, with what it rests on.

use crate::bars::Panel;
use crate::decide::{self, Opinion, Prediction, WaitReason};
use crate::shadow::{Rules, Side};

/// What is decided on one bar of one coin, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Row of the symbol in the panel.
    pub symbol: usize,
    /// The side, or why the bar is not traded. A short where there are none only ends a long position.
    pub side: Result<Side, WaitReason>,
    /// The model's prediction.
    pub prediction: Option<Prediction>,
    /// The voters' consensus.
    pub opinion: Opinion,
    /// Expected edge before costs, basis points: of a model's prediction what may be traded, signed; of the consensus alone the mean
    /// of its outcomes.
    pub edge_bps: f64,
    /// Expected costs on the side of the edge, basis points.
    pub cost_bps: f64,
    /// Close of the bar.
    pub price: f64,
    /// Distance of the stop from the entry price, quote currency; NaN without ATR.
    pub stop: f64,
    /// Distance of the take-profit from the entry price, quote currency; NaN without ATR.
    pub take: f64,
}

impl Decision {
    /// Decides on a bar as [`decide::decide`] does. `atr` is the bar's ATR(14) in price units.
    ///
    /// # Panics
    /// Where there is no such symbol or bar.
    pub fn of(
        panel: &Panel,
        (symbol, bar, prediction): decide::Candidate,
        opinion: Opinion,
        atr: f64,
        rules: &Rules,
        policy: decide::Policy,
    ) -> Self {
        let side = decide::decide_bar(panel, (symbol, bar, prediction), Some(opinion), atr, rules, policy);
        let (edge_bps, long) = match (policy.mode, prediction) {
            (decide::DecideMode::Consensus, _) => (f64::from(opinion.expected_bps), opinion.score >= 0.0),
            (_, Some(prediction)) => (prediction.tradable_bps(), prediction.tradable_bps() >= 0.0),
            (_, None) => (f64::NAN, true),
        };
        let toward = side.unwrap_or(if long { Side::Long } else { Side::Short });
        let has_atr = atr > 0.0;
        let distance = |multiple: f64| if has_atr { multiple * atr } else { f64::NAN };
        Self {
            symbol,
            side,
            prediction,
            opinion,
            edge_bps,
            cost_bps: if has_atr {
                decide::expected_cost_bps(panel, symbol, bar, toward, atr, rules)
            } else {
                f64::NAN
            },
            price: panel.row(&panel.close, symbol)[bar],
            stop: distance(rules.stop_atr),
            take: distance(rules.take_atr),
        }
    }
}
