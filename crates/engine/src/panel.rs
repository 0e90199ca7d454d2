//! A panel's candles on a device.

use std::ops::Range;

use crate::{DeviceBuffer, EngineError, Launch, Stage};
use huracan_bars::Panel;

/// Some of a panel's symbols, `[symbols × bars]` a column, and the bars that each has, `[symbols × 2]`.
pub struct DevicePanel {
    /// Rows of the panel.
    pub symbols: Range<usize>,
    pub bars: usize,
    pub open: DeviceBuffer<f64>,
    pub high: DeviceBuffer<f64>,
    pub low: DeviceBuffer<f64>,
    pub close: DeviceBuffer<f64>,
    pub volume: DeviceBuffer<f64>,
    /// First bar, and the bar after the last.
    pub ranges: DeviceBuffer<u32>,
}

impl DevicePanel {
    /// Bytes of one symbol.
    pub fn symbol_bytes(bars: usize) -> u64 {
        (bars * 5 * size_of::<f64>() + 2 * size_of::<u32>()) as u64
    }

    /// Copies the candles of `symbols` to the device.
    ///
    /// # Errors
    /// Where the device fails or is full.
    pub fn upload(stage: &Stage<'_>, panel: &Panel, symbols: Range<usize>) -> Result<Self, EngineError> {
        let rows = symbols.start * panel.bars..symbols.end * panel.bars;
        let column = |column: &[f64]| stage.upload(&column[rows.clone()]);
        let ranges: Vec<u32> =
            panel.ranges[symbols.clone()].iter().flat_map(|range| [range.start as u32, range.end as u32]).collect();
        Ok(Self {
            bars: panel.bars,
            open: column(&panel.open)?,
            high: column(&panel.high)?,
            low: column(&panel.low)?,
            close: column(&panel.close)?,
            volume: column(&panel.volume)?,
            ranges: stage.upload(&ranges)?,
            symbols,
        })
    }

    /// Gives a launch the columns, in the order in which kernels take them.
    pub fn given<'a>(&'a self, launch: Launch<'a>) -> Launch<'a> {
        launch.read(&self.open).read(&self.high).read(&self.low).read(&self.close).read(&self.volume)
    }

    /// Rows and bars in all.
    pub fn cells(&self) -> usize {
        self.symbols.len() * self.bars
    }
}
