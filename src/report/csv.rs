//! `performance_analysis.csv`: one row a symbol, numbers unrounded, empty where they are not defined.

use super::{ReportData, SymbolRow};

const HEADER: &str = "date,symbol,folds,trades,win_rate,sharpe_ratio,sortino_ratio,calmar_ratio,max_drawdown,\
                      total_return,cost_share,buy_and_hold_return,approved,reasons,simulated\n";

pub(super) fn performance_analysis(data: &ReportData) -> String {
    data.symbols.iter().fold(HEADER.to_owned(), |mut text, row| {
        text.push_str(&line(data, row));
        text
    })
}

fn line(data: &ReportData, row: &SymbolRow) -> String {
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let cells = [
        data.date.to_string(),
        quoted(&row.symbol),
        row.folds.to_string(),
        row.trades.to_string(),
        number(row.win_rate),
        number(row.sharpe),
        number(row.sortino),
        number(row.calmar),
        number(row.max_drawdown),
        number(row.total_return),
        number(row.cost_share),
        number(row.buy_and_hold),
        row.approved.to_string(),
        quoted(&row.reasons.join("; ")),
        data.simulated.to_string(),
    ];
    cells.join(",") + "\n"
}

/// Text as RFC 4180 wants it.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_with_commas_and_quotes_stays_one_cell() {
        let mut data = crate::report::example();
        data.symbols = vec![SymbolRow {
            symbol: "A-USDT".into(),
            sharpe: Some(0.25),
            reasons: vec!["Sharpe 0.25, wanted \"0.5\"".into(), "x".into()],
            ..SymbolRow::default()
        }];
        let text = performance_analysis(&data);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1], "2025-11-08,A-USDT,0,0,,0.25,,,,,,,false,\"Sharpe 0.25, wanted \"\"0.5\"\"; x\",true");
        assert_eq!(lines[0].split(',').count(), 15);
    }
}
