//! Checks whether the results of candles and settings can be trusted: look-ahead, recursion, noise, power and promise.

mod drill;
pub mod future;
pub mod look_ahead;
pub mod noise;
pub mod null;
pub mod oracle;
pub mod page;
pub mod power;
pub mod promise;
pub mod recursion;
pub mod report;
pub mod stages;
pub mod statistics;
pub mod walk;
pub mod worlds;

use serde::Serialize;

use crate::engine::Compute;
use crate::exit::CommandFailure;
use crate::settings::Settings;
use crate::ui::Ui;

use noise::Noise;
use null::Order;
use report::Audit;
use stages::Stages;
use worlds::Source;

/// Confidence of every interval.
pub const CONFIDENCE: f64 = 0.95;

/// The verdict of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Judgement {
    /// The check passed.
    Pass,
    /// The check failed.
    Fail,
    /// There was too little data for a verdict.
    Unclear,
}

impl Judgement {
    /// The word in the table.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "FAIL",
            Self::Unclear => "unclear",
        }
    }
}

/// The five checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Whether anything uses the future.
    LookAhead,
    /// Whether values depend on how much history came before.
    Recursion,
    /// How often a model is approved where nothing can be predicted.
    Noise,
    /// How often a planted edge is found.
    Power,
    /// Whether predicted edges are realised.
    Promise,
}

impl Check {
    /// All checks, in their order.
    pub const ALL: [Self; 5] = [Self::LookAhead, Self::Recursion, Self::Noise, Self::Power, Self::Promise];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::LookAhead => "look-ahead",
            Self::Recursion => "recursion",
            Self::Noise => "noise",
            Self::Power => "power",
            Self::Promise => "promise",
        }
    }
}

/// The arguments of an audit.
#[derive(Debug, Clone)]
pub struct Request {
    /// The checks to make.
    pub checks: Vec<Check>,
    /// Number of shuffled symbols for [`Check::Noise`], and of simulated ones for [`Check::Promise`].
    pub noise_symbols: usize,
    /// Number of symbols per size of the planted edge.
    pub power_symbols: usize,
    /// Sizes of the edge: distance of the best rule's mean trade from zero, in standard errors.
    pub targets: Vec<f64>,
}

impl Default for Request {
    /// All checks. Fewer symbols leave their results unclear: for noise they are ten worlds of the default `universe.top_n`.
    fn default() -> Self {
        Self {
            checks: Check::ALL.to_vec(),
            noise_symbols: 200,
            power_symbols: power::LEAST_SYMBOLS,
            targets: power::TARGETS.to_vec(),
        }
    }
}

/// Audits candles or simulated markets with these settings.
///
/// # Errors
/// Candles or settings that cannot be used, or a device that fails without a fallback.
pub fn run(
    source: Source<'_>,
    settings: &Settings,
    compute: &Compute,
    request: &Request,
    ui: &Ui,
) -> Result<Audit, CommandFailure> {
    let is_requested = |check: Check| request.checks.contains(&check);
    let sample = worlds::sample(source, settings)?;
    let mut audit = Audit {
        simulated: sample.simulated,
        symbols: match source {
            Source::Candles(panel) => panel.symbols.len(),
            Source::Simulated => request.noise_symbols.max(request.power_symbols),
        },
        timeframe: sample.timeframe.to_string(),
        settings_digest: settings.digest(),
        look_ahead: None,
        recursion: None,
        noise: None,
        blocks: None,
        power: None,
        promise: None,
    };
    let stages = Stages::of_a_run();
    if is_requested(Check::LookAhead) {
        let step = ui.step("look-ahead", Some(look_ahead::steps()));
        audit.look_ahead = Some(look_ahead::run(&stages, settings, compute, &sample, &step)?);
        step.done();
    }
    if is_requested(Check::Recursion) {
        let step = ui.step("recursion", Some(recursion::steps()));
        audit.recursion = Some(recursion::run(&stages, settings, &sample, &step)?);
        step.done();
    }
    if is_requested(Check::Noise) {
        let step = ui.step("noise", None);
        audit.noise = Some(noise::run(source, settings, compute, request.noise_symbols, Order::Shuffled, &step)?);
        step.done();
        let step = ui.step("noise in blocks", None);
        audit.blocks = Some(noise::run(source, settings, compute, request.noise_symbols, Order::Blocks, &step)?);
        step.done();
    }
    if is_requested(Check::Power) {
        let step = ui.step("power", None);
        let false_rate = audit.noise.as_ref().map_or(noise::LIMIT, Noise::false_rate);
        let (symbols, targets) = (request.power_symbols, &request.targets);
        audit.power = Some(power::run(source, settings, compute, symbols, false_rate, targets, &step)?);
        step.done();
    }
    if is_requested(Check::Promise) {
        let step = ui.step("promise", None);
        audit.promise = Some(promise::run(&stages, source, settings, compute, request.noise_symbols, &step)?);
        step.done();
    }
    Ok(audit)
}
