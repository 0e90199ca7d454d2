// What the kernels of the voters share: constants, grades, and windows. Twin of grade.rs, symbol.rs and indicators/ in
// crates/decide/src/votes.
#pragma once
#include "features.cuh"

namespace votes {

// Constants with a twin of the same name in crates/decide/src/votes; a test there compares the values.

// device.rs: threads per block, but for votes_chains.
constexpr u32 THREADS = 128;

// symbol.rs: share of a price up to which a price distance is rounding error.
constexpr double DISTANCE_ROUNDING = 1e-13;
// indicators/bands.rs: square up to which the squared distance of a price from its mean, as a share of the mean, and that of a
// return, is rounding error.
constexpr double PRICE_ROUNDING = 1e-26;
constexpr double RETURN_ROUNDING = 1e-28;

// In the order of VOTER_NAMES (crates/decide/src/votes/params.rs); a test compares them.
enum Voter : u32 {
    EMA_CROSS, SMA_CROSS, MACD_CROSS, ADX, DONCHIAN, SUPERTREND, REGRESSION_SLOPE,
    RSI, BOLLINGER, STOCHASTIC, Z_SCORE, CCI, WILLIAMS_R,
    RATE_OF_CHANGE, MONEY_FLOW_INDEX,
    OBV_TREND, VOLUME_BREAKOUT, VWAP, CHAIKIN_MONEY_FLOW,
    KELTNER_BREAKOUT, ATR_SQUEEZE,
    BITCOIN_LEAD, RELATIVE_STRENGTH,
    VOTERS
};

// The parameters of one voter. Twin of `VoterArgs` in crates/decide/src/votes/device.rs.
struct VoterArgs {
    double reals[3];
    u32 bars[3];
    // Bars at the start without a vote.
    u32 warm_up;
    // Whether every later bar has a vote: 0 instead of none.
    u32 always_votes;
    u32 on;
    u32 atr_bars;
    u32 padding;
};

// The series of f64 that votes_chains makes for votes_cast: differences of two EMAs and of MACD and its signal, the ATR of
// voters that grade by it, sums of directional movement and ADX, SuperTrend and its ATR, RSI, On-Balance Volume, Keltner's
// average and ATR, and the ATR of the squeeze. A test in device.rs counts them.
enum Chain : u32 {
    EMA_DIFFERENCE, MACD_HISTOGRAM, ATR, PLUS, MINUS, RANGE_SUM, ADX_LINE, TREND_RANGE, TREND_LINE, RSI_LINE, BALANCE,
    KELTNER_MEAN, KELTNER_RANGE, SQUEEZE_RANGE,
    CHAINS
};

// Grades: votes between -1 and 1 from distances.
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

// Windows of n bars up to bar t. `x(k)` is the entry of bar k; the oldest entry comes first. NaN if the series is too short.
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
// Population standard deviation of prices; 0 if it is only rounding.
template <class Entry> DEVICE double deviation(u32 t, u32 n, double mean, Entry x) {
    const double count = static_cast<double>(n);
    const double squares = squared_distances(t, n, mean, x);
    const double root = arith::root(squares * (1.0 / count));
    return squares <= PRICE_ROUNDING * count * (mean * mean) ? 0.0 : root;
}
// Sample standard deviation of returns; 0 if it is only rounding.
template <class Entry> DEVICE double sample_deviation(u32 t, u32 n, double mean, Entry x) {
    const double count = static_cast<double>(n);
    const double squares = squared_distances(t, n, mean, x);
    const double root = arith::root(squares * (1.0 / (count - 1.0)));
    return squares <= RETURN_ROUNDING * count ? 0.0 : root;
}
DEVICE bool flat(double low, double high) {
    return arith::magnitude(high - low) <= features::RANGE_ROUNDING * (arith::magnitude(high) + arith::magnitude(low));
}

// The return of bar k; NaN for the first bar.
DEVICE double bar_return(const double* close, u32 k) { return k == 0u ? arith::f64_nan() : close[k] / close[k - 1u] - 1.0; }

// The move over the last `bars` bars, in units of a usual move. `returns(k)` is the return of bar k.
template <class Entry> DEVICE double usual_moves(const double* close, u32 t, u32 bars, u32 deviation_bars, Entry returns) {
    if (t < bars) {
        return arith::f64_nan();
    }
    const double usual = sample_deviation(t, deviation_bars, mean(t, deviation_bars, returns), returns) *
                         arith::root(static_cast<double>(bars));
    const double moves = (close[t] / close[t - bars] - 1.0) / usual;
    return usual == 0.0 ? 0.0 : moves;
}

// One symbol's own bars. All threads of a block call `each` and `fill` together.
struct Symbol {
    const double* high;
    const double* low;
    const double* close;
    const double* volume;
    u32 bars;

    // Calls `work(t)` for every bar, in parallel.
    template <class Work> DEVICE_MEMBER void each(Work work) const {
        for (u32 t = threadIdx.x; t < bars; t += blockDim.x) {
            work(t);
        }
        __syncthreads();
    }

    // out[t] = entry(t), in parallel.
    template <class Entry> DEVICE_MEMBER void fill(double* out, Entry entry) const {
        each([&](u32 t) { out[t] = entry(t); });
    }

    DEVICE_MEMBER double typical(u32 t) const { return (high[t] + low[t] + close[t]) * features::SHARE_3; }
    // A price distance; 0 if it is only rounding.
    DEVICE_MEMBER double significant(u32 t, double distance) const {
        return arith::magnitude(distance) <= DISTANCE_ROUNDING * close[t] ? 0.0 : distance;
    }
    // The grade of a price distance: 1 at `full` ATR.
    DEVICE_MEMBER double in_atr(u32 t, double distance, double full, const double* atr) const {
        return graded(significant(t, distance), full * atr[t]);
    }
};

}  // namespace votes
