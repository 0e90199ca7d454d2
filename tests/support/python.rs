//! The Python that peers run in: found, or the test is skipped with the remedy.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::Command;

const SETUP: &str =
    "run scripts/setup-python, or point HURACAN_TEST_PYTHON at a Python with tests/python/requirements.txt";

/// A Python that has `module`, looked for in `HURACAN_TEST_PYTHON`, the environment of `scripts/setup-python`, and
/// the path. None where there is none: the test says that it was skipped, and fails with `HURACAN_TEST_REQUIRE=1`.
pub fn python_with(module: &str) -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("HURACAN_TEST_PYTHON") {
        let python = PathBuf::from(named);
        // A Python that was asked for by name must do: falling back would test something else.
        assert!(has(&python, module), "HURACAN_TEST_PYTHON={} cannot import {module}; {SETUP}", python.display());
        return Some(python);
    }
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    let installed = cache.map(|cache| cache.join("huracan/venv/bin/python"));
    let mut candidates = installed.into_iter().chain([PathBuf::from("python3")]);
    if let Some(python) = candidates.find(|python| has(python, module)) {
        return Some(python);
    }
    crate::skip::skip(&format!("no Python with {module}; {SETUP}"));
    None
}

/// Runs a script of `tests/python` and returns what it printed.
///
/// # Panics
/// The script fails; its messages are shown.
pub fn run(python: &Path, script: &str, arguments: &[&Path]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(script);
    // Threads that wait for each other are slow beside the other tests.
    let output = Command::new(python)
        .arg(&path)
        .args(arguments)
        .env("OMP_NUM_THREADS", "1")
        .output()
        .expect("Python was found before");
    assert!(output.status.success(), "{script} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn has(python: &Path, module: &str) -> bool {
    Command::new(python).args(["-c", &format!("import {module}")]).output().is_ok_and(|out| out.status.success())
}
