//! Sums, extremes and deviations over the last n bars, each computed from the entries of its window alone: a window of
//! zeros sums to exactly zero whatever came before it, and a value does not depend on where its series began.
//!
//! The operations of a bar have a fixed order. Neighbouring bars are computed together, which does not change a bit.

use super::series::{BARS, Block, Entries, PAST, Series, lag, map};

// These constants have twins of the same name in `kernels/features.cuh` and `features.cu`; a test in `device.rs`
// compares them.

/// 1/3: sums are multiplied by 1/n, not divided by n.
pub const SHARE_3: f64 = 1.0 / 3.0;
/// 1/5.
pub const SHARE_5: f64 = 1.0 / 5.0;
/// 1/10.
pub const SHARE_10: f64 = 1.0 / 10.0;
/// 1/20.
pub const SHARE_20: f64 = 1.0 / 20.0;
/// 1/50.
pub const SHARE_50: f64 = 1.0 / 50.0;
/// Share of a sum of squares up to which the spread around the mean is rounding error.
pub const SPREAD_ROUNDING: f64 = 1e-13;

/// Bars computed at a time.
const LANES: usize = 16;

/// Sums over the last 5, 10, 20 and 50 entries. Longer sums are made of shorter ones, the older part first:
/// 10 = 5 + 5, 20 = 10 + 10, 50 = 20 + 20 + 10. Five entries are added from the oldest to the newest.
pub struct Sums {
    /// Sums of 5 entries.
    pub of_5: Entries,
    /// Sums of 10 entries.
    pub of_10: Entries,
    /// Sums of 20 entries.
    pub of_20: Entries,
}

impl Sums {
    pub const ZERO: Self = Self { of_5: [0.0; PAST + BARS], of_10: [0.0; PAST + BARS], of_20: [0.0; PAST + BARS] };

    /// Computes the sums of up to 20 entries of `x`.
    #[inline(always)]
    pub fn update(&mut self, x: &Entries) {
        for (slot, x) in self.of_5[4..].iter_mut().zip(x.array_windows()) {
            let [a, b, c, d, e] = x;
            *slot = a + b + c + d + e;
        }
        self.double();
    }

    #[inline(always)]
    fn double(&mut self) {
        twice::<5>(&self.of_5, &mut self.of_10);
        twice::<10>(&self.of_10, &mut self.of_20);
    }

    /// Computes the sums of up to 20 products of an entry of `x` and one of `y`.
    #[inline(always)]
    pub fn update_products(&mut self, x: &Entries, y: &Entries) {
        for ((slot, x), y) in self.of_5[4..].iter_mut().zip(x.array_windows()).zip(y.array_windows()) {
            let ([a, b, c, d, e], [f, g, h, i, j]) = (x, y);
            *slot = a * f + b * g + c * h + d * i + e * j;
        }
        self.double();
    }

    /// Sums of 50 entries at the block's bars.
    #[inline(always)]
    pub fn of_50(&self, out: &mut Block) {
        let (oldest, older, newest) = (lag(&self.of_20, 30), lag(&self.of_20, 10), lag(&self.of_10, 0));
        for (i, slot) in out.iter_mut().enumerate() {
            *slot = oldest[i] + older[i] + newest[i];
        }
    }
}

/// Sums of twice as many entries from sums of N.
#[inline(always)]
fn twice<const N: usize>(half: &Entries, out: &mut Entries) {
    for (i, slot) in out[N..].iter_mut().enumerate() {
        *slot = half[i] + half[i + N];
    }
}

/// 1/(N − 1), by which the spread of N numbers is multiplied for their sample variance.
#[inline(always)]
pub fn sample_share<const N: usize>() -> f64 {
    1.0 / (N as f64 - 1.0)
}

/// Sample standard deviation of N numbers from their sum and that of their squares; 0 where they differ by no more
/// than rounding.
#[inline(always)]
pub fn deviation<const N: usize>([sum, squares]: [f64; 2]) -> f64 {
    let spread = squares - sum * sum * (1.0 / N as f64);
    let deviation = (spread * sample_share::<N>()).sqrt();
    if spread > SPREAD_ROUNDING * squares { deviation } else { 0.0 }
}

/// Sum of squared distances of the last N ≤ [`PAST`] entries from `mean[t]`, added from the oldest to the newest.
#[inline(always)]
pub fn squared_distances<const N: usize>(x: &Series, mean: &Block, out: &mut Block) {
    for from in (0..BARS).step_by(LANES) {
        let mean = lanes(mean, from);
        let mut sum = [0.0; LANES];
        for k in (0..N).rev() {
            let past = lanes(x.lag(k), from);
            for i in 0..LANES {
                let d = past[i] - mean[i];
                sum[i] += d * d;
            }
        }
        out[from..from + LANES].copy_from_slice(&sum);
    }
}

/// Least (`GREATEST = false`) or greatest entry of windows. Longer windows are made of overlapping ones of 4 and 16.
pub struct Extremes<const GREATEST: bool> {
    of_4: Entries,
    of_16: Entries,
}

impl<const GREATEST: bool> Extremes<GREATEST> {
    pub const ZERO: Self = Self { of_4: [0.0; PAST + BARS], of_16: [0.0; PAST + BARS] };

    #[inline(always)]
    fn pick(a: f64, b: f64) -> f64 {
        if (a > b) == GREATEST { a } else { b }
    }

    #[inline(always)]
    fn of([a, b, c, d]: [f64; 4]) -> f64 {
        Self::pick(Self::pick(a, b), Self::pick(c, d))
    }

    /// Computes the extremes of 4 and 16 entries of `x`.
    #[inline(always)]
    pub fn update(&mut self, x: &Series) {
        for (slot, x) in self.of_4[3..].iter_mut().zip(x.entries.array_windows()) {
            let [a, b, c, d] = *x;
            *slot = Self::of([a, b, c, d]);
        }
        for (slot, x) in self.of_16[12..].iter_mut().zip(self.of_4.array_windows()) {
            let [a, _, _, _, b, _, _, _, c, _, _, _, d] = *x;
            *slot = Self::of([a, b, c, d]);
        }
    }

    /// Extremes of the last 14 entries.
    #[inline(always)]
    pub fn of_14(&self, out: &mut Block) {
        map([0, 4, 8, 10].map(|k| lag(&self.of_4, k)), out, Self::of);
    }

    /// Extremes of the last 20 entries.
    #[inline(always)]
    pub fn of_20(&self, out: &mut Block) {
        map([lag(&self.of_16, 0), lag(&self.of_4, 16)], out, |[a, b]| Self::pick(a, b));
    }

    /// Extremes of the last 50 entries.
    #[inline(always)]
    pub fn of_50(&self, out: &mut Block) {
        map([0, 16, 32, 34].map(|k| lag(&self.of_16, k)), out, Self::of);
    }
}

/// R² of the least-squares line through the last N ≤ [`PAST`] entries; 0 where all are equal.
#[inline(always)]
pub fn r_squared<const N: usize>(x: &Series, out: &mut Block) {
    let count = N as f64;
    let sum_k = count * (count - 1.0) / 2.0;
    let sum_kk = (count - 1.0) * count * (2.0 * count - 1.0) / 6.0;
    let var_k = count * sum_kk - sum_k * sum_k;
    for from in (0..BARS).step_by(LANES) {
        // Distances from the newest entry: the level of the series would drown its changes in rounding.
        let now = lanes(x.lag(0), from);
        let (mut sum, mut squares, mut moments) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        for k in 1..N {
            let weight = k as f64;
            let past = lanes(x.lag(k), from);
            for i in 0..LANES {
                let d = past[i] - now[i];
                sum[i] += d;
                squares[i] += d * d;
                moments[i] += weight * d;
            }
        }
        for i in 0..LANES {
            let var_d = count * squares[i] - sum[i] * sum[i];
            let cov = count * moments[i] - sum_k * sum[i];
            let r = cov * cov / (var_k * var_d);
            let r = if r > 1.0 { 1.0 } else { r };
            out[from + i] = if var_d > 0.0 { r } else { 0.0 };
        }
    }
}

/// The entries of [`LANES`] bars from `from` on.
#[inline(always)]
fn lanes(x: &Block, from: usize) -> &[f64; LANES] {
    x[from..from + LANES].try_into().expect("a slice of LANES entries")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A series loaded with two blocks of entries, and the entries.
    fn noise() -> (Series, Vec<f64>) {
        let values: Vec<f64> = (0..2 * BARS as u64)
            .map(|i| huracan_base::arith::uniform(huracan_base::arith::draw(3, 1, i)) - 0.3)
            .collect();
        (series(&values), values)
    }

    fn series(values: &[f64]) -> Series {
        let mut series = Series::ZERO;
        series.load(&values[..BARS]);
        series.carry();
        series.load(&values[BARS..]);
        series
    }

    /// Every bar of the second block with its last `n` entries.
    fn windows(values: &[f64], n: usize) -> impl Iterator<Item = (usize, &[f64])> {
        (0..BARS).map(move |i| (i, &values[BARS + i + 1 - n..=BARS + i]))
    }

    #[test]
    fn sums_equal_their_definitions() {
        let (x, values) = noise();
        let mut sums = Sums::ZERO;
        let mut of_50 = [0.0; BARS];
        sums.update(&x.entries);
        sums.of_50(&mut of_50);
        for (n, got) in [(5, lag(&sums.of_5, 0)), (10, lag(&sums.of_10, 0)), (20, lag(&sums.of_20, 0)), (50, &of_50)] {
            for (i, w) in windows(&values, n) {
                assert!((got[i] - w.iter().sum::<f64>()).abs() < 1e-13, "{n} at {i}");
            }
        }
        sums.update_products(&x.entries, &x.entries);
        for (i, w) in windows(&values, 20) {
            assert!((lag(&sums.of_20, 0)[i] - w.iter().map(|v| v * v).sum::<f64>()).abs() < 1e-13);
        }
    }

    #[test]
    fn deviations_and_lines_equal_their_definitions() {
        let (x, values) = noise();
        let (mut mean, mut squares, mut r2) = ([0.0; BARS], [0.0; BARS], [0.0; BARS]);
        for (i, w) in windows(&values, 20) {
            mean[i] = w.iter().sum::<f64>() / 20.0;
        }
        squared_distances::<20>(&x, &mean, &mut squares);
        r_squared::<20>(&x, &mut r2);
        for (i, w) in windows(&values, 20) {
            let ss: f64 = w.iter().map(|v| (v - mean[i]) * (v - mean[i])).sum();
            assert!((squares[i] - ss).abs() < 1e-13);
            let sums = [w.iter().sum::<f64>(), w.iter().map(|v| v * v).sum()];
            assert!((deviation::<20>(sums) - (ss / 19.0).sqrt()).abs() < 1e-13);
            let cov: f64 = w.iter().enumerate().map(|(k, v)| (k as f64 - 9.5) * (v - mean[i])).sum();
            let var_k: f64 = (0..20).map(|k| (f64::from(k) - 9.5).powi(2)).sum();
            assert!((r2[i] - cov * cov / (var_k * ss)).abs() < 1e-12);
        }
    }

    #[test]
    fn extremes_equal_their_definitions() {
        let (x, values) = noise();
        let (mut low, mut high) = (Extremes::<false>::ZERO, Extremes::<true>::ZERO);
        low.update(&x);
        high.update(&x);
        let least = |w: &[f64]| w.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = |w: &[f64]| w.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for n in [14, 20, 50] {
            let (mut lowest, mut highest) = ([0.0; BARS], [0.0; BARS]);
            match n {
                14 => (low.of_14(&mut lowest), high.of_14(&mut highest)),
                20 => (low.of_20(&mut lowest), high.of_20(&mut highest)),
                _ => (low.of_50(&mut lowest), high.of_50(&mut highest)),
            };
            for (i, w) in windows(&values, n) {
                assert_eq!((lowest[i], highest[i]), (least(w), greatest(w)), "{n} at {i}");
            }
        }
    }

    #[test]
    fn a_flat_window_is_exactly_flat_after_wild_ones() {
        let (_, mut values) = noise();
        let flat = BARS + 20;
        values[..flat].iter_mut().for_each(|v| *v *= 1e9);
        values[flat..].fill(0.0);
        let x = series(&values);
        let (mut sums, mut squares, mut r2) = (Sums::ZERO, [0.0; BARS], [0.0; BARS]);
        sums.update(&x.entries);
        let of_20 = *lag(&sums.of_20, 0);
        squared_distances::<20>(&x, &of_20, &mut squares);
        r_squared::<20>(&x, &mut r2);
        for series in [of_20, squares, r2] {
            assert_eq!(series[40..], [0.0; BARS - 40]);
        }
        // Numbers whose sums are rounded, too, have no deviation where they are all the same.
        assert_eq!(deviation::<20>([20.0 * 0.1 + 4e-16, 20.0 * 0.01]), 0.0);
    }
}
