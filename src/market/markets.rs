//! What a folder of candle files knows of its markets: the terms of the exchange, and the history of funding.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::files::{files_of, read_funding, read_metadata, write_funding};
use super::{MarketError, ReadError};
use crate::bars::{FundingHistory, MarketTerms, Markets};
use crate::files::write_atomic;
use crate::shadow::MarketType;

/// The file of the exchange's terms, an object by symbol.
const TERMS_FILE: &str = "markets.json";
/// The folder of funding rates, one file per symbol, in the folder of the candles or beside it.
const FUNDING_FOLDER: &str = "funding";
/// Key of the entry in the metadata of a funding file that names the exchange whose rates it holds. It is part of the file, so
/// that the rates of one exchange are not taken for those of another.
const SOURCE_KEY: &str = "huracan.funding";

/// Terms of a folder's markets, and the funding that was paid or why it cannot be used, by symbol.
#[derive(Debug, Default)]
pub struct FolderMarkets {
    /// Terms of the exchange.
    pub terms: BTreeMap<String, MarketTerms>,
    /// Funding rates; empty unless the market is one of perpetuals.
    pub funding: BTreeMap<String, Result<FundingHistory, MarketError>>,
}

impl FolderMarkets {
    /// The markets, and the faults of those whose funding cannot be used.
    pub fn split(self) -> (Markets, Vec<(String, MarketError)>) {
        let (mut funding, mut faults) = (BTreeMap::new(), Vec::new());
        for (symbol, read) in self.funding {
            match read {
                Ok(history) => _ = funding.insert(symbol, history),
                Err(error) => faults.push((symbol, error)),
            }
        }
        (Markets { terms: self.terms, funding }, faults)
    }
}

/// Reads `markets.json` of a folder of candle files, and for perpetuals the funding rates in `funding/`, or else in
/// `../funding/`. Both may be missing.
///
/// # Errors
/// A file of terms that cannot be read, or holds a term that makes no sense. A bad file of funding is an error only of
/// its symbol.
pub fn read_markets(folder: &Path, kind: MarketType) -> Result<FolderMarkets, MarketError> {
    let mut markets = FolderMarkets { terms: read_terms(folder)?, ..FolderMarkets::default() };
    let inner = [folder.join(FUNDING_FOLDER), folder.join("..").join(FUNDING_FOLDER)];
    let found = inner.into_iter().find(|path| path.is_dir());
    if let (MarketType::Perp, Some(folder)) = (kind, found) {
        for (symbol, path) in files_of(&folder)? {
            let read = funding(&symbol, &path);
            markets.funding.insert(symbol, read);
        }
    }
    Ok(markets)
}

fn read_terms(folder: &Path) -> Result<BTreeMap<String, MarketTerms>, MarketError> {
    let path = folder.join(TERMS_FILE);
    let unreadable = |reason: String| ReadError::Unreadable { path: path.clone(), reason };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(unreadable(format!("cannot be read: {error}")).into()),
    };
    let terms: BTreeMap<String, MarketTerms> = serde_json::from_str(&text)
        .map_err(|error| unreadable(format!("is not an object of terms by symbol: {error}")))?;
    for (symbol, terms) in &terms {
        terms.check().map_err(|reason| unreadable(format!("{symbol}: {reason}")))?;
    }
    Ok(terms)
}

fn funding(symbol: &str, path: &Path) -> Result<FundingHistory, MarketError> {
    let (timestamp, rate) = read_funding(path)?;
    let (history, dropped) =
        FundingHistory::new(&timestamp, &rate).map_err(|fault| MarketError::BadFunding { path: path.into(), fault })?;
    if dropped > 0 {
        tracing::warn!(symbol, rows = dropped, "left out the funding before a gap of more than 8 hours");
    }
    Ok(history)
}

/// Writes what `source` knows of markets of this kind into a folder of candle files, so that [`read_markets`] finds it there.
/// What is known of other symbols stays, and so does the funding before and after the given history: the candles of earlier runs
/// lie there, too. The funding of a perpetual that has terms and no history is removed if it is not known to come from `source`.
///
/// # Errors
/// An error of the file system or the encoder.
pub(super) fn write_markets(
    folder: &Path,
    markets: &Markets,
    source: &str,
    kind: MarketType,
) -> Result<(), MarketError> {
    let mut terms = read_terms(folder).unwrap_or_default();
    terms.extend(markets.terms.iter().map(|(symbol, terms)| (symbol.clone(), *terms)));
    if !terms.is_empty() {
        let path = folder.join(TERMS_FILE);
        let failed = |reason: String| MarketError::Write { path: path.clone(), reason };
        let text = serde_json::to_string_pretty(&terms).map_err(|error| failed(error.to_string()))?;
        write_atomic(&path, text.as_bytes()).map_err(|error| failed(error.to_string()))?;
    }
    if kind == MarketType::Perp {
        for symbol in markets.terms.keys().filter(|symbol| !markets.funding.contains_key(*symbol)) {
            let path = funding_path(folder, symbol);
            if source_of(&path).as_deref() != Some(source) {
                remove(path)?;
            }
        }
    }
    markets.funding.iter().try_for_each(|(symbol, history)| {
        let path = funding_path(folder, symbol);
        let (timestamp, rate) = with_stored(&path, source, history);
        write_funding(&path, &timestamp, &rate, (SOURCE_KEY, source))
    })
}

/// Time of the first payment that a folder has of a symbol from this source, milliseconds since 1970 UTC.
pub(super) fn funding_from(folder: &Path, symbol: &str, source: &str) -> Option<i64> {
    let path = funding_path(folder, symbol);
    let stored = source_of(&path).filter(|own| own == source).and_then(|_| read_funding(&path).ok())?;
    FundingHistory::new(&stored.0, &stored.1).ok()?.0.timestamp().first().copied()
}

fn funding_path(folder: &Path, symbol: &str) -> PathBuf {
    folder.join(FUNDING_FOLDER).join(format!("{symbol}.parquet"))
}

/// The exchange whose rates a file holds; none if there is no such file, or it does not say.
fn source_of(path: &Path) -> Option<String> {
    if path.exists() { read_metadata(path, SOURCE_KEY).ok().flatten() } else { None }
}

/// Times and rates of a history, and of the payments stored from the same source before and after it. Files of earlier versions
/// do not name their source, and count as of the same.
fn with_stored(path: &Path, source: &str, history: &FundingHistory) -> (Vec<i64>, Vec<f64>) {
    let own = (history.timestamp().to_vec(), history.rate().to_vec());
    let (Some(&first), Some(&last)) = (own.0.first(), own.0.last()) else { return own };
    if !path.exists() || source_of(path).is_some_and(|stored| stored != source) {
        return own;
    }
    let stored = match read_funding(path) {
        Ok(stored) => stored,
        Err(error) => {
            tracing::warn!("writing stored funding anew: {error}");
            return own;
        }
    };
    let stored: Vec<(i64, f64)> = stored.0.into_iter().zip(stored.1).collect();
    let own = own.0.into_iter().zip(own.1);
    let before = stored.iter().copied().filter(|payment| payment.0 < first);
    let after = stored.iter().copied().filter(|payment| payment.0 > last);
    before.chain(own).chain(after).unzip()
}

/// Removes a file, if it is there.
fn remove(path: PathBuf) -> Result<(), MarketError> {
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(MarketError::Write { path, reason: error.to_string() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bars::{Candles, HOUR_MS, Panel, Timeframe};

    fn history() -> FundingHistory {
        FundingHistory::new(&[0, 8 * HOUR_MS], &[0.0001, -0.0002]).unwrap().0
    }

    fn only(history: FundingHistory) -> Markets {
        Markets {
            terms: [("A-USDT".to_owned(), MarketTerms { tick: Some(0.01), ..MarketTerms::default() })].into(),
            funding: [("A-USDT".to_owned(), history)].into(),
        }
    }

    fn write(folder: &Path, markets: &Markets) {
        write_markets(folder, markets, "binance", MarketType::Perp).unwrap();
    }

    #[test]
    fn what_is_written_is_read_and_funding_counts_for_perpetuals_only() {
        let folder = tempfile::tempdir().unwrap();
        let terms = MarketTerms { tick: Some(0.01), taker_fee_bps: Some(10.0), ..MarketTerms::default() };
        let markets = Markets {
            terms: [("A-USDT".to_owned(), terms)].into(),
            funding: [("A-USDT".to_owned(), history())].into(),
        };
        write(folder.path(), &markets);
        let (read, faults) = read_markets(folder.path(), MarketType::Perp).unwrap().split();
        assert_eq!((read, faults.len()), (markets.clone(), 0));
        assert!(read_markets(folder.path(), MarketType::Spot).unwrap().funding.is_empty());
        // Another run adds its own symbols.
        let other = Markets { terms: [("B-USDT".to_owned(), terms)].into(), ..Markets::default() };
        write(folder.path(), &other);
        assert_eq!(read_terms(folder.path()).unwrap().len(), 2);
        assert_eq!(read_markets(folder.path(), MarketType::Perp).unwrap().funding.len(), 1);
    }

    #[test]
    fn the_next_day_and_a_run_on_spot_keep_the_funding_of_earlier_bars() {
        let folder = tempfile::tempdir().unwrap();
        let rate = |payment: i64| 1e-4 * (payment % 7 - 3) as f64;
        let day = |payments: std::ops::Range<i64>| {
            let times: Vec<i64> = payments.clone().map(|payment| payment * 8 * HOUR_MS).collect();
            only(FundingHistory::new(&times, &payments.map(rate).collect::<Vec<_>>()).unwrap().0)
        };
        // The panel of the first day's run, as `huracan verify` builds it again.
        let panel = || {
            let mut candles = Candles::default();
            (8..80).for_each(|hour| candles.push(hour * HOUR_MS, [1.0; 4], 1.0));
            let panel = Panel::new(vec![("A-USDT".to_owned(), candles)], Timeframe::H1, 1, false).unwrap();
            let (mut markets, _) = read_markets(folder.path(), MarketType::Perp).unwrap().split();
            markets.funding.values_mut().for_each(|history| *history = history.until(80 * HOUR_MS));
            panel.with_markets(&markets)
        };
        write(folder.path(), &day(0..11));
        let first = panel();
        assert!(first.funding_bps[0].iter().all(|paid| paid.is_finite()));
        // A day later the exchange is asked for three payments less, and for three more.
        write(folder.path(), &day(3..14));
        assert_eq!(panel().digest(), first.digest());
        let stored =
            |folder: &Path| read_markets(folder, MarketType::Perp).unwrap().split().0.funding["A-USDT"].clone();
        assert_eq!(stored(folder.path()), day(0..14).funding["A-USDT"]);
        // Neither a run on spot, nor an answer without payments, nor a run on an earlier day takes anything away.
        let without = Markets { funding: BTreeMap::new(), ..day(0..1) };
        write_markets(folder.path(), &without, "binance", MarketType::Spot).unwrap();
        write(folder.path(), &without);
        write(folder.path(), &day(2..9));
        assert_eq!(stored(folder.path()), day(0..14).funding["A-USDT"]);
        assert_eq!(funding_from(folder.path(), "A-USDT", "binance"), Some(0));
    }

    #[test]
    fn a_new_value_of_a_payment_replaces_the_stored_one() {
        let folder = tempfile::tempdir().unwrap();
        let of = |rows: &[(i64, f64)]| {
            let (times, rates): (Vec<i64>, Vec<f64>) = rows.iter().map(|row| (row.0 * 4 * HOUR_MS, row.1)).unzip();
            only(FundingHistory::new(&times, &rates).unwrap().0)
        };
        write(folder.path(), &of(&[(0, 0.1), (2, 0.1), (3, 0.1), (4, 0.1), (6, 0.1)]));
        write(folder.path(), &of(&[(2, 0.2), (4, 0.2)]));
        let (read, _) = read_markets(folder.path(), MarketType::Perp).unwrap().split();
        // A history is complete where it lasts: the payment between the new ones was none.
        assert_eq!(read, of(&[(0, 0.1), (2, 0.2), (4, 0.2), (6, 0.1)]));
    }

    #[test]
    fn the_funding_of_another_exchange_is_not_taken_for_its_own() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &only(history()));
        assert_eq!(funding_from(folder.path(), "A-USDT", "kraken"), None);
        // It knows no funding.
        let without = Markets { funding: BTreeMap::new(), ..only(history()) };
        write_markets(folder.path(), &without, "kraken", MarketType::Perp).unwrap();
        assert!(read_markets(folder.path(), MarketType::Perp).unwrap().funding.is_empty());
        // It knows its own.
        write(folder.path(), &only(history()));
        let (own, _) = FundingHistory::new(&[8 * HOUR_MS, 12 * HOUR_MS], &[0.0003, 0.0004]).unwrap();
        write_markets(folder.path(), &only(own.clone()), "files", MarketType::Perp).unwrap();
        let (read, _) = read_markets(folder.path(), MarketType::Perp).unwrap().split();
        assert_eq!(read.funding["A-USDT"], own);
    }

    #[test]
    fn funding_may_lie_beside_the_folder_and_its_own_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("1h");
        std::fs::create_dir_all(&own).unwrap();
        assert!(read_markets(&own, MarketType::Perp).unwrap().funding.is_empty());
        let beside = Markets { funding: [("A-USDT".to_owned(), history())].into(), ..Markets::default() };
        write(folder.path(), &beside);
        let found = |folder: &Path| read_markets(folder, MarketType::Perp).unwrap().split().0.funding;
        assert_eq!(found(&own).into_keys().collect::<Vec<_>>(), ["A-USDT"]);
        let inner = Markets { funding: [("B-USDT".to_owned(), history())].into(), ..Markets::default() };
        write(&own, &inner);
        assert_eq!(found(&own).into_keys().collect::<Vec<_>>(), ["B-USDT"]);
    }

    #[test]
    fn bad_terms_and_rates_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::create_dir_all(folder.path().join("funding")).unwrap();
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        for (text, words) in [
            ("{\"A-USDT\": {\"tick\": -1}}", "A-USDT: tick is -1"),
            ("{\"A-USDT\": {\"tik\": 1}}", "tik"),
            ("nonsense", "not an object"),
        ] {
            write("markets.json", text);
            let error = read_markets(folder.path(), MarketType::Spot).unwrap_err().to_string();
            assert!(error.contains("markets.json") && error.contains(words), "{error}");
        }
        write("markets.json", "{}");
        write("funding/A-USDT.csv", "timestamp,rate\n2024-01-01T00:00:00Z,0.0001\n2024-01-01T08:00:00Z,7\n");
        write("funding/B-USDT.csv", "timestamp,price\n2024-01-01T00:00:00Z,0.0001\n");
        let (markets, faults) = read_markets(folder.path(), MarketType::Perp).unwrap().split();
        assert!(markets.funding.is_empty());
        let faults: Vec<String> = faults.into_iter().map(|(_, error)| error.to_string()).collect();
        assert!(faults[0].contains("A-USDT.csv: row 1: the rate is 7"), "{faults:?}");
        assert!(faults[1].contains("'rate' is missing"), "{faults:?}");
    }
}
