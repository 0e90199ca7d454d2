//! The universe: which coins a run uses, and why the others are left out.

use serde::{Deserialize, Serialize};

use super::MarketInfo;
use crate::arith::ln;
use crate::bars::{DAY_MS, MarketTerms};
use crate::files::is_plain_name;
use crate::settings::Settings;
use crate::shadow::MarketType;

/// Bases pegged to a currency or metal. Their prices have no trend to learn.
const PEGGED: &[&str] = &[
    "USDT", "USDC", "FDUSD", "TUSD", "BUSD", "DAI", "USDP", "PAX", "GUSD", "USDD", "USDE", "USDS", "USD1", "PYUSD",
    "RLUSD", "XUSD", "BFUSD", "USDB", "LUSD", "SUSD", "UST", "USTC", "USD", "EUR", "EURI", "EURC", "EURT", "AEUR",
    "GBP", "GBPT", "JPY", "AUD", "CAD", "CHF", "TRY", "BRL", "RUB", "UAH", "NGN", "ZAR", "PLN", "RON", "ARS", "MXN",
    "BIDR", "IDRT", "VAI", "XAUT", "PAXG",
];
/// Weights of the ranks by volume, liquidity score and activity.
const WEIGHTS: [f64; 3] = [0.5, 0.3, 0.2];

/// The chosen coins, best first, and every other coin with the reason for leaving it out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    /// In order of rank.
    pub chosen: Vec<Ranked>,
    /// Sorted by symbol.
    pub excluded: Vec<Excluded>,
}

/// A coin that passed every filter, with the numbers that ranked it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    /// 1 for the best.
    pub rank: usize,
    /// `BASE-QUOTE`.
    pub symbol: String,
    /// Weighted mean of the coin's percentile ranks by volume (0.5), liquidity (0.3) and activity (0.2): 1 is first
    /// in all three, 0 is last.
    pub score: f64,
    /// Dollars traded in 24 hours.
    pub daily_volume_usd: f64,
    /// log₁₀ of the dollars traded per day per basis point of spread. `costs.spread_bps` is used where the spread is
    /// unknown.
    pub liquidity: f64,
    /// See [`MarketInfo::activity`].
    pub activity: Option<f64>,
    /// Bid-ask spread in basis points of the mid price.
    pub spread_bps: Option<f64>,
    /// Days since the listing.
    pub age_days: Option<f64>,
    /// See [`MarketInfo::listed_ms`].
    pub listed_ms: Option<i64>,
    /// The exchange's terms, which change the costs of trades.
    #[serde(default)]
    pub terms: MarketTerms,
}

/// A coin that is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excluded {
    /// `BASE-QUOTE`.
    pub symbol: String,
    /// Every filter that it fails, with the numbers, separated by `; `.
    pub reason: String,
    /// True if the coin passes the include and exclude lists but cannot be judged because its data are bad.
    pub failed: bool,
}

/// Selects the coins of a run.
///
/// Filters by `universe.*`, `market.quote` and `market.type`, requires history for one fold, ranks the remaining
/// markets and takes the best `universe.top_n`. The order of `markets` does not matter.
pub fn select(markets: &[MarketInfo], settings: &Settings, now_ms: i64) -> Selection {
    let mut passed = Vec::new();
    let mut excluded = Vec::new();
    for market in markets {
        // A symbol becomes a file name, so names from an exchange cannot be trusted.
        if !is_plain_name(&market.symbol) {
            let (symbol, reason) =
                (market.symbol.escape_debug().to_string(), "its name cannot be used as a file name".into());
            excluded.push(Excluded { symbol, reason, failed: false });
            continue;
        }
        let list_reasons = list_reasons(market, settings);
        let failed = list_reasons.is_empty() && market.fault.is_some();
        let reasons = match &market.fault {
            Some(fault) if failed => vec![fault.clone()],
            _ => [list_reasons, property_reasons(market, settings, now_ms)].concat(),
        };
        if reasons.is_empty() {
            passed.push(market);
        } else {
            excluded.push(Excluded { symbol: market.symbol.clone(), reason: reasons.join("; "), failed });
        }
    }
    for symbol in &settings.universe.include {
        if !markets.iter().any(|m| &m.symbol == symbol) {
            let reason = "is not listed on this exchange".into();
            excluded.push(Excluded { symbol: symbol.clone(), reason, failed: false });
        }
    }
    let mut chosen = ranked(&passed, settings, now_ms);
    let top = settings.universe.top_n;
    excluded.extend(chosen.drain(top.min(chosen.len())..).map(|coin| Excluded {
        reason: format!("ranked {}, but universe.top_n is {top}", coin.rank),
        symbol: coin.symbol,
        failed: false,
    }));
    excluded.sort_by(|a, b| a.symbol.cmp(&b.symbol));
    Selection { chosen, excluded }
}

/// Whether a base is a stablecoin, a currency or a metal.
pub(super) fn is_pegged(base: &str) -> bool {
    PEGGED.contains(&base)
}

/// Why the include and exclude lists rule a market out; empty if they do not.
fn list_reasons(market: &MarketInfo, settings: &Settings) -> Vec<String> {
    let rules = &settings.universe;
    let mut reasons = Vec::new();
    if !rules.include.is_empty() && !rules.include.contains(&market.symbol) {
        reasons.push("is not in universe.include".to_owned());
    }
    if rules.exclude.contains(&market.symbol) {
        reasons.push("is in universe.exclude".to_owned());
    }
    reasons
}

/// Every filter that a market fails by its own properties.
fn property_reasons(market: &MarketInfo, settings: &Settings, now_ms: i64) -> Vec<String> {
    let rules = &settings.universe;
    let mut reasons = Vec::new();
    let mut exclude = |reason: String| reasons.push(reason);
    if !market.active {
        exclude("delisted or suspended".into());
    }
    if market.kind != settings.market.kind {
        exclude(format!("is a {} market, not {}", kind_name(market.kind), kind_name(settings.market.kind)));
    }
    if market.quote != settings.market.quote {
        exclude(format!("is quoted in {}, not {}", named(&market.quote), settings.market.quote));
    }
    if is_pegged(&market.base) {
        exclude(format!("{} is a stablecoin, currency or metal, not a coin to study", market.base));
    }
    match market.daily_volume_usd {
        Some(volume) if volume < rules.min_daily_volume_usd => exclude(format!(
            "daily volume ${volume:.0} is below universe.min_daily_volume_usd ${:.0}",
            rules.min_daily_volume_usd
        )),
        None if rules.min_daily_volume_usd > 0.0 => exclude("its daily volume in dollars is unknown".into()),
        _ => {}
    }
    if let Some(listed) = market.listed_ms {
        let age = days(now_ms - listed);
        if age < rules.min_age_days {
            exclude(format!("is {age:.1} days old, but universe.min_age_days is {}", rules.min_age_days));
        }
    }
    if let Some(from) = market.history_from_ms.or(market.listed_ms) {
        let folds = &settings.folds;
        // Up to a step passes until the next fixed date on which a test window begins.
        let needed = f64::from(folds.train_days + folds.purge_days + folds.step_days);
        let history = days(now_ms - from);
        if history < needed {
            let missing = (needed - history).ceil();
            exclude(format!(
                "history of {history:.1} days is too short for one fold of {needed} days: {missing} {} missing",
                if missing == 1.0 { "day is" } else { "days are" }
            ));
        }
    }
    reasons
}

fn named(quote: &str) -> &str {
    if quote.is_empty() { "an unnamed currency" } else { quote }
}

fn kind_name(kind: MarketType) -> &'static str {
    match kind {
        MarketType::Spot => "spot",
        MarketType::Perp => "perp",
    }
}

fn days(ms: i64) -> f64 {
    ms as f64 / DAY_MS as f64
}

/// The markets by descending score; ties are broken by volume, then by symbol.
fn ranked(markets: &[&MarketInfo], settings: &Settings, now_ms: i64) -> Vec<Ranked> {
    let volumes: Vec<f64> = markets.iter().map(|m| m.daily_volume_usd.unwrap_or(0.0)).collect();
    let liquidities: Vec<f64> = markets.iter().map(|m| liquidity(m, settings.costs.spread_bps)).collect();
    let activities: Vec<f64> = markets.iter().map(|m| m.activity.unwrap_or(0.0)).collect();
    let score = |i: usize| {
        let ranks = [&volumes, &liquidities, &activities].map(|all| percentile_rank(all, all[i]));
        ranks.iter().zip(WEIGHTS).map(|(rank, weight)| rank * weight).sum()
    };
    let rank_market = |(i, market): (usize, &&MarketInfo)| Ranked {
        rank: 0,
        symbol: market.symbol.clone(),
        score: score(i),
        daily_volume_usd: volumes[i],
        liquidity: liquidities[i],
        activity: market.activity,
        spread_bps: market.spread_bps,
        age_days: market.listed_ms.map(|listed| days(now_ms - listed)),
        listed_ms: market.listed_ms,
        terms: market.terms(),
    };
    let mut all: Vec<Ranked> = markets.iter().enumerate().map(rank_market).collect();
    all.sort_by(|a, b| {
        let by_score = b.score.total_cmp(&a.score);
        by_score.then(b.daily_volume_usd.total_cmp(&a.daily_volume_usd)).then(a.symbol.cmp(&b.symbol))
    });
    for (at, coin) in all.iter_mut().enumerate() {
        coin.rank = at + 1;
    }
    all
}

fn liquidity(market: &MarketInfo, usual_spread_bps: f64) -> f64 {
    // A tenth of a basis point is about one tick of the tightest books.
    let spread = market.spread_bps.unwrap_or(usual_spread_bps).max(0.1);
    let volume = market.daily_volume_usd.unwrap_or(0.0).max(1.0);
    ln(volume / spread) / std::f64::consts::LN_10
}

/// Share of the other values that are below `value`; equal ones count half. 1 for a unique maximum, 0 for a unique
/// minimum.
fn percentile_rank(all: &[f64], value: f64) -> f64 {
    let below = all.iter().filter(|&&v| v < value).count() as f64;
    let equal = all.iter().filter(|&&v| v == value).count() as f64 - 1.0;
    let others = all.len() as f64 - 1.0;
    if others > 0.0 { (below + equal / 2.0) / others } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn market(base: &str, volume: f64) -> MarketInfo {
        MarketInfo {
            symbol: format!("{base}-USDT"),
            base: base.into(),
            quote: "USDT".into(),
            kind: MarketType::Spot,
            active: true,
            listed_ms: Some(NOW - 1000 * DAY_MS),
            history_from_ms: None,
            daily_volume_usd: Some(volume),
            spread_bps: Some(1.0),
            activity: Some(volume),
            tick: None,
            lot: None,
            min_notional: None,
            maker_fee_bps: None,
            taker_fee_bps: None,
            fault: None,
        }
    }

    fn reason(settings: &Settings, change: impl FnOnce(&mut MarketInfo)) -> String {
        let mut changed = market("AAA", 5e6);
        change(&mut changed);
        let selection = select(&[changed], settings, NOW);
        assert!(selection.chosen.is_empty() || selection.excluded.is_empty());
        selection.excluded.first().map(|e| e.reason.clone()).unwrap_or_default()
    }

    #[test]
    fn every_filter_gives_its_reason() {
        let settings = Settings::defaults();
        assert_eq!(reason(&settings, |_| {}), "");
        let has_reason = |part: &str, change: fn(&mut MarketInfo)| {
            let reason = reason(&settings, change);
            assert!(reason.contains(part), "{part} is missing in: {reason}");
        };
        has_reason("delisted", |m| m.active = false);
        has_reason("is a perp market, not spot", |m| m.kind = MarketType::Perp);
        has_reason("quoted in BTC, not USDT", |m| m.quote = "BTC".into());
        has_reason("USDC is a stablecoin", |m| m.base = "USDC".into());
        has_reason("$999999 is below", |m| m.daily_volume_usd = Some(999_999.0));
        has_reason("volume in dollars is unknown", |m| m.daily_volume_usd = None);
        has_reason("29.9 days old", |m| m.listed_ms = Some(NOW - 299 * DAY_MS / 10));
        has_reason("154 days: 54 days are missing", |m| m.listed_ms = Some(NOW - 100 * DAY_MS));
        has_reason("153.5 days is too short for one fold of 154 days: 1 day is", |m| {
            m.history_from_ms = Some(NOW - 307 * DAY_MS / 2);
        });
        has_reason("delisted or suspended; is quoted in", |m| {
            m.active = false;
            m.quote.clear();
        });
        assert_eq!(reason(&settings, |m| m.listed_ms = Some(NOW - 154 * DAY_MS)), "");
        assert_eq!(reason(&settings, |m| m.listed_ms = None), "");
    }

    #[test]
    fn a_coin_with_bad_data_counts_as_failed_unless_it_is_excluded() {
        let mut settings = Settings::defaults();
        let bad =
            MarketInfo { fault: Some("A.csv: row 3: low is -1".into()), daily_volume_usd: None, ..market("A", 0.0) };
        let excluded = |settings: &Settings| select(std::slice::from_ref(&bad), settings, NOW).excluded.remove(0);
        assert_eq!(
            (excluded(&settings).failed, excluded(&settings).reason.as_str()),
            (true, "A.csv: row 3: low is -1")
        );
        settings.universe.exclude = vec!["A-USDT".into()];
        assert!(!excluded(&settings).failed);
    }

    #[test]
    fn include_and_exclude_lists_are_applied_and_unknown_names_are_reported() {
        let mut settings = Settings::defaults();
        settings.universe.include = vec!["A-USDT".into(), "X-USDT".into(), "B-USDT".into()];
        settings.universe.exclude = vec!["B-USDT".into()];
        let selection = select(&[market("A", 2e6), market("B", 3e6), market("C", 4e6)], &settings, NOW);
        assert_eq!(selection.chosen.iter().map(|c| c.symbol.as_str()).collect::<Vec<_>>(), ["A-USDT"]);
        let reasons: Vec<_> = selection.excluded.iter().map(|e| format!("{} {}", e.symbol, e.reason)).collect();
        assert_eq!(
            reasons,
            [
                "B-USDT is in universe.exclude",
                "C-USDT is not in universe.include",
                "X-USDT is not listed on this exchange"
            ]
        );
    }

    #[test]
    fn the_best_ranked_are_taken_in_whatever_order_markets_come() {
        let mut settings = Settings::defaults();
        settings.universe.top_n = 2;
        // B and C tie, so the symbol decides. D has less volume but a far better spread.
        let mut tight = market("D", 4e6);
        tight.spread_bps = Some(0.2);
        let mut markets = vec![market("C", 5e6), market("B", 5e6), market("A", 2e6), tight];
        let forward = select(&markets, &settings, NOW);
        markets.reverse();
        assert_eq!(select(&markets, &settings, NOW), forward);
        let order: Vec<_> = forward.chosen.iter().map(|c| (c.rank, c.symbol.as_str())).collect();
        assert_eq!(order, [(1, "B-USDT"), (2, "C-USDT")]);
        // B beats A and D by volume and activity, only A by liquidity, and ties with C.
        assert!((forward.chosen[0].score - (0.7 * 2.5 / 3.0 + 0.3 * 1.5 / 3.0)).abs() < 1e-12);
        let last: Vec<_> = forward.excluded.iter().map(|e| format!("{} {}", e.symbol, e.reason)).collect();
        let limit = "but universe.top_n is 2";
        assert_eq!(last, [format!("A-USDT ranked 4, {limit}"), format!("D-USDT ranked 3, {limit}")]);
        let text = serde_json::to_string(&forward).unwrap();
        assert_eq!(serde_json::from_str::<Selection>(&text).unwrap(), forward);
    }

    #[test]
    fn liquidity_is_the_logarithm_of_dollars_per_basis_point() {
        let with_spread = |spread: Option<f64>| liquidity(&MarketInfo { spread_bps: spread, ..market("A", 1e8) }, 10.0);
        assert!((with_spread(Some(1.0)) - 8.0).abs() < 1e-12 && (with_spread(None) - 7.0).abs() < 1e-12);
    }
}
