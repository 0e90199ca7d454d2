//! The measurements as text and as Markdown.

use super::Report;
use super::measure::Row;

/// Column names.
pub const HEADING: [&str; 10] =
    ["stage", "computed", "device", "rate", "memory", "of copy", "best", "median", "kernels alone", "equal first"];

/// The rows, with the columns of [`HEADING`].
pub fn rows(report: &Report) -> Vec<Vec<String>> {
    report.rows.iter().map(cells).collect()
}

fn cells(row: &Row) -> Vec<String> {
    let nothing = || "–".to_owned();
    vec![
        row.stage.to_owned(),
        row.computed.clone(),
        row.device.clone(),
        format!("{} {}/s", scaled(row.items_per_s), row.unit),
        row.bytes_per_s.map_or_else(nothing, |rate| format!("{}B/s", scaled(rate))),
        row.of_copy.map_or_else(nothing, |share| format!("{:.0} %", 100.0 * share)),
        time(row.best_s),
        format!("{} of {}{}", time(row.median_s), row.rounds, if row.warm { "" } else { ", cold" }),
        row.kernels_best_s.zip(row.kernels_median_s).map_or_else(nothing, |(best, median)| {
            format!("{} ({}), {} {}/s", time(best), time(median), scaled(row.items as f64 / best), row.unit)
        }),
        row.equal.clone(),
    ]
}

/// The lines above the table.
pub fn heading(report: &Report) -> Vec<String> {
    vec![
        "SIMULATED MARKET: all candles are invented, from the seed.".to_owned(),
        format!("{}, commit {}", report.hardware, report.commit),
        format!(
            "Load of the machine: {:.1} before, {:.1} after. Each row was measured for {} s{}.",
            report.load_before,
            report.load_after,
            report.seconds,
            if report.quick { ", with QUICK sizes: they only show that everything works" } else { "" }
        ),
    ]
}

/// The lines below the table.
pub fn remarks(report: &Report) -> Vec<String> {
    let mut remarks = vec![
        "'72 of 4,096': 72 here, 4,096 in the full size, which a GPU gets. Rates are of the best whole call, transfers to \
         the device and back included. Memory: the fewest bytes that must be read and written, divided by the kernels' best \
         time alone if there are kernels; 'of copy' is its share of the copy measured first."
            .to_owned(),
    ];
    if !report.kernels.is_empty() {
        let longest = report.kernels.iter().take(8);
        let kernels: Vec<String> =
            longest.map(|one| format!("{} {} in {}", one.kernel, time(one.seconds), one.launches)).collect();
        remarks.push(format!("Kernels by time over all rounds (launches): {}.", kernels.join(", ")));
    }
    remarks
}

/// Heading, table and remarks as Markdown.
pub fn markdown(report: &Report) -> String {
    let mut text = heading(report).join(" ");
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    text.push_str("\n\n");
    text.push_str(&line(&HEADING.map(str::to_owned)));
    text.push_str(&line(&HEADING.map(|_| "---".to_owned())));
    rows(report).iter().for_each(|row| text.push_str(&line(row)));
    text.push('\n');
    text.push_str(&remarks(report).join("\n\n"));
    text.push('\n');
    text
}

/// Three digits and the prefix of a unit, as in `1.39 G`.
fn scaled(number: f64) -> String {
    let (value, prefix) = match number {
        n if n >= 999.5e9 => (n / 1e12, " T"),
        n if n >= 999.5e6 => (n / 1e9, " G"),
        n if n >= 999.5e3 => (n / 1e6, " M"),
        n if n >= 9_999.5 => (n / 1e3, " k"),
        n => (n, " "),
    };
    let digits = match value {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.digits$}{prefix}").trim_end().to_owned()
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s >= 9.95 => crate::text::duration(s),
        s if s >= 0.9995 => format!("{s:.2} s"),
        s if s >= 0.9995e-3 => format!("{:.1} ms", s * 1e3),
        s => format!("{:.1} µs", s * 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_a_prefix() {
        let texts: Vec<_> = [0.5, 49.4, 1412.0, 12_345.0, 1_392_600_000.0, 4.2e12].map(scaled).into();
        assert_eq!(texts, ["0.50", "49.4", "1412", "12.3 k", "1.39 G", "4.20 T"]);
        let times: Vec<_> = [2e-6, 0.0123, 1.5, 75.0].map(time).into();
        assert_eq!(times, ["2.0 µs", "12.3 ms", "1.50 s", "1 min 15 s"]);
    }
}
