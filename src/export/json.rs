//! The exports that are JSON documents.

use std::io::Write;

use futures::TryStreamExt;
use serde::Serialize;
use serde_json::{Map, json};

use super::file::Folder;
use super::{ExportError, ExportFile, ExportIndex};
use crate::brain::{Brain, BrainError, Column, DAILY_METRICS, Kind, RunRow, UNIVERSE_SELECTIONS, Value};

const TRADES: &[Column] = &[
    Column { name: "total_trades", kind: Kind::Int },
    Column { name: "wins", kind: Kind::Int },
    Column { name: "losses", kind: Kind::Int },
    Column { name: "win_rate", kind: Kind::Real },
    Column { name: "total_profit_gbp", kind: Kind::Real },
    Column { name: "gross_profit_gbp", kind: Kind::Real },
    Column { name: "fees_gbp", kind: Kind::Real },
    Column { name: "spread_gbp", kind: Kind::Real },
    Column { name: "slippage_gbp", kind: Kind::Real },
    Column { name: "funding_gbp", kind: Kind::Real },
    Column { name: "avg_net_bps", kind: Kind::Real },
    Column { name: "avg_hold_minutes", kind: Kind::Real },
];

const TRADE_FIGURES: &str = "SELECT COUNT(*), COALESCE(SUM(CASE WHEN is_winner THEN 1 ELSE 0 END), 0), \
    COALESCE(SUM(CASE WHEN is_winner THEN 0 ELSE 1 END), 0), \
    CAST(AVG(CASE WHEN is_winner THEN 1.0 ELSE 0.0 END) AS DOUBLE PRECISION), \
    CAST(COALESCE(SUM(net_profit_gbp), 0) AS DOUBLE PRECISION), \
    CAST(COALESCE(SUM(gross_profit_gbp), 0) AS DOUBLE PRECISION), \
    CAST(COALESCE(SUM(fees_gbp), 0) AS DOUBLE PRECISION), \
    CAST(COALESCE(SUM(spread_gbp), 0) AS DOUBLE PRECISION), \
    CAST(COALESCE(SUM(slippage_gbp), 0) AS DOUBLE PRECISION), \
    CAST(COALESCE(SUM(funding_gbp), 0) AS DOUBLE PRECISION), \
    AVG(net_bps), AVG(hold_minutes) FROM trade_memory";

const MODELS: &[Column] = &[
    Column { name: "models_trained", kind: Kind::Int },
    Column { name: "models_approved", kind: Kind::Int },
    Column { name: "models_rejected", kind: Kind::Int },
    Column { name: "symbols", kind: Kind::Int },
];

const MODEL_FIGURES: &str = "SELECT COUNT(*), COALESCE(SUM(CASE WHEN approved THEN 1 ELSE 0 END), 0), \
    COALESCE(SUM(CASE WHEN approved THEN 0 ELSE 1 END), 0), COUNT(DISTINCT symbol) FROM models";

const PATTERNS: &[Column] =
    &[Column { name: "patterns_learned", kind: Kind::Int }, Column { name: "patterns_examined", kind: Kind::Int }];

const PATTERN_FIGURES: &str = "SELECT COUNT(DISTINCT CASE WHEN confirmed THEN pattern_id END), \
    COUNT(DISTINCT pattern_id) FROM pattern_library";

/// Metrics of the run, and below `all_runs` the same metrics of all runs.
pub(super) async fn comprehensive_metrics(
    brain: &Brain,
    folder: &Folder,
    run: &RunRow,
) -> Result<ExportFile, ExportError> {
    let name = format!("comprehensive_metrics_{}.json", run.date);
    let failed = |source| ExportError::Brain { file: name.clone(), source };
    let mut metrics = Map::new();
    metrics.insert("date".to_owned(), json!(run.date));
    metrics.insert("run_id".to_owned(), json!(run.run_id));
    metrics.insert("simulated".to_owned(), json!(run.simulated));
    metrics.insert("device".to_owned(), json!(run.device));
    metrics.insert("account_currency".to_owned(), json!(run.account_currency));
    metrics.append(&mut figures(brain, Some(run)).await.map_err(failed)?);
    let failed = |source| ExportError::Brain { file: name.clone(), source };
    let daily = brain.rows(&DAILY_METRICS, &run.run_id).await.map_err(failed)?;
    metrics.insert("daily_metrics".to_owned(), json!(daily.first()));
    let failed = |source| ExportError::Brain { file: name.clone(), source };
    metrics.insert("universe".to_owned(), universe(brain, run).await.map_err(failed)?);
    let failed = |source| ExportError::Brain { file: name.clone(), source };
    metrics.insert("all_runs".to_owned(), json!(figures(brain, None).await.map_err(failed)?));
    document(folder, &name, "comprehensive_metrics", &metrics)
}

/// The coins that the run chose, and those that it left out with the reason.
async fn universe(brain: &Brain, run: &RunRow) -> Result<serde_json::Value, BrainError> {
    let rows = brain.rows(&UNIVERSE_SELECTIONS, &run.run_id).await?;
    let (chosen, excluded): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.selected);
    Ok(json!({ "considered": chosen.len() + excluded.len(), "chosen": chosen, "excluded": excluded }))
}

/// Metrics of one run, or of all runs.
async fn figures(brain: &Brain, run: Option<&RunRow>) -> Result<Map<String, serde_json::Value>, BrainError> {
    let (filter, binds) = match run {
        Some(run) => (" WHERE run_id = $1", vec![Value::Text(run.run_id.clone())]),
        None => ("", vec![]),
    };
    let mut all = Map::new();
    for (what, sql, columns) in
        [("trades", TRADE_FIGURES, TRADES), ("models", MODEL_FIGURES, MODELS), ("patterns", PATTERN_FIGURES, PATTERNS)]
    {
        let values = brain.query(what, format!("{sql}{filter}"), &binds, columns).try_next().await?;
        for (column, value) in columns.iter().zip(values.unwrap_or_default()) {
            all.insert(column.name.to_owned(), value.to_json());
        }
    }
    Ok(all)
}

/// Writes the index of all exported files; it does not list itself.
pub(super) fn performance_summary(folder: &Folder, index: &ExportIndex) -> Result<ExportFile, ExportError> {
    document(folder, &format!("performance_summary_{}.json", index.date), "performance_summary", index)
}

fn document(
    folder: &Folder,
    name: &str,
    kind: &'static str,
    content: &impl Serialize,
) -> Result<ExportFile, ExportError> {
    let mut file = folder.create(name)?;
    let failed = file.failed();
    serde_json::to_writer_pretty(&mut file, content)
        .map_err(std::io::Error::from)
        .and_then(|()| file.write_all(b"\n"))
        .map_err(failed)?;
    file.finish(kind, Some(1))
}
