//! What becomes of verdicts: where models lie, what the account would have traded, and whether models that were handed over keep
//! their word.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::folder::files;
use crate::lenient::LENIENT;
use huracan::brain::{self, Brain, ForwardRow, time_of_ms};
use huracan::models::Bundle;
use huracan::shadow::{ExitReason, Side};

/// A small market with a pattern that every coin has.
const SMALL: [&str; 10] = [
    "market.type=perp",
    "market.simulated.symbols=14",
    "market.simulated.edge=5.0",
    "market.lookback_days=220",
    "universe.top_n=4",
    "folds.train_days=60",
    "models.rounds=20",
    "brain.feature_days=1",
    "patterns.enabled=false",
    "sync.retries=1",
];

fn huracan(workdir: &Path, arguments: &[&str], more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huracan"));
    command.current_dir(workdir).env_remove("HURACAN__BRAIN__URL").args(arguments).arg("--workdir").arg(workdir);
    for setting in SMALL.iter().chain(&LENIENT).chain(more) {
        command.args(["--set", setting]);
    }
    command.output().unwrap()
}

#[track_caller]
fn day(workdir: &Path, date: &str, more: &[&str]) -> Value {
    let output = huracan(workdir, &["run", "--json", "--date", date], more);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn report(workdir: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(workdir.join("reports/training_report.json")).unwrap()).unwrap()
}

/// The pickles directly in a folder.
fn pickles(folder: &Path) -> Vec<PathBuf> {
    let is_pickle = |path: &PathBuf| path.extension().is_some_and(|end| end == "pkl") && path.parent() == Some(folder);
    files(folder).into_iter().filter(is_pickle).collect()
}

#[test]
fn a_model_whose_verdict_changes_moves_here_and_on_the_remote() {
    let folder = tempfile::tempdir().unwrap();
    let workdir = folder.path();
    let here = |place: &str| pickles(&workdir.join(place)).len();
    let there = |place: &str| pickles(&workdir.join("remote/Runpodhuracan/2024-08-01").join(place)).len();
    let approved = day(workdir, "2024-08-01", &[]);
    assert_eq!(approved["models"]["approved"], 4, "{approved}");
    assert_eq!((here("models"), here("models/rejected")), (4, 0));
    assert_eq!((there("models"), there("models/rejected")), (4, 0));

    let rejected = day(workdir, "2024-08-01", &["approve.min_sharpe=100"]);
    assert_eq!(rejected["models"]["approved"], 0);
    assert_eq!((here("models"), here("models/rejected")), (0, 4));
    assert_eq!((there("models"), there("models/rejected")), (0, 4));
    assert!(files(&workdir.join("models")).iter().all(|path| path.starts_with(workdir.join("models/rejected"))));
    let bundle = Bundle::load(&pickles(&workdir.join("models/rejected"))[0]).unwrap();
    assert!(!bundle.metadata.approved && bundle.metadata.policy["verdict"]["fdr"] == 1.0);
    let copied = files(&workdir.join("exports"));
    assert_eq!(copied.iter().filter(|path| path.to_string_lossy().contains("artifact_")).count(), 4);

    // Nobody trades them by mistake.
    let backtest = |more: &[&str]| {
        let arguments = ["backtest", "--candles", "data/candles", "--trades", "trades.csv", "--json"];
        huracan(workdir, &[&arguments[..], more].concat(), &[])
    };
    let refused = backtest(&[]);
    assert_eq!(refused.status.code(), Some(3));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("4 rejected ones") && said.contains("--include-rejected"), "{said}");
    let found = backtest(&["--include-rejected"]);
    assert_eq!(found.status.code(), Some(0), "{}", String::from_utf8_lossy(&found.stderr));
}

#[tokio::test]
async fn the_account_trades_what_was_approved_by_then_and_handed_over_models_are_scored() {
    let folder = tempfile::tempdir().unwrap();
    let workdir = folder.path();
    let first = day(workdir, "2024-08-01", &[]);
    let seen = report(workdir);
    let approvals = seen["approvals"].as_array().unwrap();
    assert!(approvals.len() >= 4, "{approvals:?}");
    // At the first boundary no model has traded yet, so none is approved.
    assert_eq!(approvals[0]["approved"].as_array().unwrap().len(), 0);
    assert!(!approvals.last().unwrap()["approved"].as_array().unwrap().is_empty(), "{approvals:?}");
    let trades = |account: &str| first[account]["trades"].as_u64().unwrap();
    assert!(trades("account") > 0 && trades("account") < trades("all_models"), "{first}");
    // Until the first approval the account stands still.
    let begins = approvals.iter().find(|row| !row["approved"].as_array().unwrap().is_empty()).unwrap();
    let from = begins["from_ms"].as_i64().unwrap();
    for point in seen["account_equity"].as_array().unwrap() {
        let (time, equity) = (point[0].as_i64().unwrap(), point[1].as_f64().unwrap());
        assert!(time > from || equity == 1.0, "{point} before {from}");
    }
    assert_eq!(seen["forward"]["all"]["trades"], 0);

    // A week later the models of the first day are scored, and a day after that what was still open has ended.
    let second = day(workdir, "2024-08-08", &[]);
    let after = report(workdir);
    assert!(after["forward"]["all"]["trades"].as_u64().unwrap() > 0, "{}", after["forward"]);
    let third = day(workdir, "2024-08-11", &[]);
    let brain = Brain::open("sqlite://data/brain.db", workdir, 2).await.unwrap();
    let of = |run: &Value| run["run_id"].as_str().unwrap().to_owned();
    let models: BTreeSet<String> =
        brain.rows(&brain::MODELS, &of(&first)).await.unwrap().into_iter().map(|model| model.model_id).collect();
    // Why a trade was entered: the SHAP values of the fold's own trees, the largest first.
    let wins = brain.rows(&brain::WIN_ANALYSIS, &of(&first)).await.unwrap();
    assert!(!wins.is_empty());
    for win in &wins {
        let reasons = win.contributing_factors.as_array().unwrap();
        let sizes: Vec<f64> = reasons.iter().map(|reason| reason["edge_bps"].as_f64().unwrap()).collect();
        assert!((1..=5).contains(&sizes.len()) && sizes.windows(2).all(|pair| pair[0].abs() >= pair[1].abs()));
        assert!(reasons.iter().all(|reason| reason["model"] == "fold" && reason["feature"].is_string()));
        // The largest one that speaks for the trade is its reason.
        let named = win.primary_reason.contains("entered mostly for");
        assert_eq!(named, sizes.iter().any(|&size| size > 0.0), "{}: {reasons:?}", win.primary_reason);
    }
    let rows: Vec<ForwardRow> = brain.rows(&brain::FORWARD_RECORD, &of(&second)).await.unwrap();
    let (from, to) = (1_722_470_400_000, 1_723_075_200_000);
    for row in &rows {
        assert!(models.contains(&row.model_id));
        assert!(row.signal_timestamp >= time_of_ms(from) && row.signal_timestamp < time_of_ms(to), "{row:?}");
        assert!(row.predicted_bps > 0.0 && row.gross_bps.is_some() == row.exit_timestamp.is_some());
    }
    assert!(rows.iter().any(|row| row.challenger_bps.is_some()));
    let open: Vec<&ForwardRow> = rows.iter().filter(|row| row.gross_bps.is_none()).collect();
    let later: Vec<ForwardRow> = brain.rows(&brain::FORWARD_RECORD, &of(&third)).await.unwrap();
    // A coin that has left the universe keeps its open trades until it comes back.
    let symbols: Vec<&str> =
        third["symbols"].as_array().unwrap().iter().map(|symbol| symbol.as_str().unwrap()).collect();
    for row in open.iter().filter(|row| symbols.contains(&row.symbol.as_str())) {
        let ended = later.iter().find(|l| (&l.model_id, l.signal_timestamp) == (&row.model_id, row.signal_timestamp));
        assert!(ended.is_some_and(|ended| ended.gross_bps.is_some()), "{row:?} is {ended:?}");
    }
    // A signal is in the export once, with its newest outcome.
    let csv = std::fs::read_to_string(workdir.join("exports/forward_record_2024-08-11.csv")).unwrap();
    let signals: Vec<String> =
        csv.lines().skip(1).map(|line| line.split(',').skip(1).take(3).collect::<Vec<_>>().join(",")).collect();
    assert_eq!(signals.iter().collect::<BTreeSet<_>>().len(), signals.len());
    assert!(signals.len() >= rows.len());
    brain.close().await;
}

/// 40 days of trades before the first day, each of which promises 40 basis points and loses 60.
fn broken(model: &Bundle, run_id: &str, basis: &str) -> Vec<ForwardRow> {
    let row = |day: i64| {
        let realised_bps = -65.0 + 5.0 * (day % 3) as f64;
        ForwardRow {
            run_id: run_id.to_owned(),
            model_id: model.metadata.model_id.clone(),
            symbol: model.symbol.clone(),
            signal_timestamp: time_of_ms(1_722_470_400_000 - (50 - day) * 86_400_000),
            direction: Side::Long,
            predicted_bps: 40.0,
            challenger_bps: None,
            exit_timestamp: Some(time_of_ms(1_722_470_400_000 - (50 - day) * 86_400_000 + 18_000_000)),
            exit_reason: Some(ExitReason::StopLoss),
            gross_bps: Some(realised_bps),
            net_bps: Some(realised_bps - 12.0),
            realised_bps: Some(realised_bps),
            basis: Some(basis.to_owned()),
            timeframe: Some("1h".to_owned()),
            market_type: Some("perp".to_owned()),
            mode: Some("model".to_owned()),
            stop_atr: Some(1.5),
            take_atr: Some(2.5),
            max_hold: Some(24),
            approved: true,
            inputs_missing: Some(0),
            simulated: true,
        }
    };
    (0..40).map(row).collect()
}

#[tokio::test]
async fn a_broken_record_takes_an_approval_away_and_a_model_that_nobody_trains_is_withdrawn() {
    let folder = tempfile::tempdir().unwrap();
    let workdir = folder.path();
    let first = day(workdir, "2024-08-01", &[]);
    let models: Vec<Bundle> = pickles(&workdir.join("models")).iter().map(|path| Bundle::load(path).unwrap()).collect();
    assert_eq!(models.len(), 4);
    let basis = models[0].metadata.policy["basis"].as_str().unwrap().to_owned();
    // The record of the first coin counts. That of the second was made under other settings.
    let run_id = first["run_id"].as_str().unwrap();
    let rows = [broken(&models[0], run_id, &basis), broken(&models[1], run_id, "0123456789abcdef")].concat();
    let brain = Brain::open("sqlite://data/brain.db", workdir, 2).await.unwrap();
    brain.store_forward(run_id, &rows).await.unwrap();
    brain.close().await;
    // The model of a coin that has left the universe.
    let mut gone = Bundle::load(&pickles(&workdir.join("models"))[2]).unwrap();
    gone.symbol = "GONE-USDT".to_owned();
    gone.metadata.symbol.clone_from(&gone.symbol);
    gone.save(workdir).unwrap();

    let second = day(workdir, "2024-08-01", &[]);
    let metadata = |place: &str, symbol: &str| -> Option<Value> {
        let path = workdir.join(place).join(symbol).join("metadata.json");
        Some(serde_json::from_slice(&std::fs::read(path).ok()?).unwrap())
    };
    let lost = metadata("models/rejected", &models[0].symbol).expect("the broken record takes the approval away");
    assert!(lost["reasons"].to_string().contains("verdict.forward_min_t"), "{}", lost["reasons"]);
    assert!(metadata("models", &models[0].symbol).is_none());
    assert!(metadata("models", &models[1].symbol).is_some(), "a record of other settings takes nothing away");
    let coins = report(workdir)["forward"]["coins"].clone();
    assert_eq!(coins.as_array().unwrap().len(), 1, "{coins}");
    assert_eq!((&coins[0]["lost"], &coins[0]["trades"]), (&Value::from(true), &Value::from(40)), "{coins}");

    assert_eq!(second["models"]["retired"], 1, "{}", second["models"]);
    let withdrawn = metadata("models/rejected", "GONE-USDT").unwrap();
    assert_eq!((&withdrawn["approved"], &withdrawn["retired"]), (&Value::from(false), &Value::from("2024-08-01")));
    assert!(withdrawn["reasons"].to_string().contains("not trained by the run of 2024-08-01"), "{withdrawn}");
    let remote = workdir.join("remote/Runpodhuracan/2024-08-01/models");
    assert!(remote.join("rejected/GONE-USDT_model.pkl").exists() && !remote.join("GONE-USDT_model.pkl").exists());
    assert_eq!(pickles(&remote).len(), pickles(&workdir.join("models")).len());
}

#[test]
fn a_restored_day_does_not_bring_back_an_approval_that_is_lost_since() {
    let folder = tempfile::tempdir().unwrap();
    let workdir = folder.path();
    day(workdir, "2024-08-01", &[]);
    let approved: BTreeSet<PathBuf> = pickles(&workdir.join("models")).into_iter().collect();
    day(workdir, "2024-08-02", &["approve.min_sharpe=100"]);
    assert!(!approved.is_empty() && pickles(&workdir.join("models")).is_empty());
    let rejected = pickles(&workdir.join("models/rejected")).len();
    let restore = |more: &[&str]| -> Value {
        let output = huracan(workdir, &[&["restore", "--json", "--date", "2024-08-01"], more].concat(), &[]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let answer = restore(&[]);
    assert_eq!(answer["superseded"].as_array().unwrap().len(), approved.len(), "{answer}");
    assert!(pickles(&workdir.join("models")).is_empty());
    assert_eq!(pickles(&workdir.join("models/rejected")).len(), rejected);
    // Who asks for that day's files gets its verdicts too.
    restore(&["--overwrite"]);
    assert_eq!(pickles(&workdir.join("models")).into_iter().collect::<BTreeSet<_>>(), approved);
    let both = pickles(&workdir.join("models/rejected")).into_iter();
    assert!(
        both.filter_map(|path| path.file_name().map(|name| workdir.join("models").join(name)))
            .all(|path| !path.exists())
    );
}
