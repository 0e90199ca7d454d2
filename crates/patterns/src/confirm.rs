//! Selects a scope's findings and measures them on the test windows.

use super::excess::{Base, Scratch};
use super::prune::{Sample, UncoveredRows};
use super::rows::{Rows, SIDES};
use super::search::Finding;
use super::{Inputs, KnownPattern, Pattern, Record, Scope, SearchedScope};

/// A scope's candidates, leads and known patterns, with their results on the training and the test windows. The
/// q-values on the test windows are filled in later. `index` is that of the scope, and `q` are the q-values of its
/// findings.
pub(super) fn confirm_scope(
    inputs: &Inputs<'_>,
    index: usize,
    scope: &Scope,
    searched: &SearchedScope<'_>,
    q: &[f64],
) -> Vec<Pattern> {
    let SearchedScope { train, base, items, masks, findings } = searched;
    let sample = Sample { rows: train, base, masks };
    let earns = |finding: &Finding| {
        let record = record(inputs, &sample, finding, &mut Scratch::default());
        record.mean_bps > record.base_mean_bps
    };
    let all: Vec<(Finding, f64)> = findings.iter().copied().zip(q.iter().copied()).collect();
    let selected = sample.prune(all.clone(), earns, inputs.params);
    let known: Vec<(Finding, f64)> = inputs
        .known
        .iter()
        .filter(|known| known.scope == index)
        .filter_map(|known| remeasure(&sample, searched, known))
        .filter(|known| !selected.iter().any(|(other, _)| other.is_same(known)))
        .map(|known| (known, all.iter().find(|(other, _)| other.is_same(&known)).map_or(1.0, |(_, q)| *q)))
        .collect();
    if selected.is_empty() && known.is_empty() {
        return vec![];
    }
    let test = Rows::new(&inputs.outcomes, &scope.symbols, &scope.tests, usize::MAX, inputs.horizon_bars);
    let test_base = Base::of(&test, &test.labelled);
    let test_masks = items.masks(&inputs.table, &test);
    let test_sample = Sample { rows: &test, base: &test_base, masks: &test_masks };
    let (mut scratch, mut uncovered) = (Scratch::default(), UncoveredRows::new(&test_sample));
    let selected_count = selected.len();
    selected
        .into_iter()
        .chain(known)
        .enumerate()
        .map(|(position, (finding, q_value))| {
            let test_p_value = uncovered.excess(&finding, &mut scratch).p_value();
            uncovered.cover(&finding);
            Pattern {
                scope: index,
                side: SIDES[finding.side],
                conditions: finding.items().map(|item| items.condition(item)).collect(),
                train: record(inputs, &sample, &finding, &mut scratch),
                test: record(inputs, &test_sample, &finding, &mut scratch),
                p_value: finding.p_value,
                q_value,
                test_p_value,
                test_q_value: 1.0,
                candidate: position < selected_count && q_value <= inputs.params.discovery_level,
                learned: false,
            }
        })
        .collect()
}

/// A pattern of an earlier run, measured on this run's training rows; `None` if one of its conditions no longer exists.
fn remeasure(sample: &Sample<'_>, searched: &SearchedScope<'_>, known: &KnownPattern) -> Option<Finding> {
    let mut set: Vec<usize> = known
        .conditions
        .iter()
        .map(|(feature, name)| searched.items.find(feature, name))
        .collect::<Option<_>>()
        .filter(|set: &Vec<usize>| (1..=3).contains(&set.len()))?;
    set.sort_unstable();
    let mask = sample.mask(set.iter().copied());
    let excess = sample.base.excess(sample.rows, &mask, &mut Scratch::default());
    let side = SIDES.iter().position(|&side| side == known.side)?;
    Some(Finding::new(&set, side, excess[side]))
}

/// Results of a finding on a sample.
fn record(inputs: &Inputs<'_>, sample: &Sample<'_>, finding: &Finding, scratch: &mut Scratch) -> Record {
    let mask = sample.mask(finding.items());
    let excess = sample.base.excess(sample.rows, &mask, scratch)[finding.side];
    Record {
        rows: u64::from(excess.rows),
        wins: u64::from(excess.wins),
        base_win_rate: excess.base_win_rate,
        mean_bps: sample.rows.mean_bps(&inputs.outcomes, &mask, finding.side),
        base_mean_bps: sample.rows.base_mean_bps(&mask, finding.side),
    }
}
