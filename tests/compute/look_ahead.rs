//! No value knows the future: whatever happens after a bar, everything up to it keeps its bits.

use crate::candles;
use crate::learning;

use crate::learning::{Learned, part, simulated_panel};
use huracan::arith::{draw, uniform};
use huracan::bars::Panel;
use huracan::boost::{BoostJob, Cuts, Forest};
use huracan::decide::{self, Candidate, Consensus, Decisions, votes};
use huracan::features::{CATALOGUE, VIEW};
use huracan::folds::{Fold, Grid, plan};
use huracan::settings::Settings;
use huracan::shadow::{Rules, Side, Signals, Trade, simulate};
use huracan::trainer::Unit;

/// What happens to the bars after the cut.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Future {
    /// Prices and volumes of another world.
    Scrambled,
    /// Each bar takes the place of the one before it: what an index off by one would see.
    Shifted,
    /// They have not come yet.
    Missing,
}

const FUTURES: [Future; 3] = [Future::Scrambled, Future::Shifted, Future::Missing];

/// The panel with the bars after `cut` changed.
fn changed(panel: &Panel, cut: usize, future: Future) -> Panel {
    if future == Future::Missing {
        return part(panel, 0..panel.symbols.len(), 0..cut + 1);
    }
    let mut changed = panel.clone();
    for (symbol, range) in panel.ranges.iter().enumerate() {
        let from = range.start.max(cut + 1);
        for bar in from..range.end {
            let cell = symbol * panel.bars + bar;
            if future == Future::Shifted {
                let source = symbol * panel.bars + if bar + 1 < range.end { bar + 1 } else { from };
                changed.open[cell] = panel.open[source];
                changed.high[cell] = panel.high[source];
                changed.low[cell] = panel.low[source];
                changed.close[cell] = panel.close[source];
                changed.volume[cell] = panel.volume[source];
                continue;
            }
            let noise = |k: u64| uniform(draw(99, k, cell as u64));
            let low = panel.low[cell] * (0.2 + 4.0 * noise(0));
            let high = low * (1.0 + 0.5 * noise(1));
            changed.low[cell] = low;
            changed.high[cell] = high;
            changed.open[cell] = low + (high - low) * noise(2);
            changed.close[cell] = low + (high - low) * noise(3);
            changed.volume[cell] = panel.volume[cell] * 10.0 * noise(4);
        }
    }
    changed
}

/// Row of each symbol of `panel` in `changed`, none for those that are listed later.
fn rows(panel: &Panel, changed: &Panel) -> Vec<Option<usize>> {
    panel.symbols.iter().map(|symbol| changed.symbol(symbol)).collect()
}

fn same_features(panel: &Panel, before: &Learned, after: &Learned, rows: &[Option<usize>], cut: usize) {
    let mut compared = 0;
    for (symbol, row) in rows.iter().enumerate() {
        let Some(row) = *row else { continue };
        for bar in 0..=cut {
            let old = before.features.row(symbol, bar).iter().chain(before.view.row(symbol, bar));
            let new = after.features.row(row, bar).iter().chain(after.view.row(row, bar));
            for (feature, (old, new)) in CATALOGUE.iter().chain(VIEW).zip(old.zip(new)) {
                let place = || format!("{} of {} at bar {bar}, cut {cut}", feature.name, panel.symbols[symbol]);
                assert_eq!(old.to_bits(), new.to_bits(), "{}: {old} became {new}", place());
                compared += usize::from(!old.is_nan());
            }
            let (old, new) = (before.atr[symbol * panel.bars + bar], after.atr[row * after.features.bars + bar]);
            assert_eq!(old.to_bits(), new.to_bits(), "atr of {} at bar {bar}", panel.symbols[symbol]);
        }
    }
    assert!(compared > 10_000, "only {compared} values were compared");
}

fn same_labels(panel: &Panel, before: &Learned, after: &Learned, rows: &[Option<usize>], cut: usize) {
    let mut compared = 0;
    for (symbol, row) in rows.iter().enumerate() {
        let Some(row) = *row else { continue };
        for bar in 0..=cut {
            for side in [Side::Long, Side::Short] {
                let ended = |learned: &Learned, row: usize| {
                    let label = learned.labels.get(row, bar, side).filter(|label| label.exit_bar <= cut)?;
                    Some((label.return_bps.to_bits(), label.exit_bar, label.exit_reason))
                };
                let old = ended(before, symbol);
                assert_eq!(old, ended(after, row), "{side} label of {} at bar {bar}", panel.symbols[symbol]);
                compared += usize::from(old.is_some());
            }
        }
    }
    assert!(compared > 1000, "only {compared} labels were compared");
}

/// The jobs and forests of every symbol that holds the fold, and after them those of the pool of all symbols.
fn trained(panel: &Panel, learned: &Learned, fold: &Fold) -> (Vec<usize>, Vec<BoostJob>, Vec<Forest>) {
    let whole = |s: &usize| panel.ranges[*s].start <= fold.train.start && panel.ranges[*s].end >= fold.purge.end;
    let symbols: Vec<usize> = (0..panel.symbols.len()).filter(whole).collect();
    let all: Vec<usize> = (0..panel.symbols.len()).collect();
    let coins = symbols.iter().map(|&symbol| Unit::coin(panel, symbol));
    let jobs: Vec<BoostJob> =
        coins.chain([Unit::pool(&all)]).flat_map(|unit| learning::jobs(learned, &unit, fold)).collect();
    let forests = learning::forests(learned, &jobs);
    (symbols, jobs, forests)
}

/// Signals of the forests on the bars after the purge, up to `end`.
fn signals(
    panel: &Panel,
    learned: &Learned,
    symbols: &[usize],
    forests: &[Forest],
    bars: std::ops::Range<usize>,
    (rules, settings): (&Rules, &Settings),
) -> Signals {
    let questions: Vec<Candidate> = symbols
        .iter()
        .zip(forests.chunks(3))
        .flat_map(|(&symbol, heads)| learning::predictions(learned, heads, symbol, bars.clone()))
        .collect();
    let consensus = consensus(panel, learned, settings);
    decide::decide(panel, &questions, &consensus, &learned.atr, rules, settings.trainer().policy()).signals
}

fn consensus(panel: &Panel, learned: &Learned, settings: &Settings) -> Consensus {
    let votes = votes::compute(panel, &settings.decide.voters);
    decide::consensus::compute(panel, &votes, &learned.labels, &settings.decide, settings.labels.horizon_bars())
}

/// Trades that ended by `cut`, with every number as bits.
fn ended(panel: &Panel, trades: &[Trade], cut: usize) -> Vec<(String, Vec<u64>)> {
    let bits = |t: &Trade| {
        let numbers = [t.entry_price, t.exit_price, t.stop_price, t.take_price, t.size, t.gross_bps, t.fee_bps];
        let more = [t.spread_bps, t.slippage_bps, t.funding_bps, t.net_bps];
        let places = [t.signal_bar, t.entry_bar, t.exit_bar, t.exit_reason as usize, t.side as usize];
        numbers.iter().chain(&more).map(|v| v.to_bits()).chain(places.iter().map(|&v| v as u64)).collect()
    };
    let by_then = trades.iter().filter(|trade| trade.exit_bar <= cut);
    by_then.map(|trade| (panel.symbols[trade.symbol].clone(), bits(trade))).collect()
}

/// With the open of the bar after the cut as it was, and nothing else of it: whatever was signalled by the cut enters at
/// the same price with the same barriers. Returns the number of trades that enter there.
fn entries_know_the_open_alone(panel: &Panel, scrambled: &Panel, trades: &[Trade], cut: usize, rules: &Rules) -> usize {
    let mut opened = scrambled.clone();
    for symbol in 0..panel.symbols.len() {
        opened.open[symbol * panel.bars + cut + 1] = panel.open[symbol * panel.bars + cut + 1];
    }
    let windows: Vec<_> = opened.ranges.iter().map(|range| vec![range.clone()]).collect();
    let atr = huracan::features::atr_14(&opened);
    let entries = |trades: &[Trade]| -> Vec<(usize, usize, [u64; 4])> {
        let by_then = trades.iter().filter(|trade| trade.signal_bar <= cut);
        let bits = |t: &Trade| [t.entry_price, t.stop_price, t.take_price, t.size].map(f64::to_bits);
        by_then.map(|trade| (trade.symbol, trade.entry_bar, bits(trade))).collect()
    };
    let old = entries(trades);
    assert_eq!(old, entries(&simulate(&opened, &frequent_signals(&opened), &atr, &windows, rules)));
    old.iter().filter(|entry| entry.1 == cut + 1).count()
}

/// Signals at every third bar or so, of a side that only symbol and bar decide.
fn frequent_signals(panel: &Panel) -> Signals {
    let mut signals = Signals::none(panel.symbols.len(), panel.bars);
    for (s, name) in panel.symbols.iter().enumerate() {
        let seed = name.bytes().fold(0, |sum, byte| sum * 31 + u64::from(byte));
        for bar in panel.ranges[s].clone() {
            let noise = uniform(draw(seed, 5, bar as u64));
            signals.side[s * panel.bars + bar] = if noise < 0.15 { 1 } else { -i8::from(noise < 0.3) };
        }
    }
    signals
}

fn the_past_keeps_its_bits(panel: &Panel, settings: &Settings) {
    let rules = learning::rules(settings);
    let before = Learned::new(panel, &rules);
    let longest = (0..panel.symbols.len()).max_by_key(|&s| panel.ranges[s].len()).unwrap();
    let folds = plan(Grid::of(panel), &panel.ranges[longest], &settings.folds).unwrap();
    let fold = &folds[0];
    let (symbols, jobs, forests) = trained(panel, &before, fold);
    let digests: Vec<String> = forests.iter().map(Forest::digest).collect();
    assert!(symbols.len() >= 3 && forests.iter().any(|forest| forest.rounds() > 1));
    let mut entered = 0;
    // The last bar before the practice, and one in its midst.
    for cut in [fold.test.start - 1, fold.test.start + fold.test.len() / 2] {
        let practice = fold.test.start..cut + 1;
        let decided = signals(panel, &before, &symbols, &forests, practice.clone(), (&rules, settings));
        let windows = |panel: &Panel| panel.ranges.iter().map(|range| vec![range.clone()]).collect::<Vec<_>>();
        let traded = simulate(panel, &decided, &before.atr, &windows(panel), &rules);
        let drilled = simulate(panel, &frequent_signals(panel), &before.atr, &windows(panel), &rules);
        for future in FUTURES {
            let other = changed(panel, cut, future);
            let rows = rows(panel, &other);
            let after = Learned::new(&other, &rules);
            println!("{} symbols, cut {cut} of {}, {future:?}", panel.symbols.len(), panel.bars);
            same_features(panel, &before, &after, &rows, cut);
            same_labels(panel, &before, &after, &rows, cut);

            let (same_symbols, same_jobs, same_forests) = trained(&other, &after, fold);
            let named = |panel: &Panel, symbols: &[usize]| -> Vec<String> {
                symbols.iter().map(|&s| panel.symbols[s].clone()).collect()
            };
            assert_eq!(named(panel, &symbols), named(&other, &same_symbols));
            for (job, same) in jobs.iter().zip(&same_jobs) {
                assert_eq!(
                    (&job.train_labels, &job.train_weights, &job.valid_labels, &job.valid_weights),
                    (&same.train_labels, &same.train_weights, &same.valid_labels, &same.valid_weights),
                    "labels and weights of {}",
                    job.name
                );
            }
            for (job, same) in jobs.iter().zip(&same_jobs).step_by(3) {
                let bins = job.params.max_bin;
                assert_eq!(
                    Cuts::new(before.table(), &job.train, bins),
                    Cuts::new(after.table(), &same.train, bins),
                    "bins of {}",
                    job.name
                );
            }
            let same_digests: Vec<String> = same_forests.iter().map(Forest::digest).collect();
            assert_eq!(digests, same_digests, "forests of a fold that ends by bar {cut}");
            for (forest, same) in forests.iter().zip(&same_forests) {
                assert_eq!(forest.validation_loss, same.validation_loss);
            }

            let redecided = signals(&other, &after, &same_symbols, &same_forests, practice.clone(), (&rules, settings));
            for (symbol, row) in rows.iter().enumerate().filter_map(|(symbol, row)| Some((symbol, (*row)?))) {
                let own = |signals: &Signals, row: usize| signals.side[row * signals.bars..][..=cut].to_vec();
                assert_eq!(own(&decided, symbol), own(&redecided, row), "signals of {}", panel.symbols[symbol]);
            }
            if future == Future::Scrambled {
                entered += entries_know_the_open_alone(panel, &other, &drilled, cut, &rules);
            }
            let retraded = simulate(&other, &redecided, &after.atr, &windows(&other), &rules);
            let redrilled = simulate(&other, &frequent_signals(&other), &after.atr, &windows(&other), &rules);
            // A history that ends at the cut closes what is open there: not a trade of the longer one.
            let by = if future == Future::Missing { cut - 1 } else { cut };
            assert_eq!(ended(panel, &traded, by), ended(&other, &retraded, by));
            assert_eq!(ended(panel, &drilled, by), ended(&other, &redrilled, by));
            assert!(ended(panel, &drilled, by).len() > 100);
        }
        if cut > fold.test.start {
            assert!(decided.count() > 10, "only {} signals", decided.count());
            assert!(ended(panel, &traded, cut - 1).len() > 5, "too few trades to compare");
        }
    }
    assert!(entered > 0, "no trade entered right after a cut");
}

#[test]
fn the_past_is_unchanged_when_the_future_of_daily_candles_is_another() {
    let panel = candles::real_panel("1d");
    the_past_keeps_its_bits(&panel, &learning::settings(&["market.timeframe=1d", "labels.max_hold=3"]));
}

#[test]
fn the_past_is_unchanged_when_the_future_of_hourly_candles_is_another() {
    let panel = candles::real_panel("1h");
    // Some eight symbols.
    let every = (panel.symbols.len() / 8).max(1);
    let slice = part(&panel, (0..panel.symbols.len()).step_by(every), 100..100 + 160 * 24);
    the_past_keeps_its_bits(&slice, &learning::settings(&[]));
}

#[test]
fn the_past_is_unchanged_when_the_future_of_the_simulated_market_is_another() {
    the_past_keeps_its_bits(&simulated_panel(8, 160), &learning::settings(&["market.type=perp"]));
}

#[test]
fn no_label_of_a_part_of_a_fold_is_decided_in_the_next_part() {
    let panel = simulated_panel(6, 240);
    let settings = learning::settings(&[]);
    let learned = Learned::new(&panel, &learning::rules(&settings));
    let mut labels = 0;
    for (symbol, range) in panel.ranges.iter().enumerate() {
        for fold in plan(Grid::of(&panel), range, &settings.folds).unwrap_or_default() {
            for (part, next) in
                [(fold.train.clone(), fold.validation.start), (fold.validation.clone(), fold.test.start)]
            {
                for bar in part {
                    for side in [Side::Long, Side::Short] {
                        let Some(label) = learned.labels.get(symbol, bar, side) else { continue };
                        assert!(label.exit_bar < next, "bar {bar} of {}: {label:?}", panel.symbols[symbol]);
                        labels += 1;
                    }
                }
            }
        }
    }
    assert!(labels > 10_000, "only {labels} labels");
}

#[test]
fn a_decision_counts_costs_by_its_own_bar() {
    let panel = simulated_panel(6, 40);
    let settings = learning::settings(&["decide.mode=model"]);
    let rules = learning::rules(&settings);
    let learned = Learned::new(&panel, &rules);
    let consensus = consensus(&panel, &learned, &settings);
    let decided = |panel: &Panel, questions: &[Candidate]| {
        decide::decide(panel, questions, &consensus, &learned.atr, &rules, settings.trainer().policy())
    };
    // Edges about as great as the costs, so that any change of a cost changes decisions.
    let mut predictions = Vec::new();
    for (symbol, range) in panel.ranges.iter().enumerate() {
        for bar in range.clone() {
            let atr = learned.atr[symbol * panel.bars + bar];
            let cost = decide::expected_cost_bps(&panel, symbol, bar, Side::Long, atr, &rules);
            let cost = cost + settings.costs.safety_margin_bps;
            let nudge = if bar % 2 == 0 { 1e-9 } else { -1e-9 };
            let says = decide::Prediction {
                win_long: 0.6,
                win_short: 0.4,
                edge_bps: cost + nudge,
                told_bps: cost + nudge,
                lead: 0.2,
            };
            predictions.push((symbol, bar, Some(says)));
        }
    }
    let Decisions { signals: before, waits } = decided(&panel, &predictions);
    assert!(before.count() > 1000 && waits.values().sum::<usize>() > 1000);
    for cut in (100..panel.bars - 1).step_by(50) {
        for future in [Future::Scrambled, Future::Shifted] {
            let after = decided(&changed(&panel, cut, future), &predictions).signals;
            for (symbol, name) in panel.symbols.iter().enumerate() {
                let own = |signals: &Signals| signals.side[symbol * panel.bars..][..=cut].to_vec();
                assert_eq!(own(&before), own(&after), "{name}, cut {cut}, {future:?}");
            }
        }
    }
}
