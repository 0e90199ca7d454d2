//! Step 6: train walk-forward, trade the out-of-fold predictions, judge each model, train the one to hand on.

use std::sync::Mutex;

use serde_json::json;

use super::Failure;
use super::checkpoints::Checkpoints;
use super::day::Day;
use super::services::Services;
use super::stop::Stop;
use crate::bars::Panel;
use crate::brain::RunLock;
use crate::decide::Prediction;
use crate::exit::{Code, OrCode};
use crate::features::Features;
use crate::kill;
use crate::neural::State;
use crate::notify::{Milestone, Notifier};
use crate::trainer::{
    Model, NetworkName, Observer, OutOfFold, SaveError, Trained, TrainedSymbols, TrainerError, TrainerParams, Tuning,
    WalkForward,
};
use crate::ui::Step;

/// All that step 6 found.
pub type Learned = OutOfFold;

/// The fold and the prediction for a bar of a symbol's test windows.
pub fn prediction(learned: &Learned, symbol: usize, bar: usize) -> Option<(usize, Prediction)> {
    let model = learned.models.iter().find(|model| model.symbol == symbol)?;
    let outcome = model.trained.folds.iter().find(|outcome| outcome.fold.test.contains(&bar))?;
    Some((outcome.fold.index, outcome.predictions[bar - outcome.fold.test.start]))
}

pub async fn learn(day: &mut Day, panel: &Panel, features: &Features) -> Result<Learned, Failure> {
    let params = day.run.settings.trainer();
    let compute = day.services.compute.clone();
    day.step = "folds".to_owned();
    let everyone: Vec<usize> = (0..panel.symbols.len()).collect();
    let walk = tokio::task::block_in_place(|| WalkForward::new(&params, &compute, panel, features, &everyone, true))?;
    for (symbol, error) in walk.too_short() {
        day.fail(&panel.symbols[*symbol], error);
    }
    day.panel_digest = panel.digest();
    let checkpoints = Checkpoints::of(&day.run.workdir, &day.panel_digest, &day.run.row.settings_digest);

    let tuning = tune(day, &params, &walk, &checkpoints).await?;
    let trained = train(day, panel, &walk, &tuning, &checkpoints).await?;
    practise(day, walk, trained).await
}

/// Chooses hyperparameters where the settings ask for it; what an earlier run of the same candles and settings chose is
/// taken up.
async fn tune(
    day: &mut Day,
    params: &TrainerParams,
    walk: &WalkForward<'_>,
    checkpoints: &Checkpoints,
) -> Result<Tuning, Failure> {
    if !walk.searches() {
        return Ok(Tuning::default());
    }
    let models = walk.search_batch().models() as u64;
    let step = day.begin("tune", Some(models)).await?;
    let mut by = String::new();
    let entries = match checkpoints.load_tuning() {
        Some(entries) => {
            step.advance(models);
            entries
        }
        None => {
            let watch = Watch::of(day, &step, None);
            let found = tokio::task::block_in_place(|| walk.search(&watch));
            let (entries, trained_by) = watch.outcome(found)?;
            if !trained_by.is_empty() {
                by = format!("; {trained_by}");
            }
            checkpoints.save_tuning(&entries)?;
            entries
        }
    };
    let moved = entries.iter().filter(|entry| entry.chosen.moved).count();
    step.note(&format!(
        "{} configurations, {moved} of {} heads left their own{by}",
        params.models.search.configurations,
        entries.len()
    ));
    day.end(step, json!({ "models": models, "moved": moved })).await?;
    Ok(Tuning::new(entries))
}

/// Trains all symbols; those of which an earlier run has left a checkpoint are taken up.
async fn train(
    day: &mut Day,
    panel: &Panel,
    walk: &WalkForward<'_>,
    tuning: &Tuning,
    checkpoints: &Checkpoints,
) -> Result<TrainedSymbols, Failure> {
    let models = walk.models();
    let step = day.begin("train", Some(models as u64)).await?;
    let watch = Watch::of(day, &step, Some(checkpoints));
    let done = tokio::task::block_in_place(|| walk.train(tuning, &watch));
    let done = watch.outcome(done)?;
    for (symbol, reason) in &done.failed {
        day.fail(&panel.symbols[*symbol], reason);
    }
    day.services.stop.check()?;
    if done.trained.is_empty() {
        let reasons: Vec<String> =
            day.failures.iter().take(5).map(|failure| format!("{}: {}", failure.symbol, failure.reason)).collect();
        let message = format!("no model could be trained; for instance:\n{}", reasons.join("\n"));
        return Err(Failure::new(Code::BadData, message));
    }
    checkpoints.sweep();
    let by = if done.trained_by.is_empty() { String::new() } else { format!("; {}", done.trained_by) };
    let total = done.trained.len() + done.failed.len();
    step.note(&format!("{models} models, {} of {total} coins trained before{by}", done.reused));
    day.end(step, json!({ "models": models, "reused": done.reused })).await?;
    Ok(done)
}

/// Trades the out-of-fold predictions, and tells of each verdict.
async fn practise(day: &mut Day, walk: WalkForward<'_>, done: TrainedSymbols) -> Result<Learned, Failure> {
    let step = day.begin("practise", Some(done.trained.len() as u64)).await?;
    let stop = day.services.stop.clone();
    let learned = tokio::task::block_in_place(|| walk.out_of_fold(done.trained, &|| stop.why_killed()))?;
    // A portfolio that the kill switch cut short is no result.
    day.services.stop.check()?;
    learned.models.iter().for_each(|model| tell(&day.services.notifier, model));
    let passed = learned.models.iter().filter(|model| model.verdict.is_approved()).count();
    day.services.notifier.tell(&Milestone::TrainingComplete { passed, failed: learned.models.len() - passed });
    step.advance(learned.models.len() as u64);
    step.note(&format!("{} trades, {passed} of {} models approved", learned.trades.len(), learned.models.len()));
    day.end(step, json!({ "trades": learned.trades.len(), "approved": passed })).await?;
    Ok(learned)
}

fn tell(notifier: &Notifier, model: &Model) {
    let m = &model.metrics;
    tracing::info!(
        target: crate::logs::TRAINING,
        symbol = model.trained.symbol,
        sharpe = m.sharpe,
        win_rate = m.trades.win_rate,
        trades = m.trades.count,
        approved = model.verdict.is_approved(),
        "model trained"
    );
    notifier.tell(&Milestone::Trained {
        symbol: model.trained.symbol.clone(),
        sharpe: (m.trades.count > 0).then_some(m.sharpe),
        win_rate: (m.trades.count > 0).then_some(m.trades.win_rate),
        approved: model.verdict.is_approved(),
    });
}

/// The trainer's observer within a day: progress on the screen, messages, checkpoints, and whatever stops the run.
struct Watch<'a> {
    workdir: &'a std::path::Path,
    stop: &'a Stop,
    lock: &'a RunLock,
    notifier: &'a Notifier,
    step: &'a Step,
    checkpoints: Option<&'a Checkpoints>,
    /// Why training had to stop.
    failure: Mutex<Option<Failure>>,
}

impl<'a> Watch<'a> {
    fn of(day: &'a Day, step: &'a Step, checkpoints: Option<&'a Checkpoints>) -> Self {
        let Services { stop, lock, notifier, .. } = &day.services;
        Self { workdir: &day.run.workdir, stop, lock, notifier, step, checkpoints, failure: Mutex::new(None) }
    }

    /// What training found; where it was cancelled, the reason for that.
    fn outcome<T>(self, found: Result<T, TrainerError>) -> Result<T, Failure> {
        match found {
            Err(TrainerError::Cancelled) => {
                self.stop.check()?;
                let failure = self.failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
                Err(failure.unwrap_or_else(|| Failure::new(Code::Interrupted, TrainerError::Cancelled)))
            }
            found => found.or_code(),
        }
    }
}

impl Observer for Watch<'_> {
    fn is_cancelled(&self) -> bool {
        self.stop.is_asked()
    }

    fn may_go_on(&self) -> bool {
        let check = || -> Result<(), Failure> {
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

    fn symbol_begins(&self, symbol: &str, number: usize, total: usize) {
        self.notifier.tell(&Milestone::Training { symbol: symbol.to_owned(), number, total });
    }

    fn load_symbol(&self, symbol: &str) -> Option<Trained> {
        self.checkpoints?.load(symbol)
    }

    fn save_symbol(&self, trained: &Trained) -> Result<(), SaveError> {
        self.checkpoints.map_or(Ok(()), |checkpoints| Ok(checkpoints.save(trained)?))
    }

    fn keeps_networks(&self) -> bool {
        self.checkpoints.is_some()
    }

    fn load_network(&self, name: &NetworkName<'_>) -> Option<State> {
        self.checkpoints?.load_network(name)
    }

    fn save_network(&self, name: &NetworkName<'_>, state: &State) -> Result<(), SaveError> {
        self.checkpoints.map_or(Ok(()), |checkpoints| Ok(checkpoints.save_network(name, state)?))
    }
}
