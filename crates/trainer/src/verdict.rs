//! The verdict on a model: its out-of-fold performance compared with the thresholds of the settings section `approve`.

use std::fmt;

use super::{ApprovalParams, VerdictParams};

/// Fewest days with trades after which the forward record counts.
pub const FORWARD_DAYS: usize = 20;

/// What a symbol's models have done on bars that arrived after they were handed over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForwardEvidence {
    /// Days with trades.
    pub days: usize,
    /// Mean outcome less prediction over its standard error by blocks of days that are at least as long as a label.
    pub t: f64,
}

/// The inputs of a verdict, measured on out-of-fold trades.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Performance {
    /// Sharpe ratio, annualised, net of costs; NaN if undefined.
    pub sharpe: f64,
    /// Share of trades that make money; NaN without trades.
    pub win_rate: f64,
    /// Largest fall from a peak, as a positive share of equity.
    pub max_drawdown: f64,
    /// Number of trades.
    pub trades: usize,
    /// Deflated Sharpe ratio: the probability that the true Sharpe ratio beats luck; NaN if undefined.
    pub deflated_sharpe: f64,
    /// Smallest false-discovery rate at which the model is a discovery among all models of the run.
    pub q_value: f64,
    /// Probability of so good a result of the account of all models without skill; NaN if undefined.
    pub portfolio_p_value: f64,
    /// What earlier models of the symbol have done since; none if too little is known.
    pub forward: Option<ForwardEvidence>,
}

/// A threshold that was missed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MissedThreshold {
    /// Name of the metric.
    pub metric: &'static str,
    /// Setting with the limit.
    pub setting: &'static str,
    /// Value of the metric.
    pub value: f64,
    /// The limit.
    pub limit: f64,
    /// Whether the limit is a maximum; otherwise it is a minimum.
    pub at_most: bool,
}

/// An item that passed every threshold; only [`Verdict::judge`] constructs one.
#[derive(Debug, Clone, PartialEq)]
pub struct Approved<T> {
    item: T,
}

/// An item that missed at least one threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejected<T> {
    item: T,
    missed: Vec<MissedThreshold>,
}

/// Result of judging a model.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict<T> {
    /// Every threshold was passed.
    Approved(Approved<T>),
    /// At least one threshold was missed.
    Rejected(Rejected<T>),
}

impl<T> Verdict<T> {
    /// Judges `item` by its performance. A value equal to its limit passes; an undefined value does not. A minimum
    /// deflated Sharpe ratio of 0 and a false-discovery rate of 1 turn these checks off.
    pub fn judge(item: T, performance: &Performance, limits: &ApprovalParams, luck: &VerdictParams) -> Self {
        let maximum = |metric, setting, value, limit| MissedThreshold { metric, setting, value, limit, at_most: true };
        let minimum = |metric, setting, value, limit| MissedThreshold { metric, setting, value, limit, at_most: false };
        let checks = [
            minimum("sharpe", "approve.min_sharpe", performance.sharpe, limits.min_sharpe),
            minimum("win_rate", "approve.min_win_rate", performance.win_rate, limits.min_win_rate),
            maximum("max_drawdown", "approve.max_drawdown", performance.max_drawdown, limits.max_drawdown),
            minimum("trades", "approve.min_trades", performance.trades as f64, f64::from(limits.min_trades)),
        ];
        let deflated = minimum(
            "deflated_sharpe",
            "approve.min_deflated_sharpe",
            performance.deflated_sharpe,
            limits.min_deflated_sharpe,
        );
        let discovery = maximum("q_value", "verdict.fdr", performance.q_value, luck.fdr);
        let portfolio = maximum("portfolio_p_value", "verdict.fdr", performance.portfolio_p_value, luck.fdr);
        let by_choice = [
            (limits.min_deflated_sharpe > 0.0, deflated),
            (luck.fdr < 1.0, discovery),
            (luck.fdr < 1.0 && luck.portfolio, portfolio),
        ];
        let forward = performance.forward.filter(|forward| forward.days >= FORWARD_DAYS);
        let forward = forward.map(|f| minimum("forward_t", "verdict.forward_min_t", f.t, luck.forward_min_t));
        let chosen = by_choice.into_iter().filter_map(|(is_on, check)| is_on.then_some(check)).chain(forward);
        let missed: Vec<MissedThreshold> = checks.into_iter().chain(chosen).filter(|check| !check.passes()).collect();
        if missed.is_empty() { Self::Approved(Approved { item }) } else { Self::Rejected(Rejected { item, missed }) }
    }

    /// Whether every threshold was passed.
    pub fn is_approved(&self) -> bool {
        matches!(self, Self::Approved(_))
    }

    /// Every missed threshold as text; empty if all were passed.
    pub fn reasons(&self) -> Vec<String> {
        match self {
            Self::Approved(_) => vec![],
            Self::Rejected(rejected) => rejected.missed.iter().map(MissedThreshold::to_string).collect(),
        }
    }

    /// The judged item, whatever the verdict.
    pub fn item(&self) -> &T {
        match self {
            Self::Approved(approved) => &approved.item,
            Self::Rejected(rejected) => &rejected.item,
        }
    }
}

impl<T> Approved<T> {
    /// The item.
    pub fn item(&self) -> &T {
        &self.item
    }

    /// Unwraps the item.
    pub fn into_item(self) -> T {
        self.item
    }
}

impl<T> Rejected<T> {
    /// The item.
    pub fn item(&self) -> &T {
        &self.item
    }

    /// Unwraps the item.
    pub fn into_item(self) -> T {
        self.item
    }

    /// The thresholds that were missed.
    pub fn missed(&self) -> &[MissedThreshold] {
        &self.missed
    }
}

impl MissedThreshold {
    fn passes(&self) -> bool {
        // NaN compares false with everything, so an undefined value does not pass.
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
        // A value that rounds to its limit is shown in full, to avoid "0.5 is below 0.5".
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
    const LUCK: VerdictParams = VerdictParams { fdr: 0.1, portfolio: true, forward_days: 180, forward_min_t: -2.0 };
    const AT_THE_LIMITS: Performance = Performance {
        sharpe: 0.5,
        win_rate: 0.45,
        max_drawdown: 0.2,
        trades: 30,
        deflated_sharpe: 0.99,
        q_value: 0.1,
        portfolio_p_value: 0.1,
        forward: Some(ForwardEvidence { days: 20, t: -2.0 }),
    };

    #[test]
    fn values_at_their_limits_are_approved() {
        let verdict = Verdict::judge("model", &AT_THE_LIMITS, &LIMITS, &LUCK);
        assert!(verdict.is_approved() && verdict.reasons().is_empty());
        let Verdict::Approved(approved) = verdict else { panic!("not approved") };
        assert_eq!(approved.into_item(), "model");
    }

    #[test]
    fn every_missed_threshold_is_named_with_value_and_limit() {
        let performance = Performance {
            sharpe: -0.25,
            win_rate: 0.41236,
            max_drawdown: 0.35,
            trades: 12,
            deflated_sharpe: 0.31,
            q_value: 0.4,
            portfolio_p_value: 0.2,
            forward: Some(ForwardEvidence { days: 20, t: -2.6 }),
        };
        let verdict = Verdict::judge((), &performance, &LIMITS, &LUCK);
        assert!(!verdict.is_approved());
        assert_eq!(
            verdict.reasons(),
            [
                "sharpe -0.25 is below 0.5 (approve.min_sharpe)",
                "win_rate 0.4124 is below 0.45 (approve.min_win_rate)",
                "max_drawdown 0.35 is above 0.2 (approve.max_drawdown)",
                "trades 12 is below 30 (approve.min_trades)",
                "deflated_sharpe 0.31 is below 0.99 (approve.min_deflated_sharpe)",
                "q_value 0.4 is above 0.1 (verdict.fdr)",
                "portfolio_p_value 0.2 is above 0.1 (verdict.fdr)",
                "forward_t -2.6 is below -2 (verdict.forward_min_t)",
            ]
        );
    }

    #[test]
    fn one_missed_threshold_rejects() {
        for performance in [
            Performance { sharpe: 0.499, ..AT_THE_LIMITS },
            Performance { win_rate: 0.449, ..AT_THE_LIMITS },
            Performance { max_drawdown: 0.201, ..AT_THE_LIMITS },
            Performance { trades: 29, ..AT_THE_LIMITS },
            Performance { deflated_sharpe: 0.989, ..AT_THE_LIMITS },
            Performance { q_value: 0.101, ..AT_THE_LIMITS },
            Performance { portfolio_p_value: f64::NAN, ..AT_THE_LIMITS },
        ] {
            assert_eq!(Verdict::judge((), &performance, &LIMITS, &LUCK).reasons().len(), 1, "{performance:?}");
        }
    }

    #[test]
    fn undefined_metrics_are_rejected_with_reasons() {
        let undefined = f64::NAN;
        let performance = Performance {
            sharpe: undefined,
            win_rate: undefined,
            max_drawdown: 0.0,
            trades: 0,
            deflated_sharpe: undefined,
            q_value: 1.0,
            portfolio_p_value: undefined,
            forward: None,
        };
        let reasons = Verdict::judge((), &performance, &LIMITS, &LUCK).reasons();
        assert_eq!(reasons[0], "sharpe is undefined; approve.min_sharpe is 0.5");
        assert_eq!(reasons[3], "deflated_sharpe is undefined; approve.min_deflated_sharpe is 0.99");
        assert_eq!(reasons.len(), 6);
    }

    #[test]
    fn a_minimum_deflated_sharpe_ratio_of_0_is_not_checked() {
        let limits = ApprovalParams { min_deflated_sharpe: 0.0, ..LIMITS };
        let performance = Performance { deflated_sharpe: f64::NAN, ..AT_THE_LIMITS };
        assert!(Verdict::judge((), &performance, &limits, &LUCK).is_approved());
        assert!(!Verdict::judge((), &performance, &LIMITS, &LUCK).is_approved());
    }

    #[test]
    fn the_forward_record_counts_after_twenty_days() {
        let bad = |days| Performance { forward: Some(ForwardEvidence { days, t: -9.0 }), ..AT_THE_LIMITS };
        assert!(Verdict::judge((), &bad(19), &LIMITS, &LUCK).is_approved());
        assert!(!Verdict::judge((), &bad(20), &LIMITS, &LUCK).is_approved());
    }

    #[test]
    fn luck_is_not_checked_where_it_is_turned_off() {
        let lucky = Performance { q_value: 1.0, portfolio_p_value: 1.0, ..AT_THE_LIMITS };
        let judged = |fdr, portfolio| Verdict::judge((), &lucky, &LIMITS, &VerdictParams { fdr, portfolio, ..LUCK });
        assert!(judged(1.0, true).is_approved());
        assert_eq!(judged(0.1, false).reasons(), ["q_value 1 is above 0.1 (verdict.fdr)"]);
    }

    #[test]
    fn a_value_that_rounds_to_its_limit_is_shown_in_full() {
        let performance = Performance { sharpe: 0.499_999_9, ..AT_THE_LIMITS };
        let reasons = Verdict::judge((), &performance, &LIMITS, &LUCK).reasons();
        assert_eq!(reasons, ["sharpe 0.4999999 is below 0.5 (approve.min_sharpe)"]);
    }
}
