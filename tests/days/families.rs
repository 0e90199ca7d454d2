//! Runs that train networks and forests beside boosted trees: what they leave, what Python makes of it, and how a run that
//! was stopped goes on.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::cli::{self, huracan};
use crate::forests::{read_f64, write_f32};
use crate::python;
use huracan::arith::{draw, uniform};
use huracan::boost::Table;
use huracan::commands::read_panel;
use huracan::decide::{Head, Prediction, log_odds};
use huracan::features::{self, View, view_columns};
use huracan::models::{Bundle, SymbolModel, predictions};
use huracan::settings::{Sources, load};
use huracan::trainer::{Family, Networks};
use serde_json::{Value, json};

/// A small market with something to learn; a day takes some seconds.
const SMALL: [&str; 18] = [
    "market.simulated.symbols=12",
    "market.simulated.edge=5.0",
    "market.lookback_days=160",
    "universe.top_n=3",
    "folds.train_days=60",
    "folds.test_days=30",
    "folds.step_days=30",
    "models.scope=pooled",
    "models.rounds=12",
    "models.min_rounds=4",
    "decide.mode=model",
    "brain.feature_days=0",
    "sync.retries=1",
    "models.neural.window=2",
    "models.neural.width=12",
    "models.neural.epochs=6",
    "models.neural.patience=3",
    "models.neural.seeds=2",
];

fn command(workdir: &Path, kind: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_huracan"));
    command.current_dir(workdir).env_remove("HURACAN__BRAIN__URL");
    command.args(["run", "--json", "--date", "2024-08-01", "--workdir"]).arg(workdir);
    for setting in SMALL.iter().copied().chain([format!("models.kind={kind}").as_str()]) {
        command.args(["--set", setting]);
    }
    command.args(more);
    command
}

fn done(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{text}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn train(workdir: &Path, kind: &str) -> Value {
    done(&command(workdir, kind, &[]).output().unwrap())
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).unwrap()
}

/// The bundles of a workdir, in order.
fn models(workdir: &Path) -> Vec<PathBuf> {
    let folders = [workdir.join("models"), workdir.join("models/rejected")];
    let entries = folders.iter().flat_map(std::fs::read_dir).flatten().map(|entry| entry.unwrap().path());
    let mut models: Vec<PathBuf> = entries.filter(|path| path.to_string_lossy().ends_with("_model.pkl")).collect();
    models.sort();
    models
}

/// Rows like those that the networks were trained on, some values missing, some of them wild.
fn rows(networks: &Networks) -> Vec<f32> {
    let scaler = &networks.seeds[0].scaler;
    let features = scaler.mean.len();
    let one = |at: usize| {
        let deviations = (6.0 * uniform(draw(3, 0, at as u64)) - 3.0) as f32;
        let (mean, scale) = (scaler.mean[at % features], scaler.scale[at % features]);
        let value = if scale > 0.0 { mean + deviations / scale } else { mean };
        match at % 97 {
            5 => f32::NAN,
            6 => value * 1e6,
            _ => value,
        }
    };
    (0..60 * features).map(one).collect()
}

/// What networks say of rows of consecutive bars, `[rows × heads]`: the mean of all seeds.
fn said_by_networks(networks: &Networks, table: Table<'_>) -> Vec<f64> {
    let all: Vec<u32> = (0..table.rows() as u32).collect();
    let mut mean = vec![0.0; all.len() * Head::COUNT];
    for network in &networks.seeds {
        let said = network.predict(table, 0, &all);
        mean.iter_mut().zip(said).for_each(|(mean, said)| *mean += said / networks.seeds.len() as f64);
    }
    mean
}

/// A prediction as docs/read_model.py gives it: all heads, what may be traded, and the lead.
fn row(said: &Prediction) -> [f64; 5] {
    [said.win_long, said.win_short, said.edge_bps, said.tradable_bps(), said.lead]
}

/// What a bundle says, by its mix: for each head the mean of its families, with what the coin's own trees add, calibrated.
fn said_by_all(bundle: &Bundle, table: Table<'_>) -> Vec<f64> {
    let networks = said_by_networks(bundle.other_families[&Family::Neural].networks().unwrap(), table);
    let forest = bundle.other_families[&Family::Forest].trees().unwrap();
    let own = bundle.other_families[&Family::Own].trees().unwrap();
    let mut all = Vec::new();
    for at in 0..table.rows() {
        let values = table.row(at);
        let mut scores = [0.0; Head::COUNT];
        for (place, head) in Head::ALL.into_iter().enumerate() {
            let of = |family: &Family| match family {
                Family::Gbdt => bundle.heads[&head].predict(values)[0],
                Family::Forest => forest[&head].predict(values)[0],
                Family::Neural => networks[at * Head::COUNT + place],
                Family::Own => panic!("a mix has no own trees"),
            };
            let families = &bundle.mix[&head];
            let mean = families.iter().map(of).sum::<f64>() / families.len() as f64;
            let score = if head == Head::EdgeBps { mean } else { log_odds(mean) };
            scores[place] = score;
        }
        let added = Head::ALL.map(|head| own[&head].raw_scores(values)[0]);
        let atr_share = f64::from(values[view_columns::ATR_SHARE]);
        all.extend(row(&bundle.calibration.unwrap().predict(&scores, &added, atr_share)));
    }
    all
}

/// Whether what was found is what was expected: within 1e-5, of hundreds of basis points relative, and missing where it is missing.
#[track_caller]
fn assert_near(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let near = (found - expected).abs() <= 1e-5 * expected.abs().max(1.0);
        assert!(near || found.is_nan() && expected.is_nan(), "{what}, place {at}: {found}, here {expected}");
    }
}

/// What this program says of a coin's bars in a run or a backtest, `boost predict` says of their rows in a table of all coins, and so
/// do docs/read_model.py and the snippet of the README: every head, what may be traded, and the lead. Where trees alone predict, the
/// contributions add up to the prediction.
fn every_reader_says_the_same(workdir: &Path, paths: &[PathBuf], trees_alone: bool) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let settings = load(&Sources::default()).unwrap();
    let panel = read_panel(&workdir.join("data/candles"), &settings).unwrap();
    let view = View::of(&panel, &features::compute(&panel));
    huracan(workdir, "features --candles data/candles --view --out view.parquet").expect(0, &[]);
    let table = cli::table(&workdir.join("view.parquet"));
    let symbols = cli::texts(&table, "symbol");
    let (mut jobs, mut expected) = (Vec::new(), Vec::new());
    for path in paths {
        let symbol = panel.symbol(&Bundle::load(path).unwrap().symbol).unwrap();
        let model = [SymbolModel::load(path, symbol).unwrap()];
        let said = predictions(&settings.open_device(workdir).unwrap(), &panel, &view, &model).unwrap();
        let said: Vec<[f64; 5]> = said.iter().map(|(.., said)| row(said.as_ref().unwrap())).collect();
        let own: Vec<usize> = (0..symbols.len()).filter(|&at| symbols[at] == panel.symbols[symbol]).collect();
        assert_eq!(own.len(), said.len());
        let distinct = |place: usize| {
            let mut values: Vec<u64> = said.iter().map(|row| row[place].to_bits()).collect();
            values.sort_unstable();
            values.dedup();
            values.len()
        };
        // Whether few epochs of networks are believed is left to them.
        assert!(!trees_alone || distinct(2) > 100 && distinct(3) > 100, "equal predictions prove nothing");

        for (place, head) in Head::ALL.into_iter().enumerate() {
            let line = format!("boost predict --table view.parquet --head {head} --out p.parquet --model");
            let line = format!("{line} {}", path.display());
            let explained = huracan(workdir, &format!("{line} --contributions"));
            if trees_alone {
                explained.expect(0, &[]);
            } else {
                explained.expect(3, &["networks", "leave --contributions out"]);
                huracan(workdir, &line).expect(0, &[]);
            }
            let found = cli::table(&workdir.join("p.parquet"));
            for (column, place) in [("prediction", place), ("tradable_bps", 3), ("lead", 4)] {
                let found = cli::numbers(&found, column);
                for (&at, said) in own.iter().zip(&said) {
                    let (found, said) = (found[at], said[place]);
                    let same = (found - said).abs() <= 1e-9 * said.abs().max(1.0);
                    assert!(same || found.is_nan() && said.is_nan(), "{column} of {head}, row {at}: {found}, {said}");
                }
            }
            let names: Vec<String> = found.get_column_names().iter().map(|name| name.to_string()).collect();
            let shares: Vec<Vec<f64>> = names
                .iter()
                .filter(|name| name.starts_with("contribution_"))
                .map(|name| cli::numbers(&found, name))
                .collect();
            assert_eq!(shares.len(), if trees_alone { view.table().features + 1 } else { 0 });
            let predicted = cli::numbers(&found, "prediction");
            for at in (0..predicted.len()).filter(|_| trees_alone) {
                let sum: f64 = shares.iter().map(|column| column[at]).sum();
                let said = if head == Head::EdgeBps { predicted[at] } else { log_odds(predicted[at]) };
                let same = (sum - said).abs() <= 1e-8 * said.abs().max(1.0);
                assert!(same || sum.is_nan() && said.is_nan(), "{head}, row {at}: {sum}, {said}");
            }
        }

        let bars = panel.ranges[symbol].clone();
        let values: Vec<f32> = bars.flat_map(|bar| view.row(symbol, bar).iter().copied()).collect();
        let file = |name: &str| workdir.join(format!("{}.{name}", panel.symbols[symbol]));
        write_f32(&file("bars.f32"), &values);
        let features = view.table().features;
        jobs.push(json!({ "model": path, "rows": file("bars.f32"), "features": features, "out": file("bars.f64") }));
        expected.push(said);
    }
    let Some(python) = python::python_with("lightgbm") else { return };
    let reader = root.join("docs/read_model.py");
    let job = workdir.join("bars.json");
    std::fs::write(&job, json!({ "reader": reader, "heads": Head::ALL, "models": jobs }).to_string()).unwrap();
    python::run(&python, "score_networks.py", &[&job]);
    for (job, expected) in jobs.iter().zip(&expected) {
        let found = read_f64(Path::new(job["out"].as_str().unwrap()));
        assert_near(&found, expected.as_flattened(), &job["model"].to_string());
    }

    // The README names this model; networks lie beside it under their own symbol.
    let elsewhere = workdir.join("readme");
    let symbol = Bundle::load(&paths[0]).unwrap().symbol;
    let own = elsewhere.join("models").join(&symbol);
    std::fs::create_dir_all(&own).unwrap();
    std::fs::copy(&paths[0], elsewhere.join("models/BTC-USDT_model.pkl")).unwrap();
    let networks = paths[0].with_file_name(&symbol).join("network.safetensors");
    if networks.exists() {
        std::fs::copy(&networks, own.join("network.safetensors")).unwrap();
    }
    let costs_bps = 5.0;
    let job = json!({
        "readme": root.join("README.md"),
        "reader": reader,
        "workdir": elsewhere,
        "rows": jobs[0]["rows"],
        "features": jobs[0]["features"],
        "costs_bps": costs_bps,
        "out": workdir.join("readme.f64"),
    });
    std::fs::write(workdir.join("readme.json"), job.to_string()).unwrap();
    python::run(&python, "readme_model.py", &[&workdir.join("readme.json")]);
    let flag = |set: bool| f64::from(u8::from(set));
    let want: Vec<[f64; 4]> = expected[0]
        .iter()
        .map(|&[.., edge, lead]| {
            [edge, lead, flag(edge > costs_bps && lead >= 0.0), flag(edge < -costs_bps && lead <= 0.0)]
        })
        .collect();
    let found = read_f64(&workdir.join("readme.f64"));
    // Of bars whose edge or lead is at its limit, rounding decides.
    for (found, want) in found.chunks_exact(4).zip(&want) {
        assert_near(&found[..2], &want[..2], "README.md");
        let clear = (want[0].abs() - costs_bps).abs() > 1e-3 && want[1].abs() > 1e-5;
        assert!(!clear || found[2..] == want[2..], "README.md: {found:?}, here {want:?}");
    }
    assert!(!trees_alone || want.iter().any(|row| row[2] == 1.0), "no bar is traded by the README");
}

#[test]
fn every_kind_of_models_is_chosen_from_saved_compared_and_read_by_python() {
    let workdir = tempfile::tempdir().unwrap();
    let workdir = workdir.path();
    let answer = done(&command(workdir, "ensemble", &["--set", "models.scope=partial"]).output().unwrap());
    let report = read(&workdir.join("reports/training_report.json"));
    let families: Vec<&str> =
        report["families"].as_array().unwrap().iter().map(|row| row["family"].as_str().unwrap()).collect();
    assert_eq!(families, ["gbdt", "forest", "neural", "together"]);
    for row in report["families"].as_array().unwrap() {
        assert_eq!(row["losses"].as_array().unwrap().len(), 3, "{row}");
        assert!(row["losses"][0]["test"].as_f64().unwrap() > 0.1 && row["seconds"].as_f64().unwrap() > 0.0, "{row}");
    }
    // The first family is what the others are held against.
    assert_eq!(report["families"][0]["losses"][2]["gain"], 0.0);
    assert!(report["epochs"].as_array().unwrap().len() >= 2, "{}", report["epochs"]);
    let page = std::fs::read_to_string(workdir.join("reports/model_comparison.html")).unwrap();
    assert!(page.contains("Model families") && page.contains("class=\"learning\""));

    let paths = models(workdir);
    assert_eq!(paths.len(), 3, "{answer}");
    let mut jobs = Vec::new();
    let mut expected = Vec::new();
    for path in &paths {
        let bundle = Bundle::load(path).unwrap();
        assert_eq!(bundle.mix.keys().collect::<Vec<_>>(), [&Head::EdgeBps, &Head::WinLong, &Head::WinShort]);
        let families = [&Family::Forest, &Family::Neural, &Family::Own];
        assert_eq!(bundle.other_families.keys().collect::<Vec<_>>(), families);
        let metadata = read(&path.parent().unwrap().join(&bundle.symbol).join("metadata.json"));
        assert_eq!(metadata["mix"], json!(bundle.mix));
        assert_eq!(metadata["folds"][0]["families"]["neural"]["digests"].as_object().unwrap().len(), 2);
        let features = bundle.feature_names.len();
        let networks = bundle.other_families[&Family::Neural].networks().unwrap();
        let values = rows(networks);
        expected.push(said_by_all(&bundle, Table { values: &values, features }));
        let out = workdir.join(format!("{}.f64", bundle.symbol));
        let rows = workdir.join(format!("{}.rows.f32", bundle.symbol));
        write_f32(&rows, &values);
        jobs.push(json!({ "model": path, "rows": rows, "features": features, "out": out }));
        // The networks by themselves, from their own file.
        let out = workdir.join(format!("{}.networks.f64", bundle.symbol));
        let file = path.parent().unwrap().join(&bundle.symbol).join("network.safetensors");
        jobs.push(json!({ "model": file, "rows": rows, "features": features, "out": out }));
        expected.push(said_by_networks(networks, Table { values: &values, features }));
    }
    if let Some(python) = python::python_with("lightgbm") {
        let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/read_model.py");
        let job = json!({ "reader": reader, "heads": Head::ALL, "models": jobs });
        let path = workdir.join("job.json");
        std::fs::write(&path, job.to_string()).unwrap();
        python::run(&python, "score_networks.py", &[&path]);
        for (job, expected) in jobs.iter().zip(&expected) {
            let found = read_f64(Path::new(job["out"].as_str().unwrap()));
            assert_near(&found, expected, &job["model"].to_string());
        }
    }

    // What is recorded of it gives it again.
    let mut verify = Command::new(env!("CARGO_BIN_EXE_huracan"));
    verify.current_dir(workdir).args(["verify", "--json"]).arg(&paths[0]).arg("--workdir").arg(workdir);
    let verified = done(&verify.output().unwrap());
    let of: Vec<&str> =
        verified["checks"].as_array().unwrap().iter().map(|check| check["of"].as_str().unwrap()).collect();
    let folds = ["fold 0", "fold 0, random forest", "fold 0, own trees"];
    for kind in folds.into_iter().chain(["model", "model, random forest", "model, networks", "model, own trees"]) {
        assert!(of.contains(&kind), "{of:?}");
    }
    // What a day's trades rest on besides is named.
    assert_eq!(verified["not_checked"], json!(["networks of the folds", "choice of families", "calibration"]));
    assert_eq!(verified["equal"], true, "{verified}");

    // A changed network is found out, and so is one that is gone.
    let symbol = Bundle::load(&paths[0]).unwrap().symbol;
    let file = paths[0].parent().unwrap().join(&symbol).join("network.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(&file, &changed).unwrap();
    assert!(Bundle::load(&paths[0]).unwrap_err().to_string().contains("the file was modified"));
    std::fs::remove_file(&file).unwrap();
    assert!(Bundle::load(&paths[0]).unwrap_err().to_string().contains("network.safetensors"));
    std::fs::write(&file, &bytes).unwrap();

    // The models' own predictions are traded by their mix.
    let mut backtest = Command::new(env!("CARGO_BIN_EXE_huracan"));
    backtest.current_dir(workdir).args(["backtest", "--json", "--trades", "t.csv", "--candles", "data/candles"]);
    backtest.args(["--include-rejected", "--set", "decide.mode=model", "--workdir"]).arg(workdir);
    assert!(done(&backtest.output().unwrap())["signals"].as_u64().unwrap() > 0);

    // Trees alone leave no network behind.
    train(workdir, "gbdt");
    assert!(!file.exists());
    let bundle = Bundle::load(&models(workdir)[0]).unwrap();
    assert!(bundle.other_families.is_empty() && bundle.mix.is_empty());
    assert_eq!(read(&workdir.join("reports/training_report.json"))["families"], json!([]));
}

#[test]
fn networks_speak_alone_and_what_they_say_is_traded() {
    let workdir = tempfile::tempdir().unwrap();
    let workdir = workdir.path();
    train(workdir, "neural");
    let report = read(&workdir.join("reports/training_report.json"));
    let rows = report["families"].as_array().unwrap();
    assert_eq!(rows.len(), 3, "trees, networks, together");
    // Nobody asks the trees: together is what the networks say.
    assert_eq!((&rows[0]["part"], &rows[1]["part"]), (&json!(0.0), &json!(1.0)));
    for key in ["trades", "total_return", "sharpe"] {
        assert_eq!(rows[1][key], rows[2][key], "{key}");
        assert_ne!(rows[0][key], rows[2][key], "{key}");
    }
    for path in models(workdir) {
        let bundle = Bundle::load(&path).unwrap();
        assert!(bundle.mix.values().all(|families| families == &[Family::Neural]));
        assert_eq!(bundle.metadata.training_parameters.model_type, "Neural");
    }
}

#[test]
fn a_run_that_was_stopped_among_its_networks_goes_on_from_their_epochs() {
    let long =
        ["--set", "models.neural.epochs=60", "--set", "models.neural.patience=0", "--set", "models.neural.width=48"];
    let (undisturbed, stopped) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let expected = done(&command(undisturbed.path(), "neural", &long).output().unwrap());
    let mut child =
        command(stopped.path(), "neural", &long).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // Some networks have ended, others are under way.
    let states = || {
        let folders = std::fs::read_dir(stopped.path().join("data/checkpoints")).into_iter().flatten().flatten();
        let files = folders.flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten().flatten());
        files.filter(|file| file.file_name().to_string_lossy().starts_with("network_")).count()
    };
    let begun = Instant::now();
    while states() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(120) && child.try_wait().unwrap().is_none(), "no state is kept");
        std::thread::sleep(Duration::from_millis(20));
    }
    // SAFETY: sends a signal to a child that is not waited for yet.
    unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
    assert_eq!(child.wait().unwrap().code(), Some(130));
    // Those that had ended, and those that were under way.
    let kept = states();
    assert!(kept > 2, "{kept} states");
    let resumed = done(&command(stopped.path(), "neural", &long).arg("--resume").output().unwrap());
    assert_eq!(resumed["models_digest"], expected["models_digest"]);
    assert_eq!(states(), 0, "a trained symbol has its networks in itself");
    let logs = std::fs::read_dir(stopped.path().join("logs")).unwrap().map(|entry| entry.unwrap().path());
    assert!(logs.filter(|path| path.is_file()).count() > 0);
}

#[test]
fn a_coins_own_trees_beside_a_pool_are_saved_and_train_again_to_the_same_bits() {
    let workdir = tempfile::tempdir().unwrap();
    let workdir = workdir.path();
    done(&command(workdir, "gbdt", &["--set", "models.scope=partial"]).output().unwrap());
    let paths = models(workdir);
    assert_eq!(paths.len(), 3);
    let bundles: Vec<Bundle> = paths.iter().map(|path| Bundle::load(path).unwrap()).collect();
    assert!(bundles.iter().all(|bundle| bundle.other_families.keys().eq([&Family::Own]) && bundle.mix.is_empty()));
    // The pool is the same for all coins, and what each adds is its own.
    assert_eq!(bundles[0].heads, bundles[1].heads);
    assert_ne!(bundles[0].other_families, bundles[1].other_families);
    // Few rounds leave much over, so that pool and coin both have a say.
    let slopes = || bundles.iter().flat_map(|bundle| bundle.calibration.unwrap().heads).map(|head| head.slopes);
    assert!(slopes().any(|slopes| slopes.slope > 0.0), "the pool is not believed");
    assert!(slopes().any(|slopes| slopes.own_slope > 0.0), "no coin's own trees are believed");
    // The simulated market has no drift that is believed: two models get one, for and against.
    for (bundle, drift_bps) in bundles.iter().zip([15.0, -15.0]) {
        let mut drifting = bundle.clone();
        drifting.calibration.as_mut().unwrap().heads[Head::EdgeBps.position()].drift_bps = drift_bps;
        drifting.metadata.digest = drifting.digest();
        drifting.save(workdir).unwrap();
    }
    every_reader_says_the_same(workdir, &paths, true);

    let verify = |model: &Path| {
        let mut verify = Command::new(env!("CARGO_BIN_EXE_huracan"));
        verify.current_dir(workdir).args(["verify", "--json"]).arg(model).arg("--workdir").arg(workdir);
        verify.output().unwrap()
    };
    let verified = done(&verify(&paths[0]));
    let of = |verified: &Value, what: &str| {
        verified["checks"].as_array().unwrap().iter().filter(|check| check["of"] == what).count()
    };
    assert_eq!(of(&verified, "model, own trees"), Head::COUNT);
    let folds = bundles[0].metadata.folds.len();
    for fold in &bundles[0].metadata.folds {
        assert_eq!(of(&verified, &format!("fold {}, own trees", fold["index"])), Head::COUNT, "{verified}");
    }
    assert!(folds >= 2, "{folds} folds");
    assert_eq!(verified["equal"], true, "{verified}");
    assert_eq!(verified["not_checked"], json!(["calibration"]));

    // A digest of a fold that its inputs do not give is found out, and one that is not recorded is named.
    let forged = |change: fn(&mut Value)| {
        let elsewhere = tempfile::tempdir().unwrap();
        let mut bundle = bundles[0].clone();
        bundle.metadata.folds.iter_mut().for_each(change);
        let forged = verify(&bundle.save(elsewhere.path()).unwrap().pickle);
        let said: Value = serde_json::from_slice(&forged.stdout).unwrap();
        (forged.status.code(), said)
    };
    let (code, said) = forged(|fold| fold["own_digests"]["edge_bps"] = json!("0"));
    let unequal = said["checks"].as_array().unwrap().iter().filter(|check| check["equal"] == false).count();
    assert_eq!((code, unequal), (Some(1), folds), "{said}");
    let (code, said) = forged(|fold| _ = fold.as_object_mut().unwrap().remove("own_digests"));
    assert_eq!((code, &said["not_checked"]), (Some(0), &json!(["own trees of the folds", "calibration"])));

    // A model of an earlier version is refused by whoever would believe its raw scores.
    let elsewhere = tempfile::tempdir().unwrap();
    let mut older = bundles[0].clone();
    older.calibration = None;
    older.metadata.digest = older.digest();
    let older = older.save(elsewhere.path()).unwrap().pickle;
    let line = format!("boost predict --table view.parquet --model {} --out old.parquet", older.display());
    huracan(workdir, &line).expect(3, &["earlier version", "train it again"]);
    assert!(!workdir.join("old.parquet").exists());
    let line = "backtest --candles data/candles --include-rejected --set decide.mode=model --trades t.csv --workdir";
    huracan(workdir, &format!("{line} {}", elsewhere.path().display())).expect(3, &["train it again"]);

    // Beside networks too: they learn what the pool's trees leave over, and count by what they add to the networks.
    done(&command(workdir, "neural", &["--set", "models.scope=partial"]).output().unwrap());
    let path = &models(workdir)[0];
    assert!(Bundle::load(path).unwrap().other_families.keys().eq([&Family::Neural, &Family::Own]));
    assert_eq!(done(&verify(path))["equal"], true);
    every_reader_says_the_same(workdir, std::slice::from_ref(path), false);
}
