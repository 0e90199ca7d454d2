//! What unit tests of several modules share: small panels of one price, labels by hand, and symbols as if they had been trained.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use huracan_bars::{Candles, HOUR_MS, Panel, Timeframe};
use huracan_decide::{DecideParams, Head};
use huracan_features::{VIEW_COUNT, View, view_columns};
use huracan_folds::{Fold, FoldParams};
use huracan_labels::Labels;
use huracan_risk::RiskParams;
use huracan_shadow::{BarrierParams, CostParams, ExitReason, MarketType};

use super::{
    ApprovalParams, EdgeTrees, FoldOutcome, ModelParams, ModelScores, TrainedSymbol, TrainerParams, VerdictParams,
};

/// Hourly bars of some symbols, from 1970-01-01 on, all at one price.
pub fn panel(symbols: usize, bars: usize) -> Panel {
    let candles = |symbol: usize| {
        let mut candles = Candles::default();
        (0..bars as i64).for_each(|bar| candles.push(bar * HOUR_MS, [100.0; 4], 1e6));
        (format!("C{symbol}-USDT"), candles)
    };
    Panel::new((0..symbols).map(candles).collect(), Timeframe::H1, 1, false).unwrap()
}

/// A view in which the ATR is 1 % of every close.
pub fn view(panel: &Panel) -> View {
    let values = vec![f32::NAN; panel.symbols.len() * panel.bars * VIEW_COUNT].into();
    let mut view = View { bars: panel.bars, values };
    view.values.iter_mut().skip(view_columns::ATR_SHARE).step_by(VIEW_COUNT).for_each(|share| *share = 0.01);
    view
}

/// No labels yet.
pub fn labels(panel: &Panel) -> Labels {
    let cells = panel.symbols.len() * panel.bars * 2;
    Labels {
        bars: panel.bars,
        return_bps: vec![f64::NAN; cells],
        exit_bar: vec![0; cells],
        exit_reason: vec![ExitReason::Time; cells],
        borrow_bps_per_bar: 0.0,
    }
}

/// Labels a bar on both sides: net results (long, short), basis points, and the bar at which both leave.
pub fn label(labels: &mut Labels, symbol: usize, bar: usize, results: (f64, f64), exit_bar: usize) {
    let cell = (symbol * labels.bars + bar) * 2;
    (labels.return_bps[cell], labels.return_bps[cell + 1]) = results;
    labels.exit_bar[cell..cell + 2].fill(exit_bar as u32);
}

/// A fold of these windows.
pub fn fold(index: usize, train: Range<usize>, test: Range<usize>) -> Fold {
    Fold { index, train, validation: 0..0, purge: 0..0, test }
}

/// A symbol as if it had been trained on these folds. The means of its labels are those given, over so many rows.
pub fn trained(symbol: &str, folds: &[Fold], latest: Fold, means: [f64; Head::COUNT], rows: usize) -> TrainedSymbol {
    let scores = ModelScores { means, ..ModelScores::default() };
    let outcome = |fold: &Fold| FoldOutcome {
        fold: fold.clone(),
        train_rows: rows,
        rounds: BTreeMap::new(),
        validation_loss: BTreeMap::new(),
        test_loss: BTreeMap::new(),
        digests: BTreeMap::new(),
        own_digests: BTreeMap::new(),
        params: BTreeMap::new(),
        tuned: BTreeMap::new(),
        scores: scores.clone(),
        calibration: None,
        predictions: Vec::new(),
        edge_trees: EdgeTrees::default(),
        families: BTreeMap::new(),
        mix: BTreeMap::new(),
    };
    TrainedSymbol {
        symbol: symbol.to_owned(),
        folds: folds.iter().map(outcome).collect(),
        latest,
        train_rows: rows,
        heads: Arc::default(),
        params: BTreeMap::new(),
        digests: BTreeMap::new(),
        other_families: BTreeMap::new(),
        mix: BTreeMap::new(),
        latest_scores: scores.clone(),
        calibration: None,
        seconds: BTreeMap::new(),
    }
}

/// The default parameters.
pub fn params() -> TrainerParams {
    TrainerParams {
        market: MarketType::Spot,
        barriers: BarrierParams::default(),
        folds: FoldParams::default(),
        models: ModelParams::default(),
        decide: DecideParams::default(),
        costs: CostParams::default(),
        risk: RiskParams::default(),
        approve: ApprovalParams::default(),
        verdict: VerdictParams::default(),
        nights: 1.0,
        seed: 7,
    }
}
