//! Mean and annualised returns.

use huracan_base::arith::{exp, ln};

/// Days per year: the market never closes.
pub const DAYS_PER_YEAR: f64 = 365.0;

/// Arithmetic mean; 0 for no values.
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// Yearly return that compounds to `total` in `days`: (1 + total)^(365/days) − 1; 0 without days, −1 if everything was
/// lost.
pub fn annualised_return(total: f64, days: usize) -> f64 {
    if days == 0 {
        0.0
    } else if total <= -1.0 {
        -1.0
    } else {
        exp(ln(1.0 + total) * (DAYS_PER_YEAR / days as f64)) - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_in_a_fifth_of_a_year_compounds_five_times() {
        assert!((annualised_return(0.1, 73) - 0.610_51).abs() < 1e-12);
        assert!((annualised_return(-0.19, 730) + 0.1).abs() < 1e-12);
        assert_eq!(
            (annualised_return(-1.5, 9), annualised_return(-1.0, 9), annualised_return(0.3, 0)),
            (-1.0, -1.0, 0.0)
        );
        assert_eq!((mean(&[]), mean(&[1.0, 2.0, 6.0])), (0.0, 3.0));
    }
}
