//! The text format of PostgreSQL's COPY.

use std::fmt::Write;

use chrono::{DateTime, SecondsFormat, Utc};

use super::value::Value;

/// Rows waiting to be sent: one line per row, values separated by tabs.
#[derive(Debug, Default)]
pub(crate) struct CopyText {
    text: String,
}

impl CopyText {
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Takes the collected text, leaving nothing.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.text).into_bytes()
    }

    pub fn row(&mut self, values: &[Value]) {
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                self.text.push('\t');
            }
            match value {
                Value::Null => self.text.push_str("\\N"),
                Value::Text(text) => self.escaped(text),
                Value::Bool(flag) => self.text.push(if *flag { 't' } else { 'f' }),
                Value::Real(real) => self.real(*real),
                Value::Int(int) => self.written(int),
                Value::Time(time) => self.time(*time),
                Value::Date(date) => self.written(date),
            }
        }
        self.text.push('\n');
    }

    /// Appends text as it is, for values that need no escape.
    pub fn raw(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub fn time(&mut self, time: DateTime<Utc>) {
        self.text.push_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true));
    }

    /// Appends the shortest digits that read back as the same number.
    pub fn real(&mut self, real: f64) {
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{real:?}");
    }

    fn written(&mut self, value: impl std::fmt::Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{value}");
    }

    pub fn escaped(&mut self, text: &str) {
        for letter in text.chars() {
            match letter {
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                other => self.text.push(other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_inside_text_are_escaped_and_null_is_not_text() {
        let mut copy = CopyText::default();
        copy.row(&[
            Value::Text("a\tb\\N\nc".into()),
            Value::Null,
            Value::Bool(true),
            Value::Real(1e300),
            Value::Int(-3),
        ]);
        assert_eq!(copy.take(), b"a\\tb\\\\N\\nc\t\\N\tt\t1e300\t-3\n");
        assert_eq!(copy.len(), 0);
    }
}
