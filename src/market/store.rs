//! The candle store: what is local and fresh first, then the remote, then only what is missing from the exchange.

mod cached;

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt;
use serde::Serialize;

use super::exchange::{Origin, between, utc};
use super::{Exchange, MarketError};
use crate::bars::{Candles, HOUR_MS, Timeframe};
use crate::settings::Settings;

use cached::Cached;
pub use cached::holds_simulated;

/// Where stored candles are shared between machines: `prefix` ends with a slash and is followed by `{SYMBOL}.parquet`.
#[derive(Debug, Clone)]
pub struct Remote {
    pub operator: opendal::Operator,
    pub prefix: String,
}

/// Where the candles of a symbol came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// All from the local file.
    Cache,
    /// All from the remote file.
    Remote,
    /// All from the exchange.
    Exchange,
    /// Stored ones, and what was missing from the exchange.
    Merged,
}

/// The candles of one symbol as asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Gathered {
    pub candles: Candles,
    pub source: Source,
    /// Bars that the exchange sent.
    pub downloaded: usize,
}

/// Gathers candles and keeps them in `{workdir}/data/candles`.
#[derive(Debug)]
pub struct Store<'a> {
    exchange: &'a Exchange,
    folder: PathBuf,
    remote: Option<Remote>,
    timeframe: Timeframe,
    cache_ms: i64,
    concurrency: usize,
    remote_timeout: Duration,
}

impl<'a> Store<'a> {
    pub fn new(workdir: &Path, settings: &Settings, exchange: &'a Exchange, remote: Option<Remote>) -> Self {
        Self {
            exchange,
            folder: workdir.join("data/candles"),
            remote,
            timeframe: settings.market.timeframe,
            cache_ms: (settings.market.cache_hours * HOUR_MS as f64) as i64,
            concurrency: settings.market.exchange.concurrency,
            remote_timeout: Duration::from_secs_f64(settings.market.exchange.timeout_s * 10.0),
        }
    }

    /// The local file of `symbol`.
    pub fn path(&self, symbol: &str) -> PathBuf {
        self.folder.join(format!("{symbol}.parquet"))
    }

    /// Gets the candles of every symbol that open in `[from_ms, to_ms)`, several symbols at a time; `progress` is told
    /// of each symbol as it is done. The results stand in the order of `symbols`; one failing symbol stops no other.
    pub async fn gather(
        &self,
        symbols: &[String],
        from_ms: i64,
        to_ms: i64,
        progress: impl Fn(&str, &Result<Gathered, MarketError>),
    ) -> Vec<(String, Result<Gathered, MarketError>)> {
        let progress = &progress;
        let one = |(at, symbol): (usize, &'_ String)| {
            let symbol = symbol.clone();
            async move {
                let result = self.one(&symbol, from_ms, to_ms).await;
                if let Err(error) = &result {
                    tracing::warn!(symbol, simulated = self.exchange.simulated(), "no candles: {error}");
                }
                progress(&symbol, &result);
                (at, symbol, result)
            }
        };
        let tasks: Vec<_> = symbols.iter().enumerate().map(one).collect();
        let mut done: Vec<_> = futures::stream::iter(tasks).buffer_unordered(self.concurrency.max(1)).collect().await;
        done.sort_by_key(|(at, _, _)| *at);
        done.into_iter().map(|(_, symbol, result)| (symbol, result)).collect()
    }

    async fn one(&self, symbol: &str, from_ms: i64, to_ms: i64) -> Result<Gathered, MarketError> {
        // Only bars that have closed count as asked for, and so as stored.
        let to_ms = to_ms.min(self.exchange.now_ms() - self.timeframe.ms() + 1);
        let path = self.path(symbol);
        let origin = self.exchange.origin(symbol, self.timeframe);
        let mut stored = Cached::local(&path, &origin, self.timeframe);
        let mut source = Source::Cache;
        if stored.is_none()
            && let Some(remote) = &self.remote
        {
            stored = self.restore(remote, symbol, &origin).await;
            source = Source::Remote;
        }
        if let Some(stored) = &stored
            && stored.covers(from_ms, to_ms, self.cache_ms)
        {
            if source == Source::Remote {
                stored.write(&path, &origin)?;
            }
            let candles = between(&stored.candles, from_ms, to_ms, self.exchange.now_ms(), self.timeframe);
            return self.answer(symbol, from_ms, to_ms, Gathered { candles, source, downloaded: 0 });
        }
        let base = stored.unwrap_or_else(|| Cached::nothing(from_ms));
        let mut fresh = base.clone();
        let mut downloaded = 0;
        for (start, end) in base.missing(from_ms, to_ms) {
            let part = self.exchange.candles(symbol, self.timeframe, start, end).await?;
            downloaded += part.len();
            fresh.add(part, start, end);
        }
        fresh.candles.validate(self.timeframe).map_err(|fault| MarketError::BadCandles {
            exchange: self.exchange.name().to_owned(),
            symbol: symbol.to_owned(),
            fault,
        })?;
        let candles = between(&fresh.candles, from_ms, to_ms, self.exchange.now_ms(), self.timeframe);
        let source = match (base.candles.is_empty(), downloaded) {
            (true, _) => Source::Exchange,
            (false, 0) => source,
            (false, _) => Source::Merged,
        };
        let gathered = self.answer(symbol, from_ms, to_ms, Gathered { candles, source, downloaded })?;
        fresh.write(&path, &origin)?;
        Ok(gathered)
    }

    /// The remote's copy, if there is a good one; whatever is wrong with it, the exchange can still be asked.
    async fn restore(&self, remote: &Remote, symbol: &str, origin: &Origin) -> Option<Cached> {
        let name = format!("{}{symbol}.parquet", remote.prefix);
        let read = match tokio::time::timeout(self.remote_timeout, remote.operator.read(&name)).await {
            Ok(read) => read,
            Err(_) => {
                tracing::warn!(symbol, "the remote did not answer in {} s", self.remote_timeout.as_secs_f64());
                return None;
            }
        };
        match read {
            Ok(bytes) => Cached::bytes(&self.folder, &bytes.to_vec(), symbol, origin, self.timeframe),
            Err(error) if error.kind() == opendal::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(symbol, "the remote candles cannot be read: {error}");
                None
            }
        }
    }

    fn answer(&self, symbol: &str, from_ms: i64, to_ms: i64, gathered: Gathered) -> Result<Gathered, MarketError> {
        if gathered.candles.is_empty() {
            return Err(MarketError::NoCandles {
                exchange: self.exchange.name().to_owned(),
                symbol: symbol.to_owned(),
                timeframe: self.timeframe,
                from: utc(from_ms),
                to: utc(to_ms),
            });
        }
        Ok(gathered)
    }
}

#[cfg(test)]
mod tests;
