//! Runs an account through trades in the order of events.

use super::breakers::{Breakers, day_of};
use super::defence::defence_mode;
use super::order::{AccountState, approve};
use super::portfolio::Portfolio;
use super::{
    Breaker, BreakerEvent, Ledger, Limits, Money, Offer, Order, PeakUse, Refusal, RiskApproved, RiskRefused, TakenTrade,
};
use huracan_bars::{DAY_MS, Panel};
use huracan_metrics::{Account, Entry};
use huracan_shadow::{ExitReason, Trade};

/// Offers trades to one account, the portfolio, under all limits. It holds at most one position per symbol: a trade is
/// skipped if its symbol has one when its signal comes, unless the signal is on the other side, which ends that position
/// at the open of the entry. So of the trades of all signals, and without limits, it takes those of
/// [`huracan_shadow::simulate`].
///
/// - `offers`: trades of [`huracan_shadow::every_signal`] on this panel, in any order.
/// - `days`: starts (ms UTC, ascending) of the days for which equity is reported. The last day must not end before the
///   last exit.
/// - `volatility`: one value per bar, see [`super::mean_volatility`]; empty for no defence mode.
/// - `kill`: called before every decision; gives a reason if trading is stopped. After the first reason nothing more is
///   approved.
pub fn follow(
    panel: &Panel,
    offers: &[Offer],
    days: &[i64],
    limits: &Limits,
    volatility: &[f64],
    kill: &dyn Fn() -> Option<String>,
) -> Ledger {
    let defence = match limits.breakers {
        Some(breakers) if !volatility.is_empty() => {
            let window = panel.timeframe.bars_in_days(breakers.volatility_days);
            defence_mode(volatility, window, breakers.volatility_percentile)
        }
        _ => Vec::new(),
    };
    let follower = Follower {
        panel,
        offers,
        limits,
        defence,
        kill,
        killed: None,
        portfolio: Portfolio::new(panel, limits.start_equity),
        breakers: Breakers::new(panel, limits.breakers),
        closes: Vec::new(),
        taken: Vec::new(),
        refused: Vec::new(),
        skipped: Vec::new(),
        high_water: Money::rounded(limits.start_equity),
        peaks: PeakUse::default(),
    };
    follower.run(days)
}

/// Offers every shadow trade of one model, those of [`huracan_shadow::simulate`], to an account with the same sizes and
/// caps, but without breakers and kill switch, so that the model is judged by every trade.
pub fn follow_without_breakers(panel: &Panel, trades: &[Trade], days: &[i64], limits: &Limits) -> Ledger {
    // Among the trades of one symbol there is never a choice, so their merit does not matter.
    let offers: Vec<Offer> = trades.iter().map(|&trade| Offer { trade, edge_bps: 0.0, beta: f64::NAN }).collect();
    follow(panel, &offers, days, &limits.without_breakers(), &[], &|| None)
}

/// When within its last bar a trade exits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Moment {
    Open,
    Within,
    Close,
}

/// The bar of a trade's exit, and the moment within it.
pub(super) fn exit_of(panel: &Panel, trade: &Trade) -> (usize, Moment) {
    let later = trade.exit_bar > trade.entry_bar;
    // The simulation exits at the open's price if the open is at or beyond a barrier, and at the barrier otherwise.
    let at_open_price = || panel.row(&panel.open, trade.symbol).get(trade.exit_bar) == Some(&trade.exit_price);
    let moment = match trade.exit_reason {
        ExitReason::EndOfData => Moment::Close,
        ExitReason::SignalReversal | ExitReason::Time if later => Moment::Open,
        ExitReason::StopLoss | ExitReason::TakeProfit if later && at_open_price() => Moment::Open,
        _ => Moment::Within,
    };
    (trade.exit_bar.max(trade.entry_bar), moment)
}

struct Follower<'a> {
    panel: &'a Panel,
    offers: &'a [Offer],
    limits: &'a Limits,
    /// Whether defence mode is on at each bar's open; empty for never.
    defence: Vec<bool>,
    kill: &'a dyn Fn() -> Option<String>,
    /// Bar of the first decision that the kill switch blocked, and its reason.
    killed: Option<(usize, String)>,
    portfolio: Portfolio,
    breakers: Breakers<'a>,
    /// UTC day, and equity at the last close of it that was processed.
    closes: Vec<(i64, Money)>,
    taken: Vec<TakenTrade>,
    refused: Vec<RiskRefused>,
    skipped: Vec<usize>,
    high_water: Money,
    peaks: PeakUse,
}

impl Follower<'_> {
    fn run(mut self, days: &[i64]) -> Ledger {
        let (panel, offers) = (self.panel, self.offers);
        let trade = |i: usize| &offers[i].trade;
        let mut entries: Vec<usize> = (0..offers.len()).collect();
        let merits: Vec<f64> = offers.iter().map(Offer::merit).collect();
        entries.sort_by(|&a, &b| {
            let place = |i: usize| (trade(i).symbol, trade(i).signal_bar);
            let by_merit = merits[b].total_cmp(&merits[a]);
            trade(a).entry_bar.cmp(&trade(b).entry_bar).then(by_merit).then(place(a).cmp(&place(b)))
        });
        let mut exits: Vec<(usize, Moment, usize)> = (entries.iter())
            .map(|&i| {
                let (bar, moment) = exit_of(panel, trade(i));
                (bar, moment, i)
            })
            .collect();
        exits.sort_by_key(|&(bar, moment, i)| (bar, moment, trade(i).symbol, trade(i).entry_bar));
        let (mut entries, mut exits) = (entries.into_iter().peekable(), exits.into_iter().peekable());
        let mut exit_until = |follower: &mut Self, bar: usize, last: Moment| {
            while let Some((_, moment, i)) = exits.next_if(|&(at, moment, _)| (at, moment) <= (bar, last)) {
                follower.exit(bar, moment, i);
            }
        };
        let mut next = 0;
        loop {
            // Without open positions nothing happens before the next entry.
            let bar = match entries.peek() {
                Some(&i) if self.portfolio.is_flat() => trade(i).entry_bar,
                None if self.portfolio.is_flat() => break,
                _ => next,
            };
            self.breakers.advance_to(bar, self.portfolio.equity());
            exit_until(&mut self, bar, Moment::Open);
            while let Some(i) = entries.next_if(|&i| trade(i).entry_bar == bar) {
                self.decide(i);
            }
            exit_until(&mut self, bar, Moment::Close);
            self.close_bar(bar);
            next = bar + 1;
        }
        self.ledger(days)
    }

    /// Takes, refuses or skips a trade.
    fn decide(&mut self, index: usize) {
        let order = Order::of(index, &self.offers[index]);
        if self.portfolio.is_taken(&order) {
            self.skipped.push(index);
            return;
        }
        match self.approve(order) {
            Ok(approved) => {
                self.portfolio.enter(approved);
                let share = |amount: Money| amount.value() / approved.equity().value();
                let (portfolio, peaks) = (&self.portfolio, &mut self.peaks);
                peaks.leverage = peaks.leverage.max(share(portfolio.exposure()));
                peaks.coin_share = peaks.coin_share.max(share(portfolio.coin_exposure(order.symbol)));
                peaks.open_risk = peaks.open_risk.max(share(portfolio.open_risk()));
                peaks.beta_exposure = peaks.beta_exposure.max(share(portfolio.beta_exposure()).abs());
            }
            Err(refused) => self.refused.push(refused),
        }
    }

    fn approve(&mut self, order: Order) -> Result<RiskApproved, RiskRefused> {
        let equity = self.portfolio.equity();
        if self.killed.is_none() {
            self.killed = (self.kill)().map(|reason| (order.bar, reason));
        }
        if self.killed.is_some() {
            return Err(RiskRefused::without_size(order, Refusal::KillSwitch, equity));
        }
        if equity > Money::ZERO
            && let Some(reason) = self.breakers.refusal()
        {
            return Err(RiskRefused::without_size(order, reason, equity));
        }
        let defence = match self.limits.breakers {
            Some(breakers) if self.defence.get(order.bar) == Some(&true) => breakers.defence_factor,
            _ => 1.0,
        };
        let (portfolio, breakers) = (&self.portfolio, &self.breakers);
        let state = AccountState {
            equity,
            daily_base: breakers.day_start_equity().min(equity),
            day_loss: breakers.day_loss(portfolio.booked()),
            exposure: portfolio.exposure(),
            coin_exposure: portfolio.coin_exposure(order.symbol),
            open_risk: portfolio.open_risk(),
            beta_exposure: portfolio.beta_exposure(),
            streak_factor: breakers.streak_factor(portfolio.coin(order.symbol)),
            defence_factor: defence,
        };
        approve(order, &state, self.limits)
    }

    fn exit(&mut self, bar: usize, moment: Moment, index: usize) {
        let trade = &self.offers[index].trade;
        // A trade that was not taken has no position.
        let Some((approved, profit)) = self.portfolio.exit(index, trade, moment == Moment::Open) else { return };
        self.breakers.trade_closed(bar, self.portfolio.coin(trade.symbol), profit, trade.net_bps > 0.0);
        self.taken.push(TakenTrade { approved, exit_bar: bar, profit });
    }

    fn close_bar(&mut self, bar: usize) {
        self.portfolio.mark(self.panel, bar);
        let equity = self.portfolio.equity();
        self.breakers.bar_closed(bar, equity);
        self.high_water = self.high_water.max(equity);
        let day = day_of(self.panel, bar);
        match self.closes.last_mut() {
            Some(last) if last.0 == day => last.1 = equity,
            _ => self.closes.push((day, equity)),
        }
    }

    fn ledger(self, days: &[i64]) -> Ledger {
        let start = Money::rounded(self.limits.start_equity);
        let mut curve = vec![(days.first().copied().unwrap_or(0), start.value())];
        let (mut closes, mut equity) = (self.closes.iter().peekable(), start);
        for &day in days {
            while let Some(close) = closes.next_if(|close| close.0 <= day.div_euclid(DAY_MS)) {
                equity = close.1;
            }
            curve.push((day + DAY_MS, equity.value()));
        }
        let entry = |taken: &TakenTrade| {
            let trade = self.offers[taken.approved.order().trade].trade;
            Entry {
                trade,
                day: self.panel.time_ms(trade.entry_bar).div_euclid(DAY_MS),
                notional: taken.approved.notional().value(),
                profit: taken.profit.value(),
            }
        };
        let account = Account {
            start_equity: start.value(),
            entries: self.taken.iter().map(entry).collect(),
            refused: self.refused.len(),
            curve,
        };
        let last = days.last().map_or(i64::MAX, |day| day + DAY_MS);
        let end = (0..self.panel.bars).rposition(|bar| self.panel.time_ms(bar) < last).map_or(0, |bar| bar + 1);
        let mut breakers = self.breakers.finish(end);
        breakers.extend(defence_periods(self.panel, &self.defence, days));
        let killed = self.killed.iter();
        breakers.extend(killed.map(|&(from_bar, _)| BreakerEvent {
            breaker: Breaker::KillSwitch,
            from_bar,
            to_bar: end.max(from_bar),
            coin: None,
        }));
        breakers.sort_by_key(|event| (event.from_bar, event.breaker, event.to_bar, event.coin));
        Ledger {
            start_equity: start,
            taken: self.taken,
            refused: self.refused,
            skipped: self.skipped,
            breakers,
            killed: self.killed.map(|(_, reason)| reason),
            high_water: self.high_water,
            peaks: self.peaks,
            account,
        }
    }
}

/// Periods of defence mode within `days`.
fn defence_periods(panel: &Panel, defence: &[bool], days: &[i64]) -> Vec<BreakerEvent> {
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Vec::new() };
    let inside = |bar: usize| (*first..last + DAY_MS).contains(&panel.time_ms(bar));
    let mut events: Vec<BreakerEvent> = Vec::new();
    for bar in (0..defence.len()).filter(|&bar| defence[bar] && inside(bar)) {
        match events.last_mut() {
            Some(event) if event.to_bar == bar => event.to_bar = bar + 1,
            _ => events.push(BreakerEvent { breaker: Breaker::Volatility, from_bar: bar, to_bar: bar + 1, coin: None }),
        }
    }
    events
}
