//! The program `huracan`: parses the command line and runs the command.

use std::process::ExitCode;

fn main() -> ExitCode {
    huracan::commit::set(huracan_commit::commit!());
    ExitCode::from(huracan::cli::run(std::env::args_os()))
}
