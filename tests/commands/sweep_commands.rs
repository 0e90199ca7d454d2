//! `huracan backtest --sweep` on folders that a test writes: the surface, its page, and what is refused.

use crate::cli;

use std::fmt::Write;
use std::path::Path;

use crate::cli::{START_MS, huracan, numbers, table, walk, write};
use huracan::arith::{draw, uniform};
use huracan::bars::HOUR_MS;
use huracan::market::write_candles;

const BARS: usize = 700;
const SYMBOLS: [&str; 3] = ["AAA-USDT", "BTC-USDT", "ETH-USDT"];

/// A score at every third bar of three coins, in hundredths; the sides alone in a second file.
fn write_market(folder: &Path) {
    let (mut scores, mut sides) = ("symbol,timestamp,score\n".to_owned(), "symbol,timestamp,side\n".to_owned());
    for (n, symbol) in SYMBOLS.iter().enumerate() {
        let bars = walk(n as u64, BARS, 100.0);
        write_candles(&folder.join(format!("candles/{symbol}.parquet")), &cli::candles(&bars)).unwrap();
        for bar in (0..BARS).filter(|bar| bar % 3 == n % 3) {
            let score = (uniform(draw(5, n as u64, bar as u64)) * 200.0 - 100.0).round() / 100.0;
            let time = START_MS + bar as i64 * HOUR_MS;
            writeln!(scores, "{symbol},{time},{score}").unwrap();
            if score.abs() >= 0.4 {
                writeln!(sides, "{symbol},{time},{}", if score > 0.0 { 1 } else { -1 }).unwrap();
            }
        }
    }
    write(folder, "scores.csv", &scores);
    write(folder, "sides.csv", &sides);
}

fn near(got: f64, want: f64) -> bool {
    (got - want).abs() <= 0.001 * want.abs().max(1.0)
}

#[test]
fn a_setting_of_the_surface_earns_what_a_backtest_of_it_earns() {
    let folder = tempfile::tempdir().unwrap();
    write_market(folder.path());
    let sweep = "backtest --candles candles --signals scores.csv --sweep --thresholds 0.1,0.4 --stops 1:2:3 --takes 2,3 \
                 --holds 5,none --out swept --json --set costs.spot_shorts=borrow";
    let ran = huracan(folder.path(), sweep);
    ran.expect(0, &[]);
    let answer = ran.json();
    assert_eq!((answer["settings"].as_u64(), answer["symbols"].as_u64()), (Some(24), Some(3)));
    assert_eq!(answer["decided_by"], "given scores");

    let surface = table(&folder.path().join("swept/sweep.csv"));
    assert_eq!(surface.height(), 24);
    let column = |name: &str| numbers(&surface, name);
    assert_eq!(column("threshold")[11..13], [0.1, 0.4]);
    assert_eq!(column("stop_atr")[12..17], [1.0, 1.0, 1.0, 1.0, 1.5]);
    assert_eq!(column("take_atr")[12..15], [2.0, 2.0, 3.0]);
    assert!(column("max_hold_bars")[12] == 5.0 && column("max_hold_bars")[13].is_nan(), "no limit is left empty");

    for (row, stop, take, hold) in [(12, "1", "2", "5"), (18, "1.5", "3", "5"), (21, "2", "2", "100000")] {
        let line = format!(
            "backtest --candles candles --signals sides.csv --trades trades.csv --set labels.stop_atr={stop} \
             --set labels.take_atr={take} --set labels.max_hold={hold} --set costs.spot_shorts=borrow"
        );
        huracan(folder.path(), &line).expect(0, &[]);
        let trades = table(&folder.path().join("trades.csv"));
        let (net, gross, held) =
            (numbers(&trades, "net_bps"), numbers(&trades, "gross_bps"), numbers(&trades, "hold_bars"));
        let count = net.len() as f64;
        assert!(count > 50.0);
        let mean = |values: &[f64]| values.iter().sum::<f64>() / count;
        let profit: f64 = net.iter().filter(|net| **net > 0.0).sum();
        let loss: f64 = net.iter().filter(|net| **net < 0.0).sum();
        let squares: f64 = net.iter().map(|one| (one - mean(&net)).powi(2)).sum();
        for (name, want) in [
            ("trades", count),
            ("win_rate", net.iter().filter(|net| **net > 0.0).count() as f64 / count),
            ("net_bps", mean(&net)),
            ("gross_bps", mean(&gross)),
            ("cost_bps", mean(&gross) - mean(&net)),
            ("hold_bars", mean(&held)),
            ("total_net_bps", net.iter().sum()),
            ("profit_factor", profit / -loss),
            ("deviation_bps", (squares / (count - 1.0)).sqrt()),
        ] {
            assert!(near(column(name)[row], want), "{name} of row {row}: {} and not {want}", column(name)[row]);
        }
    }
}

#[test]
fn the_page_shows_every_setting_and_needs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    write_market(folder.path());
    let ran = huracan(folder.path(), "backtest --candles candles --signals scores.csv --sweep --out out/s.parquet");
    ran.expect(0, &[]);
    // 8 thresholds × 10 stops × 12 takes × 4 holds.
    assert!(ran.out.contains("The best of 3840 settings"), "{}", ran.out);
    assert!(ran.out.contains("looks better than it is"), "{}", ran.out);
    assert_eq!(table(&folder.path().join("out/s.parquet")).height(), 3840);
    let page = std::fs::read_to_string(folder.path().join("out/s.html")).unwrap();
    assert_eq!(page.matches("<title>stop ").count(), 3840);
    assert_eq!(page.matches("<figure>").count(), 32);
    assert_eq!(page.matches("class=\"best\"").count(), 1);
    assert!(page.contains("prefers-color-scheme: dark") && page.contains("of many settings"));
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "the page asks for {outside}");
    }
}

#[test]
fn sides_are_scores_of_one_and_single_trades_columns_are_said_to_be_unused() {
    let folder = tempfile::tempdir().unwrap();
    write_market(folder.path());
    let sides = std::fs::read_to_string(folder.path().join("sides.csv")).unwrap();
    let with_stops: Vec<String> = sides
        .lines()
        .enumerate()
        .map(|(n, line)| if n == 0 { format!("{line},stop_bps") } else { format!("{line},50") })
        .collect();
    write(folder.path(), "more.csv", &with_stops.join("\n"));
    let ran = huracan(folder.path(), "backtest --candles candles --signals more.csv --sweep --out out --json");
    ran.expect(0, &["stop_bps", "not used"]);
    assert_eq!(ran.json()["settings"], 480, "one threshold where all scores are equal");
}

#[test]
fn a_grid_that_cannot_be_swept_is_named_by_its_flag() {
    let folder = tempfile::tempdir().unwrap();
    write_market(folder.path());
    let line = "backtest --candles candles --signals scores.csv --sweep --out out";
    let cases: [(&str, &[&str]); 15] = [
        ("--stops=", &["--stops", "'' is not a number"]),
        ("--stops 1,two", &["--stops", "'two' is not a number"]),
        ("--stops 1:2", &["--stops", "'1:2' has no count"]),
        ("--takes 1:2:0", &["--takes", "'0' is not a count"]),
        ("--takes 1:2:1e3", &["--takes", "'1e3' is not a count"]),
        ("--takes 2,1", &["--takes", "1 comes after 2", "ascending"]),
        ("--takes 2,2", &["--takes", "2 comes after 2"]),
        ("--stops 0,1", &["--stops", "0 is value 1", "above 0"]),
        ("--stops -1:1:3", &["--stops", "-1 is value 1"]),
        ("--takes nan", &["--takes", "NaN"]),
        ("--takes 1,inf", &["--takes", "inf is value 2"]),
        ("--thresholds -0.5", &["--thresholds", "-0.5", "0 or above"]),
        ("--holds 2.5", &["--holds", "2.5 is not a whole number"]),
        ("--holds 0,5", &["--holds", "0 is value 1"]),
        ("--stops 1:9:1000 --takes 1:9:1000 --holds 1:100:100", &["1000 stops × 1000 takes", "shorter lists"]),
    ];
    for (more, words) in cases {
        huracan(folder.path(), &format!("{line} {more}")).expect(2, words);
        assert!(!folder.path().join("out").exists(), "{more} was swept all the same");
    }
    for (line, word) in [
        ("backtest --candles candles --sweep", "--out"),
        ("backtest --candles candles", "--trades"),
        ("backtest --candles candles --trades t.csv --stops 1", "--sweep"),
        ("backtest --candles candles --trades t.csv --sweep --out out", "--trades"),
    ] {
        huracan(folder.path(), line).expect(2, &[word]);
    }
}

#[test]
fn a_score_that_cannot_be_used_is_named_by_its_row() {
    let folder = tempfile::tempdir().unwrap();
    write_market(folder.path());
    let first = format!("AAA-USDT,{START_MS},0.5");
    let next = START_MS + HOUR_MS;
    let cases: [(String, &[&str]); 7] = [
        (format!("AAA-USDT,{next},"), &["row 1", "score is NaN"]),
        (format!("AAA-USDT,{next},inf"), &["row 1", "score is inf"]),
        (format!("AAA-USDT,{next},1e300"), &["row 1", "score is 1"]),
        (format!("XXX-USDT,{next},1"), &["row 1", "unknown symbol 'XXX-USDT'"]),
        (format!("AAA-USDT,{},1", next + 1), &["row 1", "no bar that opens at"]),
        (format!("AAA-USDT,{},1", START_MS + BARS as i64 * HOUR_MS), &["row 1", "no bar that opens at"]),
        (first.clone(), &["row 1", "already", "row 0"]),
    ];
    let line = "backtest --candles candles --signals bad.csv --sweep --out out";
    for (bad, words) in cases {
        write(folder.path(), "bad.csv", &format!("symbol,timestamp,score\n{first}\n{bad}\n"));
        let ran = huracan(folder.path(), line);
        ran.expect(3, words);
        assert!(ran.err.contains("bad.csv"), "{}", ran.err);
    }
    write(folder.path(), "bad.csv", &format!("symbol,timestamp,side\n{first}\n"));
    huracan(folder.path(), line).expect(3, &["row 0", "side is 0.5"]);
    write(folder.path(), "bad.csv", &format!("symbol,timestamp,note\n{first}\n"));
    huracan(folder.path(), line).expect(3, &["'side' is missing"]);
    write(folder.path(), "bad.csv", &format!("symbol,timestamp,score\nAAA-USDT,{START_MS},0\n"));
    huracan(folder.path(), line).expect(2, &["--thresholds", "there are no signals"]);
}
