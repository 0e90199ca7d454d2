//! Comparison of model families, and the learning curve of the networks.

use super::text::{NONE, bps, grouped, number, percent, share, signed_share, words};
use crate::{FamilyLoss, FamilyRow, ReportData};

/// The row of a family, with every number as text.
pub(super) struct Row {
    pub name: String,
    /// Whether it is the blend of all families.
    pub together: bool,
    /// Column heading and number of each cell.
    pub cells: Vec<(String, String)>,
}

pub(super) fn rows(data: &ReportData) -> Vec<Row> {
    let one = |row: &FamilyRow| {
        let together = row.family == "together";
        let mut cells = vec![("Share, %".to_owned(), if together { NONE.into() } else { share(Some(row.share)) })];
        let loss = |loss: &FamilyLoss| (format!("Loss fell, {}, %", words(&loss.head)), signed_share(loss.gain));
        cells.extend(row.losses.iter().map(loss));
        let rest = [
            ("Trades", grouped(row.trades as f64)),
            ("Win rate, %", share(row.win_rate)),
            ("Mean net, bps", bps(row.mean_net_bps)),
            ("Return, %", signed_share(row.total_return)),
            ("Sharpe", number(row.sharpe)),
            ("Drawdown, %", share(row.max_drawdown)),
            ("Training, s", format!("{:.1}", row.seconds)),
        ];
        cells.extend(rest.map(|(label, cell)| (label.to_owned(), cell)));
        let name = match row.family.as_str() {
            "gbdt" => "Boosted trees".to_owned(),
            "forest" => "Random forest".to_owned(),
            "neural" => "Networks".to_owned(),
            "together" => "Together".to_owned(),
            other => words(other),
        };
        Row { name, together, cells }
    };
    data.families.iter().map(one).collect()
}

/// A sentence on what all families together add to the first one.
pub(super) fn verdict(data: &ReportData) -> String {
    let (Some(first), Some(together)) = (data.families.first(), data.families.last()) else { return String::new() };
    let gains: Vec<f64> = together.losses.iter().filter_map(|loss| loss.gain).collect();
    if gains.is_empty() {
        return String::new();
    }
    let gain = gains.iter().sum::<f64>() / gains.len() as f64;
    let extra = together.seconds - first.seconds;
    let side = if gain >= 0.0 { "below" } else { "above" };
    format!(
        "Together, the loss on the test windows is {} {side} that of the boosted trees alone (mean over the heads), \
         for {extra:.1} s more training.",
        percent(Some(gain.abs()))
    )
}

/// Mean training and validation loss of the networks per epoch, as a chart and as text.
pub(super) struct Learning {
    pub svg: String,
    pub text: String,
}

pub(super) fn learning(data: &ReportData) -> Option<Learning> {
    let losses = &data.epochs;
    let finite = losses.iter().all(|(train, valid)| train.is_finite() && valid.is_finite());
    let ([first, .., last], true) = (losses.as_slice(), finite) else { return None };
    let (width, height, margin) = (320.0, 110.0, 6.0);
    let all = losses.iter().flat_map(|(train, valid)| [*train, *valid]);
    let (low, high) = all.fold((f64::MAX, f64::MIN), |(low, high), loss| (low.min(loss), high.max(loss)));
    let position = |epoch: usize, loss: f64| {
        let x = margin + epoch as f64 / (losses.len() - 1) as f64 * (width - 2.0 * margin);
        (x, margin + (high - loss) / (high - low).max(1e-12) * (height - 2.0 * margin))
    };
    let path = |of: fn(&(f64, f64)) -> f64| {
        let step = |(epoch, losses): (usize, &(f64, f64))| {
            let (x, y) = position(epoch, of(losses));
            format!("{}{x:.1},{y:.1}", if epoch == 0 { "M" } else { " L" })
        };
        losses.iter().enumerate().map(step).collect::<String>()
    };
    let best = (0..losses.len()).min_by(|&a, &b| losses[a].1.total_cmp(&losses[b].1)).unwrap_or(0);
    let (x, y) = position(best, losses[best].1);
    let text = format!(
        "{} epochs: training loss {:.4} to {:.4} (dashed; with dropout and smoothed labels), validation loss {:.4} to \
         {:.4}, lowest in epoch {} with {:.4}. Each network keeps its best epoch.",
        losses.len(),
        first.0,
        last.0,
        first.1,
        last.1,
        best + 1,
        losses[best].1
    );
    let svg = format!(
        "<svg class=\"learning\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"Loss of the networks by epoch\">\
         <path class=\"s-grid\" d=\"M0,{y:.1} H{width}\"/>\
         <path class=\"s-other\" fill=\"none\" stroke-width=\"1.5\" d=\"{}\"/>\
         <path class=\"s-line\" fill=\"none\" stroke-width=\"2\" d=\"{}\"/><circle class=\"s-dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/></svg>",
        path(|losses| losses.0),
        path(|losses| losses.1)
    );
    Some(Learning { svg, text })
}
