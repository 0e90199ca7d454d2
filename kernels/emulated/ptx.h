// What PTX that is put back into C++ (crates/ptx) needs beside the language's own operators. Meanings are those of
// NVIDIA's "PTX ISA".
#pragma once

#include "shim.h"

namespace ptx {

template <class T, class F> inline T bits(F from) {
    static_assert(sizeof(T) == sizeof(F), "bits keep their number");
    T to;
    __builtin_memcpy(&to, &from, sizeof(to));
    return to;
}

template <class T> inline T load(std::uint64_t at) {
    T value;
    __builtin_memcpy(&value, reinterpret_cast<const void*>(at), sizeof(value));
    return value;
}
template <class T> inline void store(std::uint64_t at, T value) {
    __builtin_memcpy(reinterpret_cast<void*>(at), &value, sizeof(value));
}

// A result of arithmetic. PTX leaves the payload of a NaN open: with HURACAN_HOSTILE_NANS each one has another.
#ifdef HURACAN_HOSTILE_NANS
inline std::uint64_t next_payload() {
    static thread_local std::uint64_t state = 0;
    state += 0x9e3779b97f4a7c15ull;
    return state ^ (state >> 29);
}
inline double number(double x) {
    return x == x ? x : bits<double>((next_payload() & 0x800fffffffffffffull) | 0x7ff8000000000000ull);
}
inline float number(float x) {
    return x == x ? x : bits<float>(static_cast<std::uint32_t>((next_payload() & 0x803fffffull) | 0x7fc00000ull));
}
#else
inline double number(double x) { return x; }
inline float number(float x) { return x; }
#endif

inline double root(double x) { return __builtin_sqrt(x); }
inline float root(float x) { return __builtin_sqrtf(x); }
inline double fused(double a, double b, double c) { return __builtin_fma(a, b, c); }
inline float fused(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double absolute(double x) { return __builtin_fabs(x); }
inline float absolute(float x) { return __builtin_fabsf(x); }

template <class T> inline bool unordered(T a, T b) { return a != a || b != b; }

// min and max give the number where the other operand is none, and hold -0 for less than +0.
template <class T> inline T least(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) {
        if (unordered(a, b)) {
            return number(a != a ? b : a);
        }
        if (a == b) {
            return __builtin_signbit(a) ? a : b;
        }
    }
    return a < b ? a : b;
}
template <class T> inline T most(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) {
        if (unordered(a, b)) {
            return number(a != a ? b : a);
        }
        if (a == b) {
            return __builtin_signbit(a) ? b : a;
        }
    }
    return a > b ? a : b;
}

template <class T> inline T product(T a, T b) {
    return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}
// The upper half of a product.
template <class T> inline T high(T a, T b) {
    using Wide = std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>;
    return static_cast<T>((static_cast<Wide>(a) * static_cast<Wide>(b)) >> (8 * sizeof(T)));
}
// A division by zero gives a number that PTX does not name; here it ends the program, so that it is seen.
template <class T> inline T quotient(T a, T b) {
    if (b == 0) {
        __builtin_trap();
    }
    return static_cast<T>(a / b);
}
template <class T> inline T remainder(T a, T b) {
    if (b == 0) {
        __builtin_trap();
    }
    return static_cast<T>(a % b);
}

// Shifts by the width or more leave nothing, or the sign.
template <class T> inline T left(T a, std::uint32_t by) {
    return by >= 8 * sizeof(T) ? T(0) : static_cast<T>(static_cast<std::uint64_t>(a) << by);
}
template <class T> inline T right(T a, std::uint32_t by) {
    if (by >= 8 * sizeof(T)) {
        return a < T(0) ? static_cast<T>(-1) : T(0);
    }
    return static_cast<T>(a >> by);
}

template <class T> inline std::uint32_t leading_zeros(T x) {
    const unsigned width = 8 * sizeof(T);
    return x == 0 ? width : static_cast<std::uint32_t>(__builtin_clzll(x)) - (64 - width);
}
template <class T> inline T reversed(T x) {
    T out = 0;
    for (unsigned bit = 0; bit < 8 * sizeof(T); ++bit) {
        out = static_cast<T>(out | (((x >> bit) & 1) << (8 * sizeof(T) - 1 - bit)));
    }
    return out;
}
template <class T> inline T mask(std::uint32_t from, std::uint32_t count) {
    T out = 0;
    for (std::uint32_t bit = from; bit < from + count && bit < 8 * sizeof(T); ++bit) {
        out = static_cast<T>(out | (T(1) << bit));
    }
    return out;
}
// `count` bits of `field`, put into `into` at bit `from`; and taken from there.
template <class T> inline T insert(T field, T into, std::uint32_t from, std::uint32_t count) {
    const T where = mask<T>(from & 255, count & 255);
    return static_cast<T>((into & static_cast<T>(~where)) | (left(field, from & 255) & where));
}
template <class T> inline T extract(T of, std::uint32_t from, std::uint32_t count) {
    return static_cast<T>(right(of, from & 255) & mask<T>(0, count & 255));
}
// Four bytes out of eight, each chosen by four bits, of which the highest repeats the byte's sign.
inline std::uint32_t permute(std::uint32_t low, std::uint32_t high, std::uint32_t choice) {
    const std::uint64_t bytes = static_cast<std::uint64_t>(high) << 32 | low;
    std::uint32_t out = 0;
    for (unsigned k = 0; k < 4; ++k) {
        const unsigned by = choice >> (4 * k) & 15;
        std::uint32_t byte = static_cast<std::uint32_t>(bytes >> (8 * (by & 7)) & 255);
        byte = (by & 8) == 0 ? byte : (byte & 128) != 0 ? 255 : 0;
        out |= byte << (8 * k);
    }
    return out;
}

// Truncates a number to an integer; what does not fit becomes the nearest that does, and a NaN becomes 0, or the lowest
// bits of 64-bit integers.
template <class I, class F> inline I truncate(F x) {
    constexpr unsigned width = 8 * sizeof(I);
    constexpr I highest = std::is_signed_v<I> ? static_cast<I>(~(std::uint64_t{1} << (width - 1))) : static_cast<I>(-1);
    constexpr I lowest = std::is_signed_v<I> ? static_cast<I>(std::uint64_t{1} << (width - 1)) : I(0);
    if (x != x) {
        return width == 64 || sizeof(F) == 8 ? static_cast<I>(std::uint64_t{1} << (width - 1)) : I(0);
    }
    const F beyond = static_cast<F>(std::uint64_t{1} << (width - 1)) * F(std::is_signed_v<I> ? 1 : 2);
    if (x >= beyond) {
        return highest;
    }
    if (x <= (std::is_signed_v<I> ? -beyond : F(0))) {
        return lowest;
    }
    return static_cast<I>(x);
}

enum class Lane { idx, up, down, bfly };

// `clamp` holds the bounds of a segment of lanes. A lane whose source is outside keeps its own value.
template <Lane MODE>
inline std::uint32_t shuffle(std::uint32_t value, std::uint32_t by, std::uint32_t clamp, std::uint32_t mask, bool* inside,
                             int line) {
    const int lane = huracan::lane(), segment = static_cast<int>(clamp >> 8 & 31), last = static_cast<int>(clamp & 31);
    const int step = static_cast<int>(by & 31), bound = (lane & segment) | (last & ~segment & 31);
    int from = lane;
    bool within = true;
    if constexpr (MODE == Lane::idx) {
        from = (lane & segment) | (step & ~segment & 31);
        within = from <= bound;
    } else if constexpr (MODE == Lane::up) {
        from = lane - step;
        within = from >= bound;
    } else if constexpr (MODE == Lane::down) {
        from = lane + step;
        within = from <= bound;
    } else {
        from = lane ^ step;
        within = from <= bound;
    }
    if (inside != nullptr) {
        *inside = within;
    }
    const int source = within ? from : lane;
    return static_cast<std::uint32_t>(huracan::together(huracan::Vote::Shuffle, mask, value, source, line));
}

}  // namespace ptx
