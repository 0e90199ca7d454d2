//! Predictions of finished models for the bars of a panel.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use super::bundle::{Bundle, BundleError};
use crate::bars::Panel;
use crate::boost::{self, PredictJob};
use crate::decide::{Calibration, Candidate, Head, Scores};
use crate::engine::{Compute, EngineError};
use crate::features::{self, View, view_columns};
use crate::trainer::{Family, FamilyModels, Mix, blend, mean_scores, table_rows};

/// The model of a symbol of a panel, ready to predict.
#[derive(Debug)]
pub struct SymbolModel {
    /// Row of the symbol in the panel.
    pub symbol: usize,
    /// The model.
    pub bundle: Bundle,
    calibration: Calibration,
}

impl SymbolModel {
    /// Loads a model.
    ///
    /// # Errors
    /// A file that cannot be read, a model of an earlier version, or one without all of [`Head::ALL`].
    pub fn load(path: &Path, symbol: usize) -> Result<Self, BundleError> {
        let bundle = Bundle::load(path)?;
        let bad = |reason: String| BundleError::Format { path: path.to_owned(), reason };
        let Some(calibration) = bundle.calibration.filter(|_| bundle.feature_names == features::view_names()) else {
            return Err(bad("it was trained by another version, on other features; train it again".to_owned()));
        };
        let trees =
            std::iter::once(&bundle.heads).chain(bundle.other_families.values().filter_map(FamilyModels::trees));
        for heads in trees {
            if let Some(head) = Head::ALL.iter().find(|head| !heads.contains_key(head)) {
                return Err(bad(format!("it has no head '{head}'")));
            }
        }
        Ok(Self { symbol, bundle, calibration })
    }
}

/// Calibrated predictions of all models in one batch: every bar of every symbol that has one.
///
/// # Errors
/// [`EngineError`] if the device fails and falling back to the CPU is not allowed.
pub fn predictions(
    compute: &Compute,
    panel: &Panel,
    view: &View,
    models: &[SymbolModel],
) -> Result<Vec<Candidate>, EngineError> {
    predictions_from(compute, panel, view, &models.iter().collect::<Vec<_>>(), |_| 0)
}

/// As [`predictions`], of the bars of each model's symbol from `first` on; of each model there must be one.
///
/// # Errors
/// As [`predictions`].
pub fn predictions_from(
    compute: &Compute,
    panel: &Panel,
    view: &View,
    models: &[&SymbolModel],
    first: impl Fn(&SymbolModel) -> usize,
) -> Result<Vec<Candidate>, EngineError> {
    let table = view.table();
    let bars: Vec<Range<usize>> = models
        .iter()
        .map(|own| {
            let range = panel.ranges[own.symbol].clone();
            range.start.max(first(own))..range.end
        })
        .collect();
    let rows: Vec<Vec<u32>> =
        models.iter().zip(&bars).map(|(own, bars)| table_rows(panel, own.symbol, bars).collect()).collect();
    let trees = models.iter().zip(&rows).flat_map(|(own, rows)| {
        let families = own.bundle.other_families.values().filter_map(FamilyModels::trees);
        let all = std::iter::once(&own.bundle.heads).chain(families);
        all.flat_map(move |heads| Head::ALL.map(|head| PredictJob { forest: &heads[&head], rows }))
    });
    let jobs: Vec<PredictJob<'_>> = trees.collect();
    let mut scores = boost::device::raw_scores_on(compute, table, &jobs)?.into_iter();
    let mut by_trees = || -> Vec<Scores> {
        let heads: Vec<Vec<f64>> = scores.by_ref().take(Head::COUNT).collect();
        (0..heads[0].len()).map(|row| [heads[0][row], heads[1][row], heads[2][row]]).collect()
    };
    let mut predictions = Vec::new();
    for ((SymbolModel { symbol, bundle, calibration }, rows), bars) in models.iter().zip(&rows).zip(bars) {
        let mut families = BTreeMap::from([(Family::Gbdt, by_trees())]);
        for (family, member) in &bundle.other_families {
            let own = match member {
                FamilyModels::Trees(_) => by_trees(),
                FamilyModels::Networks(networks) => {
                    mean_scores(&networks.seeds, table, (symbol * panel.bars) as u32, rows)
                }
            };
            families.insert(*family, own);
        }
        let (all, own) = mixed(&bundle.mix, families, rows.len());
        for (place, (bar, scores)) in bars.zip(all).enumerate() {
            let atr_share = f64::from(view.value(*symbol, bar, view_columns::ATR_SHARE));
            let own = own.as_ref().map_or([0.0; Head::COUNT], |own| own[place]);
            predictions.push((*symbol, bar, Some(calibration.predict(&scores, &own, atr_share))));
        }
    }
    Ok(predictions)
}

/// The scores of all families together, and those of the coin's own family if it has one: what [`Calibration::predict`] takes.
///
/// `families` are the scores of `rows` rows by family. Without a `mix`, boosted trees predict alone.
pub(crate) fn mixed(
    mix: &Mix,
    mut families: BTreeMap<Family, Vec<Scores>>,
    rows: usize,
) -> (Vec<Scores>, Option<Vec<Scores>>) {
    let own = families.remove(&Family::Own);
    let all = if mix.is_empty() {
        families.remove(&Family::Gbdt).unwrap_or_default()
    } else {
        blend(mix, &families.iter().map(|(family, scores)| (*family, scores.as_slice())).collect(), rows)
    };
    (all, own)
}
