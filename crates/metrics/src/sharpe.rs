//! The Sharpe ratio of daily returns.

use super::moments::deviation;
use super::returns::{DAYS_PER_YEAR, mean};

/// Annualised Sharpe ratio: mean / sample deviation × √365 (Sharpe 1994, risk-free rate 0).
///
/// 0 where it is undefined: fewer than two days, or equal returns.
pub fn sharpe(daily: &[f64]) -> f64 {
    let deviation = deviation(daily);
    if deviation > 0.0 { mean(daily) / deviation * DAYS_PER_YEAR.sqrt() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_equals_the_value_computed_by_hand() {
        // mean 0.005, squares 0.0013, sample deviation √(0.0013/3) = 0.0208167
        let expected = 0.005 / 0.020_816_659_994_661 * 365_f64.sqrt();
        assert!((sharpe(&[0.01, -0.02, 0.03, 0.0]) - expected).abs() < 1e-9);
    }

    #[test]
    fn equal_days_and_too_few_days_give_zero() {
        // The mean of ten times 0.1 is not exactly 0.1: the deviation must not be that rounding error.
        assert_eq!((sharpe(&[]), sharpe(&[0.01]), sharpe(&[0.0; 9]), sharpe(&[0.1; 10])), (0.0, 0.0, 0.0, 0.0));
    }
}
