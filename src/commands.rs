//! The commands, one file each. The steps of a day are in [`crate::pipeline`], the computations in the compute crates.

pub mod audit;
pub mod backtest;
pub mod bench;
pub mod boost;
mod candles;
mod doctor;
mod download;
mod due;
mod export;
pub mod fallback;
pub mod features;
pub mod folds;
pub mod labels;
mod last;
mod library;
mod report;
mod restore;
pub mod signal;
mod signals;
mod status;
pub mod sweep;
mod sync;
mod table;
mod universe;
mod verify;
pub mod votes;

use futures::future::LocalBoxFuture;

use crate::exit::CommandFailure;

/// The future of a command. It is boxed so that the code is compiled here once, and not again in every program that
/// calls it.
pub type CommandFuture<'a, T> = LocalBoxFuture<'a, Result<T, CommandFailure>>;

pub use crate::text::time_text;
pub use candles::{panel_of, read_panel, read_panel_until};
pub use doctor::doctor;
pub use download::download;
pub use due::{Due, due};
pub use export::export;
pub use last::last;
pub use report::report;
pub use restore::restore;
pub use status::status;
pub use sync::sync;
pub use table::{Table, TableError};
pub use universe::universe;
pub use verify::{Check, Verified, verify};
