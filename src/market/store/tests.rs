use std::cell::RefCell;

use super::*;
use crate::bars::{DAY_MS, MarketTerms};
use crate::market::{Ranked, read_markets, write_candles};
use crate::settings::ExchangeKind;

const EPOCH: i64 = 1_672_531_200_000;
const NOW: i64 = EPOCH + 600 * DAY_MS;
const DAYS: i64 = 30;

fn settings() -> Settings {
    Settings::defaults()
}

fn at(now_ms: i64, settings: &Settings) -> Exchange {
    Exchange::open(settings, Some(now_ms)).unwrap()
}

fn names(symbols: &[&str]) -> Vec<String> {
    symbols.iter().map(|s| (*s).to_owned()).collect()
}

async fn fetch(store: &CandleStore<'_>, symbol: &str, from: i64, to: i64) -> FetchedCandles {
    store.fetch(&names(&[symbol]), from, to, |_, _| ()).await.pop().unwrap().1.unwrap()
}

fn local_remote(folder: &Path) -> CandleRemote {
    let service = opendal::services::Fs::default().root(folder.to_str().unwrap());
    let operator = opendal::Operator::new(service).unwrap();
    CandleRemote { operator, prefix: "Runpodhuracan/data/candles/".into() }
}

#[tokio::test]
async fn fresh_candles_are_not_downloaded_again() {
    let workdir = tempfile::tempdir().unwrap();
    let settings = settings();
    let exchange = at(NOW, &settings);
    let store = CandleStore::new(workdir.path(), &settings, &exchange, None);
    let reported = RefCell::new(Vec::new());
    let symbols = names(&["NOVA-USDT", "BTC-USDT"]);
    let report = |symbol: &str, result: &Result<FetchedCandles, MarketError>| {
        reported.borrow_mut().push((symbol.to_owned(), result.is_ok()));
    };
    let first = store.fetch(&symbols, NOW - DAYS * DAY_MS, NOW, report).await;
    assert_eq!(first.iter().map(|(s, _)| s.clone()).collect::<Vec<_>>(), symbols);
    reported.borrow_mut().sort();
    assert_eq!(*reported.borrow(), [("BTC-USDT".to_owned(), true), ("NOVA-USDT".to_owned(), true)]);
    for (symbol, fetched) in first {
        let fetched = fetched.unwrap();
        assert_eq!((fetched.source, fetched.downloaded), (CandleSource::Exchange, 720));
        let again = fetch(&store, &symbol, NOW - DAYS * DAY_MS, NOW).await;
        assert_eq!((again.source, again.downloaded), (CandleSource::Cache, 0));
        assert_eq!(again.candles, fetched.candles);
        assert_eq!(crate::market::read_candles(&store.path(&symbol)).unwrap(), fetched.candles);
    }
    // Less than a day later the stored candles still count as fresh; a whole day later they do not.
    let soon = at(NOW + 23 * HOUR_MS, &settings);
    let soon = CandleStore::new(workdir.path(), &settings, &soon, None);
    assert_eq!(fetch(&soon, "BTC-USDT", NOW - DAYS * DAY_MS, i64::MAX).await.downloaded, 0);
    let next = at(NOW + DAY_MS, &settings);
    let next = CandleStore::new(workdir.path(), &settings, &next, None);
    let grown = fetch(&next, "BTC-USDT", NOW - DAYS * DAY_MS, i64::MAX).await;
    assert_eq!((grown.source, grown.downloaded, grown.candles.len()), (CandleSource::Merged, 24, 744));
}

#[tokio::test]
async fn only_missing_ranges_are_downloaded_and_the_result_equals_a_single_download() {
    let (workdir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings();
    let exchange = at(NOW, &settings);
    let store = CandleStore::new(workdir.path(), &settings, &exchange, None);
    fetch(&store, "ETH-USDT", NOW - 20 * DAY_MS, NOW - 10 * DAY_MS).await;
    let grown = fetch(&store, "ETH-USDT", NOW - 30 * DAY_MS, NOW).await;
    assert_eq!((grown.source, grown.downloaded), (CandleSource::Merged, 20 * 24));
    let whole = CandleStore::new(other.path(), &settings, &exchange, None);
    assert_eq!(grown.candles, fetch(&whole, "ETH-USDT", NOW - 30 * DAY_MS, NOW).await.candles);
    // A span that does not touch the stored one is joined to it, and the gap between them is filled.
    let earlier = fetch(&store, "ETH-USDT", NOW - 60 * DAY_MS, NOW - 50 * DAY_MS).await;
    assert_eq!((earlier.candles.len(), earlier.downloaded), (240, 30 * 24));
    let inside = fetch(&store, "ETH-USDT", NOW - 45 * DAY_MS, NOW - 40 * DAY_MS).await;
    assert_eq!((inside.source, inside.downloaded, inside.candles.len()), (CandleSource::Cache, 0, 120));
}

#[tokio::test]
async fn a_corrupt_file_or_one_of_another_origin_is_downloaded_again() {
    let workdir = tempfile::tempdir().unwrap();
    let settings = settings();
    let exchange = at(NOW, &settings);
    let store = CandleStore::new(workdir.path(), &settings, &exchange, None);
    let from = NOW - DAYS * DAY_MS;
    let good = fetch(&store, "BTC-USDT", from, NOW).await;
    let path = store.path("BTC-USDT");

    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(fetch(&store, "BTC-USDT", from, NOW).await, good);
    assert_eq!(fetch(&store, "BTC-USDT", from, NOW).await.source, CandleSource::Cache);

    // Bars of unknown origin, for example from another tool.
    write_candles(&path, &good.candles.slice(0..700)).unwrap();
    assert_eq!(fetch(&store, "BTC-USDT", from, NOW).await.downloaded, 720);

    let reseeded = Settings { seed: 8, ..settings.clone() };
    let other = at(NOW, &reseeded);
    let other = CandleStore::new(workdir.path(), &reseeded, &other, None);
    let reseeded = fetch(&other, "BTC-USDT", from, NOW).await;
    assert_eq!((reseeded.source, reseeded.downloaded), (CandleSource::Exchange, 720));
    assert_ne!(reseeded.candles, good.candles);

    let mut daily = settings.clone();
    daily.market.timeframe = Timeframe::D1;
    let other = at(NOW, &daily);
    let other = CandleStore::new(workdir.path(), &daily, &other, None);
    assert_eq!(fetch(&other, "BTC-USDT", from, NOW).await.downloaded, 30);
}

#[tokio::test]
async fn the_remote_is_read_before_the_exchange_and_a_bad_copy_there_is_ignored() {
    let (one, two, remote) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let settings = settings();
    let exchange = at(NOW, &settings);
    let from = NOW - DAYS * DAY_MS;
    let first = CandleStore::new(one.path(), &settings, &exchange, None);
    let good = fetch(&first, "BTC-USDT", from, NOW - 5 * DAY_MS).await;
    let shared = remote.path().join("Runpodhuracan/data/candles");
    std::fs::create_dir_all(&shared).unwrap();
    std::fs::copy(first.path("BTC-USDT"), shared.join("BTC-USDT.parquet")).unwrap();
    std::fs::write(shared.join("ETH-USDT.parquet"), "rubbish").unwrap();

    let second = CandleStore::new(two.path(), &settings, &exchange, Some(local_remote(remote.path())));
    let restored = fetch(&second, "BTC-USDT", from, NOW - 5 * DAY_MS).await;
    assert_eq!((restored.source, restored.downloaded), (CandleSource::Remote, 0));
    assert_eq!(restored.candles, good.candles);
    assert_eq!(fetch(&second, "BTC-USDT", from, NOW - 5 * DAY_MS).await.source, CandleSource::Cache);
    std::fs::remove_file(second.path("BTC-USDT")).unwrap();
    let merged = fetch(&second, "BTC-USDT", from, NOW).await;
    assert_eq!((merged.source, merged.downloaded), (CandleSource::Merged, 5 * 24));
    for (symbol, bars) in [("ETH-USDT", 720), ("NOVA-USDT", 720)] {
        let fetched = fetch(&second, symbol, from, NOW).await;
        assert_eq!((fetched.source, fetched.downloaded), (CandleSource::Exchange, bars));
    }
    let names = std::fs::read_dir(two.path().join("data/candles")).unwrap().map(|e| e.unwrap().file_name());
    assert_eq!(names.count(), 3, "no temporary file is left");
}

#[tokio::test]
async fn a_failing_symbol_does_not_stop_the_others_and_a_changed_source_file_is_read_again() {
    let (workdir, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut candles = Candles::default();
    for hour in 0..200 {
        candles.push(NOW + hour * HOUR_MS, [5.0, 6.0, 4.0, 5.0], 1.0);
    }
    let mut bad = candles.clone();
    bad.high[7] = 1.0;
    write_candles(&folder.path().join("A-USDT.parquet"), &candles).unwrap();
    write_candles(&folder.path().join("B-USDT.parquet"), &bad).unwrap();
    let mut settings = settings();
    settings.market.exchange.kind = ExchangeKind::Files;
    settings.market.exchange.path = folder.path().into();
    let exchange = Exchange::open(&settings, None).unwrap();
    let store = CandleStore::new(workdir.path(), &settings, &exchange, None);
    let mut results = store.fetch(&names(&["B-USDT", "NOPE-USDT", "A-USDT"]), NOW, i64::MAX, |_, _| ()).await;
    assert_eq!(results.pop().unwrap().1.unwrap().candles, candles);
    let unknown = results.pop().unwrap().1.unwrap_err().to_string();
    assert!(unknown.contains("does not list NOPE-USDT"), "{unknown}");
    let fault = results.pop().unwrap().1.unwrap_err().to_string();
    assert!(fault.contains("B-USDT.parquet: row 7: high 1 is below low 4"), "{fault}");

    candles.close[100] = 5.5;
    write_candles(&folder.path().join("A-USDT.parquet"), &candles).unwrap();
    let exchange = Exchange::open(&settings, None).unwrap();
    let store = CandleStore::new(workdir.path(), &settings, &exchange, None);
    assert_eq!(fetch(&store, "A-USDT", NOW, i64::MAX).await.candles, candles);
    let nothing = store.fetch(&names(&["A-USDT"]), 0, DAY_MS, |_, _| ()).await.pop().unwrap().1;
    assert!(matches!(nothing, Err(MarketError::NoCandles { .. })), "{nothing:?}");
}

fn ranked(symbol: &str) -> Ranked {
    let terms = MarketTerms { tick: Some(0.01), taker_fee_bps: Some(7.0), ..MarketTerms::default() };
    Ranked {
        rank: 1,
        symbol: symbol.to_owned(),
        score: 1.0,
        daily_volume_usd: 1e6,
        liquidity: 1.0,
        activity: None,
        spread_bps: None,
        age_days: None,
        listed_ms: None,
        terms,
    }
}

#[tokio::test]
async fn terms_and_funding_are_stored_with_the_candles_and_last_as_long_as_they_do() {
    let (workdir, source) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut settings = settings();
    settings.market.kind = MarketType::Perp;
    settings.market.exchange.kind = ExchangeKind::Files;
    settings.market.exchange.path = source.path().into();
    let mut candles = Candles::default();
    (0..40 * 24).for_each(|hour| candles.push(EPOCH + hour * HOUR_MS, [100.0; 4], 1e6));
    let funding = source.path().join("funding");
    std::fs::create_dir_all(&funding).unwrap();
    for symbol in ["A-USDT", "B-USDT"] {
        write_candles(&source.path().join(format!("{symbol}.parquet")), &candles).unwrap();
    }
    let row = |payment: i64| format!("{},0.000{}\n", EPOCH + (payment - 1) * 8 * HOUR_MS, 1 + payment % 3);
    let rows: String = (0..120).map(row).collect();
    std::fs::write(funding.join("A-USDT.csv"), format!("timestamp,rate\n{rows}")).unwrap();
    std::fs::write(funding.join("B-USDT.csv"), "timestamp,rate\n2023-01-01T00:00:00Z,7\n").unwrap();

    let day = async |days: i64| {
        let exchange = at(EPOCH + days * DAY_MS, &settings);
        let store = CandleStore::new(workdir.path(), &settings, &exchange, None);
        let (from, to) = (EPOCH + (days - 30) * DAY_MS, EPOCH + days * DAY_MS);
        let symbols = names(&["A-USDT", "B-USDT"]);
        store.fetch(&symbols, from, to, |_, _| ()).await;
        let chosen = ["A-USDT", "B-USDT"].map(ranked);
        store.fetch_markets(&chosen, &symbols, from, to).await.unwrap()
    };
    let stored = || {
        let read = read_markets(&workdir.path().join("data/candles"), MarketType::Perp).unwrap();
        let (markets, faults) = read.split();
        assert!(faults.is_empty());
        markets
    };
    let (markets, failed) = day(35).await;
    assert_eq!(markets.terms.len(), 2);
    assert!(failed.len() == 1 && failed[0].0 == "B-USDT" && failed[0].1.to_string().contains("the rate is 7"));
    // Of the coin without usable funding nothing is stored.
    assert_eq!(stored().terms.into_keys().collect::<Vec<_>>(), ["A-USDT"]);
    let first = stored().funding["A-USDT"].clone();
    assert_eq!(first, markets.funding["A-USDT"]);
    // The next day's run: bars and payments of the first one are still there, and what is new is added.
    day(36).await;
    let second = stored().funding["A-USDT"].clone();
    assert_eq!(second.until(*first.timestamp().last().unwrap()), first);
    assert_eq!(second.timestamp().len(), first.timestamp().len() + 3);
    // An earlier day takes nothing away.
    day(34).await;
    assert_eq!(stored().funding["A-USDT"], second);
}
