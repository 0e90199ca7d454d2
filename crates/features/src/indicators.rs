//! What TA-Lib's indicators are made of, with its start-up: each series means something from its lookback on.

use super::series::{Block, Series, map};

/// RSI of an average gain and loss; 50 where nothing ever moved.
#[inline(always)]
pub fn rsi([gain, loss]: [f64; 2]) -> f64 {
    let index = 100.0 * (gain / (gain + loss));
    if gain + loss > 0.0 { index } else { 50.0 }
}

/// True range from high, low and the close before.
#[inline(always)]
pub fn true_range([high, low, before]: [f64; 3]) -> f64 {
    let range = high - low;
    let up = (high - before).abs();
    let down = (low - before).abs();
    let range = if up > range { up } else { range };
    if down > range { down } else { range }
}

/// What a close gained on the one before, ≥ 0.
#[inline(always)]
pub fn gain([now, before]: [f64; 2]) -> f64 {
    let change = now - before;
    if change > 0.0 { change } else { 0.0 }
}

/// What a close lost to the one before, ≥ 0.
#[inline(always)]
pub fn loss([now, before]: [f64; 2]) -> f64 {
    let change = now - before;
    if change > 0.0 { 0.0 } else { 0.0 - change }
}

/// +DM, and −DM with both arguments turned round: how much further the one side moved than the other.
#[inline(always)]
pub fn movement(this: f64, other: f64) -> f64 {
    if (this > 0.0) & (this > other) { this } else { 0.0 }
}

/// +DM and −DM of each bar.
#[inline(always)]
pub fn movements(high: &Series, low: &Series, [plus, minus]: [&mut Block; 2]) {
    let inputs = [high.lag(0), high.lag(1), low.lag(0), low.lag(1)];
    map(inputs, plus, |[high, high_before, low, low_before]| movement(high - high_before, low_before - low));
    map(inputs, minus, |[high, high_before, low, low_before]| movement(low_before - low, high - high_before));
}

/// DX from the running sums of +DM, −DM and the true range; NaN where there is no range or movement.
#[inline(always)]
pub fn directional([plus, minus, range]: [f64; 3]) -> f64 {
    let (plus_di, minus_di) = (100.0 * (plus / range), 100.0 * (minus / range));
    let both = plus_di + minus_di;
    let dx = 100.0 * ((minus_di - plus_di).abs() / both);
    if (range > 0.0) & (both >= 1e-14) { dx } else { f64::NAN }
}

/// Fast %K of the stochastic oscillator from a close and its window's extremes; 0 where the window is flat.
#[inline(always)]
pub fn fast_k([close, low, high]: [f64; 3]) -> f64 {
    let place = (close - low) / (high - low) * 100.0;
    if flat([low, high]) { 0.0 } else { place }
}

/// Whether a window's extremes differ by no more than rounding.
#[inline(always)]
pub fn flat([low, high]: [f64; 2]) -> bool {
    (high - low).abs() <= 1e-14 * (high.abs() + low.abs())
}

/// What OBV adds at a bar: plus or minus its volume, by the direction of the close. All of the first bar's volume,
/// whose close stands above the 0 before it.
#[inline(always)]
pub fn signed_volume([volume, now, before]: [f64; 3]) -> f64 {
    let not_above = if now < before { -volume } else { 0.0 };
    if now > before { volume } else { not_above }
}
