use super::*;
use huracan_bars::{Candles, HOUR_MS, Timeframe};
use huracan_base::arith::{draw, uniform};
use huracan_shadow::ExitReason;

const HORIZON: usize = 3;

fn panel(bars: usize) -> Panel {
    let mut candles = Candles::default();
    (0..bars as i64).for_each(|t| candles.push(t * HOUR_MS, [100.0; 4], 1.0));
    Panel::new(vec![("A-X".to_owned(), candles)], Timeframe::H1, 1, false).unwrap()
}

/// Labels whose outcome at each bar is the one given; NaN leaves a bar without label.
fn labels(outcomes: &[f64]) -> Labels {
    Labels {
        bars: outcomes.len(),
        return_bps: outcomes.iter().flat_map(|&bps| [bps, -bps]).collect(),
        exit_bar: vec![0; outcomes.len() * 2],
        exit_reason: vec![ExitReason::Time; outcomes.len() * 2],
        borrow_bps_per_bar: 0.0,
    }
}

/// The votes of voters 0, 1, … at each bar; all others do not vote.
fn votes(rows: &[Vec<f32>]) -> Votes {
    let mut votes = Votes { bars: rows.len(), values: vec![f32::NAN; rows.len() * VOTERS].into() };
    for (bar, row) in rows.iter().enumerate() {
        votes.values[bar * VOTERS..bar * VOTERS + row.len()].copy_from_slice(row);
    }
    votes
}

fn params(threshold_bars: u32, reliability_bars: u32, record_bars: u32, record_min: u32) -> DecideParams {
    DecideParams { threshold_bars, reliability_bars, record_bars, record_min, ..DecideParams::default() }
}

#[test]
fn a_voter_that_was_right_has_a_weight_and_one_that_was_wrong_has_none() {
    let rows: Vec<Vec<f32>> = (0..8).map(|_| vec![1.0, -0.5]).collect();
    let found = compute(&panel(8), &votes(&rows), &labels(&[10.0; 8]), &params(4, 500, 500, 1), HORIZON);
    // No outcome is known before bar 3, so no voter has a weight.
    assert_eq!((found.at(0, 2).score, found.at(0, 2).confidence), (0.0, 0.0));
    // Now that of bar 0 is known. The first voter was right: (1 + 50)/(1 + 100). It is the only one with a weight.
    let hit_rate = 51.0 / 101.0;
    assert_eq!(found.at(0, 3).score, 1.0);
    assert!((f64::from(found.at(0, 3).confidence) - 100.0 * hit_rate).abs() < 1e-4);
    // The second was wrong with half its strength: 50/100.5 < 1/2.
    assert!((f64::from(found.hit_rates[1]) - 50.0 / 102.5).abs() < 1e-6);
    // S of bars 0 to 3: 0, 0, 0, 1; their sample deviation is 1/2.
    assert!((found.at(0, 3).threshold - 0.375).abs() < 1e-6);
    assert!(found.at(0, 2).threshold.is_nan());
}

#[test]
fn voters_that_disagree_lower_score_and_confidence() {
    // Both were right and have equal weights; then they vote against each other.
    let rows = vec![vec![1.0, 1.0], vec![1.0, 1.0], vec![0.0, 0.0], vec![0.0, 0.0], vec![1.0, -0.5]];
    let found = compute(&panel(5), &votes(&rows), &labels(&[10.0; 5]), &params(2, 500, 500, 1), HORIZON);
    let hit_rate = 52.0 / 102.0;
    assert!((found.at(0, 4).score - 0.25).abs() < 1e-6);
    let agreement = 0.5 / 1.5;
    assert!((f64::from(found.at(0, 4).confidence) - 100.0 * agreement * hit_rate).abs() < 1e-4);
}

/// Random votes and outcomes with ties and holes.
fn random(bars: usize) -> (Votes, Vec<f64>) {
    let unit = |stream, bar: usize| uniform(draw(11, stream, bar as u64));
    let outcomes: Vec<f64> = (0..bars)
        .map(|bar| match unit(1, bar) {
            u if u < 0.05 => f64::NAN,
            u if u < 0.10 => 0.0,
            u => (200.0 * (u - 0.55)).round(),
        })
        .collect();
    let vote = |bar: usize, voter: u64| -> f32 {
        match unit(10 + voter, bar) {
            u if u < 0.2 => 0.0,
            u if bar < 5 + voter as usize || u < 0.25 => f32::NAN,
            // The first voters are right more often than not.
            u => ((1024.0 * (2.0 * u - 1.0)).round() / 1024.0
                + if voter < 3 { outcomes[bar].signum() * 0.2 } else { 0.0 })
            .clamp(-1.0, 1.0) as f32,
        }
    };
    let rows: Vec<Vec<f32>> = (0..bars).map(|bar| (0..VOTERS as u64).map(|e| vote(bar, e)).collect()).collect();
    (votes(&rows), outcomes)
}

/// The rolling sums equal those of each window, computed from scratch at every bar in floating point.
#[test]
fn every_bar_equals_its_windows_computed_from_scratch() {
    [true, false].into_iter().for_each(equals_its_windows);
}

fn equals_its_windows(pool: bool) {
    let (bars, set) = (300, DecideParams { pool, ..params(20, 60, 80, 5) });
    let (votes, outcomes) = random(bars);
    let found = compute(&panel(bars), &votes, &labels(&outcomes), &set, HORIZON);
    let mut scores: Vec<f64> = Vec::new();
    for bar in 0..bars {
        let known = |window: usize| (bar + 1).saturating_sub(HORIZON + window)..(bar + 1).saturating_sub(HORIZON);
        let (mut weights, mut sum) = (0.0, 0.0);
        for voter in 0..VOTERS {
            let (mut hits, mut all) = (50.0, 100.0);
            for u in known(60) {
                let vote = f64::from(votes.row(0, u)[voter]);
                if vote.is_nan() || outcomes[u].is_nan() || outcomes[u] == 0.0 {
                    continue;
                }
                let strength = (vote.abs() * 1024.0).floor() / 1024.0;
                all += strength;
                hits += if (vote > 0.0) == (outcomes[u] > 0.0) { strength } else { 0.0 };
            }
            let (vote, weight) = (f64::from(votes.row(0, bar)[voter]), 2.0 * hits / all - 1.0);
            if !vote.is_nan() && weight > 0.0 {
                weights += weight;
                sum += weight * vote;
            }
        }
        let score = if weights > 0.0 { sum / weights } else { 0.0 };
        let opinion = found.at(0, bar);
        if !opinion.score.is_nan() {
            assert!((f64::from(opinion.score) - score).abs() < 1e-5, "bar {bar}: {opinion:?}, not {score}");
            scores.push(score);
        }
        if scores.len() >= 20 {
            let last = &scores[scores.len() - 20..];
            let mean = last.iter().sum::<f64>() / 20.0;
            let deviation = (last.iter().map(|s| (s - mean) * (s - mean)).sum::<f64>() / 19.0).sqrt();
            assert!((f64::from(opinion.threshold) - 0.75 * deviation).abs() < 1e-5, "bar {bar}");
        }
        let earned: Vec<f64> = known(80)
            .filter(|&u| found.at(0, u).passes() && !outcomes[u].is_nan())
            .map(|u| f64::from(found.at(0, u).score.signum()) * outcomes[u])
            .collect();
        let mean = earned.iter().sum::<f64>() / earned.len() as f64;
        match opinion.expected_bps {
            expected if expected.is_nan() => assert!(earned.len() < 5, "bar {bar}"),
            expected => assert!((f64::from(expected) - mean).abs() < 1e-3, "bar {bar}: {expected}, not {mean}"),
        }
    }
    assert!(found.opinions.iter().filter(|o| !o.expected_bps.is_nan()).count() > 200);
}

#[test]
fn outcomes_that_are_not_known_yet_change_nothing() {
    [true, false].into_iter().for_each(knows_no_outcome_early);
}

fn knows_no_outcome_early(pool: bool) {
    let (bars, cut, set) = (200, 120, DecideParams { pool, ..params(20, 60, 80, 5) });
    let (votes, outcomes) = random(bars);
    let before = compute(&panel(bars), &votes, &labels(&outcomes), &set, HORIZON);
    let mut scrambled = outcomes;
    scrambled[cut - HORIZON..].iter_mut().for_each(|bps| *bps = -3.0 * *bps + 17.0);
    let after = compute(&panel(bars), &votes, &labels(&scrambled), &set, HORIZON);
    // Compared by bits, so that NaN equals NaN.
    let bits = |found: &Consensus, range: Range<usize>| -> Vec<[u32; 4]> {
        let parts = |o: &Opinion| [o.score, o.threshold, o.confidence, o.expected_bps].map(f32::to_bits);
        found.opinions[range].iter().map(parts).collect()
    };
    assert_eq!(bits(&before, 0..cut), bits(&after, 0..cut));
    assert_ne!(bits(&before, cut..bars), bits(&after, cut..bars));
}

/// Two coins whose voter is right on one and wrong on the other: by themselves it has a weight on the first, together on none;
/// and what one coin's outcomes are worth, the other one expects too.
#[test]
fn pooled_outcomes_of_all_coins_count_together() {
    let bars = 40;
    let coin = |name: &str| {
        let mut candles = Candles::default();
        (0..bars as i64).for_each(|t| candles.push(t * HOUR_MS, [100.0; 4], 1.0));
        (name.to_owned(), candles)
    };
    let panel = Panel::new(vec![coin("A-X"), coin("B-X")], Timeframe::H1, 1, false).unwrap();
    let outcomes: Vec<f64> = [10.0, -10.0].iter().flat_map(|&bps| vec![bps; bars]).collect();
    let all = Labels { bars, ..labels(&outcomes) };
    let mut votes = votes(&vec![vec![1.0]; 2 * bars]);
    votes.bars = bars;
    let rate = |pool: bool| compute(&panel, &votes, &all, &DecideParams { pool, ..params(4, 500, 500, 1) }, HORIZON);
    let (own, pooled) = (rate(false), rate(true));
    assert!(own.hit_rates[0] > 0.5 && own.hit_rates[VOTERS] < 0.5);
    assert_eq!((pooled.hit_rates[0], pooled.hit_rates[VOTERS]), (0.5, 0.5));
    assert_eq!((own.at(0, 39).score, pooled.at(0, 39).score), (1.0, 0.0));

    // Where the voter is right on both, both expect what both have earned together.
    let outcomes: Vec<f64> = [10.0, 30.0].iter().flat_map(|&bps| vec![bps; bars]).collect();
    let all = Labels { bars, ..labels(&outcomes) };
    let found = compute(&panel, &votes, &all, &params(4, 500, 500, 1), HORIZON);
    let (a, b) = (found.at(0, 39), found.at(1, 39));
    assert_eq!((a.score, a.expected_bps), (b.score, b.expected_bps));
}

/// A panel, votes and labels of `coins` coins that all do what [`random`] does.
fn copies(coins: usize, bars: usize) -> (Panel, Votes, Labels) {
    let coin = |number: usize| {
        let mut candles = Candles::default();
        (0..bars as i64).for_each(|t| candles.push(t * HOUR_MS, [100.0; 4], 1.0));
        (format!("C{number}-X"), candles)
    };
    let panel = Panel::new((0..coins).map(coin).collect(), Timeframe::H1, 1, false).unwrap();
    let (votes, outcomes) = random(bars);
    let votes = Votes { bars, values: votes.values.repeat(coins).into() };
    (panel, votes, Labels { bars, ..labels(&outcomes.repeat(coins)) })
}

#[test]
fn a_pool_of_coins_that_do_the_same_weighs_like_one_of_them() {
    let (bars, set) = (300, params(20, 60, 80, 5));
    let of = |coins: usize| {
        let (panel, votes, labels) = copies(coins, bars);
        compute(&panel, &votes, &labels, &set, HORIZON)
    };
    let (one, many) = (of(1), of(7));
    assert_eq!(one.hit_rates, many.hit_rates[..VOTERS]);
    for bar in 0..bars {
        let parts = |found: &Consensus| {
            let opinion = found.at(0, bar);
            [opinion.score, opinion.threshold, opinion.confidence, opinion.expected_bps].map(f32::to_bits)
        };
        assert_eq!(parts(&one), parts(&many), "bar {bar}");
    }
}

#[test]
fn a_record_counts_bars_and_not_coins() {
    let bars = 40;
    let (panel, mut votes, _) = copies(8, bars);
    votes.values.fill(f32::NAN);
    // One voter is always right on all coins; it votes on most bars with nearly nothing, so that few scores pass.
    for symbol in 0..8 {
        for bar in 0..bars {
            votes.values[(symbol * bars + bar) * VOTERS] = if bar % 8 == 7 { 1.0 } else { 0.01 };
        }
    }
    let labels = Labels { bars, ..labels(&vec![10.0; 8 * bars]) };
    let found = compute(&panel, &votes, &labels, &params(4, 500, 500, 3), HORIZON);
    let passed: Vec<usize> = (0..bars).filter(|&bar| found.at(0, bar).passes()).collect();
    assert!(passed.len() >= 4, "{passed:?}");
    for bar in 0..bars {
        let known = passed.iter().filter(|&&at| at + HORIZON <= bar).count();
        assert_eq!(found.at(0, bar).expected_bps.is_nan(), known < 3, "bar {bar}: {known} of {passed:?}");
    }
}
