// What the bins of small and of large tables share: twin of crates/boost/src/bins.rs.
#pragma once

#include "arith.cuh"

// The constants below, and those of the other headers, have twins of the same name in crates/boost, where a test compares them.

// No file uses all of them.
#pragma nv_diagnostic push
#pragma nv_diag_suppress 177

// Threads per block.
constexpr u32 THREADS = 256u;
// Features per group.
constexpr u32 LANES = 16u;
// Bins per group, including the one for missing values.
constexpr u32 GROUP_BINS = 256u;
// Most cuts per feature.
constexpr u32 MAX_CUTS = 254u;
// Code of a missing value, in codes by column.
constexpr u32 MISSING = 255u;
// Values this close to 0 count as 0.
constexpr float ZERO_THRESHOLD = 1e-35f;
// Bins that are reserved for 0, if there are more values than bins.
constexpr u32 ZERO_BINS = 1u;
// Share of the wanted rows with which a bin may end before a value that fills a bin by itself; and 1 divided by it.
constexpr double EARLY_SHARE = 0.5;
constexpr u64 EARLY_DIVISOR = 2ULL;

#pragma nv_diagnostic pop

namespace bins {

// Maps floats to integers with the same order, and back.
DEVICE u32 order_of(float value) {
    const u32 bits = __float_as_uint(value);
    return (bits >> 31) == 1u ? ~bits : bits | 0x80000000u;
}
DEVICE float value_of(u32 order) { return __uint_as_float((order >> 31) == 1u ? order & 0x7fffffffu : ~order); }

// The f32 midway between two values. It is at least the lower one, and below the higher one.
DEVICE float midway(float below, float above) {
    const float middle = static_cast<float>((static_cast<double>(below) + static_cast<double>(above)) / 2.0);
    return middle < above ? middle : below;
}

struct Cuts {
    float* out;
    u32 count;
};

DEVICE void add(Cuts& cuts, float cut) { cuts.out[cuts.count++] = cut; }

// The first bin whose cut is not below the value.
DEVICE u32 code_of(const float* cuts, u32 count, float value) {
    if (arith::is_nan(value)) {
        return MISSING;
    }
    u32 low = 0u;
    u32 high = count;
    while (low < high) {
        const u32 half = low + (high - low) / 2u;
        if (cuts[half] < value) {
            low = half + 1u;
        } else {
            high = half;
        }
    }
    return low;
}

}  // namespace bins
