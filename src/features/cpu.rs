//! The catalogue on the CPU: symbols in parallel, each series by series, then laid out by rows.

use rayon::prelude::*;

use super::catalogue::{CATALOGUE, COUNT, columns as c};
use super::shared::Shared;
use super::tile::Tile;
use super::{Features, indicators, memory, windows};
use crate::arith;
use crate::market::Panel;

/// Values of `volatility_20` that its regime is judged among, and the fewest that suffice.
const REGIME_WINDOW: usize = 250;
const REGIME_LEAST: usize = 50;

/// Computes every feature of every symbol and bar.
pub fn compute(panel: &Panel) -> Features {
    let mut features =
        Features { symbols: 0, bars: 0, values: memory::zeros(panel.symbols.len() * panel.bars * COUNT) };
    compute_into(panel, &mut features);
    features
}

/// [`compute`] into the memory of earlier features, which saves asking for new memory.
pub fn compute_into(panel: &Panel, features: &mut Features) {
    let (symbols, bars) = (panel.symbols.len(), panel.bars);
    let shared = Shared::new(panel);
    let fill = ways()[0];
    (features.symbols, features.bars) = (symbols, bars);
    features.values.resize(symbols * bars * COUNT, 0.0);
    features.values.par_chunks_mut((bars * COUNT).max(1)).enumerate().for_each(|(symbol, out)| {
        let range = panel.ranges[symbol].clone();
        out[..range.start * COUNT].fill(f32::NAN);
        out[range.end * COUNT..].fill(f32::NAN);
        fill(panel, symbol, &shared, &mut out[range.start * COUNT..range.end * COUNT]);
    });
}

/// ATR(14) of every symbol and bar in f64, `[symbols × bars]`: the unit of the barriers. NaN in the warm-up.
pub fn atr_14(panel: &Panel) -> Vec<f64> {
    let mut out = vec![f64::NAN; panel.symbols.len() * panel.bars];
    out.par_chunks_mut(panel.bars.max(1)).enumerate().for_each(|(symbol, out)| {
        let range = panel.ranges[symbol].clone();
        let own = |column| &panel.row(column, symbol)[range.clone()];
        let atr = indicators::atr(&indicators::true_range(own(&panel.high), own(&panel.low), own(&panel.close)));
        let warm_up = CATALOGUE[c::ATR_14].warm_up.min(range.len());
        out[range.start + warm_up..range.end].copy_from_slice(&atr[warm_up..]);
    });
    out
}

/// Writes one symbol's rows, `[bars × features]`.
type Fill = fn(&Panel, usize, &Shared, &mut [f32]);

/// Every way of [`fill`] that this machine can go, the fastest first: lanes do not change a bit, since nothing is fused.
fn ways() -> Vec<Fill> {
    let mut ways: Vec<Fill> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        use super::tile::lay_out_avx2;

        #[target_feature(enable = "avx2,avx512f,avx512vl,avx512dq,avx512bw")]
        fn avx512(panel: &Panel, symbol: usize, shared: &Shared, rows: &mut [f32]) {
            fill(panel, symbol, shared, rows, |tile, rows| lay_out_avx2(tile, rows));
        }
        #[target_feature(enable = "avx2")]
        fn avx2(panel: &Panel, symbol: usize, shared: &Shared, rows: &mut [f32]) {
            fill(panel, symbol, shared, rows, |tile, rows| lay_out_avx2(tile, rows));
        }
        let has_avx2 = is_x86_feature_detected!("avx2");
        let has_avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw");
        if has_avx2 && has_avx512 {
            // SAFETY: the processor has just been found to have all of them.
            ways.push(|panel, symbol, shared, rows| unsafe { avx512(panel, symbol, shared, rows) });
        }
        if has_avx2 {
            // SAFETY: the processor has just been found to have AVX2.
            ways.push(|panel, symbol, shared, rows| unsafe { avx2(panel, symbol, shared, rows) });
        }
    }
    ways.push(|panel, symbol, shared, rows| fill(panel, symbol, shared, rows, super::tile::lay_out));
    ways
}

/// Writes one symbol's rows, `[bars × features]`.
#[inline(always)]
fn fill(panel: &Panel, symbol: usize, shared: &Shared, rows: &mut [f32], lay_out: impl Fn(&Tile, &mut [f32])) {
    let range = panel.ranges[symbol].clone();
    let n = range.len();
    let own = |column| &panel.row(column, symbol)[range.clone()];
    let (open, high, low, close, volume) =
        (own(&panel.open), own(&panel.high), own(&panel.low), own(&panel.close), own(&panel.volume));

    let ret_1 = &shared.returns.of(symbol)[range.clone()];
    // The first bar has no return; series of returns begin with the second.
    let rets = &ret_1[1.min(n)..];
    let mut log_ret_1 = vec![0.0; rets.len()];
    for ((slot, now), before) in log_ret_1.iter_mut().zip(&close[1.min(n)..]).zip(close) {
        *slot = arith::ln(now / before);
    }
    let mut log_close = vec![0.0; n];
    for (slot, price) in log_close.iter_mut().zip(close) {
        *slot = arith::ln(*price);
    }

    let [sma_20, volume_sma] = windows::means([close, volume], 20);
    let [sma_5] = windows::means([close], 5);
    let [sma_10] = windows::means([close], 10);
    let [sma_50] = windows::means([close], 50);
    let [log_mean_5] = windows::means([&log_ret_1], 5);
    let [log_mean_20, ret_mean] = windows::means([&log_ret_1, rets], 20);
    let mut volatility_5 = windows::squared_distances(&log_ret_1, &log_mean_5, 5);
    let mut volatility_20 = windows::squared_distances(&log_ret_1, &log_mean_20, 20);
    volatility_5.iter_mut().for_each(|s| *s = (*s / 4.0).sqrt());
    volatility_20.iter_mut().for_each(|s| *s = (*s / 19.0).sqrt());
    let ret_squares = windows::squared_distances(rets, &ret_mean, 20);
    let mut band = windows::squared_distances(close, &sma_20, 20);
    band.iter_mut().for_each(|s| *s = 2.0 * (*s / 20.0).sqrt());

    let true_range = indicators::true_range(high, low, close);
    let [gains, losses] = indicators::gains_and_losses(close);
    let [plus, minus] = indicators::movements(high, low);
    let averages = indicators::averages(close, [&true_range, &gains, &losses, &plus, &minus]);
    let [ema_5, ema_10, ema_20, fast, slow] = &averages.close;
    let [atr, gain, loss] = &averages.wilder;
    let mut rsi = vec![0.0; n];
    for ((slot, gain), loss) in rsi.iter_mut().zip(gain).zip(loss) {
        *slot = indicators::rsi(*gain, *loss);
    }
    let mut macd = vec![0.0; n];
    for ((slot, fast), slow) in macd.iter_mut().zip(fast).zip(slow) {
        *slot = fast - slow;
    }
    let dx = indicators::directional(&averages.running);
    // What each bar adds to the price-volume trend; nothing at bar 0.
    let mut flow = vec![0.0; n];
    for ((slot, volume), ret) in flow.iter_mut().zip(volume).zip(ret_1).skip(1) {
        *slot = volume * ret;
    }
    let flows = [&flow, &indicators::signed_volume(close, volume)[..]];
    let (signal, adx, [trend, balance]) = indicators::signal_adx_and_sums(&macd, &dx, flows);

    let fast_k = indicators::fast_k(close, &windows::extremes::<false>(low, 14), &windows::extremes::<true>(high, 14));
    let [slow_k] = windows::means([&fast_k[13.min(n)..]], 3);
    let [slow_d] = windows::means([&slow_k[2.min(slow_k.len())..]], 3);

    let mut volume_ratio = vec![0.0; n];
    for ((slot, &volume), &mean) in volume_ratio.iter_mut().zip(volume).zip(&volume_sma) {
        let ratio = volume / mean;
        *slot = if mean == 0.0 { 0.0 } else { ratio };
    }

    let against = shared.returns.against(symbol);
    let [btc, eth, beta] = against.each_ref().map(|series| &series[range.clone()]);
    let trend_strength = windows::r_squared(&log_close, 20);
    // volatility_20 has its first value at bar 20, entry 19 of the series of returns.
    let regime = windows::thirds(&volatility_20[19.min(volatility_20.len())..], REGIME_WINDOW, REGIME_LEAST);

    let (least, greatest) = (windows::extremes::<false>(rets, 20), windows::extremes::<true>(rets, 20));
    let (lowest, highest) = (windows::extremes::<false>(low, 50), windows::extremes::<true>(high, 50));
    let [hour, day, weekend] = shared.calendar.each_ref().map(|series| &series[range.clone()]);

    let mut tile = Tile::new();
    for from in (0..n).step_by(Tile::BARS) {
        tile.begin(from..(from + Tile::BARS).min(n));
        let out = &mut tile;
        // (series, k) is the series k bars ago; series that begin k bars late are shifted alike.
        out.put(c::RET_1, [(ret_1, 0)], |[v]| v);
        out.put(c::RET_5, [(close, 0), (close, 5)], |[now, past]| now / past - 1.0);
        out.put(c::RET_20, [(close, 0), (close, 20)], |[now, past]| now / past - 1.0);
        out.put(c::LOG_RET_1, [(&log_ret_1, 1)], |[v]| v);
        out.put(c::LOG_RET_5, [(close, 0), (close, 5)], |[now, past]| arith::ln(now / past));
        out.put(c::PRICE_CHANGE, [(close, 0), (close, 1)], |[now, past]| now - past);
        out.put(c::HIGH_LOW_RATIO, [(high, 0), (low, 0)], |[high, low]| high / low);
        out.put(c::CLOSE_OPEN_RATIO, [(close, 0), (open, 0)], |[close, open]| close / open);

        out.put(c::SMA_5, [(&sma_5, 0)], |[v]| v);
        out.put(c::SMA_10, [(&sma_10, 0)], |[v]| v);
        out.put(c::SMA_20, [(&sma_20, 0)], |[v]| v);
        out.put(c::SMA_50, [(&sma_50, 0)], |[v]| v);
        out.put(c::EMA_5, [(ema_5, 0)], |[v]| v);
        out.put(c::EMA_10, [(ema_10, 0)], |[v]| v);
        out.put(c::EMA_20, [(ema_20, 0)], |[v]| v);
        out.put(c::PRICE_VS_SMA_20, [(close, 0), (&sma_20, 0)], |[close, mean]| close / mean - 1.0);

        out.put(c::VOLATILITY_5, [(&volatility_5, 1)], |[v]| v);
        out.put(c::VOLATILITY_20, [(&volatility_20, 1)], |[v]| v);
        out.put(c::ATR_14, [(atr, 0)], |[v]| v);
        out.put(c::BB_UPPER, [(&sma_20, 0), (&band, 0)], |[mean, band]| mean + band);
        out.put(c::BB_LOWER, [(&sma_20, 0), (&band, 0)], |[mean, band]| mean - band);
        out.put(c::BB_WIDTH, [(&sma_20, 0), (&band, 0)], |[mean, band]| ((mean + band) - (mean - band)) / mean);
        out.put(c::PRICE_VS_BB, [(close, 0), (&sma_20, 0), (&band, 0)], |[close, mean, band]| {
            let (upper, lower) = (mean + band, mean - band);
            let place = (close - lower) / (upper - lower);
            if upper == lower { 0.5 } else { place }
        });

        out.put(c::RSI_14, [(&rsi, 0)], |[v]| v);
        out.put(c::RSI_14_LAG_1, [(&rsi, 1)], |[v]| v);
        out.put(c::RSI_14_LAG_3, [(&rsi, 3)], |[v]| v);
        out.put(c::MACD, [(&macd, 0)], |[v]| v);
        out.put(c::MACD_SIGNAL, [(&signal, 0)], |[v]| v);
        out.put(c::MACD_HISTOGRAM, [(&macd, 0), (&signal, 0)], |[macd, signal]| macd - signal);
        out.put(c::MACD_HISTOGRAM_LAG_1, [(&macd, 1), (&signal, 1)], |[macd, signal]| macd - signal);
        out.put(c::MACD_HISTOGRAM_LAG_3, [(&macd, 3), (&signal, 3)], |[macd, signal]| macd - signal);
        out.put(c::STOCH_K, [(&slow_k, 13)], |[v]| v);
        out.put(c::STOCH_D, [(&slow_d, 15)], |[v]| v);
        out.put(c::ADX_14, [(&adx, 0)], |[v]| v);

        out.put(c::VOLUME_SMA_20, [(&volume_sma, 0)], |[v]| v);
        out.put(c::VOLUME_RATIO, [(&volume_ratio, 0)], |[v]| v);
        out.put(c::VOLUME_RATIO_LAG_1, [(&volume_ratio, 1)], |[v]| v);
        out.put(c::PRICE_VOLUME_TREND, [(&trend, 0)], |[v]| v);
        out.put(c::ON_BALANCE_VOLUME, [(&balance, 0)], |[v]| v);

        out.put(c::BTC_CORRELATION, [(btc, 0)], |[v]| v);
        out.put(c::ETH_CORRELATION, [(eth, 0)], |[v]| v);
        out.put(c::MARKET_BETA, [(beta, 0)], |[v]| v);

        out.put(c::TREND_STRENGTH, [(&trend_strength, 0)], |[v]| v);
        out.put(c::VOLATILITY_REGIME, [(&regime, 20)], |[v]| v);
        let inputs =
            [(&volume_ratio[..], 0), (&regime, 20), (close, 0), (close, 5), (&volatility_20, 1), (&trend_strength, 0)];
        out.put(c::MARKET_REGIME, inputs, |[volume_ratio, regime, close, past, volatility, trend]| {
            let panic = (regime == 2.0) & (close / past - 1.0 < -3.0 * volatility);
            let calm = if trend >= 0.6 { 0.0 } else { 1.0 };
            let liquid = if panic { 2.0 } else { calm };
            if volume_ratio < 0.1 { 3.0 } else { liquid }
        });

        out.put(c::HOUR_OF_DAY, [(hour, 0)], |[v]| v);
        out.put(c::DAY_OF_WEEK, [(day, 0)], |[v]| v);
        out.put(c::IS_WEEKEND, [(weekend, 0)], |[v]| v);

        out.put(c::RSI_X_VOLATILITY, [(&rsi, 0), (&volatility_20, 1)], |[a, b]| a * b);
        out.put(c::MACD_X_VOLUME, [(&macd, 0), (&signal, 0), (&volume_ratio, 0)], |[m, s, v]| (m - s) * v);
        out.put(c::TREND_X_MOMENTUM, [(&trend_strength, 0), (close, 0), (close, 20)], |[trend, now, past]| {
            trend * (now / past - 1.0)
        });
        out.put(c::RANGE_X_VOLUME, [(high, 0), (low, 0), (&volume_ratio, 0)], |[high, low, v]| (high / low - 1.0) * v);

        out.put(c::RET_1_LAG_1, [(ret_1, 1)], |[v]| v);
        out.put(c::RET_1_LAG_2, [(ret_1, 2)], |[v]| v);
        out.put(c::RET_1_LAG_3, [(ret_1, 3)], |[v]| v);
        out.put(c::RET_1_LAG_5, [(ret_1, 5)], |[v]| v);
        out.put(c::RET_1_MIN_20, [(&least, 1)], |[v]| v);
        out.put(c::RET_1_MAX_20, [(&greatest, 1)], |[v]| v);
        out.put(c::RET_1_MEAN_20, [(&ret_mean, 1)], |[v]| v);
        out.put(c::RET_1_STD_20, [(&ret_squares, 1)], |[v]| (v / 19.0).sqrt());
        out.put(c::CLOSE_VS_MIN_50, [(close, 0), (&lowest, 0)], |[close, low]| close / low - 1.0);
        out.put(c::CLOSE_VS_MAX_50, [(close, 0), (&highest, 0)], |[close, high]| close / high - 1.0);
        lay_out(&tile, &mut rows[from * COUNT..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arith::{draw, uniform};
    use crate::market::{Candles, Timeframe};

    #[test]
    fn wide_vectors_and_plain_ones_give_the_same_bits() {
        let walk = |seed: u64, bars: u64| {
            let mut candles = Candles::default();
            let mut close = 100.0;
            for i in 0..bars {
                let noise = |k: u64| uniform(draw(seed, k, i));
                let open = close;
                // Some bars stand still, and some are not traded.
                close = if noise(0) < 0.1 { open } else { open * (1.0 + 0.05 * (noise(1) - 0.5)) };
                let (high, low) =
                    (open.max(close) * (1.0 + 0.01 * noise(2)), open.min(close) * (1.0 - 0.01 * noise(3)));
                let volume = if noise(4) < 0.1 { 0.0 } else { 1e4 * noise(5) };
                candles.push(i as i64 * 3_600_000, [open, high, low, close], volume);
            }
            candles
        };
        let names = ["AAA-USDT", "BTC-USDT", "ETH-USDT"];
        let candles = names.iter().zip([700, 1333, 1201]).enumerate();
        let candles = candles.map(|(i, (name, bars))| ((*name).to_owned(), walk(i as u64, bars))).collect();
        let panel = Panel::new(candles, Timeframe::H1, 24, false).unwrap();
        let shared = Shared::new(&panel);
        let bits = |rows: Vec<f32>| rows.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        for (symbol, name) in names.iter().enumerate() {
            let rows = |fill: Fill| {
                let mut rows = vec![0.0; panel.ranges[symbol].len() * COUNT];
                fill(&panel, symbol, &shared, &mut rows);
                bits(rows)
            };
            // The last way is the plain one, and on some machines the only one.
            let all: Vec<Vec<u32>> = ways().into_iter().map(rows).collect();
            assert!(all.iter().all(|rows| *rows == all[all.len() - 1]), "{name}");
        }
    }
}
