//! One C++ statement per instruction.
//!
//! Meanings are those of NVIDIA's "PTX ISA", 8.8 to 9.0. What depends on a mode that the kernels must not use (flushing of
//! subnormal numbers, approximations, rounding other than to nearest) has no translation.

use crate::module::{Instruction, Kind, Operand, Type};

use super::{Context, cpp, label, unsigned};

pub(super) const U32: Type = Type { kind: Kind::Unsigned, bits: 32 };
const PREDICATE: Type = Type { kind: Kind::Predicate, bits: 1 };

/// The statement of an instruction, without its guard.
pub(super) fn statement(context: &Context<'_>, instruction: &Instruction) -> Result<String, String> {
    let parts = instruction.parts();
    let one = One { context, instruction, parts: &parts };
    match instruction.name() {
        "bra" => match one.operand(0)? {
            Operand::Name(name) => Ok(format!("goto {};", label(name))),
            _ => Err("a branch to no label".into()),
        },
        "ret" | "exit" => Ok("return;".into()),
        "bar" | "barrier" => one.barrier(),
        "ld" | "ldu" => one.load(),
        "st" => one.store(),
        "atom" | "red" => one.atomic(),
        "mov" => one.copy(),
        "cvta" => one.put_value(|one, kind| one.value(1, kind)),
        "cvt" => one.convert(),
        "setp" => one.compare(),
        "selp" => one.put_value(|one, kind| {
            let (yes, no) = (one.value(1, kind)?, one.value(2, kind)?);
            Ok(format!("{} ? {yes} : {no}", one.value(3, PREDICATE)?))
        }),
        "shfl" => one.shuffle(),
        "vote" => one.vote(),
        "redux" => one.reduce(),
        "membar" | "fence" => Ok("__threadfence();".into()),
        _ => one.arithmetic(),
    }
}

/// An instruction that is being translated.
struct One<'a> {
    context: &'a Context<'a>,
    instruction: &'a Instruction,
    parts: &'a [&'a str],
}

impl One<'_> {
    fn operand(&self, at: usize) -> Result<&Operand, String> {
        self.instruction.operands.get(at).ok_or_else(|| format!("operand {at} is missing"))
    }

    fn value(&self, at: usize, kind: Type) -> Result<String, String> {
        self.context.value(self.operand(at)?, kind)
    }

    fn kind(&self) -> Result<Type, String> {
        self.instruction.kind().ok_or_else(|| "it has no type".into())
    }

    /// The modifiers between the name and `kinds` types at the end.
    fn modifiers(&self, kinds: usize) -> &[&str] {
        &self.parts[1..self.parts.len().saturating_sub(kinds).max(1)]
    }

    fn put_value(&self, value: impl Fn(&Self, Type) -> Result<String, String>) -> Result<String, String> {
        let kind = self.kind()?;
        self.context.put(self.operand(0)?, &value(self, kind)?, kind)
    }

    fn line(&self) -> usize {
        self.instruction.line
    }

    fn barrier(&self) -> Result<String, String> {
        let line = self.line();
        match self.modifiers(0) {
            ["warp", "sync"] => {
                Ok(format!("(void)huracan::together(huracan::Vote::Sync, {}, 0, 0, {line});", self.value(0, U32)?))
            }
            ["sync"] | ["sync", "aligned"] | ["cta", "sync"] | ["cta", "sync", "aligned"]
                if self.instruction.operands == [Operand::Integer(0)] =>
            {
                Ok(format!("(void)huracan::barrier(0, {line});"))
            }
            ["red", how @ ("and" | "or"), "pred"] => {
                let (not, all) = if *how == "and" { ("!", "== 0") } else { ("", "!= 0") };
                let value = format!("(huracan::barrier({not}({}), {line}) {all})", self.value(2, PREDICATE)?);
                self.context.put(self.operand(0)?, &value, PREDICATE)
            }
            ["red", "popc", "u32"] => {
                let value = format!("huracan::barrier({}, {line})", self.value(2, PREDICATE)?);
                self.context.put(self.operand(0)?, &value, U32)
            }
            _ => Err("this barrier is not known".into()),
        }
    }

    /// Whether the modifiers of a load or store are known; how wide a vector it moves.
    fn memory(&self) -> Result<usize, String> {
        let mut wide = 1;
        for modifier in self.modifiers(1) {
            match *modifier {
                "v2" => wide = 2,
                "v4" => wide = 4,
                // Where a value is kept on the way changes nothing of it.
                "global" | "shared" | "cta" | "nc" | "volatile" | "relaxed" | "gpu" | "param" | "ca" | "cg" | "L1"
                | "L2" | "no_allocate" | "128B" | "64B" | "256B" => {}
                other => return Err(format!(".{other} is not known")),
            }
        }
        Ok(wide)
    }

    /// Where a load or store begins, as a statement that declares `at`.
    fn place(&self, at: usize) -> Result<String, String> {
        Ok(format!("const std::uint64_t at = {};", self.context.address(self.operand(at)?)?))
    }

    fn load(&self) -> Result<String, String> {
        let (kind, wide) = (self.kind()?, self.memory()?);
        let place = if self.instruction.has("param") { self.parameter()? } else { self.place(1)? };
        let single = [self.operand(0)?.clone()];
        let results = match self.operand(0)? {
            Operand::Vector(parts) => parts.as_slice(),
            _ => &single,
        };
        if results.len() != wide {
            return Err("the vector has another width".into());
        }
        let mut out = format!("{{ {place}");
        // All are read before the first is stored: the address may be in one of the registers, but `at` is a copy.
        for (k, result) in results.iter().enumerate() {
            let value = format!("ptx::load<{}>(at + {})", cpp(kind), k * kind.bytes());
            out += &format!(" {}", self.context.put(result, &value, kind)?);
        }
        Ok(out + " }")
    }

    /// Where a kernel's parameter lies.
    fn parameter(&self) -> Result<String, String> {
        let Operand::Address { base, offset } = self.operand(1)? else { return Err("no parameter".into()) };
        let Operand::Name(name) = &**base else { return Err("no parameter".into()) };
        let number = self.context.kernel.parameters.iter().position(|parameter| parameter == name);
        let number = number.ok_or_else(|| format!("{name} is no parameter"))?;
        Ok(format!("const std::uint64_t at = reinterpret_cast<std::uint64_t>(parameters[{number}]) + {offset};"))
    }

    fn store(&self) -> Result<String, String> {
        let (kind, wide) = (self.kind()?, self.memory()?);
        let single = [self.operand(1)?.clone()];
        let values = match self.operand(1)? {
            Operand::Vector(parts) => parts.as_slice(),
            _ => &single,
        };
        if values.len() != wide {
            return Err("the vector has another width".into());
        }
        let mut out = format!("{{ {}", self.place(0)?);
        for (k, value) in values.iter().enumerate() {
            let value = self.context.value(value, kind)?;
            out += &format!(" ptx::store<{}>(at + {}, {value});", cpp(kind), k * kind.bytes());
        }
        Ok(out + " }")
    }

    fn atomic(&self) -> Result<String, String> {
        let kind = self.kind()?;
        let result = usize::from(self.instruction.name() == "atom");
        let mut function = None;
        for modifier in self.modifiers(1) {
            function = match *modifier {
                "global" | "shared" | "cta" | "gpu" | "relaxed" => function,
                "add" => Some("atomicAdd"),
                "min" => Some("atomicMin"),
                "max" => Some("atomicMax"),
                "or" => Some("atomicOr"),
                "and" => Some("atomicAnd"),
                "exch" => Some("atomicExch"),
                "cas" => Some("atomicCAS"),
                other => return Err(format!(".{other} is not known")),
            };
        }
        let function = function.ok_or("it has no operation")?;
        let place = self.context.address(self.operand(result)?)?;
        let mut values = Vec::new();
        for at in result + 1..self.instruction.operands.len() {
            values.push(self.value(at, kind)?);
        }
        let call = format!("{function}(reinterpret_cast<{}*>{place}, {})", cpp(kind), values.join(", "));
        if kind.kind == Kind::Float {
            return Err("sums that threads share are sums of integers".into());
        }
        if result == 0 { Ok(format!("(void){call};")) } else { self.context.put(self.operand(0)?, &call, kind) }
    }

    /// `mov`, which also takes pairs apart and puts them together.
    fn copy(&self) -> Result<String, String> {
        let kind = self.kind()?;
        let part = |count: usize| Type { kind: Kind::Unsigned, bits: kind.bits / count.max(1) as u32 };
        if let Operand::Vector(results) = self.operand(0)? {
            let (part, mut out) =
                (part(results.len()), format!("{{ const {} whole = {};", cpp(kind), self.value(1, kind)?));
            for (k, result) in results.iter().enumerate() {
                let value = format!("(whole >> {})", k as u32 * part.bits);
                let named =
                    self.context.put(result, &value, part).or_else(|_| self.float_part(result, &value, part))?;
                out += &format!(" {named}");
            }
            return Ok(out + " }");
        }
        if let Operand::Vector(values) = self.operand(1)? {
            let part = part(values.len());
            let mut terms = Vec::new();
            for (k, value) in values.iter().enumerate() {
                let value = self.context.value(value, part)?;
                terms.push(format!("static_cast<{}>({value}) << {}", cpp(kind), k as u32 * part.bits));
            }
            return self.context.put(self.operand(0)?, &format!("({})", terms.join(" | ")), kind);
        }
        self.put_value(|one, kind| one.value(1, kind))
    }

    /// A part of a pair in a register that was declared for numbers.
    fn float_part(&self, result: &Operand, value: &str, part: Type) -> Result<String, String> {
        let float = Type { kind: Kind::Float, ..part };
        let value = format!("ptx::bits<{}>(static_cast<{}>({value}))", cpp(float), cpp(part));
        self.context.put(result, &value, float)
    }

    fn convert(&self) -> Result<String, String> {
        let to = self.parts.iter().rev().nth(1).and_then(|part| Type::named(part)).ok_or("it has one type only")?;
        let from = self.kind()?;
        let value = self.value(1, from)?;
        let float = |kind: Type| kind.kind == Kind::Float;
        let value = match (float(to), float(from), self.modifiers(2)) {
            (true, true, ["rn"] | []) => format!("ptx::number(static_cast<{}>({value}))", cpp(to)),
            (true, false, ["rn"]) => format!("static_cast<{}>({value})", cpp(to)),
            (false, true, ["rzi"]) => format!("ptx::truncate<{}>({value})", cpp(to)),
            (false, false, []) => format!("static_cast<{}>({value})", cpp(to)),
            _ => return Err("this conversion is not known".into()),
        };
        self.context.put(self.operand(0)?, &value, to)
    }

    fn compare(&self) -> Result<String, String> {
        let kind = self.kind()?;
        let [how] = self.modifiers(1) else { return Err("this comparison is not known".into()) };
        let (a, b) = (self.value(1, kind)?, self.value(2, kind)?);
        let unordered = format!("ptx::unordered({a}, {b})");
        let float = kind.kind == Kind::Float;
        let value = match *how {
            "eq" => format!("{a} == {b}"),
            "ne" if float => format!("!{unordered} && {a} != {b}"),
            "ne" => format!("{a} != {b}"),
            "lt" | "lo" => format!("{a} < {b}"),
            "le" | "ls" => format!("{a} <= {b}"),
            "gt" | "hi" => format!("{a} > {b}"),
            "ge" | "hs" => format!("{a} >= {b}"),
            "equ" => format!("{unordered} || {a} == {b}"),
            "neu" => format!("!({a} == {b})"),
            "ltu" => format!("!({a} >= {b})"),
            "leu" => format!("!({a} > {b})"),
            "gtu" => format!("!({a} <= {b})"),
            "geu" => format!("!({a} < {b})"),
            "num" => format!("!{unordered}"),
            "nan" => unordered,
            _ => return Err("this comparison is not known".into()),
        };
        self.context.put(self.operand(0)?, &value, PREDICATE)
    }

    fn shuffle(&self) -> Result<String, String> {
        let ["sync", mode @ ("idx" | "up" | "down" | "bfly"), "b32"] = self.modifiers(0) else {
            return Err("this shuffle is not known".into());
        };
        let result = self.operand(0)?;
        let inside = match result {
            Operand::Pair(_, predicate) => format!("&r{predicate}"),
            _ => "nullptr".into(),
        };
        let values: Vec<String> = (1..5).map(|at| self.value(at, U32)).collect::<Result<_, _>>()?;
        let value = format!("ptx::shuffle<ptx::Lane::{mode}>({}, {inside}, {})", values.join(", "), self.line());
        self.context.put(result, &value, U32)
    }

    fn vote(&self) -> Result<String, String> {
        let ["sync", how, _] = self.modifiers(0) else { return Err("this vote is not known".into()) };
        let (line, mask) = (self.line(), self.value(2, U32)?);
        let ballot = |not: &str, value: &str| {
            format!("huracan::together(huracan::Vote::Ballot, {mask}, {not}({value}), 0, {line})")
        };
        let value = self.value(1, PREDICATE)?;
        match *how {
            "ballot" => self.context.put(self.operand(0)?, &ballot("", &value), U32),
            "any" => self.context.put(self.operand(0)?, &format!("({} != 0)", ballot("", &value)), PREDICATE),
            "all" => self.context.put(self.operand(0)?, &format!("({} == 0)", ballot("!", &value)), PREDICATE),
            _ => Err("this vote is not known".into()),
        }
    }

    fn reduce(&self) -> Result<String, String> {
        let how = match self.modifiers(1) {
            ["sync", "add"] => "Add",
            ["sync", "min"] => "Min",
            ["sync", "max"] => "Max",
            ["sync", "or"] => "Or",
            _ => return Err("this reduction is not known".into()),
        };
        if !matches!(self.kind()?, Type { kind: Kind::Unsigned | Kind::Bits, bits: 32 }) {
            return Err("reductions are of unsigned integers".into());
        }
        let (mask, value) = (self.value(2, U32)?, self.value(1, U32)?);
        let value = format!("huracan::together(huracan::Vote::{how}, {mask}, {value}, 0, {})", self.line());
        self.context.put(self.operand(0)?, &value, U32)
    }

    fn arithmetic(&self) -> Result<String, String> {
        let kind = self.kind()?;
        if kind.kind == Kind::Float { self.numbers(kind) } else { self.integers(kind) }
    }

    /// Arithmetic of numbers. It must round to nearest and keep subnormal numbers.
    fn numbers(&self, kind: Type) -> Result<String, String> {
        let float = |at| self.value(at, kind);
        let value = match (self.instruction.name(), self.modifiers(1)) {
            ("add", ["rn"]) => format!("{} + {}", float(1)?, float(2)?),
            ("sub", ["rn"]) => format!("{} - {}", float(1)?, float(2)?),
            ("mul", ["rn"]) => format!("{} * {}", float(1)?, float(2)?),
            ("div", ["rn"]) => format!("{} / {}", float(1)?, float(2)?),
            ("rcp", ["rn"]) => format!("static_cast<{}>(1) / {}", cpp(kind), float(1)?),
            ("sqrt", ["rn"]) => format!("ptx::root({})", float(1)?),
            // Kernels must not have it; the control that shows what it does to the bits needs it.
            ("fma", ["rn"]) => format!("ptx::fused({}, {}, {})", float(1)?, float(2)?, float(3)?),
            // These only change the sign, also that of a NaN.
            ("neg", []) => format!("-{}", float(1)?),
            ("abs", []) => format!("ptx::absolute({})", float(1)?),
            ("min", []) => return self.put_value(|_, _| Ok(format!("ptx::least({}, {})", float(1)?, float(2)?))),
            ("max", []) => return self.put_value(|_, _| Ok(format!("ptx::most({}, {})", float(1)?, float(2)?))),
            _ => return Err("this arithmetic is not known".into()),
        };
        self.put_value(|_, _| Ok(format!("ptx::number({value})")))
    }

    fn integers(&self, kind: Type) -> Result<String, String> {
        // Sums and products wrap around, which signed integers must not in C++.
        let (exact, wrapping) = (|at| self.value(at, kind), |at| self.value(at, unsigned(kind)));
        let wide = Type { bits: kind.bits * 2, ..kind };
        let widened = |at| self.value(at, kind).map(|value| format!("static_cast<{}>({value})", cpp(wide)));
        let name = self.instruction.name();
        let result = match (name, self.modifiers(1)) {
            ("mul" | "mad", ["wide"]) => wide,
            ("popc" | "clz", _) => U32,
            _ => kind,
        };
        let value = match (name, self.modifiers(1)) {
            ("add", []) => format!("{} + {}", wrapping(1)?, wrapping(2)?),
            ("sub", []) => format!("{} - {}", wrapping(1)?, wrapping(2)?),
            ("mul", ["lo"]) => format!("ptx::product({}, {})", wrapping(1)?, wrapping(2)?),
            ("mad", ["lo"]) => format!("ptx::product({}, {}) + {}", wrapping(1)?, wrapping(2)?, wrapping(3)?),
            ("mul", ["hi"]) => format!("ptx::high({}, {})", exact(1)?, exact(2)?),
            ("mul", ["wide"]) => format!("{} * {}", widened(1)?, widened(2)?),
            ("mad", ["wide"]) => {
                let third = self.value(3, unsigned(wide))?;
                format!("static_cast<{}>({} * {}) + {third}", cpp(unsigned(wide)), widened(1)?, widened(2)?)
            }
            ("div", []) => format!("ptx::quotient({}, {})", exact(1)?, exact(2)?),
            ("rem", []) => format!("ptx::remainder({}, {})", exact(1)?, exact(2)?),
            ("neg", []) => format!("{}(0) - {}", cpp(unsigned(kind)), wrapping(1)?),
            ("abs", []) => format!("({} < 0 ? 0 - {} : {})", exact(1)?, wrapping(1)?, wrapping(1)?),
            ("min", []) => format!("ptx::least({}, {})", exact(1)?, exact(2)?),
            ("max", []) => format!("ptx::most({}, {})", exact(1)?, exact(2)?),
            ("and", []) => format!("{} & {}", exact(1)?, exact(2)?),
            ("or", []) => format!("{} | {}", exact(1)?, exact(2)?),
            ("xor", []) => format!("{} ^ {}", exact(1)?, exact(2)?),
            ("not", []) if kind == PREDICATE => format!("!({})", exact(1)?),
            ("not", []) => format!("~{}", exact(1)?),
            ("shl", []) => format!("ptx::left({}, {})", exact(1)?, self.value(2, U32)?),
            ("shr", []) => format!("ptx::right({}, {})", exact(1)?, self.value(2, U32)?),
            ("popc", []) => format!("__builtin_popcountll({})", wrapping(1)?),
            ("clz", []) => format!("ptx::leading_zeros({})", wrapping(1)?),
            ("brev", []) => format!("ptx::reversed({})", wrapping(1)?),
            ("bfi", []) => {
                format!("ptx::insert({}, {}, {}, {})", exact(1)?, exact(2)?, self.value(3, U32)?, self.value(4, U32)?)
            }
            ("bfe", []) if kind.kind != Kind::Signed => {
                format!("ptx::extract({}, {}, {})", exact(1)?, self.value(2, U32)?, self.value(3, U32)?)
            }
            ("prmt", []) => format!("ptx::permute({}, {}, {})", exact(1)?, exact(2)?, exact(3)?),
            _ => return Err("this arithmetic is not known".into()),
        };
        self.context.put(self.operand(0)?, &value, result)
    }
}
