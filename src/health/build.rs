//! The Cargo features of this build.

use super::{Check, Status};
use crate::Instructions;
use crate::engine::Device;
use crate::settings::Settings;
use crate::trainer::Family;

/// Name, use, and whether this build has it.
const FEATURES: [(&str, &str, bool); 4] = [
    ("burn", "networks on a GPU", cfg!(feature = "burn")),
    ("ccxt", "live exchanges", cfg!(feature = "ccxt")),
    ("emulated", "the emulated device", cfg!(feature = "emulated")),
    ("s3", "remotes on S3", cfg!(feature = "s3")),
];

/// Which features this build has, and which it lacks. Always healthy: a feature is needed only where something uses it.
pub fn features() -> Check {
    let with = |is_on: bool| -> Vec<String> {
        let chosen = FEATURES.iter().filter(|feature| feature.2 == is_on);
        chosen.map(|(name, purpose, _)| format!("{name} ({purpose})")).collect()
    };
    let (on, off) = (with(true), with(false));
    let list = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let mut message = list(&on);
    if !off.is_empty() {
        message.push_str(&format!("; not in this build: {}", list(&off)));
    }
    message.push_str(&format!("; computes with {} instructions", Instructions::used().name()));
    Check::new("features", Status::Healthy, message)
}

/// A warning if the settings demand networks on a GPU and this build can only train them on the CPU.
pub fn missing_burn(settings: &Settings, device: Device) -> Option<&'static str> {
    let is_needed = device.is_cuda() && Family::of(settings.models.kind).contains(&Family::Neural);
    (is_needed && !cfg!(feature = "burn"))
        .then_some("this build lacks the feature burn: networks are trained on the CPU; build with --features burn")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trainer::ModelKind;

    #[test]
    fn every_feature_is_listed_as_built_in_or_missing() {
        let check = features();
        assert_eq!(check.status, Status::Healthy);
        let (on, off) = check.message.split_once("; not in this build: ").unwrap_or((&check.message, ""));
        for (name, _, is_on) in FEATURES {
            assert_eq!((on.contains(name), off.contains(name)), (is_on, !is_on), "{}", check.message);
        }
    }

    #[test]
    fn only_networks_on_a_gpu_need_burn() {
        let mut settings = Settings::defaults();
        assert_eq!(missing_burn(&settings, Device::cuda(0)), None);
        settings.models.kind = ModelKind::Ensemble;
        assert_eq!(missing_burn(&settings, Device::Cpu), None);
        assert_eq!(missing_burn(&settings, Device::cuda(0)).is_some(), !cfg!(feature = "burn"));
    }
}
