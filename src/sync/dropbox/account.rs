//! Requests to Dropbox, with an access token that is renewed when it expires.

use std::time::{Duration, Instant};

use http::header::{AUTHORIZATION, CONTENT_TYPE, RANGE};
use http::{Request, Response, StatusCode};
use opendal::raw::percent_encode_path;
use opendal::{Buffer, BytesRange, Error, ErrorKind, HttpBody, HttpTransporter, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;

use super::refusal::{api_error, unreadable};
use crate::secret::Secret;

const API: &str = "https://api.dropboxapi.com";
const CONTENT: &str = "https://content.dropboxapi.com";

/// The credentials of an account.
#[derive(Debug)]
pub(in crate::sync) enum Access {
    /// An access token, which expires after a few hours.
    Token(Secret),
    /// A refresh token, which yields access tokens until it is revoked.
    Refresh { refresh_token: Secret, client_id: Secret, client_secret: Secret },
}

/// The hosts, and the current access token.
#[derive(Debug)]
pub(super) struct Account {
    api: String,
    content: String,
    access: Access,
    granted: Mutex<Option<Granted>>,
}

#[derive(Debug)]
struct Granted {
    token: Secret,
    /// After nine tenths of its lifetime.
    renew_at: Instant,
}

#[derive(Deserialize)]
struct Grant {
    access_token: String,
    expires_in: u32,
}

impl Account {
    /// `endpoint` replaces both of Dropbox's hosts, unless it is empty.
    pub fn new(access: Access, endpoint: &str) -> Self {
        let host = |known: &str| if endpoint.is_empty() { known } else { endpoint.trim_end_matches('/') }.to_owned();
        Self { api: host(API), content: host(CONTENT), access, granted: Mutex::default() }
    }

    /// A call with a JSON answer.
    pub async fn call<T: DeserializeOwned>(
        &self,
        http: &HttpTransporter,
        endpoint: &'static str,
        arguments: &Value,
    ) -> Result<T> {
        let url = format!("{}/2/files/{endpoint}", self.api);
        let body = Buffer::from(arguments.to_string());
        let build = || Request::post(&url).header(CONTENT_TYPE, "application/json");
        let (status, body) = read_body(self.fetch(http, build, body).await?).await?;
        if status != StatusCode::OK {
            return Err(api_error(endpoint, status, &body.to_bytes()));
        }
        parsed(endpoint, body)
    }

    /// A call with content. Returns the status and the body, whether it succeeded or not.
    pub async fn send(
        &self,
        http: &HttpTransporter,
        endpoint: &'static str,
        arguments: &Value,
        body: Buffer,
    ) -> Result<(StatusCode, Buffer)> {
        let url = format!("{}/2/files/{endpoint}", self.content);
        let arguments = header_json(arguments);
        let build = || {
            Request::post(&url)
                .header(CONTENT_TYPE, "application/octet-stream")
                .header("Dropbox-API-Arg", arguments.as_str())
        };
        read_body(self.fetch(http, build, body).await?).await
    }

    /// Streams a file, or a range of it.
    pub async fn download(
        &self,
        http: &HttpTransporter,
        arguments: &Value,
        range: BytesRange,
    ) -> Result<Response<HttpBody>> {
        const ENDPOINT: &str = "download";
        let url = format!("{}/2/files/{ENDPOINT}", self.content);
        let arguments = header_json(arguments);
        let build = || {
            let request = Request::post(&url).header("Dropbox-API-Arg", arguments.as_str());
            if range.is_full() { request } else { request.header(RANGE, range.to_header()) }
        };
        let (response, token) = self.fetch(http, build, Buffer::new()).await?;
        match response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(response),
            _ => {
                let (status, body) = read_body((response, token)).await?;
                Err(api_error(ENDPOINT, status, &body.to_bytes()))
            }
        }
    }

    /// Sends a request with the access token. Returns the response and the token. If Dropbox rejects the token, it is renewed
    /// once and the request repeated, whatever its lifetime should have been.
    async fn fetch(
        &self,
        http: &HttpTransporter,
        build: impl Fn() -> http::request::Builder,
        body: Buffer,
    ) -> Result<(Response<HttpBody>, Secret)> {
        let mut rejected: Option<Secret> = None;
        loop {
            let token = self.token(http, rejected.as_ref()).await?;
            let request = build().header(AUTHORIZATION, format!("Bearer {}", token.reveal()));
            let response = http.fetch(request.body(body.clone()).map_err(unbuildable)?).await?;
            let is_renewable = matches!(self.access, Access::Refresh { .. });
            if response.status() != StatusCode::UNAUTHORIZED || !is_renewable {
                return Ok((response, token));
            }
            if rejected.is_some() {
                // It may have expired already, for example because another process renewed it. A retry gets a new one. A
                // refresh token that is no longer valid gives a permanent error when it is used.
                let message = "Dropbox rejects a token that was just renewed";
                return Err(Error::new(ErrorKind::PermissionDenied, message).set_temporary());
            }
            rejected = Some(token);
        }
    }

    /// A token that has not expired, and is not the rejected one.
    async fn token(&self, http: &HttpTransporter, rejected: Option<&Secret>) -> Result<Secret> {
        const ENDPOINT: &str = "oauth2/token";
        let (refresh_token, client_id, client_secret) = match &self.access {
            Access::Token(token) => return Ok(token.clone()),
            Access::Refresh { refresh_token, client_id, client_secret } => (refresh_token, client_id, client_secret),
        };
        // Locked during the request, so that one renewal serves all waiting requests.
        let mut granted = self.granted.lock().await;
        if let Some(granted) = granted.as_ref()
            && granted.renew_at > Instant::now()
            && rejected != Some(&granted.token)
        {
            return Ok(granted.token.clone());
        }
        let form = format!(
            "grant_type=refresh_token&refresh_token={}&client_id={}&client_secret={}",
            percent_encode_path(refresh_token.reveal()),
            percent_encode_path(client_id.reveal()),
            percent_encode_path(client_secret.reveal()),
        );
        let request = Request::post(format!("{}/{ENDPOINT}", self.api))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Buffer::from(form))
            .map_err(unbuildable)?;
        let (status, body) = read_body((http.fetch(request).await?, refresh_token.clone())).await?;
        if status != StatusCode::OK {
            let error = api_error(ENDPOINT, status, &body.to_bytes());
            // Here a bad request means an invalid refresh token, client id or client secret.
            return Err(if status == StatusCode::BAD_REQUEST {
                Error::new(ErrorKind::PermissionDenied, error.message())
            } else {
                error
            });
        }
        let grant: Grant = parsed(ENDPOINT, body)?;
        let token = Secret::new(grant.access_token);
        let renew_at = Instant::now() + Duration::from_secs(grant.expires_in.into()) * 9 / 10;
        *granted = Some(Granted { token: token.clone(), renew_at });
        Ok(token)
    }
}

/// Status and body of a response. The secret of the request is removed from the body of an error, which may repeat it (a
/// proxy's page, for example).
async fn read_body((response, secret): (Response<HttpBody>, Secret)) -> Result<(StatusCode, Buffer)> {
    let (parts, mut body) = response.into_parts();
    let body = body.to_buffer().await?;
    if parts.status == StatusCode::OK {
        return Ok((parts.status, body));
    }
    let redacted = secret.hide_in(&String::from_utf8_lossy(&body.to_bytes()));
    Ok((parts.status, Buffer::from(redacted)))
}

/// Parses the JSON of a successful answer.
pub(super) fn parsed<T: DeserializeOwned>(endpoint: &'static str, body: Buffer) -> Result<T> {
    serde_json::from_slice(&body.to_bytes()).map_err(|error| unreadable(endpoint, &error))
}

/// JSON for a header. Headers are ASCII, so other characters and DEL are written as JSON escapes.
fn header_json(arguments: &Value) -> String {
    let mut escaped = String::new();
    for unit in arguments.to_string().encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte < 0x7f => escaped.push(byte.into()),
            _ => escaped.push_str(&format!("\\u{unit:04x}")),
        }
    }
    escaped
}

fn unbuildable(error: http::Error) -> Error {
    Error::new(ErrorKind::Unexpected, "the request cannot be built").set_source(error)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_in_a_header_are_ascii_and_parse_to_the_same_value() {
        let arguments = json!({ "path": "/é/漢/😀/\u{7f}" });
        let header = header_json(&arguments);
        assert_eq!(header, r#"{"path":"/\u00e9/\u6f22/\ud83d\ude00/\u007f"}"#);
        assert_eq!(serde_json::from_str::<Value>(&header).unwrap(), arguments);
    }
}
