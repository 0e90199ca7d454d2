//! The meter's tables, in Markdown.

use std::fmt::Write as _;

use super::costs::Class;
use super::counts::Counts;
use super::measured::Compared;
use super::model::{Card, H200, RTX_4090, Scale, predict};
use super::resources::Resources;

/// Seconds for people.
pub fn time(seconds: f64) -> String {
    match seconds {
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 1e-3 => format!("{:.2} ms", s * 1e3),
        s => format!("{:.1} µs", s * 1e6),
    }
}

/// A number for people: three digits and a unit.
pub fn number(count: f64) -> String {
    match count {
        c if c >= 1e9 => format!("{:.2} G", c / 1e9),
        c if c >= 1e6 => format!("{:.2} M", c / 1e6),
        c if c >= 1e3 => format!("{:.1} k", c / 1e3),
        c => format!("{c:.0}"),
    }
}

fn grid(grid: [u32; 3]) -> String {
    let used = grid.iter().rposition(|&n| n > 1).map_or(1, |last| last + 1);
    grid[..used].iter().map(u32::to_string).collect::<Vec<_>>().join(" × ")
}

/// What was counted, per launch.
pub fn counted(counts: &[Counts]) -> String {
    let mut out = String::from(
        "| kernel | blocks × threads | instructions of warps | lanes | f64 | loads: sectors | miss L1 | shared: wavefronts | conflicts | waits for the block | slowest thread, cycles | chain of loads |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for counts in counts {
        let per = |count: u64| number(count as f64 / counts.launches as f64);
        let wavefronts: u64 = counts.wavefronts.iter().sum();
        let conflicts = match wavefronts {
            0 => "–".to_owned(),
            _ => format!("{:.0} %", 100.0 * (1.0 - counts.ideal_wavefronts as f64 / wavefronts as f64)),
        };
        let _ = writeln!(
            out,
            "| `{}` | {} × {} | {} | {:.1} | {:.0} % | {} | {} | {} | {conflicts} | {} | {} | {} |",
            counts.kernel,
            grid(counts.grid),
            counts.threads,
            per(counts.all_instructions()),
            counts.lanes(),
            100.0 * counts.instructions[Class::Double as usize] as f64 / counts.all_instructions().max(1) as f64,
            per(counts.sectors[0]),
            per(counts.missed_sectors),
            per(wavefronts),
            per(counts.barriers),
            per(counts.longest_path),
            counts.chain,
        );
    }
    out
}

/// The times of the counted launches themselves on both cards.
pub fn predicted(counts: &[Counts], resources: &Resources) -> String {
    let mut out = String::from(
        "| kernel | blocks | H200 | bound by | RTX 4090 | bound by |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for counts in counts {
        let on = |card: &Card| {
            let mut needs = resources.of(&counts.kernel, card.architecture)?;
            needs.shared_bytes += counts.dynamic_bytes;
            let blocks = counts.blocks as f64 / counts.launches as f64;
            let prediction = predict(card, counts, needs, Scale { blocks, work: 1.0 });
            Some(format!("{} | {}", time(prediction.seconds), prediction.bound))
        };
        let text = |card| on(card).unwrap_or_else(|| "– | –".to_owned());
        let _ =
            writeln!(out, "| `{}` | {} | {} | {} |", counts.kernel, grid(counts.grid), text(&H200), text(&RTX_4090));
    }
    out
}

/// The model beside what was measured.
pub fn compared(rows: &[Compared]) -> String {
    let mut out = String::from(
        "| kernel | blocks | measured | predicted | ratio | bound by | predicted now | bound by | source |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for Compared { measured, predicted, now } in rows {
        let predicted = predicted.map_or_else(
            || "not counted | – | –".to_owned(),
            |p| format!("{} | {:.2} | {}", time(p.seconds), p.seconds / measured.seconds, p.bound),
        );
        let now = now.map_or_else(|| "not counted | –".to_owned(), |p| format!("{} | {}", time(p.seconds), p.bound));
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {predicted} | {now} | {} |",
            measured.kernel,
            measured.scale.blocks,
            time(measured.seconds),
            measured.source
        );
    }
    out
}
