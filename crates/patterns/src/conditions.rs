//! Conditions on one feature: quantile bins of its training values, or the categories it has by itself.

use huracan_features::CATALOGUE;

/// How a feature is cut into conditions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cut {
    /// Bins of equal shares of the training rows.
    Quantiles,
    /// Named ranges of its values: from (inclusive) to (exclusive).
    Categories(&'static [(&'static str, f32, f32)]),
}

/// A feature that patterns may speak of.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: String,
    /// Its place in a row of features.
    pub at: usize,
    pub cut: Cut,
}

/// Prices, volumes and running sums: a level is a stretch of history, and one that comes again means something else.
/// The last two order the rows as `ret_1` and `ret_5` do, so that their bins are the same.
const LEFT_OUT: &[&str] = &[
    "sma_5",
    "sma_10",
    "sma_20",
    "sma_50",
    "ema_5",
    "ema_10",
    "ema_20",
    "bb_upper",
    "bb_lower",
    "volume_sma_20",
    "price_volume_trend",
    "on_balance_volume",
    "log_ret_1",
    "log_ret_5",
];

const THIRDS: &[(&str, f32, f32)] = &[("low", 0.0, 1.0), ("mid", 1.0, 2.0), ("high", 2.0, 3.0)];
const REGIMES: &[(&str, f32, f32)] =
    &[("trend", 0.0, 1.0), ("range", 1.0, 2.0), ("panic", 2.0, 3.0), ("illiquid", 3.0, 4.0)];
const HOURS: &[(&str, f32, f32)] =
    &[("0–5", 0.0, 6.0), ("6–11", 6.0, 12.0), ("12–17", 12.0, 18.0), ("18–23", 18.0, 24.0)];
const DAYS: &[(&str, f32, f32)] = &[
    ("Monday", 0.0, 1.0),
    ("Tuesday", 1.0, 2.0),
    ("Wednesday", 2.0, 3.0),
    ("Thursday", 3.0, 4.0),
    ("Friday", 4.0, 5.0),
    ("Saturday", 5.0, 6.0),
    ("Sunday", 6.0, 7.0),
];
const NO_YES: &[(&str, f32, f32)] = &[("no", 0.0, 1.0), ("yes", 1.0, 2.0)];

/// The features of the catalogue that patterns may speak of.
pub fn catalogue() -> Vec<Column> {
    let column = |(at, name): (usize, &str)| {
        let cut = match name {
            "volatility_regime" => Cut::Categories(THIRDS),
            "market_regime" => Cut::Categories(REGIMES),
            "hour_of_day" => Cut::Categories(HOURS),
            "day_of_week" => Cut::Categories(DAYS),
            "is_weekend" => Cut::Categories(NO_YES),
            _ => Cut::Quantiles,
        };
        Column { name: name.to_owned(), at, cut }
    };
    let names = CATALOGUE.iter().map(|feature| feature.name).enumerate();
    names.filter(|(_, name)| !LEFT_OUT.contains(name)).map(column).collect()
}

/// Lower ends of the bins from the second on, equal shares of `values`; sorts them. Equal values share a bin, so that
/// some bins can be empty.
pub(super) fn cuts(values: &mut [f32], bins: usize) -> Vec<f32> {
    values.sort_unstable_by(f32::total_cmp);
    if values.is_empty() {
        return vec![f32::INFINITY; bins - 1];
    }
    (1..bins).map(|bin| values[bin * values.len() / bins]).collect()
}

/// One feature's conditions for one coin.
#[derive(Debug, Clone)]
pub(super) enum Bins {
    Cuts(Vec<f32>),
    Categories(&'static [(&'static str, f32, f32)]),
}

impl Bins {
    /// The condition that a value fulfils; none where it is missing.
    pub fn of(&self, value: f32) -> Option<usize> {
        if value.is_nan() {
            return None;
        }
        match self {
            Self::Cuts(cuts) => Some(cuts.iter().filter(|&&cut| value >= cut).count()),
            Self::Categories(list) => list.iter().position(|&(_, from, to)| (from..to).contains(&value)),
        }
    }

    /// From (inclusive) and to (exclusive) of a condition; none where it is open.
    pub fn range(&self, bin: usize) -> (Option<f32>, Option<f32>) {
        match self {
            Self::Cuts(cuts) => (bin.checked_sub(1).map(|below| cuts[below]), cuts.get(bin).copied()),
            Self::Categories(list) => (Some(list[bin].1), Some(list[bin].2)),
        }
    }
}

/// Number of a column's conditions.
pub(super) fn conditions(cut: Cut, bins: usize) -> usize {
    match cut {
        Cut::Quantiles => bins,
        Cut::Categories(list) => list.len(),
    }
}

/// What a condition is called.
pub(super) fn name(cut: Cut, bins: usize, bin: usize) -> String {
    match (cut, bins) {
        (Cut::Categories(list), _) => list[bin].0.to_owned(),
        (Cut::Quantiles, 2) => ["low", "high"][bin].to_owned(),
        (Cut::Quantiles, 3) => ["low", "mid", "high"][bin].to_owned(),
        (Cut::Quantiles, 5) => ["lowest", "low", "mid", "high", "highest"][bin].to_owned(),
        (Cut::Quantiles, _) => format!("bin {} of {bins}", bin + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_hold_equal_shares_and_equal_values_share_one() {
        let mut values = [5.0, 1.0, 4.0, 2.0, 3.0, 6.0];
        let bins = Bins::Cuts(cuts(&mut values, 3));
        let of: Vec<_> = (1..=6).map(|value| bins.of(value as f32).unwrap()).collect();
        assert_eq!(of, [0, 0, 1, 1, 2, 2]);
        assert_eq!(
            (bins.range(0), bins.range(1), bins.range(2)),
            ((None, Some(3.0)), (Some(3.0), Some(5.0)), (Some(5.0), None))
        );
        assert_eq!((bins.of(-9.0), bins.of(99.0), bins.of(f32::NAN)), (Some(0), Some(2), None));
        let tied = Bins::Cuts(cuts(&mut [0.0, 0.0, 0.0, 0.0, 0.0, 7.0], 3));
        assert_eq!((tied.of(0.0), tied.of(7.0)), (Some(2), Some(2)), "the first two bins are empty");
    }

    #[test]
    fn the_catalogue_leaves_out_levels_and_names_categories() {
        let columns = catalogue();
        assert_eq!(columns.len(), CATALOGUE.len() - LEFT_OUT.len());
        let find = |name: &str| columns.iter().find(|column| column.name == name);
        assert!(find("sma_20").is_none() && find("rsi_14").is_some());
        let regime = find("market_regime").unwrap();
        let Cut::Categories(list) = regime.cut else { panic!("{regime:?}") };
        let bin = Bins::Categories(list).of(2.0).unwrap();
        assert_eq!(name(regime.cut, 3, bin), "panic");
        assert_eq!((name(Cut::Quantiles, 3, 2), name(Cut::Quantiles, 4, 0)), ("high".into(), "bin 1 of 4".into()));
    }
}
