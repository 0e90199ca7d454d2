//! What a sweep's signals are read from.

use std::path::Path;

use crate::commands::{backtest, signals};
use crate::decide::expected_cost_bps;
use crate::exit::{Code, Failure, OrExit};
use crate::features;
use crate::market::Panel;
use crate::shadow::Rules;

/// A score for each symbol and bar.
pub(super) struct Scores {
    /// `[symbols × bars]`: its sign is the side, its size what thresholds are held against; NaN says nothing.
    pub values: Vec<f32>,
    pub decided_by: &'static str,
    /// Columns of the given signals that a sweep does not use.
    pub unused: Vec<&'static str>,
}

/// The scores of a file, or of the models below `workdir`.
///
/// A model's score is how far its expected edge lies beyond expected costs, in basis points, on the side of the edge;
/// nothing where it does not, or where the other side is as likely to win. The threshold then stands where the safety
/// margin does in a run.
///
/// # Errors
/// Bad signals, or no models.
pub(super) fn scores(panel: &Panel, signals: Option<&Path>, workdir: &Path, rules: &Rules) -> Result<Scores, Failure> {
    if let Some(path) = signals {
        let read = signals::read_scores(path, panel).or_exit(Code::BadData)?;
        let decided_by = if read.column == "score" { "given scores" } else { "given sides, each a score of 1 or -1" };
        return Ok(Scores { values: read.values, decided_by, unused: read.unused });
    }
    let mut values = vec![f32::NAN; panel.symbols.len() * panel.bars];
    for (symbol, bar, says) in backtest::own_predictions(panel, &features::compute(panel), workdir)? {
        let beyond = says.edge_bps.abs() - expected_cost_bps(panel, symbol, bar, rules);
        let agreed = if says.edge_bps > 0.0 { says.win_long > says.win_short } else { says.win_short > says.win_long };
        if beyond > 0.0 && agreed {
            values[symbol * panel.bars + bar] = if says.edge_bps > 0.0 { beyond as f32 } else { -beyond as f32 };
        }
    }
    let decided_by = "models of the workdir, bars of their training included";
    Ok(Scores { values, decided_by, unused: Vec::new() })
}
