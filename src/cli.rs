//! The command line: arguments, and how results and errors are printed.

mod audit;
mod backtest;
mod bench;
mod between;
mod boost;
mod dispatch;
mod print;
mod schedule;
mod signal;

use std::ffi::OsString;
use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, Parser, Subcommand};

use crate::exit::{Code, CommandFailure, OrExit};
use crate::settings::{Purpose, Settings, Sources, given_keys, load};

/// The settings file that is used if it exists and none is given.
const DEFAULT_CONFIG: &str = "config/settings.yaml";

/// Trains the trading models of many coins in one batch: candles, features, labels, boosted trees walk-forward,
/// shadow trading, verdicts, reports.
///
/// `huracan run` does a whole day. Without any settings it uses a simulated market and needs no network.
/// config/settings.yaml explains every setting. Set any of them with --set, with an environment variable
/// such as HURACAN__MARKET__TIMEFRAME, or in a file given with --config.
#[derive(Parser)]
#[command(version, propagate_version = true, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Common {
    /// Settings file; may be given several times, later ones win [default: config/settings.yaml, if it exists]
    #[arg(long, value_name = "FILE", global = true)]
    config: Vec<PathBuf>,
    /// One setting, as in --set universe.top_n=40; may be given several times
    #[arg(long = "set", value_name = "KEY.PATH=VALUE", global = true)]
    overrides: Vec<String>,
    /// Where to compute: auto, cpu, emulated, cuda (all GPUs), or some of them: cuda:N or cuda:N,M
    #[arg(long, value_name = "DEVICE", global = true)]
    device: Option<String>,
    /// Folder for everything that a run keeps: data, models, logs, reports, exports
    #[arg(long, value_name = "DIR", default_value = ".", global = true)]
    workdir: PathBuf,
    /// Print the result on standard output as one JSON object
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Do one whole day: from candles to approved models, reports and uploads
    #[command(
        after_help = "Examples:\n  huracan run\n  huracan run --set market.exchange.kind=files --set market.exchange.path=candles/1h\n  huracan run --config config/daily.yaml --resume"
    )]
    Run(RunArgs),
    /// Do a run every day at schedule.at_utc until stopped
    Schedule,
    /// The same steps as run, on the candles that the store already holds
    Train(RunArgs),
    /// Choose the coins to study, and show why the others are left out
    Universe(DateArgs),
    /// Bring the candle store up to date for the chosen coins
    Download(DateArgs),
    /// Write the reports of the latest run again
    Report,
    /// Export every table of the brain to exports/
    Export(DateArgs),
    /// Upload what has changed, and verify the remote
    Sync(DateArgs),
    /// Download from the remote what is missing here
    Restore {
        #[command(flatten)]
        date: DateArgs,
        /// Also replace local files that differ
        #[arg(long)]
        overwrite: bool,
    },
    /// Compute the feature catalogue for every candle file of a folder
    Features {
        #[command(flatten)]
        candles: CandlesOut,
        /// The scale-free view that models see, instead of the catalogue
        #[arg(long)]
        view: bool,
    },
    /// Label every bar with the outcome of the unit trade, long and short
    Labels(CandlesOut),
    /// Show the purged walk-forward plan
    Folds {
        /// Folder of candle files, one per symbol
        #[arg(long, value_name = "DIR")]
        candles: PathBuf,
    },
    /// Train or use boosted trees on any numeric table
    #[command(subcommand)]
    Boost(boost::Boost),
    /// Train a model again from its recorded inputs; exit code 1 if the digests differ
    #[command(
        after_help = "Trains the model's walk-forward folds and its last heads again, from the candles that its metadata names. On the\nCPU it trains with plain instructions instead of vector instructions, on another device with its kernels. What is not made\nagain is named: the calibration rests on all coins' models.\n\nExample:\n  huracan verify models/BTC-USDT_model.pkl\n  huracan verify models/BTC-USDT_model.pkl --device emulated"
    )]
    Verify {
        /// A model (.pkl)
        #[arg(value_name = "MODEL")]
        model: PathBuf,
        /// Folder of the candles that it was trained on [default: data/candles below --workdir]
        #[arg(long, value_name = "DIR")]
        candles: Option<PathBuf>,
    },
    /// Shadow trading alone, on given signals or on those of the models; --sweep tries thousands of settings at once
    #[command(after_help = backtest::EXAMPLES)]
    Backtest(backtest::Backtest),
    /// What would be done now with every coin: side, size, stop and take for an account, or why not
    #[command(after_help = signal::HELP)]
    Signal(signal::Signal),
    /// Check whether the results can be trusted: look-ahead, recursion, noise and power, on your candles and settings
    #[command(after_help = audit::HELP)]
    Audit(audit::Audit),
    /// Measure every stage on this machine, after comparing its bits with the CPU's
    #[command(after_help = bench::HELP)]
    Bench(bench::Bench),
    /// Show what is running, or how the last run went
    Status,
    /// Test every outside dependency, with a remedy for each failure; sends a test message to the Telegram chat
    Doctor,
    /// The kill switch: stop all trading decisions, in this and every later run
    Kill {
        #[arg(value_enum)]
        action: KillAction,
        /// The reason, shown to everyone who finds it on
        #[arg(long, value_name = "TEXT")]
        why: Option<String>,
    },
}

#[derive(Args)]
struct RunArgs {
    #[command(flatten)]
    date: DateArgs,
    /// Resume the unfinished run of this day
    #[arg(long)]
    resume: bool,
}

#[derive(Args)]
struct DateArgs {
    /// The day to stand in: only candles before its midnight UTC count [default: today; with candles from files, the end of the newest one]
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<NaiveDate>,
}

#[derive(Args)]
struct CandlesOut {
    /// Folder of candle files, one per symbol (.parquet, .feather or .csv)
    #[arg(long, value_name = "DIR")]
    candles: PathBuf,
    /// Output table (.parquet or .csv)
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
    /// Whether it opens the brain, or writes files with data from it.
    fn handles_account_data(&self) -> bool {
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
                | Self::Signal(_)
        )
    }
}

impl Common {
    /// The same options, as arguments for another process.
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

/// Runs the command of a command line, whose first word is the program. The exit code is one of docs/contract.md, section 1.
pub fn run(words: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(answer) => {
            // Help is an answer too. Where it cannot be printed nobody reads.
            let _ = answer.print();
            return u8::try_from(answer.exit_code()).unwrap_or(Code::Usage as u8);
        }
    };
    match dispatch::dispatch(&cli) {
        Ok(code) => code,
        Err(failure) => {
            if !failure.reported {
                eprintln!("error: {}", crate::secret::redact(failure.error.to_string()));
            }
            failure.code as u8
        }
    }
}

impl Cli {
    fn request(&self, date: Option<NaiveDate>) -> crate::pipeline::Request {
        crate::pipeline::Request {
            workdir: self.common.workdir.clone(),
            date,
            resume: false,
            json: self.common.json,
            stored_only: false,
        }
    }

    fn settings(&self, purpose: Purpose) -> Result<Settings, CommandFailure> {
        crate::settings::instructions_from_environment().map_err(|why| CommandFailure::new(Code::Usage, why))?;
        let mut files = self.common.config.clone();
        if files.is_empty() && std::path::Path::new(DEFAULT_CONFIG).exists() {
            files.push(DEFAULT_CONFIG.into());
        }
        load(&self.sources(files, purpose)).or_exit(Code::Usage)
    }

    /// The settings, of which only those count as given that the user has named now: a file that is there by itself, and may list
    /// every key, does not speak against what models were judged by.
    fn settings_of_models(&self) -> Result<Settings, CommandFailure> {
        let settings = self.settings(Purpose::Tables)?;
        let explicit = given_keys(&self.sources(self.common.config.clone(), Purpose::Tables));
        Ok(Settings { explicit, ..settings })
    }

    fn sources(&self, files: Vec<PathBuf>, purpose: Purpose) -> Sources {
        let mut overrides = self.common.overrides.clone();
        overrides.extend(self.common.device.iter().map(|device| format!("engine.device={device}")));
        Sources { files, overrides, purpose, ..Sources::default() }.with_environment()
    }
}
