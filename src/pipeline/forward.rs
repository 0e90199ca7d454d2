//! Step 6, continued: scores the models that earlier runs left behind, approved or not, on the bars that have arrived since, each
//! with what it predicts of them.

mod basis;
mod follow;
mod record;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};

pub use basis::Basis;
use follow::{Market, follow};
pub use record::Forward;

use super::CommandFailure;
use super::day::{Day, time};
use crate::bars::{DAY_MS, Markets, Panel, Timeframe};
use crate::brain::{FORWARD_RECORD, ForwardRow};
use crate::decide::{self, Candidate, Consensus, DecideMode, Policy};
use crate::engine::EngineError;
use crate::exit::{Code, OrExit};
use crate::features;
use crate::files::is_plain_name;
use crate::market::{read_candles, read_markets};
use crate::metrics::LEAST_CLUSTERS;
use crate::models::{Bundle, SymbolModel, predictions_from};
use crate::shadow::Side;
use crate::trainer::WalkForward;

/// How long after its longest holding time a trade whose coin has no new bars waits for some, for instance because it left the
/// universe. Then it is closed at the last price.
const WAIT_DAYS: i64 = 60;
/// How long it is tried to close such a trade.
const TRY_DAYS: i64 = 30;
/// Fewest blocks of days that count: twice as many as an error needs, since not every block has a trade.
const LEAST_BLOCKS: i64 = 2 * LEAST_CLUSTERS as i64;

/// A model and a signal bar.
type Key = (String, DateTime<Utc>);

fn key(row: &ForwardRow) -> Key {
    (row.model_id.clone(), row.signal_timestamp)
}

/// Scores the models in the working folder, and follows open trades to their end.
pub async fn score(day: &Day, panel: &Panel, walk: &WalkForward<'_>) -> Result<Forward, CommandFailure> {
    let settings = &day.run.settings;
    let basis = Basis::of(settings);
    let now = time(panel.time_ms(panel.bars));
    let block_ms = panel.timeframe.block_ms(settings.labels.horizon_bars());
    let days = days_that_count(settings.verdict.forward_days, block_ms);
    let oldest = now - Duration::days(i64::from(days));
    let overdue = now - wait(panel.timeframe, settings.labels.horizon_bars());
    let from = oldest.min(overdue - Duration::days(TRY_DAYS));
    let mut earlier = day.services.brain.forward_rows(&day.run.row, &basis.digest, from).await?;
    // A run that was stopped after it had saved its models finds those instead of the ones that it has scored.
    let own = day.services.brain.rows(&FORWARD_RECORD, &day.run.row.run_id).await?;
    earlier.extend(own.iter().cloned());
    let seen: BTreeSet<Key> = earlier.iter().map(key).collect();
    let (ended, open) = split(earlier);
    let left = left_behind(day, panel, &basis);
    let markets = Followable { day, panel, walk, overdue };
    let new = New { left: &left, basis: &basis, seen: &seen, oldest };
    let mut rows = tokio::task::block_in_place(|| follow_all(&markets, &new, open))?;
    let mut known: Vec<ForwardRow> = ended.into_iter().chain(rows.iter().cloned()).collect();
    known.retain(|row| row.gross_bps.is_some() && row.signal_timestamp >= oldest);
    sort(&mut known);
    rows.extend(own.into_iter().filter(|row| row.gross_bps.is_some()));
    Ok(Forward {
        rows,
        known,
        block_ms,
        days,
        scored: left.models.len(),
        left_out: left.of_other_settings,
        missing: left.models.iter().flat_map(|own| own.missing.iter().cloned()).collect(),
    })
}

/// The days of the record that count: as many as are set, and where trades are long enough blocks to judge by.
fn days_that_count(set: u32, block_ms: i64) -> u32 {
    let least = LEAST_BLOCKS * block_ms / DAY_MS;
    set.max(u32::try_from(least).unwrap_or(u32::MAX))
}

/// How long after its signal a trade is open at most, before it is closed at the last price that is known.
fn wait(timeframe: Timeframe, horizon_bars: usize) -> Duration {
    Duration::milliseconds(horizon_bars as i64 * timeframe.ms()) + Duration::days(WAIT_DAYS)
}

fn sort(rows: &mut [ForwardRow]) {
    rows.sort_by(|a, b| {
        (a.signal_timestamp, &a.symbol, &a.model_id).cmp(&(b.signal_timestamp, &b.symbol, &b.model_id))
    });
}

/// Separates trades that have ended from those that have not; a trade that ended later counts once.
fn split(rows: Vec<ForwardRow>) -> (Vec<ForwardRow>, Vec<ForwardRow>) {
    let mut ended: BTreeMap<Key, ForwardRow> = BTreeMap::new();
    let mut open: BTreeMap<Key, ForwardRow> = BTreeMap::new();
    for row in rows {
        let found = if row.gross_bps.is_some() { &mut ended } else { &mut open };
        found.insert(key(&row), row);
    }
    open.retain(|key, _| !ended.contains_key(key));
    (ended.into_values().collect(), open.into_values().collect())
}

/// A model that an earlier run left behind.
struct LeftModel {
    model: SymbolModel,
    /// How it decides.
    policy: Policy,
    /// Coins that it has learned from and that the panel does not have.
    missing: Vec<String>,
}

/// The models that earlier runs left behind.
#[derive(Default)]
struct LeftBehind {
    models: Vec<LeftModel>,
    /// Number of models that were made under other settings.
    of_other_settings: usize,
}

/// The models in the working folder that this run has not trained, approved or not, one per coin; those of earlier versions are left
/// out.
fn left_behind(day: &Day, panel: &Panel, basis: &Basis) -> LeftBehind {
    let mut left = LeftBehind::default();
    for (symbol, name) in panel.symbols.iter().enumerate() {
        let paths =
            [true, false].into_iter().filter_map(|approved| Bundle::paths(&day.run.workdir, name, approved).ok());
        let Some(path) = paths.map(|paths| paths.pickle).find(|path| path.exists()) else { continue };
        let model = match SymbolModel::load(&path, symbol) {
            Ok(model) => model,
            Err(error) => {
                tracing::warn!("not scored on the bars that arrived since: {error}");
                continue;
            }
        };
        match basis.policy_of(&model.bundle.metadata, day.run.simulated) {
            Some(policy) => {
                let missing = model.bundle.metadata.missing_inputs(&panel.symbols);
                left.models.push(LeftModel { model, policy, missing });
            }
            None => left.of_other_settings += usize::from(model.bundle.metadata.retired.is_none()),
        }
    }
    left
}

/// Where trades can be followed: in this run's panel, or in the candles of coins that are not in it.
struct Followable<'a> {
    day: &'a Day,
    panel: &'a Panel,
    walk: &'a WalkForward<'a>,
    /// A trade with an older signal waits no longer.
    overdue: DateTime<Utc>,
}

/// What may be scored anew.
struct New<'a> {
    left: &'a LeftBehind,
    basis: &'a Basis,
    /// Signals that are known already.
    seen: &'a BTreeSet<Key>,
    /// Older bars are not scored.
    oldest: DateTime<Utc>,
}

/// The signals of the models since they were left behind, and the outcomes of all trades.
fn follow_all(at: &Followable<'_>, new: &New<'_>, open: Vec<ForwardRow>) -> Result<Vec<ForwardRow>, CommandFailure> {
    let (new_rows, ends) = new_signals(at, new)?;
    let rules = at.walk.rules();
    // Where there are no shorts, a decision for one ends a long position.
    let ends = if rules.shorts { Vec::new() } else { ends };
    let is_overdue = |row: &ForwardRow| row.signal_timestamp < at.overdue;
    let market = Market { panel: at.panel, atr: at.walk.atr(), rules };
    let followed = follow(&market, open.into_iter().chain(new_rows).collect(), &ends, is_overdue);
    let mut rows = followed.placed;
    // Rows without a place in the panel stay as they are, until they have waited long enough.
    let (overdue, waiting): (Vec<_>, Vec<_>) = followed.elsewhere.into_iter().partition(is_overdue);
    rows.extend(waiting);
    rows.extend(closed_in_the_store(at, overdue)?);
    let run_id = &at.day.run.row.run_id;
    let mut rows: Vec<ForwardRow> = rows.into_iter().map(|row| ForwardRow { run_id: run_id.clone(), ..row }).collect();
    sort(&mut rows);
    Ok(rows)
}

/// Follows trades of coins that are not in the panel in their stored candles, to the last price that is known. Those whose candles
/// are not stored any more are left out.
fn closed_in_the_store(at: &Followable<'_>, rows: Vec<ForwardRow>) -> Result<Vec<ForwardRow>, CommandFailure> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let settings = &at.day.run.settings.market;
    let folder = at.day.run.workdir.join("data/candles");
    let (markets, _) = read_markets(&folder, settings.kind).or_exit(Code::BadData)?.split();
    let mut by_symbol: BTreeMap<String, Vec<ForwardRow>> = BTreeMap::new();
    rows.into_iter().for_each(|row| by_symbol.entry(row.symbol.clone()).or_default().push(row));
    let mut closed = Vec::new();
    for (symbol, rows) in by_symbol {
        match stored_panel(at, &symbol, &markets) {
            Ok(panel) => {
                let atr = features::device::atr_14_on(&at.day.services.compute, &panel)?;
                let market = Market { panel: &panel, atr: &atr, rules: at.walk.rules() };
                let placed = follow(&market, rows, &[], |_| true).placed;
                closed.extend(placed.into_iter().filter(|row| row.gross_bps.is_some()));
            }
            Err(why) => tracing::warn!(symbol, "{} trades of the forward record stay open: {why}", rows.len()),
        }
    }
    Ok(closed)
}

/// The stored candles of one coin, up to the end of this run's.
fn stored_panel(at: &Followable<'_>, symbol: &str, markets: &Markets) -> Result<Panel, String> {
    let settings = &at.day.run.settings.market;
    if !is_plain_name(symbol) {
        return Err("its name is not that of a file".to_owned());
    }
    let path = at.day.run.workdir.join("data/candles").join(format!("{symbol}.parquet"));
    let candles = read_candles(&path).map_err(|error| error.to_string())?;
    candles.validate(settings.timeframe).map_err(|error| error.to_string())?;
    let end_ms = at.panel.time_ms(at.panel.bars);
    let until = candles.timestamp.partition_point(|&open| open < end_ms);
    let candles = vec![(symbol.to_owned(), candles.slice(0..until))];
    Panel::new(candles, settings.timeframe, settings.max_gap_bars, at.day.run.simulated)
        .map(|panel| panel.with_markets(markets))
        .map_err(|error| error.to_string())
}

/// What the models decide on bars that had not arrived when they were left behind: rows of the trades, and the cells of the panel
/// with a decision for a short.
fn new_signals(at: &Followable<'_>, new: &New<'_>) -> Result<(Vec<ForwardRow>, Vec<usize>), EngineError> {
    let Followable { day, panel, walk, .. } = *at;
    let settings = &day.run.settings;
    let compute = &day.services.compute;
    let by_symbol: BTreeMap<usize, &LeftModel> = new.left.models.iter().map(|own| (own.model.symbol, own)).collect();
    let first = |model: &SymbolModel| {
        let to = model.bundle.metadata.inputs.as_ref().map_or(i64::MAX, |inputs| inputs.to.timestamp_millis());
        first_bar(panel, to.max(new.oldest.timestamp_millis()))
    };
    let models: Vec<&SymbolModel> = new
        .left
        .models
        .iter()
        .map(|own| &own.model)
        .filter(|model| first(model) < panel.ranges[model.symbol].end)
        .collect();
    if models.is_empty() {
        return Ok(Default::default());
    }
    let is_new = |&(symbol, bar, _): &Candidate| {
        let model_id = &by_symbol[&symbol].model.bundle.metadata.model_id;
        !new.seen.contains(&(model_id.clone(), time(panel.time_ms(bar))))
    };
    let candidates = predictions_from(compute, panel, walk.view(), &models, first)?;
    let candidates: Vec<Candidate> = candidates.into_iter().filter(is_new).collect();
    if candidates.is_empty() {
        return Ok(Default::default());
    }
    let consensus = if settings.decide.mode == DecideMode::Model {
        Consensus { bars: panel.bars, opinions: Vec::new(), hit_rates: Vec::new() }
    } else {
        let horizon_bars = settings.labels.horizon_bars();
        decide::votes_and_consensus(compute, panel, walk.labels(), &settings.decide, horizon_bars)?.1
    };
    let (mut rows, mut ends) = (Vec::new(), Vec::new());
    for (policy, candidates) in by_policy(candidates, |symbol| by_symbol[&symbol].policy) {
        let decided = decide::decide(panel, &candidates, &consensus, walk.atr(), walk.rules(), policy);
        for (symbol, bar, prediction) in candidates {
            let cell = symbol * panel.bars + bar;
            let Some(direction) = Side::from_sign(decided.signals.side[cell]) else { continue };
            if direction == Side::Short {
                ends.push(cell);
            }
            if !walk.rules().allows(direction) {
                continue;
            }
            // The edge of whoever decides.
            let predicted_bps = match policy.mode {
                DecideMode::Consensus => Some(f64::from(consensus.at(symbol, bar).expected_bps)),
                DecideMode::Model | DecideMode::Both => prediction.map(|said| direction.sign() * said.edge_bps),
            };
            let Some(predicted_bps) = predicted_bps else { continue };
            let own = by_symbol[&symbol];
            rows.push(new.basis.mark(ForwardRow {
                run_id: day.run.row.run_id.clone(),
                model_id: own.model.bundle.metadata.model_id.clone(),
                symbol: panel.symbols[symbol].clone(),
                signal_timestamp: time(panel.time_ms(bar)),
                direction,
                predicted_bps,
                challenger_bps: None,
                exit_timestamp: None,
                exit_reason: None,
                gross_bps: None,
                net_bps: None,
                realised_bps: None,
                basis: None,
                timeframe: None,
                market_type: None,
                mode: None,
                stop_atr: None,
                take_atr: None,
                max_hold: None,
                approved: own.model.bundle.metadata.approved,
                inputs_missing: Some(own.missing.len() as i64),
                simulated: day.run.simulated,
            }));
        }
    }
    Ok((rows, ends))
}

/// The first bar that opens at a time or later; bars may lie beyond the panel's.
fn first_bar(panel: &Panel, time_ms: i64) -> usize {
    let length = panel.timeframe.ms();
    let after = time_ms.saturating_sub(panel.start_ms).max(0);
    usize::try_from(after / length + i64::from(after % length != 0)).unwrap_or(usize::MAX)
}

/// The candidates by how their model decides.
fn by_policy(candidates: Vec<Candidate>, policy_of: impl Fn(usize) -> Policy) -> Vec<(Policy, Vec<Candidate>)> {
    let mut groups: Vec<(Policy, Vec<Candidate>)> = Vec::new();
    for candidate in candidates {
        let policy = policy_of(candidate.0);
        match groups.iter_mut().find(|(own, _)| *own == policy) {
            Some((_, group)) => group.push(candidate),
            None => groups.push((policy, vec![candidate])),
        }
    }
    groups
}
