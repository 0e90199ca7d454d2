//! Defence mode: the market's volatility compared with its own recent history.

use rayon::prelude::*;

/// Mean volatility over the symbols, one value per bar; NaN for a bar at which no symbol has a value.
///
/// `at(symbol, bar)` gives the volatility of a symbol, for example the feature `volatility_20`; values that are not
/// finite are skipped. Symbols are summed in their order.
pub fn mean_volatility(symbols: usize, bars: usize, at: impl Fn(usize, usize) -> f64 + Sync) -> Vec<f64> {
    // Symbol by symbol, as tables of values lie: a large one may be in a file, where each symbol of a bar is a page of its own.
    let portion = bars.div_ceil(rayon::current_num_threads()).max(1);
    let mut sums = vec![(0.0, 0.0); bars];
    sums.par_chunks_mut(portion).enumerate().for_each(|(part, sums)| {
        for symbol in 0..symbols {
            for ((sum, count), bar) in sums.iter_mut().zip(part * portion..) {
                let value = at(symbol, bar);
                if value.is_finite() {
                    *sum += value;
                    *count += 1.0;
                }
            }
        }
    });
    sums.into_iter().map(|(sum, count)| if count > 0.0 { sum / count } else { f64::NAN }).collect()
}

/// Whether defence mode is on for entries at each bar's open, one value per bar.
///
/// At the open of bar t the newest known value is v = `volatility[t − 1]`. The mode is on if v is above the
/// `percentile` quantile of the `window` values before it, those of bars t − 1 − window to t − 2. The quantile
/// interpolates between order statistics: position p(m − 1) of m values. The mode is off if fewer than half of the
/// window's values are finite.
pub fn defence_mode(volatility: &[f64], window: usize, percentile: f64) -> Vec<bool> {
    let mut sorted: Vec<f64> = volatility.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.dedup();
    let rank = |value: f64| sorted.partition_point(|&other| other < value);
    let mut counts = Counts::new(sorted.len());
    let mut mode = vec![false; volatility.len()];
    for newest in 0..volatility.len() {
        let value = volatility[newest];
        let min_values = window.div_ceil(2).max(1);
        if value.is_finite() && counts.total >= min_values && newest + 1 < mode.len() {
            let position = percentile * (counts.total - 1) as f64;
            let below = position as usize;
            let low = sorted[counts.ranked(below)];
            let high = sorted[counts.ranked((below + 1).min(counts.total - 1))];
            mode[newest + 1] = value > low + (high - low) * (position - below as f64);
        }
        if value.is_finite() {
            counts.add(rank(value));
        }
        if newest >= window && volatility[newest - window].is_finite() {
            counts.remove(rank(volatility[newest - window]));
        }
    }
    mode
}

/// Number of values per rank, as a Fenwick tree (Fenwick 1994): every operation takes O(log n).
struct Counts {
    tree: Vec<u32>,
    total: usize,
}

impl Counts {
    fn new(ranks: usize) -> Self {
        Self { tree: vec![0; ranks.next_power_of_two() + 1], total: 0 }
    }

    fn add(&mut self, rank: usize) {
        self.total += 1;
        let mut at = rank + 1;
        while at < self.tree.len() {
            self.tree[at] += 1;
            at += at & at.wrapping_neg();
        }
    }

    fn remove(&mut self, rank: usize) {
        self.total -= 1;
        let mut at = rank + 1;
        while at < self.tree.len() {
            self.tree[at] -= 1;
            at += at & at.wrapping_neg();
        }
    }

    /// Rank of the value at this position in ascending order.
    fn ranked(&self, position: usize) -> usize {
        let (mut at, mut remaining, mut step) = (0, position as u32, self.tree.len() - 1);
        while step > 0 {
            if at + step < self.tree.len() && self.tree[at + step] <= remaining {
                at += step;
                remaining -= self.tree[at];
            }
            step /= 2;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use huracan_base::arith::{draw, uniform};

    /// Reference implementation that sorts each window.
    fn by_sorting(volatility: &[f64], window: usize, percentile: f64) -> Vec<bool> {
        (0..volatility.len())
            .map(|bar| {
                let Some(newest) = bar.checked_sub(1) else { return false };
                let mut past: Vec<f64> = volatility[newest.saturating_sub(window)..newest].to_vec();
                past.retain(|v| v.is_finite());
                if !volatility[newest].is_finite() || past.len() < window.div_ceil(2) {
                    return false;
                }
                past.sort_by(f64::total_cmp);
                let position = percentile * (past.len() - 1) as f64;
                let (low, high) = (past[position.floor() as usize], past[position.ceil() as usize]);
                volatility[newest] > low + (high - low) * (position - position.floor())
            })
            .collect()
    }

    #[test]
    fn the_mode_equals_that_of_sorting_every_window_with_ties_and_gaps() {
        for seed in 0..20 {
            let volatility: Vec<f64> = (0..500)
                .map(|t| {
                    let x = uniform(draw(seed, 0, t));
                    if x < 0.1 { f64::NAN } else { (x * 40.0).floor() / 40.0 + t as f64 / 5000.0 }
                })
                .collect();
            for (window, percentile) in [(2, 0.5), (24, 0.95), (100, 0.9), (77, 1.0)] {
                assert_eq!(defence_mode(&volatility, window, percentile), by_sorting(&volatility, window, percentile));
            }
        }
    }

    #[test]
    fn a_jump_takes_effect_at_the_next_open() {
        let mut volatility: Vec<f64> = (1..=21).map(f64::from).collect();
        // The 0.95 quantile of the twenty values 2 to 21 is at position 18.05: 20 + 0.05.
        volatility.push(20.05);
        volatility.push(99.0);
        volatility.push(1.0);
        let mode = defence_mode(&volatility, 20, 0.95);
        assert_eq!(mode[22..], [false, true]);
        assert!(!mode[..11].contains(&true), "half a window of values is required");
    }

    #[test]
    fn the_mean_is_over_the_symbols_with_a_value() {
        let rows = [[1.0, f64::NAN, f64::NAN], [3.0, 5.0, f64::NAN]];
        let mean = mean_volatility(2, 3, |symbol, bar| rows[symbol][bar]);
        assert_eq!(mean[..2], [2.0, 5.0]);
        assert!(mean[2].is_nan());
    }
}
