//! The scores from which a sweep makes its signals.

use std::path::Path;

use crate::bars::Panel;
use crate::commands::backtest::{self, Models};
use crate::commands::signals;
use crate::decide::{self, Consensus, Opinion, expected_cost_bps};
use crate::decide::{DecideMode, DecideParams};
use crate::engine::Compute;
use crate::exit::{Code, CommandFailure, OrExit};
use crate::labels;
use crate::settings::Settings;
use crate::shadow::{Rules, Side};

/// A score per symbol and bar.
pub(super) struct Scores {
    /// `[symbols × bars]`, row-major. The sign is the side, thresholds are compared with the size, and NaN is no score.
    pub values: Vec<f32>,
    /// Where the scores come from, in words.
    pub decided_by: &'static str,
    /// Columns of the given signals that a sweep does not use.
    pub unused: Vec<&'static str>,
}

/// Reads the scores from a file, or computes them as `decide.mode` demands.
///
/// The score of a model is its expected edge less the expected costs, in basis points, with the sign of the edge. There
/// is none if the costs are higher, or if the other side is as likely to win. A threshold then takes the place of the
/// safety margin of a run. If the consensus decides as well, there is no score for bars on which it would not trade that
/// side. The score of the consensus alone is in standard deviations of its recent scores, and a threshold takes the place
/// of `decide.threshold`.
///
/// # Errors
/// Bad signals, missing models, or a device that fails without a fallback.
pub(super) fn scores(
    settings: &Settings,
    compute: &Compute,
    panel: &Panel,
    signals: Option<&Path>,
    models: Models<'_>,
    atr: &[f64],
    rules: &Rules,
) -> Result<Scores, CommandFailure> {
    if let Some(path) = signals {
        let read = signals::read_scores(path, panel).or_exit(Code::BadData)?;
        let decided_by = if read.column == "score" { "given scores" } else { "given sides, each a score of 1 or -1" };
        return Ok(Scores { values: read.values, decided_by, unused: read.unused });
    }
    let mode = settings.decide.mode;
    let decided_by = backtest::decided_by(mode);
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
    for (symbol, bar, prediction) in backtest::own_predictions(compute, panel, models)? {
        let Some(prediction) = prediction else { continue };
        let edge_bps = prediction.tradable_bps();
        let is_long = edge_bps > 0.0;
        let side = if is_long { Side::Long } else { Side::Short };
        let excess_bps =
            edge_bps.abs() - expected_cost_bps(panel, symbol, bar, side, atr[symbol * panel.bars + bar], rules);
        let lead = if is_long { prediction.lead } else { -prediction.lead };
        let is_allowed = consensus.as_ref().is_none_or(|consensus| {
            let opinion = consensus.at(symbol, bar);
            opinion.passes() && (opinion.score > 0.0) == is_long
        });
        if excess_bps > 0.0 && lead >= 0.0 && is_allowed {
            values[symbol * panel.bars + bar] = if is_long { excess_bps as f32 } else { -excess_bps as f32 };
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
) -> Result<Consensus, CommandFailure> {
    let labels = labels::device::compute_on(compute, panel, atr, rules)?;
    Ok(decide::votes_and_consensus(compute, panel, &labels, decide, settings.labels.horizon_bars())?.1)
}
