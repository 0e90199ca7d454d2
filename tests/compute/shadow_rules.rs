//! The trade rules of the contract: hand-worked scenarios through the program, and a second simulator of another shape.

use crate::cli;
mod plain;
mod scenarios;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use crate::cli::{START_MS, huracan, numbers, table, texts, write};
use huracan::bars::HOUR_MS;
use huracan::market::write_candles;
use huracan::polars::prelude::DataFrame;
use scenarios::{SCENARIOS, Scenario, Want};

const COLUMNS: [&str; 15] = [
    "symbol",
    "side",
    "entry_timestamp",
    "entry_price",
    "exit_timestamp",
    "exit_price",
    "size",
    "hold_bars",
    "exit_reason",
    "gross_bps",
    "fee_bps",
    "spread_bps",
    "slippage_bps",
    "funding_bps",
    "net_bps",
];

/// RFC 3339 of a bar's open; all scenarios lie within the first days of January 2024.
fn time(bar: usize) -> String {
    format!("2024-01-{:02}T{:02}:00:00Z", 1 + bar / 24, bar % 24)
}

fn symbol(i: usize) -> String {
    format!("S{i:02}-USDT")
}

/// Writes every scenario as a symbol of its own, even ones as CSV and odd ones as Parquet, and their signals.
fn write_market(folder: &Path) {
    std::fs::create_dir_all(folder.join("candles")).unwrap();
    let mut signals = "symbol,timestamp,side,stop_bps,take_bps,size\n".to_owned();
    for (i, scenario) in SCENARIOS.iter().enumerate() {
        let name = symbol(i);
        if i % 2 == 0 {
            write(folder, &format!("candles/{name}.csv"), &cli::csv_candles(scenario.bars, HOUR_MS));
        } else {
            write_candles(&folder.join(format!("candles/{name}.parquet")), &cli::candles(scenario.bars)).unwrap();
        }
        for (bar, side, more) in scenario.signals {
            writeln!(signals, "{name},{},{side},{more}", time(*bar)).unwrap();
        }
    }
    write(folder, "signals.csv", &signals);
}

fn near(got: f64, want: f64) -> bool {
    (got - want).abs() <= 1e-9 * want.abs().max(1.0)
}

/// Compares one row of the trade table with the trade worked out by hand.
fn compare(trades: &DataFrame, row: usize, scenario: &Scenario, want: &Want, funding_per_bar: f64) {
    let at = |name: &str| numbers(trades, name)[row];
    let text = |name: &str| texts(trades, name)[row].clone();
    let gross = f64::from(want.side) * (want.exit / want.entry - 1.0) * 10_000.0;
    let funding = funding_per_bar * (want.exit_bar - want.entry_bar) as f64;
    let expected = [
        ("side", f64::from(want.side)),
        ("entry_price", want.entry),
        ("exit_price", want.exit),
        ("size", want.size),
        ("hold_bars", (want.exit_bar - want.entry_bar) as f64),
        ("gross_bps", gross),
        ("fee_bps", 8.0),
        ("spread_bps", 2.0),
        ("slippage_bps", want.slippage),
        ("funding_bps", funding),
        ("net_bps", gross - 8.0 - 2.0 - want.slippage - funding),
    ];
    for (name, value) in expected {
        assert!(near(at(name), value), "{}: {name} is {}, worked out by hand {value}", scenario.rule, at(name));
    }
    assert_eq!(text("exit_reason"), want.reason, "{}", scenario.rule);
    assert_eq!(text("entry_timestamp"), time(want.entry_bar), "{}", scenario.rule);
    assert_eq!(text("exit_timestamp"), time(want.exit_bar), "{}", scenario.rule);
}

fn every_scenario_ends_as_worked_out(more: &str, funding_per_bar: f64) {
    let folder = tempfile::tempdir().unwrap();
    write_market(folder.path());
    // Slippage by turnover and stops without slippage, so that figures can be worked out in one's head.
    let line = "backtest --candles candles --signals signals.csv --trades out/trades.csv --set labels.max_hold=5 \
        --set costs.slippage=turnover --set costs.stop_slippage_bps=0";
    huracan(folder.path(), &format!("{line} {more}")).expect(0, &[]);
    let trades = table(&folder.path().join("out/trades.csv"));
    let names: Vec<&str> = trades.get_column_names().into_iter().map(|name| name.as_str()).collect();
    assert_eq!(names[..COLUMNS.len()], COLUMNS);

    let mut rows: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (row, name) in texts(&trades, "symbol").into_iter().enumerate() {
        rows.entry(name).or_default().push(row);
    }
    for (i, scenario) in SCENARIOS.iter().enumerate() {
        let own = rows.remove(&symbol(i)).unwrap_or_default();
        assert_eq!(own.len(), scenario.trades.len(), "{}", scenario.rule);
        for (row, want) in own.into_iter().zip(scenario.trades) {
            compare(&trades, row, scenario, want, funding_per_bar);
        }
    }
    assert!(rows.is_empty(), "trades of symbols without a scenario: {rows:?}");

    let order: Vec<(String, String)> =
        texts(&trades, "entry_timestamp").into_iter().zip(texts(&trades, "symbol")).collect();
    assert!(order.is_sorted(), "trades are ordered by entry time, then symbol");
}

#[test]
fn every_trade_ends_as_the_contract_says_on_a_spot_market() {
    every_scenario_ends_as_worked_out("--set costs.spot_shorts=borrow --set costs.borrow_bps_per_day=0", 0.0);
}

#[test]
fn a_perpetual_pays_funding_for_each_8_hours_held() {
    every_scenario_ends_as_worked_out("--set market.type=perp", 1.0 / 8.0);
}

#[test]
fn every_cost_follows_its_own_setting() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "candles/A-USDT.csv", &cli::csv_candles(&[scenarios::QUIET; 4], HOUR_MS));
    write(folder.path(), "signals.csv", &format!("symbol,timestamp,side\nA-USDT,{START_MS},0\n"));
    let line = "backtest --candles candles --signals signals.csv --trades none.csv";
    huracan(folder.path(), line).expect(0, &[]);
    assert_eq!(table(&folder.path().join("none.csv")).height(), 0);

    write(
        folder.path(),
        "signals.csv",
        &format!("symbol,timestamp,side,stop_bps,take_bps\nA-USDT,{START_MS},1,90,90\n"),
    );
    let settings = "--set costs.fee_bps=7 --set costs.spread_bps=3 --set costs.slippage=turnover --set costs.slippage_k=20 --set costs.notional=4000 \
        --set costs.funding_bps_per_8h=16 --set market.type=perp";
    huracan(folder.path(), &format!("{line} {settings}")).expect(0, &[]);
    let trades = table(&folder.path().join("none.csv"));
    let got = ["size", "fee_bps", "spread_bps", "slippage_bps", "funding_bps", "gross_bps", "net_bps"]
        .map(|name| numbers(&trades, name)[0]);
    // 20·√(4000/100000) = 4 each way; two bars of 2 bps.
    let want = [4000.0, 14.0, 3.0, 8.0, 4.0, 0.0, -29.0];
    assert!(got.iter().zip(want).all(|(&got, want)| near(got, want)), "{got:?}");
}

#[test]
fn a_signal_that_cannot_be_traded_is_named_by_its_row() {
    const LINE: &str = "backtest --candles candles --signals signals.csv --set costs.spot_shorts=borrow";
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "candles/A-USDT.csv", &cli::csv_candles(&[scenarios::QUIET; 30], HOUR_MS));
    // Listed five hours later on the same grid.
    let late = cli::csv_candles(&[scenarios::QUIET; 30], HOUR_MS);
    let late: Vec<&str> = late.lines().enumerate().filter(|(i, _)| !(1..6).contains(i)).map(|(_, line)| line).collect();
    write(folder.path(), "candles/B-USDT.csv", &(late.join("\n") + "\n"));
    let first = "A-USDT,2024-01-01T00:00:00Z,1,100,100,1000";
    let cases: [(&str, &[&str]); 22] = [
        ("X-USDT,2024-01-01T03:00:00Z,1,100,100,1000", &["row 1", "unknown symbol 'X-USDT'"]),
        ("A-USDT,2024-01-01T03:30:00Z,1,100,100,1000", &["row 1", "A-USDT", "2024-01-01T03:30:00Z"]),
        ("A-USDT,2031-01-01T03:00:00Z,1,100,100,1000", &["row 1", "A-USDT", "2031-01-01T03:00:00Z"]),
        ("A-USDT,2023-12-31T23:00:00Z,1,100,100,1000", &["row 1", "A-USDT", "2023-12-31T23:00:00Z"]),
        ("B-USDT,2024-01-01T03:00:00Z,1,100,100,1000", &["row 1", "B-USDT", "2024-01-01T03:00:00Z"]),
        ("A-USDT,2024-01-01T00:00:00Z,-1,100,100,1000", &["row 1", "already", "row 0"]),
        ("A-USDT,2024-01-01T03:00:00Z,2,100,100,1000", &["row 1", "side is 2", "-1, 0 or 1"]),
        ("A-USDT,2024-01-01T03:00:00Z,0.5,100,100,1000", &["row 1", "side is 0.5"]),
        ("A-USDT,2024-01-01T03:00:00Z,,100,100,1000", &["row 1", "side"]),
        ("A-USDT,2024-01-01T03:00:00Z,1,0,100,1000", &["row 1", "stop_bps is 0"]),
        ("A-USDT,2024-01-01T03:00:00Z,1,100,-5,1000", &["row 1", "take_bps is -5"]),
        ("A-USDT,2024-01-01T03:00:00Z,1,100,100,inf", &["row 1", "size is inf"]),
        ("A-USDT,2024-01-01T03:00:00Z,1,100,100,0", &["row 1", "size is 0"]),
        ("A-USDT,2024-01-01T03:00:00Z,1,100,100,-1000", &["row 1", "size is -1000"]),
        ("A-USDT,2024-01-01T03:00:00Z,1,-100,100,1000", &["row 1", "stop_bps is -100", "distances from the entry"]),
        ("A-USDT,2024-01-01T03:00:00Z,-1,inf,100,1000", &["row 1", "stop_bps is inf"]),
        ("A-USDT,2024-01-01T03:00:00Z,1,10000,100,1000", &["row 1", "stop_bps is 10000", "long", "below 10000"]),
        ("A-USDT,2024-01-01T03:00:00Z,-1,100,20000,1000", &["row 1", "take_bps is 20000", "short", "below 10000"]),
        ("A-USDT,2024-01-01T03:00:00Z,inf,100,100,1000", &["row 1", "side is inf"]),
        ("A-USDT,2024-01-01T03:00:00Z,NaN,100,100,1000", &["row 1", "side is NaN"]),
        ("A-USDT,,1,100,100,1000", &["row 1", "timestamp"]),
        ("A-USDT,yesterday,1,100,100,1000", &["row 1", "yesterday"]),
    ];
    for (bad, words) in cases {
        let text = format!("symbol,timestamp,side,stop_bps,take_bps,size\n{first}\n{bad}\n");
        write(folder.path(), "signals.csv", &text);
        let ran = huracan(folder.path(), &format!("{LINE} --trades out.csv"));
        ran.expect(3, words);
        assert!(ran.err.contains("signals.csv"), "{}", ran.err);
        assert!(!folder.path().join("out.csv").exists(), "trades were written all the same: {bad}");
    }
    // A long trade's take and a short trade's stop may lie as far away as they like.
    for far in ["A-USDT,2024-01-01T03:00:00Z,1,100,20000,1000", "A-USDT,2024-01-01T03:00:00Z,-1,20000,100,1000"] {
        write(folder.path(), "signals.csv", &format!("symbol,timestamp,side,stop_bps,take_bps,size\n{far}\n"));
        huracan(folder.path(), &format!("{LINE} --trades far.csv")).expect(0, &[]);
    }
    for (text, words) in [
        ("symbol,timestamp\nA-USDT,2024-01-01T00:00:00Z\n", ["'side' is missing", "signals.csv"]),
        ("symbol,timestamp,side\nA-USDT,2024-01-01T00:00:00Z,long\n", ["'side'", "numbers"]),
    ] {
        write(folder.path(), "signals.csv", text);
        huracan(folder.path(), &format!("{LINE} --trades out.csv")).expect(3, &words);
    }
    huracan(folder.path(), "backtest --candles candles --signals nowhere.csv --trades out.csv")
        .expect(3, &["nowhere.csv"]);
}

#[test]
fn a_short_on_a_spot_market_is_refused_unless_its_coins_are_borrowed() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "candles/A-USDT.csv", &cli::csv_candles(&[scenarios::QUIET; 30], HOUR_MS));
    let rows = "A-USDT,2024-01-01T00:00:00Z,0\nA-USDT,2024-01-01T02:00:00Z,-1\n";
    write(
        folder.path(),
        "signals.csv",
        &format!("symbol,timestamp,side,stop_bps,take_bps\n{}", rows.replace("\n", ",90,90\n")),
    );
    let line = "backtest --candles candles --signals signals.csv --trades out.csv --set labels.max_hold=24";
    let words = ["signals.csv", "row 1", "side is -1", "costs.spot_shorts=borrow", "market.type=perp"];
    huracan(folder.path(), line).expect(3, &words);
    assert!(!folder.path().join("out.csv").exists());
    let borrowed = "--set costs.spot_shorts=borrow --set costs.borrow_bps_per_day=7";
    huracan(folder.path(), &format!("{line} {borrowed}")).expect(0, &[]);
    let trades = table(&folder.path().join("out.csv"));
    // A whole day.
    assert!(near(numbers(&trades, "funding_bps")[0], 7.0) && numbers(&trades, "side")[0] == -1.0);
    huracan(folder.path(), &format!("{line} --set market.type=perp")).expect(0, &[]);
    assert!(near(numbers(&table(&folder.path().join("out.csv")), "funding_bps")[0], 3.0));
}

#[test]
fn a_folder_brings_the_terms_and_the_funding_of_its_markets() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "market/1h/A-USDT.csv", &cli::csv_candles(&[scenarios::QUIET; 30], HOUR_MS));
    write(
        folder.path(),
        "market/1h/markets.json",
        r#"{"A-USDT": {"tick": 0.1, "taker_fee_bps": 6.0, "spread_bps": 5.0}}"#,
    );
    let rates =
        "timestamp,rate\n2024-01-01T00:00:00Z,0.0001\n2024-01-01T08:00:00Z,0.0002\n2024-01-01T16:00:00Z,-0.0005\n";
    write(folder.path(), "market/funding/A-USDT.csv", rates);
    write(
        folder.path(),
        "signals.csv",
        "symbol,timestamp,side,stop_bps,take_bps\nA-USDT,2024-01-01T02:00:00Z,-1,90,90\n",
    );
    let line = "backtest --candles market/1h --signals signals.csv --trades out.csv --set labels.max_hold=14 \
        --set market.type=perp --set costs.slippage_cap_bps=0";
    huracan(folder.path(), line).expect(0, &[]);
    let got = |name: &str| numbers(&table(&folder.path().join("out.csv")), name)[0];
    // A tick of 0.1 is 10 bps at 100. From 3:00 to 17:00 a long paid 2 − 5 bps, so the short pays 3.
    for (name, want) in [("fee_bps", 12.0), ("spread_bps", 10.0), ("funding_bps", 3.0), ("net_bps", -25.0)] {
        assert!((got(name) - want).abs() < 1e-5, "{name} is {}, and not {want}", got(name));
    }
    huracan(folder.path(), &format!("{line} --set costs.exchange_fees=false")).expect(0, &[]);
    assert!(near(got("fee_bps"), 8.0));
    write(folder.path(), "market/funding/A-USDT.csv", "timestamp,rate\n2024-01-01T00:00:00Z,much\n");
    huracan(folder.path(), line).expect(3, &["A-USDT.csv", "rate", "much"]);
}
