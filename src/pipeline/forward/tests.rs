use super::follow::{Market, follow};
use super::*;
use crate::bars::{Candles, HOUR_MS};
use crate::brain::time_of_ms;
use crate::decide::DecideMode;
use crate::models::Metadata;
use crate::models::bundle::{Inputs, Performance, TrainingParameters};
use crate::settings::Settings;
use crate::shadow::{ExitReason, MarketType, Rules};
use crate::trainer::{ForwardEvidence, VerdictParams};

/// A market of quiet bars, each of them as high and low as given.
fn panel(symbols: &[&str], bars: usize, price: impl Fn(usize) -> [f64; 4]) -> Panel {
    let candles = |name: &&str| {
        let mut candles = Candles::default();
        (0..bars).for_each(|bar| candles.push(bar as i64 * HOUR_MS, price(bar), 1e6));
        ((*name).to_owned(), candles)
    };
    Panel::new(symbols.iter().map(candles).collect(), Timeframe::H1, 1, false).unwrap()
}

fn row(symbol: &str, model_id: &str, at_ms: i64, direction: Side) -> ForwardRow {
    Basis::of(&Settings::defaults()).mark(ForwardRow {
        run_id: "earlier".to_owned(),
        model_id: model_id.to_owned(),
        symbol: symbol.to_owned(),
        signal_timestamp: time_of_ms(at_ms),
        direction,
        predicted_bps: 20.0,
        challenger_bps: None,
        exit_timestamp: None,
        exit_reason: None,
        gross_bps: None,
        net_bps: None,
        realised_bps: None,
        basis: None,
        timeframe: None,
        market_type: None,
        mode: None,
        stop_atr: None,
        take_atr: None,
        max_hold: None,
        approved: true,
        inputs_missing: Some(0),
        simulated: false,
    })
}

fn ended(at_ms: i64, realised_bps: f64) -> ForwardRow {
    ForwardRow {
        gross_bps: Some(realised_bps + 5.0),
        net_bps: Some(realised_bps - 12.0),
        realised_bps: Some(realised_bps),
        ..row("A-USD", "m", at_ms, Side::Long)
    }
}

fn rules() -> Rules {
    Rules { shorts: true, max_hold: 5, ..Rules::default() }
}

const QUIET: [f64; 4] = [100.0, 100.5, 99.5, 100.0];

#[test]
fn what_a_prediction_means_and_how_it_is_followed_make_a_basis() {
    let basis = |change: &dyn Fn(&mut Settings)| {
        let mut settings = Settings::defaults();
        change(&mut settings);
        Basis::of(&settings).digest
    };
    let usual = basis(&|_| ());
    assert_eq!(usual.len(), 16);
    let other: [&dyn Fn(&mut Settings); 8] = [
        &|s| s.market.timeframe = "5m".parse().unwrap(),
        &|s| s.market.kind = MarketType::Perp,
        &|s| s.market.simulated.edge += 1.0,
        &|s| s.decide.mode = DecideMode::Both,
        &|s| s.labels.stop_atr += 0.5,
        &|s| s.labels.max_hold += 1,
        &|s| s.models.rounds += 1,
        &|s| s.costs.stop_slippage_bps += 1.0,
    ];
    for (place, change) in other.into_iter().enumerate() {
        assert_ne!(basis(change), usual, "{place}");
    }
    let same: [&dyn Fn(&mut Settings); 5] = [
        &|s| s.approve.min_sharpe += 1.0,
        &|s| s.verdict.fdr = 1.0,
        &|s| s.risk.equity += 1.0,
        &|s| s.costs.safety_margin_bps += 1.0,
        &|s| s.universe.top_n += 1,
    ];
    for (place, change) in same.into_iter().enumerate() {
        assert_eq!(basis(change), usual, "{place}");
    }
}

fn metadata(settings: &Settings) -> Metadata {
    Metadata {
        model_id: "m".to_owned(),
        symbol: "A-USD".to_owned(),
        version: "1.0.0".to_owned(),
        training_date: "2024-09-06".to_owned(),
        performance_metrics: Performance::default(),
        feature_importance: Default::default(),
        feature_importance_believed: None,
        training_parameters: TrainingParameters {
            lookback_days: 240,
            train_test_split: 0.8,
            model_type: "LightGBM".to_owned(),
            more: Default::default(),
        },
        device: "cpu".to_owned(),
        digest: "d".to_owned(),
        head_digests: Default::default(),
        other_family_digests: Default::default(),
        mix: Default::default(),
        data_digest: "d".to_owned(),
        inputs: Some(Inputs {
            symbols: vec!["A-USD".to_owned(), "B-USD".to_owned(), "C-USD".to_owned()],
            timeframe: settings.market.timeframe,
            max_gap_bars: 3,
            from: time_of_ms(0),
            to: time_of_ms(DAY_MS),
            terms: Default::default(),
        }),
        git_commit: "unknown".to_owned(),
        settings_digest: "s".to_owned(),
        folds: Vec::new(),
        policy: serde_json::json!({
            "basis": Basis::of(settings).digest,
            "mode": settings.decide.mode,
            "gate": { "margin_bps": settings.costs.safety_margin_bps },
        }),
        approved: false,
        reasons: Vec::new(),
        retired: None,
        simulated: false,
    }
}

#[test]
fn a_model_is_scored_by_its_own_policy_and_only_under_the_settings_that_it_was_made_for() {
    let settings = Settings::defaults();
    let basis = Basis::of(&settings);
    let mut cautious = settings.clone();
    cautious.costs.safety_margin_bps = 9.0;
    // Rejected ones are scored too, and the margin is the model's, not the run's.
    let policy = basis.policy_of(&metadata(&cautious), false).unwrap();
    assert_eq!((policy.mode, policy.margin_bps), (DecideMode::Model, 9.0));

    let mut perp = settings.clone();
    perp.market.kind = MarketType::Perp;
    let spot_bundle = metadata(&settings);
    assert_eq!(Basis::of(&perp).policy_of(&spot_bundle, false), None);
    let mut quick = settings.clone();
    quick.market.timeframe = "5m".parse().unwrap();
    assert_eq!(basis.policy_of(&metadata(&quick), false), None);
    assert_eq!(basis.policy_of(&spot_bundle, true), None, "simulated candles are another market");
    let retired = Metadata { retired: Some("2024-09-07".parse().unwrap()), ..spot_bundle.clone() };
    assert_eq!(basis.policy_of(&retired, false), None);
    let older = Metadata { policy: serde_json::Value::Null, ..spot_bundle };
    assert_eq!(basis.policy_of(&older, false), None);
}

#[test]
fn coins_that_a_model_has_learned_from_and_that_are_gone_are_named() {
    let model = metadata(&Settings::defaults());
    assert_eq!(model.missing_inputs(&["B-USD".to_owned(), "D-USD".to_owned()]), ["A-USD", "C-USD"]);
    let forward = Forward { scored: 1, missing: ["C-USD".to_owned()].into(), ..Forward::default() };
    assert!(forward.lacks_inputs() && forward.note().contains("without 1 coins"), "{}", forward.note());
}

#[test]
fn a_trade_that_ended_counts_once_and_is_not_followed_again() {
    let open = row("A-USD", "m", HOUR_MS, Side::Long);
    let waiting = row("A-USD", "m", 2 * HOUR_MS, Side::Long);
    let (ended, open) = split(vec![open.clone(), ended(HOUR_MS, 3.0), waiting.clone(), ended(HOUR_MS, 4.0), open]);
    assert_eq!((ended.len(), ended[0].realised_bps), (1, Some(4.0)));
    assert_eq!(open, [waiting]);
}

#[test]
fn models_on_opposite_sides_at_one_bar_are_each_followed() {
    // The price falls, so longs reach their stop and shorts their take.
    let falling = |bar: usize| if bar < 4 { QUIET } else { [97.0, 97.5, 90.0, 90.0] };
    let panel = panel(&["A-USD"], 12, falling);
    let atr = vec![1.0; 12];
    let market = Market { panel: &panel, atr: &atr, rules: &rules() };
    let rows = vec![row("A-USD", "one", 2 * HOUR_MS, Side::Long), row("A-USD", "two", 2 * HOUR_MS, Side::Short)];
    let found = follow(&market, rows, &[], |_| false).placed;
    let reasons: Vec<_> = found.iter().map(|row| (row.direction, row.exit_reason)).collect();
    assert_eq!(reasons, [(Side::Long, Some(ExitReason::StopLoss)), (Side::Short, Some(ExitReason::TakeProfit))]);
    assert!(found[0].gross_bps.unwrap() < 0.0 && found[1].gross_bps.unwrap() > 0.0);
    // A later signal on the other side ends a trade.
    let quiet = super::tests::panel(&["A-USD"], 12, |_| QUIET);
    let market = Market { panel: &quiet, ..market };
    let rows = vec![row("A-USD", "one", 2 * HOUR_MS, Side::Long), row("A-USD", "two", 4 * HOUR_MS, Side::Short)];
    let found = follow(&market, rows, &[], |_| false).placed;
    assert_eq!(found[0].exit_reason, Some(ExitReason::SignalReversal));
    assert_eq!(found[0].exit_timestamp, Some(time_of_ms(5 * HOUR_MS)));
}

#[test]
fn a_trade_whose_coin_is_gone_waits_and_is_closed_at_the_last_price_then() {
    let panel = panel(&["A-USD"], 6, |bar| if bar == 5 { [100.0, 100.5, 99.5, 100.25] } else { QUIET });
    let atr = vec![1.0; 6];
    let market = Market { panel: &panel, atr: &atr, rules: &rules() };
    let rows = || vec![row("A-USD", "m", 3 * HOUR_MS, Side::Long), row("B-USD", "m", 3 * HOUR_MS, Side::Long)];
    let waits = follow(&market, rows(), &[], |_| false);
    assert_eq!((waits.placed[0].gross_bps, waits.elsewhere.len()), (None, 1));
    let closed = &follow(&market, rows(), &[], |_| true).placed[0];
    assert_eq!(closed.exit_reason, Some(ExitReason::EndOfData));
    assert!((closed.gross_bps.unwrap() - 25.0).abs() < 1e-9, "{closed:?}");
    // As long as a trade may last, and sixty days more.
    assert_eq!(wait(Timeframe::D1, 101), Duration::days(161));
}

fn forward(known: Vec<ForwardRow>, block_ms: i64) -> Forward {
    Forward { known, block_ms, ..Forward::default() }
}

fn evidence(known: Vec<ForwardRow>, block_ms: i64) -> Option<ForwardEvidence> {
    forward(known, block_ms).evidence(&panel(&["A-USD"], 3, |_| QUIET)).get(&0).copied()
}

#[test]
fn a_broken_promise_counts_by_what_was_realised_of_it() {
    // 20 bps are predicted: 8 less are realised on average, though results before costs are 5 better.
    let noise = |day: i64| if day % 2 == 0 { 6.0 } else { -6.0 };
    let broken: Vec<ForwardRow> = (0..40).map(|day| ended(day * DAY_MS, 12.0 + noise(day))).collect();
    let ForwardEvidence { days, t } = evidence(broken.clone(), DAY_MS).unwrap();
    assert_eq!(days, 40);
    // −8 over 6/√40 · √(40/39).
    assert!((t + 8.0 / (6.0 / 39_f64.sqrt())).abs() < 1e-9, "{t}");
    let limits = VerdictParams { forward_min_t: -2.0, ..Settings::defaults().verdict };
    assert!(t < limits.forward_min_t);
    // Trades of models that were not approved count too.
    let rejected = broken.iter().map(|row| ForwardRow { approved: false, ..row.clone() }).collect();
    assert_eq!(evidence(rejected, DAY_MS).map(|found| found.t), Some(t));
    assert_eq!(evidence(broken[..9].to_vec(), DAY_MS), None, "too few days");
}

#[test]
fn trades_that_overlap_are_not_independent() {
    // Trades of five days: the days of a block have nearly the same outcome.
    let good = |day: i64| if (day / 5) % 2 == 0 { 40.0 } else { -10.0 };
    let rows: Vec<ForwardRow> = (0..60).map(|day| ended(day * DAY_MS, good(day))).collect();
    let by_day = evidence(rows.clone(), DAY_MS).unwrap();
    let by_block = evidence(rows, 5 * DAY_MS).unwrap();
    assert_eq!((by_day.days, by_block.days), (60, 60), "days with trades are counted as they are");
    assert!(by_block.t.abs() < 0.5 * by_day.t.abs(), "{by_block:?} against {by_day:?}");
}

#[test]
fn where_trades_are_long_enough_days_count_to_judge_by() {
    assert_eq!(days_that_count(180, Timeframe::H1.block_ms(25)), 180);
    assert_eq!(days_that_count(180, Timeframe::D1.block_ms(4)), 180);
    assert_eq!(days_that_count(180, Timeframe::D1.block_ms(25)), 500);
}

#[test]
fn new_bars_begin_where_the_training_data_end() {
    let panel = panel(&["A-USD"], 6, |_| QUIET);
    assert_eq!([-HOUR_MS, 0, 1, HOUR_MS, 9 * HOUR_MS].map(|at| first_bar(&panel, at)), [0, 0, 1, 1, 9]);
}

#[test]
fn models_with_other_margins_decide_by_their_own() {
    let policy = |margin_bps: f64| Policy { mode: DecideMode::Model, margin_bps };
    let candidates: Vec<Candidate> = vec![(0, 1, None), (1, 1, None), (0, 2, None)];
    let groups = by_policy(candidates, |symbol| policy(symbol as f64));
    let said: Vec<_> = groups.iter().map(|(policy, own)| (policy.margin_bps, own.len())).collect();
    assert_eq!(said, [(0.0, 2), (1.0, 1)]);
}
