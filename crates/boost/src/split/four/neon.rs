//! NEON. Masks have all bits of a lane, or none.

use std::arch::aarch64::*;

use crate::codes::LANES;
use crate::histogram::Sums;

/// Two sums, four integers, or the codes of a row.
pub type Ints = int32x4_t;
/// Four floats.
pub type Floats = float32x4_t;

vector_functions! {
    fn load(sums: &[Sums; 2]) -> Ints = vld1q_s32(sums.as_ptr().cast());
    fn store(sums: &mut [Sums; 2], values: Ints) -> () = vst1q_s32(sums.as_mut_ptr().cast(), values);
    fn store_ints(to: &mut [u32; 4], values: Ints) -> () = vst1q_s32(to.as_mut_ptr().cast(), values);
    fn store_floats(to: &mut [f32; 4], values: Floats) -> () = vst1q_f32(to.as_mut_ptr(), values);
    fn codes(row: &[u8; LANES]) -> Ints = vreinterpretq_s32_u8(vld1q_u8(row.as_ptr()));
    fn all(value: i32) -> Ints = vdupq_n_s32(value);
    fn all_bytes(value: u8) -> Ints = vreinterpretq_s32_u8(vdupq_n_u8(value));
    fn all_floats(value: f32) -> Floats = vdupq_n_f32(value);

    fn add_sums(a: Ints, b: Ints) -> Ints =
        vreinterpretq_s32_s64(vaddq_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
    fn sub_sums(a: Ints, b: Ints) -> Ints =
        vreinterpretq_s32_s64(vsubq_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)));
    /// The Hessians of four sums.
    fn lower_halves(first: Ints, second: Ints) -> Ints = vuzp1q_s32(first, second);
    /// The gradients of four sums.
    fn upper_halves(first: Ints, second: Ints) -> Ints = vuzp2q_s32(first, second);

    fn add(a: Ints, b: Ints) -> Ints = vaddq_s32(a, b);
    fn sub(a: Ints, b: Ints) -> Ints = vsubq_s32(a, b);
    fn and(a: Ints, b: Ints) -> Ints = vandq_s32(a, b);
    fn or(a: Ints, b: Ints) -> Ints = vorrq_s32(a, b);
    fn greater(a: Ints, b: Ints) -> Ints = vreinterpretq_s32_u32(vcgtq_s32(a, b));
    fn choose(mask: Ints, yes: Ints, no: Ints) -> Ints = vbslq_s32(vreinterpretq_u32_s32(mask), yes, no);

    fn equal_bytes(a: Ints, b: Ints) -> Ints =
        vreinterpretq_s32_u8(vceqq_u8(vreinterpretq_u8_s32(a), vreinterpretq_u8_s32(b)));
    fn not_above_bytes(a: Ints, b: Ints) -> Ints =
        vreinterpretq_s32_u8(vcleq_u8(vreinterpretq_u8_s32(a), vreinterpretq_u8_s32(b)));
    /// A mask of each lane from its byte of a mask.
    fn masks_of_bytes(mask: Ints) -> [Ints; 4] = {
        let mask = vreinterpretq_u8_s32(mask);
        let low = vreinterpretq_u16_u8(vzip1q_u8(mask, mask));
        let high = vreinterpretq_u16_u8(vzip2q_u8(mask, mask));
        [
            vreinterpretq_s32_u16(vzip1q_u16(low, low)),
            vreinterpretq_s32_u16(vzip2q_u16(low, low)),
            vreinterpretq_s32_u16(vzip1q_u16(high, high)),
            vreinterpretq_s32_u16(vzip2q_u16(high, high)),
        ]
    };
    /// Twice each byte, as an integer.
    fn doubled_bytes(codes: Ints) -> [Ints; 4] = {
        let codes = vreinterpretq_u8_s32(codes);
        let low = vshll_n_u8::<1>(vget_low_u8(codes));
        let high = vshll_n_u8::<1>(vget_high_u8(codes));
        [
            vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(low))),
            vreinterpretq_s32_u32(vmovl_u16(vget_high_u16(low))),
            vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(high))),
            vreinterpretq_s32_u32(vmovl_u16(vget_high_u16(high))),
        ]
    };

    fn to_floats(values: Ints) -> Floats = vcvtq_f32_s32(values);
    fn add_floats(a: Floats, b: Floats) -> Floats = vaddq_f32(a, b);
    fn mul_floats(a: Floats, b: Floats) -> Floats = vmulq_f32(a, b);
    fn div_floats(a: Floats, b: Floats) -> Floats = vdivq_f32(a, b);
    fn greater_floats(a: Floats, b: Floats) -> Ints = vreinterpretq_s32_u32(vcgtq_f32(a, b));
    fn equal_floats(a: Floats, b: Floats) -> Ints = vreinterpretq_s32_u32(vceqq_f32(a, b));
    fn choose_floats(mask: Ints, yes: Floats, no: Floats) -> Floats = vbslq_f32(vreinterpretq_u32_s32(mask), yes, no);
}
