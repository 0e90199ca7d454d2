//! Forests and tables that other libraries score beside us: random ones, and ones trained on missing values.
#![allow(dead_code)]

use std::path::Path;

use huracan::arith;
use huracan::boost::{self, BoostJob, BoostParams, Child, Ensemble, Forest, Objective, Table, Tree};

pub const FEATURES: usize = 5;

/// Numbers in [0, 1) from a counter.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> f64 {
        self.0 += 1;
        arith::uniform(arith::draw(11, 5, self.0))
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() * n as f64) as usize
    }
}

/// A tree of `leaves` leaves with random splits, missing directions and values.
fn random_tree(draws: &mut Draws, leaves: usize) -> Tree {
    let mut tree = Tree { leaf_value: vec![draws.next() - 0.5], ..Tree::default() };
    while tree.leaf_value.len() < leaves {
        let leaf = Child::Leaf(draws.below(tree.leaf_value.len()) as u32);
        let node = Child::Node(tree.left.len() as u32);
        tree.left.iter_mut().chain(&mut tree.right).filter(|child| **child == leaf).for_each(|child| *child = node);
        tree.split_feature.push(draws.below(FEATURES) as u32);
        // Some cuts fall on values of the table, where "at most" decides; some let every value pass but missing ones.
        let cut = 4.0 * draws.next() - 2.0;
        tree.threshold.push(match draws.below(12) {
            0..6 => cut,
            6..11 => (4.0 * cut).round() / 4.0,
            _ => f64::MAX,
        });
        tree.missing_left.push(draws.next() < 0.5);
        tree.left.push(leaf);
        tree.right.push(Child::Leaf(tree.leaf_value.len() as u32));
        tree.split_gain.push(draws.next() as f32);
        tree.node_value.push(draws.next() - 0.5);
        tree.leaf_value.push(draws.next() - 0.5);
    }
    let nodes = tree.left.len();
    tree.leaf_count = vec![10; leaves];
    // SHAP values weigh by counts or Hessians: a node has those of its leaves.
    tree.node_count = vec![0; nodes];
    for node in (0..nodes).rev() {
        tree.node_count[node] = count(&tree, tree.left[node]) + count(&tree, tree.right[node]);
    }
    tree.node_weight = tree.node_count.iter().map(|&rows| f64::from(rows)).collect();
    tree.leaf_weight = tree.leaf_count.iter().map(|&rows| f64::from(rows)).collect();
    tree
}

fn count(tree: &Tree, child: Child) -> u32 {
    match child {
        Child::Leaf(leaf) => tree.leaf_count[leaf as usize],
        Child::Node(node) => count(tree, tree.left[node as usize]) + count(tree, tree.right[node as usize]),
    }
}

/// `rounds` rounds of trees of `leaves` leaves, every fourth tree a leaf alone, with names that other formats refuse.
pub fn random_forest(objective: Objective, rounds: usize, leaves: usize, seed: u64) -> Forest {
    let mut draws = Draws(seed << 32);
    let per_round = objective.trees_per_round();
    Forest {
        objective,
        features: ["ret_1", "rsi 14", "macd[<9]", "bb,width", "σ"].map(str::to_owned).to_vec(),
        base_score: (0..per_round).map(|_| draws.next() - 0.5).collect(),
        averaged: false,
        trees: (0..rounds * per_round)
            .map(|i| {
                // Training can end in trees that are one leaf.
                let leaves = if i % 4 == 3 { 1 } else { leaves };
                random_tree(&mut draws, leaves)
            })
            .collect(),
        validation_loss: vec![],
    }
}

/// The same trees as a random forest.
pub fn averaged(forest: Forest) -> Forest {
    Forest { base_score: vec![0.0; forest.base_score.len()], averaged: true, ..forest }
}

/// Rows with a third of the values missing, some on the cuts of [`random_forest`], some infinite, some zero.
pub fn table(rows: usize) -> Vec<f32> {
    let mut draws = Draws(1 << 60);
    (0..rows * FEATURES)
        .map(|_| {
            let value = 4.0 * draws.next() - 2.0;
            match draws.below(12) {
                0..4 => f32::NAN,
                4..6 => ((4.0 * value).round() / 4.0) as f32,
                6 if value < -1.0 => -0.0,
                6 => 0.0,
                7 if value > 1.5 => f32::INFINITY,
                7 if value < -1.5 => f32::NEG_INFINITY,
                7 if value > 1.0 => f32::MAX,
                _ => value as f32,
            }
        })
        .collect()
}

/// A forest trained on `rows`, whose labels follow from the first two features and from what is missing.
pub fn trained_forest(objective: Objective, ensemble: Ensemble, rows: &[f32]) -> Forest {
    let count = rows.len() / FEATURES;
    let label = |row: &[f32]| {
        let value = |v: f32, missing: f32| if v.is_nan() { missing } else { v.clamp(-2.0, 2.0) };
        let score = value(row[0], 1.2) - value(row[1], -0.4) * value(row[2], 0.9);
        match objective {
            Objective::Binary => f32::from(u8::from(score > 0.0)),
            Objective::Regression | Objective::Quantile { .. } | Objective::Huber { .. } => 40.0 * score,
            Objective::Multiclass { classes } => (score + 2.0).clamp(0.0, classes as f32 - 1.0).floor(),
        }
    };
    let job = BoostJob {
        name: format!("{objective:?}, {ensemble:?}"),
        train: (0..count as u32).collect(),
        train_labels: rows.chunks(FEATURES).map(label).collect(),
        params: BoostParams {
            objective,
            ensemble,
            rounds: 40,
            max_depth: 5,
            min_child_hessian: 1.0,
            subsample: 0.8,
            colsample: 0.8,
            ..BoostParams::default()
        },
        ..BoostJob::default()
    };
    let names: Vec<String> = (0..FEATURES).map(|i| format!("f{i}")).collect();
    let table = Table { values: rows, features: FEATURES };
    boost::train(table, &names, &[job], &|_| {}).remove(0).unwrap()
}

/// Every objective, boosted and as a random forest, trained on `rows`; missing values go both ways in each.
pub fn trained_forests(rows: &[f32]) -> Vec<(String, Forest)> {
    let objectives = [
        Objective::Binary,
        Objective::Regression,
        Objective::Multiclass { classes: 4 },
        Objective::Quantile { alpha: 0.3 },
        Objective::Huber { delta: 25.0 },
    ];
    let mut forests = vec![];
    for objective in objectives {
        for ensemble in [Ensemble::Boosting, Ensemble::Forest] {
            let forest = trained_forest(objective, ensemble, rows);
            for left in [true, false] {
                let goes = forest.trees.iter().any(|tree| tree.missing_left.contains(&left));
                assert!(goes, "{objective:?}: no missing value goes {}", if left { "left" } else { "right" });
            }
            forests.push((format!("trained, {objective:?}, {ensemble:?}"), forest));
        }
    }
    forests
}

/// Our predictions for `rows`, `[rows × classes]`.
pub fn predictions(forest: &Forest, rows: &[f32]) -> Vec<f64> {
    rows.chunks(forest.features.len()).flat_map(|row| forest.predict(row)).collect()
}

/// Requires that two models' predictions agree within `tolerance`, and that those of a forest with splits differ.
pub fn assert_agree(name: &str, forest: &Forest, ours: &[f64], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len(), "{name}");
    for (at, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() <= tolerance, "{name}, prediction {at}: ours {a}, theirs {b}");
    }
    let spread = ours.iter().copied().fold(f64::MIN, f64::max) - ours.iter().copied().fold(f64::MAX, f64::min);
    let constant = forest.trees.iter().all(|tree| tree.split_feature.is_empty());
    assert!(constant || spread > 0.01, "{name}: equal predictions prove nothing");
}

pub fn write_f32(path: &Path, values: &[f32]) {
    std::fs::write(path, values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>()).unwrap();
}

pub fn read_f32(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap();
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

pub fn read_f64(path: &Path) -> Vec<f64> {
    let bytes = std::fs::read(path).unwrap();
    bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()
}
