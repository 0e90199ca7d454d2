//! False-discovery rate: how many of the discoveries among many tests are luck.

/// The q-value of each test: the smallest false-discovery rate at which it is a discovery (Benjamini and Hochberg 1995).
///
/// `p_values` are those of the tests to be shown, in any order; NaN counts as 1. `tests` is how many were made, at least as many
/// as are shown: those not shown count as 1. Valid for independent tests and for those that win and lose together. For weighted
/// tests, divide each p-value by its weight first (Genovese, Roeder and Wasserman 2006).
pub fn q_values(p_values: &[f64], tests: f64) -> Vec<f64> {
    let known: Vec<f64> = p_values.iter().map(|p| if p.is_nan() { 1.0 } else { p.clamp(0.0, 1.0) }).collect();
    let mut order: Vec<usize> = (0..known.len()).collect();
    order.sort_by(|&a, &b| known[a].total_cmp(&known[b]));
    let tests = tests.max(known.len() as f64);
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
        let q = q_values(&p, 15.0);
        assert_eq!(q.iter().filter(|&&q| q <= 0.05).count(), 4);
        assert!((q[0] - 0.0015).abs() < 1e-12 && (q[3] - 0.0095 * 15.0 / 4.0).abs() < 1e-12);
        assert!(q.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    #[test]
    fn unordered_p_values_and_the_smallest_of_many_follow_the_definition() {
        // By hand, for 5 tests: 0.01·5/1, 0.02·5/2, 0.03·5/3, 0.5·5/4, 0.9, each reduced to at most the next.
        let q = q_values(&[0.5, 0.01, 0.9, 0.02, 0.03], 5.0);
        assert!(q.iter().zip([0.625, 0.05, 0.9, 0.05, 0.05]).all(|(q, known)| (q - known).abs() < 1e-15), "{q:?}");
        // The three smallest of 100 tests: 0.001·100/1 > 0.002·100/3.
        let q = q_values(&[0.002, 0.001, 0.0015], 100.0);
        assert!(q.iter().all(|q| (q - 0.2 / 3.0).abs() < 1e-15), "{q:?}");
        assert_eq!(q_values(&[0.9], 4.0), [1.0]);
    }

    #[test]
    fn undefined_tests_are_no_discovery_and_more_tests_make_it_harder() {
        let q = q_values(&[0.01, f64::NAN], 2.0);
        assert_eq!(q, [0.02, 1.0]);
        assert_eq!(q_values(&[0.01, f64::NAN], 6.0), [0.06, 1.0]);
        assert_eq!(q_values(&[0.5], 0.1), [0.5]);
        assert!(q_values(&[], 1.0).is_empty());
    }

    #[test]
    fn on_noise_a_run_rarely_has_a_discovery() {
        let rounds: u64 = 4000;
        let discovers = |round: u64| {
            let p: Vec<f64> = (0..20).map(|test| uniform(draw(7, round, test))).collect();
            q_values(&p, 20.0).iter().any(|&q| q <= 0.1)
        };
        let share = (0..rounds).filter(|&round| discovers(round)).count() as f64 / rounds as f64;
        assert!((0.08..0.12).contains(&share), "{share}");
    }
}
