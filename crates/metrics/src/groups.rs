//! Statistics per group of trades: by symbol, voter, regime or model.

use std::collections::BTreeMap;

use serde::Serialize;

use super::account::{Account, Entry};
use super::clusters::clustered_t;
use super::costs::CostTotals;
use super::trades::TradeStatistics;
use huracan_shadow::Trade;

/// Statistics of one group of trades.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupStatistics {
    /// Name of the group.
    pub name: String,
    /// Number of trades.
    pub trades: usize,
    /// Number of trades with a net result above 0.
    pub wins: usize,
    /// Wins over trades.
    pub win_rate: f64,
    /// Mean net result, basis points of notional.
    pub mean_net_bps: f64,
    /// Money won over money lost; the money won if none was lost.
    pub profit_factor: f64,
    /// Sum of the profits, account currency.
    pub net_profit: f64,
    /// All costs over the gross profit of the trades that had one; 0 if none had.
    pub cost_share: f64,
    /// Student's t of the mean net result against 0, by blocks of days that are as long as a trade; `None` with trades in fewer
    /// than [`LEAST_CLUSTERS`](super::LEAST_CLUSTERS) of them, or equal results.
    pub t_statistic: Option<f64>,
}

impl GroupStatistics {
    /// Computes the statistics of a group. `block_days` are the days that the longest trade spans
    /// ([`Timeframe::block_days`](huracan_bars::Timeframe::block_days)): entries of fewer days apart overlap.
    pub fn of(name: String, entries: &[&Entry], block_days: i64) -> Self {
        let statistics = TradeStatistics::of(entries.iter().copied());
        Self {
            name,
            trades: statistics.count,
            wins: statistics.wins,
            win_rate: statistics.win_rate,
            mean_net_bps: statistics.average_bps,
            profit_factor: statistics.profit_factor,
            net_profit: entries.iter().map(|entry| entry.profit).sum(),
            cost_share: CostTotals::of(entries.iter().copied()).cost_share,
            t_statistic: clustered_t(
                entries.iter().map(|entry| (entry.day.div_euclid(block_days), entry.trade.net_bps)),
            ),
        }
    }
}

/// Statistics per group, ordered by the key of the group.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Breakdown {
    /// One entry per group that has trades.
    pub groups: Vec<GroupStatistics>,
}

impl Breakdown {
    /// Groups the entries: entry `i` goes into every group in `keys(i)`, which may be none, one or several (a trade has
    /// several voters, for example). Groups without trades do not appear. `block_days` as in [`GroupStatistics::of`].
    pub fn by<K: Ord, I: IntoIterator<Item = K>>(
        entries: &[Entry],
        block_days: i64,
        keys: impl Fn(usize) -> I,
        name: impl Fn(&K) -> String,
    ) -> Self {
        let mut groups: BTreeMap<K, Vec<&Entry>> = BTreeMap::new();
        for (i, entry) in entries.iter().enumerate() {
            keys(i).into_iter().for_each(|key| groups.entry(key).or_default().push(entry));
        }
        Self {
            groups: groups.iter().map(|(key, entries)| GroupStatistics::of(name(key), entries, block_days)).collect(),
        }
    }
}

/// All trades as account entries, in the order of `trades`.
///
/// Trades that the account refused get a notional of 0: they count with their result in basis points, but with no
/// money. `day` is the number of days from 1970-01-01 to a trade's entry.
pub fn with_refused(trades: &[Trade], account: &Account, day: impl Fn(&Trade) -> i64) -> Vec<Entry> {
    let key = |trade: &Trade| (trade.symbol, trade.signal_bar);
    let taken: BTreeMap<(usize, usize), &Entry> = account.entries.iter().map(|e| (key(&e.trade), e)).collect();
    let refused = |trade: &Trade| Entry { trade: *trade, day: day(trade), notional: 0.0, profit: 0.0 };
    trades.iter().map(|trade| taken.get(&key(trade)).map_or_else(|| refused(trade), |entry| **entry)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trades::tests::entry;

    #[test]
    fn a_trade_counts_in_each_of_its_groups_only() {
        let entries = [entry(0, 100.0, 300.0), entry(1, 400.0, 100.0), entry(0, 200.0, -250.0)];
        let voters: [&[&str]; 3] = [&["rsi", "macd"], &["macd"], &[]];
        let by_voter = Breakdown::by(&entries, 1, |i| voters[i].iter().copied(), |key| (*key).to_owned());
        let counts: Vec<_> = by_voter.groups.iter().map(|g| (g.name.as_str(), g.trades, g.mean_net_bps)).collect();
        assert_eq!(counts, [("macd", 2, 200.0), ("rsi", 1, 300.0)]);

        let by_symbol = Breakdown::by(&entries, 1, |i| [entries[i].trade.symbol], |symbol| format!("S{symbol}"));
        let group = &by_symbol.groups[0];
        assert_eq!((group.name.as_str(), group.trades, group.wins, group.win_rate), ("S0", 2, 1, 0.5));
        assert_eq!((group.net_profit, group.profit_factor), (-2.0, 3.0 / 5.0));
        assert_eq!(group.t_statistic, None, "one day says nothing");
        assert_eq!(Breakdown::by(&[], 1, |_| [0], |_| String::new()).groups, []);
    }

    #[test]
    fn the_evidence_of_a_group_is_counted_in_days() {
        let results = |copies: i64| -> Vec<Entry> {
            let day = |day: i64| {
                (0..copies).map(move |_| Entry { day, ..entry(0, 1.0, if day % 3 == 0 { 90.0 } else { -10.0 }) })
            };
            (0..12).flat_map(day).collect()
        };
        let t =
            |copies: i64| Breakdown::by(&results(copies), 1, |_| [0], |_| String::new()).groups[0].t_statistic.unwrap();
        assert!((t(1) - t(5)).abs() < 1e-12 && t(1) > 1.0);
    }

    #[test]
    fn trades_that_overlap_count_as_one_block() {
        let results: Vec<Entry> =
            (0..48).map(|day| Entry { day, ..entry(0, 1.0, if day / 4 % 3 == 0 { 90.0 } else { -10.0 }) }).collect();
        let t = |block_days: i64| Breakdown::by(&results, block_days, |_| [0], |_| String::new()).groups[0].t_statistic;
        // Four entries in a row are one move, so that days would count it four times.
        assert!((t(1).unwrap() / t(4).unwrap() - (47.0_f64 / 11.0).sqrt()).abs() < 1e-9, "{:?} {:?}", t(1), t(4));
        assert_eq!(t(6), None, "eight blocks say too little");
    }

    #[test]
    fn refused_trades_count_without_money() {
        let (taken, mut refused) = (entry(0, 100.0, 300.0), entry(1, 100.0, -100.0));
        refused.trade.signal_bar = 5;
        let account = Account { start_equity: 1.0, entries: vec![taken], refused: 1, curve: vec![] };
        let all = with_refused(&[refused.trade, taken.trade], &account, |_| 0);
        assert_eq!(all, [Entry { notional: 0.0, profit: 0.0, ..refused }, taken]);
    }
}
