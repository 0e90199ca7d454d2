//! A folder of candle files as an exchange, so that a run can use historical candles.

use std::collections::BTreeMap;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::{MarketInfo, between, daily_volume, traded_share};
use crate::bars::{Candles, FundingHistory, MarketTerms, Timeframe};
use crate::market::{FolderMarkets, MarketError, read_folder, read_markets};
use crate::settings::Settings;
use crate::shadow::MarketType;

/// A market with one file per symbol.
///
/// A symbol is listed since its first bar, and delisted if its last bar is more than `market.max_gap_bars` before the
/// newest bar of the folder. Its daily volume is the median over whole days of the sum of close × volume.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    timeframe: Timeframe,
    kind: MarketType,
    now_ms: i64,
    lookback_days: u32,
    max_gap_bars: u32,
    /// Sorted by symbol.
    files: Vec<(String, Result<Candles, MarketError>)>,
    terms: BTreeMap<String, MarketTerms>,
    funding: BTreeMap<String, Result<FundingHistory, MarketError>>,
}

impl Folder {
    /// Reads every file of `market.exchange.path`. Without `now_ms`, the present is the end of the newest bar.
    ///
    /// # Errors
    /// A folder that cannot be read or has no valid file, or a bad `markets.json`. A single bad file of candles or funding is
    /// an error only of its symbol.
    pub fn open(settings: &Settings, now_ms: Option<i64>) -> Result<Self, MarketError> {
        let path = settings.market.exchange.path.clone();
        let timeframe = settings.market.timeframe;
        let (_, files) = read_folder(&path, Some(timeframe))?;
        let newest = files.iter().filter_map(|(_, c)| c.as_ref().ok()?.timestamp.last().copied()).max();
        let Some(newest) = newest else {
            let reason = match files.into_iter().find_map(|(_, candles)| candles.err()) {
                Some(error) => format!("has no valid candle file; the first error: {error}"),
                None => "has no candles".to_owned(),
            };
            return Err(MarketError::Folder { path, reason });
        };
        for (symbol, candles) in &files {
            if let Err(error) = candles {
                tracing::warn!(symbol = symbol.as_str(), "bad candle file: {error}");
            }
        }
        let FolderMarkets { terms, funding } = read_markets(&path, settings.market.kind)?;
        Ok(Self {
            path,
            timeframe,
            kind: settings.market.kind,
            now_ms: now_ms.unwrap_or(newest + timeframe.ms()),
            lookback_days: settings.market.lookback_days,
            max_gap_bars: settings.market.max_gap_bars,
            files,
            terms,
            funding,
        })
    }

    /// The run's present, milliseconds since 1970 UTC.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Every symbol of the folder. A symbol with a bad file has only its `fault` set.
    pub fn markets(&self) -> Vec<MarketInfo> {
        let visible = |c: &Candles| between(c, i64::MIN, i64::MAX, self.now_ms, self.timeframe);
        let closed: Vec<Candles> =
            self.files.iter().map(|(_, c)| c.as_ref().map(visible).unwrap_or_default()).collect();
        let newest = closed.iter().filter_map(|c| c.timestamp.last().copied()).max();
        self.files.iter().zip(&closed).map(|((symbol, file), closed)| self.info(symbol, file, closed, newest)).collect()
    }

    /// `closed` holds the rows that have closed by now; `newest` is the time of the newest bar of all files.
    fn info(
        &self,
        symbol: &str,
        file: &Result<Candles, MarketError>,
        closed: &Candles,
        newest: Option<i64>,
    ) -> MarketInfo {
        let (base, quote) = symbol.split_once('-').unwrap_or((symbol, ""));
        let last = closed.timestamp.last().copied();
        let end = last.map(|last| last + self.timeframe.ms());
        let longest_gap = i64::from(self.max_gap_bars) * self.timeframe.ms();
        let terms = self.terms.get(symbol).copied().unwrap_or_default();
        let (_, _, dropped) = closed.without_gaps(self.timeframe, self.max_gap_bars);
        MarketInfo {
            symbol: symbol.to_owned(),
            base: base.to_owned(),
            quote: quote.to_owned(),
            kind: self.kind,
            active: match (last, newest) {
                (Some(last), Some(newest)) => newest - last <= longest_gap,
                _ => true,
            },
            // Taken from the whole file: it also covers a coin that is listed after the present.
            listed_ms: file.as_ref().ok().and_then(|c| c.timestamp.first().copied()),
            history_from_ms: closed.timestamp.get(dropped).copied(),
            daily_volume_usd: end.and_then(|end| daily_volume(closed, end, self.lookback_days)),
            spread_bps: terms.spread_bps,
            activity: end.and_then(|end| traded_share(closed, end, self.lookback_days)),
            tick: terms.tick,
            lot: terms.lot,
            min_notional: terms.min_notional,
            maker_fee_bps: terms.maker_fee_bps,
            taker_fee_bps: terms.taker_fee_bps,
            fault: file.as_ref().err().map(ToString::to_string),
        }
    }

    /// The file's rows that open in `[from_ms, to_ms)` and have closed by now.
    ///
    /// # Errors
    /// No such file, a bad one, or one of another timeframe.
    pub fn candles(
        &self,
        symbol: &str,
        timeframe: Timeframe,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Candles, MarketError> {
        if timeframe != self.timeframe {
            let reason = format!("holds {} candles, not {timeframe}", self.timeframe);
            return Err(MarketError::Folder { path: self.path.clone(), reason });
        }
        match self.file(symbol) {
            None => {
                Err(MarketError::UnknownSymbol { exchange: self.path.display().to_string(), symbol: symbol.into() })
            }
            Some(Ok(candles)) => Ok(between(candles, from_ms, to_ms, self.now_ms, timeframe)),
            Some(Err(error)) => Err(copy_of(error)),
        }
    }

    /// The funding of a perpetual, if the folder has a file of it.
    ///
    /// # Errors
    /// A bad file.
    pub fn funding(&self, symbol: &str) -> Result<Option<&FundingHistory>, MarketError> {
        self.funding.get(symbol).map(|read| read.as_ref().map_err(copy_of)).transpose()
    }

    /// Digest of the whole file, so that a changed file invalidates stored copies.
    pub(super) fn detail(&self, symbol: &str) -> String {
        let Some(Ok(candles)) = self.file(symbol) else { return String::new() };
        let mut hash = Sha256::new();
        candles.timestamp.iter().for_each(|t| hash.update(t.to_le_bytes()));
        for column in [&candles.open, &candles.high, &candles.low, &candles.close, &candles.volume] {
            column.iter().for_each(|v| hash.update(v.to_bits().to_le_bytes()));
        }
        crate::text::hex(&hash.finalize())
    }

    fn file(&self, symbol: &str) -> Option<&Result<Candles, MarketError>> {
        let at = self.files.binary_search_by(|(s, _)| s.as_str().cmp(symbol)).ok()?;
        Some(&self.files[at].1)
    }
}

/// A copy of a read error, which cannot be cloned.
fn copy_of(error: &MarketError) -> MarketError {
    match error {
        MarketError::Read(error) => MarketError::Read(error.clone()),
        MarketError::BadFile { path, fault } => MarketError::BadFile { path: path.clone(), fault: fault.clone() },
        MarketError::BadFunding { path, fault } => MarketError::BadFunding { path: path.clone(), fault: fault.clone() },
        other => MarketError::Folder { path: PathBuf::new(), reason: other.to_string() },
    }
}
