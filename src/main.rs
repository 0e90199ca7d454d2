//! The program `huracan`: parses the command line and runs the command.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    huracan::commit::set(huracan_commit::commit!());
    cli::Cli::parse().run()
}
