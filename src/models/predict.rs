//! Predictions of finished models: for the bars of a panel, and for the rows of any table of the model's columns.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use super::bundle::{Bundle, BundleError};
use crate::bars::Panel;
use crate::boost::{self, Forest, PredictJob, Table};
use crate::decide::{Calibration, Candidate, Head, Prediction, Scores};
use crate::engine::{Compute, EngineError};
use crate::features::{self, VIEW, View, view_columns};
use crate::trainer::{Family, FamilyModels, Mix, blend, mean_scores};

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
        let CalibratedModel { bundle, calibration, .. } = CalibratedModel::load(path)?;
        if bundle.feature_names != features::view_names() {
            let reason = "it was trained by another version, on other features".to_owned();
            return Err(BundleError::Outdated { path: path.to_owned(), reason });
        }
        Ok(Self { symbol, bundle, calibration })
    }
}

impl SymbolModel {
    /// The prediction of one row of a table of the view, with the bits that it has among others, without what a batch prepares first.
    /// The coin's rows begin at `first`.
    ///
    /// # Panics
    /// There is no such row.
    pub fn predict(&self, table: Table<'_>, first: u32, row: u32) -> Prediction {
        let Self { bundle, calibration, .. } = self;
        let values = table.row(row as usize);
        let by_trees = |heads: &BTreeMap<Head, Forest>| -> Vec<Scores> {
            vec![Head::ALL.map(|head| heads[&head].raw_scores(values)[0])]
        };
        let mut families = BTreeMap::from([(Family::Gbdt, by_trees(&bundle.heads))]);
        for (family, member) in &bundle.other_families {
            let own = match member {
                FamilyModels::Trees(heads) => by_trees(heads),
                FamilyModels::Networks(networks) => mean_scores(&networks.seeds, table, first, &[row]),
            };
            families.insert(*family, own);
        }
        let (all, own) = mixed(&bundle.mix, families, 1);
        let own = own.map_or([0.0; Head::COUNT], |own| own[0]);
        calibration.predict(&all[0], &own, f64::from(values[view_columns::ATR_SHARE]))
    }

    /// Bars that a prediction looks at: 1, or the longest window of its networks.
    pub fn window_bars(&self) -> usize {
        let networks = self.bundle.other_families.values().filter_map(FamilyModels::networks);
        networks.flat_map(|networks| &networks.seeds).map(|network| network.shape.window).max().unwrap_or(1)
    }
}

/// A model that predicts rows of its own columns, whatever table they come from.
#[derive(Debug)]
pub struct CalibratedModel {
    /// The model.
    pub bundle: Bundle,
    /// How far its raw scores are believed.
    pub calibration: Calibration,
    /// Place of the column that turns an edge in multiples of the ATR into basis points.
    pub atr_share: usize,
}

/// Rows of a table that are consecutive bars of one coin, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoinRows {
    /// First row of the coin: what lies before it is not of this coin.
    pub first: u32,
    /// The rows.
    pub rows: Range<u32>,
}

impl CalibratedModel {
    /// Loads a model.
    ///
    /// # Errors
    /// A file that cannot be read, a model of an earlier version without a calibration, one without all of [`Head::ALL`], or one
    /// without the column `atr_share`, by which its edge has a unit.
    pub fn load(path: &Path) -> Result<Self, BundleError> {
        let bundle = Bundle::load(path)?;
        let bad = |reason: String| BundleError::Format { path: path.to_owned(), reason };
        let Some(calibration) = bundle.calibration else {
            let reason =
                "it was trained by an earlier version and has no calibration, without which its scores mislead";
            return Err(BundleError::Outdated { path: path.to_owned(), reason: reason.to_owned() });
        };
        let trees =
            std::iter::once(&bundle.heads).chain(bundle.other_families.values().filter_map(FamilyModels::trees));
        for heads in trees {
            if let Some(head) = Head::ALL.iter().find(|head| !heads.contains_key(head)) {
                return Err(bad(format!("it has no head '{head}'")));
            }
        }
        let name = VIEW[view_columns::ATR_SHARE].name;
        let Some(atr_share) = bundle.feature_names.iter().position(|own| own == name) else {
            return Err(bad(format!("it has no feature '{name}', without which its edge has no unit")));
        };
        Ok(Self { bundle, calibration, atr_share })
    }

    /// Calibrated predictions of the rows of all `coins`, one after the other.
    ///
    /// # Errors
    /// [`EngineError`] if the device fails and falling back to the CPU is not allowed.
    ///
    /// # Panics
    /// The table has other columns than the model, or a row is outside it.
    pub fn predict(
        &self,
        compute: &Compute,
        table: Table<'_>,
        coins: &[CoinRows],
    ) -> Result<Vec<Prediction>, EngineError> {
        let Self { bundle, calibration, atr_share } = self;
        let asked = Asked { bundle, calibration, coins: coins.to_vec() };
        Ok(predict(compute, table, *atr_share, &[asked])?.remove(0))
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

/// As [`predictions`], of the bars of each model's symbol from `from` on; of each model there must be one.
///
/// # Errors
/// As [`predictions`].
pub fn predictions_from(
    compute: &Compute,
    panel: &Panel,
    view: &View,
    models: &[&SymbolModel],
    from: impl Fn(&SymbolModel) -> usize,
) -> Result<Vec<Candidate>, EngineError> {
    let bars: Vec<Range<usize>> = models
        .iter()
        .map(|own| {
            let range = panel.ranges[own.symbol].clone();
            range.start.max(from(own))..range.end
        })
        .collect();
    fn asked<'a>(own: &'a SymbolModel, bars: &Range<usize>, width: usize) -> Asked<'a> {
        let SymbolModel { symbol, bundle, calibration } = own;
        let first = (symbol * width) as u32;
        let rows = first + bars.start as u32..first + bars.end as u32;
        Asked { bundle, calibration, coins: vec![CoinRows { first, rows }] }
    }
    let asked: Vec<Asked<'_>> = models.iter().zip(&bars).map(|(own, bars)| asked(own, bars, panel.bars)).collect();
    let all = predict(compute, view.table(), view_columns::ATR_SHARE, &asked)?;
    let candidates = models
        .iter()
        .zip(bars)
        .zip(all)
        .flat_map(|((own, bars), all)| bars.zip(all).map(|(bar, prediction)| (own.symbol, bar, Some(prediction))));
    Ok(candidates.collect())
}

/// A model, and the rows that it predicts.
struct Asked<'a> {
    bundle: &'a Bundle,
    calibration: &'a Calibration,
    coins: Vec<CoinRows>,
}

/// The predictions of each model, in the order of its rows; the trees of all in one batch.
fn predict(
    compute: &Compute,
    table: Table<'_>,
    atr_share: usize,
    asked: &[Asked<'_>],
) -> Result<Vec<Vec<Prediction>>, EngineError> {
    let rows: Vec<Vec<u32>> =
        asked.iter().map(|own| own.coins.iter().flat_map(|coin| coin.rows.clone()).collect()).collect();
    let trees = asked.iter().zip(&rows).flat_map(|(Asked { bundle, .. }, rows)| {
        let families = bundle.other_families.values().filter_map(FamilyModels::trees);
        let all = std::iter::once(&bundle.heads).chain(families);
        all.flat_map(move |heads| Head::ALL.map(|head| PredictJob { forest: &heads[&head], rows }))
    });
    let jobs: Vec<PredictJob<'_>> = trees.collect();
    let mut scores = boost::device::raw_scores_on(compute, table, &jobs)?.into_iter();
    let mut by_trees = || -> Vec<Scores> {
        let heads: Vec<Vec<f64>> = scores.by_ref().take(Head::COUNT).collect();
        (0..heads[0].len()).map(|row| [heads[0][row], heads[1][row], heads[2][row]]).collect()
    };
    let mut predictions = Vec::new();
    for (Asked { bundle, calibration, coins }, rows) in asked.iter().zip(&rows) {
        let mut families = BTreeMap::from([(Family::Gbdt, by_trees())]);
        for (family, member) in &bundle.other_families {
            let own = match member {
                FamilyModels::Trees(_) => by_trees(),
                FamilyModels::Networks(networks) => {
                    let of = |coin: &CoinRows| {
                        let rows: Vec<u32> = coin.rows.clone().collect();
                        mean_scores(&networks.seeds, table, coin.first, &rows)
                    };
                    coins.iter().flat_map(of).collect()
                }
            };
            families.insert(*family, own);
        }
        let (all, own) = mixed(&bundle.mix, families, rows.len());
        let one = |(place, (row, scores)): (usize, (&u32, &Scores))| {
            let atr_share = f64::from(table.row(*row as usize)[atr_share]);
            let own = own.as_ref().map_or([0.0; Head::COUNT], |own| own[place]);
            calibration.predict(scores, &own, atr_share)
        };
        predictions.push(rows.iter().zip(&all).enumerate().map(one).collect());
    }
    Ok(predictions)
}

/// The scores of all families together, and those of the coin's own family if it has one: what [`Calibration::predict`] takes.
///
/// `families` are the scores of `rows` rows by family. Without a `mix`, boosted trees predict alone.
fn mixed(mix: &Mix, mut families: BTreeMap<Family, Vec<Scores>>, rows: usize) -> (Vec<Scores>, Option<Vec<Scores>>) {
    let own = families.remove(&Family::Own);
    let all = if mix.is_empty() {
        families.remove(&Family::Gbdt).unwrap_or_default()
    } else {
        blend(mix, &families.iter().map(|(family, scores)| (*family, scores.as_slice())).collect(), rows)
    };
    (all, own)
}
