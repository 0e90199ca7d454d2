//! A folder of candle files taken as an exchange, so that old candles can be studied.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::{MarketInfo, between, daily_volume, traded_share};
use crate::bars::{Candles, Timeframe};
use crate::market::{MarketError, read_folder};
use crate::settings::Settings;
use crate::shadow::MarketType;

/// One file a symbol: listed since its first bar, delisted when its last bar lies more than `market.max_gap_bars`
/// before the newest bar of the folder, daily volume the median of 24 h of close × volume.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    timeframe: Timeframe,
    kind: MarketType,
    now_ms: i64,
    lookback_days: u32,
    max_gap_bars: u32,
    /// By symbol, ascending.
    files: Vec<(String, Result<Candles, MarketError>)>,
}

impl Folder {
    /// Reads every file of `market.exchange.path`. Without `now_ms`, the present is the end of the newest bar.
    ///
    /// # Errors
    /// A folder that cannot be read or has no good file. A single bad file is an error of that symbol alone.
    pub fn open(settings: &Settings, now_ms: Option<i64>) -> Result<Self, MarketError> {
        let path = settings.market.exchange.path.clone();
        let timeframe = settings.market.timeframe;
        let (_, files) = read_folder(&path, Some(timeframe))?;
        let newest = files.iter().filter_map(|(_, c)| c.as_ref().ok()?.timestamp.last().copied()).max();
        let Some(newest) = newest else {
            let reason = match files.into_iter().find_map(|(_, candles)| candles.err()) {
                Some(error) => format!("has no good candle file; the first fault: {error}"),
                None => "has no candles at all".to_owned(),
            };
            return Err(MarketError::Folder { path, reason });
        };
        for (symbol, candles) in &files {
            if let Err(error) = candles {
                tracing::warn!(symbol = symbol.as_str(), "bad candle file: {error}");
            }
        }
        Ok(Self {
            path,
            timeframe,
            kind: settings.market.kind,
            now_ms: now_ms.unwrap_or(newest + timeframe.ms()),
            lookback_days: settings.market.lookback_days,
            max_gap_bars: settings.market.max_gap_bars,
            files,
        })
    }

    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Every symbol of the folder; one with a bad file has its fault and nothing else.
    pub fn markets(&self) -> Vec<MarketInfo> {
        let visible = |c: &Candles| between(c, i64::MIN, i64::MAX, self.now_ms, self.timeframe);
        let seen: Vec<Candles> = self.files.iter().map(|(_, c)| c.as_ref().map(visible).unwrap_or_default()).collect();
        let newest = seen.iter().filter_map(|c| c.timestamp.last().copied()).max();
        self.files.iter().zip(&seen).map(|((symbol, file), seen)| self.info(symbol, file, seen, newest)).collect()
    }

    /// `seen` are the rows that have closed by now, `newest` the newest bar of all files.
    fn info(
        &self,
        symbol: &str,
        file: &Result<Candles, MarketError>,
        seen: &Candles,
        newest: Option<i64>,
    ) -> MarketInfo {
        let (base, quote) = symbol.split_once('-').unwrap_or((symbol, ""));
        let last = seen.timestamp.last().copied();
        let end = last.map(|last| last + self.timeframe.ms());
        let longest_gap = i64::from(self.max_gap_bars) * self.timeframe.ms();
        let (_, _, dropped) = seen.without_gaps(self.timeframe, self.max_gap_bars);
        MarketInfo {
            symbol: symbol.to_owned(),
            base: base.to_owned(),
            quote: quote.to_owned(),
            kind: self.kind,
            active: match (last, newest) {
                (Some(last), Some(newest)) => newest - last <= longest_gap,
                _ => true,
            },
            // Of a coin that is not listed yet, the file tells when it will be.
            listed_ms: file.as_ref().ok().and_then(|c| c.timestamp.first().copied()),
            history_from_ms: seen.timestamp.get(dropped).copied(),
            daily_volume_usd: end.and_then(|end| daily_volume(seen, end, self.lookback_days)),
            spread_bps: None,
            activity: end.and_then(|end| traded_share(seen, end, self.lookback_days)),
            maker_fee_bps: None,
            taker_fee_bps: None,
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
            Some(Err(error)) => Err(again(error)),
        }
    }

    /// Digest of the whole file: a changed file makes stored copies stale.
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

/// The same reading error for another caller.
fn again(error: &MarketError) -> MarketError {
    match error {
        MarketError::Read(error) => MarketError::Read(error.clone()),
        MarketError::BadFile { path, fault } => MarketError::BadFile { path: path.clone(), fault: fault.clone() },
        other => MarketError::Folder { path: PathBuf::new(), reason: other.to_string() },
    }
}
