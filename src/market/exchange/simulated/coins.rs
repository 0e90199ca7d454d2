//! The coins of the simulated market: when they are listed and how they behave.

use super::EPOCH_MS;
use crate::arith::{draw, exp, ln, uniform};
use crate::bars::DAY_MS;

pub(super) const QUOTE: &str = "USDT";

const TICKERS: &[&str] = &[
    "BTC", "ETH", "NOVA", "KELP", "ORBI", "TIDE", "VELA", "MIRA", "QUIL", "EMBR", "DRIF", "HALO", "LUMN", "PYRE",
    "SABL", "TERN", "UMBR", "WISP", "XENO", "YARW", "ZEPH", "ALDR", "BRIM", "CIND", "DUSK", "FERN", "GALE", "HARP",
    "IONA", "JUNO",
];
const YOUNG_EVERY_DAYS: i64 = 20;
const DELISTED_AFTER_DAYS: i64 = 60;

/// One invented coin.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Coin {
    pub ticker: String,
    /// Number of the coin's stream of random draws.
    pub stream: u64,
    pub listed_ms: i64,
    pub delisted_ms: Option<i64>,
    /// Price at the listing, quote currency.
    pub first_price: f64,
    /// Loading on the common factor.
    pub beta: f64,
    /// Standard deviation of the coin's own hourly return.
    pub sigma: f64,
    /// Typical value traded per day, quote currency.
    pub daily_value: f64,
    pub spread_bps: f64,
    /// Smallest step of the price, quote currency.
    pub tick: f64,
}

/// How long the coin in a slot is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Listed in the market's first weeks, and never delisted.
    Steady,
    /// Like `Steady`, but with little volume.
    Thin,
    /// Replaced by a new listing every few weeks, so the slot always holds a young coin.
    Young,
    /// Delisted after two months, so the slot always holds a delisted coin.
    Delisted,
}

fn life(slot: usize) -> Life {
    match slot % 10 {
        5 if slot > 5 => Life::Thin,
        7 => Life::Young,
        9 => Life::Delisted,
        _ => Life::Steady,
    }
}

impl Coin {
    /// The coin in slot `slot` at `now_ms`, if there is one yet.
    pub fn at(seed: u64, slot: usize, now_ms: i64) -> Option<Self> {
        let age_days = (now_ms - EPOCH_MS).div_euclid(DAY_MS);
        let generation = match life(slot) {
            Life::Steady | Life::Thin => 0,
            Life::Young => age_days.div_euclid(YOUNG_EVERY_DAYS),
            Life::Delisted => age_days.div_euclid(DELISTED_AFTER_DAYS) - 1,
        };
        let coin = Self::new(seed, slot, u64::try_from(generation).ok()?);
        (coin.listed_ms <= now_ms).then_some(coin)
    }

    /// The coin with this symbol, at whatever time it is or was listed.
    pub fn named(seed: u64, slots: usize, symbol: &str) -> Option<Self> {
        let (ticker, quote) = symbol.split_once('-')?;
        let name = ticker.trim_end_matches(|c: char| c.is_ascii_digit());
        let slot = (0..slots).find(|&slot| slot_name(slot) == name)?;
        let generation = match &ticker[name.len()..] {
            "" => 0,
            number => number.parse::<u64>().ok()?.checked_sub(1)?,
        };
        // Two hundred years of listings are enough, and stay within the calendar.
        if quote != QUOTE || generation > 4000 {
            return None;
        }
        let coin = Self::new(seed, slot, generation);
        (coin.ticker == ticker).then_some(coin)
    }

    pub fn symbol(&self) -> String {
        format!("{}-{QUOTE}", self.ticker)
    }

    fn new(seed: u64, slot: usize, generation: u64) -> Self {
        let life = life(slot);
        let stream = 1_000_000 + slot as u64 * 10_000 + generation;
        let random = |what: u64| uniform(draw(seed, stream, u64::MAX - what));
        let between = |what: u64, low: f64, high: f64| low + random(what) * (high - low);
        let day = |days: i64| EPOCH_MS + days * DAY_MS;
        let generation_days = |length: i64| i64::try_from(generation).unwrap_or(0) * length;
        let (listed_ms, delisted_ms) = match life {
            Life::Steady | Life::Thin => (day(if slot < 2 { 0 } else { between(1, 0.0, 60.0) as i64 }), None),
            Life::Young => (day(generation_days(YOUNG_EVERY_DAYS)), None),
            Life::Delisted => {
                let listed = day(generation_days(DELISTED_AFTER_DAYS));
                (listed, Some(listed + DELISTED_AFTER_DAYS * DAY_MS))
            }
        };
        let daily_value = match (life, slot) {
            (_, 0) => 2e9,
            (_, 1) => 1.1e9,
            (Life::Thin, _) => between(2, 1.5e5, 4e5),
            // Turnover falls geometrically with rank, as on real exchanges, but stays above the default filter.
            _ => 6e6 + 4e8 * exp(-0.12 * slot as f64) * between(2, 0.5, 1.5),
        };
        let first_price = match slot {
            0 => 16_500.0,
            1 => 1_200.0,
            _ => exp(between(3, ln(0.01), ln(150.0))),
        };
        Self {
            ticker: match life {
                Life::Young | Life::Delisted => format!("{}{}", slot_name(slot), generation + 1),
                Life::Steady | Life::Thin => slot_name(slot),
            },
            stream,
            listed_ms,
            delisted_ms,
            first_price,
            beta: if slot == 0 { 1.0 } else { between(4, 0.7, 1.6) },
            sigma: if slot == 0 { 0.0018 } else { between(5, 0.004, 0.010) },
            daily_value,
            spread_bps: (4e4 / daily_value.sqrt()).clamp(0.5, 60.0),
            tick: tick(first_price),
        }
    }
}

/// The power of ten between 0.01 and 0.1 basis points of the price at the listing.
fn tick(first_price: f64) -> f64 {
    let mut tick = 1.0;
    while tick > first_price * 1e-5 {
        tick /= 10.0;
    }
    tick
}

/// The slot's name. Names are unique, and none ends in a digit.
fn slot_name(slot: usize) -> String {
    if let Some(name) = TICKERS.get(slot) {
        return (*name).to_owned();
    }
    // Three consonant-vowel pairs name 75³ slots, more than the settings allow.
    const CONSONANTS: &[u8; 15] = b"BDFGKLMNPRSTVWZ";
    const VOWELS: &[u8; 5] = b"AEIOU";
    let mut rest = slot - TICKERS.len();
    let mut name = String::from("Q");
    for _ in 0..3 {
        name.push(char::from(CONSONANTS[rest % 15]));
        name.push(char::from(VOWELS[rest / 15 % 5]));
        rest /= 75;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_coin_is_found_by_its_symbol() {
        let now = EPOCH_MS + 1000 * DAY_MS;
        let mut names = std::collections::HashSet::new();
        for slot in 0..300 {
            let coin = Coin::at(7, slot, now).unwrap();
            assert_eq!(Coin::named(7, 300, &coin.symbol()), Some(coin.clone()));
            assert!(names.insert(coin.ticker.clone()), "{} twice", coin.ticker);
        }
        for symbol in ["BTC-EUR", "BTC", "BTC1-USDT", "MIRA99999999999999999999-USDT", "NOPE-USDT", "MIRA0-USDT"] {
            assert_eq!(Coin::named(7, 30, symbol), None, "{symbol}");
        }
    }

    #[test]
    fn at_any_time_some_coins_are_young_and_some_are_delisted() {
        for days in [130, 400, 1401] {
            let now = EPOCH_MS + days * DAY_MS;
            let coins: Vec<Coin> = (0..30).filter_map(|slot| Coin::at(7, slot, now)).collect();
            let young = coins.iter().filter(|c| now - c.listed_ms < 30 * DAY_MS && c.delisted_ms.is_none()).count();
            let gone = coins.iter().filter(|c| c.delisted_ms.is_some_and(|t| t <= now)).count();
            let thin = coins.iter().filter(|c| c.daily_value < 1e6).count();
            assert!(young >= 2 && gone >= 2 && thin >= 2, "day {days}: {young} young, {gone} gone, {thin} thin");
        }
    }
}
