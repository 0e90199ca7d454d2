//! Quantile bins: cut points of each feature, from the training rows alone, and the codes of rows.

use super::Table;

/// Code of a missing value; bins have codes below it.
pub const MISSING: u8 = 255;

/// Cut points of every feature of one job.
///
/// Feature f has bins `0 ..= cuts[f].len()`; a value lies in the first bin whose cut it does not exceed.
#[derive(Debug, Clone, PartialEq)]
pub struct Cuts {
    /// Ascending, at most 254 a feature: midway between the neighbouring training values of two bins.
    pub cuts: Vec<Vec<f32>>,
}

impl Cuts {
    /// Chooses at most `max_bin` bins a feature: one a distinct value where that suffices, else equal shares
    /// of `rows` (the bin of rank k·n/max_bin begins a new bin, ties stay together).
    pub fn new(table: Table<'_>, rows: &[u32], max_bin: u32) -> Self {
        let max_bin = max_bin as usize;
        let mut values = Vec::with_capacity(rows.len());
        let cuts = (0..table.features)
            .map(|feature| {
                values.clear();
                let column = rows.iter().map(|&row| table.values[row as usize * table.features + feature]);
                // −0 and 0 are one value to a comparison, so they must be one to the order.
                values.extend(column.filter(|v| !v.is_nan()).map(|v| v + 0.0));
                values.sort_unstable_by(f32::total_cmp);
                let distinct = values.windows(2).filter(|w| w[0] < w[1]).count() + usize::from(!values.is_empty());
                if distinct <= max_bin {
                    values.windows(2).filter(|w| w[0] < w[1]).map(|w| midway(w[0], w[1])).collect()
                } else {
                    quantiles(&values, max_bin)
                }
            })
            .collect();
        Self { cuts }
    }

    /// Code of one value of `feature`.
    pub fn code(&self, feature: usize, value: f32) -> u8 {
        if value.is_nan() {
            return MISSING;
        }
        self.cuts[feature].partition_point(|&cut| cut < value) as u8
    }

    /// Codes of `rows`, `[rows × features]` row-major.
    pub fn codes(&self, table: Table<'_>, rows: &[u32]) -> Vec<u8> {
        let mut codes = vec![0; rows.len() * table.features];
        for (out, &row) in codes.chunks_exact_mut(table.features).zip(rows) {
            for (feature, (code, &value)) in out.iter_mut().zip(table.row(row as usize)).enumerate() {
                *code = self.code(feature, value);
            }
        }
        codes
    }

    /// The threshold of a split that sends bins `0 ..= bin` of `feature` left.
    ///
    /// It lies midway between the cut, the greatest f32 that goes left, and the next one: whoever keeps the features in
    /// f64 decides as we do on their f32 roundings. A split after the last bin parts present from missing.
    pub fn threshold(&self, feature: usize, bin: usize) -> f64 {
        match self.cuts[feature].get(bin) {
            Some(&cut) => {
                let next = cut.next_up();
                if next.is_finite() { (f64::from(cut) + f64::from(next)) / 2.0 } else { f64::from(cut) }
            }
            None => f64::MAX,
        }
    }
}

/// The f32 midway between two values: at least the lower, below the higher.
fn midway(below: f32, above: f32) -> f32 {
    let middle = ((f64::from(below) + f64::from(above)) / 2.0) as f32;
    if middle < above { middle } else { below }
}

/// The cut before each sorted entry of rank k·n/bins, without repetition.
fn quantiles(sorted: &[f32], bins: usize) -> Vec<f32> {
    let mut cuts = Vec::with_capacity(bins - 1);
    for k in 1..bins {
        let begins = sorted[k * sorted.len() / bins];
        let below = sorted.partition_point(|&v| v < begins);
        if below == 0 {
            continue;
        }
        let cut = midway(sorted[below - 1], begins);
        if cuts.last().is_none_or(|&last| last < cut) {
            cuts.push(cut);
        }
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_get_a_bin_each_and_missing_has_its_own() {
        let values = [3.0, 1.0, f32::NAN, 2.0, 2.0, -0.0, 0.0];
        let table = Table { values: &values, features: 1 };
        let cuts = Cuts::new(table, &[0, 1, 2, 3, 4, 5, 6], 255);
        assert_eq!(cuts.cuts, [vec![0.5, 1.5, 2.5]]);
        assert_eq!(cuts.codes(table, &[0, 1, 2, 3, 5, 6]), [3, 1, MISSING, 2, 0, 0]);
        assert_eq!(cuts.code(0, 99.0), 3);
        let threshold = cuts.threshold(0, 1);
        assert!(threshold > 1.5 && threshold < f64::from(1.5_f32.next_up()));
    }

    #[test]
    fn many_values_get_equal_shares() {
        let values: Vec<f32> = (0..10_000).map(|i| ((i * 7919) % 10_007) as f32).collect();
        let table = Table { values: &values, features: 1 };
        let rows: Vec<u32> = (0..10_000).collect();
        let cuts = Cuts::new(table, &rows, 100);
        let mut counts = [0; 256];
        cuts.codes(table, &rows).iter().for_each(|&code| counts[code as usize] += 1);
        assert_eq!(cuts.cuts[0].len(), 99);
        assert!(counts[..100].iter().all(|&c| c == 100), "{counts:?}");
    }

    #[test]
    fn an_empty_or_missing_column_has_one_bin() {
        let values = [f32::NAN; 3];
        let cuts = Cuts::new(Table { values: &values, features: 1 }, &[0, 1, 2], 255);
        assert_eq!(cuts.cuts, [Vec::<f32>::new()]);
    }
}
