//! Momentum engines: what has gained, and what money flows into, goes on gaining.

use super::grade::between;
use super::indicators;
use super::params::{Oscillator, OverAtr};
use super::symbol::Symbol;

/// Rate of change, as a price distance in ATR.
pub fn rate_of_change(s: &Symbol, p: &OverAtr) -> Vec<f64> {
    let change = indicators::rate_of_change(s.close, p.bars);
    s.each(|t| {
        if t < p.bars {
            return f64::NAN;
        }
        s.in_atr(t, change[t] * 0.01 * s.close[t - p.bars], p.full_atr)
    })
}

/// Money-flow index, full votes at its bounds; 0 where no money flowed.
pub fn money_flow_index(s: &Symbol, p: &Oscillator) -> Vec<f64> {
    let [into, out_of] = indicators::money_flows(s.high, s.low, s.close, s.volume, p.bars);
    s.each(|t| {
        let vote = between(indicators::money_flow_index(into[t], out_of[t]), p.low, p.high);
        if into[t] + out_of[t] == 0.0 { 0.0 } else { vote }
    })
}
