//! `huracan doctor`: is everything outside well.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::Ending;
use crate::brain::Brain;
use crate::engine::DeviceChoice;
use crate::exit::{Answer, Code, Failure, OrExit};
use crate::health::{self, Check, Status};
use crate::kill;
use crate::market::Exchange;
use crate::notify::Access;
use crate::settings::Settings;
use crate::sync::{Credentials, Remote};
use crate::trainer::Family;

const LIMIT: Duration = Duration::from_secs(30);

/// Tests every outside dependency; prints one line each.
///
/// # Errors
/// Exit code 1 where a component failed.
pub fn doctor<'a>(settings: &'a Settings, workdir: &'a Path, json: bool) -> Ending<'a, Answer> {
    Box::pin(examine(settings, workdir, json))
}

async fn examine(settings: &Settings, workdir: &Path, json: bool) -> Result<Answer, Failure> {
    let workdir = std::path::absolute(workdir)?;
    let mut checks = Vec::new();
    let brain = health::timed("database", LIMIT, health::BRAIN_REMEDY, async {
        let brain = Brain::open(&settings.brain.url, &workdir, settings.brain.connections).await?;
        brain.ping().await?;
        let kind = brain.kind().to_owned();
        brain.close().await;
        Ok::<_, crate::brain::BrainError>(format!("{kind}, {}", settings.brain_url_redacted()))
    });
    checks.push(brain.await);
    checks.push(match Exchange::open(settings, None) {
        Ok(exchange) => health::exchange_check(&exchange, LIMIT).await,
        Err(error) => Check::new("exchange", Status::Failed, error.to_string()).with_remedy(health::EXCHANGE_REMEDY),
    });
    checks.push(match Remote::open(&settings.sync, &workdir, &Credentials::from_environment()) {
        Ok(remote) => health::remote(&remote, LIMIT).await,
        Err(error) => Check::new("remote", Status::Failed, error.to_string())
            .with_remedy("check sync.remote in the settings and the keys in the environment"),
    });
    checks.push(telegram(settings).await);
    checks.push(health::disk(&workdir));
    checks.push(health::memory());
    let wanted = settings.engine.device.parse::<DeviceChoice>().or_exit(Code::Usage)?;
    checks.push(health::gpu(matches!(wanted, DeviceChoice::Cuda(_))));
    checks.extend(networks(settings, wanted));
    checks.push(match kill::status(&workdir) {
        None => Check::new("kill switch", Status::Healthy, "off"),
        Some(killed) => Check::new("kill switch", Status::Degraded, killed.to_string()).with_remedy("huracan kill off"),
    });
    let worst = health::worst(&checks);
    if !json {
        println!("{}", health::doctor_table(&checks, crate::ui::colours(&std::io::stdout())));
    }
    let code = if worst == Status::Failed { Code::Failed as u8 } else { 0 };
    Ok(Answer { code, json: json!({ "status": worst, "checks": checks }) })
}

/// Whether a GPU that is asked for can train networks too, where there are to be any.
fn networks(settings: &Settings, wanted: DeviceChoice) -> Option<Check> {
    let asked = matches!(wanted, DeviceChoice::Cuda(_)) && Family::of(settings.models.kind).contains(&Family::Neural);
    asked.then(|| networks_on_a_gpu("networks"))
}

#[cfg(feature = "burn")]
fn networks_on_a_gpu(name: &str) -> Check {
    match crate::neural::cuda_headers() {
        Ok(folder) => {
            Check::new(name, Status::Healthy, format!("by Burn, with CUDA's headers in {}", folder.display()))
        }
        Err(lacking) => Check::new(name, Status::Degraded, "trained by the CPU's cores").with_remedy(lacking),
    }
}

#[cfg(not(feature = "burn"))]
fn networks_on_a_gpu(name: &str) -> Check {
    Check::new(name, Status::Degraded, "trained by the CPU's cores").with_remedy("build with --features burn")
}

async fn telegram(settings: &Settings) -> Check {
    let remedy = "check HURACAN_TELEGRAM_TOKEN and the network";
    match Access::from_environment() {
        None => Check::new("telegram", Status::Off, "HURACAN_TELEGRAM_TOKEN is not set"),
        Some(_) if settings.notify.telegram.chat_id.trim().is_empty() => {
            Check::new("telegram", Status::Off, "notify.telegram.chat_id is empty")
        }
        Some(access) => health::timed("telegram", LIMIT, remedy, async { access.check().await }).await,
    }
}
