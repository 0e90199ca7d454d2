//! Trades as rows of the brain: money, regimes, and the price during and after the trade.

use huracan_base::units::BPS;
use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::day::{Day, time};
use super::learn::Learned;
use crate::bars::Panel;
use crate::brain::{AnalysisRow, PostExitRow, TradeRow};
use crate::decide::{SignalVotes, Voter};
use crate::features::{CATALOGUE, Features, Regime, columns, view_names};
use crate::metrics::Account;
use crate::shadow::{Side, Trade};
use crate::trainer::{Reason, Reasons};

/// Bars after an exit at which the price is recorded.
const HORIZONS: [usize; 3] = [1, 5, 20];

/// Symbol and signal bar of a trade, of which there is at most one.
type Key = (usize, usize);

pub struct Records {
    /// Trades that the portfolio took or refused, with its money.
    pub trades: Vec<TradeRow>,
    /// The coins' own shadow trades, with the money of the models' own accounts.
    pub shadow: Vec<TradeRow>,
    pub wins: Vec<AnalysisRow>,
    pub losses: Vec<AnalysisRow>,
    pub post_exit: Vec<PostExitRow>,
}

/// Identifies a model in the rows of its trades.
pub struct ModelName {
    pub id: String,
    pub version: String,
}

/// Makes the rows of all out-of-fold trades, and the analysis of those that the portfolio took or refused. `names` are
/// those of the models, by row of the panel.
pub fn records(
    day: &Day,
    panel: &Panel,
    features: &Features,
    learned: &Learned,
    names: &HashMap<usize, ModelName>,
) -> Records {
    // A refused trade has size 0.
    let key = |trade: &Trade| (trade.symbol, trade.signal_bar);
    let notionals = |account: &Account| -> Vec<(Key, f64)> {
        account.entries.iter().map(|entry| (key(&entry.trade), entry.notional)).collect()
    };
    let of_portfolio: HashMap<Key, f64> = notionals(&learned.ledger.account).into_iter().collect();
    let of_models: HashMap<Key, f64> = learned.models.iter().flat_map(|model| notionals(&model.account)).collect();
    let row = |offer: usize, money: &HashMap<Key, f64>| {
        let trade = &learned.offers[offer].trade;
        let name = names.get(&trade.symbol)?;
        let notional = money.get(&key(trade)).copied().unwrap_or(0.0);
        Some(trade_row(day, panel, features, learned, offer, name, notional))
    };
    let (columns, no_reasons) = (view_names(), Reasons::default());
    let shadow_offers = learned.trades.iter().filter_map(|trade| learned.offer(trade.symbol, trade.signal_bar));
    let shadow = shadow_offers.filter_map(|offer| row(offer, &of_models)).collect();
    let mut records = Records { trades: vec![], shadow, wins: vec![], losses: vec![], post_exit: vec![] };
    for offer in learned.ledger.decided() {
        let trade = &learned.offers[offer].trade;
        let Some(row) = row(offer, &of_portfolio) else { continue };
        let reasons = learned.reasons.get(&offer).unwrap_or(&no_reasons);
        let analysis = analysis(panel, &columns, reasons, trade, &row);
        if row.is_winner { &mut records.wins } else { &mut records.losses }.push(analysis);
        records.post_exit.extend(HORIZONS.iter().filter_map(|&bars| post_exit(panel, trade, &row, bars)));
        records.trades.push(row);
    }
    records
}

fn regime_name(code: f32) -> Option<String> {
    Regime::from_code(code).map(|regime| regime.name().to_owned())
}

/// The row of the trade of an offer, with an account's notional.
fn trade_row(
    day: &Day,
    panel: &Panel,
    features: &Features,
    learned: &Learned,
    offer: usize,
    name: &ModelName,
    notional: f64,
) -> TradeRow {
    let (trade, voice) = (&learned.offers[offer].trade, &learned.voices[offer]);
    let at = |bar: usize| -> DateTime<Utc> { time(panel.time_ms(bar)) };
    let symbol = &panel.symbols[trade.symbol];
    let prediction = learned.prediction(trade.symbol, trade.signal_bar);
    let fold = prediction.map_or(-1, |(fold, _)| fold as i64);
    let money = |bps: f64| notional * bps / BPS;
    let feature = |bar: usize, column: usize| features.value(trade.symbol, bar, column);
    let volatility = feature(trade.signal_bar, columns::VOLATILITY_20);
    TradeRow {
        trade_id: TradeRow::id(&day.run.row.run_id, symbol, at(trade.signal_bar), trade.side, fold),
        run_id: day.run.row.run_id.clone(),
        symbol: symbol.clone(),
        fold,
        direction: trade.side,
        signal_timestamp: at(trade.signal_bar),
        entry_timestamp: at(trade.entry_bar),
        entry_price: trade.entry_price,
        exit_timestamp: at(trade.exit_bar),
        exit_price: trade.exit_price,
        stop_price: trade.stop_price,
        take_price: trade.take_price,
        position_size: notional,
        account_currency: day.run.settings.risk.account_currency.clone(),
        gross_profit_bps: trade.gross_bps,
        fee_bps: trade.fee_bps,
        spread_bps: trade.spread_bps,
        slippage_bps: trade.slippage_bps,
        funding_bps: trade.funding_bps,
        net_bps: trade.net_bps,
        gross_profit_gbp: money(trade.gross_bps),
        fees_gbp: money(trade.fee_bps),
        spread_gbp: money(trade.spread_bps),
        slippage_gbp: money(trade.slippage_bps),
        funding_gbp: money(trade.funding_bps),
        net_profit_gbp: money(trade.net_bps),
        hold_bars: trade.hold_bars() as i64,
        hold_minutes: trade.hold_bars() as f64 * panel.timeframe.ms() as f64 / 60_000.0,
        exit_reason: trade.exit_reason,
        market_regime: regime_name(feature(trade.signal_bar, columns::MARKET_REGIME)),
        market_regime_exit: regime_name(feature(trade.exit_bar, columns::MARKET_REGIME)),
        volatility_bps: (!volatility.is_nan()).then_some(f64::from(volatility) * BPS),
        is_winner: trade.net_bps > 0.0,
        model_id: Some(name.id.clone()),
        model_version: name.version.clone(),
        prediction: prediction.map(|(_, heads)| match trade.side {
            Side::Long => heads.win_long,
            Side::Short => heads.win_short,
        }),
        expected_edge_bps: prediction.map(|(_, heads)| trade.side.sign() * heads.edge_bps),
        consensus_score: known(voice.opinion.score),
        consensus_threshold: known(voice.opinion.threshold),
        confidence: known(voice.opinion.confidence),
        votes: votes_json(voice),
        features_at_entry: features_json(features, trade),
        simulated: day.run.simulated,
    }
}

fn known(value: f32) -> Option<f64> {
    (!value.is_nan()).then_some(f64::from(value))
}

/// An f32 with the fewest digits that identify it. Converted to f64 it would have about twice as many, without meaning.
fn short(value: f32) -> Value {
    value.to_string().parse::<f64>().map_or(Value::Null, |short| json!(short))
}

/// The votes at the signal. Voters without a vote are left out.
fn votes_json(voice: &SignalVotes) -> Value {
    let votes = Voter::ALL.iter().zip(&voice.votes).filter(|(_, vote)| !vote.is_nan());
    Value::Object(votes.map(|(voter, vote)| (voter.name().to_owned(), short(*vote))).collect())
}

/// The features at the signal. Missing ones are left out.
fn features_json(features: &Features, trade: &Trade) -> Value {
    let row = features.row(trade.symbol, trade.signal_bar);
    let map: Map<String, Value> = CATALOGUE
        .iter()
        .zip(row)
        .filter(|(_, value)| !value.is_nan())
        .map(|(feature, value)| (feature.name.to_owned(), short(*value)))
        .collect();
    Value::Object(map)
}

/// Largest move for and against the position within a range of bars, basis points.
fn extremes(panel: &Panel, trade: &Trade, from: f64, bars: std::ops::Range<usize>) -> (f64, f64) {
    let (high, low) = (panel.row(&panel.high, trade.symbol), panel.row(&panel.low, trade.symbol));
    let highest = high[bars.clone()].iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let lowest = low[bars].iter().copied().fold(f64::INFINITY, f64::min);
    let bps = |price: f64| trade.side.sign() * (price / from - 1.0) * BPS;
    let (a, b) = (bps(highest), bps(lowest));
    (a.max(b), a.min(b))
}

fn analysis(panel: &Panel, names: &[String], reasons: &Reasons, trade: &Trade, row: &TradeRow) -> AnalysisRow {
    let (best, worst) = extremes(panel, trade, trade.entry_price, trade.entry_bar..trade.exit_bar + 1);
    let regime = row.market_regime.as_deref().unwrap_or("unknown");
    let outcome = if row.is_winner { "won" } else { "lost" };
    // A trade that only lost because of its costs has a reason of its own.
    let primary_reason = if !row.is_winner && trade.gross_bps > 0.0 {
        format!(
            "{outcome}: costs of {:.1} bps ate a gross gain of {:.1} bps",
            trade.gross_bps - trade.net_bps,
            trade.gross_bps
        )
    } else {
        format!("{outcome}: {} after {} bars in {regime}", trade.exit_reason, trade.hold_bars())
    };
    let primary_reason = match reasons.all.iter().find(|reason| reason.edge_bps > 0.0) {
        Some(first) => {
            // The newest model may have learned from this very trade.
            let view =
                if reasons.of_fold { "" } else { " as the newest model sees it, which is not the one that was asked" };
            format!("{primary_reason}; entered mostly for {} ({:+.1} bps){view}", names[first.column], first.edge_bps)
        }
        None => primary_reason,
    };
    let model = if reasons.of_fold { "fold" } else { "final" };
    let factor = |reason: &Reason| {
        let name = &names[reason.column];
        json!({ "feature": name, "edge_bps": reason.edge_bps, "value": short(reason.value), "model": model })
    };
    let factors: Vec<Value> = reasons.all.iter().map(factor).collect();
    AnalysisRow {
        trade_id: row.trade_id.clone(),
        run_id: row.run_id.clone(),
        symbol: row.symbol.clone(),
        direction: row.direction,
        market_regime: row.market_regime.clone(),
        exit_reason: row.exit_reason,
        account_currency: row.account_currency.clone(),
        net_profit_gbp: row.net_profit_gbp,
        net_bps: row.net_bps,
        hold_minutes: row.hold_minutes,
        primary_reason,
        contributing_factors: Value::Array(factors),
        max_favourable_bps: Some(best),
        max_adverse_bps: Some(worst),
        features_at_entry: row.features_at_entry.clone(),
        analysed_at: row.exit_timestamp,
        simulated: row.simulated,
    }
}

fn post_exit(panel: &Panel, trade: &Trade, row: &TradeRow, bars: usize) -> Option<PostExitRow> {
    let end = trade.exit_bar + bars;
    if end >= panel.ranges[trade.symbol].end {
        return None;
    }
    let price_after = panel.row(&panel.close, trade.symbol)[end];
    let (best_bps, worst_bps) = extremes(panel, trade, trade.exit_price, trade.exit_bar + 1..end + 1);
    Some(PostExitRow {
        trade_id: row.trade_id.clone(),
        run_id: row.run_id.clone(),
        symbol: row.symbol.clone(),
        direction: row.direction,
        exit_timestamp: row.exit_timestamp,
        exit_price: row.exit_price,
        exit_reason: row.exit_reason,
        horizon_bars: bars as i64,
        price_after,
        move_bps: trade.side.sign() * (price_after / trade.exit_price - 1.0) * BPS,
        best_bps,
        worst_bps,
        simulated: row.simulated,
    })
}
