//! Circuit breakers: conditions that stop trading for the day, or reduce sizes.

use super::recent_high::RecentHigh;
use super::{BreakerLimits, Money, Refusal};
use huracan_bars::{DAY_MS, Panel};

/// A circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Breaker {
    /// The day's booked loss has reached its limit: no entries until midnight UTC.
    DailyStop,
    /// Equity has fallen too far from the day's highest: no entries until midnight UTC.
    Drawdown,
    /// Equity has fallen too far from the highest of the last days: no entries until it has recovered, or that high is
    /// older than these days.
    DrawdownLimit,
    /// Several losses in a row of one coin: smaller sizes of this coin.
    Streak,
    /// High market volatility (defence mode): smaller sizes.
    Volatility,
    /// The kill switch is on: no entries.
    KillSwitch,
}

impl Breaker {
    /// All breakers.
    pub const ALL: [Self; 6] =
        [Self::DailyStop, Self::Drawdown, Self::DrawdownLimit, Self::Streak, Self::Volatility, Self::KillSwitch];

    /// The name under which it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::DailyStop => "daily_stop",
            Self::Drawdown => "drawdown_breaker",
            Self::DrawdownLimit => "drawdown_limit",
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
    /// Row of the coin's first symbol in the panel, for a breaker of one coin; `None` for all coins.
    pub coin: Option<usize>,
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

#[derive(Clone, Default)]
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
    /// `None` without breakers.
    recent_high: Option<RecentHigh>,
    /// One entry per coin, `[symbols]`: only those of first symbols are used.
    streaks: Vec<Streak>,
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
        let recent_high = limits
            .map(|limits| RecentHigh::new(panel.timeframe.bars_in_days(limits.drawdown_days), limits.drawdown_limit));
        let streaks = vec![Streak::default(); panel.symbols.len()];
        Self { panel, limits, day, recent_high, streaks, events: Vec::new() }
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
        let ended = self.recent_high.as_mut().and_then(|high| high.advance_to(bar, equity));
        self.record(Breaker::DrawdownLimit, ended, None);
    }

    pub fn day_start_equity(&self) -> Money {
        self.day.start_equity
    }

    /// What the day has lost of its limit, where `booked` is the account's money without open positions: the equity at
    /// the day's start that is not booked now. Losses of open positions are not among it, because their distance to the
    /// stop is open risk as a whole; gains of open positions that the day began with are, because they are lost where a
    /// stop is hit. So the day's loss, if every stop is hit, is this and the open risk. 0 without breakers.
    pub fn day_loss(&self, booked: Money) -> Money {
        match self.limits {
            Some(_) => (self.day.start_equity - booked).max(Money::ZERO),
            None => Money::ZERO,
        }
    }

    /// The reason why entries are stopped, if they are.
    pub fn refusal(&self) -> Option<Refusal> {
        if self.day.daily_stop_tripped {
            Some(Refusal::DailyStop)
        } else if self.day.drawdown_tripped {
            Some(Refusal::DrawdownBreaker)
        } else if self.recent_high.as_ref().is_some_and(|high| high.since().is_some()) {
            Some(Refusal::DrawdownLimit)
        } else {
            None
        }
    }

    pub fn streak_factor(&self, coin: usize) -> f64 {
        match (&self.limits, self.streaks[coin].since) {
            (Some(limits), Some(_)) => limits.streak_factor,
            _ => 1.0,
        }
    }

    /// Records that a trade of a coin was closed in `bar` with this profit.
    pub fn trade_closed(&mut self, bar: usize, coin: usize, profit: Money, won: bool) {
        self.day.booked += profit;
        let Some(limits) = self.limits else { return };
        if !self.day.daily_stop_tripped && limits.stops_the_day(self.day.start_equity, self.day.booked) {
            self.day.daily_stop_tripped = true;
            self.trip_until_midnight(Breaker::DailyStop, bar);
        }
        let streak = &mut self.streaks[coin];
        match (streak.since, won) {
            (None, true) => streak.losses = 0,
            (None, false) => {
                streak.losses += 1;
                if streak.losses >= limits.streak_losses {
                    *streak = Streak { since: Some(bar), ..Streak::default() };
                }
            }
            (Some(_), false) => streak.wins = 0,
            (Some(from_bar), true) => {
                streak.wins += 1;
                if streak.wins >= limits.streak_wins {
                    *streak = Streak::default();
                    self.record(Breaker::Streak, Some((from_bar, bar)), Some(coin));
                }
            }
        }
    }

    /// Records the equity at the close of `bar`.
    pub fn bar_closed(&mut self, bar: usize, equity: Money) {
        self.day.high = self.day.high.max(equity);
        let ended = self.recent_high.as_mut().and_then(|high| high.bar_closed(bar, equity));
        self.record(Breaker::DrawdownLimit, ended, None);
        let Some(limits) = self.limits else { return };
        if !self.day.drawdown_tripped && limits.falls_in_a_day(self.day.high, equity) {
            self.day.drawdown_tripped = true;
            self.trip_until_midnight(Breaker::Drawdown, bar);
        }
    }

    /// Closes the breakers that are still active at `end`, the first bar after the last trading day.
    pub fn finish(mut self, end: usize) -> Vec<BreakerEvent> {
        if let Some(high) = &mut self.recent_high {
            let ended = high.advance_to(end, Money::ZERO);
            let period = ended.or(high.since().map(|from| (from, end.max(from))));
            self.record(Breaker::DrawdownLimit, period, None);
        }
        for coin in 0..self.streaks.len() {
            let period = self.streaks[coin].since.map(|from| (from, end.max(from)));
            self.record(Breaker::Streak, period, Some(coin));
        }
        self.events
    }

    /// Records a period, from bar to bar, if there is one.
    fn record(&mut self, breaker: Breaker, period: Option<(usize, usize)>, coin: Option<usize>) {
        let event = |(from_bar, to_bar)| BreakerEvent { breaker, from_bar, to_bar, coin };
        self.events.extend(period.map(event));
    }

    fn trip_until_midnight(&mut self, breaker: Breaker, from_bar: usize) {
        let midnight = (self.day.number + 1) * DAY_MS;
        let step = self.panel.timeframe.ms();
        let to_bar = (midnight - self.panel.start_ms + step - 1).div_euclid(step);
        let to_bar = usize::try_from(to_bar).unwrap_or(0).min(self.panel.bars);
        self.record(breaker, Some((from_bar, to_bar)), None);
    }
}
