//! Hands each command to its room and shows what comes back.

use std::time::Duration;

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use serde_json::Value;

use huracan::engine::Compute;
use huracan::exit::{Answer, Code, Failure};
use huracan::settings::Purpose;
use huracan::{commands, kill, pipeline, ui};

use super::backtest::Backtest;
use super::boost::Boost;
use super::{Cli, Command, KillAction, RunArgs};

/// Runs the command; gives back the exit code of a success.
pub fn dispatch(cli: &Cli) -> Result<u8, Failure> {
    if cli.command.keeps_accounts() {
        only_for_the_owner();
    }
    match &cli.command {
        Command::Features(args) => {
            let settings = cli.settings(Purpose::Tables)?;
            threads(settings.engine.threads)?;
            show(cli, &commands::features::run(&settings, &cli.common.workdir, &args.candles, &args.out)?)
        }
        Command::Labels(args) => {
            let settings = cli.settings(Purpose::Tables)?;
            threads(settings.engine.threads)?;
            show(cli, &commands::labels::run(&settings, &cli.common.workdir, &args.candles, &args.out)?)
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
        Command::Boost(boost) => match boost {
            Boost::Train(args) => {
                threads(args.threads)?;
                on_device(cli, |compute| args.run(compute, &ui::Ui::new(cli.common.json)))
            }
            Boost::Predict(args) => on_device(cli, |compute| args.run(compute)),
            Boost::Convert(args) => show(cli, &args.run()?),
            Boost::Importance(args) => {
                let ranking = args.run()?;
                if cli.common.json {
                    println!("{}", serde_json::to_string(&ranking)?);
                } else {
                    show_ranking(&ranking);
                }
                Ok(0)
            }
        },
        Command::Verify { model, candles } => {
            let settings = cli.settings(Purpose::Tables)?;
            threads(settings.engine.threads)?;
            let verified = commands::verify(&settings, &cli.common.workdir, model, candles.as_deref())?;
            if cli.common.json {
                println!("{}", serde_json::to_string(&verified)?);
            } else {
                show_verified(&verified);
            }
            Ok(if verified.equal { 0 } else { Code::Failed as u8 })
        }
        Command::Backtest(args) => backtest(cli, args),
        Command::Audit(args) => {
            let settings = cli.settings(Purpose::Training)?;
            threads(settings.engine.threads)?;
            args.run(&settings, &cli.common.workdir, cli.common.json)
        }
        Command::Bench(args) => {
            let settings = cli.settings(Purpose::Training)?;
            threads(settings.engine.threads)?;
            args.run(&settings, &cli.common.workdir, cli.common.json)
        }
        Command::Run(args) => day(cli, args, false),
        Command::Train(args) => day(cli, args, true),
        Command::Schedule => runtime()?.block_on(super::schedule::schedule(cli)),
        Command::Universe(args) => {
            let settings = cli.settings(Purpose::Training)?;
            let (selection, answer) = runtime()?.block_on(commands::universe(&settings, &cli.request(args.date)))?;
            if cli.common.json {
                println!("{}", answer.json);
            } else {
                if answer.json["simulated"] == true {
                    println!("SIMULATED MARKET: these coins are invented.");
                }
                let heading = vec!["rank", "symbol", "score", "daily volume, USD", "age, days", "spread, bps"];
                let number = |value: Option<f64>, digits: usize| {
                    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
                };
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
                table(heading, rows.collect());
                for coin in &selection.excluded {
                    println!("{}: {}", coin.symbol, coin.reason);
                }
            }
            Ok(answer.code)
        }
        Command::Download(args) => {
            let settings = cli.settings(Purpose::Training)?;
            answered(cli, runtime()?.block_on(commands::download(&settings, &cli.request(args.date)))?)
        }
        Command::Report => {
            let settings = cli.settings(Purpose::Tables)?;
            answered(cli, runtime()?.block_on(commands::report(&settings, &cli.request(None)))?)
        }
        Command::Export(args) => {
            let settings = cli.settings(Purpose::Tables)?;
            answered(cli, runtime()?.block_on(commands::export(&settings, &cli.request(args.date)))?)
        }
        Command::Sync(args) => {
            let settings = cli.settings(Purpose::Tables)?;
            answered(cli, runtime()?.block_on(commands::sync(&settings, &cli.request(args.date)))?)
        }
        Command::Restore { date, overwrite } => {
            let settings = cli.settings(Purpose::Tables)?;
            answered(cli, runtime()?.block_on(commands::restore(&settings, &cli.request(date.date), *overwrite))?)
        }
        Command::Status => {
            let settings = cli.settings(Purpose::Tables)?;
            answered(cli, runtime()?.block_on(commands::status(&settings, &cli.request(None)))?)
        }
        Command::Doctor => {
            let settings = cli.settings(Purpose::Tables)?;
            let workdir = &cli.common.workdir;
            let answer = runtime()?.block_on(commands::doctor(&settings, workdir, cli.common.json))?;
            if cli.common.json {
                println!("{}", answer.json);
            }
            Ok(answer.code)
        }
        Command::Kill { action, why } => kill_switch(cli, *action, why.as_deref()),
    }
}

/// What these commands write tells of an account (database, journal, logs, exports, reports): files that only their
/// owner can read.
fn only_for_the_owner() {
    // SAFETY: sets a number of this process.
    unsafe { libc::umask(0o077) };
}

/// The runtime of the steps that wait for others: databases, exchanges, remotes.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build()?)
}

fn backtest(cli: &Cli, args: &Backtest) -> Result<u8, Failure> {
    let settings = cli.settings(Purpose::Tables)?;
    threads(settings.engine.threads)?;
    let workdir = &cli.common.workdir;
    if let Some(request) = args.request() {
        let swept = commands::sweep::run(&settings, workdir, &request, &ui::Ui::new(cli.common.json))?;
        if cli.common.json {
            println!("{}", swept.answer);
        } else {
            if !swept.rows.is_empty() {
                table(swept.heading, swept.rows);
            }
            swept.remarks.iter().for_each(|remark| println!("{remark}"));
        }
        return Ok(0);
    }
    let trades = args.trades.as_deref().ok_or_else(|| Failure::new(Code::Usage, "give --trades FILE"))?;
    show(cli, &commands::backtest::run(&settings, workdir, &args.candles, args.signals.as_deref(), trades)?)
}

fn day(cli: &Cli, args: &RunArgs, stored_only: bool) -> Result<u8, Failure> {
    let settings = cli.settings(Purpose::Training)?;
    threads(settings.engine.threads)?;
    let request = pipeline::Request { resume: args.resume, stored_only, ..cli.request(args.date.date) };
    let runtime = runtime()?;
    let answer = runtime.block_on(pipeline::run(settings, request));
    // A health check that hangs on a dead disk holds its thread for good, and must not hold the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    let answer = answer?;
    if cli.common.json {
        println!("{}", answer.json);
    }
    Ok(answer.code)
}

fn kill_switch(cli: &Cli, action: KillAction, why: Option<&str>) -> Result<u8, Failure> {
    let workdir = &cli.common.workdir;
    let now = match action {
        KillAction::On => {
            let why = why.ok_or_else(|| Failure::new(Code::Usage, "say why: huracan kill on --why TEXT"))?;
            Some(kill::on(workdir, why)?)
        }
        KillAction::Off => {
            kill::off(workdir)?;
            None
        }
        KillAction::Status => kill::status(workdir),
    };
    if cli.common.json {
        println!("{}", serde_json::json!({ "on": now.is_some(), "kill_switch": now }));
    } else {
        println!("kill switch: {}", now.map_or_else(|| "off".to_owned(), |killed| killed.to_string()));
    }
    Ok(0)
}

fn answered(cli: &Cli, answer: Answer) -> Result<u8, Failure> {
    show(cli, &answer.json)?;
    Ok(answer.code)
}

/// Works on the device that is asked for, or that of the settings, and shows what comes of it.
fn on_device(cli: &Cli, work: impl FnOnce(&Compute) -> Result<Value, Failure>) -> Result<u8, Failure> {
    let compute = cli.settings(Purpose::Tables)?.open_device(&cli.common.workdir)?;
    let done = work(&compute);
    commands::fallback::tell(&compute);
    show(cli, &done?)
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

fn show_verified(verified: &commands::Verified) {
    let short = |told: &str| if told.len() == 64 { told.chars().take(16).collect() } else { told.to_owned() };
    let rows = verified.checks.iter().map(|check| {
        let equal = match (check.equal, check.recorded == check.found) {
            (true, true) => "equal",
            (true, false) => "equal within its tolerance",
            (false, _) => "DIFFERENT",
        };
        vec![check.of.clone(), check.head.clone(), short(&check.recorded), short(&check.found), equal.to_owned()]
    });
    table(vec!["of", "head", "recorded", "trained again", ""], rows.collect());
    println!("{}: trained on {}, again on {}", verified.symbol, verified.recorded_device, verified.device);
    if verified.equal {
        println!("equal in all {} models", verified.checks.len());
        return;
    }
    if verified.recorded_commit != verified.commit {
        println!("made by commit {}, checked by {}", verified.recorded_commit, verified.commit);
    }
    println!("NOT EQUAL: this is not the model that its inputs give");
}

fn show_ranking(ranking: &commands::boost::Ranking) {
    let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.6}"));
    let rows = ranking.features.iter().map(|one| {
        let permutation = match one.permutation_deviation {
            Some(deviation) => format!("{} ± {deviation:.6}", number(one.permutation)),
            None => number(None),
        };
        let gain = format!("{:.2} %", 100.0 * one.gain);
        vec![one.feature.clone(), gain, one.splits.to_string(), number(one.shap), permutation]
    });
    table(vec!["feature", "gain", "splits", "mean |SHAP|", "loss when shuffled"], rows.collect());
}

fn table(heading: Vec<&str>, rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(heading);
    table.add_rows(rows);
    println!("{table}");
}
