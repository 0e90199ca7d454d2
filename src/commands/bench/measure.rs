//! One row of the table: equal bits first, then time.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;

use crate::engine::{Compute, Device, KernelTime, Stage};
use crate::exit::{Code, Failure};
use crate::ui::{Step, Ui};

/// Rounds at least, unless one alone takes longer than all may.
const FEWEST_ROUNDS: usize = 3;
const MOST_ROUNDS: usize = 1000;

/// What is measured.
pub struct Work {
    pub stage: &'static str,
    /// What is computed, with its sizes.
    pub computed: String,
    /// What is counted.
    pub unit: &'static str,
    pub items: u64,
    /// The fewest bytes that must be read and written; none where bytes tell nothing.
    pub bytes: Option<u64>,
}

/// The bits of a small piece of the work, by the device and by the reference.
pub struct Compared {
    pub slice: String,
    pub found: Vec<u8>,
    pub wanted: Vec<u8>,
}

/// One stage, measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    pub stage: &'static str,
    pub computed: String,
    /// `cpu`, `emulated`, `cuda:N`.
    pub device: String,
    pub unit: &'static str,
    pub items: u64,
    pub bytes: Option<u64>,
    pub rounds: usize,
    /// Whether a round went before those that count.
    pub warm: bool,
    /// Seconds of the whole call, with the way to the device and back.
    pub best_s: f64,
    pub median_s: f64,
    /// Seconds of the kernels alone; none on the CPU, and where the device left the work to it.
    pub kernels_best_s: Option<f64>,
    pub kernels_median_s: Option<f64>,
    /// Of the best whole call.
    pub items_per_s: f64,
    /// Of the best round's kernels, on the CPU of its best call.
    pub bytes_per_s: Option<f64>,
    /// `bytes_per_s` over the measured copy bandwidth.
    pub of_copy: Option<f64>,
    /// What was compared before anything was timed, and found equal.
    pub equal: String,
}

/// What all rows share.
pub struct Bench<'a> {
    pub compute: &'a Compute,
    pub ui: &'a Ui,
    /// Seconds that each row measures for.
    pub seconds: f64,
    /// Bytes read and written a second, once they have been measured.
    copy_bytes_per_s: Cell<Option<f64>>,
    kernels: RefCell<BTreeMap<&'static str, KernelTime>>,
}

/// Seconds of rounds.
struct Samples {
    warm: bool,
    whole: Vec<f64>,
    kernels: Option<Vec<f64>>,
}

impl<'a> Bench<'a> {
    pub fn new(compute: &'a Compute, ui: &'a Ui, seconds: f64) -> Self {
        Self { compute, ui, seconds, copy_bytes_per_s: Cell::default(), kernels: RefCell::default() }
    }

    /// What the device's bits are held against: the CPU, or where that is the device, one of its threads alone.
    pub fn reference<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Failure> {
        if self.compute.device() != Device::Cpu {
            return Ok(work());
        }
        Ok(rayon::ThreadPoolBuilder::new().num_threads(1).build()?.install(work))
    }

    /// Time of each kernel over all rounds that counted, longest first.
    pub fn kernels(&self) -> Vec<KernelTime> {
        let mut kernels: Vec<KernelTime> = self.kernels.borrow().values().copied().collect();
        kernels.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        kernels
    }

    pub fn copy_bytes_per_s(&self) -> Option<f64> {
        self.copy_bytes_per_s.get()
    }

    /// From now on rows are held against this row's bytes a second.
    pub fn limit_is(&self, row: &mut Row) {
        self.copy_bytes_per_s.set(row.bytes_per_s);
        row.of_copy = row.bytes_per_s.map(|_| 1.0);
    }

    /// Compares, then measures; what a round gives is dropped after its time was taken.
    ///
    /// # Errors
    /// Bits that differ: nothing is timed then. What `round` says.
    pub fn row<T>(
        &self,
        work: Work,
        compare: impl FnOnce() -> Result<Compared, Failure>,
        mut round: impl FnMut(&Step) -> Result<T, Failure>,
    ) -> Result<Row, Failure> {
        let step = self.ui.step(work.stage, None);
        step.note("comparing");
        let equal = self.equal(work.stage, &compare()?)?;
        step.note(&work.computed);
        let samples = self.samples(|| round(&step))?;
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

    fn equal(&self, stage: &str, Compared { slice, found, wanted }: &Compared) -> Result<String, Failure> {
        let device = self.compute.device();
        let other = if device == Device::Cpu { "one thread" } else { "the CPU" };
        if found.is_empty() && wanted.is_empty() {
            return Err(Failure::new(Code::Failed, format!("{stage}: {slice} has no bits that could be compared")));
        }
        if found == wanted {
            return Ok(format!("{slice}: the bits of {other}"));
        }
        let at = found.iter().zip(wanted).position(|(a, b)| a != b).unwrap_or(found.len().min(wanted.len()));
        Err(Failure::new(
            Code::Failed,
            format!(
                "{stage} on {device}: {slice} do not have the bits of {other} (byte {at} of {} and {}); nothing of it was \
                 timed. This is a fault of the program or of the device: report it, and use --device cpu until then",
                found.len(),
                wanted.len()
            ),
        ))
    }

    fn samples<T>(&self, mut round: impl FnMut() -> Result<T, Failure>) -> Result<Samples, Failure> {
        let begin = |stage: &Stage<'_>| {
            stage.time_launches();
            Ok(())
        };
        self.compute.run("bench", begin, || ())?;
        // What was launched before this does not count.
        self.launches()?;
        let mut once = || -> Result<(f64, Option<Vec<KernelTime>>), Failure> {
            let begun = Instant::now();
            let done = round()?;
            let whole = begun.elapsed().as_secs_f64();
            drop(done);
            Ok((whole, self.launches()?))
        };
        let first = once()?;
        let mut rounds = Vec::new();
        let warm = first.0 < self.seconds;
        if warm {
            let begun = Instant::now();
            while rounds.len() < FEWEST_ROUNDS
                || (begun.elapsed().as_secs_f64() < self.seconds && rounds.len() < MOST_ROUNDS)
            {
                rounds.push(once()?);
            }
        } else {
            rounds.push(first);
        }
        let kernels: Option<Vec<f64>> = rounds
            .iter()
            // What launched nothing was left to the CPU.
            .map(|(_, kernels)| kernels.as_ref().filter(|kernels| !kernels.is_empty()))
            .map(|kernels| kernels.map(|kernels| kernels.iter().map(|one| one.seconds).sum()))
            .collect();
        for one in rounds.iter().filter_map(|(_, kernels)| kernels.as_ref()).flatten() {
            let mut all = self.kernels.borrow_mut();
            let sum = all.entry(one.kernel).or_insert(KernelTime { launches: 0, seconds: 0.0, ..*one });
            sum.launches += one.launches;
            sum.seconds += one.seconds;
        }
        Ok(Samples { warm, whole: rounds.into_iter().map(|(whole, _)| whole).collect(), kernels })
    }

    /// Launches since the last call; none on the CPU.
    fn launches(&self) -> Result<Option<Vec<KernelTime>>, Failure> {
        Ok(self.compute.run("bench", |stage| stage.launch_times().map(Some), || None)?)
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

    fn compared(found: u8) -> Result<Compared, Failure> {
        Ok(Compared { slice: "2 symbols".into(), found: vec![1, found], wanted: vec![1, 2] })
    }

    #[test]
    fn a_difference_ends_the_row_with_code_1_before_anything_is_timed() {
        let compute = Compute::cpu();
        let ui = Ui::hidden();
        let bench = Bench::new(&compute, &ui, 0.01);
        let timed = Cell::new(0);
        let round = |_: &Step| {
            timed.set(timed.get() + 1);
            Ok(())
        };
        let failure = bench.row(work(), || compared(3), round).unwrap_err();
        assert_eq!((failure.code, timed.get()), (Code::Failed, 0));
        let said = failure.error.to_string();
        assert!(said.contains("features on cpu: 2 symbols do not have the bits of one thread (byte 1 of 2"), "{said}");
        let nothing = || Ok(Compared { slice: "0 symbols".into(), found: vec![], wanted: vec![] });
        assert!(bench.row(work(), nothing, round).is_err(), "nothing compared is not equal");
        assert_eq!(timed.get(), 0);
        let row = bench.row(work(), || compared(2), round).unwrap();
        // One round to warm up, which does not count.
        assert!(row.rounds >= 3 && row.warm && timed.get() == row.rounds + 1);
        assert_eq!((row.equal.as_str(), row.kernels_best_s), ("2 symbols: the bits of one thread", None));
    }

    #[test]
    fn a_round_longer_than_the_time_there_is_counts_alone() {
        let compute = Compute::cpu();
        let ui = Ui::hidden();
        let bench = Bench::new(&compute, &ui, 0.0);
        let row = bench.row(work(), || compared(2), |_| Ok(())).unwrap();
        assert_eq!((row.rounds, row.warm), (1, false));
    }

    #[test]
    fn rows_are_held_against_the_copy() {
        let compute = Compute::cpu();
        let ui = Ui::hidden();
        let bench = Bench::new(&compute, &ui, 0.0);
        let mut copy = bench.row(work(), || compared(2), |_| Ok(())).unwrap();
        assert_eq!(copy.of_copy, None);
        (copy.bytes_per_s, copy.bytes) = (Some(1e3), Some(1));
        bench.limit_is(&mut copy);
        let row = bench.row(work(), || compared(2), |_| Ok(())).unwrap();
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
    fn the_device_s_kernels_are_told_apart_from_the_whole_call() {
        let engine = crate::engine::Engine::emulated(7, 1 << 30).unwrap();
        let compute = Compute::on(engine, false);
        let ui = Ui::hidden();
        let bench = Bench::new(&compute, &ui, 0.0);
        let round = |_: &Step| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            let copied = |stage: &Stage<'_>| {
                let from = stage.upload(&[1_u32; 1000])?;
                let mut to = stage.zeros::<u32>(1000)?;
                stage.copy(&from, &mut to)?;
                stage.download(&to)
            };
            assert_eq!(compute.run("bench", copied, Vec::new)?, [1_u32; 1000]);
            Ok(())
        };
        let row = bench.row(work(), || compared(2), round).unwrap();
        let kernels = row.kernels_best_s.unwrap();
        // The sleep is part of the call alone, however busy the machine is.
        assert!(kernels > 0.0 && row.best_s - kernels >= 0.02, "{row:?}");
        let found = bench.kernels();
        assert_eq!((found.len(), found[0].kernel, found[0].launches), (1, "copy", 1));
        assert_eq!(row.bytes_per_s, Some(20.0 / kernels));
    }
}
