//! What an exchange says of its markets besides candles: terms, and the funding that was paid.

use super::{Cached, CandleStore};
use crate::bars::{HOUR_MS, Markets};
use crate::market::markets::{funding_from, write_markets};
use crate::market::{MarketError, Ranked};
use crate::shadow::MarketType;

impl CandleStore<'_> {
    /// Gathers the terms of the chosen coins and the funding that those of `symbols` paid while their stored candles lasted, at
    /// least in `[from_ms, to_ms]`, and stores both beside the candles. Also returns the symbols whose funding cannot be read,
    /// and why.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub async fn fetch_markets(
        &self,
        chosen: &[Ranked],
        symbols: &[String],
        from_ms: i64,
        to_ms: i64,
    ) -> Result<(Markets, Vec<(String, MarketError)>), MarketError> {
        let mut markets = Markets::default();
        let mut failed = Vec::new();
        markets.terms = chosen.iter().map(|coin| (coin.symbol.clone(), coin.terms)).collect();
        if self.kind == MarketType::Perp {
            for symbol in symbols {
                // The payment before the first bar shows that nothing is missing since.
                let from_ms = self.funding_from(symbol, from_ms) - 8 * HOUR_MS;
                match self.exchange.funding(symbol, from_ms, to_ms).await {
                    Ok(Some(history)) => _ = markets.funding.insert(symbol.clone(), history),
                    Ok(None) => {}
                    Err(error) => failed.push((symbol.clone(), error)),
                }
            }
        }
        // Where nothing new is known of the funding, what is stored stays as it is.
        let known = |symbol: &String| symbols.contains(symbol) && !failed.iter().any(|fault| fault.0 == *symbol);
        let known = Markets {
            terms: markets
                .terms
                .iter()
                .filter(|(symbol, _)| known(symbol))
                .map(|(s, terms)| (s.clone(), *terms))
                .collect(),
            funding: markets.funding.clone(),
        };
        write_markets(&self.folder, &known, self.exchange.name(), self.kind)?;
        Ok((markets, failed))
    }

    /// The bar from which funding is needed: the first one stored, which earlier runs may have trained on, unless the funding
    /// since then is stored already.
    fn funding_from(&self, symbol: &str, from_ms: i64) -> i64 {
        let origin = self.exchange.origin(symbol, self.timeframe);
        let stored = Cached::local(&self.path(symbol), &origin, self.timeframe);
        let first_ms = stored.and_then(|stored| stored.candles.timestamp.first().copied()).unwrap_or(from_ms);
        let known_ms = funding_from(&self.folder, symbol, self.exchange.name());
        if known_ms.is_some_and(|known_ms| known_ms <= first_ms) { from_ms } else { from_ms.min(first_ms) }
    }
}
