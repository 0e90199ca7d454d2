//! No sequence of prices and signals breaks a rule: every decision is gone through again, plainly, from the ledger alone.

use std::cell::Cell;

use proptest::prelude::*;

use super::*;
use huracan_bars::{Candles, DAY_MS, HOUR_MS, Panel, Timeframe};
use huracan_base::arith::{draw, uniform};
use huracan_shadow::{self, ExitReason, Rules, Signals, Trade};

#[derive(Debug, Clone)]
struct Wild {
    seed: u64,
    symbols: usize,
    bars: usize,
    /// Share of bars that open with a gap, and of those that bring a signal.
    gaps: f64,
    signals: f64,
    /// Stops lie between these, basis points on a logarithmic scale.
    stops: (f64, f64),
    limits: Limits,
    /// Decisions after which the kill switch is on.
    kill_after: usize,
}

fn wild(symbols: std::ops::Range<usize>, bars: std::ops::Range<usize>) -> impl Strategy<Value = Wild> {
    let market = (any::<u64>(), symbols, bars, 0.0..0.3_f64, 0.02..0.9_f64);
    let equity = prop_oneof![0.5..5.0_f64, 100.0..1e5_f64, 1e9..1e12_f64];
    let caps = (equity, 1e-4..0.1_f64, 0.05..4.0_f64, 0.01..1.0_f64, 0.005..0.3_f64);
    let breakers = (0.002..0.2_f64, 0.002..0.2_f64, 1..5_u32, 0.01..1.0_f64, 1..4_u32, 0.5..1.0_f64, 0.0..1.0_f64);
    let stops = prop_oneof![Just((0.01, 10.0)), Just((1.0, 9000.0)), Just((50.0, 300.0))];
    (market, caps, breakers, stops, prop_oneof![3 => Just(usize::MAX), 1 => 0..200_usize]).prop_map(
        |((seed, symbols, bars, gaps, signals), caps, b, stops, kill_after)| Wild {
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

impl Wild {
    fn draw(&self, what: u64, symbol: usize, bar: usize) -> f64 {
        uniform(draw(self.seed, what, (symbol * 100_000 + bar) as u64))
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
            // Every two symbols are one coin.
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
            slippage_k: 10.0,
            slippage_cap_bps: 100.0,
            funding_bps_per_bar: 0.1,
            notional: 1000.0,
        };
        let windows: Vec<_> = (0..self.symbols).map(|_| vec![0..self.bars / 2, self.bars / 2..self.bars]).collect();
        huracan_shadow::simulate(panel, &signals, &vec![f64::NAN; self.symbols * self.bars], &windows, &rules)
    }

    fn check(&self) {
        let panel = self.panel();
        let trades = self.trades(&panel);
        let days: Vec<i64> = (0..=(self.bars as i64 - 1) * HOUR_MS / DAY_MS).map(|day| day * DAY_MS).collect();
        let volatility: Vec<f64> = (0..self.bars).map(|bar| self.draw(11, 0, bar)).collect();
        let asked = Cell::new(0);
        let kill = || {
            asked.set(asked.get() + 1);
            (asked.get() > self.kill_after).then(|| "enough".to_owned())
        };
        let ledger = follow(&panel, &trades, &days, &self.limits, &volatility, &kill);
        let b = self.limits.breakers.unwrap();
        let defence = defence_mode(&volatility, 24, b.volatility_percentile);
        let auditor = Auditor { panel: &panel, trades: &trades, limits: &self.limits, ledger: &ledger, defence };
        auditor.audit(self.kill_after);

        let alone = follow_alone(&panel, &trades, &days, &self.limits);
        let of_breakers =
            |refused: &&RiskRefused| refused.reason < Refusal::StopDistance && refused.reason != Refusal::NoEquity;
        assert_eq!((alone.refused.iter().find(of_breakers), alone.breakers.len()), (None, 0));
        assert_eq!(alone.taken.len() + alone.refused.len(), trades.len());
    }
}

/// One decision, as the ledger tells it.
struct Decision {
    place: usize,
    taken: Option<Taken>,
    reason: Option<Refusal>,
    room: f64,
    wanted: f64,
}

struct Auditor<'a> {
    panel: &'a Panel,
    trades: &'a [Trade],
    limits: &'a Limits,
    ledger: &'a Ledger,
    defence: Vec<bool>,
}

impl Auditor<'_> {
    /// Whether the trade was left at the open of its last bar.
    fn left_at_open(&self, trade: &Trade) -> bool {
        let open = self.panel.row(&self.panel.open, trade.symbol)[trade.exit_bar];
        trade.exit_bar > trade.entry_bar && trade.exit_price == open && trade.exit_reason != ExitReason::EndOfData
    }

    /// When the trade was left: bar, and 0 at its open, 1 within it, 2 at its close.
    fn left(&self, trade: &Trade) -> (usize, u8) {
        match trade.exit_reason {
            _ if self.left_at_open(trade) => (trade.exit_bar, 0),
            ExitReason::EndOfData => (trade.exit_bar, 2),
            _ => (trade.exit_bar, 1),
        }
    }

    fn decisions(&self) -> Vec<Decision> {
        let taken = self.ledger.taken.iter().map(|taken| Decision {
            place: taken.approved.order().trade,
            taken: Some(*taken),
            reason: None,
            room: 0.0,
            wanted: 0.0,
        });
        let refused = self.ledger.refused.iter().map(|refused| Decision {
            place: refused.order.trade,
            taken: None,
            reason: Some(refused.reason),
            room: refused.room.value(),
            wanted: refused.wanted.value(),
        });
        let mut all: Vec<Decision> = taken.chain(refused).collect();
        all.sort_by_key(|d| (self.trades[d.place].entry_bar, self.trades[d.place].symbol));
        all
    }

    /// Profits of trades left before the open of `bar`, and marks at the close before it of those left later.
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
        let (limits, ledger) = (self.limits, self.ledger);
        let b = limits.breakers.unwrap();
        let decisions = self.decisions();
        assert_eq!(decisions.len(), self.trades.len(), "refusals + entries = trades");
        let places: std::collections::BTreeSet<usize> = decisions.iter().map(|d| d.place).collect();
        assert_eq!(places.len(), self.trades.len(), "each trade once");
        // Equity is the sum of the ledger to the cent, and so is the last point of the curve.
        let cents = |amount: f64| (amount * 100.0).round();
        let sum: Money = ledger.taken.iter().map(|taken| taken.profit).sum();
        assert_eq!(ledger.equity(), Money::rounded(limits.start_equity) + sum);
        assert_eq!(cents(ledger.account.final_equity()), cents(ledger.equity().value()));
        for taken in &ledger.taken {
            let trade = &self.trades[taken.approved.order().trade];
            let profit = taken.approved.notional().value() * trade.net_bps / 10_000.0;
            assert_eq!(taken.exit_bar, trade.exit_bar);
            assert!((taken.profit.value() - profit).abs() <= 1e-6 + profit.abs() * 1e-12);
        }

        let scale = limits.start_equity.max(1.0);
        let near = 1e-5 + 1e-9 * scale;
        for (nth, decision) in decisions.iter().enumerate() {
            let trade = &self.trades[decision.place];
            let bar = trade.entry_bar;
            // What stands in the market: entered before this one, and not left by the open of this bar.
            let earlier: Vec<&Taken> = decisions[..nth].iter().filter_map(|d| d.taken.as_ref()).collect();
            let of = |taken: &Taken| &self.trades[taken.approved.order().trade];
            let open: Vec<&&Taken> = earlier.iter().filter(|t| self.left(of(t)) > (bar, 0)).collect();
            let sum = |amount: &dyn Fn(&Taken) -> f64| open.iter().map(|t| amount(t)).sum::<f64>();

            // Equity now: what was left at this open is booked instead of marked.
            let mut equity = self.equity_before(bar);
            for taken in earlier.iter().filter(|t| self.left(of(t)) == (bar, 0)) {
                let close = self.panel.row(&self.panel.close, of(taken).symbol)[bar - 1];
                let mark = of(taken).side.sign() * (close / of(taken).entry_price - 1.0);
                equity += taken.profit.value() - taken.approved.notional().value() * mark;
            }
            let near = near + 1e-9 * equity.abs();

            // The day so far, event by event.
            let first = bar - bar % 24;
            let start = self.equity_before(first);
            let mut exits: Vec<&&Taken> = earlier.iter().filter(|t| self.left(of(t)) <= (bar, 0)).collect();
            exits.sort_by_key(|t| (self.left(of(t)), of(t).symbol));
            let (mut booked, mut stopped) = (0.0, false);
            for taken in exits.iter().filter(|t| of(t).exit_bar >= first) {
                booked += taken.profit.value();
                stopped |= booked < 0.0 && -booked >= start * b.daily_stop;
            }
            let (mut high, mut fallen) = (start, false);
            for close in first + 1..=bar {
                let equity = self.equity_before(close);
                high = high.max(equity);
                fallen |= high > 0.0 && high - equity >= high * b.drawdown_stop;
            }
            let (mut losses, mut wins, mut small) = (0, 0, false);
            for taken in &exits {
                let won = of(taken).net_bps > 0.0;
                if small {
                    wins = if won { wins + 1 } else { 0 };
                    (small, losses) = (wins < b.streak_wins, 0);
                } else {
                    losses = if won { 0 } else { losses + 1 };
                    (small, wins) = (losses >= b.streak_losses, 0);
                }
            }

            if nth >= kill_after {
                assert_eq!(decision.reason, Some(Refusal::KillSwitch));
                continue;
            }
            let Some(taken) = &decision.taken else {
                let reason = decision.reason.unwrap();
                match reason {
                    Refusal::KillSwitch | Refusal::StopDistance => panic!("{reason} without cause"),
                    Refusal::NoEquity => assert!(equity <= near),
                    Refusal::DailyStop => assert!(stopped),
                    Refusal::DrawdownBreaker => assert!(fallen && !stopped),
                    Refusal::VolatilityBreaker => assert!(self.defence[bar] && b.defence_factor == 0.0),
                    Refusal::Dust => assert!(decision.wanted * b.streak_factor * b.defence_factor < LEAST_NOTIONAL),
                    Refusal::CoinShare | Refusal::Leverage | Refusal::OpenRisk => {
                        let least = LEAST_NOTIONAL / (b.streak_factor * b.defence_factor);
                        assert!(decision.room < least + near || decision.room <= decision.wanted * LEAST_SHARE + near);
                        assert!(
                            !open.is_empty() || equity > start || decision.wanted < least,
                            "{reason}: nothing is open"
                        );
                    }
                }
                continue;
            };
            assert!(!stopped && !fallen, "entered on a stopped day");
            let approved = &taken.approved;
            let notional = approved.notional().value();
            assert!((approved.equity().value() - equity).abs() <= near, "{} {equity}", approved.equity().value());
            assert!(notional >= LEAST_NOTIONAL);
            let equity = approved.equity().value();
            // To the last millionth, by the equity that the order was given.
            let exactly = |share: f64| Money::down(equity * share);
            let all: Money = open.iter().map(|t| t.approved.notional()).sum();
            assert!(all + approved.notional() <= exactly(limits.max_leverage), "leverage");
            assert!(approved.risk() <= exactly(limits.per_trade), "risk per trade");
            let distance = (trade.entry_price - trade.stop_price).abs() / trade.entry_price;
            assert!(notional * distance <= equity * limits.per_trade + near, "risk per trade");
            assert!(approved.risk().value() >= notional * distance * (1.0 - 1e-12), "rounded up");
            assert!(
                sum(&|t| t.approved.notional().value()) + notional <= equity * limits.max_leverage + near,
                "leverage"
            );
            let coin: f64 =
                sum(&|t| if of(t).symbol / 2 == trade.symbol / 2 { t.approved.notional().value() } else { 0.0 });
            assert!(coin + notional <= equity * limits.max_coin_share + near, "coin share");
            let stops = sum(&|t| {
                t.approved.notional().value() * (of(t).entry_price - of(t).stop_price).abs() / of(t).entry_price
            });
            assert!(stops + notional * distance <= equity.min(start) * limits.max_open_risk + near, "open risk");
            assert_eq!(approved.streak_factor(), if small { b.streak_factor } else { 1.0 });
            assert_eq!(approved.defence_factor(), if self.defence[bar] { b.defence_factor } else { 1.0 });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_wild_market_breaks_a_cap_a_breaker_or_the_sum(wild in wild(1..7, 30..150)) {
        wild.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn nor_do_hundreds_of_symbols(wild in wild(200..400, 26..40)) {
        wild.check();
    }
}
