//! The rows of the table that a batch has on the device.

use std::ops::Range;

use ::burn::tensor::backend::Backend;
use ::burn::tensor::{Tensor, TensorData};

use crate::NeuralJob;
use huracan_base::Table;

/// A missing value on the device. It is recognised by being above [`MAX_VALUE`], because a comparison of numbers is fused with
/// the neighbouring kernels, and a test for NaN is not.
pub const MISSING: f32 = f32::MAX;

/// Largest magnitude of values and means on the device, so that their differences are finite. Values beyond it are clipped to
/// [`Scaler::MAX_DEVIATIONS`](crate::Scaler::MAX_DEVIATIONS) deviations anyway.
pub const MAX_VALUE: f32 = 1e38;

/// Rows of the table, in ranges that do not touch. On the device they follow each other, after a row of missing values.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RowRanges(Vec<Range<u32>>);

impl RowRanges {
    /// The rows that the windows of a job reach, within the job's own rows.
    pub fn reached(job: &NeuralJob) -> Range<u32> {
        let rows = || job.train.iter().chain(&job.valid);
        let (least, most) = rows().fold((u32::MAX, 0), |(least, most), &row| (least.min(row), most.max(row)));
        least.saturating_sub(job.params.shape.window as u32 - 1).max(job.rows.start)..most + 1
    }

    /// The union of these rows and others.
    pub fn with(&self, more: Range<u32>) -> Self {
        let (before, rest): (Vec<_>, Vec<_>) = self.0.iter().cloned().partition(|rows| rows.end < more.start);
        let (touched, after): (Vec<_>, Vec<_>) = rest.into_iter().partition(|rows| rows.start <= more.end);
        let start = touched.first().map_or(more.start, |rows| rows.start.min(more.start));
        let end = touched.last().map_or(more.end, |rows| rows.end.max(more.end));
        Self(before.into_iter().chain(std::iter::once(start..end)).chain(after).collect())
    }

    /// Number of rows on the device, including the row of missing values.
    pub fn len(&self) -> usize {
        1 + self.0.iter().map(ExactSizeIterator::len).sum::<usize>()
    }

    /// The position of a row on the device, from 1; 0, the row of missing values, for a row that is not there.
    pub fn position(&self, row: u32) -> i32 {
        let mut before = 1;
        for rows in &self.0 {
            if rows.contains(&row) {
                return (before + row - rows.start) as i32;
            }
            before += rows.end - rows.start;
        }
        0
    }

    /// Uploads the rows, `[rows × features]`.
    pub fn upload<B: Backend>(&self, table: Table<'_>, device: &B::Device) -> Tensor<B, 2> {
        let features = table.features;
        let mut values = vec![MISSING; features];
        values.reserve(features * (self.len() - 1));
        for rows in &self.0 {
            let rows = &table.values[rows.start as usize * features..rows.end as usize * features];
            values.extend(rows.iter().map(
                |value| {
                    if value.is_nan() { MISSING } else { value.clamp(-MAX_VALUE, MAX_VALUE) }
                },
            ));
        }
        Tensor::from_data(TensorData::new(values, [self.len(), features]), device)
    }
}
