//! Compiles the kernels for the emulated device.

/// The folder of the kernels, relative to this crate.
#[cfg(feature = "emulated")]
const KERNELS: &str = "../../kernels";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "emulated")]
    compile_kernels();
}

/// Compiles every `kernels/*.cu` as C++, with the flags in `kernels/emulated/flags`, into one static library.
///
/// The whole library is linked, because kernels register themselves before `main` and nothing else refers to them.
#[cfg(feature = "emulated")]
fn compile_kernels() {
    println!("cargo::rerun-if-changed={KERNELS}");
    let mut files: Vec<_> = std::fs::read_dir(KERNELS)
        .expect("the folder kernels/ is part of the sources")
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "cu"))
        .collect();
    files.sort();
    let flags = std::fs::read_to_string(format!("{KERNELS}/emulated/flags"))
        .expect("kernels/emulated/flags is part of the sources");
    let mut build = cc::Build::new();
    build.cpp(true).cpp_link_stdlib(None).opt_level(2).debug(false).warnings(false).cargo_metadata(false);
    for flag in flags.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace) {
        build.flag(flag);
    }
    build.include(KERNELS).file(format!("{KERNELS}/emulated/block.cpp"));
    // Compilers treat .cu files as CUDA, so each one is included in a C++ file.
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR").expect("Cargo sets OUT_DIR"));
    for file in files {
        let name = file.file_name().expect("a file in a folder has a name").to_string_lossy().into_owned();
        let unit = out.join(format!("{name}.cpp"));
        let text = format!("#include \"{name}\"\n");
        std::fs::write(&unit, text).expect("OUT_DIR can be written");
        build.file(unit);
    }
    if let Err(error) = build.try_compile("huracan_kernels") {
        println!(
            "cargo::error=the emulated device needs a C++17 compiler (Debian, Ubuntu: apt-get install g++; Fedora: dnf \
             install gcc-c++; macOS: xcode-select --install); or build without the feature `emulated`. The compiler's \
             message: {error}"
        );
        std::process::exit(1);
    }
    println!("cargo::rustc-link-search=native={}", out.display());
    println!("cargo::rustc-link-lib=static:+whole-archive=huracan_kernels");
}
