//! Step 7: model files, and everything that was found into the brain and the journal.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::Failure;
use super::day::{Day, time};
use super::learn::Learned;
use super::patterns::Library;
use super::records::{self, ModelName};
use super::risk;
use crate::bars::Panel;
use crate::brain::{DailyMetricsRow, JournalModelRow, ModelRow, PerformanceRow};
use crate::commit;
use crate::decide::Head;
use crate::features::{self, Features};
use crate::metrics::Metrics;
use crate::models::bundle::{Inputs, Performance, TrainingParameters, importance_shares, model_id};
use crate::models::{Bundle, Metadata, combined_digest};
use crate::report::learning::{self, Figure, Insight, Snapshot};
use crate::report::{PreviousModel, SavedModel};
use crate::trainer::{Family, FamilyOutcome, Model, ModelKind, figures as more_figures};

/// Version of the way models are made.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What was saved, for the run's answer.
pub struct Saved {
    pub models_digest: String,
    pub approved: usize,
    pub rejected: usize,
    /// In the order of the models that were learned.
    pub models: Vec<SavedModel>,
}

pub async fn everything(
    day: &mut Day,
    panel: &Panel,
    features: &Features,
    learned: &Learned,
    patterns: &Library,
) -> Result<Saved, Failure> {
    let step = day.begin("save", Some(learned.models.len() as u64)).await?;
    let (mut rows, mut performances, mut journal, mut models) = (vec![], vec![], vec![], vec![]);
    let mut names = HashMap::new();
    for model in &learned.models {
        let bundle = bundle(day, panel, model)?;
        bundle.save(&day.run.workdir)?;
        names.insert(model.symbol, ModelName { id: bundle.metadata.model_id.clone(), version: VERSION.to_owned() });
        let performance = performance_row(day, learned, model, &bundle);
        let before = snapshot(day, &bundle, &performance, patterns).await?;
        models.push(saved_model(&bundle, before));
        rows.push(model_row(day, panel, model, &bundle));
        performances.push(performance);
        journal.push(journal_row(day, model, &bundle));
        step.advance(1);
    }
    snapshot_of_all(day, patterns)?;
    let records = tokio::task::block_in_place(|| records::records(day, panel, features, learned, &names));
    let run_id = day.run.row.run_id.clone();
    day.services.brain.store_models(&run_id, &rows, &performances).await?;
    day.services.brain.store_trades(&run_id, &records.trades).await?;
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
    let saved = Saved { models_digest, approved, rejected: learned.models.len() - approved, models };
    step.note(&format!("{} models, {} trades", rows.len(), records.trades.len()));
    day.end(step, json!({ "models": rows.len(), "trades": records.trades.len() })).await?;
    Ok(saved)
}

fn bundle(day: &Day, panel: &Panel, model: &Model) -> Result<Bundle, Failure> {
    let trained = &model.trained;
    let settings = &day.run.settings;
    let m = &model.metrics;
    let training_date = day.run.date.to_string();
    let beside_digests: BTreeMap<Family, BTreeMap<String, String>> =
        trained.beside.iter().map(|(family, member)| (*family, member.digests())).collect();
    let digest = combined_digest(trained.digests.values().chain(beside_digests.values().flat_map(BTreeMap::values)));
    let model_type = model_type(settings.models.kind);
    let span = |range: &std::ops::Range<usize>| json!({ "from": time(panel.time_ms(range.start)), "to": time(panel.time_ms(range.end)), "bars": range.len() });
    let folds: Vec<Value> = trained
        .folds
        .iter()
        .map(|outcome| {
            let fold = &outcome.fold;
            let mut told = json!({
                "index": fold.index,
                "train": span(&fold.train),
                "validation": span(&fold.validation),
                "purge": span(&fold.purge),
                "test": span(&fold.test),
                "train_rows": outcome.train_rows,
                "rounds": outcome.rounds,
                "validation_loss": outcome.validation_loss,
                "test_loss": outcome.test_loss,
                "digests": outcome.digests,
                "parameters": outcome.params,
                "search": outcome.tuned,
            });
            if !outcome.families.is_empty() {
                told["mix"] = json!(outcome.mix);
                told["families"] = families(&outcome.families);
            }
            told
        })
        .collect();
    let parameters = serde_json::to_value(&trained.params)?;
    let defined = |value: f64| (m.trades.count > 0 && value.is_finite()).then_some(value);
    let metadata = Metadata {
        model_id: model_id(&trained.symbol, &day.run.row.run_id, &digest),
        symbol: trained.symbol.clone(),
        version: VERSION.to_owned(),
        training_date,
        performance_metrics: Performance {
            sharpe_ratio: defined(m.sharpe),
            win_rate: defined(m.trades.win_rate),
            max_drawdown: defined(m.drawdown.max),
            total_return: defined(m.total_return),
            more: as_map(json!({
                "sortino_ratio": defined(m.sortino),
                "calmar_ratio": defined(m.calmar),
                "annualised_return": defined(m.annualised_return),
                "profit_factor": defined(m.trades.profit_factor),
                "trades": m.trades.count,
                "cost_share": defined(m.costs.cost_share),
                "buy_and_hold": model.holding.as_ref().map(|holding| holding.total_return),
            }))
            .into_iter()
            .chain(more_figures(m, &model.evidence, model.holding.as_ref()))
            .collect(),
        },
        feature_importance: importance_shares(&trained.heads),
        training_parameters: TrainingParameters {
            lookback_days: settings.market.lookback_days,
            train_test_split: 1.0
                - settings.folds.validation_share
                - f64::from(settings.folds.test_days) / f64::from(settings.folds.train_days + settings.folds.test_days),
            model_type: model_type.to_owned(),
            more: as_map(json!({
                "timeframe": panel.timeframe,
                "seed": settings.seed,
                "window": span(&trained.latest.train),
                "validation": span(&trained.latest.validation),
                "train_rows": trained.train_rows,
                "models": settings.models,
                "labels": settings.labels,
                "folds": settings.folds,
                "costs": settings.costs,
                "market_type": settings.market.kind,
            })),
        },
        device: day.services.compute.device().to_string(),
        digest,
        head_digests: trained.digests.clone(),
        beside_digests,
        mix: trained.mix.clone(),
        data_digest: day.panel_digest.clone(),
        inputs: Some(Inputs {
            symbols: panel.symbols.clone(),
            timeframe: panel.timeframe,
            max_gap_bars: settings.market.max_gap_bars,
            from: time(panel.time_ms(0)),
            to: time(panel.time_ms(panel.bars)),
        }),
        git_commit: commit::get().to_owned(),
        settings_digest: day.run.row.settings_digest.clone(),
        folds,
        approved: model.verdict.is_approved(),
        reasons: model.verdict.reasons(),
        simulated: day.run.simulated,
    };
    Ok(Bundle {
        symbol: trained.symbol.clone(),
        model_type: model_type.to_owned(),
        heads: trained.heads.clone(),
        main_head: Head::MAIN,
        feature_names: features::names(),
        scaler: None,
        parameters,
        beside: trained.beside.clone(),
        mix: trained.mix.clone(),
        metadata,
    })
}

/// What loads a model: LightGBM the trees; who has networks beside them needs a reader of their own.
fn model_type(kind: ModelKind) -> &'static str {
    match kind {
        ModelKind::Gbdt | ModelKind::Forest => "LightGBM",
        ModelKind::Neural => "Neural",
        ModelKind::Ensemble => "Ensemble",
    }
}

/// Each family of a fold, without its predictions.
fn families(outcomes: &BTreeMap<Family, FamilyOutcome>) -> Value {
    let one = |(family, outcome): (&Family, &FamilyOutcome)| {
        let told = json!({
            "rounds": outcome.rounds,
            "validation_loss": outcome.validation_loss,
            "test_loss": outcome.test_loss,
            "digests": outcome.digests,
            "epochs": outcome.epochs,
        });
        (family.name().to_owned(), told)
    };
    Value::Object(outcomes.iter().map(one).collect())
}

fn as_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn saved_model(bundle: &Bundle, before: Option<PerformanceRow>) -> SavedModel {
    let defined = |value: f64| value.is_finite().then_some(value);
    let previous = before.map(|row| PreviousModel {
        sharpe: defined(row.sharpe_ratio),
        win_rate: defined(row.win_rate),
        max_drawdown: defined(row.max_drawdown),
        total_return: defined(row.total_return),
        model_id: row.model_id,
    });
    SavedModel { model_id: bundle.metadata.model_id.clone(), digest: bundle.metadata.digest.clone(), previous }
}

/// What was learned of a coin: its patterns, and its model against the previous one, whose figures are returned.
async fn snapshot(
    day: &Day,
    bundle: &Bundle,
    performance: &PerformanceRow,
    patterns: &Library,
) -> Result<Option<PerformanceRow>, Failure> {
    let shares = |map: &Map<String, Value>| -> Vec<(String, f64)> {
        map.iter().filter_map(|(name, share)| Some((name.clone(), share.as_f64()?))).collect()
    };
    let (mut insights, mut found) = (patterns.insights(&bundle.symbol), None);
    if let Some(previous) = day.services.brain.previous_model(&bundle.symbol, &day.run.row).await? {
        if let Some(old) = previous.feature_importance.as_object().map(shares) {
            insights.extend(learning::importance_changes(&old, &shares(&bundle.metadata.feature_importance)));
        }
        found = day.services.brain.performance(&previous).await?;
        if let Some(before) = &found {
            insights.extend(learning::improvements(&figures(before), &figures(performance)));
        }
    }
    write_snapshot(day, &bundle.symbol, insights)?;
    Ok(found)
}

/// What all coins together have taught, where they have.
fn snapshot_of_all(day: &Day, patterns: &Library) -> Result<(), Failure> {
    let insights = patterns.insights_of_all();
    if insights.is_empty() { Ok(()) } else { write_snapshot(day, "*", insights) }
}

fn write_snapshot(day: &Day, symbol: &str, insights: Vec<Insight>) -> Result<(), Failure> {
    // The time of the models, so that a step that is done again writes the same files.
    learning::write_snapshot(
        &day.run.workdir,
        &Snapshot::new(day.run.row.started, symbol, insights, day.run.simulated),
    )?;
    Ok(())
}

/// What a model is held against the previous one by.
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

/// Mean loss of each head over the test windows.
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
        path: format!("models/{}_model.pkl", bundle.symbol),
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
            [("waits".to_owned(), json!(waits(learned))), ("test_loss".to_owned(), json!(test_losses(model)))]
                .into_iter()
                .chain(more_figures(m, &model.evidence, model.holding.as_ref()))
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
                ("groups".to_owned(), learned.breakdowns.iter().map(|(by, groups)| (*by, json!(groups))).collect()),
            ]
            .into_iter()
            .chain(more_figures(m, &learned.portfolio_evidence, learned.portfolio_holding.as_ref()))
            .collect(),
        ),
        simulated: day.run.simulated,
    }
}
