//! Hands each command to its room and shows what comes back.

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use serde_json::Value;

use huracan::commands;
use huracan::exit::{Code, Failure};
use huracan::settings::Purpose;

use super::boost::Boost;
use super::{Cli, Command};

/// Runs the command; gives back the exit code of a success.
pub fn dispatch(cli: &Cli) -> Result<u8, Failure> {
    match &cli.command {
        Command::Features(args) => {
            let settings = cli.settings(Purpose::Tables)?;
            threads(settings.engine.threads)?;
            show(cli, &commands::features::run(&settings, &args.candles, &args.out)?)
        }
        Command::Labels(args) => {
            let settings = cli.settings(Purpose::Tables)?;
            threads(settings.engine.threads)?;
            show(cli, &commands::labels::run(&settings, &args.candles, &args.out)?)
        }
        Command::Folds { candles } => {
            let plan = commands::folds::run(&cli.settings(Purpose::Tables)?, candles)?;
            if cli.common.json {
                println!("{}", plan.json());
            } else {
                let (heading, rows) = plan.table();
                table(heading, rows);
                for (symbol, reason) in &plan.too_short {
                    eprintln!("{symbol}: {reason}");
                }
            }
            Ok(if plan.too_short.is_empty() { 0 } else { Code::Partial as u8 })
        }
        Command::Boost(boost) => {
            let answer = match boost {
                Boost::Train(args) => {
                    threads(args.threads)?;
                    args.run()?
                }
                Boost::Predict(args) => args.run()?,
            };
            show(cli, &answer)
        }
        Command::Backtest { candles, signals, trades } => {
            let settings = cli.settings(Purpose::Tables)?;
            threads(settings.engine.threads)?;
            let workdir = &cli.common.workdir;
            show(cli, &commands::backtest::run(&settings, workdir, candles, signals.as_deref(), trades)?)
        }
        _ => Err(Failure::new(Code::Failed, "not in this build")),
    }
}

/// Sets the number of CPU threads for the whole process; 0 takes every core.
fn threads(count: usize) -> Result<(), Failure> {
    rayon::ThreadPoolBuilder::new().num_threads(count).build_global()?;
    Ok(())
}

fn show(cli: &Cli, answer: &Value) -> Result<u8, Failure> {
    if cli.common.json {
        println!("{answer}");
    } else if let Some(map) = answer.as_object() {
        for (key, value) in map {
            match value {
                Value::Array(list) => println!("{key}: {}", list.len()),
                Value::String(text) => println!("{key}: {text}"),
                other => println!("{key}: {other}"),
            }
        }
    }
    Ok(0)
}

fn table(heading: Vec<&str>, rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(heading);
    table.add_rows(rows);
    println!("{table}");
}
