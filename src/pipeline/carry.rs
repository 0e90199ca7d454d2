//! Checkpoints travel: they go to the remote while training goes on, so that a machine that is taken away leaves its
//! work to the next one, and a resumed run finds them there.
//!
//! They lie in the day's folder on the remote until the run has ended well.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Failure;
use super::carrier::{Carrier, Place, Sent};
use super::day::Day;
use super::uploads::Uploads;
use crate::exit::Code;
use crate::sync::{Kind, Manifest, Scope};

/// Longest time that bringing checkpoints back, or the last upload of a run that failed, may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Brings back what a resumed run had trained elsewhere, and begins to upload what this one trains.
pub async fn begin(day: &mut Day) -> Result<(), Failure> {
    let place = Place::of(&day.run, &day.services);
    let mut sent = Sent::new();
    if day.run.resumed {
        let step = day.begin("checkpoints", None).await?;
        let scope = Scope { kinds: vec![Kind::Checkpoints], date: day.run.date, overwrite_newer: false };
        let here = place.news(&sent).len();
        let restored =
            tokio::time::timeout(PATIENCE, day.services.remote.restore(&day.run.workdir, &scope, &|_| {})).await;
        let (known, faults) = match restored {
            Ok(Ok(restored)) => {
                let faults = restored.failed.iter().map(|failure| failure.error.to_string()).collect();
                (restored.known, faults)
            }
            Ok(Err(error)) => (Manifest::new(), vec![error.to_string()]),
            Err(_) => (Manifest::new(), vec![format!("the remote took more than {} s", PATIENCE.as_secs())]),
        };
        // What could not be brought back is trained again.
        for fault in faults {
            tracing::warn!("checkpoints: {fault}");
        }
        // What lies there need not go there.
        sent = place.news(&Sent::new());
        sent.retain(|file, _| known.contains_key(file));
        step.note(&format!("{} on the remote, {here} here", known.len()));
        day.end(step, json!({ "restored": known.len() })).await?;
    } else {
        // Those of earlier runs.
        sent = place.news(&sent);
    }
    day.tasks.carrier = Some(Carrier::start(place, sent));
    Ok(())
}

/// Ends the uploads beside the run: after one that ended well nobody needs its checkpoints on the remote; one that failed, or
/// was asked to leave, brings there what it can, what was trained first.
pub async fn end(day: &mut Day, failed: Option<Code>) {
    if let Some(background) = day.tasks.uploads.take() {
        background.cut_off().await;
    }
    let Some(carrier) = day.tasks.carrier.take() else { return };
    let stop = day.services.stop.clone();
    match failed {
        Some(Code::Killed) => carrier.abort(),
        Some(Code::Interrupted) => leave(day, carrier, stop.upload_until()).await,
        // Whoever is in a hurry by now does not wait for this.
        Some(_) => tokio::select! {
            biased;
            _ = stop.killed() => {}
            _ = stop.overdue() => {}
            () = leave(day, carrier, Instant::now() + PATIENCE) => {}
        },
        None => tokio::select! {
            biased;
            _ = stop.killed() => {}
            _ = stop.overdue() => {}
            () = forget(day, carrier) => {}
        },
    }
}

async fn leave(day: &Day, carrier: Carrier, until: Instant) {
    carrier.finish(until).await;
    match tokio::time::timeout_at(until.into(), Uploads::of(&day.run, &day.services).leave()).await {
        Ok(Ok(files)) => tracing::info!(files, "uploaded before leaving"),
        Ok(Err(failure)) => tracing::warn!("not everything was uploaded before leaving: {}", failure.error),
        Err(_) => tracing::warn!("not everything could be uploaded in time; sync brings the rest"),
    }
}

async fn forget(day: &Day, carrier: Carrier) {
    carrier.cut_off().await;
    let why = match tokio::time::timeout(PATIENCE, day.services.remote.forget(Kind::Checkpoints, day.run.date)).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("the remote took more than {} s", PATIENCE.as_secs()),
    };
    tracing::warn!("checkpoints stay on the remote, and may be removed there: {why}");
}
