//! The kernels' text and how one is named in a launch.

/// A kernel of `kernels/<file>.cu`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel {
    /// Without `.cu`.
    pub file: &'static str,
    pub name: &'static str,
    /// Whether its threads wait for each other (barriers, shuffles, votes). Without, emulation needs no stacks.
    pub barriers: bool,
}

/// How many threads a launch has, and what they share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Blocks along x, y and z.
    pub blocks: [u32; 3],
    /// Threads of a block, along x.
    pub threads: u32,
    /// Dynamic shared memory of a block.
    pub shared_bytes: u32,
}

impl Shape {
    /// One thread for each of `count` things: the last block's surplus threads must do nothing.
    pub fn one_thread_each(count: usize, threads: u32) -> Self {
        let blocks = count.div_ceil(threads as usize).min(u32::MAX as usize) as u32;
        Self { blocks: [blocks, 1, 1], threads, shared_bytes: 0 }
    }

    /// One block for each of `count` things.
    pub fn one_block_each(count: usize, threads: u32, shared_bytes: usize) -> Self {
        let small = |n: usize| n.min(u32::MAX as usize) as u32;
        Self { blocks: [small(count), 1, 1], threads, shared_bytes: small(shared_bytes) }
    }

    /// Blocks in all.
    pub fn block_count(&self) -> u64 {
        self.blocks.iter().map(|&n| u64::from(n)).product()
    }
}

/// A file of `kernels/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    pub name: &'static str,
    pub text: &'static str,
}

macro_rules! sources {
    ($($name:literal),* $(,)?) => {
        &[$(Source { name: $name, text: include_str!(concat!("../../../kernels/", $name)) }),*]
    };
}

/// What kernels include.
const HEADERS: &[Source] = sources![
    "arith.cuh",
    "bins.cuh",
    "boost.cuh",
    "boost_levels.cuh",
    "boost_rows.cuh",
    "boost_split.cuh",
    "device.cuh",
    "features.cuh",
    "trade.cuh",
    "votes.cuh"
];

/// Every file that holds kernels.
pub const FILES: &[Source] = sources![
    "bins.cu",
    "bins_large.cu",
    "boost.cu",
    "boost_levels.cu",
    "boost_rounds.cu",
    "features.cu",
    "labels.cu",
    "predict.cu",
    "recurrences.cu",
    "selftest.cu",
    "shadow.cu",
    "votes.cu",
];

/// The text of `file` (without `.cu`) with what it includes in place, each once; none where there is no such file.
pub fn whole_text(file: &str) -> Option<String> {
    let source = FILES.iter().find(|source| source.name.strip_suffix(".cu") == Some(file))?;
    let mut out = String::new();
    let mut included = Vec::new();
    write_with_includes(source, &mut included, &mut out);
    Some(out)
}

fn write_with_includes(source: &Source, included: &mut Vec<&'static str>, out: &mut String) {
    use std::fmt::Write;
    included.push(source.name);
    let marker = |line: usize, out: &mut String| {
        // So that the compiler's messages name the file that one can open.
        let _ = writeln!(out, "#line {line} \"{}\"", source.name);
    };
    marker(1, out);
    for (i, line) in source.text.lines().enumerate() {
        let name = line.strip_prefix("#include \"").and_then(|rest| rest.strip_suffix('"'));
        match name.and_then(|name| HEADERS.iter().find(|header| header.name == name)) {
            Some(header) => {
                if !included.contains(&header.name) {
                    write_with_includes(header, included, out);
                }
                marker(i + 2, out);
            }
            None if line == "#pragma once" => out.push('\n'),
            None => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
}

/// The value of `constexpr … name = …;` in a file of `kernels/`: how a test compares a constant with its Rust twin.
/// Literals with C++ suffixes are understood, and quotients of two.
pub fn kernel_constant(file: &str, name: &str) -> Option<f64> {
    let source = FILES.iter().chain(HEADERS).find(|source| source.name == file)?;
    let value = source.text.lines().find_map(|line| {
        let (declared, value) = line.trim().strip_prefix("constexpr ")?.split_once('=')?;
        let declared = declared.split_whitespace().next_back()?;
        (declared == name).then(|| value.split(';').next().unwrap_or_default().trim())
    })?;
    let number = |text: &str| text.trim().trim_end_matches(['u', 'f', 'U', 'L']).parse::<f64>().ok();
    match value.split_once('/') {
        Some((dividend, divisor)) => Some(number(dividend)? / number(divisor)?),
        None => number(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_is_in_the_text_once_and_lines_keep_their_numbers() {
        for file in FILES {
            let text = whole_text(file.name.strip_suffix(".cu").unwrap()).unwrap();
            assert_eq!(text.matches("DEVICE double uniform(").count(), 1, "{}", file.name);
            assert!(!text.contains("#include \"arith") && !text.contains("#include \"device"));
            let lines: Vec<&str> = text.lines().collect();
            for (at, line) in lines.iter().enumerate() {
                let Some((number, name)) = line.strip_prefix("#line ").and_then(|rest| rest.split_once(' ')) else {
                    continue;
                };
                let source = FILES.iter().chain(HEADERS).find(|source| name == format!("\"{}\"", source.name)).unwrap();
                let meant = source.text.lines().nth(number.parse::<usize>().unwrap() - 1).unwrap_or_default();
                let found = lines[at + 1];
                assert!(found == meant || found.starts_with("#line"), "{name}, line {number}: {found}");
            }
        }
        assert_eq!(whole_text("nonsense"), None);
    }

    #[test]
    fn every_file_of_the_folder_is_known() {
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../kernels")).unwrap();
        let mut found: Vec<String> = folder
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|n| n.contains(".cu"))
            .collect();
        let mut known: Vec<String> = FILES.iter().chain(HEADERS).map(|source| source.name.to_owned()).collect();
        found.sort();
        known.sort();
        assert_eq!(found, known);
    }

    #[test]
    fn constants_are_read_from_the_text() {
        assert_eq!(kernel_constant("boost.cuh", "LANES"), Some(16.0));
        assert_eq!(kernel_constant("boost.cuh", "NO_SUCH_CONSTANT"), None);
        assert_eq!(kernel_constant("no_such_file.cuh", "LANES"), None);
    }

    #[test]
    fn surplus_threads_fill_the_last_block() {
        assert_eq!(Shape::one_thread_each(257, 128).blocks, [3, 1, 1]);
        assert_eq!(Shape::one_thread_each(0, 128).block_count(), 0);
    }
}
