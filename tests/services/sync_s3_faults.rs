//! Nothing lost, nothing doubled, nothing half visible: the program itself against an S3 of which a tenth of all requests
//! fail, killed three times.

use crate::sync;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::s3::faulty::{Fault, Faulty, KINDS, Point};
use crate::s3::{BUCKET, moto, request, request_with};
use crate::sync::DATE;

const FILES: u64 = 1_000;
const KILLS: u64 = 3;
const CONCURRENCY: usize = 16;
/// How many files are large.
const LARGE: u64 = 3;
const SEED: u64 = 11;

/// Content of the n-th file; a few are large.
fn content(n: u64) -> Vec<u8> {
    sync::content(SEED, n, is_large(n))
}

fn is_large(n: u64) -> bool {
    n.is_multiple_of(10) && n / 10 < LARGE
}

/// Local and remote path of the n-th file, as the contract lays them out.
fn paths(n: u64) -> (String, String) {
    match n % 10 {
        0 => (format!("exports/file {n}.csv"), format!("{DATE}/exports/file {n}.csv")),
        1 => (format!("data/candles/C{n}-USDT.parquet"), format!("data/candles/C{n}-USDT.parquet")),
        2 => (format!("logs/learning/snapshot_{n}.json"), format!("{DATE}/learning/snapshot_{n}.json")),
        3 => (format!("logs/l{n}.log"), format!("{DATE}/logs/l{n}.log")),
        _ => (format!("models/C{n}/metadata.json"), format!("{DATE}/models/C{n}/metadata.json")),
    }
}

fn command(port: u16, workdir: &Path, line: &str) -> Command {
    let mut command = sync::command(workdir, line, CONCURRENCY, 5);
    command
        .env("HURACAN_S3_ACCESS_KEY_ID", "key-of-a-test")
        .env("HURACAN_S3_SECRET_ACCESS_KEY", "secret-of-a-test")
        .env("HURACAN__SYNC__REMOTE__KIND", "s3")
        .env("HURACAN__SYNC__REMOTE__PATH", BUCKET)
        .env("HURACAN__SYNC__REMOTE__REGION", "us-east-1")
        .env("HURACAN__SYNC__REMOTE__ENDPOINT", format!("http://127.0.0.1:{port}"));
    command
}

/// The JSON of a command that ends well.
#[track_caller]
fn done(port: u16, workdir: &Path, line: &str) -> serde_json::Value {
    sync::done(command(port, workdir, line))
}

/// Everything that ever was visible: key → sizes and ETags, in a bucket that keeps every version.
fn seen(server: u16) -> BTreeMap<String, Vec<(usize, String)>> {
    let mut seen: BTreeMap<String, Vec<(usize, String)>> = BTreeMap::new();
    let mut markers = String::new();
    loop {
        let answer = request(server, "GET", &format!("/{BUCKET}?versions&max-keys=500{markers}")).unwrap();
        let field = |text: &str, name: &str| {
            let text = text.split_once(&format!("<{name}>"))?.1.split_once(&format!("</{name}>"))?.0;
            Some(text.replace("&quot;", "").replace('"', ""))
        };
        for version in answer.split("<Version>").skip(1) {
            let (key, size, etag) = (field(version, "Key"), field(version, "Size"), field(version, "ETag"));
            seen.entry(key.unwrap()).or_default().push((size.unwrap().parse().unwrap(), etag.unwrap()));
        }
        let next = (field(&answer, "NextKeyMarker"), field(&answer, "NextVersionIdMarker"));
        let (Some(key), Some(version)) = next else { return seen };
        markers = format!("&key-marker={}&version-id-marker={version}", key.replace(' ', "%20"));
    }
}

#[test]
fn a_large_file_survives_any_fault_at_any_point_of_its_upload() {
    let Some(moto) = moto() else { return };
    let workdir = tempfile::tempdir().unwrap();
    let local = "exports/large.csv";
    std::fs::create_dir_all(workdir.path().join("exports")).unwrap();
    let proxy = Faulty::before(moto.port, SEED, 0.0, Duration::from_millis(5500));
    for (n, point) in [Point::Begin, Point::Part, Point::End].into_iter().enumerate() {
        for (m, fault) in [Fault::Broken, Fault::SlowDown, Fault::BrokenAfter, Fault::CutAfter, Fault::CutWithin]
            .into_iter()
            .enumerate()
        {
            let mut large = content(0);
            large.extend([n as u8, m as u8]);
            fs::write(workdir.path().join(local), &large).unwrap();
            proxy.state().next.push((point, fault));
            let answer = done(proxy.port, workdir.path(), &format!("sync --date {DATE}"));
            assert_eq!(
                (&answer["verified"], &answer["faults"]),
                (&1.into(), &serde_json::json!([])),
                "{fault:?} {point:?}"
            );
            assert!(proxy.state().next.is_empty(), "{fault:?} at {point:?} did not come about");
        }
    }
    let elsewhere = tempfile::tempdir().unwrap();
    done(proxy.port, elsewhere.path(), &format!("restore --date {DATE}"));
    assert!(fs::read(elsewhere.path().join(local)).unwrap() == fs::read(workdir.path().join(local)).unwrap());
}

#[test]
fn a_thousand_files_survive_failing_requests_and_three_kills() {
    let Some(moto) = moto() else { return };
    let versions = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    let answer = request_with(moto.port, "PUT", &format!("/{BUCKET}?versioning"), versions).unwrap();
    assert!(answer.contains(" 200 "), "{answer}");
    let workdir = tempfile::tempdir().unwrap();
    let (mut wanted, mut local_paths) = (BTreeMap::new(), Vec::new());
    for n in 0..FILES {
        let ((local, remote), content) = (paths(n), content(n));
        let path = workdir.path().join(&local);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &content).unwrap();
        wanted.insert(format!("Runpodhuracan/{remote}"), content.len());
        local_paths.push(local);
    }
    let proxy = Faulty::before(moto.port, SEED, 0.1, Duration::from_millis(5500));
    let line = format!("sync --date {DATE}");

    let begun = Instant::now();
    for kill in 0..KILLS {
        let mut child =
            command(proxy.port, workdir.path(), &line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let wanted = (kill + 1) * FILES / (KILLS + 1);
        sync::wait_for(wanted as usize, &mut child, || proxy.state().stored as usize);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let answer = done(proxy.port, workdir.path(), &line);
    let seconds = begun.elapsed().as_secs_f64();
    assert_eq!(answer["verified"], FILES, "{answer}");
    assert_eq!(answer["faults"], serde_json::json!([]));
    {
        let mut seen = seen(moto.port);
        // The day's folder is an object of its own to S3.
        seen.retain(|key, _| !key.ends_with('/'));
        let lost = wanted.keys().filter(|key| !seen.contains_key(*key)).count();
        let doubles = seen.keys().filter(|key| !wanted.contains_key(*key)).count();
        // Whatever was visible had the size and the content that the restore below proves of the newest.
        let half = (seen.iter())
            .filter(|(key, versions)| {
                versions.iter().any(|one| Some(&one.0) != wanted.get(*key) || *one != versions[0])
            })
            .count();
        let again = seen.values().map(|versions| versions.len() as u64 - 1).sum::<u64>();
        let state = proxy.state();
        let failures: u64 = state.failures.values().sum();
        println!(
            "{FILES} files in {seconds:.1} s: {} requests, {failures} failed {:?}, {KILLS} kills; sent again {again} \
             (answers lost {}); half visible={half} doubles={doubles} lost={lost}",
            state.requests, state.failures, state.answers_lost
        );
        assert_eq!((lost, doubles, half), (0, 0, 0));
        assert!(failures * 100 > state.requests * 7, "a tenth of all requests should fail");
        assert_eq!(state.failures.len(), KINDS, "every kind of fault came about");
        // Sent again is only what the program could not know to be there: lost answers, and at each kill what was under
        // way or not yet noted.
        let excused = state.answers_lost + KILLS * (CONCURRENCY as u64 + 100);
        assert!(again <= excused, "{again} sent again, {excused} excused");
    }

    // Once more: the program knows that all is there.
    let stored = proxy.state().stored;
    let answer = done(proxy.port, workdir.path(), &line);
    assert_eq!((&answer["uploaded"], &answer["unchanged"]), (&0.into(), &FILES.into()), "{answer}");
    // The day's folder alone is made anew, as often as its answer is lost.
    assert!(proxy.state().stored <= stored + 9, "{} stored, {stored} before", proxy.state().stored);

    // Another machine has nothing but the remote.
    let elsewhere = tempfile::tempdir().unwrap();
    let answer = done(proxy.port, elsewhere.path(), &format!("restore --date {DATE}"));
    assert_eq!((&answer["written"], &answer["failed"]), (&FILES.into(), &serde_json::json!([])));
    for (n, local) in (0..).zip(&local_paths) {
        assert!(fs::read(elsewhere.path().join(local)).unwrap() == content(n), "{local}");
    }
}
