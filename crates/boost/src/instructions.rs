//! Which instructions search for splits.

use super::codes::Group;
use super::histogram::{Bins, Sums};
use super::split::{Best, Scan, ScanFew, ScanInput, scan, scan_few};
#[cfg(target_arch = "x86_64")]
use super::split_x86;

/// The split search in one instruction set.
#[derive(Clone, Copy)]
pub struct InstructionSet {
    /// Name for display.
    pub name: &'static str,
    pub(super) scan: Scan,
    pub(super) scan_few: ScanFew,
}

/// The instruction sets that this machine has, the fastest first and plain instructions last. All give the same bits.
pub fn instruction_sets() -> Vec<InstructionSet> {
    let mut sets: Vec<InstructionSet> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn avx2(bins: &mut Bins, other: Option<&Bins>, input: ScanInput) -> Best {
            scan(bins, other, input)
        }
        #[target_feature(enable = "avx2")]
        fn few_avx2(rows: &[u32], group: &Group, sums: &[Sums], input: ScanInput) -> Best {
            scan_few(rows, group, sums, input)
        }
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl");
        if avx512 {
            sets.push(InstructionSet {
                name: "AVX-512",
                // SAFETY: the processor has just been found to have the instructions.
                scan: |bins, other, input| unsafe { split_x86::scan_avx512(bins, other, input) },
                // SAFETY: as above.
                scan_few: |rows, group, sums, input| unsafe { split_x86::few_avx512(rows, group, sums, input) },
            });
        }
        if is_x86_feature_detected!("avx2") {
            sets.push(InstructionSet {
                name: "AVX2",
                // SAFETY: the processor has just been found to have the instructions.
                scan: |bins, other, input| unsafe { avx2(bins, other, input) },
                // SAFETY: as above.
                scan_few: |rows, group, sums, input| unsafe { few_avx2(rows, group, sums, input) },
            });
        }
    }
    sets.push(InstructionSet { name: "plain", scan, scan_few });
    sets
}
