//! Which instructions search for splits.

use huracan_base::Instructions;

use super::split::{self, Scan, ScanFew, plain};

/// The split search in one instruction set.
#[derive(Clone, Copy)]
pub struct InstructionSet {
    /// The instructions.
    pub instructions: Instructions,
    pub(super) scan: Scan,
    pub(super) scan_few: ScanFew,
}

/// The instruction sets that this machine has, the fastest first and plain instructions last. All give the same bits.
pub fn instruction_sets() -> Vec<InstructionSet> {
    Instructions::available().into_iter().map(of).collect()
}

/// The instruction set that is used.
pub(super) fn used() -> InstructionSet {
    of(Instructions::used())
}

/// The search with instructions that this processor has.
fn of(instructions: Instructions) -> InstructionSet {
    #[cfg(target_arch = "x86_64")]
    {
        use split::{avx2, avx512};
        match instructions {
            Instructions::Avx2 => {
                return InstructionSet {
                    instructions,
                    // SAFETY: the caller says that the processor has the instructions.
                    scan: |bins, other, input| unsafe { avx2::scan(bins, other, input) },
                    // SAFETY: as above.
                    scan_few: |rows, group, sums, input| unsafe { avx2::few(rows, group, sums, input) },
                };
            }
            Instructions::Avx512 => {
                return InstructionSet {
                    instructions,
                    // SAFETY: as above.
                    scan: |bins, other, input| unsafe { avx512::scan_avx512(bins, other, input) },
                    // SAFETY: as above.
                    scan_few: |rows, group, sums, input| unsafe { avx512::few_avx512(rows, group, sums, input) },
                };
            }
            _ => {}
        }
    }
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    if matches!(instructions, Instructions::Sse2 | Instructions::Neon) {
        return InstructionSet { instructions, scan: split::four::scan, scan_few: split::four::few };
    }
    InstructionSet { instructions, scan: plain::scan, scan_few: plain::few }
}
