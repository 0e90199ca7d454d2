//! Equal inputs give equal bits, however many threads there are and in whatever company a job is.

use crate::learning;

use crate::learning::Learned;
use huracan::bars::Panel;
use huracan::boost::{BoostJob, Forest, Objective, Table};
use huracan::features::view_names;
use huracan::folds::{Fold, Grid, plan};
use huracan::shadow::{Signals, Trade, simulate};
use huracan::trainer::Unit;

fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

/// Three heads of each coin and fold of the simulated market and of the pool of all coins, a multiclass job, and jobs of other
/// depth, bins and seed.
fn batch(panel: &Panel, learned: &Learned) -> Vec<BoostJob> {
    let settings = learning::settings(&["folds.train_days=60", "folds.test_days=15", "folds.step_days=30"]);
    let mut jobs = Vec::new();
    let mut pooled: Option<Fold> = None;
    for (symbol, range) in panel.ranges.iter().enumerate() {
        for fold in plan(Grid::of(panel), range, &settings.folds).unwrap_or_default() {
            jobs.extend(learning::jobs(learned, &Unit::coin(panel, symbol), &fold));
            pooled.get_or_insert(fold);
        }
    }
    let all: Vec<usize> = (0..panel.symbols.len()).collect();
    jobs.extend(learning::jobs(learned, &Unit::pool(&all), &pooled.expect("a fold")));
    assert!(jobs.len() >= 12, "{} jobs", jobs.len());
    let weighted = |job: &BoostJob| job.train_weights.iter().any(|weight| *weight != job.train_weights[0]);
    assert!(jobs.iter().all(weighted), "rows of overlapping labels weigh differently");
    let mut more = Vec::new();
    for (i, job) in jobs.iter().take(6).enumerate() {
        let mut job = job.clone();
        job.name = format!("{} again, {i}", job.name);
        job.params.seed = 11;
        job.params.max_depth = 3 + i as u32 % 3;
        job.params.max_bin = [16, 63, 255][i % 3];
        more.push(job);
    }
    let mut classes = jobs[2].clone();
    let third = |atr: &f32| f32::from(u8::from(*atr > -0.5) + u8::from(*atr > 0.5));
    classes.params.objective = Objective::Multiclass { classes: 3 };
    classes.train_labels = classes.train_labels.iter().map(third).collect();
    classes.valid_labels = classes.valid_labels.iter().map(third).collect();
    more.push(classes);
    jobs.extend(more);
    jobs
}

fn digests(learned: &Learned, jobs: &[BoostJob]) -> Vec<String> {
    learning::forests(learned, jobs).iter().map(Forest::digest).collect()
}

fn market() -> (Panel, Learned) {
    let panel = learning::simulated_panel(5, 120);
    let learned = Learned::new(&panel, &learning::rules(&learning::settings(&[])));
    (panel, learned)
}

#[test]
fn forests_do_not_depend_on_threads_order_or_company() {
    let (panel, learned) = market();
    let jobs = batch(&panel, &learned);
    let want = with_threads(1, || digests(&learned, &jobs));
    let mut distinct = want.clone();
    distinct.sort();
    distinct.dedup();
    assert!(distinct.len() + 2 >= want.len(), "the jobs must differ for the comparison to mean anything");
    for threads in [2, 3] {
        assert_eq!(with_threads(threads, || digests(&learned, &jobs)), want, "{threads} threads");
    }

    // A stride coprime to the number of jobs visits each once.
    let n = jobs.len();
    let stride =
        (n / 3..n).find(|stride| (2..=*stride).all(|d| !n.is_multiple_of(d) || !stride.is_multiple_of(d))).unwrap();
    let order: Vec<usize> = (0..n).map(|i| (5 + i * stride) % n).collect();
    let shuffled: Vec<BoostJob> = order.iter().map(|&i| jobs[i].clone()).collect();
    let got = with_threads(2, || digests(&learned, &shuffled));
    for (place, &i) in order.iter().enumerate() {
        assert_eq!(got[place], want[i], "{} at place {place}", jobs[i].name);
    }

    for i in (0..n).step_by(4).chain([n - 1]) {
        assert_eq!(digests(&learned, &jobs[i..=i]), want[i..=i], "{} alone", jobs[i].name);
    }
}

#[test]
fn a_job_does_not_depend_on_the_rows_of_others() {
    let (panel, learned) = market();
    let job = &batch(&panel, &learned)[0];
    let want = digests(&learned, std::slice::from_ref(job));
    // Only the job's own rows, in the same order, at other places of another table.
    let width = learned.table().features;
    let mut values = vec![f32::MAX; width];
    let mut alone = job.clone();
    for rows in [&mut alone.train, &mut alone.valid] {
        for row in rows.iter_mut() {
            values.extend_from_slice(learned.table().row(*row as usize));
            *row = (values.len() / width - 1) as u32;
        }
    }
    let table = Table { values: &values, features: width };
    let forest = huracan::boost::train(table, &view_names(), &[alone], &|_| {}).remove(0).unwrap();
    assert_eq!([forest.digest()], want[..]);
}

#[test]
fn another_seed_gives_another_forest() {
    let (panel, learned) = market();
    let job = batch(&panel, &learned).remove(0);
    let mut other = job.clone();
    other.params.seed += 1;
    let digests = digests(&learned, &[job, other]);
    assert_ne!(digests[0], digests[1]);
}

#[test]
fn features_labels_and_trades_do_not_depend_on_threads() {
    let panel = learning::simulated_panel(7, 60);
    let rules = learning::rules(&learning::settings(&[]));
    let mut signals = Signals::none(panel.symbols.len(), panel.bars);
    for (cell, side) in signals.side.iter_mut().enumerate() {
        *side = [1, 0, 0, -1, 0][cell * 7 % 5];
    }
    let windows: Vec<_> = panel.ranges.iter().map(|range| vec![range.clone()]).collect();
    let run = |threads| {
        with_threads(threads, || {
            let learned = Learned::new(&panel, &rules);
            let seen = learned.features.values.iter().chain(learned.view.values.iter());
            let features: Vec<u32> = seen.map(|v| v.to_bits()).collect();
            let labels: Vec<u64> = learned.labels.return_bps.iter().map(|v| v.to_bits()).collect();
            let trades: Vec<Trade> = simulate(&panel, &signals, &learned.atr, &windows, &rules);
            (features, labels, learned.labels.exit_bar, trades)
        })
    };
    let want = run(1);
    assert!(want.3.len() > 100);
    for threads in [2, 3] {
        assert!(run(threads) == want, "{threads} threads");
    }
}
