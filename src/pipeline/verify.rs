//! `huracan verify`: trains a model again from what its metadata record, another way, and holds the digests together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::Failure;
use super::compute::compute_on;
use super::learn::jobs;
use crate::boost::{self, BoostError, BoostJob, BoostParams, Forest, Table, train_by, ways};
use crate::engine::{Compute, Device};
use crate::exit::{Code, OrExit};
use crate::features::{self, COUNT};
use crate::folds::Fold;
use crate::labels;
use crate::market::{Candles, Panel, read_folder};
use crate::models::bundle::{Bundle, Inputs, Metadata};
use crate::settings::{Costs, Labels, MarketType, Settings};
use crate::shadow::Rules;

/// A head of a fold, or of the model that was handed on: what was recorded of it, and what came of training it again.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Check {
    /// `fold 3`, or `model`.
    pub of: String,
    pub head: String,
    pub recorded: String,
    pub found: String,
}

impl Check {
    pub fn is_equal(&self) -> bool {
        self.recorded == self.found
    }
}

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
    parameters: BTreeMap<String, BoostParams>,
    digests: BTreeMap<String, String>,
}

/// Trains the model in `path` again from the candles in `candles` (the store of `workdir` where none are given), on the
/// device of the settings; on the CPU with the plainest code that this machine has.
///
/// # Errors
/// A model that cannot be read or records too little (3), candles that are not those it learned from (3), a device that
/// cannot be had (2). Other digests are no error here: see [`Verified::equal`].
pub fn verify(settings: &Settings, workdir: &Path, path: &Path, candles: Option<&Path>) -> Result<Verified, Failure> {
    let compute = compute_on(settings, workdir)?;
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
    let mut add = |of: String, fold: &Fold, head: &str, params: BoostParams, recorded: &str| {
        batch.push(jobs::job(&panel, &outcomes, symbol, fold, head, params));
        checks.push(Check { of, head: head.to_owned(), recorded: recorded.to_owned(), found: String::new() });
    };
    for recorded in &metadata.folds {
        let recorded =
            RecordedFold::deserialize(recorded).map_err(|error| lacks(&format!("what a fold needs ({error})")))?;
        let fold =
            fold(recorded.index, &recorded.train, &recorded.validation).ok_or_else(|| lacks("bars of the candles"))?;
        for (head, params) in recorded.parameters {
            let digest = recorded.digests.get(&head).ok_or_else(|| lacks(&format!("a digest of {head}")))?;
            add(format!("fold {}", fold.index), &fold, &head, params, digest);
        }
    }
    for (head, digest) in &metadata.head_digests {
        let params = bundle.parameters.get(head).and_then(|params| BoostParams::deserialize(params).ok());
        add("model".to_owned(), &latest, head, params.ok_or_else(|| lacks(&format!("parameters of {head}")))?, digest);
    }

    let table = Table { values: &values.values, features: COUNT };
    let (trained_by, forests) = train_again(&compute, table, &batch)?;
    for (check, forest) in checks.iter_mut().zip(forests) {
        check.found = forest.or_exit(Code::BadData)?.digest();
    }
    Ok(Verified {
        model: path.to_owned(),
        symbol: bundle.symbol.clone(),
        recorded_device: metadata.device.clone(),
        device: trained_by,
        recorded_commit: metadata.git_commit.clone(),
        commit: super::save::GIT_COMMIT.to_owned(),
        digest: metadata.digest.clone(),
        equal: checks.iter().all(Check::is_equal),
        checks,
    })
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
    let labels: Labels = read(metadata, "labels")?;
    let costs: Costs = read(metadata, "costs")?;
    let market: MarketType = read(metadata, "market_type")?;
    Ok(Rules::new(&labels, &costs, market, panel.timeframe))
}
