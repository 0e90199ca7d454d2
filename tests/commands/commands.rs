//! The commands that take what they are given, on folders that a test writes: columns, rows and exit codes.

use crate::cli;

use std::path::Path;

use crate::cli::{START_MS, huracan, numbers, table, texts, times, walk, write};
use huracan::bars::HOUR_MS;
use huracan::features::CATALOGUE;
use huracan::market::write_candles;
use huracan::polars::prelude::DataFrame;

fn names(frame: &DataFrame) -> Vec<String> {
    frame.get_column_names().into_iter().map(|name| name.to_string()).collect()
}

/// Three coins: CSV, Parquet, and one that is listed 40 bars late, its file named as other programs do.
fn write_market(folder: &Path, bars: usize) {
    write(folder, "candles/BTC-USDT.csv", &cli::csv_candles(&walk(1, bars, 40_000.0), HOUR_MS));
    write_candles(&folder.join("candles/AAA-USDT.parquet"), &cli::candles(&walk(2, bars, 0.01))).unwrap();
    let late = cli::csv_candles(&walk(3, bars, 7.0), HOUR_MS);
    let late: Vec<&str> =
        late.lines().enumerate().filter(|(i, _)| !(1..=40).contains(i)).map(|(_, line)| line).collect();
    write(folder, "candles/zzz_usdt-1h.csv", &(late.join("\n") + "\n"));
}

#[test]
fn features_writes_every_bar_of_every_symbol_with_the_catalogue_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    write_market(folder.path(), 300);
    let ran = huracan(folder.path(), "features --candles candles --out out/f.parquet --json");
    ran.expect(0, &[]);
    assert_eq!(ran.json()["rows"], 860);
    let features = table(&folder.path().join("out/f.parquet"));
    let mut want = vec!["symbol".to_owned(), "timestamp".to_owned()];
    want.extend(CATALOGUE.iter().map(|feature| feature.name.to_owned()));
    assert_eq!(names(&features), want);
    let symbols = texts(&features, "symbol");
    let count = |name: &str| symbols.iter().filter(|s| *s == name).count();
    assert_eq!((count("BTC-USDT"), count("AAA-USDT"), count("ZZZ-USDT")), (300, 300, 260));
    let time = times(&features, "timestamp");
    assert_eq!(time.iter().min(), Some(&START_MS));
    assert_eq!(time[symbols.iter().position(|s| s == "ZZZ-USDT").unwrap()], START_MS + 40 * HOUR_MS);

    // A formula that needs nothing of ours, and the warm-up of each file's own start.
    let (bars, sma) = (walk(1, 300, 40_000.0), numbers(&features, "sma_5"));
    let first = symbols.iter().position(|s| s == "BTC-USDT").unwrap();
    assert!(sma[first..first + 4].iter().all(|v| v.is_nan()));
    for t in 4..300 {
        let mean = bars[t - 4..=t].iter().map(|bar| bar[3]).sum::<f64>() / 5.0;
        assert!((sma[first + t] - mean).abs() < 1e-6 * mean, "bar {t}");
    }
    let eth = numbers(&features, "eth_correlation");
    assert!(eth.iter().all(|v| v.is_nan()), "there is no ETH in this folder");
    // The view has such columns too, and the command names them.
    assert!(!ran.err.contains("warning"), "{}", ran.err);
    let ran = huracan(folder.path(), "features --candles candles --view --out out/view.parquet");
    ran.expect(0, &["eth_correlation", "without ETH", "inputs.symbols"]);
    assert!(!ran.err.contains("btc_correlation") && !ran.err.contains("market_beta"), "{}", ran.err);

    huracan(folder.path(), "features --candles candles --out out/f.csv").expect(0, &[]);
    let csv = table(&folder.path().join("out/f.csv"));
    assert_eq!((names(&csv), csv.height()), (want, 860));
}

#[test]
fn labels_writes_both_sides_of_every_bar_whose_trade_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    write_market(folder.path(), 300);
    huracan(folder.path(), "labels --candles candles --out l.parquet").expect(0, &[]);
    let labels = table(&folder.path().join("l.parquet"));
    let columns = ["symbol", "timestamp", "side", "win", "return_bps", "exit_timestamp", "exit_reason"];
    assert_eq!(names(&labels), columns);
    let (symbols, side) = (texts(&labels, "symbol"), numbers(&labels, "side"));
    let (time, exit) = (times(&labels, "timestamp"), times(&labels, "exit_timestamp"));
    let (win, net, reason) = (numbers(&labels, "win"), numbers(&labels, "return_bps"), texts(&labels, "exit_reason"));
    assert!(labels.height() > 1000);
    for row in 0..labels.height() {
        let held = (exit[row] - time[row]) / HOUR_MS - 1;
        assert!((0..=24).contains(&held), "row {row}: held for {held} bars");
        assert_eq!(win[row] == 1.0, net[row] > 0.0);
        assert!(exit[row] < START_MS + 300 * HOUR_MS && net[row].is_finite());
        assert!(["stop_loss", "take_profit", "time"].contains(&reason[row].as_str()), "{}", reason[row]);
        assert_eq!(reason[row] == "time", held == 24, "row {row}: {} after {held} bars", reason[row]);
    }
    // The first label stands at the first ATR, and both sides are there.
    let first = symbols.iter().position(|s| s == "ZZZ-USDT").unwrap();
    assert_eq!((time[first], side[first], side[first + 1]), (START_MS + 54 * HOUR_MS, 1.0, -1.0));

    // A label is the trade that the backtest makes of the signal.
    let mut signals = "symbol,timestamp,side\n".to_owned();
    let rows: Vec<usize> = (0..labels.height()).step_by(97).filter(|&row| symbols[row] == "BTC-USDT").collect();
    for &row in &rows {
        signals += &format!("BTC-USDT,{},{}\n", time[row], side[row]);
        write(folder.path(), "s.csv", &format!("symbol,timestamp,side\nBTC-USDT,{},{}\n", time[row], side[row]));
        let line = "backtest --candles candles --signals s.csv --trades t.csv --set costs.spot_shorts=borrow \
            --set costs.borrow_bps_per_day=0";
        huracan(folder.path(), line).expect(0, &[]);
        let trade = table(&folder.path().join("t.csv"));
        assert_eq!(trade.height(), 1);
        assert!((numbers(&trade, "net_bps")[0] - net[row]).abs() < 1e-9, "label of row {row}");
        assert_eq!(texts(&trade, "exit_reason")[0], reason[row]);
    }
    assert!(rows.len() >= 5);
}

#[test]
fn folds_shows_the_plan_and_names_the_symbols_that_are_too_short() {
    let folder = tempfile::tempdir().unwrap();
    let days = |n: usize| cli::csv_candles(&walk(n as u64, n, 10.0), 24 * HOUR_MS);
    write(folder.path(), "all/LONG-USDT.csv", &days(230));
    huracan(folder.path(), "folds --candles all").expect(0, &[]);
    write(folder.path(), "all/SHORT-USDT.csv", &days(100));
    let ran = huracan(folder.path(), "folds --candles all --json");
    ran.expect(4, &[]);
    let plan = ran.json();
    let folds = plan["folds"].as_array().unwrap();
    assert_eq!(folds.len(), 4, "the multiples of 30 days after 124 days of training and purge");
    let fold = &folds[1];
    assert_eq!(fold["symbol"], "LONG-USDT");
    for (part, from, to, bars) in [
        ("train", "2024-02-13T00:00:00Z", "2024-05-23T00:00:00Z", 101),
        ("validation", "2024-05-28T00:00:00Z", "2024-06-11T00:00:00Z", 15),
        ("purge", "2024-06-12T00:00:00Z", "2024-06-15T00:00:00Z", 4),
        ("test", "2024-06-16T00:00:00Z", "2024-07-15T00:00:00Z", 30),
    ] {
        let got = &fold[part];
        assert_eq!((got["from"].as_str(), got["to"].as_str()), (Some(from), Some(to)), "{part}");
        assert_eq!(got["bars"], bars, "{part}");
    }
    assert_eq!(folds[3]["test"]["bars"], 3, "the newest window ends with the candles");
    assert_eq!(plan["failed"][0]["symbol"], "SHORT-USDT");
    huracan(folder.path(), "folds --candles all").expect(4, &["SHORT-USDT", "100.0 days", "38.0 days too short"]);
}

#[test]
fn bad_candles_are_named_by_file_row_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let good = cli::csv_candles(&walk(5, 30, 10.0), HOUR_MS);
    let cases: [(&str, &str, &str); 8] = [
        ("NAN", "1704081600000,NaN,11,9,10,5", "open is NaN"),
        ("EMPTY", "1704081600000,,11,9,10,5", "open is NaN"),
        ("ZERO", "1704081600000,10,11,0,10,5", "low is 0, not above 0"),
        ("CROSSED", "1704081600000,10,9,11,10,5", "high 9 is below low 11"),
        ("OUTSIDE", "1704081600000,10,11,9,12,5", "close 12 is outside [9, 11]"),
        ("BACK", "1704067200000,10,11,9,10,5", "runs back"),
        ("TWICE", "1704078000000,10,11,9,10,5", "appears twice"),
        ("OFF", "1704080000000,10,11,9,10,5", "contradicts market.timeframe"),
    ];
    write(folder.path(), "candles/GOOD-USDT.csv", &good);
    for (name, line, _) in cases {
        let mut lines: Vec<&str> = good.lines().collect();
        lines[5] = line;
        write(folder.path(), &format!("candles/{name}-USDT.csv"), &lines.join("\n"));
    }
    for command in ["features --out o.parquet", "labels --out o.parquet", "folds", "backtest --trades t.csv"] {
        let ran = huracan(folder.path(), &format!("{command} --candles candles --set market.timeframe=1h"));
        ran.expect(3, &[]);
        for (name, _, reason) in cases {
            let line = ran.err.lines().find(|line| line.contains(&format!("{name}-USDT.csv")));
            let line = line.unwrap_or_else(|| panic!("{name} is not named: {}", ran.err));
            assert!(line.contains("row 4") && line.contains(reason), "{line}");
        }
        assert!(!ran.err.contains("GOOD"), "{}", ran.err);
    }
    assert!(!folder.path().join("o.parquet").exists() && !folder.path().join("t.csv").exists());

    write(folder.path(), "daily/A-USDT.csv", &cli::csv_candles(&walk(5, 30, 10.0), 24 * HOUR_MS));
    let line = "features --candles daily --out o.parquet";
    huracan(folder.path(), &format!("{line} --set market.timeframe=1h")).expect(3, &["A-USDT.csv", "market.timeframe"]);
    huracan(folder.path(), line).expect(0, &[]);
    write(folder.path(), "columns/A-USDT.csv", "timestamp,open,high,low,close\n1704067200000,1,1,1,1\n");
    huracan(folder.path(), "features --candles columns --out o.parquet")
        .expect(3, &["A-USDT.csv", "'volume' is missing"]);
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    huracan(folder.path(), "features --candles empty --out o.parquet").expect(3, &["empty", "no candle files"]);
    huracan(folder.path(), "features --candles nowhere --out o.parquet").expect(3, &["nowhere"]);
}

#[test]
fn gaps_are_filled_flat_and_long_ones_drop_what_came_before() {
    let folder = tempfile::tempdir().unwrap();
    let all = cli::csv_candles(&walk(5, 100, 10.0), HOUR_MS);
    let without = |gap: std::ops::Range<usize>| -> String {
        let kept = all.lines().enumerate().filter(|(i, _)| !gap.contains(i)).map(|(_, line)| line);
        kept.collect::<Vec<_>>().join("\n")
    };
    write(folder.path(), "candles/A-USDT.csv", &without(11..21));
    write(folder.path(), "candles/B-USDT.csv", &without(31..62));
    huracan(folder.path(), "features --candles candles --out f.parquet").expect(0, &[]);
    let features = table(&folder.path().join("f.parquet"));
    let symbols = texts(&features, "symbol");
    let count = |name: &str| symbols.iter().filter(|s| *s == name).count();
    assert_eq!((count("A-USDT"), count("B-USDT")), (100, 39));
    let ret = numbers(&features, "ret_1");
    assert!(ret[10..20].iter().all(|&r| r == 0.0) && ret[20] != 0.0, "{:?}", &ret[9..22]);
}

#[test]
fn bad_settings_are_all_listed_at_once() {
    let folder = tempfile::tempdir().unwrap();
    write_market(folder.path(), 60);
    let ran = huracan(
        folder.path(),
        "features --candles candles --out o.parquet --set labels.max_hold=0 --set costs.fee_bps=-1 --set market.timefrme=1h \
         --set folds.train_days=many --device toaster",
    );
    let keys = ["labels.max_hold", "costs.fee_bps", "market.timefrme", "folds.train_days", "engine.device"];
    ran.expect(2, &keys);
    assert!(ran.err.contains("5 faults"), "{}", ran.err);
    assert!(!folder.path().join("o.parquet").exists());
    write(folder.path(), "bad.yaml", "labels:\n  stop_atr: -3\n  take_art: 2\n");
    huracan(folder.path(), "labels --candles candles --out o.parquet --config bad.yaml")
        .expect(2, &["labels.stop_atr", "labels.take_art", "2 faults"]);
    huracan(folder.path(), "features --out o.parquet").expect(2, &["--candles"]);
    huracan(folder.path(), "fetures").expect(2, &["fetures"]);
}
