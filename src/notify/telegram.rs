//! The Telegram Bot API, with tries and patience of our own.

use std::time::Duration;

use frankenstein::AsyncTelegramApi;
use frankenstein::Error as ApiError;
use frankenstein::client_reqwest::Bot;
use frankenstein::methods::SendMessageParams;
use frankenstein::types::ChatId;

use crate::secret::{self, Secret};

const DEFAULT_API: &str = "https://api.telegram.org";

/// Why a message could not be sent; holds no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotifyError {
    #[error("Telegram refuses ({code}): {reason}; check HURACAN_TELEGRAM_TOKEN and notify.telegram.chat_id")]
    Refused { code: u64, reason: String },
    #[error("Telegram cannot be reached: {reason}; check the network")]
    Unreachable { reason: String },
    #[error("no HTTPS client can be made; install the system's CA certificates")]
    NoClient,
}

/// The bot's token, and where its API is.
#[derive(Debug, Clone)]
pub struct Access {
    pub token: Secret,
    /// Address of the Bot API without a slash at its end.
    pub api: String,
}

impl Access {
    /// `HURACAN_TELEGRAM_TOKEN`, and `HURACAN_TELEGRAM_API` for a Bot API server of one's own; none without a token.
    pub fn from_environment() -> Option<Self> {
        let token = Secret::from_environment("HURACAN_TELEGRAM_TOKEN")?;
        let api = std::env::var("HURACAN_TELEGRAM_API").ok().filter(|api| !api.trim().is_empty());
        let api = api.as_deref().unwrap_or(DEFAULT_API).trim().trim_end_matches('/').to_owned();
        Some(Self { token, api })
    }

    /// Asks the API who this bot is: proof that the token works.
    ///
    /// # Errors
    /// [`NotifyError`] after one try.
    pub async fn check(&self) -> Result<String, NotifyError> {
        let client = Client::new(self, "", Pace::default())?;
        match tokio::time::timeout(client.pace.patience, client.bot.get_me()).await {
            Ok(Ok(answer)) => Ok(answer.result.username.unwrap_or(answer.result.first_name)),
            Ok(Err(error)) => Err(client.judge(&error).error),
            Err(_) => Err(client.silent()),
        }
    }
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// For one answer.
    pub patience: Duration,
    pub tries: u32,
    /// After the first failure; doubles with each further one.
    pub pause: Duration,
    /// Longest pause that the server may ask for.
    pub longest: Duration,
    /// Between messages: Telegram allows one a second in a chat.
    pub spacing: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(15),
            tries: 4,
            pause: Duration::from_secs(2),
            longest: Duration::from_secs(60),
            spacing: Duration::from_millis(1100),
        }
    }
}

pub(super) struct Client {
    bot: Bot,
    chat: ChatId,
    token: Secret,
    pub pace: Pace,
}

struct Judged {
    error: NotifyError,
    again: Option<Duration>,
}

impl Client {
    pub fn new(access: &Access, chat: &str, pace: Pace) -> Result<Self, NotifyError> {
        let url = format!("{}/bot{}", access.api, access.token.reveal());
        // The library unwraps the making of its HTTP client, which fails on a machine without CA certificates.
        let bot = std::panic::catch_unwind(|| Bot::new_url(url)).map_err(|_| NotifyError::NoClient)?;
        let chat = chat.parse().map_or_else(|_| ChatId::String(chat.to_owned()), ChatId::Integer);
        Ok(Self { bot, chat, token: access.token.clone(), pace })
    }

    /// Sends one message; tries again on silence, overload and faults of the server.
    pub async fn send(&self, text: &str) -> Result<(), NotifyError> {
        let message = SendMessageParams::builder().chat_id(self.chat.clone()).text(text).build();
        let mut pause = self.pace.pause;
        let mut tried = 0;
        loop {
            tried += 1;
            let judged = match tokio::time::timeout(self.pace.patience, self.bot.send_message(&message)).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => self.judge(&error),
                Err(_) => Judged { error: self.silent(), again: Some(Duration::ZERO) },
            };
            match judged.again {
                Some(asked) if tried < self.pace.tries => {
                    tracing::debug!("Telegram: {}; trying again", judged.error);
                    tokio::time::sleep(asked.max(pause).min(self.pace.longest)).await;
                    pause *= 2;
                }
                _ => return Err(judged.error),
            }
        }
    }

    fn judge(&self, error: &ApiError) -> Judged {
        match error {
            ApiError::Api(answer) => {
                let wait = answer.parameters.and_then(|parameters| parameters.retry_after);
                let again = match answer.error_code {
                    429 => Some(Duration::from_secs(wait.unwrap_or(1).into())),
                    500.. => Some(Duration::ZERO),
                    _ => None,
                };
                let reason = self.hide(&answer.description);
                Judged { error: NotifyError::Refused { code: answer.error_code, reason }, again }
            }
            // A proxy's error page is no JSON: what it says does not matter, that it came does.
            ApiError::JsonDecode { .. } => Judged {
                error: NotifyError::Unreachable { reason: "the answer is not the Bot API's".into() },
                again: Some(Duration::ZERO),
            },
            other => {
                let cause = std::error::Error::source(other).map_or_else(|| other.to_string(), innermost);
                let error = NotifyError::Unreachable { reason: self.hide(&cause) };
                Judged { error, again: Some(Duration::ZERO) }
            }
        }
    }

    fn silent(&self) -> NotifyError {
        NotifyError::Unreachable { reason: format!("no answer in {} s", self.pace.patience.as_secs_f64()) }
    }

    fn hide(&self, text: &str) -> String {
        secret::redact(self.token.hide_in(text))
    }
}

fn innermost(mut error: &dyn std::error::Error) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
