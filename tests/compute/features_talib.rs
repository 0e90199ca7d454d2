//! Every feature of the catalogue on real candles, against TA-Lib or a plain formula of its own.

use crate::candles::real_panel;
use crate::references::References;
use huracan::bars::Panel;
use huracan::features::{CATALOGUE, Features, compute};
use rayon::prelude::*;

/// Where a value counts as near 0.
enum Floor {
    /// 1e-9.
    Plain,
    /// 1e-9 of the price, for coins far below 1.
    Price,
}

fn floor(name: &str) -> Floor {
    let price = ["sma_", "ema_", "atr_", "bb_upper", "bb_lower", "macd", "price_change"];
    if price.iter().any(|start| name.starts_with(start)) { Floor::Price } else { Floor::Plain }
}

/// Compares one column of one symbol and returns the number of values compared, or what differs.
fn compare(panel: &Panel, features: &Features, symbol: usize, column: usize, want: &[f64]) -> Result<usize, String> {
    let name = CATALOGUE[column].name;
    let range = panel.ranges[symbol].clone();
    let at = |bar: usize| format!("{name} of {} at bar {} of its own", panel.symbols[symbol], bar - range.start);
    let mut compared = 0;
    for bar in 0..panel.bars {
        let got = features.values[(symbol * panel.bars + bar) * CATALOGUE.len() + column];
        if !range.contains(&bar) {
            if !got.is_nan() {
                return Err(format!(
                    "{name} of {} is {got} at bar {bar}, which it does not have",
                    panel.symbols[symbol]
                ));
            }
            continue;
        }
        let want = want[bar - range.start];
        if want.is_nan() || got.is_nan() {
            if want.is_nan() != got.is_nan() {
                return Err(format!("{}: {got}, the reference has {want}", at(bar)));
            }
            continue;
        }
        let near_zero = match floor(name) {
            Floor::Plain => 1e-9,
            Floor::Price => 1e-9 * panel.row(&panel.close, symbol)[bar].min(1.0),
        };
        let error = (f64::from(got) - want).abs();
        if error > (1e-6 * want.abs()).max(near_zero) {
            return Err(format!("{}: {got:e}, the reference has {want:e}, {error:e} apart", at(bar)));
        }
        compared += 1;
    }
    Ok(compared)
}

/// `least` is the share of all values that must have been compared: the others belong to warm-ups and late listings.
fn every_feature_equals_its_reference(timeframe: &str, least: f64) {
    let panel = real_panel(timeframe);
    let symbols = panel.symbols.len();
    assert!(symbols >= 12, "{symbols} symbols");
    let features = compute(&panel);
    assert_eq!(features.values.len(), symbols * panel.bars * CATALOGUE.len());
    let shared = crate::references::Market::new(&panel);
    let results: Vec<Result<usize, String>> = (0..symbols)
        .into_par_iter()
        .flat_map_iter(|symbol| {
            let references = References::new(&panel, &shared, symbol);
            let (panel, features) = (&panel, &features);
            CATALOGUE.iter().enumerate().map(move |(column, feature)| {
                let want = references.of(feature.name).ok_or(format!("{} has no reference", feature.name))?;
                compare(panel, features, symbol, column, &want)
            })
        })
        .collect();
    let faults: Vec<&String> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    let shown = faults.iter().take(40).map(|fault| fault.as_str()).collect::<Vec<_>>().join("\n");
    assert!(faults.is_empty(), "{} columns differ:\n{shown}", faults.len());
    let compared: usize = results.iter().flatten().sum();
    let all = panel.ranges.iter().map(|range| range.len()).sum::<usize>() * CATALOGUE.len();
    assert!(compared as f64 >= least * all as f64, "only {compared} of {all} values were compared");
}

/// The names that the contract promises, `{a,b}` standing for each of a and b.
const PROMISED: &str = "ret_{1,5,20} log_ret_{1,5} price_change high_low_ratio close_open_ratio sma_{5,10,20,50} \
    ema_{5,10,20} price_vs_sma_20 volatility_{5,20} atr_14 bb_{upper,lower,width} price_vs_bb rsi_14 macd \
    macd_{signal,histogram} stoch_{k,d} adx_14 volume_sma_20 volume_ratio price_volume_trend on_balance_volume \
    btc_correlation eth_correlation market_beta trend_strength volatility_regime market_regime hour_of_day \
    day_of_week is_weekend rsi_x_volatility macd_x_volume trend_x_momentum range_x_volume ret_1_lag_{1,2,3,5} \
    rsi_14_lag_{1,3} macd_histogram_lag_{1,3} volume_ratio_lag_1 ret_1_{min,max,mean,std}_20 close_vs_{min,max}_50";

#[test]
fn the_catalogue_has_every_promised_name_once_and_in_order() {
    let promised: Vec<String> = PROMISED
        .split_whitespace()
        .flat_map(|word| match word.split_once('{').and_then(|(head, rest)| Some((head, rest.split_once('}')?))) {
            Some((head, (choices, tail))) => choices.split(',').map(|c| format!("{head}{c}{tail}")).collect(),
            None => vec![word.to_owned()],
        })
        .collect();
    assert_eq!(CATALOGUE.iter().map(|feature| feature.name).collect::<Vec<_>>(), promised);
}

#[test]
fn every_feature_equals_its_reference_on_all_daily_candles() {
    every_feature_equals_its_reference("1d", 0.7);
}

#[test]
fn every_feature_equals_its_reference_on_all_hourly_candles() {
    every_feature_equals_its_reference("1h", 0.95);
}

#[test]
fn every_feature_is_missing_until_enough_bars_exist() {
    let panel = real_panel("1d");
    let features = compute(&panel);
    for symbol in 0..panel.symbols.len() {
        for (column, feature) in CATALOGUE.iter().enumerate() {
            for bar in panel.ranges[symbol].clone().take(feature.warm_up) {
                let value = features.values[(symbol * panel.bars + bar) * CATALOGUE.len() + column];
                assert!(value.is_nan(), "{} of {} at bar {bar}: {value}", feature.name, panel.symbols[symbol]);
            }
        }
    }
}
