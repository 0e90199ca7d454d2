//! Step 6: trains walk-forward, trades the out-of-fold predictions, judges each model, and trains the final ones.

use std::collections::HashMap;
use std::sync::Mutex;

use chrono::NaiveDate;
use serde_json::json;

use super::CommandFailure;
use super::checkpoints::Checkpoints;
use super::day::Day;
use super::forward::{self, Forward};
use super::scratch::give_back_memory;
use super::services::Services;
use super::snapshots::Snapshots;
use super::stop::Stop;
use crate::bars::Panel;
use crate::brain::RunLock;
use crate::exit::{Code, OrCode};
use crate::features::Features;
use crate::kill;
use crate::neural::TrainingState;
use crate::notify::{Milestone, Notifier};
use crate::trainer::{
    Model, NetworkName, Observer, OutOfFold, SaveError, TrainedSymbol, TrainedSymbols, TrainerError, TrainerParams,
    Tuning, WalkForward,
};
use crate::ui::Step;

/// Trained coins after which free memory is given back to the system: the models that stay lie among what training needed for a while.
const GIVE_BACK_EVERY: usize = 128;

/// The result of step 6.
pub type Learned = OutOfFold;

pub async fn learn(day: &mut Day, panel: &Panel, features: &Features) -> Result<(Learned, Forward), CommandFailure> {
    let params = TrainerParams { nights: nights(day).await?, ..day.run.settings.trainer() };
    let compute = day.services.compute.clone();
    day.step = "folds".to_owned();
    let all_symbols: Vec<usize> = (0..panel.symbols.len()).collect();
    let walk =
        tokio::task::block_in_place(|| WalkForward::new(&params, &compute, panel, features, &all_symbols, true))?;
    for (symbol, error) in walk.too_short() {
        day.fail(&panel.symbols[*symbol], error);
    }
    day.panel_digest = panel.digest();
    let checkpoints = Checkpoints::of(&day.run.workdir, &day.panel_digest, &day.run.row.settings_digest);

    let tuning = tune(day, &params, &walk, &checkpoints).await?;
    let trained = train(day, panel, &walk, &tuning, &checkpoints).await?;
    let mut forward = forward::score(day, panel, &walk).await?;
    tracing::info!("{}", forward.note());
    if forward.lacks_inputs() {
        day.event("warn", "forward_inputs", forward.note());
    }
    let learned = practise(day, panel, walk, trained, &forward).await?;
    forward.challenge(panel, &learned, day.run.settings.decide.mode);
    day.services.brain.store_forward(&day.run.row.run_id, &forward.rows).await?;
    Ok((learned, forward))
}

/// How many independent tests the nights of this market amount to: 1 + ln((T + t)/T) for runs that test T days each, with t days
/// between the earliest and the latest day that was run, since the best of a random walk's values between two times grows with the logarithm of their ratio.
async fn nights(day: &Day) -> Result<f64, CommandFailure> {
    let days = day.services.brain.days_of_runs(&day.run.row).await?;
    let settings = &day.run.settings;
    Ok(independent_nights(days, settings.market.lookback_days.saturating_sub(settings.folds.train_days)))
}

/// The number of independent tests of runs for days between the first and the last one, each of which tests so many days.
fn independent_nights((first, last): (NaiveDate, NaiveDate), tested_days: u32) -> f64 {
    let between = (last - first).num_days().max(0) as f64;
    let tested = f64::from(tested_days).max(1.0);
    1.0 + crate::arith::ln((tested + between) / tested)
}

/// Searches for hyperparameters if the settings demand it. Uses the checkpoint of an earlier search on the same candles and
/// settings.
async fn tune(
    day: &mut Day,
    params: &TrainerParams,
    walk: &WalkForward<'_>,
    checkpoints: &Checkpoints,
) -> Result<Tuning, CommandFailure> {
    if !walk.has_search() {
        return Ok(Tuning::default());
    }
    let models = walk.search_batch().model_count() as u64;
    let step = day.begin("tune", Some(models)).await?;
    let mut by = String::new();
    let entries = match checkpoints.load_tuning() {
        Some(entries) => {
            step.advance(models);
            entries
        }
        None => {
            let observer = TrainingObserver::new(day, &step, None);
            let found = tokio::task::block_in_place(|| walk.search(&observer));
            let (entries, trained_by) = observer.outcome(found)?;
            if !trained_by.is_empty() {
                by = format!("; {trained_by}");
            }
            checkpoints.save_tuning(&entries)?;
            entries
        }
    };
    let moved = entries.iter().filter(|entry| entry.chosen.changed).count();
    step.note(&format!(
        "{} configurations, other hyperparameters for {moved} of {} heads{by}",
        params.models.search.configurations,
        entries.len()
    ));
    day.end(step, json!({ "models": models, "moved": moved })).await?;
    Ok(Tuning::new(entries))
}

/// Trains all symbols. Uses the checkpoints of an earlier run on the same candles and settings.
async fn train(
    day: &mut Day,
    panel: &Panel,
    walk: &WalkForward<'_>,
    tuning: &Tuning,
    checkpoints: &Checkpoints,
) -> Result<TrainedSymbols, CommandFailure> {
    let models = walk.model_count();
    let step = day.begin("train", Some(models as u64)).await?;
    let snapshots = Snapshots::of(day);
    let observer =
        TrainingObserver { snapshots: Some(&snapshots), ..TrainingObserver::new(day, &step, Some(checkpoints)) };
    let done = tokio::task::block_in_place(|| walk.train(tuning, &observer));
    let done = observer.outcome(done)?;
    for (symbol, reason) in &done.failed {
        day.fail(&panel.symbols[*symbol], reason);
    }
    day.services.stop.check()?;
    if done.trained.is_empty() {
        let reasons: Vec<String> =
            day.failures.iter().take(5).map(|failure| format!("{}: {}", failure.symbol, failure.reason)).collect();
        let message = format!("no model could be trained; for instance:\n{}", reasons.join("\n"));
        return Err(CommandFailure::new(Code::BadData, message));
    }
    checkpoints.delete_others();
    checkpoints.delete_networks();
    let by = if done.trained_by.is_empty() { String::new() } else { format!("; {}", done.trained_by) };
    let total = done.trained.len() + done.failed.len();
    step.note(&format!("{models} models, {} of {total} coins from checkpoints{by}", done.reused));
    day.end(step, json!({ "models": models, "reused": done.reused })).await?;
    Ok(done)
}

/// Trades the out-of-fold predictions, and reports each verdict.
async fn practise(
    day: &mut Day,
    panel: &Panel,
    walk: WalkForward<'_>,
    done: TrainedSymbols,
    forward: &Forward,
) -> Result<Learned, CommandFailure> {
    let step = day.begin("practise", Some(done.trained.len() as u64)).await?;
    let stop = day.services.stop.clone();
    give_back_memory();
    let learned = tokio::task::block_in_place(|| {
        walk.out_of_fold(done.trained, &forward.evidence(panel), &|| stop.why_killed())
    })?;
    // The kill switch may have ended the portfolio early, which makes it useless.
    day.services.stop.check()?;
    learned.models.iter().for_each(|model| report_model(&day.services.notifier, model));
    let passed = learned.models.iter().filter(|model| model.verdict.is_approved()).count();
    day.services.notifier.send(&Milestone::TrainingComplete { passed, failed: learned.models.len() - passed });
    step.advance(learned.models.len() as u64);
    let trades = learned.ledger.decided().len();
    let lacks = if forward.lacks_inputs() { format!("; {}", forward.note()) } else { String::new() };
    step.note(&format!("{trades} trades, {passed} of {} models approved{lacks}", learned.models.len()));
    day.end(step, json!({ "trades": trades, "approved": passed })).await?;
    Ok(learned)
}

fn report_model(notifier: &Notifier, model: &Model) {
    let m = &model.metrics;
    tracing::info!(
        target: crate::logs::TRAINING,
        symbol = model.trained.symbol,
        sharpe = m.sharpe,
        win_rate = m.trades.win_rate,
        trades = m.trades.count,
        approved = model.verdict.is_approved(),
        "model judged"
    );
    notifier.send(&Milestone::Judged {
        symbol: model.trained.symbol.clone(),
        sharpe: (m.trades.count > 0).then_some(m.sharpe),
        win_rate: (m.trades.count > 0).then_some(m.trades.win_rate),
        approved: model.verdict.is_approved(),
    });
}

/// Connects the trainer to the run: progress, messages, checkpoints, and the reasons to stop.
struct TrainingObserver<'a> {
    workdir: &'a std::path::Path,
    stop: &'a Stop,
    lock: &'a RunLock,
    notifier: &'a Notifier,
    step: &'a Step,
    checkpoints: Option<&'a Checkpoints>,
    snapshots: Option<&'a Snapshots>,
    /// Number of each symbol of this training, and of symbols in all.
    numbers: Mutex<HashMap<String, (usize, usize)>>,
    /// Why training was cancelled.
    failure: Mutex<Option<CommandFailure>>,
}

impl<'a> TrainingObserver<'a> {
    fn new(day: &'a Day, step: &'a Step, checkpoints: Option<&'a Checkpoints>) -> Self {
        let Services { stop, lock, notifier, .. } = &day.services;
        Self {
            workdir: &day.run.workdir,
            stop,
            lock,
            notifier,
            step,
            checkpoints,
            snapshots: None,
            numbers: Mutex::default(),
            failure: Mutex::new(None),
        }
    }

    /// The result of training, or if it was cancelled, the reason.
    fn outcome<T>(self, found: Result<T, TrainerError>) -> Result<T, CommandFailure> {
        match found {
            Err(TrainerError::Cancelled) => {
                self.stop.check()?;
                let failure = self.failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
                Err(failure.unwrap_or_else(|| CommandFailure::new(Code::Interrupted, TrainerError::Cancelled)))
            }
            found => found.or_code(),
        }
    }
}

impl Observer for TrainingObserver<'_> {
    fn is_cancelled(&self) -> bool {
        self.stop.is_requested()
    }

    fn may_continue(&self) -> bool {
        let check = || -> Result<(), CommandFailure> {
            self.stop.check()?;
            self.lock.check()?;
            kill::check(self.workdir)
        };
        match check() {
            Ok(()) => true,
            Err(failure) => {
                *self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(failure);
                false
            }
        }
    }

    fn models_done(&self, count: u64) {
        self.step.advance(count);
    }

    fn note(&self, text: &str) {
        self.step.note(text);
    }

    fn pool_started(&self, symbols: usize) {
        self.notifier.send(&Milestone::TrainingPool { symbols });
    }

    fn symbol_started(&self, symbol: &str, number: usize, total: usize) {
        let mut numbers = self.numbers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        numbers.insert(symbol.to_owned(), (number, total));
        self.notifier.send(&Milestone::Training { symbol: symbol.to_owned(), number, total });
    }

    fn load_symbol(&self, symbol: &str) -> Option<TrainedSymbol> {
        self.checkpoints?.load(symbol)
    }

    fn save_symbol(&self, trained: &TrainedSymbol) -> Result<(), SaveError> {
        // The snapshot first: a symbol with a checkpoint is not trained again, and a snapshot that is there is replaced.
        if let Some(snapshots) = self.snapshots {
            snapshots.write(trained)?;
        }
        self.checkpoints.map_or(Ok::<(), SaveError>(()), |checkpoints| Ok(checkpoints.save(trained)?))?;
        tracing::info!(target: crate::logs::TRAINING, symbol = trained.symbol, "model trained");
        let numbers = self.numbers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(&(number, total)) = numbers.get(&trained.symbol) {
            if number % GIVE_BACK_EVERY == 1 {
                give_back_memory();
            }
            self.notifier.send(&Milestone::SymbolTrained { symbol: trained.symbol.clone(), number, total });
        }
        Ok(())
    }

    fn saves_networks(&self) -> bool {
        self.checkpoints.is_some()
    }

    fn load_network(&self, name: &NetworkName<'_>) -> Option<TrainingState> {
        self.checkpoints?.load_network(name)
    }

    fn save_network(&self, name: &NetworkName<'_>, state: &TrainingState) -> Result<(), SaveError> {
        self.checkpoints.map_or(Ok(()), |checkpoints| Ok(checkpoints.save_network(name, state)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nights_count_the_days_between_runs_in_whatever_order_they_were_started() {
        let first = "2024-06-30".parse::<NaiveDate>().unwrap();
        // Days that each run tests, days between the first and the last run, and 1 + ln of their ratio, worked out elsewhere.
        let table = [
            (245, 0, 1.0),
            (245, 1, 1.004_073),
            (245, 30, 1.115_513),
            (245, 245, 1.693_147),
            (245, 730, 2.381_179),
            (1, 9, 3.302_585),
            (0, 9, 3.302_585),
        ];
        for (tested, between, known) in table {
            let found = independent_nights((first, first + chrono::Days::new(between)), tested);
            assert!((found - known).abs() < 1e-6, "{tested} {between}: {found}");
        }
    }
}
