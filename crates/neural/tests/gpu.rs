//! Training on the first GPU, if there is one.
#![cfg(feature = "burn")]

use huracan_base::Table;
use huracan_base::arith::{draw, uniform};
use huracan_neural::{Backend, Head, NeuralJob, NeuralParams, Shape, train};

const FEATURES: usize = 6;
const HEADS: [Head; 3] = [Head::Binary, Head::Binary, Head::Value];

/// Uniform in [-1, 1), of a seed and place.
fn noise(seed: u64, place: usize) -> f32 {
    (2.0 * uniform(draw(seed, 77, place as u64)) - 1.0) as f32
}

/// Jobs of 180 to 500 training rows, whose labels depend on a feature of the row and on one of the bar before.
fn jobs(values: &[f32], window: usize) -> Vec<NeuralJob> {
    let labels = |rows: std::ops::Range<u32>| -> Vec<f32> {
        let value = |row: u32, feature: usize| values[row as usize * FEATURES + feature];
        let signal = |row: u32| value(row, 0) + 0.5 * value(row.max(1) - 1, 1);
        let heads = |x: f32| [f32::from(u8::from(x > 0.0)), f32::from(u8::from(x < -0.3)), 20.0 * x + 5.0];
        rows.map(signal).flat_map(heads).collect()
    };
    let one = |number: u32| {
        let (train, rows) = (500 - 80 * number, 600 - 70 * number);
        NeuralJob {
            name: format!("job {number}"),
            rows: 0..rows,
            train: (0..train).collect(),
            train_labels: labels(0..train),
            valid: (train..rows).collect(),
            valid_labels: labels(train..rows),
            heads: HEADS.to_vec(),
            params: NeuralParams {
                shape: Shape { window, width: 16, blocks: 1 },
                epochs: 14 - number,
                batch: 32,
                learning_rate: 3e-3,
                dropout: 0.2,
                label_smoothing: 0.02 * f64::from(number),
                patience: 3,
                seed: u64::from(number),
                ..NeuralParams::default()
            },
        }
    };
    (0..5).map(one).collect()
}

#[test]
fn a_gpu_agrees_with_the_cores_and_a_missing_gpu_is_an_error() {
    // Some values are missing, but none of those that labels depend on.
    let value = |at: usize| if at % FEATURES > 1 && at % 50 == 49 { f32::NAN } else { noise(1, at) };
    let values: Vec<f32> = (0..600 * FEATURES).map(value).collect();
    let table = Table { values: &values, features: FEATURES };
    let names: Vec<String> = (0..FEATURES).map(|feature| format!("f{feature}")).collect();
    for window in [1, 4] {
        let jobs = jobs(&values, window);
        let backend = Backend::Cuda { index: 0, free_bytes: 1 << 30 };
        let outcomes = train(&backend, table, &names, &jobs, &());
        let wanted = train(&Backend::Cores, table, &names, &jobs, &());
        for ((outcome, want), job) in outcomes.iter().zip(wanted).zip(&jobs) {
            match outcome {
                Ok(found) => {
                    // Its products are rounded to TF32.
                    let (a, b) = (found.best_epoch().unwrap().loss(), want.unwrap().best_epoch().unwrap().loss());
                    println!("window {window}, {}: loss {a:.5} on the GPU, {b:.5} on the cores", job.name);
                    assert!((a - b).abs() < 0.03, "{}: {a}, {b}", job.name);
                }
                Err(error) => {
                    let message = error.to_string();
                    assert!(message.starts_with(&format!("{}: Burn failed on ", job.name)), "{message}");
                    assert!(message.ends_with("or use --device cpu"), "{message}");
                    assert!(!message.contains("RecvError"), "the message of the device's thread is lost: {message}");
                    assert!(!std::path::Path::new("/dev/nvidia0").exists(), "there is a GPU: {message}");
                }
            }
        }
    }
}
