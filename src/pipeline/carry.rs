//! Moves checkpoints between machines: they are uploaded during training, and a run that is resumed on another machine
//! downloads them.
//!
//! They stay in the day's folder on the remote until the run has succeeded.

use std::time::{Duration, Instant};

use serde_json::json;

use super::CommandFailure;
use super::carrier::{CheckpointFolders, CheckpointUploader, SentFiles};
use super::day::Day;
use super::uploads::Uploads;
use crate::exit::Code;
use crate::sync::{Kind, Manifest, Scope};

/// Time limit for downloading checkpoints, and for the last upload of a failed run.
const LIMIT: Duration = Duration::from_secs(60);

/// Downloads the checkpoints of a resumed run, and starts to upload those of this one.
pub async fn begin(day: &mut Day) -> Result<(), CommandFailure> {
    let folders = CheckpointFolders::of(&day.run, &day.services);
    let mut sent = SentFiles::new();
    if day.run.resumed {
        let step = day.begin("checkpoints", None).await?;
        let scope = Scope { kinds: vec![Kind::Checkpoints], date: day.run.date, overwrite_newer: false };
        let here = folders.unsent(&sent).len();
        let restored =
            tokio::time::timeout(LIMIT, day.services.remote.restore(&day.run.workdir, &scope, &|_| {})).await;
        let (known, faults) = match restored {
            Ok(Ok(restored)) => {
                let faults = restored.failed.iter().map(|failure| failure.error.to_string()).collect();
                (restored.known, faults)
            }
            Ok(Err(error)) => (Manifest::new(), vec![error.to_string()]),
            Err(_) => (Manifest::new(), vec![format!("the remote took more than {} s", LIMIT.as_secs())]),
        };
        // Models whose checkpoints are missing are trained again.
        for fault in faults {
            tracing::warn!("checkpoints: {fault}");
        }
        // Files that are on the remote need no upload.
        sent = folders.unsent(&SentFiles::new());
        sent.retain(|file, _| known.contains_key(file));
        step.note(&format!("{} on the remote, {here} here", known.len()));
        day.end(step, json!({ "restored": known.len() })).await?;
    } else {
        // Checkpoints of earlier runs are not uploaded.
        sent = folders.unsent(&sent);
    }
    day.tasks.checkpoints = Some(CheckpointUploader::start(folders, sent));
    Ok(())
}

/// Ends the background uploads. After a successful run the checkpoints on the remote are deleted. A run that failed or was
/// interrupted uploads what it can, checkpoints first.
pub async fn end(day: &mut Day, failed: Option<Code>) {
    if let Some(background) = day.tasks.uploads.take() {
        background.abort().await;
    }
    let Some(uploader) = day.tasks.checkpoints.take() else { return };
    let stop = day.services.stop.clone();
    match failed {
        Some(Code::Killed) => uploader.abort(),
        Some(Code::Interrupted) => upload_before_exit(day, uploader, stop.upload_until()).await,
        // A kill or a signal may still come in the meantime.
        Some(_) => tokio::select! {
            biased;
            _ = stop.killed() => {}
            _ = stop.overdue() => {}
            () = upload_before_exit(day, uploader, Instant::now() + LIMIT) => {}
        },
        None => tokio::select! {
            biased;
            _ = stop.killed() => {}
            _ = stop.overdue() => {}
            () = delete_from_remote(day, uploader) => {}
        },
    }
}

async fn upload_before_exit(day: &Day, uploader: CheckpointUploader, until: Instant) {
    uploader.finish(until).await;
    match tokio::time::timeout_at(until.into(), Uploads::of(&day.run, &day.services).upload_before_exit()).await {
        Ok(Ok(files)) => tracing::info!(files, "uploaded before the exit"),
        Ok(Err(failure)) => tracing::warn!("not everything was uploaded before the exit: {}", failure.error),
        Err(_) => tracing::warn!("not everything was uploaded in time; huracan sync uploads the rest"),
    }
}

async fn delete_from_remote(day: &Day, uploader: CheckpointUploader) {
    uploader.abort_and_wait().await;
    let deletion = day.services.remote.delete_kind(Kind::Checkpoints, day.run.date);
    let why = match tokio::time::timeout(LIMIT, deletion).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("the remote took more than {} s", LIMIT.as_secs()),
    };
    tracing::warn!("the checkpoints could not be deleted from the remote; delete them there: {why}");
}
