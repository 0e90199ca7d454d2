//! Converts a frame's columns, of any supported type, to candles.

use std::path::Path;

use crate::polars::prelude::*;
use chrono::{DateTime, NaiveDate, NaiveDateTime};

use crate::bars::{Candles, DAY_MS};
use crate::market::ReadError;

const TIME_NAMES: &[&str] = &["timestamp", "date", "datetime", "time", "open_time"];
const TIME_TYPES: &str = "date-times, whole numbers or ISO 8601 text";

/// The candles of a frame; `path` is for error messages.
pub(super) fn candles(path: &Path, frame: &DataFrame) -> Result<Candles, ReadError> {
    Ok(Candles {
        timestamp: times(path, find(path, frame, TIME_NAMES)?)?,
        open: numbers(path, find(path, frame, &["open"])?)?,
        high: numbers(path, find(path, frame, &["high"])?)?,
        low: numbers(path, find(path, frame, &["low"])?)?,
        close: numbers(path, find(path, frame, &["close"])?)?,
        volume: numbers(path, find(path, frame, &["volume"])?)?,
    })
}

/// Times and rates of a frame of funding rates; `path` is for error messages.
pub(super) fn funding(path: &Path, frame: &DataFrame) -> Result<(Vec<i64>, Vec<f64>), ReadError> {
    Ok((times(path, find(path, frame, TIME_NAMES)?)?, numbers(path, find(path, frame, &["rate"])?)?))
}

/// The symbol of each row of a frame with many; `path` is for error messages.
pub(super) fn symbols(path: &Path, frame: &DataFrame) -> Result<Vec<String>, ReadError> {
    let column = find(path, frame, &["symbol"])?;
    let text = column.cast(&DataType::String).map_err(|_| wrong_type(path, column, "text"))?;
    let text = text.str().map_err(|_| wrong_type(path, column, "text"))?;
    let word = |row: usize| text.get(row).ok_or_else(|| bad_value(path, column, row, "missing", "symbol"));
    (0..text.len()).map(|row| word(row).map(str::to_owned)).collect()
}

/// The first of `names` that the frame has as a column, in any case.
fn find<'a>(path: &Path, frame: &'a DataFrame, names: &[&str]) -> Result<&'a Column, ReadError> {
    let named = |name: &&str| frame.columns().iter().find(|c| c.name().eq_ignore_ascii_case(name));
    names.iter().find_map(named).ok_or_else(|| {
        let found: Vec<&str> = frame.columns().iter().map(|c| c.name().as_str()).collect();
        let found = if found.is_empty() { "no columns".to_owned() } else { found.join(", ") };
        ReadError::MissingColumn { path: path.into(), column: names[0].into(), found }
    })
}

fn wrong_type(path: &Path, column: &Column, expected: &str) -> ReadError {
    ReadError::WrongType {
        path: path.into(),
        column: column.name().to_string(),
        found: column.dtype().to_string(),
        expected: expected.into(),
    }
}

fn bad_value(path: &Path, column: &Column, row: usize, value: &str, expected: &str) -> ReadError {
    ReadError::BadValue {
        path: path.into(),
        row,
        column: column.name().to_string(),
        value: value.into(),
        expected: expected.into(),
    }
}

fn numbers(path: &Path, column: &Column) -> Result<Vec<f64>, ReadError> {
    match column.dtype() {
        // A single non-number turns a whole CSV column into text: report its row.
        DataType::String => {
            let text = column.str().map_err(|_| wrong_type(path, column, "numbers"))?;
            (0..text.len())
                .map(|row| match text.get(row).map(str::trim) {
                    None | Some("") => Ok(f64::NAN),
                    Some(word) => word.parse().map_err(|_| bad_value(path, column, row, word, "number")),
                })
                .collect()
        }
        // A column without values has no type.
        DataType::Null => Ok(vec![f64::NAN; column.len()]),
        kind if kind.is_primitive_numeric() => {
            let cast = column.cast(&DataType::Float64).map_err(|_| wrong_type(path, column, "numbers"))?;
            let values = cast.f64().map_err(|_| wrong_type(path, column, "numbers"))?;
            Ok((0..values.len()).map(|row| values.get(row).unwrap_or(f64::NAN)).collect())
        }
        _ => Err(wrong_type(path, column, "numbers")),
    }
}

fn times(path: &Path, column: &Column) -> Result<Vec<i64>, ReadError> {
    if let DataType::String = column.dtype() {
        let text = column.str().map_err(|_| wrong_type(path, column, TIME_TYPES))?;
        return (0..text.len())
            .map(|row| {
                let word = text.get(row).unwrap_or("missing").trim();
                time_ms(word).ok_or_else(|| bad_value(path, column, row, word, "time (ISO 8601)"))
            })
            .collect();
    }
    if column.dtype().is_float() {
        return float_times(path, column);
    }
    let whole = column.to_physical_repr().cast(&DataType::Int64).map_err(|_| wrong_type(path, column, TIME_TYPES))?;
    let values = whole.i64().map_err(|_| wrong_type(path, column, TIME_TYPES))?;
    let scale: Box<dyn Fn(i64) -> i64> = match column.dtype() {
        DataType::Datetime(TimeUnit::Milliseconds, _) => Box::new(|t| t),
        DataType::Datetime(TimeUnit::Microseconds, _) => Box::new(|t| t.div_euclid(1_000)),
        DataType::Datetime(TimeUnit::Nanoseconds, _) => Box::new(|t| t.div_euclid(1_000_000)),
        DataType::Date => Box::new(|days| days * DAY_MS),
        kind if kind.is_integer() => {
            let unit = unit_of((0..values.len()).filter_map(|row| values.get(row)).map(i64::unsigned_abs).max());
            Box::new(move |t| unit.to_ms(t))
        }
        _ => return Err(wrong_type(path, column, TIME_TYPES)),
    };
    (0..values.len())
        .map(|row| values.get(row).map(&scale).ok_or_else(|| bad_value(path, column, row, "missing", "time")))
        .collect()
}

/// Times that a tool stored as floating-point numbers.
fn float_times(path: &Path, column: &Column) -> Result<Vec<i64>, ReadError> {
    let values = numbers(path, column)?;
    let largest = values.iter().copied().filter(|t| t.is_finite()).fold(0.0, |m: f64, t| m.max(t.abs()));
    let unit = unit_of(Some(largest as u64));
    let valid = |t: f64| (t.is_finite() && t.abs() < 9e18).then(|| unit.to_ms(t as i64));
    let convert =
        |(row, &t): (usize, &f64)| valid(t).ok_or_else(|| bad_value(path, column, row, &t.to_string(), "time"));
    values.iter().enumerate().map(convert).collect()
}

#[derive(Clone, Copy)]
enum Unit {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl Unit {
    fn to_ms(self, time: i64) -> i64 {
        match self {
            Self::Seconds => time * 1_000,
            Self::Milliseconds => time,
            Self::Microseconds => time.div_euclid(1_000),
            Self::Nanoseconds => time.div_euclid(1_000_000),
        }
    }
}

/// The unit of a time, from the largest value of its column. Current times differ a thousandfold between units: 10¹¹
/// seconds are the year 5138, 10¹¹ ms are 1973.
fn unit_of(largest: Option<u64>) -> Unit {
    match largest.unwrap_or(0) {
        0..100_000_000_000 => Unit::Seconds,
        100_000_000_000..100_000_000_000_000 => Unit::Milliseconds,
        100_000_000_000_000..100_000_000_000_000_000 => Unit::Microseconds,
        _ => Unit::Nanoseconds,
    }
}

/// Milliseconds since 1970 of ISO 8601 text, which is UTC if it names no zone.
fn time_ms(text: &str) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_millis());
    }
    for form in ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z"] {
        if let Ok(time) = DateTime::parse_from_str(text, form) {
            return Some(time.timestamp_millis());
        }
    }
    let plain = text.trim_end_matches('Z').trim_end_matches("UTC").trim_end();
    for form in ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(plain, form) {
            return Some(time.and_utc().timestamp_millis());
        }
    }
    let midnight = NaiveDate::parse_from_str(plain, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0)?;
    Some(midnight.and_utc().timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_common_format() {
        let expected = 1_704_099_600_000; // 2024-01-01 09:00 UTC
        for text in [
            "2024-01-01T09:00:00Z",
            "2024-01-01T09:00:00.000+00:00",
            "2024-01-01T11:00:00+02:00",
            "2024-01-01 09:00:00+00:00",
            "2024-01-01 09:00:00 UTC",
            "2024-01-01 09:00:00.000",
            "2024-01-01 09:00",
            "2024-01-01T09:00",
        ] {
            assert_eq!(time_ms(text), Some(expected), "{text}");
        }
        assert_eq!(time_ms("2024-01-01"), Some(expected - 9 * crate::bars::HOUR_MS));
        assert_eq!(time_ms("yesterday"), None);
    }

    #[test]
    fn the_unit_of_a_whole_number_follows_from_its_size() {
        let ms = 1_704_099_600_000_i64;
        for (value, largest) in
            [(ms / 1000, ms / 1000), (ms, ms), (ms * 1000, ms * 1000), (ms * 1_000_000, ms * 1_000_000)]
        {
            assert_eq!(unit_of(Some(largest as u64)).to_ms(value), ms);
        }
    }
}
