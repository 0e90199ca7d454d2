//! `huracan bench`: measures every stage on this machine, on simulated candles.

mod bits;
mod boosting;
mod market;
mod measure;
pub mod shown;
pub mod sizes;
mod stages;
mod walk;

use std::path::Path;

use serde::Serialize;
use sysinfo::{CpuRefreshKind, RefreshKind, System};

use crate::bars::{Panel, Timeframe};
use crate::commit;
use crate::decide::DecideParams;
use crate::engine::{self, Compute, Device, KernelTime};
use crate::exit::{Code, CommandFailure, OrExit};
use crate::features::{self, Features};
use crate::files::write_atomic;
use crate::health;
use crate::settings::Settings;
use crate::shadow::Rules;
use crate::ui::Ui;

pub use measure::Row;
pub use sizes::Sizes;

use measure::Bench;

/// Symbols and days of the small market on which results are compared before anything is timed.
const SMALL: (usize, u32) = (3, 40);

/// A stage that is measured: one row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The feature catalogue.
    Features,
    /// What models see, from the catalogue.
    View,
    /// Unit trades by triple barriers, both sides.
    Labels,
    /// Quantile cuts and codes.
    Bins,
    /// Many small boosting jobs.
    Boost,
    /// One boosting job of many rows.
    Large,
    /// Raw scores of many models.
    Predict,
    /// All voters.
    Votes,
    /// The consensus of their votes.
    Consensus,
    /// Trades of many configurations.
    Shadow,
    /// The whole walk-forward.
    Train,
}

impl Stage {
    /// All stages, in the order of the table.
    pub const ALL: [Self; 11] = [
        Self::Features,
        Self::View,
        Self::Labels,
        Self::Bins,
        Self::Boost,
        Self::Large,
        Self::Predict,
        Self::Votes,
        Self::Consensus,
        Self::Shadow,
        Self::Train,
    ];
}

/// What is measured, and for how long.
pub struct Request {
    /// The stages.
    pub stages: Vec<Stage>,
    /// How much work each stage gets.
    pub sizes: Sizes,
    /// Whether the sizes are those that only show that everything works.
    pub quick: bool,
    /// Seconds of measurement per row.
    pub seconds: f64,
}

/// The measurements.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Always true: all measurements use simulated candles.
    pub simulated: bool,
    /// Version of the program.
    pub version: &'static str,
    /// Commit of the program.
    pub commit: &'static str,
    /// `cpu`, `emulated` or `cuda:N`.
    pub device: String,
    /// Name of the hardware.
    #[serde(rename = "engine")]
    pub hardware: String,
    /// CPU threads.
    pub threads: usize,
    /// Whether the sizes are those that only show that everything works.
    pub quick: bool,
    /// Seconds of measurement per row.
    pub seconds: f64,
    /// Seed of the simulated market.
    pub seed: u64,
    /// Load average of the last minute, before the measurements.
    pub load_before: f64,
    /// The same, after them.
    pub load_after: f64,
    /// How much work each stage got.
    pub sizes: Sizes,
    /// Bandwidth of the copy, bytes read and written per second.
    pub copy_bytes_per_s: Option<f64>,
    /// One row per stage.
    pub rows: Vec<Row>,
    /// Time per kernel over all rounds, longest first.
    pub kernels: Vec<KernelTime>,
}

/// The input of all stages.
struct Data {
    panel: Panel,
    small: Panel,
    features: Features,
    /// `[symbols × bars]`.
    atr: Vec<f64>,
    rules: Rules,
    decide: DecideParams,
    /// Bars that a label looks ahead.
    horizon_bars: usize,
}

/// Opens the device that is measured, without a fallback.
///
/// # Errors
/// Exit code 2 if this machine or this build does not have it, 1 if it cannot be opened.
pub fn open(settings: &Settings, workdir: &Path) -> Result<Compute, CommandFailure> {
    let mut strict = settings.clone();
    strict.engine.fallback = false;
    strict.open_device(workdir)
}

/// Compares and measures every stage.
///
/// With `out` it writes `bench.json` and `bench.md` there, again after every row, so that a failure does not lose the
/// rows before it.
///
/// # Errors
/// Sizes that do not fit together, bits that differ from the CPU's, or a device that fails.
pub fn run(
    settings: &Settings,
    compute: &Compute,
    request: &Request,
    out: Option<&Path>,
    ui: &Ui,
) -> Result<Report, CommandFailure> {
    let Request { stages: requested, sizes, quick, seconds } = request;
    sizes.check(requested)?;
    let mut settings = settings.clone();
    settings.market.timeframe = Timeframe::H1;
    let settings = &settings;
    if let Some(warning) = health::missing_burn(settings, compute.device()) {
        ui.message(warning);
    }
    let load_before = System::load_average().one;
    let bench = Bench::new(compute, ui, *seconds, !quick);
    let data = Data::new(settings, sizes, ui)?;
    let report_of = |rows: Vec<Row>| Report {
        simulated: true,
        version: env!("CARGO_PKG_VERSION"),
        commit: commit::get(),
        device: compute.device().to_string(),
        hardware: hardware_name(compute.device()),
        threads: rayon::current_num_threads(),
        quick: *quick,
        seconds: *seconds,
        seed: settings.seed,
        load_before,
        load_after: System::load_average().one,
        sizes: *sizes,
        copy_bytes_per_s: bench.copy_bytes_per_s(),
        rows,
        kernels: bench.kernels(),
    };
    if let Some(out) = out {
        std::fs::create_dir_all(out).or_exit(Code::Failed)?;
    }
    let mut rows = vec![stages::copy(&bench, sizes)?];
    let mut forests = Vec::new();
    for stage in Stage::ALL.into_iter().filter(|stage| requested.contains(stage)) {
        rows.push(match stage {
            Stage::Features => stages::features(&bench, &data)?,
            Stage::View => stages::view(&bench, &data)?,
            Stage::Labels => stages::labels(&bench, &data)?,
            Stage::Bins => boosting::bins(&bench, &data, sizes)?,
            Stage::Boost => {
                let (row, trained) = boosting::many(&bench, &data, sizes)?;
                forests = trained;
                row
            }
            Stage::Large => boosting::large(&bench, &data, sizes)?,
            Stage::Predict => {
                if forests.is_empty() {
                    forests = boosting::some(&bench, &data, sizes)?;
                }
                boosting::predict(&bench, &data, sizes, &forests)?
            }
            Stage::Votes => stages::votes(&bench, &data)?,
            Stage::Consensus => stages::consensus(&bench, &data)?,
            Stage::Shadow => stages::shadow(&bench, &data, sizes)?,
            Stage::Train => walk::train(&bench, settings, &data, sizes)?,
        });
        if let Some(out) = out {
            let report = report_of(rows.clone());
            write_atomic(&out.join("bench.json"), serde_json::to_string_pretty(&report)?.as_bytes())?;
            write_atomic(&out.join("bench.md"), shown::markdown(&report).as_bytes())?;
        }
    }
    Ok(report_of(rows))
}

impl Data {
    fn new(settings: &Settings, sizes: &Sizes, ui: &Ui) -> Result<Self, CommandFailure> {
        let step = ui.step("market", None);
        step.note(&format!("simulating {} symbols × {} days", sizes.symbols, sizes.days));
        let panel = market::panel(settings, sizes.symbols, sizes.days)?;
        let (symbols, days) = SMALL;
        let small = market::panel(settings, symbols, days)?;
        // Trades on both sides, so that a rate means the same on every market.
        let rules = Rules::new(&settings.labels, &settings.costs, settings.market.kind, Timeframe::H1);
        let rules = Rules { shorts: true, ..rules };
        let (features, atr) = (features::compute(&panel), features::atr_14(&panel));
        step.done();
        Ok(Self {
            panel,
            small,
            features,
            atr,
            rules,
            decide: settings.decide.clone(),
            horizon_bars: settings.labels.horizon_bars(),
        })
    }
}

/// The manufacturer's name of the CPU or GPU, with the number of CPU threads.
fn hardware_name(device: Device) -> String {
    let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()));
    let brand = system.cpus().first().map_or("", |cpu| cpu.brand().trim());
    let cpu = format!("{} with {} threads", if brand.is_empty() { "CPU" } else { brand }, rayon::current_num_threads());
    match device {
        Device::Cpu => cpu,
        Device::Emulated => format!("emulated device on {cpu}"),
        Device::Cuda(cards) => {
            let gpus = engine::gpus().unwrap_or_default();
            let mut names: Vec<(String, usize)> = Vec::new();
            for index in cards.iter() {
                let name = gpus.get(index).map_or_else(|| format!("cuda:{index}"), |gpu| gpu.name.clone());
                match names.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, count)) => *count += 1,
                    None => names.push((name, 1)),
                }
            }
            let each =
                names.iter().map(|(name, count)| if *count == 1 { name.clone() } else { format!("{count} × {name}") });
            format!("{} ({device}), {cpu}", each.collect::<Vec<_>>().join(", "))
        }
    }
}
