//! What a network is made of, and where its weights lie.
//!
//! Every layer is one product with a matrix. The first turns each bar's features into `width` channels. Then pairs of
//! neighbouring bars become one, until one bar is left: a convolution with two taps and dilations 1, 2, 4, … (van den Oord
//! et al. 2016), of which only what the last bar depends on is computed. Then residual blocks on that bar, then the heads. With a
//! window of one bar there are no pairs, and the network is a residual perceptron on the feature row.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use huracan_base::arith::{draw, uniform};

/// The architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shape {
    /// Bars that the network sees, the row's own the last; a power of two.
    pub window: usize,
    pub width: usize,
    /// Residual blocks after the convolution.
    pub blocks: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self { window: 1, width: 64, blocks: 1 }
    }
}

impl Shape {
    pub const MOST_BARS: usize = 128;

    /// # Errors
    /// The first size that no network has: its key, its value, and what to give.
    pub fn check(&self) -> Result<(), (&'static str, usize, &'static str)> {
        if !(self.window.is_power_of_two() && self.window <= Self::MOST_BARS) {
            return Err(("window", self.window, "give 1, 2, 4, 8, 16, 32, 64 or 128"));
        }
        if !(1..=4096).contains(&self.width) {
            return Err(("width", self.width, "give 1 to 4096"));
        }
        if self.blocks > 64 {
            return Err(("blocks", self.blocks, "give at most 64"));
        }
        Ok(())
    }
}

/// What is added to a layer's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    Nothing,
    /// Its inputs.
    Inputs,
    /// Those of the later of its two bars.
    Later,
}

impl Skip {
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Inputs => "inputs",
            Self::Later => "later",
        }
    }
}

/// `outputs = rectified(inputs × weights + biases) + skip`; the last layer, the heads, is not rectified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Products a row of the batch: bars that come out.
    pub bars: usize,
    pub inputs: usize,
    pub outputs: usize,
    /// Places of the weights, `[inputs × outputs]`, and of the biases among a network's parameters.
    pub weights: Range<usize>,
    pub biases: Range<usize>,
    pub skip: Skip,
}

/// The layers of a network, the heads last.
pub fn layers(shape: Shape, features: usize, heads: usize) -> Vec<Layer> {
    let mut layers: Vec<Layer> = Vec::new();
    let mut add = |bars: usize, inputs: usize, outputs: usize, skip: Skip| {
        let start = layers.last().map_or(0, |layer| layer.biases.end);
        let weights = start..start + inputs * outputs;
        let biases = weights.end..weights.end + outputs;
        layers.push(Layer { bars, inputs, outputs, weights, biases, skip });
    };
    let width = shape.width;
    add(shape.window, features, width, Skip::Nothing);
    let mut bars = shape.window / 2;
    while bars > 0 {
        add(bars, 2 * width, width, Skip::Later);
        bars /= 2;
    }
    for _ in 0..shape.blocks {
        add(1, width, width, Skip::Inputs);
    }
    add(1, width, heads, Skip::Nothing);
    layers
}

/// Parameters of a network with these layers.
pub fn count(layers: &[Layer]) -> usize {
    layers.last().map_or(0, |layer| layer.biases.end)
}

/// Weights to begin with: uniform, of the variance that keeps rectified values' (He et al. 2015), less for the layers beside a
/// skip, of which there are several in a row, and a tenth of that for the heads, which begin near their biases; biases of 0.
pub fn initial(shape: Shape, features: usize, heads: usize, seed: u64) -> Vec<f32> {
    let layers = layers(shape, features, heads);
    let mut values = vec![0.0; count(&layers)];
    for (number, layer) in layers.iter().enumerate() {
        let share = if number == 0 { 1.0 } else { 1.0 / (layers.len() - 1) as f64 };
        let reach = (6.0 / layer.inputs as f64 * share).sqrt() * if number + 1 == layers.len() { 0.1 } else { 1.0 };
        for (at, value) in values[layer.weights.clone()].iter_mut().enumerate() {
            let unit = uniform(draw(seed, number as u64, at as u64));
            *value = ((2.0 * unit - 1.0) * reach) as f32;
        }
    }
    values
}
