//! What the consensus of the voters adds to the models: the signals of each mode, all of whose trades are followed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use huracan_bars::Panel;
use huracan_decide::{Candidate, Consensus, DecideMode, Policy, decide};
use huracan_metrics::{LEAST_CLUSTERS, clustered_error};
use huracan_shadow::{Rules, Trade, every_signal};

/// The trades of all signals of one mode, each by itself: no account, no limits. Means in basis points.
#[derive(Debug, Clone, PartialEq)]
pub struct ModeResult {
    /// Who decides.
    pub mode: DecideMode,
    /// Number of trades.
    pub trades: usize,
    /// Mean result before costs; `None` without trades.
    pub gross_bps: Option<f64>,
    /// Mean result after costs.
    pub net_bps: Option<f64>,
    /// Its standard error by blocks of days that are as long as a trade; `None` with too few of them.
    pub error_bps: Option<f64>,
}

/// What the consensus adds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConsensusValue {
    /// The model alone, both, and the consensus alone.
    pub modes: Vec<ModeResult>,
    /// By how much the models' trades that the consensus confirms earn more than those that it does not, before costs, basis
    /// points; `None` without either.
    pub gain_bps: Option<f64>,
    /// Its standard error by these blocks.
    pub gain_error_bps: Option<f64>,
}

/// What is decided on, and how it is traded.
pub struct Deciding<'a> {
    pub panel: &'a Panel,
    pub candidates: &'a [Candidate],
    pub consensus: &'a Consensus,
    /// `[symbols × bars]`.
    pub atr: &'a [f64],
    pub rules: &'a Rules,
    /// Test windows per symbol, in bars.
    pub windows: &'a [Vec<Range<usize>>],
    pub policy: Policy,
    /// Length of the blocks of days by which errors are counted: the trades of all signals overlap as far as they last.
    pub block_ms: i64,
}

impl Deciding<'_> {
    /// Decides by each mode, and follows all signals.
    pub fn value(&self) -> ConsensusValue {
        let modes = [DecideMode::Model, DecideMode::Both, DecideMode::Consensus];
        let [model, both, consensus] = modes.map(|mode| self.trades(mode));
        let confirmed: BTreeSet<(usize, usize)> = both.iter().map(|trade| (trade.symbol, trade.signal_bar)).collect();
        let (yes, no): (Vec<&Trade>, Vec<&Trade>) =
            model.iter().partition(|trade| confirmed.contains(&(trade.symbol, trade.signal_bar)));
        let gain = difference(&yes, &no, |trade| self.block(trade));
        ConsensusValue {
            modes: modes
                .into_iter()
                .zip([&model, &both, &consensus])
                .map(|(mode, own)| self.result(mode, own))
                .collect(),
            gain_bps: gain.map(|(gain, _)| gain),
            gain_error_bps: gain.and_then(|(_, error)| error),
        }
    }

    fn trades(&self, mode: DecideMode) -> Vec<Trade> {
        let policy = Policy { mode, ..self.policy };
        let decided = decide(self.panel, self.candidates, self.consensus, self.atr, self.rules, policy);
        every_signal(self.panel, &decided.signals, self.atr, self.windows, self.rules)
    }

    fn block(&self, trade: &Trade) -> i64 {
        self.panel.time_ms(trade.entry_bar).div_euclid(self.block_ms)
    }

    fn result(&self, mode: DecideMode, trades: &[Trade]) -> ModeResult {
        let count = trades.len() as f64;
        let mean = |of: fn(&Trade) -> f64| (!trades.is_empty()).then(|| trades.iter().map(of).sum::<f64>() / count);
        let error = clustered_error(trades.iter().map(|trade| (self.block(trade), trade.net_bps)));
        ModeResult {
            mode,
            trades: trades.len(),
            gross_bps: mean(|trade| trade.gross_bps),
            net_bps: mean(|trade| trade.net_bps),
            error_bps: error.map(|(_, error)| error),
        }
    }
}

/// Difference of the mean results of two groups of trades before costs, and its standard error by blocks, which the groups
/// share; no error with too few of them, and nothing without one of the groups.
fn difference(yes: &[&Trade], no: &[&Trade], block: impl Fn(&Trade) -> i64) -> Option<(f64, Option<f64>)> {
    if yes.is_empty() || no.is_empty() {
        return None;
    }
    let mean = |trades: &[&Trade]| trades.iter().map(|trade| trade.gross_bps).sum::<f64>() / trades.len() as f64;
    let (mean_yes, mean_no) = (mean(yes), mean(no));
    let mut blocks: BTreeMap<i64, f64> = BTreeMap::new();
    for (trades, mean, sign) in [(yes, mean_yes, 1.0), (no, mean_no, -1.0)] {
        for trade in trades {
            *blocks.entry(block(trade)).or_default() += sign * (trade.gross_bps - mean) / trades.len() as f64;
        }
    }
    let groups = blocks.len() as f64;
    let squares: f64 = blocks.values().map(|sum| sum * sum).sum();
    let error = (blocks.len() >= LEAST_CLUSTERS).then(|| (squares * groups / (groups - 1.0)).sqrt());
    Some((mean_yes - mean_no, error))
}

#[cfg(test)]
mod tests;
