//! Breakers that look further back than the day, or at one coin alone.

use super::*;

#[test]
fn losses_in_a_row_of_one_coin_leave_the_others_alone() {
    let limits = breakers(|b| (b.streak_losses, b.streak_wins) = (2, 1));
    let outcome = |symbol, bar, sign: f64| trade(symbol, bar, bar + 1, sign * 1e-6, Time);
    // A and B lose in turn; each needs two losses of its own. C-X and C-Y are one coin.
    let trades = [
        outcome(0, 1, -1.0),
        outcome(1, 1, -1.0),
        outcome(0, 3, -1.0),
        outcome(0, 5, 1.0),
        outcome(1, 5, 1.0),
        outcome(0, 7, 1.0),
        outcome(2, 9, -1.0),
        outcome(3, 11, -1.0),
        outcome(2, 13, 1.0),
    ];
    let panel = panel_of(&["A-X", "B-X", "C-X", "C-Y"], |_, _| None);
    let ledger = run(&panel, &trades, &limits);
    let halved: Vec<usize> = (ledger.taken.iter())
        .filter(|taken| taken.approved.streak_factor() == 0.5)
        .map(|taken| taken.approved.order().trade)
        .collect();
    assert_eq!(halved, [3, 8]);
    let event = |coin, from_bar, to_bar| BreakerEvent { breaker: Breaker::Streak, from_bar, to_bar, coin: Some(coin) };
    assert_eq!(ledger.breakers, [event(0, 4, 6), event(2, 12, 14)]);
}

#[test]
fn below_the_high_of_the_last_days_nothing_is_entered_until_it_is_too_old() {
    // A loses 250 · 12 % at bar 3: 3 % of 1000, more than the limit of 2 %. The 1000 count at the opens of one day, from
    // bar 1, where the account began, to bar 24. Its closes of bars 1 and 2 are as high and count for two bars more.
    let limits = breakers(|b| (b.drawdown_days, b.drawdown_limit) = (1, 0.02));
    let trades = [
        trade(0, 1, 3, -1200.0, Time),
        trade(1, 3, 4, 0.0, Time),
        trade(1, 5, 6, 0.0, Time),
        trade(1, 26, 28, 0.0, Time),
        trade(1, 27, 28, 0.0, Time),
    ];
    let ledger = run(&panel(), &trades, &limits);
    // At the open of bar 3 the loss is not yet part of a close.
    assert_eq!(reasons(&ledger), [(2, "drawdown_limit"), (3, "drawdown_limit")]);
    let event = |from_bar, to_bar| BreakerEvent { breaker: Breaker::DrawdownLimit, from_bar, to_bar, coin: None };
    assert_eq!(ledger.breakers, [event(3, 27)]);
    // Without later entries the period ends all the same.
    assert_eq!(run(&panel(), &trades[..2], &limits).breakers, [event(3, 27)]);
    assert!(follow_without_breakers(&panel(), &trades, &DAYS, &limits).refused.is_empty());
}

#[test]
fn entries_begin_again_when_open_positions_have_recovered() {
    // 250 of A at 90: 2.5 % below 1000, beyond the limit of 2 %; at 93 from bar 8 on: 1.75 %.
    let close = |bar| match bar {
        0..4 => 100.0,
        4..8 => 90.0,
        _ => 93.0,
    };
    let panel = panel_of(&["A-X", "B-X"], |symbol, bar| {
        let close: f64 = if symbol == 0 { close(bar) } else { 100.0 };
        Some([100.0, 100.0, close, close])
    });
    let limits = breakers(|b| b.drawdown_limit = 0.02);
    let trades = [trade(0, 1, 40, 0.0, Time), trade(1, 8, 20, 0.0, Time), trade(1, 9, 20, 0.0, Time)];
    let ledger = run(&panel, &trades, &limits);
    assert_eq!(reasons(&ledger), [(1, "drawdown_limit")]);
    let event = BreakerEvent { breaker: Breaker::DrawdownLimit, from_bar: 4, to_bar: 9, coin: None };
    assert_eq!(ledger.breakers, [event]);
}
