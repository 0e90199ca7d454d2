//! The host's side of CUDA without a GPU: the program as a user starts it, on NVIDIA's driver as `kernels/emulated/driver`
//! plays it, with cubins by the real NVRTC. Kernels run as C++ there, streams run apart, and memory and faults are as told.
#![cfg(all(feature = "emulated", target_os = "linux", target_arch = "x86_64"))]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Folders of the driver and of NVRTC, or none where they cannot be had and that is no fault.
fn libraries() -> Option<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/simulated-gpu");
    let output = Command::new(script).output().unwrap();
    if output.status.success() {
        return Some(String::from_utf8(output.stdout).unwrap().trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    crate::skip::skip(&format!("the simulated GPU cannot be built: {said}"));
    None
}

/// A day on a small simulated market.
fn day(libraries: &str, workdir: &Path, more: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huracan"));
    command.current_dir(workdir).env_remove("HURACAN__BRAIN__URL").env("LD_LIBRARY_PATH", libraries);
    command.envs(environment.iter().copied());
    command.args(["run", "--json", "--date", "2024-08-01", "--workdir"]).arg(workdir);
    for setting in [
        "market.simulated.symbols=14",
        "market.simulated.edge=5.0",
        "market.lookback_days=160",
        "universe.top_n=4",
        "folds.train_days=60",
        "folds.test_days=30",
        "folds.step_days=30",
        "models.rounds=4",
        "sync.retries=1",
    ] {
        command.args(["--set", setting]);
    }
    command.args(more).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn answer(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

/// The same day's answer on the CPU, from a folder of its own.
fn on_the_cpu(libraries: &str, more: &[&str]) -> Value {
    let workdir = tempfile::tempdir().unwrap();
    let output = day(libraries, workdir.path(), &[&["--device", "cpu"], more].concat(), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    answer(&output)
}

#[track_caller]
fn same(found: &Value, want: &Value) {
    for key in ["models_digest", "trades", "symbols", "models"] {
        assert_eq!(found[key], want[key], "{key}");
    }
}

#[test]
fn a_day_ends_with_the_cpus_digests_also_on_little_memory_and_its_faults_are_told() {
    let Some(libraries) = libraries() else { return };
    let want = on_the_cpu(&libraries, &[]);
    let on_the_gpu = |environment: &[(&str, &str)], more: &[&str]| {
        let workdir = tempfile::tempdir().unwrap();
        let output = day(&libraries, workdir.path(), &[&["--device", "cuda:0"], more].concat(), environment);
        (workdir, output)
    };
    let (workdir, output) = on_the_gpu(&[], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    same(&answer(&output), &want);
    assert!(said(&output).contains("cuda:0"), "{}", said(&output));
    drop(workdir);

    // Batches are split to fit.
    let (_workdir, output) = on_the_gpu(&[("HURACAN_SIMULATED_GPU_BYTES", "14000000")], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    same(&answer(&output), &want);

    // Memory that is refused although there is some: the stage is done again in smaller parts.
    let (_workdir, output) =
        on_the_gpu(&[("HURACAN_SIMULATED_GPU_REFUSES", "60:3")], &["--set", "engine.fallback=false"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("tried again with 1/2"), "{}", said(&output));
    same(&answer(&output), &want);

    // A GPU that drives a display gets more and smaller launches.
    let counts = tempfile::NamedTempFile::new().unwrap();
    let counted = ("HURACAN_SIMULATED_GPU_COUNTS", counts.path().to_str().unwrap());
    let launches = |environment: &[(&str, &str)]| {
        let (_workdir, output) = on_the_gpu(&[environment, &[counted]].concat(), &[]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        same(&answer(&output), &want);
        let counts: Value = serde_json::from_slice(&std::fs::read(counts.path()).unwrap()).unwrap();
        counts["launches"].as_u64().unwrap()
    };
    let usual = launches(&[]);
    assert!(launches(&[("HURACAN_SIMULATED_GPU_DISPLAY", "1")]) > usual);

    // A fault in the middle of training ends the day with what was reached, and another start goes on from there.
    let fault = ("HURACAN_SIMULATED_GPU_FAULT", "16:700");
    let (workdir, output) = on_the_gpu(&[fault], &["--set", "engine.fallback=false"]);
    let text = said(&output);
    assert!(output.status.code().is_some_and(|code| code != 0) && !text.contains("panicked"), "{text}");
    assert!(text.contains("cuda:0") && text.contains("the last launch was"), "{text}");
    let output = day(&libraries, workdir.path(), &["--device", "cuda:0", "--resume"], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    same(&answer(&output), &want);

    // Or the CPU goes on, and that is said.
    let (_workdir, output) = on_the_gpu(&[fault], &["--set", "engine.fallback=true"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    same(&answer(&output), &want);
    assert!(said(&output).contains("the CPU"), "{}", said(&output));
}

#[test]
fn any_number_of_gpus_gives_the_cpus_digests_also_with_unequal_memory_and_when_one_is_lost() {
    let Some(libraries) = libraries() else { return };
    let want = on_the_cpu(&libraries, &[]);
    let on_gpus = |device: &str, environment: &[(&str, &str)]| {
        let workdir = tempfile::tempdir().unwrap();
        let counts = workdir.path().join("counts.json");
        let counted = [environment, &[("HURACAN_SIMULATED_GPU_COUNTS", counts.to_str().unwrap())]].concat();
        let arguments = ["--device", device, "--set", "engine.fallback=false"];
        let output = day(&libraries, workdir.path(), &arguments, &counted);
        assert_eq!(output.status.code(), Some(0), "{device}, {environment:?}: {}", said(&output));
        let counts = std::fs::read_to_string(&counts).unwrap();
        let launches = |line: &str| serde_json::from_str::<Value>(line).unwrap()["launches"].as_u64().unwrap();
        let launches: Vec<u64> = counts.lines().map(launches).collect();
        (answer(&output), said(&output), launches)
    };
    for gpus in ["2", "8"] {
        let (answer, text, launches) = on_gpus("cuda", &[("HURACAN_SIMULATED_GPUS", gpus)]);
        same(&answer, &want);
        let names: Vec<String> = (0..gpus.parse::<usize>().unwrap()).map(|gpu| gpu.to_string()).collect();
        assert_eq!(answer["device"], format!("cuda:{}", names.join(",")), "{text}");
        assert!(launches.len() == names.len() && launches.iter().all(|&count| count > 5), "{launches:?}");
    }
    // Some of them, by their numbers: one that splits its batches, one that has too little memory for anything, one that has
    // enough.
    let unequal =
        [("HURACAN_SIMULATED_GPUS", "4"), ("HURACAN_SIMULATED_GPU_BYTES", "14000000,400000,4000000000,4000000000")];
    let (answer, _, launches) = on_gpus("cuda:2,0,1", &unequal);
    same(&answer, &want);
    assert_eq!(answer["device"], "cuda:0,1,2");
    assert!(
        launches[1] < launches[0].min(launches[2]) && launches.get(3).is_none_or(|&count| count == 0),
        "{launches:?}"
    );

    // One is lost in the middle; the others take over, although the CPU may not.
    let lost = [("HURACAN_SIMULATED_GPUS", "3"), ("HURACAN_SIMULATED_GPU_FAULT", "16:700:1")];
    let (answer, text, launches) = on_gpus("cuda", &lost);
    same(&answer, &want);
    assert!(text.contains("cuda:1 was lost; cuda:0,2 continues with the same bits"), "{text}");
    assert!(answer["device_lost"].as_str().is_some_and(|why| why.starts_with("cuda:1: ")), "{answer}");
    assert!(launches[1] < launches[0] && launches[1] < launches[2], "{launches:?}");
}

/// The driver counts what crosses, and compares every copy of 64 KiB and more with all earlier ones.
#[test]
fn what_is_on_the_device_does_not_go_there_again_and_nothing_comes_back_twice() {
    let Some(libraries) = libraries() else { return };
    let workdir = tempfile::tempdir().unwrap();
    let counts = workdir.path().join("counts.json");
    let output = day(
        &libraries,
        workdir.path(),
        &["--device", "cuda:0"],
        &[("HURACAN_SIMULATED_GPU_COUNTS", counts.to_str().unwrap())],
    );
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let counts: Value = serde_json::from_slice(&std::fs::read(&counts).unwrap()).unwrap();
    let number = |name: &str| counts[name].as_u64().unwrap_or_else(|| panic!("{name}: {counts}"));
    // The candles of the coins that are studied, at least.
    assert!(
        number("bytes_up") > 4 * 160 * 24 * 5 * 8 && number("bytes_down") > 0 && number("launches") > 0,
        "{counts}"
    );
    for never in ["repeated_up", "returned", "repeated_down"] {
        assert_eq!(number(never), 0, "{never}: {counts}");
    }
}

/// What is trained there means nothing, since CubeCL's kernels do nothing; that they compile, and that their launches, copies
/// and threads are let through, is what is seen.
#[cfg(feature = "burn")]
#[test]
fn burns_kernels_compile_with_the_images_headers_and_without_them_the_cores_train() {
    let Some(libraries) = libraries() else { return };
    let nvrtc = libraries.split_once(':').unwrap().1;
    let toolkit = Path::new(nvrtc).ancestors().nth(3).unwrap().join("toolkit");
    assert!(toolkit.join("include/mma.h").exists(), "{} lacks CUDA's headers", toolkit.display());
    let networks = ["--device", "cuda:0", "--set", "models.kind=neural", "--set", "models.neural.epochs=2"];
    let (workdir, toolkit) = (tempfile::tempdir().unwrap(), toolkit.to_string_lossy());
    let output = day(&libraries, workdir.path(), &networks, &[("CUDA_PATH", &toolkit)]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let foreign = text.lines().filter(|line| line.ends_with("is not from this project and does nothing")).count();
    assert!(foreign >= 5, "{text}");
    assert!(!text.contains("Burn failed") && !text.contains("the CPU cores"), "{text}");
    println!("{foreign} kernels of CubeCL's were compiled and loaded");

    // They are kept for the next run.
    let kernels = std::fs::read_dir(workdir.path().join("data/kernels")).unwrap().flatten();
    let is_theirs = |path: &std::path::PathBuf| path.to_string_lossy().contains("foreign-sm_90-nvrtc-12.");
    let theirs: Vec<_> = kernels.map(|entry| entry.path()).filter(is_theirs).collect();
    assert_eq!(theirs.len(), 1, "{theirs:?}");
    assert!(crate::folder::files(&theirs[0]).iter().any(|file| file.metadata().unwrap().len() > 10_000));

    let (bare, workdir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let nothing = bare.path().to_string_lossy();
    let output = day(&libraries, workdir.path(), &networks, &[("CUDA_PATH", &nothing)]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("on the CPU cores") && !text.contains("is not from this project"), "{text}");
}

#[test]
fn doctor_knows_the_device_and_a_machine_without_one_says_so() {
    let Some(libraries) = libraries() else { return };
    let workdir = tempfile::tempdir().unwrap();
    let doctor = |gpus: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_huracan"));
        command.current_dir(workdir.path()).env("LD_LIBRARY_PATH", &libraries).env("HURACAN_SIMULATED_GPUS", gpus);
        command
            .args("doctor --json --set market.exchange.kind=simulated --set engine.device=cuda:0 --workdir".split(' '));
        let output = command.arg(workdir.path()).output().unwrap();
        let answer = answer(&output);
        let check = |name: &str| {
            let named = |check: &&Value| check["component"] == name;
            let found = answer["checks"].as_array().unwrap().iter().find(named).unwrap_or_else(|| panic!("{answer}"));
            found.to_string()
        };
        [check("gpu"), check("device")]
    };
    let [gpu, device] = doctor("1");
    assert!(gpu.contains("simulated GPU (9.0, 4 GiB)") && gpu.contains("driver of CUDA 12.9, NVRTC 12."), "{gpu}");
    assert!(device.contains("a kernel compiled and gave the CPU's 6000 results"), "{device}");
    let [gpu, device] = doctor("0");
    assert!(gpu.contains("the driver finds no GPU"), "{gpu}");
    assert!(device.contains("failed") && device.contains("this machine has 0 GPUs"), "{device}");
}
