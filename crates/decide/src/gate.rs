//! Whether a bar is traded: on which side, or for which reason not.

use super::consensus::Opinion;
use super::{DecideMode, Head};
use huracan_shadow::Side;

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

impl Prediction {
    /// The prediction whose heads have these values, in the order of [`Head::ALL`].
    pub fn new([win_long, win_short, edge_bps]: [f64; Head::COUNT]) -> Self {
        Self { win_long, win_short, edge_bps }
    }

    /// What one head says.
    pub fn of(&self, head: Head) -> f64 {
        match head {
            Head::WinLong => self.win_long,
            Head::WinShort => self.win_short,
            Head::EdgeBps => self.edge_bps,
        }
    }
}

/// Why a bar is not traded; the first that holds, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wait {
    /// The engines have not seen enough bars for a score and its threshold.
    WarmUp,
    /// The consensus score does not exceed its threshold.
    ScoreBelowThreshold,
    /// Consensus alone: too few of its own outcomes are known to expect an edge.
    NoRecord,
    /// The expected edge does not beat costs and safety margin.
    EdgeBelowCosts,
    /// The side of the model's edge is not the likelier winner.
    HeadsDisagree,
    /// Model and consensus want opposite sides.
    ConsensusDisagrees,
    /// The bar has no ATR, and so no distance for a stop.
    NoStop,
}

impl Wait {
    pub const ALL: [Self; 7] = [
        Self::WarmUp,
        Self::ScoreBelowThreshold,
        Self::NoRecord,
        Self::EdgeBelowCosts,
        Self::HeadsDisagree,
        Self::ConsensusDisagrees,
        Self::NoStop,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::WarmUp => "warm_up",
            Self::ScoreBelowThreshold => "score_below_threshold",
            Self::NoRecord => "no_record",
            Self::EdgeBelowCosts => "edge_below_costs",
            Self::HeadsDisagree => "heads_disagree",
            Self::ConsensusDisagrees => "consensus_disagrees",
            Self::NoStop => "no_stop",
        }
    }
}

/// What one bar's decision stands on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// None where no model speaks: by `DecideMode::Consensus`, or outside its test windows.
    pub prediction: Option<Prediction>,
    /// None by `DecideMode::Model`.
    pub opinion: Option<Opinion>,
    /// What a trade must expect to pay, basis points.
    pub cost_bps: f64,
}

/// Decides one bar: both voices that `mode` asks must want the same side, and the expected edge must beat costs by
/// the safety margin. The edge is the model's, or what the consensus itself has earned lately where it decides alone.
///
/// # Errors
/// The reason to wait.
pub fn gate(mode: DecideMode, evidence: &Evidence, safety_margin_bps: f64) -> Result<Side, Wait> {
    let least_bps = evidence.cost_bps + safety_margin_bps;
    match mode {
        DecideMode::Model => model(evidence, least_bps),
        DecideMode::Consensus => {
            let opinion = evidence.opinion.ok_or(Wait::WarmUp)?;
            let side = consensus(&opinion)?;
            match opinion.expected_bps {
                expected if expected.is_nan() => Err(Wait::NoRecord),
                expected if f64::from(expected) > least_bps => Ok(side),
                _ => Err(Wait::EdgeBelowCosts),
            }
        }
        DecideMode::Both => {
            let wanted = consensus(&evidence.opinion.ok_or(Wait::WarmUp)?)?;
            let side = model(evidence, least_bps)?;
            if side == wanted { Ok(side) } else { Err(Wait::ConsensusDisagrees) }
        }
    }
}

/// The side of a score beyond its threshold.
fn consensus(opinion: &Opinion) -> Result<Side, Wait> {
    if opinion.score.is_nan() || opinion.threshold.is_nan() {
        Err(Wait::WarmUp)
    } else if opinion.passes() {
        Ok(if opinion.score > 0.0 { Side::Long } else { Side::Short })
    } else {
        Err(Wait::ScoreBelowThreshold)
    }
}

/// The side of the model's edge, if it is large enough and that side is also the likelier to win.
fn model(evidence: &Evidence, least_bps: f64) -> Result<Side, Wait> {
    let says = evidence.prediction.ok_or(Wait::WarmUp)?;
    let side = if says.edge_bps >= 0.0 { Side::Long } else { Side::Short };
    // An undefined edge is no edge.
    if says.edge_bps.is_nan() || says.edge_bps.abs() <= least_bps {
        return Err(Wait::EdgeBelowCosts);
    }
    let (own, other) = match side {
        Side::Long => (says.win_long, says.win_short),
        Side::Short => (says.win_short, says.win_long),
    };
    if own > other { Ok(side) } else { Err(Wait::HeadsDisagree) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(win_long: f64, win_short: f64, edge_bps: f64) -> Option<Prediction> {
        Some(Prediction { win_long, win_short, edge_bps })
    }

    fn thinks(score: f32, threshold: f32, expected_bps: f32) -> Option<Opinion> {
        Some(Opinion { score, threshold, expected_bps, confidence: 60.0 })
    }

    #[test]
    fn a_model_wants_an_edge_beyond_costs_and_heads_that_agree() {
        let decide = |prediction| gate(DecideMode::Model, &Evidence { prediction, opinion: None, cost_bps: 10.0 }, 3.0);
        assert_eq!(decide(says(0.6, 0.3, 13.1)), Ok(Side::Long));
        assert_eq!(decide(says(0.6, 0.3, 13.0)), Err(Wait::EdgeBelowCosts));
        assert_eq!(decide(says(0.2, 0.5, -20.0)), Ok(Side::Short));
        assert_eq!(decide(says(0.5, 0.5, -20.0)), Err(Wait::HeadsDisagree));
        assert_eq!(decide(says(0.5, 0.5, f64::NAN)), Err(Wait::EdgeBelowCosts));
    }

    #[test]
    fn the_consensus_alone_wants_a_score_beyond_its_threshold_and_a_record_beyond_costs() {
        let decide =
            |opinion| gate(DecideMode::Consensus, &Evidence { prediction: None, opinion, cost_bps: 10.0 }, 3.0);
        assert_eq!(decide(thinks(0.4, 0.3, 14.0)), Ok(Side::Long));
        assert_eq!(decide(thinks(-0.4, 0.3, 14.0)), Ok(Side::Short));
        assert_eq!(decide(thinks(0.3, 0.3, 14.0)), Err(Wait::ScoreBelowThreshold));
        assert_eq!(decide(thinks(0.0, 0.0, 14.0)), Err(Wait::ScoreBelowThreshold));
        assert_eq!(decide(thinks(0.4, 0.3, 13.0)), Err(Wait::EdgeBelowCosts));
        assert_eq!(decide(thinks(0.4, 0.3, -50.0)), Err(Wait::EdgeBelowCosts));
        assert_eq!(decide(thinks(0.4, 0.3, f32::NAN)), Err(Wait::NoRecord));
        assert_eq!(decide(thinks(0.4, f32::NAN, 14.0)), Err(Wait::WarmUp));
        assert_eq!(decide(None), Err(Wait::WarmUp));
    }

    #[test]
    fn both_must_want_the_same_side_and_the_edge_is_the_models() {
        let decide =
            |prediction, opinion| gate(DecideMode::Both, &Evidence { prediction, opinion, cost_bps: 10.0 }, 3.0);
        // The consensus's own record is not asked where a model tells the edge.
        assert_eq!(decide(says(0.6, 0.3, 14.0), thinks(0.4, 0.3, f32::NAN)), Ok(Side::Long));
        assert_eq!(decide(says(0.6, 0.3, 14.0), thinks(-0.4, 0.3, 99.0)), Err(Wait::ConsensusDisagrees));
        assert_eq!(decide(says(0.6, 0.3, 14.0), thinks(0.2, 0.3, 99.0)), Err(Wait::ScoreBelowThreshold));
        assert_eq!(decide(says(0.6, 0.3, 12.0), thinks(0.4, 0.3, 99.0)), Err(Wait::EdgeBelowCosts));
        assert_eq!(decide(says(0.3, 0.6, 14.0), thinks(0.4, 0.3, 99.0)), Err(Wait::HeadsDisagree));
    }
}
