//! Whether a value depends on how much history came before it, beyond its warm-up.
//!
//! Features of some bars are computed with the whole history and with one that begins just so many bars before them.
//! Windows of fixed length give the same bits. Recurrences (exponential and Wilder's averages) forget their start in
//! time: they are harmless after as many bars as that takes. Running sums never forget it. The idea is that of
//! freqtrade's `recursive-analysis`.

use serde::Serialize;

use super::Judgement;
use super::stages::Stages;
use super::worlds::part;
use crate::bars::Panel;
use crate::exit::Failure;
use crate::features::{CATALOGUE, COUNT};
use crate::settings::Settings;
use crate::ui::Step;

/// Bars of history beyond the longest warm-up.
pub const HISTORIES: [usize; 9] = [0, 25, 50, 100, 200, 400, 800, 1600, 3200];
/// Effects below this share of the feature's usual size are rounding: features are f32.
pub const HARMLESS: f64 = 1e-6;
/// Features whose level depends on the start by definition (contract, section 3: running sums).
pub const RUNNING: [&str; 2] = ["price_volume_trend", "on_balance_volume"];
/// Bars at which values are held together, in each place of the history.
const BARS: usize = 24;
/// Places of the history.
const PLACES: usize = 3;

/// One value that depends on what came before its warm-up.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dependent {
    pub name: String,
    /// Greatest difference over the root mean square of the value (votes: over 1), for each of the histories.
    pub effects: Vec<f64>,
    /// Bars beyond the longest warm-up from which on every effect is harmless; none where there are none.
    pub harmless_after: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recursion {
    pub symbols: usize,
    /// Bars of history beyond the longest warm-up that the candles could be cut to.
    pub histories: Vec<usize>,
    /// Values held together.
    pub compared: u64,
    /// Columns that are the same whatever came before.
    pub independent: usize,
    pub dependent: Vec<Dependent>,
    /// Columns that had no value to compare.
    pub silent: Vec<String>,
}

impl Recursion {
    /// Failed if a value that is no running sum by definition never forgets its start.
    pub fn judgement(&self) -> Judgement {
        if self.faults().next().is_some() {
            Judgement::Fail
        } else if self.compared == 0 || self.histories.len() < 2 {
            Judgement::Unclear
        } else {
            Judgement::Pass
        }
    }

    /// Values that never forget their start and should.
    pub fn faults(&self) -> impl Iterator<Item = &Dependent> {
        let never = self.dependent.iter().filter(|one| one.harmless_after.is_none());
        never.filter(|one| !RUNNING.contains(&one.name.as_str()))
    }
}

/// Holds every feature and vote together over several lengths of history.
///
/// # Errors
/// Candles too few for the longest warm-up.
pub fn run(stages: &Stages, settings: &Settings, panel: &Panel, step: &Step) -> Result<Recursion, Failure> {
    let warm_up = CATALOGUE.iter().map(|feature| feature.warm_up).max().unwrap_or(0);
    let whole = Values::of(stages, settings, panel);
    let names = whole.names();
    let sizes: Vec<Vec<f64>> = (0..panel.symbols.len()).map(|symbol| whole.sizes(panel, symbol)).collect();
    let longest = panel.ranges.iter().map(|range| range.len()).max().unwrap_or(0);
    let fits = |&history: &usize| warm_up + history + BARS < longest;
    let histories: Vec<usize> = HISTORIES.into_iter().filter(fits).collect();
    let mut effects = vec![vec![0.0_f64; histories.len()]; names.len()];
    let mut counts = vec![0_u64; names.len()];
    for (h, &history) in histories.iter().enumerate() {
        for place in 0..PLACES {
            step.note(&format!("{history} bars beyond the warm-up"));
            // The newest bars, and earlier ones as far as the history reaches.
            let room = longest - (warm_up + history + BARS);
            let end = panel.bars - room * place / PLACES;
            let start = end - BARS - history - warm_up;
            let short = part(panel, 0..panel.symbols.len(), start..end)?;
            let values = Values::of(stages, settings, &short);
            for (row, name) in short.symbols.iter().enumerate() {
                let Some(symbol) = panel.symbol(name) else { continue };
                // A symbol listed within the cut history is not cut short.
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
                        // What is there only with more history depends on it wholly.
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
        silent: Vec::new(),
        histories,
    };
    for ((name, effects), count) in names.into_iter().zip(effects).zip(counts) {
        if count == 0 {
            found.silent.push(name);
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

/// Steps that [`run`] takes at most.
pub fn steps() -> u64 {
    (HISTORIES.len() * PLACES) as u64
}

/// Features, then votes.
struct Values {
    features: crate::features::Features,
    votes: crate::decide::votes::Votes,
}

impl Values {
    fn of(stages: &Stages, settings: &Settings, panel: &Panel) -> Self {
        Self { features: (stages.features)(panel), votes: (stages.votes)(panel, &settings.decide.voters) }
    }

    fn names(&self) -> Vec<String> {
        let votes = (0..crate::decide::votes::VOTERS).map(|voter| format!("vote {voter}"));
        CATALOGUE.iter().map(|feature| feature.name.to_owned()).chain(votes).collect()
    }

    fn at(&self, symbol: usize, bar: usize, column: usize) -> f64 {
        let row = if column < COUNT { self.features.row(symbol, bar) } else { self.votes.row(symbol, bar) };
        f64::from(row[if column < COUNT { column } else { column - COUNT }])
    }

    /// Root mean square of every feature of a symbol; 1 for votes, and where a feature is always 0.
    fn sizes(&self, panel: &Panel, symbol: usize) -> Vec<f64> {
        let size = |column: usize| {
            let values = panel.ranges[symbol].clone().map(|bar| self.at(symbol, bar, column));
            let (sum, count) = values
                .filter(|value| value.is_finite())
                .fold((0.0, 0.0), |(sum, count), value| (sum + value * value, count + 1.0));
            if sum > 0.0 { (sum / count).sqrt() } else { 1.0 }
        };
        (0..COUNT).map(size).chain((0..crate::decide::votes::VOTERS).map(|_| 1.0)).collect()
    }
}
