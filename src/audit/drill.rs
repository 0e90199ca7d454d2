//! What the look-ahead check trades by: predictions that are believed whole, and signals that nobody learned.

use super::null::drawn;
use crate::bars::Panel;
use crate::boost::Forest;
use crate::decide::{Calibration, Head, HeadCalibration, Prediction, Slopes};
use crate::features::{View, view_columns};
use crate::shadow::Signals;

/// The raw scores, all of which are believed: nothing is hidden by the calibration.
pub(super) fn prediction(heads: &[Forest], view: &View, symbol: usize, bar: usize) -> Prediction {
    let slopes = Slopes { slope: 1.0, reach: f64::MAX, ..Slopes::NONE };
    let calibration = Calibration {
        heads: [HeadCalibration { offset: 0.0, drift_bps: 0.0, base: 0.0, usual: 0.0, slopes }; Head::COUNT],
    };
    let scores = [0, 1, 2].map(|head: usize| heads[head].raw_scores(view.row(symbol, bar))[0]);
    let atr_share = f64::from(view.value(symbol, bar, view_columns::ATR_SHARE));
    calibration.predict(&scores, &[0.0; Head::COUNT], atr_share)
}

/// Signals at about every third bar. Only the symbol's name and the bar's time decide their side.
pub(super) fn fixed_signals(panel: &Panel) -> Signals {
    let mut signals = Signals::none(panel.symbols.len(), panel.bars);
    for (symbol, name) in panel.symbols.iter().enumerate() {
        let own = name.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        for bar in panel.ranges[symbol].clone() {
            let time = panel.time_ms(bar) as usize;
            let long = drawn(own, 1, time, 0.15);
            signals.side[symbol * panel.bars + bar] = if long { 1 } else { -i8::from(drawn(own, 2, time, 0.15)) };
        }
    }
    signals
}
