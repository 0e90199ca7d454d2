//! Sums, extremes and deviations over the last n bars, without subtracting what leaves the window: a window
//! of zeros sums to exactly zero whatever came before it, and no rounding error lives longer than n bars.
//!
//! Entries before the first whole window mean nothing. Loops run over [`LANES`] neighbouring bars at once,
//! their accumulators in registers; each bar's own operations keep their order, so that lanes do not change a bit.

use std::array::from_fn;

/// Bars worked on at a time.
const LANES: usize = 16;

/// Sums of the last `n` entries of `K` series of one length: `out[k][t] = x[k][t−n+1] + … + x[k][t]` for t ≥ n − 1.
///
/// Blocks of n: the tail of the block before plus the head of this one (van Herk 1992, with + for max).
#[inline(always)]
pub fn sums<const K: usize>(x: [&[f64]; K], n: usize) -> [Vec<f64>; K] {
    let len = x[0].len();
    let mut out: [Vec<f64>; K] = from_fn(|_| vec![0.0; len]);
    // Sums of the block's last n − i entries at i; nothing is left at n.
    let mut tails = vec![[0.0; K]; n + 1];
    let mut next = vec![[0.0; K]; n + 1];
    let mut start = 0;
    while start < len {
        let width = n.min(len - start);
        let block: [&[f64]; K] = from_fn(|k| &x[k][start..start + width]);
        let sums = out.each_mut().map(|series| &mut series[start..start + width]);
        let mut head = [0.0; K];
        for (i, older) in tails[1..=width].iter().enumerate() {
            for k in 0..K {
                head[k] += block[k][i];
                sums[k][i] = older[k] + head[k];
            }
        }
        let mut tail = [0.0; K];
        for (i, slot) in next[..width].iter_mut().enumerate().rev() {
            for k in 0..K {
                tail[k] += block[k][i];
            }
            *slot = tail;
        }
        std::mem::swap(&mut tails, &mut next);
        start += width;
    }
    out
}

/// Means of the last `n` entries of `K` series of one length, for t ≥ n − 1.
#[inline(always)]
pub fn means<const K: usize>(x: [&[f64]; K], n: usize) -> [Vec<f64>; K] {
    let mut out = sums(x, n);
    for series in &mut out {
        for value in series.iter_mut() {
            *value /= n as f64;
        }
    }
    out
}

/// Calls `work(from, lanes)` for groups of [`LANES`] bars that cover `first..len`. The last group overlaps the one
/// before it; where fewer than [`LANES`] bars exist, bars come singly, with `lanes` 1.
macro_rules! in_lanes {
    ($first:expr, $len:expr, $from:ident, $lanes:ident, $work:block) => {{
        let (first, len) = ($first, $len);
        let mut at = first;
        while at < len {
            if len - first >= LANES {
                const $lanes: usize = LANES;
                let $from = at.min(len - LANES);
                $work
                at = $from + LANES;
            } else {
                const $lanes: usize = 1;
                let $from = at;
                $work
                at += 1;
            }
        }
    }};
}

/// The `N` entries from `from` on.
#[inline(always)]
fn lanes<const N: usize>(x: &[f64], from: usize) -> &[f64; N] {
    x[from..from + N].try_into().expect("a slice of N entries")
}

/// Sum of squared distances of the last `n` entries from `mean[t]`, for t ≥ n − 1.
#[inline(always)]
pub fn squared_distances(x: &[f64], mean: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![0.0; x.len()];
    in_lanes!(n - 1, x.len(), from, N, {
        let mean = *lanes::<N>(mean, from);
        let mut sum = [0.0; N];
        for k in (0..n).rev() {
            let past = lanes::<N>(x, from - k);
            for i in 0..N {
                let d = past[i] - mean[i];
                sum[i] += d * d;
            }
        }
        out[from..from + N].copy_from_slice(&sum);
    });
    out
}

/// Least (`GREATEST = false`) or greatest of the last `n` entries, for t ≥ n − 1.
#[inline(always)]
pub fn extremes<const GREATEST: bool>(x: &[f64], n: usize) -> Vec<f64> {
    let mut width = 1;
    let mut out = x.to_vec();
    let mut next = vec![0.0; x.len()];
    // Windows of 1, 2, 4, … bars, each from two of half its size; the last step overlaps.
    while width < n && width < x.len() {
        let step = width.min(n - width);
        let (now, past) = (&out[step.min(x.len())..], &out[..x.len().saturating_sub(step)]);
        for ((slot, &a), &b) in next[step.min(x.len())..].iter_mut().zip(now).zip(past) {
            *slot = if (a > b) == GREATEST { a } else { b };
        }
        std::mem::swap(&mut out, &mut next);
        width += step;
    }
    out
}

/// R² of the least-squares line through the last `n` entries, for t ≥ n − 1; 0 where all are equal.
#[inline(always)]
pub fn r_squared(x: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![0.0; x.len()];
    let count = n as f64;
    let sum_k = count * (count - 1.0) / 2.0;
    let sum_kk = (count - 1.0) * count * (2.0 * count - 1.0) / 6.0;
    let var_k = count * sum_kk - sum_k * sum_k;
    in_lanes!(n - 1, x.len(), from, N, {
        // Distances from the newest entry: the level of the series would swallow its changes.
        let now = *lanes::<N>(x, from);
        let (mut sum, mut squares, mut moments) = ([0.0; N], [0.0; N], [0.0; N]);
        for k in 1..n {
            let weight = k as f64;
            let past = lanes::<N>(x, from - k);
            for i in 0..N {
                let d = past[i] - now[i];
                sum[i] += d;
                squares[i] += d * d;
                moments[i] += weight * d;
            }
        }
        for i in 0..N {
            let var_d = count * squares[i] - sum[i] * sum[i];
            let cov = count * moments[i] - sum_k * sum[i];
            let r = cov * cov / (var_k * var_d);
            let r = if r > 1.0 { 1.0 } else { r };
            out[from + i] = if var_d > 0.0 { r } else { 0.0 };
        }
    });
    out
}

/// Where each entry stands among its last `n` (fewer at the start, at least `least`): 0 below their 1/3
/// quantile, 1 below the 2/3 quantile, else 2; NaN where there are fewer than `least`.
///
/// The quantile interpolates between order statistics, q = x₍h₎ with h = p(m − 1): an entry with c values at
/// most as great as itself, itself included, lies below q just if c − 1 < h, which needs no sorting.
#[inline(always)]
pub fn thirds(x: &[f64], n: usize, least: usize) -> Vec<f64> {
    let mut out = vec![f64::NAN; x.len()];
    let third = |rank: i64, last: i64| f64::from(u8::from(3 * rank >= last) + u8::from(3 * rank >= 2 * last));
    for t in least - 1..x.len().min(n) {
        out[t] = third(at_most(&x[..=t], x[t]) - 1, t as i64);
    }
    let last = n as i64 - 1;
    let mut brackets = [Bracket::new(last, n), Bracket::new(2 * last, n)];
    for t in n..x.len() {
        let window = &x[t + 1 - n..=t];
        let mut passed = 0;
        for bracket in &mut brackets {
            bracket.slide(x[t - n], x[t]);
            passed += u8::from(!bracket.is_below(x[t], window));
        }
        out[t] = f64::from(passed);
    }
    out
}

/// How many entries are at most `value`.
#[inline(always)]
fn at_most(x: &[f64], value: f64) -> i64 {
    x.iter().map(|&v| if v <= value { 1 } else { 0 }).sum()
}

/// Two values close around a quantile of a sliding window, each with the number of entries at most as great.
///
/// A new entry outside of them is on a known side of the quantile; only one between them has to be counted, and
/// then takes the place of one of them.
struct Bracket {
    /// Three times the quantile's rank.
    rank: i64,
    entries: i64,
    below: (f64, i64),
    above: (f64, i64),
}

impl Bracket {
    fn new(rank: i64, n: usize) -> Self {
        let entries = n as i64;
        Self { rank, entries, below: (f64::NEG_INFINITY, 0), above: (f64::INFINITY, entries) }
    }

    /// Whether a value with so many entries at most as great, itself included, is below the quantile.
    #[inline(always)]
    fn counts_below(&self, at_most: i64) -> bool {
        3 * (at_most - 1) < self.rank
    }

    /// Moves the window on by one entry.
    #[inline(always)]
    fn slide(&mut self, leaves: f64, enters: f64) {
        for (value, at_most) in [&mut self.below, &mut self.above] {
            *at_most += i64::from(enters <= *value) - i64::from(leaves <= *value);
        }
        if !self.counts_below(self.below.1) {
            self.above = self.below;
            self.below = (f64::NEG_INFINITY, 0);
        } else if self.counts_below(self.above.1) {
            self.below = self.above;
            self.above = (f64::INFINITY, self.entries);
        }
    }

    /// Whether `value`, the window's newest, is below the quantile.
    #[inline(always)]
    fn is_below(&mut self, value: f64, window: &[f64]) -> bool {
        if value <= self.below.0 {
            return true;
        }
        if value >= self.above.0 {
            return false;
        }
        let at_most = at_most(window, value);
        let below = self.counts_below(at_most);
        *(if below { &mut self.below } else { &mut self.above }) = (value, at_most);
        below
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize) -> Vec<f64> {
        (0..n as u64).map(|i| crate::arith::uniform(crate::arith::draw(3, 1, i)) - 0.3).collect()
    }

    #[test]
    fn windows_equal_their_definitions() {
        for len in [1, 4, 5, 19, 20, 21, 100, 1203] {
            let x = noise(len);
            for n in [5, 20] {
                let ([mean], low, high) = (means([&x], n), extremes::<false>(&x, n), extremes::<true>(&x, n));
                let (squares, r2) = (squared_distances(&x, &mean, n), r_squared(&x, n));
                for t in n - 1..len {
                    let w = &x[t + 1 - n..=t];
                    let m = w.iter().sum::<f64>() / n as f64;
                    assert!((mean[t] - m).abs() < 1e-14);
                    assert_eq!(low[t], w.iter().copied().fold(f64::INFINITY, f64::min));
                    assert_eq!(high[t], w.iter().copied().fold(f64::NEG_INFINITY, f64::max));
                    let ss: f64 = w.iter().map(|v| (v - m) * (v - m)).sum();
                    assert!((squares[t] - ss).abs() < 1e-13);
                    let k_mean = (n as f64 - 1.0) / 2.0;
                    let cov: f64 = w.iter().enumerate().map(|(k, v)| (k as f64 - k_mean) * (v - m)).sum();
                    let var_k: f64 = (0..n).map(|k| (k as f64 - k_mean).powi(2)).sum();
                    assert!((r2[t] - cov * cov / (var_k * ss)).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn a_flat_window_is_exactly_flat_after_wild_ones() {
        let mut x = noise(60);
        x.iter_mut().for_each(|v| *v *= 1e9);
        x.extend([0.0; 60]);
        let [mean] = means([&x], 20);
        assert_eq!(mean[79..], [0.0; 41]);
        assert_eq!(squared_distances(&x, &mean, 20)[79..], [0.0; 41]);
        assert_eq!(r_squared(&x, 20)[79..], [0.0; 41]);
    }

    #[test]
    fn thirds_are_those_of_interpolated_quantiles() {
        let mut x = noise(400);
        x[100..120].fill(0.25);
        let quantile = |w: &[f64], p: f64| {
            let mut w = w.to_vec();
            w.sort_by(f64::total_cmp);
            let h = p * (w.len() - 1) as f64;
            let j = h.floor() as usize;
            w[j] + (h - j as f64) * (w[(j + 1).min(w.len() - 1)] - w[j])
        };
        for (t, got) in thirds(&x, 250, 50).into_iter().enumerate() {
            let w = &x[(t + 1).saturating_sub(250)..=t];
            if w.len() < 50 {
                assert!(got.is_nan());
                continue;
            }
            // Windows of 3k + 1 entries put an entry on the quantile itself, where binary thirds round either way.
            if w.len() % 3 != 1 {
                let want =
                    f64::from(u8::from(x[t] >= quantile(w, 1.0 / 3.0)) + u8::from(x[t] >= quantile(w, 2.0 / 3.0)));
                assert_eq!(got, want, "bar {t}");
            }
        }
    }
}
