//! What models learn: the labels of the heads, and how much each of them is worth.

use std::ops::Range;

use huracan_bars::{DAY_MS, Panel};
use huracan_base::arith;
use huracan_base::units::BPS;
use huracan_decide::Head;
use huracan_features::{View, view_columns};
use huracan_labels::{Labels, uniqueness};
use huracan_shadow::{Rules, Side};
use rayon::prelude::*;

use super::{ModelParams, Unit};

/// Fewest coins at a bar whose edges are compared with their mean: of fewer, the mean is mostly the coin's own edge.
const MIN_COINS: u32 = 5;

/// Edges count up to this many times the larger barrier. A trade earns or loses its barrier and no more unless bars gap, so no
/// ordinary edge comes near. Where bars without trades have left next to no ATR, an edge may be any number: a few such rows
/// would take all digits of the fixed-point gradients.
const MOST_BARRIERS: f64 = 4.0;

/// The labels of all heads at all bars of a panel.
///
/// The heads of probabilities learn whether the unit trade makes money. The head of the edge learns (net long − net short)/2 in
/// multiples of the ATR at the signal, which costs of both sides cancel from and borrowing is left out of, bounded at four times
/// the larger barrier; if `demean` is set without its mean over all coins of the bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Targets {
    /// Bars of the panel's grid.
    bars: usize,
    /// Length of a bar, milliseconds.
    bar_ms: i64,
    /// Per head in the order of [`Head::ALL`], `[symbols × bars]`; NaN where there is no label.
    values: [Vec<f32>; Head::COUNT],
    /// `[symbols × bars]`: the edge before its mean is taken away, multiples of the ATR; NaN where there is no label.
    edges: Vec<f32>,
    /// Largest edge, multiples of the ATR.
    most_atr: f64,
    /// Like `values`: the last bar on which the label depends.
    last_bar: [Vec<u32>; Head::COUNT],
}

/// The rows of a unit in some bars, with their labels and weights.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LabelledRows {
    /// Rows of the table of all symbols and bars.
    pub rows: Vec<u32>,
    /// Labels, one per row.
    pub labels: Vec<f32>,
    /// Weights, one per row; their mean is 1.
    pub weights: Vec<f32>,
}

/// The labelled rows of one coin, whose weights are not scaled yet.
#[derive(Default)]
struct CoinRows {
    rows: Vec<u32>,
    labels: Vec<f32>,
    weights: Vec<f64>,
}

impl Targets {
    /// The labels of `symbols` (rows of the panel) by trades with these rules; other symbols have none.
    ///
    /// # Panics
    /// Where `labels` or `view` do not have the panel's symbols and bars.
    pub fn of(
        panel: &Panel,
        labels: &Labels,
        view: &View,
        symbols: &[usize],
        rules: &Rules,
        params: &ModelParams,
    ) -> Self {
        let cells = panel.symbols.len() * panel.bars;
        let mut targets = Self {
            bars: panel.bars,
            bar_ms: panel.timeframe.ms(),
            values: [0; Head::COUNT].map(|_| vec![f32::NAN; cells]),
            edges: Vec::new(),
            most_atr: MOST_BARRIERS * rules.stop_atr.max(rules.take_atr),
            last_bar: [0; Head::COUNT].map(|_| vec![0; cells]),
        };
        for &symbol in symbols {
            for bar in panel.ranges[symbol].clone() {
                let cell = symbol * panel.bars + bar;
                let atr_bps = f64::from(view.value(symbol, bar, view_columns::ATR_SHARE)) * BPS;
                // At the end of the data one side may have ended and the other not: then neither counts.
                let (Some(long), Some(short), Some(edge_bps)) = (
                    labels.get(symbol, bar, Side::Long),
                    labels.get(symbol, bar, Side::Short),
                    labels.edge_bps(symbol, bar),
                ) else {
                    continue;
                };
                if atr_bps.is_nan() || atr_bps <= 0.0 {
                    continue;
                }
                let edge = targets.bounded(edge_bps / atr_bps);
                let won = |return_bps: f64| f32::from(u8::from(return_bps > 0.0));
                let both = long.exit_bar.max(short.exit_bar);
                let heads = [
                    (won(long.return_bps), long.exit_bar),
                    (won(short.return_bps), short.exit_bar),
                    (edge as f32, both),
                ];
                for (head, (value, last)) in heads.into_iter().enumerate() {
                    targets.values[head][cell] = value;
                    targets.last_bar[head][cell] = last as u32;
                }
            }
        }
        targets.edges = targets.values[Head::EdgeBps.position()].clone();
        if params.demean {
            targets.demean(symbols);
        }
        targets
    }

    /// A multiple of the ATR, at most the largest edge on either side.
    pub(crate) fn bounded(&self, atr: f64) -> f64 {
        atr.clamp(-self.most_atr, self.most_atr)
    }

    /// Takes from each edge the mean over all coins at the same bar, where there are enough coins.
    fn demean(&mut self, symbols: &[usize]) {
        let edges = &mut self.values[Head::EdgeBps.position()];
        for bar in 0..self.bars {
            let cells = || symbols.iter().map(|symbol| symbol * self.bars + bar);
            let (sum, count) = cells()
                .map(|cell| edges[cell])
                .filter(|edge| !edge.is_nan())
                .fold((0.0, 0), |(sum, count), edge| (sum + f64::from(edge), count + 1));
            if count >= MIN_COINS {
                let mean = sum / f64::from(count);
                for cell in cells() {
                    edges[cell] = (f64::from(edges[cell]) - mean) as f32;
                }
            }
        }
    }

    /// The label of a head; `None` where there is none.
    ///
    /// # Panics
    /// Where there is no such symbol or bar.
    pub fn get(&self, symbol: usize, bar: usize, head: Head) -> Option<f32> {
        let value = self.values[head.position()][symbol * self.bars + bar];
        (!value.is_nan()).then_some(value)
    }

    /// What a calibrated prediction of a head is held against: its label, of the edge with the market's mean, as it is traded;
    /// `None` where there is none.
    ///
    /// # Panics
    /// Where there is no such symbol or bar.
    pub fn outcome(&self, symbol: usize, bar: usize, head: Head) -> Option<f32> {
        if head != Head::EdgeBps {
            return self.get(symbol, bar, head);
        }
        let value = self.edges[symbol * self.bars + bar];
        (!value.is_nan()).then_some(value)
    }

    /// The last bar on which the label depends; 0 where there is none.
    ///
    /// # Panics
    /// Where there is no such symbol or bar.
    pub fn last_bar(&self, symbol: usize, bar: usize, head: Head) -> usize {
        self.last_bar[head.position()][symbol * self.bars + bar] as usize
    }

    /// The labelled rows of a unit's coins in `bars`, coin by coin, weighted by the average uniqueness of their labels among
    /// those of the coin's rows here, and by their age: half as much every `half_life_days` before the end of `bars`, if that
    /// is not 0. Without `weigh`, all weigh the same.
    pub fn rows(&self, unit: &Unit, bars: &Range<usize>, head: Head, params: &ModelParams) -> LabelledRows {
        let of_coins: Vec<CoinRows> =
            unit.symbols.par_iter().map(|&symbol| self.rows_of_coin(symbol, bars, head, params)).collect();
        let weights = || of_coins.iter().flat_map(|coin| &coin.weights).copied();
        let count: usize = of_coins.iter().map(|coin| coin.weights.len()).sum();
        let mean = weights().sum::<f64>() / count.max(1) as f64;
        // Of rows so old that every weight vanishes, none is worth more than another.
        let scaled = |weight: f64| if mean > 0.0 { (weight / mean) as f32 } else { 1.0 };
        LabelledRows {
            weights: weights().map(scaled).collect(),
            rows: of_coins.iter().flat_map(|coin| &coin.rows).copied().collect(),
            labels: of_coins.iter().flat_map(|coin| &coin.labels).copied().collect(),
        }
    }

    fn rows_of_coin(&self, symbol: usize, bars: &Range<usize>, head: Head, params: &ModelParams) -> CoinRows {
        let mut found = CoinRows::default();
        let mut spans = Vec::new();
        for bar in bars.clone() {
            if let Some(label) = self.get(symbol, bar, head) {
                found.rows.push((symbol * self.bars + bar) as u32);
                found.labels.push(label);
                spans.push((bar + 1, self.last_bar(symbol, bar, head)));
            }
        }
        found.weights = if params.uniqueness { uniqueness(&spans) } else { vec![1.0; spans.len()] };
        if params.half_life_days > 0.0 {
            let decay = -arith::ln(2.0) * self.bar_ms as f64 / (params.half_life_days * DAY_MS as f64);
            for (weight, &(entry, _)) in found.weights.iter_mut().zip(&spans) {
                *weight *= arith::exp(decay * (bars.end - entry + 1) as f64);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests;
