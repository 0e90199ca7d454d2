//! The trade table: one row per simulated trade.

use crate::polars::prelude::*;
use crate::polars::write_csv;

use super::ExportError;
use crate::bars::Panel;
use crate::files::write_atomic;
use crate::shadow::Trade;
use crate::text::time_text;

/// The trade table of docs/contract.md, section 8.
///
/// # Errors
/// Columns of different lengths, which cannot happen.
pub fn trade_table(panel: &Panel, trades: &[Trade]) -> PolarsResult<DataFrame> {
    let numbers = |pick: fn(&Trade) -> f64| trades.iter().map(pick).collect::<Vec<f64>>();
    let times = |pick: fn(&Trade) -> usize| {
        trades.iter().map(|trade| time_text(panel.time_ms(pick(trade)))).collect::<Vec<String>>()
    };
    let columns = vec![
        Column::new("symbol".into(), trades.iter().map(|t| panel.symbols[t.symbol].as_str()).collect::<Vec<_>>()),
        Column::new("side".into(), trades.iter().map(|t| t.side.sign() as i32).collect::<Vec<_>>()),
        Column::new("entry_timestamp".into(), times(|t| t.entry_bar)),
        Column::new("entry_price".into(), numbers(|t| t.entry_price)),
        Column::new("exit_timestamp".into(), times(|t| t.exit_bar)),
        Column::new("exit_price".into(), numbers(|t| t.exit_price)),
        Column::new("size".into(), numbers(|t| t.size)),
        Column::new("hold_bars".into(), trades.iter().map(|t| t.hold_bars() as i64).collect::<Vec<_>>()),
        Column::new("exit_reason".into(), trades.iter().map(|t| t.exit_reason.name()).collect::<Vec<_>>()),
        Column::new("gross_bps".into(), numbers(|t| t.gross_bps)),
        Column::new("fee_bps".into(), numbers(|t| t.fee_bps)),
        Column::new("spread_bps".into(), numbers(|t| t.spread_bps)),
        Column::new("slippage_bps".into(), numbers(|t| t.slippage_bps)),
        Column::new("funding_bps".into(), numbers(|t| t.funding_bps)),
        Column::new("net_bps".into(), numbers(|t| t.net_bps)),
        Column::new("signal_timestamp".into(), times(|t| t.signal_bar)),
        Column::new("stop_price".into(), numbers(|t| t.stop_price)),
        Column::new("take_price".into(), numbers(|t| t.take_price)),
    ];
    DataFrame::new(trades.len(), columns)
}

/// Writes the results of a day's out-of-fold trades as `reports/backtest_{date}.json`.
///
/// # Errors
/// [`ExportError::Write`].
pub fn write_backtest_results(
    workdir: &std::path::Path,
    date: &str,
    results: &serde_json::Value,
) -> Result<(), ExportError> {
    let path = workdir.join(format!("reports/backtest_{date}.json"));
    write_atomic(&path, format!("{results:#}\n").as_bytes())
        .map_err(|error| ExportError::Write { path: error.path, source: error.source })
}

/// Writes the out-of-fold trades of a day as `reports/backtest_{date}.csv`: the trade table and a column `simulated`.
///
/// # Errors
/// [`ExportError::Write`].
pub fn write_backtest(
    workdir: &std::path::Path,
    date: &str,
    panel: &Panel,
    trades: &[Trade],
) -> Result<(), ExportError> {
    let path = workdir.join(format!("reports/backtest_{date}.csv"));
    let failed = |error: PolarsError| ExportError::Write { path: path.clone(), source: std::io::Error::other(error) };
    let mut table = trade_table(panel, trades).map_err(failed)?;
    let simulated = Column::new_scalar("simulated".into(), Scalar::from(panel.simulated), trades.len());
    table.with_column(simulated).map_err(failed)?;
    let mut bytes = Vec::new();
    write_csv(&mut bytes, &table).map_err(failed)?;
    write_atomic(&path, &bytes).map_err(|error| ExportError::Write { path: error.path, source: error.source })
}
