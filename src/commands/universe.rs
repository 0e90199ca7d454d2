//! `huracan universe`: which coins a run would choose, and why it would leave out the others.

use serde_json::json;

use super::CommandFuture;
use crate::exit::{Code, CommandFailure, CommandOutput, OrExit};
use crate::market::{Exchange, Selection, select};
use crate::pipeline::Request;
use crate::settings::Settings;

/// Chooses the coins, and gives a reason for each of the others. Stores nothing.
///
/// # Errors
/// An exchange that cannot be opened or does not answer.
pub fn universe<'a>(settings: &'a Settings, request: &'a Request) -> CommandFuture<'a, (Selection, CommandOutput)> {
    Box::pin(run(settings, request))
}

async fn run(settings: &Settings, request: &Request) -> Result<(Selection, CommandOutput), CommandFailure> {
    let exchange = Exchange::on_day(settings, request.date).or_exit(Code::BadData)?;
    let selection = select(&exchange.markets().await?, settings, exchange.now_ms());
    let json = json!({ "simulated": exchange.simulated(), "chosen": selection.chosen, "excluded": selection.excluded });
    let code = if selection.excluded.iter().any(|e| e.failed) { Code::Partial as u8 } else { 0 };
    Ok((selection, CommandOutput { code, json }))
}
