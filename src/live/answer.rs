//! The answer: what would be done now with every coin, or why not.

use std::collections::BTreeMap;

use super::account::{Account, Position, close, coin_of, quote_of};
use super::decision::Decision;
use super::lots::quantity;
use super::market::LiveMarket;
use crate::bars::Panel;
use crate::decide::WaitReason;
use crate::risk::{Money, Order, Refusal, Standing, is_in_defence};
use crate::shadow::Side;

/// What would be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Enter at the next open.
    Enter,
    /// Close the open position at the next open, and enter the other side.
    Reverse,
    /// Close the open position at the next open.
    Close,
    /// Leave the open position as it is.
    Hold,
    /// Nothing.
    Wait,
    /// Nothing, because a rule forbids it.
    Refuse,
}

impl Action {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enter => "enter",
            Self::Reverse => "reverse",
            Self::Close => "close",
            Self::Hold => "hold",
            Self::Wait => "wait",
            Self::Refuse => "refuse",
        }
    }
}

/// What would be done with one coin.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// `BASE-QUOTE`.
    pub symbol: String,
    /// Open of the coin's newest bar, milliseconds since 1970 UTC; none without candles.
    pub time_ms: Option<i64>,
    /// What would be done.
    pub action: Action,
    /// Why; empty for an entry.
    pub reason: &'static str,
    /// The decision; none for a coin on which nothing is decided.
    pub decision: Option<Decision>,
    /// Size of an entry as `risk` approved it; none without an account.
    pub size: Option<Size>,
    /// How far the coin moves with the market; the account file takes it with the position.
    pub beta: f64,
}

/// Size of an entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    /// As the risk rules approved it, account currency.
    pub approved: f64,
    /// In whole lots, account currency.
    pub notional: f64,
    /// Base units.
    pub quantity: f64,
    /// Loss at the stop before costs, of what was approved, account currency.
    pub risk: f64,
    /// The tightest limit.
    pub limit: &'static str,
}

/// What would be done now with every coin of the market, and every coin that has a model; by symbol ascending.
///
/// Positions that the next open closes are closed first. Entries are sized by merit, the greatest first. Without an account there are no
/// sizes, and `killed` alone forbids anything.
///
/// # Errors
/// An account in another currency.
pub fn answer(market: &LiveMarket, account: Option<&Account>, killed: bool) -> Result<Vec<Answer>, String> {
    let panel = market.panel();
    let (risk, limits) = (&market.terms.risk, market.terms.limits());
    let mut sizing = match account {
        Some(account) => {
            let window = panel.timeframe.bars_in_days(risk.volatility_days);
            let defence = is_in_defence(&market.volatility(), window, risk.volatility_percentile);
            Some((account, account.standing(panel, risk, killed, defence)?))
        }
        None => None,
    };
    let mut answers = BTreeMap::new();
    let mut wanted = Vec::new();
    for decision in market.decisions() {
        let symbol = panel.symbols[decision.symbol].clone();
        let held = account.and_then(|account| account.positions.iter().find(|own| own.symbol == symbol));
        let (action, reason) = market.act(&decision, held);
        if let (Action::Close | Action::Reverse, Some(held), Some((_, standing))) = (action, held, &mut sizing) {
            close(standing, held, panel, &limits);
        }
        let beta = market.beta(decision.symbol);
        if let (Action::Enter | Action::Reverse, Ok(side)) = (action, decision.side) {
            let order = order(&decision, side, panel, beta);
            wanted.push((order.merit(decision.edge_bps.abs()), order));
        }
        let time_ms = Some(market.newest_ms());
        let own =
            Answer { symbol: symbol.clone(), time_ms, action, reason, decision: Some(decision), size: None, beta };
        answers.insert(symbol, own);
    }
    for (row, name) in panel.symbols.iter().enumerate() {
        answers.entry(name.clone()).or_insert_with(|| market.undecided(row));
    }
    for model in &market.models.approved {
        let name = &model.bundle.symbol;
        answers.entry(name.clone()).or_insert_with(|| Answer::without_candles(name));
    }
    // What is held of coins on which nothing is decided is left as it is, until it is too old.
    for position in account.iter().flat_map(|account| &account.positions) {
        let own = answers.entry(position.symbol.clone()).or_insert_with(|| Answer::without_candles(&position.symbol));
        if own.decision.is_some() {
            continue;
        }
        own.action = Action::Hold;
        if market.is_too_old(position) {
            (own.action, own.reason) = (Action::Close, "time");
            if let Some((_, standing)) = &mut sizing {
                close(standing, position, panel, &limits);
            }
        }
    }
    // Of equal merit, the order of the symbols decides.
    wanted.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (_, order) in wanted {
        let Some(own) = answers.get_mut(&panel.symbols[order.symbol]) else { continue };
        let sized = match &mut sizing {
            Some((account, standing)) => market.place(standing, account, order).map(Some),
            None if killed => Err(Refusal::KillSwitch.name()),
            None => Ok(None),
        };
        match sized {
            Ok(size) => own.size = size,
            Err(refusal) => {
                // A position on the other side is closed all the same.
                own.action = if own.action == Action::Reverse { Action::Close } else { Action::Refuse };
                own.reason = refusal;
            }
        }
    }
    Ok(answers.into_values().collect())
}

/// The order of a decision at its close.
fn order(decision: &Decision, side: Side, panel: &Panel, beta: f64) -> Order {
    Order {
        trade: 0,
        symbol: decision.symbol,
        side,
        bar: panel.bars,
        entry_price: decision.price,
        stop_price: decision.price - side.sign() * decision.stop,
        beta: if beta.is_finite() { beta } else { 1.0 },
    }
}

impl Answer {
    /// Of a coin on which nothing is decided.
    fn wait(symbol: &str, time_ms: Option<i64>, reason: &'static str) -> Self {
        let symbol = symbol.to_owned();
        Self { symbol, time_ms, action: Action::Wait, reason, decision: None, size: None, beta: f64::NAN }
    }

    fn without_candles(symbol: &str) -> Self {
        Self { action: Action::Refuse, ..Self::wait(symbol, None, "no_candles") }
    }
}

impl LiveMarket {
    /// The answer for a coin on which nothing is decided: it has no model, or not the newest bar.
    fn undecided(&self, row: usize) -> Answer {
        let (panel, name) = (self.panel(), &self.panel().symbols[row]);
        let Some(last) = panel.ranges[row].clone().next_back() else { return Answer::without_candles(name) };
        let time_ms = Some(panel.time_ms(last));
        match self.model(row) {
            Some(_) => Answer { action: Action::Refuse, ..Answer::wait(name, time_ms, "stale_candles") },
            None if self.models.rejected.contains(name) => {
                Answer { action: Action::Refuse, ..Answer::wait(name, time_ms, "model_rejected") }
            }
            None => Answer::wait(name, time_ms, "no_model"),
        }
    }

    /// What a decision means for a coin with this position, before its size is asked for.
    fn act(&self, decision: &Decision, held: Option<&Position>) -> (Action, &'static str) {
        let allowed = |side: Side| self.rules.allows(side);
        match (decision.side, held.map(|held| Side::from(held.side))) {
            (Ok(side), None) if allowed(side) => (Action::Enter, ""),
            (Ok(_), None) => (Action::Wait, WaitReason::NoShorts.name()),
            (Ok(side), Some(own)) if own != side && allowed(side) => (Action::Reverse, "signal_reversal"),
            (Ok(side), Some(own)) if own != side => (Action::Close, "signal_reversal"),
            (_, Some(_)) if held.is_some_and(|held| self.is_too_old(held)) => (Action::Close, "time"),
            (Ok(_), Some(_)) => (Action::Hold, "already_open"),
            (Err(wait), Some(_)) => (Action::Hold, wait.name()),
            (Err(wait), None) => (Action::Wait, wait.name()),
        }
    }

    /// Whether a position has been held as long as it may at the next open.
    fn is_too_old(&self, position: &Position) -> bool {
        let next_ms = self.newest_ms() + self.panel().timeframe.ms();
        let longest_ms = i64::from(self.terms.labels.max_hold) * self.panel().timeframe.ms();
        // An order that is filled within a bar was entered in that bar.
        let bar_of = |time_ms: i64| time_ms - (time_ms - next_ms).rem_euclid(self.panel().timeframe.ms());
        position.entered.is_some_and(|entered| next_ms - bar_of(entered.timestamp_millis()) >= longest_ms)
    }

    /// Sizes an order, in whole lots.
    fn place(&self, standing: &mut Standing, account: &Account, order: Order) -> Result<Size, &'static str> {
        let name = &self.panel().symbols[order.symbol];
        let rate = account.rate(quote_of(name), &self.terms.risk).ok_or("currency")?;
        let before = standing.positions.len();
        let approved =
            standing.place(order, coin_of(name), &self.terms.limits()).map_err(|refused| refused.reason.name())?;
        let (value, risk) = (approved.notional().value(), approved.risk().value());
        match quantity(value * rate, order.entry_price, &self.panel().terms[order.symbol]) {
            Ok(quantity) => Ok(Size {
                approved: value,
                notional: Money::down(quantity * order.entry_price / rate).value().min(value),
                quantity,
                risk,
                limit: approved.size_limit().name(),
            }),
            Err(too_small) => {
                standing.positions.truncate(before);
                Err(too_small.name())
            }
        }
    }
}
