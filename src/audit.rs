//! Whether the results of these candles and settings can be believed: look-ahead, recursion, noise and power.

pub mod future;
pub mod look_ahead;
pub mod noise;
pub mod null;
pub mod oracle;
pub mod page;
pub mod power;
pub mod recursion;
pub mod report;
pub mod stages;
pub mod statistics;
pub mod walk;
pub mod worlds;

use serde::Serialize;

use crate::engine::Compute;
use crate::exit::Failure;
use crate::settings::Settings;
use crate::ui::Ui;

use noise::Noise;
use report::Audit;
use stages::Stages;
use worlds::Source;

/// Confidence of every interval.
pub const CONFIDENCE: f64 = 0.95;

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Judgement {
    Pass,
    Fail,
    /// Too little was looked at to tell.
    Unclear,
}

impl Judgement {
    /// As the table shows it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "FAIL",
            Self::Unclear => "unclear",
        }
    }
}

/// The four questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    LookAhead,
    Recursion,
    Noise,
    Power,
}

impl Check {
    pub const ALL: [Self; 4] = [Self::LookAhead, Self::Recursion, Self::Noise, Self::Power];
}

/// What is asked of an audit.
#[derive(Debug, Clone)]
pub struct Request {
    pub checks: Vec<Check>,
    /// Shuffled symbols of the noise.
    pub noise_symbols: usize,
    /// Symbols of each size of a planted edge.
    pub power_symbols: usize,
    /// Sizes of the edge: distances of the best rule's trades from zero, standard errors.
    pub targets: Vec<f64>,
}

/// Audits candles, or simulated markets, under these settings.
///
/// # Errors
/// Candles or settings that cannot be studied; a device that fails where the CPU must not take its place.
pub fn run(
    source: Source<'_>,
    settings: &Settings,
    compute: &Compute,
    request: &Request,
    ui: &Ui,
) -> Result<Audit, Failure> {
    let asked = |check: Check| request.checks.contains(&check);
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
        power: None,
    };
    let stages = Stages::of_a_run();
    if asked(Check::LookAhead) {
        let step = ui.step("look-ahead", Some(look_ahead::steps()));
        audit.look_ahead = Some(look_ahead::run(&stages, settings, compute, &sample, &step)?);
        step.done();
    }
    if asked(Check::Recursion) {
        let step = ui.step("recursion", Some(recursion::steps()));
        audit.recursion = Some(recursion::run(&stages, settings, &sample, &step)?);
        step.done();
    }
    if asked(Check::Noise) {
        let step = ui.step("noise", None);
        audit.noise = Some(noise::run(source, settings, compute, request.noise_symbols, &step)?);
        step.done();
    }
    if asked(Check::Power) {
        let step = ui.step("power", None);
        let false_rate = audit.noise.as_ref().map_or(noise::LIMIT, Noise::false_rate);
        let (symbols, targets) = (request.power_symbols, &request.targets);
        audit.power = Some(power::run(source, settings, compute, symbols, false_rate, targets, &step)?);
        step.done();
    }
    Ok(audit)
}
