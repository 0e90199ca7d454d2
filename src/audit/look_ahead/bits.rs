//! Values as their bits, to be compared.

use crate::bars::Panel;
use crate::decide::Prediction;
use crate::shadow::{Side, Trade};

/// Entry bar, symbol and all numbers of a trade.
pub type TradeBits = (usize, String, [u64; 14]);

/// A trade with the name of its symbol, since rows of a panel may change.
pub fn named(trade: &Trade, panel: &Panel) -> TradeBits {
    (trade.entry_bar, panel.symbols[trade.symbol].clone(), bits(trade))
}

/// Values of a prediction.
pub const PREDICTED: usize = 5;

/// All values of a prediction.
pub fn prediction_bits(p: &Prediction) -> [u64; PREDICTED] {
    // Named one by one, so that a new value cannot be forgotten.
    let Prediction { win_long, win_short, edge_bps, told_bps, lead } = *p;
    [win_long, win_short, edge_bps, told_bps, lead].map(f64::to_bits)
}

fn bits(t: &Trade) -> [u64; 14] {
    let numbers = [t.entry_price, t.exit_price, t.stop_price, t.take_price, t.size, t.gross_bps, t.fee_bps];
    let more = [t.spread_bps, t.slippage_bps, t.funding_bps, t.net_bps];
    let bars = [t.signal_bar as u64, t.exit_bar as u64];
    let kinds = [t.exit_reason as u64 * 2 + u64::from(t.side == Side::Short)];
    let mut all = numbers.iter().chain(&more).map(|v| v.to_bits()).chain(bars).chain(kinds);
    std::array::from_fn(|_| all.next().unwrap_or_default())
}
