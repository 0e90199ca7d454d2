//! The source code of the kernels, the names of kernels in launches, and constants read from the source.

/// A kernel in `kernels/<file>.cu`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel {
    /// Name of the file, without `.cu`.
    pub file: &'static str,
    /// Name of the kernel.
    pub name: &'static str,
    /// Whether its threads wait for each other (barriers, shuffles, votes). If not, the emulated device runs them as plain
    /// loops, without a stack per thread.
    pub barriers: bool,
}

/// The shape of a launch: its blocks, their threads, and their shared memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Blocks along x, y and z.
    pub blocks: [u32; 3],
    /// Threads per block, along x.
    pub threads: u32,
    /// Dynamic shared memory per block.
    pub shared_bytes: u32,
}

impl Shape {
    /// One thread per item. The last block may have surplus threads, which must do nothing.
    pub fn one_thread_each(count: usize, threads: u32) -> Self {
        let blocks = count.div_ceil(threads as usize).min(u32::MAX as usize) as u32;
        Self { blocks: [blocks, 1, 1], threads, shared_bytes: 0 }
    }

    /// One block per item.
    pub fn one_block_each(count: usize, threads: u32, shared_bytes: usize) -> Self {
        let saturate = |n: usize| n.min(u32::MAX as usize) as u32;
        Self { blocks: [saturate(count), 1, 1], threads, shared_bytes: saturate(shared_bytes) }
    }

    /// Number of blocks.
    pub fn block_count(&self) -> u64 {
        self.blocks.iter().map(|&n| u64::from(n)).product()
    }
}

/// A file in `kernels/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelSource {
    /// Name of the file, with its extension.
    pub name: &'static str,
    /// Content of the file.
    pub text: &'static str,
}

macro_rules! sources {
    ($($name:literal),* $(,)?) => {
        &[$(KernelSource { name: $name, text: include_str!(concat!("../../../kernels/", $name)) }),*]
    };
}

/// The headers that kernels include.
const HEADERS: &[KernelSource] = sources![
    "arith.cuh",
    "bins.cuh",
    "boost.cuh",
    "boost_levels.cuh",
    "boost_rows.cuh",
    "boost_split.cuh",
    "device.cuh",
    "features.cuh",
    "recurrence.cuh",
    "trade.cuh",
    "votes.cuh"
];

/// Every file with kernels.
pub const KERNEL_FILES: &[KernelSource] = sources![
    "bins.cu",
    "bins_large.cu",
    "boost.cu",
    "boost_levels.cu",
    "boost_rounds.cu",
    "consensus.cu",
    "features.cu",
    "labels.cu",
    "predict.cu",
    "recurrences.cu",
    "selftest.cu",
    "shadow.cu",
    "view.cu",
    "votes.cu",
    "votes_cast.cu",
    "votes_chains.cu",
];

/// The source of `file` (without `.cu`) with its headers inserted, each once. None if there is no such file.
pub fn kernel_source(file: &str) -> Option<String> {
    let source = KERNEL_FILES.iter().find(|source| source.name.strip_suffix(".cu") == Some(file))?;
    let mut out = String::new();
    let mut included = Vec::new();
    write_with_includes(source, &mut included, &mut out);
    Some(out)
}

fn write_with_includes(source: &KernelSource, included: &mut Vec<&'static str>, out: &mut String) {
    use std::fmt::Write;
    included.push(source.name);
    let marker = |line: usize, out: &mut String| {
        // The compiler's messages then name the original file and line.
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

/// The value of `constexpr T NAME = literal;` in a file of `kernels/`. Tests use it to compare a constant with its Rust
/// twin.
///
/// The literal may be decimal, hexadecimal or a hexadecimal float, with C++ suffixes, or a quotient of two literals. None
/// if there is no such constant, or if it is an integer that an `f64` cannot represent: see [`kernel_integer`].
pub fn kernel_constant(file: &str, name: &str) -> Option<f64> {
    let literal = literal_of(file, name)?;
    match literal.split_once('/') {
        Some((dividend, divisor)) => Some(number(dividend.trim())? / number(divisor.trim())?),
        None => number(literal),
    }
}

/// The value of `constexpr T NAME = literal;` in a file of `kernels/`, for an unsigned integer: all 64 bits are exact.
///
/// None if there is no such constant, or it is not an unsigned integer.
pub fn kernel_integer(file: &str, name: &str) -> Option<u64> {
    integer(literal_of(file, name)?)
}

/// The text between `=` and `;` in the declaration of a constant.
fn literal_of(file: &str, name: &str) -> Option<&'static str> {
    let source = KERNEL_FILES.iter().chain(HEADERS).find(|source| source.name == file)?;
    source.text.lines().find_map(|line| {
        let (declaration, value) = line.trim().strip_prefix("constexpr ")?.split_once('=')?;
        let declared = declaration.split_whitespace().next_back()?;
        (declared == name).then(|| value.split(';').next().unwrap_or_default().trim())
    })
}

fn number(literal: &str) -> Option<f64> {
    if literal.starts_with("0x") && literal.contains('p') {
        return hexadecimal_float(literal);
    }
    if let Some(value) = integer(literal) {
        return (value as f64 as u128 == u128::from(value)).then_some(value as f64);
    }
    // Rust reads `inf` and `nan`, which are not literals in C++.
    let digits = literal.trim_end_matches(['f', 'F', 'l', 'L']);
    digits.ends_with(|c: char| c.is_ascii_digit() || c == '.').then(|| digits.parse().ok()).flatten()
}

/// A decimal or hexadecimal integer, with the suffixes of C++.
fn integer(literal: &str) -> Option<u64> {
    let digits = literal.trim_end_matches(['u', 'U', 'l', 'L']);
    match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => digits.parse().ok(),
    }
}

/// A literal such as `0x1.62e42fee00000p-1`, if its digits fit 53 bits.
fn hexadecimal_float(literal: &str) -> Option<f64> {
    let (digits, exponent) = literal.strip_prefix("0x")?.split_once('p')?;
    let exponent: i32 = exponent.trim_end_matches(['f', 'F', 'l', 'L']).parse().ok()?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mantissa = u64::from_str_radix(&format!("{whole}{fraction}"), 16).ok()?;
    let exponent = exponent.checked_sub(4 * i32::try_from(fraction.len()).ok()?)?;
    (mantissa < 1 << 53 && (-1022..=1023).contains(&exponent))
        .then(|| mantissa as f64 * huracan_base::arith::power_of_two(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_is_inserted_once_and_lines_keep_their_numbers() {
        for file in KERNEL_FILES {
            let text = kernel_source(file.name.strip_suffix(".cu").unwrap()).unwrap();
            assert_eq!(text.matches("DEVICE double uniform(").count(), 1, "{}", file.name);
            assert!(!text.contains("#include \"arith") && !text.contains("#include \"device"));
            let lines: Vec<&str> = text.lines().collect();
            for (at, line) in lines.iter().enumerate() {
                let Some((number, name)) = line.strip_prefix("#line ").and_then(|rest| rest.split_once(' ')) else {
                    continue;
                };
                let source =
                    KERNEL_FILES.iter().chain(HEADERS).find(|source| name == format!("\"{}\"", source.name)).unwrap();
                let expected = source.text.lines().nth(number.parse::<usize>().unwrap() - 1).unwrap_or_default();
                let found = lines[at + 1];
                assert!(found == expected || found.starts_with("#line"), "{name}, line {number}: {found}");
            }
        }
        assert_eq!(kernel_source("nonsense"), None);
    }

    #[test]
    fn every_file_of_the_folder_is_listed() {
        let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../kernels")).unwrap();
        let mut found: Vec<String> = folder
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|n| n.contains(".cu"))
            .collect();
        let mut listed: Vec<String> = KERNEL_FILES.iter().chain(HEADERS).map(|source| source.name.to_owned()).collect();
        found.sort();
        listed.sort();
        assert_eq!(found, listed);
    }

    #[test]
    fn constants_are_read_from_the_source() {
        assert_eq!(kernel_integer("arith.cuh", "MIX_STEP"), Some(0x9e37_79b9_7f4a_7c15));
        // An odd number of 64 bits is not an f64.
        assert_eq!(kernel_constant("arith.cuh", "MIX_STEP"), None);
        assert_eq!(kernel_integer("arith.cuh", "LN_TERM_3"), None);
        assert_eq!(kernel_constant("arith.cuh", "LN_TERM_3"), Some(2.0 / 3.0));
        assert_eq!(kernel_constant("bins.cuh", "LANES"), Some(16.0));
        assert_eq!(kernel_constant("boost.cuh", "NO_SUCH_CONSTANT"), None);
        assert_eq!(kernel_constant("no_such_file.cuh", "LANES"), None);
    }

    #[test]
    fn numbers_are_read_as_cpp_does() {
        let cases = [
            ("255u", 255.0),
            ("0xffULL", 255.0),
            ("0x1f", 31.0),
            ("0xffffffffu", 4_294_967_295.0),
            ("18014398509481984.0", 18_014_398_509_481_984.0),
            ("-745.2", -745.2),
            ("0.5f", 0.5),
            ("1e-15", 1e-15),
            ("2.", 2.0),
            ("0x1p-53", 2.0_f64.powi(-53)),
            ("0x1.62e42feep-1", f64::from_bits(0x3fe6_2e42_fee0_0000)),
            ("0x1.8p1f", 3.0),
        ];
        for (literal, value) in cases {
            assert_eq!(number(literal), Some(value), "{literal}");
        }
        for literal in ["", "0x", "0xg", "0xffffffffffffffff", "0x1.p", "0x1.00000000000001p0", "nan", "inf", "f(1)"] {
            assert_eq!(number(literal), None, "{literal}");
        }
        assert_eq!(integer("0xffffffffffffffffull"), Some(u64::MAX));
        assert_eq!((integer("-1"), integer("0.5"), integer("0x1p3")), (None, None, None));
    }

    #[test]
    fn the_arithmetic_has_the_same_constants_in_rust_and_in_the_kernels() {
        use huracan_base::arith::constants::*;
        let mut compared = 0;
        macro_rules! floats {
            ($($name:ident)*) => {$(
                let kernel = kernel_constant("arith.cuh", stringify!($name)).map(f64::to_bits);
                assert_eq!(kernel, Some(f64::from($name).to_bits()), stringify!($name));
                compared += 1;
            )*};
        }
        macro_rules! integers {
            ($($name:ident)*) => {$(
                assert_eq!(kernel_integer("arith.cuh", stringify!($name)), Some(u64::from($name)), stringify!($name));
                compared += 1;
            )*};
        }
        floats! {
            EXPONENT_BIAS MIN_EXPONENT MIN_NORMAL TWO_TO_52 ROUNDING_SHIFT SQRT_2 LOG2_E
            SUBNORMAL_SCALE LN_BIAS SUBNORMAL_LN_BIAS
            LN_TERM_23 LN_TERM_21 LN_TERM_19 LN_TERM_17 LN_TERM_15 LN_TERM_13 LN_TERM_11 LN_TERM_9 LN_TERM_7 LN_TERM_5
            LN_TERM_3
            EXP_INPUT_MAX EXP_INPUT_MIN EXP_OVERFLOW EXP_UNDERFLOW
            EXP_TERM_14 EXP_TERM_13 EXP_TERM_12 EXP_TERM_11 EXP_TERM_10 EXP_TERM_9 EXP_TERM_8 EXP_TERM_7 EXP_TERM_6
            EXP_TERM_5 EXP_TERM_4 EXP_TERM_3 EXP_TERM_2
            UNIFORM_EXPONENT
        }
        integers! {
            MANTISSA_BITS MANTISSA_MASK ONE_BITS TWO_TO_52_BITS LN2_HIGH_BITS LN2_LOW_BITS
            MIX_STEP MIX_FACTOR_1 MIX_FACTOR_2 MIX_SHIFT_1 MIX_SHIFT_2 MIX_SHIFT_3 UNIFORM_SHIFT
        }
        let header = HEADERS.iter().find(|header| header.name == "arith.cuh").unwrap();
        let declared = header.text.lines().filter(|line| line.trim().starts_with("constexpr ")).count();
        assert_eq!(compared, declared, "every constant of arith.cuh is compared");
    }

    #[test]
    fn surplus_threads_fill_the_last_block() {
        assert_eq!(Shape::one_thread_each(257, 128).blocks, [3, 1, 1]);
        assert_eq!(Shape::one_thread_each(0, 128).block_count(), 0);
    }
}
