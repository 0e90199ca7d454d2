//! `huracan backtest`: shadow trading alone, on given signals or on the models' own.

use std::ops::Range;
use std::path::Path;

use serde_json::{Value, json};

use super::{candles, signals, table};
use crate::boost::{self, Forest, PredictJob, Table};
use crate::decide::{self, Decisions, Prediction, Question};
use crate::engine::Compute;
use crate::exit::{Code, Failure, OrExit};
use crate::export::trade_table;
use crate::features::{self, COUNT};
use crate::labels;
use crate::market::Panel;
use crate::models::Bundle;
use crate::pipeline::compute_on;
use crate::pipeline::learn::jobs::HEADS;
use crate::settings::{DecideMode, Settings};
use crate::shadow::{self, Rules};

/// Trades every symbol of a folder's candles and writes one row a trade.
///
/// Without `signals` the models of `workdir/models` decide; what they were trained on they have seen before.
///
/// # Errors
/// Bad candles or signals, models that are missing, or a file that cannot be written.
pub fn run(
    settings: &Settings,
    workdir: &Path,
    folder: &Path,
    signals: Option<&Path>,
    out: &Path,
) -> Result<Value, Failure> {
    let compute = compute_on(settings, workdir)?;
    let panel = candles::read_panel(folder, settings)?;
    let rules = Rules::new(&settings.labels, &settings.costs, settings.market.kind, panel.timeframe);
    let own = signals.is_none();
    let atr = features::device::atr_14_on(&compute, &panel)?;
    let (signals, waits) = match signals {
        Some(path) => (signals::read(path, &panel).or_exit(Code::BadData)?, Default::default()),
        None => {
            let decided = own_decisions(settings, &compute, &panel, &atr, &rules, workdir)?;
            (decided.signals, decided.waits)
        }
    };
    let windows: Vec<_> = panel.ranges.iter().map(|range| vec![range.clone()]).collect();
    let trades = shadow::device::simulate_on(&compute, &panel, &signals, &atr, &windows, &rules)?;
    table::write(out, trade_table(&panel, &trades)?).or_exit(Code::Failed)?;
    let net: f64 = trades.iter().map(|trade| trade.net_bps).sum();
    let waits: serde_json::Map<String, Value> =
        waits.into_iter().map(|(wait, count)| (wait.name().to_owned(), count.into())).collect();
    Ok(json!({
        "simulated": panel.simulated,
        "symbols": panel.symbols.len(),
        // Whose decisions these are: a model's own include bars that it was trained on.
        "decided_by": if own { voices(settings.decide.mode) } else { "given signals" },
        "signals": signals.count(),
        "waits": waits,
        "trades": trades.len(),
        "wins": trades.iter().filter(|trade| trade.net_bps > 0.0).count(),
        "net_bps": net,
        "out": out,
    }))
}

pub(super) fn voices(mode: DecideMode) -> &'static str {
    match mode {
        DecideMode::Consensus => "consensus of the voting engines",
        DecideMode::Model => "models of the workdir, bars of their training included",
        DecideMode::Both => "models of the workdir, bars of their training included, and the consensus",
    }
}

/// Decides every bar by `decide.mode`; without models where the consensus decides alone.
fn own_decisions(
    settings: &Settings,
    compute: &Compute,
    panel: &Panel,
    atr: &[f64],
    rules: &Rules,
    workdir: &Path,
) -> Result<Decisions, Failure> {
    let questions = if settings.decide.mode == DecideMode::Consensus {
        let bars = |(symbol, range): (usize, &Range<usize>)| range.clone().map(move |bar| (symbol, bar, None));
        panel.ranges.iter().enumerate().flat_map(bars).collect()
    } else {
        own_predictions(compute, panel, workdir)?
    };
    let labels = labels::device::compute_on(compute, panel, atr, rules)?;
    let (_, consensus) = decide::deliberate(panel, &labels, &settings.decide, settings.labels.horizon_bars());
    Ok(decide::decide(panel, &questions, &consensus, atr, rules, settings))
}

/// Predictions of the models below `workdir` for every bar of the symbols that have one, all in one batch.
pub(super) fn own_predictions(compute: &Compute, panel: &Panel, workdir: &Path) -> Result<Vec<Question>, Failure> {
    let models = own_models(panel, workdir)?;
    let features = features::device::compute_on(compute, panel)?;
    let rows: Vec<Vec<u32>> = models
        .iter()
        .map(|(symbol, _)| panel.ranges[*symbol].clone().map(|bar| (symbol * panel.bars + bar) as u32).collect())
        .collect();
    let heads = models.iter().zip(&rows).flat_map(|((_, heads), rows)| heads.iter().map(move |forest| (forest, rows)));
    let jobs: Vec<PredictJob<'_>> = heads.map(|(forest, rows)| PredictJob { forest, rows }).collect();
    let table = Table { values: &features.values, features: COUNT };
    let scores = boost::device::raw_scores_on(compute, table, &jobs)?;
    let mut predictions = Vec::new();
    for ((symbol, heads), scores) in models.iter().zip(scores.chunks_exact(HEADS.len())) {
        let says = |head: usize, place: usize| {
            let mut score = [scores[head][place]];
            heads[head].objective.transform(&mut score);
            score[0]
        };
        predictions.extend(panel.ranges[*symbol].clone().enumerate().map(|(place, bar)| {
            let says = Prediction { win_long: says(0, place), win_short: says(1, place), edge_bps: says(2, place) };
            (*symbol, bar, Some(says))
        }));
    }
    Ok(predictions)
}

/// The heads of the symbols' models below `workdir`, in the order of [`HEADS`].
fn own_models(panel: &Panel, workdir: &Path) -> Result<Vec<(usize, [Forest; 3])>, Failure> {
    let mut models = Vec::new();
    for (symbol, name) in panel.symbols.iter().enumerate() {
        let path = workdir.join("models").join(format!("{name}_model.pkl"));
        if !path.exists() {
            continue;
        }
        let bad = |what: String| Failure::new(Code::BadData, format!("{}: {what}", path.display()));
        let mut bundle = Bundle::load(&path).or_exit(Code::BadData)?;
        if bundle.feature_names != features::names() {
            return Err(bad("was trained on other features than this program computes; train it again".to_owned()));
        }
        let mut head = |head: &str| bundle.heads.remove(head).ok_or_else(|| bad(format!("has no head '{head}'")));
        models.push((symbol, [head(HEADS[0])?, head(HEADS[1])?, head(HEADS[2])?]));
    }
    if models.is_empty() {
        let message = format!(
            "{} has no model of these symbols; give --signals, train first, or let the consensus decide alone: \
             --set decide.mode=consensus",
            workdir.join("models").display()
        );
        return Err(Failure::new(Code::BadData, message));
    }
    Ok(models)
}
