//! Numbers as people read them; a dash where one is not defined.

pub(super) const NONE: &str = "–";

/// Two digits after the point.
pub(super) fn number(value: Option<f64>) -> String {
    told(value, |value| format!("{value:.2}"))
}

/// A share in per cent, without the sign of it: that stands in the heading.
pub(super) fn share(value: Option<f64>) -> String {
    told(value, |value| format!("{:.1}", 100.0 * value))
}

pub(super) fn signed_share(value: Option<f64>) -> String {
    told(value, |value| format!("{:+.1}", 100.0 * value))
}

/// A share as text that stands alone.
pub(super) fn percent(value: Option<f64>) -> String {
    told(value, |value| format!("{:.1}%", 100.0 * value))
}

pub(super) fn signed_percent(value: Option<f64>) -> String {
    told(value, |value| format!("{:+.1}%", 100.0 * value))
}

/// Basis points, without their unit.
pub(super) fn bps(value: Option<f64>) -> String {
    told(value, |value| format!("{value:+.1}"))
}

/// A probability; what is not quite certain does not read as certain.
pub(super) fn probability(value: Option<f64>) -> String {
    match value.filter(|value| value.is_finite()) {
        None => NONE.into(),
        Some(value) if (0.9995..1.0).contains(&value) => ">0.999".into(),
        Some(value) => format!("{value:.3}"),
    }
}

/// From … to, of the Sharpe ratio.
pub(super) fn interval(luck: &crate::Luck) -> String {
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
    match (finite(luck.sharpe_low), finite(luck.sharpe_high)) {
        (Some(low), Some(high)) => {
            format!("{} to {}", minus(format!("{low:.1}")), minus(format!("{high:.1}")))
        }
        _ => String::new(),
    }
}

/// A whole number with thin spaces between thousands.
pub(super) fn grouped(value: f64) -> String {
    if !value.is_finite() {
        return NONE.into();
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    if value < 0.0 && text != "0" { format!("−{text}") } else { text }
}

/// A count and its share of all.
pub(super) fn counted(count: f64, all: f64) -> String {
    format!("{} ({})", grouped(count), percent(Some(count / all.max(1.0))))
}

/// A name of the program's as words.
pub(super) fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// The class of a value's colour: none for what reads as zero.
pub(super) fn tone(value: Option<f64>) -> &'static str {
    match value {
        Some(value) if value >= 0.0005 => "good",
        Some(value) if value <= -0.0005 => "bad",
        _ => "",
    }
}

/// A true minus sign; none before a zero, which has no sign at all.
pub(crate) fn minus(text: String) -> String {
    let zero = !text.contains(|c| ('1'..='9').contains(&c));
    if zero { text.replace(['-', '+'], "") } else { text.replace('-', "−") }
}

fn told(value: Option<f64>, as_text: impl Fn(f64) -> String) -> String {
    value.filter(|value| value.is_finite()).map_or(NONE.into(), |value| minus(as_text(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Luck;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(grouped(1234567.0), "1\u{202f}234\u{202f}567");
        assert_eq!(
            (grouped(-999.6), grouped(-0.2), grouped(f64::NAN)),
            ("−1\u{202f}000".into(), "0".into(), "–".into())
        );
        assert_eq!((signed_percent(Some(-0.1234)), percent(None)), ("−12.3%".into(), "–".into()));
        assert_eq!((signed_share(Some(0.05)), signed_share(Some(-1e-9))), ("+5.0".into(), "0.0".into()));
        assert_eq!(counted(1.0, 0.0), "1 (100.0%)");
        let all = [None, Some(0.98765), Some(0.9999), Some(1.0)].map(probability);
        assert_eq!(all, ["–", "0.988", ">0.999", "1.000"]);
        let luck = Luck { sharpe_low: Some(-0.04), sharpe_high: Some(2.26), ..Luck::default() };
        assert_eq!((interval(&luck).as_str(), interval(&Luck::default()).as_str()), ("0.0 to 2.3", ""));
        assert_eq!((percent(Some(-1e-9)), tone(Some(-1e-9)), tone(Some(-0.01))), ("0.0%".into(), "", "bad"));
    }

    #[test]
    fn what_is_no_number_is_a_dash_in_every_unit() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for as_text in [number, share, signed_share, percent, signed_percent, bps, probability] {
                assert_eq!(as_text(Some(value)), "–");
            }
            assert_eq!(tone(Some(f64::NAN)), "");
            assert_eq!(interval(&Luck { sharpe_low: Some(value), sharpe_high: Some(1.0), ..Luck::default() }), "");
        }
    }
}
