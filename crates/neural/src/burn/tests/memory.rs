//! Batches that fit the memory.

use super::*;

#[test]
fn ranges_of_rows_become_one_where_they_touch() {
    let rows = RowRanges::default().with(10..20).with(40..50).with(30..35);
    assert_eq!(
        (rows.len(), rows.position(10), rows.position(30), rows.position(49), rows.position(25)),
        (26, 1, 11, 25, 0)
    );
    assert_eq!(rows.with(20..30), RowRanges::default().with(40..50).with(10..35));
    assert_eq!(rows.with(15..41).len(), 41);
    assert_eq!(rows.with(0..100), RowRanges::default().with(0..100));
    assert_eq!(rows.with(12..13), rows);
}

#[test]
fn with_little_memory_several_batches_train_the_same_networks() {
    let values = table(600);
    let jobs = various(&values, 4);
    let table = Table { values: &values, features: FEATURES };
    let all: Vec<usize> = (0..jobs.len()).collect();
    let whole = plan::batches(table, &jobs, &all, 1 << 40);
    assert_eq!(whole.len(), 1);
    let free = whole[0].bytes;
    let split = plan::batches(table, &jobs, &all, free);
    assert!(split.len() > 1 && split.len() < jobs.len(), "{split:?}");
    assert!(split.iter().all(|batch| batch.bytes <= free / 2), "{split:?}");
    let mut found: Vec<usize> = split.iter().flat_map(|batch| batch.jobs.clone()).collect();
    found.sort_unstable();
    assert_eq!(found, all);
    let alone = plan::batches(table, &jobs, &all, 1);
    assert!(alone.len() == jobs.len() && alone.iter().all(|batch| batch.jobs.len() == 1));

    let wanted = by_burn(&values, &jobs, &());
    for free in [free, 1] {
        let found = train::<Trains>(&DEVICE, free, table, &names(), &jobs, &());
        for (found, wanted) in found.iter().zip(&wanted) {
            let (found, wanted) = (found.as_ref().unwrap(), wanted.as_ref().unwrap());
            assert!(distance(&found.parameters, &wanted.parameters) < 1e-4);
        }
    }
}

#[test]
fn jobs_with_other_tensors_get_other_batches_and_neighbours_share_rows() {
    let values = table(3000);
    let table = Table { values: &values, features: FEATURES };
    let at = |number: u32, name: &str| {
        let mut job = job(name, 300, 250, |_| [0.0, 1.0, 2.0]);
        job.params.batch = 4;
        job.rows = 300 * number..300 * (number + 1);
        job.train.iter_mut().chain(&mut job.valid).for_each(|row| *row += 300 * number);
        job
    };
    // Two folds of each of ten coins, the first folds before the second.
    let mut jobs: Vec<NeuralJob> = (0..20).map(|number| at(number % 10, &format!("{number}"))).collect();
    let all: Vec<usize> = (0..20).collect();
    let whole = plan::batches(table, &jobs, &all, 1 << 40);
    assert_eq!((whole.len(), whole[0].rows.len()), (1, 3001));
    // Memory for the two jobs of one coin: less than the table takes.
    let pair = plan::batches(table, &jobs, &[3, 13], 1 << 40).remove(0);
    assert_eq!(pair.rows.len(), 301);
    let split = plan::batches(table, &jobs, &all, 2 * pair.bytes);
    assert!(
        split.len() == 10 && split.iter().all(|batch| batch.rows.len() == 301 && batch.jobs.len() == 2),
        "{split:?}"
    );
    jobs[3].params.shape.width = 17;
    jobs[4].heads = vec![Head::Binary, Head::Value, Head::Value];
    jobs[5].params.batch = 5;
    jobs[6].params.dropout = 0.1;
    jobs[7].params.learning_rate = 0.5;
    jobs[8].params.seed = 4;
    let apart = plan::batches(table, &jobs, &all, 1 << 40);
    assert_eq!(apart.iter().map(|batch| batch.jobs.len()).collect::<Vec<_>>(), [16, 1, 1, 1, 1]);
}
