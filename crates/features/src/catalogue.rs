//! Names, order, formulas and warm-up of the features.

/// One feature of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    /// Its name in files and tables.
    pub name: &'static str,
    /// Bars of a symbol before the first value. Cross-asset features count the bars shared with the other coin.
    pub warm_up: usize,
    /// How it is computed; `[k]` means k bars ago.
    pub formula: &'static str,
}

macro_rules! catalogue {
    ($($id:ident $name:literal $warm_up:literal $formula:literal;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Order { $($id),* }

        /// Position of each feature in a row.
        pub mod columns {
            $(#[doc = concat!("`", $name, "`: `", $formula, "`.")] pub const $id: usize = super::Order::$id as usize;)*
        }

        /// Every feature, in the order of a row.
        pub const CATALOGUE: &[Feature] = &[$(Feature { name: $name, warm_up: $warm_up, formula: $formula }),*];
    };
}

catalogue! {
    RET_1 "ret_1" 1 "close/close[1] − 1";
    RET_5 "ret_5" 5 "close/close[5] − 1";
    RET_20 "ret_20" 20 "close/close[20] − 1";
    LOG_RET_1 "log_ret_1" 1 "ln(close/close[1])";
    LOG_RET_5 "log_ret_5" 5 "ln(close/close[5])";
    PRICE_CHANGE "price_change" 1 "close − close[1]";
    HIGH_LOW_RATIO "high_low_ratio" 0 "high/low";
    CLOSE_OPEN_RATIO "close_open_ratio" 0 "close/open";
    SMA_5 "sma_5" 4 "SMA(close, 5)";
    SMA_10 "sma_10" 9 "SMA(close, 10)";
    SMA_20 "sma_20" 19 "SMA(close, 20)";
    SMA_50 "sma_50" 49 "SMA(close, 50)";
    EMA_5 "ema_5" 4 "EMA(close, 5)";
    EMA_10 "ema_10" 9 "EMA(close, 10)";
    EMA_20 "ema_20" 19 "EMA(close, 20)";
    PRICE_VS_SMA_20 "price_vs_sma_20" 19 "close/sma_20 − 1";
    VOLATILITY_5 "volatility_5" 5 "sample standard deviation of log_ret_1 over 5 bars";
    VOLATILITY_20 "volatility_20" 20 "sample standard deviation of log_ret_1 over 20 bars";
    ATR_14 "atr_14" 14 "ATR(14)";
    BB_UPPER "bb_upper" 19 "upper band of BBANDS(20, 2, 2, SMA)";
    BB_LOWER "bb_lower" 19 "lower band of BBANDS(20, 2, 2, SMA)";
    BB_WIDTH "bb_width" 19 "(upper − lower)/middle";
    PRICE_VS_BB "price_vs_bb" 19 "(close − lower)/(upper − lower), 0.5 where they are equal";
    RSI_14 "rsi_14" 14 "RSI(14)";
    MACD "macd" 33 "line of MACD(12, 26, 9)";
    MACD_SIGNAL "macd_signal" 33 "signal of MACD(12, 26, 9)";
    MACD_HISTOGRAM "macd_histogram" 33 "macd − macd_signal";
    STOCH_K "stoch_k" 17 "slow %K of STOCH(14, 3, SMA, 3, SMA)";
    STOCH_D "stoch_d" 17 "slow %D of STOCH(14, 3, SMA, 3, SMA)";
    ADX_14 "adx_14" 27 "ADX(14)";
    VOLUME_SMA_20 "volume_sma_20" 19 "SMA(volume, 20)";
    VOLUME_RATIO "volume_ratio" 19 "volume/volume_sma_20, 0 where that is 0";
    PRICE_VOLUME_TREND "price_volume_trend" 1 "running sum of volume·ret_1";
    ON_BALANCE_VOLUME "on_balance_volume" 0 "OBV";
    BTC_CORRELATION "btc_correlation" 50 "Pearson correlation of ret_1 with BTC's over 50 bars";
    ETH_CORRELATION "eth_correlation" 50 "Pearson correlation of ret_1 with ETH's over 50 bars";
    MARKET_BETA "market_beta" 50 "covariance with / variance of the mean ret_1 of all symbols over 50 bars";
    TREND_STRENGTH "trend_strength" 19 "R² of the least-squares line through ln close over 20 bars, 0 where all are equal";
    VOLATILITY_REGIME "volatility_regime" 69 "0, 1, 2: volatility_20 below the 1/3, the 2/3 quantile of its last 250 values, or above";
    MARKET_REGIME "market_regime" 69 "3 illiquid, 2 panic, 0 trend, 1 range";
    HOUR_OF_DAY "hour_of_day" 0 "hour of the bar's open, UTC";
    DAY_OF_WEEK "day_of_week" 0 "day of the bar's open, UTC, Monday = 0";
    IS_WEEKEND "is_weekend" 0 "1 on Saturday and Sunday";
    RSI_X_VOLATILITY "rsi_x_volatility" 20 "rsi_14·volatility_20";
    MACD_X_VOLUME "macd_x_volume" 33 "macd_histogram·volume_ratio";
    TREND_X_MOMENTUM "trend_x_momentum" 20 "trend_strength·ret_20";
    RANGE_X_VOLUME "range_x_volume" 19 "(high_low_ratio − 1)·volume_ratio";
    RET_1_LAG_1 "ret_1_lag_1" 2 "ret_1[1]";
    RET_1_LAG_2 "ret_1_lag_2" 3 "ret_1[2]";
    RET_1_LAG_3 "ret_1_lag_3" 4 "ret_1[3]";
    RET_1_LAG_5 "ret_1_lag_5" 6 "ret_1[5]";
    RSI_14_LAG_1 "rsi_14_lag_1" 15 "rsi_14[1]";
    RSI_14_LAG_3 "rsi_14_lag_3" 17 "rsi_14[3]";
    MACD_HISTOGRAM_LAG_1 "macd_histogram_lag_1" 34 "macd_histogram[1]";
    MACD_HISTOGRAM_LAG_3 "macd_histogram_lag_3" 36 "macd_histogram[3]";
    VOLUME_RATIO_LAG_1 "volume_ratio_lag_1" 20 "volume_ratio[1]";
    RET_1_MIN_20 "ret_1_min_20" 20 "least of the last 20 ret_1";
    RET_1_MAX_20 "ret_1_max_20" 20 "greatest of the last 20 ret_1";
    RET_1_MEAN_20 "ret_1_mean_20" 20 "mean of the last 20 ret_1";
    RET_1_STD_20 "ret_1_std_20" 20 "sample standard deviation of the last 20 ret_1";
    CLOSE_VS_MIN_50 "close_vs_min_50" 49 "close/lowest low of 50 bars − 1";
    CLOSE_VS_MAX_50 "close_vs_max_50" 49 "close/highest high of 50 bars − 1";
}

/// Number of features in a row.
pub const COUNT: usize = CATALOGUE.len();

/// The names of all features, in the order of a row.
pub fn names() -> Vec<String> {
    CATALOGUE.iter().map(|feature| feature.name.to_owned()).collect()
}
