//! What the environment confides to a run shows up nowhere, and what a run writes is its owner's alone.

use crate::postgres;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::folder::files;
use huracan::secret;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

const SMALL: [&str; 8] = [
    "market.simulated.symbols=14",
    "market.lookback_days=160",
    "universe.top_n=2",
    "folds.train_days=60",
    "models.rounds=12",
    "brain.feature_days=2",
    "sync.retries=0",
    "logs.level=trace",
];
const DATABASE_PASSWORD: &str = "very-secret-database-password";

/// A value for each secret that the program knows, unlike any other text.
fn secrets() -> Vec<(&'static str, String)> {
    let value = |name: &str| format!("1234567:secret-of-{}", name.to_lowercase().replace('_', "-"));
    secret::ENVIRONMENT_VARIABLES.iter().map(|name| (*name, value(name))).collect()
}

/// A server that refuses everything and says in its answer all that it was told.
fn gossip() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 8192];
            let length = stream.read(&mut request).unwrap_or(0);
            let told = String::from_utf8_lossy(&request[..length]).into_owned();
            let known: Vec<String> = secrets().into_iter().map(|(_, value)| value).collect();
            let why = format!("{} {}", told.replace(['"', '\r', '\n'], " "), known.join(" "));
            let body = format!(r#"{{"ok":false,"error_code":401,"description":"{why}"}}"#);
            let head = format!("HTTP/1.1 401 Unauthorized\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
            let _ = write!(stream, "{head}Content-Type: application/json\r\n\r\n{body}");
        }
    });
    address
}

fn huracan(workdir: &Path, api: &str, line: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huracan"));
    command.current_dir(workdir).env_remove("HURACAN__BRAIN__URL").envs(secrets()).env("HURACAN_TELEGRAM_API", api);
    command.args(line).arg("--workdir").arg(workdir);
    for setting in SMALL.into_iter().chain(["notify.telegram.chat_id=7"]) {
        command.args(["--set", setting]);
    }
    command
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Fails where a secret stands in `bytes`; of each, its telling end is looked for.
#[track_caller]
fn tells_nothing(what: &str, bytes: &[u8]) {
    for (name, value) in secrets() {
        let end = value.split_once(':').unwrap().1;
        assert!(!holds(bytes, end), "{what} tells {name}: {}", String::from_utf8_lossy(bytes));
    }
    assert!(!holds(bytes, DATABASE_PASSWORD), "{what} tells the database's password");
}

#[track_caller]
fn said_nothing(what: &str, output: &Output) {
    tells_nothing(&format!("stdout of {what}"), &output.stdout);
    tells_nothing(&format!("stderr of {what}"), &output.stderr);
}

/// Every row of every table as text.
async fn dump(url: &str) -> String {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'";
    let tables: Vec<(String,)> = sqlx::query_as(sql).fetch_all(&mut connection).await.unwrap();
    let mut all = String::new();
    for (table,) in tables {
        let rows = format!("SELECT t::text FROM \"{table}\" t");
        let rows: Vec<(String,)> = sqlx::query_as(AssertSqlSafe(rows)).fetch_all(&mut connection).await.unwrap();
        rows.into_iter().for_each(|(row,)| all += &row);
    }
    all
}

#[tokio::test]
async fn no_secret_of_the_environment_is_in_anything_that_a_run_wrote_or_said() {
    let (workdir, api) = (tempfile::tempdir().unwrap(), gossip());
    let workdir = workdir.path();
    let output = huracan(workdir, &api, &["run", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    said_nothing("a run", &output);
    // The bot's refusals are in the log, so that this test has something to find.
    let written = files(workdir);
    let logs: Vec<u8> =
        written.iter().filter(|f| f.ends_with("logs/error.log")).flat_map(|f| std::fs::read(f).unwrap()).collect();
    assert!(holds(&logs, "Telegram refused the request") && holds(&logs, "***"), "{}", String::from_utf8_lossy(&logs));
    assert!(written.len() > 60, "{}", written.len());
    for file in &written {
        tells_nothing(&file.display().to_string(), &std::fs::read(file).unwrap());
        let mode = std::fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} is open to others: {mode:o}", file.display());
    }
    for command in ["doctor", "status"] {
        said_nothing(command, &huracan(workdir, &api, &[command, "--json"]).output().unwrap());
        said_nothing(command, &huracan(workdir, &api, &[command]).output().unwrap());
    }
    // A remote that refuses the keys and repeats them.
    let endpoint = format!("sync.remote.endpoint={api}");
    for command in ["run", "doctor", "restore"] {
        let set = ["--set", "sync.remote.kind=s3", "--set", "sync.remote.path=bucket", "--set", &endpoint];
        let output = huracan(workdir, &api, &[command]).args(set).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        said_nothing(command, &output);
    }
}

#[tokio::test]
async fn the_databases_password_is_in_nothing_either() {
    let Some(url) = postgres::fresh_database().await else { return };
    let with_password = url.replace("huracan@", &format!("huracan:{DATABASE_PASSWORD}@"));
    let (workdir, api) = (tempfile::tempdir().unwrap(), gossip());
    let workdir = workdir.path();
    let run = |line: &[&str], url: &str| huracan(workdir, &api, line).env("HURACAN__BRAIN__URL", url).output().unwrap();
    let output = run(&["run", "--json"], &with_password);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    said_nothing("a run", &output);
    for file in files(workdir) {
        tells_nothing(&file.display().to_string(), &std::fs::read(&file).unwrap());
    }
    let dump = dump(&url).await;
    assert!(dump.len() > 10_000);
    tells_nothing("the database", dump.as_bytes());
    // Nobody listens there: the error names the address.
    let nobody = format!("postgres://huracan:{DATABASE_PASSWORD}@127.0.0.1:1/x");
    for command in ["run", "status", "doctor"] {
        let output = run(&[command], &nobody);
        assert_eq!(output.status.code(), Some(1), "{command}");
        said_nothing(command, &output);
    }
}
