//! Arguments and output of `huracan audit`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};

use crate::audit::power::TARGETS;
use crate::audit::report;
use crate::audit::{Check, Request};
use crate::commands;
use crate::exit::{Code, CommandFailure};
use crate::settings::Settings;
use crate::ui::Ui;

/// Symbols with `--full`.
const FULL: usize = 1000;

pub const HELP: &str = "\
The five checks, each of which can fail:

  look-ahead  Everything after a cut in time is replaced: moves permuted, prices spiked, volume × 1000,
              bars removed. Every feature, label, fold, bin, forest, prediction, vote, signal and trade
              before the cut must keep its bits. A change means that something used the future.
  recursion   Features of the same bars are computed with long and with short histories. The report
              names those that differ, with the size of the difference. The start of the history stops
              mattering to an average after the bars shown. It never stops mattering to a running sum: a
              bot with a shorter history gets another level. Any other value that depends on it fails. So does a
              column of the models' view that changes when the prices and volumes of a coin are multiplied.
  noise       The walk-forward on shuffled bars, where nothing can be predicted: every approval is luck.
              At most 1 % may be approved. Fails when the whole 95 % interval lies above that. Coins are
              studied in worlds of universe.top_n, which share a model and are approved together: the interval
              counts worlds. 'unclear' means that more --symbols are needed, ten worlds at least. A second null
              keeps the clustering of volatility: bars come in blocks, and a coin is tossed for the direction
              of each.
  power       The same with an edge of known size planted: every approval is a find. Where the best rule's
              own trades stand 5 standard errors from zero, 0.9 of what a t-test on them finds at the
              false-approval rate of the noise must be found; elsewhere the 95 % interval of the share
              found must reach 0.7 of that. Unclear with fewer than 200 symbols of each size.
  promise     The walk-forward on the candles as they are, or on simulated markets with a pattern: the slope
              of realised on predicted edges, beyond the market's drift. Its 95 % interval by blocks of days
              must lie above 0 and reach 0.8: models may not promise more than they keep. Models that promise
              nothing on your candles pass.

Noise and power train models for each fold of each world and size: they take most of the time, and it grows
with --symbols and --edges. Exit code 1 if a check fails.

Examples:
  huracan audit
  huracan audit --candles candles/1h --out audit
  huracan audit --candles candles/1d --config config/daily.yaml --only look-ahead,recursion
  huracan audit --only noise,power --full --out audit";

#[derive(Args)]
pub struct Audit {
    /// Folder of candle files, one per symbol [default: simulated markets]
    #[arg(long, value_name = "DIR")]
    candles: Option<PathBuf>,
    /// Only these checks: look-ahead, recursion, noise, power, promise
    #[arg(long, value_name = "CHECKS", value_enum, value_delimiter = ',')]
    only: Vec<CheckName>,
    /// Symbols for noise, and for each size of the planted edge [default: 200]. With fewer symbols in the folder,
    /// each is shuffled several times
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    symbols: Option<u32>,
    /// The same as --symbols 1000
    #[arg(long, conflicts_with = "symbols")]
    full: bool,
    /// Sizes of the planted edge: distances of the best rule's own trades from zero, in standard errors
    #[arg(long, value_name = "T,T…", value_delimiter = ',', default_values_t = TARGETS)]
    edges: Vec<f64>,
    /// Folder for audit.html with the power curve, audit.json and power.svg
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum CheckName {
    LookAhead,
    Recursion,
    Noise,
    Power,
    Promise,
}

impl From<CheckName> for Check {
    fn from(name: CheckName) -> Self {
        match name {
            CheckName::LookAhead => Self::LookAhead,
            CheckName::Recursion => Self::Recursion,
            CheckName::Noise => Self::Noise,
            CheckName::Power => Self::Power,
            CheckName::Promise => Self::Promise,
        }
    }
}

impl Audit {
    /// Runs the checks and prints the table. Returns the exit code.
    pub fn run(&self, settings: &Settings, workdir: &Path, json: bool) -> Result<u8, CommandFailure> {
        if let Some(edge) = self.edges.iter().find(|edge| !(**edge > 0.0 && **edge <= 100.0)) {
            return Err(CommandFailure::new(
                Code::Usage,
                format!("--edges has {edge}; give distances above 0, up to 100"),
            ));
        }
        let symbols = if self.full { Some(FULL) } else { self.symbols.map(|symbols| symbols as usize) };
        let usual = Request::default();
        let request = Request {
            checks: match self.only.as_slice() {
                [] => usual.checks,
                only => only.iter().map(|&name| name.into()).collect(),
            },
            noise_symbols: symbols.unwrap_or(usual.noise_symbols),
            power_symbols: symbols.unwrap_or(usual.power_symbols),
            targets: self.edges.clone(),
        };
        let ui = Ui::new(json);
        let compute = settings.open_device(workdir)?;
        let (candles, out) = (self.candles.as_deref(), self.out.as_deref());
        let audit = commands::audit::run(settings, &compute, candles, &request, out, &ui)?;
        commands::fallback::warn_if_lost(&compute);
        if json {
            println!("{}", commands::audit::as_json(&audit));
        } else {
            println!("{}", text(&audit));
            if let Some(out) = &self.out {
                println!("power curve and all figures: {}", out.join("audit.html").display());
            }
        }
        Ok(if audit.failed() { Code::Failed as u8 } else { 0 })
    }
}

/// The table, then the details.
fn text(audit: &report::Audit) -> String {
    let mut text = String::new();
    if audit.simulated {
        text.push_str("SIMULATED MARKET: these candles are invented; audit your own with --candles.\n");
    }
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(["check", "what was compared", "found", "verdict"]);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if !std::io::stdout().is_terminal() {
        table.set_width(120);
    }
    for row in audit.rows() {
        table.add_row([row.check.to_owned(), row.compared, row.found, row.verdict.word().to_owned()]);
    }
    text.push_str(&table.to_string());
    if let Some(power) = &audit.power {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED).set_header([
            "edge, σ per bar",
            "best rule: std. errors",
            "net, bps",
            "trades",
            "t-test finds",
            "models approved",
            "their trades",
            "net, bps",
        ]);
        for p in &power.points {
            let percent = |share: f64| format!("{:.0} %", 100.0 * share);
            table.add_row([
                format!("{:.3}", p.edge),
                format!("{:.2}", p.best_t),
                format!("{:.1}", p.best_net_bps),
                format!("{:.0}", p.best_trades),
                percent(p.t_test_share),
                percent(p.share),
                format!("{:.0}", p.trades),
                format!("{:.1}", p.net_bps),
            ]);
        }
        text.push('\n');
        text.push_str(&table.to_string());
    }
    for line in audit.details() {
        text.push('\n');
        text.push_str(&line);
    }
    text
}
