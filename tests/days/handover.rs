//! A machine is taken away in the midst of training; another one goes on with nothing but the remote and the database.

use crate::folder;
use crate::postgres;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use chrono::{Timelike, Utc};
use futures::TryStreamExt;
use huracan::brain::{Brain, RUNS, RunRow};
use serde_json::Value;

/// Two batches of coins, each long enough to be stopped in.
const LONG: [&str; 12] = [
    // A pool is trained in one piece; coins by themselves are trained in batches.
    "models.scope=coin",
    "market.simulated.symbols=40",
    "market.simulated.edge=1.0",
    "market.lookback_days=160",
    "universe.top_n=16",
    "folds.train_days=60",
    "folds.test_days=30",
    "folds.step_days=30",
    "models.rounds=200",
    "models.early_stopping=0",
    "brain.feature_days=2",
    "sync.retries=1",
];
/// Whoever takes a machine away waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// What outlives a machine.
struct Lasting {
    folder: tempfile::TempDir,
    brain: String,
}

impl Lasting {
    fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let brain = format!("sqlite://{}", folder.path().join("brain.db").display());
        Self { folder, brain }
    }

    fn remote(&self) -> PathBuf {
        self.folder.path().join("remote")
    }

    fn checkpoints(&self) -> Vec<PathBuf> {
        files(&self.remote().join("Runpodhuracan/2024-08-01/checkpoints"))
    }

    fn command(&self, workdir: &Path, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_huracan"));
        command.current_dir(workdir).env("HURACAN__BRAIN__URL", &self.brain);
        command.env("HURACAN__SYNC__REMOTE__PATH", self.remote());
        command.args(["run", "--json", "--date", "2024-08-01", "--workdir"]).arg(workdir);
        for setting in LONG {
            command.args(["--set", setting]);
        }
        command.args(more).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    async fn runs(&self) -> Vec<RunRow> {
        let brain = Brain::open(&self.brain, self.folder.path(), 2).await.unwrap();
        let runs = brain.stream_all(&RUNS).try_collect().await.unwrap();
        brain.close().await;
        runs
    }
}

/// Files below `folder` but for those that are just being written.
fn files(folder: &Path) -> Vec<PathBuf> {
    let whole = |path: &PathBuf| !path.file_name().unwrap().to_string_lossy().starts_with('.');
    folder::files(folder).into_iter().filter(whole).collect()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn answer(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}\n{}", text(output), output.status))
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// Waits until `seen` says so; fails when the run ends before.
fn wait_until(child: &mut Child, what: &str, seen: impl Fn() -> bool) {
    let begun = Instant::now();
    while !seen() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before {what}");
        assert!(begun.elapsed() < Duration::from_secs(120), "{what} never came");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The digest of a run that nobody disturbed.
fn undisturbed() -> Value {
    static DIGEST: std::sync::OnceLock<Value> = std::sync::OnceLock::new();
    let train = || {
        let (workdir, lasting) = (tempfile::tempdir().unwrap(), Lasting::on_sqlite());
        let output = lasting.command(workdir.path(), &[]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        assert!(lasting.checkpoints().is_empty(), "a run that ended well leaves no checkpoints");
        answer(&output)["models_digest"].clone()
    };
    DIGEST.get_or_init(train).clone()
}

/// The run goes on in an empty folder, and ends as the undisturbed one.
async fn goes_on(lasting: &Lasting) {
    let there = lasting.checkpoints().len();
    assert!(there > 0, "no checkpoint on the remote");
    let workdir = tempfile::tempdir().unwrap();
    let output = lasting.command(workdir.path(), &["--resume"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(answer(&output)["models_digest"], undisturbed());
    let runs = lasting.runs().await;
    assert_eq!(runs.len(), 1, "it is the same run");
    let reused = runs[0].steps["train"]["left"]["reused"].as_u64().unwrap();
    println!("{there} checkpoints on the remote, {reused} coins not trained again");
    assert_eq!(reused, there as u64);
    assert!(lasting.checkpoints().is_empty(), "nobody needs them any more");
}

/// Starts a run, asks it to leave once a symbol is trained, and holds it to its time.
fn leaves(command: &mut Command, workdir: &Path) -> Output {
    let mut child = command.spawn().unwrap();
    let local = workdir.join("data/checkpoints");
    wait_until(&mut child, "a checkpoint", || !files(&local).is_empty());
    signal(&child, "-TERM");
    let begun = Instant::now();
    let output = child.wait_with_output().unwrap();
    let took = begun.elapsed();
    println!("gone {} ms after SIGTERM", took.as_millis());
    assert_eq!(output.status.code(), Some(130), "{}", text(&output));
    assert!(took < PATIENCE, "{took:?}");
    output
}

async fn asked_to_leave(lasting: Lasting) {
    let workdir = tempfile::tempdir().unwrap();
    leaves(&mut lasting.command(workdir.path(), &[]), workdir.path());
    assert_eq!(lasting.runs().await[0].status.name(), "interrupted");
    // Every symbol that was trained, and what was known before.
    assert_eq!(lasting.checkpoints().len(), files(&workdir.path().join("data/checkpoints")).len());
    let remote = lasting.remote().join("Runpodhuracan");
    // The candles of 16 coins, and the terms of their market.
    assert_eq!(files(&remote.join("data/candles")).len(), 16 + 1);
    assert!(!files(&remote.join("2024-08-01/logs")).is_empty());
    drop(workdir);
    goes_on(&lasting).await;
}

#[tokio::test]
async fn a_machine_that_is_taken_away_hands_its_run_over_by_the_remote_and_sqlite() {
    asked_to_leave(Lasting::on_sqlite()).await;
}

#[tokio::test]
async fn a_machine_that_is_taken_away_hands_its_run_over_by_the_remote_and_postgresql() {
    let Some(brain) = postgres::fresh_database().await else { return };
    asked_to_leave(Lasting { brain, ..Lasting::on_sqlite() }).await;
}

#[tokio::test]
async fn a_machine_that_vanishes_without_a_word_leaves_the_checkpoints_of_before() {
    let lasting = Lasting::on_sqlite();
    let workdir = tempfile::tempdir().unwrap();
    let mut child = lasting.command(workdir.path(), &[]).spawn().unwrap();
    wait_until(&mut child, "a checkpoint on the remote", || !lasting.checkpoints().is_empty());
    signal(&child, "-KILL");
    child.wait().unwrap();
    drop(workdir);
    goes_on(&lasting).await;
}

/// An S3 that takes folders, knows no file, and never answers a request about checkpoints.
fn deaf_remote() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut hung = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let line = request.lines().next().unwrap_or_default();
            let status = match line {
                _ if line.contains("checkpoints") => {
                    hung.push(stream);
                    continue;
                }
                _ if line.starts_with("PUT") => "200 OK",
                _ => "404 Not Found",
            };
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    address
}

#[test]
fn a_remote_that_does_not_answer_does_not_hold_the_exit_up() {
    let (lasting, workdir, endpoint) = (Lasting::on_sqlite(), tempfile::tempdir().unwrap(), deaf_remote());
    let endpoint = format!("sync.remote.endpoint={endpoint}");
    let mut command = lasting.command(workdir.path(), &["--set", "sync.remote.kind=s3", "--set", &endpoint]);
    command.env("HURACAN__SYNC__REMOTE__PATH", "bucket");
    command.env("HURACAN_S3_ACCESS_KEY_ID", "key-of-a-test").env("HURACAN_S3_SECRET_ACCESS_KEY", "secret-of-a-test");
    let output = leaves(&mut command, workdir.path());
    assert!(text(&output).contains("checkpoint"), "{}", text(&output));
}

/// The schedule on a small market, its next start a day less ten minutes from now; metrics at this port.
fn schedule_at(workdir: &Path, port: u16) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huracan"));
    let start = Utc::now() - chrono::Duration::minutes(10);
    let at = format!("schedule.at_utc={:02}:{:02}", start.hour(), start.minute());
    command.current_dir(workdir).env_remove("HURACAN__BRAIN__URL").args(["schedule", "--workdir"]).arg(workdir);
    for setting in LONG.iter().filter(|setting| !setting.contains("top_n") && !setting.contains("rounds")) {
        command.args(["--set", setting]);
    }
    command.args(["--set", "universe.top_n=2", "--set", "models.rounds=12", "--set", &at]);
    command.arg("--set").arg(format!("health.metrics_port={port}"));
    command.stdout(Stdio::null()).stderr(std::fs::File::create(workdir.join("said")).unwrap()).spawn().unwrap()
}

fn schedule(workdir: &Path) -> Child {
    schedule_at(workdir, 0)
}

/// What Prometheus gets at this port; none where nobody answers.
fn metrics(port: u16) -> Option<String> {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").ok()?;
    let mut page = String::new();
    stream.read_to_string(&mut page).ok()?;
    Some(page)
}

async fn with_brain<T>(workdir: &Path, act: impl AsyncFnOnce(&Brain) -> T) -> T {
    let brain = Brain::open("sqlite://data/brain.db", workdir, 2).await.unwrap();
    let done = act(&brain).await;
    brain.close().await;
    done
}

/// Runs by their state.
async fn states(workdir: &Path) -> BTreeMap<String, usize> {
    with_brain(workdir, async |brain| {
        let runs: Vec<RunRow> = brain.stream_all(&RUNS).try_collect().await.unwrap();
        let mut states = BTreeMap::new();
        for run in runs {
            *states.entry(run.status.name().to_owned()).or_default() += 1;
        }
        states
    })
    .await
}

async fn rewrite(workdir: &Path, sql: &str) {
    with_brain(workdir, async |brain| {
        let nothing: Vec<_> = brain.query("a test", sql, &[], &[]).try_collect().await.unwrap();
        assert!(nothing.is_empty());
    })
    .await;
}

/// Lets the schedule come to its rest, and ends it; gives back what it said.
fn rests_and_ends(mut child: Child, workdir: &Path) -> String {
    let said = || std::fs::read_to_string(workdir.join("said")).unwrap();
    wait_until(&mut child, "the wait for the next start", || said().contains("next run"));
    signal(&child, "-TERM");
    let begun = Instant::now();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{}", said());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    said()
}

#[tokio::test]
async fn a_missed_start_is_caught_up_once_and_a_run_that_was_cut_off_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let workdir = folder.path();
    // A brain without runs: the first start is the next one.
    let said = rests_and_ends(schedule(workdir), workdir);
    assert!(!said.contains("missed"), "{said}");
    let one = |state: &str, n: usize| BTreeMap::from([(state.to_owned(), n)]);
    assert_eq!(states(workdir).await, BTreeMap::new());

    // The last run was the day before.
    let (now, day) = (Utc::now().timestamp_millis(), 86_400_000);
    let yesterday = RunRow {
        started: huracan::brain::time_of_ms(now - day),
        status: huracan::brain::RunStatus::Done,
        ..RunRow::new("yesterday".to_owned(), Utc::now().date_naive().pred_opt().unwrap())
    };
    with_brain(workdir, async |brain| brain.begin_run(&yesterday).await.unwrap()).await;
    let said = rests_and_ends(schedule(workdir), workdir);
    assert_eq!(said.matches("was missed: catching up").count(), 1, "{said}");
    assert_eq!(states(workdir).await, one("done", 2), "{said}");

    // Done, it is not owed again; and the metrics tell of it until the next start.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut child = schedule_at(workdir, port);
    wait_until(&mut child, "the metrics between two runs", || metrics(port).is_some());
    let page = metrics(port).unwrap();
    let next = (Utc::now() + chrono::Duration::minutes(24 * 60 - 10)).timestamp() as f64;
    let told = page.lines().find_map(|line| line.strip_prefix("huracan_schedule_next_start_timestamp_seconds "));
    let told: f64 = told.expect("the next start").parse().unwrap();
    assert!((told - next).abs() < 120.0, "{told} is not {next}");
    for line in ["huracan_run_state{state=\"done\"} 1", "huracan_run_state{state=\"running\"} 0", "huracan_simulated 1"]
    {
        assert!(page.lines().any(|found| found == line), "no '{line}' in\n{page}");
    }
    assert!(
        page.contains("huracan_step_seconds{step=\"universe\"}") && page.contains("huracan_last_success_"),
        "{page}"
    );
    let said = rests_and_ends(child, workdir);
    assert_eq!(metrics(port), None);
    assert!(!said.contains("missed"), "{said}");
    assert_eq!(states(workdir).await, one("done", 2), "{said}");

    // A signal reaches the run through the schedule, and the next schedule goes on with it.
    rewrite(workdir, "UPDATE runs SET started = started - 86400000 WHERE run_id <> 'yesterday'").await;
    let mut child = schedule(workdir);
    let said = || std::fs::read_to_string(workdir.join("said")).unwrap();
    wait_until(&mut child, "the run's first step", || said().contains("universe"));
    signal(&child, "-TERM");
    let begun = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{}", said());
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    let cut_off = states(workdir).await;
    assert_eq!(cut_off, BTreeMap::from([("done".to_owned(), 2), ("interrupted".to_owned(), 1)]), "{}", said());
    let said = rests_and_ends(schedule(workdir), workdir);
    assert!(said.contains("was cut off: resuming it") && said.contains("resuming the run of"), "{said}");
    assert_eq!(states(workdir).await, one("done", 3), "{said}");
}
