//! What must not be in the kernels' PTX, because a GPU would then give other bits than the CPU, or lose time unseen.

use std::fmt;

use crate::module::{Instruction, Kernel, Kind, Module};

/// A finding of the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The kernel.
    pub kernel: String,
    /// The line of its PTX, from 1.
    pub line: usize,
    /// The instruction's name with all modifiers.
    pub opcode: String,
    /// Why it must not be there.
    pub reason: &'static str,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {} of its PTX: {}: {}", self.kernel, self.line, self.opcode, self.reason)
    }
}

/// Everything that must not be there. `listed` are kernels that may use `min` and `max` of numbers, with how often:
/// NVVM makes them of comparisons, and they differ from these for NaN and −0, so each one has been looked at.
pub fn refusals(module: &Module, listed: &[(&str, usize)]) -> Vec<Refusal> {
    let mut found = Vec::new();
    for kernel in &module.kernels {
        let mut chosen = Vec::new();
        for instruction in kernel.instructions() {
            match reason(instruction) {
                Some(reason) => found.push(refusal(kernel, instruction, reason)),
                None if is_choice(instruction) => chosen.push(instruction),
                None => {}
            }
        }
        let allowed = listed.iter().find(|(name, _)| *name == kernel.name).map_or(0, |(_, count)| *count);
        if chosen.len() != allowed {
            let reason =
                "min and max of numbers treat NaN and -0 in their own way; rewrite it, or list it once looked at";
            found.extend(chosen.into_iter().map(|instruction| refusal(kernel, instruction, reason)));
        }
    }
    found
}

fn refusal(kernel: &Kernel, instruction: &Instruction, reason: &'static str) -> Refusal {
    Refusal { kernel: kernel.name.clone(), line: instruction.line, opcode: instruction.opcode.clone(), reason }
}

/// `min` or `max` of numbers.
fn is_choice(instruction: &Instruction) -> bool {
    matches!(instruction.name(), "min" | "max") && is_float(instruction)
}

fn is_float(instruction: &Instruction) -> bool {
    instruction.kind().is_some_and(|kind| kind.kind == Kind::Float)
}

fn reason(instruction: &Instruction) -> Option<&'static str> {
    let (name, rounded) = (instruction.name(), instruction.has("rn"));
    match name {
        "fma" => return Some("a fused operation rounds once where the CPU rounds twice"),
        "mad" if is_float(instruction) => return Some("a fused operation rounds once where the CPU rounds twice"),
        "call" => return Some("a function that is not inlined, whose arithmetic is not seen here"),
        "ex2" | "lg2" | "sin" | "cos" | "tanh" | "rsqrt" => return Some("an approximation"),
        _ => {}
    }
    if instruction.has("ftz") {
        return Some("it takes subnormal numbers for 0");
    }
    if instruction.has("approx") || instruction.has("full") {
        return Some("an approximation");
    }
    if instruction.has("local") {
        return Some("local memory lies in the device's, and a register is a hundred times faster");
    }
    let arithmetic = matches!(name, "add" | "sub" | "mul" | "div" | "rcp" | "sqrt");
    if arithmetic && is_float(instruction) && !rounded {
        return Some("without .rn the compiler may fuse it");
    }
    let shared = matches!(name, "atom" | "red") && is_float(instruction);
    shared.then_some("sums that threads share must be sums of integers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::parse;

    fn found(lines: &str, listed: &[(&str, usize)]) -> Vec<Refusal> {
        let module = parse(&format!(
            ".visible .entry k(\n)\n{{\n.reg .pred %p<2>;\n.reg .b32 %r<4>;\n.reg .f64 %fd<4>;\n.reg .f32 %f<4>;\n\
             .reg .b64 %rd<4>;\n{lines}\nret;\n}}\n"
        ));
        refusals(&module.unwrap(), listed)
    }

    #[test]
    fn each_kind_of_forbidden_instruction_is_named() {
        for line in [
            "fma.rn.f64 %fd1, %fd2, %fd3, %fd1;",
            "mad.rn.f32 %f1, %f2, %f3, %f1;",
            "add.f64 %fd1, %fd2, %fd3;",
            "mul.rn.ftz.f32 %f1, %f2, %f3;",
            "div.full.f32 %f1, %f2, %f3;",
            "sqrt.approx.f32 %f1, %f2;",
            "ex2.approx.f32 %f1, %f2;",
            "ld.local.u32 %r1, [%rd1];",
            "call.uni f;",
            "atom.global.add.f32 %f1, [%rd1], %f2;",
            "min.f64 %fd1, %fd2, %fd3;",
        ] {
            let found = found(line, &[]);
            assert_eq!(found.len(), 1, "{line}");
            assert_eq!((found[0].line, found[0].kernel.as_str()), (9, "k"), "{line}");
        }
    }

    #[test]
    fn what_the_kernels_use_passes() {
        let lines = "add.rn.f64 %fd1, %fd2, %fd3;\nsqrt.rn.f64 %fd1, %fd2;\nmad.lo.s32 %r1, %r2, %r3, %r1;\n\
                     atom.shared.add.u32 %r1, [%rd1], %r2;\nmin.u32 %r1, %r2, %r3;\nneg.f64 %fd1, %fd2;";
        assert_eq!(found(lines, &[]), []);
    }

    #[test]
    fn a_choice_is_allowed_as_often_as_it_is_listed() {
        let one = "max.f64 %fd1, %fd2, %fd3;";
        assert_eq!(found(one, &[("k", 1)]), []);
        assert_eq!(found(one, &[("other", 1)]).len(), 1);
        assert_eq!(found(&format!("{one}\n{one}"), &[("k", 1)]).len(), 2);
        assert_eq!(found(one, &[("k", 2)]).len(), 1, "a list that is too long is noticed as well");
    }
}
