//! Step 6, continued: scores the models that earlier runs handed over on the bars that have arrived since, each with what it
//! predicted before they did.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};

use super::CommandFailure;
use super::day::{Day, time};
use crate::bars::Panel;
use crate::brain::{FORWARD_RECORD, ForwardRow};
use crate::decide::{self, Candidate, Consensus, DecideMode};
use crate::engine::EngineError;
use crate::metrics::clustered_error;
use crate::models::{Bundle, SymbolModel, predictions};
use crate::report::{ForwardCoin, ForwardReport, ForwardSum};
use crate::shadow::{ExitReason, Side, Signals, Trade, every_signal};
use crate::trainer::{FORWARD_DAYS, ForwardEvidence, OutOfFold, WalkForward};

/// Longest time that a signal waits for the end of its trade, for instance because its coin left the universe.
const LONGEST_WAIT_DAYS: i64 = 60;
const DAY_S: i64 = 86_400;

/// What earlier runs' models have done on bars that they had not seen.
#[derive(Default)]
pub struct Forward {
    /// The rows of this run: new signals, and those of earlier runs whose trade had not ended.
    pub rows: Vec<ForwardRow>,
    /// Rows of all runs whose outcome is known, of the days that count, ordered by signal.
    known: Vec<ForwardRow>,
}

/// A model and a signal bar.
type Key = (String, DateTime<Utc>);

fn key(row: &ForwardRow) -> Key {
    (row.model_id.clone(), row.signal_timestamp)
}

/// Scores the models in the working folder, and follows open trades to their end.
pub async fn score(day: &Day, panel: &Panel, walk: &WalkForward<'_>) -> Result<Forward, CommandFailure> {
    let days = i64::from(day.run.settings.verdict.forward_days);
    let from = time(panel.time_ms(panel.bars)) - Duration::days(days.max(LONGEST_WAIT_DAYS));
    let mut earlier = day.services.brain.forward_rows(&day.run.row, from).await?;
    // A run that was stopped after it had saved its models finds those instead of the ones that it has scored.
    let own = day.services.brain.rows(&FORWARD_RECORD, &day.run.row.run_id).await?;
    earlier.extend(own.iter().cloned());
    let seen: BTreeSet<Key> = earlier.iter().map(key).collect();
    let (ended, open) = split(earlier, time(panel.time_ms(panel.bars)));
    let models = handed_over(day, panel);
    let new = New { models: &models, seen: &seen, from };
    let mut rows = tokio::task::block_in_place(|| follow(day, panel, walk, &new, open))?;
    let oldest = time(panel.time_ms(panel.bars)) - Duration::days(days);
    let mut known: Vec<ForwardRow> = ended.into_iter().chain(rows.iter().cloned()).collect();
    known.retain(|row| row.gross_bps.is_some() && row.signal_timestamp >= oldest);
    known.sort_by(|a, b| {
        (a.signal_timestamp, &a.symbol, &a.model_id).cmp(&(b.signal_timestamp, &b.symbol, &b.model_id))
    });
    rows.extend(own.into_iter().filter(|row| row.gross_bps.is_some()));
    Ok(Forward { rows, known })
}

/// What may be scored anew.
struct New<'a> {
    models: &'a [SymbolModel],
    /// Signals that are known already.
    seen: &'a BTreeSet<Key>,
    /// Older bars are not scored.
    from: DateTime<Utc>,
}

/// Separates trades that have ended from those that have not; a trade that ended later counts once. Signals that have waited too
/// long are dropped.
fn split(rows: Vec<ForwardRow>, now: DateTime<Utc>) -> (Vec<ForwardRow>, Vec<ForwardRow>) {
    let mut ended: BTreeMap<Key, ForwardRow> = BTreeMap::new();
    let mut open: BTreeMap<Key, ForwardRow> = BTreeMap::new();
    for row in rows {
        let found = if row.gross_bps.is_some() { &mut ended } else { &mut open };
        found.insert(key(&row), row);
    }
    let oldest = now - Duration::days(LONGEST_WAIT_DAYS);
    open.retain(|key, row| !ended.contains_key(key) && row.signal_timestamp >= oldest);
    (ended.into_values().collect(), open.into_values().collect())
}

/// The approved models in the working folder that this run has not trained; those of earlier versions are left out.
fn handed_over(day: &Day, panel: &Panel) -> Vec<SymbolModel> {
    let load = |(symbol, name): (usize, &String)| {
        let path = Bundle::paths(&day.run.workdir, name, true).ok()?.pickle;
        if !path.exists() {
            return None;
        }
        match SymbolModel::load(&path, symbol) {
            Ok(model) => {
                let metadata = &model.bundle.metadata;
                let same_bars = metadata.inputs.as_ref().is_some_and(|inputs| inputs.timeframe == panel.timeframe);
                (metadata.simulated == day.run.simulated && same_bars).then_some(model)
            }
            Err(error) => {
                tracing::warn!("not scored on the bars that arrived since: {error}");
                None
            }
        }
    };
    panel.symbols.iter().enumerate().filter_map(load).collect()
}

/// The signals of the models since they were handed over, and the outcomes of all trades.
fn follow(
    day: &Day,
    panel: &Panel,
    walk: &WalkForward<'_>,
    new: &New<'_>,
    open: Vec<ForwardRow>,
) -> Result<Vec<ForwardRow>, EngineError> {
    let mut signals = Signals::none(panel.symbols.len(), panel.bars);
    // Rows without a place in the panel stay as they are.
    let (mut placed, mut rows): (Vec<(usize, ForwardRow)>, Vec<ForwardRow>) = (Vec::new(), Vec::new());
    for row in open {
        match place(panel, &row) {
            Some(cell) => {
                signals.side[cell] = row.direction.sign() as i8;
                placed.push((cell, row));
            }
            None => rows.push(ForwardRow { run_id: day.run.row.run_id.clone(), ..row }),
        }
    }
    let (new_rows, ends) = new_signals(day, panel, walk, new)?;
    // Where there are no shorts, a decision for one ends a long position.
    ends.into_iter().filter(|_| !walk.rules().shorts).for_each(|cell| signals.side[cell] = -1);
    for row in new_rows {
        let Some(cell) = place(panel, &row).filter(|&cell| signals.side[cell] == 0) else { continue };
        signals.side[cell] = row.direction.sign() as i8;
        placed.push((cell, row));
    }
    let windows: Vec<_> = panel.ranges.iter().map(|range| vec![range.clone()]).collect();
    let trades = every_signal(panel, &signals, walk.atr(), &windows, walk.rules());
    let by_cell: BTreeMap<usize, &Trade> =
        trades.iter().map(|trade| (trade.symbol * panel.bars + trade.signal_bar, trade)).collect();
    rows.extend(placed.into_iter().map(|(cell, row)| {
        let run_id = day.run.row.run_id.clone();
        match by_cell.get(&cell).filter(|trade| trade.exit_reason != ExitReason::EndOfData) {
            Some(trade) => ForwardRow {
                run_id,
                exit_timestamp: Some(time(panel.time_ms(trade.exit_bar))),
                exit_reason: Some(trade.exit_reason),
                gross_bps: Some(trade.gross_bps),
                net_bps: Some(trade.net_bps),
                ..row
            },
            None => ForwardRow { run_id, ..row },
        }
    }));
    rows.sort_by(|a, b| {
        (a.signal_timestamp, &a.symbol, &a.model_id).cmp(&(b.signal_timestamp, &b.symbol, &b.model_id))
    });
    Ok(rows)
}

/// The cell of the panel in which a row's signal is.
fn place(panel: &Panel, row: &ForwardRow) -> Option<usize> {
    let symbol = panel.symbols.iter().position(|symbol| *symbol == row.symbol)?;
    let bar = panel.bar_at(row.signal_timestamp.timestamp_millis())?;
    panel.ranges[symbol].contains(&bar).then_some(symbol * panel.bars + bar)
}

/// What the models decide on bars that had not arrived when they were handed over: rows of the trades, and the cells of the panel
/// with a decision for a short.
fn new_signals(
    day: &Day,
    panel: &Panel,
    walk: &WalkForward<'_>,
    new: &New<'_>,
) -> Result<(Vec<ForwardRow>, Vec<usize>), EngineError> {
    let settings = &day.run.settings;
    let compute = &day.services.compute;
    let New { models, seen, from } = *new;
    if models.is_empty() {
        return Ok(Default::default());
    }
    let by_symbol: BTreeMap<usize, &SymbolModel> = models.iter().map(|model| (model.symbol, model)).collect();
    let is_new = |&(symbol, bar, _): &Candidate| {
        let metadata = &by_symbol[&symbol].bundle.metadata;
        let at = time(panel.time_ms(bar));
        at >= from
            && metadata.inputs.as_ref().is_some_and(|inputs| at >= inputs.to)
            && !seen.contains(&(metadata.model_id.clone(), at))
    };
    let candidates: Vec<Candidate> =
        predictions(compute, panel, walk.view(), models)?.into_iter().filter(is_new).collect();
    if candidates.is_empty() {
        return Ok(Default::default());
    }
    let consensus = if settings.decide.mode == DecideMode::Model {
        Consensus { bars: panel.bars, opinions: Vec::new(), hit_rates: Vec::new() }
    } else {
        let horizon_bars = settings.labels.horizon_bars();
        decide::votes_and_consensus(compute, panel, walk.labels(), &settings.decide, horizon_bars)?.1
    };
    let policy = settings.trainer().policy();
    let decided = decide::decide(panel, &candidates, &consensus, walk.atr(), walk.rules(), policy);
    let row = |&(symbol, bar, prediction): &Candidate| {
        let direction = match decided.signals.side[symbol * panel.bars + bar] {
            1 => Side::Long,
            -1 if walk.rules().shorts => Side::Short,
            _ => return None,
        };
        // The edge of whoever decides.
        let predicted_bps = match settings.decide.mode {
            DecideMode::Consensus => f64::from(consensus.at(symbol, bar).expected_bps),
            DecideMode::Model | DecideMode::Both => direction.sign() * prediction?.edge_bps,
        };
        Some(ForwardRow {
            run_id: day.run.row.run_id.clone(),
            model_id: by_symbol[&symbol].bundle.metadata.model_id.clone(),
            symbol: panel.symbols[symbol].clone(),
            signal_timestamp: time(panel.time_ms(bar)),
            direction,
            predicted_bps,
            challenger_bps: None,
            exit_timestamp: None,
            exit_reason: None,
            gross_bps: None,
            net_bps: None,
            simulated: day.run.simulated,
        })
    };
    let shorts = candidates.iter().map(|(symbol, bar, _)| symbol * panel.bars + bar);
    let ends = shorts.filter(|&cell| decided.signals.side[cell] < 0).collect();
    Ok((candidates.iter().filter_map(row).collect(), ends))
}

/// A mean of outcomes less predictions over days.
struct Shortfall {
    days: usize,
    /// Mean outcome less prediction over its standard error by days; `None` with too few days.
    t: Option<f64>,
    /// Standard error by days, basis points.
    error_bps: Option<f64>,
}

fn shortfall(rows: &[&ForwardRow]) -> Shortfall {
    let day = |row: &ForwardRow| row.signal_timestamp.timestamp().div_euclid(DAY_S);
    let misses = || rows.iter().filter_map(|row| Some((day(row), row.gross_bps? - row.predicted_bps)));
    let days = misses().map(|(day, _)| day).collect::<BTreeSet<i64>>().len();
    let found = clustered_error(misses());
    let t = found.filter(|(_, error)| *error > 0.0).map(|(mean, error)| mean / error);
    Shortfall { days, t, error_bps: found.map(|(_, error)| error) }
}

impl Forward {
    /// What counts for the verdicts, by row of the panel.
    pub fn evidence(&self, panel: &Panel) -> BTreeMap<usize, ForwardEvidence> {
        let one = |(symbol, name): (usize, &String)| {
            let own = self.of(name);
            let Shortfall { days, t, .. } = shortfall(&own);
            Some((symbol, ForwardEvidence { days, t: t? }))
        };
        panel.symbols.iter().enumerate().filter_map(one).collect()
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
    pub fn report(&self, learned: &OutOfFold, days: u32, least_t: f64) -> ForwardReport {
        let all: Vec<&ForwardRow> = self.known.iter().collect();
        let mut symbols: Vec<&str> = self.known.iter().map(|row| row.symbol.as_str()).collect();
        symbols.sort_unstable();
        symbols.dedup();
        let coin = |symbol: &str| {
            let model = learned.models.iter().find(|model| model.trained.symbol == symbol);
            let sum = sum(&self.of(symbol));
            ForwardCoin {
                symbol: symbol.to_owned(),
                lost: sum.days >= FORWARD_DAYS && sum.t.is_some_and(|t| t < least_t),
                approved: model.is_some_and(|model| model.verdict.is_approved()),
                sum,
            }
        };
        ForwardReport {
            days,
            open: self.rows.iter().filter(|row| row.gross_bps.is_none()).count() as u64,
            all: sum(&all),
            coins: symbols.into_iter().map(coin).collect(),
        }
    }
}

fn sum(rows: &[&ForwardRow]) -> ForwardSum {
    let Shortfall { days, t, error_bps } = shortfall(rows);
    let mean = |of: &dyn Fn(&ForwardRow) -> Option<f64>| {
        let values: Vec<f64> = rows.iter().filter_map(|row| of(row)).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let square = |said: f64, row: &ForwardRow| row.gross_bps.map(|gross| (gross - said) * (gross - said));
    // Both are compared on the bars of which both say something.
    ForwardSum {
        trades: rows.len() as u64,
        days,
        predicted_bps: mean(&|row| Some(row.predicted_bps)),
        gross_bps: mean(&|row| row.gross_bps),
        net_bps: mean(&|row| row.net_bps),
        error_bps,
        t,
        challenged: rows.iter().filter(|row| row.challenger_bps.is_some()).count() as u64,
        challenger_bps: mean(&|row| row.challenger_bps),
        champion_error: mean(&|row| row.challenger_bps.and_then(|_| square(row.predicted_bps, row))).map(f64::sqrt),
        challenger_error: mean(&|row| square(row.challenger_bps?, row)).map(f64::sqrt),
    }
}
