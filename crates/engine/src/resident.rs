//! Copies of the host's data that stay on a device. They are found again by what they contain, so whoever needs the same data
//! later, in another stage, does not copy them again.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_128;

use crate::buffer::bytes_of;
use crate::{DeviceBuffer, Element};

/// Bytes that one thread hashes at a time.
const PIECE_BYTES: usize = 4 << 20;

/// What data contain: their type, their number, and a hash of their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Content {
    kind: TypeId,
    len: usize,
    hash: u128,
}

impl Content {
    /// Hashes the values with all cores. Two contents that differ have the same hash by chance once in 2¹²⁸.
    pub fn of<T: Element>(values: &[T]) -> Self {
        let hashes: Vec<u8> =
            bytes_of(values).par_chunks(PIECE_BYTES).flat_map_iter(|piece| xxh3_128(piece).to_le_bytes()).collect();
        Self { kind: TypeId::of::<T>(), len: values.len(), hash: xxh3_128(&hashes) }
    }
}

/// A buffer that stays.
struct Kept {
    buffer: Arc<dyn Any + Send + Sync>,
    bytes: u64,
    last_use: u64,
}

/// The buffers that stay on a device.
#[derive(Default)]
pub(crate) struct Residents(Mutex<State>);

#[derive(Default)]
struct State {
    kept: HashMap<Content, Kept>,
    uses: u64,
}

impl Residents {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The buffer with this content, if it is there.
    pub(crate) fn find<T: Element>(&self, content: &Content) -> Option<Arc<DeviceBuffer<T>>> {
        let mut state = self.state();
        state.uses += 1;
        let now = state.uses;
        let kept = state.kept.get_mut(content)?;
        kept.last_use = now;
        kept.buffer.clone().downcast().ok()
    }

    /// Keeps a buffer. Returns the one to use, which is another's if that came first.
    pub(crate) fn keep<T: Element>(&self, content: Content, buffer: DeviceBuffer<T>) -> Arc<DeviceBuffer<T>> {
        let bytes = (buffer.len() * size_of::<T>()) as u64;
        let own = Arc::new(buffer);
        let mut state = self.state();
        let last_use = state.uses;
        let kept = state.kept.entry(content).or_insert_with(|| Kept { buffer: own.clone(), bytes, last_use });
        kept.buffer.clone().downcast().unwrap_or(own)
    }

    /// Bytes of the buffers that nobody uses now.
    pub(crate) fn idle_bytes(&self) -> u64 {
        self.state().kept.values().filter(|kept| kept.is_idle()).map(|kept| kept.bytes).sum()
    }

    /// Frees buffers that nobody uses now, those first that were not used for longest, until `bytes` are freed or none is
    /// left. Returns whether any was freed.
    pub(crate) fn free(&self, bytes: u64) -> bool {
        let mut state = self.state();
        let mut idle: Vec<(u64, Content, u64)> = state
            .kept
            .iter()
            .filter(|(_, kept)| kept.is_idle())
            .map(|(content, kept)| (kept.last_use, *content, kept.bytes))
            .collect();
        idle.sort_unstable_by_key(|&(last_use, ..)| last_use);
        let mut freed = 0;
        for (_, content, own) in idle {
            if freed >= bytes.max(1) {
                break;
            }
            state.kept.remove(&content);
            freed += own;
        }
        freed > 0
    }
}

impl Kept {
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.buffer) == 1
    }
}

#[cfg(all(test, feature = "emulated"))]
mod tests {
    use crate::Engine;

    #[test]
    fn the_same_content_is_on_the_device_once() {
        let engine = Engine::emulated(7, 1 << 30).unwrap();
        let stage = engine.stage("test");
        let values: Vec<u32> = (0..3_000_000).collect();
        let first = stage.resident(&values).unwrap();
        let again = stage.resident(&values.clone()).unwrap();
        assert!(std::sync::Arc::ptr_eq(&first, &again));
        let mut other = values.clone();
        other[2_999_999] = 0;
        assert!(!std::sync::Arc::ptr_eq(&first, &stage.resident(&other).unwrap()));
        let signed: Vec<i32> = values.iter().map(|&value| value as i32).collect();
        assert_eq!(stage.resident(&signed).unwrap().len(), 3_000_000);
        assert_eq!(stage.download(&first).unwrap(), values);
    }

    #[test]
    fn what_nobody_uses_is_freed_oldest_first() {
        let engine = Engine::emulated(7, 1 << 30).unwrap();
        let stage = engine.stage("test");
        let held = stage.resident(&[1_u64; 100]).unwrap();
        for value in 2..5_u64 {
            stage.resident(&[value; 100]).unwrap();
        }
        stage.resident(&[2_u64; 100]).unwrap();
        assert_eq!(engine.residents.idle_bytes(), 2400);
        assert!(engine.residents.free(801));
        assert_eq!(engine.residents.idle_bytes(), 800);
        let kept = stage.resident(&[2_u64; 100]).unwrap();
        drop(held);
        assert!(engine.residents.free(u64::MAX));
        assert!(!engine.residents.free(u64::MAX));
        drop(kept);
        assert_eq!(engine.residents.idle_bytes(), 800);
    }

    #[test]
    fn the_emulated_devices_memory_does_not_fill_with_what_stays() {
        let engine = Engine::emulated(7, 2000).unwrap();
        let stage = engine.stage("test");
        for value in 0..10_u64 {
            stage.resident(&[value; 100]).unwrap();
        }
        assert!(engine.residents.idle_bytes() <= 2800, "{}", engine.residents.idle_bytes());
        stage.release().unwrap();
        assert_eq!(engine.residents.idle_bytes(), 0);
    }
}
