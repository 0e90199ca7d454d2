//! The indicators behind the votes, on real candles against TA-Lib.

use crate::candles::real_panel;
use huracan::decide::votes::indicators as own;
use huracan::decide::votes::{Past, VoterParams};
use huracan::settings::Settings;
use rayon::prelude::*;
use ta_lib::{Core, MAType, OutRange, RetCode};

/// An indicator of one symbol, ours and TA-Lib's.
struct Pair {
    name: &'static str,
    got: Vec<f64>,
    want: Vec<f64>,
    /// Below which a value counts as near 0: 1e-9 of the indicator's own unit.
    near_zero: f64,
}

type Outcome = Result<OutRange, RetCode>;

/// What TA-Lib writes, at the bars that it belongs to; NaN before.
fn talib<const K: usize>(bars: usize, call: impl FnOnce([&mut [f64]; K]) -> Outcome) -> [Vec<f64>; K] {
    let mut out: [Vec<f64>; K] = std::array::from_fn(|_| vec![0.0; bars]);
    let range = call(out.each_mut().map(Vec::as_mut_slice)).expect("the candles are valid");
    out.map(|values| {
        let mut placed = vec![f64::NAN; bars];
        placed[range.beg_idx.min(bars)..][..range.count].copy_from_slice(&values[..range.count]);
        placed
    })
}

/// Every indicator that TA-Lib defines too, with the engines' own lengths.
fn pairs(high: &[f64], low: &[f64], close: &[f64], volume: &[f64], e: &VoterParams) -> Vec<Pair> {
    let core = Core::new();
    let (bars, last) = (close.len(), close.len() - 1);
    let int = |n: usize| i32::try_from(n).unwrap();
    let price = close.iter().copied().fold(f64::INFINITY, f64::min).min(1.0);
    let mut pairs = Vec::new();
    let mut add = |name, got: Vec<f64>, want: Vec<f64>, unit: f64| {
        pairs.push(Pair { name, got, want, near_zero: 1e-9 * unit });
    };

    for n in [e.ema_cross.fast_bars, e.ema_cross.slow_bars, e.keltner_breakout.bars] {
        let [want] = talib(bars, |[a]| core.ema(0, last, close, int(n), a));
        add("EMA", own::ema(close, n, 0, &mut Past::default()), want, price);
    }
    for n in [e.sma_cross.fast_bars, e.sma_cross.slow_bars] {
        let [want] = talib(bars, |[a]| core.sma(0, last, close, int(n), a));
        add("SMA", own::sma(close, n), want, price);
    }
    let m = &e.macd_cross;
    let [want_line, want_signal, _] = talib(bars, |[a, b, c]| {
        core.macd(0, last, close, int(m.fast_bars), int(m.slow_bars), int(m.signal_bars), a, b, c)
    });
    let [line, signal] = own::macd(close, m.fast_bars, m.slow_bars, m.signal_bars, &mut Past::default());
    // TA-Lib gives its line only where there is a signal.
    let line = line.iter().zip(&signal).map(|(line, signal)| if signal.is_nan() { f64::NAN } else { *line }).collect();
    add("MACD", line, want_line, price);
    add("MACD signal", signal, want_signal, price);

    let range = own::true_range(high, low, close);
    for n in [e.atr_bars, e.supertrend.bars, e.atr_squeeze.bars] {
        let [want] = talib(bars, |[a]| core.atr(0, last, high, low, close, int(n), a));
        add("ATR", own::wilder(&range, n, &mut Past::default()), want, price);
    }
    let n = e.adx.bars;
    let index = own::directional(high, low, &range, n, &mut Past::default());
    let [want] = talib(bars, |[a]| core.adx(0, last, high, low, close, int(n), a));
    add("ADX", index.adx, want, 1.0);
    let [want] = talib(bars, |[a]| core.plus_di(0, last, high, low, close, int(n), a));
    add("PLUS_DI", index.plus_di, want, 1.0);
    let [want] = talib(bars, |[a]| core.minus_di(0, last, high, low, close, int(n), a));
    add("MINUS_DI", index.minus_di, want, 1.0);

    let n = e.regression_slope.bars;
    let [want] = talib(bars, |[a]| core.linearreg_slope(0, last, close, int(n), a));
    add("LINEARREG_SLOPE", own::linear_regression_slope(close, n), want, price);
    let n = e.rsi.bars;
    let [want] = talib(bars, |[a]| core.rsi(0, last, close, int(n), a));
    add("RSI", own::rsi(close, n, &mut Past::default()), want, 1.0);

    let (n, width) = (e.bollinger.bars, e.bollinger.deviations);
    let [upper, _, lower] =
        talib(bars, |[a, b, c]| core.bbands(0, last, close, int(n), width, width, MAType::SMA, a, b, c));
    let [mean, deviation] = own::mean_and_deviation(close, n);
    let band = |side: f64| mean.iter().zip(&deviation).map(|(m, d)| m + side * width * d).collect();
    add("BBANDS upper", band(1.0), upper, price);
    add("BBANDS lower", band(-1.0), lower, price);

    let p = &e.stochastic;
    let (highest, lowest) = (own::highest(high, p.bars), own::lowest(low, p.bars));
    let [want_k, want_d] = talib(bars, |[a, b]| {
        let (k, d, sma) = (int(p.slow_k_bars), int(p.slow_d_bars), MAType::SMA);
        core.stoch(0, last, high, low, close, int(p.bars), k, sma, d, sma, a, b)
    });
    let [slow_k, slow_d] = own::stochastic(close, &highest, &lowest, p.slow_k_bars, p.slow_d_bars);
    // TA-Lib gives %K only where there is a %D.
    let slow_k = slow_k.iter().zip(&slow_d).map(|(k, d)| if d.is_nan() { f64::NAN } else { *k }).collect();
    add("STOCH slow %K", slow_k, want_k, 1.0);
    add("STOCH slow %D", slow_d, want_d, 1.0);

    let n = e.williams_r.bars;
    let [want] = talib(bars, |[a]| core.willr(0, last, high, low, close, int(n), a));
    add("WILLR", own::williams_r(close, &own::highest(high, n), &own::lowest(low, n)), want, 1.0);
    let n = e.cci.bars;
    let [want] = talib(bars, |[a]| core.cci(0, last, high, low, close, int(n), a));
    add("CCI", own::cci(high, low, close, n), want, 1.0);
    let n = e.rate_of_change.bars;
    let [want] = talib(bars, |[a]| core.roc(0, last, close, int(n), a));
    add("ROC", own::rate_of_change(close, n), want, 1.0);

    let n = e.money_flow_index.bars;
    let [want] = talib(bars, |[a]| core.mfi(0, last, high, low, close, volume, int(n), a));
    let [into, out_of] = own::money_flows(high, low, close, volume, n);
    add("MFI", into.iter().zip(&out_of).map(|(i, o)| own::money_flow_index(*i, *o)).collect(), want, 1.0);
    let [want] = talib(bars, |[a]| core.obv(0, last, close, volume, a));
    add("OBV", own::on_balance_volume(close, volume, 0, &mut Past::default()), want, 1.0);
    let [want] = talib(bars, |[a]| core.ad(0, last, high, low, close, volume, a));
    let flows = own::accumulation(high, low, close, volume);
    let total: Vec<f64> = flows
        .iter()
        .scan(0.0, |sum, flow| {
            *sum += flow;
            Some(*sum)
        })
        .collect();
    // Running sums pass 0 at any level: near it is what is small beside the volume that went in.
    let traded: f64 = volume.iter().sum();
    add("AD", total, want, traded.max(1.0) * 1e-3);
    pairs
}

/// The number of values compared, or what differs.
fn compare(symbol: &str, pair: &Pair) -> Result<usize, String> {
    let mut compared = 0;
    for (bar, (got, want)) in pair.got.iter().zip(&pair.want).enumerate() {
        if got.is_nan() && want.is_nan() {
            continue;
        }
        let error = (got - want).abs();
        // NaN on one side alone is an error as well.
        if error.is_nan() || error > (1e-6 * want.abs()).max(pair.near_zero) {
            return Err(format!("{} of {symbol} at bar {bar}: {got:e}, TA-Lib has {want:e}", pair.name));
        }
        compared += 1;
    }
    Ok(compared)
}

/// At least `least` values per bar must have been compared.
fn every_indicator_equals_talibs(timeframe: &str, least: usize) {
    let panel = real_panel(timeframe);
    let engines = Settings::defaults().decide.voters;
    let results: Vec<Result<usize, String>> = (0..panel.symbols.len())
        .into_par_iter()
        .flat_map_iter(|symbol| {
            let range = panel.ranges[symbol].clone();
            let own = |column| &panel.row(column, symbol)[range.clone()];
            let pairs = pairs(own(&panel.high), own(&panel.low), own(&panel.close), own(&panel.volume), &engines);
            let name = &panel.symbols[symbol];
            pairs.iter().map(|pair| compare(name, pair)).collect::<Vec<_>>()
        })
        .collect();
    let faults: Vec<&str> = results.iter().filter_map(|result| result.as_ref().err()).map(String::as_str).collect();
    assert!(faults.is_empty(), "{} series differ:\n{}", faults.len(), faults[..faults.len().min(30)].join("\n"));
    let compared: usize = results.iter().flatten().sum();
    let bars: usize = panel.ranges.iter().map(|range| range.len()).sum();
    assert!(compared >= least * bars, "only {compared} values of {bars} bars were compared");
}

#[test]
fn every_indicator_equals_talibs_on_all_daily_candles() {
    every_indicator_equals_talibs("1d", 20);
}

#[test]
fn every_indicator_equals_talibs_on_all_hourly_candles() {
    every_indicator_equals_talibs("1h", 20);
}
