//! The settings of a sweep.

/// Most settings of a grid.
pub const MOST_SETTINGS: usize = 1 << 22;

/// Every combination of these is traded; each list ascends, without repeats.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// Least |score| that is a signal.
    pub thresholds: Vec<f32>,
    /// Stop distances in multiples of atr_14 at the signal.
    pub stop_atr: Vec<f64>,
    /// Take distances in multiples of atr_14 at the signal.
    pub take_atr: Vec<f64>,
    /// Bars after which a trade is closed at the open.
    pub max_hold: Vec<usize>,
}

/// One combination.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting {
    pub threshold: f32,
    pub stop_atr: f64,
    pub take_atr: f64,
    pub max_hold: usize,
}

/// A grid that cannot be traded.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GridError {
    #[error("{list}: give at least one value")]
    Empty { list: &'static str },
    #[error("{list}: {value} is value {place}; give {rule}")]
    Value { list: &'static str, place: usize, value: String, rule: &'static str },
    #[error("{list}: {value} comes after {before}; give each value once, in ascending order")]
    Order { list: &'static str, before: String, value: String },
    #[error("the panel has {bars} bars; a sweep takes at most {}", super::MOST_BARS)]
    TooManyBars { bars: usize },
    #[error("{settings} settings ({lists}) are more than the {MOST_SETTINGS} of a sweep; give shorter lists")]
    TooMany { settings: u128, lists: String },
}

/// Where a setting stands in the lists of its threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Levels {
    pub stop: usize,
    pub take: usize,
    pub hold: usize,
}

impl Grid {
    /// Settings of the grid.
    pub fn len(&self) -> usize {
        self.thresholds.len() * self.per_threshold()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn per_threshold(&self) -> usize {
        self.stop_atr.len() * self.take_atr.len() * self.max_hold.len()
    }

    /// The setting at a place of the surface: thresholds change slowest, then stops, takes and holds.
    pub fn setting(&self, index: usize) -> Setting {
        let (rest, hold) = (index / self.max_hold.len(), index % self.max_hold.len());
        let (rest, take) = (rest / self.take_atr.len(), rest % self.take_atr.len());
        let (threshold, stop) = (rest / self.stop_atr.len(), rest % self.stop_atr.len());
        Setting {
            threshold: self.thresholds[threshold],
            stop_atr: self.stop_atr[stop],
            take_atr: self.take_atr[take],
            max_hold: self.max_hold[hold],
        }
    }

    /// All settings of one threshold with their places in it, those likely to make equally many trades side by side.
    pub(super) fn of_threshold(&self) -> Vec<(usize, Levels)> {
        let (takes, holds) = (self.take_atr.len(), self.max_hold.len());
        let mut settings = Vec::with_capacity(self.per_threshold());
        for hold in 0..holds {
            for stop in 0..self.stop_atr.len() {
                for take in 0..takes {
                    settings.push(((stop * takes + take) * holds + hold, Levels { stop, take, hold }));
                }
            }
        }
        settings
    }

    /// # Errors
    /// A list that is empty, does not ascend, or has a value that no trade can use.
    pub fn check(&self) -> Result<(), GridError> {
        let floor = "a finite number, 0 or above";
        list("thresholds", &self.thresholds, floor, |value| value.is_finite() && value >= 0.0)?;
        let distance = "a finite number above 0";
        list("stops", &self.stop_atr, distance, |value| value.is_finite() && value > 0.0)?;
        list("takes", &self.take_atr, distance, |value| value.is_finite() && value > 0.0)?;
        list("holds", &self.max_hold, "a whole number of bars, 1 or above", |value| value >= 1)?;
        let lengths = [self.thresholds.len(), self.stop_atr.len(), self.take_atr.len(), self.max_hold.len()];
        let settings = lengths.iter().fold(1_u128, |product, &length| product.saturating_mul(length as u128));
        if settings > MOST_SETTINGS as u128 {
            let lists = format!(
                "{} thresholds × {} stops × {} takes × {} holds",
                lengths[0], lengths[1], lengths[2], lengths[3]
            );
            return Err(GridError::TooMany { settings, lists });
        }
        Ok(())
    }
}

fn list<T: Copy + PartialOrd + std::fmt::Display>(
    list: &'static str,
    values: &[T],
    rule: &'static str,
    fits: impl Fn(T) -> bool,
) -> Result<(), GridError> {
    if values.is_empty() {
        return Err(GridError::Empty { list });
    }
    if let Some(at) = values.iter().position(|&value| !fits(value)) {
        return Err(GridError::Value { list, place: at + 1, value: values[at].to_string(), rule });
    }
    match values.windows(2).find(|pair| pair[0] >= pair[1]) {
        Some(pair) => Err(GridError::Order { list, before: pair[0].to_string(), value: pair[1].to_string() }),
        None => Ok(()),
    }
}
