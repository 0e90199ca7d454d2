//! Parameters of the voters.

use serde::{Deserialize, Serialize};

/// Names of the voters, in the order of their votes.
pub const VOTER_NAMES: [&str; 23] = [
    "ema_cross",
    "sma_cross",
    "macd_cross",
    "adx",
    "donchian",
    "supertrend",
    "regression_slope",
    "rsi",
    "bollinger",
    "stochastic",
    "z_score",
    "cci",
    "williams_r",
    "rate_of_change",
    "money_flow_index",
    "obv_trend",
    "volume_breakout",
    "vwap",
    "chaikin_money_flow",
    "keltner_breakout",
    "atr_squeeze",
    "bitcoin_lead",
    "relative_strength",
];

/// Every voter's own parameters, by the voter's name. Lengths are bars; `full` is what earns a full vote.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct VoterParams {
    /// VoterParams without a vote.
    pub off: Vec<String>,
    /// Length of the ATR that price distances are measured in.
    pub atr_bars: usize,
    pub ema_cross: Cross,
    pub sma_cross: Cross,
    pub macd_cross: MacdCross,
    pub adx: Adx,
    pub donchian: Donchian,
    pub supertrend: Supertrend,
    pub regression_slope: OverAtr,
    pub rsi: Oscillator,
    pub bollinger: Bollinger,
    pub stochastic: Stochastic,
    pub z_score: OverFull,
    pub cci: OverFull,
    pub williams_r: Oscillator,
    pub rate_of_change: OverAtr,
    pub money_flow_index: Oscillator,
    pub obv_trend: OverFull,
    pub volume_breakout: OverFull,
    pub vwap: OverAtr,
    pub chaikin_money_flow: OverFull,
    pub keltner_breakout: Keltner,
    pub atr_squeeze: AtrSqueeze,
    pub bitcoin_lead: BitcoinLead,
    pub relative_strength: RelativeStrength,
}

/// Two averages of the close.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct Cross {
    pub fast_bars: usize,
    pub slow_bars: usize,
    pub full_atr: f64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct MacdCross {
    pub fast_bars: usize,
    pub slow_bars: usize,
    pub signal_bars: usize,
    pub full_atr: f64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct Adx {
    pub bars: usize,
    /// ADX below which there is no trend to vote for.
    pub weak: f64,
    pub full: f64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct Donchian {
    pub bars: usize,
    /// Bars over which the vote for a breakout fades.
    pub fade_bars: usize,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct Supertrend {
    pub bars: usize,
    pub multiplier: f64,
}

/// A window, and the price distance in ATR that earns a full vote.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct OverAtr {
    pub bars: usize,
    pub full_atr: f64,
}

/// A window, and the value of its index that earns a full vote.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct OverFull {
    pub bars: usize,
    pub full: f64,
}

/// An index between two bounds, where it earns full votes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct Oscillator {
    pub bars: usize,
    pub low: f64,
    pub high: f64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct Bollinger {
    pub bars: usize,
    /// Distance of the bands from the mean, standard deviations.
    pub deviations: f64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct Stochastic {
    pub bars: usize,
    pub slow_k_bars: usize,
    pub slow_d_bars: usize,
    pub low: f64,
    pub high: f64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct Keltner {
    pub bars: usize,
    pub atr_bars: usize,
    /// Distance of the bands from the average, in ATR.
    pub multiplier: f64,
    /// Distance from the average that earns a full vote, in distances of a band.
    pub full: f64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct AtrSqueeze {
    pub bars: usize,
    pub deviations: f64,
    pub multiplier: f64,
    /// Bars over which the vote after a squeeze fades.
    pub fade_bars: usize,
    pub full_atr: f64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct BitcoinLead {
    /// Bars of the move that coins are expected to follow.
    pub bars: usize,
    /// Bars whose returns tell how great a usual move is.
    pub deviation_bars: usize,
    /// Moves still to be followed that earn a full vote, in usual moves.
    pub full: f64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct RelativeStrength {
    pub bars: usize,
}

impl Default for VoterParams {
    /// The built-in settings.
    fn default() -> Self {
        Self {
            off: Vec::new(),
            atr_bars: 14,
            ema_cross: Cross { fast_bars: 5, slow_bars: 20, full_atr: 1.5 },
            sma_cross: Cross { fast_bars: 20, slow_bars: 50, full_atr: 3.0 },
            macd_cross: MacdCross { fast_bars: 12, slow_bars: 26, signal_bars: 9, full_atr: 0.5 },
            adx: Adx { bars: 14, weak: 15.0, full: 40.0 },
            donchian: Donchian { bars: 20, fade_bars: 20 },
            supertrend: Supertrend { bars: 10, multiplier: 3.0 },
            regression_slope: OverAtr { bars: 20, full_atr: 4.0 },
            rsi: Oscillator { bars: 14, low: 30.0, high: 70.0 },
            bollinger: Bollinger { bars: 20, deviations: 2.0 },
            stochastic: Stochastic { bars: 14, slow_k_bars: 3, slow_d_bars: 3, low: 20.0, high: 80.0 },
            z_score: OverFull { bars: 20, full: 2.0 },
            cci: OverFull { bars: 20, full: 200.0 },
            williams_r: Oscillator { bars: 14, low: -80.0, high: -20.0 },
            rate_of_change: OverAtr { bars: 10, full_atr: 3.0 },
            money_flow_index: Oscillator { bars: 14, low: 20.0, high: 80.0 },
            obv_trend: OverFull { bars: 20, full: 0.4 },
            volume_breakout: OverFull { bars: 20, full: 3.0 },
            vwap: OverAtr { bars: 20, full_atr: 2.0 },
            chaikin_money_flow: OverFull { bars: 20, full: 0.25 },
            keltner_breakout: Keltner { bars: 20, atr_bars: 10, multiplier: 2.0, full: 2.0 },
            atr_squeeze: AtrSqueeze { bars: 20, deviations: 2.0, multiplier: 1.5, fade_bars: 10, full_atr: 1.5 },
            bitcoin_lead: BitcoinLead { bars: 3, deviation_bars: 50, full: 2.0 },
            relative_strength: RelativeStrength { bars: 20 },
        }
    }
}
