//! Calibrated predictions of a bundle.

use std::collections::BTreeMap;
use std::path::Path;

use crate::boost::{self, PredictJob, Table};
use crate::decide::{Calibration, Head, Scores};
use crate::engine::Compute;
use crate::exit::{Code, CommandFailure};
use crate::models::{Bundle, mixed};
use crate::trainer::{Family, FamilyModels, mean_scores};

/// Column of the view that turns an edge in ATR into basis points.
const ATR_SHARE: &str = "atr_share";

/// What a head of the bundle in `path` predicts for the rows of `table`, which has the bundle's features: probabilities, or
/// basis points. Networks take the rows as consecutive bars, oldest first.
///
/// # Errors
/// A head that the bundle lacks, an edge without the column `atr_share`, or a device that fails.
pub(super) fn predictions(
    compute: &Compute,
    table: Table<'_>,
    path: &Path,
    bundle: &Bundle,
    calibration: &Calibration,
    head: Head,
) -> Result<Vec<f64>, CommandFailure> {
    let bad = |what: String| CommandFailure::new(Code::BadData, format!("{}: {what}", path.display()));
    let atr_share = bundle.feature_names.iter().position(|name| name == ATR_SHARE);
    if head == Head::EdgeBps && atr_share.is_none() {
        return Err(bad(format!("has no feature '{ATR_SHARE}', without which its edge has no unit")));
    }
    let rows: Vec<u32> = (0..table.rows() as u32).collect();
    let trees = |heads: &BTreeMap<Head, boost::Forest>| -> Result<Vec<Scores>, CommandFailure> {
        let forest = heads.get(&head).ok_or_else(|| bad(format!("has no head '{head}'")))?;
        let scores = boost::device::raw_scores_on(compute, table, &[PredictJob { forest, rows: &rows }])?;
        let at = |score: &f64| {
            let mut scores = [0.0; Head::COUNT];
            scores[head.position()] = *score;
            scores
        };
        Ok(scores.concat().iter().map(at).collect())
    };
    let mut families = BTreeMap::from([(Family::Gbdt, trees(&bundle.heads)?)]);
    for (family, member) in &bundle.other_families {
        let scores = match member {
            FamilyModels::Trees(heads) => trees(heads)?,
            FamilyModels::Networks(networks) => mean_scores(&networks.seeds, table, 0, &rows),
        };
        families.insert(*family, scores);
    }
    let (all, own) = mixed(&bundle.mix, families, rows.len());
    let predict = |(row, scores): (usize, &Scores)| {
        let own = own.as_ref().map_or([0.0; Head::COUNT], |own| own[row]);
        let atr_share = atr_share.map_or(f64::NAN, |column| f64::from(table.row(row)[column]));
        calibration.predict(scores, &own, atr_share).head(head)
    };
    Ok(all.iter().enumerate().map(predict).collect())
}
