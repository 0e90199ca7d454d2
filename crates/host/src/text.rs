//! Text for users: numbers, times, durations, HTML, and suggestions for misspelt words.

use chrono::{DateTime, SecondsFormat};

pub use huracan_base::hex;

/// A whole number with commas between the thousands: `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The word nearest to `given` by edit distance, if it is near enough to be a misspelling: at most 1 + a quarter of the
/// bytes of `given`.
pub fn nearest_word<'a>(given: &str, words: &[&'a str]) -> Option<&'a str> {
    let nearest = words.iter().map(|word| (edit_distance(given, word), *word)).min()?;
    (nearest.0 <= 1 + given.len() / 4).then_some(nearest.1)
}

/// The Levenshtein distance.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// Escapes text for HTML, also within quoted attributes.
pub fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// A time in milliseconds since 1970 UTC as RFC 3339 text in UTC, with whole seconds.
pub fn time_text(time_ms: i64) -> String {
    DateTime::from_timestamp_millis(time_ms)
        .map_or_else(|| time_ms.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// A duration in seconds as readable text: `0.4 s`, `12 s`, `3 min 05 s`, `2 h 07 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        _ if seconds < 9.95 => format!("{seconds:.1} s"),
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested() {
        assert_eq!(nearest_word("timefrme", &["timeframe", "quote"]), Some("timeframe"));
        assert_eq!(nearest_word("zzz", &["timeframe", "quote"]), None);
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn durations_are_readable() {
        let texts: Vec<_> = [0.04, 9.94, 12.4, 59.6, 185.0, 7620.0].map(duration).into();
        assert_eq!(texts, ["0.0 s", "9.9 s", "12 s", "1 min 00 s", "3 min 05 s", "2 h 07 min"]);
    }
}
