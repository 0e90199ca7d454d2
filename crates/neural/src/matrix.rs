//! Matrix products by the `matrixmultiply` crate, on the calling thread.

/// A matrix `[rows × columns]` in a slice.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    transposed: bool,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(values.len(), rows * columns, "the slice has the size of the matrix");
        Self { values, rows, columns, transposed: false }
    }

    /// The same values with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self { rows: self.columns, columns: self.rows, transposed: !self.transposed, ..self }
    }

    /// Distance of neighbours in a column, and in a row.
    fn strides(&self) -> (isize, isize) {
        if self.transposed { (1, self.rows as isize) } else { (self.columns as isize, 1) }
    }
}

/// `out = a × b`, or with `add` `out += a × b`; `out` is row-major.
pub fn multiply(a: Matrix<'_>, b: Matrix<'_>, out: &mut [f32], add: bool) {
    assert_eq!(a.columns, b.rows, "the inner dimensions are equal");
    assert_eq!(out.len(), a.rows * b.columns, "the slice has the size of the product");
    let ((a_rows, a_columns), (b_rows, b_columns)) = (a.strides(), b.strides());
    // SAFETY: the checks here and in `Matrix::new` keep every element that sizes and strides reach within the slices, and
    // `out` is borrowed mutably, so it overlaps neither factor.
    unsafe {
        matrixmultiply::sgemm(
            a.rows,
            a.columns,
            b.columns,
            1.0,
            a.values.as_ptr(),
            a_rows,
            a_columns,
            b.values.as_ptr(),
            b_rows,
            b_columns,
            if add { 1.0 } else { 0.0 },
            out.as_mut_ptr(),
            b.columns as isize,
            1,
        );
    }
}
