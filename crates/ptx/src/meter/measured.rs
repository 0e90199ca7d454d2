//! Times that a GPU was seen to take, beside what the model says of the same launches: `kernels/measured.txt`.

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

/// A measured time with its prediction.
pub struct Compared {
    /// What was measured.
    pub measured: Measured,
    /// What the model says; none if nothing of the kind was counted.
    pub predicted: Option<Prediction>,
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

/// The model's times of all measured launches.
pub fn compare(card: &Card, measured: Vec<Measured>, counts: &[Counts], resources: &Resources) -> Vec<Compared> {
    let one = |measured: Measured| {
        let counted = counts.iter().find(|c| c.kernel == measured.kernel && c.grid == measured.counted);
        let predicted = counted.and_then(|counts| {
            let mut needs = resources.of(&measured.kernel, card.architecture)?;
            (needs.registers, needs.shared_bytes) = (measured.registers, needs.shared_bytes + counts.dynamic_bytes);
            Some(predict(card, counts, needs, measured.scale))
        });
        Compared { measured, predicted }
    };
    measured.into_iter().map(one).collect()
}
