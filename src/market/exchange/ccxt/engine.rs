//! A pool of ccxt clients. Only this file runs library code, and it keeps the library's panics contained.
//!
//! The library's transpiled code raises errors as panics, which it catches itself. While one of its futures is
//! polled, panic messages go to the debug log; a panic that the library does not catch becomes an error here. A
//! client that failed is dropped, because a panic may have left it in an inconsistent state.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Mutex, Once, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use ccxt::{Binance, Coinbase, ExchangeError, Kraken, TypedExchange, Value};
use tokio::sync::Semaphore;

use super::pause;
use crate::arith::{draw, uniform};
use crate::market::MarketError;
use crate::settings::Exchange as ExchangeSettings;
use crate::shadow::MarketType;

type Client = Box<dyn TypedExchange>;

/// Several clients of one exchange that share its rate limit, one per concurrent download.
pub(super) struct ClientPool {
    name: String,
    config: serde_json::Value,
    timeout: Duration,
    retries: u32,
    permits: Semaphore,
    idle: Mutex<Idle>,
    limit: usize,
    markets: Mutex<Option<Value>>,
}

impl std::fmt::Debug for ClientPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientPool").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The idle clients. All are created before one is reused; then they are used in turn. Each has a share of the rate
/// limit, so only all of them together use it up.
#[derive(Default)]
struct Idle {
    clients: VecDeque<(u64, Client)>,
    created: usize,
    /// Number of market lists shared so far; clients of an older list are dropped.
    generation: u64,
}

/// Why a call failed, and whether a retry can help.
struct CallFailure {
    reason: String,
    retry: bool,
    /// The exchange limits the request rate.
    rate_limited: bool,
}

impl ClientPool {
    /// A pool for the exchange `settings.name`; `address` replaces every public address, for tests.
    pub fn new(settings: &ExchangeSettings, kind: MarketType, address: Option<&str>) -> Result<Self, MarketError> {
        install_panic_hook();
        let timeout = Duration::from_secs_f64(settings.timeout_s);
        let mut config = serde_json::json!({ "enableRateLimit": true, "timeout": timeout.as_millis() as u64 });
        if settings.name == "binance" {
            // Only Binance has several markets under one name, and it loads all of them unless one is chosen.
            let (default, listed) = match kind {
                MarketType::Spot => ("spot", "spot"),
                MarketType::Perp => ("swap", "linear"),
            };
            config["options"] = serde_json::json!({ "defaultType": default, "fetchMarkets": { "types": [listed] } });
        }
        if let Some(address) = address {
            config["urls"] = match settings.name.as_str() {
                "binance" => serde_json::json!({ "api": {
                    "public": format!("{address}/api/v3"),
                    "fapiPublic": format!("{address}/fapi/v1"),
                } }),
                _ => serde_json::json!({ "api": { "rest": address, "public": address } }),
            };
        }
        let mut pool = Self {
            name: settings.name.clone(),
            config,
            timeout,
            retries: settings.retries,
            permits: Semaphore::new(settings.concurrency.max(1)),
            idle: Mutex::default(),
            limit: settings.concurrency.max(1),
            markets: Mutex::default(),
        };
        // Each client limits its own requests by the pause that it is created with. Dividing the rate among the
        // clients keeps their sum within the exchange's limit.
        let (_, pause_ms) = pool.build()?;
        pool.config["rateLimit"] = ((pause_ms * settings.concurrency.max(1) as f64).ceil() as i64).into();
        Ok(pool)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives these markets to all clients created from now on, so that none loads them again.
    pub fn share_markets(&self, markets: Value) {
        *self.markets.lock().unwrap_or_else(PoisonError::into_inner) = Some(markets);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        *idle = Idle { generation: idle.generation + 1, ..Idle::default() };
    }

    /// Calls `method` until `check` accepts its response or the tries are used up. `what` names the call in errors.
    pub async fn call<T>(
        &self,
        what: &str,
        method: &str,
        args: Vec<Value>,
        check: impl Fn(Value) -> Result<T, String>,
    ) -> Result<T, MarketError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let failure = match self.once(method, args.clone()).await {
                Ok(response) => match check(response) {
                    Ok(checked) => return Ok(checked),
                    Err(reason) => CallFailure { reason, retry: true, rate_limited: false },
                },
                Err(failure) => failure,
            };
            if !failure.retry || tries > self.retries {
                return Err(self.failed(what, tries, failure.reason));
            }
            let clock = chrono::Utc::now().timestamp_micros().unsigned_abs();
            let pause = pause(tries, self.timeout, failure.rate_limited, uniform(draw(clock, u64::from(tries), 0)));
            tracing::debug!(exchange = self.name, what, tries, ?pause, "retrying: {}", failure.reason);
            tokio::time::sleep(pause).await;
        }
    }

    async fn once(&self, method: &str, args: Vec<Value>) -> Result<Value, CallFailure> {
        let fatal = |reason: String| CallFailure { reason, retry: false, rate_limited: false };
        let _permit = self.permits.acquire().await.map_err(|error| fatal(error.to_string()))?;
        let (generation, mut client) = self.take().map_err(|error| fatal(error.to_string()))?;
        // One call may make several requests and wait for the rate limit; each request has its own timeout.
        let limit = self.timeout * 4;
        let answer = tokio::time::timeout(limit, CatchPanics(client.call_raw(method, args))).await;
        if matches!(answer, Ok(Ok(Ok(_)))) {
            self.put_back(generation, client);
        } else {
            self.forget(generation);
        }
        match answer {
            Err(_) => {
                let reason = format!("no response within {} s", limit.as_secs_f64());
                Err(CallFailure { reason, retry: true, rate_limited: false })
            }
            Ok(Err(panic)) => Err(CallFailure {
                reason: format!("the ccxt client panicked: {panic}"),
                retry: true,
                rate_limited: false,
            }),
            Ok(Ok(Err(error))) => Err(classify(&error)),
            Ok(Ok(Ok(answer))) => Ok(answer),
        }
    }

    fn take(&self) -> Result<(u64, Client), MarketError> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.created >= self.limit
            && let Some(client) = idle.clients.pop_front()
        {
            return Ok(client);
        }
        idle.created += 1;
        let generation = idle.generation;
        drop(idle);
        let built = self.build().inspect_err(|_| self.forget(generation));
        Ok((generation, built?.0))
    }

    fn put_back(&self, generation: u64, client: Client) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.generation == generation {
            idle.clients.push_back((generation, client));
        }
    }

    fn forget(&self, generation: u64) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.generation == generation {
            idle.created = idle.created.saturating_sub(1);
        }
    }

    /// A new client, and the pause in milliseconds that it makes per unit of a request's weight.
    fn build(&self) -> Result<(Client, f64), MarketError> {
        let mut config = Value::from_json(&self.config);
        if let Some(markets) = self.markets.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            ccxt::set_value(&mut config, &Value::from("markets"), markets);
        }
        let _quiet = QuietPanics::enter();
        let created = catch_unwind(AssertUnwindSafe(|| self.create(config)));
        created.unwrap_or_else(|panic| Err(self.failed("creating the ccxt client", 1, panic_message(&*panic))))
    }

    fn create(&self, config: Value) -> Result<(Client, f64), MarketError> {
        macro_rules! client {
            ($kind:ident) => {{
                let client = $kind::new(Some(config));
                let pause_ms = client.rateLimit.as_f64().unwrap_or(1000.0);
                Ok((Box::new(client), pause_ms))
            }};
        }
        match self.name.as_str() {
            "binance" => client!(Binance),
            "coinbase" => client!(Coinbase),
            "kraken" => client!(Kraken),
            _ => Err(self.failed("creating the ccxt client", 1, "choose binance, coinbase or kraken".into())),
        }
    }

    fn failed(&self, what: &str, tries: u32, reason: String) -> MarketError {
        MarketError::Exchange { exchange: self.name.clone(), what: what.into(), tries, reason }
    }
}

/// Connection errors and overload are transient; a wrong symbol or request is not. An error that the library cannot
/// classify is a panic over an unexpected response, which is transient too.
fn classify(error: &ExchangeError) -> CallFailure {
    CallFailure {
        reason: shortened(&error.to_string()),
        retry: error.is("OperationFailed") || !error.is("BaseError") || error.kind == "ExchangeError",
        rate_limited: error.is("DDoSProtection") || error.is("RateLimitExceeded"),
    }
}

/// The text on one line, at most 300 characters: error pages can be long.
fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(300) {
        Some((at, _)) => format!("{} …", &line[..at]),
        None => line,
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    shortened(text.unwrap_or("a panic without a message"))
}

thread_local! {
    /// Number of nested client calls on this thread.
    static CALL_DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// While it lives, panics of this thread go to the debug log.
struct QuietPanics;

impl QuietPanics {
    fn enter() -> Self {
        CALL_DEPTH.set(CALL_DEPTH.get() + 1);
        Self
    }
}

impl Drop for QuietPanics {
    fn drop(&mut self) {
        CALL_DEPTH.set(CALL_DEPTH.get() - 1);
    }
}

/// Installs a panic hook in front of the current one, once per process. It handles the clients' panics and passes on
/// all others.
fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if CALL_DEPTH.get() > 0 {
                tracing::debug!("ccxt: {}", shortened(&panic.to_string()));
            } else {
                previous(panic);
            }
        }));
    });
}

/// A client's future that returns its panics as errors.
struct CatchPanics<'a, T>(Pin<Box<dyn Future<Output = T> + Send + 'a>>);

impl<T> Future for CatchPanics<'_, T> {
    type Output = Result<T, String>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let _quiet = QuietPanics::enter();
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic_message(&*panic))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_inside_a_client_call_is_an_error_and_is_contained() {
        install_panic_hook();
        let broken: CatchPanics<'_, ()> = CatchPanics(Box::pin(async { panic!("[BadSymbol] nope") }));
        assert_eq!(broken.await, Err("[BadSymbol] nope".to_owned()));
        assert_eq!(CALL_DEPTH.get(), 0);
        assert_eq!(CatchPanics(Box::pin(async { 5 })).await, Ok(5));
    }

    #[test]
    fn connection_errors_are_retried_and_a_wrong_symbol_is_not() {
        let retry = |kind: &str| classify(&ExchangeError::new(kind, "x")).retry;
        assert!(
            retry("RequestTimeout") && retry("RateLimitExceeded") && retry("BadResponse") && retry("ExchangeError")
        );
        assert!(!retry("BadSymbol") && !retry("AuthenticationError"));
        assert!(classify(&ExchangeError::new("DDoSProtection", "")).rate_limited);
        let (early, late) =
            (pause(1, Duration::from_secs(20), false, 0.0), pause(9, Duration::from_secs(20), false, 0.0));
        assert_eq!((early, late), (Duration::from_secs(1), Duration::from_secs(30)));
        assert_eq!(pause(2, Duration::from_secs(20), true, 1.0), Duration::from_secs(4));
    }
}
