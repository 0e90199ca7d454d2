//! Whether kernels cost more than their recorded counts say.

use super::counts::Counts;

/// By how much a count may exceed the recorded one.
pub const ALLOWED: f64 = 1.03;

/// A sentence for each launch that is not recorded, or recorded and not found in a stage that was run, and for each count that
/// has grown.
pub fn grown(recorded: &[Counts], found: &[Counts]) -> Vec<String> {
    let mut out = Vec::new();
    for new in found {
        match recorded.iter().filter(|old| same(old, new)).collect::<Vec<_>>().as_slice() {
            [] => out.push(format!("{} is not recorded", name(new))),
            [old] => out.extend(more(old, new)),
            several => out.push(format!("{} is recorded {} times", name(new), several.len())),
        }
    }
    let was_run = |old: &&Counts| found.iter().any(|new| new.stage == old.stage);
    for old in recorded.iter().filter(was_run) {
        if !found.iter().any(|new| same(old, new)) {
            out.push(format!("{} is recorded, and was not launched", name(old)));
        }
    }
    out
}

fn same(a: &Counts, b: &Counts) -> bool {
    (&a.stage, &a.kernel, a.grid, a.threads, a.dynamic_bytes)
        == (&b.stage, &b.kernel, b.grid, b.threads, b.dynamic_bytes)
}

fn name(counts: &Counts) -> String {
    let Counts { stage, kernel, grid, threads, .. } = counts;
    format!("{stage}: {kernel} with {grid:?} blocks of {threads} threads")
}

fn more(old: &Counts, new: &Counts) -> Vec<String> {
    let per = |count: u64, launches: u64| count as f64 / launches.max(1) as f64;
    let pairs = old.watched().into_iter().zip(new.watched());
    pairs
        .map(|((what, before), (_, after))| (what, per(before, old.launches), per(after, new.launches)))
        .filter(|(_, before, after)| *after > before * ALLOWED)
        .map(|(what, before, after)| format!("{}: {what} grew from {before:.0} to {after:.0} a launch", name(new)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter;

    const LINE: &str = r#"{"stage":"s","kernel":"k","grid":[2,1,1],"threads":64,"dynamic_bytes":0,"launches":2,"blocks":4,"warps":8,
        "instructions":[100,0,0,0,0,0,0,0,0],"lane_instructions":3200,"stretches":8,"divergent":0,"global_requests":[4,0,0],
        "shared_requests":[0,0,0],"sectors":[40,0,0],"lines":10,"missed_sectors":40,"unique_bytes":1280,"wavefronts":[0,0,0],
        "ideal_wavefronts":0,"barriers":0,"path":1000,"longest_path":600,"chain":1}"#;

    #[test]
    fn a_count_that_grew_by_more_than_three_percent_is_named() {
        let recorded: Vec<Counts> = vec![serde_json::from_str(LINE).unwrap()];
        let with = |change: fn(&mut Counts)| {
            let mut new = recorded.clone();
            change(&mut new[0]);
            grown(&recorded, &new)
        };
        assert!(with(|_| ()).is_empty());
        assert!(with(|c| c.instructions[0] = 103).is_empty());
        assert!(with(|c| c.sectors[0] = 1).is_empty());
        let found = with(|c| c.instructions[0] = 104);
        assert_eq!(
            found,
            ["s: k with [2, 1, 1] blocks of 64 threads: instructions of warps grew from 50 to 52 a launch"]
        );
        let found = with(|c| c.threads = 32);
        assert!(found[0].ends_with("is not recorded") && found[1].ends_with("was not launched"), "{found:?}");
        // Another stage's launch of the same shape is another row.
        assert_eq!(with(|c| c.stage = "t".into()).len(), 1);
        assert!(grown(&[recorded[0].clone(), recorded[0].clone()], &recorded)[0].ends_with("is recorded 2 times"));
        // The same work in more launches is more launches, not more of each.
        let twice = with(|c| {
            (c.launches, c.instructions[0], c.path, c.sectors[0]) = (4, 200, 2000, 80);
        });
        assert!(twice.is_empty(), "{twice:?}");
    }

    #[test]
    fn what_is_recorded_is_recorded_once() {
        let recorded = meter::counts::read(&meter::folder().join("counts.jsonl")).unwrap();
        assert!(recorded.len() > 40);
        assert_eq!(grown(&recorded, &recorded), Vec::<String>::new());
    }
}
