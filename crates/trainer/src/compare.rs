//! Families held against each other: how far each is from the labels of the test windows, and what its trades alone would
//! have earned.

use std::collections::BTreeMap;
use std::ops::Range;

use huracan_bars::Panel;
use huracan_decide::{self as decide, Consensus, Decisions, Head};
use huracan_engine::{Compute, EngineError};
use huracan_metrics::Metrics;
use huracan_shadow::{self as shadow, Rules, Trade};

use super::{Family, FoldOutcome, Trained, TrainerParams, out_of_fold};

/// One family over all symbols and folds, or what the families say together.
#[derive(Debug, Clone)]
pub struct Compared {
    /// None for what they say together, which is what the run goes by.
    pub family: Option<Family>,
    /// Mean loss over the folds on their validation rows, which chose, and on their test windows, by head.
    pub validation_loss: BTreeMap<Head, f64>,
    pub test_loss: BTreeMap<Head, f64>,
    /// Share of folds and heads in whose prediction it has a part.
    pub part: f64,
    /// Seconds of training.
    pub seconds: f64,
    /// Of a portfolio that traded its predictions alone.
    pub metrics: Metrics,
    /// Mean training and validation loss by epoch; empty for trees.
    pub epochs: Vec<(f64, f64)>,
}

/// Where trades are made.
pub struct Market<'a> {
    pub params: &'a TrainerParams,
    pub panel: &'a Panel,
    pub consensus: &'a Consensus,
    /// `[symbols × bars]`.
    pub atr: &'a [f64],
    pub rules: &'a Rules,
    pub compute: &'a Compute,
    /// Test windows of each symbol.
    pub windows: &'a [Vec<Range<usize>>],
}

/// All families, then what they say together, whose portfolio has `together`; nothing where there is only one family.
/// `judge` follows the trades of a portfolio.
///
/// # Errors
/// Where the device fails and the CPU must not take its place.
pub fn compare(
    trained: &BTreeMap<usize, Trained>,
    market: &Market<'_>,
    together: &Metrics,
    judge: impl Fn(&[Trade]) -> Metrics,
) -> Result<Vec<Compared>, EngineError> {
    let outcomes: Vec<&FoldOutcome> = trained.values().flat_map(|trained| &trained.folds).collect();
    let families: Vec<Family> =
        outcomes.first().map_or_else(Vec::new, |first| first.families.keys().copied().collect());
    if families.is_empty() {
        return Ok(Vec::new());
    }
    let mut compared = Vec::with_capacity(families.len() + 1);
    for family in families {
        let questions = out_of_fold::questions(trained, |outcome| &outcome.families[&family].predictions);
        let Market { params, panel, consensus, atr, rules, compute, windows } = *market;
        let Decisions { signals, .. } = decide::decide(panel, &questions, consensus, atr, rules, params.policy());
        let trades = shadow::device::simulate_on(compute, panel, &signals, atr, windows, rules)?;
        let of = |outcome: &&FoldOutcome| Head::ALL.iter().filter(|head| outcome.mix[head].contains(&family)).count();
        compared.push(Compared {
            family: Some(family),
            validation_loss: mean(&outcomes, |outcome| &outcome.families[&family].validation_loss),
            test_loss: mean(&outcomes, |outcome| &outcome.families[&family].test_loss),
            part: outcomes.iter().map(of).sum::<usize>() as f64 / (outcomes.len() * Head::COUNT) as f64,
            seconds: trained.values().filter_map(|trained| trained.seconds.get(&family)).sum(),
            metrics: judge(&trades),
            epochs: epochs(&outcomes, family),
        });
    }
    compared.push(Compared {
        family: None,
        validation_loss: BTreeMap::new(),
        test_loss: mean(&outcomes, |outcome| &outcome.test_loss),
        part: 1.0,
        seconds: compared.iter().map(|compared| compared.seconds).sum(),
        metrics: together.clone(),
        epochs: Vec::new(),
    });
    Ok(compared)
}

/// Mean loss of each head over the folds that have one.
fn mean(outcomes: &[&FoldOutcome], losses: impl Fn(&FoldOutcome) -> &BTreeMap<Head, f64>) -> BTreeMap<Head, f64> {
    let one = |head: Head| {
        let all: Vec<f64> = outcomes.iter().filter_map(|outcome| losses(outcome).get(&head).copied()).collect();
        (!all.is_empty()).then(|| (head, all.iter().sum::<f64>() / all.len() as f64))
    };
    Head::ALL.into_iter().filter_map(one).collect()
}

/// Mean losses by epoch, over the folds whose networks have come so far; as long as half of them.
fn epochs(outcomes: &[&FoldOutcome], family: Family) -> Vec<(f64, f64)> {
    let all: Vec<&Vec<(f64, Option<f64>)>> = outcomes.iter().map(|outcome| &outcome.families[&family].epochs).collect();
    let longest = all.iter().map(|epochs| epochs.len()).max().unwrap_or(0);
    let mut means = Vec::new();
    for number in 0..longest {
        let there: Vec<(f64, f64)> = all
            .iter()
            .filter_map(|epochs| epochs.get(number))
            .filter_map(|&(train, valid)| Some((train, valid?)))
            .collect();
        if there.is_empty() || 2 * there.len() < all.len() {
            break;
        }
        let count = there.len() as f64;
        let sums = there.iter().fold((0.0, 0.0), |sums, losses| (sums.0 + losses.0, sums.1 + losses.1));
        means.push((sums.0 / count, sums.1 / count));
    }
    means
}
