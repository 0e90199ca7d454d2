//! Kernels compiled for one architecture by NVRTC.

use std::ffi::{CStr, CString};

use cudarc::nvrtc::{result, sys};

/// What keeps the bits those of the CPU: nothing fused, division and root correctly rounded, subnormals kept.
const OPTIONS: &[&str] =
    &["--std=c++17", "--fmad=false", "--prec-div=true", "--prec-sqrt=true", "--ftz=false", "--ptxas-options=-v"];

/// A file of kernels, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    pub cubin: Vec<u8>,
    /// What the compiler said: warnings, and the resources of each kernel.
    pub log: String,
}

/// The options for an architecture such as `sm_90`.
pub fn options(architecture: &str) -> Vec<String> {
    let mut options = vec![format!("--gpu-architecture={architecture}")];
    options.extend(OPTIONS.iter().map(|&option| option.to_owned()));
    options
}

/// Version of NVRTC, major and minor.
///
/// # Errors
/// A sentence for the user where NVRTC is not installed.
pub fn version() -> Result<(i32, i32), String> {
    // SAFETY: only asks the loader whether the library is there.
    if !unsafe { sys::is_culib_present() } {
        return Err(
            "NVRTC (libnvrtc.so.12) is not installed; install the CUDA toolkit's NVRTC 12.8 or newer of version 12, \
                    or put the folder of the PyPI package nvidia-cuda-nvrtc-cu12 into LD_LIBRARY_PATH"
                .into(),
        );
    }
    let (mut major, mut minor) = (0, 0);
    // SAFETY: writes two numbers.
    unsafe { sys::nvrtcVersion(&raw mut major, &raw mut minor) }
        .result()
        .map_err(|e| format!("NVRTC answers: {e:?}"))?;
    Ok((major, minor))
}

/// Compiles the text of a file (see [`whole_text`](crate::whole_text)) for an architecture such as `sm_90`.
///
/// # Errors
/// A sentence with the compiler's messages.
pub fn compile(file: &str, text: &str, architecture: &str) -> Result<Compiled, String> {
    version()?;
    let told = |error: result::NvrtcError| format!("NVRTC answers: {error:?}");
    let text = CString::new(text).map_err(|_| format!("{file}: the text contains a zero byte"))?;
    let name = CString::new(format!("{file}.cu")).map_err(|_| format!("{file}: the name contains a zero byte"))?;
    let program = Program(result::create_program(&text, Some(&name)).map_err(told)?);
    // SAFETY: the program was just made.
    let compiled = unsafe { result::compile_program(program.0, &options(architecture)) };
    let log = program.log();
    compiled.map_err(|error| format!("{file}.cu for {architecture}: {error:?}\n{log}"))?;
    let mut size = 0;
    // SAFETY: the program is compiled; the buffer has the size that NVRTC says.
    let cubin = unsafe {
        sys::nvrtcGetCUBINSize(program.0, &raw mut size).result().map_err(told)?;
        let mut cubin = vec![0_u8; size];
        sys::nvrtcGetCUBIN(program.0, cubin.as_mut_ptr().cast()).result().map_err(told)?;
        cubin
    };
    Ok(Compiled { cubin, log })
}

struct Program(sys::nvrtcProgram);

impl Program {
    fn log(&self) -> String {
        // SAFETY: the program exists, and the log ends with a zero byte.
        unsafe { result::get_program_log(self.0) }
            .map(|log| unsafe { CStr::from_ptr(log.as_ptr()) }.to_string_lossy().into_owned())
            .unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Nothing can be done about a program that cannot be destroyed.
        // SAFETY: made by `create_program`, destroyed once.
        let _ = unsafe { result::destroy_program(self.0) };
    }
}
