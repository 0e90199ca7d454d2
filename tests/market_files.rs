//! A folder of real candles taken as an exchange, from listing to panel.

use std::path::PathBuf;

use huracan::bars::{Panel, Timeframe};
use huracan::market::{Exchange, MarketInfo, Selection, Store, select};
use huracan::settings::{Settings, Sources, load};

fn real_candles(timeframe: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/candles")).join(timeframe);
    if !folder.is_dir() {
        println!("skipped: {} is missing", folder.display());
        return None;
    }
    Some(folder)
}

fn settings(folder: &std::path::Path, more: &[&str]) -> Settings {
    let mut overrides =
        vec!["market.exchange.kind=files".to_owned(), format!("market.exchange.path={}", folder.display())];
    overrides.extend(more.iter().map(|s| (*s).to_owned()));
    load(&Sources { overrides, ..Sources::default() }).unwrap()
}

async fn selection(settings: &Settings) -> (Exchange, Vec<MarketInfo>, Selection) {
    let exchange = Exchange::open(settings, None).unwrap();
    let markets = exchange.markets().await.unwrap();
    let selection = select(&markets, settings, exchange.now_ms());
    (exchange, markets, selection)
}

#[tokio::test]
async fn real_hourly_coins_are_chosen_and_the_short_ones_are_told_what_they_lack() {
    let Some(folder) = real_candles("1h") else { return };
    let settings = settings(&folder, &["universe.top_n=40"]);
    let (exchange, markets, selection) = selection(&settings).await;
    println!("now {}; excluded: {:#?}", exchange.now_ms(), selection.excluded);
    assert_eq!(markets.len(), 40);
    assert_eq!(selection.chosen.len() + selection.excluded.len(), 40);
    let reason = |symbol: &str| {
        let found = selection.excluded.iter().find(|e| e.symbol == symbol);
        found.map(|e| e.reason.clone()).unwrap_or_else(|| panic!("{symbol} was chosen"))
    };
    // They have 278, 712, 1885 and 2800 hourly bars; a fold needs 154 days.
    assert!(reason("DOGS-USDT").contains("11.6 days old"), "{}", reason("DOGS-USDT"));
    assert!(reason("TON-USDT").contains("125 days are missing"), "{}", reason("TON-USDT"));
    assert!(reason("ZRO-USDT").contains("76 days are missing"), "{}", reason("ZRO-USDT"));
    assert!(reason("BB-USDT").contains("38 days are missing"), "{}", reason("BB-USDT"));
    assert_eq!(selection.chosen[0].symbol, "BTC-USDT");
    assert!(selection.chosen.windows(2).all(|w| w[0].score >= w[1].score && w[0].rank + 1 == w[1].rank));
}

#[tokio::test]
async fn a_second_gathering_of_real_candles_downloads_nothing_and_gives_the_same_panel() {
    let Some(folder) = real_candles("1h") else { return };
    let settings = settings(&folder, &["universe.top_n=40"]);
    let (exchange, _, selection) = selection(&settings).await;
    let workdir = tempfile::tempdir().unwrap();
    let store = Store::new(workdir.path(), &settings, &exchange, None);
    let symbols: Vec<String> = selection.chosen.iter().map(|c| c.symbol.clone()).collect();
    let to = exchange.now_ms();
    let from = to - i64::from(settings.market.lookback_days) * 86_400_000;
    let mut digests = Vec::new();
    for round in 0..2 {
        let started = std::time::Instant::now();
        let gathered = store.gather(&symbols, from, to, |_, _| ()).await;
        println!("round {round}: {:?}", started.elapsed());
        let mut candles = Vec::new();
        for (symbol, result) in gathered {
            let result = result.unwrap();
            assert_eq!(result.downloaded > 0, round == 0, "{symbol}");
            candles.push((symbol, result.candles));
        }
        digests.push(Panel::new(candles, Timeframe::H1, settings.market.max_gap_bars, false).unwrap().digest());
    }
    assert_eq!(digests[0], digests[1]);
}

#[tokio::test]
async fn a_folder_of_daily_candles_is_not_taken_for_hourly_ones() {
    let Some(folder) = real_candles("1d") else { return };
    let error = Exchange::open(&settings(&folder, &[]), None).unwrap_err().to_string();
    assert!(error.contains("contradicts market.timeframe 1h"), "{error}");
    let daily = settings(&folder, &["market.timeframe=1d", "labels.max_hold=3", "universe.top_n=100"]);
    let (_, markets, selection) = selection(&daily).await;
    assert_eq!(markets.len(), 100);
    assert!(selection.chosen.len() > 20, "{}", selection.chosen.len());
}

#[tokio::test]
async fn an_earlier_date_hides_what_came_later() {
    let Some(folder) = real_candles("1h") else { return };
    let settings = settings(&folder, &[]);
    let end = Exchange::open(&settings, None).unwrap().now_ms();
    let now = end - 100 * 86_400_000;
    let exchange = Exchange::open(&settings, Some(now)).unwrap();
    let candles = exchange.candles("BTC-USDT", Timeframe::H1, 0, i64::MAX).await.unwrap();
    assert_eq!(candles.timestamp.last().unwrap() + Timeframe::H1.ms(), now);
    let dogs = exchange.markets().await.unwrap().into_iter().find(|m| m.symbol == "DOGS-USDT").unwrap();
    assert!(dogs.listed_ms.unwrap() > now && dogs.daily_volume_usd.is_none());
}
