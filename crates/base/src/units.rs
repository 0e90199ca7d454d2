//! Units that many crates convert between.

/// Basis points per 1: a basis point is 1/10 000. Twin of `BPS` in `kernels/trade.cuh`.
pub const BPS: f64 = 10_000.0;
