//! Parameters of trades: barriers, costs, and the type of market.

use serde::{Deserialize, Serialize};

/// The type of market that is traded.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum MarketType {
    /// Spot: no funding, and no shorts without a lender.
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

/// What slippage grows with, besides the share of the bar's turnover (setting `costs.slippage`).
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum SlippageRule {
    /// The volatility at the signal, its ATR over its close.
    Volatility,
    /// Nothing else.
    Turnover,
}

/// Whether a spot market can be sold short (setting `costs.spot_shorts`).
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum SpotShorts {
    /// No: a short signal closes a long position, and enters nothing.
    None,
    /// Yes, with borrowed coins, at a price per day.
    Borrow,
}

/// Costs of trades (settings `costs`).
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct CostParams {
    /// Fee each way where the exchange states none, basis points of the notional.
    pub fee_bps: f64,
    /// Whether the taker fee that an exchange states takes the place of `fee_bps`.
    pub exchange_fees: bool,
    /// Least bid-ask spread, basis points; half of a spread is paid each way. A wider tick or quoted spread counts instead.
    pub spread_bps: f64,
    /// What slippage grows with.
    pub slippage: SlippageRule,
    /// Slippage each way where the notional equals the value traded in the bar, multiples of the volatility at the
    /// signal (`atr_14`/close). It grows with the square root of their ratio.
    pub slippage_atr: f64,
    /// The same in basis points, for [`SlippageRule::Turnover`] and signals at a bar without ATR.
    pub slippage_k: f64,
    /// Largest slippage each way, basis points; also the slippage in a bar without volume.
    pub slippage_cap_bps: f64,
    /// How much worse than the stop a stop is filled within a bar, basis points of the stop's price.
    pub stop_slippage_bps: f64,
    /// Funding per 8 hours held where its history is not known, basis points; perpetuals only.
    pub funding_bps_per_8h: f64,
    /// Whether a spot market can be sold short.
    pub spot_shorts: SpotShorts,
    /// What a short on a spot market pays for the borrowed coins, basis points per day held.
    pub borrow_bps_per_day: f64,
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
            exchange_fees: true,
            spread_bps: 2.0,
            slippage: SlippageRule::Volatility,
            slippage_atr: 1.0,
            slippage_k: 10.0,
            slippage_cap_bps: 100.0,
            stop_slippage_bps: 5.0,
            funding_bps_per_8h: 1.0,
            spot_shorts: SpotShorts::None,
            borrow_bps_per_day: 5.0,
            safety_margin_bps: 3.0,
            notional: 1000.0,
        }
    }
}
