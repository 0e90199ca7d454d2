//! Tables in and out by Arrow's C data interface, without a copy: pyarrow, polars, pandas, DuckDB and all others that have it.

use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use numpy::PyArray1;
use polars_arrow::array::StructArray;
use polars_arrow::datatypes::{ArrowDataType, Field};
use polars_arrow::ffi::{self, ArrowArrayStream, ArrowArrayStreamReader};
use polars_core::prelude::*;
use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyList};

use crate::errors::{HuracanError, bad_data};
use crate::matrix::vector;

const STREAM: &CStr = c"arrow_array_stream";

/// A table. It has Arrow's `__arrow_c_stream__`, so that `pyarrow.table(…)`, `polars.DataFrame(…)`, DuckDB and others take it
/// without a copy.
#[pyclass(frozen, module = "huracan._huracan")]
pub struct Frame {
    pub frame: DataFrame,
}

#[pymethods]
impl Frame {
    /// The table of an object that has `__arrow_c_stream__`; `what` names it in errors.
    #[staticmethod]
    fn of(table: &Bound<'_, PyAny>, what: &str) -> PyResult<Self> {
        Ok(Self { frame: import(table, what)? })
    }

    /// The table of columns: a name, a numpy array or a list of texts, and what it holds: `number`, `time` (ms) or `text`.
    #[staticmethod]
    fn of_columns(columns: Vec<(String, Bound<'_, PyAny>, String)>) -> PyResult<Self> {
        let own =
            columns.iter().map(|(name, values, kind)| column(name, values, kind)).collect::<PyResult<Vec<_>>>()?;
        let rows = own.first().map_or(0, Column::len);
        Ok(Self { frame: DataFrame::new(rows, own).map_err(bad_data)? })
    }

    /// The values of a column, and what it holds: `number`, `time` (ms, int64) or `text`.
    fn column<'py>(&self, py: Python<'py>, name: &str) -> PyResult<(Bound<'py, PyAny>, &'static str)> {
        let column =
            self.frame.column(name).map_err(|_| PyKeyError::new_err(format!("there is no column '{name}'")))?;
        values(py, column)
    }

    /// Names of the columns.
    #[getter]
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.frame.get_column_names().iter().map(|name| name.as_str()))
    }

    /// Number of rows and of columns.
    #[getter]
    fn shape(&self) -> (usize, usize) {
        self.frame.shape()
    }

    fn __len__(&self) -> usize {
        self.frame.height()
    }

    /// Arrow's C stream of the table, in a capsule.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // A consumer may ask for another form of the columns, and the interface allows not to give it.
        drop(requested_schema);
        PyCapsule::new_with_value(py, export(&self.frame), STREAM)
    }
}

/// A column of values from numpy, or of texts.
fn column(name: &str, values: &Bound<'_, PyAny>, kind: &str) -> PyResult<Column> {
    let named = PlSmallStr::from_str(name);
    if kind == "text" {
        return Ok(Column::new(named, values.extract::<Vec<Option<String>>>()?));
    }
    if let Ok(times) = vector::<i64>(values, name) {
        let whole = Column::new(named, times);
        let time = DataType::Datetime(TimeUnit::Milliseconds, Some(TimeZone::UTC));
        return if kind == "time" { whole.cast(&time).map_err(bad_data) } else { Ok(whole) };
    }
    if let Ok(single) = vector::<f32>(values, name) {
        return Ok(Column::new(named, single));
    }
    if let Ok(flags) = vector::<bool>(values, name) {
        return Ok(Column::new(named, flags));
    }
    Ok(Column::new(named, vector::<f64>(values, name)?))
}

/// The values of a column for numpy, or texts; and what it holds.
fn values<'py>(py: Python<'py>, column: &Column) -> PyResult<(Bound<'py, PyAny>, &'static str)> {
    let fault = |error: PolarsError| bad_data(format!("column '{}': {error}", column.name()));
    let array = match column.dtype() {
        DataType::Float32 => {
            let own = column.f32().map_err(fault)?;
            PyArray1::from_iter(py, own.iter().map(|value| value.unwrap_or(f32::NAN))).into_any()
        }
        DataType::Boolean if column.null_count() == 0 => {
            let own = column.bool().map_err(fault)?;
            PyArray1::from_iter(py, own.iter().map(Option::unwrap_or_default)).into_any()
        }
        DataType::Datetime(TimeUnit::Milliseconds, _) => {
            let physical = column.to_physical_repr();
            let own = physical.i64().map_err(fault)?;
            let times = PyArray1::from_iter(py, own.iter().map(|time| time.unwrap_or(i64::MIN)));
            return Ok((times.into_any(), "time"));
        }
        kind if kind.is_integer() && *kind != DataType::UInt64 && column.null_count() == 0 => {
            let cast = column.cast(&DataType::Int64).map_err(fault)?;
            let own = cast.i64().map_err(fault)?;
            PyArray1::from_iter(py, own.iter().map(Option::unwrap_or_default)).into_any()
        }
        kind if kind.is_primitive_numeric() || kind.is_bool() => {
            let cast = column.cast(&DataType::Float64).map_err(fault)?;
            let own = cast.f64().map_err(fault)?;
            PyArray1::from_iter(py, own.iter().map(|value| value.unwrap_or(f64::NAN))).into_any()
        }
        _ => {
            let cast = column.cast(&DataType::String).map_err(fault)?;
            let own = cast.str().map_err(fault)?;
            return Ok((PyList::new(py, own.iter())?.into_any(), "text"));
        }
    };
    Ok((array, "number"))
}

fn export(frame: &DataFrame) -> ArrowArrayStream {
    let mut frame = frame.clone();
    frame.rechunk_mut();
    // Text as offsets and bytes, which all readers know; not as the newer views.
    let level = CompatLevel::oldest();
    let fields: Vec<Field> = frame.columns().iter().map(|column| column.field().to_arrow(level)).collect();
    let dtype = ArrowDataType::Struct(fields);
    let batches: Vec<_> = frame.iter_chunks(level, false).collect();
    let own = dtype.clone();
    let arrays = batches.into_iter().map(move |batch| {
        let rows = batch.height();
        Ok(StructArray::new(own.clone(), rows, batch.into_arrays(), None).boxed())
    });
    ffi::export_iterator(Box::new(arrays), Field::new("".into(), dtype, false))
}

/// The table of an object that has `__arrow_c_stream__`.
///
/// # Errors
/// `TypeError` for an object without it, `DataError` for types that cannot be read.
pub fn import(table: &Bound<'_, PyAny>, what: &str) -> PyResult<DataFrame> {
    if let Ok(own) = table.cast::<Frame>() {
        return Ok(own.get().frame.clone());
    }
    let capsule = table.call_method0("__arrow_c_stream__").map_err(|error| {
        if table.hasattr("__arrow_c_stream__").unwrap_or(false) {
            return error;
        }
        let kind = table.get_type().name().map_or_else(|_| "an object".to_owned(), |name| name.to_string());
        PyTypeError::new_err(format!("{what} is {kind}, which is no table: it has no __arrow_c_stream__"))
    })?;
    let capsule =
        capsule.cast_into::<PyCapsule>().map_err(|_| PyTypeError::new_err("__arrow_c_stream__ gave no capsule"))?;
    let pointer: NonNull<ArrowArrayStream> = capsule.pointer_checked(Some(STREAM))?.cast();
    // SAFETY: the capsule's name says that it holds a stream. Taking it out leaves a released one, as the interface asks.
    let stream = unsafe { std::ptr::replace(pointer.as_ptr(), ArrowArrayStream::empty()) };
    read(stream, what)
}

fn read(stream: ArrowArrayStream, what: &str) -> PyResult<DataFrame> {
    let fault = |error: PolarsError| bad_data(format!("{what}: {error}"));
    // SAFETY: the stream comes from a producer of the interface.
    let mut reader = unsafe { ArrowArrayStreamReader::try_new(Box::new(stream)) }.map_err(fault)?;
    let ArrowDataType::Struct(fields) = reader.field().dtype().clone() else {
        return Err(bad_data(format!("{what}: is a column, not a table")));
    };
    let mut chunks: Vec<Vec<ArrayRef>> = fields.iter().map(|_| Vec::new()).collect();
    let mut rows = 0;
    // SAFETY: as above.
    while let Some(batch) = unsafe { reader.next() } {
        let batch = batch.map_err(fault)?;
        let Some(batch) = batch.as_any().downcast_ref::<StructArray>() else {
            return Err(HuracanError::new_err(format!("{what}: a batch is no struct")));
        };
        if polars_arrow::array::Array::null_count(batch) > 0 {
            return Err(bad_data(format!("{what}: a row is missing as a whole")));
        }
        rows += polars_arrow::array::Array::len(batch);
        for (chunks, array) in chunks.iter_mut().zip(batch.values()) {
            chunks.push(array.clone());
        }
    }
    let column = |(field, chunks): (&Field, Vec<ArrayRef>)| -> PyResult<Column> {
        // Polars panics at types that it was built without.
        let imported = catch_unwind(AssertUnwindSafe(|| one_column(field, chunks)));
        let kind = || format!("{:?}", field.dtype);
        let unknown = || {
            let kind = kind();
            let kind = kind.split(['(', '{', ' ']).next().unwrap_or_default().to_owned();
            bad_data(format!(
                "{what}: column '{}' holds {kind}, which cannot be read; cast it to text or numbers",
                field.name
            ))
        };
        imported.map_err(|_| unknown())?.map_err(|error| bad_data(format!("{what}: column '{}': {error}", field.name)))
    };
    let columns = fields.iter().zip(chunks).map(column).collect::<PyResult<Vec<_>>>()?;
    DataFrame::new(rows, columns).map_err(fault)
}

/// A column of its chunks.
fn one_column(field: &Field, chunks: Vec<ArrayRef>) -> PolarsResult<Column> {
    if chunks.is_empty() {
        return Ok(Series::new_empty(field.name.clone(), &DataType::from_arrow_field(field)).into_column());
    }
    // SAFETY: the arrays have the type of their field.
    let series = unsafe {
        Series::_try_from_arrow_unchecked_with_md(field.name.clone(), chunks, &field.dtype, field.metadata.as_deref())
    }?;
    Ok(series.rechunk().into_column())
}
