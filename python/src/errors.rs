//! Failures of commands as Python's exceptions, with the same text.

use huracan::exit::{Code, CommandFailure};
use pyo3::create_exception;
use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

create_exception!(huracan, HuracanError, PyRuntimeError, "Something failed: a device, a file, a remote.");
create_exception!(
    huracan,
    UsageError,
    PyValueError,
    "An argument or a setting cannot be used; all faulty settings are named at once."
);
create_exception!(
    huracan,
    DataError,
    PyValueError,
    "Candles, tables, signals or models cannot be used; each one is named."
);

/// The exception of a failure.
pub fn exception(failure: CommandFailure) -> PyErr {
    let text = huracan::secret::redact(failure.error.to_string());
    match failure.code {
        Code::Usage => UsageError::new_err(text),
        Code::BadData | Code::Partial => DataError::new_err(text),
        Code::Interrupted => PyKeyboardInterrupt::new_err(text),
        Code::Failed | Code::Killed => HuracanError::new_err(text),
    }
}

/// Bad data, as an exception.
pub fn bad_data(fault: impl std::fmt::Display) -> PyErr {
    DataError::new_err(fault.to_string())
}
