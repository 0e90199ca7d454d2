//! One row as a line of CSV, appended to what is there.

use std::io::Write;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::brain::{Cell, time_of_ms};

const DAY_MS: i64 = 86_400_000;

/// Writes lines; the day of the last time is kept, since rows in the order of time have it in common.
#[derive(Debug, Default)]
pub(super) struct Lines {
    day: i64,
    /// `2025-10-09T`, or nothing yet.
    day_text: Vec<u8>,
}

impl Lines {
    /// Values apart by commas, missing ones empty, times in RFC 3339; text is quoted where it must be.
    pub fn line(&mut self, out: &mut Vec<u8>, cells: &[Cell<'_>]) {
        for (at, cell) in cells.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            match cell {
                Cell::Null => {}
                Cell::Text(text) => quoted(out, text.as_bytes()),
                Cell::Real(real) => number(out, *real),
                Cell::Int(int) => written(out, format_args!("{int}")),
                Cell::Bool(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
                Cell::Time(ms) => self.time(out, *ms),
                Cell::Date(date) => written(out, format_args!("{date}")),
            }
        }
        out.push(b'\n');
    }

    /// RFC 3339 in UTC with milliseconds.
    fn time(&mut self, out: &mut Vec<u8>, ms: i64) {
        let day = ms.div_euclid(DAY_MS);
        if day != self.day || self.day_text.is_empty() {
            let time: DateTime<Utc> = time_of_ms(ms);
            let text = time.to_rfc3339_opts(SecondsFormat::Millis, true);
            // Years of more than four digits have a sign and are written as they are.
            let Some(date) = text.get(..11).filter(|date| date.ends_with('T')) else {
                return out.extend_from_slice(text.as_bytes());
            };
            self.day = day;
            self.day_text.clear();
            self.day_text.extend_from_slice(date.as_bytes());
        }
        let left = ms.rem_euclid(DAY_MS) as u32;
        let digit = |value: u32| b'0' + (value % 10) as u8;
        let (hour, minute, second, milli) = (left / 3_600_000, left / 60_000 % 60, left / 1000 % 60, left % 1000);
        out.extend_from_slice(&self.day_text);
        out.extend_from_slice(&[
            digit(hour / 10),
            digit(hour),
            b':',
            digit(minute / 10),
            digit(minute),
            b':',
            digit(second / 10),
            digit(second),
            b'.',
            digit(milli / 100),
            digit(milli / 10),
            digit(milli),
            b'Z',
        ]);
    }
}

fn written(out: &mut Vec<u8>, value: std::fmt::Arguments<'_>) {
    out.write_fmt(value).expect("a Vec takes whatever is written");
}

/// The shortest digits that read back as the same number, in the form of `{:?}`: the same digits but where two ends are equally near.
fn number(out: &mut Vec<u8>, real: f64) {
    let size = real.abs();
    // Where there is no exponent, JSON's writer has the same digits five times as fast.
    if size == 0.0 || (1e-4..1e16).contains(&size) {
        serde_json::to_writer(out, &real).expect("a Vec takes whatever is written");
    } else {
        written(out, format_args!("{real:?}"));
    }
}

/// Text within quotes where it holds a comma, a quote or the end of a line; quotes in it are doubled.
fn quoted(out: &mut Vec<u8>, text: &[u8]) {
    // Without a way out of the inner loop, many bytes are compared at once.
    let special =
        |byte| u8::from(byte == b'"') | u8::from(byte == b',') | u8::from(byte == b'\n') | u8::from(byte == b'\r');
    let any = |some: &[u8]| some.iter().fold(0, |seen, &byte| seen | special(byte)) != 0;
    if !text.chunks(LOOK).any(any) {
        return out.extend_from_slice(text);
    }
    out.push(b'"');
    let mut rest = text;
    let mut doubled = [0; 2 * LOOK + SPAN];
    while let Some((chunk, after)) = rest.split_first_chunk::<LOOK>() {
        // Whole spans are copied, of which what does not belong there is written over.
        let mut from = [0; LOOK + SPAN];
        from[..LOOK].copy_from_slice(chunk);
        let (mut at, mut done) = (0, 0);
        let mut quotes = quotes_of(chunk);
        while quotes != 0 {
            let end = quotes.trailing_zeros() as usize + 1;
            quotes &= quotes - 1;
            copy(&from, &mut done, end, &mut doubled, &mut at);
            doubled[at] = b'"';
            at += 1;
        }
        copy(&from, &mut done, LOOK, &mut doubled, &mut at);
        out.extend_from_slice(&doubled[..at]);
        rest = after;
    }
    for &byte in rest {
        out.push(byte);
        if byte == b'"' {
            out.push(b'"');
        }
    }
    out.push(b'"');
}

/// Copies what is done up to `end`, whole spans at a time: there is room for one more at both ends.
#[inline(always)]
fn copy(from: &[u8; LOOK + SPAN], done: &mut usize, end: usize, to: &mut [u8; 2 * LOOK + SPAN], at: &mut usize) {
    while *done < end {
        to[*at..*at + SPAN].copy_from_slice(&from[*done..*done + SPAN]);
        let taken = (end - *done).min(SPAN);
        *done += taken;
        *at += taken;
    }
}

/// A bit for each byte that is a quote.
#[inline(always)]
fn quotes_of(chunk: &[u8; LOOK]) -> u64 {
    let mut bits = 0;
    for (k, word) in chunk.as_chunks::<8>().0.iter().enumerate() {
        let apart = u64::from_le_bytes(*word) ^ QUOTES;
        // The sign bit of a byte that is zero, and of no other.
        let zero = !(((apart & !SIGNS) + !SIGNS) | apart | !SIGNS);
        bits |= ((zero >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * k);
    }
    bits
}

/// Bytes that are looked at before it is asked whether one of them was special.
const LOOK: usize = 64;
/// Bytes that are copied at once.
const SPAN: usize = 16;
const QUOTES: u64 = u64::from_le_bytes([b'"'; 8]);
const SIGNS: u64 = u64::from_le_bytes([0x80; 8]);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::brain::Value;

    fn one(cell: Cell<'_>) -> String {
        let mut out = Vec::new();
        Lines::default().line(&mut out, &[cell, Cell::Null]);
        String::from_utf8(out).expect("text").strip_suffix(",\n").expect("a comma and an end").to_owned()
    }

    proptest! {
        #[test]
        fn a_number_is_written_as_rust_does(bits in any::<u64>(), small in any::<f32>(), places in -30i32..30) {
            // Halfway between two texts of 17 digits.
            let tie = 176.138_092_041_015_62;
            for real in [f64::from_bits(bits), f64::from(small), f64::from(small) * 10f64.powi(places), places.into(), tie] {
                let (found, rust) = (one(Cell::Real(real)), format!("{real:?}"));
                let (head, rust_head) = (&found[..found.len() - 1], &rust[..rust.len() - 1]);
                let near = found == rust || (head == rust_head && found.parse::<f64>().ok() == Some(real));
                prop_assert!(near, "{found}, by Rust {rust}");
            }
        }

        #[test]
        fn text_is_quoted_as_the_csv_library_does(text in "[a-c,\"\n\r; é]{0,200}", other in ".{0,12}", json in "(\"[a-z_]{1,20}\":[0-9.]{1,12},){0,9}") {
            for text in [&text, &other, &json] {
                let mut csv = csv::Writer::from_writer(Vec::new());
                csv.write_record([text, ""]).expect("writes");
                let expected = csv.into_inner().expect("ends");
                let mut out = Vec::new();
                Lines::default().line(&mut out, &[Cell::Text(text), Cell::Null]);
                prop_assert_eq!(out, expected);
            }
        }

        #[test]
        fn a_time_is_written_as_chrono_does(times in prop::collection::vec(-70_000_000_000_000i64..260_000_000_000_000, 1..9)) {
            let mut lines = Lines::default();
            for ms in times.iter().flat_map(|ms| [*ms, ms + 1, ms + 60_000]) {
                let mut out = Vec::new();
                lines.line(&mut out, &[Cell::Time(ms)]);
                let expected = Value::Time(time_of_ms(ms)).to_plain() + "\n";
                prop_assert_eq!(String::from_utf8(out).expect("text"), expected);
            }
        }
    }

    #[test]
    fn edges_of_numbers_and_times() {
        for real in [0.0, -0.0, 1e-4, 9.999e-5, 1e15, 1e16, 9_999_999_999_999_998.0, 5e-324, f64::MAX, f64::INFINITY] {
            assert_eq!(one(Cell::Real(real)), format!("{real:?}"));
        }
        for ms in [0, -1, i64::MIN, i64::MAX] {
            assert_eq!(one(Cell::Time(ms)), Value::Time(time_of_ms(ms)).to_plain());
        }
    }
}
