//! The ccxt engines, and what keeps their faults in: this is the only file that lets them run.
//!
//! The library's transpiled code raises errors by panics that it catches itself. While one of its futures is polled, a panic's
//! message goes to the debug log; a panic that it does not catch becomes an error here. An engine that failed is thrown
//! away, since a panic may have left it half changed.

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

type Engine = Box<dyn TypedExchange>;

/// Several engines of one exchange that share its rate limit, one for each concurrent download.
pub(super) struct Engines {
    name: String,
    config: serde_json::Value,
    timeout: Duration,
    retries: u32,
    turns: Semaphore,
    idle: Mutex<Idle>,
    limit: usize,
    markets: Mutex<Option<Value>>,
}

impl std::fmt::Debug for Engines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engines").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The engines that wait for work. All are made before one is used again, and then they take turns: each keeps a
/// share of the rate limit, and only together do they use it up.
#[derive(Default)]
struct Idle {
    engines: VecDeque<(u64, Engine)>,
    made: usize,
    /// Counts the listings shared: an engine of an older one is thrown away.
    listing: u64,
}

/// Why a call failed, and whether a further try can help.
struct Failure {
    reason: String,
    retry: bool,
    /// The exchange asks for fewer requests.
    limited: bool,
}

impl Engines {
    /// Engines of the exchange `settings.name`; `address` replaces every public address, for tests.
    pub fn new(settings: &ExchangeSettings, kind: MarketType, address: Option<&str>) -> Result<Self, MarketError> {
        keep_panics_quiet();
        let timeout = Duration::from_secs_f64(settings.timeout_s);
        let mut config = serde_json::json!({ "enableRateLimit": true, "timeout": timeout.as_millis() as u64 });
        if settings.name == "binance" {
            // Binance alone has several markets under one name, and loads all of them if not told which.
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
        let mut engines = Self {
            name: settings.name.clone(),
            config,
            timeout,
            retries: settings.retries,
            turns: Semaphore::new(settings.concurrency.max(1)),
            idle: Mutex::default(),
            limit: settings.concurrency.max(1),
            markets: Mutex::default(),
        };
        // Each engine limits its own requests, by the pause that it is made with: a share of the rate each keeps the sum
        // within the exchange's limit.
        let (_, pause_ms) = engines.build()?;
        engines.config["rateLimit"] = ((pause_ms * settings.concurrency.max(1) as f64).ceil() as i64).into();
        Ok(engines)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives all engines made from now on these markets, so that none loads them again.
    pub fn share_markets(&self, markets: Value) {
        *self.markets.lock().unwrap_or_else(PoisonError::into_inner) = Some(markets);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        *idle = Idle { listing: idle.listing + 1, ..Idle::default() };
    }

    /// Calls `method` until `check` accepts its answer or the tries are used up. `what` names the call in errors.
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
                Ok(answer) => match check(answer) {
                    Ok(answer) => return Ok(answer),
                    Err(reason) => Failure { reason, retry: true, limited: false },
                },
                Err(failure) => failure,
            };
            if !failure.retry || tries > self.retries {
                return Err(self.failed(what, tries, failure.reason));
            }
            let clock = chrono::Utc::now().timestamp_micros().unsigned_abs();
            let pause = pause(tries, self.timeout, failure.limited, uniform(draw(clock, u64::from(tries), 0)));
            tracing::debug!(exchange = self.name, what, tries, ?pause, "tried again: {}", failure.reason);
            tokio::time::sleep(pause).await;
        }
    }

    async fn once(&self, method: &str, args: Vec<Value>) -> Result<Value, Failure> {
        let fatal = |reason: String| Failure { reason, retry: false, limited: false };
        let _turn = self.turns.acquire().await.map_err(|error| fatal(error.to_string()))?;
        let (listing, mut engine) = self.take().map_err(|error| fatal(error.to_string()))?;
        // One call may make several requests and wait for the rate limit; each request has its own limit inside.
        let limit = self.timeout * 4;
        let answer = tokio::time::timeout(limit, Contained(engine.call_raw(method, args))).await;
        if matches!(answer, Ok(Ok(Ok(_)))) {
            self.put_back(listing, engine);
        } else {
            self.forget(listing);
        }
        match answer {
            Err(_) => {
                let reason = format!("no answer in {} s", limit.as_secs_f64());
                Err(Failure { reason, retry: true, limited: false })
            }
            Ok(Err(panic)) => {
                Err(Failure { reason: format!("the engine broke: {panic}"), retry: true, limited: false })
            }
            Ok(Ok(Err(error))) => Err(judged(&error)),
            Ok(Ok(Ok(answer))) => Ok(answer),
        }
    }

    fn take(&self) -> Result<(u64, Engine), MarketError> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.made >= self.limit
            && let Some(engine) = idle.engines.pop_front()
        {
            return Ok(engine);
        }
        idle.made += 1;
        let listing = idle.listing;
        drop(idle);
        let built = self.build().inspect_err(|_| self.forget(listing));
        Ok((listing, built?.0))
    }

    fn put_back(&self, listing: u64, engine: Engine) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.listing == listing {
            idle.engines.push_back((listing, engine));
        }
    }

    fn forget(&self, listing: u64) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.listing == listing {
            idle.made = idle.made.saturating_sub(1);
        }
    }

    /// A new engine, and the pause in milliseconds that it keeps for each unit of a request's weight.
    fn build(&self) -> Result<(Engine, f64), MarketError> {
        let mut config = Value::from_json(&self.config);
        if let Some(markets) = self.markets.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            ccxt::set_value(&mut config, &Value::from("markets"), markets);
        }
        let _quiet = Quiet::enter();
        let made = catch_unwind(AssertUnwindSafe(|| self.made(config)));
        made.unwrap_or_else(|panic| Err(self.failed("starting the engine", 1, message(&*panic))))
    }

    fn made(&self, config: Value) -> Result<(Engine, f64), MarketError> {
        macro_rules! engine {
            ($kind:ident) => {{
                let engine = $kind::new(Some(config));
                let pause_ms = engine.rateLimit.as_f64().unwrap_or(1000.0);
                Ok((Box::new(engine), pause_ms))
            }};
        }
        match self.name.as_str() {
            "binance" => engine!(Binance),
            "coinbase" => engine!(Coinbase),
            "kraken" => engine!(Kraken),
            _ => Err(self.failed("starting the engine", 1, "choose binance, coinbase or kraken".into())),
        }
    }

    fn failed(&self, what: &str, tries: u32, reason: String) -> MarketError {
        MarketError::Exchange { exchange: self.name.clone(), what: what.into(), tries, reason }
    }
}

/// Failures of the line and of a busy exchange pass; a wrong symbol or request does not. What the library cannot name is
/// a panic over an answer that it did not expect, and such answers pass too.
fn judged(error: &ExchangeError) -> Failure {
    Failure {
        reason: shortened(&error.to_string()),
        retry: error.is("OperationFailed") || !error.is("BaseError") || error.kind == "ExchangeError",
        limited: error.is("DDoSProtection") || error.is("RateLimitExceeded"),
    }
}

/// Error pages can be long.
fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(300) {
        Some((at, _)) => format!("{} …", &line[..at]),
        None => line,
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    shortened(text.unwrap_or("a panic without a message"))
}

thread_local! {
    /// How many engine calls this thread is inside of.
    static INSIDE: Cell<u32> = const { Cell::new(0) };
}

/// While it lives, panics of this thread go to the debug log.
struct Quiet;

impl Quiet {
    fn enter() -> Self {
        INSIDE.set(INSIDE.get() + 1);
        Self
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        INSIDE.set(INSIDE.get() - 1);
    }
}

/// Puts a panic hook before the present one, once a process: it takes the engines' panics and passes on all others.
fn keep_panics_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if INSIDE.get() > 0 {
                tracing::debug!("ccxt: {}", shortened(&panic.to_string()));
            } else {
                previous(panic);
            }
        }));
    });
}

/// An engine's future whose panics are its error.
struct Contained<'a, T>(Pin<Box<dyn Future<Output = T> + Send + 'a>>);

impl<T> Future for Contained<'_, T> {
    type Output = Result<T, String>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let _quiet = Quiet::enter();
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(message(&*panic))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_inside_an_engine_call_is_an_error_and_stays_inside() {
        keep_panics_quiet();
        let broken: Contained<'_, ()> = Contained(Box::pin(async { panic!("[BadSymbol] nope") }));
        assert_eq!(broken.await, Err("[BadSymbol] nope".to_owned()));
        assert_eq!(INSIDE.get(), 0);
        assert_eq!(Contained(Box::pin(async { 5 })).await, Ok(5));
    }

    #[test]
    fn the_line_may_be_tried_again_and_a_wrong_symbol_may_not() {
        let retry = |kind: &str| judged(&ExchangeError::new(kind, "x")).retry;
        assert!(
            retry("RequestTimeout") && retry("RateLimitExceeded") && retry("BadResponse") && retry("ExchangeError")
        );
        assert!(!retry("BadSymbol") && !retry("AuthenticationError"));
        assert!(judged(&ExchangeError::new("DDoSProtection", "")).limited);
        let (early, late) =
            (pause(1, Duration::from_secs(20), false, 0.0), pause(9, Duration::from_secs(20), false, 0.0));
        assert_eq!((early, late), (Duration::from_secs(1), Duration::from_secs(30)));
        assert_eq!(pause(2, Duration::from_secs(20), true, 1.0), Duration::from_secs(4));
    }
}
