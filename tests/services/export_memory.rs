//! An export's memory does not grow with the history: rows go to the file as they are read.

use crate::rows;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use huracan::brain::{Brain, Journal};

/// Runs a command to its end and gives back the most memory that it held, bytes: asked again and again, since what the system
/// says of an ended child counts this process, too, from which it was made.
fn peak_of(command: &mut Command) -> u64 {
    let mut child = command.stdout(Stdio::null()).spawn().expect("starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(kilobytes.unwrap_or(0) * 1024);
        if let Some(ended) = child.try_wait().expect("is ours") {
            assert!(ended.success(), "the export ended with {ended}");
            return peak;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Exports a history of so many trades: the memory that it took, and the bytes of their file.
async fn exported(home: &Path, trades: usize) -> (u64, u64) {
    let brain = Brain::open("sqlite://data/brain.db", home, 2).await.expect("opens");
    let journal = Journal::open(&home.join("data/journal.db")).await.expect("opens");
    let run = rows::run("run-1");
    brain.begin_run(&run).await.expect("begins");
    let trades = rows::trades("run-1", trades);
    brain.store_trades("run-1", &trades, &trades).await.expect("stores");
    journal.store_trades("run-1", &trades).await.expect("stores");
    journal.close().await;
    brain.close().await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_huracan"));
    command.current_dir(home).env_remove("HURACAN__BRAIN__URL").args(["export", "--json", "--workdir"]).arg(home);
    let peak = peak_of(&mut command);
    let file = home.join("exports/all_trades_complete_2025-11-08.csv");
    (peak, std::fs::metadata(file).expect("is there").len())
}

#[tokio::test]
async fn memory_does_not_grow_with_the_trades_that_are_exported() {
    let (few, many) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (small, _) = exported(few.path(), 5_000).await;
    let (large, bytes) = exported(many.path(), 80_000).await;
    assert!(small > 0 && bytes > 32 << 20, "{small} and {bytes} bytes prove nothing");
    let grown = large.saturating_sub(small);
    assert!(grown < 8 << 20, "{grown} bytes more for {bytes} bytes");
}
