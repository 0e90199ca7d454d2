//! Comparison of the model families: losses on the test windows, and the performance of trading each family alone.

use std::collections::BTreeMap;

use huracan_decide::{self as decide, Decisions, Head};
use huracan_metrics::Metrics;

use super::candidates::candidates;
use super::portfolio::Portfolio;
use super::{Family, FoldOutcome, TrainedSymbol};

/// Results of one family over all symbols and folds, or of the blend of all families.
#[derive(Debug, Clone)]
pub struct FamilyComparison {
    /// The family; `None` for the blend of all families, which the run uses.
    pub family: Option<Family>,
    /// Mean loss over the folds on the validation rows, per head. The families were chosen on these rows.
    pub validation_loss: BTreeMap<Head, f64>,
    /// Mean loss over the folds on the test windows, per head.
    pub test_loss: BTreeMap<Head, f64>,
    /// Share of folds and heads whose prediction includes the family.
    pub share: f64,
    /// Seconds of training.
    pub seconds: f64,
    /// Metrics of a portfolio that trades its predictions alone.
    pub metrics: Metrics,
    /// Mean training and validation loss per epoch; empty for trees.
    pub epochs: Vec<(f64, f64)>,
}

/// Compares all families by the portfolios that trade them alone, and last their blend, whose portfolio has the metrics
/// `blended`. Empty if there is only one family.
pub fn compare(
    trained: &BTreeMap<usize, TrainedSymbol>,
    portfolio: &Portfolio<'_>,
    blended: &Metrics,
) -> Vec<FamilyComparison> {
    let outcomes: Vec<&FoldOutcome> = trained.values().flat_map(|trained| &trained.folds).collect();
    let families: Vec<Family> =
        outcomes.first().map_or_else(Vec::new, |first| first.families.keys().copied().collect());
    if families.is_empty() {
        return Vec::new();
    }
    let mut compared = Vec::with_capacity(families.len() + 1);
    for family in families {
        let candidates = candidates(trained, |outcome| &outcome.families[&family].predictions);
        let Portfolio { policy, panel, consensus, atr, rules, .. } = *portfolio;
        let Decisions { signals, .. } = decide::decide(panel, &candidates, consensus, atr, rules, policy);
        let ledger = portfolio.follow(&portfolio.offers(&signals, &candidates), &|| None);
        let of = |outcome: &&FoldOutcome| Head::ALL.iter().filter(|head| outcome.mix[head].contains(&family)).count();
        compared.push(FamilyComparison {
            family: Some(family),
            validation_loss: mean(&outcomes, |outcome| &outcome.families[&family].validation_loss),
            test_loss: mean(&outcomes, |outcome| &outcome.families[&family].test_loss),
            share: outcomes.iter().map(of).sum::<usize>() as f64 / (outcomes.len() * Head::COUNT) as f64,
            seconds: trained.values().filter_map(|trained| trained.seconds.get(&family)).sum(),
            metrics: Metrics::of(&ledger.account),
            epochs: epochs(&outcomes, family),
        });
    }
    compared.push(FamilyComparison {
        family: None,
        validation_loss: BTreeMap::new(),
        test_loss: mean(&outcomes, |outcome| &outcome.test_loss),
        share: 1.0,
        seconds: compared.iter().map(|compared| compared.seconds).sum(),
        metrics: blended.clone(),
        epochs: Vec::new(),
    });
    compared
}

/// Mean loss per head, over the folds that have one.
fn mean(outcomes: &[&FoldOutcome], losses: impl Fn(&FoldOutcome) -> &BTreeMap<Head, f64>) -> BTreeMap<Head, f64> {
    let one = |head: Head| {
        let all: Vec<f64> = outcomes.iter().filter_map(|outcome| losses(outcome).get(&head).copied()).collect();
        (!all.is_empty()).then(|| (head, all.iter().sum::<f64>() / all.len() as f64))
    };
    Head::ALL.into_iter().filter_map(one).collect()
}

/// Mean losses per epoch, over the folds whose networks reached it; ends when fewer than half did.
fn epochs(outcomes: &[&FoldOutcome], family: Family) -> Vec<(f64, f64)> {
    let all: Vec<&Vec<(f64, Option<f64>)>> = outcomes.iter().map(|outcome| &outcome.families[&family].epochs).collect();
    let longest = all.iter().map(|epochs| epochs.len()).max().unwrap_or(0);
    let mut means = Vec::new();
    for number in 0..longest {
        let reached: Vec<(f64, f64)> = all
            .iter()
            .filter_map(|epochs| epochs.get(number))
            .filter_map(|&(train, valid)| Some((train, valid?)))
            .collect();
        if reached.is_empty() || 2 * reached.len() < all.len() {
            break;
        }
        let count = reached.len() as f64;
        let sums = reached.iter().fold((0.0, 0.0), |sums, losses| (sums.0 + losses.0, sums.1 + losses.1));
        means.push((sums.0 / count, sums.1 / count));
    }
    means
}
