//! `sweep.html`: heat maps on one self-contained page, from `templates/sweep.html`.

use std::fmt::Write;

use askama::Template;

use super::lists::{distance_text, hold_text, threshold_text};
use super::{FEWEST_TRADES, View, row};
use crate::shadow::sweep::{Grid, SettingMetrics};

/// Most thresholds and most holds with a heat map of their own. The other settings are only in the table.
const MAX_MAPS: (usize, usize) = (8, 6);
/// Most stops and most takes of one map.
const MAX_CELLS: usize = 40;
/// Shades on each side of 0.
const SHADES: f64 = 5.0;
/// Pixels of a cell, of the margin on the left, and of that below.
const CELL: usize = 14;
const LEFT: usize = 30;
const FOOT: usize = 18;
/// Settings in the list of the best.
const SHOWN: usize = 25;

/// What was swept.
pub(super) struct About {
    pub simulated: bool,
    pub symbols: usize,
    pub timeframe: String,
    pub days: usize,
    pub decided_by: &'static str,
}

#[derive(Template)]
#[template(path = "sweep.html")]
struct Page<'a> {
    about: &'a About,
    settings: usize,
    tiles: Vec<Tile>,
    heading: &'static [&'static str],
    best: Vec<Vec<String>>,
    rows: Vec<Maps>,
    scale: String,
    fewest: u64,
    left_out: bool,
}

struct Tile {
    name: &'static str,
    value: String,
    note: String,
}

/// The heat maps of one threshold.
struct Maps {
    threshold: String,
    maps: Vec<Map>,
}

struct Map {
    hold: String,
    svg: String,
}

pub(super) fn render(
    grid: &Grid,
    judged: &[SettingMetrics],
    view: &View,
    about: &About,
) -> Result<String, askama::Error> {
    let best = view.order.first().copied();
    let at = |length: usize, stride: usize| best.map_or(0, |best| best / stride % length);
    let (takes, holds) = (grid.take_atr.len(), grid.max_hold.len());
    let stops = grid.stop_atr.len();
    let drawn = Drawn {
        thresholds: spread(grid.thresholds.len(), MAX_MAPS.0, at(grid.thresholds.len(), stops * takes * holds)),
        stops: spread(stops, MAX_CELLS, at(stops, takes * holds)),
        takes: spread(takes, MAX_CELLS, at(takes, holds)),
        holds: spread(holds, MAX_MAPS.1, at(holds, 1)),
    };
    let shown = drawn.thresholds.len() * drawn.stops.len() * drawn.takes.len() * drawn.holds.len();
    let scale = scale(judged);
    let index = |threshold: usize, stop: usize, take: usize, hold: usize| {
        ((threshold * stops + stop) * takes + take) * holds + hold
    };
    let rows = drawn.thresholds.iter().map(|&threshold| Maps {
        threshold: threshold_text(grid.thresholds[threshold]),
        maps: drawn
            .holds
            .iter()
            .map(|&hold| Map {
                hold: hold_text(grid.max_hold[hold]),
                svg: map(grid, judged, &drawn, scale, best, &|stop, take| index(threshold, stop, take, hold)),
            })
            .collect(),
    });
    let page = Page {
        about,
        settings: grid.len(),
        tiles: tiles(grid, judged, view),
        heading: &super::HEADING,
        best: view.order.iter().take(SHOWN).map(|&at| row(grid.setting(at), &judged[at])).collect(),
        rows: rows.collect(),
        scale: format!("{scale:.1}"),
        fewest: FEWEST_TRADES,
        left_out: shown < grid.len(),
    };
    page.render()
}

/// Indices into each list of the settings that are drawn.
struct Drawn {
    thresholds: Vec<usize>,
    stops: Vec<usize>,
    takes: Vec<usize>,
    holds: Vec<usize>,
}

/// At most `most` of `length` indices, evenly spread, with `keep` among them.
fn spread(length: usize, most: usize, keep: usize) -> Vec<usize> {
    if length <= most {
        return (0..length).collect();
    }
    let mut indices: Vec<usize> = (0..most).map(|n| n * (length - 1) / (most - 1)).collect();
    if let Some(nearest) = indices.iter_mut().min_by_key(|index| index.abs_diff(keep)) {
        *nearest = keep;
    }
    indices
}

fn counts(one: &SettingMetrics) -> bool {
    one.trades >= FEWEST_TRADES
}

/// The mean trade (basis points) that gets the deepest shade: the 95th percentile of its size over the settings, so that a
/// few extreme ones do not leave the rest pale.
fn scale(judged: &[SettingMetrics]) -> f64 {
    let mut sizes: Vec<f64> = judged.iter().filter(|one| counts(one)).map(|one| one.net_bps.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.get(sizes.len() * 95 / 100).copied().filter(|size| *size > 0.0).unwrap_or(1.0)
}

fn shade(net_bps: f64, scale: f64) -> String {
    let level = (net_bps / scale * SHADES).round().clamp(-SHADES, SHADES);
    match level {
        level if level.is_nan() => "x".to_owned(),
        level if level < 0.0 => format!("n{}", -level),
        level if level > 0.0 => format!("p{level}"),
        _ => "z".to_owned(),
    }
}

/// One heat map as SVG: stops upwards, takes to the right.
fn map(
    grid: &Grid,
    judged: &[SettingMetrics],
    drawn: &Drawn,
    scale: f64,
    best: Option<usize>,
    index: &dyn Fn(usize, usize) -> usize,
) -> String {
    let (across, up) = (drawn.takes.len() * CELL, drawn.stops.len() * CELL);
    let (width, height) = ((LEFT + across).max(LEFT + 60), up + FOOT);
    let mut svg = format!("<svg viewBox=\"0 0 {width} {height}\" style=\"width:{width}px\" role=\"img\">");
    let mut mark = String::new();
    for (column, &take) in drawn.takes.iter().enumerate() {
        for (line, &stop) in drawn.stops.iter().enumerate() {
            let (x, y) = (LEFT + column * CELL, up - (line + 1) * CELL);
            let at = index(stop, take);
            let one = &judged[at];
            let few = if counts(one) { "" } else { " few" };
            let _ = write!(
                svg,
                "<rect class=\"{}{few}\" x=\"{x}\" y=\"{y}\" width=\"13\" height=\"13\"><title>stop {}, take {} ATR: {:.2} bps \
                 per trade, {} trades, t {:.2}</title></rect>",
                shade(one.net_bps, scale),
                distance_text(grid.stop_atr[stop]),
                distance_text(grid.take_atr[take]),
                one.net_bps,
                one.trades,
                one.t_statistic,
            );
            if best == Some(at) {
                mark = format!("<rect class=\"best\" x=\"{x}\" y=\"{y}\" width=\"13\" height=\"13\"/>");
            }
        }
    }
    svg.push_str(&mark);
    let ends = |indices: &[usize]| [indices.first().copied(), indices.last().copied()];
    for (n, stop) in ends(&drawn.stops).into_iter().flatten().enumerate().take(drawn.stops.len()) {
        let y = if n == 0 { up - 3 } else { 11 };
        let text = distance_text(grid.stop_atr[stop]);
        let _ = write!(svg, "<text x=\"{}\" y=\"{y}\" text-anchor=\"end\">{text}</text>", LEFT - 4);
    }
    for (n, take) in ends(&drawn.takes).into_iter().flatten().enumerate().take(drawn.takes.len()) {
        let (x, anchor) = if n == 0 { (LEFT, "start") } else { (LEFT + across, "end") };
        let text = distance_text(grid.take_atr[take]);
        let _ = write!(svg, "<text x=\"{x}\" y=\"{}\" text-anchor=\"{anchor}\">{text}</text>", up + 12);
    }
    svg.push_str("</svg>");
    svg
}

fn tiles(grid: &Grid, judged: &[SettingMetrics], view: &View) -> Vec<Tile> {
    let mut tiles = vec![
        Tile {
            name: "Settings tried",
            value: grid.len().to_string(),
            note: format!(
                "{} thresholds × {} stops × {} takes × {} holds",
                grid.thresholds.len(),
                grid.stop_atr.len(),
                grid.take_atr.len(),
                grid.max_hold.len()
            ),
        },
        Tile {
            name: "Earn more than they cost",
            value: format!("{:.0} %", 100.0 * view.share_above_costs),
            note: "of the settings that traded".to_owned(),
        },
        Tile {
            name: "Median setting",
            value: format!("{:.1} bps", view.median_net_bps),
            note: "mean trade, net".to_owned(),
        },
    ];
    if let Some(&best) = view.order.first() {
        tiles.push(Tile {
            name: "t of the best",
            value: format!("{:.1}", judged[best].t_statistic),
            note: format!("luck alone gives about {:.1} if all are unrelated", view.t_by_luck),
        });
        tiles.push(Tile {
            name: "t one step away",
            value: format!("{:.1}", view.neighbours_t),
            note: "far below that of the best: chance".to_owned(),
        });
        tiles.push(Tile {
            name: "Symbols with a profit",
            value: format!("{} of {}", view.symbols_won.0, view.symbols_won.1),
            note: "best setting, after costs".to_owned(),
        });
    }
    tiles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_setting_is_always_drawn() {
        assert_eq!(spread(3, 8, 2), [0, 1, 2]);
        for keep in 0..100 {
            let indices = spread(100, 8, keep);
            assert!(indices.len() == 8 && indices.contains(&keep) && indices.is_sorted(), "{keep}: {indices:?}");
        }
    }

    #[test]
    fn shades_are_even_to_both_sides() {
        assert_eq!([-9.0, -2.0, -0.1, 0.1, 2.0, 9.0].map(|net| shade(net, 5.0)), ["n5", "n2", "z", "z", "p2", "p5"]);
        assert_eq!(shade(f64::NAN, 5.0), "x");
    }
}
