// The shared arithmetic of all devices: twin of crates/base/src/arith.rs.
//
// Only + - * / sqrt, comparisons and conversions, in a fixed order, never fused: the same bits everywhere.
// Conversions from float to integer behave as Rust's `as`: they saturate, and NaN becomes 0.
#pragma once
#include "device.cuh"

namespace arith {

DEVICE double f64_from_bits(u64 bits) { return __longlong_as_double(static_cast<i64>(bits)); }
DEVICE u64 f64_bits(double x) { return static_cast<u64>(__double_as_longlong(x)); }

// The one NaN that is ever stored, and the infinities.
DEVICE double f64_nan() { return f64_from_bits(0x7ff8000000000000ull); }
DEVICE double f64_infinity() { return f64_from_bits(0x7ff0000000000000ull); }
DEVICE float f32_nan() { return __uint_as_float(0x7fc00000u); }
DEVICE float f32_infinity() { return __uint_as_float(0x7f800000u); }

DEVICE bool is_nan(double x) { return x != x; }
DEVICE bool is_nan(float x) { return x != x; }
// Without the sign bit, NaN included.
DEVICE double magnitude(double x) { return f64_from_bits(f64_bits(x) & 0x7fffffffffffffffull); }
DEVICE float magnitude(float x) { return __uint_as_float(__float_as_uint(x) & 0x7fffffffu); }

// Square root, correctly rounded.
DEVICE double root(double x) { return __dsqrt_rn(x); }
DEVICE float root(float x) { return __fsqrt_rn(x); }

// High part of ln 2: its last 20 bits are zero, so that its product with an exponent is exact; and ln 2 less that.
DEVICE double ln2_high() { return f64_from_bits(0x3fe62e42fee00000ull); }
DEVICE double ln2_low() { return f64_from_bits(0x3dea39ef35793c76ull); }

// Rounds to the nearest integer, halves to the even one, for |x| < 2^31.
DEVICE i32 round_to_i32(double x) { return static_cast<i32>(static_cast<u32>(f64_bits(x + 6755399441055744.0))); }

// 2^k, exact, for -1022 <= k <= 1023.
DEVICE double power_of_two(i32 k) {
    const i32 biased = static_cast<i32>(static_cast<u32>(k) + 1023u);
    return f64_from_bits(static_cast<u64>(static_cast<i64>(biased)) << 52);
}

// Natural logarithm, within 1 ulp; NaN below 0, -infinity at 0. See arith.rs for the series.
DEVICE double ln(double x) {
    const bool tiny = x < 2.2250738585072014e-308;
    const double scaled = tiny ? x * 18014398509481984.0 : x;
    const u64 bits = f64_bits(scaled);
    const double exponent = f64_from_bits(0x4330000000000000ull | (bits >> 52)) - 4503599627370496.0;
    double m = f64_from_bits((bits & 0x000fffffffffffffull) | 0x3ff0000000000000ull);
    const bool high = m > 1.41421356237309504880;
    m = high ? m * 0.5 : m;
    const double k = exponent - (tiny ? 1077.0 : 1023.0) + (high ? 1.0 : 0.0);
    const double f = m - 1.0;
    const double s = f / (2.0 + f);
    const double z = s * s;
    double tail = 2.0 / 23.0;
    tail = tail * z + 2.0 / 21.0;
    tail = tail * z + 2.0 / 19.0;
    tail = tail * z + 2.0 / 17.0;
    tail = tail * z + 2.0 / 15.0;
    tail = tail * z + 2.0 / 13.0;
    tail = tail * z + 2.0 / 11.0;
    tail = tail * z + 2.0 / 9.0;
    tail = tail * z + 2.0 / 7.0;
    tail = tail * z + 2.0 / 5.0;
    tail = tail * z + 2.0 / 3.0;
    const double r = tail * z;
    const double half_square = 0.5 * f * f;
    const double finite = k * ln2_high() - ((half_square - (s * (half_square + r) + k * ln2_low())) - f);
    const double positive = x == f64_infinity() ? x : finite;
    const double any = x == 0.0 ? -f64_infinity() : positive;
    // Also where x is NaN.
    return x >= 0.0 ? any : f64_nan();
}

// Exponential function, within 1 ulp. See arith.rs for the series.
DEVICE double exp(double x) {
    double inside = x > 710.0 ? 710.0 : x;
    inside = inside < -746.0 ? -746.0 : inside;
    const i32 k = round_to_i32(inside * 1.44269504088896340736);
    const double whole = static_cast<double>(k);
    const double high = inside - whole * ln2_high();
    const double low = whole * ln2_low();
    const double r = high - low;
    double tail = 1.0 / 87178291200.0;
    tail = tail * r + 1.0 / 6227020800.0;
    tail = tail * r + 1.0 / 479001600.0;
    tail = tail * r + 1.0 / 39916800.0;
    tail = tail * r + 1.0 / 3628800.0;
    tail = tail * r + 1.0 / 362880.0;
    tail = tail * r + 1.0 / 40320.0;
    tail = tail * r + 1.0 / 5040.0;
    tail = tail * r + 1.0 / 720.0;
    tail = tail * r + 1.0 / 120.0;
    tail = tail * r + 1.0 / 24.0;
    tail = tail * r + 1.0 / 6.0;
    tail = tail * r + 1.0 / 2.0;
    const double correction = (high - r) - low;
    double y = 1.0 + (r + (correction + r * r * tail));
    const i32 half = k >> 1;
    y = y * power_of_two(half) * power_of_two(k - half);
    y = x > 709.79 ? f64_infinity() : y;
    y = x < -745.2 ? 0.0 : y;
    return is_nan(x) ? x : y;
}

// The least e with |x| <= 2^e, for finite x != 0; 0 for 0.
DEVICE i32 exponent_above(double x) {
    x = magnitude(x);
    if (x < 2.2250738585072014e-308) {
        return x == 0.0 ? 0 : -1022;
    }
    const u64 bits = f64_bits(x);
    const i32 e = static_cast<i32>(bits >> 52) - 1023;
    return (bits & 0x000fffffffffffffull) == 0 ? e : e + 1;
}

// 1/(1 + e^-x).
DEVICE double sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }

// Turns scores into probabilities in place: e^x / sum of e^x, the largest score subtracted first.
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
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

// A draw from the stream (seed, a, b): 64 well-mixed bits, equal wherever and in whatever order it is made.
DEVICE u64 draw(u64 seed, u64 a, u64 b) { return mix(mix(mix(seed) + a) + b); }

// A draw as a number in [0, 1).
DEVICE double uniform(u64 bits) { return static_cast<double>(bits >> 11) * power_of_two(-53); }

}  // namespace arith
