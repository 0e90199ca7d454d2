//! The health checks of a run, one per component that it depends on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use chrono::Utc;

use super::identity::RunIdentity;
use super::services::Services;
use crate::health::{self, Check, Probe, Status};
use crate::models::Bundle;
use crate::models::bundle::REJECTED;

/// The probes of all components.
pub fn probes(run: &RunIdentity, services: &Services) -> Vec<Probe> {
    let limit = Duration::from_secs_f64(run.settings.health.timeout_s);
    let (brain, remote, workdir) = (services.brain.clone(), services.remote.clone(), run.workdir.clone());
    let mut probes = vec![Probe::new("database", health::BRAIN_REMEDY, move || {
        let brain = brain.clone();
        async move { health::database_check(&brain, limit).await }
    })];
    if let Some(exchange) = services.exchange.clone() {
        probes.push(Probe::new("exchange", health::EXCHANGE_REMEDY, move || {
            let exchange = exchange.clone();
            async move { health::exchange_check(&exchange, limit).await }
        }));
    }
    probes.push(Probe::new("remote", health::REMOTE_REMEDY, move || {
        let remote = remote.clone();
        async move { health::remote(&remote, limit).await }
    }));
    let (disk, models) = (workdir.clone(), workdir);
    let needed = services.compute.device().is_cuda();
    probes.push(Probe::blocking("disk", "check the disk of --workdir", move || health::disk(&disk)));
    probes.push(Probe::blocking("memory", "check the machine", health::memory));
    probes.push(Probe::blocking("gpu", "check the NVIDIA driver", move || health::gpu(needed)));
    let last = Arc::new(Mutex::new(None));
    let check_models = move || models_check(&models, &last);
    probes.push(Probe::blocking("models", "check the disk of --workdir", check_models));
    probes
}

/// Path and modification time of the last model that was loaded, and the result.
type LastLoaded = Option<(PathBuf, SystemTime, Check)>;

/// Loads the newest model, as the trading bot would. A model that has not changed since is not loaded again.
fn models_check(workdir: &Path, last: &Mutex<LastLoaded>) -> Check {
    let folders = [workdir.join("models"), workdir.join("models").join(REJECTED)];
    let entries = folders.iter().flat_map(std::fs::read_dir).flatten().flatten();
    let models = entries.filter(|entry| entry.file_name().to_string_lossy().ends_with("_model.pkl"));
    let changed = |path: PathBuf| Some((std::fs::metadata(&path).and_then(|about| about.modified()).ok()?, path));
    let newest = models.filter_map(|entry| changed(entry.path())).max();
    let Some((at, path)) = newest else { return Check::new("models", Status::Off, "no model is stored yet") };
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((last_path, last_at, check)) = &*last
        && (last_path, last_at) == (&path, &at)
    {
        return Check { timestamp: Utc::now(), ..check.clone() };
    }
    let check = load(&path);
    *last = Some((path, at, check.clone()));
    check
}

fn load(path: &Path) -> Check {
    let begun = Instant::now();
    match Bundle::load(path) {
        Ok(bundle) => {
            let took = begun.elapsed();
            let message = format!("the model of {} loads", bundle.symbol);
            let mut check = Check::new("models", Status::Healthy, message).with_latency(took);
            check.model_load_time_ms = check.latency_ms;
            check
        }
        Err(error) => Check::new("models", Status::Failed, error.to_string())
            .with_remedy("train it again with huracan run, or download it with huracan restore"),
    }
}
