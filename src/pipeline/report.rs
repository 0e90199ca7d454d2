//! Step 7, continued: the reports.

mod accounts;
mod judged;

use huracan_base::units::BPS;
use std::collections::BTreeMap;

use chrono::Utc;
use serde_json::json;

use super::CommandFailure;
use super::day::Day;
use super::forward::Forward;
use super::learn::Learned;
use super::patterns::Library;
use super::risk;
use super::save::{self, Saved};
use crate::bars::Panel;
use crate::decide::Head;
use crate::decide::Voter;
use crate::health;
use crate::market::Selection;
use crate::metrics::Account;
use crate::models::bundle;
use crate::report::{
    self, Costs, Decisions, Exclusion, HeadCalibration, HeadFit, Importance, ReportData, SavedModel, SearchRow,
    SymbolCurve, SymbolRow, Totals, VoterRow,
};
use crate::trainer::{Model, Tuned, calibration, edge_fit};

/// Features shown in the report.
const FEATURES: usize = 20;

pub async fn write(
    day: &mut Day,
    selection: &Selection,
    panel: &Panel,
    learned: &Learned,
    forward: &Forward,
    saved: &Saved,
    patterns: &Library,
) -> Result<ReportData, CommandFailure> {
    let step = day.begin("report", None).await?;
    let verdict = &day.run.settings.verdict;
    let data = ReportData {
        patterns: patterns.report(),
        forward: forward.report(learned, verdict.forward_min_t),
        ..data(day, selection, panel, learned, saved)
    };
    report::write(&day.run.workdir, &data)?;
    day.end(step, json!({})).await?;
    Ok(data)
}

fn data(day: &Day, selection: &Selection, panel: &Panel, learned: &Learned, saved: &Saved) -> ReportData {
    let m = &learned.portfolio_metrics;
    let any = m.trades.count > 0;
    let settings = &day.run.settings;
    let rules = settings.trainer().rules(panel.timeframe);
    let block_days = panel.timeframe.block_days(settings.labels.horizon_bars());
    let traded = accounts::Traded { panel, rules: &rules, mode: settings.decide.mode, block_days };
    let importance = importance(learned);
    ReportData {
        run_id: day.run.row.run_id.clone(),
        date: day.run.date,
        generated_at: Utc::now(),
        device: day.services.compute.device().to_string(),
        simulated: day.run.simulated,
        timeframe: panel.timeframe.to_string(),
        settings_digest: day.run.row.settings_digest.clone(),
        version: save::VERSION.to_owned(),
        git_commit: crate::commit::get().to_owned(),
        models_digest: saved.models_digest.clone(),
        seconds: day.services.ui.seconds(),
        peak_rss_bytes: health::peak_rss_bytes(),
        account: accounts::of_approved(&traded, learned),
        account_equity: curve(&learned.account.ledger.account),
        approvals: accounts::approvals(panel, learned),
        all_models: accounts::of_all(&traded, learned),
        forward: report::ForwardReport::default(),
        totals: Totals {
            symbols: learned.models.len(),
            trades: learned.ledger.decided().len() as u64,
            approved: saved.approved,
            rejected: saved.rejected,
            retired: saved.retired,
            failed: day.failures.len(),
            win_rate: any.then_some(m.trades.win_rate),
            sharpe: any.then_some(m.sharpe),
            max_drawdown: any.then_some(m.drawdown.max),
            total_return: any.then_some(m.total_return),
            evidence: judged::evidence(&learned.portfolio_evidence),
            holding: judged::buy_and_hold(learned.portfolio_holding.as_ref()),
            cost_share: any.then_some(m.costs.cost_share),
            cost_shares: judged::cost_shares(m),
        },
        symbols: learned.models.iter().zip(&saved.models).map(|(model, saved)| symbol_row(model, saved)).collect(),
        equity: curve(&learned.ledger.account),
        holding: learned.portfolio_holding.as_ref().map(|holding| holding.curve.clone()).unwrap_or_default(),
        symbol_equity: learned
            .models
            .iter()
            .map(|model| SymbolCurve { symbol: model.trained.symbol.clone(), points: curve(&model.account) })
            .collect(),
        importance: importance.features,
        importance_believed: Some(importance.believed),
        exit_reasons: exit_reasons(learned),
        costs: costs(day, learned),
        calibration: calibrations(day, panel, learned),
        regimes: judged::groups(learned, "regime"),
        groups: judged::other_groups(learned, "regime"),
        decisions: decisions(day, learned),
        consensus: judged::consensus(learned),
        voters: voters(learned),
        risk: risk::summary(panel, learned),
        patterns: report::Patterns::default(),
        search: search(learned),
        families: judged::families(learned),
        epochs: learned
            .families
            .iter()
            .find(|compared| !compared.epochs.is_empty())
            .map_or_else(Vec::new, |c| c.epochs.clone()),
        exclusions: selection
            .excluded
            .iter()
            .map(|e| Exclusion { symbol: e.symbol.clone(), reason: e.reason.clone() })
            .collect(),
        failures: day.failures.clone(),
    }
}

fn symbol_row(model: &Model, saved: &SavedModel) -> SymbolRow {
    let m = &model.metrics;
    let defined = |value: f64| (m.trades.count > 0 && value.is_finite()).then_some(value);
    let holding = judged::buy_and_hold(model.holding.as_ref());
    SymbolRow {
        symbol: model.trained.symbol.clone(),
        folds: model.trained.folds.len(),
        trades: m.trades.count as u64,
        win_rate: defined(m.trades.win_rate),
        sharpe: defined(m.sharpe),
        sortino: defined(m.sortino),
        calmar: defined(m.calmar),
        max_drawdown: defined(m.drawdown.max),
        total_return: defined(m.total_return),
        cost_share: defined(m.costs.cost_share),
        cost_shares: judged::cost_shares(m),
        buy_and_hold: holding.total_return,
        holding_sharpe: holding.sharpe,
        holding_max_drawdown: holding.max_drawdown,
        evidence: judged::evidence(&model.evidence),
        q_value: Some(model.q_value),
        approved: model.verdict.is_approved(),
        reasons: model.verdict.reasons(),
        model: Some(saved.clone()),
    }
}

/// Equity as multiples of the start.
fn curve(account: &Account) -> Vec<(i64, f64)> {
    account.curve.iter().map(|&(time, equity)| (time, equity / account.start_equity)).collect()
}

/// How well each head's predictions match what happened.
fn calibrations(day: &Day, panel: &Panel, learned: &Learned) -> Vec<HeadCalibration> {
    let row = |head: Head, fit: HeadFit| HeadCalibration { head: head.name().to_owned(), fit };
    let probabilities = calibration(&learned.models, &learned.labels);
    let edge = edge_fit(&learned.models, panel, &learned.labels, day.run.settings.labels.horizon_bars());
    probabilities
        .into_iter()
        .map(|(head, found)| row(head, HeadFit::Probability(found)))
        .chain(edge.map(|found| row(Head::EdgeBps, HeadFit::Edge(found))))
        .collect()
}

/// Importance of features over all models.
struct AllImportance {
    /// Mean share per feature over the models, largest first.
    features: Vec<Importance>,
    /// Number of models of whose trees something is believed.
    believed: usize,
}

/// Over the models of whose trees something is believed, or if there is none, over all.
fn importance(learned: &Learned) -> AllImportance {
    let of = |model: &Model| {
        let trained = &model.trained;
        bundle::importance(&trained.heads, &trained.other_families, &trained.mix, trained.calibration.as_ref())
    };
    let all: Vec<bundle::Importance> = learned.models.iter().map(of).collect();
    let believed = all.iter().filter(|own| own.believed).count();
    let count = if believed > 0 { believed } else { all.len() } as f64;
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    for own in all.into_iter().filter(|own| own.believed || believed == 0) {
        for (feature, share) in own.shares {
            *sums.entry(feature).or_default() += share.as_f64().unwrap_or(0.0) / count;
        }
    }
    let mut features: Vec<Importance> =
        sums.into_iter().map(|(feature, share)| Importance { feature, share }).collect();
    features.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.feature.cmp(&b.feature)));
    features.truncate(FEATURES);
    AllImportance { features, believed }
}

fn exit_reasons(learned: &Learned) -> Vec<(String, u64)> {
    let decided = learned.ledger.decided();
    crate::shadow::ExitReason::ALL
        .into_iter()
        .map(|reason| {
            let count = decided.iter().filter(|&&offer| learned.offers[offer].trade.exit_reason == reason).count();
            (reason.name().to_owned(), count as u64)
        })
        .filter(|(_, count)| *count > 0)
        .collect()
}

fn costs(day: &Day, learned: &Learned) -> Costs {
    let c = &learned.portfolio_metrics.costs;
    let gross = learned.ledger.account.entries.iter().map(|e| e.notional * e.trade.gross_bps / BPS).sum();
    Costs {
        currency: day.run.settings.risk.account_currency.clone(),
        gross,
        fee: c.fees,
        spread: c.spread,
        slippage: c.slippage,
        funding: c.funding,
        net: gross - c.total(),
    }
}

fn decisions(day: &Day, learned: &Learned) -> Decisions {
    let summary = &learned.consensus;
    let waiting: usize = learned.waits.values().sum();
    Decisions {
        mode: day.run.settings.decide.mode.name().to_owned(),
        bars: summary.bars as u64,
        signals: (summary.bars - waiting) as u64,
        beyond_buy: summary.beyond[0] as u64,
        beyond_sell: summary.beyond[1] as u64,
        confidence: (!summary.confidence.is_nan()).then_some(summary.confidence),
        waits: learned.waits.iter().map(|(wait, &count)| (wait.name().to_owned(), count as u64)).collect(),
    }
}

/// Each voter with the trades that it voted for.
fn voters(learned: &Learned) -> Vec<VoterRow> {
    let groups = judged::groups(learned, "engine");
    let row = |(index, voter): (usize, Voter)| {
        let own = groups.iter().find(|group| group.name == voter.name()).cloned().unwrap_or_default();
        VoterRow {
            voter: voter.name().to_owned(),
            family: voter.family().name().to_owned(),
            hit_rate: Some(learned.consensus.hit_rates[index]),
            trades: own.trades,
            win_rate: own.win_rate,
            mean_net_bps: own.mean_net_bps,
            t_statistic: own.t_statistic,
        }
    };
    Voter::ALL.into_iter().enumerate().map(row).collect()
}

/// Gain and cost of the search, per head.
fn search(learned: &Learned) -> Vec<SearchRow> {
    let mut by_head: BTreeMap<Head, Vec<&Tuned>> = BTreeMap::new();
    for fold in learned.models.iter().flat_map(|model| &model.trained.folds) {
        fold.tuned.iter().for_each(|(head, tuned)| by_head.entry(*head).or_default().push(tuned));
    }
    by_head
        .into_iter()
        .map(|(head, all)| {
            let mean = |of: fn(&Tuned) -> f64| all.iter().map(|tuned| of(tuned)).sum::<f64>() / all.len() as f64;
            let rounds = |of: fn(&Tuned) -> u64| all.iter().map(|tuned| of(tuned)).sum::<u64>() as f64;
            SearchRow {
                head: head.name().to_owned(),
                folds: all.len(),
                changed: all.iter().filter(|tuned| tuned.chosen.changed).count(),
                validation_gain: mean(|tuned| fall(tuned.chosen.baseline_loss, tuned.chosen.loss)),
                test_gain: mean(|tuned| fall(tuned.baseline_test_loss, tuned.test_loss)),
                cost: rounds(|tuned| tuned.chosen.rounds) / rounds(|tuned| tuned.chosen.baseline_rounds).max(1.0),
            }
        })
        .collect()
}

/// The share by which a loss fell; 0 if the loss was not above 0.
fn fall(from: f64, to: f64) -> f64 {
    if from > 0.0 { 1.0 - to / from } else { 0.0 }
}
