//! A folder of real candles taken as an exchange, from listing to panel.

use std::path::PathBuf;

use crate::candles;
use huracan::bars::{DAY_MS, Panel, Timeframe};
use huracan::market::{CandleStore, Exchange, MarketInfo, Selection, select};
use huracan::settings::{Settings, Sources, load};

/// The folder of a timeframe in each set, and how many files it holds.
fn folders(timeframe: &str) -> Vec<(PathBuf, usize)> {
    let folder = |set: PathBuf| {
        let folder = set.join(timeframe);
        let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())).count();
        (folder, files)
    };
    candles::sets().into_iter().map(folder).collect()
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
async fn real_hourly_coins_are_chosen_and_the_short_ones_say_what_they_lack() {
    // They have 278, 712, 1885 and 2800 hourly bars; a fold needs 154 days.
    let short = [
        ("DOGS-USDT", "11.6 days old"),
        ("TON-USDT", "125 days are missing"),
        ("ZRO-USDT", "76 days are missing"),
        ("BB-USDT", "38 days are missing"),
    ];
    for (folder, files) in folders("1h") {
        let settings = settings(&folder, &["universe.top_n=40"]);
        let (_, markets, selection) = selection(&settings).await;
        assert_eq!((markets.len(), selection.chosen.len() + selection.excluded.len()), (files, files));
        let mut found = 0;
        for (symbol, reason) in short {
            if !folder.join(format!("{symbol}.parquet")).exists() {
                continue;
            }
            let excluded = selection.excluded.iter().find(|excluded| excluded.symbol == symbol);
            let excluded = excluded.unwrap_or_else(|| panic!("{symbol} was chosen"));
            assert!(excluded.reason.contains(reason), "{symbol}: {}", excluded.reason);
            found += 1;
        }
        assert!(found >= 2, "{}: {found} coins with a short history", folder.display());
        assert_eq!(selection.chosen[0].symbol, "BTC-USDT");
        assert!(selection.chosen.windows(2).all(|w| w[0].score >= w[1].score && w[0].rank + 1 == w[1].rank));
    }
}

#[tokio::test]
async fn a_second_gathering_of_real_candles_downloads_nothing_and_gives_the_same_panel() {
    let (folder, _) = folders("1h").pop().expect("the fixture is a set");
    let settings = settings(&folder, &["universe.top_n=40"]);
    let (exchange, _, selection) = selection(&settings).await;
    let workdir = tempfile::tempdir().unwrap();
    let store = CandleStore::new(workdir.path(), &settings, &exchange, None);
    let symbols: Vec<String> = selection.chosen.iter().map(|c| c.symbol.clone()).collect();
    let to = exchange.now_ms();
    let from = to - i64::from(settings.market.lookback_days) * DAY_MS;
    let mut digests = Vec::new();
    for round in 0..2 {
        let gathered = store.fetch(&symbols, from, to, |_, _| ()).await;
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
    for (folder, files) in folders("1d") {
        let error = Exchange::open(&settings(&folder, &[]), None).unwrap_err().to_string();
        assert!(error.contains("contradicts market.timeframe 1h"), "{error}");
        let daily = settings(&folder, &["market.timeframe=1d", "labels.max_hold=3", "universe.top_n=100"]);
        let (_, markets, selection) = selection(&daily).await;
        assert_eq!(markets.len(), files);
        // A fifth of the hundred coins have history and volume enough.
        assert!(selection.chosen.len() * 5 >= files, "{} of {files}", selection.chosen.len());
    }
}

#[tokio::test]
async fn an_earlier_date_hides_what_came_later() {
    for (folder, _) in folders("1h") {
        let settings = settings(&folder, &[]);
        let end = Exchange::open(&settings, None).unwrap().now_ms();
        let now = end - 100 * DAY_MS;
        let exchange = Exchange::open(&settings, Some(now)).unwrap();
        let candles = exchange.candles("BTC-USDT", Timeframe::H1, 0, i64::MAX).await.unwrap();
        assert_eq!(candles.timestamp.last().unwrap() + Timeframe::H1.ms(), now);
        let dogs = exchange.markets().await.unwrap().into_iter().find(|m| m.symbol == "DOGS-USDT").unwrap();
        assert!(dogs.listed_ms.unwrap() > now && dogs.daily_volume_usd.is_none());
    }
}
