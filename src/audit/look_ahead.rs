//! Whether anything before a cut knows the bars after it: with another future, every value must keep its bits.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;

use super::Judgement;
use super::future::{self, Future};
use super::null::drawn;
use super::stages::{Decision, Stages};
use crate::bars::Panel;
use crate::boost::{BoostJob, Cuts, Forest, Table};
use crate::decide::Consensus;
use crate::decide::Head;
use crate::decide::Prediction;
use crate::decide::votes::{VOTERS, Votes};
use crate::engine::Compute;
use crate::exit::{Code, Failure};
use crate::features::{CATALOGUE, COUNT, Features};
use crate::folds::Fold;
use crate::labels::Labels;
use crate::settings::Settings;
use crate::shadow::{Rules, Side, Signals, Trade};
use crate::trainer::{Study, boost_params};
use crate::ui::Step;

/// Stages in the order of a run.
pub const STAGES: [&str; 11] = [
    "features",
    "labels",
    "folds",
    "bins",
    "forests",
    "predictions",
    "votes",
    "consensus",
    "signals",
    "trades",
    "walk-forward",
];
/// Changed values that are named, a stage.
const NAMED: usize = 3;

/// What was held together of one stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Compared {
    /// Values that exist before the cut and were compared with those of another future.
    pub values: u64,
    pub changed: u64,
    /// The first that changed, in words.
    pub examples: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LookAhead {
    pub symbols: usize,
    /// Bars after which the future was another.
    pub cuts: Vec<usize>,
    pub futures: Vec<Future>,
    pub stages: BTreeMap<&'static str, Compared>,
}

impl LookAhead {
    /// Failed if one value changed; unclear if a stage that every model goes through had nothing to compare.
    pub fn judgement(&self) -> Judgement {
        let silent = |stage: &str| self.stages.get(stage).is_none_or(|found| found.values == 0);
        if self.stages.values().any(|found| found.changed > 0) {
            Judgement::Fail
        } else if STAGES.iter().any(|stage| silent(stage)) {
            Judgement::Unclear
        } else {
            Judgement::Pass
        }
    }

    fn at(&mut self, stage: &'static str) -> &mut Compared {
        self.stages.entry(stage).or_default()
    }
}

impl Compared {
    fn hold(&mut self, same: bool, place: impl FnOnce() -> String) {
        self.hold_all(1, same, place);
    }

    fn hold_all(&mut self, values: u64, same: bool, place: impl FnOnce() -> String) {
        self.values += values;
        if !same {
            self.changed += 1;
            if self.examples.len() < NAMED {
                self.examples.push(place());
            }
        }
    }
}

/// Cuts of a history by its first and last fold: the last bar before practice, midway through the first practice and
/// through the last.
fn cuts(folds: &[Fold]) -> Vec<usize> {
    let middle = |fold: &Fold| fold.test.start + fold.test.len() / 2;
    let [first, .., last] = folds else {
        return folds.iter().flat_map(|fold| [fold.test.start - 1, middle(fold)]).collect();
    };
    vec![first.test.start - 1, middle(first), middle(last)]
}

/// Changes the future of `panel` after several cuts, in every way, and holds together what comes before.
///
/// # Errors
/// Candles of which no symbol has a fold.
pub fn run(
    stages: &Stages,
    settings: &Settings,
    compute: &Compute,
    panel: &Panel,
    step: &Step,
) -> Result<LookAhead, Failure> {
    let before = Past::of(stages, settings, panel, None)?;
    let longest = before.folds.values().max_by_key(|folds| folds.len());
    let folds = longest.ok_or_else(|| Failure::new(Code::BadData, "no symbol has enough history for one fold"))?;
    let end_of_first = folds[0].test.end - 1;
    let mut found = LookAhead {
        symbols: before.folds.len(),
        cuts: cuts(folds),
        futures: Future::ALL.to_vec(),
        stages: STAGES.iter().map(|stage| (*stage, Compared::default())).collect(),
    };
    for cut in found.cuts.clone() {
        let practised = Practised::of(stages, settings, panel, &before, cut)?;
        for future in Future::ALL {
            step.note(&format!("cut at bar {cut} of {}, {}", panel.bars, future.name()));
            let other = future::changed(panel, cut, future)?;
            let after = Past::of(stages, settings, &other, Some((panel, &before)))?;
            let case = Case { panel, other: &other, cut, future };
            case.values(&mut found, &before, &after);
            case.practice(&mut found, &practised, &Practised::of(stages, settings, &other, &after, cut)?);
            step.advance(1);
        }
    }
    found.cuts.push(end_of_first);
    let symbols: Vec<usize> = before.folds.keys().copied().collect();
    let study = (stages.walk)(settings, compute, panel, &symbols)?;
    for future in Future::ALL {
        step.note(&format!("the walk-forward up to bar {end_of_first}, {}", future.name()));
        let other = future::changed(panel, end_of_first, future)?;
        let case = Case { panel, other: &other, cut: end_of_first, future };
        let rows: Vec<usize> = symbols.iter().filter_map(|&symbol| case.row(symbol)).collect();
        case.walk(&mut found, &study, &(stages.walk)(settings, compute, &other, &rows)?);
        step.advance(1);
    }
    Ok(found)
}

/// Steps that [`run`] takes at most.
pub fn steps() -> u64 {
    (4 * Future::ALL.len()) as u64
}

/// Everything of a panel that comes before a model.
struct Past {
    features: Features,
    atr: Vec<f64>,
    labels: Labels,
    votes: Votes,
    consensus: Consensus,
    rules: Rules,
    /// Of the symbols that have one, by row. A shortened history is walked as the whole one is.
    folds: BTreeMap<usize, Vec<Fold>>,
    /// The folds that it has by itself.
    own_folds: BTreeMap<usize, Vec<Fold>>,
}

impl Past {
    fn of(
        stages: &Stages,
        settings: &Settings,
        panel: &Panel,
        whole: Option<(&Panel, &Past)>,
    ) -> Result<Self, Failure> {
        let rules = Rules::new(&settings.labels, &settings.costs, settings.market.kind, panel.timeframe);
        let atr = (stages.atr)(panel);
        let plan = |symbol: usize| (stages.folds)(&panel.ranges[symbol], &settings.folds, panel.timeframe);
        let own_folds: BTreeMap<usize, Vec<Fold>> =
            (0..panel.symbols.len()).filter_map(|symbol| Some((symbol, plan(symbol).ok()?))).collect();
        let folds = match whole {
            None => own_folds.clone(),
            Some((all, past)) => {
                let moved =
                    |(symbol, folds): (&usize, &Vec<Fold>)| Some((panel.symbol(&all.symbols[*symbol])?, folds.clone()));
                past.folds.iter().filter_map(moved).collect()
            }
        };
        let labels = (stages.labels)(panel, &atr, &rules);
        let votes = (stages.votes)(panel, &settings.decide.voters);
        Ok(Self {
            features: (stages.features)(panel),
            consensus: (stages.consensus)(panel, &votes, &labels, settings),
            labels,
            votes,
            atr,
            rules,
            folds,
            own_folds,
        })
    }
}

/// The latest fold before a cut of every symbol: trained, applied to the bars after its purge up to the cut, traded.
struct Practised {
    jobs: Vec<BoostJob>,
    bins: Vec<(Cuts, Vec<Vec<u8>>)>,
    forests: Vec<Forest>,
    predictions: Vec<(usize, usize, Prediction)>,
    signals: Signals,
    trades: Vec<Trade>,
    /// Trades of signals that nothing but symbol and bar decide: more than a careful model makes.
    drilled: Vec<Trade>,
}

impl Practised {
    fn of(stages: &Stages, settings: &Settings, panel: &Panel, past: &Past, cut: usize) -> Result<Self, Failure> {
        let table = Table { values: &past.features.values, features: COUNT };
        let known = |fold: &&Fold| fold.purge.end <= cut + 1;
        let folds: Vec<(usize, &Fold)> =
            past.folds.iter().filter_map(|(&symbol, folds)| Some((symbol, folds.iter().rfind(known)?))).collect();
        let jobs: Vec<BoostJob> = folds
            .iter()
            .flat_map(|&(symbol, fold)| Head::ALL.map(|head| (symbol, fold, head)))
            .map(|(symbol, fold, head)| {
                let params = boost_params(&settings.models, head, settings.seed);
                (stages.job)(panel, &past.labels, symbol, fold, head, params)
            })
            .collect();
        let forests: Vec<Forest> = (stages.train)(table, &jobs).into_iter().collect::<Result<_, _>>()?;
        let predictions: Vec<(usize, usize, Prediction)> = folds
            .iter()
            .zip(forests.chunks(Head::COUNT))
            .flat_map(|(&(symbol, fold), heads)| {
                let bars = fold.test.start..fold.test.end.min(cut + 1);
                bars.map(move |bar| (symbol, bar, prediction(heads, past.features.row(symbol, bar))))
            })
            .collect();
        let signals = (stages.signals)(&Decision {
            settings,
            panel,
            features: &past.features,
            consensus: &past.consensus,
            atr: &past.atr,
            rules: &past.rules,
            predictions: &predictions,
        });
        let windows: Vec<Vec<Range<usize>>> = panel.ranges.iter().map(|range| vec![range.clone()]).collect();
        let trade = |signals: &Signals| (stages.trades)(panel, signals, &past.atr, &windows, &past.rules);
        Ok(Self {
            bins: jobs.iter().step_by(Head::COUNT).map(|job| (stages.bins)(table, job)).collect(),
            trades: trade(&signals),
            drilled: trade(&drill(panel)),
            jobs,
            forests,
            predictions,
            signals,
        })
    }
}

fn prediction(heads: &[Forest], row: &[f32]) -> Prediction {
    let says = |head: usize| heads[head].predict(row)[0];
    Prediction { win_long: says(0), win_short: says(1), edge_bps: says(2) }
}

/// Signals at about every third bar, of a side that only the symbol's name and the bar's time decide.
fn drill(panel: &Panel) -> Signals {
    let mut signals = Signals::none(panel.symbols.len(), panel.bars);
    for (symbol, name) in panel.symbols.iter().enumerate() {
        let own = name.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        for bar in panel.ranges[symbol].clone() {
            let time = panel.time_ms(bar) as usize;
            let long = drawn(own, 1, time, 0.15);
            signals.side[symbol * panel.bars + bar] = if long { 1 } else { -i8::from(drawn(own, 2, time, 0.15)) };
        }
    }
    signals
}

/// One cut and one other future. Both panels begin at the same bar: the first symbol to be listed is in both.
struct Case<'a> {
    panel: &'a Panel,
    other: &'a Panel,
    cut: usize,
    future: Future,
}

impl Case<'_> {
    /// Row of a symbol in the other panel; none where it is listed later.
    fn row(&self, symbol: usize) -> Option<usize> {
        self.other.symbol(&self.panel.symbols[symbol])
    }

    fn place(&self, what: &str, symbol: usize, bar: usize) -> String {
        let (name, future) = (&self.panel.symbols[symbol], self.future.name());
        format!("{what} of {name} at bar {bar} with the bars after {} {future}", self.cut)
    }

    /// Bars of a symbol up to the cut.
    fn bars(&self, symbol: usize) -> Range<usize> {
        let range = &self.panel.ranges[symbol];
        range.start..range.end.min(self.cut + 1)
    }

    /// Features, ATR, labels, votes and the plan of folds.
    fn values(&self, found: &mut LookAhead, before: &Past, after: &Past) {
        for symbol in 0..self.panel.symbols.len() {
            let Some(row) = self.row(symbol) else { continue };
            for bar in self.bars(symbol) {
                let features = found.at("features");
                let pairs = before.features.row(symbol, bar).iter().zip(after.features.row(row, bar));
                for (feature, (old, new)) in CATALOGUE.iter().zip(pairs) {
                    if !(old.is_nan() && new.is_nan()) {
                        features.hold(old.to_bits() == new.to_bits(), || self.place(feature.name, symbol, bar));
                    }
                }
                let (old, new) = (before.atr[symbol * self.panel.bars + bar], after.atr[row * self.other.bars + bar]);
                features.hold(old.to_bits() == new.to_bits(), || self.place("ATR", symbol, bar));
                for side in [Side::Long, Side::Short] {
                    let ended = |past: &Past, row: usize| {
                        let label = past.labels.get(row, bar, side).filter(|label| label.exit_bar <= self.cut)?;
                        Some((label.return_bps.to_bits(), label.exit_bar, label.exit_reason))
                    };
                    let (old, new) = (ended(before, symbol), ended(after, row));
                    if old.is_some() || new.is_some() {
                        let what = || self.place(&format!("the {side} label"), symbol, bar);
                        found.at("labels").hold(old == new, what);
                    }
                }
                let pairs = before.votes.row(symbol, bar).iter().zip(after.votes.row(row, bar));
                for (voter, (old, new)) in (0..VOTERS).zip(pairs) {
                    if !(old.is_nan() && new.is_nan()) {
                        let what = || self.place(&format!("vote {voter}"), symbol, bar);
                        found.at("votes").hold(old.to_bits() == new.to_bits(), what);
                    }
                }
                let said = |past: &Past, row: usize| {
                    let opinion = past.consensus.at(row, bar);
                    [opinion.score, opinion.threshold, opinion.confidence, opinion.expected_bps]
                };
                for (old, new) in said(before, symbol).into_iter().zip(said(after, row)) {
                    if !(old.is_nan() && new.is_nan()) {
                        let what = || self.place("the consensus", symbol, bar);
                        found.at("consensus").hold(old.to_bits() == new.to_bits(), what);
                    }
                }
            }
            let past = |folds: &BTreeMap<usize, Vec<Fold>>, row: usize| -> Vec<Fold> {
                let folds = folds.get(&row).map_or(&[][..], Vec::as_slice);
                folds.iter().filter(|fold| fold.test.end <= self.cut + 1).cloned().collect()
            };
            // The last window before practice is planned whole or not at all; only those that ended are compared.
            let (old, new) = (past(&before.own_folds, symbol), past(&after.own_folds, row));
            found.at("folds").hold_all(old.len() as u64, old == new, || self.place("the plan", symbol, self.cut));
        }
    }

    /// Bins, forests, predictions, signals and trades of the fold before the cut.
    fn practice(&self, found: &mut LookAhead, before: &Practised, after: &Practised) {
        let future = self.future.name();
        let told = |what: &str, name: &str| format!("{what} of {name} with the bars after {} {future}", self.cut);
        let named = |jobs: &[BoostJob]| jobs.iter().map(|job| job.name.clone()).collect::<Vec<_>>();
        found
            .at("forests")
            .hold_all(0, named(&before.jobs) == named(&after.jobs), || told("the set", "trained models"));
        let own = before.jobs.iter().step_by(Head::COUNT);
        for (job, (old, new)) in own.zip(before.bins.iter().zip(&after.bins)) {
            let values = old.0.cuts.iter().map(Vec::len).sum::<usize>() + old.1.iter().map(Vec::len).sum::<usize>();
            let bits = |cuts: &Cuts| cuts.cuts.iter().flatten().map(|cut| cut.to_bits()).collect::<Vec<_>>();
            let same = bits(&old.0) == bits(&new.0) && old.1 == new.1;
            found.at("bins").hold_all(values as u64, same, || told("bins", &job.name));
        }
        for (job, (old, new)) in before.jobs.iter().zip(before.forests.iter().zip(&after.forests)) {
            let losses = |forest: &Forest| forest.validation_loss.iter().map(|loss| loss.to_bits()).collect::<Vec<_>>();
            let same = old.digest() == new.digest() && losses(old) == losses(new);
            found.at("forests").hold(same, || told("the forest", &job.name));
        }
        let bits = |&(symbol, bar, says): &(usize, usize, Prediction), panel: &Panel| {
            let heads = [says.win_long, says.win_short, says.edge_bps].map(f64::to_bits);
            (panel.symbols[symbol].clone(), bar, heads)
        };
        let new: Vec<_> = after.predictions.iter().map(|one| bits(one, self.other)).collect();
        for (place, old) in before.predictions.iter().enumerate() {
            let same = new.get(place) == Some(&bits(old, self.panel));
            found.at("predictions").hold(same, || self.place("the prediction", old.0, old.1));
        }
        for &(symbol, bar, _) in &before.predictions {
            let Some(row) = self.row(symbol) else { continue };
            let same = before.signals.at(symbol, bar) == after.signals.at(row, bar);
            found.at("signals").hold(same, || self.place("the signal", symbol, bar));
        }
        for (old, new) in [(&before.trades, &after.trades), (&before.drilled, &after.drilled)] {
            self.trades(found.at("trades"), old, new);
        }
    }

    /// Trades that ended by the cut.
    fn trades(&self, compared: &mut Compared, before: &[Trade], after: &[Trade]) {
        // A history that ends at the cut closes there what is open: those are not trades of the longer one.
        let by = self.cut - usize::from(self.future == Future::Missing);
        let ended = |trades: &[Trade], panel: &Panel| -> Vec<Ended> {
            let by_then = trades.iter().filter(|trade| trade.exit_bar <= by);
            by_then.map(|trade| (trade.entry_bar, panel.symbols[trade.symbol].clone(), bits(trade))).collect()
        };
        let (old, new) = (ended(before, self.panel), ended(after, self.other));
        let told =
            |(bar, symbol, _): &Ended| self.place("the trade", self.panel.symbol(symbol).unwrap_or_default(), *bar);
        for (place, trade) in old.iter().enumerate() {
            compared.hold(new.get(place) == Some(trade), || told(trade));
        }
        if let Some(trade) = new.get(old.len()) {
            compared.hold(false, || told(trade));
        }
    }

    /// Folds of the whole walk-forward whose practice ended by the cut.
    fn walk(&self, found: &mut LookAhead, before: &Study, after: &Study) {
        let compared = found.at("walk-forward");
        for model in &before.models {
            let name = &model.trained.symbol;
            let again = after.models.iter().find(|other| other.trained.symbol == *name);
            for outcome in model.trained.folds.iter().filter(|outcome| outcome.fold.test.end <= self.cut + 1) {
                let other = again
                    .and_then(|other| other.trained.folds.iter().find(|other| other.fold.index == outcome.fold.index));
                let same = other.is_some_and(|other| {
                    let bits = |predictions: &[Prediction]| -> Vec<[u64; 3]> {
                        let heads = |p: &Prediction| [p.win_long, p.win_short, p.edge_bps].map(f64::to_bits);
                        predictions.iter().map(heads).collect()
                    };
                    other.digests == outcome.digests && bits(&other.predictions) == bits(&outcome.predictions)
                });
                let values = (outcome.digests.len() + outcome.predictions.len() * Head::COUNT) as u64;
                let what = format!("fold {}", outcome.fold.index);
                compared.hold_all(values, same, || self.place(&what, model.symbol, outcome.fold.test.start));
            }
        }
        self.trades(compared, &before.trades, &after.trades);
    }
}

/// Entry, symbol and every number of a trade.
type Ended = (usize, String, [u64; 14]);

fn bits(t: &Trade) -> [u64; 14] {
    let numbers = [t.entry_price, t.exit_price, t.stop_price, t.take_price, t.size, t.gross_bps, t.fee_bps];
    let more = [t.spread_bps, t.slippage_bps, t.funding_bps, t.net_bps];
    let places = [t.signal_bar as u64, t.exit_bar as u64];
    let kinds = [t.exit_reason as u64 * 2 + u64::from(t.side == Side::Short)];
    let mut all = numbers.iter().chain(&more).map(|v| v.to_bits()).chain(places).chain(kinds);
    std::array::from_fn(|_| all.next().unwrap_or_default())
}
