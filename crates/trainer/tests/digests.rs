//! From candles to trades, every processor gives the same bits with its fastest instructions: those of tests/digests.txt, whatever
//! its architecture. That all instruction sets of a processor give the same is tested where one is chosen.
//!
//! HURACAN_WRITE_DIGESTS=1 writes the file anew after the rules have changed.

use std::fmt::Write as _;
use std::path::Path;

use huracan_bars::{Candles, HOUR_MS, Panel, Timeframe};
use huracan_base::arith::{draw, uniform};
use huracan_decide::{DecideParams, consensus, votes};
use huracan_engine::Compute;
use huracan_features::{View, atr_14, compute};
use huracan_folds::FoldParams;
use huracan_labels as labels;
use huracan_risk::RiskParams;
use huracan_shadow::{BarrierParams, CostParams, MarketType};
use huracan_trainer::{ApprovalParams, ModelParams, TrainerParams, VerdictParams, walk_forward};

/// Simulated coins of different length whose prices follow those of the first a little later.
fn panel() -> Panel {
    let coin = |number: u64| {
        let mut candles = Candles::default();
        let mut close = 100.0;
        for bar in 0..1500 - 90 * number {
            let noise = |which: u64| uniform(draw(number, which, bar)) - 0.5;
            let lead = uniform(draw(0, 1, bar.saturating_sub(number))) - 0.5;
            let open = close;
            close = open * (1.0 + 0.01 * noise(1) + 0.004 * lead);
            let (high, low) = (open.max(close) * (1.0 + 0.002 * (noise(2) + 0.5)), open.min(close) * 0.998);
            candles.push((bar + 90 * number) as i64 * HOUR_MS, [open, high, low, close], 1e6 * (noise(3) + 0.6));
        }
        (["BTC-USDT", "ETH-USDT", "AAA-USDT", "BBB-USDT"][number as usize].to_owned(), candles)
    };
    Panel::new((0..4).map(coin).collect(), Timeframe::H1, 24, true).unwrap()
}

/// FNV-1a of the bits of numbers: short, and different for any change that is not made to be hidden from it.
fn digest(words: impl Iterator<Item = u64>) -> u64 {
    words
        .flat_map(u64::to_le_bytes)
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn of_f32(values: &[f32]) -> u64 {
    digest(values.iter().map(|value| u64::from(value.to_bits())))
}

fn of_f64(values: &[f64]) -> u64 {
    digest(values.iter().map(|value| value.to_bits()))
}

/// Each stage's digest, by its name.
fn digests() -> Vec<(&'static str, u64)> {
    let panel = panel();
    let params = TrainerParams {
        market: MarketType::Spot,
        barriers: BarrierParams::default(),
        folds: FoldParams { train_days: 24, purge_days: 2, test_days: 6, step_days: 6, ..FoldParams::default() },
        models: ModelParams { rounds: 12, min_rounds: 3, early_stopping: 4, ..ModelParams::default() },
        decide: DecideParams::default(),
        costs: CostParams { safety_margin_bps: 0.0, ..CostParams::default() },
        risk: RiskParams::default(),
        approve: ApprovalParams::default(),
        verdict: VerdictParams::default(),
        nights: 1.0,
        seed: 7,
    };
    let (features, atr, rules) = (compute(&panel), atr_14(&panel), params.rules(panel.timeframe));
    let view = View::of(&panel, &features);
    let labels = labels::compute(&panel, &atr, &rules);
    let votes = votes::compute(&panel, &params.decide.voters);
    let horizon_bars = params.barriers.horizon_bars();
    let consensus = consensus::compute(&panel, &votes, &labels, &params.decide, horizon_bars);
    let opinions = consensus.opinions.iter().flat_map(|opinion| {
        [opinion.score, opinion.threshold, opinion.confidence, opinion.expected_bps].map(|x| u64::from(x.to_bits()))
    });
    let found = walk_forward(&params, &Compute::cpu(), &panel, &[0, 1, 2, 3], &()).expect("models can be trained");
    assert!(found.failed.is_empty() && !found.trades.is_empty(), "{:?}, {} trades", found.failed, found.trades.len());
    let forests = found.models.iter().flat_map(|model| &model.trained.folds).flat_map(|fold| fold.digests.values());
    let forests = forests.flat_map(|text| text.bytes()).map(u64::from);
    let trades = found.trades.iter().flat_map(|trade| {
        let places = [trade.symbol, trade.signal_bar, trade.exit_bar].map(|place| place as u64);
        let prices = [trade.entry_price, trade.exit_price, trade.size, trade.net_bps].map(f64::to_bits);
        places.into_iter().chain(prices)
    });
    vec![
        ("features", of_f32(&features.values)),
        ("atr", of_f64(&atr)),
        ("view", of_f32(&view.values)),
        ("labels", of_f64(&labels.return_bps)),
        ("votes", of_f32(&votes.values)),
        ("consensus", digest(opinions)),
        ("models", digest(forests)),
        ("trades", digest(trades)),
    ]
}

#[test]
fn every_stage_has_the_recorded_digest_on_every_processor() {
    let mut found = String::new();
    for (stage, digest) in digests() {
        writeln!(found, "{stage} {digest:016x}").expect("text grows");
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/digests.txt");
    if std::env::var_os("HURACAN_WRITE_DIGESTS").is_some() {
        std::fs::write(&file, &found).expect("the file can be written");
    }
    assert_eq!(found, std::fs::read_to_string(&file).expect("tests/digests.txt is there"));
}
