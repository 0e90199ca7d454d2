//! One shadow trade.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Direction of a trade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Long,
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

    pub fn opposite(self) -> Self {
        match self {
            Self::Long => Self::Short,
            Self::Short => Self::Long,
        }
    }

    /// +1 long, −1 short, 0 neither.
    pub fn from_sign(sign: i8) -> Option<Self> {
        match sign {
            1 => Some(Self::Long),
            -1 => Some(Self::Short),
            _ => None,
        }
    }
}

/// Why a trade ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitReason {
    StopLoss,
    TakeProfit,
    Time,
    SignalReversal,
    EndOfData,
}

impl ExitReason {
    pub const ALL: [Self; 5] = [Self::StopLoss, Self::TakeProfit, Self::Time, Self::SignalReversal, Self::EndOfData];

    /// The reason that a kernel calls by this number: its place in [`Self::ALL`].
    pub fn of(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

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
        Self::ALL.into_iter().find(|r| r.name() == text).ok_or_else(|| format!("'{text}' is not an exit reason"))
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
    pub side: Side,
    /// Bar at whose close the signal came.
    pub signal_bar: usize,
    /// Bar at whose open the trade was entered.
    pub entry_bar: usize,
    pub entry_price: f64,
    /// Bar at whose open, barrier or close the trade was left.
    pub exit_bar: usize,
    pub exit_price: f64,
    pub stop_price: f64,
    pub take_price: f64,
    /// Notional, in quote currency.
    pub size: f64,
    pub exit_reason: ExitReason,
    /// side × (exit/entry − 1), basis points of the notional at entry.
    pub gross_bps: f64,
    /// Both ways.
    pub fee_bps: f64,
    /// Both ways: one whole spread.
    pub spread_bps: f64,
    /// Both ways.
    pub slippage_bps: f64,
    pub funding_bps: f64,
    /// gross − fee − spread − slippage − funding.
    pub net_bps: f64,
}

impl Trade {
    /// Bars from the entry's open to the exit's bar.
    pub fn hold_bars(&self) -> usize {
        self.exit_bar - self.entry_bar
    }
}
