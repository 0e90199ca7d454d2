//! The time that a GPU needs for what was counted: a prediction.
//!
//! A launch takes as long as the unit of the GPU that is busy longest: the schedulers, the pipes of 64-bit numbers, of
//! conversions and of shared memory, the L1 and L2 caches, global memory; or as long as its blocks' slowest threads need,
//! one wave of blocks after the other, if no unit is busy enough to hide their waits. This is a roofline with one roof for
//! waiting (Hong and Kim, ISCA 2009, bound memory and computation by warps in the same way).

use super::costs::Class;
use super::counts::Counts;

/// A GPU. Rates are per multiprocessor and cycle unless they say otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Card {
    /// Its name.
    pub name: &'static str,
    /// Its architecture, as in `kernels/resources.txt`.
    pub architecture: &'static str,
    /// Multiprocessors.
    pub multiprocessors: f64,
    /// Cycles per second.
    pub clock: f64,
    /// Lanes that begin an operation of 64-bit numbers.
    pub double_lanes: f64,
    /// Lanes that begin a conversion or a first guess.
    pub special_lanes: f64,
    /// Most warps at a time.
    pub warps: u32,
    /// Most blocks at a time.
    pub blocks: u32,
    /// Bytes of shared memory for all blocks at a time.
    pub shared_bytes: u32,
    /// Bytes per second from the L2 cache to all multiprocessors.
    pub l2_bytes: f64,
    /// Bytes per second from global memory.
    pub memory_bytes: f64,
}

/// Registers of a multiprocessor, and how many a warp gets at a time: CUDA C++ Programming Guide, technical specifications.
const REGISTERS: u32 = 65_536;
const REGISTER_UNIT: u32 = 256;
/// Shared memory that the system keeps of each block, by the same guide.
const SHARED_RESERVED: u32 = 1024;
/// Schedulers of a multiprocessor, each of which starts an instruction of a warp per cycle.
const SCHEDULERS: f64 = 4.0;
/// Seconds that a launch takes at least. Measured: the smallest kernels' time on the H200, `crates/ptx/costs/measured.txt`.
const LAUNCH: f64 = 2.2e-6;

/// The H200 that the kernels were measured on. Multiprocessors, clock: its device query. Lanes: CUDA C++ Programming Guide,
/// throughput of native arithmetic, compute capability 9.0. Global memory: the copy of `huracan bench` there, 4.24 TB/s.
/// L2 cache: `predict_raw` there moved 9.37 billion sectors in 77.5 ms, which Nsight Compute calls 74 % of the peak.
pub const H200: Card = Card {
    name: "H200",
    architecture: "sm_90",
    multiprocessors: 132.0,
    clock: 1.98e9,
    double_lanes: 64.0,
    special_lanes: 16.0,
    warps: 64,
    blocks: 32,
    shared_bytes: 228 * 1024,
    l2_bytes: 5.2e12,
    memory_bytes: 4.24e12,
};

/// An RTX 4090: NVIDIA Ada GPU Architecture, appendix A (128 multiprocessors, boost clock 2.52 GHz, 1,008 GB/s, of which a
/// copy is taken to reach the H200's share, 88 %). Lanes as above, compute capability 8.9. L2 cache: an assumption, that of
/// the H200.
pub const RTX_4090: Card = Card {
    name: "RTX 4090",
    architecture: "sm_89",
    multiprocessors: 128.0,
    clock: 2.52e9,
    double_lanes: 2.0,
    special_lanes: 16.0,
    warps: 48,
    blocks: 24,
    shared_bytes: 100 * 1024,
    l2_bytes: 5.2e12,
    memory_bytes: 0.887e12,
};

/// What a kernel needs of a multiprocessor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Registers of a thread.
    pub registers: u32,
    /// Static and dynamic bytes of a block.
    pub shared_bytes: u32,
}

impl Card {
    /// Blocks that share a multiprocessor.
    pub fn resident(&self, threads: u32, needs: Needs) -> u32 {
        let warps = threads.div_ceil(32).max(1);
        let registers = (needs.registers * 32).next_multiple_of(REGISTER_UNIT).max(REGISTER_UNIT) * warps;
        let shared = needs.shared_bytes + SHARED_RESERVED;
        self.blocks.min(self.warps / warps).min(REGISTERS / registers).min(self.shared_bytes / shared).max(1)
    }
}

/// What a launch's time is made of, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// The time of a launch.
    pub seconds: f64,
    /// What bounds it.
    pub bound: &'static str,
    /// Each bound by itself.
    pub bounds: [(&'static str, f64); 8],
}

/// How a launch differs from the one that was counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Its blocks.
    pub blocks: f64,
    /// What each block does, as a multiple.
    pub work: f64,
}

/// The time of a launch of `scale` by what was counted.
pub fn predict(card: &Card, counts: &Counts, needs: Needs, scale: Scale) -> Prediction {
    let per_block = |count: u64| count as f64 / counts.blocks.max(1) as f64 * scale.work;
    let resident = f64::from(card.resident(counts.threads, needs));
    // The busiest multiprocessor has this many of the blocks.
    let share = (scale.blocks / card.multiprocessors).max(1.0);
    let seconds = |cycles_per_block: f64| cycles_per_block * share / card.clock;
    let class = |class: Class| per_block(counts.instructions[class as usize]);
    let sum = |array: [u64; 3]| array.iter().sum::<u64>();
    let missed = per_block(counts.missed_sectors) * 32.0 * scale.blocks;
    let unique = counts.unique_bytes as f64 / counts.blocks.max(1) as f64 * scale.blocks * scale.work;
    let path = per_block(counts.path);
    let longest = counts.longest_path as f64 / counts.launches.max(1) as f64 * scale.work;
    let waves = (scale.blocks / (card.multiprocessors * resident)).max(1.0);
    let bounds = [
        ("issue", seconds(per_block(counts.all_instructions()) / SCHEDULERS)),
        ("f64", seconds(class(Class::Double) * 32.0 / card.double_lanes)),
        ("conversions", seconds(class(Class::Special) * 32.0 / card.special_lanes)),
        ("shared memory", seconds(per_block(sum(counts.wavefronts)) + class(Class::Warp))),
        // It looks up one line per cycle.
        ("L1 cache", seconds(per_block(counts.lines))),
        ("L2 cache", missed / card.l2_bytes),
        ("memory", unique / card.memory_bytes),
        ("waits", (path * waves).max(longest) / card.clock),
    ];
    let (bound, most) = bounds.iter().fold(("launch", 0.0), |most, &bound| if bound.1 > most.1 { bound } else { most });
    Prediction { seconds: LAUNCH + most, bound: if most < LAUNCH { "launch" } else { bound }, bounds }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The occupancy that Nsight Compute gives on the H200: `boost_small` two blocks, `features_rows` four, `bins_columns`
    /// six, `votes_cast` seven.
    #[test]
    fn as_many_blocks_share_a_multiprocessor_as_on_the_gpu() {
        for (threads, registers, shared_bytes, resident) in [
            (256, 120, 37_224, 2),
            (128, 102, 47_304, 4),
            (256, 38, 1040 + 32_768, 6),
            (128, 72, 4000, 7),
            (32, 54, 7920, 26),
        ] {
            assert_eq!(H200.resident(threads, Needs { registers, shared_bytes }), resident, "{registers}");
        }
        assert_eq!(RTX_4090.resident(256, Needs { registers: 120, shared_bytes: 37_224 }), 2);
    }
}
