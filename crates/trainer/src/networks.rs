//! Training the networks of all folds of some symbols in one batch.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use huracan_bars::Panel;
use huracan_boost::Table;
use huracan_decide::{Head, Prediction};
use huracan_engine::{Compute, EngineError};
#[cfg(feature = "burn")]
use huracan_engine::{Device, Loss, Stage};
use huracan_features::{self as features, COUNT};
use huracan_folds::Fold;
use huracan_labels::Labels;
use huracan_neural::{self as neural, Backend, Network, NeuralError, NeuralJob, NeuralParams, Progress, Shape, State};

use super::batch::Inputs;
use super::mix::FamilyPredictions;
use super::{ModelError, NetworkName, NetworkParams, Observer, SymbolFolds, jobs};

/// Target of the log records of training.
const LOG_TARGET: &str = "training";

/// How often the state of a network under way is kept.
const KEEP_EVERY: Duration = Duration::from_secs(10);

/// The networks of one fold, one a seed, and what they say.
pub struct FoldNetworks {
    pub networks: Vec<Network>,
    pub predictions: FamilyPredictions,
}

/// What a network of one fold learns: all heads together.
pub fn network_job(
    params: &NetworkParams,
    panel: &Panel,
    labels: &Labels,
    symbol: usize,
    fold: &Fold,
    seed: u64,
) -> NeuralJob {
    let n = params;
    let mut job = NeuralJob {
        name: format!("{} fold {} network of seed {seed}", panel.symbols[symbol], fold.index),
        rows: (symbol * panel.bars) as u32..((symbol + 1) * panel.bars) as u32,
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
    // Both sides are labelled or neither: every head has the same rows.
    let all = |bars| Head::ALL.map(|head| jobs::labelled_rows(panel, labels, symbol, bars, head));
    let interleave = |heads: [(Vec<u32>, Vec<f32>); 3]| {
        let rows = heads[0].0.clone();
        let values = (0..rows.len()).flat_map(|row| [0, 1, 2].map(|head: usize| heads[head].1[row])).collect();
        (rows, values)
    };
    (job.train, job.train_labels) = interleave(all(&fold.train));
    (job.valid, job.valid_labels) = interleave(all(&fold.validation));
    job
}

/// What kind of output a head is.
fn output(head: Head) -> neural::Head {
    match head {
        Head::WinLong | Head::WinShort => neural::Head::Binary,
        Head::EdgeBps => neural::Head::Value,
    }
}

/// Seed of a fold's network of this number, in a run of seed `run`.
pub fn network_seed(run: u64, number: u32) -> u64 {
    run.wrapping_add(u64::from(number))
}

/// Networks in the order of symbols and folds; else why there are none.
///
/// # Errors
/// Where the device fails and the CPU must not take its place.
pub fn train(
    inputs: &Inputs<'_>,
    batch: &[SymbolFolds],
    observer: &dyn Observer,
) -> Result<Vec<Result<FoldNetworks, ModelError>>, EngineError> {
    let Inputs { params, panel, labels, .. } = *inputs;
    let (mut all, mut owners) = (Vec::new(), HashMap::new());
    let seeds = params.models.neural.seeds;
    for SymbolFolds { symbol, folds } in batch {
        for fold in folds {
            for seed in 0..seeds {
                let own = network_seed(params.seed, seed);
                let job = network_job(&params.models.neural, panel, labels, *symbol, fold, own);
                let name = NetworkName { symbol: &panel.symbols[*symbol], fold: fold.index, seed };
                owners.insert(job.name.clone(), name);
                all.push(job);
            }
        }
    }
    let table = Table { values: &inputs.features.values, features: COUNT };
    let watch = Watch { observer, owners, kept: Mutex::default(), losses: Mutex::default() };
    let mut networks = trained(inputs.compute, table, &all, &watch)?.into_iter();
    let folds = batch.iter().flat_map(|own| own.folds.iter().map(move |fold| (own.symbol, fold)));
    let one = |((symbol, fold), own): ((usize, &Fold), &[NeuralJob])| {
        let trained: Vec<_> = networks.by_ref().take(own.len()).collect();
        let trained = trained.into_iter().collect::<Result<Vec<Network>, NeuralError>>()?;
        let first = own[0].rows.start;
        let test: Vec<u32> = jobs::rows(panel, symbol, &fold.test).collect();
        let predictions = FamilyPredictions {
            validation: mean_prediction(&trained, table, first, &own[0].valid),
            test: mean_prediction(&trained, table, first, &test),
        };
        Ok(FoldNetworks { networks: trained, predictions })
    };
    Ok(folds.zip(all.chunks(seeds as usize)).map(one).collect())
}

/// By a GPU, where it is asked for, this program was built with the feature `burn`, and CUDA's headers are there; else by
/// the cores.
fn trained(
    compute: &Compute,
    table: Table<'_>,
    jobs: &[NeuralJob],
    watch: &Watch<'_>,
) -> Result<Vec<Result<Network, NeuralError>>, EngineError> {
    let names = features::names();
    let on_cores = || neural::train(&Backend::Cores, table, &names, jobs, watch);
    #[cfg(feature = "burn")]
    if let device @ Device::Cuda(index) = compute.device() {
        if let Err(lacking) = neural::cuda_headers() {
            tracing::warn!("networks are trained by the CPU's cores: {lacking}");
            watch.observer.note("networks: by the CPU's cores, since CUDA's headers are not there");
            return Ok(on_cores());
        }
        let on_device = |stage: &Stage<'_>| {
            let backend = Backend::Cuda { index, free_bytes: stage.limits()?.free_bytes };
            let networks = neural::train(&backend, table, &names, jobs, watch);
            let fault = networks.iter().find_map(|network| match network {
                Err(NeuralError::Backend { reason, .. }) => Some(reason.clone()),
                _ => None,
            });
            fault.map_or(Ok(networks), |reason| {
                let (action, remedy) =
                    ("training by Burn".to_owned(), "leave more of its memory free, or use --device cpu");
                Err(EngineError::Fault { device, stage: "networks", action, reason, remedy, loss: Loss::Device })
            })
        };
        return compute.run("networks", on_device, on_cores);
    }
    let _ = compute;
    Ok(on_cores())
}

/// What networks say of some rows, the mean of all.
pub fn mean_prediction(networks: &[Network], table: Table<'_>, first: u32, rows: &[u32]) -> Vec<Prediction> {
    let mut sums = vec![0.0; rows.len() * Head::COUNT];
    for network in networks {
        let says = network.predict(table, first, rows);
        sums.iter_mut().zip(says).for_each(|(sum, says)| *sum += says / networks.len() as f64);
    }
    let one = |says: &[f64]| Prediction::new([says[0], says[1], says[2]]);
    sums.chunks_exact(Head::COUNT).map(one).collect()
}

/// Keeps networks under way, and tells how far they are.
struct Watch<'a> {
    observer: &'a dyn Observer,
    owners: HashMap<String, NetworkName<'a>>,
    /// When each network's state was last kept.
    kept: Mutex<HashMap<String, Instant>>,
    /// Newest epoch and its loss, by network.
    losses: Mutex<HashMap<String, (usize, f64)>>,
}

impl Watch<'_> {
    /// Whether the network's state is to be kept now: once it has ended, once training is stopped, and every while.
    fn is_due(&self, job: &NeuralJob, ended: bool) -> bool {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let last = *kept.entry(job.name.clone()).or_insert(now);
        let due = ended || self.observer.is_cancelled() || now.duration_since(last) >= KEEP_EVERY;
        if due {
            kept.insert(job.name.clone(), now);
        }
        due
    }

    /// The networks' mean loss where they are now, and the epoch that the slowest is at.
    fn tell(&self, job: &NeuralJob, progress: &Progress) {
        let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(newest) = progress.epochs.last() else { return };
        losses.insert(job.name.clone(), (progress.epochs.len(), newest.loss()));
        let count = losses.len() as f64;
        let epoch = losses.values().map(|(epoch, _)| *epoch).sum::<usize>() as f64 / count;
        let loss = losses.values().map(|(_, loss)| loss).sum::<f64>() / count;
        self.observer.note(&format!("networks: epoch {epoch:.0}, validation loss {loss:.4}"));
    }
}

impl neural::Observer for Watch<'_> {
    fn wants_more(&self) -> bool {
        !self.observer.is_cancelled()
    }

    fn state(&self, job: &NeuralJob) -> Option<State> {
        self.observer.load_network(self.owners.get(&job.name)?)
    }

    fn epoch(&self, job: &NeuralJob, progress: &Progress, state: &dyn Fn() -> State) {
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
        self.tell(job, progress);
        if self.observer.keeps_networks()
            && let Some(name) = self.owners.get(&job.name)
            && self.is_due(job, ended)
            && let Err(error) = self.observer.save_network(name, &state())
        {
            tracing::warn!("{}: its state could not be kept: {error}", job.name);
        }
        if ended {
            self.observer.models_done(1);
        }
    }
}
