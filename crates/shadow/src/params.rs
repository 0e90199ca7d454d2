//! Parameters of trades: barriers, costs, and the type of market.

use serde::{Deserialize, Serialize};

/// The type of market that is traded.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum MarketType {
    /// Spot: no funding.
    Spot,
    /// Perpetual futures: positions pay funding.
    Perp,
}

/// Distances of the barriers, and the longest holding time (settings `labels`).
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct BarrierParams {
    /// Stop distance, in multiples of `atr_14` at the signal.
    pub stop_atr: f64,
    /// Take-profit distance, in multiples of `atr_14` at the signal.
    pub take_atr: f64,
    /// Bars after which a trade is closed at the open.
    pub max_hold: u32,
}

impl BarrierParams {
    /// Bars after the signal that a label can look ahead: one to the entry, then the longest holding time.
    pub fn horizon_bars(&self) -> usize {
        self.max_hold as usize + 1
    }
}

/// Costs of trades (settings `costs`).
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct CostParams {
    /// Exchange fee each way, basis points of the notional.
    pub fee_bps: f64,
    /// Whole bid-ask spread, basis points; half of it is paid each way.
    pub spread_bps: f64,
    /// Slippage each way where the notional equals the value traded in the bar, basis points. It grows with the square
    /// root of their ratio.
    pub slippage_k: f64,
    /// Largest slippage each way, basis points; also the slippage in a bar without volume.
    pub slippage_cap_bps: f64,
    /// Funding per 8 hours held, basis points; perpetuals only.
    pub funding_bps_per_8h: f64,
    /// By how much the expected edge must exceed all costs, basis points.
    pub safety_margin_bps: f64,
    /// Size of the unit trade, quote currency.
    pub notional: f64,
}

impl Default for BarrierParams {
    /// The default settings.
    fn default() -> Self {
        Self { stop_atr: 1.5, take_atr: 2.5, max_hold: 24 }
    }
}

impl Default for CostParams {
    /// The default settings.
    fn default() -> Self {
        Self {
            fee_bps: 4.0,
            spread_bps: 2.0,
            slippage_k: 10.0,
            slippage_cap_bps: 100.0,
            funding_bps_per_8h: 1.0,
            safety_margin_bps: 3.0,
            notional: 1000.0,
        }
    }
}
