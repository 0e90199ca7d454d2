//! The real candles that tests compare on.
//!
//! A set is a folder with a folder per timeframe, which holds one Parquet file per symbol. The fixture in
//! `tests/fixture/candles` is always there; a larger set is used where there is one.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

use huracan::bars::{Panel, Timeframe};
use huracan::market::read_folder;

/// Names the set to use in place of all others.
const VARIABLE: &str = "HURACAN_TEST_CANDLES";

/// The set of the repository: twelve coins with 175 days of hourly candles, two of them listed late, and fourteen with
/// 250 daily ones.
pub fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixture/candles")
}

/// Every set at hand: the one that `HURACAN_TEST_CANDLES` names; else the fixture, then the larger one, if any.
pub fn sets() -> Vec<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE) {
        return vec![named.into()];
    }
    let larger = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/candles");
    let larger = Some(larger).filter(|set| set.is_dir());
    std::iter::once(fixture()).chain(larger).collect()
}

/// The largest set's candles of a timeframe, as one panel.
///
/// # Panics
/// Where they are missing or cannot be read: a test on real candles is never skipped.
pub fn real_panel(timeframe: &str) -> Panel {
    let folder = sets().pop().expect("the fixture is a set").join(timeframe);
    let timeframe: Timeframe = timeframe.parse().expect("a timeframe");
    let (_, files) = read_folder(&folder, Some(timeframe))
        .unwrap_or_else(|error| panic!("{error}; unset {VARIABLE} to use the fixture in the repository"));
    let candles = files.into_iter().map(|(symbol, read)| (symbol, read.expect("a readable file"))).collect();
    Panel::new(candles, timeframe, 24, false).expect("one grid")
}
