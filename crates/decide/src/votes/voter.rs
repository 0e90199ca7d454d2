//! The voters.

use std::fmt;
use std::str::FromStr;

use super::params::VOTER_NAMES;
use super::params::VoterParams;

/// Number of voters.
pub const VOTERS: usize = VOTER_NAMES.len();

/// A voter; its number is its position in [`super::Votes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(usize)]
pub enum Voter {
    /// Fast exponential average against the slow one.
    EmaCross,
    /// Fast simple average against the slow one.
    SmaCross,
    /// MACD's line against its signal.
    MacdCross,
    /// Directional indices, graded by ADX.
    Adx,
    /// Breakouts of the Donchian channel.
    Donchian,
    /// SuperTrend.
    Supertrend,
    /// Slope of the least-squares line.
    RegressionSlope,
    /// Relative-strength index.
    Rsi,
    /// Bollinger bands.
    Bollinger,
    /// Slow %D of the stochastic oscillator.
    Stochastic,
    /// Z-score of the bar's return.
    ZScore,
    /// Commodity channel index.
    Cci,
    /// Williams' %R.
    WilliamsR,
    /// Rate of change.
    RateOfChange,
    /// Money-flow index.
    MoneyFlowIndex,
    /// Change of on-balance volume.
    ObvTrend,
    /// Moves with unusual volume.
    VolumeBreakout,
    /// Close against the volume-weighted average price.
    Vwap,
    /// Chaikin's money flow.
    ChaikinMoneyFlow,
    /// Breakouts of the Keltner channel.
    KeltnerBreakout,
    /// Moves after a squeeze of the Bollinger bands.
    AtrSqueeze,
    /// Bitcoin's move that the coin has not followed.
    BitcoinLead,
    /// Rank among all coins by return.
    RelativeStrength,
}

/// The idea behind a voter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Buy what rises.
    Trend,
    /// Buy what fell too far.
    Reversion,
    /// Buy what has gained, and what money flows into.
    Momentum,
    /// Buy what is traded more as it rises.
    Volume,
    /// Follow a price that breaks out of its usual range.
    Volatility,
    /// Compare with other coins.
    CrossAsset,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 6] =
        [Self::Trend, Self::Reversion, Self::Momentum, Self::Volume, Self::Volatility, Self::CrossAsset];

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trend => "trend",
            Self::Reversion => "reversion",
            Self::Momentum => "momentum",
            Self::Volume => "volume",
            Self::Volatility => "volatility",
            Self::CrossAsset => "cross_asset",
        }
    }
}

/// A name that is not that of a voter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{name}' is not a voter; the voters are: {}", VOTER_NAMES.join(", "))]
pub struct UnknownVoter {
    /// The name given.
    pub name: String,
}

impl FromStr for Voter {
    type Err = UnknownVoter;

    fn from_str(name: &str) -> Result<Self, UnknownVoter> {
        let found = Self::ALL.into_iter().find(|voter| voter.name() == name);
        found.ok_or_else(|| UnknownVoter { name: name.to_owned() })
    }
}

impl fmt::Display for Voter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Voter {
    /// Every voter, in the order of their numbers.
    pub const ALL: [Self; VOTERS] = [
        Self::EmaCross,
        Self::SmaCross,
        Self::MacdCross,
        Self::Adx,
        Self::Donchian,
        Self::Supertrend,
        Self::RegressionSlope,
        Self::Rsi,
        Self::Bollinger,
        Self::Stochastic,
        Self::ZScore,
        Self::Cci,
        Self::WilliamsR,
        Self::RateOfChange,
        Self::MoneyFlowIndex,
        Self::ObvTrend,
        Self::VolumeBreakout,
        Self::Vwap,
        Self::ChaikinMoneyFlow,
        Self::KeltnerBreakout,
        Self::AtrSqueeze,
        Self::BitcoinLead,
        Self::RelativeStrength,
    ];

    /// The name in settings and tables.
    pub fn name(self) -> &'static str {
        VOTER_NAMES[self as usize]
    }

    /// The family of the voter.
    pub fn family(self) -> Family {
        match self {
            Self::EmaCross
            | Self::SmaCross
            | Self::MacdCross
            | Self::Adx
            | Self::Donchian
            | Self::Supertrend
            | Self::RegressionSlope => Family::Trend,
            Self::Rsi | Self::Bollinger | Self::Stochastic | Self::ZScore | Self::Cci | Self::WilliamsR => {
                Family::Reversion
            }
            Self::RateOfChange | Self::MoneyFlowIndex => Family::Momentum,
            Self::ObvTrend | Self::VolumeBreakout | Self::Vwap | Self::ChaikinMoneyFlow => Family::Volume,
            Self::KeltnerBreakout | Self::AtrSqueeze => Family::Volatility,
            Self::BitcoinLead | Self::RelativeStrength => Family::CrossAsset,
        }
    }

    /// Whether it votes on every bar after its warm-up: voters across coins do not where other coins have no bar.
    pub(crate) fn always_votes(self) -> bool {
        self.family() != Family::CrossAsset
    }

    /// Whether it is not switched off.
    pub(crate) fn is_on(self, params: &VoterParams) -> bool {
        !params.off.iter().any(|name| name == self.name())
    }

    /// Bars of a symbol before the first one with a vote.
    pub fn warm_up(self, p: &VoterParams) -> usize {
        let with_atr = |bars: usize| bars.max(p.atr_bars);
        match self {
            Self::EmaCross => with_atr(p.ema_cross.slow_bars - 1),
            Self::SmaCross => with_atr(p.sma_cross.slow_bars - 1),
            Self::MacdCross => with_atr(p.macd_cross.slow_bars + p.macd_cross.signal_bars - 2),
            Self::Adx => 2 * p.adx.bars - 1,
            Self::Donchian => p.donchian.bars,
            Self::Supertrend => p.supertrend.bars,
            Self::RegressionSlope => with_atr(p.regression_slope.bars - 1),
            Self::Rsi => p.rsi.bars,
            Self::Bollinger => p.bollinger.bars - 1,
            Self::Stochastic => p.stochastic.bars + p.stochastic.slow_k_bars + p.stochastic.slow_d_bars - 3,
            Self::ZScore => p.z_score.bars,
            Self::Cci => p.cci.bars - 1,
            Self::WilliamsR => p.williams_r.bars - 1,
            Self::RateOfChange => with_atr(p.rate_of_change.bars),
            Self::MoneyFlowIndex => p.money_flow_index.bars,
            Self::ObvTrend => p.obv_trend.bars,
            Self::VolumeBreakout => p.volume_breakout.bars,
            Self::Vwap => with_atr(p.vwap.bars - 1),
            Self::ChaikinMoneyFlow => p.chaikin_money_flow.bars - 1,
            Self::KeltnerBreakout => (p.keltner_breakout.bars - 1).max(p.keltner_breakout.atr_bars),
            Self::AtrSqueeze => with_atr(p.atr_squeeze.bars),
            Self::BitcoinLead => p.bitcoin_lead.deviation_bars,
            Self::RelativeStrength => p.relative_strength.bars,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_voter_has_its_own_number_and_name() {
        for (number, voter) in Voter::ALL.into_iter().enumerate() {
            assert_eq!(voter as usize, number);
            // EmaCross is called ema_cross.
            let snake = format!("{voter:?}").chars().fold(String::new(), |mut name, c| {
                if c.is_uppercase() && !name.is_empty() {
                    name.push('_');
                }
                name.extend(c.to_lowercase());
                name
            });
            assert_eq!(voter.name(), snake);
            assert_eq!(voter.name().parse(), Ok(voter));
        }
        assert!("emacross".parse::<Voter>().unwrap_err().to_string().starts_with("'emacross' is not a voter"));
    }

    #[test]
    fn families_have_as_many_voters_as_documented() {
        let count = |family| Voter::ALL.into_iter().filter(|voter| voter.family() == family).count();
        assert_eq!(Family::ALL.map(count), [7, 6, 2, 4, 2, 2]);
    }
}
