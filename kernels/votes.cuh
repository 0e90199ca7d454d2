// What the voting engines' kernels share: grades, windows, and series from bar to bar. Twin of src/decide/votes/grade.rs
// and src/decide/votes/indicators/.
#pragma once
#include "features.cuh"

namespace votes {

constexpr u32 THREADS = 128;
// Series of f64 that a block keeps in global memory.
constexpr u32 PLANES = 4;

// In the order of src/decide/votes/voter.rs.
enum Voter : u32 {
    EMA_CROSS, SMA_CROSS, MACD_CROSS, ADX, DONCHIAN, SUPERTREND, REGRESSION_SLOPE,
    RSI, BOLLINGER, STOCHASTIC, Z_SCORE, CCI, WILLIAMS_R,
    RATE_OF_CHANGE, MONEY_FLOW_INDEX,
    OBV_TREND, VOLUME_BREAKOUT, VWAP, CHAIKIN_MONEY_FLOW,
    KELTNER_BREAKOUT, ATR_SQUEEZE,
    BITCOIN_LEAD, RELATIVE_STRENGTH,
    VOTERS
};

// Parameters of one engine, as src/decide/votes/device.rs puts them there.
struct Engine {
    double reals[3];
    u32 bars[3];
    // Bars without a vote at the start.
    u32 warm_up;
    // Whether every later bar has a vote.
    u32 voiced;
    u32 on;
    u32 atr_bars;
    u32 padding;
};

// Grades.
DEVICE double bounded(double x) {
    x = x > 1.0 ? 1.0 : x;
    return x < -1.0 ? -1.0 : x;
}
DEVICE double graded(double distance, double full) {
    const double share = bounded(distance / full);
    return full == 0.0 ? 0.0 : share;
}
DEVICE double between(double value, double low, double high) {
    const double middle = (low + high) * 0.5;
    return bounded((value - middle) / (high - middle));
}
DEVICE double faded(u32 age, u32 bars) {
    return age < bars ? 1.0 - static_cast<double>(age) / static_cast<double>(bars) : 0.0;
}

// Windows: `x(k)` is the entry of bar k. The oldest entry comes first; NaN where the series is too short.
template <class Step> DEVICE double fold(u32 t, u32 n, double start, Step step) {
    if (t + 1u < n) {
        return arith::f64_nan();
    }
    double folded = start;
    for (u32 k = t + 1u - n; k <= t; ++k) {
        folded = step(folded, k);
    }
    return folded;
}
template <class Entry> DEVICE double sum(u32 t, u32 n, Entry x) {
    return fold(t, n, 0.0, [&](double sum, u32 k) { return sum + x(k); });
}
template <class Entry> DEVICE double mean(u32 t, u32 n, Entry x) { return sum(t, n, x) * (1.0 / static_cast<double>(n)); }
template <class Entry> DEVICE double highest(u32 t, u32 n, Entry x) {
    return fold(t, n, -arith::f64_infinity(), [&](double high, u32 k) { return x(k) > high ? x(k) : high; });
}
template <class Entry> DEVICE double lowest(u32 t, u32 n, Entry x) {
    return fold(t, n, arith::f64_infinity(), [&](double low, u32 k) { return x(k) < low ? x(k) : low; });
}
template <class Entry> DEVICE double squared_distances(u32 t, u32 n, double mean, Entry x) {
    return fold(t, n, 0.0, [&](double sum, u32 k) { return sum + (x(k) - mean) * (x(k) - mean); });
}
// Population standard deviation of prices, 0 where it is rounding.
template <class Entry> DEVICE double deviation(u32 t, u32 n, double mean, Entry x) {
    const double count = static_cast<double>(n);
    const double squares = squared_distances(t, n, mean, x);
    const double root = arith::root(squares * (1.0 / count));
    return squares <= 1e-26 * count * (mean * mean) ? 0.0 : root;
}
// Sample standard deviation of returns, 0 where it is rounding.
template <class Entry> DEVICE double sample_deviation(u32 t, u32 n, double mean, Entry x) {
    const double count = static_cast<double>(n);
    const double squares = squared_distances(t, n, mean, x);
    const double root = arith::root(squares * (1.0 / (count - 1.0)));
    return squares <= 1e-28 * count ? 0.0 : root;
}
DEVICE bool flat(double low, double high) {
    return arith::magnitude(high - low) <= 1e-14 * (arith::magnitude(high) + arith::magnitude(low));
}

// The return of bar k; NaN at the first.
DEVICE double bar_return(const double* close, u32 k) { return k == 0u ? arith::f64_nan() : close[k] / close[k - 1u] - 1.0; }

// The latest move over `bars`, in usual moves; `returns(k)` as above.
template <class Entry> DEVICE double usual_moves(const double* close, u32 t, u32 bars, u32 deviation_bars, Entry returns) {
    if (t < bars) {
        return arith::f64_nan();
    }
    const double usual = sample_deviation(t, deviation_bars, mean(t, deviation_bars, returns), returns) *
                         arith::root(static_cast<double>(bars));
    const double moves = (close[t] / close[t - bars] - 1.0) / usual;
    return usual == 0.0 ? 0.0 : moves;
}

// One symbol's own bars, as a block works on them; all threads call every member together.
struct Symbol {
    const double* high;
    const double* low;
    const double* close;
    const double* volume;
    u32 bars;
    // THREADS entries of shared memory.
    double* tile;

    // `work(t)` for every bar, by all threads.
    template <class Work> DEVICE_MEMBER void each(Work work) const {
        for (u32 t = threadIdx.x; t < bars; t += blockDim.x) {
            work(t);
        }
        __syncthreads();
    }

    // out[t] = entry(t), by all threads.
    template <class Entry> DEVICE_MEMBER void fill(double* out, Entry entry) const {
        each([&](u32 t) { out[t] = entry(t); });
    }

    // out[t] = step(t, entry(t)) from bar to bar: entries by all threads, steps by one.
    template <class Entry, class Step> DEVICE_MEMBER void in_turn(double* out, Entry entry, Step step) const {
        for (u32 from = 0; from < bars; from += blockDim.x) {
            const u32 t = from + threadIdx.x;
            const u32 count = bars - from < blockDim.x ? bars - from : blockDim.x;
            if (t < bars) {
                tile[threadIdx.x] = entry(t);
            }
            __syncthreads();
            if (threadIdx.x == 0u) {
                for (u32 i = 0; i < count; ++i) {
                    tile[i] = step(from + i, tile[i]);
                }
            }
            __syncthreads();
            if (t < bars) {
                out[t] = tile[threadIdx.x];
            }
        }
        __syncthreads();
    }

    // Exponential average of the entries from `first` on.
    template <class Entry> DEVICE_MEMBER void ema(double* out, u32 n, u32 first, Entry entry) const {
        const double weight = 2.0 / (static_cast<double>(n) + 1.0);
        double value = 0.0;
        in_turn(out, entry, [&](u32 t, double x) {
            if (t + 1u < first + n) {
                value = t < first ? value : value + x;
                return arith::f64_nan();
            }
            value = t + 1u == first + n ? (value + x) / static_cast<double>(n) : value + (x - value) * weight;
            return value;
        });
    }

    // Wilder's average of all entries but the first.
    template <class Entry> DEVICE_MEMBER void wilder(double* out, u32 n, Entry entry) const {
        const double share = 1.0 / static_cast<double>(n);
        const double keep = 1.0 - share;
        double value = 0.0;
        in_turn(out, entry, [&](u32 t, double x) {
            if (t < n) {
                value = t == 0u ? value : value + x;
                return arith::f64_nan();
            }
            value = t == n ? (value + x) / static_cast<double>(n) : value * keep + x * share;
            return value;
        });
    }

    // Running sum of all entries but the first, in which what is `n` bars old has begun to fade.
    template <class Entry> DEVICE_MEMBER void faded_sum(double* out, u32 n, Entry entry) const {
        const double keep = 1.0 - 1.0 / static_cast<double>(n);
        double value = 0.0;
        in_turn(out, entry, [&](u32 t, double x) {
            value = t == 0u ? value : value * (t < n ? 1.0 : keep) + x;
            return value;
        });
    }

    DEVICE_MEMBER double true_range(u32 t) const {
        return t == 0u ? arith::f64_nan() : features::true_range(high[t], low[t], close[t - 1u]);
    }
    DEVICE_MEMBER double typical(u32 t) const { return (high[t] + low[t] + close[t]) * (1.0 / 3.0); }
    DEVICE_MEMBER void atr(double* out, u32 n) const {
        wilder(out, n, [&](u32 t) { return true_range(t); });
    }
    // A price distance, 0 where it is no more than rounding.
    DEVICE_MEMBER double real(u32 t, double distance) const {
        return arith::magnitude(distance) <= 1e-13 * close[t] ? 0.0 : distance;
    }
    // A price distance, graded by `full` ATR.
    DEVICE_MEMBER double in_atr(u32 t, double distance, double full, const double* atr) const {
        return graded(real(t, distance), full * atr[t]);
    }
};

}  // namespace votes
