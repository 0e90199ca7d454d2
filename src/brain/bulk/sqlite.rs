//! Reads rows of a SQLite file and lends SQLite's own buffers, on the calling thread.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::types::{Value as Owned, ValueRef};
use rusqlite::{Connection, OpenFlags, Statement};

use super::{Cell, Query, RowSink};
use crate::brain::BrainError;
use crate::brain::open::BUSY_TIMEOUT;
use crate::brain::value::{Kind, Value};

/// Page cache of the connection, kB. It holds the upper levels of an index over a million rows and one page of each
/// of about a hundred runs, between which an order by time alternates.
const PAGE_CACHE_KB: i64 = 2 * 1024;

/// Reads until the last row, until `sink` breaks, or until `is_cancelled` is set.
pub(super) fn read<T: RowSink>(
    file: &Path,
    query: &Query,
    mut sink: T,
    is_cancelled: &AtomicBool,
) -> Result<T, BrainError> {
    let failed = |source: rusqlite::Error| query.failed(source);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    connection.pragma_update(None, "cache_size", -PAGE_CACHE_KB).map_err(failed)?;
    let mut statement = connection.prepare(&query.sql).map_err(failed)?;
    bind(&mut statement, &query.binds).map_err(failed)?;
    let mut rows = statement.raw_query();
    while !is_cancelled.load(Ordering::Relaxed)
        && let Some(row) = rows.next().map_err(failed)?
    {
        let mut cells = Vec::with_capacity(query.columns.len());
        for (at, column) in query.columns.iter().enumerate() {
            // Converted in place: moving the value first takes longer than everything else.
            match &row.get_ref(at) {
                Ok(value) => {
                    cells.push(cell(value, column.kind).ok_or_else(|| query.wrong_value(at, describe(value)))?)
                }
                Err(error) => return Err(query.failed(error.to_string())),
            }
        }
        if sink.row(&cells).is_break() {
            break;
        }
    }
    Ok(sink)
}

/// Binds the parameters. `$1` is a name to SQLite, so its index is looked up.
fn bind(statement: &mut Statement<'_>, binds: &[Value]) -> Result<(), rusqlite::Error> {
    for (at, value) in binds.iter().enumerate() {
        let Some(index) = statement.parameter_index(&format!("${}", at + 1))? else { continue };
        let value = match value {
            Value::Null => Owned::Null,
            Value::Text(text) => Owned::Text(text.clone()),
            Value::Real(real) => Owned::Real(*real),
            Value::Int(int) => Owned::Integer(*int),
            Value::Bool(flag) => Owned::Integer(i64::from(*flag)),
            Value::Time(time) => Owned::Integer(time.timestamp_millis()),
            Value::Date(date) => Owned::Text(date.to_string()),
        };
        statement.raw_bind_parameter(index, value)?;
    }
    Ok(())
}

/// Converts a value to its column's kind. SQLite types values, not columns: an expression over REAL may return a
/// whole number.
#[inline(always)]
fn cell<'a>(value: &ValueRef<'a>, kind: Kind) -> Option<Cell<'a>> {
    Some(match (value, kind) {
        (ValueRef::Null, _) => Cell::Null,
        (ValueRef::Text(text), Kind::Text) => Cell::Text(std::str::from_utf8(text).ok()?),
        (ValueRef::Text(text), Kind::Date) => Cell::Date(std::str::from_utf8(text).ok()?.parse().ok()?),
        (ValueRef::Real(real), Kind::Real) => Cell::Real(*real),
        (ValueRef::Real(real), Kind::Int) => Cell::Int(*real as i64),
        (ValueRef::Integer(int), Kind::Real) => Cell::Real(*int as f64),
        (ValueRef::Integer(int), Kind::Int) => Cell::Int(*int),
        (ValueRef::Integer(int), Kind::Bool) => Cell::Bool(*int != 0),
        (ValueRef::Integer(ms), Kind::Time) => Cell::Time(*ms),
        _ => return None,
    })
}

fn describe(value: &ValueRef<'_>) -> String {
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
    fn a_number_is_converted_to_its_columns_kind_and_anything_else_is_refused() {
        assert_eq!(cell(&ValueRef::Integer(3), Kind::Real), Some(Cell::Real(3.0)));
        assert_eq!(cell(&ValueRef::Integer(2), Kind::Bool), Some(Cell::Bool(true)));
        assert_eq!(cell(&ValueRef::Null, Kind::Time), Some(Cell::Null));
        assert_eq!(cell(&ValueRef::Text(b"x"), Kind::Real), None);
        assert_eq!(cell(&ValueRef::Text(b"\xff"), Kind::Text), None);
        assert_eq!(cell(&ValueRef::Text(b"2025-02-30"), Kind::Date), None);
    }
}
