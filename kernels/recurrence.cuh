// Recurrences over bars in one form, so that the lanes of a warp can each compute another one. Twin of
// crates/features/src/recurrences.rs and of crates/decide/src/votes/indicators/averages.rs.
#pragma once
#include "arith.cuh"

namespace recurrences {

// Exponential averages, Wilder's averages, Wilder's running sums, plain sums, and ADX: Wilder's average of what may be missing.
enum Form : u32 { F_EMA, F_WILDER, F_RUNNING, F_TOTAL, F_ADX };

struct Recurrence {
    Form form;
    // Index of the first entry, and number of entries of the seed.
    u32 first, seed;
    // next = value * keep + x * weight, where x is the entry, minus the value for an EMA. All recurrences have this form, so
    // that the lanes of a warp do not diverge. A factor of 1 changes no bit.
    double keep, weight;

    // The first bar after the seed.
    DEVICE_MEMBER u32 started() const { return first + seed; }
};

DEVICE Recurrence exponential(u32 length, u32 first) {
    return {F_EMA, first, length, 1.0, 2.0 / (static_cast<double>(length) + 1.0)};
}
DEVICE Recurrence wilder(u32 length) {
    const double share = 1.0 / static_cast<double>(length);
    return {F_WILDER, 1, length, 1.0 - share, share};
}
DEVICE Recurrence running(u32 length) {
    return {F_RUNNING, 1, length - 1u, 1.0 - 1.0 / static_cast<double>(length), 1.0};
}
DEVICE Recurrence directional_average(u32 length) {
    const double share = 1.0 / static_cast<double>(length);
    return {F_ADX, length, length, 1.0 - share, share};
}
DEVICE Recurrence total() { return {F_TOTAL, 0, 0, 1.0, 1.0}; }

// The value after entry x, from the value before it, after the recurrence has started.
DEVICE double next(const Recurrence& r, double value, double x) {
    const double moved = r.form == F_EMA ? x - value : x;
    const double got = value * r.keep + moved * r.weight;
    // A bar without range or movement does not change ADX.
    return r.form == F_ADX && arith::is_nan(x) ? value : got;
}

// The same at any bar t: 0 before the first entry, then the seed, which is the mean or the sum of its entries.
DEVICE double next_from_start(const Recurrence& r, double value, double x, u32 t) {
    if (t < r.first) {
        return 0.0;
    }
    if (t < r.started()) {
        const double sum = r.form == F_ADX && arith::is_nan(x) ? value : value + x;
        const bool last = t + 1u == r.started() && r.form != F_RUNNING;
        return last ? sum / static_cast<double>(r.seed) : sum;
    }
    return next(r, value, x);
}

}  // namespace recurrences
