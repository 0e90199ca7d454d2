//! Rows for the models: binning, many small jobs, one large one, prediction.

use super::measure::{Bench, Comparison, Row, Work};
use super::sizes::{FULL, MAX_DEPTH, Sizes, of};
use super::{Data, bits};
use crate::bars::Panel;
use crate::boost::device::{self, Plan, bin_on};
use crate::boost::{self, BoostError, BoostJob, BoostParams, Forest, PredictJob, Table};
use crate::engine::{Compute, Device};
use crate::exit::{Code, CommandFailure, OrExit};
use crate::features::{self, COUNT};
use crate::text::thousands;

/// What of a stage is compared before it is measured.
#[derive(Debug, Clone, Copy)]
struct Slice {
    /// Models, and the rows and rounds of each.
    models: usize,
    rows: usize,
    rounds: u32,
    /// Rows and rounds of the large job: more rows than one block takes, also without those for validation.
    large_rows: usize,
    large_rounds: u32,
}

impl Slice {
    /// What takes the CPU a second or two; less for a quick look, and on the emulated device, since it is slow.
    fn of(bench: &Bench<'_>) -> Self {
        if bench.thorough && bench.compute.device() != Device::Emulated {
            Self { models: 16, rows: usize::MAX, rounds: 20, large_rows: 50_000, large_rounds: 5 }
        } else {
            Self { models: 2, rows: 400, rounds: 5, large_rows: 6000, large_rounds: 2 }
        }
    }
}

/// Of the rows of a job that is compared, the newest, one in so many, are for validation, and training stops early.
const VALIDATION_SHARE: usize = 5;
const PATIENCE: u32 = 3;

/// Bins and codes of the rows of all small jobs, per job.
pub fn bins(bench: &Bench<'_>, data: &Data, sizes: &Sizes) -> Result<Row, CommandFailure> {
    let jobs = small_jobs(data, sizes);
    let table = table(data);
    let cells = jobs.iter().map(|job| job.train.len() * COUNT).sum::<usize>();
    let work = Work {
        stage: "bins",
        computed: format!(
            "cuts and codes of {} sets of {} rows × {COUNT} features{}",
            of(jobs.len(), FULL.jobs),
            of(sizes.job_rows, FULL.job_rows),
            left_to_cpu(bench, &jobs[0])
        ),
        unit: "values",
        items: cells as u64,
        bytes: Some((cells * (4 + 1)) as u64),
    };
    let compare = || {
        let few = first(&jobs, bench);
        let expected = bench.reference(|| bin_on(&Compute::cpu(), table, few))??;
        let actual = bin_on(bench.compute, table, few)?;
        // The codes are compared in the rows below, through the forests trained on them.
        let slice = format!("cuts of {} sets", few.len());
        Ok(Comparison { slice, actual: bits::cuts(&actual), expected: bits::cuts(&expected) })
    };
    bench.row(work, compare, |_| Ok(bin_on(bench.compute, table, &jobs)?))
}

/// Many jobs, each for one block. Also returns their forests, for [`predict`].
pub fn many(bench: &Bench<'_>, data: &Data, sizes: &Sizes) -> Result<(Row, Vec<Forest>), CommandFailure> {
    let jobs = small_jobs(data, sizes);
    let mut forests = Vec::new();
    let work = Work {
        stage: "boost",
        computed: format!(
            "{} jobs of {} rows × {COUNT} features, {} rounds, depth {MAX_DEPTH}{}",
            of(jobs.len(), FULL.jobs),
            of(sizes.job_rows, FULL.job_rows),
            of(sizes.job_rounds as usize, FULL.job_rounds as usize),
            left_to_cpu(bench, &jobs[0])
        ),
        unit: "models",
        items: jobs.len() as u64,
        bytes: None,
    };
    let slice = Slice::of(bench);
    let cut = |(number, job): (usize, &BoostJob)| {
        let job = cut(job, slice.rows, slice.rounds);
        // Every second one as at night.
        if number % 2 == 1 { with_validation(job) } else { job }
    };
    let few: Vec<BoostJob> = first(&jobs, bench).iter().enumerate().map(cut).collect();
    let row = bench.row(
        work,
        || compare(bench, data, &few),
        // Returns the forests of the previous round, so that dropping them is not timed.
        |_| Ok(std::mem::replace(&mut forests, train(bench.compute, data, &jobs)?)),
    )?;
    Ok((row, forests))
}

/// Forests like those of [`many`], only as many as [`predict`] needs.
pub fn some(bench: &Bench<'_>, data: &Data, sizes: &Sizes) -> Result<Vec<Forest>, CommandFailure> {
    let jobs = small_jobs(data, sizes);
    train(bench.compute, data, &jobs[..jobs.len().min(sizes.predict_models)])
}

/// One job with more rows than one block can hold.
pub fn large(bench: &Bench<'_>, data: &Data, sizes: &Sizes) -> Result<Row, CommandFailure> {
    let panel = &data.panel;
    // All bars but each symbol's last one: a label needs the next bar.
    let rows = (0..panel.symbols.len()).flat_map(|symbol| (0..panel.bars - 1).map(move |bar| (symbol, bar)));
    let job = job(data, "large", rows.take(sizes.large_rows), sizes.large_rounds);
    let work = Work {
        stage: "large",
        computed: format!(
            "1 job of {} rows × {COUNT} features, {} rounds, depth {MAX_DEPTH}{}",
            of(sizes.large_rows, FULL.large_rows),
            of(sizes.large_rounds as usize, FULL.large_rounds as usize),
            left_to_cpu(bench, &job)
        ),
        unit: "rows × rounds",
        items: sizes.large_rows as u64 * u64::from(sizes.large_rounds),
        bytes: None,
    };
    let slice = Slice::of(bench);
    let few = [with_validation(cut(&job, slice.large_rows, slice.large_rounds))];
    let jobs = [job];
    bench.row(work, || compare(bench, data, &few), |_| train(bench.compute, data, &jobs))
}

/// Raw scores of the forests of [`many`], for many rows each.
pub fn predict(bench: &Bench<'_>, data: &Data, sizes: &Sizes, forests: &[Forest]) -> Result<Row, CommandFailure> {
    let table = table(data);
    let rows: Vec<u32> = (0..table.rows().min(sizes.predict_rows) as u32).collect();
    let forests = &forests[..forests.len().min(sizes.predict_models)];
    let jobs: Vec<PredictJob<'_>> = forests.iter().map(|forest| PredictJob { forest, rows: &rows }).collect();
    let trees: usize = forests.iter().map(|forest| forest.trees.len()).sum();
    let work = Work {
        stage: "predict",
        computed: format!(
            "{} models of {} trees of depth {MAX_DEPTH}, {} rows each",
            of(forests.len(), FULL.predict_models),
            of(trees / forests.len().max(1), FULL.job_rounds as usize),
            of(rows.len(), FULL.predict_rows)
        ),
        unit: "rows × trees",
        items: (rows.len() * trees) as u64,
        bytes: None,
    };
    let compare = || {
        let slice = Slice::of(bench);
        let some = &rows[..rows.len().min(slice.large_rows)];
        let few: Vec<PredictJob<'_>> =
            forests.iter().take(slice.models).map(|f| PredictJob { forest: f, rows: some }).collect();
        let expected = bench.reference(|| boost::raw_scores(table, &few))?;
        let actual = device::raw_scores_on(bench.compute, table, &few)?;
        let slice = format!("{} models × {} rows", few.len(), thousands(some.len() as u64));
        Ok(Comparison { slice, actual: bits::f64s(&actual.concat()), expected: bits::f64s(&expected.concat()) })
    };
    bench.row(work, compare, |_| Ok(device::raw_scores_on(bench.compute, table, &jobs)?))
}

fn table(data: &Data) -> Table<'_> {
    Table { values: &data.features.values, features: COUNT }
}

fn first<'a>(jobs: &'a [BoostJob], bench: &Bench<'_>) -> &'a [BoostJob] {
    &jobs[..jobs.len().min(Slice::of(bench).models)]
}

/// A remark for the row if the device leaves the job to the CPU.
fn left_to_cpu(bench: &Bench<'_>, job: &BoostJob) -> String {
    match device::plan(job, COUNT) {
        Plan::Cpu(why) if bench.compute.device() != Device::Cpu => format!("; BY THE CPU: {why}"),
        _ => String::new(),
    }
}

/// One job per window of a symbol. The windows of one symbol may overlap; no two are the same.
fn small_jobs(data: &Data, sizes: &Sizes) -> Vec<BoostJob> {
    let (_, step) = sizes.windows();
    let one = |number: usize| {
        let symbol = number % sizes.symbols;
        let start = number / sizes.symbols * step;
        let rows = (start..start + sizes.job_rows).map(|bar| (symbol, bar));
        job(data, &format!("job {number}"), rows, sizes.job_rounds)
    };
    (0..sizes.jobs).map(one).collect()
}

/// A job that learns from these symbols and bars whether the next bar closes higher.
fn job(data: &Data, name: &str, rows: impl Iterator<Item = (usize, usize)>, rounds: u32) -> BoostJob {
    let Panel { bars, close, .. } = &data.panel;
    let (train, train_labels) = rows
        .map(|(symbol, bar)| {
            let row = symbol * bars + bar;
            (row as u32, f32::from(u8::from(close[row + 1] > close[row])))
        })
        .unzip();
    let params = BoostParams {
        rounds,
        learning_rate: 0.05,
        max_depth: MAX_DEPTH,
        min_child_hessian: 5.0,
        ..BoostParams::default()
    };
    BoostJob { name: name.to_owned(), train, train_labels, params, ..BoostJob::default() }
}

/// The job with fewer rows and rounds.
fn cut(job: &BoostJob, rows: usize, rounds: u32) -> BoostJob {
    let mut cut = job.clone();
    cut.train.truncate(rows);
    cut.train_labels.truncate(rows);
    cut.params.rounds = rounds.min(job.params.rounds);
    cut
}

/// The job with its newest rows for validation, by which it stops early.
fn with_validation(mut job: BoostJob) -> BoostJob {
    let kept = job.train.len() - job.train.len() / VALIDATION_SHARE;
    job.valid = job.train.split_off(kept);
    job.valid_labels = job.train_labels.split_off(kept);
    job.params.early_stopping = PATIENCE;
    job
}

fn compare(bench: &Bench<'_>, data: &Data, jobs: &[BoostJob]) -> Result<Comparison, CommandFailure> {
    let expected = bench.reference(|| train(&Compute::cpu(), data, jobs))??;
    let actual = train(bench.compute, data, jobs)?;
    let slice = format!(
        "digests of {} forests of {} rows and {} rounds",
        jobs.len(),
        thousands(jobs[0].train.len() as u64),
        jobs[0].params.rounds
    );
    Ok(Comparison { slice, actual: bits::forests(&actual), expected: bits::forests(&expected) })
}

fn train(compute: &Compute, data: &Data, jobs: &[BoostJob]) -> Result<Vec<Forest>, CommandFailure> {
    let (forests, _) = device::train_on(compute, table(data), &features::names(), jobs, &|| true, &|_| ())?;
    forests.into_iter().collect::<Result<Vec<_>, BoostError>>().or_exit(Code::Failed)
}
