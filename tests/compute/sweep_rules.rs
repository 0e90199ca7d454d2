//! The sweep makes the trades of the simulator and of a plain one that knows nothing of either.

#[path = "sweep_rules/market.rs"]
mod made;
#[path = "sweep_rules/plain.rs"]
mod plain;

use std::ops::Range;

use huracan::bars::Panel;
use huracan::shadow::sweep::{self, Grid, GridError, Setting, Tally, Task};
use huracan::shadow::{ExitReason, Rules, Signals, Trade, simulate};
use proptest::prelude::*;

fn rules() -> Rules {
    Rules { stop_atr: 1.0, take_atr: 1.0, max_hold: 1, funding_bps_per_bar: 0.25, shorts: true, ..Rules::default() }
}

/// What the simulator makes of the signals and rules of one setting.
fn simulated(
    panel: &Panel,
    scores: &[f32],
    atr: &[f64],
    windows: &[Vec<Range<usize>>],
    setting: Setting,
    rules: &Rules,
) -> Vec<Trade> {
    let mut signals = Signals::none(panel.symbols.len(), panel.bars);
    for (side, &score) in signals.side.iter_mut().zip(scores) {
        if score.abs() >= setting.threshold {
            *side = if score > 0.0 {
                1
            } else if score < 0.0 {
                -1
            } else {
                0
            };
        }
    }
    let Setting { stop_atr, take_atr, max_hold, .. } = setting;
    simulate(panel, &signals, atr, windows, &Rules { stop_atr, take_atr, max_hold, ..*rules })
}

/// What the trades of one symbol add up to.
fn sums(trades: &[Trade], symbol: usize) -> Tally {
    let mut tally = Tally::default();
    for trade in trades.iter().filter(|trade| trade.symbol == symbol) {
        let [net, gross] = [trade.net_bps, trade.gross_bps].map(|bps| (bps * 1024.0).round() as i64);
        tally.trades += 1;
        tally.wins += u64::from(net > 0);
        tally.hold_bars += (trade.exit_bar - trade.entry_bar) as u64;
        tally.net += net;
        tally.gross += gross;
        tally.profit += if net > 0 { net } else { 0 };
        tally.net_squares += (net * net / 1024) as u64;
    }
    tally
}

/// An ascending list of up to `most` values, multiples of `step`, so that barriers often lie exactly on prices.
fn levels(most: usize, step: f64, up_to: u32) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::btree_set(1..=up_to, 1..=most)
        .prop_map(move |set| set.into_iter().map(|n| f64::from(n) * step).collect())
}

fn holds() -> impl Strategy<Value = Vec<usize>> {
    let hold = prop_oneof![4 => 1_usize..30, 1 => 30_usize..3000, 1 => Just(usize::MAX)];
    prop::collection::btree_set(hold, 1..5).prop_map(|set| set.into_iter().collect())
}

fn thresholds() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::btree_set(0_u8..20, 1..5).prop_map(|set| set.into_iter().map(|n| f32::from(n) / 16.0).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_setting_makes_the_trades_of_the_simulators(
        seed in any::<u64>(),
        count in 2_usize..500,
        symbols in 1_usize..4,
        often in 0.01_f64..1.0,
        gap in 0.0_f64..20.0,
        thresholds in thresholds(),
        stop_atr in levels(4, 0.25, 12),
        take_atr in levels(4, 0.25, 12),
        max_hold in holds(),
        cuts in prop::collection::vec(0.0_f64..1.0, 0..4),
        shorts in any::<bool>(),
    ) {
        let market = made::market(seed, symbols, count, often, gap);
        let (panel, scores, atr) = (&market.panel, &market.scores, &market.atr);
        let mut edges: Vec<usize> = cuts.iter().map(|cut| (cut * count as f64) as usize).chain([0, count]).collect();
        edges.sort_unstable();
        let windows = vec![edges.windows(2).map(|w| w[0]..w[1]).collect::<Vec<_>>(); symbols];
        let (grid, rules) = (Grid { thresholds, stop_atr, take_atr, max_hold }, Rules { shorts, ..rules() });
        let task = Task { panel, scores, atr, windows: &windows, rules: &rules, grid: &grid };
        let surface = sweep::sweep(task, &|_, _| ()).unwrap();
        for setting in 0..grid.len() {
            let chosen = grid.setting(setting);
            let want = simulated(panel, scores, atr, &windows, chosen, &rules);
            let mut days = vec![0_i64; surface.days];
            for trade in &want {
                let day = (panel.time_ms(trade.exit_bar) - panel.time_ms(0)).div_euclid(86_400_000) as usize;
                days[day] += (trade.net_bps * 1024.0).round() as i64;
            }
            for (symbol, own_windows) in windows.iter().enumerate() {
                let got = surface.by_symbol[symbol * grid.len() + setting];
                prop_assert_eq!(got, sums(&want, symbol), "{:?}", chosen);
                let own: Vec<&Trade> = want.iter().filter(|trade| trade.symbol == symbol).collect();
                let mut at = 0;
                for window in own_windows {
                    let plain = plain::trades(&market, symbol, window.clone(), chosen, &rules);
                    for trade in plain {
                        prop_assert!(at < own.len());
                        plain::check(&trade, own[at], window.start);
                        at += 1;
                    }
                }
                prop_assert_eq!(at, own.len());
            }
            prop_assert_eq!(&surface.net_of_day[setting * surface.days..(setting + 1) * surface.days], &days[..]);
            prop_assert_eq!(sweep::trades(task, setting).unwrap(), want);
        }
    }
}

#[test]
fn the_random_markets_end_trades_in_every_way_and_refuse_some() {
    let market = made::market(7, 3, 3000, 0.4, 12.0);
    let whole = vec![vec![0..3000]; 3];
    let grid = Grid {
        thresholds: vec![0.25, 0.75],
        stop_atr: vec![0.5, 1.5],
        take_atr: vec![1.0, 3.0],
        max_hold: vec![3, 200],
    };
    let rules = rules();
    let task = Task {
        panel: &market.panel,
        scores: &market.scores,
        atr: &market.atr,
        windows: &whole,
        rules: &rules,
        grid: &grid,
    };
    for setting in 0..grid.len() {
        let trades = sweep::trades(task, setting).unwrap();
        let at_open = |trade: &Trade| trade.exit_price == market.panel.open[trade.symbol * 3000 + trade.exit_bar];
        for reason in [ExitReason::StopLoss, ExitReason::TakeProfit] {
            for open in [true, false] {
                let found = trades.iter().any(|t| t.exit_reason == reason && at_open(t) == open);
                assert!(found, "{reason} at open {open} in setting {setting}");
            }
        }
        let ended = |reason| trades.iter().filter(|t| t.exit_reason == reason).count();
        assert!(ended(ExitReason::SignalReversal) > 10 && trades.len() > 100);
        assert!(grid.setting(setting).max_hold > 100 || ended(ExitReason::Time) > 10);
    }
    let missing = |symbol: usize| (0..3000).any(|bar| market.atr[symbol * 3000 + bar].is_nan());
    assert!(missing(0), "some signals have no ATR");
}

#[test]
fn results_do_not_depend_on_threads() {
    let market = made::market(11, 3, 2000, 0.5, 5.0);
    let windows = vec![vec![0..700, 700..2000]; 3];
    let grid = Grid {
        thresholds: vec![0.0, 0.25, 0.5, 0.75],
        stop_atr: vec![0.5, 1.0, 2.0],
        take_atr: vec![0.5, 1.0, 2.0],
        max_hold: vec![4, 24],
    };
    let rules = rules();
    let (panel, scores, atr) = (&market.panel, &market.scores, &market.atr);
    let task = Task { panel, scores, atr, windows: &windows, rules: &rules, grid: &grid };
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| sweep::sweep(task, &|_, _| ()).unwrap())
    };
    let one = with(1);
    assert!(one.by_symbol.iter().all(|tally| tally.trades > 0));
    for threads in [2, 3, 16] {
        assert_eq!(with(threads), one, "{threads} threads");
    }
}

/// Trades of +100, −50, +30 and −20 bps on days 0, 0, 1 and 3 of four: worked out by hand.
#[test]
fn figures_of_a_setting_are_those_worked_out_by_hand() {
    let tally = Tally {
        trades: 4,
        wins: 2,
        hold_bars: 10,
        net: 60 * 1024,
        gross: 100 * 1024,
        profit: 130 * 1024,
        net_squares: 13_800 * 1024,
    };
    // Of twelve days, ten have trades.
    let days = [50, 30, 0, -20, 20, -10, 20, -20, 20, -20, -10, 0].map(|bps: i64| bps * 1024);
    let judged = sweep::SettingMetrics::new(&tally, &days);
    assert_eq!((judged.trades, judged.win_rate, judged.hold_bars), (4, 0.5, 2.5));
    assert_eq!((judged.net_bps, judged.gross_bps, judged.cost_bps), (15.0, 25.0, 10.0));
    assert_eq!(judged.profit_factor, 130.0 / 70.0);
    // √((13,800 − 4·15²)/3) = √4,300
    assert!((judged.deviation_bps - 65.574_385_243).abs() < 1e-9);
    // Mean 5, squares 6,000 − 12·5² = 5,700, error √(5,700/11/12) = 6.5712874
    assert!((judged.t_statistic - 0.760_885_91).abs() < 1e-8, "{}", judged.t_statistic);
    assert_eq!(judged.worst_fall_bps, 30.0);
    let few = sweep::SettingMetrics::new(&tally, &days[..10]);
    assert!(few.t_statistic.is_nan(), "nine days with trades say too little");

    let nothing = sweep::SettingMetrics::new(&Tally::default(), &[0, 0]);
    assert!(nothing.net_bps.is_nan() && nothing.t_statistic.is_nan() && nothing.profit_factor.is_nan());
    assert_eq!(nothing.worst_fall_bps, 0.0);
}

#[test]
fn a_grid_that_cannot_be_traded_is_refused_by_list_and_value() {
    let good = Grid { thresholds: vec![0.5], stop_atr: vec![1.0], take_atr: vec![1.0], max_hold: vec![5] };
    assert_eq!(good.check(), Ok(()));
    let said = |change: fn(&mut Grid)| {
        let mut grid = good.clone();
        change(&mut grid);
        grid.check().unwrap_err().to_string()
    };
    for (said, words) in [
        (said(|grid| grid.thresholds.clear()), vec!["thresholds", "at least one"]),
        (said(|grid| grid.thresholds = vec![f32::NAN]), vec!["thresholds", "NaN", "finite"]),
        (said(|grid| grid.thresholds = vec![-0.5, 0.5]), vec!["thresholds", "-0.5", "value 1"]),
        (said(|grid| grid.stop_atr = vec![1.0, 0.0]), vec!["stops", "0 is value 2", "above 0"]),
        (said(|grid| grid.stop_atr = vec![f64::INFINITY]), vec!["stops", "inf"]),
        (said(|grid| grid.take_atr = vec![2.0, 1.0]), vec!["takes", "1 comes after 2", "ascending"]),
        (said(|grid| grid.take_atr = vec![2.0, 2.0]), vec!["takes", "2 comes after 2", "once"]),
        (said(|grid| grid.max_hold = vec![0]), vec!["holds", "0 is value 1", "1 or above"]),
        (
            said(|grid| {
                grid.max_hold = (1..=100_000).collect();
                grid.thresholds = (0..100).map(|n| n as f32).collect();
            }),
            vec!["10000000 settings", "100 thresholds", "100000 holds", "shorter"],
        ),
    ] {
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
    let market = made::market(1, 1, 10, 0.5, 1.0);
    let bad = Grid { max_hold: Vec::new(), ..good };
    let (panel, scores, atr) = (&market.panel, &market.scores, &market.atr);
    let windows = vec![panel.ranges.clone()];
    let task = Task { panel, scores, atr, windows: &windows, rules: &rules(), grid: &bad };
    assert_eq!(sweep::sweep(task, &|_, _| ()), Err(GridError::Empty { list: "holds" }));
}
