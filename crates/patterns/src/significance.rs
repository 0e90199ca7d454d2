//! p-values of test statistics.

use std::f64::consts::PI;

use huracan_base::arith::{exp, ln};

/// P(T ≥ t) of Student's t with `degrees` of freedom, which need not be an integer; 1 if t is NaN or `degrees` is not
/// above 0.
///
/// Half the regularised incomplete beta function I(ν/(ν + t²); ν/2, ½), by its continued fraction (Abramowitz and
/// Stegun 26.7.1, 26.5.8), evaluated by the method of Lentz (1976).
pub(super) fn student_tail(t: f64, degrees: f64) -> f64 {
    if t.is_nan() || degrees.is_nan() || degrees <= 0.0 {
        return 1.0;
    }
    if t < 0.0 {
        return 1.0 - student_tail(-t, degrees);
    }
    let x = degrees / (degrees + t * t);
    0.5 * incomplete_beta(x, 0.5 * degrees, 0.5)
}

/// Regularised incomplete beta function I(x; a, b).
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    let front = exp(ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * ln(x) + b * ln(1.0 - x));
    // The continued fraction converges fast on this side of the mean.
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(x, a, b) / a
    } else {
        1.0 - front * beta_fraction(1.0 - x, b, a) / b
    }
}

/// Continued fraction of the incomplete beta function, by the method of Lentz.
fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    let away_from_0 = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let (mut c, mut d) = (1.0, 1.0 / away_from_0(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    for step in 1..500 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away_from_0(1.0 + even * d);
        c = away_from_0(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away_from_0(1.0 + odd * d);
        c = away_from_0(1.0 + odd / c);
        fraction *= d * c;
        if (d * c - 1.0).abs() < 1e-15 {
            break;
        }
    }
    fraction
}

/// ln Γ(x) for x > 0, by Stirling's series after the recurrence has raised x to at least 10 (Abramowitz and Stegun
/// 6.1.40).
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut product) = (x, 1.0);
    while x < 10.0 {
        product *= x;
        x += 1.0;
    }
    let (r, r2) = (1.0 / x, 1.0 / (x * x));
    let series = r * (1.0 / 12.0 - r2 * (1.0 / 360.0 - r2 * (1.0 / 1260.0 - r2 * (1.0 / 1680.0 - r2 / 1188.0))));
    (x - 0.5) * ln(x) - x + 0.5 * ln(2.0 * PI) + series - ln(product)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_student_equals_scipy() {
        // scipy.stats.t.sf
        let known = [
            (0.0, 5.0, 0.5),
            (0.5, 1.0, 0.35241638234956674),
            (1.0, 2.5, 0.20203051363913682),
            (1.96, 20.0, 0.03203912650178843),
            (2.0, 57.3, 0.025124090174915546),
            (3.0, 7.7, 0.00891913232095241),
            (4.5, 40.0, 2.867233288757897e-05),
            (8.0, 30.25, 2.949948820307126e-09),
            (12.0, 100.0, 2.1975438578021966e-21),
            (6.0, 1200.0, 1.304506377789807e-09),
            (0.001, 33.0, 0.49960406819982317),
        ];
        for (t, degrees, tail) in known {
            let own = student_tail(t, degrees);
            assert!((own / tail - 1.0).abs() < 1e-10, "{t}, {degrees}: {own} against {tail}");
            assert!((student_tail(-t, degrees) - (1.0 - tail)).abs() < 1e-12);
        }
        assert_eq!((student_tail(f64::NAN, 5.0), student_tail(9.0, 0.0)), (1.0, 1.0));
    }
}
