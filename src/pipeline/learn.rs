//! Step 6: train walk-forward, trade the out-of-fold predictions, judge each model, train the one to hand on.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::json;

use super::Failure;
use super::checkpoints::{Checkpoints, FoldOutcome, Trained};
use super::day::Day;
use crate::boost::{self, BoostJob, BoostParams, Forest, Objective, Table};
use crate::decide::{self, Prediction, Wait};
use crate::exit::Code;
use crate::features::{self, COUNT, Features};
use crate::folds::{self, Fold};
use crate::labels::{self, Labels};
use crate::market::{DAY_MS, Panel};
use crate::metrics::{Account, Metrics, Sizing};
use crate::models::verdict::{Outcome, Verdict};
use crate::notify::Milestone;
use crate::settings::Models;
use crate::shadow::{self, Rules, Side, Trade};

pub const WIN_LONG: &str = "win_long";
pub const WIN_SHORT: &str = "win_short";
pub const EDGE: &str = "edge_bps";
const HEADS: [&str; 3] = [WIN_LONG, WIN_SHORT, EDGE];

/// Symbols whose jobs go to the engine together: few enough that a run that is cut off loses little, many enough
/// to keep every core busy.
const SYMBOLS_A_BATCH: usize = 8;

/// One symbol's model with its out-of-fold record.
pub struct Model {
    /// Row of the symbol in the panel.
    pub symbol: usize,
    pub trained: Trained,
    /// An account of its own that took every out-of-fold trade of this symbol.
    pub account: Account,
    pub metrics: Metrics,
    /// Return of holding the coin over the test windows.
    pub buy_and_hold: f64,
    pub verdict: Verdict<()>,
}

/// All that step 6 found.
pub struct Learned {
    pub models: Vec<Model>,
    /// Out-of-fold trades of all symbols, by entry, then symbol.
    pub trades: Vec<Trade>,
    /// `market_regime` at each trade's signal.
    pub regimes: Vec<f32>,
    pub waits: BTreeMap<Wait, usize>,
    /// One account that took all symbols' trades under the leverage limit.
    pub portfolio: Account,
    pub portfolio_metrics: Metrics,
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
    let jobs: usize = plans.iter().map(|(_, folds)| folds.len() * HEADS.len()).sum();
    let step = day.begin("train", Some(jobs as u64)).await?;
    let rules = Rules::new(&day.settings.labels, &day.settings.costs, day.settings.market.kind, panel.timeframe);
    let atr = features::atr_14(panel);
    let labels = tokio::task::block_in_place(|| labels::compute(panel, &atr, &rules));
    let (panel_digest, settings_digest) = (panel.digest(), day.settings.digest());
    let checkpoints = Checkpoints::of(&day.workdir, &panel_digest, &settings_digest);

    let (mut trained, mut todo) = (BTreeMap::new(), Vec::new());
    for (symbol, folds) in plans {
        match checkpoints.load(&panel.symbols[symbol]) {
            Some(found) => {
                step.advance((folds.len() * HEADS.len()) as u64);
                trained.insert(symbol, found);
            }
            None => todo.push((symbol, folds)),
        }
    }
    let reused = trained.len();
    let total = reused + todo.len();
    for batch in todo.chunks(SYMBOLS_A_BATCH) {
        day.stop.check()?;
        day.lock.check()?;
        day.check_kill_switch()?;
        for (symbol, _) in batch {
            let symbol = panel.symbols[*symbol].clone();
            day.notifier.tell(&Milestone::Training { symbol, number: trained.len() + 1, total });
        }
        let results = tokio::task::block_in_place(|| {
            let done = |_: &BoostJob| step.advance(1);
            train_batch(&day.settings.models, day.settings.seed, panel, features, &labels, batch, &done)
        });
        for ((symbol, _), result) in batch.iter().zip(results) {
            match result {
                Ok(found) => {
                    checkpoints.save(&found)?;
                    trained.insert(*symbol, found);
                }
                Err(reason) => day.fail(&panel.symbols[*symbol], reason),
            }
        }
    }
    if trained.is_empty() {
        let reasons: Vec<String> =
            day.failures.iter().take(5).map(|failure| format!("{}: {}", failure.symbol, failure.reason)).collect();
        let message = format!("no model could be trained; for instance:\n{}", reasons.join("\n"));
        return Err(Failure::new(Code::BadData, message));
    }
    checkpoints.sweep();
    step.note(&format!("{jobs} models, {reused} of {total} coins trained before"));
    day.end(step, json!({ "models": jobs, "reused": reused })).await?;

    let step = day.begin("practise", Some(trained.len() as u64)).await?;
    let learned = tokio::task::block_in_place(|| {
        practise(day, panel, &atr, &rules, trained, panel_digest, settings_digest, features)
    });
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

/// Trains all heads of all folds of some symbols in one batch.
fn train_batch(
    settings: &Models,
    seed: u64,
    panel: &Panel,
    features: &Features,
    labels: &Labels,
    batch: &[(usize, Vec<Fold>)],
    done: &(dyn Fn(&BoostJob) + Sync),
) -> Vec<Result<Trained, String>> {
    let jobs: Vec<BoostJob> = batch
        .iter()
        .flat_map(|(symbol, folds)| folds.iter().map(move |fold| (*symbol, fold)))
        .flat_map(|(symbol, fold)| HEADS.map(|head| job(settings, seed, panel, labels, symbol, fold, head)))
        .collect();
    let table = Table { values: &features.values, features: COUNT };
    let mut forests = boost::train(table, &features::names(), &jobs, done).into_iter().zip(&jobs);
    batch
        .iter()
        .map(|(symbol, folds)| {
            let mut heads = Vec::with_capacity(folds.len());
            let mut fault = None;
            for _ in folds {
                let mut own = BTreeMap::new();
                let mut rows = 0;
                for (head, (forest, job)) in HEADS.iter().zip(forests.by_ref()) {
                    rows = job.train.len();
                    match forest {
                        Ok(forest) => drop(own.insert((*head).to_owned(), forest)),
                        Err(error) => fault = fault.take().or(Some(error.to_string())),
                    }
                }
                heads.push((rows, own));
            }
            match fault {
                None => Ok(trained(panel, features, *symbol, folds, heads)),
                Some(fault) => Err(fault),
            }
        })
        .collect()
}

fn job(
    settings: &Models,
    seed: u64,
    panel: &Panel,
    labels: &Labels,
    symbol: usize,
    fold: &Fold,
    head: &str,
) -> BoostJob {
    // Both sides are labelled or neither: a label is missing only where the data end.
    let label = |bar: usize| {
        let long = labels.get(symbol, bar, Side::Long)?.return_bps;
        let short = labels.get(symbol, bar, Side::Short)?.return_bps;
        Some(match head {
            WIN_LONG => f32::from(u8::from(long > 0.0)),
            WIN_SHORT => f32::from(u8::from(short > 0.0)),
            // What a side earns before costs: they weigh on both alike and cancel.
            _ => ((long - short) / 2.0) as f32,
        })
    };
    let rows = |range: &Range<usize>| -> (Vec<u32>, Vec<f32>) {
        range.clone().filter_map(|bar| Some(((symbol * panel.bars + bar) as u32, label(bar)?))).unzip()
    };
    let ((train, train_labels), (valid, valid_labels)) = (rows(&fold.train), rows(&fold.validation));
    BoostJob {
        name: format!("{} fold {} {head}", panel.symbols[symbol], fold.index),
        train,
        train_labels,
        valid,
        valid_labels,
        params: params(settings, head, seed),
        ..BoostJob::default()
    }
}

/// Hyperparameters of a head.
pub fn params(settings: &Models, head: &str, seed: u64) -> BoostParams {
    BoostParams {
        objective: if head == EDGE { Objective::Regression } else { Objective::Binary },
        rounds: settings.rounds,
        learning_rate: settings.learning_rate,
        max_depth: settings.max_depth,
        max_bin: settings.max_bin,
        l2: settings.l2,
        min_child_hessian: settings.min_child_hessian,
        min_split_gain: settings.min_split_gain,
        subsample: settings.subsample,
        colsample: settings.colsample,
        early_stopping: settings.early_stopping,
        seed,
        ..BoostParams::default()
    }
}

fn trained(
    panel: &Panel,
    features: &Features,
    symbol: usize,
    folds: &[Fold],
    heads: Vec<(usize, BTreeMap<String, Forest>)>,
) -> Trained {
    let digests = |heads: &BTreeMap<String, Forest>| -> BTreeMap<String, String> {
        heads.iter().map(|(name, forest)| (name.clone(), forest.digest())).collect()
    };
    let mut outcomes: Vec<FoldOutcome> = folds
        .iter()
        .zip(&heads)
        .map(|(fold, (train_rows, heads))| FoldOutcome {
            fold: fold.clone(),
            train_rows: *train_rows,
            rounds: heads.iter().map(|(name, forest)| (name.clone(), forest.rounds())).collect(),
            validation_loss: heads
                .iter()
                .filter_map(|(name, f)| Some((name.clone(), f.validation_loss.iter().copied().reduce(f64::min)?)))
                .collect(),
            digests: digests(heads),
            predictions: fold
                .test
                .clone()
                .map(|bar| {
                    let row = features.row(symbol, bar);
                    let says = |head: &str| heads[head].predict(row)[0];
                    Prediction { win_long: says(WIN_LONG), win_short: says(WIN_SHORT), edge_bps: says(EDGE) }
                })
                .collect(),
        })
        .collect();
    let latest = outcomes.pop().map(|outcome| outcome.fold).unwrap_or_else(|| folds[folds.len() - 1].clone());
    let (train_rows, heads) = heads.into_iter().last().unwrap_or_default();
    let digests = digests(&heads);
    Trained { symbol: panel.symbols[symbol].clone(), folds: outcomes, latest, train_rows, heads, digests }
}

#[allow(clippy::too_many_arguments)]
fn practise(
    day: &Day,
    panel: &Panel,
    atr: &[f64],
    rules: &Rules,
    trained: BTreeMap<usize, Trained>,
    panel_digest: String,
    settings_digest: String,
    features: &Features,
) -> Learned {
    let settings = &day.settings;
    let predictions: Vec<(usize, usize, Prediction)> = trained
        .iter()
        .flat_map(|(&symbol, trained)| trained.folds.iter().map(move |outcome| (symbol, outcome)))
        .flat_map(|(symbol, outcome)| {
            outcome.fold.test.clone().zip(&outcome.predictions).map(move |(bar, says)| (symbol, bar, *says))
        })
        .collect();
    let (signals, waits) = decide::signals(panel, &predictions, rules, &settings.costs);
    let windows: Vec<Vec<Range<usize>>> = (0..panel.symbols.len())
        .map(|symbol| {
            trained.get(&symbol).map_or_else(Vec::new, |t| t.folds.iter().map(|o| o.fold.test.clone()).collect())
        })
        .collect();
    let trades = shadow::simulate(panel, &signals, atr, &windows, rules);
    let sizing = Sizing::from(&settings.risk);
    let account = |trades: &[Trade], windows: &[Range<usize>]| {
        Account::follow(panel, trades, &days(panel, windows), settings.risk.equity, &sizing)
    };
    let models = trained
        .into_iter()
        .map(|(symbol, trained)| {
            let own: Vec<Trade> = trades.iter().filter(|trade| trade.symbol == symbol).copied().collect();
            let account = account(&own, &windows[symbol]);
            let metrics = Metrics::of(&account);
            let outcome = Outcome {
                sharpe: if metrics.trades.count > 0 { metrics.sharpe } else { f64::NAN },
                win_rate: if metrics.trades.count > 0 { metrics.trades.win_rate } else { f64::NAN },
                max_drawdown: metrics.drawdown.max,
                trades: metrics.trades.count,
            };
            let verdict = Verdict::judge((), &outcome, &settings.approve);
            let buy_and_hold = buy_and_hold(panel, symbol, &windows[symbol]);
            Model { symbol, trained, account, metrics, buy_and_hold, verdict }
        })
        .collect();
    let all: Vec<Range<usize>> = windows.iter().flatten().cloned().collect();
    let portfolio = account(&trades, &all);
    let portfolio_metrics = Metrics::of(&portfolio);
    let regimes =
        trades.iter().map(|t| features.value(t.symbol, t.signal_bar, features::columns::MARKET_REGIME)).collect();
    Learned { models, trades, regimes, waits, portfolio, portfolio_metrics, settings_digest, panel_digest }
}

/// Start of every day (ms) that the windows touch, ascending.
fn days(panel: &Panel, windows: &[Range<usize>]) -> Vec<i64> {
    let floor = |ms: i64| ms - ms.rem_euclid(DAY_MS);
    let mut days: Vec<i64> = windows
        .iter()
        .filter(|window| !window.is_empty())
        .flat_map(|window| {
            let (first, last) = (floor(panel.time_ms(window.start)), floor(panel.time_ms(window.end - 1)));
            (first..=last).step_by(DAY_MS as usize)
        })
        .collect();
    days.sort_unstable();
    days.dedup();
    days
}

fn buy_and_hold(panel: &Panel, symbol: usize, windows: &[Range<usize>]) -> f64 {
    let (open, close) = (panel.row(&panel.open, symbol), panel.row(&panel.close, symbol));
    match (windows.first(), windows.last()) {
        (Some(first), Some(last)) if !first.is_empty() && !last.is_empty() => {
            close[last.end - 1] / open[first.start] - 1.0
        }
        _ => f64::NAN,
    }
}
