//! A second simulator, written from the contract alone: it jumps from trade to trade, and for each lists every event
//! that could end it and takes the earliest. A short is a long in mirrored prices.

use huracan::arith::{draw, uniform};
use huracan::bars::{Candles, HOUR_MS, MarketTerms, Panel, Timeframe};
use huracan::shadow::{Rules, Signals, SlippageRule, Trade, simulate};
use proptest::prelude::*;

/// open, high, low, close, volume
type Bar = [f64; 5];

#[derive(Debug, Clone, Copy)]
struct Signal {
    sign: f64,
    stop_bps: Option<f64>,
    take_bps: Option<f64>,
    size: Option<f64>,
}

#[derive(Debug, PartialEq)]
struct Plain {
    sign: f64,
    entry_bar: usize,
    entry: f64,
    exit_bar: usize,
    exit: f64,
    reason: &'static str,
    size: f64,
}

fn trades(bars: &[Bar], signals: &[Option<Signal>], atr: &[f64], rules: &Rules) -> Vec<Plain> {
    let last = bars.len() - 1;
    let mut found = Vec::new();
    let mut flat_at = 0;
    while let Some((at, signal)) = (flat_at..last).find_map(|t| signals[t].map(|signal| (t, signal))) {
        flat_at = at + 1;
        if signal.sign < 0.0 && !rules.shorts {
            continue;
        }
        let start = at + 1;
        let entry = bars[start][0];
        let away = |bps: Option<f64>, multiple: f64| bps.map_or(multiple * atr[at], |bps| entry * bps / 10_000.0);
        let (stop_away, take_away) = (away(signal.stop_bps, rules.stop_atr), away(signal.take_bps, rules.take_atr));
        if stop_away.is_nan() || take_away.is_nan() || stop_away <= 0.0 || take_away <= 0.0 {
            continue;
        }
        let gain = |price: f64| signal.sign * price;
        let (stop, take) = (gain(entry) - stop_away, gain(entry) + take_away);
        let mut events: Vec<(usize, u8, f64, &'static str)> = Vec::new();
        if let Some(t) = (start..last).find(|&t| signals[t].is_some_and(|s| s.sign != signal.sign)) {
            events.push((t + 1, 0, bars[t + 1][0], "signal_reversal"));
        }
        if start + rules.max_hold <= last {
            events.push((start + rules.max_hold, 1, bars[start + rules.max_hold][0], "time"));
        }
        let later = |mut beyond: Box<dyn FnMut(&Bar) -> bool>, from: usize| (from..=last).find(|&t| beyond(&bars[t]));
        if let Some(t) = later(Box::new(|bar| gain(bar[0]) <= stop), start + 1) {
            events.push((t, 2, bars[t][0], "stop_loss"));
        }
        if let Some(t) = later(Box::new(|bar| gain(bar[0]) >= take), start + 1) {
            events.push((t, 3, bars[t][0], "take_profit"));
        }
        if let Some(t) = later(Box::new(|bar| gain(bar[1]).min(gain(bar[2])) <= stop), start) {
            // Worse by a share of the price, as far as the bar went.
            let worse = stop - (signal.sign * stop).abs() * rules.stop_slippage_bps / 10_000.0;
            let filled = worse.max(gain(bars[t][1]).min(gain(bars[t][2])));
            events.push((t, 4, signal.sign * filled, "stop_loss"));
        }
        if let Some(t) = later(Box::new(|bar| gain(bar[1]).max(gain(bar[2])) >= take), start) {
            events.push((t, 5, signal.sign * take, "take_profit"));
        }
        events.push((last, 6, bars[last][3], "end_of_data"));
        let (exit_bar, order, exit, reason) = events.into_iter().min_by_key(|&(bar, order, ..)| (bar, order)).unwrap();
        // The reversing signal came at the close before the exit, and is the next trade.
        flat_at = if order == 0 { exit_bar - 1 } else { exit_bar };
        let size = signal.size.unwrap_or(rules.notional);
        found.push(Plain { sign: signal.sign, entry_bar: start, entry, exit_bar, exit, reason, size });
        if order == 6 {
            break;
        }
    }
    found
}

/// Costs of one way at this price, in the order fee, half spread, slippage. `volatility` is the ATR over the close, at the
/// signal.
fn one_way(rules: &Rules, terms: &MarketTerms, size: f64, volatility: f64, bar: &Bar, price: f64) -> [f64; 3] {
    let traded = bar[3] * bar[4];
    let whole = match rules.slippage {
        SlippageRule::Volatility if !volatility.is_nan() => rules.slippage_atr * volatility * 10_000.0,
        _ => rules.slippage_k,
    };
    let slippage = if traded == 0.0 { f64::INFINITY } else { whole * (size / traded).sqrt() };
    let tick = terms.tick.map_or(0.0, |tick| 10_000.0 * tick / price);
    let spread = rules.spread_bps.max(tick).max(terms.spread_bps.unwrap_or(0.0));
    [terms.taker_fee_bps.unwrap_or(rules.fee_bps), spread / 2.0, slippage.min(rules.slippage_cap_bps)]
}

fn check(plain: &Plain, trade: &Trade, bars: &[Bar], atr: &[f64], offset: usize, rules: &Rules, terms: &MarketTerms) {
    let got = Plain {
        sign: trade.side.sign(),
        entry_bar: trade.entry_bar - offset,
        entry: trade.entry_price,
        exit_bar: trade.exit_bar - offset,
        exit: trade.exit_price,
        reason: trade.exit_reason.name(),
        size: trade.size,
    };
    assert_eq!(&got, plain);
    assert_eq!(trade.signal_bar + 1, trade.entry_bar);
    let signal = plain.entry_bar - 1;
    let volatility = atr[signal] / bars[signal][3];
    let ends = [(plain.entry_bar, plain.entry), (plain.exit_bar, plain.exit)];
    let [into, out] = ends.map(|(bar, price)| one_way(rules, terms, plain.size, volatility, &bars[bar], price));
    let gross = 10_000.0 * plain.sign * (plain.exit - plain.entry) / plain.entry;
    let borrow = if plain.sign < 0.0 { rules.borrow_bps_per_bar } else { 0.0 };
    let funding = (rules.funding_bps_per_bar + borrow) * (plain.exit_bar - plain.entry_bar) as f64;
    let [fee, spread, slippage] = [0, 1, 2].map(|i| into[i] + out[i]);
    let pairs = [
        (trade.gross_bps, gross),
        (trade.fee_bps, fee),
        (trade.spread_bps, spread),
        (trade.slippage_bps, slippage),
        (trade.funding_bps, funding),
        (trade.net_bps, gross - fee - spread - slippage - funding),
    ];
    for (got, want) in pairs {
        assert!((got - want).abs() <= 1e-8 * want.abs().max(1.0), "{got} and not {want}: {trade:?}");
    }
}

/// Random bars on a grid of quarters, so that prices often lie exactly on a barrier.
fn bars(seed: u64, count: usize, gap: f64) -> Vec<Bar> {
    let quarter = |price: f64| (price * 4.0).round() / 4.0;
    let mut last = 100.0_f64;
    (0..count as u64)
        .map(|i| {
            let noise = |k: u64| uniform(draw(seed, k, i));
            let centre = 0.02 * (100.0 - last);
            let jump = if noise(0) < 0.3 { gap * (noise(1) - 0.5) } else { 0.0 };
            let open = quarter(last + centre + jump).max(20.0);
            let close = quarter(open + 4.0 * (noise(2) - 0.5)).max(20.0);
            let high = open.max(close) + quarter(2.0 * noise(3));
            let low = (open.min(close) - quarter(2.0 * noise(4))).max(10.0);
            last = close;
            let volume = if noise(5) < 0.1 { 0.0 } else { 3000.0 * noise(6) * noise(7) };
            [open, high, low, close, volume]
        })
        .collect()
}

fn signals(seed: u64, count: usize, often: f64) -> Vec<Option<Signal>> {
    (0..count as u64)
        .map(|i| {
            let noise = |k: u64| uniform(draw(seed, 100 + k, i));
            let own = |k: u64, value: f64| (noise(k) < 0.5).then_some(value);
            (noise(0) < often).then(|| Signal {
                sign: if noise(1) < 0.5 { 1.0 } else { -1.0 },
                stop_bps: own(2, (25.0 * (1.0 + 16.0 * noise(3))).round()),
                take_bps: own(4, (25.0 * (1.0 + 16.0 * noise(5))).round()),
                size: own(6, 1.0 + 9999.0 * noise(7)),
            })
        })
        .collect()
}

fn atr(seed: u64, count: usize) -> Vec<f64> {
    let one = |i: u64| {
        let noise = uniform(draw(seed, 200, i));
        if noise < 0.03 {
            0.0
        } else if noise < 0.08 {
            f64::NAN
        } else {
            (noise * 8.0).ceil() / 4.0
        }
    };
    (0..count as u64).map(one).collect()
}

fn panel(markets: &[Vec<Bar>]) -> Panel {
    let candles = markets.iter().enumerate().map(|(i, bars)| {
        let mut candles = Candles::default();
        for (t, &[open, high, low, close, volume]) in bars.iter().enumerate() {
            candles.push(t as i64 * HOUR_MS, [open, high, low, close], volume);
        }
        (format!("S{i}-USDT"), candles)
    });
    Panel::new(candles.collect(), Timeframe::H1, 0, false).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_simulators_make_the_same_trades(
        seed in any::<u64>(),
        count in 2_usize..1500,
        symbols in 1_usize..4,
        often in 0.01_f64..0.9,
        gap in 0.0_f64..20.0,
        max_hold in 1_usize..40,
        (funding, borrow) in (prop_oneof![Just(0.0), 0.01_f64..2.0], prop_oneof![Just(0.0), 0.01_f64..2.0]),
        (by_volatility, shorts) in (any::<bool>(), any::<bool>()),
        stop_slippage in prop_oneof![Just(0.0), 1.0_f64..300.0],
        (tick, quoted, fee) in (0.0_f64..0.2, 0.0_f64..6.0, 0.0_f64..9.0),
        known in any::<bool>(),
        cuts in prop::collection::vec(0.0_f64..1.0, 0..4),
    ) {
        let rules = Rules {
            max_hold,
            slippage: if by_volatility { SlippageRule::Volatility } else { SlippageRule::Turnover },
            stop_slippage_bps: stop_slippage,
            funding_bps_per_bar: funding,
            borrow_bps_per_bar: borrow,
            shorts,
            ..Rules::default()
        };
        let terms = match known {
            true => MarketTerms {
                tick: Some(tick).filter(|&tick| tick > 0.0),
                spread_bps: Some(quoted),
                taker_fee_bps: Some(fee),
                ..MarketTerms::default()
            },
            false => MarketTerms::default(),
        };
        let markets: Vec<Vec<Bar>> = (0..symbols as u64).map(|s| bars(draw(seed, 1, s), count, gap)).collect();
        let wanted: Vec<Vec<Option<Signal>>> =
            (0..symbols as u64).map(|s| signals(draw(seed, 2, s), count, often)).collect();
        let distances: Vec<Vec<f64>> = (0..symbols as u64).map(|s| atr(draw(seed, 3, s), count)).collect();
        let mut given = Signals::none(symbols, count);
        for (s, own) in wanted.iter().enumerate() {
            for (t, signal) in own.iter().enumerate().filter_map(|(t, signal)| Some((t, signal.as_ref()?))) {
                let cell = s * count + t;
                given.side[cell] = signal.sign as i8;
                given.stop_bps[cell] = signal.stop_bps.unwrap_or(f64::NAN);
                given.take_bps[cell] = signal.take_bps.unwrap_or(f64::NAN);
                given.size[cell] = signal.size.unwrap_or(f64::NAN);
            }
        }
        let mut edges: Vec<usize> = cuts.iter().map(|cut| (cut * count as f64) as usize).chain([0, count]).collect();
        edges.sort_unstable();
        edges.dedup();
        let windows: Vec<_> = edges.windows(2).map(|w| w[0]..w[1]).collect();
        let mut panel = panel(&markets);
        panel.terms.fill(terms);
        let made = simulate(&panel, &given, &distances.concat(), &vec![windows.clone(); symbols], &rules);
        prop_assert!(made.is_sorted_by_key(|trade| (trade.entry_bar, trade.symbol)));
        let mut compared = 0;
        for s in 0..symbols {
            for window in &windows {
                let (bars, at) = (&markets[s][window.clone()], &distances[s][window.clone()]);
                let plain = trades(bars, &wanted[s][window.clone()], at, &rules);
                let own: Vec<&Trade> =
                    made.iter().filter(|trade| trade.symbol == s && window.contains(&trade.entry_bar)).collect();
                prop_assert_eq!(own.len(), plain.len());
                for (plain, trade) in plain.iter().zip(own) {
                    check(plain, trade, bars, at, window.start, &rules, &terms);
                    compared += 1;
                }
            }
        }
        prop_assert_eq!(compared, made.len());
    }
}

#[test]
fn the_random_markets_end_trades_in_every_way() {
    let rules = Rules { max_hold: 3, shorts: true, ..Rules::default() };
    let bars = bars(1, 3000, 12.0);
    let made = trades(&bars, &signals(2, 3000, 0.3), &atr(3, 3000), &rules);
    for reason in ["stop_loss", "take_profit", "time", "signal_reversal"] {
        for sign in [1.0, -1.0] {
            let count = made.iter().filter(|trade| trade.reason == reason && trade.sign == sign).count();
            assert!(count > 10, "{count} trades of side {sign} end by {reason}");
        }
    }
}
