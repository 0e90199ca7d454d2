//! Volume, by the direction of the price.

use super::super::past::Past;
use super::windows::{self, sum};
use huracan_features::indicators as of;

/// Share of a typical price up to which a distance between typical prices is rounding error.
pub const TYPICAL_ROUNDING: f64 = 1e-14;

/// Mean of high, low and close. TA-Lib: TYPPRICE.
pub fn typical_price(high: &[f64], low: &[f64], close: &[f64]) -> Vec<f64> {
    (0..close.len()).map(|t| (high[t] + low[t] + close[t]) * of::SHARE_3).collect()
}

/// Money that flowed in and out over `n` bars: typical price times volume, by the direction of the typical price.
/// First value at bar n.
pub fn money_flows(high: &[f64], low: &[f64], close: &[f64], volume: &[f64], n: usize) -> [Vec<f64>; 2] {
    let typical = typical_price(high, low, close);
    let [mut into, mut out_of] = [(); 2].map(|()| vec![f64::NAN; close.len()]);
    for t in 1..close.len() {
        let change = typical[t] - typical[t - 1];
        let still = change.abs() <= TYPICAL_ROUNDING * (typical[t] + typical[t - 1]);
        let flow = if still { 0.0 } else { typical[t] * volume[t] };
        into[t] = if change < 0.0 { 0.0 } else { flow };
        out_of[t] = if change < 0.0 { flow } else { 0.0 };
    }
    [sum(&into, n), sum(&out_of, n)]
}

/// Share of the money flow that flowed in, per cent; 0 where there is none. TA-Lib: MFI.
#[inline(always)]
pub fn money_flow_index(into: f64, out_of: f64) -> f64 {
    let index = of::PERCENT * (into / (into + out_of));
    if into + out_of == 0.0 { 0.0 } else { index }
}

/// Running sum of volume, by the direction of the close. TA-Lib: OBV. Where it goes on, it is known for the `ago` bars before the
/// first new one as well.
pub fn on_balance_volume(close: &[f64], volume: &[f64], ago: usize, past: &mut Past) -> Vec<f64> {
    let mut out = vec![f64::NAN; close.len()];
    let from = past.from();
    if let Some(known) = past.resume_many(ago) {
        out[from - ago..from].copy_from_slice(known);
    }
    let mut balance = if from == 0 { 0.0 } else { out[from - 1] };
    for t in from..close.len() {
        balance += of::signed_volume([volume[t], close[t], if t == 0 { 0.0 } else { close[t - 1] }]);
        out[t] = balance;
    }
    let young = ago.saturating_sub(out.len());
    past.leave(&vec![f64::NAN; young]);
    past.leave(&out[out.len() + young - ago..]);
    out
}

/// Volume weighted by the position of the close in its bar: from +volume at the high to −volume at the low; 0 without a
/// range. TA-Lib: the summands of AD.
pub fn accumulation(high: &[f64], low: &[f64], close: &[f64], volume: &[f64]) -> Vec<f64> {
    (0..close.len())
        .map(|t| {
            let range = high[t] - low[t];
            let share = ((close[t] - low[t]) - (high[t] - close[t])) / range;
            if range > 0.0 { share * volume[t] } else { 0.0 }
        })
        .collect()
}

/// Accumulation over `n` bars as a share of their volume; 0 where there is none (Chaikin).
pub fn chaikin_money_flow(high: &[f64], low: &[f64], close: &[f64], volume: &[f64], n: usize) -> Vec<f64> {
    let (mut flow, traded) = (sum(&accumulation(high, low, close, volume), n), sum(volume, n));
    flow.iter_mut().zip(&traded).for_each(|(flow, traded)| *flow = if *traded == 0.0 { 0.0 } else { *flow / traded });
    flow
}

/// Mean typical price of `n` bars, weighted by volume; the close where there is none.
pub fn vwap(high: &[f64], low: &[f64], close: &[f64], volume: &[f64], n: usize) -> Vec<f64> {
    let typical = typical_price(high, low, close);
    let (mut value, traded) =
        (windows::fold([&typical, volume], close, n, 0.0, |sum, [x, v], _, _| sum + x * v), sum(volume, n));
    for (t, (value, traded)) in value.iter_mut().zip(&traded).enumerate() {
        *value = if *traded == 0.0 { close[t] } else { *value / traded };
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIGH: [f64; 4] = [12.0, 13.0, 12.0, 16.0];
    const LOW: [f64; 4] = [9.0, 9.0, 12.0, 11.0];
    const CLOSE: [f64; 4] = [9.0, 11.0, 12.0, 15.0];

    #[test]
    fn vwap_and_chaikin_money_flow_equal_those_computed_by_hand() {
        let volume = [2.0, 1.0, 5.0, 4.0];
        // Typical prices 10, 11, 12, 14: (20 + 11)/3, (11 + 60)/6, (60 + 56)/9.
        let got = vwap(&HIGH, &LOW, &CLOSE, &volume, 2);
        assert!(got[0].is_nan());
        for (got, want) in got[1..].iter().zip([31.0 / 3.0, 71.0 / 6.0, 116.0 / 9.0]) {
            assert!((got - want).abs() < 1e-14);
        }
        // At the low: −2; in the middle: 0; no range: 0; 4 of 5 up, (4 − 1)/5 · 4 = 2.4.
        let got = chaikin_money_flow(&HIGH, &LOW, &CLOSE, &volume, 2);
        for (got, want) in got[1..].iter().zip([-2.0 / 3.0, 0.0, 2.4 / 9.0]) {
            assert!((got - want).abs() < 1e-15, "{got} {want}");
        }
    }

    #[test]
    fn windows_without_volume_have_no_flow_and_the_close_as_their_average() {
        assert_eq!(vwap(&HIGH, &LOW, &CLOSE, &[0.0; 4], 2)[1..], CLOSE[1..]);
        assert_eq!(chaikin_money_flow(&HIGH, &LOW, &CLOSE, &[0.0; 4], 2)[1..], [0.0; 3]);
        assert_eq!(money_flow_index(0.0, 0.0), 0.0);
    }
}
