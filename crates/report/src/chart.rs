//! Curves as inline SVG, coloured by the page's style sheet.

mod axes;
mod reliability;

use huracan_bars::DAY_MS;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::ops::Range;

use super::ReportError;
use axes::{date, decimals, multiple, percent, ticks};
pub(super) use reliability::reliability;

/// Placeholder colours. [`styled`] replaces them by classes of the page's style sheet.
const INK: RGBColor = RGBColor(1, 1, 1);
const GRID: RGBColor = RGBColor(1, 1, 2);
const LINE: RGBColor = RGBColor(1, 1, 3);
const AREA: RGBColor = RGBColor(1, 1, 4);
const FALL: RGBColor = RGBColor(1, 1, 5);
const FALL_AREA: RGBColor = RGBColor(1, 1, 6);
const OTHER: RGBColor = RGBColor(1, 1, 7);
/// A second curve of the same kind.
const SECOND: RGBColor = RGBColor(1, 1, 8);
/// The line on which both axes have the same value.
const DIAGONAL: RGBColor = RGBColor(1, 1, 9);
const CLASSES: [(&str, &str); 9] = [
    ("#010101", "ink"),
    ("#010102", "grid"),
    ("#010103", "line"),
    ("#010104", "area"),
    ("#010105", "fall"),
    ("#010106", "fall-area"),
    ("#010107", "other"),
    ("#010108", "second"),
    ("#010109", "diagonal"),
];

/// Pixel ranges of the plot area: horizontal and vertical.
type Area = (Range<i32>, Range<i32>);

/// Maximum number of points per curve: more points than pixels only make the page larger.
const MAX_POINTS: usize = 800;

/// Kind of a curve, which decides its style and axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Equity,
    Drawdown,
}

/// The curve with axes as an SVG element of `size` (width, height), with a second curve for comparison. Empty for fewer
/// than two points. The element's attributes contain what the page's script needs to find the value under the pointer.
///
/// # Errors
/// [`ReportError::Chart`] if the chart cannot be drawn.
pub(super) fn curve(
    points: &[(i64, f64)],
    comparison: &[(i64, f64)],
    kind: Kind,
    size: (u32, u32),
    what: &str,
) -> Result<String, ReportError> {
    let (points, comparison) = (thinned(&finite(points)), thinned(&finite(comparison)));
    let [first, .., last] = points.as_slice() else { return Ok(String::new()) };
    let x = first.0..last.0.max(first.0 + 1);
    let y = range(points.iter().chain(&comparison), kind);
    let mut svg = String::new();
    let plot = Plot { points: &points, comparison: &comparison, kind, size, x, y };
    let area = plot.draw(&mut svg).map_err(|reason| ReportError::Chart { what: what.to_owned(), reason })?;
    Ok(styled(svg, what, &plot.attributes(&area)))
}

/// A small curve without axes for a table row, with a line at the level of its start.
pub(super) fn spark(points: &[(i64, f64)], what: &str) -> String {
    let points = thinned(&finite(points));
    let [first, .., last] = points.as_slice() else { return String::new() };
    let (width, height) = (120.0, 28.0);
    let (low, high) = extent(&points);
    let (span_x, span_y) = ((last.0 - first.0).max(1) as f64, (high - low).max(1e-12));
    let mut path = String::new();
    for (n, (time, value)) in points.iter().enumerate() {
        let x = (time - first.0) as f64 / span_x * width;
        let y = 2.0 + (high - value) / span_y * (height - 4.0);
        path.push_str(&format!("{}{x:.1},{y:.1}", if n == 0 { "M" } else { " L" }));
    }
    let class = if last.1 >= first.1 { "s-line" } else { "s-fall" };
    let level = 2.0 + (high - first.1) / span_y * (height - 4.0);
    format!(
        "<svg class=\"spark\" viewBox=\"0 0 {width} {height}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\"><path class=\"s-grid\" d=\"M0,{level:.1} H{width}\"/><path class=\"{class}\" fill=\"none\" stroke-width=\"1.5\" d=\"{path}\"/></svg>",
        huracan_host::text::escape_html(what)
    )
}

/// Drawdown curve: the fall from the highest equity so far, as a share of it (0 at a peak, −0.1 for ten per cent
/// below).
pub(super) fn drawdown(equity: &[(i64, f64)]) -> Vec<(i64, f64)> {
    let mut peak = f64::MIN;
    equity
        .iter()
        .filter(|(_, value)| value.is_finite())
        .map(|(time, value)| {
            peak = peak.max(*value);
            (*time, if peak > 0.0 { value / peak - 1.0 } else { 0.0 })
        })
        .collect()
}

fn finite(points: &[(i64, f64)]) -> Vec<(i64, f64)> {
    points.iter().copied().filter(|(_, value)| value.is_finite()).collect()
}

/// Thins a curve to at most [`MAX_POINTS`] points. Each section keeps its lowest and highest point, so no extreme is
/// lost.
fn thinned(points: &[(i64, f64)]) -> Vec<(i64, f64)> {
    if points.len() <= MAX_POINTS {
        return points.to_vec();
    }
    let mut kept = vec![points[0]];
    for section in points.chunks(points.len().div_ceil((MAX_POINTS - 2) / 2)) {
        let by_value = |a: &&(i64, f64), b: &&(i64, f64)| a.1.total_cmp(&b.1);
        let ends = [section.iter().min_by(by_value), section.iter().max_by(by_value)];
        let mut ends: Vec<_> = ends.into_iter().flatten().copied().collect();
        ends.sort_by_key(|(time, _)| *time);
        ends.dedup();
        kept.extend(ends);
    }
    kept.extend(points.last());
    kept.dedup();
    kept
}

fn extent<'a>(points: impl IntoIterator<Item = &'a (i64, f64)>) -> (f64, f64) {
    points.into_iter().fold((f64::MAX, f64::MIN), |(low, high), (_, value)| (low.min(*value), high.max(*value)))
}

fn range<'a>(points: impl IntoIterator<Item = &'a (i64, f64)>, kind: Kind) -> Range<f64> {
    let (low, high) = extent(points);
    match kind {
        Kind::Equity => {
            let padding = (0.06 * (high - low)).max(1e-4 * high.abs()).max(1e-9);
            low - padding..high + padding
        }
        Kind::Drawdown => (1.1 * low).min(-0.001)..0.0,
    }
}

/// The inputs of a drawing.
struct Plot<'a> {
    points: &'a [(i64, f64)],
    comparison: &'a [(i64, f64)],
    kind: Kind,
    size: (u32, u32),
    /// ms, UTC.
    x: Range<i64>,
    y: Range<f64>,
}

impl Plot<'_> {
    /// Draws into `svg`, and returns the pixel ranges of the area within the axes.
    fn draw(&self, svg: &mut String) -> Result<Area, String> {
        let Self { points, comparison, kind, size, x, y } = self;
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let root = SVGBackend::with_string(svg, *size).into_drawing_area();
        let times = ticks(x.start, x.end, (size.0 / 100) as usize);
        let mut chart = ChartBuilder::on(&root)
            .margin_top(10)
            .margin_right(20)
            .x_label_area_size(26)
            .y_label_area_size(58)
            .build_cartesian_2d(x.clone().with_key_points(times), y.clone())
            .map_err(|error| text(&error))?;
        let label = ("sans-serif", 15).into_font().color(&INK);
        let days = (x.end - x.start) as f64 / DAY_MS as f64;
        let y_step = (y.end - y.start) / 5.0;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .axis_style(GRID)
            .y_labels(5)
            .x_label_style(label.clone().pos(Pos::new(HPos::Center, VPos::Top)))
            .y_label_style(label)
            .x_label_formatter(&|time| date(*time, days))
            .y_label_formatter(&|value| match kind {
                Kind::Equity => multiple(*value, decimals(y_step)),
                Kind::Drawdown => percent(*value, decimals(100.0 * y_step)),
            })
            .draw()
            .map_err(|error| text(&error))?;
        let (line, area, base) = match kind {
            Kind::Equity => (LINE, AREA, y.start),
            Kind::Drawdown => (FALL, FALL_AREA, 0.0),
        };
        chart.draw_series(AreaSeries::new(points.iter().copied(), base, area)).map_err(|error| text(&error))?;
        if !comparison.is_empty() {
            let other = LineSeries::new(comparison.iter().copied(), OTHER.stroke_width(2));
            chart.draw_series(other).map_err(|error| text(&error))?;
        }
        chart
            .draw_series(LineSeries::new(points.iter().copied(), line.stroke_width(2)))
            .map_err(|error| text(&error))?;
        let area = chart.plotting_area().get_pixel_range();
        root.present().map_err(|error| text(&error))?;
        Ok(area)
    }

    /// Attributes that map pixels to values.
    fn attributes(&self, (across, down): &Area) -> String {
        let Self { x, y, .. } = self;
        format!(
            "data-left=\"{}\" data-right=\"{}\" data-top=\"{}\" data-bottom=\"{}\" data-from=\"{}\" data-to=\"{}\" \
             data-low=\"{}\" data-high=\"{}\" tabindex=\"0\" ",
            across.start, across.end, down.start, down.end, x.start, x.end, y.start, y.end
        )
    }
}

/// Points as JSON for the page's script: `[[ms, value], …]`.
pub(super) fn points_json(points: &[(i64, f64)]) -> String {
    let pairs: Vec<String> =
        thinned(&finite(points)).iter().map(|(time, value)| format!("[{time},{value:.5}]")).collect();
    format!("[{}]", pairs.join(","))
}

/// Replaces the placeholder colours by classes, removes the fixed size, and adds a label and attributes.
fn styled(svg: String, what: &str, attributes: &str) -> String {
    let mut svg = svg;
    for (colour, class) in CLASSES {
        svg = svg.replace(&format!("fill=\"{colour}\""), &format!("class=\"f-{class}\""));
        svg = svg.replace(&format!("stroke=\"{colour}\""), &format!("class=\"s-{class}\""));
    }
    svg = svg.replace(" font-family=\"sans-serif\"", "");
    let view = svg.find("viewBox").unwrap_or("<svg ".len());
    format!("<svg role=\"img\" aria-label=\"{}\" {attributes}{}", huracan_host::text::escape_html(what), &svg[view..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(n: i64) -> Vec<(i64, f64)> {
        (0..n).map(|i| (1_700_000_000_000 + i * 3_600_000, 1.0 + (i as f64 / 50.0).sin() / 10.0)).collect()
    }

    #[test]
    fn every_colour_of_a_chart_is_a_class_of_the_page() {
        for kind in [Kind::Equity, Kind::Drawdown] {
            let svg = curve(&drawdown(&wave(500)), &wave(20), kind, (720, 260), "a <b>").unwrap();
            assert!(
                svg.starts_with("<svg role=\"img\" aria-label=\"a &lt;b&gt;\" data-left=\"58\" data-right=\"700\""),
                "{}",
                &svg[..90]
            );
            assert!(svg.trim_end().ends_with("</svg>"));
            assert!(!svg.contains("=\"#"), "a fixed colour is left: {svg}");
            assert!(svg.contains("viewBox=\"0 0 720 260\""));
            assert!(svg.contains("f-ink") && svg.contains("s-grid") && svg.contains("s-other"));
        }
    }

    #[test]
    fn thinning_keeps_ends_and_extremes() {
        let mut points = wave(20_000);
        points[7_777].1 = 9.0;
        points[12_345].1 = -9.0;
        let kept = thinned(&points);
        assert!(kept.len() <= MAX_POINTS, "{}", kept.len());
        assert_eq!((kept.first(), kept.last()), (points.first(), points.last()));
        assert!(kept.contains(&points[7_777]) && kept.contains(&points[12_345]));
        assert!(kept.is_sorted_by_key(|(time, _)| *time));
    }

    #[test]
    fn drawdown_is_the_fall_from_the_peak() {
        let equity = [(0, 1.0), (1, 2.0), (2, 1.5), (3, f64::NAN), (4, 3.0), (5, 2.7)];
        let falls: Vec<_> =
            drawdown(&equity).into_iter().map(|(time, fall)| (time, (fall * 1e9).round() / 1e9)).collect();
        assert_eq!(falls, [(0, 0.0), (1, 0.0), (2, -0.25), (4, 0.0), (5, -0.1)]);
    }

    #[test]
    fn odd_curves_are_drawn_or_left_out_and_never_panic() {
        let flat = vec![(0, 1.0), (1, 1.0)];
        let same_time = vec![(5, 1.0), (5, 2.0)];
        let wild = vec![(0, f64::INFINITY), (1, 1e300), (2, -1e300), (3, f64::NAN)];
        for points in [flat, same_time, wild] {
            for kind in [Kind::Equity, Kind::Drawdown] {
                assert!(!curve(&points, &[], kind, (360, 200), "x").unwrap().is_empty());
            }
            assert!(!spark(&points, "x").is_empty());
        }
        assert_eq!(curve(&[], &[], Kind::Equity, (360, 200), "x").unwrap(), "");
        assert_eq!(curve(&[(0, 1.0)], &[], Kind::Equity, (360, 200), "x").unwrap(), "");
        assert_eq!(spark(&[], "x"), "");
    }
}
