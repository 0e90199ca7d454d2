//! Secrets: read from the environment alone, and never shown.

use std::fmt;
use std::sync::OnceLock;

/// Environment variables that hold secrets.
pub const NAMES: [&str; 8] = [
    "HURACAN_S3_ACCESS_KEY_ID",
    "HURACAN_S3_SECRET_ACCESS_KEY",
    "HURACAN_DROPBOX_ACCESS_TOKEN",
    "HURACAN_DROPBOX_REFRESH_TOKEN",
    "HURACAN_DROPBOX_CLIENT_ID",
    "HURACAN_DROPBOX_CLIENT_SECRET",
    "HURACAN_TELEGRAM_TOKEN",
    "PGPASSWORD",
];

/// May hold the database's password.
const BRAIN_URL: &str = "HURACAN__BRAIN__URL";

/// Shorter values would blot out ordinary words.
const SHORTEST: usize = 6;

/// A value that prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The secret of the environment variable `name`; none when it is unset or blank.
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
        if self.0.len() < SHORTEST { text.to_owned() } else { text.replace(&self.0, "***") }
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

/// `text` with the value of every secret of this process's environment replaced by `***`.
pub fn redact(text: String) -> String {
    static KNOWN: OnceLock<Vec<Secret>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| {
        let named = NAMES.iter().filter_map(|name| Secret::from_environment(name));
        every_form(named.chain(Secret::from_environment(BRAIN_URL).and_then(|url| password(&url))))
    });
    known.iter().fold(text, |text, secret| if text.contains(&secret.0) { secret.hide_in(&text) } else { text })
}

/// Secrets as they stand, and as they stand in JSON where that escapes something; the longest first, since one may hold
/// another.
fn every_form(secrets: impl Iterator<Item = Secret>) -> Vec<Secret> {
    let in_json = |secret: &Secret| {
        let quoted = serde_json::to_string(&secret.0).ok()?;
        let form = quoted.strip_prefix('"')?.strip_suffix('"')?;
        (form != secret.0).then(|| Secret::new(form))
    };
    let mut known: Vec<Secret> = secrets.flat_map(|secret| [in_json(&secret), Some(secret)]).flatten().collect();
    known.sort_by_key(|secret| std::cmp::Reverse(secret.0.len()));
    known
}

/// The password of an address like `postgres://user:password@host/database`, as it stands there.
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
        let forms = every_form([Secret::new("huracan"), Secret::new("huracan-9f3\"x")].into_iter());
        let forms: Vec<&str> = forms.iter().map(Secret::reveal).collect();
        assert_eq!(forms, ["huracan-9f3\\\"x", "huracan-9f3\"x", "huracan"]);
        assert_eq!(secret.hide_in("GET /bot123:very-secret/getMe"), "GET /bot***/getMe");
    }
}
