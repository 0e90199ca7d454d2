//! A table split into features, labels, weights and groups.

use crate::boost::MAX_CELLS;
use crate::commands::table::{Table, is_number};
use crate::exit::{Code, CommandFailure, OrExit};

/// The columns of a table that are not features.
#[derive(Debug, Clone)]
pub struct Columns {
    /// The label.
    pub target: String,
    /// One model per value of this column.
    pub group: Option<String>,
    /// Weight of each row, 0 or more.
    pub weight: Option<String>,
}

/// Rows to train on, or to validate on.
pub struct LabelledTable {
    pub features: Vec<String>,
    /// `[rows × features]`.
    pub values: Vec<f32>,
    pub labels: Vec<f32>,
    /// Empty if all rows have the same weight.
    pub weights: Vec<f32>,
    /// Group of each row; empty names without a group column.
    pub groups: Vec<String>,
    /// Columns that are not numeric.
    pub skipped: Vec<String>,
}

impl LabelledTable {
    /// Reads a table. The features are those named, or all numeric columns besides target, group and weight.
    ///
    /// # Errors
    /// Columns that are missing or of the wrong type, and more cells than a job can have.
    pub fn new(table: &Table, columns: &Columns, features: Option<&[String]>) -> Result<Self, CommandFailure> {
        let labels = table.numbers(&columns.target).or_exit(Code::BadData)?;
        let groups = match &columns.group {
            Some(group) => table.texts(group).or_exit(Code::BadData)?,
            None => vec![String::new(); labels.len()],
        };
        let weights = match &columns.weight {
            Some(weight) => table.numbers(weight).or_exit(Code::BadData)?,
            None => Vec::new(),
        };
        let (mut numeric, mut skipped) = (Vec::new(), Vec::new());
        for column in table.frame.columns() {
            let name = column.name().to_string();
            if name == columns.target || Some(&name) == columns.group.as_ref() || Some(&name) == columns.weight.as_ref()
            {
                continue;
            }
            if is_number(column.dtype()) { numeric.push(name) } else { skipped.push(name) }
        }
        let features = features.map_or(numeric, <[String]>::to_vec);
        let cells = labels.len() as u64 * features.len() as u64;
        if cells > MAX_CELLS || labels.len() > i32::MAX as usize {
            let message = format!(
                "{}: {} rows × {} features are too many for one table; split it",
                table.path.display(),
                labels.len(),
                features.len()
            );
            return Err(CommandFailure::new(Code::BadData, message));
        }
        Ok(Self {
            values: feature_values(table, &features)?,
            features,
            labels: labels.into_iter().map(|v| v as f32).collect(),
            weights: weights.into_iter().map(|v| v as f32).collect(),
            groups,
            skipped,
        })
    }
}

/// The features as `[rows × features]` f32, row-major. Infinities become the greatest finite values, null becomes NaN.
pub fn feature_values(table: &Table, features: &[String]) -> Result<Vec<f32>, CommandFailure> {
    let rows = table.frame.height();
    let mut values = vec![0.0; rows * features.len()];
    for (f, name) in features.iter().enumerate() {
        for (row, v) in table.numbers(name).or_exit(Code::BadData)?.into_iter().enumerate() {
            let v = v as f32;
            values[row * features.len() + f] = if v.is_nan() { f32::NAN } else { v.clamp(f32::MIN, f32::MAX) };
        }
    }
    Ok(values)
}
