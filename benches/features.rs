//! Throughput of the feature stage on a folder of candles: `features CANDLES [SECONDS] [new|reused]`.
//!
//! Computes all features of all symbols repeatedly, on all cores, and prints one JSON object. `values_per_s` counts every
//! value of every bar that a symbol has; it does not include reading the candles and the first round. Each result gets new
//! memory, or, with `reused`, the memory of the last one.

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use huracan::bars::Panel;
use huracan::features::{COUNT, Features, compute, compute_into};
use huracan::market::read_folder;
use sha2::{Digest, Sha256};

fn main() -> Result<(), Box<dyn Error>> {
    huracan::settings::instructions_from_environment()?;
    // Cargo adds its own options to the arguments of a benchmark.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let folder = arguments.first().ok_or("usage: features CANDLES [SECONDS] [new|reused]")?;
    let seconds: f64 = arguments.get(1).map_or(Ok(5.0), |s| s.parse())?;
    let reused = match arguments.get(2).map(String::as_str) {
        None | Some("new") => false,
        Some("reused") => true,
        Some(other) => return Err(format!("unknown argument {other}: choose new or reused").into()),
    };
    let panel = read_panel(Path::new(folder))?;
    let bars: usize = panel.ranges.iter().map(ExactSizeIterator::len).sum();

    let mut features = compute(&panel);
    let digest = digest(&features);
    let start = Instant::now();
    let mut rounds = 0;
    while rounds == 0 || start.elapsed().as_secs_f64() < seconds {
        if reused {
            compute_into(black_box(&panel), &mut features);
        } else {
            black_box(compute(black_box(&panel)));
        }
        rounds += 1;
    }
    let rate = (rounds * bars * COUNT) as f64 / start.elapsed().as_secs_f64();
    let result = serde_json::json!({
        "stage": "features",
        "symbols": panel.symbols.len(),
        "bars": bars,
        "outputs": COUNT,
        "threads": rayon::current_num_threads(),
        "memory": if reused { "reused" } else { "new" },
        "rounds": rounds,
        "values_per_s": rate,
        "digest": digest,
    });
    println!("{result}");
    Ok(())
}

fn read_panel(folder: &Path) -> Result<Panel, Box<dyn Error>> {
    let (timeframe, files) = read_folder(folder, None)?;
    let candles =
        files.into_iter().map(|(symbol, read)| read.map(|candles| (symbol, candles))).collect::<Result<Vec<_>, _>>()?;
    Ok(Panel::new(candles, timeframe, 24, false)?)
}

/// SHA-256 over the bits of all values. Equal digests show that an optimisation changed no result.
fn digest(features: &Features) -> String {
    let mut hash = Sha256::new();
    for value in &features.values {
        hash.update(value.to_bits().to_le_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
