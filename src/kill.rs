//! The kill switch: a file below the working folder that every run checks before it decides anything.

use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::exit::{Code, CommandFailure};
use crate::files::{WriteError, write_atomic};

/// A kill switch that is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Killed {
    /// When it was turned on.
    pub since: DateTime<Utc>,
    /// The reason that was given.
    pub why: String,
}

fn path(workdir: &Path) -> PathBuf {
    workdir.join("data/kill_switch.json")
}

/// The kill switch, if it is on. A file that cannot be read counts as on, so that a damaged file cannot allow
/// trading.
pub fn status(workdir: &Path) -> Option<Killed> {
    let path = path(workdir);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => return Some(Killed { since: Utc::now(), why: format!("{}: {error}", path.display()) }),
    };
    Some(serde_json::from_slice(&bytes).unwrap_or_else(|error| Killed {
        since: Utc::now(),
        why: format!(
            "{} cannot be read ({error}); run `huracan kill off`, then `huracan kill on --why TEXT`, to write it again",
            path.display()
        ),
    }))
}

/// Fails if the switch is on.
///
/// # Errors
/// Exit code 5 with the given reason.
pub fn check(workdir: &Path) -> Result<(), CommandFailure> {
    status(workdir)
        .map_or(Ok(()), |killed| Err(CommandFailure::new(Code::Killed, format!("the kill switch is {killed}"))))
}

/// Turns the switch on. If it is on already, it keeps its time and takes the new reason.
///
/// # Errors
/// A file that cannot be written.
pub fn on(workdir: &Path, why: &str) -> Result<Killed, WriteError> {
    let since = status(workdir).map_or_else(Utc::now, |killed| killed.since);
    let killed = Killed { since, why: why.to_owned() };
    let json = serde_json::to_vec_pretty(&killed).expect("plain data is always JSON");
    write_atomic(&path(workdir), &json)?;
    Ok(killed)
}

/// Turns the switch off and returns its previous state.
///
/// # Errors
/// A file that cannot be removed.
pub fn off(workdir: &Path) -> std::io::Result<Option<Killed>> {
    let previous = status(workdir);
    match std::fs::remove_file(path(workdir)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(previous),
    }
}

impl std::fmt::Display for Killed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "on since {}: {}", self.since.to_rfc3339_opts(SecondsFormat::Secs, true), self.why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switch_persists_and_a_broken_file_counts_as_on() {
        let workdir = tempfile::tempdir().unwrap();
        assert_eq!(status(workdir.path()), None);
        let killed = on(workdir.path(), "wild prices").unwrap();
        assert_eq!(status(workdir.path()), Some(killed.clone()));
        assert_eq!(on(workdir.path(), "still wild").unwrap().since, killed.since);
        std::fs::write(path(workdir.path()), "{").unwrap();
        assert!(status(workdir.path()).unwrap().why.contains("cannot be read"));
        assert!(off(workdir.path()).unwrap().is_some());
        assert_eq!((status(workdir.path()), off(workdir.path()).unwrap()), (None, None));
    }
}
