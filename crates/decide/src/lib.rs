//! Decisions: turns predictions and votes into signals, and records why other bars are not traded.

mod calibration;
pub mod consensus;
#[cfg(test)]
mod fixtures;
mod gate;
mod head;
mod params;
mod summary;
pub mod votes;

use std::collections::BTreeMap;

use rayon::prelude::*;

pub use calibration::{Calibration, HeadCalibration, Scores, Slopes, log_odds};
pub use consensus::{Consensus, ConsensusStream, Opinion};
pub use gate::{GateInputs, Prediction, WaitReason, gate};
pub use head::{Head, UnknownHead};
pub use params::{DecideMode, DecideParams};
pub use summary::{SignalVotes, Summary};
pub use votes::{VOTERS, VoteStream, Voter, Votes};

use huracan_bars::Panel;
use huracan_engine::{Compute, EngineError};
use huracan_labels::Labels;
use huracan_shadow::{CoinCosts, Rules, Side, Signals, volatility_bps};

/// Computes the votes and their consensus, on the devices of a run or on the CPU. `labels` give the outcomes by which
/// voters are weighted; `horizon_bars` is the number of bars that a label looks ahead.
///
/// # Errors
/// Where the device fails and may not be replaced by the CPU.
///
/// # Panics
/// Where `labels` do not have the panel's symbols and bars, or a window of `params` has no bars.
pub fn votes_and_consensus(
    compute: &Compute,
    panel: &Panel,
    labels: &Labels,
    params: &DecideParams,
    horizon_bars: usize,
) -> Result<(Votes, Consensus), EngineError> {
    let votes = votes::device::compute_on(compute, panel, &params.voters)?;
    let consensus = consensus::device::compute_on(compute, panel, &votes, labels, params, horizon_bars)?;
    Ok((votes, consensus))
}

/// Expected costs of a trade signalled at `bar` on this side, basis points: fee, spread and slippage both ways, at this
/// bar's price and traded value; the slippage of a stop, as if every trade were stopped; and flat funding or borrowing for the
/// longest hold. `atr` is the bar's ATR(14).
///
/// # Panics
/// Where there is no such symbol or bar.
pub fn expected_cost_bps(panel: &Panel, symbol: usize, bar: usize, side: Side, atr: f64, rules: &Rules) -> f64 {
    let costs = CoinCosts::of(panel, symbol, rules);
    let (close, volume) = (panel.row(&panel.close, symbol)[bar], panel.row(&panel.volume, symbol)[bar]);
    let factor_bps = costs.slippage_factor_bps(volatility_bps(atr, close));
    let slippage_bps = costs.slippage_bps(factor_bps, rules.notional, close, volume);
    2.0 * costs.fee_bps()
        + costs.spread_bps(close)
        + 2.0 * slippage_bps
        + rules.stop_slippage_bps
        + costs.flat_holding_bps(side, rules.max_hold)
}

/// A bar to decide on: symbol, bar, and the prediction of the model, if there is one.
pub type Candidate = (usize, usize, Option<Prediction>);

/// The decisions on all candidates.
#[derive(Debug, Clone, PartialEq)]
pub struct Decisions {
    /// Signals for the bars that are traded, and for those that wait because there are no shorts: they end a long position.
    pub signals: Signals,
    /// How often each reason was the first that kept a bar from being traded.
    pub waits: BTreeMap<WaitReason, usize>,
}

/// The rules of a decision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// Who must agree.
    pub mode: DecideMode,
    /// Margin by which the expected edge must exceed the costs, basis points.
    pub margin_bps: f64,
}

/// Decides on every candidate. `atr` is ATR(14) in price units, `[symbols × bars]`; a bar without ATR has no stop
/// distance and is not traded. Where the rules have no shorts, the decision for one counts as a wait, and its signal only
/// ends a long position.
///
/// # Panics
/// Where a candidate is not in the panel, or `consensus` or `atr` do not have the panel's symbols and bars.
pub fn decide(
    panel: &Panel,
    candidates: &[Candidate],
    consensus: &Consensus,
    atr: &[f64],
    rules: &Rules,
    policy: Policy,
) -> Decisions {
    let atr = panel.view(atr);
    let decided: Vec<Result<Side, WaitReason>> = candidates
        .par_iter()
        .map(|&(symbol, bar, prediction)| {
            // Where models decide alone there may be no consensus.
            let opinion = (policy.mode != DecideMode::Model).then(|| consensus.at(symbol, bar));
            decide_bar(panel, (symbol, bar, prediction), opinion, atr[[symbol, bar]], rules, policy)
        })
        .collect();
    let mut signals = Signals::none(panel.symbols.len(), panel.bars);
    let mut waits = BTreeMap::new();
    for (&(symbol, bar, _), decision) in candidates.iter().zip(decided) {
        match decision {
            Ok(side) => {
                signals.side[symbol * panel.bars + bar] = side.sign() as i8;
                if !rules.allows(side) {
                    *waits.entry(WaitReason::NoShorts).or_insert(0) += 1;
                }
            }
            Err(wait) => *waits.entry(wait).or_insert(0) += 1,
        }
    }
    Decisions { signals, waits }
}

/// Decides on one bar: the side, which the rules need not allow, or why it is not traded. `atr` is the bar's ATR(14) in price units. The
/// `opinion` of the voters is needed unless the model decides alone.
///
/// # Errors
/// The reason to wait.
///
/// # Panics
/// Where the candidate is not in the panel.
pub fn decide_bar(
    panel: &Panel,
    (symbol, bar, prediction): Candidate,
    opinion: Option<Opinion>,
    atr: f64,
    rules: &Rules,
    policy: Policy,
) -> Result<Side, WaitReason> {
    if atr.is_nan() || atr <= 0.0 {
        return Err(WaitReason::NoStop);
    }
    let opinion = opinion.filter(|_| policy.mode != DecideMode::Model);
    let cost_bps = |side| expected_cost_bps(panel, symbol, bar, side, atr, rules);
    let (long_cost_bps, short_cost_bps) = (cost_bps(Side::Long), cost_bps(Side::Short));
    gate(policy.mode, &GateInputs { prediction, opinion, long_cost_bps, short_cost_bps }, policy.margin_bps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use huracan_bars::{Candles, HOUR_MS, Timeframe};

    #[test]
    fn a_model_that_decides_alone_needs_no_consensus() {
        let mut candles = Candles::default();
        (0..3).for_each(|bar| candles.push(bar * HOUR_MS, [100.0; 4], 1e9));
        let panel = Panel::new(vec![("A-X".to_owned(), candles)], Timeframe::H1, 1, false).unwrap();
        let none = Consensus { bars: 3, opinions: Vec::new(), hit_rates: Vec::new() };
        let heads = Prediction { win_long: 0.6, win_short: 0.4, edge_bps: 500.0, told_bps: 500.0, lead: 0.1 };
        let policy = Policy { mode: DecideMode::Model, margin_bps: 0.0 };
        let decided = decide(&panel, &[(0, 1, Some(heads))], &none, &[1.0; 3], &Rules::default(), policy);
        assert_eq!(decided.signals.at(0, 1), Some(Side::Long));
    }

    #[test]
    fn expected_costs_are_those_of_a_trade_that_is_stopped_after_the_longest_hold() {
        let mut candles = Candles::default();
        (0..3).for_each(|bar| candles.push(bar * HOUR_MS, [100.0; 4], 1000.0));
        let panel = Panel::new(vec![("A-X".to_owned(), candles)], Timeframe::H1, 1, false).unwrap();
        let rules = Rules {
            max_hold: 10,
            fee_bps: 4.0,
            spread_bps: 3.0,
            slippage_atr: 1.0,
            stop_slippage_bps: 7.0,
            borrow_bps_per_bar: 0.5,
            notional: 1000.0,
            ..Rules::default()
        };
        // Both fees, the spread, the volatility of 100 bps times √(1,000/100,000) each way, and the stop.
        let long = 8.0 + 3.0 + 2.0 * 100.0 * 0.1 + 7.0;
        let cost_bps = |side| expected_cost_bps(&panel, 0, 1, side, 1.0, &rules);
        assert!((cost_bps(Side::Long) - long).abs() < 1e-9, "{}", cost_bps(Side::Long));
        assert!((cost_bps(Side::Short) - (long + 5.0)).abs() < 1e-9, "{}", cost_bps(Side::Short));
    }
}
