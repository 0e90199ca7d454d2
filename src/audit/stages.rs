//! The stages that must not use the future. Each can be replaced: a test replaces one with a function that cheats, and the
//! audit must find it.

use std::ops::Range;

use crate::bars::Panel;
use crate::boost::{self, BoostError, BoostJob, BoostParams, Cuts, Forest, Table};
use crate::decide::votes::{self, VoterParams, Votes};
use crate::decide::{self, Candidate, Consensus, Head, Prediction};
use crate::engine::Compute;
use crate::features::{self, Features, View};
use crate::folds::{self, Fold, FoldParams, Grid, TooShort};
use crate::labels::{self, Labels};
use crate::settings::Settings;
use crate::shadow::{self, Rules, Signals, Trade};
use crate::trainer::{self, ModelParams, Observer, Targets, TrainerError, Unit, WalkForwardResult, walk_forward};

/// The inputs of a decision.
pub struct Decision<'a> {
    /// The settings.
    pub settings: &'a Settings,
    /// The candles.
    pub panel: &'a Panel,
    /// The feature catalogue.
    pub features: &'a Features,
    /// The consensus of the voters.
    pub consensus: &'a Consensus,
    /// ATR(14), `[symbols × bars]`.
    pub atr: &'a [f64],
    /// The rules of a trade.
    pub rules: &'a Rules,
    /// Symbol, bar and prediction.
    pub predictions: &'a [(usize, usize, Prediction)],
}

/// Folds of a symbol's bars.
pub type FoldPlan = Result<Vec<Fold>, TooShort>;
/// Cut points of a job's features, and the codes of its training rows, `[features][rows]`.
pub type BinnedRows = (Cuts, Vec<Vec<u8>>);
/// One forest per job.
pub type TrainedForests = Vec<Result<Forest, BoostError>>;
/// From settings, device, panel, rows of the symbols, and who watches.
pub type WholeWalk =
    fn(&Settings, &Compute, &Panel, &[usize], &dyn Observer) -> Result<WalkForwardResult, TrainerError>;
/// From panel, signals, ATR, windows per symbol, and rules.
pub type TradeSimulation = fn(&Panel, &Signals, &[f64], &[Vec<Range<usize>>], &Rules) -> Vec<Trade>;

/// One function per stage, from candles to trades.
#[derive(Clone, Copy)]
pub struct Stages {
    /// The feature catalogue.
    pub features: fn(&Panel) -> Features,
    /// ATR(14) in f64, the unit of the barriers.
    pub atr: fn(&Panel) -> Vec<f64>,
    /// Labels, from panel, ATR and rules.
    pub labels: fn(&Panel, &[f64], &Rules) -> Labels,
    /// The votes of all voters.
    pub votes: fn(&Panel, &VoterParams) -> Votes,
    /// The consensus of the votes.
    pub consensus: fn(&Panel, &Votes, &Labels, &Settings) -> Consensus,
    /// The folds of a range of bars.
    pub folds: fn(Grid, &Range<usize>, &FoldParams) -> FoldPlan,
    /// The scale-free view of the features.
    pub view: fn(&Panel, &Features) -> View,
    /// The boosting job of a unit, fold and head.
    pub job: fn(&Targets, &Unit, &Fold, Head, &ModelParams, BoostParams) -> BoostJob,
    /// Cut points and codes of a job.
    pub bins: fn(Table<'_>, &BoostJob) -> BinnedRows,
    /// Trains the jobs.
    pub train: fn(Table<'_>, &[BoostJob]) -> TrainedForests,
    /// The signals of a decision.
    pub signals: fn(&Decision<'_>) -> Signals,
    /// The trades of signals.
    pub trades: TradeSimulation,
    /// The whole walk-forward of some symbols, as a run does it.
    pub walk: WholeWalk,
}

impl Stages {
    /// The stages of a run.
    pub fn of_a_run() -> Self {
        Self {
            features: features::compute,
            atr: features::atr_14,
            labels: labels::compute,
            votes: votes::compute,
            consensus: |panel, votes, labels, settings| {
                decide::consensus::compute(panel, votes, labels, &settings.decide, settings.labels.horizon_bars())
            },
            folds: folds::plan,
            view: View::of,
            job: trainer::boost_job,
            bins: |table, job| Cuts::new(table, &job.train, job.params.max_bin),
            train: |table, jobs| boost::train(table, &features::view_names(), jobs, &|_| ()),
            signals: |d| {
                let questions: Vec<Candidate> =
                    d.predictions.iter().map(|&(symbol, bar, prediction)| (symbol, bar, Some(prediction))).collect();
                decide::decide(d.panel, &questions, d.consensus, d.atr, d.rules, d.settings.trainer().policy()).signals
            },
            trades: shadow::simulate,
            walk: |settings, compute, panel, symbols, observer| {
                walk_forward(&settings.trainer(), compute, panel, symbols, observer)
            },
        }
    }
}
