//! Money as whole millionths of the account currency, so that sums are exact in any order.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

/// An amount of account currency, in millionths. Arithmetic saturates, far beyond any real account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i128);

const MILLIONTHS: f64 = 1_000_000.0;

impl Money {
    /// No money.
    pub const ZERO: Self = Self(0);
    /// The smallest amount above 0, one millionth.
    pub const SMALLEST: Self = Self(1);

    /// Rounds to the nearest millionth, halves away from zero; NaN gives 0.
    pub fn rounded(amount: f64) -> Self {
        let scaled = amount * MILLIONTHS;
        Self((if scaled < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i128)
    }

    /// Rounds towards zero; NaN gives 0.
    pub fn down(amount: f64) -> Self {
        Self((amount * MILLIONTHS) as i128)
    }

    /// Rounds up a positive amount.
    pub fn up(amount: f64) -> Self {
        let down = Self::down(amount);
        if down.0 as f64 >= amount * MILLIONTHS { down } else { down + Self::SMALLEST }
    }

    /// The amount as a float; exact to the millionth below 9 billion.
    pub fn value(self) -> f64 {
        self.0 as f64 / MILLIONTHS
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Money {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Money {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_rounded_to_the_millionth_in_the_requested_direction() {
        assert_eq!(Money::rounded(1.000_000_5), Money(1_000_001));
        assert_eq!(Money::rounded(-1.000_000_5), Money(-1_000_001));
        assert_eq!((Money::down(0.000_001_9), Money::up(0.000_001_1)), (Money(1), Money(2)));
        assert_eq!((Money::down(2.5), Money::up(2.5)), (Money(2_500_000), Money(2_500_000)));
        assert_eq!((Money::rounded(f64::NAN), Money::down(f64::INFINITY)), (Money::ZERO, Money(i128::MAX)));
    }

    #[test]
    fn a_million_pennies_are_ten_thousand_pounds_in_any_order() {
        let sum: Money = (0..1_000_000).map(|_| Money::rounded(0.01)).sum();
        assert_eq!(sum.value(), 10_000.0);
        assert_ne!((0..1_000_000).map(|_| 0.01).sum::<f64>(), 10_000.0, "the reason why amounts are not floats");
    }
}
