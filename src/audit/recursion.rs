//! Checks whether a value depends on how much history came before it, beyond its warm-up.
//!
//! Features of some bars are computed with the whole history, and with a history of a certain number of bars. Windows of fixed
//! length give the same bits. In recurrences (exponential and Wilder's averages) the influence of the start decays: they are
//! harmless after some number of bars. In running sums it never does. The idea is from freqtrade's `recursive-analysis`.
//!
//! The view that models see must not depend on the level of prices and volumes either: those of one coin are multiplied by factors
//! that are no powers of two, and every column must stay the same but for rounding.

use serde::Serialize;

use super::Judgement;
use super::stages::Stages;
use super::worlds::part;
use crate::bars::Panel;
use crate::exit::CommandFailure;
use crate::features::{CATALOGUE, COUNT, VIEW, VIEW_COUNT, View};
use crate::settings::Settings;
use crate::ui::Step;

/// Bars of history beyond the longest warm-up.
pub const HISTORIES: [usize; 9] = [0, 25, 50, 100, 200, 400, 800, 1600, 3200];
/// Effects below this share of the feature's usual size are rounding errors of f32.
pub const HARMLESS: f64 = 1e-6;
/// Features whose level depends on the start by definition (docs/contract.md, section 3: running sums).
pub const RUNNING: [&str; 2] = ["price_volume_trend", "on_balance_volume"];
/// What the prices of one coin are multiplied by: a power of two changes the level and no digit. Other factors round, which also
/// decides ties anew: two moves of as many ticks are no longer equal, and the ADX goes by the larger of them.
const PRICE_FACTOR: f64 = 1.0 / 8192.0;
/// What its volumes are multiplied by.
const VOLUME_FACTOR: f64 = 8.0;
/// Differences of the view below this share of the column's usual size are rounding: a price in f32 has seven digits, and a distance
/// in ATR some four fewer.
const ROUNDING: f64 = 1e-3;
/// Largest share of bars with greater ones: a regime is a class, and rounding decides a few bars at the edge of one.
const LEAST_BARS: f64 = 0.01;
/// Bars at which values are compared, per position in the history.
const BARS: usize = 24;
/// Positions in the history.
const POSITIONS: usize = 3;
/// Columns whose differences are measured by their own size: features and view.
const SCALED: usize = COUNT + VIEW_COUNT;

/// A value that depends on the bars before its warm-up.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dependent {
    /// Name of the feature, `view` and the name of its column, or number of the vote.
    pub name: String,
    /// Per history: greatest difference relative to the value's root mean square (votes: relative to 1).
    pub effects: Vec<f64>,
    /// Bars beyond the longest warm-up from which on every effect is harmless; none if it never is.
    pub harmless_after: Option<usize>,
}

/// The result of the check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recursion {
    /// Symbols compared.
    pub symbols: usize,
    /// Lengths of history, in bars beyond the longest warm-up, that the candles were cut to.
    pub histories: Vec<usize>,
    /// Values compared.
    pub compared: u64,
    /// Number of columns that do not depend on earlier bars.
    pub independent: usize,
    /// Columns that do.
    pub dependent: Vec<Dependent>,
    /// Values of the view compared at two levels of prices and volumes.
    pub levels: u64,
    /// Columns of the view that depend on the level, with the share of bars that differ.
    pub level_dependent: Vec<(String, f64)>,
    /// Columns without a value to compare.
    #[serde(rename = "silent")]
    pub without_values: Vec<String>,
}

impl Recursion {
    /// Fails if a value other than a running sum always depends on the start, or a column of the view on the level of prices.
    pub fn judgement(&self) -> Judgement {
        if self.faults().next().is_some() || !self.level_dependent.is_empty() {
            Judgement::Fail
        } else if self.compared == 0 || self.levels == 0 || self.histories.len() < 2 {
            Judgement::Unclear
        } else {
            Judgement::Pass
        }
    }

    /// Values that always depend on the start, although they are not running sums.
    pub fn faults(&self) -> impl Iterator<Item = &Dependent> {
        let never = self.dependent.iter().filter(|one| one.harmless_after.is_none());
        never.filter(|one| !RUNNING.contains(&one.name.as_str()))
    }
}

/// Compares all features, the whole view and all votes over several lengths of history.
///
/// # Errors
/// Too few candles for the longest warm-up.
pub fn run(stages: &Stages, settings: &Settings, panel: &Panel, step: &Step) -> Result<Recursion, CommandFailure> {
    let warm_up = CATALOGUE.iter().chain(VIEW).map(|feature| feature.warm_up).max().unwrap_or(0);
    let whole = Values::of(stages, settings, panel);
    let names = whole.names();
    let sizes: Vec<Vec<f64>> = (0..panel.symbols.len()).map(|symbol| whole.sizes(panel, symbol)).collect();
    let longest = panel.ranges.iter().map(|range| range.len()).max().unwrap_or(0);
    let fits = |&history: &usize| warm_up + history + BARS < longest;
    let histories: Vec<usize> = HISTORIES.into_iter().filter(fits).collect();
    let mut effects = vec![vec![0.0_f64; histories.len()]; names.len()];
    let mut counts = vec![0_u64; names.len()];
    for (h, &history) in histories.iter().enumerate() {
        for position in 0..POSITIONS {
            step.note(&format!("{history} bars beyond the warm-up"));
            // The newest bars, and earlier ones as far as the history reaches.
            let spare = longest - (warm_up + history + BARS);
            let end = panel.bars - spare * position / POSITIONS;
            let start = end - BARS - history - warm_up;
            let short = part(panel, 0..panel.symbols.len(), start..end)?;
            let values = Values::of(stages, settings, &short);
            for (row, name) in short.symbols.iter().enumerate() {
                let Some(symbol) = panel.symbol(name) else { continue };
                // The history of a symbol listed after the cut is not shortened.
                if short.ranges[row].start > 0 || panel.ranges[symbol].start >= start {
                    continue;
                }
                let shift = (short.start_ms - panel.start_ms) / panel.timeframe.ms();
                for bar in (end - BARS..end).filter(|bar| panel.ranges[symbol].contains(bar)) {
                    for (column, size) in sizes[symbol].iter().enumerate() {
                        let old = whole.at(symbol, bar, column);
                        let new = values.at(row, bar - shift as usize, column);
                        if old.is_nan() && new.is_nan() {
                            continue;
                        }
                        counts[column] += 1;
                        let effect = if old == new { 0.0 } else { (old - new).abs() / size };
                        // A value that only exists with more history depends on it completely.
                        let effect = if effect.is_nan() { f64::INFINITY } else { effect };
                        effects[column][h] = effects[column][h].max(effect);
                    }
                }
            }
            step.advance(1);
        }
    }
    let (levels, level_dependent) = at_another_level(stages, panel, &whole, &sizes);
    step.advance(1);
    let mut found = Recursion {
        levels,
        level_dependent,
        symbols: panel.symbols.len(),
        compared: counts.iter().sum(),
        independent: 0,
        dependent: Vec::new(),
        without_values: Vec::new(),
        histories,
    };
    for ((name, effects), count) in names.into_iter().zip(effects).zip(counts) {
        if count == 0 {
            found.without_values.push(name);
        } else if effects.iter().all(|&effect| effect < HARMLESS) {
            found.independent += 1;
        } else {
            let last = effects.iter().rposition(|&effect| effect >= HARMLESS).unwrap_or(0);
            let harmless_after = found.histories.get(last + 1).copied();
            found.dependent.push(Dependent { name, effects, harmless_after });
        }
    }
    found.dependent.sort_by_key(|one| (one.harmless_after.map_or(usize::MAX, |bars| bars), one.name.clone()));
    Ok(found)
}

/// Largest number of steps of [`run`], for the progress bar.
pub fn steps() -> u64 {
    (HISTORIES.len() * POSITIONS + 1) as u64
}

/// Compares the view of all symbols with that of a panel in which one coin has other prices and volumes. Returns the number of
/// values, and the columns that differ, with the share of bars.
fn at_another_level(stages: &Stages, panel: &Panel, whole: &Values, sizes: &[Vec<f64>]) -> (u64, Vec<(String, f64)>) {
    // The coin with the longest history, of several the last: BTC and ETH, which others are compared with, come early.
    let Some(coin) = (0..panel.symbols.len()).max_by_key(|&symbol| panel.ranges[symbol].len()) else {
        return (0, Vec::new());
    };
    let mut scaled = panel.clone();
    let own = coin * panel.bars..(coin + 1) * panel.bars;
    for column in [&mut scaled.open, &mut scaled.high, &mut scaled.low, &mut scaled.close] {
        column[own.clone()].iter_mut().for_each(|price| *price *= PRICE_FACTOR);
    }
    scaled.volume[own].iter_mut().for_each(|volume| *volume *= VOLUME_FACTOR);
    let view = (stages.view)(&scaled, &(stages.features)(&scaled));
    let mut all = 0;
    let mut dependent = Vec::new();
    for (column, feature) in VIEW.iter().enumerate() {
        let (mut count, mut differ) = ([0_u64; 2], [0_u64; 2]);
        for (symbol, range) in panel.ranges.iter().enumerate() {
            for bar in range.clone() {
                let (old, new) = (whole.view.value(symbol, bar, column), view.value(symbol, bar, column));
                if old.is_nan() && new.is_nan() {
                    continue;
                }
                let off = (f64::from(old) - f64::from(new)).abs() / sizes[symbol][COUNT + column];
                let whose = usize::from(symbol != coin);
                count[whose] += 1;
                // A value that is undefined at one of the levels differs, too.
                differ[whose] += u64::from(off.is_nan() || off > ROUNDING);
            }
        }
        all += count[0] + count[1];
        let share = |whose: usize| differ[whose] as f64 / count[whose].max(1) as f64;
        let worst = share(0).max(share(1));
        if worst > LEAST_BARS {
            dependent.push((feature.name.to_owned(), worst));
        }
    }
    (all, dependent)
}

/// The features, the view of them that models see, and the votes of a panel. Columns are numbered in this order.
struct Values {
    features: crate::features::Features,
    view: View,
    votes: crate::decide::votes::Votes,
}

impl Values {
    fn of(stages: &Stages, settings: &Settings, panel: &Panel) -> Self {
        let features = (stages.features)(panel);
        let view = (stages.view)(panel, &features);
        Self { features, view, votes: (stages.votes)(panel, &settings.decide.voters) }
    }

    fn names(&self) -> Vec<String> {
        let view = VIEW.iter().map(|column| format!("view {}", column.name));
        let votes = (0..crate::decide::votes::VOTERS).map(|voter| format!("vote {voter}"));
        CATALOGUE.iter().map(|feature| feature.name.to_owned()).chain(view).chain(votes).collect()
    }

    fn at(&self, symbol: usize, bar: usize, column: usize) -> f64 {
        f64::from(match column {
            ..COUNT => self.features.row(symbol, bar)[column],
            COUNT..SCALED => self.view.row(symbol, bar)[column - COUNT],
            _ => self.votes.row(symbol, bar)[column - SCALED],
        })
    }

    /// Root mean square per column of a symbol; 1 for votes, and for features that are always 0.
    fn sizes(&self, panel: &Panel, symbol: usize) -> Vec<f64> {
        let size = |column: usize| {
            let values = panel.ranges[symbol].clone().map(|bar| self.at(symbol, bar, column));
            let (sum, count) = values
                .filter(|value| value.is_finite())
                .fold((0.0, 0.0), |(sum, count), value| (sum + value * value, count + 1.0));
            if sum > 0.0 { (sum / count).sqrt() } else { 1.0 }
        };
        (0..SCALED).map(size).chain((0..crate::decide::votes::VOTERS).map(|_| 1.0)).collect()
    }
}
