//! Measures one row: first compares bits, then takes the time.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;

use crate::engine::{Compute, Device, KernelTime};
use crate::exit::{Code, CommandFailure};
use crate::ui::{Step, Ui};

/// Minimum number of rounds, unless the first one alone takes longer than the whole measurement should.
const MIN_ROUNDS: usize = 3;
const MAX_ROUNDS: usize = 1000;

/// What is measured.
pub struct Work {
    pub stage: &'static str,
    /// What is computed, with its sizes, in words.
    pub computed: String,
    /// What `items` counts.
    pub unit: &'static str,
    pub items: u64,
    /// The fewest bytes that must be read and written; none where memory is not the limit.
    pub bytes: Option<u64>,
}

/// The bits of a small part of the work, from the device and from the reference.
pub struct Comparison {
    /// The part, in words.
    pub slice: String,
    pub actual: Vec<u8>,
    pub expected: Vec<u8>,
}

/// The measurement of one stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Name of the stage.
    pub stage: &'static str,
    /// What was computed, with its sizes, in words.
    pub computed: String,
    /// `cpu`, `emulated` or `cuda:N`.
    pub device: String,
    /// What `items` counts.
    pub unit: &'static str,
    /// Items per round.
    pub items: u64,
    /// The fewest bytes that a round must read and write; none where memory is not the limit.
    pub bytes: Option<u64>,
    /// Rounds that were timed.
    pub rounds: usize,
    /// Whether there was a round before those that were timed.
    pub warm: bool,
    /// Seconds of the best whole call, transfers to the device and back included.
    pub best_s: f64,
    /// The median of the whole calls.
    pub median_s: f64,
    /// Seconds of the kernels alone in the best round; none on the CPU, and if the device left the work to it.
    pub kernels_best_s: Option<f64>,
    /// The median of the kernels alone.
    pub kernels_median_s: Option<f64>,
    /// Items per second of the best whole call.
    pub items_per_s: f64,
    /// Bytes per second of the best round's kernels, or without kernels of the best call.
    pub bytes_per_s: Option<f64>,
    /// `bytes_per_s` as a share of the measured copy bandwidth.
    pub of_copy: Option<f64>,
    /// What was compared, and found equal, before the measurement.
    pub equal: String,
}

/// What all measurements share.
pub struct Bench<'a> {
    pub compute: &'a Compute,
    pub ui: &'a Ui,
    /// Seconds of measurement per row.
    pub seconds: f64,
    /// Whether as much is compared before the measurement as takes a second or two.
    pub thorough: bool,
    /// Bytes read and written per second by the copy, once it has been measured.
    copy_bytes_per_s: Cell<Option<f64>>,
    kernels: RefCell<BTreeMap<&'static str, KernelTime>>,
}

/// Seconds per round.
struct Samples {
    warm: bool,
    whole: Vec<f64>,
    kernels: Option<Vec<f64>>,
}

impl<'a> Bench<'a> {
    pub fn new(compute: &'a Compute, ui: &'a Ui, seconds: f64, thorough: bool) -> Self {
        Self { compute, ui, seconds, thorough, copy_bytes_per_s: Cell::default(), kernels: RefCell::default() }
    }

    /// Computes the reference that the device's bits are compared with: on the CPU, or if that is the device, on one thread.
    pub fn reference<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, CommandFailure> {
        if self.compute.device() != Device::Cpu {
            return Ok(work());
        }
        Ok(rayon::ThreadPoolBuilder::new().num_threads(1).build()?.install(work))
    }

    /// Time per kernel over all timed rounds, longest first.
    pub fn kernels(&self) -> Vec<KernelTime> {
        let mut kernels: Vec<KernelTime> = self.kernels.borrow().values().copied().collect();
        kernels.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        kernels
    }

    pub fn copy_bytes_per_s(&self) -> Option<f64> {
        self.copy_bytes_per_s.get()
    }

    /// Makes this row's bytes per second the bandwidth that later rows are compared with.
    pub fn set_copy_bandwidth(&self, row: &mut Row) {
        self.copy_bytes_per_s.set(row.bytes_per_s);
        row.of_copy = row.bytes_per_s.map(|_| 1.0);
    }

    /// Compares, then measures. The result of a round is dropped after its time was taken.
    ///
    /// # Errors
    /// Bits that differ, before anything is timed, and the errors of `compare` and `round`.
    pub fn row<T>(
        &self,
        work: Work,
        compare: impl FnOnce() -> Result<Comparison, CommandFailure>,
        mut round: impl FnMut(&Step) -> Result<T, CommandFailure>,
    ) -> Result<Row, CommandFailure> {
        let step = self.ui.step(work.stage, None);
        step.note("comparing");
        let equal = self.equal(work.stage, &compare()?)?;
        step.note(&work.computed);
        let samples = self.samples(|| round(&step));
        if let Some(why) = self.compute.loss_reason() {
            let lost = format!("{}: a device was lost, so nothing was measured: {why}", work.stage);
            return Err(CommandFailure::new(Code::Failed, lost));
        }
        let samples = samples?;
        step.done();
        let (best_s, median_s) = best_and_median(&samples.whole);
        let (kernels_best_s, kernels_median_s) = samples.kernels.as_deref().map(best_and_median).unzip();
        let bytes_per_s = work.bytes.map(|bytes| bytes as f64 / kernels_best_s.unwrap_or(best_s));
        Ok(Row {
            stage: work.stage,
            computed: work.computed,
            device: self.compute.device().to_string(),
            unit: work.unit,
            items: work.items,
            bytes: work.bytes,
            rounds: samples.whole.len(),
            warm: samples.warm,
            best_s,
            median_s,
            kernels_best_s,
            kernels_median_s,
            items_per_s: work.items as f64 / best_s,
            bytes_per_s,
            of_copy: bytes_per_s.zip(self.copy_bytes_per_s.get()).map(|(rate, copy)| rate / copy),
            equal,
        })
    }

    fn equal(&self, stage: &str, comparison: &Comparison) -> Result<String, CommandFailure> {
        let Comparison { slice, actual, expected } = comparison;
        let device = self.compute.device();
        let reference = if device == Device::Cpu { "one thread" } else { "the CPU" };
        if actual.is_empty() && expected.is_empty() {
            return Err(CommandFailure::new(Code::Failed, format!("{stage}: {slice}: there is nothing to compare")));
        }
        if actual == expected {
            return Ok(format!("{slice}: the bits of {reference}"));
        }
        let at = actual.iter().zip(expected).position(|(a, b)| a != b).unwrap_or(actual.len().min(expected.len()));
        Err(CommandFailure::new(
            Code::Failed,
            format!(
                "{stage} on {device}: {slice} do not have the bits of {reference} (byte {at} of {} and {}); nothing was \
                 timed. This is a bug of the program or a fault of the device: report it, and use --device cpu meanwhile",
                actual.len(),
                expected.len()
            ),
        ))
    }

    fn samples<T>(&self, mut round: impl FnMut() -> Result<T, CommandFailure>) -> Result<Samples, CommandFailure> {
        let mut whole = || -> Result<f64, CommandFailure> {
            let begun = Instant::now();
            let done = round()?;
            let seconds = begun.elapsed().as_secs_f64();
            drop(done);
            Ok(seconds)
        };
        self.time_launches(true)?;
        // Discards the launches before this.
        self.launches()?;
        let first = whole()?;
        let mut timed = vec![self.launches()?];
        let warm = first < self.seconds;
        let mut rounds = vec![first];
        if warm {
            rounds.clear();
            timed.clear();
            // Whole calls are timed as a run makes them, without events around their launches.
            self.time_launches(false)?;
            let begun = Instant::now();
            while rounds.len() < MIN_ROUNDS
                || (begun.elapsed().as_secs_f64() < self.seconds && rounds.len() < MAX_ROUNDS)
            {
                rounds.push(whole()?);
            }
            self.time_launches(true)?;
            while self.compute.devices_left() > 0 && timed.len() < MIN_ROUNDS {
                whole()?;
                timed.push(self.launches()?);
            }
        }
        Ok(Samples { warm, whole: rounds, kernels: self.kernel_times(&timed) })
    }

    /// Seconds of the kernels in each of some rounds, whose launches are given by device; none if the CPU did the work.
    fn kernel_times(&self, rounds: &[Vec<Vec<KernelTime>>]) -> Option<Vec<f64>> {
        for one in rounds.iter().flatten().flatten() {
            let mut all = self.kernels.borrow_mut();
            let sum = all.entry(one.kernel).or_insert(KernelTime { launches: 0, seconds: 0.0, ..*one });
            sum.launches += one.launches;
            sum.seconds += one.seconds;
        }
        // Of several devices, which compute at the same time, the one that takes longest.
        let longest = |devices: &Vec<Vec<KernelTime>>| {
            let busy = devices.iter().filter(|kernels| !kernels.is_empty());
            busy.map(|kernels| kernels.iter().map(|one| one.seconds).sum()).reduce(f64::max)
        };
        // A round without launches was left to the CPU.
        let seconds: Option<Vec<f64>> = rounds.iter().map(longest).collect();
        seconds.filter(|seconds| !seconds.is_empty())
    }

    fn time_launches(&self, on: bool) -> Result<(), CommandFailure> {
        self.compute.on_each("bench", |stage| {
            stage.time_launches(on);
            Ok(())
        })?;
        Ok(())
    }

    /// Launches of each device since the last call.
    fn launches(&self) -> Result<Vec<Vec<KernelTime>>, CommandFailure> {
        Ok(self.compute.on_each("bench", |stage| stage.launch_times())?)
    }
}

fn best_and_median(seconds: &[f64]) -> (f64, f64) {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
    (sorted[0], median)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work() -> Work {
        Work { stage: "features", computed: "nothing".into(), unit: "values", items: 10, bytes: Some(20) }
    }

    fn comparison(actual: u8) -> Result<Comparison, CommandFailure> {
        Ok(Comparison { slice: "2 symbols".into(), actual: vec![1, actual], expected: vec![1, 2] })
    }

    #[test]
    fn a_difference_ends_the_row_with_code_1_before_anything_is_timed() {
        let compute = Compute::cpu();
        let ui = Ui::hidden();
        let bench = Bench::new(&compute, &ui, 0.01, false);
        let timed = Cell::new(0);
        let round = |_: &Step| {
            timed.set(timed.get() + 1);
            Ok(())
        };
        let failure = bench.row(work(), || comparison(3), round).unwrap_err();
        assert_eq!((failure.code, timed.get()), (Code::Failed, 0));
        let error = failure.error.to_string();
        assert!(
            error.contains("features on cpu: 2 symbols do not have the bits of one thread (byte 1 of 2"),
            "{error}"
        );
        let nothing = || Ok(Comparison { slice: "0 symbols".into(), actual: vec![], expected: vec![] });
        assert!(bench.row(work(), nothing, round).is_err(), "nothing compared is not equal");
        assert_eq!(timed.get(), 0);
        let row = bench.row(work(), || comparison(2), round).unwrap();
        // The round to warm up is not timed.
        assert!(row.rounds >= 3 && row.warm && timed.get() == row.rounds + 1);
        assert_eq!((row.equal.as_str(), row.kernels_best_s), ("2 symbols: the bits of one thread", None));
    }

    #[test]
    fn a_round_longer_than_the_measurement_is_the_only_one() {
        let compute = Compute::cpu();
        let ui = Ui::hidden();
        let bench = Bench::new(&compute, &ui, 0.0, false);
        let row = bench.row(work(), || comparison(2), |_| Ok(())).unwrap();
        assert_eq!((row.rounds, row.warm), (1, false));
    }

    #[test]
    fn rows_are_compared_with_the_copy() {
        let compute = Compute::cpu();
        let ui = Ui::hidden();
        let bench = Bench::new(&compute, &ui, 0.0, false);
        let mut copy = bench.row(work(), || comparison(2), |_| Ok(())).unwrap();
        assert_eq!(copy.of_copy, None);
        (copy.bytes_per_s, copy.bytes) = (Some(1e3), Some(1));
        bench.set_copy_bandwidth(&mut copy);
        let row = bench.row(work(), || comparison(2), |_| Ok(())).unwrap();
        assert_eq!(copy.of_copy, Some(1.0));
        assert_eq!(row.of_copy, Some(20.0 / row.best_s / 1e3));
    }

    #[test]
    fn the_median_is_the_middle_or_between_the_two() {
        assert_eq!(best_and_median(&[3.0, 1.0, 2.0]), (1.0, 2.0));
        assert_eq!(best_and_median(&[4.0, 1.0, 2.0, 3.0]), (1.0, 2.5));
    }

    #[cfg(feature = "emulated")]
    #[test]
    fn the_kernels_are_timed_apart_from_the_whole_call() {
        let engine = crate::engine::Engine::emulated(7, 1 << 30).unwrap();
        let compute = Compute::with_engine(engine, false);
        let ui = Ui::hidden();
        let bench = Bench::new(&compute, &ui, 0.0, false);
        let round = |_: &Step| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            let copied = |stage: &crate::engine::Stage<'_>| {
                let from = stage.upload(&[1_u32; 1000])?;
                let mut to = stage.zeros::<u32>(1000)?;
                stage.copy(&from, &mut to)?;
                stage.download(&to)
            };
            assert_eq!(compute.run("bench", copied, Vec::new)?, [1_u32; 1000]);
            Ok(())
        };
        let row = bench.row(work(), || comparison(2), round).unwrap();
        let kernels = row.kernels_best_s.unwrap();
        // Only the whole call includes the sleep, however busy the machine is.
        assert!(kernels > 0.0 && row.best_s - kernels >= 0.02, "{row:?}");
        let found = bench.kernels();
        assert_eq!((found.len(), found[0].kernel, found[0].launches), (1, "copy", 1));
        assert_eq!(row.bytes_per_s, Some(20.0 / kernels));
    }
}
