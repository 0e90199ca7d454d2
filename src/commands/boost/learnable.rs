//! A table split into features, labels, weights and groups.

use std::collections::HashMap;

use rayon::prelude::*;

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
    /// The values of the group column; one empty one without it.
    pub groups: Vec<String>,
    /// The group of each row, as a place among them.
    pub group_of: Vec<u32>,
    /// Columns that are not numeric.
    pub skipped: Vec<String>,
}

impl LabelledTable {
    /// Reads a table. The features are those named, or all numeric columns besides target, group and weight.
    ///
    /// # Errors
    /// Columns that are missing or of the wrong type, and more cells than a job can have.
    pub fn new(table: &Table, columns: &Columns, features: Option<&[String]>) -> Result<Self, CommandFailure> {
        let labels = table.floats(&columns.target).or_exit(Code::BadData)?;
        let (groups, group_of) = match &columns.group {
            Some(group) => table.categories(group).or_exit(Code::BadData)?,
            None => (vec![String::new()], vec![0; labels.len()]),
        };
        let weights = match &columns.weight {
            Some(weight) => table.floats(weight).or_exit(Code::BadData)?,
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
        Ok(Self { values: feature_values(table, &features)?, features, labels, weights, groups, group_of, skipped })
    }

    /// Adds the rows of another table with the same features.
    pub fn extend(&mut self, more: Self) {
        self.values.extend(more.values);
        self.labels.extend(more.labels);
        self.weights.extend(more.weights);
        let mut known: HashMap<String, u32> = self.groups.iter().cloned().zip(0..).collect();
        let places: Vec<u32> = more
            .groups
            .into_iter()
            .map(|group| {
                *known.entry(group.clone()).or_insert_with(|| {
                    self.groups.push(group);
                    self.groups.len() as u32 - 1
                })
            })
            .collect();
        self.group_of.extend(more.group_of.into_iter().map(|group| places[group as usize]));
    }
}

/// Features whose columns are in memory beside the table that they become.
const AT_A_TIME: usize = 8;
/// Rows that a thread fills at a time.
const ROWS: usize = 4096;

/// The features as `[rows × features]` f32, row-major. Infinities become the greatest finite values, null becomes NaN.
pub fn feature_values(table: &Table, features: &[String]) -> Result<Vec<f32>, CommandFailure> {
    let (rows, width) = (table.frame.height(), features.len());
    let mut values = vec![0.0; rows * width];
    for (first, some) in (0..).step_by(AT_A_TIME).zip(features.chunks(AT_A_TIME)) {
        let columns: Vec<_> = some.par_iter().map(|name| table.floats(name)).collect();
        // Of several faults always the first.
        let columns: Vec<Vec<f32>> = columns.into_iter().collect::<Result<_, _>>().or_exit(Code::BadData)?;
        values.par_chunks_mut((ROWS * width).max(1)).enumerate().for_each(|(chunk, out)| {
            for (row, out) in (chunk * ROWS..).zip(out.chunks_exact_mut(width)) {
                for (slot, column) in out[first..].iter_mut().zip(&columns) {
                    let v = column[row];
                    *slot = if v.is_nan() { f32::NAN } else { v.clamp(f32::MIN, f32::MAX) };
                }
            }
        });
    }
    Ok(values)
}
