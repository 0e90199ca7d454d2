//! The command line inside of Python.

use std::ffi::OsString;
use std::path::PathBuf;

use huracan::program::{Hosted, set_hosted};
use pyo3::prelude::*;

/// Runs a command line, whose first word is the program, and returns its exit code. `command` starts it again in another process,
/// and `code` is the file of this module.
///
/// Signals do in it what they do in the program: Python does not see them.
#[pyfunction]
pub fn run(py: Python<'_>, words: Vec<OsString>, command: Vec<OsString>, code: PathBuf) -> u8 {
    set_hosted(Hosted { command, code });
    // SAFETY: sets what this process does on Ctrl-C to the system's default, as in a program without Python.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
    py.detach(|| huracan::cli::run(words))
}
