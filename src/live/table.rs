//! Decisions and answers as tables.

use super::answer::{Action, Answer};
use super::decision::Decision;
use crate::decide::WaitReason;
use crate::polars::prelude::*;
use crate::shadow::Side;

/// Columns of a decision, `side, price, stop_price, take_price, stop_distance, take_distance, edge_bps, cost_bps, win_long, win_short,
/// score, threshold, confidence`: prices in quote currency, as if the entry were at the close; empty where nothing is decided.
pub fn decision_columns(decisions: &[Option<&Decision>]) -> Vec<Column> {
    let side =
        |decision: &Option<&Decision>| decision.and_then(|own| own.side.ok()).map_or(0, |side| side.sign() as i32);
    let column = |name: &str, of: &dyn Fn(&Decision) -> Option<f64>| {
        let values: Vec<Option<f64>> =
            decisions.iter().map(|own| own.and_then(of).filter(|value| !value.is_nan())).collect();
        Column::new(name.into(), values)
    };
    let single = |name: &str, of: fn(&Decision) -> f32| {
        let values: Vec<Option<f32>> =
            decisions.iter().map(|own| own.map(of).filter(|value| !value.is_nan())).collect();
        Column::new(name.into(), values)
    };
    let barrier = |own: &Decision, distance: f64, sign: f64| {
        own.side.ok().map(|side: Side| own.price + sign * side.sign() * distance)
    };
    vec![
        Column::new("side".into(), decisions.iter().map(side).collect::<Vec<i32>>()),
        column("price", &|own| Some(own.price)),
        column("stop_price", &|own| barrier(own, own.stop, -1.0)),
        column("take_price", &|own| barrier(own, own.take, 1.0)),
        column("stop_distance", &|own| Some(own.stop)),
        column("take_distance", &|own| Some(own.take)),
        column("edge_bps", &|own| Some(own.edge_bps)),
        column("cost_bps", &|own| Some(own.cost_bps)),
        column("win_long", &|own| own.prediction.map(|heads| heads.win_long)),
        column("win_short", &|own| own.prediction.map(|heads| heads.win_short)),
        single("score", |own| own.opinion.score),
        single("threshold", |own| own.opinion.threshold),
        single("confidence", |own| own.opinion.confidence),
    ]
}

/// Why a bar is not traded, by name; empty where it is. `allows` says whether a side can be entered at all.
pub fn wait_name(decision: &Decision, allows: impl Fn(Side) -> bool) -> &'static str {
    match decision.side {
        Ok(side) if allows(side) => "",
        Ok(_) => WaitReason::NoShorts.name(),
        Err(wait) => wait.name(),
    }
}

/// The table of answers: `symbol, timestamp, action, reason`, the columns of a decision, and `notional, quantity, approved_notional, risk,
/// size_limit, beta, simulated`; amounts in account currency, the quantity in base units; `simulated` says whether models and candles are
/// invented.
///
/// # Errors
/// Columns of different lengths, which cannot happen.
pub fn answer_table(answers: &[Answer], simulated: bool) -> PolarsResult<DataFrame> {
    let times = answers.iter().map(|own| own.time_ms).collect::<Vec<_>>();
    let times = Column::new("timestamp".into(), times)
        .cast(&DataType::Datetime(TimeUnit::Milliseconds, Some(TimeZone::UTC)))?;
    let text = |name: &str, of: fn(&Answer) -> &str| {
        let values: Vec<Option<&str>> =
            answers.iter().map(|own| Some(of(own)).filter(|text| !text.is_empty())).collect();
        Column::new(name.into(), values)
    };
    let number = |name: &str, of: fn(&Answer) -> Option<f64>| {
        let values: Vec<Option<f64>> = answers.iter().map(|own| of(own).filter(|value| value.is_finite())).collect();
        Column::new(name.into(), values)
    };
    let mut columns = vec![
        text("symbol", |own| &own.symbol),
        times,
        text("action", |own| own.action.name()),
        text("reason", |own| own.reason),
    ];
    columns.extend(decision_columns(&answers.iter().map(|own| own.decision.as_ref()).collect::<Vec<_>>()));
    columns.extend([
        number("notional", |own| Some(own.size?.notional)),
        number("quantity", |own| Some(own.size?.quantity)),
        number("approved_notional", |own| Some(own.size?.approved)),
        number("risk", |own| Some(own.size?.risk)),
        text("size_limit", |own| own.size.map_or("", |size| size.limit)),
        number("beta", |own| Some(own.beta)),
        Column::new_scalar("simulated".into(), Scalar::from(simulated), answers.len()),
    ]);
    DataFrame::new(answers.len(), columns)
}

/// How many answers there are of each action.
pub fn counts(answers: &[Answer]) -> Vec<(&'static str, usize)> {
    const ALL: [Action; 6] =
        [Action::Enter, Action::Reverse, Action::Close, Action::Hold, Action::Wait, Action::Refuse];
    ALL.into_iter().map(|action| (action.name(), answers.iter().filter(|own| own.action == action).count())).collect()
}
