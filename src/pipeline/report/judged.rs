//! Metrics and evidence, as rows of the report.

use crate::decide::Head;
use crate::metrics::{Breakdown, Evidence, GroupStatistics, Holding, Metrics};
use crate::pipeline::learn::Learned;
use crate::report::{
    self, BuyAndHold, ConsensusGain, ConsensusRow, CostShares, FamilyLoss, FamilyRow, Group, SharpeEvidence,
};
use crate::trainer::{Family, FamilyComparison, ModeResult};

pub fn evidence(evidence: &Evidence) -> SharpeEvidence {
    SharpeEvidence {
        tries: evidence.tries,
        probabilistic_sharpe: evidence.probabilistic_sharpe,
        published_deflated_sharpe: evidence.published_deflated_sharpe,
        deflated_sharpe: evidence.deflated_sharpe,
        sharpe_low: evidence.interval.map(|interval| interval.low),
        sharpe_high: evidence.interval.map(|interval| interval.high),
        t_statistic: evidence.t_statistic,
        skewness: evidence.skewness,
        kurtosis: evidence.kurtosis,
    }
}

pub fn buy_and_hold(holding: Option<&Holding>) -> BuyAndHold {
    BuyAndHold {
        total_return: holding.map(|holding| holding.total_return),
        sharpe: holding.map(|holding| holding.sharpe),
        max_drawdown: holding.map(|holding| holding.max_drawdown),
    }
}

pub fn cost_shares(metrics: &Metrics) -> CostShares {
    let share = |value: f64| (metrics.trades.count > 0).then_some(value);
    let costs = &metrics.costs;
    CostShares {
        fee: share(costs.fee_share),
        spread: share(costs.spread_share),
        slippage: share(costs.slippage_share),
        funding: share(costs.funding_share),
    }
}

/// What the consensus adds to the models.
pub fn consensus(learned: &Learned) -> ConsensusGain {
    let value = &learned.consensus_value;
    let row = |mode: &ModeResult| ConsensusRow {
        mode: mode.mode.name().to_owned(),
        trades: mode.trades as u64,
        gross_bps: mode.gross_bps,
        net_bps: mode.net_bps,
        error_bps: mode.error_bps,
    };
    ConsensusGain {
        modes: value.modes.iter().map(row).collect(),
        gain_bps: value.gain_bps,
        error_bps: value.gain_error_bps,
    }
}

/// The model families, and their combination.
pub fn families(learned: &Learned) -> Vec<FamilyRow> {
    let Some(first) = learned.families.first() else { return Vec::new() };
    let row = |compared: &FamilyComparison| {
        let m = &compared.metrics;
        let defined = |value: f64| (m.trades.count > 0 && value.is_finite()).then_some(value);
        let loss = |head: Head| {
            let (test, own) = (compared.test_loss.get(&head).copied(), first.test_loss.get(&head).copied());
            FamilyLoss {
                head: head.name().to_owned(),
                validation: compared.validation_loss.get(&head).copied(),
                test,
                gain: test.zip(own).filter(|(_, own)| *own > 0.0).map(|(test, own)| 1.0 - test / own),
            }
        };
        FamilyRow {
            family: compared.family.map_or("together", Family::name).to_owned(),
            share: compared.share,
            seconds: compared.seconds,
            losses: Head::ALL.map(loss).to_vec(),
            trades: m.trades.count as u64,
            win_rate: defined(m.trades.win_rate),
            mean_net_bps: defined(m.trades.average_bps),
            sharpe: defined(m.sharpe),
            max_drawdown: defined(m.drawdown.max),
            total_return: defined(m.total_return),
        }
    };
    learned.families.iter().map(row).collect()
}

/// The groups of one breakdown.
pub fn groups(learned: &Learned, by: &str) -> Vec<Group> {
    learned.breakdowns.iter().filter(|(name, _)| *name == by).flat_map(|(_, breakdown)| rows(breakdown)).collect()
}

/// All breakdowns but one.
pub fn other_groups(learned: &Learned, but: &str) -> Vec<report::Breakdown> {
    let others = learned.breakdowns.iter().filter(|(by, _)| *by != but);
    others.map(|(by, breakdown)| report::Breakdown { by: (*by).to_owned(), groups: rows(breakdown) }).collect()
}

fn rows(breakdown: &Breakdown) -> Vec<Group> {
    breakdown.groups.iter().map(row).collect()
}

fn row(group: &GroupStatistics) -> Group {
    Group {
        name: group.name.clone(),
        trades: group.trades as u64,
        win_rate: Some(group.win_rate),
        mean_net_bps: Some(group.mean_net_bps),
        profit_factor: Some(group.profit_factor),
        net_profit: Some(group.net_profit),
        cost_share: Some(group.cost_share),
        t_statistic: group.t_statistic,
    }
}
