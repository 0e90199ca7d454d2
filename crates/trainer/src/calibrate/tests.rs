use super::*;
use huracan_bars::{Candles, HOUR_MS, Timeframe};
use huracan_decide::DecideParams;
use huracan_features::VIEW_COUNT;
use huracan_folds::FoldParams;
use huracan_labels::Labels;
use huracan_risk::RiskParams;
use huracan_shadow::{BarrierParams, CostParams, ExitReason, MarketType, Rules};

use crate::{ApprovalParams, ModelParams, ModelScope, VerdictParams};

const BARS: usize = 300;
/// First bar of the second test window.
const BOUNDARY: usize = 224;

/// A coin alone, whose trees stop early: only test rows of earlier folds count.
fn params() -> TrainerParams {
    TrainerParams {
        market: MarketType::Spot,
        barriers: BarrierParams::default(),
        folds: FoldParams::default(),
        models: ModelParams { scope: ModelScope::Coin, demean: false, ..ModelParams::default() },
        decide: DecideParams::default(),
        costs: CostParams::default(),
        risk: RiskParams::default(),
        approve: ApprovalParams::default(),
        verdict: VerdictParams::default(),
        nights: 1.0,
        seed: 1,
    }
}

fn fold(index: usize, train: std::ops::Range<usize>, test: std::ops::Range<usize>) -> Fold {
    let validation = train.end - 20..train.end;
    Fold { index, train: train.start..validation.start, validation, purge: train.end..test.start, test }
}

/// Scores of a fold's rows, which say nothing.
fn scores(fold: &Fold) -> FoldScores {
    let score = |bar: usize| [((bar * 7) % 13) as f64 / 13.0 - 0.5; Head::COUNT];
    FoldScores {
        validation: fold.validation.clone().map(score).collect(),
        test: fold.test.clone().map(score).collect(),
    }
}

/// The slopes of the edge in both folds and of the final model, with the outcomes of some bars changed.
fn slopes_with(changed: std::ops::Range<usize>) -> [Slopes; 3] {
    let mut candles = Candles::default();
    (0..BARS).for_each(|bar| candles.push(bar as i64 * HOUR_MS, [100.0; 4], 1.0));
    let panel = Panel::new(vec![("A-USD".to_owned(), candles)], Timeframe::H1, 1, false).unwrap();
    let earned = |bar: usize| ((bar * 11) % 29) as f64 - 14.0 + if changed.contains(&bar) { 500.0 } else { 0.0 };
    let labels = Labels {
        bars: BARS,
        return_bps: (0..BARS).flat_map(|bar| [earned(bar), -earned(bar)]).collect(),
        exit_bar: (0..BARS).flat_map(|bar| [bar as u32 + 1; 2]).collect(),
        exit_reason: vec![ExitReason::Time; 2 * BARS],
        borrow_bps_per_bar: 0.0,
    };
    let mut view = View { bars: BARS, values: vec![0.0; BARS * VIEW_COUNT].into() };
    (0..BARS).for_each(|bar| view.values[bar * VIEW_COUNT + view_columns::ATR_SHARE] = 0.01);
    let params = params();
    let targets = Targets::of(&panel, &labels, &view, &[0], &Rules::default(), &params.models);
    let folds = [fold(0, 0..120, 124..BOUNDARY), fold(1, 100..220, BOUNDARY..BARS)];
    let latest = Fold { train: 170..276, validation: 280..BARS, purge: BARS..BARS, ..Fold::EMPTY };
    let mut own = crate::fixtures::trained("A-USD", &folds, latest, [0.5, 0.5, 0.0], 80);
    own.folds.iter_mut().for_each(|outcome| outcome.scores.all = scores(&outcome.fold));
    own.latest_scores = ModelScores::default();
    let mut trained = BTreeMap::from([(0, own)]);
    all(&params, &panel, &view, &targets, &[], &mut trained);
    let own = &trained[&0];
    let [first, second] = own.folds.as_slice() else { panic!("two folds") };
    [first.calibration, second.calibration, own.calibration].map(|found| found.unwrap().head(Head::EdgeBps).slopes)
}

/// A label that begins within its horizon of a test window may end within it.
#[test]
fn rows_whose_label_may_reach_into_the_test_window_do_not_count() {
    let horizon = BarrierParams::default().horizon_bars();
    let known = BOUNDARY - horizon;
    let before = slopes_with(0..0);
    assert_eq!(before.map(|slopes| slopes.rows), [0, (known - 124) as u64, (BARS - 124) as u64]);
    let unknown = slopes_with(known..BARS);
    assert_eq!(unknown[..2], before[..2], "outcomes that were not known yet");
    assert_ne!(unknown[2], before[2], "the final model is later than all of them");
    assert_ne!(slopes_with(known - 1..known)[1], before[1], "the newest outcome that was known");
}
