//! The codes of rows, laid out for histograms: features in groups of [`LANES`], neighbours side by side.

use rayon::prelude::*;

use super::bins::{Cuts, MISSING};
use super::{MANY_ROWS, Table};

/// Features in a group: what one row adds to, and what one step of the split search looks at.
pub const LANES: usize = 16;

/// Codes of some rows, by groups of features with alike numbers of bins.
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
    /// Lays out `columns`, the codes of each feature's rows, and frees them.
    pub fn from_columns(cuts: &Cuts, mut columns: Vec<Vec<u8>>) -> Self {
        let mut codes = Self::layout(cuts);
        let fill = |(group, columns): (&mut Group, Vec<Vec<u8>>)| group.fill(&columns);
        let taken: Vec<Vec<Vec<u8>>> = codes
            .groups
            .iter()
            .map(|group| group.features.iter().map(|&f| std::mem::take(&mut columns[f as usize])).collect())
            .collect();
        let rows = taken.first().and_then(|columns| columns.first()).map_or(0, Vec::len);
        if rows < MANY_ROWS {
            codes.groups.iter_mut().zip(taken).for_each(fill);
        } else {
            codes.groups.par_iter_mut().zip(taken).with_max_len(1).for_each(fill);
        }
        codes
    }

    /// Codes of other rows than those that the cuts were made from.
    pub fn of_rows(cuts: &Cuts, table: Table<'_>, rows: &[u32]) -> Self {
        let column = |feature: usize| -> Vec<u8> {
            let values = rows.iter().map(|&row| table.values[row as usize * table.features + feature]);
            values.map(|value| cuts.code(feature, value)).collect()
        };
        let columns = if rows.len() < MANY_ROWS {
            (0..table.features).map(column).collect()
        } else {
            (0..table.features).into_par_iter().map(column).collect()
        };
        Self::from_columns(cuts, columns)
    }

    /// Groups without rows.
    fn layout(cuts: &Cuts) -> Self {
        let order = cuts.by_bins();
        let mut places = vec![(0, 0); order.len()];
        let groups = order.chunks(LANES).enumerate().map(|(group, features)| {
            for (lane, &feature) in features.iter().enumerate() {
                places[feature as usize] = (group as u32, lane as u32);
            }
            let bins = features.iter().map(|&feature| cuts.cuts[feature as usize].len() + 1).max().unwrap_or(0);
            Group { features: features.to_vec(), bins, any_missing: false, codes: Vec::new() }
        });
        let groups = groups.collect();
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
