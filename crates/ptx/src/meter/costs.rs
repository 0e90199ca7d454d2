//! What a PTX instruction costs: machine instructions by class, and cycles until its result is there.
//!
//! ptxas is not at hand where this runs, so these are what it makes of an instruction as a rule: as read in the machine code
//! of the kernels for compute capability 9.0. The page docs/gpu-model.md compares the sum with what a GPU executed.

use crate::module::{Instruction, Kind, Type};

/// Kinds of machine instructions, by the unit that executes them. `meter.h` has the same order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Integers, comparisons, choices, moves.
    Integer,
    /// Numbers of 32 bits.
    Single,
    /// Numbers of 64 bits.
    Double,
    /// Conversions, and first guesses of quotients and roots.
    Special,
    /// Branches.
    Branch,
    /// Loads, stores and atomics of global memory.
    Global,
    /// The same of shared memory.
    Shared,
    /// Shuffles, votes and sums of a warp.
    Warp,
    /// Waits for the block.
    Barrier,
}

impl Class {
    /// All, in the order of their numbers.
    pub const ALL: [Self; CLASSES] = [
        Self::Integer,
        Self::Single,
        Self::Double,
        Self::Special,
        Self::Branch,
        Self::Global,
        Self::Shared,
        Self::Warp,
        Self::Barrier,
    ];
}

/// Number of classes.
pub const CLASSES: usize = 9;

/// Cycles from the issue of a machine instruction to its result, where memory has no part in it.
pub mod cycles {
    /// Integers and numbers of 32 bits. PMC10448217, table 3.
    pub const SIMPLE: u32 = 4;
    /// Numbers of 64 bits: an assumption.
    pub const DOUBLE: u32 = 8;
    /// Conversions and guesses: an assumption.
    pub const SPECIAL: u32 = 16;
    /// Shuffles and sums of a warp, which pass through the pipe of shared memory: as [`SHARED`].
    pub const WARP: u32 = SHARED;
    /// Shared memory. Accel-Sim's configurations for Ampere and Ada; its microbenchmark finds 30 on Ada.
    pub const SHARED: u32 = 29;
    /// The L1 cache: the same; the microbenchmark finds 34.
    pub const L1: u32 = 39;
    /// The L2 cache: the mean over an L40's multiprocessors, arXiv 2606.22588.
    pub const L2: u32 = 279;
    /// Global memory behind both: an assumption.
    pub const MEMORY: u32 = 600;
    /// Each further wavefront of an access to shared memory: an assumption.
    pub const WAVEFRONT: u32 = 2;
    /// A wait for the block, once all have arrived: an assumption.
    pub const BARRIER: u32 = 20;
}

/// What an instruction costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Machine instructions of each class, in the order of [`Class::ALL`].
    pub instructions: [u16; CLASSES],
    /// Cycles from the first one's issue to the result; of accesses to memory without the memory.
    pub latency: u32,
}

impl Cost {
    /// Nothing: constants, parameters, and moves that the assembler leaves out.
    const FREE: Self = Self { instructions: [0; CLASSES], latency: 0 };

    fn of(class: Class, count: u16, latency: u32) -> Self {
        let mut instructions = [0; CLASSES];
        instructions[class as usize] = count;
        Self { instructions, latency }
    }

    fn and(mut self, class: Class, count: u16) -> Self {
        self.instructions[class as usize] += count;
        self
    }

    /// Machine instructions of all classes.
    pub fn total(&self) -> u32 {
        self.instructions.iter().map(|&count| u32::from(count)).sum()
    }
}

/// The cost of an instruction.
pub fn cost(instruction: &Instruction) -> Cost {
    use cycles::{DOUBLE, SIMPLE, SPECIAL, WARP};
    let kind = instruction.kind().unwrap_or(Type { kind: Kind::Bits, bits: 32 });
    let (float, wide) = (kind.kind == Kind::Float, kind.bits == 64);
    let integer = |count: u16| Cost::of(Class::Integer, count, SIMPLE * u32::from(count).min(2));
    let number = || if wide { Cost::of(Class::Double, 1, DOUBLE) } else { Cost::of(Class::Single, 1, SIMPLE) };
    match instruction.name() {
        "ld" if instruction.has("param") => Cost::FREE,
        "ld" | "st" | "atom" | "red" => {
            let class = if instruction.has("shared") { Class::Shared } else { Class::Global };
            Cost::of(class, 1, 0)
        }
        "mov" if matches!(instruction.operands.get(1), Some(crate::module::Operand::Special(_))) => {
            Cost::of(Class::Integer, 1, SPECIAL)
        }
        "mov" | "cvta" => Cost::FREE,
        "bra" if instruction.guard.is_none() => Cost::of(Class::Branch, 1, 0),
        "bra" | "ret" | "exit" => Cost::of(Class::Branch, 1, SIMPLE),
        "bar" | "barrier" if instruction.has("warp") => Cost::of(Class::Warp, 1, SIMPLE),
        "bar" | "barrier" => Cost::of(Class::Barrier, 1, 0),
        "membar" | "fence" => Cost::of(Class::Global, 1, 0),
        "shfl" | "redux" => Cost::of(Class::Warp, 1, WARP),
        "vote" => Cost::of(Class::Warp, 1, 2 * SIMPLE),
        "cvt" => convert(instruction, kind),
        "div" | "rcp" | "sqrt" | "rsqrt" if float && wide => Cost::of(Class::Double, 9, 11 * DOUBLE + SPECIAL)
            .and(Class::Special, 1)
            .and(Class::Integer, 6)
            .and(Class::Branch, 3),
        "div" | "rcp" | "sqrt" | "rsqrt" if float => Cost::of(Class::Single, 6, 8 * SIMPLE + SPECIAL)
            .and(Class::Special, 1)
            .and(Class::Integer, 2)
            .and(Class::Branch, 2),
        "div" | "rem" if wide => Cost::of(Class::Integer, 70, 300).and(Class::Special, 2).and(Class::Branch, 2),
        "div" | "rem" => Cost::of(Class::Integer, 16, 80).and(Class::Special, 2),
        "setp" if float => number(),
        "min" | "max" if float && wide => Cost::of(Class::Double, 1, DOUBLE + 2 * SIMPLE).and(Class::Integer, 4),
        "selp" | "setp" | "add" | "sub" | "and" | "or" | "xor" | "not" | "neg" | "min" | "max"
            if !float || instruction.name() == "selp" =>
        {
            integer(if !wide {
                1
            } else if matches!(instruction.name(), "min" | "max") {
                4
            } else {
                2
            })
        }
        "mul" | "mad" if !float => integer(match (instruction.has("wide"), instruction.has("hi"), wide) {
            (false, false, true) => 4,
            (false, true, true) => 8,
            _ => 1,
        }),
        "shl" | "shr" => integer(if wide { 2 } else { 1 }),
        "popc" | "clz" | "brev" | "bfind" => Cost::of(Class::Special, 1, SPECIAL),
        "bfe" | "bfi" => integer(2),
        _ if float => number(),
        _ => integer(if wide { 2 } else { 1 }),
    }
}

/// Conversions: between numbers and integers, or between sizes.
fn convert(instruction: &Instruction, from: Type) -> Cost {
    let to = instruction.parts().iter().rev().nth(1).and_then(|part| Type::named(part)).unwrap_or(from);
    let float = |kind: Type| kind.kind == Kind::Float;
    if float(from) || float(to) {
        return Cost::of(Class::Special, 1, cycles::SPECIAL);
    }
    // The upper half of a wider register is a constant or a sign.
    let signed = from.kind == Kind::Signed && to.bits > from.bits;
    let small = from.bits.min(to.bits) < 32;
    if signed || small { Cost::of(Class::Integer, 1, cycles::SIMPLE) } else { Cost::FREE }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(opcode: &str) -> Cost {
        cost(&Instruction { line: 1, guard: None, opcode: opcode.into(), operands: Vec::new() })
    }

    #[test]
    fn every_instruction_is_of_the_unit_that_executes_it() {
        for (opcode, class, count) in [
            ("add.rn.f64", Class::Double, 1),
            ("add.s32", Class::Integer, 1),
            ("add.s64", Class::Integer, 2),
            ("selp.f64", Class::Integer, 2),
            ("ld.global.f64", Class::Global, 1),
            ("atom.shared.add.u32", Class::Shared, 1),
            ("shfl.sync.idx.b32", Class::Warp, 1),
            ("bar.sync", Class::Barrier, 1),
            ("cvt.rn.f32.f64", Class::Special, 1),
            ("mad.lo.s32", Class::Integer, 1),
        ] {
            let cost = of(opcode);
            assert_eq!((cost.total(), cost.instructions[class as usize]), (u32::from(count), count), "{opcode}");
        }
        assert_eq!(of("ld.param.u64"), Cost::FREE);
        assert_eq!(of("cvt.u64.u32"), Cost::FREE);
        assert_eq!(of("cvt.u32.u16").total(), 1);
        assert!(of("div.rn.f64").latency > of("add.rn.f64").latency && of("div.rn.f64").total() > 15);
    }
}
