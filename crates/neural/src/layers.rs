//! The layers of a network, and the places of their weights among its parameters.
//!
//! Every layer is a product with one matrix. The first one turns the features of each bar into `width` channels. The next ones
//! combine pairs of neighbouring bars until one bar is left: a convolution with two taps and dilations 1, 2, 4, … (van den Oord
//! et al. 2016), of which only what the last bar depends on is computed. Residual blocks on that bar follow, then the heads.
//! With a window of one bar there are no pairs, and the network is a residual perceptron on the row's features.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use huracan_base::arith::{draw, uniform};

/// The architecture of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shape {
    /// Bars per window, the row's own last: a power of two, at most [`Shape::MAX_BARS`].
    pub window: usize,
    /// Channels per bar, 1 to 4096.
    pub width: usize,
    /// Residual blocks after the convolution, at most 64.
    pub blocks: usize,
}

impl Default for Shape {
    fn default() -> Self {
        Self { window: 1, width: 64, blocks: 1 }
    }
}

impl Shape {
    /// Most bars per window.
    pub const MAX_BARS: usize = 128;

    /// Checks every size.
    ///
    /// # Errors
    /// The first size that is not allowed: its key, its value, and what to give instead.
    pub fn check(&self) -> Result<(), (&'static str, usize, &'static str)> {
        if !(self.window.is_power_of_two() && self.window <= Self::MAX_BARS) {
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

/// What is added to the outputs of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// Nothing.
    Nothing,
    /// The inputs of the layer.
    Inputs,
    /// The inputs from the later one of its two bars.
    Later,
}

impl Skip {
    /// The name in model files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Inputs => "inputs",
            Self::Later => "later",
        }
    }
}

/// A layer: `outputs = relu(inputs × weights + biases) + skip`. The last layer, the heads, has no ReLU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Bars that the layer outputs per row: its products per row.
    pub bars: usize,
    /// Inputs per product.
    pub inputs: usize,
    /// Outputs per product.
    pub outputs: usize,
    /// Places of the weights, `[inputs × outputs]`, among the network's parameters.
    pub weights: Range<usize>,
    /// Places of the biases, `[outputs]`, among the network's parameters.
    pub biases: Range<usize>,
    /// What is added to the outputs.
    pub skip: Skip,
}

/// The layers of a network, in order; the heads are the last one.
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

/// Number of parameters of a network with these layers.
pub fn count(layers: &[Layer]) -> usize {
    layers.last().map_or(0, |layer| layer.biases.end)
}

/// Initial weights and biases. Weights are uniform, with the variance that ReLU preserves (He et al. 2015). For the layers after
/// the first, most of which add to a skip connection, the variance is divided by their number. The weights of the heads are
/// another ten times smaller, so that outputs start near the biases. Biases are 0.
pub fn initial_parameters(shape: Shape, features: usize, heads: usize, seed: u64) -> Vec<f32> {
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
