use super::EPOCH_MS;
use super::*;
use crate::bars::HOUR_MS;

const NOW: i64 = EPOCH_MS + 700 * DAY_MS;

fn market(edge: f64, seed: u64) -> Simulated {
    let mut settings = Settings::defaults();
    settings.market.simulated.edge = edge;
    settings.seed = seed;
    Simulated::new(&settings, Some(NOW))
}

fn hourly(market: &Simulated, symbol: &str, from: i64, to: i64) -> Candles {
    market.candles(symbol, Timeframe::H1, from, to).unwrap()
}

fn returns(candles: &Candles) -> Vec<f64> {
    candles.close.windows(2).map(|w| (w[1] / w[0]).ln()).collect()
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len() as f64;
    let (ma, mb) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let cov: f64 = a.iter().zip(b).map(|(x, y)| (x - ma) * (y - mb)).sum();
    let (va, vb): (f64, f64) = (a.iter().map(|x| (x - ma).powi(2)).sum(), b.iter().map(|y| (y - mb).powi(2)).sum());
    cov / (va * vb).sqrt()
}

/// Symbols that have traded for a long time.
fn steady(market: &Simulated) -> Vec<String> {
    let old = |m: &MarketInfo| m.active && m.listed_ms.is_some_and(|t| t < NOW - 600 * DAY_MS);
    market.markets().into_iter().filter(old).map(|m| m.symbol).collect()
}

#[test]
fn bars_do_not_depend_on_the_requested_range_the_order_of_requests_or_the_present() {
    let (one, other) = (market(0.5, 7), market(0.5, 7));
    let mut settings = Settings::defaults();
    settings.market.simulated.edge = 0.5;
    let earlier = Simulated::new(&settings, Some(NOW - 40 * DAY_MS));
    let from = NOW - 90 * DAY_MS;
    for symbol in steady(&one).iter().rev().take(6) {
        let whole = hourly(&one, symbol, from, NOW);
        assert_eq!(whole.len(), 90 * 24);
        let middle = hourly(&other, symbol, from + 30 * DAY_MS, from + 31 * DAY_MS);
        assert_eq!(middle, whole.slice(720..744), "{symbol}");
        // Older than the cache.
        let old = hourly(&one, symbol, NOW - 550 * DAY_MS, NOW);
        assert_eq!(old.slice(old.len() - whole.len()..old.len()), whole);
        assert_eq!(hourly(&earlier, symbol, from, NOW), whole.slice(0..50 * 24));
    }
    assert_ne!(hourly(&market(0.5, 8), "BTC-USDT", from, NOW), hourly(&one, "BTC-USDT", from, NOW));
}

#[test]
fn every_timeframe_gives_valid_candles() {
    let market = market(0.0, 7);
    for timeframe in ["5m", "1h", "4h", "1d"] {
        let timeframe: Timeframe = timeframe.parse().unwrap();
        for symbol in ["BTC-USDT", "KELP-USDT"] {
            let candles = market.candles(symbol, timeframe, NOW - 20 * DAY_MS, NOW).unwrap();
            assert_eq!(candles.len(), timeframe.bars_in_days(20));
            assert_eq!(candles.validate(timeframe), Ok(()), "{symbol} {timeframe}");
        }
    }
}

/// Mean over coins of the correlation between the last move, its sign flipped while volatility falls, and the next
/// return.
fn predictability(market: &Simulated) -> f64 {
    let symbols = steady(market);
    let of_one = |symbol: &String| {
        let r = returns(&hourly(market, symbol, NOW - 400 * DAY_MS, NOW));
        let (mut fast, mut slow) = (0.0, 0.0);
        let (mut past, mut next) = (Vec::new(), Vec::new());
        for t in 2..r.len() - 1 {
            fast += (r[t] * r[t] - fast) / 10.0;
            slow += (r[t] * r[t] - slow) / 100.0;
            let last = r[t] + r[t - 1] + r[t - 2];
            past.push(if fast > slow { last } else { -last }.signum());
            next.push(r[t + 1]);
        }
        correlation(&past, &next)
    };
    symbols.iter().map(of_one).sum::<f64>() / symbols.len() as f64
}

#[test]
fn returns_are_predictable_only_with_an_edge() {
    let (none, some) = (predictability(&market(0.0, 7)), predictability(&market(1.0, 7)));
    assert!(none.abs() < 0.02, "{none}");
    assert!(some > 0.15, "{some}");
    let plain = market(0.0, 7);
    for symbol in steady(&plain) {
        let r = returns(&hourly(&plain, &symbol, NOW - 400 * DAY_MS, NOW));
        let lag_one = correlation(&r[1..], &r[..r.len() - 1]);
        // Fat tails and volatility clusters widen the usual 1/√n; five times that is far outside the noise.
        assert!(lag_one.abs() < 5.0 / (r.len() as f64).sqrt(), "{symbol}: {lag_one}");
    }
}

#[test]
fn the_market_has_the_stylised_facts_of_a_real_one() {
    let market = market(0.0, 7);
    let btc = returns(&hourly(&market, "BTC-USDT", NOW - 400 * DAY_MS, NOW));
    let candles = hourly(&market, "NOVA-USDT", NOW - 400 * DAY_MS, NOW);
    let nova = returns(&candles);
    assert!(correlation(&btc, &nova) > 0.3, "a common factor");
    let n = nova.len() as f64;
    let variance = nova.iter().map(|r| r * r).sum::<f64>() / n;
    let kurtosis = nova.iter().map(|r| r.powi(4)).sum::<f64>() / n / variance.powi(2);
    assert!(kurtosis > 5.0, "fat tails: {kurtosis}");
    let size: Vec<f64> = nova.iter().map(|r| r.abs()).collect();
    assert!(correlation(&size[24..], &size[..size.len() - 24]) > 0.05, "volatility clusters");
    assert!(correlation(&size, &candles.volume[1..]) > 0.2, "volume follows moves");
    let yearly = (variance * 24.0 * 365.0).sqrt();
    assert!((0.4..2.0).contains(&yearly), "yearly volatility {yearly}");
    let traded_at = |hour: i64| {
        let rows = (0..candles.len()).filter(|&i| candles.timestamp[i].rem_euclid(DAY_MS) / HOUR_MS == hour);
        rows.map(|i| candles.volume[i] * candles.close[i]).sum::<f64>()
    };
    assert!(traded_at(15) > 1.5 * traded_at(3), "a busy afternoon");
}

#[test]
fn the_listing_has_young_thin_and_delisted_coins_and_delisted_ones_stop_trading() {
    let market = market(0.0, 7);
    let markets = market.markets();
    assert_eq!(markets.len(), 30);
    assert!(markets.windows(2).all(|w| w[0].symbol < w[1].symbol));
    let thin = markets.iter().filter(|m| m.daily_volume_usd.is_some_and(|v| v < 1e6)).count();
    let young = markets.iter().filter(|m| m.listed_ms.unwrap() > NOW - 30 * DAY_MS).count();
    assert!((2..=4).contains(&thin) && young >= 2, "{thin} thin, {young} young");
    assert!(markets.iter().filter(|m| m.active && m.daily_volume_usd.is_some_and(|v| v > 1e6)).count() >= 20);
    let gone = markets.iter().find(|m| !m.active).unwrap();
    let candles = hourly(&market, &gone.symbol, NOW - 400 * DAY_MS, NOW);
    assert_eq!(candles.len(), 60 * 24);
    assert!(candles.timestamp.last().unwrap() + HOUR_MS <= NOW);
    let unknown = market.candles("NOPE-USDT", Timeframe::H1, 0, NOW);
    assert!(matches!(unknown, Err(MarketError::UnknownSymbol { .. })));
}

#[test]
fn random_trades_earn_nothing_before_costs() {
    use crate::shadow::{MarketType, Rules, Signals, simulate};
    let mut settings = Settings::defaults();
    settings.market.simulated.symbols = 24;
    // Shorts as well as longs, and stops that are filled at their price: what is left is the market's own.
    settings.market.kind = MarketType::Perp;
    settings.costs.stop_slippage_bps = 0.0;
    let now = EPOCH_MS + 300 * DAY_MS;
    let market = Simulated::new(&settings, Some(now));
    let candles = market
        .markets()
        .into_iter()
        .map(|info| (info.symbol.clone(), market.candles(&info.symbol, Timeframe::H1, 0, now).unwrap()))
        .collect();
    let panel = crate::bars::Panel::new(candles, Timeframe::H1, 24, true).unwrap();
    let rules = Rules::new(&settings.labels, &settings.costs, settings.market.kind, Timeframe::H1);
    let mut signals = Signals::none(panel.symbols.len(), panel.bars);
    for (cell, side) in signals.side.iter_mut().enumerate() {
        // As many long as short trades, so that the market's drift cancels.
        *side = match crate::arith::draw(3, 4, cell as u64) % 40 {
            0 => 1,
            1 => -1,
            _ => 0,
        };
    }
    let windows: Vec<_> = panel.ranges.iter().map(|range| vec![range.clone()]).collect();
    let trades = simulate(&panel, &signals, &crate::features::atr_14(&panel), &windows, &rules);
    let mean = trades.iter().map(|trade| trade.gross_bps).sum::<f64>() / trades.len() as f64;
    assert!(trades.len() > 5000 && mean.abs() < 3.5, "{mean} bps over {} trades", trades.len());
}
