//! Parameters of training and approval (settings sections `models` and `approve`).

use serde::{Deserialize, Serialize};

use huracan_boost::Grid;
use huracan_decide::{DecideParams, Policy};
use huracan_folds::FoldParams;
use huracan_risk::RiskParams;
use huracan_shadow::{BarrierParams, CostParams, MarketType, Rules};

/// All parameters that determine the result of a walk-forward on given candles.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainerParams {
    /// Which market is traded.
    pub market: MarketType,
    /// Barriers of labels and trades.
    pub barriers: BarrierParams,
    /// Lengths of the fold windows.
    pub folds: FoldParams,
    /// The models and their hyperparameters.
    pub models: ModelParams,
    /// Decision rules and voters.
    pub decide: DecideParams,
    /// Trading costs.
    pub costs: CostParams,
    /// The account and its risk rules.
    pub risk: RiskParams,
    /// Thresholds of approval.
    pub approve: ApprovalParams,
    /// How much luck there may be among the approved models.
    pub verdict: VerdictParams,
    /// How many independent nights' tests the approvals of this one are chosen from, at least 1.
    pub nights: f64,
    /// Seed of every random draw.
    pub seed: u64,
}

impl TrainerParams {
    /// Barriers and costs of trades on bars of this length.
    pub fn rules(&self, timeframe: huracan_bars::Timeframe) -> Rules {
        Rules::new(&self.barriers, &self.costs, self.market, timeframe)
    }

    /// Decision policy: mode and safety margin.
    pub fn policy(&self) -> Policy {
        Policy { mode: self.decide.mode, margin_bps: self.costs.safety_margin_bps }
    }
}

/// Which models are trained, and their hyperparameters.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct ModelParams {
    /// Families of models.
    pub kind: ModelKind,
    /// Whose rows a model learns from.
    pub scope: ModelScope,
    /// Whether the edge is learned without its mean over all coins of the bar, where there are at least five.
    pub demean: bool,
    /// Whether rows are weighted by the average uniqueness of their labels.
    pub uniqueness: bool,
    /// Days after which a row weighs half as much; 0 means that age does not matter.
    pub half_life_days: f64,
    /// Maximum number of trees per head.
    pub rounds: u32,
    /// Shrinkage of each tree; not used by a forest.
    pub learning_rate: f64,
    /// Order in which leaves are split.
    pub growth: TreeGrowth,
    /// Maximum number of levels of a tree; with growth by leaf, 0 means no limit. Small, because returns are mostly
    /// noise.
    pub max_depth: u32,
    /// Maximum number of leaves of a tree grown by leaf.
    pub max_leaves: u32,
    /// Quantile bins per feature, plus one for missing values.
    pub max_bin: u32,
    /// L2 penalty on leaf values, as a share of the total weight of the rows drawn: a leaf with this share of it is shrunk by
    /// half, whatever the head and the number of rows.
    pub l2_share: f64,
    /// Minimum share of that weight in a leaf.
    pub min_child_share: f64,
    /// Minimum gain of a split, as a share of what a tree with a leaf per row would gain, whatever the head and the number of
    /// rows.
    pub min_split_gain: f64,
    /// Share of rows drawn per tree.
    pub subsample: f64,
    /// Share of features drawn per tree.
    pub colsample: f64,
    /// Share of the tree's features drawn per split; a forest needs less than 1.
    pub colsample_node: f64,
    /// Rounds without a better validation loss before training stops; 0 never stops.
    pub early_stopping: u32,
    /// Minimum number of rounds that early stopping may choose: on noise it prefers the first few.
    pub min_rounds: u32,
    /// Loss of the head `edge_bps`.
    pub edge_loss: EdgeLoss,
    /// Huber loss: error above which the gradient no longer grows, multiples of the ATR.
    pub edge_huber_atr: f64,
    /// Quantile loss: share of outcomes below the prediction; under 0.5 is cautious.
    pub edge_quantile: f64,
    /// Hyperparameter search.
    pub search: SearchParams,
    /// Networks, for kinds `neural` and `ensemble`.
    pub neural: NetworkParams,
}

/// Which families of models are trained.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// Boosted trees.
    Gbdt,
    /// Random forests: the mean of independent trees.
    Forest,
    /// Networks.
    Neural,
    /// All three; per head, the mean of those that are best on the validation part.
    Ensemble,
}

/// Whose rows a model learns from.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ModelScope {
    /// A model per coin.
    Coin,
    /// One model for all coins of a fold.
    Pooled,
    /// The pooled model, and what a coin's own rows add to it.
    Partial,
}

impl ModelScope {
    /// Whether there is a model for all coins together.
    pub fn pools(self) -> bool {
        self != Self::Coin
    }

    /// Whether coins have models of their own.
    pub fn has_own_models(self) -> bool {
        self != Self::Pooled
    }
}

/// Parameters of the networks; one network per fold and seed learns all heads together.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct NetworkParams {
    /// Number of bars seen, ending with the current one: 1 is a perceptron; 2, 4, … 128 a convolution.
    pub window: u32,
    /// Channels per layer.
    pub width: u32,
    /// Number of residual blocks.
    pub blocks: u32,
    /// Maximum number of passes over the training rows.
    pub epochs: u32,
    /// Rows per step.
    pub batch: u32,
    /// Peak of the one-cycle learning rate; higher rates learn the noise (docs/formulas.md).
    pub learning_rate: f64,
    /// Decay of the weights; biases do not decay.
    pub weight_decay: f64,
    /// Share of a layer's outputs dropped per step.
    pub dropout: f64,
    /// s: labels 0 and 1 become s/2 and 1 − s/2.
    pub label_smoothing: f64,
    /// Maximum norm of a step's gradient; 0 means no limit.
    pub clip_norm: f64,
    /// Epochs without a better validation loss before training stops; 0 never stops.
    pub patience: u32,
    /// Networks per fold; their mean is used.
    pub seeds: u32,
}

/// Which leaf of a growing tree is split next.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum TreeGrowth {
    /// All leaves of a level.
    Level,
    /// The leaf with the largest gain.
    Leaf,
}

/// Loss of the head `edge_bps`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum EdgeLoss {
    /// Squared error.
    Squared,
    /// Huber loss: linear for large errors.
    Huber,
    /// Quantile (pinball) loss.
    Quantile,
}

/// Hyperparameter search by successive halving, on each fold's validation part.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct SearchParams {
    /// Configurations tried per model, including the parameters of the settings; 0 or 1 means no search.
    pub configurations: usize,
    /// One in this many configurations advances to the next rung, with this many times the rounds.
    pub halving: usize,
    /// Number of rungs; the last one trains all rounds.
    pub rungs: u32,
    /// Whether all coins of a fold choose together, because one coin's validation part is short.
    pub pool: bool,
    /// Values from which configurations are drawn.
    pub grid: Grid,
}

impl SearchParams {
    /// Whether there is more than one configuration to choose from.
    pub fn is_on(&self) -> bool {
        self.configurations > 1
    }
}

/// Thresholds of approval; a model's out-of-fold trades must pass all five.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct ApprovalParams {
    /// Minimum Sharpe ratio, annualised, net of costs.
    pub min_sharpe: f64,
    /// Minimum share of trades that make money.
    pub min_win_rate: f64,
    /// Maximum fall from a peak, as a share of equity.
    pub max_drawdown: f64,
    /// Minimum number of trades: fewer prove nothing.
    pub min_trades: u32,
    /// Minimum deflated Sharpe ratio: the probability that the true Sharpe ratio beats luck, given the number of tries;
    /// 0 turns the check off.
    pub min_deflated_sharpe: f64,
}

/// How much luck there may be among the approved models.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct VerdictParams {
    /// False-discovery rate: the largest share of the approved models that may be luck; 1 turns the check off.
    pub fdr: f64,
    /// Whether no model is approved while the account of all models does not pass at the same rate.
    pub portfolio: bool,
    /// Days of the forward record that count.
    pub forward_days: u32,
    /// Fewest standard errors (by days) by which the realised edges of a symbol's handed-over models may differ from the predicted
    /// ones, once they have trades on 20 days.
    pub forward_min_t: f64,
}

impl Default for ModelParams {
    /// The built-in defaults.
    fn default() -> Self {
        Self {
            kind: ModelKind::Gbdt,
            scope: ModelScope::Partial,
            demean: true,
            uniqueness: true,
            half_life_days: 0.0,
            rounds: 200,
            learning_rate: 0.02,
            growth: TreeGrowth::Level,
            max_depth: 3,
            max_leaves: 31,
            max_bin: 255,
            l2_share: 0.1,
            min_child_share: 0.02,
            min_split_gain: 0.0,
            subsample: 0.7,
            colsample: 1.0,
            colsample_node: 1.0,
            early_stopping: 20,
            min_rounds: 50,
            edge_loss: EdgeLoss::Squared,
            edge_huber_atr: 1.0,
            edge_quantile: 0.5,
            search: SearchParams {
                configurations: 0,
                halving: 3,
                rungs: 3,
                pool: true,
                grid: Grid {
                    learning_rate: vec![0.02, 0.05, 0.1],
                    max_depth: vec![2, 3, 4, 6],
                    l2: vec![0.001, 0.01, 0.05, 0.2],
                    min_child_hessian: vec![0.005, 0.02, 0.05],
                    subsample: vec![0.5, 0.8, 1.0],
                    colsample: vec![0.3, 0.6, 0.8, 1.0],
                },
            },
            neural: NetworkParams {
                window: 1,
                width: 64,
                blocks: 1,
                epochs: 10,
                batch: 256,
                learning_rate: 0.0005,
                weight_decay: 0.1,
                dropout: 0.5,
                label_smoothing: 0.05,
                clip_norm: 1.0,
                patience: 5,
                seeds: 4,
            },
        }
    }
}

impl Default for VerdictParams {
    /// The built-in defaults.
    fn default() -> Self {
        Self { fdr: 0.1, portfolio: false, forward_days: 180, forward_min_t: -2.0 }
    }
}

impl Default for ApprovalParams {
    /// The built-in defaults.
    fn default() -> Self {
        Self { min_sharpe: 0.5, min_win_rate: 0.45, max_drawdown: 0.2, min_trades: 30, min_deflated_sharpe: 0.975 }
    }
}
