//! The adapter against a fake exchange on loopback that responds like the real ones, or fails on request.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::bars::HOUR_MS;
use crate::market::select;

const NOW: i64 = 1_764_547_200_000; // 2025-12-01

/// What the exchange does instead of responding normally.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    TooMany,
    Broken,
    Hang,
    Cut,
    Garbage,
    Empty,
    UnknownSymbol,
}

struct Fake {
    address: String,
    /// Faults of the next klines requests, in order.
    faults: Arc<Mutex<Vec<Fault>>>,
    requests: Arc<AtomicUsize>,
}

impl Fake {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (faults, requests) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (f, r) = (faults.clone(), requests.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (f, r) = (f.clone(), r.clone());
                std::thread::spawn(move || serve(stream, &f, &r));
            }
        });
        Self { address, faults, requests }
    }

    fn inject(&self, faults: &[Fault]) {
        *self.faults.lock().unwrap() = faults.to_vec();
    }

    fn exchange(&self, change: impl FnOnce(&mut Settings)) -> Ccxt {
        let mut settings = settings();
        change(&mut settings);
        Ccxt::at(&settings, Some(NOW), Some(&self.address)).unwrap()
    }
}

fn settings() -> Settings {
    let mut settings = Settings::defaults();
    settings.market.exchange.kind = crate::settings::ExchangeKind::Ccxt;
    settings.market.exchange.timeout_s = 1.0;
    settings.market.exchange.retries = 4;
    settings
}

fn serve(mut stream: TcpStream, faults: &Mutex<Vec<Fault>>, requests: &AtomicUsize) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|w| w == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(n) => request.extend_from_slice(&buffer[..n]),
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let target = request.split(' ').nth(1).unwrap_or_default().to_owned();
    requests.fetch_add(1, Ordering::SeqCst);
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let fault = match path {
        "/api/v3/klines" => {
            let mut faults = faults.lock().unwrap();
            if faults.is_empty() { None } else { Some(faults.remove(0)) }
        }
        _ => None,
    };
    let (status, body) = match (fault, path) {
        (Some(Fault::TooMany), _) => {
            ("429 Too Many Requests", r#"{"code":-1003,"msg":"Too many requests."}"#.to_owned())
        }
        (Some(Fault::Broken), _) => ("500 Internal Server Error", "<html>oops</html>".to_owned()),
        (Some(Fault::Hang), _) => {
            std::thread::sleep(Duration::from_secs(3));
            return;
        }
        (Some(Fault::Cut), _) => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n[[17645");
            return;
        }
        (Some(Fault::Garbage), _) => ("200 OK", r#"[["soon","1","x",{}]]"#.to_owned()),
        (Some(Fault::Empty), _) => ("200 OK", "this is not JSON".to_owned()),
        (Some(Fault::UnknownSymbol), _) => ("400 Bad Request", r#"{"code":-1121,"msg":"Invalid symbol."}"#.to_owned()),
        (None, "/api/v3/exchangeInfo") => ("200 OK", exchange_info()),
        (None, "/api/v3/ticker/24hr") => ("200 OK", tickers()),
        (None, "/api/v3/klines") => ("200 OK", klines(query)),
        (None, "/fapi/v1/exchangeInfo") => ("200 OK", perpetuals()),
        (None, "/fapi/v1/fundingRate") => ("200 OK", funding(query)),
        (None, "/0/public/AssetPairs") => ("200 OK", kraken_pairs()),
        (None, "/0/public/Ticker") => ("200 OK", kraken_tickers()),
        (None, "/0/public/OHLC") => ("200 OK", kraken_bars(query)),
        (None, "/api/v3/brokerage/market/products") => ("200 OK", coinbase_products()),
        (None, "/api/v3/brokerage/market/products/BTC-USD/candles") => ("200 OK", coinbase_bars(query)),
        _ => ("404 Not Found", r#"{"code":-1,"msg":"no such path"}"#.to_owned()),
    };
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n");
    let _ = stream.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes());
}

/// Base, quote and status of each market.
const PAIRS: &[(&str, &str, &str)] = &[
    ("BTC", "USDT", "TRADING"),
    ("ETH", "USDT", "TRADING"),
    ("NEW", "USDT", "TRADING"),
    ("USDC", "USDT", "TRADING"),
    ("OLD", "USDT", "BREAK"),
    ("THIN", "USDT", "TRADING"),
    ("ETH", "BTC", "TRADING"),
];

fn exchange_info() -> String {
    let pair = |(base, quote, status): &(&str, &str, &str)| {
        serde_json::json!({
            "symbol": format!("{base}{quote}"), "status": status, "baseAsset": base, "baseAssetPrecision": 8,
            "quoteAsset": quote, "quotePrecision": 8, "quoteAssetPrecision": 8, "orderTypes": ["LIMIT", "MARKET"],
            "isSpotTradingAllowed": true, "isMarginTradingAllowed": false, "permissions": [],
            "permissionSets": [["SPOT"]],
            "filters": [
                {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
                {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000.0", "stepSize": "0.00001"},
                {"filterType": "NOTIONAL", "minNotional": "5.0", "applyMinToMarket": true, "maxNotional": "9000000.0"}
            ]
        })
    };
    // A market list as long as the real one.
    let many: Vec<String> = (0..1500).map(|i| format!("C{i}")).collect();
    let more: Vec<(&str, &str, &str)> = many
        .iter()
        .map(|base| (base.as_str(), if base.ends_with('7') { "USDT" } else { "FDUSD" }, "TRADING"))
        .collect();
    let symbols: Vec<_> = PAIRS.iter().chain(&more).map(pair).collect();
    serde_json::json!({"timezone": "UTC", "serverTime": NOW, "rateLimits": [], "exchangeFilters": [], "symbols": symbols})
        .to_string()
}

fn perpetuals() -> String {
    serde_json::json!({"timezone": "UTC", "serverTime": NOW, "rateLimits": [], "exchangeFilters": [], "assets": [],
    "symbols": [{
        "symbol": "BTCUSDT", "pair": "BTCUSDT", "contractType": "PERPETUAL", "deliveryDate": 4_133_404_800_000_i64,
        "onboardDate": NOW - 3000 * DAY_MS, "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
        "marginAsset": "USDT", "pricePrecision": 2, "quantityPrecision": 3, "baseAssetPrecision": 8,
        "quotePrecision": 8, "underlyingType": "COIN", "orderTypes": ["LIMIT", "MARKET"], "timeInForce": ["GTC"],
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.10", "maxPrice": "1000000.00", "tickSize": "0.10"},
            {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
            {"filterType": "MIN_NOTIONAL", "notional": "100"}
        ]
    }]})
    .to_string()
}

const EIGHT_HOURS: i64 = 8 * HOUR_MS;

/// A payment every eight hours since 700 days, at most `limit` from `startTime` on. Like the real exchange, the payments are
/// some milliseconds late.
fn funding(query: &str) -> String {
    let get = |name: &str| query.split('&').find_map(|p| p.strip_prefix(&format!("{name}="))).unwrap_or_default();
    let start = get("startTime").parse::<i64>().unwrap().max(NOW - 700 * DAY_MS);
    let limit: usize = get("limit").parse().unwrap();
    assert!(limit <= 1000, "the exchange sends no more");
    let first = (start + EIGHT_HOURS - 1).div_euclid(EIGHT_HOURS) * EIGHT_HOURS;
    let times = (0..).map(|i| first + i * EIGHT_HOURS).take_while(|&time| time <= NOW).take(limit);
    let one = |time: i64| {
        serde_json::json!({"symbol": "BTCUSDT", "fundingTime": time + 3, "fundingRate": format!("{:.8}", rate_at(time)),
            "markPrice": "100.0"})
    };
    serde_json::Value::from(times.map(one).collect::<Vec<_>>()).to_string()
}

/// The rate of a payment, which identifies it.
fn rate_at(time: i64) -> f64 {
    (time / EIGHT_HOURS % 1000) as f64 * 1e-7 - 4e-5
}

fn tickers() -> String {
    let ticker = |(base, quote, _): &(&str, &str, &str)| {
        let volume = if *base == "THIN" { "900000.0" } else { "50000000.0" };
        let (bid, ask) = if *base == "THIN" { ("80.00", "120.00") } else { ("99.99", "100.01") };
        serde_json::json!({
            "symbol": format!("{base}{quote}"), "priceChange": "1.0", "priceChangePercent": "1.0",
            "weightedAvgPrice": "100.0", "prevClosePrice": "99.0", "lastPrice": "100.00", "lastQty": "1.0",
            "bidPrice": bid, "bidQty": "4.0", "askPrice": ask, "askQty": "4.0", "openPrice": "99.0",
            "highPrice": "101.0", "lowPrice": "98.0", "volume": "500000.0", "quoteVolume": volume,
            "openTime": NOW - DAY_MS, "closeTime": NOW, "firstId": 1, "lastId": 7000, "count": 7000
        })
    };
    serde_json::Value::from(PAIRS.iter().map(ticker).collect::<Vec<_>>()).to_string()
}

/// Close of the bar that opens at `time`, which identifies the bar.
fn close_at(time: i64) -> f64 {
    100.0 + (time / HOUR_MS % 1000) as f64 / 100.0
}

fn klines(query: &str) -> String {
    let get = |name: &str| query.split('&').find_map(|p| p.strip_prefix(&format!("{name}="))).unwrap_or_default();
    let step = get("interval").parse::<Timeframe>().unwrap().ms();
    let listed = if get("symbol") == "NEWUSDT" { NOW - 12 * DAY_MS } else { NOW - 3000 * DAY_MS };
    let start = get("startTime").parse::<i64>().unwrap().max(listed);
    let limit: i64 = get("limit").parse().unwrap();
    let first = (start + step - 1).div_euclid(step) * step;
    // As on the real exchange, the response includes the bar that opens now and has not closed.
    let bars = (0..limit).map(|i| first + i * step).take_while(|&t| t <= NOW);
    let bar = |t: i64| {
        let close = close_at(t);
        serde_json::json!([
            t,
            format!("{close:.2}"),
            format!("{:.2}", close + 1.0),
            format!("{:.2}", close - 1.0),
            format!("{close:.2}"),
            "12.5",
            t + step - 1,
            "1250.0",
            42,
            "6.0",
            "600.0",
            "0"
        ])
    };
    serde_json::Value::from(bars.map(bar).collect::<Vec<_>>()).to_string()
}

fn kraken_pairs() -> String {
    serde_json::json!({"error": [], "result": {"XXBTZUSD": {
        "altname": "XBTUSD", "wsname": "XBT/USD", "aclass_base": "currency", "base": "XXBT",
        "aclass_quote": "currency", "quote": "ZUSD", "lot": "unit", "cost_decimals": 5, "pair_decimals": 1,
        "lot_decimals": 8, "lot_multiplier": 1, "leverage_buy": [], "leverage_sell": [], "fees": [[0, 0.4]],
        "fees_maker": [[0, 0.25]], "fee_volume_currency": "ZUSD", "ordermin": "0.0001", "costmin": "0.5",
        "tick_size": "0.1", "status": "online"
    }}})
    .to_string()
}

fn kraken_tickers() -> String {
    serde_json::json!({"error": [], "result": {"XXBTZUSD": {
        "a": ["100.01", "1", "1.0"], "b": ["99.99", "1", "1.0"], "c": ["100.0", "0.1"], "v": ["400000.0", "500000.0"],
        "p": ["100.0", "100.0"], "t": [5000, 7000], "l": ["98.0", "98.0"], "h": ["101.0", "101.0"], "o": "99.0"
    }}})
    .to_string()
}

/// Always the newest 720 bars and the open one.
fn kraken_bars(query: &str) -> String {
    let minutes = query.split('&').find_map(|p| p.strip_prefix("interval=")).unwrap();
    let step = minutes.parse::<i64>().unwrap() * 60_000;
    let bar = |i: i64| {
        let t = NOW - i * step;
        let close = close_at(t);
        let price = |p: f64| format!("{p:.2}");
        serde_json::json!([
            t / 1000,
            price(close),
            price(close + 1.0),
            price(close - 1.0),
            price(close),
            "0",
            "12.5",
            42
        ])
    };
    let bars: Vec<_> = (0..=719).rev().map(bar).collect();
    serde_json::json!({"error": [], "result": {"XXBTZUSD": bars, "last": NOW / 1000}}).to_string()
}

fn coinbase_products() -> String {
    serde_json::json!({"products": [{
        "product_id": "BTC-USD", "price": "100", "price_percentage_change_24h": "1", "volume_24h": "500000",
        "volume_percentage_change_24h": "1", "base_increment": "0.00000001", "quote_increment": "0.01",
        "quote_min_size": "1", "quote_max_size": "150000000", "base_min_size": "0.00000001", "base_max_size": "3400",
        "base_name": "Bitcoin", "quote_name": "US Dollar", "watched": false, "is_disabled": false, "new": false,
        "status": "online", "cancel_only": false, "limit_only": false, "post_only": false, "trading_disabled": false,
        "auction_mode": false, "product_type": "SPOT", "quote_currency_id": "USD", "base_currency_id": "BTC",
        "fcm_trading_session_details": null, "mid_market_price": "", "base_display_symbol": "BTC",
        "quote_display_symbol": "USD", "price_increment": "0.01", "alias": "", "alias_to": []
    }], "num_products": 1})
    .to_string()
}

/// The bars that open from `start` to `end` seconds, newest first; at most 350, else an error.
fn coinbase_bars(query: &str) -> String {
    let get = |name: &str| query.split('&').find_map(|p| p.strip_prefix(&format!("{name}="))).unwrap_or_default();
    let step = if get("granularity") == "ONE_DAY" { DAY_MS } else { HOUR_MS };
    let (start, end) = (get("start").parse::<i64>().unwrap() * 1000, get("end").parse::<i64>().unwrap() * 1000);
    let listed = NOW - 200 * DAY_MS;
    let bar = |t: i64| {
        let close = close_at(t);
        serde_json::json!({"start": (t / 1000).to_string(), "low": format!("{:.2}", close - 1.0),
            "high": format!("{:.2}", close + 1.0), "open": format!("{close:.2}"), "close": format!("{close:.2}"),
            "volume": "12.5"})
    };
    let times = (0..).map(|i| start + i * step).take_while(|&t| t <= end && t <= NOW).filter(|&t| t >= listed);
    let mut bars: Vec<_> = times.map(bar).collect();
    assert!(bars.len() <= 350, "the exchange rejects so many bars");
    bars.reverse();
    serde_json::json!({ "candles": bars }).to_string()
}

#[tokio::test]
async fn coinbase_pages_by_windows_and_kraken_serves_only_its_newest_bars() {
    let fake = Fake::start();
    let from = NOW - 220 * DAY_MS;
    for (name, first) in [("coinbase", NOW - 200 * DAY_MS), ("kraken", NOW - 719 * HOUR_MS)] {
        let exchange = fake.exchange(|s| {
            s.market.exchange.name = name.to_owned();
            s.market.quote = "USD".to_owned();
            s.market.exchange.concurrency = 1;
        });
        let candles = exchange.candles("BTC-USD", Timeframe::H1, from, NOW).await.unwrap();
        assert_eq!((candles.timestamp[0], *candles.timestamp.last().unwrap()), (first, NOW - HOUR_MS), "{name}");
        assert_eq!(candles.len() as i64, (NOW - first) / HOUR_MS, "{name}");
        assert_eq!(candles.validate(Timeframe::H1), Ok(()));
        let markets = exchange.markets().await.unwrap();
        assert_eq!(markets.len(), 1, "{name}");
        let btc = &markets[0];
        assert_eq!((btc.symbol.as_str(), btc.active, btc.quote.as_str()), ("BTC-USD", true, "USD"), "{name}");
        let volume = btc.daily_volume_usd.unwrap();
        assert!((volume - 5e7).abs() < 1.0, "{name}: {volume}");
        assert!(btc.listed_ms.unwrap() <= NOW - 154 * DAY_MS, "{name}");
    }
}

#[tokio::test]
async fn markets_have_volume_spread_fees_and_age_and_excluded_ones_a_reason() {
    let fake = Fake::start();
    let exchange = fake.exchange(|_| ());
    let started = std::time::Instant::now();
    let markets = exchange.markets().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert_eq!(markets.len(), 1507);
    let btc = markets.iter().find(|m| m.symbol == "BTC-USDT").unwrap();
    assert_eq!((btc.daily_volume_usd, btc.activity), (Some(50_000_000.0), Some(7000.0)));
    assert!((btc.spread_bps.unwrap() - 2.0).abs() < 1e-9, "{:?}", btc.spread_bps);
    // The quote of an empty book, 4,000 basis points, is not believed.
    let thin = markets.iter().find(|m| m.symbol == "THIN-USDT").unwrap();
    assert_eq!(thin.spread_bps, Some(50.0));
    assert!(btc.listed_ms.unwrap() <= NOW - 154 * DAY_MS && btc.taker_fee_bps.is_some());
    assert_eq!((btc.tick, btc.lot, btc.min_notional), (Some(0.01), Some(0.000_01), Some(5.0)));
    let selection = select(&markets, &settings(), NOW);
    let chosen: Vec<&str> = selection.chosen.iter().map(|c| c.symbol.as_str()).collect();
    assert_eq!(chosen, ["BTC-USDT", "ETH-USDT"]);
    let reason = |symbol: &str| selection.excluded.iter().find(|e| e.symbol == symbol).unwrap().reason.clone();
    assert!(reason("NEW-USDT").contains("12.0 days old"), "{}", reason("NEW-USDT"));
    assert!(reason("OLD-USDT").contains("delisted"), "{}", reason("OLD-USDT"));
    assert!(reason("USDC-USDT").contains("stablecoin"), "{}", reason("USDC-USDT"));
    assert!(reason("THIN-USDT").contains("$900000"), "{}", reason("THIN-USDT"));
    assert!(reason("ETH-BTC").contains("quoted in BTC"), "{}", reason("ETH-BTC"));
}

#[tokio::test]
async fn funding_is_complete_across_pages_and_only_perpetuals_have_any() {
    let fake = Fake::start();
    let from = NOW - 400 * DAY_MS;
    let spot = fake.exchange(|_| ());
    assert!(spot.funding("BTC-USDT", from, NOW).await.unwrap().is_none());
    let exchange = fake.exchange(|s| s.market.kind = MarketType::Perp);
    let history = exchange.funding("BTC-USDT", from, NOW).await.unwrap().unwrap();
    // 400 days of three payments each, in two pages; that of this moment comes some milliseconds later.
    assert_eq!((history.timestamp().len(), history.rate().len()), (1200, 1200));
    for (at, (&time, &rate)) in history.timestamp().iter().zip(history.rate()).enumerate() {
        assert_eq!(time, from + at as i64 * EIGHT_HOURS);
        assert!((rate - rate_at(time)).abs() < 1e-9, "{time}: {rate}");
    }
}

#[tokio::test]
async fn candles_are_complete_across_pages_and_leave_out_the_open_bar() {
    let fake = Fake::start();
    let exchange = fake.exchange(|_| ());
    let from = NOW - 100 * DAY_MS;
    let candles = exchange.candles("BTC-USDT", Timeframe::H1, from, i64::MAX).await.unwrap();
    assert_eq!(candles.len(), 2400);
    assert_eq!((candles.timestamp[0], candles.timestamp[2399]), (from, NOW - HOUR_MS));
    assert_eq!(candles.validate(Timeframe::H1), Ok(()));
    assert!(candles.timestamp.iter().zip(&candles.close).all(|(&t, &close)| (close - close_at(t)).abs() < 1e-9));
    let young = exchange.candles("NEW-USDT", Timeframe::H1, from, from + 95 * DAY_MS).await.unwrap();
    assert_eq!((young.timestamp[0], young.len()), (NOW - 12 * DAY_MS, 7 * 24));
}

#[tokio::test]
async fn faults_are_retried_until_the_response_is_good() {
    let fake = Fake::start();
    let exchange = fake.exchange(|_| ());
    let from = NOW - 5 * DAY_MS;
    let good = exchange.candles("BTC-USDT", Timeframe::H1, from, NOW).await.unwrap();
    for fault in [Fault::TooMany, Fault::Broken, Fault::Hang, Fault::Cut, Fault::Garbage, Fault::Empty] {
        fake.inject(&[fault]);
        let before = fake.requests.load(Ordering::SeqCst);
        let again = exchange.candles("BTC-USDT", Timeframe::H1, from, NOW).await;
        assert_eq!(again.unwrap_or_else(|error| panic!("{fault:?}: {error}")), good, "{fault:?}");
        assert!(fake.requests.load(Ordering::SeqCst) >= before + 2, "{fault:?}");
    }
    fake.inject(&[Fault::Broken, Fault::Cut, Fault::TooMany, Fault::Empty]);
    assert_eq!(exchange.candles("BTC-USDT", Timeframe::H1, from, NOW).await.unwrap(), good);
}

#[tokio::test]
async fn the_last_retry_ends_with_an_error_that_names_the_call_and_the_number_of_tries() {
    let fake = Fake::start();
    let exchange = fake.exchange(|s| s.market.exchange.retries = 2);
    fake.inject(&[Fault::Broken; 3]);
    let error = exchange.candles("BTC-USDT", Timeframe::H1, NOW - DAY_MS, NOW).await.unwrap_err().to_string();
    for part in ["binance", "BTC-USDT", "2025-11-30T00:00:00Z", "after 3 tries", "500"] {
        assert!(error.contains(part), "{part} is missing in: {error}");
    }
    fake.inject(&[Fault::UnknownSymbol; 3]);
    let error = exchange.candles("BTC-USDT", Timeframe::H1, NOW - DAY_MS, NOW).await.unwrap_err().to_string();
    assert!(error.contains("after 1 try"), "a wrong symbol is not retried: {error}");
    let error = exchange.candles("NOPE-USDT", Timeframe::H1, NOW - DAY_MS, NOW).await.unwrap_err().to_string();
    assert!(error.contains("NOPE"), "{error}");
}

#[tokio::test]
async fn an_unreachable_exchange_is_an_error_and_not_a_panic() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut settings = settings();
    settings.market.exchange.retries = 1;
    let exchange = Ccxt::at(&settings, Some(NOW), Some(&format!("http://{unused}"))).unwrap();
    let error = exchange.markets().await.unwrap_err().to_string();
    assert!(error.contains("listing the markets") && error.contains("after 2 tries"), "{error}");
}

#[tokio::test]
async fn concurrent_downloads_stay_within_one_rate_limit() {
    let fake = Fake::start();
    let exchange = fake.exchange(|s| s.market.exchange.concurrency = 4);
    exchange.candles("BTC-USDT", Timeframe::H1, NOW - DAY_MS, NOW).await.unwrap();
    let before = fake.requests.load(Ordering::SeqCst);
    let started = std::time::Instant::now();
    let one = |_| exchange.candles("ETH-USDT", Timeframe::H1, NOW - 400 * DAY_MS, NOW);
    let all: Vec<_> = futures::stream::iter(0..4).map(one).buffer_unordered(4).collect().await;
    assert!(all.iter().all(Result::is_ok));
    let requests = fake.requests.load(Ordering::SeqCst) - before;
    // In the library's table a page weighs 0.4 of 50 ms; each of the four clients may send one without waiting.
    assert_eq!(requests, 40);
    let least = Duration::from_millis(20 * (40 - 8));
    assert!(started.elapsed() >= least, "{requests} requests in {:?}, less than {least:?}", started.elapsed());
}

#[tokio::test]
async fn coinbase_and_kraken_report_a_failed_connection() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for name in ["coinbase", "kraken"] {
        let mut settings = settings();
        settings.market.exchange.retries = 0;
        settings.market.exchange.name = name.to_owned();
        let exchange = Ccxt::at(&settings, Some(NOW), Some(&format!("http://{unused}"))).unwrap();
        let error = exchange.candles("BTC-USD", Timeframe::H1, NOW - DAY_MS, NOW).await.unwrap_err().to_string();
        assert!(error.starts_with(name) && error.contains("listing the markets"), "{error}");
    }
}
