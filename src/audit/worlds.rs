//! The panels for noise, power and promise: parts of the user's candles, or simulated markets.

use std::collections::BTreeSet;

use crate::arith::draw;
use crate::bars::{Candles, DAY_MS, Panel};
use crate::exit::{Code, CommandFailure, OrExit};
use crate::folds::{self, Grid};
use crate::market::{MarketInfo, Simulated};
use crate::settings::Settings;

/// Most symbols of one world, which has as many as a run otherwise (`universe.top_n`): the features of a hundred hourly symbols
/// over 240 days take 143 MB.
const MAX_SYMBOLS: usize = 100;
/// Fewest independent worlds from which a share is judged: the coins of a world share a model, so that they are approved together.
pub const LEAST_WORLDS: usize = crate::metrics::LEAST_CLUSTERS;
/// The first bar of the simulated market, 2023-01-01 UTC.
pub(crate) const FIRST_MS: i64 = 1_672_531_200_000;
/// Days from the first bar within which its permanent coins are listed.
pub(crate) const LISTING_DAYS: i64 = 61;
/// Stream of the random seeds of the worlds.
const AUDIT: u64 = 0x61_7564_6974;
/// The coins that features compare others with. Every part of a market contains them.
pub(crate) const REFERENCES: [&str; 2] = ["BTC", "ETH"];

/// Where the candles come from.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// The user's candles.
    Candles(&'a Panel),
    /// Markets of `market.simulated`, each with its own seed.
    Simulated,
}

/// Some symbols on one grid, not yet shuffled.
pub struct World {
    /// Number of the world, from 0.
    pub number: usize,
    /// The candles.
    pub panel: Panel,
    /// The symbols to study: those with a fold, each once per copy of the user's candles.
    pub counted: Vec<usize>,
    /// Seed of this world's shuffling.
    pub seed: u64,
}

/// Worlds that together have `symbols` symbols. They are made one by one, so that only one is in memory.
pub struct Worlds<'a> {
    source: Source<'a>,
    settings: &'a Settings,
    /// Symbols of each part of the user's candles that count.
    parts: Vec<Vec<usize>>,
    /// Strength of the pattern in simulated markets.
    edge: f64,
    left: usize,
    next: usize,
}

/// Symbols of one world: as many as a run has.
fn world_size(settings: &Settings) -> usize {
    settings.universe.top_n.clamp(1, MAX_SYMBOLS)
}

impl<'a> Worlds<'a> {
    /// Worlds with `symbols` symbols in all.
    ///
    /// # Errors
    /// Candles in which no symbol has enough history for one fold.
    pub fn new(source: Source<'a>, settings: &'a Settings, symbols: usize) -> Result<Self, CommandFailure> {
        let parts = match source {
            Source::Simulated => Vec::new(),
            Source::Candles(panel) => {
                let plan = |symbol: usize| folds::plan(Grid::of(panel), &panel.ranges[symbol], &settings.folds);
                let usable: Vec<usize> = (0..panel.symbols.len()).filter(|&symbol| plan(symbol).is_ok()).collect();
                if usable.is_empty() {
                    let longest = (0..panel.symbols.len()).max_by_key(|&symbol| panel.ranges[symbol].len());
                    let reason = longest.and_then(|symbol| plan(symbol).err()).map(|error| error.to_string());
                    let reason = reason.unwrap_or_default();
                    let message = format!("no symbol has enough history; the longest one: {reason}");
                    return Err(CommandFailure::new(Code::BadData, message));
                }
                // Parts of the same size, so that none is left with a coin or two.
                let parts = usable.len().div_ceil(world_size(settings));
                usable.chunks(usable.len().div_ceil(parts)).map(<[usize]>::to_vec).collect()
            }
        };
        Ok(Self { source, settings, parts, edge: 0.0, left: symbols, next: 0 })
    }

    /// The user's candles once, or simulated markets with `symbols` symbols in all and a pattern of this strength.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn once(source: Source<'a>, settings: &'a Settings, symbols: usize, edge: f64) -> Result<Self, CommandFailure> {
        let worlds = Self::new(source, settings, symbols)?;
        let own: usize = worlds.parts.iter().map(Vec::len).sum();
        let left = if worlds.parts.is_empty() { symbols } else { own };
        Ok(Self { edge, left, ..worlds })
    }

    fn make(&self, number: usize) -> Result<World, CommandFailure> {
        let seed = draw(self.settings.seed, AUDIT, number as u64);
        // Each world is shuffled by draws of its own: what happens in one says nothing of another.
        let mut world = match self.source {
            Source::Simulated => simulated(self.settings, seed, world_size(self.settings), self.edge)?,
            Source::Candles(panel) => part_of(panel, &self.parts[number % self.parts.len()], seed)?,
        };
        world.number = number;
        world.counted.truncate(self.left);
        Ok(world)
    }
}

impl Iterator for Worlds<'_> {
    type Item = Result<World, CommandFailure>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let world = self.make(self.next);
        self.next += 1;
        self.left = world.as_ref().map_or(0, |world| self.left - world.counted.len());
        Some(world)
    }
}

/// The coins of a simulated market that a run would choose: the `size` most traded ones that are old enough, and traded enough.
fn simulated(settings: &Settings, seed: u64, size: usize, edge: f64) -> Result<World, CommandFailure> {
    let mut own = settings.clone();
    own.seed = seed;
    // Seven of ten coins trade enough and stay listed.
    (own.market.simulated.edge, own.market.simulated.symbols) = (edge, size + size / 2 + 10);
    let days = i64::from(settings.market.lookback_days);
    let now_ms = FIRST_MS + (LISTING_DAYS + days) * DAY_MS;
    let market = Simulated::new(&own, Some(now_ms));
    let from_ms = now_ms - days * DAY_MS;
    let mut candles = Vec::new();
    let mut listed = market.markets();
    let volume = |info: &MarketInfo| info.daily_volume_usd.unwrap_or(0.0);
    listed.sort_by(|a, b| volume(b).total_cmp(&volume(a)).then_with(|| a.symbol.cmp(&b.symbol)));
    for info in listed {
        let old = info.listed_ms.is_some_and(|listed| listed <= from_ms);
        let traded = info.daily_volume_usd.is_some_and(|usd| usd >= settings.universe.min_daily_volume_usd);
        if info.active && old && traded && candles.len() < size {
            let bars =
                market.candles(&info.symbol, settings.market.timeframe, from_ms, now_ms).or_exit(Code::Failed)?;
            candles.push((info.symbol, bars));
        }
    }
    candles.sort_by(|a, b| a.0.cmp(&b.0));
    let panel = Panel::new(candles, settings.market.timeframe, 0, true).or_exit(Code::Failed)?;
    let plan = |symbol: &usize| folds::plan(Grid::of(&panel), &panel.ranges[*symbol], &settings.folds);
    let counted: Vec<usize> = (0..panel.symbols.len()).filter(|symbol| plan(symbol).is_ok()).collect();
    if counted.is_empty() {
        let message = format!(
            "the simulated market has no coin with a fold in market.lookback_days = {days}; raise it, or lower folds.train_days"
        );
        return Err(CommandFailure::new(Code::Usage, message));
    }
    part_of(&panel, &counted, seed)
}

fn is_reference(panel: &Panel, symbol: usize) -> bool {
    REFERENCES.iter().any(|coin| panel.symbols[symbol].split('-').next() == Some(*coin))
}

/// Some symbols of a panel, together with the reference coins.
fn part_of(panel: &Panel, symbols: &[usize], seed: u64) -> Result<World, CommandFailure> {
    let own: BTreeSet<usize> = symbols.iter().copied().collect();
    let references = (0..panel.symbols.len()).filter(|&symbol| is_reference(panel, symbol));
    let all: BTreeSet<usize> = own.iter().copied().chain(references).collect();
    let counted = all.iter().enumerate().filter(|(_, symbol)| own.contains(symbol)).map(|(index, _)| index).collect();
    let bars = 0..panel.bars;
    Ok(World { number: 0, panel: part(panel, all.into_iter(), bars)?, counted, seed })
}

/// The symbols for look-ahead and recursion: the reference coins and others spread over the panel, fewer if histories are long.
///
/// # Errors
/// Candles in which no symbol has enough history for one fold.
pub fn sample(source: Source<'_>, settings: &Settings) -> Result<Panel, CommandFailure> {
    const CELLS: usize = 60_000;
    const SAMPLE: usize = 8;
    let world;
    let (panel, counted) = match source {
        Source::Candles(panel) => {
            let worlds = Worlds::new(source, settings, panel.symbols.len())?;
            (panel, worlds.parts.concat())
        }
        Source::Simulated => {
            world = simulated(settings, draw(settings.seed, AUDIT, 0), world_size(settings).max(SAMPLE), 0.0)?;
            (&world.panel, world.counted.clone())
        }
    };
    let size = (CELLS / panel.bars.max(1)).clamp(5, SAMPLE);
    let mut chosen: BTreeSet<usize> = counted.iter().copied().filter(|&symbol| is_reference(panel, symbol)).collect();
    let others: Vec<usize> = counted.into_iter().filter(|symbol| !chosen.contains(symbol)).collect();
    let step = (others.len() / (size - chosen.len().min(size - 1))).max(1);
    chosen.extend(others.into_iter().step_by(step).take(size - chosen.len()));
    part(panel, chosen.into_iter(), 0..panel.bars)
}

/// The part of a panel with only `symbols` and `bars`. Symbols without a bar in it are left out.
///
/// # Errors
/// A part without any bar.
pub fn part(
    panel: &Panel,
    symbols: impl Iterator<Item = usize>,
    bars: std::ops::Range<usize>,
) -> Result<Panel, CommandFailure> {
    let candles = symbols.map(|symbol| {
        let own = &panel.ranges[symbol];
        let range = own.start.max(bars.start)..own.end.min(bars.end);
        let at = |column: &[f64], bar: usize| column[symbol * panel.bars + bar];
        let mut candles = Candles::default();
        for bar in range {
            let prices = [&panel.open, &panel.high, &panel.low, &panel.close].map(|column| at(column, bar));
            candles.push(panel.time_ms(bar), prices, at(&panel.volume, bar));
        }
        (panel.symbols[symbol].clone(), candles)
    });
    let part = Panel::new(candles.collect(), panel.timeframe, 0, panel.simulated).or_exit(Code::BadData)?;
    Ok(part.with_markets_of(panel))
}
