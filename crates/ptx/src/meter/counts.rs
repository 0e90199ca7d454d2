//! What a metered run counted, as `kernels/emulated/meter.cpp` writes it.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::costs::CLASSES;

/// All launches of a kernel with one shape. Arrays by access are for loads, stores and atomics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// The stage of `huracan bench` that launched it.
    #[serde(default)]
    pub stage: String,
    /// The kernel.
    pub kernel: String,
    /// Blocks of a launch along x, y and z.
    pub grid: [u32; 3],
    /// Threads of a block.
    pub threads: u32,
    /// Bytes of dynamic shared memory of a block.
    pub dynamic_bytes: u32,
    /// Number of launches. Everything below is of all of them together.
    pub launches: u64,
    /// Blocks.
    pub blocks: u64,
    /// Warps.
    pub warps: u64,
    /// Machine instructions that warps execute, by class, see [`super::costs::Class`].
    pub instructions: [u64; CLASSES],
    /// The same for lanes.
    pub lane_instructions: u64,
    /// Stretches without a branch that warps execute.
    pub stretches: u64,
    /// How often a lane's count of a stretch differed from those of its warp before it.
    pub divergent: u64,
    /// Accesses of warps to global memory.
    pub global_requests: [u64; 3],
    /// Accesses of warps to shared memory.
    pub shared_requests: [u64; 3],
    /// Sectors of 32 bytes of global memory that they need.
    pub sectors: [u64; 3],
    /// Lines of 128 bytes that they lie in.
    pub lines: u64,
    /// Sectors that the block's share of the L1 cache does not have; all of stores and atomics.
    pub missed_sectors: u64,
    /// Bytes of different sectors that a launch touches.
    pub unique_bytes: u64,
    /// Wavefronts of shared memory.
    pub wavefronts: [u64; 3],
    /// The same if no two lanes of an access needed the same bank.
    pub ideal_wavefronts: u64,
    /// Waits of warps for their block.
    pub barriers: u64,
    /// Cycles of the slowest thread, summed over blocks, if its warp were alone.
    pub path: u64,
    /// The longest of them in each launch, summed over launches.
    pub longest_path: u64,
    /// Most loads that depend on each other in a thread.
    pub chain: u64,
}

impl Counts {
    /// Machine instructions that warps execute.
    pub fn all_instructions(&self) -> u64 {
        self.instructions.iter().sum()
    }

    /// Lanes that take part in an instruction, on average.
    pub fn lanes(&self) -> f64 {
        self.lane_instructions as f64 / self.all_instructions().max(1) as f64
    }

    /// Figures that must not grow unnoticed, with their names.
    pub fn watched(&self) -> [(&'static str, u64); 7] {
        [
            ("instructions of warps", self.all_instructions()),
            ("sectors of global memory", self.sectors.iter().sum()),
            ("lines of global memory", self.lines),
            ("sectors that miss the L1 cache", self.missed_sectors),
            ("wavefronts of shared memory", self.wavefronts.iter().sum()),
            ("waits for the block", self.barriers),
            ("cycles of the slowest threads", self.path),
        ]
    }
}

/// The counts in a file with one of them per line.
///
/// # Errors
/// A sentence with the file and the line that is wrong.
pub fn read(path: &Path) -> Result<Vec<Counts>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(at, line)| {
            serde_json::from_str(line).map_err(|error| format!("{}, line {}: {error}", path.display(), at + 1))
        })
        .collect()
}
