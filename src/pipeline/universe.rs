//! Step 3: chooses the coins to study.

use serde_json::json;

use super::CommandFailure;
use super::day::{Day, time};
use crate::brain::UniverseRow;
use crate::exit::{Code, OrExit};
use crate::market::{Selection, select};

pub const STEP: &str = "universe";

/// Chooses the coins. A resumed run keeps the choice that it had stored.
pub async fn choose(day: &mut Day) -> Result<Selection, CommandFailure> {
    let step = day.begin(STEP, None).await?;
    let stored = day.step_output(STEP).await?;
    let selection: Selection = match (stored, &day.services.exchange) {
        (Some(stored), _) => serde_json::from_value(stored)?,
        (None, Some(exchange)) => {
            let markets = exchange.markets().await.or_exit(Code::Failed)?;
            select(&markets, &day.run.settings, day.run.now_ms)
        }
        (None, None) => Selection { chosen: Vec::new(), excluded: Vec::new() },
    };
    let failed: Vec<_> = selection.excluded.iter().filter(|e| e.failed).cloned().collect();
    for excluded in failed {
        day.fail(&excluded.symbol, excluded.reason);
    }
    if selection.chosen.is_empty() && day.services.exchange.is_some() {
        let reasons: Vec<String> =
            selection.excluded.iter().take(5).map(|e| format!("{}: {}", e.symbol, e.reason)).collect();
        let message = format!("no coin passes the universe's rules; for instance:\n{}", reasons.join("\n"));
        return Err(CommandFailure::new(Code::BadData, message));
    }
    let rows = rows(day, &selection);
    day.services.brain.store_universe(&day.run.row.run_id, &rows).await?;
    step.note(&format!("{} of {}", selection.chosen.len(), selection.chosen.len() + selection.excluded.len()));
    tracing::info!(chosen = selection.chosen.len(), excluded = selection.excluded.len(), "universe");
    let result = serde_json::to_value(&selection)?;
    day.end(step, result).await?;
    Ok(selection)
}

fn rows(day: &Day, selection: &Selection) -> Vec<UniverseRow> {
    let rules = &day.run.settings.universe;
    let criteria = json!({
        "min_daily_volume_usd": rules.min_daily_volume_usd,
        "min_age_days": rules.min_age_days,
        "top_n": rules.top_n,
    });
    let market = match day.run.settings.market.kind {
        crate::shadow::MarketType::Spot => "spot",
        crate::shadow::MarketType::Perp => "perp",
    };
    let blank = UniverseRow {
        run_id: day.run.row.run_id.clone(),
        date: day.run.date,
        symbol: String::new(),
        selected: false,
        rank: None,
        reason: None,
        exchange: day.services.exchange.as_ref().map_or("store", |e| e.name()).to_owned(),
        market_type: market.to_owned(),
        daily_volume_usd: f64::NAN,
        age_days: f64::NAN,
        spread_bps: None,
        liquidity_score: None,
        activity_score: None,
        score: None,
        criteria,
        selected_at: time(day.run.row.started.timestamp_millis()),
        simulated: day.run.simulated,
    };
    let chosen = selection.chosen.iter().map(|coin| UniverseRow {
        symbol: coin.symbol.clone(),
        selected: true,
        rank: Some(coin.rank as i64),
        daily_volume_usd: coin.daily_volume_usd,
        age_days: coin.age_days.unwrap_or(f64::NAN),
        spread_bps: coin.spread_bps,
        liquidity_score: Some(coin.liquidity),
        activity_score: coin.activity,
        score: Some(coin.score),
        ..blank.clone()
    });
    let excluded = selection.excluded.iter().map(|coin| UniverseRow {
        symbol: coin.symbol.clone(),
        reason: Some(coin.reason.clone()),
        ..blank.clone()
    });
    chosen.chain(excluded).collect()
}
