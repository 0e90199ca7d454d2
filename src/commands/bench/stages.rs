//! Rows for the stages besides the models: copy bandwidth, features, labels, votes and their consensus, trade
//! simulation.

use rayon::prelude::*;

use super::measure::{Bench, Comparison, Row, Work};
use super::sizes::{FULL, Sizes, of};
use super::{Data, bits};
use crate::arith::draw;
use crate::bars::Panel;
use crate::decide::consensus;
use crate::decide::votes::{self, VOTERS};
use crate::engine::{DeviceBuffer, EngineError, Stage, memory};
use crate::exit::CommandFailure;
use crate::features::{self, COUNT, VIEW_COUNT, View};
use crate::labels::{self, Labels};
use crate::shadow::{self, Rules, Signals, Trade};
use crate::text::thousands;

/// Bytes per bar: open, high, low, close and volume.
const CANDLE_BYTES: usize = 5 * 8;
const ATR_BYTES: usize = 8;
/// Bytes per bar: return, exit bar and reason of both sides.
const LABEL_BYTES: usize = 2 * (8 + 4 + 1);
const OUTCOME_BYTES: usize = 8;
const OPINION_BYTES: usize = 4 * 4;
/// Bars per signal of one side.
const BARS_PER_SIGNAL: u64 = 16;
/// Stream of the random numbers for the signals.
const SIGNALS: u64 = 0x62_656e_6368;

/// Copies one array to another, within the device or by all cores: the bandwidth that other rows are compared with.
pub fn copy(bench: &Bench<'_>, sizes: &Sizes) -> Result<Row, CommandFailure> {
    let words = sizes.copy_bytes / 8;
    let source: Vec<u64> = (0..words as u64).into_par_iter().map(|i| draw(7, 1, i)).collect();
    let work = Work {
        stage: "copy",
        computed: format!("{} MiB copied within memory, read and written", of(words >> 17, FULL.copy_bytes >> 20)),
        unit: "bytes",
        items: 2 * 8 * words as u64,
        bytes: Some(2 * 8 * words as u64),
    };
    let mut host = vec![0_u64; words];
    let allocate = |stage: &Stage<'_>| Ok(Some((stage.upload(&source)?, stage.zeros::<u64>(words)?)));
    let mut buffers: Option<(DeviceBuffer<u64>, DeviceBuffer<u64>)> = bench.compute.run("copy", allocate, || None)?;
    let mut row = {
        let mut copy = |host: &mut Vec<u64>, download: bool| -> Result<(), EngineError> {
            match &mut buffers {
                None => {
                    memory::copy(&source, host);
                    Ok(())
                }
                Some((from, to)) => {
                    let on_device = |stage: &Stage<'_>| {
                        stage.copy(from, to)?;
                        if download { stage.download_into(to, host) } else { stage.wait() }
                    };
                    bench.compute.run("copy", on_device, || ())
                }
            }
        };
        copy(&mut host, true)?;
        let same = host == source;
        let compare =
            || Ok(Comparison { slice: "all copied words".into(), actual: vec![u8::from(same)], expected: vec![1] });
        bench.row(work, compare, |_| Ok(copy(&mut host, false)?))?
    };
    bench.set_copy_bandwidth(&mut row);
    Ok(row)
}

pub fn features(bench: &Bench<'_>, data: &Data) -> Result<Row, CommandFailure> {
    let (small, panel) = (&data.small, &data.panel);
    let cells = panel.symbols.len() * panel.bars;
    let work = Work {
        stage: "features",
        computed: format!("{COUNT} features of {}", symbols_and_bars(panel)),
        unit: "values",
        items: (cells * COUNT) as u64,
        bytes: Some((cells * (CANDLE_BYTES + COUNT * 4)) as u64),
    };
    let compare = || {
        let expected = bench.reference(|| features::compute(small))?;
        let actual = features::device::compute_on(bench.compute, small)?;
        let (actual, expected) = (bits::f32s(&actual.values), bits::f32s(&expected.values));
        Ok(Comparison { slice: slice(small), actual, expected })
    };
    let round = |_: &_| Ok(features::device::compute_on(bench.compute, panel)?);
    bench.row(work, compare, round)
}

pub fn view(bench: &Bench<'_>, data: &Data) -> Result<Row, CommandFailure> {
    let (small, panel) = (&data.small, &data.panel);
    let cells = panel.symbols.len() * panel.bars;
    let work = Work {
        stage: "view",
        computed: format!("{VIEW_COUNT} columns of {}", symbols_and_bars(panel)),
        unit: "values",
        items: (cells * VIEW_COUNT) as u64,
        bytes: Some((cells * (CANDLE_BYTES + (COUNT + VIEW_COUNT) * 4)) as u64),
    };
    let compare = || {
        let features = features::compute(small);
        let expected = bench.reference(|| View::of(small, &features))?;
        let actual = View::of_on(bench.compute, small, &features)?;
        let (actual, expected) = (bits::f32s(&actual.values), bits::f32s(&expected.values));
        Ok(Comparison { slice: slice(small), actual, expected })
    };
    let round = |_: &_| Ok(View::of_on(bench.compute, panel, &data.features)?);
    bench.row(work, compare, round)
}

pub fn labels(bench: &Bench<'_>, data: &Data) -> Result<Row, CommandFailure> {
    let (small, panel, rules) = (&data.small, &data.panel, &data.rules);
    let cells = panel.symbols.len() * panel.bars;
    let work = Work {
        stage: "labels",
        computed: format!("unit trades, long and short, of {}", symbols_and_bars(panel)),
        unit: "labels",
        items: 2 * cells as u64,
        bytes: Some((cells * (CANDLE_BYTES + ATR_BYTES + LABEL_BYTES)) as u64),
    };
    let compare = || {
        let atr = features::atr_14(small);
        let expected = bench.reference(|| labels::compute(small, &atr, rules))?;
        let actual = labels::device::compute_on(bench.compute, small, &atr, rules)?;
        Ok(Comparison { slice: slice(small), actual: bits::labels(&actual), expected: bits::labels(&expected) })
    };
    let round = |_: &_| Ok(labels::device::compute_on(bench.compute, panel, &data.atr, rules)?);
    bench.row(work, compare, round)
}

pub fn votes(bench: &Bench<'_>, data: &Data) -> Result<Row, CommandFailure> {
    let (small, panel, voters) = (&data.small, &data.panel, &data.decide.voters);
    let cells = panel.symbols.len() * panel.bars;
    let work = Work {
        stage: "votes",
        computed: format!("{VOTERS} voters on {}", symbols_and_bars(panel)),
        unit: "votes",
        items: (cells * VOTERS) as u64,
        bytes: Some((cells * (CANDLE_BYTES + VOTERS * 4)) as u64),
    };
    let compare = || {
        let expected = bench.reference(|| votes::compute(small, voters))?;
        let actual = votes::device::compute_on(bench.compute, small, voters)?;
        let (actual, expected) = (bits::f32s(&actual.values), bits::f32s(&expected.values));
        Ok(Comparison { slice: slice(small), actual, expected })
    };
    bench.row(work, compare, |_| Ok(votes::device::compute_on(bench.compute, panel, voters)?))
}

pub fn consensus(bench: &Bench<'_>, data: &Data) -> Result<Row, CommandFailure> {
    let (small, panel, decide, horizon) = (&data.small, &data.panel, &data.decide, data.horizon_bars);
    let cells = panel.symbols.len() * panel.bars;
    let work = Work {
        stage: "consensus",
        computed: format!("scores, thresholds and records of {}", symbols_and_bars(panel)),
        unit: "bars",
        items: cells as u64,
        bytes: Some((cells * (VOTERS * 4 + OUTCOME_BYTES + OPINION_BYTES)) as u64),
    };
    let compare = || {
        let votes = votes::compute(small, &decide.voters);
        let labels = labels::compute(small, &features::atr_14(small), &data.rules);
        let expected = bench.reference(|| consensus::compute(small, &votes, &labels, decide, horizon))?;
        let actual = consensus::device::compute_on(bench.compute, small, &votes, &labels, decide, horizon)?;
        Ok(Comparison { slice: slice(small), actual: bits::consensus(&actual), expected: bits::consensus(&expected) })
    };
    // Made where a night makes them, so that votes are where it has them.
    let votes = votes::device::compute_on(bench.compute, panel, &decide.voters)?;
    let labels: Labels = labels::device::compute_on(bench.compute, panel, &data.atr, &data.rules)?;
    let round = |_: &_| Ok(consensus::device::compute_on(bench.compute, panel, &votes, &labels, decide, horizon)?);
    bench.row(work, compare, round)
}

/// Trades of several configurations of random signals and rules.
pub fn shadow(bench: &Bench<'_>, data: &Data, sizes: &Sizes) -> Result<Row, CommandFailure> {
    let (small, panel) = (&data.small, &data.panel);
    let configurations = sizes.configurations;
    let work = Work {
        stage: "shadow",
        computed: format!(
            "trades of {} configurations, one signal per {} bars, of {}",
            of(configurations, FULL.configurations),
            BARS_PER_SIGNAL / 2,
            symbols_and_bars(panel)
        ),
        unit: "bars",
        items: (configurations * panel.symbols.len() * panel.bars) as u64,
        bytes: None,
    };
    let rules = |number: usize| Rules { stop_atr: 1.0 + number as f64 / 8.0, ..data.rules };
    let all = |panel: &Panel, count: usize| -> Vec<(Signals, Rules)> {
        (0..count).map(|number| (signals(panel, number as u64), rules(number))).collect()
    };
    let compare = || {
        let atr = features::atr_14(small);
        let few = all(small, configurations.min(2));
        let expected = bench.reference(|| on_cpu(small, &few, &atr))?;
        let actual = simulate(bench, small, &few, &atr)?;
        let flat = |trades: &[Vec<Trade>]| bits::trades(&trades.concat());
        Ok(Comparison { slice: slice(small), actual: flat(&actual), expected: flat(&expected) })
    };
    let configurations = all(panel, configurations);
    bench.row(work, compare, |_| Ok(simulate(bench, panel, &configurations, &data.atr)?))
}

/// A random side per bar.
fn signals(panel: &Panel, number: u64) -> Signals {
    let mut signals = Signals::none(panel.symbols.len(), panel.bars);
    signals.side.par_iter_mut().enumerate().for_each(|(cell, side)| {
        *side = match draw(7, SIGNALS + number, cell as u64) % BARS_PER_SIGNAL {
            0 => 1,
            1 => -1,
            _ => 0,
        };
    });
    signals
}

fn windows(panel: &Panel) -> Vec<Vec<std::ops::Range<usize>>> {
    panel.ranges.iter().map(|range| vec![range.clone()]).collect()
}

fn on_cpu(panel: &Panel, configurations: &[(Signals, Rules)], atr: &[f64]) -> Vec<Vec<Trade>> {
    let windows = windows(panel);
    configurations.iter().map(|(signals, rules)| shadow::simulate(panel, signals, atr, &windows, rules)).collect()
}

fn simulate(
    bench: &Bench<'_>,
    panel: &Panel,
    configurations: &[(Signals, Rules)],
    atr: &[f64],
) -> Result<Vec<Vec<Trade>>, EngineError> {
    let all: Vec<(&Signals, &Rules)> = configurations.iter().map(|(signals, rules)| (signals, rules)).collect();
    shadow::device::simulate_all_on(bench.compute, panel, &all, atr, &windows(panel))
}

fn symbols_and_bars(panel: &Panel) -> String {
    format!("{} symbols × {} bars", of(panel.symbols.len(), FULL.symbols), of(panel.bars, FULL.bars()))
}

/// The size of a panel, in words.
pub fn slice(panel: &Panel) -> String {
    format!("{} symbols × {} bars", panel.symbols.len(), thousands(panel.bars as u64))
}
