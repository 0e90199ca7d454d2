//! The result of a command, with the exit codes of docs/contract.md, section 1.

use std::fmt;

use serde_json::Value;

use crate::trainer::TrainerError;

/// The output of a command that did not fail.
#[derive(Debug, Clone)]
pub struct CommandOutput {
    /// Exit code: 0, or that of a partial result.
    pub code: u8,
    /// What `--json` prints.
    pub json: Value,
}

/// The exit code of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Any other failure.
    Failed = 1,
    /// Bad usage or settings.
    Usage = 2,
    /// No usable candles, tables, signals or models.
    BadData = 3,
    /// Done, but some symbols failed.
    Partial = 4,
    /// Stopped by the kill switch.
    Killed = 5,
    /// Interrupted by a signal; the state is saved.
    Interrupted = 130,
}

/// The failure of a command, with its exit code.
#[derive(Debug)]
pub struct CommandFailure {
    /// Exit code.
    pub code: Code,
    /// What failed.
    pub error: anyhow::Error,
    /// Whether the error was already printed.
    pub reported: bool,
}

impl CommandFailure {
    /// A failure with this message.
    pub fn new(code: Code, message: impl fmt::Display) -> Self {
        Self { code, error: anyhow::anyhow!("{message}"), reported: false }
    }
}

impl<E: Into<anyhow::Error>> From<E> for CommandFailure {
    fn from(error: E) -> Self {
        Self { code: Code::Failed, error: error.into(), reported: false }
    }
}

/// Assigns an exit code to an error of the trainer.
pub trait OrCode<T> {
    /// Converts the error into a [`CommandFailure`].
    ///
    /// # Errors
    /// The error. Settings that no job can be trained with are bad usage, cancellation is an interruption.
    fn or_code(self) -> Result<T, CommandFailure>;
}

impl<T> OrCode<T> for Result<T, TrainerError> {
    fn or_code(self) -> Result<T, CommandFailure> {
        self.map_err(|error| {
            let code = match error {
                TrainerError::Parameter(_) => Code::Usage,
                TrainerError::Cancelled => Code::Interrupted,
                TrainerError::Engine(_) | TrainerError::Save { .. } => Code::Failed,
            };
            CommandFailure { code, error: error.into(), reported: false }
        })
    }
}

/// Assigns an exit code to any error.
pub trait OrExit<T> {
    /// Converts the error into a [`CommandFailure`] with this code.
    ///
    /// # Errors
    /// The error, with this code.
    fn or_exit(self, code: Code) -> Result<T, CommandFailure>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, code: Code) -> Result<T, CommandFailure> {
        self.map_err(|error| CommandFailure { code, error: error.into(), reported: false })
    }
}
