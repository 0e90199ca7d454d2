//! False-discovery rate: how many of the discoveries among many tests are luck.

/// The q-value of each test: the smallest false-discovery rate at which it is a discovery (Benjamini and Hochberg 1995; Storey
/// 2002 with no estimate of the share of true nulls). One p-value per test; NaN counts as 1. `tries` is how many times as many
/// tests were made as are shown, at least 1. Valid for independent tests and for those that win and lose together.
pub fn q_values(p_values: &[f64], tries: f64) -> Vec<f64> {
    let known: Vec<f64> = p_values.iter().map(|p| if p.is_nan() { 1.0 } else { p.clamp(0.0, 1.0) }).collect();
    let mut order: Vec<usize> = (0..known.len()).collect();
    order.sort_by(|&a, &b| known[a].total_cmp(&known[b]));
    let tests = known.len() as f64 * tries.max(1.0);
    let mut q_values = vec![1.0; known.len()];
    let mut least: f64 = 1.0;
    for (rank, &test) in order.iter().enumerate().rev() {
        least = least.min(known[test] * tests / (rank + 1) as f64);
        q_values[test] = least;
    }
    q_values
}

#[cfg(test)]
mod tests {
    use super::*;
    use huracan_base::arith::{draw, uniform};

    #[test]
    fn the_example_of_benjamini_and_hochberg_is_reproduced() {
        // Benjamini and Hochberg 1995, section 4: 15 p-values of which four are discoveries at 5 %.
        let p = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528,
            0.7590, 1.0,
        ];
        let q = q_values(&p, 1.0);
        assert_eq!(q.iter().filter(|&&q| q <= 0.05).count(), 4);
        assert!((q[0] - 0.0015).abs() < 1e-12 && (q[3] - 0.0095 * 15.0 / 4.0).abs() < 1e-12);
        assert!(q.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    #[test]
    fn undefined_tests_are_no_discovery_and_tries_make_it_harder() {
        let q = q_values(&[0.01, f64::NAN], 1.0);
        assert_eq!(q, [0.02, 1.0]);
        assert_eq!(q_values(&[0.01, f64::NAN], 3.0), [0.06, 1.0]);
        assert_eq!(q_values(&[0.5], 0.1), [0.5]);
        assert!(q_values(&[], 1.0).is_empty());
    }

    #[test]
    fn on_noise_a_run_rarely_has_a_discovery() {
        let rounds: u64 = 4000;
        let discovers = |round: u64| {
            let p: Vec<f64> = (0..20).map(|test| uniform(draw(7, round, test))).collect();
            q_values(&p, 1.0).iter().any(|&q| q <= 0.1)
        };
        let share = (0..rounds).filter(|&round| discovers(round)).count() as f64 / rounds as f64;
        assert!((0.08..0.12).contains(&share), "{share}");
    }
}
