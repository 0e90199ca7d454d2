//! Parameters of decisions.

use serde::{Deserialize, Serialize};

use super::votes::VoterParams;

/// Who must agree to a trade, and how voters are heard.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct DecideParams {
    pub mode: DecideMode,
    pub threshold: f64,
    pub threshold_bars: u32,
    pub reliability_bars: u32,
    pub record_bars: u32,
    pub record_min: u32,
    #[serde(rename = "engines")]
    pub voters: VoterParams,
}

/// Who must agree to a trade.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum DecideMode {
    Consensus,
    Model,
    Both,
}

impl DecideMode {
    pub fn name(self) -> &'static str {
        match self {
            Self::Consensus => "consensus",
            Self::Model => "model",
            Self::Both => "both",
        }
    }
}

impl Default for DecideParams {
    /// The built-in settings.
    fn default() -> Self {
        Self {
            mode: DecideMode::Both,
            threshold: 0.75,
            threshold_bars: 100,
            reliability_bars: 500,
            record_bars: 500,
            record_min: 30,
            voters: VoterParams::default(),
        }
    }
}
