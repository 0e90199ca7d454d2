//! An export's memory does not grow with the history: rows go to the file as they are read.

#[path = "support/rows.rs"]
mod rows;

use std::path::Path;
use std::process::Command;

use huracan::brain::{Brain, Journal};

/// Most memory that any ended child of this process has held, bytes.
fn peak_of_children() -> i64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the structure is ours, and all of its bits may be zero.
    let usage = unsafe {
        assert_eq!(libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr()), 0);
        usage.assume_init()
    };
    usage.ru_maxrss * 1024
}

async fn exported(home: &Path, trades: usize) -> u64 {
    let brain = Brain::open("sqlite://data/brain.db", home, 2).await.expect("opens");
    let journal = Journal::open(&home.join("data/journal.db")).await.expect("opens");
    let run = rows::run("run-1");
    brain.begin_run(&run).await.expect("begins");
    let trades = rows::trades("run-1", trades);
    brain.store_trades("run-1", &trades).await.expect("stores");
    journal.store_trades("run-1", &trades).await.expect("stores");
    journal.close().await;
    brain.close().await;
    std::fs::create_dir_all(home.join("reports")).expect("makes");
    std::fs::write(home.join("reports/performance_analysis.csv"), "a\n1\n").expect("writes");
    let mut command = Command::new(env!("CARGO_BIN_EXE_huracan"));
    command.current_dir(home).env_remove("HURACAN__BRAIN__URL").args(["export", "--json", "--workdir"]).arg(home);
    let output = command.output().expect("starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = home.join("exports/all_trades_complete_2025-11-08.csv");
    std::fs::metadata(file).expect("is there").len()
}

#[tokio::test]
async fn memory_does_not_grow_with_the_trades_that_are_exported() {
    let (few, many) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    exported(few.path(), 5_000).await;
    let small = peak_of_children();
    let bytes = exported(many.path(), 80_000).await;
    let grown = peak_of_children() - small;
    assert!(bytes > 40 << 20, "{bytes} bytes prove nothing");
    assert!(grown < 8 << 20, "{grown} bytes more for {bytes} bytes");
}
