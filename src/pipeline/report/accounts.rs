//! The account as it would have gone, and that of all models, as rows of the report.

use super::judged;
use crate::bars::Panel;
use crate::decide::DecideMode;
use crate::metrics::{Evidence, Metrics, clustered_error};
use crate::pipeline::learn::Learned;
use crate::report::{AccountResult, ApprovalRow};
use crate::risk::Ledger;
use crate::shadow::{CoinCosts, Rules, Trade};

/// Where accounts trade.
pub struct Traded<'a> {
    pub panel: &'a Panel,
    pub rules: &'a Rules,
    pub mode: DecideMode,
    /// Length of a block of days in which trades overlap, for errors.
    pub block_days: i64,
}

/// The account that trades only approved models.
pub fn of_approved(traded: &Traded<'_>, learned: &Learned) -> AccountResult {
    let account = &learned.account;
    result(traded, learned, (&account.ledger, &account.metrics, &account.evidence))
}

/// The account that was offered the trades of all models.
pub fn of_all(traded: &Traded<'_>, learned: &Learned) -> AccountResult {
    result(traded, learned, (&learned.ledger, &learned.portfolio_metrics, &learned.portfolio_evidence))
}

/// The approvals at each fold boundary.
pub fn approvals(panel: &Panel, learned: &Learned) -> Vec<ApprovalRow> {
    let row = |own: &crate::trainer::Approvals| ApprovalRow {
        fold: own.fold,
        from_ms: panel.time_ms(own.test_start),
        judged: own.judged,
        approved: own.approved.iter().map(|&symbol| panel.symbols[symbol].clone()).collect(),
    };
    learned.account.approvals.iter().map(row).collect()
}

fn result(
    traded: &Traded<'_>,
    learned: &Learned,
    (ledger, metrics, evidence): (&Ledger, &Metrics, &Evidence),
) -> AccountResult {
    let &Traded { panel, rules, mode, block_days } = traded;
    let realised = |trade: &Trade| CoinCosts::of(panel, trade.symbol, rules).realised_bps(trade);
    let entries = &ledger.account.entries;
    let any = metrics.trades.count > 0;
    let mean = |of: &dyn Fn(&Trade) -> Option<f64>| {
        let values: Option<Vec<f64>> = entries.iter().map(|entry| of(&entry.trade)).collect();
        values.filter(|values| !values.is_empty()).map(|values| values.iter().sum::<f64>() / values.len() as f64)
    };
    let predicted = |trade: &Trade| {
        // Where the consensus decides alone, the models have promised nothing.
        let (_, prediction) =
            learned.prediction(trade.symbol, trade.signal_bar).filter(|_| mode != DecideMode::Consensus)?;
        Some(trade.side.sign() * prediction.edge_bps)
    };
    let error = |of: &dyn Fn(&Trade) -> f64| {
        let outcomes = entries.iter().map(|entry| (entry.day.div_euclid(block_days), of(&entry.trade)));
        clustered_error(outcomes).map(|(_, error)| error)
    };
    AccountResult {
        trades: metrics.trades.count as u64,
        refused: ledger.refused.len() as u64,
        win_rate: any.then_some(metrics.trades.win_rate),
        sharpe: any.then_some(metrics.sharpe),
        max_drawdown: any.then_some(metrics.drawdown.max),
        total_return: any.then_some(metrics.total_return),
        predicted_bps: mean(&predicted),
        gross_bps: mean(&|trade| Some(trade.gross_bps)),
        realised_bps: mean(&|trade| Some(realised(trade))),
        cost_bps: mean(&|trade| Some(trade.gross_bps - trade.net_bps)),
        net_bps: mean(&|trade| Some(trade.net_bps)),
        error_bps: error(&realised),
        net_error_bps: error(&|trade| trade.net_bps),
        evidence: judged::evidence(evidence),
    }
}
