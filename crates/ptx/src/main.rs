//! `huracan-ptx`: the kernels' PTX for scripts. `huracan-ptx --help` says what it can do.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use huracan_ptx::{Variant, library, meter, nvrtc};

const HELP: &str = "\
What NVRTC makes of the kernels, for tests without a GPU. Needs scripts/setup-nvrtc.

  huracan-ptx cpp FOLDER [VARIANT]        writes the PTX of all kernels, put back into C++, as FOLDER/*.ptx.cpp
  huracan-ptx library FOLDER [VARIANT]    builds a library for HURACAN_EMULATED_KERNELS, and prints its path
  huracan-ptx ptx FILE                    prints the PTX of kernels/FILE.cu
  huracan-ptx check COUNTS...             fails where they exceed crates/ptx/costs/counts.jsonl by more than 3 %
  huracan-ptx renew PAGE COUNTS...        writes these tables into a page, between its marks
  huracan-ptx tables COUNTS...            prints what metered runs counted, the times that follow from it, and the model
                                          beside the times in crates/ptx/costs/measured.txt

VARIANT is plain, fused (a control: other bits than the CPU's), hostile-nans (a control: the same bits) or metered (kernels
that count what they would cost a GPU, and write it to $HURACAN_METER).";

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
    match (command, rest) {
        ("tables", files) => return Ok(tables(files)?.map(|(_, text)| text).join("\n")),
        ("check", files) => return check(files),
        ("renew", [page, files @ ..]) => return renew(Path::new(page), files),
        _ => {}
    }
    let variant = match rest.get(1) {
        None | Some(&"plain") => Variant::Plain,
        Some(&"fused") => Variant::Fused,
        Some(&"hostile-nans") => Variant::HostileNans,
        Some(&"metered") => Variant::Metered,
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

fn read(files: &[&str]) -> Result<Vec<meter::counts::Counts>, String> {
    let read = |file: &&str| meter::counts::read(Path::new(file));
    Ok(files.iter().map(read).collect::<Result<Vec<_>, _>>()?.concat())
}

fn check(files: &[&str]) -> Result<String, String> {
    let found = read(files)?;
    let grown = meter::growth::grown(&meter::counts::read(&meter::folder().join("counts.jsonl"))?, &found);
    if found.is_empty() || !grown.is_empty() {
        let remedy = "scripts/kernel-meter --renew records what was found";
        return Err(format!("{} launches were counted\n{}\n{remedy}", found.len(), grown.join("\n")));
    }
    Ok(format!("{} kinds of launches cost no more than recorded", found.len()))
}

/// The meter's tables, with the names of their marks.
fn tables(files: &[&str]) -> Result<[(&'static str, String); 3], String> {
    let counts = read(files)?;
    let kernels = library::kernels();
    let resources = meter::resources::Resources::read(&kernels.join("resources.txt"))?;
    let measured = meter::measured::read(&meter::folder().join("measured.txt"))?;
    let then = meter::counts::read(&meter::folder().join("counts-measured.jsonl"))?;
    let compared = meter::measured::compare(&meter::model::H200, measured, &then, &counts, &resources);
    Ok([
        ("counted", meter::table::counted(&counts)),
        ("predicted", meter::table::predicted(&counts, &resources)),
        ("compared", meter::table::compared(&compared)),
    ])
}

/// Puts each table between `<!-- NAME -->` and `<!-- end of NAME -->`.
fn renew(page: &Path, files: &[&str]) -> Result<String, String> {
    let problem = |error: std::io::Error| format!("{}: {error}", page.display());
    let mut text = std::fs::read_to_string(page).map_err(problem)?;
    for (name, table) in tables(files)? {
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
        let marked = text.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
        let (before, after) = marked.ok_or_else(|| format!("{} has no place for {name}", page.display()))?;
        text = format!("{before}{begin}{table}{end}{after}");
    }
    std::fs::write(page, text).map_err(problem)?;
    Ok(format!("renewed {}", page.display()))
}
