//! What a folder of candle files knows of its markets: the terms of the exchange, and the history of funding.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::files::{files_of, read_funding, write_funding};
use super::{MarketError, ReadError};
use crate::bars::{FundingHistory, MarketTerms, Markets};
use crate::files::write_atomic;
use crate::shadow::MarketType;

/// The file of the exchange's terms, an object by symbol.
const TERMS_FILE: &str = "markets.json";
/// The folder of funding rates, one file per symbol, in the folder of the candles or beside it.
const FUNDING_FOLDER: &str = "funding";

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

/// Writes what is known of markets into a folder of candle files, so that [`read_markets`] finds it there. What is known of
/// other symbols stays; the funding of a symbol with terms and without a history is removed.
///
/// # Errors
/// An error of the file system or the encoder.
pub fn write_markets(folder: &Path, markets: &Markets) -> Result<(), MarketError> {
    let mut terms = read_terms(folder).unwrap_or_default();
    terms.extend(markets.terms.iter().map(|(symbol, terms)| (symbol.clone(), *terms)));
    if !terms.is_empty() {
        let path = folder.join(TERMS_FILE);
        let failed = |reason: String| MarketError::Write { path: path.clone(), reason };
        let text = serde_json::to_string_pretty(&terms).map_err(|error| failed(error.to_string()))?;
        write_atomic(&path, text.as_bytes()).map_err(|error| failed(error.to_string()))?;
    }
    let funding = |symbol: &str| folder.join(FUNDING_FOLDER).join(format!("{symbol}.parquet"));
    for symbol in markets.terms.keys().filter(|symbol| !markets.funding.contains_key(*symbol)) {
        remove(funding(symbol))?;
    }
    markets.funding.iter().try_for_each(|(symbol, history)| write_funding(&funding(symbol), history))
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
    use crate::bars::HOUR_MS;

    fn history() -> FundingHistory {
        FundingHistory::new(&[0, 8 * HOUR_MS], &[0.0001, -0.0002]).unwrap().0
    }

    #[test]
    fn what_is_written_is_read_and_funding_counts_for_perpetuals_only() {
        let folder = tempfile::tempdir().unwrap();
        let terms = MarketTerms { tick: Some(0.01), taker_fee_bps: Some(10.0), ..MarketTerms::default() };
        let markets = Markets {
            terms: [("A-USDT".to_owned(), terms)].into(),
            funding: [("A-USDT".to_owned(), history())].into(),
        };
        write_markets(folder.path(), &markets).unwrap();
        let (read, faults) = read_markets(folder.path(), MarketType::Perp).unwrap().split();
        assert_eq!((read, faults.len()), (markets.clone(), 0));
        assert!(read_markets(folder.path(), MarketType::Spot).unwrap().funding.is_empty());
        // Another run adds its own symbols.
        let other = Markets { terms: [("B-USDT".to_owned(), terms)].into(), ..Markets::default() };
        write_markets(folder.path(), &other).unwrap();
        assert_eq!(read_terms(folder.path()).unwrap().len(), 2);
        assert_eq!(read_markets(folder.path(), MarketType::Perp).unwrap().funding.len(), 1);
        // An exchange that knows no funding any more must not leave that of another one.
        write_markets(folder.path(), &Markets { funding: BTreeMap::new(), ..markets }).unwrap();
        assert!(read_markets(folder.path(), MarketType::Perp).unwrap().funding.is_empty());
    }

    #[test]
    fn funding_may_lie_beside_the_folder_and_its_own_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("1h");
        std::fs::create_dir_all(&own).unwrap();
        assert!(read_markets(&own, MarketType::Perp).unwrap().funding.is_empty());
        let beside = Markets { funding: [("A-USDT".to_owned(), history())].into(), ..Markets::default() };
        write_markets(folder.path(), &beside).unwrap();
        let found = |folder: &Path| read_markets(folder, MarketType::Perp).unwrap().split().0.funding;
        assert_eq!(found(&own).into_keys().collect::<Vec<_>>(), ["A-USDT"]);
        let inner = Markets { funding: [("B-USDT".to_owned(), history())].into(), ..Markets::default() };
        write_markets(&own, &inner).unwrap();
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
