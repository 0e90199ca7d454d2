//! Chooses the families of each head: the one, or the mean of several, with the lowest loss on the validation rows.

use std::collections::BTreeMap;

use super::{Family, Mix, ModelKind};
use huracan_base::arith;
use huracan_boost::{Objective, mean_loss};
use huracan_decide::{Head, Prediction};

/// Predictions of one family for a fold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FamilyPredictions {
    /// One entry per labelled row of the validation part.
    pub validation: Vec<Prediction>,
    /// One entry per bar of the test window.
    pub test: Vec<Prediction>,
}

/// Mean loss of predictions for a head; `None` without labels. The labels belong to the first predictions; there may be
/// more predictions than labels.
pub fn loss(objective: Objective, head: Head, predictions: &[Prediction], labels: &[f32]) -> Option<f64> {
    blended_loss(objective, head, &[predictions], labels)
}

/// Mean loss of the average prediction of several families.
fn blended_loss(objective: Objective, head: Head, families: &[&[Prediction]], labels: &[f32]) -> Option<f64> {
    let score = |row: usize| {
        let sum: f64 = families.iter().map(|predictions| predictions[row].head(head)).sum();
        let mean = sum / families.len() as f64;
        if head == Head::EdgeBps { mean } else { logit(mean) }
    };
    let scores: Vec<f64> = (0..labels.len()).map(score).collect();
    (!labels.is_empty()).then(|| mean_loss(objective, &scores, labels, &[], &mut Vec::new()))
}

/// The raw score of a probability.
fn logit(probability: f64) -> f64 {
    let p = probability.clamp(1e-15, 1.0 - 1e-15);
    arith::ln(p / (1.0 - p))
}

/// Chooses the families of a head. Kind `neural` uses the networks. Kind `ensemble` uses the family, or the mean of
/// several, with the lowest loss on the validation rows; ties go to fewer families. Without validation rows it uses
/// all.
pub fn choose(
    kind: ModelKind,
    objective: Objective,
    head: Head,
    predicted: &BTreeMap<Family, FamilyPredictions>,
    labels: &[f32],
) -> Vec<Family> {
    let families: Vec<Family> = predicted.keys().copied().collect();
    if kind == ModelKind::Neural {
        return vec![Family::Neural];
    }
    let members = |set: usize| (0..families.len()).filter(move |index| set >> index & 1 == 1);
    let mut sets: Vec<usize> = (1..1_usize << families.len()).collect();
    sets.sort_by_key(|set| set.count_ones());
    let mut best: Option<(f64, usize)> = None;
    for set in sets {
        let predictions: Vec<&[Prediction]> =
            members(set).map(|index| predicted[&families[index]].validation.as_slice()).collect();
        if let Some(loss) = blended_loss(objective, head, &predictions, labels)
            && best.is_none_or(|(lowest, _)| loss < lowest)
        {
            best = Some((loss, set));
        }
    }
    let set = best.map_or((1 << families.len()) - 1, |(_, set)| set);
    members(set).map(|index| families[index]).collect()
}

/// Per head, the mean prediction of its families; one entry per row.
pub fn blend(mix: &Mix, predicted: &BTreeMap<Family, &[Prediction]>, rows: usize) -> Vec<Prediction> {
    let mean = |head: Head, row: usize| {
        let families = mix.get(&head).map_or(&[][..], Vec::as_slice);
        families.iter().map(|family| predicted[family][row].head(head)).sum::<f64>() / families.len() as f64
    };
    (0..rows).map(|row| Prediction::new(Head::ALL.map(|head| mean(head, row)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions(edges: &[f64], wins: &[f64]) -> FamilyPredictions {
        let one = |(&edge_bps, &win_long): (&f64, &f64)| Prediction { win_long, win_short: 1.0 - win_long, edge_bps };
        let all: Vec<Prediction> = edges.iter().zip(wins).map(one).collect();
        FamilyPredictions { validation: all.clone(), test: all }
    }

    #[test]
    fn the_lowest_loss_on_validation_rows_chooses_one_family_or_several() {
        // One is too high and one too low by the same amount, so their mean is right. The third is worse than either.
        let all = BTreeMap::from([
            (Family::Gbdt, predictions(&[11.0, 21.0, 31.0], &[0.9, 0.2, 0.8])),
            (Family::Forest, predictions(&[9.0, 19.0, 29.0], &[0.6, 0.6, 0.6])),
            (Family::Neural, predictions(&[0.0, 0.0, 0.0], &[0.5, 0.5, 0.5])),
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
            all.iter().map(|(family, predictions)| (*family, predictions.test.as_slice())).collect();
        let blended = blend(&mix, &tests, 3);
        assert_eq!(blended.len(), 3);
        assert_eq!((blended[1].win_long, blended[1].win_short, blended[1].edge_bps), (0.2, 0.45, 20.0));
    }

    #[test]
    fn the_loss_of_probabilities_is_log_loss_and_labels_may_end_early() {
        let predictions = predictions(&[1.0, 2.0, 3.0], &[0.8, 0.4, 0.0]).test;
        let found = loss(Objective::Binary, Head::WinLong, &predictions, &[1.0, 0.0]).unwrap();
        assert!((found + (0.8_f64.ln() + 0.6_f64.ln()) / 2.0).abs() < 1e-9, "{found}");
        assert!(loss(Objective::Binary, Head::WinLong, &predictions, &[1.0, 0.0, 1.0]).unwrap() > 10.0);
        assert_eq!(loss(Objective::Regression, Head::EdgeBps, &predictions, &[]), None);
    }
}
