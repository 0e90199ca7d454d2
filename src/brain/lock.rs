//! The lock that prevents two runs from working at once.
//!
//! It is one row with a heartbeat. A holder that was killed is recognised at once by its process if it ran on this
//! machine, and otherwise by the age of its heartbeat.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use sysinfo::{Pid, ProcessesToUpdate, System};
use tokio::task::JoinHandle;

use super::record::{Table, row};
use super::store::{Store, Tx};
use super::value::{Column, Field, Kind, Value};
use super::{Brain, BrainError, Record};

/// A heartbeat older than this belongs to a run that has ended.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(120);

/// Pause between two heartbeats.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);

/// Tolerance for a process's start time, seconds. It is computed as boot time plus ticks, and the boot time changes
/// when the machine's clock is adjusted.
const CLOCK_STEP_S: u64 = 5;

const NAME: &str = "run";

/// The database's clock. It is read per statement, because a transaction may have waited for the table after it
/// began.
const NOW_SQL: &str = "SELECT statement_timestamp()";
const NOW: &[Column] = &[Column { name: "now", kind: Kind::Time }];

const RUN_LOCK: Table<LockRow> = Table::new("run_lock", "name");

row! {
    /// The holder of the lock.
    pub struct LockRow {
        /// Always `run`.
        pub name: String,
        /// Identifies this holder, even among locks of the same process.
        pub token: String,
        /// Run, process and machine, for people.
        pub owner: String,
        /// See `host`.
        pub host: String,
        /// Process number.
        pub pid: i64,
        /// Start of the process, seconds since 1970. A process number that is reused has another start.
        pub process_started: i64,
        /// When the lock was taken.
        pub acquired: DateTime<Utc>,
        /// Last sign of life.
        pub heartbeat: DateTime<Utc>,
    }
}

/// The held lock. It sends heartbeats in the background until it is released or dropped.
#[derive(Debug)]
pub struct RunLock {
    store: Store,
    token: String,
    lost: Arc<AtomicBool>,
    heartbeats: JoinHandle<()>,
}

impl Brain {
    /// Takes the run lock, even from a holder that has ended. `purpose` describes the holder, such as a run's name.
    ///
    /// # Errors
    /// [`BrainError::Locked`] while another run is alive; a database that fails.
    pub async fn lock(&self, purpose: &str) -> Result<RunLock, BrainError> {
        let mut tx = self.store.begin().await?;
        if let Tx::Postgres(_) = tx {
            tx.execute("cannot take the lock", "LOCK TABLE run_lock IN EXCLUSIVE MODE", &[]).await?;
        }
        let now = clock(&mut tx).await?;
        if let Some(holder) = holder(&mut tx).await? {
            let age = now - holder.heartbeat;
            if is_alive(&holder, now) {
                return Err(BrainError::Locked {
                    owner: holder.owner,
                    seconds_ago: age.num_seconds().max(0),
                    timeout_s: LOCK_TIMEOUT.as_secs() as i64,
                });
            }
            tracing::warn!(owner = holder.owner, "the run that held the lock has ended; taking the lock over");
        }
        let row = own_row(purpose, now);
        tx.execute("cannot take the lock", "DELETE FROM run_lock WHERE name = $1", &[NAME.to_owned().to_value()])
            .await?;
        tx.insert(&RUN_LOCK, std::slice::from_ref(&row)).await?;
        tx.commit().await?;
        let lost = Arc::new(AtomicBool::new(false));
        let heartbeats = tokio::spawn(send_heartbeats(self.store.clone(), row.token.clone(), lost.clone()));
        Ok(RunLock { store: self.store.clone(), token: row.token, lost, heartbeats })
    }

    /// Owner of the lock, if a live run holds it.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn lock_holder(&self) -> Result<Option<String>, BrainError> {
        // Without a transaction, which on SQLite would wait for the writer.
        let now = match &self.store {
            Store::Sqlite(_) => Utc::now(),
            Store::Postgres(_) => {
                time_in(&self.store.scan("the time", NOW_SQL.into(), &[], NOW).try_collect::<Vec<_>>().await?)
            }
        };
        let holder = self.typed(&RUN_LOCK, holder_sql(), &[NAME.to_owned().to_value()]).try_next().await?;
        Ok(holder.filter(|holder| is_alive(holder, now)).map(|holder| holder.owner))
    }
}

fn holder_sql() -> String {
    format!("SELECT {} FROM run_lock WHERE name = $1", RUN_LOCK.column_list())
}

async fn holder(tx: &mut Tx) -> Result<Option<LockRow>, BrainError> {
    let rows = tx.rows("run_lock", holder_sql(), &[NAME.to_owned().to_value()], LockRow::COLUMNS).await?;
    rows.into_iter().next().map(|values| LockRow::from_values("run_lock", values)).transpose()
}

fn is_alive(holder: &LockRow, now: DateTime<Utc>) -> bool {
    (now - holder.heartbeat).to_std().unwrap_or_default() < LOCK_TIMEOUT && !is_gone(holder)
}

impl RunLock {
    /// Checks that this run still holds the lock.
    ///
    /// # Errors
    /// [`BrainError::LockLost`] if another run took the lock over because this one sent no heartbeat.
    pub fn check(&self) -> Result<(), BrainError> {
        if self.lost.load(Ordering::Relaxed) {
            return Err(BrainError::LockLost { timeout_s: LOCK_TIMEOUT.as_secs() as i64 });
        }
        Ok(())
    }

    /// Releases the lock.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn release(self) -> Result<(), BrainError> {
        self.heartbeats.abort();
        let sql = "DELETE FROM run_lock WHERE token = $1";
        self.store.execute("cannot release the lock", sql, &[self.token.clone().to_value()]).await.map(|_| ())
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        self.heartbeats.abort();
    }
}

async fn send_heartbeats(store: Store, token: String, lost: Arc<AtomicBool>) {
    loop {
        tokio::time::sleep(HEARTBEAT_INTERVAL).await;
        match renew(&store, &token).await {
            Ok(0) => {
                lost.store(true, Ordering::Relaxed);
                tracing::error!("another run has taken the lock over");
                return;
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "a heartbeat failed; retrying"),
        }
    }
}

async fn renew(store: &Store, token: &str) -> Result<u64, BrainError> {
    let mut tx = store.begin().await?;
    let now = clock(&mut tx).await?;
    let sql = "UPDATE run_lock SET heartbeat = $2 WHERE token = $1";
    let changed = tx.execute("cannot renew the lock", sql, &[token.to_owned().to_value(), now.to_value()]).await?;
    tx.commit().await?;
    Ok(changed)
}

/// The database's clock, because the clocks of two machines may differ.
async fn clock(tx: &mut Tx) -> Result<DateTime<Utc>, BrainError> {
    if let Tx::Sqlite(_) = tx {
        return Ok(Utc::now());
    }
    Ok(time_in(&tx.rows("the time", NOW_SQL, &[], NOW).await?))
}

/// The time in the result of [`NOW_SQL`].
fn time_in(rows: &[Vec<Value>]) -> DateTime<Utc> {
    match rows.first().and_then(|row| row.first()) {
        Some(Value::Time(now)) => *now,
        _ => Utc::now(),
    }
}

fn own_row(purpose: &str, now: DateTime<Utc>) -> LockRow {
    let pid = std::process::id();
    let machine = System::host_name().unwrap_or_else(|| "this machine".to_owned());
    LockRow {
        name: NAME.to_owned(),
        token: uuid::Uuid::new_v4().to_string(),
        owner: format!("{purpose} (process {pid} on {machine})"),
        host: host(),
        pid: i64::from(pid),
        process_started: started(pid).unwrap_or_default(),
        acquired: now,
        heartbeat: now,
    }
}

/// Identifies this machine, its current boot and its process namespace.
fn host() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let numbers = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let name = System::host_name().unwrap_or_default();
    format!("{name} {} {}", boot.trim(), numbers.display())
}

/// Whether the holder ran on this machine and its process has ended.
fn is_gone(holder: &LockRow) -> bool {
    if holder.host != host() {
        return false;
    }
    match u32::try_from(holder.pid).ok().and_then(started) {
        Some(since) => since.abs_diff(holder.process_started) > CLOCK_STEP_S,
        None => true,
    }
}

/// Start of the process, seconds since 1970, if it is running.
fn started(pid: u32) -> Option<i64> {
    let pid = Pid::from_u32(pid);
    let mut system = System::new();
    system.refresh_processes(ProcessesToUpdate::Some(&[pid]), true);
    let process = system.process(pid)?;
    let ended = matches!(process.status(), sysinfo::ProcessStatus::Zombie | sysinfo::ProcessStatus::Dead);
    (!ended).then(|| process.start_time() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder() -> LockRow {
        own_row("a test", Utc::now())
    }

    #[test]
    fn a_live_process_is_not_gone() {
        assert!(!is_gone(&holder()));
    }

    #[test]
    fn an_ended_process_is_gone_and_so_is_one_whose_number_was_reused() {
        let mut child = std::process::Command::new("true").spawn().expect("`true` starts");
        let pid = i64::from(child.id());
        child.wait().expect("`true` ends");
        assert!(is_gone(&LockRow { pid, ..holder() }));
        assert!(is_gone(&LockRow { process_started: 1, ..holder() }));
    }

    #[test]
    fn a_process_on_another_machine_is_judged_only_by_its_heartbeat() {
        assert!(!is_gone(&LockRow { host: "elsewhere".to_owned(), pid: 1, process_started: 1, ..holder() }));
    }
}
