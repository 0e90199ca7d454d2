//! Checks of this machine: disk, memory, GPU.

use std::path::Path;

use sysinfo::{Disk, Disks, MemoryRefreshKind, RefreshKind, System};

use super::{Check, Status};
use crate::engine;

const GIB: f64 = (1u64 << 30) as f64;

/// GiB below which a day's files may not fit. Below a quarter of it they will not.
const DISK_NEEDED: f64 = 4.0;
/// GiB that 40 symbols at 1h take at most.
const MEMORY_NEEDED: f64 = 4.0;

/// Checks the free space on the disk of `workdir`.
pub fn disk(workdir: &Path) -> Check {
    let remedy = format!("free some space, or choose a --workdir with {DISK_NEEDED} GiB");
    let unknown = |why: String| Check::new("disk", Status::Degraded, why).with_remedy("choose another --workdir");
    let path = match workdir.canonicalize() {
        Ok(path) => path,
        Err(error) => return unknown(format!("{}: {error}", workdir.display())),
    };
    let disks = Disks::new_with_refreshed_list();
    match holding(&disks, &path) {
        Some(disk) if disk.is_read_only() => {
            Check::new("disk", Status::Failed, format!("{} is read-only", disk.mount_point().display()))
                .with_remedy("choose a --workdir on a writable disk")
        }
        Some(disk) => space_check("disk", disk.available_space() as f64 / GIB, DISK_NEEDED, &remedy),
        None => unknown(format!("cannot find the disk that holds {}", path.display())),
    }
}

/// Free bytes on the disk that holds a folder; none if it is not known.
pub fn free_space(folder: &Path) -> Option<u64> {
    let disks = Disks::new_with_refreshed_list();
    Some(holding(&disks, &folder.canonicalize().ok()?)?.available_space())
}

/// The disk that holds an absolute path.
fn holding<'a>(disks: &'a Disks, path: &Path) -> Option<&'a Disk> {
    let holding = disks.iter().filter(|disk| path.starts_with(disk.mount_point()));
    holding.max_by_key(|disk| disk.mount_point().as_os_str().len())
}

/// Checks the free memory.
pub fn memory() -> Check {
    let remedy = "stop other programs, or study fewer symbols (universe.top_n)";
    space_check("memory", free_memory() as f64 / GIB, MEMORY_NEEDED, remedy)
}

/// Free memory in bytes, within the container's limit if there is one.
pub fn free_memory() -> u64 {
    let system = System::new_with_specifics(RefreshKind::nothing().with_memory(MemoryRefreshKind::everything()));
    let free = system.available_memory();
    system.cgroup_limits().map_or(free, |limits| free.min(limits.free_memory))
}

fn space_check(component: &str, free_gib: f64, needed_gib: f64, remedy: &str) -> Check {
    let status = match free_gib {
        free if free < needed_gib / 4.0 => Status::Failed,
        free if free < needed_gib => Status::Degraded,
        _ => Status::Healthy,
    };
    let check = Check::new(component, status, format!("{free_gib:.1} GiB free"));
    if status == Status::Healthy { check } else { check.with_remedy(remedy) }
}

/// Lists the GPUs of the NVIDIA driver. Without any, the check fails only if one is `needed`.
pub fn gpu(needed: bool) -> Check {
    let begun = std::time::Instant::now();
    let check = match engine::gpus() {
        Ok(found) if !found.is_empty() => {
            let gpus: Vec<_> = found
                .iter()
                .map(|gpu| {
                    let (major, minor) = gpu.capability;
                    format!("{}: {} ({major}.{minor}, {:.0} GiB)", gpu.index, gpu.name, gpu.memory_bytes as f64 / GIB)
                })
                .collect();
            let version = |(major, minor): (i32, i32)| format!("{major}.{minor}");
            let driver =
                engine::driver_version().map_or_else(|why| why, |found| format!("driver of CUDA {}", version(found)));
            let nvrtc = engine::nvrtc_version().map(|found| format!("NVRTC {}", version(found)));
            let check =
                |status, nvrtc: &str| Check::new("gpu", status, format!("{}; {driver}, {nvrtc}", gpus.join("; ")));
            match nvrtc {
                Ok(nvrtc) => check(Status::Healthy, &nvrtc),
                Err(why) => check(if needed { Status::Failed } else { Status::Degraded }, "no NVRTC").with_remedy(why),
            }
        }
        found => {
            let why = found.err().unwrap_or_else(|| "the driver finds no GPU".into());
            if needed {
                Check::new("gpu", Status::Failed, why).with_remedy("install the NVIDIA driver, or use --device cpu")
            } else {
                Check::new("gpu", Status::Off, why)
            }
        }
    };
    check.with_latency(begun.elapsed())
}

/// Peak resident memory of this process in bytes; none on systems without `/proc`.
pub fn peak_rss_bytes() -> Option<u64> {
    status_bytes("VmHWM:")
}

/// Resident memory of this process in bytes; none on systems without `/proc`.
pub fn rss_bytes() -> Option<u64> {
    status_bytes("VmRSS:")
}

fn status_bytes(key: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_space_is_degraded_and_almost_none_is_failed() {
        assert_eq!(space_check("disk", 10.0, 4.0, "r").status, Status::Healthy);
        assert_eq!(space_check("disk", 3.9, 4.0, "r").status, Status::Degraded);
        let failed = space_check("disk", 0.9, 4.0, "r");
        assert_eq!((failed.status, failed.remedy.as_deref()), (Status::Failed, Some("r")));
    }

    #[test]
    fn the_checks_of_this_machine_find_values() {
        let folder = tempfile::tempdir().unwrap();
        assert!(disk(folder.path()).message.ends_with("GiB free"));
        assert_eq!(disk(Path::new("/no/such/folder")).status, Status::Degraded);
        assert!(memory().message.ends_with("GiB free"));
        assert_ne!(gpu(true).status, Status::Off);
        assert_ne!(gpu(false).status, Status::Failed);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_peak_memory_grows_with_an_allocation() {
        let before = peak_rss_bytes().unwrap();
        let allocated = vec![1u8; 256 << 20];
        assert!(std::hint::black_box(&allocated).iter().step_by(4096).map(|b| u64::from(*b)).sum::<u64>() > 0);
        let after = peak_rss_bytes().unwrap();
        assert!(after >= before && after >= 256 << 20, "{before} {after}");
    }
}
