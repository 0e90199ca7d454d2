//! The running program: how another process of it is started, and which file its code is in.
//!
//! Both are this executable, unless the command line runs inside another one, as in Python.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// A program whose code another executable has loaded.
#[derive(Debug)]
pub struct Hosted {
    /// The executable, and the arguments that come before those of the command line.
    pub command: Vec<OsString>,
    /// The file of the code.
    pub code: PathBuf,
}

static HOSTED: OnceLock<Hosted> = OnceLock::new();

/// Says, once and before anything else, that another executable runs the command line.
pub fn set_hosted(hosted: Hosted) {
    let _ = HOSTED.set(hosted);
}

/// A command that starts another process of this program, without arguments.
///
/// # Errors
/// The system does not name this executable.
pub fn command() -> io::Result<Command> {
    let Some((first, rest)) = HOSTED.get().and_then(|hosted| hosted.command.split_first()) else {
        return Ok(Command::new(std::env::current_exe()?));
    };
    let mut command = Command::new(first);
    command.args(rest);
    Ok(command)
}

/// The file of this program's code, by whose content results of one build are told from those of another.
///
/// # Errors
/// The system does not name this executable.
pub fn code() -> io::Result<PathBuf> {
    HOSTED.get().map_or_else(std::env::current_exe, |hosted| Ok(hosted.code.clone()))
}
