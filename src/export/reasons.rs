//! Every win and every loss of a run with its reasons: `win_loss_analysis_{date}.json`, one record a line.

use std::io::Write;
use std::ops::ControlFlow;

use serde_json::json;

use super::file::Folder;
use super::pipe::Pipe;
use super::{ExportError, ExportFile};
use crate::brain::{
    AnalysisRow, Brain, Cell, LOSS_ANALYSIS, Record, RunRow, Table, TakeRows, Value, WIN_ANALYSIS, time_of_ms,
};

const KIND: &str = "win_loss_analysis";

/// Columns whose text is JSON, and goes into the file as it is.
const JSON: [&str; 2] = ["contributing_factors", "features_at_entry"];

pub(super) async fn win_loss_analysis(brain: &Brain, folder: &Folder, run: &RunRow) -> Result<ExportFile, ExportError> {
    let name = format!("{KIND}_{}.json", run.date);
    let records = Records { pipe: Pipe::into(folder.create(&name)?), count: 0 };
    let head = format!(
        "{{\"date\": {}, \"run_id\": {}, \"simulated\": {}, \"account_currency\": {},\n\"wins\": [",
        json!(run.date),
        json!(run.run_id),
        run.simulated,
        json!(run.account_currency)
    );
    let records = records_of(brain, &WIN_ANALYSIS, records.then(&head), &name, run).await?;
    let wins = records.count;
    let records = Records { count: 0, ..records.then("],\n\"losses\": [") };
    let records = records_of(brain, &LOSS_ANALYSIS, records, &name, run).await?;
    let losses = records.count;
    let records = records.then(&format!("],\n\"total_wins\": {wins}, \"total_losses\": {losses}}}\n"));
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

/// The file under way.
struct Records {
    pipe: Pipe,
    /// Of the list at hand.
    count: u64,
}

impl Records {
    fn then(mut self, text: &str) -> Self {
        self.pipe.piece().extend_from_slice(text.as_bytes());
        self
    }
}

impl TakeRows for Records {
    fn row(&mut self, cells: &[Cell<'_>]) -> ControlFlow<()> {
        let out = self.pipe.piece();
        out.extend_from_slice(if self.count == 0 { b"\n{" } else { b",\n{" });
        for (at, (column, cell)) in AnalysisRow::COLUMNS.iter().zip(cells).enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(out, "{comma}\"{}\":", column.name).expect("a Vec takes whatever is written");
            match cell {
                Cell::Text(text) if JSON.contains(&column.name) => out.extend_from_slice(text.as_bytes()),
                other => value(out, other),
            }
        }
        out.push(b'}');
        self.count += 1;
        if self.pipe.pass_on() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

/// A value in JSON; infinities, which it has no word for, are null.
fn value(out: &mut Vec<u8>, cell: &Cell<'_>) {
    let written = match cell {
        Cell::Null => serde_json::to_writer(out, &()),
        Cell::Text(text) => serde_json::to_writer(out, text),
        Cell::Real(real) => serde_json::to_writer(out, real),
        Cell::Int(int) => serde_json::to_writer(out, int),
        Cell::Bool(flag) => serde_json::to_writer(out, flag),
        Cell::Time(ms) => serde_json::to_writer(out, &time_of_ms(*ms)),
        Cell::Date(date) => serde_json::to_writer(out, date),
    };
    written.expect("a Vec takes whatever is written");
}
