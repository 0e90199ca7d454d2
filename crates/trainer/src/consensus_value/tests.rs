use super::*;
use huracan_bars::{Candles, DAY_MS, HOUR_MS, Timeframe};
use huracan_decide::{Opinion, Prediction};
use huracan_shadow::{ExitReason, Side};

fn trade(entry_bar: usize, gross_bps: f64) -> Trade {
    Trade {
        symbol: 0,
        side: Side::Long,
        signal_bar: entry_bar - 1,
        entry_bar,
        entry_price: 100.0,
        exit_bar: entry_bar + 2,
        exit_price: 100.0,
        stop_price: 90.0,
        take_price: 110.0,
        size: 1.0,
        exit_reason: ExitReason::Time,
        gross_bps,
        fee_bps: 0.0,
        spread_bps: 0.0,
        slippage_bps: 0.0,
        funding_bps: 0.0,
        net_bps: gross_bps,
    }
}

/// Confirmed trades earn 10 ± 3 and others 4 ± 1, together up and down.
#[test]
fn a_difference_and_its_error_are_those_worked_out_by_hand() {
    let group = |blocks: usize, mean: f64, spread: f64| -> Vec<Trade> {
        let sign = |block: usize| if block.is_multiple_of(2) { 1.0 } else { -1.0 };
        (0..blocks).map(|block| trade(100 * block + 1, mean + spread * sign(block))).collect()
    };
    let of = |blocks: usize| {
        let (yes, no) = (group(blocks, 10.0, 3.0), group(blocks, 4.0, 1.0));
        let (yes, no): (Vec<&Trade>, Vec<&Trade>) = (yes.iter().collect(), no.iter().collect());
        let block = |trade: &Trade| (trade.entry_bar / 100) as i64;
        (difference(&yes, &no, block), difference(&no, &yes, block), difference(&yes, &[], block))
    };
    let (gain, loss, nothing) = of(12);
    let (gain, error) = gain.unwrap();
    // A block's sum is (±3 ∓ 1)/12 = ±1/6: √(12 · 1/36 · 12/11). With a sign swapped it would be twice as much.
    assert!((gain - 6.0).abs() < 1e-12 && (error.unwrap() - (4.0_f64 / 11.0).sqrt()).abs() < 1e-12, "{gain} {error:?}");
    assert_eq!(loss.map(|(loss, other)| (loss, other.is_some())), Some((-gain, true)));
    assert_eq!(nothing, None);
    assert!(of(8).0.is_some_and(|(_, error)| error.is_none()), "eight blocks say too little");
}

/// Each day one signal that the consensus confirms, after which the price rises, and one that it does not, after which it falls.
#[test]
fn the_gain_is_that_of_confirmed_trades_over_the_others() {
    let (days, hours) = (12, 24);
    let bars = days * hours;
    let mut candles = Candles::default();
    for bar in 0..bars {
        let price = if (3..13).contains(&(bar % hours)) { 101.0 } else { 100.0 };
        candles.push(bar as i64 * HOUR_MS, [price; 4], 1e9);
    }
    let panel = Panel::new(vec![("A-USD".to_owned(), candles)], Timeframe::H1, 1, false).unwrap();
    let rules = Rules { stop_atr: 50.0, take_atr: 50.0, max_hold: 2, shorts: true, ..Rules::default() };
    let prediction = Prediction { win_long: 0.9, win_short: 0.1, edge_bps: 1000.0, told_bps: 1000.0, lead: 1.0 };
    let candidates: Vec<Candidate> =
        (0..bars).filter(|bar| [0, 10].contains(&(bar % hours))).map(|bar| (0, bar, Some(prediction))).collect();
    let opinion = |bar: usize| Opinion {
        score: if bar.is_multiple_of(hours) { 0.5 } else { -0.5 },
        threshold: 0.3,
        confidence: 60.0,
        expected_bps: f32::NAN,
    };
    let consensus = Consensus { bars, opinions: (0..bars).map(opinion).collect(), hit_rates: Vec::new() };
    let deciding = Deciding {
        panel: &panel,
        candidates: &candidates,
        consensus: &consensus,
        atr: &vec![1.0; bars],
        rules: &rules,
        windows: &[std::iter::once(0..bars).collect()],
        policy: Policy { mode: DecideMode::Model, margin_bps: 0.0 },
        block_ms: DAY_MS,
    };
    let found = deciding.value();
    assert_eq!(found.modes.iter().map(|mode| mode.trades).collect::<Vec<_>>(), [24, 12, 0]);
    // Bought at 100 and sold at 101, and the other way round.
    let gain = 1e4 * (0.01 + 1.0 / 101.0);
    assert!((found.gain_bps.unwrap() - gain).abs() < 1e-6, "{found:?}");
    assert!(found.gain_error_bps.unwrap() < 1e-6, "{found:?}");
    // In blocks of two days there are six.
    let wide = Deciding { block_ms: 2 * DAY_MS, ..deciding }.value();
    assert_eq!((wide.gain_bps, wide.gain_error_bps), (found.gain_bps, None));
    assert_eq!(wide.modes[0].error_bps, None);
}
