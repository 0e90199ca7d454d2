//! Which rows of the table a batch holds on the device.

use std::ops::Range;

use ::burn::tensor::backend::Backend;
use ::burn::tensor::{Tensor, TensorData};

use crate::NeuralJob;
use huracan_base::Table;

/// A missing value on the device, where it is recognised by being above [`FARTHEST`]: comparisons of numbers become part of
/// the kernels beside them, a question for NaN does not.
pub const MISSING: f32 = f32::MAX;

/// Values and means go up to here on the device, so that their distances are numbers; beyond it a value is so wild that it
/// counts as [`Scaler::REACH`](crate::Scaler::REACH) deviations anyway.
pub const FARTHEST: f32 = 1e38;

/// Rows of the table, in ranges that do not touch. On the device they follow one another, after a row of missing values.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rows(Vec<Range<u32>>);

impl Rows {
    /// Those that a job's windows reach, none beyond the job's own rows.
    pub fn reached(job: &NeuralJob) -> Range<u32> {
        let rows = || job.train.iter().chain(&job.valid);
        let (least, most) = rows().fold((u32::MAX, 0), |(least, most), &row| (least.min(row), most.max(row)));
        least.saturating_sub(job.params.shape.window as u32 - 1).max(job.rows.start)..most + 1
    }

    /// These rows and more.
    pub fn with(&self, more: Range<u32>) -> Self {
        let (before, rest): (Vec<_>, Vec<_>) = self.0.iter().cloned().partition(|rows| rows.end < more.start);
        let (touched, after): (Vec<_>, Vec<_>) = rest.into_iter().partition(|rows| rows.start <= more.end);
        let start = touched.first().map_or(more.start, |rows| rows.start.min(more.start));
        let end = touched.last().map_or(more.end, |rows| rows.end.max(more.end));
        Self(before.into_iter().chain(std::iter::once(start..end)).chain(after).collect())
    }

    /// Rows on the device.
    pub fn len(&self) -> usize {
        1 + self.0.iter().map(ExactSizeIterator::len).sum::<usize>()
    }

    /// Where a row lies on the device, from 1; 0, the row of missing values, for one that is not there.
    pub fn place(&self, row: u32) -> i32 {
        let mut before = 1;
        for rows in &self.0 {
            if rows.contains(&row) {
                return (before + row - rows.start) as i32;
            }
            before += rows.end - rows.start;
        }
        0
    }

    /// The rows on the device, `[rows × features]`.
    pub fn upload<B: Backend>(&self, table: Table<'_>, device: &B::Device) -> Tensor<B, 2> {
        let features = table.features;
        let mut values = vec![MISSING; features];
        values.reserve(features * (self.len() - 1));
        for rows in &self.0 {
            let rows = &table.values[rows.start as usize * features..rows.end as usize * features];
            values.extend(rows.iter().map(
                |value| {
                    if value.is_nan() { MISSING } else { value.clamp(-FARTHEST, FARTHEST) }
                },
            ));
        }
        Tensor::from_data(TensorData::new(values, [self.len(), features]), device)
    }
}
