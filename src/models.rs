//! Finished models: the bundle that the trading bot loads, interchange with LightGBM and XGBoost, and the verdict on a
//! model.

pub mod bundle;
mod family;
mod interchange;
pub mod lightgbm;
pub mod networks;
pub mod verdict;
pub mod xgboost;

pub use bundle::{Bundle, BundleError, Metadata, Scaler, combined_digest, load_forest};
pub use family::{Family, Member, Mix};
pub use lightgbm::{LightgbmError, from_lightgbm, to_lightgbm};
pub use networks::{Networks, NetworksError};
pub use verdict::{Approved, Failure, Outcome, Rejected, Verdict};
pub use xgboost::{XgboostError, to_xgboost};
