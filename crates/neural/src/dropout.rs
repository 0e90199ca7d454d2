//! Dropout: the outputs that a step drops.
//!
//! Every output row of a layer gets one of 1024 masks, drawn by job, step, layer and row. So the masks of a job do not depend on
//! the other jobs or the backend, and all masks fit a device's memory.

use huracan_base::arith::draw;

/// Masks for the outputs of a layer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Masks {
    share: f64,
    width: usize,
    /// `[COUNT × width]`: 0, or the factor that preserves the mean of an output.
    pub values: Vec<f32>,
}

impl Masks {
    /// Number of masks.
    pub const COUNT: usize = 1024;

    /// Masks of `width` outputs that drop this share of them.
    pub fn new(width: usize, share: f64) -> Self {
        // A draw has 64 bits, 16 per output.
        let limit = (share * 65_536.0) as u64;
        let kept = (1.0 / (1.0 - limit as f64 / 65_536.0)) as f32;
        let one = |at: usize| {
            let bits = draw(0, 0, (at / 4) as u64) >> (16 * (at % 4));
            if bits & 0xffff < limit { 0.0 } else { kept }
        };
        Self { share, width, values: (0..Self::COUNT * width).map(one).collect() }
    }

    /// The masks of this width and share; makes them if `self` has others.
    pub fn of(&mut self, width: usize, share: f64) -> &Self {
        if (self.width, self.share) != (width, share) {
            *self = Self::new(width, share);
        }
        self
    }

    /// Mask `number`, `[width]`.
    pub fn row(&self, number: usize) -> &[f32] {
        &self.values[number * self.width..][..self.width]
    }

    /// The number of the mask of an output row (`row × bars + bar`) of a layer; `seed` is that of the job's step.
    pub fn number(seed: u64, layer: usize, row: usize) -> usize {
        (draw(seed, layer as u64, row as u64) % Self::COUNT as u64) as usize
    }
}
