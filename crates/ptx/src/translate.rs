//! Puts PTX back into C++, for the device that runs C++ (`kernels/emulated`).
//!
//! Each kernel of the module becomes a function `huracan_ptx_NAME(void** parameters)` that the launch calls instead of the
//! kernel's own source: see `KERNEL` in `kernels/emulated/shim.h`. Registers become local variables of unsigned integers,
//! and every instruction reads their bits as its type says. Helpers are in `kernels/emulated/ptx.h`.

mod metered;
mod operations;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::module::{Instruction, Kernel, Kind, Module, Operand, Statement, Type, Variable};
use crate::parse::constant;

/// An instruction that has no translation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kernel}, line {line} of the PTX: {opcode} is not translated: {problem}")]
pub struct TranslateError {
    /// The kernel that has it.
    pub kernel: String,
    /// Its line, from 1.
    pub line: usize,
    /// Its name with all modifiers.
    pub opcode: String,
    /// What about it is not known.
    pub problem: String,
}

/// C++ for all kernels of a module made of `file`, such as `boost.cu`, whose source it includes for the types of the
/// parameters. With `counting`, kernels also count what they would cost a GPU, see [`crate::meter`].
///
/// # Errors
/// [`TranslateError`] for the first instruction that has no translation.
pub fn translate(file: &str, module: &Module, counting: bool) -> Result<String, TranslateError> {
    let mut out = format!("#define HURACAN_PTX\n#include \"{file}\"\n#include \"emulated/ptx.h\"\n\n");
    if counting {
        out.push_str("#include \"emulated/meter.h\"\n\n");
    }
    for kernel in &module.kernels {
        function(kernel, &module.variables, counting, &mut out)?;
    }
    Ok(out)
}

/// The C++ type of values of a type of PTX.
fn cpp(kind: Type) -> String {
    match kind.kind {
        Kind::Predicate => "bool".into(),
        Kind::Bits | Kind::Unsigned => format!("std::uint{}_t", kind.bits),
        Kind::Signed => format!("std::int{}_t", kind.bits),
        Kind::Float => if kind.bits == 32 { "float" } else { "double" }.into(),
    }
}

/// The unsigned type of the same width, in which sums and products wrap around.
fn unsigned(kind: Type) -> Type {
    Type { kind: Kind::Unsigned, ..kind }
}

/// The C++ name of a label.
fn label(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
}

fn function(kernel: &Kernel, variables: &[Variable], counting: bool, out: &mut String) -> Result<(), TranslateError> {
    let mut places = BTreeMap::new();
    let mut declarations = String::new();
    let text: Vec<&Variable> = variables.iter().chain(&kernel.shared).filter(|v| names(kernel, &v.name)).collect();
    for (at, variable) in text.iter().enumerate() {
        let name = format!("variable_{at}");
        let bytes = variable.count.unwrap_or(0) * variable.element.bytes();
        let _ = match (variable.shared, variable.count) {
            (true, None) => writeln!(declarations, "    void* const {name} = huracan::dynamic_shared();"),
            (true, Some(_)) => writeln!(
                declarations,
                "    static const char site_{at} = 0;\n    void* const {name} = huracan::shared(&site_{at}, {bytes});"
            ),
            (false, _) => writeln!(declarations, "    {}", global(variable, &name)),
        };
        places.insert(variable.name.clone(), name);
    }
    for (at, register) in kernel.registers.iter().enumerate() {
        let _ = writeln!(declarations, "    {} r{at};", cpp(Type { kind: whole(register.kind.kind), ..register.kind }));
    }
    let meter = counting.then(|| metered::Meter::new(kernel));
    if let Some(meter) = &meter {
        out.push_str(&meter.tables());
        declarations.push_str(&meter.declarations());
    }
    let _ = writeln!(out, "void huracan_ptx_{}(void** parameters) {{\n{declarations}", kernel.name);
    let context = Context { kernel, places };
    for (at, statement) in kernel.body.iter().enumerate() {
        if let Statement::Label(name) = statement {
            let _ = writeln!(out, "{}: ;", label(name));
        }
        if let Some(meter) = &meter {
            out.push_str(&meter.enter(at));
        }
        let Statement::Instruction(instruction) = statement else { continue };
        let refused = |problem| TranslateError {
            kernel: kernel.name.clone(),
            line: instruction.line,
            opcode: instruction.opcode.clone(),
            problem,
        };
        let mut text = context.instruction(instruction).map_err(refused)?;
        let mut before = String::new();
        if let Some(meter) = &meter {
            (before, text) = meter.count(&context, at, instruction, text).map_err(refused)?;
        }
        let _ = match instruction.guard {
            None => writeln!(out, "    {before}{text}"),
            Some((predicate, true)) => writeln!(out, "    {before}if (r{predicate}) {{ {text} }}"),
            Some((predicate, false)) => writeln!(out, "    {before}if (!r{predicate}) {{ {text} }}"),
        };
    }
    out.push_str("}\n\n");
    Ok(())
}

/// Registers hold bits.
fn whole(kind: Kind) -> Kind {
    if kind == Kind::Predicate { kind } else { Kind::Unsigned }
}

/// A constant of the module.
fn global(variable: &Variable, name: &str) -> String {
    let bits = match variable.value.as_deref().map(constant) {
        Some(Some(Operand::Integer(value))) => value as u64,
        Some(Some(Operand::Float(bits))) => bits,
        _ => 0,
    };
    let kind = cpp(unsigned(variable.element));
    format!("static {kind} {name}_value = static_cast<{kind}>(UINT64_C({bits})); void* const {name} = &{name}_value;")
}

/// Whether an instruction of `kernel` uses a variable's address.
fn names(kernel: &Kernel, variable: &str) -> bool {
    let named = |operand: &Operand| matches!(operand, Operand::Name(name) if name == variable);
    kernel.instructions().flat_map(|instruction| &instruction.operands).any(|operand| match operand {
        Operand::Address { base, .. } => named(base),
        other => named(other),
    })
}

/// What the operands of a kernel's instructions refer to.
struct Context<'a> {
    kernel: &'a Kernel,
    /// The C++ name of each variable.
    places: BTreeMap<String, String>,
}

impl Context<'_> {
    /// The statement of an instruction, without its guard.
    fn instruction(&self, instruction: &Instruction) -> Result<String, String> {
        operations::statement(self, instruction)
    }

    /// An operand as a C++ expression of a type.
    fn value(&self, operand: &Operand, kind: Type) -> Result<String, String> {
        let name = cpp(kind);
        Ok(match operand {
            Operand::Register(number) => {
                let declared = self.kernel.registers[*number].kind;
                match kind.kind {
                    Kind::Predicate if declared.kind == Kind::Predicate => format!("r{number}"),
                    Kind::Float if declared.bits == kind.bits => format!("ptx::bits<{name}>(r{number})"),
                    Kind::Predicate | Kind::Float => return Err(format!("a register of {declared} as {kind}")),
                    _ => format!("static_cast<{name}>(r{number})"),
                }
            }
            Operand::Not(number) => format!("!r{number}"),
            Operand::Special(name) => special(name)?,
            Operand::Integer(value) => match kind.kind {
                Kind::Predicate => format!("({value} != 0)"),
                _ => format!("static_cast<{name}>(UINT64_C({}))", *value as u64),
            },
            Operand::Float(bits) if kind.kind == Kind::Float => {
                format!("ptx::bits<{name}>(UINT{}_C({bits:#x}))", kind.bits)
            }
            Operand::Float(bits) => format!("static_cast<{name}>(UINT64_C({bits:#x}))"),
            Operand::Name(variable) => {
                let place = self.places.get(variable).ok_or_else(|| format!("{variable} is not known"))?;
                format!("reinterpret_cast<std::uint64_t>({place})")
            }
            Operand::Address { .. } | Operand::Vector(_) | Operand::Pair(..) | Operand::Nothing => {
                return Err("an operand that is not a value".into());
            }
        })
    }

    /// An address in memory as a C++ expression.
    fn address(&self, operand: &Operand) -> Result<String, String> {
        let Operand::Address { base, offset } = operand else { return Err("an operand that is not an address".into()) };
        let base = self.value(base, Type { kind: Kind::Unsigned, bits: 64 })?;
        Ok(format!("({base} + static_cast<std::uint64_t>(INT64_C({offset})))"))
    }

    /// Stores the C++ expression `value` of a type in a register. Narrower values are extended as their type says.
    fn put(&self, operand: &Operand, value: &str, kind: Type) -> Result<String, String> {
        let number = match operand {
            Operand::Register(number) | Operand::Pair(number, _) => *number,
            Operand::Nothing => return Ok(format!("(void)({value});")),
            _ => return Err("a result that is not a register".into()),
        };
        let declared = self.kernel.registers[number].kind;
        Ok(match kind.kind {
            Kind::Predicate if declared.kind == Kind::Predicate => format!("r{number} = {value};"),
            Kind::Float if declared.bits == kind.bits => {
                format!("r{number} = ptx::bits<std::uint{}_t>({value});", kind.bits)
            }
            Kind::Predicate | Kind::Float => return Err(format!("a result of {kind} in a register of {declared}")),
            _ if declared.kind == Kind::Predicate => return Err(format!("a result of {kind} in a predicate")),
            _ => format!("r{number} = static_cast<std::uint{}_t>(static_cast<{}>({value}));", declared.bits, cpp(kind)),
        })
    }
}

/// A register of the device.
fn special(name: &str) -> Result<String, String> {
    let (register, axis) = name.split_once('.').unwrap_or((name, ""));
    let place = match register {
        "tid" => "threadIdx",
        "ntid" => "blockDim",
        "ctaid" => "blockIdx",
        "nctaid" => "gridDim",
        "laneid" => return Ok("static_cast<std::uint32_t>(huracan::lane())".into()),
        _ => return Err(format!("%{name} is not known")),
    };
    match axis {
        "x" | "y" | "z" => Ok(format!("{place}.{axis}")),
        _ => Err(format!("%{name} is not known")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::parse;

    /// The C++ of one instruction in a kernel with registers of every kind.
    fn one(text: &str) -> Result<String, String> {
        let module = parse(&format!(
            ".visible .entry k(\n.param .u64 k_param_0\n)\n{{\n.reg .pred %p<4>;\n.reg .b16 %rs<4>;\n.reg .b32 %r<6>;\n\
             .reg .b64 %rd<4>;\n.reg .f32 %f<4>;\n.reg .f64 %fd<4>;\n{text}\n}}\n"
        ))
        .map_err(|error| error.to_string())?;
        let text = translate("k.cu", &module, false).map_err(|error| error.to_string())?;
        let body = text.split("(void** parameters) {").nth(1).unwrap_or_default();
        let mut lines =
            body.lines().filter(|line| !line.trim().is_empty() && !line.ends_with(|c: char| c.is_ascii_digit()));
        let last = lines.rfind(|line| line.starts_with("    ") && !line.starts_with("    std::uint"));
        Ok(last.unwrap_or_default().trim().to_owned())
    }

    #[test]
    fn instructions_become_statements() {
        let cases = [
            ("add.rn.f64 %fd1, %fd2, %fd3;", "ptx::number(ptx::bits<double>("),
            ("@!%p1 bra $L1;\n$L1:\nret;", "return;"),
            ("mul.wide.u32 %rd1, %r1, 8;", "static_cast<std::uint64_t>(static_cast<std::uint32_t>(r9))"),
            ("setp.geu.f32 %p1, %f1, %f2;", "!(ptx::bits<float>(r19) < ptx::bits<float>(r20))"),
            ("bar.sync 0;", "huracan::barrier(0, "),
            ("atom.shared.add.u32 %r1, [%rd1+4], %r2;", "atomicAdd(reinterpret_cast<std::uint32_t*>"),
        ];
        for (text, expected) in cases {
            let found = one(text).unwrap();
            assert!(found.contains(expected), "{text}\n{found}");
        }
    }

    #[test]
    fn what_has_no_translation_is_refused_by_name() {
        for text in [
            "add.f64 %fd1, %fd2, %fd3;",
            "add.rn.ftz.f32 %f1, %f2, %f3;",
            "sin.approx.f32 %f1, %f2;",
            "call f;",
            "ld.local.u32 %r1, [%rd1];",
        ] {
            let error = one(text).unwrap_err();
            assert!(error.contains("is not translated") && error.contains("line 11"), "{text}: {error}");
        }
        assert!(one("mov.u32 %r1, %clock;").unwrap_err().contains("%clock"));
        assert!(one("add.rn.f64 %f1, %fd2, %fd3;").is_err());
    }

    /// The number of the instruction's line is passed to barriers, so that a report names it.
    #[test]
    fn barriers_know_their_line() {
        assert!(one("bar.sync 0;").unwrap().ends_with("huracan::barrier(0, 11);"));
    }
}
