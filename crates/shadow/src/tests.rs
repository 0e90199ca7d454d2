//! Costs and fills, worked out by hand.

use huracan_bars::{Candles, FundingHistory, HOUR_MS, MarketTerms, Markets, Panel, Timeframe};

use super::sweep::{self, Grid, Task};
use super::*;

/// Hourly bars of open, high, low and close; each trades 1,000 units.
fn panel(bars: &[[f64; 4]]) -> Panel {
    let mut candles = Candles::default();
    bars.iter().enumerate().for_each(|(bar, prices)| candles.push(bar as i64 * HOUR_MS, *prices, 1000.0));
    Panel::new(vec![("A-USDT".to_owned(), candles)], Timeframe::H1, 1, false).unwrap()
}

const QUIET: [f64; 4] = [100.0, 100.5, 99.5, 100.0];

/// No costs at all, and shorts.
fn free() -> Rules {
    Rules {
        fee_bps: 0.0,
        spread_bps: 0.0,
        slippage: SlippageRule::Turnover,
        slippage_k: 0.0,
        stop_slippage_bps: 0.0,
        shorts: true,
        ..Rules::default()
    }
}

/// The trades of signals (bar, side) with a stop of 100 and a take of 200 basis points. The ATR is 2.
fn trades(panel: &Panel, signals: &[(usize, i8)], rules: &Rules) -> Vec<Trade> {
    let mut given = Signals::none(1, panel.bars);
    for &(bar, side) in signals {
        (given.side[bar], given.stop_bps[bar], given.take_bps[bar]) = (side, 100.0, 200.0);
    }
    let window = vec![vec![0..panel.bars]];
    simulate(panel, &given, &vec![2.0; panel.bars], &window, rules)
}

fn one(panel: &Panel, side: i8, rules: &Rules) -> Trade {
    let trades = trades(panel, &[(0, side)], rules);
    assert_eq!(trades.len(), 1);
    trades[0]
}

fn near(got: f64, want: f64) {
    assert!((got - want).abs() < 1e-9, "{got}, worked out by hand {want}");
}

#[test]
fn the_widest_of_setting_quote_and_tick_is_the_spread() {
    let mut panel = panel(&[QUIET, QUIET, [100.0, 103.0, 99.5, 100.0]]);
    let rules = Rules { spread_bps: 3.0, ..free() };
    near(one(&panel, 1, &rules).spread_bps, 3.0);
    panel.terms[0].spread_bps = Some(2.0);
    near(one(&panel, 1, &rules).spread_bps, 3.0);
    panel.terms[0].spread_bps = Some(5.0);
    near(one(&panel, 1, &rules).spread_bps, 5.0);
    // A tick of 0.1 is 10 bps at the entry at 100, and 9.80 at the exit at 102.
    panel.terms[0].tick = Some(0.1);
    near(one(&panel, 1, &rules).spread_bps, 5.0 + 0.05 / 102.0 * 10_000.0);
    let trade = one(&panel, 1, &rules);
    near(trade.net_bps, trade.gross_bps - trade.spread_bps);
    // What makes no sense does not count.
    panel.terms[0] = MarketTerms { tick: Some(f64::NAN), spread_bps: Some(-4.0), ..MarketTerms::default() };
    near(one(&panel, 1, &rules).spread_bps, 3.0);
}

#[test]
fn the_exchanges_taker_fee_takes_the_place_of_the_setting() {
    let mut panel = panel(&[QUIET; 3]);
    let rules = Rules { fee_bps: 4.0, ..free() };
    panel.terms[0].maker_fee_bps = Some(1.0);
    near(one(&panel, 1, &rules).fee_bps, 8.0);
    panel.terms[0].taker_fee_bps = Some(10.0);
    near(one(&panel, 1, &rules).fee_bps, 20.0);
    panel.terms[0].taker_fee_bps = Some(0.5);
    near(one(&panel, 1, &rules).fee_bps, 1.0);
    near(one(&panel, 1, &Rules { exchange_fees: false, ..rules }).fee_bps, 8.0);
}

#[test]
fn slippage_grows_with_the_volatility_at_the_signal_up_to_the_cap() {
    let panel = panel(&[QUIET; 3]);
    // The bars trade 100,000, the notional is 1,000: a tenth, each way. ATR 2 of 100 is 200 bps.
    let rules =
        Rules { slippage: SlippageRule::Volatility, slippage_atr: 0.5, slippage_k: 30.0, notional: 1000.0, ..free() };
    near(one(&panel, 1, &rules).slippage_bps, 20.0);
    near(one(&panel, -1, &rules).slippage_bps, 20.0);
    near(one(&panel, 1, &Rules { slippage_cap_bps: 4.0, ..rules }).slippage_bps, 8.0);
    near(one(&panel, 1, &Rules { slippage: SlippageRule::Turnover, ..rules }).slippage_bps, 6.0);
    // Without an ATR the volatility is not known.
    let mut given = Signals::none(1, 3);
    (given.side[0], given.stop_bps[0], given.take_bps[0]) = (1, 100.0, 100.0);
    let trades = simulate(&panel, &given, &[f64::NAN; 3], &[vec![0..3]], &rules);
    near(trades[0].slippage_bps, 6.0);
}

#[test]
fn a_stop_is_filled_worse_but_not_beyond_the_bar() {
    let rules = Rules { stop_slippage_bps: 10.0, ..free() };
    let deep = panel(&[QUIET, QUIET, [100.0, 100.0, 98.0, 99.0]]);
    let long = one(&deep, 1, &rules);
    assert_eq!((long.exit_reason, long.stop_price), (ExitReason::StopLoss, 99.0));
    near(long.exit_price, 99.0 * 0.999);
    let shallow = panel(&[QUIET, QUIET, [100.0, 100.0, 98.95, 99.0]]);
    assert_eq!(one(&shallow, 1, &rules).exit_price, 98.95);
    let high = panel(&[QUIET, QUIET, [100.0, 103.0, 100.0, 101.0]]);
    near(one(&high, -1, &rules).exit_price, 101.0 * 1.001);
    assert_eq!(one(&panel(&[QUIET, QUIET, [100.0, 101.0, 100.0, 101.0]]), -1, &rules).exit_price, 101.0);
    // A gap beyond the stop is filled at the open, and a take at the take.
    assert_eq!(one(&panel(&[QUIET, QUIET, [98.0, 98.5, 97.0, 98.0]]), 1, &rules).exit_price, 98.0);
    assert_eq!(one(&panel(&[QUIET, QUIET, [100.0, 102.5, 99.5, 100.0]]), 1, &rules).exit_price, 102.0);
}

/// 40 quiet bars with payments of 1, 2 and −4 bps at 8:00, 16:00 and 24:00.
fn funded() -> Panel {
    let hours: Vec<i64> = (1..=3).map(|i| i * 8 * HOUR_MS).collect();
    let history = FundingHistory::new(&hours, &[0.0001, 0.0002, -0.0004]).unwrap().0;
    let funding = [("A-USDT".to_owned(), history)].into();
    panel(&[QUIET; 40]).with_markets(&Markets { funding, ..Markets::default() })
}

#[test]
fn a_perpetual_pays_the_funding_that_is_known_and_a_short_receives_it() {
    let panel = funded();
    let rules = Rules { max_hold: 8, pays_known_funding: true, funding_bps_per_bar: 0.125, notional: 1000.0, ..free() };
    let held = |signal: usize, side: i8, rules: &Rules| trades(&panel, &[(signal, side)], rules)[0].funding_bps;
    let known = |got: f64, want: f64| assert!((got - want).abs() < 1e-5, "{got} for {want}");
    // Entered at 9:00, left at 17:00: the payment at 16:00.
    known(held(8, 1, &rules), 2.0);
    known(held(8, -1, &rules), -2.0);
    // Entered at 8:00 sharp, left at 16:00 sharp: that of 16:00 and not that of 8:00.
    known(held(7, 1, &rules), 2.0);
    known(held(16, 1, &rules), -4.0);
    // Before the first payment, and once a fourth is due, the history says nothing: the flat rate, without a sign.
    assert_eq!((held(6, 1, &rules), held(6, -1, &rules)), (1.0, 1.0));
    assert_eq!(held(24, -1, &rules), 1.0);
    let spot = Rules { pays_known_funding: false, funding_bps_per_bar: 0.0, ..rules };
    assert_eq!(held(8, 1, &spot), 0.0);
    let trade = trades(&panel, &[(8, -1)], &rules)[0];
    near(trade.net_bps, trade.gross_bps - trade.funding_bps);
}

#[test]
fn what_a_trade_realises_of_an_edge_counts_the_funding_that_is_known_and_no_other() {
    let panel = funded();
    let rules = Rules { max_hold: 8, pays_known_funding: true, funding_bps_per_bar: 0.125, notional: 1000.0, ..free() };
    let realised = |signal: usize, side: i8, rules: &Rules| {
        let trade = trades(&panel, &[(signal, side)], rules)[0];
        (CoinCosts::of(&panel, 0, rules).realised_bps(&trade), trade)
    };
    let (long, short) = (realised(8, 1, &rules), realised(8, -1, &rules));
    assert!((long.0 - (long.1.gross_bps - 2.0)).abs() < 1e-5 && (short.0 - (short.1.gross_bps + 2.0)).abs() < 1e-5);
    // Both sides together are the edge, which is what a model learns: half the difference of the net results.
    near((long.0 - short.0) / 2.0, (long.1.net_bps - short.1.net_bps) / 2.0);
    // The flat rate is the same on both sides, and cancels from an edge.
    let (flat, trade) = realised(6, 1, &rules);
    assert!(trade.funding_bps == 1.0 && flat == trade.gross_bps);
    let spot = Rules { pays_known_funding: false, funding_bps_per_bar: 0.0, ..rules };
    let (none, trade) = realised(8, 1, &spot);
    assert_eq!(none, trade.gross_bps);
}

#[test]
fn without_shorts_a_short_signal_ends_a_long_position_and_enters_nothing() {
    let panel = panel(&[QUIET; 12]);
    let rules = Rules { shorts: false, ..free() };
    let made = trades(&panel, &[(0, -1), (2, 1), (4, -1), (5, -1), (7, 1)], &rules);
    let said: Vec<_> = made.iter().map(|t| (t.side, t.entry_bar, t.exit_bar, t.exit_reason)).collect();
    let want = [(Side::Long, 3, 5, ExitReason::SignalReversal), (Side::Long, 8, 11, ExitReason::EndOfData)];
    assert_eq!(said, want);
    let both = trades(&panel, &[(0, -1), (2, 1), (4, -1), (5, -1), (7, 1)], &Rules { shorts: true, ..rules });
    assert_eq!(both.len(), 4);
}

#[test]
fn a_short_on_spot_pays_for_borrowed_coins() {
    let costs = CostParams { spot_shorts: SpotShorts::Borrow, borrow_bps_per_day: 24.0, ..CostParams::default() };
    let made = Rules::new(&BarrierParams::default(), &costs, MarketType::Spot, Timeframe::H1);
    assert!(made.shorts && made.allows(Side::Short));
    let rules = Rules { borrow_bps_per_bar: made.borrow_bps_per_bar, max_hold: 5, ..free() };
    let panel = panel(&[QUIET; 12]);
    assert_eq!(one(&panel, -1, &rules).funding_bps, 5.0);
    assert_eq!(one(&panel, 1, &rules).funding_bps, 0.0);
    let none = Rules::new(&BarrierParams::default(), &CostParams::default(), MarketType::Spot, Timeframe::H1);
    assert_eq!((none.shorts, none.borrow_bps_per_bar), (false, 0.0));
    let perp = Rules::new(&BarrierParams::default(), &costs, MarketType::Perp, Timeframe::H1);
    assert_eq!((perp.shorts, perp.borrow_bps_per_bar, perp.funding_bps_per_bar), (true, 0.0, 0.125));
}

#[test]
fn a_sweep_makes_the_same_trades_with_every_cost() {
    let mut panel = funded();
    panel.terms[0] = MarketTerms { tick: Some(0.05), taker_fee_bps: Some(7.0), ..MarketTerms::default() };
    for (bar, low) in [(9, 98.0), (20, 97.0), (30, 98.9)] {
        panel.low[bar] = low;
    }
    let scores: Vec<f32> = (0..40).map(|bar| [1.0, f32::NAN, -1.0, f32::NAN, 1.0][bar % 5]).collect();
    let atr = vec![1.0; 40];
    let windows = vec![vec![0..13, 13..40]];
    for shorts in [true, false] {
        let rules = Rules { shorts, pays_known_funding: true, ..Rules::default() };
        let grid = Grid { thresholds: vec![0.5], stop_atr: vec![1.0, 2.0], take_atr: vec![2.0], max_hold: vec![3, 9] };
        let task = Task { panel: &panel, scores: &scores, atr: &atr, windows: &windows, rules: &rules, grid: &grid };
        let surface = sweep::sweep(task, &|_, _| ()).unwrap();
        for setting in 0..grid.len() {
            let chosen = grid.setting(setting);
            let (stop_atr, take_atr, max_hold) = (chosen.stop_atr, chosen.take_atr, chosen.max_hold);
            let mut signals = Signals::none(1, 40);
            signals.side = scores.iter().map(|&score| if score.is_nan() { 0 } else { score as i8 }).collect();
            let own = Rules { stop_atr, take_atr, max_hold, ..rules };
            let want = simulate(&panel, &signals, &atr, &windows, &own);
            assert!(want.len() > 5 && want.iter().all(|trade| shorts || trade.side == Side::Long));
            assert_eq!(sweep::trades(task, setting).unwrap(), want);
            let net: i64 = want.iter().map(|trade| (trade.net_bps * 1024.0).round() as i64).sum();
            assert_eq!((surface.total(setting).trades, surface.total(setting).net), (want.len() as u64, net));
        }
    }
}
