//! Intervals and tests for the counts of an audit.

use crate::arith::{exp, ln};
use crate::metrics::student_quantile;

/// The exact confidence interval of a share, k of n (Clopper and Pearson 1934): it contains the true share with at
/// least probability `confidence`. It consists of all shares for which neither k or fewer nor k or more has a
/// probability below `(1 − confidence)/2`.
///
/// Counts need not be whole.
fn clopper_pearson(k: f64, n: f64, confidence: f64) -> (f64, f64) {
    let tail = (1.0 - confidence) / 2.0;
    // The probability of k or more at a share p is the incomplete beta function I_p(k, n − k + 1).
    let low = if k <= 0.0 { 0.0 } else { beta_quantile(k, n - k + 1.0, tail) };
    let high = if k >= n { 1.0 } else { beta_quantile(k + 1.0, n - k, 1.0 - tail) };
    (low, high)
}

/// The confidence interval of a share whose trials come in clusters, pairs of `(found, all)` (Korn and Graubard 1998): Clopper
/// and Pearson's of as many independent trials as tell as much. That number is p(1 − p) over the variance of the share by
/// clusters, at most the number of trials, and is lowered by the squared ratio of Student's t for the number of trials to that
/// for the number of clusters, since the variance of few clusters is itself uncertain. A single cluster tells nothing.
pub fn clustered_interval(clusters: &[(usize, usize)], confidence: f64) -> (f64, f64) {
    let (found, all) = clusters.iter().fold((0, 0), |(found, all), own| (found + own.0, all + own.1));
    if clusters.len() < 2 || all < 2 {
        return (0.0, 1.0);
    }
    let (groups, n) = (clusters.len() as f64, all as f64);
    let share = found as f64 / n;
    let off: f64 = clusters.iter().map(|&(found, all)| (found as f64 - share * all as f64).powi(2)).sum();
    let variance = groups / (groups - 1.0) * off / (n * n);
    let alike = share * (1.0 - share) / variance;
    let trials = if alike.is_finite() { alike.min(n) } else { n };
    let upper = (1.0 + confidence) / 2.0;
    let ratio = student_quantile(upper, all - 1) / student_quantile(upper, clusters.len() - 1);
    let trials = trials * (ratio * ratio).min(1.0);
    clopper_pearson(share * trials, trials, confidence)
}

/// The x with I_x(a, b) = p, by bisection.
fn beta_quantile(a: f64, b: f64, p: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if incomplete_beta(a, b, middle) < p { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// The test of a mean against 0.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct MeanTest {
    /// Number of values.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// The mean divided by its standard error; 0 if there are fewer than two values, or no deviation.
    pub t: f64,
    /// One-sided p-value of Student's t-test; 1 if t is undefined.
    pub p: f64,
}

/// One-sided t-test of a mean above 0 (Student 1908).
pub fn mean_test(values: &[f64]) -> MeanTest {
    let n = values.len() as f64;
    let mean = if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / n };
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    let error = if n < 2.0 { 0.0 } else { (squares / (n - 1.0) / n).sqrt() };
    if error <= 0.0 {
        return MeanTest { count: values.len(), mean, t: 0.0, p: 1.0 };
    }
    let t = mean / error;
    let freedom = n - 1.0;
    let tail = incomplete_beta(freedom / 2.0, 0.5, freedom / (freedom + t * t)) / 2.0;
    MeanTest { count: values.len(), mean, t, p: if t > 0.0 { tail } else { 1.0 - tail } }
}

/// The regularised incomplete beta function I_x(a, b), by a continued fraction (Abramowitz and Stegun 26.5.8, evaluated with
/// the method of Lentz 1976). Relative error below 1e-10.
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let front = exp(ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * ln(x) + b * ln(1.0 - x));
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(a, b, x) / a
    } else {
        1.0 - front * beta_fraction(b, a, 1.0 - x) / b
    }
}

fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let nonzero = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / nonzero(1.0 - (a + b) * x / (a + 1.0));
    let mut h = d;
    for step in 1..10_000 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        for term in [even, odd] {
            d = 1.0 / nonzero(1.0 + term * d);
            c = nonzero(1.0 + term / c);
            h *= d * c;
        }
        if (d * c - 1.0).abs() < 1e-15 {
            break;
        }
    }
    h
}

/// ln Γ(x) for x > 0 (Lanczos 1964, g = 7 and 9 terms).
fn ln_gamma(x: f64) -> f64 {
    const TERMS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        // Γ(x) = Γ(x + 1)/x.
        return ln_gamma(x + 1.0) - ln(x);
    }
    let x = x - 1.0;
    let mut sum = 0.999_999_999_999_809_9;
    for (i, term) in TERMS.iter().enumerate() {
        sum += term / (x + i as f64 + 1.0);
    }
    let at = x + 7.5;
    0.5 * ln(2.0 * std::f64::consts::PI) + (x + 0.5) * ln(at) - at + ln(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_scipy() {
        // scipy.stats.binomtest(found, all).proportion_ci(0.95, "exact")
        for (found, all, low, high) in [
            (0, 50, 0.0, 0.071_121_736_464_204_58),
            (3, 100, 0.006_229_971_538_306_227, 0.085_176_052_974_280_29),
            (50, 50, 0.928_878_263_535_795_4, 1.0),
            (8, 1000, 0.003_459_976_165_329_141, 0.015_702_049_179_076_22),
            (517, 1000, 0.485_516_869_976_870_44, 0.548_382_779_275_520_3),
        ] {
            let interval = clopper_pearson(f64::from(found), f64::from(all), 0.95);
            assert!(
                (interval.0 - low).abs() < 1e-9 && (interval.1 - high).abs() < 1e-9,
                "{found} of {all}: {interval:?}"
            );
        }
    }

    #[test]
    fn clusters_that_are_found_together_count_as_one_trial() {
        let spread = [(1, 20); 10];
        let clumped: Vec<(usize, usize)> = (0..10).map(|world| (if world == 0 { 10 } else { 0 }, 20)).collect();
        let independent = clopper_pearson(10.0, 200.0, 0.95);
        let (even, uneven) = (clustered_interval(&spread, 0.95), clustered_interval(&clumped, 0.95));
        assert!(even.0 < independent.0 && even.1 > independent.1, "{even:?}");
        // Worked out by hand: each world should have 1, so the squares are 9² + 9 · 1²; t of 199 and of 9 degrees.
        let off = 9.0_f64.powi(2) + 9.0;
        let variance = 10.0 / 9.0 * off / 200.0_f64.powi(2);
        let trials = 0.05 * 0.95 / variance * (1.971_956_544_f64 / 2.262_157_163).powi(2);
        let want = clopper_pearson(0.05 * trials, trials, 0.95);
        assert!((uneven.0 - want.0).abs() < 1e-6 && (uneven.1 - want.1).abs() < 1e-6, "{uneven:?} {want:?}");
        assert!(uneven.0 < 0.001 && uneven.1 > 0.2, "one clump in ten worlds may be luck: {uneven:?}");
        // Nothing found in few worlds excludes less than nothing found in many.
        let none = |worlds: usize| clustered_interval(&vec![(0, 20); worlds], 0.95).1;
        assert!(none(2) > 0.5 && none(5) > none(10) && none(10) > clopper_pearson(0.0, 200.0, 0.95).1);
        assert_eq!(clustered_interval(&[(0, 200)], 0.95), (0.0, 1.0));
    }

    #[test]
    fn the_mean_test_is_that_of_scipy() {
        // scipy.stats.ttest_1samp(values, 0, alternative="greater")
        let many: Vec<f64> = (0..400).map(|i| f64::from(i * 37 % 101) / 50.0 - 0.9).collect();
        let cases: [(&[f64], f64, f64); 4] = [
            (&[1.0, 2.0, 4.0], 2.645_751_311_064_591, 0.059_041_448_155_901_54),
            (&[-3.0, 1.0, 0.5, 2.0, -0.25], 0.059_131_239_598_908_265, 0.477_841_922_884_737_26),
            (&[10.0, 10.0, 10.0, 11.0, 11.0, 11.0, 11.0], 52.325_901_807_804_5, 1.634_849_905_302_580_3e-9),
            (&many, 3.359_207_408_562_699, 0.000_428_450_336_191_666_9),
        ];
        for (values, t, p) in cases {
            let found = mean_test(values);
            assert!((found.t - t).abs() < 1e-9 * t && (found.p - p).abs() < 1e-8 * p, "{found:?}");
        }
        for still in [&[][..], &[2.0], &[0.5, 0.5]] {
            assert_eq!((mean_test(still).t, mean_test(still).p), (0.0, 1.0));
        }
        assert!((mean_test(&[-1.0, -2.0, -4.0]).p - 0.940_958_551_844_098_5).abs() < 1e-9);
    }
}
