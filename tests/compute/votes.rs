//! What must hold for the votes of all engines, whatever the prices.

use huracan::arith::{draw, uniform};
use huracan::bars::{Candles, HOUR_MS, Panel, Timeframe};
use huracan::decide::votes::VoterParams;
use huracan::decide::votes::{Family, VOTERS, Voter, Votes, compute};
use huracan::settings::Settings;
use proptest::prelude::*;

fn engines() -> VoterParams {
    Settings::defaults().decide.voters
}

fn panel(candles: Vec<(&str, Candles)>) -> Panel {
    let candles = candles.into_iter().map(|(symbol, candles)| (symbol.to_owned(), candles)).collect();
    Panel::new(candles, Timeframe::H1, 24, true).unwrap()
}

/// A candle from the price before, with wicks of a share of the price.
fn push(candles: &mut Candles, bar: i64, before: f64, close: f64, wick: f64, volume: f64) {
    let (high, low) = (before.max(close) * (1.0 + wick), before.min(close) / (1.0 + wick));
    candles.push(bar * HOUR_MS, [before, high, low, close], volume);
}

/// A random walk from bar `first` on; `seed` names it.
fn walk(seed: u64, first: i64, bars: i64) -> Candles {
    let (mut candles, mut price) = (Candles::default(), 100.0);
    for bar in first..first + bars {
        let [step, wick, volume] = [0, 1, 2].map(|k| uniform(draw(seed, bar as u64, k)));
        let next = price * (1.0 + (step - 0.5) * 0.03);
        push(&mut candles, bar, price, next, wick * 0.01, 10.0 + volume);
        price = next;
    }
    candles
}

/// A hundred quiet bars, then twelve that go one way by 1 % each on twice the volume, the last one by 4 % on four times.
fn launch(up: bool) -> Candles {
    let mut candles = Candles::default();
    let mut before = 100.0;
    for bar in 0..112 {
        let quiet = if bar % 2 == 0 { 1.001 } else { 1.0 / 1.001 };
        let step: f64 = match bar {
            0..100 => quiet,
            111 => 1.04,
            _ => 1.01,
        };
        let close = if bar < 100 || up { before * step } else { before / step };
        push(
            &mut candles,
            bar,
            before,
            close,
            0.001,
            [10.0, 20.0, 40.0][usize::from(bar >= 100) + usize::from(bar == 111)],
        );
        before = close;
    }
    candles
}

fn column(votes: &Votes, symbol: usize, voter: Voter) -> Vec<f32> {
    (0..votes.bars).map(|bar| votes.row(symbol, bar)[voter as usize]).collect()
}

#[test]
fn engines_take_the_side_that_their_family_believes_in() {
    // The coin alone, then beside Bitcoin: what leads is Bitcoin's own last bar.
    for (up, along) in [(true, 1.0), (false, -1.0)] {
        let votes = compute(
            &panel(vec![("BTC-USDT", launch(up)), ("C-USDT", launch(!up)), ("D-USDT", walk(1, 0, 112))]),
            &engines(),
        );
        for voter in Voter::ALL {
            let sign = match voter.family() {
                Family::Reversion => -along,
                Family::CrossAsset => continue,
                _ => along,
            };
            for (symbol, sign) in [(0, sign), (1, -sign)] {
                let column = column(&votes, symbol, voter);
                let (moved, last) = (&column[100..], column[111]);
                let sum: f32 = moved.iter().sum();
                assert!(f64::from(sum) * sign > 0.5, "{voter}: {moved:?}, up: {up}");
                // The fading vote after a squeeze may be over.
                assert!(
                    voter == Voter::AtrSqueeze || f64::from(last) * sign > 0.2,
                    "{voter} ends with {last}, up: {up}"
                );
            }
        }
        let strength = column(&votes, 0, Voter::RelativeStrength)[111];
        assert_eq!(f64::from(strength), along, "of three coins, one went that way furthest");
        assert_eq!(column(&votes, 1, Voter::RelativeStrength)[111], -strength);
        // The other coin went against Bitcoin, and has the whole move before it; Bitcoin itself has none left.
        assert!(f64::from(column(&votes, 1, Voter::BitcoinLead)[111]) * along > 0.9);
        assert_eq!(column(&votes, 0, Voter::BitcoinLead)[111], 0.0);
    }
}

#[test]
fn every_engine_votes_from_its_warm_up_on_and_only_where_its_symbol_has_bars() {
    let panel = panel(vec![("BTC-USDT", walk(1, 0, 300)), ("C-USDT", walk(2, 60, 200))]);
    let engines = engines();
    let votes = compute(&panel, &engines);
    for voter in Voter::ALL {
        for (symbol, range) in panel.ranges.iter().enumerate() {
            for (bar, vote) in column(&votes, symbol, voter).into_iter().enumerate() {
                let expected = range.contains(&bar) && bar - range.start >= voter.warm_up(&engines);
                assert_eq!(!vote.is_nan(), expected, "{voter} of {} at {bar} is {vote}", panel.symbols[symbol]);
                assert!(!vote.is_nan() || vote.to_bits() == f32::NAN.to_bits());
            }
        }
        assert!(
            column(&votes, 1, voter)[60..260].iter().any(|vote| *vote != 0.0 && !vote.is_nan()),
            "{voter} only waits"
        );
    }
}

#[test]
fn prices_that_stand_still_have_no_side() {
    for price in [0.1, 1.0 / 3.0, 7e-9, 43_210.7] {
        for volume in [0.0, 3.7] {
            let mut candles = Candles::default();
            (0..200).for_each(|bar| candles.push(bar * HOUR_MS, [price; 4], volume));
            // A history before it, whose ATR is still fading.
            let mut moved = walk(3, 0, 100);
            let scale = price / moved.close[99];
            for column in [&mut moved.open, &mut moved.high, &mut moved.low, &mut moved.close] {
                column.iter_mut().for_each(|x| *x *= scale);
            }
            (100..900).for_each(|bar| moved.push(bar * HOUR_MS, [price; 4], volume));
            let [still, moved] =
                [candles, moved].map(|candles| compute(&panel(vec![("BTC-USDT", candles)]), &engines()));
            for voter in Voter::ALL {
                let votes = column(&still, 0, voter);
                assert!(votes.iter().all(|vote| vote.is_nan() || *vote == 0.0), "{voter} at {price}: {votes:?}");
                // SuperTrend keeps its side until a price breaks its line, RSI and ADX theirs while their averages fade.
                if ![Voter::Supertrend, Voter::Rsi, Voter::Adx].contains(&voter) {
                    let last = column(&moved, 0, voter)[899];
                    assert!(last.abs() < 1e-3, "{voter} at {price} ends with {last}");
                }
            }
        }
    }
}

#[test]
fn a_coin_alone_has_no_rank_and_no_bitcoin() {
    let votes = compute(&panel(vec![("C-USDT", walk(4, 0, 100))]), &engines());
    assert!(column(&votes, 0, Voter::BitcoinLead).iter().all(|vote| vote.is_nan()));
    assert!(column(&votes, 0, Voter::RelativeStrength)[20..].iter().all(|vote| *vote == 0.0));
    let short = compute(&panel(vec![("C-USDT", walk(4, 0, 1))]), &engines());
    assert!(short.values.len() == VOTERS && short.values.iter().all(|vote| vote.is_nan()));
}

#[test]
fn engines_that_are_off_have_no_vote_and_the_others_keep_theirs() {
    let panel = panel(vec![("BTC-USDT", walk(1, 0, 120)), ("C-USDT", walk(2, 0, 120))]);
    let all = compute(&panel, &engines());
    for off in Voter::ALL {
        let votes = compute(&panel, &VoterParams { off: vec![off.name().to_owned()], ..engines() });
        for voter in Voter::ALL {
            let (got, want) = (column(&votes, 1, voter), column(&all, 1, voter));
            let same = got.iter().zip(&want).all(|(got, want)| got.to_bits() == want.to_bits());
            assert_eq!(same, voter != off, "{voter} with {off} off");
            assert!(voter != off || got.iter().all(|vote| vote.is_nan()));
        }
    }
}

/// The panel with everything after `cut` made up anew, and later listings put off to then.
fn scrambled(panel: &Panel, cut: usize) -> Panel {
    let mut other = panel.clone();
    for (symbol, range) in panel.ranges.iter().enumerate() {
        for bar in range.start.max(cut + 1)..range.end {
            let cell = symbol * panel.bars + bar;
            let [a, b, c, d] = [0, 1, 2, 3].map(|k| uniform(draw(9, cell as u64, k)));
            let low = panel.low[cell] * (0.2 + 4.0 * a);
            let high = low * (1.0 + b);
            (other.low[cell], other.high[cell], other.open[cell]) = (low, high, low);
            (other.close[cell], other.volume[cell]) = (low + (high - low) * c, 1000.0 * d);
        }
    }
    other
}

#[test]
fn past_votes_keep_their_bits_when_the_future_is_scrambled() {
    let panel = panel(vec![("BTC-USDT", walk(1, 0, 260)), ("C-USDT", walk(2, 30, 230)), ("D-USDT", walk(3, 0, 200))]);
    let before = compute(&panel, &engines());
    for cut in [25, 64, 99, 127, 150, 198, 240] {
        let after = compute(&scrambled(&panel, cut), &engines());
        let mut changed = [false; VOTERS];
        for symbol in 0..3 {
            for bar in 0..panel.bars {
                for voter in Voter::ALL {
                    let (old, new) = (before.row(symbol, bar)[voter as usize], after.row(symbol, bar)[voter as usize]);
                    let same = old.to_bits() == new.to_bits();
                    assert!(same || bar > cut, "{voter} of {symbol} at {bar}, cut {cut}: {old} became {new}");
                    changed[voter as usize] |= !same;
                }
            }
        }
        // Else the scrambling would prove nothing.
        assert_eq!(changed, [true; VOTERS], "cut {cut}");
    }
}

#[test]
fn votes_are_the_same_bits_with_one_thread_and_with_two() {
    let names = ["BTC-USDT", "C-USDT", "D-USDT", "E-USDT", "F-USDT"];
    let panel =
        panel(names.into_iter().enumerate().map(|(k, name)| (name, walk(k as u64, 7 * k as i64, 200))).collect());
    let [one, two] = [1, 2].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let votes = pool.install(|| compute(&panel, &engines()));
        votes.values.iter().map(|vote| vote.to_bits()).collect::<Vec<_>>()
    });
    assert_eq!(one, two);
}

/// Parts of a history that are as unlike as can be: wild, flat, without volume, and whole ones of one price.
fn histories() -> impl Strategy<Value = Vec<Candles>> {
    let part = (0u8..6, 1i64..60, any::<u64>());
    prop::collection::vec((prop::collection::vec(part, 1..6), -12.0f64..12.0), 1..4).prop_map(|coins| {
        coins
            .into_iter()
            .map(|(parts, exponent)| {
                let (mut candles, mut bar) = (Candles::default(), 0);
                let mut price = huracan::arith::exp(exponent * std::f64::consts::LN_10);
                for (kind, bars, seed) in parts {
                    for _ in 0..bars {
                        let [step, wick, volume] = [0, 1, 2].map(|k| uniform(draw(seed, bar as u64, k)));
                        let (next, wick, volume) = match kind {
                            0 => (price * (1.0 + (step - 0.5) * 0.02), wick * 0.01, volume * 1e3),
                            // Up to a hundredfold a bar, either way.
                            1 => (price * huracan::arith::exp((step - 0.5) * 9.2), wick * 3.0, volume * 1e12),
                            2 => (price, 0.0, volume),
                            3 => (price, 0.0, 0.0),
                            4 => (price * (1.0 + (step - 0.5) * 1e-15), 0.0, 1e-12),
                            _ => (price * 1.01, 0.0, 0.0),
                        };
                        let next = next.clamp(1e-30, 1e30);
                        push(&mut candles, bar, price, next, wick, volume);
                        (price, bar) = (next, bar + 1);
                    }
                }
                candles
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn votes_stay_within_their_range_and_exist_after_the_warm_up(histories in histories(), atr_bars in 2usize..30) {
        let names = ["BTC-USDT", "C-USDT", "D-USDT"];
        let panel = panel(names.into_iter().zip(histories).collect());
        let engines = VoterParams { atr_bars, ..engines() };
        let votes = compute(&panel, &engines);
        for (symbol, range) in panel.ranges.iter().enumerate() {
            for bar in 0..panel.bars {
                for voter in Voter::ALL {
                    let vote = votes.row(symbol, bar)[voter as usize];
                    let warm = range.contains(&bar) && bar - range.start >= voter.warm_up(&engines);
                    // Bitcoin's own history may be over, or too short.
                    let known = warm && (voter != Voter::BitcoinLead || panel.ranges[0].contains(&bar));
                    prop_assert!(vote.is_nan() || (-1.0..=1.0).contains(&vote), "{voter} is {vote}");
                    prop_assert_eq!(!vote.is_nan(), known, "{} of {} at {} is {}", voter, symbol, bar, vote);
                }
            }
        }
    }
}
