use super::*;
use crate::boost::{Child, Objective, Tree};

fn forest(objective: Objective, shift: f64) -> Forest {
    let tree = Tree {
        split_feature: vec![1],
        threshold: vec![0.1 + shift],
        missing_left: vec![true],
        left: vec![Child::Leaf(0)],
        right: vec![Child::Leaf(1)],
        split_gain: vec![3.5],
        node_value: vec![0.0],
        node_weight: vec![9.0],
        node_count: vec![40],
        leaf_value: vec![-0.25, 0.125 + shift],
        leaf_weight: vec![4.0, 5.0],
        leaf_count: vec![18, 22],
    };
    Forest {
        objective,
        features: vec!["ret 1".into(), "rsi_14".into()],
        base_score: vec![0.3],
        averaged: false,
        trees: vec![tree],
        validation_loss: vec![0.7],
    }
}

fn bundle(symbol: &str) -> Bundle {
    let heads = BTreeMap::from([
        (Head::WinLong, forest(Objective::Binary, 0.0)),
        (Head::EdgeBps, forest(Objective::Regression, 0.2)),
    ]);
    let head_digests: BTreeMap<Head, String> = heads.iter().map(|(head, f)| (*head, f.digest())).collect();
    let digest = combined_digest(head_digests.values());
    Bundle {
        symbol: symbol.to_owned(),
        model_type: "LightGBM".to_owned(),
        main_head: Head::WinLong,
        feature_names: vec!["ret 1".into(), "rsi_14".into()],
        scaler: None,
        parameters: json!({"rounds": 200, "learning_rate": 0.05}),
        other_families: BTreeMap::new(),
        mix: Default::default(),
        calibration: None,
        metadata: Metadata {
            model_id: model_id(symbol, "2024-09-06", &digest),
            symbol: symbol.to_owned(),
            version: "1.0.0".to_owned(),
            training_date: "2024-09-06".to_owned(),
            performance_metrics: Performance {
                sharpe_ratio: Some(1.25),
                more: Map::from_iter([("trades".to_owned(), json!(41))]),
                ..Performance::default()
            },
            feature_importance: importance_shares(&heads),
            feature_importance_believed: Some(false),
            training_parameters: TrainingParameters {
                lookback_days: 240,
                train_test_split: 0.8,
                model_type: "LightGBM".to_owned(),
                more: Map::new(),
            },
            device: "cpu".to_owned(),
            digest,
            head_digests,
            other_family_digests: BTreeMap::new(),
            mix: Default::default(),
            data_digest: "d".to_owned(),
            inputs: None,
            git_commit: "unknown".to_owned(),
            settings_digest: "s".to_owned(),
            folds: vec![json!({"fold": 0})],
            policy: serde_json::Value::Null,
            approved: false,
            reasons: vec!["trades 12 is below 30 (approve.min_trades)".to_owned()],
            retired: None,
            simulated: true,
        },
        heads,
    }
}

#[test]
fn a_bundle_survives_a_round_trip_and_its_bytes_are_reproducible() {
    let folder = tempfile::tempdir().unwrap();
    let written = bundle("BTC-USDT");
    let saved = written.save(folder.path()).unwrap();
    assert_eq!(Bundle::load(&saved.pickle).unwrap(), written);
    let files = |saved: &BundlePaths| [&saved.pickle, &saved.text, &saved.metadata].map(|p| std::fs::read(p).unwrap());
    let other_folder = tempfile::tempdir().unwrap();
    assert_eq!(files(&saved), files(&written.save(other_folder.path()).unwrap()));
}

#[test]
fn the_text_and_the_pickle_hold_the_same_main_head() {
    let folder = tempfile::tempdir().unwrap();
    let saved = bundle("BTC-USDT").save(folder.path()).unwrap();
    let (text, main) = (load_forest(&saved.text, None).unwrap(), load_forest(&saved.pickle, None).unwrap());
    assert_eq!((&text.trees, &text.base_score), (&main.trees, &main.base_score));
    assert_eq!(text.features, main.features, "a space in a name survives the text");
    assert_eq!(load_forest(&saved.pickle, Some("edge_bps")).unwrap().objective, Objective::Regression);
    let error = load_forest(&saved.pickle, Some("edge")).unwrap_err().to_string();
    assert!(error.contains("no head 'edge'; it has: edge_bps, win_long"), "{error}");
}

#[test]
fn metadata_json_has_every_field_of_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let saved = bundle("BTC-USDT").save(folder.path()).unwrap();
    let json: Value = serde_json::from_slice(&std::fs::read(&saved.metadata).unwrap()).unwrap();
    for field in [
        "model_id",
        "symbol",
        "version",
        "training_date",
        "feature_importance",
        "device",
        "digest",
        "data_digest",
        "git_commit",
        "settings_digest",
        "folds",
        "approved",
        "reasons",
        "simulated",
    ] {
        assert!(!json[field].is_null(), "{field}");
    }
    assert_eq!(json["performance_metrics"]["sharpe_ratio"], 1.25);
    assert!(json["performance_metrics"].as_object().unwrap().contains_key("win_rate"));
    assert_eq!(json["performance_metrics"]["trades"], 41);
    assert_eq!(json["training_parameters"]["model_type"], "LightGBM");
    assert_eq!(json["feature_importance"]["rsi_14"], 1.0);
    assert!(uuid::Uuid::parse_str(json["model_id"].as_str().unwrap()).is_ok());
}

#[test]
fn symbols_never_leave_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    for symbol in ["", "..", "../x", "a/b", "a\\b", "/etc/x", "a\0b", ".hidden", "a..b", "a\nb", &"x".repeat(300)] {
        let error = bundle(symbol).save(folder.path()).unwrap_err();
        assert!(matches!(error, BundleError::Symbol { .. }), "{symbol:?}: {error}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn contradictory_bundles_are_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let rejected = |change: fn(&mut Bundle), part: &str| {
        let mut bundle = bundle("A-B");
        change(&mut bundle);
        let error = bundle.save(folder.path()).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    rejected(|b| b.main_head = Head::WinShort, "main head");
    rejected(|b| b.feature_names[0] = "x".into(), "features other than");
    rejected(|b| b.metadata.digest = "0".into(), "digest");
    rejected(|b| b.metadata.symbol = "C-D".into(), "C-D");
    rejected(|b| b.scaler = Some(Scaler { center: vec![0.0], scale: vec![1.0] }), "scaler");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn modified_or_foreign_files_are_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let saved = bundle("A-B").save(folder.path()).unwrap();
    let bytes = std::fs::read(&saved.pickle).unwrap();
    let after = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        let path = folder.path().join("changed.pkl");
        std::fs::write(&path, bytes).unwrap();
        Bundle::load(&path).unwrap_err()
    };
    let at = |part: &str| bytes.windows(part.len()).position(|w| w == part.as_bytes()).unwrap();
    let threshold = at("threshold=0.") + "threshold=0.".len();
    assert!(matches!(after(&|b| b[threshold] = b'7'), BundleError::Digest { .. }));
    let format = at("huracan-model-1") + 14;
    assert!(after(&|b| b[format] = b'9').to_string().contains("huracan-model-9"));
    assert!(matches!(after(&|b| b.truncate(bytes.len() / 2)), BundleError::Format { .. }));
    assert!(matches!(after(&|b| *b = b"hello".to_vec()), BundleError::Format { .. }));
    assert!(matches!(load_forest(&saved.metadata, None), Err(BundleError::Extension { .. })));
    assert!(matches!(Bundle::load(Path::new("/nowhere.pkl")), Err(BundleError::Io { .. })));
}

#[test]
fn combined_digest_ignores_only_the_order() {
    assert_eq!(combined_digest(["b", "a"]), combined_digest(["a", "b"]));
    assert_ne!(combined_digest(["a", "b"]), combined_digest(["a", "c"]));
    // echo -n ab | sha256sum
    assert_eq!(combined_digest(["b", "a"]), "fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603");
}

/// The files of a model that has seen candles up to a day.
fn of_day(folder: &std::path::Path, symbol: &str, approved: bool, day: &str) -> BundlePaths {
    let mut own = bundle(symbol);
    own.metadata.approved = approved;
    own.metadata.training_date = day.to_owned();
    own.metadata.inputs = Some(Inputs {
        symbols: vec![symbol.to_owned()],
        timeframe: crate::bars::Timeframe::H1,
        max_gap_bars: 3,
        from: "2024-01-01T00:00:00Z".parse().unwrap(),
        to: format!("{day}T00:00:00Z").parse().unwrap(),
        terms: BTreeMap::new(),
    });
    own.save(folder).unwrap()
}

#[test]
fn a_model_that_no_run_trains_any_more_is_withdrawn_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let workdir = folder.path();
    let approved = of_day(workdir, "A-B", true, "2024-09-06");
    std::fs::write(&approved.networks, "networks").unwrap();
    of_day(workdir, "C-D", false, "2024-09-06");
    assert_eq!(symbols_with_files(workdir, true).unwrap(), ["A-B".to_owned()].into());
    assert_eq!(symbols_with_files(workdir, false).unwrap(), ["C-D".to_owned()].into());

    retire(workdir, "A-B", "2024-09-07".parse().unwrap(), "not trained by the run of 2024-09-07").unwrap();
    assert!(!approved.pickle.exists() && !approved.metadata.exists() && !approved.text.exists());
    assert!(symbols_with_files(workdir, true).unwrap().is_empty());
    let paths = Bundle::paths(workdir, "A-B", false).unwrap();
    assert!(paths.text.exists() && std::fs::read(&paths.networks).unwrap() == b"networks");
    let moved = Bundle::load(&paths.pickle).unwrap();
    let metadata: Metadata = serde_json::from_slice(&std::fs::read(&paths.metadata).unwrap()).unwrap();
    assert_eq!(moved.metadata, metadata, "pickle and metadata.json say the same");
    assert!(!metadata.approved && metadata.reasons.last().unwrap().contains("2024-09-07"), "{metadata:?}");
    assert_eq!(metadata.retired, Some("2024-09-07".parse().unwrap()));
}

#[test]
fn files_that_nobody_can_read_are_withdrawn_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let workdir = folder.path();
    let approved = Bundle::paths(workdir, "A-B", true).unwrap();
    std::fs::create_dir_all(workdir.join("models")).unwrap();
    std::fs::write(&approved.pickle, "not a pickle").unwrap();
    retire(workdir, "A-B", "2024-09-07".parse().unwrap(), "why").unwrap();
    assert!(!approved.pickle.exists());
    let rejected = Bundle::paths(workdir, "A-B", false).unwrap();
    assert_eq!(std::fs::read(rejected.pickle).unwrap(), b"not a pickle");
}

#[test]
fn of_an_approved_and_a_rejected_model_the_newer_one_stays() {
    let verdicts = |approved_day: &str, rejected_day: &str, winners: &[String]| {
        let folder = tempfile::tempdir().unwrap();
        // A restore brings a file back beside another one, as saving a model never does.
        let elsewhere = tempfile::tempdir().unwrap();
        of_day(elsewhere.path(), "A-B", true, approved_day);
        of_day(folder.path(), "A-B", false, rejected_day);
        let (from, to) = (elsewhere.path().join("models"), folder.path().join("models"));
        std::fs::create_dir_all(to.join("A-B")).unwrap();
        for file in ["A-B_model.pkl", "A-B_model.txt", "A-B/metadata.json"] {
            std::fs::copy(from.join(file), to.join(file)).unwrap();
        }
        let removed = settle(folder.path(), winners).unwrap();
        let left = [true, false].map(|approved| !symbols_with_files(folder.path(), approved).unwrap().is_empty());
        (removed, left)
    };
    let (approved, rejected) = ("models/A-B_model.pkl".to_owned(), "models/rejected/A-B_model.pkl".to_owned());
    let is_rejected = (vec![approved.clone()], [false, true]);
    let is_approved = (vec![rejected.clone()], [true, false]);
    assert_eq!(verdicts("2024-09-06", "2024-09-07", &[]), is_rejected);
    assert_eq!(verdicts("2024-09-07", "2024-09-06", &[]), is_approved);
    // A model and its own withdrawal.
    assert_eq!(verdicts("2024-09-06", "2024-09-06", &[]), is_rejected);
    // Asked for with --overwrite.
    assert_eq!(verdicts("2024-09-06", "2024-09-07", &[approved]), is_approved);
    assert_eq!(verdicts("2024-09-07", "2024-09-06", &[rejected]), is_rejected);
}
