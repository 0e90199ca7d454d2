//! Parts of TA-Lib's indicators, with TA-Lib's start-up. A series is valid from its lookback on.

use super::series::{Block, Series, map};
pub use super::windows::SHARE_3;

// These constants have twins of the same name in `kernels/features.cuh`; a test in `device.rs` compares them.

/// Full scale of an index in per cent.
pub const PERCENT: f64 = 100.0;
/// RSI of a price that never moved.
pub(crate) const RSI_WITHOUT_MOVES: f64 = 50.0;
/// Least sum of both directional indices that counts as movement.
pub(crate) const LEAST_DIRECTIONAL_SUM: f64 = 1e-14;
/// Share of a window's prices up to which their range is rounding error.
pub(crate) const RANGE_ROUNDING: f64 = 1e-14;

/// RSI of an average gain and loss; 50 where the price never moved.
#[inline(always)]
pub fn rsi([gain, loss]: [f64; 2]) -> f64 {
    let index = PERCENT * (gain / (gain + loss));
    if gain + loss > 0.0 { index } else { RSI_WITHOUT_MOVES }
}

/// True range from high, low and the previous close.
#[inline(always)]
pub fn true_range([high, low, before]: [f64; 3]) -> f64 {
    let range = high - low;
    let up = (high - before).abs();
    let down = (low - before).abs();
    let range = if up > range { up } else { range };
    if down > range { down } else { range }
}

/// Gain of a close over the previous one, ≥ 0.
#[inline(always)]
pub fn gain([now, before]: [f64; 2]) -> f64 {
    let change = now - before;
    if change > 0.0 { change } else { 0.0 }
}

/// Loss of a close against the previous one, ≥ 0.
#[inline(always)]
pub fn loss([now, before]: [f64; 2]) -> f64 {
    let change = now - before;
    if change > 0.0 { 0.0 } else { 0.0 - change }
}

/// +DM from the moves up and down, or −DM with the arguments swapped: the move to one side if it is positive and the
/// larger of both, else 0.
#[inline(always)]
pub fn movement(own: f64, other: f64) -> f64 {
    if (own > 0.0) & (own > other) { own } else { 0.0 }
}

/// +DM and −DM of each bar.
#[inline(always)]
pub(crate) fn movements(high: &Series, low: &Series, [plus, minus]: [&mut Block; 2]) {
    let inputs = [high.lag(0), high.lag(1), low.lag(0), low.lag(1)];
    map(inputs, plus, |[high, high_before, low, low_before]| movement(high - high_before, low_before - low));
    map(inputs, minus, |[high, high_before, low, low_before]| movement(low_before - low, high - high_before));
}

/// DX from the running sums of +DM, −DM and the true range; NaN where there is no range or no movement.
#[inline(always)]
pub fn directional([plus, minus, range]: [f64; 3]) -> f64 {
    let (plus_di, minus_di) = (PERCENT * (plus / range), PERCENT * (minus / range));
    let both = plus_di + minus_di;
    let dx = PERCENT * ((minus_di - plus_di).abs() / both);
    if (range > 0.0) & (both >= LEAST_DIRECTIONAL_SUM) { dx } else { f64::NAN }
}

/// Fast %K of the stochastic oscillator from a close and its window's low and high; 0 where the window is flat.
#[inline(always)]
pub fn fast_k([close, low, high]: [f64; 3]) -> f64 {
    let fast_k = (close - low) / (high - low) * PERCENT;
    if flat([low, high]) { 0.0 } else { fast_k }
}

/// Whether a window's low and high differ by no more than rounding.
#[inline(always)]
pub fn flat([low, high]: [f64; 2]) -> bool {
    (high - low).abs() <= RANGE_ROUNDING * (high.abs() + low.abs())
}

/// The change of OBV at a bar: plus or minus its volume, by the direction of the close. The first bar, whose previous
/// close is 0, adds its whole volume.
#[inline(always)]
pub fn signed_volume([volume, now, before]: [f64; 3]) -> f64 {
    let not_above = if now < before { -volume } else { 0.0 };
    if now > before { volume } else { not_above }
}
