//! Inputs of the voters across coins.

use rayon::prelude::*;

use super::Voter;
use super::indicators;
use super::params::BitcoinLead;
use super::params::VoterParams;
use huracan_bars::Panel;
use huracan_features::shared::symbol_of;

/// Inputs that are the same for all symbols.
pub struct SharedInputs {
    /// Bitcoin's latest move in usual moves, on the panel's grid; NaN where there is none.
    pub bitcoin: Vec<f64>,
    /// Ranks of all symbols by their returns.
    pub ranks: Ranks,
}

impl SharedInputs {
    /// Computes the inputs that these voters need.
    pub fn new(panel: &Panel, params: &VoterParams, voters: &[Voter]) -> Self {
        let mut bitcoin = vec![f64::NAN; panel.bars];
        if let Some(row) = symbol_of(panel, "BTC").filter(|_| voters.contains(&Voter::BitcoinLead)) {
            let range = panel.ranges[row].clone();
            let close = &panel.row(&panel.close, row)[range.clone()];
            bitcoin[range].copy_from_slice(&usual_moves(close, &params.bitcoin_lead));
        }
        let ranked = voters.contains(&Voter::RelativeStrength);
        let ranks = if ranked { Ranks::new(panel, params.relative_strength.bars) } else { Ranks::none() };
        Self { bitcoin, ranks }
    }
}

/// Return of the close at bar t over `bars` bars.
#[inline(always)]
pub fn return_over(close: &[f64], t: usize, bars: usize) -> f64 {
    close[t] / close[t - bars] - 1.0
}

/// Return over `bars` in usual moves: in standard deviations of single returns times √bars. 0 where the price does not
/// move.
pub fn usual_moves(close: &[f64], p: &BitcoinLead) -> Vec<f64> {
    let [_, deviation] = indicators::mean_and_sample_deviation(&indicators::returns(close), p.deviation_bars);
    let root = (p.bars as f64).sqrt();
    (0..close.len())
        .map(|t| {
            if t < p.bars {
                return f64::NAN;
            }
            let usual = deviation[t] * root;
            let moves = return_over(close, t, p.bars) / usual;
            if usual == 0.0 { 0.0 } else { moves }
        })
        .collect()
}

/// Bars that are ranked in one block.
const BLOCK: usize = 64;

/// Rank of each symbol among all that have the bar, by their return, in [−1, 1].
pub struct Ranks {
    symbols: usize,
    /// `[blocks × symbols × BLOCK]`; NaN where a symbol has no return.
    ranks: Vec<f32>,
}

impl Ranks {
    /// No ranks, for when no voter needs them.
    fn none() -> Self {
        Self { symbols: 0, ranks: Vec::new() }
    }

    /// Ranks by the returns over `bars` bars.
    pub fn new(panel: &Panel, bars: usize) -> Self {
        let symbols = panel.symbols.len();
        let blocks = panel.bars.div_ceil(BLOCK);
        let mut ranks = vec![f32::NAN; blocks * symbols * BLOCK];
        ranks.par_chunks_mut((symbols * BLOCK).max(1)).enumerate().for_each(|(block, ranks)| {
            let from = block * BLOCK;
            let mut returns: Vec<Vec<(f64, usize)>> = (0..BLOCK).map(|_| Vec::with_capacity(symbols)).collect();
            for (symbol, range) in panel.ranges.iter().enumerate() {
                let close = panel.row(&panel.close, symbol);
                for t in (range.start + bars).max(from)..range.end.min(from + BLOCK) {
                    returns[t - from].push((return_over(close, t, bars), symbol));
                }
            }
            for (i, returns) in returns.iter_mut().enumerate() {
                rank(returns, |symbol, rank| ranks[symbol * BLOCK + i] = rank as f32);
            }
        });
        Self { symbols, ranks }
    }

    /// The rank of a symbol at a bar; NaN where it has no return.
    pub fn at(&self, symbol: usize, bar: usize) -> f64 {
        f64::from(self.ranks[(bar / BLOCK * self.symbols + symbol) * BLOCK + bar % BLOCK])
    }
}

/// Ranks `(return, symbol)` and stores each symbol's rank: (symbols below − symbols above) / (symbols − 1). Counts have
/// no rounding, so that the kernel, which does not sort, gets the same bits.
fn rank(returns: &mut [(f64, usize)], mut store: impl FnMut(usize, f64)) {
    returns.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let count = returns.len();
    let others = if count > 1 { count as f64 - 1.0 } else { 1.0 };
    let mut below = 0;
    for equal in returns.chunk_by(|a, b| a.0 == b.0) {
        let above = count - below - equal.len();
        equal.iter().for_each(|&(_, symbol)| store(symbol, (below as f64 - above as f64) / others));
        below += equal.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranks(returns: &[f64]) -> Vec<f64> {
        let mut numbered: Vec<(f64, usize)> = returns.iter().copied().zip(0..).collect();
        let mut ranks = vec![f64::NAN; returns.len()];
        rank(&mut numbered, |symbol, rank| ranks[symbol] = rank);
        ranks
    }

    #[test]
    fn ranks_run_from_the_worst_to_the_best_and_equal_returns_share_a_rank() {
        assert_eq!(ranks(&[0.1, -0.2, 0.3, 0.0, 0.2]), [0.0, -1.0, 1.0, -0.5, 0.5]);
        // Of four returns, two are equal, with one above and one below; the others have three below, or three above.
        assert_eq!(ranks(&[0.1, 0.1, 0.3, -0.2]), [0.0, 0.0, 1.0, -1.0]);
        assert_eq!(ranks(&[0.1, 0.1, -0.3]), [0.5, 0.5, -1.0]);
        assert_eq!(ranks(&[0.7]), [0.0]);
        assert_eq!(ranks(&[0.0, 0.0]), [0.0, 0.0]);
    }
}
