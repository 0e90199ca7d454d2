//! `huracan bench`: all rows, equal bits first, exit codes.

use crate::cli::huracan;
use serde_json::Value;

const STAGES: [&str; 12] = [
    "copy",
    "features",
    "view",
    "labels",
    "bins",
    "boost",
    "large",
    "predict",
    "votes",
    "consensus",
    "shadow",
    "train",
];

/// What must hold of every table: all rows, each compared before it was timed, figures that fit each other.
#[track_caller]
fn hold(report: &Value, device: &str, other: &str) {
    assert_eq!((&report["simulated"], &report["device"]), (&Value::Bool(true), &Value::from(device)));
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.iter().map(|row| row["stage"].as_str().unwrap()).collect::<Vec<_>>(), STAGES);
    let copy = report["copy_bytes_per_s"].as_f64().unwrap();
    for row in rows {
        let number = |key: &str| row[key].as_f64().unwrap_or_else(|| panic!("{key} of {row}"));
        assert!(row["equal"].as_str().unwrap().ends_with(&format!(": the bits of {other}")), "{row}");
        assert_eq!(row["device"], device);
        let (best, median) = (number("best_s"), number("median_s"));
        assert!(best > 0.0 && best <= median, "{row}");
        assert!((number("items_per_s") * best / number("items") - 1.0).abs() < 1e-9, "{row}");
        // On the CPU a call has no kernels; elsewhere they are part of it.
        let alone = row["kernels_best_s"].as_f64();
        let left_to_the_cpu = row["computed"].as_str().unwrap().contains("BY THE CPU");
        assert_eq!(alone.is_some(), device != "cpu" && !left_to_the_cpu, "{row}");
        // Where a row has more than one round, kernels are timed in other rounds than whole calls.
        assert!(alone.is_none_or(|alone| alone <= median || row["warm"] == true), "{row}");
        if let Some(bytes) = row["bytes"].as_f64() {
            let rate = bytes / alone.unwrap_or(best);
            assert!((number("of_copy") * copy / rate - 1.0).abs() < 1e-9, "{row}");
        }
    }
    for stage in ["copy", "features", "view", "labels", "bins"] {
        assert!(rows.iter().any(|row| row["stage"] == stage && row["bytes"].is_u64()), "{stage}");
    }
    let computed: Vec<_> = rows.iter().map(|row| row["computed"].as_str().unwrap()).collect();
    assert!(computed[1].contains(" of 500 symbols") && computed[5].contains(" of 4,096 jobs"), "{computed:?}");
    assert!(computed[10].contains(" of 500 symbols"), "{computed:?}");
}

#[test]
fn the_cpu_has_every_row() {
    let folder = tempfile::tempdir().unwrap();
    let ran = huracan(folder.path(), "bench --quick --device cpu --json --out shown");
    ran.expect(0, &["copy", "features", "train"]);
    let report = ran.json();
    hold(&report, "cpu", "one thread");
    assert_eq!(report["kernels"], Value::Array(Vec::new()));
    let written: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("shown/bench.json")).unwrap()).unwrap();
    assert_eq!(written["rows"], report["rows"]);
    let markdown = std::fs::read_to_string(folder.path().join("shown/bench.md")).unwrap();
    assert!(markdown.starts_with("SIMULATED MARKET"));
    assert!(markdown.contains("QUICK sizes"));
    for stage in STAGES {
        assert!(markdown.contains(&format!("\n| {stage} | ")), "{markdown}");
    }
}

#[cfg(feature = "emulated")]
#[test]
fn the_emulated_device_has_every_row_and_the_cpu_s_bits() {
    let folder = tempfile::tempdir().unwrap();
    let ran = huracan(folder.path(), "bench --quick --device emulated --json");
    ran.expect(0, &["train"]);
    let report = ran.json();
    hold(&report, "emulated", "the CPU");
    let kernels: Vec<_> =
        report["kernels"].as_array().unwrap().iter().map(|one| one["kernel"].as_str().unwrap()).collect();
    for kernel in ["copy", "features_rows", "labels_unit_trades", "bins_columns", "boost_small", "predict_raw"] {
        assert!(kernels.contains(&kernel), "{kernel}: {kernels:?}");
    }
}

#[test]
fn the_table_says_what_it_is_and_only_the_rows_asked_for_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    let ran = huracan(folder.path(), "bench --quick --device cpu --only labels --symbols 2");
    ran.expect(0, &[]);
    assert!(ran.out.starts_with("SIMULATED MARKET"), "{}", ran.out);
    assert!(ran.out.contains("labels") && !ran.out.contains("models/s"), "{}", ran.out);
}

#[test]
fn sizes_that_do_not_fit_are_bad_usage() {
    let folder = tempfile::tempdir().unwrap();
    huracan(folder.path(), "bench --quick --device cpu --days 60").expect(2, &["--days", "2880 rows"]);
    huracan(folder.path(), "bench --quick --device cpu --large-rows 9999999").expect(2, &["--large-rows"]);
    huracan(folder.path(), "bench --quick --device cpu --seconds=-1").expect(2, &["--seconds"]);
    huracan(folder.path(), "bench --quick --device cpu --days 140 --only train").expect(2, &["fold"]);
    huracan(folder.path(), "bench --quick --only nonsense").expect(2, &["nonsense"]);
}

#[test]
fn a_device_that_is_not_there_is_not_replaced_by_the_cpu() {
    let folder = tempfile::tempdir().unwrap();
    let line = "bench --quick --device cuda:9 --set engine.fallback=true";
    huracan(folder.path(), line).expect(2, &["cuda:9 cannot be used"]);
}
