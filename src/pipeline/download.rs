//! Step 4: downloads the history of every chosen coin into one panel.

use chrono::NaiveDate;
use serde_json::json;

use super::CommandFailure;
use super::day::Day;
use crate::bars::{Candles, DAY_MS, HOUR_MS, Markets, Panel};
use crate::exit::{Code, OrExit};
use crate::market::{CandleSource, CandleStore, Exchange, Selection, read_folder, read_markets, store, write_markets};
use crate::sync::{Kind, Remote};

/// The remote folder of the candles, which all days share.
pub fn candles_on(remote: &Remote, date: NaiveDate) -> store::CandleRemote {
    store::CandleRemote { operator: remote.operator(), prefix: format!("{}/", remote.folder(Kind::Candles, date)) }
}

/// Brings the candle store up to date, and aligns the candles on one grid.
pub async fn gather(day: &mut Day, selection: &Selection) -> Result<Panel, CommandFailure> {
    let step = day.begin("download", Some(selection.chosen.len() as u64)).await?;
    let folder = day.run.workdir.join("data/candles");
    let (mut candles, mut markets) = (Vec::new(), Markets::default());
    let (mut failed, mut downloaded, mut cached) = (Vec::new(), 0, 0);
    match &day.services.exchange {
        Some(exchange) => {
            let store = CandleStore::new(
                &day.run.workdir,
                &day.run.settings,
                exchange,
                Some(candles_on(&day.services.remote, day.run.date)),
            );
            let symbols: Vec<String> = selection.chosen.iter().map(|coin| coin.symbol.clone()).collect();
            let from_ms = day.run.now_ms - i64::from(day.run.settings.market.lookback_days) * DAY_MS;
            let gathered = store.fetch(&symbols, from_ms, day.run.now_ms, |_, _| step.advance(1)).await;
            for (symbol, result) in gathered {
                match result {
                    Ok(got) => {
                        downloaded += got.downloaded;
                        cached += usize::from(got.source == CandleSource::Cache);
                        candles.push((symbol, got.candles));
                    }
                    Err(error) => failed.push((symbol, error.to_string())),
                }
            }
            markets.terms = selection.chosen.iter().map(|coin| (coin.symbol.clone(), coin.terms)).collect();
            failed.extend(funding(exchange, &mut candles, &mut markets, (from_ms, day.run.now_ms)).await);
            write_markets(&folder, &markets).or_exit(Code::Failed)?;
        }
        None => {
            let (_, files) = read_folder(&folder, Some(day.run.settings.market.timeframe)).or_exit(Code::BadData)?;
            for (symbol, read) in files {
                match read {
                    Ok(read) => candles.push((symbol, read)),
                    Err(error) => failed.push((symbol, error.to_string())),
                }
            }
            let (found, faults) = read_markets(&folder, day.run.settings.market.kind).or_exit(Code::BadData)?.split();
            candles.retain(|(symbol, _)| !faults.iter().any(|fault| fault.0 == *symbol));
            failed.extend(faults.into_iter().map(|(symbol, error)| (symbol, error.to_string())));
            markets = found;
        }
    }
    for (symbol, reason) in failed {
        day.fail(&symbol, reason);
    }
    let settings = &day.run.settings.market;
    let panel =
        Panel::new(candles, settings.timeframe, settings.max_gap_bars, day.run.simulated).or_exit(Code::BadData)?;
    let panel = panel.with_markets(&markets);
    day.data_gaps = panel.filled.iter().sum::<usize>() as u64;
    step.note(&format!("{} bars, {cached} of {} coins fresh in the store", panel.bars, panel.symbols.len()));
    tracing::info!(symbols = panel.symbols.len(), bars = panel.bars, downloaded, cached, "candles");
    day.end(step, json!({ "symbols": panel.symbols.len(), "downloaded": downloaded, "cached": cached })).await?;
    Ok(panel)
}

/// Adds the funding of every symbol to `markets`, and takes out the candles of those whose funding cannot be read: which
/// these are, and why.
async fn funding(
    exchange: &Exchange,
    candles: &mut Vec<(String, Candles)>,
    markets: &mut Markets,
    (from_ms, to_ms): (i64, i64),
) -> Vec<(String, String)> {
    let mut failed: Vec<(String, String)> = Vec::new();
    for (symbol, _) in candles.iter() {
        // The payment before the first bar shows that nothing is missing since.
        match exchange.funding(symbol, from_ms - 8 * HOUR_MS, to_ms).await {
            Ok(Some(history)) => _ = markets.funding.insert(symbol.clone(), history),
            Ok(None) => {}
            Err(error) => failed.push((symbol.clone(), error.to_string())),
        }
    }
    candles.retain(|(symbol, _)| !failed.iter().any(|fault| fault.0 == *symbol));
    failed
}
