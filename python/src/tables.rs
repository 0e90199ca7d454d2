//! What the program computes from candles, as tables.

use std::path::{Path, PathBuf};

use huracan::audit::{Check, Request};
use huracan::bars::Panel;
use huracan::commands;
use huracan::commands::backtest::Models;
use huracan::engine::Compute;
use huracan::exit::CommandFailure;
use huracan::market::symbol_of_text;
use huracan::settings::{Purpose, Settings};
use huracan::ui::Ui;
use polars_core::prelude::{Column, DataFrame, DataType, StringChunked};
use pyo3::prelude::*;

use crate::arrow::Frame;
use crate::candles::{Candles, Source, settings};
use crate::errors::{UsageError, bad_data, exception};
use crate::work;

/// Computes from a panel on the device of the settings.
fn compute<T: Send + 'static>(
    py: Python<'_>,
    what: &str,
    candles: Candles<'_>,
    settings: Settings,
    workdir: PathBuf,
    work: impl FnOnce(&Settings, &Compute, Panel) -> Result<T, CommandFailure> + Send + 'static,
) -> PyResult<T> {
    work::refuse_after_fork(what)?;
    let source = Source::from(candles);
    work::run(py, settings.engine.threads, None, 1, move |_| {
        let all = || {
            let compute = settings.open_device(&workdir)?;
            let panel = source.panel(&settings)?;
            let result = work(&settings, &compute, panel)?;
            commands::fallback::warn_if_lost(&compute);
            Ok(result)
        };
        all().map_err(exception)
    })
}

fn framed(frame: DataFrame) -> Frame {
    Frame { frame }
}

/// The feature catalogue of every bar, or with `view` what models see of it.
#[pyfunction]
pub fn features(
    py: Python<'_>,
    candles: Candles<'_>,
    view: bool,
    config: Vec<PathBuf>,
    overrides: Vec<String>,
    workdir: PathBuf,
) -> PyResult<Frame> {
    let settings = settings(config, overrides, Purpose::Tables)?;
    compute(py, "features", candles, settings, workdir, move |_, compute, panel| {
        commands::features::table(compute, &panel, view)
    })
    .map(framed)
}

/// What a command makes of settings, a device and a panel.
type Maker = fn(&Settings, &Compute, &Panel) -> Result<DataFrame, CommandFailure>;

/// A table that needs nothing but candles and settings.
fn of_candles(
    py: Python<'_>,
    (what, make): (&str, Maker),
    candles: Candles<'_>,
    (config, overrides): (Vec<PathBuf>, Vec<String>),
    workdir: PathBuf,
) -> PyResult<Frame> {
    let settings = settings(config, overrides, Purpose::Tables)?;
    compute(py, what, candles, settings, workdir, move |settings, compute, panel| make(settings, compute, &panel))
        .map(framed)
}

/// The outcome of the unit trade at every bar, long and short.
#[pyfunction]
pub fn labels(
    py: Python<'_>,
    candles: Candles<'_>,
    config: Vec<PathBuf>,
    overrides: Vec<String>,
    workdir: PathBuf,
) -> PyResult<Frame> {
    of_candles(py, ("labels", commands::labels::table), candles, (config, overrides), workdir)
}

/// The votes of all voters, and their consensus.
#[pyfunction]
pub fn votes(
    py: Python<'_>,
    candles: Candles<'_>,
    config: Vec<PathBuf>,
    overrides: Vec<String>,
    workdir: PathBuf,
) -> PyResult<Frame> {
    of_candles(py, ("votes", commands::votes::table), candles, (config, overrides), workdir)
}

/// The walk-forward plan, as the JSON of the command.
#[pyfunction]
pub fn folds(
    py: Python<'_>,
    candles: Candles<'_>,
    config: Vec<PathBuf>,
    overrides: Vec<String>,
    workdir: PathBuf,
) -> PyResult<String> {
    let settings = settings(config, overrides, Purpose::Training)?;
    compute(py, "folds", candles, settings, workdir, |settings, _, panel| {
        Ok(commands::folds::plan(settings, panel).json().to_string())
    })
}

/// Trades of given signals, or without them of the workdir's models; and the JSON of the command.
#[pyfunction]
pub fn backtest(
    py: Python<'_>,
    candles: Candles<'_>,
    signals: Option<Bound<'_, Frame>>,
    include_rejected: bool,
    config: Vec<PathBuf>,
    overrides: Vec<String>,
    workdir: PathBuf,
) -> PyResult<(Frame, String)> {
    let settings = settings(config, overrides, Purpose::Tables)?;
    let signals = signals.map(|signals| table_of_signals(&signals.get().frame)).transpose()?;
    let models = workdir.clone();
    let traded = compute(py, "backtest", candles, settings, workdir, move |settings, compute, panel| {
        let models = Models { workdir: &models, include_rejected };
        commands::backtest::trade(settings, compute, &panel, models, signals.as_ref())
    })?;
    Ok((framed(traded.trades), traded.summary.to_string()))
}

/// Signals, whose symbols are named as those of candles are.
fn table_of_signals(frame: &DataFrame) -> PyResult<commands::Table> {
    let mut frame = frame.clone();
    if let Ok(symbols) = frame.column("symbol").and_then(|column| column.cast(&DataType::String)) {
        let named = |texts: &StringChunked| -> Vec<Option<String>> {
            texts.iter().map(|text| text.map(symbol_of_text)).collect()
        };
        let named = symbols.str().map(named).map_err(bad_data)?;
        frame.with_column(Column::new("symbol".into(), named)).map_err(bad_data)?;
    }
    Ok(commands::Table { path: Path::new("signals").to_owned(), frame })
}

/// Whether results can be believed, as the JSON of the command.
#[pyfunction]
pub fn audit(
    py: Python<'_>,
    candles: Option<Candles<'_>>,
    only: Vec<String>,
    config: Vec<PathBuf>,
    overrides: Vec<String>,
    workdir: PathBuf,
) -> PyResult<String> {
    work::refuse_after_fork("audit")?;
    let settings = settings(config, overrides, Purpose::Training)?;
    let mut request = Request::default();
    if !only.is_empty() {
        let named = |name: &String| {
            let known = Check::ALL.map(Check::name).join(", ");
            let found = Check::ALL.into_iter().find(|check| check.name() == name);
            found.ok_or_else(|| UsageError::new_err(format!("there is no check '{name}'; choose from: {known}")))
        };
        request.checks = only.iter().map(named).collect::<PyResult<_>>()?;
    }
    let source = candles.map(Source::from);
    work::run(py, settings.engine.threads, None, 1, move |_| {
        let all = || {
            let compute = settings.open_device(&workdir)?;
            let panel = source.map(|source| source.panel(&settings)).transpose()?;
            let audit = commands::audit::of(&settings, &compute, panel.as_ref(), &request, &Ui::hidden())?;
            commands::fallback::warn_if_lost(&compute);
            Ok(commands::audit::as_json(&audit).to_string())
        };
        all().map_err(exception)
    })
}
