//! A trained network.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::layers::{self, Layer};
use super::step::{self, Workspace};
use super::windows::Windows;
use super::{Epoch, Head, Progress, Scaler, Shape};
use huracan_base::Table;
use huracan_base::arith;

/// Weights, and what turns features into their inputs and their outputs into predictions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Network {
    pub shape: Shape,
    pub heads: Vec<Head>,
    pub features: Vec<String>,
    pub scaler: Scaler,
    /// Of the labels of value heads; mean 0 and scale 1 for the others.
    pub label_scaler: Scaler,
    /// All weights and biases, in the order of [`layers`](super::layers).
    pub parameters: Vec<f32>,
    /// What each epoch came to; the network is that of the best.
    pub progress: Progress,
}

impl Network {
    /// The epoch whose network this is; none of a network that was never trained.
    pub fn best(&self) -> Option<&Epoch> {
        self.progress.epochs.get(self.progress.best_epoch)
    }

    /// Its layers, and where their weights lie among the parameters.
    pub fn layers(&self) -> Vec<Layer> {
        layers::layers(self.shape, self.features.len(), self.heads.len())
    }

    /// What the heads say of some rows, `[rows × heads]`: probabilities, and values in the label's unit. `first` is the
    /// first row of their symbol: earlier bars of a window count as missing.
    pub fn predict(&self, table: Table<'_>, first: u32, rows: &[u32]) -> Vec<f64> {
        const BATCH: usize = 256;
        let layers = self.layers();
        let windows = Windows::of(table, &self.scaler, self.shape.window, first, rows);
        let mut work = Workspace::default();
        let mut says = Vec::with_capacity(rows.len() * self.heads.len());
        for batch in rows.chunks(BATCH) {
            windows.gather(batch, &mut work.inputs);
            let scores = step::forward(&layers, &self.parameters, &mut work, batch.len(), None);
            for scores in scores.chunks_exact(self.heads.len()) {
                says.extend(scores.iter().enumerate().map(|(head, &score)| self.says(head, score)));
            }
        }
        says
    }

    fn says(&self, head: usize, score: f32) -> f64 {
        match self.heads[head] {
            Head::Binary => arith::sigmoid(f64::from(score)),
            Head::Value => {
                f64::from(score) / f64::from(self.label_scaler.scale[head]) + f64::from(self.label_scaler.mean[head])
            }
        }
    }

    /// SHA-256 of shape, scalers and parameters. Equal jobs give equal networks on machines of one kind; products are made with the
    /// widest instructions that there are, which round otherwise.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for size in [self.shape.window, self.shape.width, self.shape.blocks, self.heads.len(), self.features.len()] {
            hash.update((size as u64).to_le_bytes());
        }
        for values in
            [&self.scaler.mean, &self.scaler.scale, &self.label_scaler.mean, &self.label_scaler.scale, &self.parameters]
        {
            values.iter().for_each(|value| hash.update(value.to_le_bytes()));
        }
        huracan_base::hex(&hash.finalize())
    }
}
