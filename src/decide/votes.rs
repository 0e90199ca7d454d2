//! What the 23 voting engines say of every bar.

use crate::market::Panel;
use crate::settings::Engines;

/// Number of voting engines.
pub const VOTERS: usize = 23;

/// A voting engine; its number is its place in [`Votes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(usize)]
pub enum Voter {
    EmaCross,
    SmaCross,
    MacdCross,
    Adx,
    Donchian,
    Supertrend,
    RegressionSlope,
    Rsi,
    Bollinger,
    Stochastic,
    ZScore,
    Cci,
    WilliamsR,
    RateOfChange,
    MoneyFlowIndex,
    ObvTrend,
    VolumeBreakout,
    Vwap,
    ChaikinMoneyFlow,
    KeltnerBreakout,
    AtrSqueeze,
    BitcoinLead,
    RelativeStrength,
}

/// Votes of all engines, `[symbols × bars × VOTERS]` row-major, each in [−1, 1]: positive to buy, negative to sell,
/// 0 to wait; NaN where an engine cannot say yet, or is off.
#[derive(Debug, Clone, PartialEq)]
pub struct Votes {
    pub bars: usize,
    pub values: Vec<f32>,
}

impl Votes {
    /// The votes of one bar, in the order of [`Voter`].
    pub fn row(&self, symbol: usize, bar: usize) -> &[f32] {
        let start = (symbol * self.bars + bar) * VOTERS;
        &self.values[start..start + VOTERS]
    }
}

/// Votes of every engine for every symbol and bar.
pub fn compute(panel: &Panel, _engines: &Engines) -> Votes {
    Votes { bars: panel.bars, values: vec![f32::NAN; panel.symbols.len() * panel.bars * VOTERS] }
}
