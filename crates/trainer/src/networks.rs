//! Trains the networks of all folds of some units in one batch.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use huracan_boost::Table;
use huracan_decide::{Head, Scores, log_odds};
use huracan_engine::{Compute, EngineError};
#[cfg(feature = "burn")]
use huracan_engine::{Device, FaultKind, Stage};
use huracan_features::view_names;
use huracan_folds::Fold;
use huracan_neural::{
    self as neural, Backend, Network, NeuralError, NeuralJob, NeuralParams, Progress, Shape, TrainingState,
};

use super::inputs::TrainingInputs;
use super::scores::FoldScores;
use super::{LabelledRows, ModelError, ModelParams, NetworkName, Observer, Targets, Unit, UnitFolds, jobs};

/// Target of the log records of training.
const LOG_TARGET: &str = "training";

/// Interval at which the state of a network in training is saved.
const SAVE_INTERVAL: Duration = Duration::from_secs(10);

/// The training job of one network of a unit's fold; a network learns all heads together. `table_bars` is the number of bars
/// of a symbol in the table.
pub fn network_job(
    models: &ModelParams,
    targets: &Targets,
    table_bars: usize,
    unit: &Unit,
    fold: &Fold,
    seed: u64,
) -> NeuralJob {
    let n = &models.neural;
    let (first, last) = (unit.symbols[0], unit.symbols[unit.symbols.len() - 1]);
    let mut job = NeuralJob {
        name: format!("{} fold {} network of seed {seed}", unit.name, fold.index),
        rows: (first * table_bars) as u32..((last + 1) * table_bars) as u32,
        heads: Head::ALL.iter().map(|&head| output(head)).collect(),
        params: NeuralParams {
            shape: Shape { window: n.window as usize, width: n.width as usize, blocks: n.blocks as usize },
            epochs: n.epochs,
            batch: n.batch,
            learning_rate: n.learning_rate,
            weight_decay: n.weight_decay,
            dropout: n.dropout,
            label_smoothing: n.label_smoothing,
            clip_norm: n.clip_norm,
            patience: n.patience,
            seed,
        },
        ..NeuralJob::default()
    };
    // The windows of a pool's first bars would reach into the coin before.
    let least = if unit.symbols.len() > 1 { n.window as usize - 1 } else { 0 };
    let interleave = |bars: &Range<usize>| {
        let bars = bars.start.max(least).min(bars.end)..bars.end;
        // Both sides are labelled or neither: every head has the same rows.
        let heads = Head::ALL.map(|head| targets.rows(unit, &bars, head, models));
        let values =
            (0..heads[0].rows.len()).flat_map(|row| [0, 1, 2].map(|head: usize| heads[head].labels[row])).collect();
        let [LabelledRows { rows, .. }, ..] = heads;
        (rows, values)
    };
    (job.train, job.train_labels) = interleave(&fold.train);
    (job.valid, job.valid_labels) = interleave(&fold.validation);
    job
}

/// Kind of network output for a head.
fn output(head: Head) -> neural::Head {
    match head {
        Head::WinLong | Head::WinShort => neural::Head::Binary,
        Head::EdgeBps => neural::Head::Value,
    }
}

/// Seed of the network with this number within a fold; `run` is the seed of the run.
pub fn network_seed(run: u64, number: u32) -> u64 {
    run.wrapping_add(u64::from(number))
}

/// The networks of one fold, one per seed.
pub type FoldNetworks = Arc<Vec<Network>>;

/// Trains the networks of all folds. Returns one result per fold, in the order of units and folds.
///
/// # Errors
/// [`EngineError`] if the device fails and falling back to the CPU is not allowed.
pub fn train(
    inputs: &TrainingInputs<'_>,
    units: &[UnitFolds],
    observer: &dyn Observer,
) -> Result<Vec<Result<FoldNetworks, ModelError>>, EngineError> {
    let TrainingInputs { params, panel, targets, .. } = *inputs;
    let (mut all, mut owners) = (Vec::new(), HashMap::new());
    let seeds = params.models.neural.seeds;
    for UnitFolds { unit, folds } in units {
        for fold in folds {
            for seed in 0..seeds {
                let own = network_seed(params.seed, seed);
                let job = network_job(&params.models, targets, panel.bars, unit, fold, own);
                owners.insert(job.name.clone(), NetworkName { symbol: &unit.name, fold: fold.index, seed });
                all.push(job);
            }
        }
    }
    let watch = TrainingWatch { observer, owners, saved: Mutex::default(), losses: Mutex::default() };
    let mut networks = train_jobs(inputs.compute, inputs.view.table(), &all, &watch)?.into_iter();
    let one = |own: &[NeuralJob]| {
        let trained: Vec<_> = networks.by_ref().take(own.len()).collect();
        Ok(Arc::new(trained.into_iter().collect::<Result<Vec<Network>, NeuralError>>()?))
    };
    Ok(all.chunks(seeds as usize).map(one).collect())
}

/// Raw scores of a symbol's fold, from the mean of several networks.
pub fn scores(inputs: &TrainingInputs<'_>, networks: &[Network], symbol: usize, fold: &Fold) -> FoldScores {
    let TrainingInputs { panel, view, .. } = *inputs;
    let first = (symbol * panel.bars) as u32;
    let of = |bars| {
        let rows: Vec<u32> = jobs::table_rows(panel, symbol, bars).collect();
        mean_scores(networks, view.table(), first, &rows)
    };
    FoldScores { validation: of(&fold.validation), test: of(&fold.test) }
}

/// Trains on the GPU if the device is CUDA, the feature `burn` is compiled in and the CUDA headers are found; otherwise
/// on the CPU cores.
fn train_jobs(
    compute: &Compute,
    table: Table<'_>,
    jobs: &[NeuralJob],
    watch: &TrainingWatch<'_>,
) -> Result<Vec<Result<Network, NeuralError>>, EngineError> {
    let names = view_names();
    let on_cores = || neural::train(&Backend::Cores, table, &names, jobs, watch);
    #[cfg(feature = "burn")]
    if compute.device().is_cuda() {
        if let Err(missing) = neural::cuda_headers() {
            tracing::warn!("networks are trained on the CPU cores: {missing}");
            watch.observer.note("networks: on the CPU cores, because the CUDA headers were not found");
            return Ok(on_cores());
        }
        let on_device = |stage: &Stage<'_>| {
            // Burn has its own memory; what stays on the device for other stages would not give way to it.
            stage.release()?;
            let device = stage.device();
            let Device::Cuda(card) = device else { return Ok(on_cores()) };
            if let Some(folder) = stage.foreign_kernels()
                && !neural::keep_kernels(&folder)
            {
                let reason = "it needs other kernels than the GPU that was lost, and Burn keeps one kind in a process";
                return Err(EngineError::Fault {
                    device,
                    stage: "networks",
                    action: "loading Burn's kernels".to_owned(),
                    reason: reason.to_owned(),
                    remedy: "resume the run, or set engine.fallback: true to continue on the CPU",
                    kind: FaultKind::Unsupported,
                });
            }
            let backend = Backend::Cuda { index: card.first(), free_bytes: stage.limits()?.free_bytes };
            let networks = neural::train(&backend, table, &names, jobs, watch);
            let fault = networks.iter().find_map(|network| match network {
                Err(NeuralError::Backend { reason, .. }) => Some(reason.clone()),
                _ => None,
            });
            fault.map_or(Ok(networks), |reason| {
                let (action, remedy) =
                    ("training with Burn".to_owned(), "free more of its memory, or use --device cpu");
                Err(EngineError::Fault {
                    device,
                    stage: "networks",
                    action,
                    reason,
                    remedy,
                    kind: FaultKind::DeviceLost,
                })
            })
        };
        // On one GPU: how Burn multiplies may depend on how many networks there are at a time.
        return compute.run("networks", on_device, on_cores);
    }
    let _ = compute;
    Ok(on_cores())
}

/// The mean prediction of several networks for some rows, as raw scores. `first` is the first row of their symbol.
pub fn mean_scores(networks: &[Network], table: Table<'_>, first: u32, rows: &[u32]) -> Vec<Scores> {
    let mut sums = vec![0.0; rows.len() * Head::COUNT];
    for network in networks {
        let outputs = network.predict(table, first, rows);
        sums.iter_mut().zip(outputs).for_each(|(sum, output)| *sum += output / networks.len() as f64);
    }
    let score = |head: Head, mean: f64| if head == Head::EdgeBps { mean } else { log_odds(mean) };
    sums.chunks_exact(Head::COUNT).map(|means| Head::ALL.map(|head| score(head, means[head.position()]))).collect()
}

/// Saves the states of networks in training, and reports their progress.
struct TrainingWatch<'a> {
    observer: &'a dyn Observer,
    owners: HashMap<String, NetworkName<'a>>,
    /// When each network's state was last saved.
    saved: Mutex<HashMap<String, Instant>>,
    /// Latest epoch and its loss, per network.
    losses: Mutex<HashMap<String, (usize, f64)>>,
}

impl TrainingWatch<'_> {
    /// Whether to save the network's state now: when it has finished, when training is cancelled, and at intervals.
    fn is_due(&self, job: &NeuralJob, ended: bool) -> bool {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let last = *saved.entry(job.name.clone()).or_insert(now);
        let due = ended || self.observer.is_cancelled() || now.duration_since(last) >= SAVE_INTERVAL;
        if due {
            saved.insert(job.name.clone(), now);
        }
        due
    }

    /// Reports the mean epoch and the mean latest loss of the networks.
    fn report_progress(&self, job: &NeuralJob, progress: &Progress) {
        let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(latest) = progress.epochs.last() else { return };
        losses.insert(job.name.clone(), (progress.epochs.len(), latest.loss()));
        let count = losses.len() as f64;
        let epoch = losses.values().map(|(epoch, _)| *epoch).sum::<usize>() as f64 / count;
        let loss = losses.values().map(|(_, loss)| loss).sum::<f64>() / count;
        self.observer.note(&format!("networks: epoch {epoch:.0}, validation loss {loss:.4}"));
    }
}

impl neural::Observer for TrainingWatch<'_> {
    fn is_cancelled(&self) -> bool {
        self.observer.is_cancelled()
    }

    fn resume_from(&self, job: &NeuralJob) -> Option<TrainingState> {
        self.observer.load_network(self.owners.get(&job.name)?)
    }

    fn on_epoch(&self, job: &NeuralJob, progress: &Progress, state: &dyn Fn() -> TrainingState) {
        let ended = progress.has_ended(job);
        if let Some(epoch) = progress.epochs.last() {
            tracing::debug!(
                target: LOG_TARGET,
                network = job.name,
                epoch = progress.epochs.len(),
                train_loss = epoch.train_loss,
                validation_loss = epoch.validation_loss(),
                ended,
                "epoch"
            );
        }
        self.report_progress(job, progress);
        if self.observer.saves_networks()
            && let Some(name) = self.owners.get(&job.name)
            && self.is_due(job, ended)
            && let Err(error) = self.observer.save_network(name, &state())
        {
            tracing::warn!("{}: the training state could not be saved: {error}", job.name);
        }
        if ended {
            self.observer.models_done(1);
        }
    }
}
