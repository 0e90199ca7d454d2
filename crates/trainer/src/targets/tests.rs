use super::*;
use crate::fixtures::{label, labels, panel, view};

const EDGE: Head = Head::EdgeBps;

fn params() -> ModelParams {
    ModelParams { demean: false, uniqueness: false, half_life_days: 0.0, ..ModelParams::default() }
}

fn all(panel: &Panel) -> Vec<usize> {
    (0..panel.symbols.len()).collect()
}

/// Targets of one symbol with an edge of 1 ATR at each (bar, exit bar).
fn one_coin(bars: usize, spans: &[(usize, usize)]) -> (Targets, Unit) {
    let panel = panel(1, bars);
    let mut labels = labels(&panel);
    spans.iter().for_each(|&(bar, exit)| label(&mut labels, 0, bar, (100.0, -100.0), exit));
    let targets = Targets::of(&panel, &labels, &view(&panel), &[0], &Rules::default(), &params());
    (targets, Unit::coin(&panel, 0))
}

fn near(found: &[f32], known: &[f64]) {
    let equal = found.iter().zip(known).all(|(&found, known)| (f64::from(found) - known).abs() < 1e-6);
    assert!(found.len() == known.len() && equal, "{found:?} {known:?}");
}

#[test]
fn heads_learn_wins_and_half_the_difference_of_both_sides_in_atr() {
    let panel = panel(1, 10);
    let mut labels = labels(&panel);
    label(&mut labels, 0, 2, (150.0, -250.0), 5);
    label(&mut labels, 0, 3, (-20.0, 0.0), 6);
    let targets = Targets::of(&panel, &labels, &view(&panel), &[0], &Rules::default(), &params());
    let heads = |bar| Head::ALL.map(|head| targets.get(0, bar, head));
    // The ATR is 1 %: 100 basis points.
    assert_eq!(heads(2), [Some(1.0), Some(0.0), Some(2.0)]);
    // Nothing earned is no win.
    assert_eq!(heads(3), [Some(0.0), Some(0.0), Some(-0.1)]);
    assert_eq!(heads(4), [None; 3]);
    assert_eq!(targets.last_bar(0, 2, EDGE), 5);
}

#[test]
fn what_a_short_pays_for_borrowed_coins_is_no_edge_of_the_long_side() {
    let panel = panel(1, 10);
    let mut labels = labels(&panel);
    labels.borrow_bps_per_bar = 4.0;
    // Both sides lose costs of 10, and the short pays for five bars.
    label(&mut labels, 0, 2, (-10.0, -30.0), 8);
    let targets = Targets::of(&panel, &labels, &view(&panel), &[0], &Rules::default(), &params());
    assert_eq!(targets.get(0, 2, EDGE), Some(0.0));
}

#[test]
fn an_edge_is_bounded_at_four_times_the_larger_barrier() {
    let panel = panel(1, 10);
    let mut labels = labels(&panel);
    label(&mut labels, 0, 2, (1e6, -1e6), 5);
    label(&mut labels, 0, 3, (-1e6, 1e6), 5);
    label(&mut labels, 0, 4, (900.0, -900.0), 5);
    let of = |params: &ModelParams| {
        let rules = Rules { stop_atr: 1.5, take_atr: 2.5, ..Rules::default() };
        Targets::of(&panel, &labels, &view(&panel), &[0], &rules, params)
    };
    let targets = of(&params());
    assert_eq!([2, 3, 4].map(|bar| targets.get(0, bar, EDGE)), [Some(10.0), Some(-10.0), Some(9.0)]);
    // What predictions are held against has the same bound.
    assert_eq!(targets.outcome(0, 2, EDGE), Some(10.0));
}

#[test]
fn the_mean_of_a_bar_is_taken_off_where_five_coins_have_an_edge() {
    let panel = panel(6, 4);
    let mut labels = labels(&panel);
    for symbol in 0..5 {
        let edge_bps = 100.0 * (symbol + 1) as f64;
        label(&mut labels, symbol, 1, (edge_bps, -edge_bps), 2);
        if symbol < 4 {
            label(&mut labels, symbol, 2, (edge_bps, -edge_bps), 3);
        }
    }
    let demeaned = ModelParams { demean: true, ..params() };
    let targets = Targets::of(&panel, &labels, &view(&panel), &all(&panel), &Rules::default(), &demeaned);
    let edges = |bar| [0, 1, 2, 3, 4, 5].map(|symbol| targets.get(symbol, bar, EDGE));
    assert_eq!(edges(1), [Some(-2.0), Some(-1.0), Some(0.0), Some(1.0), Some(2.0), None]);
    assert_eq!(edges(2), [Some(1.0), Some(2.0), Some(3.0), Some(4.0), None, None]);
    // It is traded with the mean, and wins have none.
    assert_eq!(targets.outcome(4, 1, EDGE), Some(5.0));
    assert_eq!(targets.get(0, 1, Head::WinLong), Some(1.0));
    // Coins that are not among those given have no label, and do not count.
    let four = Targets::of(&panel, &labels, &view(&panel), &[0, 1, 2, 3], &Rules::default(), &demeaned);
    assert_eq!((four.get(0, 1, EDGE), four.get(4, 1, EDGE)), (Some(1.0), None));
}

#[test]
fn a_row_weighs_half_as_much_a_half_life_earlier() {
    let (targets, unit) = one_coin(60, &[(3, 5), (27, 29)]);
    let aged = ModelParams { half_life_days: 1.0, ..params() };
    let rows = targets.rows(&unit, &(0..50), EDGE, &aged);
    assert_eq!(rows.rows, [3, 27]);
    near(&rows.weights, &[2.0 / 3.0, 4.0 / 3.0]);
    // Where the window ends does not matter between rows.
    near(&targets.rows(&unit, &(0..60), EDGE, &aged).weights, &[2.0 / 3.0, 4.0 / 3.0]);
    // Rows so old that nothing is left of them weigh the same.
    let old = ModelParams { half_life_days: 1e-5, ..params() };
    near(&targets.rows(&unit, &(0..60), EDGE, &old).weights, &[1.0, 1.0]);
}

#[test]
fn rows_are_weighted_by_uniqueness_if_the_switch_is_on() {
    // Spans 1–3, 2–3 and 5–5, from the bar after the signal: a uniqueness of 2/3, 1/2 and 1, whose mean is 13/18.
    let (targets, unit) = one_coin(8, &[(0, 3), (1, 3), (4, 5)]);
    near(&targets.rows(&unit, &(0..8), EDGE, &params()).weights, &[1.0; 3]);
    let unique = ModelParams { uniqueness: true, ..params() };
    near(&targets.rows(&unit, &(0..8), EDGE, &unique).weights, &[12.0 / 13.0, 9.0 / 13.0, 18.0 / 13.0]);
    // Only the rows of the window share a label's bars.
    near(&targets.rows(&unit, &(1..8), EDGE, &unique).weights, &[1.0; 2]);
    // Both: the last row, four bars younger than the first, with a half-life of four bars.
    let both = ModelParams { half_life_days: 4.0 / 24.0, ..unique };
    let weights = targets.rows(&unit, &(0..8), EDGE, &both).weights;
    assert!((f64::from(weights[2] / weights[0]) - 3.0).abs() < 1e-5, "{weights:?}");
}

#[test]
fn weights_have_a_mean_of_1_over_all_coins_of_a_unit() {
    let panel = panel(2, 8);
    let mut labels = labels(&panel);
    // The labels of the first coin overlap, and that of the second stands alone.
    for (symbol, bar, exit) in [(0, 1, 4), (0, 2, 4), (1, 1, 4)] {
        label(&mut labels, symbol, bar, (100.0, -100.0), exit);
    }
    let unique = ModelParams { uniqueness: true, ..params() };
    let targets = Targets::of(&panel, &labels, &view(&panel), &all(&panel), &Rules::default(), &unique);
    let rows = targets.rows(&Unit::pool(&[0, 1]), &(0..8), Head::WinLong, &unique);
    assert_eq!(rows.rows, [1, 2, 9]);
    assert!((rows.weights.iter().sum::<f32>() - 3.0).abs() < 1e-6);
    // 2/3 and 1/2 of a label, and a whole one.
    near(&rows.weights, &[2.0 / 3.0, 0.5, 1.0].map(|own: f64| own * 3.0 / (13.0 / 6.0)));
}
