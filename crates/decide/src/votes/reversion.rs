//! Reversion voters: buy what fell too far, sell what rose too far.

use super::grade::{between, graded};
use super::indicators;
use super::params::{Bollinger, IndexLevel, Oscillator, Stochastic};
use super::symbol::Symbol;
use huracan_features::indicators::flat;

/// RSI, with full votes at its bounds; 0 where the price never moved.
pub fn rsi(s: &Symbol, p: &Oscillator) -> Vec<f64> {
    let rsi = indicators::rsi(s.close, p.bars, &mut s.past.borrow_mut());
    s.each(|t| -between(rsi[t], p.low, p.high))
}

/// Distance of the close from its mean, with full votes at the Bollinger bands.
pub fn bollinger(s: &Symbol, p: &Bollinger) -> Vec<f64> {
    let [mean, deviation] = indicators::mean_and_deviation(s.close, p.bars);
    s.each(|t| graded(mean[t] - s.close[t], p.deviations * deviation[t]))
}

/// Slow %D of the stochastic oscillator, with full votes at its bounds; 0 where one of its windows has no range.
pub fn stochastic(s: &Symbol, p: &Stochastic) -> Vec<f64> {
    let (highest, lowest) = (indicators::highest(s.high, p.bars), indicators::lowest(s.low, p.bars));
    let [_, slow_d] = indicators::stochastic(s.close, &highest, &lowest, p.slow_k_bars, p.slow_d_bars);
    // Number of windows with a range in a row, up to this bar.
    let mut past = s.past.borrow_mut();
    let [ranged] = past.resume().unwrap_or_default();
    let (mut ranged, first) = (ranged as usize, past.from());
    let votes = s.each(|t| {
        if t < first {
            return f64::NAN;
        }
        ranged = if flat([lowest[t], highest[t]]) { 0 } else { ranged + 1 };
        let vote = -between(slow_d[t], p.low, p.high);
        if ranged < p.slow_k_bars + p.slow_d_bars - 1 { 0.0 * vote } else { vote }
    });
    past.leave(&[ranged as f64]);
    votes
}

/// Z-score of this bar's return. (That of the close is Bollinger's vote.)
pub fn z_score(s: &Symbol, p: &IndexLevel) -> Vec<f64> {
    let returns = indicators::returns(s.close);
    let z_score = indicators::z_score(&returns, p.bars);
    s.each(|t| graded(-z_score[t], p.full))
}

/// Commodity channel index.
pub fn cci(s: &Symbol, p: &IndexLevel) -> Vec<f64> {
    let cci = indicators::cci(s.high, s.low, s.close, p.bars);
    s.each(|t| graded(-cci[t], p.full))
}

/// Williams' %R, with full votes at its bounds; 0 where the window has no range.
pub fn williams_r(s: &Symbol, p: &Oscillator) -> Vec<f64> {
    let (highest, lowest) = (indicators::highest(s.high, p.bars), indicators::lowest(s.low, p.bars));
    let williams = indicators::williams_r(s.close, &highest, &lowest);
    s.each(|t| {
        let vote = -between(williams[t], p.low, p.high);
        if flat([lowest[t], highest[t]]) { 0.0 } else { vote }
    })
}
