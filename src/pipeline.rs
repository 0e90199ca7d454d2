//! A run: one whole day in twelve steps. Every step can be killed at any instruction and done again.

mod background;
mod board;
mod carrier;
mod carry;
mod checkpoints;
pub(crate) mod copies;
mod day;
mod download;
mod export;
mod features;
mod finish;
mod forward;
mod identity;
mod learn;
mod patterns;
mod probes;
mod records;
mod report;
mod risk;
mod save;
mod scratch;
mod services;
mod snapshots;
mod stop;
mod tasks;
mod universe;
mod uploads;
mod wake;
mod watch;

use std::path::PathBuf;

use chrono::NaiveDate;
use futures::future::LocalBoxFuture;

use crate::exit::{Code, CommandFailure, CommandOutput};
use crate::notify::Milestone;
use crate::settings::Settings;

pub use day::ANSWER;
pub(crate) use download::candles_on;
pub(crate) use uploads::Uploads;

use background::Background;
use day::Day;
use scratch::Scratch;
use stop::Stop;

/// The arguments of a run.
#[derive(Debug, Clone)]
pub struct Request {
    /// Folder that holds everything a run keeps.
    pub workdir: PathBuf,
    /// The day to stand in; none for today, or with candles from files the end of the newest one.
    pub date: Option<NaiveDate>,
    /// Resume the day's unfinished run.
    pub resume: bool,
    /// Standard output is for the result's JSON.
    pub json: bool,
    /// Use the candles of the store, without an exchange and without selecting a universe.
    pub stored_only: bool,
}

/// Does one day. The future is boxed so that its code is compiled here once, and not again in every program that calls it.
///
/// # Errors
/// A failure with an exit code of docs/contract.md, section 1. What was done until then is saved, for a run with `resume`.
pub fn run(settings: Settings, request: Request) -> LocalBoxFuture<'static, Result<CommandOutput, CommandFailure>> {
    Box::pin(whole_day(settings, request))
}

/// The day from its first step to its last. What was done before an error is saved.
async fn whole_day(settings: Settings, request: Request) -> Result<CommandOutput, CommandFailure> {
    // Steps 1 and 2: wake up, and get the tools ready.
    let stop = Stop::watching(request.workdir.clone());
    let mut day = match wake::wake(settings, &request, &stop).await? {
        wake::WakeOutcome::Day(day) => day,
        wake::WakeOutcome::Complete(answer) => return Ok(answer),
    };
    // The kill switch drops a step at its next await. Computations check `stop` themselves.
    let outcome = tokio::select! {
        biased;
        failure = stop.killed() => Err(failure),
        failure = stop.overdue() => Err(failure),
        outcome = steps(&mut day) => outcome,
    };
    carry::end(&mut day, outcome.as_ref().err().map(|failure| failure.code)).await;
    match outcome {
        Ok(answer) => day.close(Ok(answer)).await,
        Err(mut failure) => {
            let milestone = match failure.code {
                Code::Killed => Milestone::KillSwitch { why: failure.error.to_string() },
                _ => Milestone::Failed { step: day.step.clone(), reason: failure.error.to_string() },
            };
            day.services.notifier.send(&milestone);
            // A requested stop is not an error. An error in the log is printed too, so it is not printed again at the end.
            if failure.code == Code::Interrupted {
                tracing::info!(step = day.step, "the run was interrupted");
            } else {
                tracing::error!(step = day.step, "the run stopped: {}", failure.error);
                failure.reported = true;
            }
            day.close(Err(failure)).await
        }
    }
}

async fn steps(day: &mut Day) -> Result<CommandOutput, CommandFailure> {
    // Checkpoints of another machine that worked on this run.
    carry::begin(day).await?;
    // Step 9 works in the background from here on.
    day.tasks.uploads = Some(Background::start(&Uploads::of(&day.run, &day.services), &day.run.settings.sync.every));
    // Steps 3 and 4: which coins, and their history.
    let selection = universe::choose(day).await?;
    let panel = download::gather(day, &selection).await?;
    let _scratch = Scratch::of(&day.run.settings, &day.run.workdir, &panel);
    // Step 5.
    let features = features::compute(day, &panel).await?;
    // Step 6: train walk-forward, trade, judge; train the final models on the latest window.
    let (learned, forward) = learn::learn(day, &panel, &features).await?;
    let patterns = patterns::mine(day, &panel, &learned).await?;
    // Step 7.
    let saved = save::save(day, &panel, &features, &learned, &patterns).await?;
    let report = report::write(day, &selection, &panel, &learned, &forward, &saved, &patterns).await?;
    // Steps 8, 10 and 12, and the rest of 9. Step 11, messages, is part of all others.
    export::export(day, &panel, &learned, &report).await?;
    finish::finish(day, report, &saved).await
}
