//! Correlation and beta of a symbol's returns with those of Bitcoin, Ethereum and the market.
//!
//! A window in which either series misses a return gives NaN: the missing return is NaN, and so is every sum with it.

use std::ops::Range;

use super::series::{BARS, Block, Series, map};
use super::windows::{SPREAD_ROUNDING, Sums};

/// Returns of a correlation or beta: the windows of [`Sums::of_50`]. Twin of `CORRELATION_BARS` in
/// `kernels/features.cu`.
pub const CORRELATION_BARS: usize = 50;
const SHARE: f64 = 1.0 / CORRELATION_BARS as f64;

/// The statistic of a symbol's returns and those of a reference.
#[derive(Clone, Copy)]
pub enum Measure {
    /// The covariance over the roots of both variances.
    Correlation,
    /// The covariance over the reference's variance.
    Beta,
}

/// Returns of a reference (a coin or the market) with which those of every symbol are compared, on the panel's grid.
pub struct Reference {
    /// NaN where there is none, always at bar 0.
    pub returns: Vec<f64>,
    /// Sums of the last 50 returns.
    sums: Vec<f64>,
    /// Factors by which a covariance is multiplied: 1/√spread for a correlation, 1/spread for a beta.
    scales: Vec<f64>,
}

impl Reference {
    pub fn new(returns: Vec<f64>, measure: Measure) -> Self {
        let [mut sums, mut scales] = [(); 2].map(|()| vec![0.0; returns.len()]);
        let mut series = Series::ZERO;
        let mut moments = Moments::ZERO;
        for from in (0..returns.len()).step_by(BARS) {
            let bars = from..(from + BARS).min(returns.len());
            series.load(&returns[bars.clone()]);
            moments.update(&series);
            for (i, t) in bars.enumerate() {
                sums[t] = moments.sum[i];
                scales[t] = match measure {
                    Measure::Correlation => moments.inverse_root[i],
                    Measure::Beta => 1.0 / moments.spread[i],
                };
            }
            series.carry();
        }
        Self { returns, sums, scales }
    }
}

/// A reference at the bars of a symbol's block.
pub struct ReferenceBlock {
    pub returns: Series,
    sum: Block,
    scale: Block,
}

impl ReferenceBlock {
    pub const ZERO: Self = Self { returns: Series::ZERO, sum: [0.0; BARS], scale: [0.0; BARS] };

    /// Loads these bars of the grid.
    #[inline(always)]
    pub fn load(&mut self, reference: &Reference, bars: Range<usize>) {
        let len = bars.len();
        self.returns.load(&reference.returns[bars.clone()]);
        self.sum[..len].copy_from_slice(&reference.sums[bars.clone()]);
        self.scale[..len].copy_from_slice(&reference.scales[bars]);
    }
}

/// Sums over the last 50 returns of a symbol.
pub struct Moments {
    /// Sums of up to 20 returns.
    pub sums: Sums,
    sum: Block,
    spread: Block,
    inverse_root: Block,
    /// Sums of up to 20 products with the series multiplied last; after [`Self::update`], of squares.
    pub products: Sums,
    sum_of_products: Block,
}

impl Moments {
    pub const ZERO: Self = Self {
        sums: Sums::ZERO,
        sum: [0.0; BARS],
        spread: [0.0; BARS],
        inverse_root: [0.0; BARS],
        products: Sums::ZERO,
        sum_of_products: [0.0; BARS],
    };

    /// Computes the sums of the symbol's own returns.
    #[inline(always)]
    pub fn update(&mut self, returns: &Series) {
        self.sums.update(&returns.entries);
        self.sums.of_50(&mut self.sum);
        self.multiply(returns, returns);
        map([&self.sum, &self.sum_of_products], &mut self.spread, |[sum, squares]| spread(sum, squares));
        map([&self.spread], &mut self.inverse_root, |[spread]| 1.0 / spread.sqrt());
    }

    #[inline(always)]
    fn multiply(&mut self, x: &Series, y: &Series) {
        self.products.update_products(&x.entries, &y.entries);
        self.products.of_50(&mut self.sum_of_products);
    }

    /// Pearson's correlation with a reference over 50 returns.
    #[inline(always)]
    pub fn correlation(&mut self, own: &Series, other: &ReferenceBlock, out: &mut Block) {
        self.multiply(own, &other.returns);
        let inputs = [&self.sum, &self.inverse_root, &other.sum, &other.scale, &self.sum_of_products];
        map(inputs, out, |[x, own, y, other, xy]| covariance(x, y, xy) * (own * other));
    }

    /// Covariance with a reference over the reference's variance, of 50 returns.
    #[inline(always)]
    pub fn beta(&mut self, own: &Series, other: &ReferenceBlock, out: &mut Block) {
        self.multiply(own, &other.returns);
        let inputs = [&self.sum, &other.sum, &other.scale, &self.sum_of_products];
        map(inputs, out, |[x, y, other, xy]| covariance(x, y, xy) * other);
    }
}

/// Sum of squared distances from the mean of 50 returns; NaN where it is rounding error.
#[inline(always)]
fn spread(sum: f64, squares: f64) -> f64 {
    let spread = squares - sum * sum * SHARE;
    if spread > SPREAD_ROUNDING * squares { spread } else { f64::NAN }
}

/// Sum of the products of the distances of 50 returns from their means.
#[inline(always)]
fn covariance(x: f64, y: f64, xy: f64) -> f64 {
    xy - x * y * SHARE
}
