//! The row of the whole walk-forward: features, labels, every fold and head of every symbol, trades and verdicts.

use super::measure::{Bench, Compared, Row, Work};
use super::sizes::{FULL, Sizes, of};
use super::{Data, bits, market, stages};
use crate::bars::Panel;
use crate::decide::Head;
use crate::engine::Compute;
use crate::exit::{Code, Failure, OrCode};
use crate::settings::Settings;
use crate::trainer::{Observer, Study, walk_forward};
use crate::ui::Step;

/// Symbols that are compared.
const FEW: usize = 2;
const HEADS: usize = Head::COUNT;

pub fn train(bench: &Bench<'_>, settings: &Settings, data: &Data, sizes: &Sizes) -> Result<Row, Failure> {
    let own;
    let panel = if sizes.train_symbols == sizes.symbols {
        &data.panel
    } else {
        own = market::panel(settings, sizes.train_symbols, sizes.days)?;
        &own
    };
    let models = Study::models(&settings.trainer(), panel, &everyone(panel));
    if models == 0 {
        let message = format!("{} days hold no fold of the settings: give more --days", sizes.days);
        return Err(Failure::new(Code::Usage, message));
    }
    let work = Work {
        stage: "train",
        computed: format!(
            "the whole walk-forward of {} symbols × {} days of 1h candles, {models} models ({HEADS} heads a fold) by the \
             settings' parameters, features and labels before, trades and verdicts after",
            of(panel.symbols.len(), FULL.train_symbols),
            of(sizes.days as usize, FULL.days as usize)
        ),
        unit: "models",
        items: models as u64,
        bytes: None,
    };
    let compare = || {
        let small = market::panel(settings, FEW.min(sizes.train_symbols), one_fold_days(settings).min(sizes.days))?;
        let wanted = bench.reference(|| study(settings, &Compute::cpu(), &small, None))??;
        let found = study(settings, bench.compute, &small, None)?;
        Ok(Compared { slice: stages::slice(&small), found: bits::study(&found), wanted: bits::study(&wanted) })
    };
    bench.row(work, compare, |step| study(settings, bench.compute, panel, Some(step)))
}

/// Days that hold one fold of the settings.
fn one_fold_days(settings: &Settings) -> u32 {
    let folds = &settings.folds;
    folds.train_days + folds.purge_days + folds.test_days
}

fn study(settings: &Settings, compute: &Compute, panel: &Panel, step: Option<&Step>) -> Result<Study, Failure> {
    let observer: &dyn Observer = step.map_or(&(), |step| step);
    let found = walk_forward(&settings.trainer(), compute, panel, &everyone(panel), observer).or_code()?;
    match found.failed.first() {
        // A symbol without a model would be time that was not spent.
        Some((symbol, why)) => Err(Failure::new(Code::Failed, format!("{symbol} could not be trained: {why}"))),
        None => Ok(found),
    }
}

fn everyone(panel: &Panel) -> Vec<usize> {
    (0..panel.symbols.len()).collect()
}
