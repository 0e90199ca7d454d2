//! What is offered, in which order, and what the account may take of it besides its sizes.

use super::*;

#[test]
fn the_merit_is_the_edge_over_the_distance_of_the_stop() {
    let offer =
        |edge_bps, stop_price| Offer { edge_bps, ..offers(&[stop_at(stop_price, trade(0, 1, 2, 0.0, Time))])[0] };
    // 20 bps over 4 %, and over 1 %.
    assert_eq!((offer(20.0, 96.0).merit(), offer(20.0, 99.0).merit()), (0.05, 0.2));
    for without in [offer(f64::NAN, 96.0), offer(20.0, 101.0), offer(20.0, f64::NAN)] {
        assert_eq!(without.merit(), f64::NEG_INFINITY);
    }
}

#[test]
fn the_greatest_merit_is_offered_first_and_equal_ones_in_the_panels_order() {
    // 2.5 % of 1000 is 25: the first two may lose 10 each, the third 5, the last nothing.
    let limits = Limits { max_open_risk: 0.025, ..limits() };
    let order_of = |edges: [f64; 4]| {
        let mut offers = offers(&[0, 1, 2, 3].map(|symbol| trade(symbol, 1, 9, 0.0, Time)));
        offers.iter_mut().zip(edges).for_each(|(offer, edge)| offer.edge_bps = edge);
        let ledger = follow(&panel(), &offers, &DAYS, &limits, &[], &|| None);
        (sizes(&ledger), reasons(&ledger))
    };
    assert_eq!(order_of([10.0, 20.0, 40.0, 30.0]).0, [(1, 125.0), (2, 250.0), (3, 250.0)]);
    assert_eq!(order_of([10.0, 20.0, 40.0, 30.0]).1, [(0, "open_risk")]);
    assert_eq!(order_of([20.0; 4]).0, [(0, 250.0), (1, 250.0), (2, 125.0)]);
    assert_eq!(order_of([f64::NAN, 20.0, 20.0, 20.0]).1, [(0, "open_risk")]);
    // The same edge is worth more where less is at risk: 2 % instead of 4 %.
    let trades = [trade(0, 1, 9, 0.0, Time), trade(1, 1, 9, 0.0, Time), stop_at(98.0, trade(2, 1, 9, 0.0, Time))];
    let limits = Limits { max_open_risk: 0.015, ..limits };
    assert_eq!(sizes(&run(&panel(), &trades, &limits)), [(0, 125.0), (2, 500.0)]);
}

#[test]
fn signals_on_the_side_that_is_held_are_skipped_and_one_on_the_other_side_reverses() {
    let short = |trade: Trade| Trade { side: Side::Short, stop_price: 104.0, ..trade };
    let trades = [
        trade(0, 1, 8, 0.0, SignalReversal),
        trade(0, 3, 8, 0.0, SignalReversal),
        short(trade(0, 8, 12, 0.0, Time)),
        // Signalled at the close before the short is closed: it is still held then.
        short(trade(0, 12, 20, 0.0, Time)),
        short(trade(0, 13, 20, 0.0, Time)),
        trade(1, 3, 9, 0.0, Time),
    ];
    let ledger = run(&panel(), &trades, &limits());
    assert_eq!(sizes(&ledger), [(0, 250.0), (2, 250.0), (4, 250.0), (5, 250.0)]);
    assert_eq!((ledger.skipped.as_slice(), ledger.refused.len()), ([1, 3].as_slice(), 0));
    assert_eq!((ledger.decided(), ledger.account.refused), (vec![0, 2, 4, 5], 0));
}

#[test]
fn a_coin_whose_first_trade_was_refused_is_offered_the_next_one() {
    // One coin may have 25 % of the equity. The other quote of A has all of it until bar 4.
    let limits = Limits { max_coin_share: 0.25, ..limits() };
    let panel = panel_of(&["A-X", "A-Y"], |_, _| None);
    let trades = [trade(1, 1, 4, 0.0, Time), trade(0, 3, 9, 0.0, Time), trade(0, 5, 9, 0.0, Time)];
    let ledger = run(&panel, &trades, &limits);
    assert_eq!((sizes(&ledger), reasons(&ledger)), (vec![(0, 250.0), (2, 250.0)], vec![(1, "coin_share")]));
}

#[test]
fn open_risk_is_what_the_day_has_left_to_lose() {
    // The limit is 2.5 % of 1000: 25. B's loss of 250 · 6 % leaves 10. A has 250, so 10 at its stop: nothing is left for
    // C at bar 4, although the day has lost less than its limit. When A has won 5, 15 are left, and C may lose 1 % of
    // the equity, 990.
    let limits = Limits { max_open_risk: 0.025, ..breakers(|b| b.daily_stop = 0.025) };
    let trades = [
        trade(0, 1, 6, 200.0, Time),
        trade(1, 1, 3, -600.0, Time),
        trade(2, 4, 9, 0.0, Time),
        trade(2, 6, 9, 0.0, Time),
        // 9.9 of C's are at risk, so 24.75 − 10 − 9.9 are left for D, rounded down.
        trade(3, 7, 30, 0.0, Time),
        // The next day has its limit to itself, but for what D may lose.
        trade(0, 25, 30, 0.0, Time),
        trade(1, 25, 30, 0.0, Time),
    ];
    let ledger = run(&panel(), &trades, &limits);
    assert_eq!(reasons(&ledger), [(2, "open_risk")]);
    assert_eq!(sizes(&ledger), [(0, 250.0), (1, 250.0), (3, 247.5), (4, 121.249999), (5, 247.5), (6, 247.5)]);
    // A model's own account has no breakers, and the day's losses do not concern it.
    assert_eq!(follow_without_breakers(&panel(), &trades, &DAYS, &limits).refused, []);
}

#[test]
fn what_an_open_position_has_lost_is_not_counted_twice_and_what_it_had_won_before_the_day_is() {
    // A closes at 98 from bar 2 to 21, at 106 from then on: 250 of it has lost 5 at first, then won 15.
    let close = |bar| {
        if bar < 2 {
            100.0
        } else if bar < 22 {
            98.0
        } else {
            106.0
        }
    };
    let panel = panel_of(&["A-X", "B-X", "C-X"], |symbol, bar| {
        let close: f64 = if symbol == 0 { close(bar) } else { 100.0 };
        Some([100.0, close.max(100.0), close.min(100.0), close])
    });
    let limits = Limits { max_open_risk: 0.025, ..limits() };
    let trades = [
        trade(0, 1, 40, 0.0, Time),
        // 24.875 of 995 may be lost, 10 of it by A from its entry on: 14.875 are left, and B takes 1 % of 995.
        trade(1, 5, 10, 0.0, Time),
        // The new day begins at 1015. At its stop A gives back 15 and loses 10, so of 25.375 no more than 0.375 is left.
        trade(2, 30, 40, 0.0, Time),
    ];
    let ledger = run(&panel, &trades, &limits);
    assert_eq!(sizes(&ledger), [(0, 250.0), (1, 248.749999), (2, 9.375)]);
}

#[test]
fn the_net_exposure_to_the_market_is_capped_and_trims_the_size() {
    let limits = Limits { max_beta_exposure: 0.5, ..limits() };
    let short = |trade: Trade| Trade { side: Side::Short, stop_price: 104.0, ..trade };
    let offered = |betas: [f64; 4], trades: [Trade; 4]| {
        let mut offers = offers(&trades);
        offers.iter_mut().zip(betas).for_each(|(offer, beta)| offer.beta = beta);
        follow(&panel(), &offers, &DAYS, &limits, &[], &|| None)
    };
    let trades = [0, 1, 2, 3].map(|symbol| trade(symbol, 1 + symbol, 9, 0.0, Time));
    // 250 · 1.2 leave 200: 125 at a beta of 1.6, then nothing at an unknown beta, which counts as 1.
    let ledger = offered([1.2, 1.6, f64::NAN, 0.0], trades);
    assert_eq!(
        (sizes(&ledger), reasons(&ledger)),
        (vec![(0, 250.0), (1, 125.0), (3, 250.0)], vec![(2, "correlation")])
    );
    assert_eq!((size_limits(&ledger)[1], ledger.peaks.beta_exposure), ((1, "correlation"), 0.5));
    // A sale, or a coin that moves against the market, makes room: 500 − 250 · 2 + 250 · 1.5 = 375 is used, 125 left.
    let ledger = offered([2.0, 1.5, 1.0, 1.0], [trades[0], short(trades[1]), trades[2], trades[3]]);
    assert_eq!(sizes(&ledger), [(0, 250.0), (1, 250.0), (2, 250.0), (3, 125.0)]);
    let ledger = offered([2.0, -1.5, 1.0, 1.0], trades);
    assert_eq!(sizes(&ledger), [(0, 250.0), (1, 250.0), (2, 250.0), (3, 125.0)]);
    // The cap is on both sides: sales alone are bound as well.
    let ledger = offered([1.0; 4], trades.map(short));
    assert_eq!(
        (sizes(&ledger), reasons(&ledger)),
        (vec![(0, 250.0), (1, 250.0)], vec![(2, "correlation"), (3, "correlation")])
    );
}
