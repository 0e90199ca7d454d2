//! One symbol's series, block by block: everything between its candles and its features.

use std::ops::Range;

use super::cross::{Moments, ReferenceBlock};
use super::indicators;
use super::recurrences::{Averages, Recurrences};
use super::series::{BARS, Block, PAST, Series, lag, map};
use super::shared::Shared;
use super::thirds::Thirds;
use super::windows::{self, Extremes, SHARE_3, SHARE_5, SHARE_10, SHARE_20, SHARE_50, Sums};
use huracan_bars::Panel;
use huracan_base::arith;

// These constants have twins of the same name in `kernels/features.cu`; a test in `device.rs` compares them.

/// Bars before the first `volatility_20`.
pub const VOLATILITY_WARM_UP: usize = 20;
/// Standard deviations from the mean to a Bollinger band.
pub const BAND_DEVIATIONS: f64 = 2.0;
/// Share of the squared mean up to which the sum of squared distances from it is rounding error.
pub const BAND_ROUNDING: f64 = 1e-29;

/// All series from which a symbol's features at the bars of one block are computed. Entries without a bar are
/// undefined.
pub struct Symbol {
    pub open: Block,
    pub high: Series,
    pub low: Series,
    pub close: Series,
    volume: Series,
    pub ret_1: Series,
    pub ret_5: Block,
    pub ret_20: Block,
    pub log_ret_1: Series,
    pub ln_close: Series,

    pub sma_5: Block,
    pub sma_10: Block,
    pub sma_20: Block,
    pub sma_50: Block,
    /// Half the width of the Bollinger bands.
    pub band: Block,
    pub volatility_5: Block,
    pub volatility_20: Block,
    pub ret_mean: Block,
    pub ret_deviation: Block,
    /// Extremes of 20 returns.
    pub least: Block,
    pub greatest: Block,
    /// Extremes of 50 lows and highs.
    pub lowest: Block,
    pub highest: Block,

    pub averages: Averages,
    pub rsi: Series,
    pub macd: Block,
    pub signal: Block,
    pub histogram: Series,
    dx: Block,
    pub adx: Block,
    fast_k: Series,
    pub slow_k: Series,
    pub slow_d: Block,

    pub volume_sma: Block,
    pub volume_ratio: Series,
    pub trend: Block,
    pub balance: Block,

    pub trend_strength: Block,
    pub regime: Block,
    /// Correlation with Bitcoin and Ethereum, and beta to the market.
    pub cross_asset: [Block; 3],

    references: [ReferenceBlock; 3],
    moments: Moments,
    recurrences: Recurrences,
    thirds: Thirds,
    sums: Sums,
    low_extremes: Extremes<false>,
    high_extremes: Extremes<true>,
    scratch: [Block; 5],
}

const ZEROS: Block = [0.0; BARS];

/// Series with a past.
const WITH_PAST: usize = 15;

/// What the blocks of a symbol leave to the next one.
pub struct Carried {
    pasts: [[f64; PAST]; WITH_PAST],
    recurrences: Recurrences,
    thirds: Thirds,
}

impl Symbol {
    /// The state before the first bar.
    pub fn new() -> Box<Self> {
        Box::new(Self {
            open: ZEROS,
            high: Series::ZERO,
            low: Series::ZERO,
            close: Series::ZERO,
            volume: Series::ZERO,
            ret_1: Series::ZERO,
            ret_5: ZEROS,
            ret_20: ZEROS,
            log_ret_1: Series::ZERO,
            ln_close: Series::ZERO,
            sma_5: ZEROS,
            sma_10: ZEROS,
            sma_20: ZEROS,
            sma_50: ZEROS,
            band: ZEROS,
            volatility_5: ZEROS,
            volatility_20: ZEROS,
            ret_mean: ZEROS,
            ret_deviation: ZEROS,
            least: ZEROS,
            greatest: ZEROS,
            lowest: ZEROS,
            highest: ZEROS,
            averages: Averages::ZERO,
            rsi: Series::ZERO,
            macd: ZEROS,
            signal: ZEROS,
            histogram: Series::ZERO,
            dx: ZEROS,
            adx: ZEROS,
            fast_k: Series::ZERO,
            slow_k: Series::ZERO,
            slow_d: ZEROS,
            volume_sma: ZEROS,
            volume_ratio: Series::ZERO,
            trend: ZEROS,
            balance: ZEROS,
            trend_strength: ZEROS,
            regime: ZEROS,
            cross_asset: [ZEROS; 3],
            references: [ReferenceBlock::ZERO; 3],
            moments: Moments::ZERO,
            recurrences: Recurrences::default(),
            thirds: Thirds::new(),
            sums: Sums::ZERO,
            low_extremes: Extremes::ZERO,
            high_extremes: Extremes::ZERO,
            scratch: [ZEROS; 5],
        })
    }

    /// Computes the series at `bars` of the grid, at most [`BARS`] of them. The first one is the symbol's own bar
    /// `from`.
    #[inline(always)]
    pub fn load_block(&mut self, panel: &Panel, shared: &Shared, symbol: usize, bars: Range<usize>, from: usize) {
        let len = bars.len();
        let own = |column| &panel.row(column, symbol)[bars.clone()];
        self.open[..len].copy_from_slice(own(&panel.open));
        self.high.load(own(&panel.high));
        self.low.load(own(&panel.low));
        self.close.load(own(&panel.close));
        self.volume.load(own(&panel.volume));
        let ret = |[now, before]: [f64; 2]| now / before - 1.0;
        map([self.close.lag(0), self.close.lag(1)], self.ret_1.block(), ret);
        map([self.close.lag(0), self.close.lag(5)], &mut self.ret_5, ret);
        map([self.close.lag(0), self.close.lag(20)], &mut self.ret_20, ret);
        if from == 0 {
            // The first bar has no return.
            self.ret_1.block()[0] = f64::NAN;
        }
        for (block, reference) in self.references.iter_mut().zip(&shared.references) {
            block.load(reference, bars.clone());
        }
        self.prices_and_returns();
        self.oscillators();
        self.volumes(from);
        self.regimes(from, len);
    }

    /// All series with a past.
    #[inline(always)]
    fn series_with_past(&mut self) -> [&mut Series; WITH_PAST] {
        let [btc, eth, market] = &mut self.references;
        [
            &mut self.high,
            &mut self.low,
            &mut self.close,
            &mut self.volume,
            &mut self.ret_1,
            &mut self.log_ret_1,
            &mut self.ln_close,
            &mut self.rsi,
            &mut self.histogram,
            &mut self.fast_k,
            &mut self.slow_k,
            &mut self.volume_ratio,
            &mut btc.returns,
            &mut eth.returns,
            &mut market.returns,
        ]
    }

    /// Ends the block: keeps the past that the next one needs.
    #[inline(always)]
    pub fn carry(&mut self) {
        self.series_with_past().into_iter().for_each(Series::carry);
    }

    /// Resets everything, to begin another symbol.
    pub fn clear(&mut self) {
        self.series_with_past().into_iter().for_each(Series::clear);
        self.recurrences = Recurrences::default();
        self.thirds.clear();
    }

    /// What the blocks so far leave to the next one, after [`Self::carry`].
    pub fn carried(&mut self) -> Carried {
        self.thirds.forget();
        Carried {
            pasts: self.series_with_past().map(|series| *series.past()),
            recurrences: self.recurrences.clone(),
            thirds: self.thirds.clone(),
        }
    }

    /// Goes on after these blocks.
    pub fn resume(&mut self, carried: &Carried) {
        self.series_with_past().into_iter().zip(&carried.pasts).for_each(|(series, past)| *series.past() = *past);
        self.recurrences = carried.recurrences.clone();
        self.thirds.clone_from(&carried.thirds);
    }

    /// Means, deviations and extremes of the close and of returns, correlations and beta.
    #[inline(always)]
    fn prices_and_returns(&mut self) {
        let close = &self.close;
        map([close.lag(0)], self.ln_close.block(), |[price]| arith::ln(price));
        map([self.ln_close.lag(0), self.ln_close.lag(1)], self.log_ret_1.block(), |[now, before]| now - before);

        let sums = &mut self.sums;
        sums.update(&close.entries);
        sums.of_50(&mut self.scratch[0]);
        map([lag(&sums.of_5, 0)], &mut self.sma_5, |[sum]| sum * SHARE_5);
        map([lag(&sums.of_10, 0)], &mut self.sma_10, |[sum]| sum * SHARE_10);
        map([lag(&sums.of_20, 0)], &mut self.sma_20, |[sum]| sum * SHARE_20);
        map([&self.scratch[0]], &mut self.sma_50, |[sum]| sum * SHARE_50);
        windows::squared_distances::<20>(close, &self.sma_20, &mut self.scratch[0]);
        map([&self.scratch[0], &self.sma_20], &mut self.band, |[squares, mean]| {
            // The mean of equal prices is rounded, so that their distances from it need not be 0.
            let flat = squares <= BAND_ROUNDING * (mean * mean);
            let band = BAND_DEVIATIONS * (squares * SHARE_20).sqrt();
            if flat { 0.0 } else { band }
        });

        let [sum_5, sum_20, ..] = &mut self.scratch;
        sums.update(&self.log_ret_1.entries);
        *sum_5 = *lag(&sums.of_5, 0);
        *sum_20 = *lag(&sums.of_20, 0);
        sums.update_products(&self.log_ret_1.entries, &self.log_ret_1.entries);
        map([sum_5, lag(&sums.of_5, 0)], &mut self.volatility_5, windows::deviation::<5>);
        map([sum_20, lag(&sums.of_20, 0)], &mut self.volatility_20, windows::deviation::<20>);

        self.moments.update(&self.ret_1);
        let (sum, squares) = (lag(&self.moments.sums.of_20, 0), lag(&self.moments.products.of_20, 0));
        map([sum], &mut self.ret_mean, |[sum]| sum * SHARE_20);
        map([sum, squares], &mut self.ret_deviation, windows::deviation::<20>);
        let ([btc, eth, market], [out_btc, out_eth, out_market]) = (&self.references, &mut self.cross_asset);
        self.moments.correlation(&self.ret_1, btc, out_btc);
        self.moments.correlation(&self.ret_1, eth, out_eth);
        self.moments.beta(&self.ret_1, market, out_market);

        self.low_extremes.update(&self.ret_1);
        self.low_extremes.of_20(&mut self.least);
        self.high_extremes.update(&self.ret_1);
        self.high_extremes.of_20(&mut self.greatest);
    }

    /// Exponential averages, ATR, RSI, MACD's line, DX and the stochastic oscillator.
    #[inline(always)]
    fn oscillators(&mut self) {
        let (high, low, close) = (&self.high, &self.low, &self.close);
        let [range, gains, losses, plus, minus] = &mut self.scratch;
        map([high.lag(0), low.lag(0), close.lag(1)], range, indicators::true_range);
        map([close.lag(0), close.lag(1)], gains, indicators::gain);
        map([close.lag(0), close.lag(1)], losses, indicators::loss);
        indicators::movements(high, low, [&mut *plus, &mut *minus]);
        let out = &mut self.averages;
        self.recurrences.averages(close.lag(0), [range, gains, losses], [range, plus, minus], out);

        let [_, _, _, fast, slow] = &self.averages.close;
        let [_, gain, loss] = &self.averages.wilder;
        let [range, plus, minus] = &self.averages.running;
        map([gain, loss], self.rsi.block(), indicators::rsi);
        map([fast, slow], &mut self.macd, |[fast, slow]| fast - slow);

        map([plus, minus, range], &mut self.dx, indicators::directional);

        let [lowest, highest, ..] = &mut self.scratch;
        self.low_extremes.update(low);
        self.low_extremes.of_14(lowest);
        self.low_extremes.of_50(&mut self.lowest);
        self.high_extremes.update(high);
        self.high_extremes.of_14(highest);
        self.high_extremes.of_50(&mut self.highest);
        map([close.lag(0), lowest, highest], self.fast_k.block(), indicators::fast_k);
        let mean_of_3 = |[a, b, c]: [f64; 3]| (a + b + c) * SHARE_3;
        map([self.fast_k.lag(2), self.fast_k.lag(1), self.fast_k.lag(0)], self.slow_k.block(), mean_of_3);
        map([self.slow_k.lag(2), self.slow_k.lag(1), self.slow_k.lag(0)], &mut self.slow_d, mean_of_3);
    }

    /// Volume's mean and ratio, its running sums, and the recurrences over results of [`Self::oscillators`]: MACD's
    /// signal and ADX.
    #[inline(always)]
    fn volumes(&mut self, from: usize) {
        self.sums.update(&self.volume.entries);
        map([lag(&self.sums.of_20, 0)], &mut self.volume_sma, |[sum]| sum * SHARE_20);
        let volume = self.volume.lag(0);
        map([volume, &self.volume_sma], self.volume_ratio.block(), |[volume, mean]| {
            let ratio = volume / mean;
            if mean == 0.0 { 0.0 } else { ratio }
        });
        let [flow, signed, ..] = &mut self.scratch;
        map([volume, self.ret_1.lag(0)], flow, |[volume, ret]| volume * ret);
        if from == 0 {
            // The first bar has no return, and so no flow.
            flow[0] = 0.0;
        }
        map([volume, self.close.lag(0), self.close.lag(1)], signed, indicators::signed_volume);
        self.recurrences.signal_adx_and_totals(
            [&self.macd, &self.dx],
            [flow, signed],
            [&mut self.signal, &mut self.adx],
            [&mut self.trend, &mut self.balance],
        );
        map([&self.macd, &self.signal], self.histogram.block(), |[macd, signal]| macd - signal);
    }

    /// Trend strength and volatility regime.
    #[inline(always)]
    fn regimes(&mut self, from: usize, len: usize) {
        windows::r_squared::<20>(&self.ln_close, &mut self.trend_strength);
        let skip = VOLATILITY_WARM_UP.saturating_sub(from).min(len);
        self.regime[..skip].fill(f64::NAN);
        self.thirds.extend(&self.volatility_20[skip..len], &mut self.regime[skip..]);
    }
}
