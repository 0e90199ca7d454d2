//! Sums, extremes and deviations over the last n bars, without subtracting what leaves the window: a window
//! of zeros sums to exactly zero whatever came before it, and no rounding error lives longer than n bars.

/// Bars worked on at a time, so that scratch stays in the first-level cache.
const CHUNK: usize = 512;

/// Sums of the last `n` entries of `K` series at once: `out[t] = x[t−n+1] + … + x[t]` for t ≥ n − 1, 0 before.
///
/// Blocks of n: the tail of the block before plus the head of this one (van Herk 1992, with + for max).
#[inline(always)]
pub fn sums<const K: usize>(x: &[[f64; K]], n: usize) -> Vec<[f64; K]> {
    let mut out = vec![[0.0; K]; x.len()];
    let mut tail = vec![[0.0; K]; n];
    let mut start = 0;
    while start < x.len() {
        let end = (start + n).min(x.len());
        let mut head = [0.0; K];
        for t in start..end {
            for k in 0..K {
                head[k] += x[t][k];
            }
            let older = t - start + 1;
            if older == n {
                out[t] = head;
            } else if start > 0 {
                for k in 0..K {
                    out[t][k] = tail[older][k] + head[k];
                }
            }
        }
        if end - start == n {
            let mut sum = [0.0; K];
            for i in (0..n).rev() {
                for k in 0..K {
                    sum[k] += x[start + i][k];
                }
                tail[i] = sum;
            }
        }
        start = end;
    }
    out
}

/// Mean of the last `n` entries, for t ≥ n − 1; 0 before.
#[inline(always)]
pub fn means(x: &[f64], n: usize) -> Vec<f64> {
    let one: Vec<[f64; 1]> = x.iter().map(|&v| [v]).collect();
    sums(&one, n).iter().map(|s| s[0] / n as f64).collect()
}

/// Sum of squared distances of the last `n` entries from `mean[t]`, for t ≥ n − 1; 0 before.
#[inline(always)]
pub fn squared_distances(x: &[f64], mean: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![0.0; x.len()];
    let mut from = n - 1;
    while from < x.len() {
        let to = (from + CHUNK).min(x.len());
        let (sum, mean) = (&mut out[from..to], &mean[from..to]);
        for k in (0..n).rev() {
            let past = &x[from - k..to - k];
            for ((s, &m), &p) in sum.iter_mut().zip(mean).zip(past) {
                let d = p - m;
                *s += d * d;
            }
        }
        from = to;
    }
    out
}

/// Least (`greatest = false`) or greatest of the last `n` entries, for t ≥ n − 1.
#[inline(always)]
pub fn extremes(x: &[f64], n: usize, greatest: bool) -> Vec<f64> {
    let pick = |a: f64, b: f64| if (a > b) == greatest { a } else { b };
    let mut width = 1;
    let mut out = x.to_vec();
    // Windows of 1, 2, 4, … bars, each from two of half its size; the last step overlaps.
    while width < n {
        let step = width.min(n - width);
        for t in (step..out.len()).rev() {
            out[t] = pick(out[t], out[t - step]);
        }
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
    let mut from = n - 1;
    while from < x.len() {
        let to = (from + CHUNK).min(x.len());
        let len = to - from;
        let (mut sum, mut squares, mut moments) = ([0.0; CHUNK], [0.0; CHUNK], [0.0; CHUNK]);
        // Distances from the newest entry: the level of the series would swallow its changes.
        for k in 1..n {
            let weight = k as f64;
            let (now, past) = (&x[from..to], &x[from - k..to - k]);
            for i in 0..len {
                let d = past[i] - now[i];
                sum[i] += d;
                squares[i] += d * d;
                moments[i] += weight * d;
            }
        }
        for i in 0..len {
            let var_d = count * squares[i] - sum[i] * sum[i];
            let cov = count * moments[i] - sum_k * sum[i];
            let r = cov * cov / (var_k * var_d);
            out[from + i] = if var_d > 0.0 { if r > 1.0 { 1.0 } else { r } } else { 0.0 };
        }
        from = to;
    }
    out
}

/// Where each entry stands among its last `n` (fewer at the start, at least `least`): 0 below their 1/3
/// quantile, 1 below the 2/3 quantile, else 2; NaN where there are fewer than `least`.
///
/// The quantile interpolates between order statistics, q = x₍h₎ with h = p(m − 1): an entry with c values at
/// most as great as itself, itself included, lies below q just if c − 1 < h, which needs no sorting.
#[inline(always)]
pub fn thirds(x: &[f64], n: usize, least: usize) -> Vec<f64> {
    (0..x.len())
        .map(|t| {
            let window = &x[(t + 1).saturating_sub(n)..=t];
            if window.len() < least {
                return f64::NAN;
            }
            let now = x[t];
            let at_most: u64 = window.iter().map(|&v| u64::from(v <= now)).sum();
            let (rank, last) = (at_most - 1, window.len() as u64 - 1);
            if 3 * rank < last {
                0.0
            } else if 3 * rank < 2 * last {
                1.0
            } else {
                2.0
            }
        })
        .collect()
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
                let (mean, low, high) = (means(&x, n), extremes(&x, n, false), extremes(&x, n, true));
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
        let mean = means(&x, 20);
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
