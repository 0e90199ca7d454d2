//! From trade to trade: several settings side by side, since each waits for what it has just looked up.

use super::entries::{Active, Entries, REVERSAL, bar_of, code_of};
use super::grid::Levels;

/// Settings that are walked at once.
pub(super) const LANES: usize = 8;

/// One trade: which signal began it, and how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Made {
    pub signal: u32,
    pub end: u32,
}

/// The ways of the settings walked last.
#[derive(Debug, Default)]
pub(super) struct Walker {
    /// `[steps × lanes]`: signals that were not entered too, and after a lane's last step the place after all signals.
    steps: Vec<[Made; LANES]>,
    none: u32,
}

impl Walker {
    /// The steps of one lane, among them signals that were refused.
    pub fn steps(&self, lane: usize) -> impl Iterator<Item = Made> + '_ {
        self.steps.iter().map(move |step| step[lane]).take_while(|made| made.signal != self.none)
    }

    /// Walks up to [`LANES`] settings through a window.
    pub fn walk(&mut self, entries: &Entries, active: &Active, settings: &[(usize, Levels)]) {
        let none = entries.bar.len() as u32;
        self.none = none;
        // As many steps as signals, and one to see the end.
        self.steps.resize(entries.row(), [Made::default(); LANES]);
        // Lanes without a setting of their own follow the last one.
        let of_lane = |lane: usize| settings[lane.min(settings.len() - 1)].1;
        let others: [&[u32]; LANES] = std::array::from_fn(|lane| active.other(of_lane(lane).hold));
        let stops: [&[u32]; LANES] = std::array::from_fn(|lane| entries.stop(of_lane(lane).stop));
        let takes: [&[u32]; LANES] = std::array::from_fn(|lane| entries.take(of_lane(lane).take));
        let next = active.next.as_slice();
        let mut at = [next[0]; LANES];
        for step in &mut self.steps {
            let mut nearest = none;
            for lane in 0..LANES {
                let signal = at[lane] as usize;
                nearest = nearest.min(at[lane]);
                let end = others[lane][signal].min(stops[lane][signal]).min(takes[lane][signal]);
                step[lane] = Made { signal: signal as u32, end };
                // The signal that reversed a trade begins the next one.
                at[lane] = next[bar_of(end) - usize::from(code_of(end) == REVERSAL)];
            }
            if nearest == none {
                return;
            }
        }
    }
}
