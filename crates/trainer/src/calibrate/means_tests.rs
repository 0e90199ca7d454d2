use super::*;
use crate::fixtures::{self, label, labels, panel, trained};
use crate::{ModelParams, Unit};
use huracan_shadow::Rules;

/// Three coins with edges of 1, 2 and 6 ATR on the first ten bars. The third one is too young for a fold.
fn world() -> (Panel, Targets, View, BTreeMap<usize, TrainedSymbol>) {
    let panel = panel(3, 40);
    let view = fixtures::view(&panel);
    let mut labels = labels(&panel);
    for (symbol, edge_bps) in [(0, 100.0), (1, 200.0), (2, 600.0)] {
        (0..10).for_each(|bar| label(&mut labels, symbol, bar, (edge_bps, -edge_bps), bar + 2));
    }
    let params = ModelParams { demean: false, ..ModelParams::default() };
    let targets = Targets::of(&panel, &labels, &view, &[0, 1, 2], &Rules::default(), &params);
    let fold = fixtures::fold(0, 0..10, 20..30);
    let latest = fixtures::fold(1, 5..10, 0..0);
    let own = |symbol: usize| {
        trained(&panel.symbols[symbol], std::slice::from_ref(&fold), latest.clone(), [0.75, 0.25, 3.0], 30)
    };
    let trained = (0..2).map(|symbol| (symbol, own(symbol))).collect();
    (panel, targets, view, trained)
}

#[test]
fn the_drift_and_the_base_rates_of_a_pool_come_from_the_same_rows() {
    let (_, targets, view, trained) = world();
    let pool = UnitFolds { unit: Unit::pool(&[0, 1, 2]), folds: Vec::new() };
    let means = Means::of(&targets, &view, Some(&pool), &trained);
    for mean in [means.get(Some(0)), means.get(None)] {
        // The young coin is among the pool's rows, as it is in the mean of their labels.
        assert!((mean.drift_bps - 300.0).abs() < 1e-3 && (mean.edge - 3.0).abs() < 1e-6, "{mean:?}");
        assert!((mean.offsets[0] - log_odds(0.75)).abs() < 1e-12);
        assert_eq!(mean.offsets[2], 0.0);
    }
}

#[test]
fn coins_with_models_of_their_own_each_add_their_rows() {
    let (_, targets, view, trained) = world();
    let means = Means::of(&targets, &view, None, &trained);
    for mean in [means.get(Some(0)), means.get(None)] {
        assert!((mean.drift_bps - 150.0).abs() < 1e-3 && (mean.edge - 1.5).abs() < 1e-6, "{mean:?}");
    }
}
