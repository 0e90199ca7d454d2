//! Whole copies of the library and the journal, made while others read and write them: what a lost disk is made good with.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, InterruptHandle, OpenFlags};

use super::open::{BUSY_TIMEOUT, sqlite_file};
use super::store::Store;
use super::{Brain, BrainError, Journal};

impl Brain {
    /// Writes a copy to `to`, as of one moment; false on PostgreSQL, which has copies of its own.
    ///
    /// # Errors
    /// A library that cannot be read, or a copy that cannot be written.
    pub async fn copy_to(&self, to: &Path) -> Result<bool, BrainError> {
        copy(&self.store, to).await
    }

    /// The file that the library lies in, where it is one.
    pub fn file_of(url: &str, workdir: &Path) -> Option<PathBuf> {
        sqlite_file(url, workdir)
    }

    /// Whether no run ever began here.
    pub async fn is_new(&self) -> Result<bool, BrainError> {
        Ok(self.latest_run(None).await?.is_none())
    }

    /// Forgets who holds the lock: in a copy, nobody does.
    pub async fn forget_lock(&self) -> Result<(), BrainError> {
        self.store.execute("cannot release the lock", "DELETE FROM run_lock", &[]).await.map(|_| ())
    }
}

impl Journal {
    /// Writes a copy to `to`, as of one moment.
    ///
    /// # Errors
    /// A journal that cannot be read, or a copy that cannot be written.
    pub async fn copy_to(&self, to: &Path) -> Result<bool, BrainError> {
        copy(&self.store, to).await
    }
}

/// Ends a copy under way when nobody waits for it any more.
struct Wanted(InterruptHandle);

impl Drop for Wanted {
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
    let wanted = Wanted(connection.get_interrupt_handle());
    let to = to.to_owned();
    let copied = tokio::task::spawn_blocking(move || written(&connection, &to));
    let copied = copied.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    drop(wanted);
    copied.map_err(failed)?;
    Ok(true)
}

/// `VACUUM INTO` reads in one transaction, and leaves out what was deleted.
fn written(connection: &Connection, to: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let folder = to.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let half = tempfile::Builder::new().prefix(".copy-").tempdir_in(folder)?;
    let half_file = half.path().join("whole.db");
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.execute("VACUUM INTO ?1", [half_file.to_string_lossy().as_ref()])?;
    std::fs::File::open(&half_file)?.sync_all()?;
    std::fs::rename(&half_file, to)?;
    Ok(())
}
