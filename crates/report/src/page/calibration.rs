//! Calibration of the models' probabilities and edges.

use huracan_metrics::{Calibration, EdgeBin, EdgeFit};

use super::text::{bps, grouped, number, share, signed_share, words};
use crate::chart::reliability;
use crate::typography::minus;
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
    /// Predictions, mean predicted and realised edge (bps), R² (%), slope, its interval, and both of what models say of a bar.
    pub cells: [String; 8],
    /// Per bin: predictions, mean predicted and mean realised edge (bps).
    pub bins: Vec<[String; 3]>,
    /// The same of what the models say of single bars, on the side that they say; empty where they say nothing.
    pub told_bins: Vec<[String; 3]>,
    /// Per month: name, predictions, mean predicted and realised edge, what was promised of single bars and what was kept (bps).
    pub months: Vec<[String; 6]>,
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
    let verdict = match (found.told_slope, found.told_low, found.told_high) {
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
        (Some(_), None, _) => {
            "The models say something of single bars on too few days for an interval: these rows decide nothing yet."
        }
        _ => "These rows cannot tell the predicted edges from luck: the interval of the slope holds 0.",
    };
    let interval = |low: Option<f64>, high: Option<f64>| match low.zip(high) {
        Some((low, high)) => format!("{} to {}", minus(format!("{low:.2}")), minus(format!("{high:.2}"))),
        None => number(None),
    };
    let cells = [
        grouped(found.predictions as f64),
        bps(Some(found.predicted)),
        bps(Some(found.realised)),
        found.r2.map_or_else(|| number(None), |r2| minus(format!("{:+.3}", 100.0 * r2))),
        number(found.slope),
        interval(found.slope_low, found.slope_high),
        number(found.told_slope),
        interval(found.told_low, found.told_high),
    ];
    let months = found.months.iter().map(|month| {
        [
            month.month.clone(),
            grouped(month.predictions as f64),
            bps(Some(month.predicted)),
            bps(Some(month.realised)),
            bps(month.promised),
            bps(month.kept),
        ]
    });
    Edge {
        verdict: verdict.to_owned(),
        cells,
        bins: edge_bins(&found.bins),
        told_bins: edge_bins(&found.told_bins),
        months: months.collect(),
    }
}

fn edge_bins(bins: &[EdgeBin]) -> Vec<[String; 3]> {
    bins.iter()
        .map(|bin| [grouped(bin.predictions as f64), bps(Some(bin.predicted)), bps(Some(bin.realised))])
        .collect()
}
