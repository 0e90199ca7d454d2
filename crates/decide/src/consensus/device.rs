//! The consensus on a device, by `kernels/consensus.cu`: the same bits as [`compute`](super::compute).

use std::ops::Range;

use super::scores::{self, Record};
use super::tallies::{self, Tallies, Tally};
use super::{Consensus, Inputs, Opinion, Part};
use crate::DecideParams;
use crate::votes::{VOTERS, Votes};
use huracan_bars::Panel;
use huracan_engine::memory::Requirement;
use huracan_engine::{
    Compute, Device, DeviceBuffer, Element, ElementKind, EngineError, Items, Kernel, Rows, Shape, Stage, symbol_costs,
};
use huracan_labels::Labels;

const TALLIES: Kernel = kernel("consensus_tallies", false);
const RATES: Kernel = kernel("consensus_rates", false);
const SCORES: Kernel = kernel("consensus_scores", true);
const THRESHOLDS: Kernel = kernel("consensus_thresholds", true);
const RECORDS: Kernel = kernel("consensus_records", false);

/// Most threads of a block. Twin of `THREADS` in `kernels/consensus.cu`.
const THREADS: u32 = 128;
/// Bars of a tile, and threads of its block. Twin of `TILE` in `kernels/consensus.cu`.
const TILE: usize = 64;
/// Threads of a block that waits often on the emulated device, which loses time with every switch between threads.
const EMULATED_THREADS: u32 = 32;

const fn kernel(name: &'static str, barriers: bool) -> Kernel {
    Kernel { file: "consensus", name, barriers }
}

/// Sums over scores. Twin of the structure in `kernels/consensus.cu`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct Sums {
    count: u64,
    first: u64,
    second: u64,
}

const _: () = assert!(size_of::<Tally>() == 24 && size_of::<Record>() == 16 && size_of::<Sums>() == 24, "no padding");
const _: () = assert!(size_of::<Opinion>() == 16, "no padding");

// SAFETY: numbers only, without padding, as asserted above, in the order of the kernel's structure of the same name.
unsafe impl Element for Tally {
    const KIND: ElementKind = ElementKind::Structure;
}
// SAFETY: as above.
unsafe impl Element for Opinion {
    const KIND: ElementKind = ElementKind::Structure;
}
// SAFETY: as above.
unsafe impl Element for Record {
    const KIND: ElementKind = ElementKind::Structure;
}
// SAFETY: as above.
unsafe impl Element for Sums {
    const KIND: ElementKind = ElementKind::Structure;
}

/// The consensus on the devices of a run, or on the CPU. Votes that a device made are not copied there again, if it gets the same coins as
/// then.
///
/// # Errors
/// Where the devices fail and may not be replaced by the CPU.
///
/// # Panics
/// As [`compute`](super::compute).
pub fn compute_on(
    compute: &Compute,
    panel: &Panel,
    votes: &Votes,
    labels: &Labels,
    params: &DecideParams,
    horizon: usize,
) -> Result<Consensus, EngineError> {
    if compute.devices_left() == 0 || panel.symbols.len() * panel.bars == 0 {
        return Ok(super::compute(panel, votes, labels, params, horizon));
    }
    let inputs = Inputs::new(panel, votes, labels, params, horizon);
    let items = Items { costs: &symbol_costs(panel), memory: memory_needed(panel.bars, params.pool) };
    let pooled = if params.pool {
        let on_device = |stage: &Stage<'_>, own: Range<usize>, (): &mut ()| tallies_at(stage, &inputs, own);
        let on_cpu = |own: Range<usize>, (): &mut ()| tallies::of_coins(&inputs, own);
        let parts = compute.share("consensus", items, (), on_device, on_cpu)?;
        Some(tallies::pooled_rates(&inputs, &parts))
    } else {
        None
    };
    let pooled = pooled.as_deref();
    let mut opinions = inputs.no_opinions();
    let work = Rows { values: &mut opinions, per_item: panel.bars };
    let on_device = |stage: &Stage<'_>, own: Range<usize>, work: &mut Rows<'_, Opinion>| {
        opinions_at(stage, &inputs, own, pooled, work.values)
    };
    let on_cpu = |own: Range<usize>, work: &mut Rows<'_, Opinion>| scores::of_coins(&inputs, own, pooled, work.values);
    let parts = compute.share("consensus", items, work, on_device, on_cpu)?;
    Ok(inputs.consensus(opinions, pooled, parts))
}

/// [`compute`](super::compute) on a device, with all coins in one batch, or in as few batches as its memory allows.
///
/// # Errors
/// Where the device fails, or the votes of one coin do not fit its memory.
///
/// # Panics
/// As [`compute`](super::compute).
pub fn compute(
    stage: &Stage<'_>,
    panel: &Panel,
    votes: &Votes,
    labels: &Labels,
    params: &DecideParams,
    horizon: usize,
) -> Result<Consensus, EngineError> {
    let inputs = Inputs::new(panel, votes, labels, params, horizon);
    let all = 0..panel.symbols.len();
    let pooled = if params.pool {
        Some(tallies::pooled_rates(&inputs, &[tallies_at(stage, &inputs, all.clone())?]))
    } else {
        None
    };
    let mut opinions = inputs.no_opinions();
    let part = opinions_at(stage, &inputs, all, pooled.as_deref(), &mut opinions)?;
    Ok(inputs.consensus(opinions, pooled.as_deref(), vec![part]))
}

/// The memory that coins need.
fn memory_needed(bars: usize, pool: bool) -> Requirement {
    // A bar's tallies or hit rates of all coins, and the record of all.
    let of_all = VOTERS * (size_of::<Tally>() + size_of::<f64>()) + size_of::<Record>();
    // Its votes, outcome, opinion and sums, and hit rates of its own.
    let own_rates = if pool { 0 } else { VOTERS * size_of::<f64>() };
    let own = VOTERS * size_of::<f32>() + size_of::<f64>() + size_of::<Opinion>() + 2 * size_of::<Sums>() + own_rates;
    Requirement { fixed_bytes: (1 << 20) + (bars * of_all) as u64, job_bytes: (bars * own + 256) as u64 }
}

/// The votes and outcomes of some coins, on the device.
struct Loaded {
    votes: std::sync::Arc<DeviceBuffer<f32>>,
    outcomes: std::sync::Arc<DeviceBuffer<f64>>,
    ranges: DeviceBuffer<u32>,
    coins: usize,
    bars: usize,
}

impl Loaded {
    /// # Panics
    /// If a range ends beyond the panel's bars.
    fn new(stage: &Stage<'_>, inputs: &Inputs<'_>, coins: Range<usize>) -> Result<Self, EngineError> {
        let bars = inputs.panel.bars;
        let (first, end) = (coins.start * bars, coins.end * bars);
        let ranges = &inputs.panel.ranges[coins.clone()];
        assert!(ranges.iter().all(|range| range.start <= range.end && range.end <= bars), "ranges within the panel");
        let ranges: Vec<u32> = ranges.iter().flat_map(|range| [range.start as u32, range.end as u32]).collect();
        Ok(Self {
            votes: stage.resident(&inputs.votes.values[first * VOTERS..end * VOTERS])?,
            outcomes: stage.resident(&inputs.outcomes[first..end])?,
            ranges: stage.upload(&ranges)?,
            coins: coins.len(),
            bars,
        })
    }
}

/// [`tallies::of_coins`] on a device.
fn tallies_at(stage: &Stage<'_>, inputs: &Inputs<'_>, own: Range<usize>) -> Result<Vec<Tallies>, EngineError> {
    let bars = inputs.panel.bars;
    let mut tallies = stage.zeros::<Tally>(bars * VOTERS)?;
    let batches = stage.batches(memory_needed(bars, inputs.params.pool), own.len())?;
    for batch in batches.of_work("consensus, tallies") {
        let coins = own.start + batch.start..own.start + batch.end;
        assert!(coins.len() < 1 << 20, "strengths of more than a million coins overflow");
        let loaded = Loaded::new(stage, inputs, coins)?;
        // SAFETY: a thread per bar and voter; those beyond the last do nothing. A thread reads its voter's vote on its bar, and the
        // bar's outcome, of each of the coins, which `Loaded` has, and adds to its own entry of `[bars × VOTERS]`.
        unsafe {
            stage
                .launch(&TALLIES, Shape::one_thread_each(bars * VOTERS, THREADS))
                .read(&loaded.votes)
                .read(&loaded.outcomes)
                .write(&mut tallies)
                .value(loaded.coins as u32)
                .value(bars as u32)
                .run()
        }?;
    }
    let tallies = stage.download(&tallies)?;
    Ok(tallies.as_chunks().0.to_vec())
}

/// [`scores::of_coins`] on a device.
fn opinions_at(
    stage: &Stage<'_>,
    inputs: &Inputs<'_>,
    own: Range<usize>,
    pooled: Option<&[[f64; VOTERS]]>,
    out: &mut [Opinion],
) -> Result<Part, EngineError> {
    let (bars, first) = (inputs.panel.bars, own.start);
    let pooled = pooled.map(|rates| stage.upload(rates.as_flattened())).transpose()?;
    let mut records = stage.zeros::<Record>(bars)?;
    let mut hit_rates = Vec::new();
    for batch in stage.batches(memory_needed(bars, inputs.params.pool), own.len())? {
        let coins = first + batch.start..first + batch.end;
        let loaded = Loaded::new(stage, inputs, coins)?;
        let opinions = match &pooled {
            Some(rates) => loaded.opinions(stage, inputs, rates, true)?,
            None => {
                let (rates, last) = loaded.own_rates(stage, inputs)?;
                hit_rates.extend(stage.download(&last)?);
                loaded.opinions(stage, inputs, &rates, false)?
            }
        };
        if pooled.is_some() {
            // SAFETY: a thread per bar; those beyond the last do nothing. A thread reads its bar's opinion and outcome of each of
            // the coins, both `[coins × bars]`, and adds to its own entry of `[bars]`.
            unsafe {
                stage
                    .launch(&RECORDS, Shape::one_thread_each(bars, THREADS))
                    .read(&opinions)
                    .read(&loaded.outcomes)
                    .write(&mut records)
                    .value(loaded.coins as u32)
                    .value(bars as u32)
                    .run()
            }?;
        }
        stage.download_into(&opinions, &mut out[batch.start * bars..batch.end * bars])?;
    }
    let records = if pooled.is_some() { stage.download(&records)? } else { Vec::new() };
    Ok(Part { hit_rates, records })
}

impl Loaded {
    /// Hit rates of each coin by itself, `[coins × bars × VOTERS]`, and those at its last bar, `[coins × VOTERS]`.
    fn own_rates(
        &self,
        stage: &Stage<'_>,
        inputs: &Inputs<'_>,
    ) -> Result<(DeviceBuffer<f64>, DeviceBuffer<f32>), EngineError> {
        let mut rates = stage.zeros::<f64>(self.coins * self.bars * VOTERS)?;
        let mut last = stage.zeros::<f32>(self.coins * VOTERS)?;
        // SAFETY: a thread per coin and voter; those beyond the last do nothing. A thread reads its coin's two ranges, which
        // `Loaded` has checked, and at bars within them, of which none is before the first, its voter's votes and the coin's
        // outcomes. It writes its voter's column of the coin's rows of `rates`, and its own entry of `last`.
        unsafe {
            stage
                .launch(&RATES, Shape::one_thread_each(self.coins * VOTERS, THREADS))
                .read(&self.votes)
                .read(&self.outcomes)
                .read(&self.ranges)
                .write(&mut rates)
                .write(&mut last)
                .value(self.coins as u32)
                .value(self.bars as u32)
                .value(within(inputs.horizon))
                .value(inputs.params.reliability_bars)
                .run()
        }?;
        Ok((rates, last))
    }

    /// The opinions, `[coins × bars]`, by hit rates `[bars × VOTERS]` of all coins, or `[coins × bars × VOTERS]`. What coins earned
    /// is not among them if it counts for all coins together.
    fn opinions(
        &self,
        stage: &Stage<'_>,
        inputs: &Inputs<'_>,
        rates: &DeviceBuffer<f64>,
        pool: bool,
    ) -> Result<DeviceBuffer<Opinion>, EngineError> {
        let (coins, bars, params) = (self.coins, self.bars, inputs.params);
        assert_eq!(rates.len(), if pool { bars } else { coins * bars } * VOTERS, "a hit rate per bar and voter");
        let mut opinions = stage.zeros::<Opinion>(coins * bars)?;
        let tiles =
            Shape { blocks: [bars.div_ceil(TILE) as u32, coins as u32, 1], threads: TILE as u32, shared_bytes: 0 };
        // SAFETY: a block per tile and coin, all of which begin within the panel and end with it. A block reads the votes of its bars
        // and coin, which `Loaded` has, and their hit rates, of which there are as many as asserted, and writes the opinions on
        // its bars: `[coins × bars]`.
        unsafe {
            stage
                .launch(&SCORES, tiles)
                .read(&self.votes)
                .read(rates)
                .write(&mut opinions)
                .value(bars as u32)
                .value(u32::from(!pool))
                .run()
        }?;
        let mut sums = stage.zeros::<Sums>(coins * 2 * (bars + 1))?;
        let threads = if stage.device() == Device::Emulated { EMULATED_THREADS } else { THREADS };
        let blocks = Shape { blocks: [coins as u32, 1, 1], threads, shared_bytes: 0 };
        // SAFETY: a block per coin, of at most `THREADS` threads, the length of its shared memory. It reads its coin's two ranges,
        // which `Loaded` has checked, and at bars within them the coin's outcomes; it reads and writes the opinions there, and
        // works in its own 2 × (bars + 1) entries of `sums`: there are at most as many scores as bars.
        unsafe {
            stage
                .launch(&THRESHOLDS, blocks)
                .read(&self.outcomes)
                .read(&self.ranges)
                .write(&mut opinions)
                .write(&mut sums)
                .value(params.threshold)
                .value(params.threshold_bars)
                .value(u32::from(!pool))
                .value(within(inputs.horizon))
                .value(params.record_bars)
                .value(params.record_min)
                .value(bars as u32)
                .run()
        }?;
        Ok(opinions)
    }
}

/// A number of bars as the kernels have it: more than any panel has are as good as all.
fn within(bars: usize) -> u32 {
    u32::try_from(bars).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use huracan_engine::kernel_constant;

    use super::super::scores::{BPS_SCALE, SCORE_BITS};
    use super::super::tallies::{PRIOR_VOTES, STRENGTH_SCALE};
    use super::*;

    #[test]
    fn the_kernels_have_the_constants_of_the_cpu() {
        for (name, value) in [
            ("THREADS", f64::from(THREADS)),
            ("TILE", TILE as f64),
            ("PRIOR_VOTES", PRIOR_VOTES),
            ("STRENGTH_SCALE", f64::from(STRENGTH_SCALE)),
            ("SCORE_SCALE", f64::from(1 << SCORE_BITS)),
            ("BPS_SCALE", BPS_SCALE),
        ] {
            assert_eq!(kernel_constant("consensus.cu", name), Some(value), "{name} of kernels/consensus.cu");
        }
    }
}
