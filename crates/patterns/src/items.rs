//! Every condition as a bit mask over the rows of the training and the test windows.

use rayon::prelude::*;

use super::conditions::{Binning, Bins, Column, condition_count, condition_name, cut_points};
use super::rows::Rows;
use super::{Condition, Table};

/// Coins whose masks are made at a time: enough for all threads, and little memory.
const COINS_AT_A_TIME: usize = 256;

/// One condition: the index of a column, and a bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item {
    pub column: usize,
    pub bin: usize,
}

/// All conditions, with bins from the training rows of some coins.
#[derive(Debug)]
pub(super) struct Items<'a> {
    columns: &'a [Column],
    /// Quantile bins per feature.
    bins_per_feature: usize,
    pub list: Vec<Item>,
    /// First item of each column.
    first: Vec<usize>,
    /// `[coins × columns]`.
    bins: Vec<Bins>,
}

impl<'a> Items<'a> {
    /// Bins every column by the training rows of each coin: a value is high relative to its own coin.
    pub fn new(table: &'a Table<'_>, train: &Rows, bins_per_feature: usize) -> Self {
        let columns = table.columns;
        let (mut list, mut first) = (Vec::new(), Vec::new());
        for (index, column) in columns.iter().enumerate() {
            first.push(list.len());
            let bins = 0..condition_count(column.binning, bins_per_feature);
            list.extend(bins.map(|bin| Item { column: index, bin }));
        }
        let of_coin = |(coin, &symbol): (usize, &usize)| -> Vec<Bins> {
            let mut values = vec![Vec::new(); columns.len()];
            train.for_each_row_of(coin, |bar, _, _| {
                let row = table.row(symbol, bar);
                for (values, column) in values.iter_mut().zip(columns) {
                    let value = row[column.index];
                    if matches!(column.binning, Binning::Quantiles | Binning::Tails) && !value.is_nan() {
                        values.push(value);
                    }
                }
            });
            let bins = values.iter_mut().zip(columns).map(|(values, column)| match column.binning {
                Binning::Quantiles => Bins::Cuts(cut_points(values, bins_per_feature)),
                Binning::Tails => Bins::Tails(cut_points(values, bins_per_feature)),
                Binning::Categories(list) => Bins::Categories(list),
            });
            bins.collect()
        };
        let bins: Vec<Vec<Bins>> = train.symbols.par_iter().enumerate().map(of_coin).collect();
        Self { columns, bins_per_feature, list, first, bins: bins.into_iter().flatten().collect() }
    }

    /// Masks of the rows that fulfil each condition, `[items × words]`.
    pub fn masks(&self, table: &Table<'_>, rows: &Rows) -> Vec<u64> {
        let (words, coins) = (rows.words(), rows.symbols.len());
        let own_words = words / coins.max(1);
        // Of each coin, `[items × own words]`.
        let of_coin = |(coin, &symbol): (usize, &usize)| -> Vec<u64> {
            let bins = &self.bins[coin * self.columns.len()..][..self.columns.len()];
            let mut masks = vec![0_u64; self.list.len() * own_words];
            rows.for_each_row_of(coin, |bar, own_word, bit| {
                let row = table.row(symbol, bar);
                for ((bins, first), column) in bins.iter().zip(&self.first).zip(self.columns) {
                    if let Some(bin) = bins.of(row[column.index]) {
                        masks[(first + bin) * own_words + own_word] |= bit;
                    }
                }
            });
            masks
        };
        let mut masks = vec![0_u64; self.list.len() * words];
        for first in (0..coins).step_by(COINS_AT_A_TIME) {
            let some = &rows.symbols[first..(first + COINS_AT_A_TIME).min(coins)];
            let some: Vec<Vec<u64>> =
                some.par_iter().enumerate().map(|(at, symbol)| of_coin((first + at, symbol))).collect();
            masks.par_chunks_mut(words.max(1)).enumerate().for_each(|(item, mask)| {
                for (coin, own) in (first..).zip(&some) {
                    let own = &own[item * own_words..(item + 1) * own_words];
                    for (block, own) in own.chunks(rows.width).enumerate() {
                        let at = (block * coins + coin) * rows.width;
                        mask[at..at + rows.width].copy_from_slice(own);
                    }
                }
            });
        }
        masks
    }

    /// Number of sets of `depth` conditions on different columns: the elementary symmetric polynomial of that degree in
    /// the columns' numbers of conditions.
    pub fn sets(&self, depth: usize) -> f64 {
        let mut polynomial = vec![0.0; depth + 1];
        polynomial[0] = 1.0;
        for column in self.columns {
            let own = condition_count(column.binning, self.bins_per_feature) as f64;
            for d in (1..=depth).rev() {
                polynomial[d] += polynomial[d - 1] * own;
            }
        }
        polynomial[depth]
    }

    /// Index of the item for a feature and the name of a condition.
    pub fn find(&self, feature: &str, name: &str) -> Option<usize> {
        self.list.iter().position(|&Item { column, bin }| {
            let column = &self.columns[column];
            column.name == feature && condition_name(column.binning, self.bins_per_feature, bin) == name
        })
    }

    /// The condition of an item. It has a range only if there is a single coin.
    pub fn condition(&self, item: usize) -> Condition {
        let Item { column, bin } = self.list[item];
        let name = condition_name(self.columns[column].binning, self.bins_per_feature, bin);
        let coins = self.bins.len() / self.columns.len();
        let (from, to) = if coins == 1 { self.bins[column].range(bin) } else { (None, None) };
        Condition { feature: self.columns[column].name.clone(), name, from, to }
    }
}
