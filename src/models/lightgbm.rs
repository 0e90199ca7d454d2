//! LightGBM's model text, version v4: what any LightGBM loads as `Booster(model_str=…)`.
//!
//! The format has no base score, so the base score is added to the first round's trees. The original values are
//! stored in header lines of our own (`huracan_…`), which LightGBM ignores and drops when it saves. Our reader
//! restores them, so a forest that is written and read again is equal to the bit. A text written by LightGBM itself
//! is read with base score 0. When predicting, LightGBM treats values within 1e-35 of zero as zero; a forest does
//! not.
//!
//! The `alpha` of the quantile and Huber losses (our `delta`) is stored only in the parameters after the trees.
//! LightGBM writes it there with six digits, we with as many as it needs, and LightGBM keeps ours when it saves the
//! model.
//!
//! A random forest is marked by the header line `average_output`. LightGBM loads it and predicts with it, but can
//! continue training it only if the parameters draw rows or features per tree.

mod numbers;
mod parameters;
mod read;
mod write;

pub use read::{LightgbmError, from_lightgbm};
pub use write::{lightgbm_feature_names, to_lightgbm};

/// Header line with the base score of each class.
const BASE_SCORE: &str = "huracan_base_score";
/// Header line with the first round's leaf values, then node values, tree by tree, without the base score.
const FIRST_VALUES: &str = "huracan_first_values";
/// Header line with the original feature names, a JSON array with `=` escaped, if the format cannot hold them.
const OWN_NAMES: &str = "huracan_feature_names";
/// Header line with the validation loss after each round.
const VALIDATION_LOSS: &str = "huracan_validation_loss";

/// Bits of `decision_type`.
const CATEGORICAL: u8 = 1;
const DEFAULT_LEFT: u8 = 2;
const MISSING_SHIFT: u8 = 2;
const MISSING_NONE: u8 = 0;
const MISSING_ZERO: u8 = 1;
const MISSING_NAN: u8 = 2;

#[cfg(test)]
mod tests;
