//! Whole days: runs, what they leave behind, and runs that are cut off.

#[path = "../support/candles.rs"]
mod candles;
#[path = "../support/cli.rs"]
mod cli;
#[path = "../support/folder.rs"]
mod folder;
#[path = "../support/forests.rs"]
mod forests;
#[path = "../support/lenient.rs"]
mod lenient;
#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/python.rs"]
mod python;
#[path = "../support/skip.rs"]
mod skip;

mod container;
mod exports_of_a_run;
mod families;
mod handover;
mod lost_disk;
mod run;
mod secrets;
mod signal;
mod simulated_gpu;
mod verdicts;
mod watched_run;
