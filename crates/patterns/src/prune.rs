//! Selects one pattern of each group of patterns that overlap.

use super::PatternParams;
use super::excess::{Base, Excess, Scratch};
use super::rows::Rows;
use super::search::{Finding, mask_of};

/// Maximum p-value at which a condition adds something (after correction for the number of conditions that could have
/// been added), and at which a pattern holds on the rows that earlier patterns leave.
const LEVEL: f64 = 0.05;
/// Maximum number of findings per coin that are examined: the cost is proportional to it times the number of selected
/// ones.
const MAX_EXAMINED: usize = 2000;

/// The rows of some windows, their base, and the masks of all conditions.
pub(super) struct Sample<'a> {
    pub rows: &'a Rows,
    pub base: &'a Base,
    /// `[items × words]`.
    pub masks: &'a [u64],
}

/// Rows that no selected pattern covers yet.
pub(super) struct UncoveredRows<'a> {
    sample: &'a Sample<'a>,
    mask: Vec<u64>,
    base: Base,
}

impl<'a> UncoveredRows<'a> {
    pub fn new(sample: &'a Sample<'a>) -> Self {
        let mask = sample.rows.labelled.clone();
        Self { sample, base: Base::of(sample.rows, &mask), mask }
    }

    /// Excess of a pattern's uncovered rows over all uncovered rows.
    pub fn excess(&self, finding: &Finding, scratch: &mut Scratch) -> Excess {
        let mut mask = self.sample.mask(finding.items());
        mask.iter_mut().zip(&self.mask).for_each(|(own, uncovered)| *own &= uncovered);
        self.base.excess(self.sample.rows, &mask, scratch)[finding.side]
    }

    /// Marks a pattern's rows as covered.
    pub fn cover(&mut self, finding: &Finding) {
        let mask = self.sample.mask(finding.items());
        self.mask.iter_mut().zip(&mask).for_each(|(uncovered, own)| *uncovered &= !own);
        self.base = Base::of(self.sample.rows, &self.mask);
    }
}

impl Sample<'_> {
    /// Mask of the rows that fulfil all of some conditions.
    pub fn mask(&self, items: impl IntoIterator<Item = usize>) -> Vec<u64> {
        mask_of(self.masks, self.rows.words(), items)
    }

    /// Whether each condition adds something: among the rows of the other conditions, those of the pattern earn
    /// more.
    fn every_condition_adds(&self, finding: &Finding, scratch: &mut Scratch) -> bool {
        let items: Vec<usize> = finding.items().collect();
        if items.len() == 1 {
            return true;
        }
        let mask = self.mask(items.iter().copied());
        let tries = (self.masks.len() / self.rows.words().max(1)) as f64;
        (0..items.len()).all(|without| {
            let part = self.mask(items.iter().enumerate().filter(|(i, _)| *i != without).map(|(_, &item)| item));
            let within = Base::of(self.rows, &part);
            within.excess(self.rows, &mask, scratch)[finding.side].p_value() * tries <= LEVEL
        })
    }

    /// Selects at most `params.most` candidates of a coin and `params.leads` of the findings that missed the discovery
    /// level, candidates first and the most significant first.
    ///
    /// Every condition of a selected pattern adds something, and the pattern beats the rest of the market on the rows
    /// that no earlier pattern covers. This removes patterns that owe their excess to another one, and its mirror
    /// image: if long earns on some rows, short earns on the others.
    ///
    /// Each finding is paired with its q-value. `earns` returns whether a finding's mean return is above that of the
    /// base.
    pub fn prune(
        &self,
        mut findings: Vec<(Finding, f64)>,
        earns: impl Fn(&Finding) -> bool,
        params: &PatternParams,
    ) -> Vec<(Finding, f64)> {
        let is_lead = |q: f64| q > params.discovery_level;
        findings.sort_by(|(a, qa), (b, qb)| is_lead(*qa).cmp(&is_lead(*qb)).then(a.rank(b)));
        findings.truncate(MAX_EXAMINED);
        let (mut selected, mut scratch, mut uncovered) = (Vec::new(), Scratch::default(), UncoveredRows::new(self));
        let mut remaining = [params.most, params.leads];
        for (finding, q) in findings {
            let remaining = &mut remaining[usize::from(is_lead(q))];
            if *remaining == 0 {
                continue;
            }
            let excess = uncovered.excess(&finding, &mut scratch);
            if excess.rows >= params.min_rows
                && excess.p_value() <= LEVEL
                && earns(&finding)
                && self.every_condition_adds(&finding, &mut scratch)
            {
                uncovered.cover(&finding);
                selected.push((finding, q));
                *remaining -= 1;
            }
        }
        selected
    }
}
