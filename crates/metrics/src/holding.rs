//! The buy-and-hold benchmark.

use huracan_base::units::BPS;
use std::ops::Range;

use serde::Serialize;

use super::drawdown::drawdowns;
use super::sharpe::sharpe;
use huracan_bars::{DAY_MS, Panel};
use huracan_shadow::{CoinCosts, Rules, volatility_bps};

/// Performance of buying at the first bar of the test windows and selling after the last one.
///
/// Fee, half the spread and slippage are charged each way, with the volatility of the bar before; funding is not charged, because a
/// holder owns the coin. Days between
/// the windows are skipped.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Holding {
    /// Final value / start value − 1.
    pub total_return: f64,
    /// Annualised Sharpe ratio of the daily returns; 0 if undefined.
    pub sharpe: f64,
    /// Largest fall from a peak of the daily curve, as a share of the peak.
    pub max_drawdown: f64,
    /// `(end of day in ms UTC, equity)` per day of the windows, starting at 1. The first point is the start.
    #[serde(skip)]
    pub curve: Vec<(i64, f64)>,
}

impl Holding {
    /// Benchmark for one coin; `atr` is ATR(14) in price units, `[symbols × bars]`. `None` if the windows contain no bar, or a bar without a price.
    pub fn of(panel: &Panel, symbol: usize, windows: &[Range<usize>], atr: &[f64], rules: &Rules) -> Option<Self> {
        let (open, close) = (panel.row(&panel.open, symbol), panel.row(&panel.close, symbol));
        let (volume, atr) = (panel.row(&panel.volume, symbol), panel.row(atr, symbol));
        let costs = CoinCosts::of(panel, symbol, rules);
        let cost = |bar: usize, price: f64| {
            let before = bar.saturating_sub(1);
            let factor_bps = costs.slippage_factor_bps(volatility_bps(atr[before], close[before]));
            let slippage = costs.slippage_bps(factor_bps, rules.notional, close[bar], volume[bar]);
            (costs.fee_bps() + 0.5 * costs.spread_bps(price) + slippage) / BPS
        };
        let bars = covered_bars(windows);
        let (&first, &last) = (bars.first()?, bars.last()?);
        let entry_cost = cost(first, open[first]);
        let (mut growth, mut curve) = (1.0, vec![(start_of_day(panel.time_ms(first)), 1.0)]);
        for (i, &bar) in bars.iter().enumerate() {
            let before = if i > 0 && bars[i - 1] + 1 == bar { close[bar - 1] } else { open[bar] };
            growth *= close[bar] / before;
            if bar == last {
                growth -= cost(last, close[last]);
            }
            if !growth.is_finite() {
                return None;
            }
            let end = start_of_day(panel.time_ms(bar)) + DAY_MS;
            if curve.len() > 1 && curve[curve.len() - 1].0 == end {
                curve.pop();
            }
            curve.push((end, growth - entry_cost));
        }
        Some(Self::from(curve))
    }

    /// Benchmark for several coins with equal money each. The money of a coin stays in cash before its first window and
    /// after its last one.
    pub fn portfolio<'a>(holdings: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let curves: Vec<&[(i64, f64)]> = holdings.into_iter().map(|holding| holding.curve.as_slice()).collect();
        let start = curves.iter().map(|curve| curve[0].0).min()?;
        let mut ends: Vec<i64> = curves.iter().flat_map(|curve| curve[1..].iter().map(|point| point.0)).collect();
        ends.sort_unstable();
        ends.dedup();
        let (mut positions, mut curve) = (vec![0; curves.len()], vec![(start, 1.0)]);
        for end in ends {
            let mut sum = 0.0;
            for (position, points) in positions.iter_mut().zip(&curves) {
                while *position + 1 < points.len() && points[*position + 1].0 <= end {
                    *position += 1;
                }
                sum += points[*position].1;
            }
            curve.push((end, sum / curves.len() as f64));
        }
        Some(Self::from(curve))
    }

    fn from(curve: Vec<(i64, f64)>) -> Self {
        let daily: Vec<f64> =
            curve.windows(2).map(|w| if w[0].1 > 0.0 { w[1].1 / w[0].1 - 1.0 } else { 0.0 }).collect();
        Self {
            total_return: curve[curve.len() - 1].1 - 1.0,
            sharpe: sharpe(&daily),
            max_drawdown: drawdowns(&curve).max,
            curve,
        }
    }
}

/// The bars of all windows, ascending and without duplicates.
fn covered_bars(windows: &[Range<usize>]) -> Vec<usize> {
    let mut bars: Vec<usize> = windows.iter().cloned().flatten().collect();
    bars.sort_unstable();
    bars.dedup();
    bars
}

fn start_of_day(ms: i64) -> i64 {
    ms - ms.rem_euclid(DAY_MS)
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "windows are ranges")]
mod tests {
    use super::*;
    use huracan_bars::{Candles, HOUR_MS, Timeframe};
    use huracan_shadow::SlippageRule;

    const RULES: Rules = Rules {
        stop_atr: 1.5,
        take_atr: 2.5,
        max_hold: 24,
        fee_bps: 10.0,
        exchange_fees: true,
        spread_bps: 4.0,
        slippage: SlippageRule::Turnover,
        slippage_atr: 0.0,
        slippage_k: 0.0,
        slippage_cap_bps: 50.0,
        stop_slippage_bps: 5.0,
        funding_bps_per_bar: 1.0,
        pays_known_funding: true,
        borrow_bps_per_bar: 0.0,
        shorts: true,
        notional: 1000.0,
    };
    const ONE_WAY: f64 = 12.0 / 10_000.0;

    /// Four days of hourly bars. Each bar opens at the previous close; the close of bar t is `close(t)`.
    fn panel(closes: &[fn(i64) -> f64]) -> Panel {
        let candles = |close: fn(i64) -> f64| {
            let mut candles = Candles::default();
            for t in 0..96 {
                let (a, b) = (close(t - 1), close(t));
                candles.push(t * HOUR_MS, [a, a.max(b), a.min(b), b], 1.0);
            }
            candles
        };
        let all = (0..).zip(closes).map(|(i, &close)| (format!("{i}-X"), candles(close))).collect();
        Panel::new(all, Timeframe::H1, 1, false).unwrap()
    }

    fn of(panel: &Panel, symbol: usize, windows: &[Range<usize>]) -> Option<Holding> {
        Holding::of(panel, symbol, windows, &vec![1.0; panel.close.len()], &RULES)
    }

    #[test]
    fn the_coin_is_bought_and_sold_once_with_costs_both_ways() {
        let panel = panel(&[|t| 100.0 + t as f64]);
        let holding = of(&panel, 0, &[24..48, 48..96]).unwrap();
        // Bought at 123, sold at 195.
        assert!((holding.total_return - (195.0 / 123.0 - 1.0 - 2.0 * ONE_WAY)).abs() < 1e-12);
        let days: Vec<i64> = holding.curve.iter().map(|point| point.0 / DAY_MS).collect();
        assert_eq!(days, [1, 2, 3, 4]);
        assert!((holding.curve[1].1 - (147.0 / 123.0 - ONE_WAY)).abs() < 1e-12);
        assert_eq!(holding.max_drawdown, 0.0);
        assert!(holding.sharpe > 0.0);
    }

    #[test]
    fn the_coin_is_not_held_between_two_windows() {
        // The price doubles on the second day, which no window covers, and halves within the last window.
        let panel = panel(&[|t| {
            if t < 30 {
                100.0
            } else if t < 90 {
                200.0
            } else {
                100.0
            }
        }]);
        let holding = of(&panel, 0, &[0..24, 48..96]).unwrap();
        assert!((holding.total_return + 0.5 + 2.0 * ONE_WAY).abs() < 1e-12);
        let fall = 1.0 - (0.5 - 2.0 * ONE_WAY) / 1.0;
        assert!((holding.max_drawdown - fall).abs() < 1e-12);
    }

    #[test]
    fn a_portfolio_holds_equal_parts_and_keeps_cash_outside_the_windows() {
        let panel = panel(&[|t| if t < 10 { 100.0 } else { 150.0 }, |t| if t < 80 { 100.0 } else { 90.0 }]);
        let first = of(&panel, 0, &[0..24, 24..48]).unwrap();
        let second = of(&panel, 1, &[48..72, 72..96]).unwrap();
        let both = Holding::portfolio([&first, &second]).unwrap();
        let values: Vec<f64> = both.curve.iter().map(|point| point.1).collect();
        let (a, b) = (1.5 - 2.0 * ONE_WAY, 0.9 - 2.0 * ONE_WAY);
        for (got, want) in
            values.iter().zip([1.0, (2.5 - ONE_WAY) / 2.0, (a + 1.0) / 2.0, (a + 1.0 - ONE_WAY) / 2.0, (a + b) / 2.0])
        {
            assert!((got - want).abs() < 1e-12, "{values:?}");
        }
        assert_eq!(values.len(), 5);
    }

    #[test]
    fn costs_are_those_of_the_coins_own_market() {
        let mut panel = panel(&[|_| 100.0]);
        panel.terms[0].taker_fee_bps = Some(20.0);
        panel.terms[0].tick = Some(0.5);
        let plain = Holding { total_return: -2.0 * (20.0 + 25.0) / BPS, ..of(&panel, 0, &[24..48]).unwrap() };
        assert!((of(&panel, 0, &[24..48]).unwrap().total_return - plain.total_return).abs() < 1e-12);
        // ATR 1 at a close of 100 is 100 bps, and a bar trades 100 in quote currency: 0.01·100·√10 each way.
        let rules = Rules { slippage: SlippageRule::Volatility, slippage_atr: 0.01, ..RULES };
        let atr = vec![1.0; panel.close.len()];
        let moved = Holding::of(&panel, 0, &[24..48], &atr, &rules).unwrap();
        let slippage = 2.0 * 10.0_f64.sqrt() / BPS;
        assert!((moved.total_return - (plain.total_return - slippage)).abs() < 1e-12);
    }

    #[test]
    fn without_windows_or_prices_there_is_no_benchmark() {
        let mut panel = panel(&[|_| 100.0]);
        assert_eq!(of(&panel, 0, &[]), None);
        assert_eq!(of(&panel, 0, &[5..5, 9..9]), None);
        assert_eq!(Holding::portfolio([]), None);
        panel.close[7] = f64::NAN;
        assert_eq!(of(&panel, 0, &[0..12, 12..24]), None);
    }
}
