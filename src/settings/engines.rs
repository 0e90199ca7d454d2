//! Parameters of the voting engines.

use serde::{Deserialize, Serialize};

/// Every engine's own parameters, by the engine's name.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct Engines {
    /// Engines without a vote.
    pub off: Vec<String>,
}
