//! `huracan folds`: the purged walk-forward plan.

use std::ops::Range;
use std::path::Path;

use serde_json::{Value, json};

use super::{candles, time_text};
use crate::bars::Panel;
use crate::exit::CommandFailure;
use crate::folds::{self, Fold, Grid};
use crate::settings::Settings;

/// The walk-forward plan of all symbols.
pub struct Plan {
    /// Symbol and fold.
    pub folds: Vec<(String, Fold)>,
    /// Symbols whose history is too short, with the reason.
    pub too_short: Vec<(String, String)>,
    panel: Panel,
}

/// Plans the folds of a folder's candles.
///
/// # Errors
/// Bad candles.
pub fn run(settings: &Settings, folder: &Path) -> Result<Plan, CommandFailure> {
    Ok(plan(settings, candles::read_panel(folder, settings)?))
}

/// Plans the folds of a panel.
pub fn plan(settings: &Settings, panel: Panel) -> Plan {
    let (mut all, mut too_short) = (Vec::new(), Vec::new());
    for (symbol, range) in panel.symbols.iter().zip(&panel.ranges) {
        match folds::plan(Grid::of(&panel), range, &settings.folds) {
            Ok(plan) => all.extend(plan.into_iter().map(|fold| (symbol.clone(), fold))),
            Err(error) => too_short.push((symbol.clone(), error.to_string())),
        }
    }
    Plan { folds: all, too_short, panel }
}

impl Plan {
    /// Heading and rows of the table: symbol, fold, then the first and last bar of each part.
    pub fn table(&self) -> (Vec<&'static str>, Vec<Vec<String>>) {
        let heading = vec!["symbol", "fold", "train", "validation", "purge", "test"];
        let rows = self
            .folds
            .iter()
            .map(|(symbol, fold)| {
                let mut row = vec![symbol.clone(), fold.index.to_string()];
                row.extend(self.parts(fold).map(|(_, [from, to], bars)| format!("{from} … {to} ({bars})")));
                row
            })
            .collect();
        (heading, rows)
    }

    /// The plan as JSON.
    pub fn json(&self) -> Value {
        let folds: Vec<Value> = self
            .folds
            .iter()
            .map(|(symbol, fold)| {
                let mut row = json!({ "symbol": symbol, "fold": fold.index });
                for (name, [from, to], bars) in self.parts(fold) {
                    row[name] = json!({ "from": from, "to": to, "bars": bars });
                }
                row
            })
            .collect();
        let failed: Vec<Value> =
            self.too_short.iter().map(|(symbol, reason)| json!({ "symbol": symbol, "reason": reason })).collect();
        json!({ "timeframe": self.panel.timeframe, "folds": folds, "failed": failed })
    }

    /// Name, open of the first and the last bar, and number of bars of each part.
    fn parts<'a>(&'a self, fold: &'a Fold) -> impl Iterator<Item = (&'static str, [String; 2], usize)> + 'a {
        let text = |range: &Range<usize>| {
            [range.start, range.end.max(range.start + 1) - 1].map(|bar| time_text(self.panel.time_ms(bar)))
        };
        [("train", &fold.train), ("validation", &fold.validation), ("purge", &fold.purge), ("test", &fold.test)]
            .into_iter()
            .map(move |(name, range)| (name, text(range), range.len()))
    }
}
