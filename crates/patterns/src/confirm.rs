//! What is kept of a scope's finds, and what later windows say of it.

use super::excess::{Base, Scratch};
use super::prune::{Free, Ground};
use super::rows::{Rows, SIDES};
use super::search::Found;
use super::{Inputs, Known, Pattern, Record, Scope, Searched};

/// A scope's candidates, leads and known patterns with their record on both windows; q-values on the test windows are
/// still to come. `q` are those of the finds.
pub(super) fn kept(inputs: &Inputs<'_>, at: usize, scope: &Scope, searched: &Searched<'_>, q: &[f64]) -> Vec<Pattern> {
    let Searched { train, base, items, masks, found } = searched;
    let ground = Ground { rows: train, base, masks };
    let earns = |found: &Found| {
        let record = record(inputs, &ground, found, &mut Scratch::default());
        record.mean_bps > record.base_mean_bps
    };
    let all: Vec<(Found, f64)> = found.iter().copied().zip(q.iter().copied()).collect();
    let kept = ground.prune(all.clone(), earns, inputs.settings);
    let known: Vec<(Found, f64)> = inputs
        .known
        .iter()
        .filter(|known| known.scope == at)
        .filter_map(|known| again(&ground, searched, known))
        .filter(|known| !kept.iter().any(|(other, _)| other.is_same(known)))
        .map(|known| (known, all.iter().find(|(other, _)| other.is_same(&known)).map_or(1.0, |(_, q)| *q)))
        .collect();
    if kept.is_empty() && known.is_empty() {
        return vec![];
    }
    let test = Rows::new(&inputs.outcomes, &scope.symbols, &scope.tests, usize::MAX, inputs.reach);
    let test_base = Base::of(&test, &test.labelled);
    let test_masks = items.masks(&inputs.table, &test);
    let ground_of_test = Ground { rows: &test, base: &test_base, masks: &test_masks };
    let (mut scratch, mut free) = (Scratch::default(), Free::new(&ground_of_test));
    let chosen = kept.len();
    kept.into_iter()
        .chain(known)
        .enumerate()
        .map(|(place, (one, q_value))| {
            let test_p_value = free.excess(&one, &mut scratch).p_value();
            free.cover(&one);
            Pattern {
                scope: at,
                side: SIDES[one.side],
                conditions: one.items().map(|item| items.condition(item)).collect(),
                train: record(inputs, &ground, &one, &mut scratch),
                test: record(inputs, &ground_of_test, &one, &mut scratch),
                p_value: one.p_value,
                q_value,
                test_p_value,
                test_q_value: 1.0,
                candidate: place < chosen && q_value <= inputs.settings.discovery_level,
                learned: false,
            }
        })
        .collect()
}

/// A pattern of an earlier run on this run's rows; none where its conditions no longer exist.
fn again(ground: &Ground<'_>, searched: &Searched<'_>, known: &Known) -> Option<Found> {
    let mut set: Vec<usize> = known
        .conditions
        .iter()
        .map(|(feature, name)| searched.items.find(feature, name))
        .collect::<Option<_>>()
        .filter(|set: &Vec<usize>| (1..=3).contains(&set.len()))?;
    set.sort_unstable();
    let mask = ground.mask(set.iter().copied());
    let excess = ground.base.excess(ground.rows, &mask, &mut Scratch::default());
    let side = SIDES.iter().position(|&side| side == known.side)?;
    Some(Found::new(&set, side, excess[side]))
}

fn record(inputs: &Inputs<'_>, ground: &Ground<'_>, one: &Found, scratch: &mut Scratch) -> Record {
    let mask = ground.mask(one.items());
    let excess = ground.base.excess(ground.rows, &mask, scratch)[one.side];
    Record {
        rows: u64::from(excess.rows),
        wins: u64::from(excess.wins),
        base_win_rate: ground.base.rate_for(&excess),
        mean_bps: ground.rows.mean_bps(&inputs.outcomes, &mask, one.side),
        base_mean_bps: ground.rows.base_mean_bps(&inputs.outcomes, &mask, one.side),
    }
}
