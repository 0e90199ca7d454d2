//! Tests of the search on simulated markets with known patterns.

mod rates;

use super::excess::Scratch;
use super::*;
use huracan_base::arith::{draw, uniform};

/// Maximum holding time of a label, bars.
const MAX_HOLD: usize = 24;
const HORIZON_BARS: usize = MAX_HOLD + 1;
/// Windows as in a run with hourly bars: 150 days to discover on, a gap, 60 days to confirm on.
const TRAIN: usize = 150 * 24;
const TESTS: Range<usize> = TRAIN + 96..TRAIN + 96 + 60 * 24;
const BARS: usize = TESTS.end + HORIZON_BARS;
const FEATURES: usize = 8;

struct Market {
    values: Vec<f32>,
    return_bps: Vec<f64>,
    exit_bar: Vec<u32>,
    columns: Vec<Column>,
}

/// Approximately standard normal: the sum of twelve uniform draws, minus 6.
fn gauss(seed: u64, a: u64, b: u64) -> f64 {
    (0..12).map(|k| uniform(draw(seed, a, b * 12 + k))).sum::<f64>() - 6.0
}

impl Market {
    /// Autocorrelated features, and prices that do not depend on them. A trade gains `drift(features at entry)` per bar
    /// in addition to returns with standard deviation 1. The drift depends on the entry bar alone, so neighbouring bars
    /// are not part of the pattern. Barriers are at −3 and +5, the holding time is at most 24 bars, and costs are 0.3.
    fn new(seed: u64, symbols: usize, drift: impl Fn(&[f32]) -> f64) -> Self {
        Self::with_features(seed, symbols, FEATURES, drift)
    }

    fn with_features(seed: u64, symbols: usize, features: usize, drift: impl Fn(&[f32]) -> f64) -> Self {
        let mut market = Self {
            values: vec![],
            return_bps: vec![f64::NAN; symbols * BARS * 2],
            exit_bar: vec![0; symbols * BARS * 2],
            columns: columns(features),
        };
        for symbol in 0..symbols {
            let stream = |k: usize| (symbol * (features + 1) + k) as u64;
            let mut state = vec![0.0_f64; features];
            let (mut returns, mut drifts) = (vec![0.0], vec![]);
            for bar in 0..BARS {
                for (k, value) in state.iter_mut().enumerate() {
                    // Memories from 3 to 100 bars.
                    let memory = 1.0 - 0.3 / (1.0 + 4.0 * (k % FEATURES) as f64);
                    *value = memory * *value + (1.0 - memory * memory).sqrt() * gauss(seed, stream(k), bar as u64);
                }
                let row: Vec<f32> = state.iter().map(|&value| value as f32).collect();
                returns.push(gauss(seed, stream(features), bar as u64));
                drifts.push(drift(&row));
                market.values.extend(row);
            }
            market.label(symbol, &returns, &drifts);
        }
        market
    }

    /// Coins without any edge that share half of the variance of their returns, with the columns and the names of the view: its
    /// categories, columns that are the same for all coins, and columns of each coin. With `regimes` they share a tenth, and each
    /// coin's volatility is half or twice of what the barriers suppose for days at a time, which `volatility_ratio` tells.
    fn without_edge(seed: u64, symbols: usize, regimes: bool) -> Self {
        let columns = view();
        let mut market = Self {
            values: vec![],
            return_bps: vec![f64::NAN; symbols * BARS * 2],
            exit_bar: vec![0; symbols * BARS * 2],
            columns: columns.clone(),
        };
        let (width, common) = (columns.len() as u64, if regimes { 0.1_f64 } else { 0.5 });
        for symbol in 0..symbols as u64 {
            let stream =
                |column: u64, common: bool| if common { 800_000 + column } else { symbol * (width + 1) + column };
            let mut state = vec![0.0_f64; columns.len()];
            let (mut returns, mut volatility) = (vec![0.0], if regimes { 0.5 } else { 1.0 });
            for bar in 0..BARS {
                if regimes && uniform(draw(seed, 900_000 + symbol, bar as u64)) < 0.02 {
                    volatility = 2.5 - volatility;
                }
                for (column, value) in columns.iter().zip(&mut state) {
                    let own = column.index as u64;
                    let memory = 1.0 - 0.3 / (1.0 + 4.0 * (own % FEATURES as u64) as f64);
                    let is_common = column.name.starts_with("market_");
                    let noise = gauss(seed, stream(own, is_common), bar as u64);
                    *value = memory * *value + (1.0 - memory * memory).sqrt() * noise;
                    let code = |count: f64| ((*value + 1.0).clamp(0.0, 2.0) / 2.0 * count).min(count - 1.0).floor();
                    market.values.push(match column.name.as_str() {
                        "hour_of_day" => (bar % 24) as f32,
                        "day_of_week" => (bar / 24 % 7) as f32,
                        "is_weekend" => f32::from(u8::from(bar / 24 % 7 > 4)),
                        "volatility_regime" => code(3.0) as f32,
                        "market_regime" => code(4.0) as f32,
                        "volatility_ratio" if regimes => (volatility + 0.05 * *value) as f32,
                        _ => *value as f32,
                    });
                }
                let (shared, own) = (gauss(seed, 700_000, bar as u64), gauss(seed, stream(width, false), bar as u64));
                returns.push(volatility * (common.sqrt() * shared + (1.0 - common).sqrt() * own));
            }
            market.label(symbol as usize, &returns, &vec![0.0; BARS]);
        }
        market
    }

    fn label(&mut self, symbol: usize, returns: &[f64], drifts: &[f64]) {
        for (bar, drift) in drifts.iter().enumerate() {
            for (side, sign) in [1.0, -1.0].into_iter().enumerate() {
                let (mut gain, mut at) = (0.0, bar);
                let ended = loop {
                    at += 1;
                    if at >= BARS {
                        break false;
                    }
                    gain += sign * (returns[at] + drift);
                    if gain <= -3.0 || gain >= 5.0 || at - bar == MAX_HOLD {
                        break true;
                    }
                };
                if ended {
                    let cell = (symbol * BARS + bar) * 2 + side;
                    self.return_bps[cell] = 50.0 * (gain - 0.3);
                    self.exit_bar[cell] = at as u32;
                }
            }
        }
    }

    fn table(&self) -> Table<'_> {
        Table { values: &self.values, bars: BARS, features: self.columns.len(), columns: &self.columns }
    }

    fn outcomes(&self) -> Outcomes<'_> {
        Outcomes { return_bps: &self.return_bps, exit_bar: &self.exit_bar, bars: BARS }
    }

    fn mine(&self, scopes: &[Scope], params: &PatternParams) -> MiningResult {
        self.mine_with_known(&[], scopes, params)
    }

    fn mine_with_known(&self, known: &[KnownPattern], scopes: &[Scope], params: &PatternParams) -> MiningResult {
        let (table, outcomes) = (self.table(), self.outcomes());
        mine(&Inputs { table, outcomes, scopes, known, horizon_bars: HORIZON_BARS, params })
    }
}

fn columns(features: usize) -> Vec<Column> {
    (0..features).map(|index| Column { name: format!("f{index}"), index, binning: Binning::Quantiles }).collect()
}

fn tails() -> Vec<Column> {
    columns(58).into_iter().map(|column| Column { binning: Binning::Tails, ..column }).collect()
}

fn params() -> PatternParams {
    PatternParams {
        enabled: true,
        bins: 3,
        depth: 3,
        min_rows: 100,
        beam: 50,
        pooled: true,
        coins: true,
        discovery_level: 0.2,
        confirm_level: 0.1,
        most: 10,
        leads: 0,
    }
}

fn scope(name: &str, symbols: Vec<usize>) -> Scope {
    Scope {
        name: name.into(),
        symbols,
        train: 0..TRAIN,
        tests: vec![TESTS.start..TESTS.start + 720, TESTS.start + 720..TESTS.end],
    }
}

fn one_coin() -> Vec<Scope> {
    vec![scope("A", vec![0])]
}

/// A drift where f1 (memory of about 16 bars) is in its high third and f2 (about 30 bars) in its low third; ±0.43 are
/// the terciles of the standard normal distribution.
fn planted(edge: f64) -> impl Fn(&[f32]) -> f64 {
    move |row| if row[1] > 0.43 && row[2] < -0.43 { edge } else { 0.0 }
}

#[test]
fn counts_and_the_statistic_equal_values_computed_by_hand() {
    // Four blocks of 64 bars; the feature is high in the first half of each. Of the high rows, long wins 28, 20, 28 and
    // 20 of 32; of the low ones, 8 of 32 each. So 128 of 256 win in total. A win is 30 bps and a loss −10: 1 deviation above and
    // below the mean. The excess of the high rows is 24, 8, 24, 8 per block, on average 16. That of whole blocks is 8, −8, 8, −8,
    // and f is ½. So ψ = 24 − 16 − 4 = 4, 8 − 16 + 4 = −4, 4, −4; Σψ² = 64; Σψψ₊₁ = −48, which counts as 0. With four equal
    // blocks the variance is 64 · 4/3, which is more than that of independent rows, 128 · ½ · 1 = 64.
    let bars = 320;
    let values: Vec<f32> = (0..bars).map(|bar| if bar % 64 < 32 { 1.0 } else { 0.0 }).collect();
    let wins = |bar: usize| match (bar / 64 % 2, bar % 64) {
        (0, row @ 0..32) => row < 28,
        (_, row @ 0..32) => row < 20,
        (_, row) => row < 40,
    };
    let return_bps: Vec<f64> = (0..bars).flat_map(|bar| if wins(bar) { [30.0, -20.0] } else { [-10.0, 5.0] }).collect();
    let exit_bar: Vec<u32> = (0..bars as u32).flat_map(|bar| [bar + 1, bar + 1]).collect();
    let outcomes = Outcomes { return_bps: &return_bps, exit_bar: &exit_bar, bars };
    let columns = columns(1);
    let table = Table { values: &values, bars, features: 1, columns: &columns };
    let rows = Rows::new(&outcomes, &[0], std::slice::from_ref(&(0..256)), usize::MAX, 1);
    assert_eq!((rows.words(), rows.width), (4, 1));
    let items = Items::new(&table, &rows, 2);
    let masks = items.masks(&table, &rows);
    assert_eq!(masks[4..], [0xffff_ffff; 4]);
    let base = Base::of(&rows, &rows.labelled);
    let [long, short] = base.excess(&rows, &masks[4..], &mut Scratch::default());
    assert_eq!((long.rows, long.wins, long.sum), (128, 96, 64.0));
    assert_eq!((long.blocks, long.statistic), (4.0, 64.0 / (64.0 * 4.0 / 3.0_f64).sqrt()));
    // Tail of Student's t at 6.928 with three degrees of freedom, by scipy.
    assert!((long.p_value() / 0.0030826865694185777 - 1.0).abs() < 1e-9);
    assert_eq!(short.wins, 32);
    assert!((short.statistic + long.statistic).abs() < 1e-6, "{}", short.statistic);
    assert_eq!(long.base_win_rate, 0.5);
    assert_eq!(rows.mean_bps(&outcomes, &masks[4..], 0), (96.0 * 30.0 - 32.0 * 10.0) / 128.0);
    assert_eq!(rows.base_mean_bps(&masks[4..], 0), 10.0);
    // A mask that is the whole base has no excess.
    assert_eq!(base.excess(&rows, &rows.labelled, &mut Scratch::default())[0].statistic, 0.0);
    // Two conditions on each of three columns: 6, 12 and 8 sets.
    let three: Vec<Column> = (0..3).map(|_| columns[0].clone()).collect();
    let table = Table { columns: &three, ..table };
    let items = Items::new(&table, &rows, 2);
    assert_eq!([items.sets(1), items.sets(2), items.sets(3)], [6.0, 12.0, 8.0]);
}

#[test]
fn a_planted_pattern_is_found_and_confirmed_once() {
    let (mut learned, mut exact, runs) = (0, 0, 20);
    for seed in 0..runs {
        let market = Market::new(seed, 1, planted(0.4));
        let mined = market.mine(&one_coin(), &params());
        let confirmed: Vec<&Pattern> = mined.patterns.iter().filter(|pattern| pattern.learned).collect();
        let is_planted =
            |pattern: &&&Pattern| pattern.conditions_text() == "f1 high + f2 low" && pattern.side == Side::Long;
        learned += usize::from(confirmed.iter().any(|pattern| is_planted(&pattern)));
        exact += usize::from(confirmed.len() == 1 && is_planted(&&confirmed[0]));
    }
    println!("planted: learned in {learned} of {runs}, and nothing else in {exact}");
    assert!(learned >= 16, "{learned} of {runs}");
    assert!(exact >= 17, "{exact} of {runs}");
}

#[test]
fn no_candidate_is_starved_by_a_stronger_one() {
    let weights = weights(&[1e-12, 1e-8, 1e-4, 1e-3]);
    assert!((weights.iter().sum::<f64>() - 4.0).abs() < 1e-12);
    assert_eq!((weights[0], weights[1], weights[2]), (weights[2], weights[2], 10.0 * weights[3]));
    assert_eq!(super::weights(&[0.5]), [1.0]);
    // Two patterns of different strength: the weaker one is learned as well.
    let drift = |row: &[f32]| {
        let strong = if row[1] > 0.43 && row[2] < -0.43 { 0.4 } else { 0.0 };
        strong - if row[3] > 0.43 && row[4] < -0.43 { 0.2 } else { 0.0 }
    };
    let (mut both, runs) = (0, 10);
    for seed in 0..runs {
        let market = Market::new(600 + seed, 8, drift);
        let mined = market.mine(&[scope("*", (0..8).collect())], &PatternParams { depth: 2, ..params() });
        let has = |side: Side, conditions: &str| {
            mined.patterns.iter().any(|p| p.learned && p.side == side && p.conditions_text() == conditions)
        };
        both += usize::from(has(Side::Long, "f1 high + f2 low") && has(Side::Short, "f3 high + f4 low"));
    }
    println!("two planted patterns: both learned in {both} of {runs}");
    assert!(both >= 7, "{both} of {runs}");
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let market = Market::new(7, 3, planted(0.4));
    let scopes = [scope("A", vec![0]), scope("B", vec![1]), scope("C", vec![2]), scope("*", vec![0, 1, 2])];
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| market.mine(&scopes, &params()))
    };
    let first = with(1);
    assert!(first.patterns.iter().any(|pattern| pattern.learned && pattern.scope == 3));
    assert_eq!(first, with(2));
    assert_eq!(first, with(7));
}

#[test]
fn discovery_does_not_depend_on_the_test_windows() {
    let mut market = Market::new(7, 1, planted(0.4));
    let discovered = |mined: MiningResult| -> Vec<_> {
        mined.patterns.into_iter().map(|p| (p.conditions, p.side, p.train, p.p_value, p.q_value)).collect()
    };
    let before = discovered(market.mine(&one_coin(), &params()));
    assert!(!before.is_empty());
    for bar in TESTS.start..BARS {
        for side in 0..2 {
            market.return_bps[bar * 2 + side] = -market.return_bps[bar * 2 + side];
        }
    }
    let after = market.mine(&one_coin(), &params());
    assert!(after.patterns.iter().all(|pattern| !pattern.learned));
    assert_eq!(before, discovered(after));
    market.values[TESTS.start * FEATURES..].reverse();
    assert_eq!(before, discovered(market.mine(&one_coin(), &params())));
    // A training row whose label ends in a test window is left out.
    let rows = |end: usize| Rows::new(&market.outcomes(), &[0], std::slice::from_ref(&(0..TRAIN)), end, HORIZON_BARS);
    let count = |rows: Rows| rows.labelled.iter().map(|word| word.count_ones()).sum::<u32>();
    assert_eq!(count(rows(TESTS.start)), TRAIN as u32);
    assert!(count(rows(TRAIN)) < TRAIN as u32);
}

#[test]
fn all_coins_together_find_what_one_alone_cannot() {
    let market = Market::new(11, 12, planted(0.12));
    let mut scopes: Vec<Scope> = (0..12).map(|symbol| scope(&format!("S{symbol}"), vec![symbol])).collect();
    scopes.push(scope("*", (0..12).collect()));
    let mined = market.mine(&scopes, &params());
    let learned: Vec<&Pattern> = mined.patterns.iter().filter(|pattern| pattern.learned).collect();
    assert!(learned.iter().any(|pattern| pattern.scope == 12 && pattern.conditions_text() == "f1 high + f2 low"));
    assert!(learned.iter().filter(|pattern| pattern.scope < 12).count() <= 2, "{learned:?}");
}

#[test]
fn leads_and_known_patterns_are_measured_and_never_learned() {
    let market = Market::new(1014, 1, |_| 0.0);
    let condition = |feature: &str, name: &str| (feature.to_owned(), name.to_owned());
    let known = |conditions: Vec<(String, String)>| KnownPattern { scope: 0, side: Side::Short, conditions };
    let known = [
        known(vec![condition("f5", "low"), condition("f3", "mid")]),
        known(vec![condition("f5", "a bin of other settings")]),
    ];
    assert_eq!(market.mine(&one_coin(), &params()).patterns, []);
    let mined = market.mine_with_known(&known, &one_coin(), &PatternParams { leads: 2, ..params() });
    assert_eq!(mined.patterns.len(), 3);
    assert!(mined.patterns.iter().all(|p| !p.candidate && !p.learned && p.test_q_value == 1.0 && p.test.rows > 0));
    let last = &mined.patterns[2];
    assert_eq!((last.conditions_text().as_str(), last.side), ("f3 mid + f5 low", Side::Short));
    // A known pattern that was not selected is no candidate, however significant.
    let market = Market::new(19, 1, planted(0.4));
    let part = KnownPattern { scope: 0, side: Side::Long, conditions: vec![condition("f1", "high")] };
    let mined = market.mine_with_known(&[part], &one_coin(), &PatternParams { most: 1, ..params() });
    let [first, last] = mined.patterns.as_slice() else { panic!("{mined:?}") };
    assert!(first.candidate && last.conditions_text() == "f1 high" && !last.candidate);
    assert!(last.q_value <= params().discovery_level, "{last:?}");
    // Leads do not change what is learned.
    let market = Market::new(7, 1, planted(0.4));
    let learned = |leads: usize| {
        let mined = market.mine_with_known(&known, &one_coin(), &PatternParams { leads, ..params() });
        mined.patterns.into_iter().filter(|pattern| pattern.candidate).collect::<Vec<_>>()
    };
    assert!(!learned(0).is_empty());
    assert_eq!(learned(0), learned(5));
}

#[test]
fn patterns_are_described_as_text() {
    let condition =
        |feature: &str, name: &str| Condition { feature: feature.into(), name: name.into(), from: None, to: None };
    let pattern = Pattern {
        scope: 0,
        side: Side::Long,
        conditions: vec![condition("rsi_14", "high"), condition("volatility_20", "low")],
        train: Record { rows: 312, wins: 203, base_win_rate: 0.481, mean_bps: 14.2, base_mean_bps: -3.4 },
        test: Record { rows: 0, wins: 0, base_win_rate: f64::NAN, mean_bps: f64::NAN, base_mean_bps: f64::NAN },
        p_value: 1e-6,
        q_value: 0.01,
        test_p_value: 0.5,
        test_q_value: 0.5,
        candidate: false,
        learned: false,
    };
    assert_eq!(
        pattern.insight(),
        "rsi_14 high + volatility_20 low: long wins 65 % of 312 (base 48 %), +14 bps (base −3 bps); on test windows it never occurred"
    );
    assert_eq!(pattern.title(&scope("BTC-USDT", vec![0])), "BTC-USDT long: rsi_14 high + volatility_20 low");
    assert_eq!(pattern.title(&scope("*", vec![0, 1])), "all coins long: rsi_14 high + volatility_20 low");
}
