use proptest::strategy::{Strategy, ValueTree};

use super::*;
use crate::follow::{Moment, exit_of};
use crate::properties::market::{RandomMarket, random_market};
use crate::{Ledger, Offer, TakenTrade, follow};
use huracan_bars::{DAY_MS, Panel};

/// An account's history, as its owner sees it.
struct Owner<'a> {
    panel: &'a Panel,
    offers: &'a [Offer],
    limits: &'a Limits,
    ledger: &'a Ledger,
}

impl Owner<'_> {
    fn coin(&self, symbol: usize) -> &str {
        self.panel.symbols[symbol].split('-').next().unwrap()
    }

    fn day(&self, bar: usize) -> i64 {
        self.panel.time_ms(bar).div_euclid(DAY_MS)
    }

    fn exit(&self, taken: &TakenTrade) -> (usize, Moment) {
        exit_of(self.panel, &self.offers[taken.approved.order().trade].trade)
    }

    /// Trades that were closed before the entries at the open of `bar`, in order, and those that are open.
    fn split(&self, bar: usize) -> (Vec<&TakenTrade>, Vec<&TakenTrade>) {
        let entered = self.ledger.taken.iter().filter(|taken| taken.approved.order().bar < bar);
        entered.partition(|taken| self.exit(taken) <= (bar, Moment::Open))
    }

    /// Booked money and equity at the close before `bar`.
    fn money(&self, bar: usize) -> (Money, Money) {
        let (mut booked, mut unrealised) = (self.ledger.start_equity, Money::ZERO);
        for taken in self.ledger.taken.iter().filter(|taken| taken.approved.order().bar < bar) {
            let order = taken.approved.order();
            if self.exit(taken).0 < bar {
                booked += taken.profit;
            } else {
                let close = self.panel.row(&self.panel.close, order.symbol)[bar - 1];
                unrealised += Held::unrealised(order.side, taken.approved.notional(), order.entry_price, close);
            }
        }
        (booked, booked + unrealised)
    }

    fn standing(&self, bar: usize) -> Standing {
        let breakers = self.limits.breakers.unwrap();
        let (booked, equity) = self.money(bar);
        let first = (0..=bar).find(|&at| self.day(at) == self.day(bar)).unwrap();
        let day_start = self.money(first).1;
        let (mut day_high, mut stopped) = (day_start, None);
        for at in first + 1..=bar {
            let equity = self.money(at).1;
            day_high = day_high.max(equity);
            if breakers.falls_in_a_day(day_high, equity) {
                stopped = Some(Refusal::DrawdownBreaker);
            }
        }
        let (closed, open) = self.split(bar);
        let (mut day_result, mut streaks) = (Money::ZERO, BTreeMap::<String, Streak>::new());
        for taken in closed {
            let order = taken.approved.order();
            let won = self.offers[order.trade].trade.net_bps > 0.0;
            streaks.entry(self.coin(order.symbol).to_owned()).or_default().record(won, &breakers);
            if self.day(self.exit(taken).0) == self.day(bar) {
                day_result += taken.profit;
                if breakers.stops_the_day(day_start, day_result) {
                    stopped = Some(Refusal::DailyStop);
                }
            }
        }
        let window = self.panel.timeframe.bars_in_days(breakers.drawdown_days);
        let held = |taken: &&TakenTrade| {
            let order = taken.approved.order();
            let notional = taken.approved.notional();
            let coin = self.coin(order.symbol);
            Held::new(coin, order.side, notional, order.entry_price, order.stop_price, order.beta)
        };
        Standing {
            equity,
            booked,
            day_start,
            day_result,
            day_high,
            recent_high: (bar.saturating_sub(window) + 1..=bar).map(|at| self.money(at).1).max().unwrap_or(equity),
            stopped,
            killed: false,
            defence: false,
            positions: open.iter().map(held).collect(),
            streaks,
        }
    }
}

/// Compares every decision of a market with that of the account as its owner describes it; returns how many there were, taken and
/// refused.
fn compare(market: &RandomMarket) -> (usize, usize) {
    let panel = market.panel();
    let (offers, _) = market.trades(&panel);
    let days: Vec<i64> = (0..=panel.time_ms(panel.bars - 1).div_euclid(DAY_MS)).map(|day| day * DAY_MS).collect();
    let ledger = follow(&panel, &offers, &days, &market.limits, &[], &|| None);
    let owner = Owner { panel: &panel, offers: &offers, limits: &market.limits, ledger: &ledger };
    let mut counts = (0, 0);
    let mut decided: Vec<usize> = ledger.decided();
    decided.sort_by(|&a, &b| {
        let place = |i: usize| (offers[i].trade.symbol, offers[i].trade.signal_bar);
        let entry = |i: usize| offers[i].trade.entry_bar;
        entry(a).cmp(&entry(b)).then(offers[b].merit().total_cmp(&offers[a].merit())).then(place(a).cmp(&place(b)))
    });
    for decisions in decided.chunk_by(|&a, &b| offers[a].trade.entry_bar == offers[b].trade.entry_bar) {
        let bar = offers[decisions[0]].trade.entry_bar;
        // At the close the owner does not know what the next open will close.
        if ledger.taken.iter().any(|taken| owner.exit(taken) == (bar, Moment::Open)) {
            continue;
        }
        let mut standing = owner.standing(bar);
        for &index in decisions {
            let order = Order::of(index, &offers[index]);
            let taken = ledger.taken.iter().find(|taken| taken.approved.order().trade == index);
            match standing.place(order, owner.coin(order.symbol), &market.limits) {
                Ok(approved) => {
                    assert_eq!(Some(approved), taken.map(|taken| taken.approved));
                    counts.0 += 1;
                }
                Err(refused) => {
                    assert_eq!(ledger.refused.iter().find(|other| other.order.trade == index), Some(&refused));
                    counts.1 += 1;
                }
            }
        }
    }
    counts
}

#[test]
fn an_account_that_its_owner_describes_decides_as_the_one_that_is_followed() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = random_market(1..7, 10..90);
    let mut all = (0, 0);
    for _ in 0..150 {
        let counts = compare(&strategy.new_tree(&mut runner).unwrap().current());
        all = (all.0 + counts.0, all.1 + counts.1);
    }
    assert!(all.0 > 500 && all.1 > 500, "{all:?}");
}

#[test]
fn a_stop_beyond_the_entry_has_no_risk_and_an_unknown_beta_is_1() {
    let held = |stop: f64, side, beta| Held::new("A", side, Money::rounded(200.0), 100.0, stop, beta);
    assert_eq!(held(95.0, Side::Long, f64::NAN).risk, Money::rounded(10.0));
    assert_eq!(held(105.0, Side::Long, 1.5).risk, Money::ZERO);
    assert_eq!(held(95.0, Side::Long, f64::NAN).beta_exposure, Money::rounded(200.0));
    assert_eq!(held(105.0, Side::Short, 1.5).beta_exposure, Money::rounded(-300.0));
    assert_eq!(Held::unrealised(Side::Short, Money::rounded(200.0), 100.0, 90.0), Money::rounded(20.0));
}

#[test]
fn a_loss_that_ends_the_day_is_not_undone_by_a_gain_after_it() {
    let limits = Limits::of(&crate::RiskParams { daily_stop: 0.025, ..crate::RiskParams::default() });
    let money = Money::rounded;
    let held = |coin: &str| Held::new(coin, Side::Long, money(1000.0), 100.0, 95.0, 1.0);
    let standing = Standing {
        equity: money(9900.0),
        booked: money(10_000.0),
        day_start: money(10_000.0),
        day_result: Money::ZERO,
        day_high: money(10_000.0),
        recent_high: money(10_000.0),
        stopped: None,
        killed: false,
        defence: false,
        positions: vec![held("A"), held("B"), held("C")],
        streaks: BTreeMap::new(),
    };
    let mut closed = standing.clone();
    closed.close(0, Some(money(-250.0)), &limits);
    closed.close(0, Some(money(200.0)), &limits);
    assert_eq!((closed.refusal(&limits), closed.day_result), (Some(Refusal::DailyStop), money(-50.0)));
    assert_eq!((closed.streaks["A"].losses, closed.streaks["B"].losses), (1, 0));
    // What is not known counts for nothing.
    closed.close(0, None, &limits);
    assert_eq!((closed.positions.len(), closed.streaks.contains_key("C")), (0, false));
    let mut one = standing;
    one.close(1, Some(money(200.0)), &limits);
    assert_eq!((one.refusal(&limits), one.booked), (None, money(10_200.0)));
}

#[test]
fn defence_mode_of_the_next_open_is_that_of_the_whole_history() {
    let volatility: Vec<f64> = (0..300_u64)
        .map(|bar| huracan_base::arith::uniform(huracan_base::arith::draw(3, 1, bar)))
        .map(|x| if x < 0.1 { f64::NAN } else { x })
        .collect();
    for (window, percentile) in [(24, 0.9), (50, 0.5)] {
        let mode = defence_mode(&volatility, window, percentile);
        for bars in 1..300 {
            assert_eq!(is_in_defence(&volatility[..bars], window, percentile), mode[bars], "{bars}");
        }
    }
}
