//! Checks that nothing before a cut depends on the bars after it: with another future, every value must keep its bits.

mod bits;
mod cuts;

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;

use super::Judgement;
use super::drill::{fixed_signals, prediction};
use super::future::{self, Future};
use super::stages::{Decision, Stages};
use crate::bars::Panel;
use crate::boost::{BoostJob, Cuts, Forest};
use crate::decide::Consensus;
use crate::decide::votes::{VOTERS, Votes};
use crate::decide::{Head, Prediction};
use crate::engine::Compute;
use crate::exit::{Code, CommandFailure};
use crate::features::{CATALOGUE, Features, VIEW, View};
use crate::folds::{Fold, Grid};
use crate::labels::Labels;
use crate::metrics::Entry;
use crate::settings::Settings;
use crate::shadow::{Rules, Side, Signals, Trade};
use crate::trainer::{Targets, Unit, WalkForwardResult, boost_params};
use crate::ui::Step;
use bits::{PREDICTED, TradeBits, named, prediction_bits};
use cuts::{cuts, walk_cuts};

/// Stages in the order of a run.
pub const STAGES: [&str; 11] = [
    "features",
    "labels",
    "folds",
    "bins",
    "forests",
    "predictions",
    "votes",
    "consensus",
    "signals",
    "trades",
    "walk-forward",
];
/// Changed values that are described, per stage.
const MAX_EXAMPLES: usize = 3;

/// The comparisons of one stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct StageComparison {
    /// Values before a cut that were compared with those of another future.
    pub values: u64,
    /// Comparisons in which something changed.
    pub changed: u64,
    /// The first changes, in words.
    pub examples: Vec<String>,
}

/// The result of the check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LookAhead {
    /// Symbols with a fold.
    pub symbols: usize,
    /// Bars after which the future was replaced.
    pub cuts: Vec<usize>,
    /// How it was replaced.
    pub futures: Vec<Future>,
    /// The comparisons per stage.
    pub stages: BTreeMap<&'static str, StageComparison>,
}

impl LookAhead {
    /// Fails if one value changed. Unclear if a stage had nothing to compare.
    pub fn judgement(&self) -> Judgement {
        let is_empty = |stage: &str| self.stages.get(stage).is_none_or(|found| found.values == 0);
        if self.stages.values().any(|found| found.changed > 0) {
            Judgement::Fail
        } else if STAGES.iter().any(|stage| is_empty(stage)) {
            Judgement::Unclear
        } else {
            Judgement::Pass
        }
    }

    fn at(&mut self, stage: &'static str) -> &mut StageComparison {
        self.stages.entry(stage).or_default()
    }
}

impl StageComparison {
    fn count(&mut self, same: bool, describe: impl FnOnce() -> String) {
        self.count_all(1, same, describe);
    }

    fn count_all(&mut self, values: u64, same: bool, describe: impl FnOnce() -> String) {
        self.values += values;
        if !same {
            self.changed += 1;
            if self.examples.len() < MAX_EXAMPLES {
                self.examples.push(describe());
            }
        }
    }
}

/// Replaces the future of `panel` after several cuts in every way, and compares what comes before.
///
/// # Errors
/// Candles without a fold for any symbol.
pub fn run(
    stages: &Stages,
    settings: &Settings,
    compute: &Compute,
    panel: &Panel,
    step: &Step,
) -> Result<LookAhead, CommandFailure> {
    let before = Past::of(stages, settings, panel, None)?;
    let longest = before.folds.values().max_by_key(|folds| folds.len());
    let folds =
        longest.ok_or_else(|| CommandFailure::new(Code::BadData, "no symbol has enough history for one fold"))?;
    let ends = walk_cuts(folds);
    let mut found = LookAhead {
        symbols: before.folds.len(),
        cuts: cuts(folds),
        futures: Future::ALL.to_vec(),
        stages: STAGES.iter().map(|stage| (*stage, StageComparison::default())).collect(),
    };
    for cut in found.cuts.clone() {
        let practice = Practice::new(stages, settings, panel, &before, cut)?;
        for future in Future::ALL {
            step.note(&format!("cut at bar {cut} of {}, {}", panel.bars, future.name()));
            let other = future::changed(panel, cut, future)?;
            let after = Past::of(stages, settings, &other, Some((panel, &before)))?;
            let case = Case { panel, other: &other, cut, future };
            case.values(&mut found, &before, &after);
            case.practice(&mut found, &practice, &Practice::new(stages, settings, &other, &after, cut)?);
            step.advance(1);
        }
    }
    found.cuts.extend(&ends);
    let symbols: Vec<usize> = before.folds.keys().copied().collect();
    let study = (stages.walk)(settings, compute, panel, &symbols, &())?;
    for (cut, future) in ends.into_iter().flat_map(|cut| Future::ALL.map(|future| (cut, future))) {
        step.note(&format!("the walk-forward up to bar {cut}, {}", future.name()));
        let other = future::changed(panel, cut, future)?;
        let case = Case { panel, other: &other, cut, future };
        let rows: Vec<usize> = symbols.iter().filter_map(|&symbol| case.row(symbol)).collect();
        case.walk(&mut found, &study, &(stages.walk)(settings, compute, &other, &rows, &())?);
        step.advance(1);
    }
    Ok(found)
}

/// Number of steps of [`run`], for the progress bar.
pub fn steps() -> u64 {
    (6 * Future::ALL.len()) as u64
}

/// All values of a panel that a model is trained on.
struct Past {
    features: Features,
    view: View,
    atr: Vec<f64>,
    labels: Labels,
    targets: Targets,
    votes: Votes,
    consensus: Consensus,
    rules: Rules,
    /// Folds per symbol, by row. A shortened history has those of the whole one.
    folds: BTreeMap<usize, Vec<Fold>>,
    /// Folds planned from this panel's own history.
    own_folds: BTreeMap<usize, Vec<Fold>>,
    /// Bars of a whole test window.
    test_bars: usize,
}

impl Past {
    fn of(
        stages: &Stages,
        settings: &Settings,
        panel: &Panel,
        whole: Option<(&Panel, &Past)>,
    ) -> Result<Self, CommandFailure> {
        let rules = Rules::new(&settings.labels, &settings.costs, settings.market.kind, panel.timeframe);
        let atr = (stages.atr)(panel);
        let plan = |symbol: usize| (stages.folds)(Grid::of(panel), &panel.ranges[symbol], &settings.folds);
        let own_folds: BTreeMap<usize, Vec<Fold>> =
            (0..panel.symbols.len()).filter_map(|symbol| Some((symbol, plan(symbol).ok()?))).collect();
        let folds = match whole {
            None => own_folds.clone(),
            Some((all, past)) => {
                let moved =
                    |(symbol, folds): (&usize, &Vec<Fold>)| Some((panel.symbol(&all.symbols[*symbol])?, folds.clone()));
                past.folds.iter().filter_map(moved).collect()
            }
        };
        let labels = (stages.labels)(panel, &atr, &rules);
        let votes = (stages.votes)(panel, &settings.decide.voters);
        let features = (stages.features)(panel);
        let view = (stages.view)(panel, &features);
        let symbols: Vec<usize> = (0..panel.symbols.len()).collect();
        Ok(Self {
            targets: Targets::of(panel, &labels, &view, &symbols, &rules, &settings.models),
            features,
            view,
            test_bars: panel.timeframe.bars_in_days(settings.folds.test_days),
            consensus: (stages.consensus)(panel, &votes, &labels, settings),
            labels,
            votes,
            atr,
            rules,
            folds,
            own_folds,
        })
    }
}

/// The latest fold of every symbol before a cut: trained, and traded on the bars after its purge up to the cut.
struct Practice {
    jobs: Vec<BoostJob>,
    bins: Vec<(Cuts, Vec<Vec<u8>>)>,
    forests: Vec<Forest>,
    predictions: Vec<(usize, usize, Prediction)>,
    signals: Signals,
    trades: Vec<Trade>,
    /// Trades of [`fixed_signals`], of which there are more than those of a model.
    fixed_trades: Vec<Trade>,
}

impl Practice {
    fn new(
        stages: &Stages,
        settings: &Settings,
        panel: &Panel,
        past: &Past,
        cut: usize,
    ) -> Result<Self, CommandFailure> {
        let table = past.view.table();
        let known = |fold: &&Fold| fold.purge.end <= cut + 1;
        let folds: Vec<(usize, &Fold)> =
            past.folds.iter().filter_map(|(&symbol, folds)| Some((symbol, folds.iter().rfind(known)?))).collect();
        // A model per coin, or for the pool one per number of the fold.
        let pooled = settings.models.scope.pools();
        let key = |symbol: usize, fold: &Fold| if pooled { fold.index } else { symbol };
        let units: BTreeMap<usize, (Unit, &Fold)> = folds
            .iter()
            .map(|&(symbol, fold)| {
                let pool = || Unit::pool(&(0..panel.symbols.len()).collect::<Vec<usize>>());
                (key(symbol, fold), (if pooled { pool() } else { Unit::coin(panel, symbol) }, fold))
            })
            .collect();
        let jobs: Vec<BoostJob> = units
            .values()
            .flat_map(|own| Head::ALL.map(|head| (own, head)))
            .map(|((unit, fold), head)| {
                let params = boost_params(&settings.models, head, settings.seed);
                (stages.job)(&past.targets, unit, fold, head, &settings.models, params)
            })
            .collect();
        let forests: Vec<Forest> = (stages.train)(table, &jobs).into_iter().collect::<Result<_, _>>()?;
        let by_unit: BTreeMap<usize, &[Forest]> = units.keys().copied().zip(forests.chunks(Head::COUNT)).collect();
        let predictions: Vec<(usize, usize, Prediction)> = folds
            .iter()
            .flat_map(|&(symbol, fold)| {
                let heads = by_unit[&key(symbol, fold)];
                let bars = fold.test.start..fold.test.end.min(cut + 1);
                bars.map(move |bar| (symbol, bar, prediction(heads, &past.view, symbol, bar)))
            })
            .collect();
        let signals = (stages.signals)(&Decision {
            settings,
            panel,
            features: &past.features,
            consensus: &past.consensus,
            atr: &past.atr,
            rules: &past.rules,
            predictions: &predictions,
        });
        let windows: Vec<Vec<Range<usize>>> = panel.ranges.iter().map(|range| vec![range.clone()]).collect();
        let trade = |signals: &Signals| (stages.trades)(panel, signals, &past.atr, &windows, &past.rules);
        Ok(Self {
            bins: jobs.iter().step_by(Head::COUNT).map(|job| (stages.bins)(table, job)).collect(),
            trades: trade(&signals),
            fixed_trades: trade(&fixed_signals(panel)),
            jobs,
            forests,
            predictions,
            signals,
        })
    }
}

/// One cut and one other future. Both panels start at the same bar, since the first listed symbol is in both.
struct Case<'a> {
    panel: &'a Panel,
    other: &'a Panel,
    cut: usize,
    future: Future,
}

impl Case<'_> {
    /// Row of a symbol in the other panel; none if it is listed after the cut.
    fn row(&self, symbol: usize) -> Option<usize> {
        self.other.symbol(&self.panel.symbols[symbol])
    }

    fn describe(&self, what: &str, symbol: usize, bar: usize) -> String {
        let (name, future) = (&self.panel.symbols[symbol], self.future.name());
        format!("{what} of {name} at bar {bar} with the bars after {} {future}", self.cut)
    }

    /// Bars of a symbol up to the cut.
    fn bars(&self, symbol: usize) -> Range<usize> {
        let range = &self.panel.ranges[symbol];
        range.start..range.end.min(self.cut + 1)
    }

    /// Compares features, ATR, labels, votes, the consensus and the plan of folds.
    fn values(&self, found: &mut LookAhead, before: &Past, after: &Past) {
        for symbol in 0..self.panel.symbols.len() {
            let Some(row) = self.row(symbol) else { continue };
            for bar in self.bars(symbol) {
                let features = found.at("features");
                let pairs = before.features.row(symbol, bar).iter().zip(after.features.row(row, bar));
                for (feature, (old, new)) in CATALOGUE.iter().zip(pairs) {
                    if !(old.is_nan() && new.is_nan()) {
                        features.count(old.to_bits() == new.to_bits(), || self.describe(feature.name, symbol, bar));
                    }
                }
                let pairs = before.view.row(symbol, bar).iter().zip(after.view.row(row, bar));
                for (column, (old, new)) in VIEW.iter().zip(pairs) {
                    if !(old.is_nan() && new.is_nan()) {
                        let what = || self.describe(&format!("{} of the view", column.name), symbol, bar);
                        features.count(old.to_bits() == new.to_bits(), what);
                    }
                }
                let (old, new) = (before.atr[symbol * self.panel.bars + bar], after.atr[row * self.other.bars + bar]);
                features.count(old.to_bits() == new.to_bits(), || self.describe("ATR", symbol, bar));
                for side in [Side::Long, Side::Short] {
                    let finished = |past: &Past, row: usize| {
                        let label = past.labels.get(row, bar, side).filter(|label| label.exit_bar <= self.cut)?;
                        Some((label.return_bps.to_bits(), label.exit_bar, label.exit_reason))
                    };
                    let (old, new) = (finished(before, symbol), finished(after, row));
                    if old.is_some() || new.is_some() {
                        let what = || self.describe(&format!("the {side} label"), symbol, bar);
                        found.at("labels").count(old == new, what);
                    }
                }
                let pairs = before.votes.row(symbol, bar).iter().zip(after.votes.row(row, bar));
                for (voter, (old, new)) in (0..VOTERS).zip(pairs) {
                    if !(old.is_nan() && new.is_nan()) {
                        let what = || self.describe(&format!("vote {voter}"), symbol, bar);
                        found.at("votes").count(old.to_bits() == new.to_bits(), what);
                    }
                }
                let opinion = |past: &Past, row: usize| {
                    let opinion = past.consensus.at(row, bar);
                    [opinion.score, opinion.threshold, opinion.confidence, opinion.expected_bps]
                };
                for (old, new) in opinion(before, symbol).into_iter().zip(opinion(after, row)) {
                    if !(old.is_nan() && new.is_nan()) {
                        let what = || self.describe("the consensus", symbol, bar);
                        found.at("consensus").count(old.to_bits() == new.to_bits(), what);
                    }
                }
            }
            let finished = |folds: &BTreeMap<usize, Vec<Fold>>, row: usize| -> Vec<Fold> {
                let folds = folds.get(&row).map_or(&[][..], Vec::as_slice);
                let whole = |fold: &&Fold| fold.test.end <= self.cut + 1 && fold.test.len() == before.test_bars;
                folds.iter().filter(whole).cloned().collect()
            };
            // The newest window ends with the history, so only whole windows that ended before the cut are comparable.
            let (old, new) = (finished(&before.own_folds, symbol), finished(&after.own_folds, row));
            found.at("folds").count_all(old.len() as u64, old == new, || self.describe("the plan", symbol, self.cut));
        }
    }

    /// Compares bins, forests, predictions, signals and trades of the fold before the cut.
    fn practice(&self, found: &mut LookAhead, before: &Practice, after: &Practice) {
        let future = self.future.name();
        let describe = |what: &str, name: &str| format!("{what} of {name} with the bars after {} {future}", self.cut);
        let names = |jobs: &[BoostJob]| jobs.iter().map(|job| job.name.clone()).collect::<Vec<_>>();
        found
            .at("forests")
            .count_all(0, names(&before.jobs) == names(&after.jobs), || describe("the set", "trained models"));
        let own = before.jobs.iter().step_by(Head::COUNT);
        for (job, (old, new)) in own.zip(before.bins.iter().zip(&after.bins)) {
            let values = old.0.cuts.iter().map(Vec::len).sum::<usize>() + old.1.iter().map(Vec::len).sum::<usize>();
            let bits = |cuts: &Cuts| cuts.cuts.iter().flatten().map(|cut| cut.to_bits()).collect::<Vec<_>>();
            let same = bits(&old.0) == bits(&new.0) && old.1 == new.1;
            found.at("bins").count_all(values as u64, same, || describe("bins", &job.name));
        }
        for (job, (old, new)) in before.jobs.iter().zip(before.forests.iter().zip(&after.forests)) {
            let losses = |forest: &Forest| forest.validation_loss.iter().map(|loss| loss.to_bits()).collect::<Vec<_>>();
            let same = old.digest() == new.digest() && losses(old) == losses(new);
            found.at("forests").count(same, || describe("the forest", &job.name));
        }
        let bits = |&(symbol, bar, prediction): &(usize, usize, Prediction), panel: &Panel| {
            (panel.symbols[symbol].clone(), bar, prediction_bits(&prediction))
        };
        let new: Vec<_> = after.predictions.iter().map(|one| bits(one, self.other)).collect();
        for (i, old) in before.predictions.iter().enumerate() {
            let same = new.get(i) == Some(&bits(old, self.panel));
            found.at("predictions").count(same, || self.describe("the prediction", old.0, old.1));
        }
        for &(symbol, bar, _) in &before.predictions {
            let Some(row) = self.row(symbol) else { continue };
            let same = before.signals.at(symbol, bar) == after.signals.at(row, bar);
            found.at("signals").count(same, || self.describe("the signal", symbol, bar));
        }
        for (old, new) in [(&before.trades, &after.trades), (&before.fixed_trades, &after.fixed_trades)] {
            self.trades(found.at("trades"), old, new);
        }
    }

    /// Compares the trades that ended by the cut.
    fn trades(&self, compared: &mut StageComparison, before: &[Trade], after: &[Trade]) {
        let finished = |trades: &[Trade], panel: &Panel| -> Vec<TradeBits> {
            trades.iter().filter(|trade| trade.exit_bar <= self.last_bar()).map(|trade| named(trade, panel)).collect()
        };
        let (old, new) = (finished(before, self.panel), finished(after, self.other));
        let describe = |(bar, symbol, _): &TradeBits| {
            self.describe("the trade", self.panel.symbol(symbol).unwrap_or_default(), *bar)
        };
        for (i, trade) in old.iter().enumerate() {
            compared.count(new.get(i) == Some(trade), || describe(trade));
        }
        if let Some(trade) = new.get(old.len()) {
            compared.count(false, || describe(trade));
        }
    }

    /// Compares the folds of the whole walk-forward whose test window has begun by the cut, with their calibration and their
    /// predictions up to the cut; what was approved at the boundaries by then; and what the account had earned.
    fn walk(&self, found: &mut LookAhead, before: &WalkForwardResult, after: &WalkForwardResult) {
        let compared = found.at("walk-forward");
        for model in &before.models {
            let name = &model.trained.symbol;
            let again = after.models.iter().find(|other| other.trained.symbol == *name);
            for outcome in model.trained.folds.iter().filter(|outcome| outcome.fold.test.start <= self.cut) {
                let known = (self.cut + 1 - outcome.fold.test.start).min(outcome.predictions.len());
                let other = again
                    .and_then(|other| other.trained.folds.iter().find(|other| other.fold.index == outcome.fold.index));
                let same = other.is_some_and(|other| {
                    let bits = |predictions: &[Prediction]| -> Vec<[u64; PREDICTED]> {
                        predictions.iter().map(prediction_bits).collect()
                    };
                    other.digests == outcome.digests
                        && other.calibration == outcome.calibration
                        && other.predictions.len() >= known
                        && bits(&other.predictions[..known]) == bits(&outcome.predictions[..known])
                });
                let values = (outcome.digests.len() + known * PREDICTED) as u64;
                let what = format!("fold {}", outcome.fold.index);
                compared.count_all(values, same, || self.describe(&what, model.symbol, outcome.fold.test.start));
            }
        }
        self.trades(compared, &before.trades, &after.trades);
        let approved = |result: &WalkForwardResult, panel: &Panel| -> Vec<(usize, usize, usize, Vec<String>)> {
            let known = result.account.approvals.iter().filter(|own| own.test_start <= self.cut);
            let names = |rows: &[usize]| rows.iter().map(|&row| panel.symbols[row].clone()).collect();
            known.map(|own| (own.fold, own.test_start, own.judged, names(&own.approved))).collect()
        };
        let (old, new) = (approved(before, self.panel), approved(after, self.other));
        compared.count_all(old.len() as u64, old == new, || {
            format!("approvals up to bar {} with the bars after it {}", self.cut, self.future.name())
        });
        let earned = |result: &WalkForwardResult, panel: &Panel| -> Vec<(TradeBits, [u64; 2])> {
            let entries = result.account.ledger.account.entries.iter();
            let money = |entry: &Entry| [entry.notional, entry.profit].map(f64::to_bits);
            entries
                .filter(|entry| entry.trade.exit_bar <= self.last_bar())
                .map(|entry| (named(&entry.trade, panel), money(entry)))
                .collect()
        };
        let (old, new) = (earned(before, self.panel), earned(after, self.other));
        compared.count_all(old.len() as u64, old == new, || {
            format!("the account up to bar {} with the bars after it {}", self.cut, self.future.name())
        });
    }

    /// The last bar whose exits can be compared. A history that ends at the cut closes all open trades there, and the longer one
    /// does not.
    fn last_bar(&self) -> usize {
        self.cut - usize::from(self.future == Future::Missing)
    }
}
