//! Voters across coins: other coins follow Bitcoin, and strong coins stay strong.

use super::across::{Ranks, usual_moves};
use super::grade::{bounded, graded};
use super::params::BitcoinLead;
use super::symbol::Symbol;

/// The part of Bitcoin's move that the coin has not yet followed, at most the whole move. Each move is in usual moves
/// of its own coin. 0 for Bitcoin itself; NaN where Bitcoin has no move.
pub fn bitcoin_lead(s: &Symbol, bitcoin: &[f64], p: &BitcoinLead) -> Vec<f64> {
    let own = usual_moves(s.close, p);
    s.each(|t| {
        // Never −0, as in the kernel.
        let lead = bitcoin[s.bars.start + t] + 0.0;
        let ahead = lead - own[t];
        // Only in Bitcoin's direction, and no further than Bitcoin itself.
        let (low, high) = if lead < 0.0 { (lead, 0.0) } else { (0.0, lead) };
        let left = if ahead > high { high } else { ahead };
        let left = if left < low { low } else { left };
        if ahead.is_nan() { ahead } else { graded(left, p.full) }
    })
}

/// Share of the other coins with a smaller return, less the share with a greater one: 1 for the best coin, −1 for the
/// worst; 0 for a coin alone.
pub fn relative_strength(s: &Symbol, ranks: &Ranks) -> Vec<f64> {
    s.each(|t| bounded(ranks.at(s.row, s.bars.start + t)))
}
