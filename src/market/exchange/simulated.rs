//! The built-in simulated market: seeded, needs no network, and is always marked as simulated.
//!
//! Every bar depends only on the seed, the coin and the bar's own time. The same bars therefore come back for any
//! requested range, in any order, on any machine. [`path`] holds the price model, [`coins`] the coins.

mod coins;
mod path;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rayon::prelude::*;

use super::{MarketInfo, between, daily_volume, traded_share};
use crate::bars::{Candles, DAY_MS, Timeframe};
use crate::market::MarketError;
use crate::settings::Settings;
use crate::shadow::MarketType;

use coins::Coin;

/// 2023-01-01 UTC: the market's first bar.
const EPOCH_MS: i64 = 1_672_531_200_000;

/// Smallest value of an order, quote currency.
const MIN_NOTIONAL: f64 = 5.0;
/// Days over which daily volume is measured.
const VOLUME_DAYS: u32 = 30;
/// Fewest days before the present that are cached: enough for the volume of a coin that was delisted recently.
const CACHED_DAYS: i64 = 130;

/// A market of invented coins with a common factor, stochastic volatility, fat tails, regimes, listings and
/// delistings.
#[derive(Debug)]
pub struct Simulated {
    seed: u64,
    symbols: usize,
    edge: f64,
    kind: MarketType,
    timeframe: Timeframe,
    now_ms: i64,
    /// Bars from this time on are cached; earlier ones are generated again on every request.
    cached_from_ms: i64,
    cache: Mutex<HashMap<(String, Timeframe), Arc<Candles>>>,
    /// They do not change, since the present does not.
    markets: OnceLock<Vec<MarketInfo>>,
    factors: Mutex<HashMap<Timeframe, Arc<path::Factor>>>,
}

impl Simulated {
    /// The market of `seed` and `market.simulated`. Without `now_ms`, the present is the last midnight UTC.
    pub fn new(settings: &Settings, now_ms: Option<i64>) -> Self {
        let midnight = || chrono::Utc::now().timestamp_millis().div_euclid(DAY_MS) * DAY_MS;
        let now_ms = now_ms.unwrap_or_else(midnight);
        let cached_days = CACHED_DAYS.max(i64::from(settings.market.lookback_days) + 10);
        Self {
            seed: settings.seed,
            symbols: settings.market.simulated.symbols,
            edge: settings.market.simulated.edge,
            kind: settings.market.kind,
            timeframe: settings.market.timeframe,
            now_ms,
            cached_from_ms: now_ms - cached_days * DAY_MS,
            cache: Mutex::default(),
            markets: OnceLock::new(),
            factors: Mutex::default(),
        }
    }

    /// The run's present, milliseconds since 1970 UTC.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// What determines the bars besides symbol and time.
    pub(super) fn detail(&self) -> String {
        format!("seed {}, edge {}", self.seed, self.edge)
    }

    /// The coins that are listed now and those delisted recently, sorted by symbol.
    pub fn markets(&self) -> Vec<MarketInfo> {
        // Not to be called from a thread of rayon's pool: while it waits for the list, it might take up work that waits for it, too.
        self.markets.get_or_init(|| self.list_markets()).clone()
    }

    fn list_markets(&self) -> Vec<MarketInfo> {
        let coins: Vec<Coin> = (0..self.symbols).filter_map(|slot| Coin::at(self.seed, slot, self.now_ms)).collect();
        let info = |coin: &Coin| {
            let candles = self.coin_candles(coin, self.timeframe);
            let end = self.now_ms.min(coin.delisted_ms.unwrap_or(i64::MAX));
            MarketInfo {
                symbol: coin.symbol(),
                base: coin.ticker.clone(),
                quote: coins::QUOTE.to_owned(),
                kind: self.kind,
                active: coin.delisted_ms.is_none_or(|delisted| delisted > self.now_ms),
                listed_ms: Some(coin.listed_ms),
                history_from_ms: Some(coin.listed_ms),
                daily_volume_usd: daily_volume(&candles, end, VOLUME_DAYS),
                spread_bps: Some(coin.spread_bps),
                activity: traded_share(&candles, end, VOLUME_DAYS),
                tick: Some(coin.tick),
                lot: None,
                min_notional: Some(MIN_NOTIONAL),
                maker_fee_bps: Some(2.0),
                taker_fee_bps: Some(4.0),
                fault: None,
            }
        };
        let mut markets: Vec<MarketInfo> = coins.par_iter().map(info).collect();
        markets.sort_by(|a, b| a.symbol.cmp(&b.symbol));
        markets
    }

    /// The bars of `symbol` that open in `[from_ms, to_ms)` and have closed by now.
    ///
    /// # Errors
    /// A symbol that this market has never listed.
    pub fn candles(
        &self,
        symbol: &str,
        timeframe: Timeframe,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Candles, MarketError> {
        let unknown = || MarketError::UnknownSymbol { exchange: "simulated".into(), symbol: symbol.into() };
        let coin = Coin::named(self.seed, self.symbols, symbol).ok_or_else(unknown)?;
        if from_ms >= self.cached_from_ms {
            let candles = self.coin_candles(&coin, timeframe);
            return Ok(between(&candles, from_ms, to_ms, self.now_ms, timeframe));
        }
        let end = to_ms.min(self.now_ms);
        let candles = path::candles(self.world(timeframe), &coin, &self.factor(timeframe), from_ms, end);
        Ok(between(&candles, from_ms, to_ms, self.now_ms, timeframe))
    }

    /// Frees the cached bars; later requests draw them again.
    pub fn forget_candles(&self) {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The coin's cached bars.
    fn coin_candles(&self, coin: &Coin, timeframe: Timeframe) -> Arc<Candles> {
        let key = (coin.symbol(), timeframe);
        if let Some(candles) = self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return candles.clone();
        }
        let factor = self.factor(timeframe);
        let candles = Arc::new(path::candles(self.world(timeframe), coin, &factor, self.cached_from_ms, self.now_ms));
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).insert(key, candles.clone());
        candles
    }

    fn world(&self, timeframe: Timeframe) -> path::World {
        path::World { seed: self.seed, edge: self.edge, timeframe }
    }

    fn factor(&self, timeframe: Timeframe) -> Arc<path::Factor> {
        let mut factors = self.factors.lock().unwrap_or_else(PoisonError::into_inner);
        factors
            .entry(timeframe)
            .or_insert_with(|| Arc::new(path::Factor::new(self.seed, timeframe, self.now_ms)))
            .clone()
    }
}

#[cfg(test)]
mod tests;
