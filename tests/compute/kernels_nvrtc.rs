//! Every kernel compiles for every architecture without a warning, spills nothing, and takes what
//! `kernels/resources.txt` says. Needs NVRTC (scripts/setup-nvrtc), no GPU.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use huracan::engine::{KERNEL_FILES, compile, kernel_source};

const ARCHITECTURES: [&str; 6] = ["sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"];

/// Kernels in whose PTX NVVM makes `min` or `max` of a comparison, and how often. Each has been looked at:
///
/// - `bins_columns`, twice the larger of 1 and half of a count: no NaN, no 0.
/// - `features_recurrences` and `votes_chains`, `change > 0 ? change : 0`: 0 for NaN and for −0, as `max` with +0 gives.
/// - `votes_cast`, `lead < 0 ? lead : 0`: `lead` is never −0, and where it is NaN the vote is NaN whatever this gives.
const CHOICES: &[(&str, usize)] =
    &[("bins_columns", 2), ("features_recurrences", 1), ("votes_cast", 1), ("votes_chains", 1)];

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/kernels/resources.txt");

/// Loads NVRTC. False, said on stderr, where it is not installed.
fn load_nvrtc() -> bool {
    let Err(why) = huracan_ptx::nvrtc::load() else { return true };
    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        crate::skip::skip(&why);
    } else {
        // NVIDIA's package is for no other platform.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
    }
    false
}

/// What a kernel takes on an architecture.
#[derive(Default)]
struct Resources {
    kernel: String,
    architecture: &'static str,
    registers: u32,
    shared_bytes: u32,
    stack_bytes: u32,
    spilled_bytes: u32,
}

/// Reads the assembler's report.
fn resources(log: &str, architecture: &'static str) -> Vec<Resources> {
    let mut out: Vec<Resources> = Vec::new();
    let number_before = |line: &str, words: &str| -> u32 {
        let Some((before, _)) = line.split_once(words) else { return 0 };
        before.trim_end().rsplit([' ', ',']).next().and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    for line in log.lines() {
        if let Some((_, rest)) = line.split_once("Compiling entry function '") {
            let kernel = rest.split('\'').next().unwrap_or_default().to_owned();
            let nothing = Resources { architecture, kernel, ..Resources::default() };
            out.push(nothing);
        } else if let Some(last) = out.last_mut() {
            if line.contains("bytes stack frame") {
                last.stack_bytes = number_before(line, " bytes stack frame");
                last.spilled_bytes =
                    number_before(line, " bytes spill stores") + number_before(line, " bytes spill loads");
            }
            if line.contains("Used ") {
                last.registers = number_before(line, " registers");
                last.shared_bytes = number_before(line, " bytes smem");
            }
        }
    }
    out
}

/// A line a kernel, in the kernels' alphabet.
fn table(found: &[Resources]) -> String {
    let mut kernels: BTreeMap<&str, Vec<&Resources>> = BTreeMap::new();
    for r in found {
        kernels.entry(&r.kernel).or_default().push(r);
    }
    let mut table = String::from(
        "# Resources of each kernel, by scripts/kernel-resources (NVRTC of tests/python/nvrtc.txt): registers per thread on\n\
         # each architecture, static shared memory per block, stack per thread. Nothing spills.\n",
    );
    let _ = write!(table, "{:<32} {:>12} {:>11}", "kernel", "shared_bytes", "stack_bytes");
    for architecture in ARCHITECTURES {
        let _ = write!(table, " {architecture:>6}");
    }
    for (kernel, of_kernel) in kernels {
        let most = |what: fn(&Resources) -> u32| of_kernel.iter().map(|r| what(r)).max().unwrap_or(0);
        let _ = write!(table, "\n{kernel:<32} {:>12} {:>11}", most(|r| r.shared_bytes), most(|r| r.stack_bytes));
        for r in of_kernel {
            let _ = write!(table, " {:>6}", r.registers);
        }
    }
    table + "\n"
}

#[test]
fn kernels_compile_everywhere_spill_nothing_and_take_what_the_table_says() {
    if !load_nvrtc() {
        return;
    }
    let mut found = Vec::new();
    for file in KERNEL_FILES {
        let name = file.name.strip_suffix(".cu").unwrap();
        let text = kernel_source(name).unwrap();
        let kernels = file.text.lines().filter(|line| line.starts_with("KERNEL")).count();
        for architecture in ARCHITECTURES {
            let compiled = compile(name, &text, architecture).unwrap_or_else(|error| panic!("{error}"));
            assert!(compiled.cubin.starts_with(b"\x7fELF"), "{name} for {architecture}");
            let warned = compiled.log.lines().find(|line| line.contains("warning"));
            assert_eq!(warned, None, "{name} for {architecture}");
            let module = huracan_ptx::parse(&compiled.ptx).unwrap_or_else(|error| panic!("{name}: {error}"));
            let refused = huracan_ptx::gate::refusals(&module, CHOICES);
            assert_eq!(refused, [], "{name} for {architecture}");
            let of_file = resources(&compiled.log, architecture);
            assert_eq!(of_file.len(), kernels, "every kernel is in the report:\n{}", compiled.log);
            found.extend(of_file);
        }
    }
    for r in &found {
        assert!(r.registers > 0, "{} for {}: the report has no registers", r.kernel, r.architecture);
        assert_eq!(r.spilled_bytes, 0, "{} spills registers on {}", r.kernel, r.architecture);
    }
    let table = table(&found);
    if std::env::var_os("HURACAN_WRITE_RESOURCES").is_some() {
        std::fs::write(TABLE, &table).unwrap();
    }
    let kept = std::fs::read_to_string(TABLE).unwrap_or_default();
    assert!(
        kept == table,
        "kernels/resources.txt is stale; look at what changed with scripts/kernel-resources:\n{table}"
    );
}

#[test]
fn a_faulty_kernel_is_refused_with_its_file_and_line() {
    if !load_nvrtc() {
        return;
    }
    let text = kernel_source("selftest").unwrap() + "\nKERNEL(broken, 32, int* x) { x[0] = nonsense; }\n";
    let error = compile("selftest", &text, "sm_90").unwrap_err();
    let line = KERNEL_FILES.iter().find(|file| file.name == "selftest.cu").unwrap().text.lines().count() + 2;
    assert!(error.contains(&format!("selftest.cu({line})")) && error.contains("nonsense"), "{error}");
    assert!(compile("selftest", &kernel_source("selftest").unwrap(), "sm_999").is_err());
}

#[test]
fn a_kernel_that_spills_is_seen() {
    if !load_nvrtc() {
        return;
    }
    // 128 values alive at a time, and registers for 32: bounds of 1,024 threads twice on a multiprocessor.
    let values: String = (0..128).map(|i| format!("double v{i} = x[i * 128u + {i}u];\n")).collect();
    let sum: String = (0..128).map(|i| format!("x[i * 128u + {}u] = v{i} * v{};\n", 127 - i, (i * 37) % 128)).collect();
    let text = format!(
        "extern \"C\" __global__ void __launch_bounds__(1024, 2) spills(double* x) {{\n\
         const unsigned i = threadIdx.x;\n{values}__syncthreads();\n{sum}}}\n"
    );
    let compiled = compile("spills", &text, "sm_90").unwrap();
    let found = resources(&compiled.log, "sm_90");
    assert_eq!((found.len(), found[0].kernel.as_str()), (1, "spills"));
    assert!(found[0].spilled_bytes > 0 && found[0].stack_bytes > 0, "{}", compiled.log);
}
