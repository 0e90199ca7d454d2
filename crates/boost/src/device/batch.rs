//! A batch of models, sorted by what trains them, and each part's training.

use super::plan::{Plan, plan_for};
use super::unpack::ModelResult;
use super::{blocks, levels, sets};
use crate::instructions;
use crate::{BoostError, Table, Task, cpu};
use huracan_engine::memory::Requirement;
use huracan_engine::{Device, EngineError, Stage};

/// How many sets should fit the free memory, at least: batches are then of about equal size.
const SETS_PER_MEMORY: u64 = 8;

/// Blocks of small models that share a multiprocessor, by their registers (`kernels/resources.txt`).
const BLOCKS_PER_MULTIPROCESSOR: u64 = 2;

/// The result of each of some tasks, with the task's index.
pub(super) type Trained<T> = Vec<(usize, Result<T, BoostError>)>;

/// Tasks on the rows of one table.
pub(super) struct Batch<'a> {
    pub table: Table<'a>,
    /// Names of the table's columns.
    pub names: &'a [String],
    /// Their penalties are absolute.
    pub tasks: &'a [Task<'a>],
    /// Once it returns false, nothing is started.
    pub keep_going: &'a (dyn Fn() -> bool + Sync),
    /// Called with the index of each task that has ended.
    pub done: &'a (dyn Fn(usize) + Sync),
}

/// The indices of tasks by what trains them.
pub(super) struct Sorted<T> {
    /// Those that cannot be trained.
    pub faults: Trained<T>,
    /// One block each, in sets that have the same rows.
    pub small: Vec<Vec<usize>>,
    /// Level by level. Those that have the same rows are neighbours.
    pub large: Vec<usize>,
    /// By the CPU.
    pub others: Vec<usize>,
}

impl Batch<'_> {
    /// Checks the tasks, and sorts them.
    pub fn sort<T>(&self) -> Sorted<T> {
        let (mut small, mut large, mut others, mut faults) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (index, task) in self.tasks.iter().enumerate() {
            match task.job.check(task.params, self.table) {
                Err(error) => {
                    (self.done)(index);
                    faults.push((index, Err(error)));
                }
                Ok(()) => match plan_for(*task, self.table.features) {
                    Plan::Block => small.push(index),
                    Plan::Levels => large.push(index),
                    Plan::Cpu(_) => others.push(index),
                },
            }
        }
        Sorted { faults, small: sets(self.tasks, &small), large: sets(self.tasks, &large).concat(), others }
    }

    /// What some tasks cost: rows times rounds.
    pub fn cost(&self, indices: &[usize]) -> u64 {
        let one = |&index: &usize| {
            let Task { job, params } = &self.tasks[index];
            (job.train.len() + job.valid.len()) as u64 * u64::from(params.rounds)
        };
        indices.iter().map(one).sum()
    }

    /// Splits sets, so that none costs more than `1 / count` of all. Each piece bins the set's rows again.
    pub fn pieces(&self, sets: Vec<Vec<usize>>, count: usize) -> Vec<Vec<usize>> {
        let most = sets.iter().map(|set| self.cost(set)).sum::<u64>() / count as u64;
        split(sets, |_| 0, |index| self.cost(&[index]), |_| most)
    }

    /// The memory that small sets need on a device; the table besides.
    pub fn small_memory(&self, sets: &[Vec<usize>]) -> Requirement {
        let most = sets.iter().map(|set| blocks::bytes(self.tasks, set, self.table.features)).max();
        Requirement { fixed_bytes: 0, job_bytes: most.unwrap_or(0) }
    }

    /// The memory that large tasks need on a device; the table besides, if it fits.
    pub fn large_memory(&self, device: Device, indices: &[usize]) -> Requirement {
        let most = indices.iter().map(|&index| levels::bytes(device, &self.tasks[index], self.table.features)).max();
        Requirement { fixed_bytes: 0, job_bytes: most.unwrap_or(0) }
    }

    /// Trains sets of small tasks on a device.
    pub fn small<T: ModelResult>(&self, stage: &Stage<'_>, sets: &[Vec<usize>]) -> Result<Trained<T>, EngineError> {
        let mut results = Vec::new();
        if sets.is_empty() || !(self.keep_going)() {
            return Ok(results);
        }
        let values = stage.resident(self.table.values)?;
        let features = self.table.features;
        // Sets whose tasks take too much, as those of a search do, become several sets of the same rows. The rows may take at
        // most half of a set's memory.
        let max_bytes = stage.limits()?.free_bytes / SETS_PER_MEMORY;
        let row_bytes = |set: &[usize]| blocks::row_bytes(&self.tasks[set[0]], features);
        let task_bytes = |index: usize| blocks::task_bytes(&self.tasks[index]);
        let sets = split(sets.to_vec(), row_bytes, task_bytes, |set| max_bytes.max(2 * row_bytes(set)));
        // As few models as run at a time on the largest GPU.
        let most = BLOCKS_PER_MULTIPROCESSOR * u64::from(stage.limits()?.multiprocessors.max(1));
        let mut sets = split(sets, |_| 0, |_| 1, |_| most);
        // Blocks begin in their order: the longest jobs first, so that none of them is left alone at the end.
        sets.sort_by_key(|set| std::cmp::Reverse(set.iter().map(|&index| self.cost(&[index])).max()));
        // A launch trains its models from the first tree to the last, and cannot be stopped.
        let sizes = sets.iter().map(|set| (set.len() as u64, self.cost(set))).collect();
        let batches = stage.batches(self.small_memory(&sets), sets.len())?.of_work("boost, small models").paced(sizes);
        for batch in batches {
            if !(self.keep_going)() {
                break;
            }
            let trained = blocks::train(stage, &values, features, self.names, self.tasks, &sets[batch])?;
            self.keep(&mut results, trained);
        }
        Ok(results)
    }

    /// Trains large tasks on a device. They do without the table there if it would take too much memory.
    pub fn large<T: ModelResult>(&self, stage: &Stage<'_>, indices: &[usize]) -> Result<Trained<T>, EngineError> {
        let mut results = Vec::new();
        if indices.is_empty() || !(self.keep_going)() {
            return Ok(results);
        }
        let fits = size_of_val(self.table.values) as u64 <= stage.limits()?.free_bytes / 2;
        let values = fits.then(|| stage.resident(self.table.values)).transpose()?;
        for batch in stage.batches(self.large_memory(stage.device(), indices), indices.len())? {
            if !(self.keep_going)() {
                break;
            }
            let sets = sets(self.tasks, &indices[batch]);
            let table = (self.table, values.as_deref());
            self.keep(&mut results, levels::train(stage, table, self.names, self.tasks, &sets, self.keep_going)?);
        }
        Ok(results)
    }

    fn keep<T>(&self, results: &mut Trained<T>, trained: Vec<(usize, T)>) {
        trained.iter().for_each(|&(index, _)| (self.done)(index));
        results.extend(trained.into_iter().map(|(index, result)| (index, Ok(result))));
    }

    /// Trains tasks on the CPU.
    pub fn on_cpu<T: ModelResult>(&self, indices: &[usize]) -> Trained<T> {
        let tasks: Vec<Task> = indices.iter().map(|&index| self.tasks[index]).collect();
        let finish = |place: usize, forest: Result<_, BoostError>| {
            (self.done)(indices[place]);
            forest.map(T::from_forest)
        };
        let results = cpu::train_tasks(instructions::used(), self.table, self.names, &tasks, self.keep_going, &finish);
        indices.iter().copied().zip(results).collect()
    }

    /// The results in the order of the tasks; those without one were cancelled.
    pub fn in_order<T>(&self, trained: Trained<T>) -> Vec<Result<T, BoostError>> {
        let mut results: Vec<Option<Result<T, BoostError>>> = self.tasks.iter().map(|_| None).collect();
        trained.into_iter().for_each(|(index, result)| results[index] = Some(result));
        let cancelled = |task: &Task<'_>| Err(BoostError::Cancelled { job: task.job.name.clone() });
        results.into_iter().zip(self.tasks).map(|(result, task)| result.unwrap_or_else(|| cancelled(task))).collect()
    }
}

/// Splits sets into pieces of at most `most` of what `of_task` measures, and `of_set` once for each piece; a task alone may have
/// more.
fn split(
    sets: Vec<Vec<usize>>,
    of_set: impl Fn(&[usize]) -> u64,
    of_task: impl Fn(usize) -> u64,
    most: impl Fn(&[usize]) -> u64,
) -> Vec<Vec<usize>> {
    let mut out = Vec::with_capacity(sets.len());
    for set in sets {
        let (own, most) = (of_set(&set), most(&set));
        let (mut piece, mut sum) = (Vec::new(), own);
        for index in set {
            let more = of_task(index);
            if sum + more > most && !piece.is_empty() {
                out.push(std::mem::take(&mut piece));
                sum = own;
            }
            sum += more;
            piece.push(index);
        }
        out.push(piece);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Batch, split};
    use crate::{BoostJob, BoostParams, Table, Task};

    /// Every device gets some of a search, whose tasks are many and have few sets of rows.
    #[test]
    fn pieces_cost_a_share_of_all_at_most() {
        let job = BoostJob { train: (0..90).collect(), valid: (90..100).collect(), ..BoostJob::default() };
        let params = [10, 10, 10, 10, 20, 20].map(|rounds| BoostParams { rounds, ..BoostParams::default() });
        let tasks: Vec<Task> = params.iter().map(|params| Task { job: &job, params }).collect();
        let table = Table { values: &[], features: 0 };
        let batch = Batch { table, names: &[], tasks: &tasks, keep_going: &|| true, done: &|_| () };
        assert_eq!(batch.cost(&[0, 4]), 100 * 10 + 100 * 20);
        let set = vec![vec![0, 1, 2, 3, 4, 5]];
        assert_eq!(batch.pieces(set.clone(), 4), [vec![0, 1], vec![2, 3], vec![4], vec![5]]);
        assert_eq!(batch.pieces(set.clone(), 2), [vec![0, 1, 2, 3], vec![4, 5]]);
        assert_eq!(batch.pieces(set.clone(), 1), set);
    }

    #[test]
    fn sets_are_split_where_they_take_too_much_and_a_large_task_is_alone() {
        let sets = vec![vec![3, 4, 5], vec![1], vec![20, 1, 1, 30]];
        let found = split(sets, |_| 2, |task| task as u64, |_| 10);
        assert_eq!(found, [vec![3, 4], vec![5], vec![1], vec![20], vec![1, 1], vec![30]]);
    }
}
