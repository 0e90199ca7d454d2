//! What tests of a remote under faults and kills have in common.

use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use huracan::arith::draw;

pub const DATE: &str = "2025-11-08";
/// A large file: three parts of an upload.
pub const LARGE_BYTES: usize = 17_000_000;

/// Content of the n-th file: up to 300 bytes, some of them empty, or large.
pub fn content(seed: u64, n: u64, is_large: bool) -> Vec<u8> {
    let length = if is_large { LARGE_BYTES } else { (draw(seed, n, 0) % 300) as usize };
    (0..length).map(|at| (draw(seed, n, 1) >> (at % 8 * 8)) as u8 ^ (at / 251) as u8).collect()
}

/// The program in `workdir`, patient with a remote of which requests fail.
pub fn command(workdir: &Path, line: &str, concurrency: usize, timeout_s: u32) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huracan"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HURACAN__")) {
        command.env_remove(name);
    }
    command.current_dir(workdir).args(line.split_whitespace()).arg("--json");
    for (setting, value) in [
        ("CONCURRENCY", concurrency.to_string()),
        ("RETRIES", "8".to_owned()),
        ("FIRST_PAUSE_MS", "5".to_owned()),
        ("LONGEST_PAUSE_MS", "100".to_owned()),
        ("TIMEOUT_S", timeout_s.to_string()),
    ] {
        command.env(format!("HURACAN__SYNC__{setting}"), value);
    }
    command
}

/// The JSON of a command that ends well.
#[track_caller]
pub fn done(mut command: Command) -> serde_json::Value {
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{command:?}: {told}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{command:?}: {error}: {told}"))
}

/// Waits until the remote holds `wanted` files, which a sync under way sends.
#[track_caller]
pub fn wait_for(wanted: usize, child: &mut Child, there: impl Fn() -> usize) {
    let begun = Instant::now();
    while there() < wanted {
        assert!(child.try_wait().unwrap().is_none(), "the sync ended before {wanted} files were there");
        assert!(begun.elapsed() < Duration::from_secs(120), "the sync is stuck before {wanted} files");
        std::thread::sleep(Duration::from_millis(3));
    }
}
