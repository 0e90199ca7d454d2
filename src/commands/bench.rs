//! `huracan bench`: what every stage takes on the machine at hand, on simulated candles.

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
use crate::decide::votes::VoterParams;
use crate::engine::{self, Compute, Device, KernelTime};
use crate::exit::{Code, Failure, OrExit};
use crate::features::{self, Features};
use crate::files::write_atomic;
use crate::settings::Settings;
use crate::shadow::Rules;
use crate::ui::Ui;

pub use measure::Row;
pub use sizes::Sizes;

use measure::Bench;

/// What is compared before anything is timed: this much of the same market.
const SMALL: (usize, u32) = (3, 40);

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
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

impl Part {
    pub const ALL: [Self; 9] = [
        Self::Features,
        Self::Labels,
        Self::Bins,
        Self::Boost,
        Self::Large,
        Self::Predict,
        Self::Votes,
        Self::Shadow,
        Self::Train,
    ];
}

/// What is measured, how long.
pub struct Request {
    pub parts: Vec<Part>,
    pub sizes: Sizes,
    pub quick: bool,
    /// Seconds that each row measures for.
    pub seconds: f64,
}

/// The table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Always: no other candles are measured on.
    pub simulated: bool,
    pub version: &'static str,
    pub commit: &'static str,
    pub device: String,
    /// The machine's name for it.
    pub engine: String,
    pub threads: usize,
    pub quick: bool,
    pub seconds: f64,
    pub seed: u64,
    /// Processes that wanted a core, over the last minute.
    pub load_before: f64,
    pub load_after: f64,
    pub sizes: Sizes,
    pub copy_bytes_per_s: Option<f64>,
    pub rows: Vec<Row>,
    /// Longest first, over all rounds.
    pub kernels: Vec<KernelTime>,
}

/// What the rows work on.
struct Data {
    panel: Panel,
    small: Panel,
    features: Features,
    /// `[symbols × bars]`.
    atr: Vec<f64>,
    rules: Rules,
    voters: VoterParams,
}

/// The device that is measured; none takes its place.
///
/// # Errors
/// Exit code 2 where this machine or this program does not have it; 1 where it cannot be opened.
pub fn open(settings: &Settings, workdir: &Path) -> Result<Compute, Failure> {
    let mut strict = settings.clone();
    strict.engine.fallback = false;
    strict.open_device(workdir)
}

/// Compares and measures every stage; with `out`, `bench.json` and `bench.md` are written there, anew after every row: what was
/// measured before a failure is not lost by it.
///
/// # Errors
/// Sizes that do not fit each other; bits that differ from the CPU's; a device that fails.
pub fn run(
    settings: &Settings,
    compute: &Compute,
    request: &Request,
    out: Option<&Path>,
    ui: &Ui,
) -> Result<Report, Failure> {
    let Request { parts, sizes, quick, seconds } = request;
    sizes.check(parts)?;
    let mut settings = settings.clone();
    settings.market.timeframe = Timeframe::H1;
    let settings = &settings;
    let load_before = System::load_average().one;
    let bench = Bench::new(compute, ui, *seconds);
    let data = Data::new(settings, sizes, ui)?;
    let told = |rows: Vec<Row>| Report {
        simulated: true,
        version: env!("CARGO_PKG_VERSION"),
        commit: commit::get(),
        device: compute.device().to_string(),
        engine: engine_name(compute.device()),
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
    for part in Part::ALL.into_iter().filter(|part| parts.contains(part)) {
        rows.push(match part {
            Part::Features => stages::features(&bench, &data)?,
            Part::Labels => stages::labels(&bench, &data)?,
            Part::Bins => boosting::bins(&bench, &data, sizes)?,
            Part::Boost => {
                let (row, found) = boosting::many(&bench, &data, sizes)?;
                forests = found;
                row
            }
            Part::Large => boosting::large(&bench, &data, sizes)?,
            Part::Predict => {
                if forests.is_empty() {
                    forests = boosting::some(&bench, &data, sizes)?;
                }
                boosting::predict(&bench, &data, sizes, &forests)?
            }
            Part::Votes => stages::votes(&bench, &data)?,
            Part::Shadow => stages::shadow(&bench, &data, sizes)?,
            Part::Train => walk::train(&bench, settings, &data, sizes)?,
        });
        if let Some(out) = out {
            let report = told(rows.clone());
            write_atomic(&out.join("bench.json"), serde_json::to_string_pretty(&report)?.as_bytes())?;
            write_atomic(&out.join("bench.md"), shown::markdown(&report).as_bytes())?;
        }
    }
    Ok(told(rows))
}

impl Data {
    fn new(settings: &Settings, sizes: &Sizes, ui: &Ui) -> Result<Self, Failure> {
        let step = ui.step("market", None);
        step.note(&format!("simulating {} symbols × {} days", sizes.symbols, sizes.days));
        let panel = market::panel(settings, sizes.symbols, sizes.days)?;
        let (symbols, days) = SMALL;
        let small = market::panel(settings, symbols, days)?;
        let rules = Rules::new(&settings.labels, &settings.costs, settings.market.kind, Timeframe::H1);
        let (features, atr) = (features::compute(&panel), features::atr_14(&panel));
        step.done();
        Ok(Self { panel, small, features, atr, rules, voters: settings.decide.voters.clone() })
    }
}

/// The device by the name that its maker gave it.
fn engine_name(device: Device) -> String {
    let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()));
    let brand = system.cpus().first().map_or("", |cpu| cpu.brand().trim());
    let cpu = format!("{} with {} threads", if brand.is_empty() { "CPU" } else { brand }, rayon::current_num_threads());
    match device {
        Device::Cpu => cpu,
        Device::Emulated => format!("emulated device on {cpu}"),
        Device::Cuda(index) => {
            let gpus = engine::gpus().unwrap_or_default();
            let name = gpus.get(index).map_or_else(|| device.to_string(), |gpu| gpu.name.clone());
            format!("{name} ({device}), {cpu}")
        }
    }
}
