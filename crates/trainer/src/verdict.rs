//! Whether a model may be traded: its out-of-fold outcome against the thresholds of `approve`.

use std::fmt;

use super::ApprovalParams;

/// What the verdict looks at, measured on out-of-fold trades.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// Annualised, net of costs; NaN where it is undefined.
    pub sharpe: f64,
    /// Share of trades that make money; NaN without trades.
    pub win_rate: f64,
    /// Largest fall from a peak, a positive share of equity.
    pub max_drawdown: f64,
    pub trades: usize,
    /// Probability that the true Sharpe ratio beats that of luck; NaN where it is undefined.
    pub deflated_sharpe: f64,
}

/// A threshold that was missed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MissedThreshold {
    /// Name of the metric.
    pub metric: &'static str,
    /// Setting that holds the limit.
    pub setting: &'static str,
    pub value: f64,
    pub limit: f64,
    /// Whether the limit is the most allowed, not the least.
    pub at_most: bool,
}

/// Something that passed every threshold; only [`Verdict::judge`] makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct Approved<T> {
    item: T,
}

/// Something that missed at least one threshold, and which.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejected<T> {
    item: T,
    failures: Vec<MissedThreshold>,
}

/// The outcome of judging a model.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict<T> {
    Approved(Approved<T>),
    Rejected(Rejected<T>),
}

impl<T> Verdict<T> {
    /// Judges `item` by its outcome: a value equal to its limit passes, an undefined one does not. A least deflated Sharpe
    /// ratio of 0 asks nothing.
    pub fn judge(item: T, outcome: &Outcome, limits: &ApprovalParams) -> Self {
        let least = |metric, setting, value, limit| MissedThreshold { metric, setting, value, limit, at_most: false };
        let checks = [
            least("sharpe", "approve.min_sharpe", outcome.sharpe, limits.min_sharpe),
            least("win_rate", "approve.min_win_rate", outcome.win_rate, limits.min_win_rate),
            MissedThreshold {
                metric: "max_drawdown",
                setting: "approve.max_drawdown",
                value: outcome.max_drawdown,
                limit: limits.max_drawdown,
                at_most: true,
            },
            least("trades", "approve.min_trades", outcome.trades as f64, f64::from(limits.min_trades)),
        ];
        let luck = least(
            "deflated_sharpe",
            "approve.min_deflated_sharpe",
            outcome.deflated_sharpe,
            limits.min_deflated_sharpe,
        );
        let asked = (limits.min_deflated_sharpe > 0.0).then_some(luck);
        let failures: Vec<MissedThreshold> = checks.into_iter().chain(asked).filter(|check| !check.passes()).collect();
        if failures.is_empty() {
            Self::Approved(Approved { item })
        } else {
            Self::Rejected(Rejected { item, failures })
        }
    }

    pub fn is_approved(&self) -> bool {
        matches!(self, Self::Approved(_))
    }

    /// Every missed threshold in words; empty where all were passed.
    pub fn reasons(&self) -> Vec<String> {
        match self {
            Self::Approved(_) => vec![],
            Self::Rejected(rejected) => rejected.failures.iter().map(MissedThreshold::to_string).collect(),
        }
    }

    /// What was judged, whatever the verdict.
    pub fn item(&self) -> &T {
        match self {
            Self::Approved(approved) => &approved.item,
            Self::Rejected(rejected) => &rejected.item,
        }
    }
}

impl<T> Approved<T> {
    pub fn item(&self) -> &T {
        &self.item
    }

    pub fn into_item(self) -> T {
        self.item
    }
}

impl<T> Rejected<T> {
    pub fn item(&self) -> &T {
        &self.item
    }

    pub fn into_item(self) -> T {
        self.item
    }

    pub fn failures(&self) -> &[MissedThreshold] {
        &self.failures
    }
}

impl MissedThreshold {
    fn passes(&self) -> bool {
        // An undefined value compares false both ways.
        if self.at_most { self.value <= self.limit } else { self.value >= self.limit }
    }
}

impl fmt::Display for MissedThreshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metric, setting, value, limit, at_most } = self;
        let side = if *at_most { "above" } else { "below" };
        if value.is_nan() {
            return write!(f, "{metric} is undefined; {setting} is {limit}");
        }
        let mut shown = format!("{:.4}", value).trim_end_matches('0').trim_end_matches('.').to_owned();
        // A value that rounds to its limit is shown in full: "0.5 is below 0.5" would tell nothing.
        if shown == limit.to_string() {
            shown = value.to_string();
        }
        write!(f, "{metric} {shown} is {side} {limit} ({setting})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ApprovalParams = ApprovalParams {
        min_sharpe: 0.5,
        min_win_rate: 0.45,
        max_drawdown: 0.2,
        min_trades: 30,
        min_deflated_sharpe: 0.99,
    };
    const AT_THE_LIMITS: Outcome =
        Outcome { sharpe: 0.5, win_rate: 0.45, max_drawdown: 0.2, trades: 30, deflated_sharpe: 0.99 };

    #[test]
    fn values_at_their_limits_are_approved() {
        let verdict = Verdict::judge("model", &AT_THE_LIMITS, &LIMITS);
        assert!(verdict.is_approved() && verdict.reasons().is_empty());
        let Verdict::Approved(approved) = verdict else { panic!("not approved") };
        assert_eq!(approved.into_item(), "model");
    }

    #[test]
    fn every_missed_threshold_is_named_with_value_and_limit() {
        let outcome =
            Outcome { sharpe: -0.25, win_rate: 0.41236, max_drawdown: 0.35, trades: 12, deflated_sharpe: 0.31 };
        let verdict = Verdict::judge((), &outcome, &LIMITS);
        assert!(!verdict.is_approved());
        assert_eq!(
            verdict.reasons(),
            [
                "sharpe -0.25 is below 0.5 (approve.min_sharpe)",
                "win_rate 0.4124 is below 0.45 (approve.min_win_rate)",
                "max_drawdown 0.35 is above 0.2 (approve.max_drawdown)",
                "trades 12 is below 30 (approve.min_trades)",
                "deflated_sharpe 0.31 is below 0.99 (approve.min_deflated_sharpe)",
            ]
        );
    }

    #[test]
    fn one_missed_threshold_rejects() {
        for outcome in [
            Outcome { sharpe: 0.499, ..AT_THE_LIMITS },
            Outcome { win_rate: 0.449, ..AT_THE_LIMITS },
            Outcome { max_drawdown: 0.201, ..AT_THE_LIMITS },
            Outcome { trades: 29, ..AT_THE_LIMITS },
            Outcome { deflated_sharpe: 0.989, ..AT_THE_LIMITS },
        ] {
            assert_eq!(Verdict::judge((), &outcome, &LIMITS).reasons().len(), 1, "{outcome:?}");
        }
    }

    #[test]
    fn undefined_metrics_are_rejected_in_words() {
        let undefined = f64::NAN;
        let outcome = Outcome {
            sharpe: undefined,
            win_rate: undefined,
            max_drawdown: 0.0,
            trades: 0,
            deflated_sharpe: undefined,
        };
        let reasons = Verdict::judge((), &outcome, &LIMITS).reasons();
        assert_eq!(reasons[0], "sharpe is undefined; approve.min_sharpe is 0.5");
        assert_eq!(reasons[3], "deflated_sharpe is undefined; approve.min_deflated_sharpe is 0.99");
        assert_eq!(reasons.len(), 4);
    }

    #[test]
    fn a_deflated_sharpe_ratio_is_asked_for_only_above_0() {
        let limits = ApprovalParams { min_deflated_sharpe: 0.0, ..LIMITS };
        let outcome = Outcome { deflated_sharpe: f64::NAN, ..AT_THE_LIMITS };
        assert!(Verdict::judge((), &outcome, &limits).is_approved());
        assert!(!Verdict::judge((), &outcome, &LIMITS).is_approved());
    }

    #[test]
    fn a_value_that_rounds_to_its_limit_is_shown_in_full() {
        let outcome = Outcome { sharpe: 0.499_999_9, ..AT_THE_LIMITS };
        let reasons = Verdict::judge((), &outcome, &LIMITS).reasons();
        assert_eq!(reasons, ["sharpe 0.4999999 is below 0.5 (approve.min_sharpe)"]);
    }
}
