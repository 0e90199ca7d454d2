//! `huracan universe`: which coins a run would choose, and why not the others.

use serde_json::json;

use super::Ending;
use crate::exit::{Answer, Code, Failure, OrExit};
use crate::market::{Exchange, Selection, select};
use crate::pipeline::Request;
use crate::settings::Settings;

/// Chooses the coins and says why not the others; nothing is stored.
///
/// # Errors
/// An exchange that does not answer, and the like.
pub fn universe<'a>(settings: &'a Settings, request: &'a Request) -> Ending<'a, (Selection, Answer)> {
    Box::pin(run(settings, request))
}

async fn run(settings: &Settings, request: &Request) -> Result<(Selection, Answer), Failure> {
    let exchange = Exchange::on_day(settings, request.date).or_exit(Code::BadData)?;
    let selection = select(&exchange.markets().await?, settings, exchange.now_ms());
    let json = json!({ "simulated": exchange.simulated(), "chosen": selection.chosen, "excluded": selection.excluded });
    let code = if selection.excluded.iter().any(|e| e.failed) { Code::Partial as u8 } else { 0 };
    Ok((selection, Answer { code, json }))
}
