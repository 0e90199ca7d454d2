//! One request to Dropbox, signed with a token that is renewed when it has run out.

use std::time::{Duration, Instant};

use http::header::{AUTHORIZATION, CONTENT_TYPE, RANGE};
use http::{Request, Response, StatusCode};
use opendal::raw::percent_encode_path;
use opendal::{Buffer, BytesRange, Error, ErrorKind, HttpBody, HttpTransporter, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;

use super::refusal::{refusal, unreadable};
use crate::secret::Secret;

const API: &str = "https://api.dropboxapi.com";
const CONTENT: &str = "https://content.dropboxapi.com";

/// What lets us in.
#[derive(Debug)]
pub(in crate::sync) enum Access {
    /// A token that ends after some hours.
    Token(Secret),
    /// What makes such tokens for as long as it is not revoked.
    Refresh { refresh_token: Secret, client_id: Secret, client_secret: Secret },
}

/// Addresses, and the token in use.
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
    /// Nine tenths of its life.
    good_until: Instant,
}

#[derive(Deserialize)]
struct Grant {
    access_token: String,
    expires_in: u32,
}

impl Account {
    /// `endpoint` stands for both of Dropbox's hosts where it is not empty.
    pub fn new(access: Access, endpoint: &str) -> Self {
        let host = |known: &str| if endpoint.is_empty() { known } else { endpoint.trim_end_matches('/') }.to_owned();
        Self { api: host(API), content: host(CONTENT), access, granted: Mutex::default() }
    }

    /// A call whose answer is JSON.
    pub async fn call<T: DeserializeOwned>(
        &self,
        http: &HttpTransporter,
        endpoint: &'static str,
        arguments: &Value,
    ) -> Result<T> {
        let url = format!("{}/2/files/{endpoint}", self.api);
        let body = Buffer::from(arguments.to_string());
        let build = || Request::post(&url).header(CONTENT_TYPE, "application/json");
        let (status, body) = whole(self.signed(http, build, body).await?).await?;
        if status != StatusCode::OK {
            return Err(refusal(endpoint, status, &body.to_bytes()));
        }
        parsed(endpoint, body)
    }

    /// A call that carries content; the answer as it is, refused or not.
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
        whole(self.signed(http, build, body).await?).await
    }

    /// Content of a file, or a range of it, as it arrives.
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
        let (response, token) = self.signed(http, build, Buffer::new()).await?;
        match response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(response),
            _ => {
                let (status, body) = whole((response, token)).await?;
                Err(refusal(ENDPOINT, status, &body.to_bytes()))
            }
        }
    }

    /// Sends a request; the answer, and the token that it was asked with. A token that is refused is renewed once at once, whatever its life should have been.
    async fn signed(
        &self,
        http: &HttpTransporter,
        build: impl Fn() -> http::request::Builder,
        body: Buffer,
    ) -> Result<(Response<HttpBody>, Secret)> {
        let mut refused: Option<Secret> = None;
        loop {
            let token = self.token(http, refused.as_ref()).await?;
            let request = build().header(AUTHORIZATION, format!("Bearer {}", token.reveal()));
            let response = http.fetch(request.body(body.clone()).map_err(unbuildable)?).await?;
            let renewable = matches!(self.access, Access::Refresh { .. });
            if response.status() != StatusCode::UNAUTHORIZED || !renewable {
                return Ok((response, token));
            }
            if refused.is_some() {
                // Ended already, for one renewed beside us perhaps. A try later gets another; a refresh token that is no
                // longer good is refused for good when it is asked.
                let told = "Dropbox refuses a token that was just renewed";
                return Err(Error::new(ErrorKind::PermissionDenied, told).set_temporary());
            }
            refused = Some(token);
        }
    }

    /// A token that is thought good, and is not the one that was refused.
    async fn token(&self, http: &HttpTransporter, refused: Option<&Secret>) -> Result<Secret> {
        const ENDPOINT: &str = "oauth2/token";
        let (refresh_token, client_id, client_secret) = match &self.access {
            Access::Token(token) => return Ok(token.clone()),
            Access::Refresh { refresh_token, client_id, client_secret } => (refresh_token, client_id, client_secret),
        };
        // Held over the request: one renewal serves all who wait.
        let mut granted = self.granted.lock().await;
        if let Some(granted) = granted.as_ref()
            && granted.good_until > Instant::now()
            && refused != Some(&granted.token)
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
        let (status, body) = whole((http.fetch(request).await?, refresh_token.clone())).await?;
        if status != StatusCode::OK {
            let error = refusal(ENDPOINT, status, &body.to_bytes());
            // A bad request here is a refresh token, a client or a secret that Dropbox does not know.
            return Err(if status == StatusCode::BAD_REQUEST {
                Error::new(ErrorKind::PermissionDenied, error.message())
            } else {
                error
            });
        }
        let grant: Grant = parsed(ENDPOINT, body)?;
        let token = Secret::new(grant.access_token);
        let good_until = Instant::now() + Duration::from_secs(grant.expires_in.into()) * 9 / 10;
        *granted = Some(Granted { token: token.clone(), good_until });
        Ok(token)
    }
}

/// Status and content of an answer; a refusal that repeats the secret of its request (a proxy's page may) is told without it.
async fn whole((response, secret): (Response<HttpBody>, Secret)) -> Result<(StatusCode, Buffer)> {
    let (parts, mut body) = response.into_parts();
    let body = body.to_buffer().await?;
    if parts.status == StatusCode::OK {
        return Ok((parts.status, body));
    }
    let told = secret.hide_in(&String::from_utf8_lossy(&body.to_bytes()));
    Ok((parts.status, Buffer::from(told)))
}

/// JSON of an answer that says it is right.
pub(super) fn parsed<T: DeserializeOwned>(endpoint: &'static str, body: Buffer) -> Result<T> {
    serde_json::from_slice(&body.to_bytes()).map_err(|error| unreadable(endpoint, &error))
}

/// Headers are ASCII: other characters, and DEL, are escaped as JSON allows.
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
    fn arguments_in_a_header_are_ascii_and_mean_the_same() {
        let arguments = json!({ "path": "/é/漢/😀/\u{7f}" });
        let header = header_json(&arguments);
        assert_eq!(header, r#"{"path":"/\u00e9/\u6f22/\ud83d\ude00/\u007f"}"#);
        assert_eq!(serde_json::from_str::<Value>(&header).unwrap(), arguments);
    }
}
