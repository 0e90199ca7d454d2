//! The heads of a model: what it predicts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One output of a symbol's model.
///
/// Declared in the alphabetical order of their names, so that maps by head are written in the order of maps by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// Expected result of a long position before costs: basis points as a prediction, multiples of the ATR as a raw score.
    EdgeBps,
    /// Probability that a long trade makes money.
    WinLong,
    /// Probability that a short trade makes money.
    WinShort,
}

/// A name that is not that of a head.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{name}' is not a head; the heads are: win_long, win_short, edge_bps")]
pub struct UnknownHead {
    /// The name given.
    pub name: String,
}

impl Head {
    /// Every head, in the order in which a model's heads are trained.
    pub const ALL: [Self; 3] = [Self::WinLong, Self::WinShort, Self::EdgeBps];
    /// Number of heads.
    pub const COUNT: usize = Self::ALL.len();
    /// The head that is also written as a file of its own, `{SYMBOL}_model.txt`.
    pub const MAIN: Self = Self::WinLong;

    /// Place among [`Self::ALL`].
    pub fn position(self) -> usize {
        match self {
            Self::WinLong => 0,
            Self::WinShort => 1,
            Self::EdgeBps => 2,
        }
    }

    /// The name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::EdgeBps => "edge_bps",
            Self::WinLong => "win_long",
            Self::WinShort => "win_short",
        }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Head {
    type Err = UnknownHead;

    fn from_str(name: &str) -> Result<Self, UnknownHead> {
        let found = Self::ALL.into_iter().find(|head| head.name() == name);
        found.ok_or_else(|| UnknownHead { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_parsed_and_sort_like_the_heads() {
        for head in Head::ALL {
            assert_eq!(head.name().parse(), Ok(head));
            assert_eq!(Head::ALL[head.position()], head);
        }
        assert!("win".parse::<Head>().unwrap_err().to_string().contains("edge_bps"));
        let mut by_name = Head::ALL;
        by_name.sort_by_key(|head| head.name());
        let mut by_order = Head::ALL;
        by_order.sort();
        assert_eq!(by_name, by_order);
    }
}
