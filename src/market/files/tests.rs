use super::*;
use crate::bars::{HOUR_MS, Timeframe};

const START: i64 = 1_704_067_200_000; // 2024-01-01

pub(super) fn hourly(bars: i64) -> Candles {
    let mut candles = Candles::default();
    for i in 0..bars {
        let p = 100.0 + i as f64 / 8.0;
        candles.push(START + i * HOUR_MS, [p, p + 1.0, p - 1.0, p + 0.5], 3.0 + i as f64);
    }
    candles
}

fn with_csv(text: &str, check: impl FnOnce(Result<Candles, ReadError>)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("BTC-USDT.csv");
    std::fs::write(&path, text).unwrap();
    check(read_candles(&path));
}

#[test]
fn candles_and_metadata_survive_a_round_trip_and_no_temporary_file_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/BTC-USDT.parquet");
    let candles = hourly(50);
    write_candles(&path, &hourly(3)).unwrap();
    write_with_metadata(&path, &candles, &[("origin", "here".into())]).unwrap();
    assert_eq!(read_candles(&path).unwrap(), candles);
    assert_eq!(read_with_metadata(&path, "origin").unwrap(), (candles.clone(), Some("here".into())));
    assert_eq!(read_with_metadata(&path, "other").unwrap().1, None);
    let names: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["BTC-USDT.parquet"]);
}

#[test]
fn a_failed_write_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.json");
    std::fs::write(&path, "old").unwrap();
    let error = write_atomically(&path, |file| {
        use std::io::Write;
        file.write_all(b"half").map_err(|e| e.to_string())?;
        Err("cut off".into())
    });
    assert_eq!(error, Err("cut off".into()));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn feather_files_and_file_names_of_other_tools_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("btc_usdt-1h.feather");
    let mut frame = frame(&hourly(5)).unwrap();
    frame.rename("timestamp", "date".into()).unwrap();
    IpcWriter::new(File::create(&path).unwrap()).finish(&mut frame).unwrap();
    assert_eq!(read_candles(&path).unwrap(), hourly(5));
    assert_eq!(symbol_of(&path).unwrap(), "BTC-USDT");
    assert_eq!(symbol_of(Path::new("a/ETH_USDT.csv")).unwrap(), "ETH-USDT");
    assert_eq!(symbol_of(Path::new("ethusdt.csv")).unwrap(), "ETHUSDT");
}

#[test]
fn csv_times_may_be_numbers_or_text_and_prices_may_mix_whole_numbers_and_fractions() {
    let expected = [START, START + HOUR_MS];
    for (first, second) in [
        ("1704067200000", "1704070800000"),
        ("1704067200", "1704070800"),
        ("2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z"),
        ("2024-01-01 00:00:00", "2024-01-01 01:00:00"),
    ] {
        let text = format!("time,Open,high,low,close,volume\n{first},1,2,1,2,0\n{second},2,2.5,1.5,2,7\n");
        with_csv(&text, |read| {
            let candles = read.unwrap();
            assert_eq!(candles.timestamp, expected, "{first}");
            assert_eq!((candles.open[0], candles.high[1], candles.volume[1]), (1.0, 2.5, 7.0));
        });
    }
}

#[test]
fn errors_name_the_file_the_column_and_the_row() {
    let mentions = |text: &str, parts: &[&str]| {
        with_csv(text, |read| {
            let message = read.unwrap_err().to_string();
            for part in parts.iter().chain(&["BTC-USDT.csv"]) {
                assert!(message.contains(part), "{part} is missing in: {message}");
            }
        });
    };
    mentions("timestamp,open,high,low,close\n1704067200000,1,1,1,1\n", &["volume", "timestamp, open"]);
    mentions("open,high,low,close,volume\n1,1,1,1,1\n", &["'timestamp' is missing"]);
    mentions(
        "timestamp,open,high,low,close,volume\n1704067200,1,1,1,1,1\n1704070800,1,oops,1,1,1\n",
        &["row 1", "high", "oops"],
    );
    mentions("timestamp,open,high,low,close,volume\nsoon,1,1,1,1,1\n", &["row 0", "timestamp", "soon"]);
    mentions(
        "timestamp,open,high,low,close,volume\n,1,1,1,1,1\n1704067200,1,1,1,1,1\n",
        &["row 0", "timestamp", "missing"],
    );
    mentions("", &["csv"]);
    let missing = read_candles(Path::new("nowhere/X.parquet")).unwrap_err().to_string();
    assert!(missing.contains("nowhere/X.parquet") && missing.contains("opened"), "{missing}");
    with_csv("timestamp,open,high,low,close,volume\n1704067200,1,1,1,1,1\n1704070800,1,1,,1,1\n", |read| {
        let fault = read.unwrap().validate(Timeframe::H1).unwrap_err();
        assert_eq!((fault.row, fault.reason.as_str()), (1, "low is NaN"));
    });
}

#[test]
fn a_folder_detects_its_timeframe_and_continues_after_a_bad_file() {
    let folder = tempfile::tempdir().unwrap();
    write_candles(&folder.path().join("A-USDT.parquet"), &hourly(5)).unwrap();
    let mut bad = hourly(5);
    bad.low[3] = -1.0;
    write_candles(&folder.path().join("B-USDT.parquet"), &bad).unwrap();
    std::fs::write(folder.path().join("C_USDT.parquet"), "rubbish").unwrap();
    std::fs::write(folder.path().join("notes.txt"), "ignored").unwrap();
    let (timeframe, files) = read_folder(folder.path(), None).unwrap();
    assert_eq!(timeframe, Timeframe::H1);
    let symbols: Vec<&str> = files.iter().map(|(symbol, _)| symbol.as_str()).collect();
    assert_eq!(symbols, ["A-USDT", "B-USDT", "C-USDT"]);
    assert_eq!(files[0].1.as_ref().unwrap(), &hourly(5));
    let message = files[1].1.as_ref().unwrap_err().to_string();
    assert!(message.contains("B-USDT.parquet: row 3: low is -1"), "{message}");
    assert!(files[2].1.as_ref().unwrap_err().to_string().contains("C_USDT.parquet"));
    let (_, daily) = read_folder(folder.path(), Some(Timeframe::D1)).unwrap();
    assert!(daily[0].1.as_ref().unwrap_err().to_string().contains("contradicts market.timeframe 1d"));
}

#[test]
fn two_files_of_one_symbol_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_candles(&folder.path().join("A-USDT.parquet"), &hourly(5)).unwrap();
    write_candles(&folder.path().join("a_usdt-1h.parquet"), &hourly(5)).unwrap();
    let message = read_folder(folder.path(), None).unwrap_err().to_string();
    assert!(message.contains("A-USDT.parquet and a_usdt-1h.parquet are both A-USDT"), "{message}");
    let empty = tempfile::tempdir().unwrap();
    assert!(read_folder(empty.path(), None).unwrap_err().to_string().contains("holds no candle files"));
    assert!(read_folder(&empty.path().join("x"), None).unwrap_err().to_string().contains("cannot be listed"));
}
