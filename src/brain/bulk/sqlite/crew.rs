//! Rows of one plain table, read by several threads and handed over in their order.
//!
//! One thread walks the order, which an index has by itself, and deals numbers of rows in turn to readers with a connection
//! each; whoever takes the rows asks the readers in the same turn. All connections see the same moment of the file.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use rusqlite::{Connection, OpenFlags};

use super::super::batch::Batch;
use super::super::{Query, TakeRows};
use super::{bind, cell, open, shown};
use crate::brain::BrainError;
use crate::brain::open::BUSY_TIMEOUT;

/// Most readers; whoever takes the rows, and writes them, keeps up with no more.
const MOST_READERS: usize = 4;
/// Rows that are dealt at once: about as many as one batch holds of wide ones.
const DEALT: usize = 64;
/// Deals, and batches, of a reader that wait at most.
const WAITING: usize = 2;

/// The channels of one reader, as the others see them.
struct Reader {
    deal: SyncSender<Vec<i64>>,
    batches: Receiver<Batch>,
    used: SyncSender<Batch>,
}

/// Reads every row of `order`, what a query says after FROM, of which the first word is the table.
pub(super) fn read<T: TakeRows>(
    file: &Path,
    query: &Query,
    order: &str,
    mut taker: T,
    wanted: &AtomicBool,
) -> Result<T, BrainError> {
    let failed = |source: rusqlite::Error| query.failed(source);
    let table = order.split_whitespace().next().unwrap_or_default();
    let one = format!("{}{table} WHERE rowid = ?1", query.sql.strip_suffix(order).unwrap_or_default());
    let count = thread::available_parallelism().map_or(2, usize::from).clamp(2, MOST_READERS);
    let mut connections = at_one_moment(file, count + 1).map_err(failed)?;
    let walker = connections.pop().ok_or_else(|| query.failed("no connection to walk with"))?;
    let columns = query.columns.len().max(1);
    thread::scope(|scope| {
        let (mut readers, mut reading) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for connection in connections {
            let (deal, deals) = sync_channel::<Vec<i64>>(WAITING);
            let (send, batches) = sync_channel::<Batch>(WAITING);
            let (used, again) = sync_channel::<Batch>(WAITING + 1);
            let one = one.as_str();
            reading.push(scope.spawn(move || rows(&connection, query, one, &deals, &send, &again)));
            readers.push(Reader { deal, batches, used });
        }
        let (deals, outs): (Vec<_>, Vec<_>) =
            readers.into_iter().map(|reader| (reader.deal, (reader.batches, reader.used))).unzip();
        let walking = scope.spawn(move || deal(&walker, query, order, deals, wanted));
        // A reader whose turn it is and who has nothing more has read the last row.
        for (batches, used) in outs.iter().cycle() {
            let Ok(mut batch) = batches.recv() else { break };
            if batch.lend(columns, &mut taker).is_break() {
                break;
            }
            batch.clear();
            let _ = used.try_send(batch);
        }
        // Whoever still reads finds that nobody takes any more.
        drop(outs);
        let ends = reading.into_iter().map(|reader| reader.join()).chain([walking.join()]);
        let ends = ends.map(|end| end.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        ends.collect::<Vec<_>>().into_iter().collect::<Result<Vec<()>, BrainError>>().map(|_| taker)
    })
}

/// Connections that all see the file as it now is: while the lock to write is held, nothing comes between their first looks.
fn at_one_moment(file: &Path, count: usize) -> Result<Vec<Connection>, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let lock = Connection::open_with_flags(file, flags)?;
    lock.busy_timeout(BUSY_TIMEOUT)?;
    lock.execute_batch("BEGIN IMMEDIATE")?;
    let look = |_| {
        let connection = open(file)?;
        connection.execute_batch("BEGIN")?;
        connection.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(connection)
    };
    let connections = (0..count).map(look).collect();
    lock.execute_batch("ROLLBACK")?;
    connections
}

/// Deals the numbers of all rows in their order, to each reader in turn.
fn deal(
    connection: &Connection,
    query: &Query,
    order: &str,
    readers: Vec<SyncSender<Vec<i64>>>,
    wanted: &AtomicBool,
) -> Result<(), BrainError> {
    let failed = |source: rusqlite::Error| query.failed(source);
    let mut statement = connection.prepare(&format!("SELECT rowid FROM {order}")).map_err(failed)?;
    bind(&mut statement, &query.binds).map_err(failed)?;
    let mut rows = statement.raw_query();
    let mut turns = readers.iter().cycle();
    let mut dealt = Vec::with_capacity(DEALT);
    loop {
        let row = if wanted.load(Ordering::Relaxed) { rows.next().map_err(failed)? } else { None };
        let ended = row.is_none();
        if let Some(row) = row {
            dealt.push(row.get(0).map_err(failed)?);
        }
        if dealt.len() == DEALT || (ended && !dealt.is_empty()) {
            let full = std::mem::replace(&mut dealt, Vec::with_capacity(DEALT));
            // A reader that has gone says why itself.
            if turns.next().is_none_or(|reader| reader.send(full).is_err()) {
                return Ok(());
            }
        }
        if ended {
            return Ok(());
        }
    }
}

/// Reads what is dealt, a batch for each deal.
fn rows(
    connection: &Connection,
    query: &Query,
    one: &str,
    deals: &Receiver<Vec<i64>>,
    send: &SyncSender<Batch>,
    again: &Receiver<Batch>,
) -> Result<(), BrainError> {
    let failed = |source: rusqlite::Error| query.failed(source);
    let mut statement = connection.prepare(one).map_err(failed)?;
    for numbers in deals {
        let mut batch = again.try_recv().unwrap_or_default();
        for number in numbers {
            statement.raw_bind_parameter(1, number).map_err(failed)?;
            let mut found = statement.raw_query();
            let row = found.next().map_err(failed)?;
            let row = row.ok_or_else(|| query.failed(format!("row {number} has gone while rows were read")))?;
            for (at, column) in query.columns.iter().enumerate() {
                let value = row.get_ref(at).map_err(failed)?;
                batch.push(cell(value, column.kind).ok_or_else(|| query.mistaken(at, shown(value)))?);
            }
        }
        if send.send(batch).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::arith::draw;
    use crate::brain::Cell;
    use crate::brain::value::{Column, Kind};

    const COLUMNS: &[Column] = &[Column { name: "place", kind: Kind::Int }, Column { name: "word", kind: Kind::Text }];

    /// Takes so many rows, and then no more.
    struct Seen(Vec<String>, usize);

    impl TakeRows for Seen {
        fn row(&mut self, cells: &[Cell<'_>]) -> ControlFlow<()> {
            self.0.push(format!("{cells:?}"));
            if self.0.len() == self.1 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }

    /// A file of so many rows, whose places lie in no order, and a query for those of side 1 in the order of their places.
    fn made(rows: u64) -> (tempfile::TempDir, std::path::PathBuf, Query) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rows.db");
        let connection = Connection::open(&file).unwrap();
        connection
            .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (place INTEGER, word TEXT, side INTEGER); BEGIN")
            .unwrap();
        for row in 0..rows {
            let (place, side) = ((draw(3, 1, row) >> 20) as i64, i64::from(row % 3 > 0));
            connection
                .execute("INSERT INTO t VALUES (?1, ?2, ?3)", rusqlite::params![place, format!("w{row}"), side])
                .unwrap();
        }
        connection.execute_batch("COMMIT; CREATE INDEX by_place ON t (side, place)").unwrap();
        let order = "t WHERE side = $1 ORDER BY place".to_owned();
        let sql = format!("SELECT place, word FROM {order}");
        let binds = vec![crate::brain::Value::Int(1)];
        let query = Query { what: "words".into(), sql, binds, columns: COLUMNS, plain: Some(order) };
        (folder, file, query)
    }

    fn by_one(file: &Path, query: &Query) -> Vec<String> {
        let (binds, sql) = (query.binds.clone(), query.sql.clone());
        let alone = Query { what: "words".into(), sql, binds, columns: COLUMNS, plain: None };
        super::super::read(file, &alone, Seen(Vec::new(), usize::MAX), &AtomicBool::new(true)).unwrap().0
    }

    #[test]
    fn several_readers_hand_over_what_one_does_in_the_same_order() {
        for rows in [0, 1, 95, 96, 97, 192, 1000, 5000] {
            let (_folder, file, query) = made(rows);
            let want = by_one(&file, &query);
            assert_eq!(want.len() as u64, rows - rows.div_ceil(3));
            let wanted = AtomicBool::new(true);
            let got = super::super::read(&file, &query, Seen(Vec::new(), usize::MAX), &wanted).unwrap().0;
            assert!(got == want, "{rows} rows");
        }
    }

    #[test]
    fn they_end_when_no_more_is_wanted() {
        let (_folder, file, query) = made(20_000);
        let want = by_one(&file, &query);
        for most in [1, 64, 65, 1000] {
            let got =
                read(&file, &query, query.plain.as_deref().unwrap(), Seen(Vec::new(), most), &AtomicBool::new(true));
            assert!(got.unwrap().0 == want[..most]);
        }
        let got = read(&file, &query, query.plain.as_deref().unwrap(), Seen(Vec::new(), 0), &AtomicBool::new(false));
        assert!(got.unwrap().0.is_empty());
    }

    #[test]
    fn they_see_one_moment_of_the_file_and_name_the_column_at_fault() {
        let (_folder, file, query) = made(3000);
        let connections = at_one_moment(&file, 3).unwrap();
        let other = Connection::open(&file).unwrap();
        other.execute("DELETE FROM t WHERE place % 2 = 0", []).unwrap();
        for connection in &connections {
            let rows: i64 = connection.query_row("SELECT COUNT(*) FROM t", [], |row| row.get(0)).unwrap();
            assert_eq!(rows, 3000);
        }
        drop(connections);
        other.execute("UPDATE t SET word = x'ff' WHERE rowid = (SELECT MAX(rowid) FROM t WHERE side = 1)", []).unwrap();
        let order = query.plain.as_deref().unwrap();
        let fault = read(&file, &query, order, Seen(Vec::new(), usize::MAX), &AtomicBool::new(true)).err().unwrap();
        assert!(fault.to_string().contains("word"), "{fault}");
    }
}
