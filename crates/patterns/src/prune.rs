//! Of many patterns that say the same, the one that says it best.

use super::PatternParams;
use super::excess::{Base, Excess, Scratch};
use super::rows::Rows;
use super::search::{Found, mask_of};

/// How sure a condition must add something, and a pattern hold beyond those before it; the first after the number of
/// conditions that could have been added.
const LEVEL: f64 = 0.05;
/// PatternParams of a coin that are looked at: the cost grows with their number times those that are left.
const MOST: usize = 2000;

/// The rows, their base and every condition's mask.
pub(super) struct Ground<'a> {
    pub rows: &'a Rows,
    pub base: &'a Base,
    /// `[items × words]`.
    pub masks: &'a [u64],
}

/// Rows that no pattern so far covers.
pub(super) struct Free<'a> {
    ground: &'a Ground<'a>,
    mask: Vec<u64>,
    base: Base,
}

impl<'a> Free<'a> {
    pub fn new(ground: &'a Ground<'a>) -> Self {
        let mask = ground.rows.labelled.clone();
        Self { ground, base: Base::of(ground.rows, &mask), mask }
    }

    /// A pattern's excess over the other free rows, on those that are free.
    pub fn excess(&self, found: &Found, scratch: &mut Scratch) -> Excess {
        let mut mask = self.ground.mask(found.items());
        mask.iter_mut().zip(&self.mask).for_each(|(own, free)| *own &= free);
        self.base.excess(self.ground.rows, &mask, scratch)[found.side]
    }

    /// Takes a pattern's rows away.
    pub fn cover(&mut self, found: &Found) {
        let mask = self.ground.mask(found.items());
        self.mask.iter_mut().zip(&mask).for_each(|(free, own)| *free &= !own);
        self.base = Base::of(self.ground.rows, &self.mask);
    }
}

impl Ground<'_> {
    pub fn mask(&self, items: impl IntoIterator<Item = usize>) -> Vec<u64> {
        mask_of(self.masks, self.rows.words(), items)
    }

    /// Whether each condition adds something: within the rows of the others alone, the pattern's win more often.
    fn adds(&self, found: &Found, scratch: &mut Scratch) -> bool {
        let items: Vec<usize> = found.items().collect();
        if items.len() == 1 {
            return true;
        }
        let mask = self.mask(items.iter().copied());
        let tries = (self.masks.len() / self.rows.words().max(1)) as f64;
        (0..items.len()).all(|without| {
            let part = self.mask(items.iter().enumerate().filter(|(i, _)| *i != without).map(|(_, &item)| item));
            let within = Base::of(self.rows, &part);
            within.excess(self.rows, &mask, scratch)[found.side].p_value() * tries <= LEVEL
        })
    }

    /// Leaves at most `settings.most` of a coin's candidates and `settings.leads` of those that missed the discovery
    /// level, candidates before leads and the most telling first: each of their conditions adds something, and each
    /// beats the rest of the market on the rows that no pattern before it covers. So a pattern that owes its excess to
    /// another one goes, and so does the other side of it: where long wins here, short wins elsewhere.
    ///
    /// Each comes with its q-value. `earns` says whether its mean return is above the base.
    pub fn prune(
        &self,
        mut found: Vec<(Found, f64)>,
        earns: impl Fn(&Found) -> bool,
        settings: &PatternParams,
    ) -> Vec<(Found, f64)> {
        let is_lead = |q: f64| q > settings.discovery_level;
        found.sort_by(|(a, qa), (b, qb)| is_lead(*qa).cmp(&is_lead(*qb)).then(a.rank(b)));
        found.truncate(MOST);
        let (mut kept, mut scratch, mut free) = (Vec::new(), Scratch::default(), Free::new(self));
        let mut room = [settings.most, settings.leads];
        for (one, q) in found {
            let room = &mut room[usize::from(is_lead(q))];
            if *room == 0 {
                continue;
            }
            let beyond = free.excess(&one, &mut scratch);
            if beyond.rows >= settings.min_rows
                && beyond.p_value() <= LEVEL
                && earns(&one)
                && self.adds(&one, &mut scratch)
            {
                free.cover(&one);
                kept.push((one, q));
                *room -= 1;
            }
        }
        kept
    }
}
