//! An invented day for tests: every part is filled, with text that must be escaped.

use chrono::NaiveDate;

use super::*;
use huracan_metrics::{Calibration, EdgeFit, PredictedEdge};

/// Start of the curves, ms UTC.
const START_MS: i64 = 1_741_564_800_000;

/// Report data in which every part is filled.
pub fn example() -> ReportData {
    let walk = |seed: u64, drift: f64| {
        let mut state = seed;
        let mut value = 1.0;
        (0..2880)
            .map(|hour| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let draw = (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5;
                value *= 1.0 + drift + 0.008 * draw;
                (START_MS + hour * 3_600_000, value)
            })
            .collect::<Vec<_>>()
    };
    let names = ["BTC", "ETH", "SOL", "XRP", "ADA", "DOGE", "LINK", "<b>EVIL</b>"];
    let symbols: Vec<_> = (0..).zip(names).map(|(n, name)| row(n, &format!("{name}-USDT"))).collect();
    let symbol_equity = (0..)
        .zip(&symbols)
        .map(|(n, row)| SymbolCurve {
            symbol: row.symbol.clone(),
            points: walk(n + 1, if row.approved { 1e-4 } else { -1e-4 }).into_iter().step_by(24).collect(),
        })
        .collect();
    let pairs = |of: &[(&str, f64)]| of.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect::<Vec<_>>();
    ReportData {
        run_id: "2025-11-08-7f3a".into(),
        date: NaiveDate::from_ymd_opt(2025, 11, 8).unwrap(),
        generated_at: "2025-11-08T02:41:00Z".parse().unwrap(),
        device: "cpu".into(),
        simulated: true,
        timeframe: "1h".into(),
        version: "0.1.0".into(),
        git_commit: "3f1c2d4".into(),
        models_digest: "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752".into(),
        settings_digest: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
        seconds: pairs(&[
            ("universe", 0.2),
            ("download", 12.4),
            ("features", 3.1),
            ("labels", 1.2),
            ("train", 141.0),
            ("save", 8.0),
        ]),
        peak_rss_bytes: Some(2_254_857_830),
        account: account(412, 0.115, 6.2),
        account_equity: walk(41, 4e-5),
        approvals: vec![
            ApprovalRow { fold: 3, from_ms: 1_757_030_400_000, judged: 8, approved: Vec::new() },
            ApprovalRow { fold: 4, from_ms: 1_758_758_400_000, judged: 8, approved: vec!["BTC-USDT".into()] },
        ],
        all_models: account(1984, 0.152, 4.1),
        forward: forward(),
        totals: totals(&symbols),
        symbols,
        equity: walk(42, 6e-5),
        holding: walk(43, -2e-5).into_iter().step_by(24).collect(),
        symbol_equity,
        importance: pairs(&[
            ("rsi_14", 0.15),
            ("volatility_20", 0.12),
            ("macd_histogram", 0.1),
            ("atr_14", 0.06),
            ("ret_1_lag_1", 0.05),
            ("range_x_volume", 0.03),
        ])
        .into_iter()
        .map(|(feature, share)| Importance { feature, share })
        .collect(),
        importance_believed: Some(3),
        calibration: vec![calibration("win_long", 0.03), calibration("win_short", -0.02), edge_fit()],
        exit_reasons: vec![
            ("stop_loss".into(), 905),
            ("take_profit".into(), 611),
            ("time".into(), 402),
            ("signal_reversal".into(), 58),
            ("end_of_data".into(), 8),
        ],
        costs: Costs {
            currency: "GBP".into(),
            gross: 5210.0,
            fee: 1240.0,
            spread: 310.0,
            slippage: 420.5,
            funding: 0.0,
            net: 3239.5,
        },
        regimes: vec![
            group("TREND", 840, 0.55, 12.3),
            group("RANGE", 1010, 0.49, -1.8),
            Group { name: "ILLIQUID".into(), ..Group::default() },
        ],
        groups: vec![Breakdown { by: "weekday".into(), groups: vec![group("Monday", 311, 0.53, 7.7)] }],
        decisions: decisions(),
        consensus: consensus(),
        voters: voters(),
        risk: risk(),
        patterns: patterns(),
        search: search(),
        families: ["gbdt", "forest", "neural", "together"].into_iter().enumerate().map(family).collect(),
        epochs: vec![(0.98, 0.74), (0.91, 0.71), (0.88, 0.705), (0.85, 0.712)],
        exclusions: vec![
            Exclusion { symbol: "NEW-USDT".into(), reason: "12 days old, wanted 30".into() },
            Exclusion { symbol: "THIN-USDT".into(), reason: "daily volume $14 000, wanted $1 000 000".into() },
        ],
        failures: vec![SymbolFailure {
            symbol: "BAD-USDT".into(),
            step: "download".into(),
            reason: "row 17: high < low; delete the file \"BAD-USDT.parquet\" & download again".into(),
        }],
    }
}

fn consensus() -> ConsensusGain {
    let row = |mode: &str, trades: u64, net_bps: f64| ConsensusRow {
        mode: mode.to_owned(),
        trades,
        gross_bps: Some(net_bps + 14.0),
        net_bps: Some(net_bps),
        error_bps: Some(2.5),
    };
    ConsensusGain {
        modes: vec![row("model", 2310, 4.2), row("both", 730, 3.1), row("consensus", 5120, -13.0)],
        gain_bps: Some(-1.6),
        error_bps: Some(3.9),
    }
}

fn forward() -> ForwardReport {
    let sum = |trades: u64, t: f64| ForwardSum {
        trades,
        days: trades as usize / 2,
        predicted_bps: Some(28.0),
        gross_bps: Some(28.0 + 4.1 * t),
        net_bps: Some(14.0 + 4.1 * t),
        realised_bps: Some(28.0 + 4.1 * t),
        error_bps: Some(4.1),
        t: Some(t),
        challenged: trades - 4,
        challenger_bps: Some(26.5),
        champion_error: Some(161.2),
        challenger_error: Some(158.9),
    };
    let coin = |symbol: &str, lost: bool, t: f64| ForwardCoin {
        symbol: symbol.to_owned(),
        lost,
        approved: !lost,
        sum: sum(52, t),
    };
    ForwardReport {
        days: 180,
        open: 3,
        all: sum(104, -0.9),
        approved: sum(80, -0.4),
        left_out: 0,
        missing: Vec::new(),
        coins: vec![coin("BTC-USDT", false, 0.6), coin("DOGE-USDT", true, -2.7)],
    }
}

fn account(trades: u64, total_return: f64, net_bps: f64) -> AccountResult {
    AccountResult {
        trades,
        refused: trades / 6,
        win_rate: Some(0.512),
        sharpe: Some(1.25),
        max_drawdown: Some(0.083),
        total_return: Some(total_return),
        predicted_bps: Some(net_bps + 17.0),
        gross_bps: Some(net_bps + 14.0),
        realised_bps: Some(net_bps + 14.0),
        cost_bps: Some(14.0),
        net_bps: Some(net_bps),
        error_bps: Some(3.3),
        net_error_bps: Some(3.4),
        evidence: evidence(1.25),
    }
}

fn totals(symbols: &[SymbolRow]) -> Totals {
    let approved = symbols.iter().filter(|row| row.approved).count();
    Totals {
        symbols: symbols.len(),
        trades: symbols.iter().map(|row| row.trades).sum(),
        approved,
        rejected: symbols.len() - approved,
        retired: 1,
        failed: 1,
        win_rate: Some(0.512),
        sharpe: Some(1.25),
        max_drawdown: Some(0.083),
        total_return: Some(0.152),
        evidence: evidence(1.25),
        holding: BuyAndHold { total_return: Some(-0.062), sharpe: Some(-0.31), max_drawdown: Some(0.41) },
        cost_share: Some(0.378),
        cost_shares: CostShares { fee: Some(0.238), spread: Some(0.0595), slippage: Some(0.0807), funding: Some(0.0) },
    }
}

fn decisions() -> Decisions {
    Decisions {
        mode: "both".into(),
        bars: 57_600,
        signals: 2_154,
        beyond_buy: 12_300,
        beyond_sell: 11_900,
        confidence: Some(47.5),
        waits: vec![
            ("score_below_threshold".into(), 33_400),
            ("edge_below_costs".into(), 17_046),
            ("consensus_disagrees".into(), 5_000),
        ],
    }
}

fn voters() -> Vec<VoterRow> {
    vec![
        VoterRow {
            voter: "ema_cross".into(),
            family: "trend".into(),
            hit_rate: Some(0.523),
            trades: 1_210,
            win_rate: Some(0.51),
            mean_net_bps: Some(3.4),
            t_statistic: Some(1.2),
        },
        VoterRow { voter: "money_flow_index".into(), family: "momentum".into(), ..VoterRow::default() },
    ]
}

fn risk() -> RiskSummary {
    RiskSummary {
        taken: 1_641,
        refused: 343,
        refusals: vec![("daily_stop".into(), 12), ("leverage".into(), 331)],
        trips: vec![("daily_stop".into(), 2)],
        breakers: vec![
            BreakerSpan { breaker: "daily_stop".into(), from_ms: START_MS, to_ms: START_MS + 7_200_000 },
            BreakerSpan { breaker: "daily_stop".into(), from_ms: START_MS + 90_000_000, to_ms: START_MS + 93_600_000 },
        ],
        peak_leverage: 2.0,
        peak_coin_share: 0.25,
        peak_open_risk: 0.021,
        peak_beta_exposure: 0.9,
    }
}

fn patterns() -> Patterns {
    Patterns {
        tests: 38_412_960.0,
        list: vec![
            pattern("all coins", "rsi_14 high + volatility_20 low", 0.65, true),
            pattern("SOL-USDT", "hour_of_day 18–23 + ret_5 low + close_vs_max_50 mid", 0.58, true),
            pattern("<b>EVIL</b>-USDT", "adx_14 high", 0.44, false),
        ],
    }
}

fn search() -> Vec<SearchRow> {
    vec![
        SearchRow {
            head: "edge_bps".into(),
            folds: 28,
            changed: 28,
            validation_gain: 0.013,
            test_gain: -0.002,
            cost: 31.4,
        },
        SearchRow {
            head: "win_long".into(),
            folds: 28,
            changed: 21,
            validation_gain: 0.021,
            test_gain: 0.006,
            cost: 28.9,
        },
    ]
}

fn family((index, name): (usize, &str)) -> FamilyRow {
    let loss = |head: &str| FamilyLoss {
        head: head.into(),
        validation: Some(0.69),
        test: Some(0.692 - 0.001 * index as f64),
        gain: Some(0.001_4 * index as f64),
    };
    FamilyRow {
        family: name.into(),
        share: [0.71, 0.46, 0.58, 1.0][index],
        seconds: [0.8, 1.9, 4.2, 6.9][index],
        losses: vec![loss("win_long"), loss("win_short"), loss("edge_bps")],
        trades: 1_984 - 200 * index as u64,
        win_rate: Some(0.47),
        mean_net_bps: Some(2.1),
        sharpe: Some(0.9),
        max_drawdown: Some(0.12),
        total_return: Some(0.08),
    }
}

fn group(name: &str, trades: u64, win_rate: f64, mean_net_bps: f64) -> Group {
    Group {
        name: name.into(),
        trades,
        win_rate: Some(win_rate),
        mean_net_bps: Some(mean_net_bps),
        profit_factor: Some(1.0 + mean_net_bps / 100.0),
        net_profit: Some(trades as f64 * mean_net_bps / 4.0),
        cost_share: Some(0.31),
        t_statistic: Some(mean_net_bps / 5.0),
    }
}

/// Calibration of a head whose probabilities are too high by `excess` everywhere.
fn calibration(head: &str, excess: f64) -> HeadCalibration {
    let pairs = (0..2000).map(|i| {
        let predicted = 0.3 + 0.2 * f64::from(i % 100) / 100.0;
        (predicted, f64::from(i / 100) / 20.0 < predicted - excess, 0.4)
    });
    HeadCalibration { head: head.into(), fit: HeadFit::Probability(Calibration::of(pairs).unwrap()) }
}

/// Edges of which half is realised.
fn edge_fit() -> HeadCalibration {
    let row = |i: i32| PredictedEdge {
        predicted: f64::from(i % 41 - 20),
        realised: f64::from(i % 41 - 20) / 2.0 + f64::from(i % 7 - 3) * 30.0,
        known_mean: 0.0,
        told: f64::from(i % 41 - 20),
        block: i64::from(i / 50),
        month: 660 + i64::from(i / 500),
    };
    HeadCalibration { head: "edge_bps".into(), fit: HeadFit::Edge(EdgeFit::of((0..2000).map(row)).unwrap()) }
}

fn evidence(sharpe: f64) -> SharpeEvidence {
    SharpeEvidence {
        tries: 1,
        probabilistic_sharpe: Some((0.5 + 0.3 * sharpe).clamp(0.0, 0.9999)),
        published_deflated_sharpe: Some((0.5 + 0.3 * sharpe).clamp(0.0, 0.9999)),
        deflated_sharpe: Some((0.5 + 0.29 * sharpe).clamp(0.0, 0.9997)),
        sharpe_low: Some(sharpe - 1.9),
        sharpe_high: Some(sharpe + 2.1),
        t_statistic: Some(1.4 * sharpe),
        skewness: Some(-0.2),
        kurtosis: Some(4.1),
    }
}

fn pattern(symbol: &str, conditions: &str, win_rate: f64, learned: bool) -> PatternEntry {
    let result = |rows: u64, win_rate: f64| PatternResult {
        rows,
        win_rate: Some(win_rate),
        base_win_rate: Some(0.41),
        mean_net_bps: Some(100.0 * (win_rate - 0.45)),
        base_net_bps: Some(-6.2),
    };
    PatternEntry {
        symbol: symbol.into(),
        side: "long".into(),
        conditions: conditions.into(),
        train: result(1312, win_rate),
        test: result(208, win_rate - 0.04),
        q_value: 0.0021,
        test_q_value: if learned { 0.034 } else { 0.41 },
        candidate: true,
        learned,
    }
}

fn row(n: u32, symbol: &str) -> SymbolRow {
    let x = f64::from(n);
    let approved = n.is_multiple_of(3);
    SymbolRow {
        symbol: symbol.into(),
        q_value: Some(0.03 + 0.1 * x),
        folds: 4,
        trades: 180 + 31 * u64::from(n),
        win_rate: Some(0.54 - 0.02 * x),
        sharpe: Some(1.6 - 0.45 * x),
        sortino: Some(2.2 - 0.6 * x),
        calmar: if n == 7 { None } else { Some(1.8 - 0.5 * x) },
        max_drawdown: Some(0.05 + 0.03 * x),
        total_return: Some(0.21 - 0.07 * x),
        cost_share: Some(0.25 + 0.04 * x),
        cost_shares: CostShares {
            fee: Some(0.15),
            spread: Some(0.05),
            slippage: Some(0.05 + 0.04 * x),
            funding: Some(0.0),
        },
        buy_and_hold: Some(-0.1 + 0.05 * x),
        holding_sharpe: Some(-0.4 + 0.3 * x),
        holding_max_drawdown: Some(0.31),
        evidence: evidence(1.6 - 0.45 * x),
        approved,
        reasons: if approved {
            vec![]
        } else {
            vec![format!("Sharpe {:.2} is below 0.5", 1.6 - 0.45 * x), "drawdown <20%> & more".into()]
        },
        model: Some(SavedModel {
            model_id: format!("{symbol}-2"),
            digest: "d".repeat(64),
            previous: (n % 2 == 1).then(|| PreviousModel {
                model_id: format!("{symbol}-1"),
                sharpe: Some(0.4),
                win_rate: Some(0.48),
                max_drawdown: Some(0.09),
                total_return: Some(0.031),
            }),
        }),
    }
}
