//! Rows for tests: plausible, with the awkward values that real runs produce.

#![allow(dead_code, reason = "each test program uses its own part")]

use chrono::NaiveDate;
use futures::TryStreamExt;
use serde_json::json;

use huracan::brain::{
    AnalysisRow, Brain, BreakerRow, DailyMetricsRow, ForwardRow, ModelRow, PatternRow, PerformanceRow, PostExitRow,
    RefusalRow, RunRow, SyncRow, TradeRow, UniverseRow, time_of_ms,
};
use huracan::shadow::{ExitReason, Side};

pub const T0: i64 = 1_760_000_000_123;
const HOUR: i64 = 3_600_000;

pub fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2025, 11, 8).expect("a day")
}

pub fn run(run_id: &str) -> RunRow {
    RunRow { device: "cpu".to_owned(), simulated: true, settings_digest: "ab".repeat(32), ..RunRow::new(run_id, day()) }
}

pub fn universe(run_id: &str) -> Vec<UniverseRow> {
    let chosen = UniverseRow {
        run_id: run_id.to_owned(),
        date: day(),
        symbol: "BTC-USDT".to_owned(),
        selected: true,
        rank: Some(1),
        reason: None,
        exchange: "simulated".to_owned(),
        market_type: "spot".to_owned(),
        daily_volume_usd: 1.25e9,
        age_days: 4000.5,
        spread_bps: Some(1.5),
        liquidity_score: Some(0.9),
        activity_score: None,
        score: Some(0.1 + 0.2),
        criteria: json!({ "min_age_days": 30 }),
        selected_at: time_of_ms(T0),
        simulated: true,
    };
    let excluded = UniverseRow {
        symbol: "NEW-USDT".to_owned(),
        selected: false,
        rank: None,
        reason: Some("3 days old, 30 needed".to_owned()),
        age_days: f64::NAN,
        ..chosen.clone()
    };
    vec![chosen, excluded]
}

/// Trades in the order in which they are read back; every third one loses.
pub fn trades(run_id: &str, count: usize) -> Vec<TradeRow> {
    (0..count)
        .map(|n| {
            let symbol = ["BTC-USDT", "ETH-USDT"][n % 2].to_owned();
            let signal = time_of_ms(T0 + n as i64 * HOUR);
            let direction = if n % 4 < 2 { Side::Long } else { Side::Short };
            let gross = if n % 3 == 2 { -150.1 } else { 250.3 + n as f64 / 7.0 };
            let net = gross - 8.0 - 2.0 - 0.7;
            TradeRow {
                trade_id: TradeRow::id(run_id, &symbol, signal, direction, n as i64 % 3),
                run_id: run_id.to_owned(),
                symbol,
                fold: n as i64 % 3,
                direction,
                signal_timestamp: signal,
                entry_timestamp: time_of_ms(T0 + (n as i64 + 1) * HOUR),
                entry_price: 100.0 / 3.0,
                exit_timestamp: time_of_ms(T0 + (n as i64 + 6) * HOUR),
                exit_price: 34.1,
                stop_price: 32.0,
                take_price: 36.0,
                position_size: 1000.0,
                account_currency: "GBP".to_owned(),
                gross_profit_bps: gross,
                fee_bps: 8.0,
                spread_bps: 2.0,
                slippage_bps: 0.7,
                funding_bps: 0.0,
                net_bps: net,
                gross_profit_gbp: gross / 12.7,
                fees_gbp: 8.0 / 12.7,
                spread_gbp: 2.0 / 12.7,
                slippage_gbp: 0.7 / 12.7,
                funding_gbp: 0.0,
                net_profit_gbp: net / 12.7,
                hold_bars: 5,
                hold_minutes: 300.0,
                exit_reason: ExitReason::ALL[n % 5],
                market_regime: [Some("TREND"), Some("RANGE"), None][n % 3].map(str::to_owned),
                market_regime_exit: Some("PANIC".to_owned()),
                volatility_bps: Some(42.0),
                is_winner: net > 0.0,
                model_id: None,
                model_version: "1.0.0".to_owned(),
                prediction: Some(0.61),
                expected_edge_bps: None,
                consensus_score: Some(0.25),
                consensus_threshold: None,
                confidence: Some(52.5),
                votes: json!({ "ema_cross": 0.5, "rsi": -1 }),
                features_at_entry: json!({ "rsi_14": 31.5, "atr_14": null, "a_first": 1 }),
                simulated: true,
            }
        })
        .collect()
}

pub fn models(run_id: &str) -> (Vec<ModelRow>, Vec<PerformanceRow>) {
    let model = |symbol: &str, approved: bool| ModelRow {
        model_id: format!("{run_id}-{symbol}"),
        run_id: run_id.to_owned(),
        symbol: symbol.to_owned(),
        version: "1.0.0".to_owned(),
        model_type: "gbdt".to_owned(),
        training_date: day(),
        trained_at: time_of_ms(T0 + i64::from(run_id.ends_with('2'))),
        train_start: Some(time_of_ms(T0 - 240 * 24 * HOUR)),
        train_end: None,
        train_rows: 2880,
        folds: 4,
        device: "cpu".to_owned(),
        digest: "cd".repeat(32),
        data_digest: "ef".repeat(32),
        settings_digest: "01".repeat(32),
        git_commit: None,
        approved,
        reasons: if approved { json!([]) } else { json!(["Sharpe 0.1 is below 0.5"]) },
        heads: json!({ "win_long": { "rounds": 40 } }),
        feature_importance: json!({ "rsi_14": 0.6, "atr_14": 0.4 }),
        parameters: json!({ "max_depth": 6 }),
        path: format!("models/{symbol}_model.pkl"),
        simulated: true,
    };
    let performance = |symbol: &str, scope: &str, sharpe: f64| PerformanceRow {
        run_id: run_id.to_owned(),
        model_id: format!("{run_id}-{symbol}"),
        symbol: symbol.to_owned(),
        evaluation_date: day(),
        scope: scope.to_owned(),
        num_trades: 40,
        win_rate: 0.55,
        total_return: 0.12,
        average_return: 0.003,
        annualised_return: 0.4,
        sharpe_ratio: sharpe,
        sortino_ratio: 2.0,
        calmar_ratio: f64::INFINITY,
        profit_factor: 1.4,
        average_win_bps: 120.0,
        average_loss_bps: -90.0,
        max_drawdown: 0.0,
        average_drawdown: 0.0,
        recovery_days: None,
        account_currency: "GBP".to_owned(),
        net_profit_gbp: 1200.0,
        fees_gbp: 40.0,
        spread_gbp: 10.0,
        slippage_gbp: 5.0,
        funding_gbp: 0.0,
        cost_share: Some(0.04),
        buy_and_hold_return: Some(-0.1),
        approved: true,
        reasons: json!([]),
        more: json!({}),
        simulated: true,
    };
    let models = vec![model("BTC-USDT", true), model("ETH-USDT", false)];
    let run_2 = if run_id.ends_with('2') { 0.5 } else { 0.0 };
    let performance = vec![
        performance("BTC-USDT", "walk_forward", 1.25 + run_2),
        performance("BTC-USDT", "fold:0", f64::NAN),
        performance("ETH-USDT", "walk_forward", 0.1),
    ];
    (models, performance)
}

pub fn daily(run_id: &str) -> DailyMetricsRow {
    DailyMetricsRow {
        run_id: run_id.to_owned(),
        date: day(),
        symbols: 2,
        models_trained: 2,
        models_approved: 1,
        models_rejected: 1,
        patterns_learned: 1,
        total_trades: 20,
        wins: 14,
        losses: 6,
        win_rate: 0.7,
        account_currency: "GBP".to_owned(),
        total_profit_gbp: 12.5,
        fees_gbp: 1.0,
        spread_gbp: 0.5,
        slippage_gbp: 0.25,
        funding_gbp: 0.0,
        cost_share: None,
        sharpe_ratio: 1.5,
        max_drawdown: 0.02,
        equity_start_gbp: 10_000.0,
        equity_end_gbp: 10_012.5,
        seconds: 61.5,
        more: json!({ "peak_rss_bytes": 1_u64 << 31 }),
        simulated: true,
    }
}

pub fn patterns(run_id: &str) -> Vec<PatternRow> {
    let pattern = |id: &str, occurrences: i64, confirmed: bool| PatternRow {
        pattern_id: id.to_owned(),
        run_id: run_id.to_owned(),
        symbol: "*".to_owned(),
        direction: if confirmed { Some(Side::Long) } else { None },
        pattern_description: "high RSI + low volatility".to_owned(),
        conditions: json!({ "rsi_14": [70.0, null] }),
        total_occurrences: occurrences,
        wins: occurrences / 2,
        win_rate: if run_id.ends_with('2') { 0.75 } else { 0.5 },
        avg_profit_bps: 12.0,
        test_occurrences: occurrences / 10,
        test_win_rate: 0.6,
        test_avg_profit_bps: 8.0,
        p_value: Some(0.01),
        q_value: None,
        confirmed,
        discovered_at: time_of_ms(T0 + i64::from(run_id.ends_with('2'))),
        simulated: true,
    };
    vec![pattern("p-1", if run_id.ends_with('2') { 300 } else { 100 }, true), pattern("p-2", 4, false)]
}

/// Wins and losses of the trades, with reasons.
pub fn analysis(trades: &[TradeRow]) -> (Vec<AnalysisRow>, Vec<AnalysisRow>) {
    let rows = trades.iter().map(|trade| {
        let row = AnalysisRow {
            trade_id: trade.trade_id.clone(),
            run_id: trade.run_id.clone(),
            symbol: trade.symbol.clone(),
            direction: trade.direction,
            market_regime: trade.market_regime.clone(),
            exit_reason: trade.exit_reason,
            account_currency: "GBP".to_owned(),
            net_profit_gbp: trade.net_profit_gbp,
            net_bps: trade.net_bps,
            hold_minutes: trade.hold_minutes,
            primary_reason: "the move came before the stop".to_owned(),
            contributing_factors: json!(["trend"]),
            max_favourable_bps: Some(260.0),
            max_adverse_bps: None,
            features_at_entry: trade.features_at_entry.clone(),
            analysed_at: time_of_ms(T0),
            simulated: true,
        };
        (trade.is_winner, row)
    });
    let (wins, losses): (Vec<_>, Vec<_>) = rows.partition(|(won, _)| *won);
    let bare = |rows: Vec<(bool, AnalysisRow)>| rows.into_iter().map(|(_, row)| row).collect();
    (bare(wins), bare(losses))
}

pub fn post_exit(trades: &[TradeRow]) -> Vec<PostExitRow> {
    trades
        .iter()
        .flat_map(|trade| {
            [1, 5, 20].map(|horizon_bars| PostExitRow {
                trade_id: trade.trade_id.clone(),
                run_id: trade.run_id.clone(),
                symbol: trade.symbol.clone(),
                direction: trade.direction,
                exit_timestamp: trade.exit_timestamp,
                exit_price: trade.exit_price,
                exit_reason: trade.exit_reason,
                horizon_bars,
                price_after: 35.0,
                move_bps: 26.4,
                best_bps: 30.0,
                worst_bps: -4.0,
                simulated: true,
            })
        })
        .collect()
}

/// A refusal for every trade, in the order in which they are read back; every second one did not come to a size.
pub fn refusals(trades: &[TradeRow]) -> Vec<RefusalRow> {
    let refusal = |(n, trade): (usize, &TradeRow)| RefusalRow {
        trade_id: trade.trade_id.clone(),
        run_id: trade.run_id.clone(),
        symbol: trade.symbol.clone(),
        direction: trade.direction,
        entry_timestamp: trade.entry_timestamp,
        reason: if n % 2 == 0 { "leverage" } else { "daily_stop" }.to_owned(),
        account_currency: "GBP".to_owned(),
        wanted_gbp: (n % 2 == 0).then_some(250.0),
        room_gbp: (n % 2 == 0).then_some(0.000_001),
        equity_gbp: -3.5,
        detail: json!({ "stop_distance": 0.04 }),
        simulated: true,
    };
    trades.iter().enumerate().map(refusal).collect()
}

pub fn breakers(run_id: &str) -> Vec<BreakerRow> {
    let breaker = |n: i64, name: &str| BreakerRow {
        run_id: run_id.to_owned(),
        breaker: name.to_owned(),
        from_time: time_of_ms(T0 + n * HOUR),
        to_time: time_of_ms(T0 + 24 * HOUR),
        simulated: true,
    };
    vec![breaker(0, "daily_stop"), breaker(0, "streak_breaker"), breaker(3, "daily_stop")]
}

/// The basis of the forward record.
pub const BASIS: &str = "0123456789abcdef";

/// Two signals of a model that was handed over: the first trade has ended, the second one only where `ended`.
pub fn forward(run_id: &str, ended: bool) -> Vec<ForwardRow> {
    let signal = |n: i64, known: bool| ForwardRow {
        run_id: run_id.to_owned(),
        model_id: "m-0".to_owned(),
        symbol: "BTC-USDT".to_owned(),
        signal_timestamp: time_of_ms(T0 + n * HOUR),
        direction: Side::Short,
        predicted_bps: 31.25,
        challenger_bps: known.then_some(-2.5),
        exit_timestamp: known.then(|| time_of_ms(T0 + (n + 5) * HOUR)),
        exit_reason: known.then_some(ExitReason::TakeProfit),
        gross_bps: known.then_some(40.5),
        net_bps: known.then_some(26.5),
        realised_bps: known.then_some(41.0),
        basis: Some(BASIS.to_owned()),
        timeframe: Some("1h".to_owned()),
        market_type: Some("perp".to_owned()),
        mode: Some("model".to_owned()),
        stop_atr: Some(1.5),
        take_atr: Some(2.5),
        max_hold: Some(24),
        approved: n == 0,
        inputs_missing: Some(n),
        simulated: true,
    };
    vec![signal(0, true), signal(3, ended)]
}

pub fn synced(remote_path: &str, sha256: &str) -> SyncRow {
    SyncRow {
        remote_path: remote_path.to_owned(),
        local_path: "models/a.pkl".to_owned(),
        size_bytes: 5_000_000_000,
        sha256: sha256.to_owned(),
        modified_at: Some(time_of_ms(T0)),
        uploaded_at: time_of_ms(T0 + 1),
        verified_at: None,
        run_id: Some("run-1".to_owned()),
        etag: Some("an etag".to_owned()),
    }
}

/// Runs a statement that the library itself has no reason to run.
pub async fn rewrite(brain: &Brain, sql: &str) {
    let nothing: Vec<_> = brain.query("a test", sql, &[], &[]).try_collect().await.expect("the statement runs");
    assert!(nothing.is_empty());
}
