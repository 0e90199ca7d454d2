//! Every feature of the catalogue, computed from a symbol's series.

use super::catalogue::columns as c;
use super::regime::{ILLIQUID_VOLUME_RATIO, PANIC_RETURN_VOLATILITIES, Regime, TREND_R_SQUARED, VolatilityRegime};
use super::symbol::Symbol;
use super::tile::Tile;

/// `price_vs_bb` where both bands are equal. Twin of `PRICE_VS_EQUAL_BANDS` in `kernels/features.cu`.
pub const PRICE_VS_EQUAL_BANDS: f64 = 0.5;

/// Stores all columns of the current block of `s`; `hour`, `day` and `weekend` are those of its bars.
#[inline(always)]
pub fn store(s: &Symbol, [hour, day, weekend]: [&[f32]; 3], out: &mut Tile) {
    let same = |[v]: [f64; 1]| v;
    let (high, low, close) = (s.high.lag(0), s.low.lag(0), s.close.lag(0));
    let volume_ratio = s.volume_ratio.lag(0);
    let (rsi, histogram) = (s.rsi.lag(0), s.histogram.lag(0));
    let [ema_5, ema_10, ema_20, ..] = &s.averages.close;
    let [atr, ..] = &s.averages.wilder;
    let [btc_correlation, eth_correlation, beta] = &s.cross_asset;

    out.put(c::RET_1, [s.ret_1.lag(0)], same);
    out.put(c::RET_5, [&s.ret_5], same);
    out.put(c::RET_20, [&s.ret_20], same);
    out.put(c::LOG_RET_1, [s.log_ret_1.lag(0)], same);
    out.put(c::LOG_RET_5, [s.ln_close.lag(0), s.ln_close.lag(5)], |[now, past]| now - past);
    out.put(c::PRICE_CHANGE, [close, s.close.lag(1)], |[now, past]| now - past);
    out.put(c::HIGH_LOW_RATIO, [high, low], |[high, low]| high / low);
    out.put(c::CLOSE_OPEN_RATIO, [close, &s.open], |[close, open]| close / open);

    out.put(c::SMA_5, [&s.sma_5], same);
    out.put(c::SMA_10, [&s.sma_10], same);
    out.put(c::SMA_20, [&s.sma_20], same);
    out.put(c::SMA_50, [&s.sma_50], same);
    out.put(c::EMA_5, [ema_5], same);
    out.put(c::EMA_10, [ema_10], same);
    out.put(c::EMA_20, [ema_20], same);
    out.put(c::PRICE_VS_SMA_20, [close, &s.sma_20], |[close, mean]| close / mean - 1.0);

    out.put(c::VOLATILITY_5, [&s.volatility_5], same);
    out.put(c::VOLATILITY_20, [&s.volatility_20], same);
    out.put(c::ATR_14, [atr], same);
    out.put(c::BB_UPPER, [&s.sma_20, &s.band], |[mean, band]| mean + band);
    out.put(c::BB_LOWER, [&s.sma_20, &s.band], |[mean, band]| mean - band);
    out.put(c::BB_WIDTH, [&s.sma_20, &s.band], |[mean, band]| ((mean + band) - (mean - band)) / mean);
    out.put(c::PRICE_VS_BB, [close, &s.sma_20, &s.band], |[close, mean, band]| {
        let (upper, lower) = (mean + band, mean - band);
        let position = (close - lower) / (upper - lower);
        if upper == lower { PRICE_VS_EQUAL_BANDS } else { position }
    });

    out.put(c::RSI_14, [rsi], same);
    out.put(c::RSI_14_LAG_1, [s.rsi.lag(1)], same);
    out.put(c::RSI_14_LAG_3, [s.rsi.lag(3)], same);
    out.put(c::MACD, [&s.macd], same);
    out.put(c::MACD_SIGNAL, [&s.signal], same);
    out.put(c::MACD_HISTOGRAM, [histogram], same);
    out.put(c::MACD_HISTOGRAM_LAG_1, [s.histogram.lag(1)], same);
    out.put(c::MACD_HISTOGRAM_LAG_3, [s.histogram.lag(3)], same);
    out.put(c::STOCH_K, [s.slow_k.lag(0)], same);
    out.put(c::STOCH_D, [&s.slow_d], same);
    out.put(c::ADX_14, [&s.adx], same);

    out.put(c::VOLUME_SMA_20, [&s.volume_sma], same);
    out.put(c::VOLUME_RATIO, [volume_ratio], same);
    out.put(c::VOLUME_RATIO_LAG_1, [s.volume_ratio.lag(1)], same);
    out.put(c::PRICE_VOLUME_TREND, [&s.trend], same);
    out.put(c::ON_BALANCE_VOLUME, [&s.balance], same);

    out.put(c::BTC_CORRELATION, [btc_correlation], same);
    out.put(c::ETH_CORRELATION, [eth_correlation], same);
    out.put(c::MARKET_BETA, [beta], same);

    out.put(c::TREND_STRENGTH, [&s.trend_strength], same);
    out.put(c::VOLATILITY_REGIME, [&s.regime], same);
    let inputs = [volume_ratio, &s.regime, &s.ret_5, &s.volatility_20, &s.trend_strength];
    out.put(c::MARKET_REGIME, inputs, |[volume_ratio, regime, ret_5, volatility, trend]| {
        let panic = (regime == VolatilityRegime::High.code()) & (ret_5 < PANIC_RETURN_VOLATILITIES * volatility);
        let calm = if trend >= TREND_R_SQUARED { Regime::Trend.code() } else { Regime::Range.code() };
        let liquid = if panic { Regime::Panic.code() } else { calm };
        if volume_ratio < ILLIQUID_VOLUME_RATIO { Regime::Illiquid.code() } else { liquid }
    });

    out.copy(c::HOUR_OF_DAY, hour);
    out.copy(c::DAY_OF_WEEK, day);
    out.copy(c::IS_WEEKEND, weekend);

    out.put(c::RSI_X_VOLATILITY, [rsi, &s.volatility_20], |[a, b]| a * b);
    out.put(c::MACD_X_VOLUME, [histogram, volume_ratio], |[a, b]| a * b);
    out.put(c::TREND_X_MOMENTUM, [&s.trend_strength, &s.ret_20], |[a, b]| a * b);
    out.put(c::RANGE_X_VOLUME, [high, low, volume_ratio], |[high, low, ratio]| (high / low - 1.0) * ratio);

    out.put(c::RET_1_LAG_1, [s.ret_1.lag(1)], same);
    out.put(c::RET_1_LAG_2, [s.ret_1.lag(2)], same);
    out.put(c::RET_1_LAG_3, [s.ret_1.lag(3)], same);
    out.put(c::RET_1_LAG_5, [s.ret_1.lag(5)], same);
    out.put(c::RET_1_MIN_20, [&s.least], same);
    out.put(c::RET_1_MAX_20, [&s.greatest], same);
    out.put(c::RET_1_MEAN_20, [&s.ret_mean], same);
    out.put(c::RET_1_STD_20, [&s.ret_deviation], same);
    out.put(c::CLOSE_VS_MIN_50, [close, &s.lowest], |[close, low]| close / low - 1.0);
    out.put(c::CLOSE_VS_MAX_50, [close, &s.highest], |[close, high]| close / high - 1.0);
}
