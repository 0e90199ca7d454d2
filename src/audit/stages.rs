//! The stages whose past must not know the future, each replaceable: a test puts a cheat in the place of one, and the
//! audit must find it.

use std::ops::Range;

use crate::bars::{Panel, Timeframe};
use crate::boost::{self, BoostError, BoostJob, BoostParams, Cuts, Forest, Table};
use crate::decide::votes::{self, VoterParams, Votes};
use crate::decide::{self, Consensus, Head, Prediction, Question};
use crate::engine::Compute;
use crate::features::{self, Features};
use crate::folds::{self, Fold, FoldParams, TooShort};
use crate::labels::{self, Labels};
use crate::settings::Settings;
use crate::shadow::{self, Rules, Signals, Trade};
use crate::trainer::{self, Study, TrainerError, walk_forward};

/// What a decision looks at.
pub struct Decision<'a> {
    pub settings: &'a Settings,
    pub panel: &'a Panel,
    pub features: &'a Features,
    pub consensus: &'a Consensus,
    /// `[symbols × bars]`.
    pub atr: &'a [f64],
    pub rules: &'a Rules,
    /// (symbol, bar, what its heads say).
    pub predictions: &'a [(usize, usize, Prediction)],
}

/// Folds of a symbol's bars.
pub type Plan = Result<Vec<Fold>, TooShort>;
/// Cut points of a job's features, and the codes of its training rows, `[features][rows]`.
pub type Binned = (Cuts, Vec<Vec<u8>>);
/// A forest a job.
pub type Grown = Vec<Result<Forest, BoostError>>;
/// Panel, signals, ATR, windows of each symbol, rules.
pub type Trading = fn(&Panel, &Signals, &[f64], &[Vec<Range<usize>>], &Rules) -> Vec<Trade>;

/// One function a stage, from candles to trades.
#[derive(Clone, Copy)]
pub struct Stages {
    pub features: fn(&Panel) -> Features,
    /// ATR(14) in f64, the unit of the barriers.
    pub atr: fn(&Panel) -> Vec<f64>,
    pub labels: fn(&Panel, &[f64], &Rules) -> Labels,
    pub votes: fn(&Panel, &VoterParams) -> Votes,
    pub consensus: fn(&Panel, &Votes, &Labels, &Settings) -> Consensus,
    pub folds: fn(&Range<usize>, &FoldParams, Timeframe) -> Plan,
    pub job: fn(&Panel, &Labels, usize, &Fold, Head, BoostParams) -> BoostJob,
    pub bins: fn(Table<'_>, &BoostJob) -> Binned,
    pub train: fn(Table<'_>, &[BoostJob]) -> Grown,
    pub signals: fn(&Decision<'_>) -> Signals,
    pub trades: Trading,
    /// The whole walk-forward of some symbols, as a run does it.
    pub walk: fn(&Settings, &Compute, &Panel, &[usize]) -> Result<Study, TrainerError>,
}

impl Stages {
    /// Those of a run.
    pub fn of_a_run() -> Self {
        Self {
            features: features::compute,
            atr: features::atr_14,
            labels: labels::compute,
            votes: votes::compute,
            consensus: |panel, votes, labels, settings| {
                decide::consensus(panel, votes, labels, &settings.decide, settings.labels.horizon_bars())
            },
            folds: folds::plan,
            job: trainer::job,
            bins: |table, job| Cuts::new(table, &job.train, job.params.max_bin),
            train: |table, jobs| boost::train(table, &features::names(), jobs, &|_| ()),
            signals: |d| {
                let questions: Vec<Question> =
                    d.predictions.iter().map(|&(symbol, bar, says)| (symbol, bar, Some(says))).collect();
                decide::decide(d.panel, &questions, d.consensus, d.atr, d.rules, d.settings.trainer().policy()).signals
            },
            trades: shadow::simulate,
            walk: |settings, compute, panel, symbols| walk_forward(&settings.trainer(), compute, panel, symbols, &()),
        }
    }
}
