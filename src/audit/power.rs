//! Measures how often a planted edge is found, compared with a t-test on the trades of the best rule.

use std::collections::BTreeMap;

use serde::Serialize;

use super::null::{self, Order, Planted};
use super::oracle;
use super::statistics::{MeanTest, clustered_interval};
use super::walk::{self, Outcome};
use super::worlds::{LEAST_WORLDS, Source, World, Worlds};
use super::{CONFIDENCE, Judgement, noise};
use crate::engine::Compute;
use crate::exit::CommandFailure;
use crate::settings::Settings;
use crate::ui::Step;

/// Distances of the best rule's mean net result from zero, in standard errors, at which power is measured.
pub const TARGETS: [f64; 7] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.5, 8.0];
/// The distance from which on [`LEAST_FOUND`] is required.
pub const CLEAR: f64 = 5.0;
/// Least ratio of the share found to the share that the t-test finds, if the edge is clear.
pub const LEAST_FOUND: f64 = 0.9;
/// The same at smaller sizes, which the upper end of the interval of the share found must reach.
pub const LEAST_RATIO: f64 = 0.7;

/// Fewest symbols of a size that can pass. The upper end of the interval of 0 found in 200 is 2 %, and of 0 in 6 it is 46 %: there,
/// finding nothing would be as good as finding 0.7 of what a t-test finds in 65 % of all symbols.
pub const LEAST_SYMBOLS: usize = 200;

/// Power at one size of the edge.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// Requested mean distance of the best rule, standard errors.
    pub target: f64,
    /// Move of a bar's close at full signal strength, in standard deviations of a bar's return.
    pub edge: f64,
    /// Symbols studied.
    pub symbols: usize,
    /// Worlds that they belong to.
    pub worlds: usize,
    /// Signal strength from which on the best rule trades.
    pub threshold: f64,
    /// Distance of the best rule's mean net result from zero, standard errors; mean over symbols.
    pub best_t: f64,
    /// Mean net result of the best rule's trades; mean over symbols.
    pub best_net_bps: f64,
    /// Number of the best rule's trades; mean over symbols.
    pub best_trades: f64,
    /// Share of symbols that a one-sided t-test on these trades finds at the false-approval rate of the noise.
    pub t_test_share: f64,
    /// Share of approved symbols.
    pub share: f64,
    /// Interval of the share at [`CONFIDENCE`], by worlds ([`clustered_interval`]).
    pub interval: (f64, f64),
    /// `share / t_test_share`; NaN if the t-test finds none.
    pub ratio: f64,
    /// Number of the model's trades; mean over symbols.
    pub trades: f64,
    /// Mean net result of the model's trades; mean over symbols.
    pub net_bps: f64,
    /// Correlation of the predicted edge with the signal; mean over symbols.
    pub correlation: f64,
    /// Number of symbols that missed a threshold, by metric.
    pub missed: BTreeMap<&'static str, usize>,
    /// The outcome per symbol.
    #[serde(skip)]
    pub outcomes: Vec<Outcome>,
}

/// The result of the check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Power {
    /// False-approval rate of the t-test: that of the noise, at least one of its symbols.
    pub false_rate: f64,
    /// One point per size of the edge.
    pub points: Vec<Point>,
    /// Requested sizes that no planted edge reaches.
    pub unreachable: Vec<f64>,
}

/// Plants edges of several sizes, each into `symbols` shuffled symbols.
///
/// # Errors
/// Candles or settings that cannot be used.
pub fn run(
    source: Source<'_>,
    settings: &Settings,
    compute: &Compute,
    symbols: usize,
    false_rate: f64,
    targets: &[f64],
    step: &Step,
) -> Result<Power, CommandFailure> {
    let mut sizes: Vec<(f64, f64)> = Vec::new();
    let mut points: Vec<(Vec<Outcome>, Vec<Vec<MeanTest>>)> = Vec::new();
    let mut unreachable = Vec::new();
    for world in Worlds::new(source, settings, symbols)? {
        let world = world?;
        if sizes.is_empty() {
            for &target in targets {
                match edge_of(settings, &world, target) {
                    Some(edge) => sizes.push((target, edge)),
                    None => unreachable.push(target),
                }
            }
            if sizes.is_empty() {
                break;
            }
            let each = walk::models(settings, &world) / world.counted.len();
            step.total((sizes.len() * symbols * each) as u64);
            points = sizes.iter().map(|_| (Vec::new(), vec![Vec::new(); oracle::THRESHOLDS.len()])).collect();
        }
        for ((target, edge), (outcomes, tests)) in sizes.iter().zip(&mut points) {
            step.note(&format!("edge {edge:.3} σ ({target} standard errors), {} of {symbols} symbols", outcomes.len()));
            let planted = null::planted(&world.panel, world.seed, *edge, Order::Shuffled);
            outcomes.extend(walk::outcomes(settings, compute, &world, &planted, step)?);
            for (all, own) in tests.iter_mut().zip(oracle::tests(settings, &world, &planted)) {
                all.extend(own);
            }
        }
    }
    let points = sizes.iter().zip(points).map(|(&size, (outcomes, tests))| point(size, &outcomes, tests, false_rate));
    Ok(Power { false_rate, points: points.collect(), unreachable })
}

/// The edge at which the best rule's mean result is `target` standard errors from zero, in the mean over the world's symbols;
/// none if no edge up to 4 reaches it.
fn edge_of(settings: &Settings, world: &World, target: f64) -> Option<f64> {
    let distance = |edge: f64| {
        let planted: Planted = null::planted(&world.panel, world.seed, edge, Order::Shuffled);
        mean(oracle::best(oracle::tests(settings, world, &planted)).1.iter().map(|test| test.t))
    };
    let mut high = 0.05;
    while distance(high) < target {
        high *= 2.0;
        if high > 4.0 {
            return None;
        }
    }
    let mut low = high / 2.0;
    if distance(low) > target {
        low = 0.0;
    }
    for _ in 0..6 {
        let middle = (low + high) / 2.0;
        if distance(middle) < target { low = middle } else { high = middle }
    }
    Some((low + high) / 2.0)
}

fn point((target, edge): (f64, f64), outcomes: &[Outcome], tests: Vec<Vec<MeanTest>>, false_rate: f64) -> Point {
    let (threshold, best) = oracle::best(tests);
    let symbols = outcomes.len();
    let worlds = walk::by_world(outcomes);
    let approved = outcomes.iter().filter(|outcome| outcome.approved).count();
    let share = approved as f64 / symbols as f64;
    let t_test_share = best.iter().filter(|test| test.p <= false_rate).count() as f64 / symbols as f64;
    let known = |values: Vec<f64>| mean(values.into_iter().filter(|value| value.is_finite()));
    Point {
        target,
        edge,
        symbols,
        worlds: worlds.len(),
        threshold,
        best_t: mean(best.iter().map(|test| test.t)),
        best_net_bps: mean(best.iter().map(|test| test.mean)),
        best_trades: mean(best.iter().map(|test| test.count as f64)),
        t_test_share,
        share,
        interval: clustered_interval(&worlds, CONFIDENCE),
        ratio: share / t_test_share,
        trades: mean(outcomes.iter().map(|outcome| outcome.trades as f64)),
        net_bps: known(outcomes.iter().map(|outcome| outcome.net_bps).collect()),
        correlation: known(outcomes.iter().map(|outcome| outcome.correlation).collect()),
        missed: noise::missed(outcomes),
        outcomes: outcomes.to_vec(),
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len() as f64
}

impl Point {
    /// Whether the best rule's own trades are far enough from zero to be found nearly always: as measured, not as requested.
    pub fn is_clear(&self) -> bool {
        self.best_t >= CLEAR
    }

    /// Whether there are enough symbols and worlds for a verdict.
    fn is_large(&self) -> bool {
        self.symbols >= LEAST_SYMBOLS && self.worlds >= LEAST_WORLDS
    }
}

impl Power {
    /// Passes if enough is found at every point from [`CLEAR`] on, of which there must be one, and nowhere too little compared
    /// with the t-test. Unclear with fewer than [`LEAST_SYMBOLS`] symbols or [`LEAST_WORLDS`] worlds, unless even the interval
    /// says that too little is found.
    pub fn judgement(&self) -> Judgement {
        if !self.faults().is_empty() {
            Judgement::Fail
        } else if self.points.iter().any(Point::is_clear) && self.points.iter().all(Point::is_large) {
            Judgement::Pass
        } else {
            Judgement::Unclear
        }
    }

    /// The points at which too little is found, in words.
    pub fn faults(&self) -> Vec<String> {
        let percent = |share: f64| format!("{:.0} %", 100.0 * share);
        let mut faults = Vec::new();
        for point in &self.points {
            let (least, reached) = match (point.is_clear(), point.is_large()) {
                (true, true) => (LEAST_FOUND, point.share),
                (true, false) => (LEAST_FOUND, point.interval.1),
                (false, _) => (LEAST_RATIO, point.interval.1),
            };
            if reached < least * point.t_test_share {
                faults.push(format!(
                    "at {:.1} standard errors {} are found (95 %: {} to {}) where a t-test finds {}",
                    point.best_t,
                    percent(point.share),
                    percent(point.interval.0),
                    percent(point.interval.1),
                    percent(point.t_test_share)
                ));
            }
        }
        faults
    }
}
