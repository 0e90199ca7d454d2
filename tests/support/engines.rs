//! Every device that kernels can run on here.
#![allow(dead_code)]

use huracan::engine::{Device, Engine, gpus};

/// The emulated device under three orders of threads, then every GPU.
pub fn all() -> Vec<Engine> {
    let mut engines: Vec<Engine> = (1..4).map(emulated).collect();
    let cache = std::env::temp_dir().join("huracan-test-kernels");
    for gpu in gpus().unwrap_or_default() {
        engines.push(Engine::open(Device::Cuda(gpu.index), &cache).unwrap().unwrap());
    }
    engines
}

/// The emulated device with an order of threads.
pub fn emulated(seed: u64) -> Engine {
    Engine::emulated(seed, 8 << 30).unwrap()
}
