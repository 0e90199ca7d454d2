//! What a boosting job promises: how trees grow, what weights, constraints and losses mean, and which faults it names.

use huracan::arith::{draw, uniform};
use huracan::boost::{BoostError, BoostJob, BoostParams, Ensemble, Forest, Growth, Objective, Table, train};
use huracan::boost::{instruction_sets, train_with};

const FEATURES: usize = 6;

/// Rows of which some values are missing, and a score that the first four features decide.
struct Data {
    values: Vec<f32>,
    score: Vec<f32>,
}

impl Data {
    fn new(rows: usize) -> Self {
        let at = |k: u64, row: usize| uniform(draw(3, k, row as u64)) as f32 - 0.5;
        let (mut values, mut score) = (Vec::new(), Vec::new());
        for row in 0..rows {
            let x: [f32; FEATURES] = std::array::from_fn(|f| at(f as u64, row));
            let noise = 0.4 * at(90, row);
            score.push(2.0 * x[0] - x[1] + 6.0 * x[2] * x[3] + noise);
            values.extend(x.iter().enumerate().map(|(f, &v)| match f {
                4 if draw(5, 4, row as u64).is_multiple_of(3) => f32::NAN,
                5 => (v * 6.0).round(),
                _ => v,
            }));
        }
        Self { values, score }
    }

    fn table(&self) -> Table<'_> {
        Table { values: &self.values, features: FEATURES }
    }

    fn rows(&self) -> Vec<u32> {
        (0..self.score.len() as u32).collect()
    }

    /// Every row, to learn whether, or how much, it scores.
    fn job(&self, params: BoostParams) -> BoostJob {
        let label = |&score: &f32| match params.objective {
            Objective::Binary => f32::from(u8::from(score > 0.3)),
            Objective::Multiclass { classes } => (score + 1.5).clamp(0.0, classes as f32 - 1.0).floor(),
            _ => score,
        };
        BoostJob {
            name: "job".to_owned(),
            train: self.rows(),
            train_labels: self.score.iter().map(label).collect(),
            params,
            ..BoostJob::default()
        }
    }

    fn train(&self, job: &BoostJob) -> Result<Forest, BoostError> {
        let names: Vec<String> = (0..FEATURES).map(|f| format!("f{f}")).collect();
        train(self.table(), &names, std::slice::from_ref(job), &|_| {}).remove(0)
    }

    fn forest(&self, params: BoostParams) -> Forest {
        self.train(&self.job(params)).unwrap()
    }

    fn says(&self, forest: &Forest) -> Vec<f64> {
        (0..self.score.len()).map(|row| forest.predict(self.table().row(row))[0]).collect()
    }
}

fn quick(objective: Objective) -> BoostParams {
    BoostParams { objective, rounds: 12, learning_rate: 0.3, ..BoostParams::default() }
}

const OBJECTIVES: [Objective; 5] = [
    Objective::Binary,
    Objective::Regression,
    Objective::Multiclass { classes: 3 },
    Objective::Quantile { alpha: 0.7 },
    Objective::Huber { delta: 0.5 },
];

#[test]
fn growing_by_leaf_without_a_cap_gives_the_trees_of_growing_by_level() {
    // At depth 10 there are more open leaves than histograms are kept for.
    let data = Data::new(20_000);
    let level = BoostParams { rounds: 2, max_depth: 10, min_child_hessian: 1.0, ..quick(Objective::Regression) };
    let leaf = BoostParams { growth: Growth::Leaf, max_leaves: 1 << 12, ..level.clone() };
    let (level, leaf) = (data.forest(level), data.forest(leaf));
    assert!(level.trees[0].leaf_value.len() > 300, "{} leaves", level.trees[0].leaf_value.len());
    assert_eq!(leaf, level);
}

#[test]
fn growing_by_leaf_takes_the_greatest_gain_first_and_stops_at_its_cap() {
    let data = Data::new(3000);
    for objective in OBJECTIVES {
        let of = |max_leaves, max_depth| {
            data.forest(BoostParams { growth: Growth::Leaf, max_leaves, max_depth, rounds: 1, ..quick(objective) })
        };
        let [small, large] = [of(9, 0), of(10, 0)];
        for (a, b) in small.trees.iter().zip(&large.trees) {
            assert_eq!((a.leaf_value.len(), b.leaf_value.len()), (9, 10));
            // One more leaf is one more split, on none better than those that came before it.
            let sorted = |gains: &[f32]| {
                let mut gains = gains.to_vec();
                gains.sort_by(|a, b| b.total_cmp(a));
                gains
            };
            let (a, b) = (sorted(&a.split_gain), sorted(&b.split_gain));
            let rest = b.iter().filter(|gain| !a.contains(gain)).count();
            assert_eq!(rest, 1, "{objective:?}: {a:?} {b:?}");
        }
        let shallow = of(1000, 3);
        assert!(shallow.trees.iter().all(|tree| tree.leaf_value.len() <= 8));
    }
}

#[test]
fn a_monotone_prediction_never_turns_back() {
    let data = Data::new(2000);
    for growth in [Growth::Level, Growth::Leaf] {
        for objective in [Objective::Binary, Objective::Regression, Objective::Huber { delta: 0.5 }] {
            let free = BoostParams { rounds: 40, growth, ..quick(objective) };
            let bound = BoostParams { monotone: vec![1, -1, 0, 0, 1, 1], ..free.clone() };
            let [free, bound] = [free, bound].map(|params| data.forest(params));
            let mut turns = [0, 0];
            for row in 0..200 {
                for (feature, sign) in [(0, 1.0), (1, -1.0), (4, 1.0), (5, 1.0)] {
                    let mut x = data.table().row(row).to_vec();
                    for (forest, turns) in [&free, &bound].into_iter().zip(&mut turns) {
                        let mut last = f64::NEG_INFINITY;
                        for step in -30..=30 {
                            x[feature] = step as f32 * if feature == 5 { 0.1 } else { 0.02 };
                            let said = sign * forest.predict(&x)[0];
                            *turns += usize::from(said < last);
                            last = said;
                        }
                    }
                }
            }
            assert!(turns[0] > 100 && turns[1] == 0, "{objective:?}: {turns:?} turns");
            // What the constraints allow is still learned.
            let says = data.says(&bound);
            let hits = says.iter().zip(&data.score).filter(|(p, s)| {
                let cut = if objective == Objective::Binary { 0.5 } else { 0.3 };
                (**p > cut) == (**s > 0.3)
            });
            assert!(hits.count() > 1700);
        }
    }
}

#[test]
fn a_weight_of_zero_is_no_row_and_a_weight_of_two_is_two_rows() {
    let mut data = Data::new(1500);
    // Few values, so that bins do not depend on how often each is there.
    data.values.iter_mut().for_each(|v| *v = (*v * 40.0).round());
    for objective in OBJECTIVES {
        // Sums are rounded to other units: in more rounds, splits of nearly equal gain part the ways.
        let job = data.job(BoostParams { min_child_hessian: 1.0, rounds: 3, ..quick(objective) });
        let weights: Vec<f32> = job.train.iter().map(|&row| (draw(8, 8, u64::from(row)) % 3) as f32).collect();
        let mut copied = BoostJob { train: vec![], train_labels: vec![], ..job.clone() };
        for ((&row, &label), &weight) in job.train.iter().zip(&job.train_labels).zip(&weights) {
            for _ in 0..weight as usize {
                copied.train.push(row);
                copied.train_labels.push(label);
            }
        }
        let weighed = BoostJob { train_weights: weights, ..job.clone() };
        let [weighed, copied] = [&weighed, &copied].map(|job| data.train(job).unwrap());
        assert_ne!(weighed, data.train(&job).unwrap(), "weights count");
        let apart = data.says(&weighed).iter().zip(data.says(&copied)).filter(|(a, b)| (*a - b).abs() > 1e-3).count();
        assert!(apart < 30, "{objective:?}: {apart} of 1500 predictions differ");
    }
}

#[test]
fn the_weight_of_positives_is_a_weight_of_their_rows() {
    let data = Data::new(800);
    let scaled = data.forest(BoostParams { scale_pos_weight: 3.5, ..quick(Objective::Binary) });
    let mut job = data.job(quick(Objective::Binary));
    job.train_weights = job.train_labels.iter().map(|&label| if label == 1.0 { 3.5 } else { 1.0 }).collect();
    assert_eq!(data.train(&job).unwrap(), scaled);
    let mean = |scale_pos_weight| {
        let forest = data.forest(BoostParams { scale_pos_weight, rounds: 1, ..quick(Objective::Binary) });
        data.says(&forest).iter().sum::<f64>() / 800.0
    };
    assert!(mean(3.5) > mean(1.0) + 0.1, "{} {}", mean(3.5), mean(1.0));
}

#[test]
fn validation_weights_choose_which_rows_count() {
    let data = Data::new(1200);
    let mut job = data.job(BoostParams { early_stopping: 3, ..quick(Objective::Regression) });
    job.valid = job.train.split_off(900);
    job.valid_labels = job.train_labels.split_off(900);
    // Only the first hundred count.
    let weighed = BoostJob { valid_weights: (0..300).map(|i| f32::from(u8::from(i < 100))).collect(), ..job.clone() };
    let first =
        BoostJob { valid: job.valid[..100].to_vec(), valid_labels: job.valid_labels[..100].to_vec(), ..job.clone() };
    let [weighed, first] = [weighed, first].map(|job| data.train(&job).unwrap());
    assert_eq!(weighed.trees, first.trees);
    for (a, b) in weighed.validation_loss.iter().zip(&first.validation_loss) {
        assert!((a - b).abs() < 1e-9 * b.abs(), "{a} {b}");
    }
}

#[test]
fn early_stopping_chooses_no_fewer_rounds_than_the_least() {
    let data = Data::new(1200);
    // Labels that nothing explains: the first rounds look best.
    let trained = |early_stopping: u32, min_rounds: u32| {
        let mut job = data.job(BoostParams { early_stopping, min_rounds, rounds: 30, ..quick(Objective::Regression) });
        job.train_labels.iter_mut().enumerate().for_each(|(i, label)| *label = ((i * 7919) % 101) as f32);
        job.valid = job.train.split_off(900);
        job.valid_labels = job.train_labels.split_off(900);
        data.train(&job).unwrap()
    };
    let all = trained(0, 0);
    let best = |from: usize| {
        let losses = &all.validation_loss[from..];
        let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
        from + losses.iter().position(|&loss| loss == least).unwrap() + 1
    };
    assert!(best(0) < 12, "the first rounds look best: {}", best(0));
    assert_eq!(trained(30, 0).rounds(), best(0));
    assert_eq!(trained(30, 12).rounds(), best(11));
    assert!(trained(1, 12).rounds() >= 12);
    // No round may be chosen: all are kept.
    assert_eq!(trained(3, 99).trees, all.trees);
}

#[test]
fn a_quantile_has_its_share_of_the_labels_below_it() {
    let data = Data::new(4000);
    for alpha in [0.1, 0.5, 0.9] {
        let forest = data.forest(BoostParams { rounds: 60, ..quick(Objective::Quantile { alpha }) });
        let says = data.says(&forest);
        let below = says.iter().zip(&data.score).filter(|(said, score)| f64::from(**score) <= **said).count();
        assert!((below as f64 / 4000.0 - alpha).abs() < 0.03, "{alpha}: {below} of 4000");
        let (least, most) = says.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &s| (a.min(s), b.max(s)));
        assert!(most - least > 1.0, "the quantile depends on the row: {least} to {most}");
    }
}

#[test]
fn huber_is_not_led_astray_by_a_few_wild_labels() {
    let data = Data::new(2000);
    let wild = |mut job: BoostJob| {
        job.train_labels.iter_mut().step_by(50).for_each(|label| *label += 500.0);
        data.train(&job).unwrap()
    };
    let error = |forest: &Forest| {
        let says = data.says(forest);
        says.iter().zip(&data.score).map(|(said, score)| (said - f64::from(*score)).abs()).sum::<f64>() / 2000.0
    };
    let params = |objective| BoostParams { rounds: 60, min_child_hessian: 20.0, ..quick(objective) };
    let huber = error(&wild(data.job(params(Objective::Huber { delta: 0.5 }))));
    let square = error(&wild(data.job(params(Objective::Regression))));
    assert!(huber < 0.4 && square > 5.0 * huber, "{huber} {square}");
}

#[test]
fn a_forest_is_the_mean_of_trees_that_know_nothing_of_each_other() {
    let data = Data::new(2000);
    for objective in OBJECTIVES {
        let params = BoostParams {
            ensemble: Ensemble::Forest,
            rounds: 30,
            subsample: 0.6,
            colsample_node: 0.5,
            ..quick(objective)
        };
        let forest = data.forest(params.clone());
        assert!(forest.averaged && forest.rounds() == 30);
        // Fewer trees are the first of more.
        let fewer = data.forest(BoostParams { rounds: 7, ..params.clone() });
        assert_eq!(fewer.trees[..], forest.trees[..fewer.trees.len()]);
        // The learning rate plays no part.
        assert_eq!(data.forest(BoostParams { learning_rate: 0.01, ..params.clone() }), forest);
        let row = data.table().row(3);
        let mean = forest.trees.iter().step_by(objective.trees_per_round()).map(|tree| tree.predict(row)).sum::<f64>();
        assert!((forest.raw_scores(row)[0] - mean / 30.0).abs() < 1e-12);
    }
    let params = BoostParams {
        ensemble: Ensemble::Forest,
        rounds: 60,
        max_depth: 8,
        subsample: 0.6,
        ..quick(Objective::Regression)
    };
    let error = |forest: &Forest| {
        let says = data.says(forest);
        says.iter().zip(&data.score).map(|(said, score)| (said - f64::from(*score)).powi(2)).sum::<f64>() / 2000.0
    };
    let mean = data.score.iter().map(|&s| f64::from(s)).sum::<f64>() / 2000.0;
    let variance = data.score.iter().map(|&s| (f64::from(s) - mean).powi(2)).sum::<f64>() / 2000.0;
    assert!(error(&data.forest(params)) < 0.25 * variance);
}

#[test]
fn features_are_drawn_anew_for_each_split() {
    let data = Data::new(2000);
    let forest = data.forest(BoostParams { colsample_node: 0.17, rounds: 40, ..quick(Objective::Regression) });
    // One feature of six is drawn for a root: all six must be, and no single one most of the time.
    let mut roots = [0; FEATURES];
    forest.trees.iter().filter_map(|tree| tree.split_feature.first()).for_each(|&f| roots[f as usize] += 1);
    assert!(roots.iter().all(|&count| count < 25), "{roots:?}");
    let used: usize = forest.split_importance().iter().filter(|&&splits| splits > 0).count();
    assert_eq!(used, FEATURES);
}

#[test]
fn every_way_to_search_gives_the_same_forest() {
    let data = Data::new(2500);
    let names: Vec<String> = (0..FEATURES).map(|f| format!("f{f}")).collect();
    let mut jobs = Vec::new();
    for objective in OBJECTIVES {
        for growth in [Growth::Level, Growth::Leaf] {
            for (ensemble, subsample) in [(Ensemble::Boosting, 1.0), (Ensemble::Boosting, 0.7), (Ensemble::Forest, 0.7)]
            {
                let params = BoostParams { growth, ensemble, subsample, colsample_node: 0.8, ..quick(objective) };
                jobs.push(data.job(params));
            }
        }
    }
    let all: Vec<(&str, Vec<String>)> = instruction_sets()
        .into_iter()
        .map(|way| {
            let forests = train_with(way, data.table(), &names, &jobs, &|_| {});
            (way.instructions.name(), forests.into_iter().map(|forest| forest.unwrap().digest()).collect())
        })
        .collect();
    assert_eq!(all.last().unwrap().0, "plain");
    for (name, digests) in &all {
        assert_eq!(digests, &all[0].1, "{name} against {}", all[0].0);
    }
    let mut distinct = all[0].1.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), jobs.len());
}

#[test]
fn a_faulty_job_says_what_is_wrong_and_the_others_are_trained() {
    let data = Data::new(60);
    let good = data.job(quick(Objective::Regression));
    let with = |change: fn(&mut BoostJob)| {
        let mut job = good.clone();
        change(&mut job);
        job
    };
    let faults: Vec<(BoostJob, &str)> = vec![
        (with(|job| job.train_labels[7] = f32::NAN), "label of row 7 is NaN"),
        (with(|job| job.train_labels[9] = f32::INFINITY), "label of row 9 is inf"),
        (with(|job| job.train.clear()), "no training rows"),
        (with(|job| job.train_labels.truncate(3)), "60 rows but 3 labels"),
        (with(|job| job.train_weights = vec![1.0; 5]), "60 rows but 5 weights"),
        (with(|job| job.train_weights = vec![0.0; 60]), "every weight is 0"),
        (
            with(|job| {
                job.train_weights = vec![1.0; 60];
                job.train_weights[4] = -1.0;
            }),
            "weight of row 4 is -1",
        ),
        (with(|job| job.train[0] = 60), "row 60 is outside the table of 60 rows"),
        (with(|job| job.params.monotone = vec![1, 0]), "6 features, but monotone constraints for 2"),
        (with(|job| job.params.monotone = vec![2; 6]), "monotone is 2"),
        (with(|job| job.params.colsample_node = 0.0), "colsample-node is 0"),
        (with(|job| job.params.scale_pos_weight = 2.0), "scale-pos-weight is 2"),
        (with(|job| job.params.max_depth = 21), "max-depth is 21"),
        (
            with(|job| {
                job.params.growth = Growth::Leaf;
                job.params.max_leaves = 1;
            }),
            "max-leaves is 1",
        ),
        (with(|job| job.params.ensemble = Ensemble::Forest), "all its trees are the same"),
        (with(|job| job.params.objective = Objective::Quantile { alpha: 1.0 }), "alpha is 1"),
        (with(|job| job.params.objective = Objective::Huber { delta: 0.0 }), "delta is 0"),
        (
            with(|job| {
                job.params.objective = Objective::Quantile { alpha: 0.5 };
                job.params.monotone = vec![1; 6];
            }),
            "use huber",
        ),
    ];
    let mut jobs: Vec<BoostJob> = faults.iter().map(|(job, _)| job.clone()).collect();
    jobs.push(good.clone());
    let names: Vec<String> = (0..FEATURES).map(|f| format!("f{f}")).collect();
    let mut results = train(data.table(), &names, &jobs, &|_| {});
    assert_eq!(results.pop().unwrap().unwrap(), data.train(&good).unwrap());
    for (result, (_, expected)) in results.into_iter().zip(faults) {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(expected), "'{message}' lacks '{expected}'");
    }
}

#[test]
fn more_cells_than_a_job_can_have_are_refused_before_any_is_looked_at() {
    let job =
        BoostJob { name: "wide".to_owned(), train: vec![0; 2], train_labels: vec![0.0; 2], ..BoostJob::default() };
    let table = Table { values: &[], features: 1 << 36 };
    let error = train(table, &[], &[job], &|_| {}).remove(0).unwrap_err();
    assert!(matches!(error, BoostError::Cells { .. }), "{error}");
}

#[test]
fn tables_with_nothing_to_learn_give_the_best_constant() {
    let labels = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0];
    let of = |values: Vec<f32>, labels: &[f32], params: BoostParams| {
        let job = BoostJob {
            train: (0..labels.len() as u32).collect(),
            train_labels: labels.to_vec(),
            params,
            ..BoostJob::default()
        };
        let names = vec!["a".to_owned(), "b".to_owned()];
        train(Table { values: &values, features: 2 }, &names, &[job], &|_| {}).remove(0).unwrap()
    };
    for ensemble in [Ensemble::Boosting, Ensemble::Forest] {
        let params = BoostParams { ensemble, colsample: 0.5, ..quick(Objective::Binary) };
        for constant in [7.5, f32::NAN, f32::MAX, 0.0] {
            let forest = of(vec![constant; 16], &labels, params.clone());
            let said = forest.predict(&[constant, constant])[0];
            assert!((said - 0.625).abs() < 1e-6, "{ensemble:?} {constant}: {said}");
        }
        // One class alone, one row alone, fewer rows than bins.
        let sure = of(vec![1.0; 16], &[1.0; 8], params.clone()).predict(&[1.0, 1.0])[0];
        assert!(sure > 0.999 && sure < 1.0);
        let lone = of(vec![1.0, 2.0], &[3.0], BoostParams { objective: Objective::Regression, ..params.clone() });
        assert_eq!(lone.predict(&[1.0, 2.0]), [3.0]);
        let same =
            of(vec![1.0; 16], &[2.5; 8], BoostParams { objective: Objective::Quantile { alpha: 0.3 }, ..params });
        assert_eq!(same.predict(&[1.0, 1.0]), [2.5]);
    }
}
