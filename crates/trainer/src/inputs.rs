//! What the training of all symbols shares.

use huracan_bars::Panel;
use huracan_engine::Compute;
use huracan_features::Features;
use huracan_labels::Labels;

use super::{TrainerParams, Tuning};

/// Inputs shared by the training of all symbols.
pub struct TrainingInputs<'a> {
    pub params: &'a TrainerParams,
    pub panel: &'a Panel,
    pub features: &'a Features,
    pub labels: &'a Labels,
    pub tuning: &'a Tuning,
    pub compute: &'a Compute,
}
