//! A trained model: trees, and what is known of their training.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Child, Objective, Tree};

/// Boosted trees of one model, tree of class `k` in round `r` at `r × trees_per_round + k`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forest {
    pub objective: Objective,
    /// Names of the features, in the order of the rows predicted.
    pub features: Vec<String>,
    /// Score before the first tree, one a class.
    pub base_score: Vec<f64>,
    /// Whether the trees' mean counts, not their sum: a random forest, whose base score is 0.
    pub averaged: bool,
    /// Trees up to the best round.
    pub trees: Vec<Tree>,
    /// Validation loss after each round that was trained, those after the best included; empty without validation rows.
    pub validation_loss: Vec<f64>,
}

impl Forest {
    /// Rounds kept.
    pub fn rounds(&self) -> usize {
        self.trees.len() / self.objective.trees_per_round()
    }

    /// Validation loss after the rounds that are kept; none without validation rows.
    pub fn kept_loss(&self) -> Option<f64> {
        self.validation_loss.get(self.rounds().checked_sub(1)?).copied()
    }

    /// What the sum of a class's trees is divided by: their number where their mean counts, else 1.
    pub fn shared_by(&self) -> f64 {
        if self.averaged { self.rounds().max(1) as f64 } else { 1.0 }
    }

    /// Raw scores of one row, one a class.
    pub fn raw_scores(&self, row: &[f32]) -> Vec<f64> {
        let mut scores = self.base_score.clone();
        let classes = scores.len();
        for (i, tree) in self.trees.iter().enumerate() {
            scores[i % classes] += tree.predict(row);
        }
        let shared = self.shared_by();
        scores.iter_mut().for_each(|score| *score /= shared);
        scores
    }

    /// Prediction for one row: a probability (binary), a value (regression), or a probability a class.
    pub fn predict(&self, row: &[f32]) -> Vec<f64> {
        let mut scores = self.raw_scores(row);
        self.objective.transform(&mut scores);
        scores
    }

    /// Total gain of each feature's splits.
    pub fn gain_importance(&self) -> Vec<f64> {
        let mut gain = vec![0.0; self.features.len()];
        for tree in &self.trees {
            for (feature, g) in tree.split_feature.iter().zip(&tree.split_gain) {
                gain[*feature as usize] += f64::from(*g);
            }
        }
        gain
    }

    /// Number of each feature's splits.
    pub fn split_importance(&self) -> Vec<u64> {
        let mut splits = vec![0; self.features.len()];
        for feature in self.trees.iter().flat_map(|tree| &tree.split_feature) {
            splits[*feature as usize] += 1;
        }
        splits
    }

    /// SHA-256 (hex) of everything that decides a prediction: equal digests predict equal bits.
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
