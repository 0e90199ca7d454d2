//! A large file that is hashed and written by a thread of its own while its rows are still read.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::file::Whole;
use super::{ExportError, ExportFile};

/// Bytes handed over at once.
const PIECE: usize = 1 << 18;
/// Pieces that wait at most.
const WAITING: usize = 4;

/// Where lines go. Dropped before [`Pipe::finish`], nothing is left of the file.
pub(super) struct Pipe {
    piece: Vec<u8>,
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
    writer: JoinHandle<io::Result<Whole>>,
    failed: Box<dyn FnOnce(io::Error) -> ExportError + Send>,
}

impl Pipe {
    pub fn into(file: Whole) -> Self {
        let (full, pieces) = sync_channel::<Vec<u8>>(WAITING);
        let (written, empty) = sync_channel::<Vec<u8>>(WAITING);
        let failed = Box::new(file.failed());
        let writer = std::thread::spawn(move || {
            let mut file = file;
            for mut piece in pieces {
                file.write_all(&piece)?;
                piece.clear();
                // The piece is used again, unless enough of them wait.
                let _ = written.try_send(piece);
            }
            Ok(file)
        });
        Self { piece: Vec::with_capacity(PIECE + PIECE / 8), full, empty, writer, failed }
    }

    /// What gathers until it is handed over: lines are added at its end.
    pub fn piece(&mut self) -> &mut Vec<u8> {
        &mut self.piece
    }

    /// Hands over what has gathered when it is enough; false when the file cannot be written, which `finish` tells.
    pub fn pass_on(&mut self) -> bool {
        self.piece.len() < PIECE || self.hand_over()
    }

    fn hand_over(&mut self) -> bool {
        let next = self.empty.try_recv().unwrap_or_else(|_| Vec::with_capacity(PIECE + PIECE / 8));
        self.full.send(std::mem::replace(&mut self.piece, next)).is_ok()
    }

    /// Puts the file under its name when all of it is written.
    pub fn finish(mut self, kind: &'static str, rows: u64) -> Result<ExportFile, ExportError> {
        self.hand_over();
        drop(self.full);
        match self.writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
            Ok(file) => file.finish(kind, Some(rows)),
            Err(error) => Err((self.failed)(error)),
        }
    }
}
