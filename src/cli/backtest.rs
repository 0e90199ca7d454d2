//! Arguments of `huracan backtest`.

use std::path::PathBuf;

use clap::Args;

use crate::commands::sweep::Request;

#[derive(Args)]
pub struct Backtest {
    /// Folder of candle files, one per symbol
    #[arg(long, value_name = "DIR")]
    pub candles: PathBuf,
    /// Table of symbol, timestamp, side (-1, 0, 1) and optionally stop_bps, take_bps, size; a sweep reads score
    /// (any number: its sign is the side) or side. Without it the models of --workdir decide
    #[arg(long, value_name = "FILE")]
    pub signals: Option<PathBuf>,
    /// Let rejected models decide too (those in models/rejected); by default only approved ones do
    #[arg(long, conflicts_with = "signals")]
    pub include_rejected: bool,
    /// Output table of the trades (.csv or .parquet)
    #[arg(long, value_name = "FILE", required_unless_present = "sweep", conflicts_with = "sweep")]
    pub trades: Option<PathBuf>,
    /// Also write what the models decided on every bar, traded or not, and why (.csv or .parquet)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["signals", "sweep"])]
    pub decisions: Option<PathBuf>,
    /// Trade every combination of thresholds, stops, takes and holds, and write what each earned
    #[arg(long, requires = "out")]
    pub sweep: bool,
    /// Folder for the sweep's sweep.csv and sweep.html; or the table itself (.csv or .parquet), with the page beside it
    #[arg(long, value_name = "FOLDER", requires = "sweep")]
    pub out: Option<PathBuf>,
    /// Least |score| that is a signal, as a list [default: 8 values, each leaving out another eighth of the signals]
    #[arg(long, value_name = "LIST", requires = "sweep", help_heading = "Grid of a sweep", allow_hyphen_values = true)]
    pub thresholds: Option<String>,
    /// Stop distances in multiples of the ATR, as a list: 1,1.5,2 or from:to:count [default: 0.5:5:10]
    #[arg(long, value_name = "LIST", requires = "sweep", help_heading = "Grid of a sweep", allow_hyphen_values = true)]
    pub stops: Option<String>,
    /// Take distances in multiples of the ATR, as a list [default: 0.5:6:12]
    #[arg(long, value_name = "LIST", requires = "sweep", help_heading = "Grid of a sweep", allow_hyphen_values = true)]
    pub takes: Option<String>,
    /// Bars after which a trade is closed, as a list; none (last) sets no limit [default: 6,12,24,48]
    #[arg(long, value_name = "LIST", requires = "sweep", help_heading = "Grid of a sweep", allow_hyphen_values = true)]
    pub holds: Option<String>,
}

pub const EXAMPLES: &str = "Examples:
  huracan backtest --candles candles/1h --signals signals.csv --trades trades.csv
  huracan backtest --candles candles/1h --signals scores.csv --sweep --out sweep
  huracan backtest --candles candles/1h --sweep --stops 1:3:5 --holds 12,24,none --out s.parquet

A sweep shows the best settings, and from how many they were chosen. The best of many
settings looks better than it is: choose on one period, and test the choice once on
another.";

impl Backtest {
    /// The sweep's request; none without `--sweep`.
    pub fn request(&self) -> Option<Request<'_>> {
        let out = self.out.as_deref().filter(|_| self.sweep)?;
        Some(Request {
            candles: &self.candles,
            signals: self.signals.as_deref(),
            include_rejected: self.include_rejected,
            thresholds: self.thresholds.as_deref(),
            stops: self.stops.as_deref().unwrap_or("0.5:5:10"),
            takes: self.takes.as_deref().unwrap_or("0.5:6:12"),
            holds: self.holds.as_deref().unwrap_or("6,12,24,48"),
            out,
        })
    }
}
