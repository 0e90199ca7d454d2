//! The model of a symbol with its metadata, ready to be written.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Map, Value, json};

use super::VERSION;
use crate::bars::{MarketTerms, Panel};
use crate::commit;
use crate::decide::{Calibration, Head};
use crate::features;
use crate::models::bundle::{Inputs, Performance, TrainingParameters, calibration_digest, importance, model_id};
use crate::models::{Bundle, Metadata, combined_digest};
use crate::pipeline::CommandFailure;
use crate::pipeline::day::{Day, time};
use crate::pipeline::forward::Basis;
use crate::trainer::{Family, FamilyOutcome, FoldOutcome, Model, ModelKind, further_metrics};

/// The model of a symbol, with its metadata.
pub fn bundle(day: &Day, panel: &Panel, model: &Model) -> Result<Bundle, CommandFailure> {
    let trained = &model.trained;
    Ok(Bundle {
        symbol: trained.symbol.clone(),
        model_type: model_type(day.run.settings.models.kind).to_owned(),
        heads: (*trained.heads).clone(),
        main_head: Head::MAIN,
        feature_names: features::view_names(),
        scaler: None,
        parameters: serde_json::to_value(&trained.params)?,
        other_families: trained.other_families.clone(),
        mix: trained.mix.clone(),
        calibration: trained.calibration,
        metadata: metadata(day, panel, model),
    })
}

/// What the model is loaded with: LightGBM for trees alone. Networks need their own reader.
fn model_type(kind: ModelKind) -> &'static str {
    match kind {
        ModelKind::Gbdt | ModelKind::Forest => "LightGBM",
        ModelKind::Neural => "Neural",
        ModelKind::Ensemble => "Ensemble",
    }
}

fn metadata(day: &Day, panel: &Panel, model: &Model) -> Metadata {
    let trained = &model.trained;
    let other_family_digests: BTreeMap<Family, BTreeMap<String, String>> =
        trained.other_families.iter().map(|(family, member)| (*family, member.digests())).collect();
    let of_other_families = other_family_digests.values().flat_map(BTreeMap::values);
    let importance = importance(&trained.heads, &trained.other_families, &trained.mix, trained.calibration.as_ref());
    let calibration = trained.calibration.map(|calibration| calibration_digest(&calibration, &trained.mix));
    let digest = combined_digest(trained.digests.values().chain(of_other_families).chain(calibration.as_ref()));
    Metadata {
        model_id: model_id(&trained.symbol, &day.run.row.run_id, &digest),
        symbol: trained.symbol.clone(),
        version: VERSION.to_owned(),
        training_date: day.run.date.to_string(),
        performance_metrics: performance(model),
        feature_importance: importance.shares,
        feature_importance_believed: Some(importance.believed),
        training_parameters: training_parameters(day, panel, model),
        device: day.services.compute.device().to_string(),
        digest,
        head_digests: trained.digests.clone(),
        other_family_digests,
        mix: trained.mix.clone(),
        data_digest: day.panel_digest.clone(),
        inputs: Some(Inputs {
            symbols: panel.symbols.clone(),
            timeframe: panel.timeframe,
            max_gap_bars: day.run.settings.market.max_gap_bars,
            from: time(panel.time_ms(0)),
            to: time(panel.time_ms(panel.bars)),
            terms: known_terms(panel),
        }),
        git_commit: commit::get().to_owned(),
        settings_digest: day.run.row.settings_digest.clone(),
        folds: trained.folds.iter().map(|outcome| fold(panel, outcome)).collect(),
        policy: policy(day, model),
        approved: model.verdict.is_approved(),
        reasons: model.verdict.reasons(),
        retired: None,
        simulated: day.run.simulated,
    }
}

/// Everything that turns the model's raw scores into trades.
fn policy(day: &Day, model: &Model) -> Value {
    let settings = &day.run.settings;
    json!({
        "basis": Basis::of(settings).digest,
        "mode": settings.decide.mode,
        "decide": settings.decide,
        "gate": {
            "margin_bps": settings.costs.safety_margin_bps,
            "edge": "the smaller of edge_bps and told_bps on the side of told_bps, above the side's expected costs and the margin",
            "probabilities": "the lead of the side is not below 0",
        },
        "costs": settings.costs,
        "labels": settings.labels,
        "market_type": settings.market.kind,
        "risk": settings.risk,
        "approve": settings.approve,
        "verdict": settings.verdict,
        "calibration": model.trained.calibration.map(|calibration| by_head(&calibration)),
    })
}

/// Terms of the exchange, of the symbols for which some are known.
fn known_terms(panel: &Panel) -> BTreeMap<String, MarketTerms> {
    let all = panel.symbols.iter().zip(&panel.terms);
    all.filter(|(_, terms)| **terms != MarketTerms::default()).map(|(symbol, terms)| (symbol.clone(), *terms)).collect()
}

fn performance(model: &Model) -> Performance {
    let m = &model.metrics;
    let defined = |value: f64| (m.trades.count > 0 && value.is_finite()).then_some(value);
    let more = as_map(json!({
        "sortino_ratio": defined(m.sortino),
        "calmar_ratio": defined(m.calmar),
        "annualised_return": defined(m.annualised_return),
        "profit_factor": defined(m.trades.profit_factor),
        "trades": m.trades.count,
        "cost_share": defined(m.costs.cost_share),
        "buy_and_hold": model.holding.as_ref().map(|holding| holding.total_return),
        "q_value": model.q_value,
    }));
    Performance {
        sharpe_ratio: defined(m.sharpe),
        win_rate: defined(m.trades.win_rate),
        max_drawdown: defined(m.drawdown.max),
        total_return: defined(m.total_return),
        more: more.into_iter().chain(further_metrics(m, &model.evidence, model.holding.as_ref())).collect(),
    }
}

fn training_parameters(day: &Day, panel: &Panel, model: &Model) -> TrainingParameters {
    let settings = &day.run.settings;
    let trained = &model.trained;
    let folds = &settings.folds;
    TrainingParameters {
        lookback_days: settings.market.lookback_days,
        train_test_split: 1.0
            - folds.validation_share
            - f64::from(folds.test_days) / f64::from(folds.train_days + folds.test_days),
        model_type: model_type(settings.models.kind).to_owned(),
        more: as_map(json!({
            "timeframe": panel.timeframe,
            "seed": settings.seed,
            "window": span(panel, &trained.latest.train),
            "validation": span(panel, &trained.latest.validation),
            "train_rows": trained.train_rows,
            "models": settings.models,
            "labels": settings.labels,
            "folds": settings.folds,
            "costs": settings.costs,
            "market_type": settings.market.kind,
        })),
    }
}

fn fold(panel: &Panel, outcome: &FoldOutcome) -> Value {
    let fold = &outcome.fold;
    let mut entry = json!({
        "index": fold.index,
        "train": span(panel, &fold.train),
        "validation": span(panel, &fold.validation),
        "purge": span(panel, &fold.purge),
        "test": span(panel, &fold.test),
        "train_rows": outcome.train_rows,
        "rounds": outcome.rounds,
        "validation_loss": outcome.validation_loss,
        "test_loss": outcome.test_loss,
        "digests": outcome.digests,
        "parameters": outcome.params,
        "search": outcome.tuned,
        "calibration": outcome.calibration.map(|calibration| by_head(&calibration)),
    });
    if !outcome.own_digests.is_empty() {
        entry["own_digests"] = json!(outcome.own_digests);
    }
    if !outcome.families.is_empty() {
        entry["mix"] = json!(outcome.mix);
        entry["families"] = families(&outcome.families);
    }
    entry
}

/// Each family of a fold, without its predictions.
fn families(outcomes: &BTreeMap<Family, FamilyOutcome>) -> Value {
    let one = |(family, outcome): (&Family, &FamilyOutcome)| {
        let entry = json!({
            "rounds": outcome.rounds,
            "validation_loss": outcome.validation_loss,
            "test_loss": outcome.test_loss,
            "digests": outcome.digests,
            "epochs": outcome.epochs,
        });
        (family.name().to_owned(), entry)
    };
    Value::Object(outcomes.iter().map(one).collect())
}

/// The calibration, by head.
fn by_head(calibration: &Calibration) -> Value {
    let one = |head: Head| (head.name().to_owned(), json!(calibration.head(head)));
    Value::Object(Head::ALL.into_iter().map(one).collect())
}

/// A range of bars with its times.
fn span(panel: &Panel, range: &Range<usize>) -> Value {
    json!({
        "from": time(panel.time_ms(range.start)),
        "to": time(panel.time_ms(range.end)),
        "bars": range.len(),
    })
}

fn as_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
