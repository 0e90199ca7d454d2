//! Secrets: read from the environment only, and never shown.

use std::fmt;
use std::sync::OnceLock;

/// The environment variables that hold secrets.
pub const ENVIRONMENT_VARIABLES: [&str; 8] = [
    "HURACAN_S3_ACCESS_KEY_ID",
    "HURACAN_S3_SECRET_ACCESS_KEY",
    "HURACAN_DROPBOX_ACCESS_TOKEN",
    "HURACAN_DROPBOX_REFRESH_TOKEN",
    "HURACAN_DROPBOX_CLIENT_ID",
    "HURACAN_DROPBOX_CLIENT_SECRET",
    "HURACAN_TELEGRAM_TOKEN",
    "PGPASSWORD",
];

/// The environment variable of the database's address, which may contain a password.
const BRAIN_URL: &str = "HURACAN__BRAIN__URL";

/// Shortest value that is replaced in a text. Shorter ones would hide ordinary words.
const MIN_LENGTH: usize = 6;

/// A value that prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value of the environment variable `name`; none if it is unset or blank.
    pub fn from_environment(name: &str) -> Option<Self> {
        let value = std::env::var(name).ok()?;
        let value = value.trim();
        (!value.is_empty()).then(|| Self(value.to_owned()))
    }

    /// The value itself, for the call that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// `text` with every occurrence of this secret replaced by `***`.
    pub fn hide_in(&self, text: &str) -> String {
        if self.0.len() < MIN_LENGTH { text.to_owned() } else { text.replace(&self.0, "***") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// `text` with the value of every secret in this process's environment replaced by `***`.
pub fn redact(text: String) -> String {
    static KNOWN: OnceLock<Vec<Secret>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        let named = ENVIRONMENT_VARIABLES.iter().filter_map(|name| Secret::from_environment(name));
        all_forms(named.chain(Secret::from_environment(BRAIN_URL).and_then(|url| password(&url))))
    });
    known.iter().fold(text, |text, secret| if text.contains(&secret.0) { secret.hide_in(&text) } else { text })
}

/// Each secret as it is and, if JSON escapes something in it, as it appears in JSON. Longest first, because one secret may
/// contain another.
fn all_forms(secrets: impl Iterator<Item = Secret>) -> Vec<Secret> {
    let in_json = |secret: &Secret| {
        let quoted = serde_json::to_string(&secret.0).ok()?;
        let form = quoted.strip_prefix('"')?.strip_suffix('"')?;
        (form != secret.0).then(|| Secret::new(form))
    };
    let mut known: Vec<Secret> = secrets.flat_map(|secret| [in_json(&secret), Some(secret)]).flatten().collect();
    known.sort_by_key(|secret| std::cmp::Reverse(secret.0.len()));
    known
}

/// The password in an address like `postgres://user:password@host/database`, as it is written there.
fn password(url: &Secret) -> Option<Secret> {
    let (_, rest) = url.0.split_once("://")?;
    let (user, _) = rest.rsplit_once('@')?;
    let (_, password) = user.split_once(':')?;
    (!password.is_empty()).then(|| Secret::new(password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints_its_value() {
        let secret = Secret::new("123:very-secret");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        let password = |url: &str| super::password(&Secret::new(url)).map(|found| found.0);
        assert_eq!(password("postgres://me:p:w@rd@host/db").as_deref(), Some("p:w@rd"));
        assert_eq!((password("postgres://me@host/db"), password("sqlite://data/brain.db")), (None, None));
        let forms = all_forms([Secret::new("huracan"), Secret::new("huracan-9f3\"x")].into_iter());
        let forms: Vec<&str> = forms.iter().map(Secret::reveal).collect();
        assert_eq!(forms, ["huracan-9f3\\\"x", "huracan-9f3\"x", "huracan"]);
        assert_eq!(secret.hide_in("GET /bot123:very-secret/getMe"), "GET /bot***/getMe");
    }
}
