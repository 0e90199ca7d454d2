//! Fits how far scores are believed, and turns them into predictions.
//!
//! The predictions of a fold are calibrated on rows that are older than its test window, of all coins: test rows of earlier
//! folds that lie more than the longest label before it, so that neither their own outcome nor that of another coin of the
//! bar is unknown; and validation rows of this and earlier folds, unless they have also chosen among configurations or
//! families, which would flatter them. A slope is fitted by maximum likelihood
//! through the offset (least squares for the edge), with a standard error by blocks of days, since rows of one day move
//! together. It is then shrunk by the non-negative garrote (Breiman 1995): slope · (1 − c·error²/slope²), 0 where that is
//! negative. A slope that past rows do not support at two standard errors becomes 0; with few blocks it takes more. On noise
//! nothing is left, and a strong slope keeps its value.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use huracan_bars::{DAY_MS, Panel};
use huracan_base::arith;
use huracan_decide::{Calibration, Head, HeadCalibration, Prediction, Scores, Slopes, log_odds};
use huracan_features::{View, view_columns};

use super::scores::{FoldScores, Part};
use super::{Family, FoldOutcome, ModelKind, ModelScores, Targets, TrainedSymbol, TrainerParams};

/// c of the garrote with many blocks: the square of the t-statistic below which nothing is believed.
const TOLERANCE: f64 = 4.0;
/// Blocks that are taken off: with this many, no slope is believed, and with four times as many c is 1.8 times as large.
const FEW_BLOCKS: f64 = 4.0;
/// Largest slope of scores: boosting that was stopped early says less than it has learned.
const MAX_SLOPE: f64 = 2.0;
/// Share of past scores that lie within [`Slopes::reach`].
const REACH: f64 = 0.99;
/// Most steps of Newton's method.
const STEPS: usize = 20;

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

/// Fits all calibrations, and fills in the calibrations and predictions of all folds and families.
pub fn all(
    params: &TrainerParams,
    panel: &Panel,
    view: &View,
    targets: &Targets,
    trained: &mut BTreeMap<usize, TrainedSymbol>,
) {
    let horizon_ms = params.barriers.horizon_bars() as i64 * panel.timeframe.ms();
    let block_ms = (horizon_ms + DAY_MS - 1) / DAY_MS * DAY_MS;
    let chooses = params.models.search.is_on() || params.models.kind == ModelKind::Ensemble;
    let context = Context {
        panel,
        view,
        targets,
        block_ms,
        horizon_bars: params.barriers.horizon_bars(),
        uses_validation: !chooses,
        pools: params.models.scope.pools(),
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
    let fitted: Vec<(Stage, (Scores, [Slopes; Head::COUNT]))> = stages
        .par_iter()
        .map(|&stage| (stage, (offsets(known, stage.number()), context.fit(known, stage, None))))
        .collect();
    let fitted: BTreeMap<Stage, (Scores, [Slopes; Head::COUNT])> = fitted.into_iter().collect();
    let mut by_family: BTreeMap<(Family, Stage), [Slopes; Head::COUNT]> = BTreeMap::new();
    for family in families {
        for &stage in stages.iter().filter(|stage| **stage != Stage::Latest) {
            by_family.insert((family, stage), context.fit(known, stage, Some(family)));
        }
    }

    for (&symbol, own) in trained.iter_mut() {
        for outcome in &mut own.folds {
            let stage = Stage::Fold { index: outcome.fold.index, test_start: outcome.fold.test.start };
            let Some((offsets, slopes)) = fitted.get(&stage) else { continue };
            let calibration = calibration(offsets, &outcome.scores.base, slopes);
            let own_scores = outcome.scores.own.as_ref();
            outcome.predictions = context.predict(symbol, outcome, &calibration, &outcome.scores.all, own_scores);
            outcome.calibration = Some(calibration);
            let mut families = std::mem::take(&mut outcome.families);
            for (family, alone) in &mut families {
                if let Some(slopes) = by_family.get(&(*family, stage)) {
                    let calibration = self::calibration(offsets, &outcome.scores.base, slopes);
                    alone.predictions = context.predict(symbol, outcome, &calibration, &alone.scores, None);
                }
            }
            outcome.families = families;
        }
        if let Some((offsets, slopes)) = fitted.get(&Stage::Latest) {
            own.calibration = Some(calibration(offsets, &own.latest_scores.base, slopes));
        }
    }
}

fn calibration(offsets: &Scores, base: &Scores, slopes: &[Slopes; Head::COUNT]) -> Calibration {
    Calibration {
        heads: [0, 1, 2].map(|at| HeadCalibration { offset: offsets[at], base: base[at], slopes: slopes[at] }),
    }
}

/// What heads without skill say in a fold, or of the final models: the log odds of the base rate over the training rows of all coins, and no edge.
fn offsets(trained: &BTreeMap<usize, TrainedSymbol>, fold: Option<usize>) -> Scores {
    let mut sums = [0.0; Head::COUNT];
    let mut rows = 0.0;
    let mut add = |means: &Scores, count: usize| {
        rows += count as f64;
        sums.iter_mut().zip(means).for_each(|(sum, mean)| *sum += mean * count as f64);
    };
    for own in trained.values() {
        match fold {
            None => add(&own.latest_scores.means, own.train_rows),
            Some(index) => {
                own.folds.iter().filter(|o| o.fold.index == index).for_each(|o| add(&o.scores.means, o.train_rows));
            }
        }
    }
    Head::ALL.map(|head| if head == Head::EdgeBps { 0.0 } else { log_odds(sums[head.position()] / rows) })
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
    /// Whether all coins share one model, whose base then differs from the offset by rounding and weights alone.
    pools: bool,
}

/// One row from which slopes are fitted.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// The block of days that it belongs to.
    block: i64,
    /// Log odds without skill, or 0.
    offset: f64,
    /// Base less offset.
    base: f64,
    /// Score less base.
    distance: f64,
    /// What the coin's own trees add.
    own: f64,
    /// 0 or 1, or multiples of the ATR.
    label: f64,
}

impl Context<'_> {
    /// The slopes of all heads in a stage: of the mix and the coins' own trees, or of one family alone.
    fn fit(
        &self,
        trained: &BTreeMap<usize, TrainedSymbol>,
        stage: Stage,
        family: Option<Family>,
    ) -> [Slopes; Head::COUNT] {
        Head::ALL.map(|head| fit(self.rows(trained, stage, head, family), head))
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
        // Rows have the offset of their own fold.
        let mut known_offsets: BTreeMap<usize, Scores> = BTreeMap::new();
        let latest_offset = offsets(trained, None)[head.position()];
        let mut rows = Vec::new();
        for (&symbol, own) in trained {
            for outcome in own.folds.iter().filter(|outcome| outcome.fold.index <= newest) {
                let index = outcome.fold.index;
                let offset =
                    known_offsets.entry(index).or_insert_with(|| offsets(trained, Some(index)))[head.position()];
                let scores = match family {
                    None => &outcome.scores.all,
                    Some(family) => match outcome.families.get(&family) {
                        Some(alone) => &alone.scores,
                        None => continue,
                    },
                };
                let own_scores = outcome.scores.own.as_ref().filter(|_| family.is_none());
                let source = Source { symbol, scores, own: own_scores, base: &outcome.scores.base, offset };
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
                let source = Source { symbol, scores, own: own_scores.as_ref(), base, offset: latest_offset };
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
        let row = |(place, bar): (usize, usize)| {
            Some(Row {
                label: f64::from(self.targets.get(source.symbol, bar, head)?),
                block: self.panel.time_ms(bar).div_euclid(self.block_ms),
                offset: source.offset,
                base: if self.pools && head != Head::EdgeBps { 0.0 } else { base - source.offset },
                distance: of(source.scores, place) - base,
                own: source.own.map_or(0.0, |own| of(own, place)),
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
    offset: f64,
}

/// Fits the slopes of a head: first that of the base, then that of the distance, then that of the own trees.
fn fit(mut rows: Vec<Row>, head: Head) -> Slopes {
    rows.retain(|row| row.distance.is_finite() && row.own.is_finite());
    if rows.is_empty() {
        return Slopes::NONE;
    }
    let mut distances: Vec<f64> = rows.iter().map(|row| row.distance.abs()).collect();
    let place = ((distances.len() - 1) as f64 * REACH) as usize;
    let reach = *distances.select_nth_unstable_by(place, f64::total_cmp).1;
    rows.iter_mut().for_each(|row| row.distance = row.distance.clamp(-reach, reach));
    let is_probability = head != Head::EdgeBps;
    let base = slope(&rows, |row| row.base, is_probability);
    let base_slope = base.shrunk(1.0);
    rows.iter_mut().for_each(|row| row.offset += base_slope * row.base);
    let distance = slope(&rows, |row| row.distance, is_probability);
    let own_slope = distance.shrunk(MAX_SLOPE);
    rows.iter_mut().for_each(|row| row.offset += own_slope * row.distance);
    let own = slope(&rows, |row| row.own, is_probability);
    Slopes {
        base_slope,
        slope: own_slope,
        own_slope: own.shrunk(MAX_SLOPE),
        reach,
        raw_slope: distance.value,
        raw_slope_error: distance.error,
        rows: rows.len() as u64,
        blocks: distance.blocks,
    }
}

/// A slope before shrinkage.
#[derive(Debug, Clone, Copy)]
struct Fitted {
    value: f64,
    /// Standard error by blocks; 0 where there is nothing to fit.
    error: f64,
    blocks: u64,
}

impl Fitted {
    /// The slope that is believed.
    fn shrunk(&self, most: f64) -> f64 {
        let blocks = self.blocks as f64;
        if self.error <= 0.0 || self.value <= 0.0 || blocks <= FEW_BLOCKS {
            return 0.0;
        }
        let scale = blocks / (blocks - FEW_BLOCKS);
        let ratio = self.error / self.value;
        (self.value * (1.0 - TOLERANCE * scale * scale * ratio * ratio)).clamp(0.0, most)
    }
}

/// The slope of labels on `x` beyond the offsets, by Newton's method from 0.
fn slope(rows: &[Row], x: impl Fn(&Row) -> f64, is_probability: bool) -> Fitted {
    let mean = |row: &Row, value: f64| {
        let score = row.offset + value * x(row);
        if is_probability { arith::sigmoid(score) } else { score }
    };
    let (mut value, mut curvature) = (0.0, 0.0);
    for _ in 0..STEPS {
        let mut gradient = 0.0;
        curvature = 0.0;
        for row in rows {
            let (x, mean) = (x(row), mean(row, value));
            gradient += x * (row.label - mean);
            curvature += x * x * if is_probability { mean * (1.0 - mean) } else { 1.0 };
        }
        // Without any spread there is no slope.
        if curvature <= f64::MIN_POSITIVE {
            return Fitted { value: 0.0, error: 0.0, blocks: 0 };
        }
        let step = gradient / curvature;
        if !is_probability {
            value = step;
            break;
        }
        value += step.clamp(-1.0, 1.0);
        if step.abs() < 1e-9 {
            break;
        }
    }
    let mut blocks: BTreeMap<i64, f64> = BTreeMap::new();
    for row in rows {
        *blocks.entry(row.block).or_default() += x(row) * (row.label - mean(row, value));
    }
    let count = blocks.len() as f64;
    let spread: f64 = blocks.values().map(|sum| sum * sum).sum::<f64>() * count / (count - 1.0).max(1.0);
    Fitted { value, error: spread.sqrt() / curvature, blocks: blocks.len() as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use huracan_base::arith::{draw, uniform};

    /// Rows whose label is `slope` times the score plus noise, over so many blocks of 40 rows.
    fn edges(slope: f64, blocks: usize) -> Vec<Row> {
        let at = |stream: u64, row: usize| uniform(draw(3, stream, row as u64)) - 0.5;
        (0..blocks * 40)
            .map(|row| {
                let distance = at(0, row);
                let label = slope * distance + 2.0 * at(1, row) + at(2, row / 40);
                Row { block: row as i64 / 40, offset: 0.0, base: 0.0, distance, own: 0.0, label }
            })
            .collect()
    }

    #[test]
    fn a_supported_slope_keeps_most_of_its_value_and_noise_keeps_nothing() {
        let strong = fit(edges(0.8, 200), Head::EdgeBps);
        assert!((0.7..0.9).contains(&strong.slope), "{strong:?}");
        assert!((strong.raw_slope - 0.8).abs() < 0.1);
        let noise = fit(edges(0.0, 200), Head::EdgeBps);
        assert!(noise.slope < 0.05, "{noise:?}");
        let wrong = fit(edges(-0.8, 200), Head::EdgeBps);
        assert_eq!(wrong.slope, 0.0);
    }

    #[test]
    fn few_blocks_support_nothing() {
        assert_eq!(fit(edges(0.8, 4), Head::EdgeBps).slope, 0.0);
        assert_eq!(fit(Vec::new(), Head::EdgeBps), Slopes::NONE);
        let (few, many) = (fit(edges(2.0, 12), Head::EdgeBps), fit(edges(2.0, 300), Head::EdgeBps));
        assert!(few.slope < many.slope, "{few:?} {many:?}");
    }

    #[test]
    fn log_odds_are_fitted_by_their_likelihood() {
        let at = |stream: u64, row: usize| uniform(draw(5, stream, row as u64));
        let rows: Vec<Row> = (0..20_000)
            .map(|row| {
                let distance = 2.0 * at(0, row) - 1.0;
                let label = f64::from(u8::from(at(1, row) < arith::sigmoid(-0.4 + 0.5 * distance)));
                Row { block: row as i64 / 100, offset: -0.4, base: 0.0, distance, own: 0.0, label }
            })
            .collect();
        let fitted = fit(rows, Head::WinLong);
        assert!((fitted.raw_slope - 0.5).abs() < 0.06 && fitted.slope > 0.4, "{fitted:?}");
    }

    #[test]
    fn scores_that_say_nothing_have_no_slope() {
        let rows: Vec<Row> = edges(0.8, 50).into_iter().map(|row| Row { distance: 0.0, ..row }).collect();
        assert_eq!(fit(rows, Head::EdgeBps).slope, 0.0);
    }
}
