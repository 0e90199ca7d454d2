//! The counting in translated kernels; `kernels/emulated/meter.h` is its other half.
//!
//! Each register has a second variable, the cycle at which its value is there, and a third, how many loads that depend on
//! each other led to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::meter::costs::{CLASSES, cost, cycles};
use crate::module::{Instruction, Kernel, Operand, Statement};

use super::Context;

/// What is counted in a kernel.
pub(super) struct Meter<'a> {
    kernel: &'a Kernel,
    /// The number of the stretch that begins at a statement.
    begins: BTreeMap<usize, usize>,
    /// Machine instructions of each stretch, by class.
    stretches: Vec<[u32; CLASSES]>,
    /// The last statements of stretches.
    ends: BTreeSet<usize>,
    /// The first line of each.
    lines: Vec<usize>,
    /// The number of the site at a statement.
    sites: BTreeMap<usize, usize>,
}

impl<'a> Meter<'a> {
    pub(super) fn new(kernel: &'a Kernel) -> Self {
        let (mut begins, mut stretches, mut sites) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
        let (mut lines, mut ends, mut newest) = (Vec::new(), BTreeSet::new(), None);
        let mut open = false;
        for (at, statement) in kernel.body.iter().enumerate() {
            match statement {
                Statement::Label(_) => {
                    open = false;
                    ends.extend(newest.take());
                }
                Statement::Instruction(instruction) => {
                    if !open {
                        begins.insert(at, stretches.len());
                        stretches.push([0; CLASSES]);
                        lines.push(instruction.line);
                    }
                    if let Some(stretch) = stretches.last_mut() {
                        for (count, of) in stretch.iter_mut().zip(cost(instruction).instructions) {
                            *count += u32::from(of);
                        }
                    }
                    if touches_memory(instruction) {
                        sites.insert(at, sites.len());
                    }
                    // What follows a wait belongs to the next interval.
                    open = !matches!(instruction.name(), "bra" | "ret" | "exit") && !waits(instruction);
                    newest = Some(at);
                    if !open {
                        ends.extend(newest.take());
                    }
                }
            }
        }
        Self { kernel, begins, stretches, ends, lines, sites }
    }

    /// The kernel's tables, ahead of its function.
    pub(super) fn tables(&self) -> String {
        let name = &self.kernel.name;
        let mut out = format!("static const huracan::meter::Stretch stretches_{name}[] = {{\n");
        for (stretch, line) in self.stretches.iter().zip(&self.lines) {
            let counts: Vec<String> = stretch.iter().map(u32::to_string).collect();
            let _ = writeln!(out, "    {{{{{}}}, {line}}},", counts.join(", "));
        }
        let _ = writeln!(out, "}};\nstatic const huracan::meter::Site sites_{name}[] = {{");
        for &at in self.sites.keys() {
            if let Statement::Instruction(instruction) = &self.kernel.body[at] {
                let _ = writeln!(out, "    {},", site(instruction));
            }
        }
        let latencies = [cycles::SHARED, cycles::L1, cycles::L2, cycles::MEMORY, cycles::WAVEFRONT, cycles::BARRIER];
        let latencies: Vec<String> = latencies.iter().map(u32::to_string).collect();
        let _ = writeln!(
            out,
            "    {{}}\n}};\nstatic const huracan::meter::Kernel kernel_{name} = {{\"{name}\", {}, {}, stretches_{name}, sites_{name}, {{{}}}}};\n",
            self.stretches.len(),
            self.sites.len(),
            latencies.join(", ")
        );
        out
    }

    /// Variables at the start of the function.
    pub(super) fn declarations(&self) -> String {
        let mut out = format!(
            "    huracan::meter::Thread& meter = huracan::meter::begin(kernel_{});\n    std::uint32_t now = 0, start = 0, last = 0, chain = 0;\n",
            self.kernel.name
        );
        for at in 0..self.kernel.registers.len() {
            let _ = writeln!(out, "    std::uint32_t c{at} = 0, d{at} = 0;");
        }
        out
    }

    /// What a thread does where a stretch begins.
    pub(super) fn enter(&self, at: usize) -> String {
        self.begins
            .get(&at)
            .map(|number| format!("    huracan::meter::enter(meter, {number}, now);\n"))
            .unwrap_or_default()
    }

    /// What comes before an instruction's statement and its guard, and the statement with its counting.
    pub(super) fn count(
        &self,
        context: &Context<'_>,
        at: usize,
        instruction: &Instruction,
        text: String,
    ) -> Result<(String, String), String> {
        let (results, sources) = registers(instruction);
        let cost = cost(instruction);
        let list = |letter: &str| sources.iter().map(|number| format!(", {letter}{number}")).collect::<String>();
        // The assembler puts what does not depend on each other into the best order, but not across what has effects; and
        // all of a stretch is issued before its last instruction.
        let mut before =
            format!("start = huracan::meter::later(now{}); last = huracan::meter::later(last, start); ", list("c"));
        if has_effects(instruction) {
            before.push_str("now = start; ");
        }
        if self.ends.contains(&at) {
            before.push_str("now = start = huracan::meter::later(now, last); ");
        }
        if matches!(instruction.name(), "ret" | "exit") {
            return Ok((before, format!("huracan::meter::end(meter, now, chain); {text}")));
        }
        let depth = format!("huracan::meter::later(0{})", list("d"));
        let _ = write!(before, "now += {}; ", cost.total());
        let mut after = String::new();
        let mut ready = format!("start + {}", cost.latency.max(cost.total()));
        let mut within = String::new();
        if let Some(site) = self.sites.get(&at) {
            let place = operand_in_memory(instruction).ok_or("it has no address")?;
            let address = context.address(&instruction.operands[place])?;
            within = format!(
                "const std::uint32_t cycles = huracan::meter::access(meter, {site}, {address}); (void)cycles; "
            );
            ready = "start + cycles".into();
        }
        if let Some(mask) = lanes(instruction) {
            ready = format!("now + {}", cost.latency);
            let mask = match mask {
                Some(mask) => format!(", {}", context.value(mask, super::operations::U32)?),
                None => String::new(),
            };
            within = format!("huracan::meter::arrive(meter, now{mask}); ");
            after = format!(" now = huracan::meter::leave(meter{mask});");
        }
        let loads = u32::from(self.sites.contains_key(&at));
        for (k, result) in results.iter().enumerate() {
            if k == 0 {
                let _ =
                    write!(after, " d{result} = {depth} + {loads}; chain = huracan::meter::later(chain, d{result});");
            } else {
                let _ = write!(after, " d{result} = d{};", results[0]);
            }
            let _ = write!(after, " c{result} = {ready};");
        }
        if within.is_empty() && after.is_empty() {
            return Ok((before, text));
        }
        Ok((before, format!("{{ {within}{text}{after} }}")))
    }
}

/// Whether it is counted as an access to memory.
fn touches_memory(instruction: &Instruction) -> bool {
    matches!(instruction.name(), "ld" | "ldu" | "st" | "atom" | "red") && !instruction.has("param")
}

/// Whether other instructions keep their place before or after it.
fn has_effects(instruction: &Instruction) -> bool {
    matches!(instruction.name(), "st" | "atom" | "red" | "membar" | "fence" | "bra" | "ret" | "exit")
        || waits(instruction)
}

/// Whether a thread waits there for others.
fn waits(instruction: &Instruction) -> bool {
    lanes(instruction).is_some()
}

/// Whose arrival an instruction waits for: the block's, or that of the lanes in an operand.
fn lanes(instruction: &Instruction) -> Option<Option<&Operand>> {
    let operands = &instruction.operands;
    match instruction.name() {
        "bar" | "barrier" if instruction.has("warp") => Some(operands.first()),
        "bar" | "barrier" => Some(None),
        "shfl" => Some(operands.get(4)),
        "vote" | "redux" => Some(operands.get(2)),
        _ => None,
    }
}

fn site(instruction: &Instruction) -> String {
    let space =
        ["Shared", "Global"].into_iter().find(|space| instruction.has(&space.to_lowercase())).unwrap_or("Generic");
    let access = match instruction.name() {
        "ld" | "ldu" => "Load",
        "st" => "Store",
        _ => "Atomic",
    };
    let vector = ["v2", "v4"].into_iter().position(|wide| instruction.has(wide)).map_or(1, |at| 2 << at);
    let bytes = instruction.kind().map_or(4, |kind| kind.bytes() * vector);
    format!("{{huracan::meter::Space::{space}, huracan::meter::Access::{access}, {bytes}}}")
}

fn operand_in_memory(instruction: &Instruction) -> Option<usize> {
    instruction.operands.iter().position(|operand| matches!(operand, Operand::Address { .. }))
}

/// The registers that an instruction sets, and those that it reads.
fn registers(instruction: &Instruction) -> (Vec<usize>, BTreeSet<usize>) {
    fn collect(operand: &Operand, into: &mut Vec<usize>) {
        match operand {
            Operand::Register(number) | Operand::Not(number) => into.push(*number),
            Operand::Pair(first, second) => into.extend([*first, *second]),
            Operand::Vector(parts) => parts.iter().for_each(|part| collect(part, into)),
            Operand::Address { base, .. } => collect(base, into),
            Operand::Special(_) | Operand::Integer(_) | Operand::Float(_) | Operand::Name(_) | Operand::Nothing => {}
        }
    }
    let nothing = matches!(instruction.name(), "st" | "red" | "bra" | "ret" | "exit" | "membar" | "fence")
        || (matches!(instruction.name(), "bar" | "barrier") && !instruction.has("red"));
    let (mut results, mut sources) = (Vec::new(), Vec::new());
    for (at, operand) in instruction.operands.iter().enumerate() {
        collect(operand, if at == 0 && !nothing { &mut results } else { &mut sources });
    }
    sources.extend(instruction.guard.map(|(predicate, _)| predicate));
    (results, sources.into_iter().collect())
}
