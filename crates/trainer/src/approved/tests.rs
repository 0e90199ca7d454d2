use super::*;
use crate::fixtures::{self, panel};
use huracan_bars::HOUR_MS;
use huracan_shadow::{ExitReason, Side};

const DAYS: usize = 80;
/// First bar of the second fold's test window, 40 days into the panel.
const BOUNDARY: usize = 40 * 24;

/// A day's trade, which ends two hours after its entry.
fn trade(symbol: usize, day: usize, net_bps: f64) -> Trade {
    let entry_bar = day * 24 + 3;
    Trade {
        symbol,
        side: Side::Long,
        signal_bar: entry_bar - 1,
        entry_bar,
        entry_price: 100.0,
        exit_bar: entry_bar + 2,
        exit_price: 100.0,
        stop_price: 98.0,
        take_price: 104.0,
        size: 1000.0,
        exit_reason: ExitReason::Time,
        gross_bps: net_bps,
        fee_bps: 0.0,
        spread_bps: 0.0,
        slippage_bps: 0.0,
        funding_bps: 0.0,
        net_bps,
    }
}

/// Trades on so many days in a row, with a mean result and a deviation of some 20 basis points around it.
fn trades(symbol: usize, days: Range<usize>, mean_bps: f64) -> Vec<Trade> {
    days.map(|day| trade(symbol, day, mean_bps + if day % 2 == 0 { 20.0 } else { -20.0 })).collect()
}

struct World {
    panel: Panel,
    trades: Vec<Vec<Trade>>,
    all: Account,
}

/// Four coins: one whose trades are beyond doubt, one with a trade too few by the boundary, one without skill, and one that
/// trades after the boundary only.
fn world() -> World {
    let trades =
        vec![trades(0, 0..DAYS, 40.0), trades(1, 11..DAYS, 40.0), trades(2, 0..DAYS, 0.0), trades(3, 41..DAYS, 40.0)];
    let grown = |day: usize| 10_000.0 + 50.0 * day as f64 + if day.is_multiple_of(2) { 20.0 } else { 0.0 };
    let curve = (0..=DAYS).map(|day| (day as i64 * DAY_MS, grown(day))).collect();
    let all = Account { start_equity: 10_000.0, entries: Vec::new(), refused: 0, curve };
    World { panel: panel(4, DAYS * 24), trades, all }
}

impl World {
    fn approvals(&self, change: impl FnOnce(&mut TrainerParams)) -> Vec<Approvals> {
        let mut params = fixtures::params();
        change(&mut params);
        let bars = DAYS * 24;
        let folds = [fixtures::fold(0, 0..0, 0..BOUNDARY), fixtures::fold(1, 0..0, BOUNDARY..bars)];
        // The last coin is too young for the first fold.
        let own = |symbol: usize| {
            let folds = if symbol == 3 { &folds[1..] } else { &folds[..] };
            fixtures::trained(&self.panel.symbols[symbol], folds, fixtures::fold(2, 0..0, 0..0), [0.0; 3], 0)
        };
        let trained: BTreeMap<usize, TrainedSymbol> = (0..4).map(|symbol| (symbol, own(symbol))).collect();
        let windows: Vec<Vec<Range<usize>>> =
            trained.values().map(|own| own.folds.iter().map(|outcome| outcome.fold.test.clone()).collect()).collect();
        let limits = Limits::of(&params.risk);
        let known = Known { params: &params, trained: &trained, trades: &self.trades, all: &self.all, limits: &limits };
        approvals(&known, &self.panel, &windows)
    }
}

#[test]
fn coins_with_enough_evidence_at_a_boundary_are_approved_and_no_others() {
    let found = world().approvals(|_| ());
    let first = Approvals { fold: 0, test_start: 0, judged: 3, approved: vec![] };
    assert_eq!(found, [first, Approvals { fold: 1, test_start: BOUNDARY, judged: 4, approved: vec![0] }]);
    // 29 trades are one too few, not too weak.
    let fewer = world().approvals(|params| params.approve.min_trades = 29);
    assert_eq!(fewer[1].approved, [0, 1]);
}

#[test]
fn a_trade_that_is_open_at_the_boundary_does_not_count_yet() {
    // The thirtieth trade of the coin with one too few.
    let approved = |exit_bar: usize| {
        let mut world = world();
        let late = Trade { signal_bar: BOUNDARY - 11, entry_bar: BOUNDARY - 10, exit_bar, ..trade(1, 39, 60.0) };
        world.trades[1].insert(29, late);
        world.approvals(|_| ())[1].approved.clone()
    };
    assert_eq!(approved(BOUNDARY - 1), [0, 1]);
    assert_eq!(approved(BOUNDARY), [0]);
}

#[test]
fn what_happens_after_a_boundary_changes_nothing_at_it() {
    let by_portfolio = |params: &mut TrainerParams| params.verdict.portfolio = true;
    let before = world().approvals(by_portfolio);
    assert_eq!(before[1].approved, [0]);
    let mut changed = world();
    for trades in &mut changed.trades {
        for trade in trades.iter_mut().filter(|trade| trade.exit_bar >= BOUNDARY) {
            (trade.net_bps, trade.gross_bps, trade.exit_price) = (-900.0, -900.0, 91.0);
        }
    }
    for prices in [&mut changed.panel.open, &mut changed.panel.high, &mut changed.panel.low, &mut changed.panel.close] {
        prices.chunks_exact_mut(DAYS * 24).for_each(|row| row[BOUNDARY..].fill(50.0));
    }
    for (end, equity) in &mut changed.all.curve {
        if *end > BOUNDARY as i64 * HOUR_MS {
            *equity = 10.0;
        }
    }
    assert_eq!(changed.approvals(by_portfolio), before);
    // The same change of what was known before is seen.
    let mut known = world();
    known.trades[0].iter_mut().take(9).for_each(|trade| trade.net_bps = -900.0);
    assert!(known.approvals(by_portfolio)[1].approved.is_empty());
    let mut known = world();
    known.all.curve.iter_mut().skip(1).for_each(|(_, equity)| *equity = 10.0);
    assert!(known.approvals(by_portfolio)[1].approved.is_empty());
}
