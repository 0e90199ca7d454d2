//! One walk-forward over a shuffled world, and its verdicts.

use std::collections::BTreeMap;

use serde::Serialize;

use super::null::Planted;
use super::statistics::mean_test;
use super::worlds::World;
use crate::engine::Compute;
use crate::exit::{CommandFailure, OrCode};
use crate::settings::Settings;
use crate::trainer::{Model, Observer, Verdict, WalkForwardResult, walk_forward};

/// The outcome of one symbol.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// Number of the world, whose symbols share a model.
    pub world: usize,
    /// `BASE-QUOTE`.
    pub symbol: String,
    /// The verdict.
    pub approved: bool,
    /// Metrics whose thresholds were missed.
    pub missed: Vec<&'static str>,
    /// Number of trades.
    pub trades: usize,
    /// Share of winning trades.
    pub win_rate: f64,
    /// Annualised Sharpe ratio, net.
    pub sharpe: f64,
    /// Mean net result of the trades divided by its standard error.
    pub t: f64,
    /// Mean net result of the trades, basis points.
    pub net_bps: f64,
    /// Correlation of the predicted edge with the planted signal over the test windows; NaN if either is constant.
    pub correlation: f64,
}

/// Does a walk-forward over a world. One outcome per counted symbol, in their order. A symbol that could not be trained is not
/// approved.
///
/// # Errors
/// Settings that cannot be used, or a device that fails without a fallback.
pub fn outcomes(
    settings: &Settings,
    compute: &Compute,
    world: &World,
    planted: &Planted,
    observer: &dyn Observer,
) -> Result<Vec<Outcome>, CommandFailure> {
    let found = walk_forward(&settings.trainer(), compute, &planted.panel, &world.counted, observer).or_code()?;
    let models: BTreeMap<usize, &Model> = found.models.iter().map(|model| (model.symbol, model)).collect();
    let one = |&symbol: &usize| match models.get(&symbol) {
        Some(model) => outcome(model, planted, (world.number, symbol)),
        None => Outcome {
            world: world.number,
            symbol: planted.panel.symbols[symbol].clone(),
            approved: false,
            missed: vec!["not trained"],
            trades: 0,
            win_rate: f64::NAN,
            sharpe: f64::NAN,
            t: 0.0,
            net_bps: f64::NAN,
            correlation: f64::NAN,
        },
    };
    Ok(world.counted.iter().map(one).collect())
}

/// Approved and all symbols of each world.
pub fn by_world(outcomes: &[Outcome]) -> Vec<(usize, usize)> {
    let mut worlds: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    for outcome in outcomes {
        let own = worlds.entry(outcome.world).or_default();
        *own = (own.0 + usize::from(outcome.approved), own.1 + 1);
    }
    worlds.into_values().collect()
}

/// Number of models that [`outcomes`] trains.
pub fn models(settings: &Settings, world: &World) -> usize {
    WalkForwardResult::model_count(&settings.trainer(), &world.panel, &world.counted)
}

fn outcome(model: &Model, planted: &Planted, (world, symbol): (usize, usize)) -> Outcome {
    let missed = match &model.verdict {
        Verdict::Approved(_) => Vec::new(),
        Verdict::Rejected(rejected) => rejected.missed().iter().map(|failure| failure.metric).collect(),
    };
    let signal = planted.panel.row(&planted.signal, symbol);
    let pairs = model.trained.folds.iter().flat_map(|outcome| {
        let predictions = outcome.fold.test.clone().zip(&outcome.predictions);
        predictions.map(|(bar, prediction)| (signal[bar], prediction.edge_bps))
    });
    Outcome {
        world,
        symbol: planted.panel.symbols[symbol].clone(),
        approved: model.verdict.is_approved(),
        missed,
        trades: model.metrics.trades.count,
        win_rate: model.metrics.trades.win_rate,
        sharpe: model.metrics.sharpe,
        t: mean_test(&model.account.entries.iter().map(|entry| entry.trade.net_bps).collect::<Vec<_>>()).t,
        net_bps: model.metrics.trades.average_bps,
        correlation: correlation(&pairs.collect::<Vec<_>>()),
    }
}

/// Pearson's correlation of the pairs in which both are finite.
fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let known: Vec<(f64, f64)> = pairs.iter().copied().filter(|(a, b)| a.is_finite() && b.is_finite()).collect();
    let n = known.len() as f64;
    let (mean_a, mean_b) = (known.iter().map(|p| p.0).sum::<f64>() / n, known.iter().map(|p| p.1).sum::<f64>() / n);
    let (mut both, mut a, mut b) = (0.0, 0.0, 0.0);
    for (x, y) in known {
        both += (x - mean_a) * (y - mean_b);
        a += (x - mean_a) * (x - mean_a);
        b += (y - mean_b) * (y - mean_b);
    }
    both / (a * b).sqrt()
}
