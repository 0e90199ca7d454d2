//! Rows that models learn from.

/// Feature values of all jobs, `[rows × features]` f32 row-major, NaN where missing.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    pub values: &'a [f32],
    pub features: usize,
}

impl<'a> Table<'a> {
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.features).unwrap_or(0)
    }

    /// One row, `[features]`.
    pub fn row(&self, row: usize) -> &'a [f32] {
        &self.values[row * self.features..(row + 1) * self.features]
    }
}
