//! The arithmetic that all devices share: twin of `kernels/arith.cuh`.
//!
//! It uses only `+ − × ÷ √`, comparisons and conversions, in a fixed order and never fused. So every device gives the same
//! bits. The constants have the same names and values in the kernels; a test of the engine compares them.

pub mod constants;

use constants::*;

/// High part of ln 2: its last 20 bits are zero, so that its product with an exponent is exact.
const LN2_HIGH: f64 = f64::from_bits(LN2_HIGH_BITS);
/// ln 2 − `LN2_HIGH`.
const LN2_LOW: f64 = f64::from_bits(LN2_LOW_BITS);

/// Natural logarithm, within 1 ulp. NaN below 0, −∞ at 0.
///
/// x = 2ᵏ(1 + f) with 1 + f in [√½, √2), s = f/(2 + f), and
/// ln(1 + f) = f − f²/2 + s(f²/2 + R) with R = 2s²/3 + 2s⁴/5 + …, the tail of 2 artanh s
/// (Tang 1990; the grouping keeps the rounding error of the large terms out of the sum).
///
/// It has no branches, so that the compiler can vectorise loops over it.
#[inline(always)]
pub fn ln(x: f64) -> f64 {
    let tiny = x < MIN_NORMAL;
    let scaled = if tiny { x * SUBNORMAL_SCALE } else { x };
    let bits = scaled.to_bits();
    // The bits of 2⁵² + exponent: exact, and vectorised where a conversion from i64 is not.
    let exponent = f64::from_bits(TWO_TO_52_BITS | (bits >> MANTISSA_BITS)) - TWO_TO_52;
    let m = f64::from_bits((bits & MANTISSA_MASK) | ONE_BITS);
    let high = m > SQRT_2;
    let m = if high { m * 0.5 } else { m };
    let k = exponent - if tiny { SUBNORMAL_LN_BIAS } else { LN_BIAS } + if high { 1.0 } else { 0.0 };
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let mut tail = LN_TERM_23;
    for term in [
        LN_TERM_21, LN_TERM_19, LN_TERM_17, LN_TERM_15, LN_TERM_13, LN_TERM_11, LN_TERM_9, LN_TERM_7, LN_TERM_5,
        LN_TERM_3,
    ] {
        tail = tail * z + term;
    }
    let r = tail * z;
    let half_square = 0.5 * f * f;
    let finite = k * LN2_HIGH - ((half_square - (s * (half_square + r) + k * LN2_LOW)) - f);
    let positive = if x == f64::INFINITY { x } else { finite };
    let any = if x == 0.0 { f64::NEG_INFINITY } else { positive };
    // NaN if x is NaN.
    if x >= 0.0 { any } else { f64::NAN }
}

/// Exponential function, within 1 ulp.
///
/// x = k ln 2 + r with |r| ≤ ln 2 / 2, and eˣ = 2ᵏ(1 + (r + r²(1/2 + r/6 + …))), Taylor's series up to r¹⁴.
///
/// It has no branches, so that the compiler can vectorise loops over it.
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    // Beyond these limits the result is 0 or infinite.
    let inside = if x > EXP_INPUT_MAX { EXP_INPUT_MAX } else { x };
    let inside = if inside < EXP_INPUT_MIN { EXP_INPUT_MIN } else { inside };
    let k = round_to_i32(inside * LOG2_E);
    let whole = f64::from(k);
    let high = inside - whole * LN2_HIGH;
    let low = whole * LN2_LOW;
    let r = high - low;
    let mut tail = EXP_TERM_14;
    for term in [
        EXP_TERM_13,
        EXP_TERM_12,
        EXP_TERM_11,
        EXP_TERM_10,
        EXP_TERM_9,
        EXP_TERM_8,
        EXP_TERM_7,
        EXP_TERM_6,
        EXP_TERM_5,
        EXP_TERM_4,
        EXP_TERM_3,
        EXP_TERM_2,
    ] {
        tail = tail * r + term;
    }
    // The rounding error of the subtraction above.
    let correction = (high - r) - low;
    let y = 1.0 + (r + (correction + r * r * tail));
    // Two factors, because 2ᵏ alone can overflow or vanish when the product does not.
    let half = k >> 1;
    let y = y * power_of_two(half) * power_of_two(k - half);
    let y = if x > EXP_OVERFLOW { f64::INFINITY } else { y };
    let y = if x < EXP_UNDERFLOW { 0.0 } else { y };
    if x.is_nan() { x } else { y }
}

/// 2ᵏ, exact, for −1022 ≤ k ≤ 1023.
#[inline(always)]
pub fn power_of_two(k: i32) -> f64 {
    f64::from_bits(((k.wrapping_add(EXPONENT_BIAS)) as u64) << MANTISSA_BITS)
}

/// The least e with |x| ≤ 2ᵉ, for finite x ≠ 0; 0 for 0.
#[inline]
pub fn exponent_above(x: f64) -> i32 {
    let x = x.abs();
    if x < MIN_NORMAL {
        return if x == 0.0 { 0 } else { MIN_EXPONENT };
    }
    let bits = x.to_bits();
    let e = ((bits >> MANTISSA_BITS) as i32) - EXPONENT_BIAS;
    if bits & MANTISSA_MASK == 0 { e } else { e + 1 }
}

/// The logistic function, 1/(1 + e⁻ˣ).
#[inline(always)]
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + exp(-x))
}

/// Turns scores into probabilities in place: eˣ/Σeˣ. The largest score is subtracted first, so that nothing overflows.
#[inline]
pub fn softmax(scores: &mut [f64]) {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = exp(*score - largest);
        sum += *score;
    }
    for score in scores.iter_mut() {
        *score /= sum;
    }
}

/// Rounds to the nearest integer, halves away from zero. Saturates; NaN becomes 0.
#[inline(always)]
pub fn round_to_i64(x: f64) -> i64 {
    (if x < 0.0 { x - 0.5 } else { x + 0.5 }) as i64
}

/// Rounds to the nearest integer, halves to the even one, for |x| < 2³¹.
///
/// It has no branches, so that the compiler can vectorise loops over it: adding 3 · 2⁵¹ leaves no fractional bits.
#[inline(always)]
pub fn round_to_i32(x: f64) -> i32 {
    (x + ROUNDING_SHIFT).to_bits() as i32
}

/// A random draw from the stream `(seed, a, b)`: 64 well-mixed bits. It depends only on these three numbers, not on the
/// device or on the order of the draws.
///
/// Three rounds of the SplitMix64 finaliser (Steele, Lea and Flood 2014).
#[inline]
pub fn draw(seed: u64, a: u64, b: u64) -> u64 {
    mix(mix(mix(seed).wrapping_add(a)).wrapping_add(b))
}

#[inline]
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(MIX_STEP);
    let x = (x ^ (x >> MIX_SHIFT_1)).wrapping_mul(MIX_FACTOR_1);
    let x = (x ^ (x >> MIX_SHIFT_2)).wrapping_mul(MIX_FACTOR_2);
    x ^ (x >> MIX_SHIFT_3)
}

/// A draw as a number in [0, 1), with 53 random bits.
#[inline]
pub fn uniform(bits: u64) -> f64 {
    (bits >> UNIFORM_SHIFT) as f64 * power_of_two(UNIFORM_EXPONENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distance in units in the last place.
    fn ulps(a: f64, b: f64) -> u64 {
        if a == b { 0 } else { a.to_bits().abs_diff(b.to_bits()) }
    }

    #[test]
    fn ln_and_exp_are_within_one_ulp_of_the_c_library() {
        // The C library's own error is below 0.55 ulp, so its value is the correctly rounded one or a neighbour of it.
        for i in 0..400_000 {
            let u = uniform(draw(1, 2, i));
            for x in [u * 4.0, 1.0 + (u - 0.5) * 1e-3, exp((u - 0.5) * 1400.0), 1e-310 * u] {
                if x > 0.0 {
                    assert!(ulps(ln(x), x.ln()) <= 1, "ln {x:e}: {:e} against {:e}", ln(x), x.ln());
                }
            }
            for x in [(u - 0.5) * 2.0, (u - 0.5) * 1400.0] {
                assert!(ulps(exp(x), x.exp()) <= 1, "exp {x:e}: {:e} against {:e}", exp(x), x.exp());
            }
        }
    }

    #[test]
    fn special_values_follow_ieee_754() {
        assert!(ln(-1.0).is_nan() && ln(f64::NAN).is_nan() && exp(f64::NAN).is_nan());
        assert_eq!((ln(0.0), ln(f64::INFINITY), ln(1.0)), (f64::NEG_INFINITY, f64::INFINITY, 0.0));
        assert_eq!((exp(0.0), exp(-800.0), exp(800.0)), (1.0, 0.0, f64::INFINITY));
        assert!(exp(-740.0) > 0.0 && exp(709.7).is_finite());
        assert_eq!(
            (exponent_above(1.0), exponent_above(1.5), exponent_above(0.25), exponent_above(0.0)),
            (0, 1, -2, 0)
        );
        assert_eq!((round_to_i64(-2.5), round_to_i64(2.4)), (-3, 2));
    }
}
