//! NVRTC's library: where it is looked for, and its functions.

use std::ffi::{CStr, OsString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libloading::Library;

/// Names by which the system's loader may find it. The part of the interface that is used is the same in CUDA 12 and 13.
const NAMES: [&str; 3] = ["libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12"];

/// What to do where there is none.
const MISSING: &str = "NVRTC was not found: neither libnvrtc.so nor libnvrtc.so.13 or .12 is on the loader's path, in CUDA_PATH \
                       or below /usr/local; install NVRTC 12.8 or newer from the CUDA toolkit, or add the folder of the PyPI \
                       package nvidia-cuda-nvrtc-cu12 to LD_LIBRARY_PATH";

pub(super) type Program = *mut c_void;
pub(super) type GetSize = unsafe extern "C" fn(Program, *mut usize) -> c_int;
pub(super) type GetBytes = unsafe extern "C" fn(Program, *mut c_char) -> c_int;

/// NVRTC's functions. The library is never unloaded.
pub(super) struct Nvrtc {
    pub version: (i32, i32),
    pub create_program: unsafe extern "C" fn(
        *mut Program,
        *const c_char,
        *const c_char,
        c_int,
        *const *const c_char,
        *const *const c_char,
    ) -> c_int,
    pub compile_program: unsafe extern "C" fn(Program, c_int, *const *const c_char) -> c_int,
    pub destroy_program: unsafe extern "C" fn(*mut Program) -> c_int,
    pub get_cubin_size: GetSize,
    pub get_cubin: GetBytes,
    pub get_ptx_size: GetSize,
    pub get_ptx: GetBytes,
    pub get_log_size: GetSize,
    pub get_log: GetBytes,
    count_architectures: unsafe extern "C" fn(*mut c_int) -> c_int,
    list_architectures: unsafe extern "C" fn(*mut c_int) -> c_int,
    error_text: unsafe extern "C" fn(c_int) -> *const c_char,
}

/// The library that [`use_nvrtc`] names.
static NAMED: OnceLock<PathBuf> = OnceLock::new();

/// Makes the engine use the NVRTC of a file, whatever else is installed. Must come before NVRTC is first asked for.
pub fn use_nvrtc(path: &Path) {
    let _ = NAMED.set(path.to_owned());
}

/// NVRTC, loaded when it is first asked for.
///
/// # Errors
/// A sentence for the user if it is not installed, or is too old.
pub(super) fn nvrtc() -> Result<&'static Nvrtc, String> {
    static LOADED: OnceLock<Result<Nvrtc, String>> = OnceLock::new();
    LOADED.get_or_init(load).as_ref().map_err(Clone::clone)
}

fn load() -> Result<Nvrtc, String> {
    let candidates: Vec<OsString> = match NAMED.get() {
        Some(path) => vec![path.into()],
        None => NAMES.iter().map(OsString::from).chain(installed().into_iter().map(OsString::from)).collect(),
    };
    // Machine code of a newer CUDA than the driver's is of no use, where there is a driver.
    let newest = super::driver_version().map_or(i32::MAX, |(major, _)| major);
    let (mut too_new, mut problem) = (None, None);
    for candidate in candidates {
        // SAFETY: NVRTC's start-up does nothing but set itself up.
        let Ok(library) = (unsafe { Library::new(&candidate) }) else { continue };
        match functions(Box::leak(Box::new(library))) {
            Ok(nvrtc) if nvrtc.version.0 > newest => {
                too_new.get_or_insert(nvrtc);
            }
            Ok(nvrtc) => return Ok(nvrtc),
            Err(error) => problem = Some(format!("{}: {error}", Path::new(&candidate).display())),
        }
    }
    too_new.ok_or_else(|| problem.unwrap_or_else(|| MISSING.to_owned()))
}

/// Where toolkits put it when the loader's path does not say so: newest versions first.
fn installed() -> Vec<PathBuf> {
    let mut roots: Vec<PathBuf> =
        ["CUDA_PATH", "CUDA_HOME"].iter().filter_map(std::env::var_os).map(PathBuf::from).collect();
    roots.push("/usr/local/cuda".into());
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/local")
        .map(|entries| entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect())
        .unwrap_or_default();
    versions.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("cuda-")));
    versions.sort();
    roots.extend(versions.into_iter().rev());
    let platform = if cfg!(target_arch = "aarch64") { "targets/sbsa-linux/lib" } else { "targets/x86_64-linux/lib" };
    let folders = roots.iter().flat_map(|root| ["lib64", platform].map(|folder| root.join(folder)));
    folders.flat_map(|folder| NAMES.map(|name| folder.join(name))).filter(|path| path.is_file()).collect()
}

fn functions(library: &'static Library) -> Result<Nvrtc, String> {
    let message = |error: libloading::Error| error.to_string();
    macro_rules! function {
        ($name:literal) => {
            // SAFETY: NVRTC declares the function with the type of the field that it becomes.
            *unsafe { library.get($name) }.map_err(message)?
        };
    }
    let version: unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int = function!(b"nvrtcVersion");
    let (mut major, mut minor) = (0, 0);
    // SAFETY: both numbers may be written.
    if unsafe { version(&raw mut major, &raw mut minor) } != 0 {
        return Err("NVRTC does not tell its version".into());
    }
    Ok(Nvrtc {
        version: (major, minor),
        create_program: function!(b"nvrtcCreateProgram"),
        compile_program: function!(b"nvrtcCompileProgram"),
        destroy_program: function!(b"nvrtcDestroyProgram"),
        get_cubin_size: function!(b"nvrtcGetCUBINSize"),
        get_cubin: function!(b"nvrtcGetCUBIN"),
        get_ptx_size: function!(b"nvrtcGetPTXSize"),
        get_ptx: function!(b"nvrtcGetPTX"),
        get_log_size: function!(b"nvrtcGetProgramLogSize"),
        get_log: function!(b"nvrtcGetProgramLog"),
        count_architectures: function!(b"nvrtcGetNumSupportedArchs"),
        list_architectures: function!(b"nvrtcGetSupportedArchs"),
        error_text: function!(b"nvrtcGetErrorString"),
    })
}

impl Nvrtc {
    /// An error for a result that is not success.
    pub(super) fn check(&self, result: c_int) -> Result<(), String> {
        if result == 0 {
            return Ok(());
        }
        // SAFETY: NVRTC has a text that ends with a zero byte for every number.
        let text = unsafe { CStr::from_ptr((self.error_text)(result)) };
        Err(format!("NVRTC reports: {}", text.to_string_lossy()))
    }

    /// The compute capabilities that it compiles for, such as 90 for 9.0.
    pub(super) fn architectures(&self) -> Result<Vec<i32>, String> {
        let mut count = 0;
        // SAFETY: the number may be written.
        self.check(unsafe { (self.count_architectures)(&raw mut count) })?;
        let mut all = vec![0; count.max(0) as usize];
        // SAFETY: there is room for as many numbers as NVRTC has.
        self.check(unsafe { (self.list_architectures)(all.as_mut_ptr()) })?;
        Ok(all)
    }
}
