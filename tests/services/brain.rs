//! The library keeps what it is given, on SQLite and PostgreSQL alike: every test runs on both.

use crate::postgres;
use crate::rows;

use std::time::{Duration, Instant};

use chrono::NaiveDate;
use futures::{StreamExt, TryStreamExt};
use serde_json::json;

use huracan::brain::{
    Brain, BrainError, Column, DAILY_METRICS, EVENTS, EventRow, FORWARD_RECORD, FeatureBlock, Kind, LOSS_ANALYSIS,
    MODEL_PERFORMANCE, MODELS, PATTERN_LIBRARY, POST_EXIT_TRACKING, RISK_BREAKERS, RISK_REFUSALS, RunRow, RunStatus,
    SHADOW_TRADES, TRADE_MEMORY, TradeRow, UNIVERSE_SELECTIONS, Value, WIN_ANALYSIS, time_of_ms,
};

/// An empty library and the folder it may lie in.
struct Bed {
    brain: Brain,
    url: String,
    home: tempfile::TempDir,
}

impl Bed {
    async fn open(url: String) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let brain = Brain::open(&url, home.path(), 5).await.expect("the library opens");
        Self { brain, url, home }
    }

    /// The same library, opened once more.
    async fn again(&self) -> Brain {
        Brain::open(&self.url, self.home.path(), 5).await.expect("the library opens again")
    }
}

macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Bed::open("sqlite://data/brain.db".to_owned()).await).await;
            })*
        }

        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                if let Some(url) = super::postgres::fresh_database().await {
                    super::$test(super::Bed::open(url).await).await;
                }
            })*
        }
    };
}

on_both!(
    every_table_gives_back_what_it_was_given,
    a_step_done_twice_leaves_the_same_rows,
    rows_of_another_run_are_refused_and_untouched,
    a_failed_write_changes_nothing,
    a_run_is_taken_up_where_its_last_step_was_marked,
    the_unfinished_run_of_a_day_is_the_newest_one,
    features_come_back_to_the_bit_and_the_newest_run_wins,
    a_block_of_the_wrong_shape_is_refused,
    a_hundred_thousand_features_are_stored_quickly,
    events_are_added_once,
    a_synced_file_is_known_by_its_last_state,
    a_second_run_is_refused_while_the_first_holds_the_lock,
    the_lock_of_a_dead_process_is_taken_over,
    ten_contenders_for_the_lock_leave_one_holder,
    strange_text_survives,
    the_tables_are_those_of_the_contract,
    a_second_opening_finds_the_tables_made,
    writers_at_the_same_time_all_get_through,
);

async fn every_table_gives_back_what_it_was_given(bed: Bed) {
    let brain = &bed.brain;
    let run = rows::run("run-1");
    brain.begin_run(&run).await.expect("begins");
    assert_eq!(brain.run("run-1").await.expect("reads"), run);

    let universe = rows::universe("run-1");
    brain.store_universe("run-1", &universe).await.expect("stores");
    let read = brain.rows(&UNIVERSE_SELECTIONS, "run-1").await.expect("reads");
    // NaN is no equal of itself, so the rows are compared as they print.
    assert_eq!(format!("{read:?}"), format!("{universe:?}"));
    assert!(read[1].age_days.is_nan());

    let trades = rows::trades("run-1", 20);
    // The coins' own trades are fewer than those that the account was offered, and have the same keys.
    brain.store_trades("run-1", &trades, &trades[..7]).await.expect("stores");
    assert_eq!(brain.rows(&TRADE_MEMORY, "run-1").await.expect("reads"), trades);
    assert_eq!(brain.rows(&SHADOW_TRADES, "run-1").await.expect("reads"), trades[..7]);

    let (models, mut performance) = rows::models("run-1");
    brain.store_models("run-1", &models, &performance).await.expect("stores");
    performance.sort_by(|a, b| (&a.symbol, &a.scope).cmp(&(&b.symbol, &b.scope)));
    assert_eq!(brain.rows(&MODELS, "run-1").await.expect("reads"), models);
    let read = brain.rows(&MODEL_PERFORMANCE, "run-1").await.expect("reads");
    assert_eq!(format!("{read:?}"), format!("{performance:?}"));
    assert_eq!((read[1].calmar_ratio, read[0].sharpe_ratio.is_nan()), (f64::INFINITY, true));

    let daily = rows::daily("run-1");
    brain.store_daily_metrics(&daily).await.expect("stores");
    assert_eq!(brain.rows(&DAILY_METRICS, "run-1").await.expect("reads"), [daily]);

    let patterns = rows::patterns("run-1");
    brain.store_patterns("run-1", &patterns).await.expect("stores");
    assert_eq!(brain.rows(&PATTERN_LIBRARY, "run-1").await.expect("reads"), patterns);

    let (wins, losses) = rows::analysis(&trades);
    brain.store_analysis("run-1", &wins, &losses).await.expect("stores");
    assert_eq!(brain.rows(&WIN_ANALYSIS, "run-1").await.expect("reads").len(), wins.len());
    let mut read = brain.rows(&LOSS_ANALYSIS, "run-1").await.expect("reads");
    read.sort_by_key(|row| losses.iter().position(|loss| loss.trade_id == row.trade_id));
    assert_eq!(read, losses);

    let (refusals, breakers) = (rows::refusals(&trades), rows::breakers("run-1"));
    brain.store_risk("run-1", &refusals, &breakers).await.expect("stores");
    assert_eq!(brain.rows(&RISK_REFUSALS, "run-1").await.expect("reads"), refusals);
    assert_eq!(brain.rows(&RISK_BREAKERS, "run-1").await.expect("reads"), breakers);

    let forward = rows::forward("run-1", false);
    brain.store_forward("run-1", &forward).await.expect("stores");
    assert_eq!(brain.rows(&FORWARD_RECORD, "run-1").await.expect("reads"), forward);

    let after = rows::post_exit(&trades);
    brain.store_post_exit("run-1", &after).await.expect("stores");
    let mut read = brain.rows(&POST_EXIT_TRACKING, "run-1").await.expect("reads");
    read.sort_by_key(|row| after.iter().position(|a| a.trade_id == row.trade_id && a.horizon_bars == row.horizon_bars));
    assert_eq!(read, after);

    let next = rows::run("run-2");
    assert_eq!(brain.previous_model("BTC-USDT", &next).await.expect("reads").as_ref(), Some(&models[0]));
    assert_eq!(brain.previous_model("BTC-USDT", &run).await.expect("reads"), None);
    let of_the_other_market = RunRow { simulated: !next.simulated, ..next };
    assert_eq!(brain.previous_model("BTC-USDT", &of_the_other_market).await.expect("reads"), None);
    assert!(brain.ping().await.expect("answers") < Duration::from_secs(5));
}

async fn a_step_done_twice_leaves_the_same_rows(bed: Bed) {
    let brain = &bed.brain;
    let trades = rows::trades("run-1", 700);
    let (models, performance) = rows::models("run-1");
    let (wins, losses) = rows::analysis(&trades);
    for _ in 0..2 {
        brain.store_universe("run-1", &rows::universe("run-1")).await.expect("stores");
        brain.store_trades("run-1", &trades, &trades).await.expect("stores");
        brain.store_models("run-1", &models, &performance).await.expect("stores");
        brain.store_daily_metrics(&rows::daily("run-1")).await.expect("stores");
        brain.store_patterns("run-1", &rows::patterns("run-1")).await.expect("stores");
        brain.store_analysis("run-1", &wins, &losses).await.expect("stores");
        brain.store_post_exit("run-1", &rows::post_exit(&trades)).await.expect("stores");
        brain.store_risk("run-1", &rows::refusals(&trades), &rows::breakers("run-1")).await.expect("stores");
    }
    assert_eq!(brain.rows(&RISK_REFUSALS, "run-1").await.expect("reads").len(), 700);
    assert_eq!(brain.rows(&RISK_BREAKERS, "run-1").await.expect("reads").len(), 3);
    assert_eq!(brain.rows(&TRADE_MEMORY, "run-1").await.expect("reads"), trades);
    assert_eq!(brain.rows(&SHADOW_TRADES, "run-1").await.expect("reads").len(), 700);
    assert_eq!(brain.rows(&UNIVERSE_SELECTIONS, "run-1").await.expect("reads").len(), 2);
    assert_eq!(brain.rows(&MODELS, "run-1").await.expect("reads").len(), models.len());
    assert_eq!(brain.rows(&MODEL_PERFORMANCE, "run-1").await.expect("reads").len(), performance.len());
    assert_eq!(brain.rows(&WIN_ANALYSIS, "run-1").await.expect("reads").len(), wins.len());
    assert_eq!(brain.rows(&POST_EXIT_TRACKING, "run-1").await.expect("reads").len(), 3 * 700);
    // A step that now finds fewer leaves no row of the longer list behind.
    brain.store_trades("run-1", &trades[..3], &trades[..3]).await.expect("stores");
    assert_eq!(brain.rows(&TRADE_MEMORY, "run-1").await.expect("reads"), trades[..3]);
}

async fn rows_of_another_run_are_refused_and_untouched(bed: Bed) {
    let brain = &bed.brain;
    brain.store_trades("run-1", &rows::trades("run-1", 5), &rows::trades("run-1", 5)).await.expect("stores");
    let refused = brain.store_trades("run-2", &rows::trades("run-1", 3), &rows::trades("run-1", 3)).await;
    assert!(matches!(refused, Err(BrainError::ForeignRow { .. })), "{refused:?}");
    brain.store_trades("run-2", &rows::trades("run-2", 4), &rows::trades("run-2", 4)).await.expect("stores");
    assert_eq!(brain.rows(&TRADE_MEMORY, "run-1").await.expect("reads").len(), 5);
    let all: Vec<TradeRow> = brain.stream_all(&TRADE_MEMORY).try_collect().await.expect("reads");
    assert_eq!(all.len(), 9);
}

async fn a_failed_write_changes_nothing(bed: Bed) {
    let brain = &bed.brain;
    let trades = rows::trades("run-1", 5);
    brain.store_trades("run-1", &trades, &trades).await.expect("stores");
    let twice = [trades[0].clone(), trades[0].clone()];
    let refused = brain.store_trades("run-1", &twice, &twice).await.expect_err("two rows share a key");
    assert!(refused.to_string().contains("trade_memory"), "{refused}");
    assert_eq!(brain.rows(&TRADE_MEMORY, "run-1").await.expect("reads"), trades);
    // The connection is fit for use again.
    for _ in 0..8 {
        brain.store_trades("run-1", &trades[..2], &trades[..2]).await.expect("stores");
    }
}

async fn a_run_is_taken_up_where_its_last_step_was_marked(bed: Bed) {
    let day = NaiveDate::from_ymd_opt(2025, 11, 8).expect("a day");
    {
        let brain = &bed.brain;
        brain.begin_run(&RunRow::new("run-1", day)).await.expect("begins");
        brain.begin_step("run-1", "universe").await.expect("notes");
        brain.finish_step("run-1", "universe", json!({ "symbols": ["BTC-USDT"] })).await.expect("marks");
        brain.begin_step("run-1", "trades").await.expect("notes");
        brain.store_trades("run-1", &rows::trades("run-1", 9), &rows::trades("run-1", 9)).await.expect("stores");
        // Here the process is killed: rows are there, the mark is not.
        brain.close().await;
    }
    let brain = bed.again().await;
    let found = brain.unfinished_run(day).await.expect("reads").expect("there is one");
    assert_eq!((found.step.as_deref(), found.status), (Some("trades"), RunStatus::Running));
    let run = brain.resume_run(&found.run_id).await.expect("resumes");
    assert!(run.has_done("universe") && !run.has_done("trades"));
    let left = brain.step_output("run-1", "universe").await.expect("reads");
    assert_eq!(left, Some(json!({ "symbols": ["BTC-USDT"] })));
    assert_eq!(brain.step_output("run-1", "trades").await.expect("reads"), None);
    brain.store_trades("run-1", &rows::trades("run-1", 9), &rows::trades("run-1", 9)).await.expect("stores");
    brain.finish_step("run-1", "trades", json!({})).await.expect("marks");
    brain.finish_run("run-1", RunStatus::Done, None).await.expect("ends");
    assert_eq!(brain.rows(&TRADE_MEMORY, "run-1").await.expect("reads").len(), 9);
    assert_eq!(brain.unfinished_run(day).await.expect("reads"), None);
    let done = brain.run("run-1").await.expect("reads");
    assert_eq!((done.status, done.finished.is_some()), (RunStatus::Done, true));
    let order: Vec<_> = done.steps.as_object().expect("an object").keys().cloned().collect();
    assert_eq!(order, ["universe", "trades"]);
    for error in [
        brain.run("nobody").await.err(),
        brain.begin_step("nobody", "x").await.err(),
        brain.finish_step("nobody", "x", json!({})).await.err(),
        brain.finish_run("nobody", RunStatus::Done, None).await.err(),
        brain.resume_run("nobody").await.err(),
    ] {
        assert!(matches!(error, Some(BrainError::NoRun { .. })), "{error:?}");
    }
}

async fn the_unfinished_run_of_a_day_is_the_newest_one(bed: Bed) {
    let brain = &bed.brain;
    let day = NaiveDate::from_ymd_opt(2025, 11, 8).expect("a day");
    for (at, id) in [(1_000, "b"), (3_000, "a"), (2_000, "c")] {
        let run = RunRow { started: time_of_ms(at), ..RunRow::new(id, day) };
        brain.begin_run(&run).await.expect("begins");
    }
    let other = RunRow { started: time_of_ms(9_000), ..RunRow::new("d", day.succ_opt().expect("a day")) };
    brain.begin_run(&other).await.expect("begins");
    assert_eq!(brain.unfinished_run(day).await.expect("reads").map(|run| run.run_id).as_deref(), Some("a"));
    assert_eq!(brain.latest_run(None).await.expect("reads").map(|run| run.run_id).as_deref(), Some("d"));
    brain.finish_run("a", RunStatus::Failed, Some("no disk")).await.expect("ends");
    let failed = brain.unfinished_run(day).await.expect("reads").expect("a failed run can be taken up");
    assert_eq!(failed.error.as_deref(), Some("no disk"));
    brain.finish_run("a", RunStatus::Partial, None).await.expect("ends");
    assert_eq!(brain.unfinished_run(day).await.expect("reads"), None, "older ones stay as they are");
}

async fn features_come_back_to_the_bit_and_the_newest_run_wins(bed: Bed) {
    let brain = &bed.brain;
    let hour = 3_600_000;
    let values = [0.1_f32, f32::NAN, -1.5e-38, f32::INFINITY, f32::MIN_POSITIVE, 16_777_217.0];
    let block = FeatureBlock {
        symbol: "BTC-USDT",
        timestamps: &[10 * hour, 11 * hour, 12 * hour],
        names: &["rsi_14", "atr_14"],
        values: &values,
    };
    assert_eq!(brain.store_features("run-1", true, &[block]).await.expect("stores"), 6);
    let read: Vec<_> = brain.features("BTC-USDT").try_collect().await.expect("reads");
    // Ordered by time, then name: atr_14 before rsi_14.
    let bits: Vec<u32> = read.iter().map(|row| (row.feature_value as f32).to_bits()).collect();
    let expected = [1, 0, 3, 2, 5, 4].map(|at: usize| values[at].to_bits());
    assert_eq!(bits, expected);
    assert!(read.iter().all(|row| row.simulated && row.run_id == "run-1"));

    let later = FeatureBlock { timestamps: &[11 * hour, 13 * hour], names: &["rsi_14"], values: &[1.0, 2.0], ..block };
    for _ in 0..2 {
        brain.store_features("run-2", false, &[later]).await.expect("stores");
    }
    let read: Vec<_> = brain.features("BTC-USDT").try_collect().await.expect("reads");
    let runs: Vec<_> = read.iter().map(|row| (row.timestamp.timestamp_millis() / hour, row.run_id.as_str())).collect();
    assert_eq!(runs, [(10, "run-1"), (10, "run-1"), (11, "run-2"), (13, "run-2")]);
    let empty = FeatureBlock { timestamps: &[], names: &[], values: &[], ..block };
    assert_eq!(brain.store_features("run-2", false, &[empty]).await.expect("stores nothing"), 0);
}

async fn a_block_of_the_wrong_shape_is_refused(bed: Bed) {
    let block = FeatureBlock { symbol: "BTC-USDT", timestamps: &[0], names: &["a", "b"], values: &[1.0] };
    let refused = bed.brain.store_features("run-1", false, &[block]).await;
    assert!(matches!(refused, Err(BrainError::Shape { .. })), "{refused:?}");
}

async fn a_hundred_thousand_features_are_stored_quickly(bed: Bed) {
    let names: Vec<String> = (0..50).map(|n| format!("feature_{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let timestamps: Vec<i64> = (0..200).map(|bar| 1_700_000_000_000 + bar * 3_600_000).collect();
    let values: Vec<f32> = (0..10_000).map(|n| (n as f32).sqrt() / 7.0).collect();
    let symbols: Vec<String> = (0..10).map(|n| format!("COIN{n}-USDT")).collect();
    let blocks: Vec<FeatureBlock> = symbols
        .iter()
        .map(|symbol| FeatureBlock { symbol, timestamps: &timestamps, names: &names, values: &values })
        .collect();
    for round in ["new", "replaced"] {
        let start = Instant::now();
        let written = bed.brain.store_features("run-1", true, &blocks).await.expect("stores");
        let seconds = start.elapsed().as_secs_f64();
        println!("{}: {written} feature rows ({round}) in {seconds:.2} s", bed.brain.kind());
        assert_eq!(written, 100_000);
        // The goal is 2 s on PostgreSQL; a machine busy with other tests gets some air.
        assert!(seconds < 8.0, "{seconds} s");
    }
    assert_eq!(bed.brain.features("COIN3-USDT").count().await, 10_000);
}

async fn events_are_added_once(bed: Bed) {
    let brain = &bed.brain;
    let mut event = EventRow::now("run-1", "warn", "gap", "BTC-USDT: 30 bars are missing");
    event.detail = json!({ "z": 1, "a": [true, null] });
    let other =
        EventRow { time: event.time + Duration::from_secs(1), ..EventRow::now("run-1", "info", "step", "done") };
    for _ in 0..2 {
        brain.store_events(&[event.clone(), other.clone()]).await.expect("stores");
    }
    assert_eq!(brain.rows(&EVENTS, "run-1").await.expect("reads"), [event, other]);
}

async fn a_synced_file_is_known_by_its_last_state(bed: Bed) {
    let brain = &bed.brain;
    let first = rows::synced("2025-11-08/models/a.pkl", "aa");
    let second = rows::synced("2025-11-08/models/a.pkl", "bb");
    let other = rows::synced("data/candles/b.parquet", "cc");
    brain.store_synced(&[first.clone(), other.clone()]).await.expect("stores");
    brain.store_synced(&[first, second.clone()]).await.expect("stores");
    assert_eq!(brain.synced("2025-11-08/models/a.pkl").await.expect("reads"), Some(second));
    assert_eq!(brain.synced("data/candles/b.parquet").await.expect("reads"), Some(other));
    assert_eq!(brain.synced("nothing").await.expect("reads"), None);
}

async fn a_second_run_is_refused_while_the_first_holds_the_lock(bed: Bed) {
    let lock = bed.brain.lock("run one").await.expect("free");
    lock.check().expect("ours");
    let other = bed.again().await;
    let refused = other.lock("run two").await.expect_err("held");
    assert!(matches!(&refused, BrainError::Locked { owner, .. } if owner.starts_with("run one")), "{refused}");
    lock.release().await.expect("released");
    other.lock("run two").await.expect("free again").release().await.expect("released");
}

async fn the_lock_of_a_dead_process_is_taken_over(bed: Bed) {
    let count = |brain: Brain| async move {
        const N: &[Column] = &[Column { name: "n", kind: Kind::Int }];
        let rows: Vec<Vec<Value>> =
            brain.query("run_lock", "SELECT COUNT(*) FROM run_lock", &[], N).try_collect().await.expect("reads");
        rows[0][0].clone()
    };
    drop(bed.brain.lock("the first").await.expect("free"));
    // Its process lives on, so it still counts as held.
    assert!(bed.brain.lock("the second").await.is_err());
    // As another process would have left it that has since been killed.
    rows::rewrite(&bed.brain, "UPDATE run_lock SET process_started = 1").await;
    let second = bed.brain.lock("the second").await.expect("the holder is gone");
    assert_eq!(count(bed.brain.clone()).await, Value::Int(1));
    // As a holder on another machine whose heartbeat stands still would leave it.
    let long_ago = if bed.brain.kind() == "postgres" { "TIMESTAMPTZ '2020-01-01T00:00:00Z'" } else { "1577836800000" };
    rows::rewrite(&bed.brain, &format!("UPDATE run_lock SET host = 'elsewhere', heartbeat = {long_ago}")).await;
    let third = bed.brain.lock("the third").await.expect("the heartbeat is old");
    second.release().await.expect("releases nothing that is not its own");
    assert_eq!(count(bed.brain.clone()).await, Value::Int(1));
    third.release().await.expect("released");
    assert_eq!(count(bed.brain).await, Value::Int(0));
}

async fn ten_contenders_for_the_lock_leave_one_holder(bed: Bed) {
    let contenders = (0..10).map(|n| {
        let brain = bed.brain.clone();
        async move { brain.lock(&format!("run {n}")).await }
    });
    let outcomes = futures::future::join_all(contenders).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert!(matches!(error, BrainError::Locked { .. }), "{error}");
    }
}

async fn strange_text_survives(bed: Bed) {
    let brain = &bed.brain;
    let strange = "tab\tline\nreturn\rback\\slash \\N \"quotes\" 'single' , ; \u{1F300} ü";
    let mut trade = rows::trades("run-1", 1).remove(0);
    trade.symbol = strange.to_owned();
    trade.market_regime = Some(String::new());
    trade.features_at_entry = json!({ strange: "a\nb\\" });
    brain.store_trades("run-1", std::slice::from_ref(&trade), std::slice::from_ref(&trade)).await.expect("stores");
    assert_eq!(brain.rows(&TRADE_MEMORY, "run-1").await.expect("reads"), [trade.clone()]);
    trade.model_version = "a\0b".to_owned();
    brain.store_trades("run-1", std::slice::from_ref(&trade), std::slice::from_ref(&trade)).await.expect("stores");
    let read = brain.rows(&TRADE_MEMORY, "run-1").await.expect("reads");
    assert_eq!(read[0].model_version, "a\u{fffd}b");
}

async fn the_tables_are_those_of_the_contract(bed: Bed) {
    const NAMES: &[Column] = &[Column { name: "name", kind: Kind::Text }];
    let sql = if bed.brain.kind() == "postgres" {
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1"
    } else {
        "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1"
    };
    let found: Vec<Vec<Value>> = bed.brain.query("tables", sql, &[], NAMES).try_collect().await.expect("reads");
    let mut found: Vec<String> = found.into_iter().map(|row| row[0].to_plain()).collect();
    found.retain(|name| !name.starts_with("sqlite_") && !name.starts_with("_sqlx"));
    let expected = [
        "daily_metrics",
        "events",
        "features",
        "forward_record",
        "health_checks",
        "loss_analysis",
        "model_performance",
        "models",
        "pattern_library",
        "post_exit_tracking",
        "risk_breakers",
        "risk_refusals",
        "run_lock",
        "runs",
        "shadow_trades",
        "sync_manifest",
        "trade_memory",
        "universe_selections",
        "win_analysis",
    ];
    assert_eq!(found, expected);
}

async fn a_second_opening_finds_the_tables_made(bed: Bed) {
    bed.brain.begin_run(&rows::run("run-1")).await.expect("begins");
    let (one, two) = futures::join!(bed.again(), bed.again());
    assert_eq!(one.run("run-1").await.expect("reads").run_id, "run-1");
    assert_eq!(two.run("run-1").await.expect("reads").run_id, "run-1");
}

async fn writers_at_the_same_time_all_get_through(bed: Bed) {
    bed.brain.begin_run(&rows::run("run-0")).await.expect("begins");
    let writers = (0..8).map(|n| {
        let brain = bed.brain.clone();
        async move {
            let run_id = format!("run-{n}");
            brain.finish_step("run-0", &format!("step-{n}"), json!(n)).await?;
            brain.store_trades(&run_id, &rows::trades(&run_id, 50), &rows::trades(&run_id, 50)).await
        }
    });
    for outcome in futures::future::join_all(writers).await {
        outcome.expect("stores");
    }
    let marks = bed.brain.run("run-0").await.expect("reads").steps;
    assert_eq!(marks.as_object().expect("an object").len(), 8, "no mark is lost");
}

#[tokio::test]
async fn a_wrong_address_says_what_is_wrong_and_keeps_the_password() {
    let home = tempfile::tempdir().expect("a folder");
    for (url, word) in [
        ("mysql://u@h/d", "mysql"),
        ("brain.db", "scheme"),
        ("sqlite://", "no file path"),
        ("postgres://user:hunter2@127.0.0.1:1/none", "is the server running"),
        ("postgres://user:hunter2@no-such-host.invalid/none", "is the server running"),
    ] {
        let error = Brain::open(url, home.path(), 2).await.expect_err("no such brain");
        let text = error.to_string();
        assert!(text.contains(word), "{text}");
        assert!(!format!("{text} {error:?}").contains("hunter2"), "{error:?}");
    }
    std::fs::write(home.path().join("text.db"), "this is no database, only a text that is long enough")
        .expect("writes");
    let error = Brain::open("sqlite://text.db", home.path(), 2).await.expect_err("not a database");
    assert!(error.to_string().contains("text.db"), "{error}");
}

#[tokio::test]
async fn a_missing_database_is_told_apart_from_a_missing_server() {
    let Some(url) = postgres::fresh_database().await else { return };
    let (server, _) = url.rsplit_once('/').expect("an address");
    let error = Brain::open(&format!("{server}/absent"), std::path::Path::new("."), 2).await.expect_err("absent");
    assert!(error.to_string().contains("createdb"), "{error}");
}
