//! From predictions and votes to signals: who would trade, and why the others wait.

mod consensus;
mod gate;
mod head;
mod params;
mod summary;
pub mod votes;

use std::collections::BTreeMap;

use rayon::prelude::*;

pub use consensus::{Consensus, Opinion, compute as consensus};
pub use gate::{Evidence, Prediction, Wait, gate};
pub use head::{Head, UnknownHead};
pub use params::{DecideMode, DecideParams};
pub use summary::{Summary, Voice};
pub use votes::{VOTERS, Voter, Votes};

use huracan_bars::Panel;
use huracan_engine::{Compute, EngineError};
use huracan_labels::Labels;
use huracan_shadow::{Rules, Side, Signals};

/// Lets every engine vote, on the device of a run or on the CPU, and hears them together. Labels are what the engines' own
/// records are kept by, over `horizon_bars`.
///
/// # Errors
/// Where the device fails and the CPU must not take its place.
pub fn deliberate(
    compute: &Compute,
    panel: &Panel,
    labels: &Labels,
    params: &DecideParams,
    horizon_bars: usize,
) -> Result<(Votes, Consensus), EngineError> {
    let votes = votes::device::compute_on(compute, panel, &params.voters)?;
    let consensus = consensus(panel, &votes, labels, params, horizon_bars);
    Ok((votes, consensus))
}

/// Costs that a trade signalled at `bar` must expect: both ways of fee, spread and slippage at this bar's
/// turnover, and funding for the longest hold.
pub fn expected_cost_bps(panel: &Panel, symbol: usize, bar: usize, rules: &Rules) -> f64 {
    let cell = symbol * panel.bars + bar;
    let slippage = rules.slippage_bps(rules.notional, panel.close[cell], panel.volume[cell]);
    2.0 * rules.fee_bps + rules.spread_bps + 2.0 * slippage + rules.funding_bps_per_bar * rules.max_hold as f64
}

/// One bar that is to be decided, and what the model says of it, where one speaks.
pub type Question = (usize, usize, Option<Prediction>);

/// What was decided for all bars asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Decisions {
    pub signals: Signals,
    /// How often each reason to wait was the first that held.
    pub waits: BTreeMap<Wait, usize>,
}

/// What a decision goes by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// Who must agree.
    pub mode: DecideMode,
    /// By how much the expected edge must exceed the costs, basis points.
    pub margin_bps: f64,
}

/// Decides every `(symbol, bar, prediction)`.
///
/// `atr` is `[symbols × bars]`: a bar without one has no stop, and waits.
pub fn decide(
    panel: &Panel,
    questions: &[Question],
    consensus: &Consensus,
    atr: &[f64],
    rules: &Rules,
    policy: Policy,
) -> Decisions {
    let Policy { mode, margin_bps } = policy;
    let decided: Vec<Result<Side, Wait>> = questions
        .par_iter()
        .map(|&(symbol, bar, prediction)| {
            let atr = atr[symbol * panel.bars + bar];
            if atr.is_nan() || atr <= 0.0 {
                return Err(Wait::NoStop);
            }
            let opinion = (mode != DecideMode::Model).then(|| consensus.at(symbol, bar));
            let cost_bps = expected_cost_bps(panel, symbol, bar, rules);
            gate(mode, &Evidence { prediction, opinion, cost_bps }, margin_bps)
        })
        .collect();
    let mut signals = Signals::none(panel.symbols.len(), panel.bars);
    let mut waits = BTreeMap::new();
    for (&(symbol, bar, _), decision) in questions.iter().zip(decided) {
        match decision {
            Ok(side) => signals.side[symbol * panel.bars + bar] = side.sign() as i8,
            Err(wait) => *waits.entry(wait).or_insert(0) += 1,
        }
    }
    Decisions { signals, waits }
}
