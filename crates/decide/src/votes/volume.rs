//! Volume voters: buy what is traded more as it rises.

use super::grade::{bounded, graded};
use super::indicators;
use super::params::{AtrDistance, IndexLevel};
use super::symbol::Symbol;

/// Change of on-balance volume as a share of the volume of these bars; 0 where there is none.
pub fn obv_trend(s: &Symbol, p: &IndexLevel) -> Vec<f64> {
    let balance = indicators::on_balance_volume(s.close, s.volume, p.bars, &mut s.past.borrow_mut());
    let traded = indicators::sum(s.volume, p.bars);
    s.each(|t| if t < p.bars { f64::NAN } else { graded(balance[t] - balance[t - p.bars], p.full * traded[t]) })
}

/// The side of the bar's change, graded by how far its volume exceeds the mean of the bars before; 0 where that mean is
/// 0.
pub fn volume_breakout(s: &Symbol, p: &IndexLevel) -> Vec<f64> {
    let usual = indicators::sma(s.volume, p.bars);
    s.each(|t| {
        if t < p.bars {
            return f64::NAN;
        }
        let usual = usual[t - 1];
        let excess = graded(s.volume[t] - usual, (p.full - 1.0) * usual);
        let excess = if excess < 0.0 { 0.0 } else { excess };
        let down = if s.close[t] < s.close[t - 1] { -excess } else { 0.0 };
        if s.close[t] > s.close[t - 1] { excess } else { down }
    })
}

/// Distance of the close above the volume-weighted average price, in ATR; 0 where the window has no volume.
pub fn vwap(s: &Symbol, p: &AtrDistance) -> Vec<f64> {
    let average = indicators::vwap(s.high, s.low, s.close, s.volume, p.bars);
    s.each(|t| s.in_atr(t, s.close[t] - average[t], p.full_atr))
}

/// Chaikin's money flow; 0 where the window has no volume.
pub fn chaikin_money_flow(s: &Symbol, p: &IndexLevel) -> Vec<f64> {
    let flow = indicators::chaikin_money_flow(s.high, s.low, s.close, s.volume, p.bars);
    s.each(|t| bounded(flow[t] / p.full))
}
