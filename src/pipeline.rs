//! One whole day: the twelve steps, in order. Every step can be killed at any instruction and done again.

mod background;
mod carry;
mod checkpoints;
mod copies;
mod day;
mod doctor;
mod download;
mod due;
mod entry;
mod export;
mod features;
mod finish;
pub(crate) mod last;
mod learn;
mod patterns;
mod records;
mod report;
mod risk;
mod save;
mod stop;
mod sync;
mod tables;
mod universe;
mod verify;
mod wake;
mod watch;

use std::path::PathBuf;

use chrono::NaiveDate;
use serde_json::Value;

use crate::exit::{Code, Failure};
use crate::notify::Milestone;
use crate::settings::Settings;

pub use due::Due;
pub use entry::{
    Ending, doctor, download_alone, due, export_alone, last, report_alone, restore_alone, run, status, sync_alone,
    universe_alone,
};
pub use verify::{Check, Verified, verify};

use background::Background;
use day::Day;
use stop::Stop;
use sync::Uploads;

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

/// How a command ended well.
#[derive(Debug, Clone)]
pub struct Answer {
    pub code: u8,
    pub json: Value,
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
            day.notifier.tell(&milestone);
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
    day.background = Some(Background::start(&Uploads::of(day), &day.settings.sync.every));
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
