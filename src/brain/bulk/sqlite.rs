//! Rows of a SQLite file, read on the thread that asks.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rusqlite::types::{Value as Owned, ValueRef};
use rusqlite::{Connection, OpenFlags, Statement};

use super::batch::Batch;
use super::{Cell, Query, TakeRows};
use crate::brain::BrainError;
use crate::brain::open::BUSY_TIMEOUT;
use crate::brain::value::{Kind, Value};

/// Pages that the connection keeps, kB: the upper levels of an index over a million rows.
const PAGES_KB: i64 = 2 * 1024;
/// Batches that wait for whoever takes them at most.
const WAITING: usize = 3;

/// Reads until the last row, until `taker` wants no more, or until `wanted` is false; `taker` works on a thread beside.
pub(super) fn read<T: TakeRows>(
    file: &Path,
    query: &Query,
    mut taker: T,
    wanted: &AtomicBool,
) -> Result<T, BrainError> {
    let (send, batches) = sync_channel::<Batch>(WAITING);
    let (used, again) = sync_channel::<Batch>(WAITING + 2);
    let columns = query.columns.len().max(1);
    let taking = std::thread::spawn(move || {
        for mut batch in batches {
            if batch.lend(columns, &mut taker).is_break() {
                break;
            }
            batch.clear();
            // Used again, unless the reader has gone.
            let _ = used.try_send(batch);
        }
        taker
    });
    let read = rows(file, query, &send, &again, wanted);
    drop(send);
    let taker = taking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    read.map(|()| taker)
}

fn rows(
    file: &Path,
    query: &Query,
    send: &SyncSender<Batch>,
    again: &Receiver<Batch>,
    wanted: &AtomicBool,
) -> Result<(), BrainError> {
    let failed = |source: rusqlite::Error| query.failed(source);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    connection.pragma_update(None, "cache_size", -PAGES_KB).map_err(failed)?;
    let mut statement = connection.prepare(&query.sql).map_err(failed)?;
    bind(&mut statement, &query.binds).map_err(failed)?;
    let mut rows = statement.raw_query();
    let mut batch = Batch::default();
    while wanted.load(Ordering::Relaxed)
        && let Some(row) = rows.next().map_err(failed)?
    {
        for (at, column) in query.columns.iter().enumerate() {
            let value = row.get_ref(at).map_err(failed)?;
            batch.push(cell(value, column.kind).ok_or_else(|| query.mistaken(at, shown(value)))?);
        }
        // Nobody takes any more: the taker has said so.
        if batch.is_full() && send.send(std::mem::replace(&mut batch, again.try_recv().unwrap_or_default())).is_err() {
            return Ok(());
        }
    }
    let _ = send.send(batch);
    Ok(())
}

/// `$1` is a name to SQLite, and gets the first value.
fn bind(statement: &mut Statement<'_>, binds: &[Value]) -> Result<(), rusqlite::Error> {
    for (at, value) in binds.iter().enumerate() {
        let Some(place) = statement.parameter_index(&format!("${}", at + 1))? else { continue };
        let value = match value {
            Value::Null => Owned::Null,
            Value::Text(text) => Owned::Text(text.clone()),
            Value::Real(real) => Owned::Real(*real),
            Value::Int(int) => Owned::Integer(*int),
            Value::Bool(flag) => Owned::Integer(i64::from(*flag)),
            Value::Time(time) => Owned::Integer(time.timestamp_millis()),
            Value::Date(date) => Owned::Text(date.to_string()),
        };
        statement.raw_bind_parameter(place, value)?;
    }
    Ok(())
}

/// SQLite types values, not columns: a whole number may come back from an expression over REAL, and becomes what the
/// column is meant to hold.
fn cell(value: ValueRef<'_>, kind: Kind) -> Option<Cell<'_>> {
    Some(match (kind, value) {
        (_, ValueRef::Null) => Cell::Null,
        (Kind::Text, ValueRef::Text(text)) => Cell::Text(std::str::from_utf8(text).ok()?),
        (Kind::Real, ValueRef::Real(real)) => Cell::Real(real),
        (Kind::Real, ValueRef::Integer(int)) => Cell::Real(int as f64),
        (Kind::Int, ValueRef::Integer(int)) => Cell::Int(int),
        (Kind::Int, ValueRef::Real(real)) => Cell::Int(real as i64),
        (Kind::Bool, ValueRef::Integer(int)) => Cell::Bool(int != 0),
        (Kind::Time, ValueRef::Integer(ms)) => Cell::Time(ms),
        (Kind::Date, ValueRef::Text(text)) => Cell::Date(std::str::from_utf8(text).ok()?.parse().ok()?),
        _ => return None,
    })
}

fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "nothing".to_owned(),
        ValueRef::Integer(int) => format!("'{int}'"),
        ValueRef::Real(real) => format!("'{real}'"),
        ValueRef::Text(text) => format!("'{}'", String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => format!("{} bytes", bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_becomes_what_its_column_holds_and_anything_else_is_refused() {
        assert_eq!(cell(ValueRef::Integer(3), Kind::Real), Some(Cell::Real(3.0)));
        assert_eq!(cell(ValueRef::Integer(2), Kind::Bool), Some(Cell::Bool(true)));
        assert_eq!(cell(ValueRef::Null, Kind::Time), Some(Cell::Null));
        assert_eq!(cell(ValueRef::Text(b"x"), Kind::Real), None);
        assert_eq!(cell(ValueRef::Text(b"\xff"), Kind::Text), None);
        assert_eq!(cell(ValueRef::Text(b"2025-02-30"), Kind::Date), None);
    }
}
