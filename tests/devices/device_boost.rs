//! The boosting kernels give the CPU's forests, bit for bit.
#![cfg(feature = "emulated")]

use crate::engines;

use huracan::boost::device::{Plan, plan};
use huracan::boost::{
    self, BoostError, BoostJob, BoostParams, Ensemble, Forest, Grid, Growth, Objective, PredictJob, Search, Table,
    device, search_on,
};
use huracan::engine::{Compute, Engine, EngineError};

/// Columns of all kinds: rough and fine numbers, few values, missing ones, zeros, one that never changes.
pub fn table(rows: usize, features: usize, seed: u64) -> Vec<f32> {
    let unit =
        |feature: usize, row: usize| huracan::arith::uniform(huracan::arith::draw(seed, feature as u64, row as u64));
    let value = |row: usize, feature: usize| {
        let u = unit(feature, row);
        match feature % 6 {
            0 => (u - 0.5) as f32,
            1 => (u * 7.0).floor() as f32,
            2 if u < 0.2 => f32::NAN,
            2 => (u * 1000.0) as f32 - 300.0,
            3 if u < 0.4 => 0.0,
            3 => (u - 0.7) as f32 * 1e-3,
            4 => 4.0,
            _ => ((u * 20.0).floor() - 10.0) as f32 * if u < 0.5 { -0.0 } else { 1.0 },
        }
    };
    (0..rows * features).map(|i| value(i / features, i % features)).collect()
}

pub fn job(
    name: String,
    table: &[f32],
    features: usize,
    train: std::ops::Range<u32>,
    valid: std::ops::Range<u32>,
    params: BoostParams,
) -> BoostJob {
    let label = |&row: &u32| {
        let at = row as usize * features;
        let signal = table[at] + if table[at + 1 % features] > 3.0 { 0.4 } else { -0.2 };
        let noise = huracan::arith::uniform(huracan::arith::draw(99, 1, u64::from(row))) as f32 - 0.5;
        match params.objective {
            Objective::Binary => f32::from(u8::from(signal + noise > 0.0)),
            _ => (signal + noise) * 120.0,
        }
    };
    let (train, valid): (Vec<u32>, Vec<u32>) = (train.collect(), valid.collect());
    BoostJob {
        name,
        train_labels: train.iter().map(label).collect(),
        valid_labels: valid.iter().map(label).collect(),
        train,
        valid,
        params,
        ..BoostJob::default()
    }
}

fn compare(table: Table<'_>, jobs: &[BoostJob]) {
    compare_on(&engines::all(), table, jobs);
}

pub fn names(table: Table<'_>) -> Vec<String> {
    (0..table.features).map(|f| format!("f{f}")).collect()
}

fn compare_on(engines: &[Engine], table: Table<'_>, jobs: &[BoostJob]) {
    let names = names(table);
    let want = boost::train(table, &names, jobs, &|_| ());
    for engine in engines {
        let got = device::train(&engine.stage("boost"), table, &names, jobs, &|| true, &|_| ()).unwrap();
        for ((job, want), got) in jobs.iter().zip(&want).zip(got) {
            match (want, got) {
                (Ok(want), Ok(got)) => {
                    let bits = |forest: &Forest| forest.validation_loss.iter().map(|l| l.to_bits()).collect::<Vec<_>>();
                    assert_eq!(bits(&got), bits(want), "{}", job.name);
                    assert_eq!(got.trees.len(), want.trees.len(), "{}", job.name);
                    for (number, (got, want)) in got.trees.iter().zip(&want.trees).enumerate() {
                        assert_eq!(got, want, "{} tree {number}", job.name);
                    }
                    assert_eq!(&got, want, "{}", job.name);
                    assert_eq!(got.digest(), want.digest());
                }
                (Err(want), Err(got)) => assert_eq!(&got, want),
                (want, got) => panic!("{}: {want:?} and {got:?}", job.name),
            }
        }
    }
}

/// Jobs of three objectives, each in many ways.
pub fn jobs_of_all_ways(
    values: &[f32],
    features: usize,
    rounds: u32,
    train: std::ops::Range<u32>,
    valid: std::ops::Range<u32>,
) -> Vec<BoostJob> {
    let base = BoostParams { rounds, learning_rate: 0.2, min_child_hessian: 1.0, ..BoostParams::default() };
    let mut jobs = Vec::new();
    for (n, objective) in
        [Objective::Binary, Objective::Regression, Objective::Huber { delta: 30.0 }].into_iter().enumerate()
    {
        let params = BoostParams { objective, ..base.clone() };
        for (m, params) in [
            params.clone(),
            BoostParams { subsample: 0.7, colsample: 0.5, early_stopping: 3, ..params.clone() },
            BoostParams { ensemble: Ensemble::Forest, subsample: 0.6, colsample: 0.6, max_depth: 4, ..params.clone() },
            BoostParams { colsample: 0.6, colsample_node: 0.3, ..params.clone() },
            BoostParams { early_stopping: 2, min_rounds: 6, learning_rate: 0.8, ..params.clone() },
            BoostParams { early_stopping: 2, min_rounds: 60, max_depth: 2, ..params.clone() },
            BoostParams { max_bin: 16, l2: 50.0, min_split_gain: 0.4, max_depth: 9, ..params.clone() },
            BoostParams { max_depth: 1, early_stopping: 1, rounds: 40, learning_rate: 0.9, ..params },
        ]
        .into_iter()
        .enumerate()
        {
            jobs.push(job(format!("objective {n} way {m}"), values, features, train.clone(), valid.clone(), params));
        }
    }
    jobs
}

#[test]
fn blocks_train_the_forests_of_the_cpu() {
    let features = 23;
    let values = table(1200, features, 5);
    let jobs = jobs_of_all_ways(&values, features, 12, 0..900, 950..1100);
    assert!(jobs.iter().all(|job| plan(job, features) == Plan::Block));
    compare(Table { values: &values, features }, &jobs);
}

#[test]
fn many_blocks_train_the_forests_of_the_cpu_level_by_level() {
    let features = 23;
    let values = table(6500, features, 11);
    let mut jobs = jobs_of_all_ways(&values, features, 7, 0..5000, 5050..6400);
    assert!(jobs.iter().all(|job| plan(job, features) == Plan::Levels));
    // Beside them small ones, and one that is the CPU's.
    jobs.push(job(
        "small".into(),
        &values,
        features,
        3..800,
        800..900,
        BoostParams { rounds: 4, ..jobs[0].params.clone() },
    ));
    let objective = Objective::Quantile { alpha: 0.4 };
    let params = BoostParams { rounds: 2, objective, ..BoostParams::default() };
    jobs.push(job("quantile".into(), &values, features, 0..4500, 0..0, params));
    assert_eq!(plan(&jobs[jobs.len() - 2], features), Plan::Block);
    assert_eq!(plan(&jobs[jobs.len() - 1], features), Plan::Cpu("an objective without a kernel"));
    compare(Table { values: &values, features }, &jobs);
}

#[test]
fn large_jobs_of_different_rows_depths_and_weights_share_their_launches() {
    let features = 37;
    let values = table(24_000, features, 3);
    let params = |max_depth: u32, rounds: u32| BoostParams { max_depth, rounds, ..BoostParams::default() };
    let mut jobs = vec![
        job("20000 rows".into(), &values, features, 0..20_000, 20_000..23_000, params(6, 4)),
        job("deep".into(), &values, features, 100..7000, 20_000..20_001, params(12, 3)),
        job("shallow".into(), &values, features, 5..4102, 0..0, params(1, 6)),
        job("two levels".into(), &values, features, 5..4102, 0..0, params(2, 6)),
        job("never split".into(), &values, features, 5..4102, 9..99, params(5, 6)),
        job("few drawn".into(), &values, features, 0..20_000, 20_000..23_000, params(5, 4)),
        job("forest".into(), &values, features, 0..9000, 20_000..22_000, params(7, 4)),
    ];
    jobs[4].params.min_child_hessian = 1e9;
    jobs[5].params = BoostParams { subsample: 0.02, colsample: 0.3, colsample_node: 0.4, ..jobs[5].params.clone() };
    jobs[6].params =
        BoostParams { ensemble: Ensemble::Forest, subsample: 0.8, colsample_node: 0.5, ..jobs[6].params.clone() };
    let mut weighted = jobs[0].clone();
    weighted.name = "weighted".into();
    weighted.train_weights = (0..20_000).map(|row| (row % 4) as f32 * 0.5).collect();
    weighted.valid_weights = (0..3000).map(|row| (row % 3) as f32).collect();
    weighted.params = BoostParams { scale_pos_weight: 3.0, max_depth: 4, early_stopping: 1, ..weighted.params };
    jobs.push(weighted);
    assert!(jobs.iter().all(|job| plan(job, features) == Plan::Levels));
    compare(Table { values: &values, features }, &jobs);
}

#[test]
fn large_jobs_that_memory_splits_into_parts_are_the_same() {
    let features = 9;
    let values = table(5200, features, 4);
    let table = Table { values: &values, features };
    let params = |seed: u64| BoostParams { rounds: 3, subsample: 0.7, seed, ..BoostParams::default() };
    let jobs: Vec<BoostJob> = (0..5)
        .map(|n| job(format!("job {n}"), &values, features, (n % 2) as u32..4500, 4600..4700, params(n)))
        .collect();
    let mut free_bytes = 1 << 16;
    let refused = |engine: &Engine| {
        let got = device::train(&engine.stage("boost"), table, &names(table), &jobs, &|| true, &|_| ());
        matches!(got, Err(EngineError::TooLarge { .. }))
    };
    // A quarter more than what is too little for one job is too little for two.
    let mut refusals = 0;
    while refused(&Engine::emulated(1, free_bytes).unwrap()) {
        free_bytes += free_bytes / 4;
        refusals += 1;
    }
    assert!(refusals > 0);
    compare_on(&[Engine::emulated(1, free_bytes).unwrap()], table, &jobs);
}

#[test]
fn large_jobs_that_are_no_longer_wanted_are_stopped_before_the_next_tree() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let features = 5;
    let values = table(4200, features, 8);
    let table = Table { values: &values, features };
    let params = BoostParams { rounds: 50, ..BoostParams::default() };
    let jobs = [job("large".into(), &values, features, 0..4200, 0..0, params)];
    let asked = AtomicUsize::new(0);
    let wanted = || asked.fetch_add(1, Ordering::Relaxed) < 4;
    let got =
        device::train(&engines::emulated(1).stage("boost"), table, &names(table), &jobs, &wanted, &|_| ()).unwrap();
    assert_eq!(got, [Err(BoostError::Cancelled { job: "large".into() })]);
    assert_eq!(asked.into_inner(), 5);
}

/// Columns with runs that are bins of their own, at both ends and in between, and values about as near to 0 as counts for 0.
fn lumpy(rows: usize, features: usize, seed: u64) -> Vec<f32> {
    let unit = |a: u64, row: usize| huracan::arith::uniform(huracan::arith::draw(seed, a, row as u64));
    let value = |row: usize, feature: usize| {
        let (u, v) = (unit(feature as u64, row), unit(100 + feature as u64, row));
        let heavy = unit(7, feature);
        let value = match feature % 8 {
            0 if u < heavy => 2.5,
            0 => v,
            1 if u < heavy => (v * 20.0).floor(),
            1 => v * 20.0,
            2 => (v * 300.0).floor() - 100.0,
            3 if u < 0.4 => (v - 0.5) * 4e-35,
            3 => v - 0.7,
            4 => -(10.0 * v).exp(),
            5 if u < 0.3 => [-0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN][(v * 5.0) as usize],
            5 => v - 0.8,
            6 => v * v * v,
            _ => f64::NAN,
        };
        value as f32
    };
    (0..rows * features).map(|i| value(i / features, i % features)).collect()
}

#[test]
fn large_sets_of_rows_are_cut_as_by_the_cpu() {
    let features = 17;
    let values = lumpy(6000, features, 5);
    let table = Table { values: &values, features };
    let one = |(n, &max_bin): (usize, &u32)| {
        let params = BoostParams { max_bin, ..BoostParams::default() };
        job(format!("{max_bin} bins"), &values, features, n as u32..4100 + 150 * n as u32, 5500..6000, params)
    };
    let jobs: Vec<BoostJob> = [2, 3, 4, 16, 63, 100, 254, 255].iter().enumerate().map(one).collect();
    assert!(jobs.iter().all(|job| plan(job, features) == Plan::Levels));
    let want = device::bin_on(&Compute::cpu(), table, &jobs).unwrap();
    for engine in engines::all() {
        let device = engine.device();
        let got = device::bin_on(&Compute::with_engine(engine, false), table, &jobs).unwrap();
        for ((got, want), job) in got.iter().zip(&want).zip(&jobs) {
            for (feature, (got, want)) in got.cuts.iter().zip(&want.cuts).enumerate() {
                let bits = |cuts: &[f32]| cuts.iter().map(|cut| cut.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(got), bits(want), "{}, feature {feature}, {device}", job.name);
            }
        }
    }
}

/// With few features, rows lie in a block's shared memory; 300 are too many for that.
#[test]
fn threads_predict_what_the_cpu_predicts() {
    [1, 11, 300].into_iter().for_each(predictions_are_the_cpus);
}

fn predictions_are_the_cpus(features: usize) {
    let values = table(700, features, 2);
    let table = Table { values: &values, features };
    let params = BoostParams { rounds: 9, max_depth: 10, ..BoostParams::default() };
    let mut jobs = vec![
        job("boosted".into(), &values, features, 0..500, 500..500, params.clone()),
        job(
            "forest".into(),
            &values,
            features,
            0..500,
            500..500,
            BoostParams { ensemble: Ensemble::Forest, subsample: 0.5, ..params.clone() },
        ),
    ];
    let objective = Objective::Multiclass { classes: 3 };
    jobs.push(BoostJob { params: BoostParams { objective, max_depth: 3, ..params }, ..jobs[0].clone() });
    jobs[2].train_labels = (0..500).map(|row| (row % 3) as f32).collect();
    // Trees that are one leaf, the last of all.
    let leaves = BoostParams { min_child_hessian: 1e9, ..jobs[1].params.clone() };
    jobs.push(BoostJob { params: leaves, ..jobs[1].clone() });
    let names: Vec<String> = (0..features).map(|f| format!("f{f}")).collect();
    let forests: Vec<Forest> = boost::train(table, &names, &jobs, &|_| ()).into_iter().map(Result::unwrap).collect();
    assert!(forests[3].trees.iter().all(|tree| tree.split_feature.is_empty()) && !forests[3].trees.is_empty());
    let rows: Vec<Vec<u32>> = vec![(0..700).collect(), vec![699, 3, 3], vec![], (300..600).collect()];
    let asked: Vec<PredictJob> = forests.iter().zip(&rows).map(|(forest, rows)| PredictJob { forest, rows }).collect();
    let want = boost::raw_scores(table, &asked);
    for engine in engines::all() {
        let got = device::raw_scores(&engine.stage("predict"), table, &asked).unwrap();
        assert_eq!(got, want);
    }
}

#[test]
fn jobs_of_any_number_of_rows_weights_and_faults() {
    let features = 5;
    let values = table(5000, features, 8);
    let mut jobs: Vec<BoostJob> = [1, 2, 3, 15, 64, 65, 333, 4096, 4097]
        .into_iter()
        .map(|rows| {
            let params = BoostParams { rounds: 5, max_depth: 5, ..BoostParams::default() };
            job(format!("{rows} rows"), &values, features, 0..rows, 4900..4900 + rows % 7, params)
        })
        .collect();
    let mut weighted = jobs[6].clone();
    weighted.name = "weighted".into();
    weighted.train_weights = (0..333).map(|row| (row % 4) as f32 * 0.5).collect();
    weighted.valid_weights = vec![0.5; weighted.valid.len()];
    weighted.params.scale_pos_weight = 3.0;
    let mut faulty = jobs[5].clone();
    faulty.train_labels[3] = 0.5;
    jobs.extend([weighted, faulty]);
    compare(Table { values: &values, features }, &jobs);
}

#[test]
fn a_device_says_who_trained_what() {
    let features = 3;
    let values = table(4100, features, 6);
    let table = Table { values: &values, features };
    let params = BoostParams { rounds: 1, max_depth: 2, ..BoostParams::default() };
    let one = |name: &str, rows: u32, params| job(name.into(), &values, features, 0..rows, 0..0, params);
    let jobs = [
        one("small", 50, params.clone()),
        one("large", 4100, params.clone()),
        one("leaf", 50, BoostParams { growth: Growth::Leaf, ..params }),
    ];
    let said = |compute: &Compute| {
        device::train_on(compute, table, &names(table), &jobs, &|| true, &|_| ()).unwrap().1.to_string()
    };
    let compute = Compute::with_engine(engines::emulated(1), false);
    assert_eq!(said(&compute), "1 in one block each, 1 level by level, 1 on the CPU (grown by leaf: 1)");
    assert_eq!(said(&Compute::cpu()), "");
}

#[test]
fn a_search_chooses_the_same_on_every_device() {
    let features = 6;
    let values = table(4700, features, 12);
    let table = Table { values: &values, features };
    let params = BoostParams { rounds: 9, early_stopping: 3, learning_rate: 0.3, ..BoostParams::default() };
    let forest = BoostParams { ensemble: Ensemble::Forest, subsample: 0.6, early_stopping: 0, ..params.clone() };
    let huber = BoostParams { objective: Objective::Huber { delta: 20.0 }, ..params.clone() };
    let by_leaf = BoostParams { growth: Growth::Leaf, ..params.clone() };
    let one = |name: &str, train, valid, params: &BoostParams| {
        job(name.into(), &values, features, train, valid, params.clone())
    };
    let mut jobs = vec![
        one("a", 0..300, 300..380, &params),
        one("b", 400..700, 700..760, &params),
        // The same rows as the first, to learn something else.
        one("edge", 0..300, 300..380, &huber),
        one("forest", 0..300, 300..380, &forest),
        one("large", 0..4200, 4200..4300, &BoostParams { rounds: 4, ..params.clone() }),
        one("leaf", 500..900, 900..980, &by_leaf),
        one("blind", 500..900, 0..0, &params),
    ];
    jobs[1].valid_weights = (0..60).map(|row| (row % 3) as f32).collect();
    jobs[0].params.scale_pos_weight = 2.0;
    jobs[1].params.scale_pos_weight = 2.0;
    let pools = ["both", "both", "edge", "forest", "large", "leaf", "blind"].map(str::to_owned);
    let grid = Grid { learning_rate: vec![0.1, 0.3], max_depth: vec![1, 3, 5], l2: vec![1.0, 50.0], ..Grid::default() };
    let plan = Search { grid, configurations: 7, halving: 3, rungs: 2, seed: 4 };
    let search = |compute: &Compute| {
        search_on(compute, table, &names(table), &jobs, &pools, &plan, &|| true, &|| ()).expect("the device computes")
    };
    let (want, plans) = search(&Compute::cpu());
    assert!(plans.is_empty() && matches!(want[6], Err(BoostError::NoValidation { .. })));
    assert!(want[..6].iter().any(|chosen| chosen.as_ref().is_ok_and(|chosen| chosen.changed)));
    // Little memory: tasks of the same rows come in several launches.
    let narrow = Engine::emulated(2, 14 << 20).expect("opens");
    for engine in engines::all().into_iter().chain([narrow]) {
        let (got, plans) = search(&Compute::with_engine(engine, false));
        assert_eq!(got, want);
        // 7 configurations, then the job's own with two others: of four small jobs, a large one, and one by leaf.
        assert_eq!((plans.blocks, plans.levels, plans.cpu.values().sum()), (4 * 10, 10, 10), "{plans}");
    }
}

#[test]
fn a_search_that_is_told_to_stop_begins_no_further_launch() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let features = 4;
    let values = table(400, features, 3);
    let table = Table { values: &values, features };
    let params = BoostParams { rounds: 4, ..BoostParams::default() };
    let jobs = [job("a".into(), &values, features, 0..300, 300..380, params)];
    let plan = Search { configurations: 5, ..Search::default() };
    let told = AtomicUsize::new(0);
    let done = || {
        told.fetch_add(1, Ordering::Relaxed);
    };
    let wanted = || told.load(Ordering::Relaxed) < 4;
    let compute = Compute::with_engine(engines::emulated(1), false);
    let pools = ["a".to_owned()];
    let (got, _) = search_on(&compute, table, &names(table), &jobs, &pools, &plan, &wanted, &done).expect("computes");
    assert!(matches!(got[0], Err(BoostError::Cancelled { .. })), "{got:?}");
    // Of the five models of the first rung, those that were under way; none of another rung.
    let told = told.into_inner();
    assert!((4..=5).contains(&told), "{told}");
}
