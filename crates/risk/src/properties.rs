//! Property tests: no sequence of prices and signals breaks a rule. Every decision is checked again from the ledger
//! alone, by a simple reference implementation.

pub(crate) mod market;

use std::cell::Cell;
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use huracan_bars::{DAY_MS, HOUR_MS, Panel};
use huracan_shadow::{ExitReason, Trade};
use market::{RandomMarket, random_market};

impl RandomMarket {
    fn check(&self) {
        let panel = self.panel();
        let (offers, shadow) = self.trades(&panel);
        let days: Vec<i64> = (0..=(self.bars as i64 - 1) * HOUR_MS / DAY_MS).map(|day| day * DAY_MS).collect();
        let volatility: Vec<f64> = (0..self.bars).map(|bar| self.draw(11, 0, bar)).collect();
        let decisions = Cell::new(0);
        let kill = || {
            decisions.set(decisions.get() + 1);
            (decisions.get() > self.kill_after).then(|| "enough".to_owned())
        };
        let ledger = follow(&panel, &offers, &days, &self.limits, &volatility, &kill);
        let b = self.limits.breakers.unwrap();
        let defence = defence_mode(&volatility, 24, b.volatility_percentile);
        let mut auditor =
            Auditor { panel: &panel, offers: &offers, limits: &self.limits, ledger: &ledger, defence, equity: vec![] };
        auditor.equity = (0..=self.bars).map(|bar| auditor.equity_before(bar)).collect();
        auditor.audit(self.kill_after);

        // Where no limit binds, the account takes the shadow trades of all symbols, and skips the others.
        let wide = Limits {
            start_equity: 1e15,
            per_trade: 1e-13,
            max_leverage: 1.0,
            max_coin_share: 1.0,
            max_open_risk: 1.0,
            ..self.limits
        };
        let ledger = follow(&panel, &offers, &days, &wide.without_breakers(), &[], &|| None);
        assert_eq!(ledger.refused.first(), None);
        assert!(ledger.decided().into_iter().map(|index| offers[index].trade).eq(shadow.iter().copied()));

        let ledger = follow_without_breakers(&panel, &shadow, &days, &self.limits);
        let by_breaker =
            |refused: &&RiskRefused| refused.reason < Refusal::StopDistance && refused.reason != Refusal::NoEquity;
        assert_eq!((ledger.refused.iter().find(by_breaker), ledger.breakers.len()), (None, 0));
        assert_eq!((ledger.taken.len() + ledger.refused.len(), ledger.skipped.len()), (shadow.len(), 0));
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
    /// Whether equity is too far below the highest of the last days.
    recent_drawdown: bool,
    /// What the day has lost of its limit.
    day_loss: f64,
    /// Whether sizes are reduced after a streak of losses.
    reduced: bool,
    /// Tolerance of comparisons of money.
    tolerance: f64,
}

struct Auditor<'a> {
    panel: &'a Panel,
    offers: &'a [Offer],
    limits: &'a Limits,
    ledger: &'a Ledger,
    defence: Vec<bool>,
    /// Equity before the open of each bar.
    equity: Vec<f64>,
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
        all.sort_by(|a, b| {
            let (a, b) = (&self.offers[a.trade], &self.offers[b.trade]);
            let by_merit = b.merit().total_cmp(&a.merit());
            a.trade.entry_bar.cmp(&b.trade.entry_bar).then(by_merit).then(a.trade.symbol.cmp(&b.trade.symbol))
        });
        all
    }

    /// Equity before the open of `bar`: profits of the trades that exited earlier, and marks at the previous close of
    /// those still open.
    fn equity_before(&self, bar: usize) -> f64 {
        let mut equity = self.limits.start_equity;
        for taken in &self.ledger.taken {
            let trade = self.trade(taken);
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
        self.check_skipped();
        for (nth, decision) in decisions.iter().enumerate() {
            if nth >= kill_after {
                assert_eq!(decision.reason, Some(Refusal::KillSwitch));
                continue;
            }
            let trade = &self.offers[decision.trade].trade;
            let earlier: Vec<&TakenTrade> = decisions[..nth].iter().filter_map(|d| d.taken.as_ref()).collect();
            let state = self.state(&earlier, trade);
            match &decision.taken {
                None => self.check_refusal(decision, trade.entry_bar, &state),
                Some(taken) => self.check_approval(&taken.approved, trade, &state),
            }
        }
    }

    fn check_sums(&self, decisions: &[Decision]) {
        let ledger = self.ledger;
        let skipped = &self.ledger.skipped;
        assert_eq!(decisions.len() + skipped.len(), self.offers.len(), "refusals + entries + skipped = trades");
        let decided = decisions.iter().map(|d| d.trade);
        let indices: BTreeSet<usize> = decided.chain(skipped.iter().copied()).collect();
        assert_eq!(indices.len(), self.offers.len(), "each trade once");
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
        &self.offers[taken.approved.order().trade].trade
    }

    /// A trade is skipped where its symbol has a position on its side between the close of the signal and the entry,
    /// and nowhere else; and there is never a second position in a symbol.
    fn check_skipped(&self) {
        let skipped: BTreeSet<usize> = self.ledger.skipped.iter().copied().collect();
        for (index, Offer { trade, .. }) in self.offers.iter().enumerate() {
            let mut same_symbol = self.ledger.taken.iter().map(|t| self.trade(t)).filter(|t| t.symbol == trade.symbol);
            let held = same_symbol
                .any(|t| t.side == trade.side && t.entry_bar < trade.entry_bar && trade.entry_bar <= t.exit_bar);
            assert_eq!(held, skipped.contains(&index), "{trade:?}");
        }
    }

    /// The account when it is offered a trade, after some earlier entries.
    fn state<'t>(&self, earlier: &[&'t TakenTrade], trade: &Trade) -> State<'t> {
        let (bar, coin) = (trade.entry_bar, trade.symbol / 2);
        let b = self.limits.breakers.unwrap();
        let exit = |taken: &TakenTrade| self.exit(self.trade(taken));

        // Equity now: positions closed at this open are booked instead of marked.
        let mut equity = self.equity[bar];
        for taken in earlier.iter().filter(|t| exit(t) == (bar, 0)) {
            let trade = self.trade(taken);
            let close = self.panel.row(&self.panel.close, trade.symbol)[bar - 1];
            let mark = trade.side.sign() * (close / trade.entry_price - 1.0);
            equity += taken.profit.value() - taken.approved.notional().value() * mark;
        }

        // The day so far, event by event.
        let first = bar - bar % 24;
        let start = self.equity[first];
        let mut exits: Vec<&TakenTrade> = earlier.iter().copied().filter(|t| exit(t) <= (bar, 0)).collect();
        exits.sort_by_key(|t| (exit(t), self.trade(t).symbol));
        let (mut booked, mut daily_stop) = (0.0, false);
        for taken in exits.iter().filter(|t| self.trade(t).exit_bar >= first) {
            booked += taken.profit.value();
            daily_stop |= booked < 0.0 && -booked >= start * b.daily_stop;
        }
        let (mut high, mut drawdown) = (start, false);
        for close in first + 1..=bar {
            let equity = self.equity[close];
            high = high.max(equity);
            drawdown |= high > 0.0 && high - equity >= high * b.drawdown_stop;
        }
        let all_booked: f64 = exits.iter().map(|taken| taken.profit.value()).sum();
        let window = 24 * b.drawdown_days as usize;
        let highest = self.equity[(bar + 1).saturating_sub(window)..=bar].iter().copied().fold(f64::MIN, f64::max);
        let (mut losses, mut wins, mut reduced) = (0, 0, false);
        for taken in exits.iter().filter(|t| self.trade(t).symbol / 2 == coin) {
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
            recent_drawdown: highest > 0.0 && highest - self.equity[bar] > highest * b.drawdown_limit,
            day_loss: (start - self.limits.start_equity - all_booked).max(0.0),
            reduced,
            tolerance: 1e-5 + 1e-9 * self.limits.start_equity.max(1.0) + 1e-9 * equity.abs(),
        }
    }

    /// Beta of an offered trade; 1 where it is not known.
    fn beta(&self, trade: usize) -> f64 {
        let beta = self.offers[trade].beta;
        if beta.is_nan() { 1.0 } else { beta }
    }

    fn check_refusal(&self, decision: &Decision, bar: usize, state: &State<'_>) {
        let b = self.limits.breakers.unwrap();
        let reason = decision.reason.unwrap();
        match reason {
            Refusal::KillSwitch | Refusal::StopDistance => panic!("{reason} without cause"),
            Refusal::NoEquity => assert!(state.equity <= state.tolerance),
            Refusal::DailyStop => assert!(state.daily_stop),
            Refusal::DrawdownBreaker => assert!(state.drawdown && !state.daily_stop),
            Refusal::DrawdownLimit => assert!(state.recent_drawdown && !state.drawdown && !state.daily_stop),
            Refusal::VolatilityBreaker => assert!(self.defence[bar] && b.defence_factor == 0.0),
            Refusal::Dust => assert!(decision.requested * b.streak_factor * b.defence_factor < MIN_NOTIONAL),
            Refusal::CoinShare | Refusal::Leverage | Refusal::OpenRisk | Refusal::Correlation => {
                let min_notional = MIN_NOTIONAL / (b.streak_factor * b.defence_factor);
                assert!(
                    decision.available < min_notional + state.tolerance
                        || decision.available <= decision.requested * MIN_SIZE_SHARE + state.tolerance
                );
                assert!(
                    !state.open.is_empty()
                        || (reason == Refusal::OpenRisk && state.day_loss > 0.0)
                        || state.equity > state.start
                        || decision.requested < min_notional,
                    "{reason}: nothing is open"
                );
            }
        }
    }

    fn check_approval(&self, approved: &RiskApproved, trade: &Trade, state: &State<'_>) {
        let (limits, b) = (self.limits, self.limits.breakers.unwrap());
        let State { open, start, tolerance, .. } = state;
        assert!(!state.daily_stop && !state.drawdown && !state.recent_drawdown, "entered while stopped");
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
        let left = equity.min(*start) * limits.max_open_risk - state.day_loss;
        assert!(stops + notional * distance <= left + tolerance, "open risk");
        let beta = |order: &Order| order.side.sign() * self.beta(order.trade);
        let market: f64 = open.iter().map(|t| t.approved.notional().value() * beta(t.approved.order())).sum();
        let (before, after) = (market.abs(), (market + notional * beta(approved.order())).abs());
        assert!(after <= (equity * limits.max_beta_exposure).max(before) + tolerance, "correlation");
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
