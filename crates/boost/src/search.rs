//! Hyperparameters by successive halving (Jamieson and Talwalkar 2016), for all jobs of a batch at once.
//!
//! Every job tries its own parameters and configurations drawn from a grid, each for a part of the rounds; the best third
//! goes on with three times as many, and so on, until the last ones have had all. The job's own parameters always go along, as
//! what the others are held against. Losses are those on the job's own validation rows. A configuration with half the rate gets twice the rounds, so that all have learned as far.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::device::{Plans, train_tasks_on};
use super::{BoostError, BoostJob, BoostParams, Ensemble, Table, Task};
use huracan_base::arith::draw;
use huracan_engine::{Compute, EngineError};

/// Values that the parameters may take; an empty list leaves the job's own.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Grid {
    pub learning_rate: Vec<f64>,
    pub max_depth: Vec<u32>,
    pub l2: Vec<f64>,
    pub min_child_hessian: Vec<f64>,
    pub subsample: Vec<f64>,
    pub colsample: Vec<f64>,
}

/// How to search.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    pub grid: Grid,
    /// Configurations tried by each job, its own parameters among them.
    pub configurations: usize,
    /// One of so many goes on to the next rung, with so many times the rounds; at least 2.
    pub halving: usize,
    /// Rungs, the last of which has all rounds; at least 1.
    pub rungs: u32,
    pub seed: u64,
}

impl Default for Search {
    /// 30 configurations of a grid that suits small, noisy tables; a third goes on to each of two further rungs.
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
pub struct Chosen {
    /// To train the job with; its own where none did better.
    pub params: BoostParams,
    /// Whether they are others than the job's own.
    pub moved: bool,
    /// Validation loss with them, and with the job's own: the first was chosen for being the least, and flatters.
    pub loss: f64,
    pub own_loss: f64,
    /// Configurations tried.
    pub tried: usize,
    /// Rounds trained in the search, and those that the job's own parameters took of them in the last rung.
    pub rounds: u64,
    pub own_rounds: u64,
}

/// How one configuration did in one rung.
#[derive(Debug, Clone, Copy)]
pub(super) struct Try {
    /// Validation loss after the rounds that are kept.
    pub loss: f64,
    /// Rounds that were trained.
    pub rounds: u64,
}

impl Search {
    /// Models that a search trains for each job, where the grid has as many points as are to be tried.
    pub fn models(&self) -> usize {
        (0..self.rungs.max(1)).map(|rung| 1 + self.others(rung)).sum()
    }

    /// Configurations in a rung besides the job's own.
    fn others(&self, rung: u32) -> usize {
        let all = self.configurations.saturating_sub(1);
        (0..rung).fold(all, |left, _| left.div_ceil(self.halving.max(2)))
    }

    /// Points of the grid other than the job's own parameters, in an order that the seed decides; numbers of places.
    fn drawn(&self, own: &BoostParams) -> Vec<BoostParams> {
        let points = self.grid.points(own);
        let mut order: Vec<(u64, usize)> =
            points.iter().enumerate().map(|(i, _)| (draw(self.seed, 1, i as u64), i)).collect();
        order.sort_unstable();
        let others = order.into_iter().map(|(_, i)| points[i].clone()).filter(|point| point != own);
        others.take(self.others(0)).collect()
    }

    /// Parameters for a rung: a share of the rounds, and more of them the smaller the rate is against the job's own.
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
    /// Every combination, as parameters that are otherwise the job's own.
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

/// Chooses parameters for every job, on the device of a run or on the CPU; results stand in the jobs' order. Says who
/// trained what, where a device was asked.
///
/// Jobs with the same entry in `pools` choose together, by the mean of their losses over those of their own parameters:
/// one validation part alone is often too short to tell configurations apart. Pooled jobs must have equal parameters,
/// and no job may be pooled with one whose validation part another one has yet to predict; `pools` has one a job. Once `wanted`
/// says no, no further model is begun (nor, on a device, a further launch); `done` is called after each model.
///
/// # Errors
/// Where the device fails and the CPU must not take its place.
#[allow(clippy::too_many_arguments, reason = "each is one thing; a struct would be filled in at two places")]
pub fn search_on(
    compute: &Compute,
    table: Table<'_>,
    features: &[String],
    jobs: &[BoostJob],
    pools: &[String],
    plan: &Search,
    wanted: &(dyn Fn() -> bool + Sync),
    done: &(dyn Fn() + Sync),
) -> Result<(Vec<Result<Chosen, BoostError>>, Plans), EngineError> {
    let mut faults: Vec<Option<BoostError>> = jobs
        .iter()
        .map(|job| match job.check(&job.params, table) {
            Ok(()) if job.valid.is_empty() => Some(BoostError::NoValidation { job: job.name.clone() }),
            Ok(()) => None,
            Err(fault) => Some(fault),
        })
        .collect();
    assert_eq!(pools.len(), jobs.len(), "a pool for each job");
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, pool) in pools.iter().enumerate().filter(|(i, _)| faults[*i].is_none()) {
        members.entry(pool).or_default().push(i);
    }
    let mut pools: Vec<Pool> = members.into_values().map(|members| Pool::new(jobs, members, plan)).collect();
    let mut plans = Plans::default();
    let rungs = plan.rungs.max(1);
    for rung in 0..rungs {
        let (mut params, mut places) = (Vec::new(), Vec::new());
        for (p, pool) in pools.iter().enumerate() {
            for &configuration in &pool.left {
                params.push(plan.for_rung(&pool.configurations[configuration], &pool.configurations[0], rung));
                places.extend((0..pool.members.len()).map(|m| (p, configuration, m, params.len() - 1)));
            }
        }
        let task = |&(p, _, m, own): &(usize, usize, usize, usize)| Task {
            job: &jobs[pools[p].members[m]],
            params: &params[own],
        };
        let tasks: Vec<Task> = places.iter().map(task).collect();
        let (tries, of_rung) = train_tasks_on::<Try>(compute, table, features, &tasks, wanted, &|_| done())?;
        plans.extend(of_rung);
        for ((p, configuration, m, _), tried) in places.into_iter().zip(tries) {
            match tried {
                Ok(tried) => pools[p].tries[configuration][m] = tried,
                Err(fault) => faults[pools[p].members[m]] = Some(fault),
            }
        }
        pools.iter_mut().for_each(|pool| pool.halve(plan.others(rung + 1)));
    }
    let mut chosen: Vec<Option<Chosen>> = vec![None; jobs.len()];
    for pool in &pools {
        let best = pool.best;
        let params = plan.for_rung(&pool.configurations[best], &pool.configurations[0], rungs - 1);
        for (m, &member) in pool.members.iter().enumerate() {
            chosen[member] = Some(Chosen {
                moved: best != 0,
                params: if best == 0 { jobs[member].params.clone() } else { params.clone() },
                loss: pool.tries[best][m].loss,
                own_loss: pool.tries[0][m].loss,
                tried: pool.configurations.len(),
                rounds: pool.rounds[m],
                own_rounds: pool.tries[0][m].rounds,
            });
        }
    }
    let missing = |i: usize| BoostError::NoRows { job: jobs[i].name.clone() };
    let result = |(i, chosen): (usize, Option<Chosen>)| match faults[i].take() {
        Some(fault) => Err(fault),
        None => chosen.ok_or_else(|| missing(i)),
    };
    // The device would be said to have trained all, where it failed after some rungs.
    let plans = if compute.fell_back().is_some() { Plans::default() } else { plans };
    Ok((chosen.into_iter().enumerate().map(result).collect(), plans))
}

/// Jobs that choose together.
struct Pool {
    members: Vec<usize>,
    /// The first are the jobs' own parameters.
    configurations: Vec<BoostParams>,
    /// Configurations still in the race, the first one always.
    left: Vec<usize>,
    /// The one that does best so far.
    best: usize,
    /// Last try of each configuration by each member.
    tries: Vec<Vec<Try>>,
    /// Rounds that each member has trained.
    rounds: Vec<u64>,
}

impl Pool {
    fn new(jobs: &[BoostJob], members: Vec<usize>, plan: &Search) -> Self {
        let own = &jobs[members[0]].params;
        let mut configurations = vec![own.clone()];
        configurations.extend(plan.drawn(own).into_iter().filter(|params| params.check("").is_ok()));
        let unknown = Try { loss: f64::INFINITY, rounds: 0 };
        Self {
            left: (0..configurations.len()).collect(),
            best: 0,
            tries: vec![vec![unknown; members.len()]; configurations.len()],
            rounds: vec![0; members.len()],
            configurations,
            members,
        }
    }

    /// Keeps the `others` best configurations, of equals the first, beside the jobs' own.
    fn halve(&mut self, others: usize) {
        for &configuration in &self.left {
            for (rounds, tried) in self.rounds.iter_mut().zip(&self.tries[configuration]) {
                *rounds += tried.rounds;
            }
        }
        let score = |configuration: usize| -> f64 {
            let both = self.tries[configuration].iter().zip(&self.tries[0]);
            // A loss of 0 cannot be beaten.
            both.map(|(tried, own)| if own.loss > 0.0 { tried.loss / own.loss } else { 1.0 + tried.loss }).sum()
        };
        let mut order: Vec<(f64, usize)> = self.left.iter().map(|&left| (score(left), left)).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        self.best = order[0].1;
        let others = order.into_iter().map(|(_, left)| left).filter(|&left| left != 0).take(others);
        self.left = std::iter::once(0).chain(others).collect();
        self.left.sort_unstable();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{Objective, train};
    use huracan_base::arith::uniform;

    /// On the CPU, which cannot fail as a device can.
    fn search(
        table: Table<'_>,
        features: &[String],
        jobs: &[BoostJob],
        pools: &[String],
        plan: &Search,
        wanted: &(dyn Fn() -> bool + Sync),
        done: &(dyn Fn() + Sync),
    ) -> Vec<Result<Chosen, BoostError>> {
        search_on(&Compute::cpu(), table, features, jobs, pools, plan, wanted, done).unwrap().0
    }

    /// Two coins' rows: y = x₀ + much noise, so that small trees win, with a pool of both and one alone.
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
    fn the_chosen_parameters_have_the_loss_that_was_promised_and_none_does_worse_than_the_jobs_own() {
        let (values, jobs) = problem();
        let (table, names) = (Table { values: &values, features: 3 }, ["x", "y", "z"].map(str::to_owned));
        let pools = ["both", "both", "alone"].map(str::to_owned);
        let count = AtomicUsize::new(0);
        let done = || {
            count.fetch_add(1, Ordering::Relaxed);
        };
        let chosen = search(table, &names, &jobs, &pools, &plan(), &|| true, &done);
        let chosen: Vec<Chosen> = chosen.into_iter().map(Result::unwrap).collect();
        assert_eq!(chosen[0].params, chosen[1].params, "a pool chooses together");
        assert!(chosen[0].loss / chosen[0].own_loss + chosen[1].loss / chosen[1].own_loss < 1.9);
        assert!(chosen[2].loss < 0.95 * chosen[2].own_loss, "small trees are better here: {:?}", chosen[2]);
        assert!(chosen[2].params.max_depth < 8);
        // The job's own each time, with 8, 3 and 1 others.
        assert_eq!(plan().models(), 15);
        assert_eq!(count.into_inner(), 3 * 15);
        for (job, chosen) in jobs.iter().zip(&chosen) {
            let again = BoostJob { params: chosen.params.clone(), ..job.clone() };
            let forest = train(table, &names, &[again], &|_| {}).remove(0).unwrap();
            assert_eq!(*forest.validation_loss.last().unwrap(), chosen.loss);
            let own = train(table, &names, std::slice::from_ref(job), &|_| {}).remove(0).unwrap();
            assert_eq!(*own.validation_loss.last().unwrap(), chosen.own_loss);
            assert!(chosen.rounds > chosen.own_rounds);
        }
        // Neither order nor company counts but that of the pool.
        let alone = search(table, &names, &jobs[2..], &pools[2..], &plan(), &|| true, &|| ());
        assert_eq!(alone[0].as_ref().unwrap(), &chosen[2]);
    }

    #[test]
    fn a_search_that_is_told_to_stop_begins_no_further_model() {
        let (values, jobs) = problem();
        let (table, names) = (Table { values: &values, features: 3 }, ["x", "y", "z"].map(str::to_owned));
        let pools = ["a", "b", "c"].map(str::to_owned);
        let count = AtomicUsize::new(0);
        let done = || {
            count.fetch_add(1, Ordering::Relaxed);
        };
        let wanted = || count.load(Ordering::Relaxed) < 5;
        let results = search(table, &names, &jobs, &pools, &plan(), &wanted, &done);
        assert!(results.iter().all(|result| matches!(result, Err(BoostError::Stopped { .. }))));
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
        assert!(results[2].as_ref().unwrap().loss < results[2].as_ref().unwrap().own_loss);
    }
}
