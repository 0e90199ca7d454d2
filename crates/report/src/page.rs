//! `model_comparison.html`: a self-contained page, rendered from `templates/model_comparison.html`. It is readable
//! without scripts; its own script adds sorting, filtering and values under the pointer.

mod bars;
mod breakers;
mod calibration;
mod families;
mod forward;
mod overview;
mod tables;
pub(super) mod text;
mod verdicts;
mod words;

use askama::Template;

use super::{ReportData, ReportError};
use bars::Bar;
use tables::{GroupCells, PatternRow};

/// The content of the page, with every number formatted as text.
#[derive(Template)]
#[template(path = "model_comparison.html")]
struct Page<'a> {
    data: &'a ReportData,
    style: &'static str,
    script: &'static str,
    date: String,
    generated: String,
    memory: String,
    time: String,
    tiles: Vec<overview::Tile>,
    charts: Vec<overview::Chart>,
    accounts: Vec<[String; 3]>,
    approvals: String,
    forward: Vec<forward::Row>,
    forward_verdict: String,
    rows: Vec<verdicts::Row<'a>>,
    calibration: calibration::Calibrated,
    costs: Vec<Bar>,
    exits: Vec<Bar>,
    features: Vec<Bar>,
    importance_note: String,
    steps: Vec<Bar>,
    regimes: Vec<GroupCells>,
    groups: Vec<(&'a str, Vec<GroupCells>)>,
    waits: Vec<Bar>,
    refusals: Vec<Bar>,
    lanes: Vec<breakers::Lane>,
    lane_days: Option<[String; 2]>,
    caps: String,
    consensus: String,
    modes: Vec<[String; 4]>,
    consensus_verdict: String,
    voters: Vec<[String; 7]>,
    patterns: Vec<PatternRow<'a>>,
    patterns_note: String,
    search: Vec<[String; 5]>,
    families: Vec<families::Row>,
    families_verdict: String,
    learning: Option<families::Learning>,
}

/// Renders the page.
pub(super) fn render(data: &ReportData) -> Result<String, ReportError> {
    let page = Page {
        data,
        style: include_str!("../templates/report/style.css"),
        script: include_str!("../templates/report/page.js"),
        date: data.date.format("%-d %B %Y").to_string(),
        generated: data.generated_at.format("%Y-%m-%d %H:%M UTC").to_string(),
        memory: data
            .peak_rss_bytes
            .map_or(text::NONE.into(), |bytes| format!("{:.2} GiB", bytes as f64 / 2f64.powi(30))),
        time: huracan_host::text::duration(data.seconds.iter().map(|(_, seconds)| seconds).sum()),
        tiles: overview::tiles(data),
        charts: overview::charts(data)?,
        accounts: overview::accounts(data),
        approvals: overview::approvals(data),
        forward: forward::rows(data),
        forward_verdict: forward::verdict(data),
        rows: verdicts::rows(data),
        calibration: calibration::calibrated(data)?,
        costs: bars::costs(data),
        exits: bars::exits(data),
        features: bars::features(data),
        importance_note: bars::importance_note(data),
        steps: bars::steps(data),
        regimes: tables::group_rows(&data.regimes),
        groups: tables::other_groups(data),
        waits: bars::waits(data),
        refusals: bars::refusals(data),
        lanes: breakers::lanes(data),
        lane_days: breakers::days(data),
        caps: tables::caps(data),
        consensus: tables::consensus(data),
        modes: tables::modes(data),
        consensus_verdict: tables::consensus_verdict(data),
        voters: tables::voters(data),
        patterns: tables::patterns(data),
        patterns_note: tables::patterns_note(data),
        search: tables::search(data),
        families: families::rows(data),
        families_verdict: families::verdict(data),
        learning: families::learning(data),
    };
    Ok(page.render()?)
}
