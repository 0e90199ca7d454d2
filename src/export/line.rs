//! Formats rows as lines of CSV.

use std::io::Write;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::bars::{DAY_MS, HOUR_MS};
use crate::brain::{Cell, time_of_ms};

const HOUR: u32 = HOUR_MS as u32;

/// Writes lines. The date of the last time is cached, because consecutive rows usually share it.
#[derive(Debug, Default)]
pub(super) struct CsvLines {
    day: i64,
    /// `2025-10-09T`, or empty before the first time.
    day_text: Vec<u8>,
}

impl CsvLines {
    /// Appends a row: values separated by commas, missing ones empty, times in RFC 3339, text quoted where necessary.
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

    /// Appends a time as RFC 3339 in UTC with milliseconds.
    fn time(&mut self, out: &mut Vec<u8>, ms: i64) {
        let day = ms.div_euclid(DAY_MS);
        if day != self.day || self.day_text.is_empty() {
            let time: DateTime<Utc> = time_of_ms(ms);
            let text = time.to_rfc3339_opts(SecondsFormat::Millis, true);
            // Years of more than four digits have a sign and are not cached.
            let Some(date) = text.get(..11).filter(|date| date.ends_with('T')) else {
                return out.extend_from_slice(text.as_bytes());
            };
            self.day = day;
            self.day_text.clear();
            self.day_text.extend_from_slice(date.as_bytes());
        }
        let of_day = ms.rem_euclid(DAY_MS) as u32;
        let digit = |value: u32| b'0' + (value % 10) as u8;
        let (hour, minute, second, milli) = (of_day / HOUR, of_day / 60_000 % 60, of_day / 1000 % 60, of_day % 1000);
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
    out.write_fmt(value).expect("writing to a Vec cannot fail");
}

/// Appends the shortest digits that read back as the same number, formatted as by `{:?}`. The digits may differ from
/// Rust's only where two candidates are equally near.
fn number(out: &mut Vec<u8>, real: f64) {
    let size = real.abs();
    // Without an exponent, serde_json writes the same digits five times as fast.
    if size == 0.0 || (1e-4..1e16).contains(&size) {
        serde_json::to_writer(out, &real).expect("writing to a Vec cannot fail");
    } else {
        written(out, format_args!("{real:?}"));
    }
}

/// Appends text, in quotes if it contains a comma, a quote or a line break; quotes in it are doubled.
fn quoted(out: &mut Vec<u8>, text: &[u8]) {
    // The inner loop has no early exit, so that many bytes are compared at once.
    let special =
        |byte| u8::from(byte == b'"') | u8::from(byte == b',') | u8::from(byte == b'\n') | u8::from(byte == b'\r');
    let any = |bytes: &[u8]| bytes.iter().fold(0, |seen, &byte| seen | special(byte)) != 0;
    if !text.chunks(CHUNK).any(any) {
        return out.extend_from_slice(text);
    }
    out.push(b'"');
    let mut rest = text;
    let mut doubled = [0; 2 * CHUNK + SPAN];
    while let Some((chunk, after)) = rest.split_first_chunk::<CHUNK>() {
        // Whole spans are copied; bytes copied too many are overwritten.
        let mut from = [0; CHUNK + SPAN];
        from[..CHUNK].copy_from_slice(chunk);
        let (mut at, mut done) = (0, 0);
        let mut quotes = quotes_of(chunk);
        while quotes != 0 {
            let end = quotes.trailing_zeros() as usize + 1;
            quotes &= quotes - 1;
            copy(&from, &mut done, end, &mut doubled, &mut at);
            doubled[at] = b'"';
            at += 1;
        }
        copy(&from, &mut done, CHUNK, &mut doubled, &mut at);
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

/// Copies `from[*done..end]` to `to[*at..]`, a whole span at a time; both arrays have room for one extra span.
#[inline(always)]
fn copy(from: &[u8; CHUNK + SPAN], done: &mut usize, end: usize, to: &mut [u8; 2 * CHUNK + SPAN], at: &mut usize) {
    while *done < end {
        to[*at..*at + SPAN].copy_from_slice(&from[*done..*done + SPAN]);
        let count = (end - *done).min(SPAN);
        *done += count;
        *at += count;
    }
}

/// One bit per byte of the chunk: 1 if the byte is a quote.
#[inline(always)]
fn quotes_of(chunk: &[u8; CHUNK]) -> u64 {
    let mut bits = 0;
    for (k, word) in chunk.as_chunks::<8>().0.iter().enumerate() {
        let apart = u64::from_le_bytes(*word) ^ QUOTES;
        // Sets the sign bit of each byte that is zero, and of no other.
        let zero = !(((apart & !SIGN_BITS) + !SIGN_BITS) | apart | !SIGN_BITS);
        bits |= ((zero >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * k);
    }
    bits
}

/// Bytes that are scanned before the result is tested.
const CHUNK: usize = 64;
/// Bytes that are copied at a time.
const SPAN: usize = 16;
const QUOTES: u64 = u64::from_le_bytes([b'"'; 8]);
const SIGN_BITS: u64 = u64::from_le_bytes([0x80; 8]);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::brain::Value;

    fn written_as(cell: Cell<'_>) -> String {
        let mut out = Vec::new();
        CsvLines::default().line(&mut out, &[cell, Cell::Null]);
        String::from_utf8(out).expect("text").strip_suffix(",\n").expect("a comma and an end").to_owned()
    }

    proptest! {
        #[test]
        fn a_number_is_written_as_by_rust(bits in any::<u64>(), small in any::<f32>(), exponent in -30i32..30) {
            // Halfway between two texts of 17 digits.
            let tie = 176.138_092_041_015_62;
            for real in [f64::from_bits(bits), f64::from(small), f64::from(small) * 10f64.powi(exponent), exponent.into(), tie] {
                let (found, rust) = (written_as(Cell::Real(real)), format!("{real:?}"));
                let (head, rust_head) = (&found[..found.len() - 1], &rust[..rust.len() - 1]);
                let near = found == rust || (head == rust_head && found.parse::<f64>().ok() == Some(real));
                prop_assert!(near, "{found}, by Rust {rust}");
            }
        }

        #[test]
        fn text_is_quoted_as_by_the_csv_library(text in "[a-c,\"\n\r; é]{0,200}", other in ".{0,12}", json in "(\"[a-z_]{1,20}\":[0-9.]{1,12},){0,9}") {
            for text in [&text, &other, &json] {
                let mut csv = csv::Writer::from_writer(Vec::new());
                csv.write_record([text, ""]).expect("writes");
                let expected = csv.into_inner().expect("ends");
                let mut out = Vec::new();
                CsvLines::default().line(&mut out, &[Cell::Text(text), Cell::Null]);
                prop_assert_eq!(out, expected);
            }
        }

        #[test]
        fn a_time_is_written_as_by_chrono(times in prop::collection::vec(-70_000_000_000_000i64..260_000_000_000_000, 1..9)) {
            let mut lines = CsvLines::default();
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
            assert_eq!(written_as(Cell::Real(real)), format!("{real:?}"));
        }
        for ms in [0, -1, i64::MIN, i64::MAX] {
            assert_eq!(written_as(Cell::Time(ms)), Value::Time(time_of_ms(ms)).to_plain());
        }
    }
}
