// All features of all symbols and bars: twin of crates/features.
//
// The launches, in order: the market's mean return and the reference returns; logarithms and volatility; the recurrences
// (recurrences.cu), one warp per symbol; then the rows, one block per tile of 128 bars, with windows in parallel over time. A
// symbol's "own" bar 0 is its first bar. Entries before it are 0, as on the CPU, and never reach a visible value.
#include "features.cuh"

namespace features {

// Constants with a twin of the same name in crates/features/src; a test there compares the values.

// series.rs: bars per tile, which is also the threads per block, and bars before the tile that windows reach back to.
constexpr u32 BARS = 128;
constexpr u32 PAST = 64;

// windows.rs: 1/n, by which sums are multiplied; n = 4 and 19 are for the sample deviations of 5 and 20.
constexpr double SHARE_4 = 1.0 / 4.0;
constexpr double SHARE_5 = 1.0 / 5.0;
constexpr double SHARE_10 = 1.0 / 10.0;
constexpr double SHARE_19 = 1.0 / 19.0;
constexpr double SHARE_20 = 1.0 / 20.0;

// cross.rs: returns of a correlation or beta.
constexpr u32 CORRELATION_BARS = 50;

// symbol.rs: standard deviations from the mean to a Bollinger band, and the share of the squared mean up to which the sum of
// squared distances from it is rounding error.
constexpr double BAND_DEVIATIONS = 2.0;
constexpr double BAND_ROUNDING = 1e-29;

// formulas.rs: `price_vs_bb` where both bands are equal.
constexpr double PRICE_VS_EQUAL_BANDS = 0.5;

// thirds.rs: entries among which an entry is ranked, the fewest that are enough, and the number of classes.
constexpr u32 THIRDS_WINDOW = 250;
constexpr u32 THIRDS_MIN_ENTRIES = 50;
constexpr i32 THIRDS = 3;
// symbol.rs: bars before the first volatility.
constexpr u32 VOLATILITY_WARM_UP = 20;

// regime.rs: thresholds between market regimes, and codes of `Regime` and `VolatilityRegime`.
constexpr double ILLIQUID_VOLUME_RATIO = 0.1;
constexpr double PANIC_RETURN_VOLATILITIES = -3.0;
constexpr double TREND_R_SQUARED = 0.6;
constexpr double REGIME_TREND = 0.0;
constexpr double REGIME_RANGE = 1.0;
constexpr double REGIME_PANIC = 2.0;
constexpr double REGIME_ILLIQUID = 3.0;
constexpr double VOLATILITY_REGIME_HIGH = 2.0;

// Entries of a tile's series, including those before the tile.
constexpr u32 ENTRIES = PAST + BARS;

}  // namespace features

// ln close and volatility_20, `[symbols x bars]`. Blocks: tiles (x), symbols (y).
KERNEL(features_volatility, features::BARS, const double* close, const u32* ranges, double* ln_close, double* volatility,
       u32 bars) {
    SHARED(double, ln, features::ENTRIES);
    SHARED(double, sums, features::ENTRIES);
    SHARED(double, squares, features::ENTRIES);
    const u32 symbol = blockIdx.y;
    const u64 row = static_cast<u64>(symbol) * bars + ranges[symbol * 2u];
    const u32 length = ranges[symbol * 2u + 1u] - ranges[symbol * 2u];
    const u32 from = blockIdx.x * features::BARS;
    if (from >= length) {
        return;
    }
    for (u32 e = threadIdx.x; e < features::ENTRIES; e += features::BARS) {
        const i64 own = static_cast<i64>(from) + e - features::PAST;
        ln[e] = own >= 0 && own < length ? arith::ln(close[row + static_cast<u64>(own)]) : 0.0;
    }
    __syncthreads();
    for (u32 e = threadIdx.x; e < features::ENTRIES; e += features::BARS) {
        if (e >= 10u) {
            sums[e] = features::five_log_returns(&ln[e - 5u]) + features::five_log_returns(&ln[e]);
            squares[e] = features::five_squared_log_returns(&ln[e - 5u]) + features::five_squared_log_returns(&ln[e]);
        }
    }
    __syncthreads();
    const u32 own = from + threadIdx.x;
    const u32 e = features::PAST + threadIdx.x;
    if (own < length) {
        ln_close[row + own] = ln[e];
        volatility[row + own] = features::deviation(features::of_20(&sums[e]), features::of_20(&squares[e]),
                                                    features::SHARE_20, features::SHARE_19);
    }
}

// `ret_1` of all symbols, `[symbols x bars]`, 0 where a symbol has none. Threads: bars (x), symbols (y).
KERNEL(features_returns, features::BARS, const double* close, const u32* ranges, double* returns, u32 bars) {
    const u32 bar = thread_in_grid();
    if (bar >= bars) {
        return;
    }
    const u32 symbol = blockIdx.y;
    const u64 cell = static_cast<u64>(symbol) * bars + bar;
    const bool there = bar > ranges[symbol * 2u] && bar < ranges[symbol * 2u + 1u];
    returns[cell] = there ? close[cell] / close[cell - 1u] - 1.0 : 0.0;
}

// Adds `ret_1` of the symbols that have one to `sums`, and 1 to `counts`, `[bars]`, in the order of the symbols. One thread per
// bar. The returns are computed before, so that no division delays the loads.
KERNEL(features_market, features::BARS, const double* returns, const u32* ranges, double* sums, double* counts, u32 symbols,
       u32 bars) {
    const u32 bar = thread_in_grid();
    if (bar >= bars) {
        return;
    }
    double sum = sums[bar];
    double count = counts[bar];
    #pragma unroll 8
    for (u32 symbol = 0; symbol < symbols; ++symbol) {
        const bool there = bar > ranges[symbol * 2u] && bar < ranges[symbol * 2u + 1u];
        const double own = returns[static_cast<u64>(symbol) * bars + bar];
        sum = there ? sum + own : sum;
        count = there ? count + 1.0 : count;
    }
    sums[bar] = sum;
    counts[bar] = count;
}

// `ret_1` of one symbol on the grid, NaN where it has none.
KERNEL(features_coin_returns, features::BARS, const double* close, double* returns, u32 start, u32 end, u32 bars) {
    const u32 bar = thread_in_grid();
    if (bar < bars) {
        returns[bar] = bar > start && bar < end ? close[bar] / close[bar - 1u] - 1.0 : arith::f64_nan();
    }
}

// The market's mean return from sums and counts; NaN where no symbol has a return.
KERNEL(features_market_returns, features::BARS, const double* sums, const double* counts, double* returns, u32 bars) {
    const u32 bar = thread_in_grid();
    if (bar < bars) {
        returns[bar] = sums[bar] / counts[bar];
    }
}

// Sums of the last 50 returns, and the factors of a covariance with them, both `[3 x bars]`: Bitcoin and Ethereum (1 over the
// root of the spread), the market (1 over the spread). NaN before bar 50, because bar 0 has no return.
KERNEL(features_reference, features::BARS, const double* returns, double* sums, double* scales, u32 bars) {
    const u32 bar = thread_in_grid();
    if (bar >= bars) {
        return;
    }
    const u64 row = static_cast<u64>(blockIdx.y) * bars;
    double sum = arith::f64_nan();
    double scale = arith::f64_nan();
    if (bar >= features::CORRELATION_BARS) {
        const double* x = returns + row + bar;
        double by_ten[5], squares_by_ten[5];
        for (i32 k = 0; k < 5; ++k) {
            const double* last = x - 40 + 10 * k;
            by_ten[k] = features::five(last - 5) + features::five(last);
            squares_by_ten[k] = features::five_products(last - 5, last - 5) + features::five_products(last, last);
        }
        sum = (by_ten[0] + by_ten[1]) + (by_ten[2] + by_ten[3]) + by_ten[4];
        const double squares =
            (squares_by_ten[0] + squares_by_ten[1]) + (squares_by_ten[2] + squares_by_ten[3]) + squares_by_ten[4];
        const double spread = features::spread_50(sum, squares);
        scale = blockIdx.y < 2u ? 1.0 / arith::root(spread) : 1.0 / spread;
    }
    sums[row + bar] = sum;
    scales[row + bar] = scale;
}

// Writes NaN to all features of the bars that a symbol does not have. Blocks: bars (x), symbols (y).
KERNEL(features_blank, features::BARS, const u32* ranges, float* rows, u32 bars) {
    const u32 symbol = blockIdx.y;
    const u32 start = ranges[symbol * 2u];
    const u32 end = ranges[symbol * 2u + 1u];
    const u32 from = blockIdx.x * features::BARS;
    const u32 own = bars - from < features::BARS ? bars - from : features::BARS;
    // Nearly all tiles are whole.
    if (from >= start && from + own <= end) {
        return;
    }
    const u32 count = own * features::COUNT;
    float* out = rows + (static_cast<u64>(symbol) * bars + from) * features::COUNT;
    for (u32 i = threadIdx.x; i < count; i += features::BARS) {
        const u32 bar = from + i / features::COUNT;
        if (bar < start || bar >= end) {
            out[i] = arith::f32_nan();
        }
    }
}

namespace features {

// Entries between two features of a bar in the tile; one more than the bars, which avoids bank conflicts.
constexpr u32 TILE_STRIDE = BARS + 1;

// Where the thread of a bar writes its features.
struct Cell {
    float* at;
    DEVICE_MEMBER void put(u32 column, double value) const { at[column * TILE_STRIDE] = static_cast<float>(value); }
    DEVICE_MEMBER void put_float(u32 column, float value) const { at[column * TILE_STRIDE] = value; }
};

// Four threads count for four neighbouring bars together: each reads a quarter of the entries, once for all four bars. The
// quarter is odd, which avoids bank conflicts within a warp.
constexpr u32 SHARERS = 4;
constexpr u32 QUARTER = 65;
// Entries of the combined windows of four neighbouring bars.
constexpr u32 SHARED_WINDOW = THIRDS_WINDOW + SHARERS - 1u;

// The third of the last 250 volatilities in which that of this thread's bar is: 0, 1 or 2; NaN if there are fewer than 50.
// The bar is `own` bars after the symbol's first. `judged` holds the volatilities of the 250 bars before the tile, then those
// of the tile.
DEVICE double third(const double* judged, u32 from, u32 own) {
    const u32 t = threadIdx.x;
    const u32 first = t & ~(SHARERS - 1u);
    const double* of = judged + THIRDS_WINDOW + first;
    const double own_0 = of[0], own_1 = of[1], own_2 = of[2], own_3 = of[3];
    i32 at_most[SHARERS] = {0, 0, 0, 0};
    const u32 begin = (t & (SHARERS - 1u)) * QUARTER;
    const u32 end = begin + QUARTER < SHARED_WINDOW ? begin + QUARTER : SHARED_WINDOW;
    for (u32 j = begin; j < end; ++j) {
        // Entry j is that of bar `first` - 249 + j. It is in the window of bar k if k <= j < k + 250.
        // Entries exist from bar 20 on.
        if (from + first + j < THIRDS_WINDOW - 1u + VOLATILITY_WARM_UP) {
            continue;
        }
        const double entry = judged[first + j + 1u];
        at_most[0] += j < THIRDS_WINDOW && entry <= own_0 ? 1 : 0;
        at_most[1] += j >= 1u && j < THIRDS_WINDOW + 1u && entry <= own_1 ? 1 : 0;
        at_most[2] += j >= 2u && j < THIRDS_WINDOW + 2u && entry <= own_2 ? 1 : 0;
        at_most[3] += j >= 3u && entry <= own_3 ? 1 : 0;
    }
    i32 mine = 0;
    for (u32 k = 0; k < SHARERS; ++k) {
        i32 sum = at_most[k];
        sum += __shfl_xor_sync(ALL_LANES, sum, 1);
        sum += __shfl_xor_sync(ALL_LANES, sum, 2);
        mine = (t & (SHARERS - 1u)) == k ? sum : mine;
    }
    if (own + 1u < VOLATILITY_WARM_UP + THIRDS_MIN_ENTRIES) {
        return arith::f64_nan();
    }
    const u32 entries = own + 1u - VOLATILITY_WARM_UP;
    const i32 last = static_cast<i32>(entries < THIRDS_WINDOW ? entries : THIRDS_WINDOW) - 1;
    const i32 rank = mine - 1;
    return static_cast<double>((THIRDS * rank >= last ? 1 : 0) + (THIRDS * rank >= 2 * last ? 1 : 0));
}

}  // namespace features

// The rows, `[symbols x bars x features]`. Blocks: tiles (x), symbols (y); one thread per bar. `exact` and `smooth` are those
// of features_recurrences; `returns`, `sums`, `scales` and `calendar` are `[3 x bars]`; `warm_up` is `[features]`.
KERNEL(features_rows, features::BARS, const double* open, const double* high, const double* low, const double* close,
       const double* volume, const u32* ranges, const double* ln_close, const double* volatility, const float* smooth,
       const double* exact, const double* returns, const double* sums, const double* scales, const float* calendar,
       const u32* warm_up, float* rows, u32 bars) {
    SHARED(double, highs, features::ENTRIES);
    SHARED(double, lows, features::ENTRIES);
    SHARED(double, closes, features::ENTRIES);
    SHARED(double, returned, features::ENTRIES);
    SHARED(double, logs, features::ENTRIES);
    SHARED(double, work_a, features::ENTRIES);
    SHARED(double, work_b, features::ENTRIES);
    SHARED(double, other, features::ENTRIES);
    SHARED(double, judged, features::THIRDS_WINDOW + features::BARS);
    SHARED(float, tile, features::COUNT * features::TILE_STRIDE);
    using namespace features;

    const u32 symbol = blockIdx.y;
    const u32 start = ranges[symbol * 2u];
    const u32 length = ranges[symbol * 2u + 1u] - start;
    const u32 from = blockIdx.x * BARS;
    if (from >= length) {
        return;
    }
    const u64 row = static_cast<u64>(symbol) * bars + start;
    const u32 t = threadIdx.x;
    const u32 own = from + t;
    const bool there = own < length;
    const u32 here = there ? own : length - 1u;
    const u32 bar = start + here;
    const u32 e = PAST + t;
    const Cell out = {tile + t};

    for (u32 k = t; k < ENTRIES; k += BARS) {
        const i64 at = static_cast<i64>(from) + k - PAST;
        const bool has = at >= 0 && at < length;
        const u64 cell = row + static_cast<u64>(has ? at : 0);
        highs[k] = has ? high[cell] : 0.0;
        lows[k] = has ? low[cell] : 0.0;
        closes[k] = has ? close[cell] : 0.0;
        logs[k] = has ? ln_close[cell] : 0.0;
        // The first bar has no return.
        const double before = at > 0 && has ? close[cell - 1u] : 0.0;
        returned[k] = at > 0 && has ? close[cell] / before - 1.0 : (at == 0 ? arith::f64_nan() : 0.0);
        other[k] = has ? volume[cell] : 0.0;
    }
    for (u32 k = t; k < THIRDS_WINDOW + BARS; k += BARS) {
        const i64 at = static_cast<i64>(from) + k - THIRDS_WINDOW;
        judged[k] = at >= 0 && at < length ? volatility[row + static_cast<u64>(at)] : 0.0;
    }
    __syncthreads();

    const double* c = closes + e;
    const double* ln = logs + e;
    const double* r = returned + e;
    const double h = highs[e];
    const double l = lows[e];

    // Sums of 10 closes and of 10 volumes.
    for (u32 k = t; k < ENTRIES; k += BARS) {
        if (k >= 9u) {
            work_a[k] = five(&closes[k - 5u]) + five(&closes[k]);
            work_b[k] = five(&other[k - 5u]) + five(&other[k]);
        }
    }
    __syncthreads();
    const double sma_20 = of_20(&work_a[e]) * SHARE_20;
    const double sma_50 = of_50(&work_a[e]) * SHARE_50;
    const double sma_10 = work_a[e] * SHARE_10;
    const double volume_sma = of_20(&work_b[e]) * SHARE_20;
    const double volume_sma_before = of_20(&work_b[e - 1u]) * SHARE_20;
    const double volume_ratio = volume_sma == 0.0 ? 0.0 : other[e] / volume_sma;
    const double volume_ratio_before = volume_sma_before == 0.0 ? 0.0 : other[e - 1u] / volume_sma_before;
    __syncthreads();

    // Sums of 10 returns and of 10 of their squares.
    for (u32 k = t; k < ENTRIES; k += BARS) {
        if (k >= 9u) {
            work_a[k] = five(&returned[k - 5u]) + five(&returned[k]);
            work_b[k] = five_products(&returned[k - 5u], &returned[k - 5u]) + five_products(&returned[k], &returned[k]);
        }
    }
    __syncthreads();
    const double returns_20 = of_20(&work_a[e]);
    const double returns_50 = of_50(&work_a[e]);
    const double return_squares_20 = of_20(&work_b[e]);
    const double own_scale = 1.0 / arith::root(spread_50(returns_50, of_50(&work_b[e])));

    // Correlations of the returns with Bitcoin's and Ethereum's, and beta to the market's.
    for (u32 reference = 0; reference < 3u; ++reference) {
        const u64 grid = static_cast<u64>(reference) * bars;
        for (u32 k = t; k < ENTRIES; k += BARS) {
            const i64 at = static_cast<i64>(from) + k - PAST;
            other[k] = at >= 0 && at < length ? returns[grid + start + static_cast<u64>(at)] : 0.0;
        }
        __syncthreads();
        for (u32 k = t; k < ENTRIES; k += BARS) {
            if (k >= 9u) {
                work_a[k] = five_products(&returned[k - 5u], &other[k - 5u]) + five_products(&returned[k], &other[k]);
            }
        }
        __syncthreads();
        const double covariance = covariance_50(returns_50, sums[grid + bar], of_50(&work_a[e]));
        const double scale = scales[grid + bar];
        out.put(BTC_CORRELATION + reference, covariance * (reference < 2u ? own_scale * scale : scale));
        __syncthreads();
    }

    // Extremes of four returns, then of four lows and highs.
    for (u32 k = t; k < ENTRIES; k += BARS) {
        if (k >= 3u) {
            work_a[k] = extreme_4<false>(&returned[k]);
            work_b[k] = extreme_4<true>(&returned[k]);
        }
    }
    __syncthreads();
    out.put(RET_1_MIN_20, extreme_20<false>(&work_a[e]));
    out.put(RET_1_MAX_20, extreme_20<true>(&work_b[e]));
    __syncthreads();
    for (u32 k = t; k < ENTRIES; k += BARS) {
        if (k >= 3u) {
            work_a[k] = extreme_4<false>(&lows[k]);
            work_b[k] = extreme_4<true>(&highs[k]);
        }
    }
    __syncthreads();
    out.put(CLOSE_VS_MIN_50, c[0] / extreme_50<false>(&work_a[e]) - 1.0);
    out.put(CLOSE_VS_MAX_50, c[0] / extreme_50<true>(&work_b[e]) - 1.0);
    for (u32 k = t; k < ENTRIES; k += BARS) {
        if (k >= PAST - 4u) {
            other[k] = fast_k(closes[k], extreme_14<false>(&work_a[k]), extreme_14<true>(&work_b[k]));
        }
    }
    __syncthreads();
    double slow_k[3];
    for (i32 k = 0; k < 3; ++k) {
        const double* fast = &other[e] - k;
        slow_k[k] = mean_of_3(fast[-2], fast[-1], fast[0]);
    }
    out.put(STOCH_K, slow_k[0]);
    out.put(STOCH_D, mean_of_3(slow_k[2], slow_k[1], slow_k[0]));

    const double ret_1 = r[0];
    const double ret_5 = c[0] / c[-5] - 1.0;
    const double ret_20 = c[0] / c[-20] - 1.0;
    out.put(RET_1, ret_1);
    out.put(RET_5, ret_5);
    out.put(RET_20, ret_20);
    out.put(LOG_RET_1, ln[0] - ln[-1]);
    out.put(LOG_RET_5, ln[0] - ln[-5]);
    out.put(PRICE_CHANGE, c[0] - c[-1]);
    out.put(HIGH_LOW_RATIO, h / l);
    out.put(CLOSE_OPEN_RATIO, c[0] / open[row + here]);
    out.put(RET_1_LAG_1, r[-1]);
    out.put(RET_1_LAG_2, r[-2]);
    out.put(RET_1_LAG_3, r[-3]);
    out.put(RET_1_LAG_5, r[-5]);
    out.put(RET_1_MEAN_20, returns_20 * SHARE_20);
    out.put(RET_1_STD_20, deviation(returns_20, return_squares_20, SHARE_20, SHARE_19));

    out.put(SMA_5, five(c) * SHARE_5);
    out.put(SMA_10, sma_10);
    out.put(SMA_20, sma_20);
    out.put(SMA_50, sma_50);
    out.put(PRICE_VS_SMA_20, c[0] / sma_20 - 1.0);
    double squares = 0.0;
    for (i32 k = 19; k >= 0; --k) {
        const double d = c[-k] - sma_20;
        squares += d * d;
    }
    // Rounding of the mean puts even equal prices at a distance from it; that is not a width.
    const double band = squares <= BAND_ROUNDING * (sma_20 * sma_20) ? 0.0 : BAND_DEVIATIONS * arith::root(squares * SHARE_20);
    const double upper = sma_20 + band;
    const double lower = sma_20 - band;
    out.put(BB_UPPER, upper);
    out.put(BB_LOWER, lower);
    out.put(BB_WIDTH, (upper - lower) / sma_20);
    out.put(PRICE_VS_BB, upper == lower ? PRICE_VS_EQUAL_BANDS : (c[0] - lower) / (upper - lower));

    const double volatility_20 = judged[THIRDS_WINDOW + t];
    out.put(VOLATILITY_5, deviation(five_log_returns(ln), five_squared_log_returns(ln), SHARE_5, SHARE_4));
    out.put(VOLATILITY_20, volatility_20);
    const double trend = r_squared_20(ln);
    const double regime = third(judged, from, own);
    out.put(TREND_STRENGTH, trend);
    out.put(VOLATILITY_REGIME, regime);
    const bool panic = regime == VOLATILITY_REGIME_HIGH && ret_5 < PANIC_RETURN_VOLATILITIES * volatility_20;
    const double calm = trend >= TREND_R_SQUARED ? REGIME_TREND : REGIME_RANGE;
    const double liquid = panic ? REGIME_PANIC : calm;
    out.put(MARKET_REGIME, volume_ratio < ILLIQUID_VOLUME_RATIO ? REGIME_ILLIQUID : liquid);

    const double* exact_row = exact + static_cast<u64>(symbol) * EXACT_COUNT * bars + start;
    const double* rsi_row = exact_row + static_cast<u64>(E_RSI) * bars;
    const double* histogram_row = exact_row + static_cast<u64>(E_HISTOGRAM) * bars;
    const double rsi_now = rsi_row[here];
    const double histogram = histogram_row[here];
    out.put(RSI_14, rsi_now);
    out.put(RSI_14_LAG_1, here >= 1u ? rsi_row[here - 1u] : 0.0);
    out.put(RSI_14_LAG_3, here >= 3u ? rsi_row[here - 3u] : 0.0);
    out.put(MACD_HISTOGRAM, histogram);
    out.put(MACD_HISTOGRAM_LAG_1, here >= 1u ? histogram_row[here - 1u] : 0.0);
    out.put(MACD_HISTOGRAM_LAG_3, here >= 3u ? histogram_row[here - 3u] : 0.0);
    out.put(ATR_14, exact_row[static_cast<u64>(E_ATR) * bars + here]);
    const float* smooth_row = smooth + static_cast<u64>(symbol) * SMOOTH_COUNT * bars + bar;
    out.put_float(EMA_5, smooth_row[static_cast<u64>(S_EMA_5) * bars]);
    out.put_float(EMA_10, smooth_row[static_cast<u64>(S_EMA_10) * bars]);
    out.put_float(EMA_20, smooth_row[static_cast<u64>(S_EMA_20) * bars]);
    out.put_float(MACD, smooth_row[static_cast<u64>(S_MACD) * bars]);
    out.put_float(MACD_SIGNAL, smooth_row[static_cast<u64>(S_SIGNAL) * bars]);
    out.put_float(ADX_14, smooth_row[static_cast<u64>(S_ADX) * bars]);
    out.put_float(PRICE_VOLUME_TREND, smooth_row[static_cast<u64>(S_TREND) * bars]);
    out.put_float(ON_BALANCE_VOLUME, smooth_row[static_cast<u64>(S_BALANCE) * bars]);

    out.put(VOLUME_SMA_20, volume_sma);
    out.put(VOLUME_RATIO, volume_ratio);
    out.put(VOLUME_RATIO_LAG_1, volume_ratio_before);
    out.put_float(HOUR_OF_DAY, calendar[bar]);
    out.put_float(DAY_OF_WEEK, calendar[static_cast<u64>(bars) + bar]);
    out.put_float(IS_WEEKEND, calendar[2ull * bars + bar]);
    out.put(RSI_X_VOLATILITY, rsi_now * volatility_20);
    out.put(MACD_X_VOLUME, histogram * volume_ratio);
    out.put(TREND_X_MOMENTUM, trend * ret_20);
    out.put(RANGE_X_VOLUME, (h / l - 1.0) * volume_ratio);
    __syncthreads();

    // Transpose columns to rows, so that neighbouring threads write neighbouring values.
    const u32 count = (length - from < BARS ? length - from : BARS) * COUNT;
    float* to = rows + (row + from) * COUNT;
    for (u32 i = t; i < count; i += BARS) {
        const u32 of = i / COUNT;
        const u32 column = i - of * COUNT;
        const float value = tile[column * TILE_STRIDE + of];
        // Every device must write the same bit pattern for NaN.
        to[i] = from + of < warm_up[column] || arith::is_nan(value) ? arith::f32_nan() : value;
    }
}
