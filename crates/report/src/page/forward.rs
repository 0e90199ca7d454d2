//! What models that were handed over have done since.

use super::text::{bps, grouped, number};
use crate::{ForwardSum, ReportData};

pub(super) struct Row {
    pub symbol: String,
    /// Trades, days, predicted, realised, realised less predicted, net, t, challenger, verdict.
    pub cells: [String; 9],
}

/// All coins together, then each coin; empty without a trade that has ended.
pub(super) fn rows(data: &ReportData) -> Vec<Row> {
    let forward = &data.forward;
    if forward.all.trades == 0 {
        return Vec::new();
    }
    let verdict = |lost: bool, approved: bool| match (lost, approved) {
        (true, _) => "approval lost",
        (false, true) => "approved",
        (false, false) => "rejected",
    };
    let all = Row { symbol: "All coins".to_owned(), cells: cells(&forward.all, "") };
    let coins = forward
        .coins
        .iter()
        .map(|coin| Row { symbol: coin.symbol.clone(), cells: cells(&coin.sum, verdict(coin.lost, coin.approved)) });
    std::iter::once(all).chain(coins).collect()
}

fn cells(sum: &ForwardSum, verdict: &str) -> [String; 9] {
    // The error is that of the difference, not that of the outcomes.
    let difference = sum.gross_bps.zip(sum.predicted_bps).map(|(realised, predicted)| realised - predicted);
    let less = match sum.error_bps {
        Some(error) => format!("{} ± {error:.1}", bps(difference)),
        None => bps(difference),
    };
    let challenger = match sum.challenged {
        0 => bps(sum.challenger_bps),
        count => format!("{} ({})", bps(sum.challenger_bps), grouped(count as f64)),
    };
    [
        grouped(sum.trades as f64),
        grouped(sum.days as f64),
        bps(sum.predicted_bps),
        bps(sum.gross_bps),
        less,
        bps(sum.net_bps),
        number(sum.t),
        challenger,
        verdict.to_owned(),
    ]
}

/// Whether the models that are handed over keep their word, in words.
pub(super) fn verdict(data: &ReportData) -> String {
    let all = &data.forward.all;
    let open = match data.forward.open {
        0 => String::new(),
        1 => " One trade has not ended yet.".to_owned(),
        more => format!(" {} trades have not ended yet.", grouped(more as f64)),
    };
    let kept = match all.t {
        _ if all.trades == 0 => {
            "No trade of a model that was handed over has ended yet: each run scores the approved models of earlier runs on the bars that have arrived since."
        }
        None => "There are too few days to compare predictions with outcomes.",
        Some(t) if t < -2.0 => "The models earn less than they promised, by more than two standard errors.",
        Some(t) if t > 2.0 => "The models earn more than they promised, by more than two standard errors.",
        Some(_) => "The outcomes lie within two standard errors of the predictions.",
    };
    let better = match (all.champion_error, all.challenger_error) {
        (Some(champion), Some(challenger)) if challenger < champion => {
            format!(
                " On the same bars this run's models err less than those that were handed over: {challenger:.1} against {champion:.1} bps."
            )
        }
        (Some(champion), Some(challenger)) => {
            format!(
                " On the same bars this run's models do not err less than those that were handed over: {challenger:.1} against {champion:.1} bps."
            )
        }
        _ => String::new(),
    };
    format!("{kept}{better}{open}")
}
