//! The Calmar ratio.

/// Annualised return / largest drawdown (Young 1991), over the whole history; 0 if equity never fell.
pub fn calmar(annualised: f64, max_drawdown: f64) -> f64 {
    if max_drawdown > 0.0 { annualised / max_drawdown } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_the_return_over_the_largest_drawdown() {
        assert_eq!((calmar(0.3, 0.2), calmar(-0.1, 0.2), calmar(0.3, 0.0)), (0.3 / 0.2, -0.5, 0.0));
    }
}
