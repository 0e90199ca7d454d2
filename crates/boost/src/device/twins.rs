//! Constants that the kernels have under the same name.

use huracan_engine::kernel_constant;

use super::THREADS;
use super::bins::{DIGITS, PIECE};
use super::layout::{BINARY, HUBER, LEAF, MARK_WORDS, MISSING_RIGHT, NONE, REGRESSION, TRAIN_WEIGHTS, VALID_WEIGHTS};
use super::levels::{LISTS, MAX_TILE, SIDES};
use super::plan::MAX_FEATURES;
use crate::bins::{EARLY_SHARE, MAX_CUTS, MISSING, ZERO_BINS, ZERO_THRESHOLD};
use crate::codes::{GROUP_BINS, LANES};
use crate::grow::{CHILDREN, MIN_SPLIT_ROWS};
use crate::histogram::SUM_BITS;
use crate::loss::{HUBER_FACTOR, LOSS_BITS};
use crate::quantised::{MAX_EXPONENT, VALUE_BITS};
use crate::sample::{FEATURE_STREAM, NODE_STREAM, ROOT_PATH, ROW_STREAM};

#[test]
fn constants_are_the_same_in_rust_and_in_the_kernels() {
    macro_rules! same {
        ($file:literal: $($name:ident $(= $value:expr)?),* $(,)?) => {
            $(
                let value = same!(@value $name $($value)?);
                assert_eq!(kernel_constant($file, stringify!($name)), Some(value), "{} of {}", stringify!($name), $file);
            )*
        };
        (@value $name:ident) => { $name as f64 };
        (@value $name:ident $value:expr) => { $value as f64 };
    }
    same!("bins.cuh": THREADS, LANES, GROUP_BINS, MAX_CUTS, MISSING, ZERO_BINS, EARLY_SHARE);
    same!("bins.cuh": EARLY_DIVISOR = 1.0 / EARLY_SHARE);
    same!("bins_large.cu": DIGITS, PIECE);
    same!("boost.cuh": NONE, LEAF, MARK_WORDS);
    same!("boost.cuh": ROOT_PATH, ROW_STREAM, FEATURE_STREAM, NODE_STREAM);
    same!("boost.cuh": BINARY, REGRESSION, HUBER);
    same!("boost.cuh": TRAIN_WEIGHTS, VALID_WEIGHTS);
    same!("boost_rows.cuh": SUM_BITS, VALUE_BITS, LOSS_BITS, MAX_EXPONENT, HUBER_FACTOR);
    same!("boost_split.cuh": MIN_SPLIT_ROWS, CHILDREN);
    same!("boost_levels.cuh": LISTS, MAX_TILE, SIDES);
    same!("predict.cu": MISSING_RIGHT);
    // A literal of f32.
    assert_eq!(kernel_constant("bins.cuh", "ZERO_THRESHOLD").map(|value| value as f32), Some(ZERO_THRESHOLD));
    // MARK_WORDS words have a bit per feature.
    assert_eq!(MAX_FEATURES, 32 * MARK_WORDS);
}
