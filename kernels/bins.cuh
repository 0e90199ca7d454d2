// What bins of small and of large tables have in common: twin of src/boost/bins.rs.
#pragma once

#include "arith.cuh"

#define MOST_CUTS 254u
#define MISSING 255u
// Values this near to 0 are 0.
#define ZERO 1e-35f

namespace bins {

// Maps numbers to whole ones of the same order, and back.
DEVICE u32 order_of(float value) {
    const u32 bits = __float_as_uint(value);
    return (bits >> 31) == 1u ? ~bits : bits | 0x80000000u;
}
DEVICE float value_of(u32 order) { return __uint_as_float((order >> 31) == 1u ? order & 0x7fffffffu : ~order); }

// The f32 midway between two values: at least the lower, below the higher.
DEVICE float midway(float below, float above) {
    const float middle = static_cast<float>((static_cast<double>(below) + static_cast<double>(above)) / 2.0);
    return middle < above ? middle : below;
}

struct Cuts {
    float* out;
    u32 count;
};

DEVICE void add(Cuts& cuts, float cut) { cuts.out[cuts.count++] = cut; }

// The first bin whose cut the value does not exceed.
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
