//! Every condition as a mask over the rows of the training and of the test windows.

use super::conditions::{Bins, Column, Cut, conditions, cuts};
use super::rows::Rows;
use super::{Condition, Table, conditions as names};

/// One condition: a column's place among the columns, and a bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item {
    pub column: usize,
    pub bin: usize,
}

/// All conditions of some coins, cut by their training rows.
#[derive(Debug)]
pub(super) struct Items<'a> {
    columns: &'a [Column],
    count: usize,
    pub list: Vec<Item>,
    /// First item of each column.
    first: Vec<usize>,
    /// `[coins × columns]`.
    bins: Vec<Bins>,
}

impl<'a> Items<'a> {
    /// Cuts every column by the training rows of each coin: a value is high for its own coin.
    pub fn new(table: &'a Table<'_>, train: &Rows, count: usize) -> Self {
        let columns = table.columns;
        let (mut list, mut first) = (Vec::new(), Vec::new());
        for (column, of) in columns.iter().enumerate() {
            first.push(list.len());
            list.extend((0..conditions(of.cut, count)).map(|bin| Item { column, bin }));
        }
        let mut values = vec![vec![Vec::new(); columns.len()]; train.symbols.len()];
        train.each(&train.labelled, |coin, bar, _, _| {
            let row = table.row(train.symbols[coin], bar);
            for (column, of) in columns.iter().enumerate() {
                let value = row[of.at];
                if of.cut == Cut::Quantiles && !value.is_nan() {
                    values[coin][column].push(value);
                }
            }
        });
        let bins = values
            .iter_mut()
            .flat_map(|own| {
                own.iter_mut().zip(columns).map(|(values, column)| match column.cut {
                    Cut::Quantiles => Bins::Cuts(cuts(values, count)),
                    Cut::Categories(list) => Bins::Categories(list),
                })
            })
            .collect();
        Self { columns, count, list, first, bins }
    }

    /// Which rows fulfil each condition, `[items × words]`.
    pub fn masks(&self, table: &Table<'_>, rows: &Rows) -> Vec<u64> {
        let words = rows.words();
        let mut masks = vec![0_u64; self.list.len() * words];
        rows.each(&rows.labelled, |coin, bar, word, bit| {
            let row = table.row(rows.symbols[coin], bar);
            for (column, of) in self.columns.iter().enumerate() {
                if let Some(bin) = self.bins[coin * self.columns.len() + column].of(row[of.at]) {
                    masks[(self.first[column] + bin) * words + word] |= bit;
                }
            }
        });
        masks
    }

    /// Number of sets of `depth` conditions on different columns: the elementary symmetric polynomial of the columns'
    /// numbers of conditions.
    pub fn sets(&self, depth: usize) -> f64 {
        let mut polynomial = vec![0.0; depth + 1];
        polynomial[0] = 1.0;
        for column in self.columns {
            let own = conditions(column.cut, self.count) as f64;
            for d in (1..=depth).rev() {
                polynomial[d] += polynomial[d - 1] * own;
            }
        }
        polynomial[depth]
    }

    /// The item of a feature with a name.
    pub fn find(&self, feature: &str, name: &str) -> Option<usize> {
        self.list.iter().position(|&Item { column, bin }| {
            let of = &self.columns[column];
            of.name == feature && names::name(of.cut, self.count, bin) == name
        })
    }

    /// What an item says; its range only where it is that of a single coin.
    pub fn condition(&self, item: usize) -> Condition {
        let Item { column, bin } = self.list[item];
        let of = &self.columns[column];
        let coins = self.bins.len() / self.columns.len();
        let (from, to) = if coins == 1 { self.bins[column].range(bin) } else { (None, None) };
        Condition { feature: of.name.clone(), name: names::name(of.cut, self.count, bin), from, to }
    }
}
