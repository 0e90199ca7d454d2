//! Tells the program which commit it was built from, and compiles the kernels for the emulated device.

use std::process::Command;

fn main() {
    // Sources without their history, as in a container, are told their commit.
    let told = std::env::var("HURACAN_GIT_COMMIT").ok().filter(|commit| !commit.is_empty());
    if told.is_none() {
        // In a second working tree these lie elsewhere, and a file that is not there would count as changed every time.
        for path in ["HEAD", "refs/heads"].into_iter().filter_map(|name| git(&["rev-parse", "--git-path", name])) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let commit = told.or_else(|| git(&["rev-parse", "HEAD"])).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=HURACAN_GIT_COMMIT={commit}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=HURACAN_GIT_COMMIT");
    #[cfg(feature = "emulated")]
    compile_kernels();
}

/// What git says of the sources here.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim().to_owned())
}

/// Every `kernels/*.cu` as C++, with the flags of `kernels/emulated/flags`, into one library of which everything is
/// linked: kernels enlist themselves before `main`.
#[cfg(feature = "emulated")]
fn compile_kernels() {
    println!("cargo::rerun-if-changed=kernels");
    let mut files: Vec<_> = std::fs::read_dir("kernels")
        .expect("the folder kernels/ belongs to the sources")
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "cu"))
        .collect();
    files.sort();
    let flags = std::fs::read_to_string("kernels/emulated/flags").expect("the flags belong to the sources");
    let mut build = cc::Build::new();
    build.cpp(true).cpp_link_stdlib(None).opt_level(2).debug(false).warnings(false).cargo_metadata(false);
    for flag in flags.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace) {
        build.flag(flag);
    }
    build.include("kernels").file("kernels/emulated/block.cpp");
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
             install gcc-c++; macOS: xcode-select --install), or build without it: cargo build --no-default-features \
             --features ccxt. The compiler says: {error}"
        );
        std::process::exit(1);
    }
    println!("cargo::rustc-link-search=native={}", out.display());
    println!("cargo::rustc-link-lib=static:+whole-archive=huracan_kernels");
}
