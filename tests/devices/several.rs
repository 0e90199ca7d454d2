//! Several devices share the work of every stage, and give the CPU's bits whatever their number.
#![cfg(feature = "emulated")]

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::candles::real_panel;
use crate::device_boost::{job, jobs_of_all_ways, names, table};
use crate::device_equality::{
    bits, made_up, rules, same_consensus, same_features, same_labels, same_trades, same_view, same_votes, signals,
    ways_to_decide, windows, with_markets,
};
use crate::engines;
use huracan::boost::{
    self, BoostJob, BoostParams, Forest, Grid, Growth, Objective, PredictJob, Search, Table, device, search_on,
};
use huracan::decide::{consensus, votes};
use huracan::engine::{Compute, Engine};
use huracan::features::{self, View};
use huracan::settings::Settings;
use huracan::{labels, shadow};

/// All devices, two of them, and three of which one has hardly any memory.
fn together() -> Vec<Compute> {
    let unequal = [8 << 30, 20 << 20, 3 << 20].into_iter().zip(1..).map(|(bytes, seed)| Engine::emulated(seed, bytes));
    let mut all = vec![
        Compute::with_engines(engines::several(), false),
        Compute::with_engines(unequal.collect::<Result<_, _>>().unwrap(), false),
    ];
    all.push(Compute::with_engines(engines::several().into_iter().take(2).collect(), false));
    all
}

#[test]
fn the_stages_of_symbols_are_those_of_the_cpu() {
    for (place, panel) in [("made up", with_markets(made_up())), ("1d", with_markets(real_panel("1d")))] {
        let atr = features::atr_14(&panel);
        let (want_features, want_labels) = (features::compute(&panel), labels::compute(&panel, &atr, &rules()));
        let want_view = View::of(&panel, &want_features);
        let voters = Settings::defaults().decide.voters;
        let want_votes = votes::compute(&panel, &voters);
        let want_consensus: Vec<_> = ways_to_decide()
            .iter()
            .map(|(params, horizon)| consensus::compute(&panel, &want_votes, &want_labels, params, *horizon))
            .collect();
        let (windows, rules) = (windows(&panel), rules());
        let signals = [signals(&panel, 1), signals(&panel, 2)];
        let want_trades = signals.each_ref().map(|signals| shadow::simulate(&panel, signals, &atr, &windows, &rules));
        for compute in together() {
            let got = features::device::compute_on(&compute, &panel).unwrap();
            same_features(place, &panel, &want_features, &got);
            let view = View::of_on(&compute, &panel, &want_features).unwrap();
            same_view(place, &panel, &want_view, &view);
            assert_eq!(bits(&features::device::atr_14_on(&compute, &panel).unwrap()), bits(&atr), "{place}");
            let got = labels::device::compute_on(&compute, &panel, &atr, &rules).unwrap();
            same_labels(place, &want_labels, &got);
            let got = votes::device::compute_on(&compute, &panel, &voters).unwrap();
            same_votes(place, &panel, &want_votes, &got);
            for ((params, horizon), want) in ways_to_decide().iter().zip(&want_consensus) {
                let got = consensus::device::compute_on(&compute, &panel, &want_votes, &want_labels, params, *horizon)
                    .unwrap();
                same_consensus(place, &panel, want, &got);
            }
            let both: Vec<_> = signals.iter().map(|signals| (signals, &rules)).collect();
            let got = shadow::device::simulate_all_on(&compute, &panel, &both, &atr, &windows).unwrap();
            want_trades.iter().zip(&got).for_each(|(want, got)| same_trades(place, want, got));
            assert_eq!(compute.losses(), [], "{place}");
        }
    }
}

#[test]
fn models_bins_and_predictions_are_those_of_the_cpu() {
    let features = 7;
    let values = table(4700, features, 21);
    let table = Table { values: &values, features };
    let mut jobs = jobs_of_all_ways(&values, features, 5, 0..300, 300..360);
    let params = BoostParams { rounds: 3, ..BoostParams::default() };
    jobs.push(job("large".into(), &values, features, 0..4200, 4200..4300, params.clone()));
    jobs.push(job("large, weighted".into(), &values, features, 100..4400, 4400..4500, params.clone()));
    jobs.push(job("by leaf".into(), &values, features, 0..200, 0..0, BoostParams { growth: Growth::Leaf, ..params }));
    let mut faulty = jobs[5].clone();
    faulty.train_labels[3] = f32::NAN;
    jobs.push(faulty);
    let names = names(table);
    let want = boost::train(table, &names, &jobs, &|_| ());
    let forests: Vec<&Forest> = want.iter().flatten().collect();
    let rows: Vec<u32> = (0..900).collect();
    let asked: Vec<PredictJob> = forests.iter().map(|forest| PredictJob { forest, rows: &rows }).collect();
    let sound: Vec<BoostJob> = jobs[..24].to_vec();
    for compute in together() {
        let told = AtomicUsize::new(0);
        let done = |_: &BoostJob| {
            told.fetch_add(1, Ordering::Relaxed);
        };
        let (got, plans) = device::train_on(&compute, table, &names, &jobs, &|| true, &done).unwrap();
        assert_eq!(got, want);
        assert_eq!((plans.blocks, plans.levels, plans.cpu.values().sum()), (24, 2, 1), "{plans}");
        assert_eq!(told.into_inner(), jobs.len(), "each job is told of once");
        let got = device::raw_scores_on(&compute, table, &asked).unwrap();
        assert_eq!(got, boost::raw_scores(table, &asked));
        let cuts = device::bin_on(&compute, table, &sound).unwrap();
        assert_eq!(cuts, device::bin_on(&Compute::cpu(), table, &sound).unwrap());
        assert_eq!(compute.losses(), []);
    }
}

/// Few sets of rows with many models each: the sets are cut, so that every device has some.
#[test]
fn a_search_on_few_rows_chooses_what_the_cpu_chooses() {
    let features = 4;
    let values = table(700, features, 31);
    let table = Table { values: &values, features };
    let params = BoostParams { objective: Objective::Regression, rounds: 6, ..BoostParams::default() };
    let jobs = [
        job("a".into(), &values, features, 0..300, 300..380, params.clone()),
        job("b".into(), &values, features, 350..600, 600..680, params),
    ];
    let pools = ["a", "b"].map(str::to_owned);
    let grid = Grid { learning_rate: vec![0.1, 0.3], max_depth: vec![1, 3, 5], l2: vec![1.0, 50.0], ..Grid::default() };
    let plan = Search { grid, configurations: 9, halving: 3, rungs: 2, seed: 8 };
    let search = |compute: &Compute| {
        search_on(compute, table, &names(table), &jobs, &pools, &plan, &|| true, &|| ()).expect("the devices compute")
    };
    let (want, _) = search(&Compute::cpu());
    for compute in together() {
        let (got, plans) = search(&compute);
        assert_eq!(got, want);
        assert_eq!(plans.blocks, jobs.len() * plan.models(), "{plans}");
    }
}
