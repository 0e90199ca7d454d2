use super::super::tests::{Draws, forest, random_rows, random_tree};
use super::*;
use crate::{BoostJob, BoostParams, Child, Growth, Objective, Tree, train};

const FEATURES: usize = 6;

fn label(objective: Objective, score: f64) -> f32 {
    match objective {
        Objective::Multiclass { classes } => ((score + 1.0).clamp(0.0, f64::from(classes) - 1.0)).floor() as f32,
        Objective::Binary => f32::from(u8::from(score > 0.3)),
        _ => score as f32,
    }
}

/// Trees of a few splits each, so that some trees lack some features. The last feature is the same in all rows.
fn learned(objective: Objective) -> (Forest, Vec<f32>, Vec<f32>) {
    let mut draws = Draws::of(11);
    let mut values = random_rows(&mut draws, 500, FEATURES);
    let rows = values.chunks_mut(FEATURES);
    let labels: Vec<f32> = rows
        .map(|row| {
            row[FEATURES - 1] = 1.0;
            let known = |f: usize| if row[f].is_nan() { 0.4 } else { f64::from(row[f]) };
            label(objective, 3.0 * known(2) - known(0) * known(1) + 0.2 * draws.next() - 1.0)
        })
        .collect();
    let params = BoostParams {
        objective,
        rounds: 20,
        growth: Growth::Leaf,
        max_leaves: 4,
        max_depth: 0,
        colsample: 0.6,
        ..BoostParams::default()
    };
    let job = BoostJob { train: (0..500).collect(), train_labels: labels.clone(), params, ..BoostJob::default() };
    let names: Vec<String> = (0..FEATURES).map(|f| format!("f{f}")).collect();
    let table = Table { values: &values, features: FEATURES };
    let forest = train(table, &names, &[job], &|_| {}).remove(0).unwrap();
    (forest, values, labels)
}

const OBJECTIVES: [Objective; 3] = [Objective::Regression, Objective::Binary, Objective::Multiclass { classes: 3 }];

#[test]
fn the_planted_feature_matters_most_and_an_unused_one_does_not_matter() {
    for objective in OBJECTIVES {
        let (forest, values, labels) = learned(objective);
        let rows: Vec<u32> = (0..500).collect();
        let table = Table { values: &values, features: FEATURES };
        let permuted = permutation_importance(&forest, table, &rows, &labels, &[], 3, 5);
        assert!((0..FEATURES).all(|f| f == 2 || permuted[f].mean < permuted[2].mean), "{permuted:?}");
        assert!(permuted[2].mean > 0.0 && permuted[2].deviation > 0.0);
        assert_eq!(
            (forest.split_importance()[FEATURES - 1], permuted[FEATURES - 1]),
            (0, PermutationImportance::default())
        );
    }
}

#[test]
fn permutation_equals_predicting_a_shuffled_table() {
    let weights: Vec<f32> = (0..400).map(|i| (i % 7) as f32 * 0.5).collect();
    let rows: Vec<u32> = (0..500).rev().filter(|row| row % 5 != 0).collect();
    for (objective, averaged) in OBJECTIVES.into_iter().flat_map(|o| [(o, false), (o, true)]) {
        let (mut forest, values, labels) = learned(objective);
        forest.averaged = averaged;
        let labels: Vec<f32> = rows.iter().map(|&row| labels[row as usize]).collect();
        let table = Table { values: &values, features: FEATURES };
        let loss = |cells: &[f32]| {
            let scores: Vec<f64> = cells.chunks(FEATURES).flat_map(|row| forest.raw_scores(row)).collect();
            mean_loss(objective, &scores, &labels, &weights, &mut vec![])
        };
        let cells: Vec<f32> = rows.iter().flat_map(|&row| table.row(row as usize)).copied().collect();
        let permuted = permutation_importance(&forest, table, &rows, &labels, &weights, 2, 5);
        for feature in 0..FEATURES {
            let rises = [0, 1].map(|repeat| {
                let mut order: Vec<usize> = (0..rows.len()).collect();
                order.sort_by_key(|&position| arith::draw(5, ((feature as u64) << 32) + repeat, position as u64));
                let mut changed = cells.clone();
                for (position, from) in order.into_iter().enumerate() {
                    changed[position * FEATURES + feature] = cells[from * FEATURES + feature];
                }
                loss(&changed) - loss(&cells)
            });
            let mean = (rises[0] + rises[1]) / 2.0;
            // The sample standard deviation of two values is |a − b|/√2.
            let deviation = (rises[0] - rises[1]).abs() / 2.0_f64.sqrt();
            let PermutationImportance { mean: ours, deviation: our_deviation } = permuted[feature];
            assert!((ours - mean).abs() < 1e-12 && (our_deviation - deviation).abs() < 1e-12, "{ours} for {mean}");
        }
    }
}

#[test]
fn permutation_is_equal_for_any_number_of_threads() {
    let (forest, values, labels) = learned(Objective::Multiclass { classes: 3 });
    let rows: Vec<u32> = (0..500).collect();
    let table = Table { values: &values, features: FEATURES };
    let [one, two, three] = [1, 2, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| permutation_importance(&forest, table, &rows, &labels, &[], 4, 9))
    });
    assert!(one == two && two == three);
    assert_ne!(one, permutation_importance(&forest, table, &rows, &labels, &[], 4, 10));
}

#[test]
fn two_rows_are_swapped_or_not() {
    let tree = Tree {
        split_feature: vec![0],
        threshold: vec![0.5],
        missing_left: vec![false],
        left: vec![Child::Leaf(0)],
        right: vec![Child::Leaf(1)],
        leaf_value: vec![0.0, 1.0],
        ..Tree::default()
    };
    let mut forest = forest(Objective::Regression, 1, vec![tree]);
    forest.base_score = vec![0.0];
    let table = Table { values: &[0.0, 1.0], features: 1 };
    let rises = |repeats| permutation_importance(&forest, table, &[0, 1], &[0.0, 1.0], &[], repeats, 3)[0];
    let swaps = (0..40).filter(|&repeat| arith::draw(3, repeat, 0) > arith::draw(3, repeat, 1)).count() as f64;
    assert!((10.0..30.0).contains(&swaps));
    // Each swap makes both rows wrong by 1: the rises are 0 and 1.
    let PermutationImportance { mean, deviation } = rises(40);
    assert!((mean - swaps / 40.0).abs() < 1e-12);
    assert!((deviation - (swaps * (40.0 - swaps) / (40.0 * 39.0)).sqrt()).abs() < 1e-12);
    assert_eq!(rises(1).deviation, 0.0);
    assert_eq!(rises(0), PermutationImportance::default());
    assert_eq!(permutation_importance(&forest, table, &[], &[], &[], 3, 3), [PermutationImportance::default()]);
}

#[test]
fn a_feature_that_is_the_same_in_all_rows_is_exactly_0() {
    // Its trees are subtracted and added again: only sums that do not depend on the order return to the same value.
    let mut draws = Draws::of(12);
    let trees = (0..50).map(|_| random_tree(&mut draws, 3, 6)).collect();
    let forest = forest(Objective::Regression, 3, trees);
    let mut values = random_rows(&mut draws, 200, 3);
    values.chunks_mut(3).for_each(|row| row[1] = 0.5);
    let rows: Vec<u32> = (0..200).collect();
    let labels: Vec<f32> = rows.iter().map(|_| draws.next() as f32).collect();
    assert!(forest.split_importance()[1] > 20);
    let permuted = permutation_importance(&forest, Table { values: &values, features: 3 }, &rows, &labels, &[], 2, 1);
    assert_eq!(permuted[1], PermutationImportance::default());
    assert_ne!(permuted[0], PermutationImportance::default());
}
