//! Checks of the database and the exchange.

use std::time::Duration;

use super::{Check, timed};
use crate::brain::Brain;
use crate::market::Exchange;

/// What to do about an exchange that does not answer.
pub const EXCHANGE_REMEDY: &str = "check the network, market.exchange.name, or the folder of market.exchange.path";
/// What to do about a database that does not answer.
pub const BRAIN_REMEDY: &str = "check that the database runs, and brain.url";

/// Checks that the brain's database responds.
pub async fn database_check(brain: &Brain, limit: Duration) -> Check {
    timed("database", limit, BRAIN_REMEDY, async { brain.ping().await.map(|_| brain.kind().to_owned()) }).await
}

/// Checks the exchange by requesting its markets.
pub async fn exchange_check(exchange: &Exchange, limit: Duration) -> Check {
    timed("exchange", limit, EXCHANGE_REMEDY, async {
        exchange.markets().await.map(|markets| format!("{}: {} markets", exchange.name(), markets.len()))
    })
    .await
}
