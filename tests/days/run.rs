//! Whole days by the real program: complete, repeated, stopped, killed and resumed, on both databases.

use crate::postgres;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::folder::{self, files};
use futures::TryStreamExt;
use huracan::arith::{draw, uniform};
use huracan::brain::{self, Brain};
use huracan::models::Bundle;
use serde_json::Value;

/// A small market and few rounds: a day takes a second or two, and every step has something to do.
const SMALL: [&str; 11] = [
    "market.type=perp",
    "market.simulated.symbols=14",
    "market.simulated.edge=5.0",
    "market.lookback_days=160",
    "universe.top_n=4",
    "folds.train_days=60",
    "folds.test_days=30",
    "folds.step_days=30",
    "models.rounds=12",
    "brain.feature_days=2",
    "sync.retries=1",
];

fn command(workdir: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huracan"));
    command.current_dir(workdir).env_remove("HURACAN__BRAIN__URL");
    command.args(["run", "--json", "--date", "2024-08-01", "--workdir"]).arg(workdir);
    for setting in SMALL {
        command.args(["--set", setting]);
    }
    command.args(more);
    command
}

fn day(workdir: &Path, more: &[&str]) -> Output {
    command(workdir, more).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn answer(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}\n{}", text(output), output.status))
}

/// Rows of every table that a run fills, by table.
async fn counts(url: &str, workdir: &Path, run_id: &str) -> Vec<(&'static str, usize)> {
    let brain = Brain::open(url, workdir, 2).await.unwrap();
    let mut counts = Vec::new();
    macro_rules! count {
        ($($table:ident),*) => {$(
            counts.push((brain::$table.name, brain.rows(&brain::$table, run_id).await.unwrap().len()));
        )*};
    }
    count!(UNIVERSE_SELECTIONS, TRADE_MEMORY, SHADOW_TRADES, MODELS, MODEL_PERFORMANCE, DAILY_METRICS);
    count!(WIN_ANALYSIS, LOSS_ANALYSIS, POST_EXIT_TRACKING);
    let mut features = 0;
    for symbol in brain.rows(&brain::MODELS, run_id).await.unwrap().iter().map(|m| m.symbol.clone()) {
        features += brain.features(&symbol).try_collect::<Vec<_>>().await.unwrap().len();
    }
    counts.push(("features", features));
    let runs: Vec<_> = brain.stream_all(&brain::RUNS).try_collect().await.unwrap();
    counts.push(("runs", runs.len()));
    brain.close().await;
    counts
}

#[test]
#[cfg(feature = "emulated")]
fn a_day_on_the_emulated_device_ends_as_on_the_cpu() {
    let [on_cpu, emulated] = ["cpu", "emulated"].map(|device| {
        let workdir = tempfile::tempdir().unwrap();
        let output = day(workdir.path(), &["--device", device]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        let answer = answer(&output);
        assert_eq!((&answer["device"], &answer["device_lost"]), (&device.into(), &Value::Null));
        answer
    });
    assert!(on_cpu["trades"].as_u64().unwrap() > 0);
    for key in ["models_digest", "trades", "symbols", "models"] {
        assert_eq!(on_cpu[key], emulated[key], "{key}");
    }
}

#[test]
fn a_day_with_its_tables_in_files_ends_as_in_memory() {
    let [in_memory, in_files] = [&[][..], &["--set", "engine.memory_mb=1"]].map(|more| {
        let workdir = tempfile::tempdir().unwrap();
        let output = day(workdir.path(), more);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        let logs = std::fs::read_dir(workdir.path().join("logs")).unwrap().flatten();
        let logs: String = logs.filter_map(|log| std::fs::read_to_string(log.path()).ok()).collect();
        assert_eq!(logs.contains("features, view and votes are in files"), !more.is_empty(), "{logs}");
        assert!(!logs.contains("no room for a table"), "{logs}");
        answer(&output)
    });
    assert!(in_memory["trades"].as_u64().unwrap() > 0);
    for key in ["models_digest", "trades", "symbols", "models"] {
        assert_eq!(in_memory[key], in_files[key], "{key}");
    }
}

#[tokio::test]
async fn a_day_leaves_models_reports_exports_a_filled_brain_and_a_synced_remote() {
    let workdir = tempfile::tempdir().unwrap();
    let output = day(workdir.path(), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let answer = answer(&output);
    assert_eq!(
        (&answer["simulated"], &answer["device"], &answer["date"]),
        (&true.into(), &"cpu".into(), &"2024-08-01".into())
    );
    assert_eq!(answer["models"]["trained"], 4);
    assert!(answer["trades"].as_u64().unwrap() > 0 && answer["peak_rss_bytes"].as_u64().unwrap() > 0);
    let path = |name: &str| workdir.path().join(name);
    for symbol in answer["symbols"].as_array().unwrap() {
        let symbol = symbol.as_str().unwrap();
        let pickle = folder::model(workdir.path(), symbol);
        let bundle = huracan::models::Bundle::load(&pickle).unwrap();
        let folder = if bundle.metadata.approved { "models" } else { "models/rejected" };
        assert_eq!(pickle.parent(), Some(path(folder).as_path()));
        assert!(bundle.metadata.simulated && bundle.heads.len() == 3);
        let metadata: Value =
            serde_json::from_slice(&std::fs::read(path(&format!("{folder}/{symbol}/metadata.json"))).unwrap()).unwrap();
        for key in ["device", "digest", "data_digest", "git_commit", "settings_digest", "folds", "approved", "reasons"]
        {
            assert!(!metadata[key].is_null(), "{key} is missing");
        }
    }
    for file in [
        "reports/training_report.json",
        "reports/model_comparison.html",
        "exports/performance_summary_2024-08-01.json",
        "monitoring/system_status.json",
    ] {
        assert!(path(file).exists(), "{file}");
        assert!(!std::fs::read(path(file)).unwrap().is_empty(), "{file} is empty");
    }
    assert!(std::fs::read_to_string(path("reports/model_comparison.html")).unwrap().contains("SIMULATED"));
    // Everything that counts lies on the remote, byte for byte.
    for kind in ["models", "reports", "exports"] {
        for file in files(&path(kind)) {
            let name = file.strip_prefix(path(kind)).unwrap();
            let there = path("remote/Runpodhuracan/2024-08-01").join(kind).join(name);
            assert_eq!(std::fs::read(&file).unwrap(), std::fs::read(&there).unwrap(), "{}", there.display());
        }
    }
    // The candles of four coins, and the terms of their market.
    assert_eq!(files(&path("remote/Runpodhuracan/data/candles")).len(), 4 + 1);
    // Every line of the logs says that the market is simulated, once that is known.
    let run_id = answer["run_id"].as_str().unwrap();
    for (table, rows) in counts("sqlite://data/brain.db", workdir.path(), run_id).await {
        assert!(rows > 0, "{table} is empty");
    }

    // A second run on the same day finds fresh candles and trained models, and the same digest.
    let again = day(workdir.path(), &[]);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again));
    let again_answer = self::answer(&again);
    assert_eq!(again_answer["models_digest"], answer["models_digest"]);
    assert_ne!(again_answer["run_id"], answer["run_id"]);
    assert!(text(&again).contains("4 of 4 coins fresh in the store"), "{}", text(&again));
    // And with --resume there is nothing left to do.
    let resumed = self::answer(&day(workdir.path(), &["--resume"]));
    assert_eq!(resumed["run_id"], again_answer["run_id"]);
}

#[tokio::test]
async fn killed_a_dozen_times_and_resumed_a_day_ends_as_if_undisturbed() {
    let calm = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let undisturbed = day(calm.path(), &[]);
    let whole = begun.elapsed();
    assert_eq!(undisturbed.status.code(), Some(0), "{}", text(&undisturbed));
    let undisturbed = answer(&undisturbed);

    let url = "sqlite://data/brain.db";
    let id = |answer: &Value| answer["run_id"].as_str().unwrap().to_owned();
    let wanted = counts(url, calm.path(), &id(&undisturbed)).await;
    let seed: u64 = std::process::id().into();
    let (mut killed, mut attempt, mut completed) = (0, 0, 0);
    // A run that gets through before its kill is held against the undisturbed one, and another one begins.
    while killed < 12 || completed == 0 {
        let workdir = tempfile::tempdir().unwrap();
        let mut kills_here = 0;
        loop {
            attempt += 1;
            assert!(attempt < 100, "{killed} kills in {attempt} attempts");
            let mut child =
                command(workdir.path(), &["--resume"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            // Later attempts are let go further, so that every run comes to its end.
            let share = uniform(draw(seed, 1, attempt)) * (0.4 + 0.1 * f64::from(kills_here));
            if caught(&mut child, whole.mul_f64(share)) {
                killed += 1;
                kills_here += 1;
            } else {
                break;
            }
        }
        let last = day(workdir.path(), &["--resume"]);
        assert_eq!(last.status.code(), Some(0), "{}", text(&last));
        let last = answer(&last);
        for key in ["models_digest", "trades", "symbols", "models"] {
            assert_eq!(last[key], undisturbed[key], "{key} after {kills_here} kills");
        }
        assert_eq!(counts(url, workdir.path(), &id(&last)).await, wanted, "rows doubled or lost");
        completed += 1;
    }
    println!("killed {killed} times, {completed} runs completed, random moments of seed {seed}");
}

/// Kills the process with SIGKILL after `patience`; false where it had ended before.
fn caught(child: &mut std::process::Child, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    true
}

#[test]
fn a_stop_that_is_asked_for_saves_the_state_and_says_how_to_go_on() {
    let workdir = tempfile::tempdir().unwrap();
    let child = command(workdir.path(), &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let status = workdir.path().join("monitoring/system_status.json");
    let begun = Instant::now();
    while !status.exists() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output));
    assert!(text(&output).contains("--resume"), "{}", text(&output));
    assert_eq!(day(workdir.path(), &["--resume"]).status.code(), Some(0));
}

#[test]
fn the_kill_switch_stops_a_run_with_its_reason() {
    let workdir = tempfile::tempdir().unwrap();
    let switch = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_huracan"))
            .args(["kill", "--workdir"])
            .arg(workdir.path())
            .args(arguments)
            .output()
            .unwrap()
    };
    assert_eq!(switch(&["on"]).status.code(), Some(2));
    assert_eq!(switch(&["on", "--why", "exchange is down"]).status.code(), Some(0));
    let output = day(workdir.path(), &[]);
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
    assert!(text(&output).contains("exchange is down"));
    assert!(String::from_utf8_lossy(&switch(&["status"]).stdout).contains("exchange is down"));
    assert_eq!(switch(&["off"]).status.code(), Some(0));
    assert_eq!(day(workdir.path(), &["--resume"]).status.code(), Some(0));
}

/// Waits until the run says that it is in `step`; false where it ended before.
fn comes_to(child: &mut std::process::Child, workdir: &Path, step: &str) -> bool {
    loop {
        let status = std::fs::read(workdir.join("monitoring/system_status.json")).unwrap_or_default();
        let status: Value = serde_json::from_slice(&status).unwrap_or_default();
        if status["step"] == step {
            return true;
        }
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[tokio::test]
async fn the_kill_switch_ends_a_run_at_work_within_a_second_and_it_goes_on_when_it_is_off() {
    let workdir = tempfile::tempdir().unwrap();
    let long = ["market.simulated.symbols=40", "universe.top_n=16", "models.rounds=200", "models.early_stopping=0"];
    let mut more: Vec<&str> = long.iter().flat_map(|setting| ["--set", *setting]).collect();
    more.push("--resume");
    let switch = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_huracan"));
        let status = command.args(["kill", "--workdir"]).arg(workdir.path()).args(arguments).output().unwrap().status;
        assert!(status.success());
    };
    // In the midst of a batch, at its beginning, and in steps that nothing can interrupt.
    for (step, deeper) in [("train", 500), ("download", 0), ("features", 0), ("train", 0), ("train", 800)] {
        let _ = std::fs::remove_file(workdir.path().join("monitoring/system_status.json"));
        let mut child = command(workdir.path(), &more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        assert!(comes_to(&mut child, workdir.path(), step), "ended before {step}");
        std::thread::sleep(Duration::from_millis(deeper));
        switch(&["on", "--why", "wild prices"]);
        let begun = Instant::now();
        let output = child.wait_with_output().unwrap();
        let took = begun.elapsed();
        println!("killed {deeper} ms into {step}: ended after {} ms", took.as_millis());
        assert_eq!(output.status.code(), Some(5), "{step}: {}", text(&output));
        assert!(text(&output).contains("wild prices"), "{}", text(&output));
        // Within a second; the rest is for machines that do other things at the same time.
        assert!(took < Duration::from_secs(3), "{took:?} in {step}");
        switch(&["off"]);
    }
    let output = day(workdir.path(), &more);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("resuming the run of"), "{}", text(&output));

    // What risk decided stands in the brain, joined to the trades, and the same counts in the report.
    let run_id = answer(&output)["run_id"].as_str().unwrap().to_owned();
    let brain = Brain::open("sqlite://data/brain.db", workdir.path(), 2).await.unwrap();
    let trades = brain.rows(&brain::TRADE_MEMORY, &run_id).await.unwrap();
    let shadow = brain.rows(&brain::SHADOW_TRADES, &run_id).await.unwrap();
    let performance = brain.rows(&brain::MODEL_PERFORMANCE, &run_id).await.unwrap();
    let refusals = brain.rows(&brain::RISK_REFUSALS, &run_id).await.unwrap();
    let breakers = brain.rows(&brain::RISK_BREAKERS, &run_id).await.unwrap();
    let daily = brain.rows(&brain::DAILY_METRICS, &run_id).await.unwrap();
    brain.close().await;
    let report = std::fs::read(workdir.path().join("reports/training_report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    let risk = &report["risk"];
    assert_eq!(risk, &daily[0].more["risk"]);
    assert_eq!(risk["refused"], refusals.len());
    assert_eq!(risk["taken"].as_u64().unwrap() as usize + refusals.len(), trades.len());
    assert_eq!(risk["breakers"].as_array().unwrap().len(), breakers.len());
    assert!(!refusals.is_empty() && !breakers.is_empty(), "{risk}");
    for refusal in &refusals {
        let trade = trades.iter().find(|trade| trade.trade_id == refusal.trade_id).unwrap();
        assert_eq!((trade.position_size, trade.entry_timestamp), (0.0, refusal.entry_timestamp));
    }
    assert_eq!(trades.iter().filter(|trade| trade.position_size == 0.0).count(), refusals.len());
    // The account never has two positions in a coin, and the shadow trades are those by which the models are judged.
    let mut taken: Vec<_> = trades.iter().filter(|trade| trade.position_size > 0.0).collect();
    taken.sort_by_key(|trade| (&trade.symbol, trade.entry_timestamp));
    for pair in taken.windows(2).filter(|pair| pair[0].symbol == pair[1].symbol) {
        assert!(pair[0].exit_timestamp <= pair[1].entry_timestamp, "{pair:?}");
    }
    for model in &performance {
        let own = || shadow.iter().filter(|trade| trade.symbol == model.symbol && trade.position_size > 0.0);
        let profit: f64 = own().map(|trade| trade.net_profit_gbp).sum();
        assert_eq!(own().count() as i64, model.num_trades, "{}", model.symbol);
        assert!((profit - model.net_profit_gbp).abs() < 0.01, "{profit} {}", model.net_profit_gbp);
    }
}

#[tokio::test]
async fn a_day_on_postgresql_ends_with_the_same_digest_and_rows() {
    let Some(url) = postgres::fresh_database().await else { return };
    let (lite, elephant) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let on_sqlite = answer(&day(lite.path(), &[]));
    let output = command(elephant.path(), &[]).env("HURACAN__BRAIN__URL", &url).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let on_postgres = answer(&output);
    assert_eq!(on_postgres["models_digest"], on_sqlite["models_digest"]);
    let id = |answer: &Value| answer["run_id"].as_str().unwrap().to_owned();
    assert_eq!(
        counts(&url, elephant.path(), &id(&on_postgres)).await,
        counts("sqlite://data/brain.db", lite.path(), &id(&on_sqlite)).await
    );
}

#[test]
fn a_bad_file_fails_its_symbol_alone_and_is_named() {
    let workdir = tempfile::tempdir().unwrap();
    let folder = workdir.path().join("candles");
    std::fs::create_dir(&folder).unwrap();
    for (number, symbol) in ["AAA-USDT", "BBB-USDT", "CCC-USDT"].iter().enumerate() {
        let mut csv = String::from("timestamp,open,high,low,close,volume\n");
        let mut price = 100.0;
        for bar in 0..120_i64 * 24 {
            let open = price;
            price *= 1.0 + (uniform(draw(number as u64, 7, bar as u64)) - 0.5) * 0.02;
            let (high, low) = (open.max(price) * 1.002, open.min(price) * 0.998);
            let broken = *symbol == "CCC-USDT" && bar == 77;
            let low = if broken { -1.0 } else { low };
            csv += &format!("{},{open},{high},{low},{price},1000000\n", 1_704_067_200_000 + bar * 3_600_000);
        }
        std::fs::write(folder.join(format!("{symbol}.csv")), csv).unwrap();
    }
    let output = Command::new(env!("CARGO_BIN_EXE_huracan"))
        .current_dir(workdir.path())
        .args(["run", "--json", "--set", "market.exchange.kind=files", "--set", "market.exchange.path=candles"])
        .args(["--set", "market.lookback_days=120", "--set", "folds.train_days=60", "--set", "models.rounds=5"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    let answer = answer(&output);
    assert_eq!(answer["models"]["trained"], 2);
    let failed = answer["failed"][0].to_string();
    assert!(failed.contains("CCC-USDT") && failed.contains("row 77") && failed.contains("low"), "{failed}");
}

fn verify(workdir: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huracan"));
    command.args(["verify", "--json", "--workdir"]).arg(workdir).args(more);
    command.output().unwrap()
}

#[test]
fn a_model_is_what_its_recorded_inputs_give_and_any_other_is_found_out() {
    let workdir = tempfile::tempdir().unwrap();
    let search =
        ["models.search.configurations=5", "models.search.rungs=2", "models.kind=forest", "models.edge_loss=huber"];
    let more: Vec<&str> = search.iter().flat_map(|setting| ["--set", *setting]).collect();
    let output = day(workdir.path(), &more);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let report = std::fs::read(workdir.path().join("reports/training_report.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    let searched = report["search"].as_array().unwrap();
    assert_eq!(searched.len(), 3, "one row a head");
    assert!(
        searched.iter().all(|row| row["validation_gain"].as_f64() >= Some(0.0) && row["cost"].as_f64() > Some(1.0))
    );
    let moved: u64 = searched.iter().map(|row| row["moved"].as_u64().unwrap()).sum();
    assert!(moved > 0, "five configurations and none better: {report}");

    let models: Vec<PathBuf> = files(&workdir.path().join("models"))
        .into_iter()
        .filter(|f| f.extension().is_some_and(|e| e == "pkl"))
        .collect();
    let model = models[0].to_str().unwrap();
    let verified = verify(workdir.path(), &[model]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified));
    let said = answer(&verified);
    assert_eq!(said["equal"], true);
    assert!(said["checks"].as_array().unwrap().len() >= 6, "{said}");
    assert!(said["device"].as_str().unwrap().contains("plain"));
    #[cfg(feature = "emulated")]
    {
        let said = answer(&verify(workdir.path(), &[model, "--device", "emulated"]));
        assert_eq!(said["equal"], true);
        let by = said["device"].as_str().unwrap();
        assert!(by.starts_with("emulated: ") && by.ends_with(" level by level"), "{by}");
    }

    // Parameters that did not make this model.
    let mut bundle = Bundle::load(&models[0]).unwrap();
    bundle.parameters["win_long"]["seed"] = 8.into();
    let elsewhere = tempfile::tempdir().unwrap();
    let forged = bundle.save(elsewhere.path()).unwrap().pickle;
    let candles = workdir.path().join("data/candles");
    let arguments = [forged.to_str().unwrap(), "--candles", candles.to_str().unwrap()];
    let found = verify(elsewhere.path(), &arguments);
    assert_eq!(found.status.code(), Some(1), "{}", text(&found));
    let unequal = |check: &&Value| check["recorded"] != check["found"];
    let said = answer(&found);
    let unequal: Vec<&Value> = said["checks"].as_array().unwrap().iter().filter(unequal).collect();
    // The head itself, and the coin's own trees, which learn what it leaves over.
    let found: Vec<(&Value, &Value)> = unequal.iter().map(|check| (&check["of"], &check["head"])).collect();
    let head = &Value::from("win_long");
    assert_eq!(found, [(&"model".into(), head), (&"model, own trees".into(), head)], "{said}");

    // Candles that are not those it learned from.
    assert_eq!(verify(elsewhere.path(), &[model]).status.code(), Some(3));
    let of_a_coin = |file: &PathBuf| file.extension().is_some_and(|end| end == "parquet");
    std::fs::remove_file(files(&candles).into_iter().find(of_a_coin).unwrap()).unwrap();
    let gone = verify(workdir.path(), &[model]);
    assert_eq!(gone.status.code(), Some(3));
    assert!(text(&gone).contains("no candles of"), "{}", text(&gone));
}
