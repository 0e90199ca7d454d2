//! All features of a block: stored column by column, then written to memory as rows.

use std::array::from_fn;

use super::catalogue::{CATALOGUE, COUNT};
use super::series::{BARS, Block};

/// Entries from one column to the next: a few more than the bars, so that columns do not share cache sets.
const STRIDE: usize = BARS + 16;

/// Bars and features of a square.
pub const SIDE: usize = 16;

/// Squares of a group of bars; the last one overlaps the one before it.
const SQUARES: usize = COUNT.div_ceil(SIDE);

/// Values in a cache line.
pub const LINE: usize = 16;

/// Rows of [`SIDE`] bars.
type Group = [f32; SIDE * COUNT];

/// Vector instructions for moving values.
pub trait Simd {
    /// Writes a square of a tile, transposed. `columns` holds the values of [`SIDE`] features from the square's first
    /// bar on; `rows` begins at the square's first feature. Every NaN gets the same bit pattern.
    fn transpose(columns: [&[f32; SIDE]; SIDE], rows: &mut [f32]);
    /// Writes a cache line to memory that will not be read soon.
    fn stream(line: &[f32; LINE], to: &mut [f32; LINE]);
    /// Makes streamed lines visible to other threads.
    fn fence();
}

/// All features of one symbol's block, `[features × STRIDE]`.
pub struct Tile {
    values: Vec<f32>,
}

impl Tile {
    /// All zeros.
    pub fn new() -> Self {
        Self { values: vec![0.0; COUNT * STRIDE] }
    }

    /// Stores a column: `value` of the inputs, bar by bar.
    #[inline(always)]
    pub fn put<const K: usize>(&mut self, feature: usize, inputs: [&Block; K], value: impl Fn([f64; K]) -> f64) {
        let column: &mut [f32; BARS] =
            (&mut self.values[feature * STRIDE..][..BARS]).try_into().expect("a slice of BARS values");
        for (i, slot) in column.iter_mut().enumerate() {
            *slot = value(from_fn(|k| inputs[k][i])) as f32;
        }
    }

    /// Stores a finished column of at most [`BARS`] bars.
    #[inline(always)]
    pub fn copy(&mut self, feature: usize, values: &[f32]) {
        self.values[feature * STRIDE..][..values.len()].copy_from_slice(values);
    }

    /// Overwrites with NaN what was stored for a symbol's first bars, before each feature's warm-up is over.
    pub fn hide_warm_up(&mut self) {
        for (column, feature) in self.values.chunks_exact_mut(STRIDE).zip(CATALOGUE) {
            column[..feature.warm_up].fill(f32::NAN);
        }
    }

    /// Writes the first bars as rows, `[bars × features]`.
    ///
    /// Memory is slower than the transposition: while a group is transposed, the previous one is streamed.
    #[inline(always)]
    pub fn write<S: Simd>(&self, rows: &mut [f32]) {
        let mut groups: [Group; 2] = [[0.0; SIDE * COUNT]; 2];
        let whole = rows.len() / (SIDE * COUNT);
        let (body, rest) = rows.split_at_mut(whole * SIDE * COUNT);
        let mut targets = body.chunks_exact_mut(SIDE * COUNT);
        for group in 0..=whole {
            let [even, odd] = &mut groups;
            let (current, previous) = if group % 2 == 0 { (even, &*odd) } else { (odd, &*even) };
            let mut stream = if group > 0 { targets.next().map(|to| Stream::new(previous, to)) } else { None };
            for square in 0..SQUARES {
                if let Some(stream) = &mut stream {
                    stream.advance::<S>((SIDE * COUNT / LINE).div_ceil(SQUARES));
                }
                if group < whole {
                    let feature = (square * SIDE).min(COUNT - SIDE);
                    let columns = from_fn(|k| {
                        let from = (feature + k) * STRIDE + group * SIDE;
                        self.values[from..from + SIDE].try_into().expect("a slice of SIDE values")
                    });
                    S::transpose(columns, &mut current[feature..]);
                }
            }
        }
        for (i, row) in rest.chunks_exact_mut(COUNT).enumerate() {
            for (feature, slot) in row.iter_mut().enumerate() {
                *slot = canonical(self.values[feature * STRIDE + whole * SIDE + i]);
            }
        }
    }
}

/// Fills rows with NaN.
#[inline(always)]
pub fn blank<S: Simd>(rows: &mut [f32]) {
    const BLANK: Group = [f32::NAN; SIDE * COUNT];
    for chunk in rows.chunks_mut(BLANK.len()) {
        Stream::new(&BLANK[..chunk.len()], chunk).advance::<S>(BLANK.len());
    }
}

/// A group that is being streamed to memory, by whole cache lines.
struct Stream<'a> {
    lines: &'a [[f32; LINE]],
    to: &'a mut [[f32; LINE]],
}

impl<'a> Stream<'a> {
    /// Writes what lies before the first whole line and after the last one.
    #[inline(always)]
    fn new(group: &'a [f32], to: &'a mut [f32]) -> Self {
        let before = to.as_ptr().align_offset(LINE * size_of::<f32>()).min(to.len());
        let (start, to) = to.split_at_mut(before);
        start.copy_from_slice(&group[..before]);
        let (lines, end) = group[before..].as_chunks();
        let (to, to_end) = to.as_chunks_mut();
        to_end.copy_from_slice(end);
        Self { lines, to }
    }

    /// Writes the next `count` lines, or as many as are left.
    #[inline(always)]
    fn advance<S: Simd>(&mut self, count: usize) {
        let count = count.min(self.lines.len());
        let (lines, later) = self.lines.split_at(count);
        let (to, to_later) = std::mem::take(&mut self.to).split_at_mut(count);
        for (line, to) in lines.iter().zip(to) {
            S::stream(line, to);
        }
        (self.lines, self.to) = (later, to_later);
    }
}

/// Gives NaN the same bit pattern on every device.
#[inline(always)]
fn canonical(value: f32) -> f32 {
    if value.is_nan() { f32::NAN } else { value }
}

/// Moves values without vector instructions.
pub struct Scalar;

impl Simd for Scalar {
    #[inline(always)]
    fn transpose(columns: [&[f32; SIDE]; SIDE], rows: &mut [f32]) {
        for (i, row) in rows.chunks_mut(COUNT).enumerate() {
            for (slot, column) in row.iter_mut().zip(columns) {
                *slot = canonical(column[i]);
            }
        }
    }

    #[inline(always)]
    fn stream(line: &[f32; LINE], to: &mut [f32; LINE]) {
        *to = *line;
    }

    #[inline(always)]
    fn fence() {}
}
