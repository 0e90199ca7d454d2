//! The votes of each voter on series that are short enough to compute them by hand.

use super::params::{AtrDistance, AtrSqueeze, BitcoinLead, Donchian, IndexLevel, Keltner};
use super::*;
use huracan_bars::{Candles, HOUR_MS, Timeframe};
use huracan_base::arith::{draw, uniform};

/// Default parameters, with an ATR that is short enough for the series here.
fn test_params() -> VoterParams {
    VoterParams { atr_bars: 2, ..VoterParams::default() }
}

/// A coin whose highs and lows are `reach` above and below the close.
fn coin(close: &[f64], reach: f64, volume: &[f64]) -> Panel {
    let mut candles = Candles::default();
    for (bar, (close, volume)) in close.iter().zip(volume).enumerate() {
        candles.push(bar as i64 * HOUR_MS, [*close, close + reach, close - reach, *close], *volume);
    }
    Panel::new(vec![("C-USDT".to_owned(), candles)], Timeframe::H1, 1, true).expect("valid candles")
}

#[track_caller]
fn assert_votes(got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() < 1e-12 || got.is_nan() && want.is_nan(), "{got} against {want}");
    }
}

const NONE: f64 = f64::NAN;
const ONES: [f64; 12] = [1.0; 12];

#[test]
fn every_voter_votes_first_when_its_warm_up_is_over() {
    let mut candles = Candles::default();
    let mut price = 50.0;
    for bar in 0..200 {
        let [step, wick, volume] = [0, 1, 2].map(|k| uniform(draw(11, bar, k)));
        price *= 1.0 + (step - 0.5) * 0.02;
        candles.push(bar as i64 * HOUR_MS, [price, price * (1.0 + wick * 0.01), price * 0.995, price], volume);
    }
    let panel = Panel::new(vec![("BTC-USDT".to_owned(), candles)], Timeframe::H1, 1, true).expect("valid candles");
    for params in [VoterParams::default(), test_params()] {
        let shared = SharedInputs::new(&panel, &params, &Voter::ALL);
        let symbol = Symbol::new(&panel, 0, &params);
        for voter in Voter::ALL {
            let votes = vote(voter, &symbol, &shared, &params);
            let first = votes.iter().position(|vote| !vote.is_nan());
            assert_eq!(first, Some(voter.warm_up(&params)), "{voter}");
            assert!(votes[voter.warm_up(&params)..].iter().all(|vote| (-1.0..=1.0).contains(vote)), "{voter}");
        }
    }
}

#[test]
fn donchian_votes_at_a_close_beyond_the_bars_before_and_fades() {
    // Highs and lows are the closes ± 1; the channel is of the two bars before.
    let close = [10.0, 10.0, 11.0, 11.5, 11.0, 11.0, 11.0, 9.9, 9.0, 9.0];
    let panel = coin(&close, 1.0, &ONES[..10]);
    let votes = trend::donchian(&Symbol::new(&panel, 0, &test_params()), &Donchian { bars: 2, fade_bars: 4 });
    // 11 only touches 11; 11.5 is not above 12; 9.9 is below 10, but 9.0 is not below 8.9.
    assert_votes(&votes, &[NONE, NONE, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, -0.75, -0.5]);
    let up = coin(&[10.0, 10.0, 11.5, 12.0, 12.0, 12.0, 12.0, 12.0], 1.0, &ONES[..8]);
    let votes = trend::donchian(&Symbol::new(&up, 0, &test_params()), &Donchian { bars: 2, fade_bars: 4 });
    assert_votes(&votes, &[NONE, NONE, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]);
}

#[test]
fn distances_are_graded_by_the_atr() {
    // True ranges 2, 2, and 13 − 10 = 3 at the step from 10 to 12, whose high is 13.
    let panel = coin(&[10.0, 10.0, 10.0, 12.0], 1.0, &[1.0, 1.0, 1.0, 3.0]);
    let params = test_params();
    let symbol = Symbol::new(&panel, 0, &params);
    assert_votes(&symbol.atr, &[NONE, NONE, 2.0, 2.5]);
    // The price rises by 2 in two bars.
    let change = momentum::rate_of_change(&symbol, &AtrDistance { bars: 2, full_atr: 4.0 });
    assert_votes(&change, &[NONE, NONE, 0.0, 0.2]);
    // The average is (10 + 3 · 12)/4 = 11.5, 0.5 below the close.
    let vwap = volume::vwap(&symbol, &AtrDistance { bars: 2, full_atr: 1.0 });
    assert_votes(&vwap, &[NONE, NONE, 0.0, 0.2]);
    // The line through 10, 10, 12 rises by 1 per bar, 2 in total.
    let slope = trend::regression_slope(&symbol, &AtrDistance { bars: 3, full_atr: 1.6 });
    assert_votes(&slope, &[NONE, NONE, 0.0, 0.5]);
}

#[test]
fn volume_voters_take_the_side_of_the_bar() {
    let panel = coin(&[10.0, 10.0, 11.0, 10.0, 10.0, 11.0], 1.0, &[1.0, 3.0, 4.0, 14.0, 90.0, 1.0]);
    let params = test_params();
    let symbol = Symbol::new(&panel, 0, &params);
    // The usual volumes are 2, 3.5, 9, 52. Twice the usual volume is half a vote; a bar without a change has no side.
    let breakout = volume::volume_breakout(&symbol, &IndexLevel { bars: 2, full: 3.0 });
    assert_votes(&breakout, &[NONE, NONE, 0.5, -1.0, 0.0, 0.0]);
    // +4 of 7, 4 − 14 of 18, −14 of 104, +1 of 91.
    let trend = volume::obv_trend(&symbol, &IndexLevel { bars: 2, full: 1.0 });
    assert_votes(&trend, &[NONE, NONE, 4.0 / 7.0, -10.0 / 18.0, -14.0 / 104.0, 1.0 / 91.0]);
}

#[test]
fn keltner_votes_only_beyond_its_bands() {
    // Averages of two: 10, 10, then 10 + 2/3 · 6 = 14 and 14 + 2/3 · 2 = 46/3; true ranges 2, 2, 7, 2.
    let panel = coin(&[10.0, 10.0, 10.0, 16.0, 16.0], 1.0, &ONES[..5]);
    let symbol = Symbol::new(&panel, 0, &test_params());
    let with =
        |multiplier| volatility::keltner_breakout(&symbol, &Keltner { bars: 2, atr_bars: 2, multiplier, full: 2.0 });
    // ATR 2, 4.5, 3.25. The close is 2 and 2/3 above the average.
    assert_votes(&with(0.4), &[NONE, NONE, 0.0, 2.0 / 3.6, 0.0]);
    assert_votes(&with(0.1), &[NONE, NONE, 0.0, 1.0, 1.0]);
    assert_votes(&with(0.5), &[NONE, NONE, 0.0, 0.0, 0.0]);
}

#[test]
fn a_squeeze_votes_when_it_is_over() {
    // Bollinger bands against ATR bands of two bars: in quiet bars they are within, at a jump of 8 they are not.
    let panel = coin(&[10.0, 10.0, 10.0, 18.0, 26.0, 26.0, 26.0], 1.0, &ONES[..7]);
    let symbol = Symbol::new(&panel, 0, &test_params());
    let p = AtrSqueeze { bars: 2, deviations: 1.5, multiplier: 1.0, fade_bars: 2, full_atr: 2.0 };
    // Deviations 0, 4, 4, 0, 0, times 1.5, against ATR 2, 5.5, 7.25, 4.625, …: the squeeze ends only at the first jump,
    // where the close is 4 above the mean. Then there is a squeeze again, which does not end.
    assert_votes(&volatility::atr_squeeze(&symbol, &p), &[NONE, NONE, 0.0, 4.0 / 11.0, 0.0, 0.0, 0.0]);
    let p = AtrSqueeze { multiplier: 0.5, ..p };
    // Now the squeeze is over for two bars: at the second one, half of the vote 4/14.5 is left.
    assert_votes(&volatility::atr_squeeze(&symbol, &p), &[NONE, NONE, 0.0, 4.0 / 11.0, 2.0 / 14.5, 0.0, 0.0]);
}

#[test]
fn a_coin_is_expected_to_follow_the_rest_of_bitcoins_move() {
    let panel = coin(&[100.0, 101.0, 102.01, 101.0, 103.0], 1.0, &ONES[..5]);
    let symbol = Symbol::new(&panel, 0, &test_params());
    let p = BitcoinLead { bars: 1, deviation_bars: 3, full: 4.0 };
    let own = across::usual_moves(symbol.close, &p);
    // Returns 1 %, 1 %, −0.99 %: their mean and deviation, computed by hand.
    let down: f64 = 101.0 / 102.01 - 1.0;
    let mean = (0.02 + down) / 3.0;
    let deviation = ((2.0 * (0.01 - mean) * (0.01 - mean) + (down - mean) * (down - mean)) / 2.0).sqrt();
    assert!((own[3] - down / deviation).abs() < 1e-9 && own[2].is_nan() && own[4] > 0.0);
    let led = |bitcoin: f64| cross_asset::bitcoin_lead(&symbol, &[bitcoin; 5], &p);
    // At bar 3 the coin fell, so that all of Bitcoin's rise is left. At bar 4 it rose, so that its own rise is gone.
    assert_votes(&led(2.0), &[NONE, NONE, NONE, 0.5, (2.0 - own[4]) / 4.0]);
    // It rose, or fell, further than Bitcoin, so that nothing is left.
    assert_votes(&led(own[4] / 2.0)[4..], &[0.0]);
    assert_votes(&led(own[3] / 2.0)[3..], &[0.0, own[3] / 8.0]);
    assert_votes(&led(f64::NAN), &[NONE; 5]);
}
