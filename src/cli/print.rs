//! Results as text on standard output.

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use serde_json::Value;

use crate::commands::{Verified, boost::Ranking};
use crate::exit::CommandFailure;
use crate::market::Selection;

use super::Cli;

/// Prints a result: as JSON with `--json`, otherwise one line per value. Returns exit code 0.
pub fn print_result(cli: &Cli, result: &Value) -> Result<u8, CommandFailure> {
    if cli.common.json {
        println!("{result}");
    } else if let Some(map) = result.as_object() {
        for (key, value) in map {
            match value {
                Value::Array(list) => println!("{key}: {}", list.len()),
                Value::String(text) => println!("{key}: {text}"),
                Value::Object(inner) => {
                    for (name, value) in inner {
                        println!("{key}.{name}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
                    }
                }
                other => println!("{key}: {other}"),
            }
        }
    }
    Ok(0)
}

/// Prints the coins that were chosen, and why the others were left out.
pub fn print_selection(selection: &Selection, simulated: bool) {
    if simulated {
        println!("SIMULATED MARKET: these coins are invented.");
    }
    let heading = vec!["rank", "symbol", "score", "daily volume, USD", "age, days", "spread, bps"];
    let number =
        |value: Option<f64>, digits: usize| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"));
    let rows = selection.chosen.iter().map(|coin| {
        vec![
            coin.rank.to_string(),
            coin.symbol.clone(),
            format!("{:.3}", coin.score),
            format!("{:.0}", coin.daily_volume_usd),
            number(coin.age_days, 0),
            number(coin.spread_bps, 1),
        ]
    });
    print_table(heading, rows.collect());
    for coin in &selection.excluded {
        println!("{}: {}", coin.symbol, coin.reason);
    }
}

/// Prints what `verify` compared.
pub fn print_verified(verified: &Verified) {
    // A digest is cut to 16 of its 64 digits.
    let short = |value: &str| if value.len() == 64 { value.chars().take(16).collect() } else { value.to_owned() };
    let rows = verified.checks.iter().map(|check| {
        let equal = match (check.equal, check.recorded == check.found) {
            (true, true) => "equal",
            (true, false) => "equal within its tolerance",
            (false, _) => "DIFFERENT",
        };
        vec![check.of.clone(), check.head.clone(), short(&check.recorded), short(&check.found), equal.to_owned()]
    });
    print_table(vec!["of", "head", "recorded", "trained again", ""], rows.collect());
    println!("{}: trained on {}, again on {}", verified.symbol, verified.recorded_device, verified.device);
    verified.not_checked.iter().for_each(|what| println!("{what}: not checked"));
    if verified.equal {
        println!("equal in all {} models", verified.checks.len());
        return;
    }
    if verified.recorded_commit != verified.commit {
        println!("made by commit {}, checked by {}", verified.recorded_commit, verified.commit);
    }
    println!("NOT EQUAL: training from the recorded inputs gives another model");
}

/// Prints features by importance.
pub fn print_ranking(ranking: &Ranking) {
    let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.6}"));
    let rows = ranking.features.iter().map(|one| {
        let permutation = match one.permutation_deviation {
            Some(deviation) => format!("{} ± {deviation:.6}", number(one.permutation)),
            None => number(None),
        };
        let gain = format!("{:.2} %", 100.0 * one.gain);
        vec![one.feature.clone(), gain, one.splits.to_string(), number(one.shap), permutation]
    });
    print_table(vec!["feature", "gain", "splits", "mean |SHAP|", "loss when shuffled"], rows.collect());
}

/// Prints a table with borders.
pub fn print_table(heading: Vec<&str>, rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(heading);
    table.add_rows(rows);
    println!("{table}");
}
