//! Reads signals and scores from a table.

use huracan_base::units::BPS;
use std::collections::HashMap;
use std::path::Path;

use super::table::{self, Table, TableError};
use super::time_text;
use crate::bars::Panel;
use crate::shadow::{Rules, Side, SignalError, Signals};

/// Why a file of signals cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SignalFileError {
    #[error(transparent)]
    Table(#[from] TableError),
    #[error("{path}: {fault}")]
    Row { path: String, fault: SignalError },
}

/// Reads `symbol, timestamp, side` (−1, 0, +1) and the optional columns `stop_bps, take_bps, size`.
///
/// # Errors
/// Missing columns, or a row that cannot be traded: a side of −1 as well where the rules have no shorts.
pub fn read(table: &Table, panel: &Panel, rules: &Rules) -> Result<Signals, SignalFileError> {
    let cells = cells(table, panel)?;
    let sides = table.numbers("side")?;
    let optional = |name| if table.has(name) { table.numbers(name).map(Some) } else { Ok(None) };
    let (stops, takes, sizes) = (optional("stop_bps")?, optional("take_bps")?, optional("size")?);
    let fault = |fault| SignalFileError::Row { path: table.path.display().to_string(), fault };
    let mut signals = Signals::none(panel.symbols.len(), panel.bars);
    for (row, &cell) in cells.iter().enumerate() {
        signals.side[cell] = side_of(row, sides[row]).map_err(fault)?;
        if signals.side[cell] == -1 && !rules.allows(Side::Short) {
            return Err(fault(SignalError::NoShorts { row }));
        }
        let given = [
            ("stop_bps", &stops, &mut signals.stop_bps),
            ("take_bps", &takes, &mut signals.take_bps),
            ("size", &sizes, &mut signals.size),
        ];
        for (column, values, out) in given {
            let Some(values) = values else { continue };
            let value = values[row];
            // A row without a side makes no trade, so the other columns do not matter.
            if !value.is_nan() && sides[row] != 0.0 && !(value.is_finite() && value > 0.0) {
                return Err(fault(SignalError::Number { row, column, value }));
            }
            // A long trade's stop and a short trade's take are below the entry price, and a price must stay above 0.
            let below = column == if sides[row] > 0.0 { "stop_bps" } else { "take_bps" };
            if below && column != "size" && sides[row] != 0.0 && value >= BPS {
                let side = if sides[row] > 0.0 { Side::Long } else { Side::Short };
                return Err(fault(SignalError::NoPrice { row, column, value, side }));
            }
            out[cell] = value;
        }
    }
    Ok(signals)
}

/// Scores of a file.
pub struct Scores {
    /// `[symbols × bars]`, row-major; NaN where the file has no row.
    pub values: Vec<f32>,
    /// The column that they were read from.
    pub column: &'static str,
    /// Columns of the file that a sweep does not use.
    pub unused: Vec<&'static str>,
}

/// Reads `symbol, timestamp, score`, or a `side` of −1, 0 or +1 as the score.
pub fn read_scores(path: &Path, panel: &Panel) -> Result<Scores, SignalFileError> {
    let table = table::read(path)?;
    let cells = cells(&table, panel)?;
    let column = if table.has("score") { "score" } else { "side" };
    let scores = table.numbers(column)?;
    let fault = |fault| SignalFileError::Row { path: path.display().to_string(), fault };
    let mut values = vec![f32::NAN; panel.symbols.len() * panel.bars];
    for (row, &cell) in cells.iter().enumerate() {
        values[cell] =
            if column == "side" { f32::from(side_of(row, scores[row]).map_err(fault)?) } else { scores[row] as f32 };
        if !values[cell].is_finite() {
            return Err(fault(SignalError::Score { row, value: scores[row] }));
        }
    }
    let unused = ["stop_bps", "take_bps", "size"].into_iter().filter(|name| table.has(name)).collect();
    Ok(Scores { values, column, unused })
}

/// Index into `[symbols × bars]` per row of the table.
fn cells(table: &Table, panel: &Panel) -> Result<Vec<usize>, SignalFileError> {
    let (symbols, times) = (table.texts("symbol")?, table.times("timestamp")?);
    let fault = |fault| SignalFileError::Row { path: table.path.display().to_string(), fault };
    let mut seen: HashMap<usize, usize> = HashMap::new();
    let mut cell_of = |row: usize| {
        let name = &symbols[row];
        let symbol =
            panel.symbol(name).ok_or_else(|| fault(SignalError::UnknownSymbol { row, symbol: name.clone() }))?;
        let bar = panel.bar_at(times[row]).filter(|bar| panel.ranges[symbol].contains(bar)).ok_or_else(|| {
            fault(SignalError::UnknownTime { row, symbol: name.clone(), time: time_text(times[row]) })
        })?;
        let cell = symbol * panel.bars + bar;
        if let Some(first) = seen.insert(cell, row) {
            let time = time_text(times[row]);
            return Err(fault(SignalError::Twice { row, first, symbol: name.clone(), time }));
        }
        Ok(cell)
    };
    (0..symbols.len()).map(&mut cell_of).collect()
}

fn side_of(row: usize, side: f64) -> Result<i8, SignalError> {
    match side {
        1.0 => Ok(1),
        -1.0 => Ok(-1),
        0.0 => Ok(0),
        side => Err(SignalError::Side { row, side: side.to_string() }),
    }
}
