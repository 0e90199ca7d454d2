//! The standard normal distribution.

use huracan_base::arith::{exp, ln};

/// 1/√(2π).
const DENSITY_AT_0: f64 = 0.398_942_280_401_432_7;

/// Φ(x), with an absolute error of at most 1e-15 and, below 0, a relative error of at most 1e-13.
///
/// Near 0, Φ(x) = ½ + φ(x)(x + x³/3 + x⁵/(3·5) + …) (Marsaglia 2004); in the tails,
/// Φ(−x) = φ(x)/(x + 1/(x + 2/(x + 3/(x + …)))) (Laplace; Abramowitz and Stegun 26.2.14).
pub fn normal_cdf(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    let size = x.abs();
    let density = DENSITY_AT_0 * exp(-0.5 * size * size);
    if size < 3.0 {
        let (mut term, mut sum, mut odd) = (size, size, 1.0);
        while term > 1e-17 * sum {
            odd += 2.0;
            term *= size * size / odd;
            sum += term;
        }
        let half = density * sum;
        return if x < 0.0 { 0.5 - half } else { 0.5 + half };
    }
    let mut fraction = size;
    for k in (1..=120).rev() {
        fraction = size + f64::from(k) / fraction;
    }
    let tail = density / fraction;
    if x < 0.0 { tail } else { 1.0 - tail }
}

/// Numerator and denominator of one of Wichura's three rational approximations, constant term first.
type Ratio = ([f64; 8], [f64; 8]);
const CENTRE: Ratio = (
    [
        3.387_132_872_796_366_5,
        133.141_667_891_784_38,
        1_971.590_950_306_551_3,
        13_731.693_765_509_46,
        45_921.953_931_549_87,
        67_265.770_927_008_7,
        33_430.575_583_588_13,
        2_509.080_928_730_122_7,
    ],
    [
        1.0,
        42.313_330_701_600_91,
        687.187_007_492_057_9,
        5_394.196_021_424_751,
        21_213.794_301_586_597,
        39_307.895_800_092_71,
        28_729.085_735_721_943,
        5_226.495_278_852_854,
    ],
);
const TAIL: Ratio = (
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        0.241_780_725_177_450_6,
        0.022_723_844_989_269_184,
        7.745_450_142_783_414e-4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        0.689_767_334_985_1,
        0.148_103_976_427_480_08,
        0.015_198_666_563_616_457,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
);
const FAR_TAIL: Ratio = (
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        0.296_560_571_828_504_9,
        0.026_532_189_526_576_124,
        0.001_242_660_947_388_078_4,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        1.0,
        0.599_832_206_555_888,
        0.136_929_880_922_735_8,
        0.014_875_361_290_850_615,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ],
);

/// Φ⁻¹(p), with a relative error of about 1e-15; −∞ at 0, ∞ at 1, NaN outside [0, 1].
///
/// Algorithm AS 241, PPND16 (Wichura 1988).
pub fn normal_quantile(p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p == 0.0 || p == 1.0 {
        return if p == 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        return q * ratio(&CENTRE, 0.180_625 - q * q);
    }
    let r = (-ln(if q < 0.0 { p } else { 1.0 - p })).sqrt();
    let size = if r <= 5.0 { ratio(&TAIL, r - 1.6) } else { ratio(&FAR_TAIL, r - 5.0) };
    if q < 0.0 { -size } else { size }
}

fn ratio((numerator, denominator): &Ratio, r: f64) -> f64 {
    let polynomial = |coefficients: &[f64; 8]| coefficients.iter().rev().fold(0.0, |sum, c| sum * r + c);
    polynomial(numerator) / polynomial(denominator)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x and Φ(x) by scipy.special.ndtr 1.17. The first is by mpmath with 40 digits, because scipy loses three there.
    const CDF: [(f64, f64); 10] = [
        (-37.0, 5.725571222524577e-300),
        (-10.0, 7.61985302416047e-24),
        (-3.0, 0.0013498980316300933),
        (-2.999, 0.0013543365337271057),
        (-1.0, 0.15865525393145707),
        (0.0, 0.5),
        (0.3, 0.6179114221889526),
        (1.959963984540054, 0.975),
        (3.5, 0.9997673709209645),
        (9.0, 1.0),
    ];

    #[test]
    fn the_distribution_equals_scipy() {
        for (x, want) in CDF {
            let got = normal_cdf(x);
            assert!(
                (got - want).abs() < 1e-13 * want.max(if x > -3.0 { 1e-2 } else { 0.0 }),
                "{x}: {got:e} against {want:e}"
            );
        }
        assert!(normal_cdf(f64::NAN).is_nan());
        assert_eq!((normal_cdf(f64::INFINITY), normal_cdf(f64::NEG_INFINITY)), (1.0, 0.0));
    }

    /// p and Φ⁻¹(p) by scipy.special.ndtri 1.17.
    const QUANTILES: [(f64, f64); 8] = [
        (1e-300, -37.0470962993612),
        (1e-12, -7.034483825301131),
        (0.001, -3.090232306167813),
        (0.05, -1.6448536269514729),
        (0.4, -0.2533471031357997),
        (0.5, 0.0),
        (0.975, 1.959963984540054),
        (0.99, 2.3263478740408408),
    ];

    #[test]
    fn quantiles_equal_scipy_and_invert_the_distribution() {
        for (p, want) in QUANTILES {
            let got = normal_quantile(p);
            assert!((got - want).abs() <= 1e-13 * want.abs(), "{p}: {got} against {want}");
        }
        for i in 1..1000 {
            let p = f64::from(i) / 1000.0;
            assert!((normal_cdf(normal_quantile(p)) - p).abs() < 1e-14, "{p}");
        }
        assert_eq!((normal_quantile(0.0), normal_quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
        assert!(normal_quantile(-0.1).is_nan() && normal_quantile(1.1).is_nan() && normal_quantile(f64::NAN).is_nan());
    }
}
