//! Gauss–Legendre quadrature on [0, 1].

use std::f64::consts::PI;

/// A point at which an integrand is evaluated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The point, in [0, 1].
    pub at: f64,
    /// 1 − `at`.
    pub rest: f64,
    /// The weight of the integrand's value.
    pub weight: f64,
}

/// The `count` ≥ 1 points whose weighted sum is the integral over [0, 1] of any polynomial of degree ≤ 2 `count` − 1.
///
/// The points are the roots of the Legendre polynomial P, by Newton's method, with weights 1/((1 − x²)P′(x)²)
/// (Abramowitz and Stegun 1964, 25.4.29). Only basic arithmetic is used, so the bits are the same everywhere.
pub fn gauss_legendre(count: usize) -> Vec<Point> {
    let n = count as f64;
    let mut upper = Vec::with_capacity(count.div_ceil(2));
    for i in 0..count.div_ceil(2) {
        // Close enough for the nearest root to be the i-th; each step doubles the digits.
        let mut x = cosine(PI * (i as f64 + 0.75) / (n + 0.5));
        for _ in 0..6 {
            let (value, slope) = legendre(count, x);
            x -= value / slope;
        }
        let x = if 2 * i + 1 == count { 0.0 } else { x };
        let (_, slope) = legendre(count, x);
        let weight = 1.0 / ((1.0 - x * x) * slope * slope);
        upper.push(Point { at: (1.0 + x) * 0.5, rest: (1.0 - x) * 0.5, weight });
    }
    let lower = upper.iter().take(count / 2).map(|p| Point { at: p.rest, rest: p.at, weight: p.weight });
    lower.chain(upper.iter().rev().copied()).collect()
}

/// The Legendre polynomial of degree `n` ≥ 1 and its derivative at x, |x| < 1, by Bonnet's recursion.
fn legendre(n: usize, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, x);
    for k in 1..n {
        let k = k as f64;
        (before, value) = (value, ((2.0 * k + 1.0) * x * value - k * before) / (k + 1.0));
    }
    (value, n as f64 * (before - x * value) / (1.0 - x * x))
}

/// cos x for 0 ≤ x ≤ π/2 by its Taylor series: precise enough for the start of Newton's method, and unlike a library's cosine
/// the same on every machine.
fn cosine(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..12 {
        term *= -x * x / (2 * k * (2 * k - 1)) as f64;
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_agree_with_published_tables() {
        // Abramowitz and Stegun 1964, table 25.4, from [−1, 1] to [0, 1].
        let table = [(0.339_981_043_584_856, 0.652_145_154_862_546), (0.861_136_311_594_053, 0.347_854_845_137_454)];
        let points = gauss_legendre(4);
        for (point, (x, weight)) in points[2..].iter().zip(table) {
            assert!((2.0 * point.at - 1.0 - x).abs() < 2e-15 && (2.0 * point.weight - weight).abs() < 2e-15);
        }
        assert_eq!(gauss_legendre(1), [Point { at: 0.5, rest: 0.5, weight: 1.0 }]);
    }

    #[test]
    fn polynomials_up_to_degree_2n_minus_1_are_exact() {
        for count in [1, 2, 3, 5, 8, 31, 100, 301] {
            let points = gauss_legendre(count);
            assert!(points.len() == count && points.is_sorted_by(|a, b| a.at < b.at));
            for degree in 0..2 * count {
                let sum: f64 = points.iter().map(|p| p.weight * p.at.powi(degree as i32)).sum();
                let exact = 1.0 / (degree + 1) as f64;
                assert!((sum / exact - 1.0).abs() < 1e-11, "{count} points, degree {degree}: {sum} for {exact}");
            }
        }
    }
}
