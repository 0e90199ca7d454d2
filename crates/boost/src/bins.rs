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
        let sorted = Sorted(keys);
        let cuts = if sorted.runs_at_most(max_bin) { sorted.between_runs() } else { equal_shares(sorted, max_bin) };
        let mut codes = vec![MISSING; rows];
        let mut rest = sorted;
        for code in 0..=cuts.len() {
            let here = cuts.get(code).map_or(rest.len(), |&cut| rest.up_to(cut));
            let (own, above) = rest.split_at(here);
            own.0.iter().for_each(|key| codes[*key as u32 as usize] = code as u8);
            rest = above;
        }
        (cuts, codes)
    }
}

/// Keys in their order: a value, and then its row.
#[derive(Clone, Copy)]
struct Sorted<'a>(&'a [u64]);

impl Sorted<'_> {
    fn len(self) -> usize {
        self.0.len()
    }

    fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    fn split_at(self, at: usize) -> (Self, Self) {
        let (low, high) = self.0.split_at(at);
        (Self(low), Self(high))
    }

    fn rank(self, at: usize) -> u32 {
        (self.0[at] >> 32) as u32
    }

    /// How many of the values from `at` on, all at the front, have a rank of at most `most`. Looks at few of them, whether it is one
    /// or most of them.
    fn count_up_to(self, at: usize, most: u32) -> usize {
        let keys = &self.0[at..];
        let within = |key: &u64| (key >> 32) as u32 <= most;
        let mut bound = 1;
        while bound < keys.len() && within(&keys[bound]) {
            bound *= 2;
        }
        let known = bound / 2;
        known + keys[known..bound.min(keys.len())].partition_point(within)
    }

    /// How many values are at most this one.
    fn up_to(self, value: f32) -> usize {
        self.count_up_to(0, rank(value + 0.0))
    }

    /// Where the run of values equal to that at `at` ends.
    fn run_end(self, at: usize) -> usize {
        at + self.count_up_to(at, self.rank(at))
    }

    /// Where the run of values equal to that at `at` begins.
    fn run_start(self, at: usize) -> usize {
        let own = self.rank(at);
        self.0[..at].partition_point(|key| ((key >> 32) as u32) < own)
    }

    /// Whether there are at most so many different values.
    fn runs_at_most(self, most: usize) -> bool {
        let (mut at, mut runs) = (0, 0);
        while self.len() > most && at < self.len() && runs <= most {
            at = self.run_end(at);
            runs += 1;
        }
        runs <= most
    }

    /// A cut between each value and the next different one.
    fn between_runs(self) -> Vec<f32> {
        let mut cuts = Vec::new();
        let mut at = 0;
        while at < self.len() {
            at = self.run_end(at);
            cuts.extend((at < self.len()).then(|| self.cut_before(at)));
        }
        cuts
    }

    /// The cut between the values at `at` − 1 and `at`.
    fn cut_before(self, at: usize) -> f32 {
        midway(value_of(self.rank(at - 1)), value_of(self.rank(at)))
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
fn equal_shares(sorted: Sorted<'_>, max_bin: usize) -> Vec<f32> {
    let (low, rest) = sorted.split_at(sorted.up_to((-ZERO_THRESHOLD).next_down()));
    let (zero, high) = rest.split_at(rest.up_to(ZERO_THRESHOLD));
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
/// the remaining bins must take. It goes from cut to cut instead of from value to value.
fn greedy(sorted: Sorted<'_>, bins: usize) -> Vec<f32> {
    let bins = bins.max(1);
    if sorted.runs_at_most(bins) {
        return sorted.between_runs();
    }
    let own_bins = bins_of_their_own(sorted, sorted.len() as f64 / bins as f64);
    let own_rows: usize = own_bins.iter().map(Range::len).sum();
    let mut bins_left = bins - own_bins.len().min(bins);
    let mut rows_left = sorted.len() - own_rows;
    let mut target = rows_left as f64 / bins_left as f64;
    let mut own_bins = own_bins.into_iter().peekable();
    let mut cuts = Vec::with_capacity(bins - 1);
    let mut start = 0;
    while cuts.len() < bins - 1 {
        // The first value with which the bin has its rows; none if no bins are left, or too few rows.
        let least = if target.is_finite() { (target.ceil() as usize).max(1) } else { usize::MAX };
        let full = if least <= sorted.len() - start { sorted.run_end(start + least - 1) } else { sorted.len() };
        let before = own_bins.peek().map_or(sorted.len(), |own| own.start);
        let early = before > start && (before - start) as f64 >= (target * EARLY_SHARE).max(1.0);
        let end = if full <= before || early { full.min(before) } else { own_bins.peek().map_or(full, |own| own.end) };
        if end >= sorted.len() {
            break;
        }
        cuts.push(sorted.cut_before(end));
        match own_bins.next_if(|own| own.end == end) {
            Some(own) => rows_left -= own.start - start,
            None => {
                rows_left -= end - start;
                bins_left = bins_left.saturating_sub(1);
                target = rows_left as f64 / bins_left as f64;
            }
        }
        start = end;
    }
    cuts
}

/// The runs of equal values that have at least `mean` rows.
fn bins_of_their_own(sorted: Sorted<'_>, mean: f64) -> Vec<Range<usize>> {
    // A run of so many rows has one at a multiple of that number.
    let step = (mean.ceil() as usize).max(1);
    let mut found: Vec<Range<usize>> = Vec::new();
    for at in (0..sorted.len()).step_by(step) {
        if found.last().is_some_and(|last| at < last.end) {
            continue;
        }
        let run = sorted.run_start(at)..sorted.run_end(at);
        if run.len() as f64 >= mean {
            found.push(run);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use huracan_base::arith::draw;

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

    /// [`greedy`] as it is defined, from value to value.
    fn greedy_by_value(sorted: &[f32], bins: usize) -> Vec<f32> {
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

    #[test]
    fn going_from_cut_to_cut_gives_the_cuts_of_going_from_value_to_value() {
        for case in 0..4000 {
            let of = |which: u64| draw(11, case, which);
            let (rows, kinds, bins) = (1 + of(1) % 600, 1 + of(2) % 400, 1 + of(3) as usize % 60);
            // Some values are frequent.
            let frequent = of(4) % 5;
            let mut values: Vec<f32> = (0..rows)
                .map(|row| {
                    let value = of(100 + row) % kinds;
                    (if of(10_000 + row) % 10 < 2 * frequent { value % (1 + frequent) * 31 } else { value }) as f32
                        - 90.0
                })
                .collect();
            values.sort_by(f32::total_cmp);
            let keys: Vec<u64> = values.iter().map(|&value| u64::from(rank(value + 0.0)) << 32).collect();
            let (got, want) = (greedy(Sorted(&keys), bins), greedy_by_value(&values, bins));
            assert_eq!(got, want, "case {case}: {rows} rows, {kinds} values, {bins} bins");
        }
        // Bins that end early leave none for the last values.
        let runs = [(0..10, 1), (10..11, 50), (11..16, 1), (16..18, 50)];
        let values: Vec<f32> = runs
            .into_iter()
            .flat_map(|(values, count)| values.flat_map(move |v| vec![v as f32 + 1.0; count]))
            .collect();
        let keys: Vec<u64> = values.iter().map(|&value| u64::from(rank(value)) << 32).collect();
        assert_eq!(greedy(Sorted(&keys), 4), greedy_by_value(&values, 4));
    }

    #[test]
    fn an_empty_or_missing_column_has_one_bin() {
        let values = [f32::NAN; 3];
        let (cuts, codes) = Cuts::new(Table { values: &values, features: 1 }, &[0, 1, 2], 255);
        assert_eq!(cuts.cuts, [Vec::<f32>::new()]);
        assert_eq!(codes, [[MISSING; 3]]);
    }
}
