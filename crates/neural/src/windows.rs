//! The inputs of a network: scaled rows of a table, with the bars before them.

use super::Scaler;
use huracan_base::Table;

/// Scaled features of all bars that the windows of a job reach, without gaps.
pub struct Windows {
    /// `[bars × features]`.
    values: Vec<f32>,
    features: usize,
    /// Bars per window.
    bars: usize,
    /// Row of the table that `values` begins with; it may be negative.
    from: i64,
}

impl Windows {
    /// The windows of `bars` bars that end with each of `rows`; bars before row `first` count as missing.
    pub fn of(table: Table<'_>, scaler: &Scaler, bars: usize, first: u32, rows: &[u32]) -> Self {
        let features = table.features;
        let (least, most) = rows.iter().fold((u32::MAX, 0), |(least, most), &row| (least.min(row), most.max(row)));
        let from = i64::from(least) - (bars as i64 - 1);
        let length = if rows.is_empty() { 0 } else { (i64::from(most) + 1 - from) as usize };
        let mut values = vec![0.0; length * features];
        let missing = (i64::from(first) - from).clamp(0, length as i64) as usize;
        for (bar, out) in values.chunks_exact_mut(features).enumerate().skip(missing) {
            let row = (from + bar as i64) as usize;
            scaler.apply(&table.values[row * features..][..features], out);
        }
        Self { values, features, bars, from }
    }

    /// Copies the windows of some of the rows to `out`, `[rows × bars × features]`.
    pub fn gather(&self, rows: &[u32], out: &mut Vec<f32>) {
        out.clear();
        for &row in rows {
            let end = (i64::from(row) + 1 - self.from) as usize;
            out.extend_from_slice(&self.values[(end - self.bars) * self.features..end * self.features]);
        }
    }
}
