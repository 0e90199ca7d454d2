//! Trend voters: buy what rises, sell what falls.

use super::grade::{bounded, faded, graded};
use super::indicators;
use super::params::{Adx, AtrDistance, Cross, Donchian, MacdCross, Supertrend};
use super::symbol::Symbol;

/// Distance of the fast exponential average above the slow one, in ATR.
pub fn ema_cross(s: &Symbol, p: &Cross) -> Vec<f64> {
    let [fast, slow] =
        [p.fast_bars, p.slow_bars].map(|bars| indicators::ema(s.close, bars, 0, &mut s.past.borrow_mut()));
    s.each(|t| s.in_atr(t, fast[t] - slow[t], p.full_atr))
}

/// Distance of the fast simple average above the slow one, in ATR.
pub fn sma_cross(s: &Symbol, p: &Cross) -> Vec<f64> {
    let (fast, slow) = (indicators::sma(s.close, p.fast_bars), indicators::sma(s.close, p.slow_bars));
    s.each(|t| s.in_atr(t, fast[t] - slow[t], p.full_atr))
}

/// Distance of MACD's line above its signal (the histogram), in ATR.
pub fn macd_cross(s: &Symbol, p: &MacdCross) -> Vec<f64> {
    let [line, signal] = indicators::macd(s.close, p.fast_bars, p.slow_bars, p.signal_bars, &mut s.past.borrow_mut());
    s.each(|t| s.in_atr(t, line[t] - signal[t], p.full_atr))
}

/// The side of the greater directional index, graded by ADX from `weak` to `full`.
pub fn adx(s: &Symbol, p: &Adx) -> Vec<f64> {
    let index = indicators::directional(s.high, s.low, &s.true_range, p.bars, &mut s.past.borrow_mut());
    s.each(|t| {
        let (plus, minus) = (index.plus_di[t], index.minus_di[t]);
        let strength = bounded((index.adx[t] - p.weak) / (p.full - p.weak));
        let strength = if strength < 0.0 { 0.0 } else { strength };
        let down = if minus > plus { -strength } else { 0.0 * strength };
        if plus > minus { strength } else { down }
    })
}

/// ±1 at a close above the highest high, or below the lowest low, of the bars before it; then the vote fades.
pub fn donchian(s: &Symbol, p: &Donchian) -> Vec<f64> {
    let (highest, lowest) = (indicators::highest(s.high, p.bars), indicators::lowest(s.low, p.bars));
    let mut past = s.past.borrow_mut();
    let [mut side, age] = past.resume().unwrap_or_default();
    let mut age = age as usize;
    let first = p.bars.max(past.from());
    let votes = s.each(|t| {
        if t < first {
            return f64::NAN;
        }
        age += 1;
        if s.close[t] > highest[t - 1] {
            (side, age) = (1.0, 0);
        } else if s.close[t] < lowest[t - 1] {
            (side, age) = (-1.0, 0);
        }
        side * faded(age, p.fade_bars)
    });
    past.leave(&[side, age as f64]);
    votes
}

/// The side of SuperTrend, graded by the distance of the close from its line in distances of a band.
pub fn supertrend(s: &Symbol, p: &Supertrend) -> Vec<f64> {
    let past = &mut s.past.borrow_mut();
    let atr = indicators::wilder(&s.true_range, p.bars, past);
    let line = indicators::supertrend(s.high, s.low, s.close, &atr, p.multiplier, past);
    s.each(|t| graded(s.significant(t, s.close[t] - line[t]), p.multiplier * atr[t]))
}

/// Rise of the least-squares line over its window, in ATR.
pub fn regression_slope(s: &Symbol, p: &AtrDistance) -> Vec<f64> {
    let slope = indicators::linear_regression_slope(s.close, p.bars);
    let steps = p.bars as f64 - 1.0;
    s.each(|t| s.in_atr(t, slope[t] * steps, p.full_atr))
}
