//! Step 6: train walk-forward, trade the out-of-fold predictions, judge each model, train the one to hand on.

mod batch;
pub mod calibrate;
pub mod compare;
pub mod jobs;
pub mod judge;
pub mod mix;
pub mod networks;
mod practise;
pub mod study;
mod trees;
mod tune;

use std::collections::BTreeMap;

use serde_json::json;

use super::Failure;
use super::checkpoints::{Checkpoints, Trained};
use super::day::Day;
use crate::boost::device::Plans;
use crate::decide::{Prediction, Summary, Voice, Wait};
use crate::engine::{Compute, Device};
use crate::exit::Code;
use crate::features::{self, Features};
use crate::folds::{self, Fold};
use crate::labels::{self, Labels};
use crate::market::Panel;
use crate::metrics::{Account, Breakdown, Evidence, Holding, Metrics};
use crate::models::verdict::Verdict;
use crate::notify::Milestone;
use crate::risk::Ledger;
use crate::shadow::{Rules, Trade};

use batch::{Inputs, Listener};
use compare::Compared;

/// Symbols whose jobs the CPU trains together: few enough that a run that is cut off loses little, many enough to keep
/// every core busy.
const SYMBOLS_A_BATCH: usize = 8;
/// On a device, which takes the whole table of features for each batch and wants thousands of models at a time.
const SYMBOLS_A_DEVICE_BATCH: usize = 256;

/// The next symbols to be trained together, and those after them.
fn next_batch<'a, T>(todo: &'a [T], compute: &Compute) -> (&'a [T], &'a [T]) {
    let by_cpu = compute.device() == Device::Cpu || compute.fell_back().is_some();
    todo.split_at(todo.len().min(if by_cpu { SYMBOLS_A_BATCH } else { SYMBOLS_A_DEVICE_BATCH }))
}

/// One symbol's model with its out-of-fold record.
pub struct Model {
    /// Row of the symbol in the panel.
    pub symbol: usize,
    pub trained: Trained,
    /// An account of its own that took every out-of-fold trade of this symbol.
    pub account: Account,
    pub metrics: Metrics,
    pub evidence: Evidence,
    /// Holding the coin over the test windows.
    pub holding: Option<Holding>,
    pub verdict: Verdict<()>,
}

/// All that step 6 found.
pub struct Learned {
    pub models: Vec<Model>,
    /// Out-of-fold trades of all symbols, by entry, then symbol.
    pub trades: Vec<Trade>,
    /// What the engines said at each trade's signal.
    pub voices: Vec<Voice>,
    pub consensus: Summary,
    pub waits: BTreeMap<Wait, usize>,
    /// One account that was asked to take all symbols' trades, under every rule of risk.
    pub ledger: Ledger,
    pub portfolio_metrics: Metrics,
    pub portfolio_evidence: Evidence,
    /// Holding all coins over their test windows, with equal money each.
    pub portfolio_holding: Option<Holding>,
    /// Trades by what they have in common: `symbol`, `side`, `regime`, `engine`.
    pub breakdowns: Vec<(&'static str, Breakdown)>,
    /// Each family by itself, and what they say together; empty where there is only one.
    pub families: Vec<Compared>,
    pub labels: Labels,
    pub settings_digest: String,
    pub panel_digest: String,
}

impl Learned {
    /// Prediction for a bar of a symbol's test windows.
    pub fn prediction(&self, symbol: usize, bar: usize) -> Option<(usize, Prediction)> {
        let model = self.models.iter().find(|model| model.symbol == symbol)?;
        let outcome = model.trained.folds.iter().find(|outcome| outcome.fold.test.contains(&bar))?;
        Some((outcome.fold.index, outcome.predictions[bar - outcome.fold.test.start]))
    }
}

pub async fn learn(day: &mut Day, panel: &Panel, features: &Features) -> Result<Learned, Failure> {
    let plans = plan(day, panel);
    let models = batch::models_a_fold(&day.settings);
    let jobs: usize = plans.iter().map(|(_, folds)| folds.len() * models).sum();
    let rules = Rules::new(&day.settings.labels, &day.settings.costs, day.settings.market.kind, panel.timeframe);
    let atr = features::device::atr_14_on(&day.compute, panel)?;
    let labels = tokio::task::block_in_place(|| labels::device::compute_on(&day.compute, panel, &atr, &rules))?;
    let (panel_digest, settings_digest) = (panel.digest(), day.settings.digest());
    let checkpoints = Checkpoints::of(&day.workdir, &panel_digest, &settings_digest);

    let tuning = tune::tune(day, panel, features, &labels, &plans, &checkpoints).await?;

    let step = day.begin("train", Some(jobs as u64)).await?;
    let (mut trained, mut todo) = (BTreeMap::new(), Vec::new());
    for (symbol, folds) in plans {
        match checkpoints.load(&panel.symbols[symbol]) {
            Some(found) => {
                step.advance((folds.len() * models) as u64);
                trained.insert(symbol, found);
            }
            None => todo.push((symbol, folds)),
        }
    }
    let reused = trained.len();
    let total = reused + todo.len();
    let mut trained_by = Plans::default();
    let mut left = todo.as_slice();
    while !left.is_empty() {
        let (batch, after) = next_batch(left, &day.compute);
        left = after;
        day.stop.check()?;
        day.lock.check()?;
        day.check_kill_switch()?;
        for (number, (symbol, _)) in (trained.len() + 1..).zip(batch) {
            let symbol = panel.symbols[*symbol].clone();
            day.notifier.tell(&Milestone::Training { symbol, number, total });
        }
        let stop = day.stop.clone();
        let (results, plans) = tokio::task::block_in_place(|| {
            let (settings, compute) = (&day.settings, &day.compute);
            let inputs = Inputs { settings, panel, features, labels: &labels, tuning: &tuning, compute };
            let listener = Listener {
                wanted: &|| !stop.is_asked(),
                done: &|| step.advance(1),
                told: &|text| step.note(text),
                checkpoints: Some(&checkpoints),
            };
            batch::train(&inputs, batch, &listener)
        })?;
        trained_by.extend(plans);
        for ((symbol, _), result) in batch.iter().zip(results) {
            match result {
                Ok(found) => {
                    checkpoints.save(&found)?;
                    trained.insert(*symbol, found);
                }
                // What was stopped has not failed.
                Err(_) if day.stop.is_asked() => {}
                Err(reason) => day.fail(&panel.symbols[*symbol], reason),
            }
        }
    }
    day.stop.check()?;
    if trained.is_empty() {
        let reasons: Vec<String> =
            day.failures.iter().take(5).map(|failure| format!("{}: {}", failure.symbol, failure.reason)).collect();
        let message = format!("no model could be trained; for instance:\n{}", reasons.join("\n"));
        return Err(Failure::new(Code::BadData, message));
    }
    checkpoints.sweep();
    let by = if trained_by.is_empty() { String::new() } else { format!("; {trained_by}") };
    step.note(&format!("{jobs} models, {reused} of {total} coins trained before{by}"));
    day.end(step, json!({ "models": jobs, "reused": reused })).await?;

    let step = day.begin("practise", Some(trained.len() as u64)).await?;
    let stop = day.stop.clone();
    let learned = tokio::task::block_in_place(|| {
        let inputs = practise::Inputs {
            settings: &day.settings,
            panel,
            features,
            labels,
            atr: &atr,
            rules: &rules,
            compute: &day.compute,
        };
        practise::practise(inputs, trained, panel_digest, settings_digest, &|| stop.why_killed())
    })?;
    // A portfolio that the kill switch cut short is no result.
    day.stop.check()?;
    for model in &learned.models {
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
        day.notifier.tell(&Milestone::Trained {
            symbol: model.trained.symbol.clone(),
            sharpe: (m.trades.count > 0).then_some(m.sharpe),
            win_rate: (m.trades.count > 0).then_some(m.trades.win_rate),
            approved: model.verdict.is_approved(),
        });
    }
    let passed = learned.models.iter().filter(|model| model.verdict.is_approved()).count();
    day.notifier.tell(&Milestone::TrainingComplete { passed, failed: learned.models.len() - passed });
    step.advance(learned.models.len() as u64);
    step.note(&format!("{} trades, {passed} of {} models approved", learned.trades.len(), learned.models.len()));
    day.end(step, json!({ "trades": learned.trades.len(), "approved": passed })).await?;
    Ok(learned)
}

/// Folds of every symbol, the latest window last; symbols without a fold are named as failed.
fn plan(day: &mut Day, panel: &Panel) -> Vec<(usize, Vec<Fold>)> {
    let mut plans = Vec::new();
    day.step = "folds".to_owned();
    for (symbol, range) in panel.ranges.iter().enumerate() {
        match folds::plan(range, &day.settings.folds, panel.timeframe) {
            Ok(mut plan) => {
                plan.push(folds::latest(range, &day.settings.folds, panel.timeframe, plan.len()));
                plans.push((symbol, plan));
            }
            Err(error) => day.fail(&panel.symbols[symbol], error),
        }
    }
    plans
}
