//! `huracan doctor`: tests every outside dependency.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::CommandFuture;
use crate::brain::Brain;
use crate::engine::DeviceChoice;
use crate::exit::{Code, CommandFailure, CommandOutput, OrExit};
use crate::health::{self, Check, Status};
use crate::kill;
use crate::market::Exchange;
use crate::notify::Access;
use crate::settings::Settings;
use crate::sync::{Credentials, Remote};
use crate::trainer::Family;

/// Longest wait for one component.
const LIMIT: Duration = Duration::from_secs(30);

/// Tests every outside dependency, and prints one row per component unless `json` is set.
///
/// # Errors
/// An unknown device in the settings. A component that failed is not an error, but gives the answer exit code 1.
pub fn doctor<'a>(settings: &'a Settings, workdir: &'a Path, json: bool) -> CommandFuture<'a, CommandOutput> {
    Box::pin(run(settings, workdir, json))
}

async fn run(settings: &Settings, workdir: &Path, json: bool) -> Result<CommandOutput, CommandFailure> {
    let workdir = std::path::absolute(workdir)?;
    let mut checks = vec![health::features()];
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
    let choice = settings.engine.device.parse::<DeviceChoice>().or_exit(Code::Usage)?;
    checks.push(health::gpu(choice.is_cuda()));
    checks.extend(device(choice, settings, &workdir).await);
    checks.extend(networks(settings, choice));
    checks.push(match kill::status(&workdir) {
        None => Check::new("kill switch", Status::Healthy, "off"),
        Some(killed) => Check::new("kill switch", Status::Degraded, killed.to_string()).with_remedy("huracan kill off"),
    });
    let worst = health::worst(&checks);
    if !json {
        println!("{}", health::doctor_table(&checks, crate::ui::colours(&std::io::stdout())));
    }
    let code = if worst == Status::Failed { Code::Failed as u8 } else { 0 };
    Ok(CommandOutput { code, json: json!({ "status": worst, "checks": checks }) })
}

/// Whether the device of the settings computes; none for the CPU.
async fn device(choice: DeviceChoice, settings: &Settings, workdir: &Path) -> Option<Check> {
    if choice == DeviceChoice::Emulated && !cfg!(feature = "emulated") {
        let check = Check::new("device", Status::Failed, "this build has no emulated device");
        return Some(check.with_remedy("build with --features emulated, or use --device cpu"));
    }
    if !choice.is_cuda() && choice != DeviceChoice::Emulated {
        return None;
    }
    let (settings, workdir) = (settings.clone(), workdir.to_owned());
    let launched = tokio::task::spawn_blocking(move || launch(&settings, &workdir));
    let answer = async { launched.await.unwrap_or_else(|error| Err(error.to_string())) };
    Some(health::timed("device", LIMIT, "see the component gpu, or use --device cpu", answer).await)
}

/// Opens the device, which may be several GPUs, compiles a kernel and launches it on each.
fn launch(settings: &Settings, workdir: &Path) -> Result<String, String> {
    let mut strict = settings.clone();
    strict.engine.fallback = false;
    let compute = strict.open_device(workdir).map_err(|failure| failure.error.to_string())?;
    if let Some(why) = compute.loss_reason() {
        return Err(why);
    }
    let tested = compute.on_each("doctor", |stage| Ok((stage.device(), stage.self_test()?)));
    let tested = tested.map_err(|error| error.to_string())?;
    if let Some((device, (same, all))) = tested.iter().find(|(_, (same, all))| same != all) {
        return Err(format!("{device}: of {all} results of a kernel {} are not the CPU's", all - same));
    }
    match tested.first() {
        Some((_, (_, all))) => Ok(format!("{}: a kernel compiled and gave the CPU's {all} results", compute.device())),
        None => Err("the device was not used".into()),
    }
}

/// Whether the GPU of the settings can train networks; none if no networks are trained, or not on a GPU.
fn networks(settings: &Settings, choice: DeviceChoice) -> Option<Check> {
    let is_used = choice.is_cuda() && Family::of(settings.models.kind).contains(&Family::Neural);
    is_used.then(|| networks_on_a_gpu("networks"))
}

#[cfg(feature = "burn")]
fn networks_on_a_gpu(name: &str) -> Check {
    match crate::neural::cuda_headers() {
        Ok(folder) => Check::new(
            name,
            Status::Healthy,
            format!("on the GPU, by Burn with CUDA's headers in {}", folder.display()),
        ),
        Err(missing) => Check::new(name, Status::Degraded, "trained on the CPU").with_remedy(missing),
    }
}

#[cfg(not(feature = "burn"))]
fn networks_on_a_gpu(name: &str) -> Check {
    Check::new(name, Status::Degraded, "trained on the CPU").with_remedy("build with --features burn")
}

/// Sends a test message to the configured chat.
async fn telegram(settings: &Settings) -> Check {
    let remedy = "check HURACAN_TELEGRAM_TOKEN and the network; check notify.telegram.chat_id, and that the bot may write \
                  to this chat (send it /start, or add it to the group)";
    let chat = settings.notify.telegram.chat_id.trim();
    match Access::from_environment() {
        None => Check::new("telegram", Status::Off, "HURACAN_TELEGRAM_TOKEN is not set"),
        Some(_) if chat.is_empty() => Check::new("telegram", Status::Off, "notify.telegram.chat_id is empty"),
        Some(access) => health::timed("telegram", LIMIT, remedy, async { access.check(chat).await }).await,
    }
}
