//! What is known of markets besides their candles: the terms of the exchange, and the funding that was paid.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{HOUR_MS, Panel, Timeframe};

/// Longest time between two payments of funding on any exchange, with a minute of tolerance. A longer gap in a history
/// is a hole.
const LONGEST_INTERVAL_MS: i64 = 8 * HOUR_MS + MINUTE_MS;
const MINUTE_MS: i64 = 60_000;
/// Sums of funding are whole multiples of 1/PARTS basis points, so that they are exact wherever a history begins.
const PARTS: f64 = 1_048_576.0;
/// Largest fee, spread or sum of funding that can be meant, basis points.
const MOST_BPS: f64 = 10_000.0;

/// A quoted spread up to this is always believed, basis points. Half a per cent is what a coin costs that hardly anybody trades;
/// coins of a universe are traded for a million dollars a day.
const BELIEVED_BPS: f64 = 50.0;
/// Beyond it, a quoted spread is believed up to this many times the usual spread of its market.
const BELIEVED_SPREADS: f64 = 10.0;

/// How much of a spread that was quoted at one moment is believed, basis points. The quote of that second becomes a cost of every
/// trade of the whole history: a book that is empty at night (a bid of 1, an ask of 1.5) must not make a coin unlearnable. It
/// counts up to the larger of half a per cent and ten times the usual spread, which is the larger of `usual_bps` and one `tick`
/// at this `price`.
pub fn believed_spread_bps(quoted_bps: f64, usual_bps: f64, tick: Option<f64>, price: f64) -> f64 {
    let tick_bps = tick.map_or(0.0, |tick| tick / price * MOST_BPS);
    let usual_bps = if tick_bps > usual_bps { tick_bps } else { usual_bps };
    quoted_bps.min(BELIEVED_BPS.max(BELIEVED_SPREADS * usual_bps))
}

/// The terms of one market, as its exchange states them; `None` where it does not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MarketTerms {
    /// Smallest step of the price, quote currency.
    pub tick: Option<f64>,
    /// Smallest step of an amount, base units.
    pub lot: Option<f64>,
    /// Smallest value of an order, quote currency.
    pub min_notional: Option<f64>,
    /// Fee each way of an order that waits in the book, basis points; below 0 where the exchange pays for it.
    pub maker_fee_bps: Option<f64>,
    /// Fee each way of an order that is filled at once, basis points.
    pub taker_fee_bps: Option<f64>,
    /// Quoted bid-ask spread, basis points of the mid price.
    pub spread_bps: Option<f64>,
}

impl MarketTerms {
    /// Each term with its name and the range in which it makes sense.
    fn named(&mut self) -> [(&'static str, &mut Option<f64>, f64, f64); 6] {
        let least = f64::MIN_POSITIVE;
        [
            ("tick", &mut self.tick, least, f64::MAX),
            ("lot", &mut self.lot, least, f64::MAX),
            ("min_notional", &mut self.min_notional, 0.0, f64::MAX),
            ("maker_fee_bps", &mut self.maker_fee_bps, -MOST_BPS, MOST_BPS),
            ("taker_fee_bps", &mut self.taker_fee_bps, 0.0, MOST_BPS),
            ("spread_bps", &mut self.spread_bps, 0.0, MOST_BPS),
        ]
    }

    /// Checks that every term makes sense.
    ///
    /// # Errors
    /// The first term that does not, with its value and its range, in words.
    pub fn check(mut self) -> Result<(), String> {
        let faulty = |(name, term, low, high): (&str, &mut Option<f64>, f64, f64)| {
            let value = (*term)?;
            (!(low..=high).contains(&value)).then(|| match high {
                f64::MAX => format!("{name} is {value}; give a finite number above 0, or leave it out"),
                _ => format!("{name} is {value}; give a number from {low} to {high}, or leave it out"),
            })
        };
        self.named().into_iter().find_map(faulty).map_or(Ok(()), Err)
    }

    /// Without the terms that make no sense: exchanges report 0 and worse where they know nothing.
    pub fn plausible(mut self) -> Self {
        for (_, term, low, high) in self.named() {
            *term = term.filter(|value| (low..=high).contains(value));
        }
        self
    }
}

/// The funding rates of one perpetual, as shares of the notional that a long pays to a short (a negative rate is paid by
/// the short), ascending in time and without holes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FundingHistory {
    /// Time of each payment, milliseconds since 1970 UTC, in whole minutes.
    timestamp: Vec<i64>,
    rate: Vec<f64>,
}

/// A funding rate that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("row {row}: {reason}")]
pub struct FundingError {
    /// Row in the file, from 0.
    pub row: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl FundingHistory {
    /// The history of these payments. Times are rounded to minutes, because exchanges are some milliseconds late. A gap
    /// of more than 8 hours is a hole: the history before the last one is left out, and the number of its payments is
    /// returned.
    ///
    /// # Errors
    /// A rate that is not a number or not within ±1, or a time that does not ascend.
    pub fn new(timestamp: &[i64], rate: &[f64]) -> Result<(Self, usize), FundingError> {
        let mut times: Vec<i64> = Vec::with_capacity(timestamp.len());
        let mut first = 0;
        for (row, (&time, &rate)) in timestamp.iter().zip(rate).enumerate() {
            let fault = |reason: String| FundingError { row, reason };
            if !(-1.0..=1.0).contains(&rate) {
                return Err(fault(format!("the rate is {rate}; give a share of the notional between -1 and 1")));
            }
            let minute = time.saturating_add(MINUTE_MS / 2).div_euclid(MINUTE_MS).saturating_mul(MINUTE_MS);
            if let Some(&before) = times.last() {
                if minute <= before {
                    return Err(fault("its time is not after that of the row before".to_owned()));
                }
                if minute - before > LONGEST_INTERVAL_MS {
                    first = row;
                }
            }
            times.push(minute);
        }
        let known = first..times.len();
        Ok((Self { timestamp: times[known.clone()].to_vec(), rate: rate[known].to_vec() }, first))
    }

    /// Times of the payments, milliseconds since 1970 UTC.
    pub fn timestamp(&self) -> &[i64] {
        &self.timestamp
    }

    /// The rates, one per time.
    pub fn rate(&self) -> &[f64] {
        &self.rate
    }

    /// The payments that were due by `end_ms`.
    pub fn until(&self, end_ms: i64) -> Self {
        let rows = self.timestamp.partition_point(|&time| time <= end_ms);
        Self { timestamp: self.timestamp[..rows].to_vec(), rate: self.rate[..rows].to_vec() }
    }

    /// Sum of all rates up to each bar's open, basis points: the difference of two bars is what a long that was held from
    /// the open of one to the open of the other has paid. The sum at the first bar is 0. NaN before the first payment, and once the one after the last is
    /// due. Empty if that is every bar.
    fn paid_bps(&self, start_ms: i64, timeframe: Timeframe, bars: usize) -> Vec<f64> {
        let (Some(&first), Some(&last)) = (self.timestamp.first(), self.timestamp.last()) else { return Vec::new() };
        let interval = match self.timestamp.len() {
            1 => 1,
            rows => last - self.timestamp[rows - 2],
        };
        let (mut next, mut sum) = (0, 0.0);
        let mut paid = vec![f64::NAN; bars];
        let mut known = false;
        for (bar, paid) in paid.iter_mut().enumerate() {
            let open_ms = start_ms + bar as i64 * timeframe.ms();
            while next < self.timestamp.len() && self.timestamp[next] <= open_ms {
                // What was paid by the first bar concerns nobody.
                if self.timestamp[next] > start_ms {
                    sum += (self.rate[next] * 10_000.0 * PARTS).round() / PARTS;
                }
                next += 1;
            }
            if (first..last + interval).contains(&open_ms) {
                *paid = sum;
                known = true;
            }
        }
        if known { paid } else { Vec::new() }
    }
}

/// What is known of the markets of a folder or an exchange, by symbol.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Markets {
    /// Terms of the exchange.
    pub terms: BTreeMap<String, MarketTerms>,
    /// Funding that was paid.
    pub funding: BTreeMap<String, FundingHistory>,
}

impl Panel {
    /// The panel with what is known of its markets. Symbols that it does not have are ignored.
    #[must_use]
    pub fn with_markets(mut self, markets: &Markets) -> Self {
        for (row, symbol) in self.symbols.iter().enumerate() {
            if let Some(terms) = markets.terms.get(symbol) {
                self.terms[row] = *terms;
            }
            if let Some(funding) = markets.funding.get(symbol) {
                self.funding_bps[row] = funding.paid_bps(self.start_ms, self.timeframe, self.bars);
            }
        }
        self
    }

    /// The panel with what `other` knows of the same symbols, at the times that both have.
    #[must_use]
    pub fn with_markets_of(mut self, other: &Self) -> Self {
        for row in 0..self.symbols.len() {
            let Some(theirs) = other.symbol(&self.symbols[row]) else { continue };
            self.terms[row] = other.terms[theirs];
            let funding = &other.funding_bps[theirs];
            if !funding.is_empty() {
                let at = |bar: usize| other.bar_at(self.time_ms(bar)).map_or(f64::NAN, |bar| funding[bar]);
                self.funding_bps[row] = (0..self.bars).map(at).collect();
            }
        }
        self
    }

    /// Adds what is known of the markets, and changes costs, to a digest. Adds nothing if nothing is known.
    pub(super) fn hash_markets(&self, hash: &mut Sha256) {
        for (row, (terms, funding)) in self.terms.iter().zip(&self.funding_bps).enumerate() {
            for (kind, term) in [terms.tick, terms.taker_fee_bps, terms.spread_bps].into_iter().enumerate() {
                if let Some(term) = term {
                    hash.update([1, kind as u8]);
                    hash.update((row as u64).to_le_bytes());
                    hash.update(term.to_bits().to_le_bytes());
                }
            }
            if !funding.is_empty() {
                hash.update([2]);
                hash.update((row as u64).to_le_bytes());
                funding.iter().for_each(|paid| hash.update(paid.to_bits().to_le_bytes()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Candles;

    fn panel(hours: std::ops::Range<i64>) -> Panel {
        let mut candles = Candles::default();
        hours.for_each(|hour| candles.push(hour * HOUR_MS, [1.0; 4], 1.0));
        Panel::new(vec![("A-USDT".to_owned(), candles)], Timeframe::H1, 1, false).unwrap()
    }

    fn history(rows: &[(i64, f64)]) -> FundingHistory {
        let times: Vec<i64> = rows.iter().map(|row| row.0).collect();
        let rates: Vec<f64> = rows.iter().map(|row| row.1).collect();
        FundingHistory::new(&times, &rates).unwrap().0
    }

    fn with(panel: Panel, funding: FundingHistory) -> Panel {
        let funding = [("A-USDT".to_owned(), funding)].into();
        panel.with_markets(&Markets { funding, ..Markets::default() })
    }

    #[test]
    fn funding_is_summed_up_to_each_open_and_unknown_outside_its_history() {
        // Three milliseconds late, as on a real exchange.
        let rates = history(&[(8 * HOUR_MS + 3, 0.0001), (16 * HOUR_MS, -0.0003)]);
        let panel = with(panel(0..40), rates);
        let paid = &panel.funding_bps[0];
        assert!(paid[..8].iter().all(|paid| paid.is_nan()));
        let near = |got: f64, want: f64| (got - want).abs() < 1e-6;
        assert!(paid[8..16].iter().all(|&paid| near(paid, 1.0)), "{paid:?}");
        assert!(paid[16..24].iter().all(|&paid| near(paid, -2.0)), "{paid:?}");
        // The next payment would have been due at 24:00.
        assert!(paid[24..].iter().all(|paid| paid.is_nan()));
    }

    #[test]
    fn sums_do_not_depend_on_where_the_history_begins() {
        let rates: Vec<(i64, f64)> = (0..300).map(|i| (i * 8 * HOUR_MS, 1e-4 * (i as f64).sin())).collect();
        let (whole, late) = (with(panel(0..2400), history(&rates)), with(panel(0..2400), history(&rates[100..])));
        let (whole, late) = (&whole.funding_bps[0], &late.funding_bps[0]);
        for bar in 900..2400 {
            assert_eq!(whole[bar] - whole[850], late[bar] - late[850], "bar {bar}");
        }
    }

    #[test]
    fn the_history_before_a_hole_is_left_out() {
        let times = [0, 8, 16, 48, 56].map(|hour| hour * HOUR_MS);
        let (history, dropped) = FundingHistory::new(&times, &[0.1, 0.1, 0.1, 0.2, 0.2]).unwrap();
        assert_eq!((history.timestamp(), history.rate(), dropped), (&times[3..], &[0.2, 0.2][..], 3));
        assert_eq!(history.until(50 * HOUR_MS).timestamp(), &times[3..4]);
        let error = FundingHistory::new(&[0, 0], &[0.1, 0.1]).unwrap_err();
        assert_eq!(error.to_string(), "row 1: its time is not after that of the row before");
        let error = FundingHistory::new(&[0, 1], &[0.1, f64::NAN]).unwrap_err();
        assert!(error.to_string().starts_with("row 1: the rate is NaN"), "{error}");
        assert!(with(panel(0..5), FundingHistory::default()).funding_bps[0].is_empty());
    }

    #[test]
    fn a_part_of_a_panel_keeps_what_is_known_of_its_markets() {
        let rates: Vec<(i64, f64)> = (0..10).map(|i| (i * 8 * HOUR_MS, 0.001)).collect();
        let terms = MarketTerms { tick: Some(0.1), ..MarketTerms::default() };
        let mut whole = with(panel(0..60), history(&rates));
        whole.terms[0] = terms;
        let part = panel(20..40).with_markets_of(&whole);
        assert_eq!(part.terms, [terms]);
        assert_eq!(part.funding_bps[0], whole.funding_bps[0][20..40]);
        assert_eq!(panel(0..60).with_markets_of(&panel(0..60)), panel(0..60));
    }

    #[test]
    fn equal_digests_mean_equal_terms_and_funding() {
        let plain = panel(0..60);
        let funded = with(panel(0..60), history(&[(8 * HOUR_MS, 0.001), (16 * HOUR_MS, 0.001)]));
        let mut dear = panel(0..60);
        dear.terms[0].taker_fee_bps = Some(10.0);
        let mut wide = panel(0..60);
        wide.terms[0].spread_bps = Some(10.0);
        let digests = [&plain, &funded, &dear, &wide].map(Panel::digest);
        assert!((1..4).all(|i| !digests[..i].contains(&digests[i])), "{digests:?}");
    }

    #[test]
    fn the_quote_of_an_empty_book_is_not_believed() {
        let empty = 2e4 * 0.5 / 2.5;
        assert_eq!(believed_spread_bps(empty, 2.0, Some(1e-4), 1.0), 50.0);
        assert_eq!(believed_spread_bps(empty, 2.0, None, 1.0), 50.0);
        // An expensive market, and one whose tick is a per cent of its price.
        assert_eq!(believed_spread_bps(empty, 20.0, None, 1.0), 200.0);
        assert!((believed_spread_bps(empty, 2.0, Some(0.01), 1.0) - 1000.0).abs() < 1e-9);
        // Ordinary quotes count as they are.
        assert_eq!([0.1, 7.0, 49.0].map(|bps| believed_spread_bps(bps, 2.0, Some(1e-4), 1.0)), [0.1, 7.0, 49.0]);
        assert!((believed_spread_bps(100.0, 2.0, Some(0.01), 1.0) - 100.0).abs() < 1e-9);
    }

    #[test]
    fn terms_that_make_no_sense_are_named_or_left_out() {
        let bad =
            MarketTerms { tick: Some(0.0), taker_fee_bps: Some(f64::NAN), lot: Some(1.0), ..MarketTerms::default() };
        assert_eq!(bad.check(), Err("tick is 0; give a finite number above 0, or leave it out".to_owned()));
        assert_eq!(bad.plausible(), MarketTerms { lot: Some(1.0), ..MarketTerms::default() });
        let fee = MarketTerms { taker_fee_bps: Some(-1.0), ..MarketTerms::default() };
        assert!(fee.check().unwrap_err().contains("from 0 to 10000"));
        assert_eq!(MarketTerms { maker_fee_bps: Some(-1.0), ..MarketTerms::default() }.check(), Ok(()));
    }
}
