//! Indicators over a symbol's own bars: one value per bar, NaN before the first valid one.
//!
//! Indicators of TA-Lib equal TA-Lib's, start-up included. Windows are summed from scratch at every bar, the oldest
//! entry first, so that a value does not depend on where its series began. Recurrences run from bar to bar.

mod averages;
mod bands;
mod flows;
mod oscillators;
mod windows;

pub use averages::{Directional, directional, ema, macd, rsi, true_range, wilder};
#[cfg(test)]
pub use bands::{PRICE_ROUNDING, RETURN_ROUNDING};
pub use bands::{mean_and_deviation, mean_and_sample_deviation, supertrend, z_score};
#[cfg(test)]
pub use flows::TYPICAL_ROUNDING;
pub use flows::{
    accumulation, chaikin_money_flow, money_flow_index, money_flows, on_balance_volume, typical_price, vwap,
};
pub use oscillators::CCI_SCALE;
pub use oscillators::{cci, rate_of_change, returns, stochastic, williams_r};
#[cfg(test)]
pub use windows::LINE_SCALE;
pub use windows::{highest, linear_regression_slope, lowest, sma, sum};
