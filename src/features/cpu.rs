//! The catalogue on the CPU: symbols in parallel, each column by column, then laid out by rows.

use rayon::prelude::*;

use super::catalogue::{CATALOGUE, COUNT, columns as c};
use super::cross::Returns;
use super::{Features, indicators, windows};
use crate::arith;
use crate::market::{DAY_MS, HOUR_MS, Panel};

/// Values of `volatility_20` that its regime is judged among, and the fewest that suffice.
const REGIME_WINDOW: usize = 250;
const REGIME_LEAST: usize = 50;

/// Computes every feature of every symbol and bar.
pub fn compute(panel: &Panel) -> Features {
    let (symbols, bars) = (panel.symbols.len(), panel.bars);
    let returns = Returns::new(panel);
    let mut values = vec![0.0; symbols * bars * COUNT];
    values.par_chunks_mut((bars * COUNT).max(1)).enumerate().for_each(|(symbol, out)| {
        let range = panel.ranges[symbol].clone();
        out[..range.start * COUNT].fill(f32::NAN);
        out[range.end * COUNT..].fill(f32::NAN);
        let columns = dispatch(panel, symbol, &returns);
        transpose(&columns.values, range.len(), &mut out[range.start * COUNT..range.end * COUNT]);
    });
    Features { symbols, bars, values }
}

/// ATR(14) of every symbol and bar in f64, `[symbols × bars]`: the unit of the barriers. NaN in the warm-up.
pub fn atr_14(panel: &Panel) -> Vec<f64> {
    let mut out = vec![f64::NAN; panel.symbols.len() * panel.bars];
    out.par_chunks_mut(panel.bars.max(1)).enumerate().for_each(|(symbol, out)| {
        let range = panel.ranges[symbol].clone();
        let own = |column| &panel.row(column, symbol)[range.clone()];
        let atr = indicators::atr(&indicators::true_range(own(&panel.high), own(&panel.low), own(&panel.close)), 14);
        let warm_up = CATALOGUE[c::ATR_14].warm_up.min(range.len());
        out[range.start + warm_up..range.end].copy_from_slice(&atr[warm_up..]);
    });
    out
}

/// Runs [`symbol_columns`] with the widest vectors of this machine: lanes do not change a bit, since nothing is fused.
fn dispatch(panel: &Panel, symbol: usize, returns: &Returns) -> Columns {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn wide(panel: &Panel, symbol: usize, returns: &Returns) -> Columns {
            symbol_columns(panel, symbol, returns)
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has just been found to have AVX2.
            return unsafe { wide(panel, symbol, returns) };
        }
    }
    symbol_columns(panel, symbol, returns)
}

/// One symbol's features, `[features × bars]`.
struct Columns {
    bars: usize,
    values: Vec<f32>,
}

impl Columns {
    /// Stores a column: `value(t)` from the feature's warm-up on, NaN before.
    #[inline(always)]
    fn put(&mut self, feature: usize, value: impl Fn(usize) -> f64) {
        let out = &mut self.values[feature * self.bars..(feature + 1) * self.bars];
        let warm = CATALOGUE[feature].warm_up.min(out.len());
        let (before, from) = out.split_at_mut(warm);
        before.fill(f32::NAN);
        for (i, slot) in from.iter_mut().enumerate() {
            let v = value(warm + i);
            // One bit pattern for NaN on every device.
            *slot = if v.is_nan() { f32::NAN } else { v as f32 };
        }
    }
}

#[inline(always)]
fn symbol_columns(panel: &Panel, symbol: usize, returns: &Returns) -> Columns {
    let range = panel.ranges[symbol].clone();
    let n = range.len();
    let start = range.start;
    let own = |column| &panel.row(column, symbol)[range.clone()];
    let (open, high, low, close, volume) =
        (own(&panel.open), own(&panel.high), own(&panel.low), own(&panel.close), own(&panel.volume));
    let mut out = Columns { bars: n, values: vec![0.0; n * COUNT] };

    let ret_1 = &returns.of(symbol)[range.clone()];
    // The first bar has no return; windows over returns begin with the second.
    let rets = &ret_1[1.min(n)..];
    let log_ret_1: Vec<f64> = (1..n).map(|t| arith::ln(close[t] / close[t - 1])).collect();
    out.put(c::RET_1, |t| ret_1[t]);
    out.put(c::RET_5, |t| close[t] / close[t - 5] - 1.0);
    out.put(c::RET_20, |t| close[t] / close[t - 20] - 1.0);
    out.put(c::LOG_RET_1, |t| log_ret_1[t - 1]);
    out.put(c::LOG_RET_5, |t| arith::ln(close[t] / close[t - 5]));
    out.put(c::PRICE_CHANGE, |t| close[t] - close[t - 1]);
    out.put(c::HIGH_LOW_RATIO, |t| high[t] / low[t]);
    out.put(c::CLOSE_OPEN_RATIO, |t| close[t] / open[t]);

    let sma_20 = windows::means(close, 20);
    for (feature, n) in [(c::SMA_5, 5), (c::SMA_10, 10), (c::SMA_50, 50)] {
        let mean = windows::means(close, n);
        out.put(feature, |t| mean[t]);
    }
    out.put(c::SMA_20, |t| sma_20[t]);
    for (feature, n) in [(c::EMA_5, 5), (c::EMA_10, 10), (c::EMA_20, 20)] {
        let mean = indicators::ema(close, n);
        out.put(feature, |t| mean[t]);
    }
    out.put(c::PRICE_VS_SMA_20, |t| close[t] / sma_20[t] - 1.0);

    let volatility = |n: usize| {
        let squares = windows::squared_distances(&log_ret_1, &windows::means(&log_ret_1, n), n);
        squares.into_iter().map(|s| (s / (n as f64 - 1.0)).sqrt()).collect::<Vec<_>>()
    };
    let (volatility_5, volatility_20) = (volatility(5), volatility(20));
    out.put(c::VOLATILITY_5, |t| volatility_5[t - 1]);
    out.put(c::VOLATILITY_20, |t| volatility_20[t - 1]);

    let true_range = indicators::true_range(high, low, close);
    let atr = indicators::atr(&true_range, 14);
    out.put(c::ATR_14, |t| atr[t]);

    let squares = windows::squared_distances(close, &sma_20, 20);
    let band: Vec<f64> = squares.iter().map(|s| 2.0 * (s / 20.0).sqrt()).collect();
    out.put(c::BB_UPPER, |t| sma_20[t] + band[t]);
    out.put(c::BB_LOWER, |t| sma_20[t] - band[t]);
    out.put(c::BB_WIDTH, |t| ((sma_20[t] + band[t]) - (sma_20[t] - band[t])) / sma_20[t]);
    out.put(c::PRICE_VS_BB, |t| {
        let (upper, lower) = (sma_20[t] + band[t], sma_20[t] - band[t]);
        let place = (close[t] - lower) / (upper - lower);
        if upper == lower { 0.5 } else { place }
    });

    let rsi = indicators::rsi(close, 14);
    out.put(c::RSI_14, |t| rsi[t]);
    out.put(c::RSI_14_LAG_1, |t| rsi[t - 1]);
    out.put(c::RSI_14_LAG_3, |t| rsi[t - 3]);
    let (macd, signal) = indicators::macd(close);
    let histogram: Vec<f64> = macd.iter().zip(&signal).map(|(m, s)| m - s).collect();
    out.put(c::MACD, |t| macd[t]);
    out.put(c::MACD_SIGNAL, |t| signal[t]);
    out.put(c::MACD_HISTOGRAM, |t| histogram[t]);
    out.put(c::MACD_HISTOGRAM_LAG_1, |t| histogram[t - 1]);
    out.put(c::MACD_HISTOGRAM_LAG_3, |t| histogram[t - 3]);
    let fast_k = indicators::fast_k(close, &windows::extremes(low, 14, false), &windows::extremes(high, 14, true));
    let slow_k = windows::means(&fast_k[13.min(n)..], 3);
    let slow_d = windows::means(&slow_k[2.min(slow_k.len())..], 3);
    out.put(c::STOCH_K, |t| slow_k[t - 13]);
    out.put(c::STOCH_D, |t| slow_d[t - 15]);
    let adx = indicators::adx(high, low, &true_range, 14);
    out.put(c::ADX_14, |t| adx[t]);

    let volume_sma = windows::means(volume, 20);
    let volume_ratio: Vec<f64> = (0..n)
        .map(|t| {
            let ratio = volume[t] / volume_sma[t];
            if volume_sma[t] == 0.0 { 0.0 } else { ratio }
        })
        .collect();
    out.put(c::VOLUME_SMA_20, |t| volume_sma[t]);
    out.put(c::VOLUME_RATIO, |t| volume_ratio[t]);
    out.put(c::VOLUME_RATIO_LAG_1, |t| volume_ratio[t - 1]);
    let mut trend = vec![0.0; n];
    for t in 1..n {
        trend[t] = trend[t - 1] + volume[t] * ret_1[t];
    }
    out.put(c::PRICE_VOLUME_TREND, |t| trend[t]);
    let balance = indicators::on_balance_volume(close, volume);
    out.put(c::ON_BALANCE_VOLUME, |t| balance[t]);

    let [btc, eth, beta] = returns.against(symbol);
    out.put(c::BTC_CORRELATION, |t| btc[start + t]);
    out.put(c::ETH_CORRELATION, |t| eth[start + t]);
    out.put(c::MARKET_BETA, |t| beta[start + t]);

    let log_close: Vec<f64> = close.iter().map(|&p| arith::ln(p)).collect();
    let trend_strength = windows::r_squared(&log_close, 20);
    out.put(c::TREND_STRENGTH, |t| trend_strength[t]);
    // volatility_20 has its first value at bar 20, entry 19 of the series of returns.
    let regime = windows::thirds(&volatility_20[19.min(volatility_20.len())..], REGIME_WINDOW, REGIME_LEAST);
    out.put(c::VOLATILITY_REGIME, |t| regime[t - 20]);
    out.put(c::MARKET_REGIME, |t| {
        if volume_ratio[t] < 0.1 {
            3.0
        } else if regime[t - 20] == 2.0 && close[t] / close[t - 5] - 1.0 < -3.0 * volatility_20[t - 1] {
            2.0
        } else if trend_strength[t] >= 0.6 {
            0.0
        } else {
            1.0
        }
    });

    // 1970-01-01 was a Thursday, day 3 of a week that begins on Monday.
    let time = |t: usize| panel.time_ms(start + t);
    let day = |t: usize| (time(t).div_euclid(DAY_MS) + 3).rem_euclid(7);
    out.put(c::HOUR_OF_DAY, |t| (time(t).rem_euclid(DAY_MS) / HOUR_MS) as f64);
    out.put(c::DAY_OF_WEEK, |t| day(t) as f64);
    out.put(c::IS_WEEKEND, |t| if day(t) >= 5 { 1.0 } else { 0.0 });

    out.put(c::RSI_X_VOLATILITY, |t| rsi[t] * volatility_20[t - 1]);
    out.put(c::MACD_X_VOLUME, |t| histogram[t] * volume_ratio[t]);
    out.put(c::TREND_X_MOMENTUM, |t| trend_strength[t] * (close[t] / close[t - 20] - 1.0));
    out.put(c::RANGE_X_VOLUME, |t| (high[t] / low[t] - 1.0) * volume_ratio[t]);

    out.put(c::RET_1_LAG_1, |t| ret_1[t - 1]);
    out.put(c::RET_1_LAG_2, |t| ret_1[t - 2]);
    out.put(c::RET_1_LAG_3, |t| ret_1[t - 3]);
    out.put(c::RET_1_LAG_5, |t| ret_1[t - 5]);
    let mean = windows::means(rets, 20);
    let squares = windows::squared_distances(rets, &mean, 20);
    let (least, greatest) = (windows::extremes(rets, 20, false), windows::extremes(rets, 20, true));
    out.put(c::RET_1_MIN_20, |t| least[t - 1]);
    out.put(c::RET_1_MAX_20, |t| greatest[t - 1]);
    out.put(c::RET_1_MEAN_20, |t| mean[t - 1]);
    out.put(c::RET_1_STD_20, |t| (squares[t - 1] / 19.0).sqrt());
    let (lowest, highest) = (windows::extremes(low, 50, false), windows::extremes(high, 50, true));
    out.put(c::CLOSE_VS_MIN_50, |t| close[t] / lowest[t] - 1.0);
    out.put(c::CLOSE_VS_MAX_50, |t| close[t] / highest[t] - 1.0);
    out
}

/// `[features × bars]` to `[bars × features]`, some bars at a time so that both stay in the cache.
fn transpose(columns: &[f32], bars: usize, rows: &mut [f32]) {
    const TILE: usize = 16;
    for from in (0..bars).step_by(TILE) {
        let to = (from + TILE).min(bars);
        for feature in 0..COUNT {
            for (i, &value) in columns[feature * bars + from..feature * bars + to].iter().enumerate() {
                rows[(from + i) * COUNT + feature] = value;
            }
        }
    }
}
