//! Decides what trains a job: one block of the device, many blocks, or the CPU.

use std::collections::BTreeMap;
use std::fmt;

use super::layout::MARK_WORDS;
use crate::loss::LOSS_BITS;
use crate::{BoostJob, BoostParams, Growth, Objective, Task};

/// Most training rows of a model that one block trains: their keys are sorted in its shared memory.
const MAX_BLOCK_ROWS: usize = 4096;
// The kernel that sorts them counts with 16 bits.
const _: () = assert!(MAX_BLOCK_ROWS <= u16::MAX as usize);
/// Most features: each takes one bit in shared memory.
pub(super) const MAX_FEATURES: usize = 32 * MARK_WORDS;
/// With this many validation rows, the sum of their losses might not fit 63 bits.
const TOO_MANY_VALID_ROWS: usize = 1 << (63 - LOSS_BITS);

/// What trains a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// One block of the device, from the first to the last tree.
    Block,
    /// Many blocks of the device, level by level.
    Levels,
    /// The CPU, for this reason.
    Cpu(&'static str),
}

/// What trains a job that has been checked.
pub fn plan(job: &BoostJob, features: usize) -> Plan {
    plan_for(Task::own(job), features)
}

/// [`plan`] for a job with the parameters of a search.
pub(super) fn plan_for(Task { job, params }: Task<'_>, features: usize) -> Plan {
    let &BoostParams { objective, growth, .. } = params;
    if features > MAX_FEATURES {
        Plan::Cpu("more features than a block can mark")
    } else if job.valid.len() >= TOO_MANY_VALID_ROWS {
        Plan::Cpu("more validation rows than a sum of losses can hold")
    } else if growth != Growth::Level {
        Plan::Cpu("grown by leaf")
    } else if matches!(objective, Objective::Multiclass { .. } | Objective::Quantile { .. }) {
        Plan::Cpu("an objective without a kernel")
    } else if params.monotone.iter().any(|&sign| sign != 0) {
        Plan::Cpu("monotone constraints")
    } else if job.train.len() > MAX_BLOCK_ROWS {
        Plan::Levels
    } else {
        Plan::Block
    }
}

/// How many jobs were trained by what. It displays as in "12 in one block each, 3 on the CPU (grown by leaf: 3)".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plans {
    /// Jobs of [`Plan::Block`].
    pub blocks: usize,
    /// Jobs of [`Plan::Levels`].
    pub levels: usize,
    /// Jobs of [`Plan::Cpu`], by reason.
    pub cpu: BTreeMap<&'static str, usize>,
}

impl Plans {
    /// Counts a job that was trained.
    pub(super) fn add(&mut self, plan: Plan) {
        match plan {
            Plan::Block => self.blocks += 1,
            Plan::Levels => self.levels += 1,
            Plan::Cpu(why) => *self.cpu.entry(why).or_default() += 1,
        }
    }

    /// Whether nothing was counted: no device was used.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds the counts of another batch.
    pub fn extend(&mut self, other: Self) {
        self.blocks += other.blocks;
        self.levels += other.levels;
        other.cpu.into_iter().for_each(|(why, count)| *self.cpu.entry(why).or_default() += count);
    }
}

impl fmt::Display for Plans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (count, how) in [(self.blocks, "in one block each"), (self.levels, "level by level")] {
            if count > 0 {
                parts.push(format!("{count} {how}"));
            }
        }
        if !self.cpu.is_empty() {
            let reasons: Vec<String> = self.cpu.iter().map(|(why, count)| format!("{why}: {count}")).collect();
            parts.push(format!("{} on the CPU ({})", self.cpu.values().sum::<usize>(), reasons.join(", ")));
        }
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(rows: usize, params: BoostParams) -> BoostJob {
        BoostJob { train: vec![0; rows], params, ..BoostJob::default() }
    }

    #[test]
    fn small_jobs_take_a_block_and_large_ones_levels_and_the_cpu_trains_the_rest_for_a_reason() {
        let level = BoostParams::default;
        assert_eq!(plan(&job(4096, level()), 70), Plan::Block);
        assert_eq!(plan(&job(4097, level()), 70), Plan::Levels);
        assert_eq!(plan(&job(10, level()), 8193), Plan::Cpu("more features than a block can mark"));
        let by_leaf = BoostParams { growth: Growth::Leaf, ..level() };
        assert_eq!(plan(&job(9000, by_leaf), 70), Plan::Cpu("grown by leaf"));
        let monotone = BoostParams { monotone: vec![0, 1], ..level() };
        assert_eq!(plan(&job(10, monotone), 2), Plan::Cpu("monotone constraints"));
        let many = BoostJob { valid: vec![0; 1 << 23], ..job(10, level()) };
        assert_eq!(plan(&many, 2), Plan::Cpu("more validation rows than a sum of losses can hold"));
    }

    #[test]
    fn plans_are_counted_and_displayed() {
        let mut plans = Plans::default();
        assert!(plans.is_empty() && plans.to_string().is_empty());
        plans.add(Plan::Block);
        plans.add(Plan::Block);
        plans.add(Plan::Levels);
        assert_eq!(plans.to_string(), "2 in one block each, 1 level by level");
        let mut others = Plans::default();
        others.add(Plan::Cpu("monotone constraints"));
        others.add(Plan::Cpu("grown by leaf"));
        others.add(Plan::Cpu("grown by leaf"));
        assert_eq!(others.to_string(), "3 on the CPU (grown by leaf: 2, monotone constraints: 1)");
        plans.extend(others);
        assert_eq!((plans.blocks, plans.levels, plans.cpu.values().sum::<usize>()), (2, 1, 3));
    }
}
