//! Student's t of a mean whose observations move together within clusters.

use std::collections::BTreeMap;

/// Fewest clusters from which a t-statistic is computed: of fewer, its error is mostly luck itself.
pub const LEAST_CLUSTERS: usize = 10;

/// The mean over its standard error by clusters, see [`clustered_error`]; `None` also where all values are equal.
pub fn clustered_t(values: impl IntoIterator<Item = (i64, f64)>) -> Option<f64> {
    let (mean, error) = clustered_error(values)?;
    (error > 1e-12 * mean.abs()).then(|| mean / error).filter(|t| t.is_finite())
}

/// The mean, and its standard error by clusters: √(G/(G − 1) · Σ over clusters (Σ (x − mean))²)/n (Cameron and Miller 2015,
/// section II). `None` with fewer than [`LEAST_CLUSTERS`] clusters.
pub fn clustered_error(values: impl IntoIterator<Item = (i64, f64)>) -> Option<(f64, f64)> {
    let mut clusters: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
    for (cluster, value) in values {
        let own = clusters.entry(cluster).or_default();
        *own = (own.0 + value, own.1 + 1.0);
    }
    let groups = clusters.len() as f64;
    if clusters.len() < LEAST_CLUSTERS {
        return None;
    }
    let (sum, count) = clusters.values().fold((0.0, 0.0), |(sum, count), own| (sum + own.0, count + own.1));
    let mean = sum / count;
    let squares: f64 = clusters.values().map(|own| (own.0 - mean * own.1).powi(2)).sum();
    Some((mean, (squares * groups / (groups - 1.0)).sqrt() / count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_a_cluster_per_value_it_is_students_t() {
        let values = [3.0, -1.0, 4.0, 1.0, -5.0, 9.0, 2.0, 6.0, -5.0, 3.0];
        let t = clustered_t((0..).zip(values)).unwrap();
        let mean = values.iter().sum::<f64>() / 10.0;
        let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 9.0).sqrt();
        assert!((t - mean / deviation * 10_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn copies_of_a_value_add_no_evidence() {
        let once: Vec<(i64, f64)> = (0..20).map(|day| (day, if day % 3 == 0 { 5.0 } else { -1.0 })).collect();
        let thrice: Vec<(i64, f64)> = once.iter().flat_map(|&pair| [pair; 3]).collect();
        assert!((clustered_t(once).unwrap() - clustered_t(thrice).unwrap()).abs() < 1e-12);
    }

    #[test]
    fn a_sweep_asks_for_as_many_days() {
        assert_eq!(LEAST_CLUSTERS, huracan_shadow::sweep::LEAST_DAYS);
    }

    #[test]
    fn few_clusters_and_equal_values_have_none() {
        assert_eq!(clustered_t((0..90).map(|i| (i % 9, i as f64))), None);
        assert_eq!(clustered_t((0..90).map(|i| (i, 0.1))), None);
    }
}
