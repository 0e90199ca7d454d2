//! The market's regime at a bar: codes of the feature `market_regime`, their names, and the thresholds between them.

// Thresholds and codes have twins in `kernels/features.cu`; a test in `device.rs` compares them.

/// `volume_ratio` (volume over its mean of 20 bars) below which a market is illiquid.
pub const ILLIQUID_VOLUME_RATIO: f64 = 0.1;
/// `ret_5` in multiples of `volatility_20` below which a market panics, if its volatility is in the upper third.
pub const PANIC_RETURN_VOLATILITIES: f64 = -3.0;
/// `trend_strength` (R² of the line through ln close) from which a market trends.
pub const TREND_R_SQUARED: f64 = 0.6;

/// The market's regime at a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Regime {
    /// Prices follow a line.
    Trend = 0,
    /// None of the others.
    Range = 1,
    /// Prices fall far in high volatility.
    Panic = 2,
    /// The volume is far below its mean.
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

    /// The regime with this code; `None` for NaN and any other value.
    pub fn from_code(code: f32) -> Option<Self> {
        Self::ALL.into_iter().find(|regime| regime.code() as f32 == code)
    }

    /// The name in patterns.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Trend => "trend",
            Self::Range => "range",
            Self::Panic => "panic",
            Self::Illiquid => "illiquid",
        }
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

/// The third of its recent values that the volatility lies in: codes of the feature `volatility_regime`.
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
    /// The name in patterns.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Middle => "mid",
            Self::High => "high",
        }
    }

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
        assert!(Regime::ALL.iter().all(|regime| regime.label().to_uppercase() == regime.name()));
        assert_eq!(Regime::from_code(2.0), Some(Regime::Panic));
        assert_eq!((Regime::from_code(f32::NAN), Regime::from_code(4.0), Regime::from_code(0.5)), (None, None, None));
    }
}
