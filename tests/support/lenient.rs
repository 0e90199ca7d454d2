//! Thresholds of approval that any model with a trade passes.

/// As `--set` takes them.
pub const LENIENT: [&str; 6] = [
    "verdict.fdr=1",
    "approve.min_sharpe=-100",
    "approve.min_win_rate=0",
    "approve.max_drawdown=1",
    "approve.min_trades=1",
    "approve.min_deflated_sharpe=0",
];
