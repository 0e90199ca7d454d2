//! The commands, parsed and handed on.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    huracan::commit::set(huracan_commit::commit!());
    cli::Cli::parse().run()
}
