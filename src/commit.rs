//! The commit that the program was built from. It is recorded in every model, report and measurement.

use std::sync::OnceLock;

static COMMIT: OnceLock<&'static str> = OnceLock::new();

/// Sets the commit, once, before it is read. Only the binary knows it, so that the library is not compiled again
/// after every commit.
pub fn set(commit: &'static str) {
    let _ = COMMIT.set(commit);
}

/// The commit; `unknown` if it was not set, as in a program that uses only the library.
pub fn get() -> &'static str {
    COMMIT.get().copied().unwrap_or("unknown")
}
