//! What a report tells: plain data, as `training_report.json` holds it.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::as_map;
use huracan_metrics::Calibration;

/// All that a report tells; plain data, filled by the pipeline. Shares are fractions (0.52 is 52 %).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportData {
    pub run_id: String,
    pub date: NaiveDate,
    pub generated_at: DateTime<Utc>,
    pub device: String,
    /// Prices of an invented market: said wherever results show.
    pub simulated: bool,
    pub timeframe: String,
    pub settings_digest: String,
    /// The program's version and commit, and the digest of all models together.
    #[serde(default)]
    pub version: String,
    #[serde(default)]
    pub git_commit: String,
    #[serde(default)]
    pub models_digest: String,
    /// Step and its seconds, in order.
    #[serde(with = "as_map")]
    pub seconds: Vec<(String, f64)>,
    pub peak_rss_bytes: Option<u64>,
    pub totals: Totals,
    pub symbols: Vec<SymbolRow>,
    /// Portfolio of all out-of-fold trades: time (ms, UTC) and equity (1 at the start).
    pub equity: Vec<(i64, f64)>,
    /// Holding all coins over the same days, with equal money each: time (ms, UTC) and worth (1 at the start).
    #[serde(default)]
    pub holding: Vec<(i64, f64)>,
    pub symbol_equity: Vec<SymbolCurve>,
    /// Features by their share of all gain, largest first.
    pub importance: Vec<Importance>,
    /// Whether the probabilities of the test windows mean what they say, by head.
    #[serde(default)]
    pub calibration: Vec<HeadCalibration>,
    /// Exit reason and its number of trades.
    pub exit_reasons: Vec<(String, u64)>,
    pub costs: Costs,
    /// Trades by market regime at entry.
    pub regimes: Vec<Group>,
    /// The same figures for other parts of the trades: a name such as `symbol`, and its groups.
    #[serde(default)]
    pub groups: Vec<Breakdown>,
    /// How the bars of the test windows were decided.
    #[serde(default)]
    pub decisions: Decisions,
    /// The voting engines, in their order.
    #[serde(default)]
    pub engines: Vec<EngineRow>,
    /// What the portfolio took and refused, and what stopped it.
    #[serde(default)]
    pub risk: RiskSummary,
    /// What the search for patterns found; empty where there was none.
    #[serde(default)]
    pub patterns: Patterns,
    /// What the search of hyperparameters gained and cost, by head; empty without one.
    pub search: Vec<SearchRow>,
    /// Families of models and what they say together; empty where there is only one.
    #[serde(default)]
    pub families: Vec<FamilyRow>,
    /// Mean training and validation loss of the networks by epoch; empty without networks.
    #[serde(default)]
    pub epochs: Vec<(f64, f64)>,
    pub exclusions: Vec<Exclusion>,
    pub failures: Vec<Failure>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    pub symbols: usize,
    pub trades: u64,
    pub approved: usize,
    pub rejected: usize,
    pub failed: usize,
    pub win_rate: Option<f64>,
    pub sharpe: Option<f64>,
    pub max_drawdown: Option<f64>,
    pub total_return: Option<f64>,
    /// From the portfolio's days.
    #[serde(default)]
    pub luck: Luck,
    /// Holding all coins over the same days, with equal money each.
    #[serde(default)]
    pub holding: Held,
    /// Costs over the gross profit of the portfolio's winning trades.
    #[serde(default)]
    pub cost_share: Option<f64>,
    #[serde(default)]
    pub cost_shares: CostShares,
}

/// How much of a result may be luck.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Luck {
    /// Configurations that the result was chosen from.
    pub tries: usize,
    /// Probability that the true Sharpe ratio beats that of luck: as published, and as the verdict goes by.
    pub probabilistic_sharpe: Option<f64>,
    pub published_deflated_sharpe: Option<f64>,
    pub deflated_sharpe: Option<f64>,
    /// 95 % bootstrap interval of the annualised Sharpe ratio.
    pub sharpe_low: Option<f64>,
    pub sharpe_high: Option<f64>,
    pub t_statistic: Option<f64>,
    pub skewness: Option<f64>,
    pub kurtosis: Option<f64>,
}

/// What holding would have earned over the same days, beyond its return.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Held {
    pub total_return: Option<f64>,
    pub sharpe: Option<f64>,
    pub max_drawdown: Option<f64>,
}

/// Shares of the gross profit that each cost ate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CostShares {
    pub fee: Option<f64>,
    pub spread: Option<f64>,
    pub slippage: Option<f64>,
    pub funding: Option<f64>,
}

/// A symbol's out-of-fold result; none where a number is not defined (no trades, zero deviation).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SymbolRow {
    pub symbol: String,
    pub folds: usize,
    pub trades: u64,
    pub win_rate: Option<f64>,
    pub sharpe: Option<f64>,
    pub sortino: Option<f64>,
    pub calmar: Option<f64>,
    pub max_drawdown: Option<f64>,
    pub total_return: Option<f64>,
    /// Costs over gross profit.
    pub cost_share: Option<f64>,
    #[serde(default)]
    pub cost_shares: CostShares,
    /// Return of holding the coin over the same test windows.
    pub buy_and_hold: Option<f64>,
    #[serde(default)]
    pub holding_sharpe: Option<f64>,
    #[serde(default)]
    pub holding_max_drawdown: Option<f64>,
    #[serde(default)]
    pub luck: Luck,
    pub approved: bool,
    /// Why it was rejected.
    pub reasons: Vec<String>,
    /// The model that was saved.
    #[serde(default)]
    pub model: Option<SavedModel>,
}

/// A saved model and the one of the symbol before it, which was judged on its own test windows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SavedModel {
    pub model_id: String,
    /// SHA-256 of the trees.
    pub digest: String,
    pub previous: Option<PreviousModel>,
}

/// What the previous model of a symbol was worth.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PreviousModel {
    pub model_id: String,
    pub sharpe: Option<f64>,
    pub win_rate: Option<f64>,
    pub max_drawdown: Option<f64>,
    pub total_return: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SymbolCurve {
    pub symbol: String,
    /// Time (ms, UTC) and equity (1 at the start).
    pub points: Vec<(i64, f64)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    pub feature: String,
    pub share: f64,
}

/// A head that says probabilities, and how true they were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeadCalibration {
    pub head: String,
    #[serde(flatten)]
    pub found: Calibration,
}

/// Sums over all trades, in `currency`; costs are positive, `net = gross − fee − spread − slippage − funding`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    pub currency: String,
    pub gross: f64,
    pub fee: f64,
    pub spread: f64,
    pub slippage: f64,
    pub funding: f64,
    pub net: f64,
}

/// What the trades of one group were worth.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Group {
    pub name: String,
    pub trades: u64,
    pub win_rate: Option<f64>,
    pub mean_net_bps: Option<f64>,
    pub profit_factor: Option<f64>,
    /// In the currency of the costs.
    pub net_profit: Option<f64>,
    /// Costs over gross profit.
    pub cost_share: Option<f64>,
    /// Student's t of the mean net result: beyond ±2 it is hardly luck, for one group looked at.
    pub t_statistic: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Breakdown {
    pub by: String,
    pub groups: Vec<Group>,
}

/// Who decided, how often the consensus would have traded, and why bars waited.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Decisions {
    /// `consensus`, `model` or `both`.
    pub mode: String,
    pub bars: u64,
    /// Bars that were traded, or would have been but for a position that was open already.
    pub signals: u64,
    /// Bars whose consensus score exceeds its threshold, to buy and to sell.
    pub beyond_buy: u64,
    pub beyond_sell: u64,
    /// Mean confidence of those, per cent.
    pub confidence: Option<f64>,
    /// Reason to wait and its number of bars.
    pub waits: Vec<(String, u64)>,
}

/// One voting engine: how often the market proved its votes right, and the trades that it voted for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EngineRow {
    pub engine: String,
    pub family: String,
    /// Share of its votes, by strength, over the newest known outcomes; mean of all symbols.
    pub hit_rate: Option<f64>,
    pub trades: u64,
    pub win_rate: Option<f64>,
    pub mean_net_bps: Option<f64>,
    /// Student's t of the mean net result.
    pub t_statistic: Option<f64>,
}

/// What risk made of the trades, for the portfolio.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RiskSummary {
    pub taken: usize,
    pub refused: usize,
    /// Refusals by reason, in the order in which the questions are asked.
    pub refusals: Vec<(String, usize)>,
    /// How often each breaker tripped.
    pub trips: Vec<(String, usize)>,
    pub breakers: Vec<BreakerSpan>,
    /// The most that was used of each cap, share of the equity at that moment.
    pub peak_leverage: f64,
    pub peak_coin_share: f64,
    pub peak_open_risk: f64,
}

/// The time for which a breaker held, ms, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerSpan {
    pub breaker: String,
    pub from_ms: i64,
    pub to_ms: i64,
}

/// The hyperparameters that the search chose for a head, against those of the settings. A gain is the share by which the
/// loss fell, the mean over all folds; below 0 it rose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchRow {
    pub head: String,
    /// Folds of all symbols, and those of them that left the settings' own parameters.
    pub folds: usize,
    pub moved: usize,
    /// On the rows that it was chosen by: flattering.
    pub validation_gain: f64,
    /// On the test windows, which no choice has seen.
    pub test_gain: f64,
    /// Rounds trained for each round of the settings' own parameters.
    pub cost: f64,
}

/// A family of models by itself, on the same test windows as the others; or what the families say together, which is what
/// the run went by.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FamilyRow {
    /// `gbdt`, `forest`, `neural`, or `together`.
    pub family: String,
    /// Share of folds and heads in whose prediction it has a part.
    pub part: f64,
    /// Seconds of training.
    pub seconds: f64,
    pub losses: Vec<FamilyLoss>,
    /// Of a portfolio that traded its predictions alone.
    pub trades: u64,
    pub win_rate: Option<f64>,
    pub mean_net_bps: Option<f64>,
    pub sharpe: Option<f64>,
    pub max_drawdown: Option<f64>,
    pub total_return: Option<f64>,
}

/// How far a family is from the labels of one head, the mean over all folds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FamilyLoss {
    pub head: String,
    /// On the rows that families were chosen by; none for all together.
    pub validation: Option<f64>,
    /// On the test windows.
    pub test: Option<f64>,
    /// Share by which the test loss is below that of the first family; below 0 it is above.
    pub gain: Option<f64>,
}

/// What the search for patterns found, the learned ones first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Patterns {
    /// Patterns that could have been looked at.
    pub tests: f64,
    pub list: Vec<PatternEntry>,
}

/// A condition on features and how trades on one side fare under it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PatternEntry {
    /// A coin, or `all coins`.
    pub symbol: String,
    pub side: String,
    pub conditions: String,
    pub train: PatternSide,
    pub test: PatternSide,
    /// Expected share of false ones among all that are as telling: on the training windows, then on the test windows.
    pub q_value: f64,
    pub test_q_value: f64,
    /// Whether it passed the discovery level on the training windows; if not, it is a lead, or was learned before.
    pub candidate: bool,
    /// Whether the test windows confirm it.
    pub learned: bool,
}

/// A pattern on the windows of one kind, beside what all bars of these earned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PatternSide {
    pub rows: u64,
    pub win_rate: Option<f64>,
    pub base_win_rate: Option<f64>,
    pub mean_net_bps: Option<f64>,
    pub base_net_bps: Option<f64>,
}

/// A coin that the universe left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclusion {
    pub symbol: String,
    pub reason: String,
}

/// A symbol that a step failed for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub symbol: String,
    pub step: String,
    pub reason: String,
}
