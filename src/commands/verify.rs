//! `huracan verify`: trains a model again from the inputs in its metadata, with other instructions, and compares digests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use crate::bars::{Candles, Panel};
use crate::boost::{self, BoostError, BoostJob, BoostParams, Forest, Table, instruction_sets, train_with};
use crate::engine::{Compute, Device};
use crate::exit::{Code, CommandFailure, OrExit};
use crate::features::{self, View};
use crate::folds::Fold;
use crate::labels;
use crate::market::{read_folder, read_markets};
use crate::models::bundle::{Bundle, Inputs, Metadata};

use crate::decide::Head;
use crate::neural::{self, Backend, Epoch, Network, NeuralJob};
use crate::settings::Settings;
use crate::shadow::Rules;
use crate::shadow::{BarrierParams, CostParams, MarketType};
use crate::trainer::{self, Family, FamilyModels, ModelKind, ModelParams, Networks, Targets, Unit};

/// Comparison of one head, of a fold or of the final model.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Check {
    /// `fold 3`, `model` and so on.
    pub of: String,
    /// Name of the head, or number of the network.
    pub head: String,
    /// Digest in the metadata.
    pub recorded: String,
    /// Digest after training again.
    pub found: String,
    /// Whether both are equal. Networks are equal within a tolerance: the machine's widest vector instructions decide how
    /// products are rounded.
    pub equal: bool,
}

impl Check {
    /// Of a head that is still to be trained again.
    fn of(of: String, head: Head, recorded: &str) -> Self {
        Self { of, head: head.name().to_owned(), recorded: recorded.to_owned(), found: String::new(), equal: false }
    }

    /// Notes the digest after training again.
    fn compare(&mut self, found: String) {
        self.equal = self.recorded == found;
        self.found = found;
    }
}

/// Name of the final model in checks.
const FINAL: &str = "model";

/// Largest difference of the validation losses of one network, trained on different machines.
const NETWORK_TOLERANCE: f64 = 1e-3;

/// The result of a verification.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Verified {
    /// The model file.
    pub model: PathBuf,
    /// `BASE-QUOTE`.
    pub symbol: String,
    /// Device that trained the model.
    pub recorded_device: String,
    /// Device that trained it again, with the instructions that it used.
    pub device: String,
    /// Commit of the program that trained the model.
    pub recorded_commit: String,
    /// Commit of this program.
    pub commit: String,
    /// The model's digest.
    pub digest: String,
    /// Whether all checks are equal.
    pub equal: bool,
    /// One check per head and network.
    pub checks: Vec<Check>,
    /// What was not made again, although predictions or out-of-fold trades rest on it.
    pub not_checked: Vec<&'static str>,
}

/// A window in the metadata.
#[derive(Deserialize)]
struct Span {
    from: DateTime<Utc>,
    bars: usize,
}

/// A fold in the metadata.
#[derive(Deserialize)]
struct RecordedFold {
    index: usize,
    train: Span,
    validation: Span,
    parameters: BTreeMap<Head, BoostParams>,
    digests: BTreeMap<Head, String>,
    /// Of the coin's own trees; none in models of older versions.
    #[serde(default)]
    own_digests: BTreeMap<Head, String>,
    /// Each family, if there are several.
    #[serde(default)]
    families: BTreeMap<Family, RecordedFamily>,
}

/// A family of a fold in the metadata.
#[derive(Deserialize)]
struct RecordedFamily {
    /// By head or seed.
    digests: BTreeMap<String, String>,
}

/// A fold, or the final model, and what a coin's own trees learn beside it.
struct Window {
    /// [`Check::of`] of its heads.
    of: String,
    fold: Fold,
    /// Recorded digests of the coin's own trees.
    own: BTreeMap<Head, String>,
}

/// Trains the model in `path` again from the candles in `candles` (by default the store of `workdir`), on the device of the
/// settings. On the CPU it uses plain instructions.
///
/// # Errors
/// A model that cannot be read or lacks metadata (3), other candles than those it was trained on (3), a device that is not
/// available (2). Different digests are not an error: see [`Verified::equal`].
pub fn verify(
    settings: &Settings,
    workdir: &Path,
    path: &Path,
    candles: Option<&Path>,
) -> Result<Verified, CommandFailure> {
    let compute = settings.open_device(workdir)?;
    let bundle = Bundle::load(path).or_exit(Code::BadData)?;
    let metadata = &bundle.metadata;
    let lacks =
        |what: &str| CommandFailure::new(Code::BadData, format!("{}: its metadata has no {what}", path.display()));
    let inputs = metadata.inputs.as_ref().ok_or_else(|| lacks("'inputs': an older version made it"))?;
    let folder = candles.map_or_else(|| workdir.join("data/candles"), Path::to_owned);
    let panel = panel(inputs, &folder, metadata)?;
    let symbol = panel.symbol(&bundle.symbol).ok_or_else(|| lacks("symbol of the model among its inputs"))?;

    let more = &metadata.training_parameters.more;
    let read = |key: &str| more.get(key).cloned().unwrap_or_default();
    let models: ModelParams = serde_json::from_value(read("models")).map_err(|_| lacks("'models'"))?;
    let seed = read("seed").as_u64().ok_or_else(|| lacks("'seed'"))?;
    let rules = rules(metadata, &panel).map_err(|key| lacks(&key))?;
    let atr = features::device::atr_14_on(&compute, &panel)?;
    let outcomes = labels::device::compute_on(&compute, &panel, &atr, &rules)?;
    let view = View::of_on(&compute, &panel, &features::device::compute_on(&compute, &panel)?)?;
    let all: Vec<usize> = (0..panel.symbols.len()).collect();
    let targets = Targets::of(&panel, &outcomes, &view, &all, &rules, &models);
    let unit = if models.scope.pools() { Unit::pool(&all) } else { Unit::coin(&panel, symbol) };
    let fold = |index: usize, train: &Span, validation: &Span| -> Option<Fold> {
        let bars = |span: &Span| {
            let start = panel.bar_at(span.from.timestamp_millis())?;
            Some(start..start + span.bars).filter(|bars| bars.end <= panel.bars)
        };
        Some(Fold { index, train: bars(train)?, validation: bars(validation)?, purge: 0..0, test: 0..0 })
    };
    let window = |key: &str| more.get(key).and_then(|span| Span::deserialize(span).ok()).ok_or_else(|| lacks(key));
    let latest = fold(0, &window("window")?, &window("validation")?).ok_or_else(|| lacks("bars of the candles"))?;
    let (mut batch, mut checks, mut windows): (Vec<BoostJob>, Vec<Check>, Vec<Window>) = Default::default();
    let mut add = |of: String, fold: &Fold, head: Head, params: BoostParams, recorded: &str| {
        batch.push(trainer::boost_job(&targets, &unit, fold, head, &models, params));
        checks.push(Check::of(of, head, recorded));
    };
    let known_head = |name: &String| -> Result<Head, CommandFailure> { name.parse().map_err(|_| lacks("known head")) };
    let mut fold_networks = false;
    for recorded in &metadata.folds {
        let recorded =
            RecordedFold::deserialize(recorded).map_err(|error| lacks(&format!("complete folds ({error})")))?;
        let fold =
            fold(recorded.index, &recorded.train, &recorded.validation).ok_or_else(|| lacks("bars of the candles"))?;
        let of = format!("fold {}", fold.index);
        for (head, params) in recorded.parameters {
            let digest = recorded.digests.get(&head).ok_or_else(|| lacks(&format!("digest of {head}")))?;
            add(of.clone(), &fold, head, params, digest);
        }
        if let Some(forest) = recorded.families.get(&Family::Forest) {
            for (head, digest) in &forest.digests {
                let head = known_head(head)?;
                let params = trainer::tree_params(&models, Family::Forest, head, seed);
                add(format!("{of}, random forest"), &fold, head, params, digest);
            }
        }
        fold_networks |= recorded.families.contains_key(&Family::Neural);
        windows.push(Window { of, fold, own: recorded.own_digests });
    }
    for (head, digest) in &metadata.head_digests {
        let params = bundle.parameters.get(head.name()).and_then(|params| BoostParams::deserialize(params).ok());
        add(FINAL.to_owned(), &latest, *head, params.ok_or_else(|| lacks(&format!("parameters of {head}")))?, digest);
    }
    if let Some(heads) = metadata.other_family_digests.get(&Family::Forest) {
        for (head, digest) in heads {
            let head = known_head(head)?;
            let params = trainer::tree_params(&models, Family::Forest, head, seed);
            add(format!("{FINAL}, random forest"), &latest, head, params, digest);
        }
    }
    let own_trees = metadata.other_family_digests.get(&Family::Own);
    let mut not_checked = Vec::new();
    if own_trees.is_some() && windows.iter().all(|window| window.own.is_empty()) {
        not_checked.push("own trees of the folds");
    }
    if fold_networks {
        not_checked.push("networks of the folds");
    }
    if models.kind == ModelKind::Ensemble {
        not_checked.push("choice of families");
    }
    // It is fitted on the predictions of all coins in all folds, and only this coin's models are trained again.
    if bundle.calibration.is_some() {
        not_checked.push("calibration");
    }
    let own = own_trees.into_iter().flatten().map(|(head, digest)| Ok((known_head(head)?, digest.clone())));
    let own = own.collect::<Result<BTreeMap<Head, String>, CommandFailure>>()?;
    windows.push(Window { of: FINAL.to_owned(), fold: latest.clone(), own });

    let table = view.table();
    let (trained_by, forests) = train_again(&compute, table, &batch)?;
    let mut pooled = BTreeMap::new();
    for (check, forest) in checks.iter_mut().zip(forests) {
        let forest = forest.or_exit(Code::BadData)?;
        check.compare(forest.digest());
        pooled.insert((check.of.clone(), check.head.clone()), forest);
    }
    let coin = Unit::coin(&panel, symbol);
    let (mut jobs, mut own_checks) = (Vec::new(), Vec::new());
    for Window { of, fold, own } in &windows {
        for (head, recorded) in own {
            let params = trainer::own_params(&models, *head, seed);
            let mut job = trainer::boost_job(&targets, &coin, fold, *head, &models, params);
            let forest =
                pooled.get(&(of.clone(), head.name().to_owned())).ok_or_else(|| lacks("heads beside its own trees"))?;
            let scores = |rows: &[u32]| -> Vec<[f64; Head::COUNT]> {
                rows.iter().map(|&row| [forest.raw_scores(table.row(row as usize))[0]; Head::COUNT]).collect()
            };
            let (train, valid) = (scores(&job.train), scores(&job.valid));
            trainer::subtract(&mut job.train_labels, *head, &train);
            trainer::subtract(&mut job.valid_labels, *head, &valid);
            jobs.push(job);
            own_checks.push(Check::of(format!("{of}, own trees"), *head, recorded));
        }
    }
    let (_, forests) = train_again(&compute, table, &jobs)?;
    for (mut check, forest) in own_checks.into_iter().zip(forests) {
        check.compare(forest.or_exit(Code::BadData)?.digest());
        checks.push(check);
    }
    if let Some(networks) = bundle.other_families.get(&Family::Neural).and_then(FamilyModels::networks) {
        let job = |number: usize| {
            let own = trainer::network_seed(seed, number as u32);
            trainer::network_job(&models, &targets, panel.bars, &unit, &latest, own)
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
        not_checked,
    })
}

/// Trains networks again on the CPU, and compares them with the recorded ones.
fn networks_again(recorded: &Networks, table: Table<'_>, jobs: &[NeuralJob]) -> Result<Vec<Check>, CommandFailure> {
    let trained = neural::train(&Backend::Cores, table, &features::view_names(), jobs, &());
    let mut checks = Vec::with_capacity(jobs.len());
    for ((number, recorded), found) in recorded.seeds.iter().enumerate().zip(trained) {
        let found = found.or_exit(Code::BadData)?;
        let loss = |network: &Network| network.best_epoch().map_or(f64::NAN, Epoch::loss);
        let equal = recorded.digest() == found.digest();
        let near = (loss(recorded) - loss(&found)).abs() <= NETWORK_TOLERANCE;
        let text = |network: &Network| {
            let digest = network.digest();
            if equal { digest } else { format!("{digest:.12}…, validation loss {:.5}", loss(network)) }
        };
        checks.push(Check {
            of: "model, networks".to_owned(),
            head: number.to_string(),
            recorded: text(recorded),
            found: text(&found),
            equal: equal || near,
        });
    }
    Ok(checks)
}

/// Trains the batch, with a device's kernels or plain instructions of the CPU. Returns in words what trained it, and the
/// forests.
fn train_again(
    compute: &Compute,
    table: Table<'_>,
    batch: &[BoostJob],
) -> Result<(String, Vec<Result<Forest, BoostError>>), CommandFailure> {
    let (device, names) = (compute.device(), features::view_names());
    if device == Device::Cpu {
        let sets = instruction_sets();
        let plain = sets[sets.len() - 1];
        return Ok((
            format!("{device}, {} instructions", plain.instructions.name()),
            train_with(plain, table, &names, batch, &|_| {}),
        ));
    }
    let (forests, plans) = boost::device::train_on(compute, table, &names, batch, &|| true, &|_| ())?;
    let trained_by = match compute.fallback_reason() {
        Some(why) => format!("{}, in place of {device}: {why}", Device::Cpu),
        None => format!("{device}: {plans}"),
    };
    Ok((trained_by, forests))
}

/// The panel that the model was trained on.
fn panel(inputs: &Inputs, folder: &Path, metadata: &Metadata) -> Result<Panel, CommandFailure> {
    let (_, files) = read_folder(folder, Some(inputs.timeframe)).or_exit(Code::BadData)?;
    let (from, to) = (inputs.from.timestamp_millis(), inputs.to.timestamp_millis());
    let mut files: BTreeMap<String, _> = files.into_iter().collect();
    let mut candles = Vec::with_capacity(inputs.symbols.len());
    for symbol in &inputs.symbols {
        let read = files.remove(symbol).ok_or_else(|| {
            let message = format!("{}: no candles of {symbol}, which the model was trained on", folder.display());
            CommandFailure::new(Code::BadData, message)
        })?;
        candles.push((symbol.clone(), between(&read.or_exit(Code::BadData)?, from, to)));
    }
    let panel =
        Panel::new(candles, inputs.timeframe, inputs.max_gap_bars, metadata.simulated).or_exit(Code::BadData)?;
    let market: MarketType = recorded(metadata, "market_type").map_err(|key| {
        CommandFailure::new(Code::BadData, format!("the model's metadata has no {key}: an older version made it"))
    })?;
    // The terms are the recorded ones, because an exchange changes them; funding that was paid does not change.
    let (mut markets, _) = read_markets(folder, market).or_exit(Code::BadData)?.split();
    markets.terms = inputs.terms.clone();
    markets.funding.values_mut().for_each(|history| *history = history.until(to));
    let panel = panel.with_markets(&markets);
    if panel.digest() != metadata.data_digest {
        let message = format!(
            "{}: the model was trained on other candles or funding (digest {:.12}…, recorded {:.12}…); \
             give their folder with --candles",
            folder.display(),
            panel.digest(),
            metadata.data_digest
        );
        return Err(CommandFailure::new(Code::BadData, message));
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

/// A value of the training parameters; an error is the missing key.
fn recorded<T: for<'de> Deserialize<'de>>(metadata: &Metadata, key: &str) -> Result<T, String> {
    let value = metadata.training_parameters.more.get(key).unwrap_or(&Value::Null);
    T::deserialize(value).map_err(|_| format!("'{key}'"))
}

/// The rules of the trades that labelled the rows; an error is the missing key.
fn rules(metadata: &Metadata, panel: &Panel) -> Result<Rules, String> {
    let labels: BarrierParams = recorded(metadata, "labels")?;
    let costs: CostParams = recorded(metadata, "costs")?;
    let market: MarketType = recorded(metadata, "market_type")?;
    Ok(Rules::new(&labels, &costs, market, panel.timeframe))
}
