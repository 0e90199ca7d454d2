//! Circuit breakers: when an account stops for the day, and when it trades smaller.

use super::{BreakerLimits, Money, Refusal};
use huracan_bars::{DAY_MS, Panel};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Breaker {
    DailyStop,
    Drawdown,
    Streak,
    Volatility,
    KillSwitch,
}

impl Breaker {
    pub const ALL: [Self; 5] = [Self::DailyStop, Self::Drawdown, Self::Streak, Self::Volatility, Self::KillSwitch];

    /// The name that is stored and counted.
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

/// A breaker and the time for which it held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerEvent {
    pub breaker: Breaker,
    /// The bar in which it tripped.
    pub from_bar: usize,
    /// The first bar, or the bar's exit, with which it no longer holds; the end of the last day where it holds to the last.
    pub to_bar: usize,
}

/// UTC day of a bar's open, counted from 1970.
pub(super) fn day_of(panel: &Panel, bar: usize) -> i64 {
    panel.time_ms(bar).div_euclid(DAY_MS)
}

struct Day {
    number: i64,
    start_equity: Money,
    booked: Money,
    high: Money,
    stopped: bool,
    fallen: bool,
}

#[derive(Default)]
struct Streak {
    losses: u32,
    wins: u32,
    /// The exit's bar that made sizes smaller.
    since: Option<usize>,
}

/// What an account has been through, as far as it decides what it may do next.
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
            stopped: false,
            fallen: false,
        };
        Self { panel, limits, day, streak: Streak::default(), events: Vec::new() }
    }

    /// Comes to `bar`; on a new day everything about the day begins again.
    pub fn come_to(&mut self, bar: usize, equity: Money) {
        let number = day_of(self.panel, bar);
        if number != self.day.number {
            self.day =
                Day { number, start_equity: equity, booked: Money::ZERO, high: equity, stopped: false, fallen: false };
        }
    }

    pub fn day_start_equity(&self) -> Money {
        self.day.start_equity
    }

    /// Why nothing is entered for the rest of the day.
    pub fn refusal(&self) -> Option<Refusal> {
        if self.day.stopped {
            Some(Refusal::DailyStop)
        } else if self.day.fallen {
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

    /// A trade was left in `bar` and its profit booked.
    pub fn booked(&mut self, bar: usize, profit: Money, won: bool) {
        self.day.booked += profit;
        let Some(limits) = self.limits else { return };
        let limit = self.day.start_equity.value() * limits.daily_stop;
        if !self.day.stopped && self.day.booked < Money::ZERO && -self.day.booked.value() >= limit {
            self.day.stopped = true;
            self.until_midnight(Breaker::DailyStop, bar);
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

    /// Equity at the close of `bar`.
    pub fn closed(&mut self, bar: usize, equity: Money) {
        self.day.high = self.day.high.max(equity);
        let Some(limits) = self.limits else { return };
        let high = self.day.high;
        if !self.day.fallen && high > Money::ZERO && (high - equity).value() >= high.value() * limits.drawdown_stop {
            self.day.fallen = true;
            self.until_midnight(Breaker::Drawdown, bar);
        }
    }

    /// Ends what still holds, with bar `end`, the first after the last day of trading.
    pub fn finish(mut self, end: usize) -> Vec<BreakerEvent> {
        if let Some(from_bar) = self.streak.since {
            self.events.push(BreakerEvent { breaker: Breaker::Streak, from_bar, to_bar: end.max(from_bar) });
        }
        self.events
    }

    fn until_midnight(&mut self, breaker: Breaker, from_bar: usize) {
        let midnight = (self.day.number + 1) * DAY_MS;
        let step = self.panel.timeframe.ms();
        let to_bar = (midnight - self.panel.start_ms + step - 1).div_euclid(step);
        let to_bar = usize::try_from(to_bar).unwrap_or(0).min(self.panel.bars);
        self.events.push(BreakerEvent { breaker, from_bar, to_bar });
    }
}
