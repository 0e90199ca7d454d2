//! A panel's candles on a device.

use std::ops::Range;
use std::sync::Arc;

use huracan_bars::Panel;

use crate::{DeviceBuffer, EngineError, Launch, Stage};

/// What each symbol of a panel costs a stage that goes through its bars.
pub fn symbol_costs(panel: &Panel) -> Vec<u64> {
    panel.ranges.iter().map(|range| range.len() as u64).collect()
}

/// The candles of some of a panel's symbols, on a device.
///
/// Each column is `[symbols × bars]`, row-major; the ranges are `[symbols × 2]`. The fields are private so that the sizes
/// always agree: kernels rely on them.
pub struct DevicePanel {
    symbols: usize,
    bars: usize,
    open: Arc<DeviceBuffer<f64>>,
    high: Arc<DeviceBuffer<f64>>,
    low: Arc<DeviceBuffer<f64>>,
    close: Arc<DeviceBuffer<f64>>,
    volume: Arc<DeviceBuffer<f64>>,
    ranges: DeviceBuffer<u32>,
}

impl DevicePanel {
    /// Bytes on the device per symbol of a panel with `bars` bars.
    pub fn symbol_bytes(bars: usize) -> u64 {
        (bars * 5 * size_of::<f64>() + 2 * size_of::<u32>()) as u64
    }

    /// The candles of the panel's rows `symbols` on the device, where they stay: only the first stage copies them.
    ///
    /// # Errors
    /// [`EngineError::Fault`] if the device fails or is full.
    ///
    /// # Panics
    /// If the panel does not have these rows, or the range of one of them is not within the panel's bars.
    pub fn upload(stage: &Stage<'_>, panel: &Panel, symbols: Range<usize>) -> Result<Self, EngineError> {
        let rows = symbols.start * panel.bars..symbols.end * panel.bars;
        let column = |column: &[f64]| stage.resident(&column[rows.clone()]);
        let ranges = &panel.ranges[symbols.clone()];
        let fits = |range: &Range<usize>| range.start <= range.end && range.end <= panel.bars;
        assert!(ranges.iter().all(fits), "every symbol's range must be within the panel's bars");
        let ranges: Vec<u32> = ranges.iter().flat_map(|range| [range.start as u32, range.end as u32]).collect();
        Ok(Self {
            symbols: symbols.len(),
            bars: panel.bars,
            open: column(&panel.open)?,
            high: column(&panel.high)?,
            low: column(&panel.low)?,
            close: column(&panel.close)?,
            volume: column(&panel.volume)?,
            ranges: stage.upload(&ranges)?,
        })
    }

    /// Number of symbols.
    pub fn symbols(&self) -> usize {
        self.symbols
    }

    /// Number of bars per symbol.
    pub fn bars(&self) -> usize {
        self.bars
    }

    /// Highest prices, `[symbols × bars]`.
    pub fn high(&self) -> &DeviceBuffer<f64> {
        &self.high
    }

    /// Lowest prices, `[symbols × bars]`.
    pub fn low(&self) -> &DeviceBuffer<f64> {
        &self.low
    }

    /// Closing prices, `[symbols × bars]`.
    pub fn close(&self) -> &DeviceBuffer<f64> {
        &self.close
    }

    /// Volumes in base units, `[symbols × bars]`.
    pub fn volume(&self) -> &DeviceBuffer<f64> {
        &self.volume
    }

    /// The bars that each symbol has, `[symbols × 2]`: the first bar, and the bar after the last.
    pub fn ranges(&self) -> &DeviceBuffer<u32> {
        &self.ranges
    }

    /// Adds the five columns to a launch's arguments, in the order open, high, low, close, volume.
    pub fn pass_columns<'a>(&'a self, launch: Launch<'a>) -> Launch<'a> {
        launch.read(&self.open).read(&self.high).read(&self.low).read(&self.close).read(&self.volume)
    }

    /// Values per column: symbols × bars.
    pub fn cells(&self) -> usize {
        self.symbols * self.bars
    }
}
