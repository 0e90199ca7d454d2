//! Circuit breakers: conditions that stop trading for the day, or reduce sizes.

use super::{BreakerLimits, Money, Refusal};
use huracan_bars::{DAY_MS, Panel};

/// A circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Breaker {
    /// The day's booked loss has reached its limit: no entries until midnight UTC.
    DailyStop,
    /// Equity has fallen too far from the day's highest: no entries until midnight UTC.
    Drawdown,
    /// Several losses in a row: smaller sizes.
    Streak,
    /// High market volatility (defence mode): smaller sizes.
    Volatility,
    /// The kill switch is on: no entries.
    KillSwitch,
}

impl Breaker {
    /// All breakers.
    pub const ALL: [Self; 5] = [Self::DailyStop, Self::Drawdown, Self::Streak, Self::Volatility, Self::KillSwitch];

    /// The name under which it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::DailyStop => "daily_stop",
            Self::Drawdown => "drawdown_breaker",
            Self::Streak => "streak_breaker",
            Self::Volatility => "volatility_breaker",
            Self::KillSwitch => "kill_switch",
        }
    }
}

/// A period during which a breaker was active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerEvent {
    /// Which breaker.
    pub breaker: Breaker,
    /// Bar in which it tripped.
    pub from_bar: usize,
    /// First bar in which it was no longer active, or the bar whose exit ended it. If it was active to the end, the
    /// first bar after the last day.
    pub to_bar: usize,
}

/// UTC day of a bar's open, in days since 1970.
pub(super) fn day_of(panel: &Panel, bar: usize) -> i64 {
    panel.time_ms(bar).div_euclid(DAY_MS)
}

struct Day {
    number: i64,
    start_equity: Money,
    booked: Money,
    high: Money,
    daily_stop_tripped: bool,
    drawdown_tripped: bool,
}

#[derive(Default)]
struct Streak {
    losses: u32,
    wins: u32,
    /// Bar of the exit that reduced the sizes; `None` while sizes are normal.
    since: Option<usize>,
}

/// State of an account's breakers.
pub(super) struct Breakers<'a> {
    panel: &'a Panel,
    limits: Option<BreakerLimits>,
    day: Day,
    streak: Streak,
    pub events: Vec<BreakerEvent>,
}

impl<'a> Breakers<'a> {
    pub fn new(panel: &'a Panel, limits: Option<BreakerLimits>) -> Self {
        let day = Day {
            number: i64::MIN,
            start_equity: Money::ZERO,
            booked: Money::ZERO,
            high: Money::ZERO,
            daily_stop_tripped: false,
            drawdown_tripped: false,
        };
        Self { panel, limits, day, streak: Streak::default(), events: Vec::new() }
    }

    /// Advances to `bar`. On a new day the day's state is reset.
    pub fn advance_to(&mut self, bar: usize, equity: Money) {
        let number = day_of(self.panel, bar);
        if number != self.day.number {
            self.day = Day {
                number,
                start_equity: equity,
                booked: Money::ZERO,
                high: equity,
                daily_stop_tripped: false,
                drawdown_tripped: false,
            };
        }
    }

    pub fn day_start_equity(&self) -> Money {
        self.day.start_equity
    }

    /// The reason why entries are stopped for the rest of the day, if they are.
    pub fn refusal(&self) -> Option<Refusal> {
        if self.day.daily_stop_tripped {
            Some(Refusal::DailyStop)
        } else if self.day.drawdown_tripped {
            Some(Refusal::DrawdownBreaker)
        } else {
            None
        }
    }

    pub fn streak_factor(&self) -> f64 {
        match (&self.limits, self.streak.since) {
            (Some(limits), Some(_)) => limits.streak_factor,
            _ => 1.0,
        }
    }

    /// Records that a trade was closed in `bar` with this profit.
    pub fn trade_closed(&mut self, bar: usize, profit: Money, won: bool) {
        self.day.booked += profit;
        let Some(limits) = self.limits else { return };
        let limit = self.day.start_equity.value() * limits.daily_stop;
        if !self.day.daily_stop_tripped && self.day.booked < Money::ZERO && -self.day.booked.value() >= limit {
            self.day.daily_stop_tripped = true;
            self.trip_until_midnight(Breaker::DailyStop, bar);
        }
        match (self.streak.since, won) {
            (None, true) => self.streak.losses = 0,
            (None, false) => {
                self.streak.losses += 1;
                if self.streak.losses >= limits.streak_losses {
                    self.streak = Streak { since: Some(bar), ..Streak::default() };
                }
            }
            (Some(_), false) => self.streak.wins = 0,
            (Some(from_bar), true) => {
                self.streak.wins += 1;
                if self.streak.wins >= limits.streak_wins {
                    self.events.push(BreakerEvent { breaker: Breaker::Streak, from_bar, to_bar: bar });
                    self.streak = Streak::default();
                }
            }
        }
    }

    /// Records the equity at the close of `bar`.
    pub fn bar_closed(&mut self, bar: usize, equity: Money) {
        self.day.high = self.day.high.max(equity);
        let Some(limits) = self.limits else { return };
        let high = self.day.high;
        let drawdown_limit = high.value() * limits.drawdown_stop;
        if !self.day.drawdown_tripped && high > Money::ZERO && (high - equity).value() >= drawdown_limit {
            self.day.drawdown_tripped = true;
            self.trip_until_midnight(Breaker::Drawdown, bar);
        }
    }

    /// Closes the breakers that are still active at `end`, the first bar after the last trading day.
    pub fn finish(mut self, end: usize) -> Vec<BreakerEvent> {
        if let Some(from_bar) = self.streak.since {
            self.events.push(BreakerEvent { breaker: Breaker::Streak, from_bar, to_bar: end.max(from_bar) });
        }
        self.events
    }

    fn trip_until_midnight(&mut self, breaker: Breaker, from_bar: usize) {
        let midnight = (self.day.number + 1) * DAY_MS;
        let step = self.panel.timeframe.ms();
        let to_bar = (midnight - self.panel.start_ms + step - 1).div_euclid(step);
        let to_bar = usize::try_from(to_bar).unwrap_or(0).min(self.panel.bars);
        self.events.push(BreakerEvent { breaker, from_bar, to_bar });
    }
}
