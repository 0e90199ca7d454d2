//! Conditions on one feature: quantile bins of its training values, or its natural categories.

use huracan_features::{CATALOGUE, Regime, VolatilityRegime};

/// How a feature is divided into conditions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Binning {
    /// Quantile bins: equal shares of the training rows.
    Quantiles,
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

/// Features that patterns do not use. Prices, volumes and running sums: their level identifies a period of history, and
/// the same level at another time means something else. The last two rank the rows like `ret_1` and `ret_5`, so their
/// bins would be the same.
const EXCLUDED: &[&str] = &[
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

/// The features of the catalogue that patterns may use.
pub fn catalogue() -> Vec<Column> {
    let column = |(index, name): (usize, &str)| {
        let binning = match name {
            "volatility_regime" => Binning::Categories(THIRDS),
            "market_regime" => Binning::Categories(REGIMES),
            "hour_of_day" => Binning::Categories(HOURS),
            "day_of_week" => Binning::Categories(DAYS),
            "is_weekend" => Binning::Categories(NO_YES),
            _ => Binning::Quantiles,
        };
        Column { name: name.to_owned(), index, binning }
    };
    let names = CATALOGUE.iter().map(|feature| feature.name).enumerate();
    names.filter(|(_, name)| !EXCLUDED.contains(name)).map(column).collect()
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
            Self::Categories(list) => list.iter().position(|&(_, from, to)| (from..to).contains(&value)),
        }
    }

    /// Bounds of a condition: from (inclusive) and to (exclusive); `None` where open.
    pub fn range(&self, bin: usize) -> (Option<f32>, Option<f32>) {
        match self {
            Self::Cuts(cuts) => (bin.checked_sub(1).map(|below| cuts[below]), cuts.get(bin).copied()),
            Self::Categories(list) => (Some(list[bin].1), Some(list[bin].2)),
        }
    }
}

/// Number of conditions of a column.
pub(super) fn condition_count(binning: Binning, bins: usize) -> usize {
    match binning {
        Binning::Quantiles => bins,
        Binning::Categories(list) => list.len(),
    }
}

/// Name of a condition.
pub(super) fn condition_name(binning: Binning, bins: usize, bin: usize) -> String {
    match (binning, bins) {
        (Binning::Categories(list), _) => list[bin].0.to_owned(),
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
    fn the_catalogue_excludes_levels_and_names_categories() {
        let columns = catalogue();
        assert_eq!(columns.len(), CATALOGUE.len() - EXCLUDED.len());
        let find = |name: &str| columns.iter().find(|column| column.name == name);
        assert!(find("sma_20").is_none() && find("rsi_14").is_some());
        let regime = find("market_regime").unwrap();
        let Binning::Categories(list) = regime.binning else { panic!("{regime:?}") };
        let bin = Bins::Categories(list).of(2.0).unwrap();
        assert_eq!(condition_name(regime.binning, 3, bin), "panic");
        let quantile = |bins, bin| condition_name(Binning::Quantiles, bins, bin);
        assert_eq!((quantile(3, 2), quantile(4, 0)), ("high".into(), "bin 1 of 4".into()));
    }
}
