//! Chooses the families of each head: the one, or the mean of several, with the lowest loss on the validation rows.

use std::collections::BTreeMap;

use super::{Family, Mix, ModelKind, scores};
use huracan_boost::Objective;
use huracan_decide::{Head, Scores};

/// Chooses the families of a head. Kind `neural` uses the networks. Kind `ensemble` uses the family, or the mean of
/// several, with the lowest loss on the validation rows; ties go to fewer families. Without validation rows it uses
/// all. `predicted` are the scores of the head for these rows, `labels` their labels.
pub fn choose(
    kind: ModelKind,
    objective: Objective,
    head: Head,
    predicted: &BTreeMap<Family, Vec<f64>>,
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
        let own: Vec<&[f64]> = members(set).map(|index| predicted[&families[index]].as_slice()).collect();
        let means: Vec<f64> = (0..labels.len()).map(|row| scores::mean(head, own.iter().map(|own| own[row]))).collect();
        if let Some(loss) = scores::loss(objective, &means, labels)
            && best.is_none_or(|(lowest, _)| loss < lowest)
        {
            best = Some((loss, set));
        }
    }
    let set = best.map_or((1 << families.len()) - 1, |(_, set)| set);
    members(set).map(|index| families[index]).collect()
}

/// Per head, the mean of its families as raw scores; one entry per row.
pub fn blend(mix: &Mix, predicted: &BTreeMap<Family, &[Scores]>, rows: usize) -> Vec<Scores> {
    let mean = |head: Head, row: usize| {
        let families = mix.get(&head).map_or(&[][..], Vec::as_slice);
        scores::mean(head, families.iter().map(|family| predicted[family][row][head.position()]))
    };
    (0..rows).map(|row| Head::ALL.map(|head| mean(head, row))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use huracan_decide::log_odds;

    #[test]
    fn the_lowest_loss_on_validation_rows_chooses_one_family_or_several() {
        // One is too high and one too low by the same amount, so their mean is right. The third is worse than either.
        let edges = BTreeMap::from([
            (Family::Gbdt, vec![11.0, 21.0, 31.0]),
            (Family::Forest, vec![9.0, 19.0, 29.0]),
            (Family::Neural, vec![0.0; 3]),
        ]);
        let chosen = choose(ModelKind::Ensemble, Objective::Regression, Head::EdgeBps, &edges, &[10.0, 20.0, 30.0]);
        assert_eq!(chosen, [Family::Gbdt, Family::Forest]);
        let wins = BTreeMap::from([
            (Family::Gbdt, [0.9, 0.2, 0.8].map(log_odds).to_vec()),
            (Family::Forest, [0.6; 3].map(log_odds).to_vec()),
            (Family::Neural, vec![0.0; 3]),
        ]);
        let labels = [1.0, 0.0, 1.0];
        assert_eq!(choose(ModelKind::Ensemble, Objective::Binary, Head::WinLong, &wins, &labels), [Family::Gbdt]);
        assert_eq!(choose(ModelKind::Neural, Objective::Binary, Head::WinLong, &wins, &labels), [Family::Neural]);
        assert_eq!(choose(ModelKind::Ensemble, Objective::Binary, Head::WinLong, &wins, &[]).len(), 3);
    }

    #[test]
    fn a_blend_is_the_mean_of_probabilities_and_of_edges() {
        let mix = Mix::from([
            (Head::WinLong, vec![Family::Gbdt]),
            (Head::WinShort, vec![Family::Forest, Family::Neural]),
            (Head::EdgeBps, vec![Family::Gbdt, Family::Forest]),
        ]);
        let rows: [[Scores; 1]; 3] =
            [[[log_odds(0.2), 0.0, 21.0]], [[0.0, log_odds(0.4), 19.0]], [[0.0, log_odds(0.5), 0.0]]];
        let families = [Family::Gbdt, Family::Forest, Family::Neural];
        let predicted = families.into_iter().zip(rows.iter().map(<[Scores; 1]>::as_slice)).collect();
        let [long, short, edge] = blend(&mix, &predicted, 1)[0];
        assert_eq!((long, edge), (log_odds(0.2), 20.0));
        assert!((short - log_odds(0.45)).abs() < 1e-12);
    }
}
