//! Checks whether models keep their word: whether edges that are predicted out of fold are realised.

use serde::Serialize;

use super::Judgement;
use super::worlds::{Source, Worlds};
use crate::engine::Compute;
use crate::exit::{CommandFailure, OrCode};
use crate::metrics::EdgeFit;
use crate::settings::Settings;
use crate::trainer::{WalkForwardResult, walk_forward};
use crate::ui::Step;

/// Slope of realised on predicted edges, beyond the market's drift, that the upper end of its interval must reach.
pub const LEAST_SLOPE: f64 = 0.8;

/// The result of the check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Promise {
    /// Symbols studied.
    pub symbols: usize,
    /// Labelled bars of the test windows.
    pub predictions: u64,
    /// Those of which a model says something in particular.
    pub told: u64,
    /// Slope of what was realised beyond the market's drift on what the models say of each bar; none where they say nothing.
    pub slope: Option<f64>,
    /// Its 95 % interval by blocks of days.
    pub interval: Option<(f64, f64)>,
    /// Trades of all models.
    pub trades: usize,
    /// Their mean predicted edge, basis points; none without trades.
    pub predicted_bps: Option<f64>,
    /// Their mean result before costs.
    pub gross_bps: Option<f64>,
}

/// Does the walk-forward on the candles as they are, those of the first world.
///
/// # Errors
/// Candles or settings that cannot be used.
pub fn run(source: Source<'_>, settings: &Settings, compute: &Compute, step: &Step) -> Result<Promise, CommandFailure> {
    let Some(world) = Worlds::new(source, settings, usize::MAX)?.next() else { return Ok(Promise::of(0, None, &[])) };
    let world = world?;
    let params = settings.trainer();
    step.total(WalkForwardResult::model_count(&params, &world.panel, &world.counted) as u64);
    let found = walk_forward(&params, compute, &world.panel, &world.counted, step).or_code()?;
    let mut trades = Vec::new();
    for trade in &found.trades {
        let model = found.models.iter().find(|model| model.symbol == trade.symbol);
        if let Some(outcome) = model.and_then(|model| model.trained.outcome_at(trade.signal_bar)) {
            let said = outcome.predictions[trade.signal_bar - outcome.fold.test.start];
            trades.push((trade.side.sign() * said.edge_bps, trade.gross_bps));
        }
    }
    Ok(Promise::of(found.models.len(), found.edge.as_ref(), &trades))
}

impl Promise {
    /// Summarises predictions, and predicted and realised edges of trades.
    fn of(symbols: usize, fit: Option<&EdgeFit>, trades: &[(f64, f64)]) -> Self {
        let mean = |of: fn(&(f64, f64)) -> f64| {
            (!trades.is_empty()).then(|| trades.iter().map(of).sum::<f64>() / trades.len() as f64)
        };
        Self {
            symbols,
            predictions: fit.map_or(0, |fit| fit.predictions),
            told: fit.map_or(0, |fit| fit.told),
            slope: fit.and_then(|fit| fit.told_slope),
            interval: fit.and_then(|fit| fit.told_low.zip(fit.told_high)),
            trades: trades.len(),
            predicted_bps: mean(|trade| trade.0),
            gross_bps: mean(|trade| trade.1),
        }
    }

    /// Passes if the interval of the slope reaches [`LEAST_SLOPE`], or if nothing is promised.
    pub fn judgement(&self) -> Judgement {
        match (self.slope, self.interval) {
            (None, _) => Judgement::Pass,
            (Some(_), Some((_, high))) if high >= LEAST_SLOPE => Judgement::Pass,
            (Some(_), Some(_)) => Judgement::Fail,
            (Some(_), None) => Judgement::Unclear,
        }
    }
}
