//! The newest bars of a panel, to which new ones are added.

use super::Panel;

/// Open, high, low, close and volume of a bar.
pub type Bar = [f64; 5];

impl Panel {
    /// The newest bars of the grid, at most `bars`, of the same symbols. A symbol whose bars ended earlier has none.
    #[must_use]
    pub fn newest(&self, bars: usize) -> Self {
        let kept = bars.min(self.bars);
        let first = self.bars - kept;
        let rows = |column: &[f64]| -> Vec<f64> {
            (0..self.symbols.len()).flat_map(|symbol| &self.row(column, symbol)[first..]).copied().collect()
        };
        let funding = |own: &Vec<f64>| if own.is_empty() { Vec::new() } else { own[first..].to_vec() };
        Self {
            symbols: self.symbols.clone(),
            timeframe: self.timeframe,
            start_ms: self.time_ms(first),
            bars: kept,
            open: rows(&self.open),
            high: rows(&self.high),
            low: rows(&self.low),
            close: rows(&self.close),
            volume: rows(&self.volume),
            ranges: self.ranges.iter().map(|own| own.start.max(first) - first..own.end.max(first) - first).collect(),
            filled: self.filled.clone(),
            simulated: self.simulated,
            terms: self.terms.clone(),
            funding_bps: self.funding_bps.iter().map(funding).collect(),
        }
    }

    /// The bar of each symbol at a place of the grid, of those that have it.
    ///
    /// # Panics
    /// Where the grid has no such bar.
    pub fn bars_at(&self, bar: usize) -> Vec<Option<Bar>> {
        (0..self.symbols.len()).map(|symbol| self.symbol_bar(symbol, bar)).collect()
    }

    /// The bar of a symbol at a place of the grid, if it has it.
    ///
    /// # Panics
    /// Where there is no such symbol, or the grid has no such bar.
    pub fn symbol_bar(&self, symbol: usize, bar: usize) -> Option<Bar> {
        let columns = [&self.open, &self.high, &self.low, &self.close, &self.volume];
        self.ranges[symbol].contains(&bar).then(|| columns.map(|column| self.row(column, symbol)[bar]))
    }

    /// Whether a symbol has the last bar of the grid.
    pub fn has_last_bar(&self, symbol: usize) -> bool {
        let range = &self.ranges[symbol];
        !range.is_empty() && range.end == self.bars
    }

    /// Drops all bars of the grid but the first `bars`. A symbol that begins later has none.
    pub fn keep_first(&mut self, bars: usize) {
        let (old, new) = (self.bars, bars.min(self.bars));
        for column in [&mut self.open, &mut self.high, &mut self.low, &mut self.close, &mut self.volume] {
            for symbol in 0..self.symbols.len() {
                column.copy_within(symbol * old..symbol * old + new, symbol * new);
            }
            column.truncate(self.symbols.len() * new);
        }
        self.ranges.iter_mut().for_each(|range| *range = range.start.min(new)..range.end.min(new));
        self.funding_bps.iter_mut().for_each(|own| own.truncate(new));
        self.bars = new;
    }

    /// Adds a bar to the grid, and drops the oldest so that at most `keep` are left. Of each symbol `bars` has its new bar; only a
    /// symbol that had the last one, or none at all, may have it. `funding_bps` are the sums of funding up to the new bar's open, NaN
    /// where that is not known, or none at all.
    ///
    /// # Panics
    /// Where `bars` has not one entry per symbol, or `keep` is 0.
    pub fn push(&mut self, bars: &[Option<Bar>], funding_bps: &[f64], keep: usize) {
        assert_eq!(bars.len(), self.symbols.len(), "one entry per symbol");
        let (old, new) = (self.bars, (self.bars + 1).min(keep));
        let dropped = old + 1 - new;
        let last = |symbol: usize, part: usize| bars[symbol].map_or(f64::NAN, |bar| bar[part]);
        let columns = [&mut self.open, &mut self.high, &mut self.low, &mut self.close, &mut self.volume];
        for (part, column) in columns.into_iter().enumerate() {
            roll(column, old, new, |symbol| last(symbol, part));
        }
        for (symbol, range) in self.ranges.iter_mut().enumerate() {
            let grown = bars[symbol].is_some() && range.end == old;
            *range = range.start.saturating_sub(dropped)..(range.end + usize::from(grown)).saturating_sub(dropped);
        }
        for (symbol, own) in self.funding_bps.iter_mut().enumerate().filter(|(_, own)| !own.is_empty()) {
            roll(own, old, new, |_| funding_bps.get(symbol).copied().unwrap_or(f64::NAN));
        }
        self.start_ms += dropped as i64 * self.timeframe.ms();
        self.bars = new;
    }
}

/// Appends an entry to each row of `old` entries and drops its oldest ones, so that it has `new`.
pub fn roll<T: Copy>(column: &mut Vec<T>, old: usize, new: usize, last: impl Fn(usize) -> T) {
    let dropped = old + 1 - new;
    if new == old {
        for (row, own) in column.chunks_exact_mut(old.max(1)).enumerate() {
            own.copy_within(dropped.., 0);
            own[old - 1] = last(row);
        }
        return;
    }
    let mut out = Vec::with_capacity(column.len() / old.max(1) * new);
    for (row, own) in column.chunks_exact(old.max(1)).enumerate() {
        out.extend_from_slice(&own[dropped.min(old)..]);
        out.push(last(row));
    }
    *column = out;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Candles, HOUR_MS, Timeframe};

    fn candles(hours: std::ops::Range<i64>) -> Candles {
        let mut candles = Candles::default();
        hours.for_each(|hour| candles.push(hour * HOUR_MS, [1.0 + hour as f64; 4], 2.0 * hour as f64));
        candles
    }

    fn panel(end: i64) -> Panel {
        let all = vec![("A-X".to_owned(), candles(0..end)), ("B-X".to_owned(), candles(3..end.min(8)))];
        Panel::new(all, Timeframe::H1, 1, false).unwrap()
    }

    /// Panels have NaN outside of a symbol's bars.
    fn text(panel: &Panel) -> String {
        format!("{panel:?}")
    }

    #[test]
    fn bars_that_are_added_one_by_one_give_the_newest_bars_of_the_whole() {
        for keep in [1, 2, 5, 9, 40] {
            let mut rolling = panel(5).newest(keep);
            for hour in 5..20 {
                let bar =
                    |end: i64| (hour < end).then(|| [[1.0 + hour as f64; 4].as_slice(), &[2.0 * hour as f64]].concat());
                let bars: Vec<Option<Bar>> =
                    [bar(20), bar(8)].into_iter().map(|bar| bar.map(|bar| bar.try_into().unwrap())).collect();
                rolling.push(&bars, &[], keep);
                assert_eq!(text(&rolling), text(&panel(hour + 1).newest(keep)), "{keep} {hour}");
            }
        }
    }

    #[test]
    fn the_first_bars_are_those_of_a_shorter_history() {
        for bars in 1..20 {
            let mut cut = panel(20);
            cut.keep_first(bars);
            if bars > 3 {
                assert_eq!(text(&cut), text(&panel(bars as i64)));
            }
            // The second one begins at bar 3, and has no bar before it.
            let last: Vec<bool> = cut.bars_at(cut.bars - 1).iter().map(Option::is_some).collect();
            assert_eq!(last, [true, (4..=8).contains(&bars)]);
        }
        // Its first bar may be the one that is added.
        let mut grown = panel(4);
        let last = grown.bars_at(grown.bars - 1);
        grown.keep_first(3);
        grown.push(&last, &[], 9);
        assert_eq!(text(&grown), text(&panel(4)));
    }

    #[test]
    fn what_is_known_of_funding_rolls_along() {
        let mut whole = panel(10);
        whole.funding_bps[0] = (0..10).map(f64::from).collect();
        let mut rolling = whole.newest(4);
        assert_eq!((rolling.funding_bps[0].clone(), rolling.start_ms), (vec![6.0, 7.0, 8.0, 9.0], 6 * HOUR_MS));
        rolling.push(&[Some([1.0; 5]), None], &[10.5, f64::NAN], 4);
        assert_eq!(rolling.funding_bps[0], [7.0, 8.0, 9.0, 10.5]);
        assert!(rolling.funding_bps[1].is_empty());
        rolling.push(&[Some([1.0; 5]), None], &[], 4);
        assert!(rolling.funding_bps[0][3].is_nan());
        assert_eq!(rolling.ranges, [0..4, 0..0]);
    }
}
