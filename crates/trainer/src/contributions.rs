//! What each column adds to a calibrated prediction of trees.

use huracan_base::Table;
use huracan_base::units::BPS;
use huracan_boost::{Forest, contributions};
use huracan_decide::{Head, HeadCalibration};

/// The trees that predict a head, and how far they are believed.
#[derive(Debug, Clone)]
pub struct CalibratedTrees<'a> {
    /// The head.
    pub head: Head,
    /// Trees whose mean raw score is the head's: one family, or of an edge several.
    pub families: Vec<&'a Forest>,
    /// The coin's own trees beside a pool.
    pub own: Option<&'a Forest>,
    /// How far both are believed.
    pub calibration: &'a HeadCalibration,
    /// Column with ATR(14) over close, which turns an edge into basis points.
    pub atr_share: usize,
}

impl CalibratedTrees<'_> {
    /// What each column adds to the prediction, `[rows × (columns + 1)]`, with what is left last: together they are the log odds
    /// of a probability, or an edge in basis points.
    ///
    /// They are SHAP values times the slope, and where a score lies beyond its reach, times the share of its distance that counts.
    /// The coin's own trees are added with their slope. What is left holds the expected scores and the drift of the market; it is
    /// not the same for all rows.
    ///
    /// # Panics
    /// The table has other columns than the trees, or a row is outside it.
    pub fn contributions(&self, table: Table<'_>, rows: &[u32]) -> Vec<f64> {
        let (width, count) = (table.features + 1, self.families.len() as f64);
        let mut sums = vec![0.0; rows.len() * width];
        for forest in &self.families {
            let values = contributions(forest, table, rows);
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value / count);
        }
        let own = self.own.map(|forest| contributions(forest, table, rows));
        let HeadCalibration { base, usual, drift_bps, slopes, .. } = self.calibration;
        for (place, (sums, &row)) in sums.chunks_exact_mut(width).zip(rows).enumerate() {
            sums[width - 1] -= base;
            let distance = sums.iter().sum::<f64>().abs();
            let counts = if distance > slopes.reach { slopes.reach / distance } else { 1.0 };
            sums.iter_mut().for_each(|sum| *sum *= slopes.slope * counts);
            if let Some(own) = &own {
                let own = &own[place * width..(place + 1) * width];
                sums.iter_mut().zip(own).for_each(|(sum, own)| *sum += slopes.own_slope * own);
            }
            sums[width - 1] += usual;
            if self.head == Head::EdgeBps {
                let atr_bps = f64::from(table.row(row as usize)[self.atr_share]) * BPS;
                sums.iter_mut().for_each(|sum| *sum *= atr_bps);
                sums[width - 1] += drift_bps;
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use huracan_boost::{BoostJob, BoostParams, Ensemble, Objective, train};
    use huracan_decide::{Calibration, Slopes, log_odds};

    const ROWS: usize = 400;

    /// Rows of three columns, the last of which is the ATR's share of the price.
    fn table() -> Vec<f32> {
        let noise = |k: usize| ((k * 7919 + k * k * 104_729) % 1009) as f32 / 1009.0;
        (0..ROWS).flat_map(|row| [noise(row), noise(row + 5000), 0.002 + 0.02 * noise(row + 9000)]).collect()
    }

    /// Trees that learn from the first two columns.
    fn forest(values: &[f32], weight: f32, ensemble: Ensemble) -> Forest {
        let table = Table { values, features: 3 };
        let label = |row: u32| {
            let row = table.row(row as usize);
            row[0] + weight * row[1] * row[1]
        };
        let job = BoostJob {
            name: "rows".to_owned(),
            train: (0..ROWS as u32).collect(),
            train_labels: (0..ROWS as u32).map(label).collect(),
            params: BoostParams {
                objective: Objective::Regression,
                ensemble,
                rounds: 8,
                max_depth: 3,
                subsample: 0.7,
                ..BoostParams::default()
            },
            ..BoostJob::default()
        };
        let names = ["a", "b", "atr_share"].map(str::to_owned);
        train(table, &names, &[job], &|_| {}).remove(0).expect("trees")
    }

    #[test]
    fn they_add_up_to_the_prediction_of_every_head() {
        let values = table();
        let table = Table { values: &values, features: 3 };
        let (trees, bag) = (forest(&values, 1.0, Ensemble::Boosting), forest(&values, -2.0, Ensemble::Forest));
        let own = forest(&values, 3.0, Ensemble::Boosting);
        // A reach within which half of the scores lie.
        let slopes = Slopes { slope: 0.7, own_slope: 0.3, reach: 0.2, ..Slopes::NONE };
        let head = HeadCalibration { offset: -0.2, drift_bps: 4.5, base: 0.6, usual: -0.3, slopes };
        let calibration = Calibration { heads: [head; Head::COUNT] };
        let rows: Vec<u32> = (0..ROWS as u32).rev().collect();
        for (head, families, own) in [
            (Head::WinLong, vec![&trees], Some(&own)),
            (Head::WinShort, vec![&bag], None),
            (Head::EdgeBps, vec![&trees, &bag], Some(&own)),
        ] {
            let mean = |row: &[f32]| {
                families.iter().map(|forest| forest.raw_scores(row)[0]).sum::<f64>() / families.len() as f64
            };
            let explained = CalibratedTrees {
                head,
                families: families.clone(),
                own,
                calibration: calibration.head(head),
                atr_share: 2,
            };
            let found = explained.contributions(table, &rows);
            let (mut within, mut shares) = (0, 0);
            for (&row, found) in rows.iter().zip(found.chunks_exact(4)) {
                let row = table.row(row as usize);
                within += usize::from((mean(row) - 0.6).abs() <= 0.2);
                shares += usize::from(found[0].abs() > 1e-6 && found[1].abs() > 1e-6);
                let own = own.map_or(0.0, |own| own.raw_scores(row)[0]);
                let said = calibration.predict(&[mean(row); 3], &[own; 3], f64::from(row[2])).head(head);
                let said = if head == Head::EdgeBps { said } else { log_odds(said) };
                let sum: f64 = found.iter().sum();
                assert!((sum - said).abs() < 1e-9 * said.abs().max(1.0), "{head}: {sum} {said}");
            }
            assert!((20..ROWS - 20).contains(&within), "{head}: {within} rows within the reach");
            assert!(shares > ROWS / 2, "{head}");
        }
    }
}
