//! The codes of rows, laid out for histograms: features in groups of [`LANES`], the codes of a row side by side.

use rayon::prelude::*;

use super::bins::{Cuts, MISSING};
use super::{MIN_SHARED_ROWS, Table};

/// Features per group: one row adds to all of them, and one step of the split search looks at all of them.
pub const LANES: usize = 16;

/// Bins per group, including the one for missing values.
pub const GROUP_BINS: usize = 256;

/// Codes of some rows, in groups of features with similar numbers of bins.
pub struct Codes {
    /// The groups, in the order of [`Cuts::by_bins`].
    pub groups: Vec<Group>,
    /// Group and lane of each feature.
    positions: Vec<(u32, u32)>,
}

/// Up to [`LANES`] features.
pub struct Group {
    /// The feature of each lane, at most [`LANES`].
    pub features: Vec<u32>,
    /// Largest number of bins of a feature, at most 255; also the code of a missing value.
    pub bins: usize,
    /// Whether any row has a missing value in any feature of the group.
    pub any_missing: bool,
    /// `[rows][lanes]`.
    pub codes: Vec<[u8; LANES]>,
}

impl Codes {
    /// Lays out `columns`, the codes `[features][rows]`, and frees each column once it is laid out.
    pub fn from_columns(cuts: &Cuts, mut columns: Vec<Vec<u8>>) -> Self {
        let mut codes = Self::layout(cuts);
        let fill = |(group, columns): (&mut Group, Vec<Vec<u8>>)| group.fill(&columns);
        let taken: Vec<Vec<Vec<u8>>> = codes
            .groups
            .iter()
            .map(|group| group.features.iter().map(|&f| std::mem::take(&mut columns[f as usize])).collect())
            .collect();
        let rows = taken.first().and_then(|columns| columns.first()).map_or(0, Vec::len);
        if rows < MIN_SHARED_ROWS {
            codes.groups.iter_mut().zip(taken).for_each(fill);
        } else {
            codes.groups.par_iter_mut().zip(taken).with_max_len(1).for_each(fill);
        }
        codes
    }

    /// The codes of other rows than those that the cuts were made from.
    pub fn of_rows(cuts: &Cuts, table: Table<'_>, rows: &[u32]) -> Self {
        let column = |feature: usize| -> Vec<u8> {
            let values = rows.iter().map(|&row| table.values[row as usize * table.features + feature]);
            values.map(|value| cuts.code(feature, value)).collect()
        };
        let columns = if rows.len() < MIN_SHARED_ROWS {
            (0..table.features).map(column).collect()
        } else {
            (0..table.features).into_par_iter().map(column).collect()
        };
        Self::from_columns(cuts, columns)
    }

    /// Groups without rows.
    fn layout(cuts: &Cuts) -> Self {
        let order = cuts.by_bins();
        let mut positions = vec![(0, 0); order.len()];
        let groups = order.chunks(LANES).enumerate().map(|(group, features)| {
            for (lane, &feature) in features.iter().enumerate() {
                positions[feature as usize] = (group as u32, lane as u32);
            }
            let bins = features.iter().map(|&feature| cuts.cuts[feature as usize].len() + 1).max().unwrap_or(0);
            Group { features: features.to_vec(), bins, any_missing: false, codes: Vec::new() }
        });
        let groups = groups.collect();
        Self { groups, positions }
    }

    /// The group of a feature, and its lane there.
    pub fn locate(&self, feature: u32) -> (&Group, usize) {
        (&self.groups[self.group_of(feature)], self.positions[feature as usize].1 as usize)
    }

    /// The number of a feature's group.
    pub fn group_of(&self, feature: u32) -> usize {
        self.positions[feature as usize].0 as usize
    }
}

impl Group {
    fn fill(&mut self, columns: &[Vec<u8>]) {
        let missing = self.bins as u8;
        self.codes = vec![[0; LANES]; columns.first().map_or(0, Vec::len)];
        for (lane, column) in columns.iter().enumerate() {
            let mut any = false;
            for (row, &code) in self.codes.iter_mut().zip(column) {
                any |= code == MISSING;
                row[lane] = if code == MISSING { missing } else { code };
            }
            self.any_missing |= any;
        }
    }
}
