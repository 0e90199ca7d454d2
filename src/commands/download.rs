//! `huracan download`: brings the candle store up to date, with the terms and the funding of its markets.

use serde_json::json;

use super::CommandFuture;
use crate::bars::DAY_MS;
use crate::brain::time_of_ms;
use crate::exit::{Code, CommandFailure, CommandOutput, OrExit};
use crate::market::{CandleStore, Exchange, select};
use crate::pipeline::{Request, candles_on};
use crate::settings::Settings;
use crate::sync::{Credentials, Remote};
use crate::ui::Ui;

/// Brings the candle store up to date for the coins that a run would choose: candles, terms of the exchange, and funding.
///
/// # Errors
/// An exchange that does not answer, or a folder that cannot be written.
pub fn download<'a>(settings: &'a Settings, request: &'a Request) -> CommandFuture<'a, CommandOutput> {
    Box::pin(run(settings, request))
}

async fn run(settings: &Settings, request: &Request) -> Result<CommandOutput, CommandFailure> {
    let workdir = std::path::absolute(&request.workdir)?;
    let exchange = Exchange::on_day(settings, request.date).or_exit(Code::BadData)?;
    let selection = select(&exchange.markets().await?, settings, exchange.now_ms());
    let remote = Remote::open(&settings.sync, &workdir, &Credentials::from_environment())?;
    let shared = candles_on(&remote, time_of_ms(exchange.now_ms()).date_naive());
    let store = CandleStore::new(&workdir, settings, &exchange, Some(shared));
    let symbols: Vec<String> = selection.chosen.iter().map(|coin| coin.symbol.clone()).collect();
    let ui = Ui::new(request.json);
    let step = ui.step("download", Some(symbols.len() as u64));
    let now = exchange.now_ms();
    let from = now - i64::from(settings.market.lookback_days) * DAY_MS;
    let gathered = store.fetch(&symbols, from, now, |_, _| step.advance(1)).await;
    step.done();
    let found: Vec<String> =
        gathered.iter().filter(|(_, result)| result.is_ok()).map(|(symbol, _)| symbol.clone()).collect();
    let (_, faults) = store.fetch_markets(&selection.chosen, &found, from, now).await?;
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for (symbol, result) in gathered {
        let fault = faults.iter().find(|fault| fault.0 == symbol).map(|(_, error)| error.to_string());
        match fault.map_or_else(|| result.map_err(|error| error.to_string()), Err) {
            Ok(got) => rows.push(json!({
                "symbol": symbol, "bars": got.candles.len(), "downloaded": got.downloaded, "source": got.source,
            })),
            Err(reason) => failed.push(json!({ "symbol": symbol, "reason": reason })),
        }
    }
    let code = if failed.is_empty() { 0 } else { Code::Partial as u8 };
    Ok(CommandOutput { code, json: json!({ "simulated": exchange.simulated(), "symbols": rows, "failed": failed }) })
}
