//! Step 6 in memory alone: the walk-forward of a panel without a day, a brain or a checkpoint around it.

use std::collections::BTreeMap;

use super::batch::{self, Inputs, Listener};
use super::{Learned, Model, next_batch, practise, tune};
use crate::decide::Wait;
use crate::engine::Compute;
use crate::exit::Failure;
use crate::features;
use crate::folds::{self, Fold};
use crate::labels;
use crate::market::Panel;
use crate::settings::Settings;
use crate::shadow::{Rules, Trade};

/// What the walk-forward of a panel found. The last window, whose model would be handed on, is not trained: it has
/// no test part, so that nothing here depends on it.
pub struct Study {
    pub models: Vec<Model>,
    /// Out-of-fold trades of all symbols, by entry, then symbol.
    pub trades: Vec<Trade>,
    pub waits: BTreeMap<Wait, usize>,
    /// Symbols without a model, and why.
    pub failed: Vec<(String, String)>,
}

/// Symbols with their folds, and symbols without one, with the reason.
type Plans = (Vec<(usize, Vec<Fold>)>, Vec<(String, String)>);

/// Folds of these symbols whose test window is whole, and the symbols that have none, with the reason.
fn plan(settings: &Settings, panel: &Panel, symbols: &[usize]) -> Plans {
    let (mut plans, mut failed) = (Vec::new(), Vec::new());
    for &symbol in symbols {
        match folds::plan(&panel.ranges[symbol], &settings.folds, panel.timeframe) {
            Ok(plan) => plans.push((symbol, plan)),
            Err(error) => failed.push((panel.symbols[symbol].clone(), error.to_string())),
        }
    }
    (plans, failed)
}

/// Trains some symbols of the panel walk-forward, trades their out-of-fold predictions and judges each model by them;
/// the others are there for what symbols have in common. `done` is called after each trained model, [`models`] times
/// in all.
///
/// # Errors
/// Settings that nothing can be trained with; a device that fails where the CPU must not take its place.
pub fn study(
    settings: &Settings,
    compute: &Compute,
    panel: &Panel,
    symbols: &[usize],
    done: &(dyn Fn() + Sync),
) -> Result<Study, Failure> {
    let (plans, mut failed) = plan(settings, panel, symbols);
    let rules = Rules::new(&settings.labels, &settings.costs, settings.market.kind, panel.timeframe);
    let features = features::device::compute_on(compute, panel)?;
    let atr = features::device::atr_14_on(compute, panel)?;
    let labels = labels::device::compute_on(compute, panel, &atr, &rules)?;
    let tuning = tune::search(settings, compute, panel, &features, &labels, &plans)?;
    let inputs = Inputs { settings, panel, features: &features, labels: &labels, tuning: &tuning, compute };
    let mut trained = BTreeMap::new();
    let mut left = plans.as_slice();
    while !left.is_empty() {
        let (batch, after) = next_batch(left, compute);
        left = after;
        let listener = Listener { wanted: &|| true, done, told: &|_| (), checkpoints: None };
        for ((symbol, _), result) in batch.iter().zip(batch::train(&inputs, batch, &listener)?.0) {
            match result {
                Ok(found) => drop(trained.insert(*symbol, found)),
                Err(reason) => failed.push((panel.symbols[*symbol].clone(), reason)),
            }
        }
    }
    let practised =
        practise::Inputs { settings, panel, features: &features, labels, atr: &atr, rules: &rules, compute };
    let Learned { models, trades, waits, .. } =
        practise::practise(practised, trained, String::new(), String::new(), &|| None)?;
    Ok(Study { models, trades, waits, failed })
}

/// Models that [`study`] trains.
pub fn models(settings: &Settings, panel: &Panel, symbols: &[usize]) -> usize {
    plan(settings, panel, symbols).0.iter().map(|(_, folds)| folds.len() * batch::models_a_fold(settings)).sum()
}
