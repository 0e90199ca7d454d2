//! The commit that the program was built from, which goes into every model, report and measurement.

use std::sync::OnceLock;

static COMMIT: OnceLock<&'static str> = OnceLock::new();

/// Tells the commit, once, before anything asks: the program alone knows it, so that the library is not compiled anew
/// after every commit.
pub fn set(commit: &'static str) {
    let _ = COMMIT.set(commit);
}

/// The commit; `unknown` where nobody has told it, as in a program that uses the library alone.
pub fn get() -> &'static str {
    COMMIT.get().copied().unwrap_or("unknown")
}
