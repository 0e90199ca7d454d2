//! Calibration of the models' probabilities.

use super::text::{grouped, number, share, signed_share, words};
use crate::chart::reliability;
use crate::{ReportData, ReportError};

const WIDE: (u32, u32) = (540, 380);
const NARROW: (u32, u32) = (420, 340);
/// Maximum number of heads in the diagram.
const MAX_HEADS: usize = 2;

#[derive(Default)]
pub(super) struct Calibrated {
    pub wide: String,
    pub narrow: String,
    pub heads: Vec<Head>,
}

pub(super) struct Head {
    pub name: String,
    /// Predictions, mean probability (%), share that came true (%), Brier score, skill (%), mean error (percentage
    /// points).
    pub cells: [String; 6],
    /// Per bin: predictions, mean probability (%), share that came true (%).
    pub bins: Vec<[String; 3]>,
}

pub(super) fn calibrated(data: &ReportData) -> Result<Calibrated, ReportError> {
    let shown = &data.calibration[..data.calibration.len().min(MAX_HEADS)];
    let curves: Vec<_> = shown.iter().map(|head| &head.calibration).collect();
    let what = format!("Calibration of the models{}", if data.simulated { " (simulated)" } else { "" });
    let heads = shown.iter().map(|head| {
        let found = &head.calibration;
        let cells = [
            grouped(found.predictions as f64),
            share(Some(found.predicted)),
            share(Some(found.observed)),
            format!("{:.4}", found.brier),
            signed_share(found.skill()),
            number(Some(100.0 * found.error)),
        ];
        let bins = found
            .bins
            .iter()
            .map(|bin| [grouped(bin.predictions as f64), share(Some(bin.predicted)), share(Some(bin.observed))]);
        Head { name: words(&head.head), cells, bins: bins.collect() }
    });
    Ok(Calibrated {
        wide: reliability(&curves, WIDE, &what)?,
        narrow: reliability(&curves, NARROW, &what)?,
        heads: heads.collect(),
    })
}
