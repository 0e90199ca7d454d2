//! Compiles kernels for one architecture with NVRTC.

use std::ffi::CString;

use cudarc::nvrtc::{result, sys};

/// Options that give the CPU's bits: no fused operations, correctly rounded division and square root, subnormal numbers.
/// The last one has the resources of each kernel written into the log.
const OPTIONS: &[&str] =
    &["--std=c++17", "--fmad=false", "--prec-div=true", "--prec-sqrt=true", "--ftz=false", "--ptxas-options=-v"];

/// A compiled file of kernels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompiledKernels {
    /// Machine code for one architecture, an ELF file.
    pub cubin: Vec<u8>,
    /// The PTX that the machine code was made of.
    pub ptx: String,
    /// The compiler's log: warnings, and the resources of each kernel.
    pub log: String,
}

/// The options for an architecture such as `sm_90`.
pub fn options(architecture: &str) -> Vec<String> {
    let mut options = vec![format!("--gpu-architecture={architecture}")];
    options.extend(OPTIONS.iter().map(|&option| option.to_owned()));
    options
}

/// What to do if NVRTC cannot be loaded. cudarc tries `libnvrtc.so` first, whatever its version, then `libnvrtc.so.12`.
const MISSING: &str = "NVRTC was not found, neither as libnvrtc.so nor as libnvrtc.so.12; install NVRTC 12.8 or newer \
                       from the CUDA toolkit (of CUDA 13, with its link libnvrtc.so), or add the folder of the PyPI \
                       package nvidia-cuda-nvrtc-cu12 to LD_LIBRARY_PATH";

/// Version of NVRTC, major and minor.
///
/// # Errors
/// A sentence for the user if NVRTC is not installed.
pub fn version() -> Result<(i32, i32), String> {
    // SAFETY: this only loads the library, whose initialisation has no requirements.
    if !unsafe { sys::is_culib_present() } {
        return Err(MISSING.into());
    }
    let (mut major, mut minor) = (0, 0);
    // SAFETY: the library is present, and both pointers are valid for writes.
    unsafe { sys::nvrtcVersion(&raw mut major, &raw mut minor) }
        .result()
        .map_err(|error| format!("NVRTC reports: {error:?}"))?;
    Ok((major, minor))
}

/// Compiles the source of a file (see [`kernel_source`](crate::kernel_source)) for an architecture such as `sm_90`.
///
/// # Errors
/// A sentence with the compiler's messages, or what to do if NVRTC is not installed.
pub fn compile(file: &str, source: &str, architecture: &str) -> Result<CompiledKernels, String> {
    compile_with(file, source, &options(architecture))
}

/// [`compile`], but with products and sums fused: other bits than the CPU's. For tests, which must notice that.
///
/// # Errors
/// As [`compile`].
pub fn compile_fused(file: &str, source: &str, architecture: &str) -> Result<CompiledKernels, String> {
    let mut options = options(architecture);
    options.retain(|option| option != "--fmad=false");
    compile_with(file, source, &options)
}

fn compile_with(file: &str, source: &str, options: &[String]) -> Result<CompiledKernels, String> {
    version()?;
    let message = |error: result::NvrtcError| format!("NVRTC reports: {error:?}");
    let source = CString::new(source).map_err(|_| format!("{file}: the source contains a zero byte"))?;
    let name = CString::new(format!("{file}.cu")).map_err(|_| format!("{file}: the name contains a zero byte"))?;
    let program = Program(result::create_program(&source, Some(&name)).map_err(message)?);
    // SAFETY: `program` was created above and is destroyed when it is dropped.
    let compiled = unsafe { result::compile_program(program.0, options) };
    let log = program.log();
    compiled.map_err(|error| format!("{file}.cu with {}: {error:?}\n{log}", options.join(" ")))?;
    let mut size = 0;
    // SAFETY: the program is compiled, and the buffer has the size that NVRTC reports.
    let cubin = unsafe {
        sys::nvrtcGetCUBINSize(program.0, &raw mut size).result().map_err(message)?;
        let mut cubin = vec![0_u8; size];
        sys::nvrtcGetCUBIN(program.0, cubin.as_mut_ptr().cast()).result().map_err(message)?;
        cubin
    };
    // SAFETY: the program is compiled.
    let ptx = unsafe { result::get_ptx(program.0) }.map_err(message)?;
    Ok(CompiledKernels { cubin, ptx: text(ptx), log })
}

/// A text of NVRTC, which ends with a zero byte.
fn text(characters: Vec<std::ffi::c_char>) -> String {
    let bytes: Vec<u8> = characters.into_iter().map(|byte| byte as u8).take_while(|&byte| byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A program of NVRTC, destroyed when it is dropped.
struct Program(sys::nvrtcProgram);

impl Program {
    fn log(&self) -> String {
        // SAFETY: the program exists until it is dropped.
        text(unsafe { result::get_program_log(self.0) }.unwrap_or_default())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A program that cannot be destroyed is leaked; nothing else can be done.
        // SAFETY: `create_program` made it, and it is destroyed once.
        let _ = unsafe { result::destroy_program(self.0) };
    }
}
