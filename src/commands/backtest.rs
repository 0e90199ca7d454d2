//! `huracan backtest`: shadow trading alone, on given signals or on those of the models.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use serde_json::{Value, json};

use super::{candles, signals, table};
use crate::bars::Panel;
use crate::boost::{self, PredictJob};
use crate::decide::{self, Calibration, Candidate, DecideMode, Decisions, Head, Scores, WaitReason};
use crate::engine::Compute;
use crate::exit::{Code, CommandFailure, OrExit};
use crate::export::trade_table;
use crate::features::{self, View, view_columns};
use crate::labels;
use crate::models::Bundle;
use crate::models::bundle::REJECTED;
use crate::settings::Settings;
use crate::shadow::{self, Rules};
use crate::trainer::{Family, FamilyModels, blend, mean_scores, table_rows};

/// Whose models decide.
#[derive(Debug, Clone, Copy)]
pub struct Models<'a> {
    /// Folder with the folder `models`.
    pub workdir: &'a Path,
    /// Whether rejected models decide too.
    pub include_rejected: bool,
}

/// Trades every symbol of a folder's candles and writes one row per trade.
///
/// Without `signals` the models of the workdir decide, also on the bars that they were trained on; of the rejected ones only
/// if these are included.
///
/// # Errors
/// Bad candles or signals, missing models, or a file that cannot be written.
pub fn run(
    settings: &Settings,
    models: Models<'_>,
    folder: &Path,
    signals: Option<&Path>,
    out: &Path,
) -> Result<Value, CommandFailure> {
    let compute = settings.open_device(models.workdir)?;
    let panel = candles::read_panel(folder, settings)?;
    let rules = Rules::new(&settings.labels, &settings.costs, settings.market.kind, panel.timeframe);
    let own = signals.is_none();
    let atr = features::device::atr_14_on(&compute, &panel)?;
    let (signals, waits) = match signals {
        Some(path) => (signals::read(path, &panel, &rules).or_exit(Code::BadData)?, BTreeMap::new()),
        None => {
            let decided = own_decisions(settings, &compute, &panel, &atr, &rules, models)?;
            (decided.signals, decided.waits)
        }
    };
    let windows: Vec<_> = panel.ranges.iter().map(|range| vec![range.clone()]).collect();
    let trades = shadow::device::simulate_on(&compute, &panel, &signals, &atr, &windows, &rules)?;
    super::fallback::warn_if_lost(&compute);
    table::write(out, trade_table(&panel, &trades)?).or_exit(Code::Failed)?;
    // A decision for a short where there are none is a signal that only ends a long position.
    let only_ends = waits.get(&WaitReason::NoShorts).copied().unwrap_or(0);
    let net: f64 = trades.iter().map(|trade| trade.net_bps).sum();
    let waits: serde_json::Map<String, Value> =
        waits.into_iter().map(|(wait, count)| (wait.name().to_owned(), count.into())).collect();
    Ok(json!({
        "simulated": panel.simulated,
        "symbols": panel.symbols.len(),
        "decided_by": if own { decided_by(settings.decide.mode) } else { "given signals" },
        "signals": signals.count() - only_ends,
        "waits": waits,
        "trades": trades.len(),
        "wins": trades.iter().filter(|trade| trade.net_bps > 0.0).count(),
        "net_bps": net,
        "out": out,
    }))
}

/// What decided, in words for the result.
pub(super) fn decided_by(mode: DecideMode) -> &'static str {
    match mode {
        DecideMode::Consensus => "consensus of the voters",
        DecideMode::Model => "models of the workdir, bars of their training included",
        DecideMode::Both => "models of the workdir, bars of their training included, and the consensus",
    }
}

/// Decides every bar by `decide.mode`. Needs no models if the consensus decides alone.
fn own_decisions(
    settings: &Settings,
    compute: &Compute,
    panel: &Panel,
    atr: &[f64],
    rules: &Rules,
    models: Models<'_>,
) -> Result<Decisions, CommandFailure> {
    let questions = if settings.decide.mode == DecideMode::Consensus {
        let bars = |(symbol, range): (usize, &Range<usize>)| range.clone().map(move |bar| (symbol, bar, None));
        panel.ranges.iter().enumerate().flat_map(bars).collect()
    } else {
        own_predictions(compute, panel, models)?
    };
    let labels = labels::device::compute_on(compute, panel, atr, rules)?;
    let horizon_bars = settings.labels.horizon_bars();
    let (_, consensus) = decide::votes_and_consensus(compute, panel, &labels, &settings.decide, horizon_bars)?;
    Ok(decide::decide(panel, &questions, &consensus, atr, rules, settings.trainer().policy()))
}

/// Predictions of the models of a workdir, in one batch: every bar of every symbol that has a model.
pub(super) fn own_predictions(
    compute: &Compute,
    panel: &Panel,
    models: Models<'_>,
) -> Result<Vec<Candidate>, CommandFailure> {
    let models = own_models(panel, models)?;
    let view = View::of(panel, &features::device::compute_on(compute, panel)?);
    let table = view.table();
    let rows: Vec<Vec<u32>> =
        models.iter().map(|own| table_rows(panel, own.symbol, &panel.ranges[own.symbol]).collect()).collect();
    let trees = models.iter().zip(&rows).flat_map(|(own, rows)| {
        let families = own.bundle.other_families.values().filter_map(FamilyModels::trees);
        let all = std::iter::once(&own.bundle.heads).chain(families);
        all.flat_map(move |heads| Head::ALL.map(|head| PredictJob { forest: &heads[&head], rows }))
    });
    let jobs: Vec<PredictJob<'_>> = trees.collect();
    let mut scores = boost::device::raw_scores_on(compute, table, &jobs)?.into_iter();
    let mut by_trees = || -> Vec<Scores> {
        let heads: Vec<Vec<f64>> = scores.by_ref().take(Head::COUNT).collect();
        (0..heads[0].len()).map(|row| [heads[0][row], heads[1][row], heads[2][row]]).collect()
    };
    let mut predictions = Vec::new();
    for (OwnModel { symbol, bundle, calibration }, rows) in models.iter().zip(&rows) {
        let mut families = BTreeMap::from([(Family::Gbdt, by_trees())]);
        for (family, member) in &bundle.other_families {
            let own = match member {
                FamilyModels::Trees(_) => by_trees(),
                FamilyModels::Networks(networks) => {
                    mean_scores(&networks.seeds, table, (symbol * panel.bars) as u32, rows)
                }
            };
            families.insert(*family, own);
        }
        let own = families.remove(&Family::Own);
        let all = if bundle.mix.is_empty() {
            families.remove(&Family::Gbdt).unwrap_or_default()
        } else {
            let families = families.iter().map(|(family, own)| (*family, own.as_slice())).collect();
            blend(&bundle.mix, &families, rows.len())
        };
        for (place, (bar, scores)) in panel.ranges[*symbol].clone().zip(all).enumerate() {
            let atr_share = f64::from(view.value(*symbol, bar, view_columns::ATR_SHARE));
            let own = own.as_ref().map_or([0.0; Head::COUNT], |own| own[place]);
            predictions.push((*symbol, bar, Some(calibration.predict(&scores, &own, atr_share))));
        }
    }
    Ok(predictions)
}

/// A model of the workdir.
struct OwnModel {
    /// Row of the symbol in the panel.
    symbol: usize,
    bundle: Bundle,
    calibration: Calibration,
}

/// Loads the symbols' models, and checks that every family has all of [`Head::ALL`].
fn own_models(panel: &Panel, from: Models<'_>) -> Result<Vec<OwnModel>, CommandFailure> {
    let (mut models, mut rejected) = (Vec::new(), 0);
    for (symbol, name) in panel.symbols.iter().enumerate() {
        let path = |approved: bool| Bundle::paths(from.workdir, name, approved).or_exit(Code::BadData);
        let (approved, other) = (path(true)?.pickle, path(false)?.pickle);
        let path = match (approved.exists(), other.exists()) {
            (true, _) => approved,
            (false, true) if from.include_rejected => other,
            (false, exists) => {
                rejected += usize::from(exists);
                continue;
            }
        };
        let bad = |what: String| CommandFailure::new(Code::BadData, format!("{}: {what}", path.display()));
        let bundle = Bundle::load(&path).or_exit(Code::BadData)?;
        let Some(calibration) = bundle.calibration.filter(|_| bundle.feature_names == features::view_names()) else {
            return Err(bad("was trained by another version, on other features; train it again".to_owned()));
        };
        let trees =
            std::iter::once(&bundle.heads).chain(bundle.other_families.values().filter_map(FamilyModels::trees));
        for heads in trees {
            if let Some(head) = Head::ALL.iter().find(|head| !heads.contains_key(head)) {
                return Err(bad(format!("has no head '{head}'")));
            }
        }
        models.push(OwnModel { symbol, bundle, calibration });
    }
    if models.is_empty() {
        let folder = from.workdir.join("models");
        let message = if rejected > 0 {
            format!(
                "{} has no approved model of these symbols; {rejected} rejected ones are in {}: --include-rejected lets \
                 them decide",
                folder.display(),
                folder.join(REJECTED).display()
            )
        } else {
            format!(
                "{} has no model of these symbols; give --signals, train first, or let the consensus decide alone: \
                 --set decide.mode=consensus",
                folder.display()
            )
        };
        return Err(CommandFailure::new(Code::BadData, message));
    }
    Ok(models)
}
