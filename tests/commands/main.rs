//! The commands that take tables and folders of candles, run as a user runs them.

#[path = "../support/browser.rs"]
mod browser;
#[path = "../support/cli.rs"]
mod cli;
#[path = "../support/learning.rs"]
mod learning;
#[path = "../support/lenient.rs"]
mod lenient;
#[path = "../support/python.rs"]
mod python;
#[path = "../support/skip.rs"]
mod skip;

mod architecture;
mod audit;
mod bench_command;
mod boost_commands;
mod boost_tools;
mod commands;
mod outside_names;
mod report_page;
mod sweep_commands;
