//! Rows of the stages around the models: copy bandwidth, features, labels, votes, trade simulation.

use rayon::prelude::*;

use super::measure::{Bench, Compared, Row, Work};
use super::sizes::{FULL, Sizes, of};
use super::{Data, bits};
use crate::arith::draw;
use crate::bars::Panel;
use crate::decide::votes::{self, VOTERS};
use crate::engine::{DeviceBuffer, EngineError, Stage, memory};
use crate::exit::Failure;
use crate::features::{self, COUNT};
use crate::labels;
use crate::shadow::{self, Rules, Signals, Trade};
use crate::text::thousands;

/// Open, high, low, close and volume of a bar.
const CANDLE_BYTES: usize = 5 * 8;
const ATR_BYTES: usize = 8;
/// Result, exit bar and reason of both sides.
const LABEL_BYTES: usize = 2 * (8 + 4 + 1);
/// One bar in so many asks for a trade, of each side.
const BARS_A_SIGNAL: u64 = 16;
/// Stream of the signals' draws.
const SIGNALS: u64 = 0x62_656e_6368;

/// Bytes of one array copied to another within the device, or by all cores: the limit that others are held against.
pub fn copy(bench: &Bench<'_>, sizes: &Sizes) -> Result<Row, Failure> {
    let words = sizes.copy_bytes / 8;
    let source: Vec<u64> = (0..words as u64).into_par_iter().map(|i| draw(7, 1, i)).collect();
    let work = Work {
        stage: "copy",
        computed: format!(
            "{} MiB to another place of memory, read and written",
            of(words >> 17, FULL.copy_bytes >> 20)
        ),
        unit: "bytes",
        items: 2 * 8 * words as u64,
        bytes: Some(2 * 8 * words as u64),
    };
    let mut here = vec![0_u64; words];
    let there = |stage: &Stage<'_>| Ok(Some((stage.upload(&source)?, stage.zeros::<u64>(words)?)));
    let mut on_device: Option<(DeviceBuffer<u64>, DeviceBuffer<u64>)> = bench.compute.run("copy", there, || None)?;
    let mut row = {
        let mut copied = |found: &mut Vec<u64>, download: bool| -> Result<(), EngineError> {
            match &mut on_device {
                None => {
                    memory::copy(&source, found);
                    Ok(())
                }
                Some((from, to)) => {
                    let on_device = |stage: &Stage<'_>| {
                        stage.copy(from, to)?;
                        if download { stage.download_into(to, found) } else { stage.wait() }
                    };
                    bench.compute.run("copy", on_device, || ())
                }
            }
        };
        copied(&mut here, true)?;
        let same = here == source;
        let compare =
            || Ok(Compared { slice: "all copied words".into(), found: vec![u8::from(same)], wanted: vec![1] });
        bench.row(work, compare, |_| Ok(copied(&mut here, false)?))?
    };
    bench.limit_is(&mut row);
    Ok(row)
}

pub fn features(bench: &Bench<'_>, data: &Data) -> Result<Row, Failure> {
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
        let wanted = bench.reference(|| features::compute(small))?;
        let found = features::device::compute_on(bench.compute, small)?;
        Ok(Compared { slice: slice(small), found: bits::f32s(&found.values), wanted: bits::f32s(&wanted.values) })
    };
    let round = |_: &_| Ok(features::device::compute_on(bench.compute, panel)?);
    bench.row(work, compare, round)
}

pub fn labels(bench: &Bench<'_>, data: &Data) -> Result<Row, Failure> {
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
        let wanted = bench.reference(|| labels::compute(small, &atr, rules))?;
        let found = labels::device::compute_on(bench.compute, small, &atr, rules)?;
        Ok(Compared { slice: slice(small), found: bits::labels(&found), wanted: bits::labels(&wanted) })
    };
    let round = |_: &_| Ok(labels::device::compute_on(bench.compute, panel, &data.atr, rules)?);
    bench.row(work, compare, round)
}

pub fn votes(bench: &Bench<'_>, data: &Data) -> Result<Row, Failure> {
    let (small, panel, engines) = (&data.small, &data.panel, &data.voters);
    let cells = panel.symbols.len() * panel.bars;
    let work = Work {
        stage: "votes",
        computed: format!("{VOTERS} engines on {}", symbols_and_bars(panel)),
        unit: "votes",
        items: (cells * VOTERS) as u64,
        bytes: Some((cells * (CANDLE_BYTES + VOTERS * 4)) as u64),
    };
    let compare = || {
        let wanted = bench.reference(|| votes::compute(small, engines))?;
        let found = votes::device::compute_on(bench.compute, small, engines)?;
        Ok(Compared { slice: slice(small), found: bits::f32s(&found.values), wanted: bits::f32s(&wanted.values) })
    };
    bench.row(work, compare, |_| Ok(votes::device::compute_on(bench.compute, panel, engines)?))
}

/// Trades of some configurations of drawn signals and rules.
pub fn shadow(bench: &Bench<'_>, data: &Data, sizes: &Sizes) -> Result<Row, Failure> {
    let (small, panel) = (&data.small, &data.panel);
    let configurations = sizes.configurations;
    let work = Work {
        stage: "shadow",
        computed: format!(
            "trades of {} configurations, a signal in {} bars, of {}",
            of(configurations, FULL.configurations),
            BARS_A_SIGNAL / 2,
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
        let both = all(small, configurations.min(2));
        let wanted = bench.reference(|| on_cpu(small, &both, &atr))?;
        let found = simulate(bench, small, &both, &atr)?;
        let flat = |trades: &[Vec<Trade>]| bits::trades(&trades.concat());
        Ok(Compared { slice: slice(small), found: flat(&found), wanted: flat(&wanted) })
    };
    let both = all(panel, configurations);
    bench.row(work, compare, |_| Ok(simulate(bench, panel, &both, &data.atr)?))
}

/// Sides drawn for each bar.
fn signals(panel: &Panel, number: u64) -> Signals {
    let mut signals = Signals::none(panel.symbols.len(), panel.bars);
    signals.side.par_iter_mut().enumerate().for_each(|(cell, side)| {
        *side = match draw(7, SIGNALS + number, cell as u64) % BARS_A_SIGNAL {
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

fn on_cpu(panel: &Panel, both: &[(Signals, Rules)], atr: &[f64]) -> Vec<Vec<Trade>> {
    let windows = windows(panel);
    both.iter().map(|(signals, rules)| shadow::simulate(panel, signals, atr, &windows, rules)).collect()
}

fn simulate(
    bench: &Bench<'_>,
    panel: &Panel,
    both: &[(Signals, Rules)],
    atr: &[f64],
) -> Result<Vec<Vec<Trade>>, EngineError> {
    let on_device = |stage: &Stage<'_>| {
        let configurations: Vec<(&Signals, &Rules)> = both.iter().map(|(signals, rules)| (signals, rules)).collect();
        shadow::device::simulate(stage, panel, &configurations, atr, &windows(panel))
    };
    bench.compute.run("shadow", on_device, || on_cpu(panel, both, atr))
}

fn symbols_and_bars(panel: &Panel) -> String {
    format!("{} symbols × {} bars", of(panel.symbols.len(), FULL.symbols), of(panel.bars, FULL.bars()))
}

/// What a small panel is, in words.
pub fn slice(panel: &Panel) -> String {
    format!("{} symbols × {} bars", panel.symbols.len(), thousands(panel.bars as u64))
}
