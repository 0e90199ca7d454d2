//! Which engines there are.

use std::fmt;
use std::str::FromStr;

use super::params::VOTER_NAMES;
use super::params::VoterParams;

/// Number of voting engines.
pub const VOTERS: usize = VOTER_NAMES.len();

/// A voting engine; its number is its place in [`super::Votes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(usize)]
pub enum Voter {
    EmaCross,
    SmaCross,
    MacdCross,
    Adx,
    Donchian,
    Supertrend,
    RegressionSlope,
    Rsi,
    Bollinger,
    Stochastic,
    ZScore,
    Cci,
    WilliamsR,
    RateOfChange,
    MoneyFlowIndex,
    ObvTrend,
    VolumeBreakout,
    Vwap,
    ChaikinMoneyFlow,
    KeltnerBreakout,
    AtrSqueeze,
    BitcoinLead,
    RelativeStrength,
}

/// What an engine believes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    Trend,
    Reversion,
    Momentum,
    Volume,
    Volatility,
    CrossAsset,
}

impl Family {
    pub const ALL: [Self; 6] =
        [Self::Trend, Self::Reversion, Self::Momentum, Self::Volume, Self::Volatility, Self::CrossAsset];

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

/// A name that no engine has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{name}' is no voting engine; the engines are: {}", VOTER_NAMES.join(", "))]
pub struct UnknownVoter {
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
    /// All engines, in their order.
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

    /// Bars of a symbol before the first one with a vote.
    pub fn warm_up(self, e: &VoterParams) -> usize {
        let with_atr = |bars: usize| bars.max(e.atr_bars);
        match self {
            Self::EmaCross => with_atr(e.ema_cross.slow_bars - 1),
            Self::SmaCross => with_atr(e.sma_cross.slow_bars - 1),
            Self::MacdCross => with_atr(e.macd_cross.slow_bars + e.macd_cross.signal_bars - 2),
            Self::Adx => 2 * e.adx.bars - 1,
            Self::Donchian => e.donchian.bars,
            Self::Supertrend => e.supertrend.bars,
            Self::RegressionSlope => with_atr(e.regression_slope.bars - 1),
            Self::Rsi => e.rsi.bars,
            Self::Bollinger => e.bollinger.bars - 1,
            Self::Stochastic => e.stochastic.bars + e.stochastic.slow_k_bars + e.stochastic.slow_d_bars - 3,
            Self::ZScore => e.z_score.bars,
            Self::Cci => e.cci.bars - 1,
            Self::WilliamsR => e.williams_r.bars - 1,
            Self::RateOfChange => with_atr(e.rate_of_change.bars),
            Self::MoneyFlowIndex => e.money_flow_index.bars,
            Self::ObvTrend => e.obv_trend.bars,
            Self::VolumeBreakout => e.volume_breakout.bars,
            Self::Vwap => with_atr(e.vwap.bars - 1),
            Self::ChaikinMoneyFlow => e.chaikin_money_flow.bars - 1,
            Self::KeltnerBreakout => (e.keltner_breakout.bars - 1).max(e.keltner_breakout.atr_bars),
            Self::AtrSqueeze => with_atr(e.atr_squeeze.bars),
            Self::BitcoinLead => e.bitcoin_lead.deviation_bars,
            Self::RelativeStrength => e.relative_strength.bars,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_that_of_the_engine_in_its_place() {
        for (place, voter) in Voter::ALL.into_iter().enumerate() {
            assert_eq!(voter as usize, place);
            // EmaCross is ema_cross.
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
        assert!("emacross".parse::<Voter>().unwrap_err().to_string().starts_with("'emacross' is no voting engine"));
    }

    #[test]
    fn families_have_as_many_engines_as_the_list() {
        let count = |family| Voter::ALL.into_iter().filter(|voter| voter.family() == family).count();
        assert_eq!(Family::ALL.map(count), [7, 6, 2, 4, 2, 2]);
    }
}
