//! Tables of numbers from numpy: read where they lie if they are f32 row by row, converted by all cores otherwise.

use std::borrow::Cow;

use numpy::{Element, PyArray1, PyArray2, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use rayon::prelude::*;

/// Rows that a thread converts at a time.
const ROWS: usize = 256;

/// A two-dimensional array of a caller. It must not be written to while it is in use, as everywhere in numpy.
pub struct Matrix {
    /// Keeps the memory.
    _owner: Py<PyAny>,
    start: *const u8,
    pub rows: usize,
    pub columns: usize,
    /// Bytes from one row, and from one column, to the next.
    strides: (isize, isize),
    double: bool,
}

// SAFETY: the memory belongs to an object that is kept, and is only read.
unsafe impl Send for Matrix {}
// SAFETY: as above.
unsafe impl Sync for Matrix {}

impl Matrix {
    /// An array of f32 or f64, `[rows × columns]`, of any layout.
    ///
    /// # Errors
    /// `TypeError` for anything else.
    pub fn of(array: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(array) = array.cast::<PyArray2<f32>>() {
            return Ok(Self::typed(array, false));
        }
        if let Ok(array) = array.cast::<PyArray2<f64>>() {
            return Ok(Self::typed(array, true));
        }
        Err(PyTypeError::new_err("a two-dimensional numpy array of float32 or float64 is needed"))
    }

    fn typed<T: Element>(array: &Bound<'_, PyArray2<T>>, double: bool) -> Self {
        let (shape, strides) = (array.shape(), array.strides());
        Self {
            _owner: array.clone().into_any().unbind(),
            start: array.data().cast_const().cast(),
            rows: shape[0],
            columns: shape[1],
            strides: (strides[0], strides[1]),
            double,
        }
    }

    /// The values, `[rows × columns]` row by row. Infinities become the greatest finite values, as in the commands.
    pub fn values(&self) -> Cow<'_, [f32]> {
        self.as_it_lies().map_or_else(|| Cow::Owned(self.converted()), Cow::Borrowed)
    }

    /// The memory itself, if it needs no change.
    fn as_it_lies(&self) -> Option<&[f32]> {
        let size = size_of::<f32>() as isize;
        let by_row = (self.columns < 2 || self.strides.1 == size)
            && (self.rows < 2 || self.strides.0 == size * self.columns as isize);
        if self.double || !by_row || !(self.start as usize).is_multiple_of(align_of::<f32>()) {
            return None;
        }
        if self.rows * self.columns == 0 {
            return Some(&[]);
        }
        // SAFETY: the array has these values one after the other, is aligned, and is kept alive.
        let values = unsafe { std::slice::from_raw_parts(self.start.cast::<f32>(), self.rows * self.columns) };
        let any_infinite = values.par_chunks(1 << 16).any(|some| some.iter().any(|value| value.is_infinite()));
        (!any_infinite).then_some(values)
    }

    fn converted(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.rows * self.columns];
        if out.is_empty() {
            return out;
        }
        out.par_chunks_mut(ROWS * self.columns).enumerate().for_each(|(portion, out)| {
            let first = portion * ROWS;
            let rows = out.len() / self.columns;
            // A column at a time where columns lie together, so that reads are of neighbours.
            if self.strides.1.abs() > self.strides.0.abs() {
                for column in 0..self.columns {
                    for row in 0..rows {
                        out[row * self.columns + column] = self.at(first + row, column);
                    }
                }
            } else {
                for (row, out) in (first..).zip(out.chunks_exact_mut(self.columns)) {
                    for (column, slot) in out.iter_mut().enumerate() {
                        *slot = self.at(row, column);
                    }
                }
            }
        });
        out
    }

    fn at(&self, row: usize, column: usize) -> f32 {
        debug_assert!(row < self.rows && column < self.columns);
        let offset = row as isize * self.strides.0 + column as isize * self.strides.1;
        // SAFETY: the place is inside the array, which may not be aligned.
        let value = unsafe {
            let place = self.start.offset(offset);
            if self.double { place.cast::<f64>().read_unaligned() as f32 } else { place.cast::<f32>().read_unaligned() }
        };
        if value.is_nan() { f32::NAN } else { value.clamp(f32::MIN, f32::MAX) }
    }
}

/// A one-dimensional array, copied. `what` names it in errors.
///
/// # Errors
/// `TypeError` for an array of another type.
pub fn vector<T: Element + Copy>(array: &Bound<'_, PyAny>, what: &str) -> PyResult<Vec<T>> {
    let array = array.cast::<PyArray1<T>>().map_err(|_| {
        PyTypeError::new_err(format!("{what}: a one-dimensional numpy array of another type is needed"))
    })?;
    Ok(array.to_owned_array().iter().copied().collect())
}
