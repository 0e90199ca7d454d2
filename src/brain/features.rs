//! Feature values. They are by far the most rows, so they are written without a struct per row.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use futures::stream::BoxStream;
use sqlx::AssertSqlSafe;

use super::copy::CopyText;
use super::record::row;
use super::store::Tx;
use super::value::{Field, Value, time_of_ms};
use super::{Brain, BrainError, Record};

/// Rows of one SQLite INSERT, with six parameters per row.
const SQLITE_ROWS: usize = 200;

/// COPY text is sent in chunks of about this many bytes.
const COPY_CHUNK_BYTES: usize = 1 << 20;

const WRITE: &str = "cannot write to features";

/// Features of one symbol over consecutive bars, ready to be stored.
#[derive(Debug, Clone, Copy)]
pub struct FeatureBlock<'a> {
    /// `BASE-QUOTE`.
    pub symbol: &'a str,
    /// Open times of the bars, milliseconds since 1970 UTC, ascending; `[bars]`.
    pub timestamps: &'a [i64],
    /// Names of the features; `[features]`.
    pub names: &'a [&'a str],
    /// Values, `[bars × features]`, row-major; NaN where missing.
    pub values: &'a [f32],
}

row! {
    /// One feature of one symbol at one bar.
    pub struct FeatureRow {
        /// `BASE-QUOTE`.
        pub symbol: String,
        /// Open of the bar.
        pub timestamp: DateTime<Utc>,
        /// Name in the feature catalogue.
        pub feature_name: String,
        /// NaN where missing.
        pub feature_value: f64,
        /// The run that wrote it.
        pub run_id: String,
        /// True if the candles come from the simulated market.
        pub simulated: bool,
    }
}

impl Brain {
    /// Stores features in one transaction and returns the number of values written.
    ///
    /// Values that any run stored for the same symbol between the first and the last bar of a block are replaced.
    ///
    /// # Errors
    /// A block whose values are not `[bars × features]`, or a database that fails. Nothing is changed then.
    pub async fn store_features(
        &self,
        run_id: &str,
        simulated: bool,
        blocks: &[FeatureBlock<'_>],
    ) -> Result<u64, BrainError> {
        for block in blocks {
            if block.values.len() != block.timestamps.len() * block.names.len() {
                return Err(BrainError::Shape {
                    what: format!("features of {}", block.symbol),
                    values: block.values.len(),
                    rows: block.timestamps.len(),
                    columns: block.names.len(),
                });
            }
        }
        let mut tx = self.store.begin().await?;
        for block in blocks {
            if let (Some(&first), Some(&last)) = (block.timestamps.first(), block.timestamps.last()) {
                let sql = "DELETE FROM features WHERE symbol = $1 AND timestamp BETWEEN $2 AND $3";
                let symbol = Value::Text(block.symbol.to_owned());
                let range = [symbol, time_of_ms(first).to_value(), time_of_ms(last).to_value()];
                tx.execute(WRITE, sql, &range).await?;
            }
        }
        match &mut tx {
            Tx::Postgres(tx) => copy_blocks(tx, run_id, simulated, blocks).await,
            Tx::Sqlite(tx) => insert_blocks(tx, run_id, simulated, blocks).await,
        }
        .map_err(BrainError::query(WRITE))?;
        tx.commit().await?;
        Ok(blocks.iter().map(|block| block.values.len() as u64).sum())
    }

    /// Streams one symbol's stored features, ordered by time and name.
    pub fn features(&self, symbol: &str) -> BoxStream<'_, Result<FeatureRow, BrainError>> {
        let sql = "SELECT symbol, timestamp, feature_name, feature_value, run_id, simulated FROM features \
                   WHERE symbol = $1 ORDER BY timestamp, feature_name";
        self.query("features", sql, &[Value::Text(symbol.to_owned())], FeatureRow::COLUMNS)
            .map(|values| values.and_then(|values| FeatureRow::from_values("features", values)))
            .boxed()
    }
}

async fn copy_blocks(
    tx: &mut sqlx::PgTransaction<'static>,
    run_id: &str,
    simulated: bool,
    blocks: &[FeatureBlock<'_>],
) -> Result<(), sqlx::Error> {
    let mut tail = CopyText::default();
    tail.row(&[run_id.to_owned().to_value(), simulated.to_value()]);
    let tail = String::from_utf8_lossy(&tail.take()).into_owned();
    let statement = "COPY features (symbol, timestamp, feature_name, feature_value, run_id, simulated) FROM STDIN";
    let mut sink = tx.copy_in_raw(statement).await?;
    let mut copy = CopyText::default();
    for block in blocks {
        let names: Vec<String> = block.names.iter().map(|name| escaped(name)).collect();
        for (&ms, values) in block.timestamps.iter().zip(block.values.chunks(block.names.len().max(1))) {
            let mut head = CopyText::default();
            head.escaped(block.symbol);
            head.raw("\t");
            head.time(time_of_ms(ms));
            head.raw("\t");
            let head = String::from_utf8_lossy(&head.take()).into_owned();
            for (name, &value) in names.iter().zip(values) {
                copy.raw(&head);
                copy.raw(name);
                copy.raw("\t");
                if value.is_nan() {
                    copy.raw("\\N");
                } else {
                    copy.real(f64::from(value));
                }
                copy.raw("\t");
                copy.raw(&tail);
            }
            if copy.len() >= COPY_CHUNK_BYTES {
                sink.send(copy.take()).await?;
            }
        }
    }
    sink.send(copy.take()).await?;
    sink.finish().await.map(|_| ())
}

fn escaped(text: &str) -> String {
    let mut copy = CopyText::default();
    copy.escaped(text);
    String::from_utf8_lossy(&copy.take()).into_owned()
}

async fn insert_blocks(
    tx: &mut sqlx::SqliteTransaction<'static>,
    run_id: &str,
    simulated: bool,
    blocks: &[FeatureBlock<'_>],
) -> Result<(), sqlx::Error> {
    let whole = insert_statement(SQLITE_ROWS);
    let run_id: Arc<str> = run_id.into();
    for block in blocks {
        let symbol: Arc<str> = block.symbol.into();
        let names: Vec<Arc<str>> = block.names.iter().map(|&name| name.into()).collect();
        // In the order of the key each row is appended, and the tree is not searched for its position.
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by_key(|&at| &names[at]);
        let cells: Vec<(usize, usize)> =
            (0..block.timestamps.len()).flat_map(|bar| order.iter().map(move |&name| (bar, name))).collect();
        for chunk in cells.chunks(SQLITE_ROWS) {
            let sql = if chunk.len() == SQLITE_ROWS { whole.clone() } else { insert_statement(chunk.len()) };
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for &(bar, name) in chunk {
                let value = block.values[bar * names.len() + name];
                query = query
                    .bind(symbol.clone())
                    .bind(block.timestamps[bar])
                    .bind(names[name].clone())
                    .bind((!value.is_nan()).then_some(f64::from(value)))
                    .bind(run_id.clone())
                    .bind(simulated);
            }
            query.execute(&mut **tx).await?;
        }
    }
    Ok(())
}

/// An INSERT of that many rows. Its parameters are not numbered, because SQLite searches its list of numbered ones
/// from the start for each.
fn insert_statement(rows: usize) -> String {
    let head = "INSERT INTO features (symbol, timestamp, feature_name, feature_value, run_id, simulated) VALUES ";
    format!("{head}{}", vec!["(?, ?, ?, ?, ?, ?)"; rows].join(", "))
}
