//! The votes of all voters on every bar, and their consensus.

use std::ops::Range;

use super::table;
use crate::bars::Panel;
use crate::decide::{self, Voter};
use crate::engine::Compute;
use crate::exit::CommandFailure;
use crate::labels;
use crate::polars::prelude::*;
use crate::settings::Settings;
use crate::shadow::Rules;

/// `symbol, timestamp`, a column per voter (−1 to 1; NaN while it has no opinion), and of the consensus `score`, `threshold`,
/// `confidence` (per cent) and `expected_bps`; one row per bar.
///
/// # Errors
/// A device that fails.
pub fn table(settings: &Settings, compute: &Compute, panel: &Panel) -> Result<DataFrame, CommandFailure> {
    let rules = Rules::new(&settings.labels, &settings.costs, settings.market.kind, panel.timeframe);
    let atr = crate::features::device::atr_14_on(compute, panel)?;
    let labels = labels::device::compute_on(compute, panel, &atr, &rules)?;
    let horizon = settings.labels.horizon_bars();
    let (votes, consensus) = decide::votes_and_consensus(compute, panel, &labels, &settings.decide, horizon)?;
    let bars = |(symbol, range): (usize, &Range<usize>)| range.clone().map(move |bar| (symbol, bar));
    let cells: Vec<(usize, usize)> = panel.ranges.iter().enumerate().flat_map(bars).collect();
    let symbols: Vec<&str> = cells.iter().map(|&(symbol, _)| panel.symbols[symbol].as_str()).collect();
    let times = cells.iter().map(|&(_, bar)| panel.time_ms(bar)).collect();
    let mut columns = vec![Column::new("symbol".into(), symbols), table::time_column("timestamp", times)?];
    for (place, voter) in Voter::ALL.into_iter().enumerate() {
        let values: Vec<f32> = cells.iter().map(|&(symbol, bar)| votes.row(symbol, bar)[place]).collect();
        columns.push(Column::new(voter.name().into(), values));
    }
    let opinions: Vec<decide::Opinion> = cells.iter().map(|&(symbol, bar)| consensus.at(symbol, bar)).collect();
    let mut part = |name: &str, of: fn(&decide::Opinion) -> f32| {
        columns.push(Column::new(name.into(), opinions.iter().map(of).collect::<Vec<f32>>()));
    };
    part("score", |opinion| opinion.score);
    part("threshold", |opinion| opinion.threshold);
    part("confidence", |opinion| opinion.confidence);
    part("expected_bps", |opinion| opinion.expected_bps);
    Ok(DataFrame::new(cells.len(), columns)?)
}
