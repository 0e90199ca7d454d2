//! Parameters of the models that are trained, and of their approval.

use serde::{Deserialize, Serialize};

use huracan_boost::Grid;
use huracan_decide::{DecideParams, Policy};
use huracan_folds::FoldParams;
use huracan_risk::RiskParams;
use huracan_shadow::{BarrierParams, CostParams, MarketType, Rules};

/// Everything that decides what a walk-forward finds on given candles.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainerParams {
    /// Which market is traded.
    pub market: MarketType,
    /// Barriers of labels and trades.
    pub barriers: BarrierParams,
    /// Lengths of the windows.
    pub folds: FoldParams,
    /// What is trained, and how.
    pub models: ModelParams,
    /// Who must agree to a trade, and how voters are heard.
    pub decide: DecideParams,
    /// What a trade costs.
    pub costs: CostParams,
    /// The account and its rules.
    pub risk: RiskParams,
    /// Thresholds of approval.
    pub approve: ApprovalParams,
    /// Seed of every random draw.
    pub seed: u64,
}

impl TrainerParams {
    /// Barriers and costs of trades on bars of this length.
    pub fn rules(&self, timeframe: huracan_bars::Timeframe) -> Rules {
        Rules::new(&self.barriers, &self.costs, self.market, timeframe)
    }

    /// What decisions go by.
    pub fn policy(&self) -> Policy {
        Policy { mode: self.decide.mode, margin_bps: self.costs.safety_margin_bps }
    }
}

/// What is trained, and how.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct ModelParams {
    pub kind: ModelKind,
    pub rounds: u32,
    pub learning_rate: f64,
    pub growth: TreeGrowth,
    pub max_depth: u32,
    pub max_leaves: u32,
    pub max_bin: u32,
    pub l2: f64,
    pub min_child_hessian: f64,
    pub min_split_gain: f64,
    pub subsample: f64,
    pub colsample: f64,
    pub colsample_node: f64,
    pub early_stopping: u32,
    pub min_rounds: u32,
    pub edge_loss: EdgeLoss,
    pub edge_huber_bps: f64,
    pub edge_quantile: f64,
    pub search: SearchParams,
    pub neural: NetworkParams,
}

/// Which families of models are trained.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    Gbdt,
    Forest,
    Neural,
    Ensemble,
}

/// Networks.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct NetworkParams {
    pub window: u32,
    pub width: u32,
    pub blocks: u32,
    pub epochs: u32,
    pub batch: u32,
    pub learning_rate: f64,
    pub weight_decay: f64,
    pub dropout: f64,
    pub label_smoothing: f64,
    pub clip_norm: f64,
    pub patience: u32,
    pub seeds: u32,
}

/// Which leaf of a growing tree is split next.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum TreeGrowth {
    Level,
    Leaf,
}

/// What the head `edge_bps` learns by.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum EdgeLoss {
    Squared,
    Huber,
    Quantile,
}

/// Hyperparameters by successive halving.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct SearchParams {
    pub configurations: usize,
    pub halving: usize,
    pub rungs: u32,
    pub pool: bool,
    pub grid: Grid,
}

impl SearchParams {
    /// Whether there is anything to choose from.
    pub fn is_on(&self) -> bool {
        self.configurations > 1
    }
}

/// Thresholds that a model's out-of-fold trades must pass.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub struct ApprovalParams {
    pub min_sharpe: f64,
    pub min_win_rate: f64,
    pub max_drawdown: f64,
    pub min_trades: u32,
    pub min_deflated_sharpe: f64,
}

impl Default for ModelParams {
    /// The built-in settings.
    fn default() -> Self {
        Self {
            kind: ModelKind::Gbdt,
            rounds: 200,
            learning_rate: 0.02,
            growth: TreeGrowth::Level,
            max_depth: 2,
            max_leaves: 31,
            max_bin: 255,
            l2: 20.0,
            min_child_hessian: 20.0,
            min_split_gain: 0.0,
            subsample: 0.5,
            colsample: 0.5,
            colsample_node: 0.2,
            early_stopping: 20,
            min_rounds: 50,
            edge_loss: EdgeLoss::Squared,
            edge_huber_bps: 100.0,
            edge_quantile: 0.5,
            search: SearchParams {
                configurations: 0,
                halving: 3,
                rungs: 3,
                pool: true,
                grid: Grid {
                    learning_rate: vec![0.02, 0.05, 0.1],
                    max_depth: vec![2, 3, 4, 6],
                    l2: vec![0.1, 1.0, 10.0, 100.0],
                    min_child_hessian: vec![1.0, 5.0, 20.0, 60.0],
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

impl Default for ApprovalParams {
    /// The built-in settings.
    fn default() -> Self {
        Self { min_sharpe: 0.5, min_win_rate: 0.45, max_drawdown: 0.2, min_trades: 30, min_deflated_sharpe: 0.975 }
    }
}
