use std::sync::Mutex;
use std::thread::Builder;

use ::burn::backend::flex::FlexDevice;
use ::burn::backend::{Autodiff, Flex};
use ::burn::tensor::{Tensor, TensorData};

use super::adamw::{AdamW, Rates, clip, per_job};
use super::feed::{BatchData, JobRows, StepRows, masks};
use super::guard::{self, Device as _};
use super::member::BatchJob;
use super::parameters::{Parameters, to_host};
use super::rows::RowRanges;
use super::{graph, plan, train};
use crate::layers::{self, Layer};
use crate::step::{self, Workspace};
use crate::tests::{FEATURES, HEADS, ResumeFrom, StopAfter, jax, job, names, noise, planted, table};
use crate::windows::Windows;
use crate::{Head, Network, NeuralError, NeuralJob, Observer, Progress, Shape, TrainingState, cores, prepare};
use huracan_base::Table;

mod memory;

type Trains = Autodiff<Flex>;
const DEVICE: FlexDevice = FlexDevice;

fn by_burn(values: &[f32], jobs: &[NeuralJob], observer: &dyn Observer) -> Vec<Result<Network, NeuralError>> {
    train::<Trains>(&DEVICE, 1 << 40, Table { values, features: FEATURES }, &names(), jobs, observer)
}

fn by_cores(values: &[f32], jobs: &[NeuralJob], observer: &dyn Observer) -> Vec<Result<Network, NeuralError>> {
    cores::train(Table { values, features: FEATURES }, &names(), jobs, observer)
}

/// The data of a batch on the device.
fn batch_data(values: &[f32], batch_jobs: &[BatchJob<'_>], rows: &RowRanges) -> BatchData<Flex> {
    let table = rows.upload(Table { values, features: FEATURES }, &DEVICE);
    BatchData::upload(table, batch_jobs, batch_jobs[0].job, &DEVICE)
}

fn batch_jobs<'a>(values: &[f32], jobs: &'a [NeuralJob]) -> (Vec<BatchJob<'a>>, RowRanges) {
    let rows = jobs.iter().fold(RowRanges::default(), |rows, job| rows.with(RowRanges::reached(job)));
    let table = Table { values, features: FEATURES };
    let batch_jobs = jobs.iter().enumerate().map(|(place, job)| BatchJob::new(table, job, place, &rows)).collect();
    (batch_jobs, rows)
}

fn job_rows<'a>(batch_jobs: &'a [BatchJob<'a>], seen: &'a [Vec<u32>]) -> Vec<JobRows<'a>> {
    let part = |(batch_job, seen): (&'a BatchJob<'a>, &'a Vec<u32>)| JobRows {
        batch_job,
        rows: &batch_job.job.train,
        labels: &batch_job.labels,
        seen,
    };
    batch_jobs.iter().zip(seen).map(part).collect()
}

/// Largest difference of two lists of numbers.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Norm of the difference of two gradients, as a share of the second one's norm.
fn apart(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let apart = norm(&mut a.iter().zip(b).map(|(a, b)| f64::from(a - b)));
    apart / norm(&mut b.iter().map(|&b| f64::from(b)))
}

#[test]
fn fifty_steps_have_the_losses_of_jax() {
    for case in jax::cases() {
        let shape = Shape { window: case.window, width: case.width, blocks: case.blocks };
        let layers = layers::layers(shape, case.features, HEADS.len());
        let rows = case.labels.len() / HEADS.len();
        let row = |row: usize| (1 + row * case.window + case.window - 1) as i32;
        let floats =
            |values: Vec<f32>, shape: [usize; 3]| Tensor::<Flex, 3>::from_data(TensorData::new(values, shape), &DEVICE);
        let ints = |values: Vec<i32>, shape: [usize; 3]| Tensor::from_data(TensorData::new(values, shape), &DEVICE);
        let table: Vec<f32> = vec![f32::MAX; case.features].into_iter().chain(case.inputs.iter().copied()).collect();
        let table = TensorData::new(table, [1 + rows * case.window, case.features]);
        let binary = HEADS.map(|head| head == Head::Binary).to_vec();
        let batch_data = BatchData {
            table: Tensor::from_data(table, &DEVICE),
            mean: floats(vec![0.0; case.features], [1, 1, case.features]),
            scale: floats(vec![1.0; case.features], [1, 1, case.features]),
            first: ints(vec![1], [1, 1, 1]),
            bars: ints((1 - case.window as i32..=0).collect(), [1, 1, case.window]),
            binary: Tensor::from_data(TensorData::new(binary, [1, 1, HEADS.len()]), &DEVICE),
            limits: per_job(vec![case.clip as f32], &DEVICE),
            masks: None,
        };
        // Binary heads come first.
        let smoothed = |(at, &label): (usize, &f32)| {
            if at % 3 < 2 { label * (1.0 - case.smoothing) + 0.5 * case.smoothing } else { label }
        };
        let step_rows = StepRows {
            positions: Tensor::from_data(TensorData::new((0..rows).map(row).collect(), [1, rows]), &DEVICE),
            labels: floats(case.labels.iter().enumerate().map(smoothed).collect(), [1, rows, HEADS.len()]),
            weights: floats(vec![1.0; rows], [1, rows, 1]),
        };
        let mut parameters = Parameters::upload(&layers, std::slice::from_ref(&case.initial), &DEVICE);
        let nothing = || parameters.map(|values| values.zeros_like());
        let mut optimiser = AdamW { first: nothing(), second: nothing() };
        for (step, want) in case.losses.iter().enumerate() {
            let each = per_job(vec![1.0 / (rows * HEADS.len()) as f32], &DEVICE);
            let (losses, gradient) =
                graph::gradient::<Trains>(&layers, &parameters, &batch_data, &step_rows, Vec::new(), each);
            let found = to_host(losses).iter().sum::<f32>() / (rows * HEADS.len()) as f32;
            let found = f64::from(found);
            assert!((found - want).abs() < 1e-4, "window {}, step {step}: {found}, in JAX {want}", case.window);
            let rates = Rates::constant(case.rate, case.decay, step as u64 + 1, &DEVICE);
            (optimiser, parameters) = optimiser.step(parameters, clip(gradient, &batch_data.limits), &rates);
        }
    }
}

/// Jobs of one batch with 30, 17 and no rows in a step.
fn three(values: &[f32], shape: Shape) -> (Vec<NeuralJob>, Vec<Vec<u32>>) {
    let jobs = [0, 1, 2].map(|number| {
        let mut job = job(&format!("job {number}"), 120, 100, planted(values));
        job.rows = 20 * number..120;
        job.train.drain(..20 * number as usize);
        job.train_labels.drain(..60 * number as usize);
        job.params =
            crate::NeuralParams { shape, dropout: 0.3, label_smoothing: 0.05, seed: u64::from(number), ..job.params };
        job
    });
    (jobs.to_vec(), vec![(0..30).collect(), (3..20).collect(), Vec::new()])
}

#[test]
fn the_gradient_agrees_with_the_cores() {
    let values = table(120);
    for shape in [Shape { window: 1, width: 8, blocks: 2 }, Shape { window: 8, width: 5, blocks: 1 }] {
        let (jobs, seen) = three(&values, shape);
        let (batch_jobs, rows) = batch_jobs(&values, &jobs);
        let layers = layers::layers(shape, FEATURES, HEADS.len());
        let initial: Vec<Vec<f32>> = jobs
            .iter()
            .map(|job| {
                let mut values = layers::initial_parameters(shape, FEATURES, HEADS.len(), job.params.seed);
                for layer in &layers {
                    layer.biases.clone().for_each(|at| values[at] = 0.1 * noise(2, at));
                }
                values
            })
            .collect();
        let batch_data = batch_data(&values, &batch_jobs, &rows);
        let step_rows = StepRows::upload(&job_rows(&batch_jobs, &seen), HEADS.len(), &DEVICE);
        let steps: Vec<(&NeuralJob, Option<u64>)> =
            jobs.iter().zip(&seen).map(|(job, seen)| (job, (!seen.is_empty()).then_some(7))).collect();
        let left_out = masks(batch_data.masks.as_ref().unwrap(), &layers, step_rows.rows(), &steps, &DEVICE);
        let each = seen.iter().map(|seen| 1.0 / (seen.len().max(1) * HEADS.len()) as f32).collect();
        let parameters = Parameters::upload(&layers, &initial, &DEVICE);
        let (losses, gradient) =
            graph::gradient::<Trains>(&layers, &parameters, &batch_data, &step_rows, left_out, per_job(each, &DEVICE));
        let (losses, gradient) = (to_host(losses), gradient.download(&layers));
        for (at, (job, seen)) in jobs.iter().zip(&seen).enumerate() {
            if seen.is_empty() {
                assert!(gradient[at].iter().all(|&slope| slope == 0.0) && losses[3 * at..][..3] == [0.0; 3]);
                continue;
            }
            let (want_losses, want) = of_cores(&values, job, &layers, &initial[at], seen, 7);
            assert!(apart(&gradient[at], &want) < 1e-5, "{shape:?}, job {at}: {}", apart(&gradient[at], &want));
            assert!(distance(&losses[3 * at..][..3], &want_losses) < 1e-4, "{shape:?}, job {at}");
        }
    }
}

/// The losses of a step on the cores, summed over rows, and the gradient.
fn of_cores(
    values: &[f32],
    job: &NeuralJob,
    layers: &[Layer],
    parameters: &[f32],
    seen: &[u32],
    step: u64,
) -> (Vec<f32>, Vec<f32>) {
    let table = Table { values, features: FEATURES };
    let prepared = prepare::Prepared::of(table, job);
    let windows = Windows::of(table, &prepared.scaler, job.params.shape.window, job.rows.start, &job.train);
    let mut work = Workspace::default();
    let rows: Vec<u32> = seen.iter().map(|&at| job.train[at as usize]).collect();
    windows.gather(&rows, &mut work.inputs);
    work.labels = seen.iter().flat_map(|&at| &prepared.train_labels[3 * at as usize..][..3]).copied().collect();
    let dropout = Some((job.params.dropout, prepare::dropout_seed(job, step)));
    step::forward(layers, parameters, &mut work, rows.len(), dropout);
    let mut losses = [0.0; 3];
    let smoothing = job.params.label_smoothing as f32;
    step::backward(layers, &job.heads, parameters, &mut work, rows.len(), smoothing, &mut losses);
    (losses.iter().map(|&loss| loss as f32).collect(), work.gradient[..parameters.len()].to_vec())
}

#[test]
fn inputs_have_the_bits_of_the_cores() {
    let mut values = table(120);
    for (at, row) in values.chunks_exact_mut(FEATURES).enumerate() {
        row[0] = 3.0;
        row[1] = f32::NAN;
        row[2] *= 1e30;
        row[3] = [row[3], f32::INFINITY, f32::NEG_INFINITY, -1e12][at % 29 % 4];
    }
    let (jobs, mut seen) = three(&values, Shape { window: 8, width: 5, blocks: 1 });
    seen[2] = vec![1];
    let (batch_jobs, rows) = batch_jobs(&values, &jobs);
    let step_rows = StepRows::upload(&job_rows(&batch_jobs, &seen), HEADS.len(), &DEVICE);
    let inputs = to_host(graph::inputs(&batch_data(&values, &batch_jobs, &rows), &step_rows));
    let (a_row, a_job) = (8 * FEATURES, 8 * FEATURES * step_rows.rows());
    for ((batch_job, seen), found) in batch_jobs.iter().zip(&seen).zip(inputs.chunks_exact(a_job)) {
        let (job, table) = (batch_job.job, Table { values: &values, features: FEATURES });
        let rows: Vec<u32> = seen.iter().map(|&at| job.train[at as usize]).collect();
        let mut want = Vec::new();
        Windows::of(table, &batch_job.prepared.scaler, 8, job.rows.start, &rows).gather(&rows, &mut want);
        assert_eq!(found[..want.len()], want, "{}", job.name);
        assert!(found[seen.len() * a_row..].iter().all(|&value| value == 0.0), "padding is missing values");
    }
}

/// Jobs of different sizes with windows of so many bars; some stop early.
fn various(values: &[f32], window: usize) -> Vec<NeuralJob> {
    let noisy =
        |row: u32| [21, 22, 23].map(|seed| noise(seed, row as usize)).map(|noise| f32::from(u8::from(noise > 0.0)));
    let mut jobs = vec![
        job("long", 600, 500, planted(values)),
        job("short", 300, 200, planted(values)),
        job("noise", 600, 333, noisy),
        job("tiny", 90, 20, planted(values)),
        job("more noise", 400, 150, noisy),
    ];
    for (number, job) in jobs.iter_mut().enumerate() {
        job.params.shape.window = window;
        job.params.dropout = 0.2;
        job.params.label_smoothing = 0.02 * number as f64;
        job.params.patience = 3;
        job.params.epochs = 14 - number as u32;
        job.params.seed = number as u64;
        job.params.clip_norm = [0.0, 1.0, 0.2, 1.0, 0.0][number];
        job.params.learning_rate = [3e-3, 3e-3, 2e-2, 1e-2, 2e-2][number];
    }
    jobs[4].valid.clear();
    jobs[4].valid_labels.clear();
    jobs[4].params.patience = 0;
    jobs[1].rows.start = 10;
    jobs[1].train.drain(..10);
    jobs[1].train_labels.drain(..30);
    jobs
}

#[test]
fn training_agrees_with_the_cores() {
    let values = table(600);
    for window in [1, 4] {
        let jobs = various(&values, window);
        let (burn, cores) = (by_burn(&values, &jobs, &()), by_cores(&values, &jobs, &()));
        let (mut lengths, mut alike) = (Vec::new(), 0);
        for ((found, want), job) in burn.iter().zip(&cores).zip(&jobs) {
            let (found, want) = (found.as_ref().unwrap(), want.as_ref().unwrap());
            assert_eq!((&found.scaler, &found.label_scaler), (&want.scaler, &want.label_scaler));
            for (a, b) in found.progress.epochs.iter().zip(&want.progress.epochs).take(4) {
                assert!((a.train_loss - b.train_loss).abs() < 1e-4, "{}, window {window}: {a:?}, {b:?}", job.name);
                assert_eq!(a.validation_losses.len(), b.validation_losses.len());
                for (a, b) in a.validation_losses.iter().zip(&b.validation_losses) {
                    assert!((a - b).abs() < 1e-4, "{}, window {window}: {a}, {b}", job.name);
                }
            }
            let (a, b) = (found.best_epoch().unwrap().loss(), want.best_epoch().unwrap().loss());
            assert!((a - b).abs() < 1e-3, "{}, window {window}: {a}, {b}", job.name);
            lengths.push(found.progress.epochs.len() as u32);
            // The weights are those of the best epoch.
            if found.progress.best_epoch == want.progress.best_epoch {
                let table = Table { values: &values, features: FEATURES };
                let predictions = |network: &Network| network.predict(table, job.rows.start, &job.train);
                let (a, b) = (predictions(found), predictions(want));
                let apart =
                    |head| a.iter().zip(&b).skip(head).step_by(3).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(apart(0) < 0.01 && apart(1) < 0.01, "{}: {}, {}", job.name, apart(0), apart(1));
                alike += 1;
            }
        }
        assert!(alike >= 4, "{alike} of the best epochs are the same");
        assert!(lengths[2] < jobs[2].params.epochs, "one stops early");
        assert_eq!(lengths[4], jobs[4].params.epochs, "one does not");
    }
}

#[test]
fn a_job_results_in_the_same_network_alone_and_among_others() {
    let values = table(600);
    let jobs = various(&values, 4);
    let together = by_burn(&values, &jobs, &());
    for (job, among) in jobs.iter().zip(together) {
        let alone = by_burn(&values, std::slice::from_ref(job), &()).remove(0).unwrap();
        let among = among.unwrap();
        assert_eq!(alone.progress.epochs.len(), among.progress.epochs.len(), "{}", job.name);
        assert!(distance(&alone.parameters, &among.parameters) < 1e-4, "{}", job.name);
    }
}

#[test]
fn a_cancelled_job_resumes_to_the_same_network() {
    let values = table(600);
    let jobs = [various(&values, 4).remove(0)];
    let whole = by_burn(&values, &jobs, &()).remove(0).unwrap();
    for epochs in [1, 4, jobs[0].params.epochs as usize] {
        let stop = StopAfter { epochs, kept: Mutex::default() };
        let stopped = by_burn(&values, &jobs, &stop).remove(0);
        assert_eq!(stopped.is_err(), epochs < jobs[0].params.epochs as usize, "{stopped:?}");
        let kept: TrainingState = stop.kept.into_inner().unwrap().unwrap();
        assert_eq!(kept.progress.epochs.len(), epochs);
        assert_eq!(by_burn(&values, &jobs, &ResumeFrom(kept.clone())).remove(0).unwrap(), whole);
        // The cores can resume from it, too.
        let other = by_cores(&values, &jobs, &ResumeFrom(kept)).remove(0).unwrap();
        let (a, b) = (other.best_epoch().unwrap().loss(), whole.best_epoch().unwrap().loss());
        assert!((a - b).abs() < 1e-3, "{a}, {b}");
    }
}

#[test]
fn a_job_that_takes_no_step_keeps_its_weights_and_moments() {
    let values = table(120);
    let shape = Shape { window: 1, width: 8, blocks: 1 };
    let (jobs, _) = three(&values, shape);
    let layers = layers::layers(shape, FEATURES, HEADS.len());
    let of = |seed: u64| -> Vec<Vec<f32>> {
        (0..3).map(|job| layers::initial_parameters(shape, FEATURES, 3, seed + job)).collect()
    };
    let up = |networks: &[Vec<f32>]| Parameters::<Flex>::upload(&layers, networks, &DEVICE);
    let (parameters, first, second) =
        (of(0), of(10), of(20).iter().map(|values| values.iter().map(|v| v * v).collect()).collect::<Vec<_>>());
    let rates = Rates::upload(&[(&jobs[0], Some(3)), (&jobs[1], None), (&jobs[2], Some(9))], &DEVICE);
    let (moments, moved) = AdamW { first: up(&first), second: up(&second) }.step(up(&parameters), up(&of(30)), &rates);
    let after = [moved, moments.first, moments.second].map(|values| values.download(&layers));
    for (after, before) in after.iter().zip([&parameters, &first, &second]) {
        assert_eq!(after[1], before[1]);
        assert!(after[0] != before[0] && after[2] != before[2]);
    }
}

/// Resumes one job from a state that is not finite.
struct Broken(TrainingState);

impl Observer for Broken {
    fn resume_from(&self, job: &NeuralJob) -> Option<TrainingState> {
        (job.name == "short").then(|| self.0.clone())
    }
}

#[test]
fn a_job_that_diverges_fails_and_the_others_continue() {
    let values = table(600);
    let jobs = various(&values, 4);
    let stop = StopAfter { epochs: 2, kept: Mutex::default() };
    let _ = by_burn(&values, &jobs[1..2], &stop);
    let mut state = stop.kept.into_inner().unwrap().unwrap();
    let whole = by_burn(&values, &jobs, &());
    // One weight of the first layer, and one bias.
    for at in [3, FEATURES * 16 + 2] {
        let kept = std::mem::replace(&mut state.parameters[at], f32::INFINITY);
        let broken = by_burn(&values, &jobs, &Broken(state.clone()));
        state.parameters[at] = kept;
        assert_eq!(broken[1], Err(NeuralError::Diverged { job: "short".into(), epoch: 2 }));
        for other in [0, 2, 3, 4] {
            let (a, b) = (broken[other].as_ref().unwrap(), whole[other].as_ref().unwrap());
            assert!(distance(&a.parameters, &b.parameters) < 1e-4);
        }
    }
}

#[test]
fn a_parameter_that_is_not_finite_is_found_even_if_the_losses_are() {
    let values = table(120);
    let shape = Shape { window: 1, width: 8, blocks: 1 };
    let (jobs, _) = three(&values, shape);
    let layers = layers::layers(shape, FEATURES, HEADS.len());
    for broken in [f32::NAN, f32::INFINITY] {
        let mut networks = vec![vec![0.5; layers::count(&layers)]; 3];
        networks[1][7] = broken;
        let faults = Parameters::<Flex>::upload(&layers, &networks, &DEVICE).fault();
        let faults = to_host(faults.unwrap());
        assert!(faults[0] == 0.0 && faults[1].is_nan() && faults[2] == 0.0);
        let (mut batch_jobs, _) = batch_jobs(&values, &jobs);
        assert!(batch_jobs[0].add(&[1.0; 3], &[1.0; 3], faults[0]) && batch_jobs[0].error.is_none());
        assert!(!batch_jobs[1].add(&[1.0; 3], &[1.0; 3], faults[1]) && !batch_jobs[1].is_running());
    }
}

#[test]
fn jobs_that_cannot_be_trained_are_errors_and_the_others_are_trained() {
    let values = table(600);
    let mut jobs = various(&values, 1);
    jobs[1].params.shape.window = 3;
    jobs[3].train_labels[0] = 0.5;
    let (burn, cores) = (by_burn(&values, &jobs, &()), by_cores(&values, &jobs, &()));
    assert_eq!(
        (burn[1].as_ref().unwrap_err(), burn[3].as_ref().unwrap_err()),
        (cores[1].as_ref().unwrap_err(), cores[3].as_ref().unwrap_err())
    );
    assert!([0, 2, 4].iter().all(|&at| burn[at].is_ok()));
    assert!(by_burn(&values, &[], &()).is_empty());
}

/// Fails at one job's first epoch.
struct Fails;

impl Observer for Fails {
    fn on_epoch(&self, job: &NeuralJob, _: &Progress, _: &dyn Fn() -> TrainingState) {
        assert!(job.name != "noise", "as if the device had no memory left");
    }
}

#[test]
fn a_panic_fails_its_batch_and_the_following_ones() {
    let values = table(600);
    let mut jobs = various(&values, 1);
    jobs[0].params.batch = 64;
    jobs[4].params.batch = 128;
    let outcomes = by_burn(&values, &jobs, &Fails);
    assert!(outcomes[0].is_ok(), "a batch before keeps its networks");
    for (outcome, job) in outcomes.iter().zip(&jobs).skip(1) {
        let message = outcome.as_ref().unwrap_err().to_string();
        let text =
            "Burn failed on Cpu: as if the device had no memory left; free some of its memory, or use --device cpu";
        assert_eq!(message, format!("{}: {text}", job.name));
    }
}

#[test]
fn a_panic_on_a_devices_thread_fails_the_work_that_does_not_see_it() {
    struct Seventh;
    impl guard::Device for Seventh {
        fn threads(&self) -> Vec<String> {
            vec!["DSD-0-7".into(), "DSU-0-7".into()]
        }
    }
    let panics_on = |name: &str| {
        let _ = Builder::new().name(name.to_owned()).spawn(|| panic!("no driver")).unwrap().join();
    };
    for name in Seventh.threads() {
        assert_eq!(guard::guarded(&Seventh, || panics_on(&name)), Err("no driver".to_owned()));
        assert_eq!(guard::guarded(&Seventh, || 2), Ok(2), "an earlier panic does not fail this work");
    }
    assert_eq!(guard::guarded(&Seventh, || panics_on("DSD-0-8")), Ok(()), "another device");
}
