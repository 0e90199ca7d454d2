//! Finished models: the bundle that the trading bot loads, and export to LightGBM and XGBoost.

pub mod bundle;
mod interchange;
pub mod lightgbm;
pub mod networks;
mod predict;
pub mod xgboost;

pub use bundle::{Bundle, BundleError, Metadata, Scaler, combined_digest, load_forest};
pub use lightgbm::{LightgbmError, from_lightgbm, to_lightgbm};
pub use networks::NetworksError;
pub(crate) use predict::mixed;
pub use predict::{SymbolModel, predictions, predictions_from};
pub use xgboost::{XgboostError, to_xgboost};
