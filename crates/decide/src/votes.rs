//! The votes of the 23 voters on every bar.
//!
//! Every voter is a function of its parameters and of one symbol's candles (see `symbol::Symbol`), in the file of its
//! family. Voters across coins also use `across::SharedInputs`, which are the same for all symbols.

mod across;
mod cross_asset;
pub mod device;
mod grade;
pub mod indicators;
mod momentum;
mod params;
mod past;
mod reversion;
mod stream;
mod symbol;
mod trend;
mod volatility;
mod volume;
mod voter;

use rayon::prelude::*;

use across::SharedInputs;
pub use params::*;
pub use past::Past;
pub use stream::VoteStream;
use symbol::Symbol;
pub use voter::{Family, UnknownVoter, VOTERS, Voter};

use huracan_bars::Panel;
use huracan_features::memory::{self, Floats};

/// The votes of all voters. Each vote is in [−1, 1]: positive to buy, negative to sell, 0 for neither; NaN in a voter's
/// warm-up, if it is switched off, and where the symbol has no bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Votes {
    /// Bars of the panel's grid.
    pub bars: usize,
    /// `[symbols × bars × VOTERS]`, row-major.
    pub values: Floats,
}

impl Votes {
    /// The votes on one bar, in the order of [`Voter`].
    ///
    /// # Panics
    /// Where there is no such symbol or bar.
    pub fn row(&self, symbol: usize, bar: usize) -> &[f32] {
        let start = (symbol * self.bars + bar) * VOTERS;
        &self.values[start..start + VOTERS]
    }
}

/// Computes the votes of every voter on every symbol and bar. Names in `params.off` that are not those of a voter are
/// ignored.
///
/// # Panics
/// Where a window of `params` has no bars, or a range of the panel lies outside its bars.
pub fn compute(panel: &Panel, params: &VoterParams) -> Votes {
    let voters: Vec<Voter> = Voter::ALL.into_iter().filter(|voter| voter.is_on(params)).collect();
    let shared = SharedInputs::new(panel, params, &voters);
    let mut values = memory::zeros(panel.symbols.len() * panel.bars * VOTERS);
    // One symbol at a time: with larger chunks, threads would idle while another finishes its last chunk.
    let chunks = values.par_chunks_mut((panel.bars * VOTERS).max(1)).enumerate().with_max_len(1);
    chunks.for_each(|(row, out)| fill(&Symbol::new(panel, row, params), &shared, params, &voters, out));
    Votes { bars: panel.bars, values }
}

/// Writes one symbol's votes, `[bars × VOTERS]`.
fn fill(symbol: &Symbol, shared: &SharedInputs, params: &VoterParams, voters: &[Voter], out: &mut [f32]) {
    let bars = symbol.bars.clone();
    out[..bars.start * VOTERS].fill(f32::NAN);
    out[bars.end * VOTERS..].fill(f32::NAN);
    let own = &mut out[bars.start * VOTERS..bars.end * VOTERS];
    let columns = columns(symbol, shared, params, voters);
    for (bar, row) in own.chunks_exact_mut(VOTERS).enumerate() {
        for (slot, column) in row.iter_mut().zip(&columns) {
            *slot = column.at(bar);
        }
    }
}

/// The votes of all voters on a symbol's own bars, in their order.
fn columns(symbol: &Symbol, shared: &SharedInputs, params: &VoterParams, voters: &[Voter]) -> [Column; VOTERS] {
    Voter::ALL.map(|voter| {
        if voters.contains(&voter) {
            let votes = vote(voter, symbol, shared, params);
            Column { votes, warm_up: voter.warm_up(params), always_votes: voter.always_votes() }
        } else {
            Column { votes: vec![f64::NAN; symbol.close.len()], warm_up: usize::MAX, always_votes: false }
        }
    })
}

/// One voter's votes on a symbol's own bars, before they are stored.
struct Column {
    votes: Vec<f64>,
    /// Bars without a vote at the start.
    warm_up: usize,
    /// Whether every later bar has a vote.
    always_votes: bool,
}

impl Column {
    /// The stored vote. Missing votes all have the same bits. A voter that always votes gives 0 where its arithmetic
    /// breaks down on absurd prices.
    #[inline(always)]
    fn at(&self, bar: usize) -> f32 {
        let vote = self.votes[bar];
        let missing = if self.always_votes { 0.0 } else { f32::NAN };
        // + 0 turns −0 into 0.
        let known = if vote.is_nan() { missing } else { vote as f32 + 0.0 };
        if bar < self.warm_up { f32::NAN } else { known }
    }
}

/// Votes of one voter on a symbol's own bars; NaN in its warm-up.
fn vote(voter: Voter, symbol: &Symbol, shared: &SharedInputs, p: &VoterParams) -> Vec<f64> {
    match voter {
        Voter::EmaCross => trend::ema_cross(symbol, &p.ema_cross),
        Voter::SmaCross => trend::sma_cross(symbol, &p.sma_cross),
        Voter::MacdCross => trend::macd_cross(symbol, &p.macd_cross),
        Voter::Adx => trend::adx(symbol, &p.adx),
        Voter::Donchian => trend::donchian(symbol, &p.donchian),
        Voter::Supertrend => trend::supertrend(symbol, &p.supertrend),
        Voter::RegressionSlope => trend::regression_slope(symbol, &p.regression_slope),
        Voter::Rsi => reversion::rsi(symbol, &p.rsi),
        Voter::Bollinger => reversion::bollinger(symbol, &p.bollinger),
        Voter::Stochastic => reversion::stochastic(symbol, &p.stochastic),
        Voter::ZScore => reversion::z_score(symbol, &p.z_score),
        Voter::Cci => reversion::cci(symbol, &p.cci),
        Voter::WilliamsR => reversion::williams_r(symbol, &p.williams_r),
        Voter::RateOfChange => momentum::rate_of_change(symbol, &p.rate_of_change),
        Voter::MoneyFlowIndex => momentum::money_flow_index(symbol, &p.money_flow_index),
        Voter::ObvTrend => volume::obv_trend(symbol, &p.obv_trend),
        Voter::VolumeBreakout => volume::volume_breakout(symbol, &p.volume_breakout),
        Voter::Vwap => volume::vwap(symbol, &p.vwap),
        Voter::ChaikinMoneyFlow => volume::chaikin_money_flow(symbol, &p.chaikin_money_flow),
        Voter::KeltnerBreakout => volatility::keltner_breakout(symbol, &p.keltner_breakout),
        Voter::AtrSqueeze => volatility::atr_squeeze(symbol, &p.atr_squeeze),
        Voter::BitcoinLead => cross_asset::bitcoin_lead(symbol, &shared.bitcoin, &p.bitcoin_lead),
        Voter::RelativeStrength => cross_asset::relative_strength(symbol, &shared.ranks),
    }
}

#[cfg(test)]
mod tests;
