//! The gate: decides whether a bar is traded, on which side, or why not.

use super::consensus::Opinion;
use super::{DecideMode, Head};
use huracan_shadow::Side;

/// The calibrated prediction of a model for one bar.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Prediction {
    /// Probability that a long trade makes money.
    pub win_long: f64,
    /// Probability that a short trade makes money.
    pub win_short: f64,
    /// Expected result of a long position before costs, basis points; negative favours the short side.
    pub edge_bps: f64,
    /// What `edge_bps` would be without the part of the market's drift that is believed: 0 where the head has no skill.
    pub told_bps: f64,
    /// By how much a long trade's probability exceeds what its head says of no bar in particular, less the same of a short trade.
    /// 0 where the heads have no skill: then they have no side.
    pub lead: f64,
}

impl Prediction {
    /// The edge that may be traded, basis points: what the model says of this bar, less a drift of the market against it; a
    /// drift in its favour is nobody's skill. 0 if the drift outweighs it.
    pub fn tradable_bps(&self) -> f64 {
        let long = self.told_bps >= 0.0;
        let (edge, told) = if long { (self.edge_bps, self.told_bps) } else { (-self.edge_bps, -self.told_bps) };
        let least = if edge.is_nan() || told.is_nan() { f64::NAN } else { edge.min(told).max(0.0) };
        if long { least } else { -least }
    }

    /// The value of one head.
    pub fn head(&self, head: Head) -> f64 {
        match head {
            Head::WinLong => self.win_long,
            Head::WinShort => self.win_short,
            Head::EdgeBps => self.edge_bps,
        }
    }
}

/// Why a bar is not traded. Of several reasons, the first one that the gate finds counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WaitReason {
    /// There are not enough bars yet for a score and its threshold, or there is no prediction.
    WarmUp,
    /// The consensus score does not exceed its threshold.
    ScoreBelowThreshold,
    /// The consensus alone decides, and too few of its outcomes are known to expect an edge.
    NoRecord,
    /// The expected edge does not exceed costs and safety margin.
    EdgeBelowCosts,
    /// The probabilities favour the other side, compared with their base rates.
    HeadsDisagree,
    /// Model and consensus are on opposite sides.
    ConsensusDisagrees,
    /// The bar has no ATR, and so no stop distance.
    NoStop,
    /// Everything speaks for a short, and the market has none.
    NoShorts,
}

impl WaitReason {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::WarmUp,
        Self::ScoreBelowThreshold,
        Self::NoRecord,
        Self::EdgeBelowCosts,
        Self::HeadsDisagree,
        Self::ConsensusDisagrees,
        Self::NoStop,
        Self::NoShorts,
    ];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::WarmUp => "warm_up",
            Self::ScoreBelowThreshold => "score_below_threshold",
            Self::NoRecord => "no_record",
            Self::EdgeBelowCosts => "edge_below_costs",
            Self::HeadsDisagree => "heads_disagree",
            Self::ConsensusDisagrees => "consensus_disagrees",
            Self::NoStop => "no_stop",
            Self::NoShorts => "no_shorts",
        }
    }
}

/// The inputs of one bar's decision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GateInputs {
    /// `None` with `DecideMode::Consensus`, and outside the model's test windows.
    pub prediction: Option<Prediction>,
    /// `None` with `DecideMode::Model`.
    pub opinion: Option<Opinion>,
    /// Expected costs of a long trade, basis points.
    pub long_cost_bps: f64,
    /// Expected costs of a short trade, basis points.
    pub short_cost_bps: f64,
}

impl GateInputs {
    /// Expected costs of a trade on this side, basis points.
    fn cost_bps(&self, side: Side) -> f64 {
        match side {
            Side::Long => self.long_cost_bps,
            Side::Short => self.short_cost_bps,
        }
    }
}

/// Decides one bar. Model and consensus, as far as `mode` uses them, must be on the same side, and the expected edge
/// must exceed the costs by more than the safety margin. The edge is the model's; where the consensus decides alone, it
/// is the mean of its recent outcomes.
///
/// # Errors
/// The reason to wait.
pub fn gate(mode: DecideMode, inputs: &GateInputs, safety_margin_bps: f64) -> Result<Side, WaitReason> {
    let least_bps = |side: Side| inputs.cost_bps(side) + safety_margin_bps;
    match mode {
        DecideMode::Model => model(inputs, least_bps),
        DecideMode::Consensus => {
            let opinion = inputs.opinion.ok_or(WaitReason::WarmUp)?;
            let side = consensus(&opinion)?;
            match opinion.expected_bps {
                expected if expected.is_nan() => Err(WaitReason::NoRecord),
                expected if f64::from(expected) > least_bps(side) => Ok(side),
                _ => Err(WaitReason::EdgeBelowCosts),
            }
        }
        DecideMode::Both => {
            let consensus_side = consensus(&inputs.opinion.ok_or(WaitReason::WarmUp)?)?;
            let side = model(inputs, least_bps)?;
            if side == consensus_side { Ok(side) } else { Err(WaitReason::ConsensusDisagrees) }
        }
    }
}

/// The side of a score beyond its threshold.
fn consensus(opinion: &Opinion) -> Result<Side, WaitReason> {
    if opinion.score.is_nan() || opinion.threshold.is_nan() {
        Err(WaitReason::WarmUp)
    } else if opinion.passes() {
        Ok(if opinion.score > 0.0 { Side::Long } else { Side::Short })
    } else {
        Err(WaitReason::ScoreBelowThreshold)
    }
}

/// The side of the model's edge, if the edge is large enough and the probabilities do not favour the other side.
fn model(inputs: &GateInputs, least_bps: impl Fn(Side) -> f64) -> Result<Side, WaitReason> {
    let prediction = inputs.prediction.ok_or(WaitReason::WarmUp)?;
    let edge_bps = prediction.tradable_bps();
    let side = if edge_bps >= 0.0 { Side::Long } else { Side::Short };
    // NaN is no edge.
    if edge_bps.is_nan() || edge_bps.abs() <= least_bps(side) {
        return Err(WaitReason::EdgeBelowCosts);
    }
    let lead = match side {
        Side::Long => prediction.lead,
        Side::Short => -prediction.lead,
    };
    if lead >= 0.0 { Ok(side) } else { Err(WaitReason::HeadsDisagree) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A short costs more, because its coins are borrowed.
    const COSTS: GateInputs = GateInputs { prediction: None, opinion: None, long_cost_bps: 10.0, short_cost_bps: 15.0 };

    fn prediction(win_long: f64, win_short: f64, edge_bps: f64) -> Option<Prediction> {
        Some(Prediction { win_long, win_short, edge_bps, told_bps: edge_bps, lead: win_long - win_short })
    }

    fn opinion(score: f32, threshold: f32, expected_bps: f32) -> Option<Opinion> {
        Some(Opinion { score, threshold, expected_bps, confidence: 60.0 })
    }

    #[test]
    fn a_model_needs_an_edge_beyond_costs_and_heads_that_agree() {
        let decide = |prediction| gate(DecideMode::Model, &GateInputs { prediction, ..COSTS }, 3.0);
        assert_eq!(decide(prediction(0.6, 0.3, 13.1)), Ok(Side::Long));
        assert_eq!(decide(prediction(0.6, 0.3, 13.0)), Err(WaitReason::EdgeBelowCosts));
        assert_eq!(decide(prediction(0.2, 0.5, -20.0)), Ok(Side::Short));
        assert_eq!(decide(prediction(0.2, 0.5, -18.0)), Err(WaitReason::EdgeBelowCosts));
        // Probabilities at their base rates favour no side.
        assert_eq!(decide(prediction(0.5, 0.5, -20.0)), Ok(Side::Short));
        assert_eq!(decide(prediction(0.51, 0.5, -20.0)), Err(WaitReason::HeadsDisagree));
        assert_eq!(decide(prediction(0.5, 0.5, f64::NAN)), Err(WaitReason::EdgeBelowCosts));
    }

    #[test]
    fn a_drift_of_the_market_is_not_traded_but_counts_against_an_edge() {
        let tradable =
            |edge_bps, told_bps| Prediction { edge_bps, told_bps, ..prediction(0.5, 0.5, 0.0).unwrap() }.tradable_bps();
        assert_eq!((tradable(30.0, 0.0), tradable(-30.0, 0.0)), (0.0, 0.0));
        assert_eq!((tradable(30.0, 20.0), tradable(12.0, 20.0), tradable(-5.0, 20.0)), (20.0, 12.0, 0.0));
        assert_eq!((tradable(-30.0, -20.0), tradable(-12.0, -20.0), tradable(5.0, -20.0)), (-20.0, -12.0, 0.0));
        assert!(tradable(f64::NAN, 1.0).is_nan());
    }

    #[test]
    fn the_consensus_alone_needs_a_score_beyond_its_threshold_and_outcomes_beyond_costs() {
        let decide = |opinion| gate(DecideMode::Consensus, &GateInputs { opinion, ..COSTS }, 3.0);
        assert_eq!(decide(opinion(0.4, 0.3, 14.0)), Ok(Side::Long));
        assert_eq!(decide(opinion(-0.4, 0.3, 19.0)), Ok(Side::Short));
        assert_eq!(decide(opinion(-0.4, 0.3, 18.0)), Err(WaitReason::EdgeBelowCosts));
        assert_eq!(decide(opinion(0.3, 0.3, 14.0)), Err(WaitReason::ScoreBelowThreshold));
        assert_eq!(decide(opinion(0.0, 0.0, 14.0)), Err(WaitReason::ScoreBelowThreshold));
        assert_eq!(decide(opinion(0.4, 0.3, 13.0)), Err(WaitReason::EdgeBelowCosts));
        assert_eq!(decide(opinion(0.4, 0.3, -50.0)), Err(WaitReason::EdgeBelowCosts));
        assert_eq!(decide(opinion(0.4, 0.3, f32::NAN)), Err(WaitReason::NoRecord));
        assert_eq!(decide(opinion(0.4, f32::NAN, 14.0)), Err(WaitReason::WarmUp));
        assert_eq!(decide(None), Err(WaitReason::WarmUp));
    }

    #[test]
    fn both_must_be_on_the_same_side_and_the_edge_is_the_models() {
        let decide = |prediction, opinion| gate(DecideMode::Both, &GateInputs { prediction, opinion, ..COSTS }, 3.0);
        // The outcomes of the consensus do not matter where a model predicts the edge.
        assert_eq!(decide(prediction(0.6, 0.3, 14.0), opinion(0.4, 0.3, f32::NAN)), Ok(Side::Long));
        assert_eq!(decide(prediction(0.6, 0.3, 14.0), opinion(-0.4, 0.3, 99.0)), Err(WaitReason::ConsensusDisagrees));
        assert_eq!(decide(prediction(0.6, 0.3, 14.0), opinion(0.2, 0.3, 99.0)), Err(WaitReason::ScoreBelowThreshold));
        assert_eq!(decide(prediction(0.6, 0.3, 12.0), opinion(0.4, 0.3, 99.0)), Err(WaitReason::EdgeBelowCosts));
        assert_eq!(decide(prediction(0.3, 0.6, 14.0), opinion(0.4, 0.3, 99.0)), Err(WaitReason::HeadsDisagree));
    }
}
