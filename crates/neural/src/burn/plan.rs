//! Which jobs are trained together, so that they fit into a device's memory.

use super::rows::Rows;
use crate::layers::{self, Layer};
use crate::{NeuralJob, prepare};
use huracan_base::Table;

/// Elements of one tensor, and jobs of a batch, at most: kernels count in 32 bits, and CUDA's grids in 16.
const MOST_ELEMENTS: u64 = i32::MAX as u64;
const MOST_JOBS: u64 = 16_384;

/// Jobs that are trained together.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Their places among all jobs.
    pub jobs: Vec<usize>,
    pub rows: Rows,
    /// What they take of the device's memory, estimated from above.
    pub bytes: u64,
}

/// Batches of the jobs at `places`, each below half of the free memory where that can be: one job alone makes a batch,
/// whatever it takes.
pub fn batches(table: Table<'_>, jobs: &[NeuralJob], places: &[usize], free_bytes: u64) -> Vec<Batch> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for &place in places {
        match groups.iter_mut().find(|group| are_alike(&jobs[group[0]], &jobs[place])) {
            Some(group) => group.push(place),
            None => groups.push(vec![place]),
        }
    }
    groups.into_iter().flat_map(|group| split(table, jobs, group, free_bytes / 2)).collect()
}

/// Whether two jobs' steps have the same tensors, but for their numbers of rows.
fn are_alike(a: &NeuralJob, b: &NeuralJob) -> bool {
    let of = |job: &NeuralJob| (job.params.shape, job.params.batch, job.params.dropout.to_bits());
    of(a) == of(b) && a.heads == b.heads
}

/// Jobs that are alike, in batches of at most so many bytes.
fn split(table: Table<'_>, jobs: &[NeuralJob], mut group: Vec<usize>, bytes: u64) -> Vec<Batch> {
    let row_bytes = 4 * table.features as u64;
    let reached = |place: &usize| Rows::reached(&jobs[*place]);
    let all = group.iter().fold(Rows::default(), |rows, place| rows.with(reached(place)));
    if all.len() as u64 * row_bytes > bytes / 2 {
        // Jobs of neighbouring rows share what they see.
        group.sort_by_key(|place| reached(place).start);
    } else {
        // Jobs of as many steps do not wait for one another.
        group.sort_by_key(|place| std::cmp::Reverse(prepare::steps_an_epoch(&jobs[*place])));
    }
    // Steps of short jobs are filled up to those of long ones.
    let longest = group.iter().map(|&place| jobs[place].train.len().max(jobs[place].valid.len())).max().unwrap_or(0);
    let mut batches: Vec<Batch> = Vec::new();
    // Bytes without the table, and the longest step, of the batch at hand.
    let (mut own_bytes, mut widest) = (0, 0);
    for place in group {
        let size = Size::of(&jobs[place], table.features, longest);
        if let Some(batch) = batches.last_mut() {
            let rows = batch.rows.with(reached(&place));
            let count = batch.jobs.len() as u64 + 1;
            let bytes_then = rows.len() as u64 * row_bytes + own_bytes + size.bytes;
            let widest_then = size.widest.max(widest);
            let table_fits = (rows.len() * table.features) as u64 <= MOST_ELEMENTS;
            if bytes_then <= bytes && table_fits && count * widest_then <= MOST_ELEMENTS && count <= MOST_JOBS {
                batch.jobs.push(place);
                (batch.rows, batch.bytes) = (rows, bytes_then);
                (own_bytes, widest) = (own_bytes + size.bytes, widest_then);
                continue;
            }
        }
        let rows = Rows::default().with(reached(&place));
        (own_bytes, widest) = (size.bytes, size.widest);
        batches.push(Batch { jobs: vec![place], bytes: rows.len() as u64 * row_bytes + size.bytes, rows });
    }
    batches
}

/// What one job takes beside the table, estimated from above: on Flex, batches of seven shapes took 0.41 to 0.78 of it.
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
        // Values, the best of them, two moments, the gradient, and what a step's results take before the old ones go.
        let parameters = 9 * layers::count(&layers) as u64;
        // What is gathered, scaled, and compared on the way.
        let inputs = 3 * (rows * shape.window * features) as u64;
        // What the way back needs: sums, masks and outputs; the slopes of the layer at hand, and of the one before it.
        let kept = 4 * elements(|layer| layer.outputs).sum::<u64>();
        let passing = 4 * elements(|layer| layer.outputs + layer.inputs).max().unwrap_or(0);
        // Places, weights and labels of the validation rows stay; those of a step pass by.
        let fed = ((job.valid.len() + 2 * rows) * (2 + heads)) as u64;
        let widest = elements(|layer| layer.outputs.max(layer.inputs)).max().unwrap_or(0);
        Self { bytes: 4 * (parameters + inputs + kept + passing + fed), widest }
    }
}
