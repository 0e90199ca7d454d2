//! Quantile bins: cut points of each feature, from the training rows alone, and the codes of rows.

use rayon::prelude::*;

use super::{MANY_ROWS, Table};

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
    /// Chooses at most `max_bin` bins a feature: one a distinct value where that suffices, else equal shares of
    /// `rows`, with a cut at 0; ties stay together.
    pub fn new(table: Table<'_>, rows: &[u32], max_bin: u32) -> Self {
        let max_bin = max_bin as usize;
        let of_feature = |values: &mut Vec<f32>, feature: usize| -> Vec<f32> {
            values.clear();
            let column = rows.iter().map(|&row| table.values[row as usize * table.features + feature]);
            // −0 and 0 are one value to a comparison, so they must be one to the order.
            values.extend(column.filter(|v| !v.is_nan()).map(|v| v + 0.0));
            values.sort_unstable_by(f32::total_cmp);
            let distinct = values.windows(2).filter(|w| w[0] < w[1]).count() + usize::from(!values.is_empty());
            if distinct <= max_bin {
                values.windows(2).filter(|w| w[0] < w[1]).map(|w| midway(w[0], w[1])).collect()
            } else {
                equal_shares(values, max_bin)
            }
        };
        let cuts = if rows.len() < MANY_ROWS {
            let mut values = Vec::with_capacity(rows.len());
            (0..table.features).map(|feature| of_feature(&mut values, feature)).collect()
        } else {
            (0..table.features).into_par_iter().map_init(Vec::new, of_feature).collect()
        };
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
        let one = |(out, &row): (&mut [u8], &u32)| {
            for (feature, (code, &value)) in out.iter_mut().zip(table.row(row as usize)).enumerate() {
                *code = self.code(feature, value);
            }
        };
        if rows.len() < MANY_ROWS {
            codes.chunks_exact_mut(table.features).zip(rows).for_each(one);
        } else {
            codes.par_chunks_exact_mut(table.features).zip(rows).for_each(one);
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

/// Values this near to 0 are 0: LightGBM's own bound, so that equal tables get equal bins.
const ZERO: f32 = 1e-35;

/// Cuts of a column with more distinct values than bins: below 0 and above 0 apart, each with bins by its share
/// of the rows, and 0 on its own. Many features mean something else on the other side of 0.
fn equal_shares(sorted: &[f32], max_bin: usize) -> Vec<f32> {
    let below = sorted.partition_point(|&v| v < -ZERO);
    let above = sorted.partition_point(|&v| v <= ZERO);
    let (low, zero, high) = (&sorted[..below], &sorted[below..above], &sorted[above..]);
    let low_bins = if low.is_empty() { 0 } else { (low.len() * (max_bin - 1) / (low.len() + high.len())).max(1) };
    let mut cuts = greedy(low, low_bins);
    match (low.is_empty(), zero.is_empty(), high.is_empty()) {
        (false, true, false) => cuts.push(0.0),
        (false, false, false) => cuts.extend([-ZERO, ZERO]),
        (false, false, true) => cuts.push(-ZERO),
        (true, false, false) => cuts.push(ZERO),
        _ => {}
    }
    if !high.is_empty() {
        cuts.extend(greedy(high, max_bin - 1 - low_bins));
    }
    cuts
}

/// Cuts between bins of about equal numbers of rows; a value with a bin's worth of rows ends its bin, and shares it with
/// less than half a bin's worth of rows below it.
///
/// The greedy walk of LightGBM's `GreedyFindBin` (Ke et al. 2017): a bin closes when it holds the mean number of
/// rows that the remaining bins must hold.
fn greedy(sorted: &[f32], bins: usize) -> Vec<f32> {
    let mut values: Vec<(f32, usize)> = Vec::new();
    for &value in sorted {
        match values.last_mut() {
            Some((last, count)) if *last == value => *count += 1,
            _ => values.push((value, 1)),
        }
    }
    let bins = bins.max(1);
    if values.len() <= bins {
        return values.windows(2).map(|w| midway(w[0].0, w[1].0)).collect();
    }
    let mean = sorted.len() as f64 / bins as f64;
    let big = |count: usize| count as f64 >= mean;
    let own_bins = values.iter().filter(|v| big(v.1)).count();
    let own_rows: usize = values.iter().filter(|v| big(v.1)).map(|v| v.1).sum();
    let mut bins_left = bins - own_bins.min(bins);
    let mut rows_left = sorted.len() - own_rows;
    let mut wanted = rows_left as f64 / bins_left as f64;
    let mut cuts = Vec::with_capacity(bins - 1);
    let mut held = 0;
    for pair in values.windows(2) {
        let ((value, count), (next, next_count)) = (pair[0], pair[1]);
        if !big(count) {
            rows_left -= count;
        }
        held += count;
        let closes = big(count) || held as f64 >= wanted || (big(next_count) && held as f64 >= (wanted * 0.5).max(1.0));
        if closes {
            cuts.push(midway(value, next));
            if cuts.len() >= bins - 1 {
                break;
            }
            held = 0;
            if !big(count) {
                bins_left = bins_left.saturating_sub(1);
                wanted = rows_left as f64 / bins_left as f64;
            }
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
        let values: Vec<f32> = (0..10_000).map(|i| ((i * 7919) % 10_007 + 1) as f32).collect();
        let table = Table { values: &values, features: 1 };
        let rows: Vec<u32> = (0..10_000).collect();
        let cuts = Cuts::new(table, &rows, 101);
        let mut counts = [0; 256];
        cuts.codes(table, &rows).iter().for_each(|&code| counts[code as usize] += 1);
        assert_eq!(cuts.cuts[0].len(), 99);
        assert!(counts[..100].iter().all(|&c| c == 100), "{counts:?}");
    }

    #[test]
    fn zero_has_a_bin_of_its_own_and_a_frequent_value_ends_one_that_hardly_holds_more() {
        let mut values: Vec<f32> = (1..=3000).map(|i| i as f32 * if i % 3 == 0 { -1.0 } else { 1.0 }).collect();
        values.extend([0.0; 50]);
        values.extend([700.0; 500]);
        let table = Table { values: &values, features: 1 };
        let cuts = Cuts::new(table, &(0..values.len() as u32).collect::<Vec<_>>(), 64);
        assert!(cuts.cuts[0].len() < 64);
        let code = |v| cuts.code(0, v);
        assert!(code(-3.0) < code(0.0) && code(0.0) < code(1.0));
        assert!(code(700.0) < code(701.0));
        // 2500 rows above 0 in 45 bins: 55 a bin.
        let company = values.iter().filter(|&&v| v != 700.0 && code(v) == code(700.0)).count();
        assert!(company < 28, "{company} rows share the bin of 500");
    }

    #[test]
    fn an_empty_or_missing_column_has_one_bin() {
        let values = [f32::NAN; 3];
        let cuts = Cuts::new(Table { values: &values, features: 1 }, &[0, 1, 2], 255);
        assert_eq!(cuts.cuts, [Vec::<f32>::new()]);
    }
}
