//! Reads rows of PostgreSQL as binary COPY: <https://www.postgresql.org/docs/current/sql-copy.html>, "Binary Format".

use chrono::{Days, NaiveDate};
use futures::TryStreamExt;
use sqlx::postgres::{PgPool, PgPoolCopyExt};
use tokio::sync::mpsc;

use super::{Cell, Query, RowSink};
use crate::brain::BrainError;
use crate::brain::value::{Kind, Value};

/// Bytes per chunk that the connection sends to the decoding thread.
const CHUNK_BYTES: usize = 1 << 18;
/// Most chunks that wait for that thread.
const WAITING_CHUNKS: usize = 4;

/// First bytes of every binary COPY.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Bytes of the signature, the flags and the length of an extension, which is skipped.
const HEADER_BYTES: usize = SIGNATURE.len() + 8;
/// PostgreSQL's epoch, the year 2000, in milliseconds since 1970.
const EPOCH_MS: i64 = 946_684_800_000;

pub(super) async fn read<T: RowSink>(pool: &PgPool, query: Query, mut sink: T) -> Result<T, BrainError> {
    let statement = format!("COPY ({}) TO STDOUT (FORMAT binary)", with_literals(&query.sql, &query.binds));
    let (sender, mut chunks) = mpsc::channel::<Vec<u8>>(WAITING_CHUNKS);
    let what = query.what.clone();
    let rows = tokio::task::spawn_blocking(move || {
        let mut decoder = Decoder { query: &query, partial: Vec::new(), header_read: false };
        while let Some(chunk) = chunks.blocking_recv() {
            if decoder.decode(&chunk, &mut sink)? {
                break;
            }
        }
        Ok(sink)
    });
    let failed = BrainError::query(format!("cannot read {what}"));
    let sent = async {
        let mut copy = pool.copy_out_raw(&statement).await?;
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        while let Some(message) = copy.try_next().await? {
            chunk.extend_from_slice(&message);
            // A send fails once the decoder has stopped, after the last row or an error.
            if chunk.len() >= CHUNK_BYTES
                && sender.send(std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_BYTES))).await.is_err()
            {
                return Ok(());
            }
        }
        let _ = sender.send(chunk).await;
        Ok(())
    };
    let sent = sent.await.map_err(failed);
    drop(sender);
    let read = rows.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    sent.and(read)
}

/// The statement with its parameters substituted, because COPY takes none.
fn with_literals(sql: &str, binds: &[Value]) -> String {
    let mut pieces = sql.split('$');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let digits = piece.len() - piece.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
        let bind = piece[..digits].parse().ok().and_then(|number: usize| binds.get(number.checked_sub(1)?));
        match bind {
            Some(value) => {
                out.push_str(&literal(value));
                out.push_str(&piece[digits..]);
            }
            None => {
                out.push('$');
                out.push_str(piece);
            }
        }
    }
    out
}

/// A value as an SQL literal. In an `E''` string a backslash is an escape, whatever the server's settings are.
fn literal(value: &Value) -> String {
    let quoted = |text: &str| format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Text(text) => quoted(text),
        Value::Real(_) => format!("CAST({} AS DOUBLE PRECISION)", quoted(&value.to_plain())),
        Value::Int(int) => format!("({int})"),
        Value::Bool(flag) => flag.to_string(),
        Value::Time(_) => format!("CAST({} AS TIMESTAMPTZ)", quoted(&value.to_plain())),
        Value::Date(_) => format!("CAST({} AS DATE)", quoted(&value.to_plain())),
    }
}

/// Splits the received bytes into rows; a chunk may end anywhere within a row.
struct Decoder<'a> {
    query: &'a Query,
    /// Bytes of an incomplete row.
    partial: Vec<u8>,
    header_read: bool,
}

impl Decoder<'_> {
    /// Passes the complete rows to `sink`; true after the last row or after its `Break`.
    fn decode(&mut self, chunk: &[u8], sink: &mut impl RowSink) -> Result<bool, BrainError> {
        let mut joined = std::mem::take(&mut self.partial);
        // Chunks usually end where rows do; then nothing is copied.
        let bytes = if joined.is_empty() {
            chunk
        } else {
            joined.extend_from_slice(chunk);
            &joined
        };
        let mut at = 0;
        if !self.header_read {
            match self.rows_start(bytes)? {
                Some(rows) => (self.header_read, at) = (true, rows),
                None => {
                    self.partial = bytes.to_vec();
                    return Ok(false);
                }
            }
        }
        let mut ended = false;
        while let Some((next, fields)) = self.fields(bytes, at)? {
            at = next;
            ended = match fields {
                Some(cells) => sink.row(&cells).is_break(),
                None => true,
            };
            if ended {
                break;
            }
        }
        self.partial = bytes[at..].to_vec();
        Ok(ended)
    }

    /// Where the first row starts, once the whole header has arrived.
    fn rows_start(&self, bytes: &[u8]) -> Result<Option<usize>, BrainError> {
        let Some(header) = bytes.get(..HEADER_BYTES) else { return Ok(None) };
        if !header.starts_with(SIGNATURE) {
            return Err(self.query.failed("the server's response is not a binary COPY"));
        }
        let extension = u32::from_be_bytes([
            header[HEADER_BYTES - 4],
            header[HEADER_BYTES - 3],
            header[HEADER_BYTES - 2],
            header[HEADER_BYTES - 1],
        ]);
        Ok(HEADER_BYTES.checked_add(extension as usize).filter(|rows| *rows <= bytes.len()))
    }

    /// The row at `at` and the start of the next one. None if the row is incomplete; no cells at the end of the rows.
    #[allow(clippy::type_complexity, reason = "a row, the end of the rows, or neither")]
    fn fields<'b>(&self, bytes: &'b [u8], at: usize) -> Result<Option<(usize, Option<Vec<Cell<'b>>>)>, BrainError> {
        let slice = |at: usize, length: usize| bytes.get(at..at.checked_add(length)?);
        let Some(count) = slice(at, 2).map(|b| i16::from_be_bytes([b[0], b[1]])) else { return Ok(None) };
        let mut at = at + 2;
        if count < 0 {
            return Ok(Some((at, None)));
        }
        let columns = self.query.columns;
        if count as usize != columns.len() {
            let reason = format!("{count} values in a row of {} columns", columns.len());
            return Err(self.query.failed(reason));
        }
        let mut cells = Vec::with_capacity(columns.len());
        for (index, column) in columns.iter().enumerate() {
            let Some(b) = slice(at, 4) else { return Ok(None) };
            let length = i32::from_be_bytes([b[0], b[1], b[2], b[3]]);
            at += 4;
            if length < 0 {
                cells.push(Cell::Null);
                continue;
            }
            let Some(value) = slice(at, length as usize) else { return Ok(None) };
            at += value.len();
            let cell = cell(value, column.kind);
            cells.push(
                cell.ok_or_else(|| self.query.wrong_value(index, format_args!("{length} bytes of another kind")))?,
            );
        }
        Ok(Some((at, Some(cells))))
    }
}

fn cell(value: &[u8], kind: Kind) -> Option<Cell<'_>> {
    let eight = || value.try_into().ok().map(i64::from_be_bytes);
    Some(match kind {
        Kind::Text => Cell::Text(std::str::from_utf8(value).ok()?),
        Kind::Real => Cell::Real(f64::from_bits(eight()? as u64)),
        Kind::Int => Cell::Int(eight()?),
        Kind::Bool => Cell::Bool(*value.first().filter(|_| value.len() == 1)? != 0),
        // Microseconds since 2000.
        Kind::Time => Cell::Time(eight()?.div_euclid(1000) + EPOCH_MS),
        Kind::Date => {
            let days = i64::from(i32::from_be_bytes(value.try_into().ok()?));
            let epoch = NaiveDate::from_ymd_opt(2000, 1, 1)?;
            let far = Days::new(days.unsigned_abs());
            Cell::Date(if days < 0 { epoch.checked_sub_days(far)? } else { epoch.checked_add_days(far)? })
        }
    })
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::brain::value::Column;

    const COLUMNS: &[Column] = &[Column { name: "word", kind: Kind::Text }, Column { name: "number", kind: Kind::Int }];

    struct Seen(Vec<String>);

    impl RowSink for Seen {
        fn row(&mut self, cells: &[Cell<'_>]) -> ControlFlow<()> {
            self.0.push(format!("{cells:?}"));
            ControlFlow::Continue(())
        }
    }

    fn query() -> Query {
        Query { what: "words".into(), sql: String::new(), binds: vec![], columns: COLUMNS }
    }

    fn stream() -> Vec<u8> {
        let mut bytes = [SIGNATURE, &[0; 4], &2u32.to_be_bytes(), b"??"].concat();
        for (word, number) in [("one", 1i64), ("minus two", -2)] {
            bytes.extend(2i16.to_be_bytes());
            bytes.extend((word.len() as i32).to_be_bytes());
            bytes.extend(word.as_bytes());
            bytes.extend(8i32.to_be_bytes());
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend([0, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        bytes.extend((-1i16).to_be_bytes());
        bytes
    }

    #[test]
    fn rows_do_not_depend_on_where_chunks_end() {
        let query = query();
        let expected = [r#"[Text("one"), Int(1)]"#, r#"[Text("minus two"), Int(-2)]"#, "[Null, Null]"];
        for length in [1, 2, 3, 7, 50, 1000] {
            let mut decoder = Decoder { query: &query, partial: Vec::new(), header_read: false };
            let mut seen = Seen(Vec::new());
            let ended: Vec<bool> =
                stream().chunks(length).map(|chunk| decoder.decode(chunk, &mut seen).expect("is read")).collect();
            assert_eq!(seen.0, expected, "chunks of {length}");
            assert!(ended.last() == Some(&true) && decoder.partial.is_empty());
        }
    }

    #[test]
    fn a_row_of_other_columns_is_refused() {
        let query = query();
        let mut decoder = Decoder { query: &query, partial: Vec::new(), header_read: false };
        let three = [SIGNATURE, &[0; 8], &3i16.to_be_bytes()].concat();
        assert!(decoder.decode(&three, &mut Seen(Vec::new())).is_err());
        let mut decoder = Decoder { query: &query, partial: Vec::new(), header_read: false };
        assert!(decoder.decode(&[b'x'; HEADER_BYTES], &mut Seen(Vec::new())).is_err());
    }

    #[test]
    fn binary_values_are_decoded_as_documented() {
        // 2025-10-09 08:53:20.123456, as `EXTRACT(EPOCH …)` counts it; and a moment before 2000.
        let micros = (1_760_000_000_123_456i64 - EPOCH_MS * 1000).to_be_bytes();
        assert_eq!(cell(&micros, Kind::Time), Some(Cell::Time(1_760_000_000_123)));
        assert_eq!(cell(&(-1i64).to_be_bytes(), Kind::Time), Some(Cell::Time(EPOCH_MS - 1)));
        let day = |y, m, d| Some(Cell::Date(NaiveDate::from_ymd_opt(y, m, d).expect("a day")));
        assert_eq!(cell(&0i32.to_be_bytes(), Kind::Date), day(2000, 1, 1));
        assert_eq!(cell(&(-1i32).to_be_bytes(), Kind::Date), day(1999, 12, 31));
        assert_eq!(cell(&[0; 4], Kind::Int), None);
    }

    #[test]
    fn substituted_values_are_escaped() {
        let binds = [Value::Text(r"o'clock \ $2".into()), Value::Int(-3)];
        let sql = with_literals("SELECT '$' WHERE a = $1 AND b = $2 AND c = $3", &binds);
        assert_eq!(sql, r"SELECT '$' WHERE a = E'o''clock \\ $2' AND b = (-3) AND c = $3");
    }
}
