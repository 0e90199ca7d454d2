//! Conditions on one feature: quantile bins of its training values, or its natural categories.

use huracan_features::{Regime, VolatilityRegime, view_names};

/// How a feature is divided into conditions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Binning {
    /// Quantile bins: equal shares of the training rows.
    Quantiles,
    /// The lowest and the highest of these bins.
    Tails,
    /// Named ranges of values: name, from (inclusive), to (exclusive).
    Categories(&'static [(&'static str, f32, f32)]),
}

/// A feature that patterns may use.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Name of the feature.
    pub name: String,
    /// Its index in a row of features.
    pub index: usize,
    /// How it is divided into conditions.
    pub binning: Binning,
}

const THIRDS: &[(&str, f32, f32)] =
    &[third(VolatilityRegime::Low), third(VolatilityRegime::Middle), third(VolatilityRegime::High)];
const REGIMES: &[(&str, f32, f32)] =
    &[regime(Regime::Trend), regime(Regime::Range), regime(Regime::Panic), regime(Regime::Illiquid)];
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

const fn third(third: VolatilityRegime) -> (&'static str, f32, f32) {
    (third.label(), third.code() as f32, third.code() as f32 + 1.0)
}

const fn regime(regime: Regime) -> (&'static str, f32, f32) {
    (regime.label(), regime.code() as f32, regime.code() as f32 + 1.0)
}

/// The columns of the view: none depends on the level of price or volume, so that a condition means the same at any time and
/// for any coin. Of what has an order, only the ends are conditions: in the middle nothing is special.
pub fn view() -> Vec<Column> {
    let column = |(index, name): (usize, String)| {
        let binning = match name.as_str() {
            "volatility_regime" => Binning::Categories(THIRDS),
            "market_regime" => Binning::Categories(REGIMES),
            "hour_of_day" => Binning::Categories(HOURS),
            "day_of_week" => Binning::Categories(DAYS),
            "is_weekend" => Binning::Categories(NO_YES),
            _ => Binning::Tails,
        };
        Column { name, index, binning }
    };
    view_names().into_iter().enumerate().map(column).collect()
}

/// Cut points of `bins` quantile bins: the lower bound of every bin except the first. Sorts `values`. Equal values
/// share a bin, so some bins may be empty.
pub(super) fn cut_points(values: &mut [f32], bins: usize) -> Vec<f32> {
    values.sort_unstable_by(f32::total_cmp);
    if values.is_empty() {
        return vec![f32::INFINITY; bins - 1];
    }
    (1..bins).map(|bin| values[bin * values.len() / bins]).collect()
}

/// The conditions on one feature for one coin.
#[derive(Debug, Clone)]
pub(super) enum Bins {
    /// Cut points between quantile bins, ascending.
    Cuts(Vec<f32>),
    /// The same, of which only the first and the last bin count.
    Tails(Vec<f32>),
    Categories(&'static [(&'static str, f32, f32)]),
}

impl Bins {
    /// The condition that a value fulfils; `None` if the value is missing.
    pub fn of(&self, value: f32) -> Option<usize> {
        if value.is_nan() {
            return None;
        }
        match self {
            Self::Cuts(cuts) => Some(cuts.iter().filter(|&&cut| value >= cut).count()),
            Self::Tails(cuts) if cuts.first().is_some_and(|&cut| value < cut) => Some(0),
            Self::Tails(cuts) => cuts.last().is_some_and(|&cut| value >= cut).then_some(1),
            Self::Categories(list) => list.iter().position(|&(_, from, to)| (from..to).contains(&value)),
        }
    }

    /// Bounds of a condition: from (inclusive) and to (exclusive); `None` where open.
    pub fn range(&self, bin: usize) -> (Option<f32>, Option<f32>) {
        match self {
            Self::Cuts(cuts) => (bin.checked_sub(1).map(|below| cuts[below]), cuts.get(bin).copied()),
            Self::Tails(cuts) => {
                if bin == 0 {
                    (None, cuts.first().copied())
                } else {
                    (cuts.last().copied(), None)
                }
            }
            Self::Categories(list) => (Some(list[bin].1), Some(list[bin].2)),
        }
    }
}

/// Number of conditions of a column.
pub(super) fn condition_count(binning: Binning, bins: usize) -> usize {
    match binning {
        Binning::Quantiles => bins,
        Binning::Tails => 2,
        Binning::Categories(list) => list.len(),
    }
}

/// Name of a condition.
pub(super) fn condition_name(binning: Binning, bins: usize, bin: usize) -> String {
    match (binning, bins) {
        (Binning::Categories(list), _) => list[bin].0.to_owned(),
        (Binning::Tails, _) => ["low", "high"][bin].to_owned(),
        (Binning::Quantiles, 2) => ["low", "high"][bin].to_owned(),
        (Binning::Quantiles, 3) => ["low", "mid", "high"][bin].to_owned(),
        (Binning::Quantiles, 5) => ["lowest", "low", "mid", "high", "highest"][bin].to_owned(),
        (Binning::Quantiles, _) => format!("bin {} of {bins}", bin + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_hold_equal_shares_and_equal_values_share_one() {
        let mut values = [5.0, 1.0, 4.0, 2.0, 3.0, 6.0];
        let bins = Bins::Cuts(cut_points(&mut values, 3));
        let of: Vec<_> = (1..=6).map(|value| bins.of(value as f32).unwrap()).collect();
        assert_eq!(of, [0, 0, 1, 1, 2, 2]);
        assert_eq!(
            (bins.range(0), bins.range(1), bins.range(2)),
            ((None, Some(3.0)), (Some(3.0), Some(5.0)), (Some(5.0), None))
        );
        assert_eq!((bins.of(-9.0), bins.of(99.0), bins.of(f32::NAN)), (Some(0), Some(2), None));
        let tied = Bins::Cuts(cut_points(&mut [0.0, 0.0, 0.0, 0.0, 0.0, 7.0], 3));
        assert_eq!((tied.of(0.0), tied.of(7.0)), (Some(2), Some(2)), "the first two bins are empty");
    }

    #[test]
    fn the_ends_of_a_column_are_its_conditions() {
        let bins = Bins::Tails(cut_points(&mut [5.0, 1.0, 4.0, 2.0, 3.0, 6.0], 3));
        let of: Vec<_> = (1..=6).map(|value| bins.of(value as f32)).collect();
        assert_eq!(of, [Some(0), Some(0), None, None, Some(1), Some(1)]);
        assert_eq!((bins.range(0), bins.range(1)), ((None, Some(3.0)), (Some(5.0), None)));
        assert_eq!(bins.of(f32::NAN), None);
    }

    #[test]
    fn the_columns_are_those_of_the_view_and_categories_have_names() {
        let columns = view();
        assert_eq!(columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>(), view_names());
        let find = |name: &str| columns.iter().find(|column| column.name == name);
        assert_eq!(find("rsi_14").unwrap().binning, Binning::Tails);
        let regime = find("market_regime").unwrap();
        let Binning::Categories(list) = regime.binning else { panic!("{regime:?}") };
        let bin = Bins::Categories(list).of(2.0).unwrap();
        assert_eq!(condition_name(regime.binning, 3, bin), "panic");
        let quantile = |bins, bin| condition_name(Binning::Quantiles, bins, bin);
        assert_eq!((quantile(3, 2), quantile(4, 0)), ("high".into(), "bin 1 of 4".into()));
        // With one or two conditions on both sides: thousands of tests, not millions.
        let counts: Vec<f64> = columns.iter().map(|column| condition_count(column.binning, 3) as f64).collect();
        let (sum, squares) = (counts.iter().sum::<f64>(), counts.iter().map(|count| count * count).sum::<f64>());
        let tests = 2.0 * (sum + (sum * sum - squares) / 2.0);
        assert!((10_000.0..20_000.0).contains(&tests), "{tests}");
    }
}
