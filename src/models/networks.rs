//! Networks as a safetensors file: their weights and scalers, and a header that describes them.
//!
//! For network `n` and layer `l`, counted from 0: `{n}.{l}.weights` `[inputs × outputs]`, `{n}.{l}.biases`
//! `[outputs]`, `{n}.scaler.mean` and `.scale` `[features]`, `{n}.labels.mean` and `.scale` `[heads]`, all f32. The
//! header's entry `huracan` is JSON with the keys of [`Header`]. docs/models.md describes what a reader computes.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};

use crate::decide::Head;
use crate::neural::{self, Network, Progress, Scaler, Shape};
use crate::trainer::Networks;

const FORMAT: &str = "huracan-network-1";
const HEADER: &str = "huracan";

/// Networks that cannot be written or read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NetworksError {
    /// The file is not a safetensors file.
    #[error("not a safetensors file: {0}")]
    Tensors(String),
    /// The header is missing or invalid.
    #[error("not Huracan networks: {0}")]
    Header(String),
    /// A tensor is missing or invalid.
    #[error("the tensor '{name}' {problem}")]
    Tensor {
        /// Name of the tensor.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The networks do not belong together.
    #[error("the networks of one file must have the same shape, heads and features")]
    Different,
}

/// What the networks of a file have in common, and how each was trained.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: String,
    /// Number of networks; the prediction is their mean.
    networks: usize,
    shape: Shape,
    /// Name of each output.
    head_names: Vec<Head>,
    /// Whether each output is a probability or a value.
    heads: Vec<neural::Head>,
    /// The inputs of each bar, in order.
    features: Vec<String>,
    /// Inputs are clipped to this many standard deviations from the mean.
    reach: f32,
    layers: Vec<LayerHeader>,
    progress: Vec<Progress>,
}

/// A layer, as far as a reader needs it.
#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct LayerHeader {
    bars: usize,
    inputs: usize,
    outputs: usize,
    /// What is added to its rectified outputs: `nothing`, its `inputs`, or the channels of the `later` of its two
    /// bars. The last layer is not rectified.
    skip: String,
}

fn layers_of(network: &Network) -> Vec<LayerHeader> {
    let header = |layer: &crate::neural::Layer| LayerHeader {
        bars: layer.bars,
        inputs: layer.inputs,
        outputs: layer.outputs,
        skip: layer.skip.name().to_owned(),
    };
    network.layers().iter().map(header).collect()
}

/// The content of a file with these networks; equal networks give equal bytes.
///
/// # Errors
/// No networks, or networks that differ in more than their weights.
pub fn write_networks(Networks { heads, seeds: networks }: &Networks) -> Result<Vec<u8>, NetworksError> {
    let first = networks.first().ok_or_else(|| NetworksError::Header("there are no networks".to_owned()))?;
    let alike = |n: &Network| (n.shape, &n.heads, &n.features) == (first.shape, &first.heads, &first.features);
    if !networks.iter().all(alike) || heads.len() != first.heads.len() {
        return Err(NetworksError::Different);
    }
    let header = Header {
        format: FORMAT.to_owned(),
        networks: networks.len(),
        shape: first.shape,
        head_names: heads.clone(),
        heads: first.heads.clone(),
        features: first.features.clone(),
        reach: Scaler::MAX_DEVIATIONS,
        layers: layers_of(first),
        progress: networks.iter().map(|network| network.progress.clone()).collect(),
    };
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    let mut add = |name: String, shape: Vec<usize>, values: &[f32]| {
        tensors.push((name, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect()));
    };
    for (n, network) in networks.iter().enumerate() {
        for (l, layer) in network.layers().iter().enumerate() {
            let (weights, biases) = (layer.weights.clone(), layer.biases.clone());
            add(format!("{n}.{l}.weights"), vec![layer.inputs, layer.outputs], &network.parameters[weights]);
            add(format!("{n}.{l}.biases"), vec![layer.outputs], &network.parameters[biases]);
        }
        for (of, scaler) in [("scaler", &network.scaler), ("labels", &network.label_scaler)] {
            add(format!("{n}.{of}.mean"), vec![scaler.mean.len()], &scaler.mean);
            add(format!("{n}.{of}.scale"), vec![scaler.scale.len()], &scaler.scale);
        }
    }
    let bad = |error: &dyn std::fmt::Display| NetworksError::Tensors(error.to_string());
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|error| bad(&error))?;
    // A single entry, because the entries of a header have no fixed order.
    let header = serde_json::to_string(&header).map_err(|error| bad(&error))?;
    serialize(views, Some(HashMap::from([(HEADER.to_owned(), header)]))).map_err(|error| bad(&error))
}

/// Reads the networks of a file.
///
/// # Errors
/// Bytes that are not such a file; tensors that are missing, of another size, or not finite.
pub fn read_networks(bytes: &[u8]) -> Result<Networks, NetworksError> {
    let bad = |error: &dyn std::fmt::Display| NetworksError::Tensors(error.to_string());
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| bad(&error))?;
    let header = metadata.metadata().as_ref().and_then(|entries| entries.get(HEADER));
    let header = header.ok_or_else(|| NetworksError::Header(format!("the header has no entry '{HEADER}'")))?;
    let header: Header = serde_json::from_str(header).map_err(|error| NetworksError::Header(error.to_string()))?;
    if header.format != FORMAT {
        let problem = format!("the format is '{}', but this program reads '{FORMAT}'", header.format);
        return Err(NetworksError::Header(problem));
    }
    if header.progress.len() != header.networks
        || header.heads.len() != header.head_names.len()
        || header.shape.check().is_err()
        || header.reach != Scaler::MAX_DEVIATIONS
    {
        return Err(NetworksError::Header("the header's entries contradict each other".to_owned()));
    }
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| bad(&error))?;
    let seeds = header.progress.iter().enumerate().map(|(n, progress)| network(&header, &tensors, n, progress));
    let seeds = seeds.collect::<Result<Vec<Network>, NetworksError>>()?;
    Ok(Networks { heads: header.head_names, seeds })
}

fn network(
    header: &Header,
    tensors: &SafeTensors<'_>,
    n: usize,
    progress: &Progress,
) -> Result<Network, NetworksError> {
    let values = |name: String, shape: &[usize]| {
        let wrong = |problem: String| NetworksError::Tensor { name: name.clone(), problem };
        let tensor = tensors.tensor(&name).map_err(|_| wrong("is missing".to_owned()))?;
        if (tensor.dtype(), tensor.shape()) != (Dtype::F32, shape) {
            return Err(wrong(format!("is {:?} {:?}, not F32 {shape:?}", tensor.dtype(), tensor.shape())));
        }
        let bytes = tensor.data().chunks_exact(4);
        let values: Vec<f32> =
            bytes.map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect();
        if values.iter().all(|value| value.is_finite()) {
            Ok(values)
        } else {
            Err(wrong("has values that are not finite".to_owned()))
        }
    };
    let scaler = |of: &str, count: usize| {
        let mean = values(format!("{n}.{of}.mean"), &[count])?;
        Ok(Scaler { mean, scale: values(format!("{n}.{of}.scale"), &[count])? })
    };
    let mut network = Network {
        shape: header.shape,
        heads: header.heads.clone(),
        features: header.features.clone(),
        scaler: scaler("scaler", header.features.len())?,
        label_scaler: scaler("labels", header.heads.len())?,
        parameters: Vec::new(),
        progress: progress.clone(),
    };
    if layers_of(&network) != header.layers {
        return Err(NetworksError::Header("the layers do not match the shape".to_owned()));
    }
    for (l, layer) in network.layers().iter().enumerate() {
        network.parameters.extend(values(format!("{n}.{l}.weights"), &[layer.inputs, layer.outputs])?);
        network.parameters.extend(values(format!("{n}.{l}.biases"), &[layer.outputs])?);
    }
    Ok(network)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neural::initial_parameters;

    fn networks() -> Networks {
        let shape = Shape { window: 4, width: 6, blocks: 1 };
        let network = |seed| Network {
            shape,
            heads: vec![neural::Head::Binary, neural::Head::Value],
            features: vec!["a".to_owned(), "b".to_owned(), "c".to_owned()],
            scaler: Scaler { mean: vec![0.5, -1.0, 2.0], scale: vec![1.0, 0.0, 3.0] },
            label_scaler: Scaler { mean: vec![0.0, 4.0], scale: vec![1.0, 0.1] },
            parameters: initial_parameters(shape, 3, 2, seed),
            progress: Progress::default(),
        };
        Networks { heads: vec![Head::WinLong, Head::EdgeBps], seeds: vec![network(1), network(2)] }
    }

    #[test]
    fn networks_survive_a_round_trip_and_equal_ones_give_equal_bytes() {
        let bytes = write_networks(&networks()).unwrap();
        assert_eq!(bytes, write_networks(&networks()).unwrap());
        assert_eq!(read_networks(&bytes).unwrap(), networks());
        let mut different = networks();
        different.seeds[1].features.swap(0, 1);
        assert_eq!(write_networks(&different), Err(NetworksError::Different));
        different.seeds.clear();
        assert_eq!(write_networks(&different), Err(NetworksError::Header("there are no networks".to_owned())));
    }

    #[test]
    fn damaged_files_are_errors_and_never_panics() {
        let bytes = write_networks(&networks()).unwrap();
        assert!(matches!(read_networks(b"nothing"), Err(NetworksError::Tensors(_))));
        let mut infinite = networks();
        infinite.seeds[1].parameters[3] = f32::INFINITY;
        let error = read_networks(&write_networks(&infinite).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "the tensor '1.0.weights' has values that are not finite");
        // Change every byte, and truncate at every length: the result is an error or other networks. Only a key of
        // the header that has a default may change without an effect.
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x15;
            if let Ok(read) = read_networks(&changed) {
                assert!(at < header || read != networks(), "byte {at}");
            }
            assert!(read_networks(&bytes[..at]).is_err(), "{at} bytes");
        }
    }
}
