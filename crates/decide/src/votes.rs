//! What the 23 voting engines say of every bar.
//!
//! Every engine is a function of its parameters and of one symbol's candles (see [`symbol::Symbol`]), in the file of
//! its family. Voters across coins also see [`across::Across`], which all symbols share.

mod across;
mod cross_asset;
pub mod device;
mod grade;
pub mod indicators;
mod momentum;
mod params;
mod reversion;
mod symbol;
mod trend;
mod volatility;
mod volume;
mod voter;

use rayon::prelude::*;

use across::Across;
pub use params::*;
use symbol::Symbol;
pub use voter::{Family, UnknownVoter, VOTERS, Voter};

use huracan_bars::Panel;
use huracan_features::memory;

/// Votes of all engines, `[symbols × bars × VOTERS]` row-major, each in [−1, 1]: positive to buy, negative to sell,
/// 0 to wait; NaN where an engine cannot say yet, or is off.
#[derive(Debug, Clone, PartialEq)]
pub struct Votes {
    pub bars: usize,
    pub values: Vec<f32>,
}

impl Votes {
    /// The votes of one bar, in the order of [`Voter`].
    pub fn row(&self, symbol: usize, bar: usize) -> &[f32] {
        let start = (symbol * self.bars + bar) * VOTERS;
        &self.values[start..start + VOTERS]
    }
}

/// Votes of every engine for every symbol and bar: symbols in parallel, each engine over all bars of a symbol.
pub fn compute(panel: &Panel, engines: &VoterParams) -> Votes {
    let voters: Vec<Voter> =
        Voter::ALL.into_iter().filter(|voter| !engines.off.iter().any(|name| name == voter.name())).collect();
    let across = Across::new(panel, engines, &voters);
    let mut values = memory::zeros(panel.symbols.len() * panel.bars * VOTERS);
    // One by one: in larger portions, one thread would wait for another's last portion.
    let chunks = values.par_chunks_mut((panel.bars * VOTERS).max(1)).enumerate().with_max_len(1);
    chunks.for_each(|(row, out)| fill(&Symbol::new(panel, row, engines), &across, engines, &voters, out));
    Votes { bars: panel.bars, values }
}

/// One symbol's votes, `[bars × VOTERS]`.
fn fill(symbol: &Symbol, across: &Across, engines: &VoterParams, voters: &[Voter], out: &mut [f32]) {
    let bars = symbol.bars.clone();
    out[..bars.start * VOTERS].fill(f32::NAN);
    out[bars.end * VOTERS..].fill(f32::NAN);
    let own = &mut out[bars.start * VOTERS..bars.end * VOTERS];
    let columns: [Column; VOTERS] = Voter::ALL.map(|voter| {
        if voters.contains(&voter) {
            let voiced = voter.family() != Family::CrossAsset;
            Column { votes: vote(voter, symbol, across, engines), from: voter.warm_up(engines), voiced }
        } else {
            Column { votes: vec![f64::NAN; symbol.close.len()], from: usize::MAX, voiced: false }
        }
    });
    for (bar, row) in own.chunks_exact_mut(VOTERS).enumerate() {
        for (slot, column) in row.iter_mut().zip(&columns) {
            *slot = column.at(bar);
        }
    }
}

/// An engine's votes on a symbol's own bars, before they are stored.
struct Column {
    votes: Vec<f64>,
    /// Bars without a vote at the start.
    from: usize,
    /// Whether every later bar has a vote: all that the engine looks at is there.
    voiced: bool,
}

impl Column {
    /// Missing votes always have the same bits; an engine whose arithmetic breaks down on absurd prices waits.
    #[inline(always)]
    fn at(&self, bar: usize) -> f32 {
        let vote = self.votes[bar];
        let missing = if self.voiced { 0.0 } else { f32::NAN };
        // + 0 turns −0 into 0.
        let known = if vote.is_nan() { missing } else { vote as f32 + 0.0 };
        if bar < self.from { f32::NAN } else { known }
    }
}

/// Votes of one engine on a symbol's own bars; NaN in its warm-up.
fn vote(voter: Voter, symbol: &Symbol, across: &Across, e: &VoterParams) -> Vec<f64> {
    match voter {
        Voter::EmaCross => trend::ema_cross(symbol, &e.ema_cross),
        Voter::SmaCross => trend::sma_cross(symbol, &e.sma_cross),
        Voter::MacdCross => trend::macd_cross(symbol, &e.macd_cross),
        Voter::Adx => trend::adx(symbol, &e.adx),
        Voter::Donchian => trend::donchian(symbol, &e.donchian),
        Voter::Supertrend => trend::supertrend(symbol, &e.supertrend),
        Voter::RegressionSlope => trend::regression_slope(symbol, &e.regression_slope),
        Voter::Rsi => reversion::rsi(symbol, &e.rsi),
        Voter::Bollinger => reversion::bollinger(symbol, &e.bollinger),
        Voter::Stochastic => reversion::stochastic(symbol, &e.stochastic),
        Voter::ZScore => reversion::z_score(symbol, &e.z_score),
        Voter::Cci => reversion::cci(symbol, &e.cci),
        Voter::WilliamsR => reversion::williams_r(symbol, &e.williams_r),
        Voter::RateOfChange => momentum::rate_of_change(symbol, &e.rate_of_change),
        Voter::MoneyFlowIndex => momentum::money_flow_index(symbol, &e.money_flow_index),
        Voter::ObvTrend => volume::obv_trend(symbol, &e.obv_trend),
        Voter::VolumeBreakout => volume::volume_breakout(symbol, &e.volume_breakout),
        Voter::Vwap => volume::vwap(symbol, &e.vwap),
        Voter::ChaikinMoneyFlow => volume::chaikin_money_flow(symbol, &e.chaikin_money_flow),
        Voter::KeltnerBreakout => volatility::keltner_breakout(symbol, &e.keltner_breakout),
        Voter::AtrSqueeze => volatility::atr_squeeze(symbol, &e.atr_squeeze),
        Voter::BitcoinLead => cross_asset::bitcoin_lead(symbol, &across.bitcoin, &e.bitcoin_lead),
        Voter::RelativeStrength => cross_asset::relative_strength(symbol, &across.ranks),
    }
}

#[cfg(test)]
mod tests;
