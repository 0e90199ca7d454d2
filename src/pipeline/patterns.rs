//! Step 6, continued: searches for conditions under which trades win, and stores them in the pattern library.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use futures::TryStreamExt;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::CommandFailure;
use super::day::Day;
use super::learn::Learned;
use crate::bars::Panel;
use crate::brain::{PATTERN_LIBRARY, PatternRow};
use crate::patterns::{self, Inputs, KnownPattern, MiningResult, Outcomes, Pattern, PatternParams, Scope, Table};
use crate::report::learning::Insight;
use crate::report::{PatternEntry, PatternResult, Patterns};
use crate::shadow::Side;

/// Name of the scope of all coins.
const ALL: &str = "*";

/// The patterns of a run, and the scope of each.
#[derive(Default)]
pub struct Library {
    scopes: Vec<Scope>,
    mined: MiningResult,
}

/// Searches the labels of all coins, and stores the patterns. If the step is done again, it replaces the run's rows.
pub async fn mine(day: &mut Day, panel: &Panel, learned: &Learned) -> Result<Library, CommandFailure> {
    if !day.run.settings.patterns.enabled {
        day.services.brain.store_patterns(&day.run.row.run_id, &[]).await?;
        return Ok(Library::default());
    }
    let step = day.begin("patterns", None).await?;
    let scopes = scopes(panel, learned, &day.run.settings.patterns);
    let known = known(day, &scopes).await?;
    let mined = tokio::task::block_in_place(|| search(day, panel, learned, &scopes, &known));
    let library = Library { scopes, mined };
    let rows: Vec<PatternRow> = library.mined.patterns.iter().map(|pattern| library.row(day, pattern)).collect();
    day.services.brain.store_patterns(&day.run.row.run_id, &rows).await?;
    let candidates = library.mined.patterns.iter().filter(|pattern| pattern.candidate).count();
    step.note(&format!("{} learned of {candidates} candidates", library.learned().count()));
    let learned = library.learned().count();
    let result = json!({ "tests": library.mined.tests, "candidates": candidates, "learned": learned });
    day.end(step, result).await?;
    Ok(library)
}

fn search(day: &Day, panel: &Panel, learned: &Learned, scopes: &[Scope], known: &[KnownPattern]) -> MiningResult {
    let settings = &day.run.settings;
    let (columns, labels) = (patterns::view(), &learned.labels);
    let table = Table { values: &learned.view.values, bars: panel.bars, features: columns.len(), columns: &columns };
    let outcomes = Outcomes { return_bps: &labels.return_bps, exit_bar: &labels.exit_bar, bars: panel.bars };
    let horizon_bars = settings.labels.horizon_bars();
    patterns::mine(&Inputs { table, outcomes, scopes, known, horizon_bars, params: &settings.patterns })
}

/// The patterns that earlier runs have learned in these scopes, each once.
async fn known(day: &Day, scopes: &[Scope]) -> Result<Vec<KnownPattern>, CommandFailure> {
    let (mut known, mut seen) = (Vec::new(), BTreeSet::new());
    let mut rows = day.services.brain.stream_all(&PATTERN_LIBRARY);
    while let Some(row) = rows.try_next().await? {
        let ours = row.confirmed && row.run_id != day.run.row.run_id && row.simulated == day.run.simulated;
        let scope = scopes.iter().position(|scope| scope.name == row.symbol);
        let (Some(scope), Some(side), true) = (scope, row.direction, ours) else { continue };
        let conditions = row.conditions.as_object().into_iter().flatten();
        let conditions: Vec<(String, String)> =
            conditions.filter_map(|(feature, is)| Some((feature.clone(), is["is"].as_str()?.to_owned()))).collect();
        // With another number of bins, the names of bins differ or stand for other values.
        if id(&scopes[scope], side, &conditions, day.run.settings.patterns.bins) == row.pattern_id
            && seen.insert(row.pattern_id)
        {
            known.push(KnownPattern { scope, side, conditions });
        }
    }
    Ok(known)
}

/// A scope of all coins that share the most common windows, if they are pooled, and one per coin, if coins are searched too or
/// there is nothing to pool. Patterns are discovered on the training windows of the first half of the folds, and confirmed on
/// the test windows after that.
fn scopes(panel: &Panel, learned: &Learned, params: &PatternParams) -> Vec<Scope> {
    let mut scopes: Vec<Scope> = learned
        .models
        .iter()
        .filter_map(|model| {
            let folds = &model.trained.folds;
            let first = &folds.first()?.fold;
            let middle = (folds.len() - 1) / 2;
            Some(Scope {
                name: panel.symbols[model.symbol].clone(),
                symbols: vec![model.symbol],
                train: first.train.start..folds[middle].fold.validation.end,
                tests: folds[middle..].iter().map(|outcome| outcome.fold.test.clone()).collect(),
            })
        })
        .collect();
    let mut same_windows: BTreeMap<(usize, usize, Vec<usize>), Vec<usize>> = BTreeMap::new();
    for (at, scope) in scopes.iter().enumerate() {
        let ends = |range: &Range<usize>| [range.start, range.end];
        let key = (scope.train.start, scope.train.end, scope.tests.iter().flat_map(ends).collect());
        same_windows.entry(key).or_default().push(at);
    }
    let largest = same_windows.into_values().max_by(|a, b| a.len().cmp(&b.len()).then(b.cmp(a))).unwrap_or_default();
    if params.pooled && largest.len() > 1 {
        let symbols = largest.iter().map(|&at| scopes[at].symbols[0]).collect();
        let all = Scope { name: ALL.to_owned(), symbols, ..scopes[largest[0]].clone() };
        if !params.coins {
            scopes.clear();
        }
        scopes.push(all);
    }
    scopes
}

impl Library {
    pub fn learned(&self) -> impl Iterator<Item = &Pattern> {
        self.mined.patterns.iter().filter(|pattern| pattern.learned)
    }

    /// The learned patterns of one coin, as insights. The confidence is the share of such patterns that is expected to hold.
    pub fn insights(&self, symbol: &str) -> Vec<Insight> {
        self.learned()
            .filter(|pattern| self.scopes[pattern.scope].name == symbol)
            .map(|pattern| Insight::PatternDiscovery {
                description: pattern.insight(),
                confidence: 1.0 - pattern.test_q_value,
            })
            .collect()
    }

    /// The learned patterns of all coins together, as insights.
    pub fn insights_of_all(&self) -> Vec<Insight> {
        self.insights(ALL)
    }

    fn row(&self, day: &Day, pattern: &Pattern) -> PatternRow {
        let scope = &self.scopes[pattern.scope];
        PatternRow {
            pattern_id: id(scope, pattern.side, &names(pattern), day.run.settings.patterns.bins),
            run_id: day.run.row.run_id.clone(),
            symbol: scope.name.clone(),
            direction: Some(pattern.side),
            pattern_description: pattern.title(scope),
            conditions: conditions(pattern),
            total_occurrences: pattern.train.rows as i64,
            wins: pattern.train.wins as i64,
            win_rate: pattern.train.win_rate(),
            avg_profit_bps: pattern.train.mean_bps,
            test_occurrences: pattern.test.rows as i64,
            test_win_rate: pattern.test.win_rate(),
            test_avg_profit_bps: pattern.test.mean_bps,
            p_value: Some(pattern.p_value),
            q_value: Some(pattern.q_value),
            confirmed: pattern.learned,
            discovered_at: day.run.row.started,
            simulated: day.run.simulated,
        }
    }

    /// For the report: learned patterns first, and those of all coins before those of one.
    pub fn report(&self) -> Patterns {
        let mut patterns: Vec<&Pattern> = self.mined.patterns.iter().collect();
        patterns.sort_by_key(|pattern| (!pattern.learned, self.scopes[pattern.scope].symbols.len() == 1));
        let side = |record: &patterns::Record| PatternResult {
            rows: record.rows,
            win_rate: defined(record.win_rate()),
            base_win_rate: defined(record.base_win_rate),
            mean_net_bps: defined(record.mean_bps),
            base_net_bps: defined(record.base_mean_bps),
        };
        let entry = |pattern: &&Pattern| PatternEntry {
            symbol: self.scopes[pattern.scope].title().to_owned(),
            side: pattern.side.to_string(),
            conditions: pattern.conditions_text(),
            train: side(&pattern.train),
            test: side(&pattern.test),
            q_value: pattern.q_value,
            test_q_value: pattern.test_q_value,
            candidate: pattern.candidate,
            learned: pattern.learned,
        };
        Patterns { tests: self.mined.tests, list: patterns.iter().map(entry).collect() }
    }
}

fn defined(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// Id of a pattern: the same in every run for the same coin, side and conditions. Cut points change from day to day and are
/// not part of it.
fn id(scope: &Scope, side: Side, conditions: &[(String, String)], bins: usize) -> String {
    let key = json!([scope.name, side.to_string(), bins, conditions]);
    crate::text::hex(&Sha256::digest(key.to_string().as_bytes())[..12])
}

/// Feature and bin name per condition.
fn names(pattern: &Pattern) -> Vec<(String, String)> {
    pattern.conditions.iter().map(|condition| (condition.feature.clone(), condition.name.clone())).collect()
}

/// Feature → `{is, from, to}`. `from` (inclusive) and `to` (exclusive) are null where there is no limit, or where each coin has
/// its own.
fn conditions(pattern: &Pattern) -> Value {
    let one = |c: &patterns::Condition| (c.feature.clone(), json!({ "is": c.name, "from": c.from, "to": c.to }));
    Value::Object(pattern.conditions.iter().map(one).collect::<Map<String, Value>>())
}
