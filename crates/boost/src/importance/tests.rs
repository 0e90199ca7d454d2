use super::*;
use crate::{Child, Forest, Objective, Table, Tree};
use huracan_base::arith::{draw, uniform};

/// Random numbers from a counter.
pub struct Draws(pub u64, u64);

impl Draws {
    pub fn of(seed: u64) -> Self {
        Self(seed, 0)
    }

    /// In [0, 1).
    pub fn next(&mut self) -> f64 {
        self.1 += 1;
        uniform(draw(self.0, 17, self.1))
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() * n as f64) as usize
    }
}

/// A tree grown by splitting leaves at random. A node's rows are divided at random; some children get none.
pub fn random_tree(draws: &mut Draws, features: usize, leaves: usize) -> Tree {
    let mut tree = leaf(draws.next() - 0.5, 1000);
    while tree.leaf_value.len() < leaves {
        let old = draws.below(tree.leaf_value.len());
        let rows = tree.leaf_count[old];
        let to_left = if draws.next() < 0.1 { 0 } else { (f64::from(rows) * draws.next()) as u32 };
        let outputs = [(tree.leaf_value[old], to_left), (draws.next() - 0.5, rows - to_left)];
        let rule = (draws.below(features) as u32, draws.next(), draws.next() < 0.5);
        split(&mut tree, old, rule, outputs);
    }
    tree
}

fn leaf(value: f64, rows: u32) -> Tree {
    Tree { leaf_value: vec![value], leaf_weight: vec![1.0], leaf_count: vec![rows], ..Tree::default() }
}

/// Makes a leaf a node: (feature, threshold, missing left) and each child's (output, rows); the right one is a new leaf.
fn split(tree: &mut Tree, old: usize, rule: (u32, f64, bool), [left, right]: [(f64, u32); 2]) {
    let (leaf, node) = (Child::Leaf(old as u32), Child::Node(tree.left.len() as u32));
    tree.left.iter_mut().chain(&mut tree.right).filter(|child| **child == leaf).for_each(|child| *child = node);
    tree.split_feature.push(rule.0);
    tree.threshold.push(rule.1);
    tree.missing_left.push(rule.2);
    tree.left.push(leaf);
    tree.right.push(Child::Leaf(tree.leaf_value.len() as u32));
    tree.split_gain.push(1.0);
    tree.node_value.push(0.0);
    tree.node_weight.push(1.0);
    tree.node_count.push(tree.leaf_count[old]);
    (tree.leaf_value[old], tree.leaf_count[old]) = left;
    tree.leaf_value.push(right.0);
    tree.leaf_weight.push(1.0);
    tree.leaf_count.push(right.1);
}

pub fn forest(objective: Objective, features: usize, trees: Vec<Tree>) -> Forest {
    Forest {
        objective,
        features: (0..features).map(|f| format!("f{f}")).collect(),
        base_score: (0..objective.trees_per_round()).map(|class| 0.25 - class as f64).collect(),
        averaged: false,
        trees,
        validation_loss: vec![],
    }
}

/// `[rows × features]` in [0, 1), a fifth missing.
pub fn random_rows(draws: &mut Draws, rows: usize, features: usize) -> Vec<f32> {
    (0..rows * features).map(|_| if draws.next() < 0.2 { f32::NAN } else { draws.next() as f32 }).collect()
}

fn explained(forest: &Forest, values: &[f32]) -> Vec<f64> {
    let table = Table { values, features: forest.features.len() };
    let rows: Vec<u32> = (0..table.rows() as u32).collect();
    contributions(forest, table, &rows)
}

/// The mean output of a tree if the features of `known` (one bit each) are those of the row, weighted by row counts otherwise.
fn conditional(tree: &Tree, at: Child, row: &[f32], known: u32) -> f64 {
    let node = match at {
        Child::Leaf(leaf) => return tree.leaf_value[leaf as usize],
        Child::Node(node) => node as usize,
    };
    let feature = tree.split_feature[node] as usize;
    let [left, right] = [tree.left[node], tree.right[node]];
    if known & (1 << feature) != 0 {
        let value = row[feature];
        let goes_left = if value.is_nan() { tree.missing_left[node] } else { f64::from(value) <= tree.threshold[node] };
        return conditional(tree, if goes_left { left } else { right }, row, known);
    }
    let count = |child| match child {
        Child::Leaf(leaf) => f64::from(tree.leaf_count[leaf as usize]),
        Child::Node(node) => f64::from(tree.node_count[node as usize]),
    };
    let share = if tree.node_count[node] == 0 { 0.5 } else { count(left) / f64::from(tree.node_count[node]) };
    share * conditional(tree, left, row, known) + (1.0 - share) * conditional(tree, right, row, known)
}

/// Shapley values by definition: the mean increase per feature over all orders in which features become known.
fn by_definition(tree: &Tree, row: &[f32]) -> Vec<f64> {
    let features = row.len();
    let root = if tree.split_feature.is_empty() { Child::Leaf(0) } else { Child::Node(0) };
    let factorial = |n: usize| (1..=n).map(|k| k as f64).product::<f64>();
    let mean = |known: u32| conditional(tree, root, row, known);
    let mut values: Vec<f64> = (0..features)
        .map(|feature| {
            let others = (0..1_u32 << features).filter(|known| known & (1 << feature) == 0);
            others
                .map(|known| {
                    let size = known.count_ones() as usize;
                    let orders = factorial(size) * factorial(features - size - 1) / factorial(features);
                    orders * (mean(known | 1 << feature) - mean(known))
                })
                .sum()
        })
        .collect();
    values.push(mean(0));
    values
}

#[track_caller]
fn assert_near(ours: &[f64], expected: &[f64], within: f64) {
    assert_eq!(ours.len(), expected.len());
    for (i, (a, b)) in ours.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= within, "{i}: {a} for {b}");
    }
}

#[test]
fn shap_values_are_those_of_the_definition() {
    let mut draws = Draws::of(1);
    let (mut repeated, mut empty) = (0, 0);
    for case in 0..120 {
        let features = 4 + case % 3;
        let leaves = 2 + draws.below(24);
        let tree = random_tree(&mut draws, features, leaves);
        repeated += usize::from(tree.split_feature.len() > 2 * features);
        empty += usize::from(tree.node_count.contains(&0));
        let rows = random_rows(&mut draws, 9, features);
        let expected: Vec<f64> = rows.chunks(features).flat_map(|row| by_definition(&tree, row)).collect();
        let mut forest = forest(Objective::Regression, features, vec![tree]);
        forest.base_score = vec![0.0];
        assert_near(&explained(&forest, &rows), &expected, 1e-13);
    }
    assert!(repeated > 20 && empty > 20, "{repeated} {empty}");
}

#[test]
fn a_stump_contributes_the_distance_from_its_mean() {
    let mut tree = leaf(0.0, 10);
    split(&mut tree, 0, (1, 0.5, true), [(1.0, 4), (-2.0, 6)]);
    let forest = forest(Objective::Regression, 2, vec![tree, leaf(0.125, 10)]);
    // Mean 0.4 · 1 − 0.6 · 2 = −0.8; base score 0.25 and the lone leaf's 0.125 come on top.
    let values = explained(&forest, &[9.0, 0.5, 9.0, 0.6, 9.0, f32::NAN]);
    assert_near(&values, &[0.0, 1.8, -0.425, 0.0, -1.2, -0.425, 0.0, 1.8, -0.425], 1e-15);
}

#[test]
fn both_inputs_of_a_conjunction_contribute_the_same() {
    // 1 if both features are above ½, as in a quarter of the rows: ½(½ + ¼) each for such a row.
    let mut tree = leaf(0.0, 8);
    split(&mut tree, 0, (0, 0.5, false), [(0.0, 4), (0.0, 4)]);
    split(&mut tree, 1, (1, 0.5, false), [(0.0, 2), (1.0, 2)]);
    let forest = forest(Objective::Regression, 2, vec![tree]);
    assert_near(&explained(&forest, &[0.9, 0.9]), &[0.375, 0.375, 0.5], 1e-15);
    // Only the first is above ½. It adds ¼ if it is known first, and 0 if second; the other adds −¼ and −½.
    assert_near(&explained(&forest, &[0.9, 0.1]), &[0.125, -0.375, 0.5], 1e-15);
}

#[test]
fn contributions_add_up_to_the_raw_score() {
    let mut draws = Draws::of(2);
    for objective in [Objective::Binary, Objective::Multiclass { classes: 3 }] {
        for averaged in [false, true] {
            let classes = objective.trees_per_round();
            let trees = (0..8 * classes)
                .map(|i| {
                    let leaves = [1, 2, 31, 80][i % 4];
                    random_tree(&mut draws, 20, leaves)
                })
                .collect();
            let mut forest = forest(objective, 20, trees);
            forest.averaged = averaged;
            if averaged {
                forest.base_score = vec![0.0; classes];
            }
            let rows = random_rows(&mut draws, 40, 20);
            let values = explained(&forest, &rows);
            let sums: Vec<f64> = values.chunks(21).map(|class| class.iter().sum()).collect();
            let scores: Vec<f64> = rows.chunks(20).flat_map(|row| forest.raw_scores(row)).collect();
            assert_near(&sums, &scores, 1e-13);
        }
    }
}

#[test]
fn contributions_of_forests_with_many_nodes_add_up() {
    // More nodes than are in memory at once, divided within a round of classes.
    let mut draws = Draws::of(6);
    let trees: Vec<Tree> = (0..42).map(|_| random_tree(&mut draws, 7, 1000)).collect();
    let forest = forest(Objective::Multiclass { classes: 3 }, 7, trees);
    let rows = random_rows(&mut draws, 3, 7);
    let values = explained(&forest, &rows);
    let sums: Vec<f64> = values.chunks(8).map(|class| class.iter().sum()).collect();
    let scores: Vec<f64> = rows.chunks(7).flat_map(|row| forest.raw_scores(row)).collect();
    assert_near(&sums, &scores, 1e-13);
}

#[test]
fn contributions_of_classes_and_averages_follow_from_single_trees() {
    let mut draws = Draws::of(3);
    let trees: Vec<Tree> = (0..6).map(|_| random_tree(&mut draws, 4, 12)).collect();
    let rows = random_rows(&mut draws, 5, 4);
    let objective = Objective::Multiclass { classes: 2 };
    let mut all = forest(objective, 4, trees.clone());
    for averaged in [false, true] {
        all.averaged = averaged;
        let shared = if averaged { 3.0 } else { 1.0 };
        let mut expected = vec![];
        for row in rows.chunks(4) {
            for class in 0..2 {
                let mut sum = [0.0, 0.0, 0.0, 0.0, all.base_score[class]];
                for tree in trees.iter().skip(class).step_by(2) {
                    sum.iter_mut().zip(by_definition(tree, row)).for_each(|(sum, value)| *sum += value);
                }
                expected.extend(sum.map(|value| value / shared));
            }
        }
        assert_near(&explained(&all, &rows), &expected, 1e-13);
    }
}

#[test]
fn nodes_without_rows_weight_their_children_equally() {
    let mut draws = Draws::of(4);
    let mut tree = random_tree(&mut draws, 4, 16);
    let even = {
        // Counts of a tree that halves its rows at every node.
        let mut tree = tree.clone();
        let mut rows = vec![1 << 20; tree.node_count.len()];
        for node in 0..rows.len() {
            for child in [tree.left[node], tree.right[node]] {
                match child {
                    Child::Leaf(leaf) => tree.leaf_count[leaf as usize] = rows[node] / 2,
                    Child::Node(next) => rows[next as usize] = rows[node] / 2,
                }
            }
        }
        tree.node_count = rows;
        tree
    };
    tree.node_count.fill(0);
    tree.leaf_count.fill(0);
    let rows = random_rows(&mut draws, 20, 4);
    let [unknown, halved] = [tree, even].map(|tree| explained(&forest(Objective::Regression, 4, vec![tree]), &rows));
    assert!(unknown.iter().all(|value| value.is_finite()));
    assert_eq!(unknown, halved);
}

/// Splits on each of `features` in turn; the rest of the rows go right. The last leaf has the output 1, the others 0.
fn chain(features: usize, aside: u32, further: u32) -> Tree {
    let mut tree = leaf(0.0, aside + further);
    for feature in 0..features {
        let value = f64::from(u8::from(feature + 1 == features));
        split(&mut tree, feature, (feature as u32, 0.5, false), [(0.0, aside), (value, further)]);
    }
    tree.node_count.fill(further);
    tree
}

#[test]
fn long_paths_lose_no_digits() {
    // Each feature contributes the same share of 1 − 0.98ᴹ. Algorithm 2 in f64 is wrong by 0.6 % of it at 60 features, and
    // returns −2.6 · 10⁸ for 0.0087 at 100.
    for features in [30, 60, 100, 301] {
        let forest = forest(Objective::Regression, features, vec![chain(features, 1, 49)]);
        let values = explained(&forest, &vec![1.0; features]);
        let share = (1.0 - 0.98_f64.powi(features as i32)) / features as f64;
        let within = 1e-12 * share;
        assert_near(&values[..features], &vec![share; features], within);
    }
}

#[test]
fn trees_deeper_than_a_stack_are_walked() {
    let mut tree = chain(20_000, 1, 999_999);
    tree.split_feature.fill(0);
    let forest = forest(Objective::Regression, 1, vec![tree]);
    let mean = 0.25 + (1.0 - 1e-6_f64).powi(20_000);
    assert_near(&explained(&forest, &[1.0, 0.0]), &[1.25 - mean, mean, 0.25 - mean, mean], 1e-12);
}

#[test]
fn contributions_of_a_row_do_not_depend_on_other_rows_or_threads() {
    let mut draws = Draws::of(5);
    let trees = (0..60).map(|_| random_tree(&mut draws, 12, 40)).collect();
    let forest = forest(Objective::Multiclass { classes: 3 }, 12, trees);
    let values = random_rows(&mut draws, 100, 12);
    let table = Table { values: &values, features: 12 };
    let rows: Vec<u32> = (0..100).rev().collect();
    let all = contributions(&forest, table, &rows);
    for threads in [1, 2, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| contributions(&forest, table, &rows)), all);
    }
    for (&row, together) in rows.iter().zip(all.chunks(39)) {
        assert_eq!(contributions(&forest, table, &[row]), together);
    }
}

#[test]
fn without_rows_or_trees_there_is_only_the_base_score() {
    let forest = forest(Objective::Multiclass { classes: 2 }, 2, vec![]);
    assert_eq!(explained(&forest, &[]), [0.0; 0]);
    assert_eq!(explained(&forest, &[1.0, 2.0]), [0.0, 0.0, 0.25, 0.0, 0.0, -0.75]);
}

#[test]
fn the_global_importance_is_the_mean_absolute_contribution() {
    // Two rows, two classes, two features; expected values do not count.
    let values = [1.0, -2.0, 9.0, 0.5, 0.0, 9.0, -3.0, 1.0, 9.0, -0.5, 1.0, 9.0];
    assert_eq!(mean_absolute_contributions(&values, 2, 2), [2.5, 2.0]);
    assert_eq!(mean_absolute_contributions(&[], 2, 2), [0.0, 0.0]);
}
