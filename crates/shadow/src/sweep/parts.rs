//! Results as integers, so that sums do not depend on their order.

use huracan_base::arith::round_to_i64;

/// Fixed-point units per basis point: 2¹⁰.
pub const PARTS_PER_BP: f64 = 1024.0;
/// The largest result of a single trade that counts, ±2¹⁸ basis points: 26 times the stake.
const MAX_PARTS: f64 = 268_435_456.0;

/// A result in units of 1/[`PARTS_PER_BP`] basis points, rounded to the nearest; 0 for NaN.
pub(super) fn to_parts(bps: f64) -> i32 {
    let parts = bps * PARTS_PER_BP;
    let parts = if parts > MAX_PARTS { MAX_PARTS } else { parts };
    let parts = if parts < -MAX_PARTS { -MAX_PARTS } else { parts };
    round_to_i64(parts) as i32
}
