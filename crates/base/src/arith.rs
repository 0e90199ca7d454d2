//! The shared arithmetic of all devices: twin of `kernels/arith.cuh`.
//!
//! Only `+ − × ÷ √`, comparisons and conversions, in a fixed order, never fused: the same bits everywhere.

/// High part of ln 2: its last 20 bits are zero, so that its product with an exponent is exact.
const LN2_HIGH: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
/// ln 2 − `LN2_HIGH`.
const LN2_LOW: f64 = f64::from_bits(0x3dea_39ef_3579_3c76);

/// Natural logarithm, within 1 ulp; NaN below 0, −∞ at 0.
///
/// x = 2ᵏ(1 + f) with 1 + f in [√½, √2), s = f/(2 + f), and
/// ln(1 + f) = f − f²/2 + s(f²/2 + R) with R = 2s⁴/5·… + 2s²/3, the tail of 2 artanh s
/// (Tang 1990; the grouping keeps the rounding error of the large terms out of the sum).
///
/// Without branches, so that loops over it become vectors.
#[inline(always)]
pub fn ln(x: f64) -> f64 {
    let tiny = x < f64::MIN_POSITIVE;
    let scaled = if tiny { x * 18_014_398_509_481_984.0 } else { x };
    let bits = scaled.to_bits();
    // 2⁵² + exponent, by bits: exact, and done in vectors where a conversion from i64 is not.
    let exponent = f64::from_bits(0x4330_0000_0000_0000 | (bits >> 52)) - 4_503_599_627_370_496.0;
    let m = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | 0x3ff0_0000_0000_0000);
    let high = m > std::f64::consts::SQRT_2;
    let m = if high { m * 0.5 } else { m };
    let k = exponent - if tiny { 1077.0 } else { 1023.0 } + if high { 1.0 } else { 0.0 };
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let mut tail = 2.0 / 23.0;
    for odd in [21.0, 19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        tail = tail * z + 2.0 / odd;
    }
    let r = tail * z;
    let half_square = 0.5 * f * f;
    let finite = k * LN2_HIGH - ((half_square - (s * (half_square + r) + k * LN2_LOW)) - f);
    let positive = if x == f64::INFINITY { x } else { finite };
    let any = if x == 0.0 { f64::NEG_INFINITY } else { positive };
    // Also where x is NaN.
    if x >= 0.0 { any } else { f64::NAN }
}

/// Exponential function, within 1 ulp.
///
/// x = k ln 2 + r with |r| ≤ ln 2 / 2, eˣ = 2ᵏ(1 + (r + r²(1/2 + r/6 + …))), Taylor's series to r¹⁴.
///
/// Without branches, so that loops over it become vectors.
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    // Beyond these, the result is 0 or infinite whatever the distance.
    let inside = if x > 710.0 { 710.0 } else { x };
    let inside = if inside < -746.0 { -746.0 } else { inside };
    let k = round_to_i32(inside * std::f64::consts::LOG2_E);
    let whole = f64::from(k);
    let high = inside - whole * LN2_HIGH;
    let low = whole * LN2_LOW;
    let r = high - low;
    let mut tail = 1.0 / 87_178_291_200.0;
    for factorial in [
        6_227_020_800.0,
        479_001_600.0,
        39_916_800.0,
        3_628_800.0,
        362_880.0,
        40_320.0,
        5040.0,
        720.0,
        120.0,
        24.0,
        6.0,
        2.0,
    ] {
        tail = tail * r + 1.0 / factorial;
    }
    // What the subtraction above rounded away comes back through `low`.
    let correction = (high - r) - low;
    let y = 1.0 + (r + (correction + r * r * tail));
    // Two factors, since 2ᵏ alone can overflow or vanish where the product does not.
    let half = k >> 1;
    let y = y * power_of_two(half) * power_of_two(k - half);
    let y = if x > 709.79 { f64::INFINITY } else { y };
    let y = if x < -745.2 { 0.0 } else { y };
    if x.is_nan() { x } else { y }
}

/// 2ᵏ, exact, for −1022 ≤ k ≤ 1023.
#[inline(always)]
pub fn power_of_two(k: i32) -> f64 {
    f64::from_bits(((k.wrapping_add(1023)) as u64) << 52)
}

/// The least e with |x| ≤ 2ᵉ, for finite x ≠ 0; 0 for 0.
#[inline]
pub fn exponent_above(x: f64) -> i32 {
    let x = x.abs();
    if x < f64::MIN_POSITIVE {
        return if x == 0.0 { 0 } else { -1022 };
    }
    let bits = x.to_bits();
    let e = ((bits >> 52) as i32) - 1023;
    if bits & 0x000f_ffff_ffff_ffff == 0 { e } else { e + 1 }
}

/// 1/(1 + e⁻ˣ).
#[inline(always)]
pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + exp(-x))
}

/// Turns scores into probabilities in place: eˣ/Σeˣ, the largest score subtracted first.
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

/// Rounds to the nearest integer, halves away from zero.
#[inline]
pub fn round_to_i64(x: f64) -> i64 {
    (if x < 0.0 { x - 0.5 } else { x + 0.5 }) as i64
}

/// Rounds to the nearest integer, halves to the even one, for |x| < 2³¹.
///
/// Without branches, so that loops over it become vectors: 3 · 2⁵¹ leaves no bits behind the point.
#[inline(always)]
pub fn round_to_i32(x: f64) -> i32 {
    (x + 6_755_399_441_055_744.0).to_bits() as i32
}

/// A draw from the stream `(seed, a, b)`: 64 well-mixed bits, equal wherever and in whatever order it is made.
///
/// Three rounds of the SplitMix64 finaliser (Steele, Lea and Flood 2014).
#[inline]
pub fn draw(seed: u64, a: u64, b: u64) -> u64 {
    mix(mix(mix(seed).wrapping_add(a)).wrapping_add(b))
}

#[inline]
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A draw as a number in [0, 1).
#[inline]
pub fn uniform(bits: u64) -> f64 {
    (bits >> 11) as f64 * power_of_two(-53)
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
        // The C library's own error is below 0.55 ulp, so that its value is the correctly rounded one or its neighbour.
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
    fn edges_are_those_of_ieee() {
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
