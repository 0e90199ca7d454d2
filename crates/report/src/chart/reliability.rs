//! The reliability diagram: observed frequency over predicted probability.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axes::percent;
use super::{DIAGONAL, GRID, INK, LINE, SECOND, styled};
use crate::ReportError;
use huracan_metrics::Calibration;

/// The diagram as an SVG element of `size` (width, height): one line of dots per calibration, at most two, and the
/// diagonal on which prediction and outcome agree. Empty if there is nothing to draw.
///
/// # Errors
/// [`ReportError::Chart`] if the diagram cannot be drawn.
pub(crate) fn reliability(heads: &[&Calibration], size: (u32, u32), what: &str) -> Result<String, ReportError> {
    let dots: Vec<Vec<(f64, f64)>> = heads
        .iter()
        .map(|head| head.bins.iter().map(|bin| (bin.predicted, bin.observed)).collect::<Vec<_>>())
        .map(|dots| dots.into_iter().filter(|(x, y)| x.is_finite() && y.is_finite()).collect())
        .collect();
    let all = || dots.iter().flatten().flat_map(|(x, y)| [*x, *y]);
    if all().next().is_none() {
        return Ok(String::new());
    }
    // Both axes have the same range, in steps of 5 %, so that the diagonal has a slope of 1.
    let low = ((all().fold(1.0, f64::min) * 20.0).floor() / 20.0 - 0.05).max(0.0);
    let high = ((all().fold(0.0, f64::max) * 20.0).ceil() / 20.0 + 0.05).min(1.0);
    let mut svg = String::new();
    let drawn = draw(&mut svg, &dots, size, low..high.max(low + 0.05));
    drawn.map_err(|reason| ReportError::Chart { what: what.to_owned(), reason })?;
    Ok(styled(svg, what, ""))
}

fn draw(
    svg: &mut String,
    heads: &[Vec<(f64, f64)>],
    size: (u32, u32),
    range: std::ops::Range<f64>,
) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let root = SVGBackend::with_string(svg, size).into_drawing_area();
    let mut chart = ChartBuilder::on(&root)
        .margin_top(8)
        .margin_right(20)
        .margin_left(10)
        .x_label_area_size(44)
        .y_label_area_size(70)
        .build_cartesian_2d(range.clone(), range.clone())
        .map_err(|error| text(&error))?;
    let label = ("sans-serif", 14).into_font().color(&INK);
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(GRID)
        .x_labels((size.0 / 90) as usize)
        .y_labels(6)
        .x_desc("predicted")
        .y_desc("came true")
        .axis_desc_style(label.clone())
        .x_label_style(label.clone().pos(Pos::new(HPos::Center, VPos::Top)))
        .y_label_style(label)
        .x_label_formatter(&|share| percent(*share, 0))
        .y_label_formatter(&|share| percent(*share, 0))
        .draw()
        .map_err(|error| text(&error))?;
    let diagonal = [(range.start, range.start), (range.end, range.end)];
    chart.draw_series(LineSeries::new(diagonal, DIAGONAL.stroke_width(1))).map_err(|error| text(&error))?;
    for (dots, colour) in heads.iter().zip([LINE, SECOND]) {
        chart.draw_series(LineSeries::new(dots.clone(), colour.stroke_width(2))).map_err(|error| text(&error))?;
        let circles = dots.iter().map(|dot| Circle::new(*dot, 4, colour.filled()));
        chart.draw_series(circles).map_err(|error| text(&error))?;
    }
    root.present().map_err(|error| text(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bin_is_a_dot_and_nothing_is_drawn_without_data() {
        let found = Calibration::of((0..200).map(|i| (f64::from(i) / 200.0, i % 3 == 0, 1.0 / 3.0))).unwrap();
        let svg = reliability(&[&found, &found], (480, 320), "Calibration").unwrap();
        assert_eq!(svg.matches("<circle").count(), 20);
        assert!(svg.contains("s-diagonal") && svg.contains("f-line") && svg.contains("f-second"));
        assert_eq!(reliability(&[], (480, 320), "x").unwrap(), "");
        let mut wild = found;
        wild.bins.iter_mut().for_each(|bin| bin.predicted = f64::NAN);
        assert_eq!(reliability(&[&wild], (480, 320), "x").unwrap(), "");
    }
}
