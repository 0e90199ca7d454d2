//! Labels on a device, by `kernels/labels.cu`: the same bits as [`compute`](super::compute).

use std::ops::Range;

use rayon::prelude::*;

use super::Labels;
use huracan_bars::Panel;
use huracan_engine::DevicePanel;
use huracan_engine::memory::Requirement;
use huracan_engine::{Compute, EngineError, Items, Kernel, Shape, Stage, symbol_costs};
use huracan_shadow::device::{CostTable, DeviceRules};
use huracan_shadow::{ExitReason, Rules};

const UNIT_TRADES: Kernel = Kernel { file: "labels", name: "labels_unit_trades", barriers: false };

/// Threads of a block. Twin of `THREADS` in `kernels/labels.cu`.
const THREADS: u32 = 128;

/// Labels on the device of a run, or on the CPU.
///
/// # Errors
/// Where the device fails and may not be replaced by the CPU.
///
/// # Panics
/// As [`compute`](super::compute).
pub fn compute_on(compute: &Compute, panel: &Panel, atr: &[f64], rules: &Rules) -> Result<Labels, EngineError> {
    let items = Items { costs: &symbol_costs(panel), memory: memory_needed(panel.bars) };
    let on_device = |stage: &Stage<'_>, own: Range<usize>, (): &mut ()| compute_of(stage, panel, atr, rules, own);
    let on_cpu = |own: Range<usize>, (): &mut ()| {
        let all = super::compute(panel, atr, rules);
        if own.len() == panel.symbols.len() { all } else { all.of_symbols(own) }
    };
    let parts = compute.share("labels", items, (), on_device, on_cpu)?;
    let mut labels = none(panel.bars, rules);
    for part in parts {
        append(&mut labels.return_bps, part.return_bps);
        append(&mut labels.exit_bar, part.exit_bar);
        append(&mut labels.exit_reason, part.exit_reason);
    }
    Ok(labels)
}

/// [`compute`](super::compute) on a device, with all symbols in one launch, or in as few launches as its memory allows.
///
/// # Errors
/// Where the device fails, or the candles and labels of one symbol do not fit its memory.
///
/// # Panics
/// As [`compute`](super::compute).
pub fn compute(stage: &Stage<'_>, panel: &Panel, atr: &[f64], rules: &Rules) -> Result<Labels, EngineError> {
    compute_of(stage, panel, atr, rules, 0..panel.symbols.len())
}

/// The memory that the labels of symbols need.
fn memory_needed(bars: usize) -> Requirement {
    let label_bytes = size_of::<f64>() + size_of::<u32>() + 1;
    let own_bytes = (bars * (size_of::<f64>() + 2 * label_bytes)) as u64;
    let job_bytes = DevicePanel::symbol_bytes(bars) + CostTable::symbol_bytes(bars, 1) + own_bytes;
    Requirement { fixed_bytes: 1 << 20, job_bytes }
}

/// The labels of no symbol.
fn none(bars: usize, rules: &Rules) -> Labels {
    Labels {
        bars,
        return_bps: Vec::new(),
        exit_bar: Vec::new(),
        exit_reason: Vec::new(),
        borrow_bps_per_bar: rules.borrow_bps_per_bar,
    }
}

/// The labels of the panel's rows `own`.
fn compute_of(
    stage: &Stage<'_>,
    panel: &Panel,
    atr: &[f64],
    rules: &Rules,
    own: Range<usize>,
) -> Result<Labels, EngineError> {
    let bars = panel.bars;
    let mut labels = none(bars, rules);
    for batch in stage.batches(memory_needed(bars), own.len())? {
        let symbols = own.start + batch.start..own.start + batch.end;
        let candles = DevicePanel::upload(stage, panel, symbols.clone())?;
        let costs = CostTable::upload(stage, panel, symbols.clone(), std::iter::once(rules))?;
        let atr = stage.resident(&atr[symbols.start * bars..symbols.end * bars])?;
        let cells = candles.cells() * 2;
        let mut return_bps = stage.zeros::<f64>(cells)?;
        let mut exit_bar = stage.zeros::<u32>(cells)?;
        let mut exit_reason = stage.zeros::<u8>(cells)?;
        // SAFETY: a thread per symbol, bar and side; threads beyond the last cell do nothing. A thread reads its
        // symbol's two ranges, its own bars in its row of the columns, which the ranges of a `DevicePanel` do not
        // leave, and the bar's entry of `atr`: `[symbols × bars]` each. `costs` has an entry per symbol, and the rows of
        // funding that these name, `bars` entries each. A thread writes its own cell of the three results, `cells` entries
        // each.
        unsafe {
            let launch = candles
                .pass_columns(stage.launch(&UNIT_TRADES, Shape::one_thread_each(cells, THREADS)))
                .read(&atr)
                .read(candles.ranges());
            costs
                .pass(launch)
                .write(&mut return_bps)
                .write(&mut exit_bar)
                .write(&mut exit_reason)
                .value(DeviceRules::from(rules))
                .value(bars as u32)
                .value(cells as u64)
                .run()
        }?;
        append(&mut labels.return_bps, stage.download(&return_bps)?);
        append(&mut labels.exit_bar, stage.download(&exit_bar)?);
        let reason = |code: u8| {
            ExitReason::from_code(code).ok_or_else(|| EngineError::Kernel {
                stage: stage.name(),
                kernel: UNIT_TRADES.name,
                detail: format!("unknown exit reason {code}: there are {} of them", ExitReason::ALL.len()),
            })
        };
        let reasons: Result<Vec<_>, _> = stage.download(&exit_reason)?.into_par_iter().map(reason).collect();
        append(&mut labels.exit_reason, reasons?);
    }
    Ok(labels)
}

/// Adds a batch's values, without copying those of the first.
fn append<T>(all: &mut Vec<T>, mut own: Vec<T>) {
    if all.is_empty() {
        *all = own;
    } else {
        all.append(&mut own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_as_many_threads_as_the_kernel_expects() {
        assert_eq!(huracan_engine::kernel_constant("labels.cu", "THREADS"), Some(f64::from(THREADS)));
    }
}
