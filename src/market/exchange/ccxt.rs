//! Live exchanges through the ccxt library: Binance, Coinbase and Kraken.

mod engine;
mod funding;

use std::time::Duration;

use ccxt::Value;
use ccxt::types::{Market, Ticker};
use futures::StreamExt;
use tokio::sync::OnceCell;

use super::{MarketInfo, utc};
use crate::bars::{Candles, DAY_MS, Timeframe, believed_spread_bps};
use crate::market::MarketError;
use crate::market::universe::is_pegged;
use crate::settings::Settings;
use crate::shadow::MarketType;

use engine::ClientPool;

/// Quote currencies whose amounts count as dollars.
const DOLLARS: &[&str] = &["USDT", "USDC", "USD", "FDUSD", "TUSD", "BUSD", "DAI", "USDP"];

/// A live exchange. Candles are downloaded in pages, within the exchange's rate limit, with retries.
#[derive(Debug)]
pub struct Ccxt {
    clients: ClientPool,
    listed: OnceCell<Value>,
    kind: MarketType,
    quote: String,
    now_ms: i64,
    concurrency: usize,
    /// Days of history needed to decide whether a coin is old enough.
    age_days: i64,
    min_daily_volume_usd: f64,
    /// Spread of a market whose quote is not believed, basis points.
    usual_spread_bps: f64,
}

/// How an exchange pages its candles.
struct Paging {
    /// Most bars per page.
    bars: i64,
    /// The response starts at the first bar that exists, even if that is after the requested time. An empty response
    /// then means that nothing follows.
    skips_ahead: bool,
}

impl Ccxt {
    /// The exchange `market.exchange.name`. Without `now_ms`, the present is the clock's.
    ///
    /// # Errors
    /// An unknown exchange name.
    pub fn new(settings: &Settings, now_ms: Option<i64>) -> Result<Self, MarketError> {
        Self::at(settings, now_ms, None)
    }

    /// Like [`Ccxt::new`], with every public address of the exchange replaced by `address`, for tests on loopback.
    fn at(settings: &Settings, now_ms: Option<i64>, address: Option<&str>) -> Result<Self, MarketError> {
        let folds = &settings.folds;
        let window = f64::from(folds.train_days + folds.purge_days + folds.test_days);
        Ok(Self {
            clients: ClientPool::new(&settings.market.exchange, settings.market.kind, address)?,
            listed: OnceCell::new(),
            kind: settings.market.kind,
            quote: settings.market.quote.clone(),
            now_ms: now_ms.unwrap_or_else(|| chrono::Utc::now().timestamp_millis()),
            concurrency: settings.market.exchange.concurrency,
            age_days: settings.universe.min_age_days.max(window).ceil() as i64 + 1,
            min_daily_volume_usd: settings.universe.min_daily_volume_usd,
            usual_spread_bps: settings.costs.spread_bps,
        })
    }

    /// The exchange's name in the settings.
    pub fn name(&self) -> &str {
        self.clients.name()
    }

    /// The run's present, milliseconds since 1970 UTC.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    pub(super) fn kind_name(&self) -> &'static str {
        match self.kind {
            MarketType::Spot => "spot",
            MarketType::Perp => "perp",
        }
    }

    /// Every market of `market.type`, with its last 24 hours, sorted by symbol.
    ///
    /// If the exchange does not report listing dates, the age of the coins that could be used is looked up, but only
    /// as far back as matters: `listed_ms` may be later than the true listing.
    ///
    /// # Errors
    /// An exchange that cannot be reached or lists nothing, after all retries.
    pub async fn markets(&self) -> Result<Vec<MarketInfo>, MarketError> {
        let listed = self.listed().await?;
        let params = match self.kind {
            MarketType::Spot => ccxt::Params::none(),
            MarketType::Perp => ccxt::Params::new().with_str("type", "swap").with_str("subType", "linear"),
        };
        let args = vec![Value::Null, params.into_value()];
        let tickers = self.clients.call("reading the tickers", "fetch_tickers", args, ticker_map).await?;
        let rows = listed.as_array().map(Vec::as_slice).unwrap_or_default();
        let mut markets: Vec<MarketInfo> = rows
            .iter()
            .map(|row| Market::from_value(row.clone()))
            .filter(|market| self.is_of_kind(market))
            .map(|market| {
                let ticker = tickers.as_map().and_then(|all| all.get(&market.symbol)).cloned();
                self.info(&market, ticker.map(Ticker::from_value))
            })
            .collect();
        markets.sort_by(|a, b| a.symbol.cmp(&b.symbol));
        markets.dedup_by(|a, b| a.symbol == b.symbol);
        self.look_up_ages(&mut markets).await;
        Ok(markets)
    }

    /// The exchange's list of markets, which every client needs; downloaded once.
    async fn listed(&self) -> Result<&Value, MarketError> {
        let fetch = || async {
            let listed = self.clients.call("listing the markets", "fetch_markets", vec![], market_list).await?;
            // A client indexes its markets when it is created; indexing thousands that are never requested would take
            // seconds.
            let rows = listed.as_array().map(Vec::as_slice).unwrap_or_default();
            let quoted = |row: &&Value| ccxt::safe_string(row, "quote", None).as_ref() == Some(&self.quote);
            self.clients.share_markets(Value::array(rows.iter().filter(quoted).cloned().collect()));
            Ok(listed)
        };
        self.listed.get_or_try_init(fetch).await
    }

    fn is_of_kind(&self, market: &Market) -> bool {
        match self.kind {
            MarketType::Spot => market.spot,
            MarketType::Perp => market.swap && market.linear == Some(true),
        }
    }

    fn info(&self, market: &Market, ticker: Option<Ticker>) -> MarketInfo {
        let ticker = ticker.unwrap_or_default();
        let quote_volume = ticker.quote_volume.or_else(|| Some(ticker.base_volume? * ticker.last?));
        let daily_volume_usd = quote_volume.filter(|_| DOLLARS.contains(&market.quote.as_str()));
        let info = ccxt::get_value(&ticker.raw, &Value::from("info"));
        MarketInfo {
            spread_bps: self.spread_bps(market, &ticker, daily_volume_usd),
            symbol: format!("{}-{}", market.base, market.quote),
            base: market.base.clone(),
            quote: market.quote.clone(),
            kind: self.kind,
            active: market.active,
            listed_ms: ccxt::safe_integer(&market.raw, "created", None),
            history_from_ms: None,
            daily_volume_usd,
            activity: ccxt::safe_number(&info, "count", None),
            tick: market.precision.price,
            lot: market.precision.amount,
            min_notional: market.limits.cost.min,
            maker_fee_bps: market.maker.map(|fee| fee * 1e4),
            taker_fee_bps: market.taker.map(|fee| fee * 1e4),
            fault: None,
        }
    }

    /// The quoted spread of a market, as far as it is believed, basis points.
    fn spread_bps(&self, market: &Market, ticker: &Ticker, daily_volume_usd: Option<f64>) -> Option<f64> {
        let (bid, ask) = (ticker.bid.filter(|bid| *bid > 0.0)?, ticker.ask?);
        if ask < bid {
            return None;
        }
        let quoted_bps = 2e4 * (ask - bid) / (ask + bid);
        // The last trade says more of a price than an empty book.
        let price = ticker.last.filter(|last| *last > 0.0).unwrap_or(0.5 * (bid + ask));
        let believed_bps = believed_spread_bps(quoted_bps, self.usual_spread_bps, market.precision.price, price);
        let may_be_chosen =
            market.quote == self.quote && daily_volume_usd.is_some_and(|volume| volume >= self.min_daily_volume_usd);
        if believed_bps < quoted_bps && may_be_chosen {
            let symbol = format!("{}-{}", market.base, market.quote);
            tracing::warn!(
                symbol,
                "the quoted spread of {quoted_bps:.0} bps ({bid} to {ask}) is not believed: it counts as {believed_bps:.0} bps"
            );
        }
        Some(believed_bps)
    }

    /// Looks up the first daily bar of each market that passes every other filter.
    async fn look_up_ages(&self, markets: &mut [MarketInfo]) {
        let is_candidate = |m: &MarketInfo| {
            let traded = m.daily_volume_usd.is_some_and(|volume| volume >= self.min_daily_volume_usd);
            m.listed_ms.is_none() && m.active && m.quote == self.quote && traded && !is_pegged(&m.base)
        };
        let undated: Vec<(usize, String)> =
            markets.iter().enumerate().filter(|(_, m)| is_candidate(m)).map(|(at, m)| (at, m.symbol.clone())).collect();
        let look = |(at, symbol): (usize, String)| async move {
            // One page is one request; no filter needs an exact age beyond it.
            let days = self.age_days.min(self.paging().bars - 10);
            let since = (self.now_ms - days * DAY_MS).div_euclid(DAY_MS) * DAY_MS;
            (at, self.page(&symbol, Timeframe::D1, since, self.paging().bars).await, symbol)
        };
        let found: Vec<_> = futures::stream::iter(undated).map(look).buffer_unordered(self.concurrency).collect().await;
        for (at, page, symbol) in found {
            match page {
                Ok(page) => markets[at].listed_ms = page.first().map(|bar| bar.0),
                Err(error) => tracing::warn!(symbol, "cannot look up the coin's age: {error}"),
            }
        }
    }

    /// The candles that open in `[from_ms, to_ms)` and have closed by now, page by page.
    ///
    /// # Errors
    /// An unknown symbol, or an exchange that cannot be reached or sends no candles, after all retries.
    pub async fn candles(
        &self,
        symbol: &str,
        timeframe: Timeframe,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Candles, MarketError> {
        let step = timeframe.ms();
        let end = to_ms.min(self.now_ms - step + 1);
        let paging = self.paging();
        if self.name() == "kraken" && from_ms < self.now_ms - paging.bars * step {
            tracing::warn!(symbol, "kraken serves only the newest {} bars; earlier history is missing", paging.bars);
        }
        let mut out = Candles::default();
        let mut since = from_ms;
        while since < end {
            let mut page = self.page(symbol, timeframe, since, paging.bars).await?;
            if page.is_empty() && !paging.skips_ahead {
                // A window without bars looks like a truncated response, so an empty page must come twice.
                page = self.page(symbol, timeframe, since, paging.bars).await?;
            }
            for &(time, prices, volume) in &page {
                if (since..end).contains(&time) && out.timestamp.last().is_none_or(|&last| time > last) {
                    out.push(time, prices, volume);
                }
            }
            since = match page.last() {
                Some(&(last, ..)) if paging.skips_ahead => (last + step).max(since + step),
                None if paging.skips_ahead => break,
                _ => since + paging.bars * step,
            };
        }
        Ok(out)
    }

    /// One page of bars from `since_ms` on.
    async fn page(
        &self,
        symbol: &str,
        timeframe: Timeframe,
        since_ms: i64,
        bars: i64,
    ) -> Result<Vec<Bar>, MarketError> {
        let ccxt_symbol = self.ccxt_symbol(symbol)?;
        self.listed().await?;
        let args = vec![
            Value::from(ccxt_symbol),
            Value::from(timeframe.to_string()),
            Value::Int(since_ms),
            Value::Int(bars),
            ccxt::Params::none().into_value(),
        ];
        // An exchange that starts at the first existing bar always has one for a market older than two bars. An empty
        // response is then a connection error, and accepting it would silently cut the history.
        let expected = self.paging().skips_ahead && since_ms < self.now_ms - 2 * timeframe.ms();
        let what = format!("reading {symbol} {timeframe} from {}", utc(since_ms));
        let check = move |answer: Value| {
            let bars = bars_of(&answer)?;
            if bars.is_empty() && expected {
                return Err("no candles in the response (suspended market or truncated response)".to_owned());
            }
            Ok(bars)
        };
        self.clients.call(&what, "fetch_ohlcv", args, check).await
    }

    /// The library's name of a market.
    fn ccxt_symbol(&self, symbol: &str) -> Result<String, MarketError> {
        let unknown = || MarketError::UnknownSymbol { exchange: self.name().into(), symbol: symbol.into() };
        let (base, quote) = symbol.rsplit_once('-').ok_or_else(unknown)?;
        Ok(match self.kind {
            MarketType::Spot => format!("{base}/{quote}"),
            MarketType::Perp => format!("{base}/{quote}:{quote}"),
        })
    }

    fn paging(&self) -> Paging {
        match self.name() {
            "coinbase" => Paging { bars: 300, skips_ahead: false },
            // Kraken always returns the newest 720 bars of a timeframe.
            "kraken" => Paging { bars: 720, skips_ahead: true },
            _ => Paging { bars: 1000, skips_ahead: true },
        }
    }
}

/// Open time, prices (open, high, low, close) and volume.
type Bar = (i64, [f64; 4], f64);

fn bars_of(answer: &Value) -> Result<Vec<Bar>, String> {
    let rows = answer.as_array().ok_or_else(|| "the response is not a list of candles".to_owned())?;
    let bar = |row: &Value| -> Option<Bar> {
        let fields = row.as_array()?;
        let number = |at: usize| fields.get(at)?.as_f64().filter(|n| n.is_finite());
        let prices = [number(1)?, number(2)?, number(3)?, number(4)?];
        Some((fields.first()?.as_i64()?, prices, number(5)?))
    };
    let bars: Option<Vec<Bar>> = rows.iter().map(bar).collect();
    let mut bars = bars.ok_or_else(|| "a candle in the response has a missing or invalid number".to_owned())?;
    bars.sort_by_key(|bar| bar.0);
    Ok(bars)
}

fn market_list(answer: Value) -> Result<Value, String> {
    match answer.as_array() {
        Some(rows) if !rows.is_empty() => Ok(answer),
        _ => Err("the response lists no markets".to_owned()),
    }
}

fn ticker_map(answer: Value) -> Result<Value, String> {
    match answer.as_map() {
        Some(map) if !map.is_empty() => Ok(answer),
        _ => Err("the response holds no tickers".to_owned()),
    }
}

/// Pause before the next try after `tries` failed ones. It doubles from a twentieth of the request timeout to 30 s;
/// if the exchange limits the rate, from a fifth. A random part of up to half is subtracted, so that many clients do
/// not retry at once.
fn pause(tries: u32, timeout: Duration, rate_limited: bool, random: f64) -> Duration {
    let first = timeout.as_secs_f64() / 20.0 * if rate_limited { 4.0 } else { 1.0 };
    let doubled = (first * f64::from(1_u32 << tries.saturating_sub(1).min(16))).min(30.0);
    Duration::from_secs_f64(doubled * (1.0 - 0.5 * random))
}

#[cfg(test)]
mod tests;
