//! The candle store: uses fresh local candles first, then the remote, and downloads only what is missing.

mod cached;
mod markets;

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt;
use serde::Serialize;

use super::exchange::{Origin, between, utc};
use super::{Exchange, MarketError};
use crate::bars::{Candles, HOUR_MS, Timeframe};
use crate::settings::Settings;
use crate::shadow::MarketType;

use cached::Cached;
pub use cached::holds_simulated;

/// A remote that shares stored candles between machines.
#[derive(Debug, Clone)]
pub struct CandleRemote {
    /// Access to the remote.
    pub operator: opendal::Operator,
    /// Path before `{SYMBOL}.parquet`, ending in a slash.
    pub prefix: String,
}

/// Where the candles of a symbol came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CandleSource {
    /// Only from the local file.
    Cache,
    /// Only from the remote file.
    Remote,
    /// Only from the exchange.
    Exchange,
    /// From a stored file, with missing bars from the exchange.
    Merged,
}

/// The candles of one symbol in the requested range.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchedCandles {
    /// The bars, ascending.
    pub candles: Candles,
    /// Where they came from.
    pub source: CandleSource,
    /// Number of bars downloaded from the exchange.
    pub downloaded: usize,
}

/// Fetches candles and stores them in `{workdir}/data/candles`.
#[derive(Debug)]
pub struct CandleStore<'a> {
    exchange: &'a Exchange,
    folder: PathBuf,
    remote: Option<CandleRemote>,
    timeframe: Timeframe,
    kind: MarketType,
    cache_ms: i64,
    concurrency: usize,
    remote_timeout: Duration,
}

impl<'a> CandleStore<'a> {
    /// A store below `workdir` that downloads from `exchange` and, if there is one, reads `remote` first.
    pub fn new(workdir: &Path, settings: &Settings, exchange: &'a Exchange, remote: Option<CandleRemote>) -> Self {
        Self {
            exchange,
            folder: workdir.join("data/candles"),
            remote,
            timeframe: settings.market.timeframe,
            kind: settings.market.kind,
            cache_ms: (settings.market.cache_hours * HOUR_MS as f64) as i64,
            concurrency: settings.market.exchange.concurrency,
            remote_timeout: Duration::from_secs_f64(settings.market.exchange.timeout_s * 10.0),
        }
    }

    /// The local file of `symbol`.
    pub fn path(&self, symbol: &str) -> PathBuf {
        self.folder.join(format!("{symbol}.parquet"))
    }

    /// Fetches the candles of every symbol that open in `[from_ms, to_ms)`, several symbols at a time.
    ///
    /// `progress` is called for each symbol when it is done. The results are in the order of `symbols`; a symbol that
    /// fails does not stop the others.
    pub async fn fetch(
        &self,
        symbols: &[String],
        from_ms: i64,
        to_ms: i64,
        progress: impl Fn(&str, &Result<FetchedCandles, MarketError>),
    ) -> Vec<(String, Result<FetchedCandles, MarketError>)> {
        let progress = &progress;
        let task = |(at, symbol): (usize, &'_ String)| {
            let symbol = symbol.clone();
            async move {
                let result = self.fetch_one(&symbol, from_ms, to_ms).await;
                if let Err(error) = &result {
                    tracing::warn!(symbol, simulated = self.exchange.simulated(), "cannot get candles: {error}");
                }
                progress(&symbol, &result);
                (at, symbol, result)
            }
        };
        let tasks: Vec<_> = symbols.iter().enumerate().map(task).collect();
        let mut done: Vec<_> = futures::stream::iter(tasks).buffer_unordered(self.concurrency.max(1)).collect().await;
        done.sort_by_key(|(at, _, _)| *at);
        done.into_iter().map(|(_, symbol, result)| (symbol, result)).collect()
    }

    async fn fetch_one(&self, symbol: &str, from_ms: i64, to_ms: i64) -> Result<FetchedCandles, MarketError> {
        // Only closed bars count as requested, and so as stored.
        let to_ms = to_ms.min(self.exchange.now_ms() - self.timeframe.ms() + 1);
        let path = self.path(symbol);
        let origin = self.exchange.origin(symbol, self.timeframe);
        let mut stored = Cached::local(&path, &origin, self.timeframe);
        let mut source = CandleSource::Cache;
        if stored.is_none()
            && let Some(remote) = &self.remote
        {
            stored = self.restore(remote, symbol, &origin).await;
            source = CandleSource::Remote;
        }
        if let Some(stored) = &stored
            && stored.covers(from_ms, to_ms, self.cache_ms)
        {
            if source == CandleSource::Remote {
                stored.write(&path, &origin)?;
            }
            let candles = between(&stored.candles, from_ms, to_ms, self.exchange.now_ms(), self.timeframe);
            return self.non_empty(symbol, from_ms, to_ms, FetchedCandles { candles, source, downloaded: 0 });
        }
        let base = stored.unwrap_or_else(|| Cached::empty(from_ms));
        let mut fresh = base.clone();
        let mut downloaded = 0;
        for (start, end) in base.missing(from_ms, to_ms) {
            let new_bars = self.exchange.candles(symbol, self.timeframe, start, end).await?;
            downloaded += new_bars.len();
            fresh.add(new_bars, start, end);
        }
        fresh.candles.validate(self.timeframe).map_err(|fault| MarketError::BadCandles {
            exchange: self.exchange.name().to_owned(),
            symbol: symbol.to_owned(),
            fault,
        })?;
        let candles = between(&fresh.candles, from_ms, to_ms, self.exchange.now_ms(), self.timeframe);
        let source = match (base.candles.is_empty(), downloaded) {
            (true, _) => CandleSource::Exchange,
            (false, 0) => source,
            (false, _) => CandleSource::Merged,
        };
        let fetched = self.non_empty(symbol, from_ms, to_ms, FetchedCandles { candles, source, downloaded })?;
        fresh.write(&path, &origin)?;
        Ok(fetched)
    }

    /// The remote's copy, if it is usable; on any error the caller can still download.
    async fn restore(&self, remote: &CandleRemote, symbol: &str, origin: &Origin) -> Option<Cached> {
        let name = format!("{}{symbol}.parquet", remote.prefix);
        let read = match tokio::time::timeout(self.remote_timeout, remote.operator.read(&name)).await {
            Ok(read) => read,
            Err(_) => {
                let seconds = self.remote_timeout.as_secs_f64();
                tracing::warn!(
                    symbol,
                    "the remote did not respond within {seconds} s; downloading the candles instead"
                );
                return None;
            }
        };
        match read {
            Ok(bytes) => Cached::from_bytes(&self.folder, &bytes.to_vec(), symbol, origin, self.timeframe),
            Err(error) if error.kind() == opendal::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(symbol, "cannot read the remote candles, downloading them instead: {error}");
                None
            }
        }
    }

    fn non_empty(
        &self,
        symbol: &str,
        from_ms: i64,
        to_ms: i64,
        fetched: FetchedCandles,
    ) -> Result<FetchedCandles, MarketError> {
        if fetched.candles.is_empty() {
            return Err(MarketError::NoCandles {
                exchange: self.exchange.name().to_owned(),
                symbol: symbol.to_owned(),
                timeframe: self.timeframe,
                from: utc(from_ms),
                to: utc(to_ms),
            });
        }
        Ok(fetched)
    }
}

#[cfg(test)]
mod tests;
