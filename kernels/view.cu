// What models see, from the features and the candles: twin of crates/features/src/view.rs.
#include "features.cuh"

namespace view {

// Threads per block, and bars per tile. Twin of `TILE` in crates/features/src/view/device.rs; a test there compares them.
constexpr u32 TILE = 64;
// Bars of the windows of the columns `…_20`. Twin of the same constant in view.rs.
constexpr u32 WINDOW = 20;

// In the order of VIEW (view.rs); a test compares them.
enum Column : u32 {
    RET_1_ATR, RET_5_ATR, RET_20_ATR, RET_1_ATR_LAG_1, RET_1_ATR_LAG_2, RET_1_ATR_LAG_3, RET_1_ATR_LAG_5,
    RANGE_ATR, BODY_ATR, CLOSE_VS_SMA_5_ATR, CLOSE_VS_SMA_10_ATR, CLOSE_VS_SMA_20_ATR, CLOSE_VS_SMA_50_ATR,
    CLOSE_VS_EMA_5_ATR, CLOSE_VS_EMA_10_ATR, CLOSE_VS_EMA_20_ATR, CLOSE_VS_MIN_50_ATR, CLOSE_VS_MAX_50_ATR,
    ATR_SHARE, VOLATILITY_20, VOLATILITY_RATIO, BB_WIDTH_ATR, PRICE_VS_BB, RSI_14, RSI_14_LAG_1, RSI_14_LAG_3,
    MACD_ATR, MACD_SIGNAL_ATR, MACD_HISTOGRAM_ATR, MACD_HISTOGRAM_ATR_LAG_1, MACD_HISTOGRAM_ATR_LAG_3,
    STOCH_K, STOCH_D, ADX_14, RET_1_MIN_20_ATR, RET_1_MAX_20_ATR, RET_1_STD_20_ATR, VOLUME_RATIO, VOLUME_RATIO_LAG_1,
    OBV_CHANGE_20, PVT_CHANGE_20_ATR, BTC_CORRELATION, ETH_CORRELATION, MARKET_BETA, MARKET_RET_5_ATR, MARKET_RET_20_ATR,
    RELATIVE_RET_5_ATR, RELATIVE_RET_20_ATR, TREND_STRENGTH, VOLATILITY_REGIME, MARKET_REGIME,
    HOUR_OF_DAY, DAY_OF_WEEK, IS_WEEKEND, RSI_X_VOLATILITY, MACD_X_VOLUME_ATR, TREND_X_MOMENTUM_ATR, RANGE_X_VOLUME_ATR,
    COUNT
};

// Columns whose means over all symbols are known.
enum Mean : u32 { MEAN_RET_5, MEAN_RET_20, MEANS };

// Words between the rows of a tile, odd so that neighbouring threads use different banks.
constexpr u32 FEATURES_STRIDE = features::COUNT + 1u;
constexpr u32 VIEW_STRIDE = COUNT + 1u;
static_assert(FEATURES_STRIDE % 2u == 1u && VIEW_STRIDE % 2u == 1u, "even strides would share banks");

// Undefined and infinite values are missing ones; every missing value has the same bits.
DEVICE float finite(double value) {
    const float rounded = static_cast<float>(value);
    return arith::is_nan(rounded - rounded) ? arith::f32_nan() : rounded;
}

DEVICE double signum(double value) { return value > 0.0 ? 1.0 : (value < 0.0 ? -1.0 : value); }

// One bar of one symbol: its features in a tile, its own candles before it, and its row of the view.
struct Bar {
    const float* own;
    const double* closes;   // of this bar; older ones lie before
    const double* volumes;
    u32 here;               // bars of the symbol before this one
    float* out;

    DEVICE_MEMBER double of(u32 column) const { return static_cast<double>(own[column]); }
    // The close `k` bars ago; NaN before the symbol's first bar.
    DEVICE_MEMBER double close(u32 k) const { return here < k ? arith::f64_nan() : closes[-static_cast<i64>(k)]; }
    DEVICE_MEMBER void put(u32 column, double value) const { out[column] = finite(value); }
};

}  // namespace view

// Means of the 5- and 20-bar returns over all symbols that have one, `[2 x bars]`. A thread per bar (x) and mean (y).
KERNEL(view_means, view::TILE, const float* rows, double* means, u32 symbols, u32 bars) {
    const u32 bar = thread_in_grid();
    if (bar >= bars) {
        return;
    }
    const u32 column = blockIdx.y == view::MEAN_RET_5 ? features::RET_5 : features::RET_20;
    double sum = 0.0;
    double count = 0.0;
    for (u32 symbol = 0u; symbol < symbols; ++symbol) {
        const float value = rows[(static_cast<u64>(symbol) * bars + bar) * features::COUNT + column];
        if (!arith::is_nan(value)) {
            sum += static_cast<double>(value);
            count += 1.0;
        }
    }
    means[static_cast<u64>(blockIdx.y) * bars + bar] = count > 0.0 ? sum / count : arith::f64_nan();
}

// Rows of the view, `[symbols x bars x COUNT]`, from those of the features. Blocks: tiles of bars (x), symbols (y).
KERNEL(view_rows, view::TILE, const double* open, const double* high, const double* low, const double* close,
       const double* volume, const u32* ranges, const float* rows, const double* means, float* out, u32 bars) {
    using namespace view;
    SHARED(float, tile, TILE * FEATURES_STRIDE);
    SHARED(float, made, TILE * VIEW_STRIDE);
    const u32 t = threadIdx.x;
    const u32 symbol = blockIdx.y;
    const u32 from = blockIdx.x * TILE;
    const u64 row = static_cast<u64>(symbol) * bars;
    const u32 here = bars - from < TILE ? bars - from : TILE;
    const float* features_from = rows + (row + from) * features::COUNT;
    for (u32 i = t; i < here * features::COUNT; i += TILE) {
        const u32 of = i / features::COUNT;
        tile[of * FEATURES_STRIDE + i - of * features::COUNT] = features_from[i];
    }
    __syncthreads();
    const u32 bar = from + t;
    const u32 start = ranges[symbol * 2u];
    if (bar >= start && bar < ranges[symbol * 2u + 1u]) {
        const u64 at = row + bar;
        const Bar b = {tile + t * FEATURES_STRIDE, close + at, volume + at, bar - start, made + t * VIEW_STRIDE};
        const double atr = b.of(features::ATR_14);
        const double price = b.close(0u);
        const double atr_share = atr / price;
        const double range = high[at] - low[at];
        b.put(RET_1_ATR, (price - b.close(1u)) / atr);
        b.put(RET_5_ATR, (price - b.close(5u)) / atr);
        b.put(RET_20_ATR, (price - b.close(20u)) / atr);
        b.put(RET_1_ATR_LAG_1, (b.close(1u) - b.close(2u)) / atr);
        b.put(RET_1_ATR_LAG_2, (b.close(2u) - b.close(3u)) / atr);
        b.put(RET_1_ATR_LAG_3, (b.close(3u) - b.close(4u)) / atr);
        b.put(RET_1_ATR_LAG_5, (b.close(5u) - b.close(6u)) / atr);
        b.put(RANGE_ATR, range / atr);
        b.put(BODY_ATR, (price - open[at]) / atr);
        b.put(CLOSE_VS_SMA_5_ATR, (price - b.of(features::SMA_5)) / atr);
        b.put(CLOSE_VS_SMA_10_ATR, (price - b.of(features::SMA_10)) / atr);
        b.put(CLOSE_VS_SMA_20_ATR, (price - b.of(features::SMA_20)) / atr);
        b.put(CLOSE_VS_SMA_50_ATR, (price - b.of(features::SMA_50)) / atr);
        b.put(CLOSE_VS_EMA_5_ATR, (price - b.of(features::EMA_5)) / atr);
        b.put(CLOSE_VS_EMA_10_ATR, (price - b.of(features::EMA_10)) / atr);
        b.put(CLOSE_VS_EMA_20_ATR, (price - b.of(features::EMA_20)) / atr);
        b.put(CLOSE_VS_MIN_50_ATR, b.of(features::CLOSE_VS_MIN_50) / atr_share);
        b.put(CLOSE_VS_MAX_50_ATR, b.of(features::CLOSE_VS_MAX_50) / atr_share);
        b.put(ATR_SHARE, atr_share);
        b.put(VOLATILITY_20, b.of(features::VOLATILITY_20));
        b.put(VOLATILITY_RATIO, b.of(features::VOLATILITY_5) / b.of(features::VOLATILITY_20));
        b.put(BB_WIDTH_ATR, (b.of(features::BB_UPPER) - b.of(features::BB_LOWER)) / atr);
        b.put(PRICE_VS_BB, b.of(features::PRICE_VS_BB));
        b.put(RSI_14, b.of(features::RSI_14));
        b.put(RSI_14_LAG_1, b.of(features::RSI_14_LAG_1));
        b.put(RSI_14_LAG_3, b.of(features::RSI_14_LAG_3));
        b.put(MACD_ATR, b.of(features::MACD) / atr);
        b.put(MACD_SIGNAL_ATR, b.of(features::MACD_SIGNAL) / atr);
        b.put(MACD_HISTOGRAM_ATR, b.of(features::MACD_HISTOGRAM) / atr);
        b.put(MACD_HISTOGRAM_ATR_LAG_1, b.of(features::MACD_HISTOGRAM_LAG_1) / atr);
        b.put(MACD_HISTOGRAM_ATR_LAG_3, b.of(features::MACD_HISTOGRAM_LAG_3) / atr);
        b.put(STOCH_K, b.of(features::STOCH_K));
        b.put(STOCH_D, b.of(features::STOCH_D));
        b.put(ADX_14, b.of(features::ADX_14));
        b.put(RET_1_MIN_20_ATR, b.of(features::RET_1_MIN_20) / atr_share);
        b.put(RET_1_MAX_20_ATR, b.of(features::RET_1_MAX_20) / atr_share);
        b.put(RET_1_STD_20_ATR, b.of(features::RET_1_STD_20) / atr_share);
        b.put(VOLUME_RATIO, b.of(features::VOLUME_RATIO));
        b.put(VOLUME_RATIO_LAG_1, b.of(features::VOLUME_RATIO_LAG_1));

        // Means over the window of signs and returns, weighted by volume, summed oldest first; 0 without volume.
        double balance = arith::f64_nan();
        double trend = arith::f64_nan();
        if (b.here >= WINDOW) {
            double signs = 0.0;
            double returns = 0.0;
            double traded = 0.0;
            double before = b.close(WINDOW);
            for (u32 k = WINDOW; k-- > 0u;) {
                const double own = b.volumes[-static_cast<i64>(k)];
                const double now = b.closes[-static_cast<i64>(k)];
                signs += own * signum(now - before);
                returns += own * (now / before - 1.0);
                traded += own;
                before = now;
            }
            balance = traded > 0.0 ? signs / traded : 0.0;
            trend = traded > 0.0 ? returns / traded : 0.0;
        }
        b.put(OBV_CHANGE_20, balance);
        b.put(PVT_CHANGE_20_ATR, trend / atr_share);
        b.put(BTC_CORRELATION, b.of(features::BTC_CORRELATION));
        b.put(ETH_CORRELATION, b.of(features::ETH_CORRELATION));
        b.put(MARKET_BETA, b.of(features::MARKET_BETA));
        const double mean_5 = means[bar];
        const double mean_20 = means[static_cast<u64>(MEAN_RET_20) * bars + bar];
        b.put(MARKET_RET_5_ATR, mean_5 / atr_share);
        b.put(MARKET_RET_20_ATR, mean_20 / atr_share);
        b.put(RELATIVE_RET_5_ATR, (b.of(features::RET_5) - mean_5) / atr_share);
        b.put(RELATIVE_RET_20_ATR, (b.of(features::RET_20) - mean_20) / atr_share);
        b.put(TREND_STRENGTH, b.of(features::TREND_STRENGTH));
        b.put(VOLATILITY_REGIME, b.of(features::VOLATILITY_REGIME));
        b.put(MARKET_REGIME, b.of(features::MARKET_REGIME));
        b.put(HOUR_OF_DAY, b.of(features::HOUR_OF_DAY));
        b.put(DAY_OF_WEEK, b.of(features::DAY_OF_WEEK));
        b.put(IS_WEEKEND, b.of(features::IS_WEEKEND));
        b.put(RSI_X_VOLATILITY, b.of(features::RSI_X_VOLATILITY));
        b.put(MACD_X_VOLUME_ATR, b.of(features::MACD_X_VOLUME) / atr);
        b.put(TREND_X_MOMENTUM_ATR, b.of(features::TREND_X_MOMENTUM) / atr_share);
        b.put(RANGE_X_VOLUME_ATR, range / atr * b.of(features::VOLUME_RATIO));
    } else {
        for (u32 column = 0u; column < COUNT; ++column) {
            made[t * VIEW_STRIDE + column] = arith::f32_nan();
        }
    }
    __syncthreads();
    float* to = out + (row + from) * COUNT;
    for (u32 i = t; i < here * COUNT; i += TILE) {
        const u32 of = i / COUNT;
        to[i] = made[of * VIEW_STRIDE + i - of * COUNT];
    }
}
