use std::sync::Mutex;

use super::cores::train;
use super::dropout::Masks;
use super::layers::{self, Layer, Shape};
use super::step::{self, Workspace};
use super::*;
use huracan_base::Table;
use huracan_base::arith::{draw, uniform};

pub(crate) mod jax;

pub(crate) const FEATURES: usize = 6;
pub(crate) const HEADS: [Head; 3] = [Head::Binary, Head::Binary, Head::Value];

/// Uniform in [-1, 1), of a seed and place.
pub(crate) fn noise(seed: u64, place: usize) -> f32 {
    (2.0 * uniform(draw(seed, 77, place as u64)) - 1.0) as f32
}

/// `rows` rows of noise; every 50th value is missing.
pub(crate) fn table(rows: usize) -> Vec<f32> {
    (0..rows * FEATURES).map(|at| if at % 50 == 49 { f32::NAN } else { noise(1, at) }).collect()
}

pub(crate) fn names() -> Vec<String> {
    (0..FEATURES).map(|feature| format!("f{feature}")).collect()
}

pub(crate) fn job(name: &str, rows: u32, train: u32, label: impl Fn(u32) -> [f32; 3]) -> NeuralJob {
    let labels = |rows: std::ops::Range<u32>| rows.flat_map(&label).collect();
    let params = NeuralParams { epochs: 12, batch: 32, dropout: 0.0, label_smoothing: 0.0, ..NeuralParams::default() };
    NeuralJob {
        name: name.to_owned(),
        rows: 0..rows,
        train: (0..train).collect(),
        train_labels: labels(0..train),
        valid: (train..rows).collect(),
        valid_labels: labels(train..rows),
        heads: HEADS.to_vec(),
        params: NeuralParams { shape: Shape { window: 1, width: 16, blocks: 1 }, ..params },
    }
}

/// Labels that depend on a feature of the row and on one of the bar before.
pub(crate) fn planted(values: &[f32]) -> impl Fn(u32) -> [f32; 3] {
    let value = |row: u32, feature: usize| {
        let value = values[row as usize * FEATURES + feature];
        if value.is_nan() { 0.0 } else { value }
    };
    move |row| {
        let now = value(row, 0) + 0.5 * value(row.max(1) - 1, 1);
        [f32::from(u8::from(now > 0.0)), f32::from(u8::from(now < -0.3)), 20.0 * now + 5.0]
    }
}

fn train_all(values: &[f32], jobs: &[NeuralJob]) -> Vec<Result<Network, NeuralError>> {
    train(Table { values, features: FEATURES }, &names(), jobs, &())
}

/// Mean loss over rows and heads of a batch, and its gradient.
fn loss_and_gradient(
    layers: &[Layer],
    parameters: &[f32],
    inputs: &[f32],
    labels: &[f32],
    smoothing: f32,
) -> (f64, Vec<f32>) {
    let rows = labels.len() / HEADS.len();
    let mut work = Workspace::default();
    (work.inputs, work.labels) = (inputs.to_vec(), labels.to_vec());
    step::forward(layers, parameters, &mut work, rows, None);
    let mut losses = [0.0; 3];
    step::backward(layers, &HEADS, parameters, &mut work, rows, smoothing, &mut losses);
    (losses.iter().sum::<f64>() / labels.len() as f64, work.gradient[..parameters.len()].to_vec())
}

#[test]
fn the_gradient_agrees_with_finite_differences() {
    for shape in [Shape { window: 1, width: 8, blocks: 2 }, Shape { window: 8, width: 5, blocks: 1 }] {
        let layers = layers::layers(shape, FEATURES, HEADS.len());
        let mut parameters = layers::initial_parameters(shape, FEATURES, HEADS.len(), 3);
        // The weights of the heads start small, and the slopes that pass through them would be lost in rounding errors.
        if let Some(heads) = layers.last() {
            parameters[heads.weights.clone()].iter_mut().for_each(|weight| *weight *= 10.0);
        }
        // With biases of 0, a row of zeros would be at the kink of the ReLU, where there is no slope.
        for layer in &layers {
            layer.biases.clone().for_each(|at| parameters[at] = 0.1 * noise(2, at));
        }
        let rows = 24;
        let inputs: Vec<f32> = (0..rows * shape.window * FEATURES).map(|at| noise(4, at)).collect();
        let labels: Vec<f32> = (0..rows * 3)
            .map(|at| if at % 3 == 2 { noise(5, at) } else { f32::from(u8::from(noise(5, at) > 0.0)) })
            .collect();
        let (_, gradient) = loss_and_gradient(&layers, &parameters, &inputs, &labels, 0.1);
        // Along random directions, because the effect of a single weight would be lost in f32 rounding. A direction may cross
        // the kink of a ReLU and then differ a little; most do not.
        for (number, layer) in layers.iter().enumerate() {
            for places in [layer.weights.clone(), layer.biases.clone()] {
                let norm = gradient[places.clone()].iter().map(|slope| f64::from(slope * slope)).sum::<f64>().sqrt();
                let agrees = |direction: &u64| {
                    let component = |at: usize| noise(100 + direction, at);
                    let slope: f64 = places.clone().map(|at| f64::from(gradient[at]) * f64::from(component(at))).sum();
                    let at_distance = |distance: f32| {
                        let mut moved = parameters.clone();
                        places.clone().for_each(|at| moved[at] += distance * component(at));
                        loss_and_gradient(&layers, &moved, &inputs, &labels, 0.1).0
                    };
                    let difference = (at_distance(5e-4) - at_distance(-5e-4)) / 1e-3;
                    (slope - difference).abs() < 5e-3 * norm
                };
                let agreeing = (0..9).filter(agrees).count();
                assert!(agreeing >= 6, "layer {number}, {places:?}: {agreeing} of 9 directions");
            }
        }
    }
}

#[test]
fn sixty_four_rows_can_be_memorised() {
    let values = table(64);
    let mut job =
        job("heart", 64, 64, |row| [noise(8, row as usize).max(0.0).ceil(), 1.0, 10.0 * noise(9, row as usize)]);
    job.valid.clear();
    job.valid_labels.clear();
    job.params = NeuralParams {
        shape: Shape { window: 1, width: 64, blocks: 2 },
        epochs: 400,
        batch: 16,
        learning_rate: 5e-3,
        weight_decay: 0.0,
        patience: 0,
        clip_norm: 0.0,
        ..job.params
    };
    let network = train_all(&values, &[job]).remove(0).unwrap();
    let first = network.progress.epochs[0].train_loss;
    let last = network.best_epoch().unwrap().train_loss;
    assert!(first > 0.3 && last < 0.01, "{first} {last}");
}

#[test]
fn a_planted_signal_is_found_and_shuffled_labels_are_not_learned() {
    let values = table(1200);
    let signal = planted(&values);
    let shuffled = |row: u32| signal(draw(12, 0, u64::from(row)) as u32 % 1200);
    let jobs = [job("planted", 1200, 900, &signal), job("shuffled", 1200, 900, shuffled)];
    let networks: Vec<Network> = train_all(&values, &jobs).into_iter().map(Result::unwrap).collect();
    let losses = |network: &Network| network.best_epoch().unwrap().validation_losses.clone();
    // The loss of a guess by the frequency of the labels: ln 2 if it is one half, and half the variance of a value.
    let (found, nothing) = (losses(&networks[0]), losses(&networks[1]));
    assert!(found[0] < 0.5 && found[2] < 0.3, "{found:?}");
    assert!(nothing[0] > 0.66 && nothing[2] > 0.45, "{nothing:?}");
}

#[test]
fn a_window_includes_the_bar_before() {
    // The label is a feature of the bar before.
    let values = table(1200);
    let label = |row: u32| {
        let value = values[(row.max(1) as usize - 1) * FEATURES + 2];
        let value = if value.is_nan() { 0.0 } else { value };
        [f32::from(u8::from(value > 0.0)), f32::from(u8::from(value > 0.5)), value]
    };
    let alone = job("row alone", 1200, 900, label);
    let mut window = alone.clone();
    window.params.shape.window = 4;
    let networks: Vec<Network> = train_all(&values, &[alone, window]).into_iter().map(Result::unwrap).collect();
    let loss = |network: &Network| network.best_epoch().unwrap().validation_losses[0];
    assert!(loss(&networks[0]) > 0.66 && loss(&networks[1]) < 0.3, "{} {}", loss(&networks[0]), loss(&networks[1]));
}

#[test]
fn a_job_results_in_the_same_network_alone_and_among_others() {
    let values = table(600);
    let jobs: Vec<NeuralJob> = (0..5)
        .map(|seed| {
            let mut job = job(&format!("seed {seed}"), 600, 400, planted(&values));
            job.params = NeuralParams { seed, dropout: 0.2, epochs: 3, ..job.params };
            job.params.shape.window = 1 << (seed % 3);
            job
        })
        .collect();
    let together = train_all(&values, &jobs);
    for (job, together) in jobs.iter().zip(&together) {
        let alone = train_all(&values, std::slice::from_ref(job)).remove(0);
        assert_eq!(&alone, together);
    }
    let digests: Vec<String> = together.iter().map(|network| network.as_ref().unwrap().digest()).collect();
    assert!(digests.iter().enumerate().all(|(at, digest)| !digests[..at].contains(digest)), "seeds make a difference");
}

#[test]
fn rows_after_the_training_rows_affect_neither_the_scaler_nor_the_weights() {
    let values = table(600);
    let mut job = job("past", 600, 400, planted(&values));
    job.params.patience = 0;
    job.params.epochs = 3;
    let mut changed = values.clone();
    changed[400 * FEATURES..].iter_mut().for_each(|value| *value *= 100.0);
    let (a, b) =
        (train_all(&values, &[job.clone()]).remove(0).unwrap(), train_all(&changed, &[job]).remove(0).unwrap());
    assert_eq!(a.scaler, b.scaler);
    let train_losses =
        |network: &Network| network.progress.epochs.iter().map(|epoch| epoch.train_loss).collect::<Vec<_>>();
    assert_eq!(train_losses(&a), train_losses(&b));
}

#[test]
fn a_window_does_not_reach_before_the_symbols_first_row() {
    let mut values = table(600);
    let mut job = job("second symbol", 600, 500, planted(&values));
    job.rows = 200..600;
    job.params.shape.window = 8;
    job.params.epochs = 2;
    job.train.drain(..200);
    job.train_labels.drain(..600);
    let before = train_all(&values, &[job.clone()]).remove(0).unwrap();
    values[..200 * FEATURES].fill(9.0);
    let after = train_all(&values, &[job]).remove(0).unwrap();
    assert_eq!(before, after);
    let rows: Vec<u32> = (200..230).collect();
    let table = Table { values: &values, features: FEATURES };
    let mut elsewhere = values.clone();
    elsewhere[..200 * FEATURES].fill(-5.0);
    let other = Table { values: &elsewhere, features: FEATURES };
    assert_eq!(after.predict(table, 200, &rows), after.predict(other, 200, &rows));
    assert_ne!(after.predict(table, 0, &rows), after.predict(other, 0, &rows));
}

#[test]
fn the_best_epoch_is_kept_and_a_job_that_does_not_improve_stops() {
    let values = table(600);
    let mut job = job("noise", 600, 300, |row| {
        [
            f32::from(u8::from(noise(20, row as usize) > 0.0)),
            f32::from(u8::from(noise(21, row as usize) > 0.0)),
            noise(22, row as usize),
        ]
    });
    job.params = NeuralParams { epochs: 200, patience: 3, learning_rate: 1e-2, ..job.params };
    let network = train_all(&values, &[job]).remove(0).unwrap();
    assert!(network.progress.epochs.len() < 200);
    assert_eq!(network.progress.epochs.len() - 1 - network.progress.best_epoch, 3);
    let losses: Vec<f64> = network.progress.epochs.iter().filter_map(Epoch::validation_loss).collect();
    assert!(losses.iter().all(|&loss| loss >= losses[network.progress.best_epoch]));
    // The weights are those of that epoch: they have its loss on the validation rows.
    let table = Table { values: &values, features: FEATURES };
    let rows: Vec<u32> = (300..600).collect();
    let predictions = network.predict(table, 0, &rows);
    let loss: f64 = rows
        .iter()
        .zip(predictions.chunks_exact(3))
        .map(|(&row, heads)| if noise(20, row as usize) > 0.0 { -heads[0].ln() } else { -(1.0 - heads[0]).ln() })
        .sum::<f64>()
        / rows.len() as f64;
    assert!((loss - network.best_epoch().unwrap().validation_losses[0]).abs() < 1e-5);
}

#[test]
fn a_job_that_cannot_be_trained_is_an_error() {
    let values = table(100);
    let good = job("job", 100, 80, planted(&values));
    let with = |change: &dyn Fn(&mut NeuralJob)| {
        let mut job = good.clone();
        change(&mut job);
        train_all(&values, &[job]).remove(0).unwrap_err().to_string()
    };
    assert_eq!(with(&|job| job.params.shape.window = 3), "job: window is 3; give 1, 2, 4, 8, 16, 32, 64 or 128");
    assert_eq!(
        with(&|job| job.params.learning_rate = f64::NAN),
        "job: learning_rate is NaN; give a rate above 0, up to 1"
    );
    assert_eq!(with(&|job| job.train[0] = 100), "job: row 100 is outside the job's rows 0 to 100");
    assert_eq!(with(&|job| job.train_labels[4] = 0.5), "job: the label of row 1 is 0.5; give 0 or 1");
    assert_eq!(
        with(&|job| job.train_labels[5] = f32::INFINITY),
        "job: the label of row 1 is inf; give a finite number"
    );
    assert_eq!(with(&|job| job.train_labels.truncate(239)), "job: 239 labels for 80 rows of 3 heads");
    assert_eq!(with(&|job| (job.train, job.train_labels) = Default::default()), "job: no rows to train on");
    assert_eq!(with(&|job| (job.valid, job.valid_labels) = Default::default()), "job: no rows to validate on");
    let few = train(Table { values: &values, features: FEATURES }, &names()[1..], std::slice::from_ref(&good), &());
    assert_eq!(few[0].as_ref().unwrap_err().to_string(), "job: 5 names for 6 features");
    struct Cancels;
    impl Observer for Cancels {
        fn is_cancelled(&self) -> bool {
            true
        }
    }
    let cancelled = train(Table { values: &values, features: FEATURES }, &names(), &[good], &Cancels);
    assert_eq!(cancelled[0].as_ref().unwrap_err().to_string(), "job: cancelled");
}

#[test]
fn constant_and_missing_columns_and_one_class_train_without_a_nan() {
    let mut values = table(200);
    for row in values.chunks_exact_mut(FEATURES) {
        row[0] = 3.0;
        row[1] = f32::NAN;
        row[2] *= 1e30;
    }
    let mut job = job("odd", 200, 150, |_| [1.0, 0.0, 7.0]);
    job.params.epochs = 100;
    let network = train_all(&values, &[job]).remove(0).unwrap();
    assert_eq!((network.scaler.scale[0], network.scaler.scale[1]), (0.0, 0.0));
    let predictions = network.predict(Table { values: &values, features: FEATURES }, 0, &(0..200).collect::<Vec<_>>());
    assert!(predictions.iter().all(|value| value.is_finite()));
    let is_learned = |heads: &[f64]| heads[0] > 0.9 && heads[1] < 0.1 && (heads[2] - 7.0).abs() < 1.0;
    assert!(predictions.chunks_exact(3).all(is_learned));
}

/// Cancels every job after an epoch, and keeps the state to resume from.
pub(crate) struct StopAfter {
    pub epochs: usize,
    pub kept: Mutex<Option<TrainingState>>,
}

impl Observer for StopAfter {
    fn is_cancelled(&self) -> bool {
        self.kept.lock().unwrap().is_some()
    }

    fn on_epoch(&self, _: &NeuralJob, progress: &Progress, state: &dyn Fn() -> TrainingState) {
        if progress.epochs.len() == self.epochs {
            *self.kept.lock().unwrap() = Some(state());
        }
    }
}

/// Resumes every job from a state.
pub(crate) struct ResumeFrom(pub TrainingState);

impl Observer for ResumeFrom {
    fn resume_from(&self, _: &NeuralJob) -> Option<TrainingState> {
        Some(self.0.clone())
    }
}

#[test]
fn a_cancelled_job_resumes_to_the_same_network() {
    let values = table(600);
    let table = Table { values: &values, features: FEATURES };
    let mut job = job("stopped", 600, 400, planted(&values));
    job.params.dropout = 0.2;
    let jobs = [job];
    let whole = train(table, &names(), &jobs, &()).remove(0).unwrap();
    for epochs in [1, 4, 12] {
        let stop = StopAfter { epochs, kept: Mutex::default() };
        let stopped = train(table, &names(), &jobs, &stop).remove(0);
        assert_eq!(stopped.is_err(), epochs < 12, "{stopped:?}");
        let kept: TrainingState = stop.kept.into_inner().unwrap().unwrap();
        let bytes = serde_pickle::to_vec(&kept, Default::default()).unwrap();
        let kept: TrainingState = serde_pickle::from_slice(&bytes, Default::default()).unwrap();
        assert_eq!(train(table, &names(), &jobs, &ResumeFrom(kept)).remove(0).unwrap(), whole);
    }
    // The state of a network of another size is ignored.
    let mut other = StopAfter { epochs: 1, kept: Mutex::default() };
    let mut wider = jobs[0].clone();
    wider.params.shape.width = 24;
    train(table, &names(), &[wider], &other);
    let kept = other.kept.get_mut().unwrap().take().unwrap();
    assert_eq!(train(table, &names(), &jobs, &ResumeFrom(kept)).remove(0).unwrap(), whole);
}

#[test]
fn masks_drop_their_share_and_preserve_the_mean() {
    let masks = Masks::new(64, 0.3);
    let out = masks.values.iter().filter(|&&value| value == 0.0).count() as f64 / masks.values.len() as f64;
    let mean = masks.values.iter().map(|&value| f64::from(value)).sum::<f64>() / masks.values.len() as f64;
    assert!((out - 0.3).abs() < 0.01 && (mean - 1.0).abs() < 0.01, "{out} {mean}");
    let mut counts = vec![0; Masks::COUNT];
    (0..100 * Masks::COUNT).for_each(|row| counts[Masks::number(5, 1, row)] += 1);
    assert!(counts.iter().all(|&count| (50..160).contains(&count)), "every mask comes about as often");
    assert_ne!(Masks::number(5, 1, 7), Masks::number(5, 2, 7));
}
