use std::fs;

use super::*;

fn page(data: &ReportData) -> String {
    page::render(data).unwrap()
}

#[test]
fn all_three_files_are_written_and_the_json_can_be_read_back() {
    let workdir = tempfile::tempdir().unwrap();
    let data = example();
    let files = write(workdir.path(), &data).unwrap();
    let json = fs::read(&files.training_report).unwrap();
    assert_eq!(serde_json::from_slice::<ReportData>(&json).unwrap(), data);
    let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(value["seconds"]["train"], 141.0);
    assert_eq!(fs::read_to_string(&files.performance_analysis).unwrap().lines().count(), 1 + data.symbols.len());
    assert!(fs::read_to_string(&files.model_comparison).unwrap().starts_with("<!doctype html>"));
    assert_eq!(fs::read_dir(workdir.path().join("reports")).unwrap().count(), 3);
    if let Some(folder) = std::env::var_os("HURACAN_TEST_KEEP_REPORT") {
        write(Path::new(&folder), &data).unwrap();
    }
}

#[test]
fn the_page_needs_no_network() {
    let html = page(&example());
    // The one remaining address is the SVG namespace, which is never fetched.
    let html = html.replace("http://www.w3.org/2000/svg", "");
    for word in ["http:", "https:", "src=", "@import", "url(", "fetch(", "XMLHttp", "import("] {
        assert!(!html.contains(word), "{word}");
    }
    assert!(html.contains("default-src 'none'"), "the page forbids all network requests");
}

#[test]
fn text_from_outside_is_escaped_everywhere() {
    let mut data = example();
    let evil = "<img onerror=x>\"'&";
    data.run_id = evil.into();
    data.device = evil.into();
    data.costs.currency = evil.into();
    data.importance[0].feature = evil.into();
    data.exit_reasons[0].0 = evil.into();
    data.regimes[0].name = evil.into();
    data.search[0].head = evil.into();
    data.calibration[0].head = evil.into();
    data.groups[0].by = evil.into();
    data.groups[0].groups[0].name = evil.into();
    data.decisions.mode = evil.into();
    data.decisions.waits[0].0 = evil.into();
    data.voters[0].voter = evil.into();
    data.risk.refusals[0].0 = evil.into();
    data.risk.trips[0].0 = evil.into();
    data.patterns.list[0].symbol = evil.into();
    data.patterns.list[0].side = evil.into();
    data.patterns.list[0].conditions = evil.into();
    data.failures[0].reason = evil.into();
    data.exclusions[0].reason = evil.into();
    data.symbols[1].reasons[0] = evil.into();
    data.symbols[0].symbol = evil.into();
    data.symbol_equity[0].symbol = evil.into();
    let html = page(&data);
    assert!(!html.contains("<img") && !html.contains("<b>EVIL"));
    assert!(!html.contains("onerror=x>"));
}

#[test]
fn a_simulated_market_is_said_in_the_banner_the_title_and_every_row() {
    let mut data = example();
    let html = page(&data);
    assert!(html.contains("SIMULATED MARKET") && html.contains("(simulated)</title>"));
    assert_eq!(html.matches(">simulated</span>").count(), data.symbols.len());
    data.simulated = false;
    let html = page(&data);
    assert!(!html.contains("SIMULATED MARKET") && !html.contains(">simulated<"));
}

#[test]
fn the_page_shows_charts_verdicts_costs_and_exits() {
    let html = page(&example());
    assert_eq!(html.matches("aria-label=\"Equity of the account over time (simulated)\"").count(), 2);
    assert_eq!(html.matches("aria-label=\"Drawdown of the account over time (simulated)\"").count(), 2);
    assert_eq!(html.matches("aria-label=\"Equity of the account of all models over time (simulated)\"").count(), 2);
    assert_eq!(html.matches("aria-label=\"Calibration of the models (simulated)\"").count(), 2);
    assert_eq!(html.matches("class=\"spark\"").count(), 8);
    assert_eq!(html.matches("\"pill yes\"").count(), 3);
    for word in [
        "slippage",
        "take profit",
        "BAD-USDT",
        "NEW-USDT",
        "rsi_14",
        "TREND",
        "1\u{202f}240",
        "win long",
        "<td>−0.2</td>",
        "31.4×",
        "−0.3 to 3.7",
        "Sharpe −0.40",
        "0.964",
        "Trades by weekday",
        "Monday",
        "rsi_14 high + volatility_20 low",
        "65.0 (41.0)",
        "consensus disagrees",
        "2\u{202f}154",
        "ema cross",
        "in 21.4% of the bars, and to sell in 20.7%; its mean confidence there is 47.5%",
        "331 (16.7%)",
        "The outcomes lie within two standard errors of the predictions. On the same bars this run&#39;s models err less",
        "<td>approval lost</td>",
        "<td>Approved when handed over</td>",
        "<td>Realised of it, bps</td><td>+20.2 ± 3.3</td>",
        "those that it confirms earn −1.6 ± 3.9 bps more",
        "At 1 of 2 fold boundaries at least one model was approved",
        "<td>Net per trade, bps</td><td>+6.2 ± 3.4</td><td>+4.1 ± 3.4</td>",
        "2.00 times the equity in all coins, 25.0% of it in one coin",
        "2×, 3 h",
        "daily stop: tripped 2 times, active for 3 hours in total",
        "the voters&#39; score is below its threshold",
        "−1\u{202f}240 (23.8%)",
        "Came true",
        "win short",
        "holding −6.2%",
        "<div class=\"sub\">before +3.1</div>",
        "2 of 3 candidates were confirmed on the test windows; all 38\u{202f}412\u{202f}960 possible patterns",
    ] {
        assert!(html.contains(word), "{word}");
    }
}

#[test]
fn the_forward_record_says_which_models_are_not_scored_and_which_coins_they_miss() {
    let mut data = example();
    assert!(!page(&data).contains("other settings"));
    data.forward.left_out = 2;
    data.forward.missing = vec!["ADA-USDT".to_owned(), "SOL-USDT".to_owned()];
    let html = page(&data);
    assert!(html.contains("2 models were made under other settings and are not scored."));
    assert!(html.contains("have also learned from ADA-USDT, SOL-USDT, which this run does not have"));
}

#[test]
fn a_day_without_trades_still_makes_a_page() {
    let mut data = example();
    data.symbols.clear();
    data.equity.clear();
    data.symbol_equity.clear();
    data.importance.clear();
    data.exit_reasons.clear();
    data.totals = Totals::default();
    data.account = AccountResult::default();
    data.all_models = AccountResult::default();
    data.account_equity.clear();
    data.approvals.clear();
    data.forward = ForwardReport::default();
    data.costs = Costs::default();
    data.seconds.clear();
    data.search.clear();
    data.calibration.clear();
    data.risk = RiskSummary::default();
    data.decisions = Decisions::default();
    data.voters.clear();
    data.regimes.clear();
    data.groups.clear();
    data.patterns = Patterns::default();
    let html = page(&data);
    assert!(
        html.contains("No trade of a model that was handed over")
            && html.contains("No symbol was trained.")
            && html.contains("No equity curve")
    );
    assert!(html.contains("No search for patterns was made."));
    assert!(!html.contains("Hyperparameters"), "a day without a search has no section for it");
    assert!(!html.contains("NaN"));
}

#[test]
fn values_that_are_not_finite_are_shown_as_a_dash() {
    let mut data = example();
    data.voters[0].mean_net_bps = Some(f64::NAN);
    data.regimes[0].profit_factor = Some(f64::INFINITY);
    data.regimes[0].mean_net_bps = Some(f64::NAN);
    data.patterns.list[0].test.mean_net_bps = Some(f64::NAN);
    data.symbols[0].sharpe = Some(f64::NAN);
    data.totals.sharpe = Some(f64::NAN);
    data.equity[7].1 = f64::NAN;
    data.search[0].cost = f64::INFINITY;
    data.costs.gross = f64::NAN;
    let text = page(&data).split("<script>").next().unwrap().to_lowercase();
    for word in [">nan", "nan<", "nan ", "nan,", ">inf", "inf<", "inf×"] {
        assert!(!text.contains(word), "{word}");
    }
}

#[test]
fn errors_stand_beside_what_they_are_errors_of() {
    let mut data = example();
    data.account.gross_bps = Some(20.0);
    data.account.net_bps = Some(6.0);
    (data.account.error_bps, data.account.net_error_bps) = (Some(3.3), Some(3.7));
    let sum = &mut data.forward.all;
    (sum.predicted_bps, sum.realised_bps, sum.error_bps) = (Some(30.0), Some(20.0), Some(4.0));
    (sum.trades, sum.challenged, sum.challenger_bps) = (104, 57, Some(26.5));
    let html = page(&data);
    assert!(html.contains("± 3.3") && html.contains("± 3.7"));
    assert!(html.contains("<td>−10.0 ± 4.0</td>"), "of the outcome less the prediction");
    assert!(html.contains("(57)"), "the challenger's number of trades");
}

#[test]
fn the_page_says_how_far_the_trees_are_believed() {
    let mut data = example();
    assert!(page(&data).contains("of whose trees something is believed"));
    data.importance_believed = Some(0);
    assert!(page(&data).contains("Nothing of the trees is believed"));
}
