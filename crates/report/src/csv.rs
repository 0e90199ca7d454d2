//! `performance_analysis.csv`: one row per symbol; numbers are not rounded, and undefined ones are empty.

use super::{ReportData, SymbolRow};

const HEADER: &str = "date,symbol,folds,trades,win_rate,sharpe_ratio,sortino_ratio,calmar_ratio,max_drawdown,\
                      total_return,cost_share,fee_share,spread_share,slippage_share,funding_share,buy_and_hold_return,\
                      buy_and_hold_sharpe,buy_and_hold_max_drawdown,deflated_sharpe,published_deflated_sharpe,\
                      probabilistic_sharpe,tries,sharpe_low,sharpe_high,t_statistic,skewness,kurtosis,q_value,approved,\
                      reasons,model_id,digest,previous_model_id,previous_sharpe_ratio,previous_win_rate,\
                      previous_max_drawdown,previous_total_return,simulated\n";

pub(super) fn performance_analysis(data: &ReportData) -> String {
    data.symbols.iter().fold(HEADER.to_owned(), |mut text, row| {
        text.push_str(&line(data, row));
        text
    })
}

fn line(data: &ReportData, row: &SymbolRow) -> String {
    let number = |value: Option<f64>| value.filter(|v| v.is_finite()).map(|v| v.to_string()).unwrap_or_default();
    let model = row.model.clone().unwrap_or_default();
    let previous = model.previous.unwrap_or_default();
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
        number(row.cost_shares.fee),
        number(row.cost_shares.spread),
        number(row.cost_shares.slippage),
        number(row.cost_shares.funding),
        number(row.buy_and_hold),
        number(row.holding_sharpe),
        number(row.holding_max_drawdown),
        number(row.evidence.deflated_sharpe),
        number(row.evidence.published_deflated_sharpe),
        number(row.evidence.probabilistic_sharpe),
        row.evidence.tries.to_string(),
        number(row.evidence.sharpe_low),
        number(row.evidence.sharpe_high),
        number(row.evidence.t_statistic),
        number(row.evidence.skewness),
        number(row.evidence.kurtosis),
        number(row.q_value),
        row.approved.to_string(),
        quoted(&row.reasons.join("; ")),
        quoted(&model.model_id),
        model.digest,
        quoted(&previous.model_id),
        number(previous.sharpe),
        number(previous.win_rate),
        number(previous.max_drawdown),
        number(previous.total_return),
        data.simulated.to_string(),
    ];
    cells.join(",") + "\n"
}

/// Quotes a cell where RFC 4180 requires it.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PreviousModel, SavedModel, SharpeEvidence};

    #[test]
    fn text_with_commas_and_quotes_stays_one_cell() {
        let mut data = crate::example();
        data.symbols = vec![SymbolRow {
            symbol: "A-USDT".into(),
            sharpe: Some(0.25),
            evidence: SharpeEvidence { tries: 1, deflated_sharpe: Some(0.75), ..SharpeEvidence::default() },
            reasons: vec!["Sharpe 0.25, wanted \"0.5\"".into(), "x".into()],
            model: Some(SavedModel {
                model_id: "X-7".into(),
                digest: "ab12".into(),
                previous: Some(PreviousModel {
                    model_id: "X-6".into(),
                    sharpe: Some(0.125),
                    win_rate: Some(f64::NAN),
                    total_return: Some(-0.5),
                    ..PreviousModel::default()
                }),
            }),
            ..SymbolRow::default()
        }];
        let text = performance_analysis(&data);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(
            lines[1],
            "2025-11-08,A-USDT,0,0,,0.25,,,,,,,,,,,,,0.75,,,1,,,,,,,false,\"Sharpe 0.25, wanted \"\"0.5\"\"; x\",X-7,ab12,X-6,0.125,,,-0.5,true"
        );
        assert_eq!(lines[0].split(',').count(), 38);
    }
}
