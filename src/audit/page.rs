//! The power curve as SVG, and the audit as an HTML page with it.

use std::fmt::Write;

use super::Judgement;
use super::power::{CLEAR, LEAST_FOUND, Point, Power};
use super::report::Audit;

/// Width and height.
const SIZE: (f64, f64) = (720.0, 400.0);
/// Left, top, right, bottom.
const MARGIN: (f64, f64, f64, f64) = (56.0, 16.0, 16.0, 52.0);

/// Maps values to positions in the drawing.
struct Scale {
    /// Right end of the horizontal axis.
    max_t: f64,
}

impl Scale {
    fn x(&self, t: f64) -> f64 {
        MARGIN.0 + (t.max(0.0) / self.max_t) * (SIZE.0 - MARGIN.0 - MARGIN.2)
    }

    fn y(&self, share: f64) -> f64 {
        MARGIN.1 + (1.0 - share) * (SIZE.1 - MARGIN.1 - MARGIN.3)
    }

    fn line(&self, points: &[Point], share: fn(&Point) -> f64) -> String {
        let position = |point: &Point| format!("{:.1},{:.1}", self.x(point.best_t), self.y(share(point)));
        points.iter().map(position).collect::<Vec<_>>().join(" ")
    }
}

/// SVG of the share of symbols found over the size of the edge, and of the share that a t-test on the best rule's trades finds.
pub fn curve(power: &Power) -> String {
    let max_t = power.points.iter().map(|point| point.best_t).fold(6.0, f64::max) * 1.04;
    let scale = Scale { max_t };
    let (left, right) = (scale.x(0.0), scale.x(max_t));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"13\" role=\"img\" aria-label=\"Share of planted edges found, by their size\">\n",
        SIZE.0, SIZE.1
    );
    // Writing into a String cannot fail.
    for step in 0..=5 {
        let (share, y) = (f64::from(step) / 5.0, scale.y(f64::from(step) / 5.0));
        let _ = writeln!(
            svg,
            "<path d=\"M{left:.1},{y:.1} H{right:.1}\" stroke=\"#8885\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"currentColor\">{:.0} %</text>",
            left - 6.0,
            y + 4.0,
            100.0 * share
        );
    }
    for t in 0..=max_t as usize {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"currentColor\">{t}</text>",
            scale.x(t as f64),
            scale.y(0.0) + 18.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"currentColor\">edge: distance of the best rule’s mean trade from zero, in standard errors</text>",
        (left + right) / 2.0,
        SIZE.1 - 10.0
    );
    let _ = writeln!(
        svg,
        "<path d=\"M{:.1},{:.1} H{right:.1}\" stroke=\"#c70\" stroke-dasharray=\"5 4\"><title>required: 90 % found from 5 standard errors on</title></path>",
        scale.x(CLEAR),
        scale.y(LEAST_FOUND)
    );
    for point in &power.points {
        let x = scale.x(point.best_t);
        let (low, high) = (scale.y(point.interval.0), scale.y(point.interval.1));
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1},{low:.1} V{high:.1}\" stroke=\"#07c\"/><circle cx=\"{x:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"#07c\"><title>edge {:.3} σ: {:.0} % of {} found</title></circle>",
            scale.y(point.share),
            point.edge,
            100.0 * point.share,
            point.symbols
        );
    }
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#888\" stroke-width=\"2\"/>",
        scale.line(&power.points, |point| point.t_test_share)
    );
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#07c\" stroke-width=\"2\"/>",
        scale.line(&power.points, |point| point.share)
    );
    let key = |svg: &mut String, row: f64, colour: &str, text: &str| {
        let (x, y) = (right - 250.0, scale.y(0.32) + 20.0 * row);
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1},{:.1} h24\" stroke=\"{colour}\" stroke-width=\"2\"/><text x=\"{:.1}\" y=\"{y:.1}\" fill=\"currentColor\">{text}</text>",
            y - 4.0,
            x + 30.0
        );
    };
    key(&mut svg, 0.0, "#07c", "models approved (bars: 95 %)");
    key(&mut svg, 1.0, "#888", &format!("t-test on the best rule’s trades, {:.1} % false", 100.0 * power.false_rate));
    key(&mut svg, 2.0, "#c70", "required");
    svg.push_str("</svg>\n");
    svg
}

/// The audit as one self-contained page.
pub fn page(audit: &Audit) -> String {
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>Audit</title>\
         <style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
         table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.4rem .6rem;border-bottom:1px solid #8884;vertical-align:top}\
         .fail{color:#c33;font-weight:bold}svg{width:100%;height:auto}li{overflow-wrap:anywhere}</style>\n<h1>Can these results be trusted?</h1>\n",
    );
    if audit.simulated {
        html.push_str("<p><strong>Simulated market</strong>: these candles are invented.</p>\n");
    }
    html.push_str("<table><tr><th>check<th>what was compared<th>found<th>verdict</tr>\n");
    for row in audit.rows() {
        let class = if row.verdict == Judgement::Fail { "fail" } else { "" };
        let cells = [row.check, &row.compared, &row.found].map(crate::text::escape_html);
        let _ = writeln!(
            html,
            "<tr><td>{}<td>{}<td>{}<td class=\"{class}\">{}</tr>",
            cells[0],
            cells[1],
            cells[2],
            row.verdict.word()
        );
    }
    html.push_str("</table>\n");
    if let Some(power) = &audit.power {
        let _ = writeln!(html, "<h2>Power</h2>\n{}", curve(power));
        html.push_str("<table><tr><th>edge, σ per bar<th>best rule: standard errors<th>net, bps<th>trades<th>t-test finds<th>models approved<th>their trades<th>net, bps<th>prediction × signal</tr>\n");
        for p in &power.points {
            let _ = writeln!(
                html,
                "<tr><td>{:.3}<td>{:.2}<td>{:.1}<td>{:.0}<td>{:.0} %<td>{:.0} %<td>{:.0}<td>{:.1}<td>{:.2}</tr>",
                p.edge,
                p.best_t,
                p.best_net_bps,
                p.best_trades,
                100.0 * p.t_test_share,
                100.0 * p.share,
                p.trades,
                p.net_bps,
                p.correlation
            );
        }
        html.push_str("</table>\n");
    }
    html.push_str("<h2>Details</h2>\n<ul>\n");
    for line in audit.details() {
        let _ = writeln!(html, "<li>{}", crate::text::escape_html(&line));
    }
    html.push_str("</ul>\n</html>\n");
    html
}
