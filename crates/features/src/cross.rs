//! What a symbol's returns have to do with Bitcoin's, Ethereum's and the market's.
//!
//! A window in which either has no return gives NaN: the missing return is NaN itself, and so is every sum with it.

use std::ops::Range;

use super::series::{BARS, Block, Series, map};
use super::windows::Sums;

/// What a symbol's returns are asked about a reference's.
#[derive(Clone, Copy)]
pub enum Measure {
    /// The covariance over the roots of both variances.
    Correlation,
    /// The covariance over the reference's variance.
    Beta,
}

/// Returns that those of every symbol are held against, on the panel's grid.
pub struct Reference {
    /// NaN where there is none, at least at bar 0.
    pub returns: Vec<f64>,
    /// Sum of the last 50, and what a covariance is multiplied by: see [`Measure`].
    sums: Vec<f64>,
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
            moments.take(&series);
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

/// A reference's part that belongs to a block of a symbol.
pub struct Beside {
    pub returns: Series,
    sum: Block,
    scale: Block,
}

impl Beside {
    pub const ZERO: Self = Self { returns: Series::ZERO, sum: [0.0; BARS], scale: [0.0; BARS] };

    /// Takes the bars of the grid.
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
    /// Of up to 20 and of 50.
    pub sums: Sums,
    sum: Block,
    spread: Block,
    inverse_root: Block,
    /// Of products with the series that was taken last: after [`Self::take`], of squares.
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

    /// Takes the symbol's own returns.
    #[inline(always)]
    pub fn take(&mut self, returns: &Series) {
        self.sums.take(&returns.entries);
        self.sums.of_50(&mut self.sum);
        self.multiply(returns, returns);
        map([&self.sum, &self.sum_of_products], &mut self.spread, |[sum, squares]| spread(sum, squares));
        map([&self.spread], &mut self.inverse_root, |[spread]| 1.0 / spread.sqrt());
    }

    #[inline(always)]
    fn multiply(&mut self, x: &Series, y: &Series) {
        self.products.take_products(&x.entries, &y.entries);
        self.products.of_50(&mut self.sum_of_products);
    }

    /// Pearson's correlation with another series over 50 returns.
    #[inline(always)]
    pub fn correlation(&mut self, own: &Series, other: &Beside, out: &mut Block) {
        self.multiply(own, &other.returns);
        let inputs = [&self.sum, &self.inverse_root, &other.sum, &other.scale, &self.sum_of_products];
        map(inputs, out, |[x, own, y, other, xy]| covariance(x, y, xy) * (own * other));
    }

    /// Covariance with another series over that one's variance, of 50 returns.
    #[inline(always)]
    pub fn beta(&mut self, own: &Series, other: &Beside, out: &mut Block) {
        self.multiply(own, &other.returns);
        let inputs = [&self.sum, &other.sum, &other.scale, &self.sum_of_products];
        map(inputs, out, |[x, y, other, xy]| covariance(x, y, xy) * other);
    }
}

/// 1/50.
const SHARE: f64 = 1.0 / 50.0;

/// Sum of squared distances from the mean; NaN where they are all rounding error.
#[inline(always)]
fn spread(sum: f64, squares: f64) -> f64 {
    let spread = squares - sum * sum * SHARE;
    if spread > 1e-13 * squares { spread } else { f64::NAN }
}

/// Sum of the products of the distances from the means.
#[inline(always)]
fn covariance(x: f64, y: f64, xy: f64) -> f64 {
    xy - x * y * SHARE
}
