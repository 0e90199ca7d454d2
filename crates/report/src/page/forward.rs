//! What models that earlier runs left behind have done since.

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
    let approved = Row { symbol: "Approved when handed over".to_owned(), cells: cells(&forward.approved, "") };
    let coins = forward
        .coins
        .iter()
        .map(|coin| Row { symbol: coin.symbol.clone(), cells: cells(&coin.sum, verdict(coin.lost, coin.approved)) });
    [all, approved].into_iter().chain(coins).collect()
}

fn cells(sum: &ForwardSum, verdict: &str) -> [String; 9] {
    // The error is that of the difference, not that of the outcomes.
    let difference = sum.realised_bps.zip(sum.predicted_bps).map(|(realised, predicted)| realised - predicted);
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
        bps(sum.realised_bps),
        less,
        bps(sum.net_bps),
        number(sum.t),
        challenger,
        verdict.to_owned(),
    ]
}

/// Whether models keep their word, in words.
pub(super) fn verdict(data: &ReportData) -> String {
    let all = &data.forward.all;
    let open = match data.forward.open {
        0 => String::new(),
        1 => " One trade has not ended yet.".to_owned(),
        more => format!(" {} trades have not ended yet.", grouped(more as f64)),
    };
    let kept = match all.t {
        _ if all.trades == 0 => {
            "No trade of a model that was handed over has ended yet: each run scores the models of earlier runs on the bars that have arrived since."
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
    let left_out = match data.forward.left_out {
        0 => String::new(),
        1 => " One model was made under other settings and is not scored.".to_owned(),
        more => format!(" {} models were made under other settings and are not scored.", grouped(more as f64)),
    };
    let missing = match data.forward.missing.as_slice() {
        [] => String::new(),
        coins => format!(
            " The models have also learned from {}, which this run does not have: what compares coins means something else to them now.",
            coins.join(", ")
        ),
    };
    format!("{kept}{better}{open}{left_out}{missing}")
}
