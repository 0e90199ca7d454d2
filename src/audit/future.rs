//! Replaces the bars after a cut.

use serde::Serialize;

use super::worlds::part;
use crate::arith::{draw, exp, ln, uniform};
use crate::bars::Panel;
use crate::exit::CommandFailure;

/// How the bars after a cut are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Future {
    /// The same moves in another order.
    Permuted,
    /// Prices that jump: each low is multiplied by a random factor from 0.2 to 5, the other prices are drawn above it.
    Spiked,
    /// The same prices with a thousand times the volume.
    Busy,
    /// No bars: the history ends at the cut.
    Missing,
}

impl Future {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Permuted, Self::Spiked, Self::Busy, Self::Missing];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Permuted => "moves permuted",
            Self::Spiked => "prices spiked",
            Self::Busy => "volume × 1000",
            Self::Missing => "removed",
        }
    }
}

/// The panel with all bars after `cut` replaced.
///
/// # Errors
/// A cut before the first bar.
pub fn changed(panel: &Panel, cut: usize, future: Future) -> Result<Panel, CommandFailure> {
    if future == Future::Missing {
        return part(panel, 0..panel.symbols.len(), 0..cut + 1);
    }
    let mut changed = panel.clone();
    for symbol in 0..panel.symbols.len() {
        let range = panel.ranges[symbol].clone();
        let after = range.start.max(cut + 1)..range.end;
        if after.is_empty() {
            continue;
        }
        let cell = |bar: usize| symbol * panel.bars + bar;
        match future {
            Future::Permuted => permute(panel, &mut changed, symbol, after),
            Future::Spiked => {
                for bar in after {
                    let noise = |k: u64| uniform(draw(99, k, cell(bar) as u64));
                    let low = panel.low[cell(bar)] * (0.2 + 4.8 * noise(0));
                    let high = low * (1.0 + 0.5 * noise(1));
                    changed.low[cell(bar)] = low;
                    changed.high[cell(bar)] = high;
                    changed.open[cell(bar)] = low + (high - low) * noise(2);
                    changed.close[cell(bar)] = low + (high - low) * noise(3);
                }
            }
            _ => after.for_each(|bar| changed.volume[cell(bar)] = 1000.0 * panel.volume[cell(bar)] + 1.0),
        }
    }
    Ok(changed)
}

/// Puts the bars of one symbol in another order. Each bar keeps its prices relative to the close before it.
fn permute(panel: &Panel, changed: &mut Panel, symbol: usize, after: std::ops::Range<usize>) {
    let cell = |bar: usize| symbol * panel.bars + bar;
    let mut sources: Vec<usize> = after.clone().collect();
    sources.sort_by_key(|&bar| (draw(98, symbol as u64, bar as u64), bar));
    let close_before = |of: &Panel, bar: usize| match bar > panel.ranges[symbol].start {
        true => of.close[cell(bar - 1)],
        false => panel.open[cell(bar)],
    };
    for (bar, source) in after.zip(sources) {
        let before = close_before(changed, bar);
        let over = |column: &[f64]| before * exp(ln(column[cell(source)] / close_before(panel, source)));
        let [open, high, low, close] = [&panel.open, &panel.high, &panel.low, &panel.close].map(|c| over(c));
        changed.open[cell(bar)] = open;
        changed.high[cell(bar)] = high.max(close);
        changed.low[cell(bar)] = low.min(close);
        changed.close[cell(bar)] = close;
        changed.volume[cell(bar)] = panel.volume[cell(source)];
    }
}
