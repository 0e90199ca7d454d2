//! Which families speak for a head: the one, or the mean of several, that was best on the validation rows.

use std::collections::BTreeMap;

use super::{Family, Mix, ModelKind};
use huracan_base::arith;
use huracan_boost::{Objective, mean_loss};
use huracan_decide::{Head, Prediction};

/// What one family says of a fold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FamilyPredictions {
    /// One entry a labelled row of the validation part.
    pub validation: Vec<Prediction>,
    /// One entry a bar of the test window.
    pub test: Vec<Prediction>,
}

/// Mean loss of what was said for a head; `said` may go on beyond the labels, whose rows it begins with. None without labels.
pub fn loss(objective: Objective, head: Head, said: &[Prediction], labels: &[f32]) -> Option<f64> {
    mean_of(objective, head, &[said], labels)
}

/// The loss of the mean of several.
fn mean_of(objective: Objective, head: Head, said: &[&[Prediction]], labels: &[f32]) -> Option<f64> {
    let score = |row: usize| {
        let mean = said.iter().map(|said| said[row].of(head)).sum::<f64>() / said.len() as f64;
        if head == Head::EdgeBps { mean } else { logit(mean) }
    };
    let scores: Vec<f64> = (0..labels.len()).map(score).collect();
    (!labels.is_empty()).then(|| mean_loss(objective, &scores, labels, &[], &mut Vec::new()))
}

/// The score that a probability comes from.
fn logit(probability: f64) -> f64 {
    let p = probability.clamp(1e-15, 1.0 - 1e-15);
    arith::ln(p / (1.0 - p))
}

/// Chooses for a head: by kind `neural` the networks; by `ensemble`, of all families and means of several, the one with the least
/// loss on the validation rows, fewer families before more of them. Without such rows it is the mean of all.
pub fn choose(
    kind: ModelKind,
    objective: Objective,
    head: Head,
    said: &BTreeMap<Family, FamilyPredictions>,
    labels: &[f32],
) -> Vec<Family> {
    let families: Vec<Family> = said.keys().copied().collect();
    if kind == ModelKind::Neural {
        return vec![Family::Neural];
    }
    let members = |set: usize| (0..families.len()).filter(move |place| set >> place & 1 == 1);
    let mut sets: Vec<usize> = (1..1_usize << families.len()).collect();
    sets.sort_by_key(|set| set.count_ones());
    let mut best: Option<(f64, usize)> = None;
    for set in sets {
        let said: Vec<&[Prediction]> = members(set).map(|place| said[&families[place]].validation.as_slice()).collect();
        if let Some(loss) = mean_of(objective, head, &said, labels)
            && best.is_none_or(|(least, _)| loss < least)
        {
            best = Some((loss, set));
        }
    }
    let set = best.map_or((1 << families.len()) - 1, |(_, set)| set);
    members(set).map(|place| families[place]).collect()
}

/// For each head the mean of what its families say, one entry a row of `rows`.
pub fn blend(mix: &Mix, said: &BTreeMap<Family, &[Prediction]>, rows: usize) -> Vec<Prediction> {
    let of = |head: Head, row: usize| {
        let families = mix.get(&head).map_or(&[][..], Vec::as_slice);
        families.iter().map(|family| said[family][row].of(head)).sum::<f64>() / families.len() as f64
    };
    (0..rows).map(|row| Prediction::new(Head::ALL.map(|head| of(head, row)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(edges: &[f64], wins: &[f64]) -> FamilyPredictions {
        let one = |(&edge_bps, &win_long): (&f64, &f64)| Prediction { win_long, win_short: 1.0 - win_long, edge_bps };
        let all: Vec<Prediction> = edges.iter().zip(wins).map(one).collect();
        FamilyPredictions { validation: all.clone(), test: all }
    }

    #[test]
    fn the_least_loss_on_validation_rows_chooses_one_or_several() {
        // One errs up and one errs down: their mean is right. The third is worse than either.
        let all = BTreeMap::from([
            (Family::Gbdt, said(&[11.0, 21.0, 31.0], &[0.9, 0.2, 0.8])),
            (Family::Forest, said(&[9.0, 19.0, 29.0], &[0.6, 0.6, 0.6])),
            (Family::Neural, said(&[0.0, 0.0, 0.0], &[0.5, 0.5, 0.5])),
        ]);
        let edge = [10.0, 20.0, 30.0];
        let chosen = choose(ModelKind::Ensemble, Objective::Regression, Head::EdgeBps, &all, &edge);
        assert_eq!(chosen, [Family::Gbdt, Family::Forest]);
        let wins = [1.0, 0.0, 1.0];
        assert_eq!(choose(ModelKind::Ensemble, Objective::Binary, Head::WinLong, &all, &wins), [Family::Gbdt]);
        assert_eq!(choose(ModelKind::Neural, Objective::Binary, Head::WinLong, &all, &wins), [Family::Neural]);
        assert_eq!(choose(ModelKind::Ensemble, Objective::Binary, Head::WinLong, &all, &[]).len(), 3);
        let mix = Mix::from([
            (Head::WinLong, vec![Family::Gbdt]),
            (Head::WinShort, vec![Family::Forest, Family::Neural]),
            (Head::EdgeBps, chosen),
        ]);
        let tests: BTreeMap<Family, &[Prediction]> =
            all.iter().map(|(family, said)| (*family, said.test.as_slice())).collect();
        let blended = blend(&mix, &tests, 3);
        assert_eq!(blended.len(), 3);
        assert_eq!((blended[1].win_long, blended[1].win_short, blended[1].edge_bps), (0.2, 0.45, 20.0));
    }

    #[test]
    fn a_probabilitys_loss_is_its_logarithm_and_labels_may_end_early() {
        let says = said(&[1.0, 2.0, 3.0], &[0.8, 0.4, 0.0]).test;
        let found = loss(Objective::Binary, Head::WinLong, &says, &[1.0, 0.0]).unwrap();
        assert!((found + (0.8_f64.ln() + 0.6_f64.ln()) / 2.0).abs() < 1e-9, "{found}");
        assert!(loss(Objective::Binary, Head::WinLong, &says, &[1.0, 0.0, 1.0]).unwrap() > 10.0);
        assert_eq!(loss(Objective::Regression, Head::EdgeBps, &says, &[]), None);
    }
}
