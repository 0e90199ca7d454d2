//! Sources of candles: the simulated market, a folder of files, or a live exchange.

#[cfg(feature = "ccxt")]
mod ccxt;
mod folder;
mod simulated;

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat};
use serde::{Deserialize, Serialize};

use super::MarketError;
use crate::bars::{Candles, DAY_MS, FundingHistory, MarketTerms, Timeframe};
use crate::settings::{ExchangeKind, Settings};
use crate::shadow::MarketType;

#[cfg(feature = "ccxt")]
pub use ccxt::Ccxt;
pub use folder::Folder;
pub use simulated::Simulated;

/// What an exchange reports about one market.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MarketInfo {
    /// `BASE-QUOTE`.
    pub symbol: String,
    /// Base currency: the coin.
    pub base: String,
    /// Quote currency; empty if a candle file's name does not give one.
    pub quote: String,
    /// Spot or perpetual.
    pub kind: MarketType,
    /// False once delisted or suspended.
    pub active: bool,
    /// Open of the first known bar, milliseconds since 1970 UTC. The true listing may be earlier on exchanges that do
    /// not report it.
    pub listed_ms: Option<i64>,
    /// Start of the usable history, milliseconds since 1970 UTC: after the last gap that is too long to fill. Equal
    /// to the listing if there is no such gap.
    pub history_from_ms: Option<i64>,
    /// Dollars traded in 24 hours.
    pub daily_volume_usd: Option<f64>,
    /// Bid-ask spread in basis points of the mid price.
    pub spread_bps: Option<f64>,
    /// Trades in 24 hours, or the share of recent bars that traded. Comparable only within one exchange.
    pub activity: Option<f64>,
    /// Smallest step of the price, quote currency.
    pub tick: Option<f64>,
    /// Smallest step of an amount, base units.
    pub lot: Option<f64>,
    /// Smallest value of an order, quote currency.
    pub min_notional: Option<f64>,
    /// Maker fee each way, basis points.
    pub maker_fee_bps: Option<f64>,
    /// Taker fee each way, basis points.
    pub taker_fee_bps: Option<f64>,
    /// Why the market cannot be judged: the error of its candle file.
    pub fault: Option<String>,
}

impl MarketInfo {
    /// What the exchange says that changes the costs of trades, without what makes no sense.
    pub fn terms(&self) -> MarketTerms {
        let Self { tick, lot, min_notional, maker_fee_bps, taker_fee_bps, spread_bps, .. } = *self;
        MarketTerms { tick, lot, min_notional, maker_fee_bps, taker_fee_bps, spread_bps }.plausible()
    }
}

/// Where stored candles come from: equal origins give equal bars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// `simulated`, `files`, or the name of a live exchange.
    pub exchange: String,
    /// `spot`, `perp` or `file`.
    pub kind: String,
    /// Length of a bar.
    pub timeframe: Timeframe,
    /// True for the simulated market.
    pub simulated: bool,
    /// Whatever else determines the bars: seed and edge, or the digest of a file.
    pub detail: String,
}

/// A source of markets and their candles.
#[derive(Debug)]
pub enum Exchange {
    /// The built-in simulated market.
    Simulated(Simulated),
    /// A folder of candle files.
    Folder(Folder),
    /// A live exchange.
    #[cfg(feature = "ccxt")]
    Ccxt(Box<Ccxt>),
}

impl Exchange {
    /// Opens the exchange of `market.exchange`.
    ///
    /// `now_ms` is the run's present. Without it, the present is the end of the newest bar (files), the last midnight
    /// UTC (simulated) or the clock (ccxt).
    ///
    /// # Errors
    /// A folder that cannot be read, or a live exchange in a build without the feature `ccxt`.
    pub fn open(settings: &Settings, now_ms: Option<i64>) -> Result<Self, MarketError> {
        match settings.market.exchange.kind {
            ExchangeKind::Simulated => Ok(Self::Simulated(Simulated::new(settings, now_ms))),
            ExchangeKind::Files => Ok(Self::Folder(Folder::open(settings, now_ms)?)),
            #[cfg(feature = "ccxt")]
            ExchangeKind::Ccxt => Ok(Self::Ccxt(Box::new(Ccxt::new(settings, now_ms)?))),
            #[cfg(not(feature = "ccxt"))]
            ExchangeKind::Ccxt => Err(MarketError::NoCcxt),
        }
    }

    /// Opens the exchange with the midnight UTC that starts `date` as the run's present, or with the default present.
    ///
    /// # Errors
    /// As for [`Exchange::open`].
    pub fn on_day(settings: &Settings, date: Option<NaiveDate>) -> Result<Self, MarketError> {
        Self::open(settings, date.map(|date| date.and_time(NaiveTime::MIN).and_utc().timestamp_millis()))
    }

    /// `simulated`, `files`, or the live exchange's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Simulated(_) => "simulated",
            Self::Folder(_) => "files",
            #[cfg(feature = "ccxt")]
            Self::Ccxt(ccxt) => ccxt.name(),
        }
    }

    /// True for the simulated market; every log, report and table row must say so.
    pub fn simulated(&self) -> bool {
        matches!(self, Self::Simulated(_))
    }

    /// The run's present, milliseconds since 1970 UTC. Bars that close later are never returned.
    pub fn now_ms(&self) -> i64 {
        match self {
            Self::Simulated(simulated) => simulated.now_ms(),
            Self::Folder(folder) => folder.now_ms(),
            #[cfg(feature = "ccxt")]
            Self::Ccxt(ccxt) => ccxt.now_ms(),
        }
    }

    /// All markets that the exchange lists, sorted by symbol.
    ///
    /// # Errors
    /// A live exchange that cannot be reached, after all retries.
    pub async fn markets(&self) -> Result<Vec<MarketInfo>, MarketError> {
        match self {
            Self::Simulated(simulated) => Ok(simulated.markets()),
            Self::Folder(folder) => Ok(folder.markets()),
            #[cfg(feature = "ccxt")]
            Self::Ccxt(ccxt) => ccxt.markets().await,
        }
    }

    /// The candles of `symbol` that open in `[from_ms, to_ms)` and have closed by now.
    ///
    /// # Errors
    /// An unknown symbol, a bad file, or a live exchange that cannot be reached, after all retries.
    pub async fn candles(
        &self,
        symbol: &str,
        timeframe: Timeframe,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Candles, MarketError> {
        match self {
            Self::Simulated(simulated) => simulated.candles(symbol, timeframe, from_ms, to_ms),
            Self::Folder(folder) => folder.candles(symbol, timeframe, from_ms, to_ms),
            #[cfg(feature = "ccxt")]
            Self::Ccxt(ccxt) => ccxt.candles(symbol, timeframe, from_ms, to_ms).await,
        }
    }

    /// Frees what is in memory of candles that were given out; they can be asked for again.
    pub fn forget_candles(&self) {
        if let Self::Simulated(simulated) = self {
            simulated.forget_candles();
        }
    }

    /// The funding that a perpetual paid in `[from_ms, to_ms]`, as far as it is known. `None` for spot markets, for the
    /// simulated market, and where no history is known: then the flat rate of the settings counts.
    ///
    /// # Errors
    /// A bad file, or a live exchange that cannot be reached, after all retries.
    #[cfg_attr(not(feature = "ccxt"), expect(unused_variables, reason = "only a live exchange is asked for a span"))]
    pub async fn funding(&self, symbol: &str, from_ms: i64, to_ms: i64) -> Result<Option<FundingHistory>, MarketError> {
        let to_ms = to_ms.min(self.now_ms());
        match self {
            Self::Simulated(_) => Ok(None),
            Self::Folder(folder) => Ok(folder.funding(symbol)?.map(|history| history.until(to_ms))),
            #[cfg(feature = "ccxt")]
            Self::Ccxt(ccxt) => ccxt.funding(symbol, from_ms, to_ms).await,
        }
    }

    /// The origin of `symbol`'s candles, which the store records.
    pub(super) fn origin(&self, symbol: &str, timeframe: Timeframe) -> Origin {
        let (kind, detail) = match self {
            Self::Simulated(simulated) => ("spot", simulated.detail()),
            Self::Folder(folder) => ("file", folder.detail(symbol)),
            #[cfg(feature = "ccxt")]
            Self::Ccxt(ccxt) => (ccxt.kind_name(), String::new()),
        };
        Origin {
            exchange: self.name().to_owned(),
            kind: kind.to_owned(),
            timeframe,
            simulated: self.simulated(),
            detail,
        }
    }
}

/// Median over whole days of the value traded (close × volume, quote currency).
///
/// Days are counted back from `end_ms`, at most `days` of them; less than one day of bars counts as one day. None
/// without bars.
pub(super) fn daily_volume(candles: &Candles, end_ms: i64, days: u32) -> Option<f64> {
    let mut sums: Vec<f64> = Vec::new();
    let first = *candles.timestamp.first()?;
    let whole_days = ((end_ms - first) / DAY_MS).clamp(1, i64::from(days.max(1)));
    sums.resize(usize::try_from(whole_days).ok()?, 0.0);
    for row in (0..candles.len()).rev() {
        let age = end_ms - 1 - candles.timestamp[row];
        let day = usize::try_from(age.div_euclid(DAY_MS)).unwrap_or(0);
        if day >= sums.len() {
            break;
        }
        sums[day] += candles.close[row] * candles.volume[row];
    }
    sums.sort_by(f64::total_cmp);
    let middle = sums.len() / 2;
    Some(if sums.len() % 2 == 1 { sums[middle] } else { (sums[middle - 1] + sums[middle]) / 2.0 })
}

/// Share of the bars within the last `days` before `end_ms` that have volume. None without bars.
pub(super) fn traded_share(candles: &Candles, end_ms: i64, days: u32) -> Option<f64> {
    let from = candles.timestamp.partition_point(|&t| t < end_ms - i64::from(days) * DAY_MS);
    let recent = &candles.volume[from..];
    (!recent.is_empty()).then(|| recent.iter().filter(|&&v| v > 0.0).count() as f64 / recent.len() as f64)
}

/// The rows that open in `[from_ms, to_ms)` and have closed by `now_ms`.
pub(super) fn between(candles: &Candles, from_ms: i64, to_ms: i64, now_ms: i64, timeframe: Timeframe) -> Candles {
    let end_ms = to_ms.min(now_ms - timeframe.ms() + 1);
    let first = candles.timestamp.partition_point(|&t| t < from_ms);
    let last = candles.timestamp.partition_point(|&t| t < end_ms);
    candles.slice(first..last.max(first))
}

/// RFC 3339 UTC, for messages.
pub(super) fn utc(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .map_or_else(|| format!("{ms} ms"), |time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bars::HOUR_MS;

    #[test]
    fn daily_volume_is_the_median_of_whole_days_counted_back_from_the_end() {
        let mut candles = Candles::default();
        // Five hours of an unfinished first day, then days of 24, 48 and 240 dollars.
        for hour in -5..72_i64 {
            let volume = [0.5, 1.0, 5.0][usize::try_from(hour.max(0) / 24).unwrap()];
            candles.push(hour * HOUR_MS, [2.0, 2.0, 2.0, 2.0], volume);
        }
        assert_eq!(daily_volume(&candles, 72 * HOUR_MS, 30), Some(48.0));
        assert_eq!(daily_volume(&candles, 72 * HOUR_MS, 2), Some((48.0 + 240.0) / 2.0));
        assert_eq!(daily_volume(&candles.slice(70..77), 72 * HOUR_MS, 30), Some(70.0));
        assert_eq!(daily_volume(&Candles::default(), 0, 30), None);
    }

    #[test]
    fn a_bar_that_has_not_closed_is_left_out() {
        let mut candles = Candles::default();
        for hour in 0..10 {
            candles.push(hour * HOUR_MS, [1.0; 4], 1.0);
        }
        let times = |from, to, now| between(&candles, from, to, now, Timeframe::H1).timestamp;
        assert_eq!(times(2 * HOUR_MS, 4 * HOUR_MS, 100 * HOUR_MS), [2 * HOUR_MS, 3 * HOUR_MS]);
        assert_eq!(times(7 * HOUR_MS, 99 * HOUR_MS, 9 * HOUR_MS), [7 * HOUR_MS, 8 * HOUR_MS]);
        assert_eq!(times(7 * HOUR_MS, 99 * HOUR_MS, 9 * HOUR_MS - 1), [7 * HOUR_MS]);
        assert_eq!(times(5 * HOUR_MS, 3 * HOUR_MS, 9 * HOUR_MS), Vec::<i64>::new());
    }
}
