//! The price model of the simulated market.
//!
//! A coin's log return in a bar is β·factor + its own noise + the planted edge. Factor and noise are normal draws.
//! Their scale is the product of a mean-reverting log volatility, a regime's multiplier (factor only) and a
//! heavy-tailed mixture.
//!
//! Each bar is drawn in sub-steps. Its high and low are the extremes that the price reaches between the sub-steps
//! too, so that a stop is filled at a price that was traded. With only the extremes of the sub-steps, every stop
//! would be filled short of the price's jump, and random trades would earn about 5 bps each.
//!
//! Every timeframe has its own path.

use super::EPOCH_MS;
use super::coins::Coin;
use crate::arith::{draw, exp, ln, uniform};
use crate::bars::{Candles, DAY_MS, HOUR_MS, Timeframe};

/// Sub-steps per bar.
const STEPS: usize = 4;
/// Standard deviation of the factor's hourly return in a regime with multiplier 1.
const FACTOR_SIGMA: f64 = 0.0045;
/// Stream of random draws for the factor.
const FACTOR_STREAM: u64 = 1;
/// Changes a coin's stream to that of its extremes, which were added without changing any other draw.
const BETWEEN: u64 = 1 << 40;
/// Least and greatest price, within the range that f64 and readers handle well.
const PRICES: (f64, f64) = (1e-9, 1e9);

/// Drift per day, volatility multiplier, and mean length in hours.
struct Regime {
    drift: f64,
    volatility: f64,
    hours: f64,
}

/// Bull, bear, range and panic.
const REGIMES: [Regime; 4] = [
    Regime { drift: 0.0025, volatility: 1.0, hours: 480.0 },
    Regime { drift: -0.0025, volatility: 1.2, hours: 360.0 },
    Regime { drift: 0.0, volatility: 0.7, hours: 300.0 },
    Regime { drift: -0.02, volatility: 2.5, hours: 36.0 },
];
/// Probability of each next regime when one ends; one row per ending regime.
const NEXT: [[f64; 4]; 4] =
    [[0.0, 0.35, 0.55, 0.10], [0.25, 0.0, 0.50, 0.25], [0.50, 0.42, 0.0, 0.08], [0.25, 0.25, 0.50, 0.0]];

/// The draws of one bar. They are numbered by bar, so the number of draws that one bar needs does not shift another
/// bar's.
struct Draws {
    seed: u64,
    stream: u64,
    next: u64,
    spare: Option<f64>,
}

impl Draws {
    fn new(seed: u64, stream: u64, bar: u64) -> Self {
        Self { seed, stream, next: bar << 16, spare: None }
    }

    fn uniform(&mut self) -> f64 {
        self.next += 1;
        uniform(draw(self.seed, self.stream, self.next))
    }

    /// A standard normal deviate by Marsaglia's polar method. It needs only a logarithm and a square root, which give
    /// the same bits everywhere.
    fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (u, v) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                let scale = (-2.0 * ln(s) / s).sqrt();
                self.spare = Some(v * scale);
                return u * scale;
            }
        }
    }

    /// Scale of a bar's noise: usually small, rarely large, mean square 1. This gives returns their fat tails.
    fn tail(&mut self) -> f64 {
        match self.uniform() {
            u if u < 0.90 => 0.849,
            u if u < 0.99 => 1.6,
            _ => 3.5,
        }
    }
}

/// A mean-reverting log volatility: x ← φx + noise.
struct LogVolatility {
    x: f64,
    keep: f64,
    noise: f64,
    /// The long-run variance of x, subtracted so that eˣ has mean square 1.
    variance: f64,
}

impl LogVolatility {
    /// For bars of `hours`: φ decays over `memory_hours`, and x has long-run standard deviation `deviation`.
    fn new(hours: f64, memory_hours: f64, deviation: f64) -> Self {
        let keep = exp(-hours / memory_hours);
        Self { x: 0.0, keep, noise: deviation * (1.0 - keep * keep).sqrt(), variance: deviation * deviation }
    }

    fn next(&mut self, normal: f64) -> f64 {
        self.x = self.keep * self.x + self.noise * normal;
        exp(self.x - self.variance)
    }
}

/// The common factor, bar by bar from the epoch.
#[derive(Debug)]
pub(super) struct Factor {
    /// Log returns of the sub-steps.
    steps: Vec<[f64; STEPS]>,
    /// The factor's volatility in each bar, about 1 in the long run. Volume grows with it.
    scale: Vec<f64>,
    /// Variance of each sub-step of a bar.
    variance: Vec<f64>,
}

impl Factor {
    pub fn new(seed: u64, timeframe: Timeframe, now_ms: i64) -> Self {
        let bars = usize::try_from((now_ms - EPOCH_MS) / timeframe.ms()).unwrap_or(0);
        let hours = timeframe.ms() as f64 / HOUR_MS as f64;
        let sub_sigma = FACTOR_SIGMA * (hours / STEPS as f64).sqrt();
        let mut volatility = LogVolatility::new(hours, 96.0, 0.40);
        let mut regime = 2;
        let mut factor = Self {
            steps: Vec::with_capacity(bars),
            scale: Vec::with_capacity(bars),
            variance: Vec::with_capacity(bars),
        };
        for bar in 0..bars {
            let mut draws = Draws::new(seed, FACTOR_STREAM, bar as u64);
            regime = next_regime(regime, hours, draws.uniform(), draws.uniform());
            let Regime { drift, volatility: multiplier, .. } = REGIMES[regime];
            let scale = multiplier * volatility.next(draws.normal());
            let size = sub_sigma * scale * draws.tail();
            let drift = drift * hours / 24.0 / STEPS as f64;
            factor.steps.push(std::array::from_fn(|_| drift + size * draws.normal()));
            factor.scale.push(scale);
            factor.variance.push(size * size);
        }
        factor
    }
}

fn next_regime(regime: usize, hours: f64, leave: f64, choice: f64) -> usize {
    if leave >= 1.0 - exp(-hours / REGIMES[regime].hours) {
        return regime;
    }
    let mut reached = 0.0;
    let found = NEXT[regime].iter().position(|chance| {
        reached += chance;
        choice < reached
    });
    found.unwrap_or(regime)
}

/// Parameters of the market.
#[derive(Clone, Copy)]
pub(super) struct World {
    pub seed: u64,
    pub edge: f64,
    pub timeframe: Timeframe,
}

/// The bars of `coin` in `[from_ms, to_ms)`. All bars since the listing are drawn, but only the requested ones are
/// returned.
pub(super) fn candles(world: World, coin: &Coin, factor: &Factor, from_ms: i64, to_ms: i64) -> Candles {
    let step_ms = world.timeframe.ms();
    let hours = step_ms as f64 / HOUR_MS as f64;
    let to_ms = to_ms.min(coin.delisted_ms.unwrap_or(i64::MAX));
    let first = usize::try_from((coin.listed_ms - EPOCH_MS) / step_ms).unwrap_or(0);
    let sub_sigma = coin.sigma * (hours / STEPS as f64).sqrt();
    // The usual size of the whole bar's return, factor included.
    let factor_part = coin.beta * FACTOR_SIGMA;
    let bar_sigma = (factor_part * factor_part + coin.sigma * coin.sigma).sqrt() * hours.sqrt();
    let mut volatility = LogVolatility::new(hours, 60.0, 0.50);
    let mut turnover = LogVolatility::new(hours, 60.0, 0.40);
    let mut memory = Memory::default();
    let mut price = coin.first_price;
    let mut out = Candles::default();
    let bars = factor.steps.iter().zip(&factor.scale).zip(&factor.variance);
    for (bar, ((factor_steps, factor_scale), factor_variance)) in bars.enumerate().skip(first) {
        let time = EPOCH_MS + bar as i64 * step_ms;
        if time + step_ms > to_ms {
            break;
        }
        let mut draws = Draws::new(world.seed, coin.stream, bar as u64);
        let size = sub_sigma * volatility.next(draws.normal()) * draws.tail();
        let planted = world.edge * 0.35 * memory.signal() * bar_sigma / STEPS as f64;
        let open = price;
        let (mut high, mut low, mut total) = (open, open, 0.0);
        let variance = coin.beta * coin.beta * factor_variance + size * size;
        let mut between = Draws::new(world.seed, coin.stream ^ BETWEEN, bar as u64);
        for factor_step in factor_steps {
            let step = coin.beta * factor_step + size * draws.normal() + planted;
            total += step;
            let [up, down] = extremes(step, variance, between.uniform(), between.uniform());
            let reached = |log: f64| (price * exp(log)).clamp(PRICES.0, PRICES.1);
            (high, low) = (high.max(reached(up)), low.min(reached(down)));
            price = reached(step);
            high = high.max(price);
            low = low.min(price);
        }
        memory.add(total / bar_sigma);
        let busy = 0.55 + 0.45 * (total.abs() / bar_sigma).min(8.0);
        let noise = turnover.next(draws.normal()) * exp(0.35 * draws.normal());
        let value = coin.daily_value * hours / 24.0 * season(time, step_ms) * busy * noise * factor_scale.sqrt();
        if time >= from_ms {
            out.push(time, [open, high, low, price], value / price);
        }
    }
    out
}

/// Highest and lowest point, relative to the start, of a Brownian path that ends at `step` after `variance`. Each is
/// drawn from its exact distribution, P(max > m) = exp(−2m(m − step)/variance), from the uniform draws `high` and
/// `low`.
fn extremes(step: f64, variance: f64, high: f64, low: f64) -> [f64; 2] {
    let reach = |uniform: f64| (step * step - 2.0 * variance * ln(1.0 - uniform)).sqrt();
    [(step + reach(high)) / 2.0, (step - reach(low)) / 2.0]
}

/// Turnover by time of day: greatest at 15:00 UTC, least twelve hours later; lower on weekends.
fn season(time_ms: i64, step_ms: i64) -> f64 {
    let days = time_ms.div_euclid(DAY_MS);
    let weekend = if matches!((days + 3).rem_euclid(7), 5 | 6) { 0.7 } else { 1.1 };
    if step_ms >= DAY_MS {
        return weekend;
    }
    let middle = (time_ms + step_ms / 2).rem_euclid(DAY_MS) as f64 / HOUR_MS as f64;
    let away = (middle - 15.0).abs();
    weekend * (1.45 - 0.075 * away.min(24.0 - away))
}

/// Inputs of the planted edge: the last returns, and whether volatility is rising. Both are visible in the candles.
#[derive(Default)]
struct Memory {
    /// Returns of the last three bars in units of their usual size, newest first.
    last: [f64; 3],
    fast: f64,
    slow: f64,
}

impl Memory {
    fn add(&mut self, scaled_return: f64) {
        self.last = [scaled_return, self.last[0], self.last[1]];
        let square = scaled_return * scaled_return;
        self.fast += (square - self.fast) / 10.0;
        self.slow += (square - self.slow) / 100.0;
    }

    /// From −1 to 1: the last move continues while volatility is above its average, and reverses while it is below.
    fn signal(&self) -> f64 {
        let last_move = (self.last.iter().sum::<f64>() / 1.75).clamp(-1.0, 1.0);
        if self.fast > self.slow { last_move } else { -last_move }
    }
}
