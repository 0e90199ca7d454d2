//! Returns over a year and for the risk taken, from daily returns.

pub const DAYS_PER_YEAR: f64 = 365.0;

pub(super) fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// Sharpe ratio of daily returns, annualised: mean / sample standard deviation × √365 (Sharpe 1994, riskless rate 0).
///
/// 0 where fewer than two days or no deviation leave it undefined.
pub fn sharpe(daily: &[f64]) -> f64 {
    let n = daily.len() as f64;
    let mean = mean(daily);
    let squares: f64 = daily.iter().map(|r| (r - mean) * (r - mean)).sum();
    let deviation = if n < 2.0 { 0.0 } else { (squares / (n - 1.0)).sqrt() };
    if deviation > 0.0 { mean / deviation * DAYS_PER_YEAR.sqrt() } else { 0.0 }
}

/// Sortino ratio of daily returns, annualised: mean / √(Σ min(r, 0)² / n) × √365 (Sortino and Price 1994, target 0).
///
/// 0 where no day lost.
pub fn sortino(daily: &[f64]) -> f64 {
    let losses: f64 = daily.iter().map(|&r| if r < 0.0 { r * r } else { 0.0 }).sum();
    let deviation = if daily.is_empty() { 0.0 } else { (losses / daily.len() as f64).sqrt() };
    if deviation > 0.0 { mean(daily) / deviation * DAYS_PER_YEAR.sqrt() } else { 0.0 }
}

/// Yearly return that compounds to `total` in `days`: (1 + total)^(365/days) − 1; −1 where all is lost.
pub fn annualised_return(total: f64, days: usize) -> f64 {
    if days == 0 {
        0.0
    } else if total <= -1.0 {
        -1.0
    } else {
        (1.0 + total).powf(DAYS_PER_YEAR / days as f64) - 1.0
    }
}

/// Calmar ratio: annualised return / maximum drawdown (Young 1991); 0 where equity never fell.
pub fn calmar(annualised: f64, max_drawdown: f64) -> f64 {
    if max_drawdown > 0.0 { annualised / max_drawdown } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_equal_values_worked_by_hand() {
        let daily = [0.01, -0.02, 0.03, 0.0];
        // mean 0.005, squares 0.0013, sample deviation √(0.0013/3) = 0.0208167, downside √(0.0004/4) = 0.01
        assert!((sharpe(&daily) - 0.005 / 0.020_816_659_994_661 * 365_f64.sqrt()).abs() < 1e-9);
        assert!((sortino(&daily) - 0.5 * 365_f64.sqrt()).abs() < 1e-9);
        assert_eq!((sharpe(&[0.01]), sharpe(&[0.0; 9]), sortino(&[0.01, 0.02]), sharpe(&[])), (0.0, 0.0, 0.0, 0.0));
        assert!((annualised_return(0.1, 73) - (1.1_f64.powi(5) - 1.0)).abs() < 1e-12);
        assert_eq!((annualised_return(-1.5, 9), calmar(0.3, 0.0)), (-1.0, 0.0));
    }
}
