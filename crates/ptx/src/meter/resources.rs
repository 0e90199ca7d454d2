//! What each kernel needs of a multiprocessor: `kernels/resources.txt`.

use std::fs;
use std::path::Path;

use super::model::Needs;

/// The table of all kernels.
#[derive(Debug, Clone, Default)]
pub struct Resources {
    /// Names of the columns.
    columns: Vec<String>,
    /// The kernel's name, then a number per column.
    rows: Vec<(String, Vec<u32>)>,
}

impl Resources {
    /// Reads the table.
    ///
    /// # Errors
    /// A sentence with the file, if it cannot be read or a line is not of the table.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let columns = words(lines.next().unwrap_or_default()).split_off(1);
        let row = |line: &str| {
            let words = words(line);
            let numbers: Vec<u32> = words[1..].iter().map(|word| word.parse()).collect::<Result<_, _>>().ok()?;
            (numbers.len() == columns.len()).then(|| (words[0].clone(), numbers))
        };
        let rows = lines.map(|line| row(line).ok_or_else(|| format!("{}: not a row of it: {line}", path.display())));
        Ok(Self { rows: rows.collect::<Result<_, _>>()?, columns })
    }

    /// What a kernel needs on an architecture, such as `sm_90`, without dynamic shared memory.
    pub fn of(&self, kernel: &str, architecture: &str) -> Option<Needs> {
        let (_, numbers) = self.rows.iter().find(|(name, _)| name == kernel)?;
        let column = |name: &str| self.columns.iter().position(|column| column == name).map(|at| numbers[at]);
        Some(Needs { registers: column(architecture)?, shared_bytes: column("shared_bytes")? })
    }
}
