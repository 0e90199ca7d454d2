//! Results as bytes, for comparisons of their bits.

use crate::boost::{Cuts, Forest};
use crate::decide::{Consensus, Opinion, Prediction};
use crate::labels::Labels;
use crate::shadow::Trade;
use crate::trainer::WalkForwardResult;

pub fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_bits().to_le_bytes()).collect()
}

pub fn f64s(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_bits().to_le_bytes()).collect()
}

/// Exits of missing labels are left out: they are undefined.
pub fn labels(labels: &Labels) -> Vec<u8> {
    let mut bits = f64s(&labels.return_bps);
    for cell in (0..labels.return_bps.len()).filter(|&cell| !labels.return_bps[cell].is_nan()) {
        bits.extend(labels.exit_bar[cell].to_le_bytes());
        bits.push(labels.exit_reason[cell] as u8);
    }
    bits
}

pub fn consensus(consensus: &Consensus) -> Vec<u8> {
    let mut bits = f32s(&consensus.hit_rates);
    let parts = |opinion: &Opinion| [opinion.score, opinion.threshold, opinion.confidence, opinion.expected_bps];
    bits.extend(f32s(&consensus.opinions.iter().flat_map(parts).collect::<Vec<_>>()));
    bits
}

pub fn trades(trades: &[Trade]) -> Vec<u8> {
    let one = |trade: &Trade| {
        let numbers = [
            trade.entry_price,
            trade.exit_price,
            trade.stop_price,
            trade.take_price,
            trade.size,
            trade.gross_bps,
            trade.fee_bps,
            trade.spread_bps,
            trade.slippage_bps,
            trade.funding_bps,
            trade.net_bps,
        ];
        let indices = [trade.symbol, trade.signal_bar, trade.entry_bar, trade.exit_bar];
        let mut bits = f64s(&numbers);
        bits.extend(indices.iter().flat_map(|&index| (index as u64).to_le_bytes()));
        bits.extend([trade.side as u8, trade.exit_reason as u8]);
        bits
    };
    trades.iter().flat_map(one).collect()
}

pub fn cuts(sets: &[Cuts]) -> Vec<u8> {
    let one = |cuts: &Vec<f32>| {
        let mut bits = (cuts.len() as u64).to_le_bytes().to_vec();
        bits.extend(f32s(cuts));
        bits
    };
    sets.iter().flat_map(|set| &set.cuts).flat_map(one).collect()
}

pub fn forests(forests: &[Forest]) -> Vec<u8> {
    forests.iter().flat_map(|forest| forest.digest().into_bytes()).collect()
}

/// All trades, and per model the digests of its forests and every prediction.
pub fn study(study: &WalkForwardResult) -> Vec<u8> {
    let mut bits = trades(&study.trades);
    for model in &study.models {
        bits.extend(model.trained.digests.values().flat_map(|digest| digest.as_bytes()));
        for prediction in model.trained.folds.iter().flat_map(|fold| &fold.predictions) {
            let Prediction { win_long, win_short, edge_bps, told_bps, lead } = *prediction;
            bits.extend(f64s(&[win_long, win_short, edge_bps, told_bps, lead]));
        }
    }
    bits
}
