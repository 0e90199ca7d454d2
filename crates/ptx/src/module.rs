//! A PTX module as data: its variables, its kernels, and their instructions.

use std::fmt;

/// What the bits of a value mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One truth value.
    Predicate,
    /// Bits without a meaning of their own.
    Bits,
    /// An unsigned integer.
    Unsigned,
    /// A signed integer.
    Signed,
    /// An IEEE 754 number.
    Float,
}

/// A type of PTX, such as `.u32` or `.f64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Type {
    /// What its bits mean.
    pub kind: Kind,
    /// How many they are; 1 for a predicate.
    pub bits: u32,
}

impl Type {
    /// The type with this name (without its dot). None if there is no such type.
    pub fn named(name: &str) -> Option<Self> {
        if name == "pred" {
            return Some(Self { kind: Kind::Predicate, bits: 1 });
        }
        let kind = match name.as_bytes().first()? {
            b'b' => Kind::Bits,
            b'u' => Kind::Unsigned,
            b's' => Kind::Signed,
            b'f' => Kind::Float,
            _ => return None,
        };
        let bits = name[1..].parse().ok()?;
        let known = match kind {
            Kind::Float => matches!(bits, 32 | 64),
            _ => matches!(bits, 8 | 16 | 32 | 64),
        };
        known.then_some(Self { kind, bits })
    }

    /// Bytes of a value in memory.
    pub fn bytes(self) -> usize {
        self.bits as usize / 8
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Predicate => f.write_str("pred"),
            Kind::Bits => write!(f, "b{}", self.bits),
            Kind::Unsigned => write!(f, "u{}", self.bits),
            Kind::Signed => write!(f, "s{}", self.bits),
            Kind::Float => write!(f, "f{}", self.bits),
        }
    }
}

/// A variable of a module or a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Whether it lies in a block's shared memory; if not, in the device's.
    pub shared: bool,
    /// The type of one element.
    pub element: Type,
    /// Number of elements; none for the launch's dynamic shared memory.
    pub count: Option<usize>,
    /// Its initial value, as written; none for zero and for shared memory.
    pub value: Option<String>,
}

/// A register of a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// Its name without the percent sign.
    pub name: String,
    /// Its type as declared. Instructions read the bits as they need them.
    pub kind: Type,
}

/// An operand of an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// A register, by its number in [`Kernel::registers`].
    Register(usize),
    /// The opposite of a predicate.
    Not(usize),
    /// A register of the device, such as `%tid.x`, without the percent sign.
    Special(String),
    /// An integer.
    Integer(i128),
    /// The bits of a number of 32 or 64 bits.
    Float(u64),
    /// A variable's address, or a label.
    Name(String),
    /// A place in memory.
    Address {
        /// A register or a name.
        base: Box<Operand>,
        /// In bytes.
        offset: i64,
    },
    /// `{a, b}`
    Vector(Vec<Operand>),
    /// `d|p`: a result and a predicate.
    Pair(usize, usize),
    /// `_`: a result that nobody needs.
    Nothing,
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// Its line in the text of the module, from 1.
    pub line: usize,
    /// It is executed only where this predicate has this value.
    pub guard: Option<(usize, bool)>,
    /// The name and its modifiers, such as `add.rn.f64`.
    pub opcode: String,
    /// The result first.
    pub operands: Vec<Operand>,
}

impl Instruction {
    /// The opcode's parts: its name, then the modifiers.
    pub fn parts(&self) -> Vec<&str> {
        self.opcode.split('.').flat_map(|part| part.split("::")).filter(|part| !part.is_empty()).collect()
    }

    /// The name without modifiers.
    pub fn name(&self) -> &str {
        self.opcode.split('.').next().unwrap_or_default()
    }

    /// Whether the opcode has this modifier.
    pub fn has(&self, modifier: &str) -> bool {
        self.parts().contains(&modifier)
    }

    /// The last modifier that names a type.
    pub fn kind(&self) -> Option<Type> {
        self.parts().iter().rev().find_map(|part| Type::named(part))
    }
}

/// A line of a kernel's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// Where branches go to.
    Label(String),
    /// Something to do.
    Instruction(Instruction),
}

/// A kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// Its name.
    pub name: String,
    /// Names of its parameters.
    pub parameters: Vec<String>,
    /// All registers that it declares.
    pub registers: Vec<Register>,
    /// Shared memory that it declares itself.
    pub shared: Vec<Variable>,
    /// What it does.
    pub body: Vec<Statement>,
}

impl Kernel {
    /// Its instructions in the order of the text.
    pub fn instructions(&self) -> impl Iterator<Item = &Instruction> {
        self.body.iter().filter_map(|statement| match statement {
            Statement::Instruction(instruction) => Some(instruction),
            Statement::Label(_) => None,
        })
    }
}

/// What NVRTC makes of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Variables outside of kernels.
    pub variables: Vec<Variable>,
    /// The kernels in the order of the text.
    pub kernels: Vec<Kernel>,
}
