//! The rows that models learn from.

/// The feature values of all jobs, `[rows × features]`, row-major; NaN marks a missing value.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    /// All values, row by row.
    pub values: &'a [f32],
    /// Number of features, the length of a row.
    pub features: usize,
}

impl<'a> Table<'a> {
    /// Number of rows; 0 if there are no features.
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.features).unwrap_or(0)
    }

    /// One row, `[features]`.
    ///
    /// # Panics
    /// If the table does not have this row.
    pub fn row(&self, row: usize) -> &'a [f32] {
        &self.values[row * self.features..(row + 1) * self.features]
    }
}
