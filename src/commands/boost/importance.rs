//! `huracan boost importance`: which features a model relies on.

use std::path::PathBuf;

use crate::polars::prelude::*;
use serde::Serialize;

use super::learnable::{Columns, LabelledTable, feature_values};
use super::note_raw_trees;
use crate::boost::{self, BoostJob, BoostParams, PermutationImportance, Table};
use crate::commands::table;
use crate::exit::{Code, CommandFailure, OrExit};
use crate::models::load_forest;

/// The arguments of `boost importance`.
#[derive(Debug, Clone)]
pub struct ImportanceRequest {
    /// Model file (`.txt` or `.pkl`).
    pub model: PathBuf,
    /// Head of a `.pkl`; none for its main one.
    pub head: Option<String>,
    /// Table to compute SHAP values and permutation importance on.
    pub table: Option<PathBuf>,
    /// Column that the model predicts; only with a table.
    pub target: Option<String>,
    /// Column with the weight of each row; only with a target.
    pub weight: Option<String>,
    /// Shuffles per feature, at least 1.
    pub repeats: u32,
    /// Seed of every shuffle.
    pub seed: u64,
    /// Where the ranking is written as a table.
    pub out: Option<PathBuf>,
}

/// A model's features, those with the greatest gain first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranking {
    /// Trees of the model.
    pub trees: usize,
    /// Rows of the table; none without one.
    pub rows: Option<usize>,
    /// The features.
    pub features: Vec<FeatureRank>,
}

/// How much a model relies on a feature.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeatureRank {
    /// Name of the feature.
    pub feature: String,
    /// Share of the total gain.
    pub gain: f64,
    /// Number of splits.
    pub splits: u64,
    /// Mean absolute SHAP value, in units of the raw score; with a table.
    pub shap: Option<f64>,
    /// Mean increase of the loss when the feature is shuffled; with a target.
    pub permutation: Option<f64>,
    /// Standard deviation of that increase over the repeats.
    pub permutation_deviation: Option<f64>,
}

/// Ranks a model's features; of a bundle those of one head's trees, raw.
///
/// # Errors
/// Models and tables that cannot be read, and labels that do not fit the model's objective.
pub fn importance(request: &ImportanceRequest) -> Result<Ranking, CommandFailure> {
    let forest = load_forest(&request.model, request.head.as_deref()).or_exit(Code::BadData)?;
    note_raw_trees(&request.model);
    let (mut shap, mut permuted, mut rows) = (None, None, None);
    if let Some(path) = &request.table {
        let given = table::read(path).or_exit(Code::BadData)?;
        let values = feature_values(&given, &forest.features)?;
        let view = Table { values: &values, features: forest.features.len() };
        let all: Vec<u32> = (0..view.rows() as u32).collect();
        if all.is_empty() {
            return Err(CommandFailure::new(Code::BadData, format!("{}: the table has no rows", path.display())));
        }
        rows = Some(all.len());
        let contributions = boost::contributions(&forest, view, &all);
        let classes = forest.objective.trees_per_round();
        shap = Some(boost::mean_absolute_contributions(&contributions, classes, forest.features.len()));
        if let Some(target) = &request.target {
            let columns = Columns { target: target.clone(), group: None, weight: request.weight.clone() };
            let LabelledTable { labels, weights, .. } = LabelledTable::new(&given, &columns, Some(&forest.features))?;
            let job = BoostJob {
                name: path.display().to_string(),
                train: all.clone(),
                train_labels: labels.clone(),
                train_weights: weights.clone(),
                ..BoostJob::default()
            };
            let params = BoostParams { objective: forest.objective, ..BoostParams::default() };
            job.check(&params, view).or_exit(Code::BadData)?;
            permuted = Some(boost::permutation_importance(
                &forest,
                view,
                &all,
                &labels,
                &weights,
                request.repeats.max(1),
                request.seed,
            ));
        }
    }
    let ranking = ranked(&forest, rows, shap.as_deref(), permuted.as_deref());
    if let Some(out) = &request.out {
        table::write(out, frame(&ranking)?).or_exit(Code::Failed)?;
    }
    Ok(ranking)
}

fn ranked(
    forest: &boost::Forest,
    rows: Option<usize>,
    shap: Option<&[f64]>,
    permuted: Option<&[PermutationImportance]>,
) -> Ranking {
    let gain = forest.gain_importance();
    let total: f64 = gain.iter().sum();
    let splits = forest.split_importance();
    let one = |(f, name): (usize, &String)| FeatureRank {
        feature: name.clone(),
        gain: if total > 0.0 { gain[f] / total } else { 0.0 },
        splits: splits[f],
        shap: shap.map(|shap| shap[f]),
        permutation: permuted.map(|permuted| permuted[f].mean),
        permutation_deviation: permuted.map(|permuted| permuted[f].deviation),
    };
    let mut features: Vec<FeatureRank> = forest.features.iter().enumerate().map(one).collect();
    features.sort_by(|a, b| b.gain.total_cmp(&a.gain).then_with(|| a.feature.cmp(&b.feature)));
    Ranking { trees: forest.trees.len(), rows, features }
}

fn frame(ranking: &Ranking) -> PolarsResult<DataFrame> {
    let all = &ranking.features;
    let optional = |name: &str, of: fn(&FeatureRank) -> Option<f64>| {
        Column::new(name.into(), all.iter().map(of).collect::<Vec<Option<f64>>>())
    };
    DataFrame::new(
        all.len(),
        vec![
            Column::new("feature".into(), all.iter().map(|one| one.feature.as_str()).collect::<Vec<_>>()),
            Column::new("gain".into(), all.iter().map(|one| one.gain).collect::<Vec<_>>()),
            Column::new("splits".into(), all.iter().map(|one| one.splits).collect::<Vec<_>>()),
            optional("shap", |one| one.shap),
            optional("permutation", |one| one.permutation),
            optional("permutation_deviation", |one| one.permutation_deviation),
        ],
    )
}
