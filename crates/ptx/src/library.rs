//! Makes a library for the emulated device out of the kernels' PTX.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use huracan_base::hex;
use huracan_engine::{KERNEL_FILES, compile, compile_fused, kernel_source};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::{parse, translate};

/// The architecture whose PTX is run: that of the H200.
pub const ARCHITECTURE: &str = "sm_90";

/// Which library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Variant {
    /// The kernels as a GPU gets them.
    #[default]
    Plain,
    /// A control: products and sums are fused, so the bits must differ from the CPU's.
    Fused,
    /// A control: each NaN of arithmetic has another payload, which must change nothing.
    HostileNans,
    /// The kernels as a GPU gets them, and they count what they would cost it.
    Metered,
}

impl Variant {
    /// Name in folders and options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Fused => "fused",
            Self::HostileNans => "hostile-nans",
            Self::Metered => "metered",
        }
    }
}

/// The folder of the kernels' sources in this repository.
pub fn kernels() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../kernels")
}

/// The PTX of a file (without `.cu`) for [`ARCHITECTURE`]. NVRTC must be loaded, see [`crate::nvrtc::load`].
///
/// # Errors
/// The compiler's messages.
pub fn ptx(file: &str, variant: Variant) -> Result<String, String> {
    let source = kernel_source(file).ok_or_else(|| format!("there is no kernels/{file}.cu"))?;
    let compiler = if variant == Variant::Fused { compile_fused } else { compile };
    compiler(file, &source, ARCHITECTURE).map(|compiled| compiled.ptx)
}

/// The C++ of a file's PTX.
///
/// # Errors
/// A sentence that says what was not compiled or not understood.
pub fn cpp(file: &str, variant: Variant) -> Result<String, String> {
    let name = format!("{file}.cu");
    let module = parse::parse(&ptx(file, variant)?).map_err(|error| format!("{name}: {error}"))?;
    let text = translate::translate(&name, &module, variant == Variant::Metered)
        .map_err(|error| format!("{name}: {error}"))?;
    let defined = if variant == Variant::HostileNans { "#define HURACAN_HOSTILE_NANS\n" } else { "" };
    Ok(format!("{defined}{text}"))
}

/// Writes the C++ of every file into a folder. Returns the files' paths.
///
/// # Errors
/// As [`cpp`], and files that cannot be written.
pub fn write_cpp(folder: &Path, variant: Variant) -> Result<Vec<PathBuf>, String> {
    let problem = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    fs::create_dir_all(folder).map_err(|error| problem(folder, error))?;
    let files: Vec<&str> = KERNEL_FILES.iter().filter_map(|file| file.name.strip_suffix(".cu")).collect();
    let write = |file: &&str| {
        let (path, text) = (folder.join(format!("{file}.ptx.cpp")), cpp(file, variant)?);
        // A file that has not changed keeps its time, so that it is not compiled again.
        if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
            fs::write(&path, text).map_err(|error| problem(&path, error))?;
        }
        Ok(path)
    };
    files.par_iter().map(write).collect()
}

/// Builds the shared library of a variant below `folder`, unless it is there. Programs may call this at the same time.
///
/// # Errors
/// As [`write_cpp`], and a C++ compiler that is missing or fails.
pub fn build(folder: &Path, variant: Variant) -> Result<PathBuf, String> {
    let folder = folder.join(variant.name());
    let problem = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(problem)?;
    let lock = fs::File::create(folder.join("lock")).map_err(problem)?;
    lock.lock().map_err(problem)?;
    let mut sources = write_cpp(&folder, variant)?;
    sources.push(kernels().join("emulated/block.cpp"));
    if variant == Variant::Metered {
        sources.push(kernels().join("emulated/meter.cpp"));
    }
    let objects: Vec<PathBuf> = sources.par_iter().map(|source| object(&folder, source)).collect::<Result<_, _>>()?;
    let names: Vec<String> = objects.iter().map(|path| path.display().to_string()).collect();
    let library = folder.join(format!("libhuracan_ptx-{}.so", &hex(&Sha256::digest(names.join("\n")))[..16]));
    if !library.is_file() {
        // Written under another name and renamed, so that nobody opens half of it.
        let written = library.with_extension("new");
        let mut command = compiler();
        run(command.arg("-shared").arg("-Wl,-Bsymbolic").arg("-o").arg(&written).args(&objects))?;
        fs::rename(&written, &library).map_err(problem)?;
    }
    Ok(library)
}

fn compiler() -> Command {
    Command::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into()))
}

/// Compiles a source, unless an object of the same text, headers and flags is there.
fn object(folder: &Path, source: &Path) -> Result<PathBuf, String> {
    let read = |path: &Path| fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let kernels = kernels();
    let mut hash = Sha256::new();
    hash.update(read(source)?);
    for headers in [kernels.clone(), kernels.join("emulated")] {
        let listed = fs::read_dir(&headers).map_err(|error| format!("{}: {error}", headers.display()))?;
        let mut paths: Vec<PathBuf> = listed.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
        paths.retain(|path| path.is_file());
        paths.sort();
        for path in paths {
            hash.update(read(&path)?);
        }
    }
    let name = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let object = folder.join(format!("{name}-{}.o", &hex(&hash.finalize())[..16]));
    if object.is_file() {
        return Ok(object);
    }
    let flags = fs::read_to_string(kernels.join("emulated/flags")).map_err(|error| error.to_string())?;
    let flags = flags.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace);
    let written = object.with_extension("new");
    let mut command = compiler();
    // What a compiler would warn of in written code is natural in translated code. Undefined registers are not: PTX has
    // them too, and what depends on one gives other bits under another order of threads.
    command.args(flags.filter(|flag| !flag.starts_with("-W"))).args(["-w", "-O1", "-x", "c++", "-c"]);
    run(command.arg(format!("-I{}", kernels.display())).arg("-o").arg(&written).arg(source))?;
    fs::rename(&written, &object).map_err(|error| format!("{}: {error}", object.display()))?;
    Ok(object)
}

fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| {
        format!("{program} cannot be run: {error}; a C++17 compiler is needed (Debian: apt-get install g++)")
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program} failed:\n{}", String::from_utf8_lossy(&output.stderr)))
}
