//! Exports say what the library holds, on SQLite and PostgreSQL alike.

use crate::postgres;
use crate::rows;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use huracan::brain::{Brain, Journal, JournalModelRow, RunRow, TradeRow};
use huracan::export::{self, ExportIndex};

/// The seventeen kinds of `how-the-bot-works.md`, section 8, and the forward record, as files of 2025-11-08 are named, with the columns (of a
/// CSV) or keys (of a JSON object) that it promises; `*` stands for what the copied file is called.
const KINDS: [(&str, &str, &str); 18] = [
    (
        "forward_record",
        "forward_record_2025-11-08.csv",
        "model_id symbol signal_timestamp direction predicted_bps challenger_bps exit_timestamp gross_bps net_bps realised_bps basis timeframe market_type mode approved",
    ),
    ("trade_history", "trade_history_2025-11-08.csv", TRADES),
    ("all_trades_complete", "all_trades_complete_2025-11-08.csv", TRADES),
    (
        "model_performance",
        "model_performance_2025-11-08.csv",
        "model_id symbol evaluation_date sharpe_ratio win_rate total_return max_drawdown num_trades",
    ),
    ("win_loss_analysis", "win_loss_analysis_2025-11-08.json", "wins losses"),
    (
        "pattern_library",
        "pattern_library_2025-11-08.csv",
        "pattern_id pattern_description win_rate total_occurrences avg_profit_bps",
    ),
    ("pattern_performance", "pattern_performance_2025-11-08.csv", "pattern_id win_rate avg_profit_bps"),
    ("post_exit_tracking", "post_exit_tracking_2025-11-08.csv", "trade_id exit_timestamp exit_price price_after"),
    (
        "regime_analysis",
        "regime_analysis_2025-11-08.csv",
        "market_regime total_trades wins losses win_rate avg_profit_gbp total_profit_gbp",
    ),
    ("model_evolution", "model_evolution_2025-11-08.csv", "symbol model_id evaluation_date sharpe_ratio win_rate"),
    ("observability_trades", "observability_trades_2025-11-08.csv", "trade_id symbol entry_timestamp exit_timestamp"),
    ("observability_models", "observability_models_2025-11-08.csv", "model_id symbol"),
    ("observability_model_deltas", "observability_model_deltas_2025-11-08.csv", "model_id previous_model_id"),
    ("learning", "learning_*.json", "insights"),
    ("backtest", "backtest_*", ""),
    ("artifact", "artifact_*_metadata.json", "symbol"),
    (
        "comprehensive_metrics",
        "comprehensive_metrics_2025-11-08.json",
        "total_trades win_rate total_profit_gbp patterns_learned models_trained",
    ),
    ("performance_summary", "performance_summary_2025-11-08.json", "exported_at files"),
];

const TRADES: &str = "trade_id symbol entry_timestamp entry_price exit_timestamp exit_price position_size direction \
    gross_profit_bps net_profit_gbp fees_gbp slippage_bps market_regime volatility_bps is_winner model_version";

/// Fills a library with two runs and a working folder with files, and exports the second run.
async fn exported(url: &str, home: &Path) -> (ExportIndex, Brain, Journal, RunRow) {
    let brain = Brain::open(url, home, 5).await.expect("opens");
    let journal = Journal::open(&home.join("data/journal.db")).await.expect("opens");
    for run_id in ["run-1", "run-2"] {
        let run = RunRow { started: huracan::brain::time_of_ms(rows::T0), ..rows::run(run_id) };
        brain.begin_run(&run).await.expect("begins");
        let trades = rows::trades(run_id, 30);
        let (models, performance) = rows::models(run_id);
        let (wins, losses) = rows::analysis(&trades);
        brain.store_trades(run_id, &trades, &trades).await.expect("stores");
        brain.store_models(run_id, &models, &performance).await.expect("stores");
        brain.store_daily_metrics(&rows::daily(run_id)).await.expect("stores");
        brain.store_patterns(run_id, &rows::patterns(run_id)).await.expect("stores");
        brain.store_analysis(run_id, &wins, &losses).await.expect("stores");
        brain.store_post_exit(run_id, &rows::post_exit(&trades)).await.expect("stores");
        // The second run sees the end of the trade that the first one left open.
        let forward = rows::forward(run_id, run_id == "run-2").split_off(usize::from(run_id == "run-2"));
        brain.store_forward(run_id, &forward).await.expect("stores");
        journal.store_trades(run_id, &trades).await.expect("stores");
        let noted: Vec<JournalModelRow> = models
            .iter()
            .zip(&performance)
            .map(|(model, figures)| JournalModelRow {
                model_id: model.model_id.clone(),
                run_id: run_id.to_owned(),
                symbol: model.symbol.clone(),
                version: model.version.clone(),
                model_type: model.model_type.clone(),
                trained_at: model.trained_at,
                digest: format!("{run_id} {}", model.symbol),
                sharpe_ratio: figures.sharpe_ratio,
                win_rate: figures.win_rate,
                max_drawdown: figures.max_drawdown,
                num_trades: figures.num_trades,
                approved: model.approved,
                feature_importance: model.feature_importance.clone(),
                simulated: true,
            })
            .collect();
        journal.store_models(run_id, &noted).await.expect("stores");
    }
    for (path, text) in [
        ("logs/learning/learning_snapshot_20251108_020000.json", "{\"insights\": []}"),
        ("logs/learning/other.txt", "not a snapshot"),
        ("reports/backtest_1.csv", "a,b\n1,2\n"),
        ("logs/backtest_2.json", "{}"),
        ("models/BTC-USDT/metadata.json", "{\"symbol\": \"BTC-USDT\"}"),
        ("models/BTC-USDT_model.txt", "tree"),
    ] {
        let path = home.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("makes");
        fs::write(path, text).expect("writes");
    }
    let run = brain.run("run-2").await.expect("reads");
    let index = export::all(&brain, &journal, home, &run).await.expect("exports");
    (index, brain, journal, run)
}

struct Csv {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Csv {
    fn read(home: &Path, kind: &str) -> Self {
        let path = home.join(format!("exports/{kind}_2025-11-08.csv"));
        let mut reader = csv::Reader::from_path(path).expect("opens");
        let head = reader.headers().expect("a head").iter().map(str::to_owned).collect();
        let rows = reader.records().map(|row| row.expect("a row").iter().map(str::to_owned).collect()).collect();
        Self { head, rows }
    }

    fn column(&self, name: &str) -> Vec<&str> {
        let at = self.head.iter().position(|head| head == name).unwrap_or_else(|| panic!("no column {name}"));
        self.rows.iter().map(|row| row[at].as_str()).collect()
    }

    fn numbers(&self, name: &str) -> Vec<f64> {
        self.column(name).iter().map(|text| text.parse().expect("a number")).collect()
    }
}

fn json(home: &Path, name: &str) -> Value {
    serde_json::from_slice(&fs::read(home.join("exports").join(name)).expect("reads")).expect("is JSON")
}

fn near(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-9 * b.abs().max(1.0), "{a} is not {b}");
}

async fn exports_say_what_the_library_holds(url: &str) {
    let home = tempfile::tempdir().expect("a folder");
    let home = home.path();
    let (index, brain, journal, run) = exported(url, home).await;
    let trades = rows::trades("run-2", 30);

    // The index names every kind and every file, with its true size and hash.
    assert_eq!(json(home, "performance_summary_2025-11-08.json"), serde_json::to_value(&index).expect("JSON"));
    for (kind, name, columns) in KINDS {
        has_its_names(home, &index, kind, name, columns);
    }
    let mut listed: Vec<_> = index.files.iter().map(|file| file.file.clone()).collect();
    listed.push("performance_summary_2025-11-08.json".to_owned());
    listed.sort();
    let mut found: Vec<_> = fs::read_dir(home.join("exports"))
        .expect("lists")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("text"))
        .collect();
    found.sort();
    assert_eq!(found, listed);
    for file in &index.files {
        let bytes = fs::read(home.join("exports").join(&file.file)).expect("reads");
        assert_eq!(file.sha256, huracan::text::hex(&Sha256::digest(&bytes)), "{}", file.file);
        assert_eq!(file.bytes, bytes.len() as u64);
        if file.file.ends_with(".csv") && file.kind != "backtest" {
            assert_eq!(file.rows, Some(Csv::read(home, file.kind).rows.len() as u64), "{}", file.file);
        }
    }

    let history = Csv::read(home, "trade_history");
    assert_eq!(history.column("trade_id"), trades.iter().map(|t| t.trade_id.as_str()).collect::<Vec<_>>());
    assert_eq!(history.numbers("net_bps"), trades.iter().map(|t| t.net_bps).collect::<Vec<_>>(), "to the last bit");
    assert_eq!(history.column("signal_timestamp")[0], "2025-10-09T08:53:20.123Z");
    assert_eq!(history.column("features_at_entry")[0], r#"{"rsi_14":31.5,"atr_14":null,"a_first":1}"#);
    assert_eq!((history.column("is_winner")[0], history.column("market_regime")[2]), ("true", ""));
    assert_eq!(Csv::read(home, "all_trades_complete").rows.len(), 60);
    assert_eq!(Csv::read(home, "post_exit_tracking").rows.len(), 90);
    assert_eq!(Csv::read(home, "observability_trades").rows.len(), 60);
    assert_eq!(Csv::read(home, "model_performance").rows.len(), 6);

    let forward = Csv::read(home, "forward_record");
    assert_eq!(forward.column("run_id"), ["run-1", "run-2"], "the newest word on each signal");
    assert_eq!(forward.numbers("gross_bps"), [40.5, 40.5]);
    let earlier = brain
        .forward_rows(&rows::run("run-3"), rows::BASIS, huracan::brain::time_of_ms(rows::T0))
        .await
        .expect("reads");
    let seen: Vec<_> = earlier.iter().map(|row| (row.run_id.as_str(), row.gross_bps.is_some())).collect();
    assert_eq!(seen, [("run-1", true), ("run-1", false), ("run-2", true)]);

    regimes_add_up(home, &trades);
    let evolution = Csv::read(home, "model_evolution");
    assert_eq!(evolution.column("symbol"), ["BTC-USDT", "BTC-USDT", "ETH-USDT", "ETH-USDT"]);
    assert_eq!(evolution.column("run_id"), ["run-1", "run-2", "run-1", "run-2"]);
    assert_eq!(evolution.column("sharpe_change"), ["", "0.5", "", "0.0"]);
    let library = Csv::read(home, "pattern_library");
    assert_eq!(library.column("pattern_id"), ["p-1", "p-2"]);
    assert_eq!(library.column("run_id"), ["run-2", "run-2"], "the newest word on each pattern");
    let patterns = Csv::read(home, "pattern_performance");
    assert_eq!(patterns.numbers("total_occurrences"), [400.0, 8.0]);
    // (100 × 0.5 + 300 × 0.75) / 400; the second pattern never came up in a test window.
    assert_eq!(patterns.numbers("win_rate"), [0.6875, 0.625]);
    assert_eq!(patterns.column("test_win_rate")[1], "");
    let deltas = Csv::read(home, "observability_model_deltas");
    assert_eq!(deltas.column("previous_model_id"), ["run-1-BTC-USDT", "run-1-ETH-USDT"]);
    assert_eq!(deltas.column("digest_changed"), ["true", "true"]);

    let analysis = json(home, "win_loss_analysis_2025-11-08.json");
    let wins = trades.iter().filter(|t| t.is_winner).count();
    assert_eq!(analysis["wins"].as_array().map(Vec::len), Some(wins));
    assert_eq!(analysis["losses"].as_array().map(Vec::len), Some(30 - wins));
    assert_eq!(analysis["wins"][0]["contributing_factors"][0], "trend");
    let metrics = json(home, "comprehensive_metrics_2025-11-08.json");
    assert_eq!((&metrics["total_trades"], &metrics["all_runs"]["total_trades"]), (&30.into(), &60.into()));
    near(metrics["win_rate"].as_f64().expect("a rate"), wins as f64 / 30.0);
    near(metrics["total_profit_gbp"].as_f64().expect("money"), trades.iter().map(|t| t.net_profit_gbp).sum());
    assert_eq!((&metrics["models_trained"], &metrics["patterns_learned"]), (&2.into(), &1.into()));
    assert_eq!(metrics["daily_metrics"]["equity_end_gbp"], 10_012.5);
    assert_eq!(json(home, "artifact_BTC-USDT_metadata.json")["symbol"], "BTC-USDT");

    // Exported once more, nothing differs.
    let again = export::all(&brain, &journal, home, &run).await.expect("exports");
    assert_eq!(again.files, index.files);
}

fn has_its_names(home: &Path, index: &ExportIndex, kind: &str, name: &str, columns: &str) {
    let (start, end) = name.split_once('*').unwrap_or((name, ""));
    let files = fs::read_dir(home.join("exports")).expect("lists").map(|entry| entry.expect("an entry").file_name());
    let mut found: Vec<String> = files.map(|name| name.into_string().expect("text")).collect();
    found.retain(
        |found| if name.contains('*') { found.starts_with(start) && found.ends_with(end) } else { found == name },
    );
    assert!(!found.is_empty(), "no {name}");
    // The index cannot hold its own hash.
    let listed = index.files.iter().any(|file| file.kind == kind && found.contains(&file.file));
    assert!(listed || kind == "performance_summary", "{kind} is not in the index");
    let promised: Vec<&str> = columns.split_whitespace().collect();
    let given: Vec<String> = match name.ends_with(".csv") {
        true => Csv::read(home, kind).head,
        false if promised.is_empty() => return,
        false => json(home, &found[0]).as_object().expect("an object").keys().cloned().collect(),
    };
    for column in promised {
        assert!(given.iter().any(|given| given == column), "{name} has no {column}, only {given:?}");
    }
}

fn regimes_add_up(home: &Path, trades: &[TradeRow]) {
    let mut expected: BTreeMap<&str, (f64, f64, f64)> = BTreeMap::new();
    for trade in trades {
        let sum = expected.entry(trade.market_regime.as_deref().unwrap_or("UNKNOWN")).or_default();
        sum.0 += 1.0;
        sum.1 += f64::from(u8::from(trade.is_winner));
        sum.2 += trade.net_profit_gbp;
    }
    let regimes = Csv::read(home, "regime_analysis");
    assert_eq!(regimes.column("market_regime"), expected.keys().copied().collect::<Vec<_>>());
    for (at, (count, wins, profit)) in expected.into_values().enumerate() {
        near(regimes.numbers("total_trades")[at], count);
        near(regimes.numbers("wins")[at], wins);
        near(regimes.numbers("losses")[at], count - wins);
        near(regimes.numbers("win_rate")[at], wins / count);
        near(regimes.numbers("total_profit_gbp")[at], profit);
        near(regimes.numbers("avg_profit_gbp")[at], profit / count);
    }
}

#[tokio::test]
async fn exports_say_what_the_library_holds_on_sqlite() {
    exports_say_what_the_library_holds("sqlite://data/brain.db").await;
}

#[tokio::test]
async fn exports_say_what_the_library_holds_on_postgres() {
    if let Some(url) = postgres::fresh_database().await {
        exports_say_what_the_library_holds(&url).await;
    }
}

#[tokio::test]
async fn rows_are_exported_alike_by_both_databases() {
    let Some(url) = postgres::fresh_database().await else { return };
    let (one, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (sqlite, ..) = exported("sqlite://data/brain.db", one.path()).await;
    let (postgres, ..) = exported(&url, other.path()).await;
    // Sums of floats may differ in the last digit with the order of their terms; rows may not differ at all.
    let summed = ["regime_analysis", "pattern_performance", "comprehensive_metrics", "win_loss_analysis"];
    for (a, b) in sqlite.files.iter().zip(&postgres.files).filter(|(a, _)| !summed.contains(&a.kind)) {
        assert_eq!(a, b);
    }
}

#[tokio::test]
async fn an_empty_library_gives_tables_with_heads_and_no_rows() {
    let home = tempfile::tempdir().expect("a folder");
    let brain = Brain::open("sqlite://brain.db", home.path(), 1).await.expect("opens");
    let journal = Journal::open(&home.path().join("data/journal.db")).await.expect("opens");
    let run = rows::run("run-1");
    brain.begin_run(&run).await.expect("begins");
    let index = export::all(&brain, &journal, home.path(), &run).await.expect("exports");
    assert_eq!(index.files.len(), 14);
    for file in index.files.iter().filter(|file| file.file.ends_with(".csv")) {
        assert_eq!((file.rows, Csv::read(home.path(), file.kind).rows.len()), (Some(0), 0), "{}", file.file);
    }
    let metrics = json(home.path(), "comprehensive_metrics_2025-11-08.json");
    assert_eq!((&metrics["total_trades"], &metrics["win_rate"]), (&0.into(), &Value::Null));
    let analysis = json(home.path(), "win_loss_analysis_2025-11-08.json");
    assert_eq!((&analysis["wins"], &analysis["total_losses"]), (&Value::Array(vec![]), &0.into()));
}
