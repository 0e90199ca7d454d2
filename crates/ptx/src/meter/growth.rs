//! Whether kernels cost more than their recorded counts say.

use super::counts::Counts;

/// By how much a count may exceed the recorded one.
pub const ALLOWED: f64 = 1.03;

/// A sentence for each launch that is not recorded, and each count that has grown.
pub fn grown(recorded: &[Counts], found: &[Counts]) -> Vec<String> {
    let mut out = Vec::new();
    for new in found {
        let name = format!("{} with {:?} blocks of {} threads", new.kernel, new.grid, new.threads);
        let same = |old: &&Counts| {
            (&old.kernel, old.grid, old.threads, old.dynamic_bytes)
                == (&new.kernel, new.grid, new.threads, new.dynamic_bytes)
        };
        let Some(old) = recorded.iter().find(same) else {
            out.push(format!("{name} is not recorded"));
            continue;
        };
        for ((what, before), (_, after)) in old.watched().into_iter().zip(new.watched()) {
            let per = |count: u64, launches: u64| count as f64 / launches.max(1) as f64;
            let (before, after) = (per(before, old.launches), per(after, new.launches));
            if after > before * ALLOWED {
                out.push(format!("{name}: {what} grew from {before:.0} to {after:.0} a launch"));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"kernel":"k","grid":[2,1,1],"threads":64,"dynamic_bytes":0,"launches":2,"blocks":4,"warps":8,
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
        assert_eq!(found, ["k with [2, 1, 1] blocks of 64 threads: instructions of warps grew from 50 to 52 a launch"]);
        assert!(with(|c| c.threads = 32)[0].ends_with("is not recorded"));
        // The same work in more launches is more launches, not more of each.
        assert!(
            with(|c| {
                c.launches = 4;
                c.instructions[0] = 200;
                c.path = 2000;
                c.sectors[0] = 80
            })
            .is_empty()
        );
    }
}
