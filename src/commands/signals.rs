//! Signals from a file.

use std::collections::HashMap;
use std::path::Path;

use super::table::{self, TableError};
use super::time_text;
use crate::market::Panel;
use crate::shadow::{SignalError, Signals};

/// A file of signals that cannot be traded.
#[derive(Debug, thiserror::Error)]
pub enum SignalFileError {
    #[error(transparent)]
    Table(#[from] TableError),
    #[error("{path}: {fault}")]
    Row { path: String, fault: SignalError },
}

/// Reads `symbol, timestamp, side` (−1, 0, +1) and, where there are such columns, `stop_bps, take_bps, size`.
pub fn read(path: &Path, panel: &Panel) -> Result<Signals, SignalFileError> {
    let table = table::read(path)?;
    let (symbols, times, sides) = (table.texts("symbol")?, table.times("timestamp")?, table.numbers("side")?);
    let optional = |name| if table.has(name) { table.numbers(name).map(Some) } else { Ok(None) };
    let (stops, takes, sizes) = (optional("stop_bps")?, optional("take_bps")?, optional("size")?);
    let fault = |fault| SignalFileError::Row { path: path.display().to_string(), fault };
    let mut signals = Signals::none(panel.symbols.len(), panel.bars);
    let mut seen: HashMap<usize, usize> = HashMap::new();
    for row in 0..symbols.len() {
        let name = &symbols[row];
        let symbol =
            panel.symbol(name).ok_or_else(|| fault(SignalError::UnknownSymbol { row, symbol: name.clone() }))?;
        let bar = panel.bar_at(times[row]).filter(|bar| panel.ranges[symbol].contains(bar)).ok_or_else(|| {
            fault(SignalError::UnknownTime { row, symbol: name.clone(), time: time_text(times[row]) })
        })?;
        let cell = symbol * panel.bars + bar;
        if let Some(&first) = seen.get(&cell) {
            let time = time_text(times[row]);
            return Err(fault(SignalError::Twice { row, first, symbol: name.clone(), time }));
        }
        seen.insert(cell, row);
        signals.side[cell] = match sides[row] {
            1.0 => 1,
            -1.0 => -1,
            0.0 => 0,
            side => return Err(fault(SignalError::Side { row, side: side.to_string() })),
        };
        let given = [
            ("stop_bps", &stops, &mut signals.stop_bps),
            ("take_bps", &takes, &mut signals.take_bps),
            ("size", &sizes, &mut signals.size),
        ];
        for (column, values, out) in given {
            let Some(values) = values else { continue };
            let value = values[row];
            // A row without a side says nothing of the trade.
            if !value.is_nan() && sides[row] != 0.0 && !(value.is_finite() && value > 0.0) {
                return Err(fault(SignalError::Number { row, column, value }));
            }
            out[cell] = value;
        }
    }
    Ok(signals)
}
