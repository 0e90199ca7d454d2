// The features that are recurrences over time (EMA, RSI, ATR, ADX, running sums), and ATR(14): twin of
// crates/features/src/recurrences.rs.
#include "features.cuh"
#include "recurrence.cuh"

namespace features {

using namespace recurrences;

// Constants with a twin of the same name in crates/features/src; a test there compares the values.

// recurrences.rs: bars of ATR, RSI and ADX, of the features' exponential averages, and of MACD's averages and signal.
constexpr u32 WILDER_BARS = 14;
constexpr u32 EMA_SHORT_BARS = 5;
constexpr u32 EMA_MIDDLE_BARS = 10;
constexpr u32 EMA_LONG_BARS = 20;
constexpr u32 MACD_FAST_BARS = 12;
constexpr u32 MACD_SLOW_BARS = 26;
constexpr u32 MACD_SIGNAL_BARS = 9;
// recurrences.rs: bars after which every recurrence has started.
constexpr u32 START_UP_BARS = 64;

// device.rs: threads per block of features_recurrences, and of features_atr (there series::BARS).
constexpr u32 WARP = 32;
constexpr u32 ATR_THREADS = 128;

// The recurrence of each lane of a warp.
enum Chain : u32 {
    C_EMA_5, C_EMA_10, C_EMA_20, C_FAST, C_SLOW, C_RANGE_MEAN, C_GAIN, C_LOSS, C_RANGE_SUM, C_PLUS, C_MINUS, C_TREND, C_BALANCE,
    CHAINS,
    // Those whose entries are made from the others.
    C_SIGNAL = CHAINS, C_ADX, ALL_CHAINS
};

DEVICE Recurrence recurrence(u32 chain) {
    switch (chain) {
        case C_EMA_5: return exponential(EMA_SHORT_BARS, 0);
        case C_EMA_10: return exponential(EMA_MIDDLE_BARS, 0);
        case C_EMA_20: return exponential(EMA_LONG_BARS, 0);
        // Starts later, so that both averages of MACD start at the same bar.
        case C_FAST: return exponential(MACD_FAST_BARS, MACD_SLOW_BARS - MACD_FAST_BARS);
        case C_SLOW: return exponential(MACD_SLOW_BARS, 0);
        case C_RANGE_MEAN: case C_GAIN: case C_LOSS: return wilder(WILDER_BARS);
        case C_RANGE_SUM: case C_PLUS: case C_MINUS: return running(WILDER_BARS);
        case C_SIGNAL: return exponential(MACD_SIGNAL_BARS, MACD_SLOW_BARS - 1u);
        case C_ADX: return directional_average(WILDER_BARS);
        default: return total();
    }
}

}  // namespace features

// One block, of one warp, per symbol. It processes 32 bars at a time: entries and results in parallel over bars, then each
// recurrence over time in its own lane. MACD's signal and ADX are made from the others and run 32 bars behind them, so that all
// lanes run in one loop. `smooth` is `[symbols x SMOOTH_COUNT x bars]`, `exact` `[symbols x EXACT_COUNT x bars]`.
KERNEL(features_recurrences, features::WARP, const double* high, const double* low, const double* close, const double* volume,
       const u32* ranges, float* smooth, double* exact, u32 bars) {
    constexpr u32 STEP = features::WARP;
    constexpr u32 STRIDE = STEP + 1;
    SHARED(double, entries, features::ALL_CHAINS * STRIDE);
    SHARED(double, values, features::ALL_CHAINS * STRIDE);
    using namespace features;
    const u32 symbol = blockIdx.x;
    const u32 lane = threadIdx.x;
    const u32 start = ranges[symbol * 2u];
    const u32 length = ranges[symbol * 2u + 1u] - start;
    const u64 row = static_cast<u64>(symbol) * bars + start;
    const u64 plane = bars;
    float* smooth_row = smooth + static_cast<u64>(symbol) * SMOOTH_COUNT * plane + start;
    double* exact_row = exact + static_cast<u64>(symbol) * EXACT_COUNT * plane + start;
    const Recurrence chain = recurrence(lane);
    const u32 behind = lane < CHAINS ? 0u : STEP;
    double value = 0.0;
    double macd = 0.0;
    for (u32 from = 0; from < length + STEP; from += STEP) {
        const u32 t = from + lane;
        const bool there = t < length;
        const bool has_before = there && t > 0u;
        const double h = there ? high[row + t] : 0.0;
        const double l = there ? low[row + t] : 0.0;
        const double c = there ? close[row + t] : 0.0;
        const double v = there ? volume[row + t] : 0.0;
        const double h_before = has_before ? high[row + t - 1u] : 0.0;
        const double l_before = has_before ? low[row + t - 1u] : 0.0;
        const double c_before = has_before ? close[row + t - 1u] : 0.0;
        double* mine = entries + lane;
        for (u32 k = C_EMA_5; k <= C_SLOW; ++k) {
            mine[k * STRIDE] = c;
        }
        const double range = true_range(h, l, c_before);
        mine[C_RANGE_MEAN * STRIDE] = range;
        mine[C_RANGE_SUM * STRIDE] = range;
        mine[C_GAIN * STRIDE] = gain(c, c_before);
        mine[C_LOSS * STRIDE] = loss(c, c_before);
        mine[C_PLUS * STRIDE] = movement(h - h_before, l_before - l);
        mine[C_MINUS * STRIDE] = movement(l_before - l, h - h_before);
        // The first bar has no return, so it adds nothing.
        mine[C_TREND * STRIDE] = has_before ? v * (c / c_before - 1.0) : 0.0;
        mine[C_BALANCE * STRIDE] = signed_volume(v, c, c_before);
        __syncwarp(ALL_LANES);
        if (lane < ALL_CHAINS && from >= behind) {
            const double* in = entries + lane * STRIDE;
            double* out = values + lane * STRIDE;
            if (from >= START_UP_BARS + STEP) {
                for (u32 i = 0; i < STEP; ++i) {
                    value = next(chain, value, in[i]);
                    out[i] = value;
                }
            } else {
                for (u32 i = 0; i < STEP; ++i) {
                    value = next_from_start(chain, value, in[i], from - behind + i);
                    out[i] = value;
                }
            }
        }
        __syncwarp(ALL_LANES);
        const double* got = values + lane;
        if (from > 0u && t - STEP < length) {
            const double signal = got[C_SIGNAL * STRIDE];
            smooth_row[S_SIGNAL * plane + t - STEP] = static_cast<float>(signal);
            smooth_row[S_ADX * plane + t - STEP] = static_cast<float>(got[C_ADX * STRIDE]);
            exact_row[E_HISTOGRAM * plane + t - STEP] = macd - signal;
        }
        macd = got[C_FAST * STRIDE] - got[C_SLOW * STRIDE];
        mine[C_SIGNAL * STRIDE] = macd;
        mine[C_ADX * STRIDE] = directional(got[C_PLUS * STRIDE], got[C_MINUS * STRIDE], got[C_RANGE_SUM * STRIDE]);
        if (there) {
            smooth_row[S_EMA_5 * plane + t] = static_cast<float>(got[C_EMA_5 * STRIDE]);
            smooth_row[S_EMA_10 * plane + t] = static_cast<float>(got[C_EMA_10 * STRIDE]);
            smooth_row[S_EMA_20 * plane + t] = static_cast<float>(got[C_EMA_20 * STRIDE]);
            smooth_row[S_MACD * plane + t] = static_cast<float>(macd);
            smooth_row[S_TREND * plane + t] = static_cast<float>(got[C_TREND * STRIDE]);
            smooth_row[S_BALANCE * plane + t] = static_cast<float>(got[C_BALANCE * STRIDE]);
            exact_row[E_RSI * plane + t] = rsi(got[C_GAIN * STRIDE], got[C_LOSS * STRIDE]);
            exact_row[E_ATR * plane + t] = got[C_RANGE_MEAN * STRIDE];
        }
    }
}

// ATR(14) as f64, `[symbols x bars]`; NaN in the warm-up and outside a symbol's bars. One thread per bar (x) and symbol (y).
KERNEL(features_atr, features::ATR_THREADS, const double* exact, const u32* ranges, double* atr, u32 bars, u32 warm_up) {
    const u32 bar = thread_in_grid();
    if (bar >= bars) {
        return;
    }
    const u32 symbol = blockIdx.y;
    const bool there = bar >= ranges[symbol * 2u] && bar < ranges[symbol * 2u + 1u] && bar - ranges[symbol * 2u] >= warm_up;
    const u64 plane = static_cast<u64>(symbol) * features::EXACT_COUNT + features::E_ATR;
    atr[static_cast<u64>(symbol) * bars + bar] = there ? exact[plane * bars + bar] : arith::f64_nan();
}
