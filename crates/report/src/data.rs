//! The data of a report, as stored in `training_report.json`.

mod account;
mod forward;
mod training;

pub use account::*;
pub use forward::*;
pub use training::*;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::as_map;
use huracan_metrics::{Calibration, EdgeFit};

/// All data of a report. Shares are fractions (0.52 is 52 %).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportData {
    /// Identifier of the run.
    pub run_id: String,
    /// Day of the run.
    pub date: NaiveDate,
    /// When the report was created.
    pub generated_at: DateTime<Utc>,
    /// Compute device.
    pub device: String,
    /// Whether prices come from the simulated market; the page says so wherever it shows results.
    pub simulated: bool,
    /// Length of a bar, such as `1h`.
    pub timeframe: String,
    /// SHA-256 of the settings that can change a model.
    pub settings_digest: String,
    /// Version of the program.
    #[serde(default)]
    pub version: String,
    /// Git commit of the program.
    #[serde(default)]
    pub git_commit: String,
    /// SHA-256 over the sorted digests of all models.
    #[serde(default)]
    pub models_digest: String,
    /// Duration of each step, seconds, in the order of the steps.
    #[serde(with = "as_map")]
    pub seconds: Vec<(String, f64)>,
    /// Peak memory of the process, bytes.
    pub peak_rss_bytes: Option<u64>,
    /// The account as it would have gone: at every fold boundary it trades only models approved from what was known by then.
    #[serde(default)]
    pub account: AccountResult,
    /// Its equity: time (ms UTC) and equity (1 at the start).
    #[serde(default)]
    pub account_equity: Vec<(i64, f64)>,
    /// What was approved at each fold boundary, in time order.
    #[serde(default)]
    pub approvals: Vec<ApprovalRow>,
    /// The account that was offered the trades of all models, approved or not.
    #[serde(default)]
    pub all_models: AccountResult,
    /// What models that were handed over have done on bars that arrived afterwards.
    #[serde(default)]
    pub forward: ForwardReport,
    /// Counts of the whole run, and more results of the account of all models.
    pub totals: Totals,
    /// One row per trained symbol.
    pub symbols: Vec<SymbolRow>,
    /// Equity of the account of all models: time (ms UTC) and equity (1 at the start).
    pub equity: Vec<(i64, f64)>,
    /// Buy-and-hold benchmark over the same days, with equal money per coin: time (ms UTC) and value (1 at the start).
    #[serde(default)]
    pub holding: Vec<(i64, f64)>,
    /// Equity of each symbol's own account.
    pub symbol_equity: Vec<SymbolCurve>,
    /// Columns of the view by their share of the total gain, as far as the trees are believed, largest first.
    pub importance: Vec<Importance>,
    /// Number of models of whose trees something is believed. If there is none, the importance is that of all trees that were
    /// trained.
    #[serde(default)]
    pub importance_believed: Option<usize>,
    /// Calibration of the predictions on the test windows, by head.
    #[serde(default)]
    pub calibration: Vec<HeadCalibration>,
    /// Exit reasons and their numbers of trades.
    pub exit_reasons: Vec<(String, u64)>,
    /// Costs of all trades.
    pub costs: Costs,
    /// Trades by market regime at the signal.
    pub regimes: Vec<Group>,
    /// The same statistics for other groupings of the trades.
    #[serde(default)]
    pub groups: Vec<Breakdown>,
    /// Decisions on the bars of the test windows.
    #[serde(default)]
    pub decisions: Decisions,
    /// What the consensus of the voters adds to the models.
    #[serde(default)]
    pub consensus: ConsensusGain,
    /// One row per voter.
    #[serde(default, rename = "engines")]
    pub voters: Vec<VoterRow>,
    /// Trades that the portfolio took and refused, and its circuit breakers.
    #[serde(default)]
    pub risk: RiskSummary,
    /// Result of the pattern search; empty without one.
    #[serde(default)]
    pub patterns: Patterns,
    /// Gain and cost of the hyperparameter search, by head; empty without one.
    pub search: Vec<SearchRow>,
    /// Model families, and last their blend; empty if there is only one.
    #[serde(default)]
    pub families: Vec<FamilyRow>,
    /// Mean training and validation loss of the networks per epoch; empty without networks.
    #[serde(default)]
    pub epochs: Vec<(f64, f64)>,
    /// Coins that the universe selection left out.
    pub exclusions: Vec<Exclusion>,
    /// Symbols for which a step failed.
    pub failures: Vec<SymbolFailure>,
}

/// Results of the whole run; those of the account of all models are `None` where undefined.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Number of symbols with a model.
    pub symbols: usize,
    /// Number of out-of-fold trades that the account of all models took or refused.
    pub trades: u64,
    /// Number of approved models.
    pub approved: usize,
    /// Number of rejected models.
    pub rejected: usize,
    /// Number of approved models of earlier runs that were withdrawn, because this run did not train their coins.
    #[serde(default)]
    pub retired: usize,
    /// Number of symbols for which a step failed.
    pub failed: usize,
    /// Share of winning trades.
    pub win_rate: Option<f64>,
    /// Annualised Sharpe ratio.
    pub sharpe: Option<f64>,
    /// Largest fall from a peak, as a share of the peak.
    pub max_drawdown: Option<f64>,
    /// Final equity / starting equity − 1.
    pub total_return: Option<f64>,
    /// Significance of the Sharpe ratio; the observations are the portfolio's days.
    #[serde(default, rename = "luck")]
    pub evidence: SharpeEvidence,
    /// Buy-and-hold benchmark over the same days, with equal money per coin.
    #[serde(default)]
    pub holding: BuyAndHold,
    /// Costs over the gross profit of the portfolio's winning trades.
    #[serde(default)]
    pub cost_share: Option<f64>,
    /// The same share per kind of cost.
    #[serde(default)]
    pub cost_shares: CostShares,
}

/// Significance of a Sharpe ratio: how much of a result may be luck.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SharpeEvidence {
    /// Number of configurations from which the result was chosen.
    pub tries: usize,
    /// Probability that the true Sharpe ratio is above 0.
    pub probabilistic_sharpe: Option<f64>,
    /// Probability that the true Sharpe ratio beats luck, as published.
    pub published_deflated_sharpe: Option<f64>,
    /// Probability that the true Sharpe ratio beats luck, corrected for few observations and heavy tails; used by the
    /// verdict.
    pub deflated_sharpe: Option<f64>,
    /// Lower bound of the 95 % bootstrap interval of the annualised Sharpe ratio.
    pub sharpe_low: Option<f64>,
    /// Upper bound of that interval.
    pub sharpe_high: Option<f64>,
    /// Student's t of the mean against 0, by days; `None` with fewer than ten of them.
    pub t_statistic: Option<f64>,
    /// Skewness of the observations.
    pub skewness: Option<f64>,
    /// Kurtosis of the observations; 3 for a normal distribution.
    pub kurtosis: Option<f64>,
}

/// Buy-and-hold benchmark over the same days; `None` where undefined.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BuyAndHold {
    /// Final value / start value − 1.
    pub total_return: Option<f64>,
    /// Annualised Sharpe ratio.
    pub sharpe: Option<f64>,
    /// Largest fall from a peak, as a share of the peak.
    pub max_drawdown: Option<f64>,
}

/// Each kind of cost as a share of the gross profit of the winning trades.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CostShares {
    /// Exchange fees.
    pub fee: Option<f64>,
    /// Spread.
    pub spread: Option<f64>,
    /// Slippage.
    pub slippage: Option<f64>,
    /// Funding.
    pub funding: Option<f64>,
}

/// A symbol's out-of-fold results; `None` where a number is undefined (no trades, zero deviation).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SymbolRow {
    /// `BASE-QUOTE`.
    pub symbol: String,
    /// Number of folds.
    pub folds: usize,
    /// Number of trades.
    pub trades: u64,
    /// Share of winning trades.
    pub win_rate: Option<f64>,
    /// Annualised Sharpe ratio.
    pub sharpe: Option<f64>,
    /// Annualised Sortino ratio.
    pub sortino: Option<f64>,
    /// Calmar ratio.
    pub calmar: Option<f64>,
    /// Largest fall from a peak, as a share of the peak.
    pub max_drawdown: Option<f64>,
    /// Final equity / starting equity − 1.
    pub total_return: Option<f64>,
    /// Costs over gross profit.
    pub cost_share: Option<f64>,
    /// The same share per kind of cost.
    #[serde(default)]
    pub cost_shares: CostShares,
    /// Return of holding the coin over the same test windows.
    pub buy_and_hold: Option<f64>,
    /// Annualised Sharpe ratio of holding the coin.
    #[serde(default)]
    pub holding_sharpe: Option<f64>,
    /// Largest fall from a peak of holding the coin, as a share of the peak.
    #[serde(default)]
    pub holding_max_drawdown: Option<f64>,
    /// Significance of the Sharpe ratio; the observations are the trades.
    #[serde(default, rename = "luck")]
    pub evidence: SharpeEvidence,
    /// Smallest false-discovery rate at which the model is a discovery among all models of the run.
    #[serde(default)]
    pub q_value: Option<f64>,
    /// Whether the model is approved.
    pub approved: bool,
    /// Every threshold that was missed, as text; empty if approved.
    pub reasons: Vec<String>,
    /// The model that was saved.
    #[serde(default)]
    pub model: Option<SavedModel>,
}

/// A saved model, and the symbol's previous model, which was judged on its own test windows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SavedModel {
    /// Identifier of the model.
    pub model_id: String,
    /// SHA-256 of the model.
    pub digest: String,
    /// The symbol's previous model, if there is one.
    pub previous: Option<PreviousModel>,
}

/// Results of a symbol's previous model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PreviousModel {
    /// Identifier of the model.
    pub model_id: String,
    /// Annualised Sharpe ratio.
    pub sharpe: Option<f64>,
    /// Share of winning trades.
    pub win_rate: Option<f64>,
    /// Largest fall from a peak, as a share of the peak.
    pub max_drawdown: Option<f64>,
    /// Final equity / starting equity − 1.
    pub total_return: Option<f64>,
}

/// Equity curve of one symbol's account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SymbolCurve {
    /// `BASE-QUOTE`.
    pub symbol: String,
    /// Time (ms UTC) and equity (1 at the start).
    pub points: Vec<(i64, f64)>,
}

/// Importance of one feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// Name of the feature.
    pub feature: String,
    /// Its share of the total gain.
    pub share: f64,
}

/// How well a head's predictions match what happened on the test windows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeadCalibration {
    /// Name of the head.
    pub head: String,
    /// The fit of its predictions.
    #[serde(flatten)]
    pub fit: HeadFit,
}

/// The fit of a head's predictions. In files the two are told apart by their keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum HeadFit {
    /// Of a head that predicts the edge.
    Edge(EdgeFit),
    /// Of a head that predicts a probability.
    Probability(Calibration),
}

/// Sums over all trades, in `currency`; costs are positive, `net = gross − fee − spread − slippage − funding`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    /// Account currency.
    pub currency: String,
    /// Profit before costs.
    pub gross: f64,
    /// Exchange fees.
    pub fee: f64,
    /// Spread.
    pub spread: f64,
    /// Slippage.
    pub slippage: f64,
    /// Funding.
    pub funding: f64,
    /// Profit after costs.
    pub net: f64,
}

/// Statistics of one group of trades.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Group {
    /// Name of the group.
    pub name: String,
    /// Number of trades.
    pub trades: u64,
    /// Share of winning trades.
    pub win_rate: Option<f64>,
    /// Mean net result, basis points of notional.
    pub mean_net_bps: Option<f64>,
    /// Money won over money lost.
    pub profit_factor: Option<f64>,
    /// Net profit, in the currency of [`Costs`].
    pub net_profit: Option<f64>,
    /// Costs over gross profit.
    pub cost_share: Option<f64>,
    /// Student's t of the mean net result by days; `None` with trades on fewer than ten of them. A value beyond ±2 is unlikely
    /// to be luck, if only one group is examined.
    pub t_statistic: Option<f64>,
}

/// A grouping of the trades.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Breakdown {
    /// What the trades are grouped by, such as `symbol`.
    pub by: String,
    /// The groups.
    pub groups: Vec<Group>,
}

/// Decisions on the bars of the test windows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Decisions {
    /// Decision mode: `consensus`, `model` or `both`.
    pub mode: String,
    /// Number of bars.
    pub bars: u64,
    /// Bars with a signal, including those on which a position was already open.
    pub signals: u64,
    /// Bars whose consensus score is beyond its threshold to buy.
    pub beyond_buy: u64,
    /// Bars whose consensus score is beyond its threshold to sell.
    pub beyond_sell: u64,
    /// Mean confidence on the bars beyond a threshold, per cent.
    pub confidence: Option<f64>,
    /// Reasons not to trade, and their numbers of bars.
    pub waits: Vec<(String, u64)>,
}

/// What the consensus of the voters adds to the models: trades of all signals of each mode, each followed by itself. Means in
/// basis points; `None` where undefined.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsensusRow {
    /// `model`, `both` or `consensus`.
    pub mode: String,
    /// Number of trades.
    pub trades: u64,
    /// Mean result before costs.
    pub gross_bps: Option<f64>,
    /// Mean result after costs.
    pub net_bps: Option<f64>,
    /// Its standard error by days.
    pub error_bps: Option<f64>,
}

/// By how much the models' trades that the consensus confirms earn more than those that it does not.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsensusGain {
    /// One row per mode.
    pub modes: Vec<ConsensusRow>,
    /// Difference of the mean results before costs, basis points; `None` if it confirms all or none.
    pub gain_bps: Option<f64>,
    /// Its standard error by days.
    pub error_bps: Option<f64>,
}

/// One voter: how often its votes were right, and the trades that it voted for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VoterRow {
    /// Name of the voter.
    #[serde(rename = "engine")]
    pub voter: String,
    /// Family of the voter, such as `trend`.
    pub family: String,
    /// Share of its votes that were right, weighted by strength, over the latest known outcomes; mean of all symbols.
    pub hit_rate: Option<f64>,
    /// Number of trades that it voted for.
    pub trades: u64,
    /// Share of winning trades among those.
    pub win_rate: Option<f64>,
    /// Mean net result of those trades, basis points of notional.
    pub mean_net_bps: Option<f64>,
    /// Student's t of the mean net result by days; `None` with trades on fewer than ten of them.
    pub t_statistic: Option<f64>,
}

/// Trades that the portfolio took and refused, and its circuit breakers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RiskSummary {
    /// Number of trades taken.
    pub taken: usize,
    /// Number of trades refused.
    pub refused: usize,
    /// Refusals by reason, in the order in which the rules are checked.
    pub refusals: Vec<(String, usize)>,
    /// How often each breaker tripped.
    pub trips: Vec<(String, usize)>,
    /// Periods during which a breaker was active.
    pub breakers: Vec<BreakerSpan>,
    /// Highest notional of all open positions, as a multiple of the equity at that moment.
    pub peak_leverage: f64,
    /// Highest notional of one coin's open positions, as a share of the equity at that moment.
    pub peak_coin_share: f64,
    /// Highest loss if every stop were hit, as a share of the equity at that moment.
    pub peak_open_risk: f64,
    /// Highest net exposure to the market, as a multiple of the equity at that moment.
    #[serde(default)]
    pub peak_beta_exposure: f64,
}

/// A period during which a breaker was active.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerSpan {
    /// Name of the breaker.
    pub breaker: String,
    /// Start, ms UTC.
    pub from_ms: i64,
    /// End, ms UTC.
    pub to_ms: i64,
}

/// A coin that the universe selection left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exclusion {
    /// `BASE-QUOTE`.
    pub symbol: String,
    /// Every reason that applies, as text.
    pub reason: String,
}

/// A symbol for which a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SymbolFailure {
    /// `BASE-QUOTE`.
    pub symbol: String,
    /// Name of the step.
    pub step: String,
    /// What went wrong.
    pub reason: String,
}
