//! `model_comparison.html`: one page that needs nothing else, from `templates/model_comparison.html`.

use askama::Template;

use super::chart::{Kind, curve, drawdown, spark};
use super::{ReportData, ReportError, SymbolRow};

/// Sizes of a chart for a wide screen and for a phone: text stays readable on both.
const WIDE: (u32, u32) = (1080, 300);
const NARROW: (u32, u32) = (420, 260);
const WIDE_FALL: (u32, u32) = (1080, 180);
const NARROW_FALL: (u32, u32) = (420, 170);
/// Features shown at most.
const FEATURES: usize = 15;

/// The page's content, every number already as text.
#[derive(Template)]
#[template(path = "model_comparison.html")]
struct Page<'a> {
    data: &'a ReportData,
    date: String,
    generated: String,
    memory: String,
    time: String,
    tiles: Vec<Tile>,
    charts: Vec<Chart>,
    rows: Vec<Row<'a>>,
    costs: Vec<Bar>,
    exits: Vec<Bar>,
    features: Vec<Bar>,
    steps: Vec<Bar>,
    regimes: Vec<[String; 8]>,
    groups: Vec<(&'a str, Vec<[String; 8]>)>,
    waits: Vec<Bar>,
    consensus: String,
    engines: Vec<[String; 7]>,
    search: Vec<[String; 5]>,
}

struct Tile {
    name: &'static str,
    value: String,
    note: String,
    tone: &'static str,
}

struct Chart {
    title: &'static str,
    wide: String,
    narrow: String,
}

struct Row<'a> {
    row: &'a SymbolRow,
    spark: String,
    win_rate: String,
    sharpe: String,
    sortino: String,
    calmar: String,
    max_drawdown: String,
    total_return: String,
    return_tone: &'static str,
    cost_share: String,
    buy_and_hold: String,
    interval: String,
    deflated: String,
    deflated_note: String,
    holding_sharpe: String,
}

struct Bar {
    name: String,
    value: String,
    /// Length in per cent of the longest.
    length: String,
    tone: &'static str,
}

pub(super) fn render(data: &ReportData) -> Result<String, ReportError> {
    let page = Page {
        data,
        date: data.date.format("%-d %B %Y").to_string(),
        generated: data.generated_at.format("%Y-%m-%d %H:%M UTC").to_string(),
        memory: data.peak_rss_bytes.map_or("–".into(), |bytes| format!("{:.2} GiB", bytes as f64 / 2f64.powi(30))),
        time: crate::ui::duration(data.seconds.iter().map(|(_, seconds)| seconds).sum()),
        tiles: tiles(data),
        charts: charts(data)?,
        rows: data.symbols.iter().map(|row| table_row(data, row)).collect(),
        costs: costs(data),
        exits: exits(data),
        features: features(data),
        steps: steps(data),
        regimes: group_rows(&data.regimes),
        groups: data
            .groups
            .iter()
            // Symbols and engines have tables of their own.
            .filter(|breakdown| !["symbol", "engine"].contains(&breakdown.by.as_str()) && !breakdown.groups.is_empty())
            .map(|breakdown| (breakdown.by.as_str(), group_rows(&breakdown.groups)))
            .collect(),
        waits: waits(data),
        consensus: consensus(data),
        engines: engines(data),
        search: search(data),
    };
    Ok(page.render()?)
}

/// Text made safe within HTML and within its quoted attributes.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

fn tiles(data: &ReportData) -> Vec<Tile> {
    let totals = &data.totals;
    let tile = |name, value: String, note: String, tone| Tile { name, value, note, tone };
    let failed = if totals.failed == 0 { String::new() } else { format!(", {} failed", totals.failed) };
    vec![
        tile(
            "Approved",
            format!("{} of {}", totals.approved, totals.symbols),
            format!("{} rejected{failed}", totals.rejected),
            if totals.approved > 0 { "good" } else { "" },
        ),
        tile(
            "Return",
            signed_percent(totals.total_return),
            "out of fold, net of costs".into(),
            tone(totals.total_return),
        ),
        tile("Sharpe", number(totals.sharpe), sharpe_note(data), tone(totals.sharpe)),
        tile("Largest drawdown", percent(totals.max_drawdown), "from a peak".into(), ""),
        tile("Win rate", percent(totals.win_rate), format!("{} trades", grouped(totals.trades as f64)), ""),
        tile("Cost share", percent(cost_share(data)), "of gross profit".into(), ""),
    ]
}

fn sharpe_note(data: &ReportData) -> String {
    let (range, holding) = (interval(&data.totals.luck), number(data.totals.holding.sharpe));
    let range = if range.is_empty() { "annualised".to_owned() } else { format!("95%: {range}") };
    format!("{range}; holding: {holding}")
}

/// Costs over gross profit; not defined without a profit.
fn cost_share(data: &ReportData) -> Option<f64> {
    let costs = &data.costs;
    let all = costs.fee + costs.spread + costs.slippage + costs.funding;
    (costs.gross > 0.0).then(|| all / costs.gross)
}

fn charts(data: &ReportData) -> Result<Vec<Chart>, ReportError> {
    let falls = drawdown(&data.equity);
    let kinds = [
        ("Equity", &data.equity, Kind::Equity, WIDE, NARROW),
        ("Drawdown", &falls, Kind::Drawdown, WIDE_FALL, NARROW_FALL),
    ];
    kinds
        .into_iter()
        .map(|(title, points, kind, wide, narrow)| {
            let what = format!("{title} of the portfolio over time");
            Ok(Chart { title, wide: curve(points, kind, wide, &what)?, narrow: curve(points, kind, narrow, &what)? })
        })
        .collect()
}

fn table_row<'a>(data: &ReportData, row: &'a SymbolRow) -> Row<'a> {
    let points = data.symbol_equity.iter().find(|curve| curve.symbol == row.symbol);
    Row {
        row,
        spark: points.map(|curve| spark(&curve.points, &format!("Equity of {}", row.symbol))).unwrap_or_default(),
        win_rate: percent(row.win_rate),
        sharpe: number(row.sharpe),
        sortino: number(row.sortino),
        calmar: number(row.calmar),
        max_drawdown: percent(row.max_drawdown),
        total_return: signed_percent(row.total_return),
        return_tone: tone(row.total_return),
        cost_share: percent(row.cost_share),
        buy_and_hold: signed_percent(row.buy_and_hold),
        interval: interval(&row.luck),
        deflated: probability(row.luck.deflated_sharpe),
        deflated_note: deflated_note(&row.luck),
        holding_sharpe: number(row.holding_sharpe),
    }
}

fn costs(data: &ReportData) -> Vec<Bar> {
    let costs = &data.costs;
    let rows = [
        ("gross", costs.gross, if costs.gross < 0.0 { "bad" } else { "good" }),
        ("fee", -costs.fee, "cost"),
        ("spread", -costs.spread, "cost"),
        ("slippage", -costs.slippage, "cost"),
        ("funding", -costs.funding, "cost"),
        ("net", costs.net, if costs.net < 0.0 { "bad" } else { "good" }),
    ];
    let rows = rows.into_iter().map(|(name, value, tone)| (name.to_owned(), value, grouped(value), tone));
    bars(rows.collect())
}

fn exits(data: &ReportData) -> Vec<Bar> {
    let all: u64 = data.exit_reasons.iter().map(|(_, count)| count).sum();
    let row = |(reason, count): &(String, u64)| {
        let value = format!("{} ({})", grouped(*count as f64), percent(Some(*count as f64 / all.max(1) as f64)));
        (reason.replace('_', " "), *count as f64, value, "")
    };
    bars(data.exit_reasons.iter().map(row).collect())
}

fn features(data: &ReportData) -> Vec<Bar> {
    let row = |feature: &super::Importance| (feature.feature.clone(), feature.share, percent(Some(feature.share)), "");
    bars(data.importance.iter().take(FEATURES).map(row).collect())
}

fn steps(data: &ReportData) -> Vec<Bar> {
    let row = |(step, seconds): &(String, f64)| (step.clone(), *seconds, crate::ui::duration(*seconds), "");
    bars(data.seconds.iter().map(row).collect())
}

fn bars(rows: Vec<(String, f64, String, &'static str)>) -> Vec<Bar> {
    let longest = rows.iter().map(|(_, size, ..)| size.abs()).filter(|size| size.is_finite()).fold(0.0, f64::max);
    rows.into_iter()
        .map(|(name, size, value, tone)| {
            let share = if longest > 0.0 && size.is_finite() { 100.0 * size.abs() / longest } else { 0.0 };
            Bar { name, value, length: format!("{share:.1}"), tone }
        })
        .collect()
}

fn waits(data: &ReportData) -> Vec<Bar> {
    let all = data.decisions.bars.max(1) as f64;
    let row = |(reason, count): &(String, u64)| {
        let value = format!("{} ({})", grouped(*count as f64), percent(Some(*count as f64 / all)));
        (reason.replace('_', " "), *count as f64, value, "")
    };
    let traded = ("signal".to_owned(), data.decisions.signals);
    bars(data.decisions.waits.iter().chain([&traded]).map(row).collect())
}

/// The consensus in a sentence.
fn consensus(data: &ReportData) -> String {
    let decisions = &data.decisions;
    let share = |count: u64| percent(Some(count as f64 / decisions.bars.max(1) as f64));
    let (buy, sell) = (share(decisions.beyond_buy), share(decisions.beyond_sell));
    let confidence = percent(decisions.confidence.map(|confidence| confidence / 100.0));
    format!(
        "The score exceeds its threshold to buy in {buy} of the bars, to sell in {sell}; mean confidence there {confidence}."
    )
}

fn engines(data: &ReportData) -> Vec<[String; 7]> {
    let words = |name: &str| name.replace('_', " ");
    let cells = |row: &super::EngineRow| {
        let net = row.mean_net_bps.map_or("–".into(), |bps| minus(format!("{bps:+.1} bps")));
        let trades = grouped(row.trades as f64);
        let (hits, wins) = (percent(row.hit_rate), percent(row.win_rate));
        [words(&row.engine), words(&row.family), hits, trades, wins, net, number(row.t_statistic)]
    };
    data.engines.iter().map(cells).collect()
}

fn search(data: &ReportData) -> Vec<[String; 5]> {
    let cells = |row: &super::SearchRow| {
        [
            row.head.clone(),
            format!("{} of {}", row.moved, row.folds),
            signed_percent(Some(row.validation_gain)),
            signed_percent(Some(row.test_gain)),
            format!("{:.1}×", row.cost),
        ]
    };
    data.search.iter().map(cells).collect()
}

fn group_rows(groups: &[super::Group]) -> Vec<[String; 8]> {
    groups
        .iter()
        .map(|group| {
            let net = group.mean_net_bps.map_or("–".into(), |bps| format!("{bps:+.1} bps"));
            [
                group.name.clone(),
                grouped(group.trades as f64),
                percent(group.win_rate),
                minus(net),
                number(group.t_statistic),
                number(group.profit_factor),
                group.net_profit.map_or("–".into(), grouped),
                percent(group.cost_share),
            ]
        })
        .collect()
}

/// From … to, of the Sharpe ratio.
fn interval(luck: &super::Luck) -> String {
    match (luck.sharpe_low, luck.sharpe_high) {
        (Some(low), Some(high)) => {
            format!("{} to {}", minus(format!("{low:.1}")), minus(format!("{high:.1}")))
        }
        _ => String::new(),
    }
}

/// A probability; what is not quite certain does not read as certain.
fn probability(value: Option<f64>) -> String {
    match value.filter(|value| value.is_finite()) {
        None => "–".into(),
        Some(value) if (0.9995..1.0).contains(&value) => ">0.999".into(),
        Some(value) => format!("{value:.3}"),
    }
}

fn deflated_note(luck: &super::Luck) -> String {
    let tries = if luck.tries > 1 { format!("best of {} tries", luck.tries) } else { "one try".into() };
    format!(
        "Probability that the true Sharpe ratio beats luck: {tries}, t {}, skewness {}, kurtosis {}; as published {}",
        number(luck.t_statistic),
        number(luck.skewness),
        number(luck.kurtosis),
        probability(luck.published_deflated_sharpe),
    )
}

fn number(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or("–".into(), |value| minus(format!("{value:.2}")))
}

fn percent(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or("–".into(), |value| minus(format!("{:.1}%", 100.0 * value)))
}

fn signed_percent(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or("–".into(), |value| minus(format!("{:+.1}%", 100.0 * value)))
}

/// A true minus sign; none before a zero.
fn minus(text: String) -> String {
    let zero = !text.contains(|c| ('1'..='9').contains(&c));
    text.replace('-', if zero { "" } else { "−" })
}

/// A whole number with thin spaces between thousands.
fn grouped(value: f64) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    if value < 0.0 && text != "0" { format!("−{text}") } else { text }
}

fn tone(value: Option<f64>) -> &'static str {
    // What reads as zero has no colour.
    match value {
        Some(value) if value >= 0.0005 => "good",
        Some(value) if value <= -0.0005 => "bad",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(grouped(1234567.0), "1\u{202f}234\u{202f}567");
        assert_eq!(
            (grouped(-999.6), grouped(-0.2), grouped(f64::NAN)),
            ("−1\u{202f}000".into(), "0".into(), "–".into())
        );
        assert_eq!((signed_percent(Some(-0.1234)), percent(None)), ("−12.3%".into(), "–".into()));
        assert_eq!(number(Some(f64::INFINITY)), "–");
        let all = [None, Some(0.98765), Some(0.9999), Some(1.0)].map(probability);
        assert_eq!(all, ["–", "0.988", ">0.999", "1.000"]);
        let luck = super::super::Luck { sharpe_low: Some(-0.04), sharpe_high: Some(2.26), ..Default::default() };
        assert_eq!((interval(&luck).as_str(), interval(&Default::default()).as_str()), ("0.0 to 2.3", ""));
        assert_eq!((percent(Some(-1e-9)), tone(Some(-1e-9)), tone(Some(-0.01))), ("0.0%".into(), "", "bad"));
    }
}
