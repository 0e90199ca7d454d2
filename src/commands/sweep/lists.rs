//! Parses the lists of a grid from the command line.

use super::Request;
use crate::shadow::sweep::{Grid, GridError};

/// A hold without a limit.
pub(super) const NO_LIMIT: usize = usize::MAX;
/// Thresholds that are chosen if none are given.
const DEFAULT_THRESHOLDS: usize = 8;
/// Most values of one list.
const MAX_VALUES: usize = 100_000;

/// A list that cannot be used.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum ListError {
    #[error("--{flag}: '{part}' is not a number; give values like 1,2.5,4 or from:to:count like 1:4:7")]
    NotANumber { flag: &'static str, part: String },
    #[error("--{flag}: '{text}' has no count; give from:to:count, as in 1:4:7 for 1, 1.5 … 4")]
    Range { flag: &'static str, text: String },
    #[error("--{flag}: '{part}' is not a count; give a whole number from 1 to {MAX_VALUES}")]
    Count { flag: &'static str, part: String },
    #[error("--{flag}: {value} is not a whole number of bars")]
    Whole { flag: &'static str, value: f64 },
    #[error("--{0}")]
    Grid(#[from] GridError),
    #[error("--thresholds: there are no signals to choose thresholds from")]
    NoSignals,
}

/// The lists of a request. Thresholds that were not given are chosen later.
pub(super) struct Lists {
    thresholds: Option<Vec<f32>>,
    stop_atr: Vec<f64>,
    take_atr: Vec<f64>,
    max_hold: Vec<usize>,
}

impl Lists {
    pub fn parse(request: &Request<'_>) -> Result<Self, ListError> {
        let thresholds = request.thresholds.map(|text| numbers("thresholds", text)).transpose()?;
        let lists = Self {
            thresholds: thresholds.map(|list| list.into_iter().map(|value| value as f32).collect()),
            stop_atr: numbers("stops", request.stops)?,
            take_atr: numbers("takes", request.takes)?,
            max_hold: holds("holds", request.holds)?,
        };
        // The other lists can be checked now, whatever thresholds are chosen later.
        let thresholds = lists.thresholds.clone().unwrap_or_else(|| vec![0.0]);
        let Self { stop_atr, take_atr, max_hold, .. } = &lists;
        Grid { thresholds, stop_atr: stop_atr.clone(), take_atr: take_atr.clone(), max_hold: max_hold.clone() }
            .check()?;
        Ok(lists)
    }

    /// The grid. Thresholds that were not given are chosen so that each leaves out an equal share of the signals.
    pub fn grid(self, scores: &[f32]) -> Result<Grid, ListError> {
        let thresholds = match self.thresholds {
            Some(thresholds) => thresholds,
            None => quantiles(scores),
        };
        if thresholds.is_empty() {
            return Err(ListError::NoSignals);
        }
        let grid = Grid { thresholds, stop_atr: self.stop_atr, take_atr: self.take_atr, max_hold: self.max_hold };
        grid.check()?;
        Ok(grid)
    }
}

fn quantiles(scores: &[f32]) -> Vec<f32> {
    let mut sizes: Vec<f32> = scores.iter().map(|score| score.abs()).filter(|size| *size > 0.0).collect();
    sizes.sort_by(f32::total_cmp);
    let at = |part: usize| sizes.get(part * sizes.len() / DEFAULT_THRESHOLDS).copied();
    let mut chosen: Vec<f32> = (0..DEFAULT_THRESHOLDS).filter_map(at).collect();
    chosen.dedup();
    chosen
}

/// `1,2.5,4`, or `from:to:count`.
fn numbers(flag: &'static str, text: &str) -> Result<Vec<f64>, ListError> {
    let number = |part: &str| {
        part.trim().parse::<f64>().map_err(|_| ListError::NotANumber { flag, part: part.trim().to_owned() })
    };
    if !text.contains(':') {
        return text.split(',').map(number).collect();
    }
    let parts: Vec<&str> = text.split(':').collect();
    let [from, to, count] = parts[..] else { return Err(ListError::Range { flag, text: text.to_owned() }) };
    let (from, to) = (number(from)?, number(to)?);
    let bad_count = || ListError::Count { flag, part: count.trim().to_owned() };
    let count: usize = count.trim().parse().map_err(|_| bad_count())?;
    if !(1..=MAX_VALUES).contains(&count) {
        return Err(bad_count());
    }
    let step = if count > 1 { (to - from) / (count - 1) as f64 } else { 0.0 };
    Ok((0..count).map(|n| if n > 0 && n + 1 == count { to } else { short(from + step * n as f64) }).collect())
}

/// Removes the rounding error of the last digits: 0.3 instead of 0.30000000000000004.
fn short(value: f64) -> f64 {
    format!("{value:.9}").parse().unwrap_or(value)
}

fn holds(flag: &'static str, text: &str) -> Result<Vec<usize>, ListError> {
    let (limited, unlimited) = match text.trim().strip_suffix("none") {
        Some("") => return Ok(vec![NO_LIMIT]),
        Some(rest) if rest.trim_end().ends_with(',') => (rest.trim_end().trim_end_matches(','), true),
        _ => (text, false),
    };
    let mut holds = Vec::new();
    for value in numbers(flag, limited)? {
        if value.is_nan() || value.fract() != 0.0 || value.abs() > 1e9 {
            return Err(ListError::Whole { flag, value });
        }
        // A negative value becomes 0, which the check of the grid reports.
        holds.push(value as usize);
    }
    if unlimited {
        holds.push(NO_LIMIT);
    }
    Ok(holds)
}

/// A threshold as the decimal number that was given, without the further digits of its f32.
pub(super) fn threshold(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

pub(super) fn threshold_text(value: f32) -> String {
    let text = value.to_string();
    match value {
        _ if text.len() <= 6 => text,
        tiny if tiny < 0.001 => format!("{value:.1e}"),
        _ => format!("{value:.4}"),
    }
}

pub(super) fn distance_text(value: f64) -> String {
    let text = value.to_string();
    if text.len() <= 6 { text } else { format!("{value:.3}") }
}

pub(super) fn hold_text(hold: usize) -> String {
    if hold == NO_LIMIT { "none".to_owned() } else { hold.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_values_or_as_a_range() {
        assert_eq!(numbers("stops", "1, 2.5,4"), Ok(vec![1.0, 2.5, 4.0]));
        assert_eq!(numbers("stops", "0.1:0.9:9"), Ok(vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]));
        assert_eq!(numbers("stops", "2:9:1"), Ok(vec![2.0]));
        assert_eq!(holds("holds", "6:24:4"), Ok(vec![6, 12, 18, 24]));
        assert_eq!(holds("holds", "6,none"), Ok(vec![6, NO_LIMIT]));
        assert_eq!(holds("holds", "none"), Ok(vec![NO_LIMIT]));
    }

    #[test]
    fn thresholds_leave_out_an_eighth_of_the_signals_each() {
        let scores: Vec<f32> = (1..=16).map(|n| if n % 2 == 0 { n as f32 } else { -(n as f32) }).collect();
        let with_gaps: Vec<f32> = scores.into_iter().chain([f32::NAN, 0.0]).collect();
        assert_eq!(quantiles(&with_gaps), [1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 15.0]);
        assert_eq!(quantiles(&[1.0, -1.0, 1.0]), [1.0]);
        assert!(quantiles(&[f32::NAN, 0.0]).is_empty());
    }
}
