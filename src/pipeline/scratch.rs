//! What keeps a run's memory small. Large tables are in memory, or, if they do not fit, in files without a name that the system reads
//! and writes as if they were memory; it takes the pages of such files back when others need them.

use std::io;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use memmap2::MmapMut;

use crate::bars::Panel;
use crate::decide::VOTERS;
use crate::features::memory::{self, Backing, Supplier};
use crate::features::{COUNT, VIEW_COUNT};
use crate::health;
use crate::settings::Settings;

/// Bytes for each bar of a coin in the tables that can be in files: features, their view and votes.
const TABLE_BYTES: u64 = ((COUNT + VIEW_COUNT + VOTERS) * size_of::<f32>()) as u64;

/// Bytes for each bar of a coin in everything else that a run keeps at a time: candles, labels, targets, scores and models. Measured
/// with 400 simulated coins.
const OTHER_BYTES: u64 = 260;

/// Tables of fewer numbers are always in memory.
const SMALL: usize = 1 << 16;

/// Room that tables leave on the disk for everything else that a run writes.
const LEFT_FREE: u64 = 4 << 30;

const MIB: u64 = 1 << 20;

/// While it lives, large tables are in files.
pub struct Scratch(());

impl Scratch {
    /// Files below `workdir` for the tables of a panel, if they and everything else do not fit `engine.memory_mb`, or three quarters of
    /// the free memory.
    pub fn of(settings: &Settings, workdir: &Path, panel: &Panel) -> Option<Self> {
        let bars = (panel.symbols.len() * panel.bars) as u64;
        let limit = match settings.engine.memory_mb {
            0 => health::free_memory() / 4 * 3,
            mib => mib * MIB,
        };
        let (tables, others) = (bars * TABLE_BYTES, bars * OTHER_BYTES);
        if tables + others <= limit {
            return None;
        }
        tracing::info!(
            tables_mb = tables / MIB,
            others_mb = others / MIB,
            limit_mb = limit / MIB,
            "features, view and votes are in files in data, since they do not fit into memory with everything else"
        );
        memory::supply(Some(supplier(workdir.join("data"))));
        Some(Self(()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        memory::supply(None);
    }
}

/// Gives memory that is free, but lies among memory in use, back to the system, where the allocator does not do so by itself.
pub fn give_back_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the function may be called at any time, from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Gives room in files in `folder` for tables that are not small.
fn supplier(folder: PathBuf) -> Supplier {
    Box::new(move |len| {
        if len < SMALL {
            return None;
        }
        match Floats::in_file(&folder, len) {
            Ok(floats) => Some(Box::new(floats) as Box<dyn Backing>),
            Err(error) => {
                let mb = (len * size_of::<f32>()) as u64 / MIB;
                tracing::warn!(%error, mb, "no room for a table in {}: it is in memory", folder.display());
                None
            }
        }
    })
}

/// Numbers in a mapped file.
struct Floats {
    map: MmapMut,
    len: usize,
}

impl Floats {
    /// So many zeros in a file in `folder` that has no name and disappears with them.
    fn in_file(folder: &Path, len: usize) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let bytes = (len * size_of::<f32>()) as u64;
        if health::free_space(folder).is_some_and(|free| free < bytes + LEFT_FREE) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = tempfile::tempfile_in(folder)?;
        file.set_len(bytes)?;
        reserve(&file, bytes)?;
        // SAFETY: the file has no name, so nobody else changes it, or cuts it off.
        let map = unsafe { MmapMut::map_mut(&file)? };
        Ok(Self { map, len })
    }
}

/// Takes the room of a file now: a write into a mapping for which there is none would end the program.
#[cfg(target_os = "linux")]
fn reserve(file: &std::fs::File, bytes: u64) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    loop {
        // SAFETY: the descriptor is that of an open file.
        match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, bytes as libc::off_t) } {
            0 => return Ok(()),
            libc::EINTR => {}
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn reserve(_: &std::fs::File, _: u64) -> io::Result<()> {
    Ok(())
}

impl Deref for Floats {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: a map has whole pages, begins with one, and was made for so many numbers; every bit pattern is a number.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Floats {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and it is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.map.as_mut_ptr().cast(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_in_a_file_is_as_one_in_memory_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let supplier = supplier(folder.path().join("data"));
        assert!(supplier(SMALL - 1).is_none());
        let mut floats = supplier(SMALL + 3).unwrap();
        assert!(floats.len() == SMALL + 3 && floats.iter().all(|&value| value == 0.0));
        floats[SMALL + 2] = f32::NAN;
        floats[17] = 3.0;
        assert!(floats[SMALL + 2].is_nan() && floats[17] == 3.0 && floats[18] == 0.0);
        assert_eq!(std::fs::read_dir(folder.path().join("data")).unwrap().count(), 0);
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(super::supplier(file)(SMALL).is_none(), "no folder");
    }
}
