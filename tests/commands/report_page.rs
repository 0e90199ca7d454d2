//! The report page in a real browser: a page of a real run on simulated candles, and pages of days as odd as they come.
//!
//! `HURACAN_TEST_SHOTS=FOLDER` keeps the screenshots.

use crate::browser;
use crate::cli;
use crate::python;

use std::path::{Path, PathBuf};

use huracan::report::{
    self, AccountResult, Breakdown, Costs, Decisions, PatternEntry, PatternResult, Patterns, ReportData, RiskSummary,
    Totals,
};
use serde_json::Value;

const SMALL: &str = "run --date 2024-08-01 --set market.simulated.symbols=14 --set market.simulated.edge=5.0 \
    --set market.lookback_days=160 --set universe.top_n=4 --set folds.train_days=60 --set models.rounds=12 \
    --set brain.feature_days=2";

const PICTURE: &str = "<img src=\"http://127.0.0.1:9/x.png\" alt=\"\"></main>";

/// Which of every fifty symbols has a long name: one of those that are shown first.
const LONG: usize = 28;

/// What was found on each page, by the name of its folder: the problems, and the number of charts.
struct Seen(Value);

impl Seen {
    /// Writes each page to a folder of its name and looks at all of them in one browser; none where there is no browser.
    /// `times`: `all` widths, schemes and without scripts, or `once`.
    fn of(folder: &Path, times: &str, pages: &[(&str, String)]) -> Option<Self> {
        let (browser, python) = (browser::browser()?, python::python_with("playwright.sync_api")?);
        let place = |name: &str| folder.join(name).join("reports/model_comparison.html");
        let mut paths: Vec<PathBuf> = vec![browser, times.into()];
        for (name, html) in pages {
            cli::write(folder, &format!("{name}/reports/model_comparison.html"), html);
            paths.push(place(name));
        }
        let arguments: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        let told: Value = serde_json::from_str(&python::run(&python, "browse.py", &arguments)).unwrap();
        let of = |name: &str| (name.to_owned(), told[place(name).to_str().unwrap()].clone());
        Some(Self(pages.iter().map(|(name, _)| of(name)).collect::<serde_json::Map<_, _>>().into()))
    }

    fn problems(&self, page: &str) -> Vec<&str> {
        self.0[page]["problems"].as_array().unwrap().iter().map(|problem| problem.as_str().unwrap()).collect()
    }

    fn charts(&self, page: &str) -> u64 {
        self.0[page]["charts"].as_u64().unwrap()
    }
}

/// A day on the simulated market, and its page.
fn day(folder: &Path) -> (ReportData, String) {
    cli::huracan(folder, SMALL).expect(0, &["SIMULATED MARKET"]);
    let read = |name: &str| std::fs::read_to_string(folder.join("reports").join(name)).unwrap();
    (serde_json::from_str(&read("training_report.json")).unwrap(), read("model_comparison.html"))
}

fn page(folder: &Path, data: &ReportData) -> String {
    std::fs::read_to_string(report::write(folder, data).unwrap().model_comparison).unwrap()
}

/// Two hundred symbols, some with names that are longer than a phone is wide.
fn crowded(day: &ReportData) -> ReportData {
    let mut data = ReportData { simulated: false, ..day.clone() };
    let names = |n: usize| match n % 50 {
        LONG => format!("{}{n}-USDT", "WRAPPEDSTAKEDBRIDGED".repeat(4)),
        _ => format!("COIN{n}-USDT"),
    };
    data.symbols = (0..200).map(|n| data.symbols[n % data.symbols.len()].clone()).collect();
    data.symbol_equity = (0..200).map(|n| data.symbol_equity[n % data.symbol_equity.len()].clone()).collect();
    for n in 0..200 {
        data.symbols[n].symbol = names(n);
        data.symbols[n].trades = (n as u64 * 7919) % 1009;
        data.symbols[n].approved = n % 7 == 0;
        data.symbol_equity[n].symbol = names(n);
    }
    data.exclusions = (0..80).map(|n| report::Exclusion { symbol: names(n), reason: "too thin".into() }).collect();
    data.failures =
        vec![report::SymbolFailure { symbol: names(LONG), step: "download".into(), reason: "x".repeat(300) }];
    let group = |n: usize| report::Group { name: names(n), trades: 3, ..report::Group::default() };
    data.groups.push(Breakdown { by: "coin".into(), groups: (LONG..LONG + 4).map(group).collect() });
    let side = PatternResult {
        rows: 123_456,
        win_rate: Some(0.512),
        base_win_rate: Some(0.409),
        mean_net_bps: Some(-112.3),
        base_net_bps: Some(f64::NAN),
    };
    let pattern = |n: usize| PatternEntry {
        symbol: names(n),
        side: "short".into(),
        conditions: "close_vs_max_50 high + macd_histogram_lag_3 low + ret_1_std_20 mid".into(),
        train: side.clone(),
        test: side.clone(),
        q_value: 0.01,
        test_q_value: 0.04,
        candidate: true,
        learned: true,
    };
    data.patterns = Patterns { tests: 1e9, list: (0..3).map(|n| pattern(n * 50 + LONG)).collect() };
    data
}

/// A day on which nothing was approved, nothing traded, and nothing is defined.
fn bare(day: &ReportData) -> ReportData {
    let mut data = ReportData { simulated: false, ..day.clone() };
    data.totals = Totals { symbols: data.symbols.len(), rejected: data.symbols.len(), ..Totals::default() };
    for row in &mut data.symbols {
        *row = report::SymbolRow {
            symbol: row.symbol.clone(),
            folds: 2,
            sharpe: Some(f64::NAN),
            reasons: vec!["sharpe NaN is below 0.5 (approve.min_sharpe)".into()],
            ..report::SymbolRow::default()
        };
    }
    data.account = AccountResult::default();
    data.all_models = AccountResult::default();
    data.account_equity.clear();
    data.approvals.clear();
    data.equity.clear();
    data.holding.clear();
    data.symbol_equity.clear();
    data.calibration.clear();
    data.exit_reasons.clear();
    data.regimes.clear();
    data.groups.clear();
    data.voters.clear();
    data.costs = Costs { currency: "GBP".into(), gross: f64::NAN, ..Costs::default() };
    data.decisions = Decisions::default();
    data.risk = RiskSummary::default();
    data
}

/// One symbol that gains everything in a day.
fn single(day: &ReportData) -> ReportData {
    let mut data = day.clone();
    data.symbols.truncate(1);
    data.symbol_equity.truncate(1);
    data.equity = vec![(1_700_000_000_000, 1.0), (1_700_086_400_000, 12_345_678.9)];
    data.account_equity.clone_from(&data.equity);
    data.holding = vec![(1_700_000_000_000, 1.0), (1_700_086_400_000, f64::NAN)];
    data.account.total_return = Some(12_345_677.9);
    data.costs.net = 123_456_789_012.0;
    data.totals.total_return = Some(12_345_677.9);
    data
}

#[test]
fn every_page_is_whole_at_both_widths_in_both_schemes_and_without_scripts() {
    let folder = tempfile::tempdir().unwrap();
    let (data, html) = day(folder.path());
    assert!(data.simulated && data.totals.trades > 0 && data.voters.len() == 23 && data.calibration.len() == 3);
    let made = |name: &str, data: &ReportData| page(&folder.path().join(name), data);
    let pages = [
        ("day", html),
        ("crowded", made("crowded", &crowded(&data))),
        ("bare", made("bare", &bare(&data))),
        ("single", made("single", &single(&data))),
    ];
    let Some(seen) = Seen::of(folder.path(), "all", &pages) else { return };
    for (name, _) in &pages {
        assert_eq!(seen.problems(name), Vec::<&str>::new(), "{name}");
    }
    // Equity and drawdown of the account, equity of all models, calibration, and a small curve a symbol; of two hundred the first 25 are shown.
    assert_eq!(seen.charts("day"), 4 + data.symbols.len() as u64);
    assert_eq!((seen.charts("crowded"), seen.charts("bare"), seen.charts("single")), (4 + 25, 0, 5));
}

#[test]
fn a_page_that_is_broken_is_seen_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let (_, html) = day(folder.path());
    let broken = |from: &str, to: &str| {
        assert!(html.contains(from), "{from}");
        html.replacen(from, to, 1)
    };
    let cases = [
        ("talks", broken("\"use strict\";", "console.error(\"x\");"), "console: x"),
        ("throws", broken("\"use strict\";", "throw new Error(\"gone\");"), "error: gone"),
        ("forbidden", broken("</main>", PICTURE), "Content Security Policy"),
        ("asks", broken("img-src data:", "img-src *").replace("</main>", PICTURE), "network: http://127.0.0.1:9/x.png"),
        ("wide", broken("<footer>", "<footer style=\"width:1300px\">"), "reaches from"),
        ("blank", html.replace("class=\"s-line\"", "class=\"s-none\""), "has no curve"),
        (
            "unseen",
            broken("svg .s-line { stroke: var(--line) }", "svg .s-line { stroke: var(--card) }"),
            "cannot be seen",
        ),
        ("less", broken("id=\"calibration\"", "id=\"other\""), "no section calibration"),
        ("pale", broken("--soft: #566574", "--soft: #c0c8d0"), "has a contrast of"),
        ("dumb", broken("readout.textContent = parts", "readout.title = parts"), "no value under the pointer"),
        ("stuck", broken("return sign *", "return 0 *"), "the order by trades"),
    ];
    let pages: Vec<(&str, String)> = cases.iter().map(|(name, html, _)| (*name, html.clone())).collect();
    let Some(seen) = Seen::of(folder.path(), "once", &pages) else { return };
    for (name, _, word) in cases {
        let problems = seen.problems(name);
        assert!(problems.iter().any(|problem| problem.contains(word)), "{name}: no '{word}' in {problems:?}");
    }
}
