//! The kinds of value that both databases store alike.

use std::fmt::Write;

use chrono::{DateTime, NaiveDate, SecondsFormat, SubsecRound, Utc};

use crate::shadow::{ExitReason, Side};

/// How a column is stored: PostgreSQL's own type, or the nearest one that SQLite has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// TEXT. JSON is stored as text too, which preserves the order of its keys.
    Text,
    /// DOUBLE PRECISION. NaN is stored as NULL, so that averages skip it in both databases.
    Real,
    /// BIGINT.
    Int,
    /// BOOLEAN.
    Bool,
    /// TIMESTAMPTZ, or INTEGER milliseconds since 1970 UTC on SQLite.
    Time,
    /// DATE, or TEXT `YYYY-MM-DD` on SQLite.
    Date,
}

impl Kind {
    /// What a column of this kind holds, for error messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Real => "a number",
            Self::Int => "a whole number",
            Self::Bool => "true or false",
            Self::Time => "a time",
            Self::Date => "a date",
        }
    }
}

/// One value of one row.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// NULL; also NaN.
    Null,
    /// Text or JSON.
    Text(String),
    /// A floating-point number, not NaN.
    Real(f64),
    /// A whole number.
    Int(i64),
    /// True or false.
    Bool(bool),
    /// A time, to the millisecond.
    Time(DateTime<Utc>),
    /// A date.
    Date(NaiveDate),
}

impl Value {
    /// The value as text for people and spreadsheets: NULL is empty, times are RFC 3339 UTC.
    ///
    /// Formatted text is written to `buffer`, which callers with many values can reuse.
    pub fn plain<'a>(&'a self, buffer: &'a mut String) -> &'a str {
        buffer.clear();
        let written = match self {
            Self::Null => Ok(()),
            Self::Text(text) => return text,
            Self::Real(real) => write!(buffer, "{real:?}"),
            Self::Int(int) => write!(buffer, "{int}"),
            Self::Bool(flag) => write!(buffer, "{flag}"),
            Self::Time(time) => write!(buffer, "{}", time.to_rfc3339_opts(SecondsFormat::Millis, true)),
            Self::Date(date) => write!(buffer, "{date}"),
        };
        written.expect("writing to a String cannot fail");
        buffer
    }

    /// [`Value::plain`] as an owned string.
    pub fn to_plain(&self) -> String {
        self.plain(&mut String::new()).to_owned()
    }

    /// The value as JSON; infinities, which JSON cannot express, become null.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Real(real) => serde_json::Value::from(*real),
            Self::Int(int) => serde_json::Value::from(*int),
            Self::Bool(flag) => serde_json::Value::from(*flag),
            other => serde_json::Value::from(other.to_plain()),
        }
    }
}

/// One column of a table or of a query's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Name in the database.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
}

/// A Rust type that can be stored in a column.
pub trait Field: Sized {
    /// Kind of the column.
    const KIND: Kind;
    /// The value to store.
    fn to_value(&self) -> Value;
    /// Reads a stored value, or None if its kind does not fit.
    fn from_value(value: Value) -> Option<Self>;
}

/// The moment `ms` milliseconds after 1970 UTC, clamped to what a time can express.
pub fn time_of_ms(ms: i64) -> DateTime<Utc> {
    let edge = if ms < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
    DateTime::from_timestamp_millis(ms).unwrap_or(edge)
}

/// The time as it is read back from a database: truncated to the millisecond.
pub fn to_millis(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(3)
}

macro_rules! plain_field {
    ($type:ty, $kind:ident) => {
        impl Field for $type {
            const KIND: Kind = Kind::$kind;

            fn to_value(&self) -> Value {
                Value::$kind(self.clone())
            }

            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::$kind(inner) => Some(inner),
                    _ => None,
                }
            }
        }
    };
}

plain_field!(i64, Int);
plain_field!(bool, Bool);
plain_field!(NaiveDate, Date);

impl Field for String {
    const KIND: Kind = Kind::Text;

    /// PostgreSQL cannot store a NUL character in text, so both databases get the replacement character.
    fn to_value(&self) -> Value {
        Value::Text(if self.contains('\0') { self.replace('\0', "\u{fffd}") } else { self.clone() })
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Field for f64 {
    const KIND: Kind = Kind::Real;

    fn to_value(&self) -> Value {
        if self.is_nan() { Value::Null } else { Value::Real(*self) }
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Real(real) => Some(real),
            Value::Null => Some(f64::NAN),
            _ => None,
        }
    }
}

impl Field for DateTime<Utc> {
    const KIND: Kind = Kind::Time;

    fn to_value(&self) -> Value {
        Value::Time(to_millis(*self))
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Time(time) => Some(time),
            _ => None,
        }
    }
}

impl Field for serde_json::Value {
    const KIND: Kind = Kind::Text;

    fn to_value(&self) -> Value {
        Value::Text(self.to_string())
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Text(text) => serde_json::from_str(&text).ok(),
            _ => None,
        }
    }
}

impl Field for Side {
    const KIND: Kind = Kind::Text;

    fn to_value(&self) -> Value {
        Value::Text(self.to_string())
    }

    fn from_value(value: Value) -> Option<Self> {
        let Value::Text(text) = value else { return None };
        [Self::Long, Self::Short].into_iter().find(|side| side.to_string() == text)
    }
}

impl Field for ExitReason {
    const KIND: Kind = Kind::Text;

    fn to_value(&self) -> Value {
        Value::Text(self.name().to_owned())
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl<T: Field> Field for Option<T> {
    const KIND: Kind = T::KIND;

    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::to_value)
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            other => T::from_value(other).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_stored_as_null_and_infinity_as_itself() {
        assert_eq!(f64::NAN.to_value(), Value::Null);
        assert!(f64::from_value(Value::Null).is_some_and(f64::is_nan));
        assert_eq!(f64::from_value(f64::INFINITY.to_value()), Some(f64::INFINITY));
        assert_eq!(<Option<f64> as Field>::from_value(Some(f64::NAN).to_value()), Some(None));
    }

    #[test]
    fn times_are_stored_to_the_millisecond() {
        let time = DateTime::from_timestamp(1_700_000_000, 123_987_654).expect("in range");
        assert_eq!(time.to_value(), Value::Time(time_of_ms(1_700_000_000_123)));
        assert_eq!(time.to_value().to_plain(), "2023-11-14T22:13:20.123Z");
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_refused() {
        assert_eq!(Side::from_value(Value::Text("sideways".into())), None);
        assert_eq!(i64::from_value(Value::Text("1".into())), None);
        assert_eq!(<serde_json::Value as Field>::from_value(Value::Text("{".into())), None);
    }

    #[test]
    fn only_nul_characters_are_replaced_in_text() {
        assert_eq!("a\0b".to_owned().to_value(), Value::Text("a\u{fffd}b".into()));
    }
}
