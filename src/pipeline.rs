//! One whole day: the twelve steps, in order. Every step can be killed at any instruction and done again.

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
mod identity;
mod learn;
mod patterns;
mod probes;
mod records;
mod report;
mod risk;
mod save;
mod services;
mod stop;
mod tasks;
mod universe;
mod uploads;
mod wake;
mod watch;

use std::path::PathBuf;

use chrono::NaiveDate;
use futures::future::LocalBoxFuture;

use crate::exit::{Answer, Code, Failure};
use crate::notify::Milestone;
use crate::settings::Settings;

pub use day::ANSWER;
pub(crate) use download::candles_on;
pub(crate) use uploads::Uploads;

use background::Background;
use day::Day;
use stop::Stop;

/// What is asked of a run.
#[derive(Debug, Clone)]
pub struct Request {
    pub workdir: PathBuf,
    /// The day to stand in; today, or the end of a folder's newest candle, where none is given.
    pub date: Option<NaiveDate>,
    pub resume: bool,
    /// Keeps standard output for the result's JSON.
    pub json: bool,
    /// Takes the candles that the store holds: no exchange, no universe.
    pub stored_only: bool,
}

/// Does one day. The future is boxed: this library alone compiles what it does, and not every program that asks.
///
/// # Errors
/// With the exit code of the contract; what was done is saved, and `resume` goes on with it.
pub fn run(settings: Settings, request: Request) -> LocalBoxFuture<'static, Result<Answer, Failure>> {
    Box::pin(whole_day(settings, request))
}

/// The day from its first step to its last; what was done before an error is saved.
async fn whole_day(settings: Settings, request: Request) -> Result<Answer, Failure> {
    // Steps 1 and 2: wake up, and get the tools ready.
    let stop = Stop::watching(request.workdir.clone());
    let mut day = match wake::wake(settings, &request, &stop).await? {
        wake::Woken::Day(day) => day,
        wake::Woken::Complete(answer) => return Ok(answer),
    };
    // What waits when the kill switch is turned is dropped where it stands; what computes looks at `stop` itself.
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
            day.services.notifier.tell(&milestone);
            // A stop that was asked for is no error; the log shows errors to the person, who then need not read twice.
            if failure.code == Code::Interrupted {
                tracing::info!(step = day.step, "the run was interrupted");
            } else {
                tracing::error!(step = day.step, "the run stopped: {}", failure.error);
                failure.told = true;
            }
            day.close(Err(failure)).await
        }
    }
}

async fn steps(day: &mut Day) -> Result<Answer, Failure> {
    // What another machine had trained before it was taken away.
    carry::begin(day).await?;
    // Step 9 goes along from here on.
    day.tasks.uploads = Some(Background::start(&Uploads::of(&day.run, &day.services), &day.run.settings.sync.every));
    // Steps 3 and 4: which coins, and their history.
    let selection = universe::choose(day).await?;
    let panel = download::gather(day, &selection).await?;
    // Step 5.
    let features = features::compute(day, &panel).await?;
    // Step 6: train walk-forward, practise, judge; then a last model on the latest window.
    let learned = learn::learn(day, &panel, &features).await?;
    let patterns = patterns::mine(day, &panel, &features, &learned).await?;
    // Step 7.
    let saved = save::everything(day, &panel, &features, &learned, &patterns).await?;
    let report = report::write(day, &selection, &panel, &learned, &saved, &patterns).await?;
    // Steps 8, 10 and 12, and what is left of 9; 11 goes along with all others.
    export::everything(day, &panel, &learned).await?;
    finish::finish(day, report, &saved).await
}
