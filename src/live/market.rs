//! A market that is followed bar by bar, with the decision of every model on the newest bar.

use std::collections::VecDeque;
use std::sync::Arc;

use rayon::prelude::*;

use super::decision::Decision;
use super::error::LiveError;
use super::seen::Seen;
use super::{LiveModels, Terms};
use crate::bars::{Bar, Panel, roll};
use crate::boost::Table;
use crate::decide::{ConsensusStream, Opinion, VOTERS, VoteStream};
use crate::features::{self, Newest, Stream, VIEW_COUNT, columns};
use crate::labels;
use crate::models::SymbolModel;
use crate::shadow::Rules;
use crate::text::time_text;

/// The state of a market after its newest bar.
pub struct LiveMarket {
    /// Models that decide.
    pub models: Arc<LiveModels>,
    /// The rules that they were judged by.
    pub terms: Terms,
    /// The rules of trades in these terms.
    pub(super) rules: Rules,
    /// The newest bars.
    tail: Panel,
    /// Bars that `tail` keeps.
    keep: usize,
    features: Stream,
    votes: VoteStream,
    consensus: ConsensusStream,
    /// ATR(14) in price units of the bars of `tail`, `[symbols × bars]`.
    atr: Vec<f64>,
    /// Rows of the view of the newest bars, `[symbols × window × columns]`.
    rows: Vec<f32>,
    /// Bars that a prediction looks at.
    window: usize,
    /// Bars of each symbol so far.
    own_bars: Vec<usize>,
    /// Mean volatility of the newest bars.
    volatility: VecDeque<f64>,
    /// Bars of which the volatility is kept.
    volatility_bars: usize,
    /// How far each coin moves with the market, at the newest bar.
    betas: Vec<f64>,
    opinions: Vec<Opinion>,
    /// Model of each symbol of the panel, as a place in `models.approved`.
    model_of: Vec<Option<usize>>,
}

impl LiveMarket {
    /// Computes a whole history. Bars that have not closed at `at_ms` are left out.
    ///
    /// # Errors
    /// Models that contradict each other, the settings or the candles; no bar to decide on; candles that are stale altogether.
    pub fn new(mut panel: Panel, models: Arc<LiveModels>, terms: Terms, at_ms: i64) -> Result<Self, LiveError> {
        let step = panel.timeframe.ms();
        let wanted = (at_ms - panel.start_ms).div_euclid(step) - 1;
        let closed = usize::try_from(wanted + 1).unwrap_or(0);
        if closed < 2 {
            return Err(LiveError::TooFew { at: time_text(at_ms), first: time_text(panel.start_ms) });
        }
        panel.keep_first(closed);
        if closed > panel.bars || !(0..panel.symbols.len()).any(|symbol| panel.has_last_bar(symbol)) {
            return Err(stale(&panel, at_ms));
        }
        if let Some(other) = models.approved.iter().find(|own| own.bundle.metadata.simulated != panel.simulated) {
            let models = other.bundle.metadata.simulated;
            return Err(LiveError::Simulated { models, candles: panel.simulated });
        }
        let mut model_of = vec![None; panel.symbols.len()];
        for (place, model) in models.approved.iter().enumerate() {
            if let Some(inputs) = &model.bundle.metadata.inputs
                && inputs.timeframe != panel.timeframe
            {
                let (symbol, learned) = (model.bundle.symbol.clone(), inputs.timeframe);
                return Err(LiveError::Timeframe { symbol, learned, given: panel.timeframe });
            }
            if let Some(symbol) = panel.symbol(&model.bundle.symbol) {
                model_of[symbol] = Some(place);
            }
        }
        Ok(Self::begin(panel, models, terms, model_of))
    }

    /// The state after the last bar of a panel of at least two.
    fn begin(mut panel: Panel, models: Arc<LiveModels>, terms: Terms, model_of: Vec<Option<usize>>) -> Self {
        let (last, paid) = (panel.bars_at(panel.bars - 1), last_funding(&panel));
        panel.keep_first(panel.bars - 1);
        let (symbols, bars) = (panel.symbols.len(), panel.bars);
        let rules = terms.rules(panel.timeframe);
        let horizon = terms.labels.horizon_bars();
        let window = model_of.iter().flatten().map(|&place| models.approved[place].window_bars()).max().unwrap_or(1);
        let volatility_bars = panel.timeframe.bars_in_days(terms.risk.volatility_days) + 1;
        let keep = Stream::TAIL_BARS.max(VoteStream::tail_bars(&terms.decide.voters)).max(horizon + 2);

        let volatile = volatility_bars.min(bars);
        let seen = Seen::new(symbols, volatile, (window - 1).min(bars));
        let features = Stream::new(&panel, volatile.max(seen.rows), |symbol, bar, row| {
            seen.note(symbol, bars - 1 - bar, row);
        });
        let (volatility, rows) = seen.finish(&panel, window);

        let atr = features::atr_14(&panel);
        let memory = ConsensusStream::memory_bars(&terms.decide, horizon).map_or(bars, |memory| memory.min(bars));
        let (votes, cast) = VoteStream::new(&panel, &terms.decide.voters, memory);
        let mut consensus = ConsensusStream::new(symbols, &terms.decide, horizon);
        let outcome = |symbol: usize, bar: usize| {
            let atr = panel.row(&atr, symbol)[bar];
            labels::edge_bps(&panel, symbol, bar, atr, &rules).unwrap_or(f64::NAN)
        };
        let first = bars - memory;
        for bar in first..bars {
            let own = (0..symbols).flat_map(|symbol| &cast[(symbol * memory + bar - first) * VOTERS..][..VOTERS]);
            let outcomes: Vec<f64> = match bar.checked_sub(horizon) {
                Some(known) if known >= first => {
                    (0..symbols).into_par_iter().map(|symbol| outcome(symbol, known)).collect()
                }
                _ => vec![f64::NAN; symbols],
            };
            consensus.push(own.copied().collect(), &outcomes);
        }
        let tail = panel.newest(keep);
        let atr = (0..symbols).flat_map(|symbol| &panel.row(&atr, symbol)[bars - tail.bars..]).copied().collect();
        let mut market = Self {
            models,
            rules,
            keep,
            features,
            votes,
            consensus,
            atr,
            rows,
            window,
            own_bars: panel.ranges.iter().map(ExactSizeIterator::len).collect(),
            volatility,
            volatility_bars,
            betas: Vec::new(),
            opinions: Vec::new(),
            model_of,
            tail,
            terms,
        };
        market.push(&last, &paid);
        market
    }

    /// The newest bars; the last one is decided on.
    pub fn panel(&self) -> &Panel {
        &self.tail
    }

    /// Open of the newest bar, milliseconds since 1970 UTC.
    pub fn newest_ms(&self) -> i64 {
        self.tail.time_ms(self.tail.bars - 1)
    }

    /// Fails if a bar that closed by `at_ms` is missing of all symbols, or the newest one has not closed.
    ///
    /// # Errors
    /// [`LiveError::Stale`], [`LiveError::Unclosed`].
    pub fn check_fresh(&self, at_ms: i64) -> Result<(), LiveError> {
        let (newest_ms, step) = (self.newest_ms(), self.tail.timeframe.ms());
        if at_ms < newest_ms + step {
            return Err(LiveError::Unclosed { newest: time_text(newest_ms), at: time_text(at_ms) });
        }
        if at_ms >= newest_ms + 2 * step { Err(stale(&self.tail, at_ms)) } else { Ok(()) }
    }

    /// Symbols without the newest bar.
    pub fn stale(&self) -> Vec<&str> {
        let symbols = self.tail.symbols.iter().enumerate();
        symbols.filter(|(symbol, _)| !self.is_fresh(*symbol)).map(|(_, name)| name.as_str()).collect()
    }

    /// Adds the bars of a panel that follow the newest one and have closed at `until_ms`; returns how many bars of the grid these are.
    /// Bars that are there already are passed over, and so are those of symbols that have missed one: they stay stale.
    ///
    /// # Errors
    /// A symbol that the history does not have, or bars that do not follow the newest one. Then nothing has changed.
    pub fn add_all(&mut self, panel: &Panel, until_ms: i64) -> Result<usize, LiveError> {
        if panel.simulated != self.tail.simulated {
            return Err(LiveError::Simulated { models: self.tail.simulated, candles: panel.simulated });
        }
        let step = self.tail.timeframe.ms();
        let first = self.newest_ms() + step;
        let rows = (0..panel.bars).filter(|&bar| panel.time_ms(bar) >= first && panel.time_ms(bar) <= until_ms - step);
        let rows: Vec<usize> = rows.collect();
        let mut has_last: Vec<bool> = (0..self.tail.symbols.len()).map(|symbol| self.is_fresh(symbol)).collect();
        let offsets = self.funding_offsets(panel);
        let mut added: Vec<(Vec<Option<Bar>>, Vec<f64>)> = Vec::with_capacity(rows.len());
        for &bar in &rows {
            let mut paid = vec![f64::NAN; self.tail.symbols.len()];
            let mut row = vec![None; self.tail.symbols.len()];
            for (own, symbol) in panel.symbols.iter().enumerate() {
                let Some(place) = self.tail.symbol(symbol) else {
                    return Err(LiveError::Unknown { symbol: symbol.clone() });
                };
                let Some(new) = panel.symbol_bar(own, bar).filter(|_| has_last[place]) else { continue };
                let due = first + added.len() as i64 * step;
                if panel.time_ms(bar) != due {
                    let (given, newest) = (time_text(panel.time_ms(bar)), time_text(due - step));
                    return Err(LiveError::Gap { symbol: symbol.clone(), given, newest });
                }
                paid[place] = panel.funding_bps[own].get(bar).map_or(f64::NAN, |sum| sum + offsets[place]);
                row[place] = Some(new);
            }
            // A bar of stale coins alone is none; a bar of others after it would be a gap.
            if row.iter().any(Option::is_some) {
                has_last = row.iter().map(Option::is_some).collect();
                added.push((row, paid));
            }
        }
        self.refill_funding(panel, &offsets);
        added.iter().for_each(|(row, paid)| self.push(row, paid));
        Ok(added.len())
    }

    /// What must be added to a panel's sums of funding, which begin elsewhere, so that they go on with those of the newest bars; NaN where
    /// no bar has both.
    fn funding_offsets(&self, panel: &Panel) -> Vec<f64> {
        let offset = |(symbol, own): (&String, &Vec<f64>)| {
            let theirs = &panel.funding_bps[panel.symbol(symbol)?];
            let both = |bar: usize| Some(own[bar] - theirs.get(panel.bar_at(self.tail.time_ms(bar))?)?);
            (0..own.len()).rev().filter_map(both).find(|offset| offset.is_finite())
        };
        self.tail.symbols.iter().zip(&self.tail.funding_bps).map(|own| offset(own).unwrap_or(f64::NAN)).collect()
    }

    /// Notes funding that was not known when its bar came.
    fn refill_funding(&mut self, panel: &Panel, offsets: &[f64]) {
        let times: Vec<Option<usize>> = (0..self.tail.bars).map(|bar| panel.bar_at(self.tail.time_ms(bar))).collect();
        for ((symbol, own), offset) in self.tail.symbols.iter().zip(&mut self.tail.funding_bps).zip(offsets) {
            let Some(theirs) = panel.symbol(symbol).map(|row| &panel.funding_bps[row]) else { continue };
            for (slot, bar) in own.iter_mut().zip(&times).filter(|(slot, _)| slot.is_nan()) {
                *slot = bar.and_then(|bar| theirs.get(bar)).map_or(f64::NAN, |sum| sum + offset);
            }
        }
    }

    fn push(&mut self, bars: &[Option<Bar>], funding_bps: &[f64]) {
        let old = self.tail.bars;
        self.tail.push(bars, funding_bps, self.keep);
        self.own_bars.iter_mut().zip(bars).for_each(|(own, bar)| *own += usize::from(bar.is_some()));
        let (newest, cast) = rayon::join(|| self.features.push(&self.tail), || self.votes.push(&self.tail));
        roll(&mut self.atr, old, self.tail.bars, |symbol| newest.atr[symbol]);
        self.note_volatility(&newest);
        self.note_rows(&newest);
        let outcomes = self.outcomes();
        self.opinions = self.consensus.push(cast, &outcomes);
        let beta = |symbol: usize| f64::from(newest.features.row(symbol, 0)[columns::MARKET_BETA]);
        self.betas = (0..self.tail.symbols.len()).map(beta).collect();
    }

    fn note_volatility(&mut self, newest: &Newest) {
        let at = |symbol: usize, _: usize| f64::from(newest.features.row(symbol, 0)[columns::VOLATILITY_20]);
        self.volatility.extend(crate::risk::mean_volatility(self.tail.symbols.len(), 1, at));
        while self.volatility.len() > self.volatility_bars {
            self.volatility.pop_front();
        }
    }

    fn note_rows(&mut self, newest: &Newest) {
        let width = self.window * VIEW_COUNT;
        for (own, new) in self.rows.chunks_exact_mut(width).zip(newest.view.chunks_exact(VIEW_COUNT)) {
            own.copy_within(VIEW_COUNT.., 0);
            own[width - VIEW_COUNT..].copy_from_slice(new);
        }
    }

    /// What became of the bar whose outcomes are known since the newest one, of each symbol.
    fn outcomes(&self) -> Vec<f64> {
        let Self { tail, rules, atr, .. } = self;
        let symbols = tail.symbols.len();
        let Some(bar) = (tail.bars - 1).checked_sub(self.terms.labels.horizon_bars()) else {
            return vec![f64::NAN; symbols];
        };
        let outcome = |symbol: usize| labels::edge_bps(tail, symbol, bar, tail.row(atr, symbol)[bar], rules);
        (0..symbols).map(|symbol| outcome(symbol).unwrap_or(f64::NAN)).collect()
    }

    /// The newest bars' mean volatility, oldest first.
    pub fn volatility(&self) -> Vec<f64> {
        self.volatility.iter().copied().collect()
    }

    /// How far a coin moves with the market: the feature `market_beta` of the newest bar.
    pub fn beta(&self, symbol: usize) -> f64 {
        self.betas[symbol]
    }

    /// Whether the symbol has the newest bar.
    pub fn is_fresh(&self, symbol: usize) -> bool {
        self.tail.has_last_bar(symbol)
    }

    /// The model of a symbol.
    pub fn model(&self, symbol: usize) -> Option<&SymbolModel> {
        self.model_of[symbol].map(|place| &self.models.approved[place])
    }

    /// The decision on the newest bar of every symbol that has one and a model.
    pub fn decisions(&self) -> Vec<Decision> {
        let (tail, bar) = (&self.tail, self.tail.bars - 1);
        let table = Table { values: &self.rows, features: VIEW_COUNT };
        let one = |symbol: usize| {
            let model = self.model(symbol).filter(|_| self.is_fresh(symbol))?;
            let row = (symbol * self.window + self.window - 1) as u32;
            let known = self.own_bars[symbol].clamp(1, self.window) as u32;
            let prediction = model.predict(table, row + 1 - known, row);
            let candidate = (symbol, bar, Some(prediction));
            let (opinion, atr) = (self.opinions[symbol], tail.row(&self.atr, symbol)[bar]);
            Some(Decision::of(tail, candidate, opinion, atr, &self.rules, self.terms.policy()))
        };
        (0..tail.symbols.len()).into_par_iter().filter_map(one).collect()
    }
}

/// Candles of which the newest bar is not the one that closed last.
fn stale(panel: &Panel, at_ms: i64) -> LiveError {
    let step = panel.timeframe.ms();
    let wanted = panel.start_ms + ((at_ms - panel.start_ms).div_euclid(step) - 1) * step;
    let last = panel.ranges.iter().filter_map(|range| range.clone().next_back()).max().unwrap_or(0);
    let newest = time_text(panel.time_ms(last));
    LiveError::Stale { newest, at: time_text(at_ms), wanted: time_text(wanted) }
}

/// The sums of funding up to the last bar's open, of each symbol; NaN where that is not known.
fn last_funding(panel: &Panel) -> Vec<f64> {
    panel.funding_bps.iter().map(|own| own.last().copied().unwrap_or(f64::NAN)).collect()
}
