//! The row of the whole walk-forward: features, labels, every fold and head of every symbol, trades and verdicts.

use super::measure::{Bench, Comparison, Row, Work};
use super::sizes::{FULL, Sizes, of};
use super::{Data, bits, market, stages};
use crate::bars::Panel;
use crate::decide::Head;
use crate::engine::Compute;
use crate::exit::{Code, CommandFailure, OrCode};
use crate::settings::Settings;
use crate::trainer::{Observer, WalkForwardResult, walk_forward};
use crate::ui::Step;

/// Symbols of the comparison.
const FEW: usize = 2;
const HEADS: usize = Head::COUNT;

pub fn train(bench: &Bench<'_>, settings: &Settings, data: &Data, sizes: &Sizes) -> Result<Row, CommandFailure> {
    let own;
    let panel = if sizes.train_symbols == sizes.symbols {
        &data.panel
    } else {
        own = market::panel(settings, sizes.train_symbols, sizes.days)?;
        &own
    };
    let models = WalkForwardResult::model_count(&settings.trainer(), panel, &all_symbols(panel));
    if models == 0 {
        let message = format!("{} days are too few for one fold of the settings: give more --days", sizes.days);
        return Err(CommandFailure::new(Code::Usage, message));
    }
    let work = Work {
        stage: "train",
        computed: format!(
            "the whole walk-forward of {} symbols × {} days of 1h candles: features, labels, {models} models ({HEADS} heads \
             per fold) with the parameters of the settings, trades and verdicts",
            of(panel.symbols.len(), FULL.train_symbols),
            of(sizes.days as usize, FULL.days as usize)
        ),
        unit: "models",
        items: models as u64,
        bytes: None,
    };
    let compare = || {
        let small = market::panel(settings, FEW.min(sizes.train_symbols), one_fold_days(settings).min(sizes.days))?;
        let expected = bench.reference(|| study(settings, &Compute::cpu(), &small, None))??;
        let actual = study(settings, bench.compute, &small, None)?;
        Ok(Comparison { slice: stages::slice(&small), actual: bits::study(&actual), expected: bits::study(&expected) })
    };
    bench.row(work, compare, |step| study(settings, bench.compute, panel, Some(step)))
}

/// Days that one fold of the settings needs.
fn one_fold_days(settings: &Settings) -> u32 {
    let folds = &settings.folds;
    folds.train_days + folds.purge_days + folds.step_days
}

fn study(
    settings: &Settings,
    compute: &Compute,
    panel: &Panel,
    step: Option<&Step>,
) -> Result<WalkForwardResult, CommandFailure> {
    let observer: &dyn Observer = step.map_or(&(), |step| step);
    let study = walk_forward(&settings.trainer(), compute, panel, &all_symbols(panel), observer).or_code()?;
    match study.failed.first() {
        // Without the model of a symbol the time would be too short.
        Some((symbol, why)) => Err(CommandFailure::new(Code::Failed, format!("{symbol} could not be trained: {why}"))),
        None => Ok(study),
    }
}

fn all_symbols(panel: &Panel) -> Vec<usize> {
    (0..panel.symbols.len()).collect()
}
