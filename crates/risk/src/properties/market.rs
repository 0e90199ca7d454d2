//! Random markets: prices, signals and limits.

use proptest::prelude::*;

use crate::{BreakerLimits, Limits, Offer};
use huracan_bars::{Candles, HOUR_MS, Panel, Timeframe};
use huracan_base::arith::{draw, uniform};
use huracan_shadow::{self, Rules, Signals, Trade};

#[derive(Debug, Clone)]
pub struct RandomMarket {
    seed: u64,
    pub symbols: usize,
    pub bars: usize,
    /// Share of bars that open with a gap.
    gaps: f64,
    /// Share of bars with a signal.
    signals: f64,
    /// Range of the stop distances, basis points, drawn on a logarithmic scale.
    stops: (f64, f64),
    pub limits: Limits,
    /// Number of decisions after which the kill switch is on.
    pub kill_after: usize,
}

pub fn random_market(
    symbols: std::ops::Range<usize>,
    bars: std::ops::Range<usize>,
) -> impl Strategy<Value = RandomMarket> {
    let market = (any::<u64>(), symbols, bars, 0.0..0.3_f64, 0.02..0.9_f64);
    let equity = prop_oneof![0.5..5.0_f64, 100.0..1e5_f64, 1e9..1e12_f64];
    let caps = (equity, 1e-4..0.1_f64, 0.05..4.0_f64, 0.01..1.0_f64, 0.005..0.3_f64, 0.05..4.0_f64);
    let breakers = (0.002..0.2_f64, 0.002..0.2_f64, 1..5_u32, 0.01..1.0_f64, 1..4_u32, 0.5..1.0_f64, 0.0..1.0_f64);
    let stops = prop_oneof![Just((0.01, 10.0)), Just((1.0, 9000.0)), Just((50.0, 300.0))];
    let recent = (1..5_u32, 0.002..0.3_f64);
    (market, caps, (breakers, recent), stops, prop_oneof![3 => Just(usize::MAX), 1 => 0..200_usize]).prop_map(
        |((seed, symbols, bars, gaps, signals), caps, (b, recent), stops, kill_after)| RandomMarket {
            seed,
            symbols,
            bars,
            gaps,
            signals,
            stops,
            kill_after,
            limits: Limits {
                start_equity: caps.0,
                per_trade: caps.1,
                max_leverage: caps.2,
                max_coin_share: caps.3,
                max_open_risk: caps.4,
                max_beta_exposure: caps.5,
                breakers: Some(BreakerLimits {
                    daily_stop: b.0,
                    drawdown_stop: b.1,
                    drawdown_days: recent.0,
                    drawdown_limit: recent.1,
                    streak_losses: b.2,
                    streak_factor: b.3,
                    streak_wins: b.4,
                    volatility_percentile: b.5,
                    volatility_days: 1,
                    defence_factor: b.6,
                }),
            },
        },
    )
}

impl RandomMarket {
    pub fn draw(&self, stream: u64, symbol: usize, bar: usize) -> f64 {
        uniform(draw(self.seed, stream, (symbol * 100_000 + bar) as u64))
    }

    pub fn panel(&self) -> Panel {
        let candles = |symbol: usize| {
            let mut candles = Candles::default();
            let mut close = 1.0 + 1000.0 * self.draw(1, symbol, 0);
            for bar in 0..self.bars {
                let mut open: f64 = close;
                if self.draw(2, symbol, bar) < self.gaps {
                    // Down to a tenth, or tenfold.
                    open *= if self.draw(3, symbol, bar) < 0.5 { 0.1 } else { 10.0 };
                    open = open.clamp(1e-6, 1e9);
                }
                close = open * (0.9 + 0.2 * self.draw(4, symbol, bar));
                let high = open.max(close) * (1.0 + 0.05 * self.draw(5, symbol, bar));
                let low = open.min(close) * (1.0 - 0.05 * self.draw(6, symbol, bar));
                candles.push(bar as i64 * HOUR_MS, [open, high, low, close], 1e6);
            }
            // Each pair of symbols is one coin.
            (format!("{:04}-{}", symbol / 2, symbol % 2), candles)
        };
        Panel::new((0..self.symbols).map(candles).collect(), Timeframe::H1, 1, false).unwrap()
    }

    /// Trades of all signals, with edges and betas, and the shadow trades among them.
    pub fn trades(&self, panel: &Panel) -> (Vec<Offer>, Vec<Trade>) {
        let mut signals = Signals::none(self.symbols, self.bars);
        for symbol in 0..self.symbols {
            for bar in 0..self.bars {
                if self.draw(7, symbol, bar) < self.signals {
                    let cell = symbol * self.bars + bar;
                    signals.side[cell] = if self.draw(8, symbol, bar) < 0.5 { -1 } else { 1 };
                    let (low, high) = self.stops;
                    signals.stop_bps[cell] =
                        low * huracan_base::arith::exp(huracan_base::arith::ln(high / low) * self.draw(9, symbol, bar));
                    signals.take_bps[cell] = signals.stop_bps[cell] * (0.2 + 2.0 * self.draw(10, symbol, bar));
                }
            }
        }
        let rules = Rules {
            stop_atr: 1.0,
            take_atr: 1.0,
            max_hold: 6,
            fee_bps: 4.0,
            spread_bps: 2.0,
            funding_bps_per_bar: 0.1,
            shorts: true,
            ..Rules::default()
        };
        let windows: Vec<_> = (0..self.symbols).map(|_| vec![0..self.bars / 2, self.bars / 2..self.bars]).collect();
        let atr = vec![f64::NAN; self.symbols * self.bars];
        let offer = |trade: Trade| {
            let random = |stream| self.draw(stream, trade.symbol, trade.signal_bar);
            let some = |share: f64, value: f64| if share < 0.1 { f64::NAN } else { value };
            Offer {
                trade,
                edge_bps: some(random(12), 100.0 * random(13)),
                beta: some(random(14), 4.0 * random(15) - 1.0),
            }
        };
        let every = huracan_shadow::every_signal(panel, &signals, &atr, &windows, &rules);
        let shadow = huracan_shadow::simulate(panel, &signals, &atr, &windows, &rules);
        (every.into_iter().map(offer).collect(), shadow)
    }
}
