//! Calibration of the models' probabilities and edges.

use huracan_metrics::{Calibration, EdgeFit};

use super::text::{bps, grouped, number, share, signed_share, words};
use crate::chart::reliability;
use crate::{HeadFit, ReportData, ReportError};

const WIDE: (u32, u32) = (540, 380);
const NARROW: (u32, u32) = (420, 340);
/// Maximum number of heads in the diagram.
const MAX_HEADS: usize = 2;

#[derive(Default)]
pub(super) struct Calibrated {
    pub wide: String,
    pub narrow: String,
    pub heads: Vec<Head>,
    pub edge: Option<Edge>,
}

pub(super) struct Head {
    pub name: String,
    /// Predictions, mean probability (%), share that came true (%), Brier score, skill against the rate known before (%),
    /// mean error (percentage points).
    pub cells: [String; 6],
    /// Per bin: predictions, mean probability (%), share that came true (%).
    pub bins: Vec<[String; 3]>,
}

/// Predicted against realised edges.
pub(super) struct Edge {
    /// What the figures say, in words.
    pub verdict: String,
    /// Predictions, mean predicted and realised edge (bps), R² (%), slope, and its interval.
    pub cells: [String; 6],
    /// Per bin: predictions, mean predicted and mean realised edge (bps).
    pub bins: Vec<[String; 3]>,
}

pub(super) fn calibrated(data: &ReportData) -> Result<Calibrated, ReportError> {
    let (mut shown, mut curves, mut edge) = (Vec::new(), Vec::new(), None);
    for head in &data.calibration {
        match &head.fit {
            HeadFit::Probability(found) if shown.len() < MAX_HEADS => {
                shown.push(probability(&head.head, found));
                curves.push(found);
            }
            HeadFit::Probability(_) => {}
            HeadFit::Edge(found) => edge = Some(self::edge(found)),
        }
    }
    let what = format!("Calibration of the models{}", if data.simulated { " (simulated)" } else { "" });
    Ok(Calibrated {
        wide: reliability(&curves, WIDE, &what)?,
        narrow: reliability(&curves, NARROW, &what)?,
        heads: shown,
        edge,
    })
}

fn probability(name: &str, found: &Calibration) -> Head {
    let cells = [
        grouped(found.predictions as f64),
        share(Some(found.predicted)),
        share(Some(found.observed)),
        format!("{:.4}", found.brier),
        signed_share(found.known_skill()),
        number(Some(100.0 * found.error)),
    ];
    let bins = found
        .bins
        .iter()
        .map(|bin| [grouped(bin.predictions as f64), share(Some(bin.predicted)), share(Some(bin.observed))]);
    Head { name: words(name), cells, bins: bins.collect() }
}

fn edge(found: &EdgeFit) -> Edge {
    let verdict = match (found.slope, found.slope_low, found.slope_high) {
        _ if found.told == 0 => {
            "Past rows support no edge: every prediction is the market's drift, as far as that is believed, and nobody trades on it."
        }
        (Some(_), Some(low), Some(high)) if low > 0.0 && high >= 1.0 => {
            "The edges are realised as far as these rows can tell: the interval of the slope lies above 0 and reaches 1."
        }
        (Some(_), Some(low), Some(_)) if low > 0.0 => {
            "There is an edge, but less than is predicted: the interval of the slope lies between 0 and 1."
        }
        (Some(_), _, Some(high)) if high < 0.0 => "The edges go the wrong way: the interval of the slope lies below 0.",
        _ => "These rows cannot tell the predicted edges from luck: the interval of the slope holds 0.",
    };
    let cells = [
        grouped(found.predictions as f64),
        bps(Some(found.predicted)),
        bps(Some(found.realised)),
        found.r2.map_or_else(|| number(None), |r2| format!("{:+.3}", 100.0 * r2)),
        number(found.slope),
        found
            .slope_low
            .zip(found.slope_high)
            .map_or_else(|| number(None), |(low, high)| format!("{low:.2} to {high:.2}")),
    ];
    let bins = found
        .bins
        .iter()
        .map(|bin| [grouped(bin.predictions as f64), bps(Some(bin.predicted)), bps(Some(bin.realised))]);
    Edge { verdict: verdict.to_owned(), cells, bins: bins.collect() }
}
