//! Quantile bins: the cut points of each feature, from the training rows only, and the codes of rows.

use std::ops::Range;

use rayon::prelude::*;

use super::{MIN_SHARED_ROWS, Table};

/// Code of a missing value; the codes of bins are below it.
pub const MISSING: u8 = 255;

/// Most cuts per feature.
pub const MAX_CUTS: usize = 254;

/// Values this close to 0 count as 0: LightGBM's `kZeroThreshold`, so that equal tables get equal bins.
pub const ZERO_THRESHOLD: f32 = 1e-35;

/// Bins that 0 takes if distinct values have no bin each.
pub const ZERO_BINS: usize = 1;

/// Share of its rows with which a bin may end before a value that fills a bin by itself.
pub const EARLY_SHARE: f64 = 0.5;

/// The cut points of every feature of one job.
///
/// Feature f has the bins `0 ..= cuts[f].len()`; a value lies in the first bin whose cut it does not exceed.
#[derive(Debug, Clone, PartialEq)]
pub struct Cuts {
    /// `[features][cuts]`, ascending, at most 254 per feature: each midway between the neighbouring training values of two
    /// bins.
    pub cuts: Vec<Vec<f32>>,
}

impl Cuts {
    /// Chooses at most `max_bin` bins per feature. Also returns the code of each row, `[features][rows]`.
    ///
    /// Each distinct value gets a bin if there are few enough of them. Otherwise bins get equal shares of `rows`, with a cut
    /// at 0. Equal values stay together.
    ///
    /// # Panics
    /// A row is outside the table.
    pub fn new(table: Table<'_>, rows: &[u32], max_bin: u32) -> (Self, Vec<Vec<u8>>) {
        // Threads have several tasks each, and not too much memory.
        let together = if rows.len() < MIN_SHARED_ROWS {
            TOGETHER
        } else {
            let tasks = 2 * rayon::current_num_threads();
            (table.features / tasks).min(MOST_KEYS / rows.len()).clamp(1, TOGETHER)
        };
        let some = |work: &mut Columns, first: usize| {
            let features = first..(first + together).min(table.features);
            work.read(table, rows, features.clone());
            features.map(|feature| work.bin(feature - first, rows.len(), max_bin as usize)).collect::<Vec<_>>()
        };
        let firsts: Vec<usize> = (0..table.features).step_by(together).collect();
        let both: Vec<Vec<(Vec<f32>, Vec<u8>)>> = if rows.len() < MIN_SHARED_ROWS {
            let mut work = Columns::default();
            firsts.into_iter().map(|first| some(&mut work, first)).collect()
        } else {
            firsts.into_par_iter().map_init(Columns::default, some).collect()
        };
        let (cuts, codes) = both.into_iter().flatten().unzip();
        (Self { cuts }, codes)
    }

    /// Code of one value of `feature`.
    ///
    /// # Panics
    /// There is no such feature.
    pub fn code(&self, feature: usize, value: f32) -> u8 {
        if value.is_nan() {
            return MISSING;
        }
        self.cuts[feature].partition_point(|&cut| cut < value) as u8
    }

    /// Features ordered by their number of bins, fewest first: neighbours share a group, so short histograms stay together.
    pub fn by_bins(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.cuts.len() as u32).collect();
        order.sort_by_key(|&feature| self.cuts[feature as usize].len());
        order
    }

    /// The threshold of a split that sends the bins `0 ..= bin` of `feature` left.
    ///
    /// It lies midway between the cut, which is the greatest f32 that goes left, and the next f32. A program that keeps the
    /// features in f64 then decides as this one does on their f32 roundings. A split after the last bin separates present
    /// values from missing ones.
    ///
    /// # Panics
    /// There is no such feature.
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

/// Most features whose columns are read together: they are side by side in a row, mostly in one cache line.
const TOGETHER: usize = 8;

/// Most keys that a thread has in memory, unless one column has more.
const MOST_KEYS: usize = 1 << 24;

/// Working memory for the columns of some features.
#[derive(Default)]
struct Columns {
    /// For each of them, the rank of a value in the upper half, the position of its row in the lower.
    keys: [Vec<u64>; TOGETHER],
    /// For sorting.
    spare: Vec<u64>,
    /// Ascending.
    values: Vec<f32>,
}

impl Columns {
    /// Reads at most [`TOGETHER`] columns.
    fn read(&mut self, table: Table<'_>, rows: &[u32], features: Range<usize>) {
        self.keys[..features.len()].iter_mut().for_each(|keys| keys.resize(rows.len(), 0));
        let mut counts = [0; TOGETHER];
        for (place, &row) in rows.iter().enumerate() {
            let at = row as usize * table.features;
            let values = &table.values[at + features.start..at + features.end];
            for ((keys, count), &value) in self.keys.iter_mut().zip(&mut counts).zip(values) {
                // −0 and 0 compare equal, so they must have the same rank. A missing value is written over by the next.
                keys[*count] = u64::from(rank(value + 0.0)) << 32 | place as u64;
                *count += usize::from(!value.is_nan());
            }
        }
        self.keys[..features.len()].iter_mut().zip(counts).for_each(|(keys, count)| keys.truncate(count));
    }

    /// The cuts and codes of one of the columns that were read, of `rows` rows.
    fn bin(&mut self, column: usize, rows: usize, max_bin: usize) -> (Vec<f32>, Vec<u8>) {
        let keys = &mut self.keys[column];
        sort(keys, &mut self.spare);
        self.values.clear();
        self.values.extend(keys.iter().map(|key| value_of((key >> 32) as u32)));
        let values = &self.values[..];
        let distinct = values.windows(2).filter(|w| w[0] < w[1]).count() + usize::from(!values.is_empty());
        let cuts = if distinct <= max_bin {
            values.windows(2).filter(|w| w[0] < w[1]).map(|w| midway(w[0], w[1])).collect()
        } else {
            equal_shares(values, max_bin)
        };
        // The values are sorted, so they pass one cut after the other and no search is needed.
        let mut codes = vec![MISSING; rows];
        let mut code = 0;
        for (&value, key) in values.iter().zip(&*keys) {
            while cuts.get(code).is_some_and(|&cut| cut < value) {
                code += 1;
            }
            codes[*key as u32 as usize] = code as u8;
        }
        (cuts, codes)
    }
}

/// Sorts keys whose lower halves ascend by their upper halves. Many are distributed by eight bits at a time, the lowest first, which
/// keeps the order of equal ones.
fn sort(keys: &mut Vec<u64>, spare: &mut Vec<u64>) {
    const FEW: usize = 1024;
    const BITS: u32 = 8;
    const PASSES: u32 = 32 / BITS;
    const DIGITS: usize = 1 << BITS;
    if keys.len() < FEW {
        keys.sort_unstable();
        return;
    }
    let digit = |key: u64, pass: u32| (key >> (32 + BITS * pass)) as usize % DIGITS;
    let mut counts = [[0_u32; DIGITS]; PASSES as usize];
    for &key in keys.iter() {
        (0..PASSES).for_each(|pass| counts[pass as usize][digit(key, pass)] += 1);
    }
    spare.resize(keys.len(), 0);
    for (pass, counts) in (0..).zip(&mut counts) {
        let mut next = 0;
        for count in counts.iter_mut() {
            (*count, next) = (next, next + *count);
        }
        for &key in keys.iter() {
            let place = &mut counts[digit(key, pass)];
            spare[*place as usize] = key;
            *place += 1;
        }
        std::mem::swap(keys, spare);
    }
}

/// Maps numbers to integers of the same order.
fn rank(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// The number that [`rank`] maps to `rank`.
fn value_of(rank: u32) -> f32 {
    f32::from_bits(if rank >> 31 == 1 { rank & !(1 << 31) } else { !rank })
}

/// The f32 midway between two values: at least the lower, below the higher.
fn midway(below: f32, above: f32) -> f32 {
    let middle = ((f64::from(below) + f64::from(above)) / 2.0) as f32;
    if middle < above { middle } else { below }
}

/// Cuts of a column with more distinct values than bins. Values below 0 and above 0 are cut separately, with bins in
/// proportion to their rows, and 0 gets a bin of its own: many features mean something else on the other side of 0.
fn equal_shares(sorted: &[f32], max_bin: usize) -> Vec<f32> {
    let below = sorted.partition_point(|&v| v < -ZERO_THRESHOLD);
    let above = sorted.partition_point(|&v| v <= ZERO_THRESHOLD);
    let (low, zero, high) = (&sorted[..below], &sorted[below..above], &sorted[above..]);
    let low_bins =
        if low.is_empty() { 0 } else { (low.len() * (max_bin - ZERO_BINS) / (low.len() + high.len())).max(1) };
    let mut cuts = greedy(low, low_bins);
    match (low.is_empty(), zero.is_empty(), high.is_empty()) {
        (false, true, false) => cuts.push(0.0),
        (false, false, false) => cuts.extend([-ZERO_THRESHOLD, ZERO_THRESHOLD]),
        (false, false, true) => cuts.push(-ZERO_THRESHOLD),
        (true, false, false) => cuts.push(ZERO_THRESHOLD),
        _ => {}
    }
    if !high.is_empty() {
        cuts.extend(greedy(high, max_bin - ZERO_BINS - low_bins));
    }
    cuts
}

/// Cuts between bins of about equal numbers of rows. A value that fills a bin by itself ends its bin, and shares it with less
/// than [`EARLY_SHARE`] of a bin's rows below it.
///
/// This is the greedy walk of LightGBM's `GreedyFindBin` (Ke et al. 2017): a bin ends when it has the mean number of rows that
/// the remaining bins must take.
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
    let mut target = rows_left as f64 / bins_left as f64;
    let mut cuts = Vec::with_capacity(bins - 1);
    let mut rows = 0;
    for pair in values.windows(2) {
        let ((value, count), (next, next_count)) = (pair[0], pair[1]);
        if !big(count) {
            rows_left -= count;
        }
        rows += count;
        let early = big(next_count) && rows as f64 >= (target * EARLY_SHARE).max(1.0);
        if big(count) || rows as f64 >= target || early {
            cuts.push(midway(value, next));
            if cuts.len() >= bins - 1 {
                break;
            }
            rows = 0;
            if !big(count) {
                bins_left = bins_left.saturating_sub(1);
                target = rows_left as f64 / bins_left as f64;
            }
        }
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_get_a_bin_each_and_missing_values_their_own() {
        let values = [3.0, 1.0, f32::NAN, 2.0, 2.0, -0.0, 0.0];
        let table = Table { values: &values, features: 1 };
        let (cuts, codes) = Cuts::new(table, &[0, 1, 2, 3, 4, 5, 6], 255);
        assert_eq!(cuts.cuts, [vec![0.5, 1.5, 2.5]]);
        assert_eq!(codes, [[3, 1, MISSING, 2, 2, 0, 0]]);
        assert_eq!(cuts.code(0, 99.0), 3);
        let threshold = cuts.threshold(0, 1);
        assert!(threshold > 1.5 && threshold < f64::from(1.5_f32.next_up()));
    }

    #[test]
    fn many_values_get_equal_shares() {
        let values: Vec<f32> = (0..10_000).map(|i| ((i * 7919) % 10_007 + 1) as f32).collect();
        let table = Table { values: &values, features: 1 };
        let rows: Vec<u32> = (0..10_000).collect();
        let (cuts, codes) = Cuts::new(table, &rows, 101);
        let mut counts = [0; 256];
        codes[0].iter().for_each(|&code| counts[code as usize] += 1);
        assert!(values.iter().zip(&codes[0]).all(|(&value, &code)| cuts.code(0, value) == code));
        assert_eq!(cuts.cuts[0].len(), 99);
        assert!(counts[..100].iter().all(|&c| c == 100), "{counts:?}");
    }

    #[test]
    fn zero_has_a_bin_of_its_own_and_a_frequent_value_shares_its_bin_with_few_rows() {
        let mut values: Vec<f32> = (1..=3000).map(|i| i as f32 * if i % 3 == 0 { -1.0 } else { 1.0 }).collect();
        values.extend([0.0; 50]);
        values.extend([700.0; 500]);
        let table = Table { values: &values, features: 1 };
        let (cuts, codes) = Cuts::new(table, &(0..values.len() as u32).collect::<Vec<_>>(), 64);
        assert!(values.iter().zip(&codes[0]).all(|(&value, &code)| cuts.code(0, value) == code));
        assert!(cuts.cuts[0].len() < 64);
        let code = |v| cuts.code(0, v);
        assert!(code(-3.0) < code(0.0) && code(0.0) < code(1.0));
        assert!(code(700.0) < code(701.0));
        // 2500 rows above 0 in 45 bins: 55 per bin.
        let others = values.iter().filter(|&&v| v != 700.0 && code(v) == code(700.0)).count();
        assert!(others < 28, "{others} other rows are in the bin of the 500");
    }

    #[test]
    fn an_empty_or_missing_column_has_one_bin() {
        let values = [f32::NAN; 3];
        let (cuts, codes) = Cuts::new(Table { values: &values, features: 1 }, &[0, 1, 2], 255);
        assert_eq!(cuts.cuts, [Vec::<f32>::new()]);
        assert_eq!(codes, [[MISSING; 3]]);
    }
}
