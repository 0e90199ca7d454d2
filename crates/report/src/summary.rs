//! The summary table at the end of a run.

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table};

use huracan_host::text::duration;

use crate::{HeadFit, ReportData, SymbolRow};

/// Where a result is stored, for the last lines of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Name of the result.
    pub what: String,
    /// Its path or address.
    pub path: String,
}

impl Location {
    /// The location of a result.
    pub fn new(what: impl Into<String>, path: impl Into<String>) -> Self {
        Self { what: what.into(), path: path.into() }
    }
}

/// The results of a day as text: one row per symbol, totals, failures, and where everything is stored.
pub fn summary_table(data: &ReportData, locations: &[Location], colour: bool) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if colour {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header(["symbol", "folds", "trades", "win rate", "Sharpe", "drawdown", "return", "verdict"]);
    for index in 1..7 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for row in &data.symbols {
        table.add_row(cells(row, data.simulated));
    }
    let mut text = String::new();
    if data.simulated {
        text.push_str("SIMULATED MARKET: these prices are invented; nothing here predicts what a real coin will do.\n");
    }
    text.push_str(&table.to_string());
    let totals = &data.totals;
    text.push_str(&format!(
        "\n{} symbols, {} trades: {} approved, {} rejected, {} failed, in {}\n",
        totals.symbols,
        totals.trades,
        totals.approved,
        totals.rejected,
        totals.failed,
        duration(data.seconds.iter().map(|(_, seconds)| seconds).sum())
    ));
    text.push_str(&account(data));
    if totals.retired > 0 {
        let models = if totals.retired == 1 { "model" } else { "models" };
        text.push_str(&format!(
            "{} approved {models} of earlier runs withdrawn to models/rejected: this run did not train their coins\n",
            totals.retired
        ));
    }
    for failure in &data.failures {
        text.push_str(&format!("failed: {} in {}: {}\n", failure.symbol, failure.step, failure.reason));
    }
    let width = locations.iter().map(|location| location.what.chars().count()).max().unwrap_or(0);
    for location in locations {
        text.push_str(&format!("{:<width$}  {}\n", location.what, location.path));
    }
    text.truncate(text.trim_end().len());
    text
}

/// What the account would have traded, and why nothing where it is nothing.
fn account(data: &ReportData) -> String {
    let account = &data.account;
    let number =
        |value: Option<f64>, digits: usize| value.map_or("–".to_owned(), |value| format!("{value:+.digits$}"));
    let told = data.calibration.iter().any(|head| matches!(&head.fit, HeadFit::Edge(fit) if fit.told > 0));
    let silent = !told && data.calibration.iter().any(|head| matches!(head.fit, HeadFit::Edge(_)));
    let mut text = if account.trades > 0 {
        format!(
            "account (only models approved by then): {} trades, {} bps each after costs, return {} %\n",
            account.trades,
            number(account.net_bps, 1),
            number(account.total_return.map(|share| 100.0 * share), 1)
        )
    } else {
        "account (only models approved by then): no trade\n".to_owned()
    };
    if silent {
        text.push_str("past rows support no edge, so no model says anything about a bar: the right answer where there is nothing to find\n");
    }
    if data.totals.approved == 0 && data.totals.rejected > 0 {
        text.push_str("no model was approved; the rejected ones are in models/rejected\n");
    }
    text
}

fn cells(row: &SymbolRow, simulated: bool) -> Vec<Cell> {
    let number = |value: Option<f64>, scale: f64, unit: &str| match value {
        Some(value) => format!("{:.*}{unit}", if unit.is_empty() { 2 } else { 1 }, value * scale),
        None => "–".to_owned(),
    };
    let (verdict, colour) = match (row.approved, row.reasons.first()) {
        (true, _) => ("approved".to_owned(), Color::Green),
        (false, None) => ("rejected".to_owned(), Color::Yellow),
        (false, Some(first)) => {
            let more = if row.reasons.len() > 1 { format!(" (+{})", row.reasons.len() - 1) } else { String::new() };
            (format!("rejected: {first}{more}"), Color::Yellow)
        }
    };
    let mark = if simulated { " (simulated)" } else { "" };
    vec![
        Cell::new(format!("{}{mark}", row.symbol)).add_attribute(Attribute::Bold),
        Cell::new(row.folds),
        Cell::new(row.trades),
        Cell::new(number(row.win_rate, 100.0, "%")),
        Cell::new(number(row.sharpe, 1.0, "")),
        Cell::new(number(row.max_drawdown, 100.0, "%")),
        Cell::new(number(row.total_return, 100.0, "%")),
        Cell::new(verdict).fg(colour),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_symbol_its_verdict_and_the_locations() {
        let data = crate::example();
        let text = summary_table(&data, &[Location::new("report", "reports/model_comparison.html")], false);
        for row in &data.symbols {
            assert!(text.contains(&row.symbol), "{text}");
        }
        assert!(text.starts_with("SIMULATED MARKET"));
        assert!(text.contains("(simulated)") && text.contains("rejected: ") && text.contains("approved"), "{text}");
        assert!(text.contains("failed: BAD-USDT in download"), "{text}");
        assert!(text.contains("1 approved model of earlier runs withdrawn"), "{text}");
        assert!(
            text.contains("account (only models approved by then): 412 trades, +6.2 bps each after costs"),
            "{text}"
        );
        let mut none = data.clone();
        (none.totals.approved, none.account) = (0, crate::AccountResult::default());
        none.calibration.iter_mut().for_each(|head| {
            if let HeadFit::Edge(fit) = &mut head.fit {
                fit.told = 0;
            }
        });
        let silent = summary_table(&none, &[], false);
        for words in ["no trade", "past rows support no edge", "the rejected ones are in models/rejected"] {
            assert!(silent.contains(words), "{silent}");
        }
        assert!(text.ends_with("report  reports/model_comparison.html"), "{text}");
        assert!(!text.contains('\u{1b}'), "colours are off");
        assert!(summary_table(&data, &[], true).contains('\u{1b}'));
    }
}
