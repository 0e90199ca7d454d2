//! `huracan verify`: trains a model again from what its metadata record, another way, and holds the digests together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use crate::bars::{Candles, Panel};
use crate::boost::{self, BoostError, BoostJob, BoostParams, Forest, Table, train_by, ways};
use crate::engine::{Compute, Device};
use crate::exit::{Code, Failure, OrExit};
use crate::features::{self, COUNT};
use crate::folds::Fold;
use crate::labels;
use crate::market::read_folder;
use crate::models::bundle::{Bundle, Inputs, Metadata};

use crate::decide::Head;
use crate::neural::{self, Backend, Epoch, Network, NeuralJob};
use crate::settings::Settings;
use crate::shadow::Rules;
use crate::shadow::{BarrierParams, CostParams, MarketType};
use crate::trainer::{self, Family, Member, ModelParams, Networks};

/// A head of a fold, or of the model that was handed on: what was recorded of it, and what came of training it again.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Check {
    /// `fold 3`, or `model`.
    pub of: String,
    pub head: String,
    pub recorded: String,
    pub found: String,
    /// Networks are equal within a tolerance: products are rounded as the machine's widest instructions do it.
    pub equal: bool,
}

/// Largest difference of two validation losses of one network, trained on different machines.
const NETWORK_TOLERANCE: f64 = 1e-3;

/// The outcome of a verification.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Verified {
    pub model: PathBuf,
    pub symbol: String,
    /// Device that trained the model, and the one that trained it again, with its instructions.
    pub recorded_device: String,
    pub device: String,
    pub recorded_commit: String,
    pub commit: String,
    pub digest: String,
    pub equal: bool,
    pub checks: Vec<Check>,
}

/// What the metadata record of a window.
#[derive(Deserialize)]
struct Span {
    from: DateTime<Utc>,
    bars: usize,
}

/// What the metadata record of a fold.
#[derive(Deserialize)]
struct RecordedFold {
    index: usize,
    train: Span,
    validation: Span,
    parameters: BTreeMap<Head, BoostParams>,
    digests: BTreeMap<Head, String>,
}

/// Trains the model in `path` again from the candles in `candles` (the store of `workdir` where none are given), on the
/// device of the settings; on the CPU with the plainest code that this machine has.
///
/// # Errors
/// A model that cannot be read or records too little (3), candles that are not those it learned from (3), a device that
/// cannot be had (2). Other digests are no error here: see [`Verified::equal`].
pub fn verify(settings: &Settings, workdir: &Path, path: &Path, candles: Option<&Path>) -> Result<Verified, Failure> {
    let compute = settings.open_device(workdir)?;
    let bundle = Bundle::load(path).or_exit(Code::BadData)?;
    let metadata = &bundle.metadata;
    let lacks = |what: &str| Failure::new(Code::BadData, format!("{}: its metadata lack {what}", path.display()));
    let inputs = metadata.inputs.as_ref().ok_or_else(|| lacks("'inputs': it comes of an older version"))?;
    let folder = candles.map_or_else(|| workdir.join("data/candles"), Path::to_owned);
    let panel = panel(inputs, &folder, metadata)?;
    let symbol = panel.symbol(&bundle.symbol).ok_or_else(|| lacks("the model's own symbol"))?;

    let more = &metadata.training_parameters.more;
    let rules = rules(metadata, &panel).map_err(|key| lacks(&key))?;
    let atr = features::device::atr_14_on(&compute, &panel)?;
    let outcomes = labels::device::compute_on(&compute, &panel, &atr, &rules)?;
    let values = features::device::compute_on(&compute, &panel)?;
    let fold = |index: usize, train: &Span, validation: &Span| -> Option<Fold> {
        let bars = |span: &Span| {
            let start = panel.bar_at(span.from.timestamp_millis())?;
            Some(start..start + span.bars).filter(|bars| bars.end <= panel.bars)
        };
        Some(Fold { index, train: bars(train)?, validation: bars(validation)?, purge: 0..0, test: 0..0 })
    };
    let window = |key: &str| more.get(key).and_then(|span| Span::deserialize(span).ok()).ok_or_else(|| lacks(key));
    let latest = fold(0, &window("window")?, &window("validation")?).ok_or_else(|| lacks("bars of the candles"))?;
    let (mut batch, mut checks): (Vec<BoostJob>, Vec<Check>) = (Vec::new(), Vec::new());
    let mut add = |of: String, fold: &Fold, head: Head, params: BoostParams, recorded: &str| {
        batch.push(trainer::job(&panel, &outcomes, symbol, fold, head, params));
        let (head, recorded) = (head.name().to_owned(), recorded.to_owned());
        checks.push(Check { of, head, recorded, found: String::new(), equal: false });
    };
    for recorded in &metadata.folds {
        let recorded =
            RecordedFold::deserialize(recorded).map_err(|error| lacks(&format!("what a fold needs ({error})")))?;
        let fold =
            fold(recorded.index, &recorded.train, &recorded.validation).ok_or_else(|| lacks("bars of the candles"))?;
        for (head, params) in recorded.parameters {
            let digest = recorded.digests.get(&head).ok_or_else(|| lacks(&format!("a digest of {head}")))?;
            add(format!("fold {}", fold.index), &fold, head, params, digest);
        }
    }
    for (head, digest) in &metadata.head_digests {
        let params = bundle.parameters.get(head.name()).and_then(|params| BoostParams::deserialize(params).ok());
        add("model".to_owned(), &latest, *head, params.ok_or_else(|| lacks(&format!("parameters of {head}")))?, digest);
    }
    let read = |key: &str| more.get(key).cloned().unwrap_or_default();
    if let Some(heads) = metadata.beside_digests.get(&Family::Forest) {
        let models: ModelParams = serde_json::from_value(read("models")).map_err(|_| lacks("'models'"))?;
        let seed = read("seed").as_u64().ok_or_else(|| lacks("'seed'"))?;
        for (head, digest) in heads {
            let head: Head = head.parse().map_err(|error| lacks(&format!("a known head ({error})")))?;
            let params = trainer::tree_params(&models, Family::Forest, head, seed);
            add("model, random forest".to_owned(), &latest, head, params, digest);
        }
    }

    let table = Table { values: &values.values, features: COUNT };
    let (trained_by, forests) = train_again(&compute, table, &batch)?;
    for (check, forest) in checks.iter_mut().zip(forests) {
        check.found = forest.or_exit(Code::BadData)?.digest();
        check.equal = check.recorded == check.found;
    }
    if let Some(networks) = bundle.beside.get(&Family::Neural).and_then(Member::networks) {
        let models: ModelParams = serde_json::from_value(read("models")).map_err(|_| lacks("'models'"))?;
        let seed = read("seed").as_u64().ok_or_else(|| lacks("'seed'"))?;
        let job = |number: usize| {
            let own = trainer::network_seed(seed, number as u32);
            trainer::network_job(&models.neural, &panel, &outcomes, symbol, &latest, own)
        };
        let jobs: Vec<NeuralJob> = (0..networks.seeds.len()).map(job).collect();
        checks.extend(networks_again(networks, table, &jobs)?);
    }
    Ok(Verified {
        model: path.to_owned(),
        symbol: bundle.symbol.clone(),
        recorded_device: metadata.device.clone(),
        device: trained_by,
        recorded_commit: metadata.git_commit.clone(),
        commit: crate::commit::get().to_owned(),
        digest: metadata.digest.clone(),
        equal: checks.iter().all(|check| check.equal),
        checks,
    })
}

/// Trains networks again on the CPU, and holds them against those that were recorded.
fn networks_again(recorded: &Networks, table: Table<'_>, jobs: &[NeuralJob]) -> Result<Vec<Check>, Failure> {
    let trained = neural::train(&Backend::Cores, table, &features::names(), jobs, &());
    let mut checks = Vec::with_capacity(jobs.len());
    for ((number, recorded), found) in recorded.seeds.iter().enumerate().zip(trained) {
        let found = found.or_exit(Code::BadData)?;
        let loss = |network: &Network| network.best().map_or(f64::NAN, Epoch::loss);
        let equal = recorded.digest() == found.digest();
        let near = (loss(recorded) - loss(&found)).abs() <= NETWORK_TOLERANCE;
        let told = |network: &Network| {
            let digest = network.digest();
            if equal { digest } else { format!("{digest:.12}…, validation loss {:.5}", loss(network)) }
        };
        checks.push(Check {
            of: "model, networks".to_owned(),
            head: number.to_string(),
            recorded: told(recorded),
            found: told(&found),
            equal: equal || near,
        });
    }
    Ok(checks)
}

/// Forests of the batch, and what trained them: a device's kernels, or plain instructions of the CPU.
fn train_again(
    compute: &Compute,
    table: Table<'_>,
    batch: &[BoostJob],
) -> Result<(String, Vec<Result<Forest, BoostError>>), Failure> {
    let (device, names) = (compute.device(), features::names());
    if device == Device::Cpu {
        let ways = ways();
        let plain = ways[ways.len() - 1];
        return Ok((format!("{device}, {} instructions", plain.name), train_by(plain, table, &names, batch, &|_| {})));
    }
    let (forests, plans) = boost::device::train_on(compute, table, &names, batch, &|| true, &|_| ())?;
    let trained_by = match compute.fell_back() {
        Some(why) => format!("{}, in place of {device}: {why}", Device::Cpu),
        None => format!("{device}: {plans}"),
    };
    Ok((trained_by, forests))
}

/// The panel that the model learned from.
fn panel(inputs: &Inputs, folder: &Path, metadata: &Metadata) -> Result<Panel, Failure> {
    let (_, files) = read_folder(folder, Some(inputs.timeframe)).or_exit(Code::BadData)?;
    let (from, to) = (inputs.from.timestamp_millis(), inputs.to.timestamp_millis());
    let mut files: BTreeMap<String, _> = files.into_iter().collect();
    let mut candles = Vec::with_capacity(inputs.symbols.len());
    for symbol in &inputs.symbols {
        let read = files.remove(symbol).ok_or_else(|| {
            let message = format!("{}: no candles of {symbol}, from which the model learned too", folder.display());
            Failure::new(Code::BadData, message)
        })?;
        candles.push((symbol.clone(), between(&read.or_exit(Code::BadData)?, from, to)));
    }
    let panel =
        Panel::new(candles, inputs.timeframe, inputs.max_gap_bars, metadata.simulated).or_exit(Code::BadData)?;
    if panel.digest() != metadata.data_digest {
        let message = format!(
            "{}: these are not the candles that the model learned from (digest {:.12}…, recorded {:.12}…); \
             name the folder that holds them by --candles",
            folder.display(),
            panel.digest(),
            metadata.data_digest
        );
        return Err(Failure::new(Code::BadData, message));
    }
    Ok(panel)
}

/// The candles that open in `[from_ms, to_ms)`.
fn between(candles: &Candles, from_ms: i64, to_ms: i64) -> Candles {
    let bars = candles.timestamp.partition_point(|&t| t < from_ms)..candles.timestamp.partition_point(|&t| t < to_ms);
    let cut = |column: &[f64]| column[bars.clone()].to_vec();
    Candles {
        timestamp: candles.timestamp[bars.clone()].to_vec(),
        open: cut(&candles.open),
        high: cut(&candles.high),
        low: cut(&candles.low),
        close: cut(&candles.close),
        volume: cut(&candles.volume),
    }
}

/// The rules of the trades that labelled the rows; else the key that is missing.
fn rules(metadata: &Metadata, panel: &Panel) -> Result<Rules, String> {
    fn read<T: for<'de> Deserialize<'de>>(metadata: &Metadata, key: &str) -> Result<T, String> {
        let value = metadata.training_parameters.more.get(key).unwrap_or(&Value::Null);
        T::deserialize(value).map_err(|_| format!("'{key}'"))
    }
    let labels: BarrierParams = read(metadata, "labels")?;
    let costs: CostParams = read(metadata, "costs")?;
    let market: MarketType = read(metadata, "market_type")?;
    Ok(Rules::new(&labels, &costs, market, panel.timeframe))
}
