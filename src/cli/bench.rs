//! Arguments and output of `huracan bench`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};

use crate::commands::bench::{self, Report, Request, Sizes, Stage, shown};
use crate::exit::{Code, CommandFailure};
use crate::settings::Settings;
use crate::ui::Ui;

/// Seconds of measurement per row.
const SECONDS: f64 = 2.0;
/// The same with `--quick`.
const QUICK_SECONDS: f64 = 0.1;

pub const HELP: &str = "\
One row per stage, all on the simulated market:

  copy      copies one array to another, within the device or by all cores: the upper limit for the other rows
  features  the whole catalogue              view     what models see, from the catalogue
  labels    unit trades by triple barriers   bins     quantile cuts and codes
  boost     many small jobs, one block each  large    one job of many rows
  predict   raw scores of many models        votes    all voters
  shadow    trades of many configurations    train    the whole walk-forward, all folds and heads

Before a stage is timed, the device must give the same bits as the CPU on a small part of the work (on the CPU: all
threads the same as one thread). The table shows what was compared. A difference ends the command with exit code 1.

A GPU gets the work of a whole night (500 symbols × 1 year, 4,096 models of 2,880 rows × 100 rounds, one job of
2,000,000 rows). The CPU and the emulated device get less; each row shows how much. Most sizes are arguments.

'best' and 'median' are of the whole call, transfers to the device and back included; 'kernels alone' is the time of
the launches there. Close other programs first: the machine's load is printed with the table.

Examples:
  huracan bench --quick
  huracan bench --device cuda --out bench
  huracan bench --only features,boost --symbols 100 --jobs 400 --seconds 10 --json";

#[derive(Args)]
pub struct Bench {
    /// Small sizes and short measurements: shows within a minute that everything works
    #[arg(long)]
    quick: bool,
    /// Seconds of measurement per row: at least 3 rounds, or one if it alone takes longer [default: 2; --quick: 0.1]
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,
    /// Only these rows besides copy: features, labels, bins, boost, large, predict, votes, shadow, train
    #[arg(long, value_name = "STAGES", value_enum, value_delimiter = ',')]
    only: Vec<StageName>,
    /// Symbols of the simulated market [default: 500 on a GPU, 40 on the CPU, 8 emulated]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=5000))]
    symbols: Option<u32>,
    /// Days of its 1h candles [default: 365; --quick: 160]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(10..=1000))]
    days: Option<u32>,
    /// Small boosting jobs [default: 4096 on a GPU, 72 on the CPU, 8 emulated]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    jobs: Option<u32>,
    /// Rows of each [default: 2880]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(10..=10_000_000))]
    rows: Option<u32>,
    /// Rounds of each small job and of the large one [default: 100; emulated 10 and 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: Option<u32>,
    /// Rows of the large job [default: 2000000 on a GPU, 250000 on the CPU, 20000 emulated]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(10..=100_000_000))]
    large_rows: Option<u32>,
    /// Symbols of the whole walk-forward [default: 500 on a GPU, 8 on the CPU, 1 emulated]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=5000))]
    train_symbols: Option<u32>,
    /// Folder for bench.json and bench.md
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum StageName {
    Features,
    View,
    Labels,
    Bins,
    Boost,
    Large,
    Predict,
    Votes,
    Consensus,
    Shadow,
    Train,
}

impl From<StageName> for Stage {
    fn from(name: StageName) -> Self {
        match name {
            StageName::Features => Self::Features,
            StageName::View => Self::View,
            StageName::Labels => Self::Labels,
            StageName::Bins => Self::Bins,
            StageName::Boost => Self::Boost,
            StageName::Large => Self::Large,
            StageName::Predict => Self::Predict,
            StageName::Votes => Self::Votes,
            StageName::Consensus => Self::Consensus,
            StageName::Shadow => Self::Shadow,
            StageName::Train => Self::Train,
        }
    }
}

impl Bench {
    /// Measures the stages and prints the table.
    pub fn run(&self, settings: &Settings, workdir: &Path, json: bool) -> Result<u8, CommandFailure> {
        let seconds = self.seconds.unwrap_or(if self.quick { QUICK_SECONDS } else { SECONDS });
        if !(0.0..=3600.0).contains(&seconds) {
            return Err(CommandFailure::new(Code::Usage, format!("--seconds is {seconds}; give 0 to 3600")));
        }
        let compute = bench::open(settings, workdir)?;
        let mut sizes = Sizes::of(compute.device(), self.quick);
        let set = |size: &mut usize, given: Option<u32>| *size = given.map_or(*size, |given| given as usize);
        set(&mut sizes.symbols, self.symbols);
        set(&mut sizes.jobs, self.jobs);
        set(&mut sizes.job_rows, self.rows);
        set(&mut sizes.large_rows, self.large_rows);
        set(&mut sizes.train_symbols, self.train_symbols);
        sizes.days = self.days.unwrap_or(sizes.days);
        sizes.job_rounds = self.rounds.unwrap_or(sizes.job_rounds);
        sizes.large_rounds = self.rounds.unwrap_or(sizes.large_rounds);
        let stages = match self.only.as_slice() {
            [] => Stage::ALL.to_vec(),
            only => only.iter().map(|&name| name.into()).collect(),
        };
        let request = Request { stages, sizes, quick: self.quick, seconds };
        let report = bench::run(settings, &compute, &request, self.out.as_deref(), &Ui::new(json))?;
        if json {
            println!("{}", serde_json::to_string(&report)?);
        } else {
            println!("{}", text(&report));
        }
        Ok(0)
    }
}

fn text(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(shown::HEADING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if !std::io::stdout().is_terminal() {
        table.set_width(170);
    }
    table.add_rows(shown::rows(report));
    let mut lines = shown::heading(report);
    lines.push(table.to_string());
    lines.extend(shown::remarks(report));
    lines.join("\n")
}
