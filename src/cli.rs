//! Command line: what can be asked, and how answers and errors are shown.

mod audit;
mod backtest;
mod bench;
mod between;
mod boost;
mod dispatch;
mod schedule;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use chrono::NaiveDate;
use clap::{Args, Parser, Subcommand};

use huracan::exit::Failure;
use huracan::settings::{Purpose, Settings, Sources, load};

const CONFIG: &str = "config/settings.yaml";

/// Trains every coin's trading models at once: candles, features, labels, boosted trees walk-forward,
/// shadow trading, verdicts, reports.
///
/// `huracan run` does a whole day; without any settings it studies a simulated market and needs no network.
/// Every setting is explained in config/settings.yaml; give any of them by --set, by an environment variable
/// like HURACAN__MARKET__TIMEFRAME, or in a file of --config.
#[derive(Parser)]
#[command(version, propagate_version = true, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Common {
    /// Settings file; may be given several times, later ones win [default: config/settings.yaml, if it is there]
    #[arg(long, value_name = "FILE", global = true)]
    config: Vec<PathBuf>,
    /// One setting, as in --set universe.top_n=40; may be given several times
    #[arg(long = "set", value_name = "KEY.PATH=VALUE", global = true)]
    overrides: Vec<String>,
    /// Where to compute: auto, cpu, cuda, cuda:N or emulated
    #[arg(long, value_name = "DEVICE", global = true)]
    device: Option<String>,
    /// Folder of everything that a run keeps: data, models, logs, reports, exports
    #[arg(long, value_name = "DIR", default_value = ".", global = true)]
    workdir: PathBuf,
    /// Print the result on stdout as one JSON object
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Do one whole day: from candles to approved models, reports and the synced remote
    #[command(
        after_help = "Examples:\n  huracan run\n  huracan run --set market.exchange.kind=files --set market.exchange.path=candles/1h\n  huracan run --config config/daily.yaml --resume"
    )]
    Run(RunArgs),
    /// Do a run every day at schedule.at_utc until stopped
    Schedule,
    /// Train, test and judge models for the universe that the store already holds
    Train(RunArgs),
    /// Choose the coins to study, and show why the others are not
    Universe(DateArgs),
    /// Bring the candle store up to date for the chosen coins
    Download(DateArgs),
    /// Write the reports of the latest run again
    Report,
    /// Export every table of the brain to exports/
    Export(DateArgs),
    /// Upload what has changed, and verify the remote
    Sync(DateArgs),
    /// Bring back from the remote what is missing here
    Restore {
        #[command(flatten)]
        date: DateArgs,
        /// Also replace local files that differ
        #[arg(long)]
        overwrite: bool,
    },
    /// Compute the feature catalogue for every candle file of a folder
    Features(CandlesOut),
    /// Label every bar with the outcome of the unit trade, long and short
    Labels(CandlesOut),
    /// Show the purged walk-forward plan
    Folds {
        /// Folder of candle files, one a symbol
        #[arg(long, value_name = "DIR")]
        candles: PathBuf,
    },
    /// Train or use boosted trees on any numeric table
    #[command(subcommand)]
    Boost(boost::Boost),
    /// Train a model again from its recorded inputs, another way; equal digests or exit code 1
    #[command(
        after_help = "The model's walk-forward folds and its last heads are trained from the candles that its metadata name, with\nplain instructions instead of this machine's vectors, or by the kernels of another device.\n\nExample:\n  huracan verify models/BTC-USDT_model.pkl\n  huracan verify models/BTC-USDT_model.pkl --device emulated"
    )]
    Verify {
        /// A model (.pkl)
        #[arg(value_name = "MODEL")]
        model: PathBuf,
        /// Folder of the candles that it learned from [default: data/candles below --workdir]
        #[arg(long, value_name = "DIR")]
        candles: Option<PathBuf>,
    },
    /// Shadow trading alone, on given signals or on the models' own; --sweep tries thousands of settings at once
    #[command(after_help = backtest::EXAMPLES)]
    Backtest(backtest::Backtest),
    /// Can these results be believed: look-ahead, recursion, noise and power, on your candles and settings
    #[command(after_help = audit::HELP)]
    Audit(audit::Audit),
    /// What every stage takes on this machine, beside the measured copy bandwidth; equal bits first
    #[command(after_help = bench::HELP)]
    Bench(bench::Bench),
    /// What is running, or how the last run went
    Status,
    /// Test every outside dependency, with a remedy for each failure
    Doctor,
    /// The kill switch: stop all trading decisions, in this and every later run
    Kill {
        #[arg(value_enum)]
        action: KillAction,
        /// Why, for those who find it on
        #[arg(long, value_name = "TEXT")]
        why: Option<String>,
    },
}

#[derive(Args)]
struct RunArgs {
    #[command(flatten)]
    date: DateArgs,
    /// Go on with the unfinished run of this day
    #[arg(long)]
    resume: bool,
}

#[derive(Args)]
struct DateArgs {
    /// The day to stand in: only candles before its midnight UTC count [default: today, or the end of the newest candle of a folder]
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<NaiveDate>,
}

#[derive(Args)]
struct CandlesOut {
    /// Folder of candle files, one a symbol (.parquet, .feather or .csv)
    #[arg(long, value_name = "DIR")]
    candles: PathBuf,
    /// Where the table goes (.parquet or .csv)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum KillAction {
    On,
    Off,
    Status,
}

impl Command {
    /// Whether it opens the brain or writes what lies there.
    fn keeps_accounts(&self) -> bool {
        matches!(
            self,
            Self::Run(_)
                | Self::Schedule
                | Self::Train(_)
                | Self::Report
                | Self::Export(_)
                | Self::Sync(_)
                | Self::Restore { .. }
                | Self::Status
                | Self::Doctor
        )
    }
}

impl Common {
    /// The same, as arguments of another process.
    fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["--workdir".into(), self.workdir.clone().into()];
        for file in &self.config {
            arguments.extend(["--config".into(), file.clone().into()]);
        }
        for setting in &self.overrides {
            arguments.extend(["--set".into(), setting.into()]);
        }
        if let Some(device) = &self.device {
            arguments.extend(["--device".into(), device.into()]);
        }
        arguments.extend(self.json.then(|| "--json".into()));
        arguments
    }
}

impl Cli {
    /// Does what was asked; the exit code is the contract's.
    pub fn run(self) -> ExitCode {
        match dispatch::dispatch(&self) {
            Ok(code) => ExitCode::from(code),
            Err(failure) => {
                if !failure.told {
                    eprintln!("error: {}", huracan::secret::redact(failure.error.to_string()));
                }
                ExitCode::from(failure.code as u8)
            }
        }
    }

    fn request(&self, date: Option<NaiveDate>) -> huracan::pipeline::Request {
        huracan::pipeline::Request {
            workdir: self.common.workdir.clone(),
            date,
            resume: false,
            json: self.common.json,
            stored_only: false,
        }
    }

    fn settings(&self, purpose: Purpose) -> Result<Settings, Failure> {
        use huracan::exit::{Code, OrExit};
        let mut files = self.common.config.clone();
        if files.is_empty() && std::path::Path::new(CONFIG).exists() {
            files.push(CONFIG.into());
        }
        let mut overrides = self.common.overrides.clone();
        overrides.extend(self.common.device.iter().map(|device| format!("engine.device={device}")));
        load(&Sources { files, overrides, purpose, ..Sources::default() }.with_environment()).or_exit(Code::Usage)
    }
}
