//! Who trains a job.

use std::collections::BTreeMap;
use std::fmt;

use crate::{BoostJob, BoostParams, Growth, Objective, Task};

/// Most training rows of a model that one block trains: their keys are sorted in its shared memory.
const MOST_ROWS: usize = 4096;
/// Most features: one bit each in shared memory.
const MOST_FEATURES: usize = 8192;
/// From how many validation rows on the sum of their losses, of 40 bits each, might not fit 63.
const TOO_MANY_LOSSES: usize = 1 << 23;

/// Who trains a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// One block of the device, from first to last tree.
    Block,
    /// Many blocks of the device, level by level.
    Levels,
    /// The CPU; says why.
    Cpu(&'static str),
}

/// Who trains a job that has been checked.
pub fn plan(job: &BoostJob, features: usize) -> Plan {
    plan_for(Task::own(job), features)
}

/// [`plan`] for a job with parameters of a search.
pub(super) fn plan_for(Task { job, params }: Task<'_>, features: usize) -> Plan {
    let &BoostParams { objective, growth, .. } = params;
    if features > MOST_FEATURES {
        Plan::Cpu("more features than a block can mark")
    } else if job.valid.len() >= TOO_MANY_LOSSES {
        Plan::Cpu("more validation rows than a sum of losses holds")
    } else if growth != Growth::Level {
        Plan::Cpu("grown by leaf")
    } else if matches!(objective, Objective::Multiclass { .. } | Objective::Quantile { .. }) {
        Plan::Cpu("an objective without a kernel")
    } else if params.monotone.iter().any(|&sign| sign != 0) {
        Plan::Cpu("monotone constraints")
    } else if job.train.len() > MOST_ROWS {
        Plan::Levels
    } else {
        Plan::Block
    }
}

/// How many jobs were trained by whom; shows itself as in "12 models a block each, 3 on the CPU (grown by leaf: 3)".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plans {
    pub blocks: usize,
    pub levels: usize,
    /// By reason.
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

    /// Whether no device was asked to train anything.
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
        let mut said = Vec::new();
        for (count, how) in [(self.blocks, "a block each"), (self.levels, "level by level")] {
            if count > 0 {
                said.push(format!("{count} {how}"));
            }
        }
        if !self.cpu.is_empty() {
            let reasons: Vec<String> = self.cpu.iter().map(|(why, count)| format!("{why}: {count}")).collect();
            said.push(format!("{} on the CPU ({})", self.cpu.values().sum::<usize>(), reasons.join(", ")));
        }
        f.write_str(&said.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(rows: usize, params: BoostParams) -> BoostJob {
        BoostJob { train: vec![0; rows], params, ..BoostJob::default() }
    }

    #[test]
    fn size_decides_between_a_block_and_levels_and_the_rest_is_the_cpus_with_its_reason() {
        let level = BoostParams::default;
        assert_eq!(plan(&job(4096, level()), 70), Plan::Block);
        assert_eq!(plan(&job(4097, level()), 70), Plan::Levels);
        assert_eq!(plan(&job(10, level()), 8193), Plan::Cpu("more features than a block can mark"));
        let by_leaf = BoostParams { growth: Growth::Leaf, ..level() };
        assert_eq!(plan(&job(9000, by_leaf), 70), Plan::Cpu("grown by leaf"));
        let monotone = BoostParams { monotone: vec![0, 1], ..level() };
        assert_eq!(plan(&job(10, monotone), 2), Plan::Cpu("monotone constraints"));
        let many = BoostJob { valid: vec![0; 1 << 23], ..job(10, level()) };
        assert_eq!(plan(&many, 2), Plan::Cpu("more validation rows than a sum of losses holds"));
    }

    #[test]
    fn plans_are_counted_and_said() {
        let mut plans = Plans::default();
        assert!(plans.is_empty() && plans.to_string().is_empty());
        plans.add(Plan::Block);
        plans.add(Plan::Block);
        plans.add(Plan::Levels);
        assert_eq!(plans.to_string(), "2 a block each, 1 level by level");
        let mut others = Plans::default();
        others.add(Plan::Cpu("monotone constraints"));
        others.add(Plan::Cpu("grown by leaf"));
        others.add(Plan::Cpu("grown by leaf"));
        assert_eq!(others.to_string(), "3 on the CPU (grown by leaf: 2, monotone constraints: 1)");
        plans.extend(others);
        assert_eq!((plans.blocks, plans.levels, plans.cpu.values().sum::<usize>()), (2, 1, 3));
    }
}
