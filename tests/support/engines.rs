//! Every device that kernels can run on here.
#![allow(dead_code)]

use std::path::Path;

use huracan::engine::{Device, Engine, GpuInfo, gpus};
use huracan_ptx::Variant;

/// Several devices at once: each of [`all`] twice, as if there were two of it.
pub fn several() -> Vec<Engine> {
    all().into_iter().chain(all()).collect()
}

/// The emulated device under three orders of threads, then every GPU. `HURACAN_TEST_ENGINES` says which alone:
/// `emulated`; `ptx`, which is the emulated device with what NVRTC made of the kernels (`ptx-fused` and `ptx-hostile-nans`
/// are its controls, see crates/ptx); or `cuda`, and then a machine without a GPU fails.
pub fn all() -> Vec<Engine> {
    match std::env::var("HURACAN_TEST_ENGINES").as_deref() {
        Err(_) => emulated_orders().chain(cuda(&gpus().unwrap_or_default())).collect(),
        Ok("emulated") => emulated_orders().collect(),
        Ok("cuda") => {
            let found = gpus().unwrap_or_else(|why| panic!("HURACAN_TEST_ENGINES=cuda: {why}"));
            assert!(!found.is_empty(), "HURACAN_TEST_ENGINES=cuda: the driver knows no GPU");
            cuda(&found).collect()
        }
        Ok("ptx") => ptx(Variant::Plain).collect(),
        Ok("ptx-fused") => ptx(Variant::Fused).collect(),
        Ok("ptx-hostile-nans") => ptx(Variant::HostileNans).collect(),
        Ok(other) => panic!("HURACAN_TEST_ENGINES is {other}; it must be cuda, emulated, ptx or a control of ptx"),
    }
}

/// The emulated device on the kernels' PTX, under two orders of threads.
pub fn ptx(variant: Variant) -> impl Iterator<Item = Engine> {
    huracan_ptx::nvrtc::load().unwrap_or_else(|why| panic!("HURACAN_TEST_ENGINES=ptx: {why}"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ptx");
    let library = huracan_ptx::library::build(&folder, variant).unwrap_or_else(|why| panic!("{why}"));
    (1..3).map(move |seed| Engine::emulated_with(&library, seed, 8 << 30).unwrap())
}

fn emulated_orders() -> impl Iterator<Item = Engine> {
    (1..4).map(emulated)
}

fn cuda(gpus: &[GpuInfo]) -> impl Iterator<Item = Engine> {
    let cache = std::env::temp_dir().join("huracan-test-kernels");
    gpus.iter().map(move |gpu| Engine::open(Device::cuda(gpu.index), &cache).unwrap().unwrap())
}

/// The emulated device with an order of threads.
pub fn emulated(seed: u64) -> Engine {
    Engine::emulated(seed, 8 << 30).unwrap()
}
