//! Step 4: downloads the history of every chosen coin into one panel.

use chrono::NaiveDate;
use serde_json::json;

use super::CommandFailure;
use super::day::Day;
use crate::bars::{DAY_MS, Panel};
use crate::exit::{Code, OrExit};
use crate::market::{CandleSource, CandleStore, Selection, read_folder, read_markets, store};
use crate::sync::{Kind, Remote};

/// The remote folder of the candles, which all days share.
pub fn candles_on(remote: &Remote, date: NaiveDate) -> store::CandleRemote {
    store::CandleRemote { operator: remote.operator(), prefix: format!("{}/", remote.folder(Kind::Candles, date)) }
}

/// Brings the candle store up to date, and aligns the candles on one grid.
pub async fn gather(day: &mut Day, selection: &Selection) -> Result<Panel, CommandFailure> {
    let step = day.begin("download", Some(selection.chosen.len() as u64)).await?;
    let folder = day.run.workdir.join("data/candles");
    let (mut candles, mut failed) = (Vec::new(), Vec::new());
    let (mut downloaded, mut cached) = (0, 0);
    let markets = match &day.services.exchange {
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
            exchange.forget_candles();
            let symbols: Vec<String> = candles.iter().map(|(symbol, _)| symbol.clone()).collect();
            let gathered = store.fetch_markets(&selection.chosen, &symbols, from_ms, day.run.now_ms).await;
            let (found, faults) = gathered.or_exit(Code::Failed)?;
            candles.retain(|(symbol, _)| !faults.iter().any(|fault| fault.0 == *symbol));
            failed.extend(faults.into_iter().map(|(symbol, error)| (symbol, error.to_string())));
            found
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
            found
        }
    };
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
