//! Every win and loss of a run with its reasons: `win_loss_analysis_{date}.json`, one record per line.

use std::io::Write;
use std::ops::ControlFlow;

use serde_json::json;

use super::file::Folder;
use super::pipe::Pipe;
use super::{ExportError, ExportFile};
use crate::brain::{
    AnalysisRow, Brain, Cell, LOSS_ANALYSIS, Record, RowSink, RunRow, Table, Value, WIN_ANALYSIS, time_of_ms,
};

const KIND: &str = "win_loss_analysis";

/// Columns that hold JSON, which is copied as it is.
const JSON_COLUMNS: [&str; 2] = ["contributing_factors", "features_at_entry"];

pub(super) async fn win_loss_analysis(brain: &Brain, folder: &Folder, run: &RunRow) -> Result<ExportFile, ExportError> {
    let name = format!("{KIND}_{}.json", run.date);
    let records = Records { pipe: Pipe::new(folder.create(&name)?), count: 0 };
    let head = format!(
        "{{\"date\": {}, \"run_id\": {}, \"simulated\": {}, \"account_currency\": {},\n\"wins\": [",
        json!(run.date),
        json!(run.run_id),
        run.simulated,
        json!(run.account_currency)
    );
    let records = records_of(brain, &WIN_ANALYSIS, records.with_text(&head), &name, run).await?;
    let wins = records.count;
    let records = Records { count: 0, ..records.with_text("],\n\"losses\": [") };
    let records = records_of(brain, &LOSS_ANALYSIS, records, &name, run).await?;
    let losses = records.count;
    let records = records.with_text(&format!("],\n\"total_wins\": {wins}, \"total_losses\": {losses}}}\n"));
    let ended = tokio::task::spawn_blocking(move || records.pipe.finish(KIND, wins + losses));
    ended.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

async fn records_of(
    brain: &Brain,
    table: &Table<AnalysisRow>,
    records: Records,
    name: &str,
    run: &RunRow,
) -> Result<Records, ExportError> {
    let columns = table.column_list();
    let sql = format!("SELECT {columns} FROM {} WHERE run_id = $1 ORDER BY {}", table.name, table.key);
    let run_id = [Value::Text(run.run_id.clone())];
    let read = brain.read_in_bulk(table.name, sql, &run_id, AnalysisRow::COLUMNS, records).await;
    read.map_err(|source| ExportError::Brain { file: name.to_owned(), source })
}

/// The file being written.
struct Records {
    pipe: Pipe,
    /// Records of the current list.
    count: u64,
}

impl Records {
    fn with_text(mut self, text: &str) -> Self {
        self.pipe.buffer().extend_from_slice(text.as_bytes());
        self
    }
}

impl RowSink for Records {
    fn row(&mut self, cells: &[Cell<'_>]) -> ControlFlow<()> {
        let out = self.pipe.buffer();
        out.extend_from_slice(if self.count == 0 { b"\n{" } else { b",\n{" });
        for (at, (column, cell)) in AnalysisRow::COLUMNS.iter().zip(cells).enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(out, "{comma}\"{}\":", column.name).expect("writing to a Vec cannot fail");
            match cell {
                Cell::Text(text) if JSON_COLUMNS.contains(&column.name) => out.extend_from_slice(text.as_bytes()),
                other => write_value(out, other),
            }
        }
        out.push(b'}');
        self.count += 1;
        if self.pipe.send_if_full() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

/// Appends a value as JSON; infinities, which JSON cannot express, become null.
fn write_value(out: &mut Vec<u8>, cell: &Cell<'_>) {
    let written = match cell {
        Cell::Null => serde_json::to_writer(out, &()),
        Cell::Text(text) => serde_json::to_writer(out, text),
        Cell::Real(real) => serde_json::to_writer(out, real),
        Cell::Int(int) => serde_json::to_writer(out, int),
        Cell::Bool(flag) => serde_json::to_writer(out, flag),
        Cell::Time(ms) => serde_json::to_writer(out, &time_of_ms(*ms)),
        Cell::Date(date) => serde_json::to_writer(out, date),
    };
    written.expect("writing to a Vec cannot fail");
}
