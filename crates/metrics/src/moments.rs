//! Mean, deviation, skewness and kurtosis of a sample.

use serde::Serialize;

use super::returns::mean;

/// Sample standard deviation, divisor n − 1; 0 for fewer than two values or equal values.
pub fn deviation(values: &[f64]) -> f64 {
    Moments::of(values).map_or(0.0, |moments| moments.deviation)
}

/// The first four moments of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Moments {
    /// Number of values.
    pub count: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation, divisor n − 1.
    pub deviation: f64,
    /// m₃ / m₂^(3/2), where mₖ is the k-th central moment (divisor n).
    pub skewness: f64,
    /// m₄ / m₂²; 3 for a normal distribution.
    pub kurtosis: f64,
}

impl Moments {
    /// Computes the moments. `None` for fewer than two values, for equal values, and if a value or one of its powers is
    /// not finite.
    pub fn of(values: &[f64]) -> Option<Self> {
        // The mean of equal values is rounded, so the deviations from it need not be exactly 0.
        if values.len() < 2 || values.iter().all(|&value| value == values[0]) {
            return None;
        }
        let n = values.len() as f64;
        let mean = mean(values);
        let (mut m2, mut m3, mut m4) = (0.0, 0.0, 0.0);
        for &value in values {
            let d = value - mean;
            let square = d * d;
            m2 += square;
            m3 += square * d;
            m4 += square * square;
        }
        let deviation = (m2 / (n - 1.0)).sqrt();
        (m2, m3, m4) = (m2 / n, m3 / n, m4 / n);
        let moments =
            Self { count: values.len(), mean, deviation, skewness: m3 / (m2 * m2.sqrt()), kurtosis: m4 / (m2 * m2) };
        let defined =
            deviation > 0.0 && [mean, deviation, moments.skewness, moments.kurtosis].iter().all(|x| x.is_finite());
        defined.then_some(moments)
    }

    /// Mean / deviation: the Sharpe ratio per observation, not annualised.
    pub fn sharpe(&self) -> f64 {
        self.mean / self.deviation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moments_equal_values_computed_by_hand() {
        // Deviations −3, −1, −1, 5: m₂ = 9, m₃ = (−27 − 1 − 1 + 125)/4 = 24, m₄ = (81 + 1 + 1 + 625)/4 = 177.
        let moments = Moments::of(&[1.0, 3.0, 3.0, 9.0]).unwrap();
        assert_eq!((moments.count, moments.mean), (4, 4.0));
        assert!((moments.deviation - 12_f64.sqrt()).abs() < 1e-15);
        assert!((moments.skewness - 24.0 / 27.0).abs() < 1e-15 && (moments.kurtosis - 177.0 / 81.0).abs() < 1e-15);
        assert!((moments.sharpe() - 4.0 / 12_f64.sqrt()).abs() < 1e-15);
    }

    #[test]
    fn a_sample_without_deviation_has_no_moments() {
        for values in [&[][..], &[1.0], &[0.1; 10], &[f64::NAN, 1.0], &[1e300, -1e300]] {
            assert_eq!(Moments::of(values), None, "{values:?}");
        }
        assert_eq!(deviation(&[0.1; 10]), 0.0);
    }
}
