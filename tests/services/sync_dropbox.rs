//! The remote against a Dropbox on loopback, through real connections and with every fault it can have.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::dropbox::{CLIENT_ID, CLIENT_SECRET, Dropbox, Fault, Faults, REFRESH_TOKEN, content_hash};
use chrono::NaiveDate;
use huracan::secret::Secret;
use huracan::settings::{RemoteKind, Settings};
use huracan::sync::{Credentials, Difference, Kind, Manifest, OnProgress, Push, Remote, Scope};

const QUIET: OnProgress<'static> = &|_| {};
const LARGE: &str = "exports/all_trades_complete_2025-11-08.csv";
/// More than twice what goes up in one request.
const LARGE_BYTES: u32 = 20_000_000;

fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2025, 11, 8).unwrap()
}

fn credentials(secret: &str) -> Credentials {
    Credentials {
        dropbox_refresh_token: Some(Secret::new(REFRESH_TOKEN)),
        dropbox_client_id: Some(Secret::new(CLIENT_ID)),
        dropbox_client_secret: Some(Secret::new(secret)),
        ..Credentials::default()
    }
}

fn settings(server: &Dropbox) -> huracan::settings::Sync {
    let mut settings = Settings::defaults().sync;
    settings.remote.kind = RemoteKind::Dropbox;
    settings.remote.endpoint = server.endpoint();
    settings.retries = 4;
    settings.first_pause_ms = 5;
    settings.longest_pause_ms = 50;
    settings.timeout_s = 0.7;
    settings
}

fn remote(server: &Dropbox, workdir: &Path) -> Remote {
    Remote::open(&settings(server), workdir, &credentials(CLIENT_SECRET)).unwrap()
}

fn write(workdir: &Path, local: &str, content: impl AsRef<[u8]>) {
    let path = workdir.join(local);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn large() -> Vec<u8> {
    (0..LARGE_BYTES).map(|i| (i ^ (i >> 8)) as u8).collect()
}

#[tokio::test]
async fn a_day_goes_to_dropbox_is_verified_and_comes_back() {
    let server = Dropbox::start(Faults::none());
    // As Dropbox refuses 150 MB, this one refuses 9 MiB: the large file goes up in a session or not at all.
    server.state().files.most_in_one_request = Some(9 << 20);
    let workdir = tempfile::tempdir().unwrap();
    let remote = remote(&server, workdir.path());
    write(workdir.path(), "data/candles/BTC-USDT.parquet", "candles");
    write(workdir.path(), "models/BTC-USDT_model.pkl", vec![7; 100_000]);
    write(workdir.path(), "models/BTC-USDT/metadata.json", "{}");
    write(workdir.path(), "logs/empty.log", "");
    write(workdir.path(), LARGE, large());
    for n in 0..40 {
        write(workdir.path(), &format!("reports/part {n} ä+%漢.csv"), format!("{n}"));
    }
    remote.create_dated_folder(day()).await.unwrap();
    remote.create_dated_folder(day()).await.unwrap();
    remote.probe().await.unwrap();
    let pushed =
        remote.push(Push::new(workdir.path(), day(), &Kind::SCHEDULED, &Manifest::new()), QUIET).await.unwrap();
    assert!(pushed.failed.is_empty(), "{:?}", pushed.failed);
    let mut known = pushed.uploaded;
    assert_eq!(known.len(), 45);
    assert_eq!(known[LARGE].etag.as_deref(), Some(content_hash(&large()).as_str()));
    {
        let state = server.state();
        assert_eq!((state.files.files.len(), state.renewals), (45, 1));
        let sessions =
            ["start", "append_v2", "finish"].map(|end| state.calls[&format!("/2/files/upload_session/{end}")]);
        assert_eq!(sessions, [1, 1, 1]);
    }
    let verified = remote.verify(workdir.path(), &Kind::SCHEDULED, &known, QUIET).await.unwrap();
    assert!(verified.is_complete() && verified.correct.len() == 45, "{verified:?}");
    // Listed, not read back.
    assert_eq!(server.state().calls["/2/files/download"], 1, "the probe alone reads");

    write(workdir.path(), "logs/empty.log", "no more\n");
    let again = remote.push(Push::new(workdir.path(), day(), &Kind::SCHEDULED, &known), QUIET).await.unwrap();
    assert_eq!((again.uploaded.len(), again.unchanged), (1, 44));
    known.extend(again.uploaded);

    let elsewhere = tempfile::tempdir().unwrap();
    let scope = Scope { kinds: Kind::SCHEDULED.to_vec(), date: day(), overwrite_newer: false };
    let restored = remote.restore(elsewhere.path(), &scope, QUIET).await.unwrap();
    assert_eq!(restored.written.len(), 45, "{restored:?}");
    assert_eq!(restored.known, known);
    assert!(fs::read(elsewhere.path().join(LARGE)).unwrap() == large());
    assert_eq!(fs::read(elsewhere.path().join("reports/part 7 ä+%漢.csv")).unwrap(), b"7");
    let downloads = server.state().calls["/2/files/download"];
    assert_eq!(remote.restore(elsewhere.path(), &scope, QUIET).await.unwrap().same, 45);
    assert_eq!(server.state().calls["/2/files/download"], downloads, "what is the same is not read again");

    // Somebody deletes one file and changes another, to the same length.
    {
        let mut state = server.state();
        state.files.files.remove("/runpodhuracan/2025-11-08/models/btc-usdt_model.pkl").unwrap();
        let candles = state.files.files.get_mut("/runpodhuracan/data/candles/btc-usdt.parquet").unwrap();
        (candles.content, candles.hash) = (b"CANDLES".to_vec(), content_hash(b"CANDLES"));
    }
    let verified = remote.verify(workdir.path(), &Kind::SCHEDULED, &known, QUIET).await.unwrap();
    assert_eq!(verified.missing, ["models/BTC-USDT_model.pkl"]);
    assert_eq!(verified.differing, [("data/candles/BTC-USDT.parquet".to_owned(), Difference::Content)]);
    assert_eq!(verified.correct.len(), 43);
}

#[tokio::test]
async fn a_large_file_survives_any_fault_at_any_point_of_its_session() {
    let server = Dropbox::start(Faults::none());
    let workdir = tempfile::tempdir().unwrap();
    write(workdir.path(), LARGE, large());
    let remote = remote(&server, workdir.path());
    let whole = content_hash(&large());
    for point in ["upload_session/start", "upload_session/append_v2", "upload_session/finish"] {
        for fault in [
            Fault::Broken,
            Fault::Expired,
            Fault::CutBefore,
            Fault::CutAfter,
            Fault::CutWithin,
            Fault::Hanging,
            Fault::WrongJson,
        ] {
            server.state().faults.next.push((point, fault));
            let none = Manifest::new();
            let pushed = remote.push(Push::new(workdir.path(), day(), &Kind::SCHEDULED, &none), QUIET).await.unwrap();
            assert!(pushed.failed.is_empty(), "{fault:?} at {point}: {:?}", pushed.failed);
            let mut state = server.state();
            assert!(state.faults.next.is_empty(), "{fault:?} at {point} did not come about");
            let seen = std::mem::take(&mut state.files.seen);
            // Visible once, and whole.
            assert_eq!(seen.len(), 1, "{fault:?} at {point}");
            assert_eq!((seen[0].1, &seen[0].2), (LARGE_BYTES as usize, &whole), "{fault:?} at {point}");
        }
    }
}

#[tokio::test]
async fn everybody_waits_as_long_as_a_retry_after_asks() {
    let server = Dropbox::start(Faults::none());
    let workdir = tempfile::tempdir().unwrap();
    for n in 0..200 {
        write(workdir.path(), &format!("reports/{n}.csv"), n.to_string());
    }
    let mut settings = settings(&server);
    // The pause is longer than a request may take, and no failed try.
    (settings.retries, settings.timeout_s) = (1, 0.4);
    let remote = Remote::open(&settings, workdir.path(), &credentials(CLIENT_SECRET)).unwrap();
    server.state().faults.next.push(("files/upload", Fault::Limited));
    let begun = Instant::now();
    let none = Manifest::new();
    let pushed = remote.push(Push::new(workdir.path(), day(), &Kind::SCHEDULED, &none), QUIET).await.unwrap();
    assert!(pushed.failed.is_empty() && pushed.uploaded.len() == 200, "{:?}", pushed.failed);
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(server.state().impatient, 0);
}

#[tokio::test]
async fn what_cannot_be_helped_is_told_with_a_remedy_and_no_secret() {
    let server = Dropbox::start(Faults::none());
    let workdir = tempfile::tempdir().unwrap();
    let wrong = Remote::open(&settings(&server), workdir.path(), &credentials("wrong-secret-of-a-test")).unwrap();
    let told = wrong.probe().await.unwrap_err().to_string();
    assert!(told.contains("400") && told.contains("check the keys in the environment"), "{told}");
    assert!(!told.contains("of-a-test"), "{told}");
    let stale =
        Credentials { dropbox_access_token: Some(Secret::new("stale-token-of-a-test")), ..Credentials::default() };
    let stale = Remote::open(&settings(&server), workdir.path(), &stale).unwrap();
    let told = stale.probe().await.unwrap_err().to_string();
    assert!(told.contains("expired_access_token") && told.contains("check the keys"), "{told}");
    assert!(!told.contains("of-a-test"), "{told}");
    // All tries are used up, and then it is said.
    let remote = remote(&server, workdir.path());
    server.state().faults.share = 1.0;
    let told = remote.probe().await.unwrap_err().to_string();
    assert!(told.contains("all retries failed"), "{told}");
    // A file stands where a folder must be: the other files go up.
    server.state().faults.share = 0.0;
    write(workdir.path(), "config/models", "");
    write(workdir.path(), "models/A-B/metadata.json", "{}");
    write(workdir.path(), "logs/a.log", "x");
    remote.operator().write("Runpodhuracan/2025-11-08/models", "in the way").await.unwrap();
    let none = Manifest::new();
    let pushed = remote.push(Push::new(workdir.path(), day(), &Kind::SCHEDULED, &none), QUIET).await.unwrap();
    assert_eq!(pushed.uploaded.len(), 1);
    let told = pushed.failed[0].error.to_string();
    assert!(told.contains("models/A-B/metadata.json") && told.contains("rename one"), "{told}");
}

/// More pieces than a session is cut off after.
const LONG_BYTES: usize = 45_000_000;

fn long() -> Vec<u8> {
    (0..LONG_BYTES as u32).map(|i| (i ^ (i >> 9) ^ (i >> 17)) as u8).collect()
}

/// Uploads until `parts` requests have put something into the session, and is cut off there as by a kill.
async fn cut_off_after(server: &Dropbox, workdir: &Path, parts: u64) {
    let sent = |server: &Dropbox| {
        let state = server.state();
        ["start", "append_v2"].iter().filter_map(|end| state.calls.get(&format!("/2/files/upload_session/{end}"))).sum()
    };
    let before: u64 = sent(server);
    let remote = remote(server, workdir);
    let workdir = workdir.to_owned();
    let upload = tokio::spawn(async move {
        let none = Manifest::new();
        remote.push(Push::new(&workdir, day(), &Kind::SCHEDULED, &none), QUIET).await
    });
    while sent(server) < before + parts {
        assert!(!upload.is_finished(), "the upload ended before it could be cut off");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    upload.abort();
    assert!(upload.await.unwrap_err().is_cancelled());
}

/// Uploads to the end: `content` is visible then, and was never seen otherwise. Gives back how many sessions were begun for it
/// and how many parts put into them.
async fn goes_on(server: &Dropbox, workdir: &Path, content: &[u8]) -> (u64, u64) {
    let calls = |server: &Dropbox| {
        let state = server.state();
        let of = |end: &str| *state.calls.get(&format!("/2/files/upload_session/{end}")).unwrap_or(&0);
        (of("start"), of("append_v2"))
    };
    let (starts, appends) = calls(server);
    let none = Manifest::new();
    let pushed = remote(server, workdir).push(Push::new(workdir, day(), &Kind::SCHEDULED, &none), QUIET).await.unwrap();
    assert!(pushed.failed.is_empty(), "{:?}", pushed.failed);
    let seen = std::mem::take(&mut server.state().files.seen);
    assert_eq!(
        seen.iter().map(|(_, size, hash)| (*size, hash.clone())).collect::<Vec<_>>(),
        [(content.len(), content_hash(content))]
    );
    assert_eq!(pushed.uploaded[LARGE].sha256, sha256(content));
    let kept = fs::read_to_string(workdir.join("data/uploads.json")).unwrap();
    assert_eq!(kept.trim(), "{}", "a session that has ended is not gone on with");
    let (starts_now, appends_now) = calls(server);
    (starts_now - starts, appends_now - appends)
}

fn sha256(content: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_was_cut_off_goes_on_inside_the_file() {
    let server = Dropbox::start(Faults::none());
    let workdir = tempfile::tempdir().unwrap();
    let workdir = workdir.path();
    let whole = long();
    write(workdir, LARGE, &whole);

    // Five pieces of 8 MiB go into the session, the sixth with the order to finish. After the third: at most the third, which
    // may have been under way, goes again.
    cut_off_after(&server, workdir, 3).await;
    let (starts, appends) = goes_on(&server, workdir, &whole).await;
    assert!(starts == 0 && (2..=3).contains(&appends), "{starts} starts and {appends} parts");

    // The piece arrived, its answer did not.
    server.state().faults.next.extend([("append_v2", Fault::Slow), ("append_v2", Fault::Hanging)]);
    cut_off_after(&server, workdir, 3).await;
    assert_eq!(goes_on(&server, workdir, &whole).await, (0, 3));

    // The file has changed: where the session has it, and in the piece that may have arrived.
    for changed in [1000, (17 << 20) + 5] {
        server.state().faults.next.extend([("append_v2", Fault::Slow), ("append_v2", Fault::Hanging)]);
        cut_off_after(&server, workdir, 3).await;
        let mut other = whole.clone();
        other[changed] ^= 1;
        write(workdir, LARGE, &other);
        let (starts, _) = goes_on(&server, workdir, &other).await;
        assert_eq!(starts, 1, "changed at {changed}");
        write(workdir, LARGE, &whole);
    }

    // It has become shorter than what the session has, and so short that it needs none.
    for length in [10 << 20, 100] {
        cut_off_after(&server, workdir, 4).await;
        write(workdir, LARGE, &whole[..length]);
        goes_on(&server, workdir, &whole[..length]).await;
        write(workdir, LARGE, &whole);
    }

    // Dropbox has ended the session.
    cut_off_after(&server, workdir, 3).await;
    server.state().files.end_sessions();
    assert_eq!(goes_on(&server, workdir, &whole).await.0, 1);
}
