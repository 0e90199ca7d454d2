//! Candles of a caller: a folder of files, or tables in memory.

use std::path::PathBuf;

use huracan::bars::Panel;
use huracan::commands;
use huracan::exit::CommandFailure;
use huracan::settings::{Purpose, Settings, Sources, load};
use polars_core::prelude::DataFrame;
use pyo3::prelude::*;

use crate::arrow::Frame;
use crate::errors::exception;

/// Where candles come from.
#[derive(FromPyObject)]
pub enum Candles<'py> {
    /// A folder.
    Folder(PathBuf),
    /// Tables, each with the symbol of all its rows, or else with a column `symbol`.
    Tables(Vec<(Option<String>, Bound<'py, Frame>)>),
}

/// Candles that have left the interpreter.
pub enum Source {
    Folder(PathBuf),
    Tables(Vec<(Option<String>, DataFrame)>),
}

impl From<Candles<'_>> for Source {
    fn from(candles: Candles<'_>) -> Self {
        match candles {
            Candles::Folder(folder) => Self::Folder(folder),
            Candles::Tables(tables) => {
                Self::Tables(tables.into_iter().map(|(symbol, frame)| (symbol, frame.get().frame.clone())).collect())
            }
        }
    }
}

impl Source {
    /// The candles as a panel.
    pub fn panel(self, settings: &Settings) -> Result<Panel, CommandFailure> {
        self.panel_of(settings, false, None)
    }

    /// As [`Self::panel`], of the bars that have closed at `at_ms`; `simulated` says of tables whether they come from a simulated market, which folders know themselves.
    pub fn panel_of(self, settings: &Settings, simulated: bool, at_ms: Option<i64>) -> Result<Panel, CommandFailure> {
        match self {
            Self::Folder(folder) => commands::read_panel_until(&folder, settings, at_ms),
            Self::Tables(tables) => commands::panel_of(tables, settings, simulated, at_ms),
        }
    }
}

/// The settings of files and of `key.path=value` texts, over the environment and the defaults.
///
/// # Errors
/// `UsageError` with every fault.
pub fn settings(files: Vec<PathBuf>, overrides: Vec<String>, purpose: Purpose) -> PyResult<Settings> {
    load(&Sources { files, overrides, purpose, ..Sources::default() }.with_environment())
        .map_err(|fault| exception(CommandFailure::new(huracan::exit::Code::Usage, fault)))
}
