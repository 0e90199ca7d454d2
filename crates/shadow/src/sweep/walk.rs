//! Steps from trade to trade. Several settings are walked side by side, because each waits for its last memory access.

use super::entries::{Active, Entries, REVERSAL, bar_of, code_of};
use super::grid::Levels;

/// Settings that are walked side by side.
pub(super) const LANES: usize = 8;

/// One trade, or a refused signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Step {
    /// Index of the signal that began it.
    pub signal: u32,
    /// How it ended: see [`entries`](super::entries).
    pub end: u32,
}

/// The steps of the settings walked last.
#[derive(Debug, Default)]
pub(super) struct Walker {
    /// `[steps × lanes]`, refused signals included. After its last step, a lane has steps with the signal `none`.
    steps: Vec<[Step; LANES]>,
    /// Number of signals: the index after the last one.
    none: u32,
}

impl Walker {
    /// The steps of one lane, refused signals included.
    pub fn steps(&self, lane: usize) -> impl Iterator<Item = Step> + '_ {
        self.steps.iter().map(move |step| step[lane]).take_while(|step| step.signal != self.none)
    }

    /// Walks up to [`LANES`] settings through a window.
    pub fn walk(&mut self, entries: &Entries, active: &Active, settings: &[(usize, Levels)]) {
        let none = entries.bar.len() as u32;
        self.none = none;
        // At most one step per signal, and one that marks the end.
        self.steps.resize(entries.row(), [Step::default(); LANES]);
        // Lanes without a setting of their own repeat the last one.
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
                step[lane] = Step { signal: signal as u32, end };
                // A signal that reversed a trade begins the next one.
                at[lane] = next[bar_of(end) - usize::from(code_of(end) == REVERSAL)];
            }
            if nearest == none {
                return;
            }
        }
    }
}
