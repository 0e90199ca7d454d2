//! Nothing lost, nothing doubled: the program itself against a Dropbox that fails a tenth of all requests, killed again
//! and again.

use crate::sync;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::dropbox::{CLIENT_ID, CLIENT_SECRET, Dropbox, Faults, REFRESH_TOKEN, content_hash};
use crate::sync::DATE;
use futures::TryStreamExt;
use huracan::brain::{Brain, SYNC_MANIFEST, SyncRow};

/// The day of the run on the simulated market.
const DAY: &str = "2024-08-01";
const FILES: u64 = 10_000;
const KILLS: usize = 5;
const CONCURRENCY: usize = 32;
const SEED: u64 = 7;

/// Content of the n-th file; the first is large.
fn content(n: u64) -> Vec<u8> {
    sync::content(SEED, n, n == 0)
}

/// Local and remote path of the n-th file, as the contract lays them out.
fn paths(n: u64) -> (String, String) {
    match n % 10 {
        0 => (format!("exports/file {n}.csv"), format!("{DATE}/exports/file {n}.csv")),
        1 => (format!("data/candles/C{n}-USDT.parquet"), format!("data/candles/C{n}-USDT.parquet")),
        2 => (format!("logs/learning/snapshot_{n}.json"), format!("{DATE}/learning/snapshot_{n}.json")),
        3 => (format!("logs/ä{n}.log"), format!("{DATE}/logs/ä{n}.log")),
        4 => (format!("reports/r{n}.html"), format!("{DATE}/reports/r{n}.html")),
        _ => (format!("models/C{n}/metadata.json"), format!("{DATE}/models/C{n}/metadata.json")),
    }
}

fn command(server: &Dropbox, workdir: &Path, line: &str) -> Command {
    let mut command = sync::command(workdir, line, CONCURRENCY, 2);
    command
        .env("HURACAN_DROPBOX_REFRESH_TOKEN", REFRESH_TOKEN)
        .env("HURACAN_DROPBOX_CLIENT_ID", CLIENT_ID)
        .env("HURACAN_DROPBOX_CLIENT_SECRET", CLIENT_SECRET)
        .env("HURACAN__SYNC__REMOTE__KIND", "dropbox")
        .env("HURACAN__SYNC__REMOTE__ENDPOINT", server.endpoint());
    command
}

/// The JSON of a command that ends well.
#[track_caller]
fn done(server: &Dropbox, workdir: &Path, line: &str) -> serde_json::Value {
    sync::done(command(server, workdir, line))
}

#[test]
fn ten_thousand_files_survive_failing_requests_and_five_kills() {
    let workdir = tempfile::tempdir().unwrap();
    let (mut wanted, mut local_paths) = (BTreeMap::new(), Vec::new());
    for n in 0..FILES {
        let ((local, remote), content) = (paths(n), content(n));
        let path = workdir.path().join(&local);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &content).unwrap();
        wanted.insert(format!("/Runpodhuracan/{remote}"), (content.len(), content_hash(&content)));
        local_paths.push(local);
    }
    let mut faults = Faults::share(SEED, 0.1);
    faults.hang = Duration::from_millis(2500);
    let server = Dropbox::start(faults);
    let line = format!("sync --date {DATE}");

    let begun = Instant::now();
    for kill in 0..KILLS {
        let mut child =
            command(&server, workdir.path(), &line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let wanted = (kill + 1) * FILES as usize / (KILLS + 1);
        sync::wait_for(wanted, &mut child, || server.state().files.files.len());
        child.kill().unwrap();
        child.wait().unwrap();
        server.state().forget_the_pause();
    }
    let answer = done(&server, workdir.path(), &line);
    let seconds = begun.elapsed().as_secs_f64();
    assert_eq!(answer["verified"], FILES, "{answer}");
    assert_eq!(answer["faults"], serde_json::json!([]));
    {
        let state = server.state();
        let there: BTreeMap<_, _> = (state.files.files.values())
            .map(|stored| (stored.path.clone(), (stored.content.len(), content_hash(&stored.content))))
            .collect();
        let lost = wanted.iter().filter(|(path, what)| there.get(*path) != Some(*what)).count();
        let doubles = there.keys().filter(|path| !wanted.contains_key(*path)).count() + state.files.doubled.len();
        let half = (state.files.seen.iter())
            .filter(|(path, size, hash)| wanted.get(path) != Some(&(*size, hash.clone())))
            .count();
        let again = state.files.seen.len() - there.len();
        let failures: u64 = state.failures.values().sum();
        println!(
            "{FILES} files in {seconds:.1} s: {} requests, {failures} failed {:?}, {KILLS} kills, {} tokens; \
             sent again {again} (answers lost {}); impatient={} half visible={half} doubles={doubles} lost={lost}",
            state.requests, state.failures, state.renewals, state.answers_lost, state.impatient
        );
        assert_eq!((lost, doubles, half), (0, 0, 0));
        assert!(failures * 100 > state.requests * 8, "a tenth of all requests should fail");
        assert_eq!(state.failures.len(), 10, "every kind of fault came about");
        // Sent again is only what the program could not know to be there: lost answers, and at each kill what was under
        // way or not yet noted.
        let excused = state.answers_lost + (KILLS * (CONCURRENCY + 500)) as u64;
        assert!(again as u64 <= excused, "{again} sent again, {excused} excused");
    }

    // Once more: the program knows that all is there.
    let requests = server.state().calls["/2/files/upload"];
    let answer = done(&server, workdir.path(), &line);
    assert_eq!((&answer["uploaded"], &answer["unchanged"]), (&0.into(), &FILES.into()), "{answer}");
    assert_eq!(server.state().calls["/2/files/upload"], requests);
    let rows = manifest(workdir.path());
    assert_eq!(rows.len() as u64, FILES);
    assert!(rows.iter().all(|row| row.verified_at.is_some()));

    // Another machine has nothing but the remote.
    let elsewhere = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let answer = done(&server, elsewhere.path(), &format!("restore --date {DATE}"));
    println!("restored in {:.1} s: {answer}", begun.elapsed().as_secs_f64());
    assert_eq!((&answer["written"], &answer["failed"]), (&FILES.into(), &serde_json::json!([])));
    for (n, local) in (0..).zip(&local_paths) {
        assert!(fs::read(elsewhere.path().join(local)).unwrap() == content(n), "{local}");
    }
    let answer = done(&server, elsewhere.path(), &line);
    assert_eq!((&answer["uploaded"], &answer["verified"]), (&0.into(), &FILES.into()), "{answer}");
}

#[tokio::main(flavor = "current_thread")]
async fn manifest(workdir: &Path) -> Vec<SyncRow> {
    let brain = Brain::open("sqlite://data/brain.db", workdir, 1).await.unwrap();
    let rows = brain.stream_all(&SYNC_MANIFEST).try_collect().await.unwrap();
    brain.close().await;
    rows
}

#[test]
fn a_run_uploads_by_four_schedules_and_ends_with_everything_verified() {
    let workdir = tempfile::tempdir().unwrap();
    let server = Dropbox::start(Faults::share(SEED, 0.1));
    let every =
        ["learning", "logs", "models", "candles", "new_candles"].map(|what| format!(" --set sync.every.{what}_s=0.3"));
    let small = [
        "market.simulated.symbols=14",
        "market.simulated.edge=1.0",
        "market.lookback_days=160",
        "universe.top_n=4",
        "folds.train_days=60",
        "models.rounds=12",
        "brain.feature_days=2",
    ]
    .map(|setting| format!(" --set {setting}"));
    let answer = done(&server, workdir.path(), &format!("run --date {DAY}{}{}", small.concat(), every.concat()));
    assert_eq!(answer["simulated"], true, "{answer}");
    let logs: String = (fs::read_dir(workdir.path().join("logs")).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "log"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for schedule in ["learning", "logs", "models", "candles"] {
        let of_it = |line: &&str| {
            let said = ["background upload", "\"uploaded\":", &format!("\"{schedule}\"")];
            said.iter().all(|word| line.contains(word))
        };
        assert!(logs.lines().any(|line| of_it(&line)), "no upload by the schedule {schedule}");
    }
    assert!(!logs.contains("of-a-test"), "a secret is in the logs");
    let below = |folder: &str| -> BTreeMap<String, Vec<u8>> {
        let state = server.state();
        let top = format!("/Runpodhuracan/{folder}/");
        (state.files.files.values())
            .filter_map(|stored| Some((stored.path.strip_prefix(&top)?.to_owned(), stored.content.clone())))
            .collect()
    };
    for (local, remote) in [("exports", "exports"), ("reports", "reports"), ("logs/learning", "learning")] {
        let there = below(&format!("{DAY}/{remote}"));
        let here = fs::read_dir(workdir.path().join(local)).unwrap();
        let mut files = 0;
        for entry in here.map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            assert!(
                there.get(&name).is_some_and(|content| *content == fs::read(entry.path()).unwrap()),
                "{local}/{name}"
            );
            files += 1;
        }
        assert!(files > 0 && files == there.len(), "{local}: {files} here, {} there", there.len());
    }
    let candles = fs::read_dir(workdir.path().join("data/candles")).unwrap().count();
    assert!(candles > 0 && below("data/candles").len() == candles, "{candles} candle files");
}
