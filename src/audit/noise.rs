//! How often a model is approved where there is nothing to find.

use std::collections::BTreeMap;

use serde::Serialize;

use super::null;
use super::statistics::clopper_pearson;
use super::walk::{self, Outcome};
use super::worlds::{Source, Worlds};
use super::{CONFIDENCE, Judgement};
use crate::engine::Compute;
use crate::exit::Failure;
use crate::settings::Settings;
use crate::ui::Step;

/// Most of the models on noise that may be approved.
pub const LIMIT: f64 = 0.01;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Noise {
    pub symbols: usize,
    pub approved: usize,
    pub share: f64,
    /// Clopper and Pearson's interval of the share at [`CONFIDENCE`].
    pub interval: (f64, f64),
    /// Symbols that missed a threshold, by its metric.
    pub missed: BTreeMap<&'static str, usize>,
    pub mean_trades: f64,
    /// Every symbol's own outcome.
    #[serde(skip)]
    pub outcomes: Vec<Outcome>,
}

/// Studies `symbols` shuffled symbols.
///
/// # Errors
/// Candles or settings that cannot be studied.
pub fn run(
    source: Source<'_>,
    settings: &Settings,
    compute: &Compute,
    symbols: usize,
    step: &Step,
) -> Result<Noise, Failure> {
    let mut outcomes = Vec::new();
    for world in Worlds::new(source, settings, symbols)? {
        let world = world?;
        if outcomes.is_empty() {
            step.total((symbols * walk::models(settings, &world) / world.counted.len()) as u64);
        }
        let shuffled = null::planted(&world.panel, world.seed, 0.0);
        step.note(&format!("{} of {symbols} symbols", outcomes.len()));
        outcomes.extend(walk::outcomes(settings, compute, &world, &shuffled, step)?);
    }
    Ok(Noise::of(&outcomes))
}

impl Noise {
    pub fn of(outcomes: &[Outcome]) -> Self {
        let (symbols, approved) = (outcomes.len(), outcomes.iter().filter(|outcome| outcome.approved).count());
        Self {
            symbols,
            approved,
            share: approved as f64 / symbols as f64,
            interval: clopper_pearson(approved, symbols, CONFIDENCE),
            missed: missed(outcomes),
            mean_trades: outcomes.iter().map(|outcome| outcome.trades as f64).sum::<f64>() / symbols as f64,
            outcomes: outcomes.to_vec(),
        }
    }

    /// Rate of false approvals at which a test is as strict as the verdict: what was measured, but not less than one of
    /// the symbols, since that much could not have been seen.
    pub fn false_rate(&self) -> f64 {
        self.approved.max(1) as f64 / self.symbols as f64
    }

    /// Passed if the share is at most [`LIMIT`], failed if the whole interval lies above it.
    pub fn judgement(&self) -> Judgement {
        if self.share <= LIMIT {
            Judgement::Pass
        } else if self.interval.0 > LIMIT {
            Judgement::Fail
        } else {
            Judgement::Unclear
        }
    }
}

/// Symbols that missed a threshold, by its metric.
pub fn missed(outcomes: &[Outcome]) -> BTreeMap<&'static str, usize> {
    let mut missed = BTreeMap::new();
    for metric in outcomes.iter().flat_map(|outcome| &outcome.missed) {
        *missed.entry(*metric).or_insert(0) += 1;
    }
    missed
}
