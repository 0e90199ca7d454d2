use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::*;
use crate::settings::Settings;

const QUIET: OnProgress<'static> = &|_| {};

fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2025, 11, 8).unwrap()
}

fn settings() -> crate::settings::Sync {
    let mut settings = Settings::defaults().sync;
    settings.retries = 0;
    settings
}

fn folder_remote(workdir: &Path) -> Remote {
    Remote::open(&settings(), workdir, &Credentials::default()).unwrap()
}

fn write(workdir: &Path, local: &str, content: impl AsRef<[u8]>) {
    let path = workdir.join(local);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn a_day_of_files(workdir: &Path) {
    write(workdir, "data/candles/BTC-USDT.parquet", "candles");
    write(workdir, "models/BTC-USDT_model.pkl", vec![7; 100_000]);
    write(workdir, "models/BTC-USDT/metadata.json", "{}");
    write(workdir, "logs/training.log", "line\n");
    write(workdir, "logs/engine_monitoring_20251107_020000.log", "yesterday\n");
    write(workdir, "logs/learning/learning_snapshot_20251108_020000.json", "{}");
    write(workdir, "config/settings.yaml", "seed: 7");
    write(workdir, "data/brain.db", "not synced");
    write(workdir, "models/.huracan-x.tmp", "half a file");
}

#[tokio::test]
async fn the_dated_folder_can_be_created_twice() {
    let workdir = tempfile::tempdir().unwrap();
    let remote = folder_remote(workdir.path());
    assert_eq!(remote.create_dated_folder(day()).await.unwrap(), "Runpodhuracan/2025-11-08/");
    remote.create_dated_folder(day()).await.unwrap();
    assert!(workdir.path().join("remote/Runpodhuracan/2025-11-08").is_dir());
    remote.probe().await.unwrap();
    assert_eq!(fs::read_dir(workdir.path().join("remote/Runpodhuracan")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_day_is_uploaded_to_a_folder_and_restored() {
    let workdir = tempfile::tempdir().unwrap();
    a_day_of_files(workdir.path());
    let remote = folder_remote(workdir.path());
    let calls = std::sync::Mutex::new(Vec::new());
    let progress = |p: Progress| calls.lock().unwrap().push((p.files_done, p.files_total));
    let none = Manifest::new();
    let pushed = remote.push(Push::new(workdir.path(), day(), &Kind::SCHEDULED, &none), &progress).await.unwrap();
    assert!(pushed.failed.is_empty(), "{:?}", pushed.failed);
    assert_eq!((pushed.uploaded.len(), pushed.unchanged), (7, 0));
    assert!(calls.lock().unwrap().contains(&(7, 7)));
    let base = workdir.path().join("remote/Runpodhuracan");
    assert_eq!(fs::read(base.join("data/candles/BTC-USDT.parquet")).unwrap(), b"candles");
    assert_eq!(fs::read(base.join("2025-11-08/learning/learning_snapshot_20251108_020000.json")).unwrap(), b"{}");
    let entry = &pushed.uploaded["data/candles/BTC-USDT.parquet"];
    assert_eq!(entry.sha256, crate::text::hex(&<sha2::Sha256 as sha2::Digest>::digest(b"candles")));

    let verified = remote.verify(workdir.path(), &Kind::SCHEDULED, &pushed.uploaded, QUIET).await.unwrap();
    assert!(verified.is_complete() && verified.correct.len() == 7, "{verified:?}");

    let elsewhere = tempfile::tempdir().unwrap();
    let scope = Scope { kinds: Kind::SCHEDULED.to_vec(), date: day(), overwrite_newer: false };
    let restored = remote.restore(elsewhere.path(), &scope, QUIET).await.unwrap();
    assert!(restored.failed.is_empty() && restored.refused.is_empty(), "{restored:?}");
    assert_eq!(restored.written.len(), 7);
    assert_eq!(fs::read(elsewhere.path().join("models/BTC-USDT_model.pkl")).unwrap(), vec![7; 100_000]);
    assert_eq!(remote.restore(elsewhere.path(), &scope, QUIET).await.unwrap().same, 7);
}

#[tokio::test]
async fn only_changed_files_are_uploaded_again() {
    let workdir = tempfile::tempdir().unwrap();
    a_day_of_files(workdir.path());
    let remote = folder_remote(workdir.path());
    let mut known = remote
        .push(Push::new(workdir.path(), day(), &Kind::SCHEDULED, &Manifest::new()), QUIET)
        .await
        .unwrap()
        .uploaded;
    write(workdir.path(), "logs/training.log", "line\nanother\n");
    let pushed = remote.push(Push::new(workdir.path(), day(), &Kind::SCHEDULED, &known), QUIET).await.unwrap();
    assert_eq!(pushed.uploaded.keys().collect::<Vec<_>>(), ["logs/training.log"]);
    assert_eq!((pushed.unchanged, pushed.bytes), (6, 13));
    known.extend(pushed.uploaded);
    assert!(remote.verify(workdir.path(), &Kind::SCHEDULED, &known, QUIET).await.unwrap().is_complete());
}

#[tokio::test]
async fn a_push_can_skip_old_files_and_starts_none_once_it_is_stopped() {
    let workdir = tempfile::tempdir().unwrap();
    for (name, age) in [("old", 900), ("new", 5)] {
        let local = format!("data/candles/{name}.parquet");
        write(workdir.path(), &local, name);
        let file = fs::File::options().write(true).open(workdir.path().join(local)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    }
    let remote = folder_remote(workdir.path());
    let (stop, stopped) = tokio::sync::watch::channel(true);
    let (none, uploaded) = (Manifest::new(), std::sync::Mutex::new(Vec::new()));
    let on_uploaded = |local: &str, _: &ManifestEntry| uploaded.lock().unwrap().push(local.to_owned());
    let push = Push {
        changed_since: Some(SystemTime::now() - Duration::from_secs(600)),
        stop: Some(&stopped),
        on_uploaded: &on_uploaded,
        ..Push::new(workdir.path(), day(), &Kind::SCHEDULED, &none)
    };
    assert_eq!(remote.push(push, QUIET).await.unwrap().uploaded.len(), 0);
    stop.send(false).unwrap();
    assert_eq!(remote.push(push, QUIET).await.unwrap().uploaded.len(), 1);
    assert_eq!(*uploaded.lock().unwrap(), ["data/candles/new.parquet"]);
}

#[tokio::test]
async fn the_next_day_is_complete_without_files_named_after_another_day() {
    let workdir = tempfile::tempdir().unwrap();
    a_day_of_files(workdir.path());
    let remote = folder_remote(workdir.path());
    let known = remote
        .push(Push::new(workdir.path(), day(), &Kind::SCHEDULED, &Manifest::new()), QUIET)
        .await
        .unwrap()
        .uploaded;
    let next = day().succ_opt().unwrap();
    let pushed = remote.push(Push::new(workdir.path(), next, &Kind::SCHEDULED, &known), QUIET).await.unwrap();
    let mut again: Vec<_> = pushed.uploaded.keys().map(String::as_str).collect();
    again.sort_unstable();
    assert_eq!(
        again,
        ["config/settings.yaml", "logs/training.log", "models/BTC-USDT/metadata.json", "models/BTC-USDT_model.pkl"]
    );
}

#[tokio::test]
async fn verification_names_files_that_are_missing_changed_or_never_uploaded() {
    let workdir = tempfile::tempdir().unwrap();
    a_day_of_files(workdir.path());
    let remote = folder_remote(workdir.path());
    let known = remote
        .push(Push::new(workdir.path(), day(), &Kind::SCHEDULED, &Manifest::new()), QUIET)
        .await
        .unwrap()
        .uploaded;
    let base = workdir.path().join("remote/Runpodhuracan");
    fs::write(base.join("data/candles/BTC-USDT.parquet"), "CANDLES").unwrap();
    fs::write(base.join("2025-11-08/logs/training.log"), "li").unwrap();
    fs::remove_file(base.join("2025-11-08/models/BTC-USDT_model.pkl")).unwrap();
    write(workdir.path(), "reports/training_report.json", "{}");
    let verified = remote.verify(workdir.path(), &Kind::SCHEDULED, &known, QUIET).await.unwrap();
    assert!(!verified.is_complete());
    assert_eq!(verified.missing, ["models/BTC-USDT_model.pkl"]);
    assert_eq!(verified.never_uploaded, ["reports/training_report.json"]);
    assert_eq!(
        verified.differing,
        [
            ("data/candles/BTC-USDT.parquet".into(), Difference::Content),
            ("logs/training.log".into(), Difference::Size { expected: 5, found: 2 }),
        ]
    );
    assert_eq!(verified.correct.len(), 4);
}

#[tokio::test]
async fn a_newer_local_file_is_kept_unless_it_may_be_overwritten() {
    let workdir = tempfile::tempdir().unwrap();
    write(workdir.path(), "data/candles/BTC-USDT.parquet", "remote");
    let remote = folder_remote(workdir.path());
    remote.push(Push::new(workdir.path(), day(), &Kind::SCHEDULED, &Manifest::new()), QUIET).await.unwrap();
    write(workdir.path(), "data/candles/BTC-USDT.parquet", "newer");
    let local = workdir.path().join("data/candles/BTC-USDT.parquet");
    let set_age = |time| fs::File::options().write(true).open(&local).unwrap().set_modified(time).unwrap();
    set_age(SystemTime::now() + Duration::from_secs(60));
    let mut scope = Scope { kinds: vec![Kind::Candles], date: day(), overwrite_newer: false };
    let restored = remote.restore(workdir.path(), &scope, QUIET).await.unwrap();
    assert_eq!(restored.kept_newer, ["data/candles/BTC-USDT.parquet"]);
    assert_eq!(fs::read(&local).unwrap(), b"newer");
    scope.overwrite_newer = true;
    assert_eq!(remote.restore(workdir.path(), &scope, QUIET).await.unwrap().written.len(), 1);
    assert_eq!(fs::read(&local).unwrap(), b"remote");
    // An older local file is replaced without the flag.
    write(workdir.path(), "data/candles/BTC-USDT.parquet", "older");
    set_age(SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    scope.overwrite_newer = false;
    assert_eq!(remote.restore(workdir.path(), &scope, QUIET).await.unwrap().written.len(), 1);
    let there = remote.operator().read("Runpodhuracan/data/candles/BTC-USDT.parquet").await.unwrap();
    assert_eq!(there.to_vec(), b"remote");
}

#[tokio::test]
async fn checkpoints_are_restored_until_they_are_deleted_and_are_not_scheduled() {
    let workdir = tempfile::tempdir().unwrap();
    let file = "data/checkpoints/0af3/BTC-USDT.pkl";
    write(workdir.path(), file, "trained");
    let remote = folder_remote(workdir.path());
    let nothing = Manifest::new();
    let scheduled = remote.push(Push::new(workdir.path(), day(), &Kind::SCHEDULED, &nothing), QUIET).await.unwrap();
    assert!(scheduled.uploaded.is_empty());
    let files = local_files(workdir.path(), &[Kind::Checkpoints]).unwrap();
    assert_eq!(files, [file]);
    assert_eq!(
        remote.push_files(Push::new(workdir.path(), day(), &[], &nothing), files, QUIET).await.uploaded.len(),
        1
    );
    fs::remove_dir_all(workdir.path().join("data")).unwrap();
    let scope = Scope { kinds: vec![Kind::Checkpoints], date: day(), overwrite_newer: false };
    assert_eq!(remote.restore(workdir.path(), &scope, QUIET).await.unwrap().written, [file]);
    remote.delete_kind(Kind::Checkpoints, day()).await.unwrap();
    fs::remove_dir_all(workdir.path().join("data")).unwrap();
    assert!(remote.restore(workdir.path(), &scope, QUIET).await.unwrap().written.is_empty());
    // A second deletion finds nothing and succeeds.
    remote.delete_kind(Kind::Checkpoints, day()).await.unwrap();
}

#[tokio::test]
async fn paths_that_no_synced_file_has_are_skipped() {
    let workdir = tempfile::tempdir().unwrap();
    let base = workdir.path().join("remote/Runpodhuracan");
    write(&base, "data/candles/..\\evil.parquet", "x");
    write(&base, "data/candles/.hidden.parquet", "x");
    write(&base, "2025-11-08/config/run.sh", "x");
    write(&base, "data/candles/GOOD-USDT.parquet", "x");
    let remote = folder_remote(workdir.path());
    let scope = Scope { kinds: Kind::SCHEDULED.to_vec(), date: day(), overwrite_newer: true };
    let restored = remote.restore(workdir.path(), &scope, QUIET).await.unwrap();
    assert_eq!(restored.written, ["data/candles/GOOD-USDT.parquet"]);
    assert_eq!(restored.refused.len(), 3, "{:?}", restored.refused);
    let (outside, nothing) = (vec!["data/candles/../../x.parquet".to_owned()], Manifest::new());
    let pushed = remote.push_files(Push::new(workdir.path(), day(), &[], &nothing), outside, QUIET).await;
    assert!(matches!(pushed.failed[0].error, SyncError::OutsideWorkdir { .. }), "{:?}", pushed.failed);
}

#[tokio::test]
async fn one_file_failing_does_not_stop_the_others() {
    let workdir = tempfile::tempdir().unwrap();
    a_day_of_files(workdir.path());
    // A file with the name of a folder that is needed.
    write(workdir.path(), "remote/Runpodhuracan/2025-11-08/models", "in the way");
    let pushed = folder_remote(workdir.path())
        .push(Push::new(workdir.path(), day(), &Kind::SCHEDULED, &Manifest::new()), QUIET)
        .await
        .unwrap();
    let failed: Vec<_> = pushed.failed.iter().map(|failure| failure.path.as_str()).collect();
    assert_eq!(failed, ["models/BTC-USDT/metadata.json", "models/BTC-USDT_model.pkl"]);
    assert_eq!(pushed.uploaded.len(), 5);
    let error = pushed.failed[0].error.to_string();
    assert!(error.contains("Runpodhuracan/2025-11-08/models") && error.contains("; "), "{error}");
}

#[test]
fn half_written_files_of_killed_uploads_are_deleted_when_they_are_old() {
    let workdir = tempfile::tempdir().unwrap();
    for name in ["old", "new"] {
        write(workdir.path(), &format!("remote/.partial/{name}"), "half");
    }
    let old = workdir.path().join("remote/.partial/old");
    let before = SystemTime::now() - Duration::from_secs(25 * 3600);
    fs::File::options().append(true).open(&old).unwrap().set_modified(before).unwrap();
    folder_remote(workdir.path());
    assert_eq!(walk_files(&workdir.path().join("remote/.partial")), [workdir.path().join("remote/.partial/new")]);
}

#[tokio::test]
async fn a_large_file_is_uploaded_in_parts_and_never_half_visible() {
    let workdir = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..20_000_000u32).map(|i| (i ^ (i >> 8)) as u8).collect();
    write(workdir.path(), "exports/all_trades_complete_2025-11-08.csv", &content);
    let remote = folder_remote(workdir.path());
    let base = workdir.path().join("remote/Runpodhuracan/2025-11-08/exports/all_trades_complete_2025-11-08.csv");
    let watched = base.clone();
    let watcher = std::thread::spawn(move || {
        for _ in 0..10_000 {
            if let Ok(meta) = fs::metadata(&watched) {
                return meta.len();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        0
    });
    let pushed =
        remote.push(Push::new(workdir.path(), day(), &Kind::SCHEDULED, &Manifest::new()), QUIET).await.unwrap();
    assert_eq!(watcher.join().unwrap(), content.len() as u64);
    assert_eq!(fs::read(base).unwrap(), content);
    assert!(remote.verify(workdir.path(), &Kind::SCHEDULED, &pushed.uploaded, QUIET).await.unwrap().is_complete());
    let partial = workdir.path().join("remote/.partial");
    let leftovers = walk_files(&partial);
    assert!(leftovers.is_empty(), "{leftovers:?}");
}

fn walk_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(walk_files(&path)) } else { found.push(path) }
    }
    found
}

#[cfg(feature = "s3")]
#[test]
fn missing_secrets_and_impossible_settings_are_named_with_a_remedy() {
    let workdir = tempfile::tempdir().unwrap();
    let none = Credentials::default();
    let error_of = |settings: &crate::settings::Sync, credentials: &Credentials| {
        Remote::open(settings, workdir.path(), credentials).unwrap_err().to_string()
    };
    let mut s3 = settings();
    s3.remote.kind = crate::settings::RemoteKind::S3;
    assert!(error_of(&s3, &none).contains("HURACAN_S3_ACCESS_KEY_ID is not set; set "));
    let keys = Credentials {
        s3_access_key_id: Some(crate::secret::Secret::new("key-of-a-test")),
        s3_secret_access_key: Some(crate::secret::Secret::new("secret-of-a-test")),
        ..Credentials::default()
    };
    assert!(error_of(&s3, &keys).starts_with("sync.remote.region: "));
    s3.remote.endpoint = "http://127.0.0.1:1".into();
    s3.remote.path = "bucket/folder".into();
    assert!(error_of(&s3, &keys).starts_with("sync.remote.path: "));
    let mut dropbox = settings();
    dropbox.remote.kind = crate::settings::RemoteKind::Dropbox;
    assert!(error_of(&dropbox, &none).contains("HURACAN_DROPBOX_REFRESH_TOKEN is not set"));
    let mut outside = settings();
    outside.root = "../elsewhere".into();
    assert!(error_of(&outside, &none).starts_with("sync.root: "));
    assert!(!format!("{keys:?}").contains("of-a-test"));
}
