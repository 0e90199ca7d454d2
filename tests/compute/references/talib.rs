//! Features that TA-Lib defines.

use ta_lib::{Core, MAType, OutRange, RetCode};

use super::References;

impl References<'_> {
    /// TA-Lib's own value of a feature, NaN before its lookback; None for a feature that it does not define.
    pub fn talib(&self, name: &str) -> Option<Vec<f64>> {
        let core = Core::new();
        let n = self.bars();
        let last = n - 1;
        let (mut a, mut b, mut c) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
        let out = match name {
            "sma_5" | "sma_10" | "sma_20" | "sma_50" => core.sma(0, last, self.close, period(name), &mut a),
            "volume_sma_20" => core.sma(0, last, self.volume, 20, &mut a),
            "ema_5" | "ema_10" | "ema_20" => core.ema(0, last, self.close, period(name), &mut a),
            "atr_14" => core.atr(0, last, self.high, self.low, self.close, 14, &mut a),
            "adx_14" => core.adx(0, last, self.high, self.low, self.close, 14, &mut a),
            "rsi_14" => core.rsi(0, last, self.close, 14, &mut a),
            "on_balance_volume" => core.obv(0, last, self.close, self.volume, &mut a),
            "bb_upper" | "bb_middle" | "bb_lower" => {
                core.bbands(0, last, self.close, 20, 2.0, 2.0, MAType::SMA, &mut a, &mut b, &mut c)
            }
            "macd" | "macd_signal" | "macd_histogram" => {
                core.macd(0, last, self.close, 12, 26, 9, &mut a, &mut b, &mut c)
            }
            "stoch_k" | "stoch_d" => {
                let (high, low, sma) = (self.high, self.low, MAType::SMA);
                core.stoch(0, last, high, low, self.close, 14, 3, sma, 3, sma, &mut a, &mut b)
            }
            _ => return None,
        };
        let values = match name {
            "bb_middle" | "macd_signal" | "stoch_d" => b,
            "bb_lower" | "macd_histogram" => c,
            _ => a,
        };
        Some(placed(values, out, n))
    }
}

/// The number at the end of a name.
fn period(name: &str) -> i32 {
    name.rsplit('_').next().and_then(|digits| digits.parse().ok()).expect("only called for names that end in one")
}

/// TA-Lib's values at the bars that they belong to.
fn placed(values: Vec<f64>, out: Result<OutRange, RetCode>, bars: usize) -> Vec<f64> {
    let out = out.expect("the candles are valid");
    let mut placed = vec![f64::NAN; bars];
    placed[out.beg_idx.min(bars)..][..out.count].copy_from_slice(&values[..out.count]);
    placed
}
