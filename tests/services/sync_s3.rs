//! The remote against a real S3 server: moto's, from PyPI (`pip install 'moto[server]'`).

use std::net::TcpListener;
use std::path::Path;

use crate::s3::{BUCKET, moto, request};
use chrono::NaiveDate;
use huracan::secret::Secret;
use huracan::settings::{RemoteKind, Settings};
use huracan::sync::{Credentials, Difference, Kind, Manifest, OnProgress, Push, Remote, Scope, SyncError};

const QUIET: OnProgress<'static> = &|_| {};

fn remote(port: u16, workdir: &Path) -> Remote {
    let mut settings = Settings::defaults().sync;
    settings.remote.kind = RemoteKind::S3;
    settings.remote.path = BUCKET.into();
    settings.remote.endpoint = format!("http://127.0.0.1:{port}");
    settings.remote.region = "us-east-1".into();
    settings.retries = 2;
    let credentials = Credentials {
        s3_access_key_id: Some(Secret::new("key-of-a-test")),
        s3_secret_access_key: Some(Secret::new("secret-of-a-test")),
        ..Credentials::default()
    };
    Remote::open(&settings, workdir, &credentials).unwrap()
}

fn write(workdir: &Path, local: &str, content: impl AsRef<[u8]>) {
    let path = workdir.join(local);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

#[tokio::test]
async fn a_day_goes_to_s3_is_verified_and_comes_back() {
    let Some(moto) = moto() else { return };
    let workdir = tempfile::tempdir().unwrap();
    let day = NaiveDate::from_ymd_opt(2025, 11, 8).unwrap();
    let large: Vec<u8> = (0..20_000_000u32).map(|i| (i ^ (i >> 8)) as u8).collect();
    write(workdir.path(), "data/candles/BTC-USDT.parquet", "candles");
    write(workdir.path(), "models/BTC-USDT_model.pkl", vec![7; 100_000]);
    write(workdir.path(), "models/BTC-USDT/metadata.json", "{}");
    write(workdir.path(), "logs/training.log", "line\n");
    write(workdir.path(), "exports/all_trades_complete_2025-11-08.csv", &large);
    for n in 0..40 {
        write(workdir.path(), &format!("reports/part {n} ä+%.csv"), format!("{n}"));
    }

    let remote = remote(moto.port, workdir.path());
    remote.create_dated_folder(day).await.unwrap();
    remote.probe().await.unwrap();
    let pushed = remote.push(Push::new(workdir.path(), day, &Kind::SCHEDULED, &Manifest::new()), QUIET).await.unwrap();
    assert!(pushed.failed.is_empty(), "{:?}", pushed.failed);
    let mut known = pushed.uploaded;
    assert_eq!(known.len(), 45);
    assert!(known.values().all(|entry| entry.etag.is_some()));
    let verified = remote.verify(workdir.path(), &Kind::SCHEDULED, &known, QUIET).await.unwrap();
    assert!(verified.is_complete() && verified.correct.len() == 45, "{verified:?}");

    write(workdir.path(), "logs/training.log", "line\nanother\n");
    let again = remote.push(Push::new(workdir.path(), day, &Kind::SCHEDULED, &known), QUIET).await.unwrap();
    assert_eq!((again.uploaded.len(), again.unchanged), (1, 44));
    known.extend(again.uploaded);

    let elsewhere = tempfile::tempdir().unwrap();
    let scope = Scope { kinds: Kind::SCHEDULED.to_vec(), date: day, overwrite_newer: false };
    let restored = remote.restore(elsewhere.path(), &scope, QUIET).await.unwrap();
    assert_eq!(restored.written.len(), 45, "{restored:?}");
    let back = std::fs::read(elsewhere.path().join("exports/all_trades_complete_2025-11-08.csv")).unwrap();
    assert!(back == large);

    // Same size, other bytes: the ETag tells. And without a remembered ETag the file is read back.
    let other = tempfile::tempdir().unwrap();
    write(other.path(), "data/candles/BTC-USDT.parquet", "CANDLES");
    remote.push(Push::new(other.path(), day, &[Kind::Candles], &Manifest::new()), QUIET).await.unwrap();
    request(moto.port, "DELETE", &format!("/{BUCKET}/Runpodhuracan/2025-11-08/models/BTC-USDT_model.pkl")).unwrap();
    for forget in [false, true] {
        if forget {
            known.values_mut().for_each(|entry| entry.etag = None);
        }
        let verified = remote.verify(workdir.path(), &Kind::SCHEDULED, &known, QUIET).await.unwrap();
        assert_eq!(verified.missing, ["models/BTC-USDT_model.pkl"]);
        assert_eq!(verified.differing, [("data/candles/BTC-USDT.parquet".to_owned(), Difference::Content)]);
        assert_eq!(verified.correct.len(), 43);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_with_a_remedy_and_no_key() {
    let workdir = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = remote(port, workdir.path()).probe().await.unwrap_err();
    assert!(matches!(error, SyncError::Remote { .. }));
    let told = error.to_string();
    assert!(told.contains("check the network and sync.remote.endpoint"), "{told}");
    assert!(!told.contains("of-a-test"), "{told}");
}
