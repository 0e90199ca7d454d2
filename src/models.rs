//! Finished models: the bundle that the trading bot loads, and export to LightGBM and XGBoost.

pub mod bundle;
mod explain;
mod interchange;
pub mod lightgbm;
pub mod networks;
mod predict;
pub mod xgboost;

pub use bundle::{Bundle, BundleError, Metadata, Scaler, combined_digest, load_forest};
pub use explain::NoContributions;
pub use lightgbm::{LightgbmError, from_lightgbm, to_lightgbm};
pub use networks::NetworksError;
pub use predict::{CalibratedModel, CoinRows, SymbolModel, predictions, predictions_from};
pub use xgboost::{XgboostError, to_xgboost};
