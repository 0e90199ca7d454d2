//! Writes a large file on a thread of its own, while its rows are still being read.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::file::PendingFile;
use super::{ExportError, ExportFile};

/// Bytes after which a buffer is sent to the writer.
const BUFFER_BYTES: usize = 1 << 18;
/// Most buffers that wait for the writer.
const WAITING_BUFFERS: usize = 4;

/// A file with its writer thread. If it is dropped before [`Pipe::finish`], nothing of the file remains.
pub(super) struct Pipe {
    buffer: Vec<u8>,
    to_writer: SyncSender<Vec<u8>>,
    from_writer: Receiver<Vec<u8>>,
    writer: JoinHandle<io::Result<PendingFile>>,
    failed: Box<dyn FnOnce(io::Error) -> ExportError + Send>,
}

impl Pipe {
    /// Starts the writer thread.
    pub fn new(file: PendingFile) -> Self {
        let (to_writer, filled) = sync_channel::<Vec<u8>>(WAITING_BUFFERS);
        let (written, from_writer) = sync_channel::<Vec<u8>>(WAITING_BUFFERS);
        let failed = Box::new(file.failed());
        let writer = std::thread::spawn(move || {
            let mut file = file;
            for mut buffer in filled {
                file.write_all(&buffer)?;
                buffer.clear();
                // Reuse the buffer, unless enough of them wait already.
                let _ = written.try_send(buffer);
            }
            Ok(file)
        });
        Self { buffer: Vec::with_capacity(BUFFER_BYTES + BUFFER_BYTES / 8), to_writer, from_writer, writer, failed }
    }

    /// The current buffer; lines are appended to it.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Sends the buffer if it is full. False if the file cannot be written; `finish` returns the error.
    pub fn send_if_full(&mut self) -> bool {
        self.buffer.len() < BUFFER_BYTES || self.send()
    }

    fn send(&mut self) -> bool {
        let next = self.from_writer.try_recv().unwrap_or_else(|_| Vec::with_capacity(BUFFER_BYTES + BUFFER_BYTES / 8));
        self.to_writer.send(std::mem::replace(&mut self.buffer, next)).is_ok()
    }

    /// Waits for the writer and gives the file its name.
    pub fn finish(mut self, kind: &'static str, rows: u64) -> Result<ExportFile, ExportError> {
        self.send();
        drop(self.to_writer);
        match self.writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
            Ok(file) => file.finish(kind, Some(rows)),
            Err(error) => Err((self.failed)(error)),
        }
    }
}
