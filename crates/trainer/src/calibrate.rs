//! Fits how far scores are believed, and turns them into predictions.
//!
//! The predictions of a fold are calibrated on rows that are older than its test window, of all coins: test rows of earlier
//! folds that lie more than the longest label before it, so that neither their own outcome nor that of another coin of the
//! bar is unknown; and validation rows of this and earlier folds, unless they have also chosen among configurations or
//! families, or how many trees of one coin are kept: each choice takes what happened to fit these rows, which flatters them. Of
//! a pool's trees one choice for all coins is too little to matter. Slopes are fitted by [`slopes::fit`], on the edge as it
//! is traded, not on what is left without the market's mean.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use huracan_bars::Panel;
use huracan_base::units::BPS;
use huracan_decide::{Calibration, Head, HeadCalibration, Prediction, Scores, Slopes, log_odds};
use huracan_features::{View, view_columns};
use huracan_folds::Fold;

use super::scores::{FoldScores, Part};
use super::slopes::{self, Row};
use super::{Family, FoldOutcome, ModelKind, ModelScores, Targets, TrainedSymbol, TrainerParams, UnitFolds};

/// What is calibrated: a fold's test window, or the final model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// The fold with this number, whose test window begins at this bar.
    Fold { index: usize, test_start: usize },
    /// The final models.
    Latest,
}

impl Stage {
    /// Number of the fold; none of the final models.
    fn number(self) -> Option<usize> {
        match self {
            Self::Fold { index, .. } => Some(index),
            Self::Latest => None,
        }
    }
}

/// Fits all calibrations, and fills in the calibrations and predictions of all folds and families. `units` are those whose rows
/// the models have learned from: the coins, or all of them together.
pub fn all(
    params: &TrainerParams,
    panel: &Panel,
    view: &View,
    targets: &Targets,
    units: &[UnitFolds],
    trained: &mut BTreeMap<usize, TrainedSymbol>,
) {
    let block_ms = panel.timeframe.block_ms(params.barriers.horizon_bars());
    let pools = params.models.scope.pools();
    let chooses = params.models.search.is_on() || params.models.kind == ModelKind::Ensemble;
    let stops_early = params.models.early_stopping > 0;
    let context = Context {
        panel,
        view,
        targets,
        block_ms,
        horizon_bars: params.barriers.horizon_bars(),
        uses_validation: !chooses && (pools || !stops_early),
        uses_own_validation: !stops_early,
        pools,
        demeaned: params.models.demean,
        means: Means::of(targets, view, units.first().filter(|_| pools), trained),
    };
    let stages: BTreeSet<Stage> = trained
        .values()
        .flat_map(|own| &own.folds)
        .map(|outcome| Stage::Fold { index: outcome.fold.index, test_start: outcome.fold.test.start })
        .chain([Stage::Latest])
        .collect();
    let stages: Vec<Stage> = stages.into_iter().collect();
    let families: BTreeSet<Family> =
        trained.values().flat_map(|own| &own.folds).flat_map(|outcome| outcome.families.keys().copied()).collect();

    let known = &*trained;
    let mut fitted: BTreeMap<Stage, [Slopes; Head::COUNT]> = BTreeMap::new();
    // Each stage has the rows of all before it.
    for some in stages.chunks((ROWS_AT_A_TIME / most_rows(known).max(1)).max(1)) {
        let some: Vec<(Stage, [Slopes; Head::COUNT])> =
            some.par_iter().map(|&stage| (stage, context.fit(known, stage, None))).collect();
        fitted.extend(some);
    }
    let mut by_family: BTreeMap<(Family, Stage), [Slopes; Head::COUNT]> = BTreeMap::new();
    for family in families {
        for &stage in stages.iter().filter(|stage| **stage != Stage::Latest) {
            by_family.insert((family, stage), context.fit(known, stage, Some(family)));
        }
    }

    for (&symbol, own) in trained.iter_mut() {
        for outcome in &mut own.folds {
            let stage = Stage::Fold { index: outcome.fold.index, test_start: outcome.fold.test.start };
            let Some(slopes) = fitted.get(&stage) else { continue };
            let calibration = context.calibration(stage.number(), &outcome.scores.base, slopes);
            let own_scores = outcome.scores.own.as_ref();
            outcome.predictions = context.predict(symbol, outcome, &calibration, &outcome.scores.all, own_scores);
            outcome.calibration = Some(calibration);
            let mut families = std::mem::take(&mut outcome.families);
            for (family, alone) in &mut families {
                if let Some(slopes) = by_family.get(&(*family, stage)) {
                    let calibration = context.calibration(stage.number(), &outcome.scores.base, slopes);
                    alone.predictions = context.predict(symbol, outcome, &calibration, &alone.scores, None);
                }
            }
            outcome.families = families;
        }
        if let Some(slopes) = fitted.get(&Stage::Latest) {
            own.calibration = Some(context.calibration(None, &own.latest_scores.base, slopes));
        }
    }
}

/// Rows that are in memory at a time, of 64 bytes each, unless one stage has more.
const ROWS_AT_A_TIME: usize = 24 << 20;

/// Bars of all validation parts and test windows: the last stage has at most so many rows.
fn most_rows(trained: &BTreeMap<usize, TrainedSymbol>) -> usize {
    let of = |own: &TrainedSymbol| {
        let folds = own.folds.iter().map(|outcome| outcome.fold.validation.len() + outcome.fold.test.len());
        folds.sum::<usize>() + own.latest.validation.len()
    };
    trained.values().map(of).sum()
}

/// Means over the training rows of all coins of a fold, or of the final models.
#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    /// Log odds of the base rates; of the edge 0.
    offsets: Scores,
    /// Mean edge as it is traded, basis points.
    drift_bps: f64,
    /// The same in multiples of the ATR.
    edge: f64,
}

/// The means of all folds, and of the final models.
struct Means {
    folds: BTreeMap<usize, Mean>,
    latest: Mean,
}

impl Means {
    /// The rows are those of `pool`, if there is one, also of coins that are too young for a test window: its models have
    /// learned from them. Otherwise each coin adds its own.
    fn of(targets: &Targets, view: &View, pool: Option<&UnitFolds>, trained: &BTreeMap<usize, TrainedSymbol>) -> Self {
        let mut folds: BTreeMap<usize, Sums> = BTreeMap::new();
        let mut latest = Sums::default();
        let add = |sums: &mut Sums, symbol: usize, fold: &Fold, means: &Scores, rows: usize| {
            match pool {
                None => sums.add_edges(targets, view, &[symbol], fold),
                // All coins of a fold share the pool's rows, which count once.
                Some(pool) if sums.rows == 0.0 => sums.add_edges(targets, view, &pool.unit.symbols, fold),
                Some(_) => {}
            }
            sums.add_means(means, rows);
        };
        for (&symbol, own) in trained {
            for outcome in &own.folds {
                let sums = folds.entry(outcome.fold.index).or_default();
                add(sums, symbol, &outcome.fold, &outcome.scores.means, outcome.train_rows);
            }
            add(&mut latest, symbol, &own.latest, &own.latest_scores.means, own.train_rows);
        }
        Self { folds: folds.into_iter().map(|(index, sums)| (index, sums.mean())).collect(), latest: latest.mean() }
    }

    /// Those of the fold with this number, or of the final models.
    fn get(&self, fold: Option<usize>) -> Mean {
        fold.map_or(self.latest, |index| self.folds.get(&index).copied().unwrap_or_default())
    }
}

/// Sums over training rows.
#[derive(Default)]
struct Sums {
    rows: f64,
    wins: Scores,
    edges_bps: f64,
    edges: f64,
    edge_rows: f64,
}

impl Sums {
    /// Adds the mean labels of so many training rows.
    fn add_means(&mut self, means: &Scores, rows: usize) {
        self.rows += rows as f64;
        self.wins.iter_mut().zip(means).for_each(|(sum, mean)| *sum += mean * rows as f64);
    }

    /// Adds the edges of the training rows of some symbols.
    fn add_edges(&mut self, targets: &Targets, view: &View, symbols: &[usize], fold: &Fold) {
        for (&symbol, bar) in symbols.iter().flat_map(|symbol| fold.train.clone().map(move |bar| (symbol, bar))) {
            let Some(edge) = targets.outcome(symbol, bar, Head::EdgeBps) else { continue };
            self.edges += f64::from(edge);
            self.edges_bps += f64::from(edge) * atr_bps(view, symbol, bar);
            self.edge_rows += 1.0;
        }
    }

    fn mean(&self) -> Mean {
        let log_odds = |head: Head| log_odds(self.wins[head.position()] / self.rows);
        let offsets = Head::ALL.map(|head| if head == Head::EdgeBps { 0.0 } else { log_odds(head) });
        let mean = |sum: f64| if self.edge_rows > 0.0 { sum / self.edge_rows } else { 0.0 };
        Mean { offsets, drift_bps: mean(self.edges_bps), edge: mean(self.edges) }
    }
}

/// The ATR at a bar, basis points of its close.
fn atr_bps(view: &View, symbol: usize, bar: usize) -> f64 {
    f64::from(view.value(symbol, bar, view_columns::ATR_SHARE)) * BPS
}

/// What the fits share.
struct Context<'a> {
    panel: &'a Panel,
    view: &'a View,
    targets: &'a Targets,
    /// Length of a block of days, milliseconds.
    block_ms: i64,
    /// Bars that a label looks ahead at most.
    horizon_bars: usize,
    /// Whether validation rows count.
    uses_validation: bool,
    /// Whether they count for what the coins' own trees add to a pool.
    uses_own_validation: bool,
    /// Whether all coins share one model, whose base then differs from the means by rounding and weights alone.
    pools: bool,
    /// Whether the edge was learned without the mean over all coins of the bar.
    demeaned: bool,
    means: Means,
}

impl Context<'_> {
    /// The slopes of all heads in a stage: of the mix and the coins' own trees, or of one family alone.
    fn fit(
        &self,
        trained: &BTreeMap<usize, TrainedSymbol>,
        stage: Stage,
        family: Option<Family>,
    ) -> [Slopes; Head::COUNT] {
        Head::ALL.map(|head| slopes::fit(self.rows(trained, stage, head, family), head))
    }

    /// A model's base less what it would be for all coins, in a fold or of the final models.
    fn base(&self, mean: &Mean, base: f64, head: Head) -> f64 {
        match head {
            _ if self.pools => 0.0,
            Head::EdgeBps if self.demeaned => base,
            Head::EdgeBps => base - mean.edge,
            _ => base - mean.offsets[head.position()],
        }
    }

    /// The calibration of a model with these bases, in a fold or of the final models.
    fn calibration(&self, fold: Option<usize>, bases: &Scores, slopes: &[Slopes; Head::COUNT]) -> Calibration {
        let mean = self.means.get(fold);
        let one = |head: Head| {
            let (slopes, base) = (slopes[head.position()], bases[head.position()]);
            let offset = mean.offsets[head.position()];
            let drift_bps = slopes.drift_slope * mean.drift_bps;
            let usual = offset + slopes.base_slope * self.base(&mean, base, head);
            HeadCalibration { offset, drift_bps, base, usual, slopes }
        };
        Calibration { heads: Head::ALL.map(one) }
    }

    /// The rows that may be known in a stage.
    fn rows(
        &self,
        trained: &BTreeMap<usize, TrainedSymbol>,
        stage: Stage,
        head: Head,
        family: Option<Family>,
    ) -> Vec<Row> {
        let (newest, known_before) = match stage {
            Stage::Fold { index, test_start } => (index, test_start),
            Stage::Latest => (usize::MAX, usize::MAX),
        };
        // Room that is not needed is never touched; growing would take twice as much at the end.
        let mut rows = Vec::with_capacity(most_rows(trained));
        for (&symbol, own) in trained {
            for outcome in own.folds.iter().filter(|outcome| outcome.fold.index <= newest) {
                let index = outcome.fold.index;
                // Rows have the means of their own fold.
                let mean = self.means.get(Some(index));
                let scores = match family {
                    None => &outcome.scores.all,
                    Some(family) => match outcome.families.get(&family) {
                        Some(alone) => &alone.scores,
                        None => continue,
                    },
                };
                let own_scores = outcome.scores.own.as_ref().filter(|_| family.is_none());
                let source = Source { symbol, scores, own: own_scores, base: &outcome.scores.base, mean };
                if self.uses_validation {
                    rows.extend(self.part(&source, outcome.fold.validation.clone(), Part::Validation, head));
                }
                if index < newest {
                    let test = &outcome.fold.test;
                    let end = test.end.min(known_before.saturating_sub(self.horizon_bars)).max(test.start);
                    rows.extend(self.part(&source, test.start..end, Part::Test, head));
                }
            }
            if stage == Stage::Latest && own.latest.test.is_empty() && self.uses_validation {
                let ModelScores { all: scores, own: own_scores, base, .. } = &own.latest_scores;
                let mean = self.means.latest;
                let source = Source { symbol, scores, own: own_scores.as_ref(), base, mean };
                rows.extend(self.part(&source, own.latest.validation.clone(), Part::Validation, head));
            }
        }
        rows
    }

    /// The labelled rows of one part of a fold.
    fn part(&self, source: &Source<'_>, bars: std::ops::Range<usize>, part: Part, head: Head) -> Vec<Row> {
        let at = head.position();
        let of = |scores: &FoldScores, place: usize| match part {
            Part::Validation => scores.validation[place][at],
            Part::Test => scores.test[place][at],
        };
        let base = source.base[at];
        let own_counts = part == Part::Test || self.uses_own_validation;
        let row = |(place, bar): (usize, usize)| {
            Some(Row {
                label: f64::from(self.targets.outcome(source.symbol, bar, head)?),
                block: self.panel.time_ms(bar).div_euclid(self.block_ms),
                offset: source.mean.offsets[at],
                drift: match head {
                    Head::EdgeBps => {
                        self.targets.bounded(source.mean.drift_bps / atr_bps(self.view, source.symbol, bar))
                    }
                    _ => 0.0,
                },
                base: self.base(&source.mean, base, head),
                distance: of(source.scores, place) - base,
                own: source.own.filter(|_| own_counts).map_or(0.0, |own| of(own, place)),
            })
        };
        bars.enumerate().filter_map(row).collect()
    }

    /// The calibrated predictions of a test window.
    fn predict(
        &self,
        symbol: usize,
        outcome: &FoldOutcome,
        calibration: &Calibration,
        scores: &FoldScores,
        own: Option<&FoldScores>,
    ) -> Vec<Prediction> {
        let nothing = [0.0; Head::COUNT];
        let one = |(place, (bar, scores)): (usize, (usize, &Scores))| {
            let atr_share = f64::from(self.view.value(symbol, bar, view_columns::ATR_SHARE));
            calibration.predict(scores, own.map_or(&nothing, |own| &own.test[place]), atr_share)
        };
        outcome.fold.test.clone().zip(&scores.test).enumerate().map(one).collect()
    }
}

/// Where rows come from.
struct Source<'a> {
    symbol: usize,
    scores: &'a FoldScores,
    own: Option<&'a FoldScores>,
    base: &'a Scores,
    mean: Mean,
}

#[cfg(test)]
mod means_tests;
#[cfg(test)]
mod tests;
