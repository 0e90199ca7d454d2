//! The audit: each check passes on what a run does, and fails where a cheat is put in.

use crate::cli;
use crate::learning;
use crate::lenient::LENIENT;

use huracan::audit::look_ahead::{self, LookAhead};
use huracan::audit::noise::Noise;
use huracan::audit::stages::{Decision, Stages};
use huracan::audit::walk::Outcome;
use huracan::audit::worlds::{Source, Worlds};
use huracan::audit::{Judgement, null, page, power, promise, recursion, report};
use huracan::bars::Panel;
use huracan::boost::Cuts;
use huracan::decide::Head;
use huracan::decide::votes::{VOTERS, Votes};
use huracan::engine::Compute;
use huracan::features::{self, Features, VIEW_COUNT, View, columns, view_columns};
use huracan::folds;
use huracan::labels;
use huracan::settings::Settings;
use huracan::shadow::{self, Side, Signals};
use huracan::trainer::{Observer, TrainerError, WalkForwardResult, walk_forward};
use huracan::ui::{Step, Ui};

/// Folds and models small enough for a test, and trades on both sides: a planted pattern sells as often as it buys.
const SMALL: [&str; 9] = [
    "market.lookback_days=60",
    "folds.train_days=24",
    "folds.purge_days=2",
    "folds.test_days=10",
    "folds.step_days=10",
    "models.rounds=8",
    "models.max_depth=3",
    "costs.spot_shorts=borrow",
    "costs.borrow_bps_per_day=0",
];

fn small(more: &[&str]) -> Settings {
    learning::settings(&[&SMALL, more].concat())
}

fn step() -> Step {
    Ui::hidden().step("test", None)
}

fn looked(stages: &Stages, settings: &Settings) -> LookAhead {
    // Of five coins and more, edges are learned without their mean.
    let panel = learning::simulated_panel(6, 60);
    look_ahead::run(stages, settings, &Compute::cpu(), &panel, &step())
        .unwrap_or_else(|failure| panic!("{:?}", failure.error))
}

/// The stages in which something changed.
fn guilty(found: &LookAhead) -> Vec<&'static str> {
    look_ahead::STAGES.into_iter().filter(|stage| found.stages[stage].changed > 0).collect()
}

/// Calls back with every symbol and bar, and the close of the next bar.
fn each_next(panel: &Panel, mut visit: impl FnMut(usize, usize, f64)) {
    for (symbol, range) in panel.ranges.iter().enumerate() {
        for bar in range.start..range.end - 1 {
            visit(symbol, bar, panel.close[symbol * panel.bars + bar + 1]);
        }
    }
}

#[test]
fn nothing_that_a_run_computes_knows_the_future() {
    // The gate opens for every prediction, so that there are trades to compare.
    let found = looked(
        &Stages::of_a_run(),
        &small(&["costs.safety_margin_bps=0", "costs.stop_slippage_bps=0", "costs.fee_bps=0"]),
    );
    assert_eq!(guilty(&found), Vec::<&str>::new(), "{:?}", found.stages);
    assert_eq!(found.judgement(), Judgement::Pass);
    for (stage, least) in [
        ("features", 1_000_000),
        ("labels", 20_000),
        ("folds", 12),
        ("bins", 100_000),
        ("forests", 30),
        ("predictions", 2000),
        ("signals", 2000),
        ("trades", 2000),
        ("walk-forward", 2000),
    ] {
        assert!(found.stages[stage].values >= least, "{stage}: {:?}", found.stages[stage]);
    }
}

#[test]
fn a_feature_that_sees_the_next_bar_is_caught_with_all_that_learns_from_it() {
    fn peeking(panel: &Panel) -> Features {
        let mut found = features::compute(panel);
        let (bars, width) = (panel.bars, features::COUNT);
        each_next(panel, |symbol, bar, next| {
            let now = panel.close[symbol * bars + bar];
            found.values[(symbol * bars + bar) * width + columns::RET_1] = (next / now - 1.0) as f32;
        });
        found
    }
    let found = looked(&Stages { features: peeking, ..Stages::of_a_run() }, &small(&[]));
    assert_eq!(found.judgement(), Judgement::Fail);
    assert!(guilty(&found).contains(&"features"), "{:?}", guilty(&found));
    let example = &found.stages["features"].examples[0];
    assert!(example.starts_with("ret_1 of "), "{example}");
}

#[test]
fn a_label_that_counts_a_bar_after_its_exit_is_caught() {
    let late: fn(&Panel, &[f64], &shadow::Rules) -> labels::Labels = |panel, atr, rules| {
        let mut labels = labels::compute(panel, atr, rules);
        for symbol in 0..panel.symbols.len() {
            for cell in symbol * panel.bars * 2..(symbol + 1) * panel.bars * 2 {
                let after = (labels.exit_bar[cell] as usize + 1).min(panel.ranges[symbol].end - 1);
                labels.return_bps[cell] += panel.close[symbol * panel.bars + after];
            }
        }
        labels
    };
    assert!(guilty(&looked(&Stages { labels: late, ..Stages::of_a_run() }, &small(&[]))).contains(&"labels"));
}

#[test]
fn folds_that_are_laid_out_from_the_end_of_the_history_are_caught() {
    let stages = Stages {
        folds: |grid, range, settings| {
            let mut plan = folds::plan(grid, range, settings)?;
            let shift = range.end % 7 + 1;
            for fold in &mut plan {
                for part in [&mut fold.train, &mut fold.validation, &mut fold.purge, &mut fold.test] {
                    *part = part.start.saturating_sub(shift)..part.end - shift;
                }
            }
            Ok(plan)
        },
        ..Stages::of_a_run()
    };
    assert!(guilty(&looked(&stages, &small(&[]))).contains(&"folds"));
}

#[test]
fn bins_cut_by_the_rows_of_the_practice_are_caught() {
    let stages = Stages {
        bins: |table, job| {
            let last = job.valid[job.valid.len() - 1];
            let rows: Vec<u32> = job.train.iter().copied().chain(last..(last + 240).min(table.rows() as u32)).collect();
            Cuts::new(table, &rows, job.params.max_bin)
        },
        ..Stages::of_a_run()
    };
    assert_eq!(guilty(&looked(&stages, &small(&[]))), ["bins"]);
}

#[test]
fn a_purge_shorter_than_the_labels_is_caught_in_the_forests() {
    let mut settings = small(&[]);
    settings.folds.purge_days = 0;
    let found = looked(&Stages::of_a_run(), &settings);
    assert!(guilty(&found).contains(&"forests"), "{:?}", guilty(&found));
}

#[test]
fn a_vote_that_sees_the_next_close_is_caught() {
    let stages = Stages {
        votes: |panel, _| {
            let mut votes =
                Votes { bars: panel.bars, values: vec![0.0; panel.symbols.len() * panel.bars * VOTERS].into() };
            each_next(panel, |symbol, bar, next| {
                let up = next > panel.close[symbol * panel.bars + bar];
                votes.values[(symbol * panel.bars + bar) * VOTERS] = if up { 1.0 } else { -1.0 };
            });
            votes
        },
        ..Stages::of_a_run()
    };
    let found = guilty(&looked(&stages, &small(&[])));
    assert!(found.starts_with(&["votes", "consensus"]), "{found:?}");
}

#[test]
fn signals_that_wait_for_the_next_close_are_caught() {
    fn hindsight(decision: &Decision<'_>) -> Signals {
        let panel = decision.panel;
        let mut signals = Signals::none(panel.symbols.len(), panel.bars);
        each_next(panel, |symbol, bar, next| {
            let cell = symbol * panel.bars + bar;
            signals.side[cell] = if next > panel.close[cell] { 1 } else { -1 };
        });
        signals
    }
    let found = looked(&Stages { signals: hindsight, ..Stages::of_a_run() }, &small(&[]));
    assert!(guilty(&found).contains(&"signals"), "{:?}", guilty(&found));
}

#[test]
fn trades_that_are_dropped_for_what_came_later_are_caught() {
    let stages = Stages {
        trades: |panel, signals, atr, windows, rules| {
            let mut trades = shadow::simulate(panel, signals, atr, windows, rules);
            trades.retain(|trade| {
                let end = panel.ranges[trade.symbol].end;
                let later = panel.close[trade.symbol * panel.bars + (trade.exit_bar + 12).min(end - 1)];
                (later - trade.exit_price) * trade.side.sign() <= 0.0
            });
            trades
        },
        ..Stages::of_a_run()
    };
    assert_eq!(guilty(&looked(&stages, &small(&[]))), ["trades"]);
}

/// The walk-forward, with the newest outcomes before each later test window in its drift: some have not ended when it begins.
fn calibrated_by_the_future(
    settings: &Settings,
    compute: &Compute,
    panel: &Panel,
    symbols: &[usize],
    observer: &dyn Observer,
) -> Result<WalkForwardResult, TrainerError> {
    let mut found = walk_forward(&settings.trainer(), compute, panel, symbols, observer)?;
    let horizon = settings.labels.horizon_bars();
    for model in &mut found.models {
        for outcome in model.trained.folds.iter_mut().skip(1) {
            let start = outcome.fold.test.start;
            let known = (start - horizon..start).filter_map(|bar| found.labels.get(model.symbol, bar, Side::Long));
            let newest: f64 = known.map(|label| label.return_bps).sum();
            if let Some(calibration) = &mut outcome.calibration {
                calibration.heads[Head::EdgeBps.position()].drift_bps += newest;
            }
        }
    }
    Ok(found)
}

#[test]
fn a_calibration_that_counts_labels_that_have_not_ended_is_caught() {
    let stages = Stages { walk: calibrated_by_the_future, ..Stages::of_a_run() };
    assert_eq!(guilty(&looked(&stages, &small(&[]))), ["walk-forward"]);
}

#[test]
fn what_is_told_of_a_bar_is_compared_as_well_as_the_edge() {
    let stages = Stages {
        walk: |settings, compute, panel, symbols, observer| {
            let mut found = walk_forward(&settings.trainer(), compute, panel, symbols, observer)?;
            for model in &mut found.models {
                let close = |bar: usize| panel.close[model.symbol * panel.bars + bar];
                let end = panel.ranges[model.symbol].end - 1;
                for outcome in &mut model.trained.folds {
                    for (bar, said) in outcome.fold.test.clone().zip(&mut outcome.predictions) {
                        said.told_bps += close((bar + 1).min(end)) / close(bar);
                    }
                }
            }
            Ok(found)
        },
        ..Stages::of_a_run()
    };
    assert_eq!(guilty(&looked(&stages, &small(&[]))), ["walk-forward"]);
}

#[test]
fn approvals_that_know_the_end_are_caught() {
    let stages = Stages {
        walk: |settings, compute, panel, symbols, observer| {
            let mut found = walk_forward(&settings.trainer(), compute, panel, symbols, observer)?;
            let last = panel.close[panel.ranges[0].end - 1].to_bits() as usize;
            found.account.approvals.iter_mut().for_each(|own| own.judged = last);
            Ok(found)
        },
        ..Stages::of_a_run()
    };
    assert_eq!(guilty(&looked(&stages, &small(&[]))), ["walk-forward"]);
}

#[test]
fn averages_forget_their_start_and_running_sums_are_named() {
    let panel = learning::simulated_panel(4, 60);
    let found = recursion::run(&Stages::of_a_run(), &small(&[]), &panel, &step()).ok().unwrap();
    assert_eq!(found.judgement(), Judgement::Pass);
    let of = |name: &str| found.dependent.iter().find(|one| one.name == name);
    for name in recursion::RUNNING {
        assert_eq!(of(name).unwrap().harmless_after, None, "{name}");
    }
    // Wilder's average forgets 1/14 a bar: (13/14)^200 is 4e-7, and its start is some bars before the cut history's.
    let rsi = of("rsi_14").unwrap();
    assert!(rsi.effects[0] > 1e-4 && matches!(rsi.harmless_after, Some(100..=200)), "{rsi:?}");
    for window in ["sma_50", "volatility_20", "ret_1_mean_20", "close_vs_max_50", "stoch_k", "hour_of_day"] {
        assert!(of(window).is_none(), "{window} is a window");
    }
    assert!(found.independent >= 40 && found.compared > 50_000, "{found:?}");
    assert_eq!((found.level_dependent.as_slice(), found.levels > 100_000), (&[][..], true));
}

#[test]
fn a_view_that_depends_on_the_level_of_prices_fails_the_recursion() {
    let stages = Stages {
        view: |panel, features| {
            let mut view = View::of(panel, features);
            for symbol in 0..panel.symbols.len() {
                for bar in panel.ranges[symbol].clone() {
                    let cell = symbol * panel.bars + bar;
                    let value = &mut view.values[cell * VIEW_COUNT + view_columns::RANGE_ATR];
                    *value *= 1.0 + 0.01 * panel.close[cell].log10() as f32;
                }
            }
            view
        },
        ..Stages::of_a_run()
    };
    let panel = learning::simulated_panel(4, 60);
    let found = recursion::run(&stages, &small(&[]), &panel, &step()).ok().unwrap();
    assert_eq!(found.faults().count(), 0, "the start of the history does not matter");
    assert_eq!(found.level_dependent.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["range_atr"]);
    assert_eq!(found.judgement(), Judgement::Fail);
}

#[test]
fn a_feature_scaled_by_the_whole_history_fails_the_recursion() {
    fn scaled(panel: &Panel) -> Features {
        let mut found = features::compute(panel);
        for (symbol, range) in panel.ranges.iter().enumerate() {
            let mut sum = 0.0_f32;
            for (count, bar) in range.clone().enumerate() {
                let cell = (symbol * panel.bars + bar) * features::COUNT + columns::HIGH_LOW_RATIO;
                sum += found.values[cell];
                found.values[cell] /= sum / (count + 1) as f32;
            }
        }
        found
    }
    let panel = learning::simulated_panel(4, 60);
    let stages = Stages { features: scaled, ..Stages::of_a_run() };
    let found = recursion::run(&stages, &small(&[]), &panel, &step()).ok().unwrap();
    assert_eq!(found.judgement(), Judgement::Fail);
    assert_eq!(found.faults().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["high_low_ratio"]);
}

#[test]
fn shuffled_symbols_keep_their_moves_and_their_company_but_neither_drift_nor_end() {
    let panel = learning::simulated_panel(4, 60);
    let (symbols, bars) = (panel.symbols.len(), panel.bars);
    let returns = |panel: &Panel, symbol: usize| -> Vec<f64> {
        let close = &panel.row(&panel.close, symbol)[panel.ranges[symbol].clone()];
        close.windows(2).map(|pair| pair[1] / pair[0] - 1.0).collect()
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let deviation = |values: &[f64]| {
        let middle = mean(values);
        mean(&values.iter().map(|v| (v - middle) * (v - middle)).collect::<Vec<_>>()).sqrt()
    };
    let mut ends = vec![Vec::new(); symbols];
    for seed in 0..40 {
        let shuffled = null::shuffled(&panel, seed);
        assert_eq!(shuffled.ranges, panel.ranges);
        for (symbol, ends) in ends.iter_mut().enumerate() {
            let (old, new) = (returns(&panel, symbol), returns(&shuffled, symbol));
            assert!((deviation(&new) / deviation(&old) - 1.0).abs() < 0.25, "seed {seed}");
            ends.push(new.iter().sum::<f64>());
            for bar in shuffled.ranges[symbol].clone() {
                let cell = symbol * bars + bar;
                let (low, high) = (shuffled.low[cell], shuffled.high[cell]);
                assert!(low > 0.0 && (low..=high).contains(&shuffled.close[cell]) && shuffled.volume[cell] >= 0.0);
            }
        }
    }
    for (symbol, ends) in ends.iter().enumerate() {
        let old = returns(&panel, symbol);
        let spread = deviation(&old) * (old.len() as f64).sqrt();
        // A permutation would end at one place every time.
        assert!((0.6..1.5).contains(&(deviation(ends) / spread)), "{}", deviation(ends) / spread);
        assert!(mean(ends).abs() < 3.5 * spread / 40_f64.sqrt());
    }
    let together = |panel: &Panel| {
        let (a, b) = (returns(panel, 0), returns(panel, 1));
        let (mean_a, mean_b) = (mean(&a), mean(&b));
        let both: Vec<f64> = a.iter().zip(&b).map(|(x, y)| (x - mean_a) * (y - mean_b)).collect();
        mean(&both) / (deviation(&a) * deviation(&b))
    };
    let (before, after) = (together(&panel), together(&null::shuffled(&panel, 3)));
    assert!(before > 0.2 && (after - before).abs() < 0.2, "correlation {before} became {after}");
}

#[test]
fn blocks_keep_the_clustering_of_volatility_and_nothing_of_the_direction() {
    // Four days of wild bars follow four of calm ones, and most bars continue the move of the one before.
    let mut panel = learning::simulated_panel(2, 240);
    let bars = panel.bars;
    for symbol in 0..2 {
        let range = panel.ranges[symbol].clone();
        let mut close = 100.0_f64;
        let mut move_before = 0.001;
        for bar in range {
            let size = if bar / 96 % 2 == 0 { 0.001 } else { 0.01 };
            let random = huracan::arith::uniform(huracan::arith::draw(3, symbol as u64, bar as u64)) - 0.5;
            let own = size * (random + 0.2 * f64::from(i8::from(move_before > 0.0) * 2 - 1));
            let (open, cell) = (close, symbol * bars + bar);
            close *= 1.0 + own;
            move_before = own;
            (panel.open[cell], panel.close[cell]) = (open, close);
            (panel.high[cell], panel.low[cell]) = (open.max(close), open.min(close));
        }
    }
    let correlation = |panel: &Panel, of: fn(f64) -> f64| {
        let close = &panel.row(&panel.close, 0)[panel.ranges[0].clone()];
        let values: Vec<f64> = close.windows(2).map(|pair| of(pair[1] / pair[0] - 1.0)).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
        values.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum::<f64>() / variance
    };
    let size: fn(f64) -> f64 = f64::abs;
    let direction: fn(f64) -> f64 = f64::signum;
    assert!(correlation(&panel, size) > 0.4 && correlation(&panel, direction) > 0.3);
    let blocks = null::planted(&panel, 4, 0.0, null::Order::Blocks).panel;
    let shuffled = null::shuffled(&panel, 4);
    assert!(correlation(&blocks, size) > 0.3, "{}", correlation(&blocks, size));
    assert!(correlation(&shuffled, size).abs() < 0.1, "{}", correlation(&shuffled, size));
    for panel in [&blocks, &shuffled] {
        assert!(correlation(panel, direction).abs() < 0.06, "{}", correlation(panel, direction));
    }
}

#[test]
fn a_promise_that_is_not_kept_fails() {
    let settings = small(&["market.type=perp", "models.rounds=40"]);
    let panel = learning::panel_with_edge(6, 200, 5.0);
    let run = |stages: &Stages| {
        promise::run(stages, Source::Candles(&panel), &settings, &Compute::cpu(), 6, &step()).ok().unwrap()
    };
    let kept = run(&Stages::of_a_run());
    assert!(kept.told > 0 && kept.slope.is_some() && kept.whole_slope.is_some(), "{kept:?}");
    assert_eq!((kept.judgement(), kept.worlds, kept.planted), (Judgement::Pass, 1, None), "{kept:?}");
    // A calibration that believes four times what past rows support.
    let bold = run(&Stages {
        walk: |settings, compute, panel, symbols, observer| {
            let mut found = walk_forward(&settings.trainer(), compute, panel, symbols, observer)?;
            let folds = found.models.iter_mut().flat_map(|model| &mut model.trained.folds);
            for said in folds.flat_map(|outcome| &mut outcome.predictions) {
                said.edge_bps += 3.0 * said.told_bps;
                said.told_bps *= 4.0;
            }
            Ok(found)
        },
        ..Stages::of_a_run()
    });
    assert_eq!((bold.told, bold.judgement()), (kept.told, Judgement::Fail), "{bold:?}");
    assert!((4.0 * bold.slope.unwrap() / kept.slope.unwrap() - 1.0).abs() < 1e-9, "{bold:?}");
}

#[test]
fn a_promise_on_simulated_markets_is_made_of_a_planted_pattern_in_all_worlds() {
    let settings = small(&["market.type=perp", "universe.top_n=3", "models.rounds=2"]);
    let run = |settings: &Settings| {
        promise::run(&Stages::of_a_run(), Source::Simulated, settings, &Compute::cpu(), 6, &step()).ok().unwrap()
    };
    let found = run(&settings);
    assert_eq!((found.worlds, found.symbols, found.planted), (2, 6, Some(promise::PLANTED)));
    assert!(found.predictions > 1000, "{found:?}");
    assert_eq!(run(&small(&["market.simulated.edge=4", "universe.top_n=6"])).planted, Some(4.0));
}

#[test]
fn a_planted_signal_is_told_by_the_past_and_moves_the_next_close() {
    let panel = learning::simulated_panel(3, 60);
    let planted = null::planted(&panel, 5, 0.3, null::Order::Shuffled);
    let plain = null::planted(&panel, 5, 0.0, null::Order::Shuffled);
    assert_eq!(null::shuffled(&panel, 5), plain.panel);
    let (mut sums, mut count) = ([0.0; 2], 0.0);
    for symbol in 0..panel.symbols.len() {
        for bar in panel.ranges[symbol].start + 20..panel.ranges[symbol].end - 1 {
            let cell = symbol * panel.bars + bar;
            let close = &planted.panel.close;
            let signal = planted.signal[cell];
            let mean = close[cell - 19..=cell].iter().sum::<f64>() / 20.0;
            assert!(signal == 0.0 || (signal > 0.0) == (close[cell] < mean), "drawn back to the mean");
            // Entry at the next open, by which the move has not begun.
            let gain = |of: &null::Planted| signal * (of.panel.close[cell + 1] / of.panel.open[cell + 1] - 1.0);
            sums[0] += gain(&planted);
            sums[1] += gain(&plain);
            count += 1.0;
        }
    }
    assert!(sums[0] / count > 1e-4 && sums[0] > 3.0 * sums[1].abs(), "{sums:?} of {count}");
}

#[test]
fn noise_that_thresholds_let_through_fails_the_audit_and_strict_ones_pass() {
    let run = |more: &[&str]| {
        // A calibrated model does not trade on noise. The voters do.
        let free = [
            "universe.top_n=2",
            "decide.mode=consensus",
            "costs.fee_bps=0",
            "costs.spread_bps=0",
            "costs.stop_slippage_bps=0",
            "costs.safety_margin_bps=0",
        ];
        let settings = small(&[&free, more].concat());
        huracan::audit::noise::run(Source::Simulated, &settings, &Compute::cpu(), 12, null::Order::Shuffled, &step())
            .ok()
            .unwrap()
    };
    let lenient = run(&LENIENT);
    assert_eq!((lenient.symbols, lenient.worlds), (12, 6));
    assert!(lenient.approved >= 6 && lenient.judgement() == Judgement::Fail, "{lenient:?}");
    let strict = run(&["approve.min_sharpe=50"]);
    assert_eq!((strict.approved, strict.judgement()), (0, Judgement::Unclear), "six worlds are too few");
    assert_eq!(strict.missed["sharpe"], 12);
    assert!(strict.interval.0 == 0.0 && strict.interval.1 > 0.2, "{strict:?}");
}

#[test]
fn too_few_symbols_leave_the_noise_unclear() {
    let settings = small(&LENIENT);
    let found =
        huracan::audit::noise::run(Source::Simulated, &settings, &Compute::cpu(), 3, null::Order::Shuffled, &step())
            .ok()
            .unwrap();
    // Forty symbols in worlds of so many.
    let judged = |size: usize, approved: fn(usize) -> bool| {
        let outcomes = found.outcomes.iter().cycle().take(40).cloned().enumerate();
        let outcome = |(place, outcome)| Outcome { world: place / size, approved: approved(place), ..outcome };
        Noise::of(&outcomes.map(outcome).collect::<Vec<_>>(), null::Order::Shuffled).judgement()
    };
    assert_eq!(judged(4, |_| false), Judgement::Pass);
    assert_eq!(judged(10, |_| false), Judgement::Unclear, "four worlds");
    assert_eq!(judged(4, |place| place == 0), Judgement::Unclear);
    assert_eq!(judged(4, |place| place % 5 == 0), Judgement::Fail, "eight in all worlds");
    assert_eq!(judged(4, |place| place < 4), Judgement::Unclear, "four at once in one of ten worlds");
    assert_eq!(judged(1, |place| place < 4), Judgement::Fail, "four of forty that have nothing in common");
}

#[test]
fn worlds_count_every_symbol_once_a_copy_and_as_many_as_asked() {
    let panel = learning::simulated_panel(4, 60);
    let settings = small(&[]);
    let worlds: Vec<_> =
        Worlds::new(Source::Candles(&panel), &settings, 10).ok().unwrap().map(|w| w.ok().unwrap()).collect();
    assert_eq!(worlds.iter().map(|world| world.counted.len()).collect::<Vec<_>>(), [4, 4, 2]);
    assert!(worlds[0].seed != worlds[1].seed);
    let two = small(&["universe.top_n=3"]);
    let parts: Vec<_> = Worlds::new(Source::Candles(&panel), &two, 6).ok().unwrap().map(|w| w.ok().unwrap()).collect();
    assert_eq!(parts.iter().map(|world| world.counted.len()).collect::<Vec<_>>(), [2, 2, 2], "no more than a run has");
    assert!(parts[0].seed != parts[1].seed, "each is shuffled by itself");
    let once: Vec<usize> = Worlds::once(Source::Candles(&panel), &two, 100, 0.0)
        .ok()
        .unwrap()
        .map(|world| world.ok().unwrap().counted.len())
        .collect();
    assert_eq!(once, [2, 2]);
    let short = learning::simulated_panel(4, 20);
    let Err(failure) = Worlds::new(Source::Candles(&short), &settings, 10) else { panic!("20 days hold no fold") };
    assert!(failure.error.to_string().contains("days too short"), "{}", failure.error);
}

#[test]
fn an_obvious_edge_is_found_and_a_verdict_that_finds_nothing_fails() {
    let lenient =
        small(&["approve.min_trades=5", "approve.min_sharpe=0.1", "approve.min_win_rate=0.3", "models.rounds=40"]);
    let found = power::run(Source::Simulated, &lenient, &Compute::cpu(), 10, 0.05, &[6.0], &step()).ok().unwrap();
    let point = &found.points[0];
    assert!((point.best_t - 6.0).abs() < 1.0, "{point:?}");
    assert!(point.t_test_share > 0.9 && point.correlation > 0.2 && point.share >= 0.5, "{point:?}");
    assert_eq!(found.judgement(), Judgement::Unclear, "ten symbols are too few to pass");
    let strict = learning::settings(&[&SMALL[..], &["universe.top_n=2", "approve.min_sharpe=100"]].concat());
    let sizes = [6.0, 90_000.0];
    let missed = power::run(Source::Simulated, &strict, &Compute::cpu(), 12, 0.05, &sizes, &step()).ok().unwrap();
    assert_eq!((missed.points.len(), missed.points[0].worlds), (1, 6));
    assert_eq!(missed.unreachable, [90_000.0]);
    assert_eq!((missed.points[0].share, missed.judgement()), (0.0, Judgement::Fail));
    assert_eq!(missed.faults().len(), 1, "{:?}", missed.faults());

    let audit = report::Audit {
        simulated: true,
        symbols: 10,
        timeframe: "1h".into(),
        settings_digest: String::new(),
        look_ahead: None,
        recursion: None,
        noise: None,
        blocks: None,
        power: Some(missed),
        promise: None,
    };
    assert!(audit.failed());
    assert!(audit.details().iter().any(|line| line.contains("90000")), "{:?}", audit.details());
    let page = page::page(&audit);
    assert!(page.contains("<svg") && page.contains("FAIL") && page.contains("Simulated market"), "{page}");
}

#[test]
fn the_command_audits_a_folder_and_says_by_its_exit_code_whether_a_check_failed() {
    let folder = tempfile::tempdir().unwrap();
    for (seed, name) in [(1, "BTC-USDT"), (2, "ETH-USDT"), (3, "AAA-USDT")] {
        let candles = cli::csv_candles(&cli::walk(seed, 60 * 24, 100.0), huracan::bars::HOUR_MS);
        cli::write(folder.path(), &format!("candles/{name}.csv"), &candles);
    }
    let small: String = SMALL.iter().map(|set| format!(" --set {set}")).collect();
    let sound = cli::huracan(
        folder.path(),
        &format!("audit --candles candles --only look-ahead,recursion --json --out out{small}"),
    );
    sound.expect(0, &[]);
    let found = sound.json();
    assert_eq!((&found["failed"], &found["audit"]["simulated"]), (&false.into(), &false.into()));
    let verdicts: Vec<&str> =
        found["checks"].as_array().unwrap().iter().map(|c| c["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["pass", "pass"]);
    assert!(found["audit"]["look_ahead"]["stages"]["features"]["values"].as_u64().unwrap() > 1_000_000);
    assert!(folder.path().join("out/audit.html").exists() && folder.path().join("out/audit.json").exists());

    let lenient: String = LENIENT.iter().map(|set| format!(" --set {set}")).collect();
    // A calibrated model does not trade on noise. The voters do.
    let costless = " --set decide.mode=consensus --set costs.fee_bps=0 --set costs.spread_bps=0 --set costs.safety_margin_bps=0 --set costs.slippage_cap_bps=0 \
         --set costs.stop_slippage_bps=0";
    let lucky = cli::huracan(
        folder.path(),
        &format!("audit --candles candles --only noise --symbols 9{small}{lenient}{costless}"),
    );
    lucky.expect(1, &[]);
    assert!(
        lucky.out.contains("FAIL") && lucky.out.contains("9 approved") && lucky.out.contains("noise in blocks"),
        "{}",
        lucky.out
    );

    cli::huracan(folder.path(), &format!("audit --candles candles --set market.timeframe=30m{small}")).expect(3, &[]);
    cli::huracan(folder.path(), "audit --only luck").expect(2, &["luck", "look-ahead"]);
    cli::huracan(folder.path(), &format!("audit --edges 0{small}")).expect(2, &["--edges"]);
}
