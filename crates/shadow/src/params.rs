//! Parameters of trades: barriers, costs, and the kind of market.

use serde::{Deserialize, Serialize};

/// Which market is traded; perpetuals pay funding.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum MarketType {
    Spot,
    Perp,
}

/// Distances of the barriers, and the longest hold.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct BarrierParams {
    pub stop_atr: f64,
    pub take_atr: f64,
    pub max_hold: u32,
}

impl BarrierParams {
    /// Bars after the signal that a label can look at: one to the entry, then the longest hold.
    pub fn horizon_bars(&self) -> usize {
        self.max_hold as usize + 1
    }
}

/// What a trade costs.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct CostParams {
    pub fee_bps: f64,
    pub spread_bps: f64,
    pub slippage_k: f64,
    pub slippage_cap_bps: f64,
    pub funding_bps_per_8h: f64,
    pub safety_margin_bps: f64,
    pub notional: f64,
}

impl Default for BarrierParams {
    /// The built-in settings.
    fn default() -> Self {
        Self { stop_atr: 1.5, take_atr: 2.5, max_hold: 24 }
    }
}

impl Default for CostParams {
    /// The built-in settings.
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
