//! Names that come from outside (symbols, entries of a remote, values of a table) stay in the folders that they are
//! joined to, whatever they are.

use std::path::{Component, Path};

use chrono::NaiveDate;
use huracan::files::is_plain_name;
use huracan::market::{Exchange, select};
use huracan::models::Bundle;
use huracan::settings::Settings;
use huracan::sync::{Kind, local_path, remote_path};
use proptest::prelude::*;

/// What attacks on paths are made of, and ordinary words.
const PIECES: &[&str] = &[
    "..",
    ".",
    "/",
    "\\",
    "\0",
    "~",
    "etc",
    "passwd",
    "C:",
    "CON",
    "nul",
    "com1",
    ".txt",
    ".pkl",
    ".json",
    " ",
    "\n",
    "\u{7f}",
    "\u{202e}",
    "\u{2215}",
    "\u{ff0f}",
    "\u{ff0e}\u{ff0e}",
    "é",
    "e\u{301}",
    "龙",
    "%2e%2e",
    "%2f",
    "$HOME",
    "`id`",
    "BTC-USDT",
    "_model",
    "models",
    "data/candles",
    "2025-11-08",
    "Runpodhuracan",
    "*",
    "?",
    "|",
    "<",
    "\"",
];

fn nasty() -> impl Strategy<Value = String> {
    let pieces = prop::collection::vec(prop::sample::select(PIECES), 0..8).prop_map(|pieces| pieces.concat());
    prop_oneof![4 => pieces, 1 => any::<String>(), 1 => "[A-Z0-9]{1,10}-[A-Z]{3,5}", 1 => "/[a-z./]{0,20}"]
}

/// Whether a path is that of an entry below `folder`, by its parts alone.
fn lies_below(path: &Path, folder: &Path) -> bool {
    path.strip_prefix(folder)
        .is_ok_and(|rest| rest != Path::new("") && rest.components().all(|part| matches!(part, Component::Normal(_))))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn a_plain_name_is_one_part_of_a_path_on_every_system(name in nasty()) {
        if is_plain_name(&name) {
            let path = Path::new("/srv").join(&name);
            prop_assert!(lies_below(&path, Path::new("/srv")) && path.parent() == Some(Path::new("/srv")), "{name:?}");
            prop_assert!(!name.contains(['\\', ':', '/']) && !name.contains("..") && !name.chars().any(char::is_control));
        }
    }

    #[test]
    fn a_models_files_lie_in_its_folder_or_nowhere(symbol in nasty()) {
        if let Ok(paths) = Bundle::paths(Path::new("/srv"), &symbol, true) {
            for path in [paths.pickle, paths.text, paths.metadata] {
                prop_assert!(lies_below(&path, Path::new("/srv/models")), "{symbol:?}: {}", path.display());
            }
        }
    }

    #[test]
    fn an_entry_of_a_remote_lies_in_its_kinds_folder_or_nowhere(inner in nasty(), extra in nasty(), kind in 0..9_usize) {
        let day = NaiveDate::from_ymd_opt(2025, 11, 8).unwrap();
        let kinds: Vec<Kind> = Kind::SCHEDULED.into_iter().chain([Kind::Checkpoints]).collect();
        let kind = kinds[kind];
        for entry in [format!("{}/{inner}", kind.remote_prefix(day, "R")), inner.clone(), format!("R/{inner}/{extra}")] {
            if let Some(local) = local_path(&entry, kind, day, "R") {
                let folder = Path::new("/srv").join(kind.local_folder());
                prop_assert!(lies_below(&Path::new("/srv").join(&local), &folder), "{entry:?} to {local:?}");
                prop_assert_eq!(remote_path(&local, day, "R"), Some(entry));
            }
        }
        for local in [inner.clone(), format!("{}/{inner}", kind.local_folder()), format!("{inner}/{extra}")] {
            if let Some(remote) = remote_path(&local, day, "R") {
                prop_assert!(lies_below(&Path::new("/").join(&remote), Path::new("/R")), "{local:?} to {remote:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_exchange_cannot_list_a_coin_whose_name_leads_elsewhere() {
    let settings = Settings::defaults();
    let exchange = Exchange::open(&settings, None).unwrap();
    let markets = exchange.markets().await.unwrap();
    let good = select(&markets, &settings, exchange.now_ms());
    let best = markets.iter().find(|market| market.symbol == good.chosen[0].symbol).unwrap();
    for name in ["../../etc/passwd", "/etc/passwd", "A\0B-USDT", "..\\..\\x-USDT", "CON", "nul.txt", ".hidden", "A:B"] {
        let mut market = best.clone();
        market.symbol = name.to_owned();
        let selection = select(&[market, best.clone()], &settings, exchange.now_ms());
        let chosen: Vec<&str> = selection.chosen.iter().map(|coin| coin.symbol.as_str()).collect();
        assert_eq!(chosen, [&best.symbol], "{name:?}");
        assert_eq!(selection.excluded[0].reason, "its name cannot be used as a file name");
        assert!(!selection.excluded[0].symbol.contains('\0'), "PostgreSQL takes no such text");
    }
}

#[test]
fn ordinary_names_are_plain_and_those_that_lead_elsewhere_are_not() {
    for name in
        ["BTC-USDT", "1INCH-USDT", "1000SATS-USDT", "龙-USDT", "metadata.json", "A-B_model.pkl", "NULS-USDT", "x y"]
    {
        assert!(is_plain_name(name), "{name:?}");
    }
    let long = "x".repeat(201);
    for name in [
        "", ".", "..", "../x", "/x", "x/", "a/b", "a\\b", "C:x", ".x", "a..b", "x.", "x ", "a\0", "a\nb", "NUL",
        "con.txt", "Lpt9", "a*b", "a?b", "a|b", "a\"b", "<a>", &long,
    ] {
        assert!(!is_plain_name(name), "{name:?}");
    }
}
