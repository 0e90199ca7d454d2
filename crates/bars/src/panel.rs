//! All symbols' candles on one time grid, in contiguous columns that can be copied to a device.

use std::ops::Range;

use ndarray::ArrayView2;

use super::{Candles, MarketTerms, Timeframe};

/// The candles of all symbols on one time grid.
///
/// Each column is `[symbols × bars]`, row-major, and NaN outside a symbol's own range of bars.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// Names, `BASE-QUOTE`, ascending: the order of all batches.
    pub symbols: Vec<String>,
    /// Length of a bar.
    pub timeframe: Timeframe,
    /// Time at which bar 0 opens, in milliseconds since 1970 UTC.
    pub start_ms: i64,
    /// Number of bars on the grid.
    pub bars: usize,
    /// Opening prices.
    pub open: Vec<f64>,
    /// Highest prices.
    pub high: Vec<f64>,
    /// Lowest prices.
    pub low: Vec<f64>,
    /// Closing prices.
    pub close: Vec<f64>,
    /// Traded volumes, in base units.
    pub volume: Vec<f64>,
    /// Per symbol, the bars that it has. There are no gaps within a range.
    pub ranges: Vec<Range<usize>>,
    /// Per symbol, the number of bars that were missing and have been filled with the last close.
    pub filled: Vec<usize>,
    /// Whether the candles come from the simulated market.
    pub simulated: bool,
    /// Per symbol, the terms of its market, as far as they are known.
    pub terms: Vec<MarketTerms>,
    /// Per symbol, the sum of its funding rates up to each bar's open, basis points. Empty if it has no history of
    /// funding, and NaN at bars that the history does not cover.
    pub funding_bps: Vec<Vec<f64>>,
}

/// Candles that cannot be put on one grid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PanelError {
    /// There are no candles, or only empty ones.
    #[error("there are no candles at all")]
    Empty,
    /// A symbol's bars open at other times than those of another symbol.
    #[error("{symbol}: bars open {offset} ms off those of {other}; all files of a run must share one grid")]
    Misaligned {
        /// The symbol that is off the grid.
        symbol: String,
        /// The symbol that it was compared with.
        other: String,
        /// Milliseconds by which the bars are apart, less than a bar.
        offset: i64,
    },
    /// There are two sets of candles for one symbol.
    #[error("{symbol} appears twice")]
    Duplicate {
        /// The symbol.
        symbol: String,
    },
}

impl Panel {
    /// Puts valid candles on one grid: fills gaps, drops the history before a long gap, and sorts the symbols.
    ///
    /// # Errors
    /// [`PanelError`] if there are no candles, a symbol appears twice, or the bars do not share one grid.
    pub fn new(
        mut candles: Vec<(String, Candles)>,
        timeframe: Timeframe,
        max_gap_bars: u32,
        simulated: bool,
    ) -> Result<Self, PanelError> {
        candles.retain(|(_, c)| !c.is_empty());
        candles.sort_by(|a, b| a.0.cmp(&b.0));
        if let Some(pair) = candles.windows(2).find(|w| w[0].0 == w[1].0) {
            return Err(PanelError::Duplicate { symbol: pair[0].0.clone() });
        }
        let step = timeframe.ms();
        let (other, first) = candles.first().map(|(s, c)| (s.clone(), c.timestamp[0])).ok_or(PanelError::Empty)?;
        for (symbol, c) in &candles {
            let offset = (c.timestamp[0] - first).rem_euclid(step);
            if offset != 0 {
                return Err(PanelError::Misaligned { symbol: symbol.clone(), other, offset });
            }
        }
        let mut filled = Vec::with_capacity(candles.len());
        for (symbol, c) in &mut candles {
            let (without_gaps, count, dropped) = c.without_gaps(timeframe, max_gap_bars);
            if dropped > 0 {
                tracing::warn!(%symbol, rows = dropped, "dropped the history before a gap longer than market.max_gap_bars");
            }
            *c = without_gaps;
            filled.push(count);
        }
        let start_ms = candles.iter().map(|(_, c)| c.timestamp[0]).min().ok_or(PanelError::Empty)?;
        let end_ms = candles.iter().filter_map(|(_, c)| c.timestamp.last().copied()).max().ok_or(PanelError::Empty)?;
        let bars = ((end_ms - start_ms) / step + 1) as usize;
        let column = |pick: fn(&Candles) -> &Vec<f64>| {
            let mut out = vec![f64::NAN; candles.len() * bars];
            for (s, (_, c)) in candles.iter().enumerate() {
                let at = s * bars + ((c.timestamp[0] - start_ms) / step) as usize;
                out[at..at + c.len()].copy_from_slice(pick(c));
            }
            out
        };
        Ok(Self {
            timeframe,
            start_ms,
            bars,
            open: column(|c| &c.open),
            high: column(|c| &c.high),
            low: column(|c| &c.low),
            close: column(|c| &c.close),
            volume: column(|c| &c.volume),
            ranges: candles
                .iter()
                .map(|(_, c)| {
                    let at = ((c.timestamp[0] - start_ms) / step) as usize;
                    at..at + c.len()
                })
                .collect(),
            filled,
            terms: vec![MarketTerms::default(); candles.len()],
            funding_bps: vec![Vec::new(); candles.len()],
            symbols: candles.into_iter().map(|(s, _)| s).collect(),
            simulated,
        })
    }

    /// Time at which a bar opens, in milliseconds since 1970 UTC.
    pub fn time_ms(&self, bar: usize) -> i64 {
        self.start_ms + bar as i64 * self.timeframe.ms()
    }

    /// The bar that opens at `time_ms`, if it is on the grid.
    pub fn bar_at(&self, time_ms: i64) -> Option<usize> {
        let offset = time_ms - self.start_ms;
        let bar = usize::try_from(offset / self.timeframe.ms()).ok()?;
        (offset >= 0 && offset % self.timeframe.ms() == 0 && bar < self.bars).then_some(bar)
    }

    /// The row of a symbol, given its name.
    pub fn symbol(&self, symbol: &str) -> Option<usize> {
        self.symbols.binary_search_by(|s| s.as_str().cmp(symbol)).ok()
    }

    /// One symbol's row of a column, `[bars]`.
    ///
    /// # Panics
    /// If the column does not have this row.
    pub fn row<'a>(&self, column: &'a [f64], symbol: usize) -> &'a [f64] {
        &column[symbol * self.bars..(symbol + 1) * self.bars]
    }

    /// A column as an array `[symbols × bars]`.
    ///
    /// # Panics
    /// If the column does not have symbols × bars values.
    pub fn view<'a>(&self, column: &'a [f64]) -> ArrayView2<'a, f64> {
        ArrayView2::from_shape((self.symbols.len(), self.bars), column).expect("a column has symbols × bars values")
    }

    /// SHA-256 (hex) over symbols, timeframe, start, all values, and what is known of the markets and changes costs: equal
    /// digests mean equal inputs.
    pub fn digest(&self) -> String {
        use sha2::{Digest, Sha256};
        let mut hash = Sha256::new();
        for symbol in &self.symbols {
            hash.update(symbol.as_bytes());
            hash.update([0]);
        }
        hash.update(self.timeframe.ms().to_le_bytes());
        hash.update(self.start_ms.to_le_bytes());
        for column in [&self.open, &self.high, &self.low, &self.close, &self.volume] {
            for value in column {
                hash.update(value.to_bits().to_le_bytes());
            }
        }
        self.hash_markets(&mut hash);
        huracan_base::hex(&hash.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HOUR_MS;

    fn candles(first: i64, bars: i64, skip: i64) -> Candles {
        let mut c = Candles::default();
        for i in (0..bars).filter(|&i| i == 0 || i != skip) {
            c.push((first + i) * HOUR_MS, [10.0, 11.0, 9.0, 10.0 + i as f64 / 10.0], 1.0);
        }
        c
    }

    #[test]
    fn symbols_share_one_grid_and_late_listings_are_padded() {
        let input = vec![("B-USDT".to_owned(), candles(3, 3, 1)), ("A-USDT".to_owned(), candles(0, 5, 0))];
        let panel = Panel::new(input, Timeframe::H1, 2, false).unwrap();
        assert_eq!(panel.symbols, ["A-USDT", "B-USDT"]);
        assert_eq!((panel.bars, panel.ranges.clone()), (6, vec![0..5, 3..6]));
        assert_eq!(panel.filled, [0, 1]);
        assert!(panel.row(&panel.close, 1)[2].is_nan());
        assert_eq!(panel.row(&panel.close, 1)[3..], [10.0, 10.0, 10.2]);
        assert_eq!(panel.bar_at(5 * HOUR_MS), Some(5));
        assert_eq!((panel.bar_at(6 * HOUR_MS), panel.bar_at(1), panel.bar_at(-HOUR_MS)), (None, None, None));
        assert_eq!(panel.view(&panel.open)[[1, 3]], 10.0);
    }

    #[test]
    fn bars_off_the_common_grid_are_refused() {
        let mut late = candles(0, 3, 0);
        late.timestamp.iter_mut().for_each(|t| *t += 60_000);
        let error = Panel::new(vec![("A-X".into(), candles(0, 3, 0)), ("B-X".into(), late)], Timeframe::H1, 1, false);
        assert_eq!(error, Err(PanelError::Misaligned { symbol: "B-X".into(), other: "A-X".into(), offset: 60_000 }));
    }
}
