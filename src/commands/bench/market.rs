//! The simulated market for the measurements.

use rayon::prelude::*;

use crate::audit::worlds::{FIRST_MS, LISTING_DAYS, REFERENCES};
use crate::bars::{DAY_MS, Panel, Timeframe};
use crate::exit::{Code, CommandFailure, OrExit};
use crate::market::Simulated;
use crate::settings::Settings;

/// Coins to list for every ten that are needed for the whole period: seven of ten stay listed.
const LISTED_FOR_TEN: usize = 15;
/// Further coins to list, for small markets.
const LISTED_MORE: usize = 10;

/// `days` of 1h candles of `symbols` coins that were listed for the whole period, from `market.simulated` and the seed.
///
/// # Errors
/// Fewer such coins than requested.
pub fn panel(settings: &Settings, symbols: usize, days: u32) -> Result<Panel, CommandFailure> {
    let mut own = settings.clone();
    (own.market.timeframe, own.market.lookback_days) = (Timeframe::H1, days);
    own.market.simulated.symbols = symbols * LISTED_FOR_TEN / 10 + LISTED_MORE;
    let now_ms = FIRST_MS + (LISTING_DAYS + i64::from(days)) * DAY_MS;
    let from_ms = now_ms - i64::from(days) * DAY_MS;
    let market = Simulated::new(&own, Some(now_ms));
    let lasting = market.markets().into_iter().filter(|info| info.active && info.listed_ms <= Some(from_ms));
    let mut names: Vec<String> = lasting.map(|info| info.symbol).collect();
    // The reference coins come first, so that they are always part of the market.
    names.sort_by_key(|name| !REFERENCES.iter().any(|coin| name.split('-').next() == Some(coin)));
    if names.len() < symbols {
        let message =
            format!("the simulated market has {} coins listed for the whole period, not {symbols}", names.len());
        return Err(CommandFailure::new(Code::Failed, message));
    }
    names.truncate(symbols);
    let candles = |name: String| {
        let candles = market.candles(&name, Timeframe::H1, from_ms, now_ms).or_exit(Code::Failed)?;
        Ok((name, candles))
    };
    let candles = names.into_par_iter().map(candles).collect::<Result<Vec<_>, CommandFailure>>()?;
    Panel::new(candles, Timeframe::H1, 0, true).or_exit(Code::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_market_has_the_requested_size_and_the_reference_coins() {
        let panel = panel(&Settings::defaults(), 3, 40).unwrap();
        assert_eq!((panel.symbols.len(), panel.bars), (3, 40 * 24));
        assert!(panel.simulated && panel.ranges.iter().all(|range| range.len() == panel.bars));
        for coin in REFERENCES {
            assert!(panel.symbols.iter().any(|symbol| symbol.starts_with(coin)));
        }
    }
}
