//! LightGBM's model text, version v4: what any LightGBM loads as `Booster(model_str=…)`.
//!
//! The format has no base score, so that it is added to the first round's trees. The unchanged values stand in
//! header lines of our own (`huracan_…`), which LightGBM ignores and drops when it saves: our reader takes them back,
//! so that a forest written and read again is equal to the bit. A text of LightGBM's own reads with base score 0.
//! When it predicts, LightGBM takes values at most 1e-35 from zero for zero, which a forest does not.
//!
//! The `alpha` of the quantile and Huber losses (our `delta`) stands in the parameters after the trees, and nowhere else:
//! LightGBM writes it there in six digits, we in as many as it takes, and LightGBM keeps ours when it saves the model.
//! A random forest is marked by the header line `average_output`. LightGBM loads and predicts with it as it is, but
//! trains on by it only where the parameters draw rows or features for each tree.

mod parameters;
mod read;
mod write;

pub use read::{LightgbmError, from_lightgbm};
pub use write::{lightgbm_feature_names, to_lightgbm};

/// Header line with the base score of each class.
const BASE_SCORE: &str = "huracan_base_score";
/// Header line with the first round's leaf values, then node values, tree by tree, base score not added.
const FIRST_VALUES: &str = "huracan_first_values";
/// Header line with the features' own names, a JSON array with `=` escaped, where the format cannot hold them.
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
