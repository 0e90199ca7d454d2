//! Volatility voters: follow a price that breaks out of its usual range.

use super::grade::{bounded, faded, graded};
use super::indicators;
use super::params::{AtrSqueeze, Keltner};
use super::symbol::Symbol;

/// Distance of the close from the average in distances of a band, outside the Keltner channel; 0 within it.
pub fn keltner_breakout(s: &Symbol, p: &Keltner) -> Vec<f64> {
    let past = &mut s.past.borrow_mut();
    let (middle, atr) =
        (indicators::ema(s.close, p.bars, 0, past), indicators::wilder(&s.true_range, p.atr_bars, past));
    s.each(|t| {
        let distance = s.significant(t, s.close[t] - middle[t]);
        let band = p.multiplier * atr[t];
        let vote = graded(distance, p.full * band);
        if distance.abs() <= band { 0.0 } else { vote }
    })
}

/// Distance of the close from the mean in ATR, after a squeeze: the Bollinger bands within ATR bands around the same
/// mean. The vote fades. It is 0 during a squeeze, and once the last one has faded.
pub fn atr_squeeze(s: &Symbol, p: &AtrSqueeze) -> Vec<f64> {
    let [mean, deviation] = indicators::mean_and_deviation(s.close, p.bars);
    let mut past = s.past.borrow_mut();
    let atr = indicators::wilder(&s.true_range, p.bars, &mut past);
    let [squeezed, age] = past.resume().unwrap_or([0.0, p.fade_bars as f64]);
    let (mut squeezed, mut age) = (squeezed > 0.0, age as usize);
    let first = p.bars.max(past.from());
    let votes = s.each(|t| {
        if t < first {
            return f64::NAN;
        }
        let now = p.deviations * deviation[t] < p.multiplier * atr[t];
        age = if squeezed && !now { 0 } else { (age + 1).min(p.fade_bars) };
        squeezed = now;
        let vote = s.in_atr(t, s.close[t] - mean[t], p.full_atr) * faded(age, p.fade_bars);
        if now { 0.0 } else { bounded(vote) }
    });
    past.leave(&[f64::from(u8::from(squeezed)), age as f64]);
    votes
}
