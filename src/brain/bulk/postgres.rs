//! Rows of PostgreSQL, by its binary COPY: <https://www.postgresql.org/docs/current/sql-copy.html>, "Binary Format".

use chrono::{Days, NaiveDate};
use futures::TryStreamExt;
use sqlx::postgres::{PgPool, PgPoolCopyExt};
use tokio::sync::mpsc;

use super::{Cell, Query, TakeRows};
use crate::brain::BrainError;
use crate::brain::value::{Kind, Value};

/// Bytes that go from the connection to the thread of the rows at once.
const PIECE: usize = 1 << 18;
/// Pieces that wait for that thread at most.
const WAITING: usize = 4;

/// What every binary COPY begins with.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Signature, flags, and the length of an extension, which is skipped.
const HEAD: usize = SIGNATURE.len() + 8;
/// The year 2000, from which PostgreSQL counts: ms after 1970.
const EPOCH_MS: i64 = 946_684_800_000;

pub(super) async fn read<T: TakeRows>(pool: &PgPool, query: Query, mut taker: T) -> Result<T, BrainError> {
    let statement = format!("COPY ({}) TO STDOUT (FORMAT binary)", filled(&query.sql, &query.binds));
    let (send, mut pieces) = mpsc::channel::<Vec<u8>>(WAITING);
    let what = query.what.clone();
    let rows = tokio::task::spawn_blocking(move || {
        let mut decoder = Decoder { query: &query, waiting: Vec::new(), begun: false };
        while let Some(piece) = pieces.blocking_recv() {
            if decoder.take(&piece, &mut taker)? {
                break;
            }
        }
        Ok(taker)
    });
    let failed = BrainError::query(format!("cannot read {what}"));
    let sent = async {
        let mut copy = pool.copy_out_raw(&statement).await?;
        let mut piece = Vec::with_capacity(PIECE);
        while let Some(message) = copy.try_next().await? {
            piece.extend_from_slice(&message);
            // Nobody takes any more: the rows are ended, or at fault.
            if piece.len() >= PIECE
                && send.send(std::mem::replace(&mut piece, Vec::with_capacity(PIECE))).await.is_err()
            {
                return Ok(());
            }
        }
        let _ = send.send(piece).await;
        Ok(())
    };
    let sent = sent.await.map_err(failed);
    drop(send);
    let read = rows.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    sent.and(read)
}

/// The statement with its parameters written into it, since COPY takes none.
fn filled(sql: &str, binds: &[Value]) -> String {
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

/// A value as SQL writes it. In an `E''` text a backslash is an escape whatever the server's settings are.
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

/// Cuts what arrives into rows; a message of the protocol may end anywhere in one.
struct Decoder<'a> {
    query: &'a Query,
    /// What is not a whole row yet.
    waiting: Vec<u8>,
    begun: bool,
}

impl Decoder<'_> {
    /// Hands the rows that are whole to `taker`; true when no further ones are wanted, or come.
    fn take(&mut self, piece: &[u8], taker: &mut impl TakeRows) -> Result<bool, BrainError> {
        let mut joined = std::mem::take(&mut self.waiting);
        // Messages mostly end where rows do: then nothing is copied.
        let bytes = if joined.is_empty() {
            piece
        } else {
            joined.extend_from_slice(piece);
            &joined
        };
        let mut at = 0;
        if !self.begun {
            match self.head(bytes)? {
                Some(rows) => (self.begun, at) = (true, rows),
                None => {
                    self.waiting = bytes.to_vec();
                    return Ok(false);
                }
            }
        }
        let mut ended = false;
        while let Some((next, fields)) = self.fields(bytes, at)? {
            at = next;
            ended = match fields {
                Some(cells) => taker.row(&cells).is_break(),
                None => true,
            };
            if ended {
                break;
            }
        }
        self.waiting = bytes[at..].to_vec();
        Ok(ended)
    }

    /// Where the first row begins, when all before it is there.
    fn head(&self, bytes: &[u8]) -> Result<Option<usize>, BrainError> {
        let Some(head) = bytes.get(..HEAD) else { return Ok(None) };
        if !head.starts_with(SIGNATURE) {
            return Err(self.query.failed("the server's answer is no binary COPY"));
        }
        let extension = u32::from_be_bytes([head[HEAD - 4], head[HEAD - 3], head[HEAD - 2], head[HEAD - 1]]);
        Ok(HEAD.checked_add(extension as usize).filter(|rows| *rows <= bytes.len()))
    }

    /// The row at `at` and where the next one begins: none where it is not whole yet, and no cells at the end of the rows.
    #[allow(clippy::type_complexity, reason = "a row, or the end, or neither")]
    fn fields<'b>(&self, bytes: &'b [u8], at: usize) -> Result<Option<(usize, Option<Vec<Cell<'b>>>)>, BrainError> {
        let some = |at: usize, length: usize| bytes.get(at..at.checked_add(length)?);
        let Some(count) = some(at, 2).map(|b| i16::from_be_bytes([b[0], b[1]])) else { return Ok(None) };
        let mut at = at + 2;
        if count < 0 {
            return Ok(Some((at, None)));
        }
        let columns = self.query.columns;
        if count as usize != columns.len() {
            let told = format!("{count} values in a row of {} columns", columns.len());
            return Err(self.query.failed(told));
        }
        let mut cells = Vec::with_capacity(columns.len());
        for (index, column) in columns.iter().enumerate() {
            let Some(b) = some(at, 4) else { return Ok(None) };
            let length = i32::from_be_bytes([b[0], b[1], b[2], b[3]]);
            at += 4;
            if length < 0 {
                cells.push(Cell::Null);
                continue;
            }
            let Some(value) = some(at, length as usize) else { return Ok(None) };
            at += value.len();
            let cell = cell(value, column.kind);
            cells.push(cell.ok_or_else(|| self.query.mistaken(index, format_args!("{length} other bytes")))?);
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

    impl TakeRows for Seen {
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
    fn rows_are_the_same_wherever_the_messages_end() {
        let query = query();
        let wanted = [r#"[Text("one"), Int(1)]"#, r#"[Text("minus two"), Int(-2)]"#, "[Null, Null]"];
        for length in [1, 2, 3, 7, 50, 1000] {
            let mut decoder = Decoder { query: &query, waiting: Vec::new(), begun: false };
            let mut seen = Seen(Vec::new());
            let ended: Vec<bool> =
                stream().chunks(length).map(|piece| decoder.take(piece, &mut seen).expect("is read")).collect();
            assert_eq!(seen.0, wanted, "pieces of {length}");
            assert!(ended.last() == Some(&true) && decoder.waiting.is_empty());
        }
    }

    #[test]
    fn a_row_of_other_columns_is_refused() {
        let query = query();
        let mut decoder = Decoder { query: &query, waiting: Vec::new(), begun: false };
        let three = [SIGNATURE, &[0; 8], &3i16.to_be_bytes()].concat();
        assert!(decoder.take(&three, &mut Seen(Vec::new())).is_err());
        let mut decoder = Decoder { query: &query, waiting: Vec::new(), begun: false };
        assert!(decoder.take(&[b'x'; HEAD], &mut Seen(Vec::new())).is_err());
    }

    #[test]
    fn values_are_those_that_the_server_means() {
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
    fn what_is_written_into_a_statement_stays_a_value() {
        let binds = [Value::Text(r"o'clock \ $2".into()), Value::Int(-3)];
        let sql = filled("SELECT '$' WHERE a = $1 AND b = $2 AND c = $3", &binds);
        assert_eq!(sql, r"SELECT '$' WHERE a = E'o''clock \\ $2' AND b = (-3) AND c = $3");
    }
}
