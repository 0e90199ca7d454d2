//! Reads the text of a PTX module, as NVRTC writes it.

use std::collections::HashMap;

use crate::module::{Instruction, Kernel, Module, Operand, Register, Statement, Type, Variable};

/// A line of PTX that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the PTX: {problem}: {text}")]
pub struct ParseError {
    /// The line's number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: &'static str,
    /// The line.
    pub text: String,
}

/// The lines of a text without comments, numbered from 1.
struct Lines<'a> {
    lines: Vec<(usize, &'a str)>,
    at: usize,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let line = |(at, line): (usize, &'a str)| (at + 1, line.split("//").next().unwrap_or_default().trim());
        let lines = text.lines().enumerate().map(line).filter(|(_, line)| !line.is_empty()).collect();
        Self { lines, at: 0 }
    }

    fn next(&mut self) -> Option<(usize, &'a str)> {
        let line = self.lines.get(self.at).copied();
        self.at += 1;
        line
    }
}

fn wrong(line: usize, problem: &'static str, text: &str) -> ParseError {
    ParseError { line, problem, text: text.to_owned() }
}

/// Reads a module.
///
/// # Errors
/// [`ParseError`] for the first line that NVRTC has never been seen to write.
pub fn parse(text: &str) -> Result<Module, ParseError> {
    let mut lines = Lines::new(text);
    let mut module = Module { variables: Vec::new(), kernels: Vec::new() };
    while let Some((number, line)) = lines.next() {
        if let Some(rest) = line.strip_prefix(".visible .entry ") {
            module.kernels.push(kernel(rest.trim_end_matches('('), &mut lines)?);
        } else if [".shared", ".extern .shared", ".global", ".extern .global"].iter().any(|k| line.starts_with(k)) {
            module.variables.push(variable(line).ok_or_else(|| wrong(number, "not a variable", line))?);
        } else if ![".version", ".target", ".address_size", ".file"].iter().any(|k| line.starts_with(k)) {
            return Err(wrong(number, "not expected outside of a kernel", line));
        }
    }
    Ok(module)
}

/// `[.extern] .shared .align 8 .b8 name[16];` or `.global .align 4 .u32 name = 7;`
fn variable(line: &str) -> Option<Variable> {
    let line = line.strip_suffix(';')?.trim_start_matches(".extern ");
    let (declaration, value) = match line.split_once(" = ") {
        Some((declaration, value)) => (declaration, Some(value.to_owned())),
        None => (line, None),
    };
    let words: Vec<&str> = declaration.split_whitespace().collect();
    let (&name, kinds) = words.split_last()?;
    let element = kinds.iter().rev().find_map(|word| Type::named(word.strip_prefix('.')?))?;
    let (name, count) = match name.split_once('[') {
        None => (name, Some(1)),
        Some((name, "]")) => (name, None),
        Some((name, count)) => (name, Some(count.strip_suffix(']')?.parse().ok()?)),
    };
    Some(Variable { name: name.to_owned(), shared: kinds.contains(&".shared"), element, count, value })
}

/// A kernel from behind its name on.
fn kernel(name: &str, lines: &mut Lines<'_>) -> Result<Kernel, ParseError> {
    let mut parameters = Vec::new();
    loop {
        let (number, line) = lines.next().ok_or_else(|| wrong(0, "the text ends within a kernel", name))?;
        if line == "{" {
            break;
        }
        if line.starts_with(".param") {
            let parameter = line.trim_end_matches(',').split_whitespace().next_back().unwrap_or_default();
            parameters.push(parameter.split('[').next().unwrap_or_default().to_owned());
        } else if line != ")" && ![".maxntid", ".minnctapersm", ".reqntid"].iter().any(|k| line.starts_with(k)) {
            return Err(wrong(number, "not expected before a kernel's body", line));
        }
    }
    let registers = Vec::new();
    let mut body = Body {
        kernel: Kernel { name: name.to_owned(), parameters, registers, shared: Vec::new(), body: Vec::new() },
        numbers: HashMap::new(),
        outer: Vec::new(),
    };
    while let Some((number, line)) = lines.next() {
        if line == "}" && body.outer.is_empty() {
            return Ok(body.kernel);
        }
        body.line(number, line)?;
    }
    Err(wrong(0, "the text ends within a kernel", name))
}

/// A kernel that is being read.
struct Body {
    kernel: Kernel,
    /// The register of a name.
    numbers: HashMap<String, usize>,
    /// What names meant before each open brace within the body.
    outer: Vec<Vec<(String, Option<usize>)>>,
}

impl Body {
    fn line(&mut self, number: usize, line: &str) -> Result<(), ParseError> {
        let mut rest = line;
        // `{ .reg .b32 low; mov.b64 {low, high}, pair; }` may stand in one line.
        if let Some(inner) = rest.strip_prefix('{') {
            self.outer.push(Vec::new());
            rest = inner.trim();
        }
        if let Some(label) = rest.strip_suffix(':') {
            self.kernel.body.push(Statement::Label(label.to_owned()));
            return Ok(());
        }
        if rest.starts_with(".shared") {
            self.kernel.shared.push(variable(rest).ok_or_else(|| wrong(number, "not a variable", line))?);
            return Ok(());
        }
        for statement in rest.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
            if statement == "}" {
                self.close().ok_or_else(|| wrong(number, "a brace too many", line))?;
            } else if let Some(declaration) = statement.strip_prefix(".reg") {
                self.declare(declaration).ok_or_else(|| wrong(number, "not a register", line))?;
            } else if !statement.starts_with(".pragma") && !statement.starts_with(".loc") {
                let instruction = self.instruction(number, statement);
                let instruction = instruction.ok_or_else(|| wrong(number, "not an instruction", line))?;
                self.kernel.body.push(Statement::Instruction(instruction));
            }
        }
        Ok(())
    }

    /// `.b32 %r<17>` or `.b32 %low`
    fn declare(&mut self, declaration: &str) -> Option<()> {
        let (kind, names) = declaration.trim().split_once(char::is_whitespace)?;
        let kind = Type::named(kind.strip_prefix('.')?)?;
        for name in names.split(',') {
            let name = name.trim().trim_start_matches('%');
            match name.split_once('<') {
                Some((stem, count)) => {
                    let count: usize = count.strip_suffix('>')?.parse().ok()?;
                    (0..count).for_each(|n| self.register(format!("{stem}{n}"), kind));
                }
                None => self.register(name.to_owned(), kind),
            }
        }
        Some(())
    }

    /// A name that is declared again within braces is another register up to the closing brace.
    fn register(&mut self, name: String, kind: Type) {
        let before = self.numbers.insert(name.clone(), self.kernel.registers.len());
        if let Some(outer) = self.outer.last_mut() {
            outer.push((name.clone(), before));
        }
        self.kernel.registers.push(Register { name, kind });
    }

    /// A closing brace: names mean again what they meant before.
    fn close(&mut self) -> Option<()> {
        for (name, before) in self.outer.pop()?.into_iter().rev() {
            match before {
                Some(number) => self.numbers.insert(name, number),
                None => self.numbers.remove(&name),
            };
        }
        Some(())
    }

    fn instruction(&self, line: usize, text: &str) -> Option<Instruction> {
        let (guard, text) = match text.strip_prefix('@') {
            None => (None, text),
            Some(rest) => {
                let (predicate, rest) = rest.split_once(char::is_whitespace)?;
                let name = predicate.trim_start_matches('!').strip_prefix('%')?;
                (Some((*self.numbers.get(name)?, !predicate.starts_with('!'))), rest.trim())
            }
        };
        let (opcode, operands) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let operands = split(operands).into_iter().map(|text| self.operand(text)).collect::<Option<_>>()?;
        Some(Instruction { line, guard, opcode: opcode.to_owned(), operands })
    }

    fn operand(&self, text: &str) -> Option<Operand> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']')?;
            let (base, offset) = match inner.split_once('+') {
                Some((base, offset)) => (base, offset.parse().ok()?),
                None => (inner, 0),
            };
            return Some(Operand::Address { base: Box::new(self.operand(base.trim())?), offset });
        }
        if let Some(inner) = text.strip_prefix('{') {
            let parts = split(inner.strip_suffix('}')?).into_iter().map(|part| self.operand(part));
            return parts.collect::<Option<_>>().map(Operand::Vector);
        }
        if let Some((result, predicate)) = text.split_once('|') {
            let number = |name: &str| self.numbers.get(name.strip_prefix('%')?).copied();
            return Some(Operand::Pair(number(result)?, number(predicate)?));
        }
        if let Some(predicate) = text.strip_prefix("!%") {
            return self.numbers.get(predicate).copied().map(Operand::Not);
        }
        if let Some(name) = text.strip_prefix('%') {
            return Some(match self.numbers.get(name) {
                Some(&number) => Operand::Register(number),
                None => Operand::Special(name.to_owned()),
            });
        }
        if text == "_" {
            return Some(Operand::Nothing);
        }
        constant(text).or_else(|| Some(Operand::Name(text.to_owned())))
    }
}

/// A literal: an integer, or `0d` and `0f` with the bits of a number.
pub(crate) fn constant(text: &str) -> Option<Operand> {
    let bits = |digits: &str, count| (digits.len() == count).then(|| u64::from_str_radix(digits, 16).ok()).flatten();
    if let Some(digits) = text.strip_prefix("0d").or_else(|| text.strip_prefix("0D")) {
        return bits(digits, 16).map(Operand::Float);
    }
    if let Some(digits) = text.strip_prefix("0f").or_else(|| text.strip_prefix("0F")) {
        return bits(digits, 8).map(Operand::Float);
    }
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let digits = digits.trim_end_matches('U');
    let value = match digits.strip_prefix("0x") {
        Some(digits) => i128::from_str_radix(digits, 16).ok()?,
        None => digits.parse().ok().filter(|_| digits.starts_with(|c: char| c.is_ascii_digit()))?,
    };
    Some(Operand::Integer(if negative { -value } else { value }))
}

/// Splits at commas that are not within brackets or braces.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::Kind;

    const TEXT: &str = "
//
// Generated by a compiler
//
.version 8.8
.target sm_90
.address_size 64
.extern .shared .align 16 .b8 dynamic[];
.global .align 8 .f64 HALF = 0d3FE0000000000000;
	// .globl	twice
.visible .entry twice(
	.param .u64 .ptr .align 1 twice_param_0,
	.param .align 4 .b8 twice_param_1[12]
)
.maxntid 128, 1, 1
{
	.reg .pred 	%p<2>;
	.reg .b64 	%rd<3>;
	.reg .f64 	%fd<3>;
	// demoted variable
	.shared .align 8 .b8 sums[64];
	ld.param.u64 	%rd1, [twice_param_0+8];
	@!%p1 bra 	$L__BB0_2;
	.pragma \"nounroll\";
	add.rn.f64 	%fd1, %fd2, 0d3FE0000000000000;
	{ .reg .b32 tmp; mov.b64 {tmp, _}, %rd1; }
	st.global.v2.f64 	[%rd1+-16], {%fd1, %fd2};
	shfl.sync.bfly.b32 	%rd1|%p1, %rd2, 16, 31, -1;
$L__BB0_2:
	ret;
}
";

    #[test]
    fn a_module_is_read_whole() {
        let module = parse(TEXT).unwrap();
        assert_eq!(module.variables.len(), 2);
        assert_eq!((module.variables[0].shared, module.variables[0].count), (true, None));
        assert_eq!(module.variables[1].value.as_deref(), Some("0d3FE0000000000000"));
        let kernel = &module.kernels[0];
        assert_eq!(kernel.parameters, ["twice_param_0", "twice_param_1"]);
        assert_eq!((kernel.shared[0].count, kernel.shared[0].element.kind), (Some(64), Kind::Bits));
        let found: Vec<&str> = kernel.instructions().map(|instruction| instruction.opcode.as_str()).collect();
        assert_eq!(
            found,
            ["ld.param.u64", "bra", "add.rn.f64", "mov.b64", "st.global.v2.f64", "shfl.sync.bfly.b32", "ret"]
        );
        let of = |at: usize| kernel.instructions().nth(at).unwrap();
        assert_eq!(of(1).guard, Some((1, false)));
        assert_eq!(of(2).operands[2], Operand::Float(0x3fe0_0000_0000_0000));
        let Operand::Address { offset, .. } = &of(4).operands[0] else { panic!() };
        assert_eq!(*offset, -16);
        assert!(matches!(of(5).operands[0], Operand::Pair(..)) && of(5).operands[4] == Operand::Integer(-1));
        assert!(matches!(&of(3).operands[0], Operand::Vector(parts) if parts[1] == Operand::Nothing));
        assert!(matches!(kernel.body.get(6), Some(Statement::Label(label)) if label == "$L__BB0_2"));
    }

    /// What CUDA's headers inline declares names of its own.
    #[test]
    fn a_register_within_braces_hides_the_one_outside_only_there() {
        let text = ".visible .entry k(\n)\n{\n.reg .pred %p<3>;\n.reg .b32 %r<3>;\nsetp.eq.u32 %p1, %r1, 0;\n{\n.reg .pred %p1;\n.reg .b32 tmp;\n\
                    setp.ne.u32 %p1, %r2, 0;\nbar.red.or.pred %p2, 0, %p1;\n}\n@%p1 ret;\nret;\n}\n";
        let module = parse(text).unwrap();
        let guard = module.kernels[0].instructions().nth(3).unwrap().guard;
        let inner = &module.kernels[0].instructions().nth(1).unwrap().operands[0];
        assert_eq!(guard, Some((1, true)));
        assert_eq!(*inner, Operand::Register(6));
        assert!(parse(&text.replace("ret;\n}\n", "ret;\n}\n}\n")).is_err());
    }

    #[test]
    fn what_is_not_understood_is_an_error_with_its_line() {
        for (line, instead) in [(17, ".reg .x9 %q<2>;"), (20, "@%q9 ret;"), (7, ".alias a, b;")] {
            let text: String = TEXT
                .lines()
                .enumerate()
                .map(|(at, l)| format!("{}\n", if at + 1 == line { instead } else { l }))
                .collect();
            let error = parse(&text).unwrap_err();
            assert_eq!((error.line, error.text.as_str()), (line, instead), "{error}");
        }
        assert!(parse(".visible .entry open(\n)\n{\n").is_err());
    }

    #[test]
    fn literals_are_read_as_they_are_written() {
        assert_eq!(constant("-7"), Some(Operand::Integer(-7)));
        assert_eq!(constant("0x1fU"), Some(Operand::Integer(31)));
        assert_eq!(constant("18446744073709551615"), Some(Operand::Integer(i128::from(u64::MAX))));
        assert_eq!(constant("0f3F800000"), Some(Operand::Float(0x3f80_0000)));
        assert_eq!(constant("0d3F8"), None);
        assert_eq!(constant("sums"), None);
    }
}
