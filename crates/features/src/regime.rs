//! The market's regime at a bar: codes of the feature `market_regime`, their names, and the thresholds between them.

/// Volume over its mean of 20 bars below which a market is illiquid. Twin: `ILLIQUID_VOLUME_RATIO` in
/// `kernels/constants.cuh`.
pub const ILLIQUID_VOLUME_RATIO: f64 = 0.1;
/// A return over 5 bars below so many `volatility_20` is a panic, where volatility is in its upper third.
pub const PANIC_RETURN_VOLATILITIES: f64 = -3.0;
/// R² of the line through ln close from which on a market trends.
pub const TREND_R_SQUARED: f64 = 0.6;

/// What the market does at a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Regime {
    /// Prices follow a line.
    Trend = 0,
    /// None of the others.
    Range = 1,
    /// Prices fall far in high volatility.
    Panic = 2,
    /// Hardly anything is traded.
    Illiquid = 3,
}

impl Regime {
    /// Every regime, in the order of their codes.
    pub const ALL: [Self; 4] = [Self::Trend, Self::Range, Self::Panic, Self::Illiquid];

    /// The value of the feature `market_regime`.
    #[inline(always)]
    pub const fn code(self) -> f64 {
        self as u8 as f64
    }

    /// The regime with this code; none for NaN and any other value.
    pub fn of(code: f32) -> Option<Self> {
        Self::ALL.into_iter().find(|regime| regime.code() as f32 == code)
    }

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trend => "TREND",
            Self::Range => "RANGE",
            Self::Panic => "PANIC",
            Self::Illiquid => "ILLIQUID",
        }
    }
}

/// Which third of its recent values volatility is in: codes of the feature `volatility_regime`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum VolatilityRegime {
    /// The lowest third.
    Low = 0,
    /// The middle third.
    Middle = 1,
    /// The highest third.
    High = 2,
}

impl VolatilityRegime {
    /// The value of the feature `volatility_regime`.
    #[inline(always)]
    pub const fn code(self) -> f64 {
        self as u8 as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_those_of_the_contract() {
        let table = Regime::ALL.map(|regime| (regime.code(), regime.name()));
        assert_eq!(table, [(0.0, "TREND"), (1.0, "RANGE"), (2.0, "PANIC"), (3.0, "ILLIQUID")]);
        assert_eq!(Regime::of(2.0), Some(Regime::Panic));
        assert_eq!((Regime::of(f32::NAN), Regime::of(4.0), Regime::of(0.5)), (None, None, None));
    }
}
