//! Parameters of the voters.

use serde::{Deserialize, Serialize};

/// Names of the voters, in the order of [`Voter`](super::Voter).
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

/// Parameters of all voters (settings `decide.engines`). Windows are in bars; `full` and `full_atr` are what earns a
/// full vote of 1: half of it earns 0.5, more than it still 1.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct VoterParams {
    /// Names of the voters that are switched off.
    pub off: Vec<String>,
    /// Bars of the ATR in which price distances (`full_atr`) are measured.
    pub atr_bars: usize,
    /// A fast and a slow exponential average of the close.
    pub ema_cross: Cross,
    /// A fast and a slow simple average of the close.
    pub sma_cross: Cross,
    /// MACD's line and its signal.
    pub macd_cross: MacdCross,
    /// Directional indices and ADX.
    pub adx: Adx,
    /// The Donchian channel.
    pub donchian: Donchian,
    /// SuperTrend.
    pub supertrend: Supertrend,
    /// The least-squares line through the close; `full_atr` is the rise of the line over its bars.
    pub regression_slope: AtrDistance,
    /// RSI; a full vote to buy at `low`.
    pub rsi: Oscillator,
    /// Bollinger bands.
    pub bollinger: Bollinger,
    /// The stochastic oscillator.
    pub stochastic: Stochastic,
    /// Z-scores of returns; `full` is a distance in standard deviations.
    pub z_score: IndexLevel,
    /// The commodity channel index; `full` is a value of it.
    pub cci: IndexLevel,
    /// Williams' %R; a full vote to buy at `low`.
    pub williams_r: Oscillator,
    /// The rate of change; `full_atr` is the change of the price.
    pub rate_of_change: AtrDistance,
    /// The money-flow index; a full vote to sell at `low`.
    pub money_flow_index: Oscillator,
    /// The change of on-balance volume; `full` is a share of the volume of these bars.
    pub obv_trend: IndexLevel,
    /// Moves with unusual volume; `full` is a multiple of the mean volume of the bars before.
    pub volume_breakout: IndexLevel,
    /// The volume-weighted average price; `full_atr` is the distance of the close from the average.
    pub vwap: AtrDistance,
    /// Chaikin's money flow; `full` is a share of the volume of these bars.
    pub chaikin_money_flow: IndexLevel,
    /// The Keltner channel.
    pub keltner_breakout: Keltner,
    /// Squeezes of the Bollinger bands.
    pub atr_squeeze: AtrSqueeze,
    /// Bitcoin's lead over other coins.
    pub bitcoin_lead: BitcoinLead,
    /// Ranks of the coins by their returns.
    pub relative_strength: RelativeStrength,
}

/// A fast and a slow average of the close.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct Cross {
    /// Bars of the fast average.
    pub fast_bars: usize,
    /// Bars of the slow average.
    pub slow_bars: usize,
    /// Distance between them that earns a full vote, ATR.
    pub full_atr: f64,
}

/// MACD and its signal.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct MacdCross {
    /// Bars of the fast exponential average.
    pub fast_bars: usize,
    /// Bars of the slow exponential average.
    pub slow_bars: usize,
    /// Bars of the signal, the exponential average of MACD's line.
    pub signal_bars: usize,
    /// Distance of the line from the signal that earns a full vote, ATR.
    pub full_atr: f64,
}

/// Directional movement.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct Adx {
    /// Bars of Wilder's averages.
    pub bars: usize,
    /// ADX up to which there is no vote.
    pub weak: f64,
    /// ADX that earns a full vote.
    pub full: f64,
}

/// The Donchian channel.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct Donchian {
    /// Bars before this one whose highest high or lowest low a close must break.
    pub bars: usize,
    /// Bars over which the vote fades to 0 after a breakout.
    pub fade_bars: usize,
}

/// SuperTrend.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct Supertrend {
    /// Bars of its ATR.
    pub bars: usize,
    /// Distance of the bands from the middle of the bar, ATR. At this distance from the line the vote is full.
    pub multiplier: f64,
}

/// A window, and a price distance in ATR.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct AtrDistance {
    /// Bars of the window.
    pub bars: usize,
    /// Distance that earns a full vote, ATR.
    pub full_atr: f64,
}

/// A window, and a level of an index.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct IndexLevel {
    /// Bars of the window.
    pub bars: usize,
    /// Level that earns a full vote.
    pub full: f64,
}

/// A window, and two bounds of an index.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct Oscillator {
    /// Bars of the window.
    pub bars: usize,
    /// Lower bound, which earns a full vote.
    pub low: f64,
    /// Upper bound, which earns a full vote on the other side.
    pub high: f64,
}

/// Bollinger bands.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct Bollinger {
    /// Bars of mean and standard deviation of the close.
    pub bars: usize,
    /// Distance of the bands from the mean, standard deviations. At the bands the vote is full.
    pub deviations: f64,
}

/// The stochastic oscillator.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct Stochastic {
    /// Bars of highest high and lowest low.
    pub bars: usize,
    /// Bars of the simple average that turns fast %K into slow %K.
    pub slow_k_bars: usize,
    /// Bars of the simple average that turns slow %K into slow %D, which votes.
    pub slow_d_bars: usize,
    /// %D of a full vote to buy.
    pub low: f64,
    /// %D of a full vote to sell.
    pub high: f64,
}

/// The Keltner channel.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct Keltner {
    /// Bars of the exponential average of the close.
    pub bars: usize,
    /// Bars of the ATR of the bands.
    pub atr_bars: usize,
    /// Distance of the bands from the average, ATR. There is no vote between them.
    pub multiplier: f64,
    /// Distance from the average that earns a full vote, in distances of a band.
    pub full: f64,
}

/// A squeeze: Bollinger bands within ATR bands around the same mean.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct AtrSqueeze {
    /// Bars of mean and standard deviation of the close, and of the ATR of the bands.
    pub bars: usize,
    /// Distance of the Bollinger bands from the mean, standard deviations.
    pub deviations: f64,
    /// Distance of the ATR bands from the mean, ATR.
    pub multiplier: f64,
    /// Bars over which the vote fades to 0 after a squeeze.
    pub fade_bars: usize,
    /// Distance of the close from the mean that earns a full vote, ATR.
    pub full_atr: f64,
}

/// Bitcoin's lead.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct BitcoinLead {
    /// Bars of Bitcoin's move that a coin is expected to follow.
    pub bars: usize,
    /// Bars of returns whose standard deviation gives a usual move.
    pub deviation_bars: usize,
    /// Move not yet followed that earns a full vote, in usual moves.
    pub full: f64,
}

/// Relative strength among all coins.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq)]
pub struct RelativeStrength {
    /// Bars of the return by which coins are ranked: the best gets 1, the worst −1.
    pub bars: usize,
}

impl Default for VoterParams {
    /// The default settings.
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
            regression_slope: AtrDistance { bars: 20, full_atr: 4.0 },
            rsi: Oscillator { bars: 14, low: 30.0, high: 70.0 },
            bollinger: Bollinger { bars: 20, deviations: 2.0 },
            stochastic: Stochastic { bars: 14, slow_k_bars: 3, slow_d_bars: 3, low: 20.0, high: 80.0 },
            z_score: IndexLevel { bars: 20, full: 2.0 },
            cci: IndexLevel { bars: 20, full: 200.0 },
            williams_r: Oscillator { bars: 14, low: -80.0, high: -20.0 },
            rate_of_change: AtrDistance { bars: 10, full_atr: 3.0 },
            money_flow_index: Oscillator { bars: 14, low: 20.0, high: 80.0 },
            obv_trend: IndexLevel { bars: 20, full: 0.4 },
            volume_breakout: IndexLevel { bars: 20, full: 3.0 },
            vwap: AtrDistance { bars: 20, full_atr: 2.0 },
            chaikin_money_flow: IndexLevel { bars: 20, full: 0.25 },
            keltner_breakout: Keltner { bars: 20, atr_bars: 10, multiplier: 2.0, full: 2.0 },
            atr_squeeze: AtrSqueeze { bars: 20, deviations: 2.0, multiplier: 1.5, fade_bars: 10, full_atr: 1.5 },
            bitcoin_lead: BitcoinLead { bars: 3, deviation_bars: 50, full: 2.0 },
            relative_strength: RelativeStrength { bars: 20 },
        }
    }
}
