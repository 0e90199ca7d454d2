//! Transfers single files, and hashes them.

use std::io::Read;
use std::path::{Path, PathBuf};

use opendal::Operator;
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use super::{ManifestEntry, Remote, SyncError};
use crate::text::hex;

/// Bytes of one file in memory at once. It is also the size of a part of an upload: at least 5 MiB for S3, and a multiple of
/// 4 MiB for Dropbox.
const PIECE: usize = 8 << 20;
/// Bytes read at once to hash a local file.
const READ: usize = 256 << 10;

/// Size and SHA-256 of a local file.
pub(super) async fn digest_local(path: PathBuf) -> Result<(u64, String), SyncError> {
    let (hash, size) = read_local(path, Sha256::new(), |hash, bytes| hash.update(bytes)).await?;
    Ok((size, hex(&hash.finalize())))
}

/// Hashes a local file, on a thread for blocking work. Returns the hash and the size.
pub(super) async fn read_local<H: Send + 'static>(
    path: PathBuf,
    mut hash: H,
    update: fn(&mut H, &[u8]),
) -> Result<(H, u64), SyncError> {
    let shown = path.clone();
    let read = tokio::task::spawn_blocking(move || {
        let mut file = std::fs::File::open(&path)?;
        let (mut piece, mut size) = (vec![0; READ], 0u64);
        loop {
            match file.read(&mut piece)? {
                0 => return Ok((hash, size)),
                n => {
                    update(&mut hash, &piece[..n]);
                    size += n as u64;
                }
            }
        }
    });
    read.await.unwrap_or_else(|error| Err(std::io::Error::other(error))).map_err(|e| SyncError::local(shown, e))
}

/// Does work on whatever thread of the runtime is free, so that hashing one file keeps no other waiting. It ends when nobody waits for
/// it any more.
pub(super) async fn apart<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let mut own = JoinSet::new();
    own.spawn(work);
    match own.join_next().await {
        Some(Ok(result)) => result,
        Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime ends, and with it whoever waits.
        _ => std::future::pending().await,
    }
}

/// Uploads `path` to `remote_path`. The entry describes the bytes that were sent, even if the file grows meanwhile, like a log.
pub(super) async fn upload(remote: &Remote, path: &Path, remote_path: &str) -> Result<ManifestEntry, SyncError> {
    let local = |error| SyncError::local(path, error);
    let size = tokio::fs::metadata(path).await.map_err(local)?.len();
    if size <= PIECE as u64 {
        let bytes = tokio::fs::read(path).await.map_err(local)?;
        let (size, sha256) = (bytes.len() as u64, hex(&Sha256::digest(&bytes)));
        let meta = remote.operator.write(remote_path, bytes).await;
        let meta = meta.map_err(|e| SyncError::remote("write", remote_path, &e))?;
        return Ok(entry(size, sha256, remote_path, meta.etag()));
    }
    let is_resumed = remote.sessions.contains(remote_path);
    let uploaded = upload_in_parts(&remote.operator, path, remote_path).await;
    // The session belonged to another content, or has ended. It was removed, so this uploads the whole file.
    if uploaded.is_err() && is_resumed && !remote.sessions.contains(remote_path) {
        return upload_in_parts(&remote.operator, path, remote_path).await;
    }
    uploaded
}

async fn upload_in_parts(operator: &Operator, path: &Path, remote_path: &str) -> Result<ManifestEntry, SyncError> {
    let failed = |e: opendal::Error| SyncError::remote("write", remote_path, &e);
    let local = |error| SyncError::local(path, error);
    let mut file = std::fs::File::open(path).map_err(local)?;
    let mut writer = operator.writer_with(remote_path).chunk(PIECE).await.map_err(failed)?;
    let (mut hash, mut size) = (Sha256::new(), 0u64);
    loop {
        let (rest, piece) = read_piece(file).await;
        file = rest;
        let sent = match piece {
            Ok(piece) if piece.is_empty() => break,
            Ok(piece) => {
                hash.update(&piece);
                size += piece.len() as u64;
                writer.write(piece).await.map_err(failed)
            }
            Err(error) => Err(local(error)),
        };
        if let Err(error) = sent {
            // Only the first error is reported. The remote deletes parts that remain.
            let _ = writer.abort().await;
            return Err(error);
        }
    }
    let meta = writer.close().await.map_err(failed)?;
    Ok(entry(size, hex(&hash.finalize()), remote_path, meta.etag()))
}

/// The next piece of a file, empty at its end. Read on a thread for blocking work.
async fn read_piece(file: std::fs::File) -> (std::fs::File, std::io::Result<Vec<u8>>) {
    tokio::task::spawn_blocking(move || {
        let mut piece = Vec::with_capacity(PIECE);
        let read = (&file).take(PIECE as u64).read_to_end(&mut piece);
        (file, read.map(|_| piece))
    })
    .await
    .expect("the closure does not panic and is never cancelled")
}

fn entry(size: u64, sha256: String, remote_path: &str, etag: Option<&str>) -> ManifestEntry {
    ManifestEntry { size, sha256, remote_path: remote_path.to_owned(), etag: etag.map(str::to_owned) }
}

/// Reads the first `size` bytes of a remote file in pieces.
pub(super) async fn read_remote(
    operator: &Operator,
    path: &str,
    size: u64,
    mut on_bytes: impl FnMut(&[u8]) -> Result<(), SyncError>,
) -> Result<(), SyncError> {
    let failed = |e: opendal::Error| SyncError::remote("read", path, &e);
    let reader = operator.reader(path).await.map_err(failed)?;
    let mut at = 0;
    while at < size {
        let end = size.min(at + PIECE as u64);
        for bytes in reader.read(at..end).await.map_err(failed)? {
            on_bytes(&bytes)?;
        }
        at = end;
    }
    Ok(())
}

/// SHA-256 of the first `size` bytes of a remote file.
pub(super) async fn digest_remote(operator: &Operator, path: &str, size: u64) -> Result<String, SyncError> {
    let mut hash = Sha256::new();
    read_remote(operator, path, size, |bytes| {
        hash.update(bytes);
        Ok(())
    })
    .await?;
    Ok(hex(&hash.finalize()))
}
