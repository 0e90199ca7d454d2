//! What the training of all symbols shares.

use huracan_bars::Panel;
use huracan_engine::Compute;
use huracan_features::View;

use super::{Targets, TrainerParams, Tuning};

/// Inputs shared by the training of all symbols.
pub struct TrainingInputs<'a> {
    pub params: &'a TrainerParams,
    pub panel: &'a Panel,
    pub view: &'a View,
    pub targets: &'a Targets,
    pub tuning: &'a Tuning,
    pub compute: &'a Compute,
}
