//! Numbers as text; a dash where one is undefined.

use crate::typography::minus;

/// Text of an undefined number.
pub(super) const NONE: &str = "–";

/// A number with two decimals.
pub(super) fn number(value: Option<f64>) -> String {
    formatted(value, |value| format!("{value:.2}"))
}

/// A share in per cent, without the unit, which the heading has.
pub(super) fn share(value: Option<f64>) -> String {
    formatted(value, |value| format!("{:.1}", 100.0 * value))
}

pub(super) fn signed_share(value: Option<f64>) -> String {
    formatted(value, |value| format!("{:+.1}", 100.0 * value))
}

/// A share in per cent, with the unit.
pub(super) fn percent(value: Option<f64>) -> String {
    formatted(value, |value| format!("{:.1}%", 100.0 * value))
}

pub(super) fn signed_percent(value: Option<f64>) -> String {
    formatted(value, |value| format!("{:+.1}%", 100.0 * value))
}

/// Basis points with a sign, without the unit.
pub(super) fn bps(value: Option<f64>) -> String {
    formatted(value, |value| format!("{value:+.1}"))
}

/// A probability; one that would round to 1 is shown as `>0.999`.
pub(super) fn probability(value: Option<f64>) -> String {
    match value.filter(|value| value.is_finite()) {
        None => NONE.into(),
        Some(value) if (0.9995..1.0).contains(&value) => ">0.999".into(),
        Some(value) => format!("{value:.3}"),
    }
}

/// The interval of a Sharpe ratio, such as `−0.3 to 3.7`; empty if undefined.
pub(super) fn interval(evidence: &crate::SharpeEvidence) -> String {
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
    match (finite(evidence.sharpe_low), finite(evidence.sharpe_high)) {
        (Some(low), Some(high)) => {
            format!("{} to {}", minus(format!("{low:.1}")), minus(format!("{high:.1}")))
        }
        _ => String::new(),
    }
}

/// A whole number with thin spaces as thousands separators.
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

/// A count, and its share of the total in brackets.
pub(super) fn counted(count: f64, all: f64) -> String {
    format!("{} ({})", grouped(count), percent(Some(count / all.max(1.0))))
}

/// An identifier as words.
pub(super) fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// The class of a value's colour; empty for a value that is shown as zero.
pub(super) fn tone(value: Option<f64>) -> &'static str {
    match value {
        Some(value) if value >= 0.0005 => "good",
        Some(value) if value <= -0.0005 => "bad",
        _ => "",
    }
}

fn formatted(value: Option<f64>, as_text: impl Fn(f64) -> String) -> String {
    value.filter(|value| value.is_finite()).map_or(NONE.into(), |value| minus(as_text(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SharpeEvidence;

    #[test]
    fn numbers_are_formatted_for_readers() {
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
        let undefined = SharpeEvidence::default();
        let evidence = SharpeEvidence { sharpe_low: Some(-0.04), sharpe_high: Some(2.26), ..undefined.clone() };
        assert_eq!((interval(&evidence).as_str(), interval(&undefined).as_str()), ("0.0 to 2.3", ""));
        assert_eq!((percent(Some(-1e-9)), tone(Some(-1e-9)), tone(Some(-0.01))), ("0.0%".into(), "", "bad"));
    }

    #[test]
    fn values_that_are_not_finite_are_a_dash_in_every_unit() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for as_text in [number, share, signed_share, percent, signed_percent, bps, probability] {
                assert_eq!(as_text(Some(value)), "–");
            }
            assert_eq!(tone(Some(f64::NAN)), "");
            let evidence =
                SharpeEvidence { sharpe_low: Some(value), sharpe_high: Some(1.0), ..SharpeEvidence::default() };
            assert_eq!(interval(&evidence), "");
        }
    }
}
