//! This machine: disk, memory, GPU.

use std::path::Path;

use sysinfo::{Disks, MemoryRefreshKind, RefreshKind, System};

use super::{Check, Status};
use crate::engine;

const GIB: f64 = (1u64 << 30) as f64;

/// Below this a day's files may not fit; below a quarter of it, they will not.
const DISK_WANTED: f64 = 4.0;
/// What 40 symbols at 1h take at most.
const MEMORY_WANTED: f64 = 4.0;

/// Free space on the disk of `workdir`.
pub fn disk(workdir: &Path) -> Check {
    let remedy = format!("free some space, or choose a --workdir with {DISK_WANTED} GiB");
    let unknown = |why: String| Check::new("disk", Status::Degraded, why).with_remedy("choose another --workdir");
    let path = match workdir.canonicalize() {
        Ok(path) => path,
        Err(error) => return unknown(format!("{}: {error}", workdir.display())),
    };
    let disks = Disks::new_with_refreshed_list();
    let holding = disks.iter().filter(|disk| path.starts_with(disk.mount_point()));
    match holding.max_by_key(|disk| disk.mount_point().as_os_str().len()) {
        Some(disk) if disk.is_read_only() => {
            Check::new("disk", Status::Failed, format!("{} is read-only", disk.mount_point().display()))
                .with_remedy("choose a --workdir on a writable disk")
        }
        Some(disk) => judged("disk", disk.available_space() as f64 / GIB, DISK_WANTED, &remedy),
        None => unknown(format!("no disk is known to hold {}", path.display())),
    }
}

/// Memory that is free, within the container's limit where there is one.
pub fn memory() -> Check {
    let remedy = "stop other programs, or study fewer symbols (universe.top_n)";
    judged("memory", free_memory() as f64 / GIB, MEMORY_WANTED, remedy)
}

/// Bytes of [`memory`].
pub fn free_memory() -> u64 {
    let system = System::new_with_specifics(RefreshKind::nothing().with_memory(MemoryRefreshKind::everything()));
    let free = system.available_memory();
    system.cgroup_limits().map_or(free, |limits| free.min(limits.free_memory))
}

fn judged(component: &str, free_gib: f64, wanted_gib: f64, remedy: &str) -> Check {
    let status = match free_gib {
        free if free < wanted_gib / 4.0 => Status::Failed,
        free if free < wanted_gib => Status::Degraded,
        _ => Status::Healthy,
    };
    let check = Check::new(component, status, format!("{free_gib:.1} GiB free"));
    if status == Status::Healthy { check } else { check.with_remedy(remedy) }
}

/// The GPUs that the driver knows; their lack is no fault unless `wanted`.
pub fn gpu(wanted: bool) -> Check {
    let begun = std::time::Instant::now();
    let check = match engine::gpus() {
        Ok(found) if !found.is_empty() => {
            let told: Vec<_> = found
                .iter()
                .map(|gpu| {
                    let (major, minor) = gpu.capability;
                    format!("{}: {} ({major}.{minor}, {:.0} GiB)", gpu.index, gpu.name, gpu.memory_bytes as f64 / GIB)
                })
                .collect();
            Check::new("gpu", Status::Healthy, told.join("; "))
        }
        found => {
            let why = found.err().unwrap_or_else(|| "the driver knows no GPU".into());
            if wanted {
                Check::new("gpu", Status::Failed, why).with_remedy("install the NVIDIA driver, or use --device cpu")
            } else {
                Check::new("gpu", Status::Off, why)
            }
        }
    };
    check.with_latency(begun.elapsed())
}

/// Most memory that this process has held at once, in bytes; none where the system does not say.
pub fn peak_rss_bytes() -> Option<u64> {
    of_this_process("VmHWM:")
}

/// Memory that this process holds, in bytes; none where the system does not say.
pub fn rss_bytes() -> Option<u64> {
    of_this_process("VmRSS:")
}

fn of_this_process(key: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scarce_space_degrades_and_none_fails_with_a_remedy() {
        assert_eq!(judged("disk", 10.0, 4.0, "r").status, Status::Healthy);
        assert_eq!(judged("disk", 3.9, 4.0, "r").status, Status::Degraded);
        let failed = judged("disk", 0.9, 4.0, "r");
        assert_eq!((failed.status, failed.remedy.as_deref()), (Status::Failed, Some("r")));
    }

    #[test]
    fn this_machine_is_measured() {
        let folder = tempfile::tempdir().unwrap();
        assert!(disk(folder.path()).message.ends_with("GiB free"));
        assert_eq!(disk(Path::new("/no/such/folder")).status, Status::Degraded);
        assert!(memory().message.ends_with("GiB free"));
        assert_ne!(gpu(true).status, Status::Off);
        assert_ne!(gpu(false).status, Status::Failed);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_peak_of_memory_grows_with_what_is_held() {
        let before = peak_rss_bytes().unwrap();
        let held = vec![1u8; 256 << 20];
        assert!(std::hint::black_box(&held).iter().step_by(4096).map(|b| u64::from(*b)).sum::<u64>() > 0);
        let after = peak_rss_bytes().unwrap();
        assert!(after >= before && after >= 256 << 20, "{before} {after}");
    }
}
