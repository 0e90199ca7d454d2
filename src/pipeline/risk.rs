//! The decisions of the risk rules, as rows of the brain and for the report.

use std::collections::HashSet;

use serde_json::json;

use super::day::{Day, time};
use super::learn::Learned;
use crate::bars::Panel;
use crate::brain::{BreakerRow, RefusalRow, TradeRow};
use crate::report::{BreakerSpan, RiskSummary};
use crate::risk::{Money, RiskRefused};

/// All refusals, with the `trade_id` of their trades in `trade_memory`, and all periods for which a breaker held.
pub fn rows(day: &Day, panel: &Panel, learned: &Learned) -> (Vec<RefusalRow>, Vec<BreakerRow>) {
    let refusals = learned.ledger.refused.iter().map(|refused| refusal(day, panel, learned, refused)).collect();
    let breaker = |span: BreakerSpan| BreakerRow {
        run_id: day.run.row.run_id.clone(),
        breaker: span.breaker,
        from_time: time(span.from_ms),
        to_time: time(span.to_ms),
        simulated: day.run.simulated,
    };
    (refusals, without_duplicates(spans(panel, learned)).map(breaker).collect())
}

/// Removes duplicates: the streaks of two coins may give equal spans, and so may one that ends and starts again within a
/// bar.
fn without_duplicates(spans: impl Iterator<Item = BreakerSpan>) -> impl Iterator<Item = BreakerSpan> {
    let mut seen = HashSet::new();
    spans.filter(move |span| seen.insert((span.breaker.clone(), span.from_ms, span.to_ms)))
}

fn refusal(day: &Day, panel: &Panel, learned: &Learned, refused: &RiskRefused) -> RefusalRow {
    let trade = &learned.offers[refused.order.trade].trade;
    let symbol = &panel.symbols[trade.symbol];
    let fold = learned.prediction(trade.symbol, trade.signal_bar).map_or(-1, |(fold, _)| fold as i64);
    let signal = time(panel.time_ms(trade.signal_bar));
    let some = |amount: Money| (refused.requested > Money::ZERO).then(|| amount.value());
    RefusalRow {
        trade_id: TradeRow::id(&day.run.row.run_id, symbol, signal, trade.side, fold),
        run_id: day.run.row.run_id.clone(),
        symbol: symbol.clone(),
        direction: trade.side,
        entry_timestamp: time(panel.time_ms(trade.entry_bar)),
        reason: refused.reason.name().to_owned(),
        account_currency: day.run.settings.risk.account_currency.clone(),
        wanted_gbp: some(refused.requested),
        room_gbp: some(refused.available),
        equity_gbp: refused.equity.value(),
        detail: json!({ "stop_distance": refused.order.stop_distance() }),
        simulated: day.run.simulated,
    }
}

fn spans(panel: &Panel, learned: &Learned) -> impl Iterator<Item = BreakerSpan> {
    learned.ledger.breakers.iter().map(|event| BreakerSpan {
        breaker: event.breaker.name().to_owned(),
        from_ms: panel.time_ms(event.from_bar),
        to_ms: panel.time_ms(event.to_bar),
    })
}

/// Trades that the portfolio took and refused, and the breakers that stopped it.
pub fn summary(panel: &Panel, learned: &Learned) -> RiskSummary {
    let ledger = &learned.ledger;
    RiskSummary {
        taken: ledger.taken.len(),
        refused: ledger.refused.len(),
        refusals: ledger.refusals().into_iter().map(|(reason, count)| (reason.name().to_owned(), count)).collect(),
        trips: ledger.trips().into_iter().map(|(breaker, count)| (breaker.name().to_owned(), count)).collect(),
        breakers: without_duplicates(spans(panel, learned)).collect(),
        peak_leverage: ledger.peaks.leverage,
        peak_coin_share: ledger.peaks.coin_share,
        peak_open_risk: ledger.peaks.open_risk,
        peak_beta_exposure: ledger.peaks.beta_exposure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_spans_are_one_row() {
        let span = |from_ms| BreakerSpan { breaker: "streak_breaker".into(), from_ms, to_ms: 7_200_000 };
        let rows: Vec<BreakerSpan> = without_duplicates([span(0), span(3_600_000), span(0)].into_iter()).collect();
        assert_eq!(rows, [span(0), span(3_600_000)]);
    }
}
