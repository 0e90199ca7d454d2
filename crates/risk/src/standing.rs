//! An account as it stands now, which sizes or refuses the orders of this moment by the rules that [`super::follow`] obeys.

use std::collections::BTreeMap;

use super::defence::defence_mode;
use super::limits::is_too_low;
use super::order::{AccountState, approve};
use super::{BreakerLimits, Limits, Money, Order, Refusal, RiskApproved, RiskRefused};
use huracan_shadow::Side;

/// What an account's owner knows of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// Booked money and open positions at the last prices.
    pub equity: Money,
    /// Booked money alone: what is left if every open position is closed where it was entered.
    pub booked: Money,
    /// Equity at the start of the UTC day.
    pub day_start: Money,
    /// Result of the trades that were closed today.
    pub day_result: Money,
    /// Highest equity of the day.
    pub day_high: Money,
    /// Highest equity at a close of the last `drawdown_days` days.
    pub recent_high: Money,
    /// A breaker that has ended the day's entries before, [`Refusal::DailyStop`] or [`Refusal::DrawdownBreaker`].
    pub stopped: Option<Refusal>,
    /// Whether trading is stopped altogether.
    pub killed: bool,
    /// Whether the market is so volatile that sizes are smaller; see [`is_in_defence`].
    pub defence: bool,
    /// Open positions.
    pub positions: Vec<Held>,
    /// Results in a row, by coin.
    pub streaks: BTreeMap<String, Streak>,
}

/// An open position.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// The coin: what comes before the `-` of its symbol.
    pub coin: String,
    /// Size at the entry.
    pub notional: Money,
    /// Loss at the stop, 0 where the stop is beyond the entry.
    pub risk: Money,
    /// Notional × side × beta.
    pub beta_exposure: Money,
}

impl Held {
    /// A position by its prices; `beta` is how far the coin moves with the market, and NaN counts as 1.
    pub fn new(coin: &str, side: Side, notional: Money, entry_price: f64, stop_price: f64, beta: f64) -> Self {
        let distance = side.sign() * (entry_price - stop_price) / entry_price;
        let risk = if distance > 0.0 { Money::up(notional.value() * distance) } else { Money::ZERO };
        let slope = side.sign() * if beta.is_finite() { beta } else { 1.0 };
        Self { coin: coin.to_owned(), notional, risk, beta_exposure: Money::rounded(notional.value() * slope) }
    }

    /// Profit of a position at a price, before costs.
    pub fn unrealised(side: Side, notional: Money, entry_price: f64, price: f64) -> Money {
        Money::rounded(notional.value() * (side.sign() * (price / entry_price - 1.0)))
    }
}

/// Results of a coin in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Streak {
    /// Losses since the coin had its usual size last.
    pub losses: u32,
    /// Wins in a row since `losses` reached the limit.
    pub wins: u32,
}

impl Streak {
    /// Counts a closed trade of the coin.
    pub fn record(&mut self, won: bool, limits: &BreakerLimits) {
        match (self.losses >= limits.streak_losses, won) {
            (false, true) => self.losses = 0,
            (false, false) => self.losses += 1,
            (true, false) => self.wins = 0,
            (true, true) => {
                self.wins += 1;
                if self.wins >= limits.streak_wins {
                    *self = Self::default();
                }
            }
        }
    }
}

impl Standing {
    /// Sizes an order, takes it into the account, or refuses it. `coin` is that of its symbol.
    ///
    /// # Errors
    /// The first rule that refuses it, in the order of [`Refusal::ALL`].
    pub fn place(&mut self, order: Order, coin: &str, limits: &Limits) -> Result<RiskApproved, RiskRefused> {
        let equity = self.equity;
        if let Some(reason) = self.refusal(limits) {
            return Err(RiskRefused::without_size(order, reason, equity));
        }
        let sum = |of: fn(&Held) -> Money| self.positions.iter().map(of).sum::<Money>();
        let own = self.positions.iter().filter(|held| held.coin == coin);
        let state = AccountState {
            equity,
            daily_base: self.day_start.min(equity),
            day_loss: limits.breakers.map_or(Money::ZERO, |_| (self.day_start - self.booked).max(Money::ZERO)),
            exposure: sum(|held| held.notional),
            coin_exposure: own.map(|held| held.notional).sum(),
            open_risk: sum(|held| held.risk),
            beta_exposure: sum(|held| held.beta_exposure),
            streak_factor: self.streak_factor(coin, limits),
            defence_factor: limits.breakers.filter(|_| self.defence).map_or(1.0, |breakers| breakers.defence_factor),
        };
        let approved = approve(order, &state, limits)?;
        self.positions.push(Held {
            coin: coin.to_owned(),
            notional: approved.notional(),
            risk: approved.risk(),
            beta_exposure: approved.beta_exposure(),
        });
        Ok(approved)
    }

    /// Takes out a position that is closed with this gain; none where it is not known. It counts for the day and for its coin's streak, and a
    /// day's loss that reaches its limit ends the day, whatever is closed after it.
    ///
    /// # Panics
    /// Where there is no such position.
    pub fn close(&mut self, place: usize, gained: Option<Money>, limits: &Limits) {
        let held = self.positions.remove(place);
        let Some(gained) = gained else { return };
        self.booked += gained;
        self.day_result += gained;
        let Some(breakers) = limits.breakers else { return };
        self.streaks.entry(held.coin).or_default().record(gained > Money::ZERO, &breakers);
        if self.stopped.is_none() && breakers.stops_the_day(self.day_start, self.day_result) {
            self.stopped = Some(Refusal::DailyStop);
        }
    }

    /// Why nothing is entered, if so: the kill switch, or a breaker.
    pub fn refusal(&self, limits: &Limits) -> Option<Refusal> {
        if self.killed {
            return Some(Refusal::KillSwitch);
        }
        let breakers = limits.breakers.filter(|_| self.equity > Money::ZERO)?;
        let day = |reason: Refusal| self.stopped == Some(reason);
        if day(Refusal::DailyStop) || breakers.stops_the_day(self.day_start, self.day_result) {
            Some(Refusal::DailyStop)
        } else if day(Refusal::DrawdownBreaker) || breakers.falls_in_a_day(self.day_high, self.equity) {
            Some(Refusal::DrawdownBreaker)
        } else if is_too_low(self.recent_high.max(self.equity), self.equity, breakers.drawdown_limit) {
            Some(Refusal::DrawdownLimit)
        } else {
            None
        }
    }

    /// Factor on the sizes of a coin: 1 unless it has lost too often in a row, and not yet won as often as it must.
    pub fn streak_factor(&self, coin: &str, limits: &Limits) -> f64 {
        match (limits.breakers, self.streaks.get(coin)) {
            (Some(breakers), Some(streak))
                if streak.losses >= breakers.streak_losses && streak.wins < breakers.streak_wins =>
            {
                breakers.streak_factor
            }
            _ => 1.0,
        }
    }
}

/// Whether defence mode is on for entries at the open of the next bar: see [`defence_mode`]. `volatility` are the means of the
/// newest bars, of which `window` + 1 count.
pub fn is_in_defence(volatility: &[f64], window: usize, percentile: f64) -> bool {
    let newest = &volatility[volatility.len().saturating_sub(window + 1)..];
    let mut with_next = newest.to_vec();
    with_next.push(f64::NAN);
    defence_mode(&with_next, window, percentile).last() == Some(&true)
}

#[cfg(test)]
mod tests;
