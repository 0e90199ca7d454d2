//! Features and view of the newest bar, bar after bar: the same bits as those of the whole history, without computing it again.
//!
//! The series of a symbol are computed in blocks, and what a block leaves to the next one is kept. A new bar computes the
//! symbol's last block again, which is at most [`BARS`] bars.

use rayon::prelude::*;

use super::cpu::{self, WORKSPACE, Workspace};
use super::series::{BARS, PAST};
use super::shared::Shared;
use super::symbol::Carried;
use super::view::{VIEW_COUNT, market_means, view_row};
use super::{CATALOGUE, COUNT, Features, columns, memory};
use huracan_bars::Panel;

/// The state of all symbols' features after the newest bar.
pub struct Stream {
    coins: Vec<Coin>,
}

/// One symbol's state.
#[derive(Default)]
struct Coin {
    /// The symbol's bars so far.
    bars: usize,
    /// What its whole blocks leave to the next one; none in the first block.
    carried: Option<Box<Carried>>,
}

impl Coin {
    /// The symbol's bars before the block of the newest one.
    fn whole(&self) -> usize {
        self.bars.saturating_sub(1) / BARS * BARS
    }
}

/// The newest bar of all symbols.
pub struct Newest {
    /// The catalogue, `[symbols × 1 × features]`; NaN for symbols without this bar.
    pub features: Features,
    /// The view, `[symbols × columns]`.
    pub view: Vec<f32>,
    /// ATR(14) in price units, `[symbols]` f64; NaN in the warm-up, too.
    pub atr: Vec<f64>,
}

impl Stream {
    /// Bars that [`Self::push`] needs to be shown, the new one included: a block, and the windows before it.
    pub const TAIL_BARS: usize = BARS + PAST;

    /// The state after a panel's last bar. `visit` is called with the symbol, the bar, and the symbol's row of the catalogue, for
    /// each of the newest `rows` bars of the grid that the symbol has; symbol by symbol in parallel, bars ascending.
    ///
    /// # Panics
    /// Where a column of the panel is not symbols × bars long, or a range lies outside its bars.
    pub fn new(panel: &Panel, rows: usize, visit: impl Fn(usize, usize, &[f32]) + Sync) -> Self {
        let shared = Shared::new(panel);
        let first = panel.bars.saturating_sub(rows);
        let coin = |symbol: usize| {
            let range = panel.ranges[symbol].clone();
            let mut coin = Coin { bars: range.len(), carried: None };
            WORKSPACE.with_borrow_mut(|work| {
                work.series.clear();
                let mut rows = vec![0.0; BARS * COUNT];
                for from in (0..range.len()).step_by(BARS) {
                    let bars = range.start + from..(range.start + from + BARS).min(range.end);
                    let shown = bars.end > first;
                    let out = shown.then(|| &mut rows[..bars.len() * COUNT]);
                    cpu::block(panel, symbol, &shared, bars.clone(), from, work, out);
                    if shown {
                        let rows = rows.chunks_exact(COUNT).zip(bars.clone()).filter(|(_, bar)| *bar >= first);
                        rows.for_each(|(row, bar)| visit(symbol, bar, row));
                    }
                    if bars.end < range.end {
                        work.series.carry();
                        if bars.end + BARS >= range.end {
                            coin.carried = Some(Box::new(work.series.carried()));
                        }
                    }
                }
            });
            coin
        };
        Self { coins: (0..panel.symbols.len()).into_par_iter().with_max_len(1).map(coin).collect() }
    }

    /// Goes on to the last bar of `tail`, which are the newest bars of the panel: all of them, or at least [`Self::TAIL_BARS`].
    /// Symbols without this bar are left as they are.
    ///
    /// # Panics
    /// Where `tail` has other symbols, or fewer bars than it must.
    pub fn push(&mut self, tail: &Panel) -> Newest {
        let (symbols, last) = (self.coins.len(), tail.bars - 1);
        assert_eq!(symbols, tail.symbols.len(), "bars of other symbols");
        let shared = Shared::new(tail);
        let mut values = memory::zeros(symbols * COUNT);
        let mut atr = vec![f64::NAN; symbols];
        let rows = values.par_chunks_exact_mut(COUNT).zip(&mut atr);
        self.coins.par_iter_mut().zip(rows).enumerate().for_each(|(symbol, (coin, (out, atr)))| {
            if tail.ranges[symbol].end != tail.bars {
                out.fill(f32::NAN);
                return;
            }
            *atr = WORKSPACE.with_borrow_mut(|work| coin.push(tail, symbol, &shared, work, out));
        });
        let features = Features { symbols, bars: 1, values };
        Newest { view: view_of_bar(tail, last, &features, 0), features, atr }
    }
}

/// The view of one bar of a panel, `[symbols × columns]`, NaN for symbols without it, from the features of all symbols; those of this
/// bar are number `place` of each symbol's.
///
/// # Panics
/// Where there are features of other symbols, or there is no such bar.
pub fn view_of_bar(panel: &Panel, bar: usize, features: &Features, place: usize) -> Vec<f32> {
    let market = market_means((0..features.symbols).map(|symbol| features.row(symbol, place)));
    let mut view = vec![f32::NAN; features.symbols * VIEW_COUNT];
    for (symbol, out) in view.chunks_exact_mut(VIEW_COUNT).enumerate() {
        if panel.ranges[symbol].contains(&bar) {
            view_row(panel, features.row(symbol, place), market, symbol, bar, out);
        }
    }
    view
}

impl Coin {
    /// Adds the last bar of `tail`, writes its row, and returns its ATR.
    fn push(&mut self, tail: &Panel, symbol: usize, shared: &Shared, work: &mut Workspace, out: &mut [f32]) -> f64 {
        if self.bars > 0 && self.bars.is_multiple_of(BARS) {
            // The block that was the last one is whole now: what it leaves is made of its bars once more.
            self.load(tail, symbol, shared, work, tail.bars - 1, None);
            work.series.carry();
            self.carried = Some(Box::new(work.series.carried()));
        }
        self.bars += 1;
        let mut rows = vec![0.0; BARS * COUNT];
        let count = self.load(tail, symbol, shared, work, tail.bars, Some(&mut rows));
        out.copy_from_slice(&rows[(count - 1) * COUNT..count * COUNT]);
        let [atr, ..] = &work.series.averages.wilder;
        if self.bars > CATALOGUE[columns::ATR_14].warm_up { atr[count - 1] } else { f64::NAN }
    }

    /// Loads the symbol's last block, which ends before bar `end` of `tail`, and returns the number of its bars.
    fn load(
        &self,
        tail: &Panel,
        symbol: usize,
        shared: &Shared,
        work: &mut Workspace,
        end: usize,
        rows: Option<&mut [f32]>,
    ) -> usize {
        match &self.carried {
            Some(carried) => work.series.resume(carried),
            None => work.series.clear(),
        }
        let from = self.whole();
        let count = self.bars - from;
        let rows = rows.map(|rows| &mut rows[..count * COUNT]);
        cpu::block(tail, symbol, shared, end - count..end, from, work, rows);
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::View;
    use huracan_bars::{Candles, Timeframe};
    use huracan_base::arith::{draw, uniform};

    /// Three coins of other lengths, of which the second ends before the others.
    fn candles() -> Vec<(String, Candles)> {
        let walk = |seed: u64, hours: std::ops::Range<i64>| {
            let mut candles = Candles::default();
            let mut close = 100.0;
            for hour in hours {
                let noise = |k: u64| uniform(draw(seed, k, hour as u64));
                let open = close;
                close = if noise(0) < 0.1 { open } else { open * (1.0 + 0.05 * (noise(1) - 0.5)) };
                let (high, low) =
                    (open.max(close) * (1.0 + 0.01 * noise(2)), open.min(close) * (1.0 - 0.01 * noise(3)));
                candles.push(
                    hour * 3_600_000,
                    [open, high, low, close],
                    if noise(4) < 0.1 { 0.0 } else { 1e4 * noise(5) },
                );
            }
            candles
        };
        let hours = [("AAA-USDT", 500..900), ("BTC-USDT", 0..900), ("CCC-USDT", 130..700), ("ETH-USDT", 60..900)];
        hours.into_iter().zip(1..).map(|((name, hours), seed)| (name.to_owned(), walk(seed, hours))).collect()
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn rows_are_those_of_the_whole_history_bar_by_bar() {
        let panel = Panel::new(candles(), Timeframe::H1, 24, false).unwrap();
        let features = crate::compute(&panel);
        let view = View::of(&panel, &features);
        let atr = crate::atr_14(&panel);
        for begin in [510, 639, 640, 641, 700] {
            let mut early = panel.clone();
            early.keep_first(begin);
            let seen = std::sync::Mutex::new(Vec::new());
            let mut stream = Stream::new(&early, 3, |symbol, bar, row| {
                assert_eq!(bits(row), bits(features.row(symbol, bar)));
                seen.lock().unwrap().push((symbol, bar));
            });
            assert_eq!(seen.into_inner().unwrap().len(), 12);
            let keep = Stream::TAIL_BARS;
            let mut tail = early.newest(keep);
            for bar in begin..900 {
                tail.push(&panel.bars_at(bar), &[], keep);
                let newest = stream.push(&tail);
                for symbol in 0..4 {
                    let name = (begin, bar, &panel.symbols[symbol]);
                    assert_eq!(bits(newest.features.row(symbol, 0)), bits(features.row(symbol, bar)), "{name:?}");
                    assert_eq!(newest.atr[symbol].to_bits(), panel.row(&atr, symbol)[bar].to_bits(), "{name:?}");
                    let own = &newest.view[symbol * VIEW_COUNT..][..VIEW_COUNT];
                    assert_eq!(bits(own), bits(view.row(symbol, bar)), "{name:?}");
                }
            }
        }
    }
}
