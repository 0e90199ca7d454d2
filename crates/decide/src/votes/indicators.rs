//! Indicators over a symbol's own bars, one value a bar, NaN before the first one that exists.
//!
//! Those that TA-Lib has equal TA-Lib's, start-up included. Windows are summed anew at every bar, the oldest entry
//! first, so that a value does not depend on where its series began; recurrences go from bar to bar.

mod averages;
mod bands;
mod flows;
mod oscillators;
mod windows;

pub use averages::{Directional, directional, ema, macd, rsi, true_range, wilder};
pub use bands::{mean_and_deviation, mean_and_sample_deviation, supertrend, z_score};
pub use flows::{
    accumulation, chaikin_money_flow, money_flow_index, money_flows, on_balance_volume, typical_price, vwap,
};
pub use oscillators::{cci, rate_of_change, returns, stochastic, williams_r};
pub use windows::{highest, linear_regression_slope, lowest, sma, sum};
