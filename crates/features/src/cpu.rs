//! The catalogue on the CPU: symbols in parallel, each block by block.

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::catalogue::{CATALOGUE, COUNT, columns as c};
use super::series::BARS;
use super::shared::Shared;
use super::symbol::Symbol;
use super::tile::{Plain, Tile, Ways, blank};
use super::{Features, formulas, indicators, memory, recurrences};
use huracan_bars::Panel;

/// Computes every feature of every symbol and bar.
pub fn compute(panel: &Panel) -> Features {
    let mut features =
        Features { symbols: 0, bars: 0, values: memory::zeros(panel.symbols.len() * panel.bars * COUNT) };
    compute_into(panel, &mut features);
    features
}

/// [`compute`] into the memory of earlier features, which saves asking for new memory.
pub fn compute_into(panel: &Panel, features: &mut Features) {
    let (symbols, bars) = (panel.symbols.len(), panel.bars);
    let shared = Shared::new(panel);
    let fill = ways()[0];
    (features.symbols, features.bars) = (symbols, bars);
    features.values.resize(symbols * bars * COUNT, 0.0);
    // One by one: in larger portions, one thread would wait for another's last portion.
    let chunks = features.values.par_chunks_mut((bars * COUNT).max(1)).enumerate().with_max_len(1);
    chunks.for_each(|(symbol, out)| {
        WORK.with_borrow_mut(|work| fill(panel, symbol, &shared, work, out));
    });
}

/// ATR(14) of every symbol and bar in f64, `[symbols × bars]`: the unit of the barriers. NaN in the warm-up.
pub fn atr_14(panel: &Panel) -> Vec<f64> {
    let mut out = vec![f64::NAN; panel.symbols.len() * panel.bars];
    out.par_chunks_mut(panel.bars.max(1)).enumerate().for_each(|(symbol, out)| {
        let range = panel.ranges[symbol].clone();
        let own = |column| &panel.row(column, symbol)[range.clone()];
        let (high, low, close) = (own(&panel.high), own(&panel.low), own(&panel.close));
        let mut true_range = vec![0.0; range.len()];
        for t in 1..range.len() {
            true_range[t] = indicators::true_range([high[t], low[t], close[t - 1]]);
        }
        let atr = recurrences::atr(&true_range);
        let warm_up = CATALOGUE[c::ATR_14].warm_up.min(range.len());
        out[range.start + warm_up..range.end].copy_from_slice(&atr[warm_up..]);
    });
    out
}

/// What a thread works in.
struct Work {
    series: Box<Symbol>,
    tile: Tile,
}

thread_local! {
    static WORK: RefCell<Work> = RefCell::new(Work::new());
}

impl Work {
    fn new() -> Self {
        Self { series: Symbol::new(), tile: Tile::new() }
    }
}

/// Writes one symbol's rows, `[bars × features]`, those of bars that it does not have included.
type Fill = fn(&Panel, usize, &Shared, &mut Work, &mut [f32]);

/// Every way of [`fill`] that this machine can go, the fastest first: lanes do not change a bit, since nothing is fused.
fn ways() -> Vec<Fill> {
    let mut ways: Vec<Fill> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        use super::tile_x86::{Avx2, Avx512};

        #[target_feature(enable = "avx2,avx512f,avx512vl,avx512dq,avx512bw")]
        fn avx512(panel: &Panel, symbol: usize, shared: &Shared, work: &mut Work, rows: &mut [f32]) {
            fill::<Avx512>(panel, symbol, shared, work, rows);
        }
        #[target_feature(enable = "avx2")]
        fn avx2(panel: &Panel, symbol: usize, shared: &Shared, work: &mut Work, rows: &mut [f32]) {
            fill::<Avx2>(panel, symbol, shared, work, rows);
        }
        let has_avx2 = is_x86_feature_detected!("avx2");
        let has_avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw");
        if has_avx2 && has_avx512 {
            // SAFETY: the processor has just been found to have all of them.
            ways.push(|panel, symbol, shared, work, rows| unsafe { avx512(panel, symbol, shared, work, rows) });
        }
        if has_avx2 {
            // SAFETY: the processor has just been found to have AVX2.
            ways.push(|panel, symbol, shared, work, rows| unsafe { avx2(panel, symbol, shared, work, rows) });
        }
    }
    ways.push(fill::<Plain>);
    ways
}

/// Writes one symbol's rows, `[bars × features]`, those of bars that it does not have included.
#[inline(always)]
fn fill<W: Ways>(panel: &Panel, symbol: usize, shared: &Shared, Work { series, tile }: &mut Work, rows: &mut [f32]) {
    let Range { start, end } = panel.ranges[symbol];
    let (before, rows) = rows.split_at_mut(start * COUNT);
    let (rows, after) = rows.split_at_mut((end - start) * COUNT);
    blank::<W>(before);
    blank::<W>(after);
    series.clear();
    for (k, rows) in rows.chunks_mut(BARS * COUNT).enumerate() {
        let from = k * BARS;
        let bars = start + from..start + from + rows.len() / COUNT;
        series.take(panel, shared, symbol, bars.clone(), from);
        formulas::store(series, shared.calendar.each_ref().map(|grid| &grid[bars.clone()]), tile);
        if from == 0 {
            tile.hide_warm_up();
        }
        tile.write::<W>(rows);
        series.carry();
    }
    W::settle();
}

#[cfg(test)]
mod tests {
    use super::*;
    use huracan_bars::{Candles, Timeframe};
    use huracan_base::arith::{draw, uniform};

    #[test]
    fn wide_vectors_and_plain_ones_give_the_same_bits() {
        let walk = |seed: u64, bars: u64| {
            let mut candles = Candles::default();
            let mut close = 100.0;
            for i in 0..bars {
                let noise = |k: u64| uniform(draw(seed, k, i));
                let open = close;
                // Some bars stand still, and some are not traded.
                close = if noise(0) < 0.1 { open } else { open * (1.0 + 0.05 * (noise(1) - 0.5)) };
                let (high, low) =
                    (open.max(close) * (1.0 + 0.01 * noise(2)), open.min(close) * (1.0 - 0.01 * noise(3)));
                let volume = if noise(4) < 0.1 { 0.0 } else { 1e4 * noise(5) };
                candles.push(i as i64 * 3_600_000, [open, high, low, close], volume);
            }
            candles
        };
        let names = ["AAA-USDT", "BTC-USDT", "ETH-USDT"];
        let candles = names.iter().zip([700, 1333, 1201]).enumerate();
        let candles = candles.map(|(i, (name, bars))| ((*name).to_owned(), walk(i as u64, bars))).collect();
        let panel = Panel::new(candles, Timeframe::H1, 24, false).unwrap();
        let shared = Shared::new(&panel);
        let bits = |rows: Vec<f32>| rows.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        for (symbol, name) in names.iter().enumerate() {
            let rows = |fill: Fill| {
                let mut rows = vec![0.0; panel.bars * COUNT];
                fill(&panel, symbol, &shared, &mut Work::new(), &mut rows);
                bits(rows)
            };
            // The last way is the plain one, and on some machines the only one.
            let all: Vec<Vec<u32>> = ways().into_iter().map(rows).collect();
            assert!(all.iter().all(|rows| *rows == all[all.len() - 1]), "{name}");
        }
    }

    #[test]
    fn prices_that_stand_still_have_no_width_whatever_they_are() {
        for price in [100.1, 0.3, 7e-9, 64_123.45, 1.0 / 3.0, 99.999_999] {
            let mut candles = Candles::default();
            (0..300).for_each(|i| candles.push(i * 3_600_000, [price; 4], 10.0));
            let panel = Panel::new(vec![("AAA-USDT".to_owned(), candles)], Timeframe::H1, 24, false).unwrap();
            let features = compute(&panel);
            for bar in 70..300 {
                let value = |column| features.value(0, bar, column);
                assert_eq!((value(c::BB_WIDTH), value(c::PRICE_VS_BB)), (0.0, 0.5), "{price}, bar {bar}");
                let still = [c::VOLATILITY_20, c::RET_1_STD_20, c::TREND_STRENGTH, c::LOG_RET_5].map(value);
                assert_eq!(still, [0.0; 4], "{price}, bar {bar}");
            }
        }
    }
}
