//! The container, as far as it can be tried without a container engine: what its files say of each other, and its entry
//! point as a user without rights, in an empty folder and an empty environment.

use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// How long a program that was just copied may still be open for writing.
const BUSY: Duration = Duration::from_secs(10);
/// Nobody's account on Linux.
const NOBODY: u32 = 65534;

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(name)).unwrap()
}

#[test]
fn the_image_has_the_nvrtc_that_kernels_are_tested_with_and_that_the_program_looks_for() {
    let dockerfile = read("Dockerfile.cuda");
    let after = |text: &str, start: &str| {
        let rest = text.split_once(start).unwrap_or_else(|| panic!("no '{start}'")).1;
        rest.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap().to_owned()
    };
    let tested = after(&read("tests/python/nvrtc.txt"), "nvidia-cuda-nvrtc-cu12==");
    let (major, minor) = tested.split_once('.').map(|(major, rest)| (major, rest.split('.').next().unwrap())).unwrap();
    assert_eq!(after(&dockerfile, &format!("cuda-nvrtc-{major}-{minor}=")), tested);
    assert!(after(&dockerfile, "FROM nvidia/cuda:").starts_with(&format!("{major}.{minor}.")));
    // cudarc looks for libnvrtc.so.{major of its feature}.
    assert!(read("Cargo.toml").contains(&format!("\"cuda-{major}0")), "cudarc's feature is of another CUDA");
    assert!(dockerfile.contains(&format!("libnvrtc.so.{major}")));
    for folder in ["test -e /usr/local/cuda-", "LD_LIBRARY_PATH=/usr/local/cuda-"] {
        assert_eq!(after(&dockerfile, folder), format!("{major}.{minor}"));
    }
    let rust = after(&read("Cargo.toml"), "rust-version = \"");
    assert!(after(&dockerfile, "FROM rust:").starts_with(&rust), "the build stage has another Rust");
}

/// A folder like the image's: the program, the entry point, the settings layer, and an empty folder to work in.
struct Image {
    folder: tempfile::TempDir,
    user: Option<u32>,
}

impl Image {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let user = (std::fs::metadata("/proc/self").unwrap().uid() == 0).then_some(NOBODY);
        let put = |name: &str, from: &Path, mode: u32| {
            let to = folder.path().join(name);
            std::fs::copy(from, &to).unwrap();
            std::fs::set_permissions(to, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        put("huracan", Path::new(env!("CARGO_BIN_EXE_huracan")), 0o755);
        put("entrypoint", &Path::new(ROOT).join("scripts/entrypoint"), 0o755);
        put("runpod.yaml", &Path::new(ROOT).join("config/runpod.yaml"), 0o644);
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let image = Self { folder, user };
        std::fs::create_dir(image.workdir()).unwrap();
        std::os::unix::fs::chown(image.workdir(), user, user).unwrap();
        image
    }

    fn workdir(&self) -> PathBuf {
        self.folder.path().join("workspace")
    }

    /// The entry point on a small simulated market and the CPU.
    fn start(&self, arguments: &[&str], more: &[(&str, &str)]) -> Child {
        let mut command = Command::new(self.folder.path().join("entrypoint"));
        command.current_dir(self.workdir()).env_clear().env("PATH", "/usr/bin:/bin");
        command.env("HURACAN_BIN", self.folder.path().join("huracan"));
        command.env("HURACAN_CONFIG", self.folder.path().join("runpod.yaml"));
        command.env("HURACAN_WORKDIR", self.workdir());
        for (key, value) in [
            ("MARKET__EXCHANGE__KIND", "simulated"),
            ("MARKET__SIMULATED__SYMBOLS", "40"),
            ("MARKET__LOOKBACK_DAYS", "160"),
            ("UNIVERSE__TOP_N", "16"),
            ("FOLDS__TRAIN_DAYS", "60"),
            ("MODELS__EARLY_STOPPING", "0"),
            ("SYNC__RETRIES", "0"),
            ("ENGINE__DEVICE", "cpu"),
        ] {
            command.env(format!("HURACAN__{key}"), value);
        }
        command.envs(more.iter().copied()).args(arguments);
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let begun = Instant::now();
        loop {
            match command.spawn() {
                // Another test's child, which is about to begin, still has the copied file open.
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy && begun.elapsed() < BUSY => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                started => break started.unwrap(),
            }
        }
    }

    fn ends(&self, arguments: &[&str], more: &[(&str, &str)]) -> Output {
        self.start(arguments, more).wait_with_output().unwrap()
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_entry_point_asks_doctor_runs_as_anybody_and_hands_a_signal_on() {
    let image = Image::new();
    let mut child = image.start(&["run", "--date", "2024-08-01"], &[]);
    let checkpoints = image.workdir().join("data/checkpoints");
    let begun = Instant::now();
    while !checkpoints.exists() {
        assert!(child.try_wait().unwrap().is_none(), "ended early: {}", said(&child.wait_with_output().unwrap()));
        assert!(begun.elapsed() < Duration::from_secs(120), "no checkpoint");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let begun = Instant::now();
    let output = child.wait_with_output().unwrap();
    println!("gone {} ms after SIGTERM to the entry point", begun.elapsed().as_millis());
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    assert!(begun.elapsed() < Duration::from_secs(20));
    let text = said(&output);
    assert!(text.contains("kill switch") && text.find("kill switch") < text.find("universe"), "doctor first: {text}");
    let brain = std::fs::metadata(image.workdir().join("data/brain.db")).unwrap();
    assert_eq!(brain.mode() & 0o077, 0);
    assert_eq!(Some(brain.uid()), image.user.or(Some(brain.uid())));

    // What the health check asks.
    let status = image.ends(&["status", "--json"], &[]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap_or_else(|e| panic!("{e}: {}", said(&status)));
    assert_eq!(status["run"]["status"], "interrupted");

    // A new start goes on by itself.
    let output = image.ends(&["run", "--date", "2024-08-01"], &[("HURACAN_DOCTOR", "off")]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("resuming the run of"), "{}", said(&output));
}

#[test]
fn the_entry_point_starts_nothing_when_doctor_finds_a_fault_or_the_folder_cannot_be_written() {
    let image = Image::new();
    // Nobody listens there.
    let nobody = ("HURACAN__BRAIN__URL", "postgres://huracan@127.0.0.1:1/x");
    let output = image.ends(&["run"], &[nobody]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("not started: doctor exited with 1"), "{}", said(&output));
    assert!(said(&output).matches("retrying in").count() == 2, "a network that comes up late is waited for");
    assert!(!image.workdir().join("logs").exists(), "a run had begun");
    let output = image.ends(&["run"], &[("HURACAN__UNIVERSE__TOP_N", "many")]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(!said(&output).contains("retrying in"), "bad settings stay bad");
    if image.user.is_some() {
        let output = image.ends(&["schedule"], &[("HURACAN_WORKDIR", "/proc/1")]);
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains("cannot be written by user 65534"), "{}", said(&output));
    }
}
