//! Measures how often a model is approved where nothing can be predicted.

use std::collections::BTreeMap;

use serde::Serialize;

use super::null::{self, Order};
use super::statistics::clustered_interval;
use super::walk::{self, Outcome};
use super::worlds::{LEAST_WORLDS, Source, Worlds};
use super::{CONFIDENCE, Judgement};
use crate::engine::Compute;
use crate::exit::CommandFailure;
use crate::settings::Settings;
use crate::ui::Step;

/// Largest share of models on noise that may be approved.
pub const LIMIT: f64 = 0.01;

/// The result of the check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Noise {
    /// What the null keeps of the order of bars.
    pub order: Order,
    /// Shuffled symbols.
    pub symbols: usize,
    /// Worlds that they belong to: as many symbols as a run has, which share a model and its slopes, so that approvals come in clumps.
    pub worlds: usize,
    /// Approved models.
    pub approved: usize,
    /// `approved / symbols`.
    pub share: f64,
    /// Interval of the share at [`CONFIDENCE`], by worlds ([`clustered_interval`]).
    pub interval: (f64, f64),
    /// Number of symbols that missed a threshold, by metric.
    pub missed: BTreeMap<&'static str, usize>,
    /// Mean number of trades per symbol.
    pub mean_trades: f64,
    /// The outcome per symbol.
    #[serde(skip)]
    pub outcomes: Vec<Outcome>,
}

/// Does the walk-forward on `symbols` shuffled symbols.
///
/// # Errors
/// Candles or settings that cannot be used.
pub fn run(
    source: Source<'_>,
    settings: &Settings,
    compute: &Compute,
    symbols: usize,
    order: Order,
    step: &Step,
) -> Result<Noise, CommandFailure> {
    let mut outcomes = Vec::new();
    for world in Worlds::new(source, settings, symbols)? {
        let world = world?;
        if outcomes.is_empty() {
            step.total((symbols * walk::models(settings, &world) / world.counted.len()) as u64);
        }
        let shuffled = null::planted(&world.panel, world.seed, 0.0, order);
        step.note(&format!("{} of {symbols} symbols", outcomes.len()));
        outcomes.extend(walk::outcomes(settings, compute, &world, &shuffled, step)?);
    }
    Ok(Noise::of(&outcomes, order))
}

impl Noise {
    /// Summarises the outcomes.
    pub fn of(outcomes: &[Outcome], order: Order) -> Self {
        let worlds = walk::by_world(outcomes);
        let (symbols, approved) = (outcomes.len(), outcomes.iter().filter(|outcome| outcome.approved).count());
        Self {
            order,
            symbols,
            worlds: worlds.len(),
            approved,
            share: approved as f64 / symbols as f64,
            interval: clustered_interval(&worlds, CONFIDENCE),
            missed: missed(outcomes),
            mean_trades: outcomes.iter().map(|outcome| outcome.trades as f64).sum::<f64>() / symbols as f64,
            outcomes: outcomes.to_vec(),
        }
    }

    /// The rate of false approvals: the measured one, but at least one of the symbols, since a smaller rate cannot be
    /// measured.
    pub fn false_rate(&self) -> f64 {
        self.approved.max(1) as f64 / self.symbols as f64
    }

    /// Passes if the share is at most [`LIMIT`] in [`LEAST_WORLDS`] worlds or more, fails if the whole interval is above it.
    pub fn judgement(&self) -> Judgement {
        if self.interval.0 > LIMIT {
            Judgement::Fail
        } else if self.share <= LIMIT && self.worlds >= LEAST_WORLDS {
            Judgement::Pass
        } else {
            Judgement::Unclear
        }
    }
}

/// Number of symbols that missed a threshold, by metric.
pub fn missed(outcomes: &[Outcome]) -> BTreeMap<&'static str, usize> {
    let mut missed = BTreeMap::new();
    for metric in outcomes.iter().flat_map(|outcome| &outcome.missed) {
        *missed.entry(*metric).or_insert(0) += 1;
    }
    missed
}
