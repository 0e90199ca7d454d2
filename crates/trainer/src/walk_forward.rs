//! Walk-forward training of a panel, in single steps or as a whole.

use std::collections::BTreeMap;

use huracan_bars::Panel;
use huracan_boost::device::Plans;
use huracan_decide::{Head, WaitReason};
use huracan_engine::{Compute, EngineError};
use huracan_features::{self as features, Features, View};
use huracan_folds::{self as folds, Fold, Grid, TooShort};
use huracan_labels::{self as labels, Labels};
use huracan_metrics::PredictedEdge;
use huracan_shadow::{Rules, Trade};

use super::ModelScope;
use super::approved::ApprovedAccount;
use super::batch::{self, models_per_fold};
use super::calibration::predicted_edges;
use super::inputs::TrainingInputs;
use super::out_of_fold::{Model, OutOfFold, out_of_fold};
use super::search::SearchBatch;
use super::verdict::ForwardEvidence;
use super::{
    ModelError, Observer, Targets, TrainedSymbol, TrainerError, TrainerParams, Tuning, TuningEntry, Unit, UnitFolds,
    calibrate,
};

/// Symbols trained together on the CPU: few enough that an interrupted run loses little, many enough to keep all cores
/// busy.
const SYMBOLS_PER_BATCH: usize = 8;
/// Symbols trained together on a device, which copies the whole feature table per batch and is efficient only with
/// thousands of models at a time.
const SYMBOLS_PER_DEVICE_BATCH: usize = 256;

/// The folds of one symbol.
#[derive(Debug, Clone, PartialEq)]
pub struct SymbolFolds {
    /// Row of the symbol in the panel.
    pub symbol: usize,
    /// Folds in time order; the latest window comes last, if it is trained.
    pub folds: Vec<Fold>,
}

/// Results of training all symbols.
#[derive(Debug, Default)]
pub struct TrainedSymbols {
    /// Trained symbols, by row in the panel.
    pub trained: BTreeMap<usize, TrainedSymbol>,
    /// Symbols without a model (row in the panel), and the reason.
    pub failed: Vec<(usize, ModelError)>,
    /// Number of symbols loaded from checkpoints.
    pub reused: usize,
    /// Where the trees were trained, if a device is used.
    pub trained_by: Plans,
}

impl TrainedSymbols {
    /// Number of the next symbol, from 1. Symbols that fail have a number too.
    fn next_number(&self) -> usize {
        self.trained.len() + self.failed.len() + 1
    }
}

/// A walk-forward: the folds of all its symbols, and the inputs that all models share.
pub struct WalkForward<'a> {
    pub(crate) params: &'a TrainerParams,
    pub(crate) compute: &'a Compute,
    pub(crate) panel: &'a Panel,
    pub(crate) features: &'a Features,
    pub(crate) rules: Rules,
    /// `[symbols × bars]`.
    pub(crate) atr: Vec<f64>,
    pub(crate) labels: Labels,
    pub(crate) view: View,
    pub(crate) targets: Targets,
    symbols: Vec<SymbolFolds>,
    /// Whose rows each model learns from, with its folds: the coins, or all of them together.
    units: Vec<UnitFolds>,
    too_short: Vec<(usize, TooShort)>,
}

impl<'a> WalkForward<'a> {
    /// Plans the folds of `symbols` (rows of the panel) and labels all bars. The panel's other symbols are used only
    /// for features across symbols. With `latest`, each symbol's latest window is trained too, which gives the final
    /// model; of a pool the latest window of the panel.
    ///
    /// # Errors
    /// [`EngineError`] if the device fails and falling back to the CPU is not allowed.
    pub fn new(
        params: &'a TrainerParams,
        compute: &'a Compute,
        panel: &'a Panel,
        features: &'a Features,
        symbols: &[usize],
        latest: bool,
    ) -> Result<Self, EngineError> {
        let all = symbols;
        let (symbols, too_short) = plan(params, panel, symbols, latest);
        let rules = params.rules(panel.timeframe);
        let atr = features::device::atr_14_on(compute, panel)?;
        let labels = labels::device::compute_on(compute, panel, &atr, &rules)?;
        let view = View::of_on(compute, panel, features)?;
        let targets = Targets::of(panel, &labels, &view, all, &rules, &params.models);
        let units = units(params, panel, all, &symbols);
        Ok(Self { params, compute, panel, features, rules, atr, labels, view, targets, symbols, units, too_short })
    }

    /// Symbols (rows in the panel) whose history is too short for one fold.
    pub fn too_short(&self) -> &[(usize, TooShort)] {
        &self.too_short
    }

    /// ATR(14) in price units, `[symbols × bars]`.
    pub fn atr(&self) -> &[f64] {
        &self.atr
    }

    /// Barriers and costs of trades.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The labels of all bars.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The columns that models see.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Number of models that [`Self::train`] trains.
    pub fn model_count(&self) -> usize {
        model_count(self.params, &self.symbols, &self.units)
    }

    /// Whether the parameters include a hyperparameter search.
    pub fn has_search(&self) -> bool {
        self.params.models.search.is_on()
    }

    /// The hyperparameter search for all symbols, folds and heads; see [`SearchBatch::run`].
    pub fn search_batch(&self) -> SearchBatch {
        SearchBatch::new(self.params, &self.targets, &self.units)
    }

    /// Searches hyperparameters for all symbols, folds and heads at once. The result is empty without a search.
    ///
    /// # Errors
    /// [`TrainerError`]: a parameter with which no model can be trained, a device failure without a fallback, or
    /// cancellation.
    pub fn search(&self, observer: &dyn Observer) -> Result<(Vec<TuningEntry>, Plans), TrainerError> {
        if self.has_search() {
            self.search_batch().run(self.compute, &self.view, observer)
        } else {
            Ok(Default::default())
        }
    }

    /// Trains all symbols, of scope `coin` and the own trees of scope `partial` in batches, and calibrates their predictions.
    /// Symbols for which the observer has a checkpoint are not trained again.
    ///
    /// # Errors
    /// [`TrainerError`]: a device failure without a fallback, cancellation, or a checkpoint that cannot be saved.
    pub fn train(&self, tuning: &Tuning, observer: &dyn Observer) -> Result<TrainedSymbols, TrainerError> {
        let Self { params, compute, panel, view, targets, .. } = self;
        let inputs = TrainingInputs { params, panel, view, targets, tuning, compute };
        let scope = params.models.scope;
        let mut done = TrainedSymbols::default();
        let mut todo = Vec::new();
        for own in &self.symbols {
            match observer.load_symbol(&panel.symbols[own.symbol]) {
                Some(found) => {
                    if scope.has_own_models() {
                        observer.models_done((own.folds.len() * own_models_per_fold(params)) as u64);
                    }
                    done.trained.insert(own.symbol, found);
                }
                None => todo.push(own.clone()),
            }
        }
        done.reused = done.trained.len();
        let pool = if scope.pools() && !todo.is_empty() {
            if !observer.may_continue() {
                return Err(TrainerError::Cancelled);
            }
            observer.pool_started(self.units.iter().map(|unit| unit.unit.symbols.len()).max().unwrap_or(0));
            let mut trained = batch::train(&inputs, &self.units, observer)?;
            batch::choose_pool_families(&inputs, &mut trained, &self.symbols)?;
            done.trained_by.extend(trained.plans.clone());
            Some(trained)
        } else {
            if scope.pools() {
                observer.models_done(pool_count(params, &self.units) as u64);
            }
            None
        };
        let total = done.reused + todo.len();
        let mut left = todo.as_slice();
        while !left.is_empty() {
            let (batch, after) = next_batch(left, compute, scope.has_own_models());
            left = after;
            if !observer.may_continue() {
                return Err(TrainerError::Cancelled);
            }
            for (number, own) in (done.next_number()..).zip(batch) {
                observer.symbol_started(&panel.symbols[own.symbol], number, total);
            }
            let coins;
            let trained = match &pool {
                Some(pool) => pool,
                None => {
                    let units: Vec<UnitFolds> = self.units_of(batch);
                    coins = batch::train(&inputs, &units, observer)?;
                    done.trained_by.extend(coins.plans.clone());
                    &coins
                }
            };
            let (results, plans) = batch::finish(&inputs, trained, batch, observer)?;
            done.trained_by.extend(plans);
            for (own, result) in batch.iter().zip(results) {
                match result {
                    Ok(found) => {
                        let failed = |source| TrainerError::Save { symbol: found.symbol.clone(), source };
                        observer.save_symbol(&found).map_err(failed)?;
                        done.trained.insert(own.symbol, found);
                    }
                    // A cancelled symbol has not failed.
                    Err(_) if observer.is_cancelled() => {}
                    Err(reason) => done.failed.push((own.symbol, reason)),
                }
            }
        }
        if observer.is_cancelled() {
            return Err(TrainerError::Cancelled);
        }
        calibrate::all(params, panel, view, targets, &self.units, &mut done.trained);
        done.trained.values_mut().for_each(TrainedSymbol::free_scores);
        Ok(done)
    }

    /// The units of some symbols, if each coin is one.
    fn units_of(&self, batch: &[SymbolFolds]) -> Vec<UnitFolds> {
        let own = |unit: &&UnitFolds| batch.iter().any(|own| unit.unit.symbols == [own.symbol]);
        self.units.iter().filter(own).cloned().collect()
    }

    /// Trades every symbol's out-of-fold predictions, and judges its model, also by what earlier models of the symbol (row of the
    /// panel) have done since they were handed over. Once `kill` gives a reason, the portfolio enters no more trades.
    ///
    /// # Errors
    /// [`EngineError`] if the device fails and falling back to the CPU is not allowed.
    pub fn out_of_fold(
        self,
        trained: BTreeMap<usize, TrainedSymbol>,
        forward: &BTreeMap<usize, ForwardEvidence>,
        kill: &dyn Fn() -> Option<String>,
    ) -> Result<OutOfFold, EngineError> {
        out_of_fold(self, trained, forward, kill)
    }
}

/// Splits the symbols into the next batch and the rest; without models of their own, all are one batch.
fn next_batch<'a, T>(todo: &'a [T], compute: &Compute, own_models: bool) -> (&'a [T], &'a [T]) {
    let on_cpu = compute.devices_left() == 0;
    let most = match (own_models, on_cpu) {
        (false, _) => todo.len(),
        (true, true) => SYMBOLS_PER_BATCH,
        // Whatever the number of devices: networks are trained in these batches, too.
        (true, false) => SYMBOLS_PER_DEVICE_BATCH,
    };
    todo.split_at(todo.len().min(most))
}

/// Symbols with their folds, and symbols whose history is too short.
fn plan(
    params: &TrainerParams,
    panel: &Panel,
    symbols: &[usize],
    latest: bool,
) -> (Vec<SymbolFolds>, Vec<(usize, TooShort)>) {
    let (mut planned, mut too_short) = (Vec::new(), Vec::new());
    let grid = Grid::of(panel);
    // The number of the latest window follows on those of all folds of the panel.
    let all = folds::plan(grid, &(0..panel.bars), &params.folds).map_or(0, |all| all.len());
    for &symbol in symbols {
        let range = &panel.ranges[symbol];
        match folds::plan(grid, range, &params.folds) {
            Ok(mut plan) => {
                if latest {
                    // A pool has one latest window: that of the panel.
                    let range = if params.models.scope.pools() { &(0..panel.bars) } else { range };
                    plan.push(folds::latest(grid, range, &params.folds, all));
                }
                planned.push(SymbolFolds { symbol, folds: plan });
            }
            Err(error) => too_short.push((symbol, error)),
        }
    }
    (planned, too_short)
}

/// Whose rows each model learns from. A pool learns from the rows of all symbols, also of those whose history is too short for
/// a model to be tested on them.
fn units(params: &TrainerParams, panel: &Panel, all: &[usize], symbols: &[SymbolFolds]) -> Vec<UnitFolds> {
    if !params.models.scope.pools() {
        let coin = |own: &SymbolFolds| UnitFolds { unit: Unit::coin(panel, own.symbol), folds: own.folds.clone() };
        return symbols.iter().map(coin).collect();
    }
    let mut folds: BTreeMap<usize, Fold> = BTreeMap::new();
    for fold in symbols.iter().flat_map(|own| &own.folds) {
        let longest = folds.entry(fold.index).or_insert_with(|| fold.clone());
        longest.test.end = longest.test.end.max(fold.test.end);
    }
    if folds.is_empty() {
        return Vec::new();
    }
    vec![UnitFolds { unit: Unit::pool(all), folds: folds.into_values().collect() }]
}

/// Number of models that are trained for each fold of a coin.
fn own_models_per_fold(params: &TrainerParams) -> usize {
    match params.models.scope {
        ModelScope::Coin => models_per_fold(params),
        ModelScope::Pooled => 0,
        ModelScope::Partial => Head::COUNT,
    }
}

/// Number of models of the pool.
fn pool_count(params: &TrainerParams, units: &[UnitFolds]) -> usize {
    if !params.models.scope.pools() {
        return 0;
    }
    units.iter().map(|own| own.folds.len()).sum::<usize>() * models_per_fold(params)
}

fn model_count(params: &TrainerParams, symbols: &[SymbolFolds], units: &[UnitFolds]) -> usize {
    let own = symbols.iter().map(|own| own.folds.len()).sum::<usize>() * own_models_per_fold(params);
    own + pool_count(params, units)
}

/// Results of [`walk_forward`]. The latest window is not trained: it has no test part, so nothing here depends on it.
pub struct WalkForwardResult {
    /// One entry per symbol that could be trained.
    pub models: Vec<Model>,
    /// Out-of-fold trades of all symbols, ordered by entry, then symbol.
    pub trades: Vec<Trade>,
    /// Number of bars per reason not to trade (the first that applies).
    pub waits: BTreeMap<WaitReason, usize>,
    /// Symbols without a model, and the reason.
    pub failed: Vec<(String, ModelError)>,
    /// The labels of the whole panel.
    pub labels: Labels,
    /// The account as it would have gone.
    pub account: ApprovedAccount,
    /// Bars that a label looks ahead at most.
    horizon_bars: usize,
}

impl WalkForwardResult {
    /// Predicted and realised edges of the labelled bars of all test windows.
    pub fn edges(&self, panel: &Panel) -> Vec<PredictedEdge> {
        predicted_edges(&self.models, panel, &self.labels, self.horizon_bars)
    }

    /// Number of models that [`walk_forward`] trains.
    pub fn model_count(params: &TrainerParams, panel: &Panel, symbols: &[usize]) -> usize {
        let (planned, _) = plan(params, panel, symbols, false);
        model_count(params, &planned, &units(params, panel, symbols, &planned))
    }
}

/// Trains some symbols (rows of the panel) walk-forward, trades their out-of-fold predictions and judges each model.
/// The panel's other symbols are used only for features across symbols.
///
/// # Errors
/// [`TrainerError`]: a parameter with which no model can be trained, a device failure without a fallback, cancellation,
/// or a checkpoint that cannot be saved.
pub fn walk_forward(
    params: &TrainerParams,
    compute: &Compute,
    panel: &Panel,
    symbols: &[usize],
    observer: &dyn Observer,
) -> Result<WalkForwardResult, TrainerError> {
    let features = features::device::compute_on(compute, panel)?;
    let walk = WalkForward::new(params, compute, panel, &features, symbols, false)?;
    let (choices, _) = walk.search(&SearchObserver(observer))?;
    let TrainedSymbols { trained, failed, .. } = walk.train(&Tuning::new(choices), observer)?;
    let name = |symbol: usize| panel.symbols[symbol].clone();
    let too_short = walk.too_short.iter().map(|(symbol, error)| (name(*symbol), error.clone().into()));
    let failed = too_short.chain(failed.into_iter().map(|(symbol, error)| (name(symbol), error))).collect();
    let OutOfFold { models, trades, waits, labels, account, .. } =
        walk.out_of_fold(trained, &BTreeMap::new(), &|| None)?;
    let horizon_bars = params.barriers.horizon_bars();
    Ok(WalkForwardResult { models, trades, waits, failed, labels, account, horizon_bars })
}

/// Observer of the search: it passes on cancellation only, because the search's models do not count as progress.
struct SearchObserver<'a>(&'a dyn Observer);

impl Observer for SearchObserver<'_> {
    fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

#[cfg(test)]
mod tests {
    use huracan_boost::BoostError;

    use super::*;

    #[test]
    fn symbols_that_fail_have_a_number_of_their_own() {
        let mut done = TrainedSymbols::default();
        assert_eq!(done.next_number(), 1);
        done.failed.push((0, ModelError::Trees(BoostError::NoRows { job: "a".to_owned() })));
        assert_eq!(done.next_number(), 2);
    }
}
