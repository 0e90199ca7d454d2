//! What models see: scale-free versions of the catalogue, whose values depend neither on a coin's price level nor on where its
//! history begins.
//!
//! Distances and moves of the price are counted in ATR(14), volumes as shares of the usual volume. The list below is the only
//! one: training, bundles, `huracan features --view` and the audit take names, order and values from it. `device` has the
//! kernel's side; both give the same bits.

mod device;

use rayon::prelude::*;

use huracan_bars::Panel;
use huracan_base::Table;

use super::memory::{self, Floats};
use super::shared::symbol_of;
use super::{CATALOGUE, Feature, Features, columns};

/// Bars of the windows of the columns `…_20`.
const WINDOW: usize = 20;

/// The view of all symbols, `[symbols × bars × columns]` f32 row-major, NaN until enough bars exist.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Bars of the panel's grid.
    pub bars: usize,
    /// All values, in the order of [`VIEW`] within a row.
    pub values: Floats,
}

macro_rules! view {
    ($($id:ident $name:literal $warm_up:literal $formula:literal |$bar:ident| $value:expr;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Order { $($id),* }

        /// Position of each column in a row of the view.
        pub mod view_columns {
            $(#[doc = concat!("`", $name, "`: `", $formula, "`.")] pub const $id: usize = super::Order::$id as usize;)*
        }

        /// Every column of the view, in the order of a row.
        pub const VIEW: &[Feature] = &[$(Feature { name: $name, warm_up: $warm_up, formula: $formula }),*];

        fn row(bar: &Bar<'_>, out: &mut [f32]) {
            $({
                let $bar = bar;
                out[Order::$id as usize] = finite($value);
            })*
        }
    };
}

view! {
    RET_1_ATR "ret_1_atr" 14 "(close − close[1])/atr_14" |b| b.in_atr(b.close(0) - b.close(1));
    RET_5_ATR "ret_5_atr" 14 "(close − close[5])/atr_14" |b| b.in_atr(b.close(0) - b.close(5));
    RET_20_ATR "ret_20_atr" 20 "(close − close[20])/atr_14" |b| b.in_atr(b.close(0) - b.close(20));
    RET_1_ATR_LAG_1 "ret_1_atr_lag_1" 14 "(close[1] − close[2])/atr_14" |b| b.in_atr(b.close(1) - b.close(2));
    RET_1_ATR_LAG_2 "ret_1_atr_lag_2" 14 "(close[2] − close[3])/atr_14" |b| b.in_atr(b.close(2) - b.close(3));
    RET_1_ATR_LAG_3 "ret_1_atr_lag_3" 14 "(close[3] − close[4])/atr_14" |b| b.in_atr(b.close(3) - b.close(4));
    RET_1_ATR_LAG_5 "ret_1_atr_lag_5" 14 "(close[5] − close[6])/atr_14" |b| b.in_atr(b.close(5) - b.close(6));
    RANGE_ATR "range_atr" 14 "(high − low)/atr_14" |b| b.in_atr(b.range());
    BODY_ATR "body_atr" 14 "(close − open)/atr_14" |b| b.in_atr(b.body());
    CLOSE_VS_SMA_5_ATR "close_vs_sma_5_atr" 14 "(close − sma_5)/atr_14" |b| b.above(columns::SMA_5);
    CLOSE_VS_SMA_10_ATR "close_vs_sma_10_atr" 14 "(close − sma_10)/atr_14" |b| b.above(columns::SMA_10);
    CLOSE_VS_SMA_20_ATR "close_vs_sma_20_atr" 19 "(close − sma_20)/atr_14" |b| b.above(columns::SMA_20);
    CLOSE_VS_SMA_50_ATR "close_vs_sma_50_atr" 49 "(close − sma_50)/atr_14" |b| b.above(columns::SMA_50);
    CLOSE_VS_EMA_5_ATR "close_vs_ema_5_atr" 14 "(close − ema_5)/atr_14" |b| b.above(columns::EMA_5);
    CLOSE_VS_EMA_10_ATR "close_vs_ema_10_atr" 14 "(close − ema_10)/atr_14" |b| b.above(columns::EMA_10);
    CLOSE_VS_EMA_20_ATR "close_vs_ema_20_atr" 19 "(close − ema_20)/atr_14" |b| b.above(columns::EMA_20);
    CLOSE_VS_MIN_50_ATR "close_vs_min_50_atr" 49 "(close/lowest low of 50 bars − 1)/atr_share"
        |b| b.of(columns::CLOSE_VS_MIN_50) / b.atr_share();
    CLOSE_VS_MAX_50_ATR "close_vs_max_50_atr" 49 "(close/highest high of 50 bars − 1)/atr_share"
        |b| b.of(columns::CLOSE_VS_MAX_50) / b.atr_share();
    ATR_SHARE "atr_share" 14 "atr_14/close" |b| b.atr_share();
    VOLATILITY_20 "volatility_20" 20 "volatility_20" |b| b.of(columns::VOLATILITY_20);
    VOLATILITY_RATIO "volatility_ratio" 20 "volatility_5/volatility_20"
        |b| b.of(columns::VOLATILITY_5) / b.of(columns::VOLATILITY_20);
    BB_WIDTH_ATR "bb_width_atr" 19 "(bb_upper − bb_lower)/atr_14"
        |b| b.in_atr(b.of(columns::BB_UPPER) - b.of(columns::BB_LOWER));
    PRICE_VS_BB "price_vs_bb" 19 "price_vs_bb" |b| b.of(columns::PRICE_VS_BB);
    RSI_14 "rsi_14" 14 "rsi_14" |b| b.of(columns::RSI_14);
    RSI_14_LAG_1 "rsi_14_lag_1" 15 "rsi_14[1]" |b| b.of(columns::RSI_14_LAG_1);
    RSI_14_LAG_3 "rsi_14_lag_3" 17 "rsi_14[3]" |b| b.of(columns::RSI_14_LAG_3);
    MACD_ATR "macd_atr" 33 "macd/atr_14" |b| b.in_atr(b.of(columns::MACD));
    MACD_SIGNAL_ATR "macd_signal_atr" 33 "macd_signal/atr_14" |b| b.in_atr(b.of(columns::MACD_SIGNAL));
    MACD_HISTOGRAM_ATR "macd_histogram_atr" 33 "macd_histogram/atr_14" |b| b.in_atr(b.of(columns::MACD_HISTOGRAM));
    MACD_HISTOGRAM_ATR_LAG_1 "macd_histogram_atr_lag_1" 34 "macd_histogram[1]/atr_14"
        |b| b.in_atr(b.of(columns::MACD_HISTOGRAM_LAG_1));
    MACD_HISTOGRAM_ATR_LAG_3 "macd_histogram_atr_lag_3" 36 "macd_histogram[3]/atr_14"
        |b| b.in_atr(b.of(columns::MACD_HISTOGRAM_LAG_3));
    STOCH_K "stoch_k" 17 "stoch_k" |b| b.of(columns::STOCH_K);
    STOCH_D "stoch_d" 17 "stoch_d" |b| b.of(columns::STOCH_D);
    ADX_14 "adx_14" 27 "adx_14" |b| b.of(columns::ADX_14);
    RET_1_MIN_20_ATR "ret_1_min_20_atr" 20 "ret_1_min_20/atr_share" |b| b.of(columns::RET_1_MIN_20) / b.atr_share();
    RET_1_MAX_20_ATR "ret_1_max_20_atr" 20 "ret_1_max_20/atr_share" |b| b.of(columns::RET_1_MAX_20) / b.atr_share();
    RET_1_STD_20_ATR "ret_1_std_20_atr" 20 "ret_1_std_20/atr_share" |b| b.of(columns::RET_1_STD_20) / b.atr_share();
    VOLUME_RATIO "volume_ratio" 19 "volume_ratio" |b| b.of(columns::VOLUME_RATIO);
    VOLUME_RATIO_LAG_1 "volume_ratio_lag_1" 20 "volume_ratio[1]" |b| b.of(columns::VOLUME_RATIO_LAG_1);
    OBV_CHANGE_20 "obv_change_20" 20 "(OBV − OBV[20])/volume of these 20 bars, 0 where that is 0"
        |b| b.volume_balance(|b, k| signum(b.close(k) - b.close(k + 1)));
    PVT_CHANGE_20_ATR "pvt_change_20_atr" 20 "sum of volume·ret_1/volume of 20 bars, over atr_share; 0 without volume"
        |b| b.volume_balance(|b, k| b.close(k) / b.close(k + 1) - 1.0) / b.atr_share();
    BTC_CORRELATION "btc_correlation" 50 "btc_correlation" |b| b.of(columns::BTC_CORRELATION);
    ETH_CORRELATION "eth_correlation" 50 "eth_correlation" |b| b.of(columns::ETH_CORRELATION);
    MARKET_BETA "market_beta" 50 "market_beta" |b| b.of(columns::MARKET_BETA);
    MARKET_RET_5_ATR "market_ret_5_atr" 14 "(close/close[5] − 1 as the mean of all symbols)/atr_share"
        |b| b.market(columns::RET_5) / b.atr_share();
    MARKET_RET_20_ATR "market_ret_20_atr" 20 "(close/close[20] − 1 as the mean of all symbols)/atr_share"
        |b| b.market(columns::RET_20) / b.atr_share();
    RELATIVE_RET_5_ATR "relative_ret_5_atr" 14 "(ret_5 − mean ret_5 of all symbols)/atr_share"
        |b| (b.of(columns::RET_5) - b.market(columns::RET_5)) / b.atr_share();
    RELATIVE_RET_20_ATR "relative_ret_20_atr" 20 "(ret_20 − mean ret_20 of all symbols)/atr_share"
        |b| (b.of(columns::RET_20) - b.market(columns::RET_20)) / b.atr_share();
    TREND_STRENGTH "trend_strength" 19 "trend_strength" |b| b.of(columns::TREND_STRENGTH);
    VOLATILITY_REGIME "volatility_regime" 69 "volatility_regime" |b| b.of(columns::VOLATILITY_REGIME);
    MARKET_REGIME "market_regime" 69 "market_regime" |b| b.of(columns::MARKET_REGIME);
    HOUR_OF_DAY "hour_of_day" 0 "hour_of_day" |b| b.of(columns::HOUR_OF_DAY);
    DAY_OF_WEEK "day_of_week" 0 "day_of_week" |b| b.of(columns::DAY_OF_WEEK);
    IS_WEEKEND "is_weekend" 0 "is_weekend" |b| b.of(columns::IS_WEEKEND);
    RSI_X_VOLATILITY "rsi_x_volatility" 20 "rsi_14·volatility_20" |b| b.of(columns::RSI_X_VOLATILITY);
    MACD_X_VOLUME_ATR "macd_x_volume_atr" 33 "macd_histogram·volume_ratio/atr_14"
        |b| b.in_atr(b.of(columns::MACD_X_VOLUME));
    TREND_X_MOMENTUM_ATR "trend_x_momentum_atr" 20 "trend_strength·ret_20/atr_share"
        |b| b.of(columns::TREND_X_MOMENTUM) / b.atr_share();
    RANGE_X_VOLUME_ATR "range_x_volume_atr" 19 "range_atr·volume_ratio"
        |b| b.in_atr(b.range()) * b.of(columns::VOLUME_RATIO);
}

/// Number of columns in a row of the view.
pub const VIEW_COUNT: usize = VIEW.len();

/// The names of all columns of the view, in the order of a row.
pub fn view_names() -> Vec<String> {
    VIEW.iter().map(|feature| feature.name.to_owned()).collect()
}

/// Columns of the view that say nothing about a panel's coins, because other coins are missing from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idle {
    /// Positions of the columns.
    pub columns: &'static [usize],
    /// What they hold at every bar, and why.
    pub reason: &'static str,
}

/// The columns that are the same at every bar of `panel`, whatever its prices are: those that compare a coin with Bitcoin,
/// Ethereum or all coins, where the panel lacks them.
pub fn idle_columns(panel: &Panel) -> Vec<Idle> {
    let coins = [
        ("BTC", Idle { columns: &[view_columns::BTC_CORRELATION], reason: "missing at every bar, without BTC" }),
        ("ETH", Idle { columns: &[view_columns::ETH_CORRELATION], reason: "missing at every bar, without ETH" }),
    ];
    let lacking = coins.into_iter().filter(|(coin, _)| symbol_of(panel, coin).is_none()).map(|(_, idle)| idle);
    let alone = [
        Idle {
            columns: &[view_columns::RELATIVE_RET_5_ATR, view_columns::RELATIVE_RET_20_ATR],
            reason: "0 at every bar, of one coin alone",
        },
        Idle { columns: &[view_columns::MARKET_BETA], reason: "1 at every bar, of one coin alone" },
    ];
    lacking.chain(alone.into_iter().filter(|_| panel.symbols.len() == 1)).collect()
}

impl View {
    /// The view of a panel and its features.
    ///
    /// # Panics
    /// Where `features` do not have the panel's symbols and bars.
    pub fn of(panel: &Panel, features: &Features) -> Self {
        assert_eq!((features.symbols, features.bars), (panel.symbols.len(), panel.bars), "features of another panel");
        let bars = panel.bars;
        let market = Market::of(panel, features);
        let mut values = memory::zeros(panel.symbols.len() * bars * VIEW_COUNT);
        let rows = values.par_chunks_mut((bars * VIEW_COUNT).max(1)).enumerate();
        rows.for_each(|(symbol, rows)| {
            let range = panel.ranges[symbol].clone();
            rows[..range.start * VIEW_COUNT].fill(f32::NAN);
            rows[range.end * VIEW_COUNT..].fill(f32::NAN);
            for at in range.clone() {
                let out = &mut rows[at * VIEW_COUNT..(at + 1) * VIEW_COUNT];
                view_row(panel, features.row(symbol, at), market.at(at), symbol, at, out);
            }
        });
        Self { bars, values }
    }

    /// The table that models are trained on and predict from.
    pub fn table(&self) -> Table<'_> {
        Table { values: &self.values, features: VIEW_COUNT }
    }

    /// One value; `column` is one of [`view_columns`].
    ///
    /// # Panics
    /// Where there is no such symbol, bar or column.
    pub fn value(&self, symbol: usize, bar: usize, column: usize) -> f32 {
        self.values[(symbol * self.bars + bar) * VIEW_COUNT + column]
    }

    /// One row, `[columns]`.
    ///
    /// # Panics
    /// Where there is no such symbol or bar.
    pub fn row(&self, symbol: usize, bar: usize) -> &[f32] {
        let at = (symbol * self.bars + bar) * VIEW_COUNT;
        &self.values[at..at + VIEW_COUNT]
    }
}

/// Bars whose means over all symbols are made together.
const MEAN_BARS: usize = 1 << 9;

/// Columns of the catalogue whose means over all symbols the view has.
const COLUMNS: [usize; 2] = [columns::RET_5, columns::RET_20];

/// Adds a row of the catalogue to the sums of [`COLUMNS`], and counts its values.
fn add(sums: &mut [(f64, f64); 2], row: &[f32]) {
    for ((sum, count), column) in sums.iter_mut().zip(COLUMNS) {
        let value = f64::from(row[column]);
        if !value.is_nan() {
            (*sum, *count) = (*sum + value, *count + 1.0);
        }
    }
}

fn mean((sum, count): (f64, f64)) -> f64 {
    if count > 0.0 { sum / count } else { f64::NAN }
}

/// Means over all symbols that have a value, per bar.
struct Market {
    ret_5: Vec<f64>,
    ret_20: Vec<f64>,
}

impl Market {
    fn at(&self, bar: usize) -> [f64; 2] {
        [self.ret_5[bar], self.ret_20[bar]]
    }

    fn of(panel: &Panel, features: &Features) -> Self {
        // Symbol by symbol, as the features lie in memory; each thread some bars.
        let of_bars = |first: usize| -> Vec<[f64; 2]> {
            let bars = first..(first + MEAN_BARS).min(panel.bars);
            let mut sums = vec![[(0.0, 0.0); 2]; bars.len()];
            for symbol in 0..panel.symbols.len() {
                for (sums, bar) in sums.iter_mut().zip(bars.clone()) {
                    add(sums, features.row(symbol, bar));
                }
            }
            sums.into_iter().map(|sums| sums.map(mean)).collect()
        };
        let firsts: Vec<usize> = (0..panel.bars).step_by(MEAN_BARS).collect();
        let means: Vec<[f64; 2]> = firsts.into_par_iter().flat_map_iter(of_bars).collect();
        Self {
            ret_5: means.iter().map(|means| means[0]).collect(),
            ret_20: means.iter().map(|means| means[1]).collect(),
        }
    }
}

/// Writes a symbol's row of the view at a bar, from its row of the catalogue and the market's means at this bar.
pub(crate) fn view_row(panel: &Panel, features: &[f32], market: [f64; 2], symbol: usize, bar: usize, out: &mut [f32]) {
    row(&Bar { panel, features, market, symbol, bar, first: panel.ranges[symbol].start }, out);
}

/// The means of [`COLUMNS`] over all symbols with a value, of their rows of the catalogue at one bar.
pub(crate) fn market_means<'a>(rows: impl Iterator<Item = &'a [f32]>) -> [f64; 2] {
    let mut sums = [(0.0, 0.0); 2];
    rows.for_each(|row| add(&mut sums, row));
    sums.map(mean)
}

/// One bar of one symbol, and the bars before it.
struct Bar<'a> {
    panel: &'a Panel,
    /// The symbol's row of the catalogue.
    features: &'a [f32],
    /// Means of [`COLUMNS`] over all symbols.
    market: [f64; 2],
    symbol: usize,
    bar: usize,
    /// First bar of the symbol.
    first: usize,
}

impl Bar<'_> {
    /// A value of the catalogue.
    fn of(&self, column: usize) -> f64 {
        debug_assert!(column < CATALOGUE.len());
        f64::from(self.features[column])
    }

    /// The close `k` bars ago; NaN before the symbol's first bar.
    fn close(&self, k: usize) -> f64 {
        if self.bar < self.first + k { f64::NAN } else { self.panel.close[self.cell(k)] }
    }

    fn cell(&self, k: usize) -> usize {
        self.symbol * self.panel.bars + self.bar - k
    }

    fn range(&self) -> f64 {
        self.panel.high[self.cell(0)] - self.panel.low[self.cell(0)]
    }

    fn body(&self) -> f64 {
        self.close(0) - self.panel.open[self.cell(0)]
    }

    fn in_atr(&self, price_distance: f64) -> f64 {
        price_distance / self.of(columns::ATR_14)
    }

    fn atr_share(&self) -> f64 {
        self.of(columns::ATR_14) / self.close(0)
    }

    /// The close's distance from an average, in ATR.
    fn above(&self, average: usize) -> f64 {
        self.in_atr(self.close(0) - self.of(average))
    }

    /// A mean of all symbols at this bar.
    fn market(&self, column: usize) -> f64 {
        self.market[usize::from(column != columns::RET_5)]
    }

    /// Mean of `weight` over the last 20 bars, weighted by their volume, summed oldest first; 0 without volume.
    fn volume_balance(&self, weight: impl Fn(&Self, usize) -> f64) -> f64 {
        if self.bar < self.first + WINDOW {
            return f64::NAN;
        }
        let (mut sum, mut volume) = (0.0, 0.0);
        for k in (0..WINDOW).rev() {
            let own = self.panel.volume[self.cell(k)];
            sum += own * weight(self, k);
            volume += own;
        }
        if volume > 0.0 { sum / volume } else { 0.0 }
    }
}

/// −1, 0 or 1.
fn signum(value: f64) -> f64 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        value
    }
}

/// Undefined and infinite values are missing ones; every missing value has the same bits.
fn finite(value: f64) -> f32 {
    let value = value as f32;
    if value.is_finite() { value } else { f32::NAN }
}

#[cfg(test)]
mod tests {
    use huracan_bars::{Candles, Timeframe};

    use super::*;

    /// Two coins whose prices wander; the second one begins later, and its prices are `scale` times as high.
    fn panel(scale: f64, skip: usize) -> Panel {
        panel_with(scale, 1.0, skip)
    }

    /// The prices and volumes of the second coin are multiplied, and its first bars left out.
    fn panel_with(scale: f64, volume_scale: f64, skip: usize) -> Panel {
        let candles = |seed: usize, from: usize, scale: f64, volume_scale: f64| {
            let mut candles = Candles::default();
            let mut close = 100.0;
            for bar in 0..400_usize {
                // No move comes twice, so that no two volatilities are equal.
                let step = ((bar * (7 + seed) + bar * bar * (3 + seed)) % 1009) as f64 / 45.0 - 11.0;
                let open = close;
                close *= 1.0 + step / 1000.0;
                if bar < from {
                    continue;
                }
                candles.timestamp.push(bar as i64 * 3_600_000);
                candles.open.push(open * scale);
                candles.high.push(open.max(close) * 1.002 * scale);
                candles.low.push(open.min(close) * 0.998 * scale);
                candles.close.push(close * scale);
                candles.volume.push((1 + (bar * 5 + seed) % 17) as f64 * volume_scale);
            }
            candles
        };
        let all = vec![
            ("AAA-USDT".to_owned(), candles(1, 0, 1.0, 1.0)),
            ("BBB-USDT".to_owned(), candles(2, skip, scale, volume_scale)),
        ];
        Panel::new(all, Timeframe::H1, 24, false).unwrap()
    }

    fn view(panel: &Panel) -> View {
        View::of(panel, &crate::compute(panel))
    }

    /// Bars from which on the longest window is full: a regime compares 250 volatilities of 20 bars.
    const FULL: usize = 270;

    #[test]
    fn values_do_not_depend_on_the_price_level() {
        let usual = view(&panel(1.0, 0));
        // With a power of two every digit is kept, with other factors the prices are rounded, and distances of 1 % lose two digits.
        for (scale, volume_scale, rounding) in [(1024.0, 0.25, 1e-4), (0.000_137, 7.31, 1e-3)] {
            let other = view(&panel_with(scale, volume_scale, 0));
            for symbol in [0, 1] {
                for bar in FULL..400 {
                    for (column, (a, b)) in usual.row(symbol, bar).iter().zip(other.row(symbol, bar)).enumerate() {
                        let near = (a - b).abs() <= rounding * a.abs().max(0.1);
                        // BTC and ETH are not in this panel.
                        let absent = a.is_nan() && b.is_nan() && VIEW[column].name.ends_with("_correlation");
                        assert!(near || absent, "{} × {scale} at {bar}: {a} {b}", VIEW[column].name);
                    }
                }
            }
        }
    }

    #[test]
    fn values_do_not_depend_on_where_the_history_began() {
        let (long, short) = (view(&panel(1.0, 0)), view(&panel(1.0, 60)));
        for (column, (a, b)) in long.row(1, 399).iter().zip(short.row(1, 399)).enumerate() {
            let near = (a - b).abs() <= 1e-3 * a.abs().max(1e-3);
            let absent = a.is_nan() && b.is_nan() && VIEW[column].name.ends_with("_correlation");
            assert!(near || absent, "{}: {a} {b}", VIEW[column].name);
        }
    }

    #[test]
    fn values_begin_after_the_warm_up() {
        let view = view(&panel(1.0, 30));
        for (column, feature) in VIEW.iter().enumerate() {
            // BTC and ETH are not in this panel.
            if feature.name.ends_with("_correlation") {
                continue;
            }
            // The other symbol has been there longer, so that means of all symbols exist.
            let first = (30..400).find(|&bar| !view.value(1, bar, column).is_nan()).unwrap();
            assert!(first <= 30 + feature.warm_up, "{}: {first}", feature.name);
        }
        assert!(view.row(1, 29).iter().all(|value| value.is_nan()));
    }

    #[test]
    fn columns_that_need_other_coins_are_idle_without_them() {
        let names = |panel: &Panel| -> Vec<&str> {
            let idle = idle_columns(panel);
            idle.iter().flat_map(|idle| idle.columns).map(|&column| VIEW[column].name).collect()
        };
        let with = |names: &[&str]| {
            let panel = panel(1.0, 0);
            let at = |column: &[f64], bar: usize| column[bar];
            let mut candles = Candles::default();
            for bar in 0..400 {
                let prices = [&panel.open, &panel.high, &panel.low, &panel.close].map(|column| at(column, bar));
                candles.push(panel.time_ms(bar), prices, at(&panel.volume, bar));
            }
            let all = names.iter().map(|name| ((*name).to_owned(), candles.clone())).collect();
            Panel::new(all, Timeframe::H1, 24, false).unwrap()
        };
        assert_eq!(names(&with(&["BTC-USDT", "ETH-USDT"])), [""; 0]);
        assert_eq!(names(&with(&["AAA-USDT", "BTC-USDT"])), ["eth_correlation"]);
        let alone = with(&["AAA-USDT"]);
        let view = view(&alone);
        let all = ["btc_correlation", "eth_correlation", "relative_ret_5_atr", "relative_ret_20_atr", "market_beta"];
        assert_eq!(names(&alone), all);
        for &column in idle_columns(&alone).iter().flat_map(|idle| idle.columns) {
            let (first, name) = (view.value(0, 100, column), VIEW[column].name);
            let same = |bar: usize| {
                let value = view.value(0, bar, column);
                (value - first).abs() < 1e-5 || value.is_nan() && first.is_nan()
            };
            assert!((100..400).all(same), "{name}");
        }
    }

    #[test]
    fn changes_of_volume_sums_are_shares_of_the_volume() {
        let panel = panel(1.0, 0);
        let view = view(&panel);
        let (mut obv, mut pvt, mut volume) = (0.0, 0.0, 0.0);
        for bar in 181..=200 {
            let (close, before) = (panel.close[bar], panel.close[bar - 1]);
            obv += panel.volume[bar] * (close - before).signum() * f64::from(u8::from(close != before));
            pvt += panel.volume[bar] * (close / before - 1.0);
            volume += panel.volume[bar];
        }
        assert_eq!(view.value(0, 200, view_columns::OBV_CHANGE_20), (obv / volume) as f32);
        let share = f64::from(view.value(0, 200, view_columns::ATR_SHARE));
        let found = f64::from(view.value(0, 200, view_columns::PVT_CHANGE_20_ATR));
        assert!((found * share - pvt / volume).abs() < 1e-8);
    }
}
