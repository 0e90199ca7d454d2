//! Purged walk-forward folds on the calendar (docs/contract.md, section 4).
//!
//! Test windows begin at fixed dates, whole multiples of the step since 1970-01-01, which are the same for all coins and for
//! the runs of all days. The newest window ends with the history and may be short.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use huracan_bars::{DAY_MS, Panel, Timeframe};

/// Lengths of the parts of a fold (settings `folds`).
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct FoldParams {
    /// Training window, including its validation part, days.
    pub train_days: u32,
    /// Gap before the validation part and before the test window, days: at least as long as the longest label.
    pub purge_days: u32,
    /// Test window, whose trades are out of fold, days.
    pub test_days: u32,
    /// Distance from one fold to the next, days: test windows begin at multiples of it since 1970-01-01.
    pub step_days: u32,
    /// Validation part at the end of the training window, as a share of the train and test days. It chooses the number
    /// of rounds.
    pub validation_share: f64,
}

impl Default for FoldParams {
    /// The default settings.
    fn default() -> Self {
        Self { train_days: 120, purge_days: 4, test_days: 30, step_days: 30, validation_share: 0.1 }
    }
}

/// One fold: train, validate, leave a gap, test. Ranges are bars of the panel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fold {
    /// Number of the fold, from 0: equal numbers are equal dates for all symbols of a panel.
    pub index: usize,
    /// Rows to train on.
    pub train: Range<usize>,
    /// Rows that choose rounds and hyperparameters, a purge after `train`.
    pub validation: Range<usize>,
    /// The gap before `test`.
    pub purge: Range<usize>,
    /// Out-of-fold rows; empty in the final fold, which trains the model that is delivered.
    pub test: Range<usize>,
}

impl Fold {
    /// A fold without rows.
    pub const EMPTY: Self = Self { index: 0, train: 0..0, validation: 0..0, purge: 0..0, test: 0..0 };
}

/// A history that is too short for one fold.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "the history of {have_days:.1} days is {missing_days:.1} days too short for one fold: {need_days} days of training and \
     purge before a fixed date, and one bar to test"
)]
pub struct TooShort {
    /// Days of the history.
    pub have_days: f64,
    /// Days of training and purge before the first test window.
    pub need_days: u32,
    /// Days that are missing.
    pub missing_days: f64,
}

/// The grid of bars that folds are placed on: that of a panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Open of the first bar, milliseconds since 1970 UTC.
    pub start_ms: i64,
    /// Length of a bar.
    pub timeframe: Timeframe,
}

impl Grid {
    /// The grid of a panel.
    pub fn of(panel: &Panel) -> Self {
        Self { start_ms: panel.start_ms, timeframe: panel.timeframe }
    }

    /// The first bar that opens at `time_ms` or later, counted from the first bar of the grid; may be negative.
    fn bar_from(self, time_ms: i64) -> i64 {
        -(self.start_ms - time_ms).div_euclid(self.timeframe.ms())
    }
}

/// Lengths of the parts of a fold, bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lengths {
    train: usize,
    validation: usize,
    purge: usize,
    test: usize,
}

impl Lengths {
    fn new(params: &FoldParams, timeframe: Timeframe) -> Self {
        let bars = |days| timeframe.bars_in_days(days);
        let all = bars(params.train_days + params.test_days) as f64;
        Self {
            train: bars(params.train_days),
            validation: ((all * params.validation_share) as usize).max(1),
            purge: bars(params.purge_days),
            test: bars(params.test_days),
        }
    }

    /// The fold whose training window is `start..end`.
    fn fold(&self, index: usize, start: usize, end: usize, test: Range<usize>) -> Fold {
        let validation = end.saturating_sub(self.validation).max(start);
        Fold {
            index,
            train: start..validation.saturating_sub(self.purge).max(start),
            validation: validation..end,
            purge: end..test.start,
            test,
        }
    }
}

/// The first bar of every test window from the first fold of the grid on.
fn boundaries(grid: Grid, params: &FoldParams) -> impl Iterator<Item = usize> {
    let lengths = Lengths::new(params, grid.timeframe);
    let step_ms = i64::from(params.step_days.max(1)) * DAY_MS;
    let earliest = (lengths.train + lengths.purge) as i64;
    let first = grid.start_ms + earliest * grid.timeframe.ms();
    let number = -(-first).div_euclid(step_ms);
    (number..).map(move |number| grid.bar_from(number * step_ms) as usize)
}

/// The walk-forward plan over a symbol's bars `range`: every fold whose training window is whole and whose test window has
/// begun. Test windows begin at multiples of `step_days` since 1970-01-01; the last one ends with the history.
///
/// # Errors
/// [`TooShort`] if `range` does not hold one fold.
pub fn plan(grid: Grid, range: &Range<usize>, params: &FoldParams) -> Result<Vec<Fold>, TooShort> {
    let lengths = Lengths::new(params, grid.timeframe);
    let before = lengths.train + lengths.purge;
    let all = boundaries(grid, params).enumerate().skip_while(|(_, test)| *test < range.start + before);
    let folds: Vec<Fold> = all
        .take_while(|(_, test)| *test < range.end)
        .map(|(index, test)| {
            let end = test - lengths.purge;
            lengths.fold(index, end - lengths.train, end, test..(test + lengths.test).min(range.end))
        })
        .collect();
    if folds.is_empty() {
        let first = boundaries(grid, params).find(|test| *test >= range.start + before).unwrap_or(range.end);
        let days = |bars: usize| bars as f64 * grid.timeframe.ms() as f64 / DAY_MS as f64;
        return Err(TooShort {
            have_days: days(range.len()),
            need_days: params.train_days + params.purge_days,
            missing_days: days(first + 1 - range.end),
        });
    }
    Ok(folds)
}

/// The final fold, which trains the model that is delivered. It ends with the history and has no test window.
pub fn latest(grid: Grid, range: &Range<usize>, params: &FoldParams, index: usize) -> Fold {
    let lengths = Lengths::new(params, grid.timeframe);
    let start = range.end.saturating_sub(lengths.train).max(range.start);
    lengths.fold(index, start, range.end, range.end..range.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folds() -> FoldParams {
        FoldParams::default()
    }

    /// A grid of hours that begins this many days after 1970-01-01.
    fn hours_from(day: i64) -> Grid {
        Grid { start_ms: day * DAY_MS, timeframe: Timeframe::H1 }
    }

    #[test]
    fn folds_follow_each_other_with_gaps_in_between() {
        // Day 600 + 124 is 724, so the first test window begins on day 750, the next multiple of 30.
        let plan = plan(hours_from(600), &(0..240 * 24), &folds()).unwrap();
        assert_eq!(plan.len(), 3);
        assert_eq!(plan[0].test, 150 * 24..180 * 24);
        assert_eq!(plan[0].purge, 146 * 24..150 * 24);
        assert_eq!(plan[0].validation, 131 * 24..146 * 24);
        assert_eq!(plan[0].train, 26 * 24..127 * 24);
        for (i, fold) in plan.iter().enumerate() {
            assert_eq!((fold.index, fold.test.start), (i, (150 + i * 30) * 24));
            assert!(fold.validation.start - fold.train.end >= 4 * 24);
            assert_eq!(fold.test.start - fold.validation.end, 4 * 24);
        }
        let last = latest(hours_from(600), &(0..240 * 24), &folds(), 3);
        assert_eq!((last.validation.end, last.purge.len(), last.test.len()), (240 * 24, 0, 0));
    }

    #[test]
    fn the_newest_window_ends_with_the_history_and_a_later_run_moves_no_boundary() {
        let dates = |first_day: i64, days: usize| {
            let plan = plan(hours_from(first_day), &(0..days * 24), &folds()).unwrap();
            plan.into_iter().map(move |fold| (first_day * 24 + fold.test.start as i64, fold.test.len()))
        };
        let today: Vec<_> = dates(600, 241).collect();
        assert_eq!(today.last(), Some(&((600 + 240) * 24, 24)));
        // A day later, with a history of the same length.
        let tomorrow: Vec<_> = dates(601, 241).collect();
        assert_eq!(tomorrow.last(), Some(&((600 + 240) * 24, 48)));
        assert_eq!(today[..3], tomorrow[..3]);
    }

    #[test]
    fn a_coin_listed_later_has_the_folds_of_the_others() {
        let (grid, old, young) = (hours_from(600), 0..300 * 24, 40 * 24 + 7..300 * 24);
        let all = plan(grid, &old, &folds()).unwrap();
        assert_eq!(plan(grid, &young, &folds()).unwrap(), all[1..]);
    }

    #[test]
    fn boundaries_are_midnights_of_fixed_dates_on_every_grid() {
        for (start_hours, timeframe) in [(7_i64, "1h"), (30, "4h"), (0, "1d")] {
            let timeframe: Timeframe = timeframe.parse().unwrap();
            let start_ms = 19_000 * DAY_MS + start_hours * 3_600_000 / timeframe.ms() * timeframe.ms();
            let grid = Grid { start_ms, timeframe };
            for fold in plan(grid, &(0..timeframe.bars_in_days(400)), &folds()).unwrap() {
                let open = start_ms + fold.test.start as i64 * timeframe.ms();
                assert_eq!(open % (30 * DAY_MS), 0);
            }
        }
    }

    #[test]
    fn a_short_history_reports_how_many_days_are_missing() {
        let error = plan(hours_from(600), &(0..116 * 24 + 12), &folds()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the history of 116.5 days is 33.5 days too short for one fold: 124 days of training and purge before a fixed \
             date, and one bar to test"
        );
    }
}
