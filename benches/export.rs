//! The time of the exports of a million synthetic trades, each as wide as a real one:
//!
//! export [TRADES [RUNS [URL [FOLDER]]]]
//!
//! The trades are divided evenly among `RUNS` runs (default 1, so that two files hold all of them). `URL` is an empty
//! PostgreSQL database; the default is `sqlite://data/brain.db`. The data takes about 10 kB per trade. It is in a temporary
//! folder and removed at the end; in a given FOLDER it is kept, and used again by a later call. Two rounds are measured,
//! because the first one reads what was just written.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use chrono::NaiveDate;
use huracan::arith::{draw, uniform};
use huracan::brain::{
    AnalysisRow, Brain, Journal, LOSS_ANALYSIS, POST_EXIT_TRACKING, PostExitRow, RunRow, TRADE_MEMORY, TradeRow,
    WIN_ANALYSIS, time_of_ms,
};
use huracan::decide::Voter;
use huracan::export::{self, ExportFile};
use huracan::features;
use huracan::health::peak_rss_bytes;
use huracan::shadow::{ExitReason, Side};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

/// Trades that are generated and stored at a time.
const BATCH: usize = 10_000;
const SYMBOLS: usize = 40;
const HOUR_MS: i64 = 3_600_000;
/// Bars after the exit at which a run records the price.
const HORIZONS: [i64; 3] = [1, 5, 20];
const SEED: u64 = 7;
/// Tables of the brain with trades, or with data about each trade.
const TABLES: [&str; 4] = ["trade_memory", "win_analysis", "loss_analysis", "post_exit_tracking"];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Cargo adds its own options to the arguments of a benchmark.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let trades: usize = arguments.first().map_or(Ok(1_000_000), |text| text.parse())?;
    let runs: usize = arguments.get(1).map_or(Ok(1), |text| text.parse())?.max(1);
    let url = arguments.get(2).map_or("sqlite://data/brain.db", String::as_str);
    let kept = arguments.get(3).map(PathBuf::from);
    let temporary = if kept.is_none() { Some(tempfile::tempdir()?) } else { None };
    let home = temporary.as_ref().map_or_else(|| kept.unwrap_or_default(), |folder| folder.path().to_owned());
    let home = home.as_path();
    // Written when all trades are stored.
    let (mark, of_this) = (home.join("made"), format!("{trades} trades of {runs} runs"));
    let there = match std::fs::read_to_string(&mark) {
        Ok(made) if made == of_this => true,
        Ok(made) => return Err(format!("{} holds {made}, not {of_this}", home.display()).into()),
        Err(_) if home.join("data/journal.db").exists() => {
            return Err(format!("{} holds an incomplete set of trades; remove it", home.display()).into());
        }
        Err(_) => false,
    };
    let brain = Brain::open(url, home, 4).await?;
    let journal = Journal::open(&home.join("data/journal.db")).await?;
    let begun = Instant::now();
    let run = if there {
        run(runs - 1)?
    } else {
        let run = made(&brain, &journal, home, url, trades, runs).await?;
        println!("{of_this} made in {:.0} s, {}", begun.elapsed().as_secs_f64(), brain.kind());
        std::fs::write(&mark, &of_this)?;
        run
    };
    for round in 1..=2 {
        let mut begun = Instant::now();
        let whole = begun;
        let mut told = |files: &[ExportFile]| {
            let seconds = begun.elapsed().as_secs_f64();
            for file in files.iter().filter(|file| file.rows.is_some_and(|rows| rows > 1)) {
                let (rows, mb) = (file.rows.unwrap_or_default(), file.bytes as f64 / 1e6);
                println!("round {round}: {:24} {rows:9} rows {mb:8.1} MB {seconds:6.2} s", file.kind);
            }
            begun = Instant::now();
        };
        let index = export::all_with_progress(&brain, &journal, home, &run, &mut told).await?;
        let (seconds, mb) = (whole.elapsed().as_secs_f64(), index.total_bytes as f64 / 1e6);
        println!("round {round}: all {} files {mb:.1} MB in {seconds:.2} s", index.total_files);
    }
    if let Some(bytes) = peak_rss_bytes() {
        println!("peak memory, including the generation of the trades: {:.0} MB", bytes as f64 / 1e6);
    }
    journal.close().await;
    brain.close().await;
    Ok(())
}

/// Fills the brain and the journal. Returns the newest run.
async fn made(
    brain: &Brain,
    journal: &Journal,
    home: &Path,
    url: &str,
    trades: usize,
    runs: usize,
) -> Result<RunRow, Box<dyn Error>> {
    for number in 0..runs {
        brain.begin_run(&run(number)?).await?;
    }
    let a_run = trades.div_ceil(runs);
    for first in (0..trades).step_by(BATCH) {
        // Storing rows of a run replaces its earlier rows, so each batch is first stored as a separate run.
        let batch = format!("batch-{}", first / BATCH);
        let rows: Vec<TradeRow> = (first..trades.min(first + BATCH)).map(|n| trade(n, n % a_run, &batch)).collect();
        brain.replace(&TRADE_MEMORY, &batch, &rows).await?;
        journal.store_trades(&batch, &rows).await?;
        for (table, won) in [(&WIN_ANALYSIS, true), (&LOSS_ANALYSIS, false)] {
            let some: Vec<AnalysisRow> = rows.iter().filter(|row| row.is_winner == won).map(reasons).collect();
            brain.replace(table, &batch, &some).await?;
        }
        let after: Vec<PostExitRow> = rows.iter().flat_map(after_exit).collect();
        brain.replace(&POST_EXIT_TRACKING, &batch, &after).await?;
        hand_over(home, url, &batch, &format!("run-{}", first / a_run)).await?;
    }
    run(runs - 1)
}

/// The run with this number.
fn run(number: usize) -> Result<RunRow, Box<dyn Error>> {
    let day = NaiveDate::from_ymd_opt(2025, 11, 8).ok_or("a day")?;
    Ok(RunRow { simulated: true, ..RunRow::new(format!("run-{number}"), day) })
}

/// Assigns a batch's rows to a run.
async fn hand_over(home: &Path, url: &str, batch: &str, run: &str) -> Result<(), sqlx::Error> {
    let update = |table: &str| AssertSqlSafe(format!("UPDATE {table} SET run_id = '{run}' WHERE run_id = '{batch}'"));
    let file = |path: &str| format!("sqlite://{}", home.join(path).display());
    let mut journal = SqliteConnection::connect(&file("data/journal.db")).await?;
    sqlx::raw_sql(update("trades")).execute(&mut journal).await?;
    journal.close().await?;
    if let Some(path) = url.strip_prefix("sqlite://") {
        let mut brain = SqliteConnection::connect(&file(path)).await?;
        for table in TABLES {
            sqlx::raw_sql(update(table)).execute(&mut brain).await?;
        }
        return brain.close().await;
    }
    let mut brain = PgConnection::connect(url).await?;
    for table in TABLES {
        sqlx::raw_sql(update(table)).execute(&mut brain).await?;
        sqlx::raw_sql(AssertSqlSafe(format!("VACUUM {table}"))).execute(&mut brain).await?;
    }
    brain.close().await
}

/// The n-th of all trades and the `place`-th of its run: as wide as a real one, with numbers of as many digits.
fn trade(n: usize, place: usize, run_id: &str) -> TradeRow {
    let number = |stream: u64| uniform(draw(SEED, n as u64, stream));
    let symbol = format!("COIN{:02}-USDT", n % SYMBOLS);
    let at = |bars: usize| time_of_ms(1_735_689_600_000 + (place / SYMBOLS + bars) as i64 * HOUR_MS);
    let held = 1 + (number(1) * 24.0) as usize;
    let direction = if number(2) < 0.5 { Side::Long } else { Side::Short };
    let (price, gross, notional) = (100.0 * number(3), 400.0 * (number(4) - 0.5), 1000.0 * number(5));
    let (fee, spread, slippage) = (8.0, 2.0, 3.0 * number(6));
    let net = gross - fee - spread - slippage;
    let money = |bps: f64| notional * bps / 10_000.0;
    // Eight digits, like an f32.
    let short = |stream: u64, scale: f64| json!((number(stream) * scale * 1e8).round() / 1e8);
    let votes = Voter::ALL.iter().zip(10..).map(|(voter, at)| (voter.name().to_owned(), short(at, 1.0)));
    let named = features::names().into_iter().zip(100..);
    let seen = named.map(|(name, at)| (name, short(at, if at % 3 == 0 { 100.0 } else { 0.1 })));
    TradeRow {
        trade_id: TradeRow::id(&format!("{n}"), &symbol, at(0), direction, 3),
        run_id: run_id.to_owned(),
        symbol: symbol.clone(),
        fold: 3,
        direction,
        signal_timestamp: at(0),
        entry_timestamp: at(1),
        entry_price: price,
        exit_timestamp: at(1 + held),
        exit_price: price * (1.0 + gross / 10_000.0),
        stop_price: price * 0.98,
        take_price: price * 1.03,
        position_size: notional,
        account_currency: "GBP".to_owned(),
        gross_profit_bps: gross,
        fee_bps: fee,
        spread_bps: spread,
        slippage_bps: slippage,
        funding_bps: 0.0,
        net_bps: net,
        gross_profit_gbp: money(gross),
        fees_gbp: money(fee),
        spread_gbp: money(spread),
        slippage_gbp: money(slippage),
        funding_gbp: 0.0,
        net_profit_gbp: money(net),
        hold_bars: held as i64,
        hold_minutes: held as f64 * 60.0,
        exit_reason: ExitReason::ALL[n % ExitReason::ALL.len()],
        market_regime: Some(["TREND", "RANGE", "PANIC", "ILLIQUID"][n % 4].to_owned()),
        market_regime_exit: Some("RANGE".to_owned()),
        volatility_bps: Some(100.0 * number(7)),
        is_winner: net > 0.0,
        model_id: Some(format!("{symbol}-20251108_020000-gbdt")),
        model_version: "20251108_020000".to_owned(),
        prediction: Some(f64::from(number(8) as f32)),
        expected_edge_bps: Some(f64::from(number(9) as f32)),
        consensus_score: Some(f64::from(number(40) as f32)),
        consensus_threshold: Some(f64::from(0.3f32)),
        confidence: Some(f64::from(number(41) as f32)),
        votes: Value::Object(votes.collect()),
        features_at_entry: Value::Object(seen.collect()),
        simulated: true,
    }
}

fn reasons(row: &TradeRow) -> AnalysisRow {
    let factors = features::names().into_iter().take(5);
    let factors =
        factors.map(|name| json!({ "value": row.features_at_entry[&name], "feature": name, "importance": 0.21 }));
    AnalysisRow {
        trade_id: row.trade_id.clone(),
        run_id: row.run_id.clone(),
        symbol: row.symbol.clone(),
        direction: row.direction,
        market_regime: row.market_regime.clone(),
        exit_reason: row.exit_reason,
        account_currency: row.account_currency.clone(),
        net_profit_gbp: row.net_profit_gbp,
        net_bps: row.net_bps,
        hold_minutes: row.hold_minutes,
        primary_reason: format!("won: {} after {} bars in RANGE", row.exit_reason, row.hold_bars),
        contributing_factors: Value::Array(factors.collect()),
        max_favourable_bps: Some(row.gross_profit_bps.abs() + 10.0),
        max_adverse_bps: Some(-row.gross_profit_bps.abs() - 10.0),
        features_at_entry: row.features_at_entry.clone(),
        analysed_at: row.exit_timestamp,
        simulated: row.simulated,
    }
}

fn after_exit(row: &TradeRow) -> impl Iterator<Item = PostExitRow> {
    HORIZONS.into_iter().map(|horizon_bars| PostExitRow {
        trade_id: row.trade_id.clone(),
        run_id: row.run_id.clone(),
        symbol: row.symbol.clone(),
        direction: row.direction,
        exit_timestamp: row.exit_timestamp,
        exit_price: row.exit_price,
        exit_reason: row.exit_reason,
        horizon_bars,
        price_after: row.take_price,
        move_bps: row.gross_profit_bps,
        best_bps: row.gross_profit_bps + 1.0,
        worst_bps: row.gross_profit_bps - 1.0,
        simulated: row.simulated,
    })
}
