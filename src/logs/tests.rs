use std::fs;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::*;

/// The mark is global in the process: tests that use it run one after the other.
static TURN: Mutex<()> = Mutex::new(());

fn logged(level: &str, work: impl FnOnce()) -> (tempfile::TempDir, Vec<Value>) {
    let workdir = tempfile::tempdir().unwrap();
    let (layers, path) = layers(workdir.path(), level, DateTime::UNIX_EPOCH).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layers), work);
    assert!(path.ends_with("logs/engine_monitoring_19700101_000000.log"));
    let lines = read(&path);
    (workdir, lines)
}

fn read(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_line_is_one_json_object_with_the_fields_of_the_event_and_its_span() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, lines) = logged("info", || {
        let span = tracing::info_span!("fold", symbol = "BTC-USDT", fold = tracing::field::Empty);
        let _entered = span.enter();
        span.record("fold", 3);
        tracing::info!(sharpe = 1.25, trades = 40, loss = f64::NAN, level = "own", "Model \"trained\"\nwell");
        tracing::debug!("below the level");
    });
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    assert_eq!(line["message"], "Model \"trained\"\nwell");
    assert_eq!((&line["level"], &line["level_"]), (&Value::from("INFO"), &Value::from("own")));
    assert_eq!(line["symbol"], "BTC-USDT");
    assert_eq!(
        (line["fold"].as_i64(), line["sharpe"].as_f64(), line["trades"].as_i64()),
        (Some(3), Some(1.25), Some(40))
    );
    assert_eq!(line["loss"], "NaN");
    assert_eq!(line["spans"], serde_json::json!(["fold"]));
    assert!(line["target"].as_str().unwrap().starts_with("huracan::logs"));
    assert!(line.get("simulated").is_none());
}

#[test]
fn a_simulated_market_marks_every_line() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    set_simulated(true);
    let (_, lines) = logged("info", || {
        tracing::info!("one");
        tracing::warn!(target: "some_library", "two");
    });
    set_simulated(false);
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line["simulated"] == true));
}

#[test]
fn errors_and_training_have_their_own_files() {
    let (workdir, lines) = logged("info", || {
        tracing::info!(target: TRAINING, "Training BTC-USDT...");
        tracing::info!(target: "huracan_boost::cpu", "round 10");
        tracing::info!(target: "huracan::models", "saved");
        tracing::info!(target: "huracan::sync", "uploaded");
        tracing::warn!("low disk");
        tracing::error!("brain gone");
        tracing::info!(target: "hyper", "GET /bot123:secret");
    });
    let messages =
        |lines: &[Value]| lines.iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let all = ["Training BTC-USDT...", "round 10", "saved", "uploaded", "low disk", "brain gone"];
    assert_eq!(messages(&lines), all);
    let logs = workdir.path().join("logs");
    assert_eq!(messages(&read(&logs.join("training.log"))), all[..3]);
    assert_eq!(messages(&read(&logs.join("error.log"))), ["low disk", "brain gone"]);
}

#[test]
fn lines_are_on_disk_as_soon_as_they_are_logged() {
    let workdir = tempfile::tempdir().unwrap();
    let (layers, path) = layers(workdir.path(), "info", DateTime::UNIX_EPOCH).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layers), || {
        tracing::info!("one");
        assert_eq!(read(&path).len(), 1);
    });
}

#[test]
fn an_unknown_level_is_an_error() {
    let workdir = tempfile::tempdir().unwrap();
    let error = layers(workdir.path(), "loud", DateTime::UNIX_EPOCH).err().unwrap().to_string();
    assert!(error.contains("'loud'") && error.contains("debug"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_loses_lines_without_an_error() {
    let full = Sink::to(fs::File::options().write(true).open("/dev/full").unwrap());
    full.line("{}");
    full.line("{}");
    assert_eq!(full.lost(), 2);
}
