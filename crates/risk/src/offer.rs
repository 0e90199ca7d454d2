//! What an account is offered: a trade, and what is expected of it.

use super::Order;
use huracan_shadow::Trade;

/// A trade that an account is offered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offer {
    /// The trade, as the simulation produced it.
    pub trade: Trade,
    /// Expected result on the trade's side before costs, basis points: the edge that the gate saw at its signal.
    pub edge_bps: f64,
    /// How far the coin's price moves with the market: the feature `market_beta` at the signal. NaN counts as 1.
    pub beta: f64,
}

impl Offer {
    /// The expected edge per unit of risk: the edge over the distance of the stop, both in basis points. Of the offers of
    /// one bar the account considers that with the greatest merit first. Without an edge or a stop it is −∞.
    pub fn merit(&self) -> f64 {
        Order::of(0, self).merit(self.edge_bps)
    }
}
