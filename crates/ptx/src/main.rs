//! `huracan-ptx`: the kernels' PTX for scripts. `huracan-ptx --help` says what it can do.

use std::path::PathBuf;
use std::process::ExitCode;

use huracan_ptx::{Variant, library, nvrtc};

const HELP: &str = "\
What NVRTC makes of the kernels, for tests without a GPU. Needs scripts/setup-nvrtc.

  huracan-ptx cpp FOLDER [VARIANT]        writes the PTX of all kernels, put back into C++, as FOLDER/*.ptx.cpp
  huracan-ptx library FOLDER [VARIANT]    builds a library for HURACAN_EMULATED_KERNELS, and prints its path
  huracan-ptx ptx FILE                    prints the PTX of kernels/FILE.cu

VARIANT is plain, fused (a control: other bits than the CPU's) or hostile-nans (a control: the same bits).";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match answer(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("huracan-ptx: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn answer(arguments: &[&str]) -> Result<String, String> {
    let (command, rest) = match arguments {
        [] | ["-h" | "--help"] => return Ok(HELP.to_owned()),
        [command, rest @ ..] => (*command, rest),
    };
    let variant = match rest.get(1) {
        None | Some(&"plain") => Variant::Plain,
        Some(&"fused") => Variant::Fused,
        Some(&"hostile-nans") => Variant::HostileNans,
        Some(other) => return Err(format!("{other} is no variant\n{HELP}")),
    };
    let Some(&subject) = rest.first() else { return Err(format!("{command} needs an argument\n{HELP}")) };
    nvrtc::load()?;
    match command {
        "cpp" => {
            let paths = library::write_cpp(&PathBuf::from(subject), variant)?;
            Ok(paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join("\n"))
        }
        "library" => library::build(&PathBuf::from(subject), variant).map(|path| path.display().to_string()),
        "ptx" => library::ptx(subject, variant),
        _ => Err(format!("{command} is no command\n{HELP}")),
    }
}
