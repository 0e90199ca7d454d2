//! Purged walk-forward folds (docs/contract.md, section 4).

use std::ops::Range;

use serde::{Deserialize, Serialize};

use huracan_bars::{DAY_MS, Timeframe};

/// Lengths of the parts of a fold (settings `folds`).
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct FoldParams {
    /// Training window, including its validation part, days.
    pub train_days: u32,
    /// Gap before the validation part and before the test window, days: at least as long as the longest label.
    pub purge_days: u32,
    /// Test window, whose trades are out of fold, days.
    pub test_days: u32,
    /// Distance from one fold to the next, days.
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
    /// Number of the fold, from 0.
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

/// A history that is too short for one fold.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the history of {have_days:.1} days is {missing_days:.1} days too short for one fold of {need_days} days")]
pub struct TooShort {
    /// Days of the history.
    pub have_days: f64,
    /// Days of one fold.
    pub need_days: u32,
    /// Days that are missing.
    pub missing_days: f64,
}

/// Lengths of the parts of a fold, bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lengths {
    train: usize,
    validation: usize,
    purge: usize,
    test: usize,
    step: usize,
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
            step: bars(params.step_days).max(1),
        }
    }

    fn fold(&self, index: usize, start: usize, test: usize) -> Fold {
        let end = start + self.train;
        let validation = end - self.validation;
        Fold {
            index,
            train: start..validation.saturating_sub(self.purge).max(start),
            validation: validation..end,
            purge: end..end + self.purge,
            test: end + self.purge..end + self.purge + test,
        }
    }
}

/// The walk-forward plan over a symbol's bars `range`: every fold whose test window is complete.
///
/// # Errors
/// [`TooShort`] if `range` does not hold one fold.
pub fn plan(range: &Range<usize>, params: &FoldParams, timeframe: Timeframe) -> Result<Vec<Fold>, TooShort> {
    let lengths = Lengths::new(params, timeframe);
    let whole = lengths.train + lengths.purge + lengths.test;
    if range.len() < whole {
        let days = |bars: usize| bars as f64 * timeframe.ms() as f64 / DAY_MS as f64;
        return Err(TooShort {
            have_days: days(range.len()),
            need_days: params.train_days + params.purge_days + params.test_days,
            missing_days: days(whole - range.len()),
        });
    }
    let starts = (range.start..).step_by(lengths.step).take_while(|start| start + whole <= range.end);
    Ok(starts.enumerate().map(|(index, start)| lengths.fold(index, start, lengths.test)).collect())
}

/// The final fold, which trains the model that is delivered. It ends with the history and has no test window.
pub fn latest(range: &Range<usize>, params: &FoldParams, timeframe: Timeframe, index: usize) -> Fold {
    let lengths = Lengths::new(params, timeframe);
    let start = range.end.saturating_sub(lengths.train).max(range.start);
    let mut fold = lengths.fold(index, start, 0);
    (fold.purge, fold.test) = (range.end..range.end, range.end..range.end);
    fold
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folds() -> FoldParams {
        FoldParams::default()
    }

    #[test]
    fn folds_follow_each_other_with_gaps_in_between() {
        let plan = plan(&(24..24 + 240 * 24), &folds(), Timeframe::H1).unwrap();
        assert_eq!(plan.len(), 3);
        assert_eq!(plan[0].train, 24..24 + (120 - 15 - 4) * 24);
        assert_eq!(plan[0].validation, 24 + 105 * 24..24 + 120 * 24);
        assert_eq!(plan[0].purge, 24 + 120 * 24..24 + 124 * 24);
        assert_eq!(plan[0].test, 24 + 124 * 24..24 + 154 * 24);
        for (i, fold) in plan.iter().enumerate() {
            assert_eq!(fold.train.start, 24 + i * 30 * 24);
            assert!(fold.validation.start - fold.train.end >= 4 * 24);
            assert_eq!(fold.test.start - fold.validation.end, 4 * 24);
        }
        let last = latest(&(24..24 + 240 * 24), &folds(), Timeframe::H1, 3);
        assert_eq!((last.validation.end, last.test.len()), (24 + 240 * 24, 0));
    }

    #[test]
    fn a_short_history_reports_how_many_days_are_missing() {
        let error = plan(&(0..116 * 24 + 12), &folds(), Timeframe::H1).unwrap_err();
        assert_eq!(error.to_string(), "the history of 116.5 days is 37.5 days too short for one fold of 154 days");
    }
}
