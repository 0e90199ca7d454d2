//! `huracan signal` and the market that is followed bar by bar: both say what a backtest says, and an account obeys its rules.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::cli::{Ran, huracan, numbers, table, texts, times, write};
use crate::lenient::LENIENT;
use huracan::bars::Panel;
use huracan::commands::read_panel;
use huracan::decide::DecideMode;
use huracan::live::{LiveMarket, LiveModels, Terms, answer, answer_table};
use huracan::models::Bundle;
use huracan::polars::prelude::*;
use huracan::settings::{Settings, Sources, load};
use huracan::trainer::FamilyModels;

/// A small market with a pattern that every coin has.
const SMALL: [&str; 11] = [
    "market.simulated.symbols=14",
    "market.simulated.edge=5.0",
    "market.lookback_days=220",
    "universe.top_n=4",
    "folds.train_days=60",
    "models.rounds=20",
    "models.neural.epochs=2",
    "models.neural.seeds=1",
    "brain.feature_days=0",
    "patterns.enabled=false",
    "sync.retries=1",
];

/// A day that has approved the models of four coins.
struct Trained {
    folder: tempfile::TempDir,
    settings: Vec<String>,
}

impl Trained {
    fn new(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings: Vec<String> = SMALL.iter().chain(&LENIENT).chain(more).map(|text| (*text).to_owned()).collect();
        let mut command = Command::new(env!("CARGO_BIN_EXE_huracan"));
        command.current_dir(folder.path()).env_remove("HURACAN__BRAIN__URL").args([
            "run",
            "--json",
            "--date",
            "2024-08-01",
        ]);
        for setting in &settings {
            command.args(["--set", setting]);
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["models"]["approved"], 4, "{answer}");
        Self { folder, settings }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The settings of the run, for a command that is asked with them.
    fn words(&self) -> String {
        self.settings.iter().map(|setting| format!(" --set {setting}")).collect()
    }

    fn settings(&self) -> Settings {
        load(&Sources { overrides: self.settings.clone(), ..Sources::default() }).unwrap()
    }

    fn panel(&self) -> Panel {
        read_panel(&self.path().join("data/candles"), &self.settings()).unwrap()
    }

    fn models(&self) -> Arc<LiveModels> {
        Arc::new(LiveModels::load(&self.path().join("models")).unwrap())
    }

    fn signal(&self, more: &str) -> Ran {
        huracan(self.path(), &format!("signal --candles data/candles {more}"))
    }
}

/// What is compared: everything of a decision but its reason.
const NUMBERS: [&str; 13] = [
    "side",
    "price",
    "stop_price",
    "take_price",
    "stop_distance",
    "take_distance",
    "edge_bps",
    "cost_bps",
    "win_long",
    "win_short",
    "score",
    "threshold",
    "confidence",
];

/// The bits of one row's numbers.
fn bits(columns: &[Vec<f64>], row: usize) -> Vec<u64> {
    columns.iter().map(|column| if column[row].is_nan() { u64::MAX } else { column[row].to_bits() }).collect()
}

fn columns(frame: &DataFrame) -> Vec<Vec<f64>> {
    NUMBERS.iter().map(|name| numbers(frame, name)).collect()
}

/// Decisions of a backtest by symbol and time: the bits of their numbers, and the reason.
fn of_backtest(trained: &Trained, folder: &str) -> std::collections::HashMap<(String, i64), (Vec<u64>, String)> {
    let line = format!(
        "backtest --candles {folder} --trades trades.parquet --decisions decisions.parquet --json{}",
        trained.words()
    );
    huracan(trained.path(), &line).expect(0, &[]);
    let frame = table(&trained.path().join("decisions.parquet"));
    let (numbers, reasons) = (columns(&frame), texts(&frame, "reason"));
    let keys = texts(&frame, "symbol").into_iter().zip(times(&frame, "timestamp"));
    keys.enumerate().map(|(row, key)| (key, (bits(&numbers, row), reasons[row].clone()))).collect()
}

/// The panel of the bars up to `end`, of the grid.
fn cut(panel: &Panel, end: usize) -> Panel {
    let mut cut = panel.clone();
    cut.keep_first(end);
    cut
}

/// Compares 500 bars of a folder, each with the candles cut at it, and then bar by bar. Returns the numbers of signals, and of answers
/// about coins without a bar.
fn compare(trained: &Trained, folder: &str) -> (usize, usize) {
    let (panel, models) = (read_panel(&trained.path().join(folder), &trained.settings()).unwrap(), trained.models());
    let decided = of_backtest(trained, folder);
    let terms = Terms::of(models.approved.iter().map(|model| &model.bundle.metadata), &Settings::defaults()).unwrap();
    assert_eq!(
        terms,
        Terms::of(models.approved.iter().map(|model| &model.bundle.metadata), &trained.settings()).unwrap()
    );
    let begin = panel.bars - 500;
    let (mut signals, mut missing) = (0, 0);
    let mut check = |market: &LiveMarket, bar: usize, followed: bool| {
        assert_eq!(market.newest_ms(), panel.time_ms(bar));
        let frame = answer_table(&answer(market, None, false).unwrap(), true).unwrap();
        let (numbers, names, reasons) = (columns(&frame), texts(&frame, "symbol"), texts(&frame, "reason"));
        let actions = texts(&frame, "action");
        let mut count = 0;
        for (row, name) in names.iter().enumerate() {
            let known = decided.get(&(name.clone(), panel.time_ms(bar)));
            let is_without =
                actions[row] == "refuse" && ["stale_candles", "no_candles"].contains(&reasons[row].as_str());
            // A coin that begins after the market stays without.
            let Some((want, reason)) = known.filter(|_| !(followed && is_without)) else {
                assert!(is_without, "{name} at bar {bar}: {} {}", actions[row], reasons[row]);
                missing += 1;
                continue;
            };
            assert_eq!(&bits(&numbers, row), want, "{name} at bar {bar}, followed: {followed}");
            assert_eq!(&reasons[row], reason, "{name} at bar {bar}");
            assert_eq!(actions[row] == "enter", reason.is_empty() && numbers[0][row] != 0.0, "{name} at bar {bar}");
            signals += usize::from(actions[row] == "enter");
            count += 1;
        }
        assert!(count >= 2, "at bar {bar}");
    };
    let market = |end: usize| {
        let part = cut(&panel, end);
        let at_ms = part.time_ms(part.bars);
        LiveMarket::new(part, Arc::clone(&models), terms.clone(), at_ms).unwrap()
    };
    for bar in begin..panel.bars {
        check(&market(bar + 1), bar, false);
    }
    // A coin that begins later would be missing from the means of all.
    let last_start = panel.ranges.iter().map(|range| range.start).max().unwrap();
    let begin = begin.max(last_start);
    let mut followed = market(begin + 1);
    for bar in begin + 1..panel.bars {
        // A caller gives what it has: the newest bars, of which some are known.
        let newest = cut(&panel, bar + 1).newest(3);
        assert_eq!(followed.add_all(&newest, panel.time_ms(bar + 1)).unwrap(), 1);
        assert_eq!(followed.add_all(&newest, panel.time_ms(bar + 1)).unwrap(), 0);
        check(&followed, bar, true);
    }
    (signals, missing)
}

#[test]
fn signals_are_those_of_a_backtest_at_each_of_500_bars() {
    let trained = Trained::new(&["market.type=perp"]);
    let (signals, missing) = compare(&trained, "data/candles");
    assert!(signals > 100 && missing == 0, "{signals} {missing}");

    // The stop and the take of a backtest's trade are at the signal's distances from the open at which it was entered.
    let (trades, decided) =
        (table(&trained.path().join("trades.parquet")), table(&trained.path().join("decisions.parquet")));
    let known: std::collections::HashMap<(String, String), usize> = texts(&decided, "symbol")
        .into_iter()
        .zip(times(&decided, "timestamp").into_iter().map(huracan::text::time_text))
        .zip(0..)
        .collect();
    let (stop, take, side) =
        (numbers(&decided, "stop_distance"), numbers(&decided, "take_distance"), numbers(&decided, "side"));
    let [entry, stop_price, take_price, sides] =
        ["entry_price", "stop_price", "take_price", "side"].map(|name| numbers(&trades, name));
    for (row, key) in texts(&trades, "symbol").into_iter().zip(texts(&trades, "signal_timestamp")).enumerate() {
        let at = known[&key];
        assert_eq!(side[at], sides[row]);
        assert_eq!(stop_price[row], entry[row] - sides[row] * stop[at], "{key:?}");
        assert_eq!(take_price[row], entry[row] + sides[row] * take[at], "{key:?}");
    }

    // The command says the same, of candles of which it takes those that had closed.
    let panel = trained.panel();
    let bar = panel.bars - 40;
    let at = huracan::text::time_text(panel.time_ms(bar + 1));
    let ran = trained.signal(&format!("--at {at} --json --out signals.parquet"));
    ran.expect(0, &[]);
    let said = ran.json();
    assert_eq!((said["simulated"].clone(), said["closed"].clone()), (json!(true), json!(at)));
    let (frame, whole) = (table(&trained.path().join("signals.parquet")), of_backtest(&trained, "data/candles"));
    let (numbers, names) = (columns(&frame), texts(&frame, "symbol"));
    for (row, name) in names.iter().enumerate() {
        let want = &whole[&(name.clone(), panel.time_ms(bar))];
        assert_eq!(&bits(&numbers, row), &want.0);
        let shown = &said["signals"][row];
        assert_eq!(shown["symbol"], **name);
        assert_eq!(shown["edge_bps"].as_f64().map(f64::to_bits), Some(numbers[6][row].to_bits()));
    }
}

#[test]
fn votes_and_networks_take_part_bar_by_bar() {
    // On a spot market without shorts, with model and consensus, each coin's voters counted by themselves.
    let trained =
        Trained::new(&["decide.mode=both", "decide.pool=false", "decide.threshold=0.2", "models.kind=ensemble"]);
    assert_eq!(trained.settings().decide.mode, DecideMode::Both);
    let (signals, missing) = compare(&trained, "data/candles");
    assert!(signals > 3 && missing == 0, "{signals} {missing}");
}

#[test]
fn coins_that_begin_late_or_end_early_are_answered_while_they_have_bars() {
    let trained = Trained::new(&["market.type=perp", "decide.mode=both", "decide.threshold=0.2"]);
    let panel = trained.panel();
    let (store, other) = (trained.path().join("data/candles"), trained.path().join("cut"));
    std::fs::create_dir_all(&other).unwrap();
    for entry in std::fs::read_dir(&store).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        std::fs::copy(entry.path(), other.join(entry.file_name())).unwrap();
    }
    let cut = |symbol: &str, rows: std::ops::Range<usize>| {
        let path = other.join(format!("{symbol}.parquet"));
        let mut frame = table(&path).slice(rows.start as i64, rows.len());
        ParquetWriter::new(std::fs::File::create(path).unwrap()).finish(&mut frame).unwrap();
    };
    let bars = |symbol: usize| panel.ranges[symbol].len();
    // One begins 300 bars before the end, one 540, and one ends 200 bars before it.
    cut(&panel.symbols[1], bars(1) - 300..bars(1));
    cut(&panel.symbols[2], bars(2) - 540..bars(2));
    cut(&panel.symbols[3], 0..bars(3) - 200);
    let (signals, missing) = compare(&trained, "cut");
    // Before its first bar there is none of the late one, and after its last bar the other one is stale.
    assert!(signals > 10 && missing == 200 + 200 + 200, "{signals} {missing}");
}

/// Funding that is known changes what trades have earned, and with it who is believed among the voters.
#[test]
fn known_funding_counts_bar_by_bar() {
    let trained = Trained::new(&["market.type=perp", "decide.mode=both", "decide.threshold=0.2", "decide.pool=false"]);
    let panel = trained.panel();
    let folder = trained.path().join("data/candles/funding");
    std::fs::create_dir_all(&folder).unwrap();
    for symbol in &panel.symbols {
        let times: Vec<i64> = (0..=panel.bars).filter(|bar| bar % 8 == 0).map(|bar| panel.time_ms(bar)).collect();
        let rates: Vec<f64> = (0..times.len()).map(|at| 0.002 * ((at * 37 % 19) as f64 / 9.0 - 1.0)).collect();
        let time = Column::new("timestamp".into(), times);
        let columns = vec![
            time.cast(&DataType::Datetime(TimeUnit::Milliseconds, Some(TimeZone::UTC))).unwrap(),
            Column::new("rate".into(), rates),
        ];
        crate::cli::write_table(&folder.join(format!("{symbol}.parquet")), columns);
    }
    assert!(trained.panel().funding_bps.iter().all(|own| own.last().is_some_and(|sum| sum.is_finite())));
    let (signals, _) = compare(&trained, "data/candles");
    assert!(signals > 3, "{signals}");
}

/// The answer of one symbol.
fn of<'a>(said: &'a Value, symbol: &str) -> &'a Value {
    said["signals"].as_array().unwrap().iter().find(|own| own["symbol"] == symbol).unwrap()
}

#[test]
fn an_account_is_sized_and_its_rules_are_obeyed() {
    let trained = Trained::new(&["market.type=perp"]);
    let panel = trained.panel();
    // A bar at which two coins or more are entered.
    let decided = table(&{
        of_backtest(&trained, "data/candles");
        trained.path().join("decisions.parquet")
    });
    let (side, time, names) = (numbers(&decided, "side"), times(&decided, "timestamp"), texts(&decided, "symbol"));
    let at_bar = |bar: usize| -> Vec<usize> {
        (0..side.len()).filter(|&row| time[row] == panel.time_ms(bar) && side[row] != 0.0).collect()
    };
    let bar = (panel.bars - 1000..panel.bars).find(|&bar| at_bar(bar).len() >= 2).expect("a bar with two signals");
    let at = huracan::text::time_text(panel.time_ms(bar + 1));
    let rows = at_bar(bar);
    let (first, other) = (names[rows[0]].clone(), names[rows[1]].clone());
    let price = numbers(&decided, "price")[rows[0]];
    let ask = |account: &Value, more: &str| -> Value {
        let mut account = account.clone();
        if account.get("currency").is_none() {
            account["currency"] = json!("USDT");
        }
        write(trained.path(), "account.json", &account.to_string());
        let ran = trained.signal(&format!("--account account.json --at {at} --json {more}"));
        ran.expect(0, &[]);
        ran.json()
    };
    let usual = ask(&json!({ "equity": 10_000 }), "");
    let own = of(&usual, &first);
    assert_eq!(own["action"], "enter", "{own}");
    let (notional, approved) = (own["notional"].as_f64().unwrap(), own["approved_notional"].as_f64().unwrap());
    let distance = own["stop_distance"].as_f64().unwrap() / price;
    let lots = own["quantity"].as_f64().unwrap();
    assert!(approved <= 2500.0 && own["risk"].as_f64().unwrap() <= 100.0 && notional <= approved, "{own}");
    assert!((own["risk"].as_f64().unwrap() - approved * distance).abs() < 1e-5, "{own}");
    if let Some(lot) = panel.terms[panel.symbol(&first).unwrap()].lot {
        assert!((lots / lot - (lots / lot).round()).abs() < 1e-6, "{lots} of {lot}");
    }

    // Of one unit of this account 1.27 are paid for the coins.
    let pounds = ask(&json!({ "equity": 10_000, "currency": "GBP" }), "");
    let more = of(&pounds, &first)["quantity"].as_f64().unwrap() / lots;
    assert!((more - 1.27).abs() < 0.01 && of(&pounds, &first)["approved_notional"] == approved, "{more}");

    // The one with the most to gain per risk gets the room that there is.
    let merit = |row: usize| {
        let of = |name: &str| numbers(&decided, name)[row];
        of("edge_bps").abs() / (of("stop_distance") / of("price") * 1e4)
    };
    let scarce = ask(&json!({ "equity": 10_000 }), "--set risk.max_leverage=0.01 --set risk.max_coin_share=0.01");
    let best = *rows.iter().max_by(|a, b| merit(**a).total_cmp(&merit(**b))).unwrap();
    for &row in &rows {
        let (action, reason) = (&of(&scarce, &names[row])["action"], &of(&scarce, &names[row])["reason"]);
        let want = if row == best { (json!("enter"), Value::Null) } else { (json!("refuse"), json!("leverage")) };
        assert_eq!((action, reason), (&want.0, &want.1), "{}", names[row]);
    }

    // Each rule forbids every entry, by its name.
    for (account, reason) in [
        (json!({ "equity": 10_000, "kill_switch": true }), "kill_switch"),
        (json!({ "equity": 0 }), "no_equity"),
        (json!({ "equity": 9_750, "today": { "start_equity": 10_000, "result": -250 } }), "daily_stop"),
        (json!({ "equity": 9_990, "today": { "stopped": "daily_stop" } }), "daily_stop"),
        (json!({ "equity": 9_700, "today": { "start_equity": 9_800, "high": 10_000 } }), "drawdown_breaker"),
        (json!({ "equity": 8_900, "recent_high": 10_000 }), "drawdown_limit"),
        (json!({ "equity": 1 }), "dust"),
    ] {
        let said = ask(&account, "");
        for symbol in [&first, &other] {
            assert_eq!(
                (&of(&said, symbol)["action"], &of(&said, symbol)["reason"]),
                (&json!("refuse"), &json!(reason))
            );
            assert!(of(&said, symbol)["notional"].is_null());
        }
    }
    let coin = first.split('-').next().unwrap().to_owned();
    let streak = ask(&json!({ "equity": 10_000, "losses_in_a_row": { coin.clone(): 3 } }), "");
    assert!(of(&streak, &first)["approved_notional"].as_f64().unwrap() <= approved / 2.0 + 1e-6);
    let healed =
        ask(&json!({ "equity": 10_000, "losses_in_a_row": { coin.clone(): 3 }, "wins_since": { coin: 2 } }), "");
    assert_eq!(of(&healed, &first)["approved_notional"], approved);
    let careful = ask(&json!({ "equity": 10_000 }), "--set risk.per_trade=0.001");
    assert!(of(&careful, &first)["risk"].as_f64().unwrap() <= 10.0);

    // Positions: the same side is held, the other side is turned round, and one that is too old is closed.
    let side_of = |row: usize| if side[row] > 0.0 { "long" } else { "short" };
    let position = |side: &str, entered: usize| {
        let stop = if side == "long" { price * 0.9 } else { price * 1.1 };
        json!({ "symbol": first.clone(), "side": side, "notional": 1000, "entry_price": price, "stop_price": stop,
                "entered": huracan::text::time_text(panel.time_ms(entered)) })
    };
    let held = ask(&json!({ "equity": 10_000, "positions": [position(side_of(rows[0]), bar - 3)] }), "");
    assert_eq!((&of(&held, &first)["action"], &of(&held, &first)["reason"]), (&json!("hold"), &json!("already_open")));
    let old = ask(&json!({ "equity": 10_000, "positions": [position(side_of(rows[0]), bar - 23)] }), "");
    assert_eq!((&of(&old, &first)["action"], &of(&old, &first)["reason"]), (&json!("close"), &json!("time")));
    let against = if side_of(rows[0]) == "long" { "short" } else { "long" };
    let turned = ask(&json!({ "equity": 10_000, "positions": [position(against, bar - 3)] }), "");
    assert_eq!(
        (&of(&turned, &first)["action"], &of(&turned, &first)["approved_notional"]),
        (&json!("reverse"), &json!(approved))
    );
    // Exposure that is taken leaves nothing to others.
    let full = json!({ "symbol": "ZZZ-USDT", "side": "long", "notional": 20_000, "entry_price": 1, "stop_price": 0.999, "beta": 0 });
    let none = ask(&json!({ "equity": 10_000, "balance": 10_000, "positions": [full] }), "");
    assert_eq!(of(&none, &first)["reason"], "leverage");
    assert_eq!(
        (&of(&none, "ZZZ-USDT")["action"], &of(&none, "ZZZ-USDT")["reason"]),
        (&json!("hold"), &json!("no_candles"))
    );
    // What the next open closes leaves its room, and its loss counts for the day.
    let old = json!({ "symbol": "ZZZ-USDT", "side": "long", "notional": 20_000, "entry_price": 1, "stop_price": 0.999,
                      "beta": 0, "entered": "2024-01-01T00:00:00Z" });
    let left = ask(&json!({ "equity": 10_000, "balance": 10_000, "positions": [old] }), "");
    assert_eq!((&of(&left, "ZZZ-USDT")["action"], &of(&left, "ZZZ-USDT")["reason"]), (&json!("close"), &json!("time")));
    assert_eq!(of(&left, &first)["approved_notional"], approved);

    // The kill switch of the workdir.
    huracan(trained.path(), "kill on --why test").expect(0, &[]);
    assert_eq!(of(&ask(&json!({ "equity": 10_000 }), ""), &first)["reason"], "kill_switch");
    huracan(trained.path(), "kill off").expect(0, &[]);

    what_cannot_be_used_is_refused_by_name(&trained, &first);
}

fn what_cannot_be_used_is_refused_by_name(trained: &Trained, symbol: &str) {
    let workdir = trained.path();
    let newest = |more: &str| trained.signal(&format!("--at newest {more}"));
    newest("").expect(0, &[]);
    // The market's candles end at the last midnight; now is later.
    trained.signal("").expect(3, &["stale candles: the newest bar opens at 2024-07-31T23:00:00Z"]);
    trained.signal("--at 2023-01-01T00:00").expect(3, &["no bar has closed by 2023-01-01T00:00:00Z"]);
    trained.signal("--at yesterday").expect(2, &["'yesterday' is no time"]);
    newest("--models nowhere").expect(3, &["nowhere: No such file or directory"]);
    newest("--set labels.stop_atr=9")
        .expect(2, &["labels.stop_atr is 9.0, but the models were trained and judged with"]);
    // Real candles are not traded with what was learned on invented ones.
    std::fs::create_dir_all(workdir.join("real")).unwrap();
    let mut real = table(&workdir.join(format!("data/candles/{symbol}.parquet")));
    let file = std::fs::File::create(workdir.join(format!("real/{symbol}.parquet"))).unwrap();
    ParquetWriter::new(file).finish(&mut real).unwrap();
    huracan(workdir, "signal --candles real --at newest")
        .expect(3, &["the models come from a simulated market and the candles from real ones"]);
    // A settings file that is there by itself does not speak against the models; one that is named does.
    let file = write(workdir, "config/settings.yaml", "market: { type: spot }\nlabels: { stop_atr: 9 }\n");
    newest("").expect(0, &[]);
    newest(&format!("--config {}", file.display())).expect(2, &["labels.stop_atr is 9.0, but the models"]);
    std::fs::remove_file(file).unwrap();
    write(workdir, "bad.json", "{\"equity\": \"much\"}");
    newest("--account bad.json").expect(3, &["bad.json: invalid type: string"]);
    newest("--account none.json").expect(3, &["none.json: No such file or directory"]);

    // One coin's candles end earlier.
    let panel = trained.panel();
    let own = panel.symbol(symbol).unwrap();
    let store = workdir.join(format!("data/candles/{symbol}.parquet"));
    let whole = std::fs::read(&store).unwrap();
    let mut frame = table(&store);
    frame = frame.slice(0, panel.ranges[own].len() - 1);
    ParquetWriter::new(std::fs::File::create(&store).unwrap()).finish(&mut frame).unwrap();
    let ran = newest("--json");
    ran.expect(0, &[]);
    let late = of(&ran.json(), symbol).clone();
    assert_eq!(
        (&late["action"], &late["reason"], &late["edge_bps"]),
        (&json!("refuse"), &json!("stale_candles"), &Value::Null)
    );
    // And one is gone.
    std::fs::remove_file(&store).unwrap();
    let ran = newest("--json");
    ran.expect(0, &[&format!("have also learned from {symbol}")]);
    assert_eq!(of(&ran.json(), symbol)["reason"], "no_candles");
    std::fs::write(&store, whole).unwrap();

    // A model that is not approved, of other features, of another version.
    let paths = Bundle::paths(workdir, symbol, true).unwrap();
    let good = std::fs::read(&paths.pickle).unwrap();
    let changed = |change: &dyn Fn(&mut Bundle)| {
        std::fs::write(&paths.pickle, &good).unwrap();
        let mut bundle = Bundle::load(&paths.pickle).unwrap();
        change(&mut bundle);
        bundle.save(workdir).unwrap();
    };
    changed(&|bundle| bundle.metadata.approved = false);
    assert!(!paths.pickle.exists());
    let ran = newest("--json");
    assert_eq!(of(&ran.json(), symbol)["reason"], "model_rejected");
    changed(&|bundle| bundle.metadata.version = "9.9.9".to_owned());
    newest("").expect(3, &[&format!("{symbol}_model.pkl: it was trained by version 9.9.9, and this is")]);
    changed(&|bundle| {
        bundle.feature_names[0] = "other".to_owned();
        let others = bundle.other_families.values_mut().filter_map(|family| match family {
            FamilyModels::Trees(heads) => Some(heads),
            FamilyModels::Networks(_) => None,
        });
        let heads = std::iter::once(&mut bundle.heads).chain(others).flat_map(|heads| heads.values_mut());
        heads.for_each(|head| head.features[0] = "other".to_owned());
        bundle.metadata.digest = bundle.digest();
    });
    newest("").expect(3, &["it was trained by another version, on other features; train it again"]);
    changed(&|bundle| bundle.metadata.policy["labels"]["max_hold"] = json!(7));
    newest("").expect(3, &["were judged by different rules (labels)"]);
    std::fs::write(&paths.pickle, good).unwrap();
    newest("").expect(0, &[]);
}

#[test]
fn a_folder_without_approved_models_says_how_many_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let models: PathBuf = folder.path().join("models/rejected");
    std::fs::create_dir_all(&models).unwrap();
    std::fs::write(models.join("BTC-USDT_model.pkl"), "x").unwrap();
    std::fs::create_dir_all(folder.path().join("candles")).unwrap();
    huracan(folder.path(), "signal --candles candles").expect(3, &["has no approved model, and 1 rejected ones"]);
}
