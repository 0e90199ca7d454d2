use std::fs;

use super::*;

fn page(data: &ReportData) -> String {
    page::render(data).unwrap()
}

#[test]
fn all_three_files_are_written_and_the_json_can_be_read_back() {
    let workdir = tempfile::tempdir().unwrap();
    let data = example();
    let written = write(workdir.path(), &data).unwrap();
    let json = fs::read(&written.training_report).unwrap();
    assert_eq!(serde_json::from_slice::<ReportData>(&json).unwrap(), data);
    let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(value["seconds"]["train"], 141.0);
    assert_eq!(fs::read_to_string(&written.performance_analysis).unwrap().lines().count(), 1 + data.symbols.len());
    assert!(fs::read_to_string(&written.model_comparison).unwrap().starts_with("<!doctype html>"));
    assert_eq!(fs::read_dir(workdir.path().join("reports")).unwrap().count(), 3);
    if let Some(folder) = std::env::var_os("HURACAN_TEST_KEEP_REPORT") {
        write(Path::new(&folder), &data).unwrap();
    }
}

#[test]
fn the_page_needs_no_network() {
    let html = page(&example());
    // The one address left names the SVG vocabulary and is fetched by nobody.
    let html = html.replace("http://www.w3.org/2000/svg", "");
    for word in ["http:", "https:", "src=", "@import", "url(", "<script"] {
        assert!(!html.contains(word), "{word}");
    }
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
    data.groups[0].by = evil.into();
    data.groups[0].groups[0].name = evil.into();
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
    assert_eq!(html.matches("aria-label=\"Equity of the portfolio over time\"").count(), 2);
    assert_eq!(html.matches("aria-label=\"Drawdown of the portfolio over time\"").count(), 2);
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
        "win_long",
        "−0.2%",
        "31.4×",
        "−0.3 to 3.7",
        "Sharpe −0.40",
        "0.964",
        "Trades by engine",
        "macd_cross",
    ] {
        assert!(html.contains(word), "{word}");
    }
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
    data.costs = Costs::default();
    data.seconds.clear();
    data.search.clear();
    let html = page(&data);
    assert!(html.contains("No symbol was trained.") && html.contains("No equity curve"));
    assert!(!html.contains("Hyperparameters"), "a day without a search says nothing of one");
    assert!(!html.contains("NaN"));
}
