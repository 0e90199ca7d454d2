//! Features by the contract's formulas, each bar from its own window: no running sums, no shared arithmetic.

use super::{References, co_moment, deviation, mean, window};

/// Bars of a correlation or a beta.
const RELATED: usize = 50;

impl References<'_> {
    /// The contract's formula of a feature, NaN until enough bars exist; None for an unknown name.
    pub fn plain(&self, name: &str) -> Option<Vec<f64>> {
        let (open, high, low, close, volume) = (self.open, self.high, self.low, self.close, self.volume);
        Some(match name {
            "ret_1" | "ret_5" | "ret_20" => {
                let k = ending(name);
                self.each(k, |t| close[t] / close[t - k] - 1.0)
            }
            "log_ret_1" | "log_ret_5" => {
                let k = ending(name);
                self.each(k, |t| (close[t] / close[t - k]).ln())
            }
            "price_change" => self.each(1, |t| close[t] - close[t - 1]),
            "high_low_ratio" => self.each(0, |t| high[t] / low[t]),
            "close_open_ratio" => self.each(0, |t| close[t] / open[t]),
            "price_vs_sma_20" => self.each(19, |t| close[t] / mean(window(close, t, 20)) - 1.0),
            "volatility_5" | "volatility_20" => {
                let (n, returns) = (ending(name), self.get("log_ret_1"));
                self.each(n, |t| deviation(window(&returns, t, n)))
            }
            "bb_width" => {
                let (upper, middle, lower) = (self.get("bb_upper"), self.get("bb_middle"), self.get("bb_lower"));
                self.each(19, |t| (upper[t] - lower[t]) / middle[t])
            }
            "price_vs_bb" => {
                let (upper, lower) = (self.get("bb_upper"), self.get("bb_lower"));
                let place = |t: usize| (close[t] - lower[t]) / (upper[t] - lower[t]);
                self.each(19, |t| if upper[t] == lower[t] { 0.5 } else { place(t) })
            }
            "volume_ratio" => self.each(19, |t| {
                let average = mean(window(volume, t, 20));
                if average == 0.0 { 0.0 } else { volume[t] / average }
            }),
            "price_volume_trend" => {
                let returns = self.get("ret_1");
                self.each(1, |t| (1..=t).map(|i| volume[i] * returns[i]).sum())
            }
            "trend_strength" => self.each(19, |t| line_fit(window(close, t, 20))),
            "close_vs_min_50" => self.each(49, |t| close[t] / least(window(low, t, 50)) - 1.0),
            "close_vs_max_50" => self.each(49, |t| close[t] / greatest(window(high, t, 50)) - 1.0),
            "rsi_x_volatility" => self.product("rsi_14", "volatility_20"),
            "macd_x_volume" => self.product("macd_histogram", "volume_ratio"),
            "trend_x_momentum" => self.product("trend_strength", "ret_20"),
            "range_x_volume" => {
                let ratio = self.get("volume_ratio");
                self.each(19, |t| (high[t] / low[t] - 1.0) * ratio[t])
            }
            "ret_1_min_20" => self.over_returns(least),
            "ret_1_max_20" => self.over_returns(greatest),
            "ret_1_mean_20" => self.over_returns(mean),
            "ret_1_std_20" => self.over_returns(deviation),
            "btc_correlation" => self.against(&self.market.btc, correlation),
            "eth_correlation" => self.against(&self.market.eth, correlation),
            "market_beta" => self.against(&self.market.mean, beta),
            "hour_of_day" => self.each(0, |t| (self.seconds(t) / 3600 % 24) as f64),
            "day_of_week" => self.each(0, |t| self.weekday(t) as f64),
            "is_weekend" => self.each(0, |t| f64::from(u8::from(self.weekday(t) >= 5))),
            "volatility_regime" => self.volatility_regime(),
            "market_regime" => self.market_regime(),
            _ => {
                let (of, k) = name.rsplit_once("_lag_")?;
                let (of, k) = (self.of(of)?, k.parse::<usize>().ok()?);
                self.each(k, |t| of[t - k])
            }
        })
    }

    fn product(&self, a: &str, b: &str) -> Vec<f64> {
        let (a, b) = (self.get(a), self.get(b));
        self.each(0, |t| a[t] * b[t])
    }

    fn over_returns(&self, of: impl Fn(&[f64]) -> f64) -> Vec<f64> {
        let returns = self.get("ret_1");
        self.each(20, |t| of(window(&returns, t, 20)))
    }

    /// A measure of the symbol's `ret_1` and another's over the same bars; NaN where either has a gap.
    fn against(&self, other: &[f64], measure: impl Fn(&[f64], &[f64]) -> f64) -> Vec<f64> {
        let (returns, other) = (self.get("ret_1"), &other[self.range.clone()]);
        self.each(RELATED, |t| {
            let (x, y) = (window(&returns, t, RELATED), window(other, t, RELATED));
            if x.iter().chain(y).any(|v| v.is_nan()) { f64::NAN } else { measure(x, y) }
        })
    }

    fn volatility_regime(&self) -> Vec<f64> {
        let volatility = self.get("volatility_20");
        self.each(69, |t| {
            // The first value is that of bar 20.
            let last = &volatility[(t + 1).saturating_sub(250).max(20)..=t];
            let thirds = (1..3).filter(|&p| volatility[t] >= third(last, p)).count();
            thirds as f64
        })
    }

    fn market_regime(&self) -> Vec<f64> {
        let [ratio, regime, ret_5, volatility, trend] =
            ["volume_ratio", "volatility_regime", "ret_5", "volatility_20", "trend_strength"].map(|n| self.get(n));
        self.each(69, |t| {
            let illiquid = ratio[t] < 0.1;
            let panic = regime[t] == 2.0 && ret_5[t] < -3.0 * volatility[t];
            match (illiquid, panic, trend[t] >= 0.6) {
                (true, _, _) => 3.0,
                (_, true, _) => 2.0,
                (_, _, true) => 0.0,
                _ => 1.0,
            }
        })
    }

    /// Seconds since 1970 at the bar's open.
    fn seconds(&self, t: usize) -> i64 {
        let bar = (self.range.start + t) as i64;
        (self.panel.start_ms + bar * self.panel.timeframe.ms()) / 1000
    }

    /// Monday = 0, by counting from a known Monday, 2024-01-01.
    fn weekday(&self, t: usize) -> i64 {
        ((self.seconds(t) - 1_704_067_200).div_euclid(86_400)).rem_euclid(7)
    }
}

/// The number at the end of a name.
fn ending(name: &str) -> usize {
    name.rsplit('_').next().and_then(|digits| digits.parse().ok()).expect("only called for names that end in one")
}

fn least(x: &[f64]) -> f64 {
    x.iter().copied().fold(f64::INFINITY, f64::min)
}

fn greatest(x: &[f64]) -> f64 {
    x.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// Pearson's; NaN where one of them does not vary.
fn correlation(x: &[f64], y: &[f64]) -> f64 {
    co_moment(x, y) / (co_moment(x, x) * co_moment(y, y)).sqrt()
}

fn beta(x: &[f64], y: &[f64]) -> f64 {
    co_moment(x, y) / co_moment(y, y)
}

/// R² of the line through the logarithms by the residuals of the fit; 0 where all prices are equal.
fn line_fit(prices: &[f64]) -> f64 {
    // Logarithms of the distance to the first price: near 1 their own rounding would show.
    let y: Vec<f64> = prices.iter().map(|p| (p / prices[0]).ln()).collect();
    let x: Vec<f64> = (0..y.len()).map(|i| i as f64).collect();
    let total = co_moment(&y, &y);
    if total == 0.0 {
        return 0.0;
    }
    let slope = co_moment(&x, &y) / co_moment(&x, &x);
    let level = mean(&y) - slope * mean(&x);
    let residuals: f64 = x.iter().zip(&y).map(|(x, y)| (y - level - slope * x).powi(2)).sum();
    1.0 - residuals / total
}

/// The p/3 quantile, interpolated between the order statistics around position p(m − 1)/3.
fn third(x: &[f64], p: usize) -> f64 {
    let mut sorted = x.to_vec();
    sorted.sort_by(f64::total_cmp);
    let position = p * (x.len() - 1);
    let (below, rest) = (position / 3, position % 3);
    if rest == 0 {
        return sorted[below];
    }
    sorted[below] + (sorted[below + 1] - sorted[below]) * rest as f64 / 3.0
}
