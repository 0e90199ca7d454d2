//! What a sweep's signals are read from.

use std::path::Path;

use crate::bars::Panel;
use crate::commands::{backtest, signals};
use crate::decide::{self, Consensus, Opinion, expected_cost_bps};
use crate::decide::{DecideMode, DecideParams};
use crate::engine::Compute;
use crate::exit::{Code, Failure, OrExit};
use crate::labels;
use crate::settings::Settings;
use crate::shadow::Rules;

/// A score for each symbol and bar.
pub(super) struct Scores {
    /// `[symbols × bars]`: its sign is the side, its size what thresholds are held against; NaN says nothing.
    pub values: Vec<f32>,
    pub decided_by: &'static str,
    /// Columns of the given signals that a sweep does not use.
    pub unused: Vec<&'static str>,
}

/// The scores of a file, or those of whoever decides by `decide.mode`.
///
/// A model's score is how far its expected edge lies beyond expected costs, in basis points, on the side of the edge;
/// nothing where it does not, or where the other side is as likely to win. The threshold then stands where the safety
/// margin does in a run. Where the consensus has a say beside it, bars on which it would not trade that side say nothing.
/// The consensus alone scores in standard deviations of its recent scores: the threshold is `decide.threshold`.
///
/// # Errors
/// Bad signals, or no models; a device that fails where the CPU must not take its place.
pub(super) fn scores(
    settings: &Settings,
    compute: &Compute,
    panel: &Panel,
    signals: Option<&Path>,
    workdir: &Path,
    atr: &[f64],
    rules: &Rules,
) -> Result<Scores, Failure> {
    if let Some(path) = signals {
        let read = signals::read_scores(path, panel).or_exit(Code::BadData)?;
        let decided_by = if read.column == "score" { "given scores" } else { "given sides, each a score of 1 or -1" };
        return Ok(Scores { values: read.values, decided_by, unused: read.unused });
    }
    let mode = settings.decide.mode;
    let decided_by = backtest::voices(mode);
    if mode == DecideMode::Consensus {
        let deviations = DecideParams { threshold: 1.0, ..settings.decide.clone() };
        let consensus = consensus(settings, compute, &deviations, panel, atr, rules)?;
        let score = |opinion: &Opinion| match opinion.threshold {
            deviation if deviation > 0.0 => opinion.score / deviation,
            _ => f32::NAN,
        };
        return Ok(Scores { values: consensus.opinions.iter().map(score).collect(), decided_by, unused: Vec::new() });
    }
    let both = mode == DecideMode::Both;
    let consensus = both.then(|| consensus(settings, compute, &settings.decide, panel, atr, rules)).transpose()?;
    let mut values = vec![f32::NAN; panel.symbols.len() * panel.bars];
    for (symbol, bar, says) in backtest::own_predictions(compute, panel, workdir)? {
        let Some(says) = says else { continue };
        let beyond = says.edge_bps.abs() - expected_cost_bps(panel, symbol, bar, rules);
        let (own, other) =
            if says.edge_bps > 0.0 { (says.win_long, says.win_short) } else { (says.win_short, says.win_long) };
        let allowed = consensus.as_ref().is_none_or(|consensus| {
            let opinion = consensus.at(symbol, bar);
            opinion.passes() && (opinion.score > 0.0) == (says.edge_bps > 0.0)
        });
        if beyond > 0.0 && own > other && allowed {
            values[symbol * panel.bars + bar] = if says.edge_bps > 0.0 { beyond as f32 } else { -beyond as f32 };
        }
    }
    Ok(Scores { values, decided_by, unused: Vec::new() })
}

fn consensus(
    settings: &Settings,
    compute: &Compute,
    decide: &DecideParams,
    panel: &Panel,
    atr: &[f64],
    rules: &Rules,
) -> Result<Consensus, Failure> {
    let labels = labels::device::compute_on(compute, panel, atr, rules)?;
    Ok(decide::deliberate(compute, panel, &labels, decide, settings.labels.horizon_bars())?.1)
}
