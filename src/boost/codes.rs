//! The codes of a job's training rows, laid out for histograms: features in groups of [`LANES`], neighbours side by side.

use super::{Cuts, MISSING};

/// Features in a group: what one row adds to, and what one step of the split search looks at.
pub const LANES: usize = 16;

/// A job's codes, by groups of features with alike numbers of bins.
pub struct Codes {
    pub groups: Vec<Group>,
    /// Group and lane of each feature.
    places: Vec<(u32, u32)>,
}

/// Up to [`LANES`] features.
pub struct Group {
    /// At most [`LANES`].
    pub features: Vec<u32>,
    /// Bins of the feature that has most, at most 255: also the code of a missing value.
    pub bins: usize,
    /// Whether any row has a missing value.
    pub any_missing: bool,
    /// `[rows][lanes]`.
    pub codes: Vec<[u8; LANES]>,
}

impl Codes {
    /// Lays out `codes`, `[rows × features]` row-major.
    pub fn new(cuts: &Cuts, codes: &[u8]) -> Self {
        let width = cuts.cuts.len();
        let mut order: Vec<u32> = (0..width as u32).collect();
        // Features with few bins together: their histograms are short.
        order.sort_by_key(|&feature| cuts.cuts[feature as usize].len());
        let mut places = vec![(0, 0); width];
        let groups = order
            .chunks(LANES)
            .enumerate()
            .map(|(group, features)| {
                for (lane, &feature) in features.iter().enumerate() {
                    places[feature as usize] = (group as u32, lane as u32);
                }
                Group::new(cuts, codes, features)
            })
            .collect();
        Self { groups, places }
    }

    /// A feature's group and its lane there.
    pub fn place(&self, feature: u32) -> (&Group, usize) {
        (&self.groups[self.group_of(feature)], self.places[feature as usize].1 as usize)
    }

    /// Number of a feature's group.
    pub fn group_of(&self, feature: u32) -> usize {
        self.places[feature as usize].0 as usize
    }
}

impl Group {
    fn new(cuts: &Cuts, codes: &[u8], features: &[u32]) -> Self {
        let bins = features.iter().map(|&feature| cuts.cuts[feature as usize].len() + 1).max().unwrap_or(0);
        let mut any_missing = false;
        let rows = codes.chunks_exact(cuts.cuts.len()).map(|row| {
            let mut out = [0; LANES];
            for (slot, &feature) in out.iter_mut().zip(features) {
                let code = row[feature as usize];
                any_missing |= code == MISSING;
                *slot = if code == MISSING { bins as u8 } else { code };
            }
            out
        });
        let codes = rows.collect();
        Self { features: features.to_vec(), bins, any_missing, codes }
    }
}
