//! Rows on their way from the thread that reads them to the one that takes them.

use std::ops::ControlFlow;

use super::{Cell, TakeRows};

/// Bytes of text after which a batch is handed over.
const ENOUGH: usize = 1 << 18;

/// A value whose text, if it is one, lies with that of all others.
#[derive(Debug, Clone, Copy)]
enum Kept {
    Text { bytes: usize },
    Other(Cell<'static>),
}

/// Rows of as many cells as there are columns.
#[derive(Debug, Default)]
pub(super) struct Batch {
    text: String,
    cells: Vec<Kept>,
}

impl Batch {
    pub fn push(&mut self, cell: Cell<'_>) {
        self.cells.push(match cell {
            Cell::Text(text) => {
                self.text.push_str(text);
                Kept::Text { bytes: text.len() }
            }
            Cell::Null => Kept::Other(Cell::Null),
            Cell::Real(real) => Kept::Other(Cell::Real(real)),
            Cell::Int(int) => Kept::Other(Cell::Int(int)),
            Cell::Bool(flag) => Kept::Other(Cell::Bool(flag)),
            Cell::Time(ms) => Kept::Other(Cell::Time(ms)),
            Cell::Date(date) => Kept::Other(Cell::Date(date)),
        });
    }

    /// Whether it is time to hand it over; rows without text are as many as 16 bytes a cell make.
    pub fn is_full(&self) -> bool {
        self.text.len() + 16 * self.cells.len() >= ENOUGH
    }

    /// Lends its rows to `taker`, until that wants no more.
    pub fn lend(&self, columns: usize, taker: &mut impl TakeRows) -> ControlFlow<()> {
        let mut row = Vec::with_capacity(columns);
        let mut text = self.text.as_str();
        for cells in self.cells.chunks(columns) {
            row.clear();
            for cell in cells {
                row.push(match *cell {
                    Kept::Text { bytes } => {
                        let (this, rest) = text.split_at(bytes);
                        text = rest;
                        Cell::Text(this)
                    }
                    Kept::Other(cell) => cell,
                });
            }
            taker.row(&row)?;
        }
        ControlFlow::Continue(())
    }

    pub fn clear(&mut self) {
        self.text.clear();
        self.cells.clear();
    }
}
