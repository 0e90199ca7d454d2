//! What every feature should be: TA-Lib where it defines one, else the contract's formula, written out bar by bar.

mod plain;
mod talib;

use std::ops::Range;

use huracan::bars::Panel;

/// Bars of one symbol, and what it is held against.
pub struct References<'a> {
    panel: &'a Panel,
    market: &'a Market,
    range: Range<usize>,
    open: &'a [f64],
    high: &'a [f64],
    low: &'a [f64],
    close: &'a [f64],
    volume: &'a [f64],
}

/// Returns that all symbols are held against, on the panel's grid; NaN where there is none.
pub struct Market {
    btc: Vec<f64>,
    eth: Vec<f64>,
    mean: Vec<f64>,
}

impl Market {
    pub fn new(panel: &Panel) -> Self {
        let returns: Vec<Vec<f64>> = (0..panel.symbols.len())
            .map(|symbol| {
                let close = panel.row(&panel.close, symbol);
                // Outside a symbol's range prices are NaN, and so is any return that would need one.
                (0..panel.bars).map(|t| if t == 0 { f64::NAN } else { close[t] / close[t - 1] - 1.0 }).collect()
            })
            .collect();
        let mean = (0..panel.bars)
            .map(|t| {
                let there: Vec<f64> = returns.iter().map(|r| r[t]).filter(|r| !r.is_nan()).collect();
                there.iter().sum::<f64>() / there.len() as f64
            })
            .collect();
        let of = |symbol: &str| returns[panel.symbol(symbol).expect("the shared candles have it")].clone();
        Self { btc: of("BTC-USDT"), eth: of("ETH-USDT"), mean }
    }
}

impl<'a> References<'a> {
    pub fn new(panel: &'a Panel, market: &'a Market, symbol: usize) -> Self {
        let range = panel.ranges[symbol].clone();
        let own = |column: &'a [f64]| &panel.row(column, symbol)[range.clone()];
        Self {
            panel,
            market,
            open: own(&panel.open),
            high: own(&panel.high),
            low: own(&panel.low),
            close: own(&panel.close),
            volume: own(&panel.volume),
            range,
        }
    }

    /// The reference of a feature, one value a bar of the symbol, NaN where it has none; None for an unknown name.
    pub fn of(&self, name: &str) -> Option<Vec<f64>> {
        self.talib(name).or_else(|| self.plain(name))
    }

    fn bars(&self) -> usize {
        self.close.len()
    }

    /// `value(t)` for every bar t ≥ `from`, NaN before.
    fn each(&self, from: usize, value: impl Fn(usize) -> f64) -> Vec<f64> {
        (0..self.bars()).map(|t| if t < from { f64::NAN } else { value(t) }).collect()
    }

    /// A reference that another is made of; both names stand in this folder.
    fn get(&self, name: &str) -> Vec<f64> {
        self.of(name).unwrap_or_else(|| panic!("{name} has no reference"))
    }
}

/// The last `n` entries up to and with t.
fn window(x: &[f64], t: usize, n: usize) -> &[f64] {
    &x[t + 1 - n..=t]
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// Σ (x − mean x)(y − mean y).
fn co_moment(x: &[f64], y: &[f64]) -> f64 {
    let (mx, my) = (mean(x), mean(y));
    x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum()
}

/// Sample standard deviation (n − 1).
fn deviation(x: &[f64]) -> f64 {
    (co_moment(x, x) / (x.len() as f64 - 1.0)).sqrt()
}
