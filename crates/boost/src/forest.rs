//! A trained model: its trees and their validation losses.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Child, Objective, Tree};

/// The trees of one model; the tree of class `k` in round `r` is at `r × trees_per_round + k`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forest {
    /// What the model predicts.
    pub objective: Objective,
    /// Names of the features, in the order of a row's values.
    pub features: Vec<String>,
    /// Score before the first tree, one per class.
    pub base_score: Vec<f64>,
    /// Whether trees are averaged instead of added up: a random forest, whose base score is 0.
    pub averaged: bool,
    /// Trees up to the best round.
    pub trees: Vec<Tree>,
    /// Validation loss after each round that was trained, including those after the best; empty without validation rows.
    pub validation_loss: Vec<f64>,
}

impl Forest {
    /// Number of rounds that were kept.
    pub fn rounds(&self) -> usize {
        self.trees.len() / self.objective.trees_per_round()
    }

    /// Validation loss after the rounds that were kept; none without validation rows.
    pub fn kept_loss(&self) -> Option<f64> {
        self.validation_loss.get(self.rounds().checked_sub(1)?).copied()
    }

    /// What the sum of a class's trees is divided by: the number of rounds if trees are averaged, otherwise 1.
    pub fn divisor(&self) -> f64 {
        if self.averaged { self.rounds().max(1) as f64 } else { 1.0 }
    }

    /// Raw scores of one row `[features]`, one per class.
    ///
    /// # Panics
    /// The row has fewer features than the trees.
    pub fn raw_scores(&self, row: &[f32]) -> Vec<f64> {
        let mut scores = self.base_score.clone();
        let classes = scores.len();
        for (i, tree) in self.trees.iter().enumerate() {
            scores[i % classes] += tree.predict(row);
        }
        let divisor = self.divisor();
        scores.iter_mut().for_each(|score| *score /= divisor);
        scores
    }

    /// Prediction for one row `[features]`: a probability (binary), a value (regression), or one probability per class.
    ///
    /// # Panics
    /// The row has fewer features than the trees.
    pub fn predict(&self, row: &[f32]) -> Vec<f64> {
        let mut scores = self.raw_scores(row);
        self.objective.transform(&mut scores);
        scores
    }

    /// Total gain of each feature's splits, `[features]`.
    ///
    /// # Panics
    /// A tree splits on a feature that the forest does not have.
    pub fn gain_importance(&self) -> Vec<f64> {
        let mut gain = vec![0.0; self.features.len()];
        for tree in &self.trees {
            for (feature, g) in tree.split_feature.iter().zip(&tree.split_gain) {
                gain[*feature as usize] += f64::from(*g);
            }
        }
        gain
    }

    /// Number of each feature's splits, `[features]`.
    ///
    /// # Panics
    /// A tree splits on a feature that the forest does not have.
    pub fn split_importance(&self) -> Vec<u64> {
        let mut splits = vec![0; self.features.len()];
        for feature in self.trees.iter().flat_map(|tree| &tree.split_feature) {
            splits[*feature as usize] += 1;
        }
        splits
    }

    /// SHA-256 (hex) of everything that a prediction depends on: forests with equal digests predict equal bits.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{:?}", self.objective));
        hash.update(if self.averaged { "mean" } else { "" });
        for name in &self.features {
            hash.update(name.as_bytes());
            hash.update([0]);
        }
        for score in &self.base_score {
            hash.update(score.to_bits().to_le_bytes());
        }
        let child = |hash: &mut Sha256, child: Child| match child {
            Child::Node(node) => {
                hash.update([0]);
                hash.update(node.to_le_bytes());
            }
            Child::Leaf(leaf) => {
                hash.update([1]);
                hash.update(leaf.to_le_bytes());
            }
        };
        for tree in &self.trees {
            hash.update((tree.leaf_value.len() as u64).to_le_bytes());
            for node in 0..tree.split_feature.len() {
                hash.update(tree.split_feature[node].to_le_bytes());
                hash.update(tree.threshold[node].to_bits().to_le_bytes());
                hash.update([u8::from(tree.missing_left[node])]);
                child(&mut hash, tree.left[node]);
                child(&mut hash, tree.right[node]);
            }
            for value in &tree.leaf_value {
                hash.update(value.to_bits().to_le_bytes());
            }
        }
        huracan_base::hex(&hash.finalize())
    }
}
