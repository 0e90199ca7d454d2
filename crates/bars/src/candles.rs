//! One symbol's candles, and their validation.

use super::Timeframe;

/// Candles of one symbol: columns with one entry per bar, ascending in time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Candles {
    /// Times at which the bars open, in milliseconds since 1970 UTC.
    pub timestamp: Vec<i64>,
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
}

/// A row with impossible values, or with a time that contradicts the timeframe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {row}: {reason}")]
pub struct CandleError {
    /// Row in the file, from 0.
    pub row: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl Candles {
    /// Number of bars.
    pub fn len(&self) -> usize {
        self.timestamp.len()
    }

    /// Whether there are no bars.
    pub fn is_empty(&self) -> bool {
        self.timestamp.is_empty()
    }

    /// A copy of the rows in `range`.
    ///
    /// # Panics
    /// If the candles do not have these rows.
    pub fn slice(&self, range: std::ops::Range<usize>) -> Self {
        Self {
            timestamp: self.timestamp[range.clone()].to_vec(),
            open: self.open[range.clone()].to_vec(),
            high: self.high[range.clone()].to_vec(),
            low: self.low[range.clone()].to_vec(),
            close: self.close[range.clone()].to_vec(),
            volume: self.volume[range].to_vec(),
        }
    }

    /// Checks every row (contract, section 2), and that all bars are on one grid of `timeframe`.
    ///
    /// # Errors
    /// The first bad row, with the reason.
    pub fn validate(&self, timeframe: Timeframe) -> Result<(), CandleError> {
        let fault = |row: usize, reason: String| Err(CandleError { row, reason });
        let step = timeframe.ms();
        for row in 0..self.len() {
            let prices = [
                ("open", self.open[row]),
                ("high", self.high[row]),
                ("low", self.low[row]),
                ("close", self.close[row]),
            ];
            for (name, value) in prices {
                if !value.is_finite() {
                    return fault(row, format!("{name} is {value}"));
                }
                if value <= 0.0 {
                    return fault(row, format!("{name} is {value}, not above 0"));
                }
            }
            let [_, (_, high), (_, low), (_, close)] = prices;
            let volume = self.volume[row];
            if !volume.is_finite() || volume < 0.0 {
                return fault(row, format!("volume is {volume}"));
            }
            if high < low {
                return fault(row, format!("high {high} is below low {low}"));
            }
            if !(low..=high).contains(&close) {
                return fault(row, format!("close {close} is outside [{low}, {high}]"));
            }
            if row == 0 {
                continue;
            }
            let (before, now) = (self.timestamp[row - 1], self.timestamp[row]);
            if now == before {
                return fault(row, format!("timestamp {now} appears twice"));
            }
            if now < before {
                return fault(row, format!("timestamp {now} runs back: the row before has {before}"));
            }
            if (now - before) % step != 0 {
                return fault(
                    row,
                    format!("{} ms after the row before, which contradicts market.timeframe {timeframe}", now - before),
                );
            }
        }
        // A day is a multiple of an hour, so daily bars pass the check above. Their median spacing gives them away.
        if self.len() >= 3 {
            let mut spacings: Vec<i64> = self.timestamp.windows(2).map(|w| w[1] - w[0]).collect();
            spacings.sort_unstable();
            let median = spacings[spacings.len() / 2];
            if median != step {
                return fault(
                    1,
                    format!(
                        "bars are {median} ms apart (median), which contradicts market.timeframe {timeframe} ({step} ms)"
                    ),
                );
            }
        }
        Ok(())
    }

    /// Fills gaps of up to `max_gap_bars` missing bars with the last close and volume 0, and drops all rows before the last
    /// longer gap. The candles must be valid for `timeframe`.
    ///
    /// Returns the candles, the number of filled bars, and the number of dropped rows.
    pub fn without_gaps(&self, timeframe: Timeframe, max_gap_bars: u32) -> (Self, usize, usize) {
        let step = timeframe.ms();
        let longest = (i64::from(max_gap_bars) + 1) * step;
        let first = (1..self.len()).rev().find(|&i| self.timestamp[i] - self.timestamp[i - 1] > longest).unwrap_or(0);
        let mut out = Self::default();
        let mut filled = 0;
        for row in first..self.len() {
            if let (Some(&last), Some(&close)) = (out.timestamp.last(), out.close.last()) {
                let mut time = last + step;
                while time < self.timestamp[row] {
                    out.push(time, [close; 4], 0.0);
                    filled += 1;
                    time += step;
                }
            }
            let prices = [self.open[row], self.high[row], self.low[row], self.close[row]];
            out.push(self.timestamp[row], prices, self.volume[row]);
        }
        (out, filled, first)
    }

    /// Appends one bar; `prices` are open, high, low and close.
    pub fn push(&mut self, timestamp: i64, prices: [f64; 4], volume: f64) {
        self.timestamp.push(timestamp);
        self.open.push(prices[0]);
        self.high.push(prices[1]);
        self.low.push(prices[2]);
        self.close.push(prices[3]);
        self.volume.push(volume);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HOUR_MS;

    fn hourly(times: &[i64]) -> Candles {
        let mut candles = Candles::default();
        for (i, &t) in times.iter().enumerate() {
            let p = 10.0 + i as f64;
            candles.push(t * HOUR_MS, [p, p + 1.0, p - 1.0, p], 5.0);
        }
        candles
    }

    #[test]
    fn bad_rows_are_named_with_row_and_reason() {
        let reason = |change: fn(&mut Candles)| {
            let mut candles = hourly(&[0, 1, 2, 3]);
            change(&mut candles);
            let fault = candles.validate(Timeframe::H1).unwrap_err();
            (fault.row, fault.reason)
        };
        let expect = |(row, text): (usize, String), at: usize, part: &str| {
            assert!(row == at && text.contains(part), "row {row}: {text}");
        };
        expect(reason(|c| c.open[2] = f64::NAN), 2, "open is NaN");
        expect(reason(|c| c.low[1] = 0.0), 1, "not above 0");
        expect(reason(|c| c.high[3] = 1.0), 3, "below low");
        expect(reason(|c| c.close[1] = 99.0), 1, "outside");
        expect(reason(|c| c.volume[0] = -1.0), 0, "volume");
        expect(reason(|c| c.timestamp[2] = 0), 2, "runs back");
        expect(reason(|c| c.timestamp[2] = HOUR_MS), 2, "twice");
        expect(reason(|c| c.timestamp[3] += 1), 3, "contradicts");
        let daily = hourly(&[0, 24, 48, 72]).validate(Timeframe::H1).unwrap_err();
        assert!(daily.reason.contains("86400000 ms apart"), "{daily}");
        assert_eq!(hourly(&[0, 1, 2, 3]).validate(Timeframe::H1), Ok(()));
    }

    #[test]
    fn short_gaps_are_filled_and_long_gaps_drop_the_rows_before_them() {
        let (filled, count, dropped) = hourly(&[0, 1, 4, 5]).without_gaps(Timeframe::H1, 2);
        assert_eq!((filled.len(), count, dropped), (6, 2, 0));
        assert_eq!((filled.open[2], filled.close[3], filled.volume[3]), (11.0, 11.0, 0.0));
        let (rest, count, dropped) = hourly(&[0, 1, 4, 5]).without_gaps(Timeframe::H1, 1);
        assert_eq!((rest.timestamp, count, dropped), (vec![4 * HOUR_MS, 5 * HOUR_MS], 0, 2));
    }
}
