//! How a command ends: the exit codes of the contract.

use std::fmt;

use serde_json::Value;

use crate::trainer::TrainerError;

/// How a command ended well.
#[derive(Debug, Clone)]
pub struct Answer {
    pub code: u8,
    pub json: Value,
}

/// What went wrong, in the terms of the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    Failed = 1,
    /// Bad usage or settings.
    Usage = 2,
    BadData = 3,
    /// Done, but some symbols failed.
    Partial = 4,
    Killed = 5,
    Interrupted = 130,
}

/// A command's failure, with its exit code.
#[derive(Debug)]
pub struct Failure {
    pub code: Code,
    pub error: anyhow::Error,
    /// Whether the person has read it already.
    pub told: bool,
}

impl Failure {
    pub fn new(code: Code, message: impl fmt::Display) -> Self {
        Self { code, error: anyhow::anyhow!("{message}"), told: false }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { code: Code::Failed, error: error.into(), told: false }
    }
}

/// Gives an error of the trainer its exit code.
pub trait OrCode<T> {
    /// # Errors
    /// The error: settings that no job can be trained with are bad usage, cancellation is an interruption.
    fn or_code(self) -> Result<T, Failure>;
}

impl<T> OrCode<T> for Result<T, TrainerError> {
    fn or_code(self) -> Result<T, Failure> {
        self.map_err(|error| {
            let code = match error {
                TrainerError::Parameter(_) => Code::Usage,
                TrainerError::Cancelled => Code::Interrupted,
                TrainerError::Engine(_) | TrainerError::Save { .. } => Code::Failed,
            };
            Failure { code, error: error.into(), told: false }
        })
    }
}

/// Gives an error an exit code other than 1.
pub trait OrExit<T> {
    /// # Errors
    /// The error, with this code.
    fn or_exit(self, code: Code) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, code: Code) -> Result<T, Failure> {
        self.map_err(|error| Failure { code, error: error.into(), told: false })
    }
}
