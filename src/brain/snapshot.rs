//! Consistent copies of the brain and the journal, made while they are in use, to restore from after the loss of a
//! disk.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, InterruptHandle, OpenFlags};

use super::open::{BUSY_TIMEOUT, sqlite_file};
use super::store::Store;
use super::{Brain, BrainError, Journal};

impl Brain {
    /// Writes a copy of one moment to `to`. Returns false on PostgreSQL, which has its own backups.
    ///
    /// # Errors
    /// A brain that cannot be read, or a copy that cannot be written.
    pub async fn copy_to(&self, to: &Path) -> Result<bool, BrainError> {
        copy(&self.store, to).await
    }

    /// The file of a SQLite address; None for PostgreSQL.
    pub fn file_of(url: &str, workdir: &Path) -> Option<PathBuf> {
        sqlite_file(url, workdir)
    }

    /// Whether no run has ever started.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn is_new(&self) -> Result<bool, BrainError> {
        Ok(self.latest_run(None).await?.is_none())
    }

    /// Deletes the run lock: in a copy, nobody holds it.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn forget_lock(&self) -> Result<(), BrainError> {
        self.store.execute("cannot release the lock", "DELETE FROM run_lock", &[]).await.map(|_| ())
    }
}

impl Journal {
    /// Writes a copy of one moment to `to`.
    ///
    /// # Errors
    /// A journal that cannot be read, or a copy that cannot be written.
    pub async fn copy_to(&self, to: &Path) -> Result<bool, BrainError> {
        copy(&self.store, to).await
    }
}

/// Interrupts the copy when its caller is dropped.
struct InterruptOnDrop(InterruptHandle);

impl Drop for InterruptOnDrop {
    fn drop(&mut self) {
        self.0.interrupt();
    }
}

async fn copy(store: &Store, to: &Path) -> Result<bool, BrainError> {
    let Store::Sqlite(pool) = store else { return Ok(false) };
    let from = pool.connect_options().get_filename().to_owned();
    let what = format!("cannot copy {} to {}", from.display(), to.display());
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| BrainError::Read { what: what.clone(), source };
    let connection = Connection::open_with_flags(&from, OpenFlags::SQLITE_OPEN_READ_ONLY);
    let connection = connection.map_err(|error| failed(error.into()))?;
    let interrupt = InterruptOnDrop(connection.get_interrupt_handle());
    let to = to.to_owned();
    let copied = tokio::task::spawn_blocking(move || vacuum_into(&connection, &to));
    let copied = copied.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    drop(interrupt);
    copied.map_err(failed)?;
    Ok(true)
}

/// Copies by `VACUUM INTO`, which reads in one transaction and omits deleted rows. The copy gets its name once it is
/// complete.
fn vacuum_into(connection: &Connection, to: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let folder = to.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let partial = tempfile::Builder::new().prefix(".copy-").tempdir_in(folder)?;
    let partial_file = partial.path().join("whole.db");
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.execute("VACUUM INTO ?1", [partial_file.to_string_lossy().as_ref()])?;
    std::fs::File::open(&partial_file)?.sync_all()?;
    std::fs::rename(&partial_file, to)?;
    Ok(())
}
