//! Standardises features and labels.

use serde::{Deserialize, Serialize};

use huracan_base::Table;

/// Mean and scale of each column, from the training rows only. A missing value becomes the mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scaler {
    /// Mean per column.
    pub mean: Vec<f32>,
    /// One over the standard deviation per column; 0 for a constant column, which then has no effect.
    pub scale: Vec<f32>,
}

impl Scaler {
    /// Values are clipped to this many standard deviations from the mean, so that one extreme bar cannot dominate the rest.
    pub const MAX_DEVIATIONS: f32 = 8.0;

    /// The scaler of some rows of a table.
    ///
    /// # Panics
    /// A row is outside the table.
    pub fn of(table: Table<'_>, rows: &[u32]) -> Self {
        let row = |row: &u32| &table.values[*row as usize * table.features..][..table.features];
        Self::from_rows(table.features, rows.iter().map(row))
    }

    /// The scaler of labels `[rows × heads]`.
    ///
    /// # Panics
    /// There are no heads.
    pub fn of_labels(labels: &[f32], heads: usize) -> Self {
        Self::from_rows(heads, labels.chunks_exact(heads))
    }

    fn from_rows<'a>(columns: usize, values: impl Iterator<Item = &'a [f32]> + Clone) -> Self {
        let mut count = vec![0_u32; columns];
        let mut sums = vec![0.0_f64; columns];
        for row in values.clone() {
            for ((&value, sum), count) in row.iter().zip(&mut sums).zip(&mut count) {
                if value.is_finite() {
                    *sum += f64::from(value);
                    *count += 1;
                }
            }
        }
        let mean: Vec<f64> = sums.iter().zip(&count).map(|(sum, &n)| sum / f64::from(n.max(1))).collect();
        let mut squares = vec![0.0_f64; columns];
        for row in values {
            for ((&value, square), mean) in row.iter().zip(&mut squares).zip(&mean) {
                if value.is_finite() {
                    *square += (f64::from(value) - mean) * (f64::from(value) - mean);
                }
            }
        }
        let scale = |(square, (&n, mean)): (&f64, (&u32, &f64))| {
            let deviation = (square / f64::from(n.max(1))).sqrt();
            // A deviation of the size of rounding errors counts as 0.
            if deviation > 1e-7 * mean.abs() && deviation > 0.0 { (1.0 / deviation) as f32 } else { 0.0 }
        };
        let scale = squares.iter().zip(count.iter().zip(&mean)).map(scale).collect();
        Self { mean: mean.iter().map(|&mean| mean as f32).collect(), scale }
    }

    /// Scales a row into `out`, both `[columns]`.
    pub fn apply(&self, row: &[f32], out: &mut [f32]) {
        for (((&value, out), mean), scale) in row.iter().zip(out).zip(&self.mean).zip(&self.scale) {
            let scaled = (value - mean) * scale;
            *out = if scaled.is_nan() { 0.0 } else { scaled.clamp(-Self::MAX_DEVIATIONS, Self::MAX_DEVIATIONS) };
        }
    }
}
