//! HTTP to a remote that may be slow, or that asks for patience.

use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Request, Response, StatusCode};
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport, HttpTransporter, Result};
use tokio::time::{Instant, sleep_until, timeout_at};

/// Longest pause that a remote may ask for; asked for more, the request is tried again after this.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Sends a request when the remote has said that it may, and waits for the answer no longer than its limit.
///
/// The time that the remote asked to wait does not count against the limit: it is no failed try.
pub(super) struct Patient {
    inner: HttpTransporter,
    /// For the answer's head, and once more for all of its body.
    limit: Duration,
    /// Nobody asks before this time: the remote's Retry-After holds for the account, whichever request was told.
    open_at: Mutex<Option<Instant>>,
}

impl Patient {
    pub fn new(limit: Duration) -> Self {
        Self { inner: HttpTransporter::default(), limit, open_at: Mutex::default() }
    }

    async fn wait(&self) {
        loop {
            let open_at = *self.open_at.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            match open_at {
                Some(at) if at > Instant::now() => sleep_until(at).await,
                _ => return,
            }
        }
    }

    fn close_for(&self, pause: Duration) {
        let at = Instant::now() + pause.min(LONGEST_WAIT);
        let mut open_at = self.open_at.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *open_at = Some(open_at.map_or(at, |known| known.max(at)));
    }
}

impl HttpTransport for Patient {
    async fn fetch(&self, request: Request<Buffer>) -> Result<Response<HttpBody>> {
        self.wait().await;
        let limit = self.limit;
        let answer = tokio::time::timeout(limit, self.inner.fetch(request)).await;
        let response = answer.map_err(|_| too_late(limit))??;
        let told = matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        if let (true, Some(pause)) = (told, retry_after(response.headers(), Utc::now())) {
            self.close_for(pause);
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

/// The pause of a Retry-After, which is a number of seconds or a date (RFC 9110, 10.2.3).
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
    async fn all_requests_wait_until_the_latest_time_that_was_asked_for() {
        let patient = Patient::new(Duration::from_secs(1));
        patient.close_for(Duration::from_millis(80));
        patient.close_for(Duration::from_millis(10));
        let begun = Instant::now();
        tokio::join!(patient.wait(), patient.wait());
        assert!(begun.elapsed() >= Duration::from_millis(79), "{:?}", begun.elapsed());
    }
}
