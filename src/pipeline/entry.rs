//! The ways in. Their futures are boxed: this library alone compiles what they do, and not every program that asks.

use std::path::Path;

use chrono::{DateTime, Utc};
use futures::future::LocalBoxFuture;

use super::{Answer, Due, Request, tables};
use crate::exit::Failure;
use crate::health::Vitals;
use crate::market::Selection;
use crate::settings::Settings;

/// What a command comes to.
pub type Ending<'a, T> = LocalBoxFuture<'a, Result<T, Failure>>;

/// Does one day.
///
/// # Errors
/// With the exit code of the contract; what was done is saved, and `resume` goes on with it.
pub fn run(settings: Settings, request: Request) -> Ending<'static, Answer> {
    Box::pin(super::whole_day(settings, request))
}

/// Tests every outside dependency; prints one line each.
///
/// # Errors
/// Exit code 1 where a component failed.
pub fn doctor<'a>(settings: &'a Settings, workdir: &'a Path, json: bool) -> Ending<'a, Answer> {
    Box::pin(super::doctor::doctor(settings, workdir, json))
}

/// What is due when the last start of the schedule was at `start`; nothing in a brain without runs, whose first start
/// is the next one.
///
/// # Errors
/// A brain that cannot be opened or read.
pub fn due<'a>(settings: &'a Settings, workdir: &'a Path, start: DateTime<Utc>) -> Ending<'a, Option<Due>> {
    Box::pin(super::due::due(settings, workdir, start))
}

/// The newest run as the brain and `monitoring/` know it; none where no run began yet.
///
/// # Errors
/// A brain that cannot be opened or read.
pub fn last<'a>(settings: &'a Settings, workdir: &'a Path) -> Ending<'a, Option<Vitals>> {
    Box::pin(super::last::last(settings, workdir))
}

/// Chooses the coins and says why not the others; nothing is stored.
///
/// # Errors
/// An exchange that does not answer, and the like.
pub fn universe_alone<'a>(settings: &'a Settings, request: &'a Request) -> Ending<'a, (Selection, Answer)> {
    Box::pin(tables::universe(settings, request))
}

/// Brings the candle store up to date.
///
/// # Errors
/// An exchange that does not answer, or a folder that cannot be written.
pub fn download_alone<'a>(settings: &'a Settings, request: &'a Request) -> Ending<'a, Answer> {
    Box::pin(tables::download(settings, request))
}

/// Writes the reports of the latest run again from its data.
///
/// # Errors
/// A run that is not there, or a folder that cannot be written.
pub fn report_alone<'a>(settings: &'a Settings, request: &'a Request) -> Ending<'a, Answer> {
    Box::pin(tables::report(settings, request))
}

/// Exports the tables for the latest run, of `date` if one is given.
///
/// # Errors
/// A run that is not there, or a file that cannot be written.
pub fn export_alone<'a>(settings: &'a Settings, request: &'a Request) -> Ending<'a, Answer> {
    Box::pin(tables::export(settings, request))
}

/// Uploads what changed and verifies the remote.
///
/// # Errors
/// A remote that cannot be opened or does not answer.
pub fn sync_alone<'a>(settings: &'a Settings, request: &'a Request) -> Ending<'a, Answer> {
    Box::pin(tables::sync(settings, request))
}

/// Brings back what is missing here.
///
/// # Errors
/// A remote that cannot be opened or does not answer.
pub fn restore_alone<'a>(settings: &'a Settings, request: &'a Request, overwrite: bool) -> Ending<'a, Answer> {
    Box::pin(tables::restore(settings, request, overwrite))
}

/// What runs, or how the last run went.
///
/// # Errors
/// A brain that cannot be opened or read.
pub fn status<'a>(settings: &'a Settings, request: &'a Request) -> Ending<'a, Answer> {
    Box::pin(tables::status(settings, request))
}
