//! Maps local files to their paths on the remote, and back.

use chrono::NaiveDate;

use crate::files::is_plain_name;

/// The databases that are copied to the remote: the brain if it is a file, and the journal.
pub const DATABASES: [&str; 2] = ["brain.db", "journal.db"];

/// A kind of local file. Each has its own folder, locally and on the remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Candle files, shared by all days.
    Candles,
    /// Models with their metadata.
    Models,
    /// Learning snapshots.
    Learning,
    /// Log files.
    Logs,
    /// Status and health checks.
    Monitoring,
    /// Reports.
    Reports,
    /// Exported tables.
    Exports,
    /// Settings files.
    Config,
    /// Trained symbols of an unfinished run.
    Checkpoints,
    /// Copies of the brain's and the journal's files. The local copies are deleted after the upload.
    Databases,
}

impl Kind {
    /// The kinds that the background schedules upload, and the end of a run once more. A finished day has the same files of
    /// these kinds locally and on the remote. Checkpoints and database copies are left out: the training and the end of a run
    /// upload them, and neither keeps both sides equal.
    pub const SCHEDULED: [Self; 8] = [
        Self::Candles,
        Self::Models,
        Self::Learning,
        Self::Logs,
        Self::Monitoring,
        Self::Reports,
        Self::Exports,
        Self::Config,
    ];

    /// Folder below the workdir.
    pub fn local_folder(self) -> &'static str {
        match self {
            Self::Candles => "data/candles",
            Self::Models => "models",
            Self::Learning => "logs/learning",
            Self::Logs => "logs",
            Self::Monitoring => "monitoring",
            Self::Reports => "reports",
            Self::Exports => "exports",
            Self::Config => "config",
            Self::Checkpoints => "data/checkpoints",
            Self::Databases => "data/copies",
        }
    }

    /// Folder below `{root}/{date}`, or below `{root}` for files that all days share.
    fn remote_folder(self) -> &'static str {
        match self {
            Self::Learning => "learning",
            Self::Checkpoints => "checkpoints",
            Self::Databases => "data",
            other => other.local_folder(),
        }
    }

    /// Folder on the remote, without slashes at its ends.
    pub fn remote_prefix(self, date: NaiveDate, root: &str) -> String {
        match self {
            Self::Candles => format!("{root}/{}", self.remote_folder()),
            _ => format!("{root}/{date}/{}", self.remote_folder()),
        }
    }

    /// Whether a file is synced. `inner` is its path below the kind's folder.
    fn includes(self, inner: &str) -> bool {
        let ends = |endings: &[&str]| endings.iter().any(|ending| inner.ends_with(ending));
        let flat = !inner.contains('/');
        match self {
            Self::Candles => {
                let funding = inner.strip_prefix("funding/").is_some_and(|name| !name.contains('/'));
                (flat || funding) && ends(&[".parquet"]) || inner == "markets.json"
            }
            Self::Learning => flat && ends(&[".json"]),
            Self::Logs => flat && ends(&[".log", ".json"]),
            Self::Monitoring => flat && ends(&[".json"]),
            Self::Config => flat && ends(&[".yaml", ".yml", ".json", ".toml"]),
            // `{digest}/{symbol}.pkl`
            Self::Checkpoints => inner.matches('/').count() == 1 && ends(&[".pkl"]),
            Self::Databases => DATABASES.contains(&inner),
            Self::Models | Self::Reports | Self::Exports => true,
        }
    }
}

/// Kind of a local path (relative to the workdir, with `/`), and the rest of the path below that kind's folder.
fn classify(local: &str) -> Option<(Kind, &str)> {
    if !is_plain(local) {
        return None;
    }
    // The folder of learning snapshots is inside that of the logs, so it comes first in `Kind::SCHEDULED`.
    let (kind, inner) = Kind::SCHEDULED.into_iter().chain([Kind::Checkpoints, Kind::Databases]).find_map(|kind| {
        let inner = local.strip_prefix(kind.local_folder())?.strip_prefix('/')?;
        Some((kind, inner))
    })?;
    kind.includes(inner).then_some((kind, inner))
}

/// Whether a relative path has only plain parts: no `..`, no hidden or empty part, no separators of other systems.
pub(super) fn is_plain(path: &str) -> bool {
    path.split('/').all(is_plain_name)
}

/// Path on the remote of a local file (relative to the workdir, with `/`), without a leading slash; none for files that
/// are not synced.
pub fn remote_path(local: &str, date: NaiveDate, root: &str) -> Option<String> {
    let (kind, inner) = classify(local)?;
    Some(format!("{}/{inner}", kind.remote_prefix(date, root)))
}

/// The inverse of [`remote_path`] within one kind; none for a path that no synced file has, such as one with `..`.
pub fn local_path(remote: &str, kind: Kind, date: NaiveDate, root: &str) -> Option<String> {
    let inner = remote.strip_prefix(&kind.remote_prefix(date, root))?.strip_prefix('/')?;
    let local = format!("{}/{inner}", kind.local_folder());
    (classify(&local)?.0 == kind).then_some(local)
}

pub(super) fn kind_of(local: &str) -> Option<Kind> {
    classify(local).map(|(kind, _)| kind)
}

/// The day in a file's name (`…_20251108…` or `…_2025-11-08…`).
pub(super) fn day_in_name(local: &str) -> Option<NaiveDate> {
    let name = local.rsplit('/').next()?;
    let stem = name.split('.').next()?;
    stem.split('_').find_map(|word| {
        let format = if word.len() == 8 { "%Y%m%d" } else { "%Y-%m-%d" };
        NaiveDate::parse_from_str(word, format).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day() -> NaiveDate {
        NaiveDate::from_ymd_opt(2025, 11, 8).unwrap()
    }

    #[test]
    fn every_kind_has_the_remote_path_of_the_contract() {
        let at = |local| remote_path(local, day(), "Runpodhuracan");
        for (local, remote) in [
            ("data/candles/BTC-USDT.parquet", "data/candles/BTC-USDT.parquet"),
            ("data/candles/markets.json", "data/candles/markets.json"),
            ("data/candles/funding/BTC-USDT.parquet", "data/candles/funding/BTC-USDT.parquet"),
            ("models/BTC-USDT_model.pkl", "2025-11-08/models/BTC-USDT_model.pkl"),
            ("models/BTC-USDT_model.txt", "2025-11-08/models/BTC-USDT_model.txt"),
            ("models/BTC-USDT/metadata.json", "2025-11-08/models/BTC-USDT/metadata.json"),
            ("logs/learning/learning_snapshot_1.json", "2025-11-08/learning/learning_snapshot_1.json"),
            ("logs/training.log", "2025-11-08/logs/training.log"),
            ("logs/state.json", "2025-11-08/logs/state.json"),
            ("monitoring/system_status.json", "2025-11-08/monitoring/system_status.json"),
            ("reports/model_comparison.html", "2025-11-08/reports/model_comparison.html"),
            ("exports/trade_history_2025-11-08.csv", "2025-11-08/exports/trade_history_2025-11-08.csv"),
            ("config/settings.yaml", "2025-11-08/config/settings.yaml"),
            ("data/copies/journal.db", "2025-11-08/data/journal.db"),
            ("data/copies/brain.db", "2025-11-08/data/brain.db"),
            ("data/checkpoints/0af3/BTC-USDT.pkl", "2025-11-08/checkpoints/0af3/BTC-USDT.pkl"),
        ] {
            assert_eq!(at(local), Some(format!("Runpodhuracan/{remote}")), "{local}");
        }
        for local in [
            "data/checkpoints/BTC-USDT.pkl",
            "data/candles/other.json",
            "data/candles/other/BTC-USDT.parquet",
            "data/brain.db",
            "data/copies/other.db",
            "logs/core.dump",
            "README.md",
            "models",
            "models/.x.tmp",
            "config/.env",
            "",
        ] {
            assert_eq!(at(local), None, "{local}");
        }
    }

    #[test]
    fn a_remote_path_maps_back_to_its_local_file() {
        for local in ["data/candles/A-B.parquet", "models/A-B/metadata.json", "logs/learning/x.json", "logs/a.log"] {
            let kind = kind_of(local).unwrap();
            let remote = remote_path(local, day(), "R").unwrap();
            assert_eq!(local_path(&remote, kind, day(), "R").as_deref(), Some(local));
        }
    }

    #[test]
    fn a_path_that_would_leave_the_folder_is_not_mapped() {
        for inner in ["../../etc/passwd", "a/../../b", "/etc/passwd", "..\\x", "C:x", ".ssh/key", "a//b", "a/./b"] {
            assert_eq!(remote_path(&format!("models/{inner}"), day(), "R"), None, "{inner}");
            assert_eq!(local_path(&format!("R/2025-11-08/models/{inner}"), Kind::Models, day(), "R"), None, "{inner}");
        }
    }

    #[test]
    fn the_day_in_a_name_is_found() {
        assert_eq!(day_in_name("logs/engine_monitoring_20251108_020000.log"), Some(day()));
        assert_eq!(day_in_name("exports/trade_history_2025-11-08.csv"), Some(day()));
        assert_eq!(day_in_name("logs/training.log"), None);
        assert_eq!(day_in_name("exports/x_12345678.csv"), None);
    }
}
