//! What would be done now, for bots.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use huracan::commands::signal::{Moment, begin, is_killed, load, terms};
use huracan::exit::{Code, CommandFailure};
use huracan::live::{Account, LiveMarket, LiveModels, answer, answer_table};
use huracan::settings::{Purpose, Settings};
use pyo3::prelude::*;

use crate::arrow::Frame;
use crate::candles::{Candles, Source, settings};
use crate::errors::{HuracanError, bad_data, exception};
use crate::work;

/// The approved models of a folder, and the settings that they are asked with.
#[pyclass(frozen)]
pub struct Approved {
    models: Arc<LiveModels>,
    settings: Settings,
    workdir: PathBuf,
}

#[pymethods]
impl Approved {
    #[staticmethod]
    fn load(
        py: Python<'_>,
        folder: PathBuf,
        config: Vec<PathBuf>,
        overrides: Vec<String>,
        workdir: PathBuf,
    ) -> PyResult<Self> {
        work::refuse_after_fork("Models")?;
        let settings = settings(config, overrides, Purpose::Tables)?;
        let models = work::run(py, settings.engine.threads, None, 1, move |_| load(&folder).map_err(exception))?;
        // Whoever changes the working folder later means the same kill switch.
        let workdir = std::fs::canonicalize(&workdir).unwrap_or(workdir);
        Ok(Self { models, settings, workdir })
    }

    #[getter]
    fn simulated(&self) -> bool {
        self.models.simulated
    }

    #[getter]
    fn symbols(&self) -> Vec<String> {
        self.models.approved.iter().map(|model| model.bundle.symbol.clone()).collect()
    }

    #[getter]
    fn rejected(&self) -> Vec<String> {
        self.models.rejected.iter().cloned().collect()
    }

    /// The market of a history at a moment: a time as text, `newest`, or now.
    fn follow(&self, py: Python<'_>, candles: Candles<'_>, at: Option<&str>) -> PyResult<Market> {
        work::refuse_after_fork("Models.follow")?;
        let moment = moment(at)?;
        let source = Source::from(candles);
        let models = Arc::clone(&self.models);
        let (terms, mut settings) = terms(&self.settings, &models).map_err(exception)?;
        let own = settings.clone();
        let market = work::run(py, settings.engine.threads, None, 1, move |_| {
            let simulated = models.simulated;
            let panel = source.panel_of(&own, simulated, moment.at_ms()).map_err(exception)?;
            begin(panel, models, terms, moment).map_err(exception)
        })?;
        settings.market.timeframe = market.panel().timeframe;
        settings.explicit.insert("market.timeframe".to_owned());
        let market = Arc::new(Mutex::new(market));
        Ok(Market { market, settings, workdir: self.workdir.clone(), models: Arc::clone(&self.models) })
    }
}

/// A market that is followed bar by bar.
#[pyclass(frozen)]
pub struct Market {
    market: Arc<Mutex<LiveMarket>>,
    settings: Settings,
    workdir: PathBuf,
    models: Arc<LiveModels>,
}

impl Market {
    /// Works with the market beside the interpreter.
    fn with<T: Send + 'static>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut LiveMarket) -> Result<T, CommandFailure> + Send + 'static,
    ) -> PyResult<T> {
        work::refuse_after_fork("a market")?;
        let market = Arc::clone(&self.market);
        work::run(py, self.settings.engine.threads, None, 1, move |_| work(&mut *locked(&market)?).map_err(exception))
    }
}

#[pymethods]
impl Market {
    /// Open of the newest bar, milliseconds since 1970 UTC.
    #[getter]
    fn newest_ms(&self, py: Python<'_>) -> PyResult<i64> {
        self.with(py, |market| Ok(market.newest_ms()))
    }

    #[getter]
    fn symbols(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.with(py, |market| Ok(market.panel().symbols.clone()))
    }

    /// Symbols without the newest bar.
    #[getter]
    fn stale(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        self.with(py, |market| Ok(market.stale().into_iter().map(str::to_owned).collect()))
    }

    /// Adds the bars that have closed at a moment and are not there yet; returns how many.
    fn add(&self, py: Python<'_>, candles: Candles<'_>, at: Option<&str>) -> PyResult<usize> {
        let moment = moment(at)?;
        let (source, settings) = (Source::from(candles), self.settings.clone());
        self.with(py, move |market| {
            let next_closes = market.newest_ms() + 2 * market.panel().timeframe.ms();
            if moment.at_ms().is_some_and(|at_ms| at_ms < next_closes) {
                // Whatever is given is there already, or still forming.
                return Ok(0);
            }
            let panel = source.panel_of(&settings, market.panel().simulated, moment.at_ms())?;
            let until_ms = match moment {
                Moment::At(at_ms) => at_ms,
                Moment::Newest => i64::MAX,
            };
            market.add_all(&panel, until_ms).map_err(|fault| CommandFailure::new(Code::BadData, fault))
        })
    }

    /// The answers at a moment, with the account as JSON.
    fn signals(&self, py: Python<'_>, account: Option<String>, at: Option<&str>) -> PyResult<Frame> {
        let moment = moment(at)?;
        let account =
            account.map(|json| Account::parse(json.as_bytes(), "the account")).transpose().map_err(bad_data)?;
        let (workdir, models) = (self.workdir.clone(), Arc::clone(&self.models));
        let frame = self.with(py, move |market| {
            if let Moment::At(at_ms) = moment {
                market.check_fresh(at_ms).map_err(|fault| CommandFailure::new(Code::BadData, fault))?;
            }
            let answers = answer(market, account.as_ref(), is_killed(&workdir, &models))
                .map_err(|reason| CommandFailure::new(Code::BadData, reason))?;
            Ok(answer_table(&answers, market.panel().simulated)?)
        })?;
        Ok(Frame { frame })
    }
}

/// The market, unless a panic has left it half changed.
fn locked(market: &Mutex<LiveMarket>) -> PyResult<MutexGuard<'_, LiveMarket>> {
    let broken =
        || HuracanError::new_err("an earlier call has failed in the middle: begin again with the whole history");
    market.lock().map_err(|_| broken())
}

fn moment(at: Option<&str>) -> PyResult<Moment> {
    at.map_or(Ok(Moment::now()), Moment::parse).map_err(|why| exception(CommandFailure::new(Code::Usage, why)))
}
