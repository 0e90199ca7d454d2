//! `huracan boost importance`: which features a model relies on.

use std::path::PathBuf;

use crate::polars::prelude::*;
use serde::Serialize;

use super::learnable::{Columns, Learnable, feature_values};
use crate::boost::{self, BoostJob, BoostParams, Permuted, Table};
use crate::commands::table;
use crate::exit::{Code, Failure, OrExit};
use crate::models::load_forest;

/// What `boost importance` is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    pub model: PathBuf,
    pub head: Option<String>,
    pub table: Option<PathBuf>,
    /// Only with a table.
    pub target: Option<String>,
    pub weight: Option<String>,
    pub repeats: u32,
    pub seed: u64,
    pub out: Option<PathBuf>,
}

/// A model's features, those with the greatest gain first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranking {
    pub trees: usize,
    /// Rows of the table; none without one.
    pub rows: Option<usize>,
    pub features: Vec<Ranked>,
}

/// How much a model relies on a feature.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranked {
    pub feature: String,
    /// Share of all gain.
    pub gain: f64,
    pub splits: u64,
    /// Mean size of what the feature adds to the raw score; with a table.
    pub shap: Option<f64>,
    /// How much the loss rises when the feature is shuffled, and the deviation over the repeats; with a target.
    pub permutation: Option<f64>,
    pub permutation_deviation: Option<f64>,
}

/// Ranks a model's features.
///
/// # Errors
/// Models and tables that cannot be read, and labels that are none of the model's.
pub fn importance(asked: &Asked) -> Result<Ranking, Failure> {
    let forest = load_forest(&asked.model, asked.head.as_deref()).or_exit(Code::BadData)?;
    let (mut shap, mut permuted, mut rows) = (None, None, None);
    if let Some(path) = &asked.table {
        let given = table::read(path).or_exit(Code::BadData)?;
        let values = feature_values(&given, &forest.features)?;
        let view = Table { values: &values, features: forest.features.len() };
        let all: Vec<u32> = (0..view.rows() as u32).collect();
        if all.is_empty() {
            return Err(Failure::new(Code::BadData, format!("{}: the table has no rows", path.display())));
        }
        rows = Some(all.len());
        let contributions = boost::contributions(&forest, view, &all);
        let classes = forest.objective.trees_per_round();
        shap = Some(boost::mean_absolute(&contributions, classes, forest.features.len()));
        if let Some(target) = &asked.target {
            let columns = Columns { target: target.clone(), group: None, weight: asked.weight.clone() };
            let Learnable { labels, weights, .. } = Learnable::new(&given, &columns, Some(&forest.features))?;
            let job = BoostJob {
                name: path.display().to_string(),
                train: all.clone(),
                train_labels: labels.clone(),
                train_weights: weights.clone(),
                ..BoostJob::default()
            };
            let params = BoostParams { objective: forest.objective, ..BoostParams::default() };
            job.check(&params, view).or_exit(Code::BadData)?;
            permuted =
                Some(boost::permutation(&forest, view, &all, &labels, &weights, asked.repeats.max(1), asked.seed));
        }
    }
    let ranking = ranked(&forest, rows, shap.as_deref(), permuted.as_deref());
    if let Some(out) = &asked.out {
        table::write(out, frame(&ranking)?).or_exit(Code::Failed)?;
    }
    Ok(ranking)
}

fn ranked(forest: &boost::Forest, rows: Option<usize>, shap: Option<&[f64]>, permuted: Option<&[Permuted]>) -> Ranking {
    let gain = forest.gain_importance();
    let total: f64 = gain.iter().sum();
    let splits = forest.split_importance();
    let one = |(f, name): (usize, &String)| Ranked {
        feature: name.clone(),
        gain: if total > 0.0 { gain[f] / total } else { 0.0 },
        splits: splits[f],
        shap: shap.map(|shap| shap[f]),
        permutation: permuted.map(|permuted| permuted[f].mean),
        permutation_deviation: permuted.map(|permuted| permuted[f].deviation),
    };
    let mut features: Vec<Ranked> = forest.features.iter().enumerate().map(one).collect();
    features.sort_by(|a, b| b.gain.total_cmp(&a.gain).then_with(|| a.feature.cmp(&b.feature)));
    Ranking { trees: forest.trees.len(), rows, features }
}

fn frame(ranking: &Ranking) -> PolarsResult<DataFrame> {
    let all = &ranking.features;
    let optional = |name: &str, of: fn(&Ranked) -> Option<f64>| {
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
