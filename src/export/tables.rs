//! The exports that are tables, and the query behind each file.

use std::ops::ControlFlow;

use super::file::Folder;
use super::line::CsvLines;
use super::pipe::Pipe;
use super::{ExportError, ExportFile};
use crate::brain::{
    Brain, BrainError, Cell, Column, ForwardRow, Journal, JournalModelRow, JournalTradeRow, Kind, ModelDeltaRow,
    PatternRow, PerformanceRow, PostExitRow, Record, RowSink, RunRow, TradeRow, Value,
};

/// One file and the query behind it.
pub(super) struct TableExport {
    /// The file's name without date and extension.
    pub kind: &'static str,
    /// The query after `SELECT … FROM`.
    from: &'static str,
    columns: &'static [Column],
    /// Column → SQL expression, for columns that do not have that name in the table.
    expressions: &'static [(&'static str, &'static str)],
    /// Whether the query is limited to one run, whose id is `$1`.
    this_run_only: bool,
    /// Kind of a second file with only the current run's rows, so that the rows are read once for both files.
    subset_kind: Option<&'static str>,
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind }
}

const PATTERN_PERFORMANCE: &[Column] = &[
    column("pattern_id", Kind::Text),
    column("pattern_description", Kind::Text),
    column("runs", Kind::Int),
    column("confirmed_runs", Kind::Int),
    column("total_occurrences", Kind::Int),
    column("win_rate", Kind::Real),
    column("avg_profit_bps", Kind::Real),
    column("test_occurrences", Kind::Int),
    column("test_win_rate", Kind::Real),
    column("test_avg_profit_bps", Kind::Real),
    column("first_seen", Kind::Time),
    column("last_seen", Kind::Time),
    column("simulated", Kind::Bool),
];

const REGIME_ANALYSIS: &[Column] = &[
    column("market_regime", Kind::Text),
    column("total_trades", Kind::Int),
    column("wins", Kind::Int),
    column("losses", Kind::Int),
    column("win_rate", Kind::Real),
    column("avg_profit_gbp", Kind::Real),
    column("total_profit_gbp", Kind::Real),
    column("avg_net_bps", Kind::Real),
    column("avg_gross_bps", Kind::Real),
    column("best_net_bps", Kind::Real),
    column("worst_net_bps", Kind::Real),
    column("avg_hold_minutes", Kind::Real),
    column("fees_gbp", Kind::Real),
    column("slippage_gbp", Kind::Real),
    column("account_currency", Kind::Text),
    column("simulated", Kind::Bool),
];

const MODEL_EVOLUTION: &[Column] = &[
    column("symbol", Kind::Text),
    column("model_type", Kind::Text),
    column("evaluation_date", Kind::Date),
    column("trained_at", Kind::Time),
    column("run_id", Kind::Text),
    column("model_id", Kind::Text),
    column("digest", Kind::Text),
    column("approved", Kind::Bool),
    column("num_trades", Kind::Int),
    column("win_rate", Kind::Real),
    column("sharpe_ratio", Kind::Real),
    column("max_drawdown", Kind::Real),
    column("total_return", Kind::Real),
    column("sharpe_change", Kind::Real),
    column("win_rate_change", Kind::Real),
    column("total_return_change", Kind::Real),
    column("simulated", Kind::Bool),
];

/// The exports of the brain, in the order of docs/contract.md, section 9.
pub(super) const OF_BRAIN: &[TableExport] = &[
    TableExport {
        kind: "all_trades_complete",
        from: "trade_memory ORDER BY entry_timestamp, symbol, trade_id",
        columns: TradeRow::COLUMNS,
        expressions: &[],
        this_run_only: false,
        subset_kind: Some("trade_history"),
    },
    TableExport {
        kind: "model_performance",
        from: "model_performance ORDER BY evaluation_date, symbol, run_id, model_id, scope",
        columns: PerformanceRow::COLUMNS,
        expressions: &[],
        this_run_only: false,
        subset_kind: None,
    },
    TableExport {
        kind: "pattern_library",
        from: "pattern_library AS p WHERE NOT EXISTS (SELECT 1 FROM pattern_library AS later \
               WHERE later.pattern_id = p.pattern_id AND (later.discovered_at > p.discovered_at \
               OR (later.discovered_at = p.discovered_at AND later.run_id > p.run_id))) ORDER BY pattern_id",
        columns: PatternRow::COLUMNS,
        expressions: &[],
        this_run_only: false,
        subset_kind: None,
    },
    TableExport {
        kind: "pattern_performance",
        from: "pattern_library GROUP BY pattern_id, pattern_description, simulated \
               ORDER BY test_avg_profit_bps DESC NULLS LAST, pattern_id",
        columns: PATTERN_PERFORMANCE,
        expressions: &[
            ("runs", "COUNT(*)"),
            ("confirmed_runs", "SUM(CASE WHEN confirmed THEN 1 ELSE 0 END)"),
            ("total_occurrences", "CAST(SUM(total_occurrences) AS BIGINT)"),
            ("win_rate", "SUM(win_rate * total_occurrences) / NULLIF(SUM(total_occurrences), 0)"),
            ("avg_profit_bps", "SUM(avg_profit_bps * total_occurrences) / NULLIF(SUM(total_occurrences), 0)"),
            ("test_occurrences", "CAST(SUM(test_occurrences) AS BIGINT)"),
            ("test_win_rate", "SUM(test_win_rate * test_occurrences) / NULLIF(SUM(test_occurrences), 0)"),
            ("test_avg_profit_bps", "SUM(test_avg_profit_bps * test_occurrences) / NULLIF(SUM(test_occurrences), 0)"),
            ("first_seen", "MIN(discovered_at)"),
            ("last_seen", "MAX(discovered_at)"),
        ],
        this_run_only: false,
        subset_kind: None,
    },
    TableExport {
        kind: "post_exit_tracking",
        from: "post_exit_tracking WHERE run_id = $1 ORDER BY exit_timestamp, symbol, trade_id, horizon_bars",
        columns: PostExitRow::COLUMNS,
        expressions: &[],
        this_run_only: true,
        subset_kind: None,
    },
    TableExport {
        kind: "regime_analysis",
        from: "trade_memory WHERE run_id = $1 GROUP BY COALESCE(market_regime, 'UNKNOWN'), account_currency, \
               simulated ORDER BY market_regime",
        columns: REGIME_ANALYSIS,
        expressions: &[
            ("market_regime", "COALESCE(market_regime, 'UNKNOWN')"),
            ("total_trades", "COUNT(*)"),
            ("wins", "SUM(CASE WHEN is_winner THEN 1 ELSE 0 END)"),
            ("losses", "SUM(CASE WHEN is_winner THEN 0 ELSE 1 END)"),
            ("win_rate", "CAST(AVG(CASE WHEN is_winner THEN 1.0 ELSE 0.0 END) AS DOUBLE PRECISION)"),
            ("avg_profit_gbp", "AVG(net_profit_gbp)"),
            ("total_profit_gbp", "SUM(net_profit_gbp)"),
            ("avg_net_bps", "AVG(net_bps)"),
            ("avg_gross_bps", "AVG(gross_profit_bps)"),
            ("best_net_bps", "MAX(net_bps)"),
            ("worst_net_bps", "MIN(net_bps)"),
            ("avg_hold_minutes", "AVG(hold_minutes)"),
            ("fees_gbp", "SUM(fees_gbp)"),
            ("slippage_gbp", "SUM(slippage_gbp)"),
        ],
        this_run_only: true,
        subset_kind: None,
    },
    TableExport {
        kind: "model_evolution",
        from: "model_performance AS f JOIN models AS m ON m.model_id = f.model_id AND m.run_id = f.run_id \
               WHERE f.scope = 'walk_forward' \
               WINDOW past AS (PARTITION BY m.symbol, m.model_type, m.simulated ORDER BY m.trained_at, m.model_id) \
               ORDER BY m.symbol, m.model_type, m.trained_at, m.model_id",
        columns: MODEL_EVOLUTION,
        expressions: &[
            ("symbol", "m.symbol"),
            ("run_id", "m.run_id"),
            ("model_id", "m.model_id"),
            ("approved", "f.approved"),
            ("sharpe_change", "f.sharpe_ratio - LAG(f.sharpe_ratio) OVER past"),
            ("win_rate_change", "f.win_rate - LAG(f.win_rate) OVER past"),
            ("total_return_change", "f.total_return - LAG(f.total_return) OVER past"),
            ("simulated", "m.simulated"),
        ],
        this_run_only: false,
        subset_kind: None,
    },
    TableExport {
        kind: "forward_record",
        from: NEWEST_FORWARD,
        columns: ForwardRow::COLUMNS,
        expressions: &[("run_id", "f.run_id"), ("simulated", "f.simulated")],
        this_run_only: false,
        subset_kind: None,
    },
];

/// The forward record: of a signal that several runs have followed, the newest row.
const NEWEST_FORWARD: &str = "forward_record AS f JOIN runs AS r ON r.run_id = f.run_id WHERE NOT EXISTS \
     (SELECT 1 FROM forward_record AS l JOIN runs AS lr ON lr.run_id = l.run_id WHERE l.model_id = f.model_id \
     AND l.signal_timestamp = f.signal_timestamp AND (lr.started > r.started \
     OR (lr.started = r.started AND l.run_id > f.run_id))) ORDER BY f.signal_timestamp, f.symbol, f.model_id";

/// The journal's tables, whole.
pub(super) const OF_JOURNAL: &[TableExport] = &[
    TableExport {
        kind: "observability_trades",
        from: "trades ORDER BY entry_timestamp, symbol, trade_id",
        columns: JournalTradeRow::COLUMNS,
        expressions: &[],
        this_run_only: false,
        subset_kind: None,
    },
    TableExport {
        kind: "observability_models",
        from: "models ORDER BY trained_at, symbol, model_id",
        columns: JournalModelRow::COLUMNS,
        expressions: &[],
        this_run_only: false,
        subset_kind: None,
    },
    TableExport {
        kind: "observability_model_deltas",
        from: "model_deltas ORDER BY trained_at, symbol, model_id",
        columns: ModelDeltaRow::COLUMNS,
        expressions: &[],
        this_run_only: false,
        subset_kind: None,
    },
];

impl TableExport {
    fn sql(&self) -> String {
        let expression_of = |name: &'static str| self.expressions.iter().find(|(column, _)| *column == name);
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|column| match expression_of(column.name) {
                Some((name, expression)) => format!("{expression} AS {name}"),
                None => column.name.to_owned(),
            })
            .collect();
        format!("SELECT {} FROM {}", columns.join(", "), self.from)
    }

    fn binds(&self, run: &RunRow) -> Vec<Value> {
        if self.this_run_only { vec![Value::Text(run.run_id.clone())] } else { vec![] }
    }
}

pub(super) async fn from_brain(
    brain: &Brain,
    table: &'static TableExport,
    folder: &Folder,
    run: &RunRow,
) -> Result<Vec<ExportFile>, ExportError> {
    let rows = TableSink::begin(table, folder, run)?;
    let read = brain.read_in_bulk(table.kind, table.sql(), &table.binds(run), table.columns, rows).await;
    finish(read, table, run).await
}

pub(super) async fn from_journal(
    journal: &Journal,
    table: &'static TableExport,
    folder: &Folder,
    run: &RunRow,
) -> Result<Vec<ExportFile>, ExportError> {
    let rows = TableSink::begin(table, folder, run)?;
    let read = journal.read_in_bulk(table.kind, table.sql(), &table.binds(run), table.columns, rows).await;
    finish(read, table, run).await
}

fn name(kind: &str, run: &RunRow) -> String {
    format!("{kind}_{}.csv", run.date)
}

/// Writes a table to its file, and the rows of one run to a second file.
struct TableSink {
    lines: CsvLines,
    whole: OutputFile,
    subset: Option<RunSubset>,
}

struct OutputFile {
    kind: &'static str,
    pipe: Pipe,
    rows: u64,
}

struct RunSubset {
    output: OutputFile,
    /// Index of the column `run_id`.
    column: usize,
    run_id: String,
}

impl OutputFile {
    fn begin(kind: &'static str, columns: &[Column], folder: &Folder, run: &RunRow) -> Result<Self, ExportError> {
        let mut pipe = Pipe::new(folder.create(&name(kind, run))?);
        let names: Vec<Cell<'_>> = columns.iter().map(|column| Cell::Text(column.name)).collect();
        CsvLines::default().line(pipe.buffer(), &names);
        Ok(Self { kind, pipe, rows: 0 })
    }

    /// Appends a row. False if the file cannot be written.
    fn row(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        write(self.pipe.buffer());
        self.rows += 1;
        self.pipe.send_if_full()
    }

    fn finish(self) -> Result<ExportFile, ExportError> {
        self.pipe.finish(self.kind, self.rows)
    }
}

impl TableSink {
    fn begin(table: &TableExport, folder: &Folder, run: &RunRow) -> Result<Self, ExportError> {
        let whole = OutputFile::begin(table.kind, table.columns, folder, run)?;
        let subset = match table.subset_kind {
            Some(kind) => Some(RunSubset {
                output: OutputFile::begin(kind, table.columns, folder, run)?,
                column: table.columns.iter().position(|column| column.name == "run_id").unwrap_or_default(),
                run_id: run.run_id.clone(),
            }),
            None => None,
        };
        Ok(Self { lines: CsvLines::default(), whole, subset })
    }

    fn finish(self) -> Result<Vec<ExportFile>, ExportError> {
        let subset = self.subset.map(|subset| subset.output.finish()).transpose()?;
        let whole = self.whole.finish()?;
        Ok(subset.into_iter().chain([whole]).collect())
    }
}

impl RowSink for TableSink {
    fn row(&mut self, cells: &[Cell<'_>]) -> ControlFlow<()> {
        let mut keep_going = true;
        if let Some(subset) = self.subset.as_mut().filter(|subset| cells[subset.column] == Cell::Text(&subset.run_id)) {
            let start = self.whole.pipe.buffer().len();
            self.lines.line(self.whole.pipe.buffer(), cells);
            let line = &self.whole.pipe.buffer()[start..];
            keep_going = subset.output.row(|buffer| buffer.extend_from_slice(line));
        } else {
            self.lines.line(self.whole.pipe.buffer(), cells);
        }
        keep_going &= self.whole.row(|_| {});
        if keep_going { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

/// Completes the files on a thread that may block.
async fn finish(
    read: Result<TableSink, BrainError>,
    table: &TableExport,
    run: &RunRow,
) -> Result<Vec<ExportFile>, ExportError> {
    let rows = read.map_err(|source| ExportError::Brain { file: name(table.kind, run), source })?;
    let ended = tokio::task::spawn_blocking(|| rows.finish());
    ended.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
