//! Checks whether models keep their word: whether edges that are predicted out of fold are realised.

use serde::Serialize;

use super::Judgement;
use super::stages::Stages;
use super::worlds::{Source, Worlds};
use crate::engine::Compute;
use crate::exit::{CommandFailure, OrCode};
use crate::metrics::{EdgeFit, PredictedEdge};
use crate::settings::Settings;
use crate::shadow::{CoinCosts, Trade};
use crate::trainer::WalkForwardResult;
use crate::ui::Step;

/// Slope of realised on predicted edges, beyond the market's drift, that the upper end of its interval must reach.
pub const LEAST_SLOPE: f64 = 0.8;
/// Strength of the pattern in simulated markets, if `market.simulated.edge` is 0: without one models rightly promise nothing, and
/// there is nothing to keep. It is one of those for which docs/skill.md has slopes.
pub const PLANTED: f64 = 2.0;
/// Blocks of days between the worlds of simulated markets, each of which has days of its own.
const WORLD_BLOCKS: i64 = 1 << 32;

/// The result of the check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Promise {
    /// Symbols studied.
    pub symbols: usize,
    /// Worlds that they belong to.
    pub worlds: usize,
    /// Strength of the pattern that was planted in simulated markets; none with the user's candles.
    pub planted: Option<f64>,
    /// Labelled bars of the test windows.
    pub predictions: u64,
    /// Those of which a model says something in particular.
    pub told: u64,
    /// Blocks of days with such bars.
    pub told_blocks: u64,
    /// Slope of what was realised beyond the market's drift on what the models say of each bar; none where they say nothing.
    pub slope: Option<f64>,
    /// Its 95 % interval by blocks of days; none with too few of them.
    pub interval: Option<(f64, f64)>,
    /// Slope of realised on predicted edges, the drift included; none where all predictions are equal.
    pub whole_slope: Option<f64>,
    /// Its 95 % interval.
    pub whole_interval: Option<(f64, f64)>,
    /// Trades of all models.
    pub trades: usize,
    /// Their mean predicted edge, basis points; none without trades.
    pub predicted_bps: Option<f64>,
    /// Their mean result before costs.
    pub gross_bps: Option<f64>,
    /// Mean of what they realised of the predicted edge: the result before costs, less the funding that is known.
    pub realised_bps: Option<f64>,
}

/// What the worlds add up to.
#[derive(Default)]
struct Found {
    symbols: usize,
    worlds: usize,
    edges: Vec<PredictedEdge>,
    /// Predicted edge of each trade, its result before costs, and what was realised of the edge.
    trades: Vec<(f64, f64, f64)>,
}

/// Does the walk-forward on the candles as they are, or on simulated markets with a pattern, of `symbols` symbols.
///
/// # Errors
/// Candles or settings that cannot be used.
pub fn run(
    stages: &Stages,
    source: Source<'_>,
    settings: &Settings,
    compute: &Compute,
    symbols: usize,
    step: &Step,
) -> Result<Promise, CommandFailure> {
    let edge = settings.market.simulated.edge;
    let planted = matches!(source, Source::Simulated).then_some(if edge > 0.0 { edge } else { PLANTED });
    let mut found = Found::default();
    let mut models = 0;
    for world in Worlds::once(source, settings, symbols, planted.unwrap_or(0.0))? {
        let world = world?;
        models += WalkForwardResult::model_count(&settings.trainer(), &world.panel, &world.counted);
        step.total(models as u64);
        step.note(&format!("{} symbols", found.symbols));
        let walked = (stages.walk)(settings, compute, &world.panel, &world.counted, step).or_code()?;
        found.symbols += walked.models.len();
        // The worlds of the user's candles share their days.
        let shift = if planted.is_some() { found.worlds as i64 * WORLD_BLOCKS } else { 0 };
        let edges = walked.edges(&world.panel).into_iter();
        found.edges.extend(edges.map(|edge| PredictedEdge { block: edge.block + shift, ..edge }));
        let rules = settings.trainer().rules(world.panel.timeframe);
        found
            .trades
            .extend(trades(&walked, |trade| CoinCosts::of(&world.panel, trade.symbol, &rules).realised_bps(trade)));
        found.worlds += 1;
    }
    Ok(Promise::of(&found, planted))
}

/// Predicted edge of each trade, its result before costs, and what was realised of the edge.
fn trades(walked: &WalkForwardResult, realised: impl Fn(&Trade) -> f64) -> Vec<(f64, f64, f64)> {
    let one = |trade: &Trade| {
        let model = walked.models.iter().find(|model| model.symbol == trade.symbol)?;
        let outcome = model.trained.outcome_at(trade.signal_bar)?;
        let said = outcome.predictions[trade.signal_bar - outcome.fold.test.start];
        Some((trade.side.sign() * said.edge_bps, trade.gross_bps, realised(trade)))
    };
    walked.trades.iter().filter_map(one).collect()
}

impl Promise {
    /// Summarises predictions, and of trades the predicted edges, the results before costs and what was realised.
    fn of(found: &Found, planted: Option<f64>) -> Self {
        let mean = |of: fn(&(f64, f64, f64)) -> f64| {
            let trades = &found.trades;
            (!trades.is_empty()).then(|| trades.iter().map(of).sum::<f64>() / trades.len() as f64)
        };
        let fit = EdgeFit::of(found.edges.iter().copied());
        let fit = fit.as_ref();
        Self {
            symbols: found.symbols,
            worlds: found.worlds,
            planted,
            predictions: fit.map_or(0, |fit| fit.predictions),
            told: fit.map_or(0, |fit| fit.told),
            told_blocks: fit.map_or(0, |fit| fit.told_blocks),
            slope: fit.and_then(|fit| fit.told_slope),
            interval: fit.and_then(|fit| fit.told_low.zip(fit.told_high)),
            whole_slope: fit.and_then(|fit| fit.slope),
            whole_interval: fit.and_then(|fit| fit.slope_low.zip(fit.slope_high)),
            trades: found.trades.len(),
            predicted_bps: mean(|trade| trade.0),
            gross_bps: mean(|trade| trade.1),
            realised_bps: mean(|trade| trade.2),
        }
    }

    /// Fails if the interval of the slope ends below [`LEAST_SLOPE`], and passes if it reaches it and lies above 0. An interval
    /// that holds both 0 and [`LEAST_SLOPE`] cannot tell a promise that is kept from luck, and too few days have none: that is
    /// unclear. Where nothing is promised, nothing is broken, which is a pass; but where a pattern was planted to be found, it is
    /// unclear.
    pub fn judgement(&self) -> Judgement {
        match (self.slope, self.interval) {
            (None, _) if self.planted.is_none() => Judgement::Pass,
            (None, _) | (Some(_), None) => Judgement::Unclear,
            (Some(_), Some((_, high))) if high < LEAST_SLOPE => Judgement::Fail,
            (Some(_), Some((low, _))) if low <= 0.0 => Judgement::Unclear,
            (Some(_), Some(_)) => Judgement::Pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(slope: Option<f64>, interval: Option<(f64, f64)>, planted: Option<f64>) -> Judgement {
        Promise { slope, interval, ..Promise::of(&Found::default(), planted) }.judgement()
    }

    #[test]
    fn an_interval_that_tells_nothing_is_unclear() {
        assert_eq!(judged(Some(-5.0), Some((-20.0, 10.0)), None), Judgement::Unclear);
        assert_eq!(judged(Some(0.7), None, None), Judgement::Unclear);
        assert_eq!(judged(Some(0.9), Some((0.4, 1.4)), None), Judgement::Pass);
        assert_eq!(judged(Some(2.0), Some((1.5, 2.5)), None), Judgement::Pass);
        assert_eq!(judged(Some(0.3), Some((0.1, 0.5)), None), Judgement::Fail);
        assert_eq!(judged(Some(-0.3), Some((-0.5, 0.1)), None), Judgement::Fail);
    }

    #[test]
    fn silence_is_right_on_candles_and_nothing_to_judge_by_where_a_pattern_was_planted() {
        assert_eq!(judged(None, None, None), Judgement::Pass);
        assert_eq!(judged(None, None, Some(PLANTED)), Judgement::Unclear);
    }

    #[test]
    fn the_days_of_worlds_are_counted_apart() {
        let row = |world: i64, i: i64| PredictedEdge {
            predicted: (i % 5) as f64,
            realised: (i % 5) as f64,
            known_mean: 0.0,
            told: (i % 5) as f64,
            block: i / 10 + world * WORLD_BLOCKS,
            month: 0,
        };
        let edges = (0..3).flat_map(|world| (0..50).map(move |i| row(world, i))).collect();
        let found = Promise::of(&Found { edges, ..Found::default() }, None);
        assert_eq!((found.told_blocks, found.slope, found.interval), (15, Some(1.0), Some((1.0, 1.0))));
    }
}
