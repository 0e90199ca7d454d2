//! Step 7: writes the models, and stores all results in the brain and the journal.

mod bundle;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::prelude::*;
use serde_json::{Map, Value, json};

use super::CommandFailure;
use super::day::{Day, time};
use super::learn::Learned;
use super::patterns::Library;
use super::records::{self, ModelName};
use super::risk;
use crate::bars::Panel;
use crate::brain::{DailyMetricsRow, JournalModelRow, ModelRow, PerformanceRow};
use crate::decide::Head;
use crate::exit::{Code, OrExit};
use crate::features::Features;
use crate::metrics::Metrics;
use crate::models::bundle::{REJECTED, retire, symbols_with_files};
use crate::models::{Bundle, combined_digest};
use crate::report::learning::{self, Figure, Insight, Snapshot};
use crate::report::{PreviousModel, SavedModel};
use crate::trainer::{Model, further_metrics};
use crate::ui::Step;

/// Version of the program, recorded with every model.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What was saved.
pub struct Saved {
    pub models_digest: String,
    pub approved: usize,
    pub rejected: usize,
    /// Approved models of earlier runs that were withdrawn.
    pub retired: usize,
    /// In the order of the learned models.
    pub models: Vec<SavedModel>,
}

pub async fn save(
    day: &mut Day,
    panel: &Panel,
    features: &Features,
    learned: &Learned,
    patterns: &Library,
) -> Result<Saved, CommandFailure> {
    let step = day.begin("save", Some(learned.models.len() as u64)).await?;
    let (mut rows, mut performances, mut journal, mut models) = (vec![], vec![], vec![], vec![]);
    let mut names = HashMap::new();
    // So few at a time that a run that is told to stop does so soon.
    for some in learned.models.chunks(rayon::current_num_threads()) {
        let bundles = tokio::task::block_in_place(|| write(day, panel, some, &step))?;
        for (model, bundle) in some.iter().zip(&bundles) {
            names.insert(model.symbol, ModelName { id: bundle.metadata.model_id.clone(), version: VERSION.to_owned() });
            let performance = performance_row(day, learned, model, bundle);
            let previous = snapshot(day, bundle, &performance, patterns).await?;
            models.push(saved_model(bundle, previous));
            rows.push(model_row(day, panel, model, bundle));
            performances.push(performance);
            journal.push(journal_row(day, model, bundle));
        }
    }
    let retired = retire_others(day, learned)?;
    snapshot_of_all(day, patterns)?;
    let records = tokio::task::block_in_place(|| records::records(day, panel, features, learned, &names));
    let run_id = day.run.row.run_id.clone();
    day.services.brain.store_models(&run_id, &rows, &performances).await?;
    day.services.brain.store_trades(&run_id, &records.trades, &records.shadow).await?;
    day.services.brain.store_analysis(&run_id, &records.wins, &records.losses).await?;
    day.services.brain.store_post_exit(&run_id, &records.post_exit).await?;
    let (refusals, breakers) = risk::rows(day, panel, learned);
    day.services.brain.store_risk(&run_id, &refusals, &breakers).await?;
    day.services.brain.store_daily_metrics(&daily_metrics(day, panel, learned, patterns)).await?;
    day.services.journal.store_trades(&run_id, &records.trades).await?;
    day.services.journal.store_models(&run_id, &journal).await?;
    let mut trips: BTreeMap<&str, usize> = BTreeMap::new();
    for breaker in &breakers {
        *trips.entry(&breaker.breaker).or_default() += 1;
    }
    for (breaker, times) in trips {
        day.event("info", "risk_breaker", format!("{breaker} tripped {times} times in the portfolio"));
    }
    let approved = learned.models.iter().filter(|model| model.verdict.is_approved()).count();
    day.verdicts = (approved, learned.models.len() - approved);
    let models_digest = combined_digest(models.iter().map(|model| &model.digest));
    let saved = Saved { models_digest, approved, rejected: learned.models.len() - approved, retired, models };
    let withdrawn = if retired > 0 { format!(", {retired} of earlier runs withdrawn") } else { String::new() };
    step.note(&format!("{} models, {} trades{withdrawn}", rows.len(), records.trades.len()));
    let output = json!({ "models": rows.len(), "trades": records.trades.len(), "retired": retired });
    day.end(step, output).await?;
    Ok(saved)
}

/// Writes some models' files, by all cores.
fn write(day: &Day, panel: &Panel, models: &[Model], step: &Step) -> Result<Vec<Bundle>, CommandFailure> {
    let one = |model: &Model| -> Result<Bundle, CommandFailure> {
        let bundle = bundle::bundle(day, panel, model)?;
        bundle.save(&day.run.workdir)?;
        step.advance(1);
        Ok(bundle)
    };
    // Of several errors always the first.
    models.par_iter().with_max_len(1).map(one).collect::<Vec<_>>().into_iter().collect()
}

/// Withdraws the approved models of coins that this run has not trained: nobody judges them any more. Returns how many.
fn retire_others(day: &mut Day, learned: &Learned) -> Result<usize, CommandFailure> {
    let trained: BTreeSet<&str> = learned.models.iter().map(|model| model.trained.symbol.as_str()).collect();
    let mut others = symbols_with_files(&day.run.workdir, true).or_exit(Code::Failed)?;
    others.retain(|symbol| !trained.contains(symbol.as_str()));
    for symbol in &others {
        let failure = day.failures.iter().find(|failure| failure.symbol == *symbol);
        let why = failure.map_or("it is not among the run's coins", |failure| failure.reason.as_str());
        let reason = format!("not trained by the run of {}: {why}", day.run.date);
        retire(&day.run.workdir, symbol, day.run.date, &reason).or_exit(Code::Failed)?;
        day.event("warn", "model_retired", format!("{symbol}: {reason}; the model is now in models/{REJECTED}"));
    }
    Ok(others.len())
}

/// Path of a model's pickle below the workdir.
fn relative_path(bundle: &Bundle) -> String {
    let folder = if bundle.metadata.approved { "models".to_owned() } else { format!("models/{REJECTED}") };
    format!("{folder}/{}_model.pkl", bundle.symbol)
}

fn saved_model(bundle: &Bundle, previous: Option<PerformanceRow>) -> SavedModel {
    let defined = |value: f64| value.is_finite().then_some(value);
    let previous = previous.map(|row| PreviousModel {
        sharpe: defined(row.sharpe_ratio),
        win_rate: defined(row.win_rate),
        max_drawdown: defined(row.max_drawdown),
        total_return: defined(row.total_return),
        model_id: row.model_id,
    });
    SavedModel { model_id: bundle.metadata.model_id.clone(), digest: bundle.metadata.digest.clone(), previous }
}

/// Writes the learning snapshot of what a coin's trades show: its patterns, which features count for more or less than in the
/// previous model, and what is better than with it. Returns the performance of the previous model.
async fn snapshot(
    day: &Day,
    bundle: &Bundle,
    performance: &PerformanceRow,
    patterns: &Library,
) -> Result<Option<PerformanceRow>, CommandFailure> {
    let (mut insights, mut found) = (patterns.insights(&bundle.symbol), None);
    if let Some(previous) = day.services.brain.previous_model(&bundle.symbol, &day.run.row).await? {
        if let Some(old) = previous.feature_importance.as_object() {
            insights.extend(learning::importance_changes(&shares(old), &shares(&bundle.metadata.feature_importance)));
        }
        found = day.services.brain.performance(&previous).await?;
        if let Some(previous) = &found {
            insights.extend(learning::improvements(&figures(previous), &figures(performance)));
        }
    }
    if !insights.is_empty() {
        write_snapshot(day, &bundle.symbol, insights, bundle.metadata.feature_importance_believed)?;
    }
    Ok(found)
}

/// Writes the learning snapshot of all coins together, if there are insights.
fn snapshot_of_all(day: &Day, patterns: &Library) -> Result<(), CommandFailure> {
    let insights = patterns.insights_of_all();
    if insights.is_empty() { Ok(()) } else { write_snapshot(day, "*", insights, None) }
}

fn shares(map: &Map<String, Value>) -> Vec<(String, f64)> {
    map.iter().filter_map(|(name, share)| Some((name.clone(), share.as_f64()?))).collect()
}

fn write_snapshot(
    day: &Day,
    symbol: &str,
    insights: Vec<Insight>,
    features_believed: Option<bool>,
) -> Result<(), CommandFailure> {
    // With the start of the run as its time: if the step is done again, it writes the same files.
    let snapshot = Snapshot::new(day.run.row.started, symbol, insights, day.run.simulated);
    learning::write_snapshot(&day.run.workdir, &Snapshot { features_believed, ..snapshot })?;
    Ok(())
}

/// The figures by which a model is compared with the previous one.
fn figures(row: &PerformanceRow) -> Vec<Figure> {
    let mut figures = vec![
        Figure::high("sharpe_ratio", row.sharpe_ratio),
        Figure::high("total_return", row.total_return),
        Figure::high("win_rate", row.win_rate),
        Figure::low("max_drawdown", row.max_drawdown),
    ];
    let losses = row.more["test_loss"].as_object().into_iter().flatten();
    figures.extend(losses.filter_map(|(head, loss)| Some(Figure::low(&format!("test_loss {head}"), loss.as_f64()?))));
    figures
}

/// Mean loss per head over the test windows.
fn test_losses(model: &Model) -> BTreeMap<Head, f64> {
    let mut all: BTreeMap<Head, Vec<f64>> = BTreeMap::new();
    for (head, loss) in model.trained.folds.iter().flat_map(|fold| &fold.test_loss) {
        all.entry(*head).or_default().push(*loss);
    }
    all.into_iter().map(|(head, losses)| (head, losses.iter().sum::<f64>() / losses.len() as f64)).collect()
}

fn model_row(day: &Day, panel: &Panel, model: &Model, bundle: &Bundle) -> ModelRow {
    let metadata = &bundle.metadata;
    let latest = &model.trained.latest;
    ModelRow {
        model_id: metadata.model_id.clone(),
        run_id: day.run.row.run_id.clone(),
        symbol: bundle.symbol.clone(),
        version: metadata.version.clone(),
        model_type: bundle.model_type.clone(),
        training_date: day.run.date,
        trained_at: day.run.row.started,
        train_start: Some(time(panel.time_ms(latest.train.start))),
        train_end: Some(time(panel.time_ms(latest.validation.end))),
        train_rows: model.trained.train_rows as i64,
        folds: model.trained.folds.len() as i64,
        device: metadata.device.clone(),
        digest: metadata.digest.clone(),
        data_digest: metadata.data_digest.clone(),
        settings_digest: metadata.settings_digest.clone(),
        git_commit: Some(metadata.git_commit.clone()),
        approved: metadata.approved,
        reasons: json!(metadata.reasons),
        heads: json!(metadata.head_digests),
        feature_importance: Value::Object(metadata.feature_importance.clone()),
        parameters: bundle.parameters.clone(),
        path: relative_path(bundle),
        simulated: day.run.simulated,
    }
}

fn performance_row(day: &Day, learned: &Learned, model: &Model, bundle: &Bundle) -> PerformanceRow {
    let m = &model.metrics;
    PerformanceRow {
        run_id: day.run.row.run_id.clone(),
        model_id: bundle.metadata.model_id.clone(),
        symbol: bundle.symbol.clone(),
        evaluation_date: day.run.date,
        scope: "walk_forward".to_owned(),
        num_trades: m.trades.count as i64,
        win_rate: m.trades.win_rate,
        total_return: m.total_return,
        average_return: m.mean_daily_return,
        annualised_return: m.annualised_return,
        sharpe_ratio: m.sharpe,
        sortino_ratio: m.sortino,
        calmar_ratio: m.calmar,
        profit_factor: m.trades.profit_factor,
        average_win_bps: m.trades.average_win_bps,
        average_loss_bps: m.trades.average_loss_bps,
        max_drawdown: m.drawdown.max,
        average_drawdown: m.drawdown.average,
        recovery_days: Some(m.drawdown.longest_recovery_days),
        account_currency: day.run.settings.risk.account_currency.clone(),
        net_profit_gbp: model.account.final_equity() - model.account.start_equity,
        fees_gbp: m.costs.fees,
        spread_gbp: m.costs.spread,
        slippage_gbp: m.costs.slippage,
        funding_gbp: m.costs.funding,
        cost_share: Some(m.costs.cost_share),
        buy_and_hold_return: model.holding.as_ref().map(|holding| holding.total_return),
        approved: model.verdict.is_approved(),
        reasons: json!(model.verdict.reasons()),
        more: Value::Object(
            [
                ("waits".to_owned(), json!(waits(learned))),
                ("test_loss".to_owned(), json!(test_losses(model))),
                ("q_value".to_owned(), json!(model.q_value)),
            ]
            .into_iter()
            .chain(further_metrics(m, &model.evidence, model.holding.as_ref()))
            .collect(),
        ),
        simulated: day.run.simulated,
    }
}

fn journal_row(day: &Day, model: &Model, bundle: &Bundle) -> JournalModelRow {
    JournalModelRow {
        model_id: bundle.metadata.model_id.clone(),
        run_id: day.run.row.run_id.clone(),
        symbol: bundle.symbol.clone(),
        version: VERSION.to_owned(),
        model_type: bundle.model_type.clone(),
        trained_at: day.run.row.started,
        digest: bundle.metadata.digest.clone(),
        sharpe_ratio: model.metrics.sharpe,
        win_rate: model.metrics.trades.win_rate,
        max_drawdown: model.metrics.drawdown.max,
        num_trades: model.metrics.trades.count as i64,
        approved: bundle.metadata.approved,
        feature_importance: Value::Object(bundle.metadata.feature_importance.clone()),
        simulated: day.run.simulated,
    }
}

pub fn waits(learned: &Learned) -> Map<String, Value> {
    learned.waits.iter().map(|(wait, count)| (wait.name().to_owned(), json!(count))).collect()
}

fn daily_metrics(day: &Day, panel: &Panel, learned: &Learned, patterns: &Library) -> DailyMetricsRow {
    let m: &Metrics = &learned.portfolio_metrics;
    let approved = learned.models.iter().filter(|model| model.verdict.is_approved()).count() as i64;
    DailyMetricsRow {
        run_id: day.run.row.run_id.clone(),
        date: day.run.date,
        symbols: learned.models.len() as i64,
        models_trained: learned.models.len() as i64,
        models_approved: approved,
        models_rejected: learned.models.len() as i64 - approved,
        patterns_learned: patterns.learned().count() as i64,
        total_trades: m.trades.count as i64,
        wins: m.trades.wins as i64,
        losses: (m.trades.count - m.trades.wins) as i64,
        win_rate: m.trades.win_rate,
        account_currency: day.run.settings.risk.account_currency.clone(),
        total_profit_gbp: (learned.ledger.equity() - learned.ledger.start_equity).value(),
        fees_gbp: m.costs.fees,
        spread_gbp: m.costs.spread,
        slippage_gbp: m.costs.slippage,
        funding_gbp: m.costs.funding,
        cost_share: Some(m.costs.cost_share),
        sharpe_ratio: m.sharpe,
        max_drawdown: m.drawdown.max,
        equity_start_gbp: learned.ledger.start_equity.value(),
        equity_end_gbp: learned.ledger.equity().value(),
        seconds: day.services.ui.seconds().iter().map(|(_, seconds)| seconds).sum(),
        more: Value::Object(
            [
                ("waits".to_owned(), json!(waits(learned))),
                ("risk".to_owned(), json!(risk::summary(panel, learned))),
                ("buy_and_hold".to_owned(), json!(learned.portfolio_holding.as_ref().map(|h| h.total_return))),
                ("account".to_owned(), json!(learned.account.metrics)),
                ("groups".to_owned(), learned.breakdowns.iter().map(|(by, groups)| (*by, json!(groups))).collect()),
            ]
            .into_iter()
            .chain(further_metrics(m, &learned.portfolio_evidence, learned.portfolio_holding.as_ref()))
            .collect(),
        ),
        simulated: day.run.simulated,
    }
}
