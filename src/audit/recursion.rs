//! Checks whether a value depends on how much history came before it, beyond its warm-up.
//!
//! Features of some bars are computed with the whole history, and with a history of a certain number of bars. Windows of fixed
//! length give the same bits. In recurrences (exponential and Wilder's averages) the influence of the start decays: they are
//! harmless after some number of bars. In running sums it never does. The idea is from freqtrade's `recursive-analysis`.

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
    /// Columns without a value to compare.
    #[serde(rename = "silent")]
    pub without_values: Vec<String>,
}

impl Recursion {
    /// Fails if a value other than a running sum always depends on the start.
    pub fn judgement(&self) -> Judgement {
        if self.faults().next().is_some() {
            Judgement::Fail
        } else if self.compared == 0 || self.histories.len() < 2 {
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
    let mut found = Recursion {
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
    (HISTORIES.len() * POSITIONS) as u64
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
