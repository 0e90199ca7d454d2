//! One shadow trade.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Direction of a trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Bought first: it earns when the price rises.
    Long,
    /// Sold first: it earns when the price falls.
    Short,
}

impl Side {
    /// +1 for long, −1 for short.
    pub fn sign(self) -> f64 {
        match self {
            Self::Long => 1.0,
            Self::Short => -1.0,
        }
    }

    /// The other side.
    pub fn opposite(self) -> Self {
        match self {
            Self::Long => Self::Short,
            Self::Short => Self::Long,
        }
    }

    /// The side with this sign: +1 long, −1 short; `None` for any other number.
    pub fn from_sign(sign: i8) -> Option<Self> {
        match sign {
            1 => Some(Self::Long),
            -1 => Some(Self::Short),
            _ => None,
        }
    }
}

/// Why a trade ended. The order is that of `Reason` in `kernels/trade.cuh`; a test in `device.rs` compares them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitReason {
    /// The price reached the stop.
    StopLoss,
    /// The price reached the take-profit.
    TakeProfit,
    /// It had been held for the longest holding time.
    Time,
    /// A signal on the other side.
    SignalReversal,
    /// The data ended.
    EndOfData,
}

impl ExitReason {
    /// Every reason, in the order of their codes.
    pub const ALL: [Self; 5] = [Self::StopLoss, Self::TakeProfit, Self::Time, Self::SignalReversal, Self::EndOfData];

    /// The reason with this code in the kernels, its position in [`Self::ALL`]; `None` for any other number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::StopLoss => "stop_loss",
            Self::TakeProfit => "take_profit",
            Self::Time => "time",
            Self::SignalReversal => "signal_reversal",
            Self::EndOfData => "end_of_data",
        }
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ExitReason {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|r| r.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("'{text}' is not an exit reason; choose one of: {names}")
        })
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Long => "long",
            Self::Short => "short",
        })
    }
}

/// One shadow trade with every cost; bars are those of the panel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trade {
    /// Row of the symbol in the panel.
    pub symbol: usize,
    /// Direction.
    pub side: Side,
    /// Bar at whose close the signal came.
    pub signal_bar: usize,
    /// Bar at whose open the trade was entered.
    pub entry_bar: usize,
    /// Price at the entry.
    pub entry_price: f64,
    /// Bar at whose open, barrier or close the trade was closed.
    pub exit_bar: usize,
    /// Price at the exit.
    pub exit_price: f64,
    /// Price of the stop.
    pub stop_price: f64,
    /// Price of the take-profit.
    pub take_price: f64,
    /// Notional, quote currency.
    pub size: f64,
    /// Why it was closed.
    pub exit_reason: ExitReason,
    /// side × (exit/entry − 1), basis points of the notional at entry, as are all costs.
    pub gross_bps: f64,
    /// Fees both ways.
    pub fee_bps: f64,
    /// Half the spread both ways: one whole spread.
    pub spread_bps: f64,
    /// Slippage both ways.
    pub slippage_bps: f64,
    /// Funding for the bars held.
    pub funding_bps: f64,
    /// gross − fee − spread − slippage − funding.
    pub net_bps: f64,
}

impl Trade {
    /// Bars from the entry to the exit.
    pub fn hold_bars(&self) -> usize {
        self.exit_bar - self.entry_bar
    }
}
