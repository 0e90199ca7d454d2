//! `huracan backtest`: shadow trading alone, on given signals or on those of the models.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;
use serde_json::{Value, json};

use super::table::Table;
use super::{candles, signals, table};
use crate::bars::Panel;
use crate::decide::{self, Candidate, Consensus, DecideMode, Decisions, Policy, WaitReason};
use crate::engine::Compute;
use crate::exit::{Code, CommandFailure, OrExit};
use crate::export::trade_table;
use crate::features::{self, View};
use crate::labels;
use crate::live::{Decision, decision_columns, wait_name};
use crate::models::bundle::REJECTED;
use crate::models::{Bundle, SymbolModel, predictions};
use crate::polars::prelude::*;
use crate::settings::Settings;
use crate::shadow::{self, Rules};

/// Whose models decide.
#[derive(Debug, Clone, Copy)]
pub struct Models<'a> {
    /// Folder with the folder `models`.
    pub workdir: &'a Path,
    /// Whether rejected models decide too.
    pub include_rejected: bool,
}

/// Where the results go.
#[derive(Debug, Clone, Copy)]
pub struct Outputs<'a> {
    /// One row per trade.
    pub trades: &'a Path,
    /// One row per bar that the models decided on.
    pub decisions: Option<&'a Path>,
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
    out: Outputs<'_>,
) -> Result<Value, CommandFailure> {
    let compute = settings.open_device(models.workdir)?;
    let panel = candles::read_panel(folder, settings)?;
    let signals = signals.map(table::read).transpose().or_exit(Code::BadData)?;
    let Traded { trades, decisions, mut summary } = trade(settings, &compute, &panel, models, signals.as_ref())?;
    super::fallback::warn_if_lost(&compute);
    if let (Some(path), Some(decisions)) = (out.decisions, decisions) {
        table::write(path, decisions.table(&panel)?).or_exit(Code::Failed)?;
        summary["decisions"] = json!(path);
    }
    table::write(out.trades, trades).or_exit(Code::Failed)?;
    summary["out"] = json!(out.trades);
    Ok(summary)
}

/// What shadow trading a panel gave.
pub struct Traded {
    /// One row per trade, with the columns of docs/contract.md, section 8.
    pub trades: DataFrame,
    /// What the models decided on; none with given signals.
    pub decisions: Option<Decided>,
    /// Counts and sums of them.
    pub summary: Value,
}

/// Trades every symbol of a panel on given signals, or without them on the decisions of the workdir's models.
///
/// # Errors
/// Bad signals, missing models, or a device that fails.
pub fn trade(
    settings: &Settings,
    compute: &Compute,
    panel: &Panel,
    models: Models<'_>,
    signals: Option<&Table>,
) -> Result<Traded, CommandFailure> {
    let rules = Rules::new(&settings.labels, &settings.costs, settings.market.kind, panel.timeframe);
    let own = signals.is_none();
    let atr = features::device::atr_14_on(compute, panel)?;
    let (signals, waits, decided) = match signals {
        Some(table) => (signals::read(table, panel, &rules).or_exit(Code::BadData)?, BTreeMap::new(), None),
        None => {
            let decided = Decided::of(settings, compute, panel, atr.clone(), rules, models)?;
            let Decisions { signals, waits } = decided.decide(panel);
            (signals, waits, Some(decided))
        }
    };
    let windows: Vec<_> = panel.ranges.iter().map(|range| vec![range.clone()]).collect();
    let trades = shadow::device::simulate_on(compute, panel, &signals, &atr, &windows, &rules)?;
    // A decision for a short where there are none is a signal that only ends a long position.
    let only_ends = waits.get(&WaitReason::NoShorts).copied().unwrap_or(0);
    let net: f64 = trades.iter().map(|trade| trade.net_bps).sum();
    let waits: serde_json::Map<String, Value> =
        waits.into_iter().map(|(wait, count)| (wait.name().to_owned(), count.into())).collect();
    let summary = json!({
        "simulated": panel.simulated,
        "symbols": panel.symbols.len(),
        "decided_by": if own { decided_by(settings.decide.mode) } else { "given signals" },
        "signals": signals.count() - only_ends,
        "waits": waits,
        "trades": trades.len(),
        "wins": trades.iter().filter(|trade| trade.net_bps > 0.0).count(),
        "net_bps": net,
    });
    Ok(Traded { trades: trade_table(panel, &trades)?, decisions: decided, summary })
}

/// What decided, in words for the result.
pub(super) fn decided_by(mode: DecideMode) -> &'static str {
    match mode {
        DecideMode::Consensus => "consensus of the voters",
        DecideMode::Model => "models of the workdir, bars of their training included",
        DecideMode::Both => "models of the workdir, bars of their training included, and the consensus",
    }
}

/// What is decided on every bar, by `decide.mode`.
pub struct Decided {
    questions: Vec<Candidate>,
    consensus: Consensus,
    atr: Vec<f64>,
    rules: Rules,
    policy: Policy,
}

impl Decided {
    /// Predictions and consensus of every bar. Needs no models if the consensus decides alone.
    fn of(
        settings: &Settings,
        compute: &Compute,
        panel: &Panel,
        atr: Vec<f64>,
        rules: Rules,
        models: Models<'_>,
    ) -> Result<Self, CommandFailure> {
        let questions = questions(settings, compute, panel, models)?;
        let labels = labels::device::compute_on(compute, panel, &atr, &rules)?;
        let horizon_bars = settings.labels.horizon_bars();
        let (_, consensus) = decide::votes_and_consensus(compute, panel, &labels, &settings.decide, horizon_bars)?;
        Ok(Self { questions, consensus, atr, rules, policy: settings.trainer().policy() })
    }

    fn decide(&self, panel: &Panel) -> Decisions {
        decide::decide(panel, &self.questions, &self.consensus, &self.atr, &self.rules, self.policy)
    }

    /// `symbol, timestamp, reason` and the columns of a decision ([`decision_columns`]), one row per bar.
    ///
    /// # Errors
    /// Columns of different lengths, which cannot happen.
    pub fn table(&self, panel: &Panel) -> PolarsResult<DataFrame> {
        let one = |&(symbol, bar, prediction): &Candidate| {
            let (opinion, atr) = (self.consensus.at(symbol, bar), panel.row(&self.atr, symbol)[bar]);
            Decision::of(panel, (symbol, bar, prediction), opinion, atr, &self.rules, self.policy)
        };
        let decisions: Vec<Decision> = self.questions.par_iter().map(one).collect();
        let symbols: Vec<&str> = decisions.iter().map(|own| panel.symbols[own.symbol].as_str()).collect();
        let times = self.questions.iter().map(|&(_, bar, _)| panel.time_ms(bar)).collect();
        let reason =
            |own: &Decision| Some(wait_name(own, |side| self.rules.allows(side))).filter(|name| !name.is_empty());
        let reasons: Vec<Option<&str>> = decisions.iter().map(reason).collect();
        let mut columns = vec![
            Column::new("symbol".into(), symbols),
            table::time_column("timestamp", times)?,
            Column::new("reason".into(), reasons),
        ];
        columns.extend(decision_columns(&decisions.iter().map(Some).collect::<Vec<_>>()));
        DataFrame::new(decisions.len(), columns)
    }
}

/// The bars to decide on, with predictions unless the consensus decides alone.
fn questions(
    settings: &Settings,
    compute: &Compute,
    panel: &Panel,
    models: Models<'_>,
) -> Result<Vec<Candidate>, CommandFailure> {
    if settings.decide.mode == DecideMode::Consensus {
        let bars = |(symbol, range): (usize, &Range<usize>)| range.clone().map(move |bar| (symbol, bar, None));
        Ok(panel.ranges.iter().enumerate().flat_map(bars).collect())
    } else {
        own_predictions(compute, panel, models)
    }
}

/// Predictions of the models of a workdir, in one batch: every bar of every symbol that has a model.
pub(super) fn own_predictions(
    compute: &Compute,
    panel: &Panel,
    models: Models<'_>,
) -> Result<Vec<Candidate>, CommandFailure> {
    let models = own_models(panel, models)?;
    let view = View::of_on(compute, panel, &features::device::compute_on(compute, panel)?)?;
    Ok(predictions(compute, panel, &view, &models)?)
}

/// Warns on standard error where models have learned from coins that the panel does not have.
pub(super) fn warn_of_missing_inputs<'a>(panel: &Panel, models: impl Iterator<Item = &'a SymbolModel>) {
    let mut count = 0;
    let models = models.inspect(|_| count += 1);
    let lists = models.map(|model| model.bundle.metadata.missing_inputs(&panel.symbols));
    let lists: Vec<Vec<String>> = lists.filter(|missing| !missing.is_empty()).collect();
    let missing: BTreeSet<&str> = lists.iter().flatten().map(String::as_str).collect();
    if !missing.is_empty() {
        eprintln!(
            "warning: {} of {} models have also learned from {}, of which there are no candles here; the columns that compare \
             coins (market_…, relative_…) differ from those in training",
            lists.len(),
            count,
            missing.into_iter().collect::<Vec<_>>().join(", ")
        );
    }
}

/// Loads the symbols' models.
fn own_models(panel: &Panel, from: Models<'_>) -> Result<Vec<SymbolModel>, CommandFailure> {
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
        let model = SymbolModel::load(&path, symbol).or_exit(Code::BadData)?;
        if let Some(inputs) = &model.bundle.metadata.inputs
            && inputs.timeframe != panel.timeframe
        {
            let (learned, given) = (inputs.timeframe, panel.timeframe);
            let message = format!("{} has learned from {learned} bars, and these are {given} bars", path.display());
            return Err(CommandFailure::new(Code::BadData, message));
        }
        models.push(model);
    }
    warn_of_missing_inputs(panel, models.iter());
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
