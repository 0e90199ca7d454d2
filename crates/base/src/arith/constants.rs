//! The constants of the arithmetic. `kernels/arith.cuh` declares each of them with the same name and value.

/// Bits of a double's mantissa, without the implied one.
pub const MANTISSA_BITS: u32 = 52;
/// The bits of the mantissa.
pub const MANTISSA_MASK: u64 = 0x000f_ffff_ffff_ffff;
/// What a double stores as its exponent for 2⁰.
pub const EXPONENT_BIAS: i32 = 1023;
/// Exponent of the smallest normal double.
pub const MIN_EXPONENT: i32 = -1022;
/// The smallest normal double, 2⁻¹⁰²².
pub const MIN_NORMAL: f64 = f64::MIN_POSITIVE;
/// The bits of 1.
pub const ONE_BITS: u64 = 0x3ff0_0000_0000_0000;
/// The bits of [`TWO_TO_52`].
pub const TWO_TO_52_BITS: u64 = 0x4330_0000_0000_0000;
/// 2⁵²: the unit in the last place of doubles from here to 2⁵³ is 1.
pub const TWO_TO_52: f64 = 4_503_599_627_370_496.0;
/// 3 · 2⁵¹: added to |x| < 2³¹, it rounds x to an integer, which is then in the low bits.
pub const ROUNDING_SHIFT: f64 = 6_755_399_441_055_744.0;

/// The bits of the high part of ln 2.
pub const LN2_HIGH_BITS: u64 = 0x3fe6_2e42_fee0_0000;
/// The bits of the low part of ln 2.
pub const LN2_LOW_BITS: u64 = 0x3dea_39ef_3579_3c76;
/// √2.
pub const SQRT_2: f64 = std::f64::consts::SQRT_2;
/// log₂ e.
pub const LOG2_E: f64 = std::f64::consts::LOG2_E;

/// 2⁵⁴: makes a subnormal number normal.
pub const SUBNORMAL_SCALE: f64 = 18_014_398_509_481_984.0;
/// [`EXPONENT_BIAS`] as `ln` subtracts it.
pub const LN_BIAS: f64 = 1023.0;
/// The same for a number that was multiplied by [`SUBNORMAL_SCALE`].
pub const SUBNORMAL_LN_BIAS: f64 = 1077.0;
/// Coefficient of s²³ in the series of ln.
pub const LN_TERM_23: f64 = 2.0 / 23.0;
/// Coefficient of s²¹ in the series of ln.
pub const LN_TERM_21: f64 = 2.0 / 21.0;
/// Coefficient of s¹⁹ in the series of ln.
pub const LN_TERM_19: f64 = 2.0 / 19.0;
/// Coefficient of s¹⁷ in the series of ln.
pub const LN_TERM_17: f64 = 2.0 / 17.0;
/// Coefficient of s¹⁵ in the series of ln.
pub const LN_TERM_15: f64 = 2.0 / 15.0;
/// Coefficient of s¹³ in the series of ln.
pub const LN_TERM_13: f64 = 2.0 / 13.0;
/// Coefficient of s¹¹ in the series of ln.
pub const LN_TERM_11: f64 = 2.0 / 11.0;
/// Coefficient of s⁹ in the series of ln.
pub const LN_TERM_9: f64 = 2.0 / 9.0;
/// Coefficient of s⁷ in the series of ln.
pub const LN_TERM_7: f64 = 2.0 / 7.0;
/// Coefficient of s⁵ in the series of ln.
pub const LN_TERM_5: f64 = 2.0 / 5.0;
/// Coefficient of s³ in the series of ln.
pub const LN_TERM_3: f64 = 2.0 / 3.0;

/// Largest input of the series of exp.
pub const EXP_INPUT_MAX: f64 = 710.0;
/// Smallest input of the series of exp.
pub const EXP_INPUT_MIN: f64 = -746.0;
/// Above this, exp is infinite.
pub const EXP_OVERFLOW: f64 = 709.79;
/// Below this, exp is 0.
pub const EXP_UNDERFLOW: f64 = -745.2;
/// 1/14!, a coefficient of the series of exp.
pub const EXP_TERM_14: f64 = 1.0 / 87_178_291_200.0;
/// 1/13!, a coefficient of the series of exp.
pub const EXP_TERM_13: f64 = 1.0 / 6_227_020_800.0;
/// 1/12!, a coefficient of the series of exp.
pub const EXP_TERM_12: f64 = 1.0 / 479_001_600.0;
/// 1/11!, a coefficient of the series of exp.
pub const EXP_TERM_11: f64 = 1.0 / 39_916_800.0;
/// 1/10!, a coefficient of the series of exp.
pub const EXP_TERM_10: f64 = 1.0 / 3_628_800.0;
/// 1/9!, a coefficient of the series of exp.
pub const EXP_TERM_9: f64 = 1.0 / 362_880.0;
/// 1/8!, a coefficient of the series of exp.
pub const EXP_TERM_8: f64 = 1.0 / 40_320.0;
/// 1/7!, a coefficient of the series of exp.
pub const EXP_TERM_7: f64 = 1.0 / 5040.0;
/// 1/6!, a coefficient of the series of exp.
pub const EXP_TERM_6: f64 = 1.0 / 720.0;
/// 1/5!, a coefficient of the series of exp.
pub const EXP_TERM_5: f64 = 1.0 / 120.0;
/// 1/4!, a coefficient of the series of exp.
pub const EXP_TERM_4: f64 = 1.0 / 24.0;
/// 1/3!, a coefficient of the series of exp.
pub const EXP_TERM_3: f64 = 1.0 / 6.0;
/// 1/2!, a coefficient of the series of exp.
pub const EXP_TERM_2: f64 = 1.0 / 2.0;

/// What the SplitMix64 generator adds to its state per step: 2⁶⁴ divided by the golden ratio.
pub const MIX_STEP: u64 = 0x9e37_79b9_7f4a_7c15;
/// First multiplier of the SplitMix64 finaliser.
pub const MIX_FACTOR_1: u64 = 0xbf58_476d_1ce4_e5b9;
/// Second multiplier of the SplitMix64 finaliser.
pub const MIX_FACTOR_2: u64 = 0x94d0_49bb_1331_11eb;
/// First shift of the SplitMix64 finaliser.
pub const MIX_SHIFT_1: u32 = 30;
/// Second shift of the SplitMix64 finaliser.
pub const MIX_SHIFT_2: u32 = 27;
/// Third shift of the SplitMix64 finaliser.
pub const MIX_SHIFT_3: u32 = 31;
/// Bits of a draw that a number in [0, 1) does not use.
pub const UNIFORM_SHIFT: u32 = 11;
/// The other bits of a draw, times two to this power, are in [0, 1).
pub const UNIFORM_EXPONENT: i32 = -53;
