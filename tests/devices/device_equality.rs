//! Every stage on every device: all bytes are the CPU's, on real candles with gaps and late listings, and on made-up ones
//! with ties, standstills and symbols of a few bars.
#![cfg(feature = "emulated")]

use crate::engines;

use std::ops::Range;

use crate::candles::real_panel;
use huracan::arith::{draw, uniform};
use huracan::bars::{Candles, FundingHistory, MarketTerms, Markets, Panel, Timeframe};
use huracan::decide::votes::{self, VOTERS, Voter, VoterParams, Votes};
use huracan::decide::{Consensus, DecideParams, Opinion, consensus};
use huracan::engine::{Engine, EngineError};
use huracan::features::{self, VIEW, VIEW_COUNT, View};
use huracan::labels::{self, Labels};
use huracan::settings::Settings;
use huracan::shadow::{self, Rules, Signals, SlippageRule, Trade};

const HOUR_MS: i64 = 3_600_000;

pub fn rules() -> Rules {
    Rules {
        stop_atr: 2.0,
        take_atr: 3.0,
        max_hold: 24,
        fee_bps: 10.0,
        slippage_cap_bps: 50.0,
        funding_bps_per_bar: 0.125,
        pays_known_funding: true,
        borrow_bps_per_bar: 0.0625,
        shorts: true,
        notional: 10_000.0,
        ..Rules::default()
    }
}

/// Other terms for every symbol, and a history of funding that begins late or ends early for two of three.
pub fn with_markets(panel: Panel) -> Panel {
    let mut markets = Markets::default();
    for (k, symbol) in panel.symbols.iter().enumerate() {
        let known = |kind: u64, most: f64| Some(most * uniform(draw(17, kind, k as u64))).filter(|_| k % 4 != 3);
        let terms = MarketTerms {
            tick: known(0, 0.1),
            spread_bps: known(1, 8.0),
            taker_fee_bps: known(2, 20.0),
            ..MarketTerms::default()
        };
        markets.terms.insert(symbol.clone(), terms);
        if k % 3 != 2 && !panel.ranges[k].is_empty() {
            let (first, last) = (panel.time_ms(panel.ranges[k].start), panel.time_ms(panel.ranges[k].end));
            let (start, end) = if k % 3 == 0 { (first + 40 * HOUR_MS, last) } else { (first, last - 40 * HOUR_MS) };
            let times: Vec<i64> = (start..end).step_by(8 * HOUR_MS as usize).collect();
            let rates: Vec<f64> = times.iter().map(|&t| 1e-3 * (uniform(draw(18, k as u64, t as u64)) - 0.4)).collect();
            markets.funding.insert(symbol.clone(), FundingHistory::new(&times, &rates).unwrap().0);
        }
    }
    panel.with_markets(&markets)
}

/// A simulated walk on a coarse grid of prices: ties, standstills, bars without volume, gaps of up to three bars.
fn walk(seed: u64, first: i64, bars: u64) -> Candles {
    let mut candles = Candles::default();
    let mut close: f64 = 100.0;
    for i in 0..bars {
        let noise = |k: u64| uniform(draw(seed, k, i));
        if i > 0 && i + 1 < bars && noise(6) < 0.02 {
            continue;
        }
        let coarse = |price: f64| ((price * 4.0) as i64).max(1) as f64 / 4.0;
        let still = noise(0) < 0.15 || (200..330).contains(&i);
        let open = close;
        close = if still { open } else { coarse(open * (1.0 + 0.06 * (noise(1) - 0.5))) };
        let (above, below) = if still { (0.0, 0.0) } else { (0.02 * noise(2), 0.02 * noise(3)) };
        let (high, low) = (
            coarse(open.max(close) * (1.0 + above)).max(open.max(close)),
            coarse(open.min(close) * (1.0 - below)).min(open.min(close)),
        );
        let volume = if noise(4) < 0.1 { 0.0 } else { (1e4 * noise(5)) as i64 as f64 };
        candles.push((first + i as i64) * HOUR_MS, [open, high, low, close], volume);
    }
    candles
}

/// Simulated symbols of 1 to 5,000 bars that begin at different times.
pub fn made_up() -> Panel {
    let lengths = [1, 2, 3, 14, 15, 19, 20, 21, 50, 51, 63, 64, 65, 127, 128, 129, 256, 300, 320, 700, 1333, 5000];
    let mut all: Vec<(String, Candles)> = lengths
        .iter()
        .enumerate()
        .map(|(i, &bars)| (format!("C{i:02}-USDT"), walk(i as u64, 37 * i as i64, bars)))
        .collect();
    all.push(("BTC-USDT".into(), walk(100, 11, 3000)));
    all.push(("ETH-USDT".into(), walk(101, 400, 2000)));
    // The mean of equal prices is not always that price.
    let mut still = Candles::default();
    (0..300).for_each(|i| still.push(i * HOUR_MS, [100.1; 4], 10.0));
    all.push(("STILL-USDT".into(), still));
    Panel::new(all, Timeframe::H1, 24, true).unwrap()
}

/// What stages are compared on.
fn panels() -> Vec<(&'static str, Panel)> {
    let real = ["1d", "1h"].into_iter().map(|timeframe| (timeframe, real_panel(timeframe)));
    let mut panels: Vec<_> = [("made up", made_up())].into_iter().chain(real).collect();
    // One symbol alone, without Bitcoin and Ethereum.
    let alone = vec![("AAA-USDT".to_owned(), walk(9, 0, 400))];
    panels.push(("alone", Panel::new(alone, Timeframe::H1, 24, true).unwrap()));
    panels.into_iter().map(|(name, panel)| (name, with_markets(panel))).collect()
}

/// Each panel with each device; devices take turns on the larger panels, which are the slow ones.
fn everywhere(compare: impl Fn(&str, &Panel, &Engine)) {
    let engines = engines::all();
    for (i, (name, panel)) in panels().iter().enumerate() {
        for (k, engine) in engines.iter().enumerate() {
            let large = panel.bars * panel.symbols.len() > 200_000;
            if !large || engines.len() < 3 || k == i % 3 || k >= 3 {
                compare(&format!("{name} on {}", engine.device()), panel, engine);
            }
        }
    }
}

pub fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

pub fn same_labels(place: &str, want: &Labels, got: &Labels) {
    assert_eq!(bits(&want.return_bps), bits(&got.return_bps), "returns, {place}");
    assert_eq!(want.exit_bar, got.exit_bar, "exit bars, {place}");
    assert!(want.exit_reason == got.exit_reason, "exit reasons, {place}");
}

#[test]
fn labels_are_those_of_the_cpu() {
    everywhere(|place, panel, engine| {
        let atr = features::atr_14(panel);
        let want = labels::compute(panel, &atr, &rules());
        let got = labels::device::compute(&engine.stage("labels"), panel, &atr, &rules()).unwrap();
        same_labels(place, &want, &got);
        assert!(want.return_bps.iter().filter(|v| !v.is_nan()).count() > 100, "{place}");
    });
}

#[test]
fn a_batch_that_memory_splits_gives_the_same_labels_and_trades() {
    let panel = with_markets(made_up());
    let atr = features::atr_14(&panel);
    let want = labels::compute(&panel, &atr, &rules());
    // Room for some six symbols' labels at a time.
    let small = Engine::emulated(3, 3 << 20).unwrap();
    let got = labels::device::compute(&small.stage("labels"), &panel, &atr, &rules()).unwrap();
    same_labels("split", &want, &got);
    let signals = signals(&panel, 5);
    let windows = windows(&panel);
    let smaller = Engine::emulated(3, 5 << 20).unwrap();
    let got = shadow::device::simulate(&smaller.stage("shadow"), &panel, &[(&signals, &rules())], &atr, &windows);
    same_trades("split", &shadow::simulate(&panel, &signals, &atr, &windows, &rules()), &got.unwrap()[0]);
    // And none for a single one.
    let tiny = Engine::emulated(3, 1 << 20).unwrap();
    let refused = labels::device::compute(&tiny.stage("labels"), &panel, &atr, &rules());
    assert!(matches!(refused, Err(EngineError::TooLarge { stage: "labels", .. })), "{refused:?}");
}

/// Signals of all sorts: with and without distances and sizes of their own, and reversals.
pub fn signals(panel: &Panel, seed: u64) -> Signals {
    let mut signals = Signals::none(panel.symbols.len(), panel.bars);
    for (symbol, range) in panel.ranges.iter().enumerate() {
        for bar in range.clone() {
            let cell = symbol * panel.bars + bar;
            let noise = |k: u64| uniform(draw(seed, k, cell as u64));
            signals.side[cell] = if noise(0) < 0.2 { 1 } else { -i8::from(noise(0) > 0.8) };
            if noise(1) < 0.4 {
                signals.stop_bps[cell] = 20.0 + 300.0 * noise(2);
                signals.take_bps[cell] = 20.0 + 300.0 * noise(3);
            } else if noise(1) < 0.5 {
                signals.stop_bps[cell] = 150.0;
            }
            if noise(4) < 0.5 {
                signals.size[cell] = 1e3 + 1e6 * noise(5);
            }
        }
    }
    signals
}

/// Three windows, one of them apart, where a symbol has bars for them; two or none where it has not.
pub fn windows(panel: &Panel) -> Vec<Vec<Range<usize>>> {
    let cut = |Range { start, end }: Range<usize>| {
        let len = end - start;
        let three = [start..start + len / 3, start + len / 3..start + len / 2, start + len / 2 + 7..end];
        match len {
            0..3 => Vec::new(),
            3..60 => vec![start..start + len / 2, start + len / 2..end],
            _ => three.to_vec(),
        }
    };
    panel.ranges.iter().cloned().map(cut).collect()
}

pub fn same_trades(place: &str, want: &[Trade], got: &[Trade]) {
    assert_eq!(want.len(), got.len(), "{place}");
    for (k, (want, got)) in want.iter().zip(got).enumerate() {
        let whole = |t: &Trade| (t.symbol, t.side, t.signal_bar, t.entry_bar, t.exit_bar, t.exit_reason);
        let numbers = |t: &Trade| {
            let prices = [t.entry_price, t.exit_price, t.stop_price, t.take_price, t.size];
            let costs = [t.gross_bps, t.fee_bps, t.spread_bps, t.slippage_bps, t.funding_bps, t.net_bps];
            (bits(&prices), bits(&costs))
        };
        assert_eq!((whole(want), numbers(want)), (whole(got), numbers(got)), "trade {k}, {place}");
    }
}

#[test]
fn trades_of_many_configurations_are_those_of_the_cpu() {
    everywhere(|place, panel, engine| {
        let atr = features::atr_14(panel);
        let windows = windows(panel);
        let many: Vec<(Signals, Rules)> = (0..3)
            .map(|k| {
                let slippage = if k == 1 { SlippageRule::Turnover } else { SlippageRule::Volatility };
                let (shorts, pays_known_funding, exchange_fees) = (k != 2, k != 1, k != 0);
                let max_hold = [24, 3, 500][k as usize];
                let own = Rules { max_hold, stop_atr: 1.0 + k as f64, slippage, shorts, exchange_fees, ..rules() };
                (signals(panel, k), Rules { pays_known_funding, ..own })
            })
            .collect();
        let configurations: Vec<_> = many.iter().map(|(signals, rules)| (signals, rules)).collect();
        let got = shadow::device::simulate(&engine.stage("shadow"), panel, &configurations, &atr, &windows).unwrap();
        for ((signals, rules), got) in many.iter().zip(&got) {
            let want = shadow::simulate(panel, signals, &atr, &windows, rules);
            assert!(want.len() > 10, "{place}");
            same_trades(place, &want, got);
        }
    });
}

pub fn same_features(place: &str, panel: &Panel, want: &features::Features, got: &features::Features) {
    assert_eq!((want.symbols, want.bars, want.values.len()), (got.symbols, got.bars, got.values.len()), "{place}");
    let different = want.values.iter().zip(&got.values).position(|(want, got)| want.to_bits() != got.to_bits());
    if let Some(at) = different {
        let (cell, feature) = (at / features::COUNT, features::CATALOGUE[at % features::COUNT].name);
        let (symbol, bar) = (&panel.symbols[cell / panel.bars], cell % panel.bars);
        panic!("{feature} of {symbol}, bar {bar}: {:?} for {:?}, {place}", got.values[at], want.values[at]);
    }
}

#[test]
fn features_are_those_of_the_cpu() {
    everywhere(|place, panel, engine| {
        let got = features::device::compute(&engine.stage("features"), panel).unwrap();
        same_features(place, panel, &features::compute(panel), &got);
        let atr = features::device::atr_14(&engine.stage("features"), panel).unwrap();
        assert_eq!(bits(&features::atr_14(panel)), bits(&atr), "{place}");
    });
}

pub fn same_view(place: &str, panel: &Panel, want: &View, got: &View) {
    assert_eq!((want.bars, want.values.len()), (got.bars, got.values.len()), "{place}");
    let different = want.values.iter().zip(&got.values).position(|(want, got)| want.to_bits() != got.to_bits());
    if let Some(at) = different {
        let (cell, column) = (at / VIEW_COUNT, VIEW[at % VIEW_COUNT].name);
        let (symbol, bar) = (&panel.symbols[cell / panel.bars], cell % panel.bars);
        panic!("{column} of {symbol}, bar {bar}: {:?} for {:?}, {place}", got.values[at], want.values[at]);
    }
}

#[test]
fn the_view_is_that_of_the_cpu() {
    everywhere(|place, panel, engine| {
        let features = features::compute(panel);
        let got = View::of_at(&engine.stage("view"), panel, &features).unwrap();
        let want = View::of(panel, &features);
        same_view(place, panel, &want, &got);
        assert!(want.values.iter().filter(|value| !value.is_nan()).count() > 1000, "{place}");
    });
}

#[test]
fn the_view_of_a_batch_that_memory_splits_is_the_same() {
    let panel = made_up();
    let features = features::compute(&panel);
    // Room for one symbol at a time.
    let small = Engine::emulated(4, 8 << 20).unwrap();
    let got = View::of_at(&small.stage("view"), &panel, &features).unwrap();
    same_view("split", &panel, &View::of(&panel, &features), &got);
}

#[test]
fn features_of_a_batch_that_memory_splits_are_the_same() {
    let panel = made_up();
    let small = Engine::emulated(4, 10 << 20).unwrap();
    let got = features::device::compute(&small.stage("features"), &panel).unwrap();
    same_features("split", &panel, &features::compute(&panel), &got);
}

/// VoterParams with other lengths than the settings have: windows of two bars, long ones, some engines off.
fn other_engines() -> VoterParams {
    let mut e = Settings::defaults().decide.voters;
    e.off = ["adx", "vwap"].map(str::to_owned).to_vec();
    e.atr_bars = 3;
    (e.ema_cross.fast_bars, e.ema_cross.slow_bars) = (2, 3);
    (e.donchian.bars, e.donchian.fade_bars) = (1, 40);
    (e.stochastic.bars, e.stochastic.slow_k_bars, e.stochastic.slow_d_bars) = (2, 1, 1);
    (e.keltner_breakout.bars, e.keltner_breakout.atr_bars) = (90, 2);
    (e.atr_squeeze.bars, e.atr_squeeze.fade_bars) = (2, 60);
    (e.bitcoin_lead.bars, e.bitcoin_lead.deviation_bars) = (1, 5);
    (e.supertrend.bars, e.rsi.bars, e.cci.bars, e.regression_slope.bars) = (1, 2, 2, 200);
    e.relative_strength.bars = 1;
    e
}

/// Windows of one bar wherever the settings take one, and no engine across coins.
fn shortest_engines() -> VoterParams {
    let mut e = Settings::defaults().decide.voters;
    e.off = ["bitcoin_lead", "relative_strength", "rsi"].map(str::to_owned).to_vec();
    (e.ema_cross.fast_bars, e.sma_cross.fast_bars, e.macd_cross.signal_bars, e.atr_bars) = (1, 1, 1, 1);
    (e.rate_of_change.bars, e.money_flow_index.bars, e.obv_trend.bars, e.volume_breakout.bars) = (1, 1, 1, 1);
    (e.vwap.bars, e.chaikin_money_flow.bars, e.williams_r.bars, e.stochastic.bars) = (1, 1, 1, 1);
    (e.donchian.fade_bars, e.atr_squeeze.fade_bars, e.adx.bars) = (1, 1, 1);
    e
}

pub fn same_consensus(place: &str, panel: &Panel, want: &Consensus, got: &Consensus) {
    assert_eq!((want.bars, want.opinions.len()), (got.bars, got.opinions.len()), "{place}");
    assert_eq!(want.hit_rates, got.hit_rates, "{place}");
    let bits = |o: &Opinion| [o.score, o.threshold, o.confidence, o.expected_bps].map(f32::to_bits);
    let different = want.opinions.iter().zip(&got.opinions).position(|(want, got)| bits(want) != bits(got));
    if let Some(at) = different {
        let (symbol, bar) = (&panel.symbols[at / panel.bars], at % panel.bars);
        panic!("{symbol}, bar {bar}: {:?} for {:?}, {place}", got.opinions[at], want.opinions[at]);
    }
}

/// Parameters of the consensus: those of the settings, and short windows, of all coins together and of each by itself.
pub fn ways_to_decide() -> Vec<(DecideParams, usize)> {
    let usual = Settings::defaults().decide;
    let short = DecideParams {
        threshold: 0.3,
        threshold_bars: 7,
        reliability_bars: 40,
        record_bars: 25,
        record_min: 2,
        ..usual.clone()
    };
    let each = |pool| [(&usual, 25), (&short, 3), (&short, 0)].map(|(params, horizon)| (pool, params.clone(), horizon));
    let all = [true, false].into_iter().flat_map(each);
    all.map(|(pool, params, horizon)| (DecideParams { pool, ..params }, horizon)).collect()
}

/// Votes that are silent at times: each voter on every fifth bar, and all of them on every eleventh and for a while.
pub fn votes_with_holes(panel: &Panel) -> Votes {
    let mut votes = votes::compute(panel, &Settings::defaults().decide.voters);
    for (at, vote) in votes.values.iter_mut().enumerate() {
        let (bar, voter) = (at / VOTERS % panel.bars, at % VOTERS);
        // Longer than what a block has at a time; short histories would have nothing left.
        let pause = panel.bars > 1000 && (300..500).contains(&bar);
        if pause || bar % 11 == 3 || (bar + voter).is_multiple_of(5) {
            *vote = f32::NAN;
        }
    }
    votes
}

#[test]
fn the_consensus_is_that_of_the_cpu() {
    everywhere(|place, panel, engine| {
        let labels = labels::compute(panel, &features::atr_14(panel), &rules());
        let votes = votes_with_holes(panel);
        for (params, horizon) in ways_to_decide() {
            let want = consensus::compute(panel, &votes, &labels, &params, horizon);
            let got = consensus::device::compute(&engine.stage("consensus"), panel, &votes, &labels, &params, horizon)
                .unwrap();
            same_consensus(place, panel, &want, &got);
            let expects = want.opinions.iter().filter(|opinion| !opinion.expected_bps.is_nan()).count();
            assert!(expects > 100 && want.hit_rates.iter().any(|&rate| rate != 0.5), "{place}: {expects}");
        }
    });
}

#[test]
fn the_consensus_of_batches_that_memory_splits_is_the_same() {
    let panel = made_up();
    let labels = labels::compute(&panel, &features::atr_14(&panel), &rules());
    let votes = votes_with_holes(&panel);
    for (params, horizon) in ways_to_decide() {
        let small = Engine::emulated(4, 8 << 20).unwrap();
        let got =
            consensus::device::compute(&small.stage("consensus"), &panel, &votes, &labels, &params, horizon).unwrap();
        same_consensus("split", &panel, &consensus::compute(&panel, &votes, &labels, &params, horizon), &got);
    }
}

pub fn same_votes(place: &str, panel: &Panel, want: &Votes, got: &Votes) {
    assert_eq!((want.bars, want.values.len()), (got.bars, got.values.len()), "{place}");
    let different = want.values.iter().zip(&got.values).position(|(want, got)| want.to_bits() != got.to_bits());
    if let Some(at) = different {
        let (cell, voter) = (at / VOTERS, Voter::ALL[at % VOTERS]);
        let (symbol, bar) = (&panel.symbols[cell / panel.bars], cell % panel.bars);
        panic!("{voter} of {symbol}, bar {bar}: {:?} for {:?}, {place}", got.values[at], want.values[at]);
    }
}

#[test]
fn votes_are_those_of_the_cpu() {
    everywhere(|place, panel, engine| {
        for engines in [Settings::defaults().decide.voters, other_engines(), shortest_engines()] {
            let want = votes::compute(panel, &engines);
            let got = votes::device::compute(&engine.stage("votes"), panel, &engines).unwrap();
            same_votes(place, panel, &want, &got);
            assert!(want.values.iter().filter(|vote| !vote.is_nan()).count() > 1000, "{place}");
        }
    });
}

#[test]
fn votes_of_a_batch_that_memory_splits_are_the_same() {
    let panel = made_up();
    let engines = Settings::defaults().decide.voters;
    // Room for a few symbols at a time.
    let small = Engine::emulated(4, 12 << 20).unwrap();
    let got = votes::device::compute(&small.stage("votes"), &panel, &engines).unwrap();
    same_votes("split", &panel, &votes::compute(&panel, &engines), &got);
}

#[test]
fn ranks_of_bars_that_memory_splits_are_the_same() {
    let panel =
        Panel::new((0..400).map(|n| (format!("C{n:03}-USDT"), walk(n, 0, 300))).collect(), Timeframe::H1, 24, true)
            .unwrap();
    let engines = Settings::defaults().decide.voters;
    // Room for a few symbols' votes, and for the returns of all symbols at some of the bars.
    let small = Engine::emulated(6, 3 << 19).unwrap();
    let got = votes::device::compute(&small.stage("votes"), &panel, &engines).unwrap();
    same_votes("split", &panel, &votes::compute(&panel, &engines), &got);
}
