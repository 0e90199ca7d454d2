//! Runs the command of the command line and prints its result.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::engine::Compute;
use crate::exit::{Code, CommandFailure, CommandOutput};
use crate::settings::{Purpose, Settings};
use crate::ui::Ui;
use crate::{commands, kill, pipeline};

use super::backtest::Backtest;
use super::boost::{Boost, Importance};
use super::print::{print_ranking, print_result, print_selection, print_table, print_verified};
use super::signal::Signal;
use super::{Cli, Command, DateArgs, KillAction, RunArgs};

/// Runs the command. Returns the exit code of a success.
pub fn dispatch(cli: &Cli) -> Result<u8, CommandFailure> {
    if cli.command.handles_account_data() {
        restrict_new_files_to_owner();
    }
    let workdir = &cli.common.workdir;
    match &cli.command {
        Command::Run(args) => day(cli, args, false),
        Command::Train(args) => day(cli, args, true),
        Command::Schedule => runtime()?.block_on(super::schedule::schedule(cli)),
        Command::Universe(args) => universe(cli, args),
        Command::Download(args) => download(cli, args),
        Command::Report => report(cli),
        Command::Export(args) => export(cli, args),
        Command::Sync(args) => sync(cli, args),
        Command::Restore { date, overwrite } => restore(cli, date, *overwrite),
        Command::Status => status(cli),
        Command::Doctor => doctor(cli),
        Command::Kill { action, why } => kill_switch(cli, *action, why.as_deref()),
        Command::Features { candles: args, view } => {
            let settings = table_settings(cli)?;
            print_result(cli, &commands::features::run(&settings, workdir, &args.candles, *view, &args.out)?)
        }
        Command::Labels(args) => {
            let settings = table_settings(cli)?;
            print_result(cli, &commands::labels::run(&settings, workdir, &args.candles, &args.out)?)
        }
        Command::Folds { candles } => folds(cli, candles),
        Command::Boost(boost) => train_or_use_trees(cli, boost),
        Command::Verify { model, candles } => verify(cli, model, candles.as_deref()),
        Command::Backtest(args) => backtest(cli, args),
        Command::Signal(args) => signal(cli, args),
        Command::Audit(args) => args.run(&training_settings(cli)?, workdir, cli.common.json),
        Command::Bench(args) => args.run(&training_settings(cli)?, workdir, cli.common.json),
    }
}

/// Makes every file that this process creates readable by its owner alone: database, journal, logs, exports and reports
/// hold account data.
fn restrict_new_files_to_owner() {
    // SAFETY: only sets this process's file mode mask.
    unsafe { libc::umask(0o077) };
}

/// The runtime for commands that wait for databases, exchanges and remotes.
fn runtime() -> Result<tokio::runtime::Runtime, CommandFailure> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build()?)
}

/// Settings of a command that reads or writes tables; starts the CPU threads.
fn table_settings(cli: &Cli) -> Result<Settings, CommandFailure> {
    computing_settings(cli, Purpose::Tables)
}

/// Settings of a command that trains; starts the CPU threads.
fn training_settings(cli: &Cli) -> Result<Settings, CommandFailure> {
    computing_settings(cli, Purpose::Training)
}

fn computing_settings(cli: &Cli, purpose: Purpose) -> Result<Settings, CommandFailure> {
    let settings = cli.settings(purpose)?;
    set_threads(settings.engine.threads)?;
    Ok(settings)
}

/// Sets the number of CPU threads for the whole process; 0 takes every core.
fn set_threads(count: usize) -> Result<(), CommandFailure> {
    rayon::ThreadPoolBuilder::new().num_threads(count).build_global()?;
    Ok(())
}

/// Runs `work` on the device of the settings and prints its result.
fn on_device(cli: &Cli, work: impl FnOnce(&Compute) -> Result<Value, CommandFailure>) -> Result<u8, CommandFailure> {
    let compute = cli.settings(Purpose::Tables)?.open_device(&cli.common.workdir)?;
    let result = work(&compute);
    commands::fallback::warn_if_lost(&compute);
    print_result(cli, &result?)
}

fn print_answer(cli: &Cli, answer: CommandOutput) -> Result<u8, CommandFailure> {
    print_result(cli, &answer.json)?;
    Ok(answer.code)
}

fn day(cli: &Cli, args: &RunArgs, stored_only: bool) -> Result<u8, CommandFailure> {
    let settings = training_settings(cli)?;
    let request = pipeline::Request { resume: args.resume, stored_only, ..cli.request(args.date.date) };
    let runtime = runtime()?;
    let answer = runtime.block_on(pipeline::run(settings, request));
    // A health check that hangs on a dead disk never gives its thread back. It must not keep the process alive.
    runtime.shutdown_timeout(Duration::from_secs(1));
    let answer = answer?;
    if cli.common.json {
        println!("{}", answer.json);
    }
    Ok(answer.code)
}

fn universe(cli: &Cli, args: &DateArgs) -> Result<u8, CommandFailure> {
    let settings = cli.settings(Purpose::Training)?;
    let (selection, answer) = runtime()?.block_on(commands::universe(&settings, &cli.request(args.date)))?;
    if cli.common.json {
        println!("{}", answer.json);
    } else {
        print_selection(&selection, answer.json["simulated"] == true);
    }
    Ok(answer.code)
}

fn download(cli: &Cli, args: &DateArgs) -> Result<u8, CommandFailure> {
    let settings = cli.settings(Purpose::Training)?;
    print_answer(cli, runtime()?.block_on(commands::download(&settings, &cli.request(args.date)))?)
}

fn report(cli: &Cli) -> Result<u8, CommandFailure> {
    let settings = cli.settings(Purpose::Tables)?;
    print_answer(cli, runtime()?.block_on(commands::report(&settings, &cli.request(None)))?)
}

fn export(cli: &Cli, args: &DateArgs) -> Result<u8, CommandFailure> {
    let settings = cli.settings(Purpose::Tables)?;
    print_answer(cli, runtime()?.block_on(commands::export(&settings, &cli.request(args.date)))?)
}

fn sync(cli: &Cli, args: &DateArgs) -> Result<u8, CommandFailure> {
    let settings = cli.settings(Purpose::Tables)?;
    print_answer(cli, runtime()?.block_on(commands::sync(&settings, &cli.request(args.date)))?)
}

fn restore(cli: &Cli, args: &DateArgs, overwrite: bool) -> Result<u8, CommandFailure> {
    let settings = cli.settings(Purpose::Tables)?;
    print_answer(cli, runtime()?.block_on(commands::restore(&settings, &cli.request(args.date), overwrite))?)
}

fn status(cli: &Cli) -> Result<u8, CommandFailure> {
    let settings = cli.settings(Purpose::Tables)?;
    print_answer(cli, runtime()?.block_on(commands::status(&settings, &cli.request(None)))?)
}

fn doctor(cli: &Cli) -> Result<u8, CommandFailure> {
    let settings = cli.settings(Purpose::Tables)?;
    let answer = runtime()?.block_on(commands::doctor(&settings, &cli.common.workdir, cli.common.json))?;
    if cli.common.json {
        println!("{}", answer.json);
    }
    Ok(answer.code)
}

fn kill_switch(cli: &Cli, action: KillAction, why: Option<&str>) -> Result<u8, CommandFailure> {
    let workdir = &cli.common.workdir;
    let now = match action {
        KillAction::On => {
            let why =
                why.ok_or_else(|| CommandFailure::new(Code::Usage, "give a reason: huracan kill on --why TEXT"))?;
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

fn folds(cli: &Cli, candles: &Path) -> Result<u8, CommandFailure> {
    let plan = commands::folds::run(&cli.settings(Purpose::Tables)?, candles)?;
    if cli.common.json {
        println!("{}", plan.json());
    } else {
        let (heading, rows) = plan.table();
        print_table(heading, rows);
        for (symbol, reason) in &plan.too_short {
            eprintln!("{symbol}: {reason}");
        }
    }
    Ok(if plan.too_short.is_empty() { 0 } else { Code::Partial as u8 })
}

fn train_or_use_trees(cli: &Cli, boost: &Boost) -> Result<u8, CommandFailure> {
    match boost {
        Boost::Train(args) => {
            set_threads(args.threads)?;
            on_device(cli, |compute| args.run(compute, &Ui::new(cli.common.json)))
        }
        Boost::Predict(args) => on_device(cli, |compute| args.run(compute)),
        Boost::Convert(args) => print_result(cli, &args.run()?),
        Boost::Importance(args) => importance(cli, args),
    }
}

fn importance(cli: &Cli, args: &Importance) -> Result<u8, CommandFailure> {
    let ranking = args.run()?;
    if cli.common.json {
        println!("{}", serde_json::to_string(&ranking)?);
    } else {
        print_ranking(&ranking);
    }
    Ok(0)
}

fn verify(cli: &Cli, model: &Path, candles: Option<&Path>) -> Result<u8, CommandFailure> {
    let verified = commands::verify(&table_settings(cli)?, &cli.common.workdir, model, candles)?;
    if cli.common.json {
        println!("{}", serde_json::to_string(&verified)?);
    } else {
        print_verified(&verified);
    }
    Ok(if verified.equal { 0 } else { Code::Failed as u8 })
}

fn signal(cli: &Cli, args: &Signal) -> Result<u8, CommandFailure> {
    let settings = cli.settings_of_models()?;
    set_threads(settings.engine.threads)?;
    let request = args.request(&cli.common.workdir).map_err(|why| CommandFailure::new(Code::Usage, why))?;
    let answered = commands::signal::run(&settings, &request)?;
    if cli.common.json {
        println!("{}", answered.json);
        return Ok(0);
    }
    if answered.json["simulated"] == true {
        println!("SIMULATED MARKET: these prices are invented.");
    }
    let (heading, rows) = super::signal::table(&answered);
    print_table(heading, rows);
    let actions = answered.json["actions"].as_object().into_iter().flatten();
    let counts: Vec<String> = actions.map(|(action, count)| format!("{count} {action}")).collect();
    println!(
        "bar of {}, closed at {}: {}",
        text(&answered.json["bar"]),
        text(&answered.json["closed"]),
        counts.join(", ")
    );
    Ok(0)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn backtest(cli: &Cli, args: &Backtest) -> Result<u8, CommandFailure> {
    let settings = table_settings(cli)?;
    let workdir = &cli.common.workdir;
    if let Some(request) = args.request() {
        let swept = commands::sweep::run(&settings, workdir, &request, &Ui::new(cli.common.json))?;
        if cli.common.json {
            println!("{}", swept.answer);
        } else {
            if !swept.rows.is_empty() {
                print_table(swept.heading, swept.rows);
            }
            swept.remarks.iter().for_each(|remark| println!("{remark}"));
        }
        return Ok(0);
    }
    let trades = args.trades.as_deref().ok_or_else(|| CommandFailure::new(Code::Usage, "give --trades FILE"))?;
    let models = commands::backtest::Models { workdir, include_rejected: args.include_rejected };
    let outputs = commands::backtest::Outputs { trades, decisions: args.decisions.as_deref() };
    print_result(cli, &commands::backtest::run(&settings, models, &args.candles, args.signals.as_deref(), outputs)?)
}
