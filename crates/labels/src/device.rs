//! Labels by `kernels/labels.cu`: the same bits as [`compute`](super::compute).

use super::Labels;
use huracan_bars::Panel;
use huracan_engine::DevicePanel;
use huracan_engine::memory::Need;
use huracan_engine::{Compute, EngineError, Kernel, Shape, Stage};
use huracan_shadow::device::DeviceRules;
use huracan_shadow::{ExitReason, Rules};

const UNIT_TRADES: Kernel = Kernel { file: "labels", name: "labels_unit_trades", barriers: false };

/// Labels on the device of a run, or on the CPU.
///
/// # Errors
/// Where the device fails and the CPU must not take its place.
pub fn compute_on(compute: &Compute, panel: &Panel, atr: &[f64], rules: &Rules) -> Result<Labels, EngineError> {
    compute.run("labels", |stage| self::compute(stage, panel, atr, rules), || super::compute(panel, atr, rules))
}

/// [`compute`](super::compute) on a device, all symbols in one launch, or in as few as its memory allows.
///
/// # Errors
/// Where the device fails, or one symbol's candles and labels do not fit its memory.
pub fn compute(stage: &Stage<'_>, panel: &Panel, atr: &[f64], rules: &Rules) -> Result<Labels, EngineError> {
    let bars = panel.bars;
    let mut labels = Labels { bars, return_bps: Vec::new(), exit_bar: Vec::new(), exit_reason: Vec::new() };
    let label_bytes = size_of::<f64>() + size_of::<u32>() + 1;
    let job_bytes = DevicePanel::symbol_bytes(bars) + (bars * (size_of::<f64>() + 2 * label_bytes)) as u64;
    for symbols in stage.parts(Need { fixed_bytes: 1 << 20, job_bytes }, panel.symbols.len())? {
        let candles = DevicePanel::upload(stage, panel, symbols.clone())?;
        let atr = stage.upload(&atr[symbols.start * bars..symbols.end * bars])?;
        let cells = candles.cells() * 2;
        let mut return_bps = stage.zeros::<f64>(cells)?;
        let mut exit_bar = stage.zeros::<u32>(cells)?;
        let mut exit_reason = stage.zeros::<u8>(cells)?;
        unsafe {
            candles
                .given(stage.launch(&UNIT_TRADES, Shape::one_thread_each(cells, 128)))
                .read(&atr)
                .read(&candles.ranges)
                .write(&mut return_bps)
                .write(&mut exit_bar)
                .write(&mut exit_reason)
                .value(DeviceRules::from(rules))
                .value(bars as u32)
                .value(cells as u64)
                .run()
        }?;
        labels.return_bps.extend(stage.download(&return_bps)?);
        labels.exit_bar.extend(stage.download(&exit_bar)?);
        let reasons = stage.download(&exit_reason)?;
        for code in reasons {
            let unknown = || EngineError::Kernel {
                stage: stage.name(),
                kernel: UNIT_TRADES.name,
                detail: format!("exit reason {code}, where there are {}", ExitReason::ALL.len()),
            };
            labels.exit_reason.push(ExitReason::of(code).ok_or_else(unknown)?);
        }
    }
    Ok(labels)
}
