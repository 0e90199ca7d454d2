// The arithmetic that all devices share: twin of crates/base/src/arith.rs.
//
// It uses only + - * / sqrt, comparisons and conversions, in a fixed order and never fused. So every device gives the same
// bits. Conversions from float to integer behave as Rust's `as`: they saturate, and NaN becomes 0.
#pragma once
#include "device.cuh"

namespace arith {

// The constants, as in crates/base/src/arith/constants.rs; a test of the engine compares every one.
constexpr u32 MANTISSA_BITS = 52u;
constexpr u64 MANTISSA_MASK = 0x000fffffffffffffull;
constexpr i32 EXPONENT_BIAS = 1023;
constexpr i32 MIN_EXPONENT = -1022;
constexpr double MIN_NORMAL = 2.2250738585072014e-308;
constexpr u64 ONE_BITS = 0x3ff0000000000000ull;
constexpr u64 TWO_TO_52_BITS = 0x4330000000000000ull;
constexpr double TWO_TO_52 = 4503599627370496.0;
constexpr double ROUNDING_SHIFT = 6755399441055744.0;

constexpr u64 LN2_HIGH_BITS = 0x3fe62e42fee00000ull;
constexpr u64 LN2_LOW_BITS = 0x3dea39ef35793c76ull;
constexpr double SQRT_2 = 1.41421356237309504880;
constexpr double LOG2_E = 1.44269504088896340736;

constexpr double SUBNORMAL_SCALE = 18014398509481984.0;
constexpr double LN_BIAS = 1023.0;
constexpr double SUBNORMAL_LN_BIAS = 1077.0;
constexpr double LN_TERM_23 = 2.0 / 23.0;
constexpr double LN_TERM_21 = 2.0 / 21.0;
constexpr double LN_TERM_19 = 2.0 / 19.0;
constexpr double LN_TERM_17 = 2.0 / 17.0;
constexpr double LN_TERM_15 = 2.0 / 15.0;
constexpr double LN_TERM_13 = 2.0 / 13.0;
constexpr double LN_TERM_11 = 2.0 / 11.0;
constexpr double LN_TERM_9 = 2.0 / 9.0;
constexpr double LN_TERM_7 = 2.0 / 7.0;
constexpr double LN_TERM_5 = 2.0 / 5.0;
constexpr double LN_TERM_3 = 2.0 / 3.0;

constexpr double EXP_INPUT_MAX = 710.0;
constexpr double EXP_INPUT_MIN = -746.0;
constexpr double EXP_OVERFLOW = 709.79;
constexpr double EXP_UNDERFLOW = -745.2;
constexpr double EXP_TERM_14 = 1.0 / 87178291200.0;
constexpr double EXP_TERM_13 = 1.0 / 6227020800.0;
constexpr double EXP_TERM_12 = 1.0 / 479001600.0;
constexpr double EXP_TERM_11 = 1.0 / 39916800.0;
constexpr double EXP_TERM_10 = 1.0 / 3628800.0;
constexpr double EXP_TERM_9 = 1.0 / 362880.0;
constexpr double EXP_TERM_8 = 1.0 / 40320.0;
constexpr double EXP_TERM_7 = 1.0 / 5040.0;
constexpr double EXP_TERM_6 = 1.0 / 720.0;
constexpr double EXP_TERM_5 = 1.0 / 120.0;
constexpr double EXP_TERM_4 = 1.0 / 24.0;
constexpr double EXP_TERM_3 = 1.0 / 6.0;
constexpr double EXP_TERM_2 = 1.0 / 2.0;

constexpr u64 MIX_STEP = 0x9e3779b97f4a7c15ull;
constexpr u64 MIX_FACTOR_1 = 0xbf58476d1ce4e5b9ull;
constexpr u64 MIX_FACTOR_2 = 0x94d049bb133111ebull;
constexpr u32 MIX_SHIFT_1 = 30u;
constexpr u32 MIX_SHIFT_2 = 27u;
constexpr u32 MIX_SHIFT_3 = 31u;
constexpr u32 UNIFORM_SHIFT = 11u;
constexpr i32 UNIFORM_EXPONENT = -53;

DEVICE double f64_from_bits(u64 bits) { return __longlong_as_double(static_cast<i64>(bits)); }
DEVICE u64 f64_bits(double x) { return static_cast<u64>(__double_as_longlong(x)); }

// The only NaN that is ever stored, and the infinities.
DEVICE double f64_nan() { return f64_from_bits(0x7ff8000000000000ull); }
DEVICE double f64_infinity() { return f64_from_bits(0x7ff0000000000000ull); }
DEVICE float f32_nan() { return __uint_as_float(0x7fc00000u); }
DEVICE float f32_infinity() { return __uint_as_float(0x7f800000u); }

DEVICE bool is_nan(double x) { return x != x; }
DEVICE bool is_nan(float x) { return x != x; }
// Clears the sign bit, also of a NaN.
DEVICE double magnitude(double x) { return f64_from_bits(f64_bits(x) & 0x7fffffffffffffffull); }
DEVICE float magnitude(float x) { return __uint_as_float(__float_as_uint(x) & 0x7fffffffu); }

// Square root, correctly rounded.
DEVICE double root(double x) { return __dsqrt_rn(x); }
DEVICE float root(float x) { return __fsqrt_rn(x); }

// High part of ln 2: its last 20 bits are zero, so that its product with an exponent is exact. The low part is the rest.
DEVICE double ln2_high() { return f64_from_bits(LN2_HIGH_BITS); }
DEVICE double ln2_low() { return f64_from_bits(LN2_LOW_BITS); }

// Rounds to the nearest integer, halves to the even one, for |x| < 2^31.
DEVICE i32 round_to_i32(double x) { return static_cast<i32>(static_cast<u32>(f64_bits(x + ROUNDING_SHIFT))); }

// 2^k, exact, for -1022 <= k <= 1023.
DEVICE double power_of_two(i32 k) {
    const i32 biased = static_cast<i32>(static_cast<u32>(k) + static_cast<u32>(EXPONENT_BIAS));
    return f64_from_bits(static_cast<u64>(static_cast<i64>(biased)) << MANTISSA_BITS);
}

// Natural logarithm, within 1 ulp. NaN below 0, -infinity at 0. See arith.rs for the series.
DEVICE double ln(double x) {
    const bool tiny = x < MIN_NORMAL;
    const double scaled = tiny ? x * SUBNORMAL_SCALE : x;
    const u64 bits = f64_bits(scaled);
    const double exponent = f64_from_bits(TWO_TO_52_BITS | (bits >> MANTISSA_BITS)) - TWO_TO_52;
    double m = f64_from_bits((bits & MANTISSA_MASK) | ONE_BITS);
    const bool high = m > SQRT_2;
    m = high ? m * 0.5 : m;
    const double k = exponent - (tiny ? SUBNORMAL_LN_BIAS : LN_BIAS) + (high ? 1.0 : 0.0);
    const double f = m - 1.0;
    const double s = f / (2.0 + f);
    const double z = s * s;
    double tail = LN_TERM_23;
    tail = tail * z + LN_TERM_21;
    tail = tail * z + LN_TERM_19;
    tail = tail * z + LN_TERM_17;
    tail = tail * z + LN_TERM_15;
    tail = tail * z + LN_TERM_13;
    tail = tail * z + LN_TERM_11;
    tail = tail * z + LN_TERM_9;
    tail = tail * z + LN_TERM_7;
    tail = tail * z + LN_TERM_5;
    tail = tail * z + LN_TERM_3;
    const double r = tail * z;
    const double half_square = 0.5 * f * f;
    const double finite = k * ln2_high() - ((half_square - (s * (half_square + r) + k * ln2_low())) - f);
    const double positive = x == f64_infinity() ? x : finite;
    const double any = x == 0.0 ? -f64_infinity() : positive;
    // NaN if x is NaN.
    return x >= 0.0 ? any : f64_nan();
}

// Exponential function, within 1 ulp. See arith.rs for the series.
DEVICE double exp(double x) {
    double inside = x > EXP_INPUT_MAX ? EXP_INPUT_MAX : x;
    inside = inside < EXP_INPUT_MIN ? EXP_INPUT_MIN : inside;
    const i32 k = round_to_i32(inside * LOG2_E);
    const double whole = static_cast<double>(k);
    const double high = inside - whole * ln2_high();
    const double low = whole * ln2_low();
    const double r = high - low;
    double tail = EXP_TERM_14;
    tail = tail * r + EXP_TERM_13;
    tail = tail * r + EXP_TERM_12;
    tail = tail * r + EXP_TERM_11;
    tail = tail * r + EXP_TERM_10;
    tail = tail * r + EXP_TERM_9;
    tail = tail * r + EXP_TERM_8;
    tail = tail * r + EXP_TERM_7;
    tail = tail * r + EXP_TERM_6;
    tail = tail * r + EXP_TERM_5;
    tail = tail * r + EXP_TERM_4;
    tail = tail * r + EXP_TERM_3;
    tail = tail * r + EXP_TERM_2;
    const double correction = (high - r) - low;
    double y = 1.0 + (r + (correction + r * r * tail));
    const i32 half = k >> 1;
    y = y * power_of_two(half) * power_of_two(k - half);
    y = x > EXP_OVERFLOW ? f64_infinity() : y;
    y = x < EXP_UNDERFLOW ? 0.0 : y;
    return is_nan(x) ? x : y;
}

// The least e with |x| <= 2^e, for finite x != 0; 0 for 0.
DEVICE i32 exponent_above(double x) {
    x = magnitude(x);
    if (x < MIN_NORMAL) {
        return x == 0.0 ? 0 : MIN_EXPONENT;
    }
    const u64 bits = f64_bits(x);
    const i32 e = static_cast<i32>(bits >> MANTISSA_BITS) - EXPONENT_BIAS;
    return (bits & MANTISSA_MASK) == 0 ? e : e + 1;
}

// The logistic function, 1/(1 + e^-x).
DEVICE double sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }

// Turns scores into probabilities in place: e^x / sum of e^x. The largest score is subtracted first, so that nothing
// overflows.
DEVICE void softmax(double* scores, i32 count) {
    double largest = -f64_infinity();
    for (i32 i = 0; i < count; ++i) {
        largest = scores[i] > largest ? scores[i] : largest;
    }
    double sum = 0.0;
    for (i32 i = 0; i < count; ++i) {
        scores[i] = exp(scores[i] - largest);
        sum += scores[i];
    }
    for (i32 i = 0; i < count; ++i) {
        scores[i] /= sum;
    }
}

// Rust's `x as i64`.
DEVICE i64 to_i64(double x) {
    if (is_nan(x)) {
        return 0;
    }
    if (x >= 9223372036854775808.0) {
        return 0x7fffffffffffffffll;
    }
    if (x <= -9223372036854775808.0) {
        return -0x7fffffffffffffffll - 1;
    }
    return static_cast<i64>(x);
}

// Rounds to the nearest integer, halves away from zero.
DEVICE i64 round_to_i64(double x) { return to_i64(x < 0.0 ? x - 0.5 : x + 0.5); }

DEVICE u64 mix(u64 x) {
    x += MIX_STEP;
    x = (x ^ (x >> MIX_SHIFT_1)) * MIX_FACTOR_1;
    x = (x ^ (x >> MIX_SHIFT_2)) * MIX_FACTOR_2;
    return x ^ (x >> MIX_SHIFT_3);
}

// A random draw from the stream (seed, a, b): 64 well-mixed bits. It depends only on these three numbers, not on the
// device or on the order of the draws.
DEVICE u64 draw(u64 seed, u64 a, u64 b) { return mix(mix(mix(seed) + a) + b); }

// A draw as a number in [0, 1), with 53 random bits.
DEVICE double uniform(u64 bits) { return static_cast<double>(bits >> UNIFORM_SHIFT) * power_of_two(UNIFORM_EXPONENT); }

}  // namespace arith
