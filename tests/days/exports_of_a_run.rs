//! The exports and the brain of real runs on real candles, opened by others: Polars and pandas.

use crate::{candles, python};

use std::path::Path;
use std::process::Command;

use futures::TryStreamExt;
use huracan::polars::prelude::{CsvReadOptions, SerReader};
use serde_json::Value;

use huracan::brain::{Brain, Column, Kind};

/// Two days of the real candles, so that the second has a model before it to be held against.
const DATES: [&str; 2] = ["2024-08-20", "2024-09-05"];

/// What a run without faults on plain candle files has nothing for: quoted spreads, errors, remedies, names that a remote
/// gives to contents; and what models say, where the voters decide.
const MAY_BE_EMPTY: [&str; 7] = [
    "forward_record.challenger_bps",
    "universe_selections.spread_bps",
    "runs.error",
    "health_checks.remedy",
    "sync_manifest.etag",
    "win_analysis.contributing_factors",
    "loss_analysis.contributing_factors",
];

fn day(workdir: &Path, candles: &Path, date: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huracan"));
    command.current_dir(workdir).env_remove("HURACAN__BRAIN__URL");
    command.args(["run", "--json", "--date", date, "--workdir"]).arg(workdir);
    command.args(["--set", "market.exchange.kind=files", "--set"]);
    command.arg(format!("market.exchange.path={}", candles.display()));
    // Models find nothing in these candles that past rows support, so the voters decide. So little leverage that some trades
    // find no room.
    for setting in [
        "universe.top_n=10",
        "models.rounds=20",
        "brain.feature_days=1",
        "risk.max_leverage=0.3",
        "decide.mode=consensus",
        "market.type=perp",
        // Of so few coins each has some condition that stands out.
        "patterns.coins=true",
        // Some models are approved, so that the second day scores them on the bars since.
        "verdict.fdr=1",
        "approve.min_sharpe=0",
        "approve.min_win_rate=0",
        "approve.max_drawdown=1",
        "approve.min_trades=1",
        "approve.min_deflated_sharpe=0",
    ] {
        command.args(["--set", setting]);
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn what_a_run_exports_is_whole_and_opens_with_polars_and_pandas() {
    let candles = candles::sets().pop().expect("the fixture is a set").join("1h");
    let workdir = tempfile::tempdir().unwrap();
    for date in DATES {
        day(workdir.path(), &candles, date);
    }
    every_table_of_the_brain_is_filled(workdir.path()).await;

    let exports = workdir.path().join("exports");
    let summary = exports.join(format!("performance_summary_{}.json", DATES[1]));
    let index: Value = serde_json::from_slice(&std::fs::read(&summary).unwrap()).unwrap();
    let files = index["files"].as_array().unwrap();
    assert!(files.len() >= 16, "{index}");
    for file in files {
        let (name, kind) = (file["file"].as_str().unwrap(), file["kind"].as_str().unwrap());
        if !name.ends_with(".csv") {
            continue;
        }
        let options = CsvReadOptions::default().with_infer_schema_length(None);
        let frame = options.try_into_reader_with_file_path(Some(exports.join(name))).unwrap().finish().unwrap();
        assert!(frame.height() > 0, "{name} is empty");
        if let Some(rows) = file["rows"].as_u64() {
            assert_eq!(frame.height() as u64, rows, "{name}");
        }
        for column in frame.columns() {
            let empty = column.null_count() == frame.height();
            // Nothing came before the first day.
            let first = name.contains(DATES[0]) && column.name().starts_with("previous_");
            // The voters decide, so no model challenges another.
            let unchallenged = column.name() == "challenger_bps";
            assert!(!empty || first || unchallenged, "{name}: {} is empty", column.name());
        }
        if kind == "backtest" {
            // Contract, section 8: the trade table.
            let found: Vec<&str> = frame.get_column_names().iter().map(|name| name.as_str()).collect();
            let wanted = "symbol side entry_timestamp entry_price exit_timestamp exit_price size hold_bars exit_reason gross_bps \
                          fee_bps spread_bps slippage_bps funding_bps net_bps";
            assert_eq!(found[..15], wanted.split_whitespace().collect::<Vec<_>>());
        }
        if kind == "model_evolution" {
            let changes = frame.column("sharpe_change").unwrap();
            assert!(changes.null_count() < frame.height(), "no model is held against the one before it");
        }
    }

    let Some(python) = python::python_with("pandas") else { return };
    let told: Value = serde_json::from_str(&python::run(&python, "open_exports.py", &[&exports, &summary])).unwrap();
    assert_eq!(told.as_object().unwrap().len(), files.len());
    for (name, table) in told.as_object().unwrap() {
        assert!(table["rows"].as_u64() != Some(0), "{name} is empty");
        let empty = table["empty"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let may_be =
            |column: &&str| name.contains(DATES[0]) && column.starts_with("previous_") || *column == "challenger_bps";
        let empty: Vec<&str> = empty.filter(|column| !may_be(column)).collect();
        assert!(empty.is_empty(), "{name}: pandas finds nothing in {empty:?}");
    }
    let trades = &told[&format!("all_trades_complete_{}.csv", DATES[1])];
    for column in ["net_bps", "market_regime", "volatility_bps", "prediction", "position_size", "votes", "is_winner"] {
        let constant = trades["constant"].as_array().unwrap();
        assert!(!constant.iter().any(|name| name == column), "{column} is one value in all trades");
    }
}

/// Every table has rows, and every column somewhere a value.
async fn every_table_of_the_brain_is_filled(workdir: &Path) {
    const NAMES: &[Column] = &[Column { name: "name", kind: Kind::Text }];
    const COUNTS: &[Column] = &[Column { name: "n", kind: Kind::Int }];
    // Filled while a run works.
    const OUTSIDE: [&str; 1] = ["run_lock"];
    let brain = Brain::open("sqlite://data/brain.db", workdir, 2).await.unwrap();
    let of = |sql: String, columns| brain.query("tables", sql, &[], columns).try_collect::<Vec<_>>();
    let tables =
        of("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'".into(), NAMES);
    let mut looked_at = 0;
    for table in tables.await.unwrap() {
        let table = table[0].to_plain();
        if OUTSIDE.contains(&table.as_str()) {
            continue;
        }
        let columns = of(format!("SELECT name FROM pragma_table_info('{table}')"), NAMES).await.unwrap();
        for column in columns {
            let column = column[0].to_plain();
            let sql = format!(
                "SELECT COUNT(CASE WHEN CAST({column} AS TEXT) NOT IN ('', '{{}}', '[]') THEN 1 END) AS n FROM {table}"
            );
            let found = of(sql, COUNTS).await.unwrap();
            let (filled, name) = (found[0][0].to_plain() != "0", format!("{table}.{column}"));
            assert!(filled || MAY_BE_EMPTY.contains(&name.as_str()), "{name} is empty");
        }
        looked_at += 1;
    }
    assert!(looked_at >= 17, "{looked_at} tables");
    brain.close().await;
}
