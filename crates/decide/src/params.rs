//! Parameters of decisions.

use serde::{Deserialize, Serialize};

use super::votes::VoterParams;

/// Who must agree to a trade, and how votes are weighted (settings `decide`).
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct DecideParams {
    /// Who must agree to a trade.
    pub mode: DecideMode,
    /// Least |S| of a trade, in standard deviations of the recent consensus scores S.
    pub threshold: f64,
    /// Bars over which that deviation is measured.
    pub threshold_bars: u32,
    /// Whether the outcomes of all coins count together: some hundred bars of one coin are only some dozen outcomes.
    pub pool: bool,
    /// Bars whose outcomes give the hit rate of each voter.
    pub reliability_bars: u32,
    /// Bars whose outcomes give the results of the consensus itself.
    pub record_bars: u32,
    /// Fewest bars with outcomes above the threshold, of any coin, with which the consensus may trade alone.
    pub record_min: u32,
    /// The voters' own parameters.
    #[serde(rename = "engines")]
    pub voters: VoterParams,
}

/// Who must agree to a trade.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum DecideMode {
    /// The consensus of the voters alone.
    Consensus,
    /// The model alone.
    Model,
    /// The consensus and the model.
    Both,
}

impl DecideMode {
    /// The name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Consensus => "consensus",
            Self::Model => "model",
            Self::Both => "both",
        }
    }
}

impl Default for DecideParams {
    /// The default settings.
    fn default() -> Self {
        Self {
            mode: DecideMode::Model,
            threshold: 0.75,
            threshold_bars: 100,
            pool: true,
            reliability_bars: 500,
            record_bars: 500,
            record_min: 30,
            voters: VoterParams::default(),
        }
    }
}
