//! The settings of a sweep.

/// Most settings of a grid.
pub const MAX_SETTINGS: usize = 1 << 22;

/// The settings of a sweep: every combination of these values. Each list ascends without repeats.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// Least |score| of a signal.
    pub thresholds: Vec<f32>,
    /// Stop distances, in multiples of `atr_14` at the signal.
    pub stop_atr: Vec<f64>,
    /// Take-profit distances, in multiples of `atr_14` at the signal.
    pub take_atr: Vec<f64>,
    /// Bars after which a trade is closed at the open.
    pub max_hold: Vec<usize>,
}

/// One combination of the values of a [`Grid`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting {
    /// Least |score| of a signal.
    pub threshold: f32,
    /// Stop distance, in multiples of `atr_14` at the signal.
    pub stop_atr: f64,
    /// Take-profit distance, in multiples of `atr_14` at the signal.
    pub take_atr: f64,
    /// Bars after which a trade is closed at the open.
    pub max_hold: usize,
}

/// A grid that cannot be traded.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GridError {
    /// A list without values.
    #[error("{list}: give at least one value")]
    Empty {
        /// Name of the list.
        list: &'static str,
    },
    /// A value that no trade can use.
    #[error("{list}: {value} is value {place}; give {rule}")]
    Value {
        /// Name of the list.
        list: &'static str,
        /// Position of the value in the list, from 1.
        place: usize,
        /// The value.
        value: String,
        /// What is allowed.
        rule: &'static str,
    },
    /// A list that does not ascend.
    #[error("{list}: {value} comes after {before}; give each value once, in ascending order")]
    Order {
        /// Name of the list.
        list: &'static str,
        /// The larger or equal value.
        before: String,
        /// The value after it.
        value: String,
    },
    /// A panel with too many bars.
    #[error("the panel has {bars} bars; a sweep takes at most {}", super::MAX_BARS)]
    TooManyBars {
        /// Bars of the panel.
        bars: usize,
    },
    /// A grid with too many settings.
    #[error("{settings} settings ({lists}) are more than the {MAX_SETTINGS} of a sweep; give shorter lists")]
    TooMany {
        /// Number of settings.
        settings: u128,
        /// Lengths of the lists, in words.
        lists: String,
    },
}

/// The indices of a setting in the lists of stops, takes and holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Levels {
    pub stop: usize,
    pub take: usize,
    pub hold: usize,
}

impl Grid {
    /// Number of settings.
    pub fn len(&self) -> usize {
        self.thresholds.len() * self.per_threshold()
    }

    /// Whether there is no setting.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of settings per threshold.
    pub(super) fn per_threshold(&self) -> usize {
        self.stop_atr.len() * self.take_atr.len() * self.max_hold.len()
    }

    /// The setting at an index of the surface: thresholds change slowest, then stops, takes and holds.
    ///
    /// # Panics
    /// Where there is no such setting.
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

    /// All settings of one threshold with their index among them. Settings that are likely to have the same number of
    /// trades are neighbours.
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

    /// Checks that every setting can be traded.
    ///
    /// # Errors
    /// A list that is empty, does not ascend, or has a value that no trade can use; too many settings.
    pub fn check(&self) -> Result<(), GridError> {
        let floor = "a finite number, 0 or above";
        check_list("thresholds", &self.thresholds, floor, |value| value.is_finite() && value >= 0.0)?;
        let distance = "a finite number above 0";
        check_list("stops", &self.stop_atr, distance, |value| value.is_finite() && value > 0.0)?;
        check_list("takes", &self.take_atr, distance, |value| value.is_finite() && value > 0.0)?;
        check_list("holds", &self.max_hold, "a whole number of bars, 1 or above", |value| value >= 1)?;
        let lengths = [self.thresholds.len(), self.stop_atr.len(), self.take_atr.len(), self.max_hold.len()];
        let settings = lengths.iter().fold(1_u128, |product, &length| product.saturating_mul(length as u128));
        if settings > MAX_SETTINGS as u128 {
            let lists = format!(
                "{} thresholds × {} stops × {} takes × {} holds",
                lengths[0], lengths[1], lengths[2], lengths[3]
            );
            return Err(GridError::TooMany { settings, lists });
        }
        Ok(())
    }
}

/// Checks one list.
fn check_list<T: Copy + PartialOrd + std::fmt::Display>(
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
