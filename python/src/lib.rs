//! The extension module `huracan._huracan`, on which the Python package in `huracan/` is built.

mod arrow;
mod candles;
mod errors;
mod live;
mod matrix;
mod models;
mod program;
mod tables;
mod work;

use pyo3::prelude::*;

/// What is computed, in Rust; the package `huracan` says what it means.
#[pymodule(gil_used = false)]
mod _huracan {
    #[pymodule_export]
    use super::arrow::Frame;
    #[pymodule_export]
    use super::errors::{DataError, HuracanError, UsageError};
    #[pymodule_export]
    use super::live::{Approved, Market};
    #[pymodule_export]
    use super::models::{Models, fit};
    #[pymodule_export]
    use super::program::run;
    #[pymodule_export]
    use super::tables::{audit, backtest, features, folds, labels, votes};

    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        huracan::commit::set(huracan_commit::commit!());
        huracan::settings::instructions_from_environment().map_err(UsageError::new_err)?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("commit", huracan::commit::get())?;
        super::work::note_process();
        Ok(())
    }
}
