//! The metrics equal those of empyrical and SciPy.

use crate::python;

use huracan::arith::{draw, uniform};
use huracan::bars::DAY_MS;
use huracan::metrics::{Account, Entry, Evidence, Metrics, normal_cdf, normal_quantile, student_cdf};
use huracan::shadow::{ExitReason, Side, Trade};
use serde_json::{Value, json};

/// Daily returns, the net results of trades in basis points, and the number of tries.
struct Case {
    name: &'static str,
    returns: Vec<f64>,
    trades: Vec<f64>,
    tries: usize,
}

fn normals(seed: u64, n: u64, mean: f64, deviation: f64) -> Vec<f64> {
    (0..n).map(|i| mean + deviation * normal_quantile(uniform(draw(seed, 0, i)).max(1e-17))).collect()
}

fn cases() -> Vec<Case> {
    let case = |name, returns, trades, tries| Case { name, returns, trades, tries };
    // Student's t with three degrees, by its definition.
    let heavy: Vec<f64> = (0..200)
        .map(|i| {
            let z = normals(9, 800, 0.0, 1.0);
            let chi: f64 = z[4 * i + 1..4 * i + 4].iter().map(|z| z * z).sum();
            100.0 * z[4 * i] / (chi / 3.0).sqrt() + 5.0
        })
        .collect();
    let idle: Vec<f64> =
        normals(4, 300, 0.002, 0.02).iter().zip(0..).map(|(r, i)| if i % 3 == 0 { *r } else { 0.0 }).collect();
    vec![
        case("a year, gaining", normals(1, 365, 0.002, 0.02), normals(2, 120, 15.0, 90.0), 1),
        case("a year, losing", normals(3, 365, -0.003, 0.03), normals(5, 60, -25.0, 120.0), 20),
        case("mostly idle days, heavy tails", idle, heavy, 7),
        case("two days, two trades", vec![0.01, -0.02], vec![30.0, -10.0], 2),
        case("never a loss", vec![0.01, 0.02, 0.005, 0.0], vec![10.0, 40.0, 25.0], 1),
        case("never a gain", vec![-0.01, -0.02, -0.005, 0.0], vec![-10.0, -40.0, 0.0], 100),
        case("a ruinous day", vec![0.1, -0.95, 0.5, 0.2, 0.01], vec![100.0, -9000.0, 20.0, 20.0, 20.0], 3),
        case(
            "one trade that made it all",
            normals(6, 90, 0.0005, 0.01),
            [normals(7, 40, -4.0, 20.0), vec![900.0]].concat(),
            5,
        ),
        case("ten years", normals(8, 3650, 0.0004, 0.025), normals(10, 3000, 2.0, 80.0), 1000),
    ]
}

/// An account whose days have these returns and whose trades of 100 each have these results.
fn account(case: &Case) -> Account {
    let mut curve = vec![(0, 1000.0)];
    for (day, r) in (1..).zip(&case.returns) {
        curve.push((day * DAY_MS, curve[curve.len() - 1].1 * (1.0 + r)));
    }
    let entry = |day: i64, net_bps: f64| {
        let trade = Trade {
            symbol: 0,
            side: Side::Long,
            signal_bar: 0,
            entry_bar: 1,
            entry_price: 100.0,
            exit_bar: 3,
            exit_price: 100.0,
            stop_price: 96.0,
            take_price: 110.0,
            size: 1.0,
            exit_reason: ExitReason::Time,
            gross_bps: net_bps,
            fee_bps: 0.0,
            spread_bps: 0.0,
            slippage_bps: 0.0,
            funding_bps: 0.0,
            net_bps,
        };
        Entry { trade, day, notional: 10_000.0, profit: net_bps }
    };
    Account {
        start_equity: 1000.0,
        entries: (0..).zip(&case.trades).map(|(day, &bps)| entry(day, bps)).collect(),
        refused: 0,
        curve,
    }
}

#[test]
fn every_metric_equals_empyricals_or_scipys() {
    let Some(python) = python::python_with("empyrical") else { return };
    let cases = cases();
    let folder = tempfile::tempdir().unwrap();
    let (job, result) = (folder.path().join("job.json"), folder.path().join("result.json"));
    let jobs: Vec<Value> = cases
        .iter()
        .map(|case| json!({ "returns": case.returns, "trades": case.trades, "tries": case.tries }))
        .collect();
    std::fs::write(&job, Value::from(jobs).to_string()).unwrap();
    python::run(&python, "judge.py", &[&job, &result]);
    let results: Vec<Value> = serde_json::from_slice(&std::fs::read(&result).unwrap()).unwrap();
    assert_eq!(results.len(), cases.len());
    for (case, theirs) in cases.iter().zip(&results) {
        let account = account(case);
        let (metrics, evidence) = (Metrics::of(&account), Evidence::of_model(&account, case.tries, 1));
        let ours = [
            ("total", metrics.total_return),
            ("annualised", metrics.annualised_return),
            ("sharpe", metrics.sharpe),
            ("sortino", metrics.sortino),
            ("calmar", metrics.calmar),
            ("max_drawdown", metrics.drawdown.max),
            ("win_rate", metrics.trades.win_rate),
            ("profit_factor", metrics.trades.profit_factor),
            ("skewness", evidence.skewness.unwrap()),
            ("kurtosis", evidence.kurtosis.unwrap()),
            ("probabilistic_sharpe", evidence.probabilistic_sharpe.unwrap()),
            ("published_deflated_sharpe", evidence.published_deflated_sharpe.unwrap()),
            ("deflated_sharpe", evidence.deflated_sharpe.unwrap()),
        ];
        // With a trade a day, the statistic by days is Student's; of fewer than ten days there is none.
        let t_statistic = evidence.t_statistic.map(|t| ("t_statistic", t));
        assert_eq!(t_statistic.is_some(), case.trades.len() >= 10, "{}", case.name);
        for (name, ours) in ours.into_iter().chain(t_statistic) {
            // Where a ratio is undefined, as without a single loss, empyrical says infinite or not a number, and we 0.
            let theirs = theirs[name].as_f64().unwrap_or(0.0);
            assert!(
                (ours - theirs).abs() <= 1e-10 * theirs.abs().max(1.0),
                "{}, {name}: {ours} against {theirs}",
                case.name
            );
        }
    }
}

#[test]
fn the_distributions_equal_scipys_all_along() {
    let Some(python) = python::python_with("scipy") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (job, result) = (folder.path().join("job.json"), folder.path().join("result.json"));
    let points: Vec<f64> = (-80..=80).map(|i| f64::from(i) / 10.0).collect();
    let degrees = [1, 2, 3, 4, 9, 29, 30, 99, 400, 5001, 50_001];
    let shares: Vec<f64> = (1..2000).map(|i| f64::from(i) / 2000.0).chain([1e-9, 1e-5, 1.0 - 1e-9]).collect();
    std::fs::write(&job, json!({ "points": points, "degrees": degrees, "shares": shares }).to_string()).unwrap();
    python::run(&python, "distributions.py", &[&job, &result]);
    let theirs: Value = serde_json::from_slice(&std::fs::read(&result).unwrap()).unwrap();
    let numbers =
        |value: &Value| -> Vec<f64> { value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect() };
    let agree = |what: &str, ours: Vec<f64>, theirs: &Value| {
        let theirs = numbers(theirs);
        assert_eq!(ours.len(), theirs.len());
        let worst = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f64::max);
        assert!(worst < 1e-12, "{what}: {worst:e} apart");
    };
    agree("normal", points.iter().map(|&x| normal_cdf(x)).collect(), &theirs["normal"]);
    agree("quantile", shares.iter().map(|&p| normal_quantile(p)).collect(), &theirs["quantile"]);
    for (i, degrees) in degrees.into_iter().enumerate() {
        let ours = points.iter().map(|&t| student_cdf(t, degrees)).collect();
        agree(&format!("t, {degrees} degrees"), ours, &theirs["student"][i]);
    }
}
