//! Trades worked out by hand from the contract, section 5.
//!
//! Signals stop at 100 and take at 200 basis points where nothing else is said, so that a long entered at 100 has its
//! stop at 99 and its take at 102, a short 101 and 98. `labels.max_hold` is 5. Every bar trades 1000 units at about
//! 100: with a close of 100, slippage is 10·√(1000/100000) = 1 basis point a way.

/// One rule, the bars and signals that show it, and the trades that follow.
pub struct Scenario {
    pub rule: &'static str,
    /// open, high, low, close, volume
    pub bars: &'static [[f64; 5]],
    /// bar, side, then `stop_bps,take_bps,size` as in the file
    pub signals: &'static [(usize, i8, &'static str)],
    pub trades: &'static [Want],
}

pub struct Want {
    pub side: i32,
    pub entry_bar: usize,
    pub entry: f64,
    pub exit_bar: usize,
    pub exit: f64,
    pub reason: &'static str,
    pub size: f64,
    pub slippage: f64,
}

/// Nothing happens: no barrier of a trade entered at 100 is reached.
pub const QUIET: [f64; 5] = [100.0, 100.5, 99.5, 100.0, 1000.0];

const fn bar(open: f64, high: f64, low: f64) -> [f64; 5] {
    // Closes at 100 cost one basis point of slippage; the range must hold it.
    assert!(low <= 100.0 && high >= 100.0);
    [open, high, low, 100.0, 1000.0]
}

const fn volume(volume: f64) -> [f64; 5] {
    [100.0, 100.5, 99.5, 100.0, volume]
}

const fn want(side: i32, entry: (usize, f64), exit: (usize, f64), reason: &'static str) -> Want {
    let ((entry_bar, entry), (exit_bar, exit)) = (entry, exit);
    Want { side, entry_bar, entry, exit_bar, exit, reason, size: 1000.0, slippage: 2.0 }
}

const fn slipping(slippage: f64, size: f64, mut want: Want) -> Want {
    want.slippage = slippage;
    want.size = size;
    want
}

const Q: [f64; 5] = QUIET;
const USUAL: &str = "100,200,";
/// Far barriers: what else ends the trade is seen alone.
const FAR: &str = "5000,5000,";

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        rule: "a long whose bar opens below the stop exits at the open",
        bars: &[Q, Q, bar(98.0, 100.0, 97.0), Q, Q],
        signals: &[(0, 1, USUAL)],
        trades: &[want(1, (1, 100.0), (2, 98.0), "stop_loss")],
    },
    Scenario {
        rule: "a long whose bar opens above the take exits at the open",
        bars: &[Q, Q, bar(103.0, 104.0, 98.0), Q, Q],
        signals: &[(0, 1, USUAL)],
        trades: &[want(1, (1, 100.0), (2, 103.0), "take_profit")],
    },
    Scenario {
        rule: "a bar that reaches stop and take of a long exits at the stop",
        bars: &[Q, Q, bar(100.0, 103.0, 98.0), Q, Q],
        signals: &[(0, 1, USUAL)],
        trades: &[want(1, (1, 100.0), (2, 99.0), "stop_loss")],
    },
    Scenario {
        rule: "a long whose high reaches the take exits at the take",
        bars: &[Q, Q, Q, bar(100.5, 102.0, 99.5), Q],
        signals: &[(0, 1, USUAL)],
        trades: &[want(1, (1, 100.0), (3, 102.0), "take_profit")],
    },
    Scenario {
        rule: "a long whose low is the stop to the tick exits at the stop",
        bars: &[Q, Q, bar(100.0, 100.0, 99.0), Q, Q],
        signals: &[(0, 1, USUAL)],
        trades: &[want(1, (1, 100.0), (2, 99.0), "stop_loss")],
    },
    Scenario {
        rule: "a short whose bar opens above the stop exits at the open",
        bars: &[Q, Q, bar(101.5, 103.0, 97.0), Q, Q],
        signals: &[(0, -1, USUAL)],
        trades: &[want(-1, (1, 100.0), (2, 101.5), "stop_loss")],
    },
    Scenario {
        rule: "a short whose bar opens below the take exits at the open",
        bars: &[Q, Q, bar(97.5, 103.0, 97.0), Q, Q],
        signals: &[(0, -1, USUAL)],
        trades: &[want(-1, (1, 100.0), (2, 97.5), "take_profit")],
    },
    Scenario {
        rule: "a bar that reaches stop and take of a short exits at the stop",
        bars: &[Q, Q, bar(100.0, 103.0, 97.0), Q, Q],
        signals: &[(0, -1, USUAL)],
        trades: &[want(-1, (1, 100.0), (2, 101.0), "stop_loss")],
    },
    Scenario {
        rule: "a short whose low reaches the take exits at the take",
        bars: &[Q, Q, bar(100.0, 100.5, 97.9), Q, Q],
        signals: &[(0, -1, USUAL)],
        trades: &[want(-1, (1, 100.0), (2, 98.0), "take_profit")],
    },
    Scenario {
        rule: "the entry bar can reach the stop",
        bars: &[Q, bar(100.0, 100.5, 98.5), Q, Q],
        signals: &[(0, 1, USUAL)],
        trades: &[want(1, (1, 100.0), (1, 99.0), "stop_loss")],
    },
    Scenario {
        rule: "the entry bar can reach the take",
        bars: &[Q, bar(100.0, 100.5, 97.5), Q, Q],
        signals: &[(0, -1, USUAL)],
        trades: &[want(-1, (1, 100.0), (1, 98.0), "take_profit")],
    },
    Scenario {
        rule: "stop and take are fixed at the entry's open, not at the signal's close",
        bars: &[Q, bar(110.0, 110.0, 100.0), Q, Q],
        signals: &[(0, 1, USUAL)],
        trades: &[want(1, (1, 110.0), (1, 108.9), "stop_loss")],
    },
    Scenario {
        rule: "a trade held for max_hold bars exits at the open before anything within that bar",
        bars: &[Q, Q, Q, Q, Q, Q, bar(100.4, 103.0, 97.0), Q],
        signals: &[(0, 1, USUAL)],
        trades: &[want(1, (1, 100.0), (6, 100.4), "time")],
    },
    Scenario {
        rule: "time is the reason where the open is beyond the stop as well",
        bars: &[Q, Q, Q, Q, Q, Q, bar(98.0, 100.0, 97.0), Q],
        signals: &[(0, 1, USUAL)],
        trades: &[want(1, (1, 100.0), (6, 98.0), "time")],
    },
    Scenario {
        rule: "a stop in the last bar before max_hold comes first",
        bars: &[Q, Q, Q, Q, Q, bar(100.0, 100.0, 98.5), bar(100.4, 103.0, 97.0), Q],
        signals: &[(0, 1, USUAL)],
        trades: &[want(1, (1, 100.0), (5, 99.0), "stop_loss")],
    },
    Scenario {
        rule: "an opposite signal closes at the next open and enters its own side there",
        bars: &[Q, Q, Q, bar(100.4, 100.9, 99.9), bar(100.0, 100.1, 98.0), Q, Q],
        signals: &[(0, 1, USUAL), (2, -1, USUAL)],
        trades: &[want(1, (1, 100.0), (3, 100.4), "signal_reversal"), want(-1, (3, 100.4), (4, 98.392), "take_profit")],
    },
    Scenario {
        rule: "an opposite signal at the entry bar's close closes at the very next open",
        bars: &[Q, Q, bar(100.2, 100.4, 99.9), Q],
        signals: &[(0, -1, FAR), (1, 1, FAR)],
        trades: &[want(-1, (1, 100.0), (2, 100.2), "signal_reversal"), want(1, (2, 100.2), (3, 100.0), "end_of_data")],
    },
    Scenario {
        rule: "a reversal is the reason where time is up and the open beyond the stop as well",
        bars: &[Q, Q, Q, Q, Q, Q, bar(98.0, 100.0, 97.5), Q],
        signals: &[(0, 1, USUAL), (5, -1, FAR)],
        trades: &[want(1, (1, 100.0), (6, 98.0), "signal_reversal"), want(-1, (6, 98.0), (7, 100.0), "end_of_data")],
    },
    Scenario {
        rule: "an opposite signal at the close of a bar that stopped the trade only enters its own side",
        bars: &[Q, Q, bar(100.0, 100.0, 98.5), bar(100.3, 100.6, 99.9), Q],
        signals: &[(0, 1, USUAL), (2, -1, FAR)],
        trades: &[want(1, (1, 100.0), (2, 99.0), "stop_loss"), want(-1, (3, 100.3), (4, 100.0), "end_of_data")],
    },
    Scenario {
        rule: "a signal on the same side is ignored while a position is open, its distances too",
        bars: &[Q, Q, Q, bar(100.0, 100.0, 98.5), Q, Q],
        signals: &[(0, 1, USUAL), (1, 1, FAR), (2, 1, FAR)],
        trades: &[want(1, (1, 100.0), (3, 99.0), "stop_loss")],
    },
    Scenario {
        rule: "a signal on the same side does not extend the hold, nor enter again at the open of the time exit",
        bars: &[Q, Q, Q, Q, Q, Q, Q, Q, Q],
        signals: &[(0, 1, USUAL), (4, 1, USUAL), (5, 1, USUAL)],
        trades: &[want(1, (1, 100.0), (6, 100.0), "time")],
    },
    Scenario {
        rule: "a signal at the close of the bar of a time exit enters anew",
        bars: &[Q, Q, Q, Q, Q, Q, Q, Q, Q],
        signals: &[(0, 1, USUAL), (6, 1, USUAL)],
        trades: &[want(1, (1, 100.0), (6, 100.0), "time"), want(1, (7, 100.0), (8, 100.0), "end_of_data")],
    },
    Scenario {
        rule: "what is open at the last bar ends at its close",
        bars: &[Q, Q, Q, [100.0, 101.0, 99.5, 100.5, 1000.0]],
        signals: &[(0, 1, USUAL)],
        // 10·√(1000/100500) at the exit.
        trades: &[slipping(1.0 + 0.997_509_336_107_631_6, 1000.0, want(1, (1, 100.0), (3, 100.5), "end_of_data"))],
    },
    Scenario {
        rule: "a stop within the last bar comes before its close",
        bars: &[Q, Q, Q, bar(100.0, 100.5, 98.0)],
        signals: &[(0, 1, USUAL)],
        trades: &[want(1, (1, 100.0), (3, 99.0), "stop_loss")],
    },
    Scenario {
        rule: "a signal on the last bar does nothing",
        bars: &[Q, Q, Q, Q],
        signals: &[(3, 1, USUAL)],
        trades: &[],
    },
    Scenario {
        rule: "an opposite signal on the last bar does nothing either",
        bars: &[Q, Q, Q, Q],
        signals: &[(0, 1, USUAL), (3, -1, USUAL)],
        trades: &[want(1, (1, 100.0), (3, 100.0), "end_of_data")],
    },
    Scenario {
        rule: "a signal on the last bar but one is entered and ends within the last bar",
        bars: &[Q, Q, Q, bar(100.2, 100.5, 99.9)],
        signals: &[(2, -1, USUAL)],
        trades: &[want(-1, (3, 100.2), (3, 100.0), "end_of_data")],
    },
    Scenario {
        rule: "a signal of side 0 neither enters nor closes",
        bars: &[Q, Q, Q, Q],
        signals: &[(0, 0, USUAL), (1, 1, USUAL), (2, 0, USUAL)],
        trades: &[want(1, (2, 100.0), (3, 100.0), "end_of_data")],
    },
    Scenario {
        rule: "a bar without volume costs the cap",
        bars: &[Q, volume(0.0), Q, Q],
        signals: &[(0, 1, USUAL)],
        trades: &[slipping(101.0, 1000.0, want(1, (1, 100.0), (3, 100.0), "end_of_data"))],
    },
    Scenario {
        rule: "slippage never costs more than the cap",
        bars: &[Q, volume(0.01), Q, volume(0.0)],
        signals: &[(0, -1, USUAL)],
        trades: &[slipping(200.0, 1000.0, want(-1, (1, 100.0), (3, 100.0), "end_of_data"))],
    },
    Scenario {
        rule: "slippage is that of the bars of entry and exit, and grows with the root of the size",
        bars: &[volume(1.0), volume(250.0), volume(1.0), volume(4000.0)],
        signals: &[(0, 1, "100,200,4000")],
        trades: &[slipping(4.0 + 1.0, 4000.0, want(1, (1, 100.0), (3, 100.0), "end_of_data"))],
    },
    Scenario {
        rule: "without own distances the barriers are multiples of the signal bar's ATR, and before there is one no trade",
        // True ranges of 1: stop 1.5, take 2.5.
        bars: &[
            Q,
            Q,
            Q,
            Q,
            Q,
            Q,
            Q,
            Q,
            Q,
            Q,
            Q,
            Q,
            Q,
            Q,
            Q,
            Q,
            Q,
            Q,
            Q,
            bar(100.0, 100.2, 98.6),
            bar(100.0, 102.4, 98.6),
            bar(100.0, 102.5, 98.6),
            Q,
        ],
        signals: &[(5, 1, ",,"), (13, 1, ",,"), (17, 1, ",,"), (21, -1, "40,,")],
        trades: &[want(1, (18, 100.0), (21, 102.5), "take_profit"), want(-1, (22, 100.0), (22, 100.4), "stop_loss")],
    },
];
