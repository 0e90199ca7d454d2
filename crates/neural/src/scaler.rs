//! Features and labels of one size.

use serde::{Deserialize, Serialize};

use huracan_base::Table;

/// Mean and spread of each column over the training rows alone. A missing value becomes the mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scaler {
    pub mean: Vec<f32>,
    /// One over the standard deviation; 0 for a column that stands still, which then says nothing.
    pub scale: Vec<f32>,
}

impl Scaler {
    /// Farther than this many standard deviations from the mean, a value counts as this far: one wild bar must not drown
    /// the rest.
    pub const REACH: f32 = 8.0;

    /// Of some rows of a table.
    pub fn of(table: Table<'_>, rows: &[u32]) -> Self {
        let row = |row: &u32| &table.values[*row as usize * table.features..][..table.features];
        Self::from_rows(table.features, rows.iter().map(row))
    }

    /// Of labels `[rows × heads]`.
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
            // What is left of rounding is no spread.
            if deviation > 1e-7 * mean.abs() && deviation > 0.0 { (1.0 / deviation) as f32 } else { 0.0 }
        };
        let scale = squares.iter().zip(count.iter().zip(&mean)).map(scale).collect();
        Self { mean: mean.iter().map(|&mean| mean as f32).collect(), scale }
    }

    /// Scales a row into `out`.
    pub fn apply(&self, row: &[f32], out: &mut [f32]) {
        for (((&value, out), mean), scale) in row.iter().zip(out).zip(&self.mean).zip(&self.scale) {
            let scaled = (value - mean) * scale;
            *out = if scaled.is_nan() { 0.0 } else { scaled.clamp(-Self::REACH, Self::REACH) };
        }
    }
}
