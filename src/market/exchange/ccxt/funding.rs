//! The history of funding on a live exchange.

use ccxt::Value;

use super::{Ccxt, utc};
use crate::bars::FundingHistory;
use crate::market::MarketError;
use crate::shadow::MarketType;

/// Most payments per page.
const PAGE: i64 = 1000;

impl Ccxt {
    /// The funding that a perpetual paid in `[from_ms, to_ms]`. `None` for spot markets, on exchanges other than Binance,
    /// whose histories the library does not page, and where nothing was paid.
    ///
    /// # Errors
    /// An unknown symbol, an exchange that cannot be reached or sends no rates, after all retries, or impossible rates.
    pub async fn funding(&self, symbol: &str, from_ms: i64, to_ms: i64) -> Result<Option<FundingHistory>, MarketError> {
        if self.kind != MarketType::Perp || self.name() != "binance" {
            return Ok(None);
        }
        let name = self.ccxt_symbol(symbol)?;
        self.listed().await?;
        let (mut times, mut rates, mut since) = (Vec::new(), Vec::new(), from_ms);
        while since <= to_ms {
            let args = vec![
                Value::from(name.as_str()),
                Value::Int(since),
                Value::Int(PAGE),
                ccxt::Params::none().into_value(),
            ];
            let what = format!("reading the funding of {symbol} from {}", utc(since));
            let page = self.clients.call(&what, "fetch_funding_rate_history", args, |answer| rates_of(&answer)).await?;
            for &(time, rate) in page.iter().filter(|payment| payment.0 <= to_ms) {
                if times.last().is_none_or(|&last| time > last) {
                    times.push(time);
                    rates.push(rate);
                }
            }
            match page.last() {
                Some(&(last, _)) if page.len() as i64 >= PAGE && last >= since => since = last + 1,
                _ => break,
            }
        }
        if times.is_empty() {
            return Ok(None);
        }
        let (history, dropped) = FundingHistory::new(&times, &rates).map_err(|fault| MarketError::BadRates {
            exchange: self.name().to_owned(),
            symbol: symbol.to_owned(),
            fault,
        })?;
        if dropped > 0 {
            tracing::warn!(symbol, rows = dropped, "left out the funding before a gap of more than 8 hours");
        }
        Ok(Some(history))
    }
}

/// Times and rates of a response, ascending.
fn rates_of(answer: &Value) -> Result<Vec<(i64, f64)>, String> {
    let rows = answer.as_array().ok_or_else(|| "the response is not a list of funding rates".to_owned())?;
    let payment = |row: &Value| {
        let rate = ccxt::safe_number(row, "fundingRate", None).filter(|rate| rate.is_finite())?;
        Some((ccxt::safe_integer(row, "timestamp", None)?, rate))
    };
    let payments: Option<Vec<(i64, f64)>> = rows.iter().map(payment).collect();
    let mut payments = payments.ok_or_else(|| "a funding rate in the response has no number or no time".to_owned())?;
    payments.sort_by_key(|payment| payment.0);
    Ok(payments)
}
