//! Scenarios computed by hand.

mod breakers;
mod offers;

use std::cell::Cell;

use super::*;
use huracan_bars::{Candles, DAY_MS, HOUR_MS, Panel, Timeframe};
use huracan_shadow::{ExitReason, Side, Trade};

/// Three days of hourly bars at 100; `change` replaces bars of a symbol.
fn panel_of(symbols: &[&str], change: impl Fn(usize, usize) -> Option<[f64; 4]>) -> Panel {
    let candles = |symbol: usize| {
        let mut candles = Candles::default();
        (0..72).for_each(|bar| candles.push(bar as i64 * HOUR_MS, change(symbol, bar).unwrap_or([100.0; 4]), 1.0));
        candles
    };
    let all = symbols.iter().enumerate().map(|(n, name)| ((*name).to_owned(), candles(n))).collect();
    Panel::new(all, Timeframe::H1, 1, false).unwrap()
}

fn panel() -> Panel {
    panel_of(&["A-X", "B-X", "C-X", "D-X"], |_, _| None)
}

const DAYS: [i64; 3] = [0, DAY_MS, 2 * DAY_MS];

/// A long trade with a stop distance of 4 %.
fn trade(symbol: usize, entry_bar: usize, exit_bar: usize, net_bps: f64, exit_reason: ExitReason) -> Trade {
    Trade {
        symbol,
        side: Side::Long,
        signal_bar: entry_bar - 1,
        entry_bar,
        entry_price: 100.0,
        exit_bar,
        exit_price: 100.0 + net_bps / 100.0,
        stop_price: 96.0,
        take_price: 110.0,
        size: 1.0,
        exit_reason,
        gross_bps: net_bps,
        fee_bps: 0.0,
        spread_bps: 0.0,
        slippage_bps: 0.0,
        funding_bps: 0.0,
        net_bps,
    }
}

fn stop_at(stop_price: f64, trade: Trade) -> Trade {
    Trade { stop_price, ..trade }
}

/// Wide caps and breakers that never trip.
fn limits() -> Limits {
    Limits {
        start_equity: 1000.0,
        per_trade: 0.01,
        max_leverage: 100.0,
        max_coin_share: 100.0,
        max_open_risk: 1.0,
        max_beta_exposure: 100.0,
        breakers: Some(BreakerLimits {
            daily_stop: 1.0,
            drawdown_stop: 1.0,
            drawdown_days: 30,
            drawdown_limit: 1.0,
            streak_losses: 1000,
            streak_factor: 0.5,
            streak_wins: 2,
            volatility_percentile: 0.95,
            volatility_days: 1,
            defence_factor: 0.5,
        }),
    }
}

fn breakers(change: impl Fn(&mut BreakerLimits)) -> Limits {
    let mut limits = limits();
    limits.breakers.as_mut().map(change);
    limits
}

/// Offers of equal merit where the stops are equally far, of coins that move with the market.
fn offers(trades: &[Trade]) -> Vec<Offer> {
    trades.iter().map(|&trade| Offer { trade, edge_bps: 20.0, beta: 1.0 }).collect()
}

fn run(panel: &Panel, trades: &[Trade], limits: &Limits) -> Ledger {
    follow(panel, &offers(trades), &DAYS, limits, &[], &|| None)
}

/// Index and notional of each trade taken, by entry.
fn sizes(ledger: &Ledger) -> Vec<(usize, f64)> {
    let mut sizes: Vec<(usize, f64)> =
        ledger.taken.iter().map(|t| (t.approved.order().trade, t.approved.notional().value())).collect();
    sizes.sort_by_key(|size| size.0);
    sizes
}

fn reasons(ledger: &Ledger) -> Vec<(usize, &'static str)> {
    ledger.refused.iter().map(|refused| (refused.order.trade, refused.reason.name())).collect()
}

fn size_limits(ledger: &Ledger) -> Vec<(usize, &'static str)> {
    let mut limits: Vec<_> =
        ledger.taken.iter().map(|t| (t.approved.order().trade, t.approved.size_limit().name())).collect();
    limits.sort_unstable();
    limits
}

use ExitReason::{EndOfData, SignalReversal, StopLoss, TakeProfit, Time};

#[test]
fn the_size_is_risk_over_stop_distance_and_the_profit_is_booked_at_the_exit() {
    // 1 % of 1000 over 4 % is 250; over 2 % it is 500. The third is sized after the first two exits, which made
    // 250 · 2 % = 5 and 500 · −1 % = −5, so it is 250 again. The fourth is 25 % of 1000 + 250 · 5 % = 1012.5.
    let trades = [
        trade(0, 1, 5, 200.0, TakeProfit),
        stop_at(98.0, trade(1, 2, 6, -100.0, Time)),
        trade(2, 7, 8, 500.0, TakeProfit),
        trade(2, 30, 40, 0.0, Time),
    ];
    let ledger = run(&panel(), &trades, &limits());
    assert_eq!(sizes(&ledger), [(0, 250.0), (1, 500.0), (2, 250.0), (3, 253.125)]);
    assert_eq!(size_limits(&ledger), [(0, "per_trade"), (1, "per_trade"), (2, "per_trade"), (3, "per_trade")]);
    let profits: Vec<f64> = ledger.taken.iter().map(|taken| taken.profit.value()).collect();
    assert_eq!(profits, [5.0, -5.0, 12.5, 0.0]);
    assert_eq!(ledger.equity().value(), 1012.5);
    assert_eq!(ledger.account.curve, [(0, 1000.0), (DAY_MS, 1012.5), (2 * DAY_MS, 1012.5), (3 * DAY_MS, 1012.5)]);
    assert_eq!((ledger.account.entries.len(), ledger.account.refused, ledger.high_water.value()), (4, 0, 1012.5));
}

#[test]
fn caps_reduce_a_size_and_a_trade_with_almost_nothing_left_is_refused() {
    // Each requests 250. One coin may have 40 % (400): A's three quotes get 250, then 150, then nothing. All coins may
    // have 70 %: 300 are left for the other coins, so 250; then 50; then nothing.
    let limits = Limits { max_coin_share: 0.4, max_leverage: 0.7, ..limits() };
    let trades = [
        trade(0, 1, 50, 0.0, Time),
        trade(1, 2, 50, 0.0, Time),
        trade(2, 3, 50, 0.0, Time),
        trade(3, 4, 50, 0.0, Time),
        trade(4, 5, 50, 0.0, Time),
        trade(5, 6, 50, 0.0, Time),
    ];
    let panel = panel_of(&["A-X", "A-Y", "A-Z", "B-X", "C-X", "D-X"], |_, _| None);
    let ledger = run(&panel, &trades, &limits);
    assert_eq!(sizes(&ledger), [(0, 250.0), (1, 150.0), (3, 250.0), (4, 50.0)]);
    assert_eq!(size_limits(&ledger), [(0, "per_trade"), (1, "coin_share"), (3, "per_trade"), (4, "leverage")]);
    assert_eq!(reasons(&ledger), [(2, "coin_share"), (5, "leverage")]);
    assert_eq!((ledger.refused[0].requested.value(), ledger.refused[0].available.value()), (250.0, 0.0));
    assert_eq!((ledger.peaks.leverage, ledger.peaks.coin_share, ledger.peaks.open_risk), (0.7, 0.4, 0.028));
    assert_eq!((ledger.refusals()[&Refusal::Leverage], ledger.account.refused), (1, 2));
}

#[test]
fn two_symbols_with_the_same_base_are_one_coin() {
    let limits = Limits { max_coin_share: 0.25, ..limits() };
    let panel = panel_of(&["A-USD", "A-USDT", "AB-USD"], |_, _| None);
    let trades = [trade(0, 1, 9, 0.0, Time), trade(1, 2, 9, 0.0, Time), trade(2, 3, 9, 0.0, Time)];
    assert_eq!(reasons(&run(&panel, &trades, &limits)), [(1, "coin_share")]);
}

#[test]
fn the_stops_of_all_open_positions_lose_no_more_than_the_daily_loss_limit() {
    // 2.5 % of 1000 is 25: two stops of 10 fit, the third may lose 5 (over 4 %: 125), the fourth nothing.
    let limits = Limits { max_open_risk: 0.025, ..limits() };
    let trades = [0, 1, 2, 3].map(|symbol| trade(symbol, 1, 9, 0.0, Time));
    let ledger = run(&panel(), &trades, &limits);
    assert_eq!(sizes(&ledger), [(0, 250.0), (1, 250.0), (2, 125.0)]);
    assert_eq!((size_limits(&ledger)[2], reasons(&ledger)), ((2, "open_risk"), vec![(3, "open_risk")]));
    let risk: Money = ledger.taken.iter().map(|taken| taken.approved.risk()).sum();
    assert_eq!(risk.value(), 25.0);
}

#[test]
fn within_a_bar_exits_at_the_open_come_first_then_entries_then_other_exits() {
    // One coin may have 25 %: a position must be closed before the next one, in another quote, fits.
    let limits = Limits { max_coin_share: 0.25, ..limits() };
    let panel = panel_of(&["A-X", "A-Y"], |_, _| None);
    let next_is_taken = |exit_reason, exit_price| {
        let first = Trade { exit_price, ..trade(0, 1, 5, 0.0, exit_reason) };
        let ledger = run(&panel, &[first, trade(1, 5, 9, 0.0, Time)], &limits);
        ledger.taken.len() == 2
    };
    assert!(next_is_taken(Time, 100.0) && next_is_taken(SignalReversal, 100.0));
    // A stop or take at the open's price was a gap; at any other price it was reached later in the bar.
    assert!(next_is_taken(StopLoss, 100.0) && next_is_taken(TakeProfit, 100.0));
    assert!(!next_is_taken(StopLoss, 96.0) && !next_is_taken(TakeProfit, 110.0) && !next_is_taken(EndOfData, 100.0));
    // A trade that exits in its entry bar never exits at the open.
    let ledger = run(&panel, &[trade(0, 5, 5, -400.0, StopLoss), trade(0, 6, 7, 0.0, Time)], &limits);
    assert_eq!(sizes(&ledger), [(0, 250.0), (1, 247.5)]);
}

#[test]
fn a_day_that_reached_its_loss_limit_has_no_entries_until_midnight() {
    // The limit is 1 % of 1000. Two trades of 250 lose 2 % each, 5 and then 4.975 (248.75 · 2 %): 9.975 is below the
    // limit. The third (247.51 · 2 %, 4.95) exceeds it. The next day starts at 985.074875 and trades again.
    let limits = breakers(|b| b.daily_stop = 0.01);
    let loss = |symbol, bar| trade(symbol, bar, bar + 1, -200.0, Time);
    let trades = [loss(0, 1), loss(0, 3), loss(0, 5), loss(1, 6), loss(1, 22), loss(1, 24)];
    let ledger = run(&panel(), &trades, &limits);
    assert_eq!(reasons(&ledger), [(3, "daily_stop"), (4, "daily_stop")]);
    let equity = 1000.0 * 0.995 * 0.995 * 0.995;
    assert!((ledger.account.curve[1].1 - equity).abs() < 1e-6 && ledger.taken.len() == 4);
    assert_eq!(ledger.breakers, [BreakerEvent { breaker: Breaker::DailyStop, from_bar: 6, to_bar: 24, coin: None }]);
    assert!(follow_without_breakers(&panel(), &trades, &DAYS, &limits).refused.is_empty());
}

#[test]
fn profits_of_the_day_offset_its_losses() {
    let limits = breakers(|b| b.daily_stop = 0.01);
    let trade = |bar, bps| trade(0, bar, bar + 1, bps, Time);
    // +5, then −5 and −5: the day is at about −5, which is above −10.
    let trades = [trade(1, 200.0), trade(3, -200.0), trade(5, -200.0), trade(7, 0.0)];
    assert!(run(&panel(), &trades, &limits).refused.is_empty());
}

#[test]
fn a_fall_of_marked_equity_from_the_days_highest_ends_entries_for_the_day() {
    // 250 of A. Its closes: 104 at bar 3 (equity 1010), 92 at bar 4 (980: 2.97 % below), 91.8 at bar 5 (979.5: 3.02 %).
    // Only opens and closes move; the stop is never reached.
    let close = |bar| match bar {
        3 => 104.0,
        4 => 92.0,
        5..24 => 91.8,
        _ => 100.0,
    };
    let panel = panel_of(&["A-X", "B-X"], |symbol, bar| {
        let close: f64 = if symbol == 0 { close(bar) } else { 100.0 };
        Some([100.0, close.max(100.0), close.min(100.0), close])
    });
    let limits = breakers(|b| b.drawdown_stop = 0.03);
    let trades = [
        trade(0, 1, 40, 0.0, Time),
        trade(1, 5, 5, 0.0, StopLoss),
        trade(1, 6, 7, 0.0, Time),
        trade(1, 23, 30, 0.0, Time),
        trade(1, 24, 30, 0.0, Time),
    ];
    let ledger = run(&panel, &trades, &limits);
    assert_eq!(reasons(&ledger), [(2, "drawdown_breaker"), (3, "drawdown_breaker")]);
    // The order at bar 5 was sized by the mark of bar 4: 1 % of 980 over 4 %.
    assert_eq!(sizes(&ledger), [(0, 250.0), (1, 245.0), (4, 244.875)]);
    assert_eq!(ledger.breakers, [BreakerEvent { breaker: Breaker::Drawdown, from_bar: 5, to_bar: 24, coin: None }]);
    assert_eq!((ledger.account.curve[1], ledger.account.curve[2]), ((DAY_MS, 979.5), (2 * DAY_MS, 1000.0)));
    assert_eq!((ledger.high_water.value(), ledger.equity().value()), (1010.0, 1000.0));
}

#[test]
fn three_losses_in_a_row_halve_sizes_until_two_wins_in_a_row() {
    let limits = breakers(|b| b.streak_losses = 3);
    // Trades that win or lose a millionth of a basis point: equity is unchanged, but the streak counts them.
    let outcomes = [-1, -1, 1, -1, -1, -1, 1, -1, 1, 1, 1, -1];
    let trades: Vec<Trade> =
        (1..).zip(outcomes).map(|(n, sign)| trade(0, 2 * n, 2 * n + 1, f64::from(sign) * 1e-6, Time)).collect();
    let ledger = run(&panel(), &trades, &limits);
    let factors: Vec<f64> = ledger.taken.iter().map(|taken| taken.approved.streak_factor()).collect();
    assert_eq!(factors, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 1.0, 1.0]);
    assert_eq!((sizes(&ledger)[5].1, sizes(&ledger)[6].1), (250.0, 125.0));
    // From the exit of the sixth to that of the tenth.
    assert_eq!(ledger.breakers, [BreakerEvent { breaker: Breaker::Streak, from_bar: 13, to_bar: 21, coin: Some(0) }]);
}

#[test]
fn a_streak_also_reduces_a_size_that_a_cap_determined() {
    let limits = Limits { max_coin_share: 0.1, ..breakers(|b| b.streak_losses = 1) };
    let trades = [trade(0, 2, 3, -1e-6, Time), trade(0, 4, 5, 0.0, Time)];
    let ledger = run(&panel(), &trades, &limits);
    assert_eq!((sizes(&ledger)[1], size_limits(&ledger)[1]), ((1, 50.0), (1, "coin_share")));
    assert_eq!(ledger.breakers, [BreakerEvent { breaker: Breaker::Streak, from_bar: 3, to_bar: 72, coin: Some(0) }]);
}

#[test]
fn high_volatility_halves_sizes_and_with_a_factor_of_zero_ends_entries() {
    let mut volatility: Vec<f64> = vec![1.0; 72];
    volatility[30] = 2.0;
    let trades = [trade(0, 30, 33, 0.0, Time), trade(1, 31, 33, 0.0, Time), trade(2, 32, 33, 0.0, Time)];
    let ledger = follow(&panel(), &offers(&trades), &DAYS, &limits(), &volatility, &|| None);
    // Bar 30's value is known at the open of bar 31; bar 31's own value is normal again.
    assert_eq!(sizes(&ledger), [(0, 250.0), (1, 125.0), (2, 250.0)]);
    assert_eq!(ledger.taken.iter().filter(|taken| taken.approved.defence_factor() == 0.5).count(), 1);
    assert_eq!(ledger.breakers, [BreakerEvent { breaker: Breaker::Volatility, from_bar: 31, to_bar: 32, coin: None }]);
    let none = breakers(|b| b.defence_factor = 0.0);
    let ledger = follow(&panel(), &offers(&trades), &DAYS, &none, &volatility, &|| None);
    assert_eq!(reasons(&ledger), [(1, "volatility_breaker")]);
}

#[test]
fn the_kill_switch_is_checked_before_every_decision_and_stays_on() {
    let checks = Cell::new(0);
    // On only at the third check: once it has been on, it counts as on.
    let kill = || {
        checks.set(checks.get() + 1);
        (checks.get() == 3).then(|| "wild prices".to_owned())
    };
    let trades: Vec<Trade> = (1..6).map(|n| trade(0, 2 * n, 2 * n + 1, 0.0, Time)).collect();
    let ledger = follow(&panel(), &offers(&trades), &DAYS, &limits(), &[], &kill);
    assert_eq!(reasons(&ledger), [(2, "kill_switch"), (3, "kill_switch"), (4, "kill_switch")]);
    assert_eq!(ledger.killed.as_deref(), Some("wild prices"));
    assert_eq!((ledger.taken.len(), checks.get()), (2, 3));
    assert_eq!(ledger.breakers, [BreakerEvent { breaker: Breaker::KillSwitch, from_bar: 6, to_bar: 72, coin: None }]);
}

#[test]
fn invalid_stops_and_empty_accounts_are_refused() {
    let trades = [
        stop_at(100.0, trade(0, 1, 2, 0.0, Time)),
        stop_at(101.0, trade(0, 3, 4, 0.0, Time)),
        stop_at(f64::NAN, trade(0, 5, 6, 0.0, Time)),
        Trade { side: Side::Short, stop_price: 104.0, ..trade(0, 7, 8, 0.0, Time) },
        Trade { side: Side::Short, ..trade(0, 9, 10, 0.0, Time) },
        // The short's stop was 4 % away, and the price rose sixfold: 250 · −500 % is more than the whole account.
        Trade { side: Side::Short, stop_price: 104.0, ..trade(1, 11, 12, -50_000.0, StopLoss) },
        trade(0, 13, 14, 0.0, Time),
    ];
    let ledger = run(&panel(), &trades, &limits());
    let stop = "stop_distance";
    assert_eq!(reasons(&ledger), [(0, stop), (1, stop), (2, stop), (4, stop), (6, "no_equity")]);
    assert_eq!((ledger.equity().value(), ledger.account.final_equity()), (-250.0, -250.0));
    // 1 % of 3 over 4 % is 0.75, below the minimum notional.
    let poor = Limits { start_equity: 3.0, ..limits() };
    assert_eq!(reasons(&run(&panel(), &[trade(0, 1, 2, 0.0, Time)], &poor)), [(0, "dust")]);
    let ledger = run(&panel(), &[trade(0, 1, 2, 0.0, Time)], &Limits { start_equity: 4.0, ..limits() });
    assert_eq!(sizes(&ledger), [(0, 1.0)]);
}

#[test]
fn the_defaults_of_the_settings_are_the_limits_of_the_portfolio() {
    let limits = Limits::of(&RiskParams::default());
    assert_eq!((limits.per_trade, limits.max_leverage, limits.max_coin_share), (0.01, 2.0, 0.25));
    assert_eq!((limits.max_beta_exposure, limits.without_breakers().max_beta_exposure), (1.0, f64::INFINITY));
    let breakers = limits.breakers.unwrap();
    assert_eq!((limits.max_open_risk, breakers.daily_stop, breakers.drawdown_stop), (0.025, 0.025, 0.03));
    assert_eq!((breakers.drawdown_days, breakers.drawdown_limit), (30, 0.1));
    assert_eq!((breakers.streak_losses, breakers.streak_factor, breakers.streak_wins), (3, 0.5, 2));
    assert_eq!((breakers.volatility_percentile, breakers.volatility_days), (0.95, 30));
    assert_eq!((breakers.defence_factor, limits.without_breakers().breakers), (0.5, None));
}

#[test]
fn names_of_reasons_are_stable() {
    let names: Vec<&str> = Refusal::ALL.iter().map(|reason| reason.name()).collect();
    assert_eq!(
        names.join(" "),
        "kill_switch no_equity daily_stop drawdown_breaker drawdown_limit stop_distance volatility_breaker dust \
         coin_share leverage open_risk correlation"
    );
}
