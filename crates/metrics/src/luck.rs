//! Probabilistic and deflated Sharpe ratios: the probability that a Sharpe ratio is more than luck.

use super::moments::Moments;
use super::normal::{normal_cdf, normal_quantile};
use super::student::student_cdf;

/// Euler–Mascheroni constant γ.
const EULER_MASCHERONI: f64 = 0.577_215_664_901_532_9;

/// Expected maximum of `tries` independent standard normals: (1 − γ)Φ⁻¹(1 − 1/N) + γΦ⁻¹(1 − 1/(Ne)) (Bailey and
/// López de Prado 2014, eq. 1, from extreme value theory); 0 for a single try, where nothing was selected.
pub fn expected_maximum(tries: usize) -> f64 {
    if tries < 2 {
        return 0.0;
    }
    let share = 1.0 / tries as f64;
    // Φ⁻¹(1 − p) = −Φ⁻¹(p); computed at p, because 1 − p would lose the digits of a small p.
    -(1.0 - EULER_MASCHERONI) * normal_quantile(share) - EULER_MASCHERONI * normal_quantile(share / std::f64::consts::E)
}

/// Probabilistic Sharpe ratio: the probability that the true Sharpe ratio is above `benchmark` (Bailey and López de
/// Prado 2012, eq. 11). All Sharpe ratios are per observation:
/// Φ((SR − SR₀)√(n − 1) / √(1 − γ₃SR + (γ₄ − 1)/4 · SR²)).
pub fn probabilistic_sharpe(moments: &Moments, benchmark: f64) -> f64 {
    let (numerator, variance) = numerator_and_variance(moments, benchmark);
    normal_cdf(numerator / variance.sqrt())
}

/// Deflated Sharpe ratio as published (Bailey and López de Prado 2014, eq. 2): the probabilistic one, with the largest
/// Sharpe ratio expected from `tries` without skill as the benchmark: √V · [`expected_maximum`], where V is the
/// `variance` of the Sharpe ratios of the tries.
pub fn published_deflated_sharpe(moments: &Moments, tries: usize, variance: f64) -> f64 {
    probabilistic_sharpe(moments, variance.sqrt() * expected_maximum(tries))
}

/// Variance of the Sharpe ratio of `count` observations whose true Sharpe ratio is 0: 1/(n − 1). It replaces the
/// variance over the tries where that is not known.
pub fn variance_without_skill(count: usize) -> f64 {
    1.0 / (count as f64 - 1.0)
}

/// Deflated Sharpe ratio that stays valid with few observations and heavy tails; verdicts use this one.
///
/// It differs from the published one in two ways: Student's t with n − 1 degrees of freedom replaces the normal
/// distribution, and the variance is never below that of normal observations:
/// T(n − 1)((SR − SR₀)√(n − 1) / √max(1, 1 − γ₃SR + (γ₄ − 1)/4 · SR²)), with SR₀ from [`variance_without_skill`].
///
/// In the published form a few lucky trades count twice: they raise the ratio, and their skewness makes it look more
/// certain. docs/formulas.md shows the effect on the share of false approvals.
///
/// # Panics
/// If `moments.count` is 0.
pub fn deflated_sharpe(moments: &Moments, tries: usize) -> f64 {
    let benchmark = variance_without_skill(moments.count).sqrt() * expected_maximum(tries);
    let (numerator, variance) = numerator_and_variance(moments, benchmark);
    student_cdf(numerator / if variance > 1.0 { variance.sqrt() } else { 1.0 }, moments.count - 1)
}

/// Numerator of the test statistic, and the square of its denominator.
fn numerator_and_variance(moments: &Moments, benchmark: f64) -> (f64, f64) {
    let sharpe = moments.sharpe();
    let numerator = (sharpe - benchmark) * (moments.count as f64 - 1.0).sqrt();
    // Negative only by rounding, because the kurtosis is at least 1 + skewness².
    let variance = 1.0 - moments.skewness * sharpe + (moments.kurtosis - 1.0) / 4.0 * sharpe * sharpe;
    (numerator, if variance > 0.0 { variance } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use huracan_base::arith::{draw, uniform};

    /// A sample with the given Sharpe ratio and shape.
    fn moments(sharpe: f64, skewness: f64, kurtosis: f64, count: usize) -> Moments {
        Moments { count, mean: sharpe, deviation: 1.0, skewness, kurtosis }
    }

    #[test]
    fn the_example_of_the_paper_is_reproduced() {
        // Bailey and López de Prado 2014, p. 9: annual Sharpe ratio 2.5 over 1250 days of 250 a year, skewness −3,
        // kurtosis 10, 100 tries with variance ½ a year: SR₀ = 0.1132, DSR = 0.9004; 46 tries would give 0.9505.
        let found = moments(2.5 / 250_f64.sqrt(), -3.0, 10.0, 1250);
        let variance: f64 = 0.5 / 250.0;
        assert!((variance.sqrt() * expected_maximum(100) - 0.1132).abs() < 5e-5);
        assert!((published_deflated_sharpe(&found, 100, variance) - 0.9004).abs() < 5e-5);
        assert!((published_deflated_sharpe(&found, 46, variance) - 0.9505).abs() < 5e-5);
    }

    #[test]
    fn more_tries_lower_the_probability() {
        assert_eq!((expected_maximum(0), expected_maximum(1)), (0.0, 0.0));
        let found = moments(0.3, 0.0, 3.0, 100);
        let all: Vec<f64> = [1, 2, 10, 100, 1000].iter().map(|&tries| deflated_sharpe(&found, tries)).collect();
        assert!(all.windows(2).all(|w| w[1] < w[0]), "{all:?}");
    }

    #[test]
    fn the_expected_maximum_matches_drawn_normals() {
        for tries in [10, 100] {
            let rounds = 20_000;
            let normal = |round: u64, i: u64| normal_quantile(uniform(draw(3, round, i)).max(1e-17));
            let sum: f64 = (0..rounds).map(|r| (0..tries).map(|i| normal(r, i)).fold(f64::MIN, f64::max)).sum();
            // The formula is asymptotic: a few hundredths off at ten tries.
            let error = sum / rounds as f64 - expected_maximum(tries as usize);
            assert!(error.abs() < 0.04, "{tries}: {error}");
        }
    }

    #[test]
    fn skewness_and_tails_can_lower_the_deflated_ratio_but_never_raise_it() {
        let plain = deflated_sharpe(&moments(0.4, 0.0, 3.0, 60), 1);
        assert!(deflated_sharpe(&moments(0.4, -1.5, 6.0, 60), 1) < plain);
        assert!(deflated_sharpe(&moments(0.4, 0.0, 9.0, 60), 1) < plain);
        let lucky = moments(0.4, 4.0, 20.0, 60);
        assert!(probabilistic_sharpe(&lucky, 0.0) > probabilistic_sharpe(&moments(0.4, 0.0, 3.0, 60), 0.0));
        assert_eq!(deflated_sharpe(&lucky, 1), student_cdf(0.4 * 59_f64.sqrt(), 59));
    }

    /// A trade without an edge before costs, shaped like the simulation's: stop at −1.5, take at 2.5, or exit by time,
    /// scaled by a volatility that varies per trade.
    fn fair_trade(round: u64, i: u64) -> f64 {
        let u = |k| uniform(draw(11, round, 4 * i + k));
        let scale = huracan_base::arith::exp(0.6 * normal_quantile(u(0).max(1e-17)));
        let kind = u(1);
        let result = match () {
            () if kind < 0.375 => -1.5,
            () if kind < 0.6 => 2.5,
            () => 1.2 * normal_quantile(u(2).max(1e-17)),
        };
        scale * result
    }

    #[test]
    fn at_99_per_cent_at_most_one_of_a_hundred_models_without_skill_passes() {
        for (count, rounds) in [(30, 20_000), (100, 10_000), (400, 3_000)] {
            let (mut passed, mut published) = (0, 0);
            for round in 0..rounds {
                let trades: Vec<f64> = (0..count).map(|i| fair_trade(round, i)).collect();
                let moments = Moments::of(&trades).unwrap();
                passed += u32::from(deflated_sharpe(&moments, 1) >= 0.99);
                published += u32::from(probabilistic_sharpe(&moments, 0.0) >= 0.99);
            }
            let rate = |passed: u32| f64::from(passed) / rounds as f64;
            assert!(rate(passed) <= 0.01, "{count}: {}", rate(passed));
            if count == 30 {
                assert!(rate(published) > 0.01, "the published form should fail here: {}", rate(published));
            }
        }
    }
}
