//! What a test does where something that it needs from outside is missing.
#![allow(dead_code)]

use std::io::Write;

/// Reports that a test, or a part of it, is skipped, with the reason and the remedy. `scripts/test` lists these lines at
/// its end.
///
/// # Panics
/// With `HURACAN_TEST_REQUIRE=1`: then nothing may be skipped.
#[track_caller]
pub fn skip(what: &str) {
    assert!(std::env::var("HURACAN_TEST_REQUIRE").as_deref() != Ok("1"), "{what}");
    // Straight to the terminal: the harness hides what passing tests print.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
}
