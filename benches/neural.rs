//! Networks compared with JAX (benches/peers/neural runs both):
//!
//! `neural prepare FOLDER [JOBS]` writes a synthetic problem of 160 jobs with 2,880 rows × 74 features: `problem.json`,
//! `inputs.f32` `[jobs × rows × features]`, `labels.f32` `[jobs × rows × 3]`, `initial.f32` `[jobs × parameters]`.
//!
//! `neural train FOLDER [--backend cores|flex|cuda]` trains it and prints job-epochs per second. This side also scales the
//! features and shuffles the rows, which JAX does not. `cuda` is the first GPU, of which it uses at most 4 GiB.

use std::path::Path;
use std::time::Instant;

use huracan::arith::{draw, uniform};
use huracan::boost::Table;
use huracan::neural::{self, Backend, Head, NeuralJob, NeuralParams, Shape};

const ROWS: usize = 2880;
const FEATURES: usize = 74;
const HEADS: [Head; 3] = [Head::Binary, Head::Binary, Head::Value];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["prepare", folder] => prepare(Path::new(folder), 160),
        ["prepare", folder, jobs] => prepare(Path::new(folder), jobs.parse().expect("a number of jobs")),
        ["train", folder] => train(Path::new(folder), Backend::Cores),
        ["train", folder, "--backend", "cores"] => train(Path::new(folder), Backend::Cores),
        #[cfg(feature = "flex")]
        ["train", folder, "--backend", "flex"] => train(Path::new(folder), Backend::Flex),
        #[cfg(feature = "burn")]
        ["train", folder, "--backend", "cuda"] => {
            train(Path::new(folder), Backend::Cuda { index: 0, free_bytes: 8 << 30 })
        }
        _ => eprintln!("neural prepare FOLDER [JOBS] | train FOLDER [--backend cores|flex|cuda]"),
    }
}

fn params(seed: u64) -> NeuralParams {
    NeuralParams {
        shape: Shape { window: 1, width: 64, blocks: 1 },
        dropout: 0.0,
        epochs: 4,
        patience: 0,
        seed,
        ..NeuralParams::default()
    }
}

/// An approximately normal value: the scaled sum of four uniform ones.
fn normal(seed: u64, place: usize) -> f32 {
    let sum: f64 = (0..4).map(|k| uniform(draw(seed, k, place as u64))).sum();
    ((sum - 2.0) * 3.0_f64.sqrt()) as f32
}

fn write(folder: &Path, name: &str, values: &[f32]) {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    std::fs::write(folder.join(name), bytes).expect("the folder can be written");
}

fn read(folder: &Path, name: &str) -> Vec<f32> {
    let bytes = std::fs::read(folder.join(name)).expect("`prepare` wrote the problem");
    bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect()
}

fn prepare(folder: &Path, jobs: usize) {
    std::fs::create_dir_all(folder).expect("the folder can be created");
    let inputs: Vec<f32> = (0..jobs * ROWS * FEATURES).map(|place| normal(1, place)).collect();
    let labels = |row: usize| {
        let features = &inputs[row * FEATURES..][..FEATURES];
        let signal = features[0] + features[1] * features[2];
        let [long, short, edge] = [2, 3, 4].map(|seed| signal + 3.0 * normal(seed, row));
        // Scaled to variance 1, as this side does anyway: the signal has variance 2, the noise 9.
        [f32::from(u8::from(long > 0.3)), f32::from(u8::from(short < -0.3)), edge / 11.0_f32.sqrt()]
    };
    let labels: Vec<f32> = (0..jobs * ROWS).flat_map(labels).collect();
    let initial: Vec<f32> = (0..jobs)
        .flat_map(|job| neural::initial_parameters(params(job as u64).shape, FEATURES, HEADS.len(), job as u64))
        .collect();
    write(folder, "inputs.f32", &inputs);
    write(folder, "labels.f32", &labels);
    write(folder, "initial.f32", &initial);
    let p = params(0);
    let problem = serde_json::json!({
        "jobs": jobs, "rows": ROWS, "features": FEATURES, "batch": p.batch, "width": p.shape.width, "blocks": p.shape.blocks,
        "learning_rate": p.learning_rate, "weight_decay": p.weight_decay, "label_smoothing": p.label_smoothing,
        "clip_norm": p.clip_norm,
    });
    std::fs::write(folder.join("problem.json"), problem.to_string()).expect("the folder can be written");
}

fn train(folder: &Path, backend: Backend) {
    let (inputs, labels) = (read(folder, "inputs.f32"), read(folder, "labels.f32"));
    let table = Table { values: &inputs, features: FEATURES };
    let names: Vec<String> = (0..FEATURES).map(|feature| format!("f{feature}")).collect();
    let jobs: Vec<NeuralJob> = (0..labels.len() / (ROWS * HEADS.len()))
        .map(|job| {
            let rows = (job * ROWS) as u32..((job + 1) * ROWS) as u32;
            NeuralJob {
                name: format!("job {job}"),
                train: rows.clone().collect(),
                train_labels: labels[job * ROWS * HEADS.len()..][..ROWS * HEADS.len()].to_vec(),
                rows,
                heads: HEADS.to_vec(),
                params: params(job as u64),
                ..NeuralJob::default()
            }
        })
        .collect();
    let start = Instant::now();
    let networks = neural::train(&backend, table, &names, &jobs, &());
    let seconds = start.elapsed().as_secs_f64();
    let mut losses = vec![0.0; params(0).epochs as usize];
    for network in &networks {
        let network = network.as_ref().unwrap_or_else(|error| panic!("{error}"));
        for (loss, epoch) in losses.iter_mut().zip(&network.progress.epochs) {
            *loss += epoch.train_loss / jobs.len() as f64;
        }
    }
    let epochs = (jobs.len() * losses.len()) as f64;
    println!("{}", serde_json::json!({ "job_epochs_per_s": epochs / seconds, "losses": losses }));
}
