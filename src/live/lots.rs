//! Orders in the units of an exchange.

use crate::bars::MarketTerms;

/// How much of a lot may be missing by rounding alone.
const ROUNDING: f64 = 1e-9;

/// Why an order cannot be placed on its market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooSmall {
    /// It is less than one lot.
    Lot,
    /// It is worth less than the market's smallest order.
    MinNotional,
}

impl TooSmall {
    /// The name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lot => "lot",
            Self::MinNotional => "min_notional",
        }
    }
}

/// The amount of an order worth `value` in quote currency at `price`, in base units: whole lots, rounded down, where the lot is known.
///
/// # Errors
/// Less than one lot, or than the market's smallest order.
pub fn quantity(value: f64, price: f64, terms: &MarketTerms) -> Result<f64, TooSmall> {
    let raw = value / price;
    let amount = match terms.lot {
        Some(lot) => {
            let lots = (raw / lot + ROUNDING).floor();
            if lots < 1.0 {
                return Err(TooSmall::Lot);
            }
            in_lots(lots, lot)
        }
        None => raw,
    };
    match terms.min_notional {
        Some(least) if amount * price < least * (1.0 - ROUNDING) => Err(TooSmall::MinNotional),
        _ => Ok(amount),
    }
}

/// So many lots, without the digits that rounding adds: three lots of 0.1 are 0.3.
fn in_lots(lots: f64, lot: f64) -> f64 {
    let whole = |scale: f64| ((lot * scale).round() - lot * scale).abs() < ROUNDING * (lot * scale);
    match (0..=15).map(|digits| 10_f64.powi(digits)).find(|&scale| lot * scale > 0.5 && whole(scale)) {
        Some(scale) => lots * (lot * scale).round() / scale,
        None => lots * lot,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(lot: f64, min_notional: f64) -> MarketTerms {
        MarketTerms { lot: Some(lot), min_notional: Some(min_notional), ..MarketTerms::default() }
    }

    #[test]
    fn amounts_are_whole_lots_rounded_down() {
        assert_eq!(quantity(35.0, 100.0, &terms(0.1, 10.0)), Ok(0.3));
        assert_eq!(quantity(30.0, 100.0, &terms(0.1, 10.0)), Ok(0.3));
        assert_eq!(quantity(29.999, 100.0, &terms(0.1, 10.0)), Ok(0.2));
        assert_eq!(quantity(1e6, 0.000_012, &terms(1000.0, 10.0)), Ok(83_333_333_000.0));
        assert_eq!(quantity(7.0, 3.0, &terms(0.25, 1.0)), Ok(2.25));
        assert_eq!(quantity(12.5, 100_000.0, &terms(0.000_01, 10.0)), Ok(0.000_12));
        assert_eq!(quantity(35.0, 100.0, &MarketTerms::default()), Ok(0.35));
    }

    #[test]
    fn orders_that_are_too_small_are_refused() {
        assert_eq!(quantity(9.0, 100.0, &terms(0.1, 1.0)), Err(TooSmall::Lot));
        assert_eq!(quantity(19.0, 100.0, &terms(0.1, 15.0)), Err(TooSmall::MinNotional));
        assert_eq!(quantity(20.0, 100.0, &terms(0.1, 20.0)), Ok(0.2));
    }
}
