//! How often something is learned: where there is no pattern, and by the size of one.

use super::*;

#[test]
fn no_pattern_is_learned_from_data_without_one() {
    let (mut candidates, mut learned, runs) = (0, 0, 200);
    for seed in 0..runs {
        let market = Market::new(1000 + seed, 1, |_| 0.0);
        let mined = market.mine(&one_coin(), &params());
        candidates += usize::from(!mined.patterns.is_empty());
        learned += usize::from(mined.patterns.iter().any(|pattern| pattern.learned));
    }
    println!("no pattern: a candidate in {candidates}, a learned one in {learned} of {runs} runs");
    assert!(learned as f64 <= 0.05 * runs as f64, "{learned} of {runs}");
    assert!(candidates as f64 <= 0.25 * runs as f64, "{candidates} of {runs}");
}

/// How many of some markets without an edge have a learned pattern, with the defaults and all coins together.
fn learned_without_edge(seeds: Range<u64>, regimes: bool) -> usize {
    let coins = if regimes { 16 } else { 6 };
    let scopes = [scope("*", (0..coins).collect())];
    let has_learned = |seed: &u64| {
        let mined = Market::without_edge(*seed, coins, regimes).mine(&scopes, &PatternParams::default());
        assert!((10_000.0..20_000.0).contains(&mined.tests), "{}", mined.tests);
        let learned: Vec<String> = mined
            .patterns
            .iter()
            .filter(|p| p.learned)
            .map(|p| format!("{} {}", p.side, p.conditions_text()))
            .collect();
        if !learned.is_empty() {
            println!("{seed}: {learned:?}");
        }
        !learned.is_empty()
    };
    seeds.filter(has_learned).count()
}

#[test]
fn nothing_is_learned_by_default_from_coins_that_move_together() {
    let learned = learned_without_edge(20_000..20_020, false);
    assert!(learned <= 1, "{learned} of 20");
}

#[test]
fn volatility_that_comes_and_goes_is_no_pattern() {
    let learned = learned_without_edge(30_000..30_010, true);
    assert!(learned <= 1, "{learned} of 10");
    // It moves the rate of wins, and not what is tested.
    let (mut small, mut total, mut more_wins) = (0, 0, 0);
    for seed in 30_000..30_010 {
        let market = Market::without_edge(seed, 16, true);
        let (table, outcomes, symbols) = (market.table(), market.outcomes(), (0..16).collect::<Vec<usize>>());
        for window in [0..TRAIN, TESTS] {
            let rows = Rows::new(&outcomes, &symbols, std::slice::from_ref(&window), usize::MAX, HORIZON_BARS);
            let (items, base) = (Items::new(&table, &rows, 3), Base::of(&rows, &rows.labelled));
            let masks = items.masks(&table, &rows);
            for name in ["low", "high"] {
                let mask = search::mask_of(&masks, rows.words(), items.find("volatility_ratio", name));
                for excess in base.excess(&rows, &mask, &mut Scratch::default()) {
                    small += i32::from(excess.p_value() <= 0.05);
                    total += 1;
                    let rate = f64::from(excess.wins) / f64::from(excess.rows);
                    more_wins += i32::from(name == "low" && rate > excess.base_win_rate);
                }
            }
        }
    }
    println!(
        "volatility: p at most 0.05 in {small} of {total}, more wins where it is low in {more_wins} of {}",
        total / 2
    );
    assert!(f64::from(small) <= 0.07 * f64::from(total), "{small} of {total}");
    assert!(f64::from(more_wins) >= 0.4 * f64::from(total), "{more_wins} of {total}");
}

#[test]
fn p_values_without_a_pattern_are_uniform_or_larger() {
    // Share of p-values below each level, over every condition and pair, on both windows, of many markets.
    let (mut total, mut below) = ([0_u64; 2], [[0_u64; 4]; 2]);
    let levels = [0.1, 0.05, 0.01, 0.001];
    for seed in 0..150 {
        let market = Market::new(5000 + seed, 1, |_| 0.0);
        let (table, outcomes) = (market.table(), market.outcomes());
        for (part, window) in [0..TRAIN, TESTS].iter().enumerate() {
            let rows = Rows::new(&outcomes, &[0], std::slice::from_ref(window), usize::MAX, HORIZON_BARS);
            let items = Items::new(&table, &rows, 3);
            let masks = items.masks(&table, &rows);
            let base = Base::of(&rows, &rows.labelled);
            let mut scratch = Scratch::default();
            for a in 0..items.list.len() {
                for b in a..items.list.len() {
                    if a != b && items.list[a].column == items.list[b].column {
                        continue;
                    }
                    let mask = search::mask_of(&masks, rows.words(), [a, b]);
                    for excess in base.excess(&rows, &mask, &mut scratch) {
                        let p = excess.p_value();
                        total[part] += 1;
                        levels.iter().zip(&mut below[part]).for_each(|(level, n)| *n += u64::from(p <= *level));
                    }
                }
            }
        }
    }
    for part in 0..2 {
        let shares: Vec<f64> = below[part].iter().map(|n| *n as f64 / total[part] as f64).collect();
        println!("p ≤ {levels:?}: {shares:.4?} of {}", total[part]);
        for (share, level) in shares.iter().zip(levels) {
            assert!(*share <= 1.15 * level, "{shares:?}");
        }
    }
}

/// How often the search learns a planted pattern among as many columns as the view has, and how often a test of it alone finds it
/// on the same test windows at the same level. The search also asks for what stands out among thousands of tests on the training
/// windows; so of small patterns it learns fewer.
#[test]
fn a_planted_pattern_is_learned_about_as_often_as_a_test_of_it_alone_finds_it() {
    let (coins, runs) = (8, 12);
    let scopes = [scope("*", (0..coins).collect())];
    let params = PatternParams::default();
    let planted_items = [("f1", "high"), ("f2", "low")];
    // Size in deviations of a bar's return, and the least share of what a test of it alone finds.
    let sizes = [(0.05, 0.1), (0.075, 0.5), (0.1, 0.8), (0.15, 1.0)];
    for (edge, least) in sizes {
        let (mut found, mut alone) = (0, 0);
        for seed in 0..runs {
            let market = Market { columns: tails(), ..Market::with_features(300 + seed, coins, 58, planted(edge)) };
            let mined = market.mine(&scopes, &params);
            let is_planted =
                |p: &Pattern| p.learned && p.side == Side::Long && p.conditions_text() == "f1 high + f2 low";
            found += usize::from(mined.patterns.iter().any(is_planted));
            let (table, outcomes) = (market.table(), market.outcomes());
            let train = Rows::new(
                &outcomes,
                &scopes[0].symbols,
                std::slice::from_ref(&scopes[0].train),
                TESTS.start,
                HORIZON_BARS,
            );
            let items = Items::new(&table, &train, params.bins);
            let test = Rows::new(&outcomes, &scopes[0].symbols, &scopes[0].tests, usize::MAX, HORIZON_BARS);
            let (base, masks) = (Base::of(&test, &test.labelled), items.masks(&table, &test));
            let set = planted_items.map(|(feature, name)| items.find(feature, name).unwrap());
            let mask = search::mask_of(&masks, test.words(), set);
            let p = base.excess(&test, &mask, &mut Scratch::default())[0].p_value();
            alone += usize::from(p <= params.confirm_level);
        }
        println!("planted {edge}: learned in {found}, by a test of it alone {alone} of {runs}");
        assert!(found as f64 >= least * alone as f64, "{edge}: {found} against {alone} of {runs}");
    }
}
