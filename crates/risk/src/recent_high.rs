//! The highest equity of the last days, and whether equity is too far below it.

use std::collections::VecDeque;

use super::Money;
use super::limits::is_too_low;

/// Equity at the closes of the last bars.
pub(super) struct RecentHigh {
    /// Number of closes that count.
    window: usize,
    /// Fall from the highest of them, as a share of it, beyond which equity is too low.
    limit: f64,
    /// Bar whose open follows a close, and the equity at that close. Only those that no later one reaches are kept, so the
    /// first is the highest, and the last is the newest.
    highs: VecDeque<(usize, Money)>,
    /// Bar whose close brought equity too low; `None` while it is not.
    since: Option<usize>,
}

impl RecentHigh {
    pub fn new(window: usize, limit: f64) -> Self {
        Self { window: window.max(1), limit, highs: VecDeque::new(), since: None }
    }

    /// Bar whose close brought equity too low; `None` while it is not.
    pub fn since(&self) -> Option<usize> {
        self.since
    }

    /// Advances to the open of `bar`; `equity` counts as the close before the first bar. Gives the period, from bar to
    /// bar, that ended because the high before it is now too old.
    ///
    /// Bars that are passed over have no closes of their own: nothing was open, so equity stayed what it was.
    pub fn advance_to(&mut self, bar: usize, equity: Money) -> Option<(usize, usize)> {
        if self.highs.is_empty() {
            self.highs.push_back((bar, equity));
        }
        let mut ended = None;
        while self.highs.len() > 1 && self.highs[0].0 + self.window <= bar {
            let end = self.highs[0].0 + self.window;
            self.highs.pop_front();
            if !self.is_too_low() {
                ended = ended.or(self.since.take().map(|from| (from, end)));
            }
        }
        if let Some(newest) = self.highs.back_mut() {
            newest.0 = newest.0.max(bar);
        }
        ended
    }

    /// Records the equity at the close of `bar`. Gives the period that ended by it.
    pub fn bar_closed(&mut self, bar: usize, equity: Money) -> Option<(usize, usize)> {
        while self.highs.back().is_some_and(|&(_, high)| high <= equity) {
            self.highs.pop_back();
        }
        self.highs.push_back((bar + 1, equity));
        let ended = self.advance_to(bar + 1, equity);
        match (self.is_too_low(), self.since) {
            (true, None) => self.since = Some(bar),
            (false, Some(from)) => {
                self.since = None;
                return Some((from, bar + 1));
            }
            _ => (),
        }
        ended
    }

    fn is_too_low(&self) -> bool {
        let (Some(&(_, high)), Some(&(_, newest))) = (self.highs.front(), self.highs.back()) else { return false };
        is_too_low(high, newest, self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use huracan_base::arith::{draw, uniform};

    #[test]
    fn a_period_ends_when_equity_recovers_or_the_high_is_too_old() {
        let money = Money::rounded;
        let mut high = RecentHigh::new(5, 0.1);
        assert_eq!(high.advance_to(3, money(100.0)), None);
        // Exactly a tenth below is not too low.
        assert_eq!((high.bar_closed(3, money(90.0)), high.since()), (None, None));
        assert_eq!((high.bar_closed(4, money(89.9)), high.since()), (None, Some(4)));
        assert_eq!((high.bar_closed(5, money(90.1)), high.since()), (Some((4, 6)), None));
        assert_eq!((high.bar_closed(6, money(80.0)), high.since()), (None, Some(6)));
        // Flat at 80. The 100 from before bar 3 counts until bar 7; then 90.1, of the close of bar 5, until bar 10.
        assert_eq!((high.advance_to(8, money(80.0)), high.since()), (None, Some(6)));
        assert_eq!((high.advance_to(40, money(80.0)), high.since()), (Some((6, 11)), None));
        assert_eq!((high.bar_closed(40, money(72.1)), high.since()), (None, None));
        assert_eq!((high.bar_closed(41, money(71.9)), high.since()), (None, Some(41)));
    }

    #[test]
    fn it_is_too_low_where_the_highest_of_the_last_closes_says_so() {
        for seed in 0..50 {
            let window = 1 + (seed % 9) as usize;
            let mut equities = vec![1000.0];
            let mut high = RecentHigh::new(window, 0.03);
            high.advance_to(0, Money::rounded(1000.0));
            for bar in 0..200 {
                high.advance_to(bar, Money::ZERO);
                let last = equities[bar];
                equities.push((last * (0.98 + 0.04 * uniform(draw(seed, 1, bar as u64)))).round());
                high.bar_closed(bar, Money::rounded(equities[bar + 1]));
                let recent = &equities[(bar + 2).saturating_sub(window)..];
                let highest = recent.iter().copied().fold(0.0, f64::max);
                assert_eq!(high.since().is_some(), highest - equities[bar + 1] > highest * 0.03, "{seed} {bar}");
            }
        }
    }
}
