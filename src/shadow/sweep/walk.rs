//! From trade to trade: several settings side by side, since each waits for what it has just looked up.

use super::entries::{Active, Entries, REFUSED, REVERSAL, bar_of, code_of};
use super::grid::Levels;

/// Settings that are walked at once.
pub(super) const LANES: usize = 8;

/// One trade: which signal began it, and how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Made {
    pub signal: u32,
    pub end: u32,
}

/// The trades of the settings walked last.
#[derive(Debug, Default)]
pub(super) struct Walker {
    made: [Vec<Made>; LANES],
    count: [usize; LANES],
}

impl Walker {
    pub fn trades(&self, lane: usize) -> &[Made] {
        &self.made[lane][..self.count[lane]]
    }

    /// Walks up to [`LANES`] settings through a window.
    pub fn walk(&mut self, entries: &Entries, active: &Active, settings: &[(usize, Levels)]) {
        let row = entries.row();
        for made in &mut self.made {
            if made.len() < row {
                made.resize(row, Made::default());
            }
        }
        // Lanes without a setting of their own follow the last one.
        let of_lane = |lane: usize| settings[lane.min(settings.len() - 1)].1;
        let others: [&[u32]; LANES] = std::array::from_fn(|lane| active.other(of_lane(lane).hold));
        let stops: [&[u32]; LANES] = std::array::from_fn(|lane| entries.stop(of_lane(lane).stop));
        let takes: [&[u32]; LANES] = std::array::from_fn(|lane| entries.take(of_lane(lane).take));
        let (next, none) = (active.next.as_slice(), entries.bar.len() as u32);
        let mut at = [next[0]; LANES];
        let mut count = [0; LANES];
        let mut walking = next[0] != none;
        while walking {
            walking = false;
            for lane in 0..LANES {
                let signal = at[lane] as usize;
                let end = others[lane][signal].min(stops[lane][signal]).min(takes[lane][signal]);
                self.made[lane][count[lane]] = Made { signal: signal as u32, end };
                count[lane] += usize::from(code_of(end) != REFUSED);
                // The signal that reversed a trade begins the next one.
                at[lane] = next[bar_of(end) - usize::from(code_of(end) == REVERSAL)];
                walking |= at[lane] != none;
            }
        }
        self.count = count;
    }
}
