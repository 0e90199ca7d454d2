//! Hyperparameter search by successive halving (Jamieson and Talwalkar 2016), for all jobs of a batch at once.
//!
//! Every job tries its own parameters (the baseline) and configurations drawn from a grid, each for a share of the rounds. The
//! best third continues with three times as many rounds, and so on, until the last ones have had all of them. The baseline
//! takes part in every rung. Losses are those of the job's own validation rows. A configuration with half the learning rate
//! gets twice the rounds, so that all have learned equally far.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::device::{Plans, train_tasks_on};
use super::trial::Trial;
use super::{BoostError, BoostJob, BoostParams, Ensemble, Table, Task};
use huracan_base::arith::draw;
use huracan_engine::{Compute, EngineError};

/// The values that a search may give to each parameter; with an empty list it keeps the job's own.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Grid {
    /// Values of [`BoostParams::learning_rate`]; not used for random forests.
    pub learning_rate: Vec<f64>,
    /// Values of [`BoostParams::max_depth`].
    pub max_depth: Vec<u32>,
    /// Values of [`BoostParams::l2`].
    pub l2: Vec<f64>,
    /// Values of [`BoostParams::min_child_hessian`].
    pub min_child_hessian: Vec<f64>,
    /// Values of [`BoostParams::subsample`].
    pub subsample: Vec<f64>,
    /// Values of [`BoostParams::colsample`].
    pub colsample: Vec<f64>,
}

/// How to search.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// The values to choose from.
    pub grid: Grid,
    /// Configurations that each job tries, including the baseline.
    pub configurations: usize,
    /// The factor by which each rung has fewer configurations and more rounds; at least 2.
    pub halving: usize,
    /// Number of rungs, the last of which has all rounds; at least 1.
    pub rungs: u32,
    /// Seed of the draws from the grid.
    pub seed: u64,
}

impl Default for Search {
    /// 30 configurations of a grid that suits small, noisy tables, in three rungs, of which each keeps a third.
    fn default() -> Self {
        Self {
            grid: Grid {
                learning_rate: vec![0.02, 0.05, 0.1, 0.2],
                max_depth: vec![2, 3, 4, 6, 8],
                l2: vec![0.1, 1.0, 10.0, 100.0],
                min_child_hessian: vec![1e-3, 1.0, 5.0, 20.0],
                subsample: vec![0.5, 0.8, 1.0],
                colsample: vec![0.3, 0.6, 0.8, 1.0],
            },
            configurations: 30,
            halving: 3,
            rungs: 3,
            seed: 7,
        }
    }
}

/// What the search found for one job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchOutcome {
    /// The parameters to train with; the job's own if no others were better.
    pub params: BoostParams,
    /// Whether they differ from the job's own.
    #[serde(rename = "moved")]
    pub changed: bool,
    /// Validation loss with these parameters. It is biased downwards, because it was chosen for being the smallest.
    pub loss: f64,
    /// Validation loss with the job's own parameters.
    #[serde(rename = "own_loss")]
    pub baseline_loss: f64,
    /// Number of configurations tried.
    pub tried: usize,
    /// Rounds trained in the whole search.
    pub rounds: u64,
    /// Rounds that the job's own parameters took in the last rung.
    #[serde(rename = "own_rounds")]
    pub baseline_rounds: u64,
}

impl Search {
    /// Number of models that a search trains per job, if the grid has enough points.
    pub fn models(&self) -> usize {
        (0..self.rungs.max(1)).map(|rung| 1 + self.others(rung)).sum()
    }

    /// Number of configurations in a rung besides the baseline.
    fn others(&self, rung: u32) -> usize {
        let all = self.configurations.saturating_sub(1);
        (0..rung).fold(all, |left, _| left.div_ceil(self.halving.max(2)))
    }

    /// Points of the grid other than the job's own parameters, as many as the first rung takes, in an order that depends on the
    /// seed.
    fn drawn(&self, own: &BoostParams) -> Vec<BoostParams> {
        let points = self.grid.points(own);
        let mut order: Vec<(u64, usize)> =
            points.iter().enumerate().map(|(i, _)| (draw(self.seed, 1, i as u64), i)).collect();
        order.sort_unstable();
        let others = order.into_iter().map(|(_, i)| points[i].clone()).filter(|point| point != own);
        others.take(self.others(0)).collect()
    }

    /// Parameters for a rung: a share of the rounds, and more rounds the smaller the learning rate is than the job's own.
    fn for_rung(&self, params: &BoostParams, own: &BoostParams, rung: u32) -> BoostParams {
        let slower = match params.ensemble {
            Ensemble::Boosting => own.learning_rate / params.learning_rate,
            Ensemble::Forest => 1.0,
        };
        let share = (self.halving.max(2) as f64).powi((self.rungs.max(1) - 1 - rung) as i32);
        let scaled = |rounds: u32, share: f64| (f64::from(rounds) * slower / share).ceil() as u32;
        BoostParams {
            rounds: scaled(own.rounds, share).max(1),
            early_stopping: scaled(own.early_stopping, 1.0),
            min_rounds: scaled(own.min_rounds, share),
            ..params.clone()
        }
    }
}

impl Grid {
    /// Every combination of the grid; other parameters are the job's own.
    fn points(&self, own: &BoostParams) -> Vec<BoostParams> {
        fn axis<T: Copy>(points: Vec<BoostParams>, values: &[T], set: fn(&mut BoostParams, T)) -> Vec<BoostParams> {
            if values.is_empty() {
                return points;
            }
            let with = |point: &BoostParams, value: T| {
                let mut point = point.clone();
                set(&mut point, value);
                point
            };
            points.iter().flat_map(|point| values.iter().map(move |&value| with(point, value))).collect()
        }
        let mut points = vec![own.clone()];
        if own.ensemble == Ensemble::Boosting {
            points = axis(points, &self.learning_rate, |p, v| p.learning_rate = v);
        }
        points = axis(points, &self.max_depth, |p, v| p.max_depth = v);
        points = axis(points, &self.l2, |p, v| p.l2 = v);
        points = axis(points, &self.min_child_hessian, |p, v| p.min_child_hessian = v);
        points = axis(points, &self.subsample, |p, v| p.subsample = v);
        axis(points, &self.colsample, |p, v| p.colsample = v)
    }
}

/// Chooses hyperparameters for every job, on the device of a run or on the CPU. The results are in the order of the jobs. Also
/// returns how many models were trained where, if a device was used.
///
/// `pools` has one entry per job. Jobs with the same entry choose together, by the mean of their losses relative to the
/// baseline: a single validation part is often too short to tell configurations apart. Pooled jobs must have equal parameters,
/// and the validation rows of one must not be test rows of another. Once `keep_going` returns false, no further model is
/// started (on a device, no further launch); `done` is called after each model.
///
/// # Errors
/// The device failed and the CPU may not take over.
///
/// # Panics
/// `pools` has fewer or more entries than `jobs`.
#[allow(clippy::too_many_arguments, reason = "one call, and every argument is needed")]
pub fn search_on(
    compute: &Compute,
    table: Table<'_>,
    features: &[String],
    jobs: &[BoostJob],
    pools: &[String],
    search: &Search,
    keep_going: &(dyn Fn() -> bool + Sync),
    done: &(dyn Fn() + Sync),
) -> Result<(Vec<Result<SearchOutcome, BoostError>>, Plans), EngineError> {
    let mut faults: Vec<Option<BoostError>> = jobs
        .iter()
        .map(|job| match job.check(&job.params, table) {
            Ok(()) if job.valid.is_empty() => Some(BoostError::NoValidation { job: job.name.clone() }),
            Ok(()) => None,
            Err(fault) => Some(fault),
        })
        .collect();
    assert_eq!(pools.len(), jobs.len(), "one pool per job");
    let mut pool_jobs: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, pool) in pools.iter().enumerate().filter(|(i, _)| faults[*i].is_none()) {
        pool_jobs.entry(pool).or_default().push(i);
    }
    let mut pools: Vec<Pool> = pool_jobs.into_values().map(|own_jobs| Pool::new(jobs, own_jobs, search)).collect();
    let mut plans = Plans::default();
    for rung in 0..search.rungs.max(1) {
        let (mut params, mut trials) = (Vec::new(), Vec::new());
        for (p, pool) in pools.iter().enumerate() {
            for &configuration in &pool.remaining {
                params.push(search.for_rung(&pool.configurations[configuration], &pool.configurations[0], rung));
                trials.extend((0..pool.jobs.len()).map(|j| (p, configuration, j, params.len() - 1)));
            }
        }
        let task = |&(p, _, j, own): &(usize, usize, usize, usize)| Task {
            job: &jobs[pools[p].jobs[j]],
            params: &params[own],
        };
        let tasks: Vec<Task> = trials.iter().map(task).collect();
        let (results, rung_plans) = train_tasks_on::<Trial>(compute, table, features, &tasks, keep_going, &|_| done())?;
        plans.extend(rung_plans);
        for ((p, configuration, j, _), result) in trials.into_iter().zip(results) {
            match result {
                Ok(trial) => pools[p].trials[configuration][j] = trial,
                Err(fault) => faults[pools[p].jobs[j]] = Some(fault),
            }
        }
        pools.iter_mut().for_each(|pool| pool.halve(search.others(rung + 1)));
    }
    let mut outcomes: Vec<Option<SearchOutcome>> = vec![None; jobs.len()];
    pools.iter().for_each(|pool| pool.write_outcomes(jobs, search, &mut outcomes));
    let missing = |i: usize| BoostError::NoRows { job: jobs[i].name.clone() };
    let result = |(i, outcome): (usize, Option<SearchOutcome>)| match faults[i].take() {
        Some(fault) => Err(fault),
        None => outcome.ok_or_else(|| missing(i)),
    };
    // If the device failed after some rungs, the counts of these rungs would be taken for the whole search.
    let plans = if compute.fallback_reason().is_some() { Plans::default() } else { plans };
    Ok((outcomes.into_iter().enumerate().map(result).collect(), plans))
}

/// Jobs that choose together.
struct Pool {
    /// Indices of the jobs.
    jobs: Vec<usize>,
    /// The first one is the baseline.
    configurations: Vec<BoostParams>,
    /// Configurations that take part in the next rung, always including the first one.
    remaining: Vec<usize>,
    /// The best one so far.
    best: usize,
    /// The last trial of each configuration, `[configurations][jobs]`.
    trials: Vec<Vec<Trial>>,
    /// Rounds trained per job.
    rounds: Vec<u64>,
}

impl Pool {
    fn new(all_jobs: &[BoostJob], jobs: Vec<usize>, search: &Search) -> Self {
        let own = &all_jobs[jobs[0]].params;
        let mut configurations = vec![own.clone()];
        configurations.extend(search.drawn(own).into_iter().filter(|params| params.check("").is_ok()));
        let unknown = Trial { loss: f64::INFINITY, rounds: 0 };
        Self {
            remaining: (0..configurations.len()).collect(),
            best: 0,
            trials: vec![vec![unknown; jobs.len()]; configurations.len()],
            rounds: vec![0; jobs.len()],
            configurations,
            jobs,
        }
    }

    /// Keeps the baseline and the `others` best configurations; of equally good ones the first.
    fn halve(&mut self, others: usize) {
        for &configuration in &self.remaining {
            for (rounds, trial) in self.rounds.iter_mut().zip(&self.trials[configuration]) {
                *rounds += trial.rounds;
            }
        }
        let score = |configuration: usize| -> f64 {
            let both = self.trials[configuration].iter().zip(&self.trials[0]);
            // A baseline loss of 0 cannot be improved.
            both.map(|(trial, own)| if own.loss > 0.0 { trial.loss / own.loss } else { 1.0 + trial.loss }).sum()
        };
        let mut order: Vec<(f64, usize)> = self.remaining.iter().map(|&number| (score(number), number)).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        self.best = order[0].1;
        let others = order.into_iter().map(|(_, number)| number).filter(|&number| number != 0).take(others);
        self.remaining = std::iter::once(0).chain(others).collect();
        self.remaining.sort_unstable();
    }

    /// Writes what was found for the pool's jobs.
    fn write_outcomes(&self, all_jobs: &[BoostJob], search: &Search, outcomes: &mut [Option<SearchOutcome>]) {
        let best = self.best;
        let last_rung = search.rungs.max(1) - 1;
        let params = search.for_rung(&self.configurations[best], &self.configurations[0], last_rung);
        for (j, &job) in self.jobs.iter().enumerate() {
            outcomes[job] = Some(SearchOutcome {
                changed: best != 0,
                params: if best == 0 { all_jobs[job].params.clone() } else { params.clone() },
                loss: self.trials[best][j].loss,
                baseline_loss: self.trials[0][j].loss,
                tried: self.configurations.len(),
                rounds: self.rounds[j],
                baseline_rounds: self.trials[0][j].rounds,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{Objective, train};
    use huracan_base::arith::uniform;

    /// Searches on the CPU, which cannot fail like a device.
    fn search(
        table: Table<'_>,
        features: &[String],
        jobs: &[BoostJob],
        pools: &[String],
        plan: &Search,
        keep_going: &(dyn Fn() -> bool + Sync),
        done: &(dyn Fn() + Sync),
    ) -> Vec<Result<SearchOutcome, BoostError>> {
        search_on(&Compute::cpu(), table, features, jobs, pools, plan, keep_going, done).unwrap().0
    }

    /// Three jobs with y = x₀ + much noise, so that small trees win.
    fn problem() -> (Vec<f32>, Vec<BoostJob>) {
        let at = |k: u64, row: u32| uniform(draw(4, k, u64::from(row))) as f32 - 0.5;
        let values: Vec<f32> = (0..1200).flat_map(|row| [at(0, row), at(1, row), at(2, row)]).collect();
        let label = |row: u32| at(0, row) + 3.0 * at(9, row);
        let job = |name: &str, rows: std::ops::Range<u32>| {
            let (train, valid) = (rows.start..rows.start + 300, rows.start + 300..rows.end);
            BoostJob {
                name: name.to_owned(),
                train_labels: train.clone().map(label).collect(),
                train: train.collect(),
                valid_labels: valid.clone().map(label).collect(),
                valid: valid.collect(),
                params: BoostParams {
                    objective: Objective::Regression,
                    rounds: 60,
                    max_depth: 8,
                    learning_rate: 0.2,
                    ..BoostParams::default()
                },
                ..BoostJob::default()
            }
        };
        (values, vec![job("a", 0..400), job("b", 400..800), job("c", 800..1200)])
    }

    fn plan() -> Search {
        let grid =
            Grid { learning_rate: vec![0.05, 0.2], max_depth: vec![1, 2, 8], l2: vec![1.0, 30.0], ..Grid::default() };
        Search { grid, configurations: 9, halving: 3, rungs: 3, seed: 5 }
    }

    #[test]
    fn the_chosen_parameters_have_the_reported_loss_and_are_no_worse_than_the_baseline() {
        let (values, jobs) = problem();
        let (table, names) = (Table { values: &values, features: 3 }, ["x", "y", "z"].map(str::to_owned));
        let pools = ["both", "both", "alone"].map(str::to_owned);
        let count = AtomicUsize::new(0);
        let done = || {
            count.fetch_add(1, Ordering::Relaxed);
        };
        let chosen = search(table, &names, &jobs, &pools, &plan(), &|| true, &done);
        let chosen: Vec<SearchOutcome> = chosen.into_iter().map(Result::unwrap).collect();
        assert_eq!(chosen[0].params, chosen[1].params, "a pool chooses together");
        assert!(chosen[0].loss / chosen[0].baseline_loss + chosen[1].loss / chosen[1].baseline_loss < 1.9);
        assert!(chosen[2].loss < 0.95 * chosen[2].baseline_loss, "small trees are better here: {:?}", chosen[2]);
        assert!(chosen[2].params.max_depth < 8);
        // The baseline in each rung, with 8, 3 and 1 others.
        assert_eq!(plan().models(), 15);
        assert_eq!(count.into_inner(), 3 * 15);
        for (job, chosen) in jobs.iter().zip(&chosen) {
            let again = BoostJob { params: chosen.params.clone(), ..job.clone() };
            let forest = train(table, &names, &[again], &|_| {}).remove(0).unwrap();
            assert_eq!(*forest.validation_loss.last().unwrap(), chosen.loss);
            let own = train(table, &names, std::slice::from_ref(job), &|_| {}).remove(0).unwrap();
            assert_eq!(*own.validation_loss.last().unwrap(), chosen.baseline_loss);
            assert!(chosen.rounds > chosen.baseline_rounds);
        }
        // The result depends on the other jobs of the pool only.
        let alone = search(table, &names, &jobs[2..], &pools[2..], &plan(), &|| true, &|| ());
        assert_eq!(alone[0].as_ref().unwrap(), &chosen[2]);
    }

    #[test]
    fn a_cancelled_search_starts_no_further_model() {
        let (values, jobs) = problem();
        let (table, names) = (Table { values: &values, features: 3 }, ["x", "y", "z"].map(str::to_owned));
        let pools = ["a", "b", "c"].map(str::to_owned);
        let count = AtomicUsize::new(0);
        let done = || {
            count.fetch_add(1, Ordering::Relaxed);
        };
        let keep_going = || count.load(Ordering::Relaxed) < 5;
        let results = search(table, &names, &jobs, &pools, &plan(), &keep_going, &done);
        assert!(results.iter().all(|result| matches!(result, Err(BoostError::Cancelled { .. }))));
    }

    #[test]
    fn a_job_without_validation_rows_cannot_choose_and_does_not_stop_the_others() {
        let (values, mut jobs) = problem();
        let (table, names) = (Table { values: &values, features: 3 }, ["x", "y", "z"].map(str::to_owned));
        jobs[0].valid.clear();
        jobs[0].valid_labels.clear();
        jobs[1].train_labels[3] = f32::NAN;
        let pools = ["both", "both", "both"].map(str::to_owned);
        let results = search(table, &names, &jobs, &pools, &plan(), &|| true, &|| ());
        assert!(matches!(results[0], Err(BoostError::NoValidation { .. })));
        assert!(matches!(results[1], Err(BoostError::Label { .. })));
        assert!(results[2].as_ref().unwrap().loss < results[2].as_ref().unwrap().baseline_loss);
    }
}
