//! A machine with its disk is lost after a run; the next day's run, on an empty one, goes on where that one ended.

use crate::folder;

use std::path::Path;
use std::process::Command;

use futures::TryStreamExt;
use huracan::brain::{Brain, Journal, MODELS, RUNS, RunRow, RunStatus};
use serde_json::Value;

const DAYS: [&str; 2] = ["2024-08-01", "2024-08-02"];
const SMALL: [&str; 7] = [
    "market.simulated.symbols=14",
    "market.simulated.edge=5.0",
    "market.lookback_days=160",
    "universe.top_n=3",
    "folds.train_days=60",
    "models.rounds=12",
    "brain.feature_days=1",
];

/// The JSON of a command that ends well, and what it told.
#[track_caller]
fn done(workdir: &Path, remote: &Path, line: &str, more: &[&str]) -> (Value, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huracan"));
    command.current_dir(workdir).env_remove("HURACAN__BRAIN__URL").args(line.split_whitespace()).arg("--json");
    for setting in SMALL.iter().chain(more) {
        command.args(["--set", setting]);
    }
    command.arg("--set").arg(format!("sync.remote.path={}", remote.display()));
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{line}: {told}");
    (serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{line}: {error}: {told}")), told)
}

async fn runs(workdir: &Path) -> Vec<RunRow> {
    let brain = Brain::open("sqlite://data/brain.db", workdir, 1).await.unwrap();
    let mut runs: Vec<RunRow> = brain.stream_all(&RUNS).try_collect().await.unwrap();
    runs.sort_by_key(|run| run.started);
    let holder = brain.lock_holder().await.unwrap();
    assert_eq!(holder, None);
    brain.close().await;
    runs
}

#[tokio::test]
async fn a_run_on_an_empty_disk_goes_on_with_the_library_of_the_one_before() {
    let remote = tempfile::tempdir().unwrap();
    let (first, second, third) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (before, told) = done(first.path(), remote.path(), &format!("run --date {}", DAYS[0]), &[]);
    assert!(!told.contains("restored from the remote"), "{told}");
    // Nothing of the copies stays here, and both lie there.
    assert!(!first.path().join("data/copies").exists());
    let there = remote.path().join("Runpodhuracan").join(DAYS[0]).join("data");
    assert!(there.join("brain.db").is_file() && there.join("journal.db").is_file());

    // Somebody asks for the status first, which makes an empty brain.
    done(second.path(), remote.path(), "status", &[]);
    let (after, told) = done(second.path(), remote.path(), &format!("run --date {}", DAYS[1]), &[]);
    assert!(told.contains("restored from the remote, as of the run of 2024-08-01: brain.db, journal.db"), "{told}");
    let seen = runs(second.path()).await;
    assert_eq!(seen.iter().map(|run| run.status).collect::<Vec<_>>(), [RunStatus::Done; 2]);
    assert_eq!(seen[0].run_id, before["run_id"].as_str().unwrap());
    let left = &seen[0].steps["finish"]["left"];
    assert_eq!((&left["models_digest"], &left["trades"]), (&before["models_digest"], &before["trades"]));

    // Every model is held against the one of the day before.
    let brain = Brain::open("sqlite://data/brain.db", second.path(), 1).await.unwrap();
    let journal = Journal::open(&second.path().join("data/journal.db")).await.unwrap();
    let models = brain.rows(&MODELS, after["run_id"].as_str().unwrap()).await.unwrap();
    let both: Vec<_> = {
        let old = brain.rows(&MODELS, before["run_id"].as_str().unwrap()).await.unwrap();
        models.iter().filter(|model| old.iter().any(|old| old.symbol == model.symbol)).collect()
    };
    assert!(!both.is_empty(), "the two days have no coin in common");
    let deltas = journal.model_deltas(after["run_id"].as_str().unwrap()).await.unwrap();
    let compared: Vec<_> = deltas.iter().map(|delta| (&delta.symbol, &delta.previous_run_id)).collect();
    for model in &both {
        assert!(compared.contains(&(&model.symbol, &seen[0].run_id)), "{}: {compared:?}", model.symbol);
        assert!(brain.previous_model(&model.symbol, &seen[1]).await.unwrap().is_some());
    }
    // Models and what was learned of the day before are here, too.
    let files = |folder: &Path| std::fs::read_dir(folder).unwrap().count();
    let (old, all) = (files(&first.path().join("logs/learning")), files(&second.path().join("logs/learning")));
    assert!(old > 0 && all > old, "{old} snapshots of the first day, {all} in all");
    for symbol in before["symbols"].as_array().unwrap() {
        folder::model(second.path(), symbol.as_str().unwrap());
    }
    // What came from there is known to lie there: the first day's snapshot does not go up into the second day's folder.
    let learned = remote.path().join("Runpodhuracan").join(DAYS[1]).join("learning");
    assert_eq!(files(&learned), all - old);
    brain.close().await;
    journal.close().await;

    // `restore` brings the databases of a day; what is here already stays.
    let (answer, _) = done(third.path(), remote.path(), &format!("restore --date {}", DAYS[0]), &[]);
    assert_eq!(answer["databases"], serde_json::json!(["brain.db", "journal.db"]));
    let (status, _) = done(third.path(), remote.path(), "status", &[]);
    assert_eq!((&status["run"]["run_id"], &status["run"]["status"]), (&before["run_id"], &"done".into()), "{status}");
    assert_eq!(status["result"]["models_digest"], before["models_digest"]);
    let (answer, _) = done(third.path(), remote.path(), &format!("restore --date {}", DAYS[1]), &[]);
    assert_eq!(answer["databases"], serde_json::json!([]));
    assert_eq!(runs(third.path()).await.len(), 1);
}

#[tokio::test]
async fn without_copies_an_empty_disk_begins_anew_and_what_cannot_come_back_is_said() {
    let remote = tempfile::tempdir().unwrap();
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let line = format!("run --date {}", DAYS[0]);
    done(first.path(), remote.path(), &line, &["sync.databases=false"]);
    assert!(!remote.path().join("Runpodhuracan").join(DAYS[0]).join("data").exists());
    // A copy that is no database: the run does not begin with an empty library in its place.
    let copy = remote.path().join("Runpodhuracan").join(DAYS[0]).join("data/brain.db");
    std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
    std::fs::write(&copy, "no database").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_huracan"));
    command.current_dir(second.path()).env_remove("HURACAN__BRAIN__URL").args(line.split_whitespace()).arg("--json");
    command.arg("--set").arg(format!("sync.remote.path={}", remote.path().display()));
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("brain.db"), "{told}");
}
