//! Validation of the voters' parameters.

use super::fault::Fault;
use crate::decide::votes::{VOTER_NAMES, VoterParams};

/// Longest window of a voter, bars.
const LONGEST: usize = 5000;

/// The voters' settings that must be whole numbers.
pub(super) const WHOLE: &[&str] = &[
    "decide.engines.atr_bars",
    "decide.engines.ema_cross.fast_bars",
    "decide.engines.ema_cross.slow_bars",
    "decide.engines.sma_cross.fast_bars",
    "decide.engines.sma_cross.slow_bars",
    "decide.engines.macd_cross.fast_bars",
    "decide.engines.macd_cross.slow_bars",
    "decide.engines.macd_cross.signal_bars",
    "decide.engines.adx.bars",
    "decide.engines.donchian.bars",
    "decide.engines.donchian.fade_bars",
    "decide.engines.supertrend.bars",
    "decide.engines.regression_slope.bars",
    "decide.engines.rsi.bars",
    "decide.engines.bollinger.bars",
    "decide.engines.stochastic.bars",
    "decide.engines.stochastic.slow_k_bars",
    "decide.engines.stochastic.slow_d_bars",
    "decide.engines.z_score.bars",
    "decide.engines.cci.bars",
    "decide.engines.williams_r.bars",
    "decide.engines.rate_of_change.bars",
    "decide.engines.money_flow_index.bars",
    "decide.engines.obv_trend.bars",
    "decide.engines.volume_breakout.bars",
    "decide.engines.vwap.bars",
    "decide.engines.chaikin_money_flow.bars",
    "decide.engines.keltner_breakout.bars",
    "decide.engines.keltner_breakout.atr_bars",
    "decide.engines.atr_squeeze.bars",
    "decide.engines.atr_squeeze.fade_bars",
    "decide.engines.bitcoin_lead.bars",
    "decide.engines.bitcoin_lead.deviation_bars",
    "decide.engines.relative_strength.bars",
];

/// Checks the names of voters and the combinations of their parameters.
pub(super) fn combinations(e: &VoterParams, faults: &mut Vec<Fault>) {
    for name in &e.off {
        if !VOTER_NAMES.contains(&name.as_str()) {
            let remedy = match crate::text::nearest_word(name, &VOTER_NAMES) {
                Some(nearest) => format!("did you mean '{nearest}'?"),
                None => format!("the voters are: {}", VOTER_NAMES.join(", ")),
            };
            faults.push(Fault::new("decide.engines.off", format!("names an unknown voter: '{name}'"), remedy));
        }
    }
    let mut below = |key: &str, low: f64, other: &str, high: f64| {
        if low >= high {
            let key = format!("decide.engines.{key}");
            faults.push(Fault::new(key, format!("is {low}"), format!("set it below {other}, which is {high}")));
        }
    };
    for (name, fast, slow) in [
        ("ema_cross", e.ema_cross.fast_bars, e.ema_cross.slow_bars),
        ("sma_cross", e.sma_cross.fast_bars, e.sma_cross.slow_bars),
        ("macd_cross", e.macd_cross.fast_bars, e.macd_cross.slow_bars),
    ] {
        below(&format!("{name}.fast_bars"), fast as f64, "slow_bars", slow as f64);
    }
    for (name, low, high) in [
        ("rsi", e.rsi.low, e.rsi.high),
        ("stochastic", e.stochastic.low, e.stochastic.high),
        ("williams_r", e.williams_r.low, e.williams_r.high),
        ("money_flow_index", e.money_flow_index.low, e.money_flow_index.high),
    ] {
        below(&format!("{name}.low"), low, "high", high);
    }
    below("adx.weak", e.adx.weak, "full", e.adx.full);
    let lead = &e.bitcoin_lead;
    below("bitcoin_lead.bars", lead.bars as f64, "deviation_bars", lead.deviation_bars as f64);
}

/// Checks that every parameter of a voter is within its range.
pub(super) fn ranges(e: &VoterParams, within: &mut dyn FnMut(&str, f64, f64, f64)) {
    let mut whole = |key: &str, value: usize, low: usize| {
        within(&format!("decide.engines.{key}"), value as f64, low as f64, LONGEST as f64);
    };
    whole("atr_bars", e.atr_bars, 2);
    whole("ema_cross.fast_bars", e.ema_cross.fast_bars, 1);
    whole("ema_cross.slow_bars", e.ema_cross.slow_bars, 2);
    whole("sma_cross.fast_bars", e.sma_cross.fast_bars, 1);
    whole("sma_cross.slow_bars", e.sma_cross.slow_bars, 2);
    whole("macd_cross.fast_bars", e.macd_cross.fast_bars, 2);
    whole("macd_cross.slow_bars", e.macd_cross.slow_bars, 3);
    whole("macd_cross.signal_bars", e.macd_cross.signal_bars, 1);
    whole("adx.bars", e.adx.bars, 2);
    whole("donchian.bars", e.donchian.bars, 1);
    whole("donchian.fade_bars", e.donchian.fade_bars, 1);
    whole("supertrend.bars", e.supertrend.bars, 2);
    whole("regression_slope.bars", e.regression_slope.bars, 2);
    whole("rsi.bars", e.rsi.bars, 2);
    whole("bollinger.bars", e.bollinger.bars, 2);
    whole("stochastic.bars", e.stochastic.bars, 2);
    whole("stochastic.slow_k_bars", e.stochastic.slow_k_bars, 1);
    whole("stochastic.slow_d_bars", e.stochastic.slow_d_bars, 1);
    whole("z_score.bars", e.z_score.bars, 3);
    whole("cci.bars", e.cci.bars, 2);
    whole("williams_r.bars", e.williams_r.bars, 2);
    whole("rate_of_change.bars", e.rate_of_change.bars, 1);
    whole("money_flow_index.bars", e.money_flow_index.bars, 2);
    whole("obv_trend.bars", e.obv_trend.bars, 1);
    whole("volume_breakout.bars", e.volume_breakout.bars, 1);
    whole("vwap.bars", e.vwap.bars, 1);
    whole("chaikin_money_flow.bars", e.chaikin_money_flow.bars, 1);
    whole("keltner_breakout.bars", e.keltner_breakout.bars, 2);
    whole("keltner_breakout.atr_bars", e.keltner_breakout.atr_bars, 2);
    whole("atr_squeeze.bars", e.atr_squeeze.bars, 2);
    whole("atr_squeeze.fade_bars", e.atr_squeeze.fade_bars, 1);
    whole("bitcoin_lead.bars", e.bitcoin_lead.bars, 1);
    whole("bitcoin_lead.deviation_bars", e.bitcoin_lead.deviation_bars, 3);
    whole("relative_strength.bars", e.relative_strength.bars, 1);

    let mut share = |key: &str, value: f64, low: f64, high: f64| {
        within(&format!("decide.engines.{key}"), value, low, high);
    };
    for (key, value) in [
        ("ema_cross.full_atr", e.ema_cross.full_atr),
        ("sma_cross.full_atr", e.sma_cross.full_atr),
        ("macd_cross.full_atr", e.macd_cross.full_atr),
        ("supertrend.multiplier", e.supertrend.multiplier),
        ("regression_slope.full_atr", e.regression_slope.full_atr),
        ("bollinger.deviations", e.bollinger.deviations),
        ("z_score.full", e.z_score.full),
        ("rate_of_change.full_atr", e.rate_of_change.full_atr),
        ("vwap.full_atr", e.vwap.full_atr),
        ("keltner_breakout.multiplier", e.keltner_breakout.multiplier),
        ("atr_squeeze.deviations", e.atr_squeeze.deviations),
        ("atr_squeeze.multiplier", e.atr_squeeze.multiplier),
        ("atr_squeeze.full_atr", e.atr_squeeze.full_atr),
        ("bitcoin_lead.full", e.bitcoin_lead.full),
    ] {
        share(key, value, 1e-3, 1e3);
    }
    share("cci.full", e.cci.full, 1e-3, 1e5);
    share("adx.weak", e.adx.weak, 0.0, 100.0);
    share("adx.full", e.adx.full, 0.0, 100.0);
    share("obv_trend.full", e.obv_trend.full, 1e-3, 1.0);
    share("chaikin_money_flow.full", e.chaikin_money_flow.full, 1e-3, 1.0);
    share("volume_breakout.full", e.volume_breakout.full, 1.001, 1e3);
    share("keltner_breakout.full", e.keltner_breakout.full, 1.0, 1e3);
    for (name, low, high) in [
        ("rsi", e.rsi.low, e.rsi.high),
        ("stochastic", e.stochastic.low, e.stochastic.high),
        ("money_flow_index", e.money_flow_index.low, e.money_flow_index.high),
    ] {
        share(&format!("{name}.low"), low, 0.0, 100.0);
        share(&format!("{name}.high"), high, 0.0, 100.0);
    }
    share("williams_r.low", e.williams_r.low, -100.0, 0.0);
    share("williams_r.high", e.williams_r.high, -100.0, 0.0);
}
