//! Divides jobs into batches that fit the memory of a device.

use super::rows::RowRanges;
use crate::layers::{self, Layer};
use crate::{NeuralJob, prepare};
use huracan_base::Table;

/// Most elements per tensor: kernels count in 32 bits.
const MAX_ELEMENTS: u64 = i32::MAX as u64;
/// Most jobs per batch: CUDA's grids count in 16 bits.
const MAX_JOBS: u64 = 16_384;

/// Jobs that are trained together.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Their indices among all jobs.
    pub jobs: Vec<usize>,
    /// The rows of the table that they need.
    pub rows: RowRanges,
    /// Upper estimate of the device memory that they take.
    pub bytes: u64,
}

/// Divides the jobs at `indices` into batches that take at most half of the free memory. A single job is a batch whatever it
/// takes.
pub fn batches(table: Table<'_>, jobs: &[NeuralJob], indices: &[usize], free_bytes: u64) -> Vec<Batch> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for &index in indices {
        match groups.iter_mut().find(|group| are_alike(&jobs[group[0]], &jobs[index])) {
            Some(group) => group.push(index),
            None => groups.push(vec![index]),
        }
    }
    groups.into_iter().flat_map(|group| split(table, jobs, group, free_bytes / 2)).collect()
}

/// Whether the steps of two jobs have the same tensors, except for the number of rows.
fn are_alike(a: &NeuralJob, b: &NeuralJob) -> bool {
    let of = |job: &NeuralJob| (job.params.shape, job.params.batch, job.params.dropout.to_bits());
    of(a) == of(b) && a.heads == b.heads
}

/// Divides jobs that are alike into batches of at most so many bytes.
fn split(table: Table<'_>, jobs: &[NeuralJob], mut group: Vec<usize>, bytes: u64) -> Vec<Batch> {
    let row_bytes = 4 * table.features as u64;
    let reached = |index: &usize| RowRanges::reached(&jobs[*index]);
    let all = group.iter().fold(RowRanges::default(), |rows, index| rows.with(reached(index)));
    if all.len() as u64 * row_bytes > bytes / 2 {
        // Jobs with neighbouring rows share them.
        group.sort_by_key(|index| reached(index).start);
    } else {
        // Jobs with equally many steps do not wait for each other.
        group.sort_by_key(|index| std::cmp::Reverse(prepare::steps_per_epoch(&jobs[*index])));
    }
    // Steps of jobs with few rows are padded to those of jobs with many rows.
    let longest = group.iter().map(|&index| jobs[index].train.len().max(jobs[index].valid.len())).max().unwrap_or(0);
    let mut batches: Vec<Batch> = Vec::new();
    // Bytes of the current batch without the table, and the elements of its widest tensor per job.
    let (mut own_bytes, mut widest) = (0, 0);
    for index in group {
        let size = Size::of(&jobs[index], table.features, longest);
        if let Some(batch) = batches.last_mut() {
            let rows = batch.rows.with(reached(&index));
            let count = batch.jobs.len() as u64 + 1;
            let bytes_then = rows.len() as u64 * row_bytes + own_bytes + size.bytes;
            let widest_then = size.widest.max(widest);
            let table_fits = (rows.len() * table.features) as u64 <= MAX_ELEMENTS;
            if bytes_then <= bytes && table_fits && count * widest_then <= MAX_ELEMENTS && count <= MAX_JOBS {
                batch.jobs.push(index);
                (batch.rows, batch.bytes) = (rows, bytes_then);
                (own_bytes, widest) = (own_bytes + size.bytes, widest_then);
                continue;
            }
        }
        let rows = RowRanges::default().with(reached(&index));
        (own_bytes, widest) = (size.bytes, size.widest);
        batches.push(Batch { jobs: vec![index], bytes: rows.len() as u64 * row_bytes + size.bytes, rows });
    }
    batches
}

/// Upper estimate of what one job takes besides the table. On Flex, batches of seven shapes took 0.41 to 0.78 of it.
struct Size {
    bytes: u64,
    /// Elements of its widest tensor.
    widest: u64,
}

impl Size {
    fn of(job: &NeuralJob, features: usize, longest: usize) -> Self {
        let (shape, heads) = (job.params.shape, job.heads.len());
        let layers = layers::layers(shape, features, heads);
        let rows = longest.min(job.params.batch as usize);
        let elements = |of: fn(&Layer) -> usize| layers.iter().map(move |layer| (rows * layer.bars * of(layer)) as u64);
        // Values, best values, two moments, the gradient, and the new values of a step before the old ones are freed.
        let parameters = 9 * layers::count(&layers) as u64;
        // Gathered features, scaled ones, and a comparison.
        let inputs = 3 * (rows * shape.window * features) as u64;
        // For the backward pass: sums, masks and outputs of all layers; the slopes of the current layer and the one before it.
        let kept = 4 * elements(|layer| layer.outputs).sum::<u64>();
        let passing = 4 * elements(|layer| layer.outputs + layer.inputs).max().unwrap_or(0);
        // Positions, weights and labels: those of the validation rows stay, those of a step do not.
        let fed = ((job.valid.len() + 2 * rows) * (2 + heads)) as u64;
        let widest = elements(|layer| layer.outputs.max(layer.inputs)).max().unwrap_or(0);
        Self { bytes: 4 * (parameters + inputs + kept + passing + fed), widest }
    }
}
