//! Times that a GPU was seen to take, beside what the model says of the same launches: `crates/ptx/costs/measured.txt`.

use std::fs;
use std::path::Path;

use super::counts::Counts;
use super::model::{Card, Prediction, Scale, predict};
use super::resources::Resources;

/// A launch that was timed on a GPU, and the smaller one of the same kernel that is counted in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The kernel.
    pub kernel: String,
    /// Blocks of the counted launch along x, y and z.
    pub counted: [u32; 3],
    /// Blocks of the timed launch.
    pub scale: Scale,
    /// Registers of a thread then.
    pub registers: u32,
    /// Seconds.
    pub seconds: f64,
    /// Where the time is from.
    pub source: String,
}

/// A measured time with its predictions.
pub struct Compared {
    /// What was measured.
    pub measured: Measured,
    /// What the model says of that kernel; none if nothing of the kind was counted.
    pub predicted: Option<Prediction>,
    /// What it says of the kernel as it is now.
    pub now: Option<Prediction>,
}

/// The times in a file: a line each, in columns.
///
/// # Errors
/// A sentence with the file and the line that is wrong.
pub fn read(path: &Path) -> Result<Vec<Measured>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let wrong = |at: usize| {
        format!("{}, line {} is not KERNEL GRID BLOCKS WORK REGISTERS MICROSECONDS SOURCE", path.display(), at + 1)
    };
    lines.skip(1).map(|(at, line)| one(line).ok_or_else(|| wrong(at))).collect()
}

fn one(line: &str) -> Option<Measured> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [kernel, grid, blocks, work, registers, microseconds, source @ ..] = words.as_slice() else { return None };
    let grid: Vec<u32> = grid.split('x').map(str::parse).collect::<Result<_, _>>().ok()?;
    Some(Measured {
        kernel: (*kernel).into(),
        counted: grid.try_into().ok()?,
        scale: Scale { blocks: blocks.parse().ok()?, work: work.parse().ok()? },
        registers: registers.parse().ok()?,
        seconds: microseconds.parse::<f64>().ok()? / 1e6,
        source: source.join(" "),
    })
}

/// The model's times of all measured launches: by what was counted of the kernels `then`, and of those of `now`, in the same
/// runs of `scripts/kernel-meter`.
pub fn compare(
    card: &Card,
    measured: Vec<Measured>,
    then: &[Counts],
    now: &[Counts],
    resources: &Resources,
) -> Vec<Compared> {
    let one = |measured: Measured| {
        let shapes = |counts: &'_ [Counts]| {
            let mut own: Vec<Counts> = counts.iter().filter(|c| c.kernel == measured.kernel).cloned().collect();
            own.sort_by_key(|c| c.blocks / c.launches.max(1));
            own
        };
        let (then, now) = (shapes(then), shapes(now));
        let at = then.iter().position(|c| c.grid == measured.counted);
        let needs = |counts: &Counts| {
            let mut needs = resources.of(&measured.kernel, card.architecture)?;
            needs.shared_bytes += counts.dynamic_bytes;
            Some(needs)
        };
        let predicted = at.and_then(|at| {
            let mut needs = needs(&then[at])?;
            needs.registers = measured.registers;
            Some(predict(card, &then[at], needs, measured.scale))
        });
        // The same work, which may be in other blocks now.
        let now = at.filter(|_| then.len() == now.len()).and_then(|at| {
            let blocks = |counts: &Counts| counts.blocks as f64 / counts.launches.max(1) as f64;
            let scale =
                Scale { blocks: measured.scale.blocks * blocks(&now[at]) / blocks(&then[at]), ..measured.scale };
            Some(predict(card, &now[at], needs(&now[at])?, scale))
        });
        Compared { measured, predicted, now }
    };
    measured.into_iter().map(one).collect()
}
