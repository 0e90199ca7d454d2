//! Arguments of `huracan bench`, and its table.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};

use huracan::commands::bench::{self, Part, Report, Request, Sizes, shown};
use huracan::exit::{Code, Failure};
use huracan::settings::Settings;
use huracan::ui::Ui;

/// Seconds that each row measures for.
const SECONDS: f64 = 2.0;
const QUICK_SECONDS: f64 = 0.1;

pub const HELP: &str = "\
One row a stage, all on the simulated market:

  copy      bytes of one array to another, within the device or by all cores: the limit for what follows
  features  the whole catalogue              labels   unit trades by triple barriers, both sides
  bins      quantile cuts and codes          boost    many small jobs, one block of a GPU each
  large     one job of many rows             predict  raw scores of many models
  votes     all voting engines               shadow   trades of many configurations
  train     the whole walk-forward, all folds and heads

Before a stage is timed, the device must give the CPU's bits on a small piece of the work (on the CPU: all threads
those of one thread). The table says what was compared; a difference ends the command with exit code 1.

A GPU gets a whole night's work (500 symbols × 1 year, 4,096 models of 2,880 rows × 100 rounds, one job of 2,000,000
rows); the CPU and the emulated device get less, and each row says so. Most sizes are arguments.

'best' and 'median' are of the whole call, with the way to the device and back; 'kernels alone' is what the launches
took there. Close what else runs on the machine: its load is printed with the table.

Examples:
  huracan bench --quick
  huracan bench --device cuda --out bench
  huracan bench --only features,boost --symbols 100 --jobs 400 --seconds 10 --json";

#[derive(Args)]
pub struct Bench {
    /// Small sizes and short measurements: shows that everything works, in seconds to a minute
    #[arg(long)]
    quick: bool,
    /// Seconds that each row measures for: 3 rounds at least, or one where it alone takes longer [default: 2; --quick: 0.1]
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,
    /// Only these rows besides copy: features, labels, bins, boost, large, predict, votes, shadow, train
    #[arg(long, value_name = "STAGES", value_enum, value_delimiter = ',')]
    only: Vec<Name>,
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
enum Name {
    Features,
    Labels,
    Bins,
    Boost,
    Large,
    Predict,
    Votes,
    Shadow,
    Train,
}

impl From<Name> for Part {
    fn from(name: Name) -> Self {
        match name {
            Name::Features => Self::Features,
            Name::Labels => Self::Labels,
            Name::Bins => Self::Bins,
            Name::Boost => Self::Boost,
            Name::Large => Self::Large,
            Name::Predict => Self::Predict,
            Name::Votes => Self::Votes,
            Name::Shadow => Self::Shadow,
            Name::Train => Self::Train,
        }
    }
}

impl Bench {
    /// Measures and shows the table.
    pub fn run(&self, settings: &Settings, workdir: &Path, json: bool) -> Result<u8, Failure> {
        let seconds = self.seconds.unwrap_or(if self.quick { QUICK_SECONDS } else { SECONDS });
        if !(0.0..=3600.0).contains(&seconds) {
            return Err(Failure::new(Code::Usage, format!("--seconds is {seconds}; give 0 to 3600")));
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
        let parts = match self.only.as_slice() {
            [] => Part::ALL.to_vec(),
            only => only.iter().map(|&name| name.into()).collect(),
        };
        let request = Request { parts, sizes, quick: self.quick, seconds };
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
