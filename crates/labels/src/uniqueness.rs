//! How much of a label no other label shares: average uniqueness (López de Prado 2018, Advances in Financial Machine Learning,
//! chapter 4.3 and 4.4).

/// The average uniqueness of each label among all of them. A label's span is the first and the last bar on which its outcome
/// depends. The concurrency of a bar is the number of spans that hold it; the uniqueness of a label is the mean of
/// 1/concurrency over the bars of its span. The sum over all labels is the number of independent ones that they are worth.
///
/// # Panics
/// Where a span ends before it begins.
pub fn uniqueness(spans: &[(usize, usize)]) -> Vec<f64> {
    let Some(start) = spans.iter().map(|span| span.0).min() else { return Vec::new() };
    let end = spans.iter().map(|span| span.1 + 1).max().unwrap_or(start);
    // Spans that begin, less those that have ended, at each bar.
    let mut changes = vec![0_i64; end - start + 1];
    for &(first, last) in spans {
        assert!(first <= last, "a span ends before it begins");
        changes[first - start] += 1;
        changes[last + 1 - start] -= 1;
    }
    // Running sums of 1/concurrency, one more than there are bars.
    let mut shares = Vec::with_capacity(changes.len());
    let (mut concurrency, mut sum) = (0, 0.0);
    for change in changes {
        shares.push(sum);
        concurrency += change;
        sum += if concurrency > 0 { 1.0 / concurrency as f64 } else { 0.0 };
    }
    spans
        .iter()
        .map(|&(first, last)| (shares[last + 1 - start] - shares[first - start]) / (last + 1 - first) as f64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_alone_is_unique_and_equal_ones_share() {
        assert_eq!(uniqueness(&[(3, 7)]), [1.0]);
        assert_eq!(uniqueness(&[(3, 7), (3, 7)]), [0.5, 0.5]);
        assert!(uniqueness(&[]).is_empty());
    }

    #[test]
    fn the_worked_example_has_the_values_of_the_book() {
        // Labels over bars 1 to 3, 2 to 3 and 5 to 5. Concurrency: 1, 2, 2, 0, 1.
        let found = uniqueness(&[(1, 3), (2, 3), (5, 5)]);
        let expected = [(1.0 + 0.5 + 0.5) / 3.0, 0.5, 1.0];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn hourly_labels_of_ten_bars_are_worth_a_tenth_each() {
        let spans: Vec<(usize, usize)> = (0..1000).map(|bar| (bar + 1, bar + 10)).collect();
        let found = uniqueness(&spans);
        assert!((found[500] - 0.1).abs() < 1e-9);
        assert!((found.iter().sum::<f64>() - 1009.0 / 10.0).abs() < 2.0);
    }
}
