// What the kernels of the features share: constants, columns, windows, and TA-Lib's indicators. Twin of crates/features.
#pragma once
#include "arith.cuh"

namespace features {

// Constants with a twin of the same name in crates/features/src; a test there compares the values.

// windows.rs: 1/n, by which sums are multiplied, and the share of a sum of squares up to which a spread is rounding error.
constexpr double SHARE_3 = 1.0 / 3.0;
constexpr double SHARE_50 = 1.0 / 50.0;
constexpr double SPREAD_ROUNDING = 1e-13;

// indicators.rs: full scale of an index in per cent, RSI of a price that never moved, the least sum of both directional
// indices that counts as movement, and the share of a window's prices up to which their range is rounding error.
constexpr double PERCENT = 100.0;
constexpr double RSI_WITHOUT_MOVES = 50.0;
constexpr double LEAST_DIRECTIONAL_SUM = 1e-14;
constexpr double RANGE_ROUNDING = 1e-14;

// In the order of CATALOGUE (crates/features/src/catalogue.rs); a test compares them.
enum Column : u32 {
    RET_1, RET_5, RET_20, LOG_RET_1, LOG_RET_5, PRICE_CHANGE, HIGH_LOW_RATIO, CLOSE_OPEN_RATIO,
    SMA_5, SMA_10, SMA_20, SMA_50, EMA_5, EMA_10, EMA_20, PRICE_VS_SMA_20,
    VOLATILITY_5, VOLATILITY_20, ATR_14, BB_UPPER, BB_LOWER, BB_WIDTH, PRICE_VS_BB,
    RSI_14, MACD, MACD_SIGNAL, MACD_HISTOGRAM, STOCH_K, STOCH_D, ADX_14,
    VOLUME_SMA_20, VOLUME_RATIO, PRICE_VOLUME_TREND, ON_BALANCE_VOLUME,
    BTC_CORRELATION, ETH_CORRELATION, MARKET_BETA, TREND_STRENGTH, VOLATILITY_REGIME, MARKET_REGIME,
    HOUR_OF_DAY, DAY_OF_WEEK, IS_WEEKEND,
    RSI_X_VOLATILITY, MACD_X_VOLUME, TREND_X_MOMENTUM, RANGE_X_VOLUME,
    RET_1_LAG_1, RET_1_LAG_2, RET_1_LAG_3, RET_1_LAG_5, RSI_14_LAG_1, RSI_14_LAG_3,
    MACD_HISTOGRAM_LAG_1, MACD_HISTOGRAM_LAG_3, VOLUME_RATIO_LAG_1,
    RET_1_MIN_20, RET_1_MAX_20, RET_1_MEAN_20, RET_1_STD_20, CLOSE_VS_MIN_50, CLOSE_VS_MAX_50,
    COUNT
};

// Series of recurrences: those that are features as they are (f32), and those that other features are made from (f64).
enum Smooth : u32 { S_EMA_5, S_EMA_10, S_EMA_20, S_MACD, S_SIGNAL, S_ADX, S_TREND, S_BALANCE, SMOOTH_COUNT };
enum Exact : u32 { E_RSI, E_HISTOGRAM, E_ATR, EXACT_COUNT };

// Sum of five entries up to x[0], or of five products of x and y, the oldest first.
DEVICE double five(const double* x) { return x[-4] + x[-3] + x[-2] + x[-1] + x[0]; }
DEVICE double five_products(const double* x, const double* y) {
    return x[-4] * y[-4] + x[-3] * y[-3] + x[-2] * y[-2] + x[-1] * y[-1] + x[0] * y[0];
}
// Sums of five log returns up to ln_close[0], and of their squares.
DEVICE double log_return(const double* ln_close) { return ln_close[0] - ln_close[-1]; }
DEVICE double five_log_returns(const double* ln_close) {
    return log_return(ln_close - 4) + log_return(ln_close - 3) + log_return(ln_close - 2) + log_return(ln_close - 1) +
           log_return(ln_close);
}
DEVICE double square(double x) { return x * x; }
DEVICE double five_squared_log_returns(const double* ln_close) {
    return square(log_return(ln_close - 4)) + square(log_return(ln_close - 3)) + square(log_return(ln_close - 2)) +
           square(log_return(ln_close - 1)) + square(log_return(ln_close));
}

DEVICE double mean_of_3(double a, double b, double c) { return (a + b + c) * SHARE_3; }

// Sums of 20 and 50 entries from sums of 10, the older ones first.
DEVICE double of_20(const double* of_10) { return of_10[-10] + of_10[0]; }
DEVICE double of_50(const double* of_10) {
    const double oldest = of_10[-40] + of_10[-30];
    const double older = of_10[-20] + of_10[-10];
    return oldest + older + of_10[0];
}

// Sample standard deviation of n numbers from their sum and the sum of their squares; 0 if they differ only by rounding.
DEVICE double deviation(double sum, double squares, double share, double share_of_rest) {
    const double spread = squares - sum * sum * share;
    const double root = arith::root(spread * share_of_rest);
    return spread > SPREAD_ROUNDING * squares ? root : 0.0;
}

// Sum of squared distances of 50 numbers from their mean; NaN if it is only rounding error.
DEVICE double spread_50(double sum, double squares) {
    const double spread = squares - sum * sum * SHARE_50;
    return spread > SPREAD_ROUNDING * squares ? spread : arith::f64_nan();
}
DEVICE double covariance_50(double x, double y, double xy) { return xy - x * y * SHARE_50; }

// Smallest or largest of two numbers, of four entries up to x[0], and of longer windows from those of four.
template <bool GREATEST> DEVICE double pick(double a, double b) { return (a > b) == GREATEST ? a : b; }
template <bool GREATEST> DEVICE double pick(double a, double b, double c, double d) {
    return pick<GREATEST>(pick<GREATEST>(a, b), pick<GREATEST>(c, d));
}
template <bool GREATEST> DEVICE double extreme_4(const double* x) { return pick<GREATEST>(x[-3], x[-2], x[-1], x[0]); }
template <bool GREATEST> DEVICE double extreme_14(const double* of_4) {
    return pick<GREATEST>(of_4[0], of_4[-4], of_4[-8], of_4[-10]);
}
template <bool GREATEST> DEVICE double extreme_16(const double* of_4) {
    return pick<GREATEST>(of_4[-12], of_4[-8], of_4[-4], of_4[0]);
}
template <bool GREATEST> DEVICE double extreme_20(const double* of_4) {
    return pick<GREATEST>(extreme_16<GREATEST>(of_4), of_4[-16]);
}
template <bool GREATEST> DEVICE double extreme_50(const double* of_4) {
    return pick<GREATEST>(extreme_16<GREATEST>(of_4), extreme_16<GREATEST>(of_4 - 16), extreme_16<GREATEST>(of_4 - 32),
                          extreme_16<GREATEST>(of_4 - 34));
}

// R^2 of the least-squares line through the last 20 entries up to x[0]; 0 if all are equal.
DEVICE double r_squared_20(const double* x) {
    const double count = 20.0;
    const double sum_k = count * (count - 1.0) / 2.0;
    const double sum_kk = (count - 1.0) * count * (2.0 * count - 1.0) / 6.0;
    const double var_k = count * sum_kk - sum_k * sum_k;
    double sum = 0.0, squares = 0.0, moments = 0.0;
    for (i32 k = 1; k < 20; ++k) {
        const double d = x[-k] - x[0];
        sum += d;
        squares += d * d;
        moments += static_cast<double>(k) * d;
    }
    const double var_d = count * squares - sum * sum;
    const double cov = count * moments - sum_k * sum;
    double r = cov * cov / (var_k * var_d);
    r = r > 1.0 ? 1.0 : r;
    return var_d > 0.0 ? r : 0.0;
}

// Twins of indicators.rs.
DEVICE double rsi(double gain, double loss) {
    const double index = PERCENT * (gain / (gain + loss));
    return gain + loss > 0.0 ? index : RSI_WITHOUT_MOVES;
}
DEVICE double true_range(double high, double low, double before) {
    double range = high - low;
    const double up = arith::magnitude(high - before);
    const double down = arith::magnitude(low - before);
    range = up > range ? up : range;
    return down > range ? down : range;
}
DEVICE double gain(double now, double before) {
    const double change = now - before;
    return change > 0.0 ? change : 0.0;
}
DEVICE double loss(double now, double before) {
    const double change = now - before;
    return change > 0.0 ? 0.0 : 0.0 - change;
}
DEVICE double movement(double own, double other) { return own > 0.0 && own > other ? own : 0.0; }
DEVICE double directional(double plus, double minus, double range) {
    const double plus_di = PERCENT * (plus / range);
    const double minus_di = PERCENT * (minus / range);
    const double both = plus_di + minus_di;
    const double dx = PERCENT * (arith::magnitude(minus_di - plus_di) / both);
    return range > 0.0 && both >= LEAST_DIRECTIONAL_SUM ? dx : arith::f64_nan();
}
DEVICE double fast_k(double close, double low, double high) {
    const double range = high - low;
    const double place = (close - low) / range * PERCENT;
    return arith::magnitude(range) <= RANGE_ROUNDING * (arith::magnitude(high) + arith::magnitude(low)) ? 0.0 : place;
}
DEVICE double signed_volume(double volume, double now, double before) {
    const double not_above = now < before ? -volume : 0.0;
    return now > before ? volume : not_above;
}

}  // namespace features
