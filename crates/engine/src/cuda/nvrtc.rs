//! Compiles kernels for one architecture with NVRTC.

use std::ffi::{CStr, CString, c_char, c_int};

use super::library::{self, Nvrtc};

/// Options that give the CPU's bits: no fused operations, correctly rounded division and square root, subnormal numbers.
/// The last one has the resources of each kernel written into the log.
const OPTIONS: &[&str] =
    &["--std=c++17", "--fmad=false", "--prec-div=true", "--prec-sqrt=true", "--ftz=false", "--ptxas-options=-v"];

/// A compiled file of kernels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompiledKernels {
    /// Machine code for one architecture, an ELF file; empty if the architecture is a virtual one, such as `compute_90`.
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

/// Version of NVRTC, major and minor.
///
/// # Errors
/// A sentence for the user if NVRTC is not installed.
pub fn version() -> Result<(i32, i32), String> {
    library::nvrtc().map(|nvrtc| nvrtc.version)
}

/// What NVRTC compiles for a GPU of this compute capability: machine code, `sm_90`, if it knows the GPU; otherwise PTX of the
/// newest architecture before it, `compute_90`, which the driver turns into machine code.
///
/// # Errors
/// A sentence for the user if NVRTC is not installed, or knows only newer GPUs.
pub fn architecture(capability: (i32, i32)) -> Result<String, String> {
    let nvrtc = library::nvrtc()?;
    choose(&nvrtc.architectures()?, capability.0 * 10 + capability.1).ok_or_else(|| {
        let ((major, minor), (of_gpu, of_gpu_minor)) = (nvrtc.version, capability);
        format!("NVRTC {major}.{minor} does not know GPUs of compute capability {of_gpu}.{of_gpu_minor} or before")
    })
}

fn choose(known: &[i32], wanted: i32) -> Option<String> {
    let newest = known.iter().copied().filter(|&one| one <= wanted).max()?;
    Some(if newest == wanted { format!("sm_{wanted}") } else { format!("compute_{newest}") })
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
    let nvrtc = library::nvrtc()?;
    let zero_byte = |what: &str| format!("{file}: the {what} contains a zero byte");
    let source = CString::new(source).map_err(|_| zero_byte("source"))?;
    let name = CString::new(format!("{file}.cu")).map_err(|_| zero_byte("name"))?;
    let texts: Vec<CString> = options
        .iter()
        .map(|option| CString::new(option.as_str()).map_err(|_| zero_byte("option")))
        .collect::<Result<_, _>>()?;
    let pointers: Vec<*const c_char> = texts.iter().map(|text| text.as_ptr()).collect();
    let program = Program::new(nvrtc, &source, &name)?;
    // SAFETY: the program exists, and there are as many options as is said, all of which end with a zero byte.
    let compiled = unsafe { (nvrtc.compile_program)(program.handle, pointers.len() as c_int, pointers.as_ptr()) };
    let log = text(program.bytes(nvrtc.get_log_size, nvrtc.get_log).unwrap_or_default());
    nvrtc.check(compiled).map_err(|error| format!("{file}.cu with {}: {error}\n{log}", options.join(" ")))?;
    let cubin = program.bytes(nvrtc.get_cubin_size, nvrtc.get_cubin)?;
    let ptx = text(program.bytes(nvrtc.get_ptx_size, nvrtc.get_ptx)?);
    Ok(CompiledKernels { cubin, ptx, log })
}

/// A text of NVRTC, which ends with a zero byte.
fn text(bytes: Vec<u8>) -> String {
    CStr::from_bytes_until_nul(&bytes).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A program of NVRTC, destroyed when it is dropped.
struct Program<'a> {
    nvrtc: &'a Nvrtc,
    handle: library::Program,
}

impl<'a> Program<'a> {
    fn new(nvrtc: &'a Nvrtc, source: &CStr, name: &CStr) -> Result<Self, String> {
        let mut handle = std::ptr::null_mut();
        // SAFETY: both texts end with a zero byte, there are no headers, and the handle may be written.
        let result = unsafe {
            (nvrtc.create_program)(
                &raw mut handle,
                source.as_ptr(),
                name.as_ptr(),
                0,
                std::ptr::null(),
                std::ptr::null(),
            )
        };
        nvrtc.check(result).map(|()| Self { nvrtc, handle })
    }

    /// What one of NVRTC's pairs of functions gives: the number of bytes, then the bytes.
    fn bytes(&self, size: library::GetSize, get: library::GetBytes) -> Result<Vec<u8>, String> {
        let mut bytes = 0;
        // SAFETY: the program exists, and the number may be written.
        self.nvrtc.check(unsafe { size(self.handle, &raw mut bytes) })?;
        let mut out = vec![0_u8; bytes];
        if bytes > 0 {
            // SAFETY: as above, and the buffer has as many bytes as NVRTC asked for.
            self.nvrtc.check(unsafe { get(self.handle, out.as_mut_ptr().cast()) })?;
        }
        Ok(out)
    }
}

impl Drop for Program<'_> {
    fn drop(&mut self) {
        // A program that cannot be destroyed is leaked; nothing else can be done.
        // SAFETY: `new` made it, and it is destroyed once.
        let _ = unsafe { (self.nvrtc.destroy_program)(&raw mut self.handle) };
    }
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn a_gpu_that_nvrtc_does_not_know_gets_ptx_of_the_newest_before_it() {
        let known = [50, 75, 80, 86, 89, 90];
        assert_eq!(choose(&known, 90).as_deref(), Some("sm_90"));
        assert_eq!(choose(&known, 120).as_deref(), Some("compute_90"));
        assert_eq!(choose(&known, 87).as_deref(), Some("compute_86"));
        assert_eq!(choose(&[100, 120], 90), None);
    }
}
