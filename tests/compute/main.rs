//! What is computed, compared with values worked out elsewhere: by hand, by TA-Lib, LightGBM, XGBoost and empyrical.

#[path = "../support/candles.rs"]
mod candles;
#[path = "../support/cli.rs"]
mod cli;
#[path = "../support/forests.rs"]
mod forests;
#[path = "../support/learning.rs"]
mod learning;
#[path = "../support/python.rs"]
mod python;
#[path = "../support/skip.rs"]
mod skip;

mod references;

mod boost_accuracy;
mod boost_importance;
mod boost_rules;
mod determinism;
mod features_talib;
mod kernels_nvrtc;
mod lightgbm_interop;
mod look_ahead;
mod market_files;
mod metrics_peers;
mod shadow_rules;
mod sweep_rules;
mod votes;
mod votes_talib;
mod xgboost_interop;
