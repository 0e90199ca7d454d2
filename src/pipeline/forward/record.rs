//! The forward record: what counts of it, and what it says.

use std::collections::{BTreeMap, BTreeSet};

use super::follow::place;
use super::{Key, key};
use crate::bars::{DAY_MS, Panel};
use crate::brain::ForwardRow;
use crate::decide::DecideMode;
use crate::metrics::clustered_error;
use crate::report::{ForwardCoin, ForwardReport, ForwardSum};
use crate::trainer::{FORWARD_DAYS, ForwardEvidence, OutOfFold};

/// What earlier runs' models have done on bars that they had not seen.
#[derive(Default)]
pub struct Forward {
    /// The rows of this run: new signals, and those of earlier runs whose trade had not ended.
    pub rows: Vec<ForwardRow>,
    /// Rows of all runs whose outcome is known, of the days that count, ordered by signal.
    pub(super) known: Vec<ForwardRow>,
    /// Length of a block of days whose outcomes move together, milliseconds.
    pub(super) block_ms: i64,
    /// Days that count.
    pub(super) days: u32,
    /// Models that were scored.
    pub(super) scored: usize,
    /// Models that were not, because they were made under other settings.
    pub(super) left_out: usize,
    /// Coins that the inputs of scored models have and the panel has not.
    pub(super) missing: BTreeSet<String>,
}

/// A mean of outcomes less predictions.
struct Shortfall {
    days: usize,
    /// Mean outcome less prediction over its standard error by blocks of days; `None` with too few blocks.
    t: Option<f64>,
    /// Standard error by blocks of days, basis points.
    error_bps: Option<f64>,
}

fn shortfall(rows: &[&ForwardRow], block_ms: i64) -> Shortfall {
    let misses = |length_ms: i64| {
        rows.iter().filter_map(move |row| {
            let block = row.signal_timestamp.timestamp_millis().div_euclid(length_ms);
            Some((block, row.realised_bps? - row.predicted_bps))
        })
    };
    let days = misses(DAY_MS).map(|(day, _)| day).collect::<BTreeSet<i64>>().len();
    // Trades that overlap move together.
    let found = clustered_error(misses(block_ms.max(DAY_MS)));
    let t = found.filter(|(_, error)| *error > 0.0).map(|(mean, error)| mean / error);
    Shortfall { days, t, error_bps: found.map(|(_, error)| error) }
}

impl Forward {
    /// What counts for the verdicts, by row of the panel.
    pub fn evidence(&self, panel: &Panel) -> BTreeMap<usize, ForwardEvidence> {
        let one = |(symbol, name): (usize, &String)| {
            let own = self.of(name);
            let Shortfall { days, t, .. } = shortfall(&own, self.block_ms);
            Some((symbol, ForwardEvidence { days, t: t? }))
        };
        panel.symbols.iter().enumerate().filter_map(one).collect()
    }

    /// What was scored, in words.
    pub fn note(&self) -> String {
        let mut note = format!("{} models of earlier runs scored on new bars", self.scored);
        if self.left_out > 0 {
            note += &format!(", {} of other settings not", self.left_out);
        }
        if !self.missing.is_empty() {
            let shown: Vec<&str> = self.missing.iter().take(5).map(String::as_str).collect();
            let more = if self.missing.len() > shown.len() { ", …" } else { "" };
            note += &format!(
                "; without {} coins that they have learned from ({}{more})",
                self.missing.len(),
                shown.join(", ")
            );
        }
        note
    }

    /// Whether models were scored without some of the coins that they have learned from.
    pub fn lacks_inputs(&self) -> bool {
        !self.missing.is_empty()
    }

    fn of(&self, symbol: &str) -> Vec<&ForwardRow> {
        self.known.iter().filter(|row| row.symbol == symbol).collect()
    }

    /// Adds what this run's own models say of the same bars, out of fold, unless the consensus decides alone.
    pub fn challenge(&mut self, panel: &Panel, learned: &OutOfFold, mode: DecideMode) {
        if mode == DecideMode::Consensus {
            return;
        }
        for row in self.rows.iter_mut().filter(|row| row.challenger_bps.is_none()) {
            let Some(cell) = place(panel, row) else { continue };
            let prediction = learned.prediction(cell / panel.bars, cell % panel.bars);
            row.challenger_bps = prediction.map(|(_, said)| row.direction.sign() * said.edge_bps);
        }
        let challenged: BTreeMap<Key, Option<f64>> =
            self.rows.iter().map(|row| (key(row), row.challenger_bps)).collect();
        for row in &mut self.known {
            row.challenger_bps = row.challenger_bps.or_else(|| challenged.get(&key(row)).copied().flatten());
        }
    }

    /// The record for the report.
    pub fn report(&self, learned: &OutOfFold, least_t: f64) -> ForwardReport {
        let all: Vec<&ForwardRow> = self.known.iter().collect();
        let approved: Vec<&ForwardRow> = self.known.iter().filter(|row| row.approved).collect();
        let mut symbols: Vec<&str> = self.known.iter().map(|row| row.symbol.as_str()).collect();
        symbols.sort_unstable();
        symbols.dedup();
        let coin = |symbol: &str| {
            let model = learned.models.iter().find(|model| model.trained.symbol == symbol);
            let sum = sum(&self.of(symbol), self.block_ms);
            ForwardCoin {
                symbol: symbol.to_owned(),
                lost: sum.days >= FORWARD_DAYS && sum.t.is_some_and(|t| t < least_t),
                approved: model.is_some_and(|model| model.verdict.is_approved()),
                sum,
            }
        };
        ForwardReport {
            days: self.days,
            open: self.rows.iter().filter(|row| row.gross_bps.is_none()).count() as u64,
            all: sum(&all, self.block_ms),
            approved: sum(&approved, self.block_ms),
            left_out: self.left_out as u64,
            missing: self.missing.iter().cloned().collect(),
            coins: symbols.into_iter().map(coin).collect(),
        }
    }
}

fn sum(rows: &[&ForwardRow], block_ms: i64) -> ForwardSum {
    let Shortfall { days, t, error_bps } = shortfall(rows, block_ms);
    let mean = |of: &dyn Fn(&ForwardRow) -> Option<f64>| {
        let values: Vec<f64> = rows.iter().filter_map(|row| of(row)).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let square = |said: f64, row: &ForwardRow| row.realised_bps.map(|realised| (realised - said) * (realised - said));
    // Both are compared on the bars of which both say something.
    ForwardSum {
        trades: rows.len() as u64,
        days,
        predicted_bps: mean(&|row| Some(row.predicted_bps)),
        gross_bps: mean(&|row| row.gross_bps),
        realised_bps: mean(&|row| row.realised_bps),
        net_bps: mean(&|row| row.net_bps),
        error_bps,
        t,
        challenged: rows.iter().filter(|row| row.challenger_bps.is_some()).count() as u64,
        challenger_bps: mean(&|row| row.challenger_bps),
        champion_error: mean(&|row| row.challenger_bps.and_then(|_| square(row.predicted_bps, row))).map(f64::sqrt),
        challenger_error: mean(&|row| square(row.challenger_bps?, row)).map(f64::sqrt),
    }
}
