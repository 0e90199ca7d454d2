//! A trained network.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::layers::{self, Layer};
use super::step::{self, Workspace};
use super::windows::Windows;
use super::{Epoch, Head, Progress, Scaler, Shape};
use huracan_base::Table;
use huracan_base::arith;

/// The parameters of a network, and the scalers of its inputs and outputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// The architecture.
    pub shape: Shape,
    /// The outputs.
    pub heads: Vec<Head>,
    /// Names of the features, in the order of a row's values.
    pub features: Vec<String>,
    /// Scales the features.
    pub scaler: Scaler,
    /// Scales the labels of value heads; mean 0 and scale 1 for binary heads.
    pub label_scaler: Scaler,
    /// All weights and biases, at the places that [`layers`](Self::layers) gives.
    pub parameters: Vec<f32>,
    /// The losses of all epochs; the parameters are those of the best one.
    pub progress: Progress,
}

impl Network {
    /// The epoch that the parameters are from; none if the network was never trained.
    pub fn best_epoch(&self) -> Option<&Epoch> {
        self.progress.epochs.get(self.progress.best_epoch)
    }

    /// The layers, and the places of their weights and biases among the parameters.
    pub fn layers(&self) -> Vec<Layer> {
        layers::layers(self.shape, self.features.len(), self.heads.len())
    }

    /// The predictions for some rows, `[rows × heads]`: probabilities, and values in the unit of the label. `first` is the first
    /// row of their symbol: bars of a window before it count as missing.
    ///
    /// # Panics
    /// The table has other features than the network, a row is outside it, or the parameters do not match the shape.
    pub fn predict(&self, table: Table<'_>, first: u32, rows: &[u32]) -> Vec<f64> {
        const BATCH: usize = 256;
        assert_eq!(table.features, self.features.len(), "the table has the features of the network");
        let layers = self.layers();
        let windows = Windows::of(table, &self.scaler, self.shape.window, first, rows);
        let mut work = Workspace::default();
        let mut predictions = Vec::with_capacity(rows.len() * self.heads.len());
        for batch in rows.chunks(BATCH) {
            windows.gather(batch, &mut work.inputs);
            let scores = step::forward(&layers, &self.parameters, &mut work, batch.len(), None);
            for scores in scores.chunks_exact(self.heads.len()) {
                predictions.extend(scores.iter().enumerate().map(|(head, &score)| self.prediction(head, score)));
            }
        }
        predictions
    }

    fn prediction(&self, head: usize, score: f32) -> f64 {
        match self.heads[head] {
            Head::Binary => arith::sigmoid(f64::from(score)),
            Head::Value => {
                f64::from(score) / f64::from(self.label_scaler.scale[head]) + f64::from(self.label_scaler.mean[head])
            }
        }
    }

    /// SHA-256 (hex) of shape, scalers and parameters. Equal jobs result in equal networks only on machines of one kind: products
    /// use the widest vector instructions of the machine, and these round differently.
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
