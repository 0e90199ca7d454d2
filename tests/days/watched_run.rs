//! A run that is watched: by health checks, by Prometheus, and by a Telegram chat whose server misbehaves.

use crate::python;

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::folder::files;
use huracan::brain::{Brain, EVENTS, HEALTH_CHECKS};
use serde_json::Value;

const TOKEN: &str = "7351:never-to-be-written-anywhere";
const COMPONENTS: [&str; 7] = ["database", "exchange", "remote", "disk", "memory", "gpu", "models"];
const PATIENCE: Duration = Duration::from_secs(120);

fn start(workdir: &Path, api: &str, more: &[String]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huracan"));
    command.current_dir(workdir).env_remove("HURACAN__BRAIN__URL");
    command.env("HURACAN_TELEGRAM_TOKEN", TOKEN).env("HURACAN_TELEGRAM_API", api);
    command.args(["run", "--json", "--date", "2024-08-01", "--workdir"]).arg(workdir);
    for setting in [
        "market.simulated.symbols=8",
        "market.lookback_days=160",
        "universe.top_n=3",
        "folds.train_days=60",
        "models.rounds=100",
        "brain.feature_days=1",
        "notify.telegram.chat_id=-7",
        "health.interval_s=1",
        "logs.level=trace",
    ] {
        command.args(["--set", setting]);
    }
    for setting in more {
        command.args(["--set", setting]);
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// A Bot API that never says what it should: overload, faults, refusals that quote the token, nonsense, cut
/// connections, silence. Returns its address and the requests that it got.
fn bad_api() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = heard.clone();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for (turn, stream) in listener.incoming().flatten().enumerate() {
            let mut stream = stream;
            let mut request = [0; 4096];
            let n = stream.read(&mut request).unwrap_or(0);
            log.lock().unwrap().push(String::from_utf8_lossy(&request[..n]).into_owned());
            let refused = format!(r#"{{"ok":false,"error_code":400,"description":"no chat for /bot{TOKEN}/"}}"#);
            let (status, body) = match turn % 6 {
                0 => ("500 Internal Server Error", format!("<html>/bot{TOKEN}/sendMessage</html>")),
                1 => ("400 Bad Request", refused),
                2 => ("200 OK", format!(r#"{{"ok":"/bot{TOKEN}/"}}"#)),
                3 => (
                    "429 Too Many Requests",
                    r#"{"ok":false,"error_code":429,"description":"slow","parameters":{"retry_after":2}}"#.to_owned(),
                ),
                4 => continue,
                _ => {
                    kept.push(stream);
                    continue;
                }
            };
            let length = body.len();
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        }
    });
    (address, heard)
}

/// A Bot API that takes every message. Returns its address and the texts that it got.
fn good_api() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let texts = heard.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = Vec::new();
            let mut piece = [0; 4096];
            // A message is one small JSON object, so its end is the last brace of the body.
            while !request.ends_with(b"}") {
                match stream.read(&mut piece) {
                    Ok(n) if n > 0 => request.extend_from_slice(&piece[..n]),
                    _ => break,
                }
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            let body = request.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            if let Some(text) =
                serde_json::from_str::<Value>(body).ok().and_then(|body| Some(body["text"].as_str()?.to_owned()))
            {
                texts.lock().unwrap().push(text);
            }
            let body = r#"{"ok":true,"result":{"message_id":1,"date":0,"chat":{"id":-7,"type":"group","title":"g"}}}"#;
            let length = body.len();
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        }
    });
    (address, heard)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).unwrap()
}

#[test]
fn what_is_learned_is_told_as_it_happens_and_stands_in_snapshots_and_exports() {
    let folder = tempfile::tempdir().unwrap();
    let workdir = folder.path();
    let (api, heard) = good_api();
    let output = start(workdir, &api, &["patterns.enabled=false", "universe.top_n=2"].map(String::from))
        .wait_with_output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let symbols: Vec<&str> = answer["symbols"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
    assert_eq!(symbols.len(), 2);

    // Messages are a second apart, so there are few coins. The pool first, then each coin, with numbers in order; verdicts come when all have practised.
    let texts = heard.lock().unwrap().clone();
    let place =
        |what: &str| texts.iter().position(|text| text.contains(what)).unwrap_or_else(|| panic!("{what}: {texts:?}"));
    let mut places = vec![place("Starting training"), place("Training the pool of")];
    places.extend((1..=2).map(|number| place(&format!("… ({number}/2)"))));
    places.extend((1..=2).map(|number| place(&format!("model trained {number}/2"))));
    places.push(place("model judged"));
    assert!(places.is_sorted(), "{texts:?}");
    // Milestones that wait together are one message.
    assert_eq!(texts.join("\n").matches("model judged").count(), 2, "{texts:?}");

    // A coin's snapshot has its own time, not before the run's first second nor another coin's, and its model's features.
    let snapshots: Vec<Value> = files(&workdir.join("logs/learning")).iter().map(|path| json(path)).collect();
    let log =
        files(&workdir.join("logs")).into_iter().find(|path| path.to_string_lossy().contains("engine_monitoring_"));
    let begun =
        log.expect("the log of the run").file_stem().unwrap().to_string_lossy().replace("engine_monitoring_", "");
    let mut times = HashSet::new();
    for symbol in &symbols {
        let own: Vec<&Value> = snapshots
            .iter()
            .filter(|one| one["symbol"] == **symbol && one["features"].as_object().is_some_and(|f| !f.is_empty()))
            .collect();
        assert_eq!(own.len(), 1, "{symbol}: {snapshots:?}");
        let time = own[0]["timestamp"].as_str().unwrap();
        let digits: String = time.chars().filter(char::is_ascii_digit).take(14).collect();
        assert!(digits >= begun.replace('_', ""), "{symbol} was trained at {time}, and the run began at {begun}");
        assert!(times.insert(time), "{symbol} has another coin's time {time}");
        let metadata = files(&workdir.join("models"))
            .into_iter()
            .find(|path| path.ends_with(Path::new(symbol).join("metadata.json")))
            .map(|path| json(&path))
            .unwrap();
        assert!(metadata["feature_importance_believed"].is_boolean(), "{symbol}");
    }

    let results = json(&workdir.join("exports/backtest_2024-08-01.json"));
    assert_eq!(results["symbols"].as_array().unwrap().len(), 2);
    assert_eq!(results["trades_file"], "backtest_2024-08-01.csv");
    let universe = &json(&workdir.join("exports/comprehensive_metrics_2024-08-01.json"))["universe"];
    assert_eq!(universe["chosen"].as_array().unwrap().len(), 2, "{universe}");
    let excluded = universe["excluded"].as_array().unwrap();
    assert!(!excluded.is_empty(), "{universe}");
    assert_eq!(universe["considered"], 8, "{universe}");
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn scrape(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}

/// Pages of the metrics while the run works, until one satisfies; what `status` says then; how the run ended.
fn watched(mut child: Child, workdir: &Path, port: u16, enough: impl Fn(&str) -> bool) -> (String, Value, Output) {
    let (begun, mut page) = (Instant::now(), String::new());
    while child.try_wait().unwrap().is_none() && !enough(&page) {
        assert!(begun.elapsed() < PATIENCE, "nothing like it in\n{page}");
        page = scrape(port).unwrap_or(page);
        std::thread::sleep(Duration::from_millis(20));
    }
    let status = status(workdir);
    assert!(child.try_wait().unwrap().is_none(), "the run has ended before anybody could look");
    (page, status, child.wait_with_output().unwrap())
}

#[tokio::test]
async fn a_run_is_seen_by_prometheus_and_by_its_health_and_never_held_up_by_telegram() {
    let workdir = tempfile::tempdir().unwrap();
    let (api, heard) = bad_api();
    let port = free_port();
    let child = start(workdir.path(), &api, &[format!("health.metrics_port={port}")]);
    let enough = |page: &str| page.contains("huracan_step_total") && page.contains("component=\"models\"");
    let (page, seen, output) = watched(child, workdir.path(), port, enough);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(enough(&page), "{page}");
    assert_eq!(seen["run"]["status"], "running", "{seen}");
    assert!(seen["working"].as_str().is_some_and(|run| run.contains("2024-08-01")), "{seen}");

    // Whatever Telegram's server did, it was asked, it was noted, and the token stands nowhere.
    assert!(heard.lock().unwrap().iter().any(|request| request.contains(TOKEN)), "the token is in the address");
    let log = std::fs::read_to_string(workdir.path().join("logs/error.log")).unwrap();
    assert!(log.contains("a notification was given up"), "{log}");
    let mut written = vec![("stderr".into(), output.stderr.clone()), ("stdout".into(), output.stdout.clone())];
    written.extend(files(workdir.path()).into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())));
    assert!(written.len() > 40, "{} files", written.len());
    for (path, bytes) in &written {
        let found = bytes.windows(TOKEN.len()).any(|piece| piece == TOKEN.as_bytes());
        assert!(!found, "the token is in {}", path.display());
    }

    health_is_in_the_files_and_in_the_brain(workdir.path()).await;
    let after = status(workdir.path());
    assert_eq!((&after["run"]["status"], &after["working"]), (&"done".into(), &Value::Null), "{after}");
    assert!(after["health"]["unwell"].is_array() && after["result"]["models"]["trained"] == 3, "{after}");

    let Some(python) = python::python_with("prometheus_client") else { return };
    let file = workdir.path().join("metrics.txt");
    std::fs::write(&file, &page).unwrap();
    let samples: Vec<Value> = serde_json::from_str(&python::run(&python, "parse_metrics.py", &[&file])).unwrap();
    let value = |name: &str, label: &str, is: &str| {
        let sample = samples.iter().find(|s| s[0] == name && (label.is_empty() || s[1][label] == is));
        sample.unwrap_or_else(|| panic!("no {name} {is} in\n{page}"))[2].as_f64().unwrap()
    };
    assert_eq!(value("huracan_run_state", "state", "running"), 1.0);
    assert_eq!(value("huracan_simulated", "", ""), 1.0);
    assert!(value("huracan_step_total", "", "") >= value("huracan_step_done", "", ""));
    assert!(value("huracan_resident_memory_bytes", "", "") > 1e6);
    for component in COMPONENTS {
        let is = samples.iter().filter(|s| s[0] == "huracan_component_status" && s[1]["component"] == component);
        assert_eq!(is.map(|s| s[2].as_f64().unwrap()).sum::<f64>(), 1.0, "{component} is in one state");
    }
    assert!(samples.iter().all(|s| s[3] == "gauge" && !s[4].as_str().unwrap().is_empty()), "{page}");
}

async fn health_is_in_the_files_and_in_the_brain(workdir: &Path) {
    let checks: Vec<Value> = files(&workdir.join("monitoring"))
        .iter()
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("health_check_"))
        .flat_map(|path| serde_json::from_slice::<Vec<Value>>(&std::fs::read(path).unwrap()).unwrap())
        .collect();
    for component in COMPONENTS {
        // The first round, and the one in the step of its own.
        let rounds = checks.iter().filter(|check| check["component"] == component).count();
        assert!(rounds >= 2, "{component}: {rounds} rounds");
    }
    for field in ["timestamp", "component", "status", "latency_ms", "error_rate", "data_gaps", "model_load_time_ms"] {
        assert!(checks.iter().all(|check| check.get(field).is_some()), "{field}");
    }
    let loaded = checks.last().unwrap()["model_load_time_ms"].as_f64();
    assert!(loaded.is_some_and(|ms| ms > 0.0), "the models that the run left are loaded back");

    let brain = Brain::open("sqlite://data/brain.db", workdir, 2).await.unwrap();
    let run = brain.latest_run(None).await.unwrap().unwrap();
    let rows = brain.rows(&HEALTH_CHECKS, &run.run_id).await.unwrap();
    assert_eq!(rows.len(), checks.len(), "the brain has what the files have");
    assert!(rows.iter().all(|row| row.simulated));
    let events = brain.rows(&EVENTS, &run.run_id).await.unwrap();
    for kind in ["run_started", "run_ended"] {
        assert_eq!(events.iter().filter(|event| event.kind == kind).count(), 1, "{kind}");
    }
    brain.close().await;
}

fn status(workdir: &Path) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huracan"));
    command.current_dir(workdir).env_remove("HURACAN__BRAIN__URL");
    let output = command.args(["status", "--json", "--workdir"]).arg(workdir).output().unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn a_port_that_is_taken_is_said_and_does_not_stop_the_run() {
    let workdir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let child = start(workdir.path(), "http://127.0.0.1:1", &[format!("health.metrics_port={port}")]);
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("health.metrics_port"), "{told}");
}
