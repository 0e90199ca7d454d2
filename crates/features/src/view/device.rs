//! The view on a device, by `kernels/view.cu`: the same bits as [`View::of`].

use std::ops::Range;

use super::{Market, VIEW_COUNT, View};
use crate::{COUNT, Features, memory};
use huracan_bars::Panel;
use huracan_engine::memory::Requirement;
use huracan_engine::{
    Compute, DeviceBuffer, DevicePanel, EngineError, Items, Kernel, Rows, Shape, Stage, symbol_costs,
};

const MEANS: Kernel = Kernel { file: "view", name: "view_means", barriers: false };
const ROWS: Kernel = Kernel { file: "view", name: "view_rows", barriers: true };

/// Threads of a block, and bars of a tile. Twin of `TILE` in `kernels/view.cu`.
const TILE: usize = 64;
/// Returns whose means over all symbols the view has, of 5 and of 20 bars. Twin of `MEANS` in `kernels/view.cu`.
const MEAN_COUNT: usize = 2;

impl View {
    /// [`View::of`] on the devices of a run, or on the CPU. What features left on a device is not copied there again, if it has the
    /// same symbols as then.
    ///
    /// # Errors
    /// Where the devices fail and may not be replaced by the CPU.
    ///
    /// # Panics
    /// As [`View::of`].
    pub fn of_on(compute: &Compute, panel: &Panel, features: &Features) -> Result<Self, EngineError> {
        let (bars, symbols) = (panel.bars, panel.symbols.len());
        if compute.devices_left() == 0 || symbols * bars == 0 {
            return Ok(Self::of(panel, features));
        }
        assert_eq!((features.symbols, features.bars), (symbols, bars), "features of another panel");
        let mut view = Self { bars, values: memory::zeros(symbols * bars * VIEW_COUNT) };
        let items = Items { costs: &symbol_costs(panel), memory: memory_needed(bars) };
        let work = Rows { values: &mut view.values, per_item: bars * VIEW_COUNT };
        let on_device = |stage: &Stage<'_>, own: Range<usize>, work: &mut Rows<'_, f32>| {
            write(stage, panel, features, own, work.values)
        };
        compute.share("view", items, work, on_device, |own, work| {
            let all = Self::of(panel, features).values;
            work.values.copy_from_slice(&all[own.start * bars * VIEW_COUNT..own.end * bars * VIEW_COUNT]);
        })?;
        Ok(view)
    }

    /// [`View::of`] on a device.
    ///
    /// # Errors
    /// Where the device fails, or the candles and features of one symbol do not fit its memory.
    ///
    /// # Panics
    /// As [`View::of`].
    pub fn of_at(stage: &Stage<'_>, panel: &Panel, features: &Features) -> Result<Self, EngineError> {
        let (bars, symbols) = (panel.bars, panel.symbols.len());
        assert_eq!((features.symbols, features.bars), (symbols, bars), "features of another panel");
        let mut view = Self { bars, values: memory::zeros(symbols * bars * VIEW_COUNT) };
        if !view.values.is_empty() {
            write(stage, panel, features, 0..symbols, &mut view.values)?;
        }
        Ok(view)
    }
}

/// The memory that symbols need: candles, features and view.
fn memory_needed(bars: usize) -> Requirement {
    let rows = (bars * (COUNT + VIEW_COUNT) * size_of::<f32>()) as u64;
    Requirement {
        fixed_bytes: (1 << 20) + (MEAN_COUNT * bars * size_of::<f64>()) as u64,
        job_bytes: DevicePanel::symbol_bytes(bars) + rows,
    }
}

/// The view of the panel's rows `own`, `[own × bars × columns]`.
fn write(
    stage: &Stage<'_>,
    panel: &Panel,
    features: &Features,
    own: Range<usize>,
    out: &mut [f32],
) -> Result<(), EngineError> {
    let bars = panel.bars;
    let of = |symbols: &Range<usize>| &features.values[symbols.start * bars * COUNT..symbols.end * bars * COUNT];
    let batches = stage.batches(memory_needed(bars), own.len())?;
    let means = if batches.is_one() && own.len() == panel.symbols.len() {
        means(stage, &*stage.resident(of(&own))?, panel)?
    } else {
        // Of all symbols, which are not on the device together.
        let Market { ret_5, ret_20 } = Market::of(panel, features);
        stage.upload(&[ret_5, ret_20].concat())?
    };
    for batch in batches {
        let symbols = own.start + batch.start..own.start + batch.end;
        let candles = DevicePanel::upload(stage, panel, symbols.clone())?;
        let rows = stage.resident(of(&symbols))?;
        let mut view = stage.zeros::<f32>(candles.cells() * VIEW_COUNT)?;
        let tiles = Shape {
            blocks: [bars.div_ceil(TILE) as u32, candles.symbols() as u32, 1],
            threads: TILE as u32,
            shared_bytes: 0,
        };
        // SAFETY: a block per tile and symbol, all of which begin before the last bar; a tile ends with the panel. A block reads
        // its symbol's two ranges, and of bars in these, which lie within the panel, the own row of the columns, not before the
        // range begins, and the tile's rows of `rows`, `[symbols × bars × features]`; and the two means of its bars,
        // `[2 × bars]`. It writes the tile's rows of `view`, `[symbols × bars × columns]`.
        unsafe {
            candles
                .pass_columns(stage.launch(&ROWS, tiles))
                .read(candles.ranges())
                .read(&rows)
                .read(&means)
                .write(&mut view)
                .value(bars as u32)
                .run()
        }?;
        let own = &mut out[batch.start * bars * VIEW_COUNT..batch.end * bars * VIEW_COUNT];
        stage.download_into(&view, own)?;
        // Models are trained on it, and predict from it.
        stage.keep(own, view);
    }
    Ok(())
}

/// Means of the returns of all symbols, `[2 × bars]`, from the rows of all.
fn means(stage: &Stage<'_>, rows: &DeviceBuffer<f32>, panel: &Panel) -> Result<DeviceBuffer<f64>, EngineError> {
    let (bars, symbols) = (panel.bars, panel.symbols.len());
    assert_eq!(rows.len(), symbols * bars * COUNT, "the rows of all symbols");
    let mut means = stage.zeros::<f64>(MEAN_COUNT * bars)?;
    let mut shape = Shape::one_thread_each(bars, TILE as u32);
    shape.blocks[1] = MEAN_COUNT as u32;
    // SAFETY: a thread per bar and mean; threads beyond the last bar do nothing. A thread reads one feature of its bar in the row
    // of every symbol, and writes its own entry of `[2 × bars]`. The rows are `[symbols × bars × features]`, as asserted above.
    unsafe { stage.launch(&MEANS, shape).read(rows).write(&mut means).value(symbols as u32).value(bars as u32).run() }?;
    Ok(means)
}

#[cfg(test)]
mod tests {
    use huracan_engine::kernel_constant;

    use super::super::{VIEW, WINDOW};
    use super::*;

    #[test]
    fn the_kernel_has_the_constants_and_columns_of_the_cpu() {
        assert_eq!(kernel_constant("view.cu", "TILE"), Some(TILE as f64));
        assert_eq!(kernel_constant("view.cu", "WINDOW"), Some(WINDOW as f64));
        let text = include_str!("../../../../kernels/view.cu");
        let listed = |name: &str| -> Vec<String> {
            let (_, rest) = text.split_once(&format!("enum {name} : u32 {{")).unwrap();
            rest.split_once('}').unwrap().0.split(',').map(|name| name.trim().to_lowercase()).collect()
        };
        let want: Vec<&str> = VIEW.iter().map(|column| column.name).chain(["count"]).collect();
        assert_eq!(listed("Column"), want);
        assert_eq!(listed("Mean").len(), MEAN_COUNT + 1);
    }
}
