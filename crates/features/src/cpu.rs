//! The catalogue on the CPU: symbols in parallel, each symbol block by block.

use std::cell::RefCell;
use std::ops::Range;

use rayon::prelude::*;

use super::catalogue::{CATALOGUE, COUNT, columns as c};
use super::series::BARS;
use super::shared::Shared;
use super::symbol::Symbol;
use super::tile::{Scalar, Simd, Tile, blank};
use super::{Features, formulas, indicators, memory, recurrences};
use huracan_bars::Panel;
use huracan_base::Instructions;

/// Computes every feature of every symbol and bar.
///
/// # Panics
/// Where a column of the panel is not symbols × bars long, or a range lies outside its bars.
pub fn compute(panel: &Panel) -> Features {
    let mut features =
        Features { symbols: 0, bars: 0, values: memory::zeros(panel.symbols.len() * panel.bars * COUNT) };
    compute_into(panel, &mut features);
    features
}

/// [`compute`] into the memory of earlier features, which saves an allocation.
///
/// # Panics
/// As [`compute`].
pub fn compute_into(panel: &Panel, features: &mut Features) {
    let (symbols, bars) = (panel.symbols.len(), panel.bars);
    let shared = Shared::new(panel);
    let fill = variant(Instructions::used());
    (features.symbols, features.bars) = (symbols, bars);
    if features.values.len() != symbols * bars * COUNT {
        features.values = memory::zeros(symbols * bars * COUNT);
    }
    // One symbol at a time: with larger chunks, threads would idle while another finishes its last chunk.
    let chunks = features.values.par_chunks_mut((bars * COUNT).max(1)).enumerate().with_max_len(1);
    chunks.for_each(|(symbol, out)| {
        WORKSPACE.with_borrow_mut(|work| fill(panel, symbol, &shared, work, out));
    });
}

/// ATR(14) of every symbol and bar in price units, `[symbols × bars]` f64: the unit of the barriers. NaN in the warm-up
/// and outside a symbol's bars.
///
/// # Panics
/// As [`compute`].
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

/// Working memory of a thread.
pub(crate) struct Workspace {
    pub series: Box<Symbol>,
    tile: Tile,
}

thread_local! {
    pub(crate) static WORKSPACE: RefCell<Workspace> = RefCell::new(Workspace::new());
}

impl Workspace {
    pub fn new() -> Self {
        Self { series: Symbol::new(), tile: Tile::new() }
    }
}

/// A variant of [`fill`].
type Fill = fn(&Panel, usize, &Shared, &mut Workspace, &mut [f32]);

/// The variant of [`fill`] with instructions that this processor has. All give the same bits: vector lanes do not change the
/// operations, and nothing is fused.
fn variant(instructions: Instructions) -> Fill {
    #[cfg(target_arch = "x86_64")]
    {
        use super::tile_x86::{Avx2, Avx512};

        #[target_feature(enable = "avx2,avx512f,avx512vl,avx512dq,avx512bw")]
        fn avx512(panel: &Panel, symbol: usize, shared: &Shared, work: &mut Workspace, rows: &mut [f32]) {
            fill::<Avx512>(panel, symbol, shared, work, rows);
        }
        #[target_feature(enable = "avx2")]
        fn avx2(panel: &Panel, symbol: usize, shared: &Shared, work: &mut Workspace, rows: &mut [f32]) {
            fill::<Avx2>(panel, symbol, shared, work, rows);
        }
        match instructions {
            Instructions::Avx512 => {
                // SAFETY: the caller says that the processor has the instructions.
                return |panel, symbol, shared, work, rows| unsafe { avx512(panel, symbol, shared, work, rows) };
            }
            Instructions::Avx2 => {
                // SAFETY: as above.
                return |panel, symbol, shared, work, rows| unsafe { avx2(panel, symbol, shared, work, rows) };
            }
            _ => {}
        }
    }
    let _ = instructions;
    fill::<Scalar>
}

/// Writes one symbol's rows, `[bars × features]`, also of bars that the symbol does not have.
#[inline(always)]
fn fill<S: Simd>(
    panel: &Panel,
    symbol: usize,
    shared: &Shared,
    Workspace { series, tile }: &mut Workspace,
    rows: &mut [f32],
) {
    let Range { start, end } = panel.ranges[symbol];
    let (before, rows) = rows.split_at_mut(start * COUNT);
    let (rows, after) = rows.split_at_mut((end - start) * COUNT);
    blank::<S>(before);
    blank::<S>(after);
    series.clear();
    for (k, rows) in rows.chunks_mut(BARS * COUNT).enumerate() {
        let from = k * BARS;
        let bars = start + from..start + from + rows.len() / COUNT;
        series.load_block(panel, shared, symbol, bars.clone(), from);
        store::<S>(series, shared, bars, from, tile, rows);
        series.carry();
    }
    S::fence();
}

/// Writes the rows of the block that was loaded last, `[bars × features]`.
#[inline(always)]
fn store<S: Simd>(
    series: &Symbol,
    shared: &Shared,
    bars: Range<usize>,
    from: usize,
    tile: &mut Tile,
    rows: &mut [f32],
) {
    formulas::store(series, shared.calendar.each_ref().map(|grid| &grid[bars.clone()]), tile);
    if from == 0 {
        tile.hide_warm_up();
    }
    tile.write::<S>(rows);
}

/// One block of a symbol after the blocks that its workspace has seen: `bars` of the grid, of which the first is the symbol's own
/// bar `from`. Without `rows` it only goes on; otherwise they get the features, `[bars × features]`.
pub(crate) fn block(
    panel: &Panel,
    symbol: usize,
    shared: &Shared,
    bars: Range<usize>,
    from: usize,
    work: &mut Workspace,
    rows: Option<&mut [f32]>,
) {
    let one = Block { panel, symbol, shared, bars, from };
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,avx512f,avx512vl,avx512dq,avx512bw")]
        fn avx512(one: Block<'_>, work: &mut Workspace, rows: Option<&mut [f32]>) {
            one.load(work, rows);
        }
        #[target_feature(enable = "avx2")]
        fn avx2(one: Block<'_>, work: &mut Workspace, rows: Option<&mut [f32]>) {
            one.load(work, rows);
        }
        match Instructions::used() {
            // SAFETY: the processor has the instructions, or they would not be used.
            Instructions::Avx512 => return unsafe { avx512(one, work, rows) },
            // SAFETY: as above.
            Instructions::Avx2 => return unsafe { avx2(one, work, rows) },
            _ => {}
        }
    }
    one.load(work, rows);
}

/// The inputs of [`block`].
struct Block<'a> {
    panel: &'a Panel,
    symbol: usize,
    shared: &'a Shared,
    bars: Range<usize>,
    from: usize,
}

impl Block<'_> {
    #[inline(always)]
    fn load(self, Workspace { series, tile }: &mut Workspace, rows: Option<&mut [f32]>) {
        let Self { panel, symbol, shared, bars, from } = self;
        series.load_block(panel, shared, symbol, bars.clone(), from);
        if let Some(rows) = rows {
            store::<Scalar>(series, shared, bars, from, tile, rows);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use huracan_bars::{Candles, Timeframe};
    use huracan_base::arith::{draw, uniform};

    #[test]
    fn vectors_of_every_width_give_the_same_bits() {
        let walk = |seed: u64, bars: u64| {
            let mut candles = Candles::default();
            let mut close = 100.0;
            for i in 0..bars {
                let noise = |k: u64| uniform(draw(seed, k, i));
                let open = close;
                // Some bars have no move, and some no volume.
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
                fill(&panel, symbol, &shared, &mut Workspace::new(), &mut rows);
                bits(rows)
            };
            // The last variant is the scalar one, and on some machines the only one.
            let all: Vec<Vec<u32>> = Instructions::available().into_iter().map(|set| rows(variant(set))).collect();
            assert!(all.iter().all(|rows| *rows == all[all.len() - 1]), "{name}");
        }
    }

    #[test]
    fn equal_prices_have_no_width_at_any_price() {
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
