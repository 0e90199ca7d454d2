//! Compiles the kernels for the emulated device.

/// The folder of the kernels, from this crate.
#[cfg(feature = "emulated")]
const KERNELS: &str = "../../kernels";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "emulated")]
    compile_kernels();
}

/// Every `kernels/*.cu` as C++, with the flags of `kernels/emulated/flags`, into one library of which everything is
/// linked: kernels enlist themselves before `main`.
#[cfg(feature = "emulated")]
fn compile_kernels() {
    println!("cargo::rerun-if-changed={KERNELS}");
    let mut files: Vec<_> = std::fs::read_dir(KERNELS)
        .expect("the folder kernels/ belongs to the sources")
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "cu"))
        .collect();
    files.sort();
    let flags = std::fs::read_to_string(format!("{KERNELS}/emulated/flags")).expect("the flags belong to the sources");
    let mut build = cc::Build::new();
    build.cpp(true).cpp_link_stdlib(None).opt_level(2).debug(false).warnings(false).cargo_metadata(false);
    for flag in flags.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace) {
        build.flag(flag);
    }
    build.include(KERNELS).file(format!("{KERNELS}/emulated/block.cpp"));
    // A compiler takes .cu for CUDA: each file is included in one of C++.
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR").expect("Cargo sets OUT_DIR"));
    for file in files {
        let name = file.file_name().expect("a file of a folder has a name").to_string_lossy().into_owned();
        let unit = out.join(format!("{name}.cpp"));
        let text = format!("#include \"{name}\"\n");
        std::fs::write(&unit, text).expect("OUT_DIR can be written");
        build.file(unit);
    }
    if let Err(error) = build.try_compile("huracan_kernels") {
        println!(
            "cargo::error=the emulated device needs a C++17 compiler (Debian, Ubuntu: apt-get install g++; Fedora: dnf \
             install gcc-c++; macOS: xcode-select --install), or a build without the \
             feature `emulated`. The compiler says: {error}"
        );
        std::process::exit(1);
    }
    println!("cargo::rustc-link-search=native={}", out.display());
    println!("cargo::rustc-link-lib=static:+whole-archive=huracan_kernels");
}
