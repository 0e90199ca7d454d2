//! The Sortino ratio of daily returns.

use super::returns::{DAYS_PER_YEAR, mean};

/// Annualised Sortino ratio: mean / √(Σ min(r, 0)² / n) × √365, over all days (Sortino and Price 1994, target 0).
///
/// 0 if no day had a loss.
pub fn sortino(daily: &[f64]) -> f64 {
    let losses: f64 = daily.iter().map(|&r| if r < 0.0 { r * r } else { 0.0 }).sum();
    let deviation = if daily.is_empty() { 0.0 } else { (losses / daily.len() as f64).sqrt() };
    if deviation > 0.0 { mean(daily) / deviation * DAYS_PER_YEAR.sqrt() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_losing_days_count_as_risk() {
        // mean 0.005, downside √(0.0004/4) = 0.01
        assert!((sortino(&[0.01, -0.02, 0.03, 0.0]) - 0.5 * 365_f64.sqrt()).abs() < 1e-9);
        assert_eq!((sortino(&[0.01, 0.02]), sortino(&[])), (0.0, 0.0));
    }
}
