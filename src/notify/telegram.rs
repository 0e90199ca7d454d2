//! A small client of the Telegram Bot API: the two methods that are needed, with retries and time limits.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::secret::{self, Secret};

const DEFAULT_API: &str = "https://api.telegram.org";

/// Text of the message that [`Access::check`] sends.
const TEST_MESSAGE: &str = "Huracan: the connection works";

/// Why a message could not be sent. It never contains the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotifyError {
    /// Telegram answered that it does not accept the request.
    #[error("Telegram refused the request ({code}): {reason}; {}", remedy_of_refusal(*code))]
    Refused {
        /// Telegram's `error_code`, which is an HTTP status.
        code: u64,
        /// Telegram's description.
        reason: String,
    },
    /// No answer, a broken connection, or an answer that is not the Bot API's.
    #[error("Telegram cannot be reached: {reason}; check the network")]
    Unreachable {
        /// What went wrong.
        reason: String,
    },
    /// The HTTPS client cannot be set up.
    #[error("no HTTPS client can be set up; install the system's CA certificates")]
    NoClient,
}

fn remedy_of_refusal(code: u64) -> &'static str {
    match code {
        // Telegram answers 404 where the token has a wrong form.
        401 | 404 => "check HURACAN_TELEGRAM_TOKEN",
        400 | 403 => "check notify.telegram.chat_id, and that the bot may write to this chat",
        429 | 500.. => "try again later",
        _ => "check HURACAN_TELEGRAM_TOKEN and notify.telegram.chat_id",
    }
}

/// The bot's token and the address of its API.
#[derive(Debug, Clone)]
pub struct Access {
    /// The bot's token.
    pub token: Secret,
    /// Address of the Bot API, without a trailing slash.
    pub api: String,
}

impl Access {
    /// `HURACAN_TELEGRAM_TOKEN`, and `HURACAN_TELEGRAM_API` for another Bot API server. None without a token.
    pub fn from_environment() -> Option<Self> {
        let token = Secret::from_environment("HURACAN_TELEGRAM_TOKEN")?;
        let api = std::env::var("HURACAN_TELEGRAM_API").ok().filter(|api| !api.trim().is_empty());
        let api = api.as_deref().unwrap_or(DEFAULT_API).trim().trim_end_matches('/').to_owned();
        Some(Self { token, api })
    }

    /// Sends a short message to `chat`, which proves that the token and the chat work. Returns the names of both.
    ///
    /// # Errors
    /// [`NotifyError`]; nothing is retried.
    pub async fn check(&self, chat: &str) -> Result<String, NotifyError> {
        self.check_within(chat, Timing::default()).await
    }

    pub(super) async fn check_within(&self, chat: &str, timing: Timing) -> Result<String, NotifyError> {
        let client = Client::new(self, chat, timing)?;
        let bot: User = client.call("getMe", &json!({})).await.map_err(|failed| failed.error)?;
        let sent: Message =
            client.call("sendMessage", &client.message(TEST_MESSAGE)).await.map_err(|failed| failed.error)?;
        let bot = bot.username.unwrap_or(bot.first_name);
        Ok(format!("bot {bot}, a test message was sent to chat {}", sent.chat.name()))
    }
}

/// Time limits and retries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    /// Longest wait for one answer.
    pub answer_timeout: Duration,
    /// Attempts per message, the first one included.
    pub max_attempts: u32,
    /// Pause after the first failed attempt. It doubles with each further one.
    pub first_pause: Duration,
    /// Longest pause, whatever the server requests.
    pub max_pause: Duration,
    /// Pause between two messages: Telegram allows one per second and chat.
    pub spacing: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            answer_timeout: Duration::from_secs(15),
            max_attempts: 4,
            first_pause: Duration::from_secs(2),
            max_pause: Duration::from_secs(60),
            spacing: Duration::from_millis(1100),
        }
    }
}

/// Every answer of the Bot API.
#[derive(Deserialize)]
struct Answer {
    ok: bool,
    #[serde(default)]
    result: Value,
    error_code: Option<u64>,
    description: Option<String>,
    parameters: Option<AnswerParameters>,
}

#[derive(Deserialize)]
struct AnswerParameters {
    /// Seconds to wait before the request is repeated.
    retry_after: Option<u32>,
}

/// Result of `getMe`.
#[derive(Deserialize)]
struct User {
    first_name: String,
    username: Option<String>,
}

/// Result of `sendMessage`.
#[derive(Deserialize)]
struct Message {
    chat: Chat,
}

#[derive(Deserialize)]
struct Chat {
    id: i64,
    title: Option<String>,
    username: Option<String>,
    first_name: Option<String>,
}

impl Chat {
    fn name(&self) -> String {
        match self.title.as_ref().or(self.username.as_ref()).or(self.first_name.as_ref()) {
            Some(name) => format!("{name} ({})", self.id),
            None => self.id.to_string(),
        }
    }
}

pub(super) struct Client {
    http: reqwest::Client,
    /// Address of the bot's methods, without a trailing slash. Contains the token.
    address: String,
    /// A number, or the name of a public channel.
    chat: Value,
    token: Secret,
    pub timing: Timing,
}

/// A failed attempt.
struct FailedAttempt {
    error: NotifyError,
    /// Least pause before a retry; none where a retry is pointless.
    retry_after: Option<Duration>,
}

impl Client {
    pub fn new(access: &Access, chat: &str, timing: Timing) -> Result<Self, NotifyError> {
        // A redirect would hand the token to another server, as part of the address.
        crate::tls::install_provider();
        let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let http = builder.build().map_err(|_| NotifyError::NoClient)?;
        let chat = chat.trim();
        let chat = chat.parse::<i64>().map_or_else(|_| Value::from(chat), Value::from);
        let address = format!("{}/bot{}", access.api, access.token.reveal());
        Ok(Self { http, address, chat, token: access.token.clone(), timing })
    }

    /// Sends one message. Retries after silence, overload and server errors.
    pub async fn send(&self, text: &str) -> Result<(), NotifyError> {
        let message = self.message(text);
        let mut pause = self.timing.first_pause;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let failed = match self.call::<Message>("sendMessage", &message).await {
                Ok(_) => return Ok(()),
                Err(failed) => failed,
            };
            match failed.retry_after {
                Some(requested) if attempts < self.timing.max_attempts => {
                    tracing::debug!("Telegram: {}; retrying", failed.error);
                    tokio::time::sleep(requested.max(pause).min(self.timing.max_pause)).await;
                    pause *= 2;
                }
                _ => return Err(failed.error),
            }
        }
    }

    /// Parameters of `sendMessage`.
    fn message(&self, text: &str) -> Value {
        json!({ "chat_id": self.chat, "text": text })
    }

    /// One attempt to call a method of the Bot API.
    async fn call<T: DeserializeOwned>(&self, method: &str, parameters: &Value) -> Result<T, FailedAttempt> {
        let limit = self.timing.answer_timeout;
        let (status, body) = match tokio::time::timeout(limit, self.post(method, parameters)).await {
            Ok(answer) => answer.map_err(|error| self.unreachable(&innermost(&error.without_url())))?,
            Err(_) => return Err(self.unreachable(&format!("no answer within {} s", limit.as_secs_f64()))),
        };
        // Only the status of a proxy's error page matters.
        let foreign = || self.unreachable(&format!("HTTP {status}, and the answer is not the Bot API's"));
        let answer: Answer = serde_json::from_str(&body).map_err(|_| foreign())?;
        if !answer.ok {
            return Err(self.refused(status, answer));
        }
        serde_json::from_value(answer.result).map_err(|_| foreign())
    }

    /// Status and body of the answer.
    async fn post(&self, method: &str, parameters: &Value) -> reqwest::Result<(u16, String)> {
        let request = self.http.post(format!("{}/{method}", self.address)).header(CONTENT_TYPE, "application/json");
        let response = request.body(parameters.to_string()).send().await?;
        let status = response.status().as_u16();
        Ok((status, response.text().await?))
    }

    fn refused(&self, status: u16, answer: Answer) -> FailedAttempt {
        let code = answer.error_code.unwrap_or(status.into());
        let requested = answer.parameters.and_then(|parameters| parameters.retry_after);
        let retry_after = match code {
            429 => Some(Duration::from_secs(requested.unwrap_or(1).into())),
            500.. => Some(Duration::ZERO),
            _ => None,
        };
        let reason = self.hide_token(answer.description.as_deref().unwrap_or("no reason given"));
        FailedAttempt { error: NotifyError::Refused { code, reason }, retry_after }
    }

    fn unreachable(&self, reason: &str) -> FailedAttempt {
        let error = NotifyError::Unreachable { reason: self.hide_token(reason) };
        FailedAttempt { error, retry_after: Some(Duration::ZERO) }
    }

    fn hide_token(&self, text: &str) -> String {
        secret::redact(self.token.hide_in(text))
    }
}

/// The first cause of an error.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
