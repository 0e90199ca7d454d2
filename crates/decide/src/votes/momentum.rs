//! Momentum voters: buy what has gained, and what money flows into.

use super::grade::between;
use super::indicators;
use super::params::{AtrDistance, Oscillator};
use super::symbol::Symbol;

/// Factor from per cent to a fraction. Twin of `FRACTION_OF_PERCENT` in `kernels/votes_cast.cu`.
pub const FRACTION_OF_PERCENT: f64 = 0.01;

/// Rate of change, as a price distance in ATR.
pub fn rate_of_change(s: &Symbol, p: &AtrDistance) -> Vec<f64> {
    let change = indicators::rate_of_change(s.close, p.bars);
    s.each(|t| {
        if t < p.bars {
            return f64::NAN;
        }
        s.in_atr(t, change[t] * FRACTION_OF_PERCENT * s.close[t - p.bars], p.full_atr)
    })
}

/// Money-flow index, with full votes at its bounds; 0 where no money flowed.
pub fn money_flow_index(s: &Symbol, p: &Oscillator) -> Vec<f64> {
    let [into, out_of] = indicators::money_flows(s.high, s.low, s.close, s.volume, p.bars);
    s.each(|t| {
        let vote = between(indicators::money_flow_index(into[t], out_of[t]), p.low, p.high);
        if into[t] + out_of[t] == 0.0 { 0.0 } else { vote }
    })
}
