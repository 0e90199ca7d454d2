//! The kinds of value that both databases keep alike.

use std::fmt::Write;

use chrono::{DateTime, NaiveDate, SecondsFormat, SubsecRound, Utc};

use crate::shadow::{ExitReason, Side};

/// How a column is kept: PostgreSQL's own type, or the nearest that SQLite has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// TEXT. JSON is text too, so that the order of its keys survives.
    Text,
    /// DOUBLE PRECISION; NaN is kept as NULL, so that averages skip it in both databases.
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
    /// What a column of this kind holds, in a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Real => "a number",
            Self::Int => "a whole number",
            Self::Bool => "yes or no",
            Self::Time => "a time",
            Self::Date => "a date",
        }
    }
}

/// One value of one row.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Text(String),
    Real(f64),
    Int(i64),
    Bool(bool),
    Time(DateTime<Utc>),
    Date(NaiveDate),
}

impl Value {
    /// The value as people and spreadsheets read it; NULL is empty, times are RFC 3339 UTC.
    ///
    /// What has to be made up is written to `buffer`, which a caller of many values uses again and again.
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
        written.expect("a String takes whatever is written");
        buffer
    }

    /// [`Value::plain`] on its own.
    pub fn to_plain(&self) -> String {
        self.plain(&mut String::new()).to_owned()
    }

    /// The value in JSON; infinities, which JSON has no word for, are null.
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
    pub name: &'static str,
    pub kind: Kind,
}

/// A Rust type that fits in a column.
pub trait Field: Sized {
    const KIND: Kind;
    fn put(&self) -> Value;
    /// The value again, or nothing where it does not fit.
    fn take(value: Value) -> Option<Self>;
}

/// The moment that many milliseconds after 1970 UTC, held inside what a time can express.
pub fn time_of_ms(ms: i64) -> DateTime<Utc> {
    let edge = if ms < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
    DateTime::from_timestamp_millis(ms).unwrap_or(edge)
}

/// A time as it will be read back: to the millisecond.
pub fn to_millis(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(3)
}

macro_rules! plain_field {
    ($type:ty, $kind:ident) => {
        impl Field for $type {
            const KIND: Kind = Kind::$kind;

            fn put(&self) -> Value {
                Value::$kind(self.clone())
            }

            fn take(value: Value) -> Option<Self> {
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

    /// PostgreSQL has no room for a NUL character in text, so both databases get the replacement character.
    fn put(&self) -> Value {
        Value::Text(if self.contains('\0') { self.replace('\0', "\u{fffd}") } else { self.clone() })
    }

    fn take(value: Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Field for f64 {
    const KIND: Kind = Kind::Real;

    fn put(&self) -> Value {
        if self.is_nan() { Value::Null } else { Value::Real(*self) }
    }

    fn take(value: Value) -> Option<Self> {
        match value {
            Value::Real(real) => Some(real),
            Value::Null => Some(f64::NAN),
            _ => None,
        }
    }
}

impl Field for DateTime<Utc> {
    const KIND: Kind = Kind::Time;

    fn put(&self) -> Value {
        Value::Time(to_millis(*self))
    }

    fn take(value: Value) -> Option<Self> {
        match value {
            Value::Time(time) => Some(time),
            _ => None,
        }
    }
}

impl Field for serde_json::Value {
    const KIND: Kind = Kind::Text;

    fn put(&self) -> Value {
        Value::Text(self.to_string())
    }

    fn take(value: Value) -> Option<Self> {
        match value {
            Value::Text(text) => serde_json::from_str(&text).ok(),
            _ => None,
        }
    }
}

impl Field for Side {
    const KIND: Kind = Kind::Text;

    fn put(&self) -> Value {
        Value::Text(self.to_string())
    }

    fn take(value: Value) -> Option<Self> {
        let Value::Text(text) = value else { return None };
        [Self::Long, Self::Short].into_iter().find(|side| side.to_string() == text)
    }
}

impl Field for ExitReason {
    const KIND: Kind = Kind::Text;

    fn put(&self) -> Value {
        Value::Text(self.name().to_owned())
    }

    fn take(value: Value) -> Option<Self> {
        match value {
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl<T: Field> Field for Option<T> {
    const KIND: Kind = T::KIND;

    fn put(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::put)
    }

    fn take(value: Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            other => T::take(other).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_a_number_is_kept_as_null_and_infinity_as_itself() {
        assert_eq!(f64::NAN.put(), Value::Null);
        assert!(f64::take(Value::Null).is_some_and(f64::is_nan));
        assert_eq!(f64::take(f64::INFINITY.put()), Some(f64::INFINITY));
        assert_eq!(<Option<f64> as Field>::take(Some(f64::NAN).put()), Some(None));
    }

    #[test]
    fn times_are_kept_to_the_millisecond() {
        let time = DateTime::from_timestamp(1_700_000_000, 123_987_654).expect("in range");
        assert_eq!(time.put(), Value::Time(time_of_ms(1_700_000_000_123)));
        assert_eq!(time.put().to_plain(), "2023-11-14T22:13:20.123Z");
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_refused() {
        assert_eq!(Side::take(Value::Text("sideways".into())), None);
        assert_eq!(i64::take(Value::Text("1".into())), None);
        assert_eq!(<serde_json::Value as Field>::take(Value::Text("{".into())), None);
    }

    #[test]
    fn text_loses_its_nul_characters_alone() {
        assert_eq!("a\0b".to_owned().put(), Value::Text("a\u{fffd}b".into()));
    }
}
