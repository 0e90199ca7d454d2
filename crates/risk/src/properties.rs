//! Property tests: no sequence of prices and signals breaks a rule. Every decision is checked again from the ledger
//! alone, by a simple reference implementation.

use std::cell::Cell;

use proptest::prelude::*;

use super::*;
use huracan_bars::{Candles, DAY_MS, HOUR_MS, Panel, Timeframe};
use huracan_base::arith::{draw, uniform};
use huracan_shadow::{self, ExitReason, Rules, Signals, Trade};

#[derive(Debug, Clone)]
struct RandomMarket {
    seed: u64,
    symbols: usize,
    bars: usize,
    /// Share of bars that open with a gap.
    gaps: f64,
    /// Share of bars with a signal.
    signals: f64,
    /// Range of the stop distances, basis points, drawn on a logarithmic scale.
    stops: (f64, f64),
    limits: Limits,
    /// Number of decisions after which the kill switch is on.
    kill_after: usize,
}

fn random_market(symbols: std::ops::Range<usize>, bars: std::ops::Range<usize>) -> impl Strategy<Value = RandomMarket> {
    let market = (any::<u64>(), symbols, bars, 0.0..0.3_f64, 0.02..0.9_f64);
    let equity = prop_oneof![0.5..5.0_f64, 100.0..1e5_f64, 1e9..1e12_f64];
    let caps = (equity, 1e-4..0.1_f64, 0.05..4.0_f64, 0.01..1.0_f64, 0.005..0.3_f64);
    let breakers = (0.002..0.2_f64, 0.002..0.2_f64, 1..5_u32, 0.01..1.0_f64, 1..4_u32, 0.5..1.0_f64, 0.0..1.0_f64);
    let stops = prop_oneof![Just((0.01, 10.0)), Just((1.0, 9000.0)), Just((50.0, 300.0))];
    (market, caps, breakers, stops, prop_oneof![3 => Just(usize::MAX), 1 => 0..200_usize]).prop_map(
        |((seed, symbols, bars, gaps, signals), caps, b, stops, kill_after)| RandomMarket {
            seed,
            symbols,
            bars,
            gaps,
            signals,
            stops,
            kill_after,
            limits: Limits {
                start_equity: caps.0,
                per_trade: caps.1,
                max_leverage: caps.2,
                max_coin_share: caps.3,
                max_open_risk: caps.4,
                breakers: Some(BreakerLimits {
                    daily_stop: b.0,
                    drawdown_stop: b.1,
                    streak_losses: b.2,
                    streak_factor: b.3,
                    streak_wins: b.4,
                    volatility_percentile: b.5,
                    volatility_days: 1,
                    defence_factor: b.6,
                }),
            },
        },
    )
}

impl RandomMarket {
    fn draw(&self, stream: u64, symbol: usize, bar: usize) -> f64 {
        uniform(draw(self.seed, stream, (symbol * 100_000 + bar) as u64))
    }

    fn panel(&self) -> Panel {
        let candles = |symbol: usize| {
            let mut candles = Candles::default();
            let mut close = 1.0 + 1000.0 * self.draw(1, symbol, 0);
            for bar in 0..self.bars {
                let mut open: f64 = close;
                if self.draw(2, symbol, bar) < self.gaps {
                    // Down to a tenth, or tenfold.
                    open *= if self.draw(3, symbol, bar) < 0.5 { 0.1 } else { 10.0 };
                    open = open.clamp(1e-6, 1e9);
                }
                close = open * (0.9 + 0.2 * self.draw(4, symbol, bar));
                let high = open.max(close) * (1.0 + 0.05 * self.draw(5, symbol, bar));
                let low = open.min(close) * (1.0 - 0.05 * self.draw(6, symbol, bar));
                candles.push(bar as i64 * HOUR_MS, [open, high, low, close], 1e6);
            }
            // Each pair of symbols is one coin.
            (format!("{:04}-{}", symbol / 2, symbol % 2), candles)
        };
        Panel::new((0..self.symbols).map(candles).collect(), Timeframe::H1, 1, false).unwrap()
    }

    fn trades(&self, panel: &Panel) -> Vec<Trade> {
        let mut signals = Signals::none(self.symbols, self.bars);
        for symbol in 0..self.symbols {
            for bar in 0..self.bars {
                if self.draw(7, symbol, bar) < self.signals {
                    let cell = symbol * self.bars + bar;
                    signals.side[cell] = if self.draw(8, symbol, bar) < 0.5 { -1 } else { 1 };
                    let (low, high) = self.stops;
                    signals.stop_bps[cell] =
                        low * huracan_base::arith::exp(huracan_base::arith::ln(high / low) * self.draw(9, symbol, bar));
                    signals.take_bps[cell] = signals.stop_bps[cell] * (0.2 + 2.0 * self.draw(10, symbol, bar));
                }
            }
        }
        let rules = Rules {
            stop_atr: 1.0,
            take_atr: 1.0,
            max_hold: 6,
            fee_bps: 4.0,
            spread_bps: 2.0,
            funding_bps_per_bar: 0.1,
            shorts: true,
            ..Rules::default()
        };
        let windows: Vec<_> = (0..self.symbols).map(|_| vec![0..self.bars / 2, self.bars / 2..self.bars]).collect();
        huracan_shadow::simulate(panel, &signals, &vec![f64::NAN; self.symbols * self.bars], &windows, &rules)
    }

    fn check(&self) {
        let panel = self.panel();
        let trades = self.trades(&panel);
        let days: Vec<i64> = (0..=(self.bars as i64 - 1) * HOUR_MS / DAY_MS).map(|day| day * DAY_MS).collect();
        let volatility: Vec<f64> = (0..self.bars).map(|bar| self.draw(11, 0, bar)).collect();
        let decisions = Cell::new(0);
        let kill = || {
            decisions.set(decisions.get() + 1);
            (decisions.get() > self.kill_after).then(|| "enough".to_owned())
        };
        let ledger = follow(&panel, &trades, &days, &self.limits, &volatility, &kill);
        let b = self.limits.breakers.unwrap();
        let defence = defence_mode(&volatility, 24, b.volatility_percentile);
        let auditor = Auditor { panel: &panel, trades: &trades, limits: &self.limits, ledger: &ledger, defence };
        auditor.audit(self.kill_after);

        let ledger = follow_without_breakers(&panel, &trades, &days, &self.limits);
        let by_breaker =
            |refused: &&RiskRefused| refused.reason < Refusal::StopDistance && refused.reason != Refusal::NoEquity;
        assert_eq!((ledger.refused.iter().find(by_breaker), ledger.breakers.len()), (None, 0));
        assert_eq!(ledger.taken.len() + ledger.refused.len(), trades.len());
    }
}

/// One decision, as recorded in the ledger.
struct Decision {
    /// Index of the trade.
    trade: usize,
    taken: Option<TakenTrade>,
    reason: Option<Refusal>,
    available: f64,
    requested: f64,
}

/// The account when an order is decided, as the reference implementation finds it.
struct State<'t> {
    /// Open positions: entered earlier, and not closed by the open of this bar.
    open: Vec<&'t TakenTrade>,
    equity: f64,
    /// Equity at the start of the day.
    start: f64,
    daily_stop: bool,
    drawdown: bool,
    /// Whether sizes are reduced after a streak of losses.
    reduced: bool,
    /// Tolerance of comparisons of money.
    tolerance: f64,
}

struct Auditor<'a> {
    panel: &'a Panel,
    trades: &'a [Trade],
    limits: &'a Limits,
    ledger: &'a Ledger,
    defence: Vec<bool>,
}

impl Auditor<'_> {
    /// Whether the trade exited at the open of its last bar.
    fn exited_at_open(&self, trade: &Trade) -> bool {
        let open = self.panel.row(&self.panel.open, trade.symbol)[trade.exit_bar];
        trade.exit_bar > trade.entry_bar && trade.exit_price == open && trade.exit_reason != ExitReason::EndOfData
    }

    /// When the trade exited: the bar, and 0 at its open, 1 within it, 2 at its close.
    fn exit(&self, trade: &Trade) -> (usize, u8) {
        match trade.exit_reason {
            _ if self.exited_at_open(trade) => (trade.exit_bar, 0),
            ExitReason::EndOfData => (trade.exit_bar, 2),
            _ => (trade.exit_bar, 1),
        }
    }

    fn decisions(&self) -> Vec<Decision> {
        let taken = self.ledger.taken.iter().map(|taken| Decision {
            trade: taken.approved.order().trade,
            taken: Some(*taken),
            reason: None,
            available: 0.0,
            requested: 0.0,
        });
        let refused = self.ledger.refused.iter().map(|refused| Decision {
            trade: refused.order.trade,
            taken: None,
            reason: Some(refused.reason),
            available: refused.available.value(),
            requested: refused.requested.value(),
        });
        let mut all: Vec<Decision> = taken.chain(refused).collect();
        all.sort_by_key(|d| (self.trades[d.trade].entry_bar, self.trades[d.trade].symbol));
        all
    }

    /// Equity before the open of `bar`: profits of the trades that exited earlier, and marks at the previous close of
    /// those still open.
    fn equity_before(&self, bar: usize) -> f64 {
        let mut equity = self.limits.start_equity;
        for taken in &self.ledger.taken {
            let trade = &self.trades[taken.approved.order().trade];
            if trade.exit_bar < bar {
                equity += taken.profit.value();
            } else if trade.entry_bar < bar {
                let close = self.panel.row(&self.panel.close, trade.symbol)[bar - 1];
                equity += taken.approved.notional().value() * trade.side.sign() * (close / trade.entry_price - 1.0);
            }
        }
        equity
    }

    fn audit(&self, kill_after: usize) {
        let decisions = self.decisions();
        self.check_sums(&decisions);
        for (nth, decision) in decisions.iter().enumerate() {
            if nth >= kill_after {
                assert_eq!(decision.reason, Some(Refusal::KillSwitch));
                continue;
            }
            let trade = &self.trades[decision.trade];
            let earlier: Vec<&TakenTrade> = decisions[..nth].iter().filter_map(|d| d.taken.as_ref()).collect();
            let state = self.state(&earlier, trade.entry_bar);
            match &decision.taken {
                None => self.check_refusal(decision, trade.entry_bar, &state),
                Some(taken) => self.check_approval(&taken.approved, trade, &state),
            }
        }
    }

    fn check_sums(&self, decisions: &[Decision]) {
        let ledger = self.ledger;
        assert_eq!(decisions.len(), self.trades.len(), "refusals + entries = trades");
        let indices: std::collections::BTreeSet<usize> = decisions.iter().map(|d| d.trade).collect();
        assert_eq!(indices.len(), self.trades.len(), "each trade once");
        // Equity equals the sum of the ledger to the cent, and so does the last point of the curve.
        let cents = |amount: f64| (amount * 100.0).round();
        let sum: Money = ledger.taken.iter().map(|taken| taken.profit).sum();
        assert_eq!(ledger.equity(), Money::rounded(self.limits.start_equity) + sum);
        assert_eq!(cents(ledger.account.final_equity()), cents(ledger.equity().value()));
        for taken in &ledger.taken {
            let trade = self.trade(taken);
            let profit = taken.approved.notional().value() * trade.net_bps / 10_000.0;
            assert_eq!(taken.exit_bar, trade.exit_bar);
            assert!((taken.profit.value() - profit).abs() <= 1e-6 + profit.abs() * 1e-12);
        }
    }

    fn trade(&self, taken: &TakenTrade) -> &Trade {
        &self.trades[taken.approved.order().trade]
    }

    /// The account at the open of `bar`, after some earlier entries.
    fn state<'t>(&self, earlier: &[&'t TakenTrade], bar: usize) -> State<'t> {
        let b = self.limits.breakers.unwrap();
        let exit = |taken: &TakenTrade| self.exit(self.trade(taken));

        // Equity now: positions closed at this open are booked instead of marked.
        let mut equity = self.equity_before(bar);
        for taken in earlier.iter().filter(|t| exit(t) == (bar, 0)) {
            let trade = self.trade(taken);
            let close = self.panel.row(&self.panel.close, trade.symbol)[bar - 1];
            let mark = trade.side.sign() * (close / trade.entry_price - 1.0);
            equity += taken.profit.value() - taken.approved.notional().value() * mark;
        }

        // The day so far, event by event.
        let first = bar - bar % 24;
        let start = self.equity_before(first);
        let mut exits: Vec<&TakenTrade> = earlier.iter().copied().filter(|t| exit(t) <= (bar, 0)).collect();
        exits.sort_by_key(|t| (exit(t), self.trade(t).symbol));
        let (mut booked, mut daily_stop) = (0.0, false);
        for taken in exits.iter().filter(|t| self.trade(t).exit_bar >= first) {
            booked += taken.profit.value();
            daily_stop |= booked < 0.0 && -booked >= start * b.daily_stop;
        }
        let (mut high, mut drawdown) = (start, false);
        for close in first + 1..=bar {
            let equity = self.equity_before(close);
            high = high.max(equity);
            drawdown |= high > 0.0 && high - equity >= high * b.drawdown_stop;
        }
        let (mut losses, mut wins, mut reduced) = (0, 0, false);
        for taken in &exits {
            let won = self.trade(taken).net_bps > 0.0;
            if reduced {
                wins = if won { wins + 1 } else { 0 };
                (reduced, losses) = (wins < b.streak_wins, 0);
            } else {
                losses = if won { 0 } else { losses + 1 };
                (reduced, wins) = (losses >= b.streak_losses, 0);
            }
        }
        State {
            open: earlier.iter().copied().filter(|t| exit(t) > (bar, 0)).collect(),
            equity,
            start,
            daily_stop,
            drawdown,
            reduced,
            tolerance: 1e-5 + 1e-9 * self.limits.start_equity.max(1.0) + 1e-9 * equity.abs(),
        }
    }

    fn check_refusal(&self, decision: &Decision, bar: usize, state: &State<'_>) {
        let b = self.limits.breakers.unwrap();
        let reason = decision.reason.unwrap();
        match reason {
            Refusal::KillSwitch | Refusal::StopDistance => panic!("{reason} without cause"),
            Refusal::NoEquity => assert!(state.equity <= state.tolerance),
            Refusal::DailyStop => assert!(state.daily_stop),
            Refusal::DrawdownBreaker => assert!(state.drawdown && !state.daily_stop),
            Refusal::VolatilityBreaker => assert!(self.defence[bar] && b.defence_factor == 0.0),
            Refusal::Dust => assert!(decision.requested * b.streak_factor * b.defence_factor < MIN_NOTIONAL),
            Refusal::CoinShare | Refusal::Leverage | Refusal::OpenRisk => {
                let min_notional = MIN_NOTIONAL / (b.streak_factor * b.defence_factor);
                assert!(
                    decision.available < min_notional + state.tolerance
                        || decision.available <= decision.requested * MIN_SIZE_SHARE + state.tolerance
                );
                assert!(
                    !state.open.is_empty() || state.equity > state.start || decision.requested < min_notional,
                    "{reason}: nothing is open"
                );
            }
        }
    }

    fn check_approval(&self, approved: &RiskApproved, trade: &Trade, state: &State<'_>) {
        let (limits, b) = (self.limits, self.limits.breakers.unwrap());
        let State { open, start, tolerance, .. } = state;
        assert!(!state.daily_stop && !state.drawdown, "entered on a stopped day");
        let notional = approved.notional().value();
        let equity = approved.equity().value();
        assert!((equity - state.equity).abs() <= *tolerance, "{equity} {}", state.equity);
        assert!(notional >= MIN_NOTIONAL);
        // Exact to the last millionth, by the equity that is recorded in the order.
        let exactly = |share: f64| Money::down(equity * share);
        let all: Money = open.iter().map(|t| t.approved.notional()).sum();
        assert!(all + approved.notional() <= exactly(limits.max_leverage), "leverage");
        assert!(approved.risk() <= exactly(limits.per_trade), "risk per trade");
        let stop_distance = |trade: &Trade| (trade.entry_price - trade.stop_price).abs() / trade.entry_price;
        let distance = stop_distance(trade);
        assert!(notional * distance <= equity * limits.per_trade + tolerance, "risk per trade");
        assert!(approved.risk().value() >= notional * distance * (1.0 - 1e-12), "rounded up");
        let sum = |amount: &dyn Fn(&Trade, f64) -> f64| {
            open.iter().map(|t| amount(self.trade(t), t.approved.notional().value())).sum::<f64>()
        };
        let exposure = sum(&|_, notional| notional);
        assert!(exposure + notional <= equity * limits.max_leverage + tolerance, "leverage");
        let coin = sum(&|other, notional| if other.symbol / 2 == trade.symbol / 2 { notional } else { 0.0 });
        assert!(coin + notional <= equity * limits.max_coin_share + tolerance, "coin share");
        let stops = sum(&|other, notional| notional * stop_distance(other));
        assert!(stops + notional * distance <= equity.min(*start) * limits.max_open_risk + tolerance, "open risk");
        assert_eq!(approved.streak_factor(), if state.reduced { b.streak_factor } else { 1.0 });
        assert_eq!(approved.defence_factor(), if self.defence[trade.entry_bar] { b.defence_factor } else { 1.0 });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_random_market_breaks_a_cap_a_breaker_or_the_sum(market in random_market(1..7, 30..150)) {
        market.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn no_random_market_of_hundreds_of_symbols_breaks_a_rule(market in random_market(200..400, 26..40)) {
        market.check();
    }
}
