//! HTTP with time limits and the pauses that the remote requests.

use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Request, Response, StatusCode};
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport, HttpTransporter, Result};
use tokio::time::{Instant, sleep_until, timeout_at};

/// Longest pause, whatever the remote requests.
const MAX_WAIT: Duration = Duration::from_secs(600);

/// Sends requests no earlier than the remote's `Retry-After` allows, and waits for each response within a limit.
///
/// A requested pause does not count against the limit.
pub(super) struct WaitingTransport {
    inner: HttpTransporter,
    /// For the head of the response, and again for all of its body.
    limit: Duration,
    /// No request is sent before this time. `Retry-After` applies to the account, not only to the request that got it.
    blocked_until: Mutex<Option<Instant>>,
}

impl WaitingTransport {
    pub fn new(limit: Duration) -> Self {
        Self { inner: HttpTransporter::default(), limit, blocked_until: Mutex::default() }
    }

    async fn wait(&self) {
        loop {
            let blocked_until = *self.blocked_until.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            match blocked_until {
                Some(at) if at > Instant::now() => sleep_until(at).await,
                _ => return,
            }
        }
    }

    fn block_for(&self, pause: Duration) {
        let at = Instant::now() + pause.min(MAX_WAIT);
        let mut blocked_until = self.blocked_until.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *blocked_until = Some(blocked_until.map_or(at, |known| known.max(at)));
    }
}

impl HttpTransport for WaitingTransport {
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        self.wait().await;
        let limit = self.limit;
        let answer = tokio::time::timeout(limit, self.inner.fetch(request)).await;
        let response = answer.map_err(|_| too_late(limit))??;
        let is_overloaded =
            matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        if let (true, Some(pause)) = (is_overloaded, retry_after(response.headers(), Utc::now())) {
            self.block_for(pause);
        }
        let deadline = Instant::now() + limit;
        Ok(response.map(|body| {
            body.map_inner(|stream| {
                let timed = futures::stream::unfold(Some(stream), move |stream| async move {
                    let mut stream = stream?;
                    match timeout_at(deadline, stream.next()).await {
                        Ok(piece) => piece.map(|piece| (piece, Some(stream))),
                        Err(_) => Some((Err(too_late(limit)), None)),
                    }
                });
                Box::new(Box::pin(timed))
            })
        }))
    }
}

fn too_late(limit: Duration) -> Error {
    Error::new(ErrorKind::Unexpected, format!("no answer within {} s", limit.as_secs_f64())).set_temporary()
}

/// The pause of a `Retry-After` header, which is a number of seconds or a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let date = DateTime::parse_from_rfc2822(value).ok()?;
    (date.to_utc() - now).to_std().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_given_in_seconds_or_as_a_date() {
        let now = DateTime::from_timestamp(1_445_412_470, 0).unwrap();
        let pause = |value: &str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            retry_after(&headers, now)
        };
        assert_eq!(pause("120"), Some(Duration::from_secs(120)));
        // 1,445,412,480 s after the epoch.
        assert_eq!(pause("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(pause("Wed, 21 Oct 2015 07:00:00 GMT"), None);
        assert_eq!(pause("soon"), None);
    }

    #[tokio::test]
    async fn all_requests_wait_until_the_latest_requested_time() {
        let transport = WaitingTransport::new(Duration::from_secs(1));
        transport.block_for(Duration::from_millis(80));
        transport.block_for(Duration::from_millis(10));
        let begun = Instant::now();
        tokio::join!(transport.wait(), transport.wait());
        assert!(begun.elapsed() >= Duration::from_millis(79), "{:?}", begun.elapsed());
    }
}
