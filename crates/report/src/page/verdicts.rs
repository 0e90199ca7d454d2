//! The table of verdicts: one row per symbol, approved models first.

use super::text::{grouped, interval, number, percent, probability, share, signed_percent, signed_share, tone};
use crate::chart::spark;
use crate::{ReportData, SharpeEvidence, SymbolRow};

pub(super) struct Row<'a> {
    pub row: &'a SymbolRow,
    /// Each missed threshold, in short and in full.
    pub reasons: Vec<(String, &'a str)>,
    pub spark: String,
    /// Trades; below, the number of folds.
    pub trades: Cell,
    pub win_rate: Cell,
    /// Sharpe ratio; below, its bootstrap interval.
    pub sharpe: Cell,
    pub deflated: Cell,
    pub q_value: Cell,
    /// Sortino ratio; below, the Calmar ratio.
    pub sortino: Cell,
    pub max_drawdown: Cell,
    /// Return; below, that of the previous model.
    pub total_return: Cell,
    pub return_tone: &'static str,
    /// Return of buy and hold; below, its Sharpe ratio.
    pub holding: Cell,
    pub cost_share: Cell,
}

/// A cell of the table.
#[derive(Default)]
pub(super) struct Cell {
    pub text: String,
    /// Sort key; empty if undefined.
    pub sort: String,
    /// Second line.
    pub sub: String,
    /// Tooltip.
    pub title: String,
}

impl Cell {
    fn of(value: Option<f64>, text: fn(Option<f64>) -> String) -> Self {
        let sort = value.filter(|value| value.is_finite()).map(|value| format!("{value:.6}")).unwrap_or_default();
        Self { text: text(value), sort, ..Self::default() }
    }

    fn sub(self, sub: String) -> Self {
        Self { sub, ..self }
    }

    fn title(self, title: String) -> Self {
        Self { title, ..self }
    }
}

/// Rows in the order of interest: approved models first, then by the probability that the result is not luck.
pub(super) fn rows(data: &ReportData) -> Vec<Row<'_>> {
    let mut order: Vec<&SymbolRow> = data.symbols.iter().collect();
    let not_luck = |row: &SymbolRow| row.evidence.deflated_sharpe.filter(|value| value.is_finite()).unwrap_or(-1.0);
    order.sort_by(|a, b| b.approved.cmp(&a.approved).then_with(|| not_luck(b).total_cmp(&not_luck(a))));
    order.into_iter().map(|row| table_row(data, row)).collect()
}

fn table_row<'a>(data: &ReportData, row: &'a SymbolRow) -> Row<'a> {
    let points = data.symbol_equity.iter().find(|curve| curve.symbol == row.symbol);
    let suffix = if data.simulated { " (simulated)" } else { "" };
    let folds = format!("{} fold{}", row.folds, if row.folds == 1 { "" } else { "s" });
    Row {
        row,
        reasons: row.reasons.iter().map(|reason| (short(reason), reason.as_str())).collect(),
        spark: points
            .map(|curve| spark(&curve.points, &format!("Equity of {}{suffix}", row.symbol)))
            .unwrap_or_default(),
        trades: Cell {
            text: grouped(row.trades as f64),
            sort: row.trades.to_string(),
            sub: folds,
            title: String::new(),
        },
        win_rate: Cell::of(row.win_rate, share),
        sharpe: Cell::of(row.sharpe, number).sub(interval(&row.evidence)),
        deflated: Cell::of(row.evidence.deflated_sharpe, probability).title(evidence_note(&row.evidence)),
        q_value: Cell::of(row.q_value, probability),
        sortino: Cell::of(row.sortino, number).sub(format!("Calmar {}", number(row.calmar))),
        max_drawdown: Cell::of(row.max_drawdown, share),
        total_return: Cell::of(row.total_return, signed_share).sub(previous(row)).title(previous_note(row)),
        return_tone: tone(row.total_return),
        holding: Cell::of(row.buy_and_hold, signed_share)
            .sub(format!("Sharpe {}", number(row.holding_sharpe)))
            .title(format!("Largest drawdown of buy and hold: {}", percent(row.holding_max_drawdown))),
        cost_share: Cell::of(row.cost_share, share).title(cost_note(row)),
    }
}

/// Return of the symbol's previous model; empty without one.
fn previous(row: &SymbolRow) -> String {
    let previous = row.model.as_ref().and_then(|model| model.previous.as_ref());
    previous.map(|previous| format!("before {}", signed_share(previous.total_return))).unwrap_or_default()
}

fn previous_note(row: &SymbolRow) -> String {
    let Some(previous) = row.model.as_ref().and_then(|model| model.previous.as_ref()) else { return String::new() };
    format!(
        "Previous model, on its own test windows: return {}, Sharpe {}, win rate {}, drawdown {}",
        signed_percent(previous.total_return),
        number(previous.sharpe),
        percent(previous.win_rate),
        percent(previous.max_drawdown)
    )
}

/// A reason without the name of the setting.
fn short(reason: &str) -> String {
    let text = reason.split(" (approve.").next().unwrap_or(reason);
    let text = text.split(" (verdict.").next().unwrap_or(text);
    text.replace('_', " ").replace(" -", " −")
}

fn cost_note(row: &SymbolRow) -> String {
    let shares = &row.cost_shares;
    format!(
        "Of gross profit: fee {}, spread {}, slippage {}, funding {}",
        percent(shares.fee),
        percent(shares.spread),
        percent(shares.slippage),
        percent(shares.funding)
    )
}

/// A sentence on the significance of a Sharpe ratio.
pub(super) fn evidence_note(evidence: &SharpeEvidence) -> String {
    let tries = if evidence.tries > 1 { format!("best of {} tries", evidence.tries) } else { "one try".into() };
    format!(
        "Probability that the true Sharpe ratio beats luck: {tries}, t {}, skewness {}, kurtosis {}; as published {}",
        number(evidence.t_statistic),
        number(evidence.skewness),
        number(evidence.kurtosis),
        probability(evidence.published_deflated_sharpe),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn approved_models_come_first_then_those_least_likely_to_be_luck() {
        let mut data = crate::example();
        for (row, (approved, deflated)) in
            data.symbols.iter_mut().zip([(false, Some(0.2)), (true, Some(0.9)), (false, Some(0.6)), (false, None)])
        {
            row.approved = approved;
            row.evidence.deflated_sharpe = deflated;
        }
        data.symbols.truncate(4);
        let symbols: Vec<String> = rows(&data).iter().map(|row| row.row.symbol.clone()).collect();
        assert_eq!(symbols, ["ETH-USDT", "SOL-USDT", "BTC-USDT", "XRP-USDT"]);
    }

    #[test]
    fn a_reason_is_shown_without_its_setting() {
        assert_eq!(short("win_rate -0.42 is below 0.45 (approve.min_win_rate)"), "win rate −0.42 is below 0.45");
        assert_eq!(short("something (else)"), "something (else)");
    }

    #[test]
    fn an_undefined_value_sorts_last_and_is_shown_as_a_dash() {
        let cell = Cell::of(Some(f64::NAN), number);
        assert_eq!((cell.text.as_str(), cell.sort.as_str()), ("–", ""));
    }
}
